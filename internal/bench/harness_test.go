package bench_test

import (
	"os"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/redis/go-redis/v9"

	"github.com/longhaul-jobs/longhaul/internal/installation"
	"github.com/longhaul-jobs/longhaul/internal/redistest"
	"github.com/longhaul-jobs/longhaul/jobs"
)

// concurrency is the number of requests in flight of everything measured.
const concurrency = 32

// body is the request of a job, with its number.
const body = `{"model":"gpt-4.1","input":"Note %d. The harbour was rebuilt after the storm. Trade came back."}`

// patience is how long a benchmark waits for what it measures.
const patience = 20 * time.Minute

func TestMain(m *testing.M) {
	code := installation.Main(m)
	summary.print(os.Stdout)
	os.Exit(code)
}

// ground is an installation on a private Redis with an append-only file.
type ground struct {
	*installation.Installation

	rdb *redis.Client
}

// newGround starts Redis and a simulator whose responses take so long.
func newGround(b *testing.B, queued, running time.Duration) ground {
	b.Helper()
	server := redistest.StartWith(b, redistest.Config{TCP: true, AppendDir: b.TempDir()})
	in := installation.NewOn(b, server.URL(),
		"--simulator-queued", queued.String(), "--simulator-running", running.String(), "--log-level", "error")
	return ground{Installation: in, rdb: server.Client(b)}
}

// worker runs a worker with the default schedule and returns when it has said that
// it lives.
func (g ground) worker(b *testing.B, environ ...string) *installation.Process {
	b.Helper()
	p := installation.Start(b, slices.Concat(g.Environ(), []string{"LONGHAUL_HTTP_ADDR=", "LONGHAUL_LOG_LEVEL=error"}, environ), "worker", "run")
	for range 200 {
		workers, err := g.Store.Workers(b.Context())
		if err != nil {
			b.Fatal(err)
		}
		for _, w := range workers {
			if w.PID == p.PID() {
				return p
			}
		}
		time.Sleep(50 * time.Millisecond)
	}
	b.Fatal("the worker did not start")
	return nil
}

// succeeded waits until all of n jobs have.
func (g ground) succeeded(b *testing.B, n int) {
	b.Helper()
	g.WaitCountFor(jobs.StateSucceeded, int64(n), patience)
}

// parallel calls f for 0 to n-1 from the given number of goroutines.
func parallel(b *testing.B, goroutines, n int, f func(i int) error) {
	b.Helper()
	next := make(chan int)
	var all sync.WaitGroup
	for range goroutines {
		all.Go(func() {
			for i := range next {
				if err := f(i); err != nil {
					b.Error(err)
				}
			}
		})
	}
	for i := range n {
		next <- i
	}
	close(next)
	all.Wait()
}

// redis is the process of the ground's server.
func (g ground) redis(b *testing.B) process {
	b.Helper()
	return process(g.info(b, "server", "process_id"))
}
