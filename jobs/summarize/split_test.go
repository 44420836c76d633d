package summarize_test

import (
	"fmt"
	"math/rand/v2"
	"regexp"
	"slices"
	"strings"
	"testing"
	"unicode/utf8"

	"github.com/google/go-cmp/cmp"

	"github.com/longhaul-jobs/longhaul/jobs/summarize"
	"github.com/longhaul-jobs/longhaul/jobs/tokens"
)

const small = 2_000 // the least tokens of a part

func split(tb testing.TB, doc summarize.Document, opts summarize.Options) []summarize.Chunk {
	tb.Helper()
	chunks, err := summarize.Split(doc, opts)
	if err != nil {
		tb.Fatal(err)
	}
	return chunks
}

// prose returns paragraphs of sentences of made-up words.
func prose(random *rand.Rand, paragraphs int) []string {
	syllables := strings.Fields("ba ke li mo nu ra se ti vo pu dar fen gil hom jur kan lem nor pis tul")
	out := make([]string, paragraphs)
	for i := range out {
		var b strings.Builder
		for range 2 + random.IntN(6) {
			for w := range 5 + random.IntN(15) {
				if w > 0 {
					b.WriteByte(' ')
				}
				for s := range 1 + random.IntN(3) {
					syllable := syllables[random.IntN(len(syllables))]
					if w == 0 && s == 0 {
						syllable = strings.ToUpper(syllable[:1]) + syllable[1:]
					}
					b.WriteString(syllable)
				}
			}
			b.WriteString(". ")
		}
		out[i] = strings.TrimSpace(b.String())
	}
	return out
}

// checkSplit holds what is true of every document and any way to split it.
func checkSplit(tb testing.TB, doc summarize.Document, preparer *summarize.Preparer, limit int, tally func(string, int) (int, int, error)) {
	tb.Helper()
	chunks, err := preparer.SplitBy(doc, tally)
	if err != nil {
		tb.Fatal(err)
	}
	if len(chunks) == 1 {
		limit += limit / 2
	}
	var whole strings.Builder
	for _, s := range doc.Sections {
		whole.WriteString(s.Text)
	}
	all, at := whole.String(), 0
	for i, c := range chunks {
		if c.Index != i || c.Total != len(chunks) || c.From != at || c.To < c.From || c.To == c.From && len(chunks) > 1 {
			tb.Fatalf("part %d of %d is %+v, want it to begin at %d", i, len(chunks), c, at)
		}
		at = c.To
		message := summarize.Message(doc, c)
		if n, _, err := tally(message, 1<<40); err != nil || n > limit || n != c.Tokens {
			tb.Fatalf("part %d has %d tokens and says %d, the limit is %d, err %v", i, n, c.Tokens, limit, err)
		}
		if !utf8.ValidString(message) && utf8.ValidString(all) {
			tb.Fatalf("part %d tears a character", i)
		}
		// What stands below its markers, put together, is its text.
		if got := unmarked(tb, message); !sameText(got, all[c.From:c.To]) {
			tb.Fatalf("part %d: message and text differ (-want +got):\n%s", i, cmp.Diff(all[c.From:c.To], strings.Join(got, "")))
		}
		for n := c.First; n <= c.Last; n++ {
			if s := doc.Sections[n]; s.Unit != "" && s.Text != "" && !strings.Contains(message, fmt.Sprintf("===== %s %d", s.Unit, s.Number)) {
				tb.Fatalf("part %d does not say that it has %s %d", i, s.Unit, s.Number)
			}
		}
	}
	if at != len(all) {
		tb.Fatalf("the parts end at %d of %d bytes", at, len(all))
	}
	if again, err := preparer.SplitBy(doc, tally); err != nil || !slices.Equal(again, chunks) {
		tb.Fatalf("the same document was split in two ways, %v", err)
	}
}

