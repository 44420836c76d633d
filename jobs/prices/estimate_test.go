package prices_test

import (
	"strings"
	"testing"

	"github.com/longhaul-jobs/longhaul/jobs"
	"github.com/longhaul-jobs/longhaul/jobs/prices"
)

func TestEstimate(t *testing.T) {
	for _, test := range []struct {
		name                          string
		ask                           prices.Ask
		output                        int64
		expected, hold, open, unknown string
	}{
		{
			name: "a cap under what is guessed", ask: prices.Ask{Model: "gpt-4.1", Input: 1000, MaxOutput: 500},
			output: 500, expected: "0.006", hold: "0.006",
		},
		{
			name: "a cap over what is guessed", ask: prices.Ask{Model: "gpt-4.1", Input: 1000, MaxOutput: 10_000},
			output: 4096, expected: "0.034768", hold: "0.082",
		},
		{
			name: "no cap: what is guessed is held", ask: prices.Ask{Model: "gpt-4.1-2025-04-14", Input: 1000},
			output: 4096, expected: "0.034768", hold: "0.034768", open: "no max_output_tokens",
		},
		{
			name: "flex", ask: prices.Ask{Model: "gpt-4.1", Tier: "flex", Input: 1000, MaxOutput: 500},
			output: 500, expected: "0.003", hold: "0.003",
		},
		{
			name: "batch", ask: prices.Ask{Model: "gpt-4.1", Tier: "batch", Input: 1000, MaxOutput: 500},
			output: 500, expected: "0.003", hold: "0.003",
		},
		{
			name: "all of it written into the cache", ask: prices.Ask{Model: "gpt-6-sol", Input: 10_000, MaxOutput: 1000},
			output: 1000, expected: "0.03", hold: "0.035",
		},
		{
			name: "long", ask: prices.Ask{Model: "gpt-6-sol", Input: 300_000, MaxOutput: 1000},
			output: 1000, expected: "1.215", hold: "1.515",
		},
		{
			name: "regional", ask: prices.Ask{Model: "gpt-5.4", Regional: true, Input: 1000, MaxOutput: 1000},
			output: 1000, expected: "0.01925", hold: "0.01925",
		},
		{
			name: "something open", ask: prices.Ask{Model: "gpt-4.1", Input: 1000, MaxOutput: 500, Open: "calls of web_search"},
			output: 500, expected: "0.006", hold: "0.006", open: "calls of web_search",
		},
		{
			name: "no price for the model", ask: prices.Ask{Model: "house-model", Input: 1000, MaxOutput: 500},
			unknown: "no price for model house-model, set prices.house-model",
		},
		{
			name: "no price for the tier", ask: prices.Ask{Model: "gpt-4.1", Tier: "priority", Input: 1000, MaxOutput: 500},
			unknown: "no price for service tier priority",
		},
	} {
		t.Run(test.name, func(t *testing.T) {
			test.ask.At = on("2026-11-26")
			e, err := builtin(t).Estimate(test.ask)
			if test.unknown != "" {
				if err == nil || !strings.Contains(err.Error(), test.unknown) {
					t.Fatalf("%+v, %v; want unknown: %s", e, err, test.unknown)
				}
				return
			}
			if err != nil || e.InputTokens != test.ask.Input || e.OutputTokens != test.output || e.MaxOutputTokens != test.ask.MaxOutput ||
				e.Expected != *money(test.expected) || e.Hold != *money(test.hold) {
				t.Errorf("%+v, %v; want %d tokens out, %s, and %s held", e, err, test.output, test.expected, test.hold)
			}
			highest, bounded := e.Highest()
			if bounded != (test.open == "") || !strings.Contains(e.Open, test.open) || highest != e.Hold {
				t.Errorf("at most %s, %t, open %q; want open %q", highest, bounded, e.Open, test.open)
			}
		})
	}
}

