package results_test

import (
	"errors"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/longhaul-jobs/longhaul/jobs"
	"github.com/longhaul-jobs/longhaul/results"
)

// attend has a job told of the ends of those that it waits for.
func (h *harness) attend(j jobs.Job) []jobs.ID {
	h.t.Helper()
	ended, err := h.Attend(h.t.Context(), j.ID, j.WaitsFor())
	if err != nil {
		h.t.Fatalf("Attend: %v", err)
	}
	return ended
}

func (h *harness) dependents(id jobs.ID, limit int) []jobs.ID {
	h.t.Helper()
	ids, err := h.Dependents(h.t.Context(), id, limit)
	if err != nil {
		h.t.Fatalf("Dependents: %v", err)
	}
	return ids
}

func (h *harness) noteTold(id jobs.ID, told ...jobs.ID) int {
	h.t.Helper()
	left, err := h.Told(h.t.Context(), id, told)
	if err != nil {
		h.t.Fatalf("Told: %v", err)
	}
	return left
}

// TestJobWaitsOutsideItsLane is admitted only after what it waits for has succeeded,
// is due at once to ask for it, and an audit leaves it where it is.
//
// Guarantee: G28.
func TestJobWaitsOutsideItsLane(t *testing.T) {
	t.Parallel()
	onEach(t, results.Config{}, func(t *testing.T, h *harness) {
		first := h.in(jobs.StateRunning, jobs.Options{})
		j := h.accept(jobs.Options{After: []jobs.ID{first.ID}, Deadline: h.Now().Add(time.Hour)})
		h.check()
		if admitted := h.admit(); len(admitted) != 0 {
			t.Fatalf("admitted %v", admitted)
		}
		if _, due := h.claim(time.Minute)[j.ID]; !due {
			t.Error("nobody is to ask how the other stands")
		}
		h.attend(j)
		h.check()
		if n := h.audit(); n != 0 {
			t.Errorf("Audit repaired %d entries", n)
		}
		ended := h.step(first.ID, jobs.Looked{Reply: reply(t, "resp_"+string(first.ID), jobs.StatusCompleted)})
		h.check()
		if got := h.claim(time.Minute)[first.ID]; got.Telling() == nil {
			t.Fatalf("the end is due to be told: %+v", got.Outbox)
		}
		for _, id := range h.dependents(first.ID, 10) {
			h.step(id, ended.Ending())
		}
		h.noteTold(first.ID, j.ID)
		h.step(first.ID, jobs.EffectDone{ID: ended.Telling().ID})
		h.check()
		if admitted := h.admit(); len(admitted) != 1 || admitted[0].Job != j.ID {
			t.Errorf("admitted %v, want the job", admitted)
		}
	})
}

// TestAuditPutsBackThatAJobIsToAsk, should its entry be lost.
//
// Guarantees: G11, G28.
func TestAuditPutsBackThatAJobIsToAsk(t *testing.T) {
	t.Parallel()
	h := onRedis(t, results.Config{})
	j := h.accept(jobs.Options{After: []jobs.ID{h.accept(jobs.Options{NotBefore: h.Now().Add(time.Hour)}).ID}})
	if err := h.rdb.ZRem(t.Context(), h.key(j.ID, "due"), string(j.ID)).Err(); err != nil {
		t.Fatal(err)
	}
	if n := h.audit(); n != 1 {
		t.Errorf("Audit repaired %d entries, want 1", n)
	}
	if _, due := h.claim(time.Minute)[j.ID]; !due {
		t.Error("nobody is to ask")
	}
	h.check()
}

