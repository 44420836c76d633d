//go:build chaos

package chaos_test

import (
	"fmt"
	"maps"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/longhaul-jobs/longhaul/internal/installation"
	"github.com/longhaul-jobs/longhaul/jobs"
	"github.com/longhaul-jobs/longhaul/results"
)

// takeoverJobs is how many jobs go through the kill.
const takeoverJobs = 20_000

// takeoverBound is what the takeover must stay under, with default settings: from
// the kill to the last orphan moved on. The others' number is from their own page.
const takeoverBound = 20 * time.Second

// TestTakeover kills a worker in the midst of 20,000 jobs and starts another at
// that moment, with default settings: once while it submits, when webhooks tell
// what became of the creates in flight, and once while it watches, without them.
//
// Guarantees: G1, G2, G3, G6, G17.
func TestTakeover(t *testing.T) {
	for i, while := range []string{"watching", "submitting"} {
		t.Run(while, func(t *testing.T) {
			r := tell(t, 14+i, "`kill -9`, and a second worker takes over",
				fmt.Sprintf("%d jobs, default settings, killed while %s", takeoverJobs, while))
			var in *installation.Installation
			environ := []string{"LONGHAUL_LOG_LEVEL=error"}
			if while == "submitting" {
				in = installation.New(t, "--simulator-queued", "1s", "--simulator-running", "4s")
				in.Faults(`{"rules":[{"match":{"op":"create"},"action":{"delay":"50ms","accept":true}}]}`)
				r.done += ", webhooks on, uncertain.wait 30s"
				environ = append(environ, "LONGHAUL_UNCERTAIN_WAIT=30s")
				environ = append(environ, in.Webhooks()...)
			} else {
				in = installation.New(t, "--simulator-queued", "5s", "--simulator-running", "115s") // so that most are running when all are submitted
			}
			environ = append(in.Environ(), environ...)
			in.SubmitMany(takeoverJobs, question, jobs.Options{})
			first := installation.Start(t, environ, "worker", "run")
			if while == "submitting" {
				in.WaitCount(jobs.StateSucceeded, takeoverJobs/10)
			} else {
				submitted(t, in)
			}
			first.Kill()
			killed := in.Store.Now()
			orphans := held(t, in, killed)
			if while == "watching" && len(orphans["looks"]) == 0 || while == "submitting" && len(orphans["submitting"]) == 0 {
				t.Errorf("nothing was in the dead worker's hands while %s: %d creates, %d tasks, %d looks",
					while, len(orphans["submitting"]), len(orphans["fetched"]), len(orphans["looks"]))
			}
			installation.Start(t, environ, "worker", "run")
			slowest := follow(t, in, killed, orphans)
			a := installation.Compare(in.WaitEnded(takeoverJobs, 5*time.Minute), in.Ledger())
			r.add(t, a)
			if a.Jobs != takeoverJobs || a.Succeeded != takeoverJobs || a.PaidTwice > 0 {
				t.Errorf("%d of %d jobs are there, %d have succeeded and %d were paid twice", a.Jobs, takeoverJobs, a.Succeeded, a.PaidTwice)
			}
			var kinds []string
			var last time.Duration
			for _, kind := range slices.Sorted(maps.Keys(slowest)) {
				if len(orphans[kind]) == 0 {
					continue
				}
				kinds = append(kinds, fmt.Sprintf("%d %s in %.1f s", len(orphans[kind]), kind, slowest[kind].Seconds()))
				last = max(last, slowest[kind])
			}
			if last > takeoverBound {
				t.Errorf("the last orphan moved on after %v, want at most %v", last, takeoverBound)
			}
			r.note = fmt.Sprintf("takeover %.1f s: %s", last.Seconds(), strings.Join(kinds, ", "))
			table.compare("%d jobs through one kill -9 while %s, Longhaul: %d missing, %d duplicated, takeover %.1f s",
				takeoverJobs, while, takeoverJobs-a.Succeeded, a.PaidTwice, last.Seconds())
		})
	}
	table.compare("%d jobs through one kill -9, a comparable gateway by its own account: 0 missing, 0 duplicated, takeover 36 s", takeoverJobs)
}

// submitted waits until every job has its response.
func submitted(t *testing.T, in *installation.Installation) {
	t.Helper()
	for range 3000 {
		counts, err := in.Store.Counts(t.Context(), "")
		if err == nil && counts[jobs.StateWaiting]+counts[jobs.StateSubmitting] == 0 {
			return
		}
		time.Sleep(100 * time.Millisecond)
	}
	t.Fatal("not every job was submitted")
}

// held are the jobs that a worker had in its hands when it was killed, by what it
// was doing with them: a create, a task that it had fetched, a look that it had
// claimed or that was due.
func held(t *testing.T, in *installation.Installation, killed time.Time) map[string][]jobs.Job {
	t.Helper()
	orphans := make(map[string][]jobs.Job)
	orphans["submitting"] = in.All(results.Filter{States: []jobs.State{jobs.StateSubmitting}})
	for _, j := range in.All(results.Filter{States: []jobs.State{jobs.StateRunning}}) {
		next := j.Looks.Next
		if next.IsZero() {
			next = j.LookAt
		}
		if !next.After(killed) {
			orphans["looks"] = append(orphans["looks"], j)
		}
	}
	tasks, err := in.RDB.LRange(t.Context(), "asynq:{longhaul:submit:default}:active", 0, -1).Result()
	if err != nil {
		t.Fatal(err)
	}
	for _, task := range tasks { // submit:JOB:ATTEMPT:NUDGE
		j, err := in.Store.Load(t.Context(), jobs.ID(strings.Split(task, ":")[1]))
		if err != nil {
			t.Fatal(err)
		}
		if j.State == jobs.StateWaiting {
			orphans["fetched"] = append(orphans["fetched"], j)
		}
	}
	return orphans
}

// follow waits until each orphan has moved on and returns how long after the kill
// the last of each kind did.
func follow(t *testing.T, in *installation.Installation, killed time.Time, orphans map[string][]jobs.Job) map[string]time.Duration {
	t.Helper()
	slowest := make(map[string]time.Duration)
	left := maps.Clone(orphans)
	for deadline := killed.Add(3 * time.Minute); len(left) > 0; time.Sleep(100 * time.Millisecond) {
		for kind, all := range left {
			var still []jobs.Job
			for _, before := range all {
				now, err := in.Store.Load(t.Context(), before.ID)
				if err != nil {
					t.Fatal(err)
				}
				if !moved(before, now, killed) {
					still = append(still, before)
				}
			}
			if left[kind] = still; len(still) == 0 {
				delete(left, kind)
				slowest[kind] = in.Store.Now().Sub(killed)
			}
		}
		if in.Store.Now().After(deadline) {
			t.Fatalf("%d creates, %d tasks and %d looks have not moved on", len(left["submitting"]), len(left["fetched"]), len(left["looks"]))
		}
	}
	return slowest
}

// moved reports whether something has been done about an orphan.
func moved(before, now jobs.Job, killed time.Time) bool {
	return now.State != before.State || now.Current != before.Current || now.Looks.Last.After(killed)
}
