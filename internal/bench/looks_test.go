package bench_test

import (
	"encoding/base64"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	whole "github.com/longhaul-jobs/longhaul/internal/installation"
)

// BenchmarkLooks measures how many looks a job costs and how long after its end
// a response is found to have ended, with the default schedule: by looking, and
// told by webhooks.
func BenchmarkLooks(b *testing.B) {
	const n = 1000
	addr := whole.FreeAddr(b)
	secret := "whsec_" + base64.StdEncoding.EncodeToString([]byte(strings.Repeat("b", 32)))
	for b.Loop() {
		w := table()
		row(w, fmt.Sprintf("ends of %d responses of about 30 s, default schedule", n), "looks per job", "lag p50", "p95", "max")
		looks, lags := watch(b, n, nil, nil)
		row(w, "  without webhooks", shown(looks, lags)...)
		looks, lags = watch(b, n,
			[]string{"LONGHAUL_SIMULATOR_WEBHOOK_URL=http://" + addr + "/webhooks/openai", "LONGHAUL_SIMULATOR_WEBHOOK_SECRET=" + secret},
			[]string{"LONGHAUL_HTTP_ADDR=" + addr, "OPENAI_WEBHOOK_SECRET=" + secret})
		row(w, "  with webhooks", shown(looks, lags)...)
		b.ReportMetric(looks, "looks/job-told")
		b.ReportMetric(lags[n/2].Seconds(), "lag-p50-s-told")
		_ = w.Flush()
	}
}

// watch runs jobs to their ends, and returns the looks for each and the sorted
// times between the end of a response and its being on record.
func watch(b *testing.B, n int, ofSimulator, ofWorker []string) (looks float64, lags []time.Duration) {
	b.Helper()
	in := newInstallation(b)
	sim := spawnSimulator(b, 5*time.Second, 25*time.Second, ofSimulator...)
	in.spawnWorker(b, sim.url, ofWorker...)
	ids := in.submit(b, n)
	in.ended(b, n)
	ledger := readLedger(b, sim.url)
	ends := make(map[string]time.Time, n)
	for _, e := range ledger.Entries {
		ends[e.ID] = e.Ended
	}
	for _, id := range ids {
		j, err := in.client.Get(b.Context(), id)
		if err != nil {
			b.Fatal(err)
		}
		lags = append(lags, j.Ended.Sub(ends[j.Result.ResponseID]))
	}
	slices.Sort(lags)
	return float64(ledger.Totals.Polls) / float64(n), lags
}

func shown(looks float64, lags []time.Duration) []string {
	n := len(lags)
	return []string{
		fmt.Sprintf("%.1f", looks), fmt.Sprintf("%.3f s", lags[n/2].Seconds()),
		fmt.Sprintf("%.3f s", lags[n*95/100].Seconds()), fmt.Sprintf("%.3f s", lags[n-1].Seconds()),
	}
}
