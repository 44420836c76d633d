package app_test

import (
	"errors"
	"io/fs"
	"log/slog"
	"math/rand/v2"
	"net/http/httptest"
	"net/url"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/johannesboyne/gofakes3"
	"github.com/johannesboyne/gofakes3/backend/s3mem"

	"github.com/longhaul-jobs/longhaul/client"
	"github.com/longhaul-jobs/longhaul/internal/app"
	"github.com/longhaul-jobs/longhaul/jobs"
	"github.com/longhaul-jobs/longhaul/results/blobs"
)

// noise is text that does not compress well.
func noise(n int) string {
	var b strings.Builder
	for range n {
		_ = b.WriteByte("abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789 ."[rand.IntN(64)]) // never fails
	}
	return b.String()
}

// TestLargeJobLivesInTheBlobStoreAndGoesWithItsRecord takes a job with a large
// request and a large response all the way, in a folder and in a bucket.
//
// Guarantee: G14.
func TestLargeJobLivesInTheBlobStoreAndGoesWithItsRecord(t *testing.T) {
	t.Parallel()
	backend := s3mem.New()
	if err := backend.CreateBucket("jobs"); err != nil {
		t.Fatal(err)
	}
	s3 := httptest.NewServer(gofakes3.New(backend).Server())
	t.Cleanup(s3.Close)
	for name, config := range map[string]blobs.Config{
		"folder": {URL: "file://" + t.TempDir()},
		"bucket": {URL: "s3://jobs/some/prefix?region=r&endpoint=" + url.QueryEscape(s3.URL), AccessKey: "key", SecretKey: "secret"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			w := newWorld(t, quick())
			w.work(
				"LONGHAUL_BLOBS_URL="+config.URL, "LONGHAUL_BLOBS_ACCESS_KEY="+config.AccessKey, "LONGHAUL_BLOBS_SECRET_KEY="+config.SecretKey,
				"LONGHAUL_BLOBS_OVER=100B")
			store, err := blobs.Open(t.Context(), config)
			if err != nil {
				t.Fatal(err)
			}
			c, err := client.Open(t.Context(), client.Config{RedisURL: w.redisURL, Blobs: store, BlobsOver: 100})
			if err != nil {
				t.Fatal(err)
			}
			t.Cleanup(func() { _ = c.Close() })
			s, err := c.Submit(t.Context(), []byte(`{"input":"`+noise(300_000)+`"}`), jobs.Options{})
			if err != nil {
				t.Fatalf("Submit: %v", err)
			}
			j, err := c.Wait(t.Context(), s.Job.ID)
			if err != nil || j.State != jobs.StateSucceeded {
				t.Fatalf("ended as %s, %v, err %v", j.State, j.Failure, err)
			}
			w.account(j)
			if text, err := c.Text(t.Context(), j.ID); err != nil || text == "" {
				t.Errorf("text %.20q, err %v", text, err)
			}
			keys := func() (keys []string) {
				err := store.Walk(t.Context(), "longhaul", "", func(key string, _ time.Time) bool {
					if strings.Contains(key, string(j.ID)) {
						keys = append(keys, key)
					}
					return true
				})
				if err != nil {
					t.Fatalf("Walk: %v", err)
				}
				return keys
			}
			if got := keys(); len(got) != 2 {
				t.Errorf("blobs %v, want the request and the response", got)
			}
			if _, err := c.Delete(t.Context(), j.ID, false); err != nil {
				t.Errorf("Delete: %v", err)
			}
			eventually(t, "its blobs are gone", func() bool { return len(keys()) == 0 })
		})
	}
}

// TestWorkerDoesNotStartWithABlobStoreThatCannotWork wants the setting named.
func TestWorkerDoesNotStartWithABlobStoreThatCannotWork(t *testing.T) {
	t.Parallel()
	s3 := httptest.NewServer(gofakes3.New(s3mem.New()).Server())
	t.Cleanup(s3.Close)
	for name, environ := range map[string][]string{
		"no such bucket": {
			"LONGHAUL_BLOBS_URL=s3://nowhere?region=r&endpoint=" + url.QueryEscape(s3.URL),
			"LONGHAUL_BLOBS_ACCESS_KEY=key", "LONGHAUL_BLOBS_SECRET_KEY=secret",
		},
		"no credentials":      {"LONGHAUL_BLOBS_URL=s3://bucket"},
		"no such style":       {"LONGHAUL_BLOBS_URL=s3://bucket?style=x"},
		"no folder but files": {"LONGHAUL_BLOBS_URL=file:///dev/null/x"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			w := newWorld(t, quick())
			a, err := app.New(t.Context(), app.Options{Config: w.config(environ...), Log: slog.New(slog.DiscardHandler), Version: "test"})
			if err == nil {
				err = a.Run(t.Context())
			}
			if f := jobs.FailureOf(err); f.Class != jobs.ClassInvalid || f.Param != "blobs.url" {
				t.Errorf("err %v, want blobs.url named", err)
			}
		})
	}
}

