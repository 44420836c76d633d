package jobs_test

import (
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/longhaul-jobs/longhaul/jobs"
)

// The life of a job that goes well, with all that is written on the way.
func TestLifeOfAJob(t *testing.T) {
	waiting := newJob(t, jobs.Options{Metadata: map[string]string{"team": "research"}})
	if _, ok := waiting.CurrentAttempt(); ok || waiting.NextAttempt() != 1 {
		t.Errorf("a new job has a current attempt: %t, and its next is %d", ok, waiting.NextAttempt())
	}

	submitting := change(t, waiting, submit(1)).Job
	want := jobs.Attempt{
		Number: 1, Endpoint: testEndpoint, Worker: testWorker, Started: at(1),
		ClientRequestID: string(testID) + "-1",
	}
	if diff := cmp.Diff([]jobs.Attempt{want}, submitting.Attempts); diff != "" {
		t.Errorf("submitting: attempts (-want +got):\n%s", diff)
	}

	running := change(t, submitting, created(1, jobs.StatusQueued)).Job
	want.Answered, want.RequestID, want.ResponseID = at(2), "req_of_resp_1", "resp_1"
	if a, ok := running.CurrentAttempt(); !ok || !cmp.Equal(want, a) {
		t.Errorf("running: attempt (-want +got):\n%s", cmp.Diff(want, a))
	}
	if !running.LookAt.Equal(at(1001)) {
		t.Errorf("running: first look at %s, want the event's", running.LookAt)
	}

	c := change(t, running, looked(1, jobs.StatusCompleted))
	done := c.Job
	usage := jobs.Usage{InputTokens: 11, OutputTokens: 7, TotalTokens: 18}
	want.Ended, want.Outcome, want.Usage, want.Model = at(3), jobs.OutcomeSucceeded, &usage, "gpt-4.1-2025-04-14"
	if a, _ := done.CurrentAttempt(); !cmp.Equal(want, a) {
		t.Errorf("succeeded: attempt (-want +got):\n%s", cmp.Diff(want, a))
	}
	result := &jobs.Result{
		ResponseID: "resp_1", Status: jobs.StatusCompleted, Model: "gpt-4.1-2025-04-14", Usage: &usage, Bytes: len(c.Body),
	}
	if diff := cmp.Diff(result, done.Result); diff != "" {
		t.Errorf("result (-want +got):\n%s", diff)
	}
	if r, err := jobs.ParseResponse(c.Body); err != nil || r.Text() != "A long way." {
		t.Errorf("the kept body says %q, %v", r.Text(), err)
	}
	if !done.Ended.Equal(at(3)) || !done.ExpiresAt().Equal(at(3).Add(jobs.DefaultRetention)) {
		t.Errorf("ended %s, forgotten %s", done.Ended, done.ExpiresAt())
	}
	if !running.ExpiresAt().IsZero() {
		t.Errorf("a running job is forgotten at %s", running.ExpiresAt())
	}
}

func TestSubmitStarted(t *testing.T) {
	t.Run("is refused before the job was admitted", func(t *testing.T) {
		unchanged(t, admitted(newJob(t, jobs.Options{}), time.Time{}), submit(1))
	})
	t.Run("takes the reason of the attempt from the failure before it", func(t *testing.T) {
		j := apply(t, newJob(t, jobs.Options{}), submit(1), createFailed(1, jobs.ClassUnavailable))
		if j.Reason != string(jobs.ClassUnavailable) || j.Failure == nil {
			t.Errorf("waiting: reason %q, failure %+v", j.Reason, j.Failure)
		}
		j = apply(t, j, submit(2))
		if a, _ := j.CurrentAttempt(); a.Reason != string(jobs.ClassUnavailable) {
			t.Errorf("attempt 2 was made because of %q", a.Reason)
		}
		if j.Reason != "" || j.Failure != nil {
			t.Errorf("submitting: reason %q, failure %+v; want none", j.Reason, j.Failure)
		}
	})
	for _, tt := range []struct {
		name string
		now  time.Time
		want jobs.State
	}{
		{"just before the deadline", at(60).Add(-time.Millisecond), jobs.StateSubmitting},
		{"at the deadline", at(60), jobs.StateExpired},
		{"after the deadline", at(61), jobs.StateExpired},
	} {
		t.Run(tt.name, func(t *testing.T) {
			j := newJob(t, jobs.Options{Deadline: at(60)})
			c, err := jobs.Transition(j, submit(1), tt.now)
			if err != nil || c.Job.State != tt.want {
				t.Fatalf("state = %s, error %v; want %s", c.Job.State, err, tt.want)
			}
			if expired := tt.want == jobs.StateExpired; expired {
				if len(c.Job.Attempts) != 0 || c.Job.Failure == nil || c.Job.Failure.Class != jobs.ClassExpired {
					t.Errorf("attempts %+v, failure %+v; want none made, and class expired", c.Job.Attempts, c.Job.Failure)
				}
			}
			if j.Late(tt.now) != (tt.want == jobs.StateExpired) {
				t.Errorf("Late = %t", j.Late(tt.now))
			}
		})
	}
}

