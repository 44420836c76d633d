package results_test

import (
	"slices"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/longhaul-jobs/longhaul/jobs"
	"github.com/longhaul-jobs/longhaul/results"
)

// TestTakeOver kills a worker that has a look, a debt, a task and an intent in
// hand. All of it is due at once, to anybody; what another worker has claimed, and
// what nobody has, stays where it is.
//
// Guarantee: G3.
func TestTakeOver(t *testing.T) {
	t.Parallel()
	// Nothing but the worker's silence makes anything due, however long the test takes.
	never := jobs.Timing{Submit: 24 * time.Hour, Check: 24 * time.Hour}
	onEach(t, results.Config{Shards: 1, Timing: never}, func(t *testing.T, h *harness) {
		const spoken, lease = time.Hour, 12 * time.Hour
		ctx := t.Context()
		gone, lives := h.another(), h.another()
		gone.ClaimAs("w_gone")
		lives.ClaimAs("w_lives")
		if err := gone.Beat(ctx, results.Worker{ID: "w_gone", Endpoints: []string{"e"}}, spoken); err != nil {
			t.Fatal(err)
		}

		theirs := h.in(jobs.StateRunning, jobs.Options{})
		if got := lives.claim(lease); len(got) != 1 {
			t.Fatalf("claimed %d jobs, want the other worker's look", len(got))
		}
		look, debt := h.in(jobs.StateRunning, jobs.Options{}), h.in(jobs.StateWaiting, jobs.Options{})
		h.settle(results.Settlement{Job: debt, Due: h.Now()})
		if got := gone.claim(lease); len(got) != 2 {
			t.Fatalf("claimed %d jobs, want a look and a debt", len(got))
		}
		later := h.in(jobs.StateRunning, jobs.Options{})
		h.settle(results.Settlement{Job: h.load(later.ID), Due: h.Now().Add(6 * time.Hour)})
		intent := h.in(jobs.StateSubmitting, jobs.Options{})
		task := h.accept(jobs.Options{Lane: "other"})
		if got, err := gone.Admit(ctx, "other", 10); err != nil || len(got) != 1 {
			t.Fatalf("admitted %v, %v", got, err)
		}

		if got, err := lives.TakeOver(ctx, lease); err != nil || len(got) != 0 {
			t.Fatalf("took over from %v, %v, whose word is good", got, err)
		}
		lives.ShiftClock(spoken + time.Second)
		if got, err := lives.TakeOver(ctx, lease); err != nil || !slices.Equal(got, []string{"w_gone"}) {
			t.Fatalf("took over from %v, %v", got, err)
		}
		got := lives.claim(lease)
		want := []jobs.ID{look.ID, debt.ID, intent.ID, task.ID}
		ids := make([]jobs.ID, 0, len(got))
		for id := range got {
			ids = append(ids, id)
		}
		slices.Sort(want)
		slices.Sort(ids)
		if diff := cmp.Diff(want, ids); diff != "" {
			t.Errorf("due at once (-want +got), where %s is another worker's and %s is planned:\n%s", theirs.ID, later.ID, diff)
		}
		if n := got[look.ID].Lapsed; n != 1 {
			t.Errorf("the look was claimed %d times and not finished, want once", n)
		}
		if got, err := lives.TakeOver(ctx, lease); err != nil || len(got) != 0 {
			t.Errorf("took over again from %v, %v", got, err)
		}
		h.check()
	})
}
