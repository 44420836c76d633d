package redistest_test

import (
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/redis/go-redis/v9"

	"github.com/longhaul-jobs/longhaul/internal/redistest"
)

// holdVar makes the test binary hold a shared server until it is killed.
const holdVar = "REDISTEST_HOLD"

func TestMain(m *testing.M) {
	if os.Getenv(holdVar) != "" {
		testing.Benchmark(func(b *testing.B) {
			b.Helper()
			fmt.Println(redistest.URL(b))
			_, _ = io.Copy(io.Discard, os.Stdin)
		})
	}
	os.Exit(m.Run())
}

func TestClientOfEachTestHasItsOwnDatabase(t *testing.T) {
	t.Parallel()
	// All of these run at the same moment, as far as the server can tell.
	for i := range 50 {
		tb := &recorder{TB: t}
		t.Cleanup(func() { tb.run(func() {}) })

		c := redistest.Client(tb)
		if n, err := c.DBSize(t.Context()).Result(); err != nil || n != 0 {
			t.Fatalf("database of test %d has %d keys at first, err %v; want 0", i, n, err)
		}
		value := strconv.Itoa(i)
		set(t, c, "key", value)
		if got := get(t, connect(t, redistest.URL(tb)), "key"); got != value {
			t.Errorf("key of test %d through URL = %q, want what Client wrote, %q", i, got, value)
		}
	}
}

func TestDatabaseIsFlushedWhenTheTestEnds(t *testing.T) {
	t.Parallel()
	var url string
	t.Run("writes", func(t *testing.T) {
		url = redistest.URL(t)
		set(t, redistest.Client(t), "key", "left behind")
	})
	if n, err := connect(t, url).DBSize(t.Context()).Result(); err != nil || n != 0 {
		t.Errorf("database of an ended test has %d keys, err %v; want 0", n, err)
	}
}

func TestEndedTestsMakeRoom(t *testing.T) {
	t.Parallel()
	// More tests than there are databases, one after the other, as a fuzz
	// target makes them.
	for i := range 10_500 {
		tb := &recorder{TB: t}
		tb.run(func() { redistest.URL(tb) })
		if tb.failed {
			t.Fatalf("test %d got no database: %s", i, tb.message)
		}
	}
}

func TestStartedServerKeepsNothingAndEvictsNothing(t *testing.T) {
	t.Parallel()
	s := redistest.Start(t)
	want := map[string]string{"appendonly": "no", "save": "", "maxmemory-policy": "noeviction"}
	if diff := cmp.Diff(want, settings(t, s.Client(t), "appendonly", "save", "maxmemory-policy")); diff != "" {
		t.Errorf("settings (-want +got):\n%s", diff)
	}
	if s.Network() != "unix" {
		t.Errorf("Network() = %q, want unix", s.Network())
	}
}

func TestArgsOverrideTheUsualSettings(t *testing.T) {
	t.Parallel()
	s := redistest.StartWith(t, redistest.Config{Args: []string{"--maxmemory-policy", "allkeys-lru"}})
	want := map[string]string{"maxmemory-policy": "allkeys-lru"}
	if diff := cmp.Diff(want, settings(t, s.Client(t), "maxmemory-policy")); diff != "" {
		t.Errorf("settings (-want +got):\n%s", diff)
	}
}

func TestClientFindsTheServerAgainAfterARestart(t *testing.T) {
	t.Parallel()
	for _, tcp := range []bool{false, true} {
		t.Run(fmt.Sprintf("tcp %t", tcp), func(t *testing.T) {
			t.Parallel()
			s := redistest.StartWith(t, redistest.Config{TCP: tcp})
			c := s.Client(t)
			set(t, c, "key", "before")
			addr := s.Addr()

			s.Kill()
			if err := c.Ping(t.Context()).Err(); err == nil {
				t.Fatal("a killed server answers")
			}
			s.Kill() // nothing to do is not an error

			s.Restart()
			if s.Addr() != addr {
				t.Errorf("address after a restart = %s, want %s", s.Addr(), addr)
			}
			if got, err := c.Get(t.Context(), "key").Result(); !errors.Is(err, redis.Nil) {
				t.Errorf("key after a restart without a file = %q, err %v; want none", got, err)
			}
		})
	}
}

func TestAppendOnlyFileSurvivesTheProcess(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	s := redistest.StartWith(t, redistest.Config{AppendDir: dir})
	c := s.Client(t)

	set(t, c, "key", "kept")
	s.Stop()
	s.Restart()
	if got := get(t, c, "key"); got != "kept" {
		t.Errorf("key after a stop = %q, want kept", got)
	}

	other := redistest.StartWith(t, redistest.Config{AppendDir: t.TempDir()})
	if n, err := other.Client(t).DBSize(t.Context()).Result(); err != nil || n != 0 {
		t.Errorf("server with another directory has %d keys, err %v; want 0", n, err)
	}
}

