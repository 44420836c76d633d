package summarize

import (
	"iter"
	"slices"
	"sort"
	"strings"
	"unicode"
	"unicode/utf8"
)

// layout is a document seen as one run of text, the sections one behind another with
// nothing in between. A place in it is the number of bytes before it.
type layout struct {
	sections []Section
	// starts are where the sections begin, with the end of the text behind them.
	starts []int
	// headings are the lines that begin with # and are meant so, in their order.
	headings []heading
	// rows says that each line stands for itself, as in a table or in code.
	rows bool
}

type heading struct {
	at    int
	depth uint8
}

// maxHeadings bounds the memory that a hostile document takes; of more, the rest is text.
const maxHeadings = 1 << 20

// headingRunes and pathRunes bound a heading and a path of headings, in characters.
const (
	headingRunes = 80
	pathRunes    = 200
)

func newLayout(kind Kind, sections []Section) *layout {
	l := &layout{sections: sections, starts: make([]int, len(sections)+1)}
	for i, s := range sections {
		l.starts[i+1] = l.starts[i] + len(s.Text)
	}
	switch kind {
	case KindMarkdown, KindHTML, KindDOCX, KindODT, KindEPUB:
		for i := range sections {
			l.findHeadings(i)
		}
	case KindCSV, KindJSON, KindCode, KindXLSX:
		l.rows = true
	case KindText, KindPDF, KindPPTX, KindRTF, KindEML:
	}
	return l
}

func (l *layout) size() int { return l.starts[len(l.sections)] }

// section returns the index of the section that the byte at a place belongs to.
func (l *layout) section(at int) int {
	return min(sort.SearchInts(l.starts, at+1)-1, len(l.sections)-1)
}

// findHeadings notes the headings of a section. What stands in a block of code is none.
func (l *layout) findHeadings(section int) {
	text, at := l.sections[section].Text, 0
	fence := ""
	for at < len(text) && len(l.headings) < maxHeadings {
		line := text[at:]
		if end := strings.IndexByte(line, '\n'); end >= 0 {
			line = line[:end+1]
		}
		mark := strings.TrimLeft(line[:min(len(line), 8)], " ")
		switch {
		case fence != "":
			if strings.HasPrefix(mark, fence) {
				fence = ""
			}
		case strings.HasPrefix(mark, "```"), strings.HasPrefix(mark, "~~~"):
			fence = mark[:3]
		default:
			if depth := headingDepth(line); depth > 0 {
				l.headings = append(l.headings, heading{at: l.starts[section] + at, depth: depth})
			}
		}
		at += len(line)
	}
}

// headingDepth returns the depth of the heading that a line is, or 0.
func headingDepth(line string) uint8 {
	depth := uint8(0)
	for int(depth) < len(line) && line[depth] == '#' {
		depth++
	}
	if depth > 6 || int(depth) == len(line) || line[depth] != ' ' || isBlank(line[depth:min(len(line), 400)]) {
		return 0
	}
	return depth
}

// path returns the headings that the text at a place stands below, such as
// "Terms > Payment". A slide or a sheet has its name there.
func (l *layout) path(at int) string {
	if len(l.sections) == 0 {
		return ""
	}
	section := l.section(at)
	s := l.sections[section]
	var names []string
	from := 0
	if s.Unit == unitSlide || s.Unit == unitSheet {
		from = l.starts[section]
	}
	last := sort.Search(len(l.headings), func(i int) bool { return l.headings[i].at > at })
	depth := uint8(7)
	for i := last - 1; i >= 0 && depth > 1 && l.headings[i].at >= from; i-- {
		if h := l.headings[i]; h.depth < depth {
			depth = h.depth
			names = append(names, l.title(h))
		}
	}
	if s.Name != "" {
		names = append(names, oneLine(s.Name, headingRunes))
	}
	var b strings.Builder
	for _, name := range slices.Backward(names) {
		if b.Len() > 0 {
			b.WriteString(" > ")
		}
		b.WriteString(name)
	}
	return oneLine(b.String(), pathRunes)
}

// Units in which a name stands for a heading of its own.
const (
	unitSlide = "Slide"
	unitSheet = "Sheet"
)

// title is what a heading says.
func (l *layout) title(h heading) string {
	section := l.section(h.at)
	line := l.sections[section].Text[h.at-l.starts[section]:]
	line, _, _ = strings.Cut(line[:min(len(line), 1024)], "\n")
	return oneLine(strings.Trim(line, "# \t\r"), headingRunes)
}

// joint is a place at which text can be parted. Of two the one with the greater key is
// the better one: the key begins with what stands there, and goes on with a number that the
// text behind it decides, so that which of two paragraphs is the better one is as good as
// random and yet the same each time.
type joint struct {
	at  int
	key uint64
}

// What stands at a joint, from the weakest on. A heading is the stronger the higher it is.
const (
	atRune      uint8 = 0
	atWord      uint8 = 1
	atSentence  uint8 = 2
	atLine      uint8 = 3
	atParagraph uint8 = 4
	atHeading   uint8 = 10 // less the depth
	atSection   uint8 = 11
)

