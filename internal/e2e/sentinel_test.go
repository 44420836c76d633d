package e2e_test

import (
	"fmt"
	"testing"
	"time"

	"github.com/longhaul-jobs/longhaul/internal/installation"
	"github.com/longhaul-jobs/longhaul/internal/redistest"
	"github.com/longhaul-jobs/longhaul/jobs"
)

// lane is how many creates the default lane of a worker has in flight at most.
const lane = 32

// TestSentinelFailover kills the master with some 250 jobs in flight. The worker
// stays up, finds the new master and goes on by itself. Replication is
// asynchronous, so what the old master had taken in its last moment may be gone:
// every job that the replica had got ends all the same, and a create that is not
// on record can only be one of that moment, of which there are no more than a lane
// has in flight. Where an intent has to be on the replica first, there is none.
//
// Guarantee: G5.
func TestSentinelFailover(t *testing.T) {
	t.Parallel()
	for name, environ := range map[string][]string{
		"as it comes":                  nil,
		"intents wait for the replica": {"LONGHAUL_REDIS_WAIT_REPLICAS=1"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			failover(t, environ)
		})
	}
}

func failover(t *testing.T, environ []string) {
	t.Helper()
	sentinels := redistest.StartSentinelsWith(t, redistest.SentinelConfig{AppendDirs: []string{t.TempDir(), t.TempDir()}})
	w := installation.NewOn(t, sentinels.URL(), "--simulator-queued", "300ms", "--simulator-running", "700ms")
	ids := w.Submit(300, question, jobs.Options{})
	master := sentinels.Master()
	// WAIT is about what its own connection has written, which came last.
	conn := master.Client(t).Conn()
	defer func() { _ = conn.Close() }()
	if err := conn.Set(t.Context(), "last", "write", 0).Err(); err != nil {
		t.Fatal(err)
	}
	if n, err := conn.Do(t.Context(), "wait", 1, 10_000).Int(); err != nil || n != 1 {
		t.Fatalf("%d replicas have what was accepted, %v", n, err)
	}
	worker := w.Worker(append(environ, fmt.Sprintf(`LONGHAUL_LANES={"default":{"concurrency":%d}}`, lane))...)
	w.WaitCount(jobs.StateRunning, 20)
	master.Kill()
	sentinels.WaitForFailover(master)
	// Once everybody is at the new master the old one comes back, as its replica:
	// without one, intents that wait for a replica wait on.
	w.WaitCount(jobs.StateSucceeded, 15)
	master.Restart()
	ended := w.WaitAll(ids, 3*time.Minute)
	worker.StaysUp()
	ledger := w.Ledger()
	creates, attempts, unrecorded, uncertain := 0, 0, 0, 0
	for _, j := range ended {
		if j.State != jobs.StateSucceeded {
			t.Errorf("%s ended as %s: %v", j.ID, j.State, j.Failure)
		}
		recorded := make(map[string]bool)
		attempts += len(j.Attempts)
		for _, a := range j.Attempts {
			recorded[a.ResponseID] = true
			if a.Outcome == jobs.OutcomeUncertain {
				uncertain++
			}
			if a.Number > 1 && a.Reason == "" {
				t.Errorf("%s: attempt %d has no reason on record", j.ID, a.Number)
			}
		}
		if len(ledger[j.ID]) == 0 {
			t.Errorf("%s has succeeded and the provider never saw it", j.ID)
		}
		for _, e := range ledger[j.ID] {
			creates++
			if !recorded[e.ID] {
				unrecorded++
			}
		}
	}
	t.Logf("300 jobs: %d creates, %d attempts on record, %d of them uncertain, %d creates not on record", creates, attempts, uncertain, unrecorded)
	forgotten := 0 // intents
	if len(environ) == 0 {
		forgotten = lane // those that were in flight in the last moment
	}
	if unrecorded > uncertain+forgotten {
		t.Errorf("%d creates are not on record and %d attempts are uncertain; at most %d intents may have been forgotten", unrecorded, uncertain, forgotten)
	}
}
