package results_test

import (
	"context"
	"fmt"
	"io/fs"
	"maps"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/longhaul-jobs/longhaul/jobs"
	"github.com/longhaul-jobs/longhaul/results"
)

// shelf is a blob store in memory whose failures tests choose.
type shelf struct {
	mu     sync.Mutex
	values map[string][]byte
	times  map[string]time.Time
	sorted []string // the keys of times
	puts   int
	fail   error                // of every operation, if not nil
	before func(op, key string) // called before each operation, if not nil
	after  func(op, key string) // called after each that succeeded, if not nil
}

var _ results.Blobs = (*shelf)(nil)

func newShelf() *shelf {
	return &shelf{values: map[string][]byte{}, times: map[string]time.Time{}}
}

// away is the error of a blob store that does not answer.
func away() error {
	return &jobs.Error{Op: "put blob", Failure: jobs.Failure{Class: jobs.ClassUnavailable, Code: "blobs_away", Message: "it is away"}}
}

// set changes how the shelf behaves.
func (s *shelf) set(change func(s *shelf)) {
	s.mu.Lock()
	defer s.mu.Unlock()
	change(s)
}

func (s *shelf) breakDown(err error) { s.set(func(s *shelf) { s.fail = err }) }

// do is one operation.
func (s *shelf) do(op, key string, work func() error) error {
	s.mu.Lock()
	before, after := s.before, s.after
	s.mu.Unlock()
	if before != nil {
		before(op, key)
	}
	s.mu.Lock()
	err := s.fail
	if err == nil {
		err = work()
	}
	s.mu.Unlock()
	if err == nil && after != nil {
		after(op, key)
	}
	return err
}

func (s *shelf) Put(_ context.Context, key string, value []byte) error {
	return s.do("put", key, func() error {
		s.values[key], s.times[key] = slices.Clone(value), time.Now()
		s.puts++
		return nil
	})
}

func (s *shelf) Get(_ context.Context, key string) (value []byte, err error) {
	err = s.do("get", key, func() error {
		v, ok := s.values[key]
		if !ok {
			return fmt.Errorf("get: %w", fs.ErrNotExist)
		}
		value = slices.Clone(v)
		return nil
	})
	return value, err
}

func (s *shelf) Delete(_ context.Context, folder string) error {
	return s.do("delete", folder, func() error {
		keys := s.order()
		first, _ := slices.BinarySearch(keys, folder+"/")
		for _, key := range keys[first:] {
			if !strings.HasPrefix(key, folder+"/") {
				break
			}
			delete(s.values, key)
		}
		return nil
	})
}

func (s *shelf) Walk(_ context.Context, folder, after string, visit func(key string, modified time.Time) bool) error {
	return s.do("list", folder, func() error {
		for _, key := range s.order() {
			_, ok := s.values[key]
			if ok && strings.HasPrefix(key, folder+"/") && key > after && !visit(key, s.times[key]) {
				break
			}
		}
		return nil
	})
}

// order is the keys that there are, or were, in their order.
func (s *shelf) order() []string {
	if len(s.sorted) != len(s.times) {
		s.sorted = slices.Sorted(maps.Keys(s.times))
	}
	return s.sorted
}

func (s *shelf) Check(context.Context) error { return s.do("check", "", func() error { return nil }) }

// keys are the keys of jobs' blobs, without the folder of the installation.
func (s *shelf) keys() []string {
	s.mu.Lock()
	defer s.mu.Unlock()
	var keys []string
	for _, key := range slices.Sorted(maps.Keys(s.values)) {
		if parts := strings.SplitN(key, "/", 3); parts[2] != "installation" {
			keys = append(keys, parts[2])
		}
	}
	return keys
}

// age makes all that is there older.
func (s *shelf) age(by time.Duration) {
	s.set(func(s *shelf) {
		for key := range s.times {
			s.times[key] = s.times[key].Add(-by)
		}
	})
}

// onEachShelf is onEach with a blob store that takes almost everything.
func onEachShelf(t *testing.T, config results.Config, test func(t *testing.T, h *harness, s *shelf)) {
	t.Helper()
	if config.BlobsOver == 0 {
		config.BlobsOver = 1
	}
	// onEach runs the test twice, each time on an installation of its own.
	onEach(t, config, func(t *testing.T, h *harness) {
		s := newShelf()
		h.config.Blobs = s
		test(t, h.another(), s)
	})
}

// sweep is SweepBlobs that must succeed.
func (h *harness) sweep() int {
	h.t.Helper()
	n, err := h.SweepBlobs(h.t.Context(), 1000)
	if err != nil {
		h.t.Fatalf("SweepBlobs: %v", err)
	}
	return n
}

// strays is SweepStrays that must succeed.
func (h *harness) strays() int {
	h.t.Helper()
	n, err := h.SweepStrays(h.t.Context())
	if err != nil {
		h.t.Fatalf("SweepStrays: %v", err)
	}
	return n
}

// notes are the jobs that are gone while their blobs may be there.
func (h *harness) notes() []string {
	h.t.Helper()
	var ids []string
	for key, members := range h.read() {
		if strings.HasSuffix(key, "}:gone") {
			ids = slices.AppendSeq(ids, maps.Keys(members))
		}
	}
	return ids
}

// stored is a field of a job as Redis has it.
func (h *harness) stored(id jobs.ID, field string) []byte {
	h.t.Helper()
	value, err := h.rdb.HGet(h.t.Context(), h.key(id, "job:"+string(id)), field).Bytes()
	if err != nil {
		h.t.Fatalf("read %s of %s: %v", field, id, err)
	}
	return value
}
