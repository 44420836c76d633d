package app_test

import (
	"encoding/json"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/longhaul-jobs/longhaul/internal/simulator"
	"github.com/longhaul-jobs/longhaul/jobs"
)

// previous is the previous_response_id of a response, as the provider has it.
func (w *world) previous(responseID string) string {
	w.t.Helper()
	var response struct {
		Previous string `json:"previous_response_id"`
	}
	if err := json.Unmarshal(w.call(http.MethodGet, "/responses/"+responseID, nil), &response); err != nil {
		w.t.Fatal(err)
	}
	return response.Previous
}

// TestChainRunsInOrder has each job start when the one before has succeeded, with its
// response as the previous one, and far sooner than they would have asked.
//
// Guarantee: G28.
func TestChainRunsInOrder(t *testing.T) {
	t.Parallel()
	w := newWorld(t, simulator.Config{Queued: 20 * time.Millisecond, Running: 100 * time.Millisecond})
	first := w.submit(question, jobs.Options{})
	second := w.submit(question, jobs.Options{ContinueFrom: first})
	third := w.submit(question, jobs.Options{ContinueFrom: second, After: []jobs.ID{first}})
	if why, err := w.client.Why(t.Context(), w.load(second)); err != nil || !strings.Contains(why, string(first)+" (waiting)") {
		t.Errorf("waits for %q, %v", why, err)
	}
	w.work()
	chain := []jobs.Job{w.wait(first), w.wait(second), w.wait(third)}
	for i, j := range chain {
		if j.State != jobs.StateSucceeded {
			t.Fatalf("job %d: %s, %v", i+1, j.State, j.Failure)
		}
		want := ""
		if i > 0 {
			want = chain[i-1].Result.ResponseID
			if begun := j.Attempts[0].Started; begun.Before(chain[i-1].Ended) {
				t.Errorf("job %d began at %v, before the end of the one before at %v", i+1, begun, chain[i-1].Ended)
			}
		}
		if got := w.previous(j.Result.ResponseID); got != want {
			t.Errorf("job %d continues %q, want %q", i+1, got, want)
		}
	}
	eventually(t, "nothing is owed any more", func() bool { return len(w.load(first).Outbox)+len(w.load(second).Outbox) == 0 })
}

// TestChainEndsWhereOneFails and goes on after that was tried again.
//
// Guarantee: G28.
func TestChainEndsWhereOneFails(t *testing.T) {
	t.Parallel()
	w := newWorld(t, quick())
	first := w.submit(question, jobs.Options{NotBefore: time.Now().Add(time.Hour)})
	second := w.submit(question, jobs.Options{ContinueFrom: first})
	third := w.submit(question, jobs.Options{After: []jobs.ID{second}})
	w.work()
	eventually(t, "both are to be told", func() bool {
		one, err := w.client.Dependents(t.Context(), first, 10)
		if err != nil {
			t.Fatal(err)
		}
		two, err := w.client.Dependents(t.Context(), second, 10)
		return err == nil && len(one) == 1 && len(two) == 1
	})
	w.step(first, jobs.StopRequested{Reason: jobs.StopCancel})
	for id, before := range map[jobs.ID]jobs.ID{second: first, third: second} {
		j := w.wait(id)
		if j.State != jobs.StateFailed || j.Failure.Class != jobs.ClassDependency || !strings.Contains(j.Failure.Message, string(before)) || len(j.Attempts) != 0 {
			t.Errorf("%s, %v, %d attempts; want it failed with %s", j.State, j.Failure, len(j.Attempts), before)
		}
	}
	for _, id := range []jobs.ID{first, second, third} {
		w.step(id, jobs.RetryRequested{})
	}
	for _, id := range []jobs.ID{first, second, third} {
		if j := w.wait(id); j.State != jobs.StateSucceeded {
			t.Errorf("after a retry: %s, %v", j.State, j.Failure)
		}
	}
}

