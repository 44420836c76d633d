package config_test

import (
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/longhaul-jobs/longhaul/internal/config"
	"github.com/longhaul-jobs/longhaul/jobs"
)

func dollars(text string) *jobs.Money {
	m, err := jobs.ParseMoney(text)
	if err != nil {
		panic(err)
	}
	return &m
}

func TestPrices(t *testing.T) {
	t.Parallel()
	path := write(t, "c.yaml", `
prices:
  gpt-4.1@2027-01-01: {input: 1.50, cached_input: 0.375, output: 6, tiers: "default=100, flex=40", regional: 110, long_over: 100000, long_input: 200, long_output: 150}
  house/llama-4: {input: 0, output: "0.000000001"}
  web_search: {per_thousand: 12}
`)
	want := map[string]config.Price{
		"gpt-4.1@2027-01-01": {
			Model: "gpt-4.1", From: time.Date(2027, 1, 1, 0, 0, 0, 0, time.UTC),
			Input: dollars("1.5"), CachedInput: dollars("0.375"), Output: dollars("6"), Tiers: map[string]int64{"default": 100, "flex": 40},
			Regional: 110, LongOver: 100_000, LongInput: 200, LongOutput: 150,
		},
		"house/llama-4": {Model: "house/llama-4", Input: dollars("0"), Output: dollars("0.000000001"), Tiers: map[string]int64{}},
		"web_search":    {Model: "web_search", PerThousand: dollars("12"), Tiers: map[string]int64{}},
	}
	c := load(t, config.Sources{File: path})
	if diff := cmp.Diff(want, c.Prices); diff != "" {
		t.Errorf("prices of a file (-want +got):\n%s", diff)
	}
	if s := setting(t, c, "prices.gpt-4.1@2027-01-01.tiers"); s.Value != "default=100,flex=40" || s.Source != "file "+path {
		t.Errorf("in the table: %+v", s)
	}
	c = load(t, config.Sources{File: path, Environ: []string{`LONGHAUL_PRICES={"gpt-4.1":{"output":9}}`}})
	if len(c.Prices) != 1 || *c.Prices["gpt-4.1"].Output != 9*jobs.Dollar {
		t.Errorf("prices of a variable: %+v", c.Prices)
	}
}

func TestBadPrices(t *testing.T) {
	t.Parallel()
	for text, want := range map[string]string{
		`{"gpt-4.1@soon":{"input":1}}`:             "gpt-4.1@2026-12-01",
		`{"gpt 4":{"input":1}}`:                    "is not the name of a model or a tool",
		`{"gpt-4.1":{"input":-1}}`:                 "less than nothing",
		`{"gpt-4.1":{"input":"cheap"}}`:            "no amount in dollars",
		`{"gpt-4.1":{"imput":1}}`:                  "input",
		`{"gpt-4.1":{}}`:                           "has no price",
		`{"gpt-4.1":{"input":1,"per_thousand":2}}`: "beside the prices of a model",
		`{"gpt-4.1":{"tiers":"flex"}}`:             "no list of factors",
		`{"gpt-4.1":3}`:                            "is not a section",
	} {
		_, err := config.Load(config.Sources{Environ: []string{"LONGHAUL_PRICES=" + text}})
		var bad *config.Error
		if !errors.As(err, &bad) || !strings.Contains(err.Error(), want) || !strings.Contains(err.Error(), "prices") {
			t.Errorf("%s: %v; want %q", text, err, want)
		}
	}
}
