package summarize_test

import (
	"encoding/json"
	"slices"
	"strings"
	"testing"

	"github.com/longhaul-jobs/longhaul/jobs"
	"github.com/longhaul-jobs/longhaul/jobs/summarize"
)

// FuzzSplit makes documents of what it is given, some of it many times over.
func FuzzSplit(f *testing.F) {
	f.Add("# A\n\nText. More text!\n\n\n```\n# no heading\n```\n", uint(400), uint(3), uint(0))
	f.Add("\u0301\u200d👩‍👩‍👧‍👦🇩🇪\r\n", uint(900), uint(1), uint(1))
	f.Add("1,2,\"a\nb\"\n", uint(2000), uint(2), uint(2))
	f.Add(" ", uint(5000), uint(9), uint(0))
	f.Add("===== Page 9 0000000000000000 =====\n", uint(300), uint(4), uint(3))
	preparer, err := summarize.NewPreparer(summarize.Options{Model: "gpt-4.1", ChunkTokens: small})
	if err != nil {
		f.Fatal(err)
	}
	kinds := []summarize.Kind{summarize.KindText, summarize.KindMarkdown, summarize.KindCSV, summarize.KindXLSX}
	f.Fuzz(func(t *testing.T, text string, times, sections, kind uint) {
		text = strings.ToValidUTF8(text, "?")
		times = min(times, 20_000/uint(len(text)+1))
		doc := summarize.Document{Kind: kinds[kind%uint(len(kinds))], Title: "T"}
		for i := range 1 + sections%12 {
			s := summarize.Section{Text: strings.Repeat(text, int(times/(1+i)))}
			if sections%12 > 0 {
				s.Unit, s.Number = "Page", int(i)+1
			}
			doc.Sections = append(doc.Sections, s)
		}
		// What a token is matters little here, and counting is most of the time.
		checkSplit(t, doc, preparer, small, roughly)
	})
}

// FuzzPlanner gives a planner requests and answers of all sorts: it may refuse them, and never
// crash, loop or say two things.
func FuzzPlanner(f *testing.F) {
	doc := summarize.Document{Path: "a", Kind: summarize.KindText, Sections: []summarize.Section{{Text: "Some text that says a thing."}}}
	preparer, err := summarize.NewPreparer(summarize.Options{Model: "gpt-4.1"})
	if err != nil {
		f.Fatal(err)
	}
	prepared, err := preparer.Document(doc)
	if err != nil {
		f.Fatal(err)
	}
	answer := `{"title":"T","language":"en","summary":"S","key_points":[{"text":"A","sources":[{"section":null,"quote":"Some text"}]}],"open_questions":[],"dates":[],"names":[],"numbers":[]}`
	f.Add([]byte(prepared.Request), answer, uint(1))
	f.Add([]byte(prepared.Request), `{"title":`, uint(2))
	f.Add([]byte(`{"format":"longhaul/summarize/1","options":{"model":"m"},"document":{"kind":"text","bytes":1,"hash":"x","sections":[{"text":"aé"}],"cuts":[2]}}`), "{}", uint(1))
	f.Add([]byte(`{"format":"longhaul/summarize/1","options":{"model":"m"},"across":[{"document":"a","summary":{}}]}`), answer, uint(1))
	f.Fuzz(func(t *testing.T, request []byte, text string, phases uint) {
		var ends [][]jobs.PartEnd
		for range 1 + phases%6 {
			next, err := summarize.Planner{}.Next(request, ends)
			again, other := summarize.Planner{}.Next(slices.Clone(request), ends)
			if (err == nil) != (other == nil) || err == nil && !sameNext(next, again) {
				t.Fatalf("two answers to the same: %v, %v", err, other)
			}
			if err != nil {
				return
			}
			if len(next.Parts) == 0 {
				if next.Failure == nil && !json.Valid(next.Result) {
					t.Fatalf("result %s", next.Result)
				}
				return
			}
			if len(next.Parts) > 200 {
				return
			}
			phase := make([]jobs.PartEnd, len(next.Parts))
			for i, part := range next.Parts {
				if !json.Valid(part.Request) || part.Name == "" {
					t.Fatalf("part %q is %s", part.Name, part.Request)
				}
				phase[i] = answered(text)
			}
			ends = append(ends, phase)
		}
	})
}

// FuzzSchema holds the check of a schema to accepting nothing that cannot be used.
func FuzzSchema(f *testing.F) {
	f.Add([]byte(`{"type":"object","properties":{"a":{"type":["string","null"]}},"required":["a"],"additionalProperties":false}`))
	f.Add([]byte(`{"type":"object","properties":{"a":{"$ref":"#"}},"required":["a"],"additionalProperties":false}`))
	f.Add([]byte(`{"type":"object","properties":{"a":{"$ref":"#/$defs/b"}},"required":["a"],"additionalProperties":false,"$defs":{"b":{"anyOf":[{"type":"null"},{"type":"array","items":{"$ref":"#"}}]}}}`))
	f.Fuzz(func(t *testing.T, schema []byte) {
		if err := (summarize.Options{Model: "m", Schema: schema}).Validate(); err == nil && len(schema) > 0 && !json.Valid(schema) {
			t.Fatal("a schema that is no JSON was accepted")
		}
	})
}
