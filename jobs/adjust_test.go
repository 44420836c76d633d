package jobs_test

import (
	"encoding/json"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/longhaul-jobs/longhaul/jobs"
)

// jobOf returns an admitted job with the request.
func jobOf(t *testing.T, body string, o jobs.Options) (jobs.Job, jobs.Request) {
	t.Helper()
	request, err := jobs.ParseRequest([]byte(body), jobs.DefaultModel)
	if err != nil {
		t.Fatal(err)
	}
	if err := o.ValidateFor(request); err != nil {
		t.Fatal(err)
	}
	request.History = o.History
	return admitted(jobs.New(testID, request, o, testNow), testNow), request
}

// sent is what an attempt sends, less what every attempt has.
func sent(t *testing.T, r jobs.Request, j jobs.Job) string {
	t.Helper()
	body, err := r.Body(testID, 1, j.Adjust)
	if err != nil {
		t.Fatal(err)
	}
	var fields map[string]json.RawMessage
	if err := json.Unmarshal(body, &fields); err != nil {
		t.Fatal(err)
	}
	for _, ours := range []string{"metadata", "background", "store", "model"} {
		delete(fields, ours)
	}
	raw, err := json.Marshal(fields)
	if err != nil {
		t.Fatal(err)
	}
	return string(raw)
}

// A service tier without room is tried again later, or another tier at once if
// the job allows it; neither costs an attempt.
func TestNoCapacity(t *testing.T) {
	const body = `{"input":"hello","service_tier":"flex"}`
	full := jobs.CreateFailed{Attempt: 1, Failure: jobs.Failure{
		Class: jobs.ClassifyCode("rate_limit_exceeded", "429 Resource Unavailable"), HTTPStatus: 429,
	}, Delay: time.Minute}

	j, _ := jobOf(t, body, jobs.Options{})
	j = apply(t, j, submit(1), full)
	if j.State != jobs.StateWaiting || !j.NotBefore.Equal(at(62)) || j.Counted() != 0 || j.Adjust != nil {
		t.Errorf("%s not before %s, %d counted, %+v", j.State, j.NotBefore, j.Counted(), j.Adjust)
	}

	j, r := jobOf(t, body, jobs.Options{FallbackTier: "default"})
	j = apply(t, j, submit(1), full)
	if j.State != jobs.StateWaiting || j.NotBefore.After(j.Updated) || j.Counted() != 0 || j.Reason != "capacity" {
		t.Errorf("%s not before %s, %d counted, because of %q", j.State, j.NotBefore, j.Counted(), j.Reason)
	}
	if got, want := sent(t, r, j), `{"input":"hello","service_tier":"default"}`; got != want {
		t.Errorf("sends %s, want %s", got, want)
	}
	full.Attempt = 2
	if j = apply(t, j, submit(2), full); !j.NotBefore.Equal(j.Updated.Add(time.Minute)) || len(j.Attempts) != 2 {
		t.Errorf("the tier fallen to is full as well: not before %s, %d attempts told", j.NotBefore, len(j.Attempts))
	}
}

// cutOff is a look that finds an answer cut off by its cap.
func cutOff(attempt int) jobs.Looked { return looked(attempt, jobs.StatusIncomplete) }

// An answer that was cut off is kept while a longer one is asked for.
func TestGrowOutput(t *testing.T) {
	const body = `{"input":"hello","max_output_tokens":100}`
	j, r := jobOf(t, body, jobs.Options{GrowOutputTo: 350})
	c := change(t, apply(t, j, submit(1), created(1, jobs.StatusQueued)), cutOff(1))
	j = c.Job
	if j.State != jobs.StateWaiting || c.Body == nil || j.Result == nil || j.Reason != "max_output_tokens" {
		t.Fatalf("%s, body of %d bytes, result %+v, because of %q", j.State, len(c.Body), j.Result, j.Reason)
	}
	if got, want := sent(t, r, j), `{"input":"hello","max_output_tokens":200}`; got != want {
		t.Errorf("sends %s, want %s", got, want)
	}
	j = apply(t, admitted(j, j.Updated), submit(2), created(2, jobs.StatusQueued), cutOff(2))
	if j.Adjust.MaxOutputTokens != 350 {
		t.Fatalf("asks for %d at last, want no more than the job allows", j.Adjust.MaxOutputTokens)
	}
	third := apply(t, j, submit(3), created(3, jobs.StatusQueued))
	t.Run("in vain", func(t *testing.T) {
		if j := apply(t, third, cutOff(3)); j.State != jobs.StateIncomplete || j.Result.ResponseID != responseID(3) {
			t.Errorf("%s with %+v", j.State, j.Result)
		}
	})
	t.Run("completed", func(t *testing.T) {
		if j := apply(t, third, looked(3, jobs.StatusCompleted)); j.State != jobs.StateSucceeded || j.Result.ResponseID != responseID(3) {
			t.Errorf("%s with %+v", j.State, j.Result)
		}
	})
	t.Run("failed for good: what was cut off is the result", func(t *testing.T) {
		c := change(t, third, looked(3, failedInvalid))
		if j := c.Job; j.State != jobs.StateIncomplete || j.Current != 2 || j.Result.ResponseID != responseID(2) || c.Body != nil || j.Failure == nil {
			t.Errorf("%s with attempt %d, %+v, failure %+v", j.State, j.Current, j.Result, j.Failure)
		}
	})
	t.Run("cancelled: it is kept all the same", func(t *testing.T) {
		c := change(t, apply(t, third, cancel), looked(3, jobs.StatusCancelled))
		if j := c.Job; j.State != jobs.StateCancelled || j.Result.ResponseID != responseID(2) || c.Body != nil {
			t.Errorf("%s with %+v", j.State, j.Result)
		}
	})
	t.Run("unless the job asks for nothing", func(t *testing.T) {
		j, _ := jobOf(t, body, jobs.Options{})
		if j = apply(t, j, submit(1), created(1, jobs.StatusQueued), cutOff(1)); j.State != jobs.StateIncomplete {
			t.Errorf("%s", j.State)
		}
	})
}

