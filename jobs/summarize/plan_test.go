package summarize_test

import (
	"encoding/json"
	"math/rand/v2"
	"net/http"
	"net/http/httptest"
	"regexp"
	"strings"
	"testing"

	"github.com/longhaul-jobs/longhaul/internal/simulator"
	"github.com/longhaul-jobs/longhaul/jobs"
	"github.com/longhaul-jobs/longhaul/jobs/summarize"
)

var _ jobs.Planner = summarize.Planner{}

// provider answers the requests of a planner as a worker would have them answered, by a simulator
// or by a test's own word. Like the worker it asks once for what is the same.
type provider struct {
	handler http.Handler
	// answer, if set, is asked first; it reports false for what is none of its business.
	answer func(part jobs.Part) (jobs.PartEnd, bool)
	known  map[string]jobs.PartEnd
	// phases are the parts that were asked for, and input the tokens that were billed for those
	// that were sent.
	phases      [][]jobs.Part
	sent, input int
	output      int
}

func simulated(tb testing.TB, config simulator.Config) *provider {
	tb.Helper()
	sim, err := simulator.New(config)
	if err != nil {
		tb.Fatal(err)
	}
	tb.Cleanup(func() { _ = sim.Close() })
	return &provider{handler: sim}
}

func (p *provider) end(tb testing.TB, part jobs.Part) jobs.PartEnd {
	tb.Helper()
	if end, ok := p.known[string(part.Request)]; ok {
		return end
	}
	end, ok := jobs.PartEnd{}, false
	if p.answer != nil {
		end, ok = p.answer(part)
	}
	if !ok {
		end = p.send(tb, part)
	}
	p.sent++
	if p.known == nil {
		p.known = make(map[string]jobs.PartEnd)
	}
	p.known[string(part.Request)] = end
	return end
}

func (p *provider) send(tb testing.TB, part jobs.Part) jobs.PartEnd {
	tb.Helper()
	r := httptest.NewRequestWithContext(tb.Context(), http.MethodPost, "/v1/responses", strings.NewReader(string(part.Request)))
	r.Header.Set("Authorization", "Bearer key")
	r.Header.Set("Content-Type", "application/json")
	w := httptest.NewRecorder()
	p.handler.ServeHTTP(w, r)
	if w.Code != http.StatusOK {
		tb.Fatalf("%s: %d %.2000s", part.Name, w.Code, w.Body)
	}
	response, err := jobs.ParseResponse(w.Body.Bytes())
	if err != nil {
		tb.Fatal(err)
	}
	var usage struct {
		Usage struct {
			Input  int `json:"input_tokens"`
			Output int `json:"output_tokens"`
		} `json:"usage"`
		Details struct {
			Reason string `json:"reason"`
		} `json:"incomplete_details"`
	}
	if err := json.Unmarshal(w.Body.Bytes(), &usage); err != nil {
		tb.Fatal(err)
	}
	p.input += usage.Usage.Input
	p.output += usage.Usage.Output
	state := jobs.StateSucceeded
	if response.Status == jobs.StatusIncomplete {
		state = jobs.StateIncomplete
	}
	return jobs.PartEnd{
		Job:  jobs.Job{State: state, Result: &jobs.Result{IncompleteReason: usage.Details.Reason, Refusal: response.Refused()}},
		Text: response.Text(),
	}
}

// run carries a request out to its end, and holds the planner to being a pure function.
func (p *provider) run(tb testing.TB, request json.RawMessage) jobs.Next {
	tb.Helper()
	p.phases, p.sent, p.input, p.output = nil, 0, 0, 0
	var ends [][]jobs.PartEnd
	for range 20 {
		next, err := summarize.Planner{}.Next(request, ends)
		if err != nil {
			tb.Fatal(err)
		}
		again, err := summarize.Planner{}.Next(request, ends)
		if err != nil || !sameNext(next, again) {
			tb.Fatalf("the planner says two things of the same: %v", err)
		}
		if len(next.Parts) == 0 {
			if next.Result == nil && next.Failure == nil {
				tb.Fatal("neither parts nor a result nor a failure")
			}
			return next
		}
		p.phases = append(p.phases, next.Parts)
		var phase []jobs.PartEnd
		for _, part := range next.Parts {
			phase = append(phase, p.end(tb, part))
		}
		ends = append(ends, phase)
	}
	tb.Fatal("no end after 20 phases")
	return jobs.Next{}
}

