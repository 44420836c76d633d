package results

import (
	"context"
	"fmt"
	"log/slog"
	"maps"
	"slices"
	"strconv"
	"time"

	"github.com/redis/go-redis/v9"

	"github.com/longhaul-jobs/longhaul/jobs"
)

// ClaimDue takes up to limit jobs that are due, and not for a look, from each
// shard, the longest due first, and leases them: until the lease (at least a millisecond) runs out nobody else
// gets them, unless they are put back before. A record of a newer schema is left
// to a worker that can read it. When some shards cannot be reached, what was
// claimed from the others is returned beside the error.
func (s *Store) ClaimDue(ctx context.Context, limit int, lease time.Duration) ([]jobs.Job, error) {
	return s.claim(ctx, []any{dueSet, limit}, lease)
}

// ClaimLooks is [Store.ClaimDue] for the running jobs whose next look is due, of
// the given endpoints and with a limit for each. Looks are claimed apart, so that
// a provider that hangs delays nothing but looks, and by endpoint, so that those
// at one that a worker does not serve are left to the workers that do.
func (s *Store) ClaimLooks(ctx context.Context, limits map[string]int, lease time.Duration) ([]jobs.Job, error) {
	if len(limits) == 0 {
		return nil, nil
	}
	sets := make([]any, 0, 2*len(limits))
	for _, endpoint := range slices.Sorted(maps.Keys(limits)) {
		sets = append(sets, looksSet(endpoint), limits[endpoint])
	}
	return s.claim(ctx, sets, lease)
}

// claim takes what is due in the sets, each with its limit.
func (s *Store) claim(ctx context.Context, sets []any, lease time.Duration) ([]jobs.Job, error) {
	var due []jobs.Job
	now := s.Now()
	names := make([]string, 0, len(sets)/2)
	for i := 0; i < len(sets); i += 2 {
		name, _ := sets[i].(string)
		names = append(names, name)
	}
	err := s.ask(ctx, s.scripts.claim, names, now, append(s.leaseArgs(now, lease), sets...), func(keys []string, answer *redis.Cmd) error {
		flat, err := answer.Slice()
		if err != nil || len(flat) <= len(keys) {
			return err
		}
		for i, key := range keys {
			following, _ := flat[1+i].(string)
			s.horizon.learn(key, nextDue(following))
		}
		due = s.claimed(ctx, due, flat[0], flat[1+len(keys):])
		return nil
	})
	if err != nil {
		return due, fmt.Errorf("claim what is due: %w", err)
	}
	return due, nil
}

// leaseArgs are what the scripts that claim have in common.
func (s *Store) leaseArgs(now time.Time, lease time.Duration) []any {
	return []any{ms(now), s.holder.lease(leasedUntil(now, lease)), jobs.Schema}
}

// claimed appends the jobs that a script has claimed; it has left some alone.
func (s *Store) claimed(ctx context.Context, due []jobs.Job, left any, flat []any) []jobs.Job {
	n, _ := left.(int64)
	s.metrics.newer.Add(float64(n))
	for ; len(flat) >= 3; flat = flat[3:] {
		id, _ := flat[0].(string)
		// One that cannot be read is on record as such, and its lease keeps it
		// out of the way of the others.
		if j, err := s.decode(ctx, jobs.ID(id), flat[1:3]); err == nil {
			due = append(due, j)
		}
	}
	return due
}

// ask calls a script with the same arguments on those shards of which at least one
// of the named sets may hold something due. The script answers also when to ask
// again; visit takes that up.
func (s *Store) ask(
	ctx context.Context, script *redis.Script, sets []string, now time.Time, args []any,
	visit func(keys []string, answer *redis.Cmd) error,
) error {
	var calls []call
	var asked [][]string
	for shard := range s.shards {
		keys := make([]string, len(sets))
		for i, set := range sets {
			keys[i] = string(s.base(shard)) + set
		}
		if s.horizon.due(keys, now) {
			calls, asked = append(calls, call{shard: shard, args: args}), append(asked, keys)
		}
	}
	if len(calls) == 0 {
		return nil
	}
	return s.together(ctx, script, calls, func(i int, answer *redis.Cmd) error { return visit(asked[i], answer) })
}

// nextDue reads when a script says that the next entry is due.
func nextDue(score string) int64 {
	at, err := strconv.ParseFloat(score, 64)
	if err != nil {
		return never
	}
	return int64(at)
}

