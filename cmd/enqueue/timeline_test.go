package main

import (
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/longhaul-jobs/longhaul/jobs"
)

var update = flag.Bool("update", false, "write the texts of testdata/get")

// story is the life of a job, told by what happens to it.
type story struct {
	t     *testing.T
	begin time.Time
	jobs.Job
}

func tell(t *testing.T, options jobs.Options) *story {
	t.Helper()
	s := &story{t: t, begin: time.Date(2026, 11, 22, 12, 0, 0, 0, time.UTC)}
	request, err := jobs.ParseRequest([]byte(`{"input":"hello","max_output_tokens":1000,"service_tier":"flex"}`), jobs.DefaultModel)
	if err != nil {
		t.Fatal(err)
	}
	s.Job = jobs.New("job_019ab1c2d3e4f5061728394a5b6c7d0e", request, options, s.begin)
	return s
}

// at is a time in seconds after the beginning.
func (s *story) at(seconds float64) time.Time {
	return s.begin.Add(time.Duration(seconds * float64(time.Second)))
}

// then has something happen.
func (s *story) then(seconds float64, event jobs.Event) *story {
	s.t.Helper()
	change, err := jobs.Transition(s.Job, event, s.at(seconds))
	if err != nil {
		s.t.Fatalf("%s: %v", event.Name(), err)
	}
	s.Job = change.Job
	return s
}

// begun starts the next attempt.
func (s *story) begun(seconds float64, wait time.Duration) *story {
	s.t.Helper()
	s.Admitted = s.at(seconds)
	n := s.NextAttempt()
	return s.then(seconds, jobs.SubmitStarted{
		Attempt: n, Worker: fmt.Sprintf("w_%d", n), Endpoint: "default", ClientRequestID: fmt.Sprintf("%s-%d", s.ID, n), UncertainWait: wait,
	})
}

func (s *story) refused(seconds float64, f jobs.Failure, delay time.Duration) *story {
	s.t.Helper()
	return s.then(seconds, jobs.CreateFailed{Attempt: s.Current, Failure: f, Delay: delay})
}

func (s *story) answer(seconds float64, attempt int, body string) *story {
	s.t.Helper()
	event := created(attempt, body)
	event.FirstLook = s.at(seconds + 2)
	return s.then(seconds, event)
}

func (s *story) looked(seconds float64, body string) *story {
	s.t.Helper()
	return s.then(seconds, jobs.Looked{Reply: created(1, body).Reply})
}

