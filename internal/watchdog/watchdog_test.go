package watchdog_test

import (
	"context"
	"errors"
	"log/slog"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/longhaul-jobs/longhaul/internal/watchdog"
	"github.com/longhaul-jobs/longhaul/jobs"
)

// job is a job in a state, an hour from its deadline.
func job(state jobs.State) jobs.Job {
	now := time.Now()
	return jobs.Job{
		ID: jobs.NewID(now, 0), State: state, Version: 5, Lane: "bulk", Created: now, Updated: now,
		Deadline: now.Add(time.Hour), MaxAttempts: 5, Uncertain: jobs.UncertainResubmit,
	}
}

// intent is a job whose POST the worker has on record.
func intent(worker string) jobs.Job {
	j := job(jobs.StateSubmitting)
	j.Current = 1
	j.Attempts = []jobs.Attempt{{Number: 1, Worker: worker, Endpoint: "default", Started: time.Now()}}
	return j
}

func admitted() jobs.Job {
	j := job(jobs.StateWaiting)
	j.Admitted = time.Now()
	j.Attempts = []jobs.Attempt{{Number: 1, Outcome: jobs.OutcomeFailed}}
	return j
}

func owing() jobs.Job {
	j := job(jobs.StateSucceeded)
	j.Ended = j.Updated
	j.Effects = 3
	j.Outbox = []jobs.Effect{{ID: 3, Kind: jobs.EffectDelete, Endpoint: "default", ResponseID: "resp_1"}}
	return j
}

// TestOverdue goes through the states.
//
// Guarantees: G8, G11.
func TestOverdue(t *testing.T) {
	t.Parallel()
	const never = -time.Second
	late := func(j jobs.Job) jobs.Job { j.Deadline = time.Now(); return j }
	tests := []struct {
		name  string
		job   func() jobs.Job
		state string
		task  string        // what is enqueued, "" for nothing
		due   time.Duration // from now; 0 = not put back
	}{
		{name: "waiting for its turn", job: func() jobs.Job { return job(jobs.StateWaiting) }, state: "waiting", due: time.Hour},
		{name: "waiting, without a deadline", job: func() jobs.Job {
			j := job(jobs.StateWaiting)
			j.Deadline = time.Time{}
			return j
		}, state: "waiting", due: never},
		{name: "waiting, late", job: func() jobs.Job { return late(job(jobs.StateWaiting)) }, state: "expired"},
		{name: "admitted", job: admitted, state: "waiting", task: "submit lane bulk attempt 2 nudge 1", due: 30 * time.Second},
		{name: "admitted, late", job: func() jobs.Job { return late(admitted()) }, state: "expired"},
		{name: "admitted, soon late", job: func() jobs.Job {
			j := admitted()
			j.Deadline = time.Now().Add(time.Second)
			return j
		}, state: "waiting", task: "submit lane bulk attempt 2 nudge 1", due: time.Second},
		{name: "submitting, its worker lives", job: func() jobs.Job { return intent(them) }, state: "submitting", due: 3 * time.Second},
		{name: "submitting, it is our own", job: func() jobs.Job { return intent(us) }, state: "submitting", due: 3 * time.Second},
		{name: "submitting, late: the id comes first", job: func() jobs.Job { return late(intent(them)) }, state: "submitting", due: 3 * time.Second},
		{name: "submitting, its worker is gone", job: func() jobs.Job { return intent("w_gone") }, state: "waiting"},
		{name: "submitting, late, its worker is gone", job: func() jobs.Job { return late(intent("w_gone")) }, state: "expired"},
		{name: "submitting, to be held, its worker is gone", job: func() jobs.Job {
			j := intent("w_gone")
			j.Uncertain = jobs.UncertainHold
			return j
		}, state: "uncertain"},
		{name: "submitting for hours, its worker lives: the answer may wait for Redis in its hands", job: func() jobs.Job {
			j := intent(them)
			j.Attempts[0].Started = time.Now().Add(-3 * time.Hour)
			return j
		}, state: "submitting", due: 3 * time.Second},
		{name: "held", job: func() jobs.Job { return job(jobs.StateUncertain) }, state: "uncertain", due: time.Hour},
		{name: "waiting for the provider's word", job: func() jobs.Job {
			j := intent(us)
			j.State, j.DecideAt = jobs.StateUncertain, time.Now().Add(time.Minute)
			return j
		}, state: "uncertain", due: time.Minute},
		{name: "the provider's word has not come", job: func() jobs.Job {
			j := intent(us)
			j.State, j.DecideAt = jobs.StateUncertain, time.Now()
			j.Attempts[0].Failure = &jobs.Failure{Class: jobs.ClassAmbiguous}
			return j
		}, state: "waiting"},
		{name: "held, late", job: func() jobs.Job { return late(job(jobs.StateUncertain)) }, state: "expired"},
		{name: "waiting, with effects", job: func() jobs.Job {
			j := job(jobs.StateWaiting)
			j.Effects, j.Outbox = 3, owing().Outbox
			return j
		}, state: "waiting", task: "effects 3 nudge 1", due: 30 * time.Second},
		{name: "held, with effects", job: func() jobs.Job {
			j := job(jobs.StateUncertain)
			j.Effects, j.Outbox = 3, owing().Outbox
			return j
		}, state: "uncertain", task: "effects 3 nudge 1", due: 30 * time.Second},
		{name: "admitted, with effects", job: func() jobs.Job {
			j := admitted()
			j.Effects, j.Outbox = 3, owing().Outbox
			return j
		}, state: "waiting", task: "submit lane bulk attempt 2 nudge 1, effects 3 nudge 1", due: 30 * time.Second},
		{name: "ended, with effects", job: owing, state: "succeeded", task: "effects 3 nudge 1", due: 30 * time.Second},
		{
			name: "ended after its deadline, with effects", job: func() jobs.Job { return late(owing()) },
			state: "succeeded", task: "effects 3 nudge 1", due: 30 * time.Second,
		},
		{name: "ended, with effects, to be deleted", job: func() jobs.Job {
			j := owing()
			j.Deleting = true
			return j
		}, state: "succeeded", task: "effects 3 nudge 1", due: 30 * time.Second},
		{name: "to be deleted", job: func() jobs.Job {
			j := job(jobs.StateFailed)
			j.Deleting = true
			return j
		}, state: "gone"},
		{name: "ended", job: func() jobs.Job { return job(jobs.StateFailed) }, state: "failed"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				k := newKennel(slog.New(slog.DiscardHandler))
				k.settle(t)
				k.store.word(them)
				j := k.store.put(tt.job())
				start := time.Now()
				if err := k.dog.Overdue(t.Context(), j); err != nil {
					t.Fatalf("Overdue: %v", err)
				}
				if got := k.store.state(j.ID); got != tt.state {
					t.Errorf("state %s, want %s", got, tt.state)
				}
				if got := strings.Join(k.queue.tasks, ", "); got != tt.task {
					t.Errorf("enqueued %q, want %q", got, tt.task)
				}
				due, back := k.store.due[j.ID]
				switch {
				case back != (tt.due != 0):
					t.Errorf("put back: %t; want %t", back, tt.due != 0)
				case tt.due == never && !due.IsZero():
					t.Errorf("due %v, want never", due)
				case tt.due > 0 && due.Sub(start) != tt.due:
					t.Errorf("due in %v, want %v", due.Sub(start), tt.due)
				}
			})
		})
	}
}

