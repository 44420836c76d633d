package results_test

import (
	"fmt"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/longhaul-jobs/longhaul/internal/redistest"
	"github.com/longhaul-jobs/longhaul/jobs"
	"github.com/longhaul-jobs/longhaul/results"
)

func BenchmarkAccept(b *testing.B) {
	for _, size := range []int{100, 10_000, 1_000_000} {
		b.Run(fmt.Sprintf("%d bytes", size), func(b *testing.B) {
			h := onRedis(b, results.Config{})
			r := request(b, strings.Repeat("lorem ipsum ", size/12))
			b.ReportAllocs()
			for b.Loop() {
				if _, _, err := h.Accept(b.Context(), r, jobs.Options{}); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}

// BenchmarkStep is a read of a record, a transition and its write.
func BenchmarkStep(b *testing.B) {
	h := onRedis(b, results.Config{})
	j := h.in(jobs.StateFailed, jobs.Options{})
	failed := jobs.StopRequested{Reason: jobs.StopCancel}
	b.ReportAllocs()
	for b.Loop() {
		h.step(j.ID, jobs.RetryRequested{})
		h.step(j.ID, failed)
	}
	b.ReportMetric(float64(b.Elapsed().Microseconds())/float64(2*b.N), "µs/step")
}

// BenchmarkLook is what a look at a running job costs the store: its part of a
// claim and of a settlement, of 160 jobs together.
func BenchmarkLook(b *testing.B) {
	h := onRedis(b, results.Config{})
	const running = 160
	for range running {
		h.in(jobs.StateRunning, jobs.Options{})
	}
	b.ReportAllocs()
	for b.Loop() {
		due := h.claim(time.Minute)
		if len(due) != running {
			b.Fatalf("%d jobs claimed", len(due))
		}
		settlements := make([]results.Settlement, 0, running)
		for _, j := range due {
			settlements = append(settlements, results.Settlement{Job: j, Due: h.Now().Add(-time.Millisecond), Looks: &jobs.Looks{Count: 1}})
		}
		h.settle(settlements...)
	}
	b.ReportMetric(float64(b.Elapsed().Microseconds())/float64(running*b.N), "µs/look")
}

func BenchmarkClaimNothing(b *testing.B) {
	h := onRedis(b, results.Config{})
	for range 1000 {
		h.accept(jobs.Options{})
	}
	b.ReportAllocs()
	for b.Loop() {
		h.claim(time.Minute)
	}
}

func BenchmarkList(b *testing.B) {
	h := onRedis(b, results.Config{})
	for range 2000 {
		h.accept(jobs.Options{})
	}
	b.ReportAllocs()
	for b.Loop() {
		if page, err := h.List(b.Context(), results.Filter{Limit: 50}); err != nil || len(page.Jobs) != 50 {
			b.Fatalf("%d jobs, err %v", len(page.Jobs), err)
		}
	}
}

// BenchmarkTwentyThousandJobs accepts small jobs and brings them to running, and
// says what they cost: time, and Redis' memory. Run it once: -benchtime=1x.
func BenchmarkTwentyThousandJobs(b *testing.B) {
	const number, workers = 20_000, 8
	for b.Loop() {
		server := redistest.Start(b)
		h := onURL(b, server.URL(), results.Config{})
		empty := h.usedMemory()
		rate := func(name string, f func(worker int)) {
			start := time.Now()
			var all sync.WaitGroup
			for worker := range workers {
				all.Go(func() { f(worker) })
			}
			all.Wait()
			b.ReportMetric(number/time.Since(start).Seconds(), name+"/s")
		}
		rate("accepted", func(int) {
			for range number / workers {
				h.accept(jobs.Options{})
			}
		})
		b.ReportMetric(float64(h.usedMemory()-empty)/number, "B/waiting")
		admitted := make([]results.Admission, 0, number)
		start := time.Now()
		for len(admitted) < number {
			some, err := h.Admit(b.Context(), jobs.DefaultLane, 10*number)
			if err != nil {
				b.Fatal(err)
			}
			admitted = append(admitted, some...)
		}
		b.ReportMetric(number/time.Since(start).Seconds(), "admitted/s")
		rate("started", func(worker int) {
			for _, a := range admitted[worker*number/workers : (worker+1)*number/workers] {
				h.step(a.Job, jobs.SubmitStarted{Attempt: 1, Worker: "worker-1", Endpoint: "openai"})
				h.step(a.Job, jobs.Created{Attempt: 1, Reply: reply(b, "resp_"+string(a.Job), jobs.StatusQueued), FirstLook: h.Now()})
			}
		})
		b.ReportMetric(float64(h.usedMemory()-empty)/number, "B/running")
	}
}

// usedMemory is what Redis uses, in bytes.
func (h *harness) usedMemory() int64 {
	h.t.Helper()
	info, err := h.rdb.Info(h.t.Context(), "memory").Result()
	if err != nil {
		h.t.Fatal(err)
	}
	var used int64
	_, rest, _ := strings.Cut(info, "\nused_memory:")
	if _, err := fmt.Sscan(rest, &used); err != nil {
		h.t.Fatal(err)
	}
	return used
}

// BenchmarkFindAmongFailures looks for one class among 100,000 failures, of
// which a few have it, and says how long that takes and what a failure costs in
// Redis' memory. Run it once: -benchtime=1x.
func BenchmarkFindAmongFailures(b *testing.B) {
	const number, rare, workers = 100_000, 12, 8
	server := redistest.Start(b)
	h := onURL(b, server.URL(), results.Config{})
	empty := h.usedMemory()
	var all sync.WaitGroup
	for worker := range workers {
		all.Go(func() {
			for i := range number / workers {
				f := jobs.Failure{Class: jobs.ClassInvalid, Code: "invalid_value", Message: "Invalid value: 'x'. Supported values are: 'y'.", HTTPStatus: 400, RequestID: "req_0123456789"}
				if worker == 0 && i%(number/workers/rare) == 0 {
					f.Class = jobs.ClassLost
				}
				h.fails(f, "openai", "", jobs.Options{Group: "bench"})
			}
		})
	}
	all.Wait()
	used := float64(h.usedMemory() - empty)
	for b.Loop() {
		found := h.pages(results.Filter{States: []jobs.State{jobs.StateFailed}, Classes: []jobs.Class{jobs.ClassLost}, Limit: 1000}, nil)
		if len(found) < rare {
			b.Fatalf("found %d, want %d", len(found), rare)
		}
	}
	b.ReportMetric(number*float64(b.N)/b.Elapsed().Seconds(), "looked/s")
	b.ReportMetric(used/number, "B/failure")
}
