package client_test

import (
	"context"
	"errors"
	"fmt"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/longhaul-jobs/longhaul/jobs"
	"github.com/longhaul-jobs/longhaul/results"
)

// tell has a worker keep n pieces of text of an attempt, from a number on.
func (w *worker) tell(id jobs.ID, attempt int, from, n int64) {
	w.t.Helper()
	var events []jobs.Progress
	for i := range n {
		events = append(events, jobs.Progress{
			Place: jobs.Place{Attempt: attempt, Sequence: from + i}, Type: jobs.TextDelta, Delta: fmt.Sprintf("%d.%d ", attempt, from+i),
		})
	}
	if _, err := w.store.AddProgress(w.t.Context(), id, events); err != nil {
		w.t.Error(err)
	}
}

// Watch hands out each event once, as it comes, and ends with the job.
//
// Guarantee: G27.
func TestWatch(t *testing.T) {
	t.Parallel()
	c, w := open(t)
	id := submit(t, c, jobs.Options{Stream: true})
	w.start(id)
	w.tell(id, 1, 0, 1234) // more than a page
	var got []string
	for p, err := range c.Watch(t.Context(), id, jobs.Place{}) {
		if err != nil {
			t.Fatal(err)
		}
		switch got = append(got, p.Delta); p.Place {
		case jobs.Place{Attempt: 1, Sequence: 1233}:
			w.tell(id, 1, 1234, 3)
		case jobs.Place{Attempt: 1, Sequence: 1236}:
			w.tell(id, 2, 0, 2)
			w.finish(id, `{"id":"resp_1","status":"completed"}`)
			w.tell(id, 2, 2, 1) // what was on its way
		}
	}
	var want []string
	for i := range 1237 {
		want = append(want, fmt.Sprintf("1.%d ", i))
	}
	if diff := cmp.Diff(append(want, "2.0 ", "2.1 ", "2.2 "), got); diff != "" {
		t.Errorf("deltas (-want +got):\n%s", diff)
	}

	// Who comes later, or goes on from a place, sees what is behind it.
	got = nil
	for p, err := range c.Watch(t.Context(), id, jobs.Place{Attempt: 1, Sequence: 1235}) {
		if got = append(got, p.Delta); err != nil || len(got) == 3 {
			break
		}
	}
	if diff := cmp.Diff([]string{"1.1236 ", "2.0 ", "2.1 "}, got); diff != "" {
		t.Errorf("deltas behind a place (-want +got):\n%s", diff)
	}
}

// Watch ends with the job though nothing is streamed, with its caller's context, and
// with an error for what is not there.
func TestWatchEnds(t *testing.T) {
	t.Parallel()
	c, w := open(t)
	id := submit(t, c, jobs.Options{})
	w.finish(id, `{"id":"resp_1","status":"completed"}`)
	for p, err := range c.Watch(t.Context(), id, jobs.Place{}) {
		t.Errorf("of a job that is not streamed: %+v, %v", p, err)
	}
	ctx, cancel := context.WithTimeout(t.Context(), 100*time.Millisecond)
	defer cancel()
	var last error
	for _, last = range c.Watch(ctx, submit(t, c, jobs.Options{Stream: true}), jobs.Place{}) {
	}
	if !errors.Is(last, context.DeadlineExceeded) {
		t.Errorf("stopped by its caller: %v", last)
	}
	last = nil
	for _, last = range c.Watch(t.Context(), jobs.NewID(time.Now(), 0), jobs.Place{}) {
	}
	if !errors.Is(last, results.ErrNotFound) {
		t.Errorf("of no job: %v", last)
	}
}
