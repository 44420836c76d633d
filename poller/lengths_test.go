package poller

import (
	"context"
	"errors"
	"log/slog"
	"maps"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/longhaul-jobs/longhaul/jobs"
)

// memory is what all workers know, in memory.
type memory struct {
	mu    sync.Mutex
	sorts map[Sort]Histogram
	calls int
	away  bool
}

// AddEnds implements [Shared].
func (m *memory) AddEnds(_ context.Context, ends Ends) error {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.calls++
	if m.away {
		return errors.New("redis is away")
	}
	for sort, buckets := range ends {
		h := m.sorts[sort]
		for bucket, n := range buckets {
			h.Add(bucket, float64(n))
		}
		m.sorts[sort] = h
	}
	return nil
}

// Durations implements [Shared].
func (m *memory) Durations(context.Context) (map[Sort]Histogram, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.away {
		return nil, errors.New("redis is away")
	}
	copied := make(map[Sort]Histogram, len(m.sorts))
	maps.Copy(copied, m.sorts)
	return copied, nil
}

// told is how many batches have come.
func (m *memory) told() int {
	m.mu.Lock()
	defer m.mu.Unlock()
	return m.calls
}

// leave lets nobody reach it any more.
func (m *memory) leave() {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.away = true
}

// What one worker sees, another goes by: for the sort, or for its model, or for all,
// as far as enough has ended. It is told in batches.
func TestLengths(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		shared := &memory{sorts: make(map[Sort]Histogram)}
		one := NewLengths(shared, testSchedule, slog.New(slog.DiscardHandler))
		two := NewLengths(shared, testSchedule, slog.New(slog.DiscardHandler))
		ctx, cancel := context.WithCancel(t.Context())
		var running sync.WaitGroup
		for _, l := range []*Lengths{one, two} {
			running.Go(func() { _ = l.Run(ctx) })
		}
		see := func(effort string, n int, took time.Duration) {
			for range n {
				began := time.Now()
				j := jobs.Job{Kind: jobs.KindResponse, Model: "m", Effort: effort}
				one.Ended(j, jobs.Attempt{Answered: began}, jobs.Response{
					Status: jobs.StatusFailed, // it does not say when it ended
				}, began.Add(2*took))
			}
		}
		see("low", enoughEnds, 5*time.Second)
		see("high", enoughEnds-1, 100*time.Second)
		time.Sleep(learnEvery + 2*tellEvery)
		if calls := shared.told(); calls != 1 {
			t.Errorf("told in %d batches, want 1", calls)
		}
		sort := func(model, effort string) Sort { return Sort{Kind: jobs.KindResponse, Model: model, Effort: effort} }
		low, model, all := two.Plan(sort("m", "low")), two.Plan(sort("m", "high")), two.Plan(sort("other", ""))
		if low == nil || model == nil || all == nil {
			t.Fatalf("plans %v, %v, %v", low, model, all)
		}
		if low.After(80*time.Second) <= model.After(80*time.Second) {
			t.Errorf("looked at after 80 s in %v, and in %v where some take 100 s", low.After(80*time.Second), model.After(80*time.Second))
		}
		if two.Plan(sort("m", "low")) != low {
			t.Error("the same plan was made twice")
		}
		see("high", 1, 100*time.Second)
		time.Sleep(learnEvery + 2*tellEvery)
		if high := two.Plan(sort("m", "high")); high == nil || high.First() <= low.First() {
			t.Error("a sort with enough ends is not gone by")
		}
		shared.leave()
		see("high", 1, time.Second)
		time.Sleep(2 * learnEvery)
		if two.Plan(sort("m", "high")) == nil {
			t.Error("what was known is forgotten because redis is away")
		}
		cancel()
		running.Wait()
	})
}

func TestTooFewEndsAreNoPlan(t *testing.T) {
	t.Parallel()
	var none *Lengths
	none.Ended(jobs.Job{}, jobs.Attempt{}, jobs.Response{}, time.Now())
	if none.Plan(Sort{}) != nil {
		t.Error("nil knows something")
	}
	shared := &memory{sorts: map[Sort]Histogram{{Model: "m"}: around(time.Minute, enoughEnds-1)}}
	l := NewLengths(shared, testSchedule, slog.New(slog.DiscardHandler))
	if err := l.learn(t.Context()); err != nil || l.Plan(Sort{Model: "m"}) != nil {
		t.Errorf("a plan of too few ends, err %v", err)
	}
}

// The provider's word counts as far as the looks allow.
func TestDuration(t *testing.T) {
	t.Parallel()
	began := time.Date(2026, 11, 22, 12, 0, 0, 0, time.UTC)
	at := func(seconds float64) time.Time { return began.Add(time.Duration(seconds * float64(time.Second))) }
	completed := func(seconds int) float64 { return float64(at(float64(seconds)).Unix()) }
	for _, tt := range []struct {
		name      string
		last      time.Time
		completed float64
		now       time.Time
		want      float64
	}{
		{"completed between the looks", at(10), completed(14), at(20), 14.5},
		{"by a clock that is behind", at(10), completed(3), at(20), 10},
		{"by a clock that is ahead", at(10), completed(99), at(20), 20},
		{"not said", at(10), 0, at(20), 15},
		{"not said, and found by the first look", time.Time{}, 0, at(20), 10},
		{"said, and found by the first look", time.Time{}, completed(7), at(20), 7.5},
	} {
		got, ok := duration(jobs.Looks{Last: tt.last}, jobs.Attempt{Answered: began}, jobs.Response{CompletedAt: tt.completed}, tt.now)
		if !ok || got.Seconds() != tt.want {
			t.Errorf("%s: took %v, want %v s", tt.name, got, tt.want)
		}
	}
	if _, ok := duration(jobs.Looks{}, jobs.Attempt{}, jobs.Response{}, began); ok {
		t.Error("a duration from no beginning")
	}
}

// What was stopped says nothing about how long such responses take.
func TestStoppedResponsesTeachNothing(t *testing.T) {
	t.Parallel()
	l := NewLengths(nil, testSchedule, slog.New(slog.DiscardHandler))
	now := time.Now()
	a := jobs.Attempt{Answered: now.Add(-time.Minute)}
	l.Ended(jobs.Job{Stop: &jobs.Stop{At: now}}, a, jobs.Response{Status: jobs.StatusCompleted}, now)
	l.Ended(jobs.Job{}, a, jobs.Response{Status: jobs.StatusCancelled}, now)
	if len(l.seen) != 0 {
		t.Errorf("learnt %v", l.seen)
	}
}
