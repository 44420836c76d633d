package queue

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"math/rand/v2"
	"runtime/debug"
	"time"

	"github.com/hibiken/asynq"
	"github.com/redis/go-redis/v9"

	"github.com/longhaul-jobs/longhaul/jobs"
)

// Submitter makes one create call of a job. An error means that nothing could
// be recorded, and the call is repeated later; what the provider answers is not
// an error.
type Submitter interface {
	Submit(ctx context.Context, job jobs.ID, attempt int) error
}

// Effector carries out what is in a job's outbox. It may be called twice for
// the same effect. An error means that some of it is still to be done; the
// watchdog, which finds the job overdue, has it tried again.
type Effector interface {
	Effect(ctx context.Context, job jobs.ID) error
}

// Config says how a server takes tasks from its queue.
type Config struct {
	// Concurrency is the number of jobs in work at once.
	Concurrency int
	// Grace is how long a shutdown waits for the tasks in work.
	Grace time.Duration
	// Idle is the pause after an empty look at the queue; default 50 ms.
	Idle time.Duration
}

// Server takes the tasks of one queue. Each queue has a server of its own, so
// that a slow or paused one delays no other.
type Server struct {
	server  *asynq.Server
	handler asynq.Handler
	queue   string
	closing chan struct{} // closed when nothing new is begun any more
}

// NewSubmitServer serves the submits of a lane.
func NewSubmitServer(rdb redis.UniversalClient, names Names, lane string, s Submitter, c Config, m *Metrics, log *slog.Logger) *Server {
	closing := make(chan struct{})
	seats := newSeats(c.Concurrency, closing)
	return newServer(rdb, names.Submit(lane), c, m, log, errPutBack, closing, func(ctx context.Context, p payload) error {
		return seats.each(ctx, append([]jobs.Try{p.Try}, p.More...), func(t jobs.Try) error {
			return guarded(ctx, log, t.Job, func() error { return s.Submit(ctx, t.Job, t.Attempt) })
		})
	})
}

// NewEffectsServer serves the effects at an endpoint. A task whose effects were not all done is
// not put back: it would go round beside the one that the watchdog enqueues,
// whose waits grow, and each nudge would add another.
func NewEffectsServer(rdb redis.UniversalClient, names Names, endpoint string, e Effector, c Config, m *Metrics, log *slog.Logger) *Server {
	return newServer(rdb, names.Effects(endpoint), c, m, log, nil, make(chan struct{}), func(ctx context.Context, p payload) error {
		return guarded(ctx, log, p.Job, func() error { return e.Effect(ctx, p.Job) })
	})
}

// newServer returns the server of a queue. What Asynq is told of a task that
// failed is onError: nil when somebody else repeats it.
func newServer(rdb redis.UniversalClient, queue string, c Config, m *Metrics, log *slog.Logger, onError error,
	closing chan struct{}, handle func(context.Context, payload) error,
) *Server {
	if c.Idle == 0 {
		c.Idle = 50 * time.Millisecond
	}
	log = log.With(slog.String("queue", queue))
	server := asynq.NewServerFromRedisClient(rdb, asynq.Config{
		Concurrency: c.Concurrency,
		Queues:      map[string]int{queue: 1},
		// Asynq's own defaults of 1 s and 5 s cost half a second at every hop.
		TaskCheckInterval:        c.Idle,
		DelayedTaskCheckInterval: time.Second,
		ShutdownTimeout:          c.Grace,
		RetryDelayFunc:           retryDelay,
		// Nothing that reaches Asynq as an error is the job's failure, so none
		// counts: neither a Redis that was away nor a worker that was killed.
		IsFailure: func(error) bool { return false },
		Logger:    asynqLogger{log},
		LogLevel:  asynq.WarnLevel,
	})
	handler := asynq.HandlerFunc(func(ctx context.Context, task *asynq.Task) error {
		p, ours := read(task)
		if !ours {
			log.ErrorContext(ctx, "task dropped: its payload is not ours", slog.String("type", task.Type()))
			m.done(task.Type(), outcomeDropped)
			return nil
		}
		if err := handle(ctx, p); err != nil {
			m.done(task.Type(), outcomeRetried)
			if onError != nil && errors.Is(err, errClosing) {
				return errClosing
			}
			log.WarnContext(ctx, "task failed and will be repeated", slog.String("job_id", string(p.Job)), slog.Any("err", err))
			return onError // the text of an error does not belong into Asynq's own records
		}
		m.done(task.Type(), outcomeDone)
		return nil
	})
	return &Server{server: server, handler: handler, queue: queue, closing: closing}
}

// read returns the payload of a task, and whether it is one of ours.
func read(task *asynq.Task) (payload, bool) {
	var p payload
	err := json.Unmarshal(task.Payload(), &p)
	return p, err == nil && p.Job != ""
}

// errPutBack is what Asynq stores of any error.
var errPutBack = errors.New("put back; see the worker's log")

// errPanic is what is told of a panic: its value may hold anything.
var errPanic = errors.New("the handler panicked")

// guarded runs the handler and makes an error of a panic. Asynq would do so
// too, and store the value of the panic.
func guarded(ctx context.Context, log *slog.Logger, job jobs.ID, handle func() error) (err error) {
	defer func() {
		if value := recover(); value != nil {
			log.ErrorContext(ctx, "handler panicked", slog.String("job_id", string(job)),
				slog.String("type", fmt.Sprintf("%T", value)), slog.String("stack", string(debug.Stack())))
			err = errPanic
		}
	}()
	return handle()
}

// Run takes tasks until ctx is done, then stops fetching, waits for the tasks
// in work up to the grace, and returns. A task still in work then goes back to
// its queue.
func (s *Server) Run(ctx context.Context) error {
	if err := s.server.Start(s.handler); err != nil {
		return fmt.Errorf("start server of queue %s: %w", s.queue, err)
	}
	<-ctx.Done()
	close(s.closing)
	s.server.Stop()
	s.server.Shutdown()
	return nil
}

// retryDelay spreads the repeats of a handler that could not do its work over
// one to five seconds. They do not grow: Asynq is told to count none. What was not
// begun is for another worker, at once.
func retryDelay(_ int, err error, _ *asynq.Task) time.Duration {
	if errors.Is(err, errClosing) {
		return 0
	}
	return time.Second + rand.N(4*time.Second)
}

// asynqLogger hands Asynq's own messages to slog.
type asynqLogger struct{ log *slog.Logger }

func (l asynqLogger) Debug(args ...any) { l.say(slog.LevelDebug, args) }
func (l asynqLogger) Info(args ...any)  { l.say(slog.LevelInfo, args) }
func (l asynqLogger) Warn(args ...any)  { l.say(slog.LevelWarn, args) }
func (l asynqLogger) Error(args ...any) { l.say(slog.LevelError, args) }
func (l asynqLogger) Fatal(args ...any) { l.say(slog.LevelError, args) }

func (l asynqLogger) say(level slog.Level, args []any) {
	l.log.LogAttrs(context.Background(), level, "asynq says", slog.String("text", fmt.Sprint(args...)))
}
