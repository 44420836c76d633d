package results_test

import (
	"bytes"
	"context"
	"errors"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/longhaul-jobs/longhaul/internal/redistest"
	"github.com/longhaul-jobs/longhaul/jobs"
	"github.com/longhaul-jobs/longhaul/results"
)

func TestAcceptIsRefusedWhileTheBlobStoreIsAway(t *testing.T) {
	t.Parallel()
	onEachShelf(t, results.Config{}, func(t *testing.T, h *harness, s *shelf) {
		s.breakDown(away())
		_, _, err := h.Accept(t.Context(), request(t, "hello"), jobs.Options{DedupeKey: "k"})
		if f := jobs.FailureOf(err); f.Class != jobs.ClassUnavailable || f.Code != "blobs_away" {
			t.Errorf("err %v, want the blob store said to be away", err)
		}
		h.empty()
		s.breakDown(nil)
		if _, fresh, err := h.Accept(t.Context(), request(t, "hello"), jobs.Options{DedupeKey: "k"}); err != nil || !fresh {
			t.Errorf("Accept when it is back: fresh %t, err %v", fresh, err)
		}
		h.check()
	})
}

// A response has been paid for: while the blob store is away, Redis keeps it.
func TestResponseIsKeptInRedisWhileTheBlobStoreIsAway(t *testing.T) {
	t.Parallel()
	onEachShelf(t, results.Config{MaxInlineBytes: 10_000}, func(t *testing.T, h *harness, s *shelf) {
		first, second := h.in(jobs.StateRunning, jobs.Options{}), h.in(jobs.StateRunning, jobs.Options{})
		body := noise(1, 5000)
		s.breakDown(away())
		h.step(first.ID, jobs.Looked{Reply: completed(t, first.ID, body)})
		tried := h.metric("longhaul_results_blob_operations_total")
		// One that has just failed is not waited for again.
		h.step(second.ID, jobs.Looked{Reply: completed(t, second.ID, body)})
		if got := h.metric("longhaul_results_blob_operations_total"); got != tried {
			t.Errorf("the blob store was tried %v times more", got-tried)
		}
		h.check()
		for _, j := range []jobs.Job{first, second} {
			if got, err := h.Body(t.Context(), j.ID); err != nil || !bytes.Equal(got, body) {
				t.Errorf("body of %d bytes, err %v; want it kept", len(got), err)
			}
		}
		if !strings.Contains(h.log.String(), "response kept in redis") {
			t.Errorf("nothing was logged: %s", h.log)
		}
		s.breakDown(nil)
		h.step(first.ID, jobs.DeleteRequested{})
		if n := h.sweep(); n != 1 {
			t.Errorf("blobs of %d jobs deleted, want those of one", n)
		}
	})
}

// What fits neither is left as it is: the record stays running, and the next
// look brings the response again.
func TestLookIsRepeatedUntilItsResponseCanBeKept(t *testing.T) {
	t.Parallel()
	onEachShelf(t, results.Config{MaxInlineBytes: 1000}, func(t *testing.T, h *harness, s *shelf) {
		j := h.in(jobs.StateRunning, jobs.Options{})
		body := noise(1, 5000)
		s.breakDown(away())
		before := h.claim(time.Millisecond)[j.ID]
		_, err := h.Advance(t.Context(), before, jobs.Looked{Reply: completed(t, j.ID, body)})
		if f := jobs.FailureOf(err); f.Class != jobs.ClassUnavailable || !strings.Contains(err.Error(), string(j.ID)) {
			t.Errorf("err %v, want the blob store said to be away", err)
		}
		if after := h.load(j.ID); after.State != jobs.StateRunning || after.Version != before.Version {
			t.Errorf("the record is %s at version %d, want it as it was", after.State, after.Version)
		}
		h.check()
		s.breakDown(nil)
		h.ShiftClock(3 * time.Second) // the lease runs out
		again, ok := h.claim(time.Minute)[j.ID]
		if !ok {
			t.Fatal("the job is not due again")
		}
		await(t, "the blob store to be tried again", func() bool {
			_, err := h.Advance(t.Context(), again, jobs.Looked{Reply: completed(t, j.ID, body)})
			return err == nil
		})
		if got, err := h.Body(t.Context(), j.ID); err != nil || !bytes.Equal(got, body) {
			t.Errorf("body of %d bytes, err %v", len(got), err)
		}
		h.check()
	})
}

