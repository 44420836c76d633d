package summarize

import (
	"strconv"
	"strings"
)

// maxTextBytes bounds the text that is read from one document. Formats that say
// a thing once and refer to it many times would otherwise have none.
const maxTextBytes = 64 << 20

// onlyPicture stands for the text of a page that shows something but has none.
const onlyPicture = "(no text, only a picture)"

// extract is what a reader has found in a document.
type extract struct {
	title    string
	sections []Section
	// pictures is set if there are pictures that were not read.
	pictures bool
	// drawn counts the sections that are but pictures.
	drawn int
	// formLost is set for a form whose fields could not be read.
	formLost bool
	// total is how many pages the document has, 0 if it has none.
	total int
	// omitted counts what was left out at the end, in this unit.
	omitted int
	unit    string
}

// isBlank reports whether no section shows anything.
func (e extract) isBlank() bool {
	for _, s := range e.sections {
		if s.Text != onlyPicture && !isBlank(s.Text) {
			return false
		}
	}
	return true
}

// joined returns the text of all sections, each below a line that says which one it is.
func joined(sections []Section) string {
	if len(sections) == 1 && sections[0].Unit == "" {
		return sections[0].Text
	}
	var b strings.Builder
	for _, s := range sections {
		if b.Len() > 0 {
			b.WriteString("\n\n")
		}
		if s.Unit != "" {
			b.WriteString("[" + s.Unit + " " + strconv.Itoa(s.Number))
			if s.Name != "" {
				b.WriteString(": " + s.Name)
			}
			b.WriteString("]\n")
			if isBlank(s.Text) {
				b.WriteString("(no text)")
			}
		}
		b.WriteString(s.Text)
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
