package results

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/redis/go-redis/v9"

	"github.com/longhaul-jobs/longhaul/jobs"
)

// What a parent has to do with its parts lies beside its record, so that the end of a
// part costs the same however many there are: the list of all of them, and of those
// that it waits for. Neither decides anything. A parent is planned from the beginning at
// each step, which puts both right; the first is for people, and for a cancel.

// phaseWidth separates the phases in the list of parts.
const phaseWidth = 1 << 20

// partsPage is how many parts one command names.
const partsPage = 500

// PlanPart is a place in the plan of a parent, and the job that has it.
type PlanPart struct {
	ID jobs.ID
	// Phase and Index are its place, from 1 and from 0.
	Phase, Index int
	// Open says of a part that is put down that it has not ended.
	Open bool
}

// part says whose a job is that is being accepted; nil for nobody's.
type part struct {
	parent jobs.Job
	name   string
}

// mark writes into a new job whose it is, and returns its place among the ready ones: a
// part has that of its parent, so that what was begun is brought to its end before
// something else is.
func (p *part) mark(j jobs.Job) (marked jobs.Job, place int64) {
	if p == nil {
		return j, rank(j)
	}
	j.Parent, j.ParentKind, j.Part = p.parent.ID, p.parent.Kind, jobs.PartName(p.name)
	place = rank(jobs.Job{Priority: j.Priority, Created: p.parent.Created})
	return j, place
}

// AcceptPart is [Store.Accept] for a part that a parent needs, with the options of the
// parent. If there is a job with this request already, whoever's, it is that one, unless
// it is the one that the part takes the place of, as with [Store.AcceptInstead].
func (s *Store) AcceptPart(ctx context.Context, parent jobs.Job, name string, request jobs.Request, instead jobs.ID) (job jobs.Job, fresh bool, err error) {
	return s.acceptAs(ctx, request, parent.PartOptions(request, s.Now()), &part{parent: parent, name: name}, instead)
}

// FindParts returns for each of some parts, by [jobs.Job.PartKey], the job that has the
// key, with no id where there is none.
func (s *Store) FindParts(ctx context.Context, keys []string) ([]jobs.Job, error) {
	found := make([]jobs.Job, 0, len(keys))
	for page := range slices.Chunk(keys, partsPage) {
		some, err := s.findParts(ctx, page)
		if err != nil {
			return nil, fmt.Errorf("find parts: %w", err)
		}
		found = append(found, some...)
	}
	return found, nil
}

func (s *Store) findParts(ctx context.Context, keys []string) ([]jobs.Job, error) {
	owners := make([]*redis.StringCmd, len(keys))
	_, err := s.rdb.Pipelined(ctx, func(p redis.Pipeliner) error {
		for i, key := range keys {
			shard, hash := s.hash(key)
			owners[i] = p.Get(ctx, s.base(shard).dedupe(hash))
		}
		return nil
	})
	if err != nil && !errors.Is(err, redis.Nil) {
		return nil, err
	}
	found := make([]jobs.Job, len(keys))
	var ids []jobs.ID
	var at []int
	for i, owner := range owners {
		value, err := owner.Result()
		switch id, _, _ := strings.Cut(value, " "); {
		case err == nil:
			ids, at = append(ids, jobs.ID(id)), append(at, i)
		case !errors.Is(err, redis.Nil):
			return nil, err
		}
	}
	records, err := s.loadAll(ctx, ids)
	if err != nil {
		return nil, err
	}
	for i, r := range records {
		switch {
		case r.err == nil:
			found[at[i]] = r.job
		case !errors.Is(r.err, ErrNotFound): // else the key is left over
			return nil, r.err
		}
	}
	return found, nil
}

