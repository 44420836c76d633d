package summarize_test

import (
	"strings"
	"testing"
	"unicode"
	"unicode/utf8"

	"github.com/google/go-cmp/cmp"

	"github.com/longhaul-jobs/longhaul/jobs/summarize"
)

func TestQuotesAreComparedByWhatTheySay(t *testing.T) {
	sections := []summarize.Section{
		{Unit: "Page", Number: 1, Text: "# Terms\n\nThe wall **shall** be rebuilt by the town. It is well-known that the exam-\nple costs “5 €” or 1-2 million.\n\n## Payment\n\nPaid by"},
		{Unit: "Page", Number: 2, Text: "the port's own funds, in three\u00a0rates. The ﬁrst is due.\n\n# End\n\nNothing else. It is well-known."},
		{Unit: "Page", Number: 3, Text: ""},
		{Unit: "Page", Number: 4, Text: "港は再建された。\n費用は高い。"},
	}
	doc := summarize.Document{Kind: summarize.KindMarkdown, Sections: sections}
	whole := split(t, doc, summarize.Options{Model: "gpt-4.1"})[0]
	page := func(n int, heading string) summarize.Citation {
		return summarize.Citation{Unit: "Page", Number: n, Heading: heading, Verified: true}
	}
	tests := []struct {
		name   string
		number int
		quote  string
		want   summarize.Citation
	}{
		{"as it stands", 1, "rebuilt by the town", page(1, "Terms")},
		{"emphasis", 1, "The wall shall be rebuilt", page(1, "Terms")},
		{"emphasis kept", 1, "wall **shall** be", page(1, "Terms")},
		{"capitals", 1, "IT IS WELL-KNOWN THAT", page(1, "Terms")},
		{"hyphen at a line's end", 1, "the example costs", page(1, "Terms")},
		{"such a hyphen kept", 1, "the exam- ple costs", page(1, "Terms")},
		{"quotation marks", 1, `costs "5 €" or`, page(1, "Terms")},
		{"a hyphen between digits counts", 1, "or 12 million", summarize.Citation{Unit: "Page", Number: 1}},
		{"a dash for a hyphen", 1, "1–2 million", page(1, "Terms")},
		{"over the end of a page", 1, "Paid by the port's own funds", page(1, "Terms > Payment")},
		{"typographic apostrophe, no-break space, ligature", 2, "port’s own funds, in three rates. The first", page(2, "Terms > Payment")},
		{"below the last heading", 2, "Nothing else", page(2, "End")},
		{"on another page", 4, "Nothing else.", page(2, "End")},
		{"the one on the page that is named", 2, "it is well-known", page(2, "End")},
		{"no page", 0, "Nothing else.", page(2, "End")},
		{"a page that is not", 77, "Nothing else.", page(2, "End")},
		{"left out", 1, "The wall ... by the town", page(1, "Terms")},
		{"left out, in brackets", 1, "The wall […] costs", page(1, "Terms")},
		{"pieces in the wrong order", 1, "by the town ... The wall", summarize.Citation{Unit: "Page", Number: 1}},
		{"in quotation marks of its own", 1, "“rebuilt by the town”", page(1, "Terms")},
		{"a full stop of its own", 1, "The wall shall be rebuilt.", page(1, "Terms")},
		{"kana", 4, "港は再建された。 費用は", page(4, "End")},
		{"other words", 1, "rebuilt by the port", summarize.Citation{Unit: "Page", Number: 1}},
		{"a word less", 1, "wall be rebuilt", summarize.Citation{Unit: "Page", Number: 1}},
		{"nothing", 1, " … ", summarize.Citation{Unit: "Page", Number: 1}},
		{"no letter", 1, "**", summarize.Citation{Unit: "Page", Number: 1}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			got := summarize.Citation{Number: tt.number, Quote: tt.quote}
			tt.want.Quote = tt.quote
			summarize.Verify(doc, whole, &got)
			if diff := cmp.Diff(tt.want, got); diff != "" {
				t.Errorf("citation (-want +got):\n%s", diff)
			}
		})
	}
}

// A part knows only of what its reader was given.
func TestQuotesAreLookedUpInTheirPart(t *testing.T) {
	doc := summarize.Document{Kind: summarize.KindText, Sections: []summarize.Section{{Text: strings.Repeat("The first half is long and wide. ", 900) + "\n\n" + strings.Repeat("The second half differs from it. ", 900)}}}
	chunks := split(t, doc, summarize.Options{Model: "gpt-4.1", ChunkTokens: small})
	first, last := chunks[0], chunks[len(chunks)-1]
	for _, tt := range []struct {
		chunk summarize.Chunk
		quote string
		want  bool
	}{{first, "first half is long", true}, {first, "second half differs", false}, {last, "second half differs", true}, {last, "first half is long", false}} {
		got := summarize.Citation{Number: 3, Quote: tt.quote}
		summarize.Verify(doc, tt.chunk, &got)
		if got.Verified != tt.want || got.Number != 0 || got.Unit != "" {
			t.Errorf("%q in bytes %d to %d: %+v", tt.quote, tt.chunk.From, tt.chunk.To, got)
		}
	}
}

func FuzzQuotes(f *testing.F) {
	f.Add("A text - with - hyphens.", 2, 12)
	f.Add("Ａﬁ…“x”\u00ad\u200d-\n-", 0, 9)
	f.Fuzz(func(t *testing.T, text string, from, length int) {
		text = strings.ToValidUTF8(text, "?")
		doc := summarize.Document{Kind: summarize.KindMarkdown, Sections: []summarize.Section{{Text: text}}}
		if len(text) == 0 {
			return
		}
		whole := summarize.Chunk{Total: 1, To: len(text)}
		from = min(max(from, 0), len(text))
		quote := strings.ToValidUTF8(text[from:min(len(text), from+min(max(length, 0), 500))], "")
		for _, number := range []int{0, 1} {
			c := summarize.Citation{Number: number, Quote: quote}
			summarize.Verify(doc, whole, &c)
			if c.Quote != quote || c.Number != 0 || c.Verified && strings.TrimSpace(quote) == "" {
				t.Fatalf("%q became %+v", quote, c)
			}
			// What is in the text is found there; beyond ASCII a passage may begin inside of a character.
			if isASCII(text) && strings.ContainsFunc(quote, unicode.IsLetter) && !c.Verified {
				t.Fatalf("%q is not found in %q", quote, text)
			}
		}
	})
}

func isASCII(s string) bool {
	return !strings.ContainsFunc(s, func(r rune) bool { return r >= utf8.RuneSelf })
}
