package main

import (
	"context"
	"sync"
)

// inParallel calls do for 0 to n-1, at most width at once, and returns the first
// error, after which no further call begins.
func inParallel(ctx context.Context, width, n int, do func(ctx context.Context, i int) error) error {
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	next := make(chan int)
	var workers sync.WaitGroup
	var once sync.Once
	var first error
	for range min(width, n) {
		workers.Go(func() {
			for i := range next {
				if err := do(ctx, i); err != nil {
					once.Do(func() { first = err })
					cancel(err)
				}
			}
		})
	}
feed:
	for i := range n {
		select {
		case next <- i:
		case <-ctx.Done():
			once.Do(func() { first = context.Cause(ctx) })
			break feed
		}
	}
	close(next)
	workers.Wait()
	return first
}

// alongside runs two functions at once until both have returned, and returns the
// first error, which ends the context of the other.
func alongside(ctx context.Context, one, other func(context.Context) error) error {
	both := []func(context.Context) error{one, other}
	return inParallel(ctx, len(both), len(both), func(ctx context.Context, i int) error { return both[i](ctx) })
}
