package config_test

import (
	"errors"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/longhaul-jobs/longhaul/internal/config"
)

func TestBudgets(t *testing.T) {
	t.Parallel()
	path := write(t, "c.yaml", `
budgets:
  all: {amount: 500}
  acme: {amount: "12.50", per: day, tenant: acme, lane: bulk, group: g, model: "gpt-4.1*", unknown_price: allow}
`)
	want := map[string]config.Budget{
		"all":  {Amount: dollars("500"), Per: "month", UnknownPrice: "refuse"},
		"acme": {Amount: dollars("12.5"), Per: "day", Lane: "bulk", Tenant: "acme", Group: "g", Model: "gpt-4.1*", UnknownPrice: "allow"},
	}
	c := load(t, config.Sources{File: path})
	if diff := cmp.Diff(want, c.Budgets); diff != "" {
		t.Errorf("budgets of a file (-want +got):\n%s", diff)
	}
	if s := setting(t, c, "budgets.acme.amount"); s.Value != "12.50" || s.Source != "file "+path {
		t.Errorf("in the table: %+v", s)
	}
	c = load(t, config.Sources{File: path, Environ: []string{`LONGHAUL_BUDGETS={"all":{"amount":0}}`}})
	if len(c.Budgets) != 1 || *c.Budgets["all"].Amount != 0 {
		t.Errorf("budgets of a variable: %+v", c.Budgets)
	}
}

func TestBadBudgets(t *testing.T) {
	t.Parallel()
	for text, want := range map[string]string{
		`{"all":{}}`:                                "is not given; write for example amount: 50.00",
		`{"all":{"amount":-1}}`:                     "less than nothing",
		`{"all":{"amount":"much"}}`:                 "no amount in dollars",
		`{"all":{"amount":9000001}}`:                "more than 9000000 dollars",
		`{"all":{"amount":1,"per":"week"}}`:         "day, month, total",
		`{"all":{"amount":1,"tenant":"a b"}}`:       "is not a name",
		`{"all":{"amount":1,"unknown_price":"no"}}`: "refuse, allow",
		`{"all":{"amount":1,"lanes":"x"}}`:          "lane",
		`{"a b":{"amount":1}}`:                      "is not a name of a budget",
		`{"all":5}`:                                 "is not a section",
	} {
		_, err := config.Load(config.Sources{Environ: []string{"LONGHAUL_BUDGETS=" + text}})
		var bad *config.Error
		if errors.As(err, &bad) && len(bad.Problems) != 1 {
			t.Errorf("%s: %d problems", text, len(bad.Problems))
		}
		if !errors.As(err, &bad) || !strings.Contains(err.Error(), want) || !strings.Contains(err.Error(), "budgets") {
			t.Errorf("%s: %v; want %q", text, err, want)
		}
	}
}

// A budget of a month needs a ledger that remembers one.
func TestBudgetBeyondTheLedger(t *testing.T) {
	t.Parallel()
	environ := []string{`LONGHAUL_BUDGETS={"all":{"amount":1,"per":"month"}}`, "LONGHAUL_LEDGER_RETENTION=168h"}
	_, err := config.Load(config.Sources{Environ: environ})
	if err == nil || !strings.Contains(err.Error(), "ledger.retention") || !strings.Contains(err.Error(), "budgets.all.per") {
		t.Error(err)
	}
	environ[0] = `LONGHAUL_BUDGETS={"all":{"amount":1,"per":"day"}}`
	load(t, config.Sources{Environ: environ})
}
