//go:build chaos

package chaos_test

import (
	"fmt"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/longhaul-jobs/longhaul/internal/installation"
	"github.com/longhaul-jobs/longhaul/internal/proxy"
	"github.com/longhaul-jobs/longhaul/jobs"
)

const question = installation.Question

// sweepBound is how long one sweep may take before it is a failure.
const sweepBound = 15 * time.Minute

// quick are the times of workers that are killed thousands of times: what a
// crash leaves is found within a second instead of ten. The order of the steps is
// the same.
func quick() []string {
	return []string{
		"LONGHAUL_HTTP_ADDR=", "LONGHAUL_LOG_LEVEL=warn",
		"LONGHAUL_POLL_TICK=100ms", "LONGHAUL_POLL_FLOOR=100ms", "LONGHAUL_POLL_CEILING=200ms", "LONGHAUL_POLL_LEASE=2s", "LONGHAUL_OPENAI_LOOK_TIMEOUT=900ms",
		"LONGHAUL_WATCHDOG_HEARTBEAT=100ms", "LONGHAUL_WATCHDOG_DEAD_AFTER=500ms",
		"LONGHAUL_WATCHDOG_CHECK_EVERY=200ms", "LONGHAUL_WATCHDOG_SUBMIT_AFTER=1s",
	}
}

// sweep runs one job after the other, killing the worker of each one step later,
// until the path has no more steps.
type sweep struct {
	in  *installation.Installation
	row *row

	mu     sync.Mutex // guards the row's account and what follows
	sprung int        // how many traps have
}

// trap is where the worker of one run is killed: at a command, or at a byte.
type trap struct {
	command   int
	moment    proxy.Moment
	direction proxy.Direction
	byte      int
}

// beyond reports whether a path that passed so much never came to the trap.
func (at trap) beyond(steps []string, passed map[proxy.Direction]int) bool {
	return at.command > len(steps) || at.command == 0 && at.byte > passed[at.direction]
}