// AttachParts puts parts down as a parent's, and returns its state: only one that waits
// takes them. Those that are open are waited for: who puts them down then asks by
// [Store.Attend] for their ends. A parent that is not told asks by itself at the given
// time, with a nudge number that says how often it did so in vain; the zero time leaves
// both as they are.
func (s *Store) AttachParts(ctx context.Context, parent jobs.ID, parts []PlanPart, ask time.Time, nudge int) (jobs.State, error) {
	base, err := s.home(parent)
	if err != nil {
		return "", err
	}
	pages := slices.Collect(slices.Chunk(parts, partsPage))
	if len(pages) == 0 {
		pages = [][]PlanPart{nil}
	}
	state := jobs.State("")
	for i, page := range pages {
		args := make([]any, 0, 4+3*len(page))
		args = append(args, string(parent), even(s.Now()), "", nudge)
		if i == len(pages)-1 {
			args[2] = dueScore(ask)
		}
		for _, part := range page {
			open := ""
			if part.Open {
				open = "1"
			}
			args = append(args, int64(part.Phase)*phaseWidth+int64(part.Index), string(part.ID), open)
		}
		answer, err := s.run(ctx, s.scripts.attach, base, args...).Text()
		if err != nil {
			return "", fmt.Errorf("put down the parts of %s: %w", parent, err)
		}
		if state = jobs.State(answer); state != jobs.StateWaiting {
			return state, nil
		}
	}
	return state, nil
}

// PartsEnded takes parts that have ended off what a parent waits for, and returns how
// many are left. With the last of them, the parent is due.
func (s *Store) PartsEnded(ctx context.Context, parent jobs.ID, ended []jobs.ID) (left int, err error) {
	base, err := s.home(parent)
	if err != nil {
		return 0, err
	}
	for page := range slices.Chunk(ended, partsPage) {
		args := []any{string(parent), even(s.Now())}
		for _, id := range page {
			args = append(args, string(id))
		}
		if left, err = s.run(ctx, s.scripts.partEnded, base, args...).Int(); err != nil {
			return 0, fmt.Errorf("note which parts of %s have ended: %w", parent, err)
		}
	}
	return left, nil
}

// OpenParts returns the parts that a parent waits for.
func (s *Store) OpenParts(ctx context.Context, parent jobs.ID) ([]jobs.ID, error) {
	base, err := s.home(parent)
	if err != nil {
		return nil, err
	}
	members, err := s.rdb.ZRange(ctx, base.open(parent), 0, -1).Result()
	if err != nil {
		return nil, fmt.Errorf("read the open parts of %s: %w", parent, err)
	}
	ids := make([]jobs.ID, len(members))
	for i, member := range members {
		ids[i] = jobs.ID(member)
	}
	return ids, nil
}

// Parts returns the parts that a parent has had, in their order, from one on and at most
// limit of them; those of a plan before a retry are among them.
func (s *Store) Parts(ctx context.Context, parent jobs.ID, from, limit int) ([]PlanPart, error) {
	base, err := s.home(parent)
	if err != nil {
		return nil, err
	}
	members, err := s.rdb.ZRangeWithScores(ctx, base.parts(parent), int64(from), int64(from+limit)-1).Result()
	if err != nil {
		return nil, fmt.Errorf("read the parts of %s: %w", parent, err)
	}
	parts := make([]PlanPart, len(members))
	for i, z := range members {
		id, _ := z.Member.(string)
		place := int64(z.Score)
		parts[i] = PlanPart{ID: jobs.ID(id), Phase: int(place / phaseWidth), Index: int(place % phaseWidth)}
	}
	return parts, nil
}

// PartCounts returns how many parts a parent waits for, and how many it has had.
func (s *Store) PartCounts(ctx context.Context, parent jobs.ID) (open, all int, err error) {
	base, err := s.home(parent)
	if err != nil {
		return 0, 0, err
	}
	var unended, every *redis.IntCmd
	_, err = s.rdb.Pipelined(ctx, func(p redis.Pipeliner) error {
		unended, every = p.ZCard(ctx, base.open(parent)), p.ZCard(ctx, base.parts(parent))
		return nil
	})
	if err != nil {
		return 0, 0, fmt.Errorf("count the parts of %s: %w", parent, err)
	}
	return int(unended.Val()), int(every.Val()), nil
}

// Jobs returns the records of some jobs in their order, without an id for one that is
// gone, cannot be read, or cannot be of this installation.
func (s *Store) Jobs(ctx context.Context, ids []jobs.ID) ([]jobs.Job, error) {
	found := make([]jobs.Job, 0, len(ids))
	for page := range slices.Chunk(ids, partsPage) {
		records, err := s.loadAll(ctx, page)
		if err != nil {
			return nil, fmt.Errorf("read jobs: %w", err)
		}
		for _, r := range records {
			if r.err != nil {
				r.job = jobs.Job{}
			}
			found = append(found, r.job)
		}
	}
	return found, nil
}

