package summarize

import (
	"context"
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"sync"
)

// IsArchive reports whether a file is an archive of documents by its name.
func IsArchive(file string) bool { return strings.EqualFold(filepath.Ext(file), ".zip") }

// archive selects the documents inside of an archive.
func (e *expander) archive(ctx context.Context, file string, info fs.FileInfo) error {
	resolved, err := filepath.EvalSymlinks(e.absolute(file))
	if err != nil {
		e.fail(file, err)
		return nil
	}
	z, err := openZipFile(file)
	if err != nil {
		e.fail(file, err)
		return nil
	}
	defer func() { _ = z.close() }() // nothing was written to it
	if kind, ok := z.holds(); ok {
		e.add(file, kind, info)
		return nil
	}
	id := e.identity(file)
	e.archives[id] = true
	found, skipped, refused := z.content(id, e.location(file))
	for _, r := range refused {
		e.report(r)
	}
	for _, s := range skipped {
		e.skipped[s.Path] = s
	}
	for _, source := range found {
		if ctx.Err() != nil {
			return context.Cause(ctx)
		}
		key := resolved + "\x00" + source.Entry
		if earlier, ok := e.found[key]; !ok || source.Path < earlier.Path {
			e.found[key] = source
		}
	}
	return nil
}

// archives keeps the archive open that was read from last, since documents are
// read in the order in which they lie in archives.
type archives struct {
	mu   sync.Mutex
	last *sharedZip
}

// sharedZip is an archive that several goroutines read from.
type sharedZip struct {
	*zipFile

	name  string
	stamp fs.FileInfo
	// users counts those who read from it, and the cache while it keeps it.
	users int
}

func (a *archives) read(src Source, limit int64) (content []byte, err error) {
	z, err := a.take(src.OnDisk())
	if err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, a.release(z)) }()
	return z.read(src.Entry, limit)
}

// take returns an open archive, which must be released.
func (a *archives) take(name string) (*sharedZip, error) {
	info, err := os.Stat(name)
	if err != nil {
		return nil, err
	}
	a.mu.Lock()
	defer a.mu.Unlock()
	if z := a.last; z != nil && z.name == name && os.SameFile(z.stamp, info) && z.stamp.ModTime().Equal(info.ModTime()) && z.stamp.Size() == info.Size() {
		z.users++
		return z, nil
	}
	opened, err := openZipFile(name)
	if err != nil {
		return nil, err
	}
	before := a.last
	a.last = &sharedZip{zipFile: opened, name: name, stamp: info, users: 2}
	if before != nil {
		err = a.releaseLocked(before)
	}
	return a.last, err
}

func (a *archives) release(z *sharedZip) error {
	a.mu.Lock()
	defer a.mu.Unlock()
	return a.releaseLocked(z)
}

// releaseLocked closes an archive that nobody needs any more.
func (a *archives) releaseLocked(z *sharedZip) error {
	if z.users--; z.users > 0 {
		return nil
	}
	return z.close()
}

// close gives up the archive that is kept.
func (a *archives) close() error {
	a.mu.Lock()
	defer a.mu.Unlock()
	z := a.last
	if a.last = nil; z == nil {
		return nil
	}
	return a.releaseLocked(z)
}
