package main

import (
	"context"
	"errors"
	"fmt"
	"log/slog"

	"github.com/longhaul-jobs/longhaul/client"
	"github.com/longhaul-jobs/longhaul/internal/app"
	"github.com/longhaul-jobs/longhaul/internal/config"
	"github.com/longhaul-jobs/longhaul/results"
)

// local is an installation that runs in this process.
type local interface {
	// Store is where its jobs are kept.
	Store() *results.Store
	// Notice says what to know of it, "" for nothing.
	Notice() string
	// Stop drains and ends it; more than once is fine.
	Stop() error
}

// starters start installations in this process.
type starters struct {
	dev, live func(context.Context, config.Config, *slog.Logger) (local, error)
	// kept starts what live has its jobs in, without anything that sends them.
	kept func(context.Context, config.Config, *slog.Logger) (config.Config, func() error, error)
}

func localStarters() starters {
	return starters{
		dev: func(ctx context.Context, cfg config.Config, log *slog.Logger) (local, error) {
			return app.StartDev(ctx, cfg, log)
		},
		live: func(ctx context.Context, cfg config.Config, log *slog.Logger) (local, error) {
			return app.StartLive(ctx, cfg, log)
		},
		kept: app.LiveRedis,
	}
}

// session is a connection to an installation.
type session struct {
	*client.Client
	// stop ends what the client stands on.
	stop func() error
}

// open connects to the installation that the flags name, or starts one. The
// caller closes the session.
func (c *cli) open(ctx context.Context, cfg config.Config) (*session, error) {
	switch {
	case c.dev:
		return c.openLocal(ctx, cfg, c.start.dev)
	case c.live:
		return c.openLocal(ctx, cfg, c.start.live)
	}
	return c.dial(ctx, cfg)
}

// dial connects to an installation that runs elsewhere.
func (c *cli) dial(ctx context.Context, cfg config.Config) (*session, error) {
	log := c.log(cfg.Log)
	blobs, err := app.OpenBlobs(ctx, cfg)
	if err != nil {
		return nil, err
	}
	settings, err := app.StoreConfig(cfg, blobs, false)
	if err != nil {
		return nil, err
	}
	rdb, err := app.NewRedis(cfg, log)
	if err != nil {
		return nil, err
	}
	store, err := results.Open(ctx, rdb, settings, log, nil)
	if err != nil {
		return nil, errors.Join(fmt.Errorf("connect to %s: %w", cfg.Redis.URL, err), rdb.Close())
	}
	return &session{Client: client.New(store, cfg.OpenAI.Model), stop: rdb.Close}, nil
}

func (c *cli) openLocal(
	ctx context.Context, cfg config.Config, start func(context.Context, config.Config, *slog.Logger) (local, error),
) (*session, error) {
	l, err := start(ctx, cfg, c.log(cfg.Log))
	if err != nil {
		return nil, err
	}
	if notice := l.Notice(); notice != "" {
		c.console.say("%s", notice)
	}
	return &session{Client: client.New(l.Store(), cfg.OpenAI.Model), stop: l.Stop}, nil
}

// Close ends the session, and with it an installation in this process.
func (s *session) Close() error {
	if err := errors.Join(s.Client.Close(), s.stop()); err != nil {
		return fmt.Errorf("close the connection: %w", err)
	}
	return nil
}

// log is what this command and a worker in its process log to: stderr, and unless
// something else was asked for, only what a person should know. With --dev that
// is less: what fails there is shown at the end anyway.
func (c *cli) log(cfg config.Log) *slog.Logger {
	options := &slog.HandlerOptions{Level: cfg.Level}
	if cfg.Level == slog.LevelInfo {
		options.Level = slog.LevelWarn
		if c.dev {
			options.Level = slog.LevelError
		}
	}
	if cfg.Format == config.LogJSON {
		return slog.New(slog.NewJSONHandler(c.console, options))
	}
	return slog.New(slog.NewTextHandler(c.console, options))
}

// withSession does something with an open session.
func (c *cli) withSession(ctx context.Context, cfg config.Config, use func(*session) error) (err error) {
	s, err := c.open(ctx, cfg)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, s.Close()) }()
	return use(s)
}

// toRead does something with a session that only tells what there is. With --live no
// worker runs for it, which would send what waits.
func (c *cli) toRead(ctx context.Context, cfg config.Config, use func(*session) error) (err error) {
	if !c.live {
		return c.withSession(ctx, cfg, use)
	}
	cfg, stop, err := c.start.kept(ctx, cfg, c.log(cfg.Log))
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, stop()) }()
	s, err := c.dial(ctx, cfg)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, s.Close()) }()
	return use(s)
}
