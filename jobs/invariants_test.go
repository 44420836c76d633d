package jobs_test

import (
	"bytes"
	"slices"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/longhaul-jobs/longhaul/jobs"
)

// checkStep checks what must hold of every accepted event, whatever the job has
// been through: old is the job before it, c what became of it.
func checkStep(tb testing.TB, old jobs.Job, ev jobs.Event, c jobs.Change) {
	tb.Helper()
	j := c.Job
	_, retry := ev.(jobs.RetryRequested)
	_, adopt := ev.(jobs.AdoptRequested)
	if old.State.Terminal() && j.State != old.State && !retry && !adopt {
		tb.Errorf("%s: %s became %s; only a person leaves an ended job's state", ev.Name(), old.State, j.State)
	}
	if forgotten := old.Result != nil && j.Result == nil; c.DropBody != (retry || forgotten) {
		tb.Errorf("%s: DropBody = %t", ev.Name(), c.DropBody)
	}
	checkHistory(tb, old, j)
	checkJob(tb, j)
	checkResult(tb, old, c)
	checkRecord(tb, j)
}

// checkHistory: attempts are only ever added, and what was accepted stays.
func checkHistory(tb testing.TB, old, j jobs.Job) {
	tb.Helper()
	attempts := slices.Clone(old.Attempts)
	if n := len(j.Attempts); n > 0 && n == len(attempts)-1 && j.Attempts[n-1].Repeats > attempts[n-1].Repeats {
		// The last one is told with the one before: neither created anything.
		if folded := attempts[n]; folded.ResponseID != "" || folded.Usage != nil || attempts[n-1].ResponseID != "" {
			tb.Errorf("folded %+v", folded)
		}
		attempts[n-1].Repeats = j.Attempts[n-1].Repeats
		attempts = attempts[:n]
	}
	if len(j.Attempts) < len(attempts) || len(j.Attempts) > len(attempts)+1 {
		tb.Fatalf("%d attempts became %d", len(attempts), len(j.Attempts))
	}
	for i, was := range attempts {
		is := j.Attempts[i]
		if _, line := jobs.ParseLine(was.ResponseID); line && is.Line == was.ResponseID {
			was.ResponseID, was.Line = is.ResponseID, is.Line // the line of a batch came to its response
		}
		if was.ResponseID != "" && is.ResponseID != was.ResponseID && was.Adopted.IsZero() {
			tb.Errorf("attempt %d: response %q became %q", i+1, was.ResponseID, is.ResponseID)
		}
		if was.Usage != nil && !cmp.Equal(was.Usage, is.Usage) {
			tb.Errorf("attempt %d: usage %+v became %+v", i+1, was.Usage, is.Usage)
		}
		was.Answered, was.RequestID, was.ResponseID, was.Ended, was.Outcome = is.Answered, is.RequestID, is.ResponseID, is.Ended, is.Outcome
		was.Failure, was.Usage, was.Free, was.Adopted = is.Failure, is.Usage, is.Free, is.Adopted
		was.Model, was.ServiceTier = is.Model, is.ServiceTier
		if diff := cmp.Diff(was, is); diff != "" {
			tb.Errorf("attempt %d: how it began has changed (-was +is):\n%s", i+1, diff)
		}
	}
	if j.Effects < old.Effects {
		tb.Errorf("effects were numbered to %d and are to %d", old.Effects, j.Effects)
	}
}

// checkJob: the parts of a job fit one another.
func checkJob(tb testing.TB, j jobs.Job) {
	tb.Helper()
	if !j.State.Known() {
		tb.Errorf("state %q is unknown", j.State)
	}
	if j.State.Terminal() == j.Ended.IsZero() {
		tb.Errorf("%s: ended = %v", j.State, j.Ended)
	}
	if j.Stop != nil && (j.State == jobs.StateWaiting || j.State == jobs.StateUncertain) {
		tb.Errorf("%s: a stopped job goes on", j.State)
	}
	if j.Held() && j.Uncertain != jobs.UncertainHold {
		tb.Errorf("held although the policy is %q", j.Uncertain)
	}
	if j.State != jobs.StateUncertain && !j.DecideAt.IsZero() {
		tb.Errorf("%s, and the policy decides at %s", j.State, j.DecideAt)
	}
	if (j.State == jobs.StateFailed || j.State == jobs.StateExpired) && j.Failure == nil {
		tb.Errorf("%s without a failure", j.State)
	}
	if j.Aside() && !j.Admitted.IsZero() {
		tb.Errorf("in its lane's queue, and waits for %v", j.WaitsFor())
	}
	if (j.Budget != "") != (j.Waits == jobs.WaitBudget || j.Waits == jobs.WaitPrice) || j.Waits != "" && j.State != jobs.StateWaiting {
		tb.Errorf("%s: waits for %q, of budget %q", j.State, j.Waits, j.Budget)
	}
	if n := j.Counted(); n > j.MaxAttempts {
		tb.Errorf("%d attempts counted, at most %d allowed", n, j.MaxAttempts)
	}
	ids := make(map[int]bool)
	for _, e := range j.Outbox {
		remote := e.Kind == jobs.EffectCancel || e.Kind == jobs.EffectDelete
		if ids[e.ID] || e.ID < 1 || e.ID > j.Effects || (e.ResponseID != "") != remote || (e.Endpoint != "") != remote {
			tb.Errorf("outbox holds %+v, of %d effects ever", e, j.Effects)
		}
		ids[e.ID] = true
	}
	for i, a := range j.Attempts {
		checkAttempt(tb, j, i, a)
	}
	if _, due := j.Due(jobs.DefaultTiming()); !due && !j.State.Terminal() && (!j.Deadline.IsZero() || !j.Admitted.IsZero()) {
		tb.Errorf("%s: nothing is ever due", j.State)
	}
}

