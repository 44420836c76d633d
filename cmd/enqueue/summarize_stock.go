package main

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"time"

	"github.com/longhaul-jobs/longhaul/client"
	"github.com/longhaul-jobs/longhaul/internal/app"
	"github.com/longhaul-jobs/longhaul/jobs"
	"github.com/longhaul-jobs/longhaul/jobs/summarize"
	"github.com/longhaul-jobs/longhaul/results"
)

// stock is what an installation has of summaries already. It is only looked at. A nil
// one has nothing.
type stock struct {
	session *session
	// budgets are those of other runs that nothing is under way in, by their names.
	budgets map[string]client.Budget
}

// openStock connects to the installation, or says why it is not asked: one that says
// nothing within some seconds is none.
func (r *summarizeRun) openStock(ctx context.Context) (s *stock, why string) {
	const patience = 10 * time.Second
	switch {
	case r.dev:
		return nil, "--dev begins with an empty Redis"
	case r.live:
		return nil, "what --live keeps is not looked at, since that would send what waits in it"
	}
	asking, cancel := context.WithTimeout(ctx, patience)
	defer cancel()
	installed, err := r.installed(asking)
	switch {
	case err != nil:
		return nil, "Redis at " + r.config.Redis.URL.String() + " does not answer; --redis-url names another one"
	case !installed:
		return nil, "no worker has ever used the Redis at " + r.config.Redis.URL.String()
	}
	opened, err := r.open(ctx, r.config)
	if err != nil {
		return nil, err.Error()
	}
	s = &stock{session: opened}
	if err := s.findBudgets(ctx, r); err != nil {
		return nil, errors.Join(err, s.close()).Error()
	}
	return s, ""
}

// findBudgets reads the budgets in which requests may wait for another run.
func (s *stock) findBudgets(ctx context.Context, r *summarizeRun) error {
	group := r.job.Group
	if group == "" {
		var err error
		if group, err = groupOf(r.out); err != nil {
			return err
		}
	}
	all, err := s.session.Budgets(ctx, nil)
	if err != nil {
		return err
	}
	s.budgets = make(map[string]client.Budget)
	for _, b := range all {
		if ofRun(b) && b.InFlight == 0 && b.Name != runBudget(group) {
			s.budgets[b.Name] = b
		}
	}
	return nil
}

// installed reports whether there is an installation in Redis, and starts none.
func (r *summarizeRun) installed(ctx context.Context) (bool, error) {
	rdb, err := app.NewRedis(r.config, slog.New(slog.DiscardHandler))
	if err != nil {
		return false, err
	}
	installed, err := results.Installed(ctx, rdb, r.config.Redis.Prefix)
	return installed, errors.Join(err, rdb.Close())
}

func (s *stock) close() error {
	if s == nil {
		return nil
	}
	return s.session.Close()
}

// limits are those that are in force for a lane.
func (s *stock) limits(ctx context.Context, lane string) (results.Rates, bool) {
	if s == nil {
		return results.Rates{}, false
	}
	lanes, err := s.session.Lanes(ctx, lane)
	if err != nil {
		return results.Rates{}, false
	}
	for _, l := range lanes {
		if l.Name == lane {
			return l.InForce, true
		}
	}
	return results.Rates{}, true
}

// remainder is what is left of a document beside what there is, nothing if its summary is
// there.
type remainder struct {
	summarize.Forecast

	// known is how many requests there are.
	known int
	// stays is why there is no summary and a run does not ask for one, nil else.
	stays *failure
	// waits are the requests that wait in budgets of other runs, which pay for them, where
	// nothing else goes on; none else.
	waits []jobs.Job
}

// left is what has to be asked for a document.
func (s *stock) left(ctx context.Context, r *summarizeRun, d *document) (left remainder, err error) {
	if s == nil || r.force {
		return remainder{Forecast: d.prepared.Forecast}, nil
	}
	parent, err := s.summaryJob(ctx, r, d)
	if err != nil || parent.State == jobs.StateSucceeded {
		return left, err
	}
	if left.stays, err = s.aside(ctx, r, d, parent); err != nil || left.stays != nil {
		return left, err
	}
	// The planner says which requests there are, as far as their answers are there.
	var phases [][]jobs.PartEnd
	for {
		next, err := summarize.Planner{}.Next(d.request, phases)
		if err != nil {
			return left, fmt.Errorf("%s: %w", d.Path, err)
		}
		if len(next.Parts) == 0 {
			if next.Failure != nil { // by what was answered, for it is all there
				ended := jobs.Job{ID: parent.ID, State: jobs.StateFailed, Failure: next.Failure}
				left.stays = r.stays(d, ended, r.adviseSummary(ended))
			}
			return left, nil
		}
		found, there, all, err := s.parts(ctx, r, next.Parts)
		if err != nil {
			return left, err
		}
		if left.waits = s.elsewhere(found); len(left.waits) > 0 {
			return left, nil
		}
		for _, is := range there {
			if is {
				left.known++
			}
		}
		if !all {
			left.Forecast = r.preparer.Left(d.prepared, len(phases)+1, next.Parts, there)
			return left, nil
		}
		ends, err := s.answers(ctx, found)
		if err != nil {
			return left, err
		}
		phases = append(phases, ends)
	}
}