// unmarked returns the text of a message as it stands in the document: without the markers, what
// stands before the part, and the line ends that markers need.
func unmarked(tb testing.TB, message string) []string {
	tb.Helper()
	_, body, found := strings.Cut(message, "\n===== BEGIN DOCUMENT ")
	if !found || len(body) < 16 {
		tb.Fatalf("no document in %.200q", message)
	}
	code := body[:16]
	_, body, _ = strings.Cut(body, "\n")
	body, rest, found := strings.Cut(body, "===== END DOCUMENT "+code+" =====\n")
	if !found || rest != "" {
		tb.Fatalf("the document does not end: %.200q", rest)
	}
	marker := regexp.MustCompile(`(?m)^===== .* ` + code + ` =====\n`)
	var out []string
	at, kept := 0, true
	for _, m := range append(marker.FindAllStringIndex(body, -1), []int{len(body), len(body)}) {
		if kept {
			out = append(out, body[at:m[0]])
		}
		kept = !strings.HasPrefix(body[m[0]:m[1]], "===== BEFORE THIS PART")
		at = m[1]
	}
	return out
}

// sameText compares texts but for the line end that may stand before a marker.
func sameText(marked []string, text string) bool {
	reached := map[int]bool{0: true}
	for _, piece := range marked {
		next := make(map[int]bool)
		for at := range reached {
			for _, p := range []string{piece, strings.TrimSuffix(piece, "\n")} {
				if strings.HasPrefix(text[at:], p) {
					next[at+len(p)] = true
				}
			}
		}
		reached = next
	}
	return reached[len(text)]
}

func TestSplitLosesNothing(t *testing.T) {
	random := rand.New(rand.NewPCG(7, 7))
	preparer, err := summarize.NewPreparer(summarize.Options{Model: "gpt-4.1", ChunkTokens: small})
	if err != nil {
		t.Fatal(err)
	}
	pages := func(n int) (out []summarize.Section) {
		for i := range n {
			text := ""
			if random.IntN(6) > 0 {
				text = "Annual report\n\n" + strings.Join(prose(random, random.IntN(12)), "\n\n")
			}
			out = append(out, summarize.Section{Unit: "Page", Number: i + 1, Text: text})
		}
		return out
	}
	one := func(text string) []summarize.Section { return []summarize.Section{{Text: text}} }
	var table strings.Builder
	table.WriteString("id,name,amount\n")
	for i := range 3000 {
		fmt.Fprintf(&table, "%d,%s,%d.%02d\n", i, "name", random.IntN(1e6), random.IntN(100))
	}
	var headed strings.Builder
	for i, p := range prose(random, 200) {
		if i%7 == 0 {
			fmt.Fprintf(&headed, "%s Heading %d\n\n", strings.Repeat("#", 1+i%3), i)
		}
		headed.WriteString(p + "\n\n")
	}
	tests := map[string]struct {
		kind     summarize.Kind
		sections []summarize.Section
	}{
		"short":         {summarize.KindText, one("Short.")},
		"prose":         {summarize.KindText, one(strings.Join(prose(random, 150), "\n\n"))},
		"one paragraph": {summarize.KindText, one(strings.Join(prose(random, 150), " "))},
		"wrapped lines": {summarize.KindText, one(strings.ReplaceAll(strings.Join(prose(random, 150), "\n"), ". ", ".\r\n"))},
		"headings":      {summarize.KindMarkdown, one(headed.String())},
		"pages":         {summarize.KindText, pages(120)},
		"blank pages":   {summarize.KindText, append(pages(3), make([]summarize.Section, 40)...)},
		"table":         {summarize.KindCSV, one(table.String())},
		"sheets":        {summarize.KindXLSX, []summarize.Section{{Unit: "Sheet", Number: 1, Name: "A", Text: table.String()}, {Unit: "Sheet", Number: 2, Name: "B", Text: "x"}}},
		"letters":       {summarize.KindText, one(strings.Repeat("a", 100_000))},
		"random bytes":  {summarize.KindText, one(noise(random, 30_000))},
		"kana":          {summarize.KindText, one(strings.Repeat("港を再建した。長い話だ、", 2_000))},
		"no full stops": {summarize.KindText, one(strings.Repeat("港", 20_000))},
		"emoji":         {summarize.KindText, one(strings.Repeat("👩‍👩‍👧‍👦🇩🇪e\u0301", 3_000))},
		"spaces":        {summarize.KindText, one("a" + strings.Repeat(" ", 200_000) + "b")},
		"line ends":     {summarize.KindText, one("a" + strings.Repeat("\n", 200_000) + "b")},
		"equal lines":   {summarize.KindText, one(strings.Repeat("the same line again\n", 5_000))},
		"headings only": {summarize.KindMarkdown, one(strings.Repeat("# A\n## B\n", 5_000))},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			for i := range tt.sections {
				if tt.sections[i].Unit == "" && len(tt.sections) > 1 {
					tt.sections[i] = summarize.Section{Unit: "Page", Number: i + 1}
				}
			}
			checkSplit(t, summarize.Document{Kind: tt.kind, Title: "T", Sections: tt.sections}, preparer, small, tokens.Count)
		})
	}
}

