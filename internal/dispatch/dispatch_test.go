package dispatch_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/testutil"

	"github.com/longhaul-jobs/longhaul/internal/dispatch"
	"github.com/longhaul-jobs/longhaul/jobs"
	"github.com/longhaul-jobs/longhaul/results"
)

var errAway = errors.New("redis does not answer")

// fakeStore admits as the store does: at most a window of each lane at once.
type fakeStore struct {
	mu       sync.Mutex
	waiting  map[string][]jobs.ID
	admitted map[string][]jobs.ID
	asked    map[string][]time.Time
	err      map[string]error
	block    map[string]chan struct{} // a lane whose shard does not answer
	after    func()                   // called after each admission
}

func newFakeStore() *fakeStore {
	return &fakeStore{
		waiting: make(map[string][]jobs.ID), admitted: make(map[string][]jobs.ID), asked: make(map[string][]time.Time),
		err: make(map[string]error), block: make(map[string]chan struct{}),
	}
}

// fill puts n jobs into a lane.
func (s *fakeStore) fill(lane string, n int) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for range n {
		s.waiting[lane] = append(s.waiting[lane], jobs.NewID(time.Now(), 0))
	}
}

// submitted takes a job out of its lane, as its submit does.
func (s *fakeStore) submitted(lane string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.admitted[lane] = s.admitted[lane][1:]
}

func (s *fakeStore) counts(lane string) (waiting, admitted int) {
	s.mu.Lock()
	defer s.mu.Unlock()
	return len(s.waiting[lane]), len(s.admitted[lane])
}

func (s *fakeStore) times(lane string) []time.Time {
	s.mu.Lock()
	defer s.mu.Unlock()
	return slices.Clone(s.asked[lane])
}

func (s *fakeStore) Admit(ctx context.Context, lane string, window int) ([]results.Admission, error) {
	s.mu.Lock()
	block := s.block[lane]
	s.mu.Unlock()
	if block != nil {
		<-block
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.asked[lane] = append(s.asked[lane], time.Now())
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	room := min(window-len(s.admitted[lane]), len(s.waiting[lane]))
	var out []results.Admission
	for _, id := range s.waiting[lane][:room] {
		out = append(out, results.Admission{Job: id, Attempt: 3})
	}
	s.admitted[lane] = append(s.admitted[lane], s.waiting[lane][:room]...)
	s.waiting[lane] = s.waiting[lane][room:]
	if s.after != nil {
		s.after()
	}
	return out, s.err[lane]
}

// AdmitOne admits as the store does that has one shard.
func (s *fakeStore) AdmitOne(ctx context.Context, lane string) ([]results.Admission, error) {
	return s.Admit(ctx, lane, 1)
}

// AdmitFew admits as the store does.
func (s *fakeStore) AdmitFew(ctx context.Context, lane string, most int) (admitted []results.Admission, more bool, err error) {
	admitted, err = s.Admit(ctx, lane, most)
	s.mu.Lock()
	defer s.mu.Unlock()
	return admitted, len(s.waiting[lane]) > 0, err
}

// fakeQueue remembers what was enqueued.
type fakeQueue struct {
	mu    sync.Mutex
	tasks map[jobs.ID]string
	sizes []int             // of the tasks
	err   func(n int) error // of the nth task
	n     int
}

func (q *fakeQueue) SubmitTogether(ctx context.Context, lane string, tries []jobs.Try) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	q.mu.Lock()
	defer q.mu.Unlock()
	q.n++
	if q.err != nil {
		if err := q.err(q.n); err != nil {
			return err
		}
	}
	if q.tasks == nil {
		q.tasks = make(map[jobs.ID]string)
	}
	for _, t := range tries {
		q.tasks[t.Job] = fmt.Sprintf("lane %s attempt %d", lane, t.Attempt)
	}
	q.sizes = append(q.sizes, len(tries))
	return nil
}

func (q *fakeQueue) len() int {
	q.mu.Lock()
	defer q.mu.Unlock()
	return len(q.tasks)
}

