package webhooks

import (
	"context"
	"errors"
	"log/slog"
	"maps"
	"math/rand/v2"
	"slices"
	"sync"
	"time"

	"github.com/longhaul-jobs/longhaul/jobs"
	"github.com/longhaul-jobs/longhaul/results"
)

// Run works off hints until ctx is done, and returns when the looks in flight
// have finished. Hints that are left are another worker's when their lease has
// run out.
func (r *Receiver) Run(ctx context.Context) error {
	var busy sync.WaitGroup
	defer busy.Wait()
	taken := make(chan struct{}, r.config.Concurrency)
	names := slices.Sorted(maps.Keys(r.endpoints))
	for ctx.Err() == nil {
		for _, name := range names {
			free := cap(taken) - len(taken)
			if free == 0 {
				break
			}
			hints, err := r.records.ClaimHints(ctx, name, free, r.config.Lease)
			if err != nil && ctx.Err() == nil {
				r.log.WarnContext(ctx, "hints of webhooks not claimed", slog.Any("err", err))
			}
			for _, h := range hints {
				taken <- struct{}{}
				busy.Go(func() {
					defer r.poke()
					defer func() { <-taken }()
					// A look that has begun is finished: its answer may be a result.
					r.follow(context.WithoutCancel(ctx), h)
				})
			}
		}
		r.rest(ctx)
	}
	return nil
}

// rest waits for a webhook, a free place, or the next tick.
func (r *Receiver) rest(ctx context.Context) {
	timer := time.NewTimer(r.config.Tick)
	defer timer.Stop()
	select {
	case <-ctx.Done():
	case <-r.wake:
	case <-timer.C:
	}
}

// follow deals with one hint.
//
// A crash before the response's end is on record leaves the hint, leased; another
// worker looks again. A crash after it leaves the hint as well, and its look then
// brings nothing new.
func (r *Receiver) follow(ctx context.Context, h results.Hint) {
	log := r.log.With(slog.String("response_id", h.ResponseID), slog.String("endpoint", h.Endpoint))
	leave, err := r.enter(ctx, h)
	if err != nil {
		log.WarnContext(ctx, "look that a webhook asked for put off", slog.Any("err", err))
		r.settle(ctx, log, h, r.records.Now().Add(time.Second+rand.N(time.Second)))
		return
	}
	result, err := r.look(ctx, log, h)
	leave()
	r.metrics.looks.WithLabelValues(result).Inc()
	again := time.Time{}
	if wait, worth := patience(result, err, h.Tries); worth {
		again = r.records.Now().Add(wait + rand.N(wait/4+1))
	} else if result == lookFailed {
		r.metrics.given.Inc()
		log.ErrorContext(ctx, "response of a webhook could not be looked at", slog.Int("tries", h.Tries), slog.Any("err", err))
	}
	r.settle(ctx, log, h, again)
}

// lapsesBeforeAlone is after how many lapses in a row a hint is followed by a worker
// that does nothing else meanwhile. It may be a response that ends who reads it, and
// the only word of one that nobody knows otherwise: so it is given up only when that
// has not helped either.
const lapsesBeforeAlone = 2

// enter waits until a look may begin, alone if workers in a row died over it.
func (r *Receiver) enter(ctx context.Context, h results.Hint) (leave func(), err error) {
	if r.config.Enter == nil {
		return func() {}, nil
	}
	return r.config.Enter(ctx, h.Lapses >= lapsesBeforeAlone)
}

// settle drops a hint or, with a time, has it followed again then.
func (r *Receiver) settle(ctx context.Context, log *slog.Logger, h results.Hint, again time.Time) {
	if err := r.records.SettleHint(ctx, h, again); err != nil {
		// Its lease runs out, and it is looked at once more.
		log.WarnContext(ctx, "hint of a webhook not settled", slog.Any("err", err))
	}
}

