package simulator_test

import (
	"context"
	"encoding/json"
	"errors"
	"maps"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/openai/openai-go/v3/option"
	"github.com/openai/openai-go/v3/packages/param"
	"github.com/openai/openai-go/v3/responses"
	"github.com/openai/openai-go/v3/shared"

	"github.com/longhaul-jobs/longhaul/internal/simulator"
)

// openAPI is the environment variable that names OpenAI's own description of its API, a file that
// is not part of this tree.
const openAPI = "LONGHAUL_OPENAPI"

// loadSpec returns OpenAI's description where the environment names it, and otherwise one of our
// own, which is much shorter.
func loadSpec(tb testing.TB) *apiSpec {
	tb.Helper()
	path := os.Getenv(openAPI)
	if path == "" {
		path = filepath.Join("testdata", "openapi.json")
		tb.Logf("%s is not set: checking against %s alone, and NOT against OpenAI's own description", openAPI, path)
	}
	spec, err := loadAPISpec(path)
	if err != nil {
		tb.Fatalf("load API description: %v", err)
	}
	return spec
}

// TestAnswersConformToTheDescription covers every route, every way a response can end and
// every kind of output.
func TestAnswersConformToTheDescription(t *testing.T) {
	spec := loadSpec(t)
	schema := json.RawMessage(`{"type":"object","properties":{"title":{"type":"string"}},"required":["title"],"additionalProperties":false}`)
	creates := []struct {
		name    string
		request object
		status  string // of the answer
	}{
		{"plain", object{}, "completed"},
		{"everything set", object{
			"background": true, "instructions": "Be brief.", "max_output_tokens": 500, "max_tool_calls": 3, "metadata": object{"a": "b"},
			"parallel_tool_calls": false, "prompt_cache_key": "k", "prompt_cache_retention": "24h", "safety_identifier": "s",
			"service_tier": "flex", "store": true, "temperature": 0.5, "top_p": 0.9, "top_logprobs": 2, "truncation": "auto", "user": "u",
			"text": object{"verbosity": "low"}, "include": []string{"message.output_text.logprobs"},
		}, "completed"},
		{"queued", object{"background": true, "metadata": object{"simulator_fault": "queued=1h"}}, "queued"},
		{"in progress", object{"background": true, "metadata": object{"simulator_fault": "never_ends"}}, "in_progress"},
		{"failed", object{"background": true, "metadata": object{"simulator_fault": "fail=server_error"}}, "failed"},
		{"failed for want of quota", object{"background": true, "metadata": object{"simulator_fault": "fail=insufficient_quota"}}, "failed"},
		{"incomplete", object{"max_output_tokens": 16}, "incomplete"},
		{"reasoning", object{"model": "gpt-5", "reasoning": object{"effort": "high", "summary": "auto"}}, "completed"},
		{"all tokens spent on reasoning", object{"model": "gpt-5", "max_output_tokens": 100}, "incomplete"},
		{"structured", object{"text": object{"format": object{"type": "json_schema", "name": "a", "description": "d", "strict": true, "schema": schema}}}, "completed"},
		{"JSON object", object{"input": "JSON, please.", "text": object{"format": object{"type": "json_object"}}}, "completed"},
		{"function call", object{"tools": []object{weatherTool()}, "tool_choice": "required"}, "completed"},
		{"named function", object{"tools": []object{weatherTool()}, "tool_choice": object{"type": "function", "name": "get_weather"}}, "completed"},
		{"other tools", object{"tools": []object{{"type": "web_search"}, {"type": "code_interpreter", "container": object{"type": "auto"}}}}, "completed"},
		{"items", object{"input": []object{
			{"role": "developer", "content": "Be brief."},
			{"type": "message", "role": "user", "content": []object{{"type": "input_text", "text": "Hi."}, {"type": "input_image", "detail": "auto", "image_url": "https://example.com/a.png"}}},
			{"type": "function_call", "call_id": "call_1", "name": "f", "arguments": "{}"},
			{"type": "function_call_output", "call_id": "call_1", "output": "Rain."},
		}}, "completed"},
	}
	for _, tt := range creates {
		t.Run(tt.name, func(t *testing.T) {
			sim := newSimulator(t, simulator.Config{})
			request := object{"model": "gpt-4.1", "input": "Say hello."}
			maps.Copy(request, tt.request)
			created := checkedCall(t, spec, sim, "POST", "/v1/responses", request)
			if created.body["status"] != tt.status {
				t.Errorf("status = %v, want %s: %s", created.body["status"], tt.status, created.raw)
			}
			id := text(t, created.body["id"])
			if got := checkedCall(t, spec, sim, "GET", "/v1/responses/"+id, nil); got.raw != created.raw {
				t.Errorf("retrieved %s, created %s", got.raw, created.raw)
			}
			checkedCall(t, spec, sim, "GET", "/v1/responses/"+id+"/input_items?order=asc&limit=10", nil)
			cancelled := checkedCall(t, spec, sim, "POST", "/v1/responses/"+id+"/cancel", nil)
			if running := tt.status == "queued" || tt.status == "in_progress"; running && cancelled.body["status"] != "cancelled" {
				t.Errorf("cancel = %s", cancelled.raw)
			}
			checkedCall(t, spec, sim, "DELETE", "/v1/responses/"+id, nil)
			if got := checkedCall(t, spec, sim, "GET", "/v1/responses/"+id, nil); got.status != http.StatusNotFound {
				t.Errorf("get after delete = %d", got.status)
			}

			delete(request, "background")
			request["stream"] = true
			if tt.status == "queued" || tt.status == "in_progress" {
				return // would stream for ever
			}
			streamed := call(t, sim, "POST", "/v1/responses", request)
			for _, ev := range parseSSE(t, streamed, 0) {
				raw, err := json.Marshal(ev.data)
				if err != nil {
					t.Fatal(err)
				}
				if err := spec.checkEvent(raw); err != nil {
					t.Errorf("event %s: %v", ev.name, err)
				}
			}
		})
	}
}

