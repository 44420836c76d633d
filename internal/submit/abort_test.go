package submit_test

import (
	"context"
	"errors"
	"slices"
	"testing"
	"testing/synctest"
	"time"

	"github.com/longhaul-jobs/longhaul/internal/submit"
	"github.com/longhaul-jobs/longhaul/jobs"
)

// slow is a create that is answered after a while, or cut short.
func slow(after time.Duration) func(context.Context) (jobs.Reply, error) {
	return func(ctx context.Context) (jobs.Reply, error) {
		timer := time.NewTimer(after)
		defer timer.Stop()
		select {
		case <-timer.C:
			return response("resp_1", jobs.StatusQueued), nil
		case <-ctx.Done():
			return jobs.Reply{}, &jobs.Error{Failure: jobs.Failure{Class: jobs.ClassAmbiguous, Message: context.Cause(ctx).Error()}}
		}
	}
}

// The end of a task, which comes when Redis is away for longer than Asynq's lease,
// does not cut off the answer that is paid for.
//
// Guarantees: G2, G5.
func TestTheEndOfATaskCutsNoCreateShort(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		b := newBench()
		j := b.job(t, jobs.Options{})
		b.api.create = slow(5 * time.Minute)
		ctx, cancel := context.WithTimeout(t.Context(), 33*time.Second)
		defer cancel()
		if err := b.submitter.Submit(ctx, j.ID, 1); err != nil {
			t.Fatal(err)
		}
		if got := b.records.job(t, j.ID); got.State != jobs.StateRunning || b.api.creates() != 1 {
			t.Errorf("%s after %d creates; want running after one", got.State, b.api.creates())
		}
	})
}

// When the grace of a shutdown is over, what is in flight is cut short, and goes on
// record as what it is.
//
// Guarantee: G4.
func TestAbort(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		b := newBench()
		j := b.job(t, jobs.Options{Uncertain: jobs.UncertainHold})
		b.api.create = slow(5 * time.Minute)
		time.AfterFunc(time.Minute, func() { b.submitter.Abort(); b.submitter.Abort() })
		began := time.Now()
		b.submit(t, j.ID, 1)
		if got := b.records.job(t, j.ID); got.State != jobs.StateUncertain || time.Since(began) != time.Minute {
			t.Errorf("%s after %v, want uncertain after a minute", got.State, time.Since(began))
		}
		b.submitter.Wait()
	})
}

// A job that was present at repeated crashes asks to be alone before anything of it
// is on record, and is left for later if it is not let in.
func TestAlone(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		b := newBench()
		calm, suspect := b.job(t, jobs.Options{}), b.job(t, jobs.Options{})
		b.records.change(suspect.ID, func(j *jobs.Job) { j.Alone = true })
		var asked []bool
		left := 0
		b.submitter = b.with(submit.Config{
			Worker: worker, Endpoint: endpoint, FirstLook: firstLookAfter,
			Enter: func(_ context.Context, alone bool) (func(), error) {
				if asked = append(asked, alone); len(asked) == 3 {
					return nil, errors.New("others were in the way")
				}
				return func() { left++ }, nil
			},
		})
		b.submit(t, calm.ID, 1)
		b.submit(t, suspect.ID, 1)
		if a, _ := b.records.job(t, suspect.ID).CurrentAttempt(); !a.Alone || !slices.Equal(asked, []bool{false, true}) || left != 2 {
			t.Errorf("attempt %+v, asked %v, left %d times", a, asked, left)
		}
		third := b.job(t, jobs.Options{})
		b.submit(t, third.ID, 1)
		if got := b.records.job(t, third.ID); got.State != jobs.StateWaiting || len(got.Attempts) > 0 || b.api.creates() != 2 {
			t.Errorf("%s after %d attempts and %d creates; want it left waiting", got.State, len(got.Attempts), b.api.creates())
		}
	})
}
