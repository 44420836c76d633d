package simulator

import (
	"encoding/json"
	"strings"

	"github.com/tiktoken-go/tokenizer/codec"
)

// Token counts are an estimate from sizes alone, unless [Config.ExactTokens] has them counted: four bytes of UTF-8 make a token, each item
// costs a few for its frame, and what is not text costs a flat amount. English prose comes within
// some 15 % of OpenAI's tokenizers; other scripts are overestimated. What matters more here: the
// count is deterministic, additive and cheap.
const (
	bytesPerToken      = 4
	itemOverheadTokens = 3
	imageTokens        = 765
	fileTokens         = 1000
)

// tokensOf estimates the tokens of a text of the given length in bytes.
func tokensOf(length int) int {
	return (length + bytesPerToken - 1) / bytesPerToken
}

// cutToTokens returns the longest prefix of s that estimates to at most limit tokens and ends
// between two characters.
func cutToTokens(s string, limit int) string {
	end := limit * bytesPerToken
	if end >= len(s) {
		return s
	}
	for end > 0 && s[end]&0xC0 == 0x80 {
		end--
	}
	return s[:end]
}

func tokensIn(text string) int { return tokensOf(len(text)) }

// countedBytes is how much text is counted at once.
const countedBytes = 64 << 10

// exactTokens counts the tokens of a text by the encoding of the models since gpt-4o. It does so
// piece by piece, which adds a token or so for each.
func exactTokens(text string) int {
	if text == "" {
		return 0
	}
	o200k := codec.NewO200kBase()
	n := 0
	for len(text) > 0 {
		end := min(len(text), countedBytes)
		if end < len(text) {
			if at := strings.LastIndexByte(text[:end], '\n'); at > 0 {
				end = at + 1
			}
		}
		count, err := o200k.Count(text[:end])
		if err != nil {
			count = tokensOf(end)
		}
		n += count
		text = text[end:]
	}
	return n
}

// plain is the text of a JSON string.
func plain(raw json.RawMessage) string {
	var s string
	if json.Unmarshal(raw, &s) != nil {
		return string(raw)
	}
	return s
}
