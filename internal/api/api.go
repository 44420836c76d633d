// Package api is the worker's HTTP side: whether it lives, whether it is ready,
// its metrics, and the provider's webhooks, which it hands on.
package api

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net"
	"net/http"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/promhttp"
)

// Health answers the two questions of an orchestrator.
type Health interface {
	// Ready returns why the worker should get no new traffic, nil if it should.
	Ready(ctx context.Context) error
}

// Server listens on one address.
type Server struct {
	http     *http.Server
	listener net.Listener
	fresh    *fresh
}

// Listen binds the address that the configuration has under the key; nothing is
// served before [Server.Run].
func Listen(ctx context.Context, key, addr string, handler http.Handler) (*Server, error) {
	var config net.ListenConfig
	listener, err := config.Listen(ctx, "tcp", addr)
	if err != nil {
		return nil, fmt.Errorf("listen on %s %s: %w", key, addr, err)
	}
	unused := new(fresh)
	return &Server{
		listener: listener, fresh: unused,
		http: &http.Server{
			Handler: handler, ConnState: unused.follow, ReadHeaderTimeout: 5 * time.Second, ReadTimeout: 15 * time.Second, IdleTimeout: 2 * time.Minute,
		},
	}, nil
}

// Addr is the address that is listened on.
func (s *Server) Addr() string { return s.listener.Addr().String() }

// Run serves until ctx is done, and then finishes the requests in flight.
func (s *Server) Run(ctx context.Context) error {
	failed := make(chan error, 1)
	go func() { failed <- s.http.Serve(s.listener) }()
	select {
	case err := <-failed:
		return fmt.Errorf("serve http: %w", err)
	case <-ctx.Done():
	}
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), 5*time.Second)
	defer cancel()
	s.fresh.close()
	if err := s.http.Shutdown(ctx); err != nil {
		return fmt.Errorf("stop http: %w", err)
	}
	if err := <-failed; !errors.Is(err, http.ErrServerClosed) {
		return fmt.Errorf("serve http: %w", err)
	}
	return nil
}

// Handler serves /livez, /readyz and /metrics and, unless hooks is nil, what
// [WebhookHandler] does.
//
// /livez answers 200 as long as the process can answer at all: a worker whose
// Redis is away heals by itself and must not be restarted for it. /readyz
// answers 503 with the reason while Redis does not answer or the worker drains.
func Handler(health Health, gatherer prometheus.Gatherer, hooks Webhooks) http.Handler {
	mux := http.NewServeMux()
	mux.HandleFunc("GET /livez", func(w http.ResponseWriter, _ *http.Request) {
		answer(w, http.StatusOK, "ok", "")
	})
	mux.HandleFunc("GET /readyz", func(w http.ResponseWriter, r *http.Request) {
		if err := health.Ready(r.Context()); err != nil {
			answer(w, http.StatusServiceUnavailable, "not ready", err.Error())
			return
		}
		answer(w, http.StatusOK, "ok", "")
	})
	mux.Handle("GET /metrics", promhttp.HandlerFor(gatherer, promhttp.HandlerOpts{EnableOpenMetrics: true}))
	if hooks != nil {
		addWebhooks(mux, hooks)
	}
	return mux
}

func answer(w http.ResponseWriter, status int, text, reason string) {
	w.Header().Set("Content-Type", "application/json")
	w.WriteHeader(status)
	body := struct {
		Status string `json:"status"`
		Reason string `json:"reason,omitempty"`
	}{text, reason}
	_ = json.NewEncoder(w).Encode(body) //nolint:errchkjson // the peer may be gone, and that is its business
}
