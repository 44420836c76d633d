package poller

import (
	"context"
	"errors"
	"log/slog"
	"time"

	"github.com/longhaul-jobs/longhaul/jobs"
)

const (
	// Events are kept together, so many at most, or when so much time has passed.
	flushEvents = 64
	flushEvery  = 50 * time.Millisecond
	// mostPending is how many events wait at most for a Redis that is away. Then no
	// more are read; it is the provider that keeps them.
	mostPending = 256
	// callPatience bounds one call to Redis, and retryKeeping is the wait after one
	// that failed.
	callPatience = 5 * time.Second
	retryKeeping = time.Second
	// lastTries is how often it is tried to keep what is left when a stream ends.
	lastTries = 3
	// A stream that broke is opened again after firstReopen, and each time later.
	firstReopen = 100 * time.Millisecond
	lastReopen  = 5 * time.Second
	// streamable is how long OpenAI streams a response again; after that, a stream that
	// is open is all there will be.
	streamable = 5 * time.Minute
	// provenAfter is how long a response must have been followed before it is sure
	// that it crashes nobody.
	provenAfter = 30 * time.Second
)

// chase follows one response in a stream, or several after one another. It is for one
// goroutine.
type chase struct {
	*Following

	log      *slog.Logger
	job      jobs.Job
	attempt  jobs.Attempt
	began    time.Time
	now      func() time.Time // Redis'
	lease    time.Duration
	metrics  *metrics
	draining <-chan struct{}
	claim    Claim
	over     func(ctx context.Context) bool // looks whether the response has ended

	at      int64           // the number of the last event that was seen, -1 for none
	fresh   bool            // the last stream brought something
	pending []jobs.Progress // what is not kept yet
	kept    int64           // how many were
	failing bool            // Redis does not take them
}

// told is an event as it comes from a stream.
type told struct {
	progress     jobs.Progress
	shown, ended bool
	err          error
}

// finished is a stream that has ended.
type finished struct{ err error }

// run follows the response until a stream ends for good.
func (c *chase) run(ctx context.Context) streamEnd {
	if end := c.renew(ctx); end != "" {
		return end
	}
	bounded, cancel := context.WithTimeout(ctx, callPatience)
	defer cancel()
	last, err := c.Progress.LastProgress(bounded, c.job.ID)
	switch {
	case err != nil:
		c.log.WarnContext(ctx, "not known how far the progress of a job is kept", slog.Any("err", err))
		return streamBroken
	case last.Attempt > c.attempt.Number:
		return streamRefused // a later attempt has been told of, and places only grow
	case last.Attempt == c.attempt.Number:
		c.at = last.Sequence
	default:
		c.at = -1
	}
	for pause := firstReopen; ; pause = min(2*pause, lastReopen) {
		before := c.at
		end := c.stream(ctx)
		c.fresh = c.at > before
		c.metrics.streams.WithLabelValues(string(end)).Inc()
		if end != streamBroken || !c.fresh {
			return end
		}
		if end := c.wait(ctx, pause); end != "" {
			return end
		}
	}
}

// wait waits before a stream is opened again, unless the worker has something else to
// do.
func (c *chase) wait(ctx context.Context, d time.Duration) streamEnd {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-ctx.Done():
		return streamGivenUp
	case <-c.draining:
		return streamGivenUp
	case <-c.alone():
		return streamGivenUp
	case <-timer.C:
		return c.renew(ctx)
	}
}

func (c *chase) alone() <-chan struct{} {
	if c.Alone == nil {
		return nil
	}
	return c.Alone()
}

// stream opens one stream and keeps what it brings, until it ends.
func (c *chase) stream(ctx context.Context) (end streamEnd) {
	reading, stop := context.WithCancel(ctx)
	events, done := make(chan told), make(chan finished, 1)
	go func() { done <- finished{c.read(reading, events)} }()
	over := false
	defer func() {
		stop()
		if !over {
			<-done
		}
		c.flushAll(ctx)
	}()
	stall, flush := time.NewTimer(c.Stall), time.NewTimer(flushEvery)
	defer stall.Stop()
	defer flush.Stop()
	renew := time.NewTicker(c.lease / 3)
	defer renew.Stop()
	alone := c.alone()
	var looked chan bool // while a look is under way, beside the stream
	for {
		in := events
		if len(c.pending) >= mostPending {
			in = nil
		}
		select {
		case ev := <-in:
			stall.Reset(c.Stall)
			if c.take(ctx, ev) {
				return streamOver
			}
			if len(c.pending) == 1 || len(c.pending) == flushEvents {
				flush.Reset(c.flushAfter())
			}
		case <-flush.C:
			if !c.flush(ctx) {
				flush.Reset(retryKeeping)
			}
		case <-renew.C:
			if end := c.renew(ctx); end != "" {
				return end
			}
		case <-stall.C:
			if in == nil {
				return streamBroken // by Redis, which is away for too long
			}
			c.log.InfoContext(ctx, "stream stalled", slog.String("silent", c.Stall.String()), slog.Int64("sequence_number", c.at))
			if c.now().Sub(c.attempt.Answered) < streamable {
				return streamStalled
			}
			looked = make(chan bool, 1)
			go func() { looked <- c.over(reading) }()
		case over := <-looked:
			if over {
				return streamOver
			}
			looked = nil
			stall.Reset(c.Stall)
		case stream := <-done:
			over = true
			return c.ended(ctx, stream.err)
		case <-c.draining:
			return streamGivenUp
		case <-alone:
			return streamGivenUp
		}
	}
}

