package limits

import (
	"math"
	"slices"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/longhaul-jobs/longhaul/results"
)

// budgetMetrics show how budgets stand.
type budgetMetrics struct {
	amount, spent, held *prometheus.GaugeVec
	refused, recovered  *prometheus.CounterVec

	// shown are the budgets that the gauges show. Only the loop uses it.
	shown map[string]bool
}

func newBudgetMetrics(reg prometheus.Registerer) *budgetMetrics {
	gauge := func(name, help string) *prometheus.GaugeVec {
		return prometheus.NewGaugeVec(prometheus.GaugeOpts{Namespace: "longhaul", Subsystem: "budget", Name: name, Help: help}, []string{"budget"})
	}
	counter := func(name, help string) *prometheus.CounterVec {
		return prometheus.NewCounterVec(prometheus.CounterOpts{Namespace: "longhaul", Subsystem: "budget", Name: name, Help: help}, []string{"budget"})
	}
	m := &budgetMetrics{
		shown:   make(map[string]bool),
		amount:  gauge("amount_dollars", "What may be spent, by budget; infinite for one that was set to no amount."),
		spent:   gauge("spent_dollars", "What was spent in the present period of a budget, what is in doubt included, by budget."),
		held:    gauge("held_dollars", "What is held for attempts under way, by budget."),
		refused: counter("refusals_total", "Attempts for which a budget had no room, or no price, by budget."),
		recovered: counter("holds_recovered_total",
			"Attempts whose end was found in their record, as after a worker was killed, by budget."),
	}
	reg.MustRegister(m.amount, m.spent, m.held, m.refused, m.recovered)
	return m
}

func (m *budgetMetrics) show(name string, b results.Budget, st results.Spending) {
	amount := math.Inf(1)
	if b.Amount != nil {
		amount = b.Amount.Dollars()
	}
	m.amount.WithLabelValues(name).Set(amount)
	m.spent.WithLabelValues(name).Set(st.Spent.Dollars())
	m.held.WithLabelValues(name).Set(st.Held.Dollars())
	m.refused.WithLabelValues(name)
	m.recovered.WithLabelValues(name)
	m.shown[name] = true
}

// showOnly takes budgets that are no more off the gauges.
func (m *budgetMetrics) showOnly(names []string) {
	for name := range m.shown {
		if slices.Contains(names, name) {
			continue
		}
		for _, gauge := range []*prometheus.GaugeVec{m.amount, m.spent, m.held} {
			gauge.DeleteLabelValues(name)
		}
		delete(m.shown, name)
	}
}
