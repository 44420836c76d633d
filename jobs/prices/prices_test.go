package prices_test

import (
	"strings"
	"testing"
	"time"

	"github.com/longhaul-jobs/longhaul/jobs"
	"github.com/longhaul-jobs/longhaul/jobs/prices"
)

func builtin(t *testing.T) *prices.Table {
	t.Helper()
	table, err := prices.Builtin()
	if err != nil {
		t.Fatal(err)
	}
	return table
}

func on(day string) time.Time {
	t, err := time.Parse(time.DateOnly, day)
	if err != nil {
		panic(err)
	}
	return t
}

func money(text string) *jobs.Money {
	m, err := jobs.ParseMoney(text)
	if err != nil {
		panic(err)
	}
	return &m
}

// TestFind: a name is that of a model or of a dated snapshot of it, and of nothing
// else.
func TestFind(t *testing.T) {
	table := builtin(t)
	for _, test := range []struct{ model, day, want string }{
		{"gpt-4.1", "2026-11-26", "gpt-4.1"},
		{"gpt-4.1-2025-04-14", "2026-11-26", "gpt-4.1"},
		{"gpt-4.1-mini-2025-04-14", "2026-11-26", "gpt-4.1-mini"},
		{"o3-2025-04-16", "2026-11-26", "o3"},
		{"gpt-5-0807", "2026-11-26", "gpt-5"},
		{"gpt-4.1-nano", "2026-11-26", "no price for model gpt-4.1-nano, set prices.gpt-4.1-nano"},
		{"gpt-4.1-nano-2025-04-14", "2026-11-26", "no price for model gpt-4.1-nano-2025-04-14"},
		{"gpt-5-chat-latest", "2026-11-26", "no price for model"},
		{"ft:gpt-4.1-2025-04-14:us", "2026-11-26", "no price for model"},
		{"", "2026-11-26", "no price for model"},
		{"gpt-4.1", "2026-07-14", "no price for model gpt-4.1 before 2026-07-15"},
	} {
		p, err := table.Find(test.model, on(test.day))
		got := p.Model
		if err != nil {
			got = err.Error()
		}
		if !strings.HasPrefix(got, test.want) {
			t.Errorf("%s on %s: %s, want %s", test.model, test.day, got, test.want)
		}
	}
}

