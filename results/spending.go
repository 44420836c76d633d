package results

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/redis/go-redis/v9"

	"github.com/longhaul-jobs/longhaul/jobs"
)

// What is spent within a budget is kept under its base:
//
//	state    hash    period, since, spent, read and mark: what was spent in a period from
//	                 a day on, as it was read from the ledger, when, and the last settled
//	                 attempt that is in it; of some jobs only, these stand behind the
//	                 period; held, settled and doubt: the sums of the hashes of these
//	                 names; seq: the number of the last settled attempt
//	held     hash    for each attempt that may be under way, what it is taken to cost
//	open     zset    these attempts, by when somebody looks whether they still are
//	settled  hash    for each that is over since the ledger was read, its number and cost
//	doubt    hash    for each that is over and of which nobody knows what it cost, the
//	                 day and what it was taken to cost
//	keeper   string  the worker that reads the ledger for it and sends jobs on
//
// So nothing that was spent is ever missing: a line is in the ledger before its attempt
// is settled, and an attempt counts as held before that. A crash in between leaves it
// held until somebody has looked at its record.

// Spending is how a budget stands.
type Spending struct {
	// Period is what the sums are about, "" if nobody has read the ledger yet.
	Period string
	// Spent is what was spent, what is in doubt included, and Held what is held for
	// attempts under way.
	Spent, Held jobs.Money
	// Doubt is the part of it of which nobody knows whether it was spent.
	Doubt jobs.Money
	// InFlight is for how many attempts something is held.
	InFlight int
	// Read is when the ledger was read last.
	Read time.Time

	about string
}

// IsOf reports whether the sums are those of a budget as it is now: of its present
// period, and of the jobs that are paid from it.
func (s *Store) IsOf(st Spending, b Budget) bool {
	about, _ := b.about(s.Now(), s.config.LedgerRetention)
	return st.about == about
}

// HoldVerdict is the answer to an attempt that wants a part of a budget.
type HoldVerdict string

// The verdicts about parts of a budget.
const (
	HoldGranted HoldVerdict = "held"
	HoldRefused HoldVerdict = "refused"
	// HoldUnread: nobody has read yet what was spent in the period.
	HoldUnread HoldVerdict = "unread"
)

// Part is what an attempt wants of a budget.
type Part struct {
	Try jobs.Try
	// Cost is what it is taken to cost.
	Cost jobs.Money
	// Lease is for how long it is held before somebody looks whether the attempt still
	// is under way.
	Lease time.Duration
}

// Hold keeps a part of a budget for an attempt, if it has room for it.
func (s *Store) Hold(ctx context.Context, name string, b Budget, p Part) (HoldVerdict, Spending, error) {
	if b.Amount == nil {
		return HoldGranted, Spending{}, nil
	}
	now := s.Now()
	about, _ := b.about(now, s.config.LedgerRetention)
	answer, err := s.run(ctx, s.scripts.hold, s.budget(name), tryID(p.Try), int64(min(p.Cost, MaxBudget)), int64(*b.Amount), about,
		ms(now.Add(p.Lease)), s.config.LedgerRetention.Milliseconds()).StringSlice()
	if err != nil {
		return "", Spending{}, fmt.Errorf("hold a part of budget %s: %w", name, err)
	}
	return HoldVerdict(answer[0]), Spending{
		Period: periodOf(about), Spent: jobs.Money(parseInt(answer[1])), Held: jobs.Money(parseInt(answer[2])), Read: readAt(answer[3]), about: about,
	}, nil
}

// periodOf is the period of what sums are about.
func periodOf(about string) string {
	period, _, _ := strings.Cut(about, " ")
	return period
}

// ends is how what is held for an attempt ends: "" not yet.
func ends(j jobs.Job, number int) (how string, cost jobs.Money) {
	i := slices.IndexFunc(j.Attempts, func(a jobs.Attempt) bool { return a.Number == number })
	switch {
	case i < 0 && j.State == jobs.StateWaiting && j.NextAttempt() == number:
		return "", 0 // about to be made
	case i < 0:
		return "none", 0 // folded into another that cost nothing
	case j.Attempts[i].Outcome == "":
		return "", 0
	case j.Attempts[i].Bill == nil:
		return "none", 0 // refused
	case j.Attempts[i].Bill.Cost == nil:
		return "unknown", 0
	}
	return "cost", *j.Attempts[i].Bill.Cost
}

