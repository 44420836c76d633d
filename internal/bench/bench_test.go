package bench_test

import (
	"context"
	"fmt"
	"os"
	"slices"
	"sync/atomic"
	"testing"
	"text/tabwriter"
	"time"

	"github.com/hibiken/asynq"
	"github.com/openai/openai-go/v3/option"
	oai "github.com/openai/openai-go/v3/responses"

	"github.com/longhaul-jobs/longhaul/internal/redistest"
	"github.com/longhaul-jobs/longhaul/jobs"
)

// quick is a provider that answers a create with "queued" and the first look
// with "completed".
const quick = time.Millisecond

// BenchmarkPath measures jobs per second of the whole path, from the accepting
// client to the stored result, beside two floors: a bare loop of the SDK's
// create and get, and Asynq tasks that do nothing. All three have 32 in flight,
// and the provider is instant.
func BenchmarkPath(b *testing.B) {
	const n = 4000
	for b.Loop() {
		sdk := bareSDK(b, n)
		noop := asynqNoop(b, 5*n)
		path, atOnce := wholePath(b, n, quick), wholePath(b, n, 0)
		b.ReportMetric(path, "jobs/s")
		b.ReportMetric(path/sdk, "of-sdk")
		w := table()
		row(w, "jobs per second, instant provider, %d in flight", "", "", concurrency)
		row(w, "  the SDK's create and get, no queue", fmt.Sprintf("%.0f/s", sdk), "1.00")
		row(w, "  Asynq tasks that do nothing", fmt.Sprintf("%.0f/s", noop), fmt.Sprintf("%.2f", noop/sdk))
		row(w, "  Longhaul, accepted to stored, with a look", fmt.Sprintf("%.0f/s", path), fmt.Sprintf("%.2f", path/sdk))
		row(w, "  Longhaul, create comes back completed", fmt.Sprintf("%.0f/s", atOnce), fmt.Sprintf("%.2f", atOnce/sdk))
		_ = w.Flush()
	}
}

func bareSDK(b *testing.B, n int) float64 {
	b.Helper()
	service := oai.NewResponseService(option.WithBaseURL(spawnSimulator(b, quick, 0)), option.WithAPIKey("sk-bench"), option.WithMaxRetries(0))
	started := time.Now()
	parallel(b, concurrency, n, func(i int) error {
		r, err := service.New(b.Context(), oai.ResponseNewParams{}, option.WithRequestBody("application/json", background(i)))
		for err == nil && (r.Status == "queued" || r.Status == "in_progress") {
			r, err = service.Get(b.Context(), r.ID, oai.ResponseGetParams{})
		}
		return err
	})
	return float64(n) / time.Since(started).Seconds()
}

func background(i int) []byte {
	return fmt.Appendf(nil, `{"model":"gpt-4.1","background":true,"input":"Note %d. The harbour was rebuilt after the storm. Trade came back."}`, i)
}

func asynqNoop(b *testing.B, n int) float64 {
	b.Helper()
	rdb := redistest.StartWith(b, redistest.Config{TCP: true, AppendDir: b.TempDir()}).Client(b)
	c := asynq.NewClientFromRedisClient(rdb)
	var done atomic.Int64
	all := make(chan struct{})
	server := asynq.NewServerFromRedisClient(rdb, asynq.Config{Concurrency: concurrency, TaskCheckInterval: 50 * time.Millisecond, LogLevel: asynq.ErrorLevel})
	started := time.Now()
	if err := server.Start(asynq.HandlerFunc(func(context.Context, *asynq.Task) error {
		if done.Add(1) == int64(n) {
			close(all)
		}
		return nil
	})); err != nil {
		b.Fatal(err)
	}
	defer server.Shutdown()
	parallel(b, 16, n, func(int) error {
		_, err := c.EnqueueContext(b.Context(), asynq.NewTask("noop", nil), asynq.Timeout(time.Minute))
		return err
	})
	<-all
	return float64(n) / time.Since(started).Seconds()
}

func wholePath(b *testing.B, n int, queued time.Duration) float64 {
	b.Helper()
	in := newInstallation(b)
	in.spawnWorker(b, spawnSimulator(b, queued, 0), "LONGHAUL_POLL_FLOOR=5ms", "LONGHAUL_POLL_CEILING=50ms", "LONGHAUL_POLL_TICK=5ms",
		`LONGHAUL_LANES={"default":{"concurrency":32,"window":256}}`)
	started := time.Now()
	in.submit(b, n)
	in.ended(b, n)
	return float64(n) / time.Since(started).Seconds()
}

// BenchmarkLooks measures how many looks a job costs and how long after its end
// a response is found to have ended, with the default schedule.
func BenchmarkLooks(b *testing.B) {
	const n = 1000
	for b.Loop() {
		in := newInstallation(b)
		url := spawnSimulator(b, 5*time.Second, 25*time.Second)
		in.spawnWorker(b, url)
		ids := in.submit(b, n)
		in.ended(b, n)
		ledger := readLedger(b, url)
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
		row(w, "looks at %d responses of about 30 s, default schedule (2 s to 30 s)", "", "", n)
		row(w, "  looks per job", fmt.Sprintf("%.1f", looks), "")
		row(w, "  detection lag p50, p95, max", fmt.Sprintf("%.2f s, %.2f s, %.2f s",
			lags[n/2].Seconds(), lags[n*95/100].Seconds(), lags[n-1].Seconds()), "")
		_ = w.Flush()
	}
}

// BenchmarkInFlight measures what 20,000 responses in flight cost one worker and
// Redis.
func BenchmarkInFlight(b *testing.B) {
	const n = 20_000
	for b.Loop() {
		in := newInstallation(b)
		pid := in.spawnWorker(b, spawnSimulator(b, time.Second, time.Hour),
			`LONGHAUL_LANES={"default":{"concurrency":64,"window":512}}`)
		empty := in.redisBytes(b)
		ids := in.submit(b, n)
		for {
			counts, err := in.client.Counts(b.Context(), "")
			if err != nil {
				b.Fatal(err)
			}
			if counts[jobs.StateRunning] == n {
				break
			}
			time.Sleep(50 * time.Millisecond)
		}
		settle := time.NewTimer(10 * time.Second) // a few rounds of looks
		<-settle.C
		resident, kept := residentBytes(b, pid), in.redisBytes(b)-empty
		payload := int64(len(body(n / 2)))
		perJob := kept/n - payload
		b.ReportMetric(float64(resident)/(1<<20), "MiB-worker")
		b.ReportMetric(float64(perJob), "redis-B/job")
		w := table()
		row(w, "%d responses in flight", "", "", len(ids))
		row(w, "  resident memory of the worker", fmt.Sprintf("%.0f MiB", float64(resident)/(1<<20)), "")
		row(w, "  Redis memory in all", fmt.Sprintf("%.0f MiB", float64(kept)/(1<<20)), "")
		row(w, "  Redis memory for a job, beyond its request", fmt.Sprintf("%d B", perJob), "")
		_ = w.Flush()
	}
}

func table() *tabwriter.Writer {
	_, _ = fmt.Fprintln(os.Stdout)
	return tabwriter.NewWriter(os.Stdout, 0, 0, 3, ' ', 0)
}

// row writes a line: what, how much, and the ratio to the first floor.
func row(w *tabwriter.Writer, format, value, ratio string, args ...any) {
	_, _ = fmt.Fprintf(w, fmt.Sprintf(format, args...)+"\t%s\t%s\n", value, ratio)
}
