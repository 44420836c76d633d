package results_test

import (
	"bytes"
	"errors"
	"maps"
	"math/rand/v2"
	"slices"
	"strings"
	"sync"
	"testing"

	"github.com/longhaul-jobs/longhaul/jobs"
	"github.com/longhaul-jobs/longhaul/results"
)

// noise are bytes that do not compress.
func noise(seed uint64, n int) []byte {
	value := make([]byte, n)
	r := rand.New(rand.NewPCG(seed, seed))
	for i := range value {
		value[i] = 'A' + byte(r.UintN(64))
	}
	return value
}

// completed is a completed response whose body is the given bytes.
func completed(t *testing.T, id jobs.ID, body []byte) jobs.Reply {
	t.Helper()
	r := reply(t, "resp_"+string(id), jobs.StatusCompleted)
	r.Response.Raw = body
	return r
}

func TestLargeValuesGoToTheBlobStoreAndSmallOnesDoNot(t *testing.T) {
	t.Parallel()
	config := results.Config{CompressBytes: 1000, BlobsOver: 2000, MaxInlineBytes: 100_000}
	onEachShelf(t, config, func(t *testing.T, h *harness, s *shelf) {
		for _, test := range []struct {
			name  string
			value []byte
			blob  bool
		}{
			{"small", noise(1, 900), false},
			{"large", noise(2, 5000), true},
			{"large and beyond what is kept in Redis", noise(3, 500_000), true},
			{"small after compression", bytes.Repeat([]byte("a"), 500_000), false},
		} {
			before := len(s.keys())
			j, _, err := h.Accept(t.Context(), jobs.Request{Raw: test.value, Model: "m"}, jobs.Options{})
			if err != nil {
				t.Fatalf("%s: %v", test.name, err)
			}
			h.admit()
			h.step(j.ID, jobs.SubmitStarted{Attempt: 1})
			h.step(j.ID, jobs.Created{Attempt: 1, Reply: completed(t, j.ID, test.value)})
			h.check()
			if got := len(s.keys()) - before; test.blob != (got == 2) || !test.blob != (got == 0) {
				t.Errorf("%s: %d blobs were written", test.name, got)
			}
			for _, field := range []string{"request", "body"} {
				if stored := h.stored(j.ID, field); test.blob && len(stored) > 200 || len(stored) > 2000 {
					t.Errorf("%s: %s has %d bytes in Redis", test.name, field, len(stored))
				}
			}
			h.holds(j, test.value)
		}
		for _, key := range s.keys() {
			parts := strings.Split(key, "/")
			id, err := jobs.ParseID(parts[1])
			if err != nil || len(parts) != 3 || h.base(id) != parts[0] || parts[2] != "request" && !strings.HasPrefix(parts[2], "response-1-") {
				t.Errorf("key %s is not under its job", key)
			}
		}
	})
}

// base is the folder of the shard of a job.
func (h *harness) base(id jobs.ID) string {
	_, shard, _ := strings.Cut(h.key(id, ""), "{")
	shard, _, _ = strings.Cut(shard, "}")
	return shard
}

// holds fails the test unless request and result are the given bytes.
func (h *harness) holds(j jobs.Job, value []byte) {
	h.t.Helper()
	if r, err := h.Request(h.t.Context(), j); err != nil || !bytes.Equal(r.Raw, value) {
		h.t.Errorf("request came back with %d bytes, err %v; want %d", len(r.Raw), err, len(value))
	}
	if body, err := h.Body(h.t.Context(), j.ID); err != nil || !bytes.Equal(body, value) {
		h.t.Errorf("response came back with %d bytes, err %v; want %d", len(body), err, len(value))
	}
}