// Release gives back what budgets hold for an attempt that was not made, if that is what
// its record says: another worker may have made it meanwhile with the same parts, or be
// about to. Then they stay, and [Store.Reconcile] looks at them later.
func (s *Store) Release(ctx context.Context, t jobs.Try, budgets ...string) error {
	// The leases come first: one that is another after the record was read is somebody
	// else's.
	leases := make(map[string]string, len(budgets))
	for _, name := range budgets {
		lease, err := s.rdb.ZScore(ctx, string(s.budget(name))+"open", tryID(t)).Result()
		switch {
		case errors.Is(err, redis.Nil): // nothing is held
		case err != nil:
			return fmt.Errorf("read budget %s: %w", name, err)
		default:
			leases[name] = strconv.FormatInt(int64(lease), 10)
		}
	}
	if len(leases) == 0 {
		return nil
	}
	how, cost, err := s.heldFor(ctx, t)
	if err != nil || how == "" {
		return err
	}
	for name, lease := range leases {
		if err := s.spend(ctx, t, how, cost, lease, name); err != nil {
			return err
		}
	}
	return nil
}

// spend ends what budgets hold for an attempt; with a lease only if that is still the
// one that it has there.
func (s *Store) spend(ctx context.Context, t jobs.Try, how string, cost jobs.Money, lease string, budgets ...string) error {
	for _, name := range budgets {
		err := s.run(ctx, s.scripts.spend, s.budget(name), tryID(t), how, int64(min(cost, MaxBudget)), s.config.LedgerRetention.Milliseconds(), lease, dayOf(s.Now())).Err()
		if err != nil {
			return fmt.Errorf("settle attempt %d of %s in budget %s: %w", t.Attempt, t.Job, name, err)
		}
	}
	return nil
}

// settleHolds has budgets know of the attempts that a step has ended, or of which it has
// become known what they cost. What cannot be told is found by [Store.Reconcile].
func (s *Store) settleHolds(ctx context.Context, before, after jobs.Job) {
	for _, a := range before.Attempts {
		if len(a.Budgets) == 0 {
			continue
		}
		how, cost := ends(after, a.Number)
		if was, wasCost := ends(before, a.Number); how == "" || how == was && cost == wasCost {
			continue
		}
		ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), settlePatience)
		if err := s.spend(ctx, jobs.Try{Job: after.ID, Attempt: a.Number}, how, cost, "", a.Budgets...); err != nil {
			s.log.DebugContext(ctx, "budgets not told of the end of an attempt", slog.String("job_id", string(after.ID)), slog.Any("err", err))
		}
		cancel()
	}
}

// settlePatience bounds how long the end of an attempt waits for a budget's slot.
const settlePatience = 2 * time.Second

// Tally reads from the ledger what was spent within a budget in its present period. The
// sums come from read, which may remember those of earlier days.
func (s *Store) Tally(ctx context.Context, name string, b Budget, read func(ctx context.Context, since, until time.Time) ([]Summed, error)) error {
	// The mark comes first: what is settled later counts beside what is read. The moment
	// comes after it: what was settled before is on no later day.
	mark, err := s.rdb.HMGet(ctx, string(s.budget(name))+"state", "seq").Result()
	if err != nil {
		return fmt.Errorf("read budget %s: %w", name, err)
	}
	settled, _ := mark[0].(string)
	now := s.Now()
	about, since := b.about(now, s.config.LedgerRetention)
	sums, err := read(ctx, since, now)
	if err != nil {
		return err
	}
	spent := b.SpentSince(since, sums)
	err = s.run(ctx, s.scripts.tally, s.budget(name), ms(now), about, int64(min(spent, MaxBudget)), parseInt(settled), dayOf(since),
		s.config.LedgerRetention.Milliseconds()).Err()
	if err != nil {
		return fmt.Errorf("note what was spent of budget %s: %w", name, err)
	}
	return nil
}

