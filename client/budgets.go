package client

import (
	"context"
	"maps"
	"slices"

	"github.com/longhaul-jobs/longhaul/jobs"
	"github.com/longhaul-jobs/longhaul/results"
)

// Budget is how a budget stands.
type Budget struct {
	Name string `json:"name"`
	results.Budget
	// Set says that it was set at run time, and counts before a configured one.
	Set bool `json:"set_at_run_time"`
	// Period is the time that the sums are about: a day, a month, or "total".
	Period string `json:"period"`
	// Spent is what was spent in it by the ledger, and what is in doubt beside that.
	// Held is what is held for attempts under way.
	Spent jobs.Money `json:"spent_usd"`
	Held  jobs.Money `json:"held_usd"`
	// Doubt is the part of Spent of which nobody knows whether it was spent: that of
	// responses which failed or were cancelled, and of creates whose answer was lost.
	Doubt jobs.Money `json:"in_doubt_usd"`
	// InFlight is for how many attempts something is held, and Waiting how many jobs
	// wait for room.
	InFlight int `json:"in_flight"`
	Waiting  int `json:"waiting"`
}

// Left is what may still be spent, 0 if there is nothing, and false for any amount.
func (b Budget) Left() (jobs.Money, bool) {
	if b.Amount == nil {
		return 0, false
	}
	return max(0, *b.Amount-b.Spent-b.Held), true
}

// Budgets tells how budgets stand, by name: those that were set at run time, those that
// living workers have in their configuration, and those that are given beside them.
func (c *Client) Budgets(ctx context.Context, also map[string]results.Budget) ([]Budget, error) {
	workers, err := c.store.Workers(ctx)
	if err != nil {
		return nil, err
	}
	set, err := c.store.SetBudgets(ctx)
	if err != nil {
		return nil, err
	}
	all := maps.Clone(also)
	if all == nil {
		all = make(map[string]results.Budget)
	}
	for _, w := range workers {
		maps.Copy(all, w.Budgets)
	}
	maps.Copy(all, set)
	if len(all) == 0 {
		return nil, nil
	}
	sums, err := c.spentSince(ctx, all)
	if err != nil {
		return nil, err
	}
	var budgets []Budget
	for _, name := range slices.Sorted(maps.Keys(all)) {
		b := Budget{Name: name, Budget: all[name]}
		_, b.Set = set[name]
		if err := c.standing(ctx, &b, sums); err != nil {
			return nil, err
		}
		budgets = append(budgets, b)
	}
	return budgets, nil
}

// spentSince reads the ledger from the earliest day on that one of the budgets is about.
func (c *Client) spentSince(ctx context.Context, all map[string]results.Budget) ([]results.Summed, error) {
	now := c.store.Now()
	since := now
	for _, b := range all {
		if _, first := b.Period(now, c.store.LedgerRetention()); first.Before(since) {
			since = first
		}
	}
	return c.store.Usage(ctx, results.Period{Since: since, Until: now})
}

func (c *Client) standing(ctx context.Context, b *Budget, sums []results.Summed) error {
	period, first := b.Budget.Period(c.store.Now(), c.store.LedgerRetention())
	st, err := c.store.Spending(ctx, b.Name)
	if err != nil {
		return err
	}
	b.Period, b.Held, b.InFlight = period, st.Held, st.InFlight
	if c.store.IsOf(st, b.Budget) {
		b.Doubt = st.Doubt
	}
	b.Spent = b.Doubt + b.SpentSince(first, sums)
	parked, err := c.store.Parked(ctx, b.Name, nil, 1)
	b.Waiting = parked.All
	return err
}

// SetBudget sets a budget for all workers, within a second. It counts before one of the
// same name in their configuration, until it is taken back. Raising one has the jobs go
// on that wait for it.
func (c *Client) SetBudget(ctx context.Context, name string, b results.Budget) error {
	return c.store.SetBudget(ctx, name, b)
}

// UnsetBudget takes a budget back that was set at run time, and reports whether there
// was one. Jobs that wait for it go on, unless the configuration has one of its name.
func (c *Client) UnsetBudget(ctx context.Context, name string) (bool, error) {
	return c.store.UnsetBudget(ctx, name)
}
