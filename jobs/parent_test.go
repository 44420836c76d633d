package jobs_test

import (
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/longhaul-jobs/longhaul/jobs"
)

func newParent(tb testing.TB, o jobs.Options) jobs.Job {
	tb.Helper()
	request, err := jobs.ParseParent(jobs.KindSummarize, []byte(`{"text":"a document"}`), "gpt-4.1")
	if err != nil {
		tb.Fatal(err)
	}
	if err := errors.Join(o.Validate(testNow), o.ValidateFor(request)); err != nil {
		tb.Fatal(err)
	}
	return jobs.New(testID, request, o, testNow)
}

var (
	parentPlanned = jobs.Planned{Since: testNow, Phase: 1, Parts: 3}
	parentResult  = jobs.PlanEnded{Since: testNow, Result: json.RawMessage(`{"summary":"short"}`)}
	parentFailed  = jobs.PlanEnded{Since: testNow, Failure: &jobs.Failure{Class: jobs.ClassDependency, Message: "a part failed"}}
)

// What each event does to a parent in each situation; see matrixRow for the words. Here
// sp and dp are parts that are to be stopped, and deleted.
func TestParentMatrix(t *testing.T) {
	build := func(events ...jobs.Event) func(testing.TB) jobs.Job {
		return func(tb testing.TB) jobs.Job {
			tb.Helper()
			return apply(tb, newParent(tb, jobs.Options{}), events...)
		}
	}
	columns := []situation{
		{"new", build()},
		{"waits", build(parentPlanned)},
		{"succ", build(parentPlanned, parentResult)},
		{"fail", build(parentFailed)},
		{"canc", build(parentPlanned, cancel)},
		{"exp", build(deadline)},
		{"again", func(tb testing.TB) jobs.Job {
			tb.Helper()
			return apply(tb, build(parentFailed)(tb), jobs.RetryRequested{})
		}},
	}
	fixed := func(ev jobs.Event) func(jobs.Job) jobs.Event { return func(jobs.Job) jobs.Event { return ev } }
	rows := []matrixRow{
		//                               new     waits   succ    fail    canc    exp     again
		{"Planned", fixed(parentPlanned), `
		                                 wait    .       .       .       .       .       .`},
		{"Planned, the next phase", fixed(jobs.Planned{Since: testNow, Phase: 2, Parts: 1}), `
		                                 wait    wait    .       .       .       .       .`},
		{"Planned, of this plan", func(j jobs.Job) jobs.Event { return jobs.Planned{Since: j.Plan.Since, Phase: 7, Parts: 7} }, `
		                                 wait    wait    .       .       .       .       wait`},
		{"PlanEnded, of another plan", fixed(jobs.PlanEnded{Since: at(-1), Result: json.RawMessage(`{}`)}), `
		                                 .       .       .       .       .       .       .`},
		{"PlanEnded", func(j jobs.Job) jobs.Event { return jobs.PlanEnded{Since: j.Plan.Since, Result: json.RawMessage(`{}`)} }, `
		                                 succ    succ    .       .       .       .       succ`},
		{"PlanEnded, with nothing", func(j jobs.Job) jobs.Event { return jobs.PlanEnded{Since: j.Plan.Since} }, `
		                                 fail+sp fail+sp .       .       .       .       fail+sp`},
		{"PlanEnded, failed with a result", func(j jobs.Job) jobs.Event {
			return jobs.PlanEnded{Since: j.Plan.Since, Result: json.RawMessage(`{}`), Failure: parentFailed.Failure}
		}, `
		                                 fail+sp fail+sp .       .       .       .       fail+sp`},
		{"RequestUnusable", fixed(jobs.RequestUnusable{Attempt: 1, Failure: failure(jobs.ClassInternal)}), `
		                                 fail+sp fail+sp .       .       .       .       fail+sp`},
		{"StopRequested, cancel", fixed(cancel), `
		                                 canc+sp canc+sp .       .       .       .       canc+sp`},
		{"StopRequested, deadline", fixed(deadline), `
		                                 exp+sp  exp+sp  .       .       .       .       exp+sp`},
		{"RetryRequested", fixed(jobs.RetryRequested{}), `
		                                 !       !       !       wait    wait    wait    .`},
		{"DeleteRequested", fixed(jobs.DeleteRequested{}), `
		                                 !       !       succ+dp fail+dp canc+dp exp+dp  !`},
		{"DependencyEnded, a part", fixed(jobs.DependencyEnded{Job: "job_0199f0c0a80070008000000000000008", State: jobs.StateFailed}), `
		                                 .       .       .       .       .       .       .`},
		{"SubmitStarted", fixed(submit(1)), `
		                                 .       .       .       .       .       .       .`},
		{"Created", fixed(jobs.Created{Attempt: 1, Endpoint: testEndpoint, Reply: reply("resp_1", jobs.StatusCompleted)}), `
		                                 !       !       !       !       !       !       !`},
		{"Collected", fixed(jobs.Collected{Line: jobs.LineID(jobs.Try{Job: testID, Attempt: 1}), Endpoint: testEndpoint}), `
		                                 !       !       !       !       !       !       !`},
		{"AdoptRequested", fixed(jobs.AdoptRequested{ResponseID: "resp_1"}), `
		                                 !       !       !       !       !       !       !`},
		{"ReleaseRequested", fixed(jobs.ReleaseRequested{}), `
		                                 !       !       !       !       !       !       !`},
		{"FailRequested", fixed(jobs.FailRequested{}), `
		                                 !       !       !       !       !       !       !`},
		{"Postponed", fixed(jobs.Postponed{Attempt: 1}), `
		                                 .       .       .       .       .       .       .`},
		{"RoomFound", fixed(jobs.RoomFound{}), `
		                                 .       .       .       .       .       .       .`},
		{"EffectDone, none such", fixed(jobs.EffectDone{ID: 9}), `
		                                 .       .       .       .       .       .       .`},
	}
	for _, row := range rows {
		t.Run(row.event, func(t *testing.T) {
			cells := strings.Fields(row.cells)
			if len(cells) != len(columns) {
				t.Fatalf("the row has %d cells, want one for each of %d situations", len(cells), len(columns))
			}
			for i, column := range columns {
				t.Run("in "+column.name, func(t *testing.T) { checkCell(t, row, column, cells[i]) })
			}
		})
	}
}

