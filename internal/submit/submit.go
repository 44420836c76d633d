// Package submit makes the create call of an attempt: the intent is on record
// before the POST leaves, and what came of it is recorded whatever happens in
// between. It does not decide about retries; that is the table in package jobs.
package submit

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"math/rand/v2"
	"sync"
	"time"

	"github.com/longhaul-jobs/longhaul/jobs"
	"github.com/longhaul-jobs/longhaul/results"
)

// Records is the part of the store that a submit needs; see [results.Store].
type Records interface {
	Load(ctx context.Context, id jobs.ID) (jobs.Job, error)
	LoadWithRequest(ctx context.Context, id jobs.ID) (jobs.Job, func(context.Context) (jobs.Request, error), error)
	Advance(ctx context.Context, j jobs.Job, ev jobs.Event) (jobs.Job, error)
	Now() time.Time
}

// API creates responses. Its errors are [*jobs.Error].
type API interface {
	Create(ctx context.Context, body json.RawMessage, clientRequestID string) (jobs.Reply, error)
}

// Effects enqueues the outbox of a job; when it cannot, the watchdog will.
type Effects interface {
	Effects(ctx context.Context, j jobs.Job) error
}

// Breaker pauses lanes whose account is at fault.
type Breaker interface {
	// Pass reports whether a job may be submitted: its lane is not paused, or it is
	// the one job that finds out whether that need be.
	Pass(ctx context.Context, lane string, t jobs.Try) bool
	// Created and Ended note what a create, and a response, came to; Unused that a
	// job that was let pass was not submitted. They never fail and never take long.
	Created(ctx context.Context, lane string, t jobs.Try, began time.Time, failure *jobs.Failure)
	Ended(ctx context.Context, lane string, t jobs.Try, began time.Time, r jobs.Response)
	Unused(ctx context.Context, lane string, t jobs.Try)
}

// Pacer gives each request of a lane its turn.
type Pacer interface {
	// Turn says when a request may be sent, and what was reserved for it.
	Turn(ctx context.Context, lane string, t jobs.Try, body json.RawMessage) (results.Turn, *jobs.Reserved, error)
	// Answered and Ended note what an answer tells of the limits, and what a response
	// used. They never fail and never take long.
	Answered(ctx context.Context, lane string, t jobs.Try, reply jobs.Reply, failure error)
	Ended(ctx context.Context, j jobs.Job, a jobs.Attempt, usage *jobs.Usage)
}

// Budgets keeps what is spent within its bounds.
type Budgets interface {
	// Hold keeps a part of each budget for an attempt until its end, and returns their
	// names; and how the job is to be put back if it has to wait for one of them.
	Hold(ctx context.Context, j jobs.Job, t jobs.Try, body json.RawMessage) (held []string, back *jobs.Postponed, err error)
	// Release gives back what is held for an attempt that is not made, once its record
	// says so.
	Release(ctx context.Context, t jobs.Try, budgets []string) error
}

// Config names who submits, and where to.
type Config struct {
	Worker   string
	Endpoint string
	// FirstLook is how long after a create of a job its response is first looked at,
	// given the provider's own wish, 0 if it has none.
	FirstLook func(j jobs.Job, wish time.Duration) time.Duration
	// UncertainWait is how long to wait for the provider's webhook when an answer
	// was lost, 0 if there are no webhooks.
	UncertainWait time.Duration
	// Enter lets a create in beside others, or alone; it blocks until then, or
	// gives up. Nil lets everybody in.
	Enter func(ctx context.Context, alone bool) (leave func(), err error)
	// Breaker pauses lanes; nil pauses none.
	Breaker Breaker
	// Pacer keeps lanes within their limits; nil limits none.
	Pacer Pacer
	// Budgets keeps what is spent within its bounds; nil bounds nothing.
	Budgets Budgets
}

// Submitter makes create calls. It is safe for concurrent use.
type Submitter struct {
	records Records
	api     API
	effects Effects
	config  Config
	log     *slog.Logger

	// busy holds the attempts that a call is at; the mutex makes sure that it is
	// one call. quiet is told when there is none.
	mu     sync.Mutex
	busy   map[jobs.Try]bool
	quiet  *sync.Cond
	memory memory

	aborting sync.Once // closes abort
	abort    chan struct{}
}

// New returns a submitter.
func New(records Records, api API, effects Effects, config Config, log *slog.Logger) *Submitter {
	s := &Submitter{records: records, api: api, effects: effects, config: config, log: log, busy: make(map[jobs.Try]bool), abort: make(chan struct{})}
	s.quiet = sync.NewCond(&s.mu)
	return s
}

