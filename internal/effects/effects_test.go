package effects_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/longhaul-jobs/longhaul/internal/effects"
	"github.com/longhaul-jobs/longhaul/jobs"
	"github.com/longhaul-jobs/longhaul/results"
)

const endpoint = "default"

var errAway = errors.New("redis does not answer")

// fakeRecords holds one job in memory; events go through [jobs.Transition].
type fakeRecords struct {
	job     jobs.Job
	loadErr error
	// advanceErr is the error of every event that would be written.
	advanceErr error
	history    []jobs.Event
}

func (r *fakeRecords) Load(context.Context, jobs.ID) (jobs.Job, error) { return r.job, r.loadErr }

func (r *fakeRecords) Advance(_ context.Context, _ jobs.Job, ev jobs.Event) (jobs.Job, error) {
	if r.advanceErr != nil {
		return jobs.Job{}, r.advanceErr
	}
	change, err := jobs.Transition(r.job, ev, time.Now())
	if err != nil {
		return r.job, err
	}
	r.history = append(r.history, ev)
	r.job = change.Job
	r.job.Version++
	return r.job, nil
}

// fakeAPI answers by response id, and remembers what it was asked.
type fakeAPI struct {
	looks   map[string]jobs.Reply
	cancels map[string]jobs.Reply
	errs    map[string]error // by call, as in "cancel resp_1"
	calls   []string
	include []string // of the last look
}

func (a *fakeAPI) call(op, id string) error {
	a.calls = append(a.calls, op+" "+id)
	return a.errs[op+" "+id]
}

func (a *fakeAPI) Look(_ context.Context, id string, include []string) (jobs.Reply, error) {
	a.include = include
	err := a.call("look", id)
	return a.looks[id], err
}

func (a *fakeAPI) Cancel(_ context.Context, id string) (jobs.Reply, error) {
	err := a.call("cancel", id)
	return a.cancels[id], err
}

func (a *fakeAPI) Delete(_ context.Context, id string) error { return a.call("delete", id) }

func refused(class jobs.Class) error {
	return fmt.Errorf("wrapped: %w", &jobs.Error{Failure: jobs.Failure{Class: class, Message: "the reason"}})
}

func reply(id, status string) jobs.Reply {
	return jobs.Reply{Response: jobs.Response{ID: id, Status: status}}
}

// owing is a job that has succeeded with its second attempt and owes the effects
// given, about its first.
func owing(outbox ...jobs.Effect) jobs.Job {
	now := time.Now()
	return jobs.Job{
		ID: jobs.NewID(now, 0), State: jobs.StateSucceeded, Current: 2, Version: 7, Ended: now, Include: []string{"a.b"},
		Attempts: []jobs.Attempt{
			{Number: 1, Endpoint: endpoint, ResponseID: "resp_1"},
			{Number: 2, Endpoint: endpoint, ResponseID: "resp_2", Outcome: jobs.OutcomeSucceeded},
		},
		Outbox: outbox, Effects: len(outbox),
	}
}

func cancelOf(id int) jobs.Effect {
	return jobs.Effect{ID: id, Kind: jobs.EffectCancel, Attempt: 1, Endpoint: endpoint, ResponseID: "resp_1"}
}

func deleteOf(id int, response string) jobs.Effect {
	return jobs.Effect{ID: id, Kind: jobs.EffectDelete, Attempt: 2, Endpoint: endpoint, ResponseID: response}
}

func newRunner(records *fakeRecords, api *fakeAPI) (*effects.Runner, *bytes.Buffer) {
	log := new(bytes.Buffer)
	return effects.New(records, api, effects.Config{Endpoint: endpoint}, slog.New(slog.NewTextHandler(log, nil))), log
}

