package summarize

import "io"

// ReadManifest lets tests read what a folder would.
func ReadManifest(r io.Reader) (entries map[string]Entry, cut bool, err error) {
	m, err := readManifest(r)
	return m.entries, m.cut, err
}

// Boundary lets tests look for the code that encloses a document.
func Boundary(text string) string { return boundary(text) }

// BoundaryAfter lets tests begin with a hash that the text knows.
func BoundaryAfter(text string, sum [32]byte) string { return boundaryAfter(text, sum) }
