package jobs_test

import (
	"errors"
	"reflect"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/longhaul-jobs/longhaul/jobs"
)

// situation is a state that a job can be in, and how it got there. Where it can
// be, an attempt 1 whose answer was lost lies behind: it may yet turn out to
// have been accepted, and paid for.
type situation struct {
	name string
	job  func(tb testing.TB) jobs.Job
}

func situations() []situation {
	lost := []jobs.Event{submit(1), createFailed(1, jobs.ClassAmbiguous)}
	submitting := slices.Concat(lost, []jobs.Event{submit(2)})
	running := slices.Concat(submitting, []jobs.Event{created(2, jobs.StatusQueued)})
	after := func(events []jobs.Event, more ...jobs.Event) func(testing.TB) jobs.Job {
		return func(tb testing.TB) jobs.Job {
			tb.Helper()
			j := apply(tb, newJob(tb, jobs.Options{}), slices.Concat(events, more)...)
			if j.State == jobs.StateWaiting {
				j = admitted(j, j.Updated)
			}
			return j
		}
	}
	return []situation{
		{"wait0", after(nil)},
		{"wait", after(lost)},
		{"subm", after(submitting)},
		{"subm/c", after(submitting, cancel)},
		{"run", after(running)},
		{"run/c", after(running, cancel)},
		{"run/d", after(running, deadline)},
		{"unc", func(tb testing.TB) jobs.Job {
			tb.Helper()
			return apply(tb, newJob(tb, jobs.Options{Uncertain: jobs.UncertainHold}), lost...)
		}},
		{"unc/w", func(tb testing.TB) jobs.Job {
			tb.Helper()
			hopeful := submit(1)
			hopeful.UncertainWait = time.Second
			return apply(tb, newJob(tb, jobs.Options{}), hopeful, createFailed(1, jobs.ClassAmbiguous))
		}},
		{"succ", after(running, looked(2, jobs.StatusCompleted))},
		{"inc", after(running, looked(2, jobs.StatusIncomplete))},
		{"fail", after(running, looked(2, failedInvalid))},
		{"canc", after(running, cancel, looked(2, jobs.StatusCancelled))},
		{"exp", after(running, deadline, looked(2, jobs.StatusCancelled))},
	}
}

// matrixRow says what an event does in every situation:
//
//	.        nothing new ([jobs.ErrUnchanged])
//	!        refused ([*jobs.RefusedError])
//	run      the state that follows (see shortState)
//	run+c    … and a response is to be cancelled
//	succ+d   … and a response is to be deleted
type matrixRow struct {
	event string
	make  func(j jobs.Job) jobs.Event
	cells string
}

func shortState(s jobs.State) string {
	switch s {
	case jobs.StateWaiting:
		return "wait"
	case jobs.StateSubmitting:
		return "subm"
	case jobs.StateRunning:
		return "run"
	case jobs.StateUncertain:
		return "unc"
	case jobs.StateSucceeded:
		return "succ"
	case jobs.StateIncomplete:
		return "inc"
	case jobs.StateFailed:
		return "fail"
	case jobs.StateCancelled:
		return "canc"
	case jobs.StateExpired:
		return "exp"
	}
	return "?" + string(s)
}

