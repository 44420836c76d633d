package simulator

import (
	"container/heap"
	"context"
	"math"
	"net/http"
	"sync"
	"time"
)

// Bounds of the courier.
const (
	webhookSenders = 32
	webhookTimeout = 5 * time.Second
	webhookPeriod  = 72 * time.Hour // during which a refused webhook is sent again
	maxWebhookWait = time.Hour      // between two of those
	// maxHeldBack is how long a webhook waits at most for others to overtake it.
	maxHeldBack = 10 * time.Second
)

// courier sends webhooks. It has one timer for all that is to happen at some time, and a
// goroutine per webhook that is on its way, up to a bound; while nothing is due it has none.
type courier struct {
	sim    *Simulator
	client *http.Client
	timer  *time.Timer
	cancel context.CancelFunc // ends what is on its way, and all that the timer does

	// mu guards the rest.
	mu      sync.Mutex
	agenda  agenda
	wakes   int64       // when the timer goes off; never if it is not set
	outbox  []*delivery // what to send at once
	senders int         // goroutines that empty the outbox
	held    []*delivery // what others are to overtake
}

func newCourier(sim *Simulator, transport http.RoundTripper) *courier {
	if transport == nil {
		transport = &http.Transport{MaxIdleConnsPerHost: webhookSenders, IdleConnTimeout: time.Minute}
	}
	ctx, cancel := context.WithCancel(context.Background())
	c := &courier{
		sim: sim, cancel: cancel, wakes: never,
		client: &http.Client{
			Transport: transport, Timeout: webhookTimeout,
			CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
		},
	}
	c.timer = time.AfterFunc(math.MaxInt64, func() { c.run(ctx) })
	c.timer.Stop()
	return c
}

// close ends all sending, now and later.
func (c *courier) close() {
	c.cancel()
	c.timer.Stop()
	c.client.CloseIdleConnections()
}

// expect has the end of a response told if anybody is to be told of ends. The rule, if any, is
// tried before those of the plan.
func (c *courier) expect(r *record, rule *liveRule) {
	if !r.background || !c.sim.live.Load().tells() {
		return
	}
	fault, first := c.sim.store.expect(r, func() *FaultAction {
		o := occasion{op: opWebhook, project: r.project, metadata: r.metadata}
		if rule != nil {
			if fault := rule.choose(o); fault != nil {
				return fault
			}
		}
		return c.sim.faults.Load().choose(o)
	})
	if !first || r.ends == never { // one that never ends may still be cancelled
		return
	}
	at := r.ends
	if fault != nil {
		at = max(r.created, at-int64(fault.Early))
	}
	c.plan(appointment{at: at, kind: toTell, record: r})
}

// expectAll has the ends of all responses in flight told: somebody wants to know from now on.
func (c *courier) expectAll() {
	for _, r := range c.sim.store.inFlight(time.Now()) {
		c.expect(r, nil)
	}
}

// tell tells the end of a response that ended before its time.
func (c *courier) tell(r *record) {
	c.plan(appointment{at: time.Now().UnixNano(), kind: toTell, record: r})
}

// plan puts an appointment on the agenda.
func (c *courier) plan(a appointment) {
	c.mu.Lock()
	defer c.mu.Unlock()
	heap.Push(&c.agenda, a)
	c.wakeLocked()
}

// wakeLocked sets the timer for the first appointment.
func (c *courier) wakeLocked() {
	if len(c.agenda) > 0 && c.agenda[0].at < c.wakes {
		c.wakes = c.agenda[0].at
		c.timer.Reset(max(0, time.Until(time.Unix(0, c.wakes))))
	}
}

// run does what is due, sets the timer for the rest, and sees to it that what is to be sent is.
func (c *courier) run(ctx context.Context) {
	if ctx.Err() != nil {
		return
	}
	for _, a := range c.due(time.Now().UnixNano()) {
		switch a.kind {
		case toTell:
			c.address(a.record)
		case toSend:
			c.post(a.delivery)
		case toRelease:
			c.release(a.delivery)
		}
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	for n := min(len(c.outbox), webhookSenders-c.senders); n > 0; n-- { // those that run may all be busy
		c.senders++
		go c.empty(ctx)
	}
}

// due takes the appointments whose time has come off the agenda.
func (c *courier) due(now int64) []appointment {
	c.mu.Lock()
	defer c.mu.Unlock()
	var list []appointment
	for len(c.agenda) > 0 && c.agenda[0].at <= now {
		if a, ok := heap.Pop(&c.agenda).(appointment); ok {
			list = append(list, a)
		}
	}
	c.wakes = never
	c.wakeLocked()
	return list
}

// address makes the deliveries that tell the end of a response.
func (c *courier) address(r *record) {
	n, fault, ok := c.sim.store.announce(r, time.Now())
	if !ok {
		return
	}
	if fault == nil {
		fault = &FaultAction{}
	}
	if fault.Withhold {
		c.sim.store.withhold(r)
		return
	}
	for i := range c.sim.live.Load().webhooks[r.project] {
		for copied := range 1 + fault.Copies {
			d := &delivery{record: r, notice: n, address: i, forge: fault.Forge, copied: copied > 0, overtakers: fault.Behind}
			switch {
			case fault.Delay > 0:
				c.plan(appointment{at: time.Now().Add(time.Duration(fault.Delay)).UnixNano(), kind: toSend, delivery: d})
			case d.overtakers > 0:
				c.hold(d)
			default:
				c.post(d)
			}
		}
	}
}

// post puts a delivery into the outbox. The caller has the outbox emptied.
func (c *courier) post(d *delivery) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.outbox = append(c.outbox, d)
}

// hold keeps a delivery back until others have overtaken it.
func (c *courier) hold(d *delivery) {
	c.mu.Lock()
	c.held = append(c.held, d)
	c.mu.Unlock()
	c.plan(appointment{at: time.Now().Add(maxHeldBack).UnixNano(), kind: toRelease, delivery: d})
}

// release posts a delivery that is held.
func (c *courier) release(d *delivery) {
	c.mu.Lock()
	defer c.mu.Unlock()
	for i, held := range c.held {
		if held == d {
			c.held = append(c.held[:i], c.held[i+1:]...)
			c.outbox = append(c.outbox, d)
			return
		}
	}
}

// overtaken notes that a webhook about r was delivered, which those that are held for it to pass
// may have waited for.
func (c *courier) overtaken(r *record) {
	c.mu.Lock()
	defer c.mu.Unlock()
	kept := c.held[:0]
	for _, d := range c.held {
		if d.record != r {
			d.overtakers--
		}
		if d.overtakers > 0 {
			kept = append(kept, d)
		} else {
			c.outbox = append(c.outbox, d)
		}
	}
	clear(c.held[len(kept):])
	c.held = kept
}

// empty sends what is in the outbox until there is nothing left.
func (c *courier) empty(ctx context.Context) {
	for {
		d := c.next(ctx)
		if d == nil {
			return
		}
		c.deliver(ctx, d)
	}
}

// next takes a delivery from the outbox. If there is none the sender that asked is gone.
func (c *courier) next(ctx context.Context) *delivery {
	c.mu.Lock()
	defer c.mu.Unlock()
	if ctx.Err() != nil || len(c.outbox) == 0 {
		c.senders--
		return nil
	}
	d := c.outbox[0]
	c.outbox[0] = nil
	c.outbox = c.outbox[1:]
	return d
}
