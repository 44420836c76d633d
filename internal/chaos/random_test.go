//go:build chaos

package chaos_test

import (
	"fmt"
	"math/rand/v2"
	"net/http"
	"path/filepath"
	"strconv"
	"testing"
	"time"

	"github.com/longhaul-jobs/longhaul/internal/installation"
	"github.com/longhaul-jobs/longhaul/internal/simulator"
	"github.com/longhaul-jobs/longhaul/jobs"
)

// What Longhaul and the plain handler go through alike: jobs that come one by
// one over about as long as the kills take, and a provider that needs a moment
// for each create, half of it before it accepts and half after.
const (
	randomJobs  = 300
	randomKills = 100
	randomPace  = 260 * time.Millisecond
	slowCreates = `{"rules":[
		{"match":{"op":"create","every":2},"action":{"delay":"150ms"}},
		{"match":{"op":"create"},"action":{"delay":"150ms","accept":true}}
	]}`
)

func newRandomInstallation(t *testing.T) *installation.Installation {
	t.Helper()
	in := installation.New(t, "--simulator-queued", "200ms", "--simulator-running", "800ms")
	in.Faults(slowCreates)
	return in
}

// supervise starts a worker whenever it was killed, which happens after a random
// time between nothing and a second and a half.
func supervise(r *rand.Rand, start func() *installation.Process) {
	for range randomKills {
		p := start()
		time.Sleep(time.Duration(r.Int64N(int64(1500 * time.Millisecond))))
		p.Kill()
	}
	start()
}

// TestRandomKills kills the worker a hundred times while 300 jobs come and go,
// without webhooks and with them.
//
// Guarantees: G1, G2, G3, G6, G17.
func TestRandomKills(t *testing.T) {
	t.Parallel()
	for i, webhooks := range []string{"no webhooks", "webhooks on"} {
		t.Run(webhooks, func(t *testing.T) {
			t.Parallel()
			r := tell(t, 12+i, "`kill -9` at random moments", fmt.Sprintf("%d kills over %d jobs, %s", randomKills, randomJobs, webhooks))
			in := newRandomInstallation(t)
			environ := quick()
			if webhooks == "webhooks on" {
				// What met no living worker is sent again after 1, 2, 4 … 128 s: the last of these comes well
				// after the last kill, and before the wait is over.
				environ = append(environ, "LONGHAUL_WEBHOOKS_SAFETY_NET=1m", "LONGHAUL_UNCERTAIN_WAIT=5m")
				environ = append(environ, in.Webhooks()...)
			}
			a, aside, took := killAtRandom(t, in, environ)
			r.add(t, a)
			if webhooks == "webhooks on" && a.PaidTwice > 0 {
				t.Errorf("%d jobs were paid for twice; their webhooks were to tell", a.PaidTwice)
			}
			r.note = fmt.Sprintf("%d paid twice; %d set aside as poison and retried by hand", a.PaidTwice, aside)
			table.compare("%d jobs through %d kills, Longhaul, %s: %d creates, %d jobs paid twice (each on record), %d missing, all ended after %.0f s",
				randomJobs, randomKills, webhooks, a.Creates, a.PaidTwice, randomJobs-a.Succeeded, took.Seconds())
		})
	}
}

