// Package installation gives tests a whole Longhaul: a real redis-server, the
// simulator in a process of its own, a client, and the real binaries as
// processes that can be killed, stopped and started again. What was paid for is
// counted in the simulator's ledger and compared with the records, not guessed.
//
// It decides nothing about what a test expects. Its methods fail the test that
// they belong to, so they must be called from that test's own goroutine, unless
// they say otherwise.
package installation

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"slices"
	"strconv"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/redis/go-redis/v9"

	"github.com/longhaul-jobs/longhaul/client"
	"github.com/longhaul-jobs/longhaul/internal/redistest"
	"github.com/longhaul-jobs/longhaul/jobs"
	"github.com/longhaul-jobs/longhaul/results"
)

// Installation is Redis, the simulator, and a client. Workers come and go.
type Installation struct {
	// Redis and RDB are nil when the test has a Redis of its own; see [NewOn].
	Redis     *redistest.Server
	RDB       *redis.Client
	Store     *results.Store
	Client    *client.Client
	Simulator *Process
	// SimulatorURL is the base URL of the simulated API, ending in /v1.
	SimulatorURL string

	tb        testing.TB
	url       string        // of the test's own Redis
	databases *atomic.Int32 // of the server that have been lent
	database  int
}

// New starts Redis, with an append-only file, and the simulator.
func New(tb testing.TB, simulatorArgs ...string) *Installation {
	tb.Helper()
	server := redistest.StartWith(tb, redistest.Config{
		TCP: true, AppendDir: tb.TempDir(), Args: []string{"--databases", strconv.Itoa(maxDatabases)},
	})
	in := &Installation{tb: tb, Redis: server, databases: new(atomic.Int32)}
	in.simulate(simulatorArgs)
	in.open()
	return in
}

// NewOn starts the simulator, for a Redis that the test has at the address: a
// Cluster or a Sentinel set, or one with settings of its own.
func NewOn(tb testing.TB, redisURL string, simulatorArgs ...string) *Installation {
	tb.Helper()
	in := &Installation{tb: tb, url: redisURL}
	in.simulate(simulatorArgs)
	rdb, err := results.Connect(redisURL, 0)
	if err != nil {
		tb.Fatalf("the address %v", err)
	}
	tb.Cleanup(func() { _ = rdb.Close() })
	in.openStore(rdb)
	return in
}

func (in *Installation) simulate(args []string) {
	in.tb.Helper()
	in.Simulator = Start(in.tb, nil, "worker", append([]string{"simulate", "--addr", "127.0.0.1:0"}, args...)...)
	in.SimulatorURL = in.Simulator.Find(in.Simulator.Stdout, `base URL (http://\S+/v1)`)
}

// maxDatabases is how often [Installation.Apart] can be called.
const maxDatabases = 20_000

// Apart returns an installation on the same server and with the same simulator,
// in an empty database of its own, until tb ends: what one does is nothing to
// another, and hundreds of them cost two processes. It may be called from any
// goroutine.
func (in *Installation) Apart(tb testing.TB) *Installation {
	tb.Helper()
	apart := &Installation{
		tb: tb, Redis: in.Redis, Simulator: in.Simulator, SimulatorURL: in.SimulatorURL,
		databases: in.databases, database: int(in.databases.Add(1)),
	}
	apart.open()
	tb.Cleanup(func() { _ = apart.RDB.FlushDB(context.WithoutCancel(tb.Context())).Err() })
	return apart
}

// open connects to the installation's database.
func (in *Installation) open() {
	in.tb.Helper()
	options, err := redis.ParseURL(in.RedisURL())
	if err != nil {
		in.tb.Fatal(err)
	}
	in.RDB = redis.NewClient(options)
	in.tb.Cleanup(func() { _ = in.RDB.Close() })
	in.openStore(in.RDB)
}

func (in *Installation) openStore(rdb redis.UniversalClient) {
	in.tb.Helper()
	store, err := results.Open(in.tb.Context(), rdb, results.Config{}, slog.New(slog.DiscardHandler), nil)
	if err != nil {
		in.tb.Fatal(err)
	}
	in.Store, in.Client = store, client.New(store, jobs.DefaultModel)
}

// RedisURL is the address of the installation's database.
func (in *Installation) RedisURL() string {
	if in.url != "" {
		return in.url
	}
	return in.RedisURLAt(in.Redis.Addr())
}

// RedisURLAt is the address of the installation's database for a process that
// reaches the server at another address, that of a proxy.
func (in *Installation) RedisURLAt(addr string) string {
	return fmt.Sprintf("redis://%s/%d", addr, in.database)
}

// FreeAddr is an address of this machine that nothing listens on.
func FreeAddr(tb testing.TB) string {
	tb.Helper()
	var lc net.ListenConfig
	l, err := lc.Listen(tb.Context(), "tcp", "127.0.0.1:0")
	if err != nil {
		tb.Fatal(err)
	}
	defer func() { _ = l.Close() }()
	return l.Addr().String()
}

