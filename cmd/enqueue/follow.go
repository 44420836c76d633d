package main

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"iter"
	"slices"
	"sync"
	"time"

	"github.com/longhaul-jobs/longhaul/client"
	"github.com/longhaul-jobs/longhaul/jobs"
	"github.com/longhaul-jobs/longhaul/results"
)

// Bounds of what following many jobs asks of Redis.
const (
	// readers is how many records are read at once.
	readers = 16
	// glance is how many records one pass reads at most.
	glance = 512
	// shortPause and longPause are the waits between two passes.
	shortPause, longPause = 50 * time.Millisecond, 500 * time.Millisecond
	// whyEvery is how often it is asked why nothing happens.
	whyEvery = 3 * time.Second
)

// reader is what following needs of a client; its methods are those of
// [client.Client].
type reader interface {
	Get(ctx context.Context, id jobs.ID) (jobs.Job, error)
	Counts(ctx context.Context, group string) (results.Counts, error)
	Why(ctx context.Context, j jobs.Job) (string, error)
}

// follower follows jobs to their ends.
//
// Jobs end roughly in the order in which they came, so each pass reads the
// oldest open ones, and beside them some others in turn, for those that do not.
// While the group's counts say that none has ended, a pass reads next to nothing.
// The counts only save reads: that a job has ended is known from its own record.
type follower struct {
	jobs     reader
	account  *account
	patience time.Duration
	// group, if not empty, is the group of all members. Others may share it.
	group string
	// leaveHeld ends the run when all that is left is held for a person. Held
	// members are then counted as such; without it they are waited for.
	leaveHeld bool
	// advise, if not nil, says what a person can do about a job that is held or
	// has not succeeded, "" for nothing.
	advise func(j jobs.Job) string
	// onEnd, if not nil, is called once for each ended job, and for each held one
	// that is left, one at a time, before it is counted. A failure that it returns makes the member one that failed,
	// whatever became of its job; an error ends the run.
	onEnd func(ctx context.Context, m *member, j jobs.Job) (*jobs.Failure, error)

	// mu guards what follows.
	mu       sync.Mutex
	open     []*member // in the order in which they came
	added    int
	closed   bool
	counts   results.Counts       // of the group, nil when they are not all ours
	held     map[jobs.ID]jobs.Job // what is held of jobs that have parts, by these jobs
	note     string               // why nothing happens
	lost     string               // of requests whose creates' answers were lost, while that is waited for
	outage   string               // that Redis is away
	heldTurn int                  // where [follower.findHeld] goes on

	// Only run uses these.
	turn  int // where the next members in turn begin
	asked time.Time
}

// add has a job followed.
func (f *follower) add(m *member) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.open = append(f.open, m)
	f.added++
}

// close says that no more jobs will be added.
func (f *follower) close() {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.closed = true
}

// run blocks until it is closed and all jobs have ended, or returns the cause of
// ctx's end.
func (f *follower) run(ctx context.Context) error {
	f.asked = time.Now()
	for pause := shortPause; ; {
		ended, more, err := f.pass(ctx)
		switch {
		case err != nil:
			return err
		case !more:
			return nil
		case ended > glance/4:
			pause = 0 // there are most likely more of them
		case ended > 0:
			pause = shortPause
		default:
			pause = min(max(pause, shortPause)*3/2, longPause)
		}
		if err := sleep(ctx, pause); err != nil {
			return err
		}
	}
}

// pass reads some open members and returns how many have ended, and whether
// there are or will be more.
func (f *follower) pass(ctx context.Context) (ended int, more bool, err error) {
	hidden, err := f.count(ctx)
	if err != nil {
		return 0, false, err
	}
	members := f.choose(hidden)
	read, ended, err := f.look(ctx, members)
	if err != nil {
		return 0, false, err
	}
	f.explain(ctx, members, read, ended)
	if f.leaveHeld {
		if err := f.leave(ctx); err != nil {
			return 0, false, err
		}
	}
	f.mu.Lock()
	defer f.mu.Unlock()
	return ended, len(f.open) > 0 || !f.closed, nil
}

// look reads members, and ends those whose jobs have ended or are gone.
func (f *follower) look(ctx context.Context, members []*member) (read []jobs.Job, ended int, err error) {
	if read, err = f.read(ctx, members); err != nil {
		return nil, 0, err
	}
	for i, m := range members {
		f.observe(m, read[i])
	}
	ended, err = f.finish(ctx, members, read, func(j jobs.Job) bool { return j.ID == "" || j.State.Terminal() })
	return read, ended, err
}

// leave ends the following of held jobs when there are no others. All of them
// are read once more: one that a person has taken up is waited for.
func (f *follower) leave(ctx context.Context) error {
	held := f.onlyHeld()
	if len(held) == 0 {
		return nil
	}
	read, _, err := f.look(ctx, held)
	if err != nil {
		return err
	}
	if len(f.onlyHeld()) != len(held) {
		return nil
	}
	_, err = f.finish(ctx, held, read, func(jobs.Job) bool { return true })
	f.mu.Lock()
	defer f.mu.Unlock()
	f.counts, f.note = nil, ""
	return err
}