// What each class does to a job: after one failed create, and after the last
// one that its budget of two allows.
func TestCreateFailedByClass(t *testing.T) {
	for _, tt := range []struct {
		class       jobs.Class
		first, last jobs.State
		free        bool
		outcome     jobs.Outcome
	}{
		{jobs.ClassInternal, jobs.StateWaiting, jobs.StateFailed, false, jobs.OutcomeFailed},
		{jobs.ClassInvalid, jobs.StateFailed, jobs.StateFailed, false, jobs.OutcomeFailed},
		{jobs.ClassRejected, jobs.StateFailed, jobs.StateFailed, false, jobs.OutcomeFailed},
		{jobs.ClassUnauthorized, jobs.StateWaiting, jobs.StateWaiting, true, jobs.OutcomeFailed},
		{jobs.ClassRateLimited, jobs.StateWaiting, jobs.StateWaiting, true, jobs.OutcomeFailed},
		{jobs.ClassQuota, jobs.StateWaiting, jobs.StateWaiting, true, jobs.OutcomeFailed},
		{jobs.ClassUnavailable, jobs.StateWaiting, jobs.StateFailed, false, jobs.OutcomeFailed},
		{jobs.ClassAmbiguous, jobs.StateWaiting, jobs.StateFailed, false, jobs.OutcomeUncertain},
		{jobs.ClassConflict, jobs.StateWaiting, jobs.StateFailed, false, jobs.OutcomeFailed},
		{jobs.ClassLost, jobs.StateFailed, jobs.StateFailed, false, jobs.OutcomeFailed},
		{jobs.ClassOversized, jobs.StateFailed, jobs.StateFailed, false, jobs.OutcomeFailed},
		{jobs.ClassExpired, jobs.StateFailed, jobs.StateFailed, false, jobs.OutcomeFailed},
		{"a class of tomorrow", jobs.StateWaiting, jobs.StateFailed, false, jobs.OutcomeFailed},
	} {
		t.Run(string(tt.class), func(t *testing.T) {
			j := apply(t, newJob(t, jobs.Options{MaxAttempts: 2}), submit(1), createFailed(1, tt.class))
			if j.State != tt.first {
				t.Fatalf("after the first failure: %s, want %s", j.State, tt.first)
			}
			a, _ := j.CurrentAttempt()
			if a.Outcome != tt.outcome || a.Free != tt.free || !a.Ended.Equal(at(2)) || a.RequestID != "req_"+string(tt.class) {
				t.Errorf("attempt = %+v, want outcome %q, free %t, ended and with its request id", a, tt.outcome, tt.free)
			}
			want := failure(tt.class)
			if !cmp.Equal(a.Failure, &want) || !cmp.Equal(j.Failure, &want) {
				t.Errorf("failure of the attempt %+v, of the job %+v, want %+v", a.Failure, j.Failure, want)
			}
			if counted := j.Counted(); (counted == 0) != tt.free {
				t.Errorf("%d attempts counted", counted)
			}
			if tt.first != jobs.StateWaiting {
				return
			}
			if !j.NotBefore.Equal(at(7)) || !j.Admitted.IsZero() {
				t.Errorf("waits until %s, admitted %v; want five seconds on, back in its lane", j.NotBefore, j.Admitted)
			}
			if j = apply(t, j, submit(2), createFailed(2, tt.class)); j.State != tt.last {
				t.Errorf("after the second failure: %s, want %s", j.State, tt.last)
			}
		})
	}
}

