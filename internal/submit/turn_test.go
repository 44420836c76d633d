package submit_test

import (
	"context"
	"encoding/json"
	"errors"
	"log/slog"
	"testing"
	"testing/synctest"
	"time"

	"github.com/longhaul-jobs/longhaul/internal/submit"
	"github.com/longhaul-jobs/longhaul/jobs"
	"github.com/longhaul-jobs/longhaul/results"
)

// fakePacer gives one turn, and remembers what it was told.
type fakePacer struct {
	turn     results.Turn
	asked    func() // before each turn
	reserved *jobs.Reserved
	err      error
	answered []error
	ended    []int // attempts
}

func (p *fakePacer) Turn(context.Context, string, jobs.Try, json.RawMessage) (results.Turn, *jobs.Reserved, error) {
	if p.asked != nil {
		p.asked()
	}
	return p.turn, p.reserved, p.err
}

func (p *fakePacer) Answered(_ context.Context, _ string, _ jobs.Try, _ jobs.Reply, failure error) {
	p.answered = append(p.answered, failure)
}

func (p *fakePacer) Ended(_ context.Context, _ jobs.Job, a jobs.Attempt, _ *jobs.Usage) {
	p.ended = append(p.ended, a.Number)
}

func withPacer(pacer *fakePacer) *bench {
	b := newBench()
	b.submitter = b.with(submit.Config{Worker: worker, Endpoint: endpoint, FirstLook: firstLookAfter, Pacer: pacer})
	return b
}

// A request is sent at its turn, and what was reserved for it is on record.
//
// Guarantee: G20.
func TestRequestIsSentAtItsTurn(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		pacer := &fakePacer{reserved: &jobs.Reserved{Input: 7, Output: 500}}
		b := withPacer(pacer)
		j := b.job(t, jobs.Options{})
		pacer.turn = results.Turn{Verdict: results.TurnGranted, At: b.records.Now().Add(7 * time.Second)}
		began := time.Now()
		var sent time.Duration
		b.api.create = func(context.Context) (jobs.Reply, error) {
			sent = time.Since(began)
			return response("resp_1", jobs.StatusCompleted), nil
		}
		b.submit(t, j.ID, 1)
		if sent != 7*time.Second {
			t.Errorf("sent after %s, want 7s", sent)
		}
		a := b.records.job(t, j.ID).Attempts[0]
		if a.Reserved == nil || *a.Reserved != (jobs.Reserved{Input: 7, Output: 500}) {
			t.Errorf("on record: %+v", a)
		}
		if len(pacer.answered) != 1 || pacer.answered[0] != nil || len(pacer.ended) != 1 || pacer.ended[0] != 1 {
			t.Errorf("the pacer was told %v, %v", pacer.answered, pacer.ended)
		}
	})
}

// A process that was held up beyond its turn asks for another, and one that always is
// goes on in the end.
//
// Guarantee: G20.
func TestMissedTurnIsAskedForAgain(t *testing.T) {
	t.Parallel()
	for name, late := range map[string]struct{ times, asked int }{"once": {1, 2}, "always": {100, 4}} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				pacer, asked := &fakePacer{}, 0
				b := withPacer(pacer)
				j := b.job(t, jobs.Options{})
				pacer.asked = func() {
					asked++
					pacer.turn = results.Turn{Verdict: results.TurnGranted, At: b.records.Now()}
					if asked <= late.times {
						time.Sleep(time.Second) // held up
					}
				}
				b.api.create = func(context.Context) (jobs.Reply, error) { return response("resp_1", jobs.StatusCompleted), nil }
				b.submit(t, j.ID, 1)
				if asked != late.asked || b.records.job(t, j.ID).State != jobs.StateSucceeded {
					t.Errorf("asked for %d turns, want %d; the job is %s", asked, late.asked, b.records.job(t, j.ID).State)
				}
			})
		})
	}
}

// slowRecords takes long to put an intent on record.
type slowRecords struct {
	*fakeRecords

	takes time.Duration
}

func (r *slowRecords) Advance(ctx context.Context, j jobs.Job, ev jobs.Event) (jobs.Job, error) {
	if _, intent := ev.(jobs.SubmitStarted); intent {
		time.Sleep(r.takes)
	}
	return r.fakeRecords.Advance(ctx, j, ev)
}