// read hands over the events of a stream, one at a time.
func (c *chase) read(ctx context.Context, events chan<- told) error {
	return c.Streams[c.attempt.Endpoint].Follow(ctx, c.attempt.ResponseID, c.at, func(data []byte) bool {
		var ev told
		ev.progress, ev.shown, ev.ended, ev.err = jobs.ReadProgress(c.attempt.Number, data)
		select {
		case events <- ev:
			return true
		case <-ctx.Done():
			return false
		}
	})
}

// take takes an event up, and reports whether it is the response's end.
func (c *chase) take(ctx context.Context, ev told) bool {
	switch number := ev.progress.Sequence; {
	case ev.err != nil:
		c.log.DebugContext(ctx, "event of a stream not read", slog.Any("err", ev.err))
		return false
	case number <= c.at: // it was asked for what comes after
		return ev.ended
	default:
		c.at = number
	}
	if ev.shown {
		c.pending = append(c.pending, ev.progress)
	}
	return ev.ended
}

// ended says what the end of a stream means.
func (c *chase) ended(ctx context.Context, err error) streamEnd {
	e, ok := errors.AsType[*jobs.Error](err)
	switch {
	case err == nil:
		c.log.DebugContext(ctx, "stream ended before the response", slog.Int64("sequence_number", c.at))
	case ok && e.Class == jobs.ClassInvalid:
		c.log.InfoContext(ctx, "response not streamed, or no longer; it is looked at", slog.Int("http_status", e.HTTPStatus),
			slog.String("message", e.Message))
		return streamRefused
	default:
		c.log.DebugContext(ctx, "stream broke", slog.Int64("sequence_number", c.at), slog.Any("err", err))
	}
	return streamBroken
}

// renew keeps the job in hand, and says why that is over. While Redis does not
// answer, nobody else can claim it either.
func (c *chase) renew(ctx context.Context) streamEnd {
	now := c.now()
	if c.job.Late(now) {
		return streamGivenUp // for who claims it next to end it
	}
	ctx, cancel := context.WithTimeout(ctx, callPatience)
	defer cancel()
	looks := c.job.Looks
	looks.Next = now.Add(c.lease)
	held, err := c.claim.Renew(ctx, c.job, looks, c.lease, time.Since(c.began) >= provenAfter)
	switch {
	case err != nil:
		c.log.DebugContext(ctx, "claim of a job that is followed not renewed", slog.Any("err", err))
	case !held:
		return streamTaken
	}
	return ""
}

// flushAfter is how long events may wait.
func (c *chase) flushAfter() time.Duration {
	switch {
	case c.failing:
		return retryKeeping
	case len(c.pending) >= flushEvents:
		return 0
	}
	return flushEvery
}

// flush keeps what is pending, and reports whether it could.
func (c *chase) flush(ctx context.Context) bool {
	if len(c.pending) == 0 {
		return true
	}
	ctx, cancel := context.WithTimeout(ctx, callPatience)
	defer cancel()
	if _, err := c.Progress.AddProgress(ctx, c.job.ID, c.pending); err != nil {
		if !c.failing {
			c.log.WarnContext(ctx, "progress not kept yet", slog.Int("events", len(c.pending)), slog.Any("err", err))
		}
		c.failing = true
		return false
	}
	c.metrics.events.Add(float64(len(c.pending)))
	c.kept += int64(len(c.pending))
	c.pending, c.failing = c.pending[:0], false
	return true
}

// flushAll keeps what is left when a stream ends. What cannot be kept is asked for
// again by who follows next.
func (c *chase) flushAll(ctx context.Context) {
	for try := range lastTries {
		if try > 0 {
			_ = sleep(ctx, retryKeeping/2)
		}
		if c.flush(ctx) {
			return
		}
	}
	c.pending = c.pending[:0]
	c.at = -1
}
