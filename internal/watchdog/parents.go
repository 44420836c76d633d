package watchdog

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"slices"

	"github.com/longhaul-jobs/longhaul/jobs"
	"github.com/longhaul-jobs/longhaul/results"
)

const (
	// partsPage is how many parts are read at once, and partsMost how many of them are
	// cancelled or deleted in one claim of their parent.
	partsPage = 200
	partsMost = 1000
	// otherParents is how many of those that wait for a part are looked at, and
	// otherPage how many of them at once.
	otherParents, otherPage = 10_000, 50
)

// endParts cancels the parts of a parent that was stopped, or deletes those of one that
// is being deleted. A part that another job waits for or needs stays, and so does, when parts are
// deleted, one that was made for another parent. Doing it twice does no harm.
//
// A parent that was retried meanwhile keeps its parts.
func (w *Watchdog) endParts(ctx context.Context, j jobs.Job, effect jobs.Effect) error {
	done := 0
	var failed error
	for from := 0; j.State.Terminal(); from += partsPage {
		parts, err := w.store.Parts(ctx, j.ID, from, partsPage)
		if err != nil {
			return err
		}
		if len(parts) == 0 {
			break
		}
		ids := make([]jobs.ID, len(parts))
		for i, part := range parts {
			ids[i] = part.ID
		}
		records, err := w.store.Jobs(ctx, ids)
		if err != nil {
			return err
		}
		for _, part := range records {
			ended, err := w.endPart(ctx, j, part, effect)
			failed = errors.Join(failed, err)
			if ended {
				done++
			}
		}
		if done >= partsMost && failed == nil {
			return w.putBack(ctx, j, w.store.Now())
		}
	}
	if failed != nil {
		return failed
	}
	if done > 0 {
		w.log.InfoContext(ctx, "parts of an ended parent ended or deleted with it", slog.String("job_id", string(j.ID)),
			slog.String("effect", string(effect.Kind)), slog.Int("parts", done))
	}
	_, _, err := w.step(ctx, j, jobs.EffectDone{ID: effect.ID})
	return err
}

// endPart cancels or deletes a part, and reports whether it did.
func (w *Watchdog) endPart(ctx context.Context, parent, part jobs.Job, effect jobs.Effect) (bool, error) {
	var ev jobs.Event
	switch {
	case part.ID == "": // gone, or of a newer schema
		return false, nil
	case effect.Kind == jobs.EffectStopParts && !part.State.Terminal() && part.Stop == nil:
		ev = jobs.StopRequested{Reason: jobs.StopCancel, Parent: parent.ID}
	case effect.Kind == jobs.EffectDeleteParts && part.Parent == parent.ID:
		ev = jobs.DeleteRequested{Remote: effect.Remote}
	default:
		return false, nil
	}
	if wanted, err := w.wantedElsewhere(ctx, parent.ID, part); err != nil || wanted {
		return false, err
	}
	_, err := w.store.Advance(ctx, part, ev)
	switch {
	case errors.Is(err, jobs.ErrUnchanged), errors.Is(err, results.ErrNotFound):
		return false, nil
	case err != nil:
		return false, fmt.Errorf("%s %s: %w", ev.Name(), part.ID, err)
	}
	return true, nil
}

// wantedElsewhere reports whether a job that has not ended waits for a part, or needs one
// that has ended, beside the given parent.
func (w *Watchdog) wantedElsewhere(ctx context.Context, parent jobs.ID, part jobs.Job) (bool, error) {
	dependents, err := w.store.Dependents(ctx, part.ID, otherParents)
	if err != nil {
		return false, err
	}
	for page := range slices.Chunk(dependents, otherPage) {
		others, err := w.store.Jobs(ctx, page)
		if err != nil {
			return false, err
		}
		for _, other := range others {
			if other.ID != "" && other.ID != parent && !other.State.Terminal() {
				return true, nil
			}
		}
	}
	return false, nil
}
