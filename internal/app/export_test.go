package app

import "github.com/prometheus/client_golang/prometheus"

// Gatherer is what /metrics shows.
func Gatherer(a *App) prometheus.Gatherer { return a.registry }
