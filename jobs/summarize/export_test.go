package summarize

import "io"

// ReadManifest lets tests read what a folder would.
func ReadManifest(r io.Reader) (entries map[string]Entry, cut bool, err error) {
	m, err := readManifest(r)
	return m.entries, m.cut, err
}

// BoundaryAfter lets tests begin with a hash that the text knows.
func BoundaryAfter(text string, sum [32]byte) string { return boundaryAfter(text, sum) }

// Message lets tests read what the model gets to read of a part.
func Message(doc Document, c Chunk) string { return newSplitter(doc).message(c) }

// Messages lets tests read what the model gets to read of all parts, by another way to count.
func (p *Preparer) Messages(doc Document, tally func(text string, limit int) (n, counted int, err error)) ([]string, error) {
	s := newSplitter(doc)
	s.tally = tally
	if err := s.split(p.frames); err != nil {
		return nil, err
	}
	var out []string
	for _, c := range s.chunks() {
		out = append(out, s.message(c))
	}
	return out, nil
}

// Verify lets tests look for a quote in a part of a document.
func Verify(doc Document, c Chunk, citation *Citation) { newSplitter(doc).evidence(c).verify(citation) }

// SplitBy splits as [Split] does, with another way to count.
func (p *Preparer) SplitBy(doc Document, tally func(text string, limit int) (n, counted int, err error)) ([]Chunk, error) {
	s := newSplitter(doc)
	s.tally = tally
	err := s.split(p.frames)
	return s.chunks(), err
}
