package results_test

import (
	"context"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/longhaul-jobs/longhaul/internal/redistest"
	"github.com/longhaul-jobs/longhaul/jobs"
	"github.com/longhaul-jobs/longhaul/results"
)

// Guarantee: G14.
func TestExpiredJobsTheirIndexesAndTheirBlobsAreGone(t *testing.T) {
	t.Parallel()
	onEachShelf(t, results.Config{}, func(t *testing.T, h *harness, s *shelf) {
		for _, state := range jobs.States() {
			if state.Terminal() {
				h.in(state, jobs.Options{Retention: time.Hour, Group: "g", Lane: "l:" + string(state), DedupeKey: string(state)})
			}
		}
		for _, step := range []struct {
			shift         time.Duration
			expired, gone int
		}{{59 * time.Minute, 0, 0}, {2 * time.Minute, 5, 5}, {0, 0, 0}} {
			h.ShiftClock(step.shift)
			if n := h.expire(); n != step.expired {
				t.Errorf("%d jobs forgotten, want %d", n, step.expired)
			}
			h.check()
			if n := h.sweep(); n != step.gone {
				t.Errorf("blobs of %d jobs deleted, want %d", n, step.gone)
			}
		}
		h.empty()
		if keys := s.keys(); len(keys) != 0 {
			t.Errorf("blobs %v are left", keys)
		}
	})
}

// Guarantee: G14.
func TestBlobsOfARetriedJobGoWithTheJob(t *testing.T) {
	t.Parallel()
	onEachShelf(t, results.Config{}, func(t *testing.T, h *harness, s *shelf) {
		j := h.in(jobs.StateIncomplete, jobs.Options{})
		h.step(j.ID, jobs.RetryRequested{})
		if body, err := h.Body(t.Context(), j.ID); err != nil || body != nil {
			t.Errorf("retried job has body %q, err %v", body, err)
		}
		h.check()
		h.admit()
		h.step(j.ID, jobs.SubmitStarted{Attempt: 2})
		h.step(j.ID, jobs.CreateFailed{Attempt: 2, Failure: jobs.Failure{Class: jobs.ClassInvalid}})
		h.step(j.ID, jobs.DeleteRequested{})
		h.gone(j.ID)
		if n := h.sweep(); n != 1 || len(s.keys()) != 0 {
			t.Errorf("blobs of %d jobs deleted, %v are left", n, s.keys())
		}
		h.empty()
	})
}

// A job is marked even if only its response has a blob, or if its request had one
// and nothing else does.
func TestBlobOfAResponseAloneIsFound(t *testing.T) {
	t.Parallel()
	onEachShelf(t, results.Config{BlobsOver: 1000}, func(t *testing.T, h *harness, s *shelf) {
		j := h.in(jobs.StateRunning, jobs.Options{})
		h.step(j.ID, jobs.Looked{Reply: completed(t, j.ID, noise(1, 3000))})
		plain := h.in(jobs.StateSucceeded, jobs.Options{})
		if keys := s.keys(); len(keys) != 1 {
			t.Fatalf("blobs %v, want one", keys)
		}
		h.step(j.ID, jobs.DeleteRequested{})
		h.step(plain.ID, jobs.DeleteRequested{})
		if notes := h.notes(); len(notes) != 1 || notes[0] != string(j.ID) {
			t.Errorf("notes %v, want that of the job with a blob", notes)
		}
		h.sweep()
		h.empty()
		if keys := s.keys(); len(keys) != 0 {
			t.Errorf("blobs %v are left", keys)
		}
	})
}

