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
