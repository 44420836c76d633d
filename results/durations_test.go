package results_test

import (
	"fmt"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/longhaul-jobs/longhaul/jobs"
	"github.com/longhaul-jobs/longhaul/results"
)

// Ends of several workers add up; a sort that holds as many as are remembered counts
// each half.
func TestDurationsAddUp(t *testing.T) {
	t.Parallel()
	onEach(t, results.Config{}, func(t *testing.T, h *harness) {
		high := results.Sort{Kind: jobs.KindResponse, Model: "a model: +1 %", Effort: "high"}
		none := results.Sort{Kind: jobs.KindResponse, Model: "gpt"}
		add := func(ends map[results.Sort]map[int]int) {
			t.Helper()
			if err := h.AddEnds(t.Context(), 10, ends); err != nil {
				t.Fatal(err)
			}
		}
		add(map[results.Sort]map[int]int{high: {3: 2, 40: 1}, none: {7: 1}})
		add(map[results.Sort]map[int]int{high: {3: 1}})
		add(nil)
		want := map[results.Sort]map[int]float64{high: {3: 3, 40: 1}, none: {7: 1}}
		got, err := h.Ends(t.Context())
		if diff := cmp.Diff(want, got); err != nil || diff != "" {
			t.Errorf("err %v (-want +got):\n%s", err, diff)
		}
		add(map[results.Sort]map[int]int{high: {50: 7}})
		want[high] = map[int]float64{3: 1.5, 40: .5, 50: 3.5}
		got, err = h.Ends(t.Context())
		if diff := cmp.Diff(want, got); err != nil || diff != "" {
			t.Errorf("err %v (-want +got):\n%s", err, diff)
		}
	})
}

// A batch whose answer was lost is sent again by the client, and counts once.
func TestDurationsCountOnce(t *testing.T) {
	t.Parallel()
	h := onRedis(t, results.Config{})
	sort := results.Sort{Kind: jobs.KindResponse, Model: "m"}
	h.loser.loseNext(nil)
	if err := h.AddEnds(t.Context(), 1000, map[results.Sort]map[int]int{sort: {5: 1}}); err != nil {
		t.Fatal(err)
	}
	got, err := h.Ends(t.Context())
	if err != nil || got[sort][5] != 1 {
		t.Errorf("%v, err %v", got, err)
	}
}

// Callers may name any model: of too many sorts those go that had no end for longest.
func TestDurationsAreBounded(t *testing.T) {
	t.Parallel()
	onEach(t, results.Config{}, func(t *testing.T, h *harness) {
		for i := range 300 {
			sort := results.Sort{Kind: jobs.KindResponse, Model: fmt.Sprint("m", i)}
			if err := h.AddEnds(t.Context(), 1000, map[results.Sort]map[int]int{sort: {5: 1}}); err != nil {
				t.Fatal(err)
			}
		}
		got, err := h.Ends(t.Context())
		if err != nil || len(got) != 256 || got[results.Sort{Kind: jobs.KindResponse, Model: "m299"}][5] != 1 {
			t.Errorf("%d sorts are kept, err %v", len(got), err)
		}
	})
}
