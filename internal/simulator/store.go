package simulator

import (
	"sync"
	"time"
)

// Bounds on the input that is kept for listing input items.
const (
	keptInput        = 16 << 10  // bytes of one response's input that are kept as they are
	keptInputPressed = 512       // the same once all inputs together exceed inputBudget
	inputBudget      = 256 << 20 // bytes
)

// store knows the responses and the ledger.
type store struct {
	retention int // responses
	capacity  int // ledger entries

	// mu guards everything below, and of the records and entries what can change.
	mu         sync.Mutex
	records    map[string]*record
	order      queue // of the records, by age; deleted ones leave it late
	inputBytes int
	entries    []*entry
	totals     Totals
}

func newStore(retention int) *store {
	return &store{retention: retention, capacity: defaultCapacity, records: make(map[string]*record)}
}

// add accepts a response: from here on it exists and is paid for, whatever becomes of the
// answer.
func (s *store) add(r *record, now time.Time) {
	at := now.UnixNano()
	s.mu.Lock()
	defer s.mu.Unlock()
	s.enterLocked(r.entry, at)
	s.records[r.id] = r
	s.order.push(r)
	s.inputBytes += len(r.input)
	s.evictLocked(at)
}

// enter puts what is going to be paid for without being retrievable into the ledger.
func (s *store) enter(entries []*entry, now time.Time) {
	at := now.UnixNano()
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, e := range entries {
		s.enterLocked(e, at)
	}
}

// evictLocked forgets old responses that have ended until no more than the retention is left.
// It looks at two per call, so that the cost stays even and one that never ends blocks nothing.
func (s *store) evictLocked(now int64) {
	for range 2 {
		if len(s.records) <= s.retention && s.order.len() <= 2*s.retention {
			return
		}
		r := s.order.pop()
		switch {
		case s.records[r.id] != r: // deleted before
		case r.ended(now) == 0:
			s.order.push(r)
		default:
			s.removeLocked(r)
		}
	}
}

func (s *store) removeLocked(r *record) {
	delete(s.records, r.id)
	s.inputBytes -= len(r.input)
	r.wakeLocked()
}

// keepable returns how many bytes of the next input may be kept.
func (s *store) keepable() int {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.inputBytes > inputBudget {
		return keptInputPressed
	}
	return keptInput
}

// findLocked returns the state of a response unless it is unknown to the project or its time has
// passed.
func (s *store) findLocked(project, id string, now int64) (view, bool) {
	r, ok := s.records[id]
	if !ok || r.project != project {
		return view{}, false
	}
	v := r.viewLocked(now)
	if v.expired(now) {
		return view{}, false
	}
	return v, true
}

// find returns the state of a response of a project.
func (s *store) find(project, id string, now time.Time) (view, bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.findLocked(project, id, now.UnixNano())
}

// poll returns the state of a response for a retrieval, and counts it.
func (s *store) poll(project, id string, now time.Time) (v view, gets int, ok bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	v, ok = s.findLocked(project, id, now.UnixNano())
	if !ok {
		s.totals.PollsUnknown++
		return v, 0, false
	}
	s.totals.Polls++
	v.polls++
	v.polled = now.UnixNano()
	v.gets++
	return v, v.gets, true
}

// cancel ends a response unless it has ended, and returns what it is then. It reports whether
// the response was found, and whether its end now has to be told.
func (s *store) cancel(project, id string, now time.Time) (v view, found, tell bool) {
	at := now.UnixNano()
	s.mu.Lock()
	defer s.mu.Unlock()
	v, found = s.findLocked(project, id, at)
	if !found || !v.background {
		return v, found, false
	}
	s.totals.Cancels++
	v.cancels++
	tell = s.cancelLocked(v.record, at) && v.expected
	return v.viewLocked(at), true, tell
}

// abandon ends a synchronous response whose caller has left.
func (s *store) abandon(r *record, now time.Time) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.cancelLocked(r, now.UnixNano())
}

// cancelLocked reports whether it was this that ended the response.
func (s *store) cancelLocked(r *record, at int64) bool {
	if !r.cancel(at) {
		return false
	}
	r.wakeLocked()
	return true
}

// remove deletes a response.
func (s *store) remove(project, id string, now time.Time) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	v, ok := s.findLocked(project, id, now.UnixNano())
	if !ok {
		return false
	}
	s.totals.Deletes++
	v.deleted = true
	s.cancelLocked(v.record, now.UnixNano())
	s.removeLocked(v.record)
	return true
}

// forget drops a response as if its time had passed. One that has not ended goes on to its end.
func (s *store) forget(id string) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	r, ok := s.records[id]
	if ok {
		s.removeLocked(r)
	}
	return ok
}

// lose notes that the answer to an accepted create was withheld.
func (s *store) lose(r *record) {
	s.mu.Lock()
	defer s.mu.Unlock()
	r.lost = true
	s.totals.AnswersLost++
}

// watch returns the state of a record and a channel that is closed when it is cancelled or
// deleted.
func (s *store) watch(r *record, now time.Time) (view, <-chan struct{}) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if r.changed == nil {
		r.changed = make(chan struct{})
	}
	return r.viewLocked(now.UnixNano()), r.changed
}

// queue is a first-in-first-out queue of records that reuses its memory.
type queue struct {
	items []*record
	head  int
}

func (q *queue) len() int { return len(q.items) - q.head }

func (q *queue) push(r *record) { q.items = append(q.items, r) }

// pop removes the oldest record; the queue must not be empty.
func (q *queue) pop() *record {
	r := q.items[q.head]
	q.items[q.head] = nil
	q.head++
	if q.head > 1024 && q.head*2 > len(q.items) {
		n := copy(q.items, q.items[q.head:])
		clear(q.items[n:])
		q.items, q.head = q.items[:n], 0
	}
	return r
}
