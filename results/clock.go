package results

import (
	"sync/atomic"
	"time"
)

// clock tells Redis' time between two comparisons with it. It goes on by this
// process' monotonic clock: a step of the wall clock, as when NTP corrects it,
// must make no deadline pass and no other worker look silent.
type clock struct{ compared atomic.Pointer[comparison] }

// comparison is one moment by both clocks.
type comparison struct{ ours, theirs time.Time }

// set compares a moment of ours, which has a monotonic reading, with theirs.
func (c *clock) set(ours, theirs time.Time) { c.compared.Store(&comparison{ours, theirs}) }

func (c *clock) now() time.Time {
	last := c.compared.Load()
	if last == nil {
		return time.Now().UTC()
	}
	return last.theirs.Add(time.Since(last.ours)).UTC()
}