func TestErrorsConformToTheDescription(t *testing.T) {
	spec := loadSpec(t)
	sim := newSimulator(t, simulator.Config{RequestsPerMinute: 1, APIKeys: []string{"test-key"}})
	create(t, sim, object{})
	for name, got := range map[string]answer{
		"limit":     call(t, sim, "POST", "/v1/responses", object{"model": "gpt-4.1", "input": "Hi."}),
		"parameter": call(t, sim, "POST", "/v1/responses", object{"model": "gpt-4.1", "input": "Hi.", "foo": 1}),
		"JSON":      call(t, sim, "POST", "/v1/responses", "{"),
		"id":        call(t, sim, "GET", "/v1/responses/resp_x", nil),
		"route":     call(t, sim, "GET", "/v1/x", nil),
		"key":       call(t, sim, "GET", "/v1/models", nil, "Authorization: Bearer wrong"),
		"no key":    call(t, sim, "GET", "/v1/models", nil, "Authorization: "),
		"fault":     call(t, sim, "GET", "/v1/responses/resp_x", nil, "X-Simulator-Fault: status=500"),
	} {
		if got.status < 400 {
			t.Errorf("%s: status = %d", name, got.status)
		}
		if err := spec.checkSchema("ErrorResponse", []byte(got.raw)); err != nil {
			t.Errorf("%s: %v", name, err)
		}
	}
}

func TestDescriptionNoticesViolations(t *testing.T) {
	spec := loadSpec(t)
	r := httptest.NewRequestWithContext(t.Context(), "POST", "/v1/responses", nil)
	if err := spec.checkRequest(r, []byte(`{"model":"gpt-4.1","input":"Hi.","background":"yes"}`)); err == nil {
		t.Error("a request with a background that is no boolean was passed")
	}
	if err := spec.checkResponse(r, 200, []byte(`{"id":"resp_1","object":"response"}`)); err == nil {
		t.Error("a response without most of its members was passed")
	}
	if err := spec.checkResponse(r, 500, []byte(`{"error":"text"}`)); err == nil {
		t.Error("an error that is a text was passed")
	}
	if err := spec.checkEvent([]byte(`{"type":"response.output_text.delta","delta":"x"}`)); err == nil {
		t.Error("an event without most of its members was passed")
	}
	if err := spec.checkEvent([]byte(`{"type":"response.unheard_of"}`)); err == nil {
		t.Error("an event that does not exist was passed")
	}
}

// checkedCall is call with both directions held against the description.
func checkedCall(tb testing.TB, spec *apiSpec, handler http.Handler, method, path string, body any) answer {
	tb.Helper()
	r := httptest.NewRequestWithContext(tb.Context(), method, path, nil)
	raw, err := json.Marshal(body)
	if err != nil {
		tb.Fatal(err)
	}
	if body == nil {
		raw = nil
	}
	if err := spec.checkRequest(r, raw); err != nil {
		tb.Errorf("%v", err)
	}
	got := call(tb, handler, method, path, body)
	if err := spec.checkResponse(r, got.status, []byte(got.raw)); err != nil {
		tb.Errorf("%v\n%s", err, got.raw)
	}
	return got
}

