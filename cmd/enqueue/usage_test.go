package main

import (
	"encoding/csv"
	"encoding/json"
	"strings"
	"testing"

	"github.com/longhaul-jobs/longhaul/jobs"
)

// A million tokens of gpt-4.1 in and a thousand out cost $2.008 by the list of the
// build; what failed was not counted, and is unknown.
func TestUsageShowsWhatResponsesCost(t *testing.T) {
	t.Parallel()
	b := newBench(t)
	paid := b.begun(jobs.Options{Lane: "night", Tenant: "acme"})
	b.happens(paid, created(1, `{"id":"resp_1","status":"completed","model":"gpt-4.1-2025-04-14","service_tier":"default",`+
		`"usage":{"input_tokens":1000000,"output_tokens":1000,"total_tokens":1001000}}`))
	b.failed(jobs.Failure{Class: jobs.ClassLost, Message: "gone"}, "resp_2", jobs.Options{Tenant: "other"})
	out := b.call("", "usage", "--by", "tenant").want(t, 0).stdout
	var rows []string
	for _, line := range lines(out)[1:] {
		rows = append(rows, strings.Join(strings.Fields(line), " "))
	}
	want := []string{
		"acme 1 1,000,000 0 0 1,000 0 $2.0080 0 $0.0000 $0.0000", "other 1 0 0 0 0 0 ? 1 ? $0.0000", "all 2 1,000,000 0 0 1,000 0 $2.0080+? 1 ? $0.0000",
	}
	if got := strings.Join(rows, "\n"); got != strings.Join(want, "\n") {
		t.Errorf("got\n%s\nwant\n%s", got, strings.Join(want, "\n"))
	}
	shows(t, b.call("", "get", string(paid)).want(t, 0).stdout, "$2.008")
	for tenant, want := range map[string][]string{
		"acme":  {`"key":"night"`, `"responses":1,"unknown":0,`, `"cost_usd":2.008,`, `"wasted_usd":0.00`},
		"other": {`"responses":1,"unknown":1,`, `"cost_usd":null,`, `"wasted_usd":null`},
	} {
		sums := b.call("", "usage", "--tenant", tenant, "--by", "lane", "--json").want(t, 0).stdout
		line := b.call("", "usage", "--tenant", tenant, "--lines", "--json").want(t, 0).stdout
		for _, text := range want {
			shows(t, sums, text)
			if strings.Contains(text, "_usd") {
				shows(t, line, text)
			}
		}
		if strings.Count(sums, "cost_usd") != 1 || strings.Count(line, "cost_usd") != 1 {
			t.Errorf("a cost is told twice:\n%s%s", sums, line)
		}
	}
	if read, err := csv.NewReader(strings.NewReader(b.call("", "usage", "--csv", "--tenant", "other").want(t, 0).stdout)).ReadAll(); err != nil || len(read) != 2 || read[1][10] != "" || read[1][13] != "" {
		t.Errorf("what is not known: %v, %v", read, err)
	}
	read, err := csv.NewReader(strings.NewReader(b.call("", "usage", "--csv", "--model", "gpt-4*").want(t, 0).stdout)).ReadAll()
	if err != nil || len(read) != 2 || read[1][10] != "2.008" {
		t.Errorf("%v, %v", read, err)
	}
	ledger := lines(b.call("", "usage", "--lines", "--json").want(t, 0).stdout)
	ids := make(map[string]bool)
	for _, line := range ledger {
		var l struct {
			ResponseID string `json:"response_id"`
		}
		if err := json.Unmarshal([]byte(line), &l); err != nil {
			t.Fatal(err)
		}
		ids[l.ResponseID] = true
	}
	if len(ledger) != 2 || !ids["resp_1"] || !ids["resp_2"] {
		t.Errorf("the ledger has\n%s", strings.Join(ledger, "\n"))
	}
}

func TestUsageRefusesWhatMakesNoSense(t *testing.T) {
	t.Parallel()
	b := newBench(t)
	for args, want := range map[string]string{
		"usage x":                 "unexpected argument",
		"usage --by hour":         "by: \"hour\" is none of day, model",
		"usage --since yesterday": "since: \"yesterday\" is neither",
		"usage --until 40d":       "until: is before since",
		"usage --csv --json":      "exclude each other",
		"usage --lines":           "add --json",
	} {
		b.call("", strings.Fields(args)...).want(t, 2).says(t, want)
	}
}
