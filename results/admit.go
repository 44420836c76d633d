package results

import (
	"context"
	"fmt"
	"maps"
	"math/rand/v2"
	"slices"
	"time"

	"github.com/redis/go-redis/v9"

	"github.com/longhaul-jobs/longhaul/jobs"
)

// Admission is a job that was taken from its lane, and the number that its next
// attempt has.
type Admission struct {
	Job     jobs.ID
	Attempt int
}

// Admit takes jobs of a lane whose time has come: the tenants take turns, of each of
// them the priorities by what they weigh, and of those the oldest first. At most window
// jobs of the lane are admitted at once, an equal part of them in each shard (at least
// one). When some shards cannot be reached, what was taken from the others is returned
// beside the error. An admission whose answer is lost is overdue after
// [jobs.Timing].Submit. Records of a newer schema are left to a worker that can read
// them, and counted.
func (s *Store) Admit(ctx context.Context, lane string, window int) ([]Admission, error) {
	now := s.Now()
	share := max(1, window/s.shards)
	var admitted []Admission
	err := s.ask(ctx, s.scripts.admit, []string{laterSet(lane)}, now, s.admitArgs(lane, now, share, ""), func(keys []string, answer *redis.Cmd) error {
		flat, err := answer.StringSlice()
		if err != nil {
			return err
		}
		if flat[0] == "full" {
			s.horizon.learnFull(keys[0])
		} else {
			s.horizon.learn(keys[0], nextDue(flat[0]))
		}
		admitted = append(admitted, s.admitted(flat)...)
		return nil
	})
	if err != nil {
		return admitted, fmt.Errorf("admit jobs of lane %s: %w", lane, err)
	}
	return admitted, nil
}

// AdmitOne takes one job of a lane whose time has come, from a shard that has one and
// none admitted, whichever comes first: a lane that is paused has no more to do with it
// than to find out whether it need be.
func (s *Store) AdmitOne(ctx context.Context, lane string) ([]Admission, error) {
	now := s.Now()
	args := s.admitArgs(lane, now, 1, "")
	for _, shard := range rand.Perm(s.shards) {
		key := s.base(shard).later(lane)
		if !s.horizon.due([]string{key}, now) {
			continue
		}
		flat, err := s.run(ctx, s.scripts.admit, s.base(shard), args...).StringSlice()
		if err != nil {
			return nil, fmt.Errorf("admit a job of lane %s: %w", lane, err)
		}
		admitted := s.admitted(flat)
		if flat[0] != "full" { // it may be so only for want of more than one place
			s.horizon.learn(key, nextDue(flat[0]))
		}
		if len(admitted) > 0 {
			return admitted, nil
		}
	}
	return nil, nil
}

// AdmitFew takes jobs of a lane that sends slowly, until at most so many of it are
// admitted in all: one at a time from the shards that have some, which take turns from one
// call to the next, so that whoever is next in its shard waits for one round of them. It reports whether there are more.
//
// Two workers that do so at once may admit twice as many, which the lane's limits then
// have wait.
func (s *Store) AdmitFew(ctx context.Context, lane string, most int) (admitted []Admission, more bool, err error) {
	now := s.Now()
	taken, counts, err := s.lookIn(ctx, lane, now)
	if err != nil {
		return nil, false, fmt.Errorf("admit jobs of lane %s: %w", lane, err)
	}
	for taken < most && len(counts) > 0 {
		for _, shard := range s.rotation.from(lane, slices.Sorted(maps.Keys(counts))) {
			if taken >= most {
				break
			}
			s.rotation.passed(lane, shard)
			flat, err := s.run(ctx, s.scripts.admit, s.base(shard), s.admitArgs(lane, now, counts[shard]+1, "1")...).StringSlice()
			if err != nil {
				return admitted, true, fmt.Errorf("admit a job of lane %s: %w", lane, err)
			}
			some := s.admitted(flat)
			admitted, taken = append(admitted, some...), taken+len(some)
			counts[shard] = int(parseInt(flat[2]))
			if flat[0] != "full" || len(some) == 0 {
				delete(counts, shard)
			}
		}
	}
	return admitted, len(counts) > 0, nil
}

// lookIn returns how many jobs of a lane are admitted, and of each shard that has more
// how many of those are its own. If no shard may have any, none is asked.
func (s *Store) lookIn(ctx context.Context, lane string, now time.Time) (taken int, counts map[int]int, err error) {
	calls, ask := make([]call, s.shards), false
	for shard := range calls {
		calls[shard] = call{shard: shard, args: s.admitArgs(lane, now, 0, "")}
		ask = s.horizon.due([]string{s.base(shard).later(lane)}, now) || ask
	}
	if !ask {
		return 0, nil, nil
	}
	counts = make(map[int]int)
	err = s.together(ctx, s.scripts.admit, calls, func(shard int, answer *redis.Cmd) error {
		flat, err := answer.StringSlice()
		if err != nil {
			return err
		}
		s.admitted(flat)
		n := int(parseInt(flat[2]))
		taken += n
		if flat[0] == "full" {
			counts[shard] = n // it is asked again whenever there is room
			return nil
		}
		s.horizon.learn(s.base(shard).later(lane), nextDue(flat[0]))
		return nil
	})
	return taken, counts, err
}

// admitArgs are what the script takes.
func (s *Store) admitArgs(lane string, now time.Time, window int, atOnce string) []any {
	return []any{lane, ms(now), window, ms(now.Add(s.config.Timing.Submit)), jobs.Schema, ms(now.Add(time.Minute)), atOnce, s.weights(lane)}
}

// admitted reads whom the script has admitted, and counts what it left alone.
func (s *Store) admitted(flat []string) []Admission {
	s.metrics.newer.Add(float64(parseInt(flat[1])))
	var admitted []Admission
	for i := 3; i+1 < len(flat); i += 2 {
		admitted = append(admitted, Admission{Job: jobs.ID(flat[i]), Attempt: int(parseInt(flat[i+1]))})
	}
	return admitted
}
