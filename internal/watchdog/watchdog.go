// Package watchdog sees to it that every debt is paid: a job whose submit or
// effects are overdue is enqueued anew, an intent whose worker is gone becomes
// uncertain, a deadline that passes is enforced, a record whose retention is
// over goes. It also says that this worker lives, which is what the others go
// by. It decides nothing about jobs; package jobs does.
package watchdog

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"math/rand/v2"
	"sync"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/longhaul-jobs/longhaul/jobs"
	"github.com/longhaul-jobs/longhaul/results"
)

// Store is the part of the store that the watchdog needs; see [results.Store].
type Store interface {
	Step(ctx context.Context, id jobs.ID, ev jobs.Event) (jobs.Job, error)
	Advance(ctx context.Context, j jobs.Job, ev jobs.Event) (jobs.Job, error)
	Attend(ctx context.Context, dependent jobs.ID, others []jobs.ID) (ended []jobs.ID, err error)
	Ending(ctx context.Context, id jobs.ID) (jobs.DependencyEnded, error)
	Dependents(ctx context.Context, id jobs.ID, limit int) ([]jobs.ID, error)
	Told(ctx context.Context, id jobs.ID, told []jobs.ID) (left int, err error)
	PartsEnded(ctx context.Context, parent jobs.ID, ended []jobs.ID) (left int, err error)
	Parts(ctx context.Context, parent jobs.ID, from, limit int) ([]results.PlanPart, error)
	Jobs(ctx context.Context, ids []jobs.ID) ([]jobs.Job, error)
	Settle(ctx context.Context, settlements ...results.Settlement) ([]int, error)
	Remove(ctx context.Context, j jobs.Job) (bool, error)
	Beat(ctx context.Context, w results.Worker, living time.Duration) error
	Leave(ctx context.Context, id string) error
	Alive(ctx context.Context) (map[string]bool, error)
	TakeOver(ctx context.Context, lease time.Duration) ([]string, error)
	Endpoints(ctx context.Context) ([]results.EndpointUse, error)
	Audit(ctx context.Context) (int, error)
	Expire(ctx context.Context, limit int) (int, error)
	SweepBlobs(ctx context.Context, limit int) (int, error)
	SweepStrays(ctx context.Context) (int, error)
	SyncClock(ctx context.Context) error
	Now() time.Time
}

// Queue enqueues what a job's state calls for.
type Queue interface {
	Submit(ctx context.Context, j jobs.ID, lane string, attempt, nudge int) error
	Effects(ctx context.Context, j jobs.Job) error
	// Waiting is how many tasks wait in the queue of an endpoint's effects.
	Waiting(endpoint string) (int, error)
}

// Config says how often the watchdog looks around. All fields must be set.
type Config struct {
	// Timing must be the store's.
	Timing jobs.Timing
	// Heartbeat is how often this worker says that it lives.
	Heartbeat time.Duration
	// DeadAfter is how long a silent worker is believed to live.
	DeadAfter time.Duration
	// Audit is how often the indexes are compared with what is owed.
	Audit time.Duration
	// Lease is how long a claimed job is left to its claimer.
	Lease time.Duration
	// Resume deals with an intent of this worker, and reports whether anything is
	// known of its create. Nil knows of all of them.
	Resume func(ctx context.Context, j jobs.Job) (bool, error)
}

// Watchdog watches over the jobs of an installation. Any number of workers run
// one each.
type Watchdog struct {
	store   Store
	queue   Queue
	worker  results.Worker
	config  Config
	metrics *metrics
	log     *slog.Logger

	// alive remembers the living workers for a moment, so that a sweep over many
	// intents asks once. The mutex keeps the two fields of one answer together.
	mu    sync.Mutex
	asked time.Time // by Redis' clock
	alive map[string]bool

	pulse     *pulse
	endpoints *endpoints
}

// New returns the watchdog of a worker.
func New(store Store, queue Queue, worker results.Worker, config Config, reg prometheus.Registerer, log *slog.Logger) *Watchdog {
	return &Watchdog{
		store: store, queue: queue, worker: worker, config: config, metrics: newMetrics(reg), log: log,
		pulse: newPulse(config), endpoints: newEndpoints(store, queue, log),
	}
}

