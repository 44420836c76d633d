package jobs_test

import (
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/longhaul-jobs/longhaul/jobs"
)

// The answer of attempt 1 was lost and attempt 2 runs.
func overtaken(t *testing.T) jobs.Job {
	t.Helper()
	return apply(t, newJob(t, jobs.Options{}), submit(1), createFailed(1, jobs.ClassAmbiguous),
		submit(2), created(2, jobs.StatusInProgress))
}

// What was paid for is taken back before it is paid for again.
func TestLateCreatedIsAdopted(t *testing.T) {
	lost := []jobs.Event{submit(1), createFailed(1, jobs.ClassAmbiguous)}
	twice := append(lost, submit(2), createFailed(2, jobs.ClassAmbiguous))
	for _, tt := range []struct {
		name    string
		options jobs.Options
		events  []jobs.Event
		attempt int
	}{
		{"by a job that waits to resubmit", jobs.Options{}, lost, 1},
		{"by a job that is held", jobs.Options{Uncertain: jobs.UncertainHold}, lost, 1},
		{"by a job that was retried by hand", jobs.Options{Uncertain: jobs.UncertainHold}, append(lost, jobs.RetryRequested{}), 1},
		{"from the latest of two", jobs.Options{}, twice, 2},
		{"from the first of two", jobs.Options{}, twice, 1},
	} {
		t.Run(tt.name, func(t *testing.T) {
			j := apply(t, newJob(t, tt.options), tt.events...)
			j.Looks = jobs.Looks{Count: 3, Next: at(5000), Status: jobs.StatusQueued} // of an earlier response
			j = change(t, j, created(tt.attempt, jobs.StatusQueued)).Job
			if j.State != jobs.StateRunning || j.Current != tt.attempt || len(j.Outbox) != 0 {
				t.Fatalf("%s, current attempt %d, owes %+v", j.State, j.Current, j.Outbox)
			}
			a, _ := j.CurrentAttempt()
			if a.ResponseID != responseID(tt.attempt) || a.Outcome != "" || a.Failure != nil || !a.Ended.IsZero() {
				t.Errorf("attempt = %+v, want it under way again", a)
			}
			if j.Reason != "" || j.Failure != nil || !j.NotBefore.IsZero() {
				t.Errorf("reason %q, failure %+v, not before %s; want no next attempt", j.Reason, j.Failure, j.NotBefore)
			}
			if due, _ := j.Due(jobs.DefaultTiming()); !due.Equal(at(1000 + tt.attempt)) {
				t.Errorf("due at %s, want its first look", due)
			}
			unchanged(t, admitted(j, at(9)), submit(j.NextAttempt()))
			if j = apply(t, j, looked(tt.attempt, jobs.StatusCompleted)); j.State != jobs.StateSucceeded {
				t.Errorf("%s after it completed", j.State)
			}
		})
	}
}

// Two answers were lost; the first is adopted, so the second is one too many.
func TestLateCreatedAfterAnotherWasAdopted(t *testing.T) {
	j := apply(t, newJob(t, jobs.Options{}), submit(1), createFailed(1, jobs.ClassAmbiguous),
		submit(2), createFailed(2, jobs.ClassAmbiguous), created(1, jobs.StatusQueued), created(2, jobs.StatusQueued))
	if j.State != jobs.StateRunning || j.Current != 1 || !pendingCancel(j, 2) || pendingCancel(j, 1) {
		t.Errorf("%s, current attempt %d, owes %+v", j.State, j.Current, j.Outbox)
	}
}

func TestLateCreatedOfAnOvertakenAttempt(t *testing.T) {
	t.Run("still running: it is cancelled", func(t *testing.T) {
		j := change(t, overtaken(t), created(1, jobs.StatusQueued)).Job
		want := []jobs.Effect{{ID: 1, Kind: jobs.EffectCancel, Attempt: 1, Endpoint: testEndpoint, ResponseID: "resp_1"}}
		if diff := cmp.Diff(want, j.Outbox); diff != "" || j.Current != 2 || j.State != jobs.StateRunning {
			t.Errorf("%s, current attempt %d, outbox (-want +got):\n%s", j.State, j.Current, diff)
		}
	})
	t.Run("completed: it wins", func(t *testing.T) {
		c := change(t, overtaken(t), created(1, jobs.StatusCompleted))
		j := c.Job
		if j.State != jobs.StateSucceeded || j.Current != 1 || j.Result.ResponseID != "resp_1" || c.Body == nil {
			t.Errorf("%s with attempt %d and result %+v", j.State, j.Current, j.Result)
		}
		if !pendingCancel(j, 2) {
			t.Errorf("the other still runs and is not cancelled: %+v", j.Outbox)
		}
	})
	t.Run("ended otherwise: its cost is kept", func(t *testing.T) {
		late := created(1, jobs.StatusIncomplete)
		late.Reply.Response = withUsage(t, jobs.StatusIncomplete)
		j := change(t, overtaken(t), late).Job
		a := j.Attempts[0]
		if a.Outcome != jobs.OutcomeWasted || a.Usage == nil || a.Usage.TotalTokens != 5 || len(j.Outbox) != 0 {
			t.Errorf("attempt %+v, outbox %+v", a, j.Outbox)
		}
	})
}