// A parent stands outside its lane from the beginning to its end and is due at once, when
// it asks for itself, and, ended, while it owes something.
func TestParentIsDue(t *testing.T) {
	j := newParent(t, jobs.Options{Deadline: at(3600)})
	due := func() time.Time {
		t.Helper()
		when, owed := j.Due(jobs.DefaultTiming())
		if !owed {
			t.Fatalf("%s is owed nothing", j.State)
		}
		return when
	}
	if !j.Aside() || !j.Planning() || !due().Equal(testNow) {
		t.Fatalf("aside %t, planning %t, due %s", j.Aside(), j.Planning(), due())
	}
	j = apply(t, j, parentPlanned)
	if !j.Planning() || !due().Equal(j.Updated.Add(5*time.Second)) || j.Plan.Phase != 1 || j.Plan.Parts != 3 {
		t.Fatalf("planned: due %s, %+v", due(), j.Plan)
	}
	j = apply(t, j, cancel)
	if effect := j.LocalEffect(); effect == nil || effect.Kind != jobs.EffectStopParts || !due().Equal(j.Updated) {
		t.Fatalf("cancelled: %+v, due %s", j.Outbox, due())
	}
	j = apply(t, j, jobs.EffectDone{ID: j.LocalEffect().ID})
	if when, owed := j.Due(jobs.DefaultTiming()); owed {
		t.Fatalf("ended and stopped: due %s", when)
	}
	later := newParent(t, jobs.Options{NotBefore: at(100)})
	if when, _ := later.Due(jobs.DefaultTiming()); !when.Equal(at(100)) {
		t.Errorf("a parent that may start later is due %s", when)
	}
}

// A parent that waits for other jobs is no matter for its planner before they have
// succeeded, and what it owes of its end is forgotten with a retry.
func TestParentWaitsForOthersFirst(t *testing.T) {
	other := jobs.ID("job_0199f0c0a80070008000000000000008")
	j := newParent(t, jobs.Options{After: []jobs.ID{other}})
	if j.Planning() || !j.Aside() {
		t.Fatal("it plans before its time")
	}
	unchanged(t, j, parentPlanned)
	j = apply(t, j, jobs.DependencyEnded{Job: other, State: jobs.StateSucceeded})
	if !j.Planning() || j.AskAt.After(j.Updated) {
		t.Fatalf("it does not plan at once: %+v", j)
	}
	j.Links = jobs.LinkWaited
	j = apply(t, j, cancel)
	if len(j.Outbox) != 2 {
		t.Fatalf("owes %+v", j.Outbox)
	}
	before := j.Plan.Since
	j = apply(t, j, jobs.RetryRequested{})
	if len(j.Outbox) != 0 || !j.Plan.Retried || !j.Plan.Since.After(before) {
		t.Errorf("owes %+v, plans since %s", j.Outbox, j.Plan.Since)
	}
	j.Links = jobs.LinkWaited
	if j = apply(t, j, jobs.PlanEnded{Since: j.Plan.Since, Result: json.RawMessage(`{}`)}); j.Telling() == nil {
		t.Error("the end after a retry is not told")
	}
}

