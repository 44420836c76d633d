package results

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"time"

	"github.com/longhaul-jobs/longhaul/jobs"
)

// maxRaces bounds how often a step is decided anew because another one came
// first.
const maxRaces = 20

// Step loads a job, lets [jobs.Transition] decide what the event makes of it,
// and writes that. When another step came in between, it decides anew. It
// returns the record as it then is. The error is [jobs.ErrUnchanged] when the
// event brought nothing new (the record is returned all the same), a
// [*jobs.RefusedError], [ErrNotFound], or one of Redis or of the blob store.
func (s *Store) Step(ctx context.Context, id jobs.ID, ev jobs.Event) (jobs.Job, error) {
	j, err := s.Load(ctx, id)
	if err != nil {
		return jobs.Job{}, err
	}
	return s.take(ctx, j, ev, true)
}

// Advance is [Store.Step] for a caller that has just read the record.
//
// With [Config].Durability a [jobs.SubmitStarted] returns when enough servers
// have it, however long Redis is away. One that too few have in time is
// withdrawn, and the job that is returned waits again.
func (s *Store) Advance(ctx context.Context, j jobs.Job, ev jobs.Event) (jobs.Job, error) {
	return s.take(ctx, j, ev, false)
}

func (s *Store) take(ctx context.Context, j jobs.Job, ev jobs.Event, fresh bool) (jobs.Job, error) {
	if intent, ok := ev.(jobs.SubmitStarted); ok && s.config.Durability.wanted() {
		return s.intend(ctx, j, intent, fresh)
	}
	return s.advance(ctx, j, ev, fresh)
}

func (s *Store) advance(ctx context.Context, j jobs.Job, ev jobs.Event, fresh bool) (jobs.Job, error) {
	var body kept
	for range maxRaces {
		change, err := transition(j, ev, s.Now())
		if err != nil {
			if fresh {
				return j, err
			}
			// The record in hand may be old: only a fresh one can say no.
			if j, err = s.Load(ctx, j.ID); err != nil {
				return jobs.Job{}, err
			}
			fresh = true
			continue
		}
		if change.Body != nil && body.action == "" {
			if body, err = s.keep(ctx, j.ID, change.Job.Current, change.Body); err != nil {
				created, ok := ev.(jobs.Created)
				if !ok {
					return jobs.Job{}, fmt.Errorf("record %s of %s: %w", ev.Name(), j.ID, err)
				}
				// The id must not wait for the body, which a look brings again.
				s.log.WarnContext(ctx, "response recorded without its end because the blob store does not take it",
					slog.String("job_id", string(j.ID)), slog.String("response_id", created.Reply.Response.ID), slog.Any("err", err))
				ev = created.Unended()
				continue
			}
		}
		verdict, version, err := s.apply(ctx, j, change, body, s.bill(&change.Job))
		switch {
		case err != nil:
			return jobs.Job{}, fmt.Errorf("record %s of %s: %w", ev.Name(), j.ID, err)
		case verdict == "missing":
			if body.action == "blob" {
				s.discard(ctx, j.ID) // it came too late
			}
			return jobs.Job{}, fmt.Errorf("%s: %w", j.ID, ErrNotFound)
		case verdict == "applied":
			s.metrics.observe(j, change.Job)
			s.metrics.charge(j, change.Job, s.config.Prices)
			next := change.Job
			next.Version = version
			s.settleHolds(ctx, j, next)
			return next, s.finishRemoval(ctx, next)
		}
		s.metrics.stale.Inc()
		if j, err = s.Load(ctx, j.ID); err != nil {
			return jobs.Job{}, err
		}
		fresh = true
	}
	return jobs.Job{}, fmt.Errorf("record %s of %s: lost %d races", ev.Name(), j.ID, maxRaces)
}

// transition is what an event makes of a job, with what the store keeps beside
// the record as the script will leave it.
func transition(j jobs.Job, ev jobs.Event, now time.Time) (jobs.Change, error) {
	change, err := jobs.Transition(j, ev, now)
	next := &change.Job
	next.Lapsed, next.AloneBy = 0, ""
	if next.State != jobs.StateWaiting {
		next.Admitted = time.Time{}
	}
	if next.State != j.State {
		next.Nudge, next.Looks = 0, jobs.Looks{}
	}
	if !next.Admitted.Equal(j.Admitted) {
		next.Nudge = 0
	}
	return change, err
}

