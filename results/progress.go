package results

import (
	"context"
	"fmt"
	"strconv"
	"strings"
	"time"

	"github.com/redis/go-redis/v9"

	"github.com/longhaul-jobs/longhaul/jobs"
)

// The defaults of what is kept of the progress of a job: half a megabyte as a rule, for as
// long as somebody may still be reading. The response itself is kept with the job.
const (
	DefaultProgressEvents = 10_000
	DefaultProgressKept   = time.Hour
)

// Claim is the claim of a job whose response is being followed, or whose planner is
// being asked, for as long as that goes on. It is for one goroutine.
type Claim struct {
	store *Store
	lease string // that was given last
}

// TakeClaim takes over the claim of a job that was just claimed for a look or a step.
func (s *Store) TakeClaim() *Claim { return &Claim{store: s} }

// Renew leaves the job to its holder for another lease, and replaces the counters of
// its looks. It reports whether the job still is the holder's: it is not when it has
// moved on, or when the lease ran out and somebody else has claimed it. Proven says
// that it has been in hand for long enough to know that it crashes nobody.
func (c *Claim) Renew(ctx context.Context, j jobs.Job, looks jobs.Looks, lease time.Duration, proven bool) (bool, error) {
	s := c.store
	base, err := s.home(j.ID)
	if err != nil {
		return false, err
	}
	next := s.holder.lease(leasedUntil(s.Now(), lease))
	known := ""
	if proven {
		known = "1"
	}
	counters := ""
	if looks != (jobs.Looks{}) {
		counters = encodeLooks(looks)
	}
	n, err := s.run(ctx, s.scripts.renew, base, string(j.ID), j.Version, c.lease, next, counters, known).Int()
	if err != nil {
		return false, fmt.Errorf("renew claim of %s: %w", j.ID, err)
	}
	if n == 1 {
		c.lease = next
	}
	return n == 1, nil
}

// AddProgress appends events, in order, to those that can be followed of a job. One
// that is not behind the last is passed over, so telling one twice does no harm. It
// returns the place of the last event that there is, or [ErrNotFound].
func (s *Store) AddProgress(ctx context.Context, id jobs.ID, events []jobs.Progress) (jobs.Place, error) {
	base, err := s.home(id)
	if err != nil {
		return jobs.Place{}, err
	}
	args := make([]any, 0, 3+4*len(events))
	args = append(args, string(id), s.config.ProgressEvents, max(1, int(s.config.ProgressKept.Seconds())))
	for _, p := range events {
		args = append(args, p.String(), p.Type, strings.TrimRight(strconv.Itoa(p.OutputIndex)+" "+p.Item, " "), p.Delta)
	}
	last, err := s.run(ctx, s.scripts.progress, base, args...).Text()
	if err != nil {
		return jobs.Place{}, fmt.Errorf("keep progress of %s: %w", id, err)
	}
	if last == "" {
		return jobs.Place{}, fmt.Errorf("keep progress of %s: %w", id, ErrNotFound)
	}
	return jobs.ParsePlace(last)
}

// LastProgress returns the place of the last event that is kept of a job, the zero
// place if none is.
func (s *Store) LastProgress(ctx context.Context, id jobs.ID) (jobs.Place, error) {
	entries, err := s.progress(ctx, id, func(ctx context.Context, key string) *redis.XMessageSliceCmd {
		return s.rdb.XRevRangeN(ctx, key, "+", "-", 1)
	})
	if err != nil || len(entries) == 0 {
		return jobs.Place{}, err
	}
	return jobs.ParsePlace(entries[0].ID)
}

// Progress returns the events of a job that come after a place, in order, at most
// limit of them. Of a job that is not there, or is not streamed, there are none.
func (s *Store) Progress(ctx context.Context, id jobs.ID, after jobs.Place, limit int) ([]jobs.Progress, error) {
	after.Sequence++
	entries, err := s.progress(ctx, id, func(ctx context.Context, key string) *redis.XMessageSliceCmd {
		return s.rdb.XRangeN(ctx, key, after.String(), "+", int64(limit))
	})
	if err != nil {
		return nil, err
	}
	events := make([]jobs.Progress, 0, len(entries))
	for _, entry := range entries {
		place, err := jobs.ParsePlace(entry.ID)
		if err != nil {
			return nil, fmt.Errorf("read progress of %s: %w", id, err)
		}
		p := jobs.Progress{Place: place}
		p.Type, _ = entry.Values["t"].(string)
		p.Delta, _ = entry.Values["d"].(string)
		item, _ := entry.Values["i"].(string)
		index, kind, _ := strings.Cut(item, " ")
		p.OutputIndex, p.Item = int(parseInt(index)), kind
		events = append(events, p)
	}
	return events, nil
}

// progress reads entries of a job's stream.
func (s *Store) progress(ctx context.Context, id jobs.ID, read func(ctx context.Context, key string) *redis.XMessageSliceCmd) ([]redis.XMessage, error) {
	base, err := s.home(id)
	if err != nil {
		return nil, err
	}
	var entries []redis.XMessage
	err = s.once(ctx, base, func(ctx context.Context) (err error) {
		entries, err = read(ctx, base.deltas(id)).Result()
		return err
	})
	if err != nil {
		return nil, fmt.Errorf("read progress of %s: %w", id, err)
	}
	return entries, nil
}