// Worker starts `worker run` with quick looks, and returns when it works. What
// environ sets comes after the installation's own settings, and wins.
func (in *Installation) Worker(environ ...string) *Process {
	in.tb.Helper()
	p := in.StartWorker(environ...)
	p.Find(p.Stderr, `worker started`)
	return p
}

// StartWorker is [Installation.Worker] without the wait.
func (in *Installation) StartWorker(environ ...string) *Process {
	in.tb.Helper()
	looks := []string{"LONGHAUL_POLL_FLOOR=200ms", "LONGHAUL_POLL_CEILING=1s"}
	return Start(in.tb, slices.Concat(in.Environ(), looks, environ), "worker", "run")
}

// Environ is what a worker has to be told to belong to the installation;
// everything else has its default.
func (in *Installation) Environ() []string {
	return []string{
		"LONGHAUL_REDIS_URL=" + in.RedisURL(), "OPENAI_API_KEY=sk-test", "OPENAI_BASE_URL=" + in.SimulatorURL,
		"LONGHAUL_HTTP_ADDR=127.0.0.1:0",
	}
}

// Question is a request whose answer nobody minds, with the number of its job.
const Question = `{"input":"Document %d. The harbour was rebuilt after the storm. Trade came back within a year."}`

// Submit accepts n jobs and returns their ids. The body is a format with one %d
// for the job's number.
func (in *Installation) Submit(n int, body string, options jobs.Options) []jobs.ID {
	in.tb.Helper()
	ids := make([]jobs.ID, n)
	for i := range ids {
		s, err := in.Client.Submit(in.tb.Context(), fmt.Appendf(nil, body, i), options)
		if err != nil {
			in.tb.Fatal(err)
		}
		ids[i] = s.Job.ID
	}
	return ids
}

// WaitAll waits until every job has ended and returns them.
func (in *Installation) WaitAll(ids []jobs.ID, patience time.Duration) []jobs.Job {
	in.tb.Helper()
	ctx, cancel := context.WithTimeout(in.tb.Context(), patience)
	defer cancel()
	ended := make([]jobs.Job, len(ids))
	for i, id := range ids {
		j, err := in.Client.Wait(ctx, id)
		if err != nil {
			in.tb.Fatalf("%s has not ended: %v\n%+v", id, err, j)
		}
		ended[i] = j
	}
	return ended
}

// All returns every job that the filter selects.
func (in *Installation) All(filter results.Filter) []jobs.Job {
	in.tb.Helper()
	filter.Limit = 1000
	var all []jobs.Job
	for {
		page, err := in.Store.List(in.tb.Context(), filter)
		if err != nil {
			in.tb.Fatal(err)
		}
		all = append(all, page.Jobs...)
		if page.Next == "" {
			return all
		}
		filter.Cursor = page.Next
	}
}

// SubmitMany is [Installation.Submit] for more jobs than are quickly accepted one
// after the other.
func (in *Installation) SubmitMany(n int, body string, options jobs.Options) []jobs.ID {
	in.tb.Helper()
	const side = 16
	ids := make([]jobs.ID, n)
	errs := make([]error, side)
	var all sync.WaitGroup
	for first := range side {
		all.Go(func() {
			for i := first; i < n && errs[first] == nil; i += side {
				var s client.Submitted
				s, errs[first] = in.Client.Submit(in.tb.Context(), fmt.Appendf(nil, body, i), options)
				ids[i] = s.Job.ID
			}
		})
	}
	all.Wait()
	if err := errors.Join(errs...); err != nil {
		in.tb.Fatal(err)
	}
	return ids
}

// WaitEnded waits until n jobs have ended, and returns all jobs.
func (in *Installation) WaitEnded(n int, patience time.Duration) []jobs.Job {
	in.tb.Helper()
	for deadline := time.Now().Add(patience); ; time.Sleep(100 * time.Millisecond) {
		counts, err := in.Store.Counts(in.tb.Context(), "")
		if err == nil && counts.Ended() >= int64(n) {
			return in.All(results.Filter{})
		}
		if time.Now().After(deadline) {
			in.tb.Fatalf("of %d jobs there are %v after %v (%v)", n, counts, patience, err)
		}
	}
}

// WaitCount waits until at least n jobs are in the state.
func (in *Installation) WaitCount(state jobs.State, n int64) {
	in.tb.Helper()
	in.WaitCountFor(state, n, 30*time.Second)
}

// WaitCountFor is [Installation.WaitCount] for what takes longer.
func (in *Installation) WaitCountFor(state jobs.State, n int64, patience time.Duration) {
	in.tb.Helper()
	for deadline := time.Now().Add(patience); ; time.Sleep(100 * time.Millisecond) {
		counts, err := in.Store.Counts(in.tb.Context(), "")
		if err == nil && counts[state] >= n {
			return
		}
		if time.Now().After(deadline) {
			in.tb.Fatalf("there were never %d jobs %s, but %v (%v)", n, state, counts, err)
		}
	}
}
