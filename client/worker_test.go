package client_test

import (
	"log/slog"
	"testing"
	"time"

	"github.com/redis/go-redis/v9"

	"github.com/longhaul-jobs/longhaul/jobs"
	"github.com/longhaul-jobs/longhaul/results"
)

// worker does by hand what a worker does.
type worker struct {
	t     *testing.T
	store *results.Store
	rdb   *redis.Client
}

func newWorker(t *testing.T, url string) *worker {
	t.Helper()
	options, err := redis.ParseURL(url)
	if err != nil {
		t.Fatal(err)
	}
	rdb := redis.NewClient(options)
	t.Cleanup(func() { _ = rdb.Close() })
	store, err := results.Open(t.Context(), rdb, results.Config{}, slog.New(slog.DiscardHandler), nil)
	if err != nil {
		t.Fatal(err)
	}
	return &worker{t: t, store: store, rdb: rdb}
}

func (w *worker) beat(lanes ...string) {
	w.t.Helper()
	w.serve(results.Worker{ID: "w", Lanes: lanes})
}

func (w *worker) serve(what results.Worker) {
	w.t.Helper()
	if err := w.store.Beat(w.t.Context(), what, time.Minute); err != nil {
		w.t.Fatal(err)
	}
}

// pause pauses a lane as a worker does that is refused for its account.
func (w *worker) pause(lane string) {
	w.t.Helper()
	_, _, err := w.store.TripLane(w.t.Context(), lane, results.Evidence{
		Try: jobs.Try{Job: jobs.NewID(w.store.Now(), 0), Attempt: 1}, Began: w.store.Now(), By: results.PausedByCreate,
		Failure: &jobs.Failure{Class: jobs.ClassQuota, Message: "You exceeded your current quota"},
	}, results.ProbeWaits{First: time.Minute, Most: time.Minute})
	if err != nil {
		w.t.Fatal(err)
	}
}

// resume has the lane go on.
func (w *worker) resume(lane string) {
	w.t.Helper()
	if err := w.rdb.Del(w.t.Context(), "longhaul:{breaker:"+lane+"}").Err(); err != nil {
		w.t.Fatal(err)
	}
}

func (w *worker) step(id jobs.ID, ev jobs.Event) jobs.Job {
	w.t.Helper()
	j, err := w.store.Step(w.t.Context(), id, ev)
	if err != nil {
		w.t.Fatalf("%s: %v", ev.Name(), err)
	}
	return j
}

// start brings a waiting job to where its response runs.
func (w *worker) start(id jobs.ID) {
	w.t.Helper()
	j, err := w.store.Load(w.t.Context(), id)
	if err != nil {
		w.t.Fatal(err)
	}
	if _, err := w.store.Admit(w.t.Context(), j.Lane, 1000); err != nil {
		w.t.Fatal(err)
	}
	w.step(id, jobs.SubmitStarted{Attempt: j.NextAttempt(), Worker: "w", Endpoint: "default"})
	w.step(id, jobs.Created{
		Attempt: j.NextAttempt(), FirstLook: w.store.Now().Add(time.Hour),
		Reply: jobs.Reply{Response: jobs.Response{ID: "resp_1", Status: jobs.StatusQueued}},
	})
}

// finish ends a job with the given response.
func (w *worker) finish(id jobs.ID, raw string) {
	w.t.Helper()
	j, err := w.store.Load(w.t.Context(), id)
	if err != nil {
		w.t.Fatal(err)
	}
	if j.State == jobs.StateWaiting {
		w.start(id)
	}
	response, err := jobs.ParseResponse([]byte(raw))
	if err != nil {
		w.t.Fatal(err)
	}
	w.step(id, jobs.Looked{Reply: jobs.Reply{Response: response}})
}
