package submit

import (
	"context"
	"encoding/json"
	"log/slog"

	"github.com/longhaul-jobs/longhaul/jobs"
)

// holdBudgets keeps a part of each budget for an attempt, and reports whether all have
// room for it. A job that has to wait for one leaves its lane; what is held of others is
// returned all the same.
//
// A crash after it leaves something held for an attempt that is not on record; whoever
// looks after the budget finds it.
func (s *Submitter) holdBudgets(ctx context.Context, j jobs.Job, attempt int, body json.RawMessage) (held []string, room bool, err error) {
	if s.config.Budgets == nil {
		return nil, true, nil
	}
	held, back, err := s.config.Budgets.Hold(ctx, j, jobs.Try{Job: j.ID, Attempt: attempt}, body)
	switch {
	case err != nil:
		// The watchdog enqueues the job anew. To send it now might be too dear.
		s.log.WarnContext(ctx, "create put off: it is not known whether a budget has room", slog.String("job_id", string(j.ID)), slog.Any("err", err))
		return held, false, nil
	case back != nil:
		return held, false, s.postpone(ctx, j, *back)
	}
	return held, true, nil
}

// releaseBudgets gives back what is held for an attempt that was not made and whose job
// has gone back: as long as that is admitted another worker may make it.
func (s *Submitter) releaseBudgets(ctx context.Context, j jobs.Job, attempt int, held []string) {
	if len(held) == 0 {
		return
	}
	if err := s.config.Budgets.Release(ctx, jobs.Try{Job: j.ID, Attempt: attempt}, held); err != nil {
		s.log.DebugContext(ctx, "budgets hold something for an attempt that was not made, for a while", slog.String("job_id", string(j.ID)), slog.Any("err", err))
	}
}
