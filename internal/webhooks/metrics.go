package webhooks

import "github.com/prometheus/client_golang/prometheus"

// What became of a webhook.
const (
	outcomeTaken    = "taken"
	outcomeRepeated = "repeated"
	outcomeIgnored  = "ignored"
	outcomeForged   = "forged"
	outcomeFailed   = "failed"
)

// What a look that a webhook asked for led to.
const (
	lookEnded   = "ended"
	lookAdopted = "adopted"
	lookKnown   = "known"
	lookEarly   = "early"
	lookForeign = "foreign"
	lookFailed  = "failed"
)

type metrics struct {
	received *prometheus.CounterVec
	looks    *prometheus.CounterVec
	given    prometheus.Counter
}

func newMetrics(reg prometheus.Registerer) *metrics {
	m := &metrics{
		received: prometheus.NewCounterVec(prometheus.CounterOpts{
			Namespace: "longhaul", Subsystem: "webhooks", Name: "received_total",
			Help: "Webhooks that came, by what became of them.",
		}, []string{"outcome"}),
		looks: prometheus.NewCounterVec(prometheus.CounterOpts{
			Namespace: "longhaul", Subsystem: "webhooks", Name: "looks_total",
			Help: "Looks that webhooks asked for, by what they led to.",
		}, []string{"result"}),
		given: prometheus.NewCounter(prometheus.CounterOpts{
			Namespace: "longhaul", Subsystem: "webhooks", Name: "given_up_total",
			Help: "Webhooks whose response could not be looked at for hours; the log names it.",
		}),
	}
	for _, outcome := range []string{outcomeTaken, outcomeRepeated, outcomeIgnored, outcomeForged, outcomeFailed} {
		m.received.WithLabelValues(outcome)
	}
	for _, result := range []string{lookEnded, lookAdopted, lookKnown, lookEarly, lookForeign, lookFailed} {
		m.looks.WithLabelValues(result)
	}
	reg.MustRegister(m.received, m.looks, m.given)
	return m
}
