package parents

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/longhaul-jobs/longhaul/jobs"
	"github.com/longhaul-jobs/longhaul/results"
)

const (
	// batch is how many parts are accepted before they are put down as the parent's:
	// what is accepted of a batch when a worker dies and the parent is cancelled at the
	// same time runs to its end.
	batch = 64
	// hands is how many parts are accepted, or read, at once.
	hands = 8
	// races bounds how often a part is seen to in a step because another job has its key
	// each time, or the one that has it does not count.
	races = 20
)

// asked is a part of a phase: what it asks for, and the job that answers it.
type asked struct {
	name    string
	request jobs.Request
	job     jobs.Job
	fresh   bool // this step has accepted it, or had it tried again
}

// phase sees to it that the parts of a phase are there, and returns how they ended; or,
// with an outcome, that the step is over: some have not ended, or the parent has.
func (r *Runner) phase(ctx context.Context, j jobs.Job, number int, parts []jobs.Part) (ends []jobs.PartEnd, outcome string, err error) {
	all, err := r.find(ctx, j, parts)
	if err == nil {
		outcome, err = r.provide(ctx, j, number, all)
	}
	if refusal, ok := errors.AsType[*refusedError](err); ok {
		if j.Late(r.store.Now()) { // so are its parts, which is why they were refused
			return nil, stepEnded, r.expire(ctx, j)
		}
		outcome, err = r.end(ctx, j, jobs.Next{Failure: &refusal.failure})
	}
	if err != nil || outcome != "" {
		return nil, outcome, err
	}
	if open := unended(all); len(open) > 0 {
		return nil, stepPlanned, r.await(ctx, j, number, len(all), open)
	}
	if ends, err = r.read(ctx, all); err != nil {
		outcome, err = r.missing(ctx, j, "part_missing", err)
	}
	return ends, outcome, err
}

// refusedError is a part that can never be accepted.
type refusedError struct{ failure jobs.Failure }

func (e *refusedError) Error() string { return e.failure.String() }

func refused(name, code string, err error) error {
	f := jobs.FailureOf(err)
	f.Code, f.Message = code, fmt.Sprintf("%s: %s", jobs.PartName(name), f.Message)
	return &refusedError{failure: f}
}

// find finds those parts that there are as jobs already.
func (r *Runner) find(ctx context.Context, j jobs.Job, parts []jobs.Part) ([]asked, error) {
	all := make([]asked, len(parts))
	keys := make([]string, len(parts))
	for i, part := range parts {
		request, err := jobs.ParseRequest(part.Request, j.Model)
		if err != nil {
			return nil, refused(part.Name, "part_invalid", err)
		}
		all[i].name, all[i].request = part.Name, request
		keys[i] = j.PartKey(request)
	}
	found, err := r.store.FindParts(ctx, keys)
	if err != nil {
		return nil, err
	}
	for i := range all {
		if all[i].job = found[i]; found[i].ID != "" && !j.Stale(found[i]) {
			all[i].request = jobs.Request{} // a large document has as much text again in these
		}
	}
	return all, nil
}

// provide accepts the parts that are missing, has those tried again whose end does not
// count, and puts all of them down as the parent's.
func (r *Runner) provide(ctx context.Context, j jobs.Job, number int, all []asked) (outcome string, err error) {
	for first := 0; first < len(all); first += batch {
		some := all[first:min(first+batch, len(all))]
		failed := each(len(some), func(i int) error { return r.provideOne(ctx, j, &some[i]) })
		places := make([]results.PlanPart, 0, len(some))
		for i, part := range some {
			if part.job.ID != "" {
				places = append(places, results.PlanPart{ID: part.job.ID, Phase: number, Index: first + i, Open: !part.job.State.Terminal()})
			}
		}
		// Those that were accepted are put down although others failed, or withdrawn.
		state, err := r.store.AttachParts(ctx, j.ID, places, time.Time{}, 0)
		if err == nil && state != jobs.StateWaiting {
			return stepOver, r.withdraw(ctx, j, some)
		}
		if err = errors.Join(failed, err); err != nil {
			return "", err
		}
		if err := r.need(ctx, j, some); err != nil {
			return "", err
		}
	}
	return "", nil
}

// anew reports whether a part that does not count is asked for anew: tried again, it would
// be paid for by the group that it is of, and go by that one's budget.
func anew(j, part jobs.Job) bool { return j.Stale(part) && part.Group != j.PartGroup() }

// provideOne sees to it that a part is there. The job that has its key may be another one
// than that which was found, and end in a way that does not count either: then it is seen
// to again.
func (r *Runner) provideOne(ctx context.Context, j jobs.Job, part *asked) error {
	for range races {
		source, err := r.obtain(ctx, j, part)
		switch {
		case err != nil:
			return err
		case source != "":
			r.metrics.parts.WithLabelValues(source).Inc()
			return nil
		}
	}
	return fmt.Errorf("%s: the job that is to count was another one %d times", jobs.PartName(part.name), races)
}