func sameNext(a, b jobs.Next) bool {
	if len(a.Parts) != len(b.Parts) || string(a.Result) != string(b.Result) || (a.Failure == nil) != (b.Failure == nil) {
		return false
	}
	for i := range a.Parts {
		if a.Parts[i].Name != b.Parts[i].Name || string(a.Parts[i].Request) != string(b.Parts[i].Request) {
			return false
		}
	}
	return true
}

func prepare(tb testing.TB, doc summarize.Document, opts summarize.Options) summarize.Prepared {
	tb.Helper()
	preparer, err := summarize.NewPreparer(opts)
	if err != nil {
		tb.Fatal(err)
	}
	prepared, err := preparer.Document(doc)
	if err != nil {
		tb.Fatal(err)
	}
	return prepared
}

func parentRequest(tb testing.TB, doc summarize.Document, opts summarize.Options) json.RawMessage {
	tb.Helper()
	return prepare(tb, doc, opts).Request
}

func summaryOf(tb testing.TB, next jobs.Next) summarize.Summary {
	tb.Helper()
	if next.Failure != nil {
		tb.Fatalf("failed: %+v", next.Failure)
	}
	var s summarize.Summary
	if err := json.Unmarshal(next.Result, &s); err != nil {
		tb.Fatal(err)
	}
	return s
}

// answered is a part that brought a text.
func answered(text string) jobs.PartEnd {
	return jobs.PartEnd{Job: jobs.Job{State: jobs.StateSucceeded, Result: &jobs.Result{}}, Text: text}
}

// pagesOf returns a document of pages, each with some paragraphs.
func pagesOf(random *rand.Rand, pages, paragraphs int) summarize.Document {
	doc := summarize.Document{Path: "a.pdf", Kind: summarize.KindText, Title: "The document", Hash: "h", Bytes: 1000}
	for i := range pages {
		doc.Sections = append(doc.Sections, summarize.Section{Unit: "Page", Number: i + 1, Text: strings.Join(prose(random, paragraphs), "\n\n")})
	}
	return doc
}

// quoting answers parts with a quote from each of their first pages, and merges with all that
// they are given.
func quoting(part jobs.Part) (jobs.PartEnd, bool) {
	message := messageOf(part.Request)
	var points []string
	if strings.Contains(message, "BEGIN SUMMARIES") {
		for _, id := range regexp.MustCompile(`(?m)^K\d+`).FindAllString(message, -1) {
			points = append(points, `{"text":"Point of `+id+`","from":["`+id+`"]}`)
		}
		return answered(`{"title":"M","language":"en","summary":"Merged.","key_points":[` + strings.Join(points, ",") +
			`],"open_questions":[],"dates":["D1"],"names":[],"numbers":[]}`), true
	}
	for _, m := range regexp.MustCompile(`===== Page (\d+).* =====\n(.*)\n`).FindAllStringSubmatch(message, -1) {
		points = append(points, `{"text":"On page `+m[1]+`","sources":[{"section":`+m[1]+`,"quote":`+quoted(m[2])+`}]}`)
	}
	return answered(`{"title":"P","language":"en","summary":"A part.","key_points":[` + strings.Join(points, ",") +
		`],"open_questions":[],"dates":[{"value":"1 May","meaning":"the day"}],"names":[],"numbers":[]}`), true
}

func quoted(s string) string {
	raw, err := json.Marshal(s)
	if err != nil {
		panic(err) // a string always can be written
	}
	return string(raw)
}

// messageOf is the message of a request.
func messageOf(request json.RawMessage) string {
	var r struct {
		Input []struct {
			Content string `json:"content"`
		} `json:"input"`
	}
	if err := json.Unmarshal(request, &r); err != nil {
		return ""
	}
	return r.Input[0].Content
}