// ClaimPlans claims up to limit parents of some kinds whose planner is to be asked, in
// all: a step may take long and much memory, so none is claimed that is not begun. The
// shards are asked in turn.
func (s *Store) ClaimPlans(ctx context.Context, kinds []jobs.Kind, limit int, lease time.Duration) ([]jobs.Job, error) {
	var claimed []jobs.Job
	first := int(s.planRotation.Add(1))
	for i := range s.shards {
		if len(claimed) >= limit {
			break
		}
		some, err := s.claimPlansOf(ctx, (first+i)%s.shards, kinds, limit-len(claimed), lease)
		claimed = append(claimed, some...)
		if err != nil {
			return claimed, fmt.Errorf("claim parents: %w", err)
		}
	}
	return claimed, nil
}

func (s *Store) claimPlansOf(ctx context.Context, shard int, kinds []jobs.Kind, limit int, lease time.Duration) ([]jobs.Job, error) {
	now := s.Now()
	var claimed []jobs.Job
	for _, kind := range kinds {
		key := string(s.base(shard)) + plansSet(kind)
		room := limit - len(claimed)
		if room <= 0 || !s.horizon.due([]string{key}, now) {
			continue
		}
		args := append(s.leaseArgs(now, lease), plansSet(kind), room)
		flat, err := s.run(ctx, s.scripts.claim, s.base(shard), args...).Slice()
		if err != nil {
			return claimed, err
		}
		following, _ := flat[1].(string)
		s.horizon.learn(key, nextDue(following))
		claimed = s.claimed(ctx, claimed, flat[0], flat[2:])
	}
	return claimed, nil
}

// Unplanned returns how many parents of each kind wait for a planner, of all kinds but
// the given ones.
func (s *Store) Unplanned(ctx context.Context, planned []jobs.Kind) (map[jobs.Kind]int64, error) {
	streams := make([]*redis.StringSliceCmd, s.shards)
	_, err := s.rdb.Pipelined(ctx, func(p redis.Pipeliner) error {
		for shard := range s.shards {
			streams[shard] = p.SMembers(ctx, string(s.base(shard))+"streams")
		}
		return nil
	})
	if err != nil {
		return nil, fmt.Errorf("look for parents without a planner: %w", err)
	}
	sizes := make(map[jobs.Kind]map[int]*redis.IntCmd)
	_, err = s.rdb.Pipelined(ctx, func(p redis.Pipeliner) error {
		for shard, answer := range streams {
			for _, stream := range answer.Val() {
				name, _, _ := strings.Cut(stream, ":")
				kind := jobs.Kind(name)
				if !kind.IsParent() || slices.Contains(planned, kind) || sizes[kind][shard] != nil {
					continue
				}
				if sizes[kind] == nil {
					sizes[kind] = make(map[int]*redis.IntCmd)
				}
				sizes[kind][shard] = p.ZCard(ctx, string(s.base(shard))+plansSet(kind))
			}
		}
		return nil
	})
	if err != nil {
		return nil, fmt.Errorf("look for parents without a planner: %w", err)
	}
	waiting := make(map[jobs.Kind]int64)
	for kind, shards := range sizes {
		for _, size := range shards {
			waiting[kind] += size.Val()
		}
	}
	return waiting, nil
}

// ClaimLatePlans takes, of the parents of kinds that the caller has no planner for, those
// whose deadline has passed: that needs none. It leaves the others as they are, and goes on
// where it stopped the last time, like [Store.ClaimUnserved].
func (s *Store) ClaimLatePlans(ctx context.Context, kinds []jobs.Kind, lease time.Duration) ([]jobs.Job, error) {
	s.late.mu.Lock()
	defer s.late.mu.Unlock()
	var found []jobs.Job
	for _, kind := range kinds {
		var err error
		if found, err = s.claimLate(ctx, found, plansSet(kind), lease); err != nil {
			return found, fmt.Errorf("claim late jobs of kind %s: %w", kind, err)
		}
	}
	return found, nil
}

func (b base) parts(id jobs.ID) string { return string(b) + "parts:" + string(id) }

func (b base) open(id jobs.ID) string { return string(b) + "open:" + string(id) }
