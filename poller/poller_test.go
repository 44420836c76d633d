package poller

import (
	"bytes"
	"context"
	"fmt"
	"log/slog"
	"slices"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/longhaul-jobs/longhaul/jobs"
)

// fakeRecords is a store in memory with one shard. Its rules are the store's:
// claims lease, and what has moved on is left alone.
type fakeRecords struct {
	mu   sync.Mutex
	jobs map[jobs.ID]jobs.Job
	due  map[jobs.ID]time.Time
	// served are the endpoints of all workers.
	served []string
	shards int
}

func newFakeRecords(list ...jobs.Job) *fakeRecords {
	r := &fakeRecords{jobs: make(map[jobs.ID]jobs.Job), due: make(map[jobs.ID]time.Time), served: []string{"default"}, shards: 1}
	for _, j := range list {
		r.jobs[j.ID] = j
		if at, owed := j.Due(jobs.DefaultTiming()); owed {
			r.due[j.ID] = at
		}
	}
	return r
}

func (r *fakeRecords) ClaimLooks(_ context.Context, limits map[string]int, lease time.Duration) ([]jobs.Job, error) {
	var all []jobs.Job
	for endpoint, limit := range limits {
		claimed, _ := r.claim(limit, lease, func(j jobs.Job) bool {
			return j.State == jobs.StateRunning && j.Attempts[0].Endpoint == endpoint
		})
		all = append(all, claimed...)
	}
	return all, nil
}

func (r *fakeRecords) ClaimUnserved(_ context.Context, lease time.Duration) ([]jobs.Job, error) {
	return r.claim(1000, lease, func(j jobs.Job) bool {
		return j.State == jobs.StateRunning && !slices.Contains(r.served, j.Attempts[0].Endpoint) &&
			(j.Stop != nil || j.Late(time.Now()))
	})
}

func (r *fakeRecords) ClaimDue(_ context.Context, limit int, lease time.Duration) ([]jobs.Job, error) {
	return r.claim(limit, lease, func(j jobs.Job) bool { return j.State != jobs.StateRunning })
}

func (r *fakeRecords) claim(limit int, lease time.Duration, of func(jobs.Job) bool) ([]jobs.Job, error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	var claimed []jobs.Job
	now := time.Now()
	for id, at := range r.due {
		if !at.After(now) && len(claimed) < limit*r.shards && of(r.jobs[id]) {
			r.due[id] = now.Add(lease)
			claimed = append(claimed, r.jobs[id])
		}
	}
	return claimed, nil
}

func (r *fakeRecords) PutBack(_ context.Context, back []PutBack) error {
	r.mu.Lock()
	defer r.mu.Unlock()
	for _, b := range back {
		if j := r.jobs[b.Job.ID]; j.Version == b.Job.Version {
			j.Looks = b.Looks
			r.jobs[b.Job.ID] = j
			r.due[b.Job.ID] = b.Due
		}
	}
	return nil
}

func (r *fakeRecords) Advance(_ context.Context, j jobs.Job, ev jobs.Event) (jobs.Job, error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	change, err := jobs.Transition(r.jobs[j.ID], ev, time.Now())
	if err != nil {
		return r.jobs[j.ID], err
	}
	next := change.Job
	next.Version++
	r.jobs[j.ID] = next
	if at, owed := next.Due(jobs.DefaultTiming()); owed {
		r.due[j.ID] = at
	} else {
		delete(r.due, j.ID)
	}
	return next, nil
}

func (r *fakeRecords) Now() time.Time { return time.Now() }
func (r *fakeRecords) Shards() int    { return r.shards }

func (r *fakeRecords) job(id jobs.ID) jobs.Job {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.jobs[id]
}

// fakeAPI answers looks from a script: each call takes the next answer, and the
// last one is repeated.
type fakeAPI struct {
	mu      sync.Mutex
	answers []answer
	looked  []time.Duration // since the start
	cancels int
	start   time.Time
	// cancelled is what a cancel answers.
	cancelled answer
}

func (a *fakeAPI) Look(context.Context, string, []string) (jobs.Reply, error) {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.looked = append(a.looked, time.Since(a.start))
	got := a.answers[0]
	if len(a.answers) > 1 {
		a.answers = a.answers[1:]
	}
	return got.reply, asError(got)
}