// run has one job's worker killed at the trap and another finish. It reports
// what passed, and fails if the trap did not spring although it was reached.
func (s *sweep) run(t *testing.T, at trap) (steps []string, passed map[proxy.Direction]int) {
	t.Helper()
	in := s.in.Apart(t)
	id := in.Submit(1, question, jobs.Options{})[0]

	var victim *installation.Process
	started := make(chan struct{})
	kill := func() { <-started; victim.Kill() }
	redis, err := proxy.NewRedis(in.Redis.Addr(), string(id), at.command, at.moment, kill)
	if err != nil {
		t.Fatal(err)
	}
	defer redis.Close()
	provider, err := proxy.NewProvider(host(in.SimulatorURL), at.direction, at.byte, kill)
	if err != nil {
		t.Fatal(err)
	}
	defer provider.Close()
	victim = in.StartWorker(append(quick(),
		"LONGHAUL_REDIS_URL="+in.RedisURLAt(redis.Addr()), "OPENAI_BASE_URL=http://"+provider.Addr()+"/v1")...)
	close(started)

	ended := ends(t, in, id, victim.Gone())
	victim.Kill()
	sprung := redis.Sprung() || provider.Sprung()
	if !ended && !sprung {
		t.Fatal("the worker ended by itself")
	}
	if !ended {
		in.StartWorker(quick()...)
		if !ends(t, in, id, nil) {
			t.Fatal("the job has not ended")
		}
	}
	s.check(t, in, id)
	steps = redis.Steps()
	passed = map[proxy.Direction]int{proxy.Request: provider.Passed(proxy.Request), proxy.Answer: provider.Passed(proxy.Answer)}
	if set := at != (trap{}); set && !sprung && !at.beyond(steps, passed) {
		t.Errorf("nobody was killed at %+v, and %d commands and %v bytes have passed", at, len(steps), passed)
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if sprung {
		s.sprung++
	}
	return steps, passed
}

// ends waits for the end of a job, or of a process, and reports which it was.
func ends(t *testing.T, in *installation.Installation, id jobs.ID, gone <-chan struct{}) bool {
	t.Helper()
	deadline := time.Now().Add(time.Minute)
	for time.Now().Before(deadline) {
		j, err := in.Store.Load(t.Context(), id)
		if err != nil {
			t.Fatal(err)
		}
		if j.State.Terminal() {
			return true
		}
		select {
		case <-gone:
			return false
		case <-time.After(20 * time.Millisecond):
		}
	}
	return false
}

// check holds the ledger against the record of one job, and the result that is
// kept against both.
func (s *sweep) check(t *testing.T, in *installation.Installation, id jobs.ID) {
	t.Helper()
	j, err := in.Client.Get(t.Context(), id)
	if err != nil {
		t.Fatal(err)
	}
	a := installation.Compare([]jobs.Job{j}, in.LedgerOf(id))
	s.mu.Lock()
	s.row.add(t, a)
	s.mu.Unlock()
	text, err := in.Client.Text(t.Context(), id)
	if err != nil || j.State != jobs.StateSucceeded || j.Result == nil || text == "" {
		t.Errorf("%s, result %v, %d bytes of text, %v", j.State, j.Result, len(text), err)
	}
	if len(j.Attempts) > 2 {
		t.Errorf("%d attempts after one kill", len(j.Attempts))
	}
}

// all runs every trap of a list side by side, each as a test of its own, and
// returns how many sprang. Those are at least so many as the test demands.
func (s *sweep) all(t *testing.T, traps []trap, atLeast int, name func(trap) string) int {
	t.Helper()
	begun := time.Now()
	t.Run("at", func(t *testing.T) {
		for _, at := range traps {
			t.Run(name(at), func(t *testing.T) {
				t.Parallel()
				if time.Since(begun) > sweepBound {
					t.Fatalf("not run: the sweep has taken %v", sweepBound)
				}
				s.run(t, at)
			})
		}
	})
	if s.sprung < atLeast {
		t.Errorf("%d of %d traps have sprung; the path has room for %d", s.sprung, len(traps), atLeast)
	}
	return s.sprung
}

// TestSweepCommands kills the worker at every Redis command of one job's path,
// before the server has seen it and after it was carried out.
//
// Guarantees: G1, G2, G3, G6.
func TestSweepCommands(t *testing.T) {
	r := tell(t, 10, "`kill -9` at the Nth Redis command", "")
	s := &sweep{in: newSweepInstallation(t, 250*time.Millisecond), row: r} // the first look brings no end, a later one does
	s.run(t, trap{})                                                       // the server learns the scripts
	steps, _ := s.run(t, trap{})
	if len(steps) < shortestPath {
		t.Fatalf("the path of a job has %d commands, want at least %d: the proxy does not see them", len(steps), shortestPath)
	}
	t.Logf("the path of a job has %d commands:\n%s", len(steps), strings.Join(steps, "\n"))
	var traps []trap
	for n := range len(steps) + 2 { // and beyond, should a path be longer than the one that was seen
		for _, moment := range []proxy.Moment{proxy.BeforeCommand, proxy.BeforeAnswer} {
			traps = append(traps, trap{command: n + 1, moment: moment})
		}
	}
	kills := s.all(t, traps, 2*(len(steps)-looking), func(at trap) string { return fmt.Sprintf("%d %s", at.command, at.moment) })
	r.done = fmt.Sprintf("each of the %d commands of a path, before it and before its answer: %d kills", len(steps), kills)
}

// What a path has at least: a job is claimed, submitted, recorded, looked at and
// ended. A path may have one look fewer than another, which is so many commands.
const (
	shortestPath = 8
	looking      = 2
)

// stride is how far apart the bytes of the answers are at which a worker is
// killed: whatever has come of an answer, the worker has not acted on it before
// all of it is there.
const stride = 16

// TestSweepBytes kills the worker at every byte of the requests that one job's
// path sends, and at every 16th of their answers, counted from the last one.
//
// Guarantees: G1, G2, G3, G6.
func TestSweepBytes(t *testing.T) {
	t.Parallel()
	r := tell(t, 11, "`kill -9` at the Nth byte to the provider", "")
	s := &sweep{in: newSweepInstallation(t, 10*time.Millisecond), row: r} // one look
	_, passed := s.run(t, trap{})
	requests, answers := passed[proxy.Request], passed[proxy.Answer]
	if requests < 500 || answers < 500 {
		t.Fatalf("%d bytes sent and %d received: the proxy does not see them", requests, answers)
	}
	var traps []trap
	for n := range requests {
		traps = append(traps, trap{direction: proxy.Request, byte: n + 1})
	}
	for n := answers; n > 0; n -= stride {
		traps = append(traps, trap{direction: proxy.Answer, byte: n})
	}
	kills := s.all(t, traps, requests+answers/stride-1, func(at trap) string { return fmt.Sprintf("%s %d", at.direction, at.byte) })
	r.done = fmt.Sprintf("each of %d bytes sent, each %dth of %d received: %d kills", requests, stride, answers, kills)
}

func newSweepInstallation(t *testing.T, running time.Duration) *installation.Installation {
	t.Helper()
	return installation.New(t, "--simulator-queued", "10ms", "--simulator-running", running.String())
}

// host is the host and port of a URL.
func host(url string) string {
	rest, _ := strings.CutPrefix(url, "http://")
	h, _, _ := strings.Cut(rest, "/")
	return h
}
