package app

import (
	"context"
	"crypto/rand"
	"encoding/base64"
	"errors"
	"fmt"
	"log/slog"
	"net/url"
	"slices"
	"sync"
	"time"

	"github.com/alicebob/miniredis/v2"

	"github.com/longhaul-jobs/longhaul/internal/config"
	"github.com/longhaul-jobs/longhaul/jobs"
	"github.com/longhaul-jobs/longhaul/results"
)

// Local is a whole installation in this process, for trying things out and for
// a command that brings its own worker.
type Local struct {
	app    *App
	notice string
	addrs  []string
	stop   func() error
}

// Store is the installation's store.
func (l *Local) Store() *results.Store { return l.app.Store() }

// Notice says in one sentence what a person must know before trusting it.
func (l *Local) Notice() string { return l.notice }

// Addresses says where things listen, a line each.
func (l *Local) Addresses() []string { return l.addrs }

// Stop drains the worker and ends what was started beside it. It may be called
// twice.
func (l *Local) Stop() error { return l.stop() }

// StartDev starts an installation that needs nothing: an embedded Redis and the
// simulator, on ports of their own. All is lost when it stops.
func StartDev(ctx context.Context, cfg config.Config, log *slog.Logger) (*Local, error) {
	cfg.HTTP.Addr = ""
	return startDev(ctx, cfg, "127.0.0.1:0", "127.0.0.1:0", log, "dev")
}

// ServeDev is [StartDev] on the configured addresses, so that other processes
// can use it: the embedded Redis listens where redis.url points.
func ServeDev(ctx context.Context, cfg config.Config, log *slog.Logger, version string) (*Local, error) {
	u, err := url.Parse(cfg.Redis.URL.Reveal())
	if err != nil || u.Scheme != "redis" || u.User != nil {
		return nil, jobs.Invalid("redis.url", "has to be redis://HOST:PORT/0, without a password, for the embedded Redis of dev")
	}
	return startDev(ctx, cfg, u.Host, cfg.Simulator.Addr, log, version)
}

func startDev(ctx context.Context, cfg config.Config, redisAddr, simAddr string, log *slog.Logger, version string) (_ *Local, err error) {
	var undo cleanups
	defer func() {
		if err != nil {
			err = errors.Join(err, undo.run())
		}
	}()
	mini := miniredis.NewMiniRedis()
	if err := mini.StartAddr(redisAddr); err != nil {
		return nil, fmt.Errorf("start embedded redis on %s: %w; if a Redis is running there, choose another address with --redis-url, here and for enqueue", redisAddr, err)
	}
	undo.add(func() error { mini.Close(); return nil })
	undo.add(tick(mini))

	cfg.Simulator.APIKeys = config.Secret{} // the worker beside it has none of them
	sim, err := ListenSimulator(ctx, cfg, simAddr, log)
	if err != nil {
		return nil, err
	}
	undo.add(inBackground(ctx, sim.Run))

	cfg.Blobs.URL = "" // nobody would know what is in it when the embedded Redis is gone
	cfg.Jobs.MaxInlineBytes = cfg.Jobs.MaxRequestBytes
	cfg = atSimulator(cfg, sim.URL())
	cfg.Redis.URL = config.NewSecret("redis://" + mini.Addr() + "/0")
	// Webhooks of several endpoints could not be told apart: to the simulator, all are one project.
	told := cfg.Simulator.WebhookURL == "" && len(cfg.Endpoints) == 0
	switch {
	case told:
		cfg = withWebhooks(cfg)
	case cfg.Simulator.WebhookURL == "": // nobody tells
		cfg = withoutWebhooks(cfg)
	}
	l, err := startLocal(ctx, Options{Config: cfg, Log: log, Version: version, Embedded: true}, &undo)
	if err != nil {
		return nil, err
	}
	if told {
		if err := sim.tell(l.app.webhookURL(), cfg.OpenAI.WebhookSecrets[0]); err != nil {
			return nil, err
		}
	}
	l.notice = "dev mode: the model is a stand-in (the simulator), and all jobs are lost when this process ends; nothing is sent to OpenAI"
	l.addrs = append([]string{"redis (embedded)  redis://" + mini.Addr() + "/0", "simulator         " + sim.URL()}, l.addrs...)
	return l, nil
}

