package main

import (
	"context"
	"slices"
	"strings"

	"github.com/longhaul-jobs/longhaul/jobs/summarize"
)

// mended are the documents on record for which there is no reason to be any more, among
// those that failed without a job: archives that could not be opened and can be, files in
// archives that are in them no more, and what went while it was watched.
func (r *summarizeRun) mended(all inputs) []string {
	opened, there := make(map[string]bool, len(all.archives)), make(map[string]bool, all.count())
	for _, archive := range all.archives {
		opened[archive] = true
	}
	for _, d := range all.documents {
		there[d.Path] = true
	}
	for _, f := range all.failed {
		there[f.Path] = true
	}
	var mended []string
	for _, entry := range r.folder.Entries() {
		if entry.Status != summarize.StatusFailed || entry.JobID != "" || there[entry.Document] {
			continue
		}
		within := func(archive string) bool { return opened[archive] }
		if slices.Contains(all.gone, entry.Document) || slices.ContainsFunc(pathsAbove(entry.Document), within) {
			mended = append(mended, entry.Document)
		}
	}
	return mended
}

// pathsAbove is a path, and what is left of it without its last element, and so on. Nothing
// is resolved: names in archives may take detours.
func pathsAbove(p string) []string {
	var above []string
	for end := len(p); end > 0; end = strings.LastIndexByte(p[:end], '/') {
		above = append(above, p[:end])
	}
	return above
}

// forget takes documents off the run, and then off the record, which leads there as long
// as that was not done.
func (r *summarizeRun) forget(ctx context.Context, documents []string) error {
	if len(documents) == 0 {
		return nil
	}
	err := r.patiently(ctx, func() error { return r.session.RemoveFromRun(ctx, r.job.Group, documents...) })
	if err != nil {
		return err
	}
	r.changed.Store(true)
	return r.folder.Forget(documents...)
}
