package jobs

import (
	"fmt"
	"slices"
	"strings"
	"time"
)

// MaxAfter bounds how many jobs one may wait for.
const MaxAfter = 100

// The codes of a failure of class dependency.
const (
	codeDependencyFailed = "dependency_failed"
	codeDependencyGone   = "dependency_gone"
)

// LinkWaited is the mark in [Job.Links] that others wait for the end of the job.
const LinkWaited = "d"

// LinkFollowed is the mark that the job is not the last of its thread.
const LinkFollowed = "f"

// LinkReplaced is the mark that another job has taken the place of the job, which had ended
// without success, and its dedupe key.
const LinkReplaced = "r"

// askAfter is how long a job that was told of one dependency leaves it to the
// others to tell, before it asks by itself.
const askAfter = time.Minute

// Previous is the response that a job's request continues.
type Previous struct {
	// Job is the one whose result it is.
	Job        ID     `json:"job"`
	ResponseID string `json:"response_id"`
	// Endpoint made the response, and no other knows it.
	Endpoint string `json:"endpoint"`
}

// DependencyEnded tells a job of the end of one that it waits for.
type DependencyEnded struct {
	Job ID
	// State is the one that it ended in, "" for a job that is not there any more.
	State State
	// Class is that of its failure, "" for none.
	Class Class
	// Response is what a job that continues it goes on from.
	Response *Previous
	// Follows is the job whose end one of a thread still waited for when it ended
	// before its turn, as a cancelled one does.
	Follows ID
}

// Name implements [Event].
func (DependencyEnded) Name() string { return "dependency_ended" }

// Aside reports whether the job waits outside its lane, because something has to
// happen before it may have a turn there, or because it is a parent, which has none.
func (j Job) Aside() bool {
	return j.State == StateWaiting && (len(j.WaitsFor()) > 0 || j.Parked() || j.Kind.IsParent())
}

// Parked reports whether the job waits outside its lane for a budget: for room in it, or
// for a price that it needs.
func (j Job) Parked() bool {
	return j.State == StateWaiting && (j.Waits == WaitBudget || j.Waits == WaitPrice)
}

// WaitsFor are the jobs whose end the job waits for.
func (j Job) WaitsFor() []ID {
	if j.Follows == "" || j.Turn || slices.Contains(j.Awaiting, j.Follows) {
		return j.Awaiting
	}
	return append(slices.Clone(j.Awaiting), j.Follows)
}

// Ending is what an ended job tells those that wait for it.
func (j Job) Ending() DependencyEnded {
	ev := DependencyEnded{Job: j.ID, State: j.State}
	if j.Failure != nil {
		ev.Class = j.Failure.Class
	}
	if a, ok := j.CurrentAttempt(); ok && j.State == StateSucceeded {
		ev.Response = &Previous{Job: j.ID, ResponseID: a.ResponseID, Endpoint: a.Endpoint}
	}
	if j.Thread != "" && j.State != StateSucceeded {
		ev.Response = j.Continues // the thread goes on from there
	}
	if j.Follows != "" && !j.Turn {
		ev.Follows = j.Follows
	}
	return ev
}

// dependencies are the jobs that one with these options waits for, each once.
func (o Options) dependencies() []ID {
	var ids []ID
	for _, id := range append(slices.Clone(o.After), o.ContinueFrom) {
		if id != "" && !slices.Contains(ids, id) {
			ids = append(ids, id)
		}
	}
	return ids
}

// validateOrder returns the problems of what the options say about other jobs.
func (o Options) validateOrder() []error {
	var problems []error
	if len(o.After) > MaxAfter {
		problems = append(problems, Invalid("after", "names %d jobs; at most %d are allowed: have one job wait for them, or wait for the last ones only", len(o.After), MaxAfter))
	}
	for _, id := range o.After {
		if _, err := ParseID(string(id)); err != nil {
			problems = append(problems, Invalid("after", "%s", err.Error()))
		}
	}
	if o.ContinueFrom != "" {
		if _, err := ParseID(string(o.ContinueFrom)); err != nil {
			problems = append(problems, Invalid("continue_from", "%s", err.Error()))
		}
	}
	if err := CheckNameIfSet("thread", o.Thread); err != nil {
		problems = append(problems, err)
	}
	if o.Thread != "" && o.ContinueFrom != "" {
		problems = append(problems, Invalid("continue_from", "is given with thread, whose jobs continue one another; leave one of them out"))
	}
	return problems
}

// continues reports whether the job is to continue the response of another.
func (o Options) continues() bool { return o.ContinueFrom != "" || o.Thread != "" }