// Settlement puts a claimed job back.
type Settlement struct {
	Job jobs.Job
	// Due is when it is due next, zero for never.
	Due time.Time
	// Looks, if not nil, replaces the counters of its looks.
	Looks *jobs.Looks
	// Nudge raises the job's nudge number over the one it was claimed with.
	Nudge bool
}

// Settle puts claimed jobs back with their next due times, each only if it is
// still as it was claimed. It returns, in order, the job's nudge number after
// the step where one was to be raised, else 0, and -1 for a job that has moved
// on. When some shards cannot be reached, their jobs have -1, and come back when
// their leases run out; the others are put back all the same.
func (s *Store) Settle(ctx context.Context, settlements ...Settlement) ([]int, error) {
	numbers := make([]int, len(settlements))
	var calls []call
	var members [][]int // the settlements of each call
	callOf := make(map[int]int)
	for i, t := range settlements {
		numbers[i] = -1
		if _, err := s.home(t.Job.ID); err != nil {
			return nil, fmt.Errorf("put back what was claimed: %w", err)
		}
		shard := t.Job.ID.Shard()
		c, ok := callOf[shard]
		if !ok {
			c = len(calls)
			callOf[shard], calls, members = c, append(calls, call{shard: shard, args: []any{ms(s.Now())}}), append(members, nil)
		}
		calls[c].args = append(calls[c].args, t.args()...)
		members[c] = append(members[c], i)
	}
	err := s.together(ctx, s.scripts.settle, calls, func(c int, answer *redis.Cmd) error {
		flat, err := answer.Int64Slice()
		if err != nil {
			return err
		}
		for k, i := range members[c] {
			numbers[i] = int(flat[k])
			if t := settlements[i]; !t.Due.IsZero() {
				s.horizon.written(s.base(t.Job.ID.Shard()).dueKey(t.Job), ms(t.Due))
			}
		}
		return nil
	})
	if err != nil {
		return numbers, fmt.Errorf("put back what was claimed: %w", err)
	}
	return numbers, nil
}

func (t Settlement) args() []any {
	looks, nudge := "", ""
	if t.Looks != nil {
		looks = encodeLooks(*t.Looks)
	}
	if t.Nudge {
		nudge = strconv.Itoa(t.Job.Nudge + 1)
	}
	return []any{string(t.Job.ID), t.Job.Version, dueScore(t.Due), looks, nudge}
}

// An ended job that still owes an effect is kept beyond its retention: keptForDebts
// until it is looked at again, and lastDebts in all. Nobody may come any more for
// what it owes, as at an endpoint that is no longer used.
const (
	keptForDebts = time.Hour
	lastDebts    = 7 * 24 * time.Hour
)

// Expire forgets ended jobs whose retention is over, up to limit in each shard,
// with their requests, their results and their places in every set, and returns
// how many. One that still owes an effect is kept until it has paid, for a week at
// most; what it then owes is told in the log.
func (s *Store) Expire(ctx context.Context, limit int) (int, error) {
	total := 0
	now := s.Now()
	args := []any{ms(now), limit, ms(now.Add(keptForDebts)), ms(now.Add(lastDebts))}
	err := s.everywhere(ctx, s.scripts.expire, args, func(answer *redis.Cmd) error {
		flat, err := answer.Slice()
		if err != nil || len(flat) == 0 {
			return err
		}
		n, _ := flat[0].(int64)
		total += int(n)
		for flat = flat[1:]; len(flat) >= 2; flat = flat[2:] {
			id, _ := flat[0].(string)
			s.tellDebts(ctx, jobs.ID(id), flat[1])
		}
		return nil
	})
	if err != nil {
		return total, fmt.Errorf("expire ended jobs: %w", err)
	}
	return total, nil
}

// tellDebts says what was owed for a job that is gone.
func (s *Store) tellDebts(ctx context.Context, id jobs.ID, record any) {
	j, err := s.decode(ctx, id, []any{record, ""})
	if err != nil {
		s.log.WarnContext(ctx, "debts of a job given up with it", slog.String("job_id", string(id)), slog.Any("err", err))
	}
	for _, e := range j.Outbox {
		s.log.WarnContext(ctx, "debt given up with its job", slog.String("job_id", string(id)), slog.String("effect", string(e.Kind)),
			slog.String("endpoint", e.Endpoint), slog.String("response_id", e.ResponseID))
	}
}
