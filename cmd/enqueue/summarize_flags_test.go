package main

import (
	"archive/zip"
	"bytes"
	"context"
	"encoding/json"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/longhaul-jobs/longhaul/internal/pdftest"
	"github.com/longhaul-jobs/longhaul/internal/testlog"
	"github.com/longhaul-jobs/longhaul/jobs"
	"github.com/longhaul-jobs/longhaul/jobs/summarize/report"
)

// asked keeps what the provider was asked, by how often.
type asked struct {
	mu     sync.Mutex
	bodies map[string]int
}

func (a *asked) reads(request jobs.Request, attempt int) jobs.Event {
	a.mu.Lock()
	defer a.mu.Unlock()
	if a.bodies == nil {
		a.bodies = make(map[string]int)
	}
	a.bodies[contentOf(request)]++
	return reads(request, attempt)
}

// contentOf is a request without what tells one attempt from another.
func contentOf(request jobs.Request) string {
	var body map[string]json.RawMessage
	if err := json.Unmarshal(request.Raw, &body); err != nil {
		panic(err)
	}
	delete(body, "metadata")
	raw, err := json.Marshal(body)
	if err != nil {
		panic(err)
	}
	return string(raw)
}

// with returns the requests that have a text.
func (a *asked) with(text string) (found []string) {
	a.mu.Lock()
	defer a.mu.Unlock()
	for body := range a.bodies {
		if strings.Contains(body, text) {
			found = append(found, body)
		}
	}
	return found
}

// begin starts the command and returns what it prints, and what ends it with an interrupt.
func (l *library) begin(args ...string) (stdout, stderr *testlog.Buffer, interrupt func() outcome) {
	l.t.Helper()
	ctx, cancel := context.WithCancelCause(l.t.Context())
	stdout, stderr = new(testlog.Buffer), new(testlog.Buffer)
	code := make(chan int, 1)
	go func() {
		code <- run(ctx, append([]string{"summarize", l.dir, "--out", l.out}, args...), system{
			stdin: strings.NewReader(""), stdout: stdout, stderr: stderr, environ: append([]string{"LONGHAUL_LOG_LEVEL=error"}, l.env...),
		})
	}()
	return stdout, stderr, func() outcome {
		cancel(errInterrupt)
		return outcome{<-code, stdout.String(), stderr.String()}
	}
}

// A document that comes while the folder is watched is summarized, and so is one that
// changes, and one that fails does not end it. An interrupt does, cleanly.
func TestSummarizeWatches(t *testing.T) {
	t.Parallel()
	l := newLibrary(t)
	l.employ(reads)
	first := l.put("a.md", "One.")
	stdout, stderr, interrupt := l.begin("--watch", "--name", "watched", "--budget", "5")
	until(t, "the first summary", func() bool { return strings.Contains(stderr.String(), "watching 1 path") && l.summary(first) != "" })
	l.call("", "budgets", "set", "run-watched", "--amount", "7").want(t, 0)
	second := l.put("b.md", "Two.")
	until(t, "the summary of a new document", func() bool { return l.summary(second) != "" })
	l.put("a.md", "Please repeat what is new")
	until(t, "the summary of a changed document", func() bool { return strings.Contains(l.summary(first), "repeat what is new") })
	if shown := l.call("", "budgets").want(t, 0).stdout; !strings.Contains(shown, "run-watched*") || !strings.Contains(shown, "$7") {
		t.Errorf("a budget that was raised by hand is\n%s", shown)
	}
	l.put("c.md", "Please refuse")
	until(t, "a failure", func() bool { return strings.HasPrefix(l.statuses()["c.md"], "failed") })
	fourth := l.put("d.md", "Four.")
	until(t, "the summary of one more", func() bool { return l.summary(fourth) != "" })
	until(t, "the end of the fifth pass", func() bool { return strings.Count(stdout.String(), "shows them all\n") == 5 })
	if row := decode[runRow](t, l.call("", "runs", "--json").want(t, 0).stdout); row.Documents != 4 || row.Succeeded != 3 || row.Failed != 1 {
		t.Errorf("the run is listed as %+v", row)
	}
	if got := interrupt().want(t, 0).says(t, "stopped watching"); strings.Contains(got.stderr, "takes it up again") {
		t.Errorf("it says\n%s", got.stderr)
	}
	if strings.Contains(l.call("", "budgets").want(t, 0).stdout, "run-watched") {
		t.Error("its budget is still there")
	}
	l.put("e.md", "Five.") // the folder is free again
	l.summarize("--only-new").want(t, 0)
}