// What a caller or a provider sends may look like what the store writes itself.
func TestHostileValuesAreNotTakenForReferences(t *testing.T) {
	t.Parallel()
	onEachShelf(t, results.Config{CompressBytes: 10_000, BlobsOver: 10_000}, func(t *testing.T, h *harness, s *shelf) {
		victim, _, err := h.Accept(t.Context(), jobs.Request{Raw: noise(1, 50_000), Model: "m"}, jobs.Options{})
		if err != nil {
			t.Fatal(err)
		}
		reference := h.stored(victim.ID, "request")
		if len(s.keys()) != 1 {
			t.Fatalf("blobs %v, want the victim's", s.keys())
		}
		for name, value := range map[string][]byte{
			"the reference of another job":  reference,
			"a reference that is cut":       reference[:len(reference)-3],
			"a reference with more to it":   append(slices.Clone(reference), noise(2, 30_000)...),
			"the mark of a reference":       []byte("\x00blob "),
			"a reference to a parent":       []byte("\x00blob 3 " + strings.Repeat("00", 32) + " ../../x"),
			"zero bytes":                    make([]byte, 100),
			"a compressed reference":        append([]byte{0x28, 0xb5, 0x2f, 0xfd}, reference...),
			"what only begins as one":       []byte("\x00blo"),
			"a large one that begins as it": append([]byte("\x00blob "), noise(3, 90_000)...),
		} {
			j, _, err := h.Accept(t.Context(), jobs.Request{Raw: value, Model: "m"}, jobs.Options{})
			if err != nil {
				t.Fatalf("%s: %v", name, err)
			}
			h.admit()
			h.step(j.ID, jobs.SubmitStarted{Attempt: 1})
			h.step(j.ID, jobs.Created{Attempt: 1, Reply: completed(t, j.ID, value)})
			h.holds(j, value)
			if t.Failed() {
				t.Fatalf("failed with %s", name)
			}
		}
		h.check()
	})
}

func TestMissingOrAlteredBlobIsAnErrorThatNamesTheJob(t *testing.T) {
	t.Parallel()
	onEachShelf(t, results.Config{}, func(t *testing.T, h *harness, s *shelf) {
		ctx := t.Context()
		j := h.in(jobs.StateSucceeded, jobs.Options{})
		whole := map[string][]byte{}
		s.set(func(s *shelf) {
			maps.Copy(whole, s.values)
		})
		for name, alter := range map[string]func(s *shelf, key string){
			"missing": func(s *shelf, key string) { delete(s.values, key) },
			"cut":     func(s *shelf, key string) { s.values[key] = s.values[key][:3] },
			"another": func(s *shelf, key string) {
				s.values[key] = bytes.Repeat([]byte("x"), len(s.values[key]))
			},
			"empty": func(s *shelf, key string) { s.values[key] = nil },
		} {
			s.set(func(s *shelf) {
				for key, value := range whole {
					s.values[key] = value
					if !strings.HasSuffix(key, "/installation") {
						alter(s, key)
					}
				}
			})
			request, err := h.Request(ctx, j)
			body, failure := h.Body(ctx, j.ID)
			_, load, err2 := h.LoadWithRequest(ctx, j.ID)
			if err2 == nil {
				_, err2 = load(ctx)
			}
			for _, err := range []error{err, failure, err2} {
				if !errors.Is(err, results.ErrBlobMissing) || !strings.Contains(err.Error(), string(j.ID)) {
					t.Errorf("%s: err %v, want the blob of %s said to be missing", name, err, j.ID)
				}
			}
			if request.Raw != nil || body != nil {
				t.Errorf("%s: request %q, body %q came back all the same", name, request.Raw, body)
			}
		}
	})
}

func TestReferenceThatCannotBeReadIsAnError(t *testing.T) {
	t.Parallel()
	onEachShelf(t, results.Config{}, func(t *testing.T, h *harness, _ *shelf) {
		j := h.in(jobs.StateSucceeded, jobs.Options{})
		good := h.stored(j.ID, "body")
		sum := strings.Repeat("ab", 32)
		for _, bad := range [][]byte{
			[]byte("\x00blob "), good[:len(good)-1], append(slices.Clone(good), ' '), []byte("\x00blob 5 " + sum + " "),
			[]byte("\x00blob -5 " + sum + " request"), []byte("\x00blob 5 " + sum[2:] + " request"),
			[]byte("\x00blob 5 " + sum + "00 request"), []byte("\x00blob 05 " + sum + " request"),
			[]byte("\x00blob 5 " + sum + " request "), []byte("\x00blob 5\n" + sum + " request"),
			[]byte("\x00blob 99999999999999999999 " + sum + " request"), []byte("\x00blob 5 " + sum + " ../request"),
			[]byte("\x00blob 5 " + sum + " a/../../" + string(j.ID)),
		} {
			h.rdb.HSet(t.Context(), h.key(j.ID, "job:"+string(j.ID)), "body", bad)
			if body, err := h.Body(t.Context(), j.ID); !errors.Is(err, results.ErrUnreadable) && !errors.Is(err, results.ErrBlobMissing) || body != nil || !strings.Contains(err.Error(), string(j.ID)) {
				t.Errorf("reference %q: body %q, err %v; want one that says what is wrong, and names the job", bad, body, err)
			}
		}
	})
}

