package main

import (
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/longhaul-jobs/longhaul/internal/redistest"
	"github.com/longhaul-jobs/longhaul/internal/testlog"
	"github.com/longhaul-jobs/longhaul/jobs"
	"github.com/longhaul-jobs/longhaul/jobs/summarize"
	"github.com/longhaul-jobs/longhaul/jobs/summarize/report"
	"github.com/longhaul-jobs/longhaul/results"
)

// start runs the command until it ends or is interrupted.
func (l *library) start(args ...string) (interrupt func() outcome) {
	l.t.Helper()
	_, _, interrupt = l.begin(args...)
	return interrupt
}

// pages are the pages about the run by their names.
func (l *library) pages() map[string]string {
	l.t.Helper()
	pages := make(map[string]string)
	for _, name := range []string{summarize.ManifestName, report.CSVName, report.IndexName, report.HTMLName} {
		pages[name] = readText(l.t, filepath.Join(l.out, name))
	}
	return pages
}

// say fails the test unless all pages tell of a document, the index counts as it is said
// here, and it and the report say how many documents are open.
func (l *library) say(document, counts string, open int) {
	l.t.Helper()
	pages := l.pages()
	for name, page := range pages {
		if !strings.Contains(page, document) {
			l.t.Errorf("%s does not tell of %s", name, document)
		}
	}
	shows(l.t, pages[report.IndexName], counts)
	for _, name := range []string{report.IndexName, report.HTMLName} {
		want := fmt.Sprintf("not finished: %s open; the same command goes on with", plural(open, "document is", "documents are"))
		if open > 0 && !strings.Contains(pages[name], want) || open == 0 && strings.Contains(pages[name], "not finished") {
			l.t.Errorf("%s does not say that %d documents are open", name, open)
		}
	}
}

// A command that is interrupted leaves pages about what there is, with what is open. The
// next one takes that up, whichever of both it is, and writes them anew.
func TestSummarizeWritesItsPagesWhenItIsStopped(t *testing.T) {
	t.Parallel()
	l := newLibrary(t)
	gate, arrived := make(chan struct{}), make(chan struct{}, 8)
	l.employ(func(request jobs.Request, attempt int) jobs.Event {
		if strings.Contains(inputOf(request), "Slow.") {
			arrived <- struct{}{}
			<-gate
		}
		return reads(request, attempt)
	})
	l.put("quick.md", "Quick.")
	l.summarize().want(t, 0)
	l.put("slow.md", "Slow.")
	l.put("empty.md", " ")
	interrupt := l.start()
	<-arrived
	interrupt().want(t, 1).says(t, "writing what is known so far; another interrupt ends at once", "stopped: ", "the same command takes it up again")
	l.say("slow.md", "1 succeeded, 1 failed, 1 under way", 1)
	if got := l.statuses()["slow.md"]; got != "submitted" {
		t.Errorf("the record says of slow.md %q", got)
	}
	shows(t, readText(t, filepath.Join(l.out, report.IndexName)), "| under way |")

	close(gate)
	l.summarize("--only-new").want(t, 0)
	l.say("slow.md", "2 succeeded, 1 failed", 0)
	for _, name := range []string{summarize.ManifestName, report.CSVName} {
		if page := l.pages()[name]; strings.Contains(page, "submitted") {
			t.Errorf("%s still has an open document:\n%s", name, page)
		}
	}
}

// What is tried again when the command is stopped has failed before: --retry-failed goes
// on with it, and --only-new leaves it alone.
func TestSummarizeStoppedWhileItTriesAgain(t *testing.T) {
	t.Parallel()
	l := newLibrary(t)
	arrived := make(chan struct{}, 8)
	l.employ(func(request jobs.Request, attempt int) jobs.Event {
		if attempt == 1 {
			return reads(request, attempt)
		}
		arrived <- struct{}{}
		return created(attempt, fmt.Sprintf(`{"id":"resp_%d","status":"in_progress"}`, attempt))
	})
	l.put("bad.md", "Please refuse")
	l.summarize().want(t, 1)
	interrupt := l.start("--retry-failed")
	<-arrived
	interrupt().want(t, 1)
	l.say("bad.md", "1 document: 1 under way", 1)
	shows(t, l.pages()[report.IndexName], "failed before: the document: the input is refused")
	for flag, alone := range map[string]int{"--retry-failed": 0, "--only-new": 1} {
		got := decode[dryRun](t, l.summarize(flag, "--dry-run", "--json").want(t, 0).stdout)
		if got.LeftAlone != alone {
			t.Errorf("%s leaves %d alone, want %d", flag, got.LeftAlone, alone)
		}
	}
}

