package e2e_test

import (
	"math/rand/v2"
	"testing"
	"time"

	"github.com/longhaul-jobs/longhaul/internal/installation"
	"github.com/longhaul-jobs/longhaul/jobs"
)

// restless are the times of workers that are killed often: what one leaves is taken over
// after two seconds instead of eight.
func restless() []string {
	return []string{"LONGHAUL_WATCHDOG_HEARTBEAT=300ms", "LONGHAUL_WATCHDOG_DEAD_AFTER=2s", "LONGHAUL_WATCHDOG_SUBMIT_AFTER=3s"}
}

// TestDocumentsThroughKills summarizes documents of several phases whose workers are
// killed with -9 again and again, with nobody at home in between: each parent ends once
// with its result, and each part was created once, but for what is on record.
//
// Guarantees: G2, G3, G30.
func TestDocumentsThroughKills(t *testing.T) {
	t.Parallel()
	onEach(t, documentsThroughKills)
}

func documentsThroughKills(t *testing.T, g *ground) {
	const documents, parts, kills = 8, 6, 8
	in := g.open(t, "--simulator-queued", "100ms", "--simulator-running", "500ms")
	in.Faults(`{"rules":[{"match":{"op":"create"},"action":{"delay":"300ms","accept":true}}]}`) // for kills to hit
	ids := in.SubmitDocuments(documents, parts, jobs.Options{Group: "run"})
	for range kills {
		worker := in.Worker(restless()...)
		time.Sleep(time.Duration(rand.Int64N(int64(2 * time.Second))))
		worker.Kill()
	}
	in.Worker(restless()...)
	checkDocuments(t, in, in.WaitAll(ids, 3*time.Minute), parts)
}

// TestDocumentsThroughARestartOfRedis stops Redis, or a node of it, while documents are
// being summarized.
//
// Guarantees: G5, G30.
func TestDocumentsThroughARestartOfRedis(t *testing.T) {
	t.Parallel()
	onEach(t, func(t *testing.T, g *ground) {
		const documents, parts = 8, 6
		in := g.open(t, "--simulator-queued", "300ms", "--simulator-running", "1s")
		ids := in.SubmitDocuments(documents, parts, jobs.Options{Group: "run"})
		worker := in.Worker()
		in.WaitCount(jobs.StateRunning, 5)
		g.stop()
		time.Sleep(3 * time.Second) // Redis is away, and responses end meanwhile
		g.restart()
		checkDocuments(t, in, in.WaitAll(ids, 3*time.Minute), parts)
		worker.StaysUp()
	})
}

// checkDocuments holds the ledger against the parts of documents that were summarized:
// each request is one job, whatever became of the workers.
func checkDocuments(t *testing.T, in *installation.Installation, documents []jobs.Job, parts int) {
	t.Helper()
	for _, j := range documents {
		if j.State != jobs.StateSucceeded || j.Plan.Phase < 2 || len(j.Attempts) != 0 {
			t.Errorf("%s: %s, %v, %+v", j.ID, j.State, j.Failure, j.Plan)
		}
		if text, err := in.Client.Text(t.Context(), j.ID); err != nil || text == "" {
			t.Errorf("%s: text %q, %v", j.ID, text, err)
		}
	}
	all := in.Parts()
	requests := make(map[string]jobs.ID, len(all))
	for _, part := range all {
		if other, twice := requests[part.RequestDigest]; twice {
			t.Errorf("%s and %s are the same part", part.ID, other)
		}
		requests[part.RequestDigest] = part.ID
	}
	creates, resubmissions, neverArrived := in.Account(all)
	in.Succeeded(all)
	if len(all) < len(documents)*parts/2 {
		t.Errorf("%d parts for %d documents", len(all), len(documents))
	}
	t.Logf("%d documents of %d parts in all: %d creates, %d resubmissions on record, %d that never arrived",
		len(documents), len(all), creates, resubmissions, neverArrived)
}
