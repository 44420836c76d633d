// Package webhooks takes the provider's word that a response has ended. A webhook
// is trusted for nothing but a reason to look: it is verified, kept as a hint,
// answered, and then the response is looked at. The job is found by the metadata
// that its create gave the response, so that a response whose id nobody learnt is
// adopted by the job that paid for it.
//
// It does not know HTTP, signatures or Redis, and decides nothing about jobs.
package webhooks

import (
	"context"
	"encoding/json"
	"log/slog"
	"net/http"
	"strings"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/longhaul-jobs/longhaul/jobs"
	"github.com/longhaul-jobs/longhaul/results"
)

// Verifier knows the provider's webhooks from forged ones. Its errors are
// [*jobs.Error]: unauthorized for one that is not the provider's, invalid for one
// that makes no sense.
type Verifier interface {
	Verify(header http.Header, body []byte, now time.Time) (jobs.Notice, error)
}

// Records is the part of the store that is needed; see [results.Store].
type Records interface {
	Hint(ctx context.Context, webhookID, endpoint, responseID string) (fresh bool, err error)
	ClaimHints(ctx context.Context, endpoint string, limit int, lease time.Duration) ([]results.Hint, error)
	SettleHint(ctx context.Context, h results.Hint, again time.Time) error
	Load(ctx context.Context, id jobs.ID) (jobs.Job, error)
	Advance(ctx context.Context, j jobs.Job, ev jobs.Event) (jobs.Job, error)
	Now() time.Time
}

// API looks at responses. Its errors are [*jobs.Error].
type API interface {
	Look(ctx context.Context, responseID string, include []string) (jobs.Reply, error)
}

// Effects enqueues the outbox of a job; when it cannot, the watchdog will.
type Effects interface {
	Effects(ctx context.Context, j jobs.Job) error
}

// Endpoint is one whose webhooks are taken.
type Endpoint struct {
	API API
	// Heard is called for each webhook of the endpoint that is the provider's.
	Heard func()
	// FirstLook is how long after the adoption of a running response it is looked
	// at.
	FirstLook func() time.Duration
}

// Config says how hints are worked off. All fields but Enter and Ended must be set.
type Config struct {
	// Concurrency bounds the looks in flight.
	Concurrency int
	// Tick is how often hints are asked for that another worker has taken and not
	// dealt with. Those that this one takes are dealt with at once.
	Tick time.Duration
	// Lease is how long a claimed hint is left to its claimer.
	Lease time.Duration
	// Enter lets a look in beside others, or alone; it blocks until then, or gives
	// up. Nil lets everybody in.
	Enter func(ctx context.Context, alone bool) (leave func(), err error)
	// Ended is told how the response of an attempt has ended, which says whether the
	// account works; nil tells nobody.
	Ended func(ctx context.Context, j jobs.Job, a jobs.Attempt, r jobs.Response)
}

// Receiver takes webhooks and looks at what they tell of. It is safe for
// concurrent use.
type Receiver struct {
	verifier  Verifier
	records   Records
	endpoints map[string]Endpoint
	effects   Effects
	config    Config
	metrics   *metrics
	log       *slog.Logger

	// wake has a token when there may be hints, or a free place for one.
	wake chan struct{}
}

// New returns a receiver for the endpoints, by name.
func New(verifier Verifier, records Records, endpoints map[string]Endpoint, effects Effects, config Config,
	reg prometheus.Registerer, log *slog.Logger,
) *Receiver {
	return &Receiver{
		verifier: verifier, records: records, endpoints: endpoints, effects: effects, config: config,
		metrics: newMetrics(reg), log: log, wake: make(chan struct{}, 1),
	}
}

// Receive verifies a webhook and keeps its hint. Without an error it can be
// answered as received: what it told of will be looked at. An error of class
// unauthorized or invalid is the sender's; any other means that it could not be
// kept and should be sent again.
func (r *Receiver) Receive(ctx context.Context, header http.Header, body json.RawMessage) error {
	notice, err := r.verifier.Verify(header, body, r.records.Now())
	if err != nil {
		r.metrics.received.WithLabelValues(outcomeForged).Inc()
		r.log.WarnContext(ctx, "webhook refused", slog.String("why", jobs.FailureOf(err).Message))
		return err
	}
	endpoint, served := r.endpoints[notice.Endpoint]
	if notice.ResponseID == "" || !served || !strings.HasPrefix(notice.Type, "response.") {
		r.metrics.received.WithLabelValues(outcomeIgnored).Inc()
		return nil
	}
	endpoint.Heard()
	fresh, err := r.records.Hint(ctx, notice.ID, notice.Endpoint, notice.ResponseID)
	switch {
	case err != nil:
		r.metrics.received.WithLabelValues(outcomeFailed).Inc()
		r.log.WarnContext(ctx, "webhook not kept; the provider will send it again", slog.Any("err", err))
		return &jobs.Error{Op: "keep webhook", Failure: jobs.Failure{Class: jobs.ClassUnavailable, Message: "redis does not take it"}, Err: err}
	case !fresh:
		r.metrics.received.WithLabelValues(outcomeRepeated).Inc()
		return nil
	}
	r.metrics.received.WithLabelValues(outcomeTaken).Inc()
	r.poke()
	return nil
}

// poke wakes [Receiver.Run].
func (r *Receiver) poke() {
	select {
	case r.wake <- struct{}{}:
	default:
	}
}