// TestGetTellsTheLifeOfAJob compares what get shows with the texts in
// testdata/get. Write them anew with -update, and read them.
func TestGetTellsTheLifeOfAJob(t *testing.T) {
	t.Parallel()
	const (
		running   = `{"id":"resp_1","status":"in_progress"}`
		completed = `{"id":"resp_%d","status":"completed","model":"gpt-4.1-2025","usage":{"input_tokens":1200,"input_tokens_details":{"cached_tokens":1000},"output_tokens":340,"output_tokens_details":{"reasoning_tokens":300},"total_tokens":1540}}`
		cut       = `{"id":"resp_1","status":"incomplete","incomplete_details":{"reason":"max_output_tokens"},"usage":{"input_tokens":12,"output_tokens":1000,"total_tokens":1012}}`
	)
	slow := jobs.Failure{Class: jobs.ClassRateLimited, Code: "rate_limit_exceeded", HTTPStatus: 429, Message: "slow\x1b[2J down", RequestID: "req_429", RetryAfter: 28 * time.Second}
	reset := jobs.Failure{Class: jobs.ClassAmbiguous, Message: "connection reset by peer"}
	for name, of := range map[string]func(*testing.T) (*story, float64){
		"succeeded": func(t *testing.T) (*story, float64) {
			s := tell(t, jobs.Options{Group: "g", DedupeKey: "order-4711", Metadata: map[string]string{"ticket": "42"}})
			s.begun(1, 0).refused(1.4, slow, 28*time.Second).begun(29.5, 0).answer(30, 2, `{"id":"resp_2","status":"in_progress"}`)
			return s.looked(215, fmt.Sprintf(completed, 2)), 3600
		},
		"running": func(t *testing.T) (*story, float64) {
			s := tell(t, jobs.Options{}).begun(1, 0).answer(2, 1, running)
			s.Looks = jobs.Looks{Count: 14, Failed: 2, Last: s.at(100), Next: s.at(130), Status: "in_progress"}
			return s, 120
		},
		"waiting": func(t *testing.T) (*story, float64) {
			s := tell(t, jobs.Options{})
			quota := jobs.Failure{Class: jobs.ClassQuota, HTTPStatus: 429, Message: "You exceeded your current quota"}
			for i := range 4 {
				s.begun(float64(60*i+1), 0).refused(float64(60*i+2), quota, time.Minute)
			}
			return s, 200
		},
		"held": func(t *testing.T) (*story, float64) {
			return tell(t, jobs.Options{Uncertain: jobs.UncertainHold}).begun(1, 0).refused(31, reset, 0), 600
		},
		"waits-for-the-provider": func(t *testing.T) (*story, float64) {
			return tell(t, jobs.Options{}).begun(1, time.Hour).refused(31, reset, 0), 600
		},
		"given-up": func(t *testing.T) (*story, float64) {
			s := tell(t, jobs.Options{Uncertain: jobs.UncertainHold}).begun(1, 0)
			s.then(40, jobs.WorkerLost{Attempt: 1, Worker: "w_1"})
			return s.then(500, jobs.FailRequested{Message: "not in the dashboard"}), 600
		},
		"paid-twice": func(t *testing.T) (*story, float64) {
			// The answer of the first attempt comes when the second one runs.
			s := tell(t, jobs.Options{}).begun(1, 0).refused(31, reset, 5*time.Second).begun(36, 0)
			s.answer(37, 2, `{"id":"resp_2","status":"in_progress"}`).looked(60, fmt.Sprintf(completed, 2))
			return s.answer(70, 1, fmt.Sprintf(completed, 1)), 600
		},
		"cancelled": func(t *testing.T) (*story, float64) {
			s := tell(t, jobs.Options{}).begun(1, 0).answer(2, 1, running)
			s.then(50, jobs.StopRequested{Reason: jobs.StopCancel})
			return s.then(110, jobs.StopGivenUp{ResponseID: "resp_1"}), 120
		},
		"expired": func(t *testing.T) (*story, float64) {
			s := tell(t, jobs.Options{Deadline: time.Date(2026, 11, 22, 12, 5, 0, 0, time.UTC)})
			return s.then(300, jobs.StopRequested{Reason: jobs.StopDeadline}), 3 * 24 * 3600
		},
		"asked-for-more": func(t *testing.T) (*story, float64) {
			s := tell(t, jobs.Options{GrowOutputTo: 4000}).begun(1, 0).answer(2, 1, running).looked(30, cut)
			return s.begun(31, 0), 32
		},
		"in-another-tier": func(t *testing.T) (*story, float64) {
			s := tell(t, jobs.Options{FallbackTier: "default"}).begun(1, 0)
			s.refused(2, jobs.Failure{Class: jobs.ClassCapacity, HTTPStatus: 429, Code: "resource_unavailable", Message: "Resource unavailable"}, 0)
			return s.begun(3, 0).answer(4, 2, fmt.Sprintf(completed, 2)), 10
		},
		"lost": func(t *testing.T) (*story, float64) {
			s := tell(t, jobs.Options{}).begun(1, 0).answer(2, 1, running)
			return s.then(90, jobs.ResponseLost{ResponseID: "resp_1", Failure: jobs.Failure{Class: jobs.ClassLost, HTTPStatus: 404, Message: "the provider does not know the response"}}), 100
		},
		"retried-by-hand": func(t *testing.T) (*story, float64) {
			s := tell(t, jobs.Options{}).begun(1, 0).refused(2, jobs.Failure{Class: jobs.ClassInvalid, HTTPStatus: 400, Param: "input", Message: "is too long"}, 0)
			return s.then(7200, jobs.RetryRequested{}).begun(7201, 0), 7202
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s, now := of(t)
			var b strings.Builder
			why := "" // of an ended job
			if !s.State.Terminal() {
				why = "what the client says"
			}
			if err := writeJob(&b, s.Job, why, (&cli{}).advise(s.Job, ""), nil, nil, s.at(now)); err != nil {
				t.Fatal(err)
			}
			page := filepath.Join("testdata", "get", name+".txt")
			if *update {
				if err := os.WriteFile(page, []byte(b.String()), 0o644); err != nil {
					t.Fatal(err)
				}
			}
			want, err := os.ReadFile(page)
			if err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(string(want), b.String()); diff != "" {
				t.Errorf("get (-want +got):\n%s", diff)
			}
		})
	}
}

func TestGetJSONHasTheTimeline(t *testing.T) {
	t.Parallel()
	b := newBench(t)
	id := b.held(1, jobs.Options{})[0]
	view := decode[jobView](t, b.call("", "get", string(id), "--json").want(t, 0).stdout)
	var events []string
	for _, h := range view.Timeline {
		events = append(events, fmt.Sprintf("%s %d", h.Event, h.Attempt))
	}
	want := []string{"accepted 0", "attempt_started 1", "attempt_ended 1", "deadline 0"}
	if diff := cmp.Diff(want, events); diff != "" {
		t.Errorf("timeline (-want +got):\n%s", diff)
	}
	if view.Waste == nil || !cmp.Equal(view.Waste.Unknown, []int{1}) || !strings.Contains(view.Advice, "enqueue release "+string(id)) {
		t.Errorf("waste is %+v and the advice %q", view.Waste, view.Advice)
	}
}
