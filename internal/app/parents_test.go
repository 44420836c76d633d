package app_test

import (
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/longhaul-jobs/longhaul/internal/simulator"
	"github.com/longhaul-jobs/longhaul/jobs"
	"github.com/longhaul-jobs/longhaul/jobs/summarize"
)

// phased plans documents of a few paragraphs: one part for each, and then, if there are
// several, one that is given the answers to all of them.
type phased struct{}

type document struct {
	Paragraphs []string `json:"paragraphs"`
}

func (phased) Next(request json.RawMessage, phases [][]jobs.PartEnd) (jobs.Next, error) {
	var d document
	if err := json.Unmarshal(request, &d); err != nil || len(d.Paragraphs) == 0 {
		return jobs.Next{}, errors.New("there are no paragraphs")
	}
	var texts []string
	for _, phase := range phases {
		texts = nil
		for _, end := range phase {
			if end.Job.State != jobs.StateSucceeded {
				return jobs.Next{Failure: &jobs.Failure{Class: jobs.ClassDependency, Code: "part_failed", Message: end.Job.Part + " is " + string(end.Job.State)}}, nil
			}
			texts = append(texts, end.Text)
		}
	}
	switch {
	case len(phases) == 0:
		return jobs.Next{Parts: parts("paragraph", d.Paragraphs)}, nil
	case len(texts) > 1:
		return jobs.Next{Parts: parts("merge", []string{strings.Join(texts, "\n\n")})}, nil
	}
	result, err := json.Marshal(map[string]any{"summary": texts[0], "phases": len(phases)})
	return jobs.Next{Result: result}, err
}

func parts(name string, inputs []string) []jobs.Part {
	all := make([]jobs.Part, len(inputs))
	for i, input := range inputs {
		body, err := json.Marshal(map[string]string{"input": input, "model": "gpt-4.1"})
		if err != nil {
			panic(err)
		}
		all[i] = jobs.Part{Name: fmt.Sprintf("%s %d of %d", name, i+1, len(inputs)), Request: body}
	}
	return all
}

// paragraphs are n paragraphs that differ.
func paragraphs(n int) []string {
	all := make([]string, n)
	for i := range all {
		all[i] = fmt.Sprintf("The harbour of town %d was rebuilt after the storm. Trade came back within a year.", i)
	}
	return all
}

func (w *world) submitDocument(paragraphs []string, options jobs.Options) jobs.ID {
	w.t.Helper()
	body, err := json.Marshal(document{paragraphs})
	if err != nil {
		w.t.Fatal(err)
	}
	submitted, err := w.client.SubmitParent(w.t.Context(), jobs.KindSummarize, body, "gpt-4.1", options)
	if err != nil {
		w.t.Fatal(err)
	}
	return submitted.Job.ID
}

func planned(t *testing.T, c simulator.Config) *world {
	t.Helper()
	w := newWorld(t, c)
	w.planners = map[jobs.Kind]jobs.Planner{jobs.KindSummarize: phased{}}
	return w
}

// TestParentRunsItsParts takes a parent through two phases to its result, and pays for
// each part once; an equal document after it costs nothing, and one that differs in a
// paragraph the paragraph and the merge.
//
// Guarantee: G30.
func TestParentRunsItsParts(t *testing.T) {
	t.Parallel()
	w := planned(t, quick())
	text := paragraphs(5)
	first := w.submitDocument(text, jobs.Options{Group: "run", Tenant: "acme", DedupeKey: "one"})
	after := w.submit(question, jobs.Options{After: []jobs.ID{first}})
	w.work()
	j := w.wait(first)
	if j.State != jobs.StateSucceeded || len(j.Attempts) != 0 || j.Plan.Phase != 2 || j.Result.Status != jobs.StatusCompleted {
		t.Fatalf("%s, %v, %+v, %+v", j.State, j.Failure, j.Plan, j.Result)
	}
	raw, err := w.client.Response(t.Context(), first)
	if err != nil || len(raw) != j.Result.Bytes || !strings.Contains(string(raw), `"phases":2`) {
		t.Fatalf("result %s, %v", raw, err)
	}
	if text, err := w.client.Text(t.Context(), first); err != nil || text == "" {
		t.Errorf("text %q, %v", text, err)
	}
	listed, err := w.store.Parts(t.Context(), first, 0, 100)
	if err != nil || len(listed) != 6 {
		t.Fatalf("%d parts, %v", len(listed), err)
	}
	for i, place := range listed {
		part := w.load(place.ID)
		if part.Parent != first || part.ParentKind != jobs.KindSummarize || part.Group != "run" || part.Tenant != "acme" || len(part.Attempts) != 1 {
			t.Errorf("part %d: %+v", i, part)
		}
	}
	if j := w.wait(after); j.State != jobs.StateSucceeded || j.Attempts[0].Started.Before(w.load(first).Ended) {
		t.Errorf("the job after it: %s, %v", j.State, j.Failure)
	}
	if n := w.made(); n != 7 {
		t.Errorf("%d creates, want 7", n)
	}

	again := w.submitDocument(text, jobs.Options{Tenant: "acme"})
	if j := w.wait(again); j.State != jobs.StateSucceeded || w.made() != 7 {
		t.Errorf("the same once more: %s, %d creates", j.State, w.made())
	}
	text[2] += " The lighthouse was not."
	changed := w.submitDocument(text, jobs.Options{Tenant: "acme"})
	if j := w.wait(changed); j.State != jobs.StateSucceeded || w.made() != 9 {
		t.Errorf("a changed paragraph: %s, %d creates", j.State, w.made())
	}
	forced := w.submitDocument(text, jobs.Options{Tenant: "acme", Nonce: "today"})
	if j := w.wait(forced); j.State != jobs.StateSucceeded || w.made() != 15 {
		t.Errorf("with a nonce: %s, %d creates", j.State, w.made())
	}
}

