package simulator

import (
	"errors"
	"fmt"
	"net/http"
	"slices"
	"strconv"
	"sync/atomic"
	"time"
)

// FaultPlan is how the simulator misbehaves. For each request the first rule that matches and
// fires decides; rules that do not fire let the next one try. The same plan makes the same
// choices again for the same sequence of matching requests.
type FaultPlan struct {
	Seed  uint64      `json:"seed"` // of the choices made by probability
	Rules []FaultRule `json:"rules"`
}

// FaultRule says which requests meet which fault.
type FaultRule struct {
	Name   string      `json:"name,omitempty"` // for people
	Match  FaultMatch  `json:"match"`
	Action FaultAction `json:"action"`
}

// FaultMatch selects requests. All conditions that are set have to hold. Of Probability, Every
// and First at most one may be set; without any the rule fires for every request that matches.
type FaultMatch struct {
	// Op is create, get, cancel or delete; empty means any of them.
	Op string `json:"op,omitempty"`
	// Metadata are pairs that the request, or the response that it is about, has to carry.
	Metadata map[string]string `json:"metadata,omitempty"`
	// Attempt is the value of the metadata key longhaul_attempt; 0 means any.
	Attempt int `json:"attempt,omitempty"`
	// Probability fires for that share of the matching requests, from 0 to 1.
	Probability float64 `json:"probability,omitempty"`
	// Every fires for each Nth matching request.
	Every int `json:"every,omitempty"`
	// First fires for the first N matching requests.
	First int `json:"first,omitempty"`
}

// FaultAction is what goes wrong. The first group decides about the one answer; the second,
// which only creates take, about the life of the response that is created.
type FaultAction struct {
	// Delay passes before the request is handled, or, with Accept, before it is answered.
	Delay Duration `json:"delay,omitempty"`
	// Status answers with this HTTP status. Without Accept, a create is then not accepted.
	Status int `json:"status,omitempty"`
	// Body is what comes with Status: openai (the default), text ({"error":"text"}), html,
	// empty, object ({}) or cut (JSON that ends in the middle). Without Status it replaces the
	// body of an answer that is otherwise right, so that a create is accepted.
	Body string `json:"body,omitempty"`
	// Code, Type, Param and Message fill OpenAI's error body; each has a default that fits Status.
	Code    string `json:"code,omitempty"`
	Type    string `json:"type,omitempty"`
	Param   string `json:"param,omitempty"`
	Message string `json:"message,omitempty"`
	// Headers are set on the answer, such as Retry-After; an empty value removes one.
	Headers map[string]string `json:"headers,omitempty"`
	// Accept has a create accepted and run although its answer is a fault.
	Accept bool `json:"accept,omitempty"`
	// Reset breaks the connection: before the work is accepted, or after.
	Reset string `json:"reset,omitempty"`
	// Hang never answers; it ends when the client leaves or the simulator is closed.
	Hang bool `json:"hang,omitempty"`

	// NeverEnds keeps the response in progress until it is cancelled.
	NeverEnds bool `json:"never_ends,omitempty"`
	// Fail ends the response failed, after its usual time.
	Fail *FaultFailure `json:"fail,omitempty"`
	// Queued and Running replace the configured durations, without jitter.
	Queued  *Duration `json:"queued,omitempty"`
	Running *Duration `json:"running,omitempty"`
	// Stale has retrievals report the response as queued, whatever it is.
	Stale *FaultWindow `json:"stale,omitempty"`
	// Missing has retrievals answer 404.
	Missing *FaultWindow `json:"missing,omitempty"`
	// IgnoreBackground answers a background create with the completed response.
	IgnoreBackground bool `json:"ignore_background,omitempty"`
	// StreamCut ends every stream of the response after that many events.
	StreamCut int `json:"stream_cut,omitempty"`
}

// FaultFailure is the error of a response that fails. Message has a default for the codes
// server_error, rate_limit_exceeded and insufficient_quota.
type FaultFailure struct {
	Code    string `json:"code"`
	Message string `json:"message,omitempty"`
}

// FaultWindow is the time during which a response misbehaves: its first retrievals, a time
// after its creation, or, if both are set, while either holds.
type FaultWindow struct {
	Gets int      `json:"gets,omitempty"`
	For  Duration `json:"for,omitempty"`
}

// open reports whether the window covers a response's nth retrieval at the given age.
func (w *FaultWindow) open(gets int, age time.Duration) bool {
	return w != nil && (gets <= w.Gets || age < time.Duration(w.For))
}

// Duration is a time.Duration that reads as "1.5s" in JSON.
type Duration time.Duration

