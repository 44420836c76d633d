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
		g := newGround(b, time.Second, time.Hour)
		worker := process(g.worker(b, `LONGHAUL_LANES={"default":{"concurrency":64,"window":512}}`).PID())
		empty := g.info(b, "memory", "used_memory")
		started := time.Now()
		g.SubmitMany(n, body, jobs.Options{})
		g.WaitCountFor(jobs.StateRunning, n, patience)
		reached := time.Since(started)
		const settled = 20 * time.Second // a few rounds of looks
		m, before := newMeter(b, worker, g.redis(b)), g.Totals().Polls
		time.Sleep(settled)
		used, looks := m.used(b), g.Totals().Polls-before
		kept := g.info(b, "memory", "used_memory") - empty
		perJob := kept/n - int64(len(fmt.Sprintf(body, n/2)))
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
		summary.tell(fmt.Sprintf("%d in flight: resident memory of the worker", n), fmt.Sprintf("%.0f MiB", resident), "under 300 MB",
			fmt.Sprintf("%.0f looks/s", float64(looks)/settled.Seconds()))
		summary.tell(fmt.Sprintf("%d in flight: Redis for a job, beyond its request", n), fmt.Sprintf("%d B", perJob), "under 2.5 KB",
			fmt.Sprintf("%.0f MiB in all", float64(kept)/(1<<20)))
	}
}
