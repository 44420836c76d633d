package app

import (
	"cmp"
	"maps"
	"net/url"
	"slices"
	"strings"
	"time"

	"github.com/longhaul-jobs/longhaul/internal/config"
	"github.com/longhaul-jobs/longhaul/jobs"
	"github.com/longhaul-jobs/longhaul/jobs/prices"
)

// Prices is the list of prices that the build knows with those of the configuration
// over it.
func Prices(cfg config.Config) (*prices.Table, error) {
	table, err := prices.Builtin()
	if err != nil {
		return nil, err
	}
	var models []prices.Price
	var tools []prices.Tool
	for _, name := range slices.Sorted(maps.Keys(cfg.Prices)) {
		c := cfg.Prices[name]
		if c.PerThousand != nil {
			tools = append(tools, prices.Tool{Name: c.Model, From: c.From, PerThousand: c.PerThousand, Source: "configuration", Seen: c.From})
			continue
		}
		models = append(models, over(table, c))
	}
	return table.With(models, tools), nil
}

// over is a price of the configuration with what it leaves out as the build knows it.
func over(table *prices.Table, c config.Price) prices.Price {
	from := c.From
	if from.IsZero() {
		from = time.Now()
	}
	p, err := table.Find(c.Model, from)
	if err != nil || p.Model != c.Model {
		p = prices.Price{Tiers: map[string]int64{"default": 100}}
	}
	known := func(own, builtin *jobs.Money) *jobs.Money {
		if own != nil {
			return own
		}
		return builtin
	}
	next := prices.Price{
		Model: c.Model, From: c.From,
		Input: known(c.Input, p.Input), Cached: known(c.CachedInput, p.Cached), Output: known(c.Output, p.Output),
		Write: known(c.CacheWrite, p.Write), WriteLong: known(c.CacheWriteLong, p.WriteLong),
		Tiers: p.Tiers, Regional: cmp.Or(int64(c.Regional), p.Regional),
		LongOver: p.LongOver, LongInput: p.LongInput, LongOutput: p.LongOutput,
		Source: "configuration", Seen: c.From,
	}
	if len(c.Tiers) > 0 {
		next.Tiers = c.Tiers
	}
	if c.LongOver > 0 {
		next.LongOver, next.LongInput, next.LongOutput = int64(c.LongOver), int64(cmp.Or(c.LongInput, 100)), int64(cmp.Or(c.LongOutput, 100))
	}
	return next
}

// regional are the names of the endpoints at which OpenAI processes in one region.
func regional(cfg config.Config) []string {
	var names []string
	for _, e := range cfg.AllEndpoints() {
		if u, err := url.Parse(e.BaseURL); err == nil && strings.HasSuffix(u.Hostname(), ".api.openai.com") {
			names = append(names, e.Name)
		}
	}
	return names
}
