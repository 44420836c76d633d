package client_test

import (
	"context"
	"encoding/json"
	"errors"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/longhaul-jobs/longhaul/client"
	"github.com/longhaul-jobs/longhaul/internal/redistest"
	"github.com/longhaul-jobs/longhaul/jobs"
	"github.com/longhaul-jobs/longhaul/results"
)

const (
	request = `{"input":"Why is the sky blue?"}`
	body    = `{"id":"resp_1","status":"completed","novelty":{"a":1},"output":[{"type":"message","content":[{"type":"output_text","text":"It scatters."}]}]}`
)

func open(t *testing.T) (*client.Client, *worker) {
	t.Helper()
	url := redistest.URL(t)
	c, err := client.Open(t.Context(), client.Config{RedisURL: url})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := c.Close(); err != nil {
			t.Error(err)
		}
	})
	return c, newWorker(t, url)
}

func submit(t *testing.T, c *client.Client, options jobs.Options) jobs.ID {
	t.Helper()
	s, err := c.Submit(t.Context(), json.RawMessage(request), options)
	if err != nil {
		t.Fatal(err)
	}
	return s.Job.ID
}

// TestWaitReturnsWhatAWorkerStored is the whole acquaintance of a caller with a
// job: it waits, the job ends elsewhere, the response is there as it came.
//
// Guarantee: G9.
func TestWaitReturnsWhatAWorkerStored(t *testing.T) {
	t.Parallel()
	c, w := open(t)
	id := submit(t, c, jobs.Options{})
	type waited struct {
		job jobs.Job
		err error
	}
	done := make(chan waited)
	go func() {
		j, err := c.Wait(t.Context(), id)
		done <- waited{j, err}
	}()
	w.finish(id, body)
	got := <-done
	if got.err != nil || got.job.State != jobs.StateSucceeded {
		t.Fatalf("waited for %s, %v; want succeeded", got.job.State, got.err)
	}
	raw, err := c.Response(t.Context(), id)
	if err != nil || string(raw) != body {
		t.Errorf("response %s, %v; want it byte for byte", raw, err)
	}
	text, err := c.Text(t.Context(), id)
	if err != nil || text != "It scatters." {
		t.Errorf("text %q, %v", text, err)
	}
}

func TestWaitEndsWithItsContext(t *testing.T) {
	t.Parallel()
	c, _ := open(t)
	id := submit(t, c, jobs.Options{})
	cause := errors.New("the caller has had enough")
	ctx, cancel := context.WithCancelCause(t.Context())
	cancel(cause)
	if _, err := c.Wait(ctx, id); !errors.Is(err, cause) {
		t.Errorf("error %v, want the cause", err)
	}
	if j, err := c.Get(t.Context(), id); err != nil || j.State != jobs.StateWaiting {
		t.Errorf("the job is %s, %v; a caller that leaves changes nothing", j.State, err)
	}
}

// A Redis that hangs keeps nobody who leaves, and the reason comes back: the read timeout
// is so long that only the context can end these calls.
func TestWaitAndWatchEndWithTheirContextsWhileRedisHangs(t *testing.T) {
	t.Parallel()
	server := redistest.Start(t)
	c, err := client.Open(t.Context(), client.Config{RedisURL: server.URL() + "?read_timeout=1h"})
	if err != nil {
		t.Fatal(err)
	}
	id := submit(t, c, jobs.Options{})
	server.Pause()
	defer server.Resume()
	cause := errors.New("the caller has had enough")
	for name, ended := range map[string]func(context.Context) (context.Context, context.CancelFunc){
		"cancelled": func(ctx context.Context) (context.Context, context.CancelFunc) {
			ctx, cancel := context.WithCancelCause(ctx)
			stop := time.AfterFunc(20*time.Millisecond, func() { cancel(cause) })
			return ctx, func() { stop.Stop() }
		},
		"a deadline": func(ctx context.Context) (context.Context, context.CancelFunc) {
			return context.WithTimeoutCause(ctx, 20*time.Millisecond, cause)
		},
	} {
		ctx, stop := ended(t.Context())
		if _, err := c.Wait(ctx, id); !errors.Is(err, cause) {
			t.Errorf("%s: Wait ended with %v, want the cause", name, err)
		}
		stop()
		ctx, stop = ended(t.Context())
		for _, err := range c.Watch(ctx, id, jobs.Place{}) {
			if !errors.Is(err, cause) {
				t.Errorf("%s: Watch ended with %v, want the cause", name, err)
			}
		}
		stop()
	}
	server.Resume()
	if err := errors.Join(c.Close(), c.Close()); err != nil {
		t.Errorf("closed twice: %v", err)
	}
}

