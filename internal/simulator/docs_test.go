package simulator_test

import (
	"net/http"
	"os"
	"regexp"
	"testing"

	"github.com/longhaul-jobs/longhaul/internal/simulator"
)

// The plans of the page are taken as they stand.
func TestPlansOfThePageAreTaken(t *testing.T) {
	page, err := os.ReadFile("../../docs/simulator.md")
	if err != nil {
		t.Fatal(err)
	}
	sim := newSimulator(t, simulator.Config{})
	var plans []string
	for _, block := range regexp.MustCompile("(?s)```json\n(.*?)```").FindAllStringSubmatch(string(page), -1) {
		plans = append(plans, block[1])
	}
	for _, inline := range regexp.MustCompile(`-d '(\{.*\})'`).FindAllStringSubmatch(string(page), -1) {
		plans = append(plans, inline[1])
	}
	if len(plans) < 5 {
		t.Fatalf("the page shows %d plans", len(plans))
	}
	for _, plan := range plans {
		if got := call(t, sim, http.MethodPut, "/_sim/faults", plan); got.status/100 != 2 {
			t.Errorf("%d %s for %s", got.status, got.raw, plan)
		}
	}
	for _, path := range regexp.MustCompile("`GET (/_sim/[a-z]+)`").FindAllStringSubmatch(string(page), -1) {
		if got := call(t, sim, http.MethodGet, path[1], nil); got.status != http.StatusOK {
			t.Errorf("GET %s answers %d", path[1], got.status)
		}
	}
}
