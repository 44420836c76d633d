package results

import (
	"context"
	"fmt"
	"sync"

	"github.com/redis/go-redis/v9"

	"github.com/longhaul-jobs/longhaul/jobs"
)

// The extent of one [Store.Audit]: pages of this many jobs from each list of a
// shard. A small installation is gone through at once; in one with a million
// waiting jobs an audit stays as short as in any other.
const (
	auditPage  = 500
	auditPages = 4
)

// audit remembers, for each list, where the next audit goes on. The mutex keeps
// two audits of one process from going over the same ground.
type audit struct {
	mu   sync.Mutex
	next map[string]int
}

// audited are the lists whose jobs are owed something.
func audited() []string {
	return []string{
		string(jobs.StateWaiting), string(jobs.StateSubmitting), string(jobs.StateRunning),
		string(jobs.StateUncertain), "owing",
	}
}

// Audit compares the jobs that are owed something with the due and waiting
// sets, and puts back what is missing. It looks at no more than 2,000 jobs of
// each list in each shard and goes on from there the next time, so that its cost
// does not grow with the backlog. It returns how many entries it repaired; more
// than none means that something outside Longhaul has touched its keys.
func (s *Store) Audit(ctx context.Context) (int, error) {
	s.audit.mu.Lock()
	defer s.audit.mu.Unlock()
	if s.audit.next == nil {
		s.audit.next = make(map[string]int)
	}
	repaired := 0
	for _, list := range audited() {
		for range auditPages {
			n, more, err := s.auditPage(ctx, list, s.audit.next[list])
			repaired += n
			if err != nil {
				return repaired, fmt.Errorf("audit %s jobs: %w", list, err)
			}
			if !more {
				s.audit.next[list] = 0
				break
			}
			s.audit.next[list] += auditPage
		}
	}
	return repaired, nil
}

// auditPage audits one page of a list in every shard, and reports whether any
// shard has more.
func (s *Store) auditPage(ctx context.Context, list string, first int) (repaired int, more bool, err error) {
	err = s.everywhere(ctx, s.scripts.audit, []any{list, first, auditPage, even(s.Now())}, func(answer *redis.Cmd) error {
		counts, err := answer.Int64Slice()
		if err != nil {
			return err
		}
		more = more || counts[0] == auditPage
		repaired += int(counts[1])
		return nil
	})
	return repaired, more, err
}
