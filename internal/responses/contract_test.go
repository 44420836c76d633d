package responses_test

import (
	"bytes"
	"encoding/json"
	"net/http"
	"os"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/getkin/kin-openapi/openapi3"
	"github.com/getkin/kin-openapi/openapi3filter"
	"github.com/getkin/kin-openapi/routers/legacy"
	"github.com/google/go-cmp/cmp"

	"github.com/longhaul-jobs/longhaul/internal/responses"
	"github.com/longhaul-jobs/longhaul/internal/simulator"
	"github.com/longhaul-jobs/longhaul/jobs"
)

// openAPIVar names OpenAI's own description of its API, if it is at hand: the
// requests of these tests are then held to it.
const openAPIVar = "LONGHAUL_OPENAPI"

// standIn serves a simulator and returns a client of it.
func standIn(t *testing.T, config simulator.Config) (*simulator.Simulator, *server, *responses.Client) {
	t.Helper()
	sim, err := simulator.New(config)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = sim.Close() })
	s := serve(t, sim.ServeHTTP)
	return sim, s, s.client(t)
}

// body is what a worker sends for a request of a caller.
func body(t *testing.T, request string) json.RawMessage {
	t.Helper()
	parsed, err := jobs.ParseRequest([]byte(request), jobs.DefaultModel)
	if err != nil {
		t.Fatal(err)
	}
	raw, err := parsed.Body("job_0198c0de00007000800000000000000a", 1, nil)
	if err != nil {
		t.Fatal(err)
	}
	return raw
}

func TestLifeOfAResponse(t *testing.T) {
	t.Parallel()
	description := os.Getenv(openAPIVar)
	synctest.Test(t, func(t *testing.T) {
		sim, s, c := standIn(t, simulator.Config{Queued: 2 * time.Second, Running: 5 * time.Second, PollAfter: 1500 * time.Millisecond})
		reply, err := c.Create(t.Context(), body(t, `{"input":"Say hello.","include":["reasoning.encrypted_content"]}`), "attempt-1")
		if err != nil {
			t.Fatal(err)
		}
		id := reply.Response.ID
		statuses := []string{reply.Response.Status}
		if reply.RequestID == "" || reply.PollAfter != 1500*time.Millisecond {
			t.Errorf("request id %q, poll after %s; want one, and 1.5s", reply.RequestID, reply.PollAfter)
		}
		for range 2 {
			time.Sleep(4 * time.Second)
			if reply, err = c.Look(t.Context(), id, []string{"reasoning.encrypted_content"}); err != nil {
				t.Fatal(err)
			}
			statuses = append(statuses, reply.Response.Status)
		}
		if diff := cmp.Diff([]string{"queued", "in_progress", "completed"}, statuses); diff != "" {
			t.Errorf("statuses (-want +got):\n%s", diff)
		}
		if reply.Response.Text() == "" || reply.Response.Usage() == nil {
			t.Errorf("completed response %s has no text or no usage", reply.Response.Raw)
		}
		items, err := c.InputItems(t.Context(), id)
		if err != nil || len(items) != 1 || !strings.Contains(string(items[0]), "Say hello.") {
			t.Errorf("input items = %s, err %v; want the one that was sent", items, err)
		}
		if again, err := c.Cancel(t.Context(), id); err != nil || again.Response.Status != jobs.StatusCompleted {
			t.Errorf("cancel of the ended response: status %q, err %v; want completed", again.Response.Status, err)
		}
		if err := c.Delete(t.Context(), id); err != nil {
			t.Errorf("delete: %v", err)
		}
		for _, op := range []func() error{
			func() error { return c.Delete(t.Context(), id) },
			func() error { _, err := c.Look(t.Context(), id, nil); return err },
			func() error { _, err := c.Cancel(t.Context(), id); return err },
			func() error { _, err := c.InputItems(t.Context(), id); return err },
		} {
			if err := op(); jobs.ClassOf(err) != jobs.ClassLost {
				t.Errorf("call about the deleted response: %v, want lost", err)
			}
		}
		if got := sim.Ledger(); len(got.Entries) != 1 || got.Entries[0].ID != id || !got.Entries[0].Background {
			t.Errorf("ledger = %+v, want the one response, in the background", got)
		}
		s.holdTo(t, description)
	})
}

