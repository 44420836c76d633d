package summarize

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io/fs"
	"maps"
	"os"
	"path"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"unicode"
	"unicode/utf8"
)

// Source is a file to be summarized.
type Source struct {
	// Path identifies the document from one run to the next: relative to the
	// working folder if the file lies in it, else absolute; always with slashes
	// and without detours, so that "docs/a.md", "./docs/a.md" and the absolute
	// path of the same file are one source. Bytes of a name that are not UTF-8 stand
	// as \xff and its like, so that a path can be written down.
	Path string
	// Kind is the format, as the file's name tells it.
	Kind Kind
	// Bytes is the size of the file when it was found.
	Bytes int64
	// Archive and Entry are set for a document inside of an archive: the path of the
	// archive's file, and the name of the document as the archive has it. Path is then
	// the path of the archive with what the name says behind it, such as
	// "minutes.zip/2024/may.txt".
	Archive, Entry string
	// File is where the document or its archive lies, where Path or Archive is not that.
	File string
}

// OnDisk is where the document lies, or its archive.
func (s Source) OnDisk() string { return filepath.FromSlash(cmp.Or(s.File, s.Archive, s.Path)) }

// SourceError is what is wrong with one file or argument. Others are not
// affected by it.
type SourceError struct {
	// Path is the file or argument.
	Path string
	// Err is the reason, without the path.
	Err error
	// Archive is the archive that the file is in, "" for one that is in none; see
	// [Source.Archive].
	Archive string
	// File is as that of a [Source].
	File string
}

// OnDisk is where the file lies, or its archive, if it is there at all.
func (e *SourceError) OnDisk() string { return filepath.FromSlash(cmp.Or(e.File, e.Archive, e.Path)) }

// Error names the file and the reason.
func (e *SourceError) Error() string { return quoteName(e.Path) + ": " + e.Err.Error() }

// Unwrap returns the reason.
func (e *SourceError) Unwrap() error { return e.Err }

// Selection is what a caller's arguments stand for.
type Selection struct {
	// Sources are the documents, ordered by path, each file once.
	Sources []Source
	// Skipped are files inside named folders and patterns that are no documents,
	// each with its reason, ordered by path. They are no errors. Hidden files
	// and folders are passed over without mention.
	Skipped []*SourceError
	// Failed are arguments that stand for nothing and files that could not be
	// looked at, in the order in which they were met.
	Failed []*SourceError
	// Archives are the archives that were opened, by their [Source.Path], ordered,
	// also those in which there is no document.
	Archives []string
	// Folders are the folders whose documents are among the sources, as a [Source.Path]
	// begins with them, ordered.
	Folders []string
}

// ExpandOptions narrow down what [Expand] finds. The zero value is usable.
type ExpandOptions struct {
	// Exclude are files and folders to leave out, such as the folder that the
	// summaries go to.
	Exclude []string
}

// Expand finds the documents that args stand for. An argument is
//
//   - a file, which must be of a supported type or without an extension;
//   - a zip archive, also inside a folder, which stands for all supported files in
//     it, except hidden ones; archives inside of it are passed over;
//   - a folder, which stands for all supported files in it, at any depth,
//     except hidden ones, those behind symbolic links, and folders that hold
//     the manifest of an earlier run;
//   - a pattern, for callers whose shell has not expanded it: * ? and [a-z]
//     within a name, ** for any number of folders.
//
// A file that several arguments lead to, also through symbolic links, is
// selected once, under the least of its paths. The order of args does not
// matter to the sources. What is wrong with one argument or file is reported
// in the selection and does not affect the others; the error is not nil only if
// the working folder is unknown or ctx ends, and the selection is then partial.
func Expand(ctx context.Context, args []string, opts ExpandOptions) (Selection, error) {
	e, err := newExpander(opts)
	if err != nil {
		return Selection{}, err
	}
	for _, arg := range args {
		if err = e.argument(ctx, arg); err != nil {
			break
		}
	}
	return e.selection(), err
}

// expander collects what Expand finds.
type expander struct {
	// folder is the working folder, absolute.
	folder string
	// excluded are absolute paths, as given and with symbolic links resolved.
	excluded []string
	// found maps the resolved path of a file to its source.
	found   map[string]Source
	skipped map[string]*SourceError
	failed  []*SourceError
	// archives are those that were opened, and folders those that were walked.
	archives, folders map[string]bool
}

func newExpander(opts ExpandOptions) (*expander, error) {
	folder, err := os.Getwd()
	if err != nil {
		return nil, fmt.Errorf("find the working folder: %w", err)
	}
	e := &expander{
		folder: folder, found: make(map[string]Source), skipped: make(map[string]*SourceError),
		archives: make(map[string]bool), folders: make(map[string]bool),
	}
	for _, p := range opts.Exclude {
		abs := e.absolute(p)
		e.excluded = append(e.excluded, abs)
		if resolved, err := filepath.EvalSymlinks(abs); err == nil && resolved != abs {
			e.excluded = append(e.excluded, resolved)
		}
	}
	return e, nil
}

func (e *expander) argument(ctx context.Context, arg string) error {
	if arg == "" {
		e.fail(strconv.Quote(arg), errors.New("an empty path"))
		return nil
	}
	info, err := os.Stat(arg)
	switch {
	case errors.Is(err, fs.ErrNotExist) && hasMeta(arg):
		return e.pattern(ctx, arg)
	case err != nil:
		e.fail(arg, err)
		return nil
	case e.isExcluded(arg):
		e.fail(arg, ErrOutput)
		return nil
	case info.IsDir():
		return e.walk(ctx, arg)
	case IsArchive(arg) && info.Mode().IsRegular():
		return e.archive(ctx, arg, info)
	}
	kind, err := kindOfNamed(arg)
	if err != nil {
		e.fail(arg, err)
		return nil
	}
	e.add(arg, kind, info)
	return nil
}

