package e2e_test

import (
	"testing"
	"time"

	"github.com/longhaul-jobs/longhaul/internal/installation"
	"github.com/longhaul-jobs/longhaul/jobs"
)

const question = installation.Question

// TestKillNine kills a worker with 200 jobs in flight and starts another.
//
// Guarantee: G1, G2, G3.
func TestKillNine(t *testing.T) {
	t.Parallel()
	onEach(t, killNine)
}

func killNine(t *testing.T, g *ground) {
	w := g.open(t, "--simulator-queued", "1s", "--simulator-running", "2s")
	ids := w.Submit(200, question, jobs.Options{})
	first := w.Worker()
	w.WaitCount(jobs.StateRunning, 20)
	first.Kill()
	killed := time.Now()
	w.Worker()
	ended := w.WaitAll(ids, 2*time.Minute)
	creates, resubmissions, neverArrived := w.Account(ended)
	w.Succeeded(ended)
	t.Logf("200 jobs ended %v after the kill: %d creates, %d resubmissions on record, %d of their first tries never arrived",
		time.Since(killed).Round(time.Millisecond), creates, resubmissions, neverArrived)
}

// TestReplaceUnderLoad stops a worker with SIGTERM while it works: it drains, and
// no attempt is lost, counted or repeated.
//
// Guarantee: G4.
func TestReplaceUnderLoad(t *testing.T) {
	t.Parallel()
	onEach(t, replaceUnderLoad)
}

func replaceUnderLoad(t *testing.T, g *ground) {
	w := g.open(t, "--simulator-queued", "200ms", "--simulator-running", "500ms")
	ids := w.Submit(300, question, jobs.Options{})
	first := w.Worker()
	w.WaitCount(jobs.StateRunning, 20)
	second := w.Worker()
	if code := first.Terminate(); code != 0 {
		t.Errorf("exit code %d after SIGTERM, want 0", code)
	}
	ended := w.WaitAll(ids, 2*time.Minute)
	creates, resubmissions, _ := w.Account(ended)
	if resubmissions != 0 || creates != len(ids) {
		t.Errorf("%d creates and %d resubmissions for %d jobs; a drain must cost none", creates, resubmissions, len(ids))
	}
	if code := second.Terminate(); code != 0 {
		t.Errorf("exit code %d after SIGTERM, want 0", code)
	}
}

// TestRedisRestart stops Redis with creates in flight and starts it again on its
// append-only file: their answers are recorded then, and nothing is asked twice.
//
// Guarantees: G2, G5, G6.
func TestRedisRestart(t *testing.T) {
	t.Parallel()
	onEach(t, redisRestart)
}

func redisRestart(t *testing.T, g *ground) {
	w := g.open(t, "--simulator-queued", "500ms", "--simulator-running", "1s")
	w.Faults(`{"rules":[{"match":{"op":"create"},"action":{"delay":"1s","accept":true}}]}`)
	ids := w.Submit(100, question, jobs.Options{})
	worker := w.Worker()
	w.WaitCount(jobs.StateRunning, 10)
	w.WaitCount(jobs.StateSubmitting, 10)
	left := w.Store.Now()
	g.stop()
	time.Sleep(5 * time.Second) // Redis is away; creates in flight get their answers meanwhile
	g.restart()
	ended := w.WaitAll(ids, 2*time.Minute)
	creates, resubmissions, _ := w.Account(ended)
	if creates != len(ids) || resubmissions != 0 {
		t.Errorf("%d creates, %d resubmissions for %d jobs; want one for each", creates, resubmissions, len(ids))
	}
	if n := installation.InFlight(ended, left); n < 10 {
		t.Errorf("%d creates were in flight when Redis went, want at least 10", n)
	}
	worker.StaysUp()
}