// withWebhooks has the worker take webhooks that are signed with a new secret, on an
// address of their own if there is no other.
func withWebhooks(cfg config.Config) config.Config {
	var key [32]byte
	_, _ = rand.Read(key[:]) // never fails
	cfg.OpenAI.WebhookSecrets = []config.Secret{config.NewSecret("whsec_" + base64.StdEncoding.EncodeToString(key[:]))}
	if cfg.Webhooks.Addr == "" && cfg.HTTP.Addr == "" {
		cfg.Webhooks.Addr = "127.0.0.1:0"
	}
	return cfg
}

// atSimulator sends the requests of every endpoint to the simulator, under a key
// that is none.
func atSimulator(cfg config.Config, url string) config.Config {
	cfg.OpenAI.BaseURL, cfg.OpenAI.APIKey = url, config.NewSecret("sk-simulator")
	all := make(map[string]config.Endpoint, len(cfg.Endpoints))
	for name, e := range cfg.Endpoints {
		e.BaseURL, e.APIKey = url, config.NewSecret("sk-simulator-"+name)
		all[name] = e
	}
	cfg.Endpoints = all
	return cfg
}

// startLocal runs a worker in the background and returns when its store is open.
func startLocal(ctx context.Context, options Options, undo *cleanups) (*Local, error) {
	a, err := New(ctx, options)
	if err != nil {
		return nil, err
	}
	if err := a.connectSoon(ctx); err != nil {
		return nil, errors.Join(err, a.closeRedis())
	}
	undo.add(inBackground(ctx, a.Run))
	l := &Local{app: a, stop: sync.OnceValue(undo.run)}
	if addr := a.HTTPAddr(); addr != "" {
		l.addrs = append(l.addrs, "health, metrics   http://"+addr)
	}
	return l, nil
}

// soon is how long a command waits for a Redis that does not answer. A worker waits
// for ever; a person at a terminal has misspelt the address.
const soon = 10 * time.Second

func (a *App) connectSoon(ctx context.Context) error {
	ctx, cancel := context.WithTimeoutCause(ctx, soon, errors.New("it has not answered for "+soon.String()+"; is redis.url right, and is it up?"))
	defer cancel()
	return a.Connect(ctx)
}

// inBackground runs something that outlives a cancelled caller, who ends it by
// the returned stop.
func inBackground(ctx context.Context, run func(context.Context) error) (stop func() error) {
	ctx, cancel := context.WithCancel(context.WithoutCancel(ctx))
	done := make(chan error, 1)
	go func() { done <- run(ctx) }()
	return func() error { cancel(); return <-done }
}

// tick drives the embedded server's clock, which stands still by itself: keys
// with a time to live would never go.
func tick(mini *miniredis.Miniredis) (stop func() error) {
	const step = 100 * time.Millisecond
	quit, gone := make(chan struct{}), make(chan struct{})
	go func() {
		defer close(gone)
		ticker := time.NewTicker(step)
		defer ticker.Stop()
		for {
			select {
			case <-quit:
				return
			case <-ticker.C:
				mini.FastForward(step)
			}
		}
	}()
	return func() error { close(quit); <-gone; return nil }
}

// cleanups are the steps that undo a start, the last one first.
type cleanups struct{ steps []func() error }

func (c *cleanups) add(step func() error) { c.steps = append(c.steps, step) }

func (c *cleanups) run() error {
	var failed error
	for _, step := range slices.Backward(c.steps) {
		failed = errors.Join(failed, step())
	}
	c.steps = nil
	return failed
}
