package e2e_test

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
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

// binaries builds both commands once, into a folder that goes with the test
// process.
var binaries = sync.OnceValues(func() (string, error) {
	dir, err := os.MkdirTemp("", "longhaul-e2e-")
	if err != nil {
		return "", err
	}
	binariesDir = dir
	out, err := exec.Command("go", "build", "-buildvcs=false", "-o", dir+string(os.PathSeparator),
		"github.com/longhaul-jobs/longhaul/cmd/worker", "github.com/longhaul-jobs/longhaul/cmd/enqueue").CombinedOutput()
	if err != nil {
		return "", fmt.Errorf("build binaries: %w\n%s", err, out)
	}
	return dir, nil
})

// binariesDir is where the commands were built, "" if they were not.
var binariesDir string

func TestMain(m *testing.M) {
	code := m.Run()
	if binariesDir != "" {
		_ = os.RemoveAll(binariesDir)
	}
	os.Exit(code)
}

func binary(t *testing.T, name string) string {
	t.Helper()
	dir, err := binaries()
	if err != nil {
		t.Fatal(err)
	}
	return filepath.Join(dir, name)
}

// process is one of our binaries at work.
type process struct {
	t      *testing.T
	cmd    *exec.Cmd
	stdout *lockedBuffer
	stderr *lockedBuffer
	gone   chan struct{}
}

type lockedBuffer struct {
	mu  sync.Mutex
	buf bytes.Buffer
}

func (b *lockedBuffer) Write(p []byte) (int, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.buf.Write(p)
}

func (b *lockedBuffer) String() string {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.buf.String()
}

// start runs a binary with nothing of this process' environment but the path,
// so that no setting of the machine helps.
func start(t *testing.T, environ []string, name string, args ...string) *process {
	t.Helper()
	p := &process{
		t: t, cmd: exec.Command(binary(t, name), args...),
		stdout: &lockedBuffer{}, stderr: &lockedBuffer{}, gone: make(chan struct{}),
	}
	p.cmd.Dir = t.TempDir()
	p.cmd.Env = append([]string{"PATH=" + os.Getenv("PATH"), "HOME=" + p.cmd.Dir}, environ...)
	p.cmd.Stdout, p.cmd.Stderr = p.stdout, p.stderr
	p.cmd.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL}
	if err := p.cmd.Start(); err != nil {
		t.Fatalf("start %s: %v", name, err)
	}
	go func() { _ = p.cmd.Wait(); close(p.gone) }()
	t.Cleanup(func() {
		p.kill()
		if t.Failed() {
			t.Logf("%s %v, stderr:\n%s", name, args, tail(p.stderr.String(), 6000))
		}
	})
	return p
}

func tail(s string, n int) string {
	if len(s) <= n {
		return s
	}
	return "…" + s[len(s)-n:]
}

// kill is kill -9.
func (p *process) kill() {
	_ = p.cmd.Process.Kill()
	<-p.gone
}

// terminate sends SIGTERM and waits for the end; it returns the exit code.
func (p *process) terminate() int {
	p.t.Helper()
	_ = p.cmd.Process.Signal(syscall.SIGTERM)
	select {
	case <-p.gone:
	case <-time.After(time.Minute):
		p.t.Fatalf("did not end within a minute of SIGTERM:\n%s", tail(p.stderr.String(), 4000))
	}
	return p.cmd.ProcessState.ExitCode()
}

// find waits until the process' output matches, and returns the first group.
func (p *process) find(out *lockedBuffer, pattern string) string {
	p.t.Helper()
	re := regexp.MustCompile(pattern)
	for range 600 {
		if m := re.FindStringSubmatch(out.String()); m != nil {
			return m[len(m)-1]
		}
		select {
		case <-p.gone:
			p.t.Fatalf("ended before it said %q:\n%s\n%s", pattern, out.String(), p.stderr.String())
		case <-time.After(50 * time.Millisecond):
		}
	}
	p.t.Fatalf("did not say %q:\n%s", pattern, out.String())
	return ""
}

// world is an installation: Redis, the simulator, and a client. Workers come
// and go.
type world struct {
	t      *testing.T
	redis  *redistest.Server
	simURL string
	client *client.Client
	store  *results.Store
	rdb    *redis.Client
}

