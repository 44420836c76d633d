package app

import (
	"encoding/json"
	"slices"
	"time"

	"github.com/longhaul-jobs/longhaul/internal/config"
	"github.com/longhaul-jobs/longhaul/jobs"
	"github.com/longhaul-jobs/longhaul/jobs/prices"
	"github.com/longhaul-jobs/longhaul/jobs/tokens"
	"github.com/longhaul-jobs/longhaul/results"
)

// Budgets are those of a configuration.
func Budgets(cfg config.Config) map[string]results.Budget {
	all := make(map[string]results.Budget, len(cfg.Budgets))
	for name, b := range cfg.Budgets {
		all[name] = results.Budget{
			Amount: b.Amount, Per: b.Per, Lane: b.Lane, Tenant: b.Tenant, Group: b.Group, Model: b.Model, Unknown: b.UnknownPrice,
		}
	}
	return all
}

// estimator says what an attempt of a job is taken to cost before it is sent.
func estimator(cfg config.Config, table *prices.Table, now func() time.Time) func(j jobs.Job, body json.RawMessage) (jobs.Money, error) {
	local := regional(cfg)
	return func(j jobs.Job, body json.RawMessage) (jobs.Money, error) {
		ask := prices.AskOf(body, tokens.Estimate(body).Input)
		ask.Regional, ask.At = slices.Contains(local, cfg.Lanes[j.Lane].Endpoint), now()
		e, err := table.Estimate(ask)
		return e.Hold, err
	}
}
