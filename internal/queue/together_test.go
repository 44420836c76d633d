package queue_test

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/longhaul-jobs/longhaul/internal/queue"
	"github.com/longhaul-jobs/longhaul/jobs"
)

// tries are the next attempts of some new jobs, and the calls that they lead to.
func tries(n int) (list []jobs.Try, calls []string) {
	for i := range n {
		t := jobs.Try{Job: newID(), Attempt: 1 + i%3}
		list, calls = append(list, t), append(calls, fmt.Sprintf("submit %s %d", t.Job, t.Attempt))
	}
	slices.Sort(calls)
	return list, calls
}

func (w *world) together(list []jobs.Try) {
	w.t.Helper()
	if err := w.client.SubmitTogether(w.t.Context(), lane, list); err != nil {
		w.t.Fatalf("SubmitTogether: %v", err)
	}
}

func (w *world) done() {
	w.t.Helper()
	eventually(w.t, "everything is done", func() bool { return w.left(w.names.Submit(lane)) == 0 })
}

// called returns what the handler was given, in order and once each.
func (h *handler) called() []string {
	h.mu.Lock()
	defer h.mu.Unlock()
	return slices.Compact(slices.Sorted(slices.Values(h.calls)))
}

// TestTogetherIsOneTaskAndTheLanesPlaces has more jobs in a task than places.
func TestTogetherIsOneTaskAndTheLanesPlaces(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	first, firstCalls := tries(8)
	second, secondCalls := tries(3)
	w.together(first)
	w.together(second)
	w.together(nil)
	if n := w.left(w.names.Submit(lane)); n != 2 {
		t.Errorf("%d tasks, want 2", n)
	}
	var mu sync.Mutex
	var atOnce, most int
	gate := make(chan struct{})
	h := &handler{do: func(context.Context, jobs.ID, int) error {
		mu.Lock()
		atOnce++
		most = max(most, atOnce)
		mu.Unlock()
		<-gate
		mu.Lock()
		atOnce--
		mu.Unlock()
		return nil
	}}
	w.serveSubmits(h, w.config())
	eventually(t, "all places are taken", func() bool { return h.count() == w.config().Concurrency })
	close(gate)
	w.done()
	want := append(firstCalls, secondCalls...)
	slices.Sort(want)
	if diff := cmp.Diff(want, h.called()); diff != "" || h.count() != len(want) {
		t.Errorf("%d calls (-want +got):\n%s", h.count(), diff)
	}
	if most != w.config().Concurrency {
		t.Errorf("%d submits at once, want %d", most, w.config().Concurrency)
	}
}

// TestFailureIsNotTheOthers has one job fail, or panic, in the midst of others.
func TestFailureIsNotTheOthers(t *testing.T) {
	t.Parallel()
	for name, fail := range map[string]func() error{
		"an error": func() error { return errors.New("redis does not answer") },
		"a panic":  func() error { panic("oh") },
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			w := newWorld(t)
			list, want := tries(5)
			var once sync.Once
			h := &handler{do: func(_ context.Context, id jobs.ID, _ int) error {
				var err error
				if id == list[2].Job {
					once.Do(func() { err = fail() })
				}
				return err
			}}
			w.together(list)
			w.serveSubmits(h, w.config())
			w.done()
			if diff := cmp.Diff(want, h.called()); diff != "" {
				t.Errorf("calls (-want +got):\n%s", diff)
			}
			if n := w.tasks("submit", "retried"); n != 1 {
				t.Errorf("%v tasks were repeated, want 1", n)
			}
		})
	}
}

// TestWhatWasNotBegunGoesToAnotherWorker stops a server whose task has more jobs
// than it has places. What is in work is finished; the others do not wait for it,
// nor for Asynq to find out.
//
// Guarantee: G4.
func TestWhatWasNotBegunGoesToAnotherWorker(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	list, want := tries(4)
	begun, finish := make(chan struct{}), make(chan struct{})
	leaving := &handler{do: func(context.Context, jobs.ID, int) error {
		close(begun) // or panic, if a second one is begun
		<-finish
		return nil
	}}
	one := w.config()
	one.Concurrency = 1
	server := queue.NewSubmitServer(w.rdb, w.names, lane, leaving, one, w.metrics, w.logger())
	stop := w.serve(server)
	w.together(list)
	<-begun
	stopped := make(chan struct{})
	go func() { stop(); close(stopped) }()
	eventually(t, "it takes nothing new", server.Closing)
	close(finish)
	<-stopped
	staying := &handler{}
	w.serveSubmits(staying, one)
	w.done()
	if diff := cmp.Diff(want, staying.called()); diff != "" {
		t.Errorf("calls of the worker that stays (-want +got):\n%s", diff)
	}
	if n := leaving.count(); n != 1 {
		t.Errorf("the worker that left began %d submits, want 1", n)
	}
	if strings.Contains(w.log.String(), "task failed") {
		t.Errorf("a drain is told as a failure: %s", w.log)
	}
}

// TestJobIsAdmittedAgainWhileItsTaskGoesOn has a job go back to its lane and come
// again, while the task that it came with is still at another job.
func TestJobIsAdmittedAgainWhileItsTaskGoesOn(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	list, _ := tries(2)
	gate := make(chan struct{})
	h := &handler{do: func(_ context.Context, id jobs.ID, _ int) error {
		if id == list[1].Job {
			<-gate
		}
		return nil
	}}
	w.serveSubmits(h, w.config())
	w.together(list)
	eventually(t, "both are begun", func() bool { return h.count() == 2 })
	w.together(list[:1])
	w.together(list)
	eventually(t, "the first comes again, twice", func() bool { return h.count() >= 4 })
	close(gate)
	w.done()
}
