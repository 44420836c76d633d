package watchdog_test

import (
	"log/slog"
	"slices"
	"testing"
	"testing/synctest"
	"time"

	"github.com/longhaul-jobs/longhaul/jobs"
	"github.com/longhaul-jobs/longhaul/results"
)

// parent is a job that has parts, and waits for them.
func parent() jobs.Job {
	j := job(jobs.StateWaiting)
	j.Kind, j.Plan, j.AskAt = jobs.KindSummarize, &jobs.Plan{Phase: 1, Since: j.Created}, j.Created.Add(time.Minute)
	return j
}

// family is a parent and its parts, which are in the given states.
func (k *kennel) family(states ...jobs.State) (jobs.Job, []jobs.ID) {
	j := k.store.put(parent())
	var ids []jobs.ID
	for i, state := range states {
		part := job(state)
		part.Parent = j.ID
		if state.Terminal() {
			part.Ended = part.Updated
		}
		k.store.put(part)
		ids = append(ids, part.ID)
		k.store.parts[j.ID] = append(k.store.parts[j.ID], results.PlanPart{ID: part.ID, Phase: 1, Index: i})
	}
	return j, ids
}

// waitFor has a job wait for the end of another.
func (k *kennel) waitFor(id, dependent jobs.ID) {
	other, _ := k.store.job(id)
	other.Links = jobs.LinkWaited
	k.store.put(other)
	k.store.dependents[id] = append(k.store.dependents[id], dependent)
}

// pay does what a job owes, and fails the test if that does not come to an end.
func (k *kennel) pay(t *testing.T, id jobs.ID) jobs.Job {
	t.Helper()
	for range 20 {
		j, ok := k.store.job(id)
		if !ok || j.LocalEffect() == nil {
			return j
		}
		if err := k.dog.Overdue(t.Context(), j); err != nil {
			t.Fatal(err)
		}
	}
	t.Fatal("it is never paid")
	return jobs.Job{}
}

// TestTellsParentsOfTheEndsOfTheirParts beside those that wait for the job.
//
// Guarantee: G30.
func TestTellsParentsOfTheEndsOfTheirParts(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		k := newKennel(slog.New(slog.DiscardHandler))
		j, ids := k.family(jobs.StateSucceeded)
		k.waitFor(ids[0], j.ID)
		part, _ := k.store.job(ids[0])
		part.Outbox, part.Effects = []jobs.Effect{{ID: 1, Kind: jobs.EffectTell}}, 1
		k.store.put(part)
		if part = k.pay(t, ids[0]); len(part.Outbox) > 0 {
			t.Errorf("still owed: %+v", part.Outbox)
		}
		if got := k.store.partsEnded[j.ID]; !slices.Equal(got, ids) {
			t.Errorf("told of %v, want %v", got, ids)
		}
		if now, _ := k.store.job(j.ID); now.State != jobs.StateWaiting || now.Version != j.Version {
			t.Errorf("the parent was changed: %+v", now)
		}
	})
}

// TestStopsThePartsOfAStoppedParent, but for those that another open job waits for.
//
// Guarantee: G30.
func TestStopsThePartsOfAStoppedParent(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		k := newKennel(slog.New(slog.DiscardHandler))
		j, ids := k.family(jobs.StateWaiting, jobs.StateRunning, jobs.StateSucceeded, jobs.StateWaiting, jobs.StateWaiting)
		gone := jobs.NewID(time.Now(), 1)
		k.store.parts[j.ID] = append(k.store.parts[j.ID], results.PlanPart{ID: gone, Phase: 1, Index: 9})
		for _, id := range ids {
			k.waitFor(id, j.ID)
		}
		open, over := k.store.put(parent()), k.store.put(job(jobs.StateCancelled))
		k.waitFor(ids[3], open.ID)
		k.waitFor(ids[4], over.ID)
		if _, err := k.store.Step(t.Context(), j.ID, jobs.StopRequested{Reason: jobs.StopCancel}); err != nil {
			t.Fatal(err)
		}
		if j = k.pay(t, j.ID); j.State != jobs.StateCancelled || len(j.Outbox) > 0 {
			t.Fatalf("%s, owes %+v", j.State, j.Outbox)
		}
		var states []string
		for _, id := range ids {
			part, _ := k.store.job(id)
			state := string(part.State)
			if part.Stop != nil {
				state += ", stopped"
				if part.Stop.Parent != j.ID {
					t.Errorf("it is stopped for %q", part.Stop.Parent)
				}
			}
			states = append(states, state)
		}
		if want := []string{"cancelled, stopped", "running, stopped", "succeeded", "waiting", "cancelled, stopped"}; !slices.Equal(states, want) {
			t.Errorf("parts are %q, want %q", states, want)
		}
	})
}

