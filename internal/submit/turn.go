package submit

import (
	"context"
	"encoding/json"
	"log/slog"
	"time"

	"github.com/longhaul-jobs/longhaul/jobs"
	"github.com/longhaul-jobs/longhaul/results"
)

// takeTurn waits for the turn of a request and reports whether it has come. A job
// whose turn comes much later goes back to its lane: it holds nothing there that
// another could use. What is reserved for a request that is not sent after all passes
// by unused. at is when the turn was; the zero time where none has to be kept.
func (s *Submitter) takeTurn(ctx context.Context, j jobs.Job, attempt int, body json.RawMessage) (_ *jobs.Reserved, at time.Time, ok bool, err error) {
	if s.config.Pacer == nil || jobs.Batched(body) {
		return nil, time.Time{}, true, nil // batches have limits of their own
	}
	var turn results.Turn
	var reserved *jobs.Reserved
	for range turnsMissed {
		var err error
		if turn, reserved, err = s.config.Pacer.Turn(ctx, j.Lane, jobs.Try{Job: j.ID, Attempt: attempt}, body); err != nil {
			// The watchdog enqueues the job anew. To send it now might be too fast.
			s.log.WarnContext(ctx, "create put off: its turn is not known", slog.String("job_id", string(j.ID)), slog.Any("err", err))
			return nil, time.Time{}, false, nil
		}
		if turn.Verdict != results.TurnGranted {
			break
		}
		if !s.pause(ctx, turn.At.Sub(s.records.Now())) {
			return nil, time.Time{}, false, nil
		}
		if s.records.Now().Sub(turn.At) < missed {
			return reserved, turn.At, true, nil
		}
	}
	now := s.records.Now()
	switch turn.Verdict {
	case results.TurnGranted:
		return reserved, time.Time{}, true, nil // this process is always late: it has to go on all the same
	case results.TurnPaused:
		return nil, time.Time{}, false, s.postpone(ctx, j, jobs.Postponed{Attempt: attempt})
	case results.TurnFull:
		return nil, time.Time{}, false, s.postpone(ctx, j, jobs.Postponed{Attempt: attempt, Until: now.Add(fullPause), Reason: jobs.WaitLimit})
	case results.TurnWait:
		return nil, time.Time{}, false, s.postpone(ctx, j, jobs.Postponed{Attempt: attempt, Until: turn.At.Add(-early), Reason: jobs.WaitLimit})
	}
	return nil, time.Time{}, false, nil
}

// keepTurn waits for another turn if that at the given time was missed while the intent
// was put on record: a Redis whose disk stands still for two seconds would have all that
// waited for it sent at once. From the intent on a job goes back to its lane no more, so
// one that finds no turn soon is sent all the same.
func (s *Submitter) keepTurn(ctx context.Context, j jobs.Job, attempt int, body json.RawMessage, at time.Time) {
	for range turnsMissed {
		if at.IsZero() || s.records.Now().Sub(at) < missed {
			return
		}
		turn, _, err := s.config.Pacer.Turn(ctx, j.Lane, jobs.Try{Job: j.ID, Attempt: attempt}, body)
		if err != nil || turn.Verdict != results.TurnGranted || !s.pause(ctx, turn.At.Sub(s.records.Now())) {
			return
		}
		at = turn.At
	}
}

const (
	// fullPause is how long a job stays in its lane for which there was no place.
	fullPause = time.Second
	// early is how long before its turn a job may leave its lane again.
	early = 2 * time.Second
	// missed is how late a turn is no turn any more: what a process sends late that was
	// held up comes on top of what others send then. It asks for another, so many times.
	// The turn that was missed passes by unused, so this is as long as the headroom of
	// the pacer has room for beside its burst.
	missed      = 750 * time.Millisecond
	turnsMissed = 4
)

// pause waits, and reports whether it was not cut short, by the end of its task or by
// [Submitter.Abort].
func (s *Submitter) pause(ctx context.Context, d time.Duration) bool {
	if d <= 0 {
		return true
	}
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-ctx.Done():
		return false
	case <-s.abort:
		return false
	case <-timer.C:
		return true
	}
}
