package jobs

import (
	"slices"
	"time"
)

// Job is the record of one piece of work: everything about it but the bodies of
// its request and its response, which are kept beside it.
type Job struct {
	Schema  int       `json:"schema"`
	ID      ID        `json:"id"`
	Kind    Kind      `json:"kind"`
	State   State     `json:"state"`
	Created time.Time `json:"created"`
	Updated time.Time `json:"updated"`
	Ended   time.Time `json:"ended,omitzero"`

	// What was asked for.
	Model         string            `json:"model"`
	Effort        string            `json:"effort,omitempty"` // the request's reasoning.effort
	RequestDigest string            `json:"request_digest"`
	RequestBytes  int               `json:"request_bytes"`
	Include       []string          `json:"include,omitempty"`
	Lane          string            `json:"lane"`
	Priority      int               `json:"priority"`
	MaxAttempts   int               `json:"max_attempts"`
	Deadline      time.Time         `json:"deadline,omitzero"`
	NotBefore     time.Time         `json:"not_before,omitzero"`
	DedupeKey     string            `json:"dedupe_key,omitempty"`
	Retention     time.Duration     `json:"retention_ns"`
	Metadata      map[string]string `json:"metadata,omitempty"`
	Group         string            `json:"group,omitempty"`
	Tenant        string            `json:"tenant,omitempty"`
	Uncertain     Uncertainty       `json:"uncertain"`
	// Stream says that responses are streamed as well, so that their progress can be
	// followed.
	Stream bool `json:"stream,omitempty"`
	// UncertainWait is the job's own bound of the wait for the provider's word on
	// a create whose answer was lost; 0 leaves it to the worker's configuration.
	UncertainWait time.Duration `json:"uncertain_wait_ns,omitempty"`
	// FallbackTier is the service tier of further attempts once the asked-for one
	// had no capacity; "" waits for capacity.
	FallbackTier string `json:"fallback_tier,omitempty"`
	// GrowOutputTo is how large the output cap may become when an answer was cut
	// off by it, 0 for not at all; OutputCap is the request's own cap then.
	GrowOutputTo int64 `json:"grow_output_to,omitempty"`
	OutputCap    int64 `json:"output_cap,omitempty"`
	// PromptCacheKey is what its attempts carry as prompt_cache_key where the request
	// has none, "" for none.
	PromptCacheKey string `json:"prompt_cache_key,omitempty"`
	// History says that the items before the request are kept beside it, from
	// which it can be rebuilt when its previous response is gone.
	History bool `json:"history,omitempty"`
	// After are the jobs that must have succeeded before the job starts, and
	// ContinueFrom the one whose response its request continues.
	After        []ID `json:"after,omitempty"`
	ContinueFrom ID   `json:"continue_from,omitempty"`
	// Thread names the jobs that run one after another, each continuing the last of
	// them that has succeeded.
	Thread string `json:"thread,omitempty"`
	// Parent is the job whose planner asked for this one first, ParentKind its kind and
	// Part what it is to it; "" for a job that a caller submitted.
	Parent     ID     `json:"parent,omitempty"`
	ParentKind Kind   `json:"parent_kind,omitempty"`
	Part       string `json:"part,omitempty"`
	// Plan is how far a parent has come, nil for any other job.
	Plan *Plan `json:"plan,omitempty"`

	// What has happened.
	Attempts []Attempt `json:"attempts,omitempty"`
	// Current is the number of the attempt that is being submitted, watched or
	// that brought the result; 0 before the first.
	Current int `json:"current,omitempty"`
	// BudgetFrom is the number of the last attempt that a retry by hand has
	// written off.
	BudgetFrom int `json:"budget_from,omitempty"`
	// Reason is why the next attempt will be made; "" for the first.
	Reason string `json:"reason,omitempty"`
	// Waits is what a job waits for that went back to its lane without an attempt, or
	// stands outside of it; "" for its turn.
	Waits WaitReason `json:"waits,omitempty"`
	// Budget is the one that it waits for, and Needs what its next attempt is taken to
	// cost there.
	Budget string `json:"budget,omitempty"`
	Needs  Money  `json:"needs_usd,omitempty"`
	// Failure is why the job ended, or why its next attempt waits.
	Failure *Failure `json:"failure,omitempty"`
	// Stop is the flag of a cancel or a deadline.
	Stop *Stop `json:"stop,omitempty"`
	// Result is there from the end on, and before it while an answer that was cut
	// off is asked for again: what was paid for is kept.
	Result *Result `json:"result,omitempty"`
	// DecideAt is when the policy decides about an uncertain job: until then the
	// provider's webhook may tell what became of the create. Zero for a job that is
	// held for a person.
	DecideAt time.Time `json:"decide_at,omitzero"`
	// Adjust is what the next attempts ask for other than the request does.
	Adjust *Adjustment `json:"adjust,omitempty"`
	// Alone says that the job was present at repeated crashes of workers, and that
	// a worker handles nothing else beside it.
	Alone bool `json:"alone,omitempty"`

	// Awaiting are those of the jobs that it waits for which are not known to have
	// succeeded. AskAt is when it asks how they stand, should nobody tell it.
	Awaiting []ID `json:"awaiting,omitempty"`
	// Follows is the job of its thread whose end it waits for, or had to; Turn says
	// that this is over.
	Follows ID        `json:"follows,omitempty"`
	Turn    bool      `json:"turn,omitempty"`
	AskAt   time.Time `json:"ask_at,omitzero"`
	// Continues is the response that its request continues, once that is known.
	Continues *Previous `json:"continues,omitempty"`

	// What remains to be done.
	Outbox []Effect `json:"outbox,omitempty"`
	// Effects numbers the effects ever put into the outbox.
	Effects int `json:"effects,omitempty"`
	// Deleting says that the record goes once the outbox is empty.
	Deleting bool `json:"deleting,omitempty"`
	// LookAt is when the first look at the current response is due.
	LookAt time.Time `json:"look_at,omitzero"`

	// What the store keeps beside the record and changes without rewriting it.
	Version  int64     `json:"-"` // grows by one with every transition
	Admitted time.Time `json:"-"` // when the job went to its lane's queue
	Nudge    int       `json:"-"` // how often the watchdog enqueued it anew
	Looks    Looks     `json:"-"`
	// Lapsed is how many workers in a row have claimed a look at the response and
	// neither finished it nor given it back.
	Lapsed int `json:"-"`
	// AloneBy is the worker that looked at the response and at nothing else, and did
	// not finish.
	AloneBy string `json:"-"`
	// Links are the marks of what other jobs have to do with this one.
	Links string `json:"-"`

	// extra keeps what a newer build wrote and this one does not know.
	extra *extra
}

