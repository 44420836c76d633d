package watchdog

import (
	"context"
	"log/slog"
	"sync"
	"time"
)

// expireBatch bounds how many jobs of a shard one pass forgets.
const expireBatch = 500

// Run says that the worker lives, audits, watches the endpoints, expires and keeps
// the clock until ctx is done. It says first that the worker lives, then calls ready. The worker is
// not taken leave of: [Watchdog.Leave] does that when nothing is in flight any
// more, and until then living must be kept saying so.
func (w *Watchdog) Run(ctx context.Context, ready func()) error {
	w.beat(ctx)
	ready()
	var all sync.WaitGroup
	all.Go(func() { every(ctx, w.config.Heartbeat, w.beat) })
	all.Go(func() { every(ctx, min(w.config.Heartbeat, time.Second), w.takeOver) })
	all.Go(func() { every(ctx, w.config.Audit, w.audit) })
	all.Go(func() { every(ctx, w.config.Audit, w.watchEndpoints) })
	all.Go(func() { every(ctx, 10*time.Second, w.expire) })
	all.Go(func() { every(ctx, 10*time.Second, w.sweep) })
	all.Go(func() { every(ctx, time.Minute, w.strays) })
	all.Go(func() { every(ctx, 30*time.Second, w.clock) })
	all.Wait()
	return nil
}

// Leave says that this worker is going and that nothing of it is in flight, so
// that nobody waits for its silence.
func (w *Watchdog) Leave(ctx context.Context) error {
	return w.store.Leave(ctx, w.worker.ID)
}

func (w *Watchdog) beat(ctx context.Context) {
	err := w.store.Beat(ctx, w.worker, w.config.DeadAfter)
	if err == nil {
		w.pulse.beat()
	} else if ctx.Err() == nil {
		w.log.WarnContext(ctx, "heartbeat not written", slog.Any("err", err))
	}
}

// takeOver makes due what silent workers had in hand, unless the words of all
// workers may have run out while Redis was away.
func (w *Watchdog) takeOver(ctx context.Context) {
	if !w.pulse.steady() {
		return
	}
	taken, err := w.store.TakeOver(ctx, w.config.Lease)
	if err != nil && ctx.Err() == nil {
		w.log.WarnContext(ctx, "silent workers not taken over", slog.Any("err", err))
	}
	for _, id := range taken {
		w.log.WarnContext(ctx, "worker is silent; taking over what it had in hand", slog.String("worker", id))
	}
}

func (w *Watchdog) audit(ctx context.Context) {
	repaired, err := w.store.Audit(ctx)
	if err != nil && ctx.Err() == nil {
		w.log.WarnContext(ctx, "audit not finished", slog.Any("err", err))
	}
	if repaired > 0 {
		w.metrics.repaired.Add(float64(repaired))
		w.log.ErrorContext(ctx, "entries were missing and were put back: something else writes to our keys",
			slog.Int("entries", repaired))
	}
}

// watchEndpoints looks for endpoints without a worker, unless the words of all
// workers may have run out while Redis was away.
func (w *Watchdog) watchEndpoints(ctx context.Context) {
	if w.pulse.steady() {
		w.endpoints.watch(ctx)
	}
}

func (w *Watchdog) expire(ctx context.Context) {
	n, err := w.store.Expire(ctx, expireBatch)
	if err != nil && ctx.Err() == nil {
		w.log.WarnContext(ctx, "ended jobs not expired", slog.Any("err", err))
	}
	if n > 0 {
		w.metrics.expired.Add(float64(n))
		w.log.InfoContext(ctx, "ended jobs forgotten", slog.Int("jobs", n))
	}
}

// sweep deletes the blobs of jobs that are gone.
func (w *Watchdog) sweep(ctx context.Context) {
	n, err := w.store.SweepBlobs(ctx, expireBatch)
	if err != nil && ctx.Err() == nil {
		w.log.WarnContext(ctx, "blobs of forgotten jobs not deleted yet", slog.Any("err", err))
	}
	w.metrics.swept.Add(float64(n))
}

// strays deletes blobs that belong to no job.
func (w *Watchdog) strays(ctx context.Context) {
	n, err := w.store.SweepStrays(ctx)
	if err != nil && ctx.Err() == nil {
		w.log.WarnContext(ctx, "search for stray blobs not finished", slog.Any("err", err))
	}
	w.metrics.strays.Add(float64(n))
}

func (w *Watchdog) clock(ctx context.Context) {
	if err := w.store.SyncClock(ctx); err != nil && ctx.Err() == nil {
		w.log.WarnContext(ctx, "clock not compared with redis", slog.Any("err", err))
	}
}

// every calls f at each interval until ctx is done.
func every(ctx context.Context, interval time.Duration, f func(context.Context)) {
	ticker := time.NewTicker(interval)
	defer ticker.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-ticker.C:
			f(ctx)
		}
	}
}
