package limits

import (
	"github.com/prometheus/client_golang/prometheus"

	"github.com/longhaul-jobs/longhaul/jobs"
)

type metrics struct {
	paused *prometheus.GaugeVec
	probes *prometheus.CounterVec
}

func newMetrics(lanes []string, reg prometheus.Registerer) *metrics {
	m := &metrics{
		paused: prometheus.NewGaugeVec(prometheus.GaugeOpts{
			Namespace: "longhaul", Name: "lane_paused",
			Help: "Whether a lane is paused because its account is at fault, by lane and by the class of the failure.",
		}, []string{"lane", "class"}),
		probes: prometheus.NewCounterVec(prometheus.CounterOpts{
			Namespace: "longhaul", Subsystem: "limits", Name: "probes_total",
			Help: "Jobs of paused lanes that were sent to find out whether the account works again, by lane.",
		}, []string{"lane"}),
	}
	for _, lane := range lanes {
		m.show(lane, "")
		m.probes.WithLabelValues(lane)
	}
	reg.MustRegister(m.paused, m.probes)
	return m
}

// show says that a lane is paused for failures of a class, "" that it is not.
func (m *metrics) show(lane string, paused jobs.Class) {
	for _, class := range jobs.Classes() {
		if !class.Verdict().Pause {
			continue
		}
		value := 0.
		if class == paused {
			value = 1
		}
		m.paused.WithLabelValues(lane, string(class)).Set(value)
	}
}
