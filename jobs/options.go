package jobs

import (
	"encoding/json"
	"errors"
	"fmt"
	"regexp"
	"time"
	"unicode/utf8"
)

// Bounds of the options; values outside are refused by name.
const (
	MinPriority = 0
	MaxPriority = 9
	// DefaultPriority is the middle, so that there is room on both sides.
	DefaultPriority = 5

	DefaultMaxAttempts = 5
	MaxMaxAttempts     = 100

	// DefaultRetention is how long an ended job is kept.
	DefaultRetention = 30 * 24 * time.Hour
	// DefaultDeadline bounds the whole life of a job that names no deadline, so
	// that nothing waits for ever for a provider that never finishes.
	DefaultDeadline = 24 * time.Hour

	maxKeyBytes = 512

	// maxAhead bounds how far ahead a job may be planned. A time that no record
	// could hold (RFC 3339 ends with the year 9999) is well beyond it.
	maxAhead = 10 * 365 * 24 * time.Hour
)

// Uncertainty is what to do when it cannot be known whether a create was
// accepted.
type Uncertainty string

const (
	// UncertainResubmit makes a new attempt; the job may be paid for twice,
	// which its attempts show.
	UncertainResubmit Uncertainty = "resubmit"
	// UncertainHold leaves the job in [StateUncertain] for a person.
	UncertainHold Uncertainty = "hold"
)

// Options are what a caller may ask for beside the request. The zero value of
// each field means its default.
type Options struct {
	// Lane is the stream of work the job belongs to, a name as [ValidName] has them, and
	// so are Group, Tenant and Thread; default the lane that the configuration has for the
	// request's model, or "default".
	Lane string `json:"lane,omitempty"`
	// Priority is 0 (last) to 9 (first); nil means 5.
	Priority *int `json:"priority,omitempty"`
	// MaxAttempts bounds the counted attempts, 1 to [MaxMaxAttempts]; default 5.
	MaxAttempts int `json:"max_attempts,omitempty"`
	// Deadline is when the job ends at the latest, within the next ten years; default 24
	// hours after now or NotBefore, and 30 hours for a request with service_tier batch. A
	// batch may take a day, and a request that is in one is paid for also if the job has
	// ended by then.
	Deadline time.Time `json:"deadline,omitzero"`
	// NotBefore is when the job may start at the earliest, within the next ten years and
	// not after the deadline. It is over once the job was cancelled: one that is retried
	// starts at once.
	NotBefore time.Time `json:"not_before,omitzero"`
	// DedupeKey makes a second submission of the same request return the first
	// job, and one of another request a conflict, for as long as the job is kept. It has
	// at most 512 bytes of UTF-8.
	DedupeKey string `json:"dedupe_key,omitempty"`
	// Retention is how long the job is kept after its end; default 30 days.
	Retention time.Duration `json:"retention_ns,omitempty"`
	// Metadata is the caller's own, kept with the job and not sent to OpenAI
	// (a request has its own metadata for that): at most 14 pairs, with keys of at most 64
	// characters that do not begin with longhaul_, and values of at most 512.
	Metadata map[string]string `json:"metadata,omitempty"`
	// Group names the jobs that belong together.
	Group string `json:"group,omitempty"`
	// Tenant names on whose behalf the job is run: a customer, a team, a service.
	// Default none, which is a tenant like any other.
	Tenant string `json:"tenant,omitempty"`
	// Stream has the response streamed as well, so that its progress can be followed
	// while it runs; see [Progress]. A request that goes through a batch has no stream.
	Stream bool `json:"stream,omitempty"`
	// Uncertain is the policy for a create whose answer was lost; default
	// [UncertainResubmit].
	Uncertain Uncertainty `json:"uncertain,omitempty"`
	// UncertainWait bounds how long the provider's webhook is waited for before
	// that policy decides; default the worker's configuration. It has no effect
	// where no webhook is configured.
	UncertainWait time.Duration `json:"uncertain_wait_ns,omitempty"`
	// FallbackTier is the service tier to fall to when the one that the request
	// asks for has no capacity, such as "default" for a request with "flex";
	// default none: the job waits for capacity.
	FallbackTier string `json:"fallback_tier,omitempty"`
	// GrowOutputTo asks again with twice the max_output_tokens, up to this many,
	// when an answer was cut off by it; default not. What was cut off is kept until
	// something better is there.
	GrowOutputTo int64 `json:"grow_output_to,omitempty"`
	// PromptCache has each attempt carry a prompt_cache_key, which is the same for all
	// requests whose prompts begin in the same way; see [Request.PromptCacheKey]. A key
	// that the request has itself stays. Default not.
	PromptCache bool `json:"prompt_cache,omitempty"`
	// History are the input items that led to the request's previous_response_id.
	// If the provider has lost that response, the request is sent with them
	// instead; without them the job fails.
	History json.RawMessage `json:"history,omitempty"`
	// After are jobs that must have succeeded before this one starts, at most
	// [MaxAfter]. It fails, class dependency, if one of them does not succeed.
	After []ID `json:"after,omitempty"`
	// ContinueFrom is a job whose response becomes the request's
	// previous_response_id. It is waited for as After is, and the lanes of both must
	// have the same endpoint. All tokens of the conversation before are input, and
	// billed, again.
	ContinueFrom ID `json:"continue_from,omitempty"`
	// Thread names jobs that run one after another, in the order in which they were
	// accepted, each continuing the response of the last that has succeeded. A dedupe
	// key given with it is the thread's own.
	Thread string `json:"thread,omitempty"`
	// Nonce has a parent share its parts with no other: those with the same nonce are
	// one job, as with the same dedupe key, and what was paid for before is made anew.
	// At most 512 bytes, and only for a parent; default none.
	Nonce string `json:"nonce,omitempty"`
}

