package submit_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/longhaul-jobs/longhaul/internal/redistest"
	"github.com/longhaul-jobs/longhaul/internal/submit"
	"github.com/longhaul-jobs/longhaul/jobs"
	"github.com/longhaul-jobs/longhaul/results"
)

// TestIntentIsOnRecordBeforeThePOSTLeaves looks at the record from inside of the
// create call, where a crash would leave it.
//
// Guarantee: G2.
func TestIntentIsOnRecordBeforeThePOSTLeaves(t *testing.T) {
	t.Parallel()
	b := newBench()
	j := b.job(t, jobs.Options{})
	var during jobs.Job
	b.api.create = func(context.Context) (jobs.Reply, error) {
		during = b.records.job(t, j.ID)
		return response("resp_1", jobs.StatusQueued), nil
	}
	b.submit(t, j.ID, 1)

	if during.State != jobs.StateSubmitting || during.Current != 1 || len(during.Attempts) != 1 {
		t.Fatalf("while the POST was out the job was %s, attempt %d of %d; want submitting, 1 of 1",
			during.State, during.Current, len(during.Attempts))
	}
	a := during.Attempts[0]
	want := jobs.Attempt{
		Number: 1, Endpoint: endpoint, Worker: worker, Started: a.Started, ClientRequestID: fmt.Sprintf("%s-1", j.ID),
	}
	if diff := cmp.Diff(want, a); diff != "" || a.Started.IsZero() {
		t.Errorf("intent on record, started %v (-want +got):\n%s", a.Started, diff)
	}

	after := b.records.job(t, j.ID)
	if after.State != jobs.StateRunning || after.Attempts[0].ResponseID != "resp_1" || after.Attempts[0].RequestID != "req_1" {
		t.Errorf("afterwards the job is %s with %+v; want running with resp_1", after.State, after.Attempts[0])
	}
}

// TestBodyIsTheCallersOwn wants the caller's fields as they were written, and
// ours beside them.
func TestBodyIsTheCallersOwn(t *testing.T) {
	t.Parallel()
	b := newBench()
	j := b.job(t, jobs.Options{})
	b.submit(t, j.ID, 1)
	var sent map[string]json.RawMessage
	if err := json.Unmarshal(b.api.bodies[0], &sent); err != nil {
		t.Fatal(err)
	}
	got := make(map[string]string, len(sent))
	for key, value := range sent {
		got[key] = string(value)
	}
	want := map[string]string{
		"input": `"What is a lighthouse?"`, "tools": "[]", "a_new_field": "1.50", "model": `"gpt-4.1"`,
		"background": "true", "store": "true",
		"metadata": fmt.Sprintf(`{"longhaul_job":%q,"longhaul_attempt":"1"}`, j.ID),
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("body (-want +got):\n%s", diff)
	}
}

// TestTasksThatAreOverDoNothing wants neither a POST nor a change of the record.
//
// Guarantees: G6, G15.
func TestTasksThatAreOverDoNothing(t *testing.T) {
	t.Parallel()
	tests := []struct {
		name    string
		attempt int
		prepare func(b *bench, j jobs.Job)
	}{
		{"an attempt that is over", 1, func(b *bench, j jobs.Job) {
			b.records.change(j.ID, func(j *jobs.Job) {
				j.Attempts = []jobs.Attempt{{Number: 1, Outcome: jobs.OutcomeFailed}}
			})
		}},
		{"an attempt that is not due yet", 2, func(*bench, jobs.Job) {}},
		{"a job that was never admitted", 1, func(b *bench, j jobs.Job) {
			b.records.change(j.ID, func(j *jobs.Job) { j.Admitted = time.Time{} })
		}},
		{"a POST that is out", 1, func(b *bench, j jobs.Job) {
			b.records.change(j.ID, func(j *jobs.Job) {
				j.State, j.Current = jobs.StateSubmitting, 1
				j.Attempts = []jobs.Attempt{{Number: 1, Worker: worker}}
			})
		}},
		{"a running job", 2, func(b *bench, j jobs.Job) {
			b.records.change(j.ID, func(j *jobs.Job) {
				j.State, j.Current = jobs.StateRunning, 1
				j.Attempts = []jobs.Attempt{{Number: 1, ResponseID: "resp_1"}}
			})
		}},
		{"an ended job", 1, func(b *bench, j jobs.Job) {
			b.records.change(j.ID, func(j *jobs.Job) { j.State = jobs.StateCancelled })
		}},
		{"a job of a newer schema", 1, func(b *bench, j jobs.Job) { b.records.newer[j.ID] = true }},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			b := newBench()
			j := b.job(t, jobs.Options{})
			tt.prepare(b, j)
			before := b.records.job(t, j.ID)
			b.submit(t, j.ID, tt.attempt)
			if n := b.api.creates(); n != 0 {
				t.Errorf("%d creates, want none", n)
			}
			if after := b.records.job(t, j.ID); after.Version != before.Version {
				t.Errorf("the record was changed: %s", b.records.history)
			}
		})
	}
	t.Run("a job that was deleted", func(t *testing.T) {
		t.Parallel()
		b := newBench()
		b.submit(t, jobs.NewID(time.Now(), 0), 1)
		if n := b.api.creates(); n != 0 {
			t.Errorf("%d creates, want none", n)
		}
	})
}