func matrix() []matrixRow {
	fixed := func(ev jobs.Event) func(jobs.Job) jobs.Event {
		return func(jobs.Job) jobs.Event { return ev }
	}
	// nowCreated is an answer to the current attempt; its response id is the one
	// that a running or ended attempt has already.
	nowCreated := func(status string) func(jobs.Job) jobs.Event {
		return func(j jobs.Job) jobs.Event { return created(j.Current, status) }
	}
	nowCreateFailed := func(class jobs.Class) func(jobs.Job) jobs.Event {
		return func(j jobs.Job) jobs.Event { return createFailed(j.Current, class) }
	}
	nowLooked := func(status string) func(jobs.Job) jobs.Event {
		return func(j jobs.Job) jobs.Event { return looked(j.Current, status) }
	}
	const otherID = "resp_of_somebody_else"
	return []matrixRow{
		//                                          wait0  wait   subm   subm/c run    run/c  run/d  unc    unc/w  succ   inc    fail   canc   exp
		{"SubmitStarted next", func(j jobs.Job) jobs.Event { return submit(j.NextAttempt()) }, `
		                                            subm   subm   .      .      .      .      .      .      .      .      .      .      .      .`},
		{"SubmitStarted over", func(j jobs.Job) jobs.Event { return submit(j.NextAttempt() - 1) }, `
		                                            .      .      .      .      .      .      .      .      .      .      .      .      .      .`},
		{"SubmitStarted ahead", func(j jobs.Job) jobs.Event { return submit(j.NextAttempt() + 1) }, `
		                                            .      .      .      .      .      .      .      .      .      .      .      .      .      .`},

		{"Postponed next", func(j jobs.Job) jobs.Event {
			return jobs.Postponed{Attempt: j.NextAttempt(), Admitted: j.Admitted}
		}, `
		                                            wait   wait   .      .      .      .      .      .      .      .      .      .      .      .`},
		{"Postponed over", func(j jobs.Job) jobs.Event {
			return jobs.Postponed{Attempt: j.NextAttempt() - 1, Admitted: j.Admitted}
		}, `
		                                            .      .      .      .      .      .      .      .      .      .      .      .      .      .`},
		{"Postponed, of another admission", func(j jobs.Job) jobs.Event {
			return jobs.Postponed{Attempt: j.NextAttempt(), Admitted: j.Admitted.Add(-time.Second)}
		}, `
		                                            .      .      .      .      .      .      .      .      .      .      .      .      .      .`},

		{"RoomFound", fixed(jobs.RoomFound{Budget: "november"}), `
		                                            .      .      .      .      .      .      .      .      .      .      .      .      .      .`},

		{"Created late, queued", fixed(created(1, jobs.StatusQueued)), `
		                                            !      run    subm+c subm+c run+c  run+c  run+c  run    run    succ+c inc+c  fail+c canc+c exp+c`},
		{"Created late, completed", fixed(created(1, jobs.StatusCompleted)), `
		                                            !      succ   succ   succ   succ+c succ+c succ+c succ   succ   succ   inc    fail   canc   exp`},
		{"Created late, incomplete", fixed(created(1, jobs.StatusIncomplete)), `
		                                            !      inc    subm   subm   run    run    run    inc    inc    succ   inc    fail   canc   exp`},
		{"Created late, failed", fixed(created(1, jobs.StatusFailed)), `
		                                            !      wait   subm   subm   run    run    run    wait   wait   succ   inc    fail   canc   exp`},
		{"Created late, failed for good", fixed(created(1, failedInvalid)), `
		                                            !      fail   subm   subm   run    run    run    fail   fail   succ   inc    fail   canc   exp`},
		{"Created late, cancelled", fixed(created(1, jobs.StatusCancelled)), `
		                                            !      canc   subm   subm   run    run    run    canc   canc   succ   inc    fail   canc   exp`},
		{"Created now, queued", nowCreated(jobs.StatusQueued), `
		                                            !      run    run    run    .      .      .      run    run    .      .      .      .      .`},
		{"Created now, of an unknown status", nowCreated("dreaming"), `
		                                            !      run    run    run    .      .      .      run    run    .      .      .      .      .`},
		{"Created now, completed", nowCreated(jobs.StatusCompleted), `
		                                            !      succ   succ   succ   .      .      .      succ   succ   .      .      .      .      .`},
		{"Created now, failed", nowCreated(jobs.StatusFailed), `
		                                            !      wait   wait   canc   .      .      .      wait   wait   .      .      .      .      .`},
		{"Created now, cancelled", nowCreated(jobs.StatusCancelled), `
		                                            !      canc   canc   canc   .      .      .      canc   canc   .      .      .      .      .`},
		{"Created now, with another id", func(j jobs.Job) jobs.Event {
			return jobs.Created{Attempt: j.Current, Reply: reply(otherID, jobs.StatusQueued), FirstLook: at(1000)}
		}, `
		                                            !      run    run    run    run+c  run+c  run+c  run    run    succ+c inc+c  fail+c canc+c exp+c`},
		{"Created for no attempt", fixed(created(9, jobs.StatusQueued)), `
		                                            !      run    subm+c subm+c run+c  run+c  run+c  run    run    succ+c inc+c  fail+c canc+c exp+c`},

		{"CreateFailed now, invalid", nowCreateFailed(jobs.ClassInvalid), `
		                                            .      wait   fail   canc   .      .      .      fail   fail   .      .      .      .      .`},
		{"CreateFailed now, unavailable", nowCreateFailed(jobs.ClassUnavailable), `
		                                            .      wait   wait   canc   .      .      .      wait   wait   .      .      .      .      .`},
		{"CreateFailed now, unauthorized", nowCreateFailed(jobs.ClassUnauthorized), `
		                                            .      wait   wait   canc   .      .      .      wait   wait   .      .      .      .      .`},
		{"CreateFailed now, ambiguous", nowCreateFailed(jobs.ClassAmbiguous), `
		                                            .      .      wait   canc   .      .      .      .      .      .      .      .      .      .`},
		{"CreateFailed late, invalid", fixed(createFailed(1, jobs.ClassInvalid)), `
		                                            .      wait   subm   subm   run    run    run    fail   fail   succ   inc    fail   canc   exp`},
		{"CreateFailed late, ambiguous", fixed(createFailed(1, jobs.ClassAmbiguous)), `
		                                            .      .      .      .      .      .      .      .      .      .      .      .      .      .`},
		{"CreateFailed for no attempt", fixed(createFailed(9, jobs.ClassInvalid)), `
		                                            .      .      .      .      .      .      .      .      .      .      .      .      .      .`},

		{"RequestUnusable", func(j jobs.Job) jobs.Event {
			return jobs.RequestUnusable{Attempt: j.NextAttempt(), Failure: failure(jobs.ClassInternal)}
		}, `
		                                            fail   fail   .      .      .      .      .      .      .      .      .      .      .      .`},
		{"RequestUnusable, of an attempt that is over", func(j jobs.Job) jobs.Event {
			return jobs.RequestUnusable{Attempt: j.NextAttempt() - 1, Failure: failure(jobs.ClassInternal)}
		}, `
		                                            .      .      .      .      .      .      .      .      .      .      .      .      .      .`},

		{"WorkerLost now", func(j jobs.Job) jobs.Event { return jobs.WorkerLost{Attempt: j.Current, Worker: testWorker} }, `
		                                            .      .      wait   canc   .      .      .      .      .      .      .      .      .      .`},
		{"WorkerLost, another worker", func(j jobs.Job) jobs.Event { return jobs.WorkerLost{Attempt: j.Current, Worker: "worker-b"} }, `
		                                            .      .      .      .      .      .      .      .      .      .      .      .      .      .`},
		{"WorkerLost late", fixed(jobs.WorkerLost{Attempt: 1, Worker: testWorker}), `
		                                            .      .      .      .      .      .      .      .      .      .      .      .      .      .`},

		{"Looked, in progress", nowLooked(jobs.StatusInProgress), `
		                                            .      .      .      .      .      .      .      .      .      .      .      .      .      .`},
		{"Looked, of an unknown status", nowLooked("dreaming"), `
		                                            .      .      .      .      .      .      .      .      .      .      .      .      .      .`},
		{"Looked, completed", nowLooked(jobs.StatusCompleted), `
		                                            .      .      .      .      succ   succ   succ   .      .      .      .      .      .      .`},
		{"Looked, incomplete", nowLooked(jobs.StatusIncomplete), `
		                                            .      .      .      .      inc    inc    inc    .      .      .      .      .      .      .`},
		{"Looked, failed", nowLooked(jobs.StatusFailed), `
		                                            .      .      .      .      wait   canc   exp    .      .      .      .      .      .      .`},
		{"Looked, failed for good", nowLooked(failedInvalid), `
		                                            .      .      .      .      fail   canc   exp    .      .      .      .      .      .      .`},
		{"Looked, cancelled", nowLooked(jobs.StatusCancelled), `
		                                            .      .      .      .      canc   canc   exp    .      .      .      .      .      .      .`},
		{"Looked, another response", fixed(jobs.Looked{Reply: reply(otherID, jobs.StatusCompleted)}), `
		                                            .      .      .      .      .      .      .      .      .      .      .      .      .      .`},

		{"Collected, failed, of an attempt that is no line", fixed(jobs.Collected{Line: jobs.LineID(jobs.Try{Job: testID, Attempt: 1}), Failure: new(failure(jobs.ClassInvalid))}), `
		                                            .      .      .      .      .      .      .      .      .      .      .      .      .      .`},
		{"Collected, completed, of no attempt", fixed(collected(jobs.LineID(jobs.Try{Job: testID, Attempt: 9}), jobs.StatusCompleted)), `
		                                            succ   succ   succ   succ   succ+c succ+c succ+c succ   succ   succ   inc    fail   canc   exp`},

		{"ResponseLost now", func(j jobs.Job) jobs.Event {
			return jobs.ResponseLost{ResponseID: responseID(j.Current), Failure: failure(jobs.ClassLost)}
		}, `
		                                            .      .      .      .      fail   canc   exp    .      .      .      .      .      .      .`},
		{"ResponseLost, another response", fixed(jobs.ResponseLost{ResponseID: otherID, Failure: failure(jobs.ClassLost)}), `
		                                            .      .      .      .      .      .      .      .      .      .      .      .      .      .`},

		{"StopRequested, cancel", fixed(cancel), `
		                                            canc   canc   subm   .      run    .      .      canc   canc   .      .      .      .      .`},
		{"StopRequested, deadline", fixed(deadline), `
		                                            exp    exp    subm   .      run    .      .      exp    exp    .      .      .      .      .`},
		{"StopGivenUp now", func(j jobs.Job) jobs.Event { return jobs.StopGivenUp{ResponseID: responseID(j.Current)} }, `
		                                            .      .      .      .      .      canc+c exp+c  .      .      .      .      .      .      .`},
		{"StopGivenUp, another response", fixed(jobs.StopGivenUp{ResponseID: otherID}), `
		                                            .      .      .      .      .      .      .      .      .      .      .      .      .      .`},

		{"WaitOver", fixed(jobs.WaitOver{Delay: time.Second}), `
		                                            .      .      .      .      .      .      .      .      wait   .      .      .      .      .`},
		{"CrashedAlone", fixed(jobs.CrashedAlone{Worker: testWorker}), `
		                                            .      .      .      .      fail   canc   exp    .      .      .      .      .      .      .`},

		{"ReleaseRequested", fixed(jobs.ReleaseRequested{}), `
		                                            !      .      !      !      !      !      !      wait   wait   !      !      !      !      !`},
		{"FailRequested", fixed(jobs.FailRequested{}), `
		                                            !      !      !      !      !      !      !      fail   fail   !      !      !      !      !`},
		{"AdoptRequested for the lost answer", fixed(jobs.AdoptRequested{ResponseID: otherID}), `
		                                            !      run    subm+c subm+c run+c  run+c  run+c  run    run    !      run    run    run    run`},
		{"AdoptRequested for the current attempt", func(j jobs.Job) jobs.Event {
			return jobs.AdoptRequested{Attempt: j.Current, ResponseID: responseID(j.Current)}
		}, `
		                                            !      run    run    run    .      .      .      run    run    !      !      run    run    run`},
		{"AdoptRequested for no attempt", fixed(jobs.AdoptRequested{Attempt: 9, ResponseID: otherID}), `
		                                            !      !      !      !      !      !      !      !      !      !      !      !      !      !`},

		{"AdoptionRefuted, nothing was adopted", func(j jobs.Job) jobs.Event {
			return jobs.AdoptionRefuted{ResponseID: responseID(j.Current)}
		}, `
		                                            .      .      .      .      .      .      .      .      .      .      .      .      .      .`},

		{"RetryRequested", fixed(jobs.RetryRequested{}), `
		                                            !      !      !      !      !      !      !      wait   wait   !      wait   wait   wait   wait`},
		{"DeleteRequested", fixed(jobs.DeleteRequested{}), `
		                                            !      !      !      !      !      !      !      !      !      succ   inc    fail   canc   exp`},
		{"DeleteRequested, remote", fixed(jobs.DeleteRequested{Remote: true}), `
		                                            !      !      !      !      !      !      !      !      !      succ+d inc+d  fail+d canc+d exp+d`},
		{"DependencyEnded", fixed(jobs.DependencyEnded{Job: testID, State: jobs.StateFailed}), `
		                                            .      .      .      .      .      .      .      .      .      .      .      .      .      .`},
		{"Planned", fixed(jobs.Planned{Phase: 1, Parts: 3}), `
		                                            .      .      .      .      .      .      .      .      .      .      .      .      .      .`},
		{"PlanEnded", fixed(jobs.PlanEnded{Result: []byte("{}")}), `
		                                            .      .      .      .      .      .      .      .      .      .      .      .      .      .`},
		{"EffectDone, none such", fixed(jobs.EffectDone{ID: 9}), `
		                                            .      .      .      .      .      .      .      .      .      .      .      .      .      .`},
	}
}

