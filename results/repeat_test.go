package results_test

import (
	"fmt"
	"strconv"
	"sync"
	"testing"
	"time"

	"github.com/longhaul-jobs/longhaul/jobs"
	"github.com/longhaul-jobs/longhaul/results"
)

// The client repeats a script whose answer was lost. These tests lose the
// answer of each script after the server has carried it out.

func TestLostAnswerOfAccept(t *testing.T) {
	t.Parallel()
	onEach(t, results.Config{}, func(t *testing.T, h *harness) {
		other := h.another()
		for name, between := range map[string]func(){
			"repeated at once": nil,
			"repeated when the job is further": func() {
				for _, a := range other.admit() {
					other.step(a.Job, jobs.SubmitStarted{Attempt: 1})
				}
			},
		} {
			for _, key := range []string{"", "key of " + name} {
				before := h.loser.count()
				h.loser.loseNext(between)
				j := h.accept(jobs.Options{DedupeKey: key})
				if h.loser.count() != before+1 {
					t.Fatal("no answer was lost")
				}
				h.check()
				if key == "" {
					continue
				}
				again, fresh, err := h.Accept(t.Context(), request(t, "hello"), jobs.Options{DedupeKey: key})
				if err != nil || fresh || again.ID != j.ID {
					t.Errorf("%s: second submission: %s, fresh %t, err %v; want the first job", name, again.ID, fresh, err)
				}
			}
		}
		if n, err := h.Counts(t.Context(), ""); err != nil || n.Total() != 4 {
			t.Errorf("counts %v, err %v; want four jobs", n, err)
		}
	})
}

func TestLostAnswerOfEachStep(t *testing.T) {
	t.Parallel()
	onEach(t, results.Config{}, func(t *testing.T, h *harness) {
		j := h.accept(jobs.Options{})
		h.admit()
		events := []jobs.Event{
			jobs.SubmitStarted{Attempt: 1, Worker: "w", Endpoint: "openai"},
			jobs.CreateFailed{Attempt: 1, Failure: jobs.Failure{Class: jobs.ClassUnavailable}},
			jobs.SubmitStarted{Attempt: 2, Worker: "w", Endpoint: "openai"},
			jobs.Created{Attempt: 2, Reply: reply(t, "resp_2", jobs.StatusQueued)},
			jobs.StopRequested{Reason: jobs.StopCancel},
			jobs.StopGivenUp{ResponseID: "resp_2"},
			jobs.DeleteRequested{Remote: true},
			jobs.EffectDone{ID: 1},
		}
		for i, ev := range events {
			if i == 2 {
				h.admit()
			}
			h.loser.loseNext(nil)
			next := h.step(j.ID, ev)
			if h.loser.count() != i+1 {
				t.Fatalf("%s: no answer was lost", ev.Name())
			}
			if want := int64(i + 2); next.Version != want {
				t.Errorf("%s: version %d, want %d", ev.Name(), next.Version, want)
			}
			h.check()
		}
		// The last effect, with which the record goes.
		h.loser.loseNext(nil)
		h.step(j.ID, jobs.EffectDone{ID: 2})
		h.gone(j.ID)
		h.empty()
	})
}

// The version that a repeated step returns is its own, and not that of a step
// that came between: else its caller would overwrite that step unseen.
func TestLostAnswerWithOtherStepsInBetween(t *testing.T) {
	t.Parallel()
	onEach(t, results.Config{}, func(t *testing.T, h *harness) {
		const rivals = 7
		other := h.another()
		for between := 1; between <= rivals; between++ {
			// Attempts whose answers are late, and one that is being made.
			j := h.accept(jobs.Options{MaxAttempts: rivals + 1})
			for n := 1; n <= rivals; n++ {
				h.admit()
				h.step(j.ID, jobs.SubmitStarted{Attempt: n, Worker: "w"})
				h.step(j.ID, jobs.CreateFailed{Attempt: n, Failure: jobs.Failure{Class: jobs.ClassAmbiguous}})
			}
			h.admit()
			j = h.step(j.ID, jobs.SubmitStarted{Attempt: rivals + 1, Worker: "w"})

			before := j.Version
			h.loser.loseNext(func() {
				for n := 1; n <= between; n++ {
					other.step(j.ID, jobs.Created{Attempt: n, Reply: reply(t, fmt.Sprint("resp_", n), jobs.StatusQueued)})
				}
			})
			j, err := h.Advance(t.Context(), j, jobs.Created{Attempt: rivals + 1, Reply: reply(t, "resp_ours", jobs.StatusQueued)})
			if err != nil || j.Version != before+1 || len(j.Outbox) != 0 {
				t.Fatalf("version %d, outbox %v, err %v; want version %d as this step made it", j.Version, j.Outbox, err, before+1)
			}
			j, err = h.Advance(t.Context(), j, jobs.Looked{Reply: reply(t, "resp_ours", jobs.StatusCompleted)})
			if err != nil || j.State != jobs.StateSucceeded || len(j.Outbox) != between {
				t.Fatalf("next step: state %s, outbox %v, err %v; want the %d rivals not lost", j.State, j.Outbox, err, between)
			}
			h.check()
		}
	})
}

func TestLostAnswerOfAdmit(t *testing.T) {
	t.Parallel()
	onEach(t, results.Config{Shards: 1}, func(t *testing.T, h *harness) {
		for range 3 {
			h.accept(jobs.Options{})
		}
		h.loser.loseNext(nil)
		admitted, err := h.Admit(t.Context(), jobs.DefaultLane, 2)
		if err != nil || len(admitted) != 0 || h.loser.count() != 1 {
			t.Fatalf("repeated Admit: %v, err %v; want none of those that the first one took", admitted, err)
		}
		h.check()
		// Nobody has a task for them: the watchdog finds them overdue.
		h.ShiftClock(h.timing().Submit + time.Second)
		if due := h.claim(time.Minute); len(due) != 2 {
			t.Errorf("%d jobs are overdue, want the two that were admitted", len(due))
		}
	})
}

