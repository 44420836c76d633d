package app_test

import (
	"bytes"
	"context"
	"fmt"
	"log/slog"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/longhaul-jobs/longhaul/client"
	"github.com/longhaul-jobs/longhaul/internal/app"
	"github.com/longhaul-jobs/longhaul/internal/config"
	"github.com/longhaul-jobs/longhaul/jobs"
)

// devConfig is the default configuration with a quick simulator and quick
// looks, given the way a user would.
func devConfig(t *testing.T, environ ...string) config.Config {
	t.Helper()
	cfg, err := config.Load(config.Sources{Environ: append([]string{
		"LONGHAUL_SIMULATOR_QUEUED=20ms", "LONGHAUL_SIMULATOR_RUNNING=50ms",
		"LONGHAUL_POLL_FLOOR=50ms", "LONGHAUL_POLL_CEILING=200ms", "LONGHAUL_LOG_LEVEL=debug",
	}, environ...)})
	if err != nil {
		t.Fatal(err)
	}
	return cfg
}

// logBuffer collects a log that many goroutines write.
type logBuffer struct {
	mu  sync.Mutex
	buf bytes.Buffer
}

func (b *logBuffer) Write(p []byte) (int, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.buf.Write(p)
}

func (b *logBuffer) String() string {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.buf.String()
}

// startDev starts a whole installation and returns a client of it.
func startDev(t *testing.T, cfg config.Config) (*client.Client, *logBuffer) {
	t.Helper()
	log := &logBuffer{}
	local, err := app.StartDev(t.Context(), cfg, slog.New(slog.NewJSONHandler(log, &slog.HandlerOptions{Level: slog.LevelDebug})))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := local.Stop(); err != nil {
			t.Errorf("stop: %v", err)
		}
		if t.Failed() {
			t.Logf("worker's log:\n%s", log)
		}
	})
	return client.New(local.Store(), cfg.OpenAI.Model), log
}

func wait(t *testing.T, c *client.Client, id jobs.ID) jobs.Job {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	j, err := c.Wait(ctx, id)
	if err != nil {
		t.Fatalf("wait for %s (it is %s): %v", id, j.State, err)
	}
	return j
}

func TestDevRunsAJobFromEndToEnd(t *testing.T) {
	c, _ := startDev(t, devConfig(t))
	const text = "The lighthouse keeper climbed the stairs. He lit the lamp before dusk. The ships found their way home."
	s, err := c.Submit(t.Context(), fmt.Appendf(nil, `{"input":%q}`, text), jobs.Options{})
	if err != nil {
		t.Fatal(err)
	}
	j := wait(t, c, s.Job.ID)
	if j.State != jobs.StateSucceeded || len(j.Attempts) != 1 {
		t.Fatalf("state %s after %d attempts (%v); want succeeded after one", j.State, len(j.Attempts), j.Failure)
	}
	got, err := c.Text(t.Context(), j.ID)
	if err != nil || strings.TrimSpace(got) == "" {
		t.Errorf("text %q, %v; want an answer", got, err)
	}
	if j.Result.Usage == nil || j.Result.Usage.OutputTokens == 0 {
		t.Errorf("usage %+v; want the tokens", j.Result.Usage)
	}
}

// TestDevIsToldOfTheEnds has looks so rare that only a webhook can bring the end.
func TestDevIsToldOfTheEnds(t *testing.T) {
	c, _ := startDev(t, devConfig(t, "LONGHAUL_POLL_FLOOR=1h", "LONGHAUL_POLL_CEILING=1h", "LONGHAUL_POLL_NOT_FOUND_GRACE=1h",
		"LONGHAUL_POLL_STOP_GRACE=1h", "LONGHAUL_WEBHOOKS_SAFETY_NET=1h", "OPENAI_WEBHOOK_SECRET=of-another-provider"))
	s, err := c.Submit(t.Context(), []byte(`{"input":"Say hello."}`), jobs.Options{})
	if err != nil {
		t.Fatal(err)
	}
	if j := wait(t, c, s.Job.ID); j.State != jobs.StateSucceeded {
		t.Errorf("state %s, %v", j.State, j.Failure)
	}
}

