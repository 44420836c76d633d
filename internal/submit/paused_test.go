package submit_test

import (
	"context"
	"errors"
	"fmt"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/longhaul-jobs/longhaul/internal/submit"
	"github.com/longhaul-jobs/longhaul/jobs"
)

// fakeBreaker lets those pass that it is told to, and remembers what it was told,
// with the state that the job had then.
type fakeBreaker struct {
	passes bool
	told   []string
	state  func() jobs.State
}

func (b *fakeBreaker) Pass(context.Context, string, jobs.Try) bool { return b.passes }

func (b *fakeBreaker) Created(_ context.Context, lane string, t jobs.Try, began time.Time, f *jobs.Failure) {
	class := jobs.Class("accepted")
	if f != nil {
		class = f.Class
	}
	b.told = append(b.told, fmt.Sprintf("create %s of %s attempt %d, began %t, %s", class, lane, t.Attempt, !began.IsZero(), b.state()))
}

func (b *fakeBreaker) Ended(_ context.Context, lane string, t jobs.Try, _ time.Time, r jobs.Response) {
	b.told = append(b.told, fmt.Sprintf("response %s of %s attempt %d, %s", r.Status, lane, t.Attempt, b.state()))
}

func (b *fakeBreaker) Unused(_ context.Context, lane string, t jobs.Try) {
	b.told = append(b.told, fmt.Sprintf("unused by %s attempt %d", lane, t.Attempt))
}

// paused is a bench whose submitter has a breaker.
func paused(passes bool) (*bench, *fakeBreaker) {
	b, breaker := newBench(), &fakeBreaker{passes: passes}
	b.submitter = b.with(submit.Config{Worker: worker, Endpoint: endpoint, FirstLook: firstLookAfter, Breaker: breaker})
	return b, breaker
}

// A job whose lane is paused goes back without an attempt, and nothing is sent.
//
// Guarantees: G6, G19.
func TestPausedLane(t *testing.T) {
	t.Parallel()
	b, breaker := paused(false)
	j := b.job(t, jobs.Options{})
	b.submit(t, j.ID, 1)
	got := b.records.job(t, j.ID)
	if got.State != jobs.StateWaiting || !got.Admitted.IsZero() || len(got.Attempts) != 0 || b.api.creates() != 0 {
		t.Errorf("%s, admitted %v, %d attempts, %d creates; want it back in its lane", got.State, got.Admitted, len(got.Attempts), b.api.creates())
	}
	if diff := cmp.Diff([]string{"postponed"}, b.records.history); diff != "" || breaker.told != nil {
		t.Errorf("told %q, steps (-want +got):\n%s", breaker.told, diff)
	}
	b.submit(t, j.ID, 1) // its task comes twice
	if again := b.records.job(t, j.ID); again.Version != got.Version {
		t.Errorf("changed by a task of an admission that is over: %s", b.records.history)
	}
	// While Redis is away the task comes again.
	b.records.admit(j.ID)
	b.records.setAway(true)
	if err := b.submitter.Submit(t.Context(), j.ID, 1); err == nil {
		t.Error("no error, so that the task would not come again")
	}
}

// What a create tells of the account is told: of a refusal before the job is back in
// its lane, of what was accepted after it is on record.
func TestBreakerIsTold(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		name   string
		create func(context.Context) (jobs.Reply, error)
		want   string
	}{
		{"accepted", answer(response("resp_1", jobs.StatusQueued)), "create accepted of default attempt 1, began true, running"},
		{"refused", refuse(jobs.Failure{Class: jobs.ClassQuota}), "create quota of default attempt 1, began true, submitting"},
		{"invalid", refuse(jobs.Failure{Class: jobs.ClassInvalid}), "create invalid of default attempt 1, began true, submitting"},
		{"ended at once", answer(response("resp_1", jobs.StatusCompleted)), "response completed of default attempt 1, succeeded"},
		{"failed at once", answer(response("resp_1", jobs.StatusFailed)), "response failed of default attempt 1, waiting"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			b, breaker := paused(true)
			j := b.job(t, jobs.Options{})
			breaker.state = func() jobs.State { return b.records.job(t, j.ID).State }
			b.api.create = tt.create
			b.submit(t, j.ID, 1)
			if diff := cmp.Diff([]string{tt.want}, breaker.told); diff != "" {
				t.Errorf("told (-want +got):\n%s", diff)
			}
		})
	}
}

// A job that was let pass and then could not be sent gives its place back.
func TestPassThatIsNotUsed(t *testing.T) {
	t.Parallel()
	b, breaker := paused(true)
	j := b.job(t, jobs.Options{})
	b.submitter = b.with(submit.Config{
		Worker: worker, Endpoint: endpoint, FirstLook: firstLookAfter, Breaker: breaker,
		Enter: func(context.Context, bool) (func(), error) { return nil, errors.New("others were in the way") },
	})
	b.submit(t, j.ID, 1)
	if diff := cmp.Diff([]string{"unused by default attempt 1"}, breaker.told); diff != "" || b.api.creates() != 0 {
		t.Errorf("%d creates, told (-want +got):\n%s", b.api.creates(), diff)
	}
}
