package results_test

import (
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/longhaul-jobs/longhaul/results"
)

func TestWorkersAreAliveUntilTheirWordRunsOut(t *testing.T) {
	t.Parallel()
	onEach(t, results.Config{}, func(t *testing.T, h *harness) {
		ctx := t.Context()
		expect := func(when string, want ...results.Worker) {
			t.Helper()
			workers, err := h.Workers(ctx)
			if err != nil {
				t.Fatalf("Workers: %v", err)
			}
			if diff := cmp.Diff(want, workers); diff != "" {
				t.Errorf("%s, workers (-want +got):\n%s", when, diff)
			}
			alive, err := h.Alive(ctx)
			if err != nil {
				t.Fatalf("Alive: %v", err)
			}
			ids := map[string]bool{}
			for _, w := range want {
				ids[w.ID] = true
			}
			if diff := cmp.Diff(ids, alive); diff != "" {
				t.Errorf("%s, living ids (-want +got):\n%s", when, diff)
			}
		}
		beat := func(w results.Worker, living time.Duration) {
			t.Helper()
			if err := h.Beat(ctx, w, living); err != nil {
				t.Fatalf("Beat: %v", err)
			}
		}
		a := results.Worker{
			ID: "a", Host: "host", PID: 1, Version: "v1", Started: h.Now().Truncate(time.Second),
			Lanes: []string{"default"}, Endpoints: []string{"openai"},
		}
		b := results.Worker{ID: "b", Host: "host", PID: 2, Started: a.Started}

		expect("at first")
		beat(b, 20*time.Minute)
		beat(a, 10*time.Minute)
		expect("both", a, b)
		h.ShiftClock(9 * time.Minute)
		expect("before a's word runs out", a, b)
		h.ShiftClock(2 * time.Minute)
		expect("after it", b)
		a.Lanes = []string{"default", "slow"}
		beat(a, 10*time.Minute)
		expect("a is back, with another lane", a, b)
		if err := h.Leave(ctx, "b"); err != nil {
			t.Fatalf("Leave: %v", err)
		}
		expect("b has left", a)
		if err := h.Leave(ctx, "nobody"); err != nil {
			t.Errorf("Leave of a worker that is not there: %v", err)
		}
		h.ShiftClock(24*time.Hour + 11*time.Minute)
		expect("long after")
		if n := h.rdb.Exists(ctx, "longhaul:{workers}:alive").Val(); n != 0 {
			t.Error("workers that have been silent for a day are kept")
		}
	})
}

func TestWhatAWorkerSaysOfItselfIsNotKeptForEver(t *testing.T) {
	t.Parallel()
	onEach(t, results.Config{}, func(t *testing.T, h *harness) {
		if err := h.Beat(t.Context(), results.Worker{ID: "a"}, time.Minute); err != nil {
			t.Fatal(err)
		}
		ttl := h.rdb.TTL(t.Context(), "longhaul:{workers}:worker:a").Val()
		if ttl <= time.Minute || ttl > 2*time.Minute {
			t.Errorf("it is kept for %v, want up to two minutes", ttl)
		}
	})
}
