package blobs

import (
	"cmp"
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"io/fs"
	"net/url"
	"os"
	"path"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"syscall"
	"time"

	"github.com/longhaul-jobs/longhaul/internal/blobsurl"
)

const (
	// places bounds the operations on a folder at once: one on a share that
	// hangs cannot be cut short, and holds a thread until the share answers.
	places = 64
	// pageSize is how many keys are read at once.
	pageSize = 1000
	// tempPrefix begins the name of a file that is not whole yet. No key has a
	// segment that begins with a dot.
	tempPrefix = ".put-"
)

// folder keeps each value in a file of its own. A file appears under its name
// only when it is whole and durable: it is written beside it, synced and renamed,
// and then the folder is synced. Nothing leaves the folder through a name or a
// symbolic link.
type folder struct {
	path string
	// existing says that the folder is not made.
	existing bool
	timeout  time.Duration
	places   chan struct{}
	// synced are the folders whose place in their parent is known to be durable.
	synced sync.Map
}

func openFolder(ctx context.Context, u *url.URL, config Config) (*folder, error) {
	switch {
	case u.Host != "" && u.Host != "localhost" || u.Opaque != "":
		return nil, invalid("names a host or a relative folder; write three slashes and the whole path, as in file:///var/lib/longhaul/blobs")
	case u.Path == "" || u.Path == "/":
		return nil, invalid("names no folder; write file:///var/lib/longhaul/blobs")
	}
	if _, err := blobsurl.Parameters(u); err != nil {
		return nil, invalid("%s", err)
	}
	f := &folder{path: filepath.FromSlash(path.Clean(u.Path)), timeout: config.Timeout, existing: config.Existing, places: make(chan struct{}, places)}
	if config.Existing {
		return f, nil
	}
	_, err := do(ctx, f, "open blobs", func() (struct{}, error) {
		return struct{}{}, makeRoot(f.path)
	})
	if err != nil {
		return nil, err
	}
	return f, nil
}

// makeRoot makes the folder of the store, and those above it, durable.
func makeRoot(dir string) error {
	info, err := os.Stat(dir)
	switch {
	case err == nil && !info.IsDir():
		return &fs.PathError{Op: "mkdir", Path: dir, Err: syscall.ENOTDIR}
	case err == nil || !errors.Is(err, fs.ErrNotExist):
		return err
	}
	parent := filepath.Dir(dir)
	if err := makeRoot(parent); err != nil {
		return err
	}
	if err := os.Mkdir(dir, 0o700); err != nil && !errors.Is(err, fs.ErrExist) {
		return unmade(parent, err)
	}
	root, err := os.OpenRoot(parent)
	if err != nil {
		return err
	}
	return errors.Join(syncDir(root, "."), root.Close())
}

// tryRoot finds out whether the folder of the store could be made, and makes none that
// stays.
func tryRoot(dir string) error {
	if _, err := os.Stat(dir); err == nil || !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	parent := filepath.Dir(dir)
	if _, err := os.Stat(parent); err != nil {
		return tryRoot(parent)
	}
	made, err := os.MkdirTemp(parent, tempPrefix)
	if err != nil {
		return unmade(parent, err)
	}
	return os.Remove(made)
}

// unmadeError says that there are no folders in a place, which is there itself.
type unmadeError struct{ parent string }

func (e unmadeError) Error() string { return "no folder can be made in " + e.parent }

func unmade(parent string, err error) error {
	if errors.Is(err, fs.ErrNotExist) { // which would look as if the store were gone
		return unmadeError{parent}
	}
	return err
}

