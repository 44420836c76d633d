package results

import (
	"slices"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/longhaul-jobs/longhaul/jobs"
)

type metrics struct {
	accepted    *prometheus.CounterVec
	transitions *prometheus.CounterVec
	failures    *prometheus.CounterVec
	tokens      *prometheus.CounterVec
	duration    *prometheus.HistogramVec
	stale       prometheus.Counter
	withdrawn   prometheus.Counter
	newer       prometheus.Counter
	unreadable  prometheus.Counter
	blobs       blobMetrics
}

func newMetrics(reg prometheus.Registerer) *metrics {
	m := &metrics{
		accepted: prometheus.NewCounterVec(prometheus.CounterOpts{
			Namespace: "longhaul", Subsystem: "results", Name: "accepted_total",
			Help: "Jobs accepted by this process, by kind.",
		}, []string{"kind"}),
		transitions: prometheus.NewCounterVec(prometheus.CounterOpts{
			Namespace: "longhaul", Subsystem: "results", Name: "transitions_total",
			Help: "Transitions written by this process, by the state they led to.",
		}, []string{"state"}),
		failures: prometheus.NewCounterVec(prometheus.CounterOpts{
			Namespace: "longhaul", Subsystem: "results", Name: "attempt_failures_total",
			Help: "Attempts that failed, by the class of the failure.",
		}, []string{"class"}),
		tokens: prometheus.NewCounterVec(prometheus.CounterOpts{
			Namespace: "longhaul", Subsystem: "results", Name: "tokens_total",
			Help: "Tokens used by ended attempts as the provider counts them, by direction.",
		}, []string{"direction"}),
		duration: prometheus.NewHistogramVec(prometheus.HistogramOpts{
			Namespace: "longhaul", Subsystem: "results", Name: "job_duration_seconds",
			Help:                        "Time from the acceptance of a job to its end, by terminal state.",
			Buckets:                     []float64{1, 5, 15, 60, 300, 900, 1800, 3600, 7200, 14400, 43200, 86400},
			NativeHistogramBucketFactor: 1.1,
		}, []string{"state"}),
		stale: prometheus.NewCounter(prometheus.CounterOpts{
			Namespace: "longhaul", Subsystem: "results", Name: "stale_total",
			Help: "Steps decided anew because another step on the same job came first.",
		}),
		withdrawn: prometheus.NewCounter(prometheus.CounterOpts{
			Namespace: "longhaul", Subsystem: "results", Name: "intents_withdrawn_total",
			Help: "Creates that were not sent because too few servers had their intent in time.",
		}),
		newer: prometheus.NewCounter(prometheus.CounterOpts{
			Namespace: "longhaul", Subsystem: "results", Name: "newer_schema_total",
			Help: "Times a record of a newer schema was met and left alone.",
		}),
		unreadable: prometheus.NewCounter(prometheus.CounterOpts{
			Namespace: "longhaul", Subsystem: "results", Name: "unreadable_total",
			Help: "Times a record was met that cannot be read; the log names it.",
		}),
		blobs: newBlobMetrics(),
	}
	m.accepted.WithLabelValues(string(jobs.KindResponse))
	for _, state := range jobs.States() {
		m.transitions.WithLabelValues(string(state))
		if state.Terminal() {
			m.duration.WithLabelValues(string(state))
		}
	}
	for _, class := range jobs.Classes() {
		m.failures.WithLabelValues(string(class))
	}
	m.tokens.WithLabelValues("input")
	m.tokens.WithLabelValues("output")
	if reg != nil {
		reg.MustRegister(m.accepted, m.transitions, m.failures, m.tokens, m.duration, m.stale, m.withdrawn, m.newer, m.unreadable,
			m.blobs.operations, m.blobs.bytes, m.blobs.duration)
	}
	return m
}

// observe counts what a written transition changed.
func (m *metrics) observe(before, after jobs.Job) {
	if before.State != after.State {
		m.transitions.WithLabelValues(string(after.State)).Inc()
		if after.State.Terminal() {
			m.duration.WithLabelValues(string(after.State)).Observe(after.Ended.Sub(after.Created).Seconds())
		}
	}
	for i, a := range after.Attempts {
		if i < len(before.Attempts) && before.Attempts[i].Outcome == a.Outcome && before.Attempts[i].Repeats == a.Repeats {
			continue
		}
		if a.Failure != nil && (a.Outcome == jobs.OutcomeFailed || a.Outcome == jobs.OutcomeUncertain || a.Outcome == jobs.OutcomeLost) {
			m.failures.WithLabelValues(string(known(a.Failure.Class))).Inc()
		}
		if a.Usage != nil {
			m.tokens.WithLabelValues("input").Add(float64(a.Usage.InputTokens))
			m.tokens.WithLabelValues("output").Add(float64(a.Usage.OutputTokens))
		}
	}
}

// known keeps the label set closed.
func known(c jobs.Class) jobs.Class {
	if slices.Contains(jobs.Classes(), c) {
		return c
	}
	return jobs.ClassInternal
}
