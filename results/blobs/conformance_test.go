package blobs_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io/fs"
	"math/rand/v2"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/longhaul-jobs/longhaul/jobs"
	"github.com/longhaul-jobs/longhaul/results/blobs"
)

// onEach runs a test on a folder and on a bucket, each of its own. Opening again
// is what another process would do.
func onEach(t *testing.T, test func(t *testing.T, open func(timeout time.Duration) blobs.Store)) {
	t.Helper()
	t.Run("folder", func(t *testing.T) {
		t.Parallel()
		dir := t.TempDir()
		test(t, func(timeout time.Duration) blobs.Store {
			return open(t, blobs.Config{URL: "file://" + dir + "/blobs", Timeout: timeout})
		})
	})
	for name, prefix := range map[string]string{"bucket": "", "bucket with a prefix": "/some/prefix/"} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			server := newS3(t)
			test(t, func(timeout time.Duration) blobs.Store {
				config := server.config("s3://" + bucketName + prefix)
				config.Timeout = timeout
				return open(t, config)
			})
		})
	}
}

func open(tb testing.TB, config blobs.Config) blobs.Store {
	tb.Helper()
	store, err := blobs.Open(tb.Context(), config)
	if err != nil {
		tb.Fatalf("Open: %v", err)
	}
	return store
}

// walk returns the keys below a folder after a key.
func walk(tb testing.TB, s blobs.Store, folder, after string) []string {
	tb.Helper()
	var keys []string
	err := s.Walk(tb.Context(), folder, after, func(key string, _ time.Time) bool {
		keys = append(keys, key)
		return true
	})
	if err != nil {
		tb.Fatalf("Walk: %v", err)
	}
	return keys
}

func put(tb testing.TB, s blobs.Store, key string, value []byte) {
	tb.Helper()
	if err := s.Put(tb.Context(), key, value); err != nil {
		tb.Fatalf("Put %s: %v", key, err)
	}
}

func TestValuesComeBackAsTheyWere(t *testing.T) {
	t.Parallel()
	onEach(t, func(t *testing.T, open func(time.Duration) blobs.Store) {
		a, b := open(0), open(0)
		random := make([]byte, 20<<20)
		_, _ = rand.NewChaCha8([32]byte{1}).Read(random)
		for i, value := range [][]byte{{}, []byte("x"), []byte("\x00\r\n\xff"), bytes.Repeat([]byte("long "), 100_000), random} {
			key := fmt.Sprintf("longhaul/0123456789abcdef/s%02x/job_1/request-%d", i, i)
			put(t, a, key, value)
			for _, s := range []blobs.Store{a, b} {
				if got, err := s.Get(t.Context(), key); err != nil || !bytes.Equal(got, value) {
					t.Errorf("value %d came back with %d bytes, err %v; want %d", i, len(got), err, len(value))
				}
			}
			put(t, b, key, []byte("another"))
			if got, err := a.Get(t.Context(), key); err != nil || string(got) != "another" {
				t.Errorf("replaced value %d is %.20q, err %v", i, got, err)
			}
		}
	})
}

func TestValueThatIsNotThereIsSaidNotToBe(t *testing.T) {
	t.Parallel()
	onEach(t, func(t *testing.T, open func(time.Duration) blobs.Store) {
		s := open(0)
		put(t, s, "a/b/c", []byte("x"))
		for _, key := range []string{"a/b/d", "a/c", "b", "a/b/cc", "a/b/c.x"} {
			if got, err := s.Get(t.Context(), key); got != nil || !errors.Is(err, fs.ErrNotExist) {
				t.Errorf("Get %s = %q, err %v; want it said not to exist", key, got, err)
			}
		}
	})
}

