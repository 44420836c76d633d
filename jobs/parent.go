package jobs

import (
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"slices"
	"strings"
	"time"
)

// Bounds of parents.
const (
	// MaxParentBytes is the largest request of a parent: the text of a whole document.
	MaxParentBytes = 96 << 20
	// MaxParts bounds the parts of one phase, and MaxPhases how many phases there are.
	MaxParts  = 5000
	MaxPhases = 100
	// maxPartName bounds what a part is called, in bytes.
	maxPartName = 200
	// attendWithin is how soon a parent is due again after it is on record that it waits
	// for parts: until they are put down to tell it, nothing does.
	attendWithin = 5 * time.Second
)

// Plan is how far a parent has come. Its planner is asked again from the beginning at
// each step, so nothing depends on it but what is shown, and whether a step is one of
// this plan.
type Plan struct {
	// Phase is the number of the phase whose parts it waits for, or waited for last, 0
	// before the first; Parts is how many those are.
	Phase int `json:"phase,omitempty"`
	Parts int `json:"parts,omitempty"`
	// Since is when the parent was accepted, or last retried by hand, which Retried
	// says: parts that had ended before then without success are tried again.
	Since   time.Time `json:"since"`
	Retried bool      `json:"retried,omitempty"`
	// Nonce and PromptCache are [Options] of the parent for its parts.
	Nonce       string `json:"nonce,omitempty"`
	PromptCache bool   `json:"prompt_cache,omitempty"`
}

// IsParent reports whether jobs of this kind are parents: they make no create call, but
// have a [Planner], which says what other jobs are needed and what comes of them.
func (k Kind) IsParent() bool { return k != "" && k != KindResponse }

// ParentKinds are the kinds of parents that this build knows.
func ParentKinds() []Kind { return []Kind{KindSummarize} }

// Kinds are all kinds of jobs that this build knows.
func Kinds() []Kind { return append([]Kind{KindResponse}, ParentKinds()...) }

// Planning reports whether the job is a parent whose planner is to be asked: it waits
// for nothing but its own parts.
func (j Job) Planning() bool {
	return j.Kind.IsParent() && j.State == StateWaiting && len(j.WaitsFor()) == 0
}

// ParseParent checks the request of a parent: a JSON object, which the kind's planner
// will read, and the model that most of its parts are for. What the object holds is for
// the caller to check; a planner that cannot read it fails the job.
func ParseParent(kind Kind, raw []byte, model string) (Request, error) {
	if !slices.Contains(ParentKinds(), kind) {
		return Request{}, Invalid("kind", "%.40q is no kind of parent; one of %v", string(kind), ParentKinds())
	}
	if err := checkText(raw); err != nil {
		return Request{}, err
	}
	if _, err := parseObject(raw); err != nil {
		return Request{}, Invalid("request", "%s", err.Error())
	}
	if model == "" {
		return Request{}, Invalid("model", "is empty; name the one that the parts are for")
	}
	if err := checkModel(model); err != nil {
		return Request{}, err
	}
	return Request{Raw: raw, Model: model, Kind: kind}, nil
}

// validateForParent returns the problems of options that only a job with a response of
// its own can have.
func (o Options) validateForParent() error {
	switch {
	case o.ContinueFrom != "":
		return Invalid("continue_from", "is given for a job that has parts and no response of its own; leave it out")
	case o.Thread != "":
		return Invalid("thread", "is given for a job that has parts and no response of its own; leave it out")
	case len(o.History) > 0:
		return Invalid("history", "is given for a job that has parts and no response of its own; leave it out")
	}
	return nil
}

// PartKey is the dedupe key of a part. It is made of what the part's answer depends on,
// so that the same part of another parent, or of the same one after a crash, is the same
// job; and of whose it is, so that tenants share nothing.
func (j Job) PartKey(r Request) string {
	nonce := ""
	if j.Plan != nil {
		nonce = j.Plan.Nonce
	}
	sum := sha256.Sum256(fmt.Appendf(nil, "%q %q %d %s", j.Tenant, nonce, j.GrowOutputTo, r.Digest()))
	return "part:" + hex.EncodeToString(sum[:])
}

// PartGroup is the group of the parts.
func (j Job) PartGroup() string {
	if j.Group != "" {
		return j.Group
	}
	return string(j.ID)
}

// PartOptions are the options of a part: those of its parent, as far as the part's
// request allows them. A part is kept at least as long as its parent.
func (j Job) PartOptions(r Request, now time.Time) Options {
	priority := j.Priority
	o := Options{
		Lane: j.Lane, Priority: &priority, MaxAttempts: j.MaxAttempts, Deadline: j.Deadline, DedupeKey: j.PartKey(r),
		Retention: j.Retention, Group: j.PartGroup(), Tenant: j.Tenant, Stream: j.Stream && !Batched(r.Raw),
		Uncertain: j.Uncertain, UncertainWait: j.UncertainWait, PromptCache: j.Plan != nil && j.Plan.PromptCache,
	}
	if left := j.Deadline.Sub(now); !j.Deadline.IsZero() && left > 0 {
		o.Retention += left
	}
	if limit := r.outputCap(); limit > 0 && limit < j.GrowOutputTo {
		o.GrowOutputTo = j.GrowOutputTo
	}
	fallback := Options{FallbackTier: j.FallbackTier}
	if fallback.ValidateFor(r) == nil {
		o.FallbackTier = j.FallbackTier
	}
	return o
}

// PartName is what a part is called, on one line.
func PartName(name string) string {
	return bounded(strings.Join(strings.Fields(name), " "), maxPartName)
}