// The row of a class that is new in Classes must not be missing above.
func TestCreateFailedByClassIsComplete(t *testing.T) {
	for _, class := range jobs.Classes() {
		j := apply(t, newJob(t, jobs.Options{MaxAttempts: 1}), submit(1), createFailed(1, class))
		want := jobs.StateFailed
		if class.Verdict().Action == jobs.ActionWait {
			want = jobs.StateWaiting
		}
		if j.State != want {
			t.Errorf("%s with a budget of one: %s, want %s", class, j.State, want)
		}
	}
}

// An account's trouble uses up nothing, however long it lasts; the budget is
// still there afterwards.
func TestAccountTroubleKeepsTheBudget(t *testing.T) {
	j := newJob(t, jobs.Options{MaxAttempts: 2})
	for range 20 {
		n := j.NextAttempt()
		if j = apply(t, j, submit(n), createFailed(n, jobs.ClassQuota)); j.State != jobs.StateWaiting || j.Counted() != 0 {
			t.Fatalf("attempt %d: %s, %d counted; want it to wait for ever", n, j.State, j.Counted())
		}
	}
	j = apply(t, j, submit(21), createFailed(21, jobs.ClassUnavailable))
	if j.State != jobs.StateWaiting || j.Counted() != 1 {
		t.Errorf("first failure of its own: %s, %d counted", j.State, j.Counted())
	}
	j = apply(t, j, submit(22), createFailed(22, jobs.ClassUnavailable))
	if j.State != jobs.StateFailed || j.Counted() != 2 {
		t.Errorf("second failure of its own: %s, %d counted", j.State, j.Counted())
	}
}

// A job whose lane is paused goes back as it came: without an attempt, and with its
// age, its time and its reason. Whether its deadline has passed is asked all the same.
func TestPostponed(t *testing.T) {
	j := admitted(apply(t, newJob(t, jobs.Options{MaxAttempts: 1}), submit(1), createFailed(1, jobs.ClassQuota)), at(9))
	back := change(t, j, jobs.Postponed{Attempt: 2, Admitted: at(9)}).Job
	want := j
	want.Admitted, want.Updated = time.Time{}, back.Updated
	if diff := cmp.Diff(want, back, equalJobs); diff != "" {
		t.Errorf("postponed (-want +got):\n%s", diff)
	}
	unchanged(t, admitted(back, at(10)), jobs.Postponed{Attempt: 2, Admitted: at(9)})
	if again := apply(t, back, submit(2)); again.State != jobs.StateSubmitting || again.Attempts[len(again.Attempts)-1].Reason != string(jobs.ClassQuota) {
		t.Errorf("afterwards it is %s with %+v", again.State, again.Attempts)
	}
	late := newJob(t, jobs.Options{Deadline: at(1)})
	if late = change(t, late, jobs.Postponed{Attempt: 1, Admitted: late.Admitted}).Job; late.State != jobs.StateExpired {
		t.Errorf("past its deadline it is %s", late.State)
	}
}

// A job that may not be sent yet goes back until a time and says what for, until an
// attempt begins; neither costs it an attempt.
func TestPostponedUntil(t *testing.T) {
	j := admitted(newJob(t, jobs.Options{MaxAttempts: 1}), at(1))
	back := change(t, j, jobs.Postponed{Attempt: 1, Admitted: at(1), Until: at(90), Reason: jobs.WaitLimit}).Job
	if back.State != jobs.StateWaiting || !back.NotBefore.Equal(at(90)) || back.Waits != jobs.WaitLimit || len(back.Attempts) != 0 {
		t.Errorf("postponed: %s until %s for %q, %d attempts", back.State, back.NotBefore, back.Waits, len(back.Attempts))
	}
	again := change(t, admitted(back, at(91)), jobs.Postponed{Attempt: 1, Admitted: at(91)}).Job
	if again.Waits != "" || !again.NotBefore.Equal(at(90)) {
		t.Errorf("postponed for its lane to go on: until %s for %q", again.NotBefore, again.Waits)
	}
	if begun := apply(t, back, submit(1)); begun.State != jobs.StateSubmitting || begun.Waits != "" {
		t.Errorf("begun: %s, waits for %q", begun.State, begun.Waits)
	}
	if ended := apply(t, back, jobs.StopRequested{Reason: jobs.StopCancel}); ended.State != jobs.StateCancelled || ended.Waits != "" {
		t.Errorf("cancelled: %s, waits for %q", ended.State, ended.Waits)
	}
}

