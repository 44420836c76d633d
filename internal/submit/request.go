package submit

import (
	"context"
	"encoding/json"
	"errors"
	"log/slog"

	"github.com/longhaul-jobs/longhaul/jobs"
	"github.com/longhaul-jobs/longhaul/results"
)

// enoughMissing is how often the watchdog must have enqueued a job anew before its
// request counts as lost: with default settings a quarter of an hour, in which a
// bucket can be put right.
const enoughMissing = 10

// withoutRequest deals with a job whose request could not be read. Only an error of
// Redis is returned, which has Asynq repeat the task within seconds: whatever else is
// wrong is wrong for longer, and the watchdog, whose waits grow, would add a task to
// each that goes round.
func (s *Submitter) withoutRequest(ctx context.Context, j jobs.Job, attempt int, err error) error {
	gone := errors.Is(err, results.ErrBlobMissing) || errors.Is(err, results.ErrUnreadable) || errors.Is(err, results.ErrNotFound)
	_, refused := errors.AsType[*jobs.Error](err)
	switch {
	case gone && j.Nudge >= enoughMissing:
		return s.unusable(ctx, j, attempt, "request_missing", err)
	case gone || refused:
		s.log.WarnContext(ctx, "request of a job not read", slog.String("job_id", string(j.ID)), slog.Int("attempt", attempt),
			slog.Int("nudge", j.Nudge), slog.Any("err", err))
		return nil
	}
	return err
}

// body is what is sent for an attempt. Only a response that was created with a stream
// can be streamed later on.
func body(request jobs.Request, j jobs.Job, attempt int) (json.RawMessage, error) {
	body, err := request.Body(j.ID, attempt, j.Adjust)
	if err != nil || !j.Stream {
		return body, err
	}
	return jobs.Streamed(body)
}

// unusable ends a job whose request certainly cannot be sent. Nothing was, so there
// is no attempt on record.
func (s *Submitter) unusable(ctx context.Context, j jobs.Job, attempt int, code string, cause error) error {
	f := jobs.FailureOf(cause)
	f.Code = code
	_, err := s.records.Advance(ctx, j, jobs.RequestUnusable{Attempt: attempt, Failure: f})
	if !known(err) {
		return err
	}
	if err == nil {
		s.log.ErrorContext(ctx, "job failed, its request cannot be sent", slog.String("job_id", string(j.ID)),
			slog.Int("attempt", attempt), slog.String("class", string(f.Class)), slog.Any("err", cause))
	}
	return nil
}
