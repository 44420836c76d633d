package summarize_test

import (
	"encoding/json"
	"fmt"
	"maps"
	"math/rand/v2"
	"strings"
	"testing"

	"github.com/longhaul-jobs/longhaul/internal/simulator"
	"github.com/longhaul-jobs/longhaul/jobs"
	"github.com/longhaul-jobs/longhaul/jobs/summarize"
)

// corpus is documents of several kinds and sizes, with the least number of parts of each.
func corpus() map[string]summarize.Document {
	random := rand.New(rand.NewPCG(11, 4))
	text := func(paragraphs int) string { return strings.Join(prose(random, paragraphs), "\n\n") }
	one := func(kind summarize.Kind, text string) summarize.Document {
		return summarize.Document{Path: "a", Kind: kind, Sections: []summarize.Section{{Text: text}}}
	}
	var markdown strings.Builder
	for i := range 30 {
		fmt.Fprintf(&markdown, "%s Chapter %d\n\n%s\n\n", strings.Repeat("#", 1+i%2), i, text(8))
	}
	var rows strings.Builder
	rows.WriteString("town,year,what\n")
	for i := range 900 {
		fmt.Fprintf(&rows, "Town %d,%d,the harbour wall was %d metres high\n", i, 1900+i%100, i%17)
	}
	return map[string]summarize.Document{
		"a word":     one(summarize.KindText, "Hello."),
		"a page":     one(summarize.KindText, text(6)),
		"prose":      one(summarize.KindText, text(120)),
		"markdown":   one(summarize.KindMarkdown, markdown.String()),
		"table":      one(summarize.KindCSV, rows.String()),
		"few pages":  pagesOf(random, 4, 3),
		"many pages": pagesOf(random, 120, 4),
	}
}

// A real stand-in answers every request that the planner makes, and what is cited wrongly is told
// apart from what is not.
func TestPlannerWithASimulator(t *testing.T) {
	for name, doc := range corpus() {
		for _, preset := range append(summarize.Presets(), "") {
			if preset != "" && name != "few pages" {
				continue
			}
			t.Run(fmt.Sprintf("%s/%s", name, preset), func(t *testing.T) {
				t.Parallel()
				p := simulated(t, simulator.Config{ExactTokens: true, WrongCitations: 0.2})
				opts := summarize.Options{Model: "gpt-4.1", ChunkTokens: small, Preset: preset}
				prepared := prepare(t, doc, opts)
				s := summaryOf(t, p.run(t, prepared.Request))
				if s.Title == "" || s.Language != "en" || s.Text == "" || len(s.KeyPoints) == 0 {
					t.Errorf("title %q, language %q, text %.40q, %d key points", s.Title, s.Language, s.Text, len(s.KeyPoints))
				}
				checkSources(t, doc, s)
				checkForecast(t, prepared.Forecast, p)
			})
		}
	}
}

// checkSources holds each citation against the document, by its own rough look.
func checkSources(tb testing.TB, doc summarize.Document, s summarize.Summary) {
	tb.Helper()
	plain := func(s string) string { return strings.Join(strings.Fields(s), "") }
	var whole strings.Builder
	for _, section := range doc.Sections {
		whole.WriteString(plain(section.Text))
	}
	all := whole.String()
	sources, unverified := 0, 0
	for _, st := range s.KeyPoints {
		for _, c := range st.Sources {
			sources++
			if !c.Verified {
				unverified++
			}
			if has := strings.Contains(all, plain(c.Quote)); has != c.Verified {
				tb.Errorf("%q is in the document: %v, verified: %v", c.Quote, has, c.Verified)
			}
			if !c.Verified || c.Unit == "" {
				continue
			}
			// A quote that goes on in the next section stands where it begins.
			here := plain(doc.Sections[c.Number-1].Text)
			if c.Number < len(doc.Sections) {
				here += plain(doc.Sections[c.Number].Text)
			}
			if !strings.Contains(here, plain(c.Quote)) {
				tb.Errorf("%q is not on page %d", c.Quote, c.Number)
			}
		}
	}
	if got := s.Coverage; got.Sources < sources || got.Unverified < unverified {
		tb.Errorf("coverage %+v of %d sources, %d unverified", got, sources, unverified)
	}
}

// checkForecast holds a forecast against what was billed.
func checkForecast(tb testing.TB, f summarize.Forecast, p *provider) {
	tb.Helper()
	requests := 0
	for _, phase := range p.phases {
		requests += len(phase)
	}
	if f.Parts != len(p.phases[0]) || requests < f.Requests().Low || requests > f.Requests().High {
		tb.Errorf("%d requests, %d for parts, forecast %+v", requests, len(p.phases[0]), f)
	}
	if in := f.InputTokens(); float64(p.input) < 0.99*float64(in.Low) || p.input > in.High {
		tb.Errorf("%d input tokens, forecast %+v", p.input, in)
	}
	if p.output < f.OutputTokens.Low || p.output > f.OutputTokens.High {
		tb.Errorf("%d output tokens, forecast %+v", p.output, f.OutputTokens)
	}
}

