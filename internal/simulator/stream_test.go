package simulator_test

import (
	"context"
	"encoding/json"
	"maps"
	"net/http"
	"net/http/httptest"
	"strconv"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/longhaul-jobs/longhaul/internal/simulator"
)

// sse is one event of a stream.
type sse struct {
	name string
	data object
}

// parseSSE reads a whole stream and checks that each event's name and type agree and that the
// sequence numbers count up from first.
func parseSSE(tb testing.TB, a answer, first int) []sse {
	tb.Helper()
	if got := a.header.Get("Content-Type"); a.status != http.StatusOK || !strings.HasPrefix(got, "text/event-stream") {
		tb.Fatalf("stream = %d %s %s", a.status, got, a.raw)
	}
	var events []sse
	for block := range strings.SplitSeq(strings.TrimSuffix(a.raw, "\n\n"), "\n\n") {
		if block == "" {
			continue
		}
		name, data, ok := strings.Cut(strings.TrimPrefix(block, "event: "), "\ndata: ")
		var ev sse
		if ev.name = name; !ok || json.Unmarshal([]byte(data), &ev.data) != nil {
			tb.Fatalf("malformed event %q", block)
		}
		if ev.data["type"] != name || ev.data["sequence_number"] != float64(first+len(events)) {
			tb.Errorf("event %q has type %v and sequence number %v, want %d", name, ev.data["type"], ev.data["sequence_number"], first+len(events))
		}
		events = append(events, ev)
	}
	return events
}

// names lists the events' names; runs of the same name count once.
func names(events []sse) []string {
	var out []string
	for _, ev := range events {
		if len(out) == 0 || out[len(out)-1] != ev.name {
			out = append(out, ev.name)
		}
	}
	return out
}

func TestStreamSpellsOutTheResponse(t *testing.T) {
	textEvents := []string{
		"response.output_item.added", "response.content_part.added", "response.output_text.delta",
		"response.output_text.done", "response.content_part.done", "response.output_item.done",
	}
	tests := []struct {
		name    string
		request object
		want    []string
	}{
		{
			name: "synchronous", request: object{},
			want: concat([]string{"response.created", "response.in_progress"}, textEvents, []string{"response.completed"}),
		},
		{
			name: "background", request: object{"background": true},
			want: concat([]string{"response.created", "response.queued", "response.in_progress"}, textEvents, []string{"response.completed"}),
		},
		{
			name: "reasoning", request: object{"model": "o3"},
			want: concat([]string{"response.created", "response.in_progress", "response.output_item.added", "response.output_item.done"},
				textEvents, []string{"response.completed"}),
		},
		{
			name: "incomplete", request: object{"max_output_tokens": 16},
			want: concat([]string{"response.created", "response.in_progress"}, textEvents, []string{"response.incomplete"}),
		},
		{
			name: "failed", request: object{"metadata": object{"simulator_fault": "fail=server_error"}},
			want: []string{"response.created", "response.in_progress", "response.failed"},
		},
		{
			name:    "function call",
			request: object{"tools": []object{weatherTool()}, "tool_choice": "required"},
			want: []string{
				"response.created", "response.in_progress", "response.output_item.added", "response.function_call_arguments.delta",
				"response.function_call_arguments.done", "response.output_item.done", "response.completed",
			},
		},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				sim := newSimulator(t, simulator.Config{Queued: time.Second, Running: 10 * time.Second})
				request := object{"model": "gpt-4.1", "input": "Say hello.", "stream": true}
				maps.Copy(request, tt.request)
				start := time.Now()
				events := parseSSE(t, call(t, sim, "POST", "/v1/responses", request), 0)
				if took := time.Since(start); took != 11*time.Second {
					t.Errorf("stream took %s, want 11s", took)
				}
				if diff := cmp.Diff(tt.want, names(events)); diff != "" {
					t.Errorf("events (-want +got):\n%s", diff)
				}
				final := events[len(events)-1].data["response"]
				stored := get(t, sim, text(t, at(final, "id")))
				if diff := cmp.Diff(any(stored), final); diff != "" {
					t.Errorf("last event and stored response differ (-stored +event):\n%s", diff)
				}
				if deltas, whole := joined(events, "delta"), answerText(stored); deltas != whole {
					t.Errorf("deltas spell %q, response has %q", deltas, whole)
				}
			})
		})
	}
}

