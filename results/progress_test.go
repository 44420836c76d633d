package results_test

import (
	"errors"
	"fmt"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/longhaul-jobs/longhaul/jobs"
	"github.com/longhaul-jobs/longhaul/results"
)

// deltas are n events of an attempt from a number on.
func deltas(attempt int, from, n int64) []jobs.Progress {
	events := make([]jobs.Progress, 0, n)
	for i := range n {
		events = append(events, jobs.Progress{
			Place: jobs.Place{Attempt: attempt, Sequence: from + i}, Type: jobs.TextDelta, OutputIndex: 1,
			Delta: fmt.Sprintf(" %d.%d", attempt, from+i),
		})
	}
	return events
}

// tell keeps events and returns the place of the last one that there is.
func (h *harness) tell(id jobs.ID, attempt int, from, n int64) jobs.Place {
	h.t.Helper()
	last, err := h.AddProgress(h.t.Context(), id, deltas(attempt, from, n))
	if err != nil {
		h.t.Fatal(err)
	}
	return last
}

// progress reads all events behind a place, a few at a time.
func (h *harness) progress(id jobs.ID, after jobs.Place) []jobs.Progress {
	h.t.Helper()
	var all []jobs.Progress
	for {
		page, err := h.Progress(h.t.Context(), id, after, 7)
		if err != nil {
			h.t.Fatal(err)
		}
		if len(page) == 0 {
			return all
		}
		all = append(all, page...)
		after = page[len(page)-1].Place
	}
}

func wantTold(t *testing.T, got []jobs.Progress, want ...[]jobs.Progress) {
	t.Helper()
	if diff := cmp.Diff(slices.Concat(want...), got); diff != "" {
		t.Errorf("progress (-want +got):\n%s", diff)
	}
}

// Each event is there once and in order, whoever tells it, and how often.
//
// Guarantee: G27.
func TestProgressIsToldOnce(t *testing.T) {
	t.Parallel()
	onEach(t, results.Config{}, func(t *testing.T, h *harness) {
		j := h.in(jobs.StateRunning, jobs.Options{Stream: true})
		if last, err := h.LastProgress(t.Context(), j.ID); err != nil || last != (jobs.Place{}) || len(h.progress(j.ID, last)) != 0 {
			t.Errorf("progress before there is any: %s, err %v", last, err)
		}
		h.tell(j.ID, 1, 0, 20)
		if last := h.tell(j.ID, 1, 10, 15); last != (jobs.Place{Attempt: 1, Sequence: 24}) { // from another worker, which began behind the tenth
			t.Errorf("last is %s", last)
		}
		if last := h.tell(j.ID, 1, 3, 2); last != (jobs.Place{Attempt: 1, Sequence: 24}) {
			t.Errorf("what comes too late changes the last to %s", last)
		}
		h.loser.loseNext(nil)
		h.tell(j.ID, 1, 30, 3)
		if h.loser.count() != 1 {
			t.Fatal("no answer was lost")
		}
		wantTold(t, h.progress(j.ID, jobs.Place{}), deltas(1, 0, 25), deltas(1, 30, 3))
		wantTold(t, h.progress(j.ID, jobs.Place{Attempt: 1, Sequence: 23}), deltas(1, 24, 1), deltas(1, 30, 3))

		// A new attempt has numbers of its own.
		h.tell(j.ID, 2, 0, 2)
		if last, err := h.LastProgress(t.Context(), j.ID); err != nil || last != (jobs.Place{Attempt: 2, Sequence: 1}) {
			t.Errorf("last is %s, err %v", last, err)
		}
		h.tell(j.ID, 1, 40, 1)
		wantTold(t, h.progress(j.ID, jobs.Place{Attempt: 1, Sequence: 32}), deltas(2, 0, 2))
		h.check()
	})
}

// Workers that follow a response at the same time leave it whole.
//
// Guarantee: G27.
func TestProgressOfSeveralAtOnce(t *testing.T) {
	t.Parallel()
	onEach(t, results.Config{}, func(t *testing.T, h *harness) {
		j := h.in(jobs.StateRunning, jobs.Options{Stream: true})
		const n = 300
		var all sync.WaitGroup
		for worker := range 4 {
			all.Go(func() {
				last, err := h.LastProgress(t.Context(), j.ID)
				from := last.Sequence
				for step := int64(worker + 1); err == nil && from < n; from += step {
					_, err = h.AddProgress(t.Context(), j.ID, deltas(1, from, min(step, n-from)))
				}
				if err != nil {
					t.Error(err)
				}
			})
		}
		all.Wait()
		wantTold(t, h.progress(j.ID, jobs.Place{}), deltas(1, 0, n))
	})
}

