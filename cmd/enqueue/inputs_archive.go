package main

import (
	"context"
	"slices"
	"sync"
	"sync/atomic"

	"github.com/longhaul-jobs/longhaul/jobs/summarize"
)

// keptArchives is how many archives that lie elsewhere are kept, in memory. Documents are
// read in the order in which they lie in archives, so that some readers are at the end of
// one while others have begun with the next.
const keptArchives = 2

// remoteArchive is an archive that does not lie on disk.
type remoteArchive struct {
	summarize.Source

	// get fetches it. Its error follows the path as the rest of a sentence.
	get func(ctx context.Context) ([]byte, error)
}

// archives are those that lie elsewhere and were read from last.
type archives struct {
	// mu is held while one is fetched, so that those who need the same one fetch it once.
	mu   sync.Mutex
	kept []keptArchive
}

type keptArchive struct {
	path string
	*summarize.Archive
}

// open returns an archive, fetched unless it is kept.
func (a *archives) open(ctx context.Context, e remoteArchive) (*summarize.Archive, error) {
	a.mu.Lock()
	defer a.mu.Unlock()
	if i := slices.IndexFunc(a.kept, func(k keptArchive) bool { return k.path == e.Path }); i >= 0 {
		return a.kept[i].Archive, nil
	}
	content, err := e.get(ctx)
	if err != nil {
		return nil, &summarize.SourceError{Path: e.Path, Err: err}
	}
	opened, err := summarize.OpenArchive(e.Path, content)
	if err != nil {
		return nil, err
	}
	if len(a.kept) == keptArchives {
		a.kept = slices.Delete(a.kept, 0, 1)
	}
	a.kept = append(a.kept, keptArchive{e.Path, opened})
	return opened, nil
}

// unpack finds the documents in archives that lie elsewhere. They are fetched for that, and
// again where there are many and one of its documents is read.
func (g *gatherer) unpack(ctx context.Context, packed []remoteArchive, found *inputs) error {
	if len(packed) == 0 {
		return nil
	}
	var done atomic.Int64
	stop := g.steps(ctx, "opening the archives", len(packed), func() int { return int(done.Load()) })
	defer stop()
	known := make(map[string]bool, len(packed))
	for _, e := range packed {
		if !known[e.Path] {
			g.open(ctx, e, found)
		}
		known[e.Path] = true
		if ctx.Err() != nil {
			return context.Cause(ctx)
		}
		done.Add(1)
	}
	return nil
}

// open finds the documents in an archive. One that cannot be opened is a document that
// cannot be read.
func (g *gatherer) open(ctx context.Context, e remoteArchive, found *inputs) {
	a, err := g.archives.open(ctx, e)
	if err != nil {
		found.documents = append(found.documents, input{Source: e.Source, read: func(context.Context) (summarize.Document, error) {
			return summarize.Document{}, err
		}})
		return
	}
	if kind, ok := a.Document(); ok {
		found.documents = append(found.documents, input{Source: e.Source, read: func(ctx context.Context) (summarize.Document, error) {
			content, err := e.get(ctx)
			if err != nil {
				return summarize.Document{}, &summarize.SourceError{Path: e.Path, Err: err}
			}
			return g.reader.Parse(ctx, e.Path, kind, content)
		}})
		return
	}
	selection := a.Selection()
	for _, source := range selection.Sources {
		found.documents = append(found.documents, input{Source: source, read: func(ctx context.Context) (summarize.Document, error) {
			a, err := g.archives.open(ctx, e)
			if err != nil {
				return summarize.Document{}, err
			}
			return g.reader.ReadFrom(ctx, a, source)
		}})
	}
	found.skipped = append(found.skipped, selection.Skipped...)
	found.failed = append(found.failed, selection.Failed...)
	found.archives = append(found.archives, selection.Archives...)
}
