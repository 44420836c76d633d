package summarize

import (
	"bytes"
	"strings"
	"unicode/utf8"
)

// flow builds plain text from inline text and the boundaries of blocks. White
// space is collapsed; line breaks are owed until text comes, so that they
// neither pile up nor trail.
type flow struct {
	out []byte
	// breaks is the number of line ends owed before the next text: 0, 1 or 2.
	breaks int
	// lead is owed at the beginning of the next line.
	lead string
	// space is set when white space stood after the last text.
	space bool
	// held suspends line breaks until text comes; see [flow.hold].
	held bool
}

// mark is a place in the text that [flow.rewind] goes back to.
type mark struct {
	length int
	breaks int
}

// text appends text with its white space collapsed.
func (f *flow) text(text []byte) {
	for len(text) > 0 {
		i := bytes.IndexFunc(text, isSpace)
		if i < 0 {
			i = len(text)
		}
		if i > 0 {
			f.begin()
			f.out = append(f.out, text[:i]...)
			text = text[i:]
			continue
		}
		_, size := utf8.DecodeRune(text)
		text = text[size:]
		f.space = true
	}
}

// verbatim appends text as it is, line breaks and indentation included.
func (f *flow) verbatim(text string) {
	if f.breaks > 0 || len(f.out) == 0 {
		if strings.TrimSpace(text) == "" {
			return
		}
		// HTML ignores a line end at the beginning of a block.
		text = strings.TrimPrefix(text, "\n")
	}
	f.space = false
	f.begin()
	f.out = append(f.out, text...)
}

// begin pays what is owed before text.
func (f *flow) begin() {
	switch {
	case f.breaks > 0 && len(f.out) > 0:
		f.out = bytes.TrimRight(f.out, " \t\n")
		f.out = append(f.out, "\n\n"[:f.breaks]...)
	case f.space && len(f.out) > 0 && f.lead == "" && f.out[len(f.out)-1] != ' ' && f.out[len(f.out)-1] != '\n':
		f.out = append(f.out, ' ')
	}
	f.out = append(f.out, f.lead...)
	f.breaks, f.lead, f.space, f.held = 0, "", false, false
}

// newline has the next text begin a line.
func (f *flow) newline() { f.owe(1) }

// paragraph has the next text begin a line after an empty one.
func (f *flow) paragraph() { f.owe(2) }

func (f *flow) owe(breaks int) {
	switch {
	case f.held:
		f.space = true
	case f.lead == "":
		f.breaks = max(f.breaks, breaks)
	}
}

// prefix puts s before the next text, which begins a line. Boundaries that come
// first, as that of the <p> in <li><p>, change nothing.
func (f *flow) prefix(s string) {
	f.lead = s
	f.breaks = max(f.breaks, 1)
}

// unprefix forgets a prefix that no text has followed.
func (f *flow) unprefix() { f.lead = "" }

// join appends s on the same line as the text before it, line breaks owed or
// not.
func (f *flow) join(s string) {
	if f.held {
		// Nothing came since the last boundary: what it owes is still due.
		f.space = false
		f.begin()
	}
	f.breaks, f.lead, f.space = 0, "", false
	f.out = append(f.out, s...)
}

// hold suspends line breaks until text comes: the blocks inside a cell of a
// table do not begin lines unless text of the same cell precedes them.
func (f *flow) hold() { f.held = true }

// release ends what hold began, at the end of a row.
func (f *flow) release() { f.held = false }

// mark returns the current place. White space before it becomes owed again,
// since giving it up at the next line break would move the place.
func (f *flow) mark() mark {
	text := bytes.TrimRight(f.out, " \t\n")
	if blank := f.out[len(text):]; len(blank) > 0 {
		f.breaks = max(f.breaks, min(2, bytes.Count(blank, []byte("\n"))))
		f.out, f.space = text, true
	}
	return mark{length: len(f.out), breaks: f.breaks}
}

// rewind takes back all text since the mark.
func (f *flow) rewind(to mark) {
	f.out = f.out[:min(to.length, len(f.out))]
	f.breaks, f.lead, f.space, f.held = to.breaks, "", true, false
}

// since returns the text after the mark.
func (f *flow) since(from mark) string { return string(f.out[min(from.length, len(f.out)):]) }

// String returns the text without blanks at the ends of it.
func (f *flow) String() string { return string(bytes.TrimSpace(f.out)) }

// isSpace reports whether HTML collapses the character; a non-breaking space,
// which it does not, is a plain one to a reader of text.
func isSpace(r rune) bool {
	switch r {
	case ' ', '\t', '\n', '\f', '\r', '\u00a0':
		return true
	}
	return false
}
