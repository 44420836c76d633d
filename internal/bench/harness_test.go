package bench_test

import (
	"bufio"
	"encoding/json"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/redis/go-redis/v9"

	"github.com/longhaul-jobs/longhaul/client"
	"github.com/longhaul-jobs/longhaul/internal/redistest"
	"github.com/longhaul-jobs/longhaul/internal/simulator"
	"github.com/longhaul-jobs/longhaul/jobs"
	"github.com/longhaul-jobs/longhaul/results"
)

// concurrency is the number of requests in flight of everything measured.
const concurrency = 32

// worker builds the worker once, when it is first wanted.
var worker = sync.OnceValues(func() (string, error) {
	dir, err := os.MkdirTemp("", "longhaul-bench-")
	if err != nil {
		return "", err
	}
	workerDir = dir
	path := filepath.Join(dir, "worker")
	out, err := exec.Command("go", "build", "-buildvcs=false", "-o", path, "github.com/longhaul-jobs/longhaul/cmd/worker").CombinedOutput()
	if err != nil {
		return "", fmt.Errorf("build worker: %w\n%s", err, out)
	}
	return path, nil
})

// workerDir is where the worker was built, "" if it was not.
var workerDir string

func TestMain(m *testing.M) {
	code := m.Run()
	if workerDir != "" {
		_ = os.RemoveAll(workerDir)
	}
	os.Exit(code)
}

// spawn runs the worker binary until the benchmark ends, its output to a pipe.
func spawn(b *testing.B, environ []string, args ...string) (process, io.Reader) {
	b.Helper()
	path, err := worker()
	if err != nil {
		b.Fatal(err)
	}
	cmd := exec.Command(path, args...)
	cmd.Dir = b.TempDir()
	cmd.Env = append([]string{"PATH=" + os.Getenv("PATH"), "HOME=" + cmd.Dir}, environ...)
	cmd.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL}
	cmd.Stderr = os.Stderr
	pipe, err := cmd.StdoutPipe()
	if err != nil {
		b.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		b.Fatal(err)
	}
	b.Cleanup(func() { _ = cmd.Process.Kill(); _ = cmd.Wait() })
	return process(cmd.Process.Pid), pipe
}

// provider is a simulator in a process of its own.
type provider struct {
	process

	url string // the base of its API
}

// spawnSimulator runs the simulator.
func spawnSimulator(b *testing.B, queued, running time.Duration, environ ...string) provider {
	b.Helper()
	p, stdout := spawn(b, environ, "simulate", "--addr", "127.0.0.1:0",
		"--simulator-queued", queued.String(), "--simulator-running", running.String(), "--log-level", "error")
	said, err := bufio.NewReader(stdout).ReadString('\n')
	m := regexp.MustCompile(`base URL (http://\S+/v1)`).FindStringSubmatch(said)
	if err != nil || m == nil {
		b.Fatalf("the simulator did not say where it listens: %q, %v", said, err)
	}
	return provider{p, m[1]}
}

// installation is a private Redis with an append-only file, and a client.
type installation struct {
	server *redistest.Server
	rdb    *redis.Client
	store  *results.Store
	client *client.Client
}

func newInstallation(b *testing.B) installation {
	b.Helper()
	server := redistest.StartWith(b, redistest.Config{TCP: true, AppendDir: b.TempDir()})
	rdb := server.Client(b)
	store, err := results.Open(b.Context(), rdb, results.Config{}, slog.New(slog.DiscardHandler), nil)
	if err != nil {
		b.Fatal(err)
	}
	return installation{server: server, rdb: rdb, store: store, client: client.New(store, jobs.DefaultModel)}
}

// spawnWorker runs a worker and returns when it has said that it lives.
func (in installation) spawnWorker(b *testing.B, url string, environ ...string) process {
	b.Helper()
	before, err := in.store.Workers(b.Context())
	if err != nil {
		b.Fatal(err)
	}
	p, _ := spawn(b, append([]string{
		"LONGHAUL_REDIS_URL=" + in.server.URL(), "OPENAI_API_KEY=sk-bench", "OPENAI_BASE_URL=" + url,
		"LONGHAUL_HTTP_ADDR=", "LONGHAUL_LOG_LEVEL=error",
	}, environ...), "run")
	for range 200 {
		if workers, err := in.store.Workers(b.Context()); err == nil && len(workers) > len(before) {
			return p
		}
		time.Sleep(50 * time.Millisecond)
	}
	b.Fatal("the worker did not start")
	return 0
}

// submit accepts n jobs, 16 at a time.
func (in installation) submit(b *testing.B, n int) []jobs.ID {
	b.Helper()
	ids := make([]jobs.ID, n)
	parallel(b, 16, n, func(i int) error {
		s, err := in.client.Submit(b.Context(), body(i), jobs.Options{})
		ids[i] = s.Job.ID
		return err
	})
	return ids
}

// ended waits until n jobs have ended.
func (in installation) ended(b *testing.B, n int) results.Counts {
	b.Helper()
	for {
		counts, err := in.client.Counts(b.Context(), "")
		if err != nil {
			b.Fatal(err)
		}
		if counts.Ended() >= int64(n) {
			if counts[jobs.StateSucceeded] != int64(n) {
				b.Fatalf("not all of %d succeeded: %v", n, counts)
			}
			return counts
		}
		time.Sleep(25 * time.Millisecond)
	}
}

func body(i int) json.RawMessage {
	return fmt.Appendf(nil, `{"model":"gpt-4.1","input":"Note %d. The harbour was rebuilt after the storm. Trade came back."}`, i)
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

func readLedger(b *testing.B, url string) simulator.Ledger {
	b.Helper()
	request, err := http.NewRequestWithContext(b.Context(), http.MethodGet, strings.TrimSuffix(url, "/v1")+"/_sim/ledger", nil)
	if err != nil {
		b.Fatal(err)
	}
	answer, err := http.DefaultClient.Do(request)
	if err != nil {
		b.Fatal(err)
	}
	defer func() { _ = answer.Body.Close() }()
	var ledger simulator.Ledger
	if err := json.NewDecoder(answer.Body).Decode(&ledger); err != nil {
		b.Fatal(err)
	}
	return ledger
}

// redis is the process of the installation's server.
func (in installation) redis(b *testing.B) process {
	b.Helper()
	return process(in.info(b, "server", "process_id"))
}
