package bench_test

import (
	"fmt"
	"testing"
	"time"

	"github.com/longhaul-jobs/longhaul/jobs"
)

// BenchmarkInFlight measures what 100,000 responses in flight cost one worker and
// Redis, with the default schedule.
func BenchmarkInFlight(b *testing.B) {
	const n = 100_000
	for b.Loop() {
		in, sim := newInstallation(b), spawnSimulator(b, time.Second, time.Hour)
		worker := in.spawnWorker(b, sim.url, `LONGHAUL_LANES={"default":{"concurrency":64,"window":512}}`)
		empty := in.info(b, "memory", "used_memory")
		started := time.Now()
		in.submit(b, n)
		in.running(b, n)
		reached := time.Since(started)
		const settled = 20 * time.Second // a few rounds of looks
		m, before := newMeter(b, worker, in.redis(b)), readLedger(b, sim.url).Totals.Polls
		time.Sleep(settled)
		used, looks := m.used(b), readLedger(b, sim.url).Totals.Polls-before
		kept := in.info(b, "memory", "used_memory") - empty
		perJob := kept/n - int64(len(body(n/2)))
		resident := float64(worker.resident(b)) / (1 << 20)
		b.ReportMetric(resident, "MiB-worker")
		b.ReportMetric(float64(perJob), "redis-B/job")
		w := table()
		row(w, fmt.Sprintf("%d responses in flight in one worker, default schedule", n))
		row(w, "  all of them in flight after", fmt.Sprintf("%.0f s", reached.Seconds()))
		row(w, "  resident memory of the worker", fmt.Sprintf("%.0f MiB", resident))
		row(w, "  Redis memory in all", fmt.Sprintf("%.0f MiB", float64(kept)/(1<<20)))
		row(w, "  Redis memory for a job, beyond its request", fmt.Sprintf("%d B", perJob))
		row(w, "  looks", fmt.Sprintf("%.0f/s", float64(looks)/settled.Seconds()))
		row(w, "  processor of the worker, of Redis",
			fmt.Sprintf("%.0f %%", 100*used[0].Seconds()/settled.Seconds()), fmt.Sprintf("%.0f %%", 100*used[1].Seconds()/settled.Seconds()))
		_ = w.Flush()
	}
}

// running waits until n jobs are running.
func (in installation) running(b *testing.B, n int64) {
	b.Helper()
	for {
		counts, err := in.client.Counts(b.Context(), "")
		if err != nil {
			b.Fatal(err)
		}
		if counts[jobs.StateRunning] == n {
			return
		}
		time.Sleep(50 * time.Millisecond)
	}
}
