package main

import (
	"os"
	"path/filepath"
	"strings"
	"sync/atomic"
	"testing"

	"github.com/longhaul-jobs/longhaul/jobs"
	"github.com/longhaul-jobs/longhaul/jobs/summarize"
	"github.com/longhaul-jobs/longhaul/jobs/summarize/report"
)

// What a copy that came later shares with another document, and a document with the name
// that it had before, is counted once on the pages, as it was paid.
func TestSummarizeCountsWhatIsSharedOnce(t *testing.T) {
	t.Parallel()
	l := newLibrary(t)
	l.employ(reads)
	first, old := l.put("a.md", "# Alpha\n\nOne document."), l.put("b.md", "# Beta\n\nAnother one.")
	l.summarize().want(t, 0)
	later := l.put("c.md", "# Alpha\n\nOne document.")
	named := filepath.Join(l.dir, "d.md")
	if err := os.Rename(old, named); err != nil {
		t.Fatal(err)
	}
	got := decode[summarizeReport](t, l.summarize("--json").want(t, 0).stdout)
	if n := l.total(); n != 4 || got.Succeeded != 2 || got.InputTokens != 0 || got.EarlierInputTokens != 0 {
		t.Errorf("%d jobs, want two and their parts, and it reports %+v", n, got)
	}
	for path, payer := range map[string]string{later: first, named: old} {
		if d := l.data(path); !strings.Contains(d.Entry.Note, "the same content as "+payer) || d.Entry.Requests != 0 || *d.Entry.Cost != 0 || d.Summary == nil {
			t.Errorf("of %s: %+v", path, d.Entry)
		}
	}
	shows(t, readText(t, filepath.Join(l.out, report.IndexName)), "2 requests, 40 tokens in, 10 out")
	// Another job is paid for by itself, whoever has paid for one like it before.
	l.put("e.md", "# Alpha\n\nOne document.")
	l.call("", "summarize", filepath.Join(l.dir, "e.md"), "--out", l.out, "--force").want(t, 0)
	shows(t, readText(t, filepath.Join(l.out, report.IndexName)), "3 requests, 60 tokens in, 15 out")
	last := l.put("f.md", "# Alpha\n\nOne document.")
	l.summarize().want(t, 0)
	if d := l.data(last); !strings.Contains(d.Entry.Note, "the same content as "+first) {
		t.Errorf("of %s: %+v", last, d.Entry)
	}
	shows(t, readText(t, filepath.Join(l.out, report.IndexName)), "3 requests, 60 tokens in, 15 out")
}

// How an editor ends lines, and begins and ends a file, is nothing that is asked.
func TestSummarizeAsksTheSameHoweverItIsWritten(t *testing.T) {
	t.Parallel()
	l := newLibrary(t)
	var a asked
	l.employ(a.reads)
	path := l.put("a.md", "A document.")
	const words, schema = "Mind the tides.\nAnd the moorings.", `{"type":"object","properties":{"tide":{"type":"string"}},"required":["tide"],"additionalProperties":false}`
	want := ""
	for _, args := range [][]string{
		{"--instructions", words, "--language", "German"},
		{"--prompt", putFile(t, "prompt.txt", words+"\n"), "--language", "German "},
		{"--prompt", putFile(t, "dos.txt", "\ufeff"+strings.ReplaceAll(words, "\n", "\r\n")+"\r\n"), "--language", " German"},
	} {
		l.summarize(append(args, "--schema", putFile(t, "schema.json", "\ufeff"+schema+"\r\n"))...).want(t, 0)
		if got := l.data(path).Entry.JobID; want != "" && got != want {
			t.Errorf("%q: another job", args)
		} else {
			want = got
		}
	}
	if n := len(a.with("")); n != 1 {
		t.Errorf("%d requests, want 1", n)
	}
	l.summarize("--prompt", putFile(t, "blank.txt", "\ufeff\r\n")).want(t, 2).says(t, "--prompt: ", "holds no text")
}

// The summary over all documents that is there already is written again where its file is
// gone, and says how many documents are not in it now, without a request.
func TestSummarizeKeepsTheSummaryOverAll(t *testing.T) {
	t.Parallel()
	l := newLibrary(t)
	l.employ(reads)
	l.put("a.md", "One.")
	l.put("b.md", "Two.")
	l.summarize("--across").want(t, 0)
	n, across := l.total(), filepath.Join(l.out, report.AcrossName)
	whole := readText(t, across)
	remove(t, across)
	l.summarize("--across").want(t, 0)
	if got := readText(t, across); got != whole {
		t.Errorf("it was written again as\n%s", got)
	}
	bad := l.put("bad.md", " ")
	l.summarize("--across").want(t, 1)
	for _, name := range []string{report.AcrossName, report.HTMLName} {
		shows(t, readText(t, filepath.Join(l.out, name)), "1 document without a summary is not in it")
	}
	remove(t, bad)
	l.summarize("--across").want(t, 0)
	if got := readText(t, across); got != whole || l.total() != n {
		t.Errorf("%d jobs, want %d, and with the failed one gone it says\n%s", l.total(), n, got)
	}
}

