package results

import (
	"math"
	"sync"
	"time"
)

// How long a set goes unasked that is known to hold nothing due: what another
// process put into it is told by a message, which may be lost, or not come at all.
const (
	patience        = 2 * time.Second
	patienceUnheard = 250 * time.Millisecond
)

// horizon remembers for the sets of times when their next entry is due, so that
// a worker with nothing to do asks Redis for nothing. It knows what the server
// said last, what this process has written since, and what others have told; see
// [Store.Listen]. It errs on the side of asking.
type horizon struct {
	mu sync.Mutex
	// listening says that others are listened to, noticed that they can be heard.
	// Without the first, nothing is remembered and every set is asked every time.
	listening, noticed bool
	sets               map[string]*sight
	// waits are the times after which a set is asked all the same, while others
	// can be heard and while they cannot.
	heard, unheard time.Duration
}

func (h *horizon) init() { h.heard, h.unheard = patience, patienceUnheard }

// sight is what is known of one set, in milliseconds by Redis' clock.
type sight struct {
	next  int64 // when the next entry is due
	lower int64 // the lowest written since the set was asked last
	asked int64
	// full says that more could be had, and not now; freed that something has
	// gone since the set was asked last, so that now might do.
	full, freed bool
}

// never is later than any time.
const never = math.MaxInt64

// due reports whether at least one of the sets may hold something due, and expects
// that all of them are asked now if so.
func (h *horizon) due(keys []string, now time.Time) bool {
	h.mu.Lock()
	defer h.mu.Unlock()
	if !h.listening {
		return true
	}
	wait := h.unheard
	if h.noticed {
		wait = h.heard
	}
	at, ask := ms(now), false
	for _, key := range keys {
		s := h.sets[key]
		if s == nil {
			s = &sight{}
			h.sets[key] = s
		}
		ask = ask || s.next <= at || at-s.asked >= wait.Milliseconds()
	}
	if ask {
		for _, key := range keys {
			s := h.sets[key]
			s.asked, s.lower, s.freed = at, never, false
		}
	}
	return ask
}

// learn takes over the server's answer. What was written while it was on its way
// may not be in it.
func (h *horizon) learn(key string, next int64) {
	h.mu.Lock()
	defer h.mu.Unlock()
	if s := h.sets[key]; s != nil {
		s.next, s.full = min(next, s.lower), false
	}
}

// learnFull notes that there is more, which waits until something has gone.
func (h *horizon) learnFull(key string) {
	h.mu.Lock()
	defer h.mu.Unlock()
	s := h.sets[key]
	if s == nil {
		return
	}
	s.next, s.full = never, true
	if s.freed {
		s.next = 0
	}
}

// gone notes that something has gone from where more waits.
func (h *horizon) gone(key string) {
	h.mu.Lock()
	defer h.mu.Unlock()
	s := h.sets[key]
	if s == nil {
		return
	}
	s.freed = true
	if s.full {
		s.next = 0
	}
}

// written notes that an entry was put into a set.
func (h *horizon) written(key string, at int64) {
	h.mu.Lock()
	defer h.mu.Unlock()
	if s := h.sets[key]; s != nil {
		s.next, s.lower = min(s.next, at), min(s.lower, at)
	}
}

// listen says whether others are listened to and can be heard. Nothing that was
// known before is believed after it: a message may have been missed.
func (h *horizon) listen(listening, noticed bool) {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.listening, h.noticed = listening, noticed
	h.sets = make(map[string]*sight)
}