// A response that failed is an attempt that failed: the same table decides.
func TestFailedResponse(t *testing.T) {
	j := apply(t, newJob(t, jobs.Options{MaxAttempts: 2}), submit(1), created(1, jobs.StatusQueued))
	c := change(t, j, looked(1, jobs.StatusFailed))
	if c.Job.State != jobs.StateWaiting || c.Body != nil || !c.Job.NotBefore.Equal(at(8)) || !c.Job.LookAt.IsZero() {
		t.Errorf("first failure: %s until %s, body %s", c.Job.State, c.Job.NotBefore, c.Body)
	}
	j = apply(t, c.Job, submit(2), created(2, jobs.StatusQueued))
	c = change(t, j, looked(2, jobs.StatusFailed))
	if c.Job.State != jobs.StateFailed || c.Job.Failure.Code != "server_error" || c.Job.Failure.Class != jobs.ClassUnavailable {
		t.Errorf("last failure: %s, %+v", c.Job.State, c.Job.Failure)
	}
	if c.Job.Result == nil || c.Job.Result.Status != jobs.StatusFailed || c.Body == nil {
		t.Errorf("last failure: result %+v, body %s; want what OpenAI sent", c.Job.Result, c.Body)
	}
}

func TestIncompleteResponse(t *testing.T) {
	j := apply(t, newJob(t, jobs.Options{}), submit(1), created(1, jobs.StatusQueued))
	c := change(t, j, looked(1, jobs.StatusIncomplete))
	if c.Job.Result.IncompleteReason != "max_output_tokens" || c.Body == nil || c.Job.Failure != nil {
		t.Errorf("result %+v, body %s, failure %+v", c.Job.Result, c.Body, c.Job.Failure)
	}
}

func TestUncertain(t *testing.T) {
	lost := []jobs.Event{submit(1), jobs.WorkerLost{Attempt: 1, Worker: testWorker, Delay: 3 * time.Second}}
	t.Run("resubmitted", func(t *testing.T) {
		j := apply(t, newJob(t, jobs.Options{}), lost...)
		a, _ := j.CurrentAttempt()
		if j.State != jobs.StateWaiting || a.Outcome != jobs.OutcomeUncertain || !j.NotBefore.Equal(at(5)) {
			t.Errorf("%s until %s, attempt %+v", j.State, j.NotBefore, a)
		}
		if a.Failure.Class != jobs.ClassAmbiguous || a.Failure.Code != "worker_lost" {
			t.Errorf("failure = %+v", a.Failure)
		}
	})
	t.Run("held", func(t *testing.T) {
		j := apply(t, newJob(t, jobs.Options{Uncertain: jobs.UncertainHold}), lost...)
		if j.State != jobs.StateUncertain || j.Failure == nil {
			t.Fatalf("%s, failure %+v", j.State, j.Failure)
		}
		unchanged(t, j, submit(2)) // nothing is made without a person's word
	})
	t.Run("held even when it was the last of the budget", func(t *testing.T) {
		j := apply(t, newJob(t, jobs.Options{Uncertain: jobs.UncertainHold, MaxAttempts: 1}), lost...)
		if j.State != jobs.StateUncertain {
			t.Errorf("%s, want it held: it may have been accepted", j.State)
		}
	})
	t.Run("held until the refusal comes after all", func(t *testing.T) {
		j := apply(t, newJob(t, jobs.Options{Uncertain: jobs.UncertainHold}), lost...)
		j = change(t, j, createFailed(1, jobs.ClassUnavailable)).Job
		a, _ := j.CurrentAttempt()
		if j.State != jobs.StateWaiting || j.Reason != string(jobs.ClassUnavailable) || a.Outcome != jobs.OutcomeFailed {
			t.Errorf("%s because of %q, attempt %+v; want the next attempt: this one was certainly refused", j.State, j.Reason, a)
		}
	})
	t.Run("resubmitted, and the refusal comes after all", func(t *testing.T) {
		j := apply(t, newJob(t, jobs.Options{}), lost...)
		j = change(t, j, createFailed(1, jobs.ClassQuota)).Job
		a := j.Attempts[0]
		if a.RequestID != "req_quota" || !a.Answered.Equal(j.Updated) {
			t.Errorf("attempt %+v, want the answer on record", a)
		}
		if a.Outcome != jobs.OutcomeFailed || a.Failure.Class != jobs.ClassQuota || j.Counted() != 0 {
			t.Errorf("attempt %+v, %d counted; want it known to be refused, and free", a, j.Counted())
		}
	})
}

