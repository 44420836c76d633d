//go:build chaos

package chaos_test

import (
	"context"
	"errors"
	"fmt"
	"testing"
	"time"

	"github.com/redis/go-redis/v9"

	"github.com/longhaul-jobs/longhaul/internal/installation"
	"github.com/longhaul-jobs/longhaul/internal/redistest"
	"github.com/longhaul-jobs/longhaul/jobs"
)

// TestSentinelFailovers kills the master of a Sentinel set under two workers with
// creates in flight, and then the one that took its place. Replication is
// asynchronous: all jobs end, and creates that are on no record are as few as were
// in flight in the last moments of a master. Where an intent has to be on the
// replica first, no create is forgotten.
//
// Guarantees: G1, G5.
func TestSentinelFailovers(t *testing.T) {
	t.Parallel()
	for i, how := range []string{"as it comes", "redis.wait_replicas 1"} {
		t.Run(how, func(t *testing.T) {
			t.Parallel()
			const n, workers, kills, lane = 1500, 2, 2, 32
			r := tell(t, 36+i, "Sentinel fails over", fmt.Sprintf("%d times under two workers, %d jobs, %s", kills, n, how))
			sentinels := redistest.StartSentinelsWith(t, redistest.SentinelConfig{AppendDirs: []string{t.TempDir(), t.TempDir()}})
			in := installation.NewOn(t, sentinels.URL(), "--simulator-queued", "500ms", "--simulator-running", "2s")
			in.Faults(`{"rules":[{"match":{"op":"create"},"action":{"delay":"2s","accept":true}}]}`)
			ids := in.SubmitMany(n, question, jobs.Options{})
			replicated(t, sentinels)
			environ := []string{fmt.Sprintf(`LONGHAUL_LANES={"default":{"concurrency":%d}}`, lane)}
			if how != "as it comes" {
				environ = append(environ, "LONGHAUL_REDIS_WAIT_REPLICAS=1")
			}
			var all []*installation.Process
			for range workers {
				all = append(all, in.Worker(environ...))
			}
			inFlight := 0
			for range kills {
				in.WaitCount(jobs.StateRunning, 30)
				in.WaitCount(jobs.StateSubmitting, 10)
				counts, err := in.Store.Counts(t.Context(), "")
				if err != nil {
					t.Fatal(err)
				}
				inFlight += int(counts[jobs.StateSubmitting])
				master := sentinels.Master()
				master.Kill()
				sentinels.WaitForFailover(master)
				// Once everybody is at the new master the old one comes back, as its
				// replica: without one, intents that wait for a replica wait on.
				in.WaitCount(jobs.StateSucceeded, counts[jobs.StateSucceeded]+10)
				master.Restart()
				replicated(t, sentinels)
			}
			ended := in.WaitAll(ids, 5*time.Minute)
			a := installation.Compare(ended, in.Ledger())
			uncertain := uncertain(t, ended)
			forgotten := max(0, a.Unrecorded-uncertain)
			if how == "as it comes" {
				if forgotten > kills*workers*lane {
					t.Errorf("%d creates are on no record; at most %d can have been in flight when a master died", forgotten, kills*workers*lane)
				}
				a.Problems = nil // which are those
			} else if forgotten > 0 {
				t.Errorf("%d creates are on no record, and their intents were on the replica", forgotten)
			}
			r.add(t, a)
			for _, w := range all {
				if code := w.Terminate(); code != 0 {
					t.Errorf("exit code %d, want 0", code)
				}
			}
			r.note = fmt.Sprintf("%d creates in flight when the masters died; %d are on no record, %d jobs were paid twice", inFlight, forgotten, a.PaidTwice)
		})
	}
}

// replicated returns when the replica has what the master had until now. It asks
// who is the master each time: on a busy machine the sentinels may choose another
// meanwhile, which ends all connections.
func replicated(t *testing.T, sentinels *redistest.Sentinels) {
	t.Helper()
	var err error
	for range 60 {
		if err = writeToReplica(t.Context(), sentinels.Master().Client(t)); err == nil {
			return
		}
		time.Sleep(time.Second)
	}
	t.Fatalf("no replica has what was written: %v", err)
}

// writeToReplica fails unless a replica has taken what it writes.
func writeToReplica(ctx context.Context, rdb *redis.Client) error {
	conn := rdb.Conn() // WAIT is about what its own connection has written
	defer func() { _ = conn.Close() }()
	if err := conn.Set(ctx, "last", "write", 0).Err(); err != nil {
		return err
	}
	n, err := conn.Wait(ctx, 1, time.Second).Result()
	if err == nil && n < 1 {
		err = errors.New("none has answered within a second")
	}
	return err
}

// uncertain counts the attempts of which nobody knows what became, and sees to it
// that every job has succeeded and every repeat has its reason.
func uncertain(t *testing.T, ended []jobs.Job) int {
	t.Helper()
	n := 0
	for _, j := range ended {
		if j.State != jobs.StateSucceeded {
			t.Errorf("%s ended as %s: %+v", j.ID, j.State, j.Failure)
		}
		for _, attempt := range j.Attempts {
			if attempt.Outcome == jobs.OutcomeUncertain {
				n++
			}
			if attempt.Number > 1 && attempt.Reason == "" {
				t.Errorf("%s: attempt %d has no reason on record", j.ID, attempt.Number)
			}
		}
	}
	return n
}