// made is how many responses the simulator has made.
func (w *world) made() int { return len(w.sim.Ledger().Entries) }

// TestCancelledParent takes its parts along, but for those that another parent waits for,
// and goes on with the others when it is tried again; deleted, it is gone with its parts.
//
// Guarantees: G8, G14, G30.
func TestCancelledParent(t *testing.T) {
	t.Parallel()
	w := planned(t, simulator.Config{Queued: 5 * time.Millisecond, Running: time.Hour})
	text := paragraphs(4)
	first, second := w.submitDocument(text, jobs.Options{Group: "run"}), w.submitDocument(text[:1], jobs.Options{})
	w.work()
	running := func(id jobs.ID) (n int) {
		parts, err := w.store.Parts(t.Context(), id, 0, 100)
		if err != nil {
			t.Fatal(err)
		}
		for _, part := range parts {
			if w.load(part.ID).State == jobs.StateRunning {
				n++
			}
		}
		return n
	}
	eventually(t, "the parts run", func() bool { return running(first) == 4 && running(second) == 1 })
	if why, err := w.client.Why(t.Context(), w.load(first)); err != nil || why != "the answers to 4 of its 4 requests so far" {
		t.Errorf("waits for %q, %v", why, err)
	}
	if _, err := w.client.Cancel(t.Context(), first); err != nil {
		t.Fatal(err)
	}
	if j := w.wait(first); j.State != jobs.StateCancelled {
		t.Fatalf("%s", j.State)
	}
	eventually(t, "its parts have ended, but for one", func() bool {
		counts, err := w.store.Counts(t.Context(), "run")
		return err == nil && counts[jobs.StateCancelled] >= 4 && len(w.load(first).Outbox) == 0
	})
	if n := running(second); n != 1 {
		t.Errorf("%d parts of the other parent run, want 1", n)
	}
	if err := w.sim.Reconfigure(func(c *simulator.Config) { c.Running = 20 * time.Millisecond }); err != nil {
		t.Fatal(err)
	}
	if _, err := w.client.Retry(t.Context(), first); err != nil {
		t.Fatal(err)
	}
	eventually(t, "its parts run again, or have ended", func() bool { return w.load(first).Plan.Phase == 1 || w.load(first).State.Terminal() })
	shared, err := w.store.Parts(t.Context(), second, 0, 1)
	if err != nil || len(shared) != 1 {
		t.Fatal(err)
	}
	w.step(shared[0].ID, jobs.StopRequested{Reason: jobs.StopCancel}) // it would run for an hour
	if j := w.wait(second); j.State != jobs.StateFailed && j.State != jobs.StateSucceeded {
		t.Errorf("the other parent: %s", j.State)
	}
	if j := w.wait(first); j.State == jobs.StateFailed { // for the part that was just cancelled
		if _, err := w.client.Retry(t.Context(), first); err != nil {
			t.Fatal(err)
		}
	}
	if j := w.wait(first); j.State != jobs.StateSucceeded {
		t.Fatalf("%s, %v", j.State, j.Failure)
	}
	if _, err := w.client.Delete(t.Context(), first, true); err != nil {
		t.Fatal(err)
	}
	eventually(t, "it is gone with its parts", func() bool {
		counts, err := w.store.Counts(t.Context(), "run")
		return err == nil && counts.Total() == 0
	})
}

// TestDocumentIsSummarized by the planner of the build, in parts and with a merge.
//
// Guarantee: G30.
func TestDocumentIsSummarized(t *testing.T) {
	t.Parallel()
	w := newWorld(t, quick())
	var text strings.Builder
	for i := range 40 {
		fmt.Fprintf(&text, "# Town %d\n\n", i)
		for j := range 10 {
			fmt.Fprintf(&text, "The harbour of town %d was rebuilt in %d after the storm. Trade came back within %d years.\n\n", i, 1800+j, j+1)
		}
	}
	doc, err := summarize.Parse("towns.md", summarize.KindMarkdown, []byte(text.String()))
	if err != nil {
		t.Fatal(err)
	}
	preparer, err := summarize.NewPreparer(summarize.Options{Model: "gpt-4.1", ChunkTokens: 3000})
	if err != nil {
		t.Fatal(err)
	}
	prepared, err := preparer.Document(doc)
	if err != nil {
		t.Fatal(err)
	}
	submitted, err := w.client.SubmitParent(t.Context(), jobs.KindSummarize, prepared.Request, "gpt-4.1", jobs.Options{})
	if err != nil {
		t.Fatal(err)
	}
	w.work()
	j := w.wait(submitted.Job.ID)
	if j.State != jobs.StateSucceeded || j.Plan.Phase < 2 {
		t.Fatalf("%s, %v, %+v", j.State, j.Failure, j.Plan)
	}
	raw, err := w.client.Response(t.Context(), j.ID)
	if err != nil {
		t.Fatal(err)
	}
	var summary summarize.Summary
	if err := json.Unmarshal(raw, &summary); err != nil || summary.Text == "" {
		t.Errorf("result %s, %v", raw, err)
	}
	if text, err := w.client.Text(t.Context(), j.ID); err != nil || text != summary.Text {
		t.Errorf("text %q, %v; want %q", text, err, summary.Text)
	}
}