func TestRunningJobsAreThePollers(t *testing.T) {
	t.Parallel()
	k := newKennel(slog.New(slog.DiscardHandler))
	j := k.store.put(job(jobs.StateRunning))
	if err := k.dog.Overdue(t.Context(), j); err == nil {
		t.Error("no error for a running job, which would be leased for nothing")
	}
}

// TestNudgesPassByTheirOrphans enqueues the same job again and again: each task
// has an id of its own, and the waits grow, up to a bound.
//
// Guarantee: G11.
func TestNudgesPassByTheirOrphans(t *testing.T) {
	t.Parallel()
	for name, made := range map[string]func() jobs.Job{"submit": admitted, "effects": owing} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				k := newKennel(slog.New(slog.DiscardHandler))
				j := made()
				j.Deadline = time.Now().Add(1000 * time.Hour)
				j = k.store.put(j)
				// A crash between the two steps costs a number and no task: the number is
				// raised first.
				k.queue.check = func() {
					if now, _ := k.store.job(j.ID); now.Nudge != len(k.queue.tasks)+1 {
						t.Errorf("nudge %d on record when task %d is enqueued", now.Nudge, len(k.queue.tasks)+1)
					}
				}
				seen := make(map[string]bool)
				for n := range 30 {
					if err := k.dog.Overdue(t.Context(), j); err != nil {
						t.Fatal(err)
					}
					want := 15 * time.Second * time.Duration(1+min(n+1, 20))
					if got := time.Until(k.store.due[j.ID]); got != want {
						t.Errorf("after nudge %d the job is due in %v, want %v", n+1, got, want)
					}
					seen[k.queue.tasks[n]] = true
					j, _ = k.store.job(j.ID)
				}
				if len(seen) != 30 {
					t.Errorf("30 nudges made %d different tasks", len(seen))
				}
				if got := k.metric(t, `longhaul_watchdog_nudges_total{state="`+string(j.State)+`"}`); got != 30 {
					t.Errorf("the metric counts %v nudges, want 30", got)
				}
			})
		})
	}
}

