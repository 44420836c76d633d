package watchdog

import (
	"context"
	"log/slog"

	"github.com/longhaul-jobs/longhaul/jobs"
)

// endpoints keeps an eye on the endpoints of the installation.
type endpoints struct {
	store Store
	queue Queue
	log   *slog.Logger
	// unserved are those of which it was said that nobody serves them.
	unserved map[string]bool
}

func newEndpoints(store Store, queue Queue, log *slog.Logger) *endpoints {
	return &endpoints{store: store, queue: queue, log: log, unserved: make(map[string]bool)}
}

// payable returns the effects that some living worker can carry out.
func (e *endpoints) payable(ctx context.Context, outbox []jobs.Effect) ([]jobs.Effect, error) {
	uses, err := e.store.Endpoints(ctx)
	if err != nil {
		return nil, err
	}
	served := make(map[string]bool, len(uses))
	for _, use := range uses {
		served[use.Name] = use.Served
	}
	var payable []jobs.Effect
	for _, effect := range outbox {
		if served[effect.Endpoint] {
			payable = append(payable, effect)
		}
	}
	return payable, nil
}

// watch says once when an endpoint with something to do has no worker, and once
// when that is over.
func (e *endpoints) watch(ctx context.Context) {
	uses, err := e.store.Endpoints(ctx)
	if err != nil {
		if ctx.Err() == nil {
			e.log.WarnContext(ctx, "endpoints not read", slog.Any("err", err))
		}
		return
	}
	for _, use := range uses {
		effects := 0
		if !use.Served {
			if effects, err = e.queue.Waiting(use.Name); err != nil {
				e.log.WarnContext(ctx, "effects not counted", slog.String("endpoint", use.Name), slog.Any("err", err))
			}
		}
		log := e.log.With(slog.String("endpoint", use.Name))
		switch idle := use.Running == 0 && effects == 0; {
		case !use.Served && !idle && !e.unserved[use.Name]:
			e.unserved[use.Name] = true
			log.ErrorContext(ctx, "endpoint is served by no worker; what belongs to it waits for one that has its key",
				slog.Int64("responses", use.Running), slog.Int("effects", effects))
		case use.Served && e.unserved[use.Name]:
			delete(e.unserved, use.Name)
			log.InfoContext(ctx, "endpoint is served again", slog.Int64("responses", use.Running))
		case idle && err == nil && e.unserved[use.Name]:
			delete(e.unserved, use.Name)
			log.InfoContext(ctx, "nothing waits for the unserved endpoint any more")
		}
	}
}
