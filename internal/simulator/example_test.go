package simulator_test

import (
	"fmt"
	"net/http"
	"net/http/httptest"
	"strings"

	"github.com/longhaul-jobs/longhaul/internal/simulator"
)

// A create whose connection breaks after it was accepted looks like a failure to its caller, and
// yet it is in the ledger.
func ExampleSimulator() {
	sim, err := simulator.New(simulator.Config{})
	if err != nil {
		fmt.Println(err)
		return
	}
	server := httptest.NewServer(sim)
	defer server.Close()
	err = sim.SetFaults(simulator.FaultPlan{Rules: []simulator.FaultRule{{
		Match:  simulator.FaultMatch{Op: "create", First: 1},
		Action: simulator.FaultAction{Reset: "after"},
	}}})
	if err != nil {
		fmt.Println(err)
		return
	}
	for range 2 {
		request, err := http.NewRequest(http.MethodPost, server.URL+"/v1/responses", strings.NewReader(
			`{"model":"gpt-4.1","input":"What is a lighthouse?","background":true}`))
		if err != nil {
			fmt.Println(err)
			return
		}
		request.Header.Set("Authorization", "Bearer any-key")
		response, err := server.Client().Do(request)
		if err != nil {
			fmt.Println("no answer")
			continue
		}
		_ = response.Body.Close()
		fmt.Println(response.Status)
	}
	fmt.Println("accepted:", sim.Ledger().Totals.CreatesAccepted)
	// Output:
	// no answer
	// 200 OK
	// accepted: 2
}
