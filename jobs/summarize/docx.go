package summarize

import (
	"encoding/xml"
	"strconv"
	"strings"
)

// docx reads the text of a Word document.
type docx struct {
	blocks

	styles    docxStyles
	numbering numbering
	notes     map[string]string

	// title is the first paragraph in the style of titles.
	title     string
	titleFrom *mark

	// open is what is known of the open paragraph.
	open docxParagraph
	// begun is set once the paragraph's beginning is written.
	begun bool
	// afterItem is set if the paragraph before was an item of a list.
	afterItem bool
	// shown numbers the notes in the order of their references.
	shown map[string]int
	// due are the notes to be shown below the paragraph or table.
	due      []string
	inText   bool
	pictures bool
}

type docxParagraph struct {
	style string
	// outline is the level of a heading from 0, nil if the paragraph says nothing.
	outline *int
	// list is the id of the list that the paragraph is an item of.
	list  string
	level *int
}

// readDOCX reads a Word document.
func readDOCX(content []byte) (extract, error) {
	a, err := openArchive(content)
	if err != nil {
		return extract{}, err
	}
	main, err := a.mainPart("word/document.xml")
	if err != nil {
		return extract{}, err
	}
	relations, err := a.relations(main)
	if err != nil {
		return extract{}, err
	}
	d := docx{notes: map[string]string{}, shown: map[string]int{}}
	if part, ok := related(relations, "styles"); ok && a.has(part) {
		if d.styles, err = readDOCXStyles(a, part); err != nil {
			return extract{}, err
		}
	}
	if part, ok := related(relations, "numbering"); ok && a.has(part) {
		if d.numbering, err = readNumbering(a, part); err != nil {
			return extract{}, err
		}
	}
	for _, kind := range []string{"footnote", "endnote"} {
		if part, ok := related(relations, kind+"s"); ok && a.has(part) {
			if err := d.readNotes(a, part, kind); err != nil {
				return extract{}, err
			}
		}
	}
	if err := a.walk(main, d.handler()); err != nil {
		return extract{}, err
	}
	d.showNotes()
	title, err := a.title("docProps/core.xml")
	if err != nil {
		return extract{}, err
	}
	if title == "" {
		title = d.title
	}
	return extract{title: title, sections: []Section{{Text: d.String()}}, pictures: d.pictures}, nil
}

// readNotes reads the footnotes or endnotes of a document, each on one line.
func (d *docx) readNotes(a *archive, part, kind string) error {
	id, total, note := "", 0, &docx{}
	return a.walk(part, xmlHandler{
		start: func(e xml.StartElement) bool {
			if e.Name.Local != kind {
				return note.start(e)
			}
			id, note = kind+attr(e, "id"), &docx{}
			// Those with another type are the lines that notes stand below.
			return attr(e, "type") == "" || attr(e, "type") == "normal"
		},
		end: func(name string) {
			if name != kind {
				note.end(name)
				return
			}
			d.notes[id] = strings.Join(strings.Fields(note.String()), " ")
			total += len(d.notes[id])
			note = &docx{}
		},
		text: func(text []byte) { note.write(text) },
		size: func() int { return total + note.size() },
	})
}

func (d *docx) handler() xmlHandler {
	return xmlHandler{start: d.start, end: d.end, size: d.size, text: d.write}
}

// write appends what stands in an element for text.
func (d *docx) write(text []byte) {
	if d.inText {
		d.beginParagraph()
		d.text(text)
	}
}

func (d *docx) start(e xml.StartElement) bool {
	switch e.Name.Local {
	case "Fallback", "moveFrom", "del", "pPrChange", "rPrChange":
		// What was deleted or is said once more for older programs.
		return false
	case "p":
		d.newline()
		d.open, d.begun = docxParagraph{}, false
	case "pStyle":
		d.open.style = attr(e, "val")
	case "outlineLvl":
		d.open.outline = level(e)
	case "numId":
		d.open.list = attr(e, "val")
	case "ilvl":
		d.open.level = level(e)
	case "t":
		d.inText = true
	case "tab":
		d.space = true
	case "br", "cr":
		d.newline()
	case "noBreakHyphen":
		d.beginParagraph()
		d.text([]byte("-"))
	case "tbl":
		d.openTable()
		d.afterItem = false
	case "tr":
		d.row()
	case "tc":
		d.cell()
	case "blip", "imagedata":
		d.pictures = true
	case "docPr":
		if alt := strings.TrimSpace(attr(e, "descr")); alt != "" {
			d.beginParagraph()
			d.text([]byte(" [image: " + alt + "] "))
		}
	case "footnoteReference":
		d.refer("footnote" + attr(e, "id"))
	case "endnoteReference":
		d.refer("endnote" + attr(e, "id"))
	}
	return true
}

func (d *docx) end(name string) {
	switch name {
	case "t":
		d.inText = false
	case "p":
		if d.titleFrom != nil {
			d.title, d.titleFrom = strings.TrimPrefix(strings.TrimSpace(d.since(*d.titleFrom)), "# "), nil
		}
		d.unprefix()
		d.newline()
		d.begun = true
		d.showNotes()
	case "tr":
		d.release()
		d.newline()
	case "tbl":
		d.closeTable()
		d.showNotes()
	}
}

// beginParagraph writes what a paragraph begins with, before its first text: the signs of
// a heading, the number or bullet of an item.
func (d *docx) beginParagraph() {
	if d.begun {
		return
	}
	d.begun = true
	style := d.styles.resolve(d.open.style)
	if d.open.outline != nil {
		style.outline = d.open.outline
	}
	if d.open.list != "" {
		style.list = d.open.list
	}
	if d.open.level != nil {
		style.level = d.open.level
	}
	number, indent := d.numbering.next(style.list, style.level)
	item := number != "" && style.heading() == 0
	if !item || !d.afterItem {
		d.paragraph()
	}
	d.afterItem = item
	switch heading := style.heading(); {
	case len(d.cells) > 0:
		// Rows are lines here. A number says which clause it is; a dot says nothing.
		if number != "" && number != "-" {
			d.text([]byte(number + " "))
		}
	case heading > 0:
		if heading == 1 && d.title == "" && style.title {
			d.titleFrom = new(d.mark())
		}
		if number != "" && number != "-" {
			number += " "
		} else {
			number = ""
		}
		d.prefix(strings.Repeat("#", heading) + " " + number)
	case item:
		d.prefix(strings.Repeat("  ", min(indent, maxIndent)) + number + " ")
	}
}

// refer marks the place of a note and has the note shown below the paragraph.
func (d *docx) refer(id string) {
	text, ok := d.notes[id]
	if !ok {
		return
	}
	n, again := d.shown[id]
	if !again {
		n = len(d.shown) + 1
		d.shown[id] = n
		d.due = append(d.due, "[^"+strconv.Itoa(n)+"]: "+text)
	}
	d.beginParagraph()
	d.text([]byte("[^" + strconv.Itoa(n) + "]"))
}

// showNotes writes the notes that are due, unless a table is open.
func (d *docx) showNotes() {
	if len(d.cells) > 0 || len(d.due) == 0 {
		return
	}
	d.paragraph()
	for _, note := range d.due {
		d.text([]byte(note))
		d.newline()
	}
	d.due, d.afterItem = nil, false
	d.paragraph()
}
