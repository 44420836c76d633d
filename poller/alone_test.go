package poller

import (
	"bytes"
	"context"
	"errors"
	"log/slog"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/longhaul-jobs/longhaul/jobs"
)

// LookAlone implements [Records].
func (r *fakeRecords) LookAlone(_ context.Context, j jobs.Job, worker string) (bool, error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	now, ok := r.jobs[j.ID]
	if !ok || now.Version != j.Version {
		return false, nil
	}
	now.AloneBy = worker
	r.jobs[j.ID] = now
	return true, nil
}

// Gone implements [Others]: workers whose names begin with "dead" are.
func (o *fakeOthers) Gone(_ context.Context, worker string) (bool, error) {
	return strings.HasPrefix(worker, "dead"), nil
}

// doorman notes who wants to enter alone, and lets them in, or not.
type doorman struct {
	mu    sync.Mutex
	asked []bool
	full  bool
}

func (d *doorman) enter(ctx context.Context, alone bool) (func(), error) {
	d.mu.Lock()
	d.asked = append(d.asked, alone)
	full := d.full
	d.mu.Unlock()
	if full && alone {
		timer := time.NewTimer(time.Minute)
		defer timer.Stop()
		select {
		case <-ctx.Done():
		case <-timer.C:
		}
		return nil, errors.New("others were in the way")
	}
	return func() {}, nil
}

// A job that was present at repeated crashes is looked at alone, and set aside
// only if it crashes a worker then.
//
// Guarantee: G18.
func TestSuspectsAreLookedAtAlone(t *testing.T) {
	for _, tt := range []struct {
		name    string
		change  func(*jobs.Job)
		full    bool
		alone   []bool
		state   jobs.State
		looks   int
		aloneBy string
	}{
		{"calm", func(*jobs.Job) {}, false, []bool{false}, jobs.StateSucceeded, 1, ""},
		{"lapsed once", func(j *jobs.Job) { j.Lapsed = 1 }, false, []bool{false}, jobs.StateSucceeded, 1, ""},
		{"lapsed twice", func(j *jobs.Job) { j.Lapsed = 2 }, false, []bool{true}, jobs.StateSucceeded, 1, "w_here"},
		{"there when its creates crashed workers", func(j *jobs.Job) { j.Alone = true }, false, []bool{true}, jobs.StateSucceeded, 1, "w_here"},
		{"looked at alone by one that lives", func(j *jobs.Job) { j.Lapsed, j.AloneBy = 3, "w_there" }, false, []bool{true}, jobs.StateSucceeded, 1, "w_here"},
		{"looked at alone by one that died of it", func(j *jobs.Job) { j.Lapsed, j.AloneBy = 3, "dead" }, false, nil, jobs.StateFailed, 0, "dead"},
		{"no time alone: it is put back and tried again", func(j *jobs.Job) { j.Lapsed = 2 }, true, []bool{true, true}, jobs.StateRunning, 0, ""},
	} {
		t.Run(tt.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				j := runningJob()
				tt.change(&j)
				records, door := newFakeRecords(j), &doorman{full: tt.full}
				api := &fakeAPI{answers: []answer{response("completed")}, start: time.Now()}
				var log bytes.Buffer
				p := New(records, map[string]API{"default": api}, &fakeOthers{}, noEffects{}, Config{
					Schedule: steady, Concurrency: 4, Tick: 10 * time.Millisecond, Lease: 10 * time.Minute, Sweep: time.Hour,
					Worker: "w_here", Enter: door.enter,
				}, prometheus.NewPedanticRegistry(), slog.New(slog.NewTextHandler(&log, nil)))
				ctx, cancel := context.WithTimeoutCause(t.Context(), 100*time.Second, errors.New("over"))
				defer cancel()
				if err := p.Run(ctx); err != nil {
					t.Fatal(err)
				}
				got := records.job(j.ID)
				if got.State != tt.state || len(api.looked) != tt.looks || got.AloneBy != tt.aloneBy || !slices.Equal(door.asked, tt.alone) {
					t.Errorf("%s after %d looks, alone by %q, asked to enter %v\n%s", got.State, len(api.looked), got.AloneBy, door.asked, log.String())
				}
				if tt.state == jobs.StateFailed && got.Failure.Class != jobs.ClassPoison {
					t.Errorf("failed for %+v", got.Failure)
				}
			})
		})
	}
}

// lapsing counts what is left to its lease as the store does, and what is put back
// takes the marks away. Some events it refuses, as the store does while the blob
// store is away.
type lapsing struct {
	*fakeRecords
	leased  map[jobs.ID]bool
	refused func(ev jobs.Event) bool
	noNote  bool // the note that a look is made alone is kept, and its answer lost
}