func TestStop(t *testing.T) {
	running := []jobs.Event{submit(1), created(1, jobs.StatusInProgress)}
	t.Run("a running job is looked at once", func(t *testing.T) {
		j := apply(t, newJob(t, jobs.Options{}), running...)
		j.Looks.Next = at(5000) // the store plans looks beside the record
		j = change(t, j, cancel).Job
		if due, ok := j.Due(jobs.DefaultTiming()); !ok || !due.Equal(at(3)) {
			t.Errorf("due at %s, %t; want the time of the cancel", due, ok)
		}
		if diff := cmp.Diff(&jobs.Stop{At: at(3), Reason: jobs.StopCancel}, j.Stop); diff != "" {
			t.Errorf("stop (-want +got):\n%s", diff)
		}
	})
	t.Run("a create on its way is recorded, then looked at once", func(t *testing.T) {
		j := apply(t, newJob(t, jobs.Options{}), submit(1), cancel, created(1, jobs.StatusQueued))
		if j.State != jobs.StateRunning || !j.LookAt.Equal(at(3)) || j.Attempts[0].ResponseID != "resp_1" {
			t.Errorf("%s, look at %s, attempt %+v", j.State, j.LookAt, j.Attempts[0])
		}
	})
	t.Run("the first reason stays", func(t *testing.T) {
		j := apply(t, newJob(t, jobs.Options{}), append(running, cancel)...)
		unchanged(t, j, deadline)
	})
	t.Run("completed wins over cancelled", func(t *testing.T) {
		j := apply(t, newJob(t, jobs.Options{}), append(running, cancel)...)
		c := change(t, j, looked(1, jobs.StatusCompleted))
		if c.Job.State != jobs.StateSucceeded || c.Body == nil || c.Job.Failure != nil {
			t.Errorf("%s with %d bytes and failure %+v, want the paid-for result", c.Job.State, len(c.Body), c.Job.Failure)
		}
	})
	t.Run("a cancelled response keeps what it brought", func(t *testing.T) {
		j := apply(t, newJob(t, jobs.Options{}), append(running, cancel)...)
		c := change(t, j, looked(1, jobs.StatusCancelled))
		if c.Job.State != jobs.StateCancelled || c.Job.Attempts[0].Outcome != jobs.OutcomeCancelled || c.Body == nil {
			t.Errorf("%s, %+v, %d bytes", c.Job.State, c.Job.Attempts[0], len(c.Body))
		}
	})
	t.Run("a deadline says so", func(t *testing.T) {
		for _, events := range [][]jobs.Event{
			{deadline},
			append(running, deadline, looked(1, jobs.StatusCancelled)),
			append(running, deadline, jobs.StopGivenUp{ResponseID: "resp_1"}),
			append(running, deadline, jobs.ResponseLost{ResponseID: "resp_1", Failure: failure(jobs.ClassLost)}),
		} {
			j := apply(t, newJob(t, jobs.Options{}), events...)
			if j.State != jobs.StateExpired || j.Failure == nil || j.Failure.Class != jobs.ClassExpired {
				t.Errorf("after %s: %s, failure %+v", events[len(events)-1].Name(), j.State, j.Failure)
			}
		}
	})
	t.Run("a job that waits to be tried again is not", func(t *testing.T) {
		j := apply(t, newJob(t, jobs.Options{}), submit(1), createFailed(1, jobs.ClassUnavailable), cancel)
		if j.State != jobs.StateCancelled || !j.NotBefore.IsZero() || j.Reason != "" {
			t.Errorf("%s, not before %s, reason %q", j.State, j.NotBefore, j.Reason)
		}
		unchanged(t, admitted(j, at(9)), submit(2))
	})
	t.Run("a response that will not end is given up and stays owed", func(t *testing.T) {
		j := apply(t, newJob(t, jobs.Options{}), append(running, cancel, jobs.StopGivenUp{ResponseID: "resp_1"})...)
		want := []jobs.Effect{{ID: 1, Kind: jobs.EffectCancel, Attempt: 1, Endpoint: testEndpoint, ResponseID: "resp_1"}}
		if diff := cmp.Diff(want, j.Outbox); diff != "" {
			t.Errorf("outbox (-want +got):\n%s", diff)
		}
	})
}

