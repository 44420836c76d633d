package results

import (
	"context"
	"fmt"
	"hash/fnv"
	"strconv"
	"sync/atomic"
	"time"

	"github.com/redis/go-redis/v9"

	"github.com/longhaul-jobs/longhaul/jobs"
)

// fractions is how many workers the fraction of a score can tell apart: that of a
// time in milliseconds has twelve bits. Two workers that share one cost each other
// a look that is made twice.
const fractions = 1 << 12

// holder is the mark of a worker on what it has claimed: the numerator of the
// fraction of its leases, 0 for none.
type holder struct{ mark atomic.Int64 }

func markOf(worker string) int64 {
	h := fnv.New32a()
	_, _ = h.Write([]byte(worker)) // never fails
	return int64(h.Sum32()%(fractions-1)) + 1
}

// lease is the score of what this worker has claimed until then.
func (h *holder) lease(until int64) string { return marked(until, h.mark.Load()) }

func marked(until, mark int64) string {
	return strconv.FormatFloat(float64(until)+float64(mark)/fractions, 'f', -1, 64)
}

// ClaimAs has what the store claims from now on bear the mark of a worker, so that
// others can tell what was its when it is gone; see [Store.TakeOver].
func (s *Store) ClaimAs(worker string) { s.holder.mark.Store(markOf(worker)) }

// TakeOver looks for workers that have been silent for longer than they said that
// they live, and makes due at once what they had in hand: the jobs that they had
// claimed, for at most the given lease, the submits in their lanes' queues, and
// their intents. It returns who they were. Each is found by one worker; should that
// one stop in the middle, the leases run out all the same and the submits are
// overdue after [jobs.Timing].Submit.
//
// Who calls it must have made sure that the silence is theirs, and not that of a
// Redis that was away.
func (s *Store) TakeOver(ctx context.Context, lease time.Duration) ([]string, error) {
	now := s.Now()
	silent, err := s.pulse.ZRangeByScore(ctx, s.workersKey(), &redis.ZRangeBy{Min: "-inf", Max: "(" + score(now)}).Result()
	if err != nil {
		return nil, fmt.Errorf("read silent workers: %w", err)
	}
	var taken []string
	for _, id := range silent {
		n, err := s.pulse.ZRem(ctx, s.workersKey(), id).Result()
		if err != nil {
			return taken, fmt.Errorf("take over from worker %s: %w", id, err)
		}
		if n == 0 {
			continue // somebody else has
		}
		taken = append(taken, id)
		if err := s.orphans(ctx, id, lease); err != nil {
			return taken, fmt.Errorf("take over from worker %s: %w", id, err)
		}
	}
	return taken, nil
}

// orphans makes due what the worker had in hand.
func (s *Store) orphans(ctx context.Context, worker string, lease time.Duration) error {
	uses, err := s.Endpoints(ctx)
	if err != nil {
		return err
	}
	now := s.Now()
	at := even(now)
	fraction := strconv.FormatFloat(float64(markOf(worker))/fractions, 'f', -1, 64)
	args := []any{at, at - 1, leasedUntil(now, lease) + 1, fraction}
	for _, use := range uses {
		args = append(args, looksSet(use.Name))
	}
	for _, kind := range jobs.ParentKinds() {
		args = append(args, plansSet(kind))
	}
	return s.everywhere(ctx, s.scripts.orphans, args, func(answer *redis.Cmd) error { return answer.Err() })
}
