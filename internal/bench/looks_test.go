package bench_test

import (
	"fmt"
	"slices"
	"testing"
	"time"

	"github.com/longhaul-jobs/longhaul/jobs"
	"github.com/longhaul-jobs/longhaul/results"
)

// BenchmarkLooks measures how many looks a job costs and how long after its end
// a response is found to have ended, with the default schedule: by looking, and
// told by webhooks.
func BenchmarkLooks(b *testing.B) {
	const n = 1000
	for b.Loop() {
		w := table()
		row(w, fmt.Sprintf("ends of %d responses of about 30 s, default schedule", n), "looks per job", "lag p50", "p95", "max")
		alone, alags := watch(b, n, false)
		row(w, "  without webhooks", shown(alone, alags)...)
		looks, lags := watch(b, n, true)
		row(w, "  with webhooks", shown(looks, lags)...)
		b.ReportMetric(looks, "looks/job-told")
		b.ReportMetric(lags[n/2].Seconds(), "lag-p50-s-told")
		_ = w.Flush()
		summary.tell("looks per job, with webhooks", fmt.Sprintf("%.1f", looks), "at most 1.2", fmt.Sprintf("%.1f without", alone))
		summary.tell("median from a response's end to its record, with webhooks", fmt.Sprintf("%.3f s", lags[n/2].Seconds()), "under 0.1 s",
			fmt.Sprintf("%.3f s without", alags[n/2].Seconds()))
	}
}

// watch runs jobs to their ends, and returns the looks for each and the sorted
// times between the end of a response and its being on record.
func watch(b *testing.B, n int, webhooks bool) (looks float64, lags []time.Duration) {
	b.Helper()
	g := newGround(b, 5*time.Second, 25*time.Second)
	var environ []string
	if webhooks {
		environ = g.Webhooks()
	}
	g.worker(b, environ...)
	g.SubmitMany(n, body, jobs.Options{})
	g.succeeded(b, n)
	ends := make(map[string]time.Time, n)
	for _, entries := range g.Ledger() {
		for _, e := range entries {
			ends[e.ID] = e.Ended
		}
	}
	for _, j := range g.All(results.Filter{}) {
		lags = append(lags, j.Ended.Sub(ends[j.Result.ResponseID]))
	}
	slices.Sort(lags)
	return float64(g.Totals().Polls) / float64(n), lags
}

func shown(looks float64, lags []time.Duration) []string {
	n := len(lags)
	return []string{
		fmt.Sprintf("%.1f", looks), fmt.Sprintf("%.3f s", lags[n/2].Seconds()),
		fmt.Sprintf("%.3f s", lags[n*95/100].Seconds()), fmt.Sprintf("%.3f s", lags[n-1].Seconds()),
	}
}
