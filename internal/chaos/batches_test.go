//go:build chaos

package chaos_test

import (
	"fmt"
	"math/rand/v2"
	"testing"
	"time"

	"github.com/longhaul-jobs/longhaul/internal/installation"
	"github.com/longhaul-jobs/longhaul/jobs"
)

// TestBatchesThroughKills has requests go through batches, of which creates and uploads
// lose their answers, some expire in part and files cannot be read at once, while the only
// worker is killed again and again: each job is paid for once.
//
// Guarantees: G1, G31.
func TestBatchesThroughKills(t *testing.T) {
	t.Parallel()
	const (
		n     = 300
		kills = 20
	)
	r := tell(t, 58, "requests in batches that go wrong, the only worker killed", fmt.Sprintf("%d jobs, %d kills", n, kills))
	in := installation.New(t, "--simulator-queued", "300ms", "--simulator-running", "300ms", "--simulator-batch", "4s")
	in.Faults(fmt.Sprintf(`{"seed":%d,"rules":[
		{"match":{"op":"batch","every":4},"action":{"accept":true,"delay":"1s","reset":"after"}},
		{"match":{"op":"batch","every":3},"action":{"expire":0.3}},
		{"match":{"op":"upload","every":2},"action":{"accept":true,"delay":"700ms"}},
		{"match":{"op":"upload","every":5},"action":{"accept":true,"reset":"after"}},
		{"match":{"op":"download","probability":0.2},"action":{"status":503}},
		{"match":{"op":"download","probability":0.2},"action":{"body":"cut"}}]}`, seed))
	environ := append(quick(), "LONGHAUL_BATCH_WAIT=1s", "LONGHAUL_BATCH_MAX_LINES=40", "LONGHAUL_BATCH_LOOK_EVERY=500ms", "LONGHAUL_OPENAI_CREATE_TIMEOUT=5s")
	in.SubmitMany(n, `{"service_tier":"batch","input":"Document %d. The harbour was rebuilt after the storm."}`, jobs.Options{})
	killOnly(random(t), in, kills, environ...)
	ended, a := settle(t, r, in, n)
	again := 0
	for _, j := range ended {
		if attempt, _ := j.CurrentAttempt(); attempt.ServiceTier != jobs.TierBatch || attempt.Line == "" {
			t.Errorf("%s was not answered in a batch: %+v", j.ID, attempt)
		}
		again += len(j.Attempts) - 1
	}
	if a.Creates != n {
		t.Errorf("%d lines are paid for, want %d", a.Creates, n)
	}
	r.note = fmt.Sprintf("%d attempts given up before their line was on record, none of which was sent", again)
}

// killOnly kills the only worker a few times, and starts it again.
func killOnly(r *rand.Rand, in *installation.Installation, kills int, environ ...string) {
	p := in.StartWorker(environ...)
	for range kills {
		time.Sleep(500*time.Millisecond + time.Duration(r.Int64N(int64(2*time.Second))))
		p.Kill()
		p = in.StartWorker(environ...)
	}
}
