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
	outcomes map[try]jobs.Event
	order    []try
}

// noteLocked keeps an outcome, and forgets the oldest one beyond the bound. Of a
// response the id is enough: a look brings the rest.
func (m *memory) noteLocked(t try, ev jobs.Event) {
	if created, ok := ev.(jobs.Created); ok {
		created.Reply.Response = jobs.Response{ID: created.Reply.Response.ID, Status: jobs.StatusQueued}
		ev = created
	}
	if m.outcomes == nil {
		m.outcomes = make(map[try]jobs.Event)
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
// has forgotten, is on record again; false if nothing is known of it any more.
func (s *Submitter) Resume(ctx context.Context, j jobs.Job) (bool, error) {
	t := try{j.ID, j.Current}
	s.mu.Lock()
	busy, ev := s.busy[t], s.memory.outcomes[t]
	s.mu.Unlock()
	if busy || ev == nil {
		return busy, nil
	}
	next, err := s.records.Advance(ctx, j, ev)
	if errors.Is(err, jobs.ErrUnchanged) {
		return true, nil
	}
	if err != nil {
		return false, err
	}
	s.log.WarnContext(ctx, "outcome of create recorded again: redis had forgotten it", slog.String("job_id", string(j.ID)),
		slog.Int("attempt", j.Current), slog.String("state", string(next.State)))
	return true, nil
}
