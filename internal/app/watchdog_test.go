package app_test

import (
	"fmt"
	"testing"
	"time"

	"github.com/longhaul-jobs/longhaul/internal/simulator"
	"github.com/longhaul-jobs/longhaul/jobs"
)

// debt is a job in some state from under which something was lost.
type debt struct {
	name string
	// prepare brings a job there, with no worker alive, and loses something.
	prepare func(w *world) jobs.ID
	// state is how the job ends, "" if it is gone.
	state    jobs.State
	attempts int
	creates  int
	// paid is a further condition, which must hold in the end.
	paid func(w *world, id jobs.ID) bool
}

// elsewhere is a worker that was killed.
const elsewhere = "w_killed"

func debts() []debt {
	accept := func(w *world) jobs.ID { return w.submit(question, jobs.Options{}) }
	admitted := func(w *world) jobs.ID {
		id := accept(w)
		w.admit()
		return id
	}
	intended := func(w *world, options jobs.Options) jobs.ID {
		id := w.submit(question, options)
		w.admit()
		w.step(id, jobs.SubmitStarted{Attempt: 1, Worker: elsewhere, Endpoint: "default"})
		return id
	}
	running := func(w *world) jobs.ID {
		id := intended(w, jobs.Options{})
		w.step(id, jobs.Created{Attempt: 1, Reply: w.create(w.load(id), 1), FirstLook: w.store.Now()})
		return id
	}
	// owing has succeeded with its second attempt when the answer to its first
	// came: that one still runs and is to be cancelled.
	owing := func(w *world) jobs.ID {
		id := intended(w, jobs.Options{})
		w.faults(simulator.FaultRule{Match: simulator.FaultMatch{Op: "create", Attempt: 1}, Action: simulator.FaultAction{NeverEnds: true}})
		first := w.create(w.load(id), 1)
		w.step(id, jobs.WorkerLost{Attempt: 1, Worker: elsewhere})
		w.admit()
		w.step(id, jobs.SubmitStarted{Attempt: 2, Worker: elsewhere, Endpoint: "default"})
		second := w.create(w.load(id), 2)
		second.Response.Status = jobs.StatusCompleted
		w.step(id, jobs.Created{Attempt: 2, Reply: second})
		w.step(id, jobs.Created{Attempt: 1, Reply: first})
		return id
	}
	deleting := func(w *world) jobs.ID {
		id := running(w)
		eventually(w.t, "the response has ended", func() bool {
			raw := w.call("GET", "/responses/"+w.load(id).Attempts[0].ResponseID, nil)
			response, err := jobs.ParseResponse(raw)
			if err != nil || !response.Terminal() {
				return false
			}
			w.step(id, jobs.Looked{Reply: jobs.Reply{Response: response}})
			return true
		})
		w.step(id, jobs.DeleteRequested{Remote: true})
		return id
	}
	cancelled := func(w *world, id jobs.ID) bool {
		return len(w.load(id).Outbox) == 0 && w.creates(id)[0].Status == simulator.StatusCancelled
	}
	deleted := func(w *world, id jobs.ID) bool { return w.creates(id)[0].Deleted }

	return []debt{
		{name: "waiting, its place in the lane", state: jobs.StateSucceeded, attempts: 1, creates: 1, prepare: func(w *world) jobs.ID {
			id := accept(w)
			w.lose(id, "ready:default")
			return id
		}},
		{name: "waiting, its place in the lane and its due entry", state: jobs.StateSucceeded, attempts: 1, creates: 1, prepare: func(w *world) jobs.ID {
			id := accept(w)
			w.lose(id, "ready:default", "due")
			return id
		}},
		{name: "waiting beyond its deadline, its due entry", state: jobs.StateExpired, prepare: func(w *world) jobs.ID {
			now := w.store.Now()
			id := w.submit(question, jobs.Options{Deadline: now.Add(time.Second), NotBefore: now.Add(time.Second)})
			w.lose(id, "due")
			return id
		}},
		{name: "admitted, its task", state: jobs.StateSucceeded, attempts: 1, creates: 1, prepare: admitted},
		{name: "admitted, its task is an orphan", state: jobs.StateSucceeded, attempts: 1, creates: 1, prepare: func(w *world) jobs.ID {
			id := admitted(w)
			w.orphan(id)
			return id
		}},
		{name: "admitted, its task and its due entry", state: jobs.StateSucceeded, attempts: 1, creates: 1, prepare: func(w *world) jobs.ID {
			id := admitted(w)
			w.lose(id, "due")
			return id
		}},
		{name: "admitted, everything", state: jobs.StateSucceeded, attempts: 1, creates: 1, prepare: func(w *world) jobs.ID {
			id := admitted(w)
			w.lose(id, "due", "admitted:default")
			return id
		}},
		{name: "submitting, its worker", state: jobs.StateSucceeded, attempts: 2, creates: 1, prepare: func(w *world) jobs.ID {
			return intended(w, jobs.Options{})
		}},
		{name: "submitting, its worker and its due entry", state: jobs.StateSucceeded, attempts: 2, creates: 1, prepare: func(w *world) jobs.ID {
			id := intended(w, jobs.Options{})
			w.lose(id, "due")
			return id
		}},
		{name: "running, its worker", state: jobs.StateSucceeded, attempts: 1, creates: 1, prepare: running},
		{name: "running, its due entry", state: jobs.StateSucceeded, attempts: 1, creates: 1, prepare: func(w *world) jobs.ID {
			id := running(w)
			w.lose(id, "looks:default")
			return id
		}},
		{name: "uncertain, its due entry", state: jobs.StateExpired, attempts: 1, prepare: func(w *world) jobs.ID {
			id := intended(w, jobs.Options{Uncertain: jobs.UncertainHold, Deadline: w.store.Now().Add(2 * time.Second)})
			if j := w.step(id, jobs.WorkerLost{Attempt: 1, Worker: elsewhere}); j.State != jobs.StateUncertain {
				w.t.Fatalf("state %s, want uncertain", j.State)
			}
			w.lose(id, "due")
			return id
		}},
		{name: "ended with an effect owed, its task", state: jobs.StateSucceeded, attempts: 2, creates: 2, prepare: owing, paid: cancelled},
		{name: "ended with an effect owed, its due entry", state: jobs.StateSucceeded, attempts: 2, creates: 2, paid: cancelled, prepare: func(w *world) jobs.ID {
			id := owing(w)
			w.lose(id, "due")
			return id
		}},
		{name: "deleting, its task", creates: 1, prepare: deleting, paid: deleted},
		{name: "deleting, its due entry", creates: 1, paid: deleted, prepare: func(w *world) jobs.ID {
			id := deleting(w)
			w.lose(id, "due")
			return id
		}},
		{name: "deleted but not gone", creates: 1, prepare: func(w *world) jobs.ID {
			id := deleting(w)
			w.paidButNotRemoved(id)
			w.lose(id, "due")
			return id
		}},
	}
}