// TestOfficialGoClient walks through the API with OpenAI's own client. Every exchange is held
// against the description.
func TestOfficialGoClient(t *testing.T) {
	sim := newSimulator(t, simulator.Config{Queued: 50 * time.Millisecond, Running: 150 * time.Millisecond})
	server := httptest.NewServer(sim)
	defer server.Close()
	options := []option.RequestOption{option.WithAPIKey("k"), option.WithBaseURL(server.URL + "/v1/"), option.WithMaxRetries(0)}
	options = append(options, option.WithHTTPClient(&http.Client{Transport: &checkingTransport{
		spec: loadSpec(t), report: func(err error) { t.Errorf("%v", err) },
	}}))
	client := responses.NewResponseService(options...)
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	params := responses.ResponseNewParams{
		Model: "gpt-4.1", Background: param.NewOpt(true), Metadata: shared.Metadata{"job": "1"},
		Input: responses.ResponseNewParamsInputUnion{OfString: param.NewOpt("Say hello.")},
	}

	t.Run("background", func(t *testing.T) {
		created, err := client.New(ctx, params)
		if err != nil {
			t.Fatalf("create: %v", err)
		}
		if created.Metadata["job"] != "1" || !created.Background {
			t.Errorf("created = %s", created.RawJSON())
		}
		final := pollUntilEnded(ctx, t, client, created.ID)
		if final.Status != responses.ResponseStatusCompleted || !strings.Contains(final.OutputText(), "Say hello.") || final.Usage.TotalTokens == 0 {
			t.Errorf("final = %s", final.RawJSON())
		}
		items, err := client.InputItems.List(ctx, created.ID, responses.InputItemListParams{})
		if err != nil || len(items.Data) != 1 || items.Data[0].AsMessage().Content[0].Text != "Say hello." {
			t.Errorf("input items = %v, %v", items, err)
		}
		if err := client.Delete(ctx, created.ID); err != nil {
			t.Errorf("delete: %v", err)
		}
		if _, err := client.Get(ctx, created.ID, responses.ResponseGetParams{}); apiStatus(err) != http.StatusNotFound {
			t.Errorf("get after delete: %v", err)
		}
	})

	t.Run("cancel", func(t *testing.T) {
		params := params
		params.Metadata = shared.Metadata{"simulator_fault": "never_ends"}
		created, err := client.New(ctx, params)
		if err != nil {
			t.Fatalf("create: %v", err)
		}
		cancelled, err := client.Cancel(ctx, created.ID)
		if err != nil || cancelled.Status != responses.ResponseStatusCancelled {
			t.Errorf("cancel = %v, %v", cancelled, err)
		}
	})

	t.Run("stream and resume", func(t *testing.T) {
		stream := client.NewStreaming(ctx, params)
		var id string
		var last int64
		for range 3 {
			if !stream.Next() {
				t.Fatalf("stream ended: %v", stream.Err())
			}
			last = stream.Current().SequenceNumber
			id = stream.Current().Response.ID
		}
		_ = stream.Close()
		resumed := client.GetStreaming(ctx, id, responses.ResponseGetParams{StartingAfter: param.NewOpt(last)}, option.WithQuery("stream", "true"))
		var spelled strings.Builder
		var final responses.Response
		for resumed.Next() {
			ev := resumed.Current()
			if ev.SequenceNumber != last+1 {
				t.Errorf("event %d follows %d", ev.SequenceNumber, last)
			}
			last = ev.SequenceNumber
			if ev.Type == "response.output_text.delta" {
				spelled.WriteString(ev.Delta)
			}
			if ev.Type == "response.completed" {
				final = ev.Response
			}
		}
		if resumed.Err() != nil || final.ID != id || spelled.String() != final.OutputText() {
			t.Errorf("resumed stream: %v; final %s, spelled %q", resumed.Err(), final.RawJSON(), spelled.String())
		}
	})

	t.Run("tokens", func(t *testing.T) {
		count, err := client.InputTokens.Count(ctx, responses.InputTokenCountParams{
			Model: param.NewOpt("gpt-4.1"), Input: responses.InputTokenCountParamsInputUnion{OfString: param.NewOpt("Say hello.")},
		})
		if err != nil || count.InputTokens != 6 {
			t.Errorf("input tokens = %v, %v, want 6", count, err)
		}
	})

	t.Run("error", func(t *testing.T) {
		_, err := client.New(ctx, responses.ResponseNewParams{Model: "gpt-0", Input: params.Input})
		if apiStatus(err) != http.StatusNotFound {
			t.Errorf("unknown model: %v", err)
		}
	})
}

// pollUntilEnded retrieves a response until it has ended.
func pollUntilEnded(ctx context.Context, tb testing.TB, client responses.ResponseService, id string) *responses.Response {
	tb.Helper()
	for {
		got, err := client.Get(ctx, id, responses.ResponseGetParams{})
		if err != nil {
			tb.Fatalf("get: %v", err)
		}
		if got.Status != responses.ResponseStatusQueued && got.Status != responses.ResponseStatusInProgress {
			return got
		}
		select {
		case <-ctx.Done():
			tb.Fatalf("response did not end: %v", context.Cause(ctx))
		case <-time.After(20 * time.Millisecond):
		}
	}
}

// apiStatus is the HTTP status of an error of the client, or 0.
func apiStatus(err error) int {
	if apiErr, ok := errors.AsType[*responses.Error](err); ok {
		return apiErr.StatusCode
	}
	return 0
}
