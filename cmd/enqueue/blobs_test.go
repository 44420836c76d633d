package main

import (
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/longhaul-jobs/longhaul/jobs"
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