// TestAPartIsWantedByTheLastOfMany that wait for it: the others were cancelled before.
//
// Guarantee: G30.
func TestAPartIsWantedByTheLastOfMany(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		k := newKennel(slog.New(slog.DiscardHandler))
		j, ids := k.family(jobs.StateRunning)
		for range 120 {
			k.waitFor(ids[0], k.store.put(job(jobs.StateCancelled)).ID)
		}
		k.waitFor(ids[0], k.store.put(parent()).ID)
		if _, err := k.store.Step(t.Context(), j.ID, jobs.StopRequested{Reason: jobs.StopCancel}); err != nil {
			t.Fatal(err)
		}
		k.pay(t, j.ID)
		if part, _ := k.store.job(ids[0]); part.Stop != nil {
			t.Errorf("it is stopped: %+v", part.Stop)
		}
	})
}

// TestStopsThousandsOfParts by and by, and lets go of the parent in between.
func TestStopsThousandsOfParts(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		k := newKennel(slog.New(slog.DiscardHandler))
		j, ids := k.family(slices.Repeat([]jobs.State{jobs.StateWaiting}, 2500)...)
		j, err := k.store.Step(t.Context(), j.ID, jobs.StopRequested{Reason: jobs.StopDeadline})
		if err != nil {
			t.Fatal(err)
		}
		if err := k.dog.Overdue(t.Context(), j); err != nil {
			t.Fatal(err)
		}
		if due := k.store.due[j.ID]; !due.Equal(time.Now()) {
			t.Errorf("due at %s, want at once", due)
		}
		k.pay(t, j.ID)
		for _, id := range ids {
			if part, _ := k.store.job(id); part.State != jobs.StateCancelled {
				t.Fatalf("%s is %s", id, part.State)
			}
		}
	})
}

// TestARetriedParentKeepsItsParts, although they were to be stopped.
//
// Guarantee: G30.
func TestARetriedParentKeepsItsParts(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		k := newKennel(slog.New(slog.DiscardHandler))
		j, ids := k.family(jobs.StateWaiting)
		stopped, err := k.store.Step(t.Context(), j.ID, jobs.StopRequested{Reason: jobs.StopCancel})
		if err != nil {
			t.Fatal(err)
		}
		if _, err := k.store.Step(t.Context(), j.ID, jobs.RetryRequested{}); err != nil {
			t.Fatal(err)
		}
		now, _ := k.store.job(j.ID)
		if err := k.dog.Overdue(t.Context(), now); err != nil { // what was claimed for the stop
			t.Fatal(err)
		}
		if stopped.LocalEffect() == nil || k.store.state(ids[0]) != "waiting" || !k.store.due[j.ID].Equal(now.AskAt) {
			t.Errorf("the part is %s, the parent due at %s", k.store.state(ids[0]), k.store.due[j.ID])
		}
	})
}

// TestDeletesThePartsOfADeletedParent: its own that nobody else waits for, once they
// have ended, and the parent after them.
//
// Guarantees: G14, G30.
func TestDeletesThePartsOfADeletedParent(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		k := newKennel(slog.New(slog.DiscardHandler))
		j, ids := k.family(jobs.StateSucceeded, jobs.StateRunning, jobs.StateSucceeded, jobs.StateSucceeded)
		found, _ := k.store.job(ids[2])
		found.Parent = jobs.NewID(time.Now(), 2)
		k.store.put(found)
		open := k.store.put(parent())
		k.store.dependents[ids[3]] = []jobs.ID{open.ID} // which has nothing to be told: the part has ended
		for _, ev := range []jobs.Event{
			jobs.PlanEnded{Since: j.Plan.Since, Result: []byte(`{}`)}, jobs.DeleteRequested{Remote: true},
		} {
			if _, err := k.store.Step(t.Context(), j.ID, ev); err != nil {
				t.Fatal(err)
			}
		}
		now, _ := k.store.job(j.ID)
		if err := k.dog.Overdue(t.Context(), now); err == nil {
			t.Error("a part that runs is deleted")
		}
		if k.store.due[j.ID].Before(time.Now()) {
			t.Error("it is not tried again later")
		}
		running, _ := k.store.job(ids[1])
		running.State, running.Ended = jobs.StateCancelled, time.Now()
		k.store.put(running)
		now = k.pay(t, j.ID)
		for i, want := range []bool{true, true, false, false} {
			if part, there := k.store.job(ids[i]); there && part.Deleting != want {
				t.Errorf("part %d: deleted %t, want %t", i, part.Deleting, want)
			}
		}
		if !now.Deleting || len(now.Outbox) > 0 {
			t.Errorf("the parent: deleted %t, owes %+v", now.Deleting, now.Outbox)
		}
	})
}