// SpentSince is what was spent within the budget from a day on, by sums of the ledger.
func (b Budget) SpentSince(since time.Time, sums []Summed) jobs.Money {
	var spent jobs.Money
	for _, sum := range sums {
		if sum.Day >= dayOf(since) && b.Has(sum.Account) {
			spent += sum.Cost
		}
	}
	return spent
}

// Spending tells how a budget stands.
func (s *Store) Spending(ctx context.Context, name string) (Spending, error) {
	key := string(s.budget(name))
	p := s.rdb.Pipeline()
	state := p.HMGet(ctx, key+"state", "period", "spent", "settled", "doubt", "held", "read")
	inFlight := p.ZCard(ctx, key+"open")
	if _, err := p.Exec(ctx); err != nil {
		return Spending{}, fmt.Errorf("read budget %s: %w", name, err)
	}
	field := func(i int) string { text, _ := state.Val()[i].(string); return text }
	money := func(i int) jobs.Money { return jobs.Money(parseInt(field(i))) }
	return Spending{
		Period: periodOf(field(0)), about: field(0), Spent: money(1) + money(2) + money(3), Doubt: money(3), Held: money(4),
		Read: readAt(field(5)), InFlight: int(inFlight.Val()),
	}, nil
}

// readAt is a time that a script wrote, zero for none.
func readAt(text string) time.Time {
	if at := parseInt(text); at > 0 {
		return time.UnixMilli(at).UTC()
	}
	return time.Time{}
}

// Keep makes a worker the keeper of a budget for a while, or has it stay so, and reports
// whether it is.
func (s *Store) Keep(ctx context.Context, name, worker string, d time.Duration) (bool, error) {
	key := string(s.budget(name)) + "keeper"
	taken, err := s.rdb.SetNX(ctx, key, worker, d).Result()
	if err == nil && !taken {
		var keeper string
		keeper, err = s.rdb.Get(ctx, key).Result()
		if taken = err == nil && keeper == worker; taken {
			err = s.rdb.Set(ctx, key, worker, d).Err()
		}
	}
	if err != nil && !errors.Is(err, redis.Nil) {
		return false, fmt.Errorf("keep budget %s: %w", name, err)
	}
	return taken, nil
}

// Reconcile looks at up to limit attempts for which a budget holds something and that
// nobody has ended in time: whoever was to do so may have died. It ends those that are
// over, and returns how many these were; of the others it asks again after a while.
func (s *Store) Reconcile(ctx context.Context, name string, again time.Duration, limit int) (over int, err error) {
	now := s.Now()
	lease := ms(now.Add(again))
	members, err := s.run(ctx, s.scripts.places, s.budget(name), ms(now), lease, limit).StringSlice()
	if err != nil {
		return 0, fmt.Errorf("look for what budget %s need not hold: %w", name, err)
	}
	for _, member := range members {
		id, attempt, _ := strings.Cut(member, ":")
		t := jobs.Try{Job: jobs.ID(id), Attempt: int(parseInt(attempt))}
		how, cost, err := s.heldFor(ctx, t)
		if err == nil && how != "" {
			over++
			err = s.spend(ctx, t, how, cost, strconv.FormatInt(lease, 10), name)
		}
		if err != nil {
			return over, err
		}
	}
	return over, nil
}

// heldFor is how what is held for an attempt ends, going by its record: "" not yet.
func (s *Store) heldFor(ctx context.Context, t jobs.Try) (how string, cost jobs.Money, err error) {
	j, err := s.Load(ctx, t.Job)
	switch {
	case errors.Is(err, ErrNotFound):
		return "none", 0, nil // what it cost is in the ledger
	case errors.Is(err, jobs.ErrNewerSchema):
		return "", 0, nil
	case err != nil:
		return "", 0, err
	case j.State == jobs.StateWaiting && j.Admitted.IsZero() && j.NextAttempt() == t.Attempt:
		return "none", 0, nil // it asks again when it is its turn
	}
	how, cost = ends(j, t.Attempt)
	return how, cost, nil
}