const tick = 50 * time.Millisecond

// start runs a dispatcher until the test, which must be in a bubble, ends it.
func start(t *testing.T, store *fakeStore, queue *fakeQueue, lanes ...dispatch.Lane) (stop func(), reg *prometheus.Registry, log *bytes.Buffer) {
	t.Helper()
	reg, log = prometheus.NewPedanticRegistry(), new(bytes.Buffer)
	d := dispatch.New(store, queue, lanes, tick, reg, slog.New(slog.NewTextHandler(log, nil)))
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan error, 1)
	go func() { done <- d.Run(ctx) }()
	stop = sync.OnceFunc(func() {
		cancel()
		if err := <-done; err != nil {
			t.Errorf("Run: %v", err)
		}
	})
	t.Cleanup(stop)
	return stop, reg, log
}

func TestWindowIsRespected(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		store, queue := newFakeStore(), &fakeQueue{}
		store.fill("bulk", 100)
		stop, reg, _ := start(t, store, queue, dispatch.Lane{Name: "bulk", Window: 10})
		time.Sleep(time.Minute)
		if waiting, admitted := store.counts("bulk"); waiting != 90 || admitted != 10 || queue.len() != 10 {
			t.Errorf("%d wait, %d are admitted, %d enqueued; want 90, 10, 10", waiting, admitted, queue.len())
		}
		for range 4 {
			store.submitted("bulk")
		}
		time.Sleep(tick)
		synctest.Wait()
		if waiting, admitted := store.counts("bulk"); waiting != 86 || admitted != 10 || queue.len() != 14 {
			t.Errorf("after four submits %d wait, %d are admitted, %d enqueued; want 86, 10, 14", waiting, admitted, queue.len())
		}
		stop()
		for id, task := range queue.tasks {
			if task != "lane bulk attempt 3" {
				t.Errorf("%s was enqueued as %s", id, task)
			}
		}
		want := "# HELP longhaul_dispatch_admitted_total Jobs taken from their lane into its queue, by lane.\n" +
			"# TYPE longhaul_dispatch_admitted_total counter\nlonghaul_dispatch_admitted_total{lane=\"bulk\"} 14\n"
		if err := testutil.GatherAndCompare(reg, strings.NewReader(want)); err != nil {
			t.Error(err)
		}
	})
}

// TestLanesAreIndependent has one lane that does not answer and one that fails.
func TestLanesAreIndependent(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		store, queue := newFakeStore(), &fakeQueue{}
		for _, lane := range []string{"stuck", "failing", "fine"} {
			store.fill(lane, 20)
		}
		release := make(chan struct{})
		store.block["stuck"], store.err["failing"] = release, errAway
		start(t, store, queue, dispatch.Lane{Name: "stuck", Window: 5}, dispatch.Lane{Name: "failing", Window: 5}, dispatch.Lane{Name: "fine", Window: 7})
		time.Sleep(10 * time.Second)
		if _, admitted := store.counts("fine"); admitted != 7 {
			t.Errorf("%d jobs of the lane that is fine are admitted, want 7", admitted)
		}
		if _, admitted := store.counts("stuck"); admitted != 0 {
			t.Errorf("%d jobs of the lane that is stuck are admitted", admitted)
		}
		// What some shards gave is enqueued although others did not answer.
		if got := queue.len(); got != 7+5 {
			t.Errorf("%d jobs enqueued, want 12", got)
		}
		close(release)
		time.Sleep(time.Second)
		if _, admitted := store.counts("stuck"); admitted != 5 {
			t.Errorf("%d jobs of the lane that was stuck are admitted, want 5", admitted)
		}
	})
}