// Submit makes the given attempt of a job, if that is what the job is waiting
// for; a task of an attempt that is over does nothing. A job whose lane is paused
// goes back to it. The error is Redis': no intent could be recorded, and nothing was
// sent. What is at fault with the request or the blob store is no error: the watchdog
// enqueues the job anew, with patience.
//
// A crash before the intent leaves an admitted job whose task comes back. A
// crash after it leaves a submitting record, which becomes uncertain when the
// watchdog finds this worker gone. From the POST on nothing is given up until
// its outcome is on record.
func (s *Submitter) Submit(ctx context.Context, id jobs.ID, attempt int) error {
	t := jobs.Try{Job: id, Attempt: attempt}
	if !s.begin(t) {
		return nil
	}
	defer s.end(t)
	return s.submit(ctx, t)
}

// Wait blocks until each create in flight has its outcome on record.
func (s *Submitter) Wait() {
	s.mu.Lock()
	defer s.mu.Unlock()
	for len(s.busy) > 0 {
		s.quiet.Wait()
	}
}

func (s *Submitter) begin(t jobs.Try) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.busy[t] {
		return false
	}
	s.busy[t] = true
	return true
}

func (s *Submitter) end(t jobs.Try) {
	s.mu.Lock()
	defer s.mu.Unlock()
	delete(s.busy, t)
	if len(s.busy) == 0 {
		s.quiet.Broadcast()
	}
}

func (s *Submitter) submit(ctx context.Context, t jobs.Try) error {
	id, attempt := t.Job, t.Attempt
	j, request, err := s.records.LoadWithRequest(ctx, id)
	switch {
	case errors.Is(err, results.ErrNotFound), errors.Is(err, jobs.ErrNewerSchema):
		return nil // deleted, or not ours to touch
	case err != nil:
		return err
	case j.State != jobs.StateWaiting || j.NextAttempt() != attempt:
		return nil
	}
	if made, err := s.recall(ctx, j, t); made || err != nil {
		return err
	}
	if j.Admitted.IsZero() {
		return nil // a task of an admission that was taken back
	}
	if !s.pass(ctx, j, t) {
		return s.postpone(ctx, j, jobs.Postponed{Attempt: attempt})
	}
	sent, err := s.send(ctx, j, attempt, request)
	if !sent && s.config.Breaker != nil {
		s.config.Breaker.Unused(ctx, j.Lane, t)
	}
	return err
}

// pass reports whether the lane of a job lets it go.
func (s *Submitter) pass(ctx context.Context, j jobs.Job, t jobs.Try) bool {
	return s.config.Breaker == nil || s.config.Breaker.Pass(ctx, j.Lane, t)
}

// postpone sends a job back to its lane before anything of the attempt is on record.
// A crash before it leaves an admitted job whose task comes back.
func (s *Submitter) postpone(ctx context.Context, j jobs.Job, ev jobs.Postponed) error {
	ev.Admitted = j.Admitted
	_, err := s.records.Advance(ctx, j, ev)
	if !known(err) {
		return err
	}
	s.log.DebugContext(ctx, "job goes back to its lane", slog.String("job_id", string(j.ID)), slog.String("lane", j.Lane),
		slog.String("waits", string(ev.Reason)))
	return nil
}

// send makes an attempt of a job that its lane has let go, of the request that load
// brings, and reports whether it was sent.
func (s *Submitter) send(ctx context.Context, j jobs.Job, attempt int, load func(context.Context) (jobs.Request, error)) (sent bool, err error) {
	if err := j.CheckEndpoint(s.config.Endpoint); err != nil {
		return false, s.unusable(ctx, j, attempt, "other_endpoint", err)
	}
	request, err := load(ctx)
	if err != nil {
		return false, s.withoutRequest(ctx, j, attempt, err)
	}
	body, err := body(request, j, attempt)
	if err != nil {
		return false, s.unusable(ctx, j, attempt, "request_invalid", err)
	}
	held, room, err := s.holdBudgets(ctx, j, attempt, body)
	defer func() {
		if !sent {
			s.releaseBudgets(ctx, j, attempt, held)
		}
	}()
	if err != nil || !room {
		return false, err
	}
	reserved, at, turn, err := s.takeTurn(ctx, j, attempt, body)
	if err != nil || !turn {
		return false, err
	}
	leave, err := s.enter(ctx, j)
	if err != nil {
		// Something else takes its time. The watchdog enqueues the job anew.
		s.log.WarnContext(ctx, "create put off", slog.String("job_id", string(j.ID)), slog.Bool("alone", j.Alone), slog.Any("err", err))
		return false, nil
	}
	defer leave()
	requestID := fmt.Sprintf("%s-%d", j.ID, attempt)
	j, intended, err := s.intend(ctx, j, jobs.SubmitStarted{
		Attempt: attempt, Worker: s.config.Worker, Endpoint: s.config.Endpoint, ClientRequestID: requestID,
		UncertainWait: s.config.UncertainWait, Reserved: reserved, Budgets: held,
	})
	if err != nil || !intended {
		return false, err
	}
	s.keepTurn(ctx, j, attempt, body, at)
	reply, err := s.create(ctx, body, requestID)
	if s.config.Pacer != nil && !jobs.Batched(body) {
		s.config.Pacer.Answered(ctx, j.Lane, jobs.Try{Job: j.ID, Attempt: attempt}, reply, err)
	}
	s.settle(ctx, j, attempt, reply, err)
	return true, nil
}

