package api_test

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/longhaul-jobs/longhaul/internal/api"
)

// fakeHealth is ready, or says why not.
type fakeHealth struct {
	reason atomic.Pointer[string]
	block  chan struct{} // if not nil, an answer waits for it
	asked  chan struct{}
}

func (h *fakeHealth) set(reason string) { h.reason.Store(&reason) }

func (h *fakeHealth) Ready(ctx context.Context) error {
	if h.block != nil {
		close(h.asked)
		select {
		case <-h.block:
		case <-ctx.Done():
			return context.Cause(ctx)
		}
	}
	if reason := h.reason.Load(); reason != nil && *reason != "" {
		return errors.New(*reason)
	}
	return nil
}

func get(t *testing.T, handler http.Handler, method, path string) *httptest.ResponseRecorder {
	t.Helper()
	w := httptest.NewRecorder()
	handler.ServeHTTP(w, httptest.NewRequestWithContext(t.Context(), method, path, nil))
	return w
}

func registry(t *testing.T) *prometheus.Registry {
	t.Helper()
	reg := prometheus.NewRegistry()
	c := prometheus.NewCounter(prometheus.CounterOpts{Name: "longhaul_test_total", Help: "For this test."})
	c.Add(3)
	if err := reg.Register(c); err != nil {
		t.Fatal(err)
	}
	return reg
}

func TestHealth(t *testing.T) {
	t.Parallel()
	health := &fakeHealth{}
	handler := api.Handler(health, registry(t), nil)
	for _, tt := range []struct {
		name   string
		reason string
		ready  int
		body   string
	}{
		{"ready", "", http.StatusOK, `{"status":"ok"}`},
		{"draining", "draining", http.StatusServiceUnavailable, `{"status":"not ready","reason":"draining"}`},
		{"redis is away", "redis does not answer: EOF", http.StatusServiceUnavailable, `{"status":"not ready","reason":"redis does not answer: EOF"}`},
		{"ready again", "", http.StatusOK, `{"status":"ok"}`},
	} {
		health.set(tt.reason)
		ready := get(t, handler, http.MethodGet, "/readyz")
		if got := strings.TrimSpace(ready.Body.String()); ready.Code != tt.ready || got != tt.body {
			t.Errorf("%s: /readyz answers %d %s, want %d %s", tt.name, ready.Code, got, tt.ready, tt.body)
		}
		if got := ready.Header().Get("Content-Type"); got != "application/json" {
			t.Errorf("%s: content type %q", tt.name, got)
		}
		// A worker that heals by itself must not be restarted for it.
		if live := get(t, handler, http.MethodGet, "/livez"); live.Code != http.StatusOK || !json.Valid(live.Body.Bytes()) {
			t.Errorf("%s: /livez answers %d %s, want 200", tt.name, live.Code, live.Body)
		}
	}
}

func TestMetrics(t *testing.T) {
	t.Parallel()
	got := get(t, api.Handler(&fakeHealth{}, registry(t), nil), http.MethodGet, "/metrics")
	if got.Code != http.StatusOK || !strings.Contains(got.Body.String(), "longhaul_test_total 3\n") {
		t.Errorf("/metrics answers %d %s", got.Code, got.Body)
	}
}

func TestNothingElseIsServed(t *testing.T) {
	t.Parallel()
	handler := api.Handler(&fakeHealth{}, registry(t), nil)
	for _, tt := range []struct {
		method, path string
		want         int
	}{
		{http.MethodGet, "/", http.StatusNotFound},
		{http.MethodGet, "/debug/pprof/", http.StatusNotFound},
		{http.MethodPost, "/readyz", http.StatusMethodNotAllowed},
		{http.MethodDelete, "/metrics", http.StatusMethodNotAllowed},
		{http.MethodHead, "/livez", http.StatusOK},
	} {
		if got := get(t, handler, tt.method, tt.path); got.Code != tt.want {
			t.Errorf("%s %s answers %d, want %d", tt.method, tt.path, got.Code, tt.want)
		}
	}
}

// start serves on a port of its own and returns the base URL and what ends it.
func start(t *testing.T, health api.Health) (url string, stop func() error) {
	t.Helper()
	server, err := api.Listen(t.Context(), "http.addr", "127.0.0.1:0", api.Handler(health, registry(t), nil))
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	t.Cleanup(cancel)
	done := make(chan error, 1)
	go func() { done <- server.Run(ctx) }()
	return "http://" + server.Addr(), func() error { cancel(); return <-done }
}

