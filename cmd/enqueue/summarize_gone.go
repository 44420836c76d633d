package main

import (
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"slices"

	"github.com/longhaul-jobs/longhaul/jobs/summarize"
)

// markGone puts on record which documents are no longer where they were, and which are there
// again. It is said only of those that this command would have found: whose folder, archive
// or prefix it has looked through. Their summaries stay, since they were paid for.
func (r *summarizeRun) markGone(all inputs) error {
	l := looked{there: make(map[string]bool, all.count()), folders: make(map[string]bool), archives: make(map[string]bool)}
	for _, d := range all.documents {
		l.there[d.Path] = true
	}
	for _, f := range slices.Concat(all.failed, all.skipped) {
		l.there[f.Path] = true
	}
	for _, path := range all.folders {
		l.folders[path] = true
	}
	for _, path := range all.archives {
		l.archives[path] = true
	}
	var changed []summarize.Entry
	for _, entry := range r.folder.Entries() {
		// What is known to be gone is so until it is found again.
		gone := entry.Gone && !l.there[entry.Document] || l.misses(entry.Document)
		if gone != entry.Gone {
			entry.Gone = gone
			changed = append(changed, entry)
		}
	}
	return r.folder.RecordAll(changed)
}

// looked is where a command has looked for documents, by their paths, and what was there,
// also if it is no document or cannot be read.
type looked struct {
	there, folders, archives map[string]bool
}

// misses reports whether a document would be there if it were still where it was. A local
// one is looked for by its name, since a folder does not tell of what is hidden or behind a
// link.
func (l looked) misses(document string) bool {
	above := pathsAbove(document)
	among := func(paths map[string]bool) bool {
		return slices.ContainsFunc(above, func(path string) bool { return paths[path] })
	}
	switch {
	case among(l.there): // or what it is in cannot be opened
		return false
	case among(l.archives):
		return true
	case scheme(document) != "":
		return among(l.folders)
	case among(l.folders) || l.folders["."] && filepath.IsLocal(filepath.FromSlash(document)):
		_, err := os.Lstat(filepath.FromSlash(document))
		return errors.Is(err, fs.ErrNotExist)
	}
	return false
}