func TestResponseLost(t *testing.T) {
	j := apply(t, newJob(t, jobs.Options{}), submit(1), created(1, jobs.StatusQueued),
		jobs.ResponseLost{ResponseID: "resp_1", Failure: failure(jobs.ClassLost)})
	if j.State != jobs.StateFailed || j.Failure.Class != jobs.ClassLost || j.Attempts[0].Outcome != jobs.OutcomeLost {
		t.Errorf("%s, failure %+v, attempt %+v", j.State, j.Failure, j.Attempts[0])
	}
}

func TestRetryByHand(t *testing.T) {
	t.Run("starts anew and keeps the history", func(t *testing.T) {
		j := apply(t, newJob(t, jobs.Options{MaxAttempts: 2}), submit(1), createFailed(1, jobs.ClassUnavailable),
			submit(2), created(2, jobs.StatusQueued), cancel, looked(2, jobs.StatusCancelled))
		c := change(t, j, jobs.RetryRequested{})
		r := c.Job
		if !c.DropBody || r.Result != nil || r.Failure != nil || r.Stop != nil || !r.Ended.IsZero() || !r.Admitted.IsZero() {
			t.Errorf("the job still has parts of its end: %s", encode(t, r))
		}
		if diff := cmp.Diff(j.Attempts, r.Attempts); diff != "" {
			t.Errorf("history (-before +after):\n%s", diff)
		}
		if r.Counted() != 0 || r.FailuresInRow() != 0 || !r.NotBefore.Equal(r.Updated) {
			t.Errorf("%d counted, %d failures in a row, not before %s", r.Counted(), r.FailuresInRow(), r.NotBefore)
		}
		r = apply(t, r, submit(3))
		if a, _ := r.CurrentAttempt(); a.Number != 3 || a.Reason != "manual" {
			t.Errorf("attempt %d because of %q", a.Number, a.Reason)
		}
		if r = apply(t, r, createFailed(3, jobs.ClassUnavailable)); r.State != jobs.StateWaiting {
			t.Errorf("%s after one failure of a fresh budget of two", r.State)
		}
		if r = apply(t, r, submit(4), createFailed(4, jobs.ClassUnavailable)); r.State != jobs.StateFailed {
			t.Errorf("%s after two", r.State)
		}
	})
	t.Run("of an incomplete answer", func(t *testing.T) {
		j := apply(t, newJob(t, jobs.Options{}), submit(1), created(1, jobs.StatusIncomplete), jobs.RetryRequested{})
		if j.State != jobs.StateWaiting || j.Result != nil {
			t.Errorf("%s with result %+v", j.State, j.Result)
		}
	})
	t.Run("keeps a deadline that is still ahead", func(t *testing.T) {
		j := apply(t, newJob(t, jobs.Options{Deadline: at(600)}), cancel, jobs.RetryRequested{})
		if !j.Deadline.Equal(at(600)) {
			t.Errorf("deadline = %s", j.Deadline)
		}
	})
	t.Run("renews a deadline that has passed", func(t *testing.T) {
		j := apply(t, newJob(t, jobs.Options{Deadline: at(1)}), deadline, jobs.RetryRequested{})
		if want := j.Updated.Add(jobs.DefaultDeadline); !j.Deadline.Equal(want) {
			t.Errorf("deadline = %s, want %s", j.Deadline, want)
		}
	})
	t.Run("does not bring a deleted job back", func(t *testing.T) {
		j := apply(t, newJob(t, jobs.Options{}), cancel, jobs.DeleteRequested{})
		refused(t, j, jobs.RetryRequested{})
	})
}