func TestProcessWithoutABlobStoreSaysWhatToSet(t *testing.T) {
	t.Parallel()
	onEachShelf(t, results.Config{}, func(t *testing.T, h *harness, _ *shelf) {
		j := h.in(jobs.StateSucceeded, jobs.Options{})
		without := *h
		without.config.Blobs = nil
		other := without.another()
		_, err := other.Request(t.Context(), j)
		_, failure := other.Body(t.Context(), j.ID)
		for _, err := range []error{err, failure} {
			if f := jobs.FailureOf(err); f.Param != "blobs.url" || !strings.Contains(err.Error(), string(j.ID)) {
				t.Errorf("err %v, want blobs.url named, and the job", err)
			}
		}
		if n := other.sweep() + other.strays(); n != 0 {
			t.Errorf("swept %d without a blob store", n)
		}
		if err := other.CheckBlobs(t.Context()); err != nil {
			t.Errorf("CheckBlobs without a blob store: %v", err)
		}
		// It removes records all the same, and leaves the blobs to the others.
		other.step(j.ID, jobs.DeleteRequested{})
		if notes := h.notes(); len(notes) != 1 || notes[0] != string(j.ID) {
			t.Errorf("notes %v, want one of the job", notes)
		}
	})
}

func TestWithoutABlobStoreLargeRequestsAreRefusedAndResponsesKept(t *testing.T) {
	t.Parallel()
	onEach(t, results.Config{MaxInlineBytes: 50_000}, func(t *testing.T, h *harness) {
		_, _, err := h.Accept(t.Context(), jobs.Request{Raw: noise(1, 200_000), Model: "m"}, jobs.Options{})
		f := jobs.FailureOf(err)
		if f.Class != jobs.ClassInvalid || f.Param != "request" || !strings.Contains(err.Error(), "blobs.url") || !strings.Contains(err.Error(), "50000") {
			t.Errorf("err %v, want the request refused, the cap and blobs.url named", err)
		}
		h.empty()
		// After compression it is small.
		if _, _, err := h.Accept(t.Context(), jobs.Request{Raw: bytes.Repeat([]byte("a"), 200_000), Model: "m"}, jobs.Options{}); err != nil {
			t.Errorf("a request that compresses well: %v", err)
		}
		// A response has been paid for.
		j := h.in(jobs.StateRunning, jobs.Options{})
		body := noise(2, 3_000_000)
		h.step(j.ID, jobs.Looked{Reply: completed(t, j.ID, body)})
		if got, err := h.Body(t.Context(), j.ID); err != nil || !bytes.Equal(got, body) {
			t.Errorf("response came back with %d bytes, err %v", len(got), err)
		}
		h.check()
	})
}