// A document that changes while the first pass goes on is news, whether it was read before
// or not.
func TestSummarizeWatchesFromTheFirstReadingOn(t *testing.T) {
	t.Parallel()
	l := newLibrary(t)
	path := l.put("a.md", "One.")
	var once sync.Once
	l.employ(func(request jobs.Request, attempt int) jobs.Event {
		once.Do(func() { l.put("a.md", "Please repeat what is new") })
		return reads(request, attempt)
	})
	stdout, _, interrupt := l.begin("--watch")
	until(t, "the second pass", func() bool { return strings.Count(stdout.String(), "shows them all\n") == 2 })
	if s := l.summary(path); !strings.Contains(s, "repeat what is new") {
		t.Errorf("the summary of the changed document is\n%s", s)
	}
	interrupt().want(t, 0)
}

// What a spent budget has left open is taken up again with the next document that comes,
// once the budget was raised.
func TestSummarizeWatchTakesUpWhatIsOpen(t *testing.T) {
	t.Parallel()
	l := newLibrary(t)
	l.employ(reads)
	first := l.put("a.md", "One.")
	stdout, _, interrupt := l.begin("--watch", "--name", "watched", "--budget", "0.01")
	until(t, "the end of the first pass", func() bool { return strings.Contains(stdout.String(), "stopped: the budget of $0.0100 is spent") })
	l.call("", "budgets", "set", "run-watched", "--amount", "7").want(t, 0)
	second := l.put("b.md", "Two.")
	until(t, "the second pass", func() bool { return strings.Count(stdout.String(), "shows them all\n") == 2 })
	interrupt().want(t, 0)
	if l.summary(first) == "" || l.summary(second) == "" {
		t.Errorf("the record says %v", l.statuses())
	}
}

// The summary over all documents is over all that there are, also where only one of them
// came, changed or went while the folder is watched, and is not asked for again else.
func TestSummarizeWatchesAcrossAll(t *testing.T) {
	t.Parallel()
	l := newLibrary(t)
	var a asked
	l.employ(a.reads)
	first, second := l.put("a.md", "One."), l.put("b.md", "Two.")
	stdout, stderr, interrupt := l.begin("--watch", "--across")
	passes := 0
	pass := func(what string, documents int) {
		t.Helper()
		passes++
		until(t, what, func() bool { return strings.Count(stdout.String(), "shows them all\n") == passes })
		raw := readText(t, filepath.Join(l.out, report.DataName(report.AcrossName)))
		if d, err := report.Read([]byte(raw), report.AcrossDocument); err != nil || d.Summary == nil || d.Summary.Coverage.Documents != documents {
			t.Errorf("%s: the summary over all is %+v (%v), want one over %d documents", what, d.Summary, err, documents)
		}
	}
	pass("the first pass", 2)
	until(t, "the watching", func() bool { return strings.Contains(stderr.String(), "watching 1 path") })
	l.put("c.md", "Three.")
	pass("one that came", 3)
	l.put("a.md", "Please repeat what is new")
	pass("one that changed", 3)
	if n := len(a.with("repeat what is new")); n != 2 {
		t.Errorf("%d requests have what is new, want that for the document and that for all", n)
	}
	remove(t, second)
	pass("one that went", 2)
	before := len(a.with(""))
	if err := os.Chtimes(first, time.Now(), time.Now()); err != nil {
		t.Fatal(err)
	}
	pass("one that was touched", 2)
	interrupt().want(t, 0)
	if n := len(a.with("")); n != before || before != 8 {
		t.Errorf("%d requests, and %d after a document was touched, want 8 and no more", before, n)
	}
}