// orphan leaves the job's task as a killed worker does: active, and its id
// blocked until Asynq recovers it a minute later.
func (w *world) orphan(id jobs.ID) {
	w.t.Helper()
	ctx := w.t.Context()
	if err := w.tasks.Submit(ctx, id, jobs.DefaultLane, 1, 0); err != nil {
		w.t.Fatal(err)
	}
	const prefix = "asynq:{longhaul:submit:default}:"
	task, err := w.rdb.LMove(ctx, prefix+"pending", prefix+"active", "RIGHT", "LEFT").Result()
	if err != nil {
		w.t.Fatal(err)
	}
	if err := w.rdb.HSet(ctx, prefix+"t:"+task, "state", "active").Err(); err != nil {
		w.t.Fatal(err)
	}
	if err := w.rdb.Do(ctx, "zadd", prefix+"lease", time.Now().Add(30*time.Second).Unix(), task).Err(); err != nil {
		w.t.Fatal(err)
	}
}

// paidButNotRemoved leaves a job as a crash between its last effect and its
// removal does.
func (w *world) paidButNotRemoved(id jobs.ID) {
	w.t.Helper()
	j := w.load(id)
	j.Outbox = nil
	record, err := j.Encode()
	if err != nil {
		w.t.Fatal(err)
	}
	if err := w.rdb.HSet(w.t.Context(), w.key(id, "job:"+string(id)), "record", record).Err(); err != nil {
		w.t.Fatal(err)
	}
}

