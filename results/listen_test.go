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

// TestListenerIsToldOfAJobThatComesFirst has planned jobs in the lane, which are all
// that the listener knows of, and jobs that come before them.
func TestListenerIsToldOfAJobThatComesFirst(t *testing.T) {
	t.Parallel()
	onEach(t, results.Config{Shards: 1}, func(t *testing.T, h *harness) {
		l := h.listener()
		planned := h.accept(jobs.Options{NotBefore: h.Now().Add(2 * time.Hour)})
		eventually(t, "the lane is asked", func() bool { l.admit(); return l.Expects(jobs.DefaultLane) == planned.NotBefore.UnixMilli() })
		sooner := h.accept(jobs.Options{NotBefore: h.Now().Add(time.Hour)})
		eventually(t, "one that is planned for an earlier time is known", func() bool { l.admit(); return l.Expects(jobs.DefaultLane) == sooner.NotBefore.UnixMilli() })
		now := h.accept(jobs.Options{})
		eventually(t, "one that need not wait is admitted", func() bool {
			got := l.admit()
			return len(got) == 1 && got[0].Job == now.ID
		})
	})
}

// TestOnlyTheFirstJobIsTold publishes nothing for jobs whose lane is asked in time
// anyway.
func TestOnlyTheFirstJobIsTold(t *testing.T) {
	t.Parallel()
	h := onURL(t, redistest.Start(t).URL(), results.Config{Shards: 1})
	channel := h.prefix() + ":pokes"
	sub := h.rdb.Subscribe(t.Context(), channel)
	t.Cleanup(func() { _ = sub.Close() })
	// told counts what was published since it was called last.
	told := func() (n int) {
		if err := h.rdb.Publish(t.Context(), channel, "end").Err(); err != nil {
			t.Fatal(err)
		}
		for ; ; n++ {
			message, err := sub.ReceiveMessage(t.Context())
			if err != nil {
				t.Fatal(err)
			}
			if message.Payload == "end" {
				return n
			}
		}
	}
	if _, err := sub.Receive(t.Context()); err != nil { // that it is subscribed
		t.Fatal(err)
	}
	in := func(d time.Duration) jobs.Options { return jobs.Options{NotBefore: h.Now().Add(d)} }
	for _, step := range []struct {
		name    string
		options jobs.Options
		want    int
	}{
		{"the first of all", in(time.Hour), 1},
		{"a later one", in(2 * time.Hour), 0},
		{"an earlier one", in(time.Minute), 1},
		{"one for now", jobs.Options{}, 1},
		{"another one for now", jobs.Options{}, 0},
	} {
		h.accept(step.options)
		if got := told(); got != step.want {
			t.Errorf("%s: told %d times, want %d", step.name, got, step.want)
		}
	}
	if _, err := h.Admit(t.Context(), jobs.DefaultLane, 1); err != nil { // the other one for now is ready
		t.Fatal(err)
	}
	h.accept(jobs.Options{})
	if got := told(); got != 0 {
		t.Errorf("told %d times of a job behind others that wait for room, want 0", got)
	}
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
	j := h.in(jobs.StateRunning, jobs.Options{})
	l := h.listener() // after what others were told on the job's own way here
	eventually(t, "the job is claimed", func() bool { return len(l.claim(time.Minute)) == 1 })
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
