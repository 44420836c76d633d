package app_test

import (
	"encoding/json"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/longhaul-jobs/longhaul/internal/simulator"
	"github.com/longhaul-jobs/longhaul/jobs"
	"github.com/longhaul-jobs/longhaul/results"
)

// TestThePromptCacheSaves: jobs that begin in the same way carry one key to the provider,
// and what its cache has saved, and what writing it cost, is on their bills and in the
// ledger.
func TestThePromptCacheSaves(t *testing.T) {
	t.Parallel()
	w := newWorld(t, simulator.Config{Queued: 20 * time.Millisecond, Running: 50 * time.Millisecond})
	w.work()
	run := func(question, key string) jobs.Job {
		t.Helper()
		body := fmt.Sprintf(`{"model":"gpt-6-sol","instructions":%q,"input":%q%s}`, strings.Repeat("Mind the tides and the moorings. ", 300), question, key)
		j := w.wait(w.submit(body, jobs.Options{PromptCache: true}))
		if j.State != jobs.StateSucceeded {
			t.Fatalf("%s: %v", j.State, j.Failure)
		}
		return j
	}
	first, second, own := run("One?", ""), run("Two?", ""), run("Three?", `,"prompt_cache_key":"mine"`)
	for i, test := range []struct {
		job           jobs.Job
		key           string
		cached, saved bool
	}{
		{first, first.PromptCacheKey, false, false},
		{second, first.PromptCacheKey, true, true},
		{own, "mine", false, false}, // is not found under another key
	} {
		a, _ := test.job.CurrentAttempt()
		if a.Usage == nil || a.Bill == nil || a.Bill.Cost == nil {
			t.Fatalf("job %d has no bill: %+v", i+1, a)
		}
		if (a.Usage.CachedTokens > 0) != test.cached || (a.Usage.CacheWriteTokens > 0) == test.cached || (a.Bill.Saved > 0) != test.saved || a.Bill.Saved == 0 {
			t.Errorf("job %d used %+v and saved %s", i+1, *a.Usage, a.Bill.Saved)
		}
		var sent struct {
			Key string `json:"prompt_cache_key"`
		}
		raw, err := w.client.Response(t.Context(), test.job.ID)
		if err := json.Unmarshal(raw, &sent); err != nil {
			t.Fatal(err)
		}
		if err != nil || sent.Key == "" || sent.Key != test.key {
			t.Errorf("job %d was sent with the key %q, %v; want %q", i+1, sent.Key, err, test.key)
		}
	}
	var sum results.Sums
	found, err := w.client.Usage(t.Context(), results.Period{Since: time.Now().AddDate(0, 0, -1), Until: time.Now()})
	if err != nil {
		t.Fatal(err)
	}
	for _, s := range found {
		sum.Add(s.Sums)
	}
	var want jobs.Money
	for _, j := range []jobs.Job{first, second, own} {
		want += j.Attempts[0].Bill.Saved
	}
	if sum.CachedTokens == 0 || sum.CacheWriteTokens == 0 || sum.Saved != want || sum.Unknown != 0 {
		t.Errorf("the ledger sums up to %+v, want %s saved", sum, want)
	}
}
