package main

import (
	"context"
	"errors"
	"path/filepath"

	"github.com/longhaul-jobs/longhaul/jobs"
	"github.com/longhaul-jobs/longhaul/results"
)

// beginRun puts down the run with what is known of its documents before any is handed
// over, once in a pass: so it is known from its beginning on, and as a whole.
func (r *summarizeRun) beginRun(ctx context.Context, s *session, found inputs) error {
	if r.begun {
		return nil
	}
	out, err := filepath.Abs(r.out)
	if err != nil {
		return err
	}
	documents := r.unread()
	for _, in := range found.documents {
		entry, known := r.folder.Entry(in.Path)
		if _, failed := documents[in.Path]; known && !failed && entry.JobID != "" {
			documents[in.Path] = results.RunDocument{Job: jobs.ID(entry.JobID)}
		}
	}
	run := results.Run{Name: r.job.Group, Begun: s.Now(), Out: out, Documents: documents}
	r.begun = true
	return r.patiently(ctx, func() error { return s.BeginRun(ctx, run, r.job.Retention) })
}

// unread are the documents so far that have no job, with the reason.
func (r *summarizeRun) unread() map[string]results.RunDocument {
	documents := make(map[string]results.RunDocument)
	for _, f := range r.account.allFailures() {
		if f.JobID == "" {
			documents[f.Name] = results.RunDocument{Class: f.Class, Message: f.Message}
		}
	}
	return documents
}

// addToRun puts down which job summarizes a document.
func (r *summarizeRun) addToRun(ctx context.Context, s *session, document string, id jobs.ID) error {
	return s.AddToRun(ctx, r.job.Group, map[string]results.RunDocument{document: {Job: id}}, r.job.Retention)
}

// endRun puts down that the pass has come to its end, unless something waits.
func (r *summarizeRun) endRun(ctx context.Context) error {
	if !r.begun || r.stuck != "" {
		return nil
	}
	return r.patiently(ctx, func() error {
		if err := r.session.AddToRun(ctx, r.job.Group, r.unread(), r.job.Retention); err != nil {
			return err
		}
		err := r.session.EndRun(ctx, r.job.Group, r.job.Retention)
		if errors.Is(err, results.ErrNotFound) {
			return nil // it was kept for less time than it took
		}
		return err
	})
}

// patiently does something with Redis, and says if Redis is away.
func (r *summarizeRun) patiently(ctx context.Context, op func() error) error {
	return patiently(ctx, r.patience, func(err error) { r.console.say("%s", outage(err)) }, op)
}