func TestParseParent(t *testing.T) {
	for name, tt := range map[string]struct {
		kind         jobs.Kind
		raw, model   string
		param, words string
	}{
		"a response":      {jobs.KindResponse, `{}`, "m", "kind", "one of [summarize]"},
		"an unknown kind": {"report", `{}`, "m", "kind", "one of [summarize]"},
		"a list":          {jobs.KindSummarize, `[]`, "m", "request", ""},
		"cut":             {jobs.KindSummarize, `{"a":`, "m", "request", ""},
		"no UTF-8":        {jobs.KindSummarize, "{\"a\":\"\xff\"}", "m", "request", "UTF-8"},
		"a long model":    {jobs.KindSummarize, `{}`, strings.Repeat("m", 257), "model", "at most 256"},
		"without a model": {jobs.KindSummarize, `{}`, "", "model", "name the one"},
	} {
		t.Run(name, func(t *testing.T) {
			_, err := jobs.ParseParent(tt.kind, []byte(tt.raw), tt.model)
			wantInvalid(t, err, tt.param, tt.words)
		})
	}
	request, err := jobs.ParseParent(jobs.KindSummarize, []byte(`{"a":1}`), "m")
	if err != nil {
		t.Fatal(err)
	}
	for param, o := range map[string]jobs.Options{
		"continue_from": {ContinueFrom: testID}, "thread": {Thread: "t"}, "history": {History: json.RawMessage(`[{}]`)},
	} {
		wantInvalid(t, o.ValidateFor(request), param, "no response of its own")
	}
	if err := (jobs.Options{FallbackTier: "default", GrowOutputTo: 10}).ValidateFor(request); err != nil {
		t.Errorf("options of its parts: %v", err)
	}
}

// The key of a part tells apart what is to be answered apart, and nothing else.
func TestPartKey(t *testing.T) {
	part := func(body string) jobs.Request {
		request, err := jobs.ParseRequest([]byte(body), "gpt-4.1")
		if err != nil {
			t.Fatal(err)
		}
		return request
	}
	one := part(`{"model":"gpt-4.1","input":"one"}`)
	key := newParent(t, jobs.Options{}).PartKey(one)
	priority := 9
	same := newParent(t, jobs.Options{Group: "g", Lane: "bulk", Priority: &priority, Deadline: at(100), DedupeKey: "d", Stream: true})
	if got := same.PartKey(one); got != key {
		t.Errorf("%s and %s", key, got)
	}
	keys := []string{
		key, same.PartKey(part(`{"model":"gpt-4.1","input":"two"}`)), same.PartKey(part(`{"model":"gpt-4.1-mini","input":"one"}`)),
		newParent(t, jobs.Options{Tenant: "acme"}).PartKey(one), newParent(t, jobs.Options{Nonce: "n"}).PartKey(one),
		newParent(t, jobs.Options{GrowOutputTo: 100}).PartKey(one),
	}
	slices.Sort(keys)
	if len(slices.Compact(keys)) != 6 {
		t.Errorf("keys that should differ: %v", keys)
	}
}

func TestPartOptions(t *testing.T) {
	priority := 8
	parent := newParent(t, jobs.Options{
		Lane: "bulk", Priority: &priority, MaxAttempts: 2, Deadline: at(3600), Retention: time.Hour, Tenant: "acme",
		Stream: true, Uncertain: jobs.UncertainHold, UncertainWait: time.Minute, FallbackTier: "default", GrowOutputTo: 1000, PromptCache: true,
		Metadata: map[string]string{"file": "a.pdf"},
	})
	request, err := jobs.ParseRequest([]byte(`{"model":"gpt-4.1","input":"one","service_tier":"flex","max_output_tokens":500}`), "")
	if err != nil {
		t.Fatal(err)
	}
	o := parent.PartOptions(request, at(600))
	if err := errors.Join(o.Validate(at(600)), o.ValidateFor(request)); err != nil {
		t.Fatal(err)
	}
	if o.Lane != "bulk" || *o.Priority != 8 || o.MaxAttempts != 2 || !o.Deadline.Equal(at(3600)) || o.Tenant != "acme" || !o.Stream ||
		o.Uncertain != jobs.UncertainHold || o.UncertainWait != time.Minute || o.FallbackTier != "default" || o.GrowOutputTo != 1000 || !o.PromptCache {
		t.Errorf("options %+v", o)
	}
	if o.Group != string(testID) || o.DedupeKey != parent.PartKey(request) || o.Retention != time.Hour+50*time.Minute {
		t.Errorf("group %s, key %s, kept for %s", o.Group, o.DedupeKey, o.Retention)
	}
	batched, err := jobs.ParseRequest([]byte(`{"model":"gpt-4.1","input":"one","service_tier":"batch","max_output_tokens":500}`), "")
	if err != nil {
		t.Fatal(err)
	}
	if o := parent.PartOptions(batched, at(600)); o.Stream || o.ValidateFor(batched) != nil {
		t.Errorf("options that a batch does not allow: %+v", o)
	}
	plain, err := jobs.ParseRequest([]byte(`{"model":"gpt-4.1","input":"one","max_output_tokens":2000}`), "")
	if err != nil {
		t.Fatal(err)
	}
	if o := parent.PartOptions(plain, at(600)); o.FallbackTier != "" || o.GrowOutputTo != 0 || o.ValidateFor(plain) != nil {
		t.Errorf("options that the request does not allow: %+v", o)
	}
}

