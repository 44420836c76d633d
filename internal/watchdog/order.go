package watchdog

import (
	"context"
	"errors"
	"log/slog"
	"strings"
	"time"

	"github.com/longhaul-jobs/longhaul/jobs"
	"github.com/longhaul-jobs/longhaul/results"
)

const (
	// tellPage is how many jobs are told of an end before that is noted, and
	// tellPages how many such pages one claim goes through.
	tellPage  = 100
	tellPages = 5

	// A job that waits for others asks for itself how they stand: after askFirst,
	// then ever more rarely, up to askMost. As a rule it is told before.
	askFirst = time.Minute
	askMost  = 10 * time.Minute
)

// ask finds out how those stand that a job waits for, and has it told of their ends.
// Where it learns nothing new, it makes sure that it will be told.
//
// A crash anywhere in it leaves the job claimed, and it is claimed anew when the lease
// has run out.
func (w *Watchdog) ask(ctx context.Context, j jobs.Job) error {
	before := j.AskAt
	ended, err := w.store.Attend(ctx, j.ID, j.WaitsFor())
	if err != nil {
		return err
	}
	for _, id := range ended {
		ending, err := w.store.Ending(ctx, id)
		if errors.Is(err, jobs.ErrNewerSchema) {
			continue // a worker that can read it will tell
		}
		if err != nil {
			return err
		}
		next, applied, err := w.step(ctx, j, ending)
		if err != nil || !next.Aside() {
			if applied {
				w.moved(ctx, next)
			}
			return err
		}
		j = next
	}
	due := w.store.Now().Add(min(askMost, askFirst*time.Duration(1+j.Nudge)))
	if !j.AskAt.Equal(before) && j.AskAt.Before(due) {
		due = j.AskAt // a step has said so, for it waits for another now
	}
	if !j.Deadline.IsZero() && j.Deadline.Before(due) {
		due = j.Deadline
	}
	_, err = w.store.Settle(ctx, results.Settlement{Job: j, Due: due, Nudge: true})
	return err
}

// tell has those that wait for an ended job know of its end. Each of them is told for itself, and noted with the others of its page: a
// crash in between has some told twice, which changes nothing. One that cannot be told
// does not keep the others from it; it asks for itself in time.
//
// A job that was retried by hand meanwhile has no end to tell: those that still wait
// are told of the next one.
func (w *Watchdog) tell(ctx context.Context, j jobs.Job, effect jobs.Effect) error {
	for page := 0; j.State.Terminal(); page++ {
		if page == tellPages {
			return w.putBack(ctx, j, w.store.Now())
		}
		dependents, err := w.store.Dependents(ctx, j.ID, tellPage)
		if err != nil {
			return err
		}
		var told []jobs.ID
		var failed error
		for _, id := range dependents {
			err := w.tellOne(ctx, id, j.Ending())
			if err != nil {
				failed = errors.Join(failed, err)
				continue
			}
			told = append(told, id)
		}
		left, err := w.store.Told(ctx, j.ID, told)
		if err = errors.Join(failed, err); err != nil {
			return err
		}
		if left == 0 {
			j.Links = strings.ReplaceAll(j.Links, jobs.LinkWaited, "") // as the store has it now
			break
		}
	}
	_, _, err := w.step(ctx, j, jobs.EffectDone{ID: effect.ID})
	return err
}

func (w *Watchdog) tellOne(ctx context.Context, id jobs.ID, ending jobs.DependencyEnded) error {
	next, err := w.store.Step(ctx, id, ending)
	switch {
	case errors.Is(err, jobs.ErrUnchanged) && next.Planning():
		_, err := w.store.PartsEnded(ctx, id, []jobs.ID{ending.Job})
		return err
	case errors.Is(err, jobs.ErrUnchanged), errors.Is(err, results.ErrNotFound), errors.Is(err, jobs.ErrNewerSchema):
		return nil // it has gone on, or a worker that can read it asks
	case err != nil:
		return err
	}
	w.moved(ctx, next)
	return nil
}

// moved logs that a job no longer waits for others.
func (w *Watchdog) moved(ctx context.Context, j jobs.Job) {
	switch {
	case j.State.Terminal() && j.Failure != nil:
		w.log.WarnContext(ctx, "job ended with one that it waits for", slog.String("job_id", string(j.ID)),
			slog.String("state", string(j.State)), slog.String("code", j.Failure.Code))
	case !j.Aside():
		w.log.DebugContext(ctx, "those that a job waits for have succeeded", slog.String("job_id", string(j.ID)))
	}
}
