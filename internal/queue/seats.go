package queue

import (
	"context"
	"errors"
	"sync"
	"sync/atomic"

	"github.com/longhaul-jobs/longhaul/jobs"
)

// seats bound the jobs of a lane that are submitted at once, whatever tasks they
// came with. The goroutines that have sat in them are kept for the next: growing
// the stack of a new one is a good part of what a submit costs.
type seats struct {
	free    chan struct{}
	idle    chan func()
	hands   atomic.Int64    // goroutines that were made
	closing <-chan struct{} // nobody is seated any more
}

func newSeats(n int, closing <-chan struct{}) *seats {
	return &seats{free: make(chan struct{}, n), idle: make(chan func()), closing: closing}
}

// errClosing says that a job was not begun because its worker is going.
var errClosing = errors.New("the worker takes nothing new")

// each does something for every try, each in a seat, and returns when all is done.
// The errors are joined; those for whom no seat was found in time have one too.
func (s *seats) each(ctx context.Context, tries []jobs.Try, do func(jobs.Try) error) error {
	failures := make([]error, len(tries))
	var all sync.WaitGroup
	for i, t := range tries {
		if failures[i] = s.take(ctx); failures[i] != nil {
			continue
		}
		all.Add(1)
		s.have(func() {
			defer all.Done()
			defer func() { <-s.free }()
			failures[i] = do(t)
		})
	}
	all.Wait()
	return errors.Join(failures...)
}

// take waits for a seat.
func (s *seats) take(ctx context.Context) error {
	select {
	case s.free <- struct{}{}:
		return nil
	default:
	}
	select {
	case s.free <- struct{}{}:
		return nil
	case <-s.closing:
		return errClosing
	case <-ctx.Done():
		return context.Cause(ctx)
	}
}

// have has somebody do the work. Who is seated last may find that those before
// have left their seats and not yet come back for more: there are never more of
// them than seats.
func (s *seats) have(work func()) {
	select {
	case s.idle <- work:
		return
	default:
	}
	if s.hands.Add(1) > int64(cap(s.free)) {
		s.hands.Add(-1)
		select {
		case s.idle <- work:
		case <-s.closing: // and they may have gone
			go work()
		}
		return
	}
	go func() {
		for {
			work()
			select {
			case work = <-s.idle:
			case <-s.closing:
				return
			}
		}
	}()
}
