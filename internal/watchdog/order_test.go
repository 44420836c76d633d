package watchdog_test

import (
	"log/slog"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/longhaul-jobs/longhaul/jobs"
)

// after is a job that waits for others.
func after(ids ...jobs.ID) jobs.Job {
	j := job(jobs.StateWaiting)
	j.After, j.Awaiting, j.AskAt = ids, ids, j.Created
	return j
}

// TestAsksHowThoseStandThatAJobWaitsFor: it is told of those that have ended, and is
// put down to be told of the others; until then it asks ever more rarely.
//
// Guarantee: G28.
func TestAsksHowThoseStandThatAJobWaitsFor(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		k := newKennel(slog.New(slog.DiscardHandler))
		done, open := k.store.put(job(jobs.StateSucceeded)), k.store.put(job(jobs.StateRunning))
		j := after(done.ID, open.ID)
		j.Deadline = time.Now().Add(24 * time.Hour)
		j = k.store.put(j)
		for _, wait := range []int{1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 10, 10} {
			want := time.Duration(wait) * time.Minute
			if err := k.dog.Overdue(t.Context(), j); err != nil {
				t.Fatal(err)
			}
			j, _ = k.store.job(j.ID)
			if due := time.Until(k.store.due[j.ID]); due != want || !slices.Equal(j.Awaiting, []jobs.ID{open.ID}) {
				t.Fatalf("due in %v, want %v; waits for %v", due, want, j.Awaiting)
			}
		}
		if !slices.Equal(k.store.dependents[open.ID], []jobs.ID{j.ID}) || len(k.store.dependents[done.ID]) > 0 {
			t.Errorf("to be told: %v", k.store.dependents)
		}
		// Nothing tells it, and it finds out all the same.
		open.State = jobs.StateSucceeded
		k.store.put(open)
		if err := k.dog.Overdue(t.Context(), j); err != nil {
			t.Fatal(err)
		}
		if j, _ = k.store.job(j.ID); j.Aside() || j.State != jobs.StateWaiting {
			t.Errorf("%s, waits for %v", j.State, j.Awaiting)
		}
		if len(k.queue.tasks) > 0 {
			t.Errorf("enqueued %v", k.queue.tasks)
		}
	})
}

func TestAsksOfOthersThatAreNotAsTheyShouldBe(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		var log strings.Builder
		k := newKennel(slog.New(slog.NewTextHandler(&log, nil)))
		newer := job(jobs.StateSucceeded)
		newer.Schema = jobs.Schema + 1
		j := k.store.put(after(k.store.put(newer).ID))
		if err := k.dog.Overdue(t.Context(), j); err != nil {
			t.Fatal(err)
		}
		if due := time.Until(k.store.due[j.ID]); due != time.Minute || k.store.state(j.ID) != "waiting" {
			t.Errorf("%s, due in %v; want it left to a worker that can read the other", k.store.state(j.ID), due)
		}
		j = k.store.put(after(k.store.put(job(jobs.StateRunning)).ID))
		j.Deadline = time.Now().Add(time.Second)
		k.store.put(j)
		if err := k.dog.Overdue(t.Context(), j); err != nil {
			t.Fatal(err)
		}
		if due := time.Until(k.store.due[j.ID]); due != time.Second {
			t.Errorf("due in %v, want the deadline", due)
		}
		time.Sleep(time.Second)
		if err := k.dog.Overdue(t.Context(), j); err != nil || k.store.state(j.ID) != "expired" {
			t.Errorf("%s, %v; want expired", k.store.state(j.ID), err)
		}
		j = k.store.put(after(jobs.NewID(time.Now(), 3)))
		if err := k.dog.Overdue(t.Context(), j); err != nil || k.store.state(j.ID) != "failed" {
			t.Errorf("%s, %v; want failed with one that is gone", k.store.state(j.ID), err)
		}
		if !strings.Contains(log.String(), "code=dependency_gone") {
			t.Errorf("log:\n%s", log.String())
		}
		k.store.setAway(true)
		if err := k.dog.Overdue(t.Context(), j); err == nil {
			t.Error("Redis was away, and that is no error")
		}
	})
}

// TestTellsAThousandOfAnEnd does so by pages, and lets go of the job in between.
//
// Guarantee: G28.
func TestTellsAThousandOfAnEnd(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		k := newKennel(slog.New(slog.DiscardHandler))
		ended := job(jobs.StateFailed)
		ended.Failure = &jobs.Failure{Class: jobs.ClassRejected}
		ended.Ended, ended.Links, ended.Effects = ended.Updated, jobs.LinkWaited, 4
		ended.Outbox = []jobs.Effect{{ID: 4, Kind: jobs.EffectTell}}
		k.store.put(ended)
		for range 1000 {
			j := k.store.put(after(ended.ID))
			k.store.dependents[ended.ID] = append(k.store.dependents[ended.ID], j.ID)
		}
		gone := jobs.NewID(time.Now(), 1)
		k.store.dependents[ended.ID] = append(k.store.dependents[ended.ID], gone)
		claims := 0
		for ; ended.Telling() != nil && claims < 10; claims++ {
			if err := k.dog.Overdue(t.Context(), ended); err != nil {
				t.Fatal(err)
			}
			ended, _ = k.store.job(ended.ID)
		}
		if claims != 3 || slices.Max(k.store.pages) != 100 {
			t.Errorf("told in %d claims, by %v", claims, k.store.pages)
		}
		for id, j := range k.store.jobs {
			if j.State != jobs.StateFailed {
				t.Fatalf("%s is %s", id, j.State)
			}
		}
		if len(k.queue.tasks) > 0 {
			t.Errorf("enqueued %v", k.queue.tasks)
		}
	})
}

// TestTellsNothingOfAJobThatGoesOn again: its next end is told.
func TestTellsNothingOfAJobThatGoesOn(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		k := newKennel(slog.New(slog.DiscardHandler))
		retried := job(jobs.StateWaiting)
		retried.Links, retried.Outbox, retried.Effects = jobs.LinkWaited, []jobs.Effect{{ID: 4, Kind: jobs.EffectTell}}, 4
		k.store.put(retried)
		j := k.store.put(after(retried.ID))
		k.store.dependents[retried.ID] = []jobs.ID{j.ID}
		if err := k.dog.Overdue(t.Context(), retried); err != nil {
			t.Fatal(err)
		}
		if k.store.state(j.ID) != "waiting" || len(k.store.dependents[retried.ID]) != 1 {
			t.Errorf("%s, and %v are to be told", k.store.state(j.ID), k.store.dependents)
		}
		if retried, _ = k.store.job(retried.ID); retried.Telling() != nil {
			t.Errorf("still owed: %+v", retried.Outbox)
		}
	})
}
