package jobs

import "slices"

// State is where a job stands. The values are stored and shown as they are.
type State string

// The states of a job. The last five are terminal: only an explicit retry
// leaves them, with a new attempt and the history kept.
const (
	// StateWaiting: accepted and stored, in its lane's waiting set or admitted
	// to the lane's queue.
	StateWaiting State = "waiting"
	// StateSubmitting: the intent to create is on record; the POST may be out.
	StateSubmitting State = "submitting"
	// StateRunning: the response id is stored; its status is looked at.
	StateRunning State = "running"
	// StateUncertain: a POST may or may not have been accepted. The job waits for
	// the provider's word until [Job.DecideAt], or is held for a person.
	StateUncertain State = "uncertain"

	StateSucceeded  State = "succeeded"
	StateIncomplete State = "incomplete"
	StateFailed     State = "failed"
	StateCancelled  State = "cancelled"
	StateExpired    State = "expired"
)

// States returns all states, in the order of a job's life.
func States() []State {
	return []State{
		StateWaiting, StateSubmitting, StateRunning, StateUncertain,
		StateSucceeded, StateIncomplete, StateFailed, StateCancelled, StateExpired,
	}
}

// Terminal reports whether a job in this state has ended.
func (s State) Terminal() bool {
	switch s {
	case StateSucceeded, StateIncomplete, StateFailed, StateCancelled, StateExpired:
		return true
	case StateWaiting, StateSubmitting, StateRunning, StateUncertain:
		return false
	}
	return false
}

// Known reports whether this build knows the state.
func (s State) Known() bool {
	return slices.Contains(States(), s)
}