func TestStaleParts(t *testing.T) {
	parent := newParent(t, jobs.Options{})
	retried := apply(t, apply(t, newParent(t, jobs.Options{}), parentFailed), jobs.RetryRequested{})
	part := func(s jobs.State, class jobs.Class, of jobs.ID, ended time.Time) jobs.Job {
		j := jobs.Job{State: s, Parent: of, Ended: ended}
		if class != "" {
			j.Failure = &jobs.Failure{Class: class}
		}
		return j
	}
	const other = jobs.ID("job_0199f0c0a80070008000000000000008")
	for i, tt := range []struct {
		part          jobs.Job
		first, second bool // for a new parent, and for one that is retried a second later
	}{
		{part(jobs.StateSucceeded, "", other, at(-60)), false, false},
		{part(jobs.StateRunning, "", other, time.Time{}), false, false},
		{part(jobs.StateFailed, jobs.ClassUnavailable, other, at(-60)), true, true},
		{part(jobs.StateFailed, jobs.ClassInvalid, other, at(-60)), true, true},
		{part(jobs.StateFailed, jobs.ClassPoison, other, at(-60)), false, true},
		{part(jobs.StateFailed, jobs.ClassAmbiguous, other, at(-60)), false, true},
		{part(jobs.StateIncomplete, "", other, at(-60)), false, true},
		{part(jobs.StateFailed, jobs.ClassUnavailable, testID, at(0)), false, true},
		{part(jobs.StateFailed, jobs.ClassUnavailable, testID, at(60)), false, false},
		{part(jobs.StateCancelled, "", testID, at(60)), false, false},
		{part(jobs.StateCancelled, "", other, at(60)), true, true},
		{part(jobs.StateExpired, jobs.ClassExpired, other, at(60)), true, true},
		{part(jobs.StateExpired, jobs.ClassExpired, testID, at(60)), false, false},
	} {
		if first, second := parent.Stale(tt.part), retried.Stale(tt.part); first != tt.first || second != tt.second {
			t.Errorf("%d: %s: stale %t, after a retry %t", i, tt.part.State, first, second)
		}
	}
	for i, tt := range []struct {
		stop          jobs.Stop
		first, second bool
	}{
		{jobs.Stop{At: at(30), Reason: jobs.StopCancel}, false, false},
		{jobs.Stop{At: at(0), Reason: jobs.StopCancel}, false, true}, // asked for before the retry, and done after it
		{jobs.Stop{At: at(30), Reason: jobs.StopCancel, Parent: other}, true, true},
		{jobs.Stop{At: at(30), Reason: jobs.StopCancel, Parent: testID}, true, true},
	} {
		stopped := part(jobs.StateCancelled, "", testID, at(60))
		stopped.Stop = &tt.stop
		if first, second := parent.Stale(stopped), retried.Stale(stopped); first != tt.first || second != tt.second {
			t.Errorf("stop %d: stale %t, after a retry %t", i, first, second)
		}
	}
	deleted := part(jobs.StateFailed, jobs.ClassInvalid, other, at(-60))
	deleted.Deleting = true
	if parent.Stale(deleted) {
		t.Error("one that is being deleted is to be tried again")
	}
}

