package limits

import (
	"context"
	"encoding/json"
	"errors"
	"log/slog"
	"sync"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/longhaul-jobs/longhaul/jobs"
	"github.com/longhaul-jobs/longhaul/jobs/tokens"
	"github.com/longhaul-jobs/longhaul/results"
)

// Rates keeps what lanes may send; see [results.Store].
type Rates interface {
	Reserve(ctx context.Context, lane string, r results.Rates, p results.Pace, n results.Need) (results.Turn, error)
	Observe(ctx context.Context, lane string, p results.Pace, t results.Told) error
	CorrectTokens(ctx context.Context, lane string, r results.Rates, p results.Pace, more int) error
	Room(ctx context.Context, lane string, r results.Rates, p results.Pace, ahead time.Duration) (results.Standing, error)
	Vacate(ctx context.Context, lane string, tries ...jobs.Try) error
	Doubtful(ctx context.Context, lane string, lease time.Duration, limit int) ([]jobs.Try, error)
	Load(ctx context.Context, id jobs.ID) (jobs.Job, error)
	Now() time.Time
}

// How the rates of a lane are used.
const (
	// headroom is the share of the rates that is used: what is left of them covers the
	// burst in every minute, and a second in which nothing of a process moved, of which
	// package submit uses three quarters.
	headroom = 0.975
	// burst is by how much a request may be early after a rest. What that allows in a
	// minute beyond the rate is less than the headroom leaves.
	burst = 500 * time.Millisecond
	// refusedCut and slowDownCut are what is left of the rates after the provider has
	// refused a request for coming too fast, and after it asked for less, which it
	// wants for a quarter of an hour. The cut heals evenly.
	refusedCut, slowDownCut = 0.7, 0.5
	slowDownLasts           = 15 * time.Minute
	heals                   = 2 * time.Minute
	deepestCut              = 0.05

	// turnPatience is how long a submit waits for its turn; who has to wait longer goes
	// back to its lane. Ahead is how much of what can be sent is taken out of the lane:
	// less, so that two workers that do so at once have no job go back.
	turnPatience = 10 * time.Second
	ahead        = 3 * time.Second
	// placeLease is how long a place in flight is held before somebody looks whether
	// its response still is, and placesEvery how often somebody does.
	placeLease   = time.Minute
	placesEvery  = 15 * time.Second
	placesAtOnce = 500

	// How old the view of a lane may be that nothing limits, and of one that is.
	viewOfFree, viewOfLimited = time.Second, 200 * time.Millisecond
	// observeEvery bounds how often what answers tell of limits is written down, unless
	// one of them was a refusal.
	observeEvery = 250 * time.Millisecond
)

func pace() results.Pace { return results.Pace{Headroom: headroom, Burst: burst, Heal: heals} }

// Pacer gives each request of a lane its turn, so that all workers together use what
// the lane may send, and no more. It is safe for concurrent use. What a worker that is
// killed has reserved passes by unused, or comes back by itself.
type Pacer struct {
	store   Rates
	metrics *paceMetrics
	log     *slog.Logger

	// mu keeps the views of the lanes.
	mu    sync.Mutex
	lanes map[string]*paced
}

// paced is what this worker knows of a lane's limits.
type paced struct {
	configured results.Rates
	standing   results.Standing
	seen       time.Time // when standing was read
	observed   time.Time // when what an answer told was written down last
	away       bool
}

// NewPacer returns the pacer of the lanes with their configured rates.
func NewPacer(store Rates, lanes map[string]results.Rates, reg prometheus.Registerer, log *slog.Logger) *Pacer {
	p := &Pacer{store: store, log: log, lanes: make(map[string]*paced, len(lanes)), metrics: newPaceMetrics(reg)}
	for name, rates := range lanes {
		p.lanes[name] = &paced{configured: rates, standing: results.Standing{Room: -1, Rates: rates, Share: 1}}
		p.metrics.show(name, p.lanes[name].standing)
	}
	return p
}

