package watchdog

import (
	"github.com/prometheus/client_golang/prometheus"

	"github.com/longhaul-jobs/longhaul/jobs"
)

type metrics struct {
	nudges   *prometheus.CounterVec
	lost     prometheus.Counter
	repaired prometheus.Counter
	expired  prometheus.Counter
	swept    prometheus.Counter
	strays   prometheus.Counter
}

func newMetrics(reg prometheus.Registerer) *metrics {
	m := &metrics{
		nudges: prometheus.NewCounterVec(prometheus.CounterOpts{
			Namespace: "longhaul", Subsystem: "watchdog", Name: "nudges_total",
			Help: "Overdue jobs enqueued anew, by the state they were in.",
		}, []string{"state"}),
		lost: prometheus.NewCounter(prometheus.CounterOpts{
			Namespace: "longhaul", Subsystem: "watchdog", Name: "lost_intents_total",
			Help: "Creates whose worker was gone before their answer was recorded.",
		}),
		repaired: prometheus.NewCounter(prometheus.CounterOpts{
			Namespace: "longhaul", Subsystem: "watchdog", Name: "repaired_total",
			Help: "Entries of due and waiting sets that were missing and were put back.",
		}),
		expired: prometheus.NewCounter(prometheus.CounterOpts{
			Namespace: "longhaul", Subsystem: "watchdog", Name: "expired_total",
			Help: "Ended jobs forgotten because their retention was over.",
		}),
		swept: prometheus.NewCounter(prometheus.CounterOpts{
			Namespace: "longhaul", Subsystem: "watchdog", Name: "swept_total",
			Help: "Forgotten jobs whose blobs were deleted.",
		}),
		strays: prometheus.NewCounter(prometheus.CounterOpts{
			Namespace: "longhaul", Subsystem: "watchdog", Name: "strays_total",
			Help: "Jobs without a record whose blobs were found and deleted.",
		}),
	}
	for _, state := range jobs.States() {
		m.nudges.WithLabelValues(string(state))
	}
	reg.MustRegister(m.nudges, m.lost, m.repaired, m.expired, m.swept, m.strays)
	return m
}
