//go:build chaos

package chaos_test

import (
	"fmt"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/longhaul-jobs/longhaul/internal/installation"
	"github.com/longhaul-jobs/longhaul/jobs"
	"github.com/longhaul-jobs/longhaul/results"
)

// slowProvider takes its time over every call, so that a worker which is told to
// stop has creates and looks in flight.
const slowProvider = `{"rules":[
	{"match":{"op":"create"},"action":{"delay":"400ms"}},
	{"match":{"op":"get"},"action":{"delay":"200ms"}}
]}`

// lease is that of looks where their delay is measured: a look may be late by no
// more.
const lease = 5 * time.Second

// TestRollingReplacement replaces two workers, one after the other and several
// times over, while jobs keep coming.
//
// Guarantee: G4.
func TestRollingReplacement(t *testing.T) {
	t.Parallel()
	const n, rounds, ceiling = 1500, 3, time.Second
	r := tell(t, 20, "worker replaced (SIGTERM) under load", fmt.Sprintf("two workers, each replaced %d times, %d jobs", rounds, n))
	in := installation.New(t, "--simulator-queued", "500ms", "--simulator-running", "2s")
	in.Faults(slowProvider)
	start := func() *installation.Process {
		return in.Worker("LONGHAUL_POLL_LEASE="+lease.String(), "LONGHAUL_OPENAI_LOOK_TIMEOUT=2s", "LONGHAUL_POLL_CEILING="+ceiling.String())
	}
	workers := []*installation.Process{start(), start()}
	in.SubmitMany(n, question, jobs.Options{})
	in.WaitCount(jobs.StateRunning, 20)
	for range rounds {
		for i, old := range workers {
			workers[i] = start()
			if code := old.Terminate(); code != 0 {
				t.Errorf("exit code %d after SIGTERM, want 0:\n%s", code, installation.Tail(old.Stderr.String(), 2000))
			}
			if strings.Contains(old.Stderr.String(), "not everything in flight has finished") {
				t.Error("a worker left something in flight behind")
			}
		}
	}
	ended, a := settle(t, r, in, n)
	once(t, ended, a)
	lags := lags(in, ended)
	if worst := lags[n-1]; worst > ceiling+lease {
		t.Errorf("a response was seen to have ended %v after its end; want at most a lease more than the %v between looks", worst, ceiling)
	}
	r.note = fmt.Sprintf("ends seen after %.1f s at the median, %.1f s at most; looks are %.0f s apart, a lease is %.0f s",
		lags[n/2].Seconds(), lags[n-1].Seconds(), ceiling.Seconds(), lease.Seconds())
}

// lags are how long after the end of each response its job ended, sorted.
func lags(in *installation.Installation, ended []jobs.Job) []time.Duration {
	ledger := in.Ledger()
	var lags []time.Duration
	for _, j := range ended {
		for _, e := range ledger[j.ID] {
			if j.Result != nil && e.ID == j.Result.ResponseID {
				lags = append(lags, j.Ended.Sub(e.Ended))
			}
		}
	}
	slices.Sort(lags)
	return lags
}

