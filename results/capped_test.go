package results_test

import (
	"slices"
	"testing"
	"time"

	"github.com/longhaul-jobs/longhaul/jobs"
	"github.com/longhaul-jobs/longhaul/results"
)

// Several workers that ask for all they can get share the cap: in no second do they
// get more than it and what may come at once, and they get nearly all of it.
//
// Guarantee: G26.
func TestLooksAreCapped(t *testing.T) {
	t.Parallel()
	h := onRedis(t, results.Config{})
	const perSecond, burst, steps = 50, 5, 100
	began := time.Now()
	var got []time.Duration
	for step := range steps {
		for worker := range 3 {
			at := time.Duration(step)*50*time.Millisecond + time.Duration(worker)*time.Millisecond
			n := h.allow(began.Add(at), perSecond, burst, 20)
			for range n {
				got = append(got, at)
			}
		}
	}
	for i, from := range got {
		until, _ := slices.BinarySearch(got, from+time.Second)
		if n := until - i; n > perSecond+burst {
			t.Fatalf("%d looks in the second from %v", n, from)
		}
	}
	if seconds := 5; len(got) < perSecond*seconds*95/100 {
		t.Errorf("%d looks in %d seconds of at most %d each", len(got), seconds, perSecond)
	}
}

// allow asks for looks at a time of the test's choice.
func (h *harness) allow(now time.Time, perSecond, burst, want int) int {
	h.t.Helper()
	n, err := h.Allow(h.t.Context(), now, perSecond, burst, want)
	if err != nil {
		h.t.Fatal(err)
	}
	return n
}

// Under a cap those are claimed that are overdue for longest, whatever their shard and
// their endpoint, and the others stay where they are.
//
// Guarantee: G26.
func TestOldestLooksGoFirst(t *testing.T) {
	t.Parallel()
	onEach(t, results.Config{}, func(t *testing.T, h *harness) {
		const n = 24
		due := make(map[jobs.ID]time.Time, n)
		var settle []results.Settlement
		for i := range n {
			j := h.in(jobs.StateRunning, jobs.Options{})
			due[j.ID] = h.Now().Add(-time.Duration((i*7)%n+1) * time.Minute)
			settle = append(settle, results.Settlement{Job: j, Due: due[j.ID], Looks: &jobs.Looks{}})
		}
		if _, err := h.Settle(t.Context(), settle...); err != nil {
			t.Fatal(err)
		}
		var order []time.Time
		for round := 0; len(order) < n && round < 200; round++ {
			// A tenth of a second's looks may come at once, so some are left each time.
			claimed, err := h.ClaimOldestLooks(t.Context(), map[string]int{"openai": n}, time.Minute, 80)
			if err != nil || len(claimed) > 8 {
				t.Fatalf("%d claimed, err %v", len(claimed), err)
			}
			var oldest []time.Time
			for _, j := range claimed {
				oldest = append(oldest, due[j.ID])
			}
			slices.SortFunc(oldest, time.Time.Compare)
			order = append(order, oldest...)
			h.ShiftClock(100 * time.Millisecond)
		}
		if len(order) != n || !slices.IsSortedFunc(order, time.Time.Compare) {
			t.Errorf("%d were claimed, in the order %v", len(order), order)
		}
	})
}
