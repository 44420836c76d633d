package app_test

import (
	"testing"
	"time"

	"github.com/longhaul-jobs/longhaul/internal/app"
	"github.com/longhaul-jobs/longhaul/internal/config"
	"github.com/longhaul-jobs/longhaul/jobs"
	"github.com/longhaul-jobs/longhaul/jobs/prices"
)

// TestPrices: what a section leaves out stays as the build knows it, and of a model
// that the build does not know it is unknown.
func TestPrices(t *testing.T) {
	t.Parallel()
	cfg, err := config.Load(config.Sources{Environ: []string{
		`LONGHAUL_PRICES={"gpt-4.1":{"output":9},"house":{"input":1,"long_over":10,"long_input":200},"web_search":{"per_thousand":12}}`,
		`LONGHAUL_ENDPOINTS={"eu":{"base_url":"https://eu.api.openai.com/v1"}}`,
	}})
	if err != nil {
		t.Fatal(err)
	}
	table, err := app.Prices(cfg)
	if err != nil {
		t.Fatal(err)
	}
	for _, test := range []struct {
		model string
		usage jobs.Usage
		want  jobs.Money // -1 for unknown
	}{
		{"gpt-4.1-2025-04-14", jobs.Usage{InputTokens: 1000, CachedTokens: 1000, OutputTokens: 1000}, 9_500_000},
		{"house", jobs.Usage{InputTokens: 11}, 22_000},
		{"house", jobs.Usage{OutputTokens: 1}, -1},
		{"gpt-4.1", jobs.Usage{WebSearches: 1}, 12_000_000},
	} {
		c, err := table.Cost(prices.Use{Model: test.model, Usage: test.usage, At: time.Now()})
		if (err != nil) != (test.want < 0) || err == nil && c.Cost != test.want {
			t.Errorf("%s, %+v: %s, %v; want %s", test.model, test.usage, c.Cost, err, test.want)
		}
	}
	if c, err := app.StoreConfig(cfg, nil, false); err != nil || len(c.Regional) != 1 || c.Regional[0] != "eu" {
		t.Errorf("regional endpoints %v, %v", c.Regional, err)
	}
}
