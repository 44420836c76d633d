package summarize

import (
	"encoding/xml"
	"fmt"
	"strconv"
	"strings"
)

// maxGap is how many empty cells are shown as such. A longer gap is left out and
// the cell after it tells its column, so that a few far cells do not make a text
// of nothing but bars.
const maxGap = 8

// readXLSX reads a workbook, sheet by sheet, a row on each line.
func readXLSX(content []byte) (extract, error) {
	a, err := openArchive(content)
	if err != nil {
		return extract{}, err
	}
	main, err := a.mainPart("xl/workbook.xml")
	if err != nil {
		return extract{}, err
	}
	relations, err := a.relations(main)
	if err != nil {
		return extract{}, err
	}
	type sheet struct{ name, part string }
	var sheets []sheet
	book := workbook{}
	if err := a.walk(main, xmlHandler{start: func(e xml.StartElement) bool {
		switch e.Name.Local {
		case "workbookPr":
			book.date1904 = attr(e, "date1904") != "" && !isFalse(attr(e, "date1904"))
		case "sheet":
			name := attr(e, "name")
			if state := attr(e, "state"); state == "hidden" || state == "veryHidden" {
				name += " (hidden)"
			}
			target := relations[relationID(e)]
			sheets = append(sheets, sheet{name: name, part: target.target})
		}
		return true
	}}); err != nil {
		return extract{}, err
	}
	if part, ok := related(relations, "sharedStrings"); ok && a.has(part) {
		if err := book.readStrings(a, part); err != nil {
			return extract{}, err
		}
	}
	if part, ok := related(relations, "styles"); ok && a.has(part) {
		if err := book.readFormats(a, part); err != nil {
			return extract{}, err
		}
	}
	var doc extract
	total := 0
	for i, s := range sheets {
		r := sheetReader{workbook: &book, total: total}
		if err := a.walk(s.part, r.handler()); err != nil {
			return extract{}, err
		}
		total += r.out.Len()
		doc.pictures = doc.pictures || r.drawing
		doc.sections = append(doc.sections, Section{Unit: "Sheet", Number: i + 1, Name: s.name, Text: strings.TrimRight(r.out.String(), "\n")})
	}
	doc.title, err = a.title("docProps/core.xml")
	return doc, err
}

// workbook is what the sheets of a workbook share.
type workbook struct {
	strings  []string
	formats  []valueFormat
	date1904 bool
}

// readStrings reads the texts that cells refer to by their number.
func (w *workbook) readStrings(a *archive, part string) error {
	var text strings.Builder
	total, inText := 0, false
	return a.walk(part, xmlHandler{
		start: func(e xml.StartElement) bool {
			switch e.Name.Local {
			case "si":
				text.Reset()
			case "t":
				inText = true
			case "rPh":
				// How the text is pronounced.
				return false
			}
			return true
		},
		end: func(name string) {
			switch name {
			case "t":
				inText = false
			case "si":
				w.strings = append(w.strings, text.String())
				total += text.Len()
			}
		},
		text: func(t []byte) {
			if inText {
				text.Write(t)
			}
		},
		size: func() int { return total + text.Len() },
	})
}

// sheetReader reads the cells of a sheet.
type sheetReader struct {
	*workbook

	out strings.Builder
	// total is how much text was read before.
	total   int
	drawing bool

	// column is the number of the last cell that was written in the row.
	column int
	// next is the number of the cell that is being read.
	next   int
	kind   string
	format valueFormat
	value  strings.Builder
	inside bool
}

func (s *sheetReader) handler() xmlHandler {
	return xmlHandler{
		start: s.start, end: s.end, size: func() int { return s.total + s.out.Len() + s.value.Len() },
		text: func(text []byte) {
			if s.inside {
				s.value.Write(text)
			}
		},
	}
}

func (s *sheetReader) start(e xml.StartElement) bool {
	switch e.Name.Local {
	case "row":
		s.column, s.next = 0, 0
	case "c":
		s.next++
		if n := columnNumber(attr(e, "r")); n > 0 {
			s.next = n
		}
		s.kind, s.format = attr(e, "t"), asWritten
		if i, err := strconv.Atoi(attr(e, "s")); err == nil && i >= 0 && i < len(s.formats) {
			s.format = s.formats[i]
		}
		s.value.Reset()
	case "v", "t":
		s.inside = true
	case "f", "rPh", "headerFooter":
		return false
	case "drawing", "picture":
		s.drawing = true
	}
	return true
}

func (s *sheetReader) end(name string) {
	switch name {
	case "v", "t":
		s.inside = false
	case "c":
		s.cell(strings.Join(strings.Fields(s.shown()), " "))
	case "row":
		if s.column > 0 {
			s.out.WriteByte('\n')
		}
	}
}

// cell writes a cell after those before it in the row.
func (s *sheetReader) cell(text string) {
	if text == "" {
		return
	}
	switch gap := s.next - s.column; {
	case s.column == 0 && gap <= maxGap:
		s.out.WriteString(strings.Repeat("| ", gap-1))
	case gap >= 1 && gap <= maxGap:
		s.out.WriteString(strings.Repeat(" |", gap) + " ")
	case s.column == 0:
		fmt.Fprintf(&s.out, "(column %s) ", columnName(s.next))
	default:
		fmt.Fprintf(&s.out, " | (column %s) ", columnName(s.next))
	}
	s.out.WriteString(text)
	s.column = s.next
}

// shown returns the value of the cell as its reader would see it.
func (s *sheetReader) shown() string {
	value := s.value.String()
	switch s.kind {
	case "s":
		if i, err := strconv.Atoi(strings.TrimSpace(value)); err == nil && i >= 0 && i < len(s.strings) {
			return s.strings[i]
		}
		return ""
	case "b":
		if strings.TrimSpace(value) == "1" {
			return "TRUE"
		}
		return "FALSE"
	case "", "n":
		return s.format.show(strings.TrimSpace(value), s.date1904)
	}
	return value
}

// columnNumber returns the number of the column in a reference such as "AB12",
// or 0. No sheet has more than 16,384.
func columnNumber(ref string) int {
	n := 0
	for _, c := range strings.ToUpper(ref) {
		if c < 'A' || c > 'Z' {
			break
		}
		if n = n*26 + int(c-'A') + 1; n > 16_384 {
			return 0
		}
	}
	return n
}

// columnName returns the letters of a column.
func columnName(n int) string {
	name := ""
	for ; n > 0; n = (n - 1) / 26 {
		name = string(rune('A'+(n-1)%26)) + name
	}
	return name
}
