package main

import (
	"cmp"
	"slices"
	"sync"
	"time"

	"github.com/longhaul-jobs/longhaul/jobs"
)

// account is what became of the members of a run: the lines of a batch, the
// documents of a summary, or jobs that are waited for. The summary over all documents is
// none of them: what it cost and why it failed counts, and how it stands is told apart. It
// may be used by several goroutines.
type account struct {
	started time.Time

	// mu guards what follows.
	mu       sync.Mutex
	total    int
	skipped  int
	alone    int
	shared   int
	states   map[jobs.State]int // of members that have ended
	across   jobs.State         // of the summary over all documents, "" without one
	usage    jobs.Usage
	earlier  jobs.Usage // of that, what was used before the run began
	spent    spent      // its known and unknown are jobs
	before   spent      // what of that was before the run began
	unknown  reasons
	failures []failure
	seen     int // how many of them a display has dealt with
	// late counts members that ended after the run began, for its rate.
	late int
}

// failure is a member that has not succeeded.
type failure struct {
	// order is the member's place in the input.
	order  int
	across bool       // it is the summary over all documents
	Name   string     `json:"name"`
	JobID  jobs.ID    `json:"job_id,omitempty"`
	State  jobs.State `json:"state"`
	// Class is empty when the state says it all.
	Class   jobs.Class `json:"class,omitempty"`
	Code    string     `json:"code,omitempty"`
	Message string     `json:"message"`
	told    bool       // while the run went on
}

func newAccount(now time.Time) *account {
	return &account{started: now, states: make(map[jobs.State]int), unknown: reasons{}}
}

// expect adds members to the total.
func (a *account) expect(n int) {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.total += n
}

// expectAcross says that a summary over all documents is to come.
func (a *account) expectAcross() { a.standAcross(jobs.StateWaiting) }

// standAcross says how the summary over all documents stands.
func (a *account) standAcross(s jobs.State) {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.across = s
}

// skip counts a member for which nothing needs to be done.
func (a *account) skip() {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.skipped++
}

// leaveAlone counts a member that the command was not asked to look at.
func (a *account) leaveAlone() {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.alone++
}

// share counts a member whose job is another run's, which pays for it. It is counted
// with the others as well.
func (a *account) share(m *member) {
	a.mu.Lock()
	defer a.mu.Unlock()
	if !m.across {
		a.shared++
	}
}

// fail counts a member that has no job, or none whose state says what is wrong.
func (a *account) fail(f failure) {
	a.mu.Lock()
	defer a.mu.Unlock()
	f.State = cmp.Or(f.State, jobs.StateFailed)
	a.count(f.State, f.across)
	a.failures = append(a.failures, f)
}

// count counts a member that has ended, or is held. The caller holds mu.
func (a *account) count(s jobs.State, across bool) {
	if across {
		a.across = s
		return
	}
	a.states[s]++
}

// end counts a member by its job, which has ended or is held.
func (a *account) end(m *member) {
	if m.state != jobs.StateSucceeded {
		a.fail(m.failed())
	}
	a.mu.Lock()
	defer a.mu.Unlock()
	if m.state == jobs.StateSucceeded {
		a.count(m.state, m.across)
	}
	a.usage.Add(m.usage)
	a.spent.cost += m.spent.cost
	a.spent.saved += m.spent.saved
	if m.spent.known > 0 {
		a.spent.known++
	}
	if m.spent.unknown > 0 {
		a.spent.unknown++
		a.unknown[m.spent.why]++
	}
	if m.ended.After(a.started) && !m.across {
		a.late++
	}
	before := m.past
	if before == nil && !m.ended.IsZero() && !m.ended.After(a.started) {
		before = &earlier{usage: m.usage, spent: m.spent}
	}
	if before == nil {
		return
	}
	a.earlier.Add(before.usage)
	a.before.cost += before.spent.cost
	if n := before.spent.unknown; n > 0 && n == m.spent.unknown {
		a.before.unknown++ // and nothing of it since
	}
}

// untold returns the failures that were counted since it was called last. The first of
// them, at most some, will be told now; the end tells of the others.
func (a *account) untold(most int) []failure {
	a.mu.Lock()
	defer a.mu.Unlock()
	fresh := a.failures[min(a.seen, len(a.failures)):]
	a.seen = len(a.failures)
	for i := range fresh[:min(most, len(fresh))] {
		fresh[i].told = true
	}
	return slices.Clone(fresh)
}

// allFailures are those so far.
func (a *account) allFailures() []failure {
	a.mu.Lock()
	defer a.mu.Unlock()
	return slices.Clone(a.failures)
}