// ClaimLooks implements [Records].
func (r *lapsing) ClaimLooks(ctx context.Context, limits map[string]int, lease time.Duration) ([]jobs.Job, error) {
	claimed, err := r.fakeRecords.ClaimLooks(ctx, limits, lease)
	r.mu.Lock()
	defer r.mu.Unlock()
	for i, j := range claimed {
		if r.leased[j.ID] {
			j.Lapsed++
			r.jobs[j.ID], claimed[i] = j, j
		}
		r.leased[j.ID] = true
	}
	return claimed, err
}

// PutBack implements [Records].
func (r *lapsing) PutBack(ctx context.Context, back []PutBack) error {
	r.mu.Lock()
	for _, b := range back {
		if j := r.jobs[b.Job.ID]; j.Version == b.Job.Version {
			j.Lapsed, j.AloneBy = 0, ""
			r.jobs[b.Job.ID], r.leased[b.Job.ID] = j, false
		}
	}
	r.mu.Unlock()
	return r.fakeRecords.PutBack(ctx, back)
}

// Advance implements [Records].
func (r *lapsing) Advance(ctx context.Context, j jobs.Job, ev jobs.Event) (jobs.Job, error) {
	if r.refused != nil && r.refused(ev) {
		return jobs.Job{}, errors.New("the blob store is away")
	}
	return r.fakeRecords.Advance(ctx, j, ev)
}

// LookAlone implements [Records].
func (r *lapsing) LookAlone(ctx context.Context, j jobs.Job, worker string) (bool, error) {
	current, err := r.fakeRecords.LookAlone(ctx, j, worker)
	if r.noNote {
		return false, errors.New("redis is away")
	}
	return current, err
}

// A step that the store refuses for long is no crash of a worker: its job is put
// back, nobody waits to be alone with it, no note says that somebody is, and the
// next worker, after an orderly restart, takes it for no poison.
//
// Guarantees: G7, G18.
func TestWhatCannotBeRecordedIsNoCrash(t *testing.T) {
	for _, tt := range []struct {
		name    string
		change  func(*jobs.Job)
		refused func(jobs.Event) bool
		noNote  bool
		alone   bool // whether the looks ask to be
	}{
		{"the end", func(*jobs.Job) {}, isEvent[jobs.Looked], false, false},
		{"the end, seen alone", func(j *jobs.Job) { j.Alone = true }, isEvent[jobs.Looked], false, true},
		{"the deadline", func(j *jobs.Job) { j.Deadline = j.LookAt }, isEvent[jobs.StopRequested], false, false},
		{"that it is looked at alone", func(j *jobs.Job) { j.Alone = true }, nil, true, true},
	} {
		t.Run(tt.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				j := runningJob()
				tt.change(&j)
				records := &lapsing{fakeRecords: newFakeRecords(j), leased: make(map[jobs.ID]bool), refused: tt.refused, noNote: tt.noNote}
				door := &doorman{}
				work := func(worker string) {
					api := &fakeAPI{answers: []answer{response("completed")}, start: time.Now()}
					p := New(records, map[string]API{"default": api}, &fakeOthers{}, noEffects{}, Config{
						Schedule: steady, Concurrency: 4, Tick: 10 * time.Millisecond, Lease: time.Minute, Sweep: time.Hour,
						Worker: worker, Enter: door.enter,
					}, prometheus.NewPedanticRegistry(), slog.New(slog.DiscardHandler))
					ctx, cancel := context.WithTimeoutCause(t.Context(), 5*time.Minute, errors.New("SIGTERM"))
					defer cancel()
					if err := p.Run(ctx); err != nil {
						t.Fatal(err)
					}
				}
				work("dead_after_an_orderly_end")
				if got := records.job(j.ID); got.State != jobs.StateRunning || got.Lapsed != 0 || got.AloneBy != "" || got.Looks.Failed < 20 {
					t.Errorf("%s, lapsed %d times, alone by %q, after %+v; want it put back each time", got.State, got.Lapsed, got.AloneBy, got.Looks)
				}
				records.refused, records.noNote = nil, false
				work("w_next")
				if got := records.job(j.ID); got.State != jobs.StateSucceeded {
					t.Errorf("in the end it is %s for %+v", got.State, got.Failure)
				}
				if slices.Contains(door.asked, !tt.alone) {
					t.Errorf("asked to enter alone: %v", door.asked)
				}
			})
		})
	}
}

func isEvent[E jobs.Event](ev jobs.Event) bool {
	_, is := ev.(E)
	return is
}