// checkAttempt: each attempt is under way, over, or being cancelled.
func checkAttempt(tb testing.TB, j jobs.Job, i int, a jobs.Attempt) {
	tb.Helper()
	if before := i - 1; i > 0 && a.Number != j.Attempts[before].Number+j.Attempts[before].Repeats+1 || i == 0 && a.Number != 1 {
		tb.Errorf("attempt at %d has number %d, after %+v", i, a.Number, j.Attempts[max(before, 0)])
	}
	current := a.Number == j.Current
	var goesOn bool
	switch {
	case current && j.State == jobs.StateSubmitting:
		goesOn = a.ResponseID == ""
	case current && j.State == jobs.StateRunning:
		goesOn = a.ResponseID != ""
	}
	if under := a.Outcome == ""; under != (goesOn || pendingCancel(j, a.Number)) {
		tb.Errorf("%s: attempt %d (current: %t, response %q) has outcome %q, its cancel is owed: %t",
			j.State, a.Number, current, a.ResponseID, a.Outcome, pendingCancel(j, a.Number))
	}
	if (a.Outcome == "") != a.Ended.IsZero() {
		tb.Errorf("attempt %d has outcome %q and ended %v", a.Number, a.Outcome, a.Ended)
	}
	if a.Outcome == jobs.OutcomeUncertain && a.ResponseID != "" {
		tb.Errorf("attempt %d is uncertain and has response %s", a.Number, a.ResponseID)
	}
	if a.Outcome == jobs.OutcomeSucceeded && a.Failure != nil {
		tb.Errorf("attempt %d succeeded and failed: %+v", a.Number, a.Failure)
	}
	if a.Outcome == jobs.OutcomeFailed && a.Failure == nil {
		tb.Errorf("attempt %d failed for no reason", a.Number)
	}
}

// checkResult: a result is there from the write that ends the job on, and before
// only while an answer that was cut off is asked for again; its body comes with
// it.
func checkResult(tb testing.TB, old jobs.Job, c jobs.Change) {
	tb.Helper()
	j := c.Job
	if j.Result != nil && !j.State.Terminal() && j.Result.Status != jobs.StatusIncomplete {
		tb.Errorf("%s with the result of a response that is %s", j.State, j.Result.Status)
	}
	if j.Kind.IsParent() {
		if len(j.Attempts) != 0 || j.State == jobs.StateSucceeded && j.Result == nil || !slices.Contains([]jobs.State{
			jobs.StateWaiting, jobs.StateSucceeded, jobs.StateFailed, jobs.StateCancelled, jobs.StateExpired,
		}, j.State) {
			tb.Errorf("parent: %s, result %+v, %d attempts", j.State, j.Result, len(j.Attempts))
		}
	} else if j.State == jobs.StateSucceeded || j.State == jobs.StateIncomplete {
		a, _ := j.CurrentAttempt()
		if j.Result == nil || j.Result.ResponseID != a.ResponseID || string(a.Outcome) != string(j.State) {
			tb.Errorf("%s: result %+v, current attempt %+v", j.State, j.Result, a)
		}
	}
	fresh := j.Result != nil && !cmp.Equal(old.Result, j.Result)
	if fresh != (c.Body != nil) {
		tb.Errorf("%s after %s: body of %d bytes, new result: %t", j.State, old.State, len(c.Body), fresh)
	}
	if fresh && j.Kind.IsParent() {
		if !bytes.HasPrefix(c.Body, []byte("{")) || len(c.Body) != j.Result.Bytes {
			tb.Errorf("body %s does not belong to result %+v", c.Body, j.Result)
		}
	} else if fresh && (!bytes.Contains(c.Body, []byte(`"`+j.Result.ResponseID+`"`)) || len(c.Body) != j.Result.Bytes) {
		tb.Errorf("body %s does not belong to result %+v", c.Body, j.Result)
	}
}

// checkRecord: the record holds all of the job.
func checkRecord(tb testing.TB, j jobs.Job) {
	tb.Helper()
	back, err := jobs.Decode([]byte(encode(tb, j)))
	if err != nil {
		tb.Fatalf("Decode: %v", err)
	}
	back.Version, back.Admitted, back.Nudge, back.Looks, back.Links = j.Version, j.Admitted, j.Nudge, j.Looks, j.Links
	if diff := cmp.Diff(j, back, equalJobs); diff != "" {
		tb.Errorf("the record lost something (-job +record):\n%s", diff)
	}
}