// settle takes up what came of the POST. That the account is at fault is told before
// the job is back in its lane, so that it does not go again at once; what was paid
// for is recorded before anything is told of it.
func (s *Submitter) settle(ctx context.Context, j jobs.Job, attempt int, reply jobs.Reply, failure error) {
	if failure != nil {
		s.tell(ctx, j, attempt, reply, failure)
		s.record(ctx, j, attempt, reply, failure)
		return
	}
	s.record(ctx, j, attempt, reply, nil)
	s.tell(ctx, j, attempt, reply, nil)
	if a, _ := j.CurrentAttempt(); s.config.Pacer != nil && reply.Response.Terminal() {
		s.config.Pacer.Ended(ctx, j, a, reply.Response.Usage())
	}
}

// tell has the breaker know what a create tells of the account.
func (s *Submitter) tell(ctx context.Context, j jobs.Job, attempt int, reply jobs.Reply, failure error) {
	a, _ := j.CurrentAttempt()
	t := jobs.Try{Job: j.ID, Attempt: attempt}
	switch breaker := s.config.Breaker; {
	case breaker == nil:
	case failure == nil && isLine(reply):
		breaker.Unused(ctx, j.Lane, t) // it waits for a batch, which tells nothing of the account yet
	case failure != nil:
		f := jobs.FailureOf(failure)
		breaker.Created(ctx, j.Lane, t, a.Started, &f)
	case reply.Response.Terminal():
		breaker.Ended(ctx, j.Lane, t, a.Started, reply.Response)
	default:
		breaker.Created(ctx, j.Lane, t, a.Started, nil)
	}
}

// isLine reports whether a request waits for a batch.
func isLine(reply jobs.Reply) bool {
	_, line := jobs.ParseLine(reply.Response.ID)
	return line
}

// enter waits until the job may go on: alone if it was present at repeated crashes.
func (s *Submitter) enter(ctx context.Context, j jobs.Job) (leave func(), err error) {
	if s.config.Enter == nil {
		return func() {}, nil
	}
	return s.config.Enter(ctx, j.Alone)
}

// create makes the call. Neither the end of its task nor a shutdown cuts it short:
// Asynq ends the context of a task whose lease it could not extend while Redis was
// away, and an answer that is cut off is paid for all the same. Only
// [Submitter.Abort] does.
func (s *Submitter) create(ctx context.Context, body json.RawMessage, requestID string) (jobs.Reply, error) {
	ctx, cancel := context.WithCancelCause(context.WithoutCancel(ctx))
	defer cancel(nil)
	done := make(chan struct{})
	defer close(done)
	select {
	case <-s.abort:
		cancel(errAborted) // before anything is sent, so that nothing is in doubt
	default:
		go func() {
			select {
			case <-s.abort:
				cancel(errAborted)
			case <-done:
			}
		}()
	}
	return s.api.Create(ctx, body, requestID)
}

// Abort cuts the creates in flight short, and those that come after or wait for their turn.
// What becomes of them goes on record: it is ambiguous unless nothing was sent.
func (s *Submitter) Abort() {
	s.aborting.Do(func() { close(s.abort) })
}

// errAborted is why a create was cut short.
var errAborted = errors.New("the grace of the shutdown is over")

// intend puts the intent on record and reports whether it is there. When Redis
// does not say, it may be there all the same; this worker lives, so nobody would
// take it for lost before long. Only this call can know that nothing was sent,
// so it finds out before it returns.
func (s *Submitter) intend(ctx context.Context, j jobs.Job, intent jobs.SubmitStarted) (jobs.Job, bool, error) {
	next, err := s.records.Advance(ctx, j, intent)
	if known(err) {
		return next, err == nil && next.State == jobs.StateSubmitting, nil
	}
	s.log.WarnContext(ctx, "intent to create may be on record or not", slog.String("job_id", string(j.ID)),
		slog.Int("attempt", intent.Attempt), slog.Any("err", err))
	next, failure := s.records.Load(context.WithoutCancel(ctx), j.ID)
	for pause := firstPause; !known(failure); pause = min(2*pause, maxPause) {
		time.Sleep(pause) //nolint:forbidigo // nothing may cut this wait short
		next, failure = s.records.Load(context.WithoutCancel(ctx), j.ID)
	}
	a, _ := next.CurrentAttempt()
	if failure == nil && next.State == jobs.StateSubmitting && a.Number == intent.Attempt && a.Worker == intent.Worker {
		return next, true, nil
	}
	return next, false, err
}

