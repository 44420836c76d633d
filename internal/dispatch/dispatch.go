// Package dispatch admits jobs: it takes a bounded number of those whose time
// has come from each lane and puts them into the lane's queue. A job that waits
// is in the store and nowhere else, so that a long backlog costs nothing and
// can be counted and reordered.
package dispatch

import (
	"context"
	"fmt"
	"log/slog"
	"slices"
	"sync"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/longhaul-jobs/longhaul/jobs"
	"github.com/longhaul-jobs/longhaul/results"
)

// Store admits jobs; see [results.Store].
type Store interface {
	Admit(ctx context.Context, lane string, window int) ([]results.Admission, error)
	AdmitOne(ctx context.Context, lane string) ([]results.Admission, error)
	AdmitFew(ctx context.Context, lane string, most int) (admitted []results.Admission, more bool, err error)
}

// Queue takes admitted jobs.
type Queue interface {
	SubmitTogether(ctx context.Context, lane string, tries []jobs.Try) error
}

// Lane is what the dispatcher needs to know of a lane.
type Lane struct {
	Name string
	// Window is how many of its jobs may be admitted at once.
	Window int
	// Paused reports whether the lane is paused, and if so, whether one of its jobs
	// is to find out whether it need be. Nil is never paused.
	Paused func() (paused, due bool)
	// Room is how many of its jobs may be on their way to the provider by what limits
	// it, -1 for any number. Nil is any number.
	Room func(ctx context.Context) int
}

func (l Lane) room(ctx context.Context) int {
	if l.Room == nil {
		return -1
	}
	return l.Room(ctx)
}

func (l Lane) paused() (paused, due bool) {
	if l.Paused == nil {
		return false, false
	}
	return l.Paused()
}

// probePause is how long a lane that is paused is left alone after one of its jobs
// was admitted: by then it is known whether that, or another worker's, is the probe.
const probePause = time.Second

// limitedPause is how long a lane is left alone that was asked for as many jobs as its
// limits let it send: time makes new room.
const limitedPause = 250 * time.Millisecond

// few is up to how many jobs a lane is asked for one by one, since an equal part for
// each shard would be less than one.
const few = 64

// Dispatcher admits the jobs of some lanes.
type Dispatcher struct {
	store    Store
	queue    Queue
	lanes    []Lane
	tick     time.Duration
	admitted *prometheus.CounterVec
	log      *slog.Logger
}

// New returns a dispatcher that looks at its lanes every tick.
func New(store Store, queue Queue, lanes []Lane, tick time.Duration, reg prometheus.Registerer, log *slog.Logger) *Dispatcher {
	d := &Dispatcher{
		store: store, queue: queue, lanes: lanes, tick: tick, log: log,
		admitted: prometheus.NewCounterVec(prometheus.CounterOpts{
			Namespace: "longhaul", Subsystem: "dispatch", Name: "admitted_total",
			Help: "Jobs taken from their lane into its queue, by lane.",
		}, []string{"lane"}),
	}
	for _, lane := range lanes {
		d.admitted.WithLabelValues(lane.Name)
	}
	reg.MustRegister(d.admitted)
	return d
}

// Run admits until ctx is done. Each lane has a goroutine of its own, so that
// none waits for another.
func (d *Dispatcher) Run(ctx context.Context) error {
	var all sync.WaitGroup
	for _, lane := range d.lanes {
		all.Go(func() { d.runLane(ctx, lane) })
	}
	all.Wait()
	return nil
}

// runLane asks often while jobs come and the less often the longer none do, up
// to the tick. It is in no hurry: those that it takes out together share calls and
// tasks, and who waits for minutes does not notice.
func (d *Dispatcher) runLane(ctx context.Context, lane Lane) {
	log := d.log.With(slog.String("lane", lane.Name))
	pause := d.tick
	for ctx.Err() == nil {
		// A pass that has begun is finished: a job that was admitted and not put
		// into the queue would wait for the watchdog.
		paused, due := lane.paused()
		var n int
		var limited bool
		var err error
		if !paused || due {
			n, limited, err = d.admit(context.WithoutCancel(ctx), lane, paused)
		}
		switch {
		case err != nil:
			// What was admitted and not enqueued is overdue soon, and nudged.
			log.WarnContext(ctx, "jobs not admitted", slog.Any("err", err))
			pause = time.Second
		case paused && n > 0:
			pause = probePause
		case paused:
			pause = d.tick
		case limited:
			pause = limitedPause
		case n > 0:
			pause = d.tick * 2 / 5
		default:
			pause = min(2*pause, d.tick)
		}
		timer := time.NewTimer(pause)
		select {
		case <-ctx.Done():
		case <-timer.C:
		}
		timer.Stop()
	}
}

// The admitted jobs are enqueued by a few side by side, each with some of them as
// one task: a task costs Redis and the worker as much as a step of a job does. With
// few jobs there are as many tasks, for as many workers.
const (
	enqueuers    = 8
	mostTogether = 8
	leastTasks   = 4
)

// together is how many of n admitted jobs go into one task.
func together(n int) int { return min(max(1, n/leastTasks), mostTogether) }

// admit takes jobs out of a lane and enqueues them: as many as its window and its
// limits allow, or one, if the lane is paused. It reports whether its limits kept it
// from taking more.
func (d *Dispatcher) admit(ctx context.Context, lane Lane, paused bool) (n int, limited bool, err error) {
	var admissions []results.Admission
	switch room := lane.room(ctx); {
	case room == 0:
		return 0, true, nil
	case paused:
		admissions, err = d.store.AdmitOne(ctx, lane.Name)
	case room > 0 && min(room, lane.Window) <= few:
		admissions, limited, err = d.store.AdmitFew(ctx, lane.Name, min(room, lane.Window))
	case room > 0:
		admissions, err = d.store.Admit(ctx, lane.Name, min(room, lane.Window))
		limited = len(admissions) > 0
	default:
		admissions, err = d.store.Admit(ctx, lane.Name, lane.Window)
	}
	if len(admissions) == 0 {
		return 0, limited, err
	}
	d.enqueue(ctx, lane.Name, admissions, &err)
	return len(admissions), limited, err
}

// enqueue puts admitted jobs into their lane's queue, and keeps what goes wrong beside
// what went wrong before.
func (d *Dispatcher) enqueue(ctx context.Context, lane string, admissions []results.Admission, err *error) {
	d.admitted.WithLabelValues(lane).Add(float64(len(admissions)))
	tasks := make(chan []jobs.Try, len(admissions))
	for some := range slices.Chunk(admissions, together(len(admissions))) {
		tries := make([]jobs.Try, len(some))
		for i, a := range some {
			tries[i] = jobs.Try(a)
		}
		tasks <- tries
	}
	close(tasks)
	var failed error
	var mu sync.Mutex
	var all sync.WaitGroup
	for range min(enqueuers, len(tasks)) {
		all.Go(func() {
			for tries := range tasks {
				if err := d.queue.SubmitTogether(ctx, lane, tries); err != nil {
					mu.Lock()
					failed = fmt.Errorf("enqueue admitted job %s: %w", tries[0].Job, err)
					mu.Unlock()
				}
			}
		})
	}
	all.Wait()
	if *err == nil {
		*err = failed
	}
}
