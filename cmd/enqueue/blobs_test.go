package main

import (
	"fmt"
	"io"
	"io/fs"
	"log/slog"
	"net"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/longhaul-jobs/longhaul/internal/redistest"
	"github.com/longhaul-jobs/longhaul/jobs"
	"github.com/longhaul-jobs/longhaul/results"
	"github.com/longhaul-jobs/longhaul/results/blobs"
)

// TestLargeRequestGoesToTheConfiguredBlobStore and without one is refused, when
// it is too large for Redis, with a word about what to set.
func TestLargeRequestGoesToTheConfiguredBlobStore(t *testing.T) {
	t.Parallel()
	b := newBench(t)
	body := `{"input":"` + strings.Repeat("a long story ", 20_000) + `"}`
	request := filepath.Join(t.TempDir(), "request.json")
	if err := os.WriteFile(request, []byte(body), 0o600); err != nil {
		t.Fatal(err)
	}
	b.env = append(b.env, "LONGHAUL_JOBS_COMPRESS_BYTES=512MiB", "LONGHAUL_JOBS_MAX_INLINE_BYTES=100kB")
	got := b.call("", "submit", "--request", request)
	if got.code != exitUsage || !strings.Contains(got.stderr, "blobs.url") {
		t.Errorf("without a blob store: exit code %d, stderr %s", got.code, got.stderr)
	}
	dir := filepath.Join(t.TempDir(), "blobs")
	got = b.call("", "submit", "--request", request, "--blobs-url", "file://"+dir)
	if got.code != 0 {
		t.Fatalf("exit code %d, stderr %s", got.code, got.stderr)
	}
	id, err := jobs.ParseID(strings.TrimSpace(got.stdout))
	if err != nil {
		t.Fatal(err)
	}
	found := 0
	err = filepath.WalkDir(dir, func(path string, _ fs.DirEntry, err error) error {
		if strings.HasSuffix(path, "/"+string(id)+"/request") {
			found++
		}
		return err
	})
	if err != nil || found != 1 {
		t.Errorf("%d blobs of the job in the folder, err %v", found, err)
	}
	if got := b.call("", "submit", "--request", request, "--blobs-url", "s3://bucket"); got.code != exitUsage || !strings.Contains(got.stderr, "blobs.access_key") {
		t.Errorf("a bucket without credentials: exit code %d, stderr %s", got.code, got.stderr)
	}
}

// keepsInFolder has the bench keep all that it can in a folder, and returns it.
func (b *bench) keepsInFolder() string {
	b.t.Helper()
	dir := b.t.TempDir()
	shelf, err := blobs.Open(b.t.Context(), blobs.Config{URL: "file://" + dir})
	if err != nil {
		b.t.Fatal(err)
	}
	b.store, err = results.Open(b.t.Context(), redistest.Client(b.t), results.Config{Blobs: shelf, BlobsOver: 1}, slog.New(slog.DiscardHandler), nil)
	if err != nil {
		b.t.Fatal(err)
	}
	b.env = append(b.env, "LONGHAUL_BLOBS_URL=file://"+dir, "LONGHAUL_BLOBS_OVER=1B")
	return dir
}

// loseResponse removes the one response whose blob has a text in it.
func loseResponse(t *testing.T, dir, text string) {
	t.Helper()
	lost := 0
	err := filepath.WalkDir(dir, func(path string, _ fs.DirEntry, err error) error {
		if err != nil || !strings.HasPrefix(filepath.Base(path), "response-") {
			return err
		}
		raw, err := os.ReadFile(path)
		if err != nil || !strings.Contains(string(raw), text) {
			return err
		}
		lost++
		return os.Remove(path)
	})
	if err != nil || lost != 1 {
		t.Fatalf("removed %d responses, %v; want one", lost, err)
	}
}

