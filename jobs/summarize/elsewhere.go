package summarize

import (
	"bytes"
	"cmp"
	"context"
	"slices"
)

// Archive is a zip archive of documents that lies elsewhere, such as on the web, and that
// the caller has fetched. What is refused of one on disk is refused of it. Its methods may
// be called from several goroutines.
type Archive struct {
	path string
	zip  *zipFile
}

// OpenArchive opens the archive that content is, which goes by path and must not change. Its
// error is a [*SourceError].
func OpenArchive(path string, content []byte) (*Archive, error) {
	a := &Archive{path: path, zip: &zipFile{bytes: bytes.NewReader(content), size: int64(len(content))}}
	if err := a.zip.open(); err != nil {
		return nil, sourceError(path, err)
	}
	return a, nil
}

// Document returns the kind of document that the archive itself is, if it is one by another
// name.
func (a *Archive) Document() (Kind, bool) { return a.zip.holds() }

// Selection is what [Expand] finds in an archive.
func (a *Archive) Selection() Selection {
	s := Selection{Archives: []string{a.path}}
	s.Sources, s.Skipped, s.Failed = a.zip.content(a.path, "")
	slices.SortFunc(s.Sources, func(a, b Source) int { return cmp.Compare(a.Path, b.Path) })
	slices.SortFunc(s.Skipped, func(a, b *SourceError) int { return cmp.Compare(a.Path, b.Path) })
	return s
}

// ReadFrom is [Reader.Read] for a document of an archive that lies elsewhere.
func (r *Reader) ReadFrom(ctx context.Context, a *Archive, src Source) (Document, error) {
	content, err := a.zip.read(src.Entry, r.opts.FileBytes)
	if err != nil {
		return Document{}, sourceError(src.Path, err)
	}
	return r.Parse(ctx, src.Path, src.Kind, content)
}