// TestEndAndRegistrationCannotMissEachOther lets jobs begin to wait for one while it
// ends: each is either told by it or finds it ended.
//
// Guarantee: G28.
func TestEndAndRegistrationCannotMissEachOther(t *testing.T) {
	t.Parallel()
	onEach(t, results.Config{}, func(t *testing.T, h *harness) {
		for range 20 {
			first := h.in(jobs.StateRunning, jobs.Options{})
			waiting := make([]jobs.Job, 6)
			for i := range waiting {
				waiting[i] = h.accept(jobs.Options{After: []jobs.ID{first.ID}})
			}
			var all sync.WaitGroup
			var mu sync.Mutex
			found := make(map[jobs.ID]bool)
			start := make(chan struct{})
			for _, j := range waiting {
				all.Go(func() {
					<-start
					if ended := h.attend(j); len(ended) == 1 {
						mu.Lock()
						defer mu.Unlock()
						found[j.ID] = true
					}
				})
			}
			all.Go(func() {
				<-start
				h.step(first.ID, jobs.Looked{Reply: reply(t, "resp_"+string(first.ID), jobs.StatusCompleted)})
			})
			close(start)
			all.Wait()
			listed := h.dependents(first.ID, 100)
			for _, j := range waiting {
				if found[j.ID] == slices.Contains(listed, j.ID) {
					t.Errorf("found the end: %t, is to be told: %t; want one of both", found[j.ID], !found[j.ID])
				}
			}
			if tells := h.load(first.ID).Telling() != nil; tells != (len(listed) > 0) {
				t.Errorf("%d are to be told, and it is owed: %t", len(listed), tells)
			}
			h.check()
		}
	})
}

// TestLostAnswersAmongJobs repeats each of the scripts between jobs, with what came
// between.
func TestLostAnswersAmongJobs(t *testing.T) {
	t.Parallel()
	onEach(t, results.Config{}, func(t *testing.T, h *harness) {
		other := h.another()
		first := h.in(jobs.StateRunning, jobs.Options{})
		h.loser.loseNext(nil)
		j := h.accept(jobs.Options{After: []jobs.ID{first.ID}})
		h.check()
		h.loser.loseNext(func() {
			other.step(first.ID, jobs.Looked{Reply: reply(t, "resp_"+string(first.ID), jobs.StatusCompleted)})
		})
		// The end came between the two: it is found, and told beside.
		if ended := h.attend(j); !slices.Equal(ended, []jobs.ID{first.ID}) {
			t.Errorf("ended: %v", ended)
		}
		h.check()
		h.loser.loseNext(nil)
		h.step(j.ID, h.load(first.ID).Ending())
		h.loser.loseNext(nil)
		if left := h.noteTold(first.ID, j.ID); left != 0 {
			t.Errorf("%d are left", left)
		}
		h.step(first.ID, jobs.EffectDone{ID: h.load(first.ID).Telling().ID})
		h.check()
		if h.loser.count() != 4 {
			t.Errorf("%d answers were lost", h.loser.count())
		}
	})
}

// TestJobThatIsWaitedForIsNotDeletedBeforeItHasTold is deleted by whoever told.
func TestJobThatIsWaitedForIsNotDeletedBeforeItHasTold(t *testing.T) {
	t.Parallel()
	h := onRedis(t, results.Config{})
	first := h.in(jobs.StateRunning, jobs.Options{Retention: time.Minute})
	j := h.accept(jobs.Options{After: []jobs.ID{first.ID}})
	h.attend(j)
	h.step(first.ID, jobs.StopRequested{Reason: jobs.StopCancel})
	ended := h.step(first.ID, jobs.Looked{Reply: reply(t, "resp_"+string(first.ID), jobs.StatusCancelled)})
	h.step(first.ID, jobs.DeleteRequested{})
	h.ShiftClock(2 * time.Minute)
	h.expire()
	h.check()
	failed := h.step(j.ID, h.load(first.ID).Ending())
	if failed.State != jobs.StateFailed || !strings.Contains(failed.Failure.Message, string(first.ID)+", which it waits for, is cancelled") {
		t.Errorf("%s, %v", failed.State, failed.Failure)
	}
	h.noteTold(first.ID, j.ID)
	h.step(first.ID, jobs.EffectDone{ID: ended.Telling().ID})
	h.gone(first.ID)
	// One that was not told in time finds nothing there.
	late := h.in(jobs.StateFailed, jobs.Options{})
	j = h.accept(jobs.Options{After: []jobs.ID{late.ID}})
	h.step(late.ID, jobs.DeleteRequested{})
	if ending, err := h.Ending(t.Context(), late.ID); err != nil || ending != (jobs.DependencyEnded{Job: late.ID}) || len(h.attend(j)) != 1 {
		t.Errorf("%+v, %v", ending, err)
	}
	h.check()
}

