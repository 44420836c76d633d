package app_test

import (
	"context"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"runtime"
	"strings"
	"testing"
	"time"

	"github.com/longhaul-jobs/longhaul/internal/app"
	"github.com/longhaul-jobs/longhaul/internal/redistest"
	"github.com/longhaul-jobs/longhaul/internal/simulator"
	"github.com/longhaul-jobs/longhaul/jobs"
)

func discard() *slog.Logger { return slog.New(slog.DiscardHandler) }

// TestTwoWorkersShareTheWork wants each transition made once, whoever made it.
//
// Guarantees: G1, G6.
func TestTwoWorkersShareTheWork(t *testing.T) {
	t.Parallel()
	const n = 200
	w := newWorld(t, simulator.Config{Queued: 20 * time.Millisecond, Running: 200 * time.Millisecond, Jitter: 0.9})
	// Nobody is to be taken for dead on a machine that is busy with other things.
	patient := []string{"LONGHAUL_WATCHDOG_DEAD_AFTER=30s", "LONGHAUL_WATCHDOG_SUBMIT_AFTER=5s"}
	workers := []*runner{w.work(patient...).started(), w.work(patient...).started()}
	var ids []jobs.ID
	for i := range n {
		ids = append(ids, w.submit(fmt.Sprintf(`{"input":"Document %d. It is short."}`, i), jobs.Options{}))
	}
	for _, id := range ids {
		j := w.wait(id)
		if j.State != jobs.StateSucceeded || len(j.Attempts) != 1 {
			t.Errorf("%s ended as %s after %d attempts (%v)", id, j.State, len(j.Attempts), j.Failure)
		}
		w.account(j)
	}
	if totals := w.sim.Ledger().Totals; totals.CreatesAccepted != n {
		t.Errorf("%d creates for %d jobs", totals.CreatesAccepted, n)
	}
	// Not to running: on a busy machine an answer may have ended when it comes.
	for _, state := range []jobs.State{jobs.StateSubmitting, jobs.StateSucceeded} {
		sum := 0.0
		for _, r := range workers {
			sum += r.metric("longhaul_results_transitions_total", "state", string(state))
		}
		if sum != n {
			t.Errorf("%v transitions to %s, want %d", sum, state, n)
		}
	}
	for i, r := range workers {
		if r.metric("longhaul_results_transitions_total", "state", "submitting") == 0 {
			t.Errorf("worker %d has done nothing", i)
		}
	}
}

// TestWorkerThatStopsHandsOver drains one of two workers under load.
//
// Guarantee: G4.
func TestWorkerThatStopsHandsOver(t *testing.T) {
	t.Parallel()
	w := newWorld(t, simulator.Config{Queued: 20 * time.Millisecond, Running: 300 * time.Millisecond})
	w.faults(simulator.FaultRule{Match: simulator.FaultMatch{Op: "create"}, Action: simulator.FaultAction{Delay: simulator.Duration(50 * time.Millisecond)}})
	patient := []string{"LONGHAUL_WATCHDOG_DEAD_AFTER=30s", "LONGHAUL_WATCHDOG_SUBMIT_AFTER=5s", `LONGHAUL_LANES={"default":{"concurrency":8}}`}
	first := w.work(patient...).started()
	w.work(patient...).started()
	var ids []jobs.ID
	for i := range 60 {
		ids = append(ids, w.submit(fmt.Sprintf(`{"input":"Document %d. It is short."}`, i), jobs.Options{}))
	}
	eventually(t, "the first worker is at it", func() bool {
		return first.metric("longhaul_results_transitions_total", "state", "running") > 5
	})
	if err := first.stop(); err != nil {
		t.Errorf("Run: %v", err)
	}
	if alive, err := w.store.Alive(t.Context()); err != nil || len(alive) != 1 {
		t.Errorf("%d workers are believed to live after one of two has left, %v", len(alive), err)
	}
	for _, id := range ids {
		j := w.wait(id)
		if j.State != jobs.StateSucceeded || len(j.Attempts) != 1 {
			t.Errorf("%s ended as %s after %d attempts (%v); a drain must cost none", id, j.State, len(j.Attempts), j.Failure)
		}
		w.account(j)
	}
}