func TestCancelOfARunningResponse(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		_, _, c := standIn(t, simulator.Config{Running: 5 * time.Minute})
		reply, err := c.Create(t.Context(), body(t, `{"input":"Say hello."}`), "attempt-1")
		if err != nil {
			t.Fatal(err)
		}
		if reply, err = c.Cancel(t.Context(), reply.Response.ID); err != nil || reply.Response.Status != jobs.StatusCancelled {
			t.Errorf("cancel: status %q, err %v; want cancelled", reply.Response.Status, err)
		}
		// The stand-in, like OpenAI, cancels nothing that is not in the background.
		reply, err = c.Create(t.Context(), []byte(`{"model":"gpt-4.1","input":"Say hello."}`), "attempt-2")
		if err != nil {
			t.Fatal(err)
		}
		if _, err = c.Cancel(t.Context(), reply.Response.ID); jobs.ClassOf(err) != jobs.ClassConflict {
			t.Errorf("cancel of one that is not in the background: %v, want conflict", err)
		}
	})
}

func TestFaultsOfTheStandIn(t *testing.T) {
	t.Parallel()
	type action = simulator.FaultAction
	const request = `{"input":"x"}`
	tests := []struct {
		name     string
		action   *action // nil for none
		request  string
		want     jobs.Class
		accepted int
	}{
		{"unknown model", nil, `{"input":"x","model":"gpt-0"}`, jobs.ClassInvalid, 0},
		{"unknown parameter", nil, `{"input":"x","unheard_of":1}`, jobs.ClassInvalid, 0},
		{"rate limit", &action{Status: 429}, request, jobs.ClassRateLimited, 0},
		{"quota", &action{Status: 429, Code: "insufficient_quota"}, request, jobs.ClassQuota, 0},
		{"server error", &action{Status: 500}, request, jobs.ClassAmbiguous, 0},
		{"server error, accepted", &action{Status: 500, Accept: true}, request, jobs.ClassAmbiguous, 1},
		{"slow down", &action{Status: 503, Message: "Slow down"}, request, jobs.ClassRateLimited, 0},
		{"overloaded", &action{Status: 503}, request, jobs.ClassRateLimited, 0},
		{"bad gateway in HTML", &action{Status: 502, Body: "html"}, request, jobs.ClassAmbiguous, 0},
		{"reset before", &action{Reset: "before"}, request, jobs.ClassAmbiguous, 0},
		{"reset after", &action{Reset: "after"}, request, jobs.ClassAmbiguous, 1},
		{"hang", &action{Hang: true}, request, jobs.ClassAmbiguous, 0},
		{"empty object", &action{Body: "object"}, request, jobs.ClassAmbiguous, 1},
		{"empty body", &action{Body: "empty"}, request, jobs.ClassAmbiguous, 1},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				sim, s, c := standIn(t, simulator.Config{})
				if tt.action != nil {
					rule := simulator.FaultRule{Match: simulator.FaultMatch{Op: "create"}, Action: *tt.action}
					if err := sim.SetFaults(simulator.FaultPlan{Rules: []simulator.FaultRule{rule}}); err != nil {
						t.Fatal(err)
					}
				}
				_, err := c.Create(t.Context(), body(t, tt.request), "attempt-1")
				if f := failure(t, err); f.Class != tt.want {
					t.Errorf("failure = %s, want %s", f, tt.want)
				}
				if n := len(s.received()); n != 1 {
					t.Errorf("stand-in received %d requests, want 1", n)
				}
				if n := sim.Ledger().Totals.CreatesAccepted; n != tt.accepted {
					t.Errorf("ledger has %d creates, want %d", n, tt.accepted)
				}
			})
		})
	}
}

