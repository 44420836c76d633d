package simulator_test

import (
	"bytes"
	"encoding/json"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/longhaul-jobs/longhaul/internal/simulator"
)

// newSimulator returns a simulator that is closed at the end of the test.
func newSimulator(tb testing.TB, config simulator.Config) *simulator.Simulator {
	tb.Helper()
	sim, err := simulator.New(config)
	if err != nil {
		tb.Fatalf("New: %v", err)
	}
	tb.Cleanup(func() { _ = sim.Close() })
	return sim
}

// answer is what a request got.
type answer struct {
	status int
	header http.Header
	raw    string
	body   map[string]any // nil if the body is not a JSON object
}

// call sends one request with a key. A body that is a string goes out as it is; anything else as
// JSON. Options are "Name: value" headers.
func call(tb testing.TB, handler http.Handler, method, path string, body any, headers ...string) answer {
	tb.Helper()
	var payload []byte
	switch body := body.(type) {
	case nil:
	case string:
		payload = []byte(body)
	default:
		var err error
		if payload, err = json.Marshal(body); err != nil {
			tb.Fatalf("encode request: %v", err)
		}
	}
	r := httptest.NewRequestWithContext(tb.Context(), method, path, bytes.NewReader(payload))
	r.Header.Set("Authorization", "Bearer test-key")
	if payload != nil {
		r.Header.Set("Content-Type", "application/json")
	}
	for _, header := range headers {
		name, value, _ := strings.Cut(header, ": ")
		r.Header.Set(name, value)
	}
	w := httptest.NewRecorder()
	handler.ServeHTTP(w, r)
	a := answer{status: w.Code, header: w.Header(), raw: w.Body.String()}
	if json.Unmarshal(w.Body.Bytes(), &a.body) != nil {
		a.body = nil
	}
	return a
}

type object = map[string]any

// create sends a create that has to succeed and returns the response.
func create(tb testing.TB, handler http.Handler, request object, headers ...string) object {
	tb.Helper()
	if request["model"] == nil {
		request["model"] = "gpt-4.1"
	}
	if request["input"] == nil {
		request["input"] = "Say hello."
	}
	a := call(tb, handler, "POST", "/v1/responses", request, headers...)
	if a.status != http.StatusOK {
		tb.Fatalf("create = %d %s", a.status, a.raw)
	}
	return a.body
}

// get retrieves a response that has to be there.
func get(tb testing.TB, handler http.Handler, id string) object {
	tb.Helper()
	a := call(tb, handler, "GET", "/v1/responses/"+id, nil)
	if a.status != http.StatusOK {
		tb.Fatalf("get %s = %d %s", id, a.status, a.raw)
	}
	return a.body
}

// at follows a path of member names and indexes into decoded JSON and returns nil if it ends
// nowhere.
func at(value any, path ...any) any {
	for _, step := range path {
		switch step := step.(type) {
		case string:
			members, ok := value.(map[string]any)
			if !ok {
				return nil
			}
			value = members[step]
		case int:
			items, ok := value.([]any)
			if !ok || step >= len(items) {
				return nil
			}
			value = items[step]
		}
	}
	return value
}

func text(tb testing.TB, value any) string {
	tb.Helper()
	s, ok := value.(string)
	if !ok {
		tb.Fatalf("%v is a %T, want a string", value, value)
	}
	return s
}

func number(tb testing.TB, value any) float64 {
	tb.Helper()
	f, ok := value.(float64)
	if !ok {
		tb.Fatalf("%v is a %T, want a number", value, value)
	}
	return f
}

// outputText returns the text of a response's message.
func outputText(tb testing.TB, response object) string {
	tb.Helper()
	items, _ := response["output"].([]any)
	for _, item := range items {
		if at(item, "type") == "message" {
			return text(tb, at(item, "content", 0, "text"))
		}
	}
	tb.Fatalf("response has no message: %v", response)
	return ""
}
