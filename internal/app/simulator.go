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
	sim, err := simulator.New(simulatorConfig(cfg.Simulator, log)) //nolint:contextcheck // it lives until it is closed, not until ctx is done
	if err != nil {
		return nil, fmt.Errorf("set up simulator: %w", err)
	}
	var lc net.ListenConfig
	listener, err := lc.Listen(ctx, "tcp", addr)
	if err != nil {
		return nil, errors.Join(fmt.Errorf("listen on simulator.addr %s: %w", addr, err), sim.Close())
	}
	return &Simulator{sim: sim, listener: listener}, nil
}

func simulatorConfig(cfg config.Simulator, log *slog.Logger) simulator.Config {
	sim := simulator.Config{
		Queued: cfg.Queued, Running: cfg.Running, Batch: cfg.Batch, EnqueuedTokens: cfg.EnqueuedTokens, Jitter: 0.2,
		RequestsPerMinute: cfg.RequestsPerMinute, TokensPerMinute: cfg.TokensPerMinute,
		ExactTokens: cfg.ExactTokens, WrongCitations: float64(cfg.WrongCitations) / 100,
		Logger: log,
	}
	for _, of := range cfg.Projects() {
		p := simulator.Project{ID: of.ID, APIKeys: of.APIKeys}
		for _, url := range of.WebhookURLs {
			p.Webhooks = append(p.Webhooks, simulator.Webhook{URL: url, Secrets: of.WebhookSecrets})
		}
		if p.ID == "" {
			sim.APIKeys, sim.Webhooks = p.APIKeys, p.Webhooks
		} else {
			sim.Projects = append(sim.Projects, p)
		}
	}
	return sim
}

// tell has the ends of its responses told to a URL.
func (s *Simulator) tell(url string, secret config.Secret) error {
	err := s.sim.Reconfigure(func(c *simulator.Config) {
		c.Webhooks = []simulator.Webhook{{URL: url, Secrets: []string{secret.Reveal()}}}
	})
	if err != nil {
		return fmt.Errorf("set up webhooks of the simulator: %w", err)
	}
	return nil
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
