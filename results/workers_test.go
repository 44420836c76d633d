package results_test

import (
	"context"
	"log/slog"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/prometheus/client_golang/prometheus"
	"github.com/redis/go-redis/v9"

	"github.com/longhaul-jobs/longhaul/internal/redistest"
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

// A worker whose connections are all busy is no dead worker: heartbeats, and the
// search for those that are silent, go over a client of their own.
func TestHeartbeatsPassABusyPool(t *testing.T) {
	t.Parallel()
	options, err := redis.ParseURL(redistest.URL(t))
	if err != nil {
		t.Fatal(err)
	}
	options.PoolSize, options.ContextTimeoutEnabled = 1, true
	busy, pulse := redis.NewClient(options), redis.NewClient(options)
	t.Cleanup(func() { _, _ = busy.Close(), pulse.Close() })
	store, err := results.Open(t.Context(), busy, results.Config{Pulse: pulse}, slog.New(slog.DiscardHandler), prometheus.NewRegistry())
	if err != nil {
		t.Fatal(err)
	}
	taken := busy.Conn()
	t.Cleanup(func() { _ = taken.Close() })
	if err := taken.Ping(t.Context()).Err(); err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	if err := store.Beat(ctx, results.Worker{ID: "w"}, time.Minute); err != nil {
		t.Errorf("Beat: %v", err)
	}
	if alive, err := store.Alive(ctx); err != nil || !alive["w"] {
		t.Errorf("Alive: %v, %v", alive, err)
	}
	if silent, err := store.TakeOver(ctx, time.Second); err != nil || len(silent) > 0 {
		t.Errorf("TakeOver: %v, %v", silent, err)
	}
	if err := store.Leave(ctx, "w"); err != nil {
		t.Errorf("Leave: %v", err)
	}
	still, cut := context.WithTimeout(t.Context(), 50*time.Millisecond)
	defer cut()
	if _, err := store.Endpoints(still); err == nil {
		t.Error("the pool was not busy")
	}
}
