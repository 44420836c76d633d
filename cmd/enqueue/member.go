package main

import (
	"cmp"
	"slices"
	"strings"
	"time"

	"github.com/longhaul-jobs/longhaul/client"
	"github.com/longhaul-jobs/longhaul/jobs"
)

// member is a job that a run follows to its end, and what is kept of it: little,
// since a run may have many.
type member struct {
	// order is its place in the input.
	order int
	// across says that it is the summary over all documents, which is none of them.
	across bool
	// name is what people call it.
	name string
	id   jobs.ID

	state jobs.State
	held  bool // for a person
	// decideAt is when the policy decides about a job that waits for the
	// provider's word on a lost answer.
	decideAt time.Time
	why      string        // of one whose create's answer was lost
	failure  *jobs.Failure // why it ended, or why its next attempt waits
	usage    jobs.Usage
	spent    spent
	past     *earlier // nil for what is either of this command or not, as a whole
	ended    time.Time
	// requestID is the provider's x-request-id of the create.
	requestID string
	// remark is what to know of a response that is not simply an answer.
	remark string
	// advice is what a person can do, "" if there is nothing to do.
	advice string
}

// earlier is what of a member was used and spent before the command began.
type earlier struct {
	usage jobs.Usage
	spent spent
}

// add counts the attempts of a job that had ended by then.
func (p *earlier) add(j jobs.Job, began time.Time) {
	j.Attempts = slices.DeleteFunc(slices.Clone(j.Attempts), func(a jobs.Attempt) bool { return a.Ended.IsZero() || a.Ended.After(began) })
	p.usage.Add(paid(j))
	p.spent = p.spent.and(spentOn(j))
}

// observe takes over what a record says.
func (m *member) observe(j jobs.Job) {
	if m.id != j.ID { // once, and so before others read it
		m.id = j.ID
	}
	m.state, m.failure, m.ended = j.State, j.Failure, j.Ended
	m.held, m.decideAt = j.Held(), j.DecideAt
	m.usage, m.spent, m.advice, m.why = paid(j), spentOn(j), "", ""
	if j.State == jobs.StateUncertain {
		m.why = client.WhyUncertain(j)
	}
	if !j.State.Terminal() {
		return
	}
	if a, ok := j.CurrentAttempt(); ok {
		m.requestID = a.RequestID
	}
	m.remark = remark(j)
}

// failed says why a member has not succeeded, or is held.
func (m *member) failed() failure {
	f := failure{order: m.order, across: m.across, Name: m.name, JobID: m.id, State: m.state, Message: "the job is " + string(m.state)}
	switch {
	case m.held:
		f.Message = "held for a person, since the answer to its create was lost"
	case m.failure != nil:
		f.Class, f.Code = m.failure.Class, m.failure.Code
		f.Message = cmp.Or(m.failure.Message, m.failure.Code)
	case m.state == jobs.StateIncomplete:
		f.Message = m.remark
	}
	if m.advice != "" {
		f.Message += ": " + m.advice
	}
	return f
}

// paid is what all attempts of a job have used, those that failed included.
func paid(j jobs.Job) jobs.Usage {
	var sum jobs.Usage
	for _, a := range j.Attempts {
		if a.Usage != nil {
			sum.Add(*a.Usage)
		}
	}
	return sum
}

// remark says what to know of a response that is not simply an answer, "" for
// one that is.
func remark(j jobs.Job) string {
	r := j.Result
	switch {
	case r == nil:
		return ""
	case j.State == jobs.StateIncomplete && r.IncompleteReason == "max_output_tokens":
		return "the answer was cut off at max_output_tokens; raise it and submit again"
	case j.State == jobs.StateIncomplete:
		return "the answer stopped early: " + cmp.Or(r.IncompleteReason, "no reason was given")
	case r.Refusal:
		return "the model refused to answer"
	case len(r.RequiresAction) > 0:
		return "the response waits for the caller: " + strings.Join(r.RequiresAction, ", ")
	}
	return ""
}