// validateContinued returns the problem of a request that says itself what it
// continues, for a job that is to continue another.
func (o Options) validateContinued(fields object) error {
	if !o.continues() {
		return nil
	}
	param := "continue_from"
	if o.Thread != "" {
		param = "thread"
	}
	for _, key := range []string{"previous_response_id", "conversation"} {
		if fields.has(key) {
			return Invalid(param, "is given, and the request has a %s of its own; leave one of them out", key)
		}
	}
	return nil
}

func (m *move) dependencyEnded(ev DependencyEnded) error {
	j := &m.job
	awaited, followed := slices.Contains(j.Awaiting, ev.Job), ev.Job == j.Follows && !j.Turn
	if j.State != StateWaiting || !awaited && !followed {
		return ErrUnchanged
	}
	switch {
	case ev.State == "":
		m.failDependency(codeDependencyGone, "%s, which it waits for, is gone: it was deleted, or its retention was over, before it was known how it had ended", ev.Job)
		return nil
	case !ev.State.Terminal():
		return ErrUnchanged
	case followed && !awaited:
		m.follow(ev)
		return nil
	case ev.State != StateSucceeded:
		class := ""
		if ev.Class != "" {
			class = " (" + string(ev.Class) + ")"
		}
		m.failDependency(codeDependencyFailed, "%s, which it waits for, is %s%s; once that has succeeded, retry this one", ev.Job, ev.State, class)
		return nil
	case ev.Job == j.ContinueFrom && ev.Response == nil:
		m.failDependency(codeDependencyFailed, "%s, which it continues, has no response", ev.Job)
		return nil
	}
	j.Awaiting = slices.DeleteFunc(slices.Clone(j.Awaiting), func(id ID) bool { return id == ev.Job })
	if ev.Job == j.ContinueFrom {
		m.continueFrom(ev.Response)
	}
	if followed {
		m.follow(ev)
		return nil
	}
	m.turn()
	return nil
}

// follow gives a job of a thread its turn, for the one before it has ended, however
// that was. Where that one never had a turn, the job waits in its place.
func (m *move) follow(ev DependencyEnded) {
	j := &m.job
	if ev.Follows != "" {
		j.Follows = ev.Follows
		m.turn()
		j.AskAt = m.now
		return
	}
	j.Turn = true
	if ev.Response != nil {
		m.continueFrom(ev.Response)
	}
	m.turn()
}

// continueFrom has the request continue a response.
func (m *move) continueFrom(p *Previous) {
	m.job.Continues = p
	m.job.Adjust = m.job.continuation()
}

// continuation is what the attempts of a job that continues another ask for other
// than its request does, nil for any other job.
func (j Job) continuation() *Adjustment {
	if j.Continues == nil {
		return nil
	}
	return j.adjusted(func(next *Adjustment) { next.PreviousResponseID = j.Continues.ResponseID })
}

// turn sends a waiting job into its lane when nothing keeps it out any more.
func (m *move) turn() {
	j := &m.job
	if len(j.WaitsFor()) > 0 {
		j.AskAt = m.now.Add(askAfter)
		return
	}
	j.AskAt = time.Time{}
	m.wait(maxTime(m.now, j.NotBefore))
}

func (m *move) failDependency(code, format string, args ...any) {
	m.fail(Failure{Class: ClassDependency, Code: code, Message: fmt.Sprintf(format, args...)})
}

// oweNews puts it into the outbox that those that wait for the job be told of its
// end. It concerns no endpoint.
func (m *move) oweNews() {
	j := &m.job
	if !strings.Contains(j.Links, LinkWaited) || j.Telling() != nil {
		return
	}
	m.put(Effect{Kind: EffectTell})
}

// put puts an effect into the outbox that concerns no endpoint.
func (m *move) put(e Effect) {
	m.job.Effects++
	e.ID = m.job.Effects
	m.job.Outbox = append(m.job.Outbox, e)
}

// LocalEffect is the first effect of the outbox that concerns no endpoint, nil if none
// does.
func (j Job) LocalEffect() *Effect {
	i := slices.IndexFunc(j.Outbox, Effect.Local)
	if i < 0 {
		return nil
	}
	return &j.Outbox[i]
}

// Telling is the effect of telling those that wait for the job of its end, nil if
// it is not owed.
func (j Job) Telling() *Effect {
	i := slices.IndexFunc(j.Outbox, func(e Effect) bool { return e.Kind == EffectTell })
	if i < 0 {
		return nil
	}
	return &j.Outbox[i]
}

// CheckEndpoint refuses an attempt at an endpoint that does not know the response
// which the request continues.
func (j Job) CheckEndpoint(endpoint string) error {
	p := j.Continues
	if p == nil || p.Endpoint == endpoint || j.Adjust != nil && j.Adjust.History {
		return nil
	}
	return Invalid("continue_from", "%s is a response of endpoint %s, which no other knows, and lane %s is at endpoint %s; submit the request to a lane of %s",
		p.ResponseID, p.Endpoint, j.Lane, endpoint, p.Endpoint)
}
