package main

import (
	"context"
	"encoding/json"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/longhaul-jobs/longhaul/internal/testlog"
	"github.com/longhaul-jobs/longhaul/jobs"
	"github.com/longhaul-jobs/longhaul/results"
)

// parent makes a job with parts: four in a first phase of which one was there already.
func (b *bench) parent() (jobs.Job, []jobs.ID) {
	b.t.Helper()
	ctx := b.t.Context()
	accept := func(text string) jobs.Job {
		request, err := jobs.ParseParent(jobs.KindSummarize, fmt.Appendf(nil, `{"text":%q}`, text), jobs.DefaultModel)
		if err != nil {
			b.t.Fatal(err)
		}
		j, _, err := b.store.Accept(ctx, request, jobs.Options{Group: "run"})
		if err != nil {
			b.t.Fatal(err)
		}
		return j
	}
	other, j := accept("before"), accept("document")
	var ids []jobs.ID
	var places []results.PlanPart
	for i, of := range []jobs.Job{j, j, j, other} {
		request, err := jobs.ParseRequest(fmt.Appendf(nil, `{"input":"part %d"}`, i), jobs.DefaultModel)
		if err != nil {
			b.t.Fatal(err)
		}
		part, _, err := b.store.AcceptPart(ctx, of, fmt.Sprintf("part %d of 4", i+1), request, "")
		if err != nil {
			b.t.Fatal(err)
		}
		ids = append(ids, part.ID)
		places = append(places, results.PlanPart{ID: part.ID, Phase: 1, Index: i, Open: true})
	}
	if _, err := b.store.AttachParts(ctx, j.ID, places, time.Now().Add(time.Hour), 0); err != nil {
		b.t.Fatal(err)
	}
	b.happens(j.ID, jobs.Planned{Since: j.Plan.Since, Phase: 1, Parts: 4})
	if _, err := b.store.Admit(ctx, j.Lane, 100); err != nil {
		b.t.Fatal(err)
	}
	return j, ids
}

// partEnds has a part of a parent end.
func (b *bench) partEnds(parent, id jobs.ID, ev jobs.Event) {
	b.t.Helper()
	b.happens(id, jobs.SubmitStarted{Attempt: 1, Worker: "w_test", Endpoint: "default"})
	b.happens(id, ev)
	if _, err := b.store.PartsEnded(b.t.Context(), parent, []jobs.ID{id}); err != nil {
		b.t.Fatal(err)
	}
}

const paidPart = `{"id":%q,"status":"completed","model":"gpt-4.1-2025-04-14","service_tier":"default",` +
	`"usage":{"input_tokens":1000000,"output_tokens":1000,"total_tokens":1001000}}`

// get shows a job's parts by phase and state, what went wrong, and what its own parts
// cost; of a part it says whose it is.
func TestGetShowsParts(t *testing.T) {
	t.Parallel()
	b := newBench(t)
	j, ids := b.parent()
	b.partEnds(j.ID, ids[0], created(1, fmt.Sprintf(paidPart, "resp_1")))
	b.partEnds(j.ID, ids[3], created(1, fmt.Sprintf(paidPart, "resp_2")))
	b.partEnds(j.ID, ids[1], jobs.CreateFailed{Attempt: 1, Failure: jobs.Failure{Class: jobs.ClassInvalid, Message: "too long"}})
	out := b.call("", "get", string(j.ID)).want(t, 0).stdout
	for _, text := range []string{
		"the answer to 1 of its 4 requests so far, which waits for a worker: none is alive", "summarize", "1,000,000 in, 1,000 out", "$2.008",
		"parts: 4 parts, 1 open, in phase 1, 1 there already for other jobs", "phase 1: 1 waiting, 2 succeeded, 1 failed",
		"part 2 of 4", "invalid: too long",
	} {
		shows(t, out, text)
	}
	if strings.Contains(out, "attempts:") || strings.Contains(out, string(ids[0])) {
		t.Errorf("it shows what nobody asked for:\n%s", out)
	}
	shows(t, b.call("", "get", string(ids[1])).want(t, 0).stdout, string(j.ID)+", part 2 of 4")

	var view struct {
		Parts struct {
			Phase int        `json:"phase"`
			Total int        `json:"total"`
			Open  int        `json:"open"`
			Found int        `json:"found"`
			Usage jobs.Usage `json:"usage"`
			Cost  float64    `json:"cost_usd"`
			Parts []struct {
				ID    jobs.ID    `json:"id"`
				Found bool       `json:"found"`
				State jobs.State `json:"state"`
			} `json:"parts"`
		} `json:"parts"`
	}
	if err := json.Unmarshal([]byte(b.call("", "get", string(j.ID), "--json").want(t, 0).stdout), &view); err != nil {
		t.Fatal(err)
	}
	p := view.Parts
	if p.Phase != 1 || p.Total != 4 || p.Open != 1 || p.Found != 1 || p.Cost != 2.008 || p.Usage.InputTokens != 1_000_000 || len(p.Parts) != 4 ||
		p.Parts[3].ID != ids[3] || !p.Parts[3].Found || p.Parts[1].State != jobs.StateFailed {
		t.Errorf("%+v", p)
	}
	// The parents alone, and what they cost together.
	if listed := lines(b.call("", "list", "--kind", "summarize", "--group", "run", "--all").want(t, 0).stdout); len(listed) != 3 {
		t.Errorf("listed\n%s", strings.Join(listed, "\n"))
	}
	shows(t, b.call("", "usage", "--by", "kind", "--csv").want(t, 0).stdout, "summarize,2,")
}

