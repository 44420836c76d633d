package submit

import (
	"context"
	"errors"
	"log/slog"

	"github.com/longhaul-jobs/longhaul/jobs"
)

// remembered is how many outcomes a worker keeps in mind.
const remembered = 4096

// memory is what the latest creates came to. Redis may forget what it was told, in
// a fail-over to a replica that had not got it, and then only the worker that made
// the call still knows. The submitter's mutex guards it.
type memory struct {
	outcomes map[jobs.Try]jobs.Event
	order    []jobs.Try
}

// noteLocked keeps an outcome, and forgets the oldest one beyond the bound. Of a
// response the id is enough: a look brings the rest.
func (m *memory) noteLocked(t jobs.Try, ev jobs.Event) {
	if created, ok := ev.(jobs.Created); ok {
		created.Reply.Response = jobs.Response{ID: created.Reply.Response.ID, Status: jobs.StatusQueued}
		ev = created
	}
	if m.outcomes == nil {
		m.outcomes = make(map[jobs.Try]jobs.Event)
	}
	if _, again := m.outcomes[t]; !again {
		m.order = append(m.order, t)
	}
	m.outcomes[t] = ev
	if len(m.order) > remembered {
		delete(m.outcomes, m.order[0])
		m.order = m.order[1:]
	}
}

// Resume deals with a job whose record says that a create of this worker is in
// flight. It returns true if one is, or if it is over and its outcome, which Redis
// did not take or has forgotten, is on record now; false if nothing is known of it
// any more.
func (s *Submitter) Resume(ctx context.Context, j jobs.Job) (bool, error) {
	t := jobs.Try{Job: j.ID, Attempt: j.Current}
	s.mu.Lock()
	busy, ev := s.busy[t], s.memory.outcomes[t]
	s.mu.Unlock()
	if ev == nil {
		return busy, nil
	}
	// The call may be at it, too, and wait a moment before it asks Redis again.
	return true, s.remind(ctx, j, t, ev)
}

// recall puts a response on record that this worker has created for the attempt
// that is to be made, and that Redis has forgotten. It reports whether there is one:
// then nothing is sent, for it would be paid for again.
func (s *Submitter) recall(ctx context.Context, j jobs.Job, t jobs.Try) (bool, error) {
	s.mu.Lock()
	created, ok := s.memory.outcomes[t].(jobs.Created)
	s.mu.Unlock()
	if !ok {
		return false, nil
	}
	return true, s.remind(ctx, j, t, created)
}

// remind puts an outcome on record that Redis does not have.
func (s *Submitter) remind(ctx context.Context, j jobs.Job, t jobs.Try, ev jobs.Event) error {
	next, err := s.records.Advance(ctx, j, ev)
	if errors.Is(err, jobs.ErrUnchanged) {
		return nil
	}
	if err == nil {
		s.log.WarnContext(ctx, "outcome of create recorded again: redis did not have it", slog.String("job_id", string(j.ID)),
			slog.Int("attempt", t.Attempt), slog.String("state", string(next.State)))
	}
	return err
}