// freeAddr is an address of this machine that nothing listens on.
func freeAddr(t *testing.T) string {
	t.Helper()
	var lc net.ListenConfig
	l, err := lc.Listen(t.Context(), "tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = l.Close() }()
	return l.Addr().String()
}

// newWorld starts Redis, with an append-only file, and the simulator.
func newWorld(t *testing.T, simulatorArgs ...string) *world {
	t.Helper()
	server := redistest.StartWith(t, redistest.Config{TCP: true, AppendDir: t.TempDir()})
	w := &world{t: t, redis: server, rdb: server.Client(t)}
	sim := start(t, nil, "worker", append([]string{"simulate", "--addr", "127.0.0.1:0"}, simulatorArgs...)...)
	w.simURL = sim.find(sim.stdout, `base URL (http://\S+/v1)`)
	store, err := results.Open(t.Context(), w.rdb, results.Config{}, slog.New(slog.DiscardHandler), nil)
	if err != nil {
		t.Fatal(err)
	}
	w.store, w.client = store, client.New(store, jobs.DefaultModel)
	return w
}

// worker starts `worker run` with quick looks.
func (w *world) worker(environ ...string) *process {
	w.t.Helper()
	p := start(w.t, append([]string{
		"LONGHAUL_REDIS_URL=" + w.redis.URL(), "OPENAI_API_KEY=sk-test", "OPENAI_BASE_URL=" + w.simURL,
		"LONGHAUL_HTTP_ADDR=127.0.0.1:0", "LONGHAUL_POLL_FLOOR=200ms", "LONGHAUL_POLL_CEILING=1s",
	}, environ...), "worker", "run")
	p.find(p.stderr, `worker started`)
	return p
}

// submit accepts n jobs and returns their ids.
func (w *world) submit(n int, body string, options jobs.Options) []jobs.ID {
	w.t.Helper()
	ids := make([]jobs.ID, n)
	for i := range ids {
		s, err := w.client.Submit(w.t.Context(), fmt.Appendf(nil, body, i), options)
		if err != nil {
			w.t.Fatal(err)
		}
		ids[i] = s.Job.ID
	}
	return ids
}

// waitAll waits until every job has ended and returns them.
func (w *world) waitAll(ids []jobs.ID, patience time.Duration) []jobs.Job {
	w.t.Helper()
	ctx, cancel := context.WithTimeout(w.t.Context(), patience)
	defer cancel()
	ended := make([]jobs.Job, len(ids))
	for i, id := range ids {
		j, err := w.client.Wait(ctx, id)
		if err != nil {
			w.t.Fatalf("%s has not ended: %v\n%+v", id, err, j)
		}
		ended[i] = j
	}
	return ended
}

// waitCount waits until at least n jobs are in the state.
func (w *world) waitCount(state jobs.State, n int64) {
	w.t.Helper()
	for range 1200 {
		counts, err := w.store.Counts(w.t.Context(), "")
		if err == nil && counts[state] >= n {
			return
		}
		time.Sleep(25 * time.Millisecond)
	}
	w.t.Fatalf("there were never %d jobs %s", n, state)
}

// ledger reads what the simulator was asked for, by job.
func (w *world) ledger() map[jobs.ID][]simulator.Entry {
	w.t.Helper()
	var ledger simulator.Ledger
	w.call(http.MethodGet, "/_sim/ledger", "", &ledger)
	byJob := make(map[jobs.ID][]simulator.Entry)
	for _, e := range ledger.Entries {
		id := jobs.ID(e.Metadata[jobs.MetadataJob])
		byJob[id] = append(byJob[id], e)
	}
	return byJob
}

// faults sets the simulator's fault plan.
func (w *world) faults(plan string) {
	w.t.Helper()
	w.call(http.MethodPut, "/_sim/faults", plan, nil)
}

func (w *world) call(method, path, body string, answer any) {
	w.t.Helper()
	url := strings.TrimSuffix(w.simURL, "/v1") + path
	request, err := http.NewRequestWithContext(w.t.Context(), method, url, strings.NewReader(body))
	if err != nil {
		w.t.Fatal(err)
	}
	got, err := http.DefaultClient.Do(request)
	if err != nil {
		w.t.Fatal(err)
	}
	defer func() { _ = got.Body.Close() }()
	raw, err := io.ReadAll(got.Body)
	if err != nil || got.StatusCode >= 300 {
		w.t.Fatalf("%s %s: %s %s %v", method, path, got.Status, raw, err)
	}
	if answer != nil {
		if err := json.Unmarshal(raw, answer); err != nil {
			w.t.Fatalf("%s %s: %v", method, path, err)
		}
	}
}

// account compares the ledger with the records. Every create that the provider
// accepted is an attempt on record, and for every attempt on record there is a
// create, except for attempts recorded as uncertain, whose POST may never have
// left. It returns the creates and the attempts beyond the first.
func (w *world) account(ended []jobs.Job) (creates, resubmissions, neverArrived int) {
	w.t.Helper()
	ledger := w.ledger()
	for _, j := range ended {
		entries := ledger[j.ID]
		creates += len(entries)
		resubmissions += len(j.Attempts) - 1
		arrived := make(map[int]int)
		for _, e := range entries {
			arrived[e.Attempt]++
		}
		for number, times := range arrived {
			onRecord := slices.ContainsFunc(j.Attempts, func(a jobs.Attempt) bool { return a.Number == number })
			if !onRecord || times != 1 {
				w.t.Errorf("%s: attempt %d was created %d times and %d attempts are on record", j.ID, number, times, len(j.Attempts))
			}
		}
		for _, a := range j.Attempts {
			switch {
			case arrived[a.Number] == 0 && a.Outcome != jobs.OutcomeUncertain && a.Outcome != jobs.OutcomeFailed:
				w.t.Errorf("%s: attempt %d is on record as %q and the provider never saw it", j.ID, a.Number, a.Outcome)
			case arrived[a.Number] == 0:
				neverArrived++
			}
			if a.Number > 1 && a.Reason == "" {
				w.t.Errorf("%s: attempt %d has no reason on record", j.ID, a.Number)
			}
		}
	}
	if creates != len(ended)+resubmissions-neverArrived {
		w.t.Errorf("%d creates for %d jobs, %d resubmissions and %d attempts that never arrived",
			creates, len(ended), resubmissions, neverArrived)
	}
	return creates, resubmissions, neverArrived
}