// Overdue does for a claimed job that is not running what its state calls for.
func (w *Watchdog) Overdue(ctx context.Context, j jobs.Job) error {
	if !j.State.Terminal() && j.Stop == nil && j.Late(w.store.Now()) {
		next, _, err := w.step(ctx, j, jobs.StopRequested{Reason: jobs.StopDeadline})
		if err != nil || next.State != jobs.StateSubmitting {
			return err
		}
		j = next
	}
	if effect := j.LocalEffect(); effect != nil {
		if err := w.carryOut(ctx, j, *effect); err != nil {
			return errors.Join(err, w.later(ctx, j))
		}
		return nil // what else is owed is due by itself
	}
	switch j.State {
	case jobs.StateSubmitting:
		if len(j.Outbox) > 0 {
			return errors.Join(w.queue.Effects(ctx, j), w.checkIntent(ctx, j))
		}
		return w.checkIntent(ctx, j)
	case jobs.StateRunning:
		return fmt.Errorf("%s is running: its looks are the poller's", j.ID)
	case jobs.StateUncertain:
		if over := !j.DecideAt.IsZero() && !w.store.Now().Before(j.DecideAt); over {
			return w.decide(ctx, j)
		}
		if due, _ := j.Due(w.config.Timing); len(j.Outbox) == 0 {
			return w.putBack(ctx, j, due)
		}
	case jobs.StateWaiting:
		if j.Planning() {
			return w.putBack(ctx, j, j.AskAt) // among those whose planner is to be asked
		}
		if j.Aside() && !j.Parked() && len(j.Outbox) == 0 {
			return w.ask(ctx, j)
		}
		if j.Admitted.IsZero() && len(j.Outbox) == 0 {
			return w.putBack(ctx, j, j.Deadline)
		}
	case jobs.StateSucceeded, jobs.StateIncomplete, jobs.StateFailed, jobs.StateCancelled, jobs.StateExpired:
		if len(j.Outbox) == 0 {
			return w.remove(ctx, j)
		}
	}
	return w.nudge(ctx, j)
}

// carryOut does an effect that concerns no endpoint.
func (w *Watchdog) carryOut(ctx context.Context, j jobs.Job, effect jobs.Effect) error {
	switch effect.Kind {
	case jobs.EffectTell:
		return w.tell(ctx, j, effect)
	case jobs.EffectStopParts, jobs.EffectDeleteParts:
		return w.endParts(ctx, j, effect)
	case jobs.EffectCancel, jobs.EffectDelete: // they have an endpoint
	}
	return fmt.Errorf("this build does not know the effect %q", effect.Kind)
}

// remove forgets a job whose deletion was cut short.
func (w *Watchdog) remove(ctx context.Context, j jobs.Job) error {
	if !j.Deleting {
		return nil
	}
	_, err := w.store.Remove(ctx, j)
	return err
}

// nudge enqueues what a job is owed anew, under task ids that no orphan holds.
//
// The number is raised before the tasks are enqueued: a crash in between costs a
// number, and the job is found overdue again.
//
// Effects at an endpoint that no worker serves have one task each, which waits in
// its queue. More would only pile up there.
func (w *Watchdog) nudge(ctx context.Context, j jobs.Job) error {
	payable := j.Outbox
	if len(j.Outbox) > 0 && j.Nudge > 0 {
		var err error
		if payable, err = w.endpoints.payable(ctx, j.Outbox); err != nil {
			return err
		}
		if len(payable) == 0 && j.Admitted.IsZero() {
			return w.putBack(ctx, j, w.within(j, maxPatience))
		}
	}
	numbers, err := w.store.Settle(ctx, results.Settlement{Job: j, Due: w.within(j, j.Nudge+1), Nudge: true})
	if err != nil {
		return err
	}
	if numbers[0] < 0 {
		return nil // it has moved on
	}
	j.Nudge = numbers[0]
	if j.Deleting && j.Nudge == 1 {
		w.log.InfoContext(ctx, "deletion enqueued", slog.String("job_id", string(j.ID)))
	} else {
		w.metrics.nudges.WithLabelValues(string(j.State)).Inc()
		w.log.WarnContext(ctx, "overdue job enqueued anew", slog.String("job_id", string(j.ID)),
			slog.String("state", string(j.State)), slog.Int("nudge", j.Nudge))
	}
	if j.State == jobs.StateWaiting && !j.Admitted.IsZero() {
		err = w.queue.Submit(ctx, j.ID, j.Lane, j.NextAttempt(), j.Nudge)
	}
	if len(payable) > 0 {
		j.Outbox = payable
		err = errors.Join(err, w.queue.Effects(ctx, j))
	}
	return err
}