// What is forecast of the requests that read is what they are billed, within one percent.
func TestForecastOfPartsIsExact(t *testing.T) {
	for name, doc := range corpus() {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			p := simulated(t, simulator.Config{ExactTokens: true})
			prepared := prepare(t, doc, summarize.Options{Model: "gpt-4.1", ChunkTokens: small})
			next, err := summarize.Planner{}.Next(prepared.Request, nil)
			if err != nil {
				t.Fatal(err)
			}
			for _, part := range next.Parts {
				p.end(t, part)
			}
			off := float64(prepared.Forecast.PartTokens)/float64(p.input) - 1
			if off < -0.01 || off > 0.01 {
				t.Errorf("forecast %d tokens, billed %d: %.2f%%", prepared.Forecast.PartTokens, p.input, 100*off)
			}
		})
	}
}

// Answers that are spoiled are mended, once each, and the summary is whole.
func TestPlannerHasAnswersMended(t *testing.T) {
	doc := pagesOf(rand.New(rand.NewPCG(2, 2)), 30, 5)
	for _, how := range []string{"cut", "misshapen"} {
		t.Run(how, func(t *testing.T) {
			sim, err := simulator.New(simulator.Config{})
			if err != nil {
				t.Fatal(err)
			}
			defer func() { _ = sim.Close() }()
			if err := sim.SetFaults(simulator.FaultPlan{Rules: []simulator.FaultRule{{
				Match: simulator.FaultMatch{Op: "create", First: 3}, Action: simulator.FaultAction{Answer: how},
			}}}); err != nil {
				t.Fatal(err)
			}
			p := &provider{handler: sim}
			s := summaryOf(t, p.run(t, parentRequest(t, doc, summarize.Options{Model: "gpt-4.1", ChunkTokens: small})))
			if len(p.phases[1]) != 3 || p.phases[1][0].Name != "repair of "+p.phases[0][0].Name {
				t.Errorf("the second phase is %d parts, of which the first is %q", len(p.phases[1]), p.phases[1][0].Name)
			}
			if s.Coverage.Unverified != 0 || s.Coverage.Sources == 0 || len(s.Raw) != 0 {
				t.Errorf("coverage %+v, raw %d", s.Coverage, len(s.Raw))
			}
		})
	}
}

func TestPlannerAnswersQuestions(t *testing.T) {
	doc := pagesOf(rand.New(rand.NewPCG(2, 3)), 30, 4)
	doc.Sections[17].Text += "\n\nThe lighthouse keeper was paid 900 crowns in the year of the flood."
	for question, want := range map[string]bool{
		"What was the lighthouse keeper paid?":     true,
		"Which tournament did the chessclub lose?": false,
	} {
		t.Run(question, func(t *testing.T) {
			p := simulated(t, simulator.Config{})
			s := summaryOf(t, p.run(t, parentRequest(t, doc, summarize.Options{Model: "gpt-4.1", ChunkTokens: small, Question: question})))
			if s.Answered == nil || *s.Answered != want || want != (len(s.KeyPoints) > 0) {
				t.Errorf("answered %v, %d key points", s.Answered, len(s.KeyPoints))
			}
			if !strings.Contains(string(p.phases[0][0].Request), question) {
				t.Error("the question is not asked")
			}
		})
	}
}

// A schema of the caller's is for the last answer alone; what leads to it is as usual.
func TestPlannerAnswersByAnotherSchema(t *testing.T) {
	schema := json.RawMessage(`{"type":"object","properties":{"headline":{"type":"string"},"risk":{"type":["string","null"]}},
		"required":["headline","risk"],"additionalProperties":false}`)
	random := rand.New(rand.NewPCG(2, 3))
	for name, doc := range map[string]summarize.Document{"one": pagesOf(random, 3, 3), "many": pagesOf(random, 40, 4)} {
		t.Run(name, func(t *testing.T) {
			p := simulated(t, simulator.Config{})
			s := summaryOf(t, p.run(t, parentRequest(t, doc, summarize.Options{Model: "gpt-4.1", ChunkTokens: small, Schema: schema})))
			var custom struct {
				Headline string `json:"headline"`
			}
			if err := json.Unmarshal(s.Custom, &custom); err != nil || custom.Headline == "" {
				t.Errorf("custom %s, err %v", s.Custom, err)
			}
			for i, phase := range p.phases {
				for _, part := range phase {
					if last := i == len(p.phases)-1; last != strings.Contains(string(part.Request), `"headline"`) {
						t.Errorf("%s of phase %d of %d: by the caller's schema: %v", part.Name, i, len(p.phases), !last)
					}
				}
			}
			if s.Title != "The document" || s.Coverage.Parts != len(p.phases[0]) {
				t.Errorf("title %q, coverage %+v", s.Title, s.Coverage)
			}
		})
	}
}

