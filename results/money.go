package results

import (
	"slices"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/longhaul-jobs/longhaul/jobs"
	"github.com/longhaul-jobs/longhaul/jobs/prices"
)

// moneyMetrics tell what the steps of this process billed. The truth is the ledger.
type moneyMetrics struct {
	cost, unknown, tokens *prometheus.CounterVec
	saved                 *prometheus.GaugeVec
	lanes                 []string
}

func newMoneyMetrics(lanes []string) moneyMetrics {
	labels := []string{"lane", "model"}
	m := moneyMetrics{
		cost: prometheus.NewCounterVec(prometheus.CounterOpts{
			Namespace: "longhaul", Name: "cost_dollars_total",
			Help: "What responses have cost whose end this process recorded, as far as it is known, by lane and model.",
		}, labels),
		unknown: prometheus.NewCounterVec(prometheus.CounterOpts{
			Namespace: "longhaul", Name: "cost_unknown_total",
			Help: "Responses whose end this process recorded and of which it is not known what they cost, by lane and model.",
		}, labels),
		saved: prometheus.NewGaugeVec(prometheus.GaugeOpts{
			Namespace: "longhaul", Name: "cost_saved_dollars",
			Help: "By how much more those would have cost without the prompt cache, by lane and model; it falls when the cache is written.",
		}, labels),
		tokens: prometheus.NewCounterVec(prometheus.CounterOpts{
			Namespace: "longhaul", Name: "usage_tokens_total",
			Help: "Tokens of responses whose end this process recorded, by lane, model and sort; cached and cache_write are part of input, reasoning of output.",
		}, append(labels, "sort")),
		lanes: append(slices.Clone(lanes), jobs.DefaultLane),
	}
	m.cost.WithLabelValues(jobs.DefaultLane, jobs.DefaultModel)
	m.unknown.WithLabelValues(jobs.DefaultLane, jobs.DefaultModel)
	m.saved.WithLabelValues(jobs.DefaultLane, jobs.DefaultModel)
	for _, sort := range []string{"input", "cached", "cache_write", "output", "reasoning"} {
		m.tokens.WithLabelValues(jobs.DefaultLane, jobs.DefaultModel, sort)
	}
	return m
}

// charge counts the bills that a written step has added. One that replaces another
// adds what it knows more: a counter cannot take back.
func (m *metrics) charge(before, after jobs.Job, table *prices.Table) {
	for i, a := range after.Attempts {
		var was *jobs.Bill
		if i < len(before.Attempts) {
			was = before.Attempts[i].Bill
		}
		if a.Bill == nil || a.Bill == was || was != nil && was.Counted {
			continue
		}
		lane, model := "other", "other"
		if slices.Contains(m.money.lanes, after.Lane) {
			lane = after.Lane
		}
		if p, err := table.Find(after.Model, a.Bill.At); err == nil {
			model = p.Model
		}
		switch {
		case a.Bill.Cost != nil:
			m.money.cost.WithLabelValues(lane, model).Add(a.Bill.Cost.Dollars())
			m.money.saved.WithLabelValues(lane, model).Add(a.Bill.Saved.Dollars())
		case was == nil:
			m.money.unknown.WithLabelValues(lane, model).Inc()
		}
		if u := a.Usage; u != nil {
			for sort, n := range map[string]int64{
				"input": u.InputTokens, "cached": u.CachedTokens, "cache_write": u.CacheWriteTokens,
				"output": u.OutputTokens, "reasoning": u.ReasoningTokens,
			} {
				m.money.tokens.WithLabelValues(lane, model, sort).Add(float64(n))
			}
		}
	}
}
