package results

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/redis/go-redis/v9"

	"github.com/longhaul-jobs/longhaul/jobs"
)

// EndpointUse is what is known of an endpoint across the installation.
type EndpointUse struct {
	Name string
	// Served says that some living worker serves it.
	Served bool
	// Running is how many of its responses are watched, or would be if it were
	// served.
	Running int64
}

// Endpoints returns the endpoints that some worker has ever served or that a
// running response belongs to, in the order of their names.
func (s *Store) Endpoints(ctx context.Context) ([]EndpointUse, error) {
	uses, err := s.listed(ctx)
	if err != nil {
		return nil, err
	}
	sizes := make([]*redis.IntCmd, 0, len(uses)*s.shards)
	_, err = s.rdb.Pipelined(ctx, func(p redis.Pipeliner) error {
		for _, use := range uses {
			for shard := range s.shards {
				sizes = append(sizes, p.ZCard(ctx, s.base(shard).looks(use.Name)))
			}
		}
		return nil
	})
	if err != nil {
		return nil, fmt.Errorf("count responses of endpoints: %w", err)
	}
	for i, size := range sizes {
		uses[i/s.shards].Running += size.Val()
	}
	return uses, nil
}

// Served reports whether some living worker serves an endpoint.
func (s *Store) Served(ctx context.Context, endpoint string) (bool, error) {
	until, err := s.rdb.ZScore(ctx, s.endpointsKey(), endpoint).Result()
	if errors.Is(err, redis.Nil) {
		return false, nil
	}
	if err != nil {
		return false, fmt.Errorf("read endpoint %s: %w", endpoint, err)
	}
	return until >= float64(ms(s.Now())), nil
}

// listed are the endpoints without the numbers of their responses.
func (s *Store) listed(ctx context.Context) ([]EndpointUse, error) {
	list, err := s.rdb.ZRangeWithScores(ctx, s.endpointsKey(), 0, -1).Result()
	if err != nil {
		return nil, fmt.Errorf("read endpoints: %w", err)
	}
	now := float64(ms(s.Now()))
	uses := make([]EndpointUse, 0, len(list))
	for _, z := range list {
		name, _ := z.Member.(string)
		uses = append(uses, EndpointUse{Name: name, Served: z.Score >= now})
	}
	slices.SortFunc(uses, func(a, b EndpointUse) int { return strings.Compare(a.Name, b.Name) })
	return uses, nil
}

// note puts the endpoint of a running job into the list of all endpoints, if
// this process has not done so. Workers put in what they serve with each
// heartbeat; a response can be of another, one that was adopted for instance.
func (s *Store) note(ctx context.Context, endpoint string) {
	if _, done := s.noted.Load(endpoint); done {
		return
	}
	// Nothing depends on it now, least of all what is about to be recorded.
	if err := s.rdb.ZAddNX(ctx, s.endpointsKey(), redis.Z{Member: endpoint}).Err(); err == nil {
		s.noted.Store(endpoint, true)
	}
}

// The extent of one [Store.ClaimUnserved]: pages of this many looks from each
// shard, for each endpoint that nobody serves.
const (
	latePage  = 500
	latePages = 4
)

// late remembers, for each set of what nobody may come for, where the next sweep goes on. The mutex
// keeps two sweeps of one process from going over the same ground.
type late struct {
	mu   sync.Mutex
	next map[string]int
}

// ClaimUnserved takes, of the running jobs whose endpoint no living worker
// serves, those that have to end all the same: their deadline has passed, or
// they are to stop. It leases them like [Store.ClaimLooks] and leaves the others
// as they are, for a worker that serves their endpoint. It goes through no more
// than 2,000 jobs of an endpoint in each shard, and on from there the next time.
func (s *Store) ClaimUnserved(ctx context.Context, lease time.Duration) ([]jobs.Job, error) {
	s.late.mu.Lock()
	defer s.late.mu.Unlock()
	uses, err := s.Endpoints(ctx)
	if err != nil {
		return nil, err
	}
	var found []jobs.Job
	for _, use := range uses {
		if use.Served || use.Running == 0 {
			delete(s.late.next, looksSet(use.Name))
			continue
		}
		if found, err = s.claimLate(ctx, found, looksSet(use.Name), lease); err != nil {
			return found, fmt.Errorf("claim late jobs of endpoint %s: %w", use.Name, err)
		}
	}
	return found, nil
}

// claimLate appends those of a set's jobs that have to end, of latePages pages at most and
// on from there the next time. The mutex of late must be held.
func (s *Store) claimLate(ctx context.Context, found []jobs.Job, set string, lease time.Duration) ([]jobs.Job, error) {
	if s.late.next == nil {
		s.late.next = make(map[string]int)
	}
	for range latePages {
		first := s.late.next[set]
		var more bool
		var err error
		if found, more, err = s.latePage(ctx, found, set, first, lease); err != nil {
			return found, err
		}
		if !more {
			s.late.next[set] = 0
			break
		}
		s.late.next[set] = first + latePage
	}
	return found, nil
}

// latePage appends what there is to claim in one page of every shard, and
// reports whether any shard has more. What is claimed leaves its page, so that
// as many others move up and are passed over until the next time round.
func (s *Store) latePage(ctx context.Context, found []jobs.Job, set string, first int, lease time.Duration) (_ []jobs.Job, more bool, err error) {
	args := append(s.leaseArgs(s.Now(), lease), set, first, latePage)
	err = s.everywhere(ctx, s.scripts.late, args, func(answer *redis.Cmd) error {
		flat, err := answer.Slice()
		if err != nil {
			return err
		}
		last := len(flat) - 1
		looked, _ := flat[last].(int64)
		more = more || looked == latePage
		found = s.claimed(ctx, found, flat[0], flat[1:last])
		return nil
	})
	return found, more, err
}