// TestLeasesAreGivenBack stops the only worker while it creates and looks:
// nothing is left in its name when it has gone.
//
// Guarantee: G4.
func TestLeasesAreGivenBack(t *testing.T) {
	t.Parallel()
	const n = 400
	r := tell(t, 21, "SIGTERM: leases are given back at once", fmt.Sprintf("the only worker, %d jobs", n))
	in := installation.New(t, "--simulator-queued", "500ms", "--simulator-running", "20s")
	in.Faults(slowProvider)
	in.SubmitMany(n, question, jobs.Options{})
	addr := installation.FreeAddr(t)
	worker := in.Worker("LONGHAUL_HTTP_ADDR=" + addr)
	in.WaitCount(jobs.StateRunning, n/4)
	worker.Signal(syscall.SIGTERM)
	installation.WaitStatus(t, addr, "/readyz", http.StatusServiceUnavailable)
	asked := in.Store.Now()
	if code := worker.Wait(); code != 0 {
		t.Errorf("exit code %d, want 0", code)
	}
	took := in.Store.Now().Sub(asked)

	now := in.Store.Now()
	for _, j := range in.All(results.Filter{}) {
		if j.State != jobs.StateWaiting && j.State != jobs.StateRunning {
			t.Errorf("%s is %s and its worker has gone", j.ID, j.State)
		}
	}
	// With looks a second apart at most, what is due later than that is leased.
	for _, set := range keys(t, in, "*:looks:*") {
		leased, err := in.RDB.ZCount(t.Context(), set, strconv.FormatInt(now.Add(5*time.Second).UnixMilli(), 10), "+inf").Result()
		if err != nil || leased > 0 {
			t.Errorf("%d looks in %s are leased to a worker that has gone, %v", leased, set, err)
		}
	}
	for _, list := range keys(t, in, "asynq:*:active") {
		if held, err := in.RDB.LLen(t.Context(), list).Result(); err != nil || held > 0 {
			t.Errorf("%d tasks in %s are held by a worker that has gone, %v", held, list, err)
		}
	}
	if workers, err := in.Store.Workers(t.Context()); err != nil || len(workers) > 0 {
		t.Errorf("%d workers are said to live, %v", len(workers), err)
	}
	in.Worker()
	ended, a := settle(t, r, in, n)
	once(t, ended, a)
	r.note = fmt.Sprintf("left %.1f s after SIGTERM with no lease, no task and no create in its name", took.Seconds())
}

func keys(t *testing.T, in *installation.Installation, pattern string) []string {
	t.Helper()
	keys, err := in.RDB.Keys(t.Context(), pattern).Result()
	if err != nil {
		t.Fatal(err)
	}
	return keys
}

// TestRedisAway takes Redis away under two workers with creates in flight, or has
// it hang with every connection open, and gives it back: they stay up, say so,
// and go on by themselves. What was in flight is recorded then and asked once, also
// where Redis is away for longer than a create may take.
//
// Guarantees: G2, G5, G6.
func TestRedisAway(t *testing.T) {
	t.Parallel()
	stopped := func(in *installation.Installation) (leave, comeBack func()) { return in.Redis.Stop, in.Redis.Restart }
	hangs := func(in *installation.Installation) (leave, comeBack func()) { return in.Redis.Pause, in.Redis.Resume }
	for i, tt := range []struct {
		fault  string
		away   time.Duration
		how    func(in *installation.Installation) (leave, comeBack func())
		create time.Duration // how long one takes
		limit  time.Duration // openai.create_timeout
	}{
		{"Redis stopped and started again", 45 * time.Second, stopped, time.Second, 10 * time.Minute},
		{"Redis stopped and started again", 5 * time.Minute, stopped, time.Second, 10 * time.Minute},
		{"Redis hangs, its connections open", 45 * time.Second, hangs, time.Second, 10 * time.Minute},
		{"Redis away for longer than a create may take", 90 * time.Second, stopped, 3 * time.Second, 5 * time.Second},
	} {
		t.Run(strconv.Itoa(i), func(t *testing.T) {
			t.Parallel()
			const n = 500
			r := tell(t, 30+i, tt.fault, fmt.Sprintf("for %v under two workers, %d jobs, openai.create_timeout %v", tt.away, n, tt.limit))
			in := installation.New(t, "--simulator-queued", "500ms", "--simulator-running", "2s")
			in.Faults(fmt.Sprintf(`{"rules":[{"match":{"op":"create"},"action":{"delay":%q,"accept":true}}]}`, tt.create))
			in.SubmitMany(n, question, jobs.Options{})
			var addrs []string
			var workers []*installation.Process
			for range 2 {
				addrs = append(addrs, installation.FreeAddr(t))
				workers = append(workers, in.Worker("LONGHAUL_HTTP_ADDR="+addrs[len(addrs)-1], "LONGHAUL_OPENAI_CREATE_TIMEOUT="+tt.limit.String()))
			}
			in.WaitCount(jobs.StateSucceeded, 20)
			in.WaitCount(jobs.StateSubmitting, 10)
			leave, comeBack := tt.how(in)
			left := in.Store.Now()
			leave()
			back := time.Now().Add(tt.away)
			for _, addr := range addrs {
				installation.WaitStatus(t, addr, "/readyz", http.StatusServiceUnavailable)
			}
			time.Sleep(time.Until(back))
			for _, addr := range addrs {
				if got := installation.Status(t, addr, "/livez"); got != http.StatusOK {
					t.Errorf("/livez answers %d while Redis is away; a restart would not help", got)
				}
			}
			comeBack()
			for _, addr := range addrs {
				installation.WaitStatus(t, addr, "/readyz", http.StatusOK)
			}
			ended, a := settle(t, r, in, n)
			once(t, ended, a)
			inFlight := installation.InFlight(ended, left)
			if inFlight < 10 {
				t.Errorf("%d creates were in flight when Redis went, want at least 10", inFlight)
			}
			for _, w := range workers {
				if code := w.Terminate(); code != 0 {
					t.Errorf("exit code %d, want 0", code)
				}
			}
			r.note = fmt.Sprintf("both workers stayed up, said so, and went on by themselves; %d creates were in flight", inFlight)
		})
	}
}

