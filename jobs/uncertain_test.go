package jobs_test

import (
	"errors"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/longhaul-jobs/longhaul/jobs"
)

// hopeful is a submit whose lost answer a webhook can make good within the time.
func hopeful(attempt int, wait time.Duration) jobs.SubmitStarted {
	ev := submit(attempt)
	ev.UncertainWait = wait
	return ev
}

// A create whose answer was lost waits for the provider's word, and its policy
// decides when none came.
func TestUncertainWait(t *testing.T) {
	for _, tt := range []struct {
		name    string
		options jobs.Options
		wait    time.Duration
		due     int // seconds
	}{
		{"as the worker has it", jobs.Options{}, 50 * time.Second, 52},
		{"as the job has it", jobs.Options{UncertainWait: 20 * time.Second}, 50 * time.Second, 22},
		{"no longer than the deadline", jobs.Options{Deadline: at(30)}, 50 * time.Second, 30},
	} {
		t.Run(tt.name, func(t *testing.T) {
			j := apply(t, newJob(t, tt.options), hopeful(1, tt.wait), createFailed(1, jobs.ClassAmbiguous))
			if due, owed := j.Due(jobs.DefaultTiming()); j.State != jobs.StateUncertain || j.Held() || !owed || !due.Equal(at(tt.due)) {
				t.Errorf("%s, held %t, due %s (%t); want it due at %s", j.State, j.Held(), due, owed, at(tt.due))
			}
			if _, err := jobs.Transition(j, jobs.WaitOver{}, j.DecideAt.Add(-time.Millisecond)); err == nil {
				t.Error("the policy decided too early")
			}
		})
	}
	t.Run("where no webhook comes the policy decides at once, whatever the job says", func(t *testing.T) {
		j := apply(t, newJob(t, jobs.Options{UncertainWait: time.Hour}), submit(1), createFailed(1, jobs.ClassAmbiguous))
		if j.State != jobs.StateWaiting || j.Reason != string(jobs.ClassAmbiguous) {
			t.Errorf("%s because of %q", j.State, j.Reason)
		}
	})
	t.Run("a lost worker is waited for, too", func(t *testing.T) {
		j := apply(t, newJob(t, jobs.Options{}), hopeful(1, time.Minute), jobs.WorkerLost{Attempt: 1, Worker: testWorker})
		if j.State != jobs.StateUncertain || j.Held() {
			t.Errorf("%s, held %t", j.State, j.Held())
		}
	})
}

// decided is a job after its wait was in vain.
func decided(t *testing.T, o jobs.Options) jobs.Job {
	t.Helper()
	j := apply(t, newJob(t, o), hopeful(1, time.Minute), createFailed(1, jobs.ClassAmbiguous))
	c, err := jobs.Transition(j, jobs.WaitOver{Delay: 4 * time.Second}, j.DecideAt)
	if err != nil {
		t.Fatal(err)
	}
	return c.Job
}

func TestWaitOver(t *testing.T) {
	if j := decided(t, jobs.Options{}); j.State != jobs.StateWaiting || !j.NotBefore.Equal(at(66)) || j.Reason != string(jobs.ClassAmbiguous) {
		t.Errorf("resubmit: %s, not before %s, because of %q", j.State, j.NotBefore, j.Reason)
	}
	if j := decided(t, jobs.Options{Uncertain: jobs.UncertainHold}); !j.Held() {
		t.Errorf("hold: %s, decides at %s", j.State, j.DecideAt)
	}
	if j := decided(t, jobs.Options{MaxAttempts: 1}); j.State != jobs.StateFailed || j.Failure.Class != jobs.ClassAmbiguous {
		t.Errorf("no attempt left: %s, %+v", j.State, j.Failure)
	}
}

// The provider's word comes while the job waits for it: nothing is asked twice.
func TestWordComesInTime(t *testing.T) {
	j := apply(t, newJob(t, jobs.Options{}), hopeful(1, time.Minute), createFailed(1, jobs.ClassAmbiguous),
		created(1, jobs.StatusCompleted))
	if j.State != jobs.StateSucceeded || len(j.Attempts) != 1 || !cmp.Equal(j.Waste(), jobs.Waste{}) {
		t.Errorf("%s after %d attempts, waste %+v", j.State, len(j.Attempts), j.Waste())
	}
}

