package summarize

import (
	"bytes"
	"cmp"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
)

// ErrLocked is returned by [OpenFolder] when another run has the folder open.
var ErrLocked = errors.New("another run is writing to this folder")

// errReadOnly refuses writing to a folder from [ReadFolder].
var errReadOnly = errors.New("the folder is open for reading only")

const (
	// scratchName is the file that is filled before it takes another's name.
	scratchName = ".summaries.tmp"
	// pageScratchName is the same for what takes longer to write.
	pageScratchName = ".summaries.page.tmp"
	// lockName is the file whose lock says that the folder is being written.
	lockName = ".summaries.lock"

	fileMode   = 0o644
	folderMode = 0o755
)

// Folder is a folder of summaries with the manifest that tells how each came
// about. Its methods may be called from several goroutines. Nothing that it is
// told to write can end up outside of the folder.
type Folder struct {
	// path is for messages.
	path string
	// root is nil if the folder does not exist; see [ReadFolder].
	root *os.Root
	// lock is nil if the folder is open for reading only.
	lock *os.File

	// pages guards the scratch file of what is written a part at a time.
	pages sync.Mutex
	// mu guards the manifest, in memory and on disk, and the other scratch file.
	mu       sync.Mutex
	manifest manifest
}

// OpenFolder opens a folder of summaries for writing and creates it if needed.
// It fails with [ErrLocked] while another process has the folder open for
// writing, on systems that have file locks. The folder must be closed.
func OpenFolder(dir string) (*Folder, error) {
	if err := os.MkdirAll(dir, folderMode); err != nil {
		return nil, fmt.Errorf("create the folder of summaries: %w", err)
	}
	f := &Folder{path: dir}
	if err := f.open(true); err != nil {
		return nil, errors.Join(fmt.Errorf("open the folder of summaries %s: %w", quoteName(dir), err), f.Close())
	}
	return f, nil
}

// ReadFolder opens a folder of summaries for reading. It creates and changes
// nothing; a folder that does not exist is an empty one. The folder must be
// closed.
func ReadFolder(dir string) (*Folder, error) {
	f := &Folder{path: dir}
	if err := f.open(false); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return nil, errors.Join(fmt.Errorf("open the folder of summaries %s: %w", quoteName(dir), err), f.Close())
	}
	return f, nil
}

func (f *Folder) open(write bool) (err error) {
	if f.root, err = os.OpenRoot(f.path); err != nil {
		return err
	}
	if write {
		if f.lock, err = f.root.OpenFile(lockName, os.O_CREATE|os.O_RDWR, fileMode); err != nil {
			return err
		}
		if err := lockFile(f.lock); err != nil {
			return err
		}
	}
	if err := f.load(); err != nil {
		return fmt.Errorf("%s: %w", quoteName(filepath.Join(f.path, ManifestName)), err)
	}
	if write && f.manifest.wasteful() {
		return f.compactLocked()
	}
	return nil
}

// load reads the manifest; a missing one is an empty one.
func (f *Folder) load() (err error) {
	file, err := f.openFile(ManifestName)
	if errors.Is(err, fs.ErrNotExist) {
		f.manifest = manifest{entries: make(map[string]Entry)}
		return nil
	}
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, file.Close()) }()
	f.manifest, err = readManifest(file)
	return err
}

// Close releases the folder. Closing it again does nothing.
func (f *Folder) Close() error {
	f.mu.Lock()
	defer f.mu.Unlock()
	var errs []error
	if f.lock != nil {
		errs = append(errs, f.lock.Close()) // and with it the lock
		f.lock = nil
	}
	if f.root != nil {
		errs = append(errs, f.root.Close())
		f.root = nil
	}
	return errors.Join(errs...)
}

// Done reports whether the document is summarized already: the last line about
// it carries this fingerprint and tells of success, and the summary is there.
func (f *Folder) Done(fingerprint, document string) bool {
	f.mu.Lock()
	defer f.mu.Unlock()
	e, ok := f.manifest.entries[document]
	if !ok || e.Status != StatusSucceeded || e.Fingerprint != fingerprint || e.Output == "" || f.root == nil {
		return false
	}
	info, err := f.root.Stat(e.Output)
	return err == nil && info.Mode().IsRegular() && info.Size() > 0
}

// Entry returns the last line about a document.
func (f *Folder) Entry(document string) (Entry, bool) {
	f.mu.Lock()
	defer f.mu.Unlock()
	e, ok := f.manifest.entries[document]
	return e, ok
}

// Entries returns the last line about each document, ordered by path.
func (f *Folder) Entries() []Entry {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.entriesLocked()
}

