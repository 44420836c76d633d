package summarize_test

import (
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"strings"
	"testing"

	"github.com/longhaul-jobs/longhaul/jobs/summarize"
)

func parse(tb testing.TB, path string, kind summarize.Kind, content string) summarize.Document {
	tb.Helper()
	doc, err := summarize.Parse(path, kind, []byte(content))
	if err != nil {
		tb.Fatal(err)
	}
	return doc
}

func TestBoundaryAvoidsWhatTheTextHolds(t *testing.T) {
	first := sha256.Sum256([]byte("first"))
	second := sha256.Sum256(first[:])
	third := sha256.Sum256(second[:])
	text := fmt.Sprintf("%x and %x", first[:8], second[:8])
	if got, want := summarize.BoundaryAfter(text, first), hex.EncodeToString(third[:8]); got != want {
		t.Errorf("code = %s, want %s", got, want)
	}
}

// Instructions that are long enough for OpenAI's prompt cache are told as such.
func TestCacheable(t *testing.T) {
	t.Parallel()
	o := summarize.Options{Model: "gpt-4.1", Instructions: "Be brief."}
	short := o.Cacheable()
	o.Instructions = strings.Repeat("Mind what it says about tides, moorings and the price of coal. ", 100)
	if !o.Cacheable() {
		t.Errorf("long instructions are not cacheable (short ones: %v)", short)
	}
}
