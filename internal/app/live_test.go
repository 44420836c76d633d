package app_test

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/http/httptest"
	"os"
	"os/exec"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/longhaul-jobs/longhaul/client"
	"github.com/longhaul-jobs/longhaul/internal/app"
	"github.com/longhaul-jobs/longhaul/internal/config"
	"github.com/longhaul-jobs/longhaul/internal/simulator"
	"github.com/longhaul-jobs/longhaul/jobs"
)

// liveConfig is what --live is given: a key, a provider, and no Redis.
func liveConfig(t *testing.T, environ ...string) config.Config {
	t.Helper()
	sim, err := simulator.New(simulator.Config{Queued: 20 * time.Millisecond, Running: 100 * time.Millisecond})
	if err != nil {
		t.Fatal(err)
	}
	server := httptest.NewServer(sim)
	t.Cleanup(func() { server.Close(); _ = sim.Close() })
	cfg, err := config.Load(config.Sources{Environ: append([]string{
		"OPENAI_API_KEY=sk-live", "OPENAI_BASE_URL=" + server.URL + "/v1",
		"LONGHAUL_POLL_FLOOR=50ms", "LONGHAUL_POLL_CEILING=200ms",
	}, environ...)})
	if err != nil {
		t.Fatal(err)
	}
	return cfg
}

// TestLiveKeepsItsJobs runs a live installation on a Redis of its own, twice: the
// second one has the first one's jobs.
func TestLiveKeepsItsJobs(t *testing.T) {
	t.Chdir(t.TempDir())
	cfg := liveConfig(t)
	var id jobs.ID
	for i := range 2 {
		local, err := app.StartLive(t.Context(), cfg, slog.New(slog.DiscardHandler))
		if err != nil {
			t.Fatal(err)
		}
		if !strings.Contains(local.Notice(), "paid for") {
			t.Errorf("the notice does not say that it costs: %s", local.Notice())
		}
		c := client.New(local.Store(), cfg.OpenAI.Model)
		if i == 0 {
			if _, err := app.StartLive(t.Context(), cfg, slog.New(slog.DiscardHandler)); err == nil || !strings.Contains(err.Error(), "another --live") {
				t.Errorf("a second live command in the folder: %v, want it refused", err)
			}
			s, err := c.Submit(t.Context(), []byte(`{"input":"Keep this."}`), jobs.Options{})
			if err != nil {
				t.Fatal(err)
			}
			id = s.Job.ID
			wait(t, c, id)
		}
		if j, err := c.Get(t.Context(), id); err != nil || j.State != jobs.StateSucceeded {
			t.Errorf("run %d: job %s, %v; want it kept", i+1, j.State, err)
		}
		if err := local.Stop(); err != nil {
			t.Errorf("stop: %v", err)
		}
	}
}

// TestLiveWaitsForNoWebhook has the secret that a shell has for another worker, and
// even that worker's address: the provider tells this one nothing.
func TestLiveWaitsForNoWebhook(t *testing.T) {
	taken, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = taken.Close() }()
	for _, addr := range []string{"", taken.Addr().String()} {
		t.Chdir(t.TempDir())
		local, err := app.StartLive(t.Context(), liveConfig(t, "OPENAI_WEBHOOK_SECRET="+hookSecret, "LONGHAUL_WEBHOOKS_SAFETY_NET=1h",
			"LONGHAUL_WEBHOOKS_ADDR="+addr), slog.New(slog.DiscardHandler))
		if err != nil {
			t.Fatal(err)
		}
		c := client.New(local.Store(), jobs.DefaultModel)
		s, err := c.Submit(t.Context(), []byte(`{"input":"Say hello."}`), jobs.Options{})
		if err != nil {
			t.Fatal(err)
		}
		if j := wait(t, c, s.Job.ID); j.State != jobs.StateSucceeded {
			t.Errorf("state %s, %v", j.State, j.Failure)
		}
		if err := local.Stop(); err != nil {
			t.Errorf("stop: %v", err)
		}
	}
}