// within is when a job is seen to again that was nudged so often, unless it wants
// something else before.
func (w *Watchdog) within(j jobs.Job, nudges int) time.Time {
	due := w.store.Now().Add(w.config.Timing.Patience(nudges))
	if j.State.Terminal() {
		return due
	}
	for _, at := range []time.Time{j.Deadline, j.DecideAt} {
		if !at.IsZero() && at.Before(due) {
			due = at
		}
	}
	return due
}

// maxPatience stands for so many nudges that the watchdog waits as long as it
// ever does.
const maxPatience = 1000

// decide lets the policy of an uncertain job decide once the provider's word has
// not come in time.
func (w *Watchdog) decide(ctx context.Context, j jobs.Job) error {
	next, applied, err := w.step(ctx, j, jobs.WaitOver{
		Delay: jobs.RetryDelay(jobs.Failure{Class: jobs.ClassAmbiguous}, j.FailuresInRow(), rand.Float64()),
	})
	if applied {
		w.log.WarnContext(ctx, "nobody told what became of a create", slog.String("job_id", string(j.ID)),
			slog.Int("attempt", j.Current), slog.String("state", string(next.State)))
	}
	return err
}

// checkIntent finds out what has become of a POST that is on record: its worker
// lives and is at it, or is gone. One that lives is never taken for lost, however
// long it takes: the call itself has its timeout, and what comes of it may wait for
// Redis in that worker's hands.
func (w *Watchdog) checkIntent(ctx context.Context, j jobs.Job) error {
	a, _ := j.CurrentAttempt()
	alive, err := w.living(ctx, a.Started)
	if err != nil {
		return err
	}
	living := alive[a.Worker] || a.Worker == w.worker.ID || !w.pulse.steady()
	if a.Worker == w.worker.ID && w.config.Resume != nil {
		if living, err = w.config.Resume(ctx, j); err != nil {
			return err
		}
	}
	if living {
		return w.putBack(ctx, j, w.store.Now().Add(w.config.Timing.Check))
	}
	failure := jobs.Failure{Class: jobs.ClassAmbiguous}
	next, applied, err := w.step(ctx, j, jobs.WorkerLost{
		Attempt: a.Number, Worker: a.Worker,
		Delay: jobs.RetryDelay(failure, j.FailuresInRow(), rand.Float64()),
	})
	if applied {
		w.metrics.lost.Inc()
		w.log.WarnContext(ctx, "worker of an intent is gone", slog.String("job_id", string(j.ID)),
			slog.Int("attempt", a.Number), slog.String("worker", a.Worker), slog.String("state", string(next.State)))
	}
	return err
}

// Gone reports whether a worker certainly lives no more. While this one's own
// heartbeats are not steady it cannot tell, and nobody counts as gone.
func (w *Watchdog) Gone(ctx context.Context, worker string) (bool, error) {
	alive, err := w.living(ctx, w.store.Now().Add(-time.Second))
	if err != nil {
		return false, err
	}
	return !alive[worker] && worker != w.worker.ID && w.pulse.steady(), nil
}

// living returns the living workers, asked at most a second ago and not before
// the given time: an answer from before a worker came does not name it.
func (w *Watchdog) living(ctx context.Context, after time.Time) (map[string]bool, error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	if now := w.store.Now(); now.Sub(w.asked) > time.Second || !w.asked.After(after) {
		alive, err := w.store.Alive(ctx)
		if err != nil {
			return nil, err
		}
		w.asked, w.alive = now, alive
	}
	return w.alive, nil
}

// step advances a job, and reports whether it did; that another was faster is no
// error.
func (w *Watchdog) step(ctx context.Context, j jobs.Job, ev jobs.Event) (next jobs.Job, applied bool, err error) {
	next, err = w.store.Advance(ctx, j, ev)
	if errors.Is(err, jobs.ErrUnchanged) || errors.Is(err, results.ErrNotFound) {
		return next, false, nil
	}
	return next, err == nil, err
}

// later puts a job back whose debt could not be paid, for as long as one that was
// enqueued is waited for.
func (w *Watchdog) later(ctx context.Context, j jobs.Job) error {
	_, err := w.store.Settle(ctx, results.Settlement{Job: j, Due: w.within(j, j.Nudge+1), Nudge: true})
	return err
}

func (w *Watchdog) putBack(ctx context.Context, j jobs.Job, due time.Time) error {
	_, err := w.store.Settle(ctx, results.Settlement{Job: j, Due: due})
	return err
}
