package results_test

import (
	"fmt"
	"testing"
	"time"

	"github.com/longhaul-jobs/longhaul/results"
)

// TestBlobsAgreeWithTheRecordsWhateverHappens plays as the test of the keys does,
// with a blob store that takes everything and fails now and then.
func TestBlobsAgreeWithTheRecordsWhateverHappens(t *testing.T) {
	t.Parallel()
	for seed := range uint64(2) {
		t.Run(fmt.Sprint("seed ", seed), func(t *testing.T) {
			t.Parallel()
			onEachShelf(t, results.Config{Shards: 2}, func(t *testing.T, h *harness, s *shelf) {
				playWithBlobs(t, h, s, seed)
			})
		})
	}
}

// playWithBlobs wants that whatever a record says that it has can be read, and
// that nothing is left when all jobs are gone.
func playWithBlobs(t *testing.T, h *harness, s *shelf, seed uint64) {
	t.Helper()
	const operations = 300
	p := newPlayer(h, seed)
	for n := range operations {
		if p.random.IntN(8) == 0 {
			h.loser.loseNext(nil)
		}
		if p.random.IntN(10) == 0 {
			s.breakDown(choose(p, nil, nil, away()))
		}
		if p.random.IntN(10) == 0 {
			_, err := p.SweepBlobs(t.Context(), 2)
			p.report(err)
			_, err = p.SweepStrays(t.Context())
			p.report(err)
		}
		p.play()
		if t.Failed() {
			t.Fatalf("operation %d, %s", n, p.last)
		}
	}
	s.breakDown(nil)
	h.check()
	read := 0
	for _, id := range h.pages(results.Filter{Limit: 1000}, nil) {
		j := h.load(id)
		if r, err := h.Request(t.Context(), j); err != nil || r.Digest() != j.RequestDigest {
			t.Errorf("request of %s: %d bytes, err %v", id, len(r.Raw), err)
		}
		body, err := h.Body(t.Context(), id)
		if err != nil || (body != nil) != (j.Result != nil) || j.Result != nil && len(body) != j.Result.Bytes {
			t.Errorf("result of %s: %d bytes, err %v", id, len(body), err)
		}
		read++
	}
	if read < 3 || len(s.keys()) < 5 || p.done < operations/4 {
		t.Errorf("%d jobs, %d blobs, %d operations that changed something: too few to tell anything", read, len(s.keys()), p.done)
	}
	p.end()
	h.ShiftClock(2 * time.Minute)
	h.sweep()
	if notes := h.notes(); len(notes) != 0 {
		t.Errorf("notes %v are left", notes)
	}
	if keys := s.keys(); len(keys) != 0 {
		t.Errorf("blobs %v are left", keys)
	}
	h.rdb.Del(t.Context(), h.prefix()+":{meta}:round")
	h.empty()
}
