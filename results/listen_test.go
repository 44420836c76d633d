package results_test

import (
	"context"
	"testing"
	"time"

	"github.com/longhaul-jobs/longhaul/internal/redistest"
	"github.com/longhaul-jobs/longhaul/jobs"
	"github.com/longhaul-jobs/longhaul/results"
)

// listener is a second store on the installation, which asks for nothing but what
// it knows or is told of.
func (h *harness) listener() *harness {
	h.t.Helper()
	l := h.another()
	l.Trust()
	ctx, stop := context.WithCancel(h.t.Context())
	done := make(chan error, 1)
	go func() { done <- l.Listen(ctx) }()
	h.t.Cleanup(func() {
		stop()
		if err := <-done; err != nil {
			h.t.Errorf("Listen: %v", err)
		}
	})
	eventually(h.t, "it hears the others", l.Heard)
	return l
}

func eventually(tb testing.TB, what string, is func() bool) {
	tb.Helper()
	for deadline := time.Now().Add(20 * time.Second); !is(); {
		if time.Now().After(deadline) {
			tb.Fatalf("not so after 20 s: %s", what)
		}
		time.Sleep(time.Millisecond)
	}
}

// TestIdleListenerAsksForNothing takes a server of its own: channels are not
// divided by database, so other tests would be heard.
func TestIdleListenerAsksForNothing(t *testing.T) {
	t.Parallel()
	h := onURL(t, redistest.Start(t).URL(), results.Config{})
	for range 100 {
		h.accept(jobs.Options{NotBefore: h.Now().Add(time.Hour)})
	}
	l := h.listener()
	round := func() {
		t.Helper()
		if n := len(l.claim(time.Minute)); n != 0 {
			t.Errorf("claimed %d jobs", n)
		}
		if n := len(l.admit()); n != 0 {
			t.Errorf("admitted %d jobs", n)
		}
	}
	round()
	before := l.loser.sent()
	for range 1000 {
		round()
	}
	if n := l.loser.sent() - before; n != 0 {
		t.Errorf("sent %d scripts", n)
	}
	l.ShiftClock(time.Hour + time.Second)
	if n := len(l.admit()); n != 100 {
		t.Errorf("admitted %d jobs when their time had come, want 100", n)
	}
}

// TestListenerIsToldWhatOthersMakeDue goes through all that a process which is no
// worker can make due at once.
func TestListenerIsToldWhatOthersMakeDue(t *testing.T) {
	t.Parallel()
	onEach(t, results.Config{}, func(t *testing.T, h *harness) {
		l := h.listener()
		admitted := func(id jobs.ID) func() bool {
			return func() bool {
				got := l.admit()
				return len(got) == 1 && got[0].Job == id
			}
		}
		claimed := func(id jobs.ID) func() bool {
			return func() bool { return l.claim(time.Minute)[id].ID != "" }
		}
		running, ended := h.in(jobs.StateRunning, jobs.Options{}), h.in(jobs.StateSucceeded, jobs.Options{})
		l.admit()
		l.claim(time.Minute)

		accepted := h.accept(jobs.Options{})
		eventually(t, "a new job is admitted", admitted(accepted.ID))
		h.step(running.ID, jobs.StopRequested{Reason: jobs.StopCancel})
		eventually(t, "a cancelled job is looked at", claimed(running.ID))
		h.step(ended.ID, jobs.DeleteRequested{Remote: true})
		eventually(t, "a deletion is taken up", claimed(ended.ID))
		again := h.in(jobs.StateFailed, jobs.Options{})
		h.step(again.ID, jobs.RetryRequested{})
		eventually(t, "a retry is admitted", admitted(again.ID))
		given := h.in(jobs.StateRunning, jobs.Options{})
		h.settle(results.Settlement{Job: h.load(given.ID), Due: h.Now()})
		eventually(t, "a look that is given back is taken up", claimed(given.ID))
	})
}

// TestListenerKnowsWhatItHasWritten needs nobody to tell it.
func TestListenerKnowsWhatItHasWritten(t *testing.T) {
	t.Parallel()
	onEach(t, results.Config{Shards: 1}, func(t *testing.T, h *harness) {
		l := h.listener()
		l.claim(time.Minute)
		later := l.Now().Add(time.Minute)
		for range 3 {
			l.accept(jobs.Options{})
		}
		var first results.Admission
		eventually(t, "the first is admitted", func() bool {
			got, err := l.Admit(t.Context(), jobs.DefaultLane, 1)
			if err != nil {
				t.Fatal(err)
			}
			if len(got) == 1 {
				first = got[0]
			}
			return len(got) == 1
		})
		l.step(first.Job, jobs.SubmitStarted{Attempt: 1, Worker: "w", Endpoint: "e"})
		// One has made room for the next.
		if got, err := l.Admit(t.Context(), jobs.DefaultLane, 1); err != nil || len(got) != 1 || got[0].Job == first.Job {
			t.Errorf("admitted %v, %v; want another one", got, err)
		}
		l.step(first.Job, jobs.Created{Attempt: 1, Reply: reply(t, "resp_1", jobs.StatusQueued), FirstLook: later})
		l.ShiftClock(time.Minute + time.Second)
		due, err := l.ClaimLooks(t.Context(), map[string]int{"e": 10}, time.Minute)
		if err != nil || len(due) != 1 || due[0].ID != first.Job {
			t.Fatalf("claimed %v, %v; want the look at the first", due, err)
		}
		if _, err := l.Settle(t.Context(), results.Settlement{Job: due[0], Due: l.Now().Add(time.Second)}); err != nil {
			t.Fatal(err)
		}
		l.ShiftClock(2 * time.Second)
		if due, err := l.ClaimLooks(t.Context(), map[string]int{"e": 10}, time.Minute); err != nil || len(due) != 1 {
			t.Errorf("claimed %v, %v; want the look that was put back", due, err)
		}
	})
}

// TestListenerThatWasCutOffBelievesNothing loses its connection, and with it what
// it was told meanwhile.
func TestListenerThatWasCutOffBelievesNothing(t *testing.T) {
	t.Parallel()
	h := onURL(t, redistest.Start(t).URL(), results.Config{})
	l := h.listener()
	j := h.in(jobs.StateRunning, jobs.Options{})
	l.claim(time.Minute)
	h.rdb.ZAdd(t.Context(), h.key(j.ID, "looks:"+j.Attempts[0].Endpoint), z(1, string(j.ID))) // nobody says so
	for range 10 {
		if n := len(l.claim(time.Minute)); n != 0 {
			t.Fatalf("claimed %d jobs; want the test to begin with none", n)
		}
	}
	if err := h.rdb.ClientKillByFilter(t.Context(), "TYPE", "pubsub").Err(); err != nil {
		t.Fatal(err)
	}
	eventually(t, "the look is found", func() bool { return len(l.claim(time.Minute)) == 1 })
}