func TestServes(t *testing.T) {
	t.Parallel()
	url, stop := start(t, &fakeHealth{})
	answer, err := http.Get(url + "/readyz")
	if err != nil {
		t.Fatal(err)
	}
	body, err := io.ReadAll(answer.Body)
	if err != nil || answer.StatusCode != http.StatusOK {
		t.Errorf("answer %s %s, %v", answer.Status, body, err)
	}
	_ = answer.Body.Close()
	if err := stop(); err != nil {
		t.Errorf("Run: %v", err)
	}
	if answer, err := http.Get(url + "/livez"); err == nil {
		_ = answer.Body.Close()
		t.Error("it still answers after Run has returned")
	}
}

func TestAddressInUseIsKnownAtOnce(t *testing.T) {
	t.Parallel()
	taken, err := (&net.ListenConfig{}).Listen(t.Context(), "tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = taken.Close() }()
	_, err = api.Listen(t.Context(), "http.addr", taken.Addr().String(), api.Handler(&fakeHealth{}, registry(t), nil))
	if err == nil || !strings.Contains(err.Error(), "http.addr "+taken.Addr().String()) {
		t.Errorf("Listen: %v; want the key and the address named", err)
	}
}

// TestRequestsInFlightAreFinished stops the server while it answers.
func TestRequestsInFlightAreFinished(t *testing.T) {
	t.Parallel()
	health := &fakeHealth{block: make(chan struct{}), asked: make(chan struct{})}
	url, stop := start(t, health)
	conn, err := net.Dial("tcp", strings.TrimPrefix(url, "http://"))
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = conn.Close() }()
	if _, err := io.WriteString(conn, "GET /readyz HTTP/1.1\r\nHost: x\r\n\r\n"); err != nil {
		t.Fatal(err)
	}
	<-health.asked
	stopped := make(chan error, 1)
	go func() { stopped <- stop() }()
	// It has stopped listening when it no longer takes connections.
	for deadline := time.Now().Add(10 * time.Second); ; {
		c, err := net.Dial("tcp", strings.TrimPrefix(url, "http://"))
		if err != nil {
			break
		}
		_ = c.Close()
		if time.Now().After(deadline) {
			t.Fatal("it still listens")
		}
	}
	close(health.block)
	answer, err := http.ReadResponse(bufio.NewReader(conn), nil)
	if err != nil {
		t.Fatalf("the request in flight got no answer: %v", err)
	}
	_ = answer.Body.Close()
	if answer.StatusCode != http.StatusOK {
		t.Errorf("the request in flight got %s", answer.Status)
	}
	if err := <-stopped; err != nil {
		t.Errorf("Run: %v", err)
	}
}

// TestListenerThatFailsEndsRun: a worker that cannot be asked must not look well.
func TestListenerThatFailsEndsRun(t *testing.T) {
	t.Parallel()
	server, err := api.Listen(t.Context(), "http.addr", "127.0.0.1:0", api.Handler(&fakeHealth{}, registry(t), nil))
	if err != nil {
		t.Fatal(err)
	}
	if err := api.CloseListener(server); err != nil {
		t.Fatal(err)
	}
	if err := server.Run(t.Context()); err == nil || !strings.Contains(err.Error(), "serve http") {
		t.Errorf("Run: %v; want what failed", err)
	}
}

// A connection that a client has opened and not used keeps no server from leaving.
func TestUnusedConnectionDelaysNoStop(t *testing.T) {
	t.Parallel()
	server, err := api.Listen(t.Context(), "http.addr", "127.0.0.1:0", api.Handler(&fakeHealth{}, registry(t), nil))
	if err != nil {
		t.Fatal(err)
	}
	ctx, stop := context.WithCancel(t.Context())
	done := make(chan error, 1)
	go func() { done <- server.Run(ctx) }()
	unused, err := (&net.Dialer{}).DialContext(t.Context(), "tcp", server.Addr())
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = unused.Close() }()
	// One that is accepted after it has been answered.
	answer, err := http.Get("http://" + server.Addr() + "/livez")
	if err != nil {
		t.Fatal(err)
	}
	_ = answer.Body.Close()
	stop()
	if err := <-done; err != nil {
		t.Errorf("Run: %v; want it to have closed what nothing came on", err)
	}
}