// elsewhere are those of the requests of a phase that wait in budgets of other runs, if all
// do that are not answered; none else.
func (s *stock) elsewhere(found []jobs.Job) []jobs.Job {
	var waits []jobs.Job
	for _, j := range found {
		switch _, others := s.budgets[j.Budget]; {
		case j.State == jobs.StateSucceeded:
		case j.Parked() && others:
			waits = append(waits, j)
		default:
			return nil
		}
	}
	return waits
}

// aside is why a run leaves the job of a document to a person, nil if it does not.
func (s *stock) aside(ctx context.Context, r *summarizeRun, d *document, j jobs.Job) (*failure, error) {
	if j.ID == "" {
		return nil, nil //nolint:nilnil // nobody has asked yet
	}
	if setAside(j) {
		return r.stays(d, j, r.adviseSummary(j)), nil
	}
	for part, err := range s.session.Parts(ctx, j.ID) {
		switch {
		case err != nil:
			return nil, err
		case part.Job.Held():
			return r.stays(d, part.Job, r.adviseSummary(part.Job)), nil
		case retriable(j) && forPerson(part.Job):
			return r.stays(d, j, r.notTriedAgain(j.ID, summarizeAnew)), nil
		}
	}
	return nil, nil //nolint:nilnil // it is tried again
}

// stays says why a document whose job has come to nothing is not asked for again.
func (r *summarizeRun) stays(d *document, j jobs.Job, advice string) *failure {
	m := &member{order: d.order, name: d.Path}
	m.observe(j)
	m.advice = advice
	return new(m.failed())
}

// summaryJob is the job that summarizes a document, one without an id if there is none.
func (s *stock) summaryJob(ctx context.Context, r *summarizeRun, d *document) (jobs.Job, error) {
	if id := r.known(d); id != "" {
		j, err := s.session.Get(ctx, id)
		if !errors.Is(err, results.ErrNotFound) {
			return j, err
		}
	}
	found, err := s.session.Find(ctx, summaryKey(d.fingerprint))
	if err != nil {
		return jobs.Job{}, err
	}
	return found[0], nil
}

// parts looks for the requests of a phase: there says of which the provider has taken
// one or has answered it, and all whether each of them was answered.
func (s *stock) parts(ctx context.Context, r *summarizeRun, parts []jobs.Part) (found []jobs.Job, there []bool, all bool, err error) {
	parent := jobs.Job{Tenant: r.job.Tenant, GrowOutputTo: r.job.GrowOutputTo}
	keys := make([]string, len(parts))
	for i, part := range parts {
		request, err := jobs.ParseRequest(part.Request, r.options.Model)
		if err != nil {
			return nil, nil, false, err
		}
		keys[i] = parent.PartKey(request)
	}
	if found, err = s.session.Find(ctx, keys...); err != nil {
		return nil, nil, false, err
	}
	there, all = make([]bool, len(parts)), true
	for i, j := range found {
		answered := j.State == jobs.StateSucceeded
		there[i] = answered || j.State == jobs.StateRunning || j.State == jobs.StateSubmitting
		all = all && answered
	}
	return found, there, all, nil
}

// answers reads the answers of parts.
func (s *stock) answers(ctx context.Context, found []jobs.Job) ([]jobs.PartEnd, error) {
	ends := make([]jobs.PartEnd, len(found))
	err := inParallel(ctx, readers, len(found), func(ctx context.Context, i int) error {
		text, err := s.session.Text(ctx, found[i].ID)
		if errors.Is(err, results.ErrBlobMissing) || errors.Is(err, results.ErrNotFound) {
			err = nil
		}
		ends[i] = jobs.PartEnd{Job: found[i], Text: text}
		return err
	})
	return ends, err
}
