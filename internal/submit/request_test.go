package submit_test

import (
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"testing"

	"github.com/longhaul-jobs/longhaul/jobs"
	"github.com/longhaul-jobs/longhaul/results"
)

// A request that cannot be read is tried again at the watchdog's pace, and with it
// missing for good its job fails without an attempt. Only Redis' errors go back to
// the queue, where each would go round beside those that the watchdog adds.
//
// Guarantees: G6, G9.
func TestRequestThatCannotBeRead(t *testing.T) {
	t.Parallel()
	missing := fmt.Errorf("load request of job_1: blob a/b of 7 bytes %w", results.ErrBlobMissing)
	for _, tt := range []struct {
		name     string
		err      error
		nudge    int
		returned bool // to the queue
		state    jobs.State
	}{
		{"redis is away", errAway, 0, true, jobs.StateWaiting},
		{"redis has been away for long", errAway, 1000, true, jobs.StateWaiting},
		{"the blob store is away", fmt.Errorf("load: %w", &jobs.Error{Failure: jobs.Failure{Class: jobs.ClassUnavailable}}), 1000, false, jobs.StateWaiting},
		{"there is no blob store here", fmt.Errorf("load: %w", jobs.Invalid("blobs.url", "is not set")), 1000, false, jobs.StateWaiting},
		{"the blob is missing", missing, 0, false, jobs.StateWaiting},
		{"the blob has been missing", missing, 9, false, jobs.StateWaiting},
		{"the blob is missing for good", missing, 10, false, jobs.StateFailed},
		{"it was altered", fmt.Errorf("load: it %w", results.ErrUnreadable), 10, false, jobs.StateFailed},
		{"it is not in the record", fmt.Errorf("request: %w", results.ErrNotFound), 10, false, jobs.StateFailed},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			b := newBench()
			j := b.job(t, jobs.Options{})
			b.records.requestErr = tt.err
			b.records.change(j.ID, func(j *jobs.Job) { j.Nudge = tt.nudge })
			if err := b.submitter.Submit(t.Context(), j.ID, 1); (err != nil) != tt.returned || err != nil && !errors.Is(err, tt.err) {
				t.Errorf("Submit: %v", err)
			}
			got := b.records.job(t, j.ID)
			if got.State != tt.state || len(got.Attempts) != 0 || b.api.creates() != 0 {
				t.Errorf("%s after %d attempts and %d creates, want %s after none", got.State, len(got.Attempts), b.api.creates(), tt.state)
			}
			if !tt.returned && !strings.Contains(b.log.String(), string(j.ID)) {
				t.Errorf("the log does not name the job: %q", b.log)
			}
			if tt.state != jobs.StateFailed {
				return
			}
			if f := got.Failure; f.Class != jobs.ClassInternal || f.Code != "request_missing" || f.Message != tt.err.Error() {
				t.Errorf("failed for %+v, want what is missing named", f)
			}
		})
	}
}

// A request that is there and no JSON object any more can never be sent.
func TestRequestThatCannotBeSent(t *testing.T) {
	t.Parallel()
	b := newBench()
	j := b.job(t, jobs.Options{})
	b.records.request[j.ID] = jobs.Request{Raw: []byte(`["altered"]`), Model: j.Model}
	b.submit(t, j.ID, 1)
	got := b.records.job(t, j.ID)
	if got.State != jobs.StateFailed || len(got.Attempts) != 0 || b.api.creates() != 0 {
		t.Fatalf("%s after %d attempts and %d creates, want it failed without one", got.State, len(got.Attempts), b.api.creates())
	}
	if f := got.Failure; f.Class != jobs.ClassInvalid || f.Code != "request_invalid" || f.Param != "request" {
		t.Errorf("failed for %+v, want the request named", f)
	}
}

// A response is known to its endpoint alone: what continues it is not sent elsewhere.
func TestRequestThatContinuesAResponseOfAnotherEndpoint(t *testing.T) {
	t.Parallel()
	b := newBench()
	j := b.job(t, jobs.Options{})
	b.records.change(j.ID, func(j *jobs.Job) {
		j.Continues = &jobs.Previous{Job: "job_1", ResponseID: "resp_of_another", Endpoint: "other"}
	})
	b.submit(t, j.ID, 1)
	got := b.records.job(t, j.ID)
	if got.State != jobs.StateFailed || len(got.Attempts) != 0 || b.api.creates() != 0 {
		t.Fatalf("%s after %d attempts and %d creates, want it failed without one", got.State, len(got.Attempts), b.api.creates())
	}
	if f := got.Failure; f.Class != jobs.ClassInvalid || f.Code != "other_endpoint" || !strings.Contains(f.Message, "endpoint other") {
		t.Errorf("failed for %+v, want both endpoints named", f)
	}
}

// While Redis does not take the failure, the task stays in the queue.
func TestUnusableRequestWhileRedisIsAway(t *testing.T) {
	t.Parallel()
	b := newBench()
	j := b.job(t, jobs.Options{})
	b.records.request[j.ID] = jobs.Request{}
	b.records.loseAnswer = true
	if err := b.submitter.Submit(t.Context(), j.ID, 1); !errors.Is(err, errAway) {
		t.Errorf("Submit: %v", err)
	}
	b.records.setAway(false)
	b.submit(t, j.ID, 1)
	if got := b.records.job(t, j.ID); got.State != jobs.StateFailed || len(b.records.history) != 1 {
		t.Errorf("%s after %v", got.State, b.records.history)
	}
}

// A job that is to be followed is created with a stream, in each of its attempts; no
// other is.
//
// Guarantee: G27.
func TestStreamedJobIsCreatedWithAStream(t *testing.T) {
	t.Parallel()
	b := newBench()
	plain, streamed := b.job(t, jobs.Options{}), b.job(t, jobs.Options{Stream: true})
	b.submit(t, plain.ID, 1)
	b.api.create = refuse(jobs.Failure{Class: jobs.ClassUnavailable})
	b.submit(t, streamed.ID, 1)
	b.records.admit(streamed.ID)
	b.submit(t, streamed.ID, 2)
	for i, want := range []string{"", "true", "true"} {
		var body map[string]json.RawMessage
		if err := json.Unmarshal(b.api.bodies[i], &body); err != nil {
			t.Fatal(err)
		}
		if string(body["stream"]) != want || string(body["background"]) != "true" || string(body["a_new_field"]) != "1.50" {
			t.Errorf("create %d sent %s", i, b.api.bodies[i])
		}
	}
}
