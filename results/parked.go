package results

import (
	"cmp"
	"context"
	"fmt"
	"slices"

	"github.com/redis/go-redis/v9"

	"github.com/longhaul-jobs/longhaul/jobs"
)

// NoteParked says that jobs may wait for a budget, so that somebody sends them on, also
// when the budget is no more.
func (s *Store) NoteParked(ctx context.Context, budget string) error {
	if err := s.rdb.SAdd(ctx, s.parkedKey(), budget).Err(); err != nil {
		return fmt.Errorf("note that jobs wait for budget %s: %w", budget, err)
	}
	return nil
}

// ForgetParked says that no job waits for a budget any more.
func (s *Store) ForgetParked(ctx context.Context, budget string) error {
	if err := s.rdb.SRem(ctx, s.parkedKey(), budget).Err(); err != nil {
		return fmt.Errorf("note that no job waits for budget %s: %w", budget, err)
	}
	return nil
}

// ParkedFor returns the budgets for which jobs may wait.
func (s *Store) ParkedFor(ctx context.Context) ([]string, error) {
	names, err := s.rdb.SMembers(ctx, s.parkedKey()).Result()
	if err != nil {
		return nil, fmt.Errorf("ask for which budgets jobs wait: %w", err)
	}
	return names, nil
}

// Parked returns jobs that wait for a budget, those of the highest priority first and
// then the oldest, after the first skip of them in each shard, and how many there are
// in all.
func (s *Store) Parked(ctx context.Context, budget string, skip, limit int) (ids []jobs.ID, all int, err error) {
	type member struct {
		id   jobs.ID
		rank float64
	}
	var found []member
	answers, counts := make([]*redis.ZSliceCmd, s.shards), make([]*redis.IntCmd, s.shards)
	_, err = s.rdb.Pipelined(ctx, func(p redis.Pipeliner) error {
		for shard := range s.shards {
			key := s.base(shard).parked(budget)
			answers[shard] = p.ZRangeWithScores(ctx, key, int64(skip), int64(skip+limit)-1)
			counts[shard] = p.ZCard(ctx, key)
		}
		return nil
	})
	if err != nil {
		return nil, 0, fmt.Errorf("find the jobs that wait for budget %s: %w", budget, err)
	}
	for shard := range s.shards {
		all += int(counts[shard].Val())
		for _, z := range answers[shard].Val() {
			text, _ := z.Member.(string)
			found = append(found, member{jobs.ID(text), z.Score})
		}
	}
	slices.SortFunc(found, func(a, b member) int { return cmp.Compare(a.rank, b.rank) })
	for _, m := range found[:min(limit, len(found))] {
		ids = append(ids, m.id)
	}
	return ids, all, nil
}

func (b base) parked(budget string) string { return string(b) + "parked:" + budget }
