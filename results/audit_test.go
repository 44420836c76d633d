package results_test

import (
	"testing"

	"github.com/longhaul-jobs/longhaul/jobs"
	"github.com/longhaul-jobs/longhaul/results"
)

// TestAuditGoesOnWhereItEnded has more jobs in one shard than an audit looks at:
// what is missing at the end of the list is found by the second one, and the
// third begins anew.
//
// Guarantee: G11.
func TestAuditGoesOnWhereItEnded(t *testing.T) {
	t.Parallel()
	h := onRedis(t, results.Config{Shards: 1})
	var first, last jobs.ID
	for range 2_100 {
		last = h.accept(jobs.Options{}).ID
		if first == "" {
			first = last
		}
	}
	lose := func(id jobs.ID) {
		t.Helper()
		if n, err := h.rdb.ZRem(t.Context(), h.key(id, "due"), string(id)).Result(); err != nil || n != 1 {
			t.Fatalf("took %d due entries away, %v", n, err)
		}
	}
	lose(last)
	for i, want := range []int{0, 1} {
		if got := h.audit(); got != want {
			t.Errorf("audit %d repaired %d entries, want %d", i+1, got, want)
		}
	}
	lose(first)
	if got := h.audit(); got != 1 {
		t.Errorf("the third audit repaired %d entries, want 1", got)
	}
}
