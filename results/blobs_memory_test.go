package results_test

import (
	"bytes"
	"encoding/binary"
	"io/fs"
	"math/rand/v2"
	"path/filepath"
	"testing"
	"time"

	"github.com/longhaul-jobs/longhaul/internal/redistest"
	"github.com/longhaul-jobs/longhaul/jobs"
	"github.com/longhaul-jobs/longhaul/results"
	"github.com/longhaul-jobs/longhaul/results/blobs"
)

// A thousand jobs whose requests and results of a megabyte do not compress leave
// less than 20 MB in Redis, and when they have expired, nothing anywhere.
//
// Guarantee: G14.
func TestThousandJobsOfAMegabyteLeaveLittleInRedisAndThenNothing(t *testing.T) {
	t.Parallel()
	const number, most = 1000, 20_000_000
	dir := t.TempDir()
	store, err := blobs.Open(t.Context(), blobs.Config{URL: "file://" + dir})
	if err != nil {
		t.Fatal(err)
	}
	h := onURL(t, redistest.Start(t).URL(), results.Config{Blobs: store})
	before := h.usedMemory()

	// each does something for every number, several at once.
	each := func(do func(n int) error) {
		t.Helper()
		const workers = 8
		done := together(workers, func(w int) bool {
			for n := w; n < number; n += workers {
				if err := do(n); err != nil {
					t.Error(err)
					return false
				}
			}
			return true
		})
		if done != workers {
			t.FailNow()
		}
	}
	accepted := make([]jobs.Job, number)
	each(func(n int) (err error) {
		options := jobs.Options{Retention: time.Hour, Group: "g"}
		accepted[n], _, err = h.Accept(t.Context(), jobs.Request{Raw: megabyte(uint64(n)), Model: "m"}, options)
		return err
	})
	h.admit()
	each(func(n int) error {
		id := accepted[n].ID
		if _, err := h.Step(t.Context(), id, jobs.SubmitStarted{Attempt: 1}); err != nil {
			return err
		}
		_, err := h.Step(t.Context(), id, jobs.Created{Attempt: 1, Reply: completed(t, id, megabyte(uint64(number+n)))})
		return err
	})
	used := h.usedMemory() - before
	t.Logf("%d jobs of 1 MB take %.2f MB of Redis", number, float64(used)/1e6)
	if used > most {
		t.Errorf("%d jobs of 1 MB take %d bytes of Redis, want at most %d", number, used, most)
	}
	for n := 0; n < number; n += 100 {
		r, err := h.Request(t.Context(), accepted[n])
		body, failure := h.Body(t.Context(), accepted[n].ID)
		if err != nil || failure != nil || !bytes.Equal(r.Raw, megabyte(uint64(n))) || !bytes.Equal(body, megabyte(uint64(number+n))) {
			t.Errorf("job %d: request of %d bytes, err %v; result of %d bytes, err %v", n, len(r.Raw), err, len(body), failure)
		}
	}

	h.ShiftClock(time.Hour + time.Minute)
	if n := h.expire(); n != number {
		t.Errorf("%d jobs expired, want %d", n, number)
	}
	if n := h.sweep(); n != number {
		t.Errorf("blobs of %d jobs deleted, want %d", n, number)
	}
	h.empty()
	var left []string
	err = filepath.WalkDir(dir, func(path string, entry fs.DirEntry, err error) error {
		if err == nil && !entry.IsDir() && entry.Name() != "installation" {
			left = append(left, path)
		}
		return err
	})
	if err != nil || len(left) != 0 {
		t.Errorf("%d files are left, such as %v, err %v", len(left), left[:min(3, len(left))], err)
	}
}

// megabyte is a megabyte that does not compress, another one for each number.
func megabyte(n uint64) []byte {
	var seed [32]byte
	binary.LittleEndian.PutUint64(seed[:], n)
	value := make([]byte, 1_000_000)
	_, _ = rand.NewChaCha8(seed).Read(value) // never fails
	return value
}