// A parent does not have a part tried again whose place another job has taken; a person may.
func TestRetryInPlace(t *testing.T) {
	j := apply(t, newJob(t, jobs.Options{}), cancel)
	for _, tt := range []struct {
		links   string
		retry   jobs.RetryRequested
		refused bool
	}{
		{"", jobs.RetryRequested{InPlace: true}, false},
		{jobs.LinkWaited, jobs.RetryRequested{InPlace: true}, false},
		{jobs.LinkReplaced, jobs.RetryRequested{}, false},
		{jobs.LinkWaited + jobs.LinkReplaced, jobs.RetryRequested{InPlace: true}, true},
	} {
		j.Links = tt.links
		_, err := jobs.Transition(j, tt.retry, at(60))
		if refusal, refused := errors.AsType[*jobs.RefusedError](err); refused != tt.refused || !refused && err != nil {
			t.Errorf("links %q, %+v: %v, %v", tt.links, tt.retry, refusal, err)
		}
	}
	j = apply(t, j, jobs.RetryRequested{}) // by a person, before the parent is at it
	j.Links = jobs.LinkReplaced
	if _, err := jobs.Transition(j, jobs.RetryRequested{InPlace: true}, at(60)); errors.Is(err, jobs.ErrUnchanged) || err == nil {
		t.Errorf("one that a person has tried again takes its place back: %v", err)
	}
}

// A retry for a parent gives the part the parent's time, and never takes time away.
func TestRetryExtendsTheDeadline(t *testing.T) {
	j := apply(t, newJob(t, jobs.Options{Deadline: at(1000)}), cancel)
	if later := apply(t, j, jobs.RetryRequested{Deadline: at(5000)}); !later.Deadline.Equal(at(5000)) {
		t.Errorf("deadline %s", later.Deadline)
	}
	if same := apply(t, j, jobs.RetryRequested{Deadline: at(500)}); !same.Deadline.Equal(at(1000)) {
		t.Errorf("deadline %s", same.Deadline)
	}
}

// A late parent that is retried has as long as it had, however often, and a late request of
// a batch as long as one that names no deadline.
func TestRetryOfTheLate(t *testing.T) {
	const day = 24 * time.Hour
	parent := newParent(t, jobs.Options{Deadline: testNow.Add(5 * day)})
	for i, wait := range []time.Duration{6 * day, 20 * day} {
		now := testNow.Add(wait)
		stopped, err := jobs.Transition(parent, jobs.StopRequested{Reason: jobs.StopDeadline}, now)
		if err != nil {
			t.Fatal(err)
		}
		again, err := jobs.Transition(stopped.Job, jobs.RetryRequested{}, now)
		if err != nil {
			t.Fatal(err)
		}
		if parent = again.Job; !parent.Deadline.Equal(now.Add(5 * day)) {
			t.Errorf("retry %d: it has until %s, want five days", i, parent.Deadline)
		}
	}
	request, err := jobs.ParseRequest([]byte(`{"service_tier":"batch","input":"x"}`), jobs.DefaultModel)
	if err != nil {
		t.Fatal(err)
	}
	for _, tt := range []struct {
		job  jobs.Job
		want time.Duration
	}{
		{jobs.New(testID, request, jobs.Options{}, testNow), jobs.DefaultBatchDeadline},
		{newJob(t, jobs.Options{}), jobs.DefaultDeadline},
		{newParent(t, jobs.Options{Deadline: testNow.Add(time.Minute)}), jobs.DefaultDeadline},
	} {
		now := testNow.Add(3 * day)
		stopped, err := jobs.Transition(tt.job, jobs.StopRequested{Reason: jobs.StopDeadline}, now)
		if err != nil {
			t.Fatal(err)
		}
		if again, err := jobs.Transition(stopped.Job, jobs.RetryRequested{}, now); err != nil || again.Job.Deadline.Sub(now) != tt.want {
			t.Errorf("%s, %v: it has %s, want %s", tt.job.Kind, err, again.Job.Deadline.Sub(now), tt.want)
		}
	}
}

func TestResultText(t *testing.T) {
	for result, want := range map[string]string{
		`{"summary":"short"}`: "short", `{"summary":5}`: "", `{"text":"a"}`: "", `[1]`: "", ``: "",
	} {
		if got := jobs.ResultText(json.RawMessage(result)); got != want {
			t.Errorf("%s: %q", result, got)
		}
	}
	if got := jobs.PartName(" part\n 3\tof 12 " + strings.Repeat("x", 500)); !strings.HasPrefix(got, "part 3 of 12 x") || len(got) > 210 {
		t.Errorf("name %q", got)
	}
	if kinds := fmt.Sprint(jobs.Kinds()); kinds != "[response summarize]" {
		t.Errorf("kinds %s", kinds)
	}
}
