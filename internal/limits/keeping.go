package limits

import (
	"context"
	"errors"
	"log/slog"
	"maps"
	"slices"
	"sync"
	"time"

	"github.com/longhaul-jobs/longhaul/jobs"
	"github.com/longhaul-jobs/longhaul/results"
)

const (
	// keepEvery is how often the budgets are looked after while there are any, and
	// keepIdle while there are none.
	keepEvery, keepIdle = time.Second, 5 * time.Second
	// keeperLease is how long a worker that is heard of no more stays the keeper.
	keeperLease = 5 * time.Second
	// parkedAtOnce is how many jobs one look sends on at most, and parkedPage how many
	// it considers.
	parkedAtOnce, parkedPage = 200, 400
	// forgetAfter is how long no job must have waited for a budget that is no more.
	forgetAfter = time.Minute
	// pastDays is how long what was spent on earlier days is remembered. It changes
	// when it becomes known what a lost create has cost.
	pastDays = 10 * time.Minute
)

// keeping is what the keeper of budgets remembers.
type keeping struct {
	// mu keeps the sums of days before yesterday, from since to until.
	mu           sync.Mutex
	past         []results.Summed
	since, until string
	read         time.Time

	// rounds are the searches among the jobs that wait for a budget, and empty is since
	// when none waits for one that is no more. Only the loop uses them.
	rounds map[string]round
	empty  map[string]time.Time
}

// round is a search among all jobs that wait for a budget, for some that fit.
type round struct {
	// from is where it goes on.
	from []int
	// unknown is what the budget did with jobs of no known price.
	unknown string
	// left is the least room that there was in it, and all is how many jobs waited.
	left jobs.Money
	all  int
	// fruitless is when it had come to its end and none fitted, zero before.
	fruitless time.Time
}

// vain reports whether another search would find nobody either: there is no more room
// than there was in this one, and there are no more jobs. What else may have changed is
// looked at after a while.
func (r round) vain(left jobs.Money, all int, now time.Time) bool {
	age := now.Sub(r.fruitless)
	return !r.fruitless.IsZero() && left <= r.left && all <= r.all && age >= 0 && age < readEvery
}

// tally reads what was spent within a budget.
func (k *keeping) tally(ctx context.Context, store Purse, name string, budget results.Budget) error {
	return store.Tally(ctx, name, budget, func(ctx context.Context, since, until time.Time) ([]results.Summed, error) {
		recent := until.AddDate(0, 0, -1) // what ends about midnight still changes
		if since.After(recent) {
			recent = since
		}
		sums, err := store.Usage(ctx, results.Period{Since: recent, Until: until})
		if err != nil || recent.Equal(since) {
			return sums, err
		}
		past, err := k.earlier(ctx, store, since, recent.AddDate(0, 0, -1))
		return append(sums, past...), err
	})
}

// earlier returns the sums of the days from since to until.
func (k *keeping) earlier(ctx context.Context, store Purse, since, until time.Time) ([]results.Summed, error) {
	k.mu.Lock()
	defer k.mu.Unlock()
	first, last := since.UTC().Format(time.DateOnly), until.UTC().Format(time.DateOnly)
	if first > last {
		return nil, nil
	}
	if age := store.Now().Sub(k.read); k.since <= first && k.since != "" && k.until == last && age >= 0 && age < pastDays {
		return k.past, nil
	}
	past, err := store.Usage(ctx, results.Period{Since: since, Until: until})
	if err != nil {
		return nil, err
	}
	k.past, k.since, k.until, k.read = past, first, last, store.Now()
	return past, nil
}

// Run looks after the budgets until ctx is done: it reads what was spent, gives back
// what is held for nothing, and sends the jobs on for which there is room. Of several
// workers one does so for each budget.
func (b *Budgets) Run(ctx context.Context) error {
	timer := time.NewTimer(0)
	defer timer.Stop()
	for {
		select {
		case <-ctx.Done():
			return nil
		case <-timer.C:
		}
		some, err := b.look(ctx)
		if err != nil && ctx.Err() == nil {
			b.log.DebugContext(ctx, "budgets not looked after", slog.Any("err", err))
		}
		pause := keepIdle
		if some {
			pause = keepEvery
		}
		timer.Reset(pause)
	}
}

// look looks after all budgets once, and reports whether there are any.
func (b *Budgets) look(ctx context.Context) (some bool, err error) {
	counts, err := b.current(ctx)
	if err != nil {
		return true, err
	}
	waited, err := b.store.ParkedFor(ctx)
	if err != nil {
		return true, err
	}
	names := slices.Sorted(maps.Keys(counts))
	gone, err := b.gone(ctx, waited, counts)
	if err != nil {
		return true, err
	}
	names = append(names, gone...)
	b.metrics.showOnly(names)
	var failed error
	for _, name := range names {
		if err := b.keep(ctx, name, counts[name]); err != nil {
			failed = errors.Join(failed, err)
		}
	}
	return len(names) > 0, failed
}