// TestBadInputStoresNothing goes through the front door with everything wrong.
//
// Guarantee: G13.
func TestBadInputStoresNothing(t *testing.T) {
	t.Parallel()
	c, _ := open(t)
	tests := []struct {
		name, body, field string
		options           jobs.Options
	}{
		{"no JSON", `input: hello`, "request", jobs.Options{}},
		{"old shape", `{"messages":[]}`, "messages", jobs.Options{}},
		{"nothing to answer", `{"model":"gpt-4.1"}`, "input", jobs.Options{}},
		{"a lane with a space", request, "lane", jobs.Options{Lane: "my lane"}},
		{"a deadline gone by", request, "deadline", jobs.Options{Deadline: time.Unix(1, 0)}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			_, err := c.Submit(t.Context(), json.RawMessage(tt.body), tt.options)
			e, ok := errors.AsType[*jobs.Error](err)
			if !ok || e.Class != jobs.ClassInvalid || e.Param != tt.field {
				t.Errorf("error %v, want one of class invalid that names %s", err, tt.field)
			}
		})
	}
	if counts, err := c.Counts(t.Context(), ""); err != nil || counts.Total() != 0 {
		t.Errorf("%d jobs stored, %v; want none", counts.Total(), err)
	}
}

// TestDedupe submits the same request twice, and then another under its key.
//
// Guarantee: G10.
func TestDedupe(t *testing.T) {
	t.Parallel()
	c, _ := open(t)
	first := submit(t, c, jobs.Options{DedupeKey: "k"})
	again, err := c.Submit(t.Context(), json.RawMessage(request), jobs.Options{DedupeKey: "k"})
	if err != nil || again.Fresh || again.Job.ID != first {
		t.Errorf("second submission gave %s, fresh %v, %v; want the first job %s", again.Job.ID, again.Fresh, err, first)
	}
	_, err = c.Submit(t.Context(), json.RawMessage(`{"input":"Something else"}`), jobs.Options{DedupeKey: "k"})
	if e, ok := errors.AsType[*jobs.ConflictError](err); !ok || e.Job != first {
		t.Errorf("error %v, want a conflict that names %s", err, first)
	}
}

// "Not yet" and "no longer" are two things for who asks again and again.
func TestAnswersOfAJobThatIsNotThere(t *testing.T) {
	t.Parallel()
	c, _ := open(t)
	waiting := submit(t, c, jobs.Options{})
	for id, want := range map[jobs.ID]error{waiting: nil, jobs.NewID(time.Now(), 0): results.ErrNotFound, "abc": results.ErrNotFound} {
		if raw, err := c.Response(t.Context(), id); raw != nil || !errors.Is(err, want) {
			t.Errorf("response of %s: %s, %v; want %v", id, raw, err, want)
		}
		if text, err := c.Text(t.Context(), id); text != "" || !errors.Is(err, want) {
			t.Errorf("text of %s: %q, %v; want %v", id, text, err, want)
		}
	}
}