func TestEffect(t *testing.T) {
	t.Parallel()
	tests := []struct {
		name    string
		effect  jobs.Effect
		api     fakeAPI
		calls   []string
		left    string // part of the error; "" = the effect is done
		outcome jobs.Outcome
	}{
		{
			name: "cancelled", effect: cancelOf(1),
			api:   fakeAPI{cancels: map[string]jobs.Reply{"resp_1": reply("resp_1", "cancelled")}},
			calls: []string{"cancel resp_1"}, outcome: jobs.OutcomeWasted,
		},
		{
			name: "it had completed", effect: cancelOf(1),
			api:   fakeAPI{cancels: map[string]jobs.Reply{"resp_1": reply("resp_1", "completed")}},
			calls: []string{"cancel resp_1"}, outcome: jobs.OutcomeWasted,
		},
		{
			name: "it cannot be cancelled because it had ended", effect: cancelOf(1),
			api: fakeAPI{
				errs:  map[string]error{"cancel resp_1": refused(jobs.ClassConflict)},
				looks: map[string]jobs.Reply{"resp_1": reply("resp_1", "failed")},
			},
			calls: []string{"cancel resp_1", "look resp_1"}, outcome: jobs.OutcomeWasted,
		},
		{
			name: "it cannot be cancelled and goes on", effect: cancelOf(1),
			api: fakeAPI{
				errs:  map[string]error{"cancel resp_1": refused(jobs.ClassConflict)},
				looks: map[string]jobs.Reply{"resp_1": reply("resp_1", "in_progress")},
			},
			calls: []string{"cancel resp_1", "look resp_1"}, left: "still in_progress",
		},
		{
			name: "it goes on for a moment", effect: cancelOf(1),
			api:   fakeAPI{cancels: map[string]jobs.Reply{"resp_1": reply("resp_1", "in_progress")}},
			calls: []string{"cancel resp_1"}, left: "still in_progress",
		},
		{
			name: "the provider does not know it", effect: cancelOf(1),
			api:   fakeAPI{errs: map[string]error{"cancel resp_1": refused(jobs.ClassLost)}},
			calls: []string{"cancel resp_1"}, outcome: jobs.OutcomeLost,
		},
		{
			name: "the look finds that it is not known", effect: cancelOf(1),
			api: fakeAPI{errs: map[string]error{
				"cancel resp_1": refused(jobs.ClassUnavailable), "look resp_1": refused(jobs.ClassLost),
			}},
			calls: []string{"cancel resp_1", "look resp_1"}, outcome: jobs.OutcomeLost,
		},
		{
			name: "it is larger than what is read", effect: cancelOf(1),
			api: fakeAPI{errs: map[string]error{
				"cancel resp_1": refused(jobs.ClassConflict), "look resp_1": refused(jobs.ClassOversized),
			}},
			calls: []string{"cancel resp_1", "look resp_1"}, outcome: jobs.OutcomeLost,
		},
		{
			name: "the provider is away", effect: cancelOf(1),
			api: fakeAPI{errs: map[string]error{
				"cancel resp_1": refused(jobs.ClassUnavailable), "look resp_1": refused(jobs.ClassUnavailable),
			}},
			calls: []string{"cancel resp_1", "look resp_1"}, left: "unavailable",
		},
		{
			name: "deleted", effect: deleteOf(1, "resp_1"), calls: []string{"delete resp_1"},
		},
		{
			name: "deleted before", effect: deleteOf(1, "resp_1"),
			api:   fakeAPI{errs: map[string]error{"delete resp_1": refused(jobs.ClassLost)}},
			calls: []string{"delete resp_1"},
		},
		{
			name: "not to be deleted yet", effect: deleteOf(1, "resp_1"),
			api:   fakeAPI{errs: map[string]error{"delete resp_1": refused(jobs.ClassConflict)}},
			calls: []string{"delete resp_1"}, left: "conflict",
		},
		{
			name: "an error that nobody classified", effect: deleteOf(1, "resp_1"),
			api:   fakeAPI{errs: map[string]error{"delete resp_1": errAway}},
			calls: []string{"delete resp_1"}, left: errAway.Error(),
		},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			records := &fakeRecords{job: owing(tt.effect)}
			runner, log := newRunner(records, &tt.api)
			err := runner.Effect(t.Context(), records.job.ID)
			if diff := cmp.Diff(tt.calls, tt.api.calls); diff != "" {
				t.Errorf("calls (-want +got):\n%s", diff)
			}
			if tt.left != "" {
				if err == nil || !strings.Contains(err.Error(), tt.left) || len(records.job.Outbox) != 1 {
					t.Errorf("error %v, %d effects left; want one about %q", err, len(records.job.Outbox), tt.left)
				}
				return
			}
			if err != nil || len(records.job.Outbox) != 0 {
				t.Errorf("error %v, %d effects left; want none", err, len(records.job.Outbox))
			}
			if got := records.job.Attempts[0].Outcome; got != tt.outcome {
				t.Errorf("outcome of the attempt %q, want %q", got, tt.outcome)
			}
			if !strings.Contains(log.String(), "effect done") {
				t.Errorf("the log does not say so: %s", log)
			}
		})
	}
}

