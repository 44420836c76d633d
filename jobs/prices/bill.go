package prices

import (
	"time"

	"github.com/longhaul-jobs/longhaul/jobs"
)

// Bill returns what an attempt of a job cost that is over. One of which nobody knows
// what it used has an unknown cost.
func (t *Table) Bill(j jobs.Job, a jobs.Attempt, regional bool, at time.Time) jobs.Bill {
	b := jobs.Bill{At: at, Outcome: a.Outcome, Response: a.ResponseID, Counted: a.Usage != nil}
	if a.Usage == nil {
		b.Unknown = "the provider did not say what was used"
		if a.ResponseID == "" {
			b.Unknown = "it is not known whether the create was accepted"
		}
		return b
	}
	model := a.Model
	if model == "" {
		model = j.Model
	}
	c, err := t.Cost(Use{Model: model, Tier: a.ServiceTier, Regional: regional, Usage: *a.Usage, At: at})
	if err != nil {
		b.Unknown = err.Error()
		return b
	}
	b.Cost, b.Saved, b.Prices = &c.Cost, c.Saved, c.Prices
	return b
}
