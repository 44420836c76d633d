// Package corpus assembles real documents of mixed kinds from the documentation
// that is installed on a Debian machine, for tests: manuals, licences, HTML,
// PDFs and books as packages bring them, and what pandoc and LibreOffice make of
// them. The same machine gives the same documents. Its tests, which compare what
// is read of them with what other programs read, run with make corpus; they take
// some minutes and have a build tag.
package corpus

import (
	"bytes"
	"cmp"
	"compress/gzip"
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
)

// Programs are those that assembling needs, by their names.
func Programs() []string { return []string{"pandoc", "soffice", "pdftotext", "pdftoppm"} }

// largest bounds a file that is taken into the corpus, in bytes.
const largest = 8 << 20

// Assemble writes the corpus into a folder, which it creates, and returns the
// paths of the documents below it, sorted.
func Assemble(ctx context.Context, dir string) ([]string, error) {
	for _, program := range Programs() {
		if _, err := exec.LookPath(program); err != nil {
			return nil, fmt.Errorf("%w; make corpus installs it", err)
		}
	}
	a := &assembly{dir: dir}
	for _, step := range []func(context.Context) error{a.collect, a.manuals, a.tables, a.mails, a.office} {
		if err := step(ctx); err != nil {
			return nil, err
		}
	}
	return List(dir)
}

// List returns the paths of all files below a folder, sorted, with slashes.
func List(dir string) ([]string, error) {
	var files []string
	err := filepath.WalkDir(dir, func(path string, entry fs.DirEntry, err error) error {
		if err != nil || entry.IsDir() {
			return err
		}
		rel, err := filepath.Rel(dir, path)
		files = append(files, filepath.ToSlash(rel))
		return err
	})
	slices.Sort(files)
	return files, err
}

// assembly is a corpus that is being put together.
type assembly struct{ dir string }

// collect copies what packages bring.
func (a *assembly) collect(context.Context) error {
	for _, c := range []struct {
		folder, pattern, kind string
		// each and most bound how many are taken of a package and of all.
		each, most int
	}{
		{"licences", "/usr/share/common-licenses/*", ".txt", 30, 30},
		{"pdf", "/usr/share/doc/*/*.pdf", ".pdf", 6, 40},
		{"pdf", "/usr/share/doc/*/*/*.pdf", ".pdf", 6, 40},
		{"pdf", "/usr/share/doc/*/*.pdf.gz", ".pdf", 6, 40},
		{"pdf", "/usr/share/doc/*/*/*.pdf.gz", ".pdf", 8, 40},
		{"books", "/usr/share/doc/*/*.epub", ".epub", 6, 40},
		{"books", "/usr/share/doc/*/*.epub.gz", ".epub", 6, 40},
		{"html", "/usr/share/doc/*/*.html", ".html", 8, 50},
		{"html", "/usr/share/doc/*/*/*.html", ".html", 8, 50},
		{"html", "/usr/share/doc/*/*/*/*.html", ".html", 8, 20},
		{"text", "/usr/share/doc/*/*.txt", ".txt", 4, 25},
		{"text", "/usr/share/doc/*/*.txt.gz", ".txt", 4, 25},
		{"text", "/usr/share/doc/*/README", ".txt", 1, 20},
		{"markdown", "/usr/share/doc/*/*.md", ".md", 2, 20},
		{"code", "/usr/share/doc/*/examples/*.c", ".c", 3, 10},
		{"code", "/usr/share/doc/*/examples/*.py", ".py", 3, 10},
		{"code", "/usr/share/doc/*/examples/*.sh", ".sh", 3, 10},
		{"data", "/usr/share/*/*.json", ".json", 2, 8},
		{"data", "/usr/share/*/*/*.json", ".json", 2, 8},
	} {
		files, err := choose(c.pattern, c.each, c.most)
		if err != nil {
			return err
		}
		for _, file := range files {
			name := strings.TrimSuffix(strings.TrimPrefix(file, "/usr/share/"), ".gz")
			name = strings.TrimSuffix(strings.ReplaceAll(name, "/", "_"), c.kind) + c.kind
			if err := a.copy(file, c.folder+"/"+name); err != nil {
				return err
			}
		}
	}
	return nil
}

// choose returns some of the regular files that a pattern matches, spread evenly
// over the packages and over the files of each.
func choose(pattern string, each, most int) ([]string, error) {
	matches, err := filepath.Glob(pattern)
	if err != nil {
		return nil, err
	}
	packages := make(map[string][]string)
	var names []string
	for _, file := range matches {
		info, err := os.Lstat(file)
		if err != nil {
			return nil, err
		}
		if !info.Mode().IsRegular() || info.Size() == 0 || info.Size() > largest {
			continue
		}
		parts := strings.Split(file, "/")
		name := parts[min(4, len(parts)-2)]
		if packages[name] == nil {
			names = append(names, name)
		}
		packages[name] = append(packages[name], file)
	}
	var chosen []string
	for _, name := range spread(names, max(1, most)) {
		chosen = append(chosen, spread(packages[name], each)...)
	}
	return spread(chosen, most), nil
}

// spread returns n elements of a list at even distances.
func spread(list []string, n int) []string {
	if len(list) <= n {
		return list
	}
	picked := make([]string, n)
	for i := range picked {
		picked[i] = list[i*len(list)/n]
	}
	return picked
}

