//go:build chaos

package chaos_test

import (
	"fmt"
	"testing"
	"time"

	"github.com/longhaul-jobs/longhaul/client"
	"github.com/longhaul-jobs/longhaul/internal/installation"
	"github.com/longhaul-jobs/longhaul/jobs"
	"github.com/longhaul-jobs/longhaul/results"
)

// TestBudgetThroughKills gives jobs less than they cost, kills one of two workers now and
// then, and reads at the provider what was really spent: never more than the budget and
// what was in flight, however often a create was made again. When the budget is raised,
// all go on.
//
// Guarantees: G2, G25.
func TestBudgetThroughKills(t *testing.T) {
	t.Parallel()
	const (
		n        = 400
		inFlight = 20
		kills    = 8
		bounded  = `{"input":"Document %d. The harbour was rebuilt after the storm. Trade came back within a year.","max_output_tokens":100}`
	)
	r := tell(t, 55, "a budget that is used up, one of two workers killed", fmt.Sprintf("%d jobs with less than half of what they cost, %d kills; then raised", n, kills))
	in := installation.New(t, "--simulator-queued", "300ms", "--simulator-running", "1s")
	in.Faults(slowCreates)
	c := client.New(in.Store, "")
	set := func(amount jobs.Money) {
		t.Helper()
		b := results.Budget{Amount: &amount, Per: results.PerTotal, Unknown: results.UnknownRefuse}
		if err := c.SetBudget(t.Context(), "run", b); err != nil {
			t.Fatal(err)
		}
	}
	set(jobs.Dollar)
	first := in.StartWorker(quick()...)
	one, _ := in.WaitAll(in.Submit(1, bounded, jobs.Options{}), time.Minute)[0].Cost()
	first.Terminate()
	amount := one + n*45/100*one
	set(amount)
	in.SubmitMany(n, bounded, jobs.Options{})
	environ := append(quick(), fmt.Sprintf(`LONGHAUL_LANES={"default":{"in_flight":%d}}`, inFlight))
	killSometimes(t, random(t), in, kills, environ...)
	stopped := stopsAt(t, c)
	spent, creates := jobs.Money(0), 0
	for _, entries := range in.Ledger() {
		for range entries {
			creates++
			spent += one // all ask the same
		}
	}
	if most := amount + inFlight*one; spent > most {
		t.Errorf("the provider has %d creates, worth %s: more than the budget of %s and one in-flight set", creates, spent, amount)
	}
	if least := amount - inFlight*one; stopped.Spent < least {
		t.Errorf("it stopped at %s, long before the budget of %s", stopped.Spent, amount)
	}
	set(10 * amount)
	_, a := settle(t, r, in, n+1)
	r.note = fmt.Sprintf("of %s, %s were spent when it stopped (%s in doubt), at the provider %s; %d paid twice", amount, stopped.Spent, stopped.Doubt, spent, a.PaidTwice)
}

// stopsAt waits until nothing is under way while jobs wait for the budget.
func stopsAt(t *testing.T, c *client.Client) client.Budget {
	t.Helper()
	var last client.Budget
	for deadline := time.Now().Add(3 * time.Minute); time.Now().Before(deadline); time.Sleep(500 * time.Millisecond) {
		all, err := c.Budgets(t.Context(), nil)
		if err != nil || len(all) != 1 {
			t.Fatalf("%d budgets, %v", len(all), err)
		}
		quiet := last.InFlight == 0 && last.Waiting > 0 && last.Spent == all[0].Spent && last.Waiting == all[0].Waiting && all[0].InFlight == 0
		if last = all[0]; quiet {
			return last
		}
	}
	t.Fatalf("it never stopped: %+v", last)
	return last
}
