package e2e_test

import (
	"net/http"
	"testing"
	"time"

	"github.com/longhaul-jobs/longhaul/internal/installation"
	"github.com/longhaul-jobs/longhaul/jobs"
)

// TestKillNineDuringCreates kills the worker while creates are on their way, so
// that it cannot be known which of them were accepted: each job ends all the
// same, and each repeated create is on record with its reason.
//
// Guarantees: G1, G2, G3, G6.
func TestKillNineDuringCreates(t *testing.T) {
	t.Parallel()
	onEach(t, killNineDuringCreates)
}

func killNineDuringCreates(t *testing.T, g *ground) {
	w := g.open(t, "--simulator-queued", "100ms", "--simulator-running", "300ms")
	w.Faults(`{"rules":[{"match":{"op":"create"},"action":{"delay":"400ms"}}]}`)
	ids := w.Submit(120, question, jobs.Options{})
	first := w.Worker()
	w.WaitCount(jobs.StateSubmitting, 16)
	first.Kill()
	w.Worker()
	ended := w.WaitAll(ids, 2*time.Minute)
	creates, resubmissions, neverArrived := w.Account(ended)
	uncertain := 0
	for _, j := range ended {
		if j.State != jobs.StateSucceeded {
			t.Errorf("%s ended as %s: %v", j.ID, j.State, j.Failure)
		}
		for _, a := range j.Attempts {
			if a.Outcome == jobs.OutcomeUncertain {
				uncertain++
			}
		}
	}
	if uncertain == 0 || uncertain != resubmissions {
		t.Errorf("%d attempts uncertain and %d resubmissions; want as many, and some", uncertain, resubmissions)
	}
	t.Logf("%d creates for 120 jobs; %d uncertain and resubmitted, of which %d had never arrived", creates, uncertain, neverArrived)
}

// TestBadLooksFailNoJob answers a third of all looks with something useless.
//
// Guarantees: G6, G7.
func TestBadLooksFailNoJob(t *testing.T) {
	t.Parallel()
	onEach(t, badLooksFailNoJob)
}

func badLooksFailNoJob(t *testing.T, g *ground) {
	w := g.open(t, "--simulator-queued", "200ms", "--simulator-running", "1s")
	w.Faults(`{"seed":7,"rules":[
		{"match":{"op":"get","probability":0.1},"action":{"status":502,"body":"html"}},
		{"match":{"op":"get","probability":0.1},"action":{"status":200,"body":"cut"}},
		{"match":{"op":"get","probability":0.1},"action":{"status":200,"body":"object"}},
		{"match":{"op":"get","probability":0.1},"action":{"status":500}},
		{"match":{"op":"get","probability":0.1},"action":{"status":404}},
		{"match":{"op":"get","probability":0.1},"action":{"reset":"before"}}
	]}`)
	ids := w.Submit(60, question, jobs.Options{})
	w.Worker()
	ended := w.WaitAll(ids, 2*time.Minute)
	for _, j := range ended {
		if j.State != jobs.StateSucceeded || len(j.Attempts) != 1 {
			t.Errorf("%s ended as %s after %d attempts: %v", j.ID, j.State, len(j.Attempts), j.Failure)
		}
	}
	if creates, _, _ := w.Account(ended); creates != len(ids) {
		t.Errorf("%d creates for %d jobs", creates, len(ids))
	}
}

// TestLostAnswersAreResubmittedOnRecord accepts every fifth create and loses the
// answer.
//
// Guarantee: G6.
func TestLostAnswersAreResubmittedOnRecord(t *testing.T) {
	t.Parallel()
	onEach(t, lostAnswersAreResubmittedOnRecord)
}

