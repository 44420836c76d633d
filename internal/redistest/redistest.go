// Package redistest gives tests a real redis-server of their own.
//
// It owns the server processes: where they listen, what they keep, and that
// none outlives the test binary, however that ends. It knows nothing of what
// the tests store.
//
// Most tests want [Client] or [URL]: an empty database on one server that all
// tests of the process share, so they may run in parallel. A test that stops
// or kills Redis, changes its configuration, or publishes on channels (which
// databases do not separate) takes a whole server with [Start] or [StartWith],
// a Cluster with [StartCluster] or a Sentinel set with [StartSentinels].
//
// A machine without redis-server fails these tests; nothing is skipped.
// Sockets and child processes do not mix with [testing/synctest]: call this
// package outside of bubbles.
package redistest

import (
	"context"
	"fmt"
	"slices"
	"strconv"
	"sync"
	"testing"

	"github.com/redis/go-redis/v9"
)

// databases is how many databases the shared server has, which bounds the
// tests of one process that use it at the same moment.
const databases = 10_000

// Client returns a client of the test's own database on the shared server. It
// is empty at first, flushed when the test ends, and the one that [URL] names
// for the same tb. A subtest has a tb of its own, hence another database.
func Client(tb testing.TB) *redis.Client {
	tb.Helper()
	return newClient(tb, URL(tb))
}

// URL returns the address of the test's own database on the shared server, as
// [redis.ParseURL] takes it. See [Client].
func URL(tb testing.TB) string {
	tb.Helper()
	p, err := shared()
	if err != nil {
		tb.Fatalf("start the shared redis-server: %v", err)
	}
	db, err := p.database(tb)
	if err != nil {
		tb.Fatalf("take a database on the shared redis-server: %v", err)
	}
	return databaseURL(p.d, db)
}

// shared starts the process' server on first use. Nothing stops it but the end
// of the process: there is no moment at which no later test could want it.
//
//nolint:gochecknoglobals // one server per test process is the purpose
var shared = sync.OnceValues(newPool)

// pool lends the databases of one server to tests.
type pool struct {
	d *daemon

	// flusher's connections are left in whatever database was flushed last.
	flusher *redis.Client

	// free is a queue rather than a stack: a goroutine that a finished test
	// left behind then writes where no other test looks for a long time.
	free chan int

	// mu makes a test's first calls agree on one database.
	mu   sync.Mutex
	lent map[testing.TB]int
}

func newPool() (*pool, error) {
	d, err := newDaemon(Config{Args: []string{"--databases", strconv.Itoa(databases)}})
	if err != nil {
		return nil, err
	}
	if err := d.start(); err != nil {
		d.close()
		return nil, err
	}
	flusher, err := openClient(d.url())
	if err != nil {
		d.close()
		return nil, err
	}
	p := &pool{d: d, flusher: flusher, free: make(chan int, databases), lent: map[testing.TB]int{}}
	for db := range databases {
		p.free <- db
	}
	return p, nil
}

// database returns the number of tb's database and lends one if it has none.
func (p *pool) database(tb testing.TB) (int, error) {
	tb.Helper()
	p.mu.Lock()
	defer p.mu.Unlock()
	if db, ok := p.lent[tb]; ok {
		return db, nil
	}
	select {
	case db := <-p.free:
		p.lent[tb] = db
		tb.Cleanup(func() { p.giveBack(tb, db) })
		return db, nil
	default:
		return 0, fmt.Errorf("all %d are in use", databases)
	}
}

// giveBack empties a database before the next test can get it.
func (p *pool) giveBack(tb testing.TB, db int) {
	tb.Helper()
	p.mu.Lock()
	delete(p.lent, tb)
	p.mu.Unlock()

	// The test's own context has been cancelled by now.
	_, err := p.flusher.Pipelined(context.Background(), func(pipe redis.Pipeliner) error {
		pipe.Do(context.Background(), "select", db)
		pipe.FlushDB(context.Background())
		return nil
	})
	if err != nil {
		tb.Errorf("flush database %d: %v", db, err)
		return
	}
	p.free <- db
}

func databaseURL(d *daemon, db int) string {
	return d.url() + "?db=" + strconv.Itoa(db)
}

// newClient opens a client that is closed when the test ends.
func newClient(tb testing.TB, url string) *redis.Client {
	tb.Helper()
	c, err := openClient(url)
	if err != nil {
		tb.Fatalf("open a Redis client: %v", err)
	}
	tb.Cleanup(func() { _ = c.Close() })
	return c
}

// admin opens a client at the address that all clients use.
func (d *daemon) admin() (*redis.Client, error) {
	options := &redis.Options{Network: d.network(), Addr: d.addr()}
	if d.certs != nil {
		config, err := d.certs.client()
		if err != nil {
			return nil, err
		}
		options.TLSConfig = config
	}
	return redis.NewClient(options), nil
}

// argument returns the value that follows a name on the command line.
func (d *daemon) argument(name string) string {
	i := slices.Index(d.args, name)
	if i < 0 || i+1 == len(d.args) {
		return ""
	}
	return d.args[i+1]
}

func openClient(url string) (*redis.Client, error) {
	opts, err := redis.ParseURL(url)
	if err != nil {
		return nil, fmt.Errorf("parse %s: %w", url, err)
	}
	return redis.NewClient(opts), nil
}