// TestRedisKilled kills Redis under load. Its append-only file has what was
// answered, since the system still writes what a killed process has handed over.
//
// Guarantee: G5.
func TestRedisKilled(t *testing.T) {
	t.Parallel()
	const n = 500
	r := tell(t, 35, "Redis killed (SIGKILL) and started again", fmt.Sprintf("3 times, %d jobs", n))
	in := installation.New(t, "--simulator-queued", "500ms", "--simulator-running", "2s")
	in.Faults(slowProvider)
	in.SubmitMany(n, question, jobs.Options{})
	worker := in.Worker()
	for i := range 3 {
		in.WaitCount(jobs.StateSucceeded, int64(50+100*i))
		in.Redis.Kill()
		time.Sleep(2 * time.Second)
		in.Redis.Restart()
	}
	ended, a := settle(t, r, in, n)
	once(t, ended, a)
	if code := worker.Terminate(); code != 0 {
		t.Errorf("exit code %d, want 0", code)
	}
}

// TestRedisThatForgets has a worker start on a Redis that evicts and keeps
// nothing on disk: it says so, and so does the doctor.
//
// Guarantee: G5.
func TestRedisThatForgets(t *testing.T) {
	t.Parallel()
	r := tell(t, 39, "Redis evicts, or keeps nothing on disk", "the doctor and start-up say so plainly")
	in := installation.New(t, "--simulator-queued", "100ms", "--simulator-running", "100ms")
	for name, value := range map[string]string{"maxmemory-policy": "allkeys-lru", "appendonly": "no"} {
		if err := in.RDB.ConfigSet(t.Context(), name, value).Err(); err != nil {
			t.Fatal(err)
		}
	}
	worker := in.Worker()
	doctor := installation.Start(t, in.Environ(), "worker", "doctor")
	if code := doctor.Wait(); code != 1 {
		t.Errorf("the doctor's exit code is %d, want 1", code)
	}
	for _, said := range []string{"set maxmemory-policy noeviction", "set appendonly yes"} {
		worker.Find(worker.Stderr, said)
		if told := doctor.Stdout.String(); !strings.Contains(told, said) {
			t.Errorf("the doctor does not say %q:\n%s", said, told)
		}
	}
	in.Submit(5, question, jobs.Options{})
	settle(t, r, in, 5)
	r.note = "both name both settings and what to set"
}
