package app

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"time"
)

// How long one waits at the gate at most; it is tried again later. One that wants to
// be alone keeps the others out meanwhile, so it gives up long before a lease on
// what they have claimed is over.
const (
	patienceAlone  = 10 * time.Second
	patienceBeside = time.Minute
)

// errGate is why somebody was not let in.
var errGate = errors.New("others were in the way for too long")

// gate lets a worker's handlers in together, or one alone: a job that was present
// at repeated crashes has the process to itself, so that the next crash is its own
// and takes nothing else along. One that waits to be alone holds back those that
// come after it.
type gate struct {
	mu      sync.Mutex // guards what follows
	inside  int
	alone   bool          // the one inside is alone
	waiting int           // those who want to be alone
	changed chan struct{} // closed and replaced when somebody leaves or gives up
	wanted  chan struct{} // closed while somebody waits to be alone
}

func newGate() *gate { return &gate{changed: make(chan struct{}), wanted: make(chan struct{})} }

// Wanted returns a channel that is closed when somebody waits to be alone: who stays
// inside for long must then leave.
func (g *gate) Wanted() <-chan struct{} {
	g.mu.Lock()
	defer g.mu.Unlock()
	return g.wanted
}

// Enter blocks until the caller may go on, alone or beside others. The error is that
// it took too long, or the cause of ctx' end. Leave must be called once.
func (g *gate) Enter(ctx context.Context, alone bool) (leave func(), err error) {
	patience := patienceBeside
	if alone {
		patience = patienceAlone
	}
	ctx, cancel := context.WithTimeoutCause(ctx, patience, errGate)
	defer cancel()
	g.mu.Lock()
	defer g.mu.Unlock()
	if alone {
		if g.waiting++; g.waiting == 1 {
			close(g.wanted)
		}
		defer func() {
			if g.waiting--; g.waiting == 0 {
				g.wanted = make(chan struct{})
			}
		}()
	}
	for !g.freeLocked(alone) {
		changed := g.changed
		g.mu.Unlock()
		select {
		case <-changed:
		case <-ctx.Done():
		}
		g.mu.Lock()
		if ctx.Err() != nil {
			if alone {
				g.tellLocked()
			}
			return nil, fmt.Errorf("wait to run: %w", context.Cause(ctx))
		}
	}
	g.inside++
	g.alone = alone
	return g.leave, nil
}

func (g *gate) freeLocked(alone bool) bool {
	if alone {
		return g.inside == 0
	}
	return !g.alone && g.waiting == 0
}

func (g *gate) leave() {
	g.mu.Lock()
	defer g.mu.Unlock()
	g.inside--
	g.alone = false
	g.tellLocked()
}

func (g *gate) tellLocked() {
	close(g.changed)
	g.changed = make(chan struct{})
}
