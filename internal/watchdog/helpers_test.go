package watchdog_test

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"maps"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/longhaul-jobs/longhaul/internal/watchdog"
	"github.com/longhaul-jobs/longhaul/jobs"
	"github.com/longhaul-jobs/longhaul/results"
)

const (
	us        = "w_us"
	them      = "w_them"
	heartbeat = 2 * time.Second
	deadAfter = 8 * time.Second
)

var errAway = errors.New("redis does not answer")

// fakeStore keeps jobs and heartbeats in memory, in the time of the bubble.
type fakeStore struct {
	mu     sync.Mutex
	away   bool
	jobs   map[jobs.ID]jobs.Job
	due    map[jobs.ID]time.Time // zero: put back as never due
	words  map[string]time.Time  // until when a worker is believed to live
	taken  []string
	asked  int // how often the living were asked for
	beats  []time.Time
	audits []time.Time
	expiry []time.Time
	sweeps []time.Time
	strays []time.Time
	clocks []time.Time
	limit  int // of the last expiry and sweep

	repairs, expired, swept, stray int // what the next audit, expiry, sweep and search find

	endpoints []results.EndpointUse

	dependents map[jobs.ID][]jobs.ID
	parts      map[jobs.ID][]results.PlanPart
	partsEnded map[jobs.ID][]jobs.ID // what parents were told of
	pages      []int                 // how many were told at once
}

func newFakeStore() *fakeStore {
	return &fakeStore{
		jobs: make(map[jobs.ID]jobs.Job), due: make(map[jobs.ID]time.Time), words: make(map[string]time.Time),
		endpoints:  []results.EndpointUse{{Name: "default", Served: true}},
		dependents: make(map[jobs.ID][]jobs.ID), parts: make(map[jobs.ID][]results.PlanPart), partsEnded: make(map[jobs.ID][]jobs.ID),
	}
}

func (s *fakeStore) locked(f func()) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.away {
		return errAway
	}
	f()
	return nil
}

func (s *fakeStore) Advance(_ context.Context, j jobs.Job, ev jobs.Event) (next jobs.Job, err error) {
	away := s.locked(func() {
		held, ok := s.jobs[j.ID]
		if !ok {
			err = results.ErrNotFound
			return
		}
		var change jobs.Change
		if change, err = jobs.Transition(held, ev, time.Now()); err != nil {
			next = held
			return
		}
		next = change.Job
		next.Version++
		s.jobs[j.ID] = next
	})
	return next, errors.Join(away, err)
}

func (s *fakeStore) Step(ctx context.Context, id jobs.ID, ev jobs.Event) (jobs.Job, error) {
	return s.Advance(ctx, jobs.Job{ID: id}, ev)
}

func (s *fakeStore) Attend(_ context.Context, dependent jobs.ID, others []jobs.ID) (ended []jobs.ID, err error) {
	err = s.locked(func() {
		for _, id := range others {
			other, ok := s.jobs[id]
			if !ok || other.State.Terminal() {
				ended = append(ended, id)
				continue
			}
			if !slices.Contains(s.dependents[id], dependent) {
				s.dependents[id] = append(s.dependents[id], dependent)
			}
			other.Links = jobs.LinkWaited
			s.jobs[id] = other
		}
	})
	return ended, err
}

func (s *fakeStore) Ending(_ context.Context, id jobs.ID) (ending jobs.DependencyEnded, err error) {
	away := s.locked(func() {
		j, ok := s.jobs[id]
		switch {
		case ok && j.Schema > jobs.Schema:
			err = jobs.ErrNewerSchema
		case ok:
			ending = j.Ending()
		default:
			ending = jobs.DependencyEnded{Job: id}
		}
	})
	return ending, errors.Join(away, err)
}

func (s *fakeStore) Dependents(_ context.Context, id jobs.ID, limit int) (ids []jobs.ID, err error) {
	err = s.locked(func() { ids = slices.Clone(s.dependents[id][:min(limit, len(s.dependents[id]))]) })
	return ids, err
}

func (s *fakeStore) Told(_ context.Context, id jobs.ID, told []jobs.ID) (left int, err error) {
	err = s.locked(func() {
		s.pages = append(s.pages, len(told))
		s.dependents[id] = slices.DeleteFunc(s.dependents[id], func(d jobs.ID) bool { return slices.Contains(told, d) })
		left = len(s.dependents[id])
	})
	return left, err
}