func TestDelete(t *testing.T) {
	ended := apply(t, newJob(t, jobs.Options{}), submit(1), createFailed(1, jobs.ClassUnavailable),
		submit(2), created(2, jobs.StatusFailed), submit(3), created(3, jobs.StatusCompleted))
	t.Run("here", func(t *testing.T) {
		j := change(t, ended, jobs.DeleteRequested{}).Job
		if !j.Deleting || len(j.Outbox) != 0 {
			t.Errorf("deleting %t, owes %+v", j.Deleting, j.Outbox)
		}
		unchanged(t, j, jobs.DeleteRequested{})
		if j = change(t, j, jobs.DeleteRequested{Remote: true}).Job; len(j.Outbox) != 2 {
			t.Errorf("asked for later, the copies at the provider are owed: %+v", j.Outbox)
		}
	})
	t.Run("there too", func(t *testing.T) {
		j := change(t, ended, jobs.DeleteRequested{Remote: true}).Job
		want := []jobs.Effect{
			{ID: 1, Kind: jobs.EffectDelete, Attempt: 2, Endpoint: testEndpoint, ResponseID: "resp_2"},
			{ID: 2, Kind: jobs.EffectDelete, Attempt: 3, Endpoint: testEndpoint, ResponseID: "resp_3"},
		}
		if diff := cmp.Diff(want, j.Outbox); diff != "" {
			t.Errorf("outbox (-want +got):\n%s", diff)
		}
		j = change(t, j, jobs.EffectDone{ID: 1}).Job
		unchanged(t, j, jobs.EffectDone{ID: 1})
		if diff := cmp.Diff(want[1:], j.Outbox); diff != "" {
			t.Errorf("outbox after the first is done (-want +got):\n%s", diff)
		}
		j = change(t, j, jobs.EffectDone{ID: 2}).Job
		if len(j.Outbox) != 0 || j.State != jobs.StateSucceeded || j.Result == nil {
			t.Errorf("%s, result %+v, still owes %+v", j.State, j.Result, j.Outbox)
		}
	})
}

func TestRefusedErrorSaysWhatToDo(t *testing.T) {
	_, err := jobs.Transition(newJob(t, jobs.Options{}), jobs.DeleteRequested{}, at(1))
	for _, want := range []string{string(testID), "waiting", "cancel it first"} {
		if err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("error %v does not contain %q", err, want)
		}
	}
}

// A record that somebody has damaged must not take a worker down.
func TestTransitionOfDamagedJobs(t *testing.T) {
	for _, s := range append(jobs.States(), "acting", "") {
		for _, current := range []int{-1, 0, 7} {
			j := jobs.Job{ID: testID, State: s, Current: current, BudgetFrom: current, Admitted: testNow, Stop: &jobs.Stop{}}
			j.Outbox = []jobs.Effect{{ID: 9, Kind: jobs.EffectCancel, Attempt: current}}
			j.Counted()
			j.FailuresInRow()
			if _, ok := j.CurrentAttempt(); ok {
				t.Errorf("current %d: there is no such attempt", current)
			}
			for _, row := range matrix() {
				ev := row.make(j)
				_, err := jobs.Transition(j, ev, at(1))
				if _, no := errors.AsType[*jobs.RefusedError](err); err != nil && !no && !errors.Is(err, jobs.ErrUnchanged) {
					t.Errorf("%s in %s: %v", ev.Name(), s, err)
				}
			}
		}
	}
}

// A job whose request cannot be had fails without an attempt, and can be tried
// again by hand; an answer that was cut off before is still its result.
func TestRequestUnusable(t *testing.T) {
	unusable := func(attempt int) jobs.RequestUnusable {
		return jobs.RequestUnusable{Attempt: attempt, Failure: jobs.Failure{Class: jobs.ClassInternal, Code: "request_missing"}}
	}
	j := apply(t, newJob(t, jobs.Options{}), unusable(1))
	if j.State != jobs.StateFailed || len(j.Attempts) != 0 || j.Failure.Code != "request_missing" {
		t.Fatalf("%s for %+v after %d attempts, want it failed without one", j.State, j.Failure, len(j.Attempts))
	}
	if j = apply(t, j, jobs.RetryRequested{}, submit(1)); j.State != jobs.StateSubmitting || j.Failure != nil {
		t.Errorf("retried by hand: %s, %+v", j.State, j.Failure)
	}

	cut := newJob(t, jobs.Options{})
	cut.OutputCap, cut.GrowOutputTo = 100, 400
	cut = apply(t, cut, submit(1), created(1, jobs.StatusQueued), cutOff(1))
	if cut.State != jobs.StateWaiting {
		t.Fatalf("%s, want the test to begin with a job that asks for more", cut.State)
	}
	if cut = apply(t, cut, unusable(2)); cut.State != jobs.StateIncomplete || cut.Result == nil || cut.Current != 1 {
		t.Errorf("%s with result %+v of attempt %d, want what there is", cut.State, cut.Result, cut.Current)
	}
}