// MarshalText implements encoding.TextMarshaler.
func (d Duration) MarshalText() ([]byte, error) { return []byte(time.Duration(d).String()), nil }

// UnmarshalText implements encoding.TextUnmarshaler.
func (d *Duration) UnmarshalText(text []byte) error {
	parsed, err := time.ParseDuration(string(text))
	if err != nil {
		return fmt.Errorf("%q is not a duration such as 1.5s", text)
	}
	*d = Duration(parsed)
	return nil
}

// Validate returns everything that makes p unusable, joined, each naming its field.
func (p FaultPlan) Validate() error {
	var errs []error
	for i := range p.Rules {
		for _, err := range p.Rules[i].problems() {
			errs = append(errs, fmt.Errorf("rules[%d].%w", i, err))
		}
	}
	return errors.Join(errs...)
}

func (r *FaultRule) problems() []error {
	var errs []error
	refuse := func(format string, args ...any) { errs = append(errs, fmt.Errorf(format, args...)) }
	m, a := &r.Match, &r.Action
	if !slices.Contains([]string{"", "create", "get", "cancel", "delete"}, m.Op) {
		refuse("match.op: %q is not create, get, cancel or delete", m.Op)
	}
	chosen := 0
	for _, set := range []bool{m.Probability != 0, m.Every != 0, m.First != 0} {
		if set {
			chosen++
		}
	}
	if chosen > 1 {
		refuse("match: at most one of probability, every and first can be set")
	}
	if !(m.Probability >= 0 && m.Probability <= 1) {
		refuse("match.probability: %v is not between 0 and 1", m.Probability)
	}
	for _, n := range []struct {
		name  string
		value int
	}{
		{"match.every", m.Every}, {"match.first", m.First}, {"match.attempt", m.Attempt},
	} {
		if n.value < 0 {
			refuse("%s: %d is negative", n.name, n.value)
		}
	}
	return append(errs, a.problems(m.Op)...)
}

func (a *FaultAction) problems(op string) []error {
	var errs []error
	refuse := func(format string, args ...any) { errs = append(errs, fmt.Errorf("action."+format, args...)) }
	if a.Status != 0 && (a.Status < 200 || a.Status > 599) {
		refuse("status: %d is not between 200 and 599", a.Status)
	}
	if !slices.Contains([]string{"", "openai", "text", "html", "empty", "object", "cut"}, a.Body) {
		refuse("body: %q is not openai, text, html, empty, object or cut", a.Body)
	}
	if !slices.Contains([]string{"", "before", "after"}, a.Reset) {
		refuse("reset: %q is not before or after", a.Reset)
	}
	if a.Reset == "before" && a.Accept {
		refuse("reset: before contradicts accept")
	}
	if a.Fail != nil && a.Fail.Code == "" {
		refuse("fail.code: is missing")
	}
	if a.NeverEnds && (a.Fail != nil || a.IgnoreBackground) {
		refuse("never_ends: contradicts fail and ignore_background")
	}
	for _, d := range []struct {
		name  string
		value *Duration
	}{{"delay", &a.Delay}, {"queued", a.Queued}, {"running", a.Running}} {
		if d.value != nil && (*d.value < 0 || time.Duration(*d.value) > maxConfiguredWait) {
			refuse("%s: %s is not between 0 and %s", d.name, time.Duration(*d.value), maxConfiguredWait)
		}
	}
	for _, w := range []struct {
		name  string
		value *FaultWindow
	}{{"stale", a.Stale}, {"missing", a.Missing}} {
		if w.value != nil && w.value.Gets <= 0 && w.value.For <= 0 {
			refuse("%s: needs gets or for", w.name)
		}
	}
	if a.StreamCut < 0 {
		refuse("stream_cut: %d is negative", a.StreamCut)
	}
	if a.shapesLife() && op != "create" && op != "" {
		errs = append(errs, errors.New("action: never_ends, fail, queued, running, stale, missing, ignore_background and "+
			"stream_cut need match.op create"))
	}
	if !a.shapesLife() && !a.shapesAnswer() {
		errs = append(errs, errors.New("action: is empty"))
	}
	return errs
}

// shapesLife reports whether the action changes the life of the response that is created.
func (a *FaultAction) shapesLife() bool {
	return a.NeverEnds || a.Fail != nil || a.Queued != nil || a.Running != nil || a.Stale != nil || a.Missing != nil ||
		a.IgnoreBackground || a.StreamCut != 0
}

// shapesAnswer reports whether the action changes the answer to the request.
func (a *FaultAction) shapesAnswer() bool {
	return a.Delay != 0 || a.Status != 0 || a.Body != "" || len(a.Headers) > 0 || a.Reset != "" || a.Hang || a.Accept
}