// TestLookAsksForWhatTheRequestAskedFor keeps a result that a cancel brought
// whole.
func TestLookAsksForWhatTheRequestAskedFor(t *testing.T) {
	t.Parallel()
	api := &fakeAPI{
		errs:  map[string]error{"cancel resp_1": refused(jobs.ClassConflict)},
		looks: map[string]jobs.Reply{"resp_1": reply("resp_1", "completed")},
	}
	records := &fakeRecords{job: owing(cancelOf(1))}
	runner, _ := newRunner(records, api)
	if err := runner.Effect(t.Context(), records.job.ID); err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff([]string{"a.b"}, api.include); diff != "" {
		t.Errorf("include of the look (-want +got):\n%s", diff)
	}
}

// TestEffectsThatAreNotOursAreLeft keeps what only another worker can do.
//
// Guarantee: G15.
func TestEffectsThatAreNotOursAreLeft(t *testing.T) {
	t.Parallel()
	api := &fakeAPI{cancels: map[string]jobs.Reply{"resp_1": reply("resp_1", "cancelled")}}
	elsewhere := cancelOf(1)
	elsewhere.Endpoint = "elsewhere"
	records := &fakeRecords{job: owing(elsewhere, cancelOf(2))}
	runner, _ := newRunner(records, api)
	if err := runner.Effect(t.Context(), records.job.ID); err != nil {
		t.Errorf("error %v; want none: what is left has a queue of its own", err)
	}
	if diff := cmp.Diff([]string{"cancel resp_1"}, api.calls); diff != "" {
		t.Errorf("calls (-want +got):\n%s", diff)
	}
	if left := records.job.Outbox; len(left) != 1 || left[0].ID != 1 {
		t.Errorf("left are %+v, want that of the other endpoint", left)
	}
}

// TestEffectOfANewerBuildIsLeft keeps what only a newer worker can do.
//
// Guarantee: G15.
func TestEffectOfANewerBuildIsLeft(t *testing.T) {
	t.Parallel()
	api := &fakeAPI{}
	records := &fakeRecords{job: owing(jobs.Effect{ID: 1, Kind: "deliver", Attempt: 1, Endpoint: endpoint, ResponseID: "resp_1"})}
	runner, _ := newRunner(records, api)
	err := runner.Effect(t.Context(), records.job.ID)
	if err == nil || !strings.Contains(err.Error(), `does not know the effect "deliver"`) {
		t.Errorf("error %v, want one about the effect", err)
	}
	if len(api.calls) != 0 || len(records.job.Outbox) != 1 {
		t.Errorf("calls %v, %d effects left; want it untouched", api.calls, len(records.job.Outbox))
	}
}

