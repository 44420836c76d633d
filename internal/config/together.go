package config

import (
	"maps"
	"slices"
	"strings"
)

// rule is what two settings must be to one another.
type rule struct {
	broken bool
	key    string
	other  string
	is     string // what key is to other when the rule is broken
	why    string // what it would lead to, and the way out
}

// callsInLook is how many calls, each with a timeout of its own, a look makes at
// most: a response that is to stop is cancelled and then looked at.
const (
	callsInLook = 2
	leaseIs     = "is not above twice"
	leaseWhy    = "a stop is a cancel and a look, and another worker would repeat what is still under way; raise the lease or lower the timeout"
)

// longestMonth is how long a month can be.
const longestMonth = 31 * day

// rules returns the rules between the settings of c.
func rules(c Config) []rule {
	all := []rule{
		{
			broken: c.Poll.Floor > c.Poll.Ceiling, key: "poll.floor", is: "is above", other: "poll.ceiling",
			why: "no wait could be both; lower the floor or raise the ceiling",
		},
		{
			broken: c.Poll.Tick > c.Poll.Floor, key: "poll.tick", is: "is above", other: "poll.floor",
			why: "looks would come later than the floor asks for; lower the tick or raise the floor",
		},
		{
			broken: c.Poll.Lease <= callsInLook*c.OpenAI.LookTimeout, key: "poll.lease", is: leaseIs, other: "openai.look_timeout",
			why: leaseWhy,
		},
		{
			broken: c.Poll.NotFoundGrace < c.Poll.Floor, key: "poll.not_found_grace", is: "is below", other: "poll.floor",
			why: "a response would be given up without a second look; raise the grace or lower the floor",
		},
		{
			broken: c.Poll.StopGrace < c.Poll.Floor, key: "poll.stop_grace", is: "is below", other: "poll.floor",
			why: "a stopped job would be given up without a last look; raise the grace or lower the floor",
		},
		{
			broken: 2*c.Watchdog.Heartbeat >= c.Watchdog.DeadAfter, key: "watchdog.heartbeat", is: "is not below half of", other: "watchdog.dead_after",
			why: "one heartbeat that is late would have a living worker taken for dead; beat more often or wait longer",
		},
	}
	for _, name := range slices.Sorted(maps.Keys(c.Budgets)) {
		all = append(all, rule{
			broken: c.Budgets[name].Per == "month" && c.Ledger.Retention < longestMonth,
			key:    "ledger.retention", is: "is shorter than the month of", other: budgetsKey + "." + name + ".per",
			why: "what was spent at its beginning would be forgotten; keep the ledger for 31 days or make it a budget of a day",
		})
	}
	for _, name := range slices.Sorted(maps.Keys(c.Endpoints)) {
		if c.Endpoints[name].LookTimeout == c.OpenAI.LookTimeout {
			continue // and said already
		}
		all = append(all, rule{
			broken: c.Poll.Lease <= callsInLook*c.Endpoints[name].LookTimeout,
			key:    "poll.lease", is: leaseIs, other: endpointsKey + "." + name + ".look_timeout",
			why: leaseWhy,
		})
	}
	return all
}

// checkTogether adds a problem for each broken rule between valid settings.
func (l *loader) checkTogether(c Config) {
	shown := make(map[string]string)
	for _, s := range c.Table() {
		shown[s.Key] = s.Value
	}
	for _, r := range rules(c) {
		if !r.broken || l.invalid[r.key] || l.invalid[r.other] {
			continue
		}
		message := strings.Join([]string{r.is, r.other, quote(shown[r.other]), "(" + l.sources[r.other] + "):", r.why}, " ")
		l.problems = append(l.problems, Problem{Key: r.key, Source: l.sources[r.key], Value: quote(shown[r.key]), Message: message})
	}
}
