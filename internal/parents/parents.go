// Package parents takes the steps of parents: it asks a parent's planner which parts are
// needed, sees to it that they are there, waits for their ends, and ends the parent with
// what the planner makes of them. Each step begins at the beginning and finds what is
// there already, so that one that was cut short is taken again, and two that are taken
// at once do no harm. It decides nothing about jobs; package jobs does.
package parents

import (
	"context"
	"errors"
	"log/slog"
	"maps"
	"slices"
	"sync"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/longhaul-jobs/longhaul/jobs"
	"github.com/longhaul-jobs/longhaul/results"
)

// Store is the part of the store that steps need; see [results.Store].
type Store interface {
	ClaimPlans(ctx context.Context, kinds []jobs.Kind, limit int, lease time.Duration) ([]jobs.Job, error)
	ClaimLatePlans(ctx context.Context, kinds []jobs.Kind, lease time.Duration) ([]jobs.Job, error)
	Unplanned(ctx context.Context, planned []jobs.Kind) (map[jobs.Kind]int64, error)
	TakeClaim() *results.Claim
	Load(ctx context.Context, id jobs.ID) (jobs.Job, error)
	Request(ctx context.Context, j jobs.Job) (jobs.Request, error)
	Body(ctx context.Context, id jobs.ID) ([]byte, error)
	FindParts(ctx context.Context, keys []string) ([]jobs.Job, error)
	AcceptPart(ctx context.Context, parent jobs.Job, name string, request jobs.Request, instead jobs.ID) (job jobs.Job, fresh bool, err error)
	AttachParts(ctx context.Context, parent jobs.ID, parts []results.PlanPart, ask time.Time, nudge int) (jobs.State, error)
	OpenParts(ctx context.Context, parent jobs.ID) ([]jobs.ID, error)
	PartsEnded(ctx context.Context, parent jobs.ID, ended []jobs.ID) (left int, err error)
	Attend(ctx context.Context, dependent jobs.ID, others []jobs.ID) (ended []jobs.ID, err error)
	Need(ctx context.Context, dependent jobs.ID, others []jobs.ID, until time.Time) (gone []jobs.ID, err error)
	Advance(ctx context.Context, j jobs.Job, ev jobs.Event) (jobs.Job, error)
	Settle(ctx context.Context, settlements ...results.Settlement) ([]int, error)
	Now() time.Time
}

// Config says how steps are taken. All fields but Enter must be set.
type Config struct {
	// Planners are those that this worker has.
	Planners map[jobs.Kind]jobs.Planner
	// Concurrency is how many steps are taken at once; one of a large parent is taken
	// alone.
	Concurrency int
	// Tick is how often parents are looked for, and Sweep how often those without a
	// planner are counted, and ended that are late.
	Tick, Sweep time.Duration
	// Lease is how long a claimed parent is left to its claimer, who renews it.
	Lease time.Duration
	// Enter lets a step in beside others, or alone; it blocks until then, or gives up.
	// Nil lets every step in.
	Enter func(ctx context.Context, alone bool) (leave func(), err error)
}

const (
	// largeBytes is the size of a request from which on its step is taken alone, so
	// that the memory of a worker is bounded by the largest document and not by how
	// many there are.
	largeBytes = 8 << 20

	// A step that two workers in a row did not bring to an end is taken alone, and one
	// that so many did not is taken for what crashes them.
	lapsesBeforeAlone  = 2
	lapsesBeforePoison = 10

	// A step that failed is taken again after backFirst, then ever more rarely, up to
	// every backMost. What it needs and is not there is missing for good after
	// enoughMissing times.
	backFirst     = time.Second
	backMost      = time.Minute
	enoughMissing = 10

	// A parent that nobody tells asks for itself how its parts stand: after askFirst,
	// then ever more rarely, up to askMost.
	askFirst = time.Minute
	askMost  = 10 * time.Minute
)

// Runner takes the steps of parents. Any number of workers run one each.
type Runner struct {
	store   Store
	config  Config
	kinds   []jobs.Kind
	metrics *metrics
	log     *slog.Logger

	// large is held for writing by the step of a large parent, for reading by others.
	large sync.RWMutex
	// missed are the kinds of which it was said that nobody here plans them.
	missed map[jobs.Kind]bool
}

// New returns a runner.
func New(store Store, config Config, reg prometheus.Registerer, log *slog.Logger) *Runner {
	kinds := slices.Sorted(maps.Keys(config.Planners))
	return &Runner{store: store, config: config, kinds: kinds, metrics: newMetrics(reg), log: log, missed: make(map[jobs.Kind]bool)}
}

// Run takes steps until ctx is done. One that is cut short by that is given back.
func (r *Runner) Run(ctx context.Context) error {
	var all sync.WaitGroup
	for range r.config.Concurrency {
		all.Go(func() { r.serve(ctx) })
	}
	all.Go(func() {
		for sleep(ctx, r.config.Sweep) {
			r.countUnplanned(ctx)
		}
	})
	all.Wait()
	return nil
}

// serve takes one step after another.
func (r *Runner) serve(ctx context.Context) {
	for ctx.Err() == nil {
		claimed, err := r.store.ClaimPlans(ctx, r.kinds, 1, r.config.Lease)
		for _, j := range claimed {
			r.handle(ctx, j)
		}
		switch {
		case err != nil && ctx.Err() == nil:
			r.log.WarnContext(ctx, "due parents not claimed", slog.Any("err", err))
			sleep(ctx, time.Second)
		case len(claimed) == 0:
			sleep(ctx, r.config.Tick)
		}
	}
}