func TestCancelRetryDelete(t *testing.T) {
	t.Parallel()
	c, w := open(t)
	id := submit(t, c, jobs.Options{})
	for _, late := range []bool{false, true} { // cancelling twice is once
		if got, err := c.Cancel(t.Context(), id); err != nil || got.Job.State != jobs.StateCancelled || got.TooLate != late {
			t.Fatalf("cancelled to %s, too late %v, %v", got.Job.State, got.TooLate, err)
		}
	}
	running := submit(t, c, jobs.Options{})
	w.start(running)
	for range 2 { // it is being cancelled, and has not ended
		if got, err := c.Cancel(t.Context(), running); err != nil || got.Job.State != jobs.StateRunning || got.Job.Stop == nil || got.TooLate {
			t.Fatalf("cancelled to %s, too late %v, %v", got.Job.State, got.TooLate, err)
		}
	}
	if j, err := c.Retry(t.Context(), id); err != nil || j.State != jobs.StateWaiting {
		t.Fatalf("retried to %s, %v", j.State, err)
	}
	if _, err := c.Delete(t.Context(), id, false); !isRefused(err) {
		t.Errorf("deleting a job that has not ended: %v, want it refused", err)
	}
	w.finish(id, body)
	if _, err := c.Retry(t.Context(), id); !isRefused(err) {
		t.Errorf("retrying a job that has succeeded: %v, want it refused", err)
	}
	if got, err := c.Delete(t.Context(), id, false); err != nil || got.Job.ID != id || !got.Gone {
		t.Fatalf("deleted: %+v, %v", got, err)
	}
	if _, err := c.Get(t.Context(), id); !errors.Is(err, results.ErrNotFound) {
		t.Errorf("after the delete: %v, want not found", err)
	}
	w.finish(running, body)
	for range 2 { // a worker deletes OpenAI's copy first
		if got, err := c.Delete(t.Context(), running, true); err != nil || got.Job.ID != running || got.Gone {
			t.Fatalf("deleted: %+v, %v", got, err)
		}
	}
}

// held brings a job to where it is held for a person.
func (w *worker) held(c *client.Client, wait time.Duration) jobs.ID {
	w.t.Helper()
	id := submit(w.t, c, jobs.Options{Uncertain: jobs.UncertainHold})
	if _, err := w.store.Admit(w.t.Context(), jobs.DefaultLane, 1000); err != nil {
		w.t.Fatal(err)
	}
	w.step(id, jobs.SubmitStarted{Attempt: 1, Worker: "w", Endpoint: "default", UncertainWait: wait})
	w.step(id, jobs.CreateFailed{Attempt: 1, Failure: jobs.Failure{Class: jobs.ClassAmbiguous}})
	return id
}

func TestUncertainJobsAreDecidedByHand(t *testing.T) {
	t.Parallel()
	c, w := open(t)
	first, second, third := w.held(c, 0), w.held(c, time.Hour), w.held(c, 0)
	for range 2 { // deciding twice is once
		if j, err := c.Release(t.Context(), first); err != nil || j.State != jobs.StateWaiting {
			t.Errorf("released to %s, %v", j.State, err)
		}
		if j, err := c.Fail(t.Context(), second, "not seen anywhere"); err != nil || j.State != jobs.StateFailed || j.Failure.Message != "not seen anywhere" {
			t.Errorf("failed to %s with %v, %v", j.State, j.Failure, err)
		}
		if j, err := c.Adopt(t.Context(), third, 0, "resp_1"); err != nil || j.State != jobs.StateRunning {
			t.Errorf("adopted to %s, %v", j.State, err)
		}
	}
	w.step(third, jobs.Looked{Reply: jobs.Reply{Response: jobs.Response{ID: "resp_1", Status: jobs.StatusCompleted}}})
	if _, err := c.Release(t.Context(), second); !isRefused(err) {
		t.Errorf("releasing an ended job: %v, want it refused", err)
	}
	if _, err := c.Fail(t.Context(), third, ""); !isRefused(err) {
		t.Errorf("failing a job that has succeeded: %v, want it refused", err)
	}
	if _, err := c.Adopt(t.Context(), third, 0, "resp_2"); !isRefused(err) {
		t.Errorf("giving another response to a job that has succeeded: %v, want it refused", err)
	}
}

func isRefused(err error) bool {
	_, ok := errors.AsType[*jobs.RefusedError](err)
	return ok
}

