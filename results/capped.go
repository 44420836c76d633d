package results

import (
	"cmp"
	"context"
	"fmt"
	"maps"
	"slices"
	"time"

	"github.com/redis/go-redis/v9"

	"github.com/longhaul-jobs/longhaul/jobs"
)

// allowance is where the key of the cap on looks is: until, when all looks that were
// handed out are used up at the rate of the cap, in microseconds since 1970.
func (s *Store) allowance() base { return base(s.config.Prefix + ":{looks}:") }

// burstPart is which part of a second's looks may come at once.
const burstPart = 10

// ClaimOldestLooks is [Store.ClaimLooks] under a cap on looks per second that all
// workers share. It claims what the cap lets it, and of all shards and endpoints those
// that are overdue for longest.
func (s *Store) ClaimOldestLooks(ctx context.Context, limits map[string]int, lease time.Duration, perSecond int) ([]jobs.Job, error) {
	if len(limits) == 0 {
		return nil, nil
	}
	now := s.Now()
	due, err := s.overdue(ctx, limits, now)
	if err != nil || len(due) == 0 {
		return nil, err
	}
	allowed, err := s.allow(ctx, now, perSecond, max(1, perSecond/burstPart), len(due))
	if err != nil {
		return nil, err
	}
	slices.SortStableFunc(due, func(a, b overdueLook) int { return cmp.Compare(a.since, b.since) })
	for _, left := range due[allowed:] {
		s.horizon.written(string(s.base(left.shard))+looksSet(left.endpoint), int64(left.since))
	}
	return s.claimThese(ctx, due[:allowed], now, lease)
}

// allow asks how many looks are allowed now.
func (s *Store) allow(ctx context.Context, now time.Time, perSecond, burst, want int) (int, error) {
	n, err := s.run(ctx, s.scripts.allow, s.allowance(), ms(now), perSecond, burst, want).Int()
	if err != nil {
		return 0, fmt.Errorf("ask how many looks are allowed: %w", err)
	}
	return n, nil
}

// overdueLook is a look that is due, and since when.
type overdueLook struct {
	shard    int
	endpoint string
	since    float64
}

// overdue finds looks that are due, of each endpoint up to its limit in each shard, and
// leaves them where they are.
func (s *Store) overdue(ctx context.Context, limits map[string]int, now time.Time) ([]overdueLook, error) {
	var due []overdueLook
	endpoints := slices.Sorted(maps.Keys(limits))
	answers := make(map[overdueLook]*redis.ZSliceCmd)
	_, err := s.rdb.Pipelined(ctx, func(p redis.Pipeliner) error {
		for shard := range s.shards {
			keys := make([]string, len(endpoints))
			for i, endpoint := range endpoints {
				keys[i] = s.base(shard).looks(endpoint)
			}
			if !s.horizon.due(keys, now) {
				continue
			}
			for i, endpoint := range endpoints {
				// One more than may be claimed says when the next is due.
				answers[overdueLook{shard: shard, endpoint: endpoint}] = p.ZRangeWithScores(ctx, keys[i], 0, int64(limits[endpoint]))
			}
		}
		return nil
	})
	for at, answer := range answers {
		entries, failed := answer.Result()
		if failed != nil {
			continue // the error has it
		}
		following := int64(never)
		for i, entry := range entries {
			if i == limits[at.endpoint] || entry.Score > float64(ms(now)) {
				following = int64(entry.Score)
				break
			}
			due = append(due, overdueLook{shard: at.shard, endpoint: at.endpoint, since: entry.Score})
		}
		s.horizon.learn(s.base(at.shard).looks(at.endpoint), following)
	}
	if err != nil && len(due) == 0 {
		return nil, fmt.Errorf("find looks that are due: %w", err)
	}
	return due, nil
}

// claimThese claims as many of each set as are given. Another worker may have been
// faster; then it gets what comes after them, or nothing.
func (s *Store) claimThese(ctx context.Context, looks []overdueLook, now time.Time, lease time.Duration) ([]jobs.Job, error) {
	counts := make([]map[string]int, s.shards)
	for _, look := range looks {
		if counts[look.shard] == nil {
			counts[look.shard] = make(map[string]int)
		}
		counts[look.shard][look.endpoint]++
	}
	var calls []call
	var sets [][]string
	for shard, endpoints := range counts {
		if endpoints == nil {
			continue
		}
		c, names := call{shard: shard, args: s.leaseArgs(now, lease)}, []string{}
		for _, endpoint := range slices.Sorted(maps.Keys(endpoints)) {
			c.args = append(c.args, looksSet(endpoint), endpoints[endpoint])
			names = append(names, s.base(shard).looks(endpoint))
		}
		calls, sets = append(calls, c), append(sets, names)
	}
	var claimed []jobs.Job
	err := s.together(ctx, s.scripts.claim, calls, func(i int, answer *redis.Cmd) error {
		flat, err := answer.Slice()
		if err != nil || len(flat) <= len(sets[i]) {
			return err
		}
		for k, key := range sets[i] {
			following, _ := flat[1+k].(string)
			s.horizon.learn(key, nextDue(following))
		}
		claimed = s.claimed(ctx, claimed, flat[0], flat[1+len(sets[i]):])
		return nil
	})
	if err != nil {
		return claimed, fmt.Errorf("claim looks: %w", err)
	}
	return claimed, nil
}