func (b joint) level() uint8 { return uint8(b.key >> 56) }

const (
	// hashedBytes of what follows a boundary decide about its key; of a section more, since
	// pages often begin alike.
	hashedBytes        = 48
	hashedSectionBytes = 256
)

func jointKey(level uint8, text string) uint64 {
	limit := hashedBytes
	if level == atSection {
		limit = hashedSectionBytes
	}
	h := uint64(14695981039346656037) // FNV-1a
	for i := range min(limit, len(text)) {
		h = (h ^ uint64(text[i])) * 1099511628211
	}
	h ^= h >> 32 // FNV leaves its last bytes in the lower half
	h *= 0x9e3779b97f4a7c15
	return uint64(level)<<56 | h>>8
}

// joints goes through the places between from and to at which the text can be parted
// without tearing a word.
func (l *layout) joints(from, to int) iter.Seq[joint] {
	return func(yield func(joint) bool) {
		for section := l.section(from); section < len(l.sections) && l.starts[section] < to; section++ {
			start, text := l.starts[section], l.sections[section].Text
			if start > from && len(text) > 0 && !yield(joint{start, jointKey(atSection, text)}) {
				return
			}
			if !l.within(text, start, max(0, from-start), min(len(text), to-start), yield) {
				return
			}
		}
	}
}

// within goes through the joints in text[from:to] of a section that begins at start.
func (l *layout) within(text string, start, from, to int, yield func(joint) bool) bool {
	next := sort.Search(len(l.headings), func(i int) bool { return l.headings[i].at > start+from })
	for i := from; i < to; {
		end, level := jointAt(text, i, to)
		if level == atRune {
			i = end
			continue
		}
		i = end
		if i >= to {
			break
		}
		for next < len(l.headings) && l.headings[next].at < start+i {
			next++
		}
		if next < len(l.headings) && l.headings[next].at == start+i {
			level = atHeading - l.headings[next].depth
		}
		if !yield(joint{start + i, jointKey(level, text[i:])}) {
			return false
		}
	}
	return true
}

// jointAt looks at the character at i, and at the white space behind it: it returns where
// the next character begins, and what stands there.
func jointAt(text string, i, to int) (end int, level uint8) {
	switch c := text[i]; {
	case c >= utf8.RuneSelf:
		r, size := utf8.DecodeRuneInString(text[i:])
		switch r {
		case '。', '！', '？', '।', '؟', '｡':
			return spaceAfter(text, i+size, to, atSentence)
		case '…', '”', '»', '\u3000', '、', '，':
			return spaceAfter(text, i+size, to, atWord)
		}
		return i + size, atRune
	case c == '.' || c == '!' || c == '?':
		for i++; i < to && strings.IndexByte(`.!?"')]`, text[i]) >= 0; i++ {
		}
		if i < to && !isSpaceByte(text[i]) {
			return i, atRune
		}
		return spaceAfter(text, i, to, atSentence)
	case isSpaceByte(c):
		return spaceAfter(text, i, to, atWord)
	}
	return i + 1, atRune
}

// spaceAfter goes over white space, which tells of lines and paragraphs.
func spaceAfter(text string, i, to int, level uint8) (end int, reached uint8) {
	lines, start, from := 0, i, i
	for i < to && isSpaceByte(text[i]) {
		if text[i] == '\n' {
			lines++
			from = i + 1
		}
		i++
	}
	switch {
	case lines > 1:
		return from, atParagraph
	case lines == 1:
		return from, atLine
	case i > start:
		level = max(level, atWord)
	}
	return i, level
}

func isSpaceByte(c byte) bool { return c == ' ' || c >= '\t' && c <= '\r' }

// parts reports whether text may be parted at i without tearing a character, as its reader
// sees it.
func parts(text string, i int) bool {
	if i <= 0 || i >= len(text) {
		return true
	}
	if !utf8.RuneStart(text[i]) {
		return false
	}
	before, _ := utf8.DecodeLastRuneInString(text[:i])
	after, _ := utf8.DecodeRuneInString(text[i:])
	const joiner = '\u200d'
	switch {
	case before == joiner, after == joiner, before == '\r' && after == '\n':
		return false
	case unicode.In(after, unicode.Mn, unicode.Mc, unicode.Me), after >= 0x1f3fb && after <= 0x1f3ff:
		return false
	case isFlag(before) && isFlag(after):
		return false
	}
	return true
}

// isFlag reports whether a rune is half of a flag.
func isFlag(r rune) bool { return r >= 0x1f1e6 && r <= 0x1f1ff }

// partNear returns the place next to i at which text may be parted. Where there is none within
// the reach of what a reader takes for one character, it tears one, but never a rune.
func partNear(text string, i int) int {
	const reach = 128
	for d := range reach {
		if i+d < len(text) && parts(text, i+d) {
			return i + d
		}
		if i-d > 0 && parts(text, i-d) {
			return i - d
		}
	}
	for i > 0 && !utf8.RuneStart(text[i]) {
		i--
	}
	return i
}