// When a create comes back completed, its id is on record whatever becomes of
// its body.
func TestCreateThatHasEndedIsRecordedWithoutItsEndWhileItsBodyCannotBeKept(t *testing.T) {
	t.Parallel()
	onEachShelf(t, results.Config{MaxInlineBytes: 1000}, func(t *testing.T, h *harness, s *shelf) {
		j := h.in(jobs.StateSubmitting, jobs.Options{})
		body := noise(1, 5000)
		s.breakDown(away())
		j = h.step(j.ID, jobs.Created{Attempt: 1, Reply: completed(t, j.ID, body), FirstLook: h.Now()})
		a, _ := j.CurrentAttempt()
		if j.State != jobs.StateRunning || a.ResponseID != "resp_"+string(j.ID) || a.Outcome != "" {
			t.Errorf("the job is %s with response %q, outcome %q; want it running", j.State, a.ResponseID, a.Outcome)
		}
		h.check()
		if _, due := h.claim(time.Millisecond)[j.ID]; !due {
			t.Error("no look is due")
		}
		s.breakDown(nil)
		await(t, "the blob store to be tried again", func() bool {
			_, err := h.Step(t.Context(), j.ID, jobs.Looked{Reply: completed(t, j.ID, body)})
			return err == nil
		})
		if got, err := h.Body(t.Context(), j.ID); err != nil || !bytes.Equal(got, body) {
			t.Errorf("body of %d bytes, err %v", len(got), err)
		}
		if got := h.load(j.ID); len(got.Attempts) != 1 || got.State != jobs.StateSucceeded {
			t.Errorf("%s with %d attempts", got.State, len(got.Attempts))
		}
		h.check()
	})
}

// A full Redis is no place for what the blob store does not take.
func TestFullRedisKeepsNoResponseForTheBlobStore(t *testing.T) {
	t.Parallel()
	server := redistest.Start(t)
	s := newShelf()
	h := onURL(t, server.URL(), results.Config{Blobs: s, BlobsOver: 1000})
	for _, test := range []struct {
		failure error
		kept    bool
	}{{away(), false}, {nil, true}} {
		j := h.in(jobs.StateRunning, jobs.Options{})
		fresh := h.another() // which has not yet asked how full Redis is
		h.limitMemory(0.95)
		s.breakDown(test.failure)
		_, err := fresh.Step(t.Context(), j.ID, jobs.Looked{Reply: completed(t, j.ID, noise(1, 5000))})
		if test.kept != (err == nil) {
			t.Errorf("blob store %v: err %v", test.failure, err)
		}
		h.check()
		if err := h.rdb.ConfigSet(t.Context(), "maxmemory", "0").Err(); err != nil {
			t.Fatal(err)
		}
	}
}

func TestReadingIsAnErrorWhileTheBlobStoreIsAway(t *testing.T) {
	t.Parallel()
	onEachShelf(t, results.Config{}, func(t *testing.T, h *harness, s *shelf) {
		j := h.in(jobs.StateSucceeded, jobs.Options{})
		s.breakDown(away())
		for _, store := range []*harness{h, h.another()} { // the second knows nothing of the blob store yet
			r, err := store.Request(t.Context(), j)
			body, failure := store.Body(t.Context(), j.ID)
			if r.Raw != nil || body != nil || jobs.ClassOf(err) != jobs.ClassUnavailable || jobs.ClassOf(failure) != jobs.ClassUnavailable {
				t.Errorf("request %q, err %v; body %q, err %v; want the blob store said to be away", r.Raw, err, body, failure)
			}
		}
		if err := h.CheckBlobs(t.Context()); jobs.ClassOf(err) != jobs.ClassUnavailable {
			t.Errorf("CheckBlobs: %v", err)
		}
	})
}

