//go:build chaos

package chaos_test

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/longhaul-jobs/longhaul/internal/installation"
	"github.com/longhaul-jobs/longhaul/jobs"
	"github.com/longhaul-jobs/longhaul/results"
)

// crew are workers of one installation that make few creates at once, each of which
// takes a while, so that an account can fail in the middle of the work.
type crew struct {
	t       *testing.T
	in      *installation.Installation
	addrs   []string
	workers []*installation.Process
}

const (
	crewSize  = 2
	crewHands = 4 // creates that each makes at once
	slowly    = `{"match":{"op":"create"},"action":{"delay":"100ms"}}`
)

func newCrew(t *testing.T, n int) *crew {
	t.Helper()
	c := &crew{t: t, in: installation.New(t, "--simulator-queued", "100ms", "--simulator-running", "300ms")}
	c.in.Faults(`{"rules":[` + slowly + `]}`)
	c.in.SubmitMany(n, question, jobs.Options{MaxAttempts: 1})
	for range crewSize {
		addr := installation.FreeAddr(t)
		c.addrs = append(c.addrs, addr)
		c.workers = append(c.workers, c.in.Worker("LONGHAUL_HTTP_ADDR="+addr,
			fmt.Sprintf(`LONGHAUL_LANES={"default":{"concurrency":%d}}`, crewHands)))
	}
	c.in.WaitCount(jobs.StateSucceeded, int64(n/10))
	return c
}

// paused waits until each worker shows the lane as paused for a class, or not.
func (c *crew) paused(class jobs.Class, want float64) {
	c.t.Helper()
	for _, addr := range c.addrs {
		c.in.WaitMetric(addr, fmt.Sprintf(`longhaul_lane_paused{class=%q,lane="default"}`, class), want)
	}
}

// probes are the jobs that were sent to find out whether the account works again.
func (c *crew) probes() (n int) {
	for _, addr := range c.addrs {
		n += int(installation.Metric(c.t, addr, `longhaul_limits_probes_total{lane="default"}`))
	}
	return n
}

// waitProbes waits until there were so many probes.
func (c *crew) waitProbes(n int) {
	c.t.Helper()
	for range 1200 {
		if c.probes() >= n {
			return
		}
		time.Sleep(100 * time.Millisecond)
	}
	c.t.Fatalf("there were %d probes, want %d", c.probes(), n)
}

// lines wants as many lines of the workers' logs to hold a text.
func (c *crew) lines(want int, text string) {
	c.t.Helper()
	n := 0
	for _, w := range c.workers {
		n += strings.Count(w.Stderr.String(), text)
	}
	if n != want {
		c.t.Errorf("%d log lines with %s, want %d", n, text, want)
	}
}

// kept wants each job to have used up one attempt.
func (c *crew) kept(ended []jobs.Job) {
	c.t.Helper()
	for _, j := range ended {
		if j.Counted() != 1 {
			c.t.Errorf("%s used %d attempts up", j.ID, j.Counted())
		}
	}
}

// TestAccountAtFault takes the key away in the middle of the work, then the quota, and
// gives them back: the lane pauses, one line tells of each, no more is refused than
// was in flight and than it takes to find out, jobs keep their attempts, and all go on
// by themselves.
//
// Guarantees: G6, G19.
func TestAccountAtFault(t *testing.T) {
	t.Parallel()
	const n = 500
	r := tell(t, 50, "provider answers 401, then insufficient_quota, then works again", fmt.Sprintf("%d jobs with one attempt each, two workers; the key is gone for a minute", n))
	c := newCrew(t, n)
	c.in.Faults(`{"rules":[{"match":{"op":"create"},"action":{"status":401}}]}`)
	c.paused(jobs.ClassUnauthorized, 1)
	revoked := time.Now()
	waiting := c.in.All(results.Filter{States: []jobs.State{jobs.StateWaiting}})
	if len(waiting) == 0 {
		t.Fatal("the key was taken away too late: nothing waits")
	}
	if why, err := c.in.Client.Why(t.Context(), waiting[0]); err != nil || !strings.Contains(why, "its lane default, which is paused since 20") {
		t.Errorf("it waits for %q, %v; want its lane", why, err)
	}
	c.waitProbes(1)
	time.Sleep(time.Until(revoked.Add(time.Minute)))
	c.in.Faults(`{"rules":[{"match":{"op":"create"},"action":{"status":429,"code":"insufficient_quota"}}]}`)
	c.paused(jobs.ClassQuota, 1)
	c.waitProbes(c.probes() + 1)
	c.in.Faults(`{}`)
	ended, a := settle(t, r, c.in, n)
	c.kept(ended)
	if a.Creates != n {
		t.Errorf("%d creates for %d jobs", a.Creates, n)
	}
	c.paused(jobs.ClassUnauthorized, 0)
	c.paused(jobs.ClassQuota, 0)
	c.lines(2, `"level":"ERROR"`)
	c.lines(1, `"msg":"lane paused"`)
	c.lines(1, `"msg":"lane still paused, for another reason"`)
	c.lines(1, `"msg":"lane resumes"`)
	refused, probes := c.in.Totals().CreatesRefused, c.probes()
	if most := crewSize*crewHands + probes; refused > most || refused != refusals(ended) {
		t.Errorf("%d creates were refused and %d are on record; want as many, and at most %d with %d probes", refused, refusals(ended), most, probes)
	}
	r.note = fmt.Sprintf("%d creates refused, %d of them probes; 2 error lines", refused, probes-1)
}

// TestAccountAtFaultInResponses has the quota run out where the provider finds it out
// late: creates are accepted, and their responses fail.
//
// Guarantees: G6, G19.
func TestAccountAtFaultInResponses(t *testing.T) {
	t.Parallel()
	const n = 200
	r := tell(t, 51, "responses fail with insufficient_quota after a 200, then work again", fmt.Sprintf("%d jobs with one attempt each, two workers", n))
	c := newCrew(t, n)
	c.in.Faults(`{"rules":[{"match":{"op":"create"},"action":{"delay":"100ms","fail":{"code":"insufficient_quota"}}}]}`)
	c.paused(jobs.ClassQuota, 1)
	before, already := c.in.Totals().CreatesAccepted, c.probes()
	if len(c.in.All(results.Filter{States: []jobs.State{jobs.StateWaiting}})) == 0 {
		t.Fatal("the quota ran out too late: nothing waits")
	}
	c.waitProbes(already + 2)
	more := c.in.Totals().CreatesAccepted - before
	if probes := c.probes() - already; more > crewSize*crewHands+probes {
		t.Errorf("%d more creates, want at most what was in flight and %d probes", more, probes)
	}
	c.in.Faults(`{}`)
	ended, a := settle(t, r, c.in, n)
	c.kept(ended)
	failed := refusals(ended)
	if a.Creates != n+failed || failed == 0 {
		t.Errorf("%d creates for %d jobs, %d of which failed", a.Creates, n, failed)
	}
	c.paused(jobs.ClassQuota, 0)
	c.lines(1, `"level":"ERROR"`)
	c.lines(1, `"msg":"lane paused"`)
	c.lines(1, `"msg":"lane resumes"`)
	r.note = fmt.Sprintf("%d responses failed, %d jobs probed; 1 error line", failed, c.probes())
}

// refusals are the attempts that were refused, or failed.
func refusals(ended []jobs.Job) (n int) {
	for _, j := range ended {
		for _, attempt := range j.Attempts {
			if attempt.Outcome == jobs.OutcomeFailed {
				n += 1 + attempt.Repeats
			}
		}
	}
	return n
}