// obtain takes a part as it was found, has it tried again, or accepts it, and returns how
// it was come by, "" if it has to be seen to again.
func (r *Runner) obtain(ctx context.Context, j jobs.Job, part *asked) (source string, err error) {
	switch {
	case part.job.ID == "", anew(j, part.job):
		part.job, part.fresh, err = r.store.AcceptPart(ctx, j, part.name, part.request, part.job.ID)
		switch {
		case err != nil && jobs.ClassOf(err) == jobs.ClassInvalid:
			return "", refused(part.name, "part_refused", err)
		case err != nil:
			return "", err
		case part.fresh:
			return partFresh, nil
		case j.Stale(part.job):
			return "", nil
		}
		return partFound, nil
	case j.Stale(part.job):
		return r.tryAgain(ctx, j, part)
	}
	return partFound, nil
}

// tryAgain has a part tried again, unless another job has its key by now: to try both would
// be to pay for both.
func (r *Runner) tryAgain(ctx context.Context, j jobs.Job, part *asked) (source string, err error) {
	next, err := r.store.Advance(ctx, part.job, jobs.RetryRequested{Deadline: j.Deadline, InPlace: true})
	if next.ID != "" {
		part.job = next // somebody else may have had it tried again
	}
	_, no := errors.AsType[*jobs.RefusedError](err)
	switch {
	case errors.Is(err, results.ErrNotFound), no && (next.Deleting || strings.Contains(next.Links, jobs.LinkReplaced)):
		part.job = jobs.Job{}
		return "", nil
	case no, unchanged(err):
		return partFound, nil
	case err != nil:
		return "", err
	}
	part.fresh = true
	r.log.InfoContext(ctx, "part is tried again", slog.String("job_id", string(j.ID)), slog.String("part_id", string(next.ID)))
	return partRetried, nil
}

// need has those of some parts stay that have ended and were made for another parent, which
// may be deleted at any time, or are kept for less long than this one: what has been paid for
// is read again with each step.
func (r *Runner) need(ctx context.Context, j jobs.Job, some []asked) error {
	var found []jobs.ID
	until := j.Deadline.Add(j.Retention)
	for _, part := range some {
		if part.job.State.Terminal() && (part.job.Parent != j.ID || part.job.ExpiresAt().Before(until)) {
			found = append(found, part.job.ID)
		}
	}
	if len(found) == 0 {
		return nil
	}
	gone, err := r.store.Need(ctx, j.ID, found, until)
	if err == nil && len(gone) > 0 {
		err = fmt.Errorf("%d parts are gone since they were found", len(gone)) // the next step makes them anew
	}
	return err
}

// withdraw cancels what was accepted, or tried again, for a parent that has ended meanwhile.
func (r *Runner) withdraw(ctx context.Context, j jobs.Job, some []asked) error {
	return each(len(some), func(i int) error {
		if !some[i].fresh {
			return nil
		}
		_, err := r.store.Advance(ctx, some[i].job, jobs.StopRequested{Reason: jobs.StopCancel, Parent: j.ID})
		return ignoreUnchanged(err)
	})
}

// await has the parent wait for the parts that have not ended. In this order: a part
// that ends before it is attended to is found to have ended then, and one that ends
// after it tells.
func (r *Runner) await(ctx context.Context, j jobs.Job, number, parts int, open []jobs.ID) error {
	_, err := r.store.Advance(ctx, j, jobs.Planned{Since: j.Plan.Since, Phase: number, Parts: parts})
	if err = ignoreUnchanged(err); err != nil {
		return err
	}
	if left, err := r.attend(ctx, j, open); err != nil || left == 0 {
		return err // with the last of them it has become due
	}
	return r.askLater(ctx, j, 0)
}

// read reads the answers of parts that have ended.
func (r *Runner) read(ctx context.Context, all []asked) ([]jobs.PartEnd, error) {
	ends := make([]jobs.PartEnd, len(all))
	err := each(len(all), func(i int) error {
		j := all[i].job
		ends[i].Job = j
		if j.Result == nil {
			return nil
		}
		body, err := r.store.Body(ctx, j.ID)
		if err != nil || body == nil {
			return err
		}
		response, err := jobs.ParseResponse(body)
		if err != nil {
			return fmt.Errorf("read the answer of %s: %w: %w", j.ID, results.ErrUnreadable, err)
		}
		ends[i].Text = response.Text()
		return nil
	})
	return ends, err
}

// unended are the jobs that have not ended, each once.
func unended(all []asked) []jobs.ID {
	var open []jobs.ID
	for _, part := range all {
		if !part.job.State.Terminal() {
			open = append(open, part.job.ID)
		}
	}
	slices.Sort(open)
	return slices.Compact(open)
}

// each calls f for 0 to n-1, a few at once, and returns the first error of each kind:
// all of them are called.
func each(n int, f func(i int) error) error {
	var (
		all    sync.WaitGroup
		mu     sync.Mutex
		failed error
		next   = make(chan int)
	)
	for range min(n, hands) {
		all.Go(func() {
			for i := range next {
				err := f(i)
				if err == nil {
					continue
				}
				mu.Lock()
				if failed == nil {
					failed = err
				}
				mu.Unlock()
			}
		})
	}
	for i := range n {
		next <- i
	}
	close(next)
	all.Wait()
	return failed
}
