package poller

import (
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/longhaul-jobs/longhaul/jobs"
)

// The results of a look.
const (
	resultPending  = "pending"
	resultTerminal = "terminal"
)

type metrics struct {
	looks       *prometheus.CounterVec
	duration    prometheus.Histogram
	claimErrors prometheus.Counter
	untold      prometheus.Counter
	lateness    prometheus.Histogram
	open        prometheus.Gauge
	streams     *prometheus.CounterVec
	events      prometheus.Counter
}

func newMetrics(reg prometheus.Registerer) *metrics {
	m := &metrics{
		looks: prometheus.NewCounterVec(prometheus.CounterOpts{
			Namespace: "longhaul", Subsystem: "poller", Name: "looks_total",
			Help: "Looks at responses, by what they brought: pending, terminal, or the class of the failure.",
		}, []string{"result"}),
		duration: prometheus.NewHistogram(prometheus.HistogramOpts{
			Namespace: "longhaul", Subsystem: "poller", Name: "look_duration_seconds",
			Help:                        "Time that a look took at the provider.",
			Buckets:                     []float64{0.01, 0.03, 0.1, 0.3, 1, 3, 10, 30},
			NativeHistogramBucketFactor: 1.1,
		}),
		claimErrors: prometheus.NewCounter(prometheus.CounterOpts{
			Namespace: "longhaul", Subsystem: "poller", Name: "store_errors_total",
			Help: "Times that due jobs could not be claimed or put back.",
		}),
	}
	m.untold = prometheus.NewCounter(prometheus.CounterOpts{
		Namespace: "longhaul", Subsystem: "poller", Name: "untold_ends_total",
		Help: "Ends of responses that the safety net found, though a webhook was expected to tell of them.",
	})
	m.lateness = prometheus.NewHistogram(prometheus.HistogramOpts{
		Namespace: "longhaul", Subsystem: "poller", Name: "lateness_seconds",
		Help:                        "How late looks begin that were due: by how much the cap on looks, or too few workers, put them off.",
		Buckets:                     []float64{0.1, 0.3, 1, 3, 10, 30, 100, 300, 1000},
		NativeHistogramBucketFactor: 1.1,
	})
	m.open = prometheus.NewGauge(prometheus.GaugeOpts{
		Namespace: "longhaul", Subsystem: "poller", Name: "streams_open",
		Help: "Responses that are being followed in a stream.",
	})
	m.streams = prometheus.NewCounterVec(prometheus.CounterOpts{
		Namespace: "longhaul", Subsystem: "poller", Name: "streams_total",
		Help: "Streams of responses that are followed no longer, by how that came.",
	}, []string{"end"})
	m.events = prometheus.NewCounter(prometheus.CounterOpts{
		Namespace: "longhaul", Subsystem: "poller", Name: "stream_events_total",
		Help: "Events of streamed responses that were handed to the store.",
	})
	for _, end := range streamEnds() {
		m.streams.WithLabelValues(string(end))
	}
	m.looks.WithLabelValues(resultPending)
	m.looks.WithLabelValues(resultTerminal)
	for _, class := range jobs.Classes() {
		m.looks.WithLabelValues(string(class))
	}
	reg.MustRegister(m.looks, m.duration, m.claimErrors, m.untold, m.lateness, m.open, m.streams, m.events)
	return m
}

func (m *metrics) observe(got answer, took time.Duration) {
	m.duration.Observe(took.Seconds())
	switch {
	case got.failure != nil:
		m.looks.WithLabelValues(string(got.failure.Class)).Inc()
	case got.reply.Response.Terminal():
		m.looks.WithLabelValues(resultTerminal).Inc()
	default:
		m.looks.WithLabelValues(resultPending).Inc()
	}
}
