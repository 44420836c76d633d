package poller

import (
	"context"
	"log/slog"
	"time"

	"github.com/longhaul-jobs/longhaul/jobs"
)

// Following says how streamed responses are followed, so that their progress can be
// seen while they run. That is all a stream is for: what becomes of a job is decided
// by looks.
type Following struct {
	// Streams are the endpoints, by name.
	Streams  map[string]Streamer
	Progress Progress
	// MaxOpen bounds the streams that are open at once; what finds no place is looked
	// at, and tries again then.
	MaxOpen int
	// Stall is for how long a stream may bring nothing.
	Stall time.Duration
	// Alone returns a channel that is closed when a job wants the worker for itself;
	// nil if none ever does.
	Alone func() <-chan struct{}
}

// Streamer streams responses.
type Streamer interface {
	// Follow hands the events behind the one with the number after to visit, or all
	// of them if that is negative, until the stream ends, visit returns false, or ctx
	// is done. No error says nothing about the response. The error is a
	// [*jobs.Error], of class invalid if this response is not streamed.
	Follow(ctx context.Context, responseID string, after int64, visit func(data []byte) bool) error
}

// Progress keeps what streams bring.
type Progress interface {
	// LastProgress returns the place of the last event that is kept of a job, zero if
	// none is.
	LastProgress(ctx context.Context, id jobs.ID) (jobs.Place, error)
	// AddProgress keeps events. Those that are not behind the last one are there
	// already.
	AddProgress(ctx context.Context, id jobs.ID, events []jobs.Progress) (jobs.Place, error)
	// TakeClaim takes over the claim of a job.
	TakeClaim() Claim
}

// Claim is the claim of a job whose response is followed.
type Claim interface {
	// Renew renews the claim, and reports whether the job still is the holder's.
	// Proven says that it is known by now that the job crashes nobody.
	Renew(ctx context.Context, j jobs.Job, looks jobs.Looks, lease time.Duration, proven bool) (bool, error)
}

// streamEnd is why a stream is no longer followed.
type streamEnd string

const (
	streamOver     streamEnd = "terminal"   // the response has ended
	streamBroken   streamEnd = "broken"     // it ended, and the response has not
	streamStalled  streamEnd = "stalled"    // it brought nothing for too long
	streamRefused  streamEnd = "refused"    // the response is not streamed, or no longer
	streamTaken    streamEnd = "taken"      // the job has moved on, or another worker has it
	streamGivenUp  streamEnd = "given_back" // the worker has something else to do
	streamNotBegun streamEnd = "full"       // too many are open
)

func streamEnds() []streamEnd {
	return []streamEnd{streamOver, streamBroken, streamStalled, streamRefused, streamTaken, streamGivenUp, streamNotBegun}
}

// holdFor is for how long a job that is followed is left to its worker, which renews
// that three times as often: for so long nobody follows it when the worker was killed.
const holdFor = 15 * time.Second

// followed reports whether the response of a claimed job is to be followed.
func (p *Poller) followed(j jobs.Job, a jobs.Attempt) bool {
	f := p.config.Following
	if f == nil || !j.Followed() || f.Streams[a.Endpoint] == nil {
		return false
	}
	if _, line := jobs.ParseLine(a.ResponseID); line {
		return false // a batch is not streamed
	}
	return a.Adopted.IsZero() || j.Looks.Status != "" // a look finds out first whether it is the job's
}

// follow has the response of a claimed job followed, if there is a place for that. It
// returns at once. Leave is called when it is over.
func (p *Poller) follow(ctx context.Context, log *slog.Logger, api API, j jobs.Job, a jobs.Attempt, leave func()) bool {
	select {
	case p.open <- struct{}{}:
	default:
		p.metrics.streams.WithLabelValues(string(streamNotBegun)).Inc()
		return false
	}
	p.following.Go(func() {
		defer leave()
		defer func() { <-p.open }()
		p.metrics.open.Inc()
		defer p.metrics.open.Dec()
		c := &chase{
			Following: p.config.Following, log: log, job: j, attempt: a, began: time.Now(), now: p.records.Now,
			lease: min(holdFor, p.config.Lease), metrics: p.metrics, draining: p.draining, claim: p.config.Following.Progress.TakeClaim(),
			over: func(ctx context.Context) bool {
				got := p.look(ctx, api, j, a.ResponseID)
				return got.failure == nil && got.reply.Response.Terminal()
			},
		}
		p.followedUp(ctx, log, api, c, c.run(ctx))
	})
	return true
}

// followedUp does what follows from the end of a stream: looks, mostly, for only a
// look says what has become of a response.
func (p *Poller) followedUp(ctx context.Context, log *slog.Logger, api API, c *chase, end streamEnd) {
	j := c.job
	log.DebugContext(ctx, "response followed", slog.String("end", string(end)), slog.Int64("events", c.kept),
		slog.String("elapsed", time.Since(c.began).Round(time.Millisecond).String()))
	switch end {
	case streamTaken:
		return
	case streamGivenUp:
		j.Looks.Next = p.records.Now()
		p.back <- PutBack{Job: j, Due: j.Looks.Next, Looks: j.Looks}
		return
	case streamRefused:
		j.Looks.Unstreamed = true
	case streamBroken, streamStalled:
		if j.Looks.Dry++; c.fresh {
			j.Looks.Dry = 0
		}
	case streamOver, streamNotBegun:
	}
	p.decide(ctx, log, j, p.look(ctx, api, j, c.attempt.ResponseID), end)
}

// sooner has a look at a response that is to be followed not wait for as long as other
// looks: it is also the next chance to follow it. After a stream that brought nothing
// the wait grows, and so it does with the age of a response that found no place. It is
// pure, like [next].
func sooner(now time.Time, j jobs.Job, d decision, s Schedule, end streamEnd, random float64) decision {
	if d.event != nil {
		return d
	}
	a, _ := j.CurrentAttempt()
	age, failures := max(now.Sub(a.Answered), 0), 0
	if end != "" && end != streamNotBegun {
		age, failures = 0, d.looks.Dry
	}
	if due := now.Add(s.afterFailure(age, failures, random)); due.Before(d.due) {
		d.due, d.looks.Next = due, due
	}
	return d
}