// TestGraceThatEndsLeavesNothingOpen stops a worker whose create takes longer
// than the grace: what became of it is on record when Run returns.
//
// Guarantees: G2, G4.
func TestGraceThatEndsLeavesNothingOpen(t *testing.T) {
	t.Parallel()
	w := newWorld(t, quick())
	w.faults(simulator.FaultRule{Match: simulator.FaultMatch{Op: "create", First: 1}, Action: simulator.FaultAction{Hang: true, Accept: true}})
	r := w.work("LONGHAUL_SHUTDOWN_GRACE=100ms")
	id := w.submit(question, jobs.Options{})
	eventually(t, "the POST is out", func() bool { return len(w.creates(id)) == 1 })
	if err := r.stop(); err != nil {
		t.Errorf("Run: %v", err)
	}
	j := w.load(id)
	if j.State != jobs.StateWaiting || j.Attempts[0].Outcome != jobs.OutcomeUncertain {
		t.Errorf("the job is %s with %+v; want the attempt on record as uncertain", j.State, j.Attempts)
	}
	w.account(j)
}

// TestOutageUnderAWorker takes Redis away for longer than a worker may be
// silent, with creates in flight whose answers come meanwhile. Nobody died, so
// nothing may be sent again.
//
// Guarantees: G2, G5, G6.
func TestOutageUnderAWorker(t *testing.T) {
	t.Parallel()
	server := redistest.StartWith(t, redistest.Config{AppendDir: t.TempDir()})
	w := newWorldOn(t, server.URL(), quick())
	w.faults(simulator.FaultRule{Match: simulator.FaultMatch{Op: "create"}, Action: simulator.FaultAction{Delay: simulator.Duration(500 * time.Millisecond)}})
	// Long enough for a Redis client that was refused for a while to try again.
	const deadAfter = 4 * time.Second
	patient := []string{"LONGHAUL_WATCHDOG_HEARTBEAT=500ms", "LONGHAUL_WATCHDOG_DEAD_AFTER=" + deadAfter.String()}
	workers := []*runner{w.work(patient...), w.work(patient...)}
	var ids []jobs.ID
	for i := range 20 {
		ids = append(ids, w.submit(fmt.Sprintf(`{"input":"Document %d. It is short."}`, i), jobs.Options{}))
	}
	eventually(t, "POSTs are out", func() bool {
		counts, err := w.client.Counts(t.Context(), "")
		return err == nil && counts[jobs.StateSubmitting] > 5
	})
	server.Stop()
	for _, r := range workers {
		if status, body := r.get("/readyz"); status != http.StatusServiceUnavailable || !strings.Contains(body, "redis does not answer") {
			t.Errorf("/readyz answers %d %s while Redis is away", status, body)
		}
		if status, _ := r.get("/livez"); status != http.StatusOK {
			t.Errorf("/livez answers %d while Redis is away", status)
		}
		if status, body := r.get("/metrics"); status != http.StatusOK || !strings.Contains(body, "longhaul_redis_up 0\n") {
			t.Errorf("/metrics answers %d without a redis_up of 0", status)
		}
	}
	time.Sleep(deadAfter + time.Second)
	server.Restart()
	for _, id := range ids {
		j := w.wait(id)
		if j.State != jobs.StateSucceeded || len(j.Attempts) != 1 || len(w.creates(id)) != 1 {
			t.Errorf("%s ended as %s after %d attempts and %d creates; want succeeded after one", id, j.State, len(j.Attempts), len(w.creates(id)))
		}
		w.account(j)
	}
	for _, r := range workers {
		eventually(t, "it is ready again", func() bool { status, _ := r.get("/readyz"); return status == http.StatusOK })
		if n := r.metric("longhaul_watchdog_lost_intents_total"); n != 0 {
			t.Errorf("%v intents were given up although every worker lived", n)
		}
	}
}

// TestRedisDownAtTheStart has a worker come up before its Redis.
//
// Guarantee: G5.
func TestRedisDownAtTheStart(t *testing.T) {
	t.Parallel()
	server := redistest.StartWith(t, redistest.Config{AppendDir: t.TempDir()})
	w := newWorldOn(t, server.URL(), quick())
	id := w.submit(question, jobs.Options{})
	server.Stop()
	r := w.work()
	eventually(t, "it has tried twice", func() bool {
		return strings.Count(r.log.String(), "redis does not answer; trying again") >= 2
	})
	if status, body := r.get("/readyz"); status != http.StatusServiceUnavailable || !strings.Contains(body, "starting") {
		t.Errorf("/readyz answers %d %s before Redis is there", status, body)
	}
	if status, _ := r.get("/livez"); status != http.StatusOK {
		t.Errorf("/livez answers %d before Redis is there", status)
	}
	server.Restart()
	if j := w.wait(id); j.State != jobs.StateSucceeded {
		t.Errorf("ended as %s", j.State)
	}
	if status, body := r.get("/readyz"); status != http.StatusOK {
		t.Errorf("/readyz answers %d %s with Redis there", status, body)
	}
}