func TestTransitionMatrix(t *testing.T) {
	columns := situations()
	for _, row := range matrix() {
		t.Run(row.event, func(t *testing.T) {
			cells := strings.Fields(row.cells)
			if len(cells) != len(columns) {
				t.Fatalf("the row has %d cells, want one for each of %d situations", len(cells), len(columns))
			}
			for i, column := range columns {
				t.Run("in "+column.name, func(t *testing.T) { checkCell(t, row, column, cells[i]) })
			}
		})
	}
}

// checkCell checks one cell of the matrix, and what holds for all of them.
func checkCell(t *testing.T, row matrixRow, column situation, want string) {
	t.Helper()
	j := column.job(t)
	ev, now := row.make(j), j.Updated.Add(time.Second)
	before := encode(t, j)
	c, err := jobs.Transition(j, ev, now)

	if after := encode(t, j); after != before {
		t.Errorf("the given job was changed\nbefore %s\nafter  %s", before, after)
	}
	if again, errAgain := jobs.Transition(j, ev, now); !cmp.Equal(again, c, equalJobs) || !cmp.Equal(errAgain, err, equalErrors) {
		t.Errorf("the same transition twice differs:\n%s", cmp.Diff(c, again, equalJobs))
	}
	if got := outcome(j, c, err); got != want {
		t.Fatalf("got %s, want %s", got, want)
	}
	if err != nil {
		if !cmp.Equal(c, jobs.Change{}, equalJobs) {
			t.Errorf("an error came with a change: %+v", c)
		}
		return
	}
	if !c.Job.Updated.Equal(now) {
		t.Errorf("updated = %s, want %s", c.Job.Updated, now)
	}
	checkStep(t, j, ev, c)
	unchanged(t, admitted(c.Job, now), ev)
}

