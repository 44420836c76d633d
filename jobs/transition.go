package jobs

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"
)

// ErrUnchanged says that an event brings nothing new: it is part of the record
// already, or belongs to an attempt that is over.
var ErrUnchanged = errors.New("the event changes nothing")

// reasonManual is the [Attempt.Reason] of an attempt that a person asked for.
const reasonManual = "manual"

// RefusedError says that what was asked for cannot be done in the job's state.
type RefusedError struct {
	Job   ID
	State State
	Event string
	Why   string
}

// Error names the job, its state and what to do instead.
func (e *RefusedError) Error() string {
	return fmt.Sprintf("%s is %s: %s", e.Job, e.State, e.Why)
}

// Transition returns what an event makes of a job. It is pure: the same job,
// event and time give the same change, and j is left as it is. The error is
// [ErrUnchanged], a [*RefusedError], or nil.
func Transition(j Job, ev Event, now time.Time) (Change, error) {
	m := move{job: j, now: stored(now)}
	m.job.Attempts = slices.Clone(j.Attempts)
	m.job.Outbox = slices.Clone(j.Outbox)
	m.job.Updated = m.now
	if err := m.concerns(ev); err != nil {
		return Change{}, err
	}
	var err error
	switch ev := ev.(type) {
	case SubmitStarted:
		err = m.submitStarted(ev)
	case Created:
		err = m.created(ev)
	case Postponed:
		err = m.postponed(ev)
	case RoomFound:
		err = m.roomFound(ev)
	case CreateFailed:
		err = m.createFailed(ev)
	case RequestUnusable:
		err = m.requestUnusable(ev)
	case WorkerLost:
		err = m.workerLost(ev)
	case Looked:
		err = m.looked(ev)
	case ResponseLost:
		err = m.responseLost(ev)
	case StopRequested:
		err = m.stopRequested(ev)
	case StopGivenUp:
		err = m.stopGivenUp(ev)
	case WaitOver:
		err = m.waitOver(ev)
	case CrashedAlone:
		err = m.crashedAlone(ev)
	case RetryRequested:
		err = m.retryRequested(ev)
	case ReleaseRequested:
		err = m.releaseRequested(ev)
	case FailRequested:
		err = m.failRequested(ev)
	case AdoptRequested:
		err = m.adoptRequested(ev)
	case AdoptionRefuted:
		err = m.adoptionRefuted(ev)
	case DeleteRequested:
		err = m.deleteRequested(ev)
	case DependencyEnded:
		err = m.dependencyEnded(ev)
	case Collected:
		err = m.collected(ev)
	case EffectDone:
		err = m.effectDone(ev)
	case Planned:
		err = m.planned(ev)
	case PlanEnded:
		err = m.planEnded(ev)
	default:
		err = fmt.Errorf("event %T is unknown", ev)
	}
	if err != nil {
		return Change{}, err
	}
	return Change{Job: m.job, Body: m.body, DropBody: m.dropBody}, nil
}

func (m *move) submitStarted(ev SubmitStarted) error {
	j := &m.job
	if j.State != StateWaiting || j.Admitted.IsZero() || ev.Attempt != j.NextAttempt() {
		return ErrUnchanged // a task of an attempt that is over, or enqueued twice
	}
	if j.Late(m.now) {
		m.end(StateExpired)
		return nil
	}
	j.Attempts = append(j.Attempts, Attempt{
		Number: ev.Attempt, Reason: j.Reason, Endpoint: ev.Endpoint, Worker: ev.Worker,
		Started: m.now, ClientRequestID: ev.ClientRequestID, Adjust: j.Adjust, UncertainWait: j.patience(ev), Alone: j.Alone,
		Reserved: ev.Reserved, Budgets: ev.Budgets,
	})
	m.clearWaits()
	j.State, j.Current, j.Reason, j.Failure = StateSubmitting, ev.Attempt, "", nil
	return nil
}

