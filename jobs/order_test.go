package jobs_test

import (
	"encoding/json"
	"errors"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/longhaul-jobs/longhaul/jobs"
)

// Jobs that others wait for.
const (
	testParent = jobs.ID("job_0199f0c0a80070008000000000000001")
	testOther  = jobs.ID("job_0199f0c0a80070008000000000000002")
)

func succeeded(id jobs.ID) jobs.DependencyEnded {
	return jobs.DependencyEnded{
		Job: id, State: jobs.StateSucceeded, Response: &jobs.Previous{Job: id, ResponseID: "resp_of_" + string(id), Endpoint: testEndpoint},
	}
}

// TestJobWaitsForAllOfThem goes into its lane with the last one, and not before its
// time.
func TestJobWaitsForAllOfThem(t *testing.T) {
	t.Parallel()
	j := newJob(t, jobs.Options{After: []jobs.ID{testParent, testOther, testParent}, NotBefore: at(100)})
	if !j.Aside() || len(j.WaitsFor()) != 2 || !j.AskAt.Equal(j.Created) {
		t.Fatalf("waits for %v, asks at %v; want both, and to ask at once", j.WaitsFor(), j.AskAt)
	}
	unchanged(t, j, submit(1))
	j = change(t, j, succeeded(testOther)).Job
	unchanged(t, j, succeeded(testOther))
	if due, _ := j.Due(jobs.DefaultTiming()); !j.Aside() || !due.Equal(j.Updated.Add(time.Minute)) {
		t.Errorf("waits for %v, due at %v; want one, asked for after a minute", j.WaitsFor(), due)
	}
	j = change(t, j, succeeded(testParent)).Job
	if j.Aside() || j.State != jobs.StateWaiting || !j.NotBefore.Equal(at(100)) || j.Continues != nil {
		t.Errorf("%s, not before %v, continues %v", j.State, j.NotBefore, j.Continues)
	}
	unchanged(t, j, succeeded(testParent))
}

func TestJobFailsWithOneThatItWaitsFor(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		ending jobs.DependencyEnded
		code   string
		words  []string
	}{
		{jobs.DependencyEnded{Job: testParent, State: jobs.StateFailed, Class: jobs.ClassRejected}, "dependency_failed", []string{string(testParent), "failed (rejected)"}},
		{jobs.DependencyEnded{Job: testParent, State: jobs.StateIncomplete}, "dependency_failed", []string{string(testParent), "incomplete"}},
		{jobs.DependencyEnded{Job: testParent, State: jobs.StateCancelled}, "dependency_failed", []string{string(testParent), "cancelled"}},
		{jobs.DependencyEnded{Job: testParent, State: jobs.StateExpired, Class: jobs.ClassExpired}, "dependency_failed", []string{string(testParent), "expired"}},
		{jobs.DependencyEnded{Job: testParent}, "dependency_gone", []string{string(testParent), "gone"}},
		{jobs.DependencyEnded{Job: testParent, State: jobs.StateSucceeded}, "dependency_failed", []string{string(testParent), "no response"}},
	} {
		j := newJob(t, jobs.Options{After: []jobs.ID{testOther}, ContinueFrom: testParent})
		j = change(t, j, tt.ending).Job
		if j.State != jobs.StateFailed || j.Failure.Class != jobs.ClassDependency || j.Failure.Code != tt.code {
			t.Errorf("%+v: %s, %v", tt.ending, j.State, j.Failure)
		}
		for _, word := range tt.words {
			if !strings.Contains(j.Failure.Message, word) {
				t.Errorf("%q does not tell %q", j.Failure.Message, word)
			}
		}
		unchanged(t, j, succeeded(testOther))
		// Those that it waited for are asked again.
		j = change(t, j, jobs.RetryRequested{}).Job
		if !j.Aside() || !slices.Contains(j.WaitsFor(), testParent) || !j.AskAt.Equal(j.Updated) {
			t.Errorf("after a retry: waits for %v and asks at %v", j.WaitsFor(), j.AskAt)
		}
	}
	j := newJob(t, jobs.Options{After: []jobs.ID{testOther}})
	unchanged(t, j, jobs.DependencyEnded{Job: testOther, State: jobs.StateRunning})
	unchanged(t, j, succeeded(testParent))
}