func TestCost(t *testing.T) {
	const now = "2026-11-26"
	plain := jobs.Usage{InputTokens: 1_000_000, OutputTokens: 100_000}
	cached := jobs.Usage{InputTokens: 100_000, CachedTokens: 60_000, OutputTokens: 1000}
	for _, test := range []struct {
		name, model, tier, day string
		regional               bool
		usage                  jobs.Usage
		want, saved, unknown   string
	}{
		{name: "input and output", model: "gpt-4.1-2025-04-14", usage: plain, want: "2.8"},
		{name: "nothing", model: "gpt-4.1", want: "0"},
		{name: "one token", model: "gpt-6-luna", usage: jobs.Usage{InputTokens: 1}, want: "0.0000001"},
		{name: "half a billionth goes up", model: "gpt-6.1-terra", tier: "flex", usage: jobs.Usage{InputTokens: 1, CachedTokens: 1}, want: "0.000000025", saved: "0.000000475"},
		{name: "reasoning is output", model: "o3", usage: jobs.Usage{OutputTokens: 1000, ReasoningTokens: 900}, want: "0.008"},
		{name: "cached", model: "gpt-4.1", usage: cached, want: "0.118", saved: "0.09"},
		{name: "flex", model: "gpt-4.1", tier: "flex", usage: cached, want: "0.059", saved: "0.045"},
		{name: "batch", model: "gpt-5.1", tier: "batch", usage: plain, want: "1.125"},
		{name: "auto is default", model: "gpt-4.1", tier: "auto", usage: plain, want: "2.8"},
		{name: "priority", model: "gpt-6-sol", tier: "priority", usage: jobs.Usage{InputTokens: 1000, OutputTokens: 1000}, want: "0.024"},
		{name: "priority of 5.5", model: "gpt-5.5", tier: "priority", usage: jobs.Usage{InputTokens: 1000}, want: "0.0125"},
		{name: "priority of a model without", model: "gpt-4.1", tier: "priority", usage: plain, unknown: "no price for service tier priority of model gpt-4.1, set its factor in prices.gpt-4.1.tiers"},
		{name: "another tier", model: "gpt-5.6-sol", tier: "ultrafast", usage: plain, unknown: "service tier ultrafast"},
		{name: "regional", model: "gpt-6-sol", regional: true, usage: jobs.Usage{OutputTokens: 1000}, want: "0.011"},
		{name: "regional before it cost more", model: "gpt-4.1", regional: true, usage: plain, want: "2.8"},
		{name: "272,000 is not long", model: "gpt-6-sol", usage: jobs.Usage{InputTokens: 272_000, OutputTokens: 1000}, want: "0.554"},
		{name: "long", model: "gpt-6-sol", usage: jobs.Usage{InputTokens: 300_000, CachedTokens: 100_000, OutputTokens: 1000}, want: "0.855", saved: "0.36"},
		{name: "long without a factor", model: "gpt-4.1", usage: plain, want: "2.8"},
		{name: "writes", model: "gpt-6.1-terra", usage: jobs.Usage{InputTokens: 3000, CacheWriteTokens: 3000, CacheWriteLongTokens: 1000}, want: "0.005", saved: "-0.002"},
		{name: "writes without a price", model: "gpt-6.1-sol", usage: jobs.Usage{InputTokens: 3000, CacheWriteTokens: 1}, unknown: "no price for cache writes of model gpt-6.1-sol, set prices.gpt-6.1-sol"},
		{name: "12-hour writes without a price", model: "gpt-6-sol", usage: jobs.Usage{InputTokens: 30, CacheWriteTokens: 2, CacheWriteLongTokens: 1}, unknown: "12-hour cache writes"},
		{name: "cached without a price", model: "gpt-5.2-pro", usage: cached, unknown: "cached input"},
		{name: "and not cached", model: "gpt-5.2-pro", usage: jobs.Usage{InputTokens: 1000}, want: "0.021"},
		{name: "unknown model", model: "gpt-4.1-nano", usage: jobs.Usage{}, unknown: "no price for model gpt-4.1-nano"},
		{name: "list price", model: "gpt-5.6-sol", day: "2026-08-20", usage: plainOf(1000), want: "0.005"},
		{name: "promotion", model: "gpt-5.6-sol", day: "2026-08-21", usage: plainOf(1000), want: "0.004"},
		{name: "and after", model: "gpt-5.6-sol", day: "2026-11-22", usage: plainOf(1000), want: "0.005"},
		{name: "searches", model: "gpt-4.1", usage: jobs.Usage{WebSearches: 3, FileSearches: 2}, want: "0.035"},
		{name: "searches cost the same in flex", model: "gpt-4.1", tier: "flex", usage: jobs.Usage{WebSearches: 1}, want: "0.01"},
		{name: "a container", model: "gpt-4.1", usage: jobs.Usage{CodeCalls: 5, Containers: 1, ContainerSize: "4g"}, want: "0.12"},
		{name: "a container of unknown size", model: "gpt-4.1", usage: jobs.Usage{Containers: 1}, unknown: "no price for tool container_"},
		{name: "the search preview", model: "gpt-4.1", usage: jobs.Usage{PreviewSearches: 1}, unknown: "no price for tool web_search_preview, set prices.web_search_preview"},
		{name: "an image", model: "gpt-4.1", usage: jobs.Usage{Images: 1}, unknown: "image_generation"},
	} {
		t.Run(test.name, func(t *testing.T) {
			day := test.day
			if day == "" {
				day = now
			}
			c, err := builtin(t).Cost(prices.Use{Model: test.model, Tier: test.tier, Regional: test.regional, Usage: test.usage, At: on(day)})
			if test.unknown != "" {
				if err == nil || !strings.Contains(err.Error(), test.unknown) {
					t.Fatalf("cost %s, %v; want unknown: %s", c.Cost, err, test.unknown)
				}
				return
			}
			if test.saved == "" {
				test.saved = "0"
			}
			if err != nil || c.Cost != *money(test.want) || c.Saved != *money(test.saved) {
				t.Errorf("cost %s, saved %s, %v; want %s and %s", c.Cost, c.Saved, err, test.want, test.saved)
			}
		})
	}
}