// apply writes one change if the job is still as j has it.
//
// A crash before the script leaves the old record and its old debts, and a blob
// of the response that its job takes along; a crash after it leaves the new
// record, whose due entry was written with it. There is nothing in between to
// repair.
func (s *Store) apply(ctx context.Context, j jobs.Job, change jobs.Change, kept kept, bills []any) (verdict string, version int64, err error) {
	base, err := s.home(j.ID)
	if err != nil {
		return "", 0, err
	}
	next := change.Job
	record, err := next.Encode()
	if err != nil {
		return "", 0, err
	}
	due, expire, owing, place, aside := "", "", "", "", ""
	if at, owed := next.Due(s.config.Timing); owed {
		due = dueScore(later(at, next.Created)) // no time at all is at once, and not never
	}
	if at := next.ExpiresAt(); !at.IsZero() {
		expire = score(at)
	}
	switch {
	case owes(next):
		owing = "0"
	case owes(j):
		owing = "-"
	}
	switch {
	case next.Aside():
		aside = asideOf(next)
	case next.State == jobs.StateWaiting && next.Admitted.IsZero():
		place = "lane"
	case next.State == jobs.StateWaiting:
		place = "admitted"
	}
	notBefore := ms(later(next.Updated, next.NotBefore))
	endpoint, deadline := "", next.Deadline
	if next.State == jobs.StateRunning {
		a, _ := next.CurrentAttempt()
		endpoint = a.Endpoint
		s.note(ctx, endpoint)
		if next.Stop != nil {
			deadline = next.Stop.At
		}
	}
	deleting := ""
	if next.Deleting {
		deleting = "1"
	}
	action, body := "", []byte(nil)
	switch {
	case change.Body != nil:
		action, body = kept.action, kept.value
	case change.DropBody:
		action = "drop"
	}
	args := []any{
		string(j.ID), j.Version, score(j.Admitted), nonce(), next.Schema,
		record, string(next.State), next.NextAttempt(), place, notBefore,
		due, expire, owing, action, body, score(deadline), looksAfter(j, next), deleting, endpoint, ms(s.Now()),
		aside, j.Links,
	}
	answer, err := s.runTogether(ctx, s.scripts.apply, base, append(args, bills...)...).StringSlice()
	if err != nil {
		return "", 0, err
	}
	if due != "" {
		s.horizon.written(base.dueKey(next), parseInt(due))
	}
	if place == "lane" {
		s.horizon.written(base.later(j.Lane), notBefore)
	}
	if !j.Admitted.IsZero() && place != "admitted" {
		s.horizon.gone(base.later(j.Lane))
	}
	return answer[0], parseInt(answer[1]), nil
}

// asideOf is the mark of a waiting job that stands outside its lane.
func asideOf(j jobs.Job) string {
	switch {
	case j.Parked():
		return "1/" + j.Budget
	case j.Planning():
		return "plan"
	case j.Aside():
		return "1"
	}
	return ""
}

// owes reports whether a job has effects to carry out, or a removal.
func owes(j jobs.Job) bool { return len(j.Outbox) > 0 || j.Deleting }

// looksAfter is what a step does to the counters of the looks: most steps leave
// them as they are, which may be newer than the record in hand has them.
func looksAfter(j, next jobs.Job) string {
	switch {
	case next.State == j.State && next.Looks == j.Looks:
		return "="
	case next.Looks == jobs.Looks{}:
		return ""
	}
	return encodeLooks(next.Looks)
}

// finishRemoval removes a job that is to be deleted and owes nothing more. A
// crash before it leaves a due entry, and the watchdog removes the job.
func (s *Store) finishRemoval(ctx context.Context, j jobs.Job) error {
	if !j.Deleting || len(j.Outbox) > 0 {
		return nil
	}
	_, err := s.Remove(ctx, j)
	return err
}

// Remove forgets a job that is still as j has it, with its request, its result
// and its place in every set. It reports whether the job is gone, which it also
// is when somebody else has removed it.
func (s *Store) Remove(ctx context.Context, j jobs.Job) (bool, error) {
	base, err := s.home(j.ID)
	if err != nil {
		return false, err
	}
	answer, err := s.run(ctx, s.scripts.remove, base, string(j.ID), j.Version).Text()
	if err != nil {
		return false, fmt.Errorf("remove %s: %w", j.ID, err)
	}
	return answer != "stale", nil
}

// Unchanged reports whether a step changed nothing, which is no failure.
func Unchanged(err error) bool { return errors.Is(err, jobs.ErrUnchanged) }
