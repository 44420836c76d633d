package watchdog_test

import (
	"log/slog"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/longhaul-jobs/longhaul/internal/testlog"
)

// since are the times as durations from the start.
func since(start time.Time, times []time.Time) []time.Duration {
	var list []time.Duration
	for _, at := range times {
		list = append(list, at.Sub(start))
	}
	return list
}

// TestRun counts what a watchdog does by itself in 61 seconds.
//
// Guarantee: G14.
func TestRun(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		k := newKennel(slog.New(slog.DiscardHandler))
		start := time.Now()
		k.run(t)
		if beats := k.store.heartbeats(); len(beats) != 1 {
			t.Errorf("%d heartbeats before the worker begins, want one", len(beats))
		}
		time.Sleep(61 * time.Second)
		synctest.Wait()
		k.store.mu.Lock()
		defer k.store.mu.Unlock()
		var beats []time.Duration
		for at := time.Duration(0); at <= 61*time.Second; at += heartbeat {
			beats = append(beats, at)
		}
		var tens []time.Duration
		for at := 10 * time.Second; at <= time.Minute; at += 10 * time.Second {
			tens = append(tens, at)
		}
		for _, check := range []struct {
			what string
			want []time.Duration
			got  []time.Time
		}{
			{"heartbeats", beats, k.store.beats},
			{"audits", tens, k.store.audits},
			{"expiries", tens, k.store.expiry},
			{"sweeps of blobs", tens, k.store.sweeps},
			{"searches for stray blobs", []time.Duration{time.Minute}, k.store.strays},
			{"comparisons of the clock", []time.Duration{30 * time.Second, time.Minute}, k.store.clocks},
		} {
			if diff := cmp.Diff(check.want, since(start, check.got)); diff != "" {
				t.Errorf("%s (-want +got):\n%s", check.what, diff)
			}
		}
		if k.store.limit < 1 {
			t.Errorf("at most %d jobs are expired at once", k.store.limit)
		}
	})
}

// TestRunGoesOnWithoutRedis wants nothing to end, and words for what could not
// be done.
func TestRunGoesOnWithoutRedis(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		log := &testlog.Buffer{}
		k := newKennel(slog.New(slog.NewTextHandler(log, nil)))
		k.store.setAway(true)
		k.run(t)
		time.Sleep(61 * time.Second)
		k.store.setAway(false)
		synctest.Wait()
		for _, want := range []string{"heartbeat not written", "audit not finished", "ended jobs not expired", "blobs of forgotten jobs not deleted", "search for stray blobs not finished", "clock not compared"} {
			if !strings.Contains(log.String(), want) {
				t.Errorf("the log does not say %q", want)
			}
		}
		time.Sleep(heartbeat)
		synctest.Wait()
		if len(k.store.heartbeats()) == 0 {
			t.Error("no heartbeat after Redis was back")
		}
	})
}

func TestWhatWasFoundIsCounted(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		log := &testlog.Buffer{}
		k := newKennel(slog.New(slog.NewTextHandler(log, nil)))
		k.store.repairs, k.store.expired, k.store.swept, k.store.stray = 3, 5, 7, 2
		k.run(t)
		time.Sleep(121 * time.Second) // two rounds, the second of which finds nothing
		synctest.Wait()
		if n := k.metric(t, "longhaul_watchdog_repaired_total"); n != 3 {
			t.Errorf("%v repaired entries are counted, want 3", n)
		}
		if n := k.metric(t, "longhaul_watchdog_expired_total"); n != 5 {
			t.Errorf("%v expired jobs are counted, want 5", n)
		}
		if n := k.metric(t, "longhaul_watchdog_swept_total"); n != 7 {
			t.Errorf("blobs of %v jobs are counted, want those of 7", n)
		}
		if n := k.metric(t, "longhaul_watchdog_strays_total"); n != 2 {
			t.Errorf("strays of %v jobs are counted, want those of 2", n)
		}
		if n := strings.Count(log.String(), "level=ERROR"); n != 1 {
			t.Errorf("%d errors in the log, want one: somebody has to find out who wrote to our keys\n%s", n, log.String())
		}
	})
}

// TestLeave takes the word back that Run has given.
//
// Guarantee: G4.
func TestLeave(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		k := newKennel(slog.New(slog.DiscardHandler))
		k.run(t)
		if alive, err := k.store.Alive(t.Context()); err != nil || !alive[us] {
			t.Fatalf("alive: %v, %v; want this worker", alive, err)
		}
		if err := k.dog.Leave(t.Context()); err != nil {
			t.Fatal(err)
		}
		if alive, err := k.store.Alive(t.Context()); err != nil || alive[us] {
			t.Errorf("alive after leaving: %v, %v", alive, err)
		}
	})
}
