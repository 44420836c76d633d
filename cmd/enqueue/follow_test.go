package main

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/longhaul-jobs/longhaul/jobs"
	"github.com/longhaul-jobs/longhaul/results"
)

// shelf is an installation as a follower sees it: records in memory, which the
// test changes.
type shelf struct {
	mu     sync.Mutex
	jobs   map[jobs.ID]jobs.Job
	reads  int
	away   error // what every call answers while Redis is away
	others int   // jobs in the group that are not ours
}

func newShelf() *shelf { return &shelf{jobs: make(map[jobs.ID]jobs.Job)} }

func (s *shelf) Get(_ context.Context, id jobs.ID) (jobs.Job, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.reads++
	if s.away != nil {
		return jobs.Job{}, s.away
	}
	j, ok := s.jobs[id]
	if !ok {
		return jobs.Job{}, fmt.Errorf("%s: %w", id, results.ErrNotFound)
	}
	return j, nil
}

func (s *shelf) Counts(context.Context, string) (results.Counts, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.away != nil {
		return nil, s.away
	}
	counts := results.Counts{jobs.StateWaiting: int64(s.others)}
	for _, j := range s.jobs {
		counts[j.State]++
	}
	return counts, nil
}

func (s *shelf) Why(_ context.Context, j jobs.Job) (string, error) {
	return "the test (" + string(j.ID) + ")", nil
}

func (s *shelf) set(id jobs.ID, change func(j *jobs.Job)) {
	s.mu.Lock()
	defer s.mu.Unlock()
	j := s.jobs[id]
	j.ID = id
	change(&j)
	s.jobs[id] = j
}

func (s *shelf) state(id jobs.ID, state jobs.State) {
	s.set(id, func(j *jobs.Job) { j.State = state })
}

func (s *shelf) fail(err error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.away = err
}

// fill puts waiting jobs on the shelf and has them followed.
func (s *shelf) fill(f *follower, n int) []jobs.ID {
	ids := make([]jobs.ID, n)
	for i := range ids {
		ids[i] = jobs.ID(fmt.Sprintf("job_%06d", i))
		s.state(ids[i], jobs.StateWaiting)
		f.add(&member{order: i, name: fmt.Sprintf("m%d", i), id: ids[i], state: jobs.StateWaiting})
	}
	f.account.expect(n)
	f.close()
	return ids
}

func newFollower(s *shelf) *follower {
	return &follower{jobs: s, account: newAccount(time.Now()), patience: time.Minute}
}

func TestFollowerSeesEveryEndOnce(t *testing.T) {
	t.Parallel()
	for _, test := range []struct {
		name, group string
		others      int
	}{{"with counts", "g", 0}, {"in a shared group", "g", 3}, {"without a group", "", 0}} {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				s := newShelf()
				s.others = test.others
				f := newFollower(s)
				f.group = test.group
				seen := map[string]int{}
				f.onEnd = func(_ context.Context, m *member, _ jobs.Job) (*jobs.Failure, error) {
					seen[m.name]++
					return nil, nil
				}
				ids := s.fill(f, 1500)
				go func() {
					// The newest end first, which is the worst order there is.
					for _, id := range slices.Backward(ids) {
						s.state(id, jobs.StateSucceeded)
						time.Sleep(time.Millisecond)
					}
				}()
				if err := f.run(t.Context()); err != nil {
					t.Fatal(err)
				}
				if len(seen) != 1500 {
					t.Errorf("%d ends were seen, want 1500", len(seen))
				}
				for name, n := range seen {
					if n != 1 {
						t.Errorf("the end of %s was seen %d times", name, n)
					}
				}
				if got := f.account.totals(time.Now(), true); got.Succeeded != 1500 || !got.clean() {
					t.Errorf("totals are %+v", got)
				}
			})
		})
	}
}

func TestFollowerIsQuietWhileNothingEnds(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		s := newShelf()
		f := newFollower(s)
		f.group = "g"
		ids := s.fill(f, 2000)
		ctx, cancel := context.WithCancel(t.Context())
		done := make(chan error)
		go func() { done <- f.run(ctx) }()
		time.Sleep(time.Minute)
		s.mu.Lock()
		reads := s.reads
		s.mu.Unlock()
		if perSecond := float64(reads) / 60; perSecond > 2.1*readers {
			t.Errorf("%.1f reads a second of jobs that only wait", perSecond)
		}
		if got := f.standing().states[jobs.StateWaiting]; got != len(ids) {
			t.Errorf("%d jobs are seen waiting, want %d", got, len(ids))
		}
		cancel()
		if err := <-done; !errors.Is(err, context.Canceled) {
			t.Errorf("run ended with %v", err)
		}
	})
}

