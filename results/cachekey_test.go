package results_test

import (
	"testing"

	"github.com/longhaul-jobs/longhaul/jobs"
	"github.com/longhaul-jobs/longhaul/results"
)

// Whoever sends the request gets its key, and the key tells no requests apart: the same
// request with and without one is the same job.
func TestPromptCacheKeyIsKeptWithTheJob(t *testing.T) {
	t.Parallel()
	onEach(t, results.Config{}, func(t *testing.T, h *harness) {
		request, err := jobs.ParseRequest([]byte(`{"instructions":"Be brief.","input":"a"}`), jobs.DefaultModel)
		if err != nil {
			t.Fatal(err)
		}
		first, fresh, err := h.Accept(t.Context(), request, jobs.Options{DedupeKey: "k", PromptCache: true})
		if err != nil || !fresh {
			t.Fatal(fresh, err)
		}
		got, err := h.Request(t.Context(), first)
		if err != nil || got.CacheKey == "" || got.CacheKey != request.PromptCacheKey() || string(got.Raw) != string(request.Raw) {
			t.Errorf("%q with %s, %v; want %q", got.CacheKey, got.Raw, err, request.PromptCacheKey())
		}
		again, fresh, err := h.Accept(t.Context(), request, jobs.Options{DedupeKey: "k"})
		if err != nil || fresh || again.ID != first.ID {
			t.Errorf("without a key it is %s, %t, %v; want %s again", again.ID, fresh, err, first.ID)
		}
		other, _, err := h.Accept(t.Context(), request, jobs.Options{})
		if err != nil {
			t.Fatal(err)
		}
		if got, err := h.Request(t.Context(), other); err != nil || got.CacheKey != "" {
			t.Errorf("not asked for, the key is %q, %v", got.CacheKey, err)
		}
	})
}