func TestJobThatHasMovedOnIsLeftAlone(t *testing.T) {
	t.Parallel()
	for _, made := range []func() jobs.Job{admitted, owing, func() jobs.Job { return intent("w_gone") }} {
		synctest.Test(t, func(t *testing.T) {
			k := newKennel(slog.New(slog.DiscardHandler))
			k.settle(t)
			j := made()
			moved := j
			moved.Version++
			moved.State, moved.Outbox, moved.Ended = jobs.StateCancelled, nil, time.Now()
			k.store.put(moved)
			if err := k.dog.Overdue(t.Context(), j); err != nil {
				t.Errorf("%s: Overdue: %v", j.State, err)
			}
			if got, _ := k.store.job(j.ID); got.Version != moved.Version || len(k.queue.tasks) != 0 {
				t.Errorf("%s: version %d, enqueued %v; want it untouched", j.State, got.Version, k.queue.tasks)
			}
		})
	}
}

func TestErrorsAreReturned(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		k := newKennel(slog.New(slog.DiscardHandler))
		k.settle(t)
		k.queue.err = errAway
		if err := k.dog.Overdue(t.Context(), k.store.put(admitted())); !errors.Is(err, errAway) {
			t.Errorf("the queue is away: %v", err)
		}
		late := job(jobs.StateWaiting)
		late.Deadline = time.Now()
		removed := job(jobs.StateFailed)
		removed.Deleting = true
		k.store.setAway(true)
		defer k.store.setAway(false)
		for _, j := range []jobs.Job{admitted(), owing(), intent(them), late, removed, job(jobs.StateUncertain)} {
			if err := k.dog.Overdue(t.Context(), j); !errors.Is(err, errAway) {
				t.Errorf("%s, and the store is away: %v", j.State, err)
			}
		}
	})
}

// TestSilentWorkerIsTakenForDead lets a worker fall silent: its intent is left to
// it as long as its word is good, and no longer.
//
// Guarantee: G3.
func TestSilentWorkerIsTakenForDead(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		k := newKennel(slog.New(slog.DiscardHandler))
		k.settle(t)
		k.store.word(them)
		j := k.store.put(intent(them))
		spoke := time.Now()
		for k.store.state(j.ID) == string(jobs.StateSubmitting) {
			time.Sleep(100 * time.Millisecond)
			if err := k.dog.Overdue(t.Context(), j); err != nil {
				t.Fatal(err)
			}
		}
		if silent := time.Since(spoke); silent <= deadAfter || silent > deadAfter+1500*time.Millisecond {
			t.Errorf("given up after %v of silence; want %v and at most a second and a half", silent, deadAfter)
		}
		got, _ := k.store.job(j.ID)
		if got.Attempts[0].Outcome != jobs.OutcomeUncertain || got.Attempts[0].Failure.Code != "worker_lost" {
			t.Errorf("attempt %+v; want it uncertain for its worker_lost", got.Attempts[0])
		}
		if n := k.metric(t, "longhaul_watchdog_lost_intents_total"); n != 1 {
			t.Errorf("the metric counts %v lost intents, want 1", n)
		}
	})
}

// TestWorkerThatLeftIsGoneAtOnce does not wait for the silence of a worker that
// has said good-bye.
//
// Guarantee: G3.
func TestWorkerThatLeftIsGoneAtOnce(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		k := newKennel(slog.New(slog.DiscardHandler))
		k.settle(t)
		k.store.word(them)
		j := k.store.put(intent(them))
		if err := k.store.Leave(t.Context(), them); err != nil {
			t.Fatal(err)
		}
		if err := k.dog.Overdue(t.Context(), j); err != nil {
			t.Fatal(err)
		}
		if got := k.store.state(j.ID); got != string(jobs.StateWaiting) {
			t.Errorf("state %s; want the attempt given up", got)
		}
	})
}

// TestRedisThatWasAwayMakesNobodyDead takes Redis away for so long that every
// worker's word runs out. When it is back, the first sweep may come before the
// others had the time to speak: their creates must not be repeated.
//
// Guarantee: G6.
func TestRedisThatWasAwayMakesNobodyDead(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		k := newKennel(slog.New(slog.DiscardHandler))
		k.settle(t)
		k.store.word(them)
		theirs, dead := k.store.put(intent(them)), k.store.put(intent("w_gone"))
		k.store.setAway(true)
		time.Sleep(time.Minute)
		k.store.setAway(false)
		back := time.Now()
		sweep := func() {
			t.Helper()
			for _, j := range []jobs.Job{theirs, dead} {
				if err := k.dog.Overdue(t.Context(), j); err != nil {
					t.Fatal(err)
				}
			}
		}
		for time.Since(back) < heartbeat { // their next heartbeat comes within this
			sweep()
			if k.store.state(theirs.ID) != "submitting" || k.store.state(dead.ID) != "submitting" {
				t.Fatalf("%v after Redis was back an intent was given up", time.Since(back))
			}
			time.Sleep(100 * time.Millisecond)
		}
		for range 10 {
			k.store.word(them)
			time.Sleep(heartbeat)
		}
		sweep()
		if got := k.store.state(theirs.ID); got != "submitting" {
			t.Errorf("the intent of a worker that speaks is %s", got)
		}
		if got := k.store.state(dead.ID); got != "waiting" {
			t.Errorf("the intent of a worker that is gone is %s; want it given up", got)
		}
	})
}

