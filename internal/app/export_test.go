package app

import (
	"context"

	"github.com/prometheus/client_golang/prometheus"
)

// Gatherer is what /metrics shows.
func Gatherer(a *App) prometheus.Gatherer { return a.registry }

// EnterAlone is how a job enters that nothing else may run beside.
func EnterAlone(ctx context.Context, a *App) (leave func(), err error) {
	return a.gate.Enter(ctx, true)
}