func TestReleaseRequested(t *testing.T) {
	j := apply(t, newJob(t, jobs.Options{Uncertain: jobs.UncertainHold, MaxAttempts: 1}),
		submit(1), createFailed(1, jobs.ClassAmbiguous), jobs.ReleaseRequested{})
	if j.State != jobs.StateWaiting || j.Counted() >= j.MaxAttempts {
		t.Fatalf("%s with %d of %d attempts", j.State, j.Counted(), j.MaxAttempts)
	}
	if j = apply(t, j, submit(2), created(2, jobs.StatusQueued)); j.Attempts[1].Reason != string(jobs.ClassAmbiguous) {
		t.Errorf("attempt 2 was made because of %q", j.Attempts[1].Reason)
	}
}

func TestFailRequested(t *testing.T) {
	held := apply(t, newJob(t, jobs.Options{Uncertain: jobs.UncertainHold}), submit(1), createFailed(1, jobs.ClassAmbiguous))
	j := apply(t, held, jobs.FailRequested{Message: "the customer has gone"})
	want := &jobs.Failure{Class: jobs.ClassAmbiguous, Code: "given_up", Message: "the customer has gone"}
	if j.State != jobs.StateFailed || !cmp.Equal(j.Failure, want) || len(j.Waste().Unknown) != 1 {
		t.Errorf("%s, failure %+v, waste %+v", j.State, j.Failure, j.Waste())
	}
}

// TestAdoptNamesTheAttemptsThereAre to who has named another one.
func TestAdoptNamesTheAttemptsThereAre(t *testing.T) {
	fresh := newJob(t, jobs.Options{})
	lost := apply(t, fresh, submit(1), createFailed(1, jobs.ClassAmbiguous), submit(2), createFailed(2, jobs.ClassAmbiguous))
	for want, j := range map[string]jobs.Job{
		"it has no attempt 7 on record; name the one that made the response, of which there is none yet": fresh,
		"it has no attempt 7 on record; name the one that made the response: 1, 2":                       lost,
	} {
		_, err := jobs.Transition(j, jobs.AdoptRequested{Attempt: 7, ResponseID: "resp_x"}, j.Updated.Add(time.Second))
		if refused, ok := errors.AsType[*jobs.RefusedError](err); !ok || refused.Why != want {
			t.Errorf("%v; want %q", err, want)
		}
	}
}

// A response that a person knows of is looked at and becomes the result.
func TestAdoptRequested(t *testing.T) {
	lost := []jobs.Event{submit(1), createFailed(1, jobs.ClassAmbiguous)}
	adopt := jobs.AdoptRequested{ResponseID: responseID(1)}
	for _, tt := range []struct {
		name    string
		options jobs.Options
		events  []jobs.Event
	}{
		{"of a held job", jobs.Options{Uncertain: jobs.UncertainHold}, lost},
		{"of one that failed for want of attempts", jobs.Options{MaxAttempts: 1}, lost},
		{"of one whose response was lost", jobs.Options{}, []jobs.Event{
			submit(1), created(1, jobs.StatusQueued), jobs.ResponseLost{ResponseID: responseID(1), Failure: failure(jobs.ClassLost)},
		}},
		{"of one that was cancelled while its answer was lost", jobs.Options{Uncertain: jobs.UncertainHold}, append(lost, cancel)},
	} {
		t.Run(tt.name, func(t *testing.T) {
			j := apply(t, newJob(t, tt.options), append(tt.events, adopt)...)
			if due, _ := j.Due(jobs.DefaultTiming()); j.State != jobs.StateRunning || j.Current != 1 || due.After(j.Updated) {
				t.Fatalf("%s with attempt %d, due %s", j.State, j.Current, due)
			}
			if j = apply(t, j, looked(1, jobs.StatusCompleted)); j.State != jobs.StateSucceeded || len(j.Waste().Unknown) != 0 {
				t.Errorf("%s, waste %+v", j.State, j.Waste())
			}
		})
	}
	t.Run("a deadline that passed is given anew", func(t *testing.T) {
		j := apply(t, newJob(t, jobs.Options{Deadline: at(3), Uncertain: jobs.UncertainHold}), append(lost, deadline)...)
		c, err := jobs.Transition(j, adopt, at(100))
		if err != nil || !c.Job.Deadline.Equal(at(100).Add(jobs.DefaultDeadline)) {
			t.Errorf("deadline %s, error %v", c.Job.Deadline, err)
		}
	})
	t.Run("another attempt runs: its response is cancelled, and wins if it has completed", func(t *testing.T) {
		j := apply(t, overtaken(t), adopt)
		if !pendingCancel(j, 1) || j.Current != 2 {
			t.Fatalf("attempt %d, owes %+v", j.Current, j.Outbox)
		}
		if j = apply(t, j, cancelled(1, 1, jobs.StatusCompleted)); j.State != jobs.StateSucceeded || j.Current != 1 {
			t.Errorf("%s with attempt %d", j.State, j.Current)
		}
	})
}

