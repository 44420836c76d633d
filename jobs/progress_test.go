package jobs_test

import (
	"encoding/json"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/longhaul-jobs/longhaul/jobs"
)

func TestReadProgress(t *testing.T) {
	t.Parallel()
	at := func(n int64) jobs.Place { return jobs.Place{Attempt: 2, Sequence: n} }
	long := strings.Repeat("x", 64<<10+1)
	tests := []struct {
		name, data   string
		want         jobs.Progress
		shown, ended bool
	}{
		{
			"created", `{"type":"response.created","sequence_number":0,"response":{"id":"resp_1","status":"queued"}}`,
			jobs.Progress{Place: at(0), Type: "response.created"},
			true, false,
		},
		{
			"text", `{"type":"response.output_text.delta","sequence_number":7,"output_index":1,"content_index":0,"delta":" tide","logprobs":[]}`,
			jobs.Progress{Place: at(7), Type: jobs.TextDelta, OutputIndex: 1, Delta: " tide"},
			true, false,
		},
		{
			"summary of the reasoning", `{"type":"response.reasoning_summary_text.delta","sequence_number":3,"delta":"Thinking"}`,
			jobs.Progress{Place: at(3), Type: jobs.ReasoningDelta, Delta: "Thinking"},
			true, false,
		},
		{
			"item", `{"type":"response.output_item.added","sequence_number":2,"output_index":3,"item":{"type":"web_search_call"}}`,
			jobs.Progress{Place: at(2), Type: "response.output_item.added", OutputIndex: 3, Item: "web_search_call"},
			true, false,
		},
		{
			"the whole text again", `{"type":"response.output_text.done","sequence_number":9,"text":"all"}`,
			jobs.Progress{Place: at(9), Type: "response.output_text.done"},
			false, false,
		},
		{
			"sound", `{"type":"response.audio.delta","sequence_number":4,"delta":"UklGRg=="}`,
			jobs.Progress{Place: at(4), Type: "response.audio.delta"},
			false, false,
		},
		{
			"data", `{"type":"response.new.delta","sequence_number":4,"delta":"` + long + `"}`,
			jobs.Progress{Place: at(4), Type: "response.new.delta", Delta: long},
			false, false,
		},
		{
			"a delta of another shape", `{"type":"response.new.delta","sequence_number":4,"delta":{"a":1},"item":"b"}`,
			jobs.Progress{Place: at(4), Type: "response.new.delta"},
			false, false,
		},
		{
			"completed", `{"type":"response.completed","sequence_number":10,"response":{"status":"completed"}}`,
			jobs.Progress{Place: at(10), Type: "response.completed"},
			true, true,
		},
		{
			"cancelled, for which there is no event", `{"type":"response.failed","sequence_number":10,"response":{"status":"cancelled"}}`,
			jobs.Progress{Place: at(10), Type: "response.failed"},
			true, true,
		},
		{
			"an error of the stream is no end", `{"type":"error","sequence_number":5,"code":"server_error","message":"sorry"}`,
			jobs.Progress{Place: at(5), Type: "error"},
			false, false,
		},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			got, shown, ended, err := jobs.ReadProgress(2, []byte(tt.data))
			if err != nil || shown != tt.shown || ended != tt.ended {
				t.Errorf("shown %t, ended %t, err %v; want %t, %t", shown, ended, err, tt.shown, tt.ended)
			}
			if diff := cmp.Diff(tt.want, got); diff != "" {
				t.Errorf("event (-want +got):\n%s", diff)
			}
		})
	}
	for _, bad := range []string{``, `{"type":`, `{"type":"response.created"}`, `{"type":"a","sequence_number":-1}`, `{"type":"a","sequence_number":"7"}`} {
		if p, _, _, err := jobs.ReadProgress(1, []byte(bad)); err == nil {
			t.Errorf("%s is read as %+v", bad, p)
		}
	}
}

func TestPlaces(t *testing.T) {
	t.Parallel()
	places := []jobs.Place{{}, {Attempt: 1}, {Attempt: 1, Sequence: 9}, {Attempt: 1, Sequence: 10}, {Attempt: 2}, {Attempt: 10, Sequence: 3}}
	for i, p := range places {
		if got, err := jobs.ParsePlace(p.String()); err != nil || got != p {
			t.Errorf("%s is read as %+v, err %v", p, got, err)
		}
		for k, q := range places {
			if p.Before(q) != (i < k) {
				t.Errorf("%s before %s: %t", p, q, p.Before(q))
			}
		}
	}
	for _, bad := range []string{"", "1", "1-", "-1", "a-1", "1-b", "-1-1", "1--1", "1-2-3"} {
		if p, err := jobs.ParsePlace(bad); err == nil {
			t.Errorf("%q is read as %s", bad, p)
		}
	}
}

// A response is followed while it runs, is wanted, and is streamed.
func TestFollowed(t *testing.T) {
	t.Parallel()
	running := jobs.Job{State: jobs.StateRunning, Stream: true}
	plain, stopped, refused := running, running, running
	plain.Stream = false
	stopped.Stop = &jobs.Stop{Reason: jobs.StopCancel}
	refused.Looks.Unstreamed = true
	if !running.Followed() || plain.Followed() || stopped.Followed() || refused.Followed() || (jobs.Job{Stream: true, State: jobs.StateWaiting}).Followed() {
		t.Error("a response is to be followed that should not be, or not that should")
	}
}

// The body of a streamed job is that of any other, and asks for a stream.
func TestStreamedBody(t *testing.T) {
	t.Parallel()
	request, err := jobs.ParseRequest([]byte(`{"model":"gpt-4.1","input":"hi","stream":false,"unknown":[1, 2]}`), jobs.DefaultModel)
	if err != nil {
		t.Fatal(err)
	}
	plain, err := request.Body("job_1", 1, nil)
	if err != nil {
		t.Fatal(err)
	}
	streamed, err := jobs.Streamed(plain)
	if err != nil {
		t.Fatal(err)
	}
	var body map[string]json.RawMessage
	if err := json.Unmarshal(streamed, &body); err != nil || string(body["stream"]) != "true" || string(body["background"]) != "true" {
		t.Errorf("%s, err %v", streamed, err)
	}
	if want := strings.TrimSuffix(string(plain), "}") + `,"stream":true}`; string(streamed) != want {
		t.Errorf("streamed %s, want %s", streamed, want)
	}
	_, err = jobs.ParseRequest([]byte(`{"input":"hi","stream":true}`), jobs.DefaultModel)
	if err == nil || !strings.Contains(err.Error(), "--stream") {
		t.Errorf("a request with stream: %v; want what to do instead", err)
	}
}
