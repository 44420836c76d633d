package poller

import (
	"sync"
	"time"
)

const (
	// enoughMissed is how many ends in a row must come without a word before the
	// provider's word is no longer waited for, and distrust is for how long.
	enoughMissed = 3
	distrust     = 10 * time.Minute
)

// Announcements is what is known of whether the provider tells the ends of an
// endpoint's responses by itself, in webhooks: while it does, looks are only a
// safety net. It is safe for concurrent use; nil expects nothing.
type Announcements struct {
	mu     sync.Mutex // keeps the two together
	missed int        // ends in a row that no word had come of
	until  time.Time  // no word is expected before
}

// Heard says that the provider's word has come.
func (a *Announcements) Heard() {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.missed, a.until = 0, time.Time{}
}

// Expected reports whether looks can wait for the provider's word.
func (a *Announcements) Expected() bool {
	if a == nil {
		return false
	}
	a.mu.Lock()
	defer a.mu.Unlock()
	return !time.Now().Before(a.until)
}

// miss says that a look has found an end that no word had come of. Several in a
// row mean that none comes: the address is wrong, or a proxy turns it away.
func (a *Announcements) miss() {
	a.mu.Lock()
	defer a.mu.Unlock()
	if a.missed++; a.missed >= enoughMissed {
		a.missed, a.until = 0, time.Now().Add(distrust)
	}
}
