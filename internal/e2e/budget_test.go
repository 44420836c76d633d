package e2e_test

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/longhaul-jobs/longhaul/client"
	"github.com/longhaul-jobs/longhaul/internal/installation"
	"github.com/longhaul-jobs/longhaul/jobs"
	"github.com/longhaul-jobs/longhaul/results"
)

// boundedQuestion is a question whose answer is not much shorter than it may be.
const boundedQuestion = `{"input":"Document %d. The harbour was rebuilt after the storm. Trade came back within a year.","max_output_tokens":100}`

// TestBudgetOfHalf gives 200 jobs half of what they cost. Two workers, one of which is
// killed in the middle, stop within one in-flight set of it and say so; when it is raised
// at the command line, all jobs succeed, and each was paid for once.
//
// Guarantees: G2, G25.
func TestBudgetOfHalf(t *testing.T) {
	t.Parallel()
	const (
		n        = 200
		inFlight = 20
	)
	in := installation.New(t, "--simulator-queued", "100ms", "--simulator-running", "400ms")
	dir := t.TempDir()
	command := func(args ...string) string {
		t.Helper()
		code, stdout, stderr := enqueue(t, dir, append(args, "--redis-url", in.RedisURL())...)
		if code != 0 {
			t.Fatalf("enqueue %s: exit code %d: %s", strings.Join(args, " "), code, stderr)
		}
		return stdout
	}
	lanes := fmt.Sprintf(`LONGHAUL_LANES={"default":{"in_flight":%d}}`, inFlight)
	first := in.Worker(lanes)
	in.Worker(lanes)
	one, _ := in.WaitAll(in.Submit(1, boundedQuestion, jobs.Options{}), time.Minute)[0].Cost()
	if one == 0 {
		t.Fatal("a job costs nothing")
	}
	amount := one + n/2*one
	command("budgets", "set", "run", "--amount", strings.TrimPrefix(amount.String(), "$"))

	ids := in.Submit(n, boundedQuestion, jobs.Options{})
	in.WaitCount(jobs.StateSucceeded, n/4)
	first.Kill()
	in.Worker(lanes)
	// Nothing more moves once each job that is not paid for waits, save one whose part is
	// not known to be spent.
	b := stands(t, in, func(b client.Budget) bool {
		return b.InFlight == 0 && b.Spent > amount-inFlight*one && b.Waiting >= n-int((b.Spent-one)/one)-1
	})
	t.Logf("of %s for %d jobs of %s, %s were spent when it stopped, and %d jobs waited", amount, n, one, b.Spent, b.Waiting)
	if b.Spent > amount+inFlight*one {
		t.Errorf("%s were spent of %s, which is more than one in-flight set of %s over it", b.Spent, amount, inFlight*one)
	}
	// One that waits may be let in yet, for what others did not need of their reservation.
	why := ""
	for range 20 {
		if why = command("get", string(waits(t, in))); strings.Contains(why, "budget run, which has no room for it") {
			break
		}
		time.Sleep(500 * time.Millisecond)
	}
	if !strings.Contains(why, "budget run, which has no room for it") {
		t.Errorf("a job that waits does not say so:\n%s", why)
	}
	if table := command("budgets"); !strings.Contains(table, "run*") || !strings.Contains(table, amount.String()) {
		t.Errorf("budgets:\n%s", table)
	}

	// What the killed worker may have sent is in doubt, and counts.
	command("budgets", "set", "run", "--amount", strings.TrimPrefix((3*amount).String(), "$"))
	ended := in.WaitAll(ids, time.Minute)
	in.Succeeded(ended)
	in.Account(in.All(results.Filter{}))
	b = stands(t, in, func(b client.Budget) bool { return b.InFlight == 0 && b.Waiting == 0 })
	var cost jobs.Money
	for _, j := range in.All(results.Filter{}) {
		known, unknown := j.Cost()
		if cost += known; unknown != 0 {
			t.Logf("%s has %d attempts whose cost is not known", j.ID, unknown)
		}
	}
	if b.Spent-b.Doubt != cost {
		t.Errorf("the budget has %s as spent (%s of it in doubt), the records %s", b.Spent, b.Doubt, cost)
	}
}

// stands waits until the one budget is so.
func stands(t *testing.T, in *installation.Installation, so func(client.Budget) bool) client.Budget {
	t.Helper()
	c := client.New(in.Store, "")
	var last client.Budget
	for deadline := time.Now().Add(2 * time.Minute); time.Now().Before(deadline); time.Sleep(200 * time.Millisecond) {
		all, err := c.Budgets(t.Context(), nil)
		if err != nil || len(all) != 1 {
			t.Fatalf("%d budgets, %v", len(all), err)
		}
		if last = all[0]; so(last) {
			return last
		}
	}
	t.Fatalf("the budget never came to stand so: %+v", last)
	return last
}

// waits returns a job that waits for the budget.
func waits(t *testing.T, in *installation.Installation) jobs.ID {
	t.Helper()
	parked, err := in.Store.Parked(t.Context(), "run", nil, 1)
	if err != nil || len(parked.IDs) != 1 {
		t.Fatal(parked, err)
	}
	return parked.IDs[0]
}
