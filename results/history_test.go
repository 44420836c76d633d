package results_test

import (
	"encoding/json"
	"strings"
	"testing"

	"github.com/longhaul-jobs/longhaul/jobs"
	"github.com/longhaul-jobs/longhaul/results"
)

// A request comes back byte for byte, with the history that its job carries.
func TestHistoryIsKeptBesideTheRequest(t *testing.T) {
	t.Parallel()
	onEach(t, results.Config{CompressBytes: 300}, func(t *testing.T, h *harness) {
		for name, history := range map[string]string{
			"short": "[ {\"role\":\"user\",\n\"content\":\"12\\n\"} ]",
			"long":  `[{"role":"user","content":"` + strings.Repeat("a long story ", 100) + `"}]`,
		} {
			raw := "{\"input\": \"And then?\",\n \"previous_response_id\":\"resp_0\",\"model\":\"gpt-4.1\"}"
			request, err := jobs.ParseRequest([]byte(raw), jobs.DefaultModel)
			if err != nil {
				t.Fatal(err)
			}
			j, _, err := h.Accept(t.Context(), request, jobs.Options{History: json.RawMessage(history), PromptCache: name == "long"})
			if err != nil {
				t.Fatal(err)
			}
			got, err := h.Request(t.Context(), j)
			if err != nil || string(got.Raw) != raw || string(got.History) != history || got.Model != "gpt-4.1" {
				t.Errorf("%s: %v\n%s\n%s", name, err, got.Raw, got.History)
			}
		}
	})
}

func TestOptionsThatDoNotFitTheRequestAreRefused(t *testing.T) {
	t.Parallel()
	onEach(t, results.Config{}, func(t *testing.T, h *harness) {
		request, err := jobs.ParseRequest([]byte(`{"input":"a"}`), jobs.DefaultModel)
		if err != nil {
			t.Fatal(err)
		}
		_, _, err = h.Accept(t.Context(), request, jobs.Options{GrowOutputTo: 10})
		if f := jobs.FailureOf(err); f.Class != jobs.ClassInvalid || f.Param != "grow_output_to" {
			t.Errorf("Accept: %v", err)
		}
		h.empty()
	})
}
