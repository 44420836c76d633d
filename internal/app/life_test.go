package app_test

import (
	"bytes"
	"errors"
	"fmt"
	"net/http"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/longhaul-jobs/longhaul/internal/simulator"
	"github.com/longhaul-jobs/longhaul/jobs"
	"github.com/longhaul-jobs/longhaul/results"
)

// short is a duration as fault rules have it.
func short(d time.Duration) *simulator.Duration { return new(simulator.Duration(d)) }

// TestResultIsTheProvidersOwn compares what is kept with what the provider
// sends, byte for byte, and watches that no reader sees the end without it.
//
// Guarantee: G9.
func TestResultIsTheProvidersOwn(t *testing.T) {
	t.Parallel()
	w := newWorld(t, simulator.Config{Queued: 50 * time.Millisecond, Running: 100 * time.Millisecond})
	w.work()
	id := w.submit(`{"input":"Zürich liegt am See. \u0041 <b>&amp;</b>","temperature":0.30}`, jobs.Options{})
	var seen jobs.Job
	eventually(t, "it has ended", func() bool {
		seen = w.load(id)
		return seen.State.Terminal()
	})
	kept, err := w.client.Response(t.Context(), id)
	if err != nil || kept == nil {
		t.Fatalf("the job is %s and its response %q, %v", seen.State, kept, err)
	}
	sent := w.call(http.MethodGet, "/responses/"+seen.Result.ResponseID, nil)
	if !bytes.Equal(kept, sent) {
		t.Errorf("kept:\n%s\nsent:\n%s", kept, sent)
	}
	if seen.Result.Bytes != len(sent) || seen.Result.Usage == nil || seen.Result.Usage.TotalTokens == 0 {
		t.Errorf("indexed %+v; want the size and the tokens", seen.Result)
	}
}

// TestSameKeyIsOneJob submits the same request many times at once, and another
// one under its key.
//
// Guarantee: G10.
func TestSameKeyIsOneJob(t *testing.T) {
	t.Parallel()
	w := newWorld(t, quick())
	w.work()
	const callers = 16
	options := jobs.Options{DedupeKey: "invoice 7"}
	ids := make(chan jobs.ID, callers)
	fresh := make(chan bool, callers)
	var all sync.WaitGroup
	for range callers {
		all.Go(func() {
			s, err := w.client.Submit(t.Context(), []byte(question), options)
			if err != nil {
				t.Errorf("Submit: %v", err)
			}
			ids <- s.Job.ID
			fresh <- s.Fresh
		})
	}
	all.Wait()
	first, news := <-ids, 0
	for range callers - 1 {
		if id := <-ids; id != first {
			t.Errorf("two jobs, %s and %s", first, id)
		}
	}
	for range callers {
		if <-fresh {
			news++
		}
	}
	if news != 1 {
		t.Errorf("%d callers were told that the job is new, want one", news)
	}
	_, err := w.client.Submit(t.Context(), []byte(`{"input":"Another question."}`), options)
	if conflict, ok := errors.AsType[*jobs.ConflictError](err); !ok || conflict.Job != first {
		t.Errorf("another request under the same key: %v; want a conflict with %s", err, first)
	}
	w.wait(first)
	if n := w.sim.Ledger().Totals.CreatesAccepted; n != 1 {
		t.Errorf("%d creates, want one", n)
	}
}

// TestBadInputIsRefusedAtTheDoor wants the field named and nothing stored.
//
// Guarantee: G13.
func TestBadInputIsRefusedAtTheDoor(t *testing.T) {
	t.Parallel()
	w := newWorld(t, quick())
	before, err := w.rdb.DBSize(t.Context()).Result()
	if err != nil {
		t.Fatal(err)
	}
	now := time.Now()
	tests := []struct {
		body    string
		options jobs.Options
		field   string
	}{
		{body: `{`, field: "request"},
		{body: `[]`, field: "request"},
		{body: "{\"input\":\"\xff\"}", field: "request"},
		{body: `{"input":""}`, field: "input"},
		{body: `{"messages":[]}`, field: "messages"},
		{body: `{"input":"x","stream":true}`, field: "stream"},
		{body: `{"input":"x","background":false}`, field: "background"},
		{body: `{"input":"x","model":7}`, field: "model"},
		{body: `{"input":"x","metadata":{"longhaul_job":"y"}}`, field: "metadata.longhaul_job"},
		{body: question, options: jobs.Options{Lane: "not a name"}, field: "lane"},
		{body: question, options: jobs.Options{MaxAttempts: -1}, field: "max_attempts"},
		{body: question, options: jobs.Options{Deadline: now.Add(-time.Second)}, field: "deadline"},
		{body: question, options: jobs.Options{Uncertain: "guess"}, field: "uncertain"},
	}
	for _, tt := range tests {
		_, err := w.client.Submit(t.Context(), []byte(tt.body), tt.options)
		if f := jobs.FailureOf(err); err == nil || f.Class != jobs.ClassInvalid || f.Param != tt.field {
			t.Errorf("%s %+v: %v; want an invalid %s", tt.body, tt.options, err, tt.field)
		}
	}
	after, err := w.rdb.DBSize(t.Context()).Result()
	if err != nil || after != before {
		t.Errorf("%d keys before and %d after, %v; want nothing stored", before, after, err)
	}
}

