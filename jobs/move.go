package jobs

import (
	"fmt"
	"slices"
	"time"
)

// Reasons and codes that transitions go by.
const (
	codeWorkerLost   = "worker_lost"
	codePreviousLost = "previous_response_not_found" // OpenAI's
	reasonOutputCap  = "max_output_tokens"           // OpenAI's
	reasonStray      = "stray"
)

// crashesBeforeAlone is how many crashes of workers a job may have been present
// at before it is run alone.
const crashesBeforeAlone = 2

// move is a transition in the making: its methods here are what the events of
// transition.go have in common.
type move struct {
	job      Job
	now      time.Time
	body     []byte
	dropBody bool
}

func (m *move) refuse(event, why string) error {
	return &RefusedError{Job: m.job.ID, State: m.job.State, Event: event, Why: why}
}

// attempt returns the attempt of that number, nil if there is none.
func (m *move) attempt(number int) *Attempt {
	i := m.job.attemptIndex(number)
	if i < 0 {
		return nil
	}
	return &m.job.Attempts[i]
}

// stray adds an attempt for a response that is the job's and that no attempt on
// record has made: Redis had forgotten the intent, or another create was made
// under the same number since. What was paid for is never dropped.
func (m *move) stray(ev Created) (*Attempt, error) {
	j, r := &m.job, ev.Reply.Response
	if slices.ContainsFunc(j.Attempts, func(a Attempt) bool { return a.ResponseID == r.ID }) {
		return nil, ErrUnchanged
	}
	endpoint := ev.Endpoint
	if endpoint == "" && len(j.Attempts) > 0 {
		endpoint = j.Attempts[len(j.Attempts)-1].Endpoint
	}
	if endpoint == "" {
		return nil, m.refuse(ev.Name(), fmt.Sprintf("there is no attempt %d, and nothing says whose response %s is", ev.Attempt, r.ID))
	}
	j.Attempts = append(j.Attempts, Attempt{
		Number: j.NextAttempt(), Reason: reasonStray, Endpoint: endpoint, Started: m.now, Free: true,
	})
	return &j.Attempts[len(j.Attempts)-1], nil
}

// repeated ends an attempt to which a gateway answered with the response of an
// earlier one: nothing new was made, and there is nothing to give up.
func (m *move) repeated(a *Attempt, earlier Attempt, delay time.Duration) error {
	f := Failure{
		Class: ClassUnavailable, Code: "response_repeated",
		Message: fmt.Sprintf("the answer was %s, which attempt %d has made", earlier.ResponseID, earlier.Number),
	}
	j := &m.job
	switch {
	case a.Number == j.Current && (j.State == StateSubmitting || j.State == StateUncertain):
		m.failed(a, f, delay)
	case a.Outcome == "" || a.Outcome == OutcomeUncertain:
		m.conclude(a, f)
	default:
		return ErrUnchanged
	}
	return nil
}

// wanted reports whether the job goes on with an attempt that turns out to have
// been accepted: it does while nothing else is under way, so that the attempt
// that would replace this one is not made, and not paid for.
func (m *move) wanted(a *Attempt) bool {
	switch m.job.State {
	case StateSubmitting:
		return a.Number == m.job.Current
	case StateWaiting, StateUncertain:
		return true
	case StateRunning, StateSucceeded, StateIncomplete, StateFailed, StateCancelled, StateExpired:
	}
	return false
}

// rival deals with a response that is not the one the job goes on with. The
// first completed response wins; one that still runs is cancelled; what it cost
// is kept with its attempt.
func (m *move) rival(a *Attempt, reply *Reply) {
	j, r := &m.job, reply.Response
	if r.Status == StatusCompleted && !j.State.Terminal() {
		m.overtake(a)
		m.finish(a, *reply, 0)
		return
	}
	if !r.Terminal() {
		m.owe(EffectCancel, *a)
		return
	}
	a.Outcome, a.Ended = OutcomeWasted, m.now
	served(a, r)
}

