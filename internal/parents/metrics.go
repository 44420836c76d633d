package parents

import "github.com/prometheus/client_golang/prometheus"

// What a step came to.
const (
	stepPlanned = "planned" // parts of a phase were asked for and have not ended
	stepWaiting = "waiting" // it was due, and some of its parts have not ended
	stepEnded   = "ended"   // the parent has ended
	stepOver    = "over"    // it had ended meanwhile
	stepFailed  = "failed"  // it is taken again
)

// How a part was come by.
const (
	partFresh   = "new"
	partFound   = "found"   // there was a job with the same request
	partRetried = "retried" // there was, and it is tried again
)

type metrics struct {
	steps     *prometheus.CounterVec
	parts     *prometheus.CounterVec
	duration  prometheus.Histogram
	unplanned prometheus.Gauge
}

func newMetrics(reg prometheus.Registerer) *metrics {
	m := &metrics{
		steps: prometheus.NewCounterVec(prometheus.CounterOpts{
			Namespace: "longhaul", Subsystem: "parents", Name: "steps_total",
			Help: "Steps of jobs that have parts, by what they came to: planned, waiting, ended, over or failed.",
		}, []string{"outcome"}),
		parts: prometheus.NewCounterVec(prometheus.CounterOpts{
			Namespace: "longhaul", Subsystem: "parents", Name: "parts_total",
			Help: "Parts that steps asked for, by how they were come by: new, found or retried. Each step finds those of the steps before.",
		}, []string{"source"}),
		duration: prometheus.NewHistogram(prometheus.HistogramOpts{
			Namespace: "longhaul", Subsystem: "parents", Name: "step_duration_seconds",
			Help:                        "How long the steps of jobs that have parts took, those left out that failed.",
			Buckets:                     []float64{.01, .05, .1, .5, 1, 5, 10, 30, 60, 300},
			NativeHistogramBucketFactor: 1.1,
		}),
		unplanned: prometheus.NewGauge(prometheus.GaugeOpts{
			Namespace: "longhaul", Subsystem: "parents", Name: "unplanned_jobs",
			Help: "Jobs that have parts and are of a kind that this worker has no planner for. They wait for one that has.",
		}),
	}
	for _, outcome := range []string{stepPlanned, stepWaiting, stepEnded, stepOver, stepFailed} {
		m.steps.WithLabelValues(outcome)
	}
	for _, source := range []string{partFresh, partFound, partRetried} {
		m.parts.WithLabelValues(source)
	}
	if reg != nil {
		reg.MustRegister(m.steps, m.parts, m.duration, m.unplanned)
	}
	return m
}
