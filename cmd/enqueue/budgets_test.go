package main

import (
	"strings"
	"testing"

	"github.com/longhaul-jobs/longhaul/jobs"
)

// Guarantee: G25.
func TestBudgetsAreShownAndSet(t *testing.T) {
	t.Parallel()
	b := newBench(t)
	shows(t, b.call("", "budgets").want(t, 0).stdout, "no budgets")
	row := func(stdout, want string) {
		t.Helper()
		if got := strings.Join(strings.Fields(lines(stdout)[1]), " "); !strings.HasPrefix(got, want) {
			t.Errorf("%q, want %q:\n%s", got, want, stdout)
		}
	}
	row(b.call("", "budgets", "set", "acme", "--amount", "12.50", "--per", "total", "--tenant", "acme").want(t, 0).stdout,
		"acme* tenant acme total $12.50 $0.00 $0.00 $12.50 0")
	row(b.call("", "budgets", "set", "acme", "--amount", "20").want(t, 0).stdout, "acme* tenant acme total $20.00")
	row(b.call("", "budgets", "set", "acme", "--amount", "any", "--model", "gpt-4.1*").want(t, 0).stdout, "acme* tenant acme, model gpt-4.1* total any")
	row(b.call("", "budgets").want(t, 0).stdout, "acme* tenant acme, model gpt-4.1* total any $0.00 $0.00 any 0")
	shows(t, b.call("", "budgets", "--json").want(t, 0).stdout, `"amount_usd":null`)
	shows(t, b.call("", "budgets", "unset", "acme").want(t, 0).stdout, "acme  unset")
	shows(t, b.call("", "budgets").want(t, 0).stdout, "no budgets")
}

// Guarantee: G25.
func TestJobSaysWhichBudgetItWaitsFor(t *testing.T) {
	t.Parallel()
	b := newBench(t)
	b.call("", "budgets", "set", "all", "--amount", "3", "--per", "day").want(t, 0)
	j := b.accept(jobs.Options{})
	if _, err := b.store.Admit(t.Context(), j.Lane, 100); err != nil {
		t.Fatal(err)
	}
	j, err := b.store.Load(t.Context(), j.ID)
	if err != nil {
		t.Fatal(err)
	}
	b.happens(j.ID, jobs.Postponed{Attempt: 1, Admitted: j.Admitted, Reason: jobs.WaitBudget, Budget: "all", Needs: 4 * jobs.Dollar})
	shows(t, b.call("", "get", string(j.ID)).want(t, 0).stdout, "budget all, which is too small for it: it needs up to $4.00, and all of the budget is $3.00; "+
		"it waits until the budget is raised (`enqueue budgets set all --amount ...`)")
	b.call("", "budgets", "set", "all", "--amount", "4").want(t, 0)
	shows(t, b.call("", "get", string(j.ID)).want(t, 0).stdout, "budget all, which has no room for it: of $4.00, $0.00 are spent and $0.00 held for what is under way, and it needs up to $4.00; "+
		"it waits until the budget is raised (`enqueue budgets set all --amount ...`), or for the next day (UTC)")
	b.call("", "budgets", "unset", "all").want(t, 0)
	shows(t, b.call("", "get", string(j.ID)).want(t, 0).stdout, "budget all, which is no more")
}

// A service tier without a factor has no price either, whatever the model costs.
//
// Guarantee: G25.
func TestJobSaysWhichTierItNeedsThePriceOf(t *testing.T) {
	t.Parallel()
	b := newBench(t)
	b.call("", "budgets", "set", "all", "--amount", "3").want(t, 0)
	for tier, want := range map[string]string{
		"foo":     "what model gpt-4.1 costs in service tier foo. Set prices.gpt-4.1, with the factor of foo in prices.gpt-4.1.tiers, and start",
		"auto":    "what model gpt-4.1 costs. Set prices.gpt-4.1 and start",
		"default": "what model gpt-4.1 costs. Set prices.gpt-4.1 and start",
	} {
		id := jobs.ID(strings.TrimSpace(b.call("", "submit", "--input", "hello", "--service-tier", tier, "--lane", tier).want(t, 0).stdout))
		if _, err := b.store.Admit(t.Context(), tier, 100); err != nil {
			t.Fatal(err)
		}
		j, err := b.store.Load(t.Context(), id)
		if err != nil {
			t.Fatal(err)
		}
		b.happens(id, jobs.Postponed{Attempt: 1, Admitted: j.Admitted, Reason: jobs.WaitPrice, Budget: "all"})
		shows(t, b.call("", "get", string(id)).want(t, 0).stdout, want)
	}
}

// Guarantee: G25.
func TestJobSaysWhichPriceItWaitsFor(t *testing.T) {
	t.Parallel()
	b := newBench(t)
	b.call("", "budgets", "set", "all", "--amount", "3").want(t, 0)
	j := b.accept(jobs.Options{})
	if _, err := b.store.Admit(t.Context(), j.Lane, 100); err != nil {
		t.Fatal(err)
	}
	j, err := b.store.Load(t.Context(), j.ID)
	if err != nil {
		t.Fatal(err)
	}
	b.happens(j.ID, jobs.Postponed{Attempt: 1, Admitted: j.Admitted, Reason: jobs.WaitPrice, Budget: "all"})
	shows(t, b.call("", "get", string(j.ID)).want(t, 0).stdout, "a price: budget all has to know what model gpt-4.1 costs. Set prices.gpt-4.1")
	if out := lines(b.call("", "budgets").want(t, 0).stdout)[1]; !strings.HasSuffix(strings.TrimSpace(out), " 1") {
		t.Errorf("nobody waits: %s", out)
	}
	b.call("", "budgets", "set", "all", "--unknown-price", "allow").want(t, 0)
	shows(t, b.call("", "get", string(j.ID)).want(t, 0).stdout, "budget all, which lets jobs without a known price go: a worker will send it on")
	b.call("", "budgets", "unset", "all").want(t, 0)
	shows(t, b.call("", "get", string(j.ID)).want(t, 0).stdout, "budget all, which is no more: a worker will send it on")
}

func TestBudgetsRefuseWhatMakesNoSense(t *testing.T) {
	t.Parallel()
	b := newBench(t)
	for args, want := range map[string]string{
		"budgets x":                                           `unexpected argument "x"`,
		"budgets set":                                         "name one budget",
		"budgets set a{b --amount 1":                          "is not a name of a budget",
		"budgets set all":                                     "there is no budget all yet",
		"budgets set all --amount much":                       "for example 12 or 0.05, of at most $9000000.00, or any",
		"budgets set all --amount -1":                         "amount",
		"budgets set all --amount 9000001":                    "from 0 to $9000000.00",
		"budgets set all --amount 1 --per week":               "one of day, month and total",
		"budgets set all --amount 1 --tenant a/b":             "tenant",
		"budgets set all --amount 1 --unknown-price whatever": "one of refuse and allow",
		"budgets set all --amount=":                           "amount: is empty",
		"budgets set all --amount 1 --tenant=":                "tenant: is empty",
		"budgets set all --amount 1 --model gpt\u00e94":       "is no name of a model",
		"budgets unset all":                                   "no budget all was set at run time",
	} {
		b.call("", strings.Fields(args)...).want(t, 2).says(t, want)
	}
}