// TestEveryDebtIsPaid starts a worker on a job from under which something was
// lost: its task, its due entry, its place in the lane, its worker.
//
// Guarantees: G1, G3, G11.
func TestEveryDebtIsPaid(t *testing.T) {
	t.Parallel()
	for _, tt := range debts() {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			w := newWorld(t, quick())
			id := tt.prepare(w)
			w.work()
			if tt.state == "" {
				eventually(t, "it is gone", func() bool {
					n, err := w.rdb.Exists(t.Context(), w.key(id, "job:"+string(id))).Result()
					return err == nil && n == 0
				})
			} else {
				j := w.wait(id)
				if j.State != tt.state || len(j.Attempts) != tt.attempts {
					t.Errorf("ended as %s after %d attempts (%v); want %s after %d", j.State, len(j.Attempts), j.Failure, tt.state, tt.attempts)
				}
				w.account(j)
			}
			if tt.paid != nil {
				eventually(t, "the effect is carried out", func() bool { return tt.paid(w, id) })
			}
			if n := len(w.creates(id)); n != tt.creates {
				t.Errorf("%d creates in the ledger, want %d", n, tt.creates)
			}
		})
	}
}

// TestTasksLostUnderAWorker deletes what Asynq has while a worker is at it. The
// queues are paused first, so that the tasks are there to be lost.
//
// Guarantee: G11.
func TestTasksLostUnderAWorker(t *testing.T) {
	t.Parallel()
	w := newWorld(t, quick())
	pause := func(queues ...string) {
		for _, name := range queues {
			if err := w.rdb.Set(t.Context(), "asynq:{longhaul:"+name+"}:paused", "1", 0).Err(); err != nil {
				t.Fatal(err)
			}
		}
	}
	pause("submit:default")
	r := w.work("LONGHAUL_WATCHDOG_SUBMIT_AFTER=1s")
	var ids []jobs.ID
	for range 10 {
		ids = append(ids, w.submit(question, jobs.Options{}))
	}
	pending := func(name string, least int64) func() bool {
		return func() bool {
			n, err := w.rdb.LLen(t.Context(), "asynq:{longhaul:"+name+"}:pending").Result()
			return err == nil && n >= least
		}
	}
	eventually(t, "all are enqueued", pending("submit:default", 10))
	w.loseTasks() // and with them the pause
	pause("effects:default")
	for _, id := range ids {
		j := w.wait(id)
		if j.State != jobs.StateSucceeded || len(j.Attempts) != 1 {
			t.Errorf("%s ended as %s after %d attempts", id, j.State, len(j.Attempts))
		}
		w.account(j)
		if _, err := w.client.Delete(t.Context(), id, true); err != nil {
			t.Fatal(err)
		}
	}
	eventually(t, "effects are enqueued", pending("effects:default", 1))
	w.loseTasks()
	eventually(t, "all are deleted, here and there", func() bool {
		counts, err := w.client.Counts(t.Context(), "")
		return err == nil && counts.Total() == 0
	})
	for _, e := range w.sim.Ledger().Entries {
		if !e.Deleted {
			t.Errorf("%s is still kept by the provider", e.ID)
		}
	}
	if n := r.metric("longhaul_watchdog_nudges_total", "state", "waiting"); n == 0 {
		t.Error("no nudge is counted: nothing was lost")
	}
}

// TestAsynqIsEmptiedAgainAndAgain deletes all keys of Asynq while a worker works,
// in whatever state its tasks are.
//
// Guarantees: G1, G11.
func TestAsynqIsEmptiedAgainAndAgain(t *testing.T) {
	t.Parallel()
	w := newWorld(t, simulator.Config{Queued: 50 * time.Millisecond, Running: 100 * time.Millisecond})
	// Answers take their time, so that tasks are in work when they go.
	w.faults(simulator.FaultRule{Match: simulator.FaultMatch{Op: "create"}, Action: simulator.FaultAction{Delay: simulator.Duration(60 * time.Millisecond)}})
	w.work(`LONGHAUL_LANES={"default":{"concurrency":4}}`).started()
	var ids []jobs.ID
	lost := 0
	for n := range 100 {
		ids = append(ids, w.submit(fmt.Sprintf(`{"input":"Document %d. It is short."}`, n), jobs.Options{}))
		if n%10 == 9 {
			time.Sleep(20 * time.Millisecond)
			lost += w.loseTasks()
		}
	}
	for _, id := range ids {
		j := w.wait(id)
		if j.State != jobs.StateSucceeded || len(j.Attempts) != 1 || len(w.creates(id)) != 1 {
			t.Errorf("%s ended as %s after %d attempts and %d creates; want succeeded after one", id, j.State, len(j.Attempts), len(w.creates(id)))
		}
		w.account(j)
	}
	if lost == 0 {
		t.Error("no task was lost: the test has tested nothing")
	}
}