func (a *fakeAPI) Cancel(context.Context, string) (jobs.Reply, error) {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.cancels++
	return a.cancelled.reply, asError(a.cancelled)
}

func asError(got answer) error {
	if got.failure == nil {
		return nil
	}
	return &jobs.Error{Failure: *got.failure}
}

// fakeOthers remembers what it was given.
type fakeOthers struct {
	mu    sync.Mutex
	given []jobs.State
}

func (o *fakeOthers) Overdue(_ context.Context, j jobs.Job) error {
	o.mu.Lock()
	defer o.mu.Unlock()
	o.given = append(o.given, j.State)
	return nil
}

func (o *fakeOthers) states() []jobs.State {
	o.mu.Lock()
	defer o.mu.Unlock()
	return slices.Clone(o.given)
}

type noEffects struct{}

func (noEffects) Effects(context.Context, jobs.Job) error { return nil }

// steady is a schedule without jitter to speak of: floor and ceiling are one.
var steady = Schedule{Floor: 10 * time.Second, Ceiling: 10 * time.Second, NotFoundGrace: time.Minute, StopGrace: time.Minute}

// play runs a poller over one job until the time is over, and returns what
// became of the job.
func play(t *testing.T, j jobs.Job, api *fakeAPI, others Others, d time.Duration) (jobs.Job, string) {
	t.Helper()
	records := newFakeRecords(j)
	api.start = time.Now()
	log := run(t, records, map[string]API{"default": api}, others, d)
	return records.job(j.ID), log
}

// run runs a poller until the time is over, and returns its log.
func run(t *testing.T, records *fakeRecords, endpoints map[string]API, others Others, d time.Duration) string {
	t.Helper()
	var log bytes.Buffer
	p := New(records, endpoints, others, noEffects{}, Config{
		Schedule: steady, Concurrency: 4, Tick: 10 * time.Millisecond, Lease: time.Minute, Sweep: 5 * time.Second,
	}, prometheus.NewPedanticRegistry(), slog.New(slog.NewTextHandler(&log, nil)))
	ctx, cancel := context.WithTimeout(t.Context(), d)
	defer cancel()
	if err := p.Run(ctx); err != nil {
		t.Errorf("run: %v", err)
	}
	return log.String()
}

// TestEndsAreTold wants each end told once, with the attempt that it is of, when it is
// on record.
func TestEndsAreTold(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		j := runningJob()
		records := newFakeRecords(j)
		api := &fakeAPI{answers: []answer{response("queued"), response("failed")}, start: time.Now()}
		var told []string
		p := New(records, map[string]API{"default": api}, &fakeOthers{}, noEffects{}, Config{
			Schedule: steady, Concurrency: 4, Tick: 10 * time.Millisecond, Lease: time.Minute, Sweep: 5 * time.Second,
			Ended: func(_ context.Context, j jobs.Job, a jobs.Attempt, r jobs.Response) {
				told = append(told, fmt.Sprintf("attempt %d of a job in lane %q %s, now %s", a.Number, j.Lane, r.Status, records.job(j.ID).State))
			},
		}, prometheus.NewPedanticRegistry(), slog.New(slog.DiscardHandler))
		ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
		defer cancel()
		if err := p.Run(ctx); err != nil {
			t.Fatal(err)
		}
		if want := `attempt 1 of a job in lane "" failed, now waiting`; len(told) != 1 || told[0] != want {
			t.Errorf("told %q, want %q", told, want)
		}
	})
}

func runningJob() jobs.Job {
	now := time.Now()
	j := running(now, 0)
	j.Attempts[0].Endpoint = "default"
	j.MaxAttempts, j.Uncertain, j.LookAt = 3, jobs.UncertainResubmit, now.Add(10*time.Second)
	return j
}

func TestLooksUntilTheEnd(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		api := &fakeAPI{answers: []answer{response("queued"), response("in_progress"), response("completed")}}
		j, _ := play(t, runningJob(), api, &fakeOthers{}, 2*time.Minute)
		if j.State != jobs.StateSucceeded {
			t.Fatalf("state %s, want succeeded", j.State)
		}
		if len(api.looked) != 3 {
			t.Errorf("%d looks, want 3: an ended response is not looked at again", len(api.looked))
		}
		if api.looked[0] != 10*time.Second {
			t.Errorf("first look after %v, want 10s", api.looked[0])
		}
	})
}

