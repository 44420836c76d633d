package jobs_test

import (
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/longhaul-jobs/longhaul/jobs"
)

// TestUsageOfResponse reads everything that is charged for out of a response.
func TestUsageOfResponse(t *testing.T) {
	const tokens = `"usage":{"input_tokens":100,"input_tokens_details":{"cached_tokens":40,"cache_write_tokens":30,
		"cache_write_tokens_details":{"ttl_30m_tokens":10,"ttl_12h_tokens":20}},
		"output_tokens":50,"output_tokens_details":{"reasoning_tokens":20},"total_tokens":150}`
	base := jobs.Usage{
		InputTokens: 100, CachedTokens: 40, CacheWriteTokens: 30, CacheWriteLongTokens: 20,
		OutputTokens: 50, ReasoningTokens: 20, TotalTokens: 150,
	}
	with := func(change func(u *jobs.Usage)) *jobs.Usage {
		u := base
		change(&u)
		return &u
	}
	for _, test := range []struct {
		name, rest string
		want       *jobs.Usage
	}{
		{"tokens", tokens, &base},
		{"none", `"usage":null`, nil},
		{
			"searches that the provider counts", tokens + `,"tool_usage":{"web_search":{"num_requests":3}},
				"output":[{"type":"web_search_call","action":{"type":"search"}}],"tools":[{"type":"web_search"}]`,
			with(func(u *jobs.Usage) { u.WebSearches = 3 }),
		},
		{
			"searches that we count", tokens + `,"output":[{"type":"web_search_call","action":{"type":"search"}},
				{"type":"web_search_call","action":{"type":"open_page"}},{"type":"web_search_call"}]`,
			with(func(u *jobs.Usage) { u.WebSearches = 2 }),
		},
		{
			"searches of the preview", tokens + `,"output":[{"type":"web_search_call"}],"tools":[{"type":"web_search_preview_2025_03_11"}]`,
			with(func(u *jobs.Usage) { u.PreviewSearches = 1 }),
		},
		{
			"files and code", tokens + `,"output":[{"type":"file_search_call"},{"type":"code_interpreter_call","container_id":"c1"},
				{"type":"code_interpreter_call","container_id":"c1"},{"type":"image_generation_call"}],
				"tools":[{"type":"code_interpreter","container":{"type":"auto","memory_limit":"4g"}}]`,
			with(func(u *jobs.Usage) {
				u.FileSearches, u.CodeCalls, u.Containers, u.ContainerSize, u.Images = 1, 2, 1, "4g", 1
			}),
		},
		{
			"a container of somebody else's", tokens + `,"output":[{"type":"code_interpreter_call","container_id":"c1"}],
				"tools":[{"type":"code_interpreter","container":"c1"}]`,
			with(func(u *jobs.Usage) { u.CodeCalls, u.Containers = 1, 1 }),
		},
	} {
		t.Run(test.name, func(t *testing.T) {
			r, err := jobs.ParseResponse([]byte(`{"id":"resp_1","status":"completed",` + test.rest + `}`))
			if err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(test.want, r.Usage()); diff != "" {
				t.Errorf("usage (-want +got):\n%s", diff)
			}
		})
	}
}

// TestCharged: what may have cost something is billed, and a create that was refused
// is not.
func TestCharged(t *testing.T) {
	for _, outcome := range append(jobs.Outcomes(), "") {
		with, without := jobs.Attempt{Outcome: outcome, ResponseID: "resp_1"}, jobs.Attempt{Outcome: outcome}
		if with.Charged() != (outcome != "") || without.Charged() != (outcome == jobs.OutcomeUncertain) {
			t.Errorf("%q: charged with a response %t, without %t", outcome, with.Charged(), without.Charged())
		}
	}
}