func TestFollowerSurvivesAnOutage(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		s := newShelf()
		f := newFollower(s)
		id := s.fill(f, 1)[0]
		s.fail(errors.New("connection refused"))
		done := make(chan error)
		go func() { done <- f.run(t.Context()) }()
		time.Sleep(30 * time.Second)
		if note := f.standing().note; !strings.Contains(note, "Redis does not answer") {
			t.Errorf("note is %q", note)
		}
		s.fail(nil)
		s.state(id, jobs.StateSucceeded)
		if err := <-done; err != nil {
			t.Errorf("run ended with %v", err)
		}
		if note := f.standing().note; note != "" {
			t.Errorf("note is %q after the outage", note)
		}
	})
}

func TestFollowerGivesUpWhenPatienceRunsOut(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		s := newShelf()
		f := newFollower(s)
		s.fill(f, 1)
		gone := errors.New("connection refused")
		s.fail(gone)
		began := time.Now()
		if err := f.run(t.Context()); !errors.Is(err, gone) {
			t.Errorf("run ended with %v, want %v", err, gone)
		}
		if lasted := time.Since(began); lasted < f.patience || lasted > f.patience+5*time.Second {
			t.Errorf("it gave up after %v, want %v", lasted, f.patience)
		}
	})
}

func TestFollowerSaysWhatKeepsJobs(t *testing.T) {
	t.Parallel()
	badKey := &jobs.Failure{Class: jobs.ClassUnauthorized, HTTPStatus: 401, Message: "Incorrect API key"}
	tests := []struct {
		name   string
		change func(j *jobs.Job)
		note   string
	}{
		{"a bad key", func(j *jobs.Job) { j.Failure = badKey }, "m0 waits after unauthorized (HTTP 401): Incorrect API key"},
		{"a held job", func(j *jobs.Job) { j.State = jobs.StateUncertain }, "m0 is held for a person, since the answer to its create was lost: enqueue release job_000000 asks again, fail gives it up, adopt takes the response over that was made"},
		{"its turn", func(*jobs.Job) {}, "m0 waits for the test (job_000000)"},
		{"nothing", func(j *jobs.Job) { j.State = jobs.StateRunning }, ""},
		{"a failure that counts", func(j *jobs.Job) { j.State, j.Failure = jobs.StateRunning, badKey }, ""},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				s := newShelf()
				f := newFollower(s)
				f.advise = func(j jobs.Job) string { return (&cli{}).advise(j, "") }
				id := s.fill(f, 1)[0]
				s.set(id, test.change)
				ctx, cancel := context.WithCancel(t.Context())
				done := make(chan error)
				go func() { done <- f.run(ctx) }()
				time.Sleep(10 * time.Second)
				if note := f.standing().note; note != test.note {
					t.Errorf("note is %q, want %q", note, test.note)
				}
				cancel()
				if err := <-done; !errors.Is(err, context.Canceled) {
					t.Errorf("run ended with %v", err)
				}
			})
		})
	}
}

func TestFollowerCountsWhatIsGone(t *testing.T) {
	t.Parallel()
	s := newShelf()
	f := newFollower(s)
	id := s.fill(f, 1)[0]
	delete(s.jobs, id)
	if err := f.run(t.Context()); err != nil {
		t.Fatal(err)
	}
	got := f.account.totals(time.Now(), true)
	if got.Failed != 1 || len(got.Failures) != 1 || got.Failures[0].Class != "" || got.Failures[0].Code != codeNoJob {
		t.Errorf("totals are %+v, want one that there is no job of", got)
	}
}

func TestFollowerStopsOnAnErrorOfItsCaller(t *testing.T) {
	t.Parallel()
	s := newShelf()
	f := newFollower(s)
	full := errors.New("no space left on device")
	f.onEnd = func(context.Context, *member, jobs.Job) (*jobs.Failure, error) { return nil, full }
	s.state(s.fill(f, 1)[0], jobs.StateSucceeded)
	if err := f.run(t.Context()); !errors.Is(err, full) {
		t.Errorf("run ended with %v, want %v", err, full)
	}
}