func TestDeleteTakesAllBelowAFolderAndNothingElse(t *testing.T) {
	t.Parallel()
	onEach(t, func(t *testing.T, open func(time.Duration) blobs.Store) {
		s := open(0)
		all := []string{"p/s00/job_1/artifact/a.png", "p/s00/job_1/request", "p/s00/job_1/response-1-ab", "p/s00/job_10/request", "p/s00/job_2/request", "p/s01/job_1/request", "q/s00/job_1/request"}
		for _, key := range all {
			put(t, s, key, []byte(key))
		}
		for range 2 { // the second time there is nothing to delete
			if err := s.Delete(t.Context(), "p/s00/job_1"); err != nil {
				t.Fatalf("Delete: %v", err)
			}
			if diff := cmp.Diff(all[3:6], walk(t, s, "p", "")); diff != "" {
				t.Errorf("keys that are left (-want +got):\n%s", diff)
			}
		}
		for _, folder := range []string{"nowhere", "p/nowhere/job"} {
			if err := s.Delete(t.Context(), folder); err != nil {
				t.Errorf("Delete of nothing: %v", err)
			}
		}
		// The place can be used again.
		put(t, s, "p/s00/job_1/request", []byte("again"))
		if got, err := s.Get(t.Context(), "p/s00/job_1/request"); err != nil || string(got) != "again" {
			t.Errorf("Get = %q, err %v", got, err)
		}
	})
}

func TestWalkVisitsKeysInOrderFromAnyPlace(t *testing.T) {
	t.Parallel()
	onEach(t, func(t *testing.T, open func(time.Duration) blobs.Store) {
		s := open(0)
		// In the order of bytes, in which a slash comes after a hyphen and a dot.
		all := []string{"p/a", "p/a-b/c", "p/a.b", "p/a/b", "p/a/b-c", "p/a/b.c/d", "p/a/b/d", "p/a0", "p/aa/b", "p/b"}
		for _, key := range all {
			if key != "p/a" && key != "p/a/b" { // which cannot be files and folders at once
				put(t, s, key, []byte("x"))
			}
		}
		all = walk(t, s, "p", "")
		if !slices.IsSorted(all) || len(all) != 8 {
			t.Fatalf("keys %v, want eight in order", all)
		}
		for _, after := range append(slices.Clone(all), "a", "p", "p/", "p/a", "p/a-", "p/a/", "p/a/b", "p/a/b/", "p/b0", "q") {
			var want []string
			for _, key := range all {
				if key > after {
					want = append(want, key)
				}
			}
			if diff := cmp.Diff(want, walk(t, s, "p", after)); diff != "" {
				t.Errorf("keys after %q (-want +got):\n%s", after, diff)
			}
		}
		seen := 0
		err := s.Walk(t.Context(), "p", "", func(key string, modified time.Time) bool {
			if age := time.Since(modified); age > time.Hour || age < -time.Hour {
				t.Errorf("%s was written %v ago", key, age)
			}
			seen++
			return seen < 3
		})
		if err != nil || seen != 3 {
			t.Errorf("Walk visited %d keys, err %v; want it to stop after three", seen, err)
		}
		if keys := walk(t, s, "nowhere", ""); len(keys) != 0 {
			t.Errorf("keys %v in a folder that is not there", keys)
		}
	})
}

func TestWalkGoesBeyondAPage(t *testing.T) {
	t.Parallel()
	onEach(t, func(t *testing.T, open func(time.Duration) blobs.Store) {
		s := open(0)
		var want []string
		for i := range 1100 {
			want = append(want, fmt.Sprintf("p/%03d/%d", i/7, i%7))
		}
		var all sync.WaitGroup
		for part := range slices.Chunk(want, 100) {
			all.Go(func() {
				for _, key := range part {
					if err := s.Put(t.Context(), key, []byte("x")); err != nil {
						t.Errorf("Put: %v", err)
					}
				}
			})
		}
		all.Wait()
		if diff := cmp.Diff(want, walk(t, s, "p", "")); diff != "" {
			t.Errorf("keys (-want +got):\n%s", diff)
		}
		if err := s.Delete(t.Context(), "p"); err != nil {
			t.Errorf("Delete: %v", err)
		}
		if keys := walk(t, s, "p", ""); len(keys) != 0 {
			t.Errorf("%d keys are left", len(keys))
		}
	})
}

