package simulator_test

import (
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/longhaul-jobs/longhaul/internal/simulator"
)

func TestFlexWithoutCapacity(t *testing.T) {
	spec := loadSpec(t)
	sim := newSimulator(t, simulator.Config{})
	setFaults(t, sim, simulator.FaultRule{
		Match:  simulator.FaultMatch{Op: "create", ServiceTier: "flex"},
		Action: simulator.FaultAction{Status: 429, Code: "resource_unavailable"},
	})
	for tier, want := range map[any]int{"flex": 429, "default": 200, "auto": 200, nil: 200} {
		got := call(t, sim, "POST", "/v1/responses", object{"model": "gpt-4.1", "input": "Hi.", "service_tier": tier})
		if got.status != want {
			t.Errorf("create with tier %v = %d %s", tier, got.status, got.raw)
		}
		if want == 429 {
			if at(got.body, "error", "message") != "Resource Unavailable" || at(got.body, "error", "code") != "resource_unavailable" {
				t.Errorf("error = %s", got.raw)
			}
			if err := spec.checkSchema("ErrorResponse", []byte(got.raw)); err != nil {
				t.Error(err)
			}
		}
	}
	if got := call(t, sim, "POST", "/v1/responses", object{"model": "gpt-4.1", "input": "Hi.", "service_tier": 7}); got.status != 400 {
		t.Errorf("create with a tier that is none = %d", got.status)
	}
}

func TestNamedFailures(t *testing.T) {
	sim := newSimulator(t, simulator.Config{})
	for fault, want := range map[string][2]string{
		"fail=server_error":                            {"server_error", "An error occurred while processing your request."},
		"fail=rate_limit_exceeded":                     {"rate_limit_exceeded", "Rate limit reached."},
		"fail=insufficient_quota":                      {"insufficient_quota", "You exceeded your current quota"},
		"fail=request_too_large":                       {"rate_limit_exceeded", "Request too large for gpt-4.1-2025-04-14 in organization org-simulator on tokens per min (TPM): Limit 30000, Requested 50000."},
		"fail=request_too_large,fail_message=So large": {"rate_limit_exceeded", "So large"},
	} {
		response := create(t, sim, object{"background": true, "metadata": object{"simulator_fault": fault}})
		message := text(t, at(response, "error", "message"))
		if response["status"] != "failed" || at(response, "error", "code") != want[0] || !strings.HasPrefix(message, want[1]) {
			t.Errorf("%s: status %v, error %v", fault, response["status"], response["error"])
		}
	}
}

func TestIncompleteForAReason(t *testing.T) {
	spec := loadSpec(t)
	sim := newSimulator(t, simulator.Config{Running: time.Millisecond})
	whole := create(t, sim, object{"input": readArticle(t)})
	for _, reason := range []string{"max_output_tokens", "content_filter"} {
		got := checkedCall(t, spec, sim, "POST", "/v1/responses", object{
			"model": "gpt-4.1", "input": readArticle(t), "metadata": object{"simulator_fault": "incomplete=" + reason},
		})
		if got.body["status"] != "incomplete" || at(got.body, "incomplete_details", "reason") != reason {
			t.Errorf("%s: %s", reason, got.raw)
		}
		part, full := outputText(t, got.body), outputText(t, whole)
		if part == "" || len(part) >= len(full) || !strings.HasPrefix(full, part) {
			t.Errorf("%s: partial answer %q", reason, part)
		}
		used, all := number(t, at(got.body, "usage", "output_tokens")), number(t, at(whole, "usage", "output_tokens"))
		if used == 0 || used >= all {
			t.Errorf("%s: %v of %v output tokens used", reason, used, all)
		}
		if entry := sim.Ledger().Entries[len(sim.Ledger().Entries)-1]; float64(entry.OutputTokens) != used {
			t.Errorf("%s: %d tokens in the ledger, %v in the response", reason, entry.OutputTokens, used)
		}
	}
}

func TestALargerCapGetsMore(t *testing.T) {
	sim := newSimulator(t, simulator.Config{})
	var before string
	for _, limit := range []int{20, 40, 80, 100_000} {
		got := create(t, sim, object{"input": readArticle(t), "max_output_tokens": limit, "background": true})
		answer := outputText(t, got)
		if len(answer) <= len(before) || !strings.HasPrefix(answer, before) {
			t.Errorf("answer with a cap of %d tokens = %q, with a smaller one %q", limit, answer, before)
		}
		before = answer
		if want := map[bool]string{true: "completed", false: "incomplete"}[limit == 100_000]; got["status"] != want {
			t.Errorf("status with a cap of %d = %v, want %s", limit, got["status"], want)
		}
	}
}

// TestFaultsOfLooksCombine has retrievals answered wrongly in every way that is known, each for a
// share of them, while the response ends as usual.
func TestFaultsOfLooksCombine(t *testing.T) {
	sim := newSimulator(t, simulator.Config{})
	get := simulator.FaultMatch{Op: "get", Probability: 0.2}
	plan := simulator.FaultPlan{Seed: 1, Rules: []simulator.FaultRule{
		{Match: get, Action: simulator.FaultAction{Status: 502, Body: "html"}},
		{Match: get, Action: simulator.FaultAction{Body: "cut"}},
		{Match: get, Action: simulator.FaultAction{Status: 200, Body: "empty"}},
		{Match: get, Action: simulator.FaultAction{Status: 500}},
		{Match: get, Action: simulator.FaultAction{Status: 404}},
		{Match: get, Action: simulator.FaultAction{Body: "stale"}},
		{Match: simulator.FaultMatch{Op: "create", Probability: 0.5}, Action: simulator.FaultAction{Missing: &simulator.FaultWindow{Gets: 10}}},
	}}
	if err := sim.SetFaults(plan); err != nil {
		t.Fatal(err)
	}
	seen, missing := make(map[string]int), 0
	for range 20 {
		id := text(t, create(t, sim, object{"background": true})["id"])
		found := false
		for range 10 {
			a := call(t, sim, "GET", "/v1/responses/"+id, nil)
			status, _ := a.body["status"].(string)
			kind := http.StatusText(a.status) + " " + status
			found = found || status != ""
			if a.status == 200 && a.body == nil {
				kind = "OK cut"
				if a.raw == "" {
					kind = "OK empty"
				}
			}
			seen[kind]++
		}
		if !found {
			missing++
		}
	}
	kinds := map[string]bool{"Bad Gateway ": true, "OK cut": true, "OK empty": true, "Internal Server Error ": true, "Not Found ": true, "OK queued": true, "OK completed": true}
	got := make(map[string]bool)
	for kind := range seen {
		got[kind] = true
	}
	if diff := cmp.Diff(kinds, got); diff != "" {
		t.Errorf("answers (-want +got):\n%s", diff)
	}
	if missing == 0 || missing == 20 {
		t.Errorf("%d of 20 responses were missing, want some", missing)
	}
}
