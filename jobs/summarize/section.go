package summarize

import (
	"strconv"
	"strings"
)

// maxTextBytes bounds the text that is read from one document. Formats that say
// a thing once and refer to it many times would otherwise have none.
const maxTextBytes = 64 << 20

// extract is what a document says, in the parts that its author divided it into.
type extract struct {
	title    string
	sections []section
	// pictures is set if there are pictures that were not read.
	pictures bool
}

// section is a part of a document that a summary can refer to. What lies between
// headings is none: headings stand in the text, each as a line that begins with #.
type section struct {
	// unit is what the document is divided into, such as "Slide"; empty if it is
	// not divided.
	unit string
	// number counts the sections of a document, from 1.
	number int
	// name is what the author calls the section; may be empty.
	name string
	text string
}

// isBlank reports whether no section shows anything.
func (e extract) isBlank() bool {
	for _, s := range e.sections {
		if !isBlank(s.text) {
			return false
		}
	}
	return true
}

// text returns all sections, each below a line that says which one it is.
func (e extract) text() string {
	var b strings.Builder
	for _, s := range e.sections {
		if b.Len() > 0 {
			b.WriteString("\n\n")
		}
		if s.unit != "" {
			b.WriteString("[" + s.unit + " " + strconv.Itoa(s.number))
			if s.name != "" {
				b.WriteString(": " + oneLine(s.name, titleRunes))
			}
			b.WriteString("]\n")
			if isBlank(s.text) {
				b.WriteString("(no text)")
			}
		}
		b.WriteString(s.text)
	}
	return b.String()
}

// blocks builds the text of formats that have tables: a row on a line, cells
// apart by bars.
type blocks struct {
	flow

	// cells counts the cells of the current row in each open table.
	cells []int
}

func (b *blocks) openTable() {
	b.release()
	b.paragraph()
	b.cells = append(b.cells, 0)
}

func (b *blocks) closeTable() {
	if len(b.cells) > 0 {
		b.cells = b.cells[:len(b.cells)-1]
	}
	b.release()
	b.paragraph()
}

func (b *blocks) row() {
	b.release()
	b.newline()
	if len(b.cells) > 0 {
		b.cells[len(b.cells)-1] = 0
	}
}

func (b *blocks) cell() {
	if len(b.cells) == 0 {
		b.newline()
		return
	}
	n := &b.cells[len(b.cells)-1]
	if *n > 0 {
		b.join(" | ")
	}
	*n++
	b.hold()
}

// size returns how much text there is.
func (b *blocks) size() int { return len(b.out) }
