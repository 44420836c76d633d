package jobs

// Class says what kind of failure an error is. Only the class decides what
// happens to a job; see [Class.Verdict]. The zero value is treated as
// ClassInternal, so an error that nobody classified is retried a bounded number
// of times and shows.
type Class string

// The classes of failure. Their strings are metric labels and stored values.
const (
	// ClassInternal is an error of our own, or one that nobody classified.
	ClassInternal Class = "internal"
	// ClassInvalid is a request that can never be accepted as it is.
	ClassInvalid Class = "invalid"
	// ClassRejected is a refusal by policy or content filter.
	ClassRejected Class = "rejected"
	// ClassUnauthorized is a bad key, or a key without permission: the account
	// is at fault, not the job.
	ClassUnauthorized Class = "unauthorized"
	// ClassRateLimited is a 429 that a later try can pass.
	ClassRateLimited Class = "rate_limited"
	// ClassCapacity is a service tier without room at the moment, such as flex:
	// nothing was charged.
	ClassCapacity Class = "capacity"
	// ClassQuota is an exhausted quota or an unpaid bill.
	ClassQuota Class = "quota"
	// ClassUnreachable is a provider that could not be reached: nothing was sent.
	ClassUnreachable Class = "unreachable"
	// ClassUnavailable is a provider that certainly did not accept the work, or
	// accepted it and failed through its own fault.
	ClassUnavailable Class = "unavailable"
	// ClassAmbiguous is a create whose answer was lost: it may have been
	// accepted, and paid for.
	ClassAmbiguous Class = "ambiguous"
	// ClassConflict is a resource that something else holds for the moment.
	ClassConflict Class = "conflict"
	// ClassLost is a response that the provider no longer knows.
	ClassLost Class = "lost"
	// ClassOversized is a response larger than the configured cap.
	ClassOversized Class = "oversized"
	// ClassExpired is a deadline that passed.
	ClassExpired Class = "expired"
	// ClassDependency is a job that waited for another, which did not succeed.
	ClassDependency Class = "dependency"
	// ClassPoison is a job that crashed a worker which ran nothing else.
	ClassPoison Class = "poison"
)

// Classes returns every class, for metrics that start at zero and for tests
// that must not forget one.
func Classes() []Class {
	return []Class{
		ClassInternal, ClassInvalid, ClassRejected, ClassUnauthorized, ClassRateLimited, ClassCapacity, ClassQuota,
		ClassUnreachable, ClassUnavailable, ClassAmbiguous, ClassConflict, ClassLost, ClassOversized, ClassExpired,
		ClassDependency, ClassPoison,
	}
}

// Action is what a failed attempt does to its job.
type Action string

// The actions of a verdict.
const (
	// ActionFail ends the job.
	ActionFail Action = "fail"
	// ActionRetry makes a new attempt, within the job's attempt budget.
	ActionRetry Action = "retry"
	// ActionWait makes a new attempt later without using up the budget: the job
	// is healthy, the account or the moment is not.
	ActionWait Action = "wait"
	// ActionUncertain waits for the provider's word where a webhook can bring it,
	// and then leaves the choice to the job's policy.
	ActionUncertain Action = "uncertain"
)

// Verdict is a row of the error table.
type Verdict struct {
	Action Action
	// Alert asks for a person: the log line is an error, not a warning.
	Alert bool
	// Pause says that the account is at fault: the lane is paused, one line tells of
	// it for all of its jobs, and single requests find out when it works again.
	Pause bool
	// Meaning is the row's sentence in docs/guarantees.md.
	Meaning string
}

// Verdict returns what a failure of this class does to a job. This is the one
// table: nobody else decides about a retry. A class that this build does not
// know (read from a record) is treated as internal.
func (c Class) Verdict() Verdict {
	switch c {
	case ClassInvalid:
		return Verdict{Action: ActionFail, Meaning: "the request can never be accepted as it is"}
	case ClassRejected:
		return Verdict{Action: ActionFail, Meaning: "refused by policy or content filter"}
	case ClassUnauthorized:
		return Verdict{Action: ActionWait, Alert: true, Pause: true, Meaning: "the key is bad or lacks permission; the lane pauses until it works again, and jobs keep their attempts"}
	case ClassQuota:
		return Verdict{Action: ActionWait, Alert: true, Pause: true, Meaning: "the account's quota is used up; the lane pauses until there is some again, and jobs keep their attempts"}
	case ClassRateLimited:
		return Verdict{Action: ActionWait, Meaning: "sent too fast; tried again after the server's own delay"}
	case ClassCapacity:
		return Verdict{Action: ActionWait, Meaning: "the service tier has no room and charged nothing; tried again later, or at once in the tier that the job allows"}
	case ClassUnreachable:
		return Verdict{Action: ActionWait, Meaning: "the provider could not be reached and nothing was sent; tried again until the deadline"}
	case ClassUnavailable:
		return Verdict{Action: ActionRetry, Meaning: "the provider failed; a new attempt with growing, jittered delay"}
	case ClassConflict:
		return Verdict{Action: ActionRetry, Meaning: "something else holds the resource; a new attempt soon"}
	case ClassAmbiguous:
		return Verdict{Action: ActionUncertain, Meaning: "the answer was lost; the provider's webhook is waited for, and then the job's policy resubmits or holds"}
	case ClassLost:
		return Verdict{Action: ActionFail, Alert: true, Meaning: "the provider no longer knows the response; never resubmitted by itself"}
	case ClassOversized:
		return Verdict{Action: ActionFail, Alert: true, Meaning: "the response is over the stated cap; its id is kept, if it was read"}
	case ClassExpired:
		return Verdict{Action: ActionFail, Meaning: "the deadline passed"}
	case ClassDependency:
		return Verdict{Action: ActionFail, Meaning: "a job that it waits for did not succeed, or is gone"}
	case ClassPoison:
		return Verdict{Action: ActionFail, Alert: true, Meaning: "present at repeated crashes, and a worker crashed that ran it alone; set aside"}
	case ClassInternal:
	}
	return Verdict{Action: ActionRetry, Alert: true, Meaning: "an error of our own; a bounded number of new attempts"}
}