// ValidName reports whether s can name a lane, a group or a tenant: 1 to 128 letters,
// digits and the signs . _ - :, beginning with a letter or digit.
func ValidName(s string) bool {
	return namePattern.MatchString(s)
}

// NameRule tells what a name has to be, for messages about those that are none.
const NameRule = "use 1 to 128 letters, digits and . _ - : and begin with a letter or a digit"

// CheckName returns the problem of a name that is none: an [*Error] of class invalid
// that names param.
func CheckName(param, name string) error {
	if ValidName(name) {
		return nil
	}
	return Invalid(param, "%q is not a name; %s", bounded(name, 40), NameRule)
}

// CheckNameIfSet is [CheckName] for a name that may be left out.
func CheckNameIfSet(param, name string) error {
	if name == "" {
		return nil
	}
	return CheckName(param, name)
}

var namePattern = regexp.MustCompile(`^[A-Za-z0-9][A-Za-z0-9._:-]{0,127}$`)

// Validate returns every problem of the options, joined; each is an [*Error]
// that names its field.
func (o Options) Validate(now time.Time) error {
	var problems []error
	bad := func(param, format string, args ...any) {
		problems = append(problems, Invalid(param, format, args...))
	}
	for _, given := range []struct{ param, name string }{{"lane", o.Lane}, {"group", o.Group}, {"tenant", o.Tenant}} {
		if err := CheckNameIfSet(given.param, given.name); err != nil {
			problems = append(problems, err)
		}
	}
	if o.Priority != nil && (*o.Priority < MinPriority || *o.Priority > MaxPriority) {
		bad("priority", "is %d; it goes from %d (last) to %d (first)", *o.Priority, MinPriority, MaxPriority)
	}
	if o.MaxAttempts < 0 || o.MaxAttempts > MaxMaxAttempts {
		bad("max_attempts", "is %d; it goes from 1 to %d (0 means %d)", o.MaxAttempts, MaxMaxAttempts, DefaultMaxAttempts)
	}
	if !o.Deadline.IsZero() && !o.Deadline.After(now) {
		bad("deadline", "is in the past; give a time after %s", now.UTC().Format(time.RFC3339))
	}
	if o.Deadline.After(now.Add(maxAhead)) {
		bad("deadline", "is more than ten years ahead; give an earlier one")
	}
	if o.NotBefore.After(now.Add(maxAhead)) {
		bad("not_before", "is more than ten years ahead; give an earlier time")
	}
	if !o.Deadline.IsZero() && o.NotBefore.After(o.Deadline) {
		bad("not_before", "is after the deadline; the job could never start")
	}
	if o.Retention < 0 {
		bad("retention", "is negative; give how long to keep the ended job, or 0 for %s", DefaultRetention)
	}
	if len(o.DedupeKey) > maxKeyBytes {
		bad("dedupe_key", "has %d bytes; at most %d are allowed", len(o.DedupeKey), maxKeyBytes)
	}
	if !utf8.ValidString(o.DedupeKey) {
		bad("dedupe_key", "is not valid UTF-8")
	}
	if err := validateMetadata("metadata", o.Metadata); err != nil {
		problems = append(problems, err)
	}
	switch o.Uncertain {
	case "", UncertainResubmit, UncertainHold:
	default:
		bad("uncertain", "is %q; it is %s or %s", bounded(string(o.Uncertain), 40), UncertainResubmit, UncertainHold)
	}
	if o.UncertainWait < 0 {
		bad("uncertain_wait", "is negative; give how long to wait for the provider's webhook, or 0 for the worker's setting")
	}
	if o.FallbackTier != "" && !ValidName(o.FallbackTier) {
		bad("fallback_tier", "%q is no service tier; give for example default", bounded(o.FallbackTier, 40))
	}
	if o.GrowOutputTo < 0 {
		bad("grow_output_to", "is %d; give the most output tokens to allow, or 0 for the request's own cap", o.GrowOutputTo)
	}
	if len(o.Nonce) > maxKeyBytes || !utf8.ValidString(o.Nonce) {
		bad("nonce", "has %d bytes; give at most %d bytes of UTF-8", len(o.Nonce), maxKeyBytes)
	}
	problems = append(problems, o.validateOrder()...)
	return errors.Join(problems...)
}