// TestRedisThatRefusesAtTheStart answers, so a worker names what is wrong instead of
// saying that nobody does, and goes on once it is right.
func TestRedisThatRefusesAtTheStart(t *testing.T) {
	t.Parallel()
	server := redistest.StartWith(t, redistest.Config{TCP: true, AppendDir: t.TempDir()})
	w := newWorldOn(t, server.URL(), quick())
	r := w.work("LONGHAUL_REDIS_URL=redis://worker:hush@" + server.Addr())
	eventually(t, "the log says so", func() bool { return strings.Contains(r.log.String(), "redis refuses; trying again") })
	if status, body := r.get("/readyz"); status != http.StatusServiceUnavailable || !strings.Contains(body, "redis.url") {
		t.Errorf("/readyz answers %d %s, want it to name the setting", status, body)
	}
	rules := []string{"on", ">hush", "~*", "&*", "+@all"}
	if err := server.Client(t).ACLSetUser(t.Context(), "worker", rules...).Err(); err != nil {
		t.Fatal(err)
	}
	eventually(t, "it is ready", func() bool { status, _ := r.get("/readyz"); return status == http.StatusOK })
}

func TestStopBeforeRedisEverAnswered(t *testing.T) {
	t.Parallel()
	server := redistest.Start(t)
	w := newWorldOn(t, server.URL(), quick())
	server.Stop()
	r := w.work()
	eventually(t, "it has tried", func() bool { return strings.Contains(r.log.String(), "trying again") })
	if err := r.stop(); err != nil {
		t.Errorf("Run: %v; a worker that was told to stop has not failed", err)
	}
}

// TestDrainIsNotReady asks while the worker waits for a create to end.
//
// Guarantee: G4.
func TestDrainIsNotReady(t *testing.T) {
	t.Parallel()
	w := newWorld(t, quick())
	w.faults(simulator.FaultRule{Match: simulator.FaultMatch{Op: "create"}, Action: simulator.FaultAction{Delay: simulator.Duration(3 * time.Second)}})
	r := w.work()
	id := w.submit(question, jobs.Options{})
	eventually(t, "the POST is out", func() bool { return w.load(id).State == jobs.StateSubmitting })
	if status, _ := r.get("/readyz"); status != http.StatusOK {
		t.Errorf("/readyz answers %d before the drain", status)
	}
	stopped := make(chan error, 1)
	go func() { stopped <- r.stop() }()
	eventually(t, "it says that it drains", func() bool {
		status, body := r.get("/readyz")
		return status == http.StatusServiceUnavailable && strings.Contains(body, "draining")
	})
	// It lives as long as its create is out, and longer than its last word is good.
	for {
		alive, err := w.store.Alive(t.Context())
		if w.load(id).State != jobs.StateSubmitting {
			break
		}
		if err != nil || len(alive) != 1 {
			t.Fatalf("%d workers are believed to live while one drains, %v: its create would be taken for lost", len(alive), err)
		}
		time.Sleep(50 * time.Millisecond)
	}
	if err := <-stopped; err != nil {
		t.Errorf("Run: %v", err)
	}
	if j := w.load(id); j.State != jobs.StateRunning {
		t.Errorf("the job is %s after the drain; want its response on record", j.State)
	}
}

// TestRunLeavesNothingBehind counts goroutines. It does not run beside others.
func TestRunLeavesNothingBehind(t *testing.T) {
	w := newWorld(t, quick())
	w.runOnce(t) // what is started once for the process is started now
	settled := func() int {
		least := runtime.NumGoroutine()
		for range 20 {
			time.Sleep(10 * time.Millisecond)
			least = min(least, runtime.NumGoroutine())
		}
		return least
	}
	before := settled()
	w.runOnce(t)
	deadline := time.Now().Add(20 * time.Second)
	after := settled()
	for after > before && time.Now().Before(deadline) {
		after = settled()
	}
	if after > before {
		stacks := make([]byte, 1<<20)
		t.Errorf("%d goroutines before and %d after:\n%s", before, after, stacks[:runtime.Stack(stacks, true)])
	}
}