func TestDuplicatesLeaveTheFirstJobItsBlobAndNoneOfTheirOwn(t *testing.T) {
	t.Parallel()
	onEachShelf(t, results.Config{}, func(t *testing.T, h *harness, s *shelf) {
		ctx := t.Context()
		stores := []*harness{h, h.another(), h.another()}
		big, other := jobs.Request{Raw: noise(1, 5000), Model: "m"}, jobs.Request{Raw: noise(2, 5000), Model: "m"}
		for _, key := range []string{"a", "b", "c"} {
			// All of them see no job, and write their blobs, before any is accepted.
			var gate sync.WaitGroup
			gate.Add(15)
			s.set(func(s *shelf) {
				s.after = func(op, key string) {
					if op == "put" && strings.HasSuffix(key, "/request") {
						gate.Done()
						gate.Wait()
					}
				}
			})
			var mu sync.Mutex
			var winner jobs.Job
			fresh := together(15, func(i int) bool {
				r := big
				if i%5 == 4 {
					r = other
				}
				j, fresh, err := stores[i%3].Accept(ctx, r, jobs.Options{DedupeKey: key})
				if _, conflict := errors.AsType[*jobs.ConflictError](err); err != nil && !conflict {
					t.Errorf("Accept: %v", err)
				}
				mu.Lock()
				defer mu.Unlock()
				if fresh {
					winner = j
				}
				return fresh
			})
			s.set(func(s *shelf) { s.after = nil })
			if fresh != 1 {
				t.Fatalf("%d new jobs, want one", fresh)
			}
			if r, err := h.Request(ctx, winner); err != nil || r.Digest() != winner.RequestDigest {
				t.Errorf("request of the winner: %d bytes, err %v", len(r.Raw), err)
			}
		}
		if keys := s.keys(); len(keys) != 3 {
			t.Errorf("blobs %v, want those of three jobs", keys)
		}
		h.check()

		// A later one is known without its request being sent.
		puts := s.puts
		if _, fresh, err := h.Accept(ctx, jobs.Request{Raw: noise(3, 5000), Model: "m"}, jobs.Options{DedupeKey: "a"}); fresh || err == nil {
			t.Errorf("another request under a key: fresh %t, err %v; want a conflict", fresh, err)
		}
		first, fresh1, err1 := h.Accept(ctx, jobs.Request{Raw: noise(9, 5000), Model: "m"}, jobs.Options{DedupeKey: "new"})
		again, fresh2, err2 := h.Accept(ctx, jobs.Request{Raw: noise(9, 5000), Model: "m"}, jobs.Options{DedupeKey: "new"})
		if !fresh1 || fresh2 || errors.Join(err1, err2) != nil || first.ID != again.ID || s.puts != puts+1 {
			t.Errorf("submitted twice: %s, %s, fresh %t, %t, %d puts, err %v", first.ID, again.ID, fresh1, fresh2, s.puts-puts, errors.Join(err1, err2))
		}
	})
}

func TestLostAnswersWithBlobs(t *testing.T) {
	t.Parallel()
	onEachShelf(t, results.Config{}, func(t *testing.T, h *harness, s *shelf) {
		h.loser.loseNext(nil)
		j := h.accept(jobs.Options{DedupeKey: "k"})
		h.admit()
		h.step(j.ID, jobs.SubmitStarted{Attempt: 1})
		h.loser.loseNext(nil)
		body := noise(1, 3000)
		h.step(j.ID, jobs.Created{Attempt: 1, Reply: completed(t, j.ID, body)})
		if h.loser.count() != 2 {
			t.Fatalf("%d answers were lost, want 2", h.loser.count())
		}
		if got, err := h.Body(t.Context(), j.ID); err != nil || !bytes.Equal(got, body) || len(s.keys()) != 2 {
			t.Errorf("body of %d bytes, err %v, blobs %v", len(got), err, s.keys())
		}
		h.check()
	})
}

// An error does not say that nothing was stored: the answer may have been lost
// for good, and then the job needs its request.
func TestBlobIsKeptWhenNobodyKnowsWhetherItsJobWasAccepted(t *testing.T) {
	t.Parallel()
	onEachShelf(t, results.Config{}, func(t *testing.T, h *harness, s *shelf) {
		if err := h.CheckBlobs(t.Context()); err != nil {
			t.Fatal(err)
		}
		h.loser.loseAll(true)
		if _, _, err := h.Accept(t.Context(), request(t, "hello"), jobs.Options{}); err == nil {
			t.Fatal("Accept without an answer: no error")
		}
		h.loser.loseAll(false)
		ids := h.pages(results.Filter{}, nil)
		if len(ids) != 1 {
			t.Fatalf("jobs %v, want the one whose answer was lost", ids)
		}
		if _, err := h.Request(t.Context(), h.load(ids[0])); err != nil {
			t.Errorf("Request: %v", err)
		}
		h.check()
	})
}
