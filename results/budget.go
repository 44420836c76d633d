package results

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/longhaul-jobs/longhaul/jobs"
)

// What a budget is for.
const (
	PerDay   = "day"
	PerMonth = "month"
	PerTotal = "total"
)

// What becomes of a job whose price a budget does not know.
const (
	UnknownRefuse = "refuse"
	UnknownAllow  = "allow"
)

// MaxBudget is the largest amount of a budget: scripts count in numbers that are exact
// up to there.
const MaxBudget = 9_000_000 * jobs.Dollar

// Budget is how much may be spent on what in which time.
type Budget struct {
	// Amount is what may be spent, nil for any amount.
	Amount *jobs.Money `json:"amount_usd"`
	// Per is what the amount is for: [PerDay] or [PerMonth], in UTC, or [PerTotal], all
	// that the ledger knows. It is required.
	Per string `json:"per"`
	// Lane, Tenant, Group and Model are of what jobs; "" is all, and a * in the model
	// stands for any part of its name.
	Lane   string `json:"lane,omitempty"`
	Tenant string `json:"tenant,omitempty"`
	Group  string `json:"group,omitempty"`
	Model  string `json:"model,omitempty"`
	// Unknown is what becomes of a job whose price is not known: [UnknownRefuse], it waits,
	// or [UnknownAllow], it goes and counts nothing. It is required.
	Unknown string `json:"unknown_price"`
}

// Validate returns all that is wrong with a budget, joined; each is a [*jobs.Error] that
// names its field.
func (b Budget) Validate() error {
	var problems []error
	bad := func(param, format string, args ...any) {
		problems = append(problems, jobs.Invalid(param, format, args...))
	}
	for _, part := range []struct{ param, name string }{{"lane", b.Lane}, {"tenant", b.Tenant}, {"group", b.Group}} {
		if err := jobs.CheckNameIfSet(part.param, part.name); err != nil {
			problems = append(problems, err)
		}
	}
	if strings.ContainsFunc(b.Model, func(r rune) bool { return r <= ' ' || r > '~' }) {
		bad("model", "%q is no name of a model: it has white space or a character beyond ASCII", b.Model)
	}
	if b.Amount != nil && (*b.Amount < 0 || *b.Amount > MaxBudget) {
		bad("amount", "is %s; give an amount from 0 to %s", *b.Amount, MaxBudget)
	}
	if b.Per != PerDay && b.Per != PerMonth && b.Per != PerTotal {
		bad("per", "is %q; one of %s, %s and %s", b.Per, PerDay, PerMonth, PerTotal)
	}
	if b.Unknown != UnknownRefuse && b.Unknown != UnknownAllow {
		bad("unknown_price", "is %q; one of %s and %s", b.Unknown, UnknownRefuse, UnknownAllow)
	}
	return errors.Join(problems...)
}

// Covers reports whether what a job costs is spent within the budget.
func (b Budget) Covers(j jobs.Job) bool {
	return b.Has(Account{Lane: j.Lane, Tenant: j.Tenant, Group: j.Group, Model: j.Model})
}

// Has reports whether what is summed up in an account was spent within the budget.
func (b Budget) Has(a Account) bool {
	return (b.Lane == "" || b.Lane == a.Lane) && (b.Tenant == "" || b.Tenant == a.Tenant) &&
		(b.Group == "" || b.Group == a.Group) && (b.Model == "" || matches(b.Model, a.Model))
}

// Period names the time that the amount is for at a moment, and tells its first day.
func (b Budget) Period(now time.Time, ledger time.Duration) (name string, since time.Time) {
	now = now.UTC()
	switch b.Per {
	case PerDay:
		return now.Format(time.DateOnly), now
	case PerMonth:
		return now.Format("2006-01"), time.Date(now.Year(), now.Month(), 1, 0, 0, 0, 0, time.UTC)
	}
	return PerTotal, now.Add(-ledger)
}

// about names what is summed up for the budget at a moment: its period, and of what jobs.
// Sums about something else are none of its own, as after it was changed.
func (b Budget) about(now time.Time, ledger time.Duration) (name string, since time.Time) {
	period, since := b.Period(now, ledger)
	if b.Lane+b.Tenant+b.Group+b.Model == "" {
		return period, since
	}
	return strings.Join([]string{period, b.Lane, b.Tenant, b.Group, b.Model}, " "), since
}

// BudgetsSeen is how old a worker's view of the budgets that were set at run time may be.
const BudgetsSeen = time.Second

// SetBudget sets a budget at run time. It counts for all workers, before one of the same
// name in their configuration, until it is taken back.
func (s *Store) SetBudget(ctx context.Context, name string, b Budget) error {
	if err := jobs.CheckName("budget", name); err != nil {
		return err
	}
	if err := b.Validate(); err != nil {
		return err
	}
	raw, err := json.Marshal(b)
	if err != nil {
		return fmt.Errorf("set budget %s: %w", name, err)
	}
	if err := s.rdb.HSet(ctx, s.budgetsKey(), name, raw).Err(); err != nil {
		return fmt.Errorf("set budget %s: %w", name, err)
	}
	return nil
}

// UnsetBudget takes back what was set at run time, and reports whether there was
// anything.
func (s *Store) UnsetBudget(ctx context.Context, name string) (bool, error) {
	n, err := s.rdb.HDel(ctx, s.budgetsKey(), name).Result()
	if err != nil {
		return false, fmt.Errorf("take budget %s back: %w", name, err)
	}
	return n > 0, nil
}

// SetBudgets returns the budgets that were set at run time. One that this build cannot
// read is an error: to do without it would be to spend beyond it.
func (s *Store) SetBudgets(ctx context.Context) (map[string]Budget, error) {
	raw, err := s.rdb.HGetAll(ctx, s.budgetsKey()).Result()
	if err != nil {
		return nil, fmt.Errorf("read budgets: %w", err)
	}
	all := make(map[string]Budget, len(raw))
	for name, text := range raw {
		var b Budget
		if err := json.Unmarshal([]byte(text), &b); err != nil {
			return nil, fmt.Errorf("read budget %s: %w", name, err)
		}
		if err := b.Validate(); err != nil {
			return nil, fmt.Errorf("read budget %s: %w", name, err)
		}
		all[name] = b
	}
	return all, nil
}

// LedgerRetention is how long it is known what responses cost.
func (s *Store) LedgerRetention() time.Duration { return s.config.LedgerRetention }

func (s *Store) budgetsKey() string { return s.config.Prefix + ":{budgets}:set" }

func (s *Store) parkedKey() string { return s.config.Prefix + ":{budgets}:parked" }

// budget is the base of what is spent within a budget, in a slot of its own.
func (s *Store) budget(name string) base { return base(s.config.Prefix + ":{budget:" + name + "}:") }
