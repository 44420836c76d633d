package summarize

import (
	"bufio"
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
)

// ManifestName is the name of the manifest in a folder of summaries: one line
// of JSON about each document. Lines are only ever appended; of several about
// one document the last counts. Lines that are out of date are dropped when the
// folder is opened and there are many of them.
const ManifestName = "summaries.jsonl"

// maxLineBytes bounds a line of the manifest.
const maxLineBytes = 1 << 20

// manifest is what the file of that name says.
type manifest struct {
	// entries holds the last line about each document.
	entries map[string]Entry
	// lines is the number of lines in the file.
	lines int
	// cut reports whether the last line lacks its end.
	cut bool
}

// readManifest reads a manifest. A last line that breaks off was being written
// when its writer died; it is left out. Any other line that makes no sense is
// an error: to pass over it would be to pay for its summary again.
func readManifest(r io.Reader) (manifest, error) {
	m := manifest{entries: make(map[string]Entry)}
	in := bufio.NewReader(r)
	for number := 1; ; number++ {
		line, err := readLine(in)
		last := errors.Is(err, io.EOF)
		if err != nil && !last {
			return manifest{}, fmt.Errorf("line %d: %w", number, err)
		}
		if last && len(line) == 0 {
			return m, nil
		}
		if err := m.add(line); err != nil && !last {
			return manifest{}, fmt.Errorf("line %d: %w; remove the line, which is damaged: what Redis still has is not paid again", number, err)
		}
		if last {
			// Whole or not, it lacks its line end: nothing must be appended to it.
			m.cut = true
			return m, nil
		}
	}
}

func (m *manifest) add(line []byte) error {
	m.lines++
	if len(bytes.TrimSpace(line)) == 0 {
		return nil
	}
	var e Entry
	if err := json.Unmarshal(line, &e); err != nil {
		return err
	}
	m.entries[e.Document] = e
	return nil
}

// readLine reads a line without its end. With io.EOF comes what follows the
// last line end.
func readLine(in *bufio.Reader) ([]byte, error) {
	var line []byte
	for {
		part, err := in.ReadSlice('\n')
		line = append(line, part...)
		if len(line) > maxLineBytes {
			return nil, fmt.Errorf("longer than %d bytes", maxLineBytes)
		}
		switch {
		case errors.Is(err, bufio.ErrBufferFull):
		case err != nil:
			return line, err
		default:
			return bytes.TrimSuffix(line, []byte("\n")), nil
		}
	}
}

// wasteful reports whether rewriting the manifest is worth while.
func (m *manifest) wasteful() bool {
	const tolerated = 256
	return m.cut || m.lines-len(m.entries) > max(tolerated, len(m.entries))
}