// TestDeadlineEndsEveryJob sets one for a job whose response never ends, one
// whose provider never answers, and one that waits for its time.
//
// Guarantee: G8.
func TestDeadlineEndsEveryJob(t *testing.T) {
	t.Parallel()
	tests := []struct {
		name    string
		fault   *simulator.FaultAction
		options func(now time.Time) jobs.Options
		status  simulator.Status // of its response, "" if there is none
	}{
		{name: "a response that never ends", fault: &simulator.FaultAction{NeverEnds: true}, status: simulator.StatusCancelled},
		{name: "a response that is not told about", fault: &simulator.FaultAction{Missing: &simulator.FaultWindow{For: *short(time.Hour)}, NeverEnds: true}, status: simulator.StatusCancelled},
		{name: "a provider that is overloaded", fault: &simulator.FaultAction{Status: 503, Headers: map[string]string{"Retry-After-Ms": "50"}}},
		{name: "a job that is to wait", options: func(now time.Time) jobs.Options { return jobs.Options{NotBefore: now.Add(time.Second)} }},
		{name: "a lane that nobody serves", options: func(time.Time) jobs.Options { return jobs.Options{Lane: "nobodys"} }},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			w := newWorld(t, quick())
			if tt.fault != nil {
				w.faults(simulator.FaultRule{Match: simulator.FaultMatch{Op: "create"}, Action: *tt.fault})
			}
			w.work("LONGHAUL_POLL_STOP_GRACE=2s").started()
			now := w.store.Now()
			var options jobs.Options
			if tt.options != nil {
				options = tt.options(now)
			}
			options.Deadline, options.MaxAttempts = now.Add(time.Second), jobs.MaxMaxAttempts
			if tt.status != "" {
				options.Deadline = now.Add(4 * time.Second) // by when it has long been created
			}
			id := w.submit(question, options)
			j := w.wait(id)
			if j.State != jobs.StateExpired || j.Stop != nil && j.Stop.Reason != jobs.StopDeadline {
				t.Errorf("ended as %s (%v), stopped by %+v; want expired", j.State, j.Failure, j.Stop)
			}
			w.account(j)
			entries := w.creates(id)
			if tt.status == "" && len(entries) != 0 || tt.status != "" && len(entries) != 1 {
				t.Fatalf("%d creates in the ledger", len(entries))
			}
			if tt.status != "" {
				eventually(t, "the provider was told to stop", func() bool { return w.creates(id)[0].Status == tt.status })
			}
		})
	}
}

// TestCompletedWinsOverCancelled cancels a response that has completed before
// anybody looked.
//
// Guarantee: G8.
func TestCompletedWinsOverCancelled(t *testing.T) {
	t.Parallel()
	w := newWorld(t, quick())
	w.work("LONGHAUL_POLL_FLOOR=1m", "LONGHAUL_POLL_CEILING=1m") // nobody looks for a minute
	id := w.submit(question, jobs.Options{})
	eventually(t, "the response has completed", func() bool {
		entries := w.creates(id)
		return len(entries) == 1 && entries[0].Status == simulator.StatusCompleted && w.load(id).State == jobs.StateRunning
	})
	if _, err := w.client.Cancel(t.Context(), id); err != nil {
		t.Fatal(err)
	}
	if j := w.wait(id); j.State != jobs.StateSucceeded || j.Result == nil {
		t.Errorf("ended as %s with %+v; want the result that was paid for", j.State, j.Result)
	}
}

