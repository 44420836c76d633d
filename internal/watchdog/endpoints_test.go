package watchdog_test

import (
	"log/slog"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/longhaul-jobs/longhaul/internal/testlog"
	"github.com/longhaul-jobs/longhaul/jobs"
	"github.com/longhaul-jobs/longhaul/results"
)

// owingAt is a job that owes an effect at each endpoint.
func owingAt(endpoints ...string) jobs.Job {
	j := owing()
	j.Outbox, j.Effects = nil, len(endpoints)
	for i, endpoint := range endpoints {
		j.Outbox = append(j.Outbox, jobs.Effect{ID: i + 1, Kind: jobs.EffectCancel, Endpoint: endpoint, ResponseID: "resp_1"})
	}
	return j
}

// TestUnservedEffectsAreEnqueuedOnce overdues jobs with effects again and again:
// at an endpoint without a worker there is one task, and at any other one for each
// time.
//
// Guarantee: G15.
func TestUnservedEffectsAreEnqueuedOnce(t *testing.T) {
	t.Parallel()
	patience := timing().Patience(1000)
	tests := []struct {
		name  string
		job   func() jobs.Job
		tasks []string
		due   time.Duration // after the last time
	}{
		{"served", func() jobs.Job { return owingAt("here") }, []string{
			"effects 1 nudge 1 at here", "effects 1 nudge 2 at here", "effects 1 nudge 3 at here",
		}, timing().Patience(3)},
		{"unserved", func() jobs.Job { return owingAt("gone") }, []string{"effects 1 nudge 1 at gone"}, patience},
		{"unserved, never heard of", func() jobs.Job { return owingAt("unknown") }, []string{"effects 1 nudge 1 at unknown"}, patience},
		{"one of each", func() jobs.Job { return owingAt("gone", "here") }, []string{
			"effects 2 nudge 1 at gone at here", "effects 2 nudge 2 at here", "effects 2 nudge 3 at here",
		}, timing().Patience(3)},
		{"unserved, admitted", func() jobs.Job {
			j := admitted()
			j.Effects, j.Outbox = 1, owingAt("gone").Outbox
			return j
		}, []string{
			"submit lane bulk attempt 2 nudge 1", "effects 1 nudge 1 at gone",
			"submit lane bulk attempt 2 nudge 2", "submit lane bulk attempt 2 nudge 3",
		}, timing().Patience(3)},
		{"unserved, held until a decision", func() jobs.Job {
			j := intent(us)
			j.State, j.DecideAt = jobs.StateUncertain, time.Now().Add(time.Minute)
			j.Effects, j.Outbox = 1, owingAt("gone").Outbox
			return j
		}, []string{"effects 1 nudge 1 at gone"}, time.Minute},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				k := newKennel(slog.New(slog.DiscardHandler))
				k.store.use(results.EndpointUse{Name: "here", Served: true})
				k.store.use(results.EndpointUse{Name: "gone"})
				j := k.store.put(tt.job())
				start := time.Now()
				for range 3 {
					j, _ = k.store.job(j.ID)
					if err := k.dog.Overdue(t.Context(), j); err != nil {
						t.Fatalf("Overdue: %v", err)
					}
				}
				if got, want := strings.Join(k.queue.tasks, ", "), strings.Join(tt.tasks, ", "); got != want {
					t.Errorf("enqueued %q, want %q", got, want)
				}
				if due := k.store.due[j.ID].Sub(start); due != tt.due {
					t.Errorf("due in %v, want %v", due, tt.due)
				}
				k.store.setAway(true)
				if err := k.dog.Overdue(t.Context(), j); err == nil {
					t.Error("no error while Redis is away")
				}
			})
		})
	}
}

// TestUnservedEndpointIsSaidOnce watches an endpoint lose its workers and find
// them again: the log has one line at each turn, whatever goes on in between.
//
// Guarantee: G15.
func TestUnservedEndpointIsSaidOnce(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		log := &testlog.Buffer{}
		k := newKennel(slog.New(slog.NewTextHandler(log, nil)))
		k.store.use(results.EndpointUse{Name: "here", Served: true, Running: 7})
		k.store.use(results.EndpointUse{Name: "idle"})
		k.settle(t)
		said := 0
		expect := func(when string, words ...string) {
			t.Helper()
			time.Sleep(31 * time.Second)
			synctest.Wait()
			text := log.String()[said:]
			said += len(text)
			lines := strings.Count(text, "endpoint")
			for _, word := range words {
				if !strings.Contains(text, word) {
					lines = -1
				}
			}
			if (len(words) == 0) != (lines == 0) || lines < 0 || strings.Count(text, "\n") > 1 {
				t.Errorf("%s the log says %q, want one line with %q", when, text, words)
			}
		}
		expect("at first")
		k.store.use(results.EndpointUse{Name: "gone", Running: 3})
		expect("when it is gone", "level=ERROR", "served by no worker", "endpoint=gone", "responses=3")
		k.store.use(results.EndpointUse{Name: "gone", Running: 4})
		expect("while it is gone")
		k.store.use(results.EndpointUse{Name: "gone", Served: true, Running: 4})
		expect("when it is back", "level=INFO", "served again", "endpoint=gone")
		k.store.use(results.EndpointUse{Name: "gone"})
		expect("when it is gone with nothing to do")
		k.queue.mu.Lock()
		k.queue.waiting = map[string]int{"gone": 2}
		k.queue.mu.Unlock()
		expect("when effects wait", "level=ERROR", "endpoint=gone", "responses=0", "effects=2")
		k.queue.mu.Lock()
		k.queue.waiting = nil
		k.queue.mu.Unlock()
		expect("when nothing waits", "level=INFO", "nothing waits", "endpoint=gone")
	})
}

// TestRedisThatWasAwayMakesNoEndpointUnserved has the words of all workers run out
// while nobody could give any.
func TestRedisThatWasAwayMakesNoEndpointUnserved(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		log := &testlog.Buffer{}
		k := newKennel(slog.New(slog.NewTextHandler(log, nil)))
		k.settle(t)
		k.store.setAway(true)
		time.Sleep(19*time.Second - deadAfter)
		k.store.use(results.EndpointUse{Name: "default", Running: 3})
		k.store.setAway(false)
		time.Sleep(3 * time.Second) // a look at the endpoints is among them
		k.store.use(results.EndpointUse{Name: "default", Served: true, Running: 3})
		time.Sleep(time.Minute)
		synctest.Wait()
		if strings.Contains(log.String(), "served by no worker") {
			t.Errorf("the log calls an endpoint unserved:\n%s", log)
		}
	})
}