// A previous response that the provider has lost is replaced by the history that
// the job carries, once, and otherwise fails the job with the provider's words.
func TestPreviousResponseLost(t *testing.T) {
	const body = `{"input":"And then?","previous_response_id":"resp_0"}`
	gone := jobs.CreateFailed{Attempt: 1, Failure: jobs.Failure{
		Class: jobs.ClassInvalid, Code: "previous_response_not_found", Param: "previous_response_id", Message: "not found", HTTPStatus: 400,
	}}
	j, _ := jobOf(t, body, jobs.Options{})
	if j = apply(t, j, submit(1), gone); j.State != jobs.StateFailed || j.Failure.Param != "previous_response_id" {
		t.Errorf("without history: %s, %+v", j.State, j.Failure)
	}
	history := json.RawMessage(`[{"role":"user","content":"Tell me <a> story"}, {"role":"assistant","content":"Once"}]`)
	j, r := jobOf(t, body, jobs.Options{History: history, MaxAttempts: 1})
	if j = apply(t, j, submit(1), gone); j.State != jobs.StateWaiting || j.Counted() != 0 {
		t.Fatalf("with history: %s, %d counted", j.State, j.Counted())
	}
	want := `{"input":[{"role":"user","content":"Tell me <a> story"},{"role":"assistant","content":"Once"},` +
		`{"type":"message","role":"user","content":"And then?"}]}`
	got := sent(t, r, j)
	var a, b any
	if json.Unmarshal([]byte(got), &a) != nil || json.Unmarshal([]byte(want), &b) != nil || !cmp.Equal(a, b) {
		t.Errorf("sends %s, want %s", got, want)
	}
	gone.Attempt = 2
	if j = apply(t, j, submit(2), gone); j.State != jobs.StateFailed {
		t.Errorf("the rebuilt request is refused as well: %s", j.State)
	}
}

func TestValidateFor(t *testing.T) {
	for _, tt := range []struct {
		name, body string
		options    jobs.Options
		param      string
		words      string
	}{
		{"no cap", `{"input":"a"}`, jobs.Options{GrowOutputTo: 9}, "grow_output_to", "max_output_tokens"},
		{"a larger cap", `{"input":"a","max_output_tokens":10}`, jobs.Options{GrowOutputTo: 9}, "grow_output_to", "more than that"},
		{"no tier", `{"input":"a"}`, jobs.Options{FallbackTier: "default"}, "fallback_tier", "service_tier"},
		{"the same tier", `{"input":"a","service_tier":"flex"}`, jobs.Options{FallbackTier: "flex"}, "fallback_tier", "another"},
		{"no list", `{"input":"a","previous_response_id":"r"}`, jobs.Options{History: json.RawMessage(`{}`)}, "history", "list"},
		{"a cap that is no integer", `{"input":"a","max_output_tokens":1000.0}`, jobs.Options{GrowOutputTo: 2000}, "grow_output_to", "as an integer"},
		{"a cap that is no number", `{"input":"a","max_output_tokens":"1000"}`, jobs.Options{GrowOutputTo: 2000}, "grow_output_to", "as an integer"},
		{"a stream of a batch", `{"input":"a","service_tier":"batch"}`, jobs.Options{Stream: true}, "stream", "a batch has no streams"},
		{"a nonce without parts", `{"input":"a"}`, jobs.Options{Nonce: "n"}, "nonce", "leave it out"},
		{"nothing to replace", `{"input":"a"}`, jobs.Options{History: json.RawMessage(`[{}]`)}, "history", "previous_response_id"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			request, err := jobs.ParseRequest([]byte(tt.body), jobs.DefaultModel)
			if err != nil {
				t.Fatal(err)
			}
			wantInvalid(t, tt.options.ValidateFor(request), tt.param, tt.words)
		})
	}
}