// TestFailedCreate goes through the error table.
//
// Guarantee: G6.
func TestFailedCreate(t *testing.T) {
	t.Parallel()
	type end struct {
		State   jobs.State
		Outcome jobs.Outcome
		Free    bool
		Reason  string // of the next attempt
	}
	again := func(class jobs.Class) end {
		return end{jobs.StateWaiting, jobs.OutcomeFailed, false, string(class)}
	}
	later := func(class jobs.Class) end {
		return end{jobs.StateWaiting, jobs.OutcomeFailed, true, string(class)}
	}
	over := end{State: jobs.StateFailed, Outcome: jobs.OutcomeFailed}
	table := map[jobs.Class]end{
		jobs.ClassInternal: again(jobs.ClassInternal), jobs.ClassUnavailable: again(jobs.ClassUnavailable),
		jobs.ClassConflict: again(jobs.ClassConflict), jobs.ClassRateLimited: later(jobs.ClassRateLimited),
		jobs.ClassUnauthorized: later(jobs.ClassUnauthorized), jobs.ClassQuota: later(jobs.ClassQuota),
		jobs.ClassUnreachable: later(jobs.ClassUnreachable), jobs.ClassCapacity: later(jobs.ClassCapacity), jobs.ClassPoison: over,
		jobs.ClassInvalid: over, jobs.ClassRejected: over, jobs.ClassLost: over, jobs.ClassOversized: over, jobs.ClassExpired: over, jobs.ClassDependency: over,
		jobs.ClassAmbiguous: {jobs.StateWaiting, jobs.OutcomeUncertain, false, string(jobs.ClassAmbiguous)},
	}
	for _, class := range jobs.Classes() {
		want, ok := table[class]
		if !ok {
			t.Errorf("class %s has no row in this test", class)
		}
		tests := []struct {
			name    string
			options jobs.Options
			want    end
		}{
			{"first of five", jobs.Options{}, want},
			{"the last", jobs.Options{MaxAttempts: 1}, want},
			{"held", jobs.Options{Uncertain: jobs.UncertainHold}, want},
		}
		if !want.Free { // an attempt that counts was the last
			tests[1].want.State, tests[1].want.Reason = jobs.StateFailed, ""
		}
		if class == jobs.ClassAmbiguous {
			tests[2].want.State, tests[2].want.Reason = jobs.StateUncertain, ""
		}
		for _, tt := range tests {
			t.Run(fmt.Sprintf("%s, %s", class, tt.name), func(t *testing.T) {
				t.Parallel()
				b := newBench()
				j := b.job(t, tt.options)
				b.api.create = refuse(jobs.Failure{Class: class, HTTPStatus: 499, RequestID: "req_9", Message: "the reason"})
				b.submit(t, j.ID, 1)
				got := b.records.job(t, j.ID)
				if len(got.Attempts) != 1 {
					t.Fatalf("%d attempts on record, want 1", len(got.Attempts))
				}
				a := got.Attempts[0]
				if diff := cmp.Diff(tt.want, end{got.State, a.Outcome, a.Free, got.Reason}); diff != "" {
					t.Errorf("after a create that was %s (-want +got):\n%s", class, diff)
				}
				if got.Failure == nil || got.Failure.Class != class || a.RequestID != "req_9" {
					t.Errorf("failure %v, request %q; want what the provider said", got.Failure, a.RequestID)
				}
			})
		}
	}
}

