package results_test

import (
	"testing"

	"github.com/longhaul-jobs/longhaul/jobs"
	"github.com/longhaul-jobs/longhaul/results"
)

// What was spent for nothing, and what nobody knows the cost of, is counted once.
func TestWasteIsCounted(t *testing.T) {
	t.Parallel()
	onEach(t, results.Config{}, func(t *testing.T, h *harness) {
		j := h.accept(jobs.Options{})
		for n := 1; n <= 2; n++ {
			h.admit()
			h.step(j.ID, jobs.SubmitStarted{Attempt: n, Worker: "w", Endpoint: "openai"})
			h.step(j.ID, jobs.CreateFailed{Attempt: n, Failure: jobs.Failure{Class: jobs.ClassAmbiguous}})
		}
		h.admit()
		h.step(j.ID, jobs.SubmitStarted{Attempt: 3, Worker: "w", Endpoint: "openai"})
		h.step(j.ID, jobs.Created{Attempt: 3, Reply: reply(t, "resp_3", jobs.StatusQueued)})
		// The first attempt shows itself, ended; the second never does.
		late := reply(t, "resp_1", jobs.StatusIncomplete)
		response, err := jobs.ParseResponse([]byte(`{"id":"resp_1","status":"incomplete","usage":{"input_tokens":30,"output_tokens":12,"total_tokens":42}}`))
		if err != nil {
			t.Fatal(err)
		}
		late.Response = response
		h.step(j.ID, jobs.Created{Attempt: 1, Reply: late})
		for name, want := range map[string]float64{
			"longhaul_results_attempts_total":      3, // two uncertain, one of them wasted
			"longhaul_results_wasted_tokens_total": 42, "longhaul_results_uncertain_resolved_total": 1,
		} {
			if got := h.metric(name); got != want {
				t.Errorf("%s = %v, want %v", name, got, want)
			}
		}
	})
}
