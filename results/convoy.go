package results

import (
	"context"
	"slices"
	"sync"
	"time"

	"github.com/redis/go-redis/v9"
)

// convoy has the commands of callers that come at the same time travel to Redis in one
// pipeline: on the way, a command costs both sides more than what it does there. Who comes
// alone goes at once; while as many trips as may be are under way, those that come gather
// for the next, or go alone when it does not come.
//
// Nothing is sent for a caller whose context has ended. The client library repeats a
// pipeline whole, so each command must be one that may come twice, and each should have a
// short answer, for all of them have one deadline. See docs/adr/0017-commands-travel-together.md.
type convoy struct {
	// rdb is nil in a Cluster, where [Store.once] knows whom to wait for, and for an
	// embedded Redis, which answers each command before it reads the next.
	rdb redis.UniversalClient
	// patience is how long a command waits for a trip. All of them may hang, on
	// connections that are gone.
	patience time.Duration

	mu      sync.Mutex
	waiting []*passenger
	trips   int // that are under way
}

// passenger is a command and who waits for it.
type passenger struct {
	ctx  context.Context //nolint:containedctx // of a caller that waits until done is closed
	cmd  redis.Cmder
	done chan struct{}
	// again says that the command has no answer for a reason that is not its own.
	again bool
}

const (
	// maxTrips is how many trips may be under way: more than one, so that a connection
	// that loses a packet does not hold up everybody.
	maxTrips = 2
	// maxAboard is how many commands a trip takes along.
	maxAboard = 32
	// maxTogether is the size of a command, in bytes, over which it goes alone: the others
	// would wait for it.
	maxTogether = 64 << 10
	// tripPatience is the patience of a store's convoy.
	tripPatience = 250 * time.Millisecond
)

// carry sends a command and waits for its answer. It returns false for one that is still
// to be sent, alone: it is too large, no trip came, or the one that came brought no answer
// for a reason that is not the command's own.
func (c *convoy) carry(ctx context.Context, cmd redis.Cmder) bool {
	if c.rdb == nil || sizeOf(cmd) > maxTogether {
		return false
	}
	if err := ctx.Err(); err != nil {
		cmd.SetErr(err)
		return true
	}
	p := &passenger{ctx: ctx, cmd: cmd, done: make(chan struct{})}
	c.mu.Lock()
	c.waiting = append(c.waiting, p)
	if c.trips < maxTrips {
		c.trips++
		go c.travel() //nolint:contextcheck // each trip has its passengers' contexts; it ends when nobody waits
	}
	c.mu.Unlock()
	gathering := time.NewTimer(c.patience)
	defer gathering.Stop()
	select {
	case <-p.done:
	case <-gathering.C:
		if c.leave(p) {
			return false
		}
	case <-ctx.Done():
		if c.leave(p) {
			cmd.SetErr(ctx.Err())
			return true
		}
	}
	<-p.done
	return !p.again || ctx.Err() != nil
}

// leave takes out a passenger whose trip has not begun, and reports whether it was so.
func (c *convoy) leave(p *passenger) bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	i := slices.Index(c.waiting, p)
	if i < 0 {
		return false
	}
	c.waiting = slices.Delete(c.waiting, i, i+1)
	return true
}

// travel makes trips as long as somebody waits.
func (c *convoy) travel() {
	for aboard := c.next(); len(aboard) > 0; aboard = c.next() {
		c.trip(aboard)
		for _, p := range aboard {
			close(p.done)
		}
	}
}

// next is who goes with the next trip: nobody, when nobody waits, and there is one trip
// less. Who has given up by now is told so and does not go.
func (c *convoy) next() []*passenger {
	c.mu.Lock()
	defer c.mu.Unlock()
	var aboard []*passenger
	gone := 0
	for ; gone < len(c.waiting) && len(aboard) < maxAboard; gone++ {
		p := c.waiting[gone]
		if err := p.ctx.Err(); err != nil {
			p.cmd.SetErr(err)
			close(p.done)
			continue
		}
		aboard = append(aboard, p)
	}
	c.waiting = slices.Delete(c.waiting, 0, gone) // which lets go of them
	if len(aboard) == 0 {
		c.trips--
	}
	return aboard
}

// trip sends some commands, under the context that ends first of all theirs.
func (c *convoy) trip(aboard []*passenger) {
	if len(aboard) == 1 {
		p := aboard[0]
		p.again = redis.HasErrorPrefix(c.rdb.Process(p.ctx, p.cmd), "NOSCRIPT")
		return
	}
	ctx, cancel := context.WithCancel(context.WithoutCancel(aboard[0].ctx))
	defer cancel()
	at, bounded := firstDeadline(aboard)
	if bounded {
		ctx, cancel = context.WithDeadline(ctx, at)
		defer cancel()
	}
	for _, p := range aboard {
		defer context.AfterFunc(p.ctx, cancel)()
	}
	_, _ = c.rdb.Pipelined(ctx, func(pipe redis.Pipeliner) error { // the errors are theirs
		for _, p := range aboard {
			_ = pipe.Process(ctx, p.cmd)
		}
		return nil
	})
	cut := ctx.Err() != nil || bounded && !time.Now().Before(at)
	for _, p := range aboard {
		err := p.cmd.Err()
		p.again = cut && unanswered(err) || notCarriedOut(err)
	}
}

// firstDeadline is when the first of the passengers' contexts ends by itself.
func firstDeadline(aboard []*passenger) (first time.Time, ok bool) {
	for _, p := range aboard {
		if at, has := p.ctx.Deadline(); has && (!ok || at.Before(first)) {
			first, ok = at, true
		}
	}
	return first, ok
}

// notCarriedOut reports whether a server has refused a command for a reason that may be
// gone in a moment: the client library repeats a command then, but not one of a pipeline.
// Any other error of a script may have come in its middle.
func notCarriedOut(err error) bool {
	return slices.ContainsFunc([]string{"NOSCRIPT", "LOADING", "READONLY", "MASTERDOWN", "NOREPLICAS", "max number of clients"},
		func(prefix string) bool { return redis.HasErrorPrefix(err, prefix) })
}

// sizeOf is how large a command is, without what its numbers take.
func sizeOf(cmd redis.Cmder) int {
	n := 0
	for _, arg := range cmd.Args() {
		switch arg := arg.(type) {
		case string:
			n += len(arg)
		case []byte:
			n += len(arg)
		}
	}
	return n
}
