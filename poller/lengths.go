package poller

import (
	"context"
	"log/slog"
	"sync"
	"time"

	"github.com/longhaul-jobs/longhaul/jobs"
)

// Ends are ends that a worker has seen: how many of each sort fell into which bucket.
type Ends map[Sort]map[int]int

// Shared is what all workers together know of durations.
type Shared interface {
	// AddEnds adds to it.
	AddEnds(ctx context.Context, ends Ends) error
	// Durations reads it.
	Durations(ctx context.Context) (map[Sort]Histogram, error)
}

// How often a worker tells the others what it has seen, and takes over what they
// have.
const (
	tellEvery  = time.Second
	learnEvery = 5 * time.Second
)

// Lengths is what a worker knows of how long responses take. It is safe for
// concurrent use; nil knows nothing. Looks never wait for it: it is read from
// memory, and taken over from the others in the background.
type Lengths struct {
	shared   Shared
	schedule Schedule
	log      *slog.Logger

	mu   sync.Mutex // for all below
	seen Ends
	// known is what all workers know, with all that it is merged to; plans are those
	// made of it so far.
	known map[Sort]*Histogram
	plans map[Sort]*Plan
}

// NewLengths returns what knows nothing yet.
func NewLengths(shared Shared, s Schedule, log *slog.Logger) *Lengths {
	return &Lengths{shared: shared, schedule: s, log: log, seen: make(Ends), plans: make(map[Sort]*Plan)}
}

// Plan is the plan for a sort of responses, or for all of its model, or for all;
// nil while too few of them have ended.
func (l *Lengths) Plan(sort Sort) *Plan {
	if l == nil {
		return nil
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	for _, s := range wider(sort) {
		h := l.known[s]
		if h == nil || !h.Enough() {
			continue
		}
		plan := l.plans[s]
		if plan == nil {
			plan = NewPlan(*h, l.schedule)
			l.plans[s] = plan
		}
		return plan
	}
	return nil
}

// wider are the sorts to go by, the most like it first.
func wider(s Sort) [3]Sort { return [3]Sort{s, {Model: s.Model}, {}} }

// Ended notes how long a response took that ended by itself.
func (l *Lengths) Ended(j jobs.Job, a jobs.Attempt, r jobs.Response, now time.Time) {
	if l == nil || j.Stop != nil || r.Status == jobs.StatusCancelled {
		return
	}
	took, ok := duration(j.Looks, a, r, now)
	if !ok {
		return
	}
	sort, bucket := SortOf(j), Bucket(took)
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.seen[sort] == nil {
		l.seen[sort] = make(map[int]int)
	}
	l.seen[sort][bucket]++
}

// duration is how long a response took, from its create on. The provider says when
// it completed in whole seconds and by its own clock, so that is believed as far as
// the looks allow: it ended after the last that saw it run. What does not say when
// it ended did so in the middle of what they leave.
func duration(looks jobs.Looks, a jobs.Attempt, r jobs.Response, now time.Time) (time.Duration, bool) {
	if a.Answered.IsZero() || !now.After(a.Answered) {
		return 0, false
	}
	lower := a.Answered
	if looks.Last.After(lower) && looks.Last.Before(now) {
		lower = looks.Last
	}
	end := lower.Add(now.Sub(lower) / 2)
	if r.CompletedAt > 0 {
		end = time.UnixMilli(int64(r.CompletedAt*1000) + 500)
		if end.Before(lower) {
			end = lower
		}
		if end.After(now) {
			end = now
		}
	}
	return end.Sub(a.Answered), true
}

// Run tells the others what was seen, and takes over what they have, until ctx is
// done. What is not told by then is lost, and is worth no wait.
func (l *Lengths) Run(ctx context.Context) error {
	var learnt time.Time
	for ctx.Err() == nil {
		if time.Since(learnt) >= learnEvery {
			if err := l.learn(ctx); err != nil && ctx.Err() == nil {
				l.log.WarnContext(ctx, "durations of responses not read", slog.Any("err", err))
			}
			learnt = time.Now()
		}
		_ = sleep(ctx, tellEvery)
		if err := l.tell(ctx); err != nil && ctx.Err() == nil {
			l.log.WarnContext(ctx, "durations of responses not told", slog.Any("err", err))
		}
	}
	return nil
}

// tell passes on what was seen since the last time. If that fails it is dropped:
// whether it has arrived is not known, and there will be more.
func (l *Lengths) tell(ctx context.Context) error {
	l.mu.Lock()
	seen := l.seen
	l.seen = make(Ends)
	l.mu.Unlock()
	if len(seen) == 0 {
		return nil
	}
	return l.shared.AddEnds(ctx, seen)
}

// learn takes over what all workers know.
func (l *Lengths) learn(ctx context.Context) error {
	sorts, err := l.shared.Durations(ctx)
	if err != nil {
		return err
	}
	known := make(map[Sort]*Histogram)
	for sort, h := range sorts {
		for i, s := range wider(sort) {
			if i > 0 && s == sort {
				continue
			}
			if known[s] == nil {
				known[s] = new(Histogram)
			}
			known[s].merge(&h)
		}
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	l.known, l.plans = known, make(map[Sort]*Plan)
	return nil
}
