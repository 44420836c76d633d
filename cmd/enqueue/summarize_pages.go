package main

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io/fs"
	"path/filepath"
	"sync/atomic"
	"time"

	"github.com/longhaul-jobs/longhaul/jobs/summarize"
	"github.com/longhaul-jobs/longhaul/jobs/summarize/report"
)

// maxPage bounds what is read of a file about a document.
const maxPage = 256 << 20

// headBytes is how much of a page tells whose it is.
const headBytes = 2048

// claimPages makes sure that the pages about the run are its own to write.
func (r *summarizeRun) claimPages() error {
	for _, name := range report.PageNames() {
		head, err := r.folder.Read(name, headBytes)
		switch {
		case errors.Is(err, fs.ErrNotExist):
		case errors.Is(err, summarize.ErrNotRegular):
			return usage("%s is no file, and cannot be replaced; take it away, or name another folder with --out", filepath.Join(r.out, name))
		case r.overwrite:
		case err != nil:
			return usage("%s cannot be read; --overwrite replaces it, --out names another folder: %w", filepath.Join(r.out, name), err)
		case !report.IsPage(name, head):
			return usage("%s is not this program's; --overwrite replaces it, --out names another folder", filepath.Join(r.out, name))
		}
	}
	return nil
}

// documents are those on record, with their summaries. read counts them.
func (r *summarizeRun) documents(entries []summarize.Entry, read *atomic.Int64) report.Documents {
	return func(yield func(report.Document, error) bool) {
		for _, entry := range entries {
			d, err := r.onRecord(entry)
			if !yield(d, err) {
				return
			}
			read.Add(1)
		}
	}
}

// onRecord is a document with its summary, without one if its file is not there, or is
// damaged: that one must not cost the others.
func (r *summarizeRun) onRecord(entry summarize.Entry) (report.Document, error) {
	d := report.Document{Entry: entry}
	if entry.Output == "" {
		return d, nil
	}
	raw, err := r.folder.Read(report.DataName(entry.Output), maxPage)
	if errors.Is(err, fs.ErrNotExist) {
		return d, nil
	}
	if err != nil {
		return d, err
	}
	read, err := report.Read(raw, entry.Document)
	if err != nil {
		d.Entry.Note = joinRemarks(d.Entry.Note, report.DataName(entry.Output)+" is damaged; the command that wrote it writes it again")
		return d, nil //nolint:nilerr // the note tells of it
	}
	d.Summary, d.Question = read.Summary, read.Question
	return d, nil
}

// writePages writes the pages about the run, if they would say something new. A crash
// before the last of them is written leaves one that was made from another record, and
// the next command writes all of them. The end of ctx does not end it: what is written
// half is worth nothing.
func (r *summarizeRun) writePages(ctx context.Context) error {
	record, err := r.madeFrom()
	if err != nil {
		return err
	}
	if current, err := r.shown(record); err != nil || current && !r.changed.Load() {
		return err
	}
	if err := r.folder.Sort(); err != nil {
		return err
	}
	run := report.Run{Name: r.title(), Question: r.options.Question, Settings: r.settings(), LastEnd: r.lastEnd(), Record: record}
	if run.Across, err = r.acrossOnRecord(); err != nil {
		return err
	}
	if a := run.Across; a != nil && a.Entry.FinishedAt.Before(run.LastEnd) {
		a.Entry.Note = joinRemarks(a.Entry.Note, "older than some of the summaries; --across makes it anew")
	}
	entries, read := r.folder.Entries(), new(atomic.Int64)
	stop := r.showSteps(ctx, "writing the report", len(entries), func() int { return int(read.Load()) / report.Passes })
	err = report.Pages(run, r.documents(entries, read), r.folder.Write)
	stop()
	if err == nil {
		r.changed.Store(false)
	}
	return err
}

// madeFrom identifies what pages are made from: the record of the documents, and the
// summary over all of them.
func (r *summarizeRun) madeFrom() (string, error) {
	documents, err := r.folder.Digest()
	if err != nil {
		return "", err
	}
	across, err := r.folder.Read(report.DataName(report.AcrossName), maxPage)
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return "", err
	}
	sum := sha256.Sum256(append([]byte(documents), across...))
	return hex.EncodeToString(sum[:16]), nil
}

// shown reports whether all pages are there, made from that.
func (r *summarizeRun) shown(record string) (bool, error) {
	for _, name := range []string{report.CSVName, report.IndexName} {
		if has, err := r.folder.Has(name); err != nil || !has {
			return false, err
		}
	}
	head, err := r.folder.Read(report.HTMLName, headBytes)
	if errors.Is(err, fs.ErrNotExist) {
		return false, nil
	}
	return err == nil && report.RecordOf(head) == record, err
}

// title is what the pages call the run: its name, or that of its folder.
func (r *summarizeRun) title() string {
	named, err := groupOf(r.out)
	if err == nil && r.job.Group != named {
		return r.job.Group
	}
	return filepath.Base(r.out)
}

// lastEnd is when the last document ended: the pages are about what was known then.
func (r *summarizeRun) lastEnd() time.Time {
	var last time.Time
	for _, entry := range r.folder.Entries() {
		if entry.FinishedAt.After(last) {
			last = entry.FinishedAt
		}
	}
	return last
}

// settings say how the summaries were asked for.
func (r *summarizeRun) settings() []string {
	o := r.options
	said := []string{o.Model}
	add := func(format, value string) {
		if value != "" {
			said = append(said, fmt.Sprintf(format, value))
		}
	}
	add("%s", string(o.Preset))
	add("length %s", o.Length)
	add("in %s", o.Language)
	add("style: %s", o.Style)
	add("effort %s", o.Effort)
	add("%s tier", o.ServiceTier)
	if o.Instructions != "" {
		said = append(said, "own instructions")
	}
	if len(o.Schema) > 0 {
		said = append(said, "own schema")
	}
	return said
}
