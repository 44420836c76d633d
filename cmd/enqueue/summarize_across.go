package main

import (
	"context"
	"errors"
	"io/fs"
	"slices"
	"strings"

	"github.com/longhaul-jobs/longhaul/jobs"
	"github.com/longhaul-jobs/longhaul/jobs/summarize"
	"github.com/longhaul-jobs/longhaul/jobs/summarize/report"
)

// summarizeAcross makes one summary over those of the given documents, unless there is
// one, and returns how many were asked for.
func (r *summarizeRun) summarizeAcross(ctx context.Context, found inputs) (int, error) {
	order := found.count() // behind all of them
	if order == 0 {
		return 0, nil // a folder that is watched may be empty
	}
	named, missing, err := r.summaries(found.documents)
	if err != nil {
		return 0, err
	}
	missing += len(found.failed)
	r.account.expectAcross()
	refuse := func(err error) (int, error) {
		r.account.fail(failure{order: order, across: true, Name: report.AcrossDocument, Class: jobs.ClassInvalid, Message: err.Error()})
		return 0, nil
	}
	if len(named) == 0 {
		return refuse(errors.New("none of the documents has a summary"))
	}
	prepared, err := r.preparer.Across(named)
	if err != nil {
		return refuse(err)
	}
	fingerprint := r.fingerprint(prepared.Request)
	note := withoutSummary(missing)
	before, err := r.acrossOnRecord()
	if err != nil {
		return 0, err
	}
	if (!r.force || r.retryFailed) && before != nil && before.Entry.Status == summarize.StatusSucceeded && before.Entry.Fingerprint == fingerprint {
		r.account.standAcross(jobs.StateSucceeded)
		return 0, r.keepAcross(*before, note)
	}
	if err := r.connect(ctx); err != nil {
		return 0, err
	}
	if err := r.beginRun(ctx, r.session, found); err != nil {
		return 0, err
	}
	return 1, r.followAcross(ctx, prepared, fingerprint, order, note)
}

// withoutSummary remarks on documents that are not in the summary over all, "" without any.
func withoutSummary(missing int) string {
	if missing == 0 {
		return ""
	}
	return plural(missing, "document without a summary is not in it", "documents without a summary are not in it")
}

// keepAcross has the files of the summary over all say what is not in it now, and be there.
func (r *summarizeRun) keepAcross(d report.Document, note string) error {
	remarks := slices.DeleteFunc(strings.Split(d.Entry.Note, "; "), func(remark string) bool {
		return remark == "" || strings.Contains(remark, " without a summary ")
	})
	if note != "" {
		remarks = slices.Insert(remarks, 0, note)
	}
	has, err := r.folder.Has(report.AcrossName)
	was := d.Entry.Note
	if d.Entry.Note = strings.Join(remarks, "; "); err != nil || has && d.Entry.Note == was {
		return err
	}
	d.Entry.Output = report.AcrossName
	r.changed.Store(true)
	return r.save(d)
}

// followAcross submits the summary over all and writes it when its job has ended.
func (r *summarizeRun) followAcross(ctx context.Context, prepared summarize.Prepared, fingerprint string, order int, note string) error {
	s := r.session
	pulse, err := r.newPulse(ctx, s)
	if err != nil {
		return err
	}
	f := &follower{jobs: s, account: r.account, patience: r.patience, leaveHeld: true}
	f.advise = r.adviseSummary
	f.onEnd = func(ctx context.Context, m *member, j jobs.Job) (*jobs.Failure, error) {
		entry := summarize.Entry{Document: report.AcrossDocument, Name: "All documents", Fingerprint: fingerprint, Note: note}
		summary, failed, err := r.outcome(ctx, s, f, &entry, m, j, "")
		if err != nil {
			return nil, err
		}
		entry.Output = report.AcrossName
		r.changed.Store(true)
		return failed, r.save(report.Document{Entry: entry, Summary: summary, Question: r.options.Question})
	}
	return r.following(ctx, "across", f, pulse, func(ctx context.Context) error {
		return f.patiently(ctx, func() error {
			j, err := r.submitParent(ctx, s, demand{name: report.AcrossDocument, fingerprint: fingerprint, request: prepared.Request})
			if err == nil {
				err = r.addToRun(ctx, s, report.AcrossDocument, j.ID)
			}
			if err != nil {
				return err
			}
			m := &member{order: order, across: true, name: report.AcrossDocument}
			m.observe(j)
			r.paths.Store(j.ID, report.AcrossDocument)
			f.add(m)
			return nil
		})
	})
}

// summaries are those of the documents, and how many have none.
func (r *summarizeRun) summaries(found []input) (named []summarize.Named, missing int, err error) {
	for _, in := range found {
		entry, _ := r.folder.Entry(in.Path)
		if entry.Status != summarize.StatusSucceeded {
			missing++
			continue
		}
		d, err := r.onRecord(entry)
		if err != nil {
			return nil, 0, err
		}
		if d.Summary == nil {
			missing++
			continue
		}
		named = append(named, summarize.Named{Document: in.Path, Summary: *d.Summary})
	}
	return named, missing, nil
}

// acrossOnRecord is the summary over all documents, nil if there is none, or a damaged one.
func (r *summarizeRun) acrossOnRecord() (*report.Document, error) {
	raw, err := r.folder.Read(report.DataName(report.AcrossName), maxPage)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil //nolint:nilnil // there is none
	}
	if err != nil {
		return nil, err
	}
	d, err := report.Read(raw, report.AcrossDocument)
	if err != nil {
		return nil, nil //nolint:nilerr,nilnil // it is made again
	}
	return &d, nil
}