// joined concatenates a member of all delta events.
func joined(events []sse, member string) string {
	var out strings.Builder
	for _, ev := range events {
		if strings.HasSuffix(ev.name, ".delta") {
			delta, _ := ev.data[member].(string)
			out.WriteString(delta)
		}
	}
	return out.String()
}

// answerText is the text or the arguments in a response's last output item.
func answerText(response object) string {
	items, _ := response["output"].([]any)
	if len(items) == 0 {
		return ""
	}
	last := items[len(items)-1]
	if arguments, ok := at(last, "arguments").(string); ok {
		return arguments
	}
	whole, _ := at(last, "content", 0, "text").(string)
	return whole
}

func concat(lists ...[]string) []string {
	var out []string
	for _, list := range lists {
		out = append(out, list...)
	}
	return out
}

func TestStreamResumesBehindAnyEvent(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		sim := newSimulator(t, simulator.Config{Queued: time.Second, Running: time.Second})
		whole := call(t, sim, "POST", "/v1/responses", object{"model": "gpt-4.1", "input": "Say hello.", "stream": true, "background": true})
		events := parseSSE(t, whole, 0)
		id := text(t, at(events[0].data, "response", "id"))
		if again := call(t, sim, "GET", "/v1/responses/"+id+"?stream=true", nil); again.raw != whole.raw {
			t.Errorf("replay differs:\n%s", cmp.Diff(whole.raw, again.raw))
		}
		for after := range events {
			rest := call(t, sim, "GET", "/v1/responses/"+id+"?stream=true&starting_after="+strconv.Itoa(after), nil)
			if got, want := len(parseSSE(t, rest, after+1)), len(events)-after-1; got != want || !strings.HasSuffix(whole.raw, rest.raw) {
				t.Errorf("%d events behind %d, want the last %d:\n%s", got, after, want, rest.raw)
			}
		}
		if got := call(t, sim, "GET", "/v1/responses/"+id+"?stream=true&starting_after=minus", nil); got.status != http.StatusBadRequest {
			t.Errorf("starting_after=minus = %d", got.status)
		}
	})
}

func TestStreamCannotAlwaysBeResumed(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		sim := newSimulator(t, simulator.Config{})
		plain := text(t, create(t, sim, object{})["id"])
		background := text(t, create(t, sim, object{"background": true})["id"])
		events := parseSSE(t, call(t, sim, "POST", "/v1/responses", object{"model": "gpt-4.1", "input": "Hi.", "stream": true, "background": true}), 0)
		old := text(t, at(events[0].data, "response", "id"))
		refused := func(id, want string) {
			t.Helper()
			got := call(t, sim, "GET", "/v1/responses/"+id+"?stream=true", nil)
			if got.status != http.StatusBadRequest || at(got.body, "error", "message") != want || at(got.body, "error", "param") != "stream" {
				t.Errorf("stream = %d %s, want %q", got.status, got.raw, want)
			}
		}
		refused(plain, "This response cannot be streamed because it was not created with background=true.")
		refused(background, "This response cannot be streamed because it was not created with stream=true.")
		time.Sleep(5 * time.Minute)
		parseSSE(t, call(t, sim, "GET", "/v1/responses/"+old+"?stream=true", nil), 0)
		time.Sleep(time.Nanosecond)
		refused(old, "This response can no longer be streamed because it is more than 5 minutes old")
	})
}

