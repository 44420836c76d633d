package app_test

import (
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/longhaul-jobs/longhaul/internal/simulator"
	"github.com/longhaul-jobs/longhaul/jobs"
)

// twoProjects is a quick simulator whose projects see nothing of one another.
func twoProjects(running time.Duration) simulator.Config {
	c := quick()
	c.Running = running
	c.Projects = []simulator.Project{{ID: "proj_one", APIKeys: []string{"sk-one"}}, {ID: "proj_two", APIKeys: []string{"sk-two"}}}
	return c
}

// The settings of workers that share all but their keys. Lane b is sent to the
// second endpoint.
func first() []string {
	return []string{"OPENAI_API_KEY=sk-one", `LONGHAUL_ENDPOINTS={"two":{"api_key_env":"TWO"}}`, `LONGHAUL_LANES={"b":{"endpoint":"two"}}`}
}

func both() []string { return append(first(), "TWO=sk-two") }

func second() []string { return append(both(), "OPENAI_API_KEY=") }

// TestWorkersServeTheEndpointsWhoseKeyTheyHave has three workers, one with both
// keys, which goes in the middle, and one with each: each response is created,
// looked at and deleted with its own key, by workers that have it.
//
// Guarantee: G15.
func TestWorkersServeTheEndpointsWhoseKeyTheyHave(t *testing.T) {
	t.Parallel()
	w := newWorld(t, twoProjects(300*time.Millisecond))
	project := make(map[jobs.ID]string)
	var ids []jobs.ID
	submit := func() {
		for range 15 {
			one, two := w.submit(question, jobs.Options{}), w.submit(question, jobs.Options{Lane: "b"})
			project[one], project[two] = "proj_one", "proj_two"
			ids = append(ids, one, two)
		}
	}
	a := w.work(both()...).started()
	submit()
	eventually(t, "the first worker has created some", func() bool {
		return a.metric("longhaul_responses_requests_total", "endpoint", "default", "op", "create", "outcome", "ok") > 0 &&
			a.metric("longhaul_responses_requests_total", "endpoint", "two", "op", "create", "outcome", "ok") > 0
	})
	b, c := w.work(first()...).started(), w.work(second()...).started()
	submit()
	if err := a.stop(); err != nil {
		t.Errorf("stop: %v", err)
	}
	for _, id := range ids {
		if j := w.wait(id); j.State != jobs.StateSucceeded || len(j.Attempts) != 1 {
			t.Errorf("%s ended as %s after %d attempts", id, j.State, len(j.Attempts))
		}
		for _, e := range w.creates(id) {
			if e.Project != project[id] {
				t.Errorf("%s was created by %s, want %s", id, e.Project, project[id])
			}
		}
		if _, err := w.client.Delete(t.Context(), id, true); err != nil {
			t.Fatal(err)
		}
	}
	eventually(t, "all are deleted, here and there", func() bool {
		counts, err := w.client.Counts(t.Context(), "")
		return err == nil && counts.Total() == 0
	})
	for _, e := range w.sim.Ledger().Entries {
		if !e.Deleted {
			t.Errorf("%s is still kept by the provider", e.ID)
		}
	}
	for r, endpoint := range map[*runner]string{b: "default", c: "two"} {
		if n := r.metric("longhaul_responses_requests_total", "endpoint", endpoint, "op", "look", "outcome", "ok"); n == 0 {
			t.Errorf("the worker of endpoint %s has looked at nothing", endpoint)
		}
		if n := r.metric("longhaul_responses_requests_total", "endpoint", endpoint, "op", "look", "outcome", "lost"); n != 0 {
			t.Errorf("the worker of endpoint %s has looked at %v responses that are not its own", endpoint, n)
		}
		// Any worker may enqueue what is overdue; what names a response was done with it.
		for line := range strings.Lines(r.log.String()) {
			for id, of := range project {
				mine := (of == "proj_one") == (endpoint == "default")
				if !mine && strings.Contains(line, string(id)) && strings.Contains(line, "response_id=") {
					t.Errorf("the worker of endpoint %s had %s in its hands: %s", endpoint, id, line)
				}
			}
		}
	}
}

