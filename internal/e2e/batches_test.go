package e2e_test

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/longhaul-jobs/longhaul/internal/installation"
	"github.com/longhaul-jobs/longhaul/jobs"
	"github.com/longhaul-jobs/longhaul/results"
)

// TestSummarizeInBatches has documents summarized through batches, one of them in parts
// and with a merge: it costs half of what was said that it costs without.
//
// Guarantees: G30, G31.
func TestSummarizeInBatches(t *testing.T) {
	t.Parallel()
	in := installation.New(t, "--simulator-queued", "100ms", "--simulator-running", "100ms", "--simulator-batch", "1s")
	in.Worker("LONGHAUL_BATCH_WAIT=500ms", "LONGHAUL_BATCH_LOOK_EVERY=300ms")
	dir := t.TempDir()
	long := &strings.Builder{}
	for i := range 2500 {
		fmt.Fprintf(long, "Paragraph %d. The harbour master noted %d ships and %d storms that year.\n\n", i, 3*i, 7*i)
	}
	for name, text := range map[string]string{"short.md": "# Short\n\nThe harbour was rebuilt after the storm.\n", "long.txt": long.String()} {
		if err := os.WriteFile(filepath.Join(dir, name), []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	run := func(args ...string) string {
		t.Helper()
		code, stdout, stderr := enqueue(t, dir, append([]string{"summarize", "short.md", "long.txt", "--redis-url", in.RedisURL()}, args...)...)
		if code != 0 {
			t.Fatalf("summarize %v: exit code %d: %s%s", args, code, stdout, stderr)
		}
		return stdout
	}
	if plan := run("--batch", "--dry-run"); !strings.Contains(plan, "up to 24 hours in batches") {
		t.Errorf("the dry run says\n%s", plan)
	}
	run("--batch")
	all := in.All(results.Filter{Kind: jobs.KindResponse})
	in.Account(all)
	if len(all) < 4 {
		t.Errorf("%d requests for a document of several parts and another one", len(all))
	}
	for _, j := range all {
		if a, _ := j.CurrentAttempt(); j.State != jobs.StateSucceeded || a.ServiceTier != jobs.TierBatch {
			t.Errorf("%s is %s in tier %q", j.ID, j.State, a.ServiceTier)
		}
	}
}

// TestBatchesSurviveKills has workers killed while they upload, create, watch and collect
// batches, of which the first create loses its answer and one expires in part. Each job
// ends once and is paid for once.
//
// Guarantee: G31.
func TestBatchesSurviveKills(t *testing.T) {
	t.Parallel()
	const n = 60
	in := installation.New(t, "--simulator-queued", "300ms", "--simulator-running", "300ms", "--simulator-batch", "3s")
	in.Faults(`{"rules":[
		{"match":{"op":"batch","first":1},"action":{"accept":true,"delay":"2s","reset":"after"}},
		{"match":{"op":"batch","every":3},"action":{"expire":0.3}},
		{"match":{"op":"upload","every":2},"action":{"accept":true,"delay":"500ms"}},
		{"match":{"op":"download","every":3},"action":{"status":503}}]}`)
	environ := []string{
		"LONGHAUL_BATCH_WAIT=500ms", "LONGHAUL_BATCH_MAX_LINES=20", "LONGHAUL_BATCH_LOOK_EVERY=500ms", "LONGHAUL_OPENAI_CREATE_TIMEOUT=5s",
	}
	worker := in.Worker(environ...)
	ids := in.Submit(n, `{"service_tier":"batch","input":"Document %d. The harbour was rebuilt after the storm."}`, jobs.Options{})
	for kills := range 6 {
		// Each at another point: what it is at then is on no schedule of ours.
		time.Sleep(700*time.Millisecond + time.Duration(kills)*450*time.Millisecond)
		worker.Kill()
		worker = in.Worker(environ...)
	}
	ended := in.WaitAll(ids, 4*time.Minute)
	in.Succeeded(ended)
	in.Account(in.All(results.Filter{}))
	paid := 0
	for _, entries := range in.Ledger() {
		paid += len(entries)
	}
	if paid != n {
		// An attempt may have been given up with its worker before its line was on record;
		// such a line is never sent.
		t.Errorf("%d requests are paid for, want %d", paid, n)
	}
	for _, j := range ended {
		a, _ := j.CurrentAttempt()
		if !strings.HasPrefix(a.ResponseID, "resp_") || a.ServiceTier != jobs.TierBatch {
			t.Fatalf("%s: %+v", j.ID, j.Attempts)
		}
	}
}
