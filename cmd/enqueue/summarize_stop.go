package main

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"syscall"

	"github.com/longhaul-jobs/longhaul/jobs"
	"github.com/longhaul-jobs/longhaul/jobs/summarize"
)

// older is what readers of a summary are told while another one is under way.
const older = "this is the summary from before; another one was asked for"

// leaveOff writes the pages when the command stops before its end, from what is known
// then. It takes no longer than any pages do, and does without Redis.
func (r *summarizeRun) leaveOff(ctx context.Context, found inputs) error {
	stopping := "stopping: writing what is known so far"
	if ctx.Err() != nil {
		stopping += "; another interrupt ends at once"
	}
	r.console.say("%s", stopping)
	if err := r.recordOpen(found.documents); err != nil {
		return err
	}
	return r.writePages(ctx)
}

// noRoom says of an error by a full disk, or a quota that is used up, whose room it is, and
// what to do.
func (r *summarizeRun) noRoom(err error) error {
	help := "make room"
	switch {
	case errors.Is(err, syscall.EDQUOT):
		help = "the quota is used up; make room, or have it raised"
	case !errors.Is(err, syscall.ENOSPC):
		return err
	}
	return fmt.Errorf("%w\nthere is no room for the summaries in %s: %s, and the same command goes on; nothing is paid twice", err, printable(r.out), help)
}

// settle writes the pages when a command has come to its end, or to that of its budget.
func (r *summarizeRun) settle(ctx context.Context, found, all inputs) error {
	var err error
	if r.stuck != "" {
		err = r.recordOpen(found.documents)
	} else {
		err = r.forgetPending(all.documents)
	}
	if err != nil {
		return err
	}
	return r.writePages(ctx)
}

// recordOpen puts on record which documents have not ended. A crash before it leaves
// them without a line, or with their last one, as if nobody had asked for them yet; the
// next command finds their jobs all the same.
func (r *summarizeRun) recordOpen(found []input) error {
	open := slices.Clone(r.left)
	handedOver := make(map[string]bool, len(open))
	for _, entry := range open {
		handedOver[entry.Document] = true
	}
	for _, in := range found {
		if _, known := r.folder.Entry(in.Path); !known && !handedOver[in.Path] && r.wanted(in.Path) {
			open = append(open, summarize.Entry{Document: in.Path, Status: summarize.StatusPending})
		}
	}
	return r.folder.RecordAll(open)
}

// forgetPending takes off the record what an earlier command that was stopped had found
// and not handed over, and this one, which has come to its end, did not find any more.
func (r *summarizeRun) forgetPending(found []input) error {
	there := make(map[string]bool, len(found))
	for _, in := range found {
		there[in.Path] = true
	}
	var gone []string
	for _, entry := range r.folder.Entries() {
		if entry.Status == summarize.StatusPending && !there[entry.Document] {
			gone = append(gone, entry.Document)
		}
	}
	return r.folder.Forget(gone...)
}

// unfinished are the lines about those documents that were handed over and have not
// ended. With --dev there are none: their jobs end with the command.
func (r *summarizeRun) unfinished(f *follower, byOrder map[int]*document) []summarize.Entry {
	if r.dev {
		return nil
	}
	var open []summarize.Entry
	for _, m := range f.unfinished() {
		entry := r.handedOver(byOrder[m.order], m.id)
		if m.held {
			entry.Status, entry.Error = summarize.StatusHeld, entryError(m)
		}
		open = append(open, entry)
	}
	return open
}

// handedOver is the line about a document whose job has not ended. A summary from before
// stays in sight, and so does the reason why there was none.
func (r *summarizeRun) handedOver(d *document, id jobs.ID) summarize.Entry {
	entry := r.lineAbout(d)
	entry.Model, entry.Status, entry.JobID = r.options.Model, summarize.StatusSubmitted, string(id)
	if entry.Output != "" {
		entry.Note = older
	}
	return entry
}

// unended reports whether a document has never come to an end: nothing but that it was
// found, or handed over, is on record.
func unended(entry summarize.Entry) bool {
	return entry.Status.Open() && entry.Error == nil && entry.Output == ""
}