// What has been dealt with is not open any more when a later one fails in the same pass.
func TestFollowerKeepsWhatHasEnded(t *testing.T) {
	t.Parallel()
	interrupted := errors.New("interrupt signal received")
	for name, state := range map[string]jobs.State{"ended": jobs.StateSucceeded, "held": jobs.StateUncertain} {
		s := newShelf()
		f := newFollower(s)
		f.leaveHeld = true
		f.onEnd = func(_ context.Context, m *member, _ jobs.Job) (*jobs.Failure, error) {
			if m.order == 1 {
				return nil, interrupted
			}
			return nil, nil
		}
		for _, id := range s.fill(f, 3) {
			s.state(id, state)
		}
		if err := f.run(t.Context()); !errors.Is(err, interrupted) {
			t.Errorf("%s: run ended with %v, want %v", name, err, interrupted)
		}
		var open []string
		for _, m := range f.unfinished() {
			open = append(open, m.name)
		}
		if diff := cmp.Diff([]string{"m1", "m2"}, open); diff != "" {
			t.Errorf("%s: open are (-want +got):\n%s", name, diff)
		}
	}
}

func TestAccountAddsUp(t *testing.T) {
	t.Parallel()
	began := time.Now()
	a := newAccount(began)
	a.expect(4)
	a.skip()
	a.fail(failure{order: 3, Name: "d", Class: jobs.ClassInvalid, Message: "no"})
	for i, state := range []jobs.State{jobs.StateSucceeded, jobs.StateExpired} {
		m := member{order: 2 - i, name: string(state)}
		m.observe(jobs.Job{ID: "job_1", State: state, Ended: began.Add(time.Second), Attempts: []jobs.Attempt{
			{Usage: &jobs.Usage{InputTokens: 3, OutputTokens: 1}}, {}, {Usage: &jobs.Usage{InputTokens: 3, OutputTokens: 2}},
		}})
		a.end(&m)
	}
	got := a.totals(began.Add(90*time.Second), true)
	want := totals{
		Total: 4, Succeeded: 1, Failed: 1, Expired: 1, Skipped: 1, InputTokens: 12, OutputTokens: 6, Elapsed: 90, late: 2,
		spending: spending{Cost: new(jobs.Money), CostWhy: []reason{}},
		Failures: []failure{
			{order: 1, Name: "expired", JobID: "job_1", State: jobs.StateExpired, Message: "the job is expired"},
			{order: 3, Name: "d", State: jobs.StateFailed, Class: jobs.ClassInvalid, Message: "no"},
		},
	}
	if diff := cmp.Diff(want, got, cmp.AllowUnexported(totals{}, failure{}, spending{})); diff != "" {
		t.Errorf("totals (-want +got):\n%s", diff)
	}
	if got.done() != 4 || got.clean() {
		t.Errorf("done is %d and clean %v, want 4 and false", got.done(), got.clean())
	}
}

func TestInParallel(t *testing.T) {
	t.Parallel()
	var mu sync.Mutex
	calls, running, most := 0, 0, 0
	broken := errors.New("broken")
	count := func(by int) {
		mu.Lock()
		defer mu.Unlock()
		running += by
		most = max(most, running)
		if by > 0 {
			calls++
		}
	}
	err := inParallel(t.Context(), 3, 100, func(_ context.Context, i int) error {
		count(1)
		defer count(-1)
		if i == 50 {
			return broken
		}
		return nil
	})
	if !errors.Is(err, broken) || calls < 51 || calls > 60 || most > 3 {
		t.Errorf("error %v after %d calls, at most %d at once", err, calls, most)
	}
	ctx, cancel := context.WithCancelCause(t.Context())
	cancel(errInterrupt)
	if err := inParallel(ctx, 3, 0, nil); err != nil {
		t.Errorf("nothing to do: %v", err)
	}
	if err := inParallel(ctx, 2, 5, func(ctx context.Context, _ int) error { return context.Cause(ctx) }); !errors.Is(err, errInterrupt) {
		t.Errorf("a stopped context: %v", err)
	}
}