func TestServersOwnDelayIsHonoured(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		b := newBench()
		j := b.job(t, jobs.Options{})
		b.api.create = refuse(jobs.Failure{Class: jobs.ClassRateLimited, RetryAfter: 10 * time.Second})
		b.submit(t, j.ID, 1)
		if wait := time.Until(b.records.job(t, j.ID).NotBefore); wait < 10*time.Second-time.Millisecond || wait > 11*time.Second {
			t.Errorf("the next attempt waits %v, want ten seconds and at most a tenth more", wait)
		}
	})
}

func TestFailuresAreLoggedForWhomTheyConcern(t *testing.T) {
	t.Parallel()
	// Of a bad key the breaker tells, once for all jobs of the lane.
	for class, level := range map[jobs.Class]string{jobs.ClassInternal: "ERROR", jobs.ClassUnavailable: "WARN", jobs.ClassUnauthorized: "INFO"} {
		b := newBench()
		j := b.job(t, jobs.Options{})
		b.api.create = refuse(jobs.Failure{Class: class, HTTPStatus: 401})
		b.submit(t, j.ID, 1)
		if want := "level=" + level + ` msg="create failed"`; !strings.Contains(b.log.String(), want) {
			t.Errorf("%s: the log has no %s:\n%s", class, want, b.log)
		}
	}
}

// TestAnswerThatHasEndedIsStoredAtOnce covers servers that know no background
// mode: the answer to the create is the result.
//
// Guarantee: G9.
func TestAnswerThatHasEndedIsStoredAtOnce(t *testing.T) {
	t.Parallel()
	tests := []struct {
		status string
		state  jobs.State
		kept   bool
	}{
		{jobs.StatusCompleted, jobs.StateSucceeded, true},
		{jobs.StatusIncomplete, jobs.StateIncomplete, true},
		{jobs.StatusCancelled, jobs.StateCancelled, true},
		{jobs.StatusFailed, jobs.StateWaiting, false}, // tried again
	}
	for _, tt := range tests {
		t.Run(tt.status, func(t *testing.T) {
			t.Parallel()
			b := newBench()
			j := b.job(t, jobs.Options{})
			reply := response("resp_1", tt.status)
			b.api.create = answer(reply)
			b.submit(t, j.ID, 1)
			got := b.records.job(t, j.ID)
			if got.State != tt.state || got.Attempts[0].ResponseID != "resp_1" {
				t.Errorf("state %s, response %q; want %s, resp_1", got.State, got.Attempts[0].ResponseID, tt.state)
			}
			want := ""
			if tt.kept {
				want = string(reply.Response.Raw)
			}
			if kept := string(b.records.body[j.ID]); kept != want {
				t.Errorf("kept %q, want %q", kept, want)
			}
			if diff := cmp.Diff([]string{"submit_started", "created"}, b.records.history); diff != "" {
				t.Errorf("steps (-want +got):\n%s", diff)
			}
		})
	}
}

