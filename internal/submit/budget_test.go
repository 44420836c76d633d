package submit_test

import (
	"context"
	"encoding/json"
	"errors"
	"slices"
	"testing"
	"time"

	"github.com/longhaul-jobs/longhaul/internal/submit"
	"github.com/longhaul-jobs/longhaul/jobs"
	"github.com/longhaul-jobs/longhaul/results"
)

// fakeBudgets answer as they are told to, and remember what was given back.
type fakeBudgets struct {
	held     []string
	back     *jobs.Postponed
	err      error
	released []string
}

func (f *fakeBudgets) Hold(_ context.Context, _ jobs.Job, t jobs.Try, _ json.RawMessage) ([]string, *jobs.Postponed, error) {
	if f.back != nil {
		back := *f.back
		back.Attempt = t.Attempt
		return f.held, &back, nil
	}
	return f.held, nil, f.err
}

func (f *fakeBudgets) Release(_ context.Context, _ jobs.Try, budgets []string) error {
	f.released = append(f.released, budgets...)
	return nil
}

// What budgets hold is part of the intent, and is given back when there is none; a job
// for which one has no room leaves its lane; and nothing is sent while that is not known.
//
// Guarantee: G25.
func TestBudgetsBeforeTheIntent(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		name     string
		budgets  fakeBudgets
		turn     results.TurnVerdict
		state    jobs.State
		parked   bool
		sent     int
		released []string
	}{
		{"there is room", fakeBudgets{held: []string{"a", "b"}}, results.TurnGranted, jobs.StateSucceeded, false, 1, nil},
		{"there is room, and no turn", fakeBudgets{held: []string{"a", "b"}}, results.TurnFull, jobs.StateWaiting, false, 0, []string{"a", "b"}},
		{"there is no room", fakeBudgets{back: &jobs.Postponed{Reason: jobs.WaitBudget, Budget: "a", Needs: 7}}, results.TurnGranted, jobs.StateWaiting, true, 0, nil},
		{"there is room in one alone", fakeBudgets{held: []string{"b"}, back: &jobs.Postponed{Reason: jobs.WaitBudget, Budget: "a", Needs: 7}}, results.TurnGranted, jobs.StateWaiting, true, 0, []string{"b"}},
		{"nobody knows", fakeBudgets{err: errors.New("redis is away")}, results.TurnGranted, jobs.StateWaiting, false, 0, nil},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			b := newBench()
			pacer := &fakePacer{turn: results.Turn{Verdict: tt.turn, At: b.records.Now().Add(-time.Millisecond)}}
			b.submitter = b.with(submit.Config{Worker: worker, Endpoint: endpoint, FirstLook: firstLookAfter, Pacer: pacer, Budgets: &tt.budgets})
			j, sent := b.job(t, jobs.Options{}), 0
			b.api.create = func(context.Context) (jobs.Reply, error) {
				sent++
				return response("resp_1", jobs.StatusCompleted), nil
			}
			b.submit(t, j.ID, 1)
			got := b.records.job(t, j.ID)
			if got.State != tt.state || got.Parked() != tt.parked || sent != tt.sent || !slices.Equal(tt.budgets.released, tt.released) {
				t.Errorf("%s, parked %t, sent %d, given back %v; want %s, %t, %d, %v", got.State, got.Parked(), sent, tt.budgets.released,
					tt.state, tt.parked, tt.sent, tt.released)
			}
			if tt.sent > 0 && !slices.Equal(got.Attempts[0].Budgets, tt.budgets.held) {
				t.Errorf("on record: held by %v", got.Attempts[0].Budgets)
			}
			if tt.parked && (got.Budget != "a" || got.Needs != 7) {
				t.Errorf("waits for %q, which it needs %s of", got.Budget, got.Needs)
			}
		})
	}
}