func TestKeysThatAreNoneAreRefused(t *testing.T) {
	t.Parallel()
	onEach(t, func(t *testing.T, open func(time.Duration) blobs.Store) {
		s := open(0)
		ctx := t.Context()
		put(t, s, "a/b", []byte("x"))
		for _, key := range []string{
			"", "/", "/a", "a/", "a//b", ".", "..", "../a", "a/../b", "a/./b", "a/..", ".put-x", "a/.hidden", "-a", "a b", "a\\b", "a\x00b",
			"ä", "a\nb", "a%2e%2e", strings.Repeat("a", 201), strings.Repeat("a/", 500) + "a",
		} {
			_, err := s.Get(ctx, key)
			for op, err := range map[string]error{
				"Put": s.Put(ctx, key, []byte("y")), "Get": err, "Delete": s.Delete(ctx, key),
				"Walk": s.Walk(ctx, key, "", func(string, time.Time) bool { return true }),
			} {
				if err == nil || errors.Is(err, fs.ErrNotExist) {
					t.Errorf("%s %.30q: err %v, want it refused", op, key, err)
				}
			}
		}
		if diff := cmp.Diff([]string{"a/b"}, walk(t, s, "a", "")); diff != "" {
			t.Errorf("keys (-want +got):\n%s", diff)
		}
	})
}

func TestSameKeyWrittenByManyIsOneOfTheirValues(t *testing.T) {
	t.Parallel()
	onEach(t, func(t *testing.T, open func(time.Duration) blobs.Store) {
		stores := []blobs.Store{open(0), open(0), open(0)}
		put(t, stores[0], "p/job/x", bytes.Repeat([]byte{'z'}, 100_000))
		var all sync.WaitGroup
		for i := range 12 {
			all.Go(func() {
				for range 5 {
					if err := stores[i%3].Put(t.Context(), "p/job/x", bytes.Repeat([]byte{'a' + byte(i)}, 100_000)); err != nil {
						t.Errorf("Put: %v", err)
					}
					got, err := stores[(i+1)%3].Get(t.Context(), "p/job/x")
					if err != nil || len(got) != 100_000 || !bytes.Equal(got, bytes.Repeat(got[:1], 100_000)) {
						t.Errorf("Get: %d bytes, err %v; want one whole value", len(got), err)
					}
				}
			})
		}
		all.Wait()
		if keys := walk(t, stores[0], "p", ""); len(keys) != 1 {
			t.Errorf("keys %v, want one", keys)
		}
	})
}

func TestCheckLeavesNothing(t *testing.T) {
	t.Parallel()
	onEach(t, func(t *testing.T, open func(time.Duration) blobs.Store) {
		s := open(0)
		if err := s.Check(t.Context()); err != nil {
			t.Errorf("Check: %v", err)
		}
		if keys := walk(t, s, "check", ""); len(keys) != 0 {
			t.Errorf("keys %v are left", keys)
		}
	})
}

func TestOperationsEndWithTheirContext(t *testing.T) {
	t.Parallel()
	onEach(t, func(t *testing.T, open func(time.Duration) blobs.Store) {
		s := open(0)
		put(t, s, "p/a", []byte("x"))
		ctx, cancel := context.WithCancelCause(t.Context())
		cause := errors.New("the caller has gone")
		cancel(cause)
		_, err := s.Get(ctx, "p/a")
		for op, err := range map[string]error{
			"Put": s.Put(ctx, "p/b", nil), "Get": err, "Delete": s.Delete(ctx, "p"), "Check": s.Check(ctx),
			"Walk": s.Walk(ctx, "p", "", func(string, time.Time) bool { return true }),
		} {
			if jobs.ClassOf(err) != jobs.ClassUnavailable || !errors.Is(err, cause) {
				t.Errorf("%s: err %v, want the cause of the context's end", op, err)
			}
		}
	})
}
