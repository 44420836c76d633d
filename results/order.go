package results

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/redis/go-redis/v9"

	"github.com/longhaul-jobs/longhaul/jobs"
)

// checkDependencies refuses options that name a job which is not there. A job that
// was submitted before under the same dedupe key is returned all the same: what it
// waited for may have been deleted since. One whose place is to be taken is not: who
// asks for that would have it again and again.
func (s *Store) checkDependencies(ctx context.Context, request jobs.Request, options jobs.Options, instead jobs.ID) (first jobs.Job, err error) {
	param, missing, err := s.missing(ctx, options)
	if err != nil || missing == "" {
		return jobs.Job{}, err
	}
	if options.DedupeKey != "" {
		shard, dedupe := s.place(options)
		verdict, id, err := s.owner(ctx, shard, dedupe, request.Digest())
		switch {
		case err != nil:
			return jobs.Job{}, fmt.Errorf("accept job: %w", err)
		case verdict == "duplicate":
			first, err := s.Load(ctx, id)
			if failed := first.State.Terminal() && first.State != jobs.StateSucceeded; id != instead || err != nil || !failed {
				return first, err
			}
		}
	}
	return jobs.Job{}, jobs.Invalid(param, "names %s, and there is no such job; it may have been deleted, or its retention may be over", missing)
}

// missing returns the first job that the options name and that is not there, and the
// option that names it.
func (s *Store) missing(ctx context.Context, options jobs.Options) (param string, missing jobs.ID, err error) {
	if options.ContinueFrom == "" && len(options.After) == 0 {
		return "", "", nil
	}
	named := append([]jobs.ID{options.ContinueFrom}, options.After...)
	answers := make([]*redis.IntCmd, len(named))
	param = "continue_from"
	_, err = s.rdb.Pipelined(ctx, func(p redis.Pipeliner) error {
		for i, id := range named {
			if base, failed := s.home(id); failed == nil {
				answers[i] = p.Exists(ctx, base.job(id))
			}
		}
		return nil
	})
	if err != nil {
		return "", "", fmt.Errorf("accept job: find those that it waits for: %w", err)
	}
	for i, id := range named {
		if id != "" && (answers[i] == nil || answers[i].Val() == 0) {
			return param, id, nil
		}
		param = "after"
	}
	return "", "", nil
}

// Attend puts a job among those that are told of the end of each of some others, and
// returns those others that have ended already, or are not there. Doing it twice does
// no harm. A crash in between leaves it with some of them; whoever asks next for the
// job does the rest.
func (s *Store) Attend(ctx context.Context, dependent jobs.ID, others []jobs.ID) (ended []jobs.ID, err error) {
	return s.attend(ctx, dependent, others, nil, jobs.State.Terminal)
}

// Need puts a job among the dependents of some others, which may have ended: while it is
// open they are not deleted with the parent that they were made for, and until the given
// time their retention is not over. It returns those that are not there.
func (s *Store) Need(ctx context.Context, dependent jobs.ID, others []jobs.ID, until time.Time) (gone []jobs.ID, err error) {
	return s.attend(ctx, dependent, others, []any{"1", ms(until)}, func(jobs.State) bool { return false })
}

// attend returns those of the others that are not there, or in a state of which that is to
// be said.
func (s *Store) attend(ctx context.Context, dependent jobs.ID, others []jobs.ID, needs []any, say func(jobs.State) bool) (ended []jobs.ID, err error) {
	var calls []call
	var asked []jobs.ID
	for _, id := range others {
		if _, err := s.home(id); err != nil {
			ended = append(ended, id) // it cannot be there
			continue
		}
		calls = append(calls, call{shard: id.Shard(), args: append([]any{string(id), string(dependent)}, needs...)})
		asked = append(asked, id)
	}
	if len(calls) == 0 {
		return ended, nil
	}
	err = s.together(ctx, s.scripts.attend, calls, func(i int, answer *redis.Cmd) error {
		state, err := answer.Text()
		if err == nil && (state == "" || say(jobs.State(state))) {
			ended = append(ended, asked[i])
		}
		return err
	})
	if err != nil {
		return ended, fmt.Errorf("wait for other jobs: %w", err)
	}
	return ended, nil
}

// Dependents returns some of the jobs that wait to be told of the end of a job.
func (s *Store) Dependents(ctx context.Context, id jobs.ID, limit int) ([]jobs.ID, error) {
	base, err := s.home(id)
	if err != nil {
		return nil, err
	}
	members, err := s.rdb.ZRange(ctx, base.dependents(id), 0, int64(limit)-1).Result()
	if err != nil {
		return nil, fmt.Errorf("read dependents of %s: %w", id, err)
	}
	ids := make([]jobs.ID, len(members))
	for i, member := range members {
		ids[i] = jobs.ID(member)
	}
	return ids, nil
}

// Told takes jobs off the list of those that are to be told of the end of a job, and
// returns how many are left.
func (s *Store) Told(ctx context.Context, id jobs.ID, told []jobs.ID) (left int, err error) {
	base, err := s.home(id)
	if err != nil {
		return 0, err
	}
	args := []any{string(id)}
	for _, dependent := range told {
		args = append(args, string(dependent))
	}
	left, err = s.run(ctx, s.scripts.told, base, args...).Int()
	if err != nil {
		return 0, fmt.Errorf("note who was told of the end of %s: %w", id, err)
	}
	return left, nil
}

// Ending is what a job tells those that wait for it. One that is not there any more
// has nothing to tell but that.
func (s *Store) Ending(ctx context.Context, id jobs.ID) (jobs.DependencyEnded, error) {
	j, err := s.Load(ctx, id)
	if errors.Is(err, ErrNotFound) {
		return jobs.DependencyEnded{Job: id}, nil
	}
	if err != nil {
		return jobs.DependencyEnded{}, err
	}
	return j.Ending(), nil
}