// overtake gives up the current attempt in favour of another, which has won.
func (m *move) overtake(winner *Attempt) {
	c := m.attempt(m.job.Current)
	switch {
	case c == nil || c.Number == winner.Number || c.Outcome != "":
	case c.ResponseID != "":
		m.owe(EffectCancel, *c)
	default:
		c.Outcome, c.Ended = OutcomeUncertain, m.now // until its answer comes
	}
}

// finish ends an attempt with the terminal response that came of it.
func (m *move) finish(a *Attempt, reply Reply, delay time.Duration) {
	j, r := &m.job, reply.Response
	j.Current = a.Number
	a.Ended = m.now
	served(a, r)
	switch r.Status {
	case StatusCompleted:
		a.Outcome, j.Failure = OutcomeSucceeded, nil
		m.keep(r)
		m.end(StateSucceeded)
	case StatusIncomplete:
		a.Outcome, j.Failure = OutcomeIncomplete, nil
		m.keep(r)
		if !m.grow(a, r) {
			m.end(StateIncomplete)
		}
	case StatusCancelled:
		a.Outcome = OutcomeCancelled
		if j.Result == nil {
			m.keep(r)
		}
		m.end(m.stopState())
	default:
		m.failed(a, *r.Failure(), delay)
		if j.State.Terminal() && j.Result == nil {
			m.keep(r)
		}
	}
}

// grow asks again with a larger cap for an answer that was cut off by its cap,
// if the job wants that. What is there is kept until something better comes.
func (m *move) grow(a *Attempt, r Response) bool {
	j, limit := &m.job, m.job.outputCap(a)
	if limit <= 0 || limit >= j.GrowOutputTo || r.IncompleteDetails == nil || r.IncompleteDetails.Reason != reasonOutputCap ||
		j.Stop != nil || j.Late(m.now) || j.Counted() >= j.MaxAttempts {
		return false
	}
	j.Adjust = j.adjusted(func(next *Adjustment) { next.MaxOutputTokens = min(2*limit, j.GrowOutputTo) })
	j.Reason = reasonOutputCap
	m.wait(m.now)
	return true
}

// conclude ends an attempt with a failure.
func (m *move) conclude(a *Attempt, f Failure) Verdict {
	verdict := f.Class.Verdict()
	a.Ended, a.Failure, a.Outcome = m.now, &f, OutcomeFailed
	a.Free = verdict.Action == ActionWait || a.Reason == reasonStray
	if verdict.Action == ActionUncertain {
		a.Outcome = OutcomeUncertain
	}
	return verdict
}

// failed ends an attempt with a failure and does what the table says.
func (m *move) failed(a *Attempt, f Failure, delay time.Duration) {
	j, verdict := &m.job, m.conclude(a, f)
	j.Failure = &f
	switch {
	case j.Stop != nil:
		m.end(m.stopState())
	case m.adjust(a, f):
		m.wait(m.now)
	case verdict.Action == ActionFail:
		m.fail(f)
	case verdict.Action == ActionUncertain && a.UncertainWait > 0:
		j.State, j.DecideAt = StateUncertain, stored(m.now.Add(a.UncertainWait))
	case verdict.Action == ActionUncertain && j.Uncertain == UncertainHold:
		j.State = StateUncertain
	default:
		m.again(a, f, delay)
	}
}

// again makes another attempt because of a failure, if the budget allows one.
func (m *move) again(a *Attempt, f Failure, delay time.Duration) {
	if (!a.Free || a.Reason == reasonStray) && m.job.Counted() >= m.job.MaxAttempts {
		m.fail(f)
		return
	}
	m.job.Reason = string(f.Class)
	m.wait(m.now.Add(delay))
	m.fold()
}

// adjust reports whether a failure is one that another form of the request
// passes by, which the next attempt then has. Nothing was accepted, so the
// attempt does not count.
func (m *move) adjust(a *Attempt, f Failure) bool {
	j := &m.job
	now := Adjustment{}
	if a.Adjust != nil {
		now = *a.Adjust
	}
	switch {
	case f.Class == ClassCapacity && j.FallbackTier != "" && now.ServiceTier != j.FallbackTier:
		j.Adjust = j.adjusted(func(next *Adjustment) { next.ServiceTier = j.FallbackTier })
		j.Reason = string(ClassCapacity)
	case f.Code == codePreviousLost && j.History && !now.History:
		j.Adjust = j.adjusted(func(next *Adjustment) { next.History = true })
		j.Reason = codePreviousLost
	default:
		return false
	}
	a.Free = true
	return true
}

