package results_test

import (
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"

	"github.com/longhaul-jobs/longhaul/results"
)

// hint keeps the word of a webhook and reports whether it is new.
func (h *harness) hint(webhook, endpoint, response string) bool {
	h.t.Helper()
	fresh, err := h.Hint(h.t.Context(), webhook, endpoint, response)
	if err != nil {
		h.t.Fatal(err)
	}
	return fresh
}

func (h *harness) claimHints(endpoint string, lease time.Duration) []results.Hint {
	h.t.Helper()
	hints, err := h.ClaimHints(h.t.Context(), endpoint, 10, lease)
	if err != nil {
		h.t.Fatal(err)
	}
	return hints
}

func wantHints(t *testing.T, got []results.Hint, want ...results.Hint) {
	t.Helper()
	if diff := cmp.Diff(want, got, cmpopts.IgnoreUnexported(results.Hint{}), cmpopts.EquateEmpty()); diff != "" {
		t.Errorf("hints (-want +got):\n%s", diff)
	}
}

// A webhook is kept once, by its id, for the workers of its endpoint, until one
// has dealt with it.
func TestHints(t *testing.T) {
	t.Parallel()
	onEach(t, results.Config{}, func(t *testing.T, h *harness) {
		if !h.hint("wh_1", "default", "resp_1") || !h.hint("wh_2", "eu", "resp_2") || h.hint("wh_1", "default", "resp_1") {
			t.Error("a webhook counts once, by its id")
		}
		claimed := h.claimHints("default", time.Minute)
		wantHints(t, claimed, results.Hint{Endpoint: "default", ResponseID: "resp_1", Tries: 1})
		wantHints(t, h.claimHints("default", time.Minute)) // leased
		if err := h.SettleHint(t.Context(), claimed[0], h.Now()); err != nil {
			t.Fatal(err)
		}
		claimed = h.claimHints("default", time.Minute)
		wantHints(t, claimed, results.Hint{Endpoint: "default", ResponseID: "resp_1", Tries: 2})
		if err := h.SettleHint(t.Context(), claimed[0], time.Time{}); err != nil {
			t.Fatal(err)
		}
		wantHints(t, h.claimHints("default", time.Minute))
		wantHints(t, h.claimHints("eu", time.Minute), results.Hint{Endpoint: "eu", ResponseID: "resp_2", Tries: 1})
	})
}

// A lease that runs out, because its worker died, gives the hint to another.
func TestHintsOutliveTheirWorker(t *testing.T) {
	t.Parallel()
	onEach(t, results.Config{}, func(t *testing.T, h *harness) {
		h.hint("wh_1", "default", "resp_1")
		h.claimHints("default", time.Millisecond)
		for len(h.claimHints("default", time.Minute)) == 0 {
			time.Sleep(time.Millisecond)
		}
	})
}

// A webhook that comes while an earlier one about the same response is dealt with
// is not lost with that one: the earlier look may have been too early.
func TestHintMadeDueMeanwhileStays(t *testing.T) {
	t.Parallel()
	onEach(t, results.Config{}, func(t *testing.T, h *harness) {
		h.hint("wh_1", "default", "resp_1")
		claimed := h.claimHints("default", time.Minute)
		h.hint("wh_2", "default", "resp_1")
		if err := h.SettleHint(t.Context(), claimed[0], time.Time{}); err != nil {
			t.Fatal(err)
		}
		if again := h.claimHints("default", time.Minute); len(again) != 1 {
			t.Errorf("claimed %+v, want the second webhook's", again)
		}
	})
}

// A hint that was there when four workers in a row died is dropped; what was tried
// and given back in good order before, or between them, counts for nothing.
//
// Guarantees: G16, G17.
func TestHintsAreDroppedAfterFourLapsesInARow(t *testing.T) {
	t.Parallel()
	const dies, retries = true, false
	for _, tt := range []struct {
		name   string
		before []bool // what became of the claims so far
		tries  int    // of the next claim, 0 if the hint is gone
		lapses int
	}{
		{"a worker died", []bool{dies}, 2, 1},
		{"three died in a row", []bool{dies, dies, dies}, 4, 3},
		{"four died in a row", []bool{dies, dies, dies, dies}, 0, 0},
		{"many tries, and then one died", []bool{retries, retries, retries, retries, dies}, 6, 1},
		{"many tries, and then four died", []bool{retries, retries, dies, dies, dies, dies}, 0, 0},
		{"three died, one tried, one died", []bool{dies, dies, dies, retries, dies}, 6, 1},
		{"and three more", []bool{dies, dies, dies, retries, dies, dies, dies, dies}, 0, 0},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			onEach(t, results.Config{}, func(t *testing.T, h *harness) {
				h.hint("wh_1", "default", "resp_1")
				for _, died := range tt.before {
					claimed := h.claimHints("default", time.Minute)
					if len(claimed) != 1 {
						t.Fatalf("claimed %+v, want the hint", claimed)
					}
					if !died {
						if err := h.SettleHint(t.Context(), claimed[0], h.Now()); err != nil {
							t.Fatal(err)
						}
					}
					h.ShiftClock(2 * time.Minute)
				}
				var want []results.Hint
				if tt.tries > 0 {
					want = []results.Hint{{Endpoint: "default", ResponseID: "resp_1", Tries: tt.tries, Lapses: tt.lapses}}
				}
				claimed := h.claimHints("default", time.Minute)
				wantHints(t, claimed, want...)
				for _, hint := range claimed {
					if err := h.SettleHint(t.Context(), hint, time.Time{}); err != nil {
						t.Fatal(err)
					}
				}
				left, err := h.rdb.Keys(t.Context(), "*{hints}:*s:*").Result()
				if err != nil || len(left) != 0 {
					t.Errorf("left of it in Redis: %v, %v", left, err)
				}
			})
		})
	}
}
