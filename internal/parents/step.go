package parents

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"runtime"
	"runtime/debug"
	"time"

	"github.com/longhaul-jobs/longhaul/jobs"
	"github.com/longhaul-jobs/longhaul/results"
)

// step takes the step that a claimed parent is due for.
//
// A crash anywhere in it leaves the claim, which runs out; the step is then taken again
// from its beginning and finds what this one has done.
func (r *Runner) step(ctx context.Context, j jobs.Job) (outcome string, err error) {
	switch {
	case j.Plan == nil || !j.Planning():
		return stepOver, nil // it was put there by something that is not ours
	case j.Late(r.store.Now()):
		return stepEnded, r.expire(ctx, j)
	case j.Lapsed >= lapsesBeforePoison:
		return r.end(ctx, j, jobs.Next{Failure: &jobs.Failure{
			Class: jobs.ClassPoison, Code: "plan_crashed",
			Message: fmt.Sprintf("%d workers in a row did not bring the planning of it to an end", j.Lapsed),
		}})
	}
	waits, err := r.waits(ctx, j)
	if err != nil || waits {
		return stepWaiting, err
	}
	request, err := r.store.Request(ctx, j)
	if err != nil {
		return r.missing(ctx, j, "request_missing", err)
	}
	var phases [][]jobs.PartEnd
	for {
		next, failure := r.ask(ctx, j, request.Raw, phases)
		if failure == nil {
			failure = bounds(next, len(phases))
		}
		if failure != nil {
			return r.end(ctx, j, jobs.Next{Failure: failure})
		}
		if len(next.Parts) == 0 {
			return r.end(ctx, j, next)
		}
		ends, outcome, err := r.phase(ctx, j, len(phases)+1, next.Parts)
		if outcome != "" || err != nil {
			return outcome, err
		}
		phases = append(phases, ends)
	}
}

// expire ends a parent whose deadline has passed.
func (r *Runner) expire(ctx context.Context, j jobs.Job) error {
	_, err := r.store.Advance(ctx, j, jobs.StopRequested{Reason: jobs.StopDeadline})
	return ignoreUnchanged(err)
}

// waits reports whether some of the parent's parts were not known to have ended. It asks for their
// ends, because a word may have been lost; the planner has nothing to do meanwhile.
func (r *Runner) waits(ctx context.Context, j jobs.Job) (bool, error) {
	open, err := r.store.OpenParts(ctx, j.ID)
	if err != nil || len(open) == 0 {
		return false, err
	}
	if left, err := r.attend(ctx, j, open); err != nil || left == 0 {
		return true, err // with the last of them it has become due
	}
	return true, r.askLater(ctx, j, j.Nudge+1)
}

// askLater has a parent ask for itself how its parts stand, should nobody tell it: ever
// more rarely the more often it did so in vain, and at its deadline.
func (r *Runner) askLater(ctx context.Context, j jobs.Job, vain int) error {
	ask := r.store.Now().Add(min(askMost, askFirst*time.Duration(max(1, vain))))
	if !j.Deadline.IsZero() && j.Deadline.Before(ask) {
		ask = j.Deadline
	}
	_, err := r.store.AttachParts(ctx, j.ID, nil, ask, vain)
	return err
}

// attend has the parent told of the ends of its open parts, and returns how many of them
// there are.
func (r *Runner) attend(ctx context.Context, j jobs.Job, open []jobs.ID) (left int, err error) {
	ended, err := r.store.Attend(ctx, j.ID, open)
	if err != nil {
		return 0, err
	}
	if len(ended) == 0 {
		return len(open), nil
	}
	return r.store.PartsEnded(ctx, j.ID, ended)
}

// ask asks the planner. One that panics fails its parent and not the worker.
func (r *Runner) ask(ctx context.Context, j jobs.Job, request json.RawMessage, phases [][]jobs.PartEnd) (next jobs.Next, failure *jobs.Failure) {
	defer func() {
		cause := recover()
		if cause == nil {
			return
		}
		// What a panic says may hold some of the document; what the runtime says does not.
		what := fmt.Sprintf("%T", cause)
		if e, ok := cause.(runtime.Error); ok {
			what = e.Error()
		}
		r.log.ErrorContext(ctx, "planner panicked", slog.String("job_id", string(j.ID)), slog.String("kind", string(j.Kind)),
			slog.String("cause", what), slog.String("stack", string(debug.Stack())))
		next, failure = jobs.Next{}, &jobs.Failure{Class: jobs.ClassInternal, Code: "plan_panicked", Message: "its planner panicked: " + what}
	}()
	next, err := r.config.Planners[j.Kind].Next(request, phases)
	if err == nil {
		return next, nil
	}
	f := jobs.FailureOf(err)
	if _, classified := errors.AsType[*jobs.Error](err); !classified {
		f.Class = jobs.ClassInvalid
	}
	if f.Code == "" {
		f.Code = "plan_refused"
	}
	return jobs.Next{}, &f
}

// bounds returns what is wrong with the extent of a phase, nil for nothing.
func bounds(next jobs.Next, phases int) *jobs.Failure {
	switch {
	case len(next.Parts) > jobs.MaxParts:
		return &jobs.Failure{Class: jobs.ClassInvalid, Code: "too_many_parts", Message: fmt.Sprintf(
			"it needs %d parts in phase %d, and at most %d are possible; divide what it is about", len(next.Parts), phases+1, jobs.MaxParts)}
	case len(next.Parts) > 0 && phases >= jobs.MaxPhases:
		return &jobs.Failure{Class: jobs.ClassInternal, Code: "too_many_phases", Message: fmt.Sprintf(
			"its planner goes on after %d phases", phases)}
	}
	return nil
}

// end ends the parent as its planner has it.
func (r *Runner) end(ctx context.Context, j jobs.Job, next jobs.Next) (outcome string, err error) {
	if next.Failure == nil && next.Result != nil && !object(next.Result) {
		next = jobs.Next{Failure: &jobs.Failure{Class: jobs.ClassInternal, Code: "plan_malformed", Message: "its planner gave a result that is no JSON object"}}
	}
	ended, err := r.store.Advance(ctx, j, jobs.PlanEnded{Since: j.Plan.Since, Result: next.Result, Failure: next.Failure})
	if err != nil {
		return stepEnded, ignoreUnchanged(err)
	}
	log := r.log.With(slog.String("job_id", string(j.ID)), slog.String("kind", string(j.Kind)), slog.String("state", string(ended.State)))
	if f := ended.Failure; f != nil {
		log.WarnContext(ctx, "parent ended without success", slog.String("class", string(f.Class)), slog.String("code", f.Code))
	} else {
		log.InfoContext(ctx, "parent ended", slog.Int("phases", ended.Plan.Phase))
	}
	return stepEnded, nil
}

// missing deals with something that the step needs and that cannot be read. It may come
// back, as what is on a share that is not mounted; what is gone for good fails the
// parent.
func (r *Runner) missing(ctx context.Context, j jobs.Job, code string, cause error) (outcome string, err error) {
	gone := errors.Is(cause, results.ErrBlobMissing) || errors.Is(cause, results.ErrUnreadable) || errors.Is(cause, results.ErrNotFound)
	if !gone || j.Nudge < enoughMissing {
		return "", cause
	}
	f := jobs.FailureOf(cause)
	f.Code = code
	return r.end(ctx, j, jobs.Next{Failure: &f})
}

func object(raw json.RawMessage) bool {
	var fields map[string]json.RawMessage
	return json.Unmarshal(raw, &fields) == nil && fields != nil
}

func ignoreUnchanged(err error) error {
	if unchanged(err) {
		return nil
	}
	return err
}