// TestDevThatNothingTells has secrets, and a simulator that tells nobody, or somebody
// else: the worker looks as often as without them.
func TestDevThatNothingTells(t *testing.T) {
	for name, environ := range map[string][]string{
		"with endpoints":  {`LONGHAUL_ENDPOINTS={"eu":{"base_url":"http://127.0.0.1:2/v1","api_key":"sk-real"}}`, "LONGHAUL_WEBHOOKS_ADDR=127.0.0.1:0"},
		"elsewhere, told": {"LONGHAUL_SIMULATOR_WEBHOOK_URL=http://127.0.0.1:1/hook", "LONGHAUL_SIMULATOR_WEBHOOK_SECRET=" + hookSecret},
	} {
		t.Run(name, func(t *testing.T) {
			c, _ := startDev(t, devConfig(t, append(environ, "OPENAI_WEBHOOK_SECRET="+hookSecret, "LONGHAUL_WEBHOOKS_SAFETY_NET=1h",
				"LONGHAUL_SIMULATOR_RUNNING=300ms")...))
			s, err := c.Submit(t.Context(), []byte(`{"input":"Say hello."}`), jobs.Options{})
			if err != nil {
				t.Fatal(err)
			}
			if j := wait(t, c, s.Job.ID); j.State != jobs.StateSucceeded {
				t.Errorf("state %s, %v", j.State, j.Failure)
			}
		})
	}
}

// TestDevSendsNothingToAnyEndpoint has endpoints with addresses and keys of their
// own: what their lanes send goes to the simulator all the same.
func TestDevSendsNothingToAnyEndpoint(t *testing.T) {
	c, log := startDev(t, devConfig(t,
		"OPENAI_BASE_URL=http://127.0.0.1:1/v1", "OPENAI_PROJECT_ID=proj_mine",
		`LONGHAUL_ENDPOINTS={"eu":{"base_url":"http://127.0.0.1:2/v1","api_key":"sk-real","project":"proj_eu"},"us":{}}`,
		`LONGHAUL_LANES={"a":{"endpoint":"eu"},"b":{"endpoint":"us"}}`))
	for _, lane := range []string{"", "a", "b"} {
		s, err := c.Submit(t.Context(), []byte(`{"input":"Stay at home."}`), jobs.Options{Lane: lane})
		if err != nil {
			t.Fatal(err)
		}
		if j := wait(t, c, s.Job.ID); j.State != jobs.StateSucceeded || len(j.Attempts) != 1 {
			t.Errorf("the job of lane %q ended as %s after %d attempts (%v)", lane, j.State, len(j.Attempts), j.Failure)
		}
	}
	if strings.Contains(log.String(), "sk-real") {
		t.Error("the log has a key in it")
	}
}

// TestNothingPrivateIsLogged feeds a canary through the whole stack, on the good
// path and on the bad one, and greps the log at its most talkative.
//
// Guarantee: G12.
func TestNothingPrivateIsLogged(t *testing.T) {
	c, log := startDev(t, devConfig(t))
	const canary = "canary-7f3a-do-not-log"
	bodies := []string{
		`{"input":"` + canary + ` sings. It sings well.","instructions":"` + canary + `"}`,
		`{"input":"` + canary + `","nonsense_parameter":"` + canary + `"}`,
		`{"input":"` + canary + `","model":"no-such-model"}`,
		`{"input":"` + canary + `","metadata":{"simulator_fault":"bad"}}`,
	}
	for _, body := range bodies {
		s, err := c.Submit(t.Context(), []byte(body), jobs.Options{MaxAttempts: 1})
		if err != nil {
			t.Fatal(err)
		}
		wait(t, c, s.Job.ID)
	}
	text := log.String()
	for _, secret := range []string{canary, "sk-simulator", "whsec_"} {
		if strings.Contains(text, secret) {
			t.Errorf("the log has %q in it", secret)
		}
	}
	if !strings.Contains(text, "response created") || !strings.Contains(text, "create failed") {
		t.Error("the log has neither a success nor a failure in it: the canary flew nowhere")
	}
}

// TestCancelReachesTheProvider cancels a response that would run for an hour.
//
// Guarantee: G8.
func TestCancelReachesTheProvider(t *testing.T) {
	c, _ := startDev(t, devConfig(t, "LONGHAUL_SIMULATOR_RUNNING=1h"))
	s, err := c.Submit(t.Context(), []byte(`{"input":"Take your time."}`), jobs.Options{})
	if err != nil {
		t.Fatal(err)
	}
	for j := s.Job; j.State != jobs.StateRunning; {
		if j, err = c.Get(t.Context(), s.Job.ID); err != nil {
			t.Fatal(err)
		}
		if j.State.Terminal() {
			t.Fatalf("ended as %s before it was cancelled", j.State)
		}
	}
	if _, err := c.Cancel(t.Context(), s.Job.ID); err != nil {
		t.Fatal(err)
	}
	j := wait(t, c, s.Job.ID)
	if j.State != jobs.StateCancelled || j.Result == nil || j.Result.Status != "cancelled" {
		t.Errorf("state %s with result %+v; want cancelled, as the provider says too", j.State, j.Result)
	}
}