// handle takes the step of a claimed parent, and puts it back if that fails.
func (r *Runner) handle(ctx context.Context, j jobs.Job) {
	began := time.Now()
	outcome, err := r.guarded(ctx, j)
	if err == nil {
		r.metrics.steps.WithLabelValues(outcome).Inc()
		r.metrics.duration.Observe(time.Since(began).Seconds())
		return
	}
	r.metrics.steps.WithLabelValues(stepFailed).Inc()
	wait := time.Duration(0)
	if ctx.Err() == nil {
		wait = min(backMost, backFirst<<min(j.Nudge, 10))
		r.log.WarnContext(ctx, "step of a parent failed; it is taken again", slog.String("job_id", string(j.ID)),
			slog.Int("nudge", j.Nudge), slog.Any("err", err))
	}
	r.putBack(ctx, j, wait)
}

// putBack makes a parent due again, in a while or, for another worker, at once. While
// Redis is away it tries until the lease is over, or for a moment if this worker drains.
func (r *Runner) putBack(ctx context.Context, j jobs.Job, wait time.Duration) {
	until := time.Now().Add(r.config.Lease)
	for {
		err := r.settle(ctx, j, wait)
		switch {
		case err == nil:
			return
		case ctx.Err() != nil || time.Now().After(until):
			r.log.WarnContext(ctx, "parent not put back; its lease runs out", slog.String("job_id", string(j.ID)), slog.Any("err", err))
			return
		}
		sleep(ctx, time.Second)
	}
}

// settle puts a parent back as it is now: the step may have come as far as to say which
// phase it waits for.
func (r *Runner) settle(ctx context.Context, j jobs.Job, wait time.Duration) error {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), 5*time.Second)
	defer cancel()
	for range 3 {
		numbers, err := r.store.Settle(ctx, results.Settlement{Job: j, Due: r.store.Now().Add(wait), Nudge: wait > 0})
		if err != nil || numbers[0] >= 0 {
			return err
		}
		if j, err = r.store.Load(ctx, j.ID); err != nil || !j.Planning() {
			return ignoreUnchanged(err)
		}
	}
	return nil // others are at it
}

// guarded takes a step beside others, or alone, while its claim is renewed.
func (r *Runner) guarded(ctx context.Context, j jobs.Job) (outcome string, err error) {
	ctx, stop := context.WithCancel(ctx)
	var renewing sync.WaitGroup
	defer renewing.Wait()
	defer stop()
	renewing.Go(func() { r.renew(ctx, j) })
	if r.config.Enter != nil {
		leave, err := r.config.Enter(ctx, j.Lapsed >= lapsesBeforeAlone)
		if err != nil {
			return "", err
		}
		defer leave()
	}
	if j.RequestBytes >= largeBytes {
		r.large.Lock()
		defer r.large.Unlock()
	} else {
		r.large.RLock()
		defer r.large.RUnlock()
	}
	return r.step(ctx, j)
}

// renew keeps the claim of a parent until ctx is done or it is nobody's any more.
func (r *Runner) renew(ctx context.Context, j jobs.Job) {
	claim := r.store.TakeClaim()
	for sleep(ctx, r.config.Lease/3) {
		held, err := claim.Renew(ctx, j, jobs.Looks{}, r.config.Lease, false)
		if err == nil && !held {
			return // it has moved on, or somebody else has it: the step does no harm
		}
	}
}

// countUnplanned says once of each kind that parents wait which this build cannot plan.
// They are left to a worker that can, but for those that are late.
func (r *Runner) countUnplanned(ctx context.Context) {
	waiting, err := r.store.Unplanned(ctx, r.kinds)
	if err != nil {
		if ctx.Err() == nil {
			r.log.WarnContext(ctx, "parents without a planner not counted", slog.Any("err", err))
		}
		return
	}
	total := int64(0)
	var kinds []jobs.Kind
	for kind, n := range waiting {
		total += n
		if n > 0 {
			kinds = append(kinds, kind)
		}
		if n > 0 && !r.missed[kind] {
			r.log.WarnContext(ctx, "jobs of a kind wait that this worker has no planner for; they are left to one that has",
				slog.String("kind", string(kind)), slog.Int64("jobs", n))
		}
		r.missed[kind] = n > 0
	}
	r.metrics.unplanned.Set(float64(total))
	r.expireUnplanned(ctx, kinds)
}

// expireUnplanned ends the parents whose deadline has passed of those that nobody here
// plans: that needs no planner, and there may be no worker that has it.
func (r *Runner) expireUnplanned(ctx context.Context, kinds []jobs.Kind) {
	late, err := r.store.ClaimLatePlans(ctx, kinds, r.config.Lease)
	for _, j := range late {
		err = errors.Join(err, r.expire(ctx, j))
	}
	if err != nil && ctx.Err() == nil {
		r.log.WarnContext(ctx, "late parents without a planner not ended; they will be", slog.Any("err", err))
	}
}

// unchanged reports whether an error says that a job has moved on without us.
func unchanged(err error) bool {
	return errors.Is(err, jobs.ErrUnchanged) || errors.Is(err, results.ErrNotFound)
}

// sleep waits, and reports whether it was not interrupted.
func sleep(ctx context.Context, d time.Duration) bool {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-ctx.Done():
		return false
	case <-timer.C:
		return true
	}
}
