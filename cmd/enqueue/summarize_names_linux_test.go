package main

import (
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"testing"
	"unicode"

	"github.com/longhaul-jobs/longhaul/jobs/summarize"
	"github.com/longhaul-jobs/longhaul/jobs/summarize/report"
)

// A document may have any name that a file can have. It has a summary of its own, is known
// again, and steers neither a terminal nor a page. What would never end is passed over.
func TestSummarizeDocumentsOfAnyName(t *testing.T) {
	t.Parallel()
	l := newLibrary(t)
	l.employ(reads)
	names := []string{
		"line\nbreak.md", "esc\x1b[31mred.md", "bell\a.md", "c1\u009b31m.md", "rtl\u202efdp.md", "<img src=x onerror=alert(1)>.md", "=cmd|calc.md",
		"[x](javascript:alert(1)).md", "a|b`c.md", " .md", "--out.md", "CON.md", "CASE.md", "case.md", strings.Repeat("x", 252) + ".md",
		"not\xff.md", "not\xfe.md", "sub\xff/inner.md", `not\xfd.md`,
	}
	for i, name := range names {
		l.put(name, fmt.Sprintf("Text number %d.", i))
	}
	if err := os.Symlink(".", filepath.Join(l.dir, "loop")); err != nil {
		t.Fatal(err)
	}
	if err := syscall.Mkfifo(filepath.Join(l.dir, "pipe.md"), 0o600); err != nil {
		t.Fatal(err)
	}
	first := l.summarize("--name", "any").want(t, 0).says(t, "passed over "+filepath.Join(l.dir, "loop"), "passed over "+filepath.Join(l.dir, "pipe.md"))
	all := fmt.Sprintf("succeeded  %d\n", len(names))
	shows(t, first.stdout, all)
	watched := l.call("", "run", "any").want(t, 0)
	shows(t, watched.stdout, all)
	read := func(name string) string { return readText(t, filepath.Join(l.out, name)) }
	for _, text := range []string{first.stdout, first.stderr, watched.stdout, watched.stderr, read(report.CSVName), read(report.IndexName)} {
		if i := strings.IndexFunc(text, func(r rune) bool { return unicode.IsControl(r) && r != '\n' && r != '\t' }); i >= 0 {
			t.Errorf("a control character comes through: %q", text[max(0, i-40):i+10])
		}
	}
	if files := len(folder(t, l.out)); files != 2*len(names)+5 {
		t.Errorf("%d files, want two for each document, four about all, and the lock: %q", files, folder(t, l.out))
	}
	shows(t, l.summarize("--name", "any").want(t, 0).stdout, fmt.Sprintf("unchanged  %d\n", len(names)))
}

// So it may have any path, also one that is longer than what a job says of itself.
func TestSummarizeDocumentsOfAnyPath(t *testing.T) {
	t.Parallel()
	l := newLibrary(t)
	l.employ(reads)
	deep := strings.Repeat(strings.Repeat("deep ", 30)+"/", 4)
	first, second := l.put(deep+"a.md", "One."), l.put(deep+"b.md", "Two.")
	l.summarize("--name", "deep").want(t, 0)
	if l.summary(first) == "" || l.summary(second) == "" {
		t.Error("there is no summary")
	}
	shows(t, l.call("", "run", "deep").want(t, 0).stdout, "succeeded  2\n")
	if row := decode[runRow](t, l.call("", "runs", "--json").want(t, 0).stdout); row.Documents != 2 {
		t.Errorf("the run is listed as %+v", row)
	}
	l.summarize("--name", "deep").want(t, 0)
}

// A folder for summaries in which something else has the name of a page, or that is none,
// is refused before anything is paid for, whatever it is.
func TestSummarizeRefusesWhatIsNoFolder(t *testing.T) {
	t.Parallel()
	l := newLibrary(t)
	l.employ(reads)
	l.put("a.md", "One.")
	secret := putFile(t, "secret", "not to be touched")
	place := func(name string) {
		t.Helper()
		l.out = filepath.Join(filepath.Dir(l.dir), name)
		if err := os.MkdirAll(l.out, 0o700); err != nil {
			t.Fatal(err)
		}
	}
	for name, do := range map[string]func(page string) error{
		"a folder": func(page string) error { return os.Mkdir(page, 0o700) },
		"a pipe":   func(page string) error { return syscall.Mkfifo(page, 0o600) },
	} {
		place(name)
		if err := do(filepath.Join(l.out, report.IndexName)); err != nil {
			t.Fatal(err)
		}
		for _, flag := range []string{"--overwrite", "--across"} {
			l.summarize(flag).want(t, 2).says(t, report.IndexName+" is no file, and cannot be replaced; take it away, or name another folder with --out")
		}
	}
	place("a pipe of lines")
	if err := syscall.Mkfifo(filepath.Join(l.out, summarize.ManifestName), 0o600); err != nil {
		t.Fatal(err)
	}
	l.summarize().want(t, 1).says(t, "--out: ", summarize.ManifestName+": not a regular file")
	l.out = secret
	l.summarize().want(t, 1).says(t, "--out: ", "not a directory")

	place("a link")
	if err := os.Symlink(secret, filepath.Join(l.out, report.HTMLName)); err != nil {
		t.Fatal(err)
	}
	l.summarize().want(t, 2).says(t, report.HTMLName+" cannot be read; --overwrite replaces it, --out names another folder")
	if n := l.total(); n != 0 {
		t.Errorf("%d jobs, want none", n)
	}
	l.summarize("--overwrite").want(t, 0)
	if info, err := os.Lstat(filepath.Join(l.out, report.HTMLName)); err != nil || !info.Mode().IsRegular() || readText(t, secret) != "not to be touched" {
		t.Errorf("the link is now %v, %v, and behind it is %q", info, err, readText(t, secret))
	}
}

// Summaries of documents whose names differ in nothing but case are told apart, so that a
// file system that makes no difference keeps both, and are called the same in each run.
func TestSummarizeTellsNamesApartThatDifferInCase(t *testing.T) {
	l := newLibrary(t)
	l.employ(reads)
	t.Chdir(filepath.Dir(l.dir))
	l.put("a.txt", "Please repeat the small one")
	run := func(failed int) {
		t.Helper()
		l.call("", "summarize", "docs", "--out", "out").want(t, failed)
	}
	run(0)
	l.put("A.txt", "Please repeat the large one")
	run(0)
	names := folder(t, l.out)
	text := map[string]string{}
	for _, name := range names {
		if strings.HasPrefix(name, "docs--") || strings.HasPrefix(name, "A~") {
			text[name] = readText(t, filepath.Join(l.out, name))
		}
	}
	if small := text["docs--a.txt.md"]; len(text) != 4 || !strings.Contains(small, "the small one") {
		t.Errorf("the folder has %v, and the summary of the small one is\n%s", names, small)
	}
	jobs := l.total()
	run(0)
	l.put("a.txt", "Please repeat another small one")
	run(0)
	if got := folder(t, l.out); !slices.Equal(got, names) || l.total() == jobs {
		t.Errorf("the folder had %v and has %v", names, got)
	}
	for name, before := range text {
		if after := readText(t, filepath.Join(l.out, name)); strings.HasPrefix(name, "A~") != (after == before) {
			t.Errorf("%s is\n%s", name, after)
		}
	}
}