// A turn that is missed while the intent is put on record is asked for again, and the
// request waits for that; where none is to be had, it is sent all the same.
//
// Guarantee: G20.
func TestTurnMissedByTheIntentIsAskedForAgain(t *testing.T) {
	t.Parallel()
	const later = 3 * time.Second
	for name, tt := range map[string]struct {
		takes time.Duration
		then  results.TurnVerdict
		asked int
		sent  time.Duration
	}{
		"in time":           {missedOfIntent / 2, results.TurnGranted, 1, missedOfIntent / 2},
		"late":              {missedOfIntent, results.TurnGranted, 2, later},
		"late, and no turn": {missedOfIntent, results.TurnWait, 2, missedOfIntent},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				pacer, asked := &fakePacer{}, 0
				b := newBench()
				b.submitter = submit.New(&slowRecords{b.records, tt.takes}, b.api, b.effects,
					submit.Config{Worker: worker, Endpoint: endpoint, FirstLook: firstLookAfter, Pacer: pacer}, slog.New(slog.DiscardHandler))
				j := b.job(t, jobs.Options{})
				began := time.Now()
				pacer.asked = func() {
					if asked++; asked == 1 {
						pacer.turn = results.Turn{Verdict: results.TurnGranted, At: began}
						return
					}
					pacer.turn = results.Turn{Verdict: tt.then, At: began.Add(later)}
				}
				var sent time.Duration
				b.api.create = func(context.Context) (jobs.Reply, error) {
					sent = time.Since(began)
					return response("resp_1", jobs.StatusCompleted), nil
				}
				b.submit(t, j.ID, 1)
				if asked != tt.asked || sent != tt.sent {
					t.Errorf("asked for %d turns and sent after %s, want %d and %s", asked, sent, tt.asked, tt.sent)
				}
			})
		})
	}
}

// The end of the grace cuts the wait for another turn short: the intent must not be left
// behind as one of a dead worker, and nothing is sent any more.
//
// Guarantee: G4.
func TestAbortEndsTheWaitForAnotherTurn(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		pacer := &fakePacer{}
		b := newBench()
		b.submitter = submit.New(&slowRecords{b.records, missedOfIntent}, b.api, b.effects,
			submit.Config{Worker: worker, Endpoint: endpoint, FirstLook: firstLookAfter, Pacer: pacer}, slog.New(slog.DiscardHandler))
		j := b.job(t, jobs.Options{})
		began := time.Now()
		pacer.asked = func() {
			pacer.turn = results.Turn{Verdict: results.TurnGranted, At: began}
			if b.records.job(t, j.ID).State == jobs.StateSubmitting {
				pacer.turn.At = began.Add(9 * time.Second)
			}
		}
		b.api.create = func(ctx context.Context) (jobs.Reply, error) {
			if ctx.Err() == nil {
				t.Error("the create may send something")
			}
			return jobs.Reply{}, &jobs.Error{Failure: jobs.Failure{Class: jobs.ClassUnreachable}}
		}
		time.AfterFunc(time.Second, b.submitter.Abort)
		b.submit(t, j.ID, 1)
		if got := b.records.job(t, j.ID); got.State != jobs.StateWaiting || len(got.Attempts) != 1 || time.Since(began) != time.Second {
			t.Errorf("%s with %d attempts after %s, want it waiting after a second", got.State, len(got.Attempts), time.Since(began))
		}
	})
}

// missedOfIntent is late enough to have missed a turn.
const missedOfIntent = time.Second

// A job whose turn is not soon goes back to its lane, with its attempts.
//
// Guarantee: G20.
func TestJobWithoutATurnGoesBack(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		name  string
		turn  results.TurnVerdict
		later time.Duration // until when it stays there
		waits jobs.WaitReason
	}{
		{"later", results.TurnWait, 58 * time.Second, jobs.WaitLimit},
		{"no place", results.TurnFull, time.Second, jobs.WaitLimit},
		{"paused by hand", results.TurnPaused, 0, ""},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				pacer := &fakePacer{}
				b := withPacer(pacer)
				j := b.job(t, jobs.Options{})
				pacer.turn = results.Turn{Verdict: tt.turn, At: b.records.Now().Add(time.Minute)}
				b.submit(t, j.ID, 1)
				got := b.records.job(t, j.ID)
				if len(b.api.bodies) != 0 || got.State != jobs.StateWaiting || !got.Admitted.IsZero() || len(got.Attempts) != 0 || got.Waits != tt.waits {
					t.Errorf("%d sent; %+v", len(b.api.bodies), got)
				}
				if want := time.Now().Add(tt.later).UTC(); tt.later > 0 && !got.NotBefore.Equal(want.Truncate(time.Millisecond)) {
					t.Errorf("not before %s, want %s", got.NotBefore, want)
				}
			})
		})
	}
}

// A job whose turn is not known is not sent, and stays admitted for the watchdog; nor
// is one sent whose worker is told to stop before its turn.
func TestUnknownTurnSendsNothing(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		pacer := &fakePacer{err: errors.New("redis does not answer")}
		b := withPacer(pacer)
		j := b.job(t, jobs.Options{})
		b.submit(t, j.ID, 1)
		if got := b.records.job(t, j.ID); len(b.api.bodies) != 0 || got.State != jobs.StateWaiting || got.Admitted.IsZero() {
			t.Errorf("%d sent; %+v", len(b.api.bodies), got)
		}
		pacer.err, pacer.turn = nil, results.Turn{Verdict: results.TurnGranted, At: b.records.Now().Add(9 * time.Second)}
		ctx, cancel := context.WithTimeout(t.Context(), 2*time.Second)
		defer cancel()
		if err := b.submitter.Submit(ctx, j.ID, 1); err != nil {
			t.Fatal(err)
		}
		if len(b.api.bodies) != 0 {
			t.Error("sent before its turn")
		}
	})
}