// An archive that comes while the folder is watched and cannot be opened is told of, once,
// and counted in the run.
func TestSummarizeWatchTellsOfDamagedArchives(t *testing.T) {
	t.Parallel()
	l := newLibrary(t)
	l.employ(reads)
	l.put("a.md", "One.")
	stdout, stderr, interrupt := l.begin("--watch", "--name", "watched")
	until(t, "the first pass", func() bool { return strings.Contains(stderr.String(), "watching 1 path") })
	l.put("broken.zip", "no archive")
	until(t, "the second pass", func() bool { return strings.Count(stdout.String(), "shows them all\n") == 2 })
	shows(t, stdout.String(), "the archive is damaged")
	if row := decode[runRow](t, l.call("", "runs", "--json").want(t, 0).stdout); row.Documents != 2 || row.Failed != 1 {
		t.Errorf("the run is listed as %+v", row)
	}
	l.put("b.md", "Two.")
	until(t, "the third pass", func() bool { return strings.Count(stdout.String(), "shows them all\n") == 3 })
	interrupt().want(t, 0)
	if n := strings.Count(stdout.String(), "the archive is damaged"); n != 1 {
		t.Errorf("it is told of %d times:\n%s", n, stdout)
	}
}

// What an archive holds and may not is told of once when the archive comes while the folder
// is watched, and is on record and in the run, until the archive is well. So it is with an
// archive that could not be opened, and with a file that could not be read and went.
func TestSummarizeWatchForgetsWhatIsMended(t *testing.T) {
	t.Parallel()
	l := newLibrary(t)
	l.employ(reads)
	l.put("a.md", "One.")
	empty := l.put("empty.md", " ")
	l.put("broken.zip", "no archive")
	stdout, stderr, interrupt := l.begin("--watch", "--name", "watched")
	until(t, "the first pass", func() bool { return strings.Contains(stderr.String(), "watching 1 path") })
	passes := 1
	pass := func(what string, want map[string]string) {
		t.Helper()
		passes++
		until(t, what, func() bool { return strings.Count(stdout.String(), "shows them all\n") == passes })
		if diff := cmp.Diff(want, l.statuses()); diff != "" {
			t.Errorf("%s: the record (-want +got):\n%s", what, diff)
		}
		got := make(map[string]string)
		run, err := l.store.Run(t.Context(), "watched")
		for name, d := range run.Documents {
			got[filepath.Base(name)] = "succeeded"
			if d.Job == "" {
				got[filepath.Base(name)] = "failed: invalid: " + d.Message
			}
		}
		if diff := cmp.Diff(want, got); diff != "" || err != nil {
			t.Errorf("%s: the run, %v (-want +got):\n%s", what, err, diff)
		}
	}
	const damaged = "failed: invalid: malformed document: the archive is damaged: zip: not a valid zip file"
	const detour = "failed: invalid: unsafe name: its name in the archive takes detours"
	blank := "failed: invalid: the document holds no text"
	l.put("tricks.zip", zipped(t, "good.md", "Good.", "../evil.md", "Evil."))
	pass("an archive that came", map[string]string{"a.md": "succeeded", "empty.md": blank, "broken.zip": damaged, "good.md": "succeeded", "evil.md": detour})
	if name := filepath.ToSlash(l.dir) + "/tricks.zip/../evil.md"; strings.Count(stdout.String(), name) != 1 || strings.Count(stderr.String(), name) != 1 {
		t.Errorf("of %s it says\n%s%s", name, stdout, stderr)
	}
	l.put("tricks.zip", zipped(t, "good.md", "Good."))
	pass("a mended archive", map[string]string{"a.md": "succeeded", "empty.md": blank, "broken.zip": damaged, "good.md": "succeeded"})
	l.put("broken.zip", zipped(t, "logo.png", "no document"))
	pass("an archive that can be opened", map[string]string{"a.md": "succeeded", "empty.md": blank, "good.md": "succeeded"})
	remove(t, empty)
	pass("one that went", map[string]string{"a.md": "succeeded", "good.md": "succeeded"})
	interrupt().want(t, 0)
}