// Room is how many jobs of a lane may be on their way to the provider, -1 for any
// number: what its limits let it send within seconds. While Redis is away, it is as it
// was known last.
func (p *Pacer) Room(ctx context.Context, lane string) int {
	st, rates, old := p.view(lane)
	if !old {
		return st.Room
	}
	st, err := p.store.Room(ctx, lane, rates, pace(), ahead)
	p.mu.Lock()
	defer p.mu.Unlock()
	l := p.lanes[lane]
	if l == nil {
		return st.Room
	}
	if err != nil {
		if !l.away {
			p.log.WarnContext(ctx, "limits of a lane not known", slog.String("lane", lane), slog.Any("err", err))
		}
		l.away = true
		return l.standing.Room
	}
	l.standing, l.seen, l.away = st, p.store.Now(), false
	p.metrics.show(lane, st)
	return st.Room
}

// view returns what is known of a lane, and whether that is old.
func (p *Pacer) view(lane string) (st results.Standing, configured results.Rates, old bool) {
	p.mu.Lock()
	defer p.mu.Unlock()
	l := p.lanes[lane]
	if l == nil { // of a job that was accepted for a lane that is no more
		return results.Standing{Room: -1, Share: 1}, results.Rates{}, true
	}
	good := viewOfLimited
	if l.standing.Room < 0 {
		good = viewOfFree
	}
	age := p.store.Now().Sub(l.seen)
	return l.standing, l.configured, age >= good || age < 0
}

// Turn asks for the turn of a request. What is returned of tokens was reserved for it,
// nil where nothing limits them. Where nothing limits a lane at all, it asks nobody.
func (p *Pacer) Turn(ctx context.Context, lane string, t jobs.Try, body json.RawMessage) (results.Turn, *jobs.Reserved, error) {
	now := p.store.Now()
	st, rates, old := p.view(lane)
	if old {
		p.Room(ctx, lane)
		st, rates, old = p.view(lane)
	}
	if !old && st.Room < 0 && st.Rates == (results.Rates{}) && !st.Paused && st.HeldUntil.IsZero() {
		return results.Turn{Verdict: results.TurnGranted, At: now}, nil, nil
	}
	var need tokens.Need
	if st.Rates.Tokens > 0 || st.Learned.Tokens > 0 {
		need = tokens.Estimate(body)
	}
	turn, err := p.store.Reserve(ctx, lane, rates, pace(), results.Need{
		Try: t, Tokens: need.Limited(), Patience: turnPatience, Lease: placeLease,
	})
	if err != nil {
		return results.Turn{}, nil, err
	}
	p.metrics.turns.WithLabelValues(lane, string(turn.Verdict)).Inc()
	if turn.Verdict == results.TurnGranted {
		p.metrics.waited.WithLabelValues(lane).Add(max(turn.At.Sub(now), 0).Seconds())
	}
	if need == (tokens.Need{}) {
		return turn, nil, nil
	}
	return turn, &jobs.Reserved{Input: need.Input, Output: need.Output}, nil
}

// Answered takes up what the answer to a create tells of the limits, and gives back
// the place of one that was refused.
func (p *Pacer) Answered(ctx context.Context, lane string, t jobs.Try, reply jobs.Reply, failure error) {
	told := results.Told{RateLimits: reply.Limits, Deepest: deepestCut}
	if failure != nil {
		e, _ := errors.AsType[*jobs.Error](failure)
		if e == nil {
			return
		}
		told.RateLimits = e.Limits
		switch {
		case e.Class == jobs.ClassRateLimited:
			told.Cut, told.Wait = refusedCut, min(e.RetryAfter, time.Minute)
			p.metrics.refused.WithLabelValues(lane).Inc()
		case e.HTTPStatus == 503 && e.Class == jobs.ClassUnavailable:
			told.Cut, told.Lasts = slowDownCut, slowDownLasts
		}
		if e.Class != jobs.ClassAmbiguous {
			p.vacate(ctx, lane, t)
		}
	}
	if told.RateLimits == (jobs.RateLimits{}) && told.Cut == 0 || !p.worth(lane, told) {
		return
	}
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), patience)
	defer cancel()
	if err := p.store.Observe(ctx, lane, pace(), told); err != nil {
		p.log.WarnContext(ctx, "not noted what an answer tells of the limits", slog.String("lane", lane), slog.Any("err", err))
	}
}

// worth reports whether what an answer tells is to be written down: of many that tell
// the same, some. After a refusal, the lane is looked at anew.
func (p *Pacer) worth(lane string, told results.Told) bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	l, now := p.lanes[lane], p.store.Now()
	if l == nil {
		return false
	}
	if told.Cut != 0 {
		l.seen = time.Time{}
		return true
	}
	if age := now.Sub(l.observed); age >= 0 && age < observeEvery {
		return false
	}
	l.observed = now
	return true
}