var equalErrors = cmp.Comparer(func(a, b error) bool {
	return (a == nil) == (b == nil) && (a == nil || a.Error() == b.Error())
})

// outcome writes what a transition did as the cells of the matrix do.
func outcome(j jobs.Job, c jobs.Change, err error) string {
	switch _, no := errors.AsType[*jobs.RefusedError](err); {
	case errors.Is(err, jobs.ErrUnchanged):
		return "."
	case no:
		return "!"
	case err != nil:
		return err.Error()
	}
	cell := []string{shortState(c.Job.State)}
	for _, e := range c.Job.Outbox[min(len(j.Outbox), len(c.Job.Outbox)):] {
		cell = append(cell, map[jobs.EffectKind]string{
			jobs.EffectCancel: "c", jobs.EffectDelete: "d", jobs.EffectTell: "t", jobs.EffectStopParts: "sp", jobs.EffectDeleteParts: "dp",
		}[e.Kind])
	}
	return strings.Join(cell, "+")
}

// A new state without a column, or a new event without a row, fails here.
func TestTransitionMatrixIsComplete(t *testing.T) {
	var states []jobs.State
	for _, column := range situations() {
		j := column.job(t)
		name, _, _ := strings.Cut(strings.TrimRight(column.name, "0"), "/")
		if got := shortState(j.State); got != name {
			t.Errorf("situation %s is in state %s", column.name, got)
		}
		states = append(states, j.State)
	}
	for _, s := range constants(t, "State") {
		if !slices.Contains(states, jobs.State(s)) {
			t.Errorf("the matrix has no situation in state %q", s)
		}
	}
	var rows []string
	for _, row := range matrix() {
		rows = append(rows, reflect.TypeOf(row.make(newJob(t, jobs.Options{}))).Name())
	}
	for _, ev := range eventTypes(t) {
		if !slices.Contains(rows, ev) {
			t.Errorf("the matrix has no row for event %s", ev)
		}
	}
}

