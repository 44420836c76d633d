package jobs

import (
	"encoding/json"
	"time"
)

// Event is something that happened to a job. [Transition] says what follows.
type Event interface {
	// Name is the event's name in logs and errors.
	Name() string
}

// SubmitStarted is the intent to create: it is recorded before the POST leaves.
type SubmitStarted struct {
	Attempt         int
	Worker          string
	Endpoint        string
	ClientRequestID string
}

// Created is a create call that was accepted. It is accepted in every state:
// what was paid for is never dropped.
type Created struct {
	Attempt int
	Reply   Reply
	// FirstLook is when to look at it.
	FirstLook time.Time
	// Delay is the wait before a next attempt, if the response has already failed.
	Delay time.Duration
}

// CreateFailed is a create call that was refused, or whose answer was lost.
type CreateFailed struct {
	Attempt int
	Failure Failure
	Delay   time.Duration // before a next attempt, if there is one
}

// WorkerLost says that the worker that recorded an intent is gone, and with it
// whatever the POST would have brought.
type WorkerLost struct {
	Attempt int
	Worker  string
	Delay   time.Duration
}

// Looked is a look at the current response. One that has not ended changes
// nothing.
type Looked struct {
	Reply Reply
	Delay time.Duration
}

// ResponseLost says that the response cannot be had: the provider does not know
// it, after grace, or it is larger than what is read.
type ResponseLost struct {
	ResponseID string
	Failure    Failure
}

// StopRequested is a cancel, or a deadline that passed.
type StopRequested struct {
	Reason StopReason
}

// StopGivenUp ends a stopped job whose response the provider would not end.
type StopGivenUp struct {
	ResponseID string
}

// RetryRequested is a person's wish for a fresh attempt of an ended or held job.
type RetryRequested struct{}

// DeleteRequested removes an ended job, and the provider's copies if asked.
type DeleteRequested struct {
	Remote bool
}

// EffectDone says that an effect was carried out.
type EffectDone struct {
	ID int
	// Reply is the response after a cancel, nil when the provider no longer
	// knows it.
	Reply *Reply
}

// Name implements [Event].
func (SubmitStarted) Name() string { return "submit_started" }

// Name implements [Event].
func (Created) Name() string { return "created" }

// Name implements [Event].
func (CreateFailed) Name() string { return "create_failed" }

// Name implements [Event].
func (WorkerLost) Name() string { return "worker_lost" }

// Name implements [Event].
func (Looked) Name() string { return "looked" }

// Name implements [Event].
func (ResponseLost) Name() string { return "response_lost" }

// Name implements [Event].
func (StopRequested) Name() string { return "stop_requested" }

// Name implements [Event].
func (StopGivenUp) Name() string { return "stop_given_up" }

// Name implements [Event].
func (RetryRequested) Name() string { return "retry_requested" }

// Name implements [Event].
func (DeleteRequested) Name() string { return "delete_requested" }

// Name implements [Event].
func (EffectDone) Name() string { return "effect_done" }

// Change is what a transition writes: all of it in one step, or nothing.
type Change struct {
	Job Job
	// Body is the response to keep as the job's result, nil to leave what is
	// there.
	Body json.RawMessage
	// DropBody forgets the kept response: a retry starts anew.
	DropBody bool
}
