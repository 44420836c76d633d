package summarize

import "io"

// CountTokens lets tests count more text than a request holds.
func CountTokens(text string, limit int) (tokens, counted int, err error) {
	return countTokens(text, limit)
}

// CountInWindows lets tests count with windows of any size.
func CountInWindows(text string, limit, usual, longest int) (tokens, counted int, err error) {
	return windows{usual: usual, longest: longest}.count(text, limit)
}

// ReadManifest lets tests read what a folder would.
func ReadManifest(r io.Reader) (entries map[string]Entry, cut bool, err error) {
	m, err := readManifest(r)
	return m.entries, m.cut, err
}

// Boundary lets tests look for the code that encloses a document.
func Boundary(text string) string { return boundary(text) }

// BoundaryAfter lets tests begin with a hash that the text knows.
func BoundaryAfter(text string, sum [32]byte) string { return boundaryAfter(text, sum) }