// TestFailedLooksFailNoJob has the provider answer every look with something
// else for a while.
//
// Guarantee: G7.
func TestFailedLooksFailNoJob(t *testing.T) {
	t.Parallel()
	w := newWorld(t, quick())
	var rules []simulator.FaultRule
	for _, action := range []simulator.FaultAction{
		{Status: 401},
		{Status: 429, Headers: map[string]string{"Retry-After-Ms": "20"}},
		{Status: 500},
		{Status: 502, Body: "html"},
		{Status: 503},
		{Status: 404},
		{Status: 200, Body: "empty"},
		{Status: 200, Body: "object"},
		{Status: 200, Body: "cut"},
		{Reset: "before"},
		{Hang: true},
	} {
		rules = append(rules, simulator.FaultRule{Match: simulator.FaultMatch{Op: "get", First: 1}, Action: action})
	}
	w.faults(rules...)
	r := w.work("LONGHAUL_OPENAI_LOOK_TIMEOUT=1s")
	id := w.submit(question, jobs.Options{MaxAttempts: 1})
	j := w.wait(id)
	if j.State != jobs.StateSucceeded || len(j.Attempts) != 1 || len(w.creates(id)) != 1 {
		t.Errorf("ended as %s after %d attempts (%v); want succeeded after one", j.State, len(j.Attempts), j.Failure)
	}
	failed := 0.0
	for _, class := range jobs.Classes() {
		failed += r.metric("longhaul_poller_looks_total", "result", string(class))
	}
	// The reset may be healed below: net/http repeats a GET by itself.
	if int(failed) < len(rules)-1 {
		t.Errorf("%v looks failed, want %d at least: the faults have tested nothing", failed, len(rules)-1)
	}
}

// TestLostAnswersAreResubmittedOnRecord breaks connections after the provider
// has accepted: what was paid for twice is known.
//
// Guarantees: G2, G6.
func TestLostAnswersAreResubmittedOnRecord(t *testing.T) {
	t.Parallel()
	w := newWorld(t, quick())
	w.faults(simulator.FaultRule{Match: simulator.FaultMatch{Op: "create", First: 2}, Action: simulator.FaultAction{Reset: "after"}})
	w.work()
	id := w.submit(question, jobs.Options{})
	j := w.wait(id)
	if j.State != jobs.StateSucceeded || len(j.Attempts) != 3 {
		t.Fatalf("ended as %s after %d attempts; want succeeded after three", j.State, len(j.Attempts))
	}
	for _, a := range j.Attempts[:2] {
		if a.Outcome != jobs.OutcomeUncertain || a.Failure.Class != jobs.ClassAmbiguous {
			t.Errorf("attempt %d is on record as %q with %v; want uncertain", a.Number, a.Outcome, a.Failure)
		}
	}
	for _, a := range j.Attempts[1:] {
		if a.Reason != string(jobs.ClassAmbiguous) {
			t.Errorf("attempt %d was made for %q, want ambiguous", a.Number, a.Reason)
		}
	}
	if n := len(w.creates(id)); n != len(j.Attempts) {
		t.Errorf("%d creates in the ledger and %d attempts on record", n, len(j.Attempts))
	}
	w.account(j)
}

// TestHeldJobIsReleasedByHand holds a job whose create's answer was lost.
//
// Guarantee: G6.
func TestHeldJobIsReleasedByHand(t *testing.T) {
	t.Parallel()
	w := newWorld(t, quick())
	w.faults(simulator.FaultRule{Match: simulator.FaultMatch{Op: "create", First: 1}, Action: simulator.FaultAction{Reset: "after"}})
	w.work()
	id := w.submit(question, jobs.Options{Uncertain: jobs.UncertainHold})
	eventually(t, "it is held", func() bool { return w.load(id).State == jobs.StateUncertain })
	if why, err := w.client.Why(t.Context(), w.load(id)); err != nil || !strings.Contains(why, "held for a person") {
		t.Errorf("it waits for %q, %v", why, err)
	}
	// A second and a half, in which audits, checks and nudges have their turns.
	time.Sleep(1500 * time.Millisecond)
	if j := w.load(id); j.State != jobs.StateUncertain || len(w.creates(id)) != 1 {
		t.Fatalf("it did not wait: %s after %d creates", j.State, len(w.creates(id)))
	}
	if _, err := w.client.Retry(t.Context(), id); err != nil {
		t.Fatal(err)
	}
	j := w.wait(id)
	if j.State != jobs.StateSucceeded || len(j.Attempts) != 2 || j.Attempts[1].Reason != "manual" || len(w.creates(id)) != 2 {
		t.Errorf("ended as %s with %+v and %d creates; want succeeded by a second attempt, made by hand", j.State, j.Attempts, len(w.creates(id)))
	}
	w.account(j)
}