// Stale reports whether a part has to be tried again before its end counts for the
// parent: it ended without success, or was to end, before the parent was accepted, or
// retried by hand; or it was stopped on behalf of a parent, which is another one or this one
// as it was before. What a person should look at first is tried again only with the parent
// by hand.
func (j Job) Stale(part Job) bool {
	if j.Plan == nil || part.Deleting {
		return false
	}
	before := part.Ended.Before(j.Plan.Since)
	switch part.State {
	case StateCancelled, StateExpired:
		stop := part.Stop
		return before || part.Parent != j.ID || stop != nil && (stop.Parent != "" || stop.At.Before(j.Plan.Since))
	case StateIncomplete:
		return before && j.Plan.Retried
	case StateFailed:
		return before && (j.Plan.Retried || part.Failure == nil || !part.Failure.Class.precarious())
	case StateWaiting, StateSubmitting, StateRunning, StateUncertain, StateSucceeded:
	}
	return false
}

// precarious reports whether another attempt after such a failure is for a person to ask
// for: it might pay for a second time, or crash another worker.
func (c Class) precarious() bool {
	switch c { //nolint:exhaustive // the others may be tried again without asking anybody
	case ClassLost, ClassOversized, ClassAmbiguous, ClassPoison:
		return true
	}
	return false
}

// ResultText is the text of a parent's result, the string under "summary"; "" if it has
// none.
func ResultText(result json.RawMessage) string {
	var fields struct {
		Summary json.RawMessage `json:"summary"`
	}
	var text string
	if json.Unmarshal(result, &fields) != nil || json.Unmarshal(fields.Summary, &text) != nil {
		return ""
	}
	return text
}

// concerns refuses what cannot happen to a job of the kind.
func (m *move) concerns(ev Event) error {
	switch ev.(type) {
	case Planned, PlanEnded:
		if !m.job.Kind.IsParent() {
			return ErrUnchanged
		}
	case Created, Collected, AdoptRequested, ReleaseRequested, FailRequested:
		if m.job.Kind.IsParent() {
			return m.refuse(ev.Name(), "it has parts and no response of its own")
		}
	}
	return nil
}

func (m *move) planned(ev Planned) error {
	j := &m.job
	if !m.planning(ev.Since) || j.Plan.Phase == ev.Phase && j.Plan.Parts == ev.Parts {
		return ErrUnchanged
	}
	m.changePlan(func(p *Plan) { p.Phase, p.Parts = ev.Phase, ev.Parts })
	j.AskAt = stored(m.now.Add(attendWithin))
	return nil
}

// planEnded ends a parent as its planner has it: state and result in one write.
func (m *move) planEnded(ev PlanEnded) error {
	j := &m.job
	if !m.planning(ev.Since) {
		return ErrUnchanged
	}
	failure := ev.Failure
	if failure == nil && ev.Result == nil {
		failure = &Failure{Class: ClassInternal, Code: "plan_empty", Message: "its planner gave neither a result nor a failure"}
	}
	state, status := StateSucceeded, StatusCompleted
	if failure != nil {
		state, status = StateFailed, StatusFailed
	}
	j.Failure = failure
	if ev.Result != nil {
		j.Result, m.body = &Result{Status: status, Model: j.Model, Bytes: len(ev.Result)}, ev.Result
	}
	if failure != nil {
		m.stopParts() // those of a phase that was not accepted as a whole
	}
	m.end(state)
	return nil
}

// planning reports whether the parent still is at the plan that began at since: a step
// of one that was retried meanwhile counts no more.
func (m *move) planning(since time.Time) bool {
	return m.job.Planning() && m.job.Plan != nil && m.job.Plan.Since.Equal(since)
}

// planAnew has a parent plan from now on, after a retry. What it still owed was for its
// end, which is over.
func (m *move) planAnew() {
	if !m.job.Kind.IsParent() {
		return
	}
	m.changePlan(func(p *Plan) { p.Since, p.Retried, p.Phase, p.Parts = m.now, true, 0, 0 })
	m.job.Outbox = slices.DeleteFunc(m.job.Outbox, Effect.Local)
}

// anew is how long a job that is late has when it is retried: as long as one that names no
// deadline, and a parent as long as it had, for its parts may go through batches.
func (j Job) anew() time.Duration {
	switch {
	case j.Plan != nil:
		return max(DefaultDeadline, j.Deadline.Sub(j.Plan.Since))
	case j.Schema >= schemaBatch:
		return DefaultBatchDeadline
	}
	return DefaultDeadline
}

func (m *move) changePlan(change func(*Plan)) {
	var p Plan
	if m.job.Plan != nil {
		p = *m.job.Plan // the given job stays as it is
	}
	change(&p)
	m.job.Plan = &p
}

// stopParts owes it to a parent that ends before its plan does that its parts are
// cancelled.
func (m *move) stopParts() {
	if m.job.Kind.IsParent() {
		m.oweParts(Effect{Kind: EffectStopParts})
	}
}

// oweParts puts an effect on the parts into the outbox, unless it is there.
func (m *move) oweParts(e Effect) {
	if slices.ContainsFunc(m.job.Outbox, func(o Effect) bool { return o.Kind == e.Kind && o.Remote == e.Remote }) {
		return
	}
	m.put(e)
}

// askFirst is when a job that stands beside its lane is seen to first.
func (j Job) askFirst() time.Time {
	if j.Planning() {
		return maxTime(j.Created, j.NotBefore)
	}
	return j.Created
}
