package results

import (
	"testing"
	"testing/synctest"
	"time"
)

// Redis' time goes on by the monotonic clock, from the moment of the comparison, and
// carries no reading of it.
func TestClockGoesByTheMonotonicOne(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var c clock
		if got := c.now(); !got.Equal(time.Now()) {
			t.Errorf("before the first comparison it is %s", got)
		}
		theirs := time.Date(2031, 4, 1, 12, 0, 0, 0, time.UTC)
		c.set(time.Now(), theirs)
		time.Sleep(3 * time.Minute)
		if got := c.now(); !got.Equal(theirs.Add(3 * time.Minute)) {
			t.Errorf("three minutes later it is %s", got)
		}
		if c.now().String() != theirs.Add(3*time.Minute).String() {
			t.Errorf("it carries a reading of this process' clock: %s", c.now())
		}
	})
}
