package results

import (
	"context"
	"fmt"
	"strconv"
	"time"

	"github.com/longhaul-jobs/longhaul/jobs"
)

// A lease ends in an odd millisecond, and everything else is due in an even one:
// so a claim can tell a look that was planned from one that a worker has claimed
// and never put back, at no cost to those that are.

// leasedUntil is the score of what is claimed now.
func leasedUntil(now time.Time, lease time.Duration) int64 {
	return ms(now.Add(max(lease, time.Millisecond))) | 1
}

// even is a time as the score of what is due then.
func even(t time.Time) int64 { return ms(t) &^ 1 }

// dueScore is a time as the score of what is due then, "" for the zero time: no
// entry.
func dueScore(t time.Time) string {
	if t.IsZero() {
		return ""
	}
	return strconv.FormatInt(even(t), 10)
}

// LookAlone notes that the worker is about to look at a claimed job and at nothing
// else, and reports whether the job is still as it was claimed. The note goes when
// the job is put back or moves on: one that a later claim finds tells of a worker
// that did neither.
func (s *Store) LookAlone(ctx context.Context, j jobs.Job, worker string) (bool, error) {
	base, err := s.home(j.ID)
	if err != nil {
		return false, err
	}
	n, err := s.run(ctx, s.scripts.alone, base, string(j.ID), j.Version, worker).Int()
	if err != nil {
		return false, fmt.Errorf("note that %s is looked at alone: %w", j.ID, err)
	}
	return n == 1, nil
}
