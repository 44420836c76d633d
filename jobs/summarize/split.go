package summarize

import (
	"fmt"
	"slices"
	"sort"
	"strings"

	"github.com/longhaul-jobs/longhaul/jobs"
	"github.com/longhaul-jobs/longhaul/jobs/tokens"
)

const (
	// DefaultChunkTokens is how much of a document a request carries unless told otherwise, in
	// tokens. Models take far more at once, but the more they read the more they pass over, above
	// all in the middle.
	DefaultChunkTokens = 24_000
	// minChunkTokens leaves room beside the frame of a part.
	minChunkTokens = 2_000
	// usualBytes is how many bytes of text make a token in the languages of Europe. It decides how
	// far apart cuts are looked for; what a part holds is counted.
	usualBytes = 4
	// mostBytes is what a token has at most on average in all but hostile texts. A part with more
	// bytes than that is parted without being counted.
	mostBytes = 8
	// overlapBytes is how much of the text before a part it repeats, at most, if it begins inside
	// of a paragraph, and leadBytes how much of the first line of a table.
	overlapBytes = 800
	leadBytes    = 1000
)

// Chunk is a part of a document that one request carries.
type Chunk struct {
	// Index counts the parts of a document from 0.
	Index, Total int
	// From and To enclose the text of its own, in bytes of the texts of all sections, one behind
	// another. Each byte of a document is in exactly one part.
	From, To int
	// Overlap is how many bytes before From it repeats, because it begins inside of a paragraph.
	Overlap int
	// First and Last are the indexes of the sections that it has text of.
	First, Last int
	// Heading is the path of headings at its beginning, such as "Terms > Payment"; may be empty.
	Heading string
	// Tokens is how many tokens its message has, without instructions and schema.
	Tokens int
}

// Split parts a document for reading with the options. No part has more tokens than
// [Options.ChunkTokens] says or the model takes, but a document that is no more than half over
// that, and that the model takes, is a single part.
//
// Where a document is cut depends on what stands near the cut and on nothing else: a cut is a
// place that is better than all others within a third of the size of a part, on both sides. So a
// change to a document changes the parts that it is in, and no others. The better place is the
// one between sections, below a heading, between paragraphs, lines, sentences or words, in this
// order; among equals the text behind it decides, as if by lot. Where that leaves a part too
// large, it is cut at the best place in its middle third, again and again. Only a text without
// white space is cut between characters.
func Split(doc Document, opts Options) ([]Chunk, error) {
	if err := opts.Validate(); err != nil {
		return nil, err
	}
	s := newSplitter(doc)
	if err := s.split(opts.frames()); err != nil {
		return nil, &SourceError{Path: doc.Path, Err: err}
	}
	return s.chunks(), nil
}

// splitter finds where a document is cut.
type splitter struct {
	*layout

	doc Document
	// budget is how many tokens the message of a part may have, and whole that of a single part.
	budget, whole int
	// tally counts tokens, as [tokens.Count] does.
	tally func(text string, limit int) (n, counted int, err error)
	// ends are the ends of the parts found so far, and counts what they count.
	ends, counts []int
}

func newSplitter(doc Document) *splitter {
	return &splitter{layout: newLayout(doc.Kind, doc.Sections), doc: doc, tally: tokens.Count}
}

func (s *splitter) split(f frames) error {
	s.budget, s.whole = f.part, f.document
	if s.budget < minChunkTokens {
		return fmt.Errorf("%d tokens are left for a part of it beside the instructions; %d are needed: allow a larger context or shorter instructions", s.budget, minChunkTokens)
	}
	n := s.size()
	if n <= s.whole*mostBytes {
		s.ends = []int{n}
		count, fits, err := s.count(0, s.whole)
		if err != nil || fits {
			s.counts = []int{count}
			return err
		}
	}
	s.ends, s.counts = nil, nil
	from := 0
	for _, end := range append(s.peaks(s.budget*usualBytes/3), n) {
		if err := s.refine(from, end); err != nil {
			return err
		}
		from = end
	}
	return nil
}

// count counts the part that ends last, which begins where the one before ends.
func (s *splitter) count(index, limit int) (n int, fits bool, err error) {
	from := 0
	if index > 0 {
		from = s.ends[index-1]
	}
	c := s.chunk(index, from, s.ends[index])
	n, _, err = s.tally(s.message(c), limit)
	return n, n <= limit, err
}

// sizedBytes is how much of a text is counted, in several places of it, to tell its size.
const sizedBytes = 8 << 10

// surelyTooLarge reports whether a text is far too large for a part, without counting all of it.
func (s *splitter) surelyTooLarge(from, to int) bool {
	if to-from > s.budget*mostBytes {
		return true
	}
	if to-from <= s.budget || to-from < 4*sizedBytes {
		return false // a token has at least a byte; and the whole of a small text is counted as fast
	}
	const places = 8
	n, bytes := 0, 0
	for i := range places {
		at := from + (to-from)/places*i
		section := s.section(at)
		text := s.sections[section].Text[at-s.starts[section]:]
		text = strings.ToValidUTF8(text[:min(len(text), sizedBytes/places, to-at)], "")
		count, _, err := s.tally(text, maxChunkTokens)
		if err != nil {
			return false
		}
		n, bytes = n+count, bytes+len(text)
	}
	// Uneven texts are counted.
	return bytes > 0 && float64(n)/float64(bytes)*float64(to-from) > 1.2*float64(s.budget)
}