// TestContinuedResponseIsOnRecord is in the request that is sent and in the attempt,
// and stays there for a retry by hand.
func TestContinuedResponseIsOnRecord(t *testing.T) {
	t.Parallel()
	j := change(t, newJob(t, jobs.Options{ContinueFrom: testParent}), succeeded(testParent)).Job
	j = apply(t, j, submit(1), createFailed(1, jobs.ClassInvalid), jobs.RetryRequested{}, submit(2))
	want := "resp_of_" + string(testParent)
	for _, a := range j.Attempts {
		if a.Adjust == nil || a.Adjust.PreviousResponseID != want {
			t.Errorf("attempt %d asks for %+v", a.Number, a.Adjust)
		}
	}
	request := jobs.Request{Raw: json.RawMessage(`{"model":"m","input":"And then?"}`), History: json.RawMessage(`[{"role":"user","content":"Before."}]`)}
	var sent map[string]any
	read := func(adjust *jobs.Adjustment) {
		t.Helper()
		body, err := request.Body(j.ID, 1, adjust)
		if err != nil {
			t.Fatal(err)
		}
		clear(sent)
		if err := json.Unmarshal(body, &sent); err != nil {
			t.Fatal(err)
		}
	}
	if read(j.Adjust); sent["previous_response_id"] != want || sent["input"] != "And then?" {
		t.Errorf("sent %v", sent)
	}
	// Where the response is lost, its history stands for it.
	rebuilt := *j.Adjust
	rebuilt.History = true
	read(&rebuilt)
	if items, _ := sent["input"].([]any); sent["previous_response_id"] != nil || len(items) != 2 {
		t.Errorf("sent %v", sent)
	}
}

func TestContinuedResponseBelongsToItsEndpoint(t *testing.T) {
	t.Parallel()
	j := change(t, newJob(t, jobs.Options{ContinueFrom: testParent}), succeeded(testParent)).Job
	if err := j.CheckEndpoint(testEndpoint); err != nil {
		t.Error(err)
	}
	err := j.CheckEndpoint("elsewhere")
	if f := jobs.FailureOf(err); f.Class != jobs.ClassInvalid || f.Param != "continue_from" || !strings.Contains(f.Message, testEndpoint) {
		t.Errorf("%v", err)
	}
	if err := newJob(t, jobs.Options{}).CheckEndpoint("elsewhere"); err != nil {
		t.Error(err)
	}
}

// TestEndIsOwedToThoseThatWait is told once for each end, and only where somebody
// waits.
func TestEndIsOwedToThoseThatWait(t *testing.T) {
	t.Parallel()
	j := newJob(t, jobs.Options{})
	if ended := change(t, j, cancel).Job; ended.Telling() != nil {
		t.Errorf("nobody waits, and %+v is owed", ended.Outbox)
	}
	j.Links = jobs.LinkWaited
	j = change(t, j, cancel).Job
	tell := j.Telling()
	if due, _ := j.Due(jobs.DefaultTiming()); tell == nil || !due.Equal(j.Updated) {
		t.Fatalf("outbox %+v, due at %v; want it told at once", j.Outbox, due)
	}
	j = change(t, change(t, j, jobs.RetryRequested{}).Job, cancel).Job
	if len(j.Outbox) != 1 {
		t.Errorf("outbox %+v, want it owed once", j.Outbox)
	}
	j = change(t, j, jobs.EffectDone{ID: tell.ID}).Job
	if _, owed := j.Due(jobs.DefaultTiming()); owed || j.Telling() != nil {
		t.Errorf("still owed: %+v", j.Outbox)
	}
	want := jobs.DependencyEnded{Job: testID, State: jobs.StateCancelled}
	if diff := cmp.Diff(want, j.Ending()); diff != "" {
		t.Error(diff)
	}
	done := apply(t, newJob(t, jobs.Options{}), submit(1), created(1, jobs.StatusCompleted))
	want = jobs.DependencyEnded{Job: testID, State: jobs.StateSucceeded, Response: &jobs.Previous{Job: testID, ResponseID: responseID(1), Endpoint: testEndpoint}}
	if diff := cmp.Diff(want, done.Ending()); diff != "" {
		t.Error(diff)
	}
}