// add selects a file unless it has been selected under a lesser path.
func (e *expander) add(file string, kind Kind, info fs.FileInfo) {
	if !info.Mode().IsRegular() {
		e.fail(file, ErrNotRegular)
		return
	}
	resolved, err := filepath.EvalSymlinks(e.absolute(file))
	if err != nil {
		e.fail(file, err)
		return
	}
	source := Source{Path: e.identity(file), Kind: kind, Bytes: info.Size(), File: e.location(file)}
	if earlier, ok := e.found[resolved]; !ok || source.Path < earlier.Path {
		e.found[resolved] = source
	}
}

// fail reports a file or argument, once for each reason, under the path that it would go
// by as a document.
func (e *expander) fail(file string, err error) {
	failure := sourceError(file, err)
	failure.Path, failure.File = e.identity(file), e.location(file)
	e.report(failure)
}

// report is fail for what was made already.
func (e *expander) report(failure *SourceError) {
	same := func(f *SourceError) bool { return f.Error() == failure.Error() }
	if !slices.ContainsFunc(e.failed, same) {
		e.failed = append(e.failed, failure)
	}
}

func (e *expander) skip(file string, reason error) {
	id := e.identity(file)
	e.skipped[id] = &SourceError{Path: id, Err: reason, File: e.location(file)}
}

// selection orders what was found.
func (e *expander) selection() Selection {
	s := Selection{Failed: e.failed, Archives: slices.Sorted(maps.Keys(e.archives)), Folders: slices.Sorted(maps.Keys(e.folders))}
	for _, source := range e.found {
		s.Sources = append(s.Sources, source)
		// A file that one argument passes over may be what another one names.
		delete(e.skipped, source.Path)
	}
	for _, skipped := range e.skipped {
		s.Skipped = append(s.Skipped, skipped)
	}
	slices.SortFunc(s.Sources, func(a, b Source) int { return cmp.Or(cmp.Compare(a.Path, b.Path), cmp.Compare(a.File, b.File)) })
	for i, source := range s.Sources[min(1, len(s.Sources)):] {
		if source.Path == s.Sources[i].Path { // the one before
			s.Failed = append(s.Failed, &SourceError{Path: source.Path, Err: errSameName, Archive: source.Archive, File: source.File})
		}
	}
	s.Sources = slices.CompactFunc(s.Sources, func(a, b Source) bool { return a.Path == b.Path })
	slices.SortFunc(s.Skipped, func(a, b *SourceError) int { return cmp.Compare(a.Path, b.Path) })
	return s
}

// identity returns the path that a file goes by; see [Source.Path].
func (e *expander) identity(file string) string {
	abs := e.absolute(file)
	if rel, err := filepath.Rel(e.folder, abs); err == nil && filepath.IsLocal(rel) {
		abs = rel
	}
	return writable(filepath.ToSlash(abs))
}

// location is where a file lies if its identity does not say it, else "".
func (e *expander) location(file string) string {
	if utf8.ValidString(e.absolute(file)) {
		return ""
	}
	return file
}

func (e *expander) absolute(file string) string {
	if filepath.IsAbs(file) {
		return filepath.Clean(file)
	}
	return filepath.Join(e.folder, file)
}

func (e *expander) isExcluded(file string) bool {
	abs := e.absolute(file)
	if e.covers(abs) {
		return true
	}
	resolved, err := filepath.EvalSymlinks(abs)
	return err == nil && e.covers(resolved)
}

func (e *expander) covers(abs string) bool {
	for _, excluded := range e.excluded {
		if rel, err := filepath.Rel(excluded, abs); err == nil && filepath.IsLocal(rel) {
			return true
		}
	}
	return false
}

// sourceError wraps what went wrong with a file. The operating system's errors
// carry the path once more, which is taken off.
func sourceError(file string, err error) *SourceError {
	if pathErr, ok := errors.AsType[*fs.PathError](err); ok {
		err = pathErr.Err
	}
	failure := &SourceError{Path: writable(filepath.ToSlash(file)), Err: err}
	if failure.Path != filepath.ToSlash(file) {
		failure.File = file
	}
	return failure
}

// errSameName is why of two files with names that are written in the same way only one is read.
var errSameName = fmt.Errorf("%w: another file has a name that is written like this one", ErrUnsafeName)

// writable is a path in UTF-8: of one that is not, the bytes that are at fault stand as
// \xff and its like.
func writable(p string) string {
	if utf8.ValidString(p) {
		return p
	}
	var b strings.Builder
	for len(p) > 0 {
		r, size := utf8.DecodeRuneInString(p)
		if r == utf8.RuneError && size == 1 {
			fmt.Fprintf(&b, `\x%02x`, p[0])
		} else {
			b.WriteString(p[:size])
		}
		p = p[size:]
	}
	return b.String()
}

// base returns the last element of a path with slashes.
func base(p string) string { return path.Base(filepath.ToSlash(p)) }

// quoteName returns a file name for messages: as it is if it is plain, else
// quoted, so that a name can neither break a line nor steer a terminal.
func quoteName(name string) string {
	unsafe := func(r rune) bool { return !unicode.IsPrint(r) || r == unicode.ReplacementChar }
	if name == "" || strings.ContainsFunc(name, unsafe) {
		return strconv.Quote(name)
	}
	return name
}