// onlyHeld returns the open members if all of them are held and no others will
// come, none else.
func (f *follower) onlyHeld() []*member {
	f.mu.Lock()
	defer f.mu.Unlock()
	if !f.closed || slices.ContainsFunc(f.open, func(m *member) bool { return !m.held }) {
		return nil
	}
	return slices.Clone(f.open)
}

// noJob is what is said of an id without a job. It has no class: those are of attempts, and
// lost means one that was paid for.
const (
	codeNoJob = "no_such_job"
	noJob     = "there is no such job, or no longer"
)

// observe takes over what was read of a job, a zero record if it is gone.
func (f *follower) observe(m *member, j jobs.Job) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if j.ID == "" {
		m.state, m.failure = jobs.StateFailed, &jobs.Failure{Code: codeNoJob, Message: noJob}
		return
	}
	m.observe(j)
	if part, held := f.held[j.ID]; held && !j.State.Terminal() {
		m.held, m.state, j = true, jobs.StateUncertain, part
	}
	if f.advise != nil {
		m.advice = f.advise(j)
	}
}

// partReader is what finding held parts needs of a client.
type partReader interface {
	Parts(ctx context.Context, parent jobs.ID) iter.Seq2[client.Part, error]
}

// unfinished are the members that have not ended, as they were seen last.
func (f *follower) unfinished() []member {
	f.mu.Lock()
	defer f.mu.Unlock()
	open := make([]member, len(f.open))
	for i, m := range f.open {
		open[i] = *m
	}
	return open
}

// findHeld looks for open members that wait for a part which is held for a person, and
// for nothing else. It looks at a bounded number of them. That it cannot is no failure:
// it is done again.
func (f *follower) findHeld(ctx context.Context, from partReader) {
	const most = 64
	for _, id := range f.openIDs(most) {
		var held jobs.Job
		open := false
		for part, err := range from.Parts(ctx, id) {
			switch {
			case err != nil:
				return
			case part.Job.Held():
				held = part.Job
			case !part.Job.State.Terminal():
				open = true
			}
		}
		f.hold(id, held, held.ID != "" && !open)
	}
}

// openIDs are those of some open members, in turn.
func (f *follower) openIDs(most int) []jobs.ID {
	f.mu.Lock()
	defer f.mu.Unlock()
	var ids []jobs.ID
	for i := range f.open {
		if m := f.open[(f.heldTurn+i)%len(f.open)]; len(ids) < most {
			ids = append(ids, m.id)
		}
	}
	f.heldTurn += len(ids)
	return ids
}

func (f *follower) hold(id jobs.ID, part jobs.Job, held bool) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if !held {
		delete(f.held, id)
		return
	}
	if f.held == nil {
		f.held = make(map[jobs.ID]jobs.Job)
	}
	f.held[id] = part
}

// finish ends members whose jobs are over, and returns how many. Those are open no more,
// also if one that comes later fails.
func (f *follower) finish(ctx context.Context, members []*member, read []jobs.Job, over func(jobs.Job) bool) (int, error) {
	ended := make(map[*member]bool)
	var err error
	for i, m := range members {
		if !over(read[i]) {
			continue
		}
		if err = f.end(ctx, m, read[i]); err != nil {
			break
		}
		ended[m] = true
	}
	f.mu.Lock()
	defer f.mu.Unlock()
	f.open = slices.DeleteFunc(f.open, func(m *member) bool { return ended[m] })
	return len(ended), err
}

func (f *follower) end(ctx context.Context, m *member, j jobs.Job) error {
	if f.onEnd != nil && j.ID != "" {
		failed, err := f.onEnd(ctx, m, j)
		if err != nil {
			return err
		}
		if failed != nil {
			f.mu.Lock()
			m.state, m.failure = jobs.StateFailed, failed
			f.mu.Unlock()
		}
	}
	f.account.end(m)
	return nil
}

// charge puts down what a member has cost, also before the command began, and what a person can do about it unless
// that is known.
func (f *follower) charge(m *member, usage jobs.Usage, sum spent, before earlier, advice string) {
	f.mu.Lock()
	defer f.mu.Unlock()
	m.usage, m.spent, m.past = usage, sum, &before
	m.advice = cmp.Or(m.advice, advice)
}

// count asks for the group's counts. It returns how many members have ended, or
// were held, unseen, or -1 if the counts cannot tell.
func (f *follower) count(ctx context.Context) (int, error) {
	if f.group == "" || !f.complete() {
		return -1, nil
	}
	var counts results.Counts
	err := f.patiently(ctx, func() (err error) {
		counts, err = f.jobs.Counts(ctx, f.group)
		return err
	})
	if err != nil {
		return 0, err
	}
	f.mu.Lock()
	defer f.mu.Unlock()
	f.counts = nil
	if int(counts.Total()) != f.added {
		return -1, nil // others share the group
	}
	f.counts = counts
	// A job that waits for the provider's word is held later without a change of
	// its state: it is read once its time has come.
	held, now := int(counts[jobs.StateUncertain]), time.Now()
	for _, m := range f.open {
		if m.state == jobs.StateUncertain && (m.held || now.Before(m.decideAt)) {
			held--
		}
	}
	return max(int(counts.Ended())-(f.added-len(f.open)), 0) + max(held, 0), nil
}

