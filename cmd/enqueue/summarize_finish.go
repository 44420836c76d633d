package main

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"time"

	"github.com/longhaul-jobs/longhaul/jobs"
	"github.com/longhaul-jobs/longhaul/jobs/summarize"
	"github.com/longhaul-jobs/longhaul/jobs/summarize/report"
	"github.com/longhaul-jobs/longhaul/results"
)

// finish writes the summary of an ended job, or puts on record why there is none; m is
// what the follower has of it, and gets what the parts have cost. A crash between the
// two leaves files without their line, which the next run writes again from the same
// job.
func (r *summarizeRun) finish(ctx context.Context, s *session, f *follower, d *document, m *member, j jobs.Job) (*jobs.Failure, error) {
	entry := r.lineAbout(d)
	entry.Note, entry.Output = d.note, ""
	summary, failed, err := r.outcome(ctx, s, f, &entry, m, j, cmp.Or(r.payers[string(j.ID)], d.copyOf))
	if err != nil {
		return nil, err
	}
	if summary != nil {
		entry.Output = d.output
		if err := r.save(report.Document{Entry: entry, Summary: summary, Question: r.options.Question}); err != nil {
			return nil, err
		}
	}
	r.changed.Store(true)
	return failed, r.folder.Record(entry)
}

// lineAbout begins a line about a document as it is: with what stays of the last one, and
// nothing of a job.
func (r *summarizeRun) lineAbout(d *document) summarize.Entry {
	entry, _ := r.folder.Entry(d.Path)
	entry.Document, entry.Name, entry.Fingerprint, entry.SHA256 = d.Path, d.heading, d.fingerprint, d.hash
	entry.Model, entry.JobID, entry.ResponseID, entry.Note = "", "", "", ""
	entry.Requests, entry.InputTokens, entry.OutputTokens, entry.CachedTokens, entry.ReasoningTokens = 0, 0, 0, 0, 0
	entry.Cost, entry.KnownCost, entry.FinishedAt = nil, nil, time.Time{}
	return entry
}

// outcome fills a new entry with what became of a job, which is billed unless another
// document has paid for it. It returns the summary, nil if there is none, and why the job
// failed if its state does not say so.
func (r *summarizeRun) outcome(
	ctx context.Context, s *session, f *follower, entry *summarize.Entry, m *member, j jobs.Job, paidBy string,
) (summary *summarize.Summary, failed *jobs.Failure, err error) {
	entry.Model, entry.JobID, entry.FinishedAt = j.Model, string(j.ID), j.Ended
	entry.Status, entry.Error = summarize.Status(m.state), nil // a held one is open
	if owner := j.PartGroup(); owner != r.job.Group {
		r.account.share(m)
		entry.Note = joinRemarks(entry.Note, "summarized and paid for by run "+owner)
	}
	if paidBy == "" {
		if err := r.bill(ctx, s, f, entry, m, j); err != nil {
			return nil, nil, err
		}
	} else {
		entry.Cost = new(jobs.Money)
		entry.Note = joinRemarks(entry.Note, "the same content as "+paidBy+", summarized once and paid there")
	}
	if j.Result != nil {
		err := f.patiently(ctx, func() (err error) {
			summary, err = summaryOf(ctx, s, j.ID)
			return err
		})
		switch {
		case errors.Is(err, results.ErrNotFound): // it has been deleted meanwhile
		case errors.Is(err, results.ErrBlobMissing): // it must not cost the others
			failed = &jobs.Failure{Class: jobs.ClassLost, Code: codeGone, Message: err.Error() + "; summarize --force asks again"}
		case err != nil:
			return nil, nil, err
		}
	}
	if j.State == jobs.StateSucceeded && summary == nil && failed == nil {
		failed = &jobs.Failure{Class: jobs.ClassInternal, Code: "no_summary", Message: "the job has no summary"}
	}
	state := *m
	if failed != nil {
		state.state, state.failure = jobs.StateFailed, failed
		entry.Status = summarize.StatusFailed
	}
	if state.state != jobs.StateSucceeded {
		entry.Error = entryError(state)
	}
	return summary, failed, nil
}

// entryError is why a member has no summary, as it is put on record.
func entryError(m member) *summarize.EntryError {
	why := m.failed()
	return &summarize.EntryError{Class: kindOf(why), Code: why.Code, Message: why.Message}
}

// bill takes down what the requests of a job have cost. A request that was made for
// another job before is paid for there, and so is a whole job of another run.
func (r *summarizeRun) bill(ctx context.Context, s *session, f *follower, entry *summarize.Entry, m *member, j jobs.Job) error {
	var usage jobs.Usage
	var sum spent
	var before earlier
	aside := false
	err := f.patiently(ctx, func() error {
		entry.Requests, usage, sum, before, aside = 0, jobs.Usage{}, spent{}, earlier{}, false
		for part, err := range s.Parts(ctx, j.ID) {
			if err != nil {
				return err
			}
			aside = aside || forPerson(part.Job)
			if part.Job.Parent != j.ID || j.PartGroup() != r.job.Group {
				continue
			}
			entry.Requests++
			usage.Add(paid(part.Job))
			sum = sum.and(spentOn(part.Job))
			before.add(part.Job, r.account.started)
		}
		return nil
	})
	if err != nil {
		return err
	}
	advice := ""
	if aside && retriable(j) && !r.dev {
		advice = r.notTriedAgain(j.ID, summarizeAnew)
	}
	f.charge(m, usage, sum, before, advice)
	entry.InputTokens, entry.OutputTokens = usage.InputTokens, usage.OutputTokens
	entry.CachedTokens, entry.ReasoningTokens = usage.CachedTokens, usage.ReasoningTokens
	entry.Cost, entry.KnownCost = sum.whole(), sum.part()
	return nil
}

// joinRemarks puts remarks behind one another.
func joinRemarks(a, b string) string {
	if a == "" {
		return b
	}
	return a + "; " + b
}

// summaryOf reads the result of a job that summarizes, nil if it has none.
func summaryOf(ctx context.Context, s *session, id jobs.ID) (*summarize.Summary, error) {
	raw, err := s.Response(ctx, id)
	if err != nil || raw == nil {
		return nil, err
	}
	var summary summarize.Summary
	if err := json.Unmarshal(raw, &summary); err != nil {
		return nil, fmt.Errorf("read the summary of job %s: %w", id, err)
	}
	return &summary, nil
}

// save writes the files of a summary.
func (r *summarizeRun) save(d report.Document) error {
	raw, err := report.JSON(d)
	if err != nil {
		return err
	}
	if err := r.folder.Save(report.DataName(d.Entry.Output), raw); err != nil {
		return err
	}
	return r.folder.Save(d.Entry.Output, report.Markdown(d))
}