func (s *fakeStore) PartsEnded(_ context.Context, parent jobs.ID, ended []jobs.ID) (left int, err error) {
	err = s.locked(func() { s.partsEnded[parent] = append(s.partsEnded[parent], ended...) })
	return 0, err
}

func (s *fakeStore) Parts(_ context.Context, parent jobs.ID, from, limit int) (parts []results.PlanPart, err error) {
	err = s.locked(func() {
		all := s.parts[parent]
		parts = slices.Clone(all[min(from, len(all)):min(from+limit, len(all))])
	})
	return parts, err
}

func (s *fakeStore) Jobs(_ context.Context, ids []jobs.ID) (found []jobs.Job, err error) {
	err = s.locked(func() {
		for _, id := range ids {
			found = append(found, s.jobs[id])
		}
	})
	return found, err
}

func (s *fakeStore) Settle(_ context.Context, settlements ...results.Settlement) (numbers []int, err error) {
	err = s.locked(func() {
		for _, settled := range settlements {
			j, ok := s.jobs[settled.Job.ID]
			if !ok || j.Version != settled.Job.Version {
				numbers = append(numbers, -1)
				continue
			}
			s.due[j.ID] = settled.Due
			if settled.Nudge {
				j.Nudge = max(j.Nudge, settled.Job.Nudge+1)
				s.jobs[j.ID] = j
				numbers = append(numbers, j.Nudge)
				continue
			}
			numbers = append(numbers, 0)
		}
	})
	return numbers, err
}

func (s *fakeStore) Remove(_ context.Context, j jobs.Job) (bool, error) {
	err := s.locked(func() { delete(s.jobs, j.ID) })
	return err == nil, err
}

func (s *fakeStore) Beat(_ context.Context, w results.Worker, living time.Duration) error {
	return s.locked(func() {
		s.words[w.ID] = time.Now().Add(living)
		s.beats = append(s.beats, time.Now())
	})
}

func (s *fakeStore) Leave(_ context.Context, id string) error {
	return s.locked(func() { delete(s.words, id) })
}

func (s *fakeStore) Alive(context.Context) (map[string]bool, error) {
	alive := make(map[string]bool)
	err := s.locked(func() {
		s.asked++
		for id, until := range s.words {
			if !until.Before(time.Now()) {
				alive[id] = true
			}
		}
	})
	return alive, err
}

func (s *fakeStore) TakeOver(context.Context, time.Duration) (taken []string, err error) {
	err = s.locked(func() {
		for id, until := range s.words {
			if until.Before(time.Now()) {
				delete(s.words, id)
				taken = append(taken, id)
				s.taken = append(s.taken, id)
			}
		}
	})
	return taken, err
}

func (s *fakeStore) takenOver() []string {
	s.mu.Lock()
	defer s.mu.Unlock()
	return slices.Clone(s.taken)
}

func (s *fakeStore) Endpoints(context.Context) (uses []results.EndpointUse, err error) {
	err = s.locked(func() { uses = slices.Clone(s.endpoints) })
	return uses, err
}

// use changes what is known of an endpoint.
func (s *fakeStore) use(use results.EndpointUse) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.endpoints = slices.DeleteFunc(s.endpoints, func(e results.EndpointUse) bool { return e.Name == use.Name })
	s.endpoints = append(s.endpoints, use)
}

func (s *fakeStore) Audit(context.Context) (n int, err error) {
	err = s.locked(func() { s.audits, n, s.repairs = append(s.audits, time.Now()), s.repairs, 0 })
	return n, err
}

func (s *fakeStore) Expire(_ context.Context, limit int) (n int, err error) {
	err = s.locked(func() { s.expiry, n, s.expired, s.limit = append(s.expiry, time.Now()), s.expired, 0, limit })
	return n, err
}

func (s *fakeStore) SweepBlobs(_ context.Context, limit int) (n int, err error) {
	err = s.locked(func() { s.sweeps, n, s.swept, s.limit = append(s.sweeps, time.Now()), s.swept, 0, limit })
	return n, err
}

func (s *fakeStore) SweepStrays(context.Context) (n int, err error) {
	err = s.locked(func() { s.strays, n, s.stray = append(s.strays, time.Now()), s.stray, 0 })
	return n, err
}

func (s *fakeStore) SyncClock(context.Context) error {
	return s.locked(func() { s.clocks = append(s.clocks, time.Now()) })
}

func (s *fakeStore) Now() time.Time { return time.Now() }

func (s *fakeStore) setAway(away bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.away = away
}

