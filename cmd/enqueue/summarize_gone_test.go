package main

import (
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/longhaul-jobs/longhaul/jobs/summarize"
	"github.com/longhaul-jobs/longhaul/jobs/summarize/report"
)

// gone are the documents on record that are no longer there, by their file names.
func (l *library) gone() []string {
	l.t.Helper()
	folder, err := summarize.ReadFolder(l.out)
	if err != nil {
		l.t.Fatal(err)
	}
	defer func() { _ = folder.Close() }()
	var names []string
	for _, e := range folder.Entries() {
		if e.Gone {
			names = append(names, filepath.Base(e.Document))
		}
	}
	slices.Sort(names)
	return names
}

// What was removed or renamed keeps its summary, and all pages say that it is no longer
// there, until it is found again. Nothing is asked for that.
func TestSummarizeSaysWhatIsNoLongerThere(t *testing.T) {
	t.Parallel()
	l := newLibrary(t)
	l.employ(reads)
	stays := l.put("stays.md", "It stays.")
	renamed, removed := l.put("deep/renamed.md", "It is renamed."), l.put("removed.md", "It is removed.")
	empty := l.put("empty.md", " ")
	l.put("a.zip", zipped(t, "kept.md", "Kept.", "dropped.md", "Dropped."))
	l.summarize().want(t, 1)
	jobs := l.total()

	for _, path := range []string{removed, empty} {
		if err := os.Remove(path); err != nil {
			t.Fatal(err)
		}
	}
	if err := os.Rename(renamed, filepath.Join(l.dir, "anew.md")); err != nil {
		t.Fatal(err)
	}
	l.put("a.zip", zipped(t, "kept.md", "Kept."))
	// Who names one document has not looked for the others.
	l.call("", "summarize", stays, "--out", l.out).want(t, 0)
	if got := l.gone(); len(got) > 0 {
		t.Errorf("without a look it says that %v are gone", got)
	}
	l.summarize().want(t, 0)
	want := []string{"dropped.md", "empty.md", "removed.md", "renamed.md"}
	if diff := cmp.Diff(want, l.gone()); diff != "" {
		t.Errorf("documents that are gone (-want +got):\n%s", diff)
	}
	pages := l.pages()
	for _, name := range []string{report.IndexName, report.HTMLName} {
		shows(t, pages[name], "4 documents are no longer where they were: they were removed or renamed")
	}
	for name, times := range map[string]int{report.IndexName: 4, report.HTMLName: 4, report.CSVName: 4} {
		if n := strings.Count(pages[name], "the document is no longer there"); n != times {
			t.Errorf("%s says it %d times, want %d:\n%s", name, n, times, pages[name])
		}
	}
	if l.summary(removed) == "" || l.summary(renamed) == "" {
		t.Error("a summary of what is gone is gone, too")
	}
	if n := l.total(); n != jobs {
		t.Errorf("%d jobs after %d, though no content is new", n, jobs)
	}
	l.summarize().want(t, 0)
	if diff := cmp.Diff(pages, l.pages()); diff != "" {
		t.Errorf("the same command changed the pages (-want +got):\n%s", diff)
	}

	l.put("removed.md", "It is removed.")
	l.summarize().want(t, 0)
	if diff := cmp.Diff([]string{"dropped.md", "empty.md", "renamed.md"}, l.gone()); diff != "" {
		t.Errorf("with one that is there again (-want +got):\n%s", diff)
	}
	if n := l.total(); n != jobs {
		t.Errorf("%d jobs after %d, though one is only there again", n, jobs)
	}
}

// While a folder is watched the pages say it as well.
func TestSummarizeWatchSaysWhatIsNoLongerThere(t *testing.T) {
	t.Parallel()
	l := newLibrary(t)
	l.employ(reads)
	l.put("a.md", "One.")
	second := l.put("b.md", "Two.")
	_, stderr, interrupt := l.begin("--watch")
	until(t, "the first pass", func() bool { return strings.Contains(stderr.String(), "watching 1 path") })
	if err := os.Remove(second); err != nil {
		t.Fatal(err)
	}
	until(t, "the page", func() bool {
		return strings.Contains(readText(t, filepath.Join(l.out, report.HTMLName)), "1 document is no longer where it was")
	})
	interrupt().want(t, 0)
	if diff := cmp.Diff([]string{"b.md"}, l.gone()); diff != "" {
		t.Errorf("documents that are gone (-want +got):\n%s", diff)
	}
}

// Only what would have been found is missed.
func TestWhatIsMissed(t *testing.T) {
	t.Parallel()
	dir := filepath.ToSlash(t.TempDir())
	if err := os.WriteFile(filepath.Join(dir, "linked.md"), []byte("There."), 0o600); err != nil {
		t.Fatal(err)
	}
	set := func(paths ...string) map[string]bool {
		all := make(map[string]bool)
		for _, path := range paths {
			all[path] = true
		}
		return all
	}
	l := looked{
		there:    set(dir+"/a.md", dir+"/locked", dir+"/bad.zip", "s3://archive/minutes/may.md", "s3://archive/minutes/bad.zip"),
		folders:  set(dir, "docs", "s3://archive/minutes"),
		archives: set(dir+"/x.zip", "https://example.com/x.zip?a=1", "s3://archive/other.zip"),
	}
	for document, missed := range map[string]bool{
		dir + "/a.md": false, dir + "/gone.md": true, dir + "/deep/gone.md": true, dir + "/gone.zip/a.md": true,
		dir + "/linked.md":     false, // it is there, though the folder has not told of it
		dir + "/locked/a.md":   false, // nobody could look
		dir + "/bad.zip/a.md":  false,
		dir + "/x.zip/gone.md": true,
		dir + "-other/a.md":    false, "a.md": false, "docs/gone.md": true, "docs2/gone.md": false,
		"s3://archive/minutes/may.md": false, "s3://archive/minutes/gone.md": true, "s3://archive/minutes/bad.zip/a.md": false,
		"s3://archive/minutes-old/a.md": false, "s3://archive/other.zip/gone.md": true, "s3://other/minutes/a.md": false,
		"https://example.com/x.zip?a=1/gone.md": true, "https://example.com/a.md": false,
	} {
		if got := l.misses(document); got != missed {
			t.Errorf("%s is missed: %v, want %v", document, got, missed)
		}
	}
	l.folders = set(".")
	for document, missed := range map[string]bool{"gone.md": true, "deep/gone.md": true, "../gone.md": false, dir + "/gone.md": false} {
		if got := l.misses(document); got != missed {
			t.Errorf("from the working folder %s is missed: %v, want %v", document, got, missed)
		}
	}
}
