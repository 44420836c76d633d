package bench_test

import (
	"cmp"
	"context"
	"fmt"
	"slices"
	"sync/atomic"
	"testing"
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

// rounds are how often the path and the SDK's loop are measured in turn: a machine that
// others use as well is not as fast from one second to the next. For the same reason the
// loop runs before the path and again after it.
const rounds = 5

// BenchmarkPath measures jobs per second of the whole path, from the accepting
// client to the stored result, beside two floors: a bare loop of the SDK's
// create and get, and Asynq tasks that do nothing. All three have 32 in flight,
// and the provider is instant. Of the rounds the one counts whose ratio is in the middle.
func BenchmarkPath(b *testing.B) {
	const n = 8000
	for b.Loop() {
		noop := asynqNoop(b, 2*n)
		var all []round
		for range rounds {
			first, path, second := bareSDK(b, n), wholePath(b, n, quick), bareSDK(b, n)
			all = append(all, round{first.with(second), path, wholePath(b, n, 0)})
		}
		slices.SortFunc(all, func(a, b round) int { return cmp.Compare(a.path.rate/a.sdk.rate, b.path.rate/b.sdk.rate) })
		middle := all[rounds/2]
		b.ReportMetric(middle.path.rate, "jobs/s")
		b.ReportMetric(middle.path.rate/middle.sdk.rate, "of-sdk")
		w := table()
		row(w, fmt.Sprintf("instant provider, %d in flight", concurrency), "jobs", "of the SDK's", "processor", "worker", "Redis", "provider", "this")
		tell := func(r run, sdk float64) {
			columns := []string{fmt.Sprintf("%.0f/s", r.rate), fmt.Sprintf("%.2f", r.rate/sdk), each(sum(r.used), r.n)}
			for _, used := range r.used {
				columns = append(columns, each(used, r.n))
			}
			row(w, "  "+r.name, columns...)
		}
		tell(noop, middle.sdk.rate)
		for _, r := range all {
			for _, run := range []run{r.sdk, r.path, r.atOnce} {
				tell(run, r.sdk.rate)
			}
		}
		_ = w.Flush()
		for _, r := range []run{middle.path, middle.atOnce} {
			summary.tell(r.name, fmt.Sprintf("%.0f jobs/s, %.2f of the SDK's", r.rate, r.rate/middle.sdk.rate), "at least 0.50",
				fmt.Sprintf("%.0f/s of the SDK, %.2f of Asynq's %.0f/s", middle.sdk.rate, r.rate/noop.rate, noop.rate))
		}
	}
}

// round is one round: the bare loop, the path with a look, and the path of creates that
// come back completed.
type round struct{ sdk, path, atOnce run }

// run is what a run of many jobs took: how many a second, and the processors'
// time of the worker, of Redis, of the provider and of the benchmark itself.
type run struct {
	name string
	n    int
	rate float64
	used []time.Duration
}

// with is two runs of the same as one.
func (r run) with(other run) run {
	seconds := float64(r.n)/r.rate + float64(other.n)/other.rate
	used := slices.Clone(r.used)
	for i := range used {
		used[i] += other.used[i]
	}
	return run{r.name, r.n + other.n, float64(r.n+other.n) / seconds, used}
}

func bareSDK(b *testing.B, n int) run {
	b.Helper()
	g := newGround(b, quick, 0)
	service := oai.NewResponseService(option.WithBaseURL(g.SimulatorURL), option.WithAPIKey("sk-bench"), option.WithMaxRetries(0))
	m, started := newMeter(b, process(g.Simulator.PID()), itself()), time.Now()
	parallel(b, concurrency, n, func(i int) error {
		r, err := service.New(b.Context(), oai.ResponseNewParams{}, option.WithRequestBody("application/json", background(i)))
		for err == nil && (r.Status == "queued" || r.Status == "in_progress") {
			r, err = service.Get(b.Context(), r.ID, oai.ResponseGetParams{})
		}
		return err
	})
	rate, used := float64(n)/time.Since(started).Seconds(), m.used(b)
	return run{"the SDK's create and get, no queue", n, rate, []time.Duration{0, 0, used[0], used[1]}}
}

func background(i int) []byte {
	return fmt.Appendf(nil, `{"model":"gpt-4.1","background":true,"input":"Note %d. The harbour was rebuilt after the storm. Trade came back."}`, i)
}

func asynqNoop(b *testing.B, n int) run {
	b.Helper()
	g := ground{rdb: redistest.StartWith(b, redistest.Config{TCP: true, AppendDir: b.TempDir()}).Client(b)}
	c := asynq.NewClientFromRedisClient(g.rdb)
	var done atomic.Int64
	all := make(chan struct{})
	server := asynq.NewServerFromRedisClient(g.rdb, asynq.Config{Concurrency: concurrency, TaskCheckInterval: 50 * time.Millisecond, LogLevel: asynq.ErrorLevel})
	m, started := newMeter(b, g.redis(b), itself()), time.Now()
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
	rate, used := float64(n)/time.Since(started).Seconds(), m.used(b)
	return run{"Asynq tasks that do nothing", n, rate, []time.Duration{0, used[0], 0, used[1]}}
}

func wholePath(b *testing.B, n int, queued time.Duration) run {
	b.Helper()
	g := newGround(b, queued, 0)
	// A look at responses of a millisecond is worth no second of lag: without that said,
	// what is learnt in the first five seconds has each of the others wait a quarter of one.
	worker := g.worker(b, "LONGHAUL_POLL_FLOOR=5ms", "LONGHAUL_POLL_CEILING=50ms", "LONGHAUL_POLL_TICK=5ms", "LONGHAUL_POLL_LOOK_COST=5ms",
		`LONGHAUL_LANES={"default":{"concurrency":32,"window":256}}`)
	m, started := newMeter(b, process(worker.PID()), g.redis(b), process(g.Simulator.PID()), itself()), time.Now()
	g.SubmitMany(n, body, jobs.Options{})
	g.succeeded(b, n)
	name := "Longhaul, accepted to stored, with a look"
	if queued == 0 {
		name = "Longhaul, the create comes back completed"
	}
	return run{name, n, float64(n) / time.Since(started).Seconds(), m.used(b)}
}