// heartbeats are the times of the heartbeats that were written.
func (s *fakeStore) heartbeats() []time.Time {
	s.mu.Lock()
	defer s.mu.Unlock()
	return slices.Clone(s.beats)
}

// word is what another worker says of itself.
func (s *fakeStore) word(id string) {
	_ = s.Beat(context.Background(), results.Worker{ID: id}, deadAfter)
}

func (s *fakeStore) put(j jobs.Job) jobs.Job {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.jobs[j.ID] = j
	return j
}

func (s *fakeStore) job(id jobs.ID) (jobs.Job, bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	j, ok := s.jobs[id]
	return j, ok
}

// state is where a job stands, "gone" if it does not.
func (s *fakeStore) state(id jobs.ID) string {
	if j, ok := s.job(id); ok {
		return string(j.State)
	}
	return "gone"
}

// fakeQueue remembers what was enqueued, as the ids that Asynq would see.
type fakeQueue struct {
	mu    sync.Mutex
	tasks []string
	err   error
	check func() // called before a task is taken

	waiting map[string]int // tasks by endpoint
}

func (q *fakeQueue) Waiting(endpoint string) (int, error) {
	q.mu.Lock()
	defer q.mu.Unlock()
	return q.waiting[endpoint], nil
}

func (q *fakeQueue) Submit(_ context.Context, _ jobs.ID, lane string, attempt, nudge int) error {
	return q.take(fmt.Sprintf("submit lane %s attempt %d nudge %d", lane, attempt, nudge))
}

func (q *fakeQueue) Effects(_ context.Context, j jobs.Job) error {
	words := []string{fmt.Sprintf("effects %d nudge %d", j.Effects, j.Nudge)}
	for _, e := range j.Outbox {
		if e.Endpoint != "default" {
			words = append(words, e.Endpoint)
		}
	}
	return q.take(strings.Join(words, " at "))
}

func (q *fakeQueue) take(task string) error {
	q.mu.Lock()
	defer q.mu.Unlock()
	if q.check != nil {
		q.check()
	}
	q.tasks = append(q.tasks, task)
	return q.err
}

// kennel is a watchdog with everything around it.
type kennel struct {
	dog   *watchdog.Watchdog
	store *fakeStore
	queue *fakeQueue
	reg   *prometheus.Registry
}

func timing() jobs.Timing { return jobs.Timing{Submit: 15 * time.Second, Check: 3 * time.Second} }

func newKennel(log *slog.Logger) *kennel { return newKennelWith(log, func(*watchdog.Config) {}) }

// newKennelWith is newKennel with a change to the configuration.
func newKennelWith(log *slog.Logger, change func(*watchdog.Config)) *kennel {
	config := watchdog.Config{
		Timing: timing(), Heartbeat: heartbeat, DeadAfter: deadAfter, Audit: 10 * time.Second,
	}
	change(&config)
	k := &kennel{store: newFakeStore(), queue: &fakeQueue{}, reg: prometheus.NewPedanticRegistry()}
	k.dog = watchdog.New(k.store, k.queue, results.Worker{ID: us}, config, k.reg, log)
	return k
}

// run runs the watchdog for the rest of the test, which must be in a bubble.
func (k *kennel) run(t *testing.T) {
	t.Helper()
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan error, 1)
	ready := make(chan struct{})
	go func() { done <- k.dog.Run(ctx, func() { close(ready) }) }()
	<-ready
	t.Cleanup(func() {
		cancel()
		if err := <-done; err != nil {
			t.Errorf("Run: %v", err)
		}
	})
}

// settle gives the watchdog the time to trust its view of the others.
func (k *kennel) settle(t *testing.T) {
	t.Helper()
	k.run(t)
	time.Sleep(deadAfter)
}

// metric is a counter, with its labels as in `name{state="waiting"}`.
func (k *kennel) metric(t *testing.T, name string) float64 {
	t.Helper()
	families, err := k.reg.Gather()
	if err != nil {
		t.Fatal(err)
	}
	values := make(map[string]float64)
	for _, family := range families {
		for _, m := range family.GetMetric() {
			var labelled strings.Builder
			labelled.WriteString(family.GetName())
			for _, l := range m.GetLabel() {
				fmt.Fprintf(&labelled, "{%s=%q}", l.GetName(), l.GetValue())
			}
			values[labelled.String()] = m.GetCounter().GetValue()
		}
	}
	value, ok := values[name]
	if !ok {
		t.Fatalf("no metric %s among %v", name, slices.Sorted(maps.Keys(values)))
	}
	return value
}
