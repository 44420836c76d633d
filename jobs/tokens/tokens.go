// Package tokens counts what a request costs a model to read, before it is sent: by
// OpenAI's own encoding, whose vocabulary is part of the program.
package tokens

import (
	"fmt"
	"unicode/utf8"

	"github.com/tiktoken-go/tokenizer/codec"
)

// windows are the sizes, in bytes, of the pieces that text is counted in.
type windows struct {
	// usual is how much text is counted at once.
	usual int
	// longest is how far a window grows in search of a place to cut.
	longest int
}

// Count returns the number of tokens in text, by the o200k encoding of
// the models since gpt-4o. It stops soon after the count exceeds limit and
// returns how many bytes it has counted.
//
// The text is counted in windows, which bounds memory and time. They are cut
// where the encoding never joins two characters, so the sum is that of the
// whole. Only a run of 128 KiB without such a place is cut anywhere, which can
// shift the count by a few tokens for each cut. Against OpenAI's own encoder
// the library counts a token too many for some empty lines that hold blanks.
func Count(text string, limit int) (tokens, counted int, err error) {
	return windows{usual: 64 << 10, longest: 128 << 10}.count(text, limit)
}

func (w windows) count(text string, limit int) (tokens, counted int, err error) {
	// Only the first of these in a process loads the vocabulary (20 ms, 10 MB).
	o200k := codec.NewO200kBase()
	for counted < len(text) && tokens <= limit {
		window := text[counted : counted+w.cut(text[counted:])]
		n, err := o200k.Count(window)
		if err != nil {
			return 0, 0, fmt.Errorf("count tokens: %w", err)
		}
		tokens += n
		counted += len(window)
	}
	return tokens, counted, nil
}

// cut returns the length of the first window of text.
func (w windows) cut(text string) int {
	if len(text) <= w.usual {
		return len(text)
	}
	for i := w.usual; i > 0; i-- {
		if isJoint(text, i) {
			return i
		}
	}
	end := min(len(text), w.longest)
	for i := w.usual; i < end; i++ {
		if isJoint(text, i) {
			return i
		}
	}
	for end < len(text) && end > 1 && !utf8.RuneStart(text[end]) {
		end--
	}
	return end
}

// isJoint reports whether the encoding is sure to part text before the byte at
// i. It first parts text into pieces, by a regular expression, and never joins
// across them. A piece may begin with a blank or consist of blanks, but has none
// behind a visible character; and a piece with line ends reaches to the last of
// them and no further, unless a slash follows. In neither place does what comes
// next change how the piece before is read.
func isJoint(text string, i int) bool {
	before, after := text[i-1], text[i]
	switch {
	case after == ' ':
		return before > ' ' && before < 0x7f
	case before == '\n':
		// All white space beyond ASCII lies below U+4000, whose first byte is 0xe4.
		return after >= '0' && after <= '9' || after >= 'A' && after <= 'Z' || after >= 'a' && after <= 'z' || after >= 0xe4
	}
	return false
}
