package main

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"testing"

	"github.com/longhaul-jobs/longhaul/internal/app"
	"github.com/longhaul-jobs/longhaul/internal/config"
	"github.com/longhaul-jobs/longhaul/jobs"
)

// employ starts a real worker, which asks a provider that answers as answer says; see
// [answerFunc]. What has parts needs one.
func (b *bench) employ(answer answerFunc) {
	b.t.Helper()
	server := httptest.NewServer(&provider{answer: answer, kept: make(map[string][]byte)})
	cfg, err := config.Load(config.Sources{Environ: append([]string{
		"OPENAI_BASE_URL=" + server.URL + "/v1", "OPENAI_API_KEY=sk-test", "LONGHAUL_HTTP_ADDR=127.0.0.1:0", "LONGHAUL_SHUTDOWN_GRACE=10s",
		"LONGHAUL_POLL_FLOOR=20ms", "LONGHAUL_POLL_CEILING=100ms", "LONGHAUL_POLL_TICK=5ms",
		"LONGHAUL_WATCHDOG_SUBMIT_AFTER=500ms", "LONGHAUL_WATCHDOG_CHECK_EVERY=100ms", "LONGHAUL_WATCHDOG_HEARTBEAT=200ms",
	}, b.env...)})
	if err != nil {
		b.t.Fatal(err)
	}
	a, err := app.New(b.t.Context(), app.Options{Config: cfg, Log: slog.New(slog.DiscardHandler), Version: "test"})
	if err != nil {
		b.t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.WithoutCancel(b.t.Context()))
	done := make(chan error, 1)
	go func() { done <- a.Run(ctx) }()
	b.t.Cleanup(func() {
		cancel()
		if err := <-done; err != nil {
			b.t.Errorf("worker: %v", err)
		}
		server.Close()
	})
}

// employCounting is [bench.employ], and counts what the provider is asked.
func (b *bench) employCounting(answer answerFunc) *atomic.Int64 {
	b.t.Helper()
	var asked atomic.Int64
	b.employ(func(request jobs.Request, attempt int) jobs.Event {
		asked.Add(1)
		return answer(request, attempt)
	})
	return &asked
}

// provider answers creates as a test says, and looks with what it has answered.
type provider struct {
	answer answerFunc

	mu   sync.Mutex
	kept map[string][]byte
}

func (p *provider) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	p.mu.Lock()
	defer p.mu.Unlock()
	w.Header().Set("Content-Type", "application/json")
	if r.Method != http.MethodPost {
		body, ok := p.kept[r.URL.Path[strings.LastIndexByte(r.URL.Path, '/')+1:]]
		if !ok {
			w.WriteHeader(http.StatusNotFound)
			body = []byte(`{"error":{"message":"no such response","type":"invalid_request_error","code":"not_found"}}`)
		}
		_, _ = w.Write(body)
		return
	}
	body, err := io.ReadAll(r.Body)
	if err != nil {
		return
	}
	var create struct {
		Metadata map[string]string `json:"metadata"`
	}
	if err := json.Unmarshal(body, &create); err != nil {
		w.WriteHeader(http.StatusBadRequest)
		return
	}
	attempt, _ := strconv.Atoi(create.Metadata["longhaul_attempt"])
	switch ev := p.answer(jobs.Request{Raw: body}, attempt).(type) {
	case jobs.Created:
		p.kept[ev.Reply.Response.ID] = ev.Reply.Response.Raw
		_, _ = w.Write(ev.Reply.Response.Raw)
	case jobs.CreateFailed:
		if ev.Failure.HTTPStatus == 0 {
			panic(http.ErrAbortHandler) // the answer is lost
		}
		w.WriteHeader(ev.Failure.HTTPStatus)
		_, _ = fmt.Fprintf(w, `{"error":{"message":%q,"code":%q,"type":"invalid_request_error"}}`, ev.Failure.Message, ev.Failure.Code)
	}
}

// formed is an answer as the request's schema wants it: with the text where a summary
// goes, and little else.
func formed(request jobs.Request, text string) string {
	var body struct {
		Text struct {
			Format struct {
				Schema json.RawMessage `json:"schema"`
			} `json:"format"`
		} `json:"text"`
	}
	if err := json.Unmarshal(request.Raw, &body); err != nil || body.Text.Format.Schema == nil {
		return text
	}
	var schema map[string]any
	if err := json.Unmarshal(body.Text.Format.Schema, &schema); err != nil {
		return text
	}
	raw, err := json.Marshal(instance(schema, "summary", text))
	if err != nil {
		panic(err)
	}
	return string(raw)
}

// instance is something that a schema allows.
func instance(schema map[string]any, name, text string) any {
	switch schema["type"] {
	case "object":
		fields := make(map[string]any)
		properties, _ := schema["properties"].(map[string]any)
		for key, property := range properties {
			of, _ := property.(map[string]any)
			fields[key] = instance(of, key, text)
		}
		return fields
	case "array":
		return []any{}
	case "boolean":
		return true
	case "integer", "number":
		return 1
	}
	switch name {
	case "summary":
		return text
	case "language":
		return "en"
	}
	return ""
}

func TestFormedKeepsToTheSchema(t *testing.T) {
	t.Parallel()
	raw := `{"input":"x","text":{"format":{"type":"json_schema","schema":{"type":"object","properties":{` +
		`"title":{"type":"string"},"summary":{"type":"string"},"points":{"type":"array"},"answered":{"type":"boolean"}}}}}}`
	if got, want := formed(jobs.Request{Raw: []byte(raw)}, "The gist."), `{"answered":true,"points":[],"summary":"The gist.","title":""}`; got != want {
		t.Errorf("got %s, want %s", got, want)
	}
	if got := formed(jobs.Request{Raw: []byte(`{"input":"x"}`)}, "The gist."); got != "The gist." {
		t.Errorf("without a schema it is %q", got)
	}
}
