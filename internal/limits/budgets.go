package limits

import (
	"context"
	"encoding/json"
	"log/slog"
	"maps"
	"slices"
	"sync"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/longhaul-jobs/longhaul/jobs"
	"github.com/longhaul-jobs/longhaul/results"
)

// Purse keeps what is spent within budgets; see [results.Store].
type Purse interface {
	SetBudgets(ctx context.Context) (map[string]results.Budget, error)
	Hold(ctx context.Context, name string, b results.Budget, p results.Part) (results.HoldVerdict, results.Spending, error)
	Release(ctx context.Context, t jobs.Try, budgets ...string) error
	Tally(ctx context.Context, name string, b results.Budget, read func(ctx context.Context, since, until time.Time) ([]results.Summed, error)) error
	Usage(ctx context.Context, p results.Period) ([]results.Summed, error)
	Spending(ctx context.Context, name string) (results.Spending, error)
	Keep(ctx context.Context, name, worker string, d time.Duration) (bool, error)
	Reconcile(ctx context.Context, name string, again time.Duration, limit int) (over int, err error)
	NoteParked(ctx context.Context, budget string) error
	ForgetParked(ctx context.Context, budget string) error
	ParkedFor(ctx context.Context) ([]string, error)
	Parked(ctx context.Context, budget string, from []int, limit int) (results.ParkedPage, error)
	Workers(ctx context.Context) ([]results.Worker, error)
	Load(ctx context.Context, id jobs.ID) (jobs.Job, error)
	Advance(ctx context.Context, j jobs.Job, ev jobs.Event) (jobs.Job, error)
	IsOf(st results.Spending, b results.Budget) bool
	Now() time.Time
}

const (
	// budgetsSeen is how old the view of what was set at run time may be.
	budgetsSeen = results.BudgetsSeen
	// holdLease is how long a part is held before somebody looks whether its attempt
	// still is under way, and holdAgain how long before somebody looks once more.
	holdLease, holdAgain = time.Minute, 5 * time.Minute
	holdsAtOnce          = 200
	// readEvery is how often the ledger is read for a budget, and readAgain how old a
	// reading must be to be done anew for an attempt that finds no room.
	readEvery, readAgain = 30 * time.Second, 2 * time.Second
	// unpriced is how long a job waits whose price is not known before it tries again.
	unpriced = 5 * time.Minute
)

// Budgets keeps what is spent within its bounds, at all workers together: a part of
// each budget is held for an attempt before its intent, until it is known what it has
// cost. It is safe for concurrent use. What a worker that is killed has held comes back
// when somebody has looked at the record.
type Budgets struct {
	store      Purse
	worker     string
	configured map[string]results.Budget
	// estimate says what an attempt is taken to cost, or why that is not known.
	estimate func(j jobs.Job, body json.RawMessage) (jobs.Money, error)
	metrics  *budgetMetrics
	log      *slog.Logger
	keeping  keeping

	// mu keeps the budgets that count, when they were read, and which are used up.
	mu     sync.Mutex
	counts map[string]results.Budget
	seen   time.Time
	usedUp map[string]bool
}

// NewBudgets returns the budgets of a worker with those of its configuration.
func NewBudgets(store Purse, worker string, configured map[string]results.Budget,
	estimate func(j jobs.Job, body json.RawMessage) (jobs.Money, error), reg prometheus.Registerer, log *slog.Logger,
) *Budgets {
	b := &Budgets{
		store: store, worker: worker, configured: configured, estimate: estimate, metrics: newBudgetMetrics(reg), log: log,
		counts: configured, usedUp: make(map[string]bool), keeping: keeping{rounds: make(map[string]round), empty: make(map[string]time.Time)},
	}
	for name, budget := range configured {
		b.metrics.show(name, budget, results.Spending{})
	}
	return b
}

// current returns the budgets that count: those that were set at run time, and of the
// configuration those that were not.
func (b *Budgets) current(ctx context.Context) (map[string]results.Budget, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	if age := b.store.Now().Sub(b.seen); age >= 0 && age < budgetsSeen {
		return b.counts, nil
	}
	set, err := b.store.SetBudgets(ctx)
	if err != nil {
		return nil, err
	}
	counts := maps.Clone(b.configured)
	if counts == nil {
		counts = set
	}
	maps.Copy(counts, set)
	b.counts, b.seen = counts, b.store.Now()
	return counts, nil
}