// TestFailedLooksFailNoJob goes through the classes.
//
// Guarantee: G7.
func TestFailedLooksFailNoJob(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var answers []answer
		for _, class := range jobs.Classes() {
			if class != jobs.ClassOversized { // which says that the response is there
				answers = append(answers, failure(class)) // lost among them, once
			}
		}
		api := &fakeAPI{answers: append(answers, response("completed"))}
		j, _ := play(t, runningJob(), api, &fakeOthers{}, time.Hour)
		if j.State != jobs.StateSucceeded {
			t.Fatalf("state %s after %d looks, want succeeded", j.State, len(api.looked))
		}
		if len(j.Attempts) != 1 {
			t.Errorf("%d attempts, want 1: a failed look must never create again", len(j.Attempts))
		}
	})
}

// TestDeadlineCancelsAndLooksOnceMore wants the last look to decide.
//
// Guarantee: G8.
func TestDeadlineCancelsAndLooksOnceMore(t *testing.T) {
	tests := []struct {
		name      string
		last      answer
		cancelled answer
		state     jobs.State
	}{
		{"cancelled", response("cancelled"), response("cancelled"), jobs.StateExpired},
		{"completed wins over cancelled", response("completed"), response("cancelled"), jobs.StateSucceeded},
		{"the look fails, the cancel's answer counts", failure(jobs.ClassUnavailable), response("cancelled"), jobs.StateExpired},
		{"neither ends it", response("in_progress"), failure(jobs.ClassUnavailable), jobs.StateExpired},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				j := runningJob()
				j.Deadline = time.Now().Add(25 * time.Second)
				api := &fakeAPI{answers: []answer{response("in_progress"), response("in_progress"), tt.last}, cancelled: tt.cancelled}
				got, _ := play(t, j, api, &fakeOthers{}, 10*time.Minute)
				if got.State != tt.state {
					t.Errorf("state %s, want %s", got.State, tt.state)
				}
				if api.cancels == 0 {
					t.Error("the response was not cancelled")
				}
			})
		})
	}
}

func TestCancelIsSentAtOnce(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		j := runningJob()
		change, err := jobs.Transition(j, jobs.StopRequested{Reason: jobs.StopCancel}, time.Now())
		if err != nil {
			t.Fatal(err)
		}
		api := &fakeAPI{answers: []answer{response("cancelled")}, cancelled: response("cancelled")}
		got, _ := play(t, change.Job, api, &fakeOthers{}, time.Minute)
		if got.State != jobs.StateCancelled || api.looked[0] != 0 {
			t.Errorf("state %s, looked after %v; want cancelled at once", got.State, api.looked)
		}
	})
}

// TestLostAfterGraceIsNotResubmitted has a provider that does not know the
// response.
//
// Guarantees: G6, G7.
func TestLostAfterGraceIsNotResubmitted(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		api := &fakeAPI{answers: []answer{failure(jobs.ClassLost)}}
		got, _ := play(t, runningJob(), api, &fakeOthers{}, time.Hour)
		if got.State != jobs.StateFailed || got.Failure.Class != jobs.ClassLost || len(got.Attempts) != 1 {
			t.Errorf("state %s, failure %v, %d attempts; want failed, lost, 1", got.State, got.Failure, len(got.Attempts))
		}
	})
}

// TestUnservedEndpointIsLeftAlone keeps what another worker can look at.
//
// Guarantee: G15.
func TestUnservedEndpointIsLeftAlone(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		j := runningJob()
		j.Attempts[0].Endpoint = "elsewhere"
		api := &fakeAPI{answers: []answer{response("completed")}}
		got, log := play(t, j, api, &fakeOthers{}, time.Minute)
		if got.State != jobs.StateRunning || len(api.looked) != 0 || got.Looks != (jobs.Looks{}) {
			t.Errorf("state %s after %d looks, %+v on record; want it left running", got.State, len(api.looked), got.Looks)
		}
		if log != "" {
			t.Errorf("log: %s; want no word for each look", log)
		}
	})
}