// A reader may have read the reference just before the job goes.
func TestReadingAJobThatGoesMeanwhileFindsNoJob(t *testing.T) {
	t.Parallel()
	onEachShelf(t, results.Config{}, func(t *testing.T, h *harness, s *shelf) {
		j := h.in(jobs.StateSucceeded, jobs.Options{})
		other := h.another()
		var once sync.Once
		s.set(func(s *shelf) {
			s.before = func(op, key string) {
				if op == "get" && strings.Contains(key, string(j.ID)) {
					once.Do(func() { other.step(j.ID, jobs.DeleteRequested{}); other.sweep() })
				}
			}
		})
		if body, err := h.Body(t.Context(), j.ID); body != nil || err != nil {
			t.Errorf("Body = %q, err %v; want neither: the job is gone", body, err)
		}
	})
}

func TestBlobStoreOfAnotherInstallationIsNotUsed(t *testing.T) {
	t.Parallel()
	onEachShelf(t, results.Config{}, func(t *testing.T, h *harness, s *shelf) {
		ctx := context.WithoutCancel(t.Context())
		j := h.in(jobs.StateSucceeded, jobs.Options{})
		if err := h.CheckBlobs(ctx); err != nil {
			t.Fatalf("CheckBlobs: %v", err)
		}
		// A folder of the same name on a machine that does not share it.
		wrong := *h
		wrong.config.Blobs = newShelf()
		other := wrong.another()
		_, err := other.Body(ctx, j.ID)
		_, _, refused := other.Accept(ctx, request(t, "x"), jobs.Options{})
		_, unswept := other.SweepStrays(ctx)
		for _, err := range []error{err, refused, unswept, other.CheckBlobs(ctx)} {
			if f := jobs.FailureOf(err); f.Class != jobs.ClassInvalid || f.Param != "blobs.url" || !strings.Contains(err.Error(), "shared") && !strings.Contains(err.Error(), "mounted") {
				t.Errorf("err %v, want blobs.url named and the likely mistake", err)
			}
		}
		h.step(j.ID, jobs.DeleteRequested{})
		if _, err := other.SweepBlobs(ctx, 10); err == nil {
			t.Error("another store was swept")
		}
		if notes := h.notes(); len(notes) != 1 {
			t.Errorf("notes %v, want the job's kept", notes)
		}
		if len(wrong.config.Blobs.(*shelf).keys()) != 0 { //nolint:errcheck // it is one
			t.Error("something was written to the wrong store")
		}
	})
}

// Processes that start at once agree on one folder.
func TestFolderOfBlobsIsNamedOnce(t *testing.T) {
	t.Parallel()
	onEachShelf(t, results.Config{}, func(t *testing.T, h *harness, s *shelf) {
		stores := make([]*harness, 8)
		for i := range stores {
			stores[i] = h.another()
		}
		var all sync.WaitGroup
		for _, store := range stores {
			all.Go(func() {
				if err := store.CheckBlobs(t.Context()); err != nil {
					t.Errorf("CheckBlobs: %v", err)
				}
			})
		}
		all.Wait()
		if len(s.values) != 1 {
			t.Errorf("%d folders, want one", len(s.values))
		}
	})
}

// A share that is no longer mounted is at fault with the place, and not with the
// blobs: nobody may take them for lost.
func TestBlobsAreNotMissingWhereNoneIs(t *testing.T) {
	t.Parallel()
	onEachShelf(t, results.Config{}, func(t *testing.T, h *harness, s *shelf) {
		j := h.in(jobs.StateSucceeded, jobs.Options{})
		mounted := s.values
		s.set(func(s *shelf) { s.values = map[string][]byte{} })
		_, err := h.Request(t.Context(), j)
		_, failure := h.Body(t.Context(), j.ID)
		for _, err := range []error{err, failure} {
			if f := jobs.FailureOf(err); errors.Is(err, results.ErrBlobMissing) || f.Param != "blobs.url" || !strings.Contains(err.Error(), "mounted") {
				t.Errorf("err %v, want the place named and no blob called missing", err)
			}
		}
		if _, _, err := h.Accept(t.Context(), request(t, "hello"), jobs.Options{}); jobs.FailureOf(err).Param != "blobs.url" {
			t.Errorf("Accept while it is not mounted: %v", err)
		}
		s.set(func(s *shelf) { s.values = mounted })
		if _, err := h.Request(t.Context(), j); err != nil {
			t.Errorf("Request when it is mounted again: %v", err)
		}
		if _, _, err := h.Accept(t.Context(), request(t, "hello"), jobs.Options{}); err != nil {
			t.Errorf("Accept when it is mounted again: %v", err)
		}
	})
}