// TestOutcomeIsRecordedWhenRedisReturns takes Redis away while the POST is out,
// and with it the task's context.
//
// Guarantee: G2.
func TestOutcomeIsRecordedWhenRedisReturns(t *testing.T) {
	t.Parallel()
	tests := []struct {
		name  string
		reply func(context.Context) (jobs.Reply, error)
		state jobs.State
	}{
		{"accepted", answer(response("resp_1", jobs.StatusQueued)), jobs.StateRunning},
		{"refused", refuse(jobs.Failure{Class: jobs.ClassInvalid}), jobs.StateFailed},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				b := newBench()
				j := b.job(t, jobs.Options{})
				ctx, cancel := context.WithCancel(t.Context())
				b.api.create = func(ctx context.Context) (jobs.Reply, error) {
					b.records.setAway(true)
					cancel()
					return tt.reply(ctx)
				}
				time.AfterFunc(time.Hour, func() { b.records.setAway(false) })
				if err := b.submitter.Submit(ctx, j.ID, 1); err != nil {
					t.Fatalf("Submit: %v", err)
				}
				if got := b.records.job(t, j.ID); got.State != tt.state {
					t.Errorf("state %s after Redis was back, want %s", got.State, tt.state)
				}
				if n := b.api.creates(); n != 1 {
					t.Errorf("%d creates, want 1", n)
				}
				// The log is the last resort: it names what was paid for.
				if tt.state == jobs.StateRunning && !strings.Contains(b.log.String(), "job_id="+string(j.ID)+" attempt=1 response_id=resp_1") {
					t.Errorf("while Redis was away the log did not name the response:\n%s", b.log)
				}
			})
		})
	}
}

// TestIntentWhoseAnswerIsLost has Redis go away in the middle of the first
// write. Only this worker can know that it has not sent anything.
//
// Guarantee: G6.
func TestIntentWhoseAnswerIsLost(t *testing.T) {
	t.Parallel()
	t.Run("it is on record", func(t *testing.T) {
		t.Parallel()
		synctest.Test(t, func(t *testing.T) {
			b := newBench()
			j := b.job(t, jobs.Options{})
			b.records.loseAnswer = true
			time.AfterFunc(time.Minute, func() { b.records.setAway(false) })
			b.submit(t, j.ID, 1)
			got := b.records.job(t, j.ID)
			if got.State != jobs.StateRunning || len(got.Attempts) != 1 || b.api.creates() != 1 {
				t.Errorf("state %s, %d attempts, %d creates; want running after one", got.State, len(got.Attempts), b.api.creates())
			}
		})
	})
	t.Run("it is not", func(t *testing.T) {
		t.Parallel()
		synctest.Test(t, func(t *testing.T) {
			b := newBench()
			j := b.job(t, jobs.Options{})
			b.submitter = submit.New(&awayAtAdvance{fakeRecords: b.records}, b.api, b.effects, submit.Config{
				Worker: worker, Endpoint: endpoint, FirstLook: firstLookAfter,
			}, slog.New(slog.DiscardHandler))
			time.AfterFunc(time.Minute, func() { b.records.setAway(false) })
			if err := b.submitter.Submit(t.Context(), j.ID, 1); !errors.Is(err, errAway) {
				t.Fatalf("Submit: %v; want the task put back", err)
			}
			if got := b.records.job(t, j.ID); got.State != jobs.StateWaiting || b.api.creates() != 0 {
				t.Fatalf("state %s after %d creates; want it waiting and nothing sent", got.State, b.api.creates())
			}
			b.submit(t, j.ID, 1) // the task comes back
			if got := b.records.job(t, j.ID); got.State != jobs.StateRunning || b.api.creates() != 1 {
				t.Errorf("state %s after %d creates; want running after one", got.State, b.api.creates())
			}
		})
	})
}

// awayAtAdvance loses Redis before the first event is written.
type awayAtAdvance struct {
	*fakeRecords

	once sync.Once
}

func (r *awayAtAdvance) Advance(ctx context.Context, j jobs.Job, ev jobs.Event) (jobs.Job, error) {
	r.once.Do(func() { r.setAway(true) })
	return r.fakeRecords.Advance(ctx, j, ev)
}

