package summarize

import (
	"crypto/sha256"
	"encoding/hex"
	"strings"
)

// boundary returns a code that does not occur in text and that nobody who wrote
// the text could have put into it. It depends on nothing but the text, so that
// the same document makes the same request.
func boundary(text string) string { return boundaryAfter(text, sha256.Sum256([]byte(text))) }

// boundaryAfter returns the first code in the sequence of hashes that begins
// with sum that does not occur in text.
func boundaryAfter(text string, sum [sha256.Size]byte) string {
	for {
		code := hex.EncodeToString(sum[:8])
		if !strings.Contains(text, code) {
			return code
		}
		sum = sha256.Sum256(sum[:])
	}
}