// Attempt is one create call made for a job.
type Attempt struct {
	Number int `json:"number"`
	// Reason is why it was made: "" for the first, the class of the failure
	// before it, "manual" for a retry by hand, what was adjusted for it, or "stray"
	// for a response of the job's that no attempt on record had made.
	Reason   string    `json:"reason,omitempty"`
	Endpoint string    `json:"endpoint"`
	Worker   string    `json:"worker"`
	Started  time.Time `json:"started"`
	// Adjust is what it asked for other than the request does.
	Adjust *Adjustment `json:"adjust,omitempty"`
	// UncertainWait is how long the provider's word is waited for if the answer is
	// lost, 0 where no webhook could bring it.
	UncertainWait time.Duration `json:"uncertain_wait_ns,omitempty"`
	// Alone says that its worker had nothing else in its hands.
	Alone bool `json:"alone,omitempty"`
	// ClientRequestID is what we sent as X-Client-Request-Id.
	ClientRequestID string    `json:"client_request_id,omitempty"`
	Answered        time.Time `json:"answered,omitzero"`
	// RequestID is the provider's x-request-id of the create.
	RequestID string `json:"request_id,omitempty"`
	// ResponseID is the provider's id of the response, or that of a [Line] while the
	// request waits in a batch; Line is that one afterwards.
	ResponseID string `json:"response_id,omitempty"`
	Line       string `json:"line,omitempty"`
	// Adopted is when a person said that the response is the job's, zero for one that
	// an answer or a webhook brought.
	Adopted time.Time `json:"adopted,omitzero"`
	Ended   time.Time `json:"ended,omitzero"`
	Outcome Outcome   `json:"outcome,omitempty"`
	Failure *Failure  `json:"failure,omitempty"`
	Usage   *Usage    `json:"usage,omitempty"`
	// Model and ServiceTier are what the response says that it was served by: the
	// price goes by them, and not by what was asked for.
	Model       string `json:"model,omitempty"`
	ServiceTier string `json:"service_tier,omitempty"`
	// Bill is what it cost, from its end on.
	Bill *Bill `json:"bill,omitempty"`
	// Reserved is what was reserved for it of its lane's tokens, nil where nothing
	// limits them.
	Reserved *Reserved `json:"reserved,omitempty"`
	// Budgets are those that hold a part for it, or held one, until its end.
	Budgets []string `json:"budgets,omitempty"`
	// Free marks an attempt that does not use up the job's budget.
	Free bool `json:"free,omitempty"`
	// Repeats is how many more attempts, of the numbers that follow, ended for the
	// same class of reason and created nothing. They are told as one, so that a
	// day without a valid key does not make a record of a thousand attempts; Ended
	// and Failure are those of the last.
	Repeats int `json:"repeats,omitempty"`
}