// runOnce runs a worker for one job, stops it, and waits until its connections
// are closed.
func (w *world) runOnce(t *testing.T) {
	t.Helper()
	a, err := app.New(t.Context(), app.Options{Config: w.config(), Log: discard(), Version: "test"})
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan error, 1)
	go func() { done <- a.Run(ctx) }()
	w.wait(w.submit(question, jobs.Options{}))
	cancel()
	if err := <-done; err != nil {
		t.Errorf("Run: %v", err)
	}
	for deadline := time.Now().Add(10 * time.Second); w.conns.Load() > 0; time.Sleep(time.Millisecond) {
		if time.Now().After(deadline) {
			t.Fatalf("%d connections to the provider are still open", w.conns.Load())
		}
	}
}

func TestStopIsIdempotent(t *testing.T) {
	t.Parallel()
	local, err := app.StartDev(t.Context(), devConfig(t), discard())
	if err != nil {
		t.Fatal(err)
	}
	if !strings.Contains(local.Notice(), "stand-in") || len(local.Addresses()) == 0 {
		t.Errorf("notice %q, addresses %q; want them to say what this is", local.Notice(), local.Addresses())
	}
	for range 2 {
		if err := local.Stop(); err != nil {
			t.Errorf("Stop: %v", err)
		}
	}
}

func TestNewRefuses(t *testing.T) {
	t.Parallel()
	taken, err := (&net.ListenConfig{}).Listen(t.Context(), "tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = taken.Close() }()
	w := newWorld(t, quick())
	for _, tt := range []struct{ name, setting, want string }{
		{"no key", "OPENAI_API_KEY=", "openai.api_key"},
		{"an address in use", "LONGHAUL_HTTP_ADDR=" + taken.Addr().String(), "http.addr " + taken.Addr().String()},
	} {
		_, err := app.New(t.Context(), app.Options{Config: w.config(tt.setting), Log: discard()})
		if err == nil || !strings.Contains(err.Error(), tt.want) {
			t.Errorf("%s: %v; want an error about %s", tt.name, err, tt.want)
		}
	}
	_, err = app.New(t.Context(), app.Options{Config: w.config("OPENAI_API_KEY="), Log: discard()})
	if f := jobs.FailureOf(err); f.Class != jobs.ClassInvalid || f.Param != "openai.api_key" {
		t.Errorf("without a key the error is %+v; want it invalid, and the field named", f)
	}
}

// TestDevelopmentAddresses wants words that help for what people meet first.
func TestDevelopmentAddresses(t *testing.T) {
	t.Parallel()
	taken, err := (&net.ListenConfig{}).Listen(t.Context(), "tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = taken.Close() }()
	for _, tt := range []struct{ url, want string }{
		{"redis://" + taken.Addr().String() + "/0", "choose another address with --redis-url"},
		{"unix:///tmp/no.sock", "redis://HOST:PORT/0"},
		{"redis://user:secret@127.0.0.1:1/0", "without a password"},
	} {
		_, err := app.ServeDev(t.Context(), devConfig(t, "LONGHAUL_REDIS_URL="+tt.url), discard(), "test")
		if err == nil || !strings.Contains(err.Error(), tt.want) || strings.Contains(err.Error(), "secret") {
			t.Errorf("%s: %v; want it to say %q", tt.url, err, tt.want)
		}
	}
}

// TestRedisThatForgetsIsNamed warns of settings under which paid work is lost.
func TestRedisThatForgetsIsNamed(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		name   string
		config redistest.Config
		want   []string
	}{
		{"without a file", redistest.Config{}, []string{"set appendonly yes"}},
		{"that evicts", redistest.Config{AppendDir: t.TempDir(), Args: []string{"--maxmemory-policy", "allkeys-lru"}}, []string{"set maxmemory-policy noeviction"}},
		{"as it should be", redistest.Config{AppendDir: t.TempDir()}, nil},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			w := newWorldOn(t, redistest.StartWith(t, tt.config).URL(), quick())
			r := w.work().started()
			var got []string
			for _, text := range []string{"set appendonly yes", "set maxmemory-policy noeviction"} {
				if strings.Contains(r.log.String(), text) {
					got = append(got, text)
				}
			}
			if fmt.Sprint(got) != fmt.Sprint(tt.want) {
				t.Errorf("the log says %q, want %q", got, tt.want)
			}
		})
	}
}