func TestBlobsThatCannotBeDeletedAreTriedAgain(t *testing.T) {
	t.Parallel()
	onEachShelf(t, results.Config{}, func(t *testing.T, h *harness, s *shelf) {
		ctx := t.Context()
		for range 40 {
			j := h.in(jobs.StateFailed, jobs.Options{})
			h.step(j.ID, jobs.DeleteRequested{})
		}
		s.breakDown(away())
		deletes := 0
		s.set(func(s *shelf) {
			s.before = func(op, _ string) {
				s.set(func(*shelf) {
					if op == "delete" {
						deletes++
					}
				})
			}
		})
		if n, err := h.SweepBlobs(ctx, 1000); n != 0 || jobs.ClassOf(err) != jobs.ClassUnavailable {
			t.Errorf("SweepBlobs = %d, err %v; want the blob store said to be away", n, err)
		}
		if deletes > 16 {
			t.Errorf("%d jobs were tried at a store that is away", deletes)
		}
		s.breakDown(nil)
		if n := h.sweep(); n != 0 || len(h.notes()) != 40 {
			t.Errorf("%d jobs done while they are leased, %d notes", n, len(h.notes()))
		}
		h.ShiftClock(2 * time.Minute)
		if n, err := h.SweepBlobs(ctx, 1); n == 0 || n > h.Shards() || err != nil {
			t.Errorf("SweepBlobs = %d, err %v; want at most one of each shard", n, err)
		}
		h.sweep()
		h.empty()
		if keys := s.keys(); len(keys) != 0 {
			t.Errorf("blobs %v are left", keys)
		}
	})
}

// A crash after the blobs of a job were deleted and before its note is removed
// has the work done again.
func TestSweepThatIsCutShortIsDoneAgain(t *testing.T) {
	t.Parallel()
	onEachShelf(t, results.Config{}, func(t *testing.T, h *harness, s *shelf) {
		j := h.in(jobs.StateSucceeded, jobs.Options{})
		h.step(j.ID, jobs.DeleteRequested{})
		ctx, crash := context.WithCancel(t.Context())
		s.set(func(s *shelf) { s.after = func(op, _ string) { crash() } })
		if _, err := h.SweepBlobs(ctx, 10); err == nil {
			t.Error("SweepBlobs after its end: no error")
		}
		s.set(func(s *shelf) { s.after = nil })
		if len(s.keys()) != 0 || len(h.notes()) != 1 {
			t.Fatalf("blobs %v, notes %v; want the note alone", s.keys(), h.notes())
		}
		h.ShiftClock(2 * time.Minute)
		if n := h.sweep(); n != 1 {
			t.Errorf("%d jobs done, want 1", n)
		}
		h.empty()
	})
}

// A crash between the blob of a request and its record leaves a stray.
func TestStrayBlobsAreDeletedAfterADay(t *testing.T) {
	t.Parallel()
	onEachShelf(t, results.Config{}, func(t *testing.T, h *harness, s *shelf) {
		ctx, crash := context.WithCancel(t.Context())
		kept := h.in(jobs.StateSucceeded, jobs.Options{})
		s.set(func(s *shelf) {
			s.after = func(op, key string) {
				if op == "put" && strings.HasSuffix(key, "/request") {
					crash()
				}
			}
		})
		if _, _, err := h.Accept(ctx, request(t, "hello"), jobs.Options{}); err == nil {
			t.Fatal("Accept after its end: no error")
		}
		s.set(func(s *shelf) { s.after = nil })
		if n := len(s.keys()); n != 3 {
			t.Fatalf("%d blobs, want two and the stray", n)
		}
		if n := h.strays(); n != 0 || len(s.keys()) != 3 {
			t.Errorf("strays of %d jobs deleted at once", n)
		}
		h.ShiftClock(23 * time.Hour)
		if n := h.strays(); n != 0 || len(s.keys()) != 3 {
			t.Errorf("strays of %d jobs deleted before a day is over", n)
		}
		h.ShiftClock(2 * time.Hour)
		if n := h.strays(); n != 1 || len(s.keys()) != 2 {
			t.Errorf("strays of %d jobs deleted, %v are left", n, s.keys())
		}
		if body, err := h.Body(t.Context(), kept.ID); err != nil || body == nil {
			t.Errorf("the blob of a job with a record is gone: %v", err)
		}
		h.check()
	})
}

func TestResponseOfAJobThatIsGoneLeavesNoBlob(t *testing.T) {
	t.Parallel()
	onEachShelf(t, results.Config{}, func(t *testing.T, h *harness, s *shelf) {
		j := h.in(jobs.StateRunning, jobs.Options{})
		if _, err := h.Remove(t.Context(), j); err != nil {
			t.Fatal(err)
		}
		h.sweep()
		if _, err := h.Advance(t.Context(), j, jobs.Looked{Reply: completed(t, j.ID, noise(1, 100))}); err == nil {
			t.Error("a look at a job that is gone was recorded")
		}
		if keys := s.keys(); len(keys) != 0 {
			t.Errorf("blobs %v are left", keys)
		}
	})
}