func withUsage(t *testing.T, status string) jobs.Response {
	t.Helper()
	r, err := jobs.ParseResponse([]byte(`{"id":"resp_1","status":"` + status + `","usage":{"input_tokens":3,"output_tokens":2,"total_tokens":5}}`))
	if err != nil {
		t.Fatal(err)
	}
	return r
}

// The late first attempt has won while the POST of the second was out. Whatever
// comes of that is still recorded.
func TestOvertakenInFlight(t *testing.T) {
	won := apply(t, newJob(t, jobs.Options{}), submit(1), createFailed(1, jobs.ClassAmbiguous),
		submit(2), created(1, jobs.StatusCompleted))
	if a := won.Attempts[1]; a.Outcome != jobs.OutcomeUncertain || a.Ended.IsZero() {
		t.Errorf("attempt 2 = %+v, want it uncertain until its answer comes", a)
	}
	t.Run("accepted: it is cancelled", func(t *testing.T) {
		j := change(t, won, created(2, jobs.StatusQueued)).Job
		if !pendingCancel(j, 2) || j.State != jobs.StateSucceeded || j.Current != 1 {
			t.Errorf("%s with attempt %d, owes %+v", j.State, j.Current, j.Outbox)
		}
	})
	t.Run("refused: it is certain", func(t *testing.T) {
		j := change(t, won, createFailed(2, jobs.ClassRateLimited)).Job
		if a := j.Attempts[1]; a.Outcome != jobs.OutcomeFailed || a.Failure.Class != jobs.ClassRateLimited || j.Failure != nil {
			t.Errorf("attempt 2 = %+v, failure of the job %+v", a, j.Failure)
		}
	})
	t.Run("lost: it stays uncertain", func(t *testing.T) {
		unchanged(t, won, createFailed(2, jobs.ClassAmbiguous))
		unchanged(t, won, jobs.WorkerLost{Attempt: 2, Worker: testWorker})
	})
}

// What a cancel brings, while the job runs and after it has ended.
func TestEffectDoneOfACancel(t *testing.T) {
	running := change(t, overtaken(t), created(1, jobs.StatusInProgress)).Job
	ended := apply(t, running, looked(2, jobs.StatusCompleted))
	for _, tt := range []struct {
		name    string
		job     jobs.Job
		done    jobs.EffectDone
		state   jobs.State
		outcome jobs.Outcome // of attempt 1
		owed    []int        // attempts whose cancel is owed afterwards
	}{
		{"cancelled", running, cancelled(1, 1, jobs.StatusCancelled), jobs.StateRunning, jobs.OutcomeWasted, nil},
		{"had failed", running, cancelled(1, 1, jobs.StatusFailed), jobs.StateRunning, jobs.OutcomeWasted, nil},
		{"had completed: it wins", running, cancelled(1, 1, jobs.StatusCompleted), jobs.StateSucceeded, jobs.OutcomeSucceeded, []int{2}},
		{"goes on: asked again", running, cancelled(1, 1, jobs.StatusInProgress), jobs.StateRunning, "", []int{1}},
		{"unknown", running, jobs.EffectDone{ID: 1}, jobs.StateRunning, jobs.OutcomeLost, nil},
		{"cancelled after the end", ended, cancelled(1, 1, jobs.StatusCancelled), jobs.StateSucceeded, jobs.OutcomeWasted, nil},
		{"had completed after the end: too late", ended, cancelled(1, 1, jobs.StatusCompleted), jobs.StateSucceeded, jobs.OutcomeWasted, nil},
	} {
		t.Run(tt.name, func(t *testing.T) {
			j := change(t, tt.job, tt.done).Job
			if j.State != tt.state || j.Attempts[0].Outcome != tt.outcome {
				t.Errorf("%s, attempt 1 %q; want %s, %q", j.State, j.Attempts[0].Outcome, tt.state, tt.outcome)
			}
			var owed []int
			for _, e := range j.Outbox {
				owed = append(owed, e.Attempt)
				if e.ID == 1 {
					t.Errorf("effect 1 is done, and there again: %+v", e)
				}
			}
			if diff := cmp.Diff(tt.owed, owed); diff != "" {
				t.Errorf("cancels owed of attempts (-want +got):\n%s", diff)
			}
			unchanged(t, j, tt.done)
		})
	}
	t.Run("an answer about another response", func(t *testing.T) {
		r := reply("resp_of_somebody_else", jobs.StatusCompleted)
		unchanged(t, running, jobs.EffectDone{ID: 1, Reply: &r})
	})
}