// copy copies a file, unpacked if it is packed.
func (a *assembly) copy(file, to string) error {
	content, err := unpacked(file)
	if err != nil || len(bytes.TrimSpace(content)) == 0 {
		return err
	}
	return a.write(to, content)
}

// unpacked returns the content of a file without the compression of documentation.
func unpacked(file string) ([]byte, error) {
	content, err := os.ReadFile(file) //nolint:gosec // what is installed is what is wanted
	if err != nil || !strings.HasSuffix(file, ".gz") {
		return content, err
	}
	r, err := gzip.NewReader(bytes.NewReader(content))
	if err != nil {
		return nil, fmt.Errorf("unpack %s: %w", file, err)
	}
	return io.ReadAll(io.LimitReader(r, largest))
}

func (a *assembly) write(name string, content []byte) error {
	file := filepath.Join(a.dir, filepath.FromSlash(name))
	if err := os.MkdirAll(filepath.Dir(file), 0o750); err != nil {
		return err
	}
	return os.WriteFile(file, content, 0o600) //nolint:gosec // names are made here
}

// manuals has pandoc write manual pages of several languages in the formats that
// it knows, in turn.
func (a *assembly) manuals(ctx context.Context) error {
	formats := []string{"docx", "odt", "epub", "rtf", "html", "md", "pptx", "txt"}
	writers := map[string]string{"md": "markdown", "txt": "plain"}
	count := 0
	for _, section := range []struct {
		pattern string
		most    int
	}{{"man1", 48}, {"man5", 16}, {"man8", 16}, {"de/man1", 8}, {"fr/man1", 8}, {"ja/man1", 8}} {
		pages, err := filepath.Glob("/usr/share/man/" + section.pattern + "/*.gz")
		if err != nil {
			return err
		}
		pages = slices.DeleteFunc(pages, func(page string) bool { return !isManual(page) })
		for _, page := range spread(pages, section.most) {
			source, err := unpacked(page)
			if err != nil {
				return err
			}
			format := formats[count%len(formats)]
			count++
			name := strings.ReplaceAll(section.pattern, "/", "-") + "-" + strings.TrimSuffix(filepath.Base(page), ".gz") + "." + format
			if err := a.pandoc(ctx, source, "manuals/"+name, cmp.Or(writers[format], format)); err != nil {
				return err
			}
		}
	}
	return nil
}

// isManual reports whether a file is a page by itself: neither a link nor one
// that only leads to another.
func isManual(page string) bool {
	info, err := os.Lstat(page)
	return err == nil && info.Mode().IsRegular() && info.Size() > 3000 && info.Size() < 60_000
}

func (a *assembly) pandoc(ctx context.Context, source []byte, to, format string) error {
	out := filepath.Join(a.dir, filepath.FromSlash(to))
	if err := os.MkdirAll(filepath.Dir(out), 0o750); err != nil {
		return err
	}
	cmd := exec.CommandContext(ctx, "pandoc", "--standalone", "--quiet", "-f", "man", "-t", format, "-o", out) //nolint:gosec // names are made here
	cmd.Stdin = bytes.NewReader(source)
	if message, err := cmd.CombinedOutput(); err != nil {
		// A page in a dialect that pandoc does not read is none for the corpus.
		if strings.Contains(string(message), "Error at") {
			return nil
		}
		return fmt.Errorf("pandoc: write %s: %w: %s", to, err, message)
	}
	return nil
}

// tables makes tables of what the system keeps in columns.
func (a *assembly) tables(context.Context) error {
	found := 0
	for _, file := range []string{
		"/etc/services", "/etc/protocols", "/usr/share/zoneinfo/zone.tab", "/usr/share/zoneinfo/zone1970.tab", "/usr/share/zoneinfo/iso3166.tab",
		"/var/lib/dpkg/diversions-old", "/usr/share/zoneinfo/tzdata.zi", "/usr/share/misc/charset.alias",
	} {
		content, err := os.ReadFile(file) //nolint:gosec // what is installed is what is wanted
		if errors.Is(err, fs.ErrNotExist) {
			continue
		}
		if err != nil {
			return err
		}
		var table strings.Builder
		for line := range strings.Lines(string(content)) {
			if fields := strings.Fields(line); len(fields) > 1 && !strings.HasPrefix(line, "#") {
				table.WriteString(strings.Join(fields, ",") + "\n")
			}
		}
		if table.Len() == 0 {
			continue
		}
		found++
		if err := a.write("tables/"+filepath.Base(file)+".csv", []byte(table.String())); err != nil {
			return err
		}
	}
	if found == 0 {
		return errors.New("no table was found")
	}
	return nil
}

// mails sends licences as letters.
func (a *assembly) mails(context.Context) error {
	licences, err := filepath.Glob(filepath.Join(a.dir, "licences", "*.txt"))
	if err != nil {
		return err
	}
	for i, licence := range spread(licences, 6) {
		content, err := os.ReadFile(licence) //nolint:gosec // written above
		if err != nil {
			return err
		}
		mail := fmt.Sprintf("From: legal@example.com\r\nTo: you@example.com\r\nSubject: Licence %d\r\nMIME-Version: 1.0\r\n"+
			"Content-Type: text/plain; charset=utf-8\r\nContent-Transfer-Encoding: 8bit\r\n\r\n%s", i+1, content)
		if err := a.write(fmt.Sprintf("mail/%d.eml", i+1), []byte(mail)); err != nil {
			return err
		}
	}
	return nil
}