// zipped is an archive with files, each a name and a content.
func zipped(t *testing.T, files ...string) string {
	t.Helper()
	var archive bytes.Buffer
	z := zip.NewWriter(&archive)
	for i := 0; i < len(files); i += 2 {
		w, err := z.Create(files[i])
		if err != nil {
			t.Fatal(err)
		}
		_, _ = w.Write([]byte(files[i+1]))
	}
	if err := z.Close(); err != nil {
		t.Fatal(err)
	}
	return archive.String()
}

// A document goes as the file that it is where a pattern says so, and a scanned PDF by
// itself; of others only so many pages are read as are wanted.
func TestSummarizeReadsAsItIsTold(t *testing.T) {
	t.Parallel()
	l := newLibrary(t)
	var a asked
	l.employ(a.reads)
	l.put("plain.md", "Plain text.")
	l.put("tables/one.csv", "town,year\nNordhafen,1901\n")
	pdf := func(pages ...pdftest.Page) string {
		return string(pdftest.Document{Title: "A PDF", Pages: pages}.Bytes())
	}
	long := l.put("long.pdf", pdf(pdftest.Page{Lines: []string{"The first page."}}, pdftest.Page{Lines: []string{"The second page."}}, pdftest.Page{Lines: []string{"The third page."}}))
	scan := l.put("scan.pdf", pdf(pdftest.Page{Picture: true}))
	l.summarize("--as-file", "*.csv", "--max-pages", "2").want(t, 0)
	if n := len(a.with("data:text/csv;base64,")); n != 1 {
		t.Errorf("%d requests have the table as a file, want 1", n)
	}
	if n := len(a.with("data:application/pdf;base64,")); n != 1 {
		t.Errorf("%d requests have a PDF as a file, want that for the scanned one", n)
	}
	if n := len(a.with("Plain text.")); n != 1 {
		t.Errorf("%d requests have the text, want 1", n)
	}
	if read, left := len(a.with("The second page.")), len(a.with("The third page.")); read != 1 || left != 0 {
		t.Errorf("%d requests have the second page and %d the third, want one and none", read, left)
	}
	if note := l.data(long).Entry.Note; note != "the last page was not read (--max-pages)" {
		t.Errorf("the note is %q", note)
	}
	if d := l.data(scan); !d.Summary.Coverage.File || d.Summary.Coverage.Sections != 1 {
		t.Errorf("the scanned one was read as %+v", d.Summary.Coverage)
	}
	l.summarize("--as-file", "long.pdf", "--max-pages", "2").want(t, 1)
	if status := l.statuses()["long.pdf"]; !strings.Contains(status, "which cannot be cut to 2; split it") {
		t.Errorf("of a file that is to be cut the manifest says %q", status)
	}
}