// Hold keeps a part of each budget for an attempt that is about to be made, and returns
// their names. If one of them has no room, the job is to be put back as is returned, and
// what the others hold is to be given back after that.
func (b *Budgets) Hold(ctx context.Context, j jobs.Job, t jobs.Try, body json.RawMessage) (held []string, back *jobs.Postponed, err error) {
	counts, err := b.current(ctx)
	if err != nil {
		return nil, nil, err
	}
	var cost jobs.Money
	var unknown error
	estimated := false
	for _, name := range slices.Sorted(maps.Keys(counts)) {
		budget := counts[name]
		if budget.Amount == nil || !budget.Covers(j) {
			continue
		}
		if !estimated {
			estimated = true
			cost, unknown = b.estimate(j, body)
		}
		switch {
		case unknown != nil && budget.Unknown == results.UnknownAllow:
			continue
		case unknown != nil:
			b.metrics.refused.WithLabelValues(name).Inc()
			back = &jobs.Postponed{Attempt: t.Attempt, Reason: jobs.WaitPrice, Budget: name}
			err = b.store.NoteParked(ctx, name)
		default:
			back, err = b.hold(ctx, name, budget, t, cost)
		}
		if err != nil || back != nil {
			return held, back, err
		}
		held = append(held, name)
	}
	return held, nil, nil
}

// hold keeps a part of one budget, or returns how the job is to be put back.
func (b *Budgets) hold(ctx context.Context, name string, budget results.Budget, t jobs.Try, cost jobs.Money) (*jobs.Postponed, error) {
	verdict, st, err := b.ask(ctx, name, budget, t, cost)
	if err != nil || verdict == results.HoldGranted {
		return nil, err
	}
	b.metrics.refused.WithLabelValues(name).Inc()
	// What is only held comes back soon, and is nobody's business.
	if st.Spent+cost > *budget.Amount && b.note(name, true) {
		b.log.WarnContext(ctx, "budget is used up; jobs wait for room in it", slog.String("budget", name),
			slog.String("amount", budget.Amount.String()), slog.String("spent", st.Spent.String()), slog.String("held", st.Held.String()),
			slog.String("period", st.Period))
	}
	// Whoever sends jobs on has to know of it before there is one.
	if err := b.store.NoteParked(ctx, name); err != nil {
		return nil, err
	}
	return &jobs.Postponed{Attempt: t.Attempt, Reason: jobs.WaitBudget, Budget: name, Needs: cost}, nil
}

// ask asks for a part of a budget, and reads the ledger anew before it takes no for an
// answer.
func (b *Budgets) ask(ctx context.Context, name string, budget results.Budget, t jobs.Try, cost jobs.Money) (results.HoldVerdict, results.Spending, error) {
	part := results.Part{Try: t, Cost: cost, Lease: holdLease}
	verdict, st, err := b.store.Hold(ctx, name, budget, part)
	if err != nil || verdict == results.HoldGranted {
		return verdict, st, err
	}
	if age := b.store.Now().Sub(st.Read); verdict == results.HoldRefused && age >= 0 && age < readAgain {
		return verdict, st, nil
	}
	if err := b.keeping.tally(ctx, b.store, name, budget); err != nil {
		return "", st, err
	}
	return b.store.Hold(ctx, name, budget, part)
}

// Release gives back what is held for an attempt that is not made, once its record says
// so.
func (b *Budgets) Release(ctx context.Context, t jobs.Try, budgets []string) error {
	if len(budgets) == 0 {
		return nil
	}
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), patience)
	defer cancel()
	return b.store.Release(ctx, t, budgets...)
}

// note remembers whether a budget is used up, and reports whether that is news.
func (b *Budgets) note(name string, usedUp bool) bool {
	b.mu.Lock()
	defer b.mu.Unlock()
	was := b.usedUp[name]
	b.usedUp[name] = usedUp
	return was != usedUp
}