// complete reports whether all members are there. Until then a total that equals
// theirs says nothing: it may be others that make it up.
func (f *follower) complete() bool {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.closed
}

// choose returns the members to read in this pass.
func (f *follower) choose(hidden int) []*member {
	f.mu.Lock()
	defer f.mu.Unlock()
	most := glance
	if hidden == 0 {
		most = readers // for what keeps them from going on
	}
	front := min(len(f.open), most/2)
	chosen := slices.Clone(f.open[:front])
	rest := f.open[front:]
	if len(rest) == 0 {
		return chosen
	}
	if f.turn >= len(rest) {
		f.turn = 0
	}
	in := rest[f.turn:min(f.turn+most/2, len(rest))]
	f.turn += len(in)
	return append(chosen, in...)
}

// read reads the records of members, a zero one for a job that is gone.
func (f *follower) read(ctx context.Context, members []*member) ([]jobs.Job, error) {
	found := make([]jobs.Job, len(members))
	err := inParallel(ctx, readers, len(members), func(ctx context.Context, i int) error {
		return f.patiently(ctx, func() error {
			j, err := f.jobs.Get(ctx, members[i].id)
			if errors.Is(err, results.ErrNotFound) {
				return nil
			}
			found[i] = j
			return err
		})
	})
	return found, err
}

// explain looks for what keeps jobs from going on: a failure that the account
// has to heal, a held job, or, if nothing has ended for a while, what the first
// waiting one of those just read waits for.
func (f *follower) explain(ctx context.Context, members []*member, read []jobs.Job, ended int) {
	note := f.obstacle()
	waiting := slices.IndexFunc(read, func(j jobs.Job) bool { return j.State == jobs.StateWaiting })
	switch {
	case note != "" || ended > 0 || waiting < 0:
		f.asked = time.Now()
	case time.Since(f.asked) < whyEvery:
		return // what was said last still holds
	default:
		f.asked = time.Now()
		why, err := f.jobs.Why(ctx, read[waiting])
		if err != nil {
			return // it is a remark; the next pass meets what is wrong
		}
		note = fmt.Sprintf("%s waits for %s", members[waiting].name, why)
	}
	f.mu.Lock()
	defer f.mu.Unlock()
	f.note = note
}

// obstacle is what keeps an open member from going on, as far as its record
// tells, "" if none is kept.
func (f *follower) obstacle() string {
	f.mu.Lock()
	defer f.mu.Unlock()
	note := ""
	for _, m := range f.open {
		switch {
		case m.state == jobs.StateWaiting && m.failure != nil && m.failure.Class.Verdict().Action == jobs.ActionWait:
			return fmt.Sprintf("%s waits after %s", m.name, m.failure) // and most likely all others do
		case m.held && note == "":
			note = m.name + " is " + m.failed().Message
		case m.state == jobs.StateUncertain && note == "":
			note = awaits(m.name, m.why, m.advice)
		}
	}
	return cmp.Or(note, f.lost)
}

// awaits says of what has a name that the provider's word is waited for, and what a person
// can do.
func awaits(name, why, advice string) string {
	if advice == "" {
		return name + ": " + why
	}
	return name + ": " + why + "; " + advice
}

// lose takes over what is known of lost answers, "" for nothing.
func (f *follower) lose(note string) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.lost = note
}

// patiently does something with Redis, and shows it if Redis is away.
func (f *follower) patiently(ctx context.Context, op func() error) error {
	tell := func(outage string) {
		f.mu.Lock()
		defer f.mu.Unlock()
		f.outage = outage
	}
	away := false
	err := patiently(ctx, f.patience, func(err error) {
		away = true
		tell(outage(err))
	}, op)
	if away {
		tell("")
	}
	return err
}

// standing is how far the open members have come.
type standing struct {
	states map[jobs.State]int
	// only is the single member of a run that has no other, nil else.
	only *member
	note string
}

func (f *follower) standing() standing {
	f.mu.Lock()
	defer f.mu.Unlock()
	s := standing{states: make(map[jobs.State]int), note: f.note}
	if f.outage != "" {
		s.note = f.outage
	}
	for _, m := range f.open {
		if !m.across {
			s.states[m.state]++
		}
	}
	if f.counts != nil {
		for _, state := range jobs.States() {
			if !state.Terminal() {
				s.states[state] = int(f.counts[state])
			}
		}
	}
	if f.closed && f.added == 1 && len(f.open) == 1 {
		m := *f.open[0]
		s.only = &m
	}
	return s
}