// fail ends the job without success. What was paid for and cut off before is
// still its result.
func (m *move) fail(f Failure) {
	j := &m.job
	j.Failure = &f
	if j.Result == nil {
		m.end(StateFailed)
		return
	}
	for _, a := range j.Attempts {
		if a.ResponseID == j.Result.ResponseID {
			j.Current = a.Number
		}
	}
	m.end(StateIncomplete)
}

// poison sets a job aside that crashed a worker which ran nothing else.
func (m *move) poison(worker string) {
	m.job.Alone = true // if it is retried by hand
	m.fail(Failure{
		Class: ClassPoison, Code: "crashed_alone",
		Message: fmt.Sprintf("worker %s crashed while it ran this job and nothing else; its attempts are the evidence", worker),
	})
}

// fold tells the last attempt and the one before as one, if both were free,
// created nothing and failed for the same class of reason.
func (m *move) fold() {
	last := len(m.job.Attempts) - 1
	if last < 1 {
		return
	}
	a, before := m.job.Attempts[last], &m.job.Attempts[last-1]
	if !a.barren() || !before.barren() || a.Failure.Class != before.Failure.Class || before.Number <= m.job.BudgetFrom ||
		!a.Adjust.equal(before.Adjust) {
		return
	}
	before.Repeats += 1 + a.Repeats
	before.Answered, before.RequestID, before.Ended, before.Failure = a.Answered, a.RequestID, a.Ended, a.Failure
	m.job.Attempts = m.job.Attempts[:last]
	m.job.Current = before.Number
}

// barren reports whether the attempt was free and certainly created nothing.
func (a Attempt) barren() bool {
	return a.Free && a.ResponseID == "" && a.Outcome == OutcomeFailed && a.Failure != nil
}

// stopState is the state that a stopped job ends in: a deadline expires it,
// anything else, a cancel on OpenAI's own side included, cancels it.
func (m *move) stopState() State {
	if m.job.Stop != nil && m.job.Stop.Reason == StopDeadline {
		return StateExpired
	}
	return StateCancelled
}

// keep stores the response as the job's result, in the same write as the state.
func (m *move) keep(r Response) {
	m.job.Result, m.body = r.result(), r.Raw
}

// end puts the job into a terminal state.
func (m *move) end(s State) {
	m.job.State, m.job.Ended = s, m.now
	m.clearWaits()
	m.job.Reason, m.job.LookAt, m.job.NotBefore, m.job.DecideAt = "", time.Time{}, time.Time{}, time.Time{}
	if s == StateExpired && m.job.Failure == nil {
		m.job.Failure = &Failure{Class: ClassExpired, Message: "the deadline passed"}
	}
	m.oweNews()
}

// wait puts the job back into its lane, not before the given time.
func (m *move) wait(until time.Time) {
	m.job.State, m.job.NotBefore, m.job.LookAt = StateWaiting, stored(until), time.Time{}
	m.job.Admitted, m.job.DecideAt = time.Time{}, time.Time{}
	m.clearWaits()
	if m.job.Kind.IsParent() {
		m.job.AskAt = m.job.NotBefore // it has no lane to wait in
	}
}

// clearWaits says that the job waits for nothing but its time and its turn.
func (m *move) clearWaits() {
	m.job.Waits, m.job.Budget, m.job.Needs = "", "", 0
}

// owe puts an effect into the outbox.
func (m *move) owe(kind EffectKind, a Attempt) {
	m.job.Effects++
	m.job.Outbox = append(m.job.Outbox, Effect{
		ID: m.job.Effects, Kind: kind, Attempt: a.Number, Endpoint: a.Endpoint, ResponseID: a.ResponseID,
	})
}