func (f *Folder) entriesLocked() []Entry {
	byDocument := func(a, b Entry) int { return cmp.Compare(a.Document, b.Document) }
	return slices.SortedFunc(maps.Values(f.manifest.entries), byDocument)
}

// Record appends a line to the manifest and returns when it is on disk.
//
// A summary is saved before its success is recorded. A crash in between leaves
// a summary without its line, which the next run makes anew and overwrites.
func (f *Folder) Record(e Entry) error {
	line, err := manifestLine(e)
	if err != nil {
		return fmt.Errorf("record %s: %w", quoteName(e.Document), err)
	}
	f.mu.Lock()
	defer f.mu.Unlock()
	if err := f.recordLocked(e, line); err != nil {
		return fmt.Errorf("record %s in %s: %w", quoteName(e.Document), ManifestName, err)
	}
	return nil
}

// RecordAll records many entries at once, all of them or none, and drops the lines that
// are out of date.
func (f *Folder) RecordAll(entries []Entry) error {
	if len(entries) == 0 {
		return nil
	}
	f.mu.Lock()
	defer f.mu.Unlock()
	before := maps.Clone(f.manifest.entries)
	for _, e := range entries {
		f.manifest.entries[e.Document] = e
	}
	if err := f.compactLocked(); err != nil {
		f.manifest.entries = before
		return fmt.Errorf("record %d documents in %s: %w", len(entries), ManifestName, err)
	}
	return nil
}

// Forget takes documents off the record. Their files stay.
func (f *Folder) Forget(documents ...string) error {
	if len(documents) == 0 {
		return nil
	}
	f.mu.Lock()
	defer f.mu.Unlock()
	for _, document := range documents {
		delete(f.manifest.entries, document)
	}
	if err := f.compactLocked(); err != nil {
		return fmt.Errorf("take %s off %s: %w", quoteName(documents[0]), ManifestName, err)
	}
	return nil
}

// Digest identifies what is on record. It changes with each document that gets another
// line, and not with the order of the lines.
func (f *Folder) Digest() (string, error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	sum := sha256.New()
	for _, e := range f.entriesLocked() {
		line, err := manifestLine(e)
		if err != nil {
			return "", fmt.Errorf("digest of %s: %w", ManifestName, err)
		}
		_, _ = sum.Write(line) // a hash takes all
	}
	return hex.EncodeToString(sum.Sum(nil)), nil
}

func manifestLine(e Entry) ([]byte, error) {
	if e.Document == "" {
		return nil, errors.New("the entry names no document")
	}
	line, err := json.Marshal(e)
	if err != nil {
		return nil, err
	}
	if len(line) >= maxLineBytes {
		return nil, fmt.Errorf("the entry is longer than %d bytes", maxLineBytes)
	}
	return append(line, '\n'), nil
}

func (f *Folder) recordLocked(e Entry, line []byte) (err error) {
	if f.lock == nil {
		return errReadOnly
	}
	file, err := f.root.OpenFile(ManifestName, os.O_CREATE|os.O_RDWR|os.O_APPEND, fileMode)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, file.Close()) }()
	broken, err := breaksOff(file)
	if err != nil {
		return err
	}
	if broken {
		// An earlier write failed half-way, and its remains must not become a part
		// of this line.
		f.manifest.entries[e.Document] = e
		return f.compactLocked()
	}
	if _, err := file.Write(line); err != nil {
		return err
	}
	f.manifest.entries[e.Document] = e
	f.manifest.lines++
	return file.Sync()
}

// breaksOff reports whether the last line of a file lacks its end.
func breaksOff(file *os.File) (bool, error) {
	info, err := file.Stat()
	if err != nil || info.Size() == 0 {
		return false, err
	}
	last := make([]byte, 1)
	if _, err := file.ReadAt(last, info.Size()-1); err != nil {
		return false, err
	}
	return last[0] != '\n', nil
}

// Save writes a summary under a name from [OutputName], complete or not at all,
// in place of what had this name.
func (f *Folder) Save(name string, summary []byte) error {
	if !isFileName(name) {
		return fmt.Errorf("save a summary as %s: not a name for a summary", quoteName(name))
	}
	f.mu.Lock()
	defer f.mu.Unlock()
	if err := f.replaceLocked(name, summary); err != nil {
		return fmt.Errorf("save a summary as %s: %w", quoteName(name), err)
	}
	return nil
}