// A stopped job was given up, retried by hand, and then its old response turns
// out to have completed: it is the result, and nothing more is bought.
func TestGivenUpResponseWinsAfterRetry(t *testing.T) {
	j := apply(t, newJob(t, jobs.Options{}), submit(1), created(1, jobs.StatusInProgress), cancel,
		jobs.StopGivenUp{ResponseID: "resp_1"}, jobs.RetryRequested{}, cancelled(1, 1, jobs.StatusCompleted))
	if j.State != jobs.StateSucceeded || j.Current != 1 || j.Result == nil {
		t.Errorf("%s with attempt %d and result %+v", j.State, j.Current, j.Result)
	}
}

// A response of the job's that no attempt on record has made is taken in, with an
// attempt of its own that costs the job nothing: Redis had forgotten the intent.
func TestStrayResponse(t *testing.T) {
	stray := jobs.Created{Attempt: 1, Reply: reply("resp_stray", jobs.StatusQueued), Endpoint: "eu", FirstLook: at(1000)}
	t.Run("nothing is on record: it is the job's", func(t *testing.T) {
		j := apply(t, newJob(t, jobs.Options{MaxAttempts: 1}), stray)
		a, _ := j.CurrentAttempt()
		if j.State != jobs.StateRunning || a.Number != 1 || a.Endpoint != "eu" || a.ResponseID != "resp_stray" || a.Reason != "stray" || j.Counted() != 0 {
			t.Errorf("%s with %+v, %d counted", j.State, a, j.Counted())
		}
	})
	t.Run("the create was made again under its number: it is cancelled", func(t *testing.T) {
		j := apply(t, newJob(t, jobs.Options{}), submit(1), created(1, jobs.StatusQueued), stray)
		if j.Current != 1 || len(j.Attempts) != 2 || !pendingCancel(j, 2) {
			t.Fatalf("attempt %d of %d, owes %+v", j.Current, len(j.Attempts), j.Outbox)
		}
		if e := j.Outbox[0]; e.Endpoint != "eu" || e.ResponseID != "resp_stray" {
			t.Errorf("effect %+v", e)
		}
		r := reply("resp_stray", jobs.StatusCancelled)
		if j = apply(t, j, jobs.EffectDone{ID: 1, Reply: &r}); j.Attempts[1].Outcome != jobs.OutcomeWasted {
			t.Errorf("attempt %+v", j.Attempts[1])
		}
	})
}

// A gateway answers a later attempt with the response of an earlier one. Nothing new
// was made: the attempt failed, and the job goes on as after any other failure.
func TestRepeatedResponse(t *testing.T) {
	again := created(2, jobs.StatusQueued)
	again.Reply, again.Delay = created(1, jobs.StatusQueued).Reply, 3*time.Second
	failedOnce := []jobs.Event{submit(1), created(1, jobs.StatusFailed), submit(2)}
	for _, tt := range []struct {
		name    string
		options jobs.Options
		events  []jobs.Event
		state   jobs.State
	}{
		{"to the create in flight", jobs.Options{}, failedOnce, jobs.StateWaiting},
		{"to the last one allowed", jobs.Options{MaxAttempts: 2}, failedOnce, jobs.StateFailed},
		{
			"late, to one that is held",
			jobs.Options{Uncertain: jobs.UncertainHold},
			append(failedOnce[:3:3], createFailed(2, jobs.ClassAmbiguous)), jobs.StateWaiting,
		},
		{
			"late, to one that was given up",
			jobs.Options{},
			append(failedOnce[:3:3], createFailed(2, jobs.ClassAmbiguous), submit(3)), jobs.StateSubmitting,
		},
	} {
		t.Run(tt.name, func(t *testing.T) {
			j := change(t, apply(t, newJob(t, tt.options), tt.events...), again).Job
			a := j.Attempts[1]
			if j.State != tt.state || a.Outcome != jobs.OutcomeFailed || a.ResponseID != "" || a.Failure.Code != "response_repeated" {
				t.Errorf("%s, attempt 2 is %+v", j.State, a)
			}
			unchanged(t, j, again)
		})
	}
}