// TestRetryByHand gives a failed job another attempt and keeps what happened.
func TestRetryByHand(t *testing.T) {
	t.Parallel()
	w := newWorld(t, quick())
	w.faults(simulator.FaultRule{Match: simulator.FaultMatch{Op: "create", First: 1}, Action: simulator.FaultAction{Status: 400, Param: "input", Message: "no"}})
	w.work()
	id := w.submit(question, jobs.Options{MaxAttempts: 1})
	j := w.wait(id)
	if j.State != jobs.StateFailed || j.Failure.Class != jobs.ClassInvalid || j.Failure.Param != "input" {
		t.Fatalf("ended as %s with %v; want failed for its input", j.State, j.Failure)
	}
	if _, err := w.client.Retry(t.Context(), id); err != nil {
		t.Fatal(err)
	}
	eventually(t, "it succeeds", func() bool { return w.load(id).State == jobs.StateSucceeded })
	j = w.load(id)
	if len(j.Attempts) != 2 || j.Attempts[0].Outcome != jobs.OutcomeFailed || j.Attempts[1].Reason != "manual" || j.Failure != nil {
		t.Errorf("attempts %+v, failure %v; want the first on record beside the second", j.Attempts, j.Failure)
	}
	if _, err := w.client.Retry(t.Context(), id); err == nil {
		t.Error("a job that has succeeded was retried")
	}
}

// TestAccountAtFaultBurnsNoAttempts has the key refused for a while: the job is
// healthy, the account is not.
//
// Guarantee: G6.
func TestAccountAtFaultBurnsNoAttempts(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		name    string
		action  simulator.FaultAction
		class   jobs.Class
		refused int
		paused  int // lines about it
	}{
		{"a key that is refused", simulator.FaultAction{Status: 401}, jobs.ClassUnauthorized, 1, 1},
		{"an empty account", simulator.FaultAction{Status: 429, Code: "insufficient_quota"}, jobs.ClassQuota, 1, 1},
		{"too fast", simulator.FaultAction{Status: 429}, jobs.ClassRateLimited, 2, 0},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			w := newWorld(t, quick())
			tt.action.Headers = map[string]string{"Retry-After": "1"}
			refused := tt.refused
			w.faults(simulator.FaultRule{Match: simulator.FaultMatch{Op: "create", First: refused}, Action: tt.action})
			r := w.work()
			id := w.submit(question, jobs.Options{MaxAttempts: 1})
			j := w.wait(id)
			if j.State != jobs.StateSucceeded || j.Counted() != 1 || len(j.Attempts) != 2 || j.Attempts[1].Number != refused+1 {
				t.Fatalf("ended as %s, %d attempts count (%v): %+v", j.State, j.Counted(), j.Failure, j.Attempts)
			}
			// The refused ones are told as one.
			if a := j.Attempts[0]; !a.Free || a.Repeats != refused-1 || a.Failure.Class != tt.class {
				t.Errorf("attempt %d and %d more: free %t, %v", a.Number, a.Repeats, a.Free, a.Failure)
			}
			if n := len(w.creates(id)); n != 1 {
				t.Errorf("%d creates, want one", n)
			}
			if n := r.metric("longhaul_results_attempt_failures_total", "class", string(tt.class)); n != float64(refused) {
				t.Errorf("the metric counts %v, want %d", n, refused)
			}
			text := r.log.String()
			for _, line := range []string{`level=ERROR msg="lane paused"`, `msg="lane resumes"`, `level=ERROR`} {
				if n := strings.Count(text, line); n != tt.paused {
					t.Errorf("%d lines with %s, want %d", n, line, tt.paused)
				}
			}
			if n := r.metric("longhaul_limits_probes_total", "lane", jobs.DefaultLane); n != float64(tt.paused) {
				t.Errorf("%v probes, want %d", n, tt.paused)
			}
		})
	}
}

// TestDeleteReachesTheProvider removes a job and both copies of its response.
func TestDeleteReachesTheProvider(t *testing.T) {
	t.Parallel()
	w := newWorld(t, quick())
	w.work()
	keep, drop := w.submit(question, jobs.Options{}), w.submit(question, jobs.Options{})
	w.wait(keep)
	w.wait(drop)
	for _, id := range []jobs.ID{keep, drop} {
		if _, err := w.client.Delete(t.Context(), id, id == drop); err != nil {
			t.Fatal(err)
		}
		eventually(t, "it is gone", func() bool {
			_, err := w.client.Get(t.Context(), id)
			return errors.Is(err, results.ErrNotFound)
		})
	}
	if w.creates(keep)[0].Deleted {
		t.Error("the provider's copy was deleted although nobody asked for it")
	}
	if !w.creates(drop)[0].Deleted {
		t.Error("the provider's copy is still there")
	}
}

