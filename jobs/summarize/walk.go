package summarize

import (
	"context"
	"io/fs"
	"os"
	"path"
	"path/filepath"
	"strings"
)

// walk selects the documents in a folder that the caller named, at any depth.
func (e *expander) walk(ctx context.Context, folder string) error {
	e.folders[e.identity(folder)] = true
	// The trailing dot has a symbolic link to a folder followed, as naming it
	// asks for; filepath.WalkDir follows none by itself, and so no loop.
	root := folder + string(filepath.Separator) + "."
	return filepath.WalkDir(root, func(file string, entry fs.DirEntry, err error) error {
		switch {
		case ctx.Err() != nil:
			return context.Cause(ctx)
		case err != nil:
			e.fail(filepath.Clean(file), err)
			return nil
		case file == root:
			return nil
		case isHidden(entry.Name()):
			return pass(entry)
		case e.covers(e.absolute(file)), entry.IsDir() && e.isExcluded(file):
			return pass(entry)
		case entry.IsDir() && holdsManifest(file):
			e.skip(file, ErrOutput)
			return fs.SkipDir
		case entry.IsDir():
			return nil
		}
		return e.candidate(ctx, file, entry)
	})
}

// candidate selects or skips a file that was found, not named.
func (e *expander) candidate(ctx context.Context, file string, entry fs.DirEntry) error {
	if entry.Type()&fs.ModeSymlink != 0 {
		e.skip(file, ErrSymlink)
		return nil
	}
	if !entry.Type().IsRegular() {
		e.skip(file, ErrNotRegular)
		return nil
	}
	kind, ok := KindOf(file)
	if !ok && !IsArchive(file) {
		e.skip(file, ErrUnsupported)
		return nil
	}
	info, err := entry.Info()
	switch {
	case err != nil:
		e.fail(file, err)
	case IsArchive(file):
		return e.archive(ctx, file, info)
	default:
		e.add(file, kind, info)
	}
	return nil
}

// pass leaves out a file, or a folder with all that is in it.
func pass(entry fs.DirEntry) error {
	if entry.IsDir() {
		return fs.SkipDir
	}
	return nil
}

func isHidden(name string) bool { return strings.HasPrefix(name, ".") }

// holdsManifest reports whether a folder is the output of a run.
func holdsManifest(folder string) bool {
	info, err := os.Lstat(filepath.Join(folder, ManifestName))
	return err == nil && info.Mode().IsRegular()
}

// hasMeta reports whether a path is meant as a pattern.
func hasMeta(p string) bool { return strings.ContainsAny(p, "*?[") }

// pattern selects what a pattern matches.
func (e *expander) pattern(ctx context.Context, pattern string) error {
	segments := strings.Split(filepath.ToSlash(pattern), "/")
	for _, segment := range segments {
		if _, err := path.Match(segment, ""); err != nil {
			e.fail(pattern, err)
			return nil
		}
	}
	start := ""
	if segments[0] == "" {
		start = "/"
	}
	g := globber{expander: e, visited: make(map[string]bool)}
	if err := g.match(ctx, start, segments); err != nil {
		return err
	}
	if g.matches == 0 {
		e.fail(pattern, ErrNoMatch)
	}
	return nil
}

// globber follows one pattern through the folders.
type globber struct {
	*expander

	// visited holds the pairs of folder and remaining segments that were tried:
	// several ** in one pattern lead to the same pair again and again.
	visited map[string]bool
	matches int
}

// match selects what the segments match inside folder.
func (g *globber) match(ctx context.Context, folder string, segments []string) error {
	if ctx.Err() != nil {
		return context.Cause(ctx)
	}
	key := folder + "\x00" + strings.Join(segments, "/")
	if g.visited[key] {
		return nil
	}
	g.visited[key] = true
	if len(segments) == 0 {
		return g.matched(ctx, folder)
	}
	segment, rest := segments[0], segments[1:]
	switch {
	case segment == "":
		return g.match(ctx, folder, rest)
	case segment == "**" && len(rest) == 0:
		return g.matched(ctx, folder)
	case segment == "**":
		return g.descend(ctx, folder, segments)
	case !hasMeta(segment):
		next := filepath.Join(folder, segment)
		if _, err := os.Lstat(next); err != nil {
			return nil //nolint:nilerr // a pattern does not match what is not there
		}
		return g.match(ctx, next, rest)
	}
	for _, entry := range g.entries(folder) {
		if isHidden(entry.Name()) && !isHidden(segment) {
			continue
		}
		if ok, err := path.Match(segment, entry.Name()); err != nil || !ok {
			continue
		}
		if err := g.match(ctx, filepath.Join(folder, entry.Name()), rest); err != nil {
			return err
		}
	}
	return nil
}

// descend matches ** and what follows it: in this folder and in all below.
func (g *globber) descend(ctx context.Context, folder string, segments []string) error {
	if err := g.match(ctx, folder, segments[1:]); err != nil {
		return err
	}
	for _, entry := range g.entries(folder) {
		below := filepath.Join(folder, entry.Name())
		if !entry.IsDir() || isHidden(entry.Name()) || g.covers(g.absolute(below)) || holdsManifest(below) {
			continue
		}
		if err := g.match(ctx, below, segments); err != nil {
			return err
		}
	}
	return nil
}

// matched selects a file or folder that the whole pattern led to.
func (g *globber) matched(ctx context.Context, file string) error {
	if file == "" {
		file = "."
	}
	info, err := os.Lstat(file)
	if err != nil {
		g.fail(file, err)
		return nil
	}
	g.matches++
	switch {
	case g.isExcluded(file):
		return nil
	case info.IsDir():
		return g.walk(ctx, file)
	}
	return g.candidate(ctx, file, fs.FileInfoToDirEntry(info))
}

// entries lists a folder; what is no folder has none.
func (g *globber) entries(folder string) []fs.DirEntry {
	if folder == "" {
		folder = "."
	}
	if info, err := os.Stat(folder); err == nil && !info.IsDir() {
		return nil
	}
	entries, err := os.ReadDir(folder)
	if err != nil {
		g.fail(folder, err)
	}
	return entries
}