// With --scanned fail no picture of a page leaves the machine, but where --as-file says so.
func TestSummarizeSendsNoScannedPages(t *testing.T) {
	t.Parallel()
	l := newLibrary(t)
	var a asked
	l.employ(a.reads)
	scan := string(pdftest.Document{Pages: []pdftest.Page{{Lines: []string{"A cover."}}, {Picture: true}, {Picture: true}}}.Bytes())
	l.put("plain.md", "Plain text.")
	l.put("scan.pdf", scan)
	wanted := l.put("wanted.pdf", scan+"\n")
	args := []string{"--scanned", "fail", "--as-file", "wanted.pdf"}
	l.summarize(append(args, "--dry-run")...).want(t, 0).says(t, "--scanned send, or --as-file, gives it to the model")
	l.summarize(args...).want(t, 1)
	if n, all := len(a.with("file_data")), len(a.with("")); n != 1 || all != 2 || l.summary(wanted) == "" {
		t.Errorf("%d of %d requests have a file, want one of two", n, all)
	}
	if status := l.statuses()["scan.pdf"]; !strings.HasPrefix(status, "failed: invalid: most of its pages are pictures, without a text to read; --scanned send") {
		t.Errorf("the manifest says %q", status)
	}
	l.summarize("--scanned", "ask").want(t, 2).says(t, `--scanned: "ask" is neither send`)
	l.summarize().want(t, 0)
	l.summarize(args...).want(t, 0) // what was sent once is there
	if n := len(a.with("file_data")); n != 2 {
		t.Errorf("%d requests have a file once it may be sent, want 2", n)
	}
}

// Objects of a bucket are documents, below the prefix that is named.
func TestSummarizeReadsBuckets(t *testing.T) {
	t.Parallel()
	l := newLibrary(t)
	l.employ(reads)
	store := bucket(t, map[string][]byte{
		"minutes/may.md": []byte("# May\n\nWe met."), "minutes/deep/june.txt": []byte("We met again."), "minutes/logo.png": []byte("no document"), "other.md": []byte("Not asked for."),
	})
	l.env = append(l.env, "LONGHAUL_BLOBS_ACCESS_KEY=key", "LONGHAUL_BLOBS_SECRET_KEY=secret")
	address := "s3://archive/minutes?region=eu-central-1&endpoint=" + url.QueryEscape(store)
	got := l.call("", "summarize", address, "--out", l.out).want(t, 0).says(t, "passed over s3://archive/minutes/logo.png")
	shows(t, got.stdout, "succeeded  2\n")
	if s := l.summary("s3://archive/minutes/may.md"); !strings.HasPrefix(s, "# May\n") {
		t.Errorf("the summary is %q", s)
	}
	if _, found := l.statuses()["other.md"]; found {
		t.Error("an object outside of the prefix was read")
	}
	l.call("", "summarize", address, "--out", l.out, "--watch").want(t, 2).says(t, "--watch: name a local file or folder")
	l.call("", "summarize", strings.Replace(address, "minutes", "nothing", 1), "--out", l.out).want(t, 2).says(t, "there is no object below this prefix")
}

// A run that is interrupted in the middle of a long document goes on where it was: no
// request is sent twice, whoever takes it up.
func TestSummarizeGoesOnInTheMiddle(t *testing.T) {
	t.Parallel()
	l := newLibrary(t)
	var a asked
	gate, count := make(chan struct{}), 0
	l.employ(func(request jobs.Request, attempt int) jobs.Event {
		if count++; count > 2 { // the provider answers one at a time
			<-gate
		}
		return a.reads(request, attempt)
	})
	path := l.put("long.md", chapters(200))
	args := []string{"--chunk-tokens", "3000", "--name", "middle"}
	_, stderr, interrupt := l.begin(args...)
	until(t, "two answers", func() bool { return len(a.with("")) == 2 })
	interrupt().want(t, 1).says(t, "stopped: interrupt signal received", "the same command takes it up again")
	if strings.Contains(stderr.String(), "panic") || l.summary(path) != "" {
		t.Errorf("it left %q and says\n%s", l.summary(path), stderr)
	}
	close(gate)
	l.summarize(args...).want(t, 0)
	d := l.data(path)
	if d.Summary.Coverage.Parts < 5 || d.Entry.Requests <= d.Summary.Coverage.Parts || len(a.with("")) != d.Entry.Requests {
		t.Errorf("%d requests were made for %d, of which %+v read the document", len(a.with("")), d.Entry.Requests, d.Summary.Coverage)
	}
	for body, n := range a.bodies {
		if n != 1 {
			t.Errorf("%d times asked: %.200s", n, body)
		}
	}
	if _, err := os.Stat(l.out); err != nil {
		t.Error(err)
	}
}
