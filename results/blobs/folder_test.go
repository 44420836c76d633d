package blobs_test

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/longhaul-jobs/longhaul/jobs"
	"github.com/longhaul-jobs/longhaul/results/blobs"
)

// newFolder opens a folder of the test's own.
func newFolder(t *testing.T, timeout time.Duration) (dir string, s blobs.Store) {
	t.Helper()
	dir = filepath.Join(t.TempDir(), "some", "blobs")
	return dir, open(t, blobs.Config{URL: "file://" + dir, Timeout: timeout})
}

func TestFolderIsMadeForItsOwnerAlone(t *testing.T) {
	t.Parallel()
	dir, s := newFolder(t, 0)
	put(t, s, "p/s00/job/request", []byte("x"))
	for path, want := range map[string]fs.FileMode{
		dir: fs.ModeDir | 0o700, dir + "/p/s00/job": fs.ModeDir | 0o700, dir + "/p/s00/job/request": 0o600,
	} {
		info, err := os.Stat(path)
		if err != nil || info.Mode() != want {
			t.Errorf("%s has mode %v, err %v; want %v", path, info.Mode(), err, want)
		}
	}
}

// What a crash in the middle of a Put has left is nobody's value, and goes with
// its folder.
func TestFileThatIsNotWholeIsNoValueAndGoesWithItsFolder(t *testing.T) {
	t.Parallel()
	dir, s := newFolder(t, 0)
	put(t, s, "p/s00/job_1/request", []byte("x"))
	left := dir + "/p/s00/job_1/.put-LEFT"
	if err := os.WriteFile(left, []byte("half of a va"), 0o600); err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff([]string{"p/s00/job_1/.put-LEFT", "p/s00/job_1/request"}, walk(t, s, "p", "")); diff != "" {
		t.Errorf("keys (-want +got):\n%s", diff)
	}
	if _, err := s.Get(t.Context(), "p/s00/job_1/.put-LEFT"); err == nil {
		t.Error("what is not whole was read")
	}
	if err := s.Delete(t.Context(), "p/s00/job_1"); err != nil {
		t.Errorf("Delete: %v", err)
	}
	if _, err := os.Stat(dir + "/p/s00/job_1"); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("the folder is still there: %v", err)
	}
}

func TestPutThatFailsLeavesNothing(t *testing.T) {
	t.Parallel()
	dir, s := newFolder(t, 0)
	put(t, s, "p/job/taken/below", []byte("x"))
	if err := s.Put(t.Context(), "p/job/taken", []byte("y")); err == nil {
		t.Error("a folder was replaced by a value")
	}
	if err := s.Put(t.Context(), "p/job/taken/below/further", []byte("y")); err == nil {
		t.Error("a value was made a folder")
	}
	entries, err := os.ReadDir(dir + "/p/job")
	if err != nil || len(entries) != 1 {
		t.Errorf("%v, err %v; want nothing but what was there", entries, err)
	}
}

func TestNothingLeavesTheFolder(t *testing.T) {
	t.Parallel()
	dir, s := newFolder(t, 0)
	outside := t.TempDir()
	if err := os.WriteFile(outside+"/secret", []byte("canary"), 0o600); err != nil {
		t.Fatal(err)
	}
	put(t, s, "p/a", []byte("x"))
	for name, target := range map[string]string{"p/link": outside, "p/file": outside + "/secret", "p/up": "../../.."} {
		if err := os.Symlink(target, dir+"/"+name); err != nil {
			t.Fatal(err)
		}
	}
	ctx := t.Context()
	for _, key := range []string{"p/link/secret", "p/file"} {
		if got, err := s.Get(ctx, key); got != nil || err == nil {
			t.Errorf("Get %s = %q, err %v", key, got, err)
		}
	}
	_ = s.Put(ctx, "p/link/new", []byte("y"))
	_ = s.Put(ctx, "p/file", []byte("y"))
	_ = s.Put(ctx, "p/up/new", []byte("y"))
	_ = s.Delete(ctx, "p/link/secret")
	if err := s.Delete(ctx, "p"); err != nil {
		t.Errorf("Delete: %v", err)
	}
	entries, err := os.ReadDir(outside)
	if err != nil || len(entries) != 1 {
		t.Errorf("outside are %v, err %v; want the secret alone", entries, err)
	}
	if got, err := os.ReadFile(outside + "/secret"); err != nil || string(got) != "canary" {
		t.Errorf("the secret is %q, err %v", got, err)
	}
}