// Quotes go through all levels without a model writing them again, and the summary says how far
// it is borne out.
func TestPlannerCarriesSourcesThroughMerges(t *testing.T) {
	doc := pagesOf(rand.New(rand.NewPCG(5, 5)), 90, 5)
	p := &provider{answer: quoting}
	s := summaryOf(t, p.run(t, parentRequest(t, doc, summarize.Options{Model: "gpt-4.1", ChunkTokens: small})))
	if len(p.phases) < 3 || len(p.phases[0]) < 15 {
		t.Fatalf("%d phases, want a tree", len(p.phases))
	}
	pages := make(map[int]bool)
	for _, point := range s.KeyPoints {
		for _, c := range point.Sources {
			if !c.Verified || c.Unit != "Page" || !strings.Contains(doc.Sections[c.Number-1].Text, c.Quote) {
				t.Errorf("source %+v", c)
			}
			pages[c.Number] = true
		}
	}
	if len(pages) != len(doc.Sections) {
		t.Errorf("sources of %d of %d pages", len(pages), len(doc.Sections))
	}
	if len(s.Dates) != 1 || s.Title != "The document" || s.Text != "Merged." {
		t.Errorf("title %q, text %q, dates %v: want one of the date that every part tells", s.Title, s.Text, s.Dates)
	}
	c := s.Coverage
	if c.Parts != len(p.phases[0]) || c.Levels != len(p.phases)-1 || c.Sections != 90 || c.Unit != "Page" || c.Unverified != 0 || c.Sources < 90 {
		t.Errorf("coverage %+v with %d parts in %d phases", c, len(p.phases[0]), len(p.phases))
	}
}

// A part that failed fails the summary by its name, and what the others say is kept.
func TestPlannerKeepsWhatThereIs(t *testing.T) {
	doc := pagesOf(rand.New(rand.NewPCG(5, 5)), 20, 5)
	tests := []struct {
		name    string
		end     jobs.PartEnd
		class   jobs.Class
		code    string
		message string
		raw     bool
	}{
		{
			"failed",
			jobs.PartEnd{Job: jobs.Job{State: jobs.StateFailed, Failure: &jobs.Failure{Class: jobs.ClassQuota, Code: "insufficient_quota", Message: "no money"}}},
			jobs.ClassQuota, "insufficient_quota", "no money", false,
		},
		{"refused", jobs.PartEnd{Job: jobs.Job{State: jobs.StateSucceeded, Result: &jobs.Result{Refusal: true}}}, jobs.ClassRejected, "refusal", "refused", false},
		{
			"cut off",
			jobs.PartEnd{Job: jobs.Job{State: jobs.StateIncomplete, Result: &jobs.Result{IncompleteReason: "max_output_tokens"}}, Text: `{"title":`},
			jobs.ClassInvalid, "max_output_tokens", "output tokens", false,
		},
		{
			"filtered",
			jobs.PartEnd{Job: jobs.Job{State: jobs.StateIncomplete, Result: &jobs.Result{IncompleteReason: "content_filter"}}},
			jobs.ClassRejected, "content_filter", "content_filter", false,
		},
		{"expired", jobs.PartEnd{Job: jobs.Job{State: jobs.StateExpired}}, jobs.ClassExpired, "", "deadline", false},
		{"cancelled", jobs.PartEnd{Job: jobs.Job{State: jobs.StateCancelled}}, jobs.ClassDependency, "cancelled", "cancelled", false},
		{"nonsense twice", answered("I am sorry"), jobs.ClassInvalid, "invalid_answer", "not valid JSON", true},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			p := &provider{answer: func(part jobs.Part) (jobs.PartEnd, bool) {
				if strings.Contains(part.Name, "part 2 of") {
					return tt.end, true
				}
				return quoting(part)
			}}
			next := p.run(t, parentRequest(t, doc, summarize.Options{Model: "gpt-4.1", ChunkTokens: small}))
			f := next.Failure
			if f == nil || f.Class != tt.class || f.Code != tt.code || !strings.HasPrefix(f.Message, "part 2 of ") || !strings.Contains(f.Message, tt.message) {
				t.Fatalf("failure %+v", f)
			}
			var s summarize.Summary
			if err := json.Unmarshal(next.Result, &s); err != nil {
				t.Fatal(err)
			}
			if len(s.Coverage.Missing) != 1 || !strings.Contains(s.Text, "A part.") || len(s.KeyPoints) == 0 || s.Coverage.Unverified != 0 {
				t.Errorf("kept %+v of coverage %+v", s.Text, s.Coverage)
			}
			if tt.raw != (len(s.Raw) == 1 && s.Raw[0] == "I am sorry") {
				t.Errorf("raw answers %q", s.Raw)
			}
		})
	}
}
