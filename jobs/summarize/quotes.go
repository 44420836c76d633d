package summarize

import (
	"sort"
	"strings"
	"unicode"
	"unicode/utf8"

	"golang.org/x/text/unicode/norm"
)

// quoteRunes bounds a quote that is kept, in characters; more is no quote but a copy.
const quoteRunes = 1_000

// evidence finds quotes in a part of a document: the only text that whoever quotes has read.
//
// A quote is compared by what it says, not by how it is set: white space, hyphens within words,
// the form of quotation marks and dashes, marks of emphasis, and capitals do not count, and "..."
// stands for what was left out. All else has to be there.
type evidence struct {
	*splitter

	text string
	// from and at are places in the document and where they are in text, for each section and
	// heading in their order.
	from, at []int
	// begins are where the text of each section begins, from first on.
	begins []int
	first  int
}

func (s *splitter) evidence(c Chunk) *evidence {
	e := &evidence{splitter: s, first: c.First}
	var b strings.Builder
	b.Grow(c.To - c.From + c.Overlap)
	var f folder
	take := func(from, to int) {
		if from >= to {
			return
		}
		section := s.section(from)
		f.fold(&b, s.sections[section].Text[from-s.starts[section]:to-s.starts[section]])
	}
	mark := func(place int) {
		e.from, e.at = append(e.from, place), append(e.at, b.Len())
	}
	next := sort.Search(len(s.headings), func(i int) bool { return s.headings[i].at > c.From })
	for i := c.First; i <= c.Last; i++ {
		from, to := max(c.From, s.starts[i]), max(c.From, min(c.To, s.starts[i+1]))
		if i == c.First && c.Overlap > 0 {
			from -= c.Overlap // within the section
		}
		e.begins = append(e.begins, b.Len())
		mark(from)
		for next < len(s.headings) && s.headings[next].at < to {
			take(from, s.headings[next].at)
			from = s.headings[next].at
			mark(from)
			next++
		}
		take(from, to)
	}
	f.flush(&b)
	e.text = b.String()
	return e
}

// verify looks for the quote of a citation, and sets where it stands. A quote that stands
// elsewhere than the citation says has its place corrected.
func (e *evidence) verify(c *Citation) {
	c.Verified, c.Unit = false, e.sections[e.first].Unit
	if c.Unit == "" || c.Number == 0 {
		c.Unit, c.Number = "", 0
	}
	pieces := quotePieces(c.Quote)
	if len(pieces) == 0 {
		return
	}
	at := -1
	if i := e.index(c.Number); i >= 0 {
		at = e.find(pieces, e.begins[i], e.end(i))
	}
	if at < 0 {
		at = e.find(pieces, 0, len(e.text))
	}
	if at < 0 {
		return
	}
	c.Verified = true
	i := sort.SearchInts(e.begins, at+1) - 1
	section := e.sections[e.first+i]
	c.Unit, c.Number = section.Unit, section.Number
	c.Heading = e.path(e.from[sort.SearchInts(e.at, at+1)-1])
}

// index returns which of the part's sections a citation names, or -1.
func (e *evidence) index(number int) int {
	for i := range e.begins {
		if s := e.sections[e.first+i]; s.Number == number {
			return i
		}
	}
	return -1
}

// end is where a quote from a section may end that begins in it.
func (e *evidence) end(i int) int {
	if i+1 < len(e.begins) {
		return e.begins[i+1]
	}
	return len(e.text)
}

// find returns where the pieces of a quote stand one after another, the first one beginning
// before end, or -1.
func (e *evidence) find(pieces []string, from, end int) int {
	for at := from; at < end; {
		i := strings.Index(e.text[at:min(len(e.text), end+len(pieces[0]))], pieces[0])
		if i < 0 || at+i >= end {
			return -1
		}
		start := at + i
		rest := start + len(pieces[0])
		found := true
		for _, piece := range pieces[1:] {
			// What was left out is a part of one passage, not of the whole document.
			window := e.text[rest:min(len(e.text), rest+maxLeftOut)]
			j := strings.Index(window, piece)
			if found = j >= 0; !found {
				break
			}
			rest += j + len(piece)
		}
		if found {
			return start
		}
		at = start + 1
	}
	return -1
}

// maxLeftOut is how much an ellipsis stands for, at most, in bytes.
const maxLeftOut = 2_000

// quotePieces returns a quote as it is looked for, in the pieces that ellipses part it into.
// It has none if it says nothing.
func quotePieces(quote string) []string {
	var pieces []string
	quote = strings.Trim(strings.TrimSpace(quote), `"“”„«»`)
	quote = strings.NewReplacer("[…]", "...", "[...]", "...", "(...)", "...", "…", "...").Replace(quote)
	for piece := range strings.SplitSeq(quote, "...") {
		var b strings.Builder
		var f folder
		f.fold(&b, piece)
		f.flush(&b)
		// A quote that ends a sentence of its own may end in the middle of the document's.
		text := strings.Trim(strings.TrimRight(b.String(), ".,;:-"), "-")
		if strings.ContainsFunc(text, func(r rune) bool { return unicode.IsLetter(r) || unicode.IsNumber(r) }) {
			pieces = append(pieces, text)
		}
	}
	return pieces
}

// folder writes text in the form in which it is compared. What it is given piece by piece gives
// the same as what it is given at once, but where a piece ends inside of a character that is made
// of several.
type folder struct {
	before rune // the last one written
	hyphen bool // one stands behind it that may be within a word
}

func (f *folder) fold(b *strings.Builder, text string) {
	// The usual text needs no normalizing, and most of it no look at the tables of Unicode.
	if !norm.NFKC.IsNormalString(text) {
		text = norm.NFKC.String(text)
	}
	for i := 0; i < len(text); {
		r, size := rune(text[i]), 1
		if r >= utf8.RuneSelf {
			r, size = utf8.DecodeRuneInString(text[i:])
		}
		i += size
		f.rune(b, r)
	}
}

func (f *folder) rune(b *strings.Builder, r rune) {
	switch r {
	case ' ', '\t', '\n', '\v', '\f', '\r', '*', '_', '`', '\u00ad', '\u200b', '\u200c', '\u200d', '\u2060', '\ufeff':
		return
	case '-', '\u2010', '\u2011', '\u2012', '\u2013', '\u2014', '\u2212':
		if f.hyphen {
			b.WriteByte('-')
		}
		f.hyphen = true
		return
	case '“', '”', '„', '‟', '«', '»', '″':
		r = '"'
	case '‘', '’', '‚', '‛', 'ʼ', '′', '‹', '›':
		r = '\''
	}
	if r >= utf8.RuneSelf && unicode.IsSpace(r) {
		return
	}
	if f.hyphen {
		if !unicode.IsLetter(f.before) || !unicode.IsLetter(r) {
			b.WriteByte('-')
		}
		f.hyphen = false
	}
	r = unicode.ToLower(r)
	b.WriteRune(r)
	f.before = r
}

// flush writes what was held back.
func (f *folder) flush(b *strings.Builder) {
	if f.hyphen {
		b.WriteByte('-')
		f.hyphen = false
	}
}