func TestRequestThatAFullRedisRefusesLeavesNoBlob(t *testing.T) {
	t.Parallel()
	server := redistest.Start(t)
	s := newShelf()
	h := onURL(t, server.URL(), results.Config{Blobs: s, BlobsOver: 1})
	h.accept(jobs.Options{}) // the store has asked how full Redis is
	before := len(s.keys())
	if err := server.Client(t).ConfigSet(t.Context(), "maxmemory", "1").Err(); err != nil {
		t.Fatal(err)
	}
	_, _, err := h.Accept(t.Context(), request(t, "hello"), jobs.Options{})
	if f := jobs.FailureOf(err); f.Code != "redis_full" {
		t.Errorf("err %v, want Redis said to be full", err)
	}
	if n := len(s.keys()); n != before || s.puts != before+2 {
		t.Errorf("%d blobs after %d puts, want the %d of the job before", n, s.puts, before)
	}
	h.check()
}

// The search goes through all blobs in parts, once a day, and one process at a
// time.
func TestSearchForStraysGoesOnWhereItWas(t *testing.T) {
	t.Parallel()
	onEachShelf(t, results.Config{Shards: 4}, func(t *testing.T, h *harness, s *shelf) {
		if err := h.CheckBlobs(t.Context()); err != nil {
			t.Fatal(err)
		}
		folder := h.prefix() + "/" + h.rdb.HGet(t.Context(), h.prefix()+":{meta}:installation", "blobs").Val()
		const strays = 12_000
		s.set(func(s *shelf) {
			put := func(key string) { s.values[key], s.times[key] = []byte("x"), time.Now() }
			for i := range strays {
				id := jobs.NewID(h.Now(), i%4)
				put(fmt.Sprintf("%s/%s/%s/request", folder, h.base(id), id))
			}
			// None of these is a stray of ours.
			put(h.prefix() + "/0123456789abcdef/s00/" + string(jobs.NewID(h.Now(), 0)) + "/request")
			put(folder + "/s00/readme")
			put(folder + "/s00/" + string(jobs.NewID(h.Now(), 1)) + "/request") // in another's shard
			put(folder + "/s00/job_x/request")
			put(folder + "/sff/" + string(jobs.NewID(h.Now(), 255)) + "/request") // in a shard that there is not
		})
		s.age(48 * time.Hour)
		found := 0
		for range 5 {
			found += h.strays()
			found += h.another().strays()
		}
		if found != strays || len(s.keys()) != 5 {
			t.Errorf("strays of %d jobs deleted, want %d; left are %d blobs", found, strays, len(s.keys()))
		}
		stray := folder + "/s00/" + string(jobs.NewID(h.Now(), 0)) + "/request"
		s.set(func(s *shelf) { s.values[stray], s.times[stray] = []byte("x"), time.Time{} })
		if n := h.strays(); n != 0 {
			t.Error("the search did not rest")
		}
		h.ShiftClock(25 * time.Hour)
		if n := h.strays(); n != 1 {
			t.Errorf("strays of %d jobs deleted a day later, want 1", n)
		}
	})
}

func TestSearchForStraysThatFailsIsMadeAgain(t *testing.T) {
	t.Parallel()
	onEachShelf(t, results.Config{}, func(t *testing.T, h *harness, s *shelf) {
		j := h.in(jobs.StateSucceeded, jobs.Options{})
		h.rdb.Del(t.Context(), h.key(j.ID, "job:"+string(j.ID)))
		s.age(48 * time.Hour)
		s.set(func(s *shelf) {
			s.before = func(op, _ string) {
				if op == "delete" {
					s.breakDown(away())
				}
			}
		})
		if n, err := h.SweepStrays(t.Context()); err == nil || n != 0 {
			t.Errorf("SweepStrays = %d, err %v; want the blob store said to be away", n, err)
		}
		s.set(func(s *shelf) { s.before, s.fail = nil, nil })
		if n := h.strays(); n != 0 {
			t.Error("the search goes on while it is leased")
		}
		h.ShiftClock(10 * time.Minute)
		if n := h.strays(); n != 1 || len(s.keys()) != 0 {
			t.Errorf("strays of %d jobs deleted, %v are left", n, s.keys())
		}
	})
}