// TestOneLostAnswerCostsNoOther has somebody delete a blob: its line is an error,
// at once, and all others are written.
func TestOneLostAnswerCostsNoOther(t *testing.T) {
	t.Parallel()
	t.Run("batch", func(t *testing.T) {
		t.Parallel()
		b := newBench(t)
		dir := b.keepsInFolder()
		b.work(echo)
		file := putFile(t, "in.jsonl", batchOf("one", "two", "cut three"))
		b.call("", "batch", file).want(t, 1)
		loseResponse(t, dir, "echo: two")
		got := b.call("", "batch", file).want(t, 1)
		if strings.Contains(got.stderr, "Redis") || !strings.Contains(got.stdout, "succeeded   1\nincomplete  1\nfailed      1\n") {
			t.Errorf("it says\n%s%s", got.stderr, got.stdout)
		}
		stem := strings.TrimSuffix(file, ".jsonl")
		if diff := cmp.Diff([]string{"one: 200 completed: echo: one", "cut three: 200 incomplete: half an ans"}, resultLines(t, readText(t, stem+".output.jsonl"))); diff != "" {
			t.Errorf("output (-want +got):\n%s", diff)
		}
		if got := readText(t, stem+".errors.jsonl"); !strings.Contains(got, `"custom_id":"two"`) || !strings.Contains(got, "result_gone") {
			t.Errorf("errors:\n%s", got)
		}
	})
	t.Run("summarize", func(t *testing.T) {
		t.Parallel()
		l := newLibrary(t)
		dir := l.keepsInFolder()
		l.employ(reads)
		l.put("kept.md", "# Kept\n")
		l.put("lost.md", "# Lost\n\nPlease repeat me\n")
		l.summarize().want(t, 0)
		loseResponse(t, dir, `"summary":"echo: `)
		if err := os.RemoveAll(l.out); err != nil {
			t.Fatal(err)
		}
		got := l.summarize().want(t, 1)
		statuses := l.statuses()
		if statuses["kept.md"] != "succeeded" || !strings.Contains(statuses["lost.md"], "failed: ") || !strings.Contains(statuses["lost.md"], "--force") {
			t.Errorf("manifest %v, and it says\n%s", statuses, got.stderr)
		}
	})
}

// TestOutageNamesWhoIsAway tells an outage of the blob store from one of Redis.
func TestOutageNamesWhoIsAway(t *testing.T) {
	t.Parallel()
	away := &jobs.Error{Op: "get blob", Failure: jobs.Failure{
		Class: jobs.ClassUnavailable, Code: "blobs_away", Message: "the blob store has not answered in time",
	}}
	if said := outage(fmt.Errorf("read: %w", away)); strings.Contains(said, "Redis") || !strings.Contains(said, "the blob store") {
		t.Errorf("of the blob store: %s", said)
	}
	if said := outage(io.EOF); !strings.Contains(said, "Redis") {
		t.Errorf("of Redis: %s", said)
	}
	// Of many jobs it is said once, whichever of them was asked for and from which port.
	said := make(map[string]bool)
	for port := range 3 {
		reset := &net.OpError{
			Op: "read", Net: "tcp", Source: &net.TCPAddr{Port: 40_000 + port}, Addr: &net.TCPAddr{IP: net.IPv4(127, 0, 0, 1), Port: 6379}, Err: syscall.ECONNRESET,
		}
		said[outage(fmt.Errorf("load job_%d: %w", port, reset))] = true
		said[outage(fmt.Errorf("load job_%d: %w", port, io.EOF))] = true
	}
	if !said["Redis does not answer, trying again: read tcp 127.0.0.1:6379: connection reset by peer"] || len(said) != 2 {
		t.Errorf("of three jobs: %v", said)
	}
}

// An answer of Redis that does not come in time has the hint of one that is not there.
func TestALateAnswerOfRedisHasItsHint(t *testing.T) {
	t.Parallel()
	late := fmt.Errorf("list: %w", os.ErrDeadlineExceeded)
	if got := (&cli{}).advice(late); !strings.Contains(got, "--redis-url names another one") {
		t.Errorf("of %v it says %q", late, got)
	}
	if got := (&cli{dev: true}).advice(late); got != "" {
		t.Errorf("with --dev it says %q", got)
	}
}

// A blob store that is away is nothing that another Redis mends.
func TestBlobStoreThatIsAwayIsNotTakenForRedis(t *testing.T) {
	t.Parallel()
	b := newBench(t)
	request := filepath.Join(t.TempDir(), "request.json")
	if err := os.WriteFile(request, []byte(`{"input":"`+strings.Repeat("a long story ", 20_000)+`"}`), 0o600); err != nil {
		t.Fatal(err)
	}
	b.env = append(b.env, "LONGHAUL_JOBS_COMPRESS_BYTES=512MiB", "LONGHAUL_JOBS_MAX_INLINE_BYTES=100kB",
		"LONGHAUL_BLOBS_ACCESS_KEY=a", "LONGHAUL_BLOBS_SECRET_KEY=b")
	nobody, err := new(net.ListenConfig).Listen(t.Context(), "tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	address := nobody.Addr().String()
	if err := nobody.Close(); err != nil {
		t.Fatal(err)
	}
	got := b.call("", "submit", "--request", request, "--blobs-url", "s3://bucket?endpoint=http://"+address).
		want(t, 1).says(t, "Is the blob store there", "blobs.url")
	if strings.Contains(got.stderr, "Is Redis running") {
		t.Errorf("stderr is\n%s", got.stderr)
	}
}