// patience is how long to wait before looking again, and false when it is not
// worth while. A response that its webhook came too early for has its ordinary
// looks; one that is not known yet may be soon.
func patience(result string, err error, tries int) (time.Duration, bool) {
	const first, most = time.Second, 5 * time.Minute
	limit := 0
	switch {
	case result == lookEarly:
		limit = 4
	case result == lookFailed && jobs.ClassOf(err) == jobs.ClassLost:
		limit = 6
	case result == lookFailed && jobs.ClassOf(err) != jobs.ClassOversized:
		limit = 60 // some hours
	}
	if tries >= limit {
		return 0, false
	}
	return min(first<<min(tries-1, 10), most), true
}

// look looks at the response of a hint and tells its job.
func (r *Receiver) look(ctx context.Context, log *slog.Logger, h results.Hint) (result string, err error) {
	endpoint := r.endpoints[h.Endpoint]
	reply, err := endpoint.API.Look(ctx, h.ResponseID, nil)
	if err != nil {
		return lookFailed, err
	}
	id, number, ours := reply.Response.Origin()
	if !ours {
		return lookForeign, nil
	}
	j, err := r.records.Load(ctx, id)
	switch {
	case errors.Is(err, results.ErrNotFound):
		return lookForeign, nil // another installation's, or deleted
	case err != nil:
		return lookFailed, err
	}
	if reply.Response.Terminal() && len(j.Include) > 0 {
		// Without the list the provider leaves out what was asked for.
		if reply, err = endpoint.API.Look(ctx, h.ResponseID, j.Include); err != nil {
			return lookFailed, err
		}
	}
	ev, result := r.decide(j, number, reply, h.Endpoint)
	if ev == nil {
		return result, nil
	}
	next, err := r.records.Advance(ctx, j, ev)
	log = log.With(slog.String("job_id", string(id)), slog.Int("attempt", number))
	if refused, ok := errors.AsType[*jobs.RefusedError](err); ok {
		log.ErrorContext(ctx, "response of a webhook does not fit its job", slog.String("why", refused.Why))
		return lookForeign, nil
	}
	switch {
	case errors.Is(err, jobs.ErrUnchanged):
		return lookKnown, nil
	case errors.Is(err, results.ErrNotFound):
		return lookForeign, nil
	case err != nil:
		return lookFailed, err
	}
	r.ended(ctx, next, reply.Response)
	log.InfoContext(ctx, "webhook followed", slog.String("result", result), slog.String("state", string(next.State)))
	if len(next.Outbox) > 0 {
		if err := r.effects.Effects(ctx, next); err != nil {
			log.WarnContext(ctx, "effects not enqueued; the watchdog will", slog.Any("err", err))
		}
	}
	return result, nil
}

// ended passes on how a response has ended that is on record now.
func (r *Receiver) ended(ctx context.Context, j jobs.Job, response jobs.Response) {
	if r.config.Ended == nil || !response.Terminal() {
		return
	}
	if i := slices.IndexFunc(j.Attempts, func(a jobs.Attempt) bool { return a.ResponseID == response.ID }); i >= 0 {
		r.config.Ended(ctx, j, j.Attempts[i], response)
	}
}

// decide returns what a response means for its job, nil for nothing new.
func (r *Receiver) decide(j jobs.Job, number int, reply jobs.Reply, name string) (ev jobs.Event, result string) {
	delay := time.Duration(0)
	if f := reply.Response.Failure(); f != nil {
		delay = jobs.RetryDelay(*f, j.FailuresInRow(), rand.Float64())
	}
	known := slices.IndexFunc(j.Attempts, func(a jobs.Attempt) bool { return a.ResponseID == reply.Response.ID })
	switch {
	case known < 0:
		// Nobody has learnt its id: the answer to its create was lost, or is on its
		// way to a worker at this moment.
		return jobs.Created{
			Attempt: number, Reply: reply, Endpoint: name, FirstLook: r.records.Now().Add(r.endpoints[name].FirstLook()), Delay: delay,
		}, lookAdopted
	case !reply.Response.Terminal():
		return nil, lookEarly
	case j.State == jobs.StateRunning && j.Attempts[known].Number == j.Current:
		return jobs.Looked{Reply: reply, Delay: delay}, lookEnded
	}
	return nil, lookKnown
}