func TestWhy(t *testing.T) {
	t.Parallel()
	c, w := open(t)
	id := submit(t, c, jobs.Options{Lane: "night"})
	says := func(want string) {
		t.Helper()
		j, err := c.Get(t.Context(), id)
		if err != nil {
			t.Fatal(err)
		}
		if why, err := c.Why(t.Context(), j); err != nil || !strings.Contains(why, want) {
			t.Errorf("it waits for %q, %v; want it to say %q", why, err, want)
		}
	}
	says("none is alive")
	w.beat("default")
	says("serves lane night")
	w.beat("night")
	says("others of its lane")
	w.pause("night")
	says("its lane night, which is paused since 20")
	says("quota: You exceeded your current quota; the next job finds out at 20")
	w.resume("night")
	says("others of its lane")
	w.start(id)
	says("a worker that has the key of endpoint default: none is alive; the response is accepted; looked at 0 times")
	w.serve(results.Worker{ID: "w", Endpoints: []string{"default"}})
	says("the response is accepted; looked at 0 times")
	batched, err := c.Get(t.Context(), id)
	if err != nil {
		t.Fatal(err)
	}
	batched.Attempts = slices.Clone(batched.Attempts)
	batched.Attempts[0].ResponseID = jobs.LineID(jobs.Try{Job: id, Attempt: 1})
	for status, want := range map[string]string{"": "it waits for a batch, ", "in_progress": "it is in a batch, "} {
		batched.Looks.Status = status
		if why, err := c.Why(t.Context(), batched); err != nil || !strings.HasPrefix(why, want) || !strings.HasSuffix(why, "its deadline is "+batched.Deadline.UTC().Format(time.RFC3339)+"; looked at 0 times") {
			t.Errorf("in a batch it says %q, %v", why, err)
		}
	}
	w.finish(id, body)
	if j, _ := c.Get(t.Context(), id); j.State != jobs.StateSucceeded {
		t.Fatalf("state %s", j.State)
	}
	says("")
	id = w.held(c, 0)
	says("it is held for a person, who releases it, fails it, or gives it the response")
	id = w.held(c, time.Hour)
	says("the provider's webhook is waited for until 20")
	later := submit(t, c, jobs.Options{NotBefore: time.Now().Add(time.Hour)})
	j, err := c.Get(t.Context(), later)
	if err != nil {
		t.Fatal(err)
	}
	if why, err := c.Why(t.Context(), j); err != nil || !strings.Contains(why, "not before") {
		t.Errorf("it waits for %q, %v; want its time", why, err)
	}
	j.Waits = jobs.WaitLimit
	if why, err := c.Why(t.Context(), j); err != nil || !strings.Contains(why, "as much as its limits allow") {
		t.Errorf("it waits for %q, %v; want its lane's limits", why, err)
	}
}

func TestOpenRefusesWhatCannotBe(t *testing.T) {
	t.Parallel()
	url := redistest.URL(t)
	for field, config := range map[string]client.Config{
		"prefix":            {Prefix: "a b"},
		"max_request_bytes": {MaxRequestBytes: -1},
		"blobs_over":        {BlobsOver: -5},
		"routes[1].lane":    {Routes: []results.Route{{Models: []string{"o*"}}, {Lane: "a b", Models: []string{"*"}}}},
	} {
		config.RedisURL = url
		if _, err := client.Open(t.Context(), config); jobs.FailureOf(err).Class != jobs.ClassInvalid || jobs.FailureOf(err).Param != field {
			t.Errorf("error %v, want one of class invalid that names %s", err, field)
		}
	}
}

func TestOpenRefusesWhatIsNoAddress(t *testing.T) {
	t.Parallel()
	_, err := client.Open(t.Context(), client.Config{RedisURL: "http://:hush@localhost"})
	if jobs.ClassOf(err) != jobs.ClassInvalid || strings.Contains(err.Error(), "hush") {
		t.Errorf("error %v, want one of class invalid without the password", err)
	}
}

// TestWhatIsTooLargeIsNotRead: a request over the bound is refused for its size before
// anything of it is parsed, which takes seconds where it is very large.
func TestWhatIsTooLargeIsNotRead(t *testing.T) {
	t.Parallel()
	c, err := client.Open(t.Context(), client.Config{RedisURL: redistest.URL(t), MaxRequestBytes: 1000})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = c.Close() })
	unreadable := strings.Repeat("x", 1001)
	responses := func(body string, history int) error {
		_, err := c.Submit(t.Context(), json.RawMessage(body), jobs.Options{History: []byte(strings.Repeat("x", history))})
		return err
	}
	_, parent := c.SubmitParent(t.Context(), jobs.KindSummarize, make([]byte, jobs.MaxParentBytes+1), "", jobs.Options{})
	for name, err := range map[string]error{
		"a body": responses(unreadable, 0), "a body with its history": responses("x", 1000), "a parent": parent,
	} {
		f := jobs.FailureOf(err)
		if f.Class != jobs.ClassInvalid || f.Param != "request" || !strings.Contains(f.Message, "jobs.max_request_bytes") {
			t.Errorf("%s: %v; want it refused for its size", name, err)
		}
	}
}