// TestIntentOfAnotherTaskIsNotOurs has two tasks of the same attempt in one
// worker. The first is at its POST when the second loses Redis in the middle of
// its own intent, and finds one on record.
//
// Guarantee: G6.
func TestIntentOfAnotherTaskIsNotOurs(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		b := newBench()
		j := b.job(t, jobs.Options{})
		b.api.create = func(context.Context) (jobs.Reply, error) {
			time.Sleep(time.Minute)
			return response("resp_1", jobs.StatusQueued), nil
		}
		s := submit.New(&awayAtSecond{fakeRecords: b.records}, b.api, b.effects, submit.Config{
			Worker: worker, Endpoint: endpoint, FirstLook: firstLookAfter,
		}, slog.New(slog.DiscardHandler))
		var both sync.WaitGroup
		for range 2 {
			both.Go(func() { _ = s.Submit(t.Context(), j.ID, 1) })
		}
		both.Wait()
		if n := b.api.creates(); n != 1 {
			t.Errorf("%d creates, want 1", n)
		}
	})
}

// awayAtSecond keeps two tasks abreast and loses Redis for the second intent.
type awayAtSecond struct {
	*fakeRecords

	intents atomic.Int32
}

func (r *awayAtSecond) LoadWithRequest(ctx context.Context, id jobs.ID) (jobs.Job, func(context.Context) (jobs.Request, error), error) {
	j, request, err := r.fakeRecords.LoadWithRequest(ctx, id)
	time.Sleep(time.Second) // until the other has loaded the record too
	return j, request, err
}

func (r *awayAtSecond) Advance(ctx context.Context, j jobs.Job, ev jobs.Event) (jobs.Job, error) {
	if _, intent := ev.(jobs.SubmitStarted); intent && r.intents.Add(1) == 2 {
		return jobs.Job{}, errAway
	}
	return r.fakeRecords.Advance(ctx, j, ev)
}

func TestRedisAwayBeforeTheIntentSendsNothing(t *testing.T) {
	t.Parallel()
	b := newBench()
	j := b.job(t, jobs.Options{})
	b.records.setAway(true)
	if err := b.submitter.Submit(t.Context(), j.ID, 1); !errors.Is(err, errAway) {
		t.Errorf("Submit: %v; want the task put back", err)
	}
	if n := b.api.creates(); n != 0 {
		t.Errorf("%d creates, want none", n)
	}
}

func TestFirstLook(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		name  string
		wish  time.Duration
		after time.Duration
	}{
		{"the schedule's", 0, firstLook},
		{"the provider's wish", 7 * time.Second, 7 * time.Second},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				b := newBench()
				j := b.job(t, jobs.Options{})
				reply := response("resp_1", jobs.StatusQueued)
				reply.PollAfter = tt.wish
				b.api.create = answer(reply)
				b.submit(t, j.ID, 1)
				if got := time.Until(b.records.job(t, j.ID).LookAt); got != tt.after {
					t.Errorf("first look in %v, want %v", got, tt.after)
				}
			})
		})
	}
}

// TestDeadlineThatHasPassedSendsNothing submits a job that lay in its queue for
// too long.
//
// Guarantee: G8.
func TestDeadlineThatHasPassedSendsNothing(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		b := newBench()
		j := b.job(t, jobs.Options{Deadline: time.Now().Add(time.Minute)})
		time.Sleep(time.Minute)
		b.submit(t, j.ID, 1)
		got := b.records.job(t, j.ID)
		if got.State != jobs.StateExpired || len(got.Attempts) != 0 || b.api.creates() != 0 {
			t.Errorf("state %s, %d attempts, %d creates; want expired without any", got.State, len(got.Attempts), b.api.creates())
		}
	})
}

// TestCancelWhileThePOSTIsOut wants the id on record first: what is paid for can
// then be cancelled.
//
// Guarantees: G2, G8.
func TestCancelWhileThePOSTIsOut(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		b := newBench()
		j := b.job(t, jobs.Options{})
		b.api.create = func(ctx context.Context) (jobs.Reply, error) {
			if _, err := b.records.Advance(ctx, j, jobs.StopRequested{Reason: jobs.StopCancel}); err != nil {
				t.Errorf("cancel: %v", err)
			}
			return response("resp_1", jobs.StatusQueued), nil
		}
		b.submit(t, j.ID, 1)
		got := b.records.job(t, j.ID)
		if got.State != jobs.StateRunning || got.Attempts[0].ResponseID != "resp_1" || got.LookAt.After(time.Now()) {
			t.Errorf("state %s, response %q, look at %v; want the response on record and looked at now", got.State, got.Attempts[0].ResponseID, got.LookAt)
		}
	})
}