func TestOneThatFailsKeepsNoOtherFromBeingDone(t *testing.T) {
	t.Parallel()
	api := &fakeAPI{
		errs:    map[string]error{"delete resp_1": refused(jobs.ClassUnavailable)},
		cancels: map[string]jobs.Reply{"resp_1": reply("resp_1", "cancelled")},
	}
	records := &fakeRecords{job: owing(
		deleteOf(1, "resp_1"), jobs.Effect{ID: 2, Kind: "deliver", Endpoint: endpoint}, cancelOf(3), deleteOf(4, "resp_2"),
	)}
	runner, _ := newRunner(records, api)
	err := runner.Effect(t.Context(), records.job.ID)
	if err == nil || !strings.Contains(err.Error(), "delete_response resp_1") || !strings.Contains(err.Error(), "deliver") {
		t.Errorf("error %v; want both that are left named", err)
	}
	var left []int
	for _, e := range records.job.Outbox {
		left = append(left, e.ID)
	}
	if diff := cmp.Diff([]int{1, 2}, left); diff != "" {
		t.Errorf("effects left (-want +got):\n%s", diff)
	}

	// What is left is tried again, and what is done is not.
	delete(api.errs, "delete resp_1")
	api.calls = nil
	if err := runner.Effect(t.Context(), records.job.ID); err == nil {
		t.Error("no error although one effect cannot be done here")
	}
	if diff := cmp.Diff([]string{"delete resp_1"}, api.calls); diff != "" {
		t.Errorf("calls of the second run (-want +got):\n%s", diff)
	}
}

// TestTwiceDoesNoHarm carries out the same outbox in two workers: the second
// finds that the first was faster.
func TestTwiceDoesNoHarm(t *testing.T) {
	t.Parallel()
	api := &fakeAPI{cancels: map[string]jobs.Reply{"resp_1": reply("resp_1", "cancelled")}}
	records := &fakeRecords{job: owing(cancelOf(1))}
	stale := records.job
	runner, _ := newRunner(records, api)
	second := effects.New(&staleRecords{fakeRecords: records, seen: stale}, api, effects.Config{Endpoint: endpoint}, slog.New(slog.DiscardHandler))
	for _, r := range []*effects.Runner{runner, second, runner} {
		if err := r.Effect(t.Context(), stale.ID); err != nil {
			t.Errorf("Effect: %v", err)
		}
	}
	if len(records.history) != 1 {
		t.Errorf("%d steps written, want one", len(records.history))
	}
}

// staleRecords loads the record as it was before.
type staleRecords struct {
	*fakeRecords

	seen jobs.Job
}

func (r *staleRecords) Load(context.Context, jobs.ID) (jobs.Job, error) { return r.seen, nil }

// TestRivalThatCompletedWins has a cancel find the response completed while the
// job still runs: it is paid for, so it is the result.
//
// Guarantee: G8.
func TestRivalThatCompletedWins(t *testing.T) {
	t.Parallel()
	j := owing(cancelOf(1))
	j.State, j.Ended, j.Attempts[1].Outcome = jobs.StateRunning, time.Time{}, ""
	api := &fakeAPI{cancels: map[string]jobs.Reply{"resp_1": reply("resp_1", "completed")}}
	records := &fakeRecords{job: j}
	runner, _ := newRunner(records, api)
	if err := runner.Effect(t.Context(), j.ID); err != nil {
		t.Fatal(err)
	}
	if records.job.State != jobs.StateSucceeded || records.job.Result.ResponseID != "resp_1" {
		t.Errorf("state %s with %+v; want succeeded with resp_1", records.job.State, records.job.Result)
	}
	if len(records.job.Outbox) != 1 || records.job.Outbox[0].ResponseID != "resp_2" {
		t.Errorf("outbox %+v; want the cancel of resp_2, which is no longer wanted", records.job.Outbox)
	}
}

func TestWhatTheStoreSays(t *testing.T) {
	t.Parallel()
	tests := []struct {
		name    string
		records fakeRecords
		err     error
		calls   int
	}{
		{"deleted", fakeRecords{loadErr: fmt.Errorf("x: %w", results.ErrNotFound)}, nil, 0},
		{"of a newer schema", fakeRecords{loadErr: fmt.Errorf("x: %w", jobs.ErrNewerSchema)}, nil, 0},
		{"away before", fakeRecords{loadErr: errAway}, errAway, 0},
		{"nothing owed", fakeRecords{job: owing()}, nil, 0},
		{"away after", fakeRecords{job: owing(deleteOf(1, "resp_1"), deleteOf(2, "resp_2")), advanceErr: errAway}, errAway, 1},
		{"deleted meanwhile", fakeRecords{job: owing(deleteOf(1, "resp_1")), advanceErr: results.ErrNotFound}, nil, 1},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			api := &fakeAPI{}
			runner, _ := newRunner(&tt.records, api)
			if err := runner.Effect(t.Context(), jobs.NewID(time.Now(), 0)); !errors.Is(err, tt.err) || (err != nil) != (tt.err != nil) {
				t.Errorf("Effect: %v, want %v", err, tt.err)
			}
			if len(api.calls) != tt.calls {
				t.Errorf("calls %v, want %d", api.calls, tt.calls)
			}
		})
	}
}

