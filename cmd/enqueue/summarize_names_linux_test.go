package main

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"unicode"

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
