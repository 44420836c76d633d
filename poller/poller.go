// Package poller decides when to look at a response next, and looks, until the
// response has ended. It takes what is due from the store with a lease, so any
// number of workers share the looks and a killed one delays them by no more
// than its leases. A look that fails never fails a job.
package poller

import (
	"context"
	"errors"
	"log/slog"
	"math/rand/v2"
	"sync"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/longhaul-jobs/longhaul/jobs"
)

// Records is the part of the store that a poller needs.
type Records interface {
	// ClaimLooks leases running jobs whose look is due, of each endpoint up to its
	// limit in each shard. ClaimDue leases other jobs that are due, ClaimUnserved running ones
	// that have to end although no worker serves their endpoint. With an error they
	// return what they have leased all the same.
	ClaimLooks(ctx context.Context, limits map[string]int, lease time.Duration) ([]jobs.Job, error)
	ClaimDue(ctx context.Context, limit int, lease time.Duration) ([]jobs.Job, error)
	ClaimUnserved(ctx context.Context, lease time.Duration) ([]jobs.Job, error)
	// PutBack makes a claimed job due again; the looks replace its counters. A
	// job that has moved on is left alone.
	PutBack(ctx context.Context, back []PutBack) error
	// Advance writes what an event makes of a job. The error is
	// [jobs.ErrUnchanged] when it brings nothing new.
	Advance(ctx context.Context, j jobs.Job, ev jobs.Event) (jobs.Job, error)
	// LookAlone notes that the worker looks at a claimed job and at nothing else. It
	// reports whether the job is still as it was claimed.
	LookAlone(ctx context.Context, j jobs.Job, worker string) (bool, error)
	Now() time.Time
	Shards() int
}

// PutBack is a claimed job and when it is due next.
type PutBack struct {
	Job   jobs.Job
	Due   time.Time
	Looks jobs.Looks
}

// API looks at responses and cancels them. Its errors are [*jobs.Error]; class
// lost says that the provider does not know the response.
type API interface {
	Look(ctx context.Context, responseID string, include []string) (jobs.Reply, error)
	Cancel(ctx context.Context, responseID string) (jobs.Reply, error)
}

// Others deals with due jobs that are not running: overdue submits, intents of
// lost workers, effects.
type Others interface {
	Overdue(ctx context.Context, j jobs.Job) error
	// Gone reports whether a worker certainly lives no more.
	Gone(ctx context.Context, worker string) (bool, error)
}

// Effects enqueues the outbox of a job.
type Effects interface {
	Effects(ctx context.Context, j jobs.Job) error
}

// Config says how a poller works. All fields but the functions must be set.
type Config struct {
	Schedule Schedule
	// Announcements are those of the endpoints that tell the ends of their
	// responses, by name; the others are looked at more often.
	Announcements map[string]*Announcements
	// Lengths is what is known of how long responses take; nil if nothing ever is.
	Lengths *Lengths
	// Concurrency bounds the looks in flight at each endpoint.
	Concurrency int
	// Tick is the pause between two looks at the due sets when nothing was due.
	Tick time.Duration
	// Lease is how long a claimed job is left to its claimer.
	Lease time.Duration
	// Worker is this worker's name in the records.
	Worker string
	// Enter lets a look in beside others, or alone; it blocks until then, or gives
	// up. Nil lets everybody in.
	Enter func(ctx context.Context, alone bool) (leave func(), err error)
	// Ended is told how the response of an attempt has ended, which says whether the
	// account works; nil tells nobody.
	Ended func(ctx context.Context, j jobs.Job, a jobs.Attempt, r jobs.Response)
	// Following says how streamed responses are followed; nil if they are only looked
	// at.
	Following *Following
	// Sweep is the pause between two searches for what has to end at endpoints
	// that nobody serves.
	Sweep time.Duration
}

// Poller looks at running responses.
type Poller struct {
	records   Records
	endpoints map[string]API
	others    Others
	effects   Effects
	config    Config
	metrics   *metrics
	log       *slog.Logger

	back chan PutBack

	open      chan struct{} // a token for each stream that is open
	following sync.WaitGroup
	draining  chan struct{} // closed when no stream is to go on
}

