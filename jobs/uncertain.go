package jobs

import (
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"
)

// codeGivenUp is the code of a failure that a person decided on.
const codeGivenUp = "given_up"

// Held reports whether the job is left to a person: the answer to a create was
// lost, nothing that could tell what became of it is waited for any more, and the
// job's policy is not to ask again by itself.
func (j Job) Held() bool { return j.State == StateUncertain && j.DecideAt.IsZero() }

// Waste is what was spent on a job beside its result.
type Waste struct {
	// Usage is the tokens of responses that lost against another, as far as the
	// provider counted them.
	Usage Usage
	// Wasted are the numbers of the attempts whose responses lost.
	Wasted []int
	// Unknown are the numbers of the attempts that may have cost something nobody
	// saw: their answer was lost, or their response was given up uncounted, because
	// another won, it was not to be had, or it crashed workers.
	Unknown []int
}

// Waste returns what was spent on the job beside its result, as its attempts have
// it.
func (j Job) Waste() Waste {
	var w Waste
	for _, a := range j.Attempts {
		switch {
		case a.Outcome == OutcomeUncertain:
			w.Unknown = append(w.Unknown, a.Number)
		case a.Outcome != OutcomeWasted && a.Outcome != OutcomeLost && !a.unread():
			continue
		case a.Usage == nil:
			w.Unknown = append(w.Unknown, a.Number)
		}
		if a.Outcome == OutcomeWasted {
			w.Wasted = append(w.Wasted, a.Number)
		}
		if a.Usage != nil {
			w.Usage.Add(*a.Usage)
		}
	}
	return w
}

// unread reports whether the provider made a response that nobody could read.
func (a Attempt) unread() bool {
	return a.Outcome == OutcomeFailed && a.Failure != nil && (a.Failure.Class == ClassOversized || a.Failure.Class == ClassPoison)
}

// patience is how long an attempt waits for the provider's word if its answer is
// lost: not at all where none can come, else as the job has it or the worker.
func (j Job) patience(ev SubmitStarted) time.Duration {
	if ev.UncertainWait > 0 && j.UncertainWait > 0 {
		return j.UncertainWait
	}
	return ev.UncertainWait
}

// crashes is how many attempts within the budget ended with their worker.
func (j Job) crashes() int {
	n := 0
	for _, a := range j.Attempts {
		if a.Number > j.BudgetFrom && a.Failure != nil && a.Failure.Code == codeWorkerLost {
			n++
		}
	}
	return n
}

func (m *move) waitOver(ev WaitOver) error {
	j, a := &m.job, m.attempt(m.job.Current)
	if j.State != StateUncertain || j.DecideAt.IsZero() || m.now.Before(j.DecideAt) || a == nil || a.Failure == nil {
		return ErrUnchanged
	}
	if j.Uncertain == UncertainHold {
		j.DecideAt = time.Time{}
		return nil
	}
	m.again(a, *a.Failure, ev.Delay)
	return nil
}

func (m *move) crashedAlone(ev CrashedAlone) error {
	a := m.attempt(m.job.Current)
	if a == nil || m.job.State != StateRunning {
		return ErrUnchanged
	}
	a.Outcome, a.Ended = OutcomeFailed, m.now
	a.Failure = &Failure{Class: ClassPoison, Code: "crashed_alone", Message: "a worker crashed over this response"}
	if m.job.Stop != nil {
		m.end(m.stopState())
		return nil
	}
	m.poison(ev.Worker)
	return nil
}

func (m *move) releaseRequested(ev ReleaseRequested) error {
	j := &m.job
	switch {
	case j.State == StateWaiting && j.Reason == string(ClassAmbiguous):
		return ErrUnchanged
	case j.State != StateUncertain:
		return m.refuse(ev.Name(), "only a job whose create's answer was lost can be released")
	}
	j.MaxAttempts = max(j.MaxAttempts, j.Counted()+1) // a person asked for one
	j.Reason = string(ClassAmbiguous)
	m.wait(m.now)
	return nil
}

func (m *move) failRequested(ev FailRequested) error {
	j := &m.job
	switch {
	case j.State.Terminal() && j.Failure != nil && j.Failure.Code == codeGivenUp:
		return ErrUnchanged
	case j.State != StateUncertain:
		return m.refuse(ev.Name(), "only a job whose create's answer was lost can be failed by hand; cancel it instead")
	}
	message := "given up by hand; its create may have been accepted"
	if ev.Message != "" {
		message = bounded(ev.Message, 500)
	}
	m.fail(Failure{Class: ClassAmbiguous, Code: codeGivenUp, Message: message})
	return nil
}

