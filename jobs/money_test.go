package jobs_test

import (
	"encoding/json"
	"math"
	"testing"

	"github.com/longhaul-jobs/longhaul/jobs"
)

func TestMoney(t *testing.T) {
	for _, test := range []struct {
		text  string
		want  jobs.Money
		shown string
	}{
		{"0", 0, "$0.00"},
		{"12", 12 * jobs.Dollar, "$12.00"},
		{"$1.5", 1_500_000_000, "$1.50"},
		{"0.05", 50_000_000, "$0.05"},
		{"-0.000000001", -1, "-$0.000000001"},
		{"0.125", 125_000_000, "$0.125"},
		{"9223372036.854775807", math.MaxInt64, "$9223372036.854775807"},
	} {
		got, err := jobs.ParseMoney(test.text)
		if err != nil || got != test.want || got.String() != test.shown {
			t.Errorf("%s: %d, %q, %v; want %d, %q", test.text, got, got, err, test.want, test.shown)
		}
		raw, err := json.Marshal(got)
		var back jobs.Money
		if err != nil || json.Unmarshal(raw, &back) != nil || back != got || !json.Valid(raw) {
			t.Errorf("%s: as JSON %s, back %d, %v", test.text, raw, back, err)
		}
	}
	for _, text := range []string{"", "-", "1.", ".5", "1e3", "1,5", "$", "0.0000000001", "9223372036.854775808", "10000000000", "a"} {
		if got, err := jobs.ParseMoney(text); err == nil {
			t.Errorf("%q is %s", text, got)
		}
	}
	if got := jobs.Money(math.MinInt64).String(); got != "-$9223372036.854775808" {
		t.Errorf("the least amount is %s", got)
	}
}

// TestMoneyFromJSON reads what other programs write by themselves.
func TestMoneyFromJSON(t *testing.T) {
	for text, want := range map[string]jobs.Money{
		"0.05": 50_000_000, "1e-3": 1_000_000, "1E2": 100 * jobs.Dollar, "1e+2": 100 * jobs.Dollar, "-1.25e1": -12_500_000_000,
		"12.5e-1": 1_250_000_000, "1e-9": 1, "-1E-9": -1, "0e0": 0, "0e-18": 0, "1234567890e-9": 1_234_567_890, "9.223372036854775807e9": math.MaxInt64,
		"null": 7,
	} {
		got := jobs.Money(7)
		if err := json.Unmarshal([]byte(text), &got); err != nil || got != want {
			t.Errorf("%s: %d, %v; want %d", text, got, err, want)
		}
	}
	for _, text := range []string{"1e-10", "1.5e-9", "1e10", "1e18", "1e99999", "1e-99999", "1e999999999999999999999", `"1e2"`, `"null"`, "true", "{}"} {
		var got jobs.Money
		if err := json.Unmarshal([]byte(text), &got); err == nil {
			t.Errorf("%s is %s", text, got)
		}
	}
}
