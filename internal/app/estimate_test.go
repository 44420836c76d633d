package app_test

import (
	"strings"
	"testing"
	"time"

	"github.com/longhaul-jobs/longhaul/internal/app"
	"github.com/longhaul-jobs/longhaul/internal/config"
	"github.com/longhaul-jobs/longhaul/jobs"
)

// TestEstimate: what a job will cost depends on more than its request: the prices of the
// configuration, where its lane sends it, and what further attempts may ask for.
func TestEstimate(t *testing.T) {
	t.Parallel()
	cfg, err := config.Load(config.Sources{Environ: []string{
		`LONGHAUL_PRICES={"house":{"input":0,"output":10,"regional":200,"tiers":"default=100,flex=50"}}`,
		`LONGHAUL_ENDPOINTS={"eu":{"base_url":"https://eu.api.openai.com/v1"}}`,
		`LONGHAUL_LANES={"default":{},"eu":{"endpoint":"eu","models":["house-eu*"]}}`,
	}})
	if err != nil {
		t.Fatal(err)
	}
	estimator, err := app.NewEstimator(cfg)
	if err != nil {
		t.Fatal(err)
	}
	for _, test := range []struct {
		name, body           string
		options              jobs.Options
		expected, hold, open string
	}{
		{"plain", `{"model":"house","input":"Hello.","max_output_tokens":1000}`, jobs.Options{}, "$0.01", "$0.01", ""},
		{"in its lane's region", `{"model":"house","input":"Hello.","max_output_tokens":1000}`, jobs.Options{Lane: "eu"}, "$0.02", "$0.02", ""},
		{"in a lane that nobody here knows", `{"model":"house","input":"Hello.","max_output_tokens":1000}`, jobs.Options{Lane: "typo"}, "$0.01", "$0.01", ""},
		{"by its model", `{"model":"house-eu-2026-01-01","input":"Hello.","max_output_tokens":1000}`, jobs.Options{}, "", "", "no price for model house-eu"},
		{"may fall to another tier", `{"model":"house","service_tier":"flex","input":"Hello.","max_output_tokens":1000}`, jobs.Options{FallbackTier: "default"}, "$0.005", "$0.01", ""},
		{"to one without a price", `{"model":"house","service_tier":"flex","input":"Hello."}`, jobs.Options{FallbackTier: "priority"}, "", "", "service tier priority"},
		{"may grow", `{"model":"house","input":"Hello.","max_output_tokens":1000}`, jobs.Options{GrowOutputTo: 20_000}, "$0.16384", "$0.20", ""},
		{"in a thread", `{"model":"house","input":"Hello.","max_output_tokens":1000}`, jobs.Options{Thread: "t"}, "$0.01", "$0.01", "what it continues"},
	} {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			request, err := jobs.ParseRequest([]byte(test.body), jobs.DefaultModel)
			if err != nil {
				t.Fatal(err)
			}
			e, err := estimator.Estimate(request, test.options, time.Now())
			if err != nil {
				if test.expected != "" || !strings.Contains(err.Error(), test.open) {
					t.Errorf("unknown: %v", err)
				}
				return
			}
			if e.Expected.String() != test.expected || e.Hold.String() != test.hold || !strings.Contains(e.Open, test.open) || e.InputTokens == 0 {
				t.Errorf("%+v, want %s, %s, open %q", e, test.expected, test.hold, test.open)
			}
		})
	}
}
