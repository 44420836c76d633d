package summarize

import (
	"path/filepath"
	"slices"

	"golang.org/x/text/cases"
	"golang.org/x/text/unicode/norm"
)

// Outputs returns the names of the summaries' files of documents that get one, by their
// paths. It is that of [OutputName], unless a file of another document has a name that some
// file systems take for the same, since it differs in the case of letters or in how accents
// are written; then it has a digest of the path. A name that is on record stays, and of
// documents that have none the least path has the plain one.
func (f *Folder) Outputs(documents []string) map[string]string {
	f.mu.Lock()
	defer f.mu.Unlock()
	named := make(map[string]string, len(documents))
	for _, document := range documents {
		named[document] = ""
	}
	taken := make(map[string]bool)
	for document, e := range f.manifest.entries {
		if _, asked := named[document]; !asked && e.Output != "" {
			taken[folded(e.Output)] = true
		}
	}
	give := func(document, name string) {
		if key := folded(name); !taken[key] {
			taken[key], named[document] = true, name
		}
	}
	ordered := slices.Sorted(slices.Values(documents))
	for _, document := range ordered {
		plain, distinct := OutputName(document), digestName(filepath.ToSlash(document))
		if before := f.manifest.entries[document].Output; before == plain || before == distinct {
			give(document, before)
		}
	}
	for _, document := range ordered {
		if named[document] == "" {
			give(document, OutputName(document))
		}
		if named[document] == "" {
			give(document, digestName(filepath.ToSlash(document)))
		}
	}
	return named
}

// folded is a name as file systems compare it that make no difference between large and
// small letters.
func folded(name string) string {
	return norm.NFC.String(cases.Fold().String(norm.NFD.String(name)))
}