// Ended settles a response that has ended: its place, and the tokens that it used
// beyond those that were reserved for it, or did not use.
func (p *Pacer) Ended(ctx context.Context, j jobs.Job, a jobs.Attempt, usage *jobs.Usage) {
	lane, reserved := j.Lane, a.Reserved
	p.vacate(ctx, lane, jobs.Try{Job: j.ID, Attempt: a.Number})
	if reserved == nil || usage == nil || usage.InputTokens == 0 {
		return
	}
	used := tokens.Need{Input: int(usage.InputTokens), Output: reserved.Output}
	more := used.Limited() - tokens.Need{Input: reserved.Input, Output: reserved.Output}.Limited()
	if more == 0 {
		return
	}
	_, rates, _ := p.view(lane)
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), patience)
	defer cancel()
	if err := p.store.CorrectTokens(ctx, lane, rates, pace(), more); err != nil {
		p.log.DebugContext(ctx, "tokens not settled", slog.String("lane", lane), slog.Any("err", err))
	}
}

// vacate gives back a place where places are counted. One that cannot be given back
// is found by [Pacer.Run].
func (p *Pacer) vacate(ctx context.Context, lane string, t jobs.Try) {
	st, rates, _ := p.view(lane)
	if st.Rates.InFlight == 0 && rates.InFlight == 0 && st.InFlight == 0 {
		return
	}
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), patience)
	defer cancel()
	if err := p.store.Vacate(ctx, lane, t); err != nil {
		p.log.DebugContext(ctx, "place not given back", slog.String("lane", lane), slog.Any("err", err))
	}
}

// Run gives back the places of those who did not do so themselves, until ctx is done:
// of workers that were killed, and of jobs that ended in another way than by their
// response.
func (p *Pacer) Run(ctx context.Context) error {
	ticker := time.NewTicker(placesEvery)
	defer ticker.Stop()
	for {
		select {
		case <-ctx.Done():
			return nil
		case <-ticker.C:
		}
		for _, lane := range p.names() {
			if err := p.reconcile(ctx, lane); err != nil && ctx.Err() == nil {
				p.log.DebugContext(ctx, "places not compared with the records", slog.String("lane", lane), slog.Any("err", err))
			}
		}
	}
}

func (p *Pacer) names() []string {
	p.mu.Lock()
	defer p.mu.Unlock()
	var names []string
	for name, l := range p.lanes {
		if l.configured.InFlight > 0 || l.standing.Rates.InFlight > 0 || l.standing.InFlight > 0 {
			names = append(names, name)
		}
	}
	return names
}

// reconcile vacates the places whose responses are in flight no more.
func (p *Pacer) reconcile(ctx context.Context, lane string) error {
	for {
		tries, err := p.store.Doubtful(ctx, lane, placeLease, placesAtOnce)
		if err != nil {
			return err
		}
		var over []jobs.Try
		for _, t := range tries {
			j, err := p.store.Load(ctx, t.Job)
			switch {
			case errors.Is(err, results.ErrNotFound):
				over = append(over, t)
			case errors.Is(err, jobs.ErrNewerSchema):
			case err != nil:
				return err
			case !inFlight(j, t):
				over = append(over, t)
			}
		}
		if len(over) > 0 {
			if err := p.store.Vacate(ctx, lane, over...); err != nil {
				return err
			}
			p.metrics.recovered.WithLabelValues(lane).Add(float64(len(over)))
		}
		if len(tries) < placesAtOnce {
			return nil
		}
	}
}

// inFlight reports whether a try may have a response that has not ended. One that is
// about to be submitted counts.
func inFlight(j jobs.Job, t jobs.Try) bool {
	switch j.State {
	case jobs.StateWaiting:
		return !j.Admitted.IsZero() && j.NextAttempt() == t.Attempt
	case jobs.StateSubmitting, jobs.StateRunning, jobs.StateUncertain:
		return j.Current == t.Attempt
	case jobs.StateSucceeded, jobs.StateIncomplete, jobs.StateFailed, jobs.StateCancelled, jobs.StateExpired:
	}
	return false
}