func (m *move) created(ev Created) error {
	a, r := m.attempt(ev.Attempt), ev.Reply.Response
	if a == nil || a.ResponseID != "" {
		var err error
		if a, err = m.stray(ev); err != nil {
			return err
		}
	}
	a.RequestID, a.Answered = ev.Reply.RequestID, m.now
	for _, b := range m.job.Attempts {
		if b.ResponseID == r.ID {
			return m.repeated(a, b, ev.Delay)
		}
	}
	a.ResponseID = r.ID
	// The attempt may have been given up for lost while its answer was on the
	// way: it is taken back.
	a.Outcome, a.Ended, a.Failure = "", time.Time{}, nil

	j := &m.job
	if !m.wanted(a) {
		m.rival(a, &ev.Reply)
		return nil
	}
	m.clearWaits()
	j.Current, j.Looks = a.Number, Looks{}
	j.Reason, j.Failure, j.NotBefore, j.DecideAt = "", nil, time.Time{}, time.Time{}
	if r.Terminal() {
		m.finish(a, ev.Reply, ev.Delay)
		return nil
	}
	j.State, j.LookAt = StateRunning, stored(ev.FirstLook)
	if j.Stop != nil {
		j.LookAt = m.now
	}
	return nil
}

func (m *move) postponed(ev Postponed) error {
	j := &m.job
	if j.State != StateWaiting || j.Admitted.IsZero() || !j.Admitted.Equal(ev.Admitted) || ev.Attempt != j.NextAttempt() {
		return ErrUnchanged // it has gone on, or gone back already
	}
	if j.Late(m.now) {
		m.end(StateExpired)
		return nil
	}
	j.Admitted = time.Time{} // why it has failed before, and its place, stay
	j.Waits, j.Budget, j.Needs = ev.Reason, ev.Budget, ev.Needs
	if !ev.Until.IsZero() {
		j.NotBefore = stored(ev.Until)
	}
	return nil
}

func (m *move) roomFound(ev RoomFound) error {
	if !m.job.Parked() || m.job.Budget != ev.Budget {
		return ErrUnchanged
	}
	m.wait(maxTime(m.now, m.job.NotBefore))
	return nil
}

func (m *move) createFailed(ev CreateFailed) error {
	a := m.attempt(ev.Attempt)
	if a == nil || a.ResponseID != "" {
		return ErrUnchanged
	}
	current := ev.Attempt == m.job.Current
	if m.job.State == StateSubmitting && current {
		a.Answered, a.RequestID = m.now, ev.Failure.RequestID
		m.failed(a, ev.Failure, ev.Delay)
		return nil
	}
	if a.Outcome != OutcomeUncertain || ev.Failure.Class.Verdict().Action == ActionUncertain {
		return ErrUnchanged
	}
	// Now it is certain: not accepted. A job that was held for not knowing goes
	// on as if it had known at once; any other has moved on already.
	a.Answered, a.RequestID = m.now, ev.Failure.RequestID
	if m.job.State == StateUncertain && current {
		m.failed(a, ev.Failure, ev.Delay)
		return nil
	}
	m.conclude(a, ev.Failure)
	return nil
}

func (m *move) requestUnusable(ev RequestUnusable) error {
	if m.job.State != StateWaiting || ev.Attempt != m.job.NextAttempt() {
		return ErrUnchanged // it has gone on
	}
	m.stopParts()
	m.fail(ev.Failure)
	return nil
}

func (m *move) workerLost(ev WorkerLost) error {
	a := m.attempt(ev.Attempt)
	if a == nil || m.job.State != StateSubmitting || ev.Attempt != m.job.Current || a.Worker != ev.Worker {
		return ErrUnchanged
	}
	crash := Failure{
		Class: ClassAmbiguous, Code: codeWorkerLost,
		Message: "the worker stopped between its intent and the provider's answer",
	}
	if a.Alone && m.job.Stop == nil {
		m.conclude(a, crash)
		m.poison(a.Worker)
		return nil
	}
	m.job.Alone = m.job.Alone || m.job.crashes()+1 >= crashesBeforeAlone
	m.failed(a, crash, ev.Delay)
	return nil
}

func (m *move) looked(ev Looked) error {
	a := m.attempt(m.job.Current)
	if a == nil || m.job.State != StateRunning || a.ResponseID != ev.Reply.Response.ID || !ev.Reply.Response.Terminal() {
		return ErrUnchanged
	}
	m.finish(a, ev.Reply, ev.Delay)
	return nil
}

func (m *move) responseLost(ev ResponseLost) error {
	a := m.attempt(m.job.Current)
	if a == nil || m.job.State != StateRunning || a.ResponseID != ev.ResponseID {
		return ErrUnchanged
	}
	a.Outcome, a.Ended, a.Failure = OutcomeLost, m.now, &ev.Failure
	if ev.Failure.Class == ClassOversized {
		a.Outcome = OutcomeFailed // it is there, and cannot be had
	}
	if m.job.Stop != nil {
		m.end(m.stopState())
		return nil
	}
	m.fail(ev.Failure)
	return nil
}