func (m *move) adoptRequested(ev AdoptRequested) error {
	j := &m.job
	a := m.adopter(ev)
	switch {
	case j.Deleting:
		return m.refuse(ev.Name(), "it is being deleted")
	case j.State == StateSucceeded, j.Result != nil && j.Result.ResponseID == ev.ResponseID && j.Result.Status == StatusIncomplete:
		return m.refuse(ev.Name(), "its result is there already")
	case a == nil && ev.Attempt != 0:
		return m.refuse(ev.Name(), fmt.Sprintf("it has no attempt %d on record; name the one that made the response%s", ev.Attempt, m.numbers()))
	case a == nil:
		return m.refuse(ev.Name(), "it has no attempt whose answer was lost; name the attempt that made the response")
	case a.ResponseID != "" && a.ResponseID != ev.ResponseID && a.Adopted.IsZero():
		return m.refuse(ev.Name(), "that attempt has another response, "+a.ResponseID)
	}
	if a.ResponseID != ev.ResponseID {
		a.ResponseID, a.Adopted = "", m.now // a person may correct what a person said
	}
	known, current := a.ResponseID != "", a.Number == j.Current
	elsewhere := (j.State == StateRunning || j.State == StateSubmitting) && !current
	if known && (elsewhere || j.State == StateRunning) {
		return ErrUnchanged
	}
	a.ResponseID, a.Outcome, a.Ended, a.Failure = ev.ResponseID, "", time.Time{}, nil
	if a.Answered.IsZero() {
		a.Answered = m.now
	}
	if elsewhere {
		// Its cancel brings it as it then is: completed, it wins all the same.
		m.owe(EffectCancel, *a)
		return nil
	}
	m.reopen(a)
	return nil
}

// numbers tells which attempts are on record, as the end of a sentence.
func (m *move) numbers() string {
	if len(m.job.Attempts) == 0 {
		return ", of which there is none yet"
	}
	var list []string
	for _, a := range m.job.Attempts {
		list = append(list, strconv.Itoa(a.Number))
	}
	return ": " + strings.Join(list, ", ")
}

// adopter is the attempt that a person means.
func (m *move) adopter(ev AdoptRequested) *Attempt {
	for i := range m.job.Attempts {
		if a := &m.job.Attempts[i]; a.ResponseID == ev.ResponseID && (ev.Attempt == 0 || ev.Attempt == a.Number) {
			return a
		}
	}
	if ev.Attempt != 0 {
		return m.attempt(ev.Attempt)
	}
	for i := range slices.Backward(m.job.Attempts) {
		if a := &m.job.Attempts[i]; a.Outcome == OutcomeUncertain {
			return a
		}
	}
	if a := m.attempt(m.job.Current); a != nil && !a.Adopted.IsZero() {
		return a
	}
	return nil
}

// adoptionRefuted takes back what a person said. The create's answer is as lost as it
// was before, and the job is held, whatever its policy: somebody is at it.
func (m *move) adoptionRefuted(ev AdoptionRefuted) error {
	j, a := &m.job, m.attempt(m.job.Current)
	if a == nil || j.State != StateRunning || a.Adopted.IsZero() || a.ResponseID != ev.ResponseID {
		return ErrUnchanged
	}
	f := Failure{Class: ClassAmbiguous, Code: "response_foreign", Message: "the response that a person gave it, " + ev.ResponseID + ", was made for " + string(ev.Owner)}
	if ev.Owner == "" {
		f.Code, f.Message = "response_unknown", "the provider does not know the response that a person gave it, "+ev.ResponseID
	}
	a.ResponseID, a.Adopted, a.Answered = "", time.Time{}, time.Time{}
	a.Outcome, a.Ended, a.Failure = OutcomeUncertain, m.now, &f
	if j.Stop != nil {
		m.end(m.stopState())
		return nil
	}
	j.State, j.LookAt, j.DecideAt, j.Failure, j.Uncertain = StateUncertain, time.Time{}, time.Time{}, &f, UncertainHold
	return nil
}

// reopen has the job go on with the response of an attempt, whatever had become
// of either.
func (m *move) reopen(a *Attempt) {
	j := &m.job
	if j.State.Terminal() {
		j.Stop = nil
		if j.Result != nil && j.Result.Status != StatusIncomplete { // an answer that was cut off is kept until there is more
			j.Result, m.dropBody = nil, true
		}
	}
	if j.Late(m.now) {
		j.Deadline = m.now.Add(DefaultDeadline)
	}
	j.Outbox = slices.DeleteFunc(j.Outbox, func(e Effect) bool { return e.Kind == EffectCancel && e.Attempt == a.Number })
	j.State, j.Current, j.Looks, j.LookAt = StateRunning, a.Number, Looks{}, m.now
	j.Ended, j.Failure, j.Reason = time.Time{}, nil, ""
	j.NotBefore, j.DecideAt, j.Admitted = time.Time{}, time.Time{}, time.Time{}
}
