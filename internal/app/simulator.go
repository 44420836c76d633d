package app

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"time"

	"github.com/longhaul-jobs/longhaul/internal/config"
	"github.com/longhaul-jobs/longhaul/internal/simulator"
)

// Simulator is the stand-in for OpenAI on an address of its own.
type Simulator struct {
	sim      *simulator.Simulator
	listener net.Listener
}

// ListenSimulator binds the address; nothing is served before [Simulator.Run].
func ListenSimulator(ctx context.Context, cfg config.Config, addr string, log *slog.Logger) (*Simulator, error) {
	sim, err := simulator.New(simulator.Config{ //nolint:contextcheck // it lives until it is closed, not until ctx is done
		Queued: cfg.Simulator.Queued, Running: cfg.Simulator.Running, Jitter: 0.2,
		RequestsPerMinute: cfg.Simulator.RequestsPerMinute, TokensPerMinute: cfg.Simulator.TokensPerMinute,
		Logger: log,
	})
	if err != nil {
		return nil, err
	}
	var lc net.ListenConfig
	listener, err := lc.Listen(ctx, "tcp", addr)
	if err != nil {
		return nil, errors.Join(fmt.Errorf("listen on simulator.addr %s: %w", addr, err), sim.Close())
	}
	return &Simulator{sim: sim, listener: listener}, nil
}

// URL is the base URL of the API.
func (s *Simulator) URL() string { return "http://" + s.listener.Addr().String() + "/v1" }

// Run serves until ctx is done; what is in flight is then cut.
func (s *Simulator) Run(ctx context.Context) error {
	server := &http.Server{Handler: s.sim, ReadHeaderTimeout: 10 * time.Second}
	stop := context.AfterFunc(ctx, func() { _ = server.Close() })
	defer stop()
	if err := server.Serve(s.listener); !errors.Is(err, http.ErrServerClosed) {
		return errors.Join(fmt.Errorf("serve simulator: %w", err), s.sim.Close())
	}
	return s.sim.Close()
}