// A document that has changed keeps the summary from before in sight while it is open.
func TestSummarizeStoppedShowsOlderSummaries(t *testing.T) {
	t.Parallel()
	l := newLibrary(t)
	arrived := make(chan struct{}, 8)
	l.employ(func(request jobs.Request, attempt int) jobs.Event {
		if strings.Contains(inputOf(request), "hang") {
			arrived <- struct{}{}
		}
		return reads(request, attempt)
	})
	l.put("a.md", "One.")
	l.summarize().want(t, 0)
	l.put("a.md", "Please hang")
	interrupt := l.start()
	<-arrived
	interrupt().want(t, 1)
	page := l.pages()[report.HTMLName]
	for _, want := range []string{"The gist.", "this is the summary from before; another one was asked for", `"word":"under way"`} {
		if !strings.Contains(page, want) {
			t.Errorf("the report does not say %q:\n%s", want, page)
		}
	}
}

// With a Redis that does not come back, too.
func TestSummarizeWritesItsPagesWhenRedisIsGone(t *testing.T) {
	t.Parallel()
	server := redistest.Start(t)
	store, err := results.Open(t.Context(), server.Client(t), results.Config{}, slog.New(slog.DiscardHandler), nil)
	if err != nil {
		t.Fatal(err)
	}
	dir := t.TempDir()
	l := &library{bench: &bench{t: t, store: store}, dir: filepath.Join(dir, "docs"), out: filepath.Join(dir, "out")}
	l.put("a.md", "One.")
	var stdout, stderr testlog.Buffer
	c := &cli{
		system:  system{stdout: &stdout, stderr: &stderr, environ: []string{"LONGHAUL_REDIS_URL=" + server.URL(), "LONGHAUL_LOG_LEVEL=error"}},
		console: newConsole(&stderr), args: []string{"summarize", l.dir, "--out", l.out},
		start: localStarters(), patience: 100 * time.Millisecond, watched: func() bool { return false },
	}
	code := make(chan int, 1)
	go func() { code <- c.run(t.Context()) }()
	until(t, "a job", func() bool { return l.total() == 1 })
	server.Stop()
	if got := <-code; got != 1 {
		t.Errorf("exit code %d, want 1; stderr:\n%s", got, stderr.String())
	}
	l.say("a.md", "1 document: 1 under way", 1)
	shows(t, stderr.String(), "writing the report: 1 of 1 (")
	shows(t, stderr.String(), "stopping: writing what is known so far\n") // nobody has interrupted it
}

// After a crash between the record and the pages, the next command writes them, though
// nothing is left to be asked.
func TestSummarizeWritesPagesThatACrashHasLeftBehind(t *testing.T) {
	t.Parallel()
	l := newLibrary(t)
	l.employ(reads)
	l.put("a.md", "One.")
	l.summarize().want(t, 0)
	before := l.pages()
	l.put("b.md", "Two.")
	l.summarize().want(t, 0)
	for _, name := range []string{report.CSVName, report.IndexName, report.HTMLName} {
		writeText(t, filepath.Join(l.out, name), before[name])
	}
	if got := l.summarize().want(t, 0).stdout; !strings.Contains(got, "nothing was submitted") {
		t.Errorf("stdout is\n%s", got)
	}
	l.say("b.md", "2 succeeded", 0)
	remove(t, filepath.Join(l.out, report.IndexName))
	l.summarize().want(t, 0)
	l.say("b.md", "2 succeeded", 0)
}

// A full disk is named with the folder, and with what goes on, and so is a quota.
func TestSummarizeSaysWhereThereIsNoRoom(t *testing.T) {
	t.Parallel()
	r := &summarizeRun{summarizeFlags: summarizeFlags{out: "reports/out"}}
	for errno, help := range map[syscall.Errno]string{syscall.ENOSPC: "make room", syscall.EDQUOT: "the quota is used up; make room, or have it raised"} {
		full := &fs.PathError{Op: "write", Path: "x", Err: errno}
		want := "no room for the summaries in reports/out: " + help + ", and the same command goes on; nothing is paid twice"
		if err := r.noRoom(fmt.Errorf("save: %w", full)); !errors.Is(err, full) || !strings.HasSuffix(err.Error(), want) {
			t.Errorf("of %v it says %v", errno, err)
		}
	}
	if err := r.noRoom(fs.ErrPermission); !errors.Is(err, fs.ErrPermission) || err.Error() != fs.ErrPermission.Error() {
		t.Errorf("of another error it says %v", err)
	}
}

// Of a request that goes through a batch it is said, and up to when that lasts.
func TestSummarizeSaysThatItWaitsForABatch(t *testing.T) {
	t.Parallel()
	l := newLibrary(t)
	line := jobs.LineID(jobs.Try{Job: "job_01a21a89307a7f05a83136cb1af8760a", Attempt: 1})
	l.employ(func(_ jobs.Request, attempt int) jobs.Event {
		return created(attempt, fmt.Sprintf(`{"id":%q,"status":"queued"}`, line))
	})
	l.put("a.md", "One.")
	interrupt := l.start("--batch")
	part := l.sole(jobs.StateRunning)
	interrupt().want(t, 1)
	shows(t, l.call("", "get", string(l.whole(part.ID))).want(t, 0).stdout,
		"the answer to its request: it waits for a batch, which is answered within 24 hours of being sent (`enqueue batches` shows it); its deadline is "+
			part.Deadline.UTC().Format(time.RFC3339))
}