func TestLostAnswerOfClaim(t *testing.T) {
	t.Parallel()
	onEach(t, results.Config{}, func(t *testing.T, h *harness) {
		// The server must know the script: of sixteen sources it may have read only some
		// when the connection is lost with the first answer.
		if due, err := h.ClaimLooks(t.Context(), map[string]int{"openai": 10}, time.Minute); err != nil || len(due) != 0 {
			t.Fatalf("claimed %d jobs before there are any, %v", len(due), err)
		}
		j := h.in(jobs.StateRunning, jobs.Options{})
		h.loser.loseNext(nil)
		if due, err := h.ClaimLooks(t.Context(), map[string]int{"openai": 10}, time.Minute); err != nil || len(due) != 0 || h.loser.count() != 1 {
			t.Fatalf("repeated ClaimLooks: %d jobs, %v; want the lease of the first to hold", len(due), err)
		}
		h.check()
		h.ShiftClock(time.Minute + time.Second)
		if due := h.claim(time.Minute); due[j.ID].ID == "" {
			t.Error("job is not due when the lease of nobody has run out")
		}
	})
}

func TestLostAnswerOfSettle(t *testing.T) {
	t.Parallel()
	onEach(t, results.Config{}, func(t *testing.T, h *harness) {
		j := h.accept(jobs.Options{})
		h.admit()
		for want := 1; want <= 3; want++ {
			j = h.load(j.ID)
			h.loser.loseNext(nil)
			got := h.settle(results.Settlement{Job: j, Due: h.Now().Add(time.Minute), Nudge: true})
			if got[0] != want || h.load(j.ID).Nudge != want || h.loser.count() != want {
				t.Errorf("nudge %d, stored %d; want %d", got[0], h.load(j.ID).Nudge, want)
			}
		}
		h.check()
	})
}

func TestLostAnswerOfRemoveAndExpireAndAudit(t *testing.T) {
	t.Parallel()
	onEach(t, results.Config{Shards: 1}, func(t *testing.T, h *harness) {
		ctx := t.Context()
		j := h.in(jobs.StateFailed, jobs.Options{Group: "g", DedupeKey: "k"})
		h.loser.loseNext(nil)
		if gone, err := h.Remove(ctx, j); !gone || err != nil {
			t.Errorf("Remove = %t, err %v; want it gone", gone, err)
		}
		h.empty()

		h.in(jobs.StateSucceeded, jobs.Options{Retention: time.Second})
		h.ShiftClock(time.Minute)
		h.loser.loseNext(nil)
		h.expire()
		h.empty()

		j = h.in(jobs.StateRunning, jobs.Options{})
		h.rdb.ZRem(ctx, h.key(j.ID, "due"), string(j.ID))
		h.loser.loseNext(nil)
		h.audit()
		h.check()
		if h.loser.count() != 3 {
			t.Errorf("%d answers were lost, want 3", h.loser.count())
		}
	})
}

func TestOneOfManyStepsWins(t *testing.T) {
	t.Parallel()
	onEach(t, results.Config{}, func(t *testing.T, h *harness) {
		stores := []*harness{h, h.another(), h.another()}
		for range 20 {
			j := h.accept(jobs.Options{})
			h.admit()
			won := together(9, func(i int) bool {
				_, err := stores[i%3].Step(t.Context(), j.ID, jobs.SubmitStarted{Attempt: 1, Worker: strconv.Itoa(i)})
				if err != nil && !results.Unchanged(err) {
					t.Errorf("start: %v", err)
				}
				return err == nil
			})
			if won != 1 || len(h.load(j.ID).Attempts) != 1 {
				t.Fatalf("%d of 9 workers started the attempt, %d attempts; want one", won, len(h.load(j.ID).Attempts))
			}
		}
		h.check()
	})
}

// Steps that do not exclude one another are all in the record, whatever their
// order.
func TestNoneOfManyStepsIsLost(t *testing.T) {
	t.Parallel()
	onEach(t, results.Config{}, func(t *testing.T, h *harness) {
		stores := []*harness{h, h.another()}
		for range 20 {
			j := h.in(jobs.StateSubmitting, jobs.Options{})
			events := []jobs.Event{
				jobs.Created{Attempt: 1, Reply: reply(t, "resp_1", jobs.StatusQueued), FirstLook: h.Now()},
				jobs.StopRequested{Reason: jobs.StopCancel},
			}
			won := together(len(events), func(i int) bool {
				_, err := stores[i].Advance(t.Context(), j, events[i])
				if err != nil {
					t.Errorf("%s: %v", events[i].Name(), err)
				}
				return err == nil
			})
			j = h.load(j.ID)
			if won != 2 || j.State != jobs.StateRunning || j.Stop == nil || j.Attempts[0].ResponseID != "resp_1" || j.Version != 4 {
				t.Fatalf("%d steps, state %s, stop %v, version %d; want both", won, j.State, j.Stop, j.Version)
			}
		}
		h.check()
	})
}

// together calls f n times at the same moment and returns how often it was true.
func together(n int, f func(i int) bool) int {
	var mu sync.Mutex
	var all sync.WaitGroup
	start := make(chan struct{})
	count := 0
	for i := range n {
		all.Go(func() {
			<-start
			if f(i) {
				mu.Lock()
				defer mu.Unlock()
				count++
			}
		})
	}
	close(start)
	all.Wait()
	return count
}