// Of a part whose create's answer was lost it is said until when the provider's word is
// waited for, and what decides at once: by get of its parent, and while the run is watched.
func TestALostAnswerOfAPartIsTold(t *testing.T) {
	t.Parallel()
	b := newBench(t)
	j, ids := b.parent()
	b.happens(ids[1], jobs.SubmitStarted{Attempt: 1, Worker: "w_test", Endpoint: "default", UncertainWait: time.Hour})
	b.happens(ids[1], jobs.CreateFailed{Attempt: 1, Failure: jobs.Failure{Class: jobs.ClassAmbiguous}})
	part, err := b.store.Load(t.Context(), ids[1])
	if err != nil {
		t.Fatal(err)
	}
	release := "enqueue release " + string(ids[1])
	out := b.call("", "get", string(j.ID)).want(t, 0).stdout
	shows(t, out, "the answers to 4 of its 4 requests so far. Of "+string(ids[1])+", the answer to a create was lost")
	shows(t, out, "is waited for until "+part.DecideAt.Format(time.RFC3339)+", then it is asked again (`"+release+"` asks again now)")
	shows(t, b.call("", "get", string(ids[1])).want(t, 0).stdout, release+" asks again now, fail gives it up")

	ctx, stop := context.WithCancelCause(t.Context())
	var stdout, stderr testlog.Buffer
	done := make(chan int, 1)
	go func() {
		done <- run(ctx, []string{"run", "run"}, system{
			stdin: strings.NewReader(""), stdout: &stdout, stderr: &stderr, environ: append([]string{"LONGHAUL_LOG_LEVEL=error"}, b.env...),
		})
	}()
	want := fmt.Sprintf("%s, part 2 of 4: the answer to a create was lost, and it may have been accepted: the provider's webhook is waited for until %s, "+
		"then it is asked again; %s asks again now, fail gives it up", j.ID, part.DecideAt.UTC().Format(time.RFC3339), release)
	until(t, "the run to tell of it", func() bool { return strings.Contains(stderr.String(), want) })
	stop(errInterrupt)
	if code := <-done; code != 1 {
		t.Errorf("exit code %d:\n%s", code, stderr.String())
	}
}

// watch says how many parts have ended, and ends with the text of the result.
func TestWatchFollowsParts(t *testing.T) {
	t.Parallel()
	b := newBench(t)
	j, ids := b.parent()
	w := b.watch(j.ID)
	says := func(text string) {
		t.Helper()
		until(t, text, func() bool { return strings.Contains(w.stderr.String(), text) })
	}
	says("0 of 4 parts, phase 1")
	for i, id := range ids {
		b.partEnds(j.ID, id, created(1, fmt.Sprintf(paidPart, fmt.Sprint("resp_", i))))
	}
	says("4 of 4 parts, phase 1")
	b.happens(j.ID, jobs.PlanEnded{Since: j.Plan.Since, Result: json.RawMessage(`{"summary":"Trade came back."}`)})
	if got := w.outcome(t).want(t, 0); got.stdout != "Trade came back.\n" {
		t.Errorf("stdout %q", got.stdout)
	}
	shows(t, b.call("", "get", "--text", string(j.ID)).want(t, 0).stdout, "Trade came back.")
	if got := b.call("", "get", "--response", string(j.ID)).want(t, 0).stdout; got != `{"summary":"Trade came back."}` {
		t.Errorf("result %q", got)
	}
}