// replaces reports whether the action puts an answer of its own in place of the right one, or
// none at all.
func (a *FaultAction) replaces() bool {
	switch {
	case a.Hang, a.Reset != "", a.Status >= http.StatusMultipleChoices:
		return true
	case a.Status == 0:
		return false
	}
	return a.Body != "" && a.Body != "openai" && a.Body != "cut"
}

// refuses reports whether what was asked for is not done.
func (a *FaultAction) refuses() bool {
	return a.replaces() && !a.Accept && a.Reset != "after"
}

// earlyDelay is what passes before a create is accepted.
func (a *FaultAction) earlyDelay() time.Duration {
	if a.Accept {
		return 0
	}
	return time.Duration(a.Delay)
}

// lateDelay is what passes between a create's acceptance and its answer.
func (a *FaultAction) lateDelay() time.Duration { return time.Duration(a.Delay) - a.earlyDelay() }

// apiError is the body that the action's status comes with.
func (a *FaultAction) apiError() *apiError {
	err := &apiError{status: a.Status, kind: "invalid_request_error", message: http.StatusText(a.Status)}
	switch {
	case a.Code == "insufficient_quota":
		err = errQuota()
	case a.Status == http.StatusTooManyRequests:
		err.kind, err.code = "requests", "rate_limit_exceeded"
		err.message = "Rate limit reached. Please slow down."
	case a.Status == http.StatusUnauthorized:
		err.code, err.message = "invalid_api_key", "Incorrect API key provided."
	case a.Status == http.StatusServiceUnavailable:
		err.kind, err.message = "server_error", "The server is currently overloaded with other requests. Sorry about that! You can retry your request."
	case a.Status >= http.StatusInternalServerError:
		err.kind, err.message = "server_error", serverErrorMessage
	}
	err.status, err.param = a.Status, a.Param
	if a.Code != "" {
		err.code = a.Code
	}
	if a.Type != "" {
		err.kind = a.Type
	}
	if a.Message != "" {
		err.message = a.Message
	}
	return err
}

// failure is the error of a response that f has fail.
func (f *FaultFailure) failure() failure {
	out := failure{Code: f.Code, Message: f.Message}
	if out.Message == "" {
		switch f.Code {
		case "insufficient_quota":
			out.Message = quotaMessage
		case "rate_limit_exceeded":
			out.Message = "Rate limit reached. Please try again in 1s."
		default:
			out.Message = "An error occurred while processing your request. You can retry your request, or contact us through our help center at help.openai.com if the error persists."
		}
	}
	return out
}

// faultSet is a plan at work.
type faultSet struct {
	plan  FaultPlan
	rules []*liveRule
}

func newFaultSet(plan FaultPlan) *faultSet {
	set := &faultSet{plan: plan}
	for i, rule := range plan.Rules {
		set.rules = append(set.rules, &liveRule{FaultRule: rule, seed: plan.Seed + uint64(i)*0x9e3779b97f4a7c15})
	}
	return set
}

// choose returns the action for a request, or nil.
func (s *faultSet) choose(op string, m metadata) *FaultAction {
	for _, rule := range s.rules {
		if action := rule.choose(op, m); action != nil {
			return action
		}
	}
	return nil
}

// liveRule is a rule with its counters.
type liveRule struct {
	FaultRule
	seed uint64
	seen atomic.Uint64 // requests that matched
	hits atomic.Uint64 // requests that met the fault
}

func (r *liveRule) choose(op string, m metadata) *FaultAction {
	match := &r.Match
	if match.Op != "" && match.Op != op || !m.matches(match.Metadata) ||
		match.Attempt != 0 && m.value(metadataAttempt) != strconv.Itoa(match.Attempt) ||
		op != "create" && !r.Action.shapesAnswer() {
		return nil
	}
	n := r.seen.Add(1)
	switch {
	case match.First > 0 && n > uint64(match.First),
		match.Every > 0 && n%uint64(match.Every) != 0,
		match.Probability > 0 && !chance(r.seed+n, match.Probability):
		return nil
	}
	r.hits.Add(1)
	return &r.Action
}

// chance is true for the given share of all numbers. It mixes n as splitmix64 does.
func chance(n uint64, share float64) bool {
	n += 0x9e3779b97f4a7c15
	n = (n ^ n>>30) * 0xbf58476d1ce4e5b9
	n = (n ^ n>>27) * 0x94d049bb133111eb
	n ^= n >> 31
	return float64(n>>11)/(1<<53) < share
}

// quirks are what a fault left with a response for later requests about it.
type quirks struct {
	stale, missing *FaultWindow
	streamCut      int
	later          *liveRule // from the request's metadata; nil if the plan alone decides
}