// Write is [Folder.Save] for what is written a part at a time. The writer may read the
// folder; what it writes is not there before all of it is.
func (f *Folder) Write(name string, write func(io.Writer) error) error {
	if !isFileName(name) {
		return fmt.Errorf("save a summary as %s: not a name for a summary", quoteName(name))
	}
	f.pages.Lock()
	defer f.pages.Unlock()
	if err := f.writePage(name, write); err != nil {
		return fmt.Errorf("save a summary as %s: %w", quoteName(name), err)
	}
	return nil
}

func (f *Folder) writePage(name string, write func(io.Writer) error) error {
	if f.lock == nil {
		return errReadOnly
	}
	if err := f.writeScratch(pageScratchName, write); err != nil {
		return errors.Join(err, f.root.Remove(pageScratchName))
	}
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.renameLocked(pageScratchName, name)
}

// isFileName reports whether a name is one for a file in the folder, beside those that
// the folder itself needs.
func isFileName(name string) bool {
	return filepath.IsLocal(name) && filepath.Base(name) == name && !strings.HasPrefix(name, ".") && name != ManifestName
}

// Has reports whether the folder has a file, or anything else, of this name.
func (f *Folder) Has(name string) (bool, error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.root == nil {
		return false, nil
	}
	_, err := f.root.Lstat(name)
	if errors.Is(err, fs.ErrNotExist) {
		return false, nil
	}
	if err != nil {
		return false, fmt.Errorf("look for %s: %w", quoteName(name), err)
	}
	return true, nil
}

// Read returns the content of a file of the folder, of at most limit bytes; what is
// longer is cut there. The error of one that is not there wraps [fs.ErrNotExist], that of
// what is no file [ErrNotRegular].
func (f *Folder) Read(name string, limit int64) (content []byte, err error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.root == nil || !isFileName(name) {
		return nil, fmt.Errorf("read %s: %w", quoteName(name), fs.ErrNotExist)
	}
	file, err := f.openFile(name)
	if err != nil {
		return nil, fmt.Errorf("read %s: %w", quoteName(name), err)
	}
	defer func() { err = errors.Join(err, file.Close()) }()
	if content, err = io.ReadAll(io.LimitReader(file, limit)); err != nil {
		return nil, fmt.Errorf("read %s: %w", quoteName(name), err)
	}
	return content, nil
}

// openFile opens a file for reading. What else has its name is not opened: a pipe would
// wait for a writer.
func (f *Folder) openFile(name string) (*os.File, error) {
	if info, err := f.root.Stat(name); err == nil && !info.Mode().IsRegular() {
		return nil, ErrNotRegular
	}
	return f.root.Open(name)
}

// Sort rewrites the manifest with one line about each document, ordered by path.
func (f *Folder) Sort() error {
	f.mu.Lock()
	defer f.mu.Unlock()
	if err := f.compactLocked(); err != nil {
		return fmt.Errorf("sort %s: %w", ManifestName, err)
	}
	return nil
}

// compactLocked rewrites the manifest with the last line about each document.
func (f *Folder) compactLocked() error {
	var buf bytes.Buffer
	entries := f.entriesLocked()
	for _, e := range entries {
		line, err := manifestLine(e)
		if err != nil {
			return err
		}
		buf.Write(line)
	}
	if err := f.replaceLocked(ManifestName, buf.Bytes()); err != nil {
		return err
	}
	f.manifest.lines, f.manifest.cut = len(entries), false
	return nil
}

// replaceLocked gives a file new content. A crash leaves the old file or the
// new one, and at most a scratch file that the next call overwrites.
func (f *Folder) replaceLocked(name string, content []byte) error {
	if f.lock == nil {
		return errReadOnly
	}
	err := f.writeScratch(scratchName, func(w io.Writer) error {
		_, err := w.Write(content)
		return err
	})
	if err != nil {
		return errors.Join(err, f.root.Remove(scratchName))
	}
	return f.renameLocked(scratchName, name)
}

// renameLocked gives a file that is whole its name.
func (f *Folder) renameLocked(from, to string) error {
	if err := f.root.Rename(from, to); err != nil {
		return errors.Join(err, f.root.Remove(from))
	}
	return f.syncFolder()
}

func (f *Folder) writeScratch(name string, write func(io.Writer) error) (err error) {
	file, err := f.root.OpenFile(name, os.O_CREATE|os.O_WRONLY|os.O_TRUNC, fileMode)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, file.Close()) }()
	if err := write(file); err != nil {
		return err
	}
	return file.Sync()
}

// syncFolder makes a rename last through a power failure.
func (f *Folder) syncFolder() (err error) {
	dir, err := f.root.Open(".")
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, dir.Close()) }()
	// Some systems cannot sync a folder, and some need not.
	_ = dir.Sync()
	return nil
}
