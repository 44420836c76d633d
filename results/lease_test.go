package results_test

import (
	"testing"
	"time"

	"github.com/longhaul-jobs/longhaul/jobs"
	"github.com/longhaul-jobs/longhaul/results"
)

// lapse claims the look at the only job and lets the lease run out, as a worker does
// that dies over it; it returns the job as it was claimed.
func (h *harness) lapse() jobs.Job {
	h.t.Helper()
	h.ShiftClock(2 * time.Minute)
	for _, j := range h.claim(time.Minute) {
		return j
	}
	h.t.Fatal("nothing was claimed")
	return jobs.Job{}
}

// A look that was claimed and neither finished nor given back is told from one
// that was planned, and how often in a row that happened is counted.
//
// Guarantee: G18.
func TestLapsedLooksAreCounted(t *testing.T) {
	t.Parallel()
	onEach(t, results.Config{}, func(t *testing.T, h *harness) {
		h.in(jobs.StateRunning, jobs.Options{})
		if j := h.lapse(); j.Lapsed != 0 {
			t.Errorf("%d lapses before the first", j.Lapsed)
		}
		if j := h.lapse(); j.Lapsed != 1 {
			t.Errorf("%d lapses after the first", j.Lapsed)
		}
		j := h.lapse()
		if j.Lapsed != 2 || j.AloneBy != "" {
			t.Errorf("%d lapses after the second, alone by %q", j.Lapsed, j.AloneBy)
		}
		if current, err := h.LookAlone(t.Context(), j, "w_1"); err != nil || !current {
			t.Fatalf("LookAlone: %t, %v", current, err)
		}
		j = h.lapse()
		if j.Lapsed != 3 || j.AloneBy != "w_1" {
			t.Errorf("%d lapses after the third, alone by %q", j.Lapsed, j.AloneBy)
		}
		// One that puts it back has survived it.
		h.settle(results.Settlement{Job: j, Due: h.Now(), Looks: &jobs.Looks{Count: 1}})
		if j := h.lapse(); j.Lapsed != 0 || j.AloneBy != "" {
			t.Errorf("%d lapses after it was put back, alone by %q", j.Lapsed, j.AloneBy)
		}
		h.check()
	})
}

// A job that has moved on is not looked at alone, and a step ends the count.
func TestStepEndsTheCountOfLapses(t *testing.T) {
	t.Parallel()
	onEach(t, results.Config{}, func(t *testing.T, h *harness) {
		j := h.in(jobs.StateRunning, jobs.Options{})
		h.lapse()
		old := h.lapse()
		next := h.step(j.ID, jobs.StopRequested{Reason: jobs.StopCancel})
		if current, err := h.LookAlone(t.Context(), old, "w_1"); err != nil || current {
			t.Errorf("LookAlone of an old record: %t, %v", current, err)
		}
		if again := h.load(next.ID); again.Lapsed != 0 || next.Lapsed != 0 {
			t.Errorf("%d lapses after a step", again.Lapsed)
		}
		h.check()
	})
}

// A hint over which four workers died is dropped: the ordinary looks, which guard
// against that, remain.
func TestHintThatEndsWorkersIsDropped(t *testing.T) {
	t.Parallel()
	onEach(t, results.Config{}, func(t *testing.T, h *harness) {
		h.hint("wh_1", "default", "resp_1")
		for n := 1; n <= 4; n++ {
			if got := h.claimHints("default", time.Minute); len(got) != 1 || got[0].Tries != n {
				t.Fatalf("claim %d: %+v", n, got)
			}
			h.ShiftClock(2 * time.Minute)
		}
		if got := h.claimHints("default", time.Minute); len(got) != 0 {
			t.Errorf("claimed %+v again", got)
		}
		h.hint("wh_2", "default", "resp_1")
		if got := h.claimHints("default", time.Minute); len(got) != 1 || got[0].Tries != 1 {
			t.Errorf("a new webhook: %+v", got)
		}
	})
}