// New returns a poller for the named endpoints.
func New(records Records, endpoints map[string]API, others Others, effects Effects, config Config,
	reg prometheus.Registerer, log *slog.Logger,
) *Poller {
	open := 0
	if config.Following != nil {
		open = config.Following.MaxOpen
	}
	return &Poller{
		open: make(chan struct{}, open), draining: make(chan struct{}),
		records: records, endpoints: endpoints, others: others, effects: effects, config: config,
		metrics: newMetrics(reg), log: log,
		back: make(chan PutBack, config.Concurrency),
	}
}

// debts is how many jobs that are due and not for a look, or not at an endpoint
// that is served here, are dealt with at once.
const debts = 16

// Run looks until ctx is done. Looks in flight are then let finish, streams are closed
// and the claimed jobs are put back; Run returns when that is done. Each endpoint has
// places of its own, and so has what else is due: looks that hang delay neither
// those at another endpoint nor anything else. It can be called once.
func (p *Poller) Run(ctx context.Context) error {
	var loops, writer sync.WaitGroup
	writer.Go(func() { p.putBack(context.WithoutCancel(ctx)) })
	loops.Go(func() { p.serveLooks(ctx) })
	loops.Go(func() { p.serveDebts(ctx) })
	loops.Go(func() { p.sweep(ctx) })
	defer context.AfterFunc(ctx, func() { close(p.draining) })()
	loops.Wait()
	p.following.Wait()
	close(p.back)
	writer.Wait()
	return nil
}

// handle deals with one claimed job.
func (p *Poller) handle(ctx context.Context, j jobs.Job) {
	if j.State != jobs.StateRunning {
		if err := p.others.Overdue(ctx, j); err != nil {
			p.log.WarnContext(ctx, "overdue job not moved on", slog.String("job_id", string(j.ID)),
				slog.String("state", string(j.State)), slog.Any("err", err))
		}
		return
	}
	a, _ := j.CurrentAttempt()
	log := p.log.With(slog.String("job_id", string(j.ID)), slog.String("response_id", a.ResponseID))
	if len(j.Outbox) > 0 {
		p.enqueueEffects(ctx, log, j)
	}
	if j.Stop == nil && j.Late(p.records.Now()) {
		next, err := p.records.Advance(ctx, j, jobs.StopRequested{Reason: jobs.StopDeadline})
		if err != nil && !errors.Is(err, jobs.ErrUnchanged) {
			log.WarnContext(ctx, "deadline not recorded", slog.Any("err", err))
			p.again(j, j.Looks) // which finds the deadline again
			return
		}
		if j = next; j.State != jobs.StateRunning {
			return
		}
		a, _ = j.CurrentAttempt()
		log = p.log.With(slog.String("job_id", string(j.ID)), slog.String("response_id", a.ResponseID))
	}
	api, served := p.endpoints[a.Endpoint]
	if !served {
		p.act(ctx, log, j, leave(p.records.Now(), j, p.config.Schedule))
		return
	}
	out, in := p.enter(ctx, log, j)
	if !in {
		return
	}
	if p.followed(j, a) {
		switch {
		case runsAlone(j):
			j.Looks.Unstreamed = true // it was there when workers crashed that followed it
		case p.follow(ctx, log, api, j, a, out):
			return
		}
	}
	defer out()
	p.decide(ctx, log, j, p.look(ctx, api, j, a.ResponseID), "")
}

// look asks for the response; one that is to stop is cancelled first. The last
// look after a cancel is what counts: completed wins over cancelled.
func (p *Poller) look(ctx context.Context, api API, j jobs.Job, responseID string) answer {
	var cancelled answer
	a, _ := j.CurrentAttempt()
	mayBeAnothers := !a.Adopted.IsZero() && j.Looks.Status == "" // a person said that it is the job's
	if j.Stop != nil && !mayBeAnothers {
		reply, err := api.Cancel(ctx, responseID)
		cancelled = newAnswer(reply, err)
	}
	started := time.Now()
	reply, err := api.Look(ctx, responseID, j.Include)
	got := newAnswer(reply, err)
	p.metrics.observe(got, time.Since(started))
	if got.failure != nil && cancelled.failure == nil && cancelled.reply.Response.Terminal() {
		return cancelled
	}
	return got
}