// ValidateFor returns every problem that the options have with a request they
// come with, joined; each is an [*Error] that names its field.
func (o Options) ValidateFor(request Request) error {
	if request.Kind.IsParent() {
		return o.validateForParent()
	}
	var problems []error
	bad := func(param, format string, args ...any) {
		problems = append(problems, Invalid(param, format, args...))
	}
	if o.Nonce != "" {
		bad("nonce", "is for a job that has parts, which are made anew with it; leave it out: without a dedupe_key each submission is a new job")
	}
	if o.Stream && Batched(request.Raw) {
		bad("stream", "is given for a request with service_tier %s, and a batch has no streams; leave out one of them", TierBatch)
	}
	if o.GrowOutputTo == 0 && o.FallbackTier == "" && len(o.History) == 0 && !o.continues() {
		return errors.Join(problems...)
	}
	fields, err := parseObject(request.Raw)
	if err != nil {
		return Invalid("request", "%s", err.Error())
	}
	if o.GrowOutputTo > 0 {
		switch limit := request.outputCap(); {
		case limit <= 0 && fields.has("max_output_tokens"):
			bad("grow_output_to", "needs a max_output_tokens in the request that is written as an integer over 0, such as 1000")
		case limit <= 0:
			bad("grow_output_to", "needs max_output_tokens in the request: without a cap no answer is cut off by one")
		case limit >= o.GrowOutputTo:
			bad("grow_output_to", "is %d and the request's max_output_tokens is %d; give more than that", o.GrowOutputTo, limit)
		}
	}
	if tier, _ := stringField(fields, "service_tier"); o.FallbackTier != "" && (tier == "" || tier == o.FallbackTier) {
		bad("fallback_tier", "needs another service_tier in the request, such as flex: that is what it falls from")
	}
	if len(o.History) > 0 {
		var items []json.RawMessage
		switch err := json.Unmarshal(o.History, &items); {
		case err != nil || len(items) == 0:
			bad("history", "must be a list of input items, at least one")
		case !fields.has("previous_response_id") && !o.continues():
			bad("history", "needs previous_response_id in the request, or continue_from: it is what the items are sent instead of")
		}
	}
	if err := o.validateContinued(fields); err != nil {
		problems = append(problems, err)
	}
	return errors.Join(problems...)
}