// TestEndpointThatNobodyServes loses the only worker of an endpoint. The others
// say so, once; a job whose deadline passes ends, and its cancel stays owed; the
// rest waits for a worker that has the key, and is then what it would have been.
//
// Guarantees: G8, G15.
func TestEndpointThatNobodyServes(t *testing.T) {
	t.Parallel()
	w := newWorld(t, twoProjects(time.Minute))
	gone := w.work(second()...).started()
	b := w.work(append(first(), "LONGHAUL_POLL_STOP_GRACE=500ms")...).started()
	long := w.submit(question, jobs.Options{Lane: "b"})
	late := w.submit(question, jobs.Options{Lane: "b", Deadline: w.store.Now().Add(3 * time.Second)})
	cancelled := w.submit(question, jobs.Options{Lane: "b"})
	for _, id := range []jobs.ID{long, late, cancelled} {
		eventually(t, "it runs", func() bool { return w.load(id).State == jobs.StateRunning })
	}
	if err := gone.stop(); err != nil {
		t.Errorf("stop: %v", err)
	}
	unserved := func(debt string) float64 {
		return b.metric("longhaul_unserved_jobs", "debt", debt, "endpoint", "two")
	}
	eventually(t, "the metric tells", func() bool { return unserved("look") == 3 })
	eventually(t, "the log says so", func() bool { return strings.Contains(b.log.String(), "endpoint is served by no worker") })
	queues := w.rdb.SMembers(t.Context(), "asynq:queues").Val()
	if err := w.rdb.Set(t.Context(), "asynq:queues", "", 0).Err(); err != nil {
		t.Fatal(err)
	}
	if n := unserved("look"); n != 3 {
		t.Errorf("%v looks while the effects cannot be counted, want 3", n)
	}
	if err := errors.Join(w.rdb.Del(t.Context(), "asynq:queues").Err(), w.rdb.SAdd(t.Context(), "asynq:queues", queues).Err()); err != nil {
		t.Fatal(err)
	}
	if _, err := w.client.Cancel(t.Context(), cancelled); err != nil {
		t.Fatal(err)
	}
	for id, want := range map[jobs.ID]jobs.State{late: jobs.StateExpired, cancelled: jobs.StateCancelled} {
		if j := w.wait(id); j.State != want || len(j.Outbox) != 1 {
			t.Errorf("%s ended as %s with %d effects owed; want %s with its cancel owed", id, j.State, len(j.Outbox), want)
		}
	}
	eventually(t, "the metric tells what is owed", func() bool { return unserved("look") == 1 && unserved("effect") >= 2 })
	looks := w.creates(long)[0].Polls
	// Own work goes on, and the tasks that nobody takes do not grow in number.
	w.wait(w.submit(question, jobs.Options{Deadline: w.store.Now().Add(time.Second)}))
	if n := unserved("effect"); n > 4 {
		t.Errorf("%v tasks for two effects: they pile up", n)
	}
	if j := w.load(long); j.State != jobs.StateRunning || w.creates(long)[0].Polls != looks {
		t.Errorf("the response that waits is %s after %d more looks", j.State, w.creates(long)[0].Polls-looks)
	}

	w.work(second()...)
	eventually(t, "what was owed is done", func() bool {
		return len(w.load(late).Outbox)+len(w.load(cancelled).Outbox) == 0 && w.creates(long)[0].Polls > looks
	})
	for _, id := range []jobs.ID{late, cancelled} {
		if e := w.creates(id); len(e) != 1 || e[0].Cancels == 0 {
			t.Errorf("%s: %d creates; want one, cancelled at the provider", id, len(e))
		}
	}
	eventually(t, "the metric is calm", func() bool { return unserved("look")+unserved("effect") == 0 })
	eventually(t, "the log says so", func() bool { return strings.Contains(b.log.String(), "endpoint is served again") })
	if n := strings.Count(b.log.String(), "level=ERROR"); n != 1 {
		t.Errorf("%d errors in the log, want one", n)
	}
}

// TestWorkerTellsWhatItDoesNotServe starts with two endpoints, one of them without
// a key, and a third that is the first under another name.
func TestWorkerTellsWhatItDoesNotServe(t *testing.T) {
	t.Parallel()
	w := newWorld(t, quick())
	r := w.work(`LONGHAUL_ENDPOINTS={"old":{"api_key":"sk-test"},"two":{}}`, `LONGHAUL_LANES={"b":{"endpoint":"two"},"c":{"endpoint":"old"}}`).started()
	for _, want := range []string{
		`msg="endpoint not served here: its key is not set" endpoint=two`,
		`msg="lane not served here: nor is its endpoint" lane=b endpoint=two`,
		`msg="two endpoints are the same but for their names" endpoint=default other=old`,
		`lanes="[c default]" endpoints="[default old]"`,
	} {
		if !strings.Contains(r.log.String(), want) {
			t.Errorf("the log does not say %s", want)
		}
	}
	workers, err := w.store.Workers(t.Context())
	if err != nil || len(workers) != 1 || strings.Join(workers[0].Endpoints, " ") != "default old" || strings.Join(workers[0].Lanes, " ") != "c default" {
		t.Errorf("workers %+v, %v; want one of two endpoints and two lanes", workers, err)
	}
}