func lostAnswersAreResubmittedOnRecord(t *testing.T, g *ground) {
	w := g.open(t, "--simulator-queued", "100ms", "--simulator-running", "200ms")
	w.Faults(`{"rules":[{"match":{"op":"create","every":5},"action":{"reset":"after"}}]}`)
	ids := w.Submit(50, question, jobs.Options{MaxAttempts: 10})
	w.Worker()
	ended := w.WaitAll(ids, 2*time.Minute)
	creates, resubmissions, neverArrived := w.Account(ended)
	if neverArrived != 0 || creates != len(ids)+resubmissions || resubmissions == 0 {
		t.Errorf("%d creates, %d resubmissions, %d never arrived for %d jobs", creates, resubmissions, neverArrived, len(ids))
	}
	w.Succeeded(ended)
}

// TestRevokedKeyBurnsNothing takes the key away while jobs wait: they keep their
// attempts.
//
// Guarantee: G6.
func TestRevokedKeyBurnsNothing(t *testing.T) {
	t.Parallel()
	onEach(t, revokedKeyBurnsNothing)
}

func revokedKeyBurnsNothing(t *testing.T, g *ground) {
	w := g.open(t, "--simulator-queued", "100ms", "--simulator-running", "200ms")
	w.Faults(`{"rules":[{"match":{"op":"create"},"action":{"status":401,"code":"invalid_api_key","headers":{"Retry-After":"1"}}}]}`)
	ids := w.Submit(10, question, jobs.Options{MaxAttempts: 1})
	w.Worker()
	for started := time.Now(); w.Totals().CreatesRefused == 0; {
		if time.Since(started) > time.Minute {
			t.Fatal("no create was refused")
		}
		time.Sleep(50 * time.Millisecond)
	}
	w.Faults(`{}`)
	for _, j := range w.WaitAll(ids, time.Minute) {
		if j.State != jobs.StateSucceeded || j.Counted() != 1 {
			t.Errorf("%s ended as %s with %d counted attempts: %v", j.ID, j.State, j.Counted(), j.Failure)
		}
	}
}

// TestNeverEndingResponse expires at its deadline, cancelled at the provider.
//
// Guarantee: G8.
func TestNeverEndingResponse(t *testing.T) {
	t.Parallel()
	onEach(t, neverEndingResponse)
}

func neverEndingResponse(t *testing.T, g *ground) {
	w := g.open(t)
	w.Faults(`{"rules":[{"match":{"op":"create"},"action":{"never_ends":true}}]}`)
	ids := w.Submit(3, question, jobs.Options{Deadline: w.Store.Now().Add(3 * time.Second)})
	w.Worker()
	for _, j := range w.WaitAll(ids, time.Minute) {
		if j.State != jobs.StateExpired {
			t.Errorf("%s ended as %s: %v; want expired", j.ID, j.State, j.Failure)
		}
		for _, e := range w.Ledger()[j.ID] {
			if e.Cancels == 0 {
				t.Errorf("%s was not cancelled at the provider", e.ID)
			}
		}
	}
}

// TestHealthFollowsRedis asks the HTTP side of a worker while Redis goes and
// comes.
//
// Guarantee: G5.
func TestHealthFollowsRedis(t *testing.T) {
	t.Parallel()
	onEach(t, healthFollowsRedis)
}

func healthFollowsRedis(t *testing.T, g *ground) {
	w := g.open(t)
	addr := installation.FreeAddr(t)
	worker := w.Worker("LONGHAUL_HTTP_ADDR=" + addr)
	installation.WaitStatus(t, addr, "/readyz", http.StatusOK)
	g.stop()
	installation.WaitStatus(t, addr, "/readyz", http.StatusServiceUnavailable)
	if got := installation.Status(t, addr, "/livez"); got != http.StatusOK {
		t.Errorf("/livez answers %d while Redis is away; a restart would not help", got)
	}
	if got := installation.Status(t, addr, "/metrics"); got != http.StatusOK {
		t.Errorf("/metrics answers %d while Redis is away", got)
	}
	g.restart()
	installation.WaitStatus(t, addr, "/readyz", http.StatusOK)
	if code := worker.Terminate(); code != 0 {
		t.Errorf("exit code %d", code)
	}
}
