package app

import (
	"github.com/longhaul-jobs/longhaul/poller"
	"github.com/longhaul-jobs/longhaul/results"
)

// following says how streamed responses are followed, nil if they are not.
func (a *App) following() *poller.Following {
	cfg := a.options.Config.Stream
	if cfg.MaxOpen == 0 {
		return nil
	}
	return &poller.Following{
		Streams:  byName(a.endpoints, func(e endpoint) poller.Streamer { return e.api }),
		Progress: progress{a.store}, MaxOpen: cfg.MaxOpen, Stall: cfg.Stall, Alone: a.gate.Wanted,
	}
}

// progress is what the store keeps of streams, as the poller sees it.
type progress struct{ *results.Store }

// TakeClaim implements [poller.Progress].
func (p progress) TakeClaim() poller.Claim { return p.Store.TakeClaim() }