// A share that is not mounted is not an empty one: nothing is said to be missing,
// and nothing is written beside it.
func TestFolderThatIsGoneIsUnavailable(t *testing.T) {
	t.Parallel()
	dir, s := newFolder(t, 0)
	put(t, s, "p/a", []byte("x"))
	if err := os.Rename(dir, dir+"-elsewhere"); err != nil {
		t.Fatal(err)
	}
	ctx := t.Context()
	_, err := s.Get(ctx, "p/a")
	for op, err := range map[string]error{
		"Put": s.Put(ctx, "p/b", nil), "Get": err, "Delete": s.Delete(ctx, "p"), "Check": s.Check(ctx),
		"Walk": s.Walk(ctx, "p", "", func(string, time.Time) bool { return true }),
	} {
		if jobs.ClassOf(err) != jobs.ClassUnavailable || !strings.Contains(err.Error(), "mounted") {
			t.Errorf("%s: err %v, want the folder said to be gone", op, err)
		}
	}
	if _, err := os.Stat(dir); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("the folder was made again: %v", err)
	}
	if err := os.Rename(dir+"-elsewhere", dir); err != nil {
		t.Fatal(err)
	}
	if _, err := s.Get(ctx, "p/a"); err != nil {
		t.Errorf("Get when it is back: %v", err)
	}
}

// A pipe that nobody writes to stands for a share that hangs.
func TestShareThatHangsHoldsNobodyAndTakesNoMoreThanItsPlaces(t *testing.T) {
	t.Parallel()
	dir, patient := newFolder(t, 0)
	put(t, patient, "p/fine", []byte("x"))
	s := open(t, blobs.Config{URL: "file://" + dir, Timeout: 100 * time.Millisecond})
	pipe := dir + "/p/hangs"
	if err := syscall.Mkfifo(pipe, 0o600); err != nil {
		t.Fatal(err)
	}
	var all sync.WaitGroup
	for range blobs.Places {
		all.Go(func() {
			if _, err := s.Get(t.Context(), "p/hangs"); jobs.ClassOf(err) != jobs.ClassUnavailable {
				t.Errorf("Get: err %v, want it given up", err)
			}
		})
	}
	all.Wait()
	for range 10 * blobs.Places { // one that was given up before it had begun has taken no place
		if _, err := s.Get(t.Context(), "p/hangs"); strings.Contains(fmt.Sprint(err), "busy") {
			break
		}
	}
	if _, err := s.Get(t.Context(), "p/fine"); jobs.ClassOf(err) != jobs.ClassUnavailable || !strings.Contains(err.Error(), "busy") {
		t.Errorf("Get while all places hang: err %v, want the store said to be busy", err)
	}
	writer, err := os.OpenFile(pipe, os.O_WRONLY, 0) // all that wait go on, and find the end
	if err != nil {
		t.Fatal(err)
	}
	if err := writer.Close(); err != nil {
		t.Fatal(err)
	}
	deadline := time.Now().Add(30 * time.Second)
	for {
		_, err := s.Get(t.Context(), "p/fine")
		if err == nil {
			break
		}
		if time.Now().After(deadline) {
			t.Fatalf("Get when the share is back: %v", err)
		}
	}
}

func TestErrorsOfFilesAreClassified(t *testing.T) {
	t.Parallel()
	for _, test := range []struct {
		err   error
		class jobs.Class
		says  string
	}{
		{syscall.EACCES, jobs.ClassInvalid, "may not write"},
		{syscall.EPERM, jobs.ClassInvalid, "may not write"},
		{syscall.EROFS, jobs.ClassInvalid, "may not write"},
		{syscall.ENOTDIR, jobs.ClassInvalid, "no folder"},
		{syscall.ENOSPC, jobs.ClassUnavailable, "no space"},
		{syscall.EDQUOT, jobs.ClassUnavailable, "no space"},
		{syscall.ESTALE, jobs.ClassUnavailable, "cannot be read"},
		{syscall.EIO, jobs.ClassUnavailable, "cannot be read"},
		{syscall.ENOENT, jobs.ClassUnavailable, "mounted"},
	} {
		err := blobs.FileFailure(&fs.PathError{Op: "open", Path: "/canary", Err: test.err})
		f := jobs.FailureOf(err)
		if f.Class != test.class || !strings.Contains(err.Error(), test.says) || strings.Contains(err.Error(), "canary") || !errors.Is(err, test.err) {
			t.Errorf("%v: class %s, err %v; want %s, and %q said", test.err, f.Class, err, test.class, test.says)
		}
		if test.class == jobs.ClassInvalid && f.Param != "blobs.url" {
			t.Errorf("%v: names %q, want blobs.url", test.err, f.Param)
		}
	}
}
