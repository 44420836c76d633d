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
	// UncertainWait is how long to wait for the provider's word if the answer is
	// lost: 0 where no webhook could bring it. A job may have a bound of its own.
	UncertainWait time.Duration
	// Reserved is what was reserved for it of its lane's tokens, nil for nothing.
	Reserved *Reserved
	// Budgets are those that hold a part for it.
	Budgets []string
}

// Created is a create call that was accepted. It is accepted in every state:
// what was paid for is never dropped.
type Created struct {
	Attempt int
	Reply   Reply
	// Endpoint is whose response it is. It counts only when the attempt is not on
	// record, because Redis has forgotten it, or has another response.
	Endpoint string
	// FirstLook is when to look at it.
	FirstLook time.Time
	// Delay is the wait before a next attempt, if the response has already failed.
	Delay time.Duration
}

// Postponed sends an admitted job back to its lane, because the lane is paused or may
// send nothing more for a while. No attempt was begun, and the job keeps its place
// among those that wait.
type Postponed struct {
	Attempt  int       // the one that was due
	Admitted time.Time // the admission that it takes back
	// Until is before when it need not be admitted again, zero for no such time.
	Until time.Time
	// Reason is what it waits for, "" for its lane to go on.
	Reason WaitReason
	// Budget is the one that it waits for, and Needs what the attempt is taken to cost.
	// With [WaitBudget] and [WaitPrice] the job leaves its lane until [RoomFound].
	Budget string
	Needs  Money
}

// RoomFound sends a job back to its lane that waited for room in a budget.
type RoomFound struct {
	Budget string
}

// CreateFailed is a create call that was refused, or whose answer was lost.
type CreateFailed struct {
	Attempt int
	Failure Failure
	Delay   time.Duration // before a next attempt, if there is one
}

// RequestUnusable says that the request of a job that is to be submitted certainly
// cannot be had any more, or cannot be sent as it is. No attempt was made.
type RequestUnusable struct {
	Attempt int // the one that was due
	Failure Failure
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
	// Parent is the stopped parent whose part the job is, if that is why.
	Parent ID
}

// StopGivenUp ends a stopped job whose response the provider would not end.
type StopGivenUp struct {
	ResponseID string
}

// WaitOver says that the provider's word on a create whose answer was lost did
// not come in time: the job's policy decides.
type WaitOver struct {
	Delay time.Duration // before a next attempt, if there is one
}

// CrashedAlone says that a worker died while it looked at the job's response
// and had nothing else in its hands.
type CrashedAlone struct {
	Worker string
}

// RetryRequested is a person's wish for a fresh attempt of an ended or held job, or a
// parent's for one of a part that had ended without success.
type RetryRequested struct {
	// Deadline moves an earlier deadline of the job to this one; zero for none.
	Deadline time.Time
	// InPlace refuses a job whose place another one has taken: a parent wants the one that
	// is found by the part's key, and not both.
	InPlace bool
}

// ReleaseRequested is a person's decision to ask again for an uncertain job,
// although the lost create may have been accepted.
type ReleaseRequested struct{}

// FailRequested is a person's decision to give up an uncertain job.
type FailRequested struct {
	// Message is the person's reason, kept as the job's failure.
	Message string
}

// AdoptRequested is a person's word that a response is the job's: it is looked
// at, whatever has become of the job, unless that has succeeded.
type AdoptRequested struct {
	// Attempt is the one that made the response; 0 is the latest one whose answer
	// was lost.
	Attempt    int
	ResponseID string
}

// AdoptionRefuted says that a response which a person gave to a job is not its own:
// it was made for another job, or the provider does not know it.
type AdoptionRefuted struct {
	ResponseID string
	// Owner is the job that it was made for, "" if nobody knows it.
	Owner ID
}

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

// Planned says that a parent waits for the parts of a phase: all of them are accepted.
type Planned struct {
	// Since is [Plan].Since of the plan that it is a step of.
	Since time.Time
	Phase int // from 1
	Parts int // how many the phase has
}

// PlanEnded is the end of a parent, as its planner has it.
type PlanEnded struct {
	// Since is [Plan].Since of the plan that came to its end.
	Since time.Time
	// Result is a JSON object, nil for a parent that failed and has none.
	Result json.RawMessage
	// Failure is why it failed, nil for one that succeeded.
	Failure *Failure
}

// Name implements [Event].
func (Planned) Name() string { return "planned" }

// Name implements [Event].
func (PlanEnded) Name() string { return "plan_ended" }

// Name implements [Event].
func (SubmitStarted) Name() string { return "submit_started" }

// Name implements [Event].
func (Created) Name() string { return "created" }

// Name implements [Event].
func (Postponed) Name() string { return "postponed" }

// Name implements [Event].
func (RoomFound) Name() string { return "room_found" }

// Name implements [Event].
func (CreateFailed) Name() string { return "create_failed" }

// Name implements [Event].
func (RequestUnusable) Name() string { return "request_unusable" }

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
func (WaitOver) Name() string { return "wait_over" }

// Name implements [Event].
func (CrashedAlone) Name() string { return "crashed_alone" }

// Name implements [Event].
func (RetryRequested) Name() string { return "retry_requested" }

// Name implements [Event].
func (ReleaseRequested) Name() string { return "release_requested" }

// Name implements [Event].
func (FailRequested) Name() string { return "fail_requested" }

// Name implements [Event].
func (AdoptRequested) Name() string { return "adopt_requested" }

// Name implements [Event].
func (AdoptionRefuted) Name() string { return "adoption_refuted" }

// Name implements [Event].
func (DeleteRequested) Name() string { return "delete_requested" }

// Name implements [Event].
func (EffectDone) Name() string { return "effect_done" }

// Unended returns the event as if the response had not ended yet, for a store
// that cannot keep its body at the moment: what was paid for is on record, and a
// look will bring the end again.
func (ev Created) Unended() Created {
	ev.Reply.Response.Status = StatusInProgress
	return ev
}

// Change is what a transition writes: all of it in one step, or nothing.
type Change struct {
	Job Job
	// Body is the response to keep as the job's result, nil to leave what is
	// there.
	Body json.RawMessage
	// DropBody forgets the kept response: a retry starts anew.
	DropBody bool
}
