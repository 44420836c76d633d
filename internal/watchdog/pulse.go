package watchdog

import (
	"sync"
	"time"
)

// pulse remembers how this worker's own heartbeats went, to tell a worker that
// is silent from a Redis that was away: while it is, the words of all workers
// run out, and the first to find Redis again must not take the others for dead
// before they had the time to speak. Their creates would be repeated.
type pulse struct {
	late      time.Duration // the pause after which a heartbeat is late
	deadAfter time.Duration

	mu    sync.Mutex // keeps the two times of one heartbeat together
	last  time.Time
	since time.Time // since when no heartbeat was late
}

func newPulse(c Config) *pulse {
	return &pulse{late: max(c.DeadAfter/2, c.Heartbeat*3/2), deadAfter: c.DeadAfter}
}

// beat notes a heartbeat that was written.
func (p *pulse) beat() {
	p.mu.Lock()
	defer p.mu.Unlock()
	now := time.Now()
	if now.Sub(p.last) > p.late {
		p.since = now
	}
	p.last = now
}

// steady reports whether heartbeats have been written for as long as a silent
// worker is believed to live.
func (p *pulse) steady() bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	return time.Since(p.last) <= p.late && time.Since(p.since) >= p.deadAfter
}