// TestHoldIsEnough: whatever a response of that many tokens costs in the end, however
// much of it the prompt cache had or took, it is not more than was held for it.
func TestHoldIsEnough(t *testing.T) {
	table := builtin(t)
	for _, p := range table.Models() {
		for tier := range p.Tiers {
			for _, input := range []int64{1, 1023, 100_000, 272_000, 272_001} {
				a := prices.Ask{Model: p.Model, Tier: tier, Input: input, MaxOutput: 3000, At: on("2026-11-26")}
				e, err := table.Estimate(a)
				if err != nil {
					t.Fatal(err)
				}
				for _, u := range []jobs.Usage{
					{InputTokens: input, OutputTokens: 3000},
					{InputTokens: input, OutputTokens: 3000, CachedTokens: input},
					{InputTokens: input, OutputTokens: 3000, CacheWriteTokens: input},
					{InputTokens: input, OutputTokens: 3000, CachedTokens: input / 2, CacheWriteTokens: input - input/2},
				} {
					c, err := table.Cost(prices.Use{Model: p.Model, Tier: tier, Usage: u, At: a.At})
					if err == nil && c.Cost > e.Hold {
						t.Errorf("%s in %s: %+v costs %s, and %s was held", p.Model, tier, u, c.Cost, e.Hold)
					}
				}
				if e.Expected > e.Hold {
					t.Errorf("%s in %s: %s expected and %s held", p.Model, tier, e.Expected, e.Hold)
				}
			}
		}
	}
}

func TestAskOf(t *testing.T) {
	for _, test := range []struct {
		name, body string
		want       prices.Ask
		open       string
	}{
		{
			"all of it", `{"model":"gpt-5.4","service_tier":"flex","reasoning":{"effort":"high"},"max_output_tokens":2000,"tools":[{"type":"function","name":"f"}]}`,
			prices.Ask{Model: "gpt-5.4", Tier: "flex", Effort: "high", MaxOutput: 2000},
			"",
		},
		{"nothing", `{"model":"gpt-4.1","max_output_tokens":null,"previous_response_id":null,"tools":null}`, prices.Ask{Model: "gpt-4.1"}, ""},
		{"of another shape", `{"model":1,"service_tier":[],"reasoning":"high","max_output_tokens":"many","tools":{}}`, prices.Ask{}, ""},
		{"an absurd cap", `{"model":"o3","max_output_tokens":1e300}`, prices.Ask{Model: "o3"}, ""},
		{"no object", `[]`, prices.Ask{}, ""},
		{"a conversation", `{"model":"o3","previous_response_id":"resp_1"}`, prices.Ask{Model: "o3"}, "previous_response_id"},
		{"a tool", `{"model":"o3","tools":[{"type":"function"},{"type":"web_search"}]}`, prices.Ask{Model: "o3"}, "calls of web_search"},
	} {
		t.Run(test.name, func(t *testing.T) {
			got := prices.AskOf([]byte(test.body), 7)
			if (got.Open == "") != (test.open == "") || !strings.Contains(got.Open, test.open) {
				t.Errorf("open: %q, want %q", got.Open, test.open)
			}
			test.want.Input, got.Open = 7, ""
			if got != test.want {
				t.Errorf("%+v, want %+v", got, test.want)
			}
		})
	}
	if got := prices.AskOf(nil, -1); got.Input != 0 {
		t.Errorf("%d tokens of a request that has fewer than none", got.Input)
	}
}

// TestGuess: the more a model thinks, the longer its answer is taken to be.
func TestGuess(t *testing.T) {
	for _, test := range []struct {
		model, effort string
		times         int64
	}{
		{"gpt-4.1", "", 1},
		{"gpt-4o-mini", "", 1},
		{"gpt-5-chat-latest", "", 1},
		{"ft:gpt-4.1-2025-04-14:us", "", 1},
		{"gpt-5.1", "none", 1},
		{"gpt-5", "minimal", 1},
		{"o3", "low", 2},
		{"o3", "", 4},
		{"gpt-6-sol", "medium", 4},
		{"house-model", "", 4},
		{"gpt-5.5-pro", "", 8},
		{"o3", "high", 8},
		{"gpt-6-astra", "xhigh", 16},
		{"gpt-5.5-pro", "low", 2},
	} {
		if got := (prices.Ask{Model: test.model, Effort: test.effort}).Guess(); got != test.times*prices.GuessedOutput {
			t.Errorf("%s with effort %q: %d tokens, want %d times %d", test.model, test.effort, got, test.times, prices.GuessedOutput)
		}
	}
}