// TestThoseThatAreWaitedForMustBeThere is refused at the door by name, but for a
// request that was accepted before they went.
//
// Guarantees: G10, G13.
func TestThoseThatAreWaitedForMustBeThere(t *testing.T) {
	t.Parallel()
	h := onRedis(t, results.Config{})
	first := h.in(jobs.StateFailed, jobs.Options{})
	options := jobs.Options{After: []jobs.ID{first.ID}, DedupeKey: "once"}
	j := h.accept(options)
	h.step(first.ID, jobs.DeleteRequested{})
	again, fresh, err := h.Accept(t.Context(), request(t, "hello"), options)
	if err != nil || fresh || again.ID != j.ID {
		t.Errorf("%s, fresh %t, %v; want the job that is there", again.ID, fresh, err)
	}
	for _, tt := range []struct {
		options jobs.Options
		field   string
	}{
		{jobs.Options{After: []jobs.ID{j.ID, first.ID}}, "after"},
		{jobs.Options{ContinueFrom: first.ID}, "continue_from"},
		{jobs.Options{After: []jobs.ID{"job_0199f0c0a800700080000000000000ff"}}, "after"},
	} {
		_, _, err := h.Accept(t.Context(), request(t, "hello"), tt.options)
		if e, ok := errors.AsType[*jobs.Error](err); !ok || e.Param != tt.field || !strings.Contains(e.Message, "no such job") {
			t.Errorf("%+v: %v", tt.options, err)
		}
	}
	h.check()
}

// TestManyWaitForOne and are listed by pages; a chain of a hundred is a hundred jobs
// that each wait for one.
func TestManyWaitForOne(t *testing.T) {
	t.Parallel()
	h := onRedis(t, results.Config{})
	first := h.in(jobs.StateRunning, jobs.Options{})
	for range 300 {
		h.attend(h.accept(jobs.Options{After: []jobs.ID{first.ID}}))
	}
	seen := 0
	for pages := 0; ; pages++ {
		page := h.dependents(first.ID, 100)
		if len(page) == 0 {
			if pages != 3 || seen != 300 {
				t.Errorf("%d in %d pages", seen, pages)
			}
			break
		}
		seen += len(page)
		if left := h.noteTold(first.ID, page...); left != 300-seen {
			t.Errorf("%d are left after %d", left, seen)
		}
	}
	last := first
	for range 100 {
		last = h.accept(jobs.Options{After: []jobs.ID{last.ID}})
		h.attend(last)
	}
	h.check()
	if counts, err := h.Counts(t.Context(), ""); err != nil || counts.Total() != 401 {
		t.Errorf("%v, %v", counts, err)
	}
}

// TestThreadIsInOneShard puts each job behind the last one in the step that accepts it,
// and leaves nothing when its jobs are gone. A dedupe key is the thread's own.
//
// Guarantee: G29.
func TestThreadIsInOneShard(t *testing.T) {
	t.Parallel()
	onEach(t, results.Config{}, func(t *testing.T, h *harness) {
		first := h.accept(jobs.Options{Thread: "t", DedupeKey: "k"})
		h.loser.loseNext(nil)
		second := h.accept(jobs.Options{Thread: "t"})
		other := h.accept(jobs.Options{Thread: "u", DedupeKey: "k"})
		h.check()
		if second.Follows != first.ID || first.ID.Shard() != second.ID.Shard() || other.Follows != "" {
			t.Fatalf("follows %q, in shard %d and %d; another thread's follows %q", second.Follows, first.ID.Shard(), second.ID.Shard(), other.Follows)
		}
		if again, fresh, err := h.Accept(t.Context(), request(t, "hello"), jobs.Options{Thread: "t", DedupeKey: "k"}); err != nil || fresh || again.ID != first.ID {
			t.Errorf("%s, fresh %t, %v", again.ID, fresh, err)
		}
		if admitted := h.admit(); len(admitted) != 2 {
			t.Errorf("admitted %v, want the first of each thread", admitted)
		}
		for _, id := range []jobs.ID{first.ID, second.ID, other.ID} {
			j := h.step(id, jobs.StopRequested{Reason: jobs.StopCancel})
			if tell := j.Telling(); tell != nil {
				for _, waits := range h.dependents(id, 10) {
					h.step(waits, j.Ending())
				}
				h.noteTold(id, second.ID)
				h.step(id, jobs.EffectDone{ID: tell.ID})
			}
			h.check()
			h.step(id, jobs.DeleteRequested{})
		}
		h.empty()
	})
}
