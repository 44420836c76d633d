package app_test

import (
	"slices"
	"testing"
	"time"

	"github.com/longhaul-jobs/longhaul/internal/simulator"
	"github.com/longhaul-jobs/longhaul/jobs"
	"github.com/longhaul-jobs/longhaul/results"
)

const (
	batched = `{"service_tier":"batch","input":"The harbour was rebuilt after the storm. Trade came back within a year."}`
	wrong   = `{"service_tier":"batch","input":"The harbour was rebuilt.","temperature":9}`
)

// hasty has batches made and looked at without delay.
func hasty() []string { return []string{"LONGHAUL_BATCH_WAIT=0s", "LONGHAUL_BATCH_LOOK_EVERY=200ms"} }

// requests hands over the same request many times.
func (w *world) requests(n int, body string) []jobs.ID {
	w.t.Helper()
	ids := make([]jobs.ID, n)
	for i := range ids {
		ids[i] = w.submit(body, jobs.Options{})
	}
	return ids
}

// atWork waits until a batch is at the provider.
func (w *world) atWork() results.Batch {
	w.t.Helper()
	var b results.Batch
	eventually(w.t, "a batch is at the provider", func() bool {
		all, err := w.store.Batches(w.t.Context(), "default")
		if err != nil {
			w.t.Fatal(err)
		}
		i := slices.IndexFunc(all, func(b results.Batch) bool { return b.Stage == results.BatchRunning })
		if i >= 0 {
			b = all[i]
		}
		return i >= 0
	})
	return b
}

// succeeded waits for jobs, each of which has to succeed with one attempt that was paid
// for once.
func (w *world) succeeded(ids []jobs.ID) []jobs.Job {
	w.t.Helper()
	ended := make([]jobs.Job, len(ids))
	for i, id := range ids {
		j := w.wait(id)
		if ended[i] = j; j.State != jobs.StateSucceeded || len(j.Attempts) != 1 {
			w.t.Fatalf("%s is %s after %d attempts: %v", id, j.State, len(j.Attempts), j.Failure)
		}
		w.account(j)
		if text, err := w.client.Text(w.t.Context(), id); err != nil || text == "" {
			w.t.Errorf("%s has no text: %v", id, err)
		}
	}
	return ended
}

// Requests of the service tier batch go through batches, by model and no larger than
// allowed, and cost half; others beside them do not wait for that.
func TestRequestsInBatches(t *testing.T) {
	t.Parallel()
	w := newWorld(t, simulator.Config{Queued: 100 * time.Millisecond, Running: 100 * time.Millisecond, Batch: 2 * time.Second})
	ids := w.requests(40, batched)
	r := w.work(append(hasty(), "LONGHAUL_BATCH_MAX_LINES=15")...)
	plain := w.wait(w.submit(question, jobs.Options{}))
	dear, _ := plain.Cost()
	for _, j := range w.succeeded(ids) {
		cost, unknown := j.Cost()
		if unknown != 0 || 2*cost != dear {
			t.Fatalf("%s costs %s, which is not half of %s (%d unknown)", j.ID, cost, dear, unknown)
		}
		a := j.Attempts[0]
		if _, line := jobs.ParseLine(a.Line); !line || a.ServiceTier != jobs.TierBatch || j.Result.ResponseID != a.ResponseID {
			t.Fatalf("%s was answered by %+v", j.ID, a)
		}
	}
	if n := len(w.sim.Ledger().Entries); n != 41 {
		t.Errorf("%d requests are paid for, want 41", n)
	}
	eventually(t, "the batches are done", func() bool {
		return r.metric("longhaul_batch_ended_total", "endpoint", "default", "status", "completed") >= 3
	})
	if n := r.metric("longhaul_batch_lines_ended_total", "endpoint", "default", "outcome", "answered"); n != 40 {
		t.Errorf("%v lines answered, want 40", n)
	}
}

// What loses an answer, expires, cannot be read at once or is at fault itself does not
// have anything paid for twice, nor others fail.
//
// Guarantee: G31.
func TestBatchesThatGoWrong(t *testing.T) {
	t.Parallel()
	for name, rule := range map[string]simulator.FaultRule{
		"its create is lost":        {Match: simulator.FaultMatch{Op: "batch", First: 1}, Action: simulator.FaultAction{Accept: true, Reset: "after"}},
		"its create is refused":     {Match: simulator.FaultMatch{Op: "batch", First: 1}, Action: simulator.FaultAction{Status: 503}},
		"its upload is lost":        {Match: simulator.FaultMatch{Op: "upload", First: 1}, Action: simulator.FaultAction{Accept: true, Reset: "after"}},
		"it expires in part":        {Match: simulator.FaultMatch{Op: "batch", First: 1}, Action: simulator.FaultAction{Expire: 0.5}},
		"its answers are not there": {Match: simulator.FaultMatch{Op: "download", First: 2}, Action: simulator.FaultAction{Status: 503}},
		"its answers are cut":       {Match: simulator.FaultMatch{Op: "download", First: 1}, Action: simulator.FaultAction{Body: "cut"}},
		"looks at it fail":          {Match: simulator.FaultMatch{Op: "batch_get", First: 2}, Action: simulator.FaultAction{Status: 502, Body: "html"}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			w := newWorld(t, simulator.Config{Batch: 500 * time.Millisecond})
			w.faults(rule)
			ids, bad := w.requests(20, batched), w.submit(wrong, jobs.Options{})
			w.work(hasty()...)
			w.succeeded(ids)
			if j := w.wait(bad); j.State != jobs.StateFailed || len(j.Attempts) != 1 || j.Failure.Class != jobs.ClassInvalid || j.Failure.Param != "temperature" {
				t.Errorf("the one at fault is %s after %d attempts: %v", j.State, len(j.Attempts), j.Failure)
			}
			if n := len(w.sim.Ledger().Entries); n != 20 {
				t.Errorf("%d requests are paid for, want 20", n)
			}
		})
	}
}