// known reports whether an answer of the store says how the job stands, or that
// it is none of ours.
func known(err error) bool {
	return err == nil || errors.Is(err, jobs.ErrUnchanged) || errors.Is(err, results.ErrNotFound) || errors.Is(err, jobs.ErrNewerSchema)
}

// The pauses between two tries to reach Redis.
const (
	firstPause = 100 * time.Millisecond
	maxPause   = 5 * time.Second
)

// record writes what came of the POST. Neither the task's end nor a shutdown
// stops it: it goes on until Redis has taken the outcome or the process is
// killed, and then the log line has the ids.
func (s *Submitter) record(ctx context.Context, j jobs.Job, attempt int, reply jobs.Reply, failure error) {
	ctx = context.WithoutCancel(ctx)
	log := s.log.With(slog.String("job_id", string(j.ID)), slog.Int("attempt", attempt))
	ev := s.event(j, attempt, reply, failure)
	s.mu.Lock()
	s.memory.noteLocked(jobs.Try{Job: j.ID, Attempt: attempt}, ev)
	s.mu.Unlock()
	if failure == nil {
		log = log.With(slog.String("response_id", reply.Response.ID))
	}
	for pause := firstPause; ; pause = min(2*pause, maxPause) {
		next, err := s.records.Advance(ctx, j, ev)
		if refused, ok := errors.AsType[*jobs.RefusedError](err); ok {
			log.ErrorContext(ctx, "outcome of create refused", slog.String("why", refused.Why))
			return
		}
		switch {
		case errors.Is(err, jobs.ErrUnchanged):
			return
		case errors.Is(err, results.ErrNotFound):
			log.ErrorContext(ctx, "job is gone while its create was in flight")
			return
		case errors.Is(err, jobs.ErrNewerSchema):
			log.ErrorContext(ctx, "a newer worker has rewritten the job while its create was in flight")
			return
		case err == nil:
			s.recorded(ctx, log, next, failure)
			return
		}
		log.ErrorContext(ctx, "outcome of create not yet recorded", slog.String("event", ev.Name()), slog.Any("err", err))
		time.Sleep(pause) //nolint:forbidigo // nothing may cut this wait short
	}
}

func (s *Submitter) event(j jobs.Job, attempt int, reply jobs.Reply, failure error) jobs.Event {
	delay := func(f jobs.Failure) time.Duration {
		return jobs.RetryDelay(f, j.FailuresInRow(), rand.Float64())
	}
	if failure != nil {
		f := jobs.FailureOf(failure)
		return jobs.CreateFailed{Attempt: attempt, Failure: f, Delay: delay(f)}
	}
	first := s.config.FirstLook(j, reply.PollAfter)
	ev := jobs.Created{Attempt: attempt, Reply: reply, Endpoint: s.config.Endpoint, FirstLook: s.records.Now().Add(first)}
	if f := reply.Response.Failure(); f != nil {
		ev.Delay = delay(*f)
	}
	return ev
}

func (s *Submitter) recorded(ctx context.Context, log *slog.Logger, j jobs.Job, failure error) {
	log = log.With(slog.String("state", string(j.State)))
	if failure == nil {
		log.InfoContext(ctx, "response created")
	} else {
		f := jobs.FailureOf(failure)
		level := slog.LevelWarn
		switch verdict := f.Class.Verdict(); {
		case verdict.Pause:
			level = slog.LevelInfo // the breaker has told of it, once for all jobs of the lane
		case verdict.Alert:
			level = slog.LevelError
		}
		log.LogAttrs(ctx, level, "create failed", slog.String("class", string(f.Class)),
			slog.Int("http_status", f.HTTPStatus), slog.String("message", f.Message), notBefore(j))
	}
	if len(j.Outbox) > 0 {
		if err := s.effects.Effects(ctx, j); err != nil {
			log.WarnContext(ctx, "effects not enqueued; the watchdog will", slog.Any("err", err))
		}
	}
}

// notBefore says when the next attempt is made, and nothing of a job that has
// none to come.
func notBefore(j jobs.Job) slog.Attr {
	if j.NotBefore.IsZero() {
		return slog.Attr{}
	}
	return slog.Time("not_before", j.NotBefore)
}