// TestLiveStartsNoSecondServer finds a server that another command left, and that
// does not answer for a while: a second one on its file would spoil it.
func TestLiveStartsNoSecondServer(t *testing.T) {
	t.Chdir(t.TempDir())
	if err := os.Mkdir(".longhaul", 0o700); err != nil {
		t.Fatal(err)
	}
	left := exec.Command("redis-server", "--port", "0", "--unixsocket", "redis.sock", "--appendonly", "yes", "--save", "", "--logfile", "left.log")
	left.Dir = ".longhaul"
	if err := left.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = left.Process.Kill(); _ = left.Wait() })
	eventually(t, "the server listens", func() bool {
		conn, err := net.Dial("unix", ".longhaul/redis.sock") // the file is there before it listens
		if err != nil {
			return false
		}
		_ = conn.Close()
		return true
	})
	if err := left.Process.Signal(syscall.SIGSTOP); err != nil {
		t.Fatal(err)
	}
	awake := time.AfterFunc(4*time.Second, func() { _ = left.Process.Signal(syscall.SIGCONT) })
	defer awake.Stop()
	local, err := app.StartLive(t.Context(), liveConfig(t), slog.New(slog.DiscardHandler))
	if err != nil {
		t.Fatal(err)
	}
	if _, err := os.Stat(".longhaul/redis.log"); err == nil {
		t.Error("it started a server beside the one that was there")
	}
	if err := local.Stop(); err != nil {
		t.Errorf("stop: %v", err)
	}
	if err := left.Wait(); err != nil {
		t.Errorf("the server that was left ended with %v", err)
	}
}

// TestLiveWaitsForItsData has a server that reads its file for several seconds. A
// command that is ended meanwhile takes it along; another waits until it has read.
func TestLiveWaitsForItsData(t *testing.T) {
	t.Chdir(t.TempDir())
	path, err := exec.LookPath("redis-server")
	if err != nil {
		t.Fatal(err)
	}
	bin := t.TempDir()
	slow := "#!/bin/sh\nexec " + path + ` "$@" --key-load-delay 1000` + "\n"
	if err := errors.Join(os.WriteFile(bin+"/redis-server", []byte(slow), 0o700), os.Mkdir(".longhaul", 0o700)); err != nil {
		t.Fatal(err)
	}
	var file strings.Builder
	const keys = 6000
	for i := range keys {
		key := strconv.Itoa(i)
		fmt.Fprintf(&file, "*3\r\n$3\r\nSET\r\n$%d\r\n%s\r\n$1\r\n1\r\n", len(key), key)
	}
	if err := os.WriteFile(".longhaul/appendonly.aof", []byte(file.String()), 0o600); err != nil {
		t.Fatal(err)
	}
	t.Setenv("PATH", bin)
	ctx, cancel := context.WithTimeout(t.Context(), time.Second)
	defer cancel()
	if _, err := app.StartLive(ctx, liveConfig(t), slog.New(slog.DiscardHandler)); !errors.Is(err, context.DeadlineExceeded) {
		t.Fatalf("ended while it reads: %v", err)
	}
	if conn, err := net.Dial("unix", ".longhaul/redis.sock"); err == nil {
		_ = conn.Close()
		t.Error("its server is still there")
	}
	began := time.Now()
	local, err := app.StartLive(t.Context(), liveConfig(t), slog.New(slog.DiscardHandler))
	if err != nil {
		t.Fatal(err)
	}
	if took := time.Since(began); took < 5*time.Second {
		t.Errorf("it read for %v: the delay has tested something else", took)
	}
	if err := local.Stop(); err != nil {
		t.Errorf("stop: %v", err)
	}
}

func TestLiveRefuses(t *testing.T) {
	t.Run("without a key", func(t *testing.T) {
		cfg := liveConfig(t, "OPENAI_API_KEY=")
		_, err := app.StartLive(t.Context(), cfg, slog.New(slog.DiscardHandler))
		if err == nil || !strings.Contains(err.Error(), "OPENAI_API_KEY") {
			t.Errorf("error %v, want one that names OPENAI_API_KEY", err)
		}
	})
	t.Run("without a redis that keeps", func(t *testing.T) {
		t.Chdir(t.TempDir())
		t.Setenv("PATH", t.TempDir())
		_, err := app.StartLive(t.Context(), liveConfig(t), slog.New(slog.DiscardHandler))
		if jobs.ClassOf(err) != jobs.ClassInvalid || !strings.Contains(err.Error(), "--redis-url") {
			t.Errorf("error %v, want one that says what to do about it", err)
		}
	})
	t.Run("in a folder with a long path", func(t *testing.T) {
		dir := t.TempDir() + "/" + strings.Repeat("deep/", 30)
		if err := os.MkdirAll(dir, 0o700); err != nil {
			t.Fatal(err)
		}
		t.Chdir(dir)
		_, err := app.StartLive(t.Context(), liveConfig(t), slog.New(slog.DiscardHandler))
		if jobs.ClassOf(err) != jobs.ClassInvalid || !strings.Contains(err.Error(), "too long") {
			t.Errorf("error %v, want one that says what to do about it", err)
		}
	})
}