// TestWorkerStartsWhileItsBlobStoreIsAway because small jobs need none.
func TestWorkerStartsWhileItsBlobStoreIsAway(t *testing.T) {
	t.Parallel()
	s3 := httptest.NewServer(nil)
	s3.Close()
	w := newWorld(t, quick())
	r := w.work("LONGHAUL_BLOBS_URL=s3://bucket?region=r&endpoint="+url.QueryEscape(s3.URL),
		"LONGHAUL_BLOBS_ACCESS_KEY=key", "LONGHAUL_BLOBS_SECRET_KEY=secret", "LONGHAUL_BLOBS_TIMEOUT=200ms").started()
	if !strings.Contains(r.log.String(), "blob store does not answer") {
		t.Error("the log does not say that the blob store is away")
	}
	if j := w.wait(w.submit(question, jobs.Options{})); j.State != jobs.StateSucceeded {
		t.Errorf("ended as %s", j.State)
	}
}

// TestDevKeepsNothingInTheBlobStore because nobody would know what is in it.
func TestDevKeepsNothingInTheBlobStore(t *testing.T) {
	t.Parallel()
	w := newWorld(t, quick())
	dir := filepath.Join(t.TempDir(), "blobs")
	l, err := app.StartDev(t.Context(), w.config("LONGHAUL_BLOBS_URL=file://"+dir, "LONGHAUL_BLOBS_OVER=1B"), slog.New(slog.DiscardHandler))
	if err != nil {
		t.Fatal(err)
	}
	c := client.New(l.Store(), "")
	s, err := c.Submit(t.Context(), []byte(question), jobs.Options{})
	if err != nil {
		t.Fatal(err)
	}
	if _, err := c.Wait(t.Context(), s.Job.ID); err != nil {
		t.Error(err)
	}
	if err := l.Stop(); err != nil {
		t.Error(err)
	}
	if entries, err := filepath.Glob(dir + "/*"); err != nil && !errors.Is(err, fs.ErrNotExist) || len(entries) != 0 {
		t.Errorf("the folder has %v, err %v", entries, err)
	}
}

// A job whose request somebody has removed from the blob store fails without an
// attempt once that is certain; until then one task is enqueued at a time.
//
// Guarantees: G6, G9.
func TestJobWhoseRequestIsGoneFails(t *testing.T) {
	t.Parallel()
	w := newWorld(t, quick())
	dir := t.TempDir()
	store, err := blobs.Open(t.Context(), blobs.Config{URL: "file://" + dir})
	if err != nil {
		t.Fatal(err)
	}
	c, err := client.Open(t.Context(), client.Config{RedisURL: w.redisURL, Blobs: store, BlobsOver: 100})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = c.Close() })
	s, err := c.Submit(t.Context(), []byte(`{"input":"`+noise(3000)+`"}`), jobs.Options{})
	if err != nil {
		t.Fatal(err)
	}
	var key string
	if err := store.Walk(t.Context(), "longhaul", "", func(k string, _ time.Time) bool {
		if strings.Contains(k, string(s.Job.ID)) {
			key = k
		}
		return true
	}); err != nil || key == "" {
		t.Fatalf("the blob of the request: %q, %v", key, err)
	}
	if err := store.Delete(t.Context(), key[:strings.LastIndex(key, "/")]); err != nil {
		t.Fatal(err)
	}
	r := w.work("LONGHAUL_BLOBS_URL=file://"+dir, "LONGHAUL_WATCHDOG_SUBMIT_AFTER=100ms")
	j := w.wait(s.Job.ID)
	if j.State != jobs.StateFailed || j.Failure.Code != "request_missing" || len(j.Attempts) != 0 {
		t.Errorf("%s for %+v after %d attempts", j.State, j.Failure, len(j.Attempts))
	}
	if n := len(w.creates(s.Job.ID)); n != 0 {
		t.Errorf("%d creates", n)
	}
	if n := strings.Count(r.log.String(), "request of a job not read"); n != 10 {
		t.Errorf("tried in vain %d times, want 10", n)
	}
}