// gone are those of some budgets that are no more: this worker has not heard of them, and
// no other that lives has them in its configuration.
func (b *Budgets) gone(ctx context.Context, waited []string, counts map[string]results.Budget) ([]string, error) {
	names := slices.DeleteFunc(slices.Clone(waited), func(name string) bool { _, known := counts[name]; return known })
	if len(names) == 0 {
		return nil, nil
	}
	workers, err := b.store.Workers(ctx)
	if err != nil {
		return nil, err
	}
	return slices.DeleteFunc(names, func(name string) bool {
		return slices.ContainsFunc(workers, func(w results.Worker) bool { _, has := w.Budgets[name]; return has })
	}), nil
}

// keep looks after one budget. The zero one is no more, and nobody need wait for it.
func (b *Budgets) keep(ctx context.Context, name string, budget results.Budget) error {
	st, err := b.store.Spending(ctx, name)
	if err != nil {
		return err
	}
	b.metrics.show(name, budget, st)
	keeper, err := b.store.Keep(ctx, name, b.worker, keeperLease)
	if err != nil || !keeper {
		return err
	}
	if budget.Amount != nil {
		if age := b.store.Now().Sub(st.Read); !b.store.IsOf(st, budget) || age >= readEvery || age < 0 {
			if err := b.keeping.tally(ctx, b.store, name, budget); err != nil {
				return err
			}
		}
	}
	over, err := b.store.Reconcile(ctx, name, holdAgain, holdsAtOnce)
	b.metrics.recovered.WithLabelValues(name).Add(float64(over))
	if err != nil {
		return err
	}
	return b.sendOn(ctx, name, budget, st)
}

// sendOn sends jobs back to their lanes that wait for a budget, as far as it has room
// for them, going by how it stood a moment ago. What they need is held before that, so
// that no more go than there is room for.
func (b *Budgets) sendOn(ctx context.Context, name string, budget results.Budget, st results.Spending) error {
	r := b.keeping.rounds[name]
	page, err := b.store.Parked(ctx, name, r.from, parkedPage)
	if err != nil {
		return err
	}
	if page.All == 0 {
		delete(b.keeping.rounds, name)
		return b.forget(ctx, name, budget)
	}
	delete(b.keeping.empty, name)
	var left jobs.Money
	if budget.Amount != nil {
		left = *budget.Amount - st.Spent - st.Held
		if r.unknown == budget.Unknown && r.vain(left, page.All, b.store.Now()) {
			return nil
		}
	}
	sent := 0
	for _, id := range page.IDs {
		if sent == parkedAtOnce {
			break
		}
		room, err := b.sendOne(ctx, name, budget, id)
		if err != nil {
			return err
		}
		if room {
			sent++
		}
	}
	if r.from != nil {
		left = min(left, r.left)
	}
	next := round{left: left, all: page.All, unknown: budget.Unknown}
	switch {
	case sent > 0:
	case len(page.IDs) == parkedPage:
		next.from = page.Next // none of these fits; others may
	default:
		next.fruitless = b.store.Now()
	}
	b.keeping.rounds[name] = next
	if sent > 0 && b.note(name, false) {
		b.log.InfoContext(ctx, "budget has room again", slog.String("budget", name), slog.Int("jobs_sent_on", sent), slog.Int("jobs_waiting", page.All-sent))
	}
	return nil
}

// forget takes a budget that is no more off the list of those that jobs wait for, once
// that has been so for longer than a worker may take to hear that it is no more and to
// park the job in its hand.
func (b *Budgets) forget(ctx context.Context, name string, budget results.Budget) error {
	b.note(name, false)
	if budget.Per != "" {
		return nil
	}
	now := b.store.Now()
	since, empty := b.keeping.empty[name]
	switch {
	case !empty:
		b.keeping.empty[name] = now
	case now.Sub(since) > forgetAfter:
		delete(b.keeping.empty, name)
		return b.store.ForgetParked(ctx, name)
	}
	return nil
}

// sendOne sends a job on if there is room for it, and reports whether it went.
func (b *Budgets) sendOne(ctx context.Context, name string, budget results.Budget, id jobs.ID) (bool, error) {
	j, err := b.store.Load(ctx, id)
	switch {
	case errors.Is(err, results.ErrNotFound), errors.Is(err, jobs.ErrNewerSchema):
		return false, nil
	case err != nil:
		return false, err
	case !j.Parked() || j.Budget != name:
		return false, nil
	}
	switch bounds := budget.Amount != nil && budget.Covers(j); {
	case bounds && j.Waits == jobs.WaitPrice && budget.Unknown != results.UnknownAllow && b.store.Now().Sub(j.Updated) < unpriced:
		return false, nil
	case bounds && j.Waits == jobs.WaitBudget:
		verdict, _, err := b.store.Hold(ctx, name, budget, results.Part{Try: jobs.Try{Job: id, Attempt: j.NextAttempt()}, Cost: j.Needs, Lease: holdLease})
		if err != nil || verdict != results.HoldGranted {
			return false, err
		}
	}
	_, err = b.store.Advance(ctx, j, jobs.RoomFound{Budget: name})
	switch {
	case errors.Is(err, jobs.ErrUnchanged), errors.Is(err, results.ErrNotFound), errors.Is(err, jobs.ErrNewerSchema):
		return false, nil // what is held for it comes back
	case err != nil:
		return false, err
	}
	return true, nil
}
