package dispatch_test

import (
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/longhaul-jobs/longhaul/internal/dispatch"
)

// A lane that is paused is not asked for jobs, but for one at a time when that is to
// find out whether it works again; then it goes on as before.
func TestPausedLane(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		store, queue := newFakeStore(), &fakeQueue{}
		store.fill("bulk", 100)
		var paused, due atomic.Bool
		paused.Store(true)
		start(t, store, queue, dispatch.Lane{Name: "bulk", Window: 10, Paused: func() (bool, bool) { return paused.Load(), due.Load() }})
		time.Sleep(time.Minute)
		if n := len(store.times("bulk")); n != 0 || queue.len() != 0 {
			t.Errorf("asked %d times, %d jobs enqueued; want the lane left alone", n, queue.len())
		}
		due.Store(true)
		time.Sleep(10 * time.Second)
		if _, admitted := store.counts("bulk"); admitted != 1 || queue.len() != 1 {
			t.Errorf("%d admitted, %d enqueued; want the one that finds out", admitted, queue.len())
		}
		store.submitted("bulk") // it was not the probe: another worker was quicker
		time.Sleep(tick + time.Second)
		if queue.len() != 2 {
			t.Errorf("%d enqueued, want another one", queue.len())
		}
		paused.Store(false)
		time.Sleep(time.Second + tick)
		if _, admitted := store.counts("bulk"); admitted != 10 {
			t.Errorf("%d admitted after it resumed, want its window of 10", admitted)
		}
	})
}