// decide lets next choose, and does it. The look comes after a stream that ended so,
// if there was one.
func (p *Poller) decide(ctx context.Context, log *slog.Logger, j jobs.Job, got answer, stream streamEnd) {
	a, _ := j.CurrentAttempt()
	announcements := p.config.Announcements[a.Endpoint]
	told := announcements.Expected()
	d := next(p.records.Now(), j, got, p.config.Schedule, p.config.Lengths.Plan(SortOf(j)), told, rand.Float64())
	if p.followed(j, a) && got.failure == nil {
		d = sooner(p.records.Now(), j, d, p.config.Schedule, stream, rand.Float64())
	}
	if _, ended := d.event.(jobs.Looked); ended && told && j.Stop == nil && stream != streamOver {
		announcements.miss()
		p.metrics.untold.Inc()
	}
	switch {
	case d.event != nil:
	case got.failure != nil:
		level := slog.LevelDebug
		if got.failure.Class.Verdict().Alert {
			level = slog.LevelWarn
		}
		log.LogAttrs(ctx, level, "look brought no status", slog.String("class", string(got.failure.Class)),
			slog.Int("http_status", got.failure.HTTPStatus), slog.String("message", got.failure.Message))
	default:
		log.DebugContext(ctx, "looked", slog.String("status", got.reply.Response.Status),
			slog.Int("looks", d.looks.Count), slog.Time("next", d.due))
	}
	p.act(ctx, log, j, d)
}

// act does what was decided: it puts the job back, or writes the event.
func (p *Poller) act(ctx context.Context, log *slog.Logger, j jobs.Job, d decision) {
	if d.event == nil {
		p.back <- PutBack{Job: j, Due: d.due, Looks: d.looks}
		return
	}
	after, err := p.records.Advance(ctx, j, d.event)
	if err != nil {
		if !errors.Is(err, jobs.ErrUnchanged) {
			// Nothing is lost: the response is looked at again.
			log.ErrorContext(ctx, "outcome of look not recorded", slog.String("event", d.event.Name()), slog.Any("err", err))
		}
		p.again(j, d.looks)
		return
	}
	if looked, ended := d.event.(jobs.Looked); ended && p.config.Ended != nil {
		a, _ := j.CurrentAttempt()
		p.config.Ended(ctx, j, a, looked.Reply.Response)
	}
	attrs := []slog.Attr{slog.String("state", string(after.State)), slog.Int("looks", j.Looks.Count+1)}
	if after.State.Terminal() {
		attrs = append(attrs, slog.String("elapsed", after.Ended.Sub(after.Created).Round(time.Millisecond).String()))
	}
	if after.Failure != nil {
		attrs = append(attrs, slog.String("class", string(after.Failure.Class)), slog.String("code", after.Failure.Code))
	}
	log.LogAttrs(ctx, slog.LevelInfo, "response ended", attrs...)
	if len(after.Outbox) > 0 {
		p.enqueueEffects(ctx, log, after)
	}
}

// again puts a job back whose step was not recorded: only what a worker has taken
// along when it died may be left to its lease, for that is how it is known. A job
// that has moved on meanwhile stays as it is.
func (p *Poller) again(j jobs.Job, looks jobs.Looks) {
	d := unrecorded(p.records.Now(), j, looks, p.config.Schedule, rand.Float64())
	p.back <- PutBack{Job: j, Due: d.due, Looks: d.looks}
}

func (p *Poller) enqueueEffects(ctx context.Context, log *slog.Logger, j jobs.Job) {
	if err := p.effects.Effects(ctx, j); err != nil {
		log.WarnContext(ctx, "effects not enqueued; the watchdog will", slog.Any("err", err))
	}
}

// putBack collects the jobs whose looks brought no end and writes them in
// batches: as many as are there, at most 512.
func (p *Poller) putBack(ctx context.Context) {
	for first := range p.back {
		batch := []PutBack{first}
		for more := true; more && len(batch) < 512; {
			select {
			case b, open := <-p.back:
				if more = open; open {
					batch = append(batch, b)
				}
			default:
				more = false
			}
		}
		if err := p.records.PutBack(ctx, batch); err != nil {
			// Their leases run out and they are claimed again.
			p.log.WarnContext(ctx, "looks not put back", slog.Int("jobs", len(batch)), slog.Any("err", err))
			p.metrics.claimErrors.Inc()
		}
	}
}

// sleep waits, or returns the cause of ctx's end.
func sleep(ctx context.Context, d time.Duration) error {
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-ctx.Done():
		return context.Cause(ctx)
	case <-t.C:
		return nil
	}
}
