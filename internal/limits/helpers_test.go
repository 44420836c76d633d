package limits_test

import (
	"context"
	"errors"
	"log/slog"
	"sync"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/longhaul-jobs/longhaul/internal/limits"
	"github.com/longhaul-jobs/longhaul/internal/testlog"
	"github.com/longhaul-jobs/longhaul/jobs"
	"github.com/longhaul-jobs/longhaul/results"
)

const lane = "bulk"

var errAway = errors.New("redis does not answer")

// fakeStore keeps how one lane stands, in memory: the rules about who opens, probes
// and mends it are those of the store, as far as these tests go. It counts its calls.
type fakeStore struct {
	mu     sync.Mutex
	pause  results.Pause
	probes map[jobs.Try]bool
	calls  int
	away   bool
	during func() // called in the middle of a Pauses
}

func (s *fakeStore) enterLocked() error {
	s.calls++
	if s.away {
		return errAway
	}
	return nil
}

func (s *fakeStore) TripLane(_ context.Context, _ string, e results.Evidence, waits results.ProbeWaits) (results.LaneVerdict, results.Pause, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if err := s.enterLocked(); err != nil {
		return "", results.Pause{}, err
	}
	if !s.pause.On() {
		if e.Failure == nil {
			return results.LaneClosed, results.Pause{}, nil
		}
		s.probes = make(map[jobs.Try]bool)
		s.pause = results.Pause{
			Class: e.Failure.Class, Message: e.Failure.Message, By: e.By, Since: time.Now(), ProbeAt: time.Now().Add(waits.First),
		}
		return results.LaneOpened, s.pause, nil
	}
	if !s.probes[e.Try] {
		return results.LanePaused, s.pause, nil
	}
	delete(s.probes, e.Try)
	s.pause.Probe, s.pause.ProbeAt = "", time.Now().Add(waits.First)
	if e.Failure != nil && e.Failure.Class != s.pause.Class {
		s.pause.Class = e.Failure.Class
		return results.LaneChanged, s.pause, nil
	}
	return results.LanePaused, s.pause, nil
}

func (s *fakeStore) ProbeLane(_ context.Context, _ string, t jobs.Try, lease time.Duration) (results.LaneVerdict, results.Pause, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if err := s.enterLocked(); err != nil {
		return "", results.Pause{}, err
	}
	switch {
	case !s.pause.On():
		return results.LaneClosed, s.pause, nil
	case time.Now().Before(s.pause.Next()):
		return results.LanePaused, s.pause, nil
	}
	s.probes[t] = true
	s.pause.Probe, s.pause.Lease = string(t.Job)+":1", time.Now().Add(lease)
	s.pause.Probes++
	return results.LaneProbe, s.pause, nil
}

func (s *fakeStore) MendLane(_ context.Context, _ string, e results.Evidence, _ time.Duration) (results.LaneVerdict, results.Pause, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if err := s.enterLocked(); err != nil {
		return "", results.Pause{}, err
	}
	switch {
	case !s.pause.On():
		return results.LaneClosed, s.pause, nil
	case !s.probes[e.Try] || s.pause.By == results.PausedByResponse && e.By == results.PausedByCreate:
		return results.LanePaused, s.pause, nil
	}
	over := s.pause
	s.pause = results.Pause{}
	return results.LaneResumed, over, nil
}

func (s *fakeStore) Pauses(_ context.Context, lanes ...string) ([]results.Pause, error) {
	s.mu.Lock()
	err, all := s.enterLocked(), make([]results.Pause, len(lanes))
	for i, name := range lanes {
		if name == lane {
			all[i] = s.pause
		}
	}
	during := s.during
	s.mu.Unlock()
	if during != nil {
		during()
	}
	return all, err
}

func (s *fakeStore) Now() time.Time { return time.Now() }

func (s *fakeStore) setAway(away bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.away = away
}

// asked returns how many calls there were since it was asked last.
func (s *fakeStore) asked() int {
	s.mu.Lock()
	defer s.mu.Unlock()
	n := s.calls
	s.calls = 0
	return n
}

// worker is a breaker with what it tells.
type worker struct {
	*limits.Breaker

	reg *prometheus.Registry
	log *testlog.Buffer
}

func newWorker(store *fakeStore) *worker {
	w := &worker{reg: prometheus.NewPedanticRegistry(), log: &testlog.Buffer{}}
	w.Breaker = limits.NewBreaker(store, []string{lane, "other"}, w.reg, slog.New(slog.NewTextHandler(w.log, nil)))
	return w
}

// run keeps the worker up to date until the test, which must be in a bubble, ends.
func (w *worker) run(t *testing.T) {
	t.Helper()
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan struct{})
	go func() { defer close(done); _ = w.Run(ctx) }()
	t.Cleanup(func() { cancel(); <-done })
}

// try is the first attempt of a new job.
func try() jobs.Try { return jobs.Try{Job: jobs.NewID(time.Now(), 0), Attempt: 1} }

// refused tells the worker of a refused create, of a new job.
func (w *worker) refused(t *testing.T, class jobs.Class) {
	t.Helper()
	w.Created(t.Context(), lane, try(), time.Now(), &jobs.Failure{Class: class, Message: "the provider's words"})
}

// metric is how the worker shows the lane.
func (w *worker) metric(t *testing.T, class jobs.Class) float64 {
	t.Helper()
	families, err := w.reg.Gather()
	if err != nil {
		t.Fatal(err)
	}
	for _, f := range families {
		for _, m := range f.GetMetric() {
			labels := make(map[string]string)
			for _, l := range m.GetLabel() {
				labels[l.GetName()] = l.GetValue()
			}
			if f.GetName() == "longhaul_lane_paused" && labels["lane"] == lane && labels["class"] == string(class) {
				return m.GetGauge().GetValue()
			}
		}
	}
	t.Fatalf("no longhaul_lane_paused of class %s", class)
	return 0
}

// ended is a response in the given status; a failed one has the code.
func ended(t *testing.T, status, code string) jobs.Response {
	t.Helper()
	r := jobs.Response{ID: "resp_1", Status: status}
	if code != "" {
		r.Error = &jobs.ResponseError{Code: code}
	}
	return r
}