// Progress keeps every field, is capped, and goes with time or with its job.
//
// Guarantee: G27.
func TestProgressIsBounded(t *testing.T) {
	t.Parallel()
	onEach(t, results.Config{ProgressEvents: 100, ProgressKept: 90 * time.Second}, func(t *testing.T, h *harness) {
		j := h.in(jobs.StateRunning, jobs.Options{Stream: true, Retention: time.Minute})
		item := jobs.Progress{Place: jobs.Place{Attempt: 1}, Type: "response.output_item.added", OutputIndex: 12, Item: "web_search_call"}
		if _, err := h.AddProgress(t.Context(), j.ID, []jobs.Progress{item}); err != nil {
			t.Fatal(err)
		}
		wantTold(t, h.progress(j.ID, jobs.Place{}), []jobs.Progress{item})
		for from := int64(1); from <= 1000; from += 50 {
			h.tell(j.ID, 1, from, 50)
		}
		got := h.progress(j.ID, jobs.Place{})
		if n := int64(len(got)); n < 100 || n > 300 {
			t.Errorf("%d events are kept, want about 100", n)
		} else {
			wantTold(t, got, deltas(1, 1001-n, n)) // the latest
		}
		key := h.key(j.ID, "deltas:"+string(j.ID))
		if ttl, err := h.rdb.TTL(t.Context(), key).Result(); err != nil || ttl > 90*time.Second || ttl < 80*time.Second {
			t.Errorf("they go in %s, err %v; want 90s", ttl, err)
		}
		h.step(j.ID, jobs.Looked{Reply: reply(t, "resp_"+string(j.ID), jobs.StatusCompleted)})
		h.tell(j.ID, 1, 2000, 1) // by a worker that has not heard of the end
		h.ShiftClock(2 * time.Minute)
		if h.expire() != 1 {
			t.Error("the job is still there")
		}
		if _, err := h.AddProgress(t.Context(), j.ID, deltas(1, 3000, 1)); !errors.Is(err, results.ErrNotFound) {
			t.Errorf("progress of a job that is gone: %v", err)
		}
		if got := h.progress(j.ID, jobs.Place{}); len(got) != 0 {
			t.Errorf("of a job that is gone there are %d events", len(got))
		}
		h.check()
	})
}

// A held job is nobody else's; one that is held no longer, or has moved on, is the
// holder's no more.
//
// Guarantee: G27.
func TestRenewedClaim(t *testing.T) {
	t.Parallel()
	onEach(t, results.Config{}, func(t *testing.T, h *harness) {
		const lease = 15 * time.Second
		j := h.in(jobs.StateRunning, jobs.Options{Stream: true})
		renew := func(hold *results.Claim, proven bool) bool {
			t.Helper()
			held, err := hold.Renew(t.Context(), j, jobs.Looks{Count: 3, Dry: 2, Status: "in_progress"}, lease, proven)
			if err != nil {
				t.Fatal(err)
			}
			return held
		}
		if len(h.claim(time.Minute)) != 1 {
			t.Fatal("not claimed")
		}
		first := h.TakeClaim()
		for range 10 {
			if !renew(first, false) || len(h.claim(time.Minute)) != 0 {
				t.Fatal("a job that is held is somebody else's")
			}
			h.ShiftClock(lease / 3)
		}
		h.loser.loseNext(nil)
		if before := h.loser.count(); !renew(first, false) || h.loser.count() != before+1 {
			t.Error("a repeated command took the job for lost")
		}
		if got := h.load(j.ID).Looks; got != (jobs.Looks{Count: 3, Dry: 2, Status: "in_progress", Last: got.Last, Next: got.Next}) {
			t.Errorf("looks are %+v", got)
		}

		// It dies; another one claims the job, and counts that.
		h.ShiftClock(lease + time.Millisecond)
		claimed := h.claim(time.Minute)[j.ID]
		if claimed.Lapsed != 1 {
			t.Errorf("claimed %t, %d lapses", claimed.ID != "", claimed.Lapsed)
		}
		if renew(first, false) {
			t.Error("who was late still has the job")
		}
		second := h.TakeClaim()
		held := renew(second, false)
		h.ShiftClock(10 * time.Millisecond)
		if !held || renew(first, true) || h.load(j.ID).Lapsed != 1 {
			t.Error("the claim is not the second one's, or its lapses are forgotten")
		}
		if !renew(second, true) || h.load(j.ID).Lapsed != 0 {
			t.Error("the lapses of a job that crashes nobody are not forgotten")
		}
		h.check()
		h.step(j.ID, jobs.StopRequested{Reason: jobs.StopCancel})
		if renew(second, true) {
			t.Error("a job that is to stop is still held")
		}
		if len(h.claim(time.Minute)) != 1 {
			t.Error("a job that is to stop is not due at once")
		}
		h.check()
	})
}

// What is known of the streams of a response is kept with its looks, and its end ends
// that.
func TestLooksKnowOfStreams(t *testing.T) {
	t.Parallel()
	onEach(t, results.Config{}, func(t *testing.T, h *harness) {
		j := h.in(jobs.StateRunning, jobs.Options{Stream: true})
		for _, want := range []jobs.Looks{
			{Count: 1, Status: "a,b c"}, {Count: 2, Dry: 3, Status: "x"}, {Count: 3, Unstreamed: true},
		} {
			want.Last, want.Next = time.UnixMilli(1).UTC(), time.UnixMilli(2).UTC()
			h.settle(results.Settlement{Job: j, Due: h.Now().Add(time.Hour), Looks: &want})
			if got := h.load(j.ID).Looks; got != want {
				t.Errorf("looks are %+v, want %+v", got, want)
			}
		}
		failed := rawReply(t, `{"id":"resp_`+string(j.ID)+`","status":"failed","error":{"code":"server_error"}}`)
		if j = h.step(j.ID, jobs.Looked{Reply: failed}); j.State != jobs.StateWaiting || h.load(j.ID).Looks != (jobs.Looks{}) {
			t.Errorf("the next attempt begins with %+v, %s", h.load(j.ID).Looks, j.State)
		}
		h.check()
	})
}
