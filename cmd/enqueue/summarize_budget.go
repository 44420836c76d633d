package main

import (
	"context"
	"errors"
	"slices"
	"strings"
	"time"

	"github.com/longhaul-jobs/longhaul/client"
	"github.com/longhaul-jobs/longhaul/jobs"
	"github.com/longhaul-jobs/longhaul/results"
)

// errBudget ends the waiting for a run whose budget is spent.
var errBudget = errors.New("the budget is spent")

// budgetMargin is what a worker may need to act on what it has seen.
const budgetMargin = 500 * time.Millisecond

// runBudget is the name of a run's budget. A long one loses its end: names have 128
// characters.
func runBudget(group string) string {
	const most = 128
	name := "run-" + group
	return name[:min(len(name), most)]
}

// newPulse returns what watches the run, and sets its budget if one is given, once: it may
// be changed by hand while the command goes on.
func (r *summarizeRun) newPulse(ctx context.Context, s *session) (*pulse, error) {
	name := runBudget(r.job.Group)
	if r.budget != "" && !r.bounded {
		if err := r.setBudget(ctx, s, name); err != nil {
			return nil, err
		}
		// A worker that has not seen it yet would send all parts of a document at once.
		if err := sleep(ctx, results.BudgetsSeen+budgetMargin); err != nil {
			return nil, err
		}
		r.bounded = true
	} else if r.budget == "" {
		if err := r.mentionBudget(ctx, s, name); err != nil {
			return nil, err
		}
	}
	return &pulse{
		from: s, group: r.job.Group, budget: name, name: r.nameOf, raise: "The same command with a higher --budget goes on", call: r.call,
	}, nil
}

// setBudget sets the amount of the run's budget. What somebody has set of it beside that
// stays, and is said, since it may be more than the command by itself would let go.
func (r *summarizeRun) setBudget(ctx context.Context, s *session, name string) error {
	amount, err := jobs.ParseMoney(r.budget)
	if err != nil {
		return err
	}
	budgets, err := s.Budgets(ctx, nil)
	if err != nil {
		return err
	}
	b := results.Budget{Per: results.PerTotal, Group: r.job.Group, Unknown: results.UnknownRefuse}
	i := slices.IndexFunc(budgets, func(b client.Budget) bool { return b.Name == name && b.Group == r.job.Group })
	if i >= 0 {
		b = budgets[i].Budget
	}
	if kept := besideAmount(b); kept != "" {
		r.console.say("the budget of the run keeps what is set of it beside the amount: %s", kept)
	}
	b.Amount = &amount
	return s.SetBudget(ctx, name, b)
}

// besideAmount says what a run's budget has that is not what --budget sets by itself, "" for
// nothing.
func besideAmount(b results.Budget) string {
	var parts []string
	if b.Per != results.PerTotal {
		parts = append(parts, "per "+b.Per)
	}
	b.Group = ""
	if b.Lane+b.Tenant+b.Model != "" {
		parts = append(parts, "for "+coverOf(b))
	}
	if b.Unknown != results.UnknownRefuse {
		parts = append(parts, "unknown price "+b.Unknown)
	}
	return strings.Join(parts, ", ")
}

// mentionBudget says that an earlier command has set a budget, which still holds.
func (r *summarizeRun) mentionBudget(ctx context.Context, s *session, name string) error {
	budgets, err := s.Budgets(ctx, nil)
	if err != nil {
		return err
	}
	i := slices.IndexFunc(budgets, func(b client.Budget) bool { return b.Name == name && b.Amount != nil })
	if i >= 0 {
		r.console.say("the run has a budget of %s; enqueue budgets unset %s takes it back", dollars(*budgets[i].Amount), name)
	}
	return nil
}

// dropBudget takes the budget of a run back that is done: nothing that it bounds is left.
// What the run has spent counts again when a later command sets one.
func (r *summarizeRun) dropBudget(ctx context.Context) error {
	if r.session == nil || r.stuck != "" {
		return nil
	}
	name := runBudget(r.job.Group)
	return r.patiently(ctx, func() error {
		budgets, err := r.session.Budgets(ctx, nil)
		if err != nil {
			return err
		}
		ours := slices.ContainsFunc(budgets, func(b client.Budget) bool {
			return b.Name == name && b.Set && b.Group == r.job.Group && b.Per == results.PerTotal
		})
		if !ours {
			return nil
		}
		counts, err := r.session.KindCounts(ctx, r.job.Group, jobs.KindSummarize)
		if err != nil || counts.Total() > counts.Ended() {
			return err
		}
		_, err = r.session.UnsetBudget(ctx, name)
		return err
	})
}

// nameOf is the document that a request is for.
func (r *summarizeRun) nameOf(part jobs.Job) string {
	if path, ok := r.paths.Load(part.Parent); ok {
		if text, ok := path.(string); ok {
			return text
		}
	}
	return string(part.Parent)
}