// lose counts a member as failed that was counted by its job, and whose answer is
// gone. What it has cost stays.
func (a *account) lose(m *member, why *jobs.Failure) {
	a.mu.Lock()
	a.states[m.state]--
	a.failures = slices.DeleteFunc(a.failures, func(f failure) bool { return f.order == m.order })
	a.mu.Unlock()
	m.state, m.failure = jobs.StateFailed, why
	a.fail(m.failed())
}

// totals is an account at one moment.
type totals struct {
	Total      int `json:"total"`
	Succeeded  int `json:"succeeded"`
	Incomplete int `json:"incomplete"`
	Failed     int `json:"failed"`
	Cancelled  int `json:"cancelled"`
	Expired    int `json:"expired"`
	// Held are those that wait for a person, who was not waited for.
	Held    int `json:"held"`
	Skipped int `json:"skipped"`
	// LeftAlone are those that were not looked at, since the command was not asked to.
	LeftAlone int `json:"left_alone,omitempty"`
	// Shared are those of them that another run has paid for, or pays.
	Shared int `json:"shared,omitempty"`
	// Across is the state of the summary over all documents, "" without one. It is not
	// counted with them.
	Across jobs.State `json:"across,omitempty"`
	// Cached and written tokens are among those of the input, reasoning tokens among
	// those of the output.
	InputTokens      int64 `json:"input_tokens"`
	CachedTokens     int64 `json:"cached_tokens"`
	CacheWriteTokens int64 `json:"cache_write_tokens"`
	OutputTokens     int64 `json:"output_tokens"`
	ReasoningTokens  int64 `json:"reasoning_tokens"`
	// What was used before this run began is among those.
	EarlierInputTokens  int64 `json:"earlier_input_tokens,omitempty"`
	EarlierOutputTokens int64 `json:"earlier_output_tokens,omitempty"`
	spending
	Elapsed float64 `json:"elapsed_seconds"`
	// Failures are in the order of the input.
	Failures []failure `json:"failures"`
	late     int
}

// totals returns the account at a time, with the failures if asked.
func (a *account) totals(now time.Time, withFailures bool) totals {
	a.mu.Lock()
	defer a.mu.Unlock()
	t := totals{
		Total: a.total, Skipped: a.skipped, LeftAlone: a.alone, Shared: a.shared, Across: a.across, late: a.late,
		Succeeded: a.states[jobs.StateSucceeded], Incomplete: a.states[jobs.StateIncomplete],
		Failed: a.states[jobs.StateFailed], Cancelled: a.states[jobs.StateCancelled], Expired: a.states[jobs.StateExpired],
		Held:        a.states[jobs.StateUncertain],
		InputTokens: a.usage.InputTokens, CachedTokens: a.usage.CachedTokens, CacheWriteTokens: a.usage.CacheWriteTokens,
		OutputTokens: a.usage.OutputTokens, ReasoningTokens: a.usage.ReasoningTokens,
		EarlierInputTokens: a.earlier.InputTokens, EarlierOutputTokens: a.earlier.OutputTokens,
		Elapsed: now.Sub(a.started).Round(time.Millisecond).Seconds(),
	}
	t.spending = spending{CostUnknown: a.spent.unknown, Saved: a.spent.saved, EarlierCost: a.before.cost, EarlierCostUnknown: a.before.unknown}
	if a.spent.known > 0 || a.spent.unknown == 0 {
		t.Cost = new(a.spent.cost)
	}
	if withFailures {
		t.CostWhy = a.unknown.list()
		t.Failures = slices.SortedStableFunc(slices.Values(a.failures), func(x, y failure) int { return cmp.Compare(x.order, y.order) })
		if t.Failures == nil {
			t.Failures = []failure{} // an empty list in JSON too
		}
	}
	return t
}

// acrossWord is how the summary over all documents stands, for people.
func (t totals) acrossWord() string {
	if t.Across == jobs.StateUncertain {
		return "held"
	}
	return string(t.Across)
}

// done is how many members are over for this run.
func (t totals) done() int {
	return t.Skipped + t.LeftAlone + t.Succeeded + t.Incomplete + t.Failed + t.Cancelled + t.Expired + t.Held
}

// open is how many are not.
func (t totals) open() int { return t.Total - t.done() }

// clean reports whether all members have succeeded or needed nothing, and so has the
// summary over all documents.
func (t totals) clean() bool {
	return t.done() == t.Succeeded+t.Skipped+t.LeftAlone && t.done() == t.Total && (t.Across == "" || t.Across == jobs.StateSucceeded)
}
