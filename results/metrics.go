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
	attempts    *prometheus.CounterVec
	resolved    prometheus.Counter
	wasted      *prometheus.CounterVec
	tokens      *prometheus.CounterVec
	duration    *prometheus.HistogramVec
	stale       prometheus.Counter
	withdrawn   prometheus.Counter
	newer       prometheus.Counter
	unreadable  prometheus.Counter
	blobs       blobMetrics
	money       moneyMetrics
}

func newMetrics(reg prometheus.Registerer, lanes []string) *metrics {
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
		attempts: prometheus.NewCounterVec(prometheus.CounterOpts{
			Namespace: "longhaul", Subsystem: "results", Name: "attempts_total",
			Help: "Attempts that ended, by how; one that is taken up again ends again.",
		}, []string{"outcome"}),
		resolved: prometheus.NewCounter(prometheus.CounterOpts{
			Namespace: "longhaul", Subsystem: "results", Name: "uncertain_resolved_total",
			Help: "Uncertain attempts of which it became known whether they were accepted; the others may have cost something.",
		}),
		wasted: prometheus.NewCounterVec(prometheus.CounterOpts{
			Namespace: "longhaul", Subsystem: "results", Name: "wasted_tokens_total",
			Help: "Tokens of responses that lost against another of their job, by direction.",
		}, []string{"direction"}),
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
		money: newMoneyMetrics(lanes),
	}
	for _, kind := range jobs.Kinds() {
		m.accepted.WithLabelValues(string(kind))
	}
	for _, state := range jobs.States() {
		m.transitions.WithLabelValues(string(state))
		if state.Terminal() {
			m.duration.WithLabelValues(string(state))
		}
	}
	for _, class := range jobs.Classes() {
		m.failures.WithLabelValues(string(class))
	}
	for _, direction := range []string{"input", "output"} {
		m.tokens.WithLabelValues(direction)
		m.wasted.WithLabelValues(direction)
	}
	for _, outcome := range jobs.Outcomes() {
		m.attempts.WithLabelValues(string(outcome))
	}
	if reg != nil {
		reg.MustRegister(m.accepted, m.transitions, m.failures, m.attempts, m.resolved, m.wasted, m.tokens, m.duration, m.stale, m.withdrawn, m.newer, m.unreadable,
			m.money.cost, m.money.unknown, m.money.saved, m.money.tokens, m.blobs.operations, m.blobs.bytes, m.blobs.duration)
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
		var was jobs.Attempt
		if i < len(before.Attempts) {
			was = before.Attempts[i]
		}
		m.outcome(was, a)
		if a.Failure != nil && (a.Outcome == jobs.OutcomeFailed || a.Outcome == jobs.OutcomeUncertain || a.Outcome == jobs.OutcomeLost) {
			m.failures.WithLabelValues(string(known(a.Failure.Class))).Inc()
		}
		if a.Usage != nil && was.Usage == nil {
			count(m.tokens, *a.Usage)
		}
	}
}

// outcome counts how an attempt has ended, and what it cost for nothing. One that
// ends anew was taken up again: its answer came after all, or a person knew more.
func (m *metrics) outcome(was, is jobs.Attempt) {
	if is.Outcome == was.Outcome {
		return
	}
	if was.Outcome == jobs.OutcomeUncertain {
		m.resolved.Inc()
	}
	if slices.Contains(jobs.Outcomes(), is.Outcome) {
		m.attempts.WithLabelValues(string(is.Outcome)).Inc()
	}
	if is.Outcome == jobs.OutcomeWasted && is.Usage != nil {
		count(m.wasted, *is.Usage)
	}
}

// count adds tokens by their direction.
func count(tokens *prometheus.CounterVec, u jobs.Usage) {
	tokens.WithLabelValues("input").Add(float64(u.InputTokens))
	tokens.WithLabelValues("output").Add(float64(u.OutputTokens))
}

// known keeps the label set closed.
func known(c jobs.Class) jobs.Class {
	if slices.Contains(jobs.Classes(), c) {
		return c
	}
	return jobs.ClassInternal
}
