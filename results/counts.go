package results

import (
	"context"
	"fmt"
	"slices"
	"strings"

	"github.com/redis/go-redis/v9"

	"github.com/longhaul-jobs/longhaul/jobs"
)

// Counts is how many jobs are in each state.
type Counts map[jobs.State]int64

// Total is the number of jobs.
func (c Counts) Total() int64 {
	var n int64
	for _, k := range c {
		n += k
	}
	return n
}

// Ended is the number of jobs in a terminal state.
func (c Counts) Ended() int64 {
	var n int64
	for state, k := range c {
		if state.Terminal() {
			n += k
		}
	}
	return n
}

// Counts returns the number of jobs in each state, of one group or, with "", of
// the installation. They are the sizes of sets, summed while reading: nothing
// can drift.
func (s *Store) Counts(ctx context.Context, group string) (Counts, error) {
	if group != "" {
		if err := jobs.CheckName("group", group); err != nil {
			return nil, err
		}
	}
	return s.counts(ctx, group, "")
}

// KindCounts is [Store.Counts] of the parents of a kind in a group, without their parts.
func (s *Store) KindCounts(ctx context.Context, group string, kind jobs.Kind) (Counts, error) {
	if err := jobs.CheckName("group", group); err != nil {
		return nil, err
	}
	if !slices.Contains(jobs.ParentKinds(), kind) {
		return nil, jobs.Invalid("kind", "%.40q is no kind of parent; one of %v", string(kind), jobs.ParentKinds())
	}
	return s.counts(ctx, group+"/"+string(kind), "")
}

// LaneCounts is [Store.Counts] of one lane, of the jobs that go through it: those of a
// kind that has parts wait beside it all their life, and are left out.
func (s *Store) LaneCounts(ctx context.Context, lane string) (Counts, error) {
	if err := jobs.CheckName("lane", lane); err != nil {
		return nil, err
	}
	return s.counts(ctx, "", lane)
}

func (s *Store) counts(ctx context.Context, group, lane string) (Counts, error) {
	counts := make(Counts, len(jobs.States()))
	err := s.everywhere(ctx, s.scripts.count, []any{group, lane}, func(answer *redis.Cmd) error {
		sizes, err := answer.Int64Slice()
		for i, n := range sizes {
			counts[jobs.States()[i]] += n
		}
		return err
	})
	if err != nil {
		return nil, fmt.Errorf("count jobs: %w", err)
	}
	return counts, nil
}

// OpenLanes returns the counts of each lane that has jobs which have not ended, whether or
// not a worker or a configuration knows it.
func (s *Store) OpenLanes(ctx context.Context) (map[string]Counts, error) {
	streams := make([]*redis.StringSliceCmd, s.shards)
	_, err := s.rdb.Pipelined(ctx, func(p redis.Pipeliner) error {
		for shard := range streams {
			streams[shard] = p.SMembers(ctx, string(s.base(shard))+"streams")
		}
		return nil
	})
	if err != nil {
		return nil, fmt.Errorf("read which lanes have jobs: %w", err)
	}
	lanes := make(map[string]Counts)
	for _, answer := range streams {
		for _, stream := range answer.Val() {
			// Parents wait beside their lane, as in LaneCounts.
			if lane, ok := strings.CutPrefix(stream, string(jobs.KindResponse)+":"); ok {
				lanes[lane] = nil
			}
		}
	}
	for lane := range lanes {
		counts, err := s.LaneCounts(ctx, lane)
		if err != nil {
			return nil, err
		}
		lanes[lane] = counts
		if counts.Total() == counts.Ended() {
			delete(lanes, lane)
		}
	}
	return lanes, nil
}

// Backlog is what the due sets hold.
type Backlog struct {
	// Due is the number of jobs that are owed something, now or later.
	Due int64
	// OldestMilliseconds is how long the oldest entry has been due, 0 if none is.
	// The looks at endpoints that no worker serves do not count: they wait for a
	// worker that does, and not for this one to be quicker.
	OldestMilliseconds int64
}

// Backlog reads the due sets, for the metrics.
func (s *Store) Backlog(ctx context.Context) (Backlog, error) {
	uses, err := s.listed(ctx)
	if err != nil {
		return Backlog{}, err
	}
	var sizes []*redis.IntCmd
	var oldest []*redis.ZSliceCmd
	_, err = s.rdb.Pipelined(ctx, func(p redis.Pipeliner) error {
		read := func(key string, served bool) {
			sizes = append(sizes, p.ZCard(ctx, key))
			if served {
				oldest = append(oldest, p.ZRangeWithScores(ctx, key, 0, 0))
			}
		}
		for shard := range s.shards {
			b := s.base(shard)
			read(b.due(), true)
			for _, kind := range jobs.ParentKinds() {
				read(string(b)+plansSet(kind), true)
			}
			for _, use := range uses {
				read(b.looks(use.Name), use.Served)
			}
		}
		return nil
	})
	if err != nil {
		return Backlog{}, fmt.Errorf("read due sets: %w", err)
	}
	var b Backlog
	now := ms(s.Now())
	for _, size := range sizes {
		b.Due += size.Val()
	}
	for _, first := range oldest {
		for _, z := range first.Val() {
			b.OldestMilliseconds = max(b.OldestMilliseconds, now-int64(z.Score))
		}
	}
	return b, nil
}
