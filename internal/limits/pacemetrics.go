package limits

import (
	"github.com/prometheus/client_golang/prometheus"

	"github.com/longhaul-jobs/longhaul/results"
)

// paceMetrics show how lanes use what they may send.
type paceMetrics struct {
	limit, share, inFlight, held      *prometheus.GaugeVec
	turns, refused, waited, recovered *prometheus.CounterVec
}

func newPaceMetrics(reg prometheus.Registerer) *paceMetrics {
	gauge := func(name, help string, labels ...string) *prometheus.GaugeVec {
		return prometheus.NewGaugeVec(prometheus.GaugeOpts{Namespace: "longhaul", Subsystem: "limits", Name: name, Help: help}, labels)
	}
	counter := func(name, help string, labels ...string) *prometheus.CounterVec {
		return prometheus.NewCounterVec(prometheus.CounterOpts{Namespace: "longhaul", Subsystem: "limits", Name: name, Help: help}, labels)
	}
	m := &paceMetrics{
		limit:    gauge("limit", "Limit in force in a lane, by lane and by what is limited: requests and tokens a minute, responses in flight; 0 is none.", "lane", "of"),
		share:    gauge("share", "Share of its rates that a lane uses, by lane: 1, or less for a while after the provider wanted less.", "lane"),
		inFlight: gauge("in_flight", "Places taken by responses in flight, by lane; 0 where they are not limited.", "lane"),
		held:     gauge("lane_held", "Whether a lane is paused by hand, by lane.", "lane"),
		turns:    counter("turns_total", "Answers to requests that asked for their turn, by lane and by verdict.", "lane", "verdict"),
		refused:  counter("refused_total", "Requests that the provider refused for coming too fast (HTTP 429), by lane.", "lane"),
		waited:   counter("waited_seconds_total", "Time that requests have waited for their turn, by lane.", "lane"),
		recovered: counter("places_recovered_total",
			"Places in flight that were found to be no longer needed, as after a worker was killed, by lane.", "lane"),
	}
	reg.MustRegister(m.limit, m.share, m.inFlight, m.held, m.turns, m.refused, m.waited, m.recovered)
	return m
}

func (m *paceMetrics) show(lane string, st results.Standing) {
	m.limit.WithLabelValues(lane, "requests").Set(float64(st.Rates.Requests))
	m.limit.WithLabelValues(lane, "tokens").Set(float64(st.Rates.Tokens))
	m.limit.WithLabelValues(lane, "in_flight").Set(float64(st.Rates.InFlight))
	m.share.WithLabelValues(lane).Set(st.Share)
	m.inFlight.WithLabelValues(lane).Set(float64(st.InFlight))
	held := 0.
	if st.Paused {
		held = 1
	}
	m.held.WithLabelValues(lane).Set(held)
	m.refused.WithLabelValues(lane)
	m.waited.WithLabelValues(lane)
	m.recovered.WithLabelValues(lane)
	for _, v := range []results.TurnVerdict{results.TurnGranted, results.TurnWait, results.TurnFull, results.TurnPaused} {
		m.turns.WithLabelValues(lane, string(v))
	}
}
