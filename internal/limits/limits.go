// Package limits keeps a lane from sending what cannot be answered: faster than it may,
// or on an account that is at fault. The pacer gives each request its turn. When the
// account behind a lane is at fault (a bad key, an exhausted quota) the lane is paused for all
// workers, one job at a time finds out whether the account works again, and then the
// lane resumes by itself. How a lane stands is in Redis, in package results; here it
// is known without asking, so that a job whose lane goes on costs no call.
//
// It decides nothing about jobs: which failures pause a lane stands in the one table,
// [jobs.Class.Verdict].
package limits

import (
	"context"
	"log/slog"
	"sync"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/longhaul-jobs/longhaul/jobs"
	"github.com/longhaul-jobs/longhaul/results"
)

// Store keeps how lanes stand; see [results.Store].
type Store interface {
	TripLane(ctx context.Context, lane string, e results.Evidence, waits results.ProbeWaits) (results.LaneVerdict, results.Pause, error)
	ProbeLane(ctx context.Context, lane string, t jobs.Try, lease time.Duration) (results.LaneVerdict, results.Pause, error)
	MendLane(ctx context.Context, lane string, e results.Evidence, lease time.Duration) (results.LaneVerdict, results.Pause, error)
	Pauses(ctx context.Context, lanes ...string) ([]results.Pause, error)
	Now() time.Time
}

const (
	// refreshEvery is how old the view of a lane may be that another worker paused.
	refreshEvery = time.Second
	// The waits before probes.
	firstWait = 5 * time.Second
	mostWait  = time.Minute
	// How long a probe is waited for before the next may be sent: for the answer to
	// its create, and for the end of its response.
	createLease   = time.Minute
	responseLease = 2 * time.Minute
	// patience bounds a call that keeps the outcome of a create from the record.
	patience = 5 * time.Second
)

// Breaker pauses lanes and lets them resume. It is safe for concurrent use.
type Breaker struct {
	store   Store
	metrics *metrics
	log     *slog.Logger
	names   []string // of the lanes, in order

	// mu keeps what is known of a lane, and how often that was learnt, together.
	mu    sync.Mutex
	lanes map[string]*view
}

// view is what this worker knows of a lane.
type view struct {
	pause  results.Pause
	learnt int // an answer to what was asked before it was learnt is old
}

// NewBreaker returns the breaker of the named lanes.
func NewBreaker(store Store, lanes []string, reg prometheus.Registerer, log *slog.Logger) *Breaker {
	b := &Breaker{store: store, metrics: newMetrics(lanes, reg), log: log, names: lanes, lanes: make(map[string]*view, len(lanes))}
	for _, lane := range lanes {
		b.lanes[lane] = &view{}
	}
	return b
}

// Run keeps up with what other workers learn, until ctx is done.
func (b *Breaker) Run(ctx context.Context) error {
	ticker := time.NewTicker(refreshEvery)
	defer ticker.Stop()
	for away := false; ; {
		select {
		case <-ctx.Done():
			return nil
		case <-ticker.C:
		}
		err := b.Refresh(ctx)
		if err != nil && !away && ctx.Err() == nil {
			b.log.WarnContext(ctx, "lanes stay as they are: it is not known which are paused", slog.Any("err", err))
		}
		away = err != nil
	}
}

// Refresh reads how the lanes stand. With an error, what was known last holds.
func (b *Breaker) Refresh(ctx context.Context) error {
	b.mu.Lock()
	before := make([]int, len(b.names))
	for i, lane := range b.names {
		before[i] = b.lanes[lane].learnt
	}
	b.mu.Unlock()
	pauses, err := b.store.Pauses(ctx, b.names...)
	if err != nil {
		return err
	}
	b.mu.Lock()
	defer b.mu.Unlock()
	for i, lane := range b.names {
		if b.lanes[lane].learnt == before[i] {
			b.learnLocked(lane, pauses[i])
		}
	}
	return nil
}

func (b *Breaker) learn(lane string, p results.Pause) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.learnLocked(lane, p)
}

func (b *Breaker) learnLocked(lane string, p results.Pause) {
	v, configured := b.lanes[lane]
	if !configured {
		return // of a job that was accepted for a lane that is no more
	}
	v.pause = p
	v.learnt++
	b.metrics.show(lane, p.Class)
}

// known is how a lane stands, as far as this worker knows.
func (b *Breaker) known(lane string) results.Pause {
	b.mu.Lock()
	defer b.mu.Unlock()
	if v, configured := b.lanes[lane]; configured {
		return v.pause
	}
	return results.Pause{}
}
