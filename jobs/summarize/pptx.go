package summarize

import (
	"encoding/xml"
	"strings"
)

// readPPTX reads a presentation, slide by slide.
func readPPTX(content []byte) (extract, error) {
	a, err := openArchive(content)
	if err != nil {
		return extract{}, err
	}
	main, err := a.mainPart("ppt/presentation.xml")
	if err != nil {
		return extract{}, err
	}
	relations, err := a.relations(main)
	if err != nil {
		return extract{}, err
	}
	var slides []string
	if err := a.walk(main, xmlHandler{start: func(e xml.StartElement) bool {
		if e.Name.Local == "sldId" {
			slides = append(slides, relations[relationID(e)].target)
		}
		return true
	}}); err != nil {
		return extract{}, err
	}
	var doc extract
	total := 0
	for i, part := range slides {
		s, pictures, err := readSlide(a, part, &total)
		if err != nil {
			return extract{}, err
		}
		s.Unit, s.Number = "Slide", i+1
		doc.sections = append(doc.sections, s)
		doc.pictures = doc.pictures || pictures
	}
	if doc.title, err = a.title("docProps/core.xml"); err != nil {
		return extract{}, err
	}
	if doc.title == "" && len(doc.sections) > 0 {
		doc.title = doc.sections[0].Name
	}
	return doc, nil
}

func readSlide(a *archive, part string, total *int) (s Section, pictures bool, err error) {
	slide := slideReader{total: *total}
	if err := a.walk(part, slide.handler()); err != nil {
		return s, false, err
	}
	*total += slide.size()
	s = Section{Name: slide.title, Text: slide.String()}
	if slide.hidden {
		s.Name = strings.TrimSpace(s.Name + " (hidden)")
	}
	relations, err := a.relations(part)
	if err != nil {
		return s, false, err
	}
	if notesPart, ok := related(relations, "notesSlide"); ok && a.has(notesPart) {
		notes := slideReader{notes: true, total: *total}
		if err := a.walk(notesPart, notes.handler()); err != nil {
			return s, false, err
		}
		*total += notes.size()
		if text := notes.String(); !isBlank(text) {
			s.Text = strings.TrimLeft(s.Text+"\n\nNotes: "+text, "\n")
		}
	}
	// A slide that has but a title is not blank.
	if isBlank(s.Text) && slide.title != "" {
		s.Text = slide.title
	}
	return s, slide.pictures, nil
}

// slideReader reads the text of a slide or of the notes on it.
type slideReader struct {
	blocks

	notes bool
	// total is how much text was read before.
	total int

	title    string
	hidden   bool
	pictures bool
	// holder is the kind of placeholder that the open shape is.
	holder string
	from   mark
	lead   string
	inText bool
}

func (s *slideReader) handler() xmlHandler {
	return xmlHandler{
		start: s.start, end: s.end, size: func() int { return s.total + s.size() },
		text: func(text []byte) {
			if !s.inText || !s.wanted() {
				return
			}
			if s.lead != "" && len(s.cells) == 0 {
				s.prefix(s.lead)
			}
			s.lead = ""
			s.text(text)
		},
	}
}

// wanted reports whether the open shape is for reading: notes repeat the slide,
// and both carry its number and date.
func (s *slideReader) wanted() bool {
	switch s.holder {
	case "sldNum", "dt", "ftr", "hdr":
		return false
	}
	return !s.notes || s.holder == "body"
}

func (s *slideReader) isTitle() bool { return s.holder == "title" || s.holder == "ctrTitle" }

func (s *slideReader) start(e xml.StartElement) bool {
	switch e.Name.Local {
	case "Fallback":
		return false
	case "sld":
		s.hidden = isFalse(attr(e, "show")) && attr(e, "show") != ""
	case "sp":
		s.paragraph()
		s.holder, s.from = "", s.mark()
	case "ph":
		if s.holder = attr(e, "type"); s.holder == "" {
			// Without a type it holds whatever the layout wants in it.
			s.holder = "obj"
		}
	case "p":
		s.newline()
		s.lead = ""
		if (s.holder == "body" || s.holder == "obj") && !s.notes {
			s.lead = "- "
		}
	case "pPr":
		if n := level(xml.StartElement{Attr: []xml.Attr{{Name: xml.Name{Local: "val"}, Value: attr(e, "lvl")}}}); n != nil && *n > 0 {
			s.lead = strings.Repeat("  ", min(*n, maxIndent)) + "- "
		}
	case "buNone":
		s.lead = ""
	case "t":
		s.inText = true
	case "br":
		s.newline()
	case "tab":
		s.space = true
	case "tbl":
		s.openTable()
	case "tr":
		s.row()
	case "tc":
		s.cell()
	case "blip":
		s.pictures = true
	case "cNvPr":
		if alt := strings.TrimSpace(attr(e, "descr")); alt != "" && !s.notes {
			s.paragraph()
			s.text([]byte("[image: " + alt + "]"))
			s.paragraph()
		}
	}
	return true
}

func (s *slideReader) end(name string) {
	switch name {
	case "t":
		s.inText = false
	case "p":
		s.unprefix()
		s.newline()
	case "sp":
		if s.isTitle() && s.title == "" && !s.notes {
			s.title = oneLine(s.since(s.from), titleRunes)
			if s.title != "" && !strings.HasSuffix(s.title, "…") {
				s.rewind(s.from)
			}
		}
		s.holder = ""
		s.paragraph()
	case "tr":
		s.release()
		s.newline()
	case "tbl":
		s.closeTable()
	}
}
