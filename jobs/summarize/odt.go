package summarize

import (
	"encoding/xml"
	"strconv"
	"strings"
)

// readODT reads a text document in the OpenDocument format.
func readODT(content []byte) (extract, error) {
	a, err := openArchive(content)
	if err != nil {
		return extract{}, err
	}
	encrypted := false
	if a.has("META-INF/manifest.xml") {
		if err := a.walk("META-INF/manifest.xml", xmlHandler{start: func(e xml.StartElement) bool {
			encrypted = encrypted || e.Name.Local == "encryption-data"
			return true
		}}); err != nil {
			return extract{}, err
		}
	}
	if encrypted {
		return extract{}, ErrEncrypted
	}
	o := odt{lists: make(map[string]*[10]listLevel)}
	if a.has("styles.xml") {
		// The text in it is that of headers and footers.
		if err := a.walk("styles.xml", xmlHandler{start: func(e xml.StartElement) bool { o.style(e); return true }}); err != nil {
			return extract{}, err
		}
	}
	if err := a.walk("content.xml", xmlHandler{start: o.start, end: o.end, text: o.write, size: o.size}); err != nil {
		return extract{}, err
	}
	o.showNotes()
	doc := extract{sections: []Section{{Text: o.String()}}, pictures: o.pictures}
	if doc.title, err = a.title("meta.xml"); err != nil {
		return extract{}, err
	}
	if doc.title == "" {
		doc.title = o.title
	}
	return doc, nil
}

// odt reads the text of an OpenDocument text.
type odt struct {
	blocks

	// lists are the levels of the styles of lists, by their names.
	lists map[string]*[10]listLevel
	// style of lists that is being read.
	current *[10]listLevel

	// open are the lists that are open, innermost last.
	open []odtList
	// lead is the number or bullet that the next text gets.
	item string
	// depth counts open paragraphs and headings; text outside of them is none.
	depth int

	// note collects the note that is open, with what was collected of the
	// document set aside.
	aside    *blocks
	notes    []string
	due      []string
	title    string
	pictures bool
}

type odtList struct {
	style string
	count int
}

// style reads the styles of lists.
func (o *odt) style(e xml.StartElement) {
	switch e.Name.Local {
	case "list-style":
		o.current = &[10]listLevel{}
		o.lists[attr(e, "name")] = o.current
	case "list-level-style-number":
		n, err := strconv.ParseUint(attr(e, "level"), 10, 8)
		if err != nil || n < 1 || n > 10 || o.current == nil {
			return
		}
		l := listLevel{format: attr(e, "num-format"), start: 1}
		if start, err := strconv.ParseUint(attr(e, "start-value"), 10, 31); err == nil {
			l.start = int(start)
		}
		o.current[n-1] = l
	}
}

func (o *odt) write(text []byte) {
	if o.depth == 0 {
		return
	}
	if o.item != "" && len(o.cells) == 0 && !isBlank(string(text)) {
		o.prefix(o.item)
		o.item = ""
	}
	o.text(text)
}

func (o *odt) start(e xml.StartElement) bool {
	o.style(e)
	switch e.Name.Local {
	case "tracked-changes", "annotation", "forms", "script", "note-citation", "sequence-decls", "table-of-content-source":
		return false
	case "h":
		o.depth++
		o.paragraph()
		if n, err := strconv.ParseUint(attr(e, "outline-level"), 10, 8); err == nil && n >= 1 && len(o.cells) == 0 {
			o.prefix(strings.Repeat("#", int(min(n, 6))) + " ")
			o.item = ""
		}
	case "p":
		o.depth++
		if len(o.open) > 0 {
			o.newline()
		} else {
			o.paragraph()
		}
	case "s":
		o.space = true
	case "tab":
		o.space = true
	case "line-break":
		o.newline()
	case "list":
		style := attr(e, "style-name")
		if style == "" && len(o.open) > 0 {
			style = o.open[len(o.open)-1].style
		}
		if len(o.open) == 0 {
			o.paragraph()
		}
		o.open = append(o.open, odtList{style: style})
	case "list-item":
		o.newline()
		o.item = o.number()
	case "table":
		o.openTable()
	case "table-row":
		o.row()
	case "table-cell", "covered-table-cell":
		o.cell()
	case "note":
		o.openNote()
	case "image":
		o.pictures = true
	case "desc":
		o.depth++
		o.text([]byte(" [image: "))
	}
	return true
}

func (o *odt) end(name string) {
	switch name {
	case "h", "p":
		o.depth = max(0, o.depth-1)
		o.unprefix()
		if len(o.open) > 0 {
			o.newline()
		} else {
			o.paragraph()
		}
		if o.depth == 0 {
			o.showNotes()
		}
	case "desc":
		o.depth = max(0, o.depth-1)
		o.text([]byte("] "))
	case "list":
		if len(o.open) > 0 {
			o.open = o.open[:len(o.open)-1]
		}
		if o.item = ""; len(o.open) == 0 {
			o.paragraph()
		}
		o.showNotes()
	case "table-row":
		o.release()
		o.newline()
	case "table":
		o.closeTable()
		o.showNotes()
	case "note":
		o.closeNote()
	}
}

// number returns what the next item of the innermost list begins with.
func (o *odt) number() string {
	if len(o.open) == 0 {
		return "- "
	}
	at := len(o.open) - 1
	l := &o.open[at]
	l.count++
	indent := strings.Repeat("  ", min(at, maxIndent))
	levels := o.lists[l.style]
	if levels == nil || levels[min(at, 9)].format == "" {
		return indent + "- "
	}
	level := levels[min(at, 9)]
	return indent + formatNumber(level.start+l.count-1, level.format) + ". "
}

// openNote sets aside the text of the document for that of a note.
func (o *odt) openNote() {
	if o.aside != nil {
		return
	}
	o.notes = append(o.notes, "")
	o.text([]byte("[^" + strconv.Itoa(len(o.notes)) + "]"))
	aside := o.blocks
	o.aside, o.blocks = &aside, blocks{}
}

func (o *odt) closeNote() {
	if o.aside == nil {
		return
	}
	text := strings.Join(strings.Fields(o.String()), " ")
	o.due = append(o.due, "[^"+strconv.Itoa(len(o.notes))+"]: "+text)
	o.blocks, o.aside = *o.aside, nil
}

// showNotes writes the notes that are due, unless a table, list or note is open.
func (o *odt) showNotes() {
	if len(o.due) == 0 || len(o.cells) > 0 || len(o.open) > 0 || o.aside != nil {
		return
	}
	o.paragraph()
	for _, note := range o.due {
		o.text([]byte(note))
		o.newline()
	}
	o.due = nil
	o.paragraph()
}

// size returns how much text there is, with that which is set aside.
func (o *odt) size() int {
	n := o.blocks.size()
	if o.aside != nil {
		n += o.aside.size()
	}
	for _, note := range o.due {
		n += len(note)
	}
	return n
}
