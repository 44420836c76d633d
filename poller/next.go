package poller

import (
	"time"

	"github.com/longhaul-jobs/longhaul/jobs"
)

// enoughNotFound is how many looks in a row must not find a response before it
// counts as lost, beside the grace.
const enoughNotFound = 3

// answer is what a look brought: a reply, or a failure.
type answer struct {
	reply   jobs.Reply
	failure *jobs.Failure
}

func newAnswer(reply jobs.Reply, err error) answer {
	if err != nil {
		f := jobs.FailureOf(err)
		return answer{failure: &f}
	}
	return answer{reply: reply}
}

// decision is what a look leads to: an event for the record, or, without one,
// another look.
type decision struct {
	event jobs.Event
	due   time.Time
	looks jobs.Looks
}

// next decides what follows from a look at a running job, whose end the provider
// will tell, or not. With a plan, intervals follow what is known of durations. It is pure: the same arguments give the same decision; random
// is in [0, 1).
func next(now time.Time, j jobs.Job, got answer, s Schedule, plan *Plan, told bool, random float64) decision {
	a, _ := j.CurrentAttempt()
	d := decision{looks: j.Looks}
	d.looks.Count++
	d.looks.Last = now
	age := max(now.Sub(a.Answered), 0)

	if refuted, ok := refutes(j, a, got); ok {
		d.event = refuted
		return d
	}
	if got.failure == nil && got.reply.Response.Terminal() {
		d.event = jobs.Looked{Reply: got.reply}
		if f := got.reply.Response.Failure(); f != nil {
			d.event = jobs.Looked{Reply: got.reply, Delay: jobs.RetryDelay(*f, j.FailuresInRow(), random)}
		}
		return d
	}
	d.looks = count(d.looks, got)
	if got.failure != nil && got.failure.Class == jobs.ClassOversized {
		// It is there, and looking again would fetch it in vain again.
		d.event = jobs.ResponseLost{ResponseID: a.ResponseID, Failure: *got.failure}
		return d
	}
	if !a.Adopted.IsZero() && d.looks.NotFound >= enoughNotFound {
		d.event = jobs.AdoptionRefuted{ResponseID: a.ResponseID}
		return d
	}
	if age >= s.NotFoundGrace && d.looks.NotFound >= enoughNotFound {
		d.event = jobs.ResponseLost{ResponseID: a.ResponseID, Failure: *got.failure}
		return d
	}
	if j.Stop != nil && now.Sub(j.Stop.At) >= s.StopGrace {
		d.event = jobs.StopGivenUp{ResponseID: a.ResponseID}
		return d
	}
	d.due = now.Add(wait(j, got, d.looks, s, plan, told, age, random))
	d.looks.Next = d.due
	return d
}

// refutes reports whether an answer shows that a response which a person gave to the
// job is another's: its metadata names the job that it was made for.
func refutes(j jobs.Job, a jobs.Attempt, got answer) (jobs.AdoptionRefuted, bool) {
	if a.Adopted.IsZero() || got.failure != nil {
		return jobs.AdoptionRefuted{}, false
	}
	owner, _, ours := got.reply.Response.Origin()
	return jobs.AdoptionRefuted{ResponseID: a.ResponseID, Owner: owner}, ours && owner != j.ID
}

// lateness is how long ago the look was due that a job was claimed for.
func lateness(now time.Time, j jobs.Job) time.Duration {
	due := j.LookAt
	if !j.Looks.Next.IsZero() {
		due = j.Looks.Next
	}
	return max(now.Sub(due), 0)
}

// leave decides about a running job whose endpoint is not served here. A worker
// that serves it may have an answer, so the job is left as it is; only a stop
// that nobody can carry out is given up after its grace.
func leave(now time.Time, j jobs.Job, s Schedule) decision {
	d := decision{looks: j.Looks, due: now.Add(s.Floor)}
	if j.Stop != nil && now.Sub(j.Stop.At) >= s.StopGrace {
		a, _ := j.CurrentAttempt()
		d.event = jobs.StopGivenUp{ResponseID: a.ResponseID}
	}
	return d
}

// unrecorded decides about a job of which a step could not be written: it is looked
// at again as after a look that brought no status.
func unrecorded(now time.Time, j jobs.Job, looks jobs.Looks, s Schedule, random float64) decision {
	a, _ := j.CurrentAttempt()
	looks.Failed++
	looks.Next = now.Add(wait(j, answer{failure: &jobs.Failure{}}, looks, s, nil, false, max(now.Sub(a.Answered), 0), random))
	return decision{due: looks.Next, looks: looks}
}

// count keeps the numbers of looks in a row that brought no status, or did not
// find the response.
func count(looks jobs.Looks, got answer) jobs.Looks {
	switch {
	case got.failure == nil:
		looks.Failed, looks.NotFound = 0, 0
		looks.Status = newer(looks.Status, got.reply.Response.Status)
	case got.failure.Class == jobs.ClassLost:
		looks.Failed++
		looks.NotFound++
	default:
		looks.Failed++
		looks.NotFound = 0
	}
	return looks
}

// wait is how long until the next look. The provider's own wish wins, within
// reason; a response that is to stop is looked at often.
func wait(j jobs.Job, got answer, looks jobs.Looks, s Schedule, plan *Plan, told bool, age time.Duration, random float64) time.Duration {
	switch {
	case got.failure != nil && got.failure.RetryAfter > 0:
		return min(got.failure.RetryAfter, time.Hour)
	case j.Stop != nil:
		return s.afterFailure(0, looks.Failed, random)
	case got.failure != nil && got.failure.Class == jobs.ClassLost:
		return s.interval(age, random)
	case got.failure != nil:
		return s.afterFailure(age, looks.Failed-1, random)
	case told:
		return spread(s.SafetyNet, random)
	case got.reply.PollAfter > 0:
		return min(got.reply.PollAfter, 10*s.Ceiling)
	}
	return s.After(plan, age, random)
}

// newer keeps a status from going back: a gateway may serve an old snapshot.
func newer(known, seen string) string {
	if known == jobs.StatusInProgress && seen == jobs.StatusQueued {
		return known
	}
	return seen
}