// A file of a summary that is damaged is written again, without a request, and costs no
// other document its place on the pages.
func TestSummarizeWritesDamagedFilesAgain(t *testing.T) {
	t.Parallel()
	l := newLibrary(t)
	l.employ(reads)
	first, second := l.put("a.md", "One."), l.put("b.md", "Two.")
	l.summarize("--across").want(t, 0)
	n := l.total()
	damage := func(name string) {
		t.Helper()
		path := filepath.Join(l.out, name)
		writeText(t, path, readText(t, path)[:60])
	}
	damage(report.DataName(report.AcrossName))
	damage(report.DataName(summarize.OutputName(second)))
	if got := l.summarize("--across", "--dry-run", "--json").want(t, 0); decode[dryRun](t, got.stdout).Unchanged != 1 {
		t.Errorf("the dry run says %s", got.stdout)
	}
	l.put("c.md", "Three.")
	l.call("", "summarize", filepath.Join(l.dir, "c.md"), "--out", l.out).want(t, 0)
	shows(t, readText(t, filepath.Join(l.out, report.HTMLName)), report.DataName(summarize.OutputName(second))+" is damaged; the command")
	remove(t, filepath.Join(l.dir, "c.md"))
	l.summarize("--across").want(t, 0)
	if l.data(first).Summary == nil || l.data(second).Summary == nil || l.total() != n+2 {
		t.Errorf("%d jobs, want %d and those for c.md", l.total(), n)
	}
	if d, err := report.Read([]byte(readText(t, filepath.Join(l.out, report.DataName(report.AcrossName)))), report.AcrossDocument); err != nil || d.Summary == nil {
		t.Errorf("the summary over all is %+v, %v", d, err)
	}
}

// The summary of a document that cannot be read any more stays, and is not taken for that
// of the document as it is.
func TestSummarizeTellsOldSummariesFromCurrentOnes(t *testing.T) {
	t.Parallel()
	l := newLibrary(t)
	l.employ(reads)
	path := l.put("a.md", "One.")
	l.summarize().want(t, 0)
	l.put("a.md", " ")
	l.summarize().want(t, 1)
	const note = "the summary is of what the document was before"
	for _, name := range []string{report.CSVName, report.HTMLName} {
		shows(t, readText(t, filepath.Join(l.out, name)), note)
	}
	n := l.total()
	l.put("a.md", "One.")
	l.summarize().want(t, 0)
	if d := l.data(path); d.Entry.Note != "" || l.total() != n {
		t.Errorf("%d jobs, want %d, and of the document as it was: %+v", l.total(), n, d.Entry)
	}
}

// A document that failed by its answer fails by it again, for nothing, and says what asks
// anew: for that one alone.
func TestSummarizeAsksAnewForAnAnswerThatCannotBeUsed(t *testing.T) {
	t.Parallel()
	l := newLibrary(t)
	var mended atomic.Bool
	asked := l.employCounting(func(request jobs.Request, attempt int) jobs.Event {
		if text := inputOf(request); mended.Load() || strings.Contains(text, "Good.") {
			return summed(request, attempt, "The gist.")
		}
		return echo(request, attempt)
	})
	l.put("good.md", "Good.")
	bad := l.put("bad.md", "Bad.")
	want := "bad.md: invalid: the document: its answer cannot be used: it is not valid JSON"
	const advice = ": this answer stays unless summarize --retry-failed --force asks anew"
	l.summarize("--across").want(t, 1)
	n := asked.Load()
	for _, args := range [][]string{nil, {"--retry-failed"}} {
		got := l.summarize(args...).want(t, 1)
		if !strings.Contains(got.stdout, want) || !strings.Contains(got.stdout, advice) {
			t.Errorf("again with %q: it does not say %q and %q:\n%s", args, want, advice, got.stdout)
		}
	}
	if e := l.data(bad).Entry.Error; e == nil || e.Code != "invalid_answer" || e.Class != "invalid" {
		t.Errorf("the record says %+v", e)
	}
	if got := asked.Load(); got != n {
		t.Errorf("%d requests by trying again, want none", got-n)
	}
	mended.Store(true)
	l.summarize("--retry-failed", "--force").want(t, 0)
	if got := asked.Load(); got != n+1 {
		t.Errorf("%d requests, want that for bad.md", got-n)
	}
	l.summarize("--force", "--only-new").want(t, 2).says(t, "exclude each other")
}

// Summaries do not go where the documents are.
func TestSummarizeNeedsAnotherFolderThanThatOfTheDocuments(t *testing.T) {
	t.Parallel()
	l := newLibrary(t)
	document := l.put("a.md", "One.")
	for _, named := range []string{l.dir, document} {
		l.call("", "summarize", named, "--out", l.dir).want(t, 2).says(t, "--out is the folder of the documents; name another")
	}
}