func TestServerEndsWithItsTest(t *testing.T) {
	t.Parallel()
	var addr string
	t.Run("starts", func(t *testing.T) { addr = redistest.Start(t).Addr() })
	if _, err := os.Stat(filepath.Dir(addr)); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("directory of an ended test's server: err %v, want it gone", err)
	}
}

func TestServerEndsWithAKilledTestBinary(t *testing.T) {
	t.Parallel()
	holder := exec.CommandContext(t.Context(), os.Args[0])
	holder.Env = append(os.Environ(), holdVar+"=1")
	holder.Stderr = t.Output()
	if _, err := holder.StdinPipe(); err != nil {
		t.Fatal(err)
	}
	stdout, err := holder.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := holder.Start(); err != nil {
		t.Fatal(err)
	}
	var url string
	if _, err := fmt.Fscanln(stdout, &url); err != nil {
		t.Fatalf("read the URL of the holder's server: %v", err)
	}
	c := connect(t, url)
	opts := c.Options()

	conn := c.Conn()
	defer func() { _ = conn.Close() }()
	if err := conn.Ping(t.Context()).Err(); err != nil {
		t.Fatalf("holder's server does not answer: %v", err)
	}

	if err := holder.Process.Kill(); err != nil {
		t.Fatal(err)
	}
	_ = holder.Wait() // "signal: killed"

	// The connection breaks when the server ends. A server that lives on
	// answers at last that nobody wrote.
	if err := conn.BLPop(t.Context(), 20*time.Second, "never").Err(); err == nil || errors.Is(err, redis.Nil) {
		t.Fatalf("server outlived its test binary: it answered %v", err)
	}
	if _, err := os.Stat(filepath.Dir(opts.Addr)); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("directory of a killed test binary's server: err %v, want it gone", err)
	}
}

func TestMissingServerFailsAndSaysWhatToInstall(t *testing.T) {
	t.Setenv("PATH", t.TempDir())
	tb := &recorder{TB: t}
	tb.run(func() { redistest.Start(tb) })
	if !tb.failed {
		t.Fatal("Start passed without a redis-server")
	}
	if !strings.Contains(tb.message, "apt-get install redis-server") {
		t.Errorf("message = %q, want it to say what to install", tb.message)
	}
}

func TestServerThatDoesNotStartShowsItsLog(t *testing.T) {
	t.Parallel()
	tb := &recorder{TB: t}
	tb.run(func() { redistest.StartWith(tb, redistest.Config{Args: []string{"--no-such-setting", "1"}}) })
	if !tb.failed || !strings.Contains(tb.message, "no-such-setting") {
		t.Errorf("failed = %t with message %q, want a failure that names the setting", tb.failed, tb.message)
	}
}

func BenchmarkStart(b *testing.B) {
	for b.Loop() {
		tb := &recorder{TB: b}
		tb.run(func() { redistest.Start(tb) })
		if tb.failed {
			b.Fatal(tb.message)
		}
	}
}

// recorder is a test within a test, so that a failure can be looked at.
type recorder struct {
	testing.TB

	cleanups []func()
	failed   bool
	message  string
}

// run calls f to its end or to its first Fatalf, and cleans up after it.
func (r *recorder) run(f func()) {
	done := make(chan struct{})
	go func() {
		defer close(done)
		f()
	}()
	<-done
	for _, cleanup := range slices.Backward(r.cleanups) {
		cleanup()
	}
}

func (r *recorder) Cleanup(f func()) { r.cleanups = append(r.cleanups, f) }

func (r *recorder) Errorf(format string, args ...any) {
	r.failed, r.message = true, fmt.Sprintf(format, args...)
}

func (r *recorder) Fatalf(format string, args ...any) {
	r.Errorf(format, args...)
	runtime.Goexit()
}

func connect(t *testing.T, url string) *redis.Client {
	t.Helper()
	opts, err := redis.ParseURL(url)
	if err != nil {
		t.Fatal(err)
	}
	c := redis.NewClient(opts)
	t.Cleanup(func() { _ = c.Close() })
	return c
}

func set(t *testing.T, c *redis.Client, key, value string) {
	t.Helper()
	if err := c.Set(t.Context(), key, value, 0).Err(); err != nil {
		t.Fatalf("set %s: %v", key, err)
	}
}

func get(t *testing.T, c *redis.Client, key string) string {
	t.Helper()
	value, err := c.Get(t.Context(), key).Result()
	if err != nil {
		t.Fatalf("get %s: %v", key, err)
	}
	return value
}

func settings(t *testing.T, c *redis.Client, names ...string) map[string]string {
	t.Helper()
	all := map[string]string{}
	for _, name := range names {
		got, err := c.ConfigGet(t.Context(), name).Result()
		if err != nil {
			t.Fatalf("read setting %s: %v", name, err)
		}
		all[name] = got[name]
	}
	return all
}
