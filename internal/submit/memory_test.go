package submit_test

import (
	"context"
	"testing"
	"testing/synctest"
	"time"

	"github.com/longhaul-jobs/longhaul/jobs"
)

// forget has the store as it was when the job was being submitted, as a fail-over
// does to a replica that had got the intent and not what came of it.
func (b *bench) forget(id jobs.ID) jobs.Job {
	b.records.change(id, func(j *jobs.Job) {
		a := &j.Attempts[0]
		a.ResponseID, a.Outcome, a.Failure, a.Answered, a.Ended = "", "", nil, time.Time{}, time.Time{}
		j.State, j.Current, j.Result, j.Failure, j.Ended, j.LookAt = jobs.StateSubmitting, 1, nil, nil, time.Time{}, time.Time{}
	})
	b.records.mu.Lock()
	defer b.records.mu.Unlock()
	return b.records.jobs[id]
}

// What a create came to goes on record again when Redis has forgotten it, and is
// not paid for again.
//
// Guarantees: G2, G5.
func TestResume(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		name   string
		create func(context.Context) (jobs.Reply, error)
		state  jobs.State
	}{
		{"accepted", answer(response("resp_1", jobs.StatusQueued)), jobs.StateRunning},
		{"completed at once: a look brings it again", answer(response("resp_1", jobs.StatusCompleted)), jobs.StateRunning},
		{"refused", refuse(jobs.Failure{Class: jobs.ClassInvalid}), jobs.StateFailed},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				b := newBench()
				j := b.job(t, jobs.Options{})
				b.api.create = tt.create
				b.submit(t, j.ID, 1)
				known, err := b.submitter.Resume(t.Context(), b.forget(j.ID))
				if err != nil || !known {
					t.Fatalf("Resume: %t, %v", known, err)
				}
				got := b.records.job(t, j.ID)
				if a, _ := got.CurrentAttempt(); got.State != tt.state || tt.state == jobs.StateRunning && a.ResponseID != "resp_1" || b.api.creates() != 1 {
					t.Errorf("%s with %+v after %d creates", got.State, a, b.api.creates())
				}
				if known, err := b.submitter.Resume(t.Context(), got); err != nil || !known {
					t.Errorf("once more: %t, %v", known, err)
				}
			})
		})
	}
}

// A create in flight is left alone, and of one that this worker knows nothing of
// it says so.
func TestResumeOfWhatGoesOn(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		b := newBench()
		j := b.job(t, jobs.Options{})
		b.api.create = slow(time.Minute)
		time.AfterFunc(time.Second, func() {
			known, err := b.submitter.Resume(context.Background(), b.records.job(t, j.ID))
			if err != nil || !known || b.records.job(t, j.ID).State != jobs.StateSubmitting {
				t.Errorf("in flight: %t, %v", known, err)
			}
		})
		b.submit(t, j.ID, 1)
		stranger := b.job(t, jobs.Options{})
		stranger.Current = 1
		if known, err := b.submitter.Resume(t.Context(), stranger); err != nil || known {
			t.Errorf("unknown: %t, %v", known, err)
		}
	})
}

// An answer that Redis does not take yet goes on record as soon as anybody asks what
// has become of its intent, and not only when the call asks Redis again.
func TestResumeOfABusyCall(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		b := newBench()
		j := b.job(t, jobs.Options{})
		b.api.create = func(ctx context.Context) (jobs.Reply, error) {
			b.records.setAway(true)
			return answer(response("resp_1", jobs.StatusQueued))(ctx)
		}
		go func() {
			if err := b.submitter.Submit(context.WithoutCancel(t.Context()), j.ID, 1); err != nil {
				t.Errorf("Submit: %v", err)
			}
		}()
		time.Sleep(time.Minute) // the pauses between two tries are long by now
		b.records.setAway(false)
		known, err := b.submitter.Resume(t.Context(), b.records.job(t, j.ID))
		got := b.records.job(t, j.ID)
		if a, _ := got.CurrentAttempt(); err != nil || !known || got.State != jobs.StateRunning || a.ResponseID != "resp_1" {
			t.Errorf("Resume: %t, %v; %s with %+v", known, err, got.State, a)
		}
		b.submitter.Wait()
		if again := b.records.job(t, j.ID); again.Version != got.Version || b.api.creates() != 1 {
			t.Errorf("version %d after %d, %d creates", again.Version, got.Version, b.api.creates())
		}
	})
}

// A worker that is to make an attempt anew, because Redis has forgotten that it was
// made, puts the response on record that it still knows, and sends nothing. Redis may
// have forgotten the admission as well.
//
// Guarantee: G5.
func TestForgottenCreateIsNotSentAgain(t *testing.T) {
	t.Parallel()
	for name, admitted := range map[string]bool{"admitted": true, "its admission forgotten, too": false} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				b := newBench()
				fresh := b.job(t, jobs.Options{})
				b.api.create = answer(response("resp_1", jobs.StatusQueued))
				b.submit(t, fresh.ID, 1)
				b.records.change(fresh.ID, func(j *jobs.Job) {
					version := j.Version
					*j = fresh
					j.Version = version
					if !admitted {
						j.Admitted = time.Time{}
					}
				})
				b.api.create = answer(response("resp_2", jobs.StatusQueued))
				b.submit(t, fresh.ID, 1)
				got := b.records.job(t, fresh.ID)
				if a, _ := got.CurrentAttempt(); got.State != jobs.StateRunning || a.ResponseID != "resp_1" || b.api.creates() != 1 {
					t.Errorf("%s with %+v after %d creates", got.State, a, b.api.creates())
				}
			})
		})
	}
}