// New makes the record of an accepted job. The options must have been
// validated.
func New(id ID, request Request, o Options, now time.Time) Job {
	now = stored(now)
	j := Job{
		Schema: schemaResponse, ID: id, Kind: KindResponse, State: StateWaiting, Created: now, Updated: now,
		Model: request.Model, RequestDigest: request.Digest(), RequestBytes: len(request.Raw),
		Lane: o.Lane, Priority: DefaultPriority, MaxAttempts: o.MaxAttempts,
		Deadline: stored(o.Deadline), NotBefore: stored(o.NotBefore), DedupeKey: o.DedupeKey, Retention: o.Retention, Metadata: o.Metadata,
		Group: o.Group, Tenant: o.Tenant, Stream: o.Stream, Uncertain: o.Uncertain, UncertainWait: o.UncertainWait, FallbackTier: o.FallbackTier,
		GrowOutputTo: o.GrowOutputTo, History: len(o.History) > 0,
		After: o.After, ContinueFrom: o.ContinueFrom, Thread: o.Thread, Awaiting: o.dependencies(),
	}
	if request.Kind.IsParent() {
		j.Schema, j.Kind = schemaParent, request.Kind
		j.Plan = &Plan{Since: now, Nonce: o.Nonce, PromptCache: o.PromptCache}
	} else {
		if Batched(request.Raw) {
			j.Schema = schemaBatch
		}
		j = described(j, request, o)
	}
	if j.Aside() {
		j.AskAt = j.askFirst()
	}
	if o.Priority != nil {
		j.Priority = *o.Priority
	}
	if j.Lane == "" {
		j.Lane = DefaultLane
	}
	if j.MaxAttempts == 0 {
		j.MaxAttempts = DefaultMaxAttempts
	}
	if j.Deadline.IsZero() {
		j.Deadline = maxTime(now, j.NotBefore).Add(request.deadline())
	}
	if j.Retention == 0 {
		j.Retention = DefaultRetention
	}
	if j.Uncertain == "" {
		j.Uncertain = UncertainResubmit
	}
	return j
}

// described is the record of a response with what its request says of itself.
func described(j Job, request Request, o Options) Job {
	j.Effort, j.Include = request.effort(), request.Includes()
	if o.GrowOutputTo > 0 {
		j.OutputCap = request.outputCap()
	}
	if o.PromptCache {
		j.PromptCacheKey = request.PromptCacheKey()
	}
	return j
}

// stored is a time as records hold it: UTC, in milliseconds. A year before the
// first, which RFC 3339 cannot write, counts as none.
func stored(t time.Time) time.Time {
	if t = t.UTC().Truncate(time.Millisecond); t.Year() < 1 {
		return time.Time{}
	}
	return t
}

func maxTime(a, b time.Time) time.Time {
	if b.After(a) {
		return b
	}
	return a
}

// ConflictError says that a dedupe key is taken by a job with another request.
type ConflictError struct {
	DedupeKey string
	Job       ID
}

// Error names the key and the job that has it.
func (e *ConflictError) Error() string {
	return fmt.Sprintf("dedupe_key %q: taken by %s with another request; choose another key or send the same request", e.DedupeKey, e.Job)
}
