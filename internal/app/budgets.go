package app

import (
	"github.com/longhaul-jobs/longhaul/internal/config"
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
