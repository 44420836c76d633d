package simulator

// Token counts are an estimate from sizes alone: four bytes of UTF-8 make a token, each item
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