// TestLostNoticeOnlyDelays takes away all that would have told a job, and has it ask
// by itself.
//
// Guarantee: G28.
func TestLostNoticeOnlyDelays(t *testing.T) {
	t.Parallel()
	w := newWorld(t, simulator.Config{Queued: 20 * time.Millisecond, Running: 300 * time.Millisecond})
	first := w.submit(question, jobs.Options{})
	second := w.submit(question, jobs.Options{After: []jobs.ID{first}})
	w.work()
	eventually(t, "it is to be told", func() bool {
		ids, err := w.client.Dependents(t.Context(), first, 10)
		return err == nil && len(ids) == 1
	})
	if err := w.rdb.Del(t.Context(), w.key(first, "dependents:"+string(first))).Err(); err != nil {
		t.Fatal(err)
	}
	w.wait(first)
	if j := w.load(second); !j.Aside() {
		t.Fatalf("%s, waits for %v; it was to be told by nobody", j.State, j.WaitsFor())
	}
	// A minute passes for its entry.
	if err := w.rdb.ZIncrBy(t.Context(), w.key(second, "due"), -60_000, string(second)).Err(); err != nil {
		t.Fatal(err)
	}
	if j := w.wait(second); j.State != jobs.StateSucceeded {
		t.Errorf("%s, %v", j.State, j.Failure)
	}
}

// TestThreadRunsOneAfterAnother has its jobs run in the order in which they were
// accepted, each continuing the last that has succeeded: one that fails and one that is
// cancelled before its turn are passed over.
//
// Guarantee: G29.
func TestThreadRunsOneAfterAnother(t *testing.T) {
	t.Parallel()
	w := newWorld(t, simulator.Config{Queued: 20 * time.Millisecond, Running: 100 * time.Millisecond})
	const bad = `{"model":"no-such-model","input":"x"}`
	var ids []jobs.ID
	for i, body := range []string{question, question, bad, question, question} {
		id := w.submit(body, jobs.Options{Thread: "talk"})
		if got := w.load(id).Follows; i > 0 && got != ids[i-1] {
			t.Fatalf("job %d follows %q, want %q", i+1, got, ids[i-1])
		}
		ids = append(ids, id)
	}
	w.step(ids[3], jobs.StopRequested{Reason: jobs.StopCancel})
	w.work()
	ended := make([]jobs.Job, len(ids))
	for i, id := range ids {
		ended[i] = w.wait(id)
	}
	for i, want := range []struct {
		state    jobs.State
		previous int // the job that is continued, -1 for none
	}{{jobs.StateSucceeded, -1}, {jobs.StateSucceeded, 0}, {jobs.StateFailed, 1}, {jobs.StateCancelled, -1}, {jobs.StateSucceeded, 1}} {
		j := ended[i]
		if j.State != want.state {
			t.Fatalf("job %d: %s, %v; want %s", i+1, j.State, j.Failure, want.state)
		}
		previous := ""
		if want.previous >= 0 {
			previous = ended[want.previous].Result.ResponseID
			if begun := j.Attempts[0].Started; begun.Before(ended[want.previous].Ended) {
				t.Errorf("job %d began at %v, before job %d ended", i+1, begun, want.previous+1)
			}
		}
		if j.Result != nil && w.previous(j.Result.ResponseID) != previous {
			t.Errorf("job %d continues %q, want %q", i+1, w.previous(j.Result.ResponseID), previous)
		}
	}
	if begun := ended[4].Attempts[0].Started; begun.Before(ended[2].Ended) {
		t.Errorf("the last began at %v, before the third ended at %v", begun, ended[2].Ended)
	}
	// The thread goes on later, from where it was, and not from the middle.
	next := w.wait(w.submit(question, jobs.Options{Thread: "talk"}))
	if got := w.previous(next.Result.ResponseID); got != ended[4].Result.ResponseID {
		t.Errorf("the next continues %q, want %q", got, ended[4].Result.ResponseID)
	}
	if _, err := w.client.Retry(t.Context(), ids[2]); err == nil || !strings.Contains(err.Error(), "its thread has gone on") {
		t.Errorf("retry in the middle of a thread: %v", err)
	}
}