func killAtRandom(t *testing.T, in *installation.Installation, environ []string) (a installation.Account, aside int, took time.Duration) {
	t.Helper()
	began := time.Now()
	ids, failed := make(chan []jobs.ID, 1), make(chan error, 1)
	go func() {
		got, err := submitEvery(t, in, randomPace)
		ids <- got
		failed <- err
	}()
	supervise(random(t), func() *installation.Process { return in.StartWorker(environ...) })
	accepted, err := <-ids, <-failed
	if err != nil {
		t.Fatal(err)
	}
	ended, aside := goOn(t, in, in.WaitAll(accepted, 15*time.Minute))
	took = time.Since(began)
	for _, j := range ended {
		if j.State != jobs.StateSucceeded {
			t.Errorf("%s ended as %s: %+v", j.ID, j.State, j.Failure)
		}
		if text, err := in.Client.Text(t.Context(), j.ID); err != nil || text == "" {
			t.Errorf("%s has no result: %v", j.ID, err)
		}
	}
	ledger := in.Ledger()
	for _, j := range ended {
		if len(ledger[j.ID]) < 2 {
			continue
		}
		t.Logf("%s was paid for %d times:", j.ID, len(ledger[j.ID]))
		for _, a := range j.Attempts {
			t.Logf("  attempt %+v, failure %+v", a, a.Failure)
		}
		for _, e := range ledger[j.ID] {
			t.Logf("  %s of attempt %d, created %s, ended %s as %s, %d webhooks, taken %s",
				e.ID, e.Attempt, e.Created.Format(time.TimeOnly), e.Ended.Format(time.TimeOnly), e.Status, e.Webhooks, e.WebhookTaken.Format(time.TimeOnly))
		}
	}
	return installation.Compare(ended, ledger), aside, took
}

// goOn retries, as a person would, the jobs that were set aside because they were
// present at several crashes and alone at one: so many kills make it look as if
// some did it. It returns all jobs as they end, and how many those were.
func goOn(t *testing.T, in *installation.Installation, ended []jobs.Job) (all []jobs.Job, aside int) {
	t.Helper()
	ids := make([]jobs.ID, len(ended))
	for i, j := range ended {
		ids[i] = j.ID
		if j.Failure == nil || j.Failure.Class != jobs.ClassPoison {
			continue
		}
		aside++
		if _, err := in.Client.Retry(t.Context(), j.ID); err != nil {
			t.Fatal(err)
		}
	}
	return in.WaitAll(ids, 5*time.Minute), aside
}

// submitEvery accepts one job at each interval.
func submitEvery(t *testing.T, in *installation.Installation, every time.Duration) ([]jobs.ID, error) {
	t.Helper()
	ids := make([]jobs.ID, 0, randomJobs)
	for i := range randomJobs {
		time.Sleep(every)
		s, err := in.Client.Submit(t.Context(), fmt.Appendf(nil, question, i), jobs.Options{MaxAttempts: jobs.MaxMaxAttempts})
		if err != nil {
			return ids, err
		}
		ids = append(ids, s.Job.ID)
	}
	return ids, nil
}

// TestRandomKillsOfPlainHandler puts a handler that submits and polls in one
// Asynq task through the same: nothing is asserted about it but that it was
// measured.
func TestRandomKillsOfPlainHandler(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	if err := installation.Build(dir, "internal/bench/plain"); err != nil {
		t.Fatal(err)
	}
	plain := filepath.Join(dir, "plain")
	in := newRandomInstallation(t)
	began := time.Now()
	installation.StartFile(t, nil, plain, "enqueue", in.RedisURL(), strconv.Itoa(randomJobs), randomPace.String())
	supervise(random(t), func() *installation.Process {
		return installation.StartFile(t, nil, plain, "work", in.RedisURL(), in.SimulatorURL)
	})
	done := 0
	for deadline := time.Now().Add(8 * time.Minute); done < randomJobs && time.Now().Before(deadline); time.Sleep(time.Second) {
		keys, err := in.RDB.Keys(t.Context(), "result:*").Result()
		if err != nil {
			t.Fatal(err)
		}
		done = len(keys)
	}
	var ledger simulator.Ledger
	in.Call(http.MethodGet, "/_sim/ledger", "", &ledger)
	creates := make(map[string]int)
	for _, e := range ledger.Entries {
		creates[e.Metadata["job"]]++
	}
	twice := 0
	for _, n := range creates {
		if n > 1 {
			twice++
		}
	}
	if len(creates) != randomJobs {
		t.Errorf("the ledger has %d jobs, want %d: the plain handler was not measured", len(creates), randomJobs)
	}
	table.compare("%d jobs through %d kills, plain handler: %d creates, %d jobs paid twice (on no record), %d missing, all ended after %.0f s",
		randomJobs, randomKills, len(ledger.Entries), twice, randomJobs-done, time.Since(began).Seconds())
}
