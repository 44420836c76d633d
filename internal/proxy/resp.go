package proxy

import (
	"bufio"
	"bytes"
	"fmt"
	"io"
	"strconv"
)

// readValue reads one whole value of Redis' protocol, version 2 or 3, and
// returns its bytes as they came. Attributes belong to the value behind them.
func readValue(r *bufio.Reader) ([]byte, error) {
	var raw bytes.Buffer
	err := copyValue(&raw, r)
	return raw.Bytes(), err
}

func copyValue(raw *bytes.Buffer, r *bufio.Reader) error {
	line, err := r.ReadBytes('\n')
	raw.Write(line)
	if err != nil {
		return err
	}
	switch line[0] {
	case '$', '=', '!': // a string, with its length and a line's end behind it
		n, err := length(line)
		if err != nil || n < 0 {
			return err
		}
		_, err = io.CopyN(raw, r, int64(n)+2)
		return err
	case '*', '~', '>': // as many values as are said
		return copyValues(raw, r, line, 1, 0)
	case '%':
		return copyValues(raw, r, line, 2, 0)
	case '|':
		return copyValues(raw, r, line, 2, 1)
	}
	return nil // the line is all of it
}

// copyValues copies the values of which a line says the number.
func copyValues(raw *bytes.Buffer, r *bufio.Reader, line []byte, each, more int) error {
	n, err := length(line)
	if err != nil {
		return err
	}
	for range max(n, 0)*each + more {
		if err := copyValue(raw, r); err != nil {
			return err
		}
	}
	return nil
}

// length is the number behind the first byte of a line; -1 stands for nothing.
func length(line []byte) (int, error) {
	n, err := strconv.Atoi(string(bytes.TrimSpace(line[1:])))
	if err != nil {
		return 0, fmt.Errorf("read a length of %q: %w", line, err)
	}
	return n, nil
}

// words returns the strings of a command; a command that is not an array of
// strings is one word a line.
func words(raw []byte) []string {
	var words []string
	rest := raw
	for len(rest) > 0 {
		line, behind, _ := bytes.Cut(rest, []byte("\r\n"))
		rest = behind
		if len(line) == 0 || line[0] == '*' {
			continue
		}
		n, err := length(line)
		if line[0] != '$' || err != nil || n < 0 || n > len(rest) {
			words = append(words, string(line))
			continue
		}
		words = append(words, string(rest[:n]))
		rest = bytes.TrimPrefix(rest[n:], []byte("\r\n"))
	}
	return words
}
