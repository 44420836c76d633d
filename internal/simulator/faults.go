package simulator

import (
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"sync/atomic"
	"time"
)

// The operations that rules may be about. opWebhook is no request; the others are.
const (
	opCreate      = "create"
	opGet         = "get"
	opCancel      = "cancel"
	opDelete      = "delete"
	opUpload      = "upload"       // POST /files
	opDownload    = "download"     // GET /files/{id}/content
	opFile        = "file"         // all else about files
	opBatch       = "batch"        // POST /batches
	opBatchGet    = "batch_get"    // GET /batches and /batches/{id}
	opBatchCancel = "batch_cancel" // POST /batches/{id}/cancel
	opWebhook     = "webhook"
)

// operations returns all of them, in the order in which they are documented.
func operations() []string {
	return []string{opCreate, opGet, opCancel, opDelete, opUpload, opDownload, opFile, opBatch, opBatchGet, opBatchCancel, opWebhook}
}

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
	// Op is create, get, cancel or delete of a response, upload or download of a file, or file for
	// all else about one, batch, batch_get or batch_cancel; empty means any of them. Each line of a
	// batch is a create. It may also be webhook, for those that tell the ends of responses: their
	// rules are chosen in the order in which the responses are created.
	Op string `json:"op,omitempty"`
	// Project is the one that the request's key belongs to; empty means any.
	Project string `json:"project,omitempty"`
	// ServiceTier is the one that a create asks for, such as flex; empty means any.
	ServiceTier string `json:"service_tier,omitempty"`
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
	if m.Op != "" && !slices.Contains(operations(), m.Op) {
		refuse("match.op: %q is not one of %s", m.Op, strings.Join(operations(), ", "))
	}
	if m.ServiceTier != "" && m.Op != "create" {
		refuse("match.service_tier: needs match.op create")
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

// occasion is what a rule may match.
type occasion struct {
	op       string
	project  string
	tier     string // that a create asks for
	metadata metadata
}

// choose returns the action for an occasion, or nil.
func (s *faultSet) choose(o occasion) *FaultAction {
	for _, rule := range s.rules {
		if action := rule.choose(o); action != nil {
			return action
		}
	}
	return nil
}

// liveRule is a rule with its counters.
type liveRule struct {
	FaultRule
	seed uint64
	seen atomic.Uint64 // occasions that matched
	hits atomic.Uint64 // occasions that met the fault
}

// matches reports whether the rule is about the occasion at all.
func (r *liveRule) matches(o occasion) bool {
	match := &r.Match
	switch {
	case match.Op != o.op && (match.Op != "" || o.op == opWebhook),
		match.Project != "" && match.Project != o.project,
		match.ServiceTier != "" && match.ServiceTier != o.tier,
		match.Attempt != 0 && o.metadata.value(metadataAttempt) != strconv.Itoa(match.Attempt),
		!o.metadata.matches(match.Metadata):
		return false
	}
	return o.op == opCreate || o.op == opWebhook || o.op == opBatch && r.Action.Expire > 0 || r.Action.shapesAnswer()
}

func (r *liveRule) choose(o occasion) *FaultAction {
	match := &r.Match
	if !r.matches(o) {
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
	streamStall    int
	streamRefuse   bool
	later          *liveRule // from the request's metadata; nil if the plan alone decides
}