// The stand-in, like OpenAI, repeats the ends of a key that it refuses.
func TestRefusedKeyIsNotRepeated(t *testing.T) {
	t.Parallel()
	_, _, c := standIn(t, simulator.Config{APIKeys: []string{"another key"}})
	_, err := c.Create(t.Context(), body(t, `{"input":"x"}`), "attempt-1")
	f := failure(t, err)
	if f.Class != jobs.ClassUnauthorized || !strings.HasPrefix(f.Message, "Incorrect API key provided: [key]") {
		t.Errorf("failure = %s, want unauthorized, with a message that hides the key", f)
	}
	if tail := testKey[len(testKey)-4:]; strings.Contains(err.Error(), tail) {
		t.Errorf("error = %q, which has %q of the key", err, tail)
	}
}

func TestCreatesOfManyKinds(t *testing.T) {
	t.Parallel()
	_, s, c := standIn(t, simulator.Config{})
	for name, request := range map[string]string{
		"text":       `{"input":"Say hello.","instructions":"In verse.","max_output_tokens":500,"temperature":0.5,"metadata":{"a":"b"}}`,
		"messages":   `{"input":[{"type":"message","role":"user","content":[{"type":"input_text","text":"Say hello."}]}],"truncation":"auto"}`,
		"schema":     `{"input":"Say hello.","text":{"format":{"type":"json_schema","name":"greeting","strict":true,"schema":{"type":"object","properties":{"text":{"type":"string"}},"required":["text"],"additionalProperties":false}}}}`,
		"function":   `{"input":"What is the weather in Oslo?","tools":[{"type":"function","name":"weather","strict":true,"parameters":{"type":"object","properties":{"city":{"type":"string"}},"required":["city"],"additionalProperties":false}}]}`,
		"everything": `{"input":"Say hello.","service_tier":"flex","prompt_cache_key":"k","safety_identifier":"s","parallel_tool_calls":false,"top_p":0.5}`,
	} {
		if _, err := c.Create(t.Context(), body(t, request), "attempt-1"); err != nil {
			t.Errorf("%s: %v", name, err)
		}
	}
	s.holdTo(t, os.Getenv(openAPIVar))
}

// holdTo validates all that the server received against an OpenAPI description,
// if there is one.
func (s *server) holdTo(t *testing.T, file string) {
	t.Helper()
	if file == "" {
		t.Log("the requests were not held to OpenAI's description: " + openAPIVar + " is not set")
		return
	}
	raw, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	// An input message fits two of the description's items, of which it says
	// that only one may fit.
	raw = bytes.ReplaceAll(raw, []byte(`"oneOf"`), []byte(`"anyOf"`))
	doc, err := openapi3.NewLoader().LoadFromData(raw)
	if err != nil {
		t.Fatal(err)
	}
	doc.Servers = openapi3.Servers{{URL: testURL}}
	router, err := legacy.NewRouter(doc, openapi3.DisableExamplesValidation(), openapi3.AllowExtraSiblingFields("$recursiveRef", "$recursiveAnchor"))
	if err != nil {
		t.Fatal(err)
	}
	for _, r := range s.received() {
		// OpenAI's clients write arrays in a query with brackets.
		query := strings.ReplaceAll(r.Query, "%5B%5D", "")
		target := strings.TrimSuffix(testURL, "/v1") + r.Path + "?" + query
		req, err := http.NewRequestWithContext(t.Context(), r.Method, target, strings.NewReader(r.Body))
		if err != nil {
			t.Fatal(err)
		}
		req.Header = r.Header
		route, params, err := router.FindRoute(req)
		if err != nil {
			t.Errorf("%s %s: %v", r.Method, r.Path, err)
			continue
		}
		for name := range req.URL.Query() {
			if route.Operation.Parameters.GetByInAndName("query", name) == nil {
				t.Errorf("%s %s: the query has %s, which is not described", r.Method, r.Path, name)
			}
		}
		if err := openapi3filter.ValidateRequest(t.Context(), &openapi3filter.RequestValidationInput{
			Request: req, PathParams: params, Route: route,
			Options: &openapi3filter.Options{AuthenticationFunc: openapi3filter.NoopAuthenticationFunc},
		}); err != nil {
			t.Errorf("%s %s: %v\nbody: %s", r.Method, r.Path, err, r.Body)
		}
	}
}