// A person may be wrong, and may correct it: a response that turns out to be another's,
// or nobody's, is let go, and the job is held as it was before.
func TestAdoptionIsRefutedAndCorrected(t *testing.T) {
	lost := []jobs.Event{submit(1), createFailed(1, jobs.ClassAmbiguous)}
	held := apply(t, newJob(t, jobs.Options{Uncertain: jobs.UncertainHold}), lost...)
	wrong, right := jobs.AdoptRequested{ResponseID: "resp_wrong"}, jobs.AdoptRequested{ResponseID: responseID(1)}
	adopted := apply(t, held, wrong)
	for owner, code := range map[jobs.ID]string{jobs.NewID(at(0), 1): "response_foreign", "": "response_unknown"} {
		j := apply(t, adopted, jobs.AdoptionRefuted{ResponseID: "resp_wrong", Owner: owner})
		a := j.Attempts[0]
		if !j.Held() || j.Failure.Code != code || a.ResponseID != "" || a.Outcome != jobs.OutcomeUncertain || len(j.Waste().Unknown) != 1 {
			t.Errorf("%s: %s, %+v, %+v", code, j.State, j.Failure, a)
		}
		if j = apply(t, j, right, looked(1, jobs.StatusCompleted)); j.State != jobs.StateSucceeded || j.Failure != nil {
			t.Errorf("%s, corrected: %s, %+v", code, j.State, j.Failure)
		}
	}
	j := apply(t, adopted, right)
	if j.State != jobs.StateRunning || j.Attempts[0].ResponseID != responseID(1) {
		t.Errorf("corrected before anybody looked: %s with %s", j.State, j.Attempts[0].ResponseID)
	}
	stale := jobs.AdoptionRefuted{ResponseID: "resp_wrong"}
	if _, err := jobs.Transition(j, stale, at(9)); !errors.Is(err, jobs.ErrUnchanged) {
		t.Errorf("what is known of the wrong one then: %v", err)
	}
	if j := apply(t, adopted, cancel, jobs.AdoptionRefuted{ResponseID: "resp_wrong"}); j.State != jobs.StateCancelled {
		t.Errorf("cancelled meanwhile: %s", j.State)
	}
}

// What was spent beside the result is told apart from what nobody saw.
func TestWaste(t *testing.T) {
	j := apply(t, overtaken(t), created(1, jobs.StatusInProgress))
	answer := reply(responseID(1), jobs.StatusCancelled)
	answer.Response = withUsage(t, jobs.StatusCancelled)
	j = apply(t, j, jobs.EffectDone{ID: 1, Reply: &answer})
	want := jobs.Waste{Usage: jobs.Usage{InputTokens: 3, OutputTokens: 2, TotalTokens: 5}, Wasted: []int{1}}
	if diff := cmp.Diff(want, j.Waste()); diff != "" {
		t.Errorf("a rival with usage (-want +got):\n%s", diff)
	}
	j = apply(t, overtaken(t), created(1, jobs.StatusInProgress), cancelled(1, 1, jobs.StatusCancelled))
	if diff := cmp.Diff(jobs.Waste{Wasted: []int{1}, Unknown: []int{1}}, j.Waste()); diff != "" {
		t.Errorf("a rival without usage (-want +got):\n%s", diff)
	}
	if diff := cmp.Diff(jobs.Waste{Unknown: []int{1}}, overtaken(t).Waste()); diff != "" {
		t.Errorf("a lost answer (-want +got):\n%s", diff)
	}
}

// What the provider made and nobody could read has a cost that nobody knows.
func TestWasteOfWhatWasNotRead(t *testing.T) {
	big := failure(jobs.ClassOversized)
	for _, tt := range []struct {
		name   string
		events []jobs.Event
	}{
		{"a create's answer over the cap", []jobs.Event{submit(1), createFailed(1, jobs.ClassOversized)}},
		{"a response over the cap", []jobs.Event{submit(1), created(1, jobs.StatusQueued), jobs.ResponseLost{ResponseID: responseID(1), Failure: big}}},
		{"a response that crashed a worker", []jobs.Event{submit(1), created(1, jobs.StatusQueued), jobs.CrashedAlone{Worker: testWorker}}},
		{"a response that is lost", []jobs.Event{submit(1), created(1, jobs.StatusQueued), jobs.ResponseLost{ResponseID: responseID(1), Failure: failure(jobs.ClassLost)}}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			j := apply(t, newJob(t, jobs.Options{}), tt.events...)
			if diff := cmp.Diff(jobs.Waste{Unknown: []int{1}}, j.Waste()); diff != "" {
				t.Errorf("waste (-want +got):\n%s", diff)
			}
		})
	}
}
