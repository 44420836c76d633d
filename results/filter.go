package results

import (
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/longhaul-jobs/longhaul/jobs"
)

// Filter selects jobs: those that every field which is set selects. The zero
// value selects all.
//
// Kind, Lane, Group, States and the times of acceptance are known to the
// indexes. For the other fields records are read and compared, a bounded number
// for each page.
type Filter struct {
	// States selects jobs in any of these states.
	States []jobs.State
	Kind   jobs.Kind
	Lane   string
	Group  string
	Tenant string
	// Held selects jobs that are held for a person, [jobs.Job.Held].
	Held bool
	// Classes selects jobs that failed for a reason of any of these classes, or
	// wait or are held because of one.
	Classes []jobs.Class
	// Text selects jobs that have it, in whatever case, in the code, the message,
	// the type or the field of their failure, their model, lane, group, tenant
	// or dedupe key, or a value of their metadata. Requests and responses are not searched.
	Text string
	// Endpoint selects jobs with an attempt at this endpoint.
	Endpoint string
	// ResponseID selects the job one of whose attempts has this response.
	ResponseID string
	// Since and Until bound when a job ended, or of one that has not ended when
	// it was accepted: from Since on, and before Until.
	Since, Until time.Time
	// CreatedSince and CreatedUntil bound in the same way when it was accepted.
	CreatedSince, CreatedUntil time.Time
	// Cursor continues a listing where the page before ended.
	Cursor jobs.ID
	// Limit bounds the page; default 50, at most 1000.
	Limit int
}

// Validate says what is wrong with the filter: an [*jobs.Error] of class invalid
// that names the field.
func (f Filter) Validate() error {
	for _, state := range f.States {
		if !state.Known() {
			return jobs.Invalid("state", "%.40q is no state; one of %v", string(state), jobs.States())
		}
	}
	for _, class := range f.Classes {
		if !slices.Contains(jobs.Classes(), class) {
			return jobs.Invalid("class", "%.40q is no class of failures; one of %v", string(class), jobs.Classes())
		}
	}
	for _, given := range []struct{ param, name string }{{"lane", f.Lane}, {"group", f.Group}, {"tenant", f.Tenant}} {
		if err := jobs.CheckNameIfSet(given.param, given.name); err != nil {
			return err
		}
	}
	switch {
	case f.Kind != "" && !slices.Contains(jobs.Kinds(), f.Kind):
		return jobs.Invalid("kind", "%.40q is no kind; one of %v", string(f.Kind), jobs.Kinds())
	case f.Limit < 0 || f.Limit > maxLimit:
		return jobs.Invalid("limit", "is %d; it goes from 1 to %d", f.Limit, maxLimit)
	case empty(f.Since, f.Until):
		return jobs.Invalid("until", "is not after since; no job is in between")
	case empty(f.CreatedSince, f.CreatedUntil):
		return jobs.Invalid("created-until", "is not after created-since; no job is in between")
	}
	if f.Cursor != "" {
		if _, err := jobs.ParseID(string(f.Cursor)); err != nil {
			return jobs.Invalid("cursor", "is no cursor of a listing; take the one that came with the page before")
		}
	}
	return nil
}

// empty reports whether nothing lies between two bounds.
func empty(since, until time.Time) bool {
	return !since.IsZero() && !until.IsZero() && !until.After(since)
}

// states are the states in which a selected job can be, none for all.
func (f Filter) states() []jobs.State {
	if f.Held {
		return []jobs.State{jobs.StateUncertain}
	}
	return f.States
}

// stateList is the states as the script takes them, each of them once.
func (f Filter) stateList() string {
	var words []string
	for _, state := range f.states() {
		if !slices.Contains(words, string(state)) {
			words = append(words, string(state))
		}
	}
	return strings.Join(words, ",")
}