// TestDeadlineOfAnUnservedEndpoint ends a job although nobody can ask for its
// response; the cancel stays owed.
//
// Guarantee: G8.
func TestDeadlineOfAnUnservedEndpoint(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		j := runningJob()
		j.Attempts[0].Endpoint = "elsewhere"
		j.Deadline = time.Now().Add(25 * time.Second)
		got, _ := play(t, j, &fakeAPI{answers: []answer{response("completed")}}, &fakeOthers{}, 10*time.Minute)
		if got.State != jobs.StateExpired || len(got.Outbox) != 1 {
			t.Errorf("state %s with %d effects owed; want expired with its cancel owed", got.State, len(got.Outbox))
		}
	})
}

func TestOversizedResponseFailsAtOnce(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		api := &fakeAPI{answers: []answer{failure(jobs.ClassOversized)}}
		got, _ := play(t, runningJob(), api, &fakeOthers{}, time.Hour)
		if got.State != jobs.StateFailed || got.Failure.Class != jobs.ClassOversized || len(api.looked) != 1 {
			t.Errorf("state %s, failure %v after %d looks; want failed, oversized, after one", got.State, got.Failure, len(api.looked))
		}
		if a := got.Attempts[0]; a.ResponseID == "" || a.Outcome != jobs.OutcomeFailed {
			t.Errorf("attempt %+v; want its response id kept", a)
		}
	})
}

// hangingAPI never answers before the look's own time is over.
type hangingAPI struct{ fakeAPI }

func (a *hangingAPI) Look(context.Context, string, []string) (jobs.Reply, error) {
	time.Sleep(30 * time.Second)
	return jobs.Reply{}, asError(failure(jobs.ClassUnavailable))
}

// TestHangingLooksDelayNothingElse has every place for looks taken by a provider
// that hangs: an intent is checked on time all the same.
//
// Guarantee: G3.
func TestHangingLooksDelayNothingElse(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var list []jobs.Job
		for range 100 {
			j := runningJob()
			j.LookAt = time.Now()
			list = append(list, j)
		}
		intent := runningJob()
		intent.State, intent.Updated = jobs.StateSubmitting, time.Now()
		records := newFakeRecords(append(list, intent)...)
		others := &fakeOthers{}
		run(t, records, map[string]API{"default": &hangingAPI{}}, others, 5*time.Second)
		if got := others.states(); !slices.Equal(got, []jobs.State{jobs.StateSubmitting}) {
			t.Errorf("the watchdog was given %v within five seconds, want the intent", got)
		}
	})
}

// TestHangingEndpointDelaysNoOther has every place at one endpoint taken: a look
// at another is on time, and what waits for a place is given back at the end.
func TestHangingEndpointDelaysNoOther(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var list []jobs.Job
		for range 100 {
			j := runningJob()
			j.LookAt = time.Now()
			list = append(list, j)
		}
		other := runningJob()
		other.Attempts[0].Endpoint, other.LookAt = "other", time.Now().Add(time.Second)
		records := newFakeRecords(append(list, other)...)
		records.shards = 16
		api := &fakeAPI{answers: []answer{response("completed")}, start: time.Now()}
		end := time.Now().Add(5 * time.Second)
		run(t, records, map[string]API{"default": &hangingAPI{}, "other": api}, &fakeOthers{}, 5*time.Second)
		if !slices.Equal(api.looked, []time.Duration{time.Second}) {
			t.Errorf("looks at the other endpoint after %v, want one after a second", api.looked)
		}
		back := 0
		for _, at := range records.due {
			if at.Equal(end) {
				back++
			}
		}
		if back == 0 {
			t.Error("no look that waited for its place was given back")
		}
	})
}

func TestOtherStatesGoToTheWatchdog(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		j := runningJob()
		j.State, j.Admitted = jobs.StateWaiting, time.Now()
		others := &fakeOthers{}
		play(t, j, &fakeAPI{answers: []answer{response("completed")}}, others, 20*time.Second)
		if got := others.states(); !slices.Equal(got, []jobs.State{jobs.StateWaiting}) {
			t.Errorf("the watchdog was given %v, want one waiting job", got)
		}
	})
}
