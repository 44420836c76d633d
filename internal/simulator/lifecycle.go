package simulator

import (
	"math"
	"strconv"
	"time"
)

// Status is where a response stands.
type Status string

// The statuses of a response; the last four are final.
const (
	StatusQueued     Status = "queued"
	StatusInProgress Status = "in_progress"
	StatusCompleted  Status = "completed"
	StatusFailed     Status = "failed"
	StatusIncomplete Status = "incomplete"
	StatusCancelled  Status = "cancelled"
)

// Terminal reports whether a response in this status has ended.
func (s Status) Terminal() bool { return s != StatusQueued && s != StatusInProgress }

// never is the time, in Unix nanoseconds, of what does not happen.
const never = math.MaxInt64

// life holds the times, in Unix nanoseconds, that decide where a response stands. It changes
// only when the response is cancelled.
//
//	created ── queued ──► runs ── in_progress ──► ends ──► outcome
//	                └────── cancelled (any time before ends) ─────►
type life struct {
	created   int64
	runs      int64
	ends      int64
	cancelled int64  // 0 if it was not
	outcome   Status // completed, failed or incomplete
}

// newLife plans the life of a response that is created now.
func newLife(now time.Time, queued, running time.Duration, outcome Status) life {
	created := now.UnixNano()
	runs := created + int64(queued)
	return life{created: created, runs: runs, ends: runs + int64(running), outcome: outcome}
}

// status tells where the response stands at the given time.
func (l *life) status(now int64) Status {
	switch {
	case l.cancelled != 0:
		return StatusCancelled
	case now >= l.ends:
		return l.outcome
	case now >= l.runs:
		return StatusInProgress
	}
	return StatusQueued
}

// ended returns when the response ended, or 0 if it has not by the given time.
func (l *life) ended(now int64) int64 {
	switch {
	case l.cancelled != 0:
		return l.cancelled
	case now >= l.ends:
		return l.ends
	}
	return 0
}

// cancel ends the response at the given time unless it has ended before.
func (l *life) cancel(now int64) bool {
	if l.status(now).Terminal() {
		return false
	}
	l.cancelled = now
	return true
}

// jittered varies d by up to the fraction of it, as the response's id decides.
func jittered(d time.Duration, fraction float64, id string) time.Duration {
	if fraction == 0 || d == 0 {
		return d
	}
	digits := id[len(id)-8:]
	n, err := strconv.ParseUint(digits, 16, 32)
	if err != nil {
		return d
	}
	at := 2*float64(n)/float64(math.MaxUint32) - 1 // from -1 to 1
	return d + time.Duration(at*fraction*float64(d))
}