// refine adds the parts between two cuts, as few as fit.
func (s *splitter) refine(from, to int) error {
	if len(s.ends) == jobs.MaxParts {
		return fmt.Errorf("it has more than the %s parts that are possible: allow larger parts", thousands(jobs.MaxParts))
	}
	if !s.surelyTooLarge(from, to) {
		s.ends = append(s.ends, to)
		count, fits, err := s.count(len(s.ends)-1, s.budget)
		if err != nil {
			return err
		}
		if fits {
			s.counts = append(s.counts, count)
			return nil
		}
		s.ends = s.ends[:len(s.ends)-1]
	}
	at := s.middle(from, to)
	if at <= from || at >= to {
		return fmt.Errorf("%d bytes of it that cannot be parted do not fit into a request", to-from)
	}
	if err := s.refine(from, at); err != nil {
		return err
	}
	return s.refine(at, to)
}

// middle returns the best place to part the text between from and to in its middle third.
func (s *splitter) middle(from, to int) int {
	third, half := (to-from)/3, from+(to-from)/2
	best := joint{at: -1}
	for b := range s.joints(from+third, to-third) {
		if best.at < 0 || b.key > best.key || b.key == best.key && abs(b.at-half) < abs(best.at-half) {
			best = b
		}
	}
	if best.at >= 0 {
		return best.at
	}
	section := s.section(half)
	start := s.starts[section]
	return start + partNear(s.sections[section].Text, half-start)
}

func abs(n int) int { return max(n, -n) }

// peaks returns the joints that are better than all others within a distance, which is in
// bytes. The ends of the text count as better than any.
func (s *splitter) peaks(within int) []int {
	n := s.size()
	type candidate struct {
		joint

		beaten bool
	}
	var cuts []int
	// Those that may still turn out to be peaks, or keep others from being one, from the best on.
	var open []candidate
	settle := func(until int) {
		for len(open) > 0 && open[0].at <= until {
			if !open[0].beaten {
				cuts = append(cuts, open[0].at)
			}
			open = open[1:]
		}
	}
	for b := range s.joints(0, n) {
		settle(b.at - within)
		for len(open) > 0 && open[len(open)-1].key < b.key {
			open = open[:len(open)-1]
		}
		open = append(open, candidate{b, b.at < within || b.at > n-within || len(open) > 0})
	}
	settle(n)
	return cuts
}

// chunks returns the parts.
func (s *splitter) chunks() []Chunk {
	chunks := make([]Chunk, len(s.ends))
	from := 0
	for i, end := range s.ends {
		chunks[i] = s.chunk(i, from, end)
		chunks[i].Total = len(s.ends)
		if len(s.counts) > 0 {
			chunks[i].Tokens = s.counts[i]
		}
		from = end
	}
	return chunks
}

// chunk describes the part between two cuts.
func (s *splitter) chunk(index, from, to int) Chunk {
	c := Chunk{Index: index, From: from, To: to, Heading: s.path(from)}
	// Sections without text belong to the part before them, and to the first one.
	c.First, c.Last = s.section(from), s.section(max(from, to-1))
	if from == 0 {
		c.First = 0
	}
	for c.Last+1 < len(s.sections) && s.starts[c.Last+1] == s.starts[c.Last+2] {
		c.Last++
	}
	c.Overlap = s.overlap(from)
	return c
}

// overlap is how much of the text before a place has to be repeated there: nothing unless the
// text was parted inside of a paragraph.
func (s *splitter) overlap(at int) int {
	section := s.section(at)
	start, text := s.starts[section], s.sections[section].Text
	i := at - start
	if i == 0 || s.isRows(section) && text[i-1] == '\n' || s.level(at) >= atParagraph {
		return 0
	}
	from := max(0, i-overlapBytes)
	if from == 0 {
		return i
	}
	for b := range s.joints(start+from, at) {
		if b.level() >= atSentence || b.at > at-overlapBytes/2 {
			return at - b.at
		}
	}
	return i - partNear(text, from)
}

// isRows reports whether each line of a section stands for itself.
func (s *splitter) isRows(section int) bool { return s.rows || s.sections[section].Unit == unitSheet }

// level is what stands at a place.
func (s *splitter) level(at int) uint8 {
	i := sort.Search(len(s.headings), func(i int) bool { return s.headings[i].at >= at })
	if i < len(s.headings) && s.headings[i].at == at {
		return atHeading - s.headings[i].depth
	}
	section := s.section(at)
	before := s.sections[section].Text[:at-s.starts[section]]
	blank := before[len(strings.TrimRight(before[max(0, len(before)-256):], " \t\r\n"))+max(0, len(before)-256):]
	switch strings.Count(blank, "\n") {
	case 0:
		return atWord
	case 1:
		return atLine
	}
	return atParagraph
}

// cuts returns where the parts end, all but the last.
func (s *splitter) cuts() []int { return s.ends[:len(s.ends)-1] }

// cutAt uses cuts that were found before, without counting. It reports false if they are none.
func (s *splitter) cutAt(cuts []int) bool {
	before := 0
	for _, at := range cuts {
		if at <= before || at >= s.size() {
			return false
		}
		section := s.section(at)
		if i := at - s.starts[section]; i > 0 && !isRuneStart(s.sections[section].Text[i]) {
			return false
		}
		before = at
	}
	s.ends, s.counts = append(slices.Clone(cuts), s.size()), nil
	return true
}

func isRuneStart(c byte) bool { return c&0xc0 != 0x80 }