// do does something with files in a goroutine of its own, so that a share that
// hangs holds nobody longer than the timeout. What was given up may still be
// done later, which is why work must not touch what its caller sees.
func do[T any](ctx context.Context, f *folder, op string, work func() (T, error)) (T, error) {
	type outcome struct {
		value T
		err   error
	}
	ctx, cancel := context.WithTimeout(ctx, f.timeout)
	defer cancel()
	var none T
	if cause := context.Cause(ctx); cause != nil {
		return none, away(op, "was not asked", cause)
	}
	select {
	case f.places <- struct{}{}:
	case <-ctx.Done():
		return none, away(op, "is busy with operations that do not end", context.Cause(ctx))
	}
	done := make(chan outcome, 1)
	go func() {
		defer func() { <-f.places }()
		value, err := work()
		done <- outcome{value, err}
	}()
	select {
	case got := <-done:
		if got.err != nil && !errors.Is(got.err, errMissing) {
			return none, fileFailure(op, got.err)
		}
		return got.value, got.err
	case <-ctx.Done():
		return none, away(op, "has not answered in time", context.Cause(ctx))
	}
}

// errMissing is a value that is not there, as against a folder that is not.
var errMissing = fmt.Errorf("get blob: %w", fs.ErrNotExist)

// Put implements [Store].
//
// A crash before the rename leaves a file under a name of its own, which goes
// with its folder; one after it leaves the value, or what was there before.
func (f *folder) Put(ctx context.Context, key string, value []byte) error {
	if err := checkKey(key); err != nil {
		return fmt.Errorf("put blob: %w", err)
	}
	_, err := do(ctx, f, "put blob", func() (struct{}, error) {
		return struct{}{}, f.within(func(root *os.Root) error { return f.put(root, key, value) })
	})
	return err
}

func (f *folder) put(root *os.Root, key string, value []byte) error {
	dir := path.Dir(key)
	temp := path.Join(dir, tempPrefix+rand.Text())
	err := write(root, temp, value)
	if errors.Is(err, fs.ErrNotExist) {
		if err = f.makeDirs(root, dir); err == nil {
			err = write(root, temp, value)
		}
	}
	if err == nil {
		err = root.Rename(temp, key)
	}
	if err != nil {
		_ = root.Remove(temp) // what cannot be removed goes with its folder
		return err
	}
	return syncDir(root, dir)
}

// write makes a file that is durable but for its name.
func write(root *os.Root, name string, value []byte) error {
	file, err := root.OpenFile(name, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o600)
	if err != nil {
		return err
	}
	_, err = file.Write(value)
	if err == nil {
		err = file.Sync()
	}
	return errors.Join(err, file.Close())
}

// makeDirs makes a folder and those above it, and their names durable.
func (f *folder) makeDirs(root *os.Root, dir string) error {
	for at, rest := "", dir; rest != ""; {
		var segment string
		segment, rest, _ = strings.Cut(rest, "/")
		parent := at
		at = path.Join(at, segment)
		err := root.Mkdir(at, 0o700)
		if err != nil && !errors.Is(err, fs.ErrExist) {
			return err
		}
		if _, known := f.synced.Load(at); known && err != nil {
			continue
		}
		// One that another process has just made may not be durable yet.
		if err := syncDir(root, cmp.Or(parent, ".")); err != nil {
			return err
		}
		if rest != "" { // the last one goes with its job
			f.synced.Store(at, true)
		}
	}
	return nil
}

// syncDir makes the names in a folder durable. Some file systems have no such
// thing, and say so.
func syncDir(root *os.Root, dir string) error {
	file, err := root.Open(dir)
	if err != nil {
		return err
	}
	err = file.Sync()
	if errors.Is(err, syscall.EINVAL) || errors.Is(err, errors.ErrUnsupported) {
		err = nil
	}
	return errors.Join(err, file.Close())
}

// Get implements [Store].
func (f *folder) Get(ctx context.Context, key string) ([]byte, error) {
	if err := checkKey(key); err != nil {
		return nil, fmt.Errorf("get blob: %w", err)
	}
	return do(ctx, f, "get blob", func() ([]byte, error) {
		var value []byte
		err := f.within(func(root *os.Root) (err error) {
			value, err = root.ReadFile(key)
			if errors.Is(err, fs.ErrNotExist) {
				return errMissing
			}
			return err
		})
		return value, err
	})
}

