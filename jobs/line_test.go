package jobs_test

import (
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/longhaul-jobs/longhaul/jobs"
)

// inBatch is a job whose first attempt is a line of a batch.
func inBatch(t *testing.T) (j jobs.Job, line string) {
	t.Helper()
	line = jobs.LineID(jobs.Try{Job: testID, Attempt: 1})
	waiting, err := jobs.Line(line, jobs.StatusQueued, false)
	if err != nil {
		t.Fatal(err)
	}
	return apply(t, newJob(t, jobs.Options{}), submit(1), jobs.Created{Attempt: 1, Reply: jobs.Reply{Response: waiting}, FirstLook: at(600)}), line
}

func collected(line string, status string) jobs.Collected {
	r := reply("resp_real", status)
	r.Response.ServiceTier = jobs.TierBatch
	return jobs.Collected{Line: line, Endpoint: testEndpoint, Reply: &r, Delay: 5 * time.Second}
}

func TestLineIDs(t *testing.T) {
	t.Parallel()
	try := jobs.Try{Job: testID, Attempt: 12}
	if got, ok := jobs.ParseLine(jobs.LineID(try)); !ok || got != try {
		t.Errorf("%s is read as %+v", jobs.LineID(try), got)
	}
	for _, id := range []string{"", "resp_1", "line_", "line_" + string(testID), "line_x.1", "line_" + string(testID) + ".0", "line_" + string(testID) + ".1x"} {
		if try, ok := jobs.ParseLine(id); ok {
			t.Errorf("%q is read as the line of %+v", id, try)
		}
	}
}

// The answer in a batch ends the job as an answer to a look would, and the attempt then
// has the response's own id.
func TestCollected(t *testing.T) {
	t.Parallel()
	j, line := inBatch(t)
	if j.State != jobs.StateRunning {
		t.Fatalf("in a batch it is %s", j.State)
	}
	for status, want := range map[string]jobs.State{
		jobs.StatusCompleted: jobs.StateSucceeded, jobs.StatusIncomplete: jobs.StateIncomplete, jobs.StatusFailed: jobs.StateWaiting,
	} {
		ev := collected(line, status)
		c := change(t, j, ev)
		checkStep(t, j, ev, c)
		a := c.Job.Attempts[0]
		if c.Job.State != want || a.ResponseID != "resp_real" || a.Line != line || a.ServiceTier != jobs.TierBatch {
			t.Errorf("%s: %s with %+v, want %s", status, c.Job.State, a, want)
		}
		unchanged(t, c.Job, ev)
	}
}

// What a batch did not carry out is tried again as the table says.
func TestCollectedFailure(t *testing.T) {
	t.Parallel()
	j, line := inBatch(t)
	for class, want := range map[jobs.Class]jobs.State{
		jobs.ClassInvalid: jobs.StateFailed, jobs.ClassUnavailable: jobs.StateWaiting, jobs.ClassRateLimited: jobs.StateWaiting,
	} {
		f := failure(class)
		ev := jobs.Collected{Line: line, Endpoint: testEndpoint, Failure: &f, Delay: time.Second}
		c := change(t, j, ev)
		checkStep(t, j, ev, c)
		if a := c.Job.Attempts[0]; c.Job.State != want || c.Job.Failure == nil || a.Usage == nil || *a.Usage != (jobs.Usage{}) {
			t.Errorf("%s: %s, want %s; used %+v", class, c.Job.State, want, a.Usage)
		}
		unchanged(t, c.Job, ev)
	}
}

// What a batch has carried out for a job that was cancelled meanwhile has its cost on
// record, and changes nothing else; so has what it did for an attempt that nobody knows.
func TestCollectedTooLate(t *testing.T) {
	t.Parallel()
	j, line := inBatch(t)
	gone, err := jobs.Line(line, jobs.StatusCancelled, false)
	if err != nil {
		t.Fatal(err)
	}
	stopped := apply(t, j, cancel, jobs.Looked{Reply: jobs.Reply{Response: gone}})
	if stopped.State != jobs.StateCancelled {
		t.Fatalf("cancelled it is %s", stopped.State)
	}
	ev := collected(line, jobs.StatusCompleted)
	c := change(t, stopped, ev)
	checkStep(t, stopped, ev, c)
	if a := c.Job.Attempts[0]; len(c.Job.Attempts) != 1 || c.Job.State != jobs.StateCancelled || a.Outcome != jobs.OutcomeWasted || a.Usage == nil ||
		a.ResponseID != "resp_real" || a.Line != line || !a.Answered.Equal(stopped.Attempts[0].Answered) {
		t.Errorf("%s with %+v", c.Job.State, c.Job.Attempts)
	}
	unchanged(t, c.Job, ev)

	unknown := collected(jobs.LineID(jobs.Try{Job: testID, Attempt: 7}), jobs.StatusCompleted)
	fresh := newJob(t, jobs.Options{})
	c = change(t, fresh, unknown)
	if c.Job.State != jobs.StateSucceeded || len(c.Job.Attempts) != 1 {
		t.Errorf("of an attempt that nobody knows: %s with %+v", c.Job.State, c.Job.Attempts)
	}
	refused(t, fresh, collected("resp_1", jobs.StatusCompleted))
}

