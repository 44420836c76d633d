package queue

import "github.com/prometheus/client_golang/prometheus"

// The outcomes of a task.
const (
	outcomeDone    = "done"
	outcomeRetried = "retried"
	outcomeDropped = "dropped"
)

// Metrics counts the tasks that this process has handled. One serves all
// servers of a process.
type Metrics struct {
	tasks *prometheus.CounterVec
}

// NewMetrics makes and registers the metrics.
func NewMetrics(reg prometheus.Registerer) *Metrics {
	m := &Metrics{tasks: prometheus.NewCounterVec(prometheus.CounterOpts{
		Namespace: "longhaul", Subsystem: "queue", Name: "tasks_total",
		Help: "Asynq tasks handled, by type and outcome: done, retried (something failed, and it will be tried again), dropped (the payload was not ours).",
	}, []string{"type", "outcome"})}
	for _, kind := range []string{"submit", "effects"} {
		for _, outcome := range []string{outcomeDone, outcomeRetried, outcomeDropped} {
			m.tasks.WithLabelValues(kind, outcome)
		}
	}
	reg.MustRegister(m.tasks)
	return m
}

func (m *Metrics) done(taskType, outcome string) {
	kind := "effects"
	if taskType == typeSubmit {
		kind = "submit"
	}
	m.tasks.WithLabelValues(kind, outcome).Inc()
}