// TestRetention forgets an ended job when its time is over: no key is left that
// has its id, or its dedupe key.
//
// Guarantee: G14.
func TestRetention(t *testing.T) {
	t.Parallel()
	w := newWorld(t, quick())
	r := w.work()
	short := w.submit(question, jobs.Options{Retention: 2 * time.Second, DedupeKey: "once", Group: "g"})
	long := w.submit(question, jobs.Options{Retention: time.Hour})
	ended := w.wait(short)
	w.wait(long)
	eventually(t, "it is forgotten", func() bool {
		_, err := w.client.Get(t.Context(), short)
		return errors.Is(err, results.ErrNotFound)
	})
	if kept := w.store.Now().Sub(ended.Ended); kept < 2*time.Second {
		t.Errorf("it was kept for %v, want its two seconds", kept)
	}
	keys, err := w.rdb.Keys(t.Context(), "longhaul:*").Result()
	if err != nil {
		t.Fatal(err)
	}
	for _, key := range keys {
		if strings.Contains(key, ":ledger:") {
			continue // what it cost is known for longer
		}
		dump, err := w.rdb.Dump(t.Context(), key).Result()
		if err == nil && strings.Contains(key+dump, string(short)) || strings.Contains(key, "dedupe:") {
			t.Errorf("key %s is left of it", key)
		}
	}
	if got := w.load(long); got.State != jobs.StateSucceeded {
		t.Errorf("the other job is %s", got.State)
	}
	if n := r.metric("longhaul_watchdog_expired_total"); n != 1 {
		t.Errorf("the metric counts %v, want 1", n)
	}
}

// TestWhatIsNotOursIsLeftAlone has a record of a newer schema and a response of
// an endpoint that is not served.
//
// Guarantee: G15.
func TestWhatIsNotOursIsLeftAlone(t *testing.T) {
	t.Parallel()
	w := newWorld(t, quick())
	ctx := t.Context()
	newer := w.submit(question, jobs.Options{})
	w.admit()
	key := w.key(newer, "job:"+string(newer))
	fields, err := w.rdb.HGetAll(ctx, key).Result()
	if err != nil {
		t.Fatal(err)
	}
	record := strings.Replace(fields["record"], `"schema":1,`, `"schema":99,"soul":{"n":1.0},`, 1)
	head := "99" + strings.TrimPrefix(fields["head"], "1")
	if err := w.rdb.HSet(ctx, key, "head", head, "record", record).Err(); err != nil {
		t.Fatal(err)
	}
	if err := w.tasks.Submit(ctx, newer, jobs.DefaultLane, 1, 0); err != nil {
		t.Fatal(err)
	}
	before, err := w.rdb.HGetAll(ctx, key).Result()
	if err != nil {
		t.Fatal(err)
	}

	foreign := w.submit(question, jobs.Options{})
	w.admit()
	w.step(foreign, jobs.SubmitStarted{Attempt: 1, Worker: elsewhere, Endpoint: "azure"})
	w.step(foreign, jobs.Created{Attempt: 1, Reply: w.create(w.load(foreign), 1), FirstLook: w.store.Now()})

	ours := w.submit(question, jobs.Options{})
	r := w.work()
	if j := w.wait(ours); j.State != jobs.StateSucceeded {
		t.Errorf("our own job ended as %s", j.State)
	}
	eventually(t, "the metrics tell", func() bool {
		return r.metric("longhaul_results_newer_schema_total") > 3 && r.metric("longhaul_unserved_jobs", "debt", "look", "endpoint", "azure") == 1
	})
	if j := w.load(foreign); j.State != jobs.StateRunning || w.creates(foreign)[0].Polls != 0 {
		t.Errorf("the job of another endpoint is %s after %d looks; want it running", j.State, w.creates(foreign)[0].Polls)
	}
	after, err := w.rdb.HGetAll(ctx, key).Result()
	if err != nil || fmt.Sprint(after) != fmt.Sprint(before) {
		t.Errorf("the record of a newer schema was changed, %v:\n%v\n%v", err, before, after)
	}
	// A worker that serves the endpoint takes it over.
	w.work("LONGHAUL_OPENAI_ENDPOINT=azure")
	if j := w.wait(foreign); j.State != jobs.StateSucceeded || len(w.creates(foreign)) != 1 {
		t.Errorf("ended as %s after %d creates", j.State, len(w.creates(foreign)))
	}
}