// A line that was never sent has cost nothing, and that is known.
func TestLineThatWasNeverSent(t *testing.T) {
	t.Parallel()
	j, line := inBatch(t)
	gone, err := jobs.Line(line, jobs.StatusCancelled, true)
	if err != nil {
		t.Fatal(err)
	}
	stopped := apply(t, j, cancel, jobs.Looked{Reply: jobs.Reply{Response: gone}})
	if u := stopped.Attempts[0].Usage; stopped.State != jobs.StateCancelled || u == nil || u.InputTokens != 0 || u.OutputTokens != 0 {
		t.Errorf("%s, used %+v", stopped.State, u)
	}
}

// What a batch did not carry out for a job that was cancelled meanwhile has cost nothing,
// and that is known; what may have been carried out stays unknown.
func TestLineThatWasNotCarriedOutForACancelledJob(t *testing.T) {
	t.Parallel()
	j, line := inBatch(t)
	gone, err := jobs.Line(line, jobs.StatusCancelled, false)
	if err != nil {
		t.Fatal(err)
	}
	unsent, err := jobs.Line(line, jobs.StatusCancelled, true)
	if err != nil {
		t.Fatal(err)
	}
	stopped := apply(t, j, cancel, jobs.Looked{Reply: jobs.Reply{Response: gone}})
	if stopped.Attempts[0].Usage != nil {
		t.Fatalf("it has used %+v", stopped.Attempts[0].Usage)
	}
	for name, ev := range map[string]jobs.Collected{
		"expired":   {Line: line, Failure: new(failure(jobs.ClassUnavailable))},
		"refused":   {Line: line, Failure: new(failure(jobs.ClassInvalid))},
		"cancelled": {Line: line, Reply: &jobs.Reply{Response: unsent}},
	} {
		c := change(t, stopped, ev)
		checkStep(t, stopped, ev, c)
		if a := c.Job.Attempts[0]; c.Job.State != jobs.StateCancelled || a.Usage == nil || *a.Usage != (jobs.Usage{}) || a.Outcome != jobs.OutcomeCancelled {
			t.Errorf("%s: %s with %+v", name, c.Job.State, a)
		}
		unchanged(t, c.Job, ev)
	}
	unchanged(t, stopped, jobs.Collected{Line: line, Failure: new(failure(jobs.ClassLost))})
	unchanged(t, stopped, jobs.Collected{Line: line, Failure: new(failure(jobs.ClassAmbiguous))})
}

func TestBatchBody(t *testing.T) {
	t.Parallel()
	body := `{"model":"gpt-4.1","service_tier":"batch","input":"Say \"batch\".","background":true,"metadata":{"k":"v"}}`
	if !jobs.Batched([]byte(body)) {
		t.Error("a request of the tier batch is not taken for one")
	}
	for _, other := range []string{`{"input":"batch"}`, `{"service_tier":"flex","input":"batch"}`, `{"service_tier":["batch"]}`, `"batch"`} {
		if jobs.Batched([]byte(other)) {
			t.Errorf("%s is taken for a request of the tier batch", other)
		}
	}
	got, err := jobs.BatchBody([]byte(body))
	if diff := cmp.Diff(`{"model":"gpt-4.1","input":"Say \"batch\".","metadata":{"k":"v"}}`, string(got)); diff != "" || err != nil {
		t.Errorf("line (-want +got), %v:\n%s", err, diff)
	}
	request, err := jobs.ParseRequest([]byte(body), jobs.DefaultModel)
	if err != nil {
		t.Fatal(err)
	}
	if j := jobs.New(testID, request, jobs.Options{}, testNow); j.Deadline.Sub(testNow) != jobs.DefaultBatchDeadline {
		t.Errorf("its deadline is in %s, want %s", j.Deadline.Sub(testNow), jobs.DefaultBatchDeadline)
	}
}

// A worker of a build without batches would look for a line at the provider, and take it
// for lost.
func TestOlderWorkersLeaveBatchesAlone(t *testing.T) {
	t.Parallel()
	for body, want := range map[string]int{`{"input":"x"}`: 1, `{"input":"x","service_tier":"batch"}`: 2} {
		j := jobs.New(jobs.NewID(time.Now(), 0), jobs.Request{Raw: []byte(body), Model: "gpt-4.1"}, jobs.Options{}, time.Now())
		if j.Schema != want {
			t.Errorf("%s has schema %d, want %d", body, j.Schema, want)
		}
	}
}
