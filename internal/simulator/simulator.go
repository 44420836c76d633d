// Package simulator is a stand-in for OpenAI's Responses API: an [http.Handler] that accepts
// the same requests, walks through the same life of a response, and answers with the same
// bodies, headers and errors, so that a program can be run, tested and measured without the
// real service.
//
// It owns the protocol: validation, background responses, streams and their resumption,
// structured output, function calls, rate limits, retention, and a ledger of every request that
// was accepted, which lets a test count what would have been paid for. On demand it misbehaves
// as the real service does (see [FaultPlan]).
//
// It refuses to know anything about the program that calls it, and it has no language model:
// answers are extracts of the input, computed from the input alone, so that the same request
// always has the same answer. Nothing is persisted; what it knows is gone when it ends.
//
// The life of a response is computed from timestamps whenever somebody looks. There is neither
// a goroutine nor a timer per response, which is what makes a hundred thousand of them in flight
// cheap. Webhooks (see [Webhook]) have one timer for all, if there are any.
//
// # Faults
//
// A fault is chosen per request, by the header X-Simulator-Fault; per job, by the metadata key
// simulator_fault, which travels with whatever made the request; or by a plan that holds for all
// requests (PUT /_sim/faults, see [FaultPlan]). The first two take a [FaultRule] as JSON or in a
// short form:
//
//	status=503,header.Retry-After=30     refuse the create
//	attempt=1,reset=after                accept the first attempt, and break the connection
//	op=get,first=3,status=502,body=html  answer three retrievals with a proxy's error page
//	fail=server_error                    end failed after the usual time
//	fail=request_too_large               end failed, by a request that exceeds the limit by itself
//	incomplete=content_filter            end incomplete, with half of the answer
//	never_ends                           stay in progress
//	op=create,service_tier=flex,status=429,code=resource_unavailable
//	                                     have no capacity for flex processing
//	op=webhook,forge=body                tell its end by a webhook that was tampered with
//
// # Webhooks
//
// With [Config.Webhooks], or those of a [Project], the ends of background responses are told. Rules
// with the operation webhook make them late, early, repeated, out of order, forged or withheld:
//
//	PUT /_sim/config {"webhooks":[{"url":"http://127.0.0.1:8080/webhooks/openai","secrets":["whsec_…"]}]}
//	PUT /_sim/faults {"rules":[
//	  {"match":{"op":"webhook","probability":0.1},"action":{"withhold":true}},
//	  {"match":{"op":"webhook","probability":0.1},"action":{"copies":1,"delay":"3s"}},
//	  {"match":{"op":"webhook","every":5},"action":{"behind":1}},
//	  {"match":{"op":"webhook","every":7},"action":{"forge":"signature"}}]}
//
// # Ledger
//
// GET /_sim/ledger shows each accepted create and what became of it (see [Ledger]), narrowed by
// parameters such as metadata.KEY=VALUE, paged by limit and after, or as one entry a line with
// format=ndjson. A create counts although its answer was lost: that is what it is for.
package simulator

import (
	"errors"
	"log/slog"
	"net/http"
	"sync"
	"sync/atomic"
	"time"
)

// Simulator is a stand-in Responses API. It is an [http.Handler] to be served at the root of a
// server; its routes exist with and without the prefix /v1. It is safe for concurrent use.
//
//	sim, err := simulator.New(simulator.Config{Queued: time.Second, Running: 5 * time.Second})
//	...
//	server := &http.Server{Handler: sim}
//
// Beside OpenAI's routes it serves /_sim/ledger, /_sim/faults, /_sim/config, /_sim/responses/ID (to
// have one expire by DELETE) and /_sim/healthz, which need no key.
type Simulator struct {
	logger  *slog.Logger
	live    atomic.Pointer[settings]
	faults  atomic.Pointer[faultSet]
	store   *store
	limiter *limiter
	buffers buffers
	cache   *promptCache
	courier *courier
	shelf   shelf
	batches batches

	configure sync.Mutex // serialises changes of live
	closing   sync.Once
	closed    chan struct{} // closed by Close; ends every wait of a handler
}

// New returns a simulator that behaves as config says. It starts nothing before there is a
// webhook to send. The error names every field of config that cannot be used.
func New(config Config) (*Simulator, error) {
	config = config.withDefaults()
	if err := config.Validate(); err != nil {
		return nil, err
	}
	s := &Simulator{
		logger:  config.Logger,
		store:   newStore(config.Retention),
		limiter: newLimiter(),
		cache:   newPromptCache(),
		closed:  make(chan struct{}),
	}
	s.live.Store(newSettings(config))
	s.faults.Store(&faultSet{})
	s.courier = newCourier(s, config.Transport)
	return s, nil
}

// Reconfigure changes the configuration that later requests meet; responses that exist keep their
// life, but who is told of their end decides the configuration at that time. Retention, Logger
// and Transport stay as they were. A configuration that cannot be used is refused as by [New], and
// the old one stays.
func (s *Simulator) Reconfigure(change func(*Config)) error {
	s.configure.Lock()
	defer s.configure.Unlock()
	old := s.live.Load()
	config := old.Config
	change(&config)
	config = config.withDefaults()
	if err := config.Validate(); err != nil {
		return err
	}
	set := newSettings(config)
	s.live.Store(set)
	if set.tells() && !old.tells() {
		s.courier.expectAll()
	}
	return nil
}

// Close ends every request that is waiting (synchronous creates, streams, injected hangs) and
// makes later ones end without waiting; no more webhooks are sent. It returns at once, may be called more than once, and
// its error is always nil.
func (s *Simulator) Close() error {
	s.closing.Do(func() {
		close(s.closed)
		s.courier.close()
	})
	return nil
}

// ServeHTTP answers one request.
func (s *Simulator) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	e := &exchange{sim: s, settings: s.live.Load(), w: w, r: r, started: time.Now()}
	e.route(r.Context())
}

// Ledger returns everything that was accepted since the start or the last reset, as of one
// instant. It copies, so the caller may keep it; a hundred thousand entries take about a tenth of
// a second, for a small part of which other requests wait.
func (s *Simulator) Ledger() Ledger {
	return s.store.ledger(time.Now(), nil)
}

// ResetLedger forgets all entries and totals. Responses that were created before stay
// retrievable but do not come back into the ledger.
func (s *Simulator) ResetLedger() {
	s.store.resetLedger()
}

// SetFaults replaces the fault plan; the zero plan ends all misbehaviour. A plan that makes no
// sense is refused with an error that names each field at fault, and the old plan stays.
func (s *Simulator) SetFaults(plan FaultPlan) error {
	if err := plan.Validate(); err != nil {
		return err
	}
	s.faults.Store(newFaultSet(plan))
	return nil
}

// errClosed is the cause of a wait that ended because the simulator was closed.
var errClosed = errors.New("simulator closed")
