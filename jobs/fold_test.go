package jobs_test

import (
	"testing"
	"time"

	"github.com/longhaul-jobs/longhaul/jobs"
)

// refuse plays one attempt that the provider refuses, or that never reaches it.
func refuse(t *testing.T, j jobs.Job, class jobs.Class, now time.Time) jobs.Job {
	t.Helper()
	j.Admitted = now
	n := j.NextAttempt()
	for _, ev := range []jobs.Event{
		jobs.SubmitStarted{Attempt: n, Worker: "w", Endpoint: "default"},
		jobs.CreateFailed{Attempt: n, Failure: jobs.Failure{Class: class}},
	} {
		change, err := jobs.Transition(j, ev, now)
		if err != nil {
			t.Fatalf("%s of attempt %d: %v", ev.Name(), n, err)
		}
		j = change.Job
	}
	return j
}

// TestADayWithoutAKeyIsOneEntry refuses a job for a whole day: its record does
// not grow, its attempts are numbered on, and its budget is whole.
func TestADayWithoutAKeyIsOneEntry(t *testing.T) {
	now := time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)
	j := jobs.New(jobs.NewID(now, 0), jobs.Request{Raw: []byte(`{}`), Model: "m"}, jobs.Options{MaxAttempts: 1, Deadline: now.Add(48 * time.Hour)}, now)
	const times = 1440
	for range times {
		now = now.Add(time.Minute)
		j = refuse(t, j, jobs.ClassUnauthorized, now)
	}
	if len(j.Attempts) != 1 || j.Attempts[0].Repeats != times-1 || !j.Attempts[0].Ended.Equal(now) {
		t.Errorf("%d entries, the first repeated %d times until %v", len(j.Attempts), j.Attempts[0].Repeats, j.Attempts[0].Ended)
	}
	if j.NextAttempt() != times+1 || j.Counted() != 0 || j.FailuresInRow() != times {
		t.Errorf("next attempt %d, %d counted, %d failures in a row; want %d, 0, %d", j.NextAttempt(), j.Counted(), j.FailuresInRow(), times+1, times)
	}
	if raw, err := j.Encode(); err != nil || len(raw) > 2000 {
		t.Errorf("the record has %d bytes, %v", len(raw), err)
	}
}

// TestOnlyLikeIsFolded keeps apart what differs, and what may have cost.
func TestOnlyLikeIsFolded(t *testing.T) {
	now := time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)
	j := jobs.New(jobs.NewID(now, 0), jobs.Request{Raw: []byte(`{}`), Model: "m"}, jobs.Options{MaxAttempts: 9}, now)
	for _, class := range []jobs.Class{
		jobs.ClassRateLimited, jobs.ClassRateLimited, jobs.ClassUnauthorized, jobs.ClassAmbiguous, jobs.ClassAmbiguous,
		jobs.ClassUnavailable, jobs.ClassUnavailable, jobs.ClassUnreachable, jobs.ClassUnreachable,
	} {
		j = refuse(t, j, class, now)
	}
	var numbers []int
	for _, a := range j.Attempts {
		numbers = append(numbers, a.Number)
	}
	want := []int{1, 3, 4, 5, 6, 7, 8}
	if len(numbers) != len(want) {
		t.Fatalf("attempts %v, want %v", numbers, want)
	}
	for i := range want {
		if numbers[i] != want[i] {
			t.Fatalf("attempts %v, want %v", numbers, want)
		}
	}
	if j.Counted() != 4 {
		t.Errorf("%d counted, want the four that were not free", j.Counted())
	}
}

// TestOwedEffectsAreDueInEveryState has a cancel owed by a job that waits until
// tomorrow: the cancel does not.
func TestOwedEffectsAreDueInEveryState(t *testing.T) {
	now := time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)
	timing := jobs.DefaultTiming()
	for _, state := range jobs.States() {
		j := jobs.Job{State: state, Updated: now, Deadline: now.Add(24 * time.Hour), LookAt: now, Outbox: []jobs.Effect{{ID: 1}}}
		at, owed := j.Due(timing)
		if !owed || at.After(now.Add(timing.Submit)) {
			t.Errorf("%s: due at %v, %t; want it within %v", state, at, owed, timing.Submit)
		}
	}
}
