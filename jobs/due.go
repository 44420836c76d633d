package jobs

import "time"

// Timing says how long the watchdog waits before it calls a debt overdue.
type Timing struct {
	// Submit is how long an admitted job may lie in its lane's queue, and a
	// terminal one may owe an effect, before it is enqueued anew. The wait grows
	// with every nudge.
	Submit time.Duration
	// Check is how often a recorded intent is checked for a living worker.
	Check time.Duration
}

// DefaultTiming is what a worker uses unless configured otherwise.
func DefaultTiming() Timing {
	return Timing{Submit: 15 * time.Second, Check: 3 * time.Second}
}

// Patience is how long something enqueued may take before it counts as lost,
// when it has been enqueued anew so many times already.
func (t Timing) Patience(nudge int) time.Duration {
	return t.Submit * time.Duration(1+min(max(nudge, 0), 20))
}

// Due returns when the job next wants attention, and false for one that is owed
// nothing. A waiting job that is not admitted wants it at its deadline (one that waits
// for a budget is seen to by whoever watches that), one that waits for others when it is to ask how they stand, a
// parent when its planner is to be asked, an admitted one when its submit is overdue, a submitting one when its worker
// should be checked, a running one at its next look, an uncertain one when its
// wait for the provider's word is over, an ended one when its record
// is to be removed, and any but a running one while effects are left in its
// outbox (those of a running one are seen to with its looks).
func (j Job) Due(t Timing) (time.Time, bool) {
	at, owed := j.own(t)
	if len(j.Outbox) == 0 || j.State == StateRunning {
		return at, owed
	}
	effects := j.Updated.Add(t.Patience(j.Nudge))
	if (j.Deleting || j.LocalEffect() != nil) && j.Nudge == 0 {
		effects = j.Updated // nobody enqueues it: a caller asked for it, or it is done by whoever claims the job
	}
	if !owed || effects.Before(at) {
		return effects, true
	}
	return at, owed
}

// own is [Job.Due] without the outbox.
func (j Job) own(t Timing) (time.Time, bool) {
	switch j.State {
	case StateWaiting:
		if j.Aside() && !j.Parked() {
			return j.before(j.AskAt), true
		}
		if j.Admitted.IsZero() {
			return j.Deadline, !j.Deadline.IsZero()
		}
		return j.before(j.Admitted.Add(t.Patience(j.Nudge))), true
	case StateSubmitting:
		return j.Updated.Add(t.Check), true
	case StateRunning:
		return j.before(maxTime(j.LookAt, j.Looks.Next)), true
	case StateUncertain:
		if !j.DecideAt.IsZero() {
			return j.before(j.DecideAt), true
		}
		return j.Deadline, !j.Deadline.IsZero()
	case StateSucceeded, StateIncomplete, StateFailed, StateCancelled, StateExpired:
	}
	if j.Deleting && len(j.Outbox) == 0 {
		return j.Updated, true
	}
	return time.Time{}, false
}

// before returns the earlier of t and the deadline, which a stop takes away.
func (j Job) before(t time.Time) time.Time {
	if j.Stop == nil && !j.Deadline.IsZero() && j.Deadline.Before(t) {
		return j.Deadline
	}
	return t
}

// Late reports whether the deadline has passed.
func (j Job) Late(now time.Time) bool {
	return !j.Deadline.IsZero() && !now.Before(j.Deadline)
}