// TestLateAnswerOfAnAttemptThatWasGivenUp wants the response on record and
// cancelled, since another attempt has taken its place.
//
// Guarantee: G2.
func TestLateAnswerOfAnAttemptThatWasGivenUp(t *testing.T) {
	t.Parallel()
	for _, failing := range []bool{false, true} {
		t.Run(fmt.Sprintf("effects failing %t", failing), func(t *testing.T) {
			t.Parallel()
			b := newBench()
			j := b.job(t, jobs.Options{})
			if failing {
				b.effects.err = errAway
			}
			b.api.create = func(ctx context.Context) (jobs.Reply, error) {
				for _, ev := range []jobs.Event{
					jobs.WorkerLost{Attempt: 1, Worker: worker},
					jobs.SubmitStarted{Attempt: 2, Worker: "w_other", Endpoint: endpoint},
					jobs.Created{Attempt: 2, Reply: response("resp_2", jobs.StatusQueued), FirstLook: time.Now()},
				} {
					b.records.admit(j.ID)
					if _, err := b.records.Advance(ctx, j, ev); err != nil {
						t.Errorf("%s: %v", ev.Name(), err)
					}
				}
				return response("resp_1", jobs.StatusQueued), nil
			}
			b.submit(t, j.ID, 1)
			got := b.records.job(t, j.ID)
			if got.State != jobs.StateRunning || got.Current != 2 || got.Attempts[0].ResponseID != "resp_1" {
				t.Errorf("state %s, attempt %d, first response %q; want attempt 2 running and resp_1 on record",
					got.State, got.Current, got.Attempts[0].ResponseID)
			}
			want := []jobs.Effect{{ID: 1, Kind: jobs.EffectCancel, Attempt: 1, Endpoint: endpoint, ResponseID: "resp_1"}}
			if diff := cmp.Diff(want, got.Outbox); diff != "" {
				t.Errorf("outbox (-want +got):\n%s", diff)
			}
			if len(b.effects.jobs) != 1 || len(b.effects.jobs[0].Outbox) != 1 {
				t.Errorf("effects enqueued: %+v; want the cancel, once", b.effects.jobs)
			}
		})
	}
}

func TestJobThatIsGoneWhenItsAnswerComes(t *testing.T) {
	t.Parallel()
	for name, remove := range map[string]func(r *fakeRecords, id jobs.ID){
		"deleted":                        func(r *fakeRecords, id jobs.ID) { delete(r.jobs, id) },
		"rewritten by a newer worker":    func(r *fakeRecords, id jobs.ID) { r.newer[id] = true },
		"restored from an older backup":  func(r *fakeRecords, id jobs.ID) { r.forget(id) },
		"its attempt has another answer": func(r *fakeRecords, id jobs.ID) { r.answerDifferently(id) },
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) { // a call that never returns fails the test
				b := newBench()
				j := b.job(t, jobs.Options{})
				b.api.create = func(context.Context) (jobs.Reply, error) {
					b.records.mu.Lock()
					defer b.records.mu.Unlock()
					remove(b.records, j.ID)
					return response("resp_1", jobs.StatusQueued), nil
				}
				b.submit(t, j.ID, 1)
				if !strings.Contains(b.log.String(), "response_id=resp_1") {
					t.Errorf("the log does not name the response, which is the last that is known of it:\n%s", b.log)
				}
			})
		})
	}
}

func (r *fakeRecords) forget(id jobs.ID) {
	j := r.jobs[id]
	j.State, j.Current, j.Attempts = jobs.StateWaiting, 0, nil
	r.jobs[id] = j
}

func (r *fakeRecords) answerDifferently(id jobs.ID) {
	j := r.jobs[id]
	j.Attempts[0].ResponseID = "resp_other"
	r.jobs[id] = j
}

