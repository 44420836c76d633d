package results_test

import (
	"testing"
	"time"

	"github.com/longhaul-jobs/longhaul/jobs"
	"github.com/longhaul-jobs/longhaul/results"
)

// TestNewerRecordsDoNotBlockALane has more jobs of a newer schema at the head of
// a lane than its window holds: ours go past them, and they are as they were.
//
// Guarantee: G15.
func TestNewerRecordsDoNotBlockALane(t *testing.T) {
	t.Parallel()
	onEach(t, results.Config{Shards: 1}, func(t *testing.T, h *harness) {
		newer := make([]jobs.ID, 6)
		for i := range newer {
			var options jobs.Options
			if i%2 == 0 { // the others had their time before the newer worker went
				options.NotBefore = h.Now().Add(time.Second)
			}
			newer[i] = h.accept(options).ID
			h.setHead(newer[i], headSchema, jobs.Schema+1)
		}
		h.ShiftClock(2 * time.Second)
		ours := h.accept(jobs.Options{})
		var admitted []results.Admission
		for range 4 {
			got, err := h.Admit(t.Context(), jobs.DefaultLane, 2)
			if err != nil {
				t.Fatal(err)
			}
			admitted = append(admitted, got...)
		}
		if len(admitted) != 1 || admitted[0].Job != ours.ID {
			t.Errorf("admitted %v, want %s alone", admitted, ours.ID)
		}
		if got := h.metric("longhaul_results_newer_schema_total"); got != float64(len(newer)) {
			t.Errorf("newer_schema_total = %v, want %d", got, len(newer))
		}
		for _, id := range newer {
			if h.head(id)[headAdmitted] != "" {
				t.Errorf("%s was admitted", id)
			}
			if h.rdb.ZScore(t.Context(), h.key(id, "later:default"), string(id)).Err() != nil {
				t.Errorf("%s is not in its lane any more", id)
			}
		}
	})
}

// TestDedupeKeyOfADeletedJobIsFree submits again while the first job waits for
// OpenAI's copy to be deleted: it gets a job of its own, not one that vanishes.
//
// Guarantee: G10.
func TestDedupeKeyOfADeletedJobIsFree(t *testing.T) {
	t.Parallel()
	onEach(t, results.Config{}, func(t *testing.T, h *harness) {
		options := jobs.Options{DedupeKey: "k"}
		first := h.in(jobs.StateSucceeded, options)
		h.step(first.ID, jobs.DeleteRequested{Remote: true})
		second := h.accept(options)
		if second.ID == first.ID {
			t.Fatal("the submission was answered with the job that is being deleted")
		}
		h.check()
		first = h.load(first.ID)
		h.step(first.ID, jobs.EffectDone{ID: first.Outbox[0].ID})
		h.gone(first.ID)
		if again, fresh, err := h.Accept(t.Context(), request(t, "text"), options); err == nil && fresh {
			t.Errorf("%s is a new job: the key went with the deleted one", again.ID)
		}
		h.check()
	})
}

// TestLooksAndOtherDebtsAreClaimedApart has a running and an admitted job due.
func TestLooksAndOtherDebtsAreClaimedApart(t *testing.T) {
	t.Parallel()
	onEach(t, results.Config{}, func(t *testing.T, h *harness) {
		running := h.in(jobs.StateRunning, jobs.Options{})
		submitting := h.in(jobs.StateSubmitting, jobs.Options{})
		h.ShiftClock(time.Hour)
		looks, err := h.ClaimLooks(t.Context(), map[string]int{"openai": 10}, time.Minute)
		if err != nil || len(looks) != 1 || looks[0].ID != running.ID {
			t.Errorf("looks: %v, %v; want the running job", looks, err)
		}
		due, err := h.ClaimDue(t.Context(), 10, time.Minute)
		if err != nil || len(due) != 1 || due[0].ID != submitting.ID {
			t.Errorf("due: %v, %v; want the submitting job", due, err)
		}
	})
}