// TestJobWaitsForABudget outside its lane, until there is room, with its attempts and
// its place in time. It ends with its deadline like any other.
//
// Guarantee: G25.
func TestJobWaitsForABudget(t *testing.T) {
	t.Parallel()
	j := admitted(newJob(t, jobs.Options{Deadline: at(500)}), at(1))
	back := jobs.Postponed{Attempt: 1, Admitted: at(1), Reason: jobs.WaitBudget, Budget: "november", Needs: 3 * jobs.Dollar}
	parked := change(t, j, back).Job
	if !parked.Aside() || !parked.Parked() || parked.Needs != 3*jobs.Dollar || len(parked.Attempts) != 0 || !parked.Admitted.IsZero() {
		t.Fatalf("after the budget was used up: %+v", parked)
	}
	if due, owed := parked.Due(jobs.DefaultTiming()); !owed || !due.Equal(at(500)) {
		t.Errorf("due %v, %v, want its deadline", due, owed)
	}
	unchanged(t, parked, jobs.RoomFound{Budget: "another"})
	unchanged(t, parked, jobs.SubmitStarted{Attempt: 1})
	next := change(t, parked, jobs.RoomFound{Budget: "november"}).Job
	if next.Aside() || next.Waits != "" || next.Budget != "" || next.Needs != 0 || next.NextAttempt() != 1 {
		t.Errorf("after room was found: %+v", next)
	}
	ran := change(t, admitted(next, at(20)), jobs.SubmitStarted{Attempt: 1, Worker: "w", Endpoint: "e", Budgets: []string{"november"}}).Job
	if !slices.Equal(ran.Attempts[0].Budgets, []string{"november"}) {
		t.Errorf("held by %v", ran.Attempts[0].Budgets)
	}
	for name, ev := range map[string]jobs.Event{
		"cancelled": jobs.StopRequested{Reason: jobs.StopCancel}, "late": jobs.StopRequested{Reason: jobs.StopDeadline},
	} {
		if over := change(t, parked, ev).Job; !over.State.Terminal() || over.Waits != "" || over.Budget != "" {
			t.Errorf("%s: %s, waits for %q", name, over.State, over.Waits)
		}
	}
}

func TestStopsAJobThatWaitsForOthers(t *testing.T) {
	t.Parallel()
	j := newJob(t, jobs.Options{After: []jobs.ID{testParent}, Deadline: at(30)})
	if due, _ := j.Due(jobs.DefaultTiming()); !due.Equal(j.Created) {
		t.Errorf("due at %v", due)
	}
	j.AskAt = at(60)
	if due, _ := j.Due(jobs.DefaultTiming()); !due.Equal(at(30)) {
		t.Errorf("due at %v, want the deadline", due)
	}
	for ev, want := range map[jobs.Event]jobs.State{cancel: jobs.StateCancelled, deadline: jobs.StateExpired} {
		ended := change(t, j, ev).Job
		if ended.State != want {
			t.Errorf("%s, want %s", ended.State, want)
		}
		unchanged(t, ended, succeeded(testParent))
	}
}

func TestOrderIsCheckedAtTheDoor(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		name, body, field string
		options           jobs.Options
	}{
		{"no id", `{"input":"x"}`, "after", jobs.Options{After: []jobs.ID{"job_1"}}},
		{"no id", `{"input":"x"}`, "continue_from", jobs.Options{ContinueFrom: "resp_1"}},
		{"too many", `{"input":"x"}`, "after", jobs.Options{After: slices.Repeat([]jobs.ID{testParent}, jobs.MaxAfter+1)}},
		{"continues already", `{"input":"x","previous_response_id":"resp_1"}`, "continue_from", jobs.Options{ContinueFrom: testParent}},
		{"in a conversation", `{"input":"x","conversation":"conv_1"}`, "continue_from", jobs.Options{ContinueFrom: testParent}},
		{"", `{"input":"x"}`, "", jobs.Options{After: []jobs.ID{testOther}, ContinueFrom: testParent, History: json.RawMessage(`[{}]`)}},
	} {
		request, err := jobs.ParseRequest([]byte(tt.body), "m")
		if err != nil {
			t.Fatal(err)
		}
		err = errors.Join(tt.options.Validate(testNow), tt.options.ValidateFor(request))
		if f := jobs.FailureOf(err); f.Param != tt.field {
			t.Errorf("%s: %v, want one about %q", tt.name, err, tt.field)
		}
	}
}
