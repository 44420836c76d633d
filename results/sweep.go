package results

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/redis/go-redis/v9"

	"github.com/longhaul-jobs/longhaul/jobs"
)

const (
	// sweepLease is when the blobs of a job are tried again if they could not be
	// deleted, or if whoever was at it is gone.
	sweepLease = time.Minute
	// sweepers is how many jobs have their blobs deleted at once.
	sweepers = 16
	// strayAge is how old a blob without a record is before it is taken for a
	// stray: its job may still be on the way.
	strayAge = 24 * time.Hour
	// strayPage is how many blobs one call of SweepStrays looks at.
	strayPage = 10_000
	// strayRound is how long the search rests after it has seen all blobs.
	strayRound = 24 * time.Hour
)

// SweepBlobs deletes the blobs of jobs that are gone, of up to limit jobs in each
// shard, and returns how many jobs it was done with. What cannot be deleted now
// is tried again by a later call, of any process.
//
// A crash before a blob is deleted, or after it and before the note is removed,
// leaves the note, and the work is done again; deleting what is gone is no error.
func (s *Store) SweepBlobs(ctx context.Context, limit int) (int, error) {
	if s.config.Blobs == nil {
		return 0, nil
	}
	now := s.Now()
	var gone []jobs.ID
	args := []any{ms(now), ms(now.Add(sweepLease)), limit}
	err := s.everywhere(ctx, s.scripts.gone, args, func(answer *redis.Cmd) error {
		ids, err := answer.StringSlice()
		for _, id := range ids {
			gone = append(gone, jobs.ID(id))
		}
		return err
	})
	if len(gone) == 0 {
		if err != nil {
			err = fmt.Errorf("find jobs that are gone: %w", err)
		}
		return 0, err
	}
	done, failed := s.deleteBlobs(ctx, gone)
	err = errors.Join(err, failed)
	if len(done) > 0 {
		_, forget := s.rdb.Pipelined(ctx, func(p redis.Pipeliner) error {
			for _, id := range done {
				p.ZRem(ctx, s.base(id.Shard()).gone(), string(id))
			}
			return nil
		})
		err = errors.Join(err, forget)
	}
	if err != nil {
		return len(done), fmt.Errorf("delete blobs of jobs that are gone: %w", err)
	}
	return len(done), nil
}

// deleteBlobs deletes the blobs of jobs, several at once, until one fails, and
// returns the jobs that it was done with.
func (s *Store) deleteBlobs(ctx context.Context, ids []jobs.ID) (done []jobs.ID, err error) {
	folder, err := s.blobFolder(ctx)
	if err != nil {
		return nil, err
	}
	failures := make([]error, len(ids))
	var next atomic.Int64
	var failed atomic.Bool
	var all sync.WaitGroup
	for range min(sweepers, len(ids)) {
		all.Go(func() {
			for i := next.Add(1) - 1; i < int64(len(ids)); i = next.Add(1) - 1 {
				failures[i] = errNotTried
				if failed.Load() || ctx.Err() != nil {
					continue
				}
				failures[i] = s.metered().Delete(ctx, jobFolder(folder, ids[i]))
				failed.CompareAndSwap(false, failures[i] != nil)
			}
		})
	}
	all.Wait()
	for i, failure := range failures {
		switch {
		case failure == nil:
			done = append(done, ids[i])
		case !errors.Is(failure, errNotTried) && err == nil:
			err = failure
		}
	}
	if err == nil && len(done) < len(ids) {
		err = context.Cause(ctx)
	}
	return done, err
}

// errNotTried is the outcome of what came after a failure.
var errNotTried = errors.New("not tried")

// SweepStrays looks for blobs that have been there for a day while their job has
// no record, which a crash between the two leaves, and deletes them. Each call
// looks at a part of the blobs; once it has seen all, the search rests for a day.
// How far it has come is kept in Redis, for all processes. It returns the number
// of jobs whose blobs were deleted.
func (s *Store) SweepStrays(ctx context.Context) (int, error) {
	if s.config.Blobs == nil {
		return 0, nil
	}
	folder, err := s.blobFolder(ctx)
	if err != nil {
		return 0, fmt.Errorf("search for stray blobs: %w", err)
	}
	now := s.Now()
	after, err := s.run(ctx, s.scripts.round, s.meta(), ms(now), ms(now.Add(5*sweepLease))).Text()
	if errors.Is(err, redis.Nil) {
		return 0, nil // somebody else's turn, or nobody's
	}
	if err != nil {
		return 0, fmt.Errorf("search for stray blobs: %w", err)
	}
	old, last, err := s.oldBlobs(ctx, folder, after, now.Add(-strayAge))
	if err != nil {
		return 0, fmt.Errorf("search for stray blobs: %w", err)
	}
	strays, err := s.withoutRecord(ctx, old)
	if err != nil {
		return 0, fmt.Errorf("search for stray blobs: %w", err)
	}
	done, err := s.deleteBlobs(ctx, strays)
	if err != nil {
		return len(done), fmt.Errorf("delete stray blobs: %w", err)
	}
	for _, id := range done {
		s.log.InfoContext(ctx, "stray blobs deleted", slog.String("job_id", string(id)))
	}
	due := now
	if last == "" {
		due = now.Add(strayRound)
	}
	err = s.rdb.HSet(ctx, string(s.meta())+"round", "after", last, "due", ms(due)).Err()
	if err != nil {
		return len(done), fmt.Errorf("search for stray blobs: %w", err)
	}
	return len(done), nil
}

// oldBlobs returns the jobs of blobs that were written before a time, of one part
// of the blobs, and the last key of the part, "" if it was the last part.
func (s *Store) oldBlobs(ctx context.Context, folder, after string, before time.Time) (ids []jobs.ID, last string, err error) {
	seen := 0
	err = s.metered().Walk(ctx, folder, after, func(key string, modified time.Time) bool {
		seen++
		last = key
		id := jobOf(folder, key)
		if id != "" && modified.Before(before) && (len(ids) == 0 || ids[len(ids)-1] != id) {
			ids = append(ids, id)
		}
		return seen < strayPage
	})
	if seen < strayPage {
		last = ""
	}
	return ids, last, err
}

// jobOf is the job that a key belongs to, "" for a key that is not a job's.
func jobOf(folder, key string) jobs.ID {
	parts := strings.Split(strings.TrimPrefix(key, folder+"/"), "/")
	if len(parts) < 3 {
		return ""
	}
	id, err := jobs.ParseID(parts[1])
	if err != nil || !strings.HasPrefix(key, jobFolder(folder, id)+"/") {
		return ""
	}
	return id
}

// withoutRecord returns those of the jobs that have no record. What cannot be of this
// installation is not for it to judge.
func (s *Store) withoutRecord(ctx context.Context, ids []jobs.ID) ([]jobs.ID, error) {
	if len(ids) == 0 {
		return nil, nil
	}
	answers := make([]*redis.IntCmd, len(ids))
	_, err := s.rdb.Pipelined(ctx, func(p redis.Pipeliner) error {
		for i, id := range ids {
			if base, err := s.home(id); err == nil {
				answers[i] = p.Exists(ctx, base.job(id))
			}
		}
		return nil
	})
	if err != nil {
		return nil, err
	}
	var without []jobs.ID
	for i, answer := range answers {
		if answer != nil && answer.Val() == 0 {
			without = append(without, ids[i])
		}
	}
	return without, nil
}