// TestOnePOSTForManyTasks runs the same task in two workers, many times in each.
//
// Guarantee: G6.
func TestOnePOSTForManyTasks(t *testing.T) {
	t.Parallel()
	t.Run("fake", func(t *testing.T) {
		t.Parallel()
		b := newBench()
		j := b.job(t, jobs.Options{})
		testOnePOST(t, b.records, j.ID)
	})
	t.Run("redis", func(t *testing.T) {
		t.Parallel()
		store, err := results.Open(t.Context(), redistest.Client(t), results.Config{}, slog.New(slog.DiscardHandler), nil)
		if err != nil {
			t.Fatal(err)
		}
		j, _, err := store.Accept(t.Context(), parse(t, `{"input":"hello"}`), jobs.Options{})
		if err != nil {
			t.Fatal(err)
		}
		if admitted, err := store.Admit(t.Context(), jobs.DefaultLane, 100); err != nil || len(admitted) != 1 {
			t.Fatalf("Admit: %v, %v", admitted, err)
		}
		testOnePOST(t, store, j.ID)
	})
}

func testOnePOST(t *testing.T, records submit.Records, id jobs.ID) {
	t.Helper()
	release := make(chan struct{})
	api := &fakeAPI{create: func(context.Context) (jobs.Reply, error) {
		<-release
		return response("resp_1", jobs.StatusQueued), nil
	}}
	const tasks = 8 // in each worker
	var workers []*submit.Submitter
	var all sync.WaitGroup
	errs := make(chan error, 2*tasks)
	for _, name := range []string{"w_one", "w_two"} {
		s := submit.New(records, api, &fakeEffects{}, submit.Config{
			Worker: name, Endpoint: endpoint, FirstLook: firstLookAfter,
		}, slog.New(slog.DiscardHandler))
		workers = append(workers, s)
		for range tasks {
			all.Go(func() { errs <- s.Submit(t.Context(), id, 1) })
		}
	}
	// All but the one whose POST is out come back.
	for range 2*tasks - 1 {
		if err := <-errs; err != nil {
			t.Errorf("Submit: %v", err)
		}
	}
	close(release)
	all.Wait()
	for _, s := range workers {
		s.Wait()
	}
	if n := api.creates(); n != 1 {
		t.Errorf("%d creates, want 1", n)
	}
	j, err := records.Load(t.Context(), id)
	if err != nil || j.State != jobs.StateRunning || len(j.Attempts) != 1 {
		t.Errorf("state %s after %d attempts, %v; want running after one", j.State, len(j.Attempts), err)
	}
}

// TestWaitIsForWhatIsInFlight drains while a create is out.
//
// Guarantee: G4.
func TestWaitIsForWhatIsInFlight(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		b := newBench()
		j := b.job(t, jobs.Options{})
		b.submitter.Wait() // nothing is in flight: it returns
		b.api.create = func(context.Context) (jobs.Reply, error) {
			time.Sleep(time.Minute)
			return response("resp_1", jobs.StatusQueued), nil
		}
		go func() { _ = b.submitter.Submit(t.Context(), j.ID, 1) }()
		synctest.Wait()
		b.submitter.Wait()
		if got := b.records.job(t, j.ID); got.State != jobs.StateRunning {
			t.Errorf("Wait returned while the job was %s", got.State)
		}
	})
}

// TestPanicIsNoReasonToSendAgain: whether the POST had left is not known.
//
// Guarantee: G6.
func TestPanicIsNoReasonToSendAgain(t *testing.T) {
	t.Parallel()
	b := newBench()
	j := b.job(t, jobs.Options{})
	b.api.create = func(context.Context) (jobs.Reply, error) { panic("after the POST") }
	func() {
		defer func() { _ = recover() }()
		b.submit(t, j.ID, 1)
		t.Error("the panic was swallowed: nobody would count it")
	}()
	b.api.create = answer(response("resp_1", jobs.StatusQueued))
	b.submit(t, j.ID, 1)
	if n := b.api.creates(); n != 1 {
		t.Errorf("%d creates, want 1", n)
	}
	if got := b.records.job(t, j.ID); got.State != jobs.StateSubmitting {
		t.Errorf("state %s; want submitting, for the watchdog to give up", got.State)
	}
	b.submitter.Wait()
}