// exact reports whether the lists that are read hold nothing but what the filter
// selects: those of a group are not divided by kind and lane. A job that has
// ended was accepted earlier, so that ids do not tell when.
func (f Filter) exact() bool {
	return (f.Group == "" || (f.Kind == "" || f.Kind.IsParent()) && f.Lane == "") && f.Tenant == "" && !f.Held && len(f.Classes) == 0 && f.Text == "" &&
		f.Endpoint == "" && f.ResponseID == "" && f.Since.IsZero() && f.Until.IsZero()
}

// groupList is the group as the script takes it: parents have a list of their own in
// each, so that a page of them need not read their parts.
func (f Filter) groupList() string {
	if f.Group != "" && f.Kind.IsParent() {
		return f.Group + "/" + string(f.Kind)
	}
	return f.Group
}

// bounds are the ids between which all selected jobs lie, as ZREVRANGEBYLEX
// takes them: ids sort by the time of acceptance.
func (f Filter) bounds() (from, to string) {
	from, to = "-", "+"
	if !f.CreatedSince.IsZero() {
		from = "[" + idsFrom(f.CreatedSince)
	}
	var before []string
	if f.Cursor != "" {
		before = append(before, string(f.Cursor))
	}
	for _, t := range []time.Time{f.CreatedUntil, f.Until} {
		if !t.IsZero() {
			before = append(before, idsFrom(t))
		}
	}
	if len(before) > 0 {
		to = "(" + slices.Min(before)
	}
	return from, to
}

// idsFrom is not after any id of that time or later, and after all earlier ones.
func idsFrom(t time.Time) string {
	const last = 1<<48 - 1 // the greatest time of an id
	n := ms(t)
	if t.After(time.UnixMilli(n)) {
		n++
	}
	return fmt.Sprintf("%s%012x", jobs.IDPrefix, min(max(n, 0), last))
}

// selects reports whether the filter selects a job, whatever list it is from.
func (f Filter) selects(j jobs.Job) bool {
	states := f.states()
	return (len(states) == 0 || slices.Contains(states, j.State)) &&
		(f.Kind == "" || j.Kind == f.Kind) && (f.Lane == "" || j.Lane == f.Lane) && (f.Group == "" || j.Group == f.Group) &&
		(f.Tenant == "" || j.Tenant == f.Tenant) &&
		(len(f.Classes) == 0 || j.Failure != nil && slices.Contains(f.Classes, j.Failure.Class)) &&
		(!f.Held || j.Held()) && within(j.Created, f.CreatedSince, f.CreatedUntil) && within(Moment(j), f.Since, f.Until) &&
		f.tried(j) && f.says(j)
}

// Moment is when a job ended, or of one that has not ended when it was accepted.
func Moment(j jobs.Job) time.Time {
	if j.State.Terminal() {
		return j.Ended
	}
	return j.Created
}

func within(t, since, until time.Time) bool {
	return (since.IsZero() || !t.Before(since)) && (until.IsZero() || t.Before(until))
}

// tried reports whether one attempt of the job is what the filter asks for.
func (f Filter) tried(j jobs.Job) bool {
	if f.Endpoint == "" && f.ResponseID == "" {
		return true
	}
	return slices.ContainsFunc(j.Attempts, func(a jobs.Attempt) bool {
		return (f.Endpoint == "" || a.Endpoint == f.Endpoint) && (f.ResponseID == "" || a.ResponseID == f.ResponseID)
	})
}

// says reports whether the text, which is in lower case, is in what is known of
// the job.
func (f Filter) says(j jobs.Job) bool {
	if f.Text == "" {
		return true
	}
	has := func(s string) bool { return strings.Contains(strings.ToLower(s), f.Text) }
	if has(j.Model) || has(j.Lane) || has(j.Group) || has(j.Tenant) || has(j.DedupeKey) {
		return true
	}
	for _, value := range j.Metadata {
		if has(value) {
			return true
		}
	}
	x := j.Failure
	return x != nil && (has(x.Message) || has(x.Code) || has(x.Type) || has(x.Param))
}
