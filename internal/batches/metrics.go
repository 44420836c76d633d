package batches

import (
	"github.com/prometheus/client_golang/prometheus"

	"github.com/longhaul-jobs/longhaul/jobs"
	"github.com/longhaul-jobs/longhaul/results"
)

// Metrics count batches and what is in them, by endpoint.
type Metrics struct {
	lines *prometheus.GaugeVec
	ended *prometheus.CounterVec
	came  *prometheus.CounterVec
}

// NewMetrics registers the metrics.
func NewMetrics(reg prometheus.Registerer) *Metrics {
	m := &Metrics{
		lines: prometheus.NewGaugeVec(prometheus.GaugeOpts{
			Namespace: "longhaul", Subsystem: "batch", Name: "lines",
			Help: "Requests that go through batches, by endpoint and whether they wait for a batch or are in one, as the worker sees it that looks after them.",
		}, []string{"endpoint", "state"}),
		ended: prometheus.NewCounterVec(prometheus.CounterOpts{
			Namespace: "longhaul", Subsystem: "batch", Name: "ended_total",
			Help: "Batches that have ended, by endpoint and the provider's status.",
		}, []string{"endpoint", "status"}),
		came: prometheus.NewCounterVec(prometheus.CounterOpts{
			Namespace: "longhaul", Subsystem: "batch", Name: "lines_ended_total",
			Help: "Requests of batches that have ended, by endpoint and outcome: answered, again for what goes into another batch, or failed.",
		}, []string{"endpoint", "outcome"}),
	}
	reg.MustRegister(m.lines, m.ended, m.came)
	return m
}

// start has an endpoint's metrics begin at zero.
func (m *Metrics) start(endpoint string) {
	for _, state := range []string{"waiting", "sent"} {
		m.lines.WithLabelValues(endpoint, state)
	}
	for _, status := range []jobs.BatchStatus{jobs.BatchCompleted, jobs.BatchExpired, jobs.BatchFailed, jobs.BatchCancelled} {
		m.ended.WithLabelValues(endpoint, string(status))
	}
	for _, outcome := range []string{"answered", "again", "failed"} {
		m.came.WithLabelValues(endpoint, outcome)
	}
}

func (m *Metrics) observe(endpoint string, waiting int, all []results.Batch) {
	sent := 0
	for _, b := range all {
		sent += b.Lines
	}
	m.lines.WithLabelValues(endpoint, "waiting").Set(float64(waiting))
	m.lines.WithLabelValues(endpoint, "sent").Set(float64(sent))
}

func (m *Metrics) end(endpoint string, b results.Batch) {
	if b.Status != "" {
		m.ended.WithLabelValues(endpoint, string(b.Status)).Inc()
	}
	m.came.WithLabelValues(endpoint, "answered").Add(float64(b.Answered))
	m.came.WithLabelValues(endpoint, "again").Add(float64(b.Again))
	m.came.WithLabelValues(endpoint, "failed").Add(float64(b.Failed))
}