// Reserved is what a request was taken to need before it was sent, in tokens.
type Reserved struct {
	Input int `json:"input"`
	// Output is its max_output_tokens, 0 for none.
	Output int `json:"output,omitempty"`
}

// Adjustment is what an attempt asks for other than the request says.
type Adjustment struct {
	// ServiceTier replaces the request's service_tier.
	ServiceTier string `json:"service_tier,omitempty"`
	// MaxOutputTokens replaces the request's max_output_tokens.
	MaxOutputTokens int64 `json:"max_output_tokens,omitempty"`
	// PreviousResponseID is the response that the request continues.
	PreviousResponseID string `json:"previous_response_id,omitempty"`
	// History replaces previous_response_id by the items that the job carries.
	History bool `json:"history,omitempty"`
}

// Try names an attempt of a job.
type Try struct {
	Job     ID  `json:"job"`
	Attempt int `json:"attempt,omitempty"`
}

// WaitReason says what a waiting job waits for, beside its time and its turn.
type WaitReason string

// The reasons to wait.
const (
	// WaitLimit: what its lane may send.
	WaitLimit WaitReason = "limit"
	// WaitBudget: a budget that has no room for it. It waits outside its lane.
	WaitBudget WaitReason = "budget"
	// WaitPrice: a price that a budget needs and nobody knows. It waits there as well.
	WaitPrice WaitReason = "price"
)

// Outcome is how an attempt ended.
type Outcome string

// The outcomes of an attempt; "" while it goes on.
const (
	OutcomeSucceeded  Outcome = "succeeded"
	OutcomeIncomplete Outcome = "incomplete"
	OutcomeFailed     Outcome = "failed"    // refused at the create, or failed later
	OutcomeUncertain  Outcome = "uncertain" // it is not known whether it was accepted
	OutcomeCancelled  Outcome = "cancelled"
	OutcomeLost       Outcome = "lost"   // the provider no longer knows it
	OutcomeWasted     Outcome = "wasted" // accepted and given up in favour of another
)

// Outcomes returns every outcome, for metrics that start at zero.
func Outcomes() []Outcome {
	return []Outcome{
		OutcomeSucceeded, OutcomeIncomplete, OutcomeFailed, OutcomeUncertain, OutcomeCancelled, OutcomeLost, OutcomeWasted,
	}
}

// Stop is a wish that a job should end.
type Stop struct {
	At     time.Time  `json:"at"`
	Reason StopReason `json:"reason"`
	// Parent is the stopped parent for which a part is stopped, "" for any other stop.
	Parent ID `json:"parent,omitempty"`
}

// StopReason says who wants the job to end.
type StopReason string

// The reasons for a stop.
const (
	StopCancel   StopReason = "cancel"
	StopDeadline StopReason = "deadline"
)