func TestStates(t *testing.T) {
	var want []jobs.State
	for _, s := range constants(t, "State") {
		want = append(want, jobs.State(s))
	}
	if diff := cmp.Diff(want, jobs.States()); diff != "" {
		t.Errorf("States() and the constants differ (-constants +States):\n%s", diff)
	}
	for _, s := range jobs.States() {
		if !s.Known() {
			t.Errorf("%q is not known", s)
		}
	}
	for _, s := range []jobs.State{"", "acting", "Waiting"} {
		if s.Known() || s.Terminal() {
			t.Errorf("%q: known %t, terminal %t; want neither", s, s.Known(), s.Terminal())
		}
	}
	var terminal []jobs.State
	for _, s := range jobs.States() {
		if s.Terminal() {
			terminal = append(terminal, s)
		}
	}
	if diff := cmp.Diff(jobs.States()[4:], terminal); diff != "" {
		t.Errorf("terminal states (-want +got):\n%s", diff)
	}
}

// An event's name is its type's, so that logs can be searched for either.
func TestEventNames(t *testing.T) {
	seen := make(map[string]bool)
	for _, row := range matrix() {
		ev := row.make(newJob(t, jobs.Options{}))
		want := reflect.TypeOf(ev).Name()
		if got := ev.Name(); strings.ReplaceAll(got, "_", "") != strings.ToLower(want) {
			t.Errorf("%s.Name() = %q", want, got)
		}
		seen[want] = true
	}
	if want := len(eventTypes(t)); len(seen) != want {
		t.Errorf("looked at %d events, want %d", len(seen), want)
	}
}

func TestTransitionRefusesForeignEvents(t *testing.T) {
	for _, ev := range []jobs.Event{foreign{}, &jobs.StopRequested{Reason: jobs.StopCancel}, nil} {
		c, err := jobs.Transition(newJob(t, jobs.Options{}), ev, at(1))
		if err == nil || errors.Is(err, jobs.ErrUnchanged) {
			t.Errorf("%T: error = %v, want one that cannot be taken for no change", ev, err)
		}
		if !cmp.Equal(c, jobs.Change{}, equalJobs) {
			t.Errorf("%T: an error came with a change", ev)
		}
	}
}

type foreign struct{}

func (foreign) Name() string { return "foreign" }