// An edit is paid for where it was made, and in the merges above.
func TestPlannerRunsOnlyWhatChanged(t *testing.T) {
	random := rand.New(rand.NewPCG(8, 8))
	doc := pagesOf(random, 110, 4)
	opts := summarize.Options{Model: "gpt-4.1", ChunkTokens: small}
	p := simulated(t, simulator.Config{})
	summaryOf(t, p.run(t, parentRequest(t, doc, opts)))
	parts, all := len(p.phases[0]), p.sent
	if parts < 30 {
		t.Fatalf("%d parts, want a document of many", parts)
	}
	first := p.known
	for i := range 3 {
		edited := doc
		edited.Sections = append([]summarize.Section(nil), doc.Sections...)
		text := edited.Sections[30+25*i].Text
		half := len(text) / 2
		edited.Sections[30+25*i].Text = text[:half] + strings.Replace(text[half:], ". ", ", or so it is told in the town. ", 1)
		p.known = maps.Clone(first)
		var read int
		p.answer = func(part jobs.Part) (jobs.PartEnd, bool) {
			if strings.HasPrefix(part.Name, "part ") {
				read++
			}
			return jobs.PartEnd{}, false
		}
		summaryOf(t, p.run(t, parentRequest(t, edited, opts)))
		if merges := p.sent - read; read < 1 || read > 3 || merges > 2*(len(p.phases)-1) {
			t.Errorf("an edit has %d of %d parts read again and %d merges in %d phases made", read, parts, merges, len(p.phases))
		}
	}
	t.Logf("%d requests for %d parts", all, parts)
	p.answer = nil
	if summaryOf(t, p.run(t, parentRequest(t, doc, opts))); p.sent != 1 && p.sent != 0 {
		// The last edit's answers are known, and those of the document as it was.
		t.Errorf("%d requests for a document that did not change", p.sent)
	}
}

func TestPlannerSummarizesAcrossDocuments(t *testing.T) {
	random := rand.New(rand.NewPCG(4, 4))
	preparer, err := summarize.NewPreparer(summarize.Options{Model: "gpt-4.1", ChunkTokens: small})
	if err != nil {
		t.Fatal(err)
	}
	p := simulated(t, simulator.Config{ExactTokens: true})
	var named []summarize.Named
	for i := range 25 {
		doc := pagesOf(random, 2, 3)
		doc.Title = fmt.Sprintf("Report %d", i)
		s := summaryOf(t, p.run(t, parentRequest(t, doc, summarize.Options{Model: "gpt-4.1"})))
		named = append(named, summarize.Named{Document: fmt.Sprintf("reports/%d.pdf", i), Summary: s})
	}
	prepared, err := preparer.Across(named)
	if err != nil {
		t.Fatal(err)
	}
	s := summaryOf(t, p.run(t, prepared.Request))
	if len(p.phases) < 2 || s.Coverage.Documents != 25 || s.Coverage.Parts != 25 || len(s.KeyPoints) == 0 {
		t.Errorf("%d phases, coverage %+v, %d key points", len(p.phases), s.Coverage, len(s.KeyPoints))
	}
	documents := make(map[string]bool)
	for _, point := range s.KeyPoints {
		for _, c := range point.Sources {
			if !strings.HasPrefix(c.Document, "reports/") || !c.Verified || c.Unit != "Page" {
				t.Errorf("source %+v", c)
			}
			documents[c.Document] = true
		}
	}
	if len(documents) < 5 {
		t.Errorf("sources from %d documents", len(documents))
	}
	if in := prepared.Forecast.InputTokens(); p.input < in.Low || p.input > in.High {
		t.Errorf("%d input tokens, forecast %+v", p.input, in)
	}
	if _, err := preparer.Across(append(named, named[0])); err == nil || !strings.Contains(err.Error(), "twice") {
		t.Errorf("a document named twice: %v", err)
	}
}

// A file goes as it is, and nobody claims to have checked what it says.
func TestPlannerSendsFiles(t *testing.T) {
	doc := summarize.Document{
		Path: "scan.pdf", Kind: summarize.KindText, Title: "Scan", Bytes: 9, Hash: "x",
		File: &summarize.File{MediaType: "application/pdf", Pages: 3, Data: []byte("%PDF-1.4 ")},
	}
	p := simulated(t, simulator.Config{})
	prepared := prepare(t, doc, summarize.Options{Model: "gpt-4.1"})
	s := summaryOf(t, p.run(t, prepared.Request))
	if len(p.phases) != 1 || !strings.Contains(string(p.phases[0][0].Request), `"file_data":"data:application/pdf;base64,JVBERi0xLjQg"`) {
		t.Errorf("%d phases, the first is %s", len(p.phases), p.phases[0][0].Request)
	}
	if !s.Coverage.File || s.Coverage.Sections != 3 || s.Coverage.Unit != "Page" || s.Coverage.Unverified != s.Coverage.Sources {
		t.Errorf("coverage %+v", s.Coverage)
	}
	if f := prepared.Forecast; !f.Estimated || f.PartTokens < 4_500 {
		t.Errorf("forecast %+v", f)
	}
}