// Delete implements [Store].
func (f *folder) Delete(ctx context.Context, dir string) error {
	if err := checkKey(dir); err != nil {
		return fmt.Errorf("delete blobs: %w", err)
	}
	_, err := do(ctx, f, "delete blobs", func() (struct{}, error) {
		return struct{}{}, f.within(func(root *os.Root) error {
			if err := root.RemoveAll(dir); err != nil {
				return err
			}
			err := syncDir(root, path.Dir(dir))
			if errors.Is(err, fs.ErrNotExist) {
				return nil // nor was there anything above it
			}
			return err
		})
	})
	return err
}

// Check implements [Store].
func (f *folder) Check(ctx context.Context) error {
	if f.existing {
		if _, err := do(ctx, f, "check blobs", func() (struct{}, error) { return struct{}{}, tryRoot(f.path) }); err != nil {
			return err
		}
	}
	return probe(ctx, f)
}

// within opens the folder for one operation: a share that was mounted anew is
// another one.
func (f *folder) within(use func(root *os.Root) error) error {
	root, err := os.OpenRoot(f.path)
	if err != nil {
		return err
	}
	return errors.Join(use(root), root.Close())
}

// entry is a key and when it was written.
type entry struct {
	key      string
	modified time.Time
}

// Walk implements [Store].
func (f *folder) Walk(ctx context.Context, dir, after string, visit func(key string, modified time.Time) bool) error {
	if err := checkKey(dir); err != nil {
		return fmt.Errorf("list blobs: %w", err)
	}
	for {
		page, err := do(ctx, f, "list blobs", func() ([]entry, error) {
			w := walker{after: after}
			err := f.within(func(root *os.Root) error { return w.walk(root, dir) })
			return w.found, err
		})
		if err != nil {
			return err
		}
		for _, e := range page {
			if !visit(e.key, e.modified) {
				return nil
			}
			after = e.key
		}
		if len(page) < pageSize {
			return nil
		}
	}
}

// walker collects a page of keys.
type walker struct {
	after string
	found []entry
}

func (w *walker) walk(root *os.Root, dir string) error {
	entries, err := readDir(root, dir)
	if err != nil {
		return err
	}
	for _, name := range entries {
		key := dir + "/" + name
		if below, isDir := strings.CutSuffix(key, "/"); isDir {
			if key > w.after || strings.HasPrefix(w.after, key) {
				err = w.walk(root, below)
			}
		} else if key > w.after {
			err = w.add(root, key)
		}
		if err != nil || len(w.found) == pageSize {
			return err
		}
	}
	return nil
}

func (w *walker) add(root *os.Root, key string) error {
	info, err := root.Lstat(key)
	if errors.Is(err, fs.ErrNotExist) {
		return nil // it went meanwhile
	}
	if err != nil {
		return err
	}
	w.found = append(w.found, entry{key: key, modified: info.ModTime()})
	return nil
}

// readDir returns the names in a folder in the order of the keys that they
// begin; those of folders end with a slash.
func readDir(root *os.Root, dir string) ([]string, error) {
	file, err := root.Open(dir)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	if err != nil {
		return nil, err
	}
	entries, err := file.ReadDir(-1)
	if err = errors.Join(err, file.Close()); err != nil {
		return nil, err
	}
	names := make([]string, len(entries))
	for i, e := range entries {
		if names[i] = e.Name(); e.IsDir() {
			names[i] += "/"
		}
	}
	slices.Sort(names)
	return names, nil
}

// fileFailure classifies an error of the file system.
func fileFailure(op string, err error) error {
	if e, ok := errors.AsType[unmadeError](err); ok {
		return broken(op, "names a folder that cannot be made, because "+e.parent+" takes none", err)
	}
	switch {
	case errors.Is(err, fs.ErrPermission), errors.Is(err, syscall.EROFS):
		return broken(op, "names a folder that this process may not write to and read; its owner must be the user of all processes", err)
	case errors.Is(err, syscall.ENOTDIR), errors.Is(err, syscall.ELOOP):
		return broken(op, "names something that is no folder", err)
	case errors.Is(err, syscall.ENOSPC), errors.Is(err, syscall.EDQUOT):
		return away(op, "has no space left", err)
	case errors.Is(err, fs.ErrNotExist):
		return away(op, "has lost its folder; is the share mounted?", err)
	}
	return away(op, "cannot be read or written", err)
}
