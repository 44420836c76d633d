package bench_test

import (
	"fmt"
	"slices"
	"testing"
	"time"
)

// BenchmarkLooks measures how many looks a job costs and how long after its end
// a response is found to have ended, with the default schedule.
func BenchmarkLooks(b *testing.B) {
	const n = 1000
	for b.Loop() {
		in := newInstallation(b)
		sim := spawnSimulator(b, 5*time.Second, 25*time.Second)
		in.spawnWorker(b, sim.url)
		ids := in.submit(b, n)
		in.ended(b, n)
		ledger := readLedger(b, sim.url)
		ends := make(map[string]time.Time, n)
		for _, e := range ledger.Entries {
			ends[e.ID] = e.Ended
		}
		lags := make([]time.Duration, 0, n)
		for _, id := range ids {
			j, err := in.client.Get(b.Context(), id)
			if err != nil {
				b.Fatal(err)
			}
			lags = append(lags, j.Ended.Sub(ends[j.Result.ResponseID]))
		}
		slices.Sort(lags)
		looks := float64(ledger.Totals.Polls) / n
		b.ReportMetric(looks, "looks/job")
		b.ReportMetric(lags[n/2].Seconds(), "lag-p50-s")
		w := table()
		row(w, fmt.Sprintf("looks at %d responses of about 30 s, default schedule", n))
		row(w, "  looks per job", fmt.Sprintf("%.1f", looks))
		row(w, "  detection lag p50, p95, max", fmt.Sprintf("%.2f s, %.2f s, %.2f s",
			lags[n/2].Seconds(), lags[n*95/100].Seconds(), lags[n-1].Seconds()))
		_ = w.Flush()
	}
}