func (m *move) stopRequested(ev StopRequested) error {
	j := &m.job
	if j.State.Terminal() || j.Stop != nil {
		return ErrUnchanged
	}
	j.Stop = &Stop{At: m.now, Reason: ev.Reason, Parent: ev.Parent}
	switch j.State {
	case StateWaiting, StateUncertain:
		m.stopParts()
		m.end(m.stopState())
	case StateRunning:
		j.LookAt, j.Looks.Next = m.now, time.Time{} // at once, whatever look was planned
	case StateSubmitting, StateSucceeded, StateIncomplete, StateFailed, StateCancelled, StateExpired:
		// The POST is out: its id is recorded first and then cancelled upstream.
	}
	return nil
}

func (m *move) stopGivenUp(ev StopGivenUp) error {
	a := m.attempt(m.job.Current)
	if a == nil || m.job.State != StateRunning || m.job.Stop == nil || a.ResponseID != ev.ResponseID {
		return ErrUnchanged
	}
	m.owe(EffectCancel, *a)
	m.end(m.stopState())
	return nil
}

func (m *move) retryRequested(ev RetryRequested) error {
	j := &m.job
	switch {
	case j.Deleting:
		return m.refuse("retry", "it is being deleted")
	case ev.InPlace && strings.Contains(j.Links, LinkReplaced):
		return m.refuse("retry", "another job has taken its place")
	case j.State == StateWaiting && j.Reason == reasonManual:
		return ErrUnchanged
	case j.State == StateSucceeded:
		return m.refuse("retry", "its result is there; submit a new job to ask again")
	case strings.Contains(j.Links, LinkFollowed):
		return m.refuse("retry", "its thread has gone on with another job; submit its request again")
	case !j.State.Terminal() && j.State != StateUncertain:
		return m.refuse("retry", "it has not ended; wait, or cancel it first")
	}
	if j.Late(m.now) {
		j.Deadline = m.now.Add(j.anew())
	}
	if !j.Deadline.IsZero() {
		j.Deadline = maxTime(j.Deadline, stored(ev.Deadline))
	}
	j.Ended, j.Failure, j.Result, j.Stop, j.Adjust = time.Time{}, nil, nil, nil, nil
	j.Adjust = j.continuation()
	j.Reason, j.BudgetFrom = reasonManual, j.NextAttempt()-1
	m.dropBody = true
	m.wait(m.now)
	m.planAnew()
	if j.Aside() {
		j.AskAt = m.now // those that it waited for may have succeeded since
	}
	return nil
}

func (m *move) deleteRequested(ev DeleteRequested) error {
	j := &m.job
	if !j.State.Terminal() {
		return m.refuse("delete", "it has not ended; cancel it first")
	}
	effects, already := j.Effects, j.Deleting
	j.Deleting = true
	if j.Kind.IsParent() {
		m.oweParts(Effect{Kind: EffectDeleteParts, Remote: ev.Remote})
	}
	if ev.Remote {
		for _, a := range j.Attempts {
			owed := slices.ContainsFunc(j.Outbox, func(e Effect) bool {
				return e.Kind == EffectDelete && e.ResponseID == a.ResponseID
			})
			if a.ResponseID != "" && !owed {
				m.owe(EffectDelete, a)
			}
		}
	}
	if already && j.Effects == effects {
		return ErrUnchanged
	}
	return nil
}

func (m *move) effectDone(ev EffectDone) error {
	i := slices.IndexFunc(m.job.Outbox, func(e Effect) bool { return e.ID == ev.ID })
	if i < 0 {
		return ErrUnchanged
	}
	effect := m.job.Outbox[i]
	if ev.Reply != nil && ev.Reply.Response.ID != effect.ResponseID {
		return ErrUnchanged // a gateway's answer about another response; ask again
	}
	m.job.Outbox = slices.Delete(m.job.Outbox, i, i+1)
	a := m.attempt(effect.Attempt)
	if effect.Kind != EffectCancel || a == nil || a.Outcome != "" {
		return nil
	}
	if ev.Reply == nil {
		a.Outcome, a.Ended = OutcomeLost, m.now
		return nil
	}
	m.rival(a, ev.Reply)
	return nil
}