// A job that waits for a batch is cancelled at no cost; what a batch has carried out for
// one that was cancelled meanwhile is on record.
func TestCancelInABatch(t *testing.T) {
	t.Parallel()
	w := newWorld(t, simulator.Config{Batch: 4 * time.Second})
	w.work("LONGHAUL_BATCH_WAIT=1h")
	early := w.submit(batched, jobs.Options{})
	eventually(t, "it waits for a batch", func() bool { return w.load(early).State == jobs.StateRunning })
	w.step(early, jobs.StopRequested{Reason: jobs.StopCancel})
	j := w.wait(early)
	if cost, unknown := j.Cost(); j.State != jobs.StateCancelled || cost != 0 || unknown != 0 {
		t.Errorf("cancelled before: %s, cost %s, %d unknown", j.State, cost, unknown)
	}
	if n := len(w.sim.Ledger().Entries); n != 0 {
		t.Errorf("%d requests are paid for, want none", n)
	}
}

func TestCancelOfWhatIsInABatch(t *testing.T) {
	t.Parallel()
	w := newWorld(t, simulator.Config{Batch: 4 * time.Second})
	ids := w.requests(2, batched)
	w.work(hasty()...)
	w.atWork()
	w.step(ids[0], jobs.StopRequested{Reason: jobs.StopCancel})
	if j := w.wait(ids[0]); j.State != jobs.StateCancelled {
		t.Errorf("cancelled in a batch: %s", j.State)
	}
	w.succeeded(ids[1:])
	eventually(t, "what it cost is on record", func() bool {
		cost, _ := w.load(ids[0]).Cost()
		return cost > 0
	})
	j := w.load(ids[0])
	if _, unknown := j.Cost(); j.State != jobs.StateCancelled || len(j.Attempts) != 1 || j.Attempts[0].Outcome != jobs.OutcomeWasted || unknown != 0 {
		t.Errorf("it is %s with %+v", j.State, j.Attempts)
	}
}

// A batch of which nobody wants anything any more is cancelled at the provider.
func TestCancelOfAWholeBatch(t *testing.T) {
	t.Parallel()
	w := newWorld(t, simulator.Config{Batch: 5 * time.Minute})
	ids := w.requests(3, batched)
	w.work(hasty()...)
	b := w.atWork()
	for _, id := range ids {
		w.step(id, jobs.StopRequested{Reason: jobs.StopCancel})
	}
	for _, id := range ids {
		if j := w.wait(id); j.State != jobs.StateCancelled {
			t.Errorf("%s is %s", id, j.State)
		}
	}
	eventually(t, "the batch is done", func() bool {
		now, err := w.store.Batch(t.Context(), "default", b.Number)
		if err != nil {
			t.Fatal(err)
		}
		return now.Stage == results.BatchDone && now.Status == jobs.BatchCancelled
	})
	for _, id := range ids {
		if cost, unknown := w.load(id).Cost(); cost != 0 || unknown != 0 {
			t.Errorf("%s costs %s, %d unknown", id, cost, unknown)
		}
	}
	for _, e := range w.sim.Ledger().Entries {
		if e.InputTokens > 0 {
			t.Errorf("%s is paid for", e.ID)
		}
	}
}

// What is more than the account may have enqueued waits, and its jobs notice nothing.
func TestBatchThatIsTooMuch(t *testing.T) {
	t.Parallel()
	w := newWorld(t, simulator.Config{EnqueuedTokens: 10})
	ids := w.requests(3, batched)
	w.work(hasty()...)
	eventually(t, "the batch was refused", func() bool {
		open, err := w.store.OpenLines(t.Context(), "default")
		if err != nil {
			t.Fatal(err)
		}
		return len(open) == 1 && open[0].Count == 3 && open[0].Since.After(w.store.Now().Add(10*time.Minute))
	})
	for _, id := range ids {
		if j := w.load(id); j.State != jobs.StateRunning || len(j.Attempts) != 1 {
			t.Errorf("%s is %s", id, j.State)
		}
	}
}