// What a job owes is done beside other work, or alone if the job was present at
// repeated crashes; a runner that is not let in does nothing, and what is for
// another endpoint needs no turn.
//
// Guarantee: G18.
func TestEffectsAwaitTheirTurn(t *testing.T) {
	t.Parallel()
	elsewhere := cancelOf(1)
	elsewhere.Endpoint = "elsewhere"
	for _, tt := range []struct {
		name   string
		effect jobs.Effect
		alone  bool // the job is to be
		full   bool // nobody is let in
		asked  []bool
		calls  int
		left   bool // something is
	}{
		{"beside others", cancelOf(1), false, false, []bool{false}, 1, false},
		{"alone", cancelOf(1), true, false, []bool{true}, 1, false},
		{"not let in", cancelOf(1), true, true, []bool{true}, 0, true},
		{"none of ours", elsewhere, true, true, nil, 0, false},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			api := &fakeAPI{cancels: map[string]jobs.Reply{"resp_1": reply("resp_1", "cancelled")}}
			records := &fakeRecords{job: owing(tt.effect)}
			records.job.Alone = tt.alone
			var asked []bool
			inside := 0
			runner := effects.New(records, api, effects.Config{Endpoint: endpoint, Enter: func(_ context.Context, alone bool) (func(), error) {
				if asked = append(asked, alone); tt.full {
					return nil, errors.New("others are in the way")
				}
				inside++
				return func() { inside-- }, nil
			}}, slog.New(slog.DiscardHandler))
			err := runner.Effect(t.Context(), records.job.ID)
			if !slices.Equal(asked, tt.asked) || len(api.calls) != tt.calls || (err != nil) != tt.left || inside != 0 {
				t.Errorf("asked %v, called %v, err %v, %d still inside; want to ask %v and call %d times", asked, api.calls, err, inside, tt.asked, tt.calls)
			}
		})
	}
}

// A response that a person gave to a job, and that was made for another, stays that
// other's: it is neither cancelled nor deleted.
//
// Guarantee: G17.
func TestForeignResponsesAreLetBe(t *testing.T) {
	for _, kind := range []jobs.EffectKind{jobs.EffectCancel, jobs.EffectDelete} {
		for _, own := range []bool{false, true} {
			j := owing(jobs.Effect{ID: 1, Kind: kind, Attempt: 1, Endpoint: endpoint, ResponseID: "resp_1"})
			owner := jobs.NewID(time.Now(), 0)
			if own {
				owner = j.ID
			}
			j.Attempts[0].ResponseID, j.Attempts[0].Adopted = "resp_1", time.Now()
			running := reply("resp_1", jobs.StatusInProgress)
			running.Response.Metadata = map[string]string{jobs.MetadataJob: string(owner), jobs.MetadataAttempt: "1"}
			records := &fakeRecords{job: j}
			api := &fakeAPI{looks: map[string]jobs.Reply{"resp_1": running}, cancels: map[string]jobs.Reply{"resp_1": reply("resp_1", jobs.StatusCancelled)}}
			runner, _ := newRunner(records, api)
			if err := runner.Effect(t.Context(), j.ID); err != nil {
				t.Fatal(err)
			}
			if touched := len(api.calls) > 1; touched != own || len(records.job.Outbox) != 0 {
				t.Errorf("%s, its own: %t: calls %v, left %v", kind, own, api.calls, records.job.Outbox)
			}
		}
	}
}
