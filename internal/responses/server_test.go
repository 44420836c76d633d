package responses_test

import (
	"bytes"
	"context"
	"errors"
	"io"
	"net"
	"net/http"
	"sync"
	"testing"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/longhaul-jobs/longhaul/internal/responses"
	"github.com/longhaul-jobs/longhaul/jobs"
)

const (
	testURL = "http://api.test/v1"
	testKey = "sk-test-0123456789abcdefghij"
	testID  = "resp_0123456789abcdef"
)

// request is what a server of a test received.
type request struct {
	Method, Path, Query string
	Header              http.Header
	Body                string
}

// server is a real HTTP server in memory that remembers what it received. It
// works inside a synctest bubble.
type server struct {
	conns  chan net.Conn
	closed chan struct{}

	mu       sync.Mutex
	requests []request
}

// serve starts a server that ends with the test.
func serve(t *testing.T, handler http.HandlerFunc) *server {
	t.Helper()
	s := &server{conns: make(chan net.Conn), closed: make(chan struct{})}
	hs := &http.Server{Handler: http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		body, err := io.ReadAll(r.Body)
		if err != nil {
			return // a request that was given up half way is none
		}
		s.mu.Lock()
		s.requests = append(s.requests, request{
			Method: r.Method, Path: r.URL.EscapedPath(), Query: r.URL.RawQuery, Header: r.Header, Body: string(body),
		})
		s.mu.Unlock()
		r.Body = io.NopCloser(bytes.NewReader(body))
		handler(w, r)
	})}
	done := make(chan struct{})
	go func() {
		defer close(done)
		if err := hs.Serve(s); !errors.Is(err, http.ErrServerClosed) {
			t.Errorf("serve: %v", err)
		}
	}()
	t.Cleanup(func() {
		_ = hs.Close()
		<-done
	})
	return s
}

// received returns the requests so far.
func (s *server) received() []request {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.requests
}

func (s *server) dial(ctx context.Context, _, _ string) (net.Conn, error) {
	ours, theirs := net.Pipe()
	select {
	case s.conns <- theirs:
		return ours, nil
	case <-s.closed:
		return nil, net.ErrClosed
	case <-ctx.Done():
		return nil, context.Cause(ctx)
	}
}

// Accept implements [net.Listener].
func (s *server) Accept() (net.Conn, error) {
	select {
	case conn := <-s.conns:
		return conn, nil
	case <-s.closed:
		return nil, net.ErrClosed
	}
}

// Close implements [net.Listener].
func (s *server) Close() error {
	close(s.closed)
	return nil
}

// Addr implements [net.Listener].
func (s *server) Addr() net.Addr { return &net.UnixAddr{Name: "memory", Net: "memory"} }

// client returns a client of the server, with the transports of production.
func (s *server) client(t *testing.T, change ...func(*responses.Config)) *responses.Client {
	t.Helper()
	c := newClient(t, change...)
	c.DialWith(s.dial)
	return c
}

func newClient(tb testing.TB, change ...func(*responses.Config)) *responses.Client {
	tb.Helper()
	config := responses.Config{Name: "test", BaseURL: testURL, APIKey: testKey}
	for _, f := range change {
		f(&config)
	}
	c, err := responses.New(config, prometheus.NewRegistry())
	if err != nil {
		tb.Fatal(err)
	}
	tb.Cleanup(c.Close)
	return c
}

// answer is a handler that always says the same.
func answer(status int, body string, header ...string) http.HandlerFunc {
	return func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", "application/json")
		for i := 0; i+1 < len(header); i += 2 {
			w.Header().Set(header[i], header[i+1])
		}
		w.WriteHeader(status)
		_, _ = io.WriteString(w, body)
	}
}

// respond is a handler that answers with a response of that status.
func respond(status string) http.HandlerFunc {
	return answer(http.StatusOK, `{"id":"`+testID+`","object":"response","status":"`+status+`"}`)
}

// hangUp ends the connection without an answer.
func hangUp(http.ResponseWriter, *http.Request) { panic(http.ErrAbortHandler) }

// call makes the call that has the name of a metrics' operation, and returns
// what it brought.
func call(ctx context.Context, c *responses.Client, op string) (jobs.Reply, error) {
	switch op {
	case "create":
		return c.Create(ctx, []byte(`{"model":"gpt-4.1","input":"hi"}`), "attempt-1")
	case "look":
		return c.Look(ctx, testID, nil)
	case "cancel":
		return c.Cancel(ctx, testID)
	case "delete":
		return jobs.Reply{}, c.Delete(ctx, testID)
	case "input_items":
		_, err := c.InputItems(ctx, testID)
		return jobs.Reply{}, err
	case "follow":
		return jobs.Reply{}, c.Follow(ctx, testID, -1, func([]byte) bool { return true })
	case "model":
		return jobs.Reply{}, c.Model(ctx, "gpt-4.1")
	}
	return jobs.Reply{}, errors.New("no such operation: " + op)
}

// failure returns the failure in err, and fails the test if err has none.
func failure(t *testing.T, err error) jobs.Failure {
	t.Helper()
	e, ok := errors.AsType[*jobs.Error](err)
	if !ok {
		t.Fatalf("error = %v (%T), want a *jobs.Error", err, err)
	}
	return e.Failure
}
