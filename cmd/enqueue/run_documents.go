package main

import (
	"cmp"
	"context"
	"slices"
	"time"

	"github.com/longhaul-jobs/longhaul/jobs"
	"github.com/longhaul-jobs/longhaul/jobs/summarize/report"
	"github.com/longhaul-jobs/longhaul/results"
)

// runDocument is a document of a run with the job that summarizes it.
type runDocument struct {
	name string
	// job has no id if there is none, and why then says why.
	job jobs.Job
	why results.RunDocument
	// shared says that the job is another run's, which has paid for it.
	shared bool
}

// runDocuments brings together what was put down of a run and the jobs of its group, the
// newest first: a run that was not begun by this command has nothing but those. A
// document whose job is gone is left out. known are jobs that were read already.
func runDocuments(ctx context.Context, s *session, r results.Run, group []jobs.Job, known map[jobs.ID]jobs.Job) ([]runDocument, error) {
	var missing []jobs.ID
	for _, d := range r.Documents {
		if _, read := known[d.Job]; d.Job != "" && !read {
			missing = append(missing, d.Job)
		}
	}
	slices.Sort(missing)
	missing = slices.Compact(missing)
	found, err := s.Jobs(ctx, missing...)
	if err != nil {
		return nil, err
	}
	for _, j := range found {
		known[j.ID] = j
	}
	all := make([]runDocument, 0, max(len(group), len(r.Documents)))
	seen := make(map[string]bool)
	for name, d := range r.Documents {
		j := known[d.Job]
		if d.Job != "" && j.ID == "" {
			continue
		}
		seen[documentName(name)] = true
		all = append(all, runDocument{name: name, job: j, why: d, shared: j.ID != "" && j.PartGroup() != r.Name})
	}
	for _, j := range group {
		name := cmp.Or(j.Metadata[aboutDocument], string(j.ID))
		if seen[name] {
			continue // it was summarized again since, or is put down
		}
		seen[name] = true
		all = append(all, runDocument{name: name, job: j})
	}
	slices.SortFunc(all, func(a, b runDocument) int {
		return cmp.Or(a.job.Created.Compare(b.job.Created), cmp.Compare(a.name, b.name))
	})
	return all, nil
}

// count takes a document up into an account, and returns what stands for its job if that is
// open, nil else. The summary over all documents comes here as well, and is none of them.
// advise, if not nil, says what a person can do about a job.
func (d runDocument) count(a *account, order int, advise func(jobs.Job) string) *member {
	m := &member{order: order, across: d.name == report.AcrossDocument, name: d.name}
	if m.across {
		a.expectAcross()
	} else {
		a.expect(1)
	}
	if d.shared {
		a.share(m)
	}
	if d.job.ID == "" {
		a.fail(failure{order: order, across: m.across, Name: d.name, Class: cmp.Or(d.why.Class, jobs.ClassInvalid), Message: d.why.Message})
		return nil
	}
	m.observe(d.job)
	if !m.state.Terminal() {
		return m
	}
	if advise != nil {
		m.advice = advise(d.job)
	}
	a.end(m)
	return nil
}

// began is when the run was begun first, as far as that is known.
func began(r results.Run, documents []runDocument) time.Time {
	first := r.Started
	for _, d := range documents {
		if d.job.ID != "" && !d.shared && (first.IsZero() || d.job.Created.Before(first)) {
			first = d.job.Created
		}
	}
	return first
}

// active is when something happened last in the run.
func active(r results.Run, documents []runDocument) time.Time {
	last := r.Begun
	if r.Ended.After(last) {
		last = r.Ended
	}
	for _, d := range documents {
		if !d.shared && d.job.Updated.After(last) {
			last = d.job.Updated
		}
	}
	return last
}

// took is how long the last command took, or has so far: from its beginning to its end,
// or until the last document ended. Without a command on record, that is since the
// first document was handed over.
func took(r results.Run, documents []runDocument, now time.Time) time.Duration {
	from, to := r.Begun, r.Ended
	if from.IsZero() {
		from = began(r, documents)
	}
	if to.IsZero() {
		for _, d := range documents {
			switch {
			case d.job.ID == "":
			case !d.job.State.Terminal():
				return max(0, now.Sub(from))
			case d.job.Ended.After(to):
				to = d.job.Ended
			}
		}
	}
	return max(0, to.Sub(from))
}