// TestJobsThatCouldNotBeEnqueuedAreLeftToTheWatchdog wants each job tried once:
// it is admitted, and its due entry brings the watchdog.
//
// Guarantee: G11.
func TestJobsThatCouldNotBeEnqueuedAreLeftToTheWatchdog(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		store := newFakeStore()
		queue := &fakeQueue{err: func(n int) error {
			if n%2 == 0 {
				return errAway
			}
			return nil
		}}
		store.fill("bulk", 10)
		stop, _, log := start(t, store, queue, dispatch.Lane{Name: "bulk", Window: 10})
		time.Sleep(time.Minute)
		stop()
		if queue.n != 5 || queue.len() != 6 {
			t.Errorf("%d tries enqueued %d jobs; want 5 and 6", queue.n, queue.len())
		}
		if !strings.Contains(log.String(), "enqueue admitted job job_") || !strings.Contains(log.String(), errAway.Error()) {
			t.Errorf("the log does not say what could not be enqueued: %s", log)
		}
	})
}

// TestJobsAdmittedTogetherShareTasks wants tasks for several workers when there are
// few jobs, and few tasks when there are many.
func TestJobsAdmittedTogetherShareTasks(t *testing.T) {
	t.Parallel()
	for n, want := range map[int][]int{
		1: {1}, 3: {1, 1, 1}, 9: {1, 2, 2, 2, 2}, 17: {1, 4, 4, 4, 4}, 34: {2, 8, 8, 8, 8}, 100: {4, 8, 8, 8, 8, 8, 8, 8, 8, 8, 8, 8, 8},
	} {
		synctest.Test(t, func(t *testing.T) {
			store, queue := newFakeStore(), &fakeQueue{}
			store.fill("bulk", n)
			stop, _, _ := start(t, store, queue, dispatch.Lane{Name: "bulk", Window: 1000})
			time.Sleep(time.Second)
			stop()
			slices.Sort(queue.sizes)
			if diff := cmp.Diff(want, queue.sizes); diff != "" || queue.len() != n {
				t.Errorf("%d jobs (-want +got):\n%s", queue.len(), diff)
			}
		})
	}
}

func TestPauses(t *testing.T) {
	t.Parallel()
	tests := []struct {
		name    string
		prepare func(s *fakeStore)
		want    []time.Duration
	}{
		{"nothing to do", func(*fakeStore) {}, []time.Duration{tick, tick, tick}},
		{"there may be more", func(s *fakeStore) { s.fill("bulk", 1) }, []time.Duration{2 * tick / 5, 4 * tick / 5, tick}},
		{"redis is away", func(s *fakeStore) { s.err["bulk"] = errAway }, []time.Duration{time.Second, time.Second}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				store := newFakeStore()
				tt.prepare(store)
				stop, _, _ := start(t, store, &fakeQueue{}, dispatch.Lane{Name: "bulk", Window: 10})
				time.Sleep(2500 * time.Millisecond)
				stop()
				times := store.times("bulk")
				var got []time.Duration
				for i := 1; i < len(times) && i <= len(tt.want); i++ {
					got = append(got, times[i].Sub(times[i-1]))
				}
				if diff := cmp.Diff(tt.want, got); diff != "" {
					t.Errorf("pauses (-want +got):\n%s", diff)
				}
			})
		})
	}
}

// TestDrainFinishesWhatItHasBegun stops the dispatcher between an admission and
// its tasks.
//
// Guarantee: G4.
func TestDrainFinishesWhatItHasBegun(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		store, queue := newFakeStore(), &fakeQueue{}
		store.fill("bulk", 50)
		ctx, cancel := context.WithCancel(t.Context())
		store.after = cancel
		d := dispatch.New(store, queue, []dispatch.Lane{{Name: "bulk", Window: 20}}, tick, prometheus.NewRegistry(), slog.New(slog.DiscardHandler))
		if err := d.Run(ctx); err != nil {
			t.Fatal(err)
		}
		if queue.len() != 20 {
			t.Errorf("%d of 20 admitted jobs are enqueued", queue.len())
		}
	})
}

func TestNoLanes(t *testing.T) {
	t.Parallel()
	d := dispatch.New(newFakeStore(), &fakeQueue{}, nil, tick, prometheus.NewRegistry(), slog.New(slog.DiscardHandler))
	if err := d.Run(t.Context()); err != nil {
		t.Errorf("Run: %v", err)
	}
}