func TestCancelEndsTheStream(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		sim := newSimulator(t, simulator.Config{Running: time.Minute})
		var streamed answer
		var took time.Duration
		start := time.Now()
		go func() {
			streamed = call(t, sim, "POST", "/v1/responses", object{"model": "gpt-4.1", "input": "Say hello.", "stream": true, "background": true})
			took = time.Since(start)
		}()
		time.Sleep(30 * time.Second)
		id := sim.Ledger().Entries[0].ID
		call(t, sim, "POST", "/v1/responses/"+id+"/cancel", nil)
		synctest.Wait()
		if took != 30*time.Second {
			t.Errorf("stream ended after %s, want 30s", took)
		}
		events := parseSSE(t, streamed, 0)
		last := events[len(events)-1]
		if last.name != "response.failed" || at(last.data, "response", "status") != "cancelled" {
			t.Errorf("last event = %s %v", last.name, last.data)
		}
		time.Sleep(time.Minute)
		if again := call(t, sim, "GET", "/v1/responses/"+id+"?stream=true", nil); again.raw != streamed.raw {
			t.Errorf("replay differs:\n%s", cmp.Diff(streamed.raw, again.raw))
		}
	})
}

func TestClientWhoLeaves(t *testing.T) {
	for _, tt := range []struct {
		name    string
		request object
		want    simulator.Status
	}{
		{"synchronous", object{}, simulator.StatusCancelled},
		{"synchronous stream", object{"stream": true}, simulator.StatusCancelled},
		{"background stream", object{"stream": true, "background": true}, simulator.StatusCompleted},
	} {
		t.Run(tt.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				sim := newSimulator(t, simulator.Config{Running: time.Minute})
				ctx, leave := context.WithCancel(t.Context())
				request := object{"model": "gpt-4.1", "input": "Say hello."}
				maps.Copy(request, tt.request)
				body, err := json.Marshal(request)
				if err != nil {
					t.Fatal(err)
				}
				r := httptest.NewRequestWithContext(ctx, "POST", "/v1/responses", strings.NewReader(string(body)))
				r.Header.Set("Authorization", "Bearer k")
				left := make(chan struct{})
				go func() {
					defer close(left)
					defer func() { _ = recover() }() // a recorder cannot be hijacked: the handler aborts
					sim.ServeHTTP(httptest.NewRecorder(), r)
				}()
				time.Sleep(10 * time.Second)
				leave()
				<-left
				time.Sleep(time.Minute)
				if got := sim.Ledger().Entries[0].Status; got != tt.want {
					t.Errorf("status = %s, want %s", got, tt.want)
				}
			})
		})
	}
}

func TestObfuscationHidesTheLengthOfDeltas(t *testing.T) {
	sim := newSimulator(t, simulator.Config{})
	request := object{"model": "gpt-4.1", "input": "Say hello.", "stream": true}
	for _, ev := range parseSSE(t, call(t, sim, "POST", "/v1/responses", request), 0) {
		if delta, ok := ev.data["delta"].(string); ok {
			if padding := text(t, ev.data["obfuscation"]); (len(delta)+len(padding))%16 != 0 {
				t.Errorf("delta %q is padded with %q", delta, padding)
			}
		}
	}
	request["stream_options"] = object{"include_obfuscation": false}
	if got := call(t, sim, "POST", "/v1/responses", request); strings.Contains(got.raw, "obfuscation") {
		t.Errorf("stream is obfuscated although it was told not to be: %s", got.raw)
	}
}

func TestCloseEndsWaits(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		sim := newSimulator(t, simulator.Config{Running: time.Hour})
		ended := make(chan answer)
		go func() {
			ended <- call(t, sim, "POST", "/v1/responses", object{"model": "gpt-4.1", "input": "Say hello.", "stream": true, "background": true})
		}()
		time.Sleep(time.Minute)
		if err := sim.Close(); err != nil {
			t.Errorf("Close: %v", err)
		}
		if err := sim.Close(); err != nil {
			t.Errorf("second Close: %v", err)
		}
		events := parseSSE(t, <-ended, 0)
		if last := events[len(events)-1].name; last == "response.completed" {
			t.Errorf("last event = %s", last)
		}
	})
}
