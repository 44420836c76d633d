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

// ParkedPage is some of the jobs that wait for a budget.
type ParkedPage struct {
	// IDs are those jobs, the highest priority first and then the oldest.
	IDs []jobs.ID
	// Next is where the page after this one begins: how many of each shard are behind.
	Next []int
	// All is how many jobs wait for the budget.
	All int
}

// Parked returns up to limit jobs that wait for a budget: the first ones, or those from
// where a page before them has ended.
func (s *Store) Parked(ctx context.Context, budget string, from []int, limit int) (ParkedPage, error) {
	type member struct {
		id    jobs.ID
		rank  float64
		shard int
	}
	page := ParkedPage{Next: make([]int, s.shards)}
	copy(page.Next, from)
	var found []member
	answers, counts := make([]*redis.ZSliceCmd, s.shards), make([]*redis.IntCmd, s.shards)
	_, err := s.rdb.Pipelined(ctx, func(p redis.Pipeliner) error {
		for shard := range s.shards {
			key, first := s.base(shard).parked(budget), int64(page.Next[shard])
			answers[shard] = p.ZRangeWithScores(ctx, key, first, first+int64(limit)-1)
			counts[shard] = p.ZCard(ctx, key)
		}
		return nil
	})
	if err != nil {
		return ParkedPage{}, fmt.Errorf("find the jobs that wait for budget %s: %w", budget, err)
	}
	for shard := range s.shards {
		page.All += int(counts[shard].Val())
		for _, z := range answers[shard].Val() {
			text, _ := z.Member.(string)
			found = append(found, member{jobs.ID(text), z.Score, shard})
		}
	}
	slices.SortStableFunc(found, func(a, b member) int { return cmp.Compare(a.rank, b.rank) })
	for _, m := range found[:min(limit, len(found))] {
		page.IDs = append(page.IDs, m.id)
		page.Next[m.shard]++
	}
	return page, nil
}

func (b base) parked(budget string) string { return string(b) + "parked:" + budget }
