package e2e_test

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/longhaul-jobs/longhaul/internal/installation"
	"github.com/longhaul-jobs/longhaul/jobs"
)

// TestEndpoints has three workers of an installation with two endpoints, whose
// responses only their own key shows. The one with both keys is killed with jobs
// of both in flight: the others take over what is theirs, and nothing else. Then
// the only one with the second key is killed: its jobs wait, and are told, until
// another comes.
//
// Guarantee: G3, G15.
func TestEndpoints(t *testing.T) {
	t.Parallel()
	settings := filepath.Join(t.TempDir(), "longhaul.yaml")
	if err := os.WriteFile(settings, []byte(`
simulator: {api_keys: "sk-one@proj_one,sk-two@proj_two", queued: 1s, running: 3s}
endpoints: {two: {api_key_env: KEY_TWO}}
lanes: {default: {concurrency: 8}, second: {concurrency: 8, endpoint: two}}
watchdog: {heartbeat: 500ms, dead_after: 3s, audit_every: 2s}
`), 0o600); err != nil {
		t.Fatal(err)
	}
	w := installation.New(t, "--config", settings)
	worker := func(keys ...string) (*installation.Process, string) {
		addr := installation.FreeAddr(t)
		return w.Worker(append([]string{"LONGHAUL_CONFIG=" + settings, "OPENAI_API_KEY=", "LONGHAUL_HTTP_ADDR=" + addr}, keys...)...), addr
	}
	a, _ := worker("OPENAI_API_KEY=sk-one", "KEY_TWO=sk-two")
	b, statsOfB := worker("OPENAI_API_KEY=sk-one")
	c, statsOfC := worker("KEY_TWO=sk-two")

	first := w.Submit(100, question, jobs.Options{})
	second := w.Submit(100, question, jobs.Options{Lane: "second"})
	w.WaitCount(jobs.StateRunning, 60)
	a.Kill()
	ended := w.WaitAll(append(first, second...), 2*time.Minute)
	w.Account(ended)
	project := map[string]string{jobs.DefaultLane: "proj_one", "second": "proj_two"}
	ledger := w.Ledger()
	for _, j := range ended {
		if j.State != jobs.StateSucceeded {
			t.Errorf("%s ended as %s: %v", j.ID, j.State, j.Failure)
		}
		for _, e := range ledger[j.ID] {
			if e.Project != project[j.Lane] {
				t.Errorf("%s of lane %s was created with a key of %s", j.ID, j.Lane, e.Project)
			}
		}
	}
	for _, of := range []struct {
		worker   *installation.Process
		stats    string
		endpoint string
		others   []jobs.ID
	}{{b, statsOfB, "default", second}, {c, statsOfC, "two", first}} {
		requests := `longhaul_responses_requests_total{endpoint="` + of.endpoint + `",op="look",outcome=`
		if n := installation.Metric(t, of.stats, requests+`"lost"}`); n != 0 {
			t.Errorf("the worker of endpoint %s has looked at %.0f responses with the wrong key", of.endpoint, n)
		}
		if n := installation.Metric(t, of.stats, requests+`"ok"}`); n == 0 {
			t.Errorf("the worker of endpoint %s has looked at nothing", of.endpoint)
		}
		for line := range strings.Lines(of.worker.Stderr.String()) {
			for _, id := range of.others {
				if strings.Contains(line, string(id)) && strings.Contains(line, "response_id") {
					t.Errorf("the worker of endpoint %s had another's job in its hands: %s", of.endpoint, line)
				}
			}
		}
	}

	waiting := w.Submit(20, question, jobs.Options{Lane: "second"})
	w.WaitCount(jobs.StateRunning, int64(len(waiting)))
	c.Kill()
	b.Find(b.Stderr, "endpoint is served by no worker")
	if n := installation.Metric(t, statsOfB, `longhaul_unserved_jobs{debt="look",endpoint="two"}`); n != 20 {
		t.Errorf("the metric counts %.0f jobs, want 20", n)
	}
	worker("KEY_TWO=sk-two")
	back := time.Now()
	w.Account(append(ended, w.WaitAll(waiting, time.Minute)...))
	t.Logf("20 jobs of an endpoint without a worker ended %v after one had come", time.Since(back).Round(time.Millisecond))
	b.Find(b.Stderr, "endpoint is served again")
}