func plainOf(input int64) jobs.Usage { return jobs.Usage{InputTokens: input} }

// TestWith: what the configuration says comes first, from its day on or altogether.
func TestWith(t *testing.T) {
	table := builtin(t)
	tiers := map[string]int64{"default": 100}
	own := table.With([]prices.Price{
		{Model: "gpt-4.1", From: on("2026-12-01"), Input: money("1"), Tiers: tiers},
		{Model: "house-model", Input: money("3"), Tiers: tiers},
		{Model: "gpt-4o", Input: money("7"), Tiers: tiers},
	}, []prices.Tool{{Name: "web_search_preview", PerThousand: money("25")}})
	for _, test := range []struct{ model, day, want string }{
		{"gpt-4.1", "2026-11-30", "2"},
		{"gpt-4.1", "2026-12-01", "1"},
		{"house-model", "2020-01-01", "3"},
		{"gpt-4o-2024-08-06", "2020-01-01", "7"},
	} {
		p, err := own.Find(test.model, on(test.day))
		if err != nil || *p.Input != *money(test.want) {
			t.Errorf("%s on %s: %v, %v; want %s", test.model, test.day, p.Input, err, test.want)
		}
	}
	if c, err := own.Cost(prices.Use{Model: "gpt-4.1", Usage: jobs.Usage{PreviewSearches: 2}, At: on("2026-11-26")}); err != nil || c.Cost != *money("0.05") {
		t.Errorf("two searches of the preview cost %s, %v", c.Cost, err)
	}
	if p, err := table.Find("gpt-4.1", on("2026-12-01")); err != nil || *p.Input != *money("2") {
		t.Errorf("the list itself has changed: %v, %v", p.Input, err)
	}
}

// TestBuiltinIsDated: each line says who says so and since when.
func TestBuiltinIsDated(t *testing.T) {
	for _, p := range builtin(t).Models() {
		if p.Source == "" || p.Seen.IsZero() || p.From.IsZero() || p.Input == nil || p.Output == nil || p.Tiers["default"] != 100 {
			t.Errorf("%+v", p)
		}
	}
}

func TestBill(t *testing.T) {
	table, at := builtin(t), on("2026-11-26")
	j := jobs.Job{Model: "gpt-4.1"}
	usage := &jobs.Usage{InputTokens: 1000, OutputTokens: 1000}
	for _, test := range []struct {
		name          string
		attempt       jobs.Attempt
		cost, unknown string
	}{
		{"as asked", jobs.Attempt{Outcome: jobs.OutcomeSucceeded, ResponseID: "r", Usage: usage}, "0.01", ""},
		{"as served", jobs.Attempt{Outcome: jobs.OutcomeFailed, ResponseID: "r", Usage: usage, Model: "gpt-4.1-mini-2025-04-14"}, "0.002", ""},
		{"by the tier of the response", jobs.Attempt{Outcome: jobs.OutcomeSucceeded, ResponseID: "r", Usage: usage, ServiceTier: "flex"}, "0.005", ""},
		{"not counted", jobs.Attempt{Outcome: jobs.OutcomeCancelled, ResponseID: "r"}, "", "did not say"},
		{"not seen", jobs.Attempt{Outcome: jobs.OutcomeUncertain}, "", "not known whether"},
		{"no price", jobs.Attempt{Outcome: jobs.OutcomeSucceeded, ResponseID: "r", Usage: usage, Model: "x"}, "", "no price for model x, set prices.x"},
	} {
		b := table.Bill(j, test.attempt, false, at)
		switch {
		case test.cost == "" && (b.Cost != nil || !strings.Contains(b.Unknown, test.unknown)):
			t.Errorf("%s: %v, %q", test.name, b.Cost, b.Unknown)
		case test.cost != "" && (b.Cost == nil || *b.Cost != *money(test.cost) || b.Unknown != ""):
			t.Errorf("%s: %v, %q; want %s", test.name, b.Cost, b.Unknown, test.cost)
		}
		if b.Outcome != test.attempt.Outcome || b.Response != test.attempt.ResponseID || !b.At.Equal(at) {
			t.Errorf("%s: %+v", test.name, b)
		}
	}
}