// TestWorkerThatHasJustComeTrustsNoSilence: it may have come with Redis.
func TestWorkerThatHasJustComeTrustsNoSilence(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		k := newKennel(slog.New(slog.DiscardHandler))
		j := k.store.put(intent("w_gone"))
		overdue := func() string {
			t.Helper()
			if err := k.dog.Overdue(t.Context(), j); err != nil {
				t.Fatal(err)
			}
			return k.store.state(j.ID)
		}
		if got := overdue(); got != "submitting" {
			t.Errorf("before the first heartbeat the intent is %s", got)
		}
		k.run(t)
		time.Sleep(deadAfter - time.Millisecond)
		if got := overdue(); got != "submitting" {
			t.Errorf("too early the intent is %s", got)
		}
		time.Sleep(time.Millisecond)
		if got := overdue(); got != "waiting" {
			t.Errorf("in the end the intent is %s; want it given up", got)
		}
	})
}

// TestOwnWordThatIsLost: whoever asks lives, whatever Redis says.
func TestOwnWordThatIsLost(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		k := newKennel(slog.New(slog.DiscardHandler))
		k.settle(t)
		if err := k.store.Leave(t.Context(), us); err != nil {
			t.Fatal(err)
		}
		j := k.store.put(intent(us))
		if err := k.dog.Overdue(t.Context(), j); err != nil {
			t.Fatal(err)
		}
		if got := k.store.state(j.ID); got != "submitting" {
			t.Errorf("our own intent is %s", got)
		}
	})
}

// TestSweepAsksOnceForTheLiving keeps a sweep over many intents cheap, and lets
// no worker be missed that came after the answer.
func TestSweepAsksOnceForTheLiving(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		k := newKennel(slog.New(slog.DiscardHandler))
		k.settle(t)
		k.store.word(them)
		var intents []jobs.Job
		for range 100 {
			intents = append(intents, k.store.put(intent(them)))
		}
		time.Sleep(time.Millisecond)
		for _, j := range intents {
			if err := k.dog.Overdue(t.Context(), j); err != nil {
				t.Fatal(err)
			}
		}
		if k.store.asked != 1 {
			t.Errorf("asked %d times for the living, want once", k.store.asked)
		}
		k.store.word("w_new")
		j := k.store.put(intent("w_new"))
		if err := k.dog.Overdue(t.Context(), j); err != nil {
			t.Fatal(err)
		}
		if got := k.store.state(j.ID); got != "submitting" {
			t.Errorf("the intent of a worker that has just come is %s", got)
		}
	})
}

// Only a worker whose word has run out, told by one whose own is steady, is gone.
func TestGone(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		k := newKennel(slog.New(slog.DiscardHandler))
		k.store.word(them)
		if gone, err := k.dog.Gone(t.Context(), "w_gone"); err != nil || gone {
			t.Errorf("before our own heartbeats are steady: %t, %v", gone, err)
		}
		k.settle(t)
		k.store.word(them)
		for worker, want := range map[string]bool{us: false, them: false, "w_gone": true} {
			if gone, err := k.dog.Gone(t.Context(), worker); err != nil || gone != want {
				t.Errorf("%s is gone: %t, %v; want %t", worker, gone, err, want)
			}
		}
		k.store.setAway(true)
		time.Sleep(2 * time.Second)
		if _, err := k.dog.Gone(t.Context(), "w_gone"); err == nil {
			t.Error("no error while Redis is away")
		}
	})
}

// An intent of this worker whose create is over and whose outcome nobody knows any
// more is not waited for: Redis has forgotten what came of it.
func TestForgottenIntentOfOurs(t *testing.T) {
	t.Parallel()
	for known, want := range map[bool]string{true: "submitting", false: "waiting"} {
		synctest.Test(t, func(t *testing.T) {
			k := newKennelWith(slog.New(slog.DiscardHandler), func(c *watchdog.Config) {
				c.Resume = func(context.Context, jobs.Job) (bool, error) { return known, nil }
			})
			k.settle(t)
			j := k.store.put(intent(us))
			if err := k.dog.Overdue(t.Context(), j); err != nil {
				t.Fatal(err)
			}
			if got := k.store.state(j.ID); got != want {
				t.Errorf("known %t: %s, want %s", known, got, want)
			}
		})
	}
}