func noise(random *rand.Rand, n int) string {
	b := make([]byte, n)
	for i := range b {
		b[i] = byte(random.Uint32())
	}
	return strings.ToValidUTF8(string(b), "\ufffd")
}

func TestSplitRefusesTooManyParts(t *testing.T) {
	preparer, err := summarize.NewPreparer(summarize.Options{Model: "gpt-4.1", ChunkTokens: small})
	if err != nil {
		t.Fatal(err)
	}
	doc := summarize.Document{Kind: summarize.KindText, Sections: []summarize.Section{{Text: strings.Repeat("a ", 12_000_000)}}}
	if _, err := preparer.SplitBy(doc, roughly); err == nil || !strings.Contains(err.Error(), "the 5,000 parts") {
		t.Errorf("error %v", err)
	}
}

// A change to a paragraph changes the requests of the parts that show it, and no others.
func TestSplitIsStable(t *testing.T) {
	random := rand.New(rand.NewPCG(3, 9))
	paragraphs := prose(random, 900)
	for i := range paragraphs {
		if i%40 == 0 {
			paragraphs[i] = fmt.Sprintf("# Chapter %d\n\n%s", i/40, paragraphs[i])
		}
	}
	preparer, err := summarize.NewPreparer(summarize.Options{Model: "gpt-4.1", ChunkTokens: small})
	if err != nil {
		t.Fatal(err)
	}
	messages := func(paragraphs []string) map[string]bool {
		doc := summarize.Document{Kind: summarize.KindMarkdown, Sections: []summarize.Section{{Text: strings.Join(paragraphs, "\n\n")}}}
		out := make(map[string]bool)
		all, err := preparer.Messages(doc, roughly)
		if err != nil {
			t.Fatal(err)
		}
		for _, message := range all {
			out[message] = true
		}
		return out
	}
	before := messages(paragraphs)
	if len(before) < 60 {
		t.Fatalf("%d parts, want a document of 60", len(before))
	}
	changed := 0
	const edits = 16
	for i := range edits {
		edited := slices.Clone(paragraphs)
		at := 101 + i*40 // no heading, which those below it show
		switch i % 3 {
		case 0:
			edited[at] = strings.Replace(edited[at], ". ", ", and so on. ", 1)
		case 1:
			edited = slices.Insert(edited, at, prose(random, 1)...)
		case 2:
			edited = slices.Delete(edited, at, at+1)
		}
		fresh := 0
		for message := range messages(edited) {
			if !before[message] {
				fresh++
			}
		}
		changed += fresh
		if fresh > 3 || fresh == 0 {
			t.Errorf("edit %d changes %d of %d requests", i, fresh, len(before))
		}
	}
	if changed > edits*2 {
		t.Errorf("%d edits change %d requests, want hardly more than one each", edits, changed)
	}
	t.Logf("%d parts; %d edits change %d requests", len(before), edits, changed)
}

// roughly counts two bytes as a token, which is quick and right enough where it does not matter.
func roughly(text string, _ int) (n, counted int, err error) {
	return (len(text) + 1) / 2, len(text), nil
}