// Looks are the counters of the looks at the current response.
type Looks struct {
	Count  int `json:"count,omitempty"`
	Failed int `json:"failed,omitempty"` // looks in a row that brought no status
	// NotFound is how many of those, in a row, did not find the response.
	NotFound int       `json:"not_found,omitempty"`
	Last     time.Time `json:"last,omitzero"`
	Next     time.Time `json:"next,omitzero"`
	Status   string    `json:"status,omitempty"` // the status last seen
	// Dry is how many streams of the response, in a row, brought nothing, and
	// Unstreamed says that it is streamed no more: it is only looked at.
	Dry        int  `json:"dry,omitempty"`
	Unstreamed bool `json:"unstreamed,omitempty"`
}

// Followed reports whether the response of a running job is to be followed in a
// stream.
func (j Job) Followed() bool {
	return j.Stream && j.State == StateRunning && j.Stop == nil && !j.Looks.Unstreamed
}

// EffectKind says what an effect does.
type EffectKind string

// The kinds of effects.
const (
	// EffectCancel cancels a response that is no longer wanted.
	EffectCancel EffectKind = "cancel_response"
	// EffectDelete deletes the provider's copy of a response.
	EffectDelete EffectKind = "delete_response"
	// EffectTell tells the jobs that wait for this one of its end. It concerns no
	// endpoint, and any worker does it.
	EffectTell EffectKind = "tell_dependents"
	// EffectStopParts cancels the parts of a parent that was stopped, and
	// EffectDeleteParts deletes those of one that is being deleted. They concern no
	// endpoint either.
	EffectStopParts   EffectKind = "stop_parts"
	EffectDeleteParts EffectKind = "delete_parts"
)

// Effect is something that remains to be done for a job. It is carried out by a
// worker until it is done, and doing it twice does no harm.
type Effect struct {
	ID         int        `json:"id"`
	Kind       EffectKind `json:"kind"`
	Attempt    int        `json:"attempt"`
	Endpoint   string     `json:"endpoint"` // "" where it concerns none
	ResponseID string     `json:"response_id"`
	// Remote says of [EffectDeleteParts] that the provider's copies go as well.
	Remote bool `json:"remote,omitempty"`
}

// Local reports whether the effect concerns no endpoint: it is done by whoever finds
// its job due.
func (e Effect) Local() bool { return e.Endpoint == "" }

// Result is what is indexed of a response; the response itself is kept as
// OpenAI sent it. Of a parent's result, which no response is, only Status, Model
// and Bytes are set.
type Result struct {
	ResponseID  string `json:"response_id"`
	Status      string `json:"status"`
	Model       string `json:"model,omitempty"`
	ServiceTier string `json:"service_tier,omitempty"`
	// IncompleteReason is why the answer stopped early.
	IncompleteReason string `json:"incomplete_reason,omitempty"`
	// Refusal says that the model refused to answer.
	Refusal bool `json:"refusal,omitempty"`
	// RequiresAction lists the types of items that wait for the caller, such as
	// function calls.
	RequiresAction []string `json:"requires_action,omitempty"`
	Usage          *Usage   `json:"usage,omitempty"`
	Bytes          int      `json:"bytes"`
}

// CurrentAttempt returns the current attempt, and false before the first.
func (j Job) CurrentAttempt() (Attempt, bool) {
	i := j.attemptIndex(j.Current)
	if i < 0 {
		return Attempt{}, false
	}
	return j.Attempts[i], true
}

// attemptIndex returns where the attempt of that number stands, -1 if there is
// none. The latest ones are asked for most.
func (j Job) attemptIndex(number int) int {
	for i, a := range slices.Backward(j.Attempts) {
		if a.Number == number {
			return i
		}
	}
	return -1
}

// NextAttempt is the number that the next create call gets.
func (j Job) NextAttempt() int {
	if len(j.Attempts) == 0 {
		return 1
	}
	last := j.Attempts[len(j.Attempts)-1]
	return last.Number + last.Repeats + 1
}

// Counted is how many attempts have used up the job's budget.
func (j Job) Counted() int {
	n := 0
	for _, a := range j.Attempts {
		if !a.Free && a.Number > j.BudgetFrom {
			n++
		}
	}
	return n
}

// ExpiresAt is when an ended job is forgotten, zero for one that has not ended.
func (j Job) ExpiresAt() time.Time {
	if !j.State.Terminal() {
		return time.Time{}
	}
	return j.Ended.Add(j.Retention)
}
