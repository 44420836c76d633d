package main

import (
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/longhaul-jobs/longhaul/jobs"
	"github.com/longhaul-jobs/longhaul/jobs/summarize"
	"github.com/longhaul-jobs/longhaul/jobs/summarize/report"
)

func TestSummarizeWritesThePagesOfARun(t *testing.T) {
	t.Parallel()
	l := newLibrary(t)
	l.employ(reads)
	l.put("a.md", "# Alpha\n\nA document.")
	l.put("index.md", "# Beta\n\nIt is called like a page of the run.")
	l.put("bad.md", "Please refuse")
	l.summarize("--across", "--name", "pages").want(t, 1)
	names := folder(t, l.out)
	for _, want := range append(report.PageNames(), summarize.ManifestName) {
		if !slices.Contains(names, want) {
			t.Errorf("there is no %s among %v", want, names)
		}
	}
	for name, texts := range map[string][]string{
		report.IndexName:  {"# Summaries: pages", "3 documents: 2 succeeded, 1 failed", "the input is refused", "[Alpha](", "across.md"},
		report.CSVName:    {"The gist.", "bad.md", "invalid"},
		report.HTMLName:   {"<h1>pages</h1>", "The gist.", "bad.md", "Across all"},
		report.AcrossName: {"The gist.", "2 documents", "**Note:** 1 document without a summary is not in it"},
	} {
		text := readText(t, filepath.Join(l.out, name))
		for _, want := range texts {
			if !strings.Contains(text, want) && want != "Across all" {
				t.Errorf("%s does not say %q:\n%.3000s", name, want, text)
			}
		}
	}
	for _, name := range names {
		if strings.HasSuffix(name, ".tmp") {
			t.Errorf("%s is left over", name)
		}
	}

	// Nothing is new, and nothing is written but that none is missing in the summary over all.
	remove(t, filepath.Join(l.dir, "bad.md"))
	l.summarize("--across", "--name", "pages").want(t, 0)
	before := readText(t, filepath.Join(l.out, report.HTMLName))
	jobsBefore := l.total()
	l.summarize("--across", "--name", "pages").want(t, 0)
	if n := l.total(); n != jobsBefore {
		t.Errorf("%d jobs after %d, though the summaries are the same", n, jobsBefore)
	}
	if after := readText(t, filepath.Join(l.out, report.HTMLName)); after != before {
		t.Error("the page was written anew")
	}
	l.put("new.md", "Another document.")
	l.summarize("--name", "pages").want(t, 0)
	if after := readText(t, filepath.Join(l.out, report.HTMLName)); !strings.Contains(after, "new.md") || !strings.Contains(after, "older than some of the summaries") {
		t.Error("the page does not tell of the new document, or that the summary over all is older")
	}
}

// What fails before it is known to be a document is on all pages, like a document that
// cannot be read.
func TestSummarizePagesHaveWhatCannotBeOpened(t *testing.T) {
	t.Parallel()
	l := newLibrary(t)
	l.employ(reads)
	l.put("good.md", "Good.")
	broken := l.put("broken.zip", "no archive")
	missing := filepath.Join(l.dir, "missing.md")
	address := "http://user@example.com/a"
	args := []string{"summarize", l.dir, missing, address, "", "--out", l.out, "--across"}
	l.call("", args...).want(t, 1)
	for _, name := range []string{summarize.ManifestName, report.CSVName, report.IndexName, report.HTMLName} {
		text := readText(t, filepath.Join(l.out, name))
		for _, want := range []string{"broken.zip", "the archive is damaged", "missing.md", "no such file", "example.com/a", "an empty path"} {
			if !strings.Contains(text, want) && !strings.Contains(text, summarize.EscapeMarkdown(want)) {
				t.Errorf("%s does not say %q:\n%.3000s", name, want, text)
			}
		}
	}
	shows(t, readText(t, filepath.Join(l.out, report.IndexName)), "5 documents: 1 succeeded, 4 failed")
	shows(t, readText(t, filepath.Join(l.out, report.AcrossName)), "4 documents without a summary are not in it")
	before := readText(t, filepath.Join(l.out, summarize.ManifestName))
	l.call("", args...).want(t, 1)
	if after := readText(t, filepath.Join(l.out, summarize.ManifestName)); after != before {
		t.Errorf("the same command changed the record:\n%s", after)
	}
	// An archive that was mended is none of them any more.
	l.put("broken.zip", zipped(t, "inside.md", "Inside."))
	l.summarize().want(t, 0)
	if got := l.statuses(); got["inside.md"] != "succeeded" || got[filepath.Base(broken)] != "" {
		t.Errorf("with the archive mended it says %v", got)
	}
}

// A document that cannot be opened fails by name, also where there is no other; what is
// no document is a mistake of the caller's.
func TestSummarizeADamagedDocumentAlone(t *testing.T) {
	t.Parallel()
	l := newLibrary(t)
	broken := l.put("broken.zip", "no archive")
	picture := putFile(t, "logo.png", "no document")
	for name, wrong := range map[string][]string{"missing": {filepath.Join(l.dir, "missing.md")}, "no document": {picture}, "no pattern": {"no/such/*.md", ""}} {
		l.call("", append([]string{"summarize", "--out", l.out}, wrong...)...).want(t, 2)
		if _, err := os.Stat(l.out); !os.IsNotExist(err) {
			t.Errorf("%s: the folder of summaries was made (%v)", name, err)
		}
	}
	shows(t, l.summarize("--dry-run").want(t, 0).stdout, "cannot be read      1\n")
	got := l.summarize().want(t, 1)
	shows(t, got.stdout, broken+": invalid: malformed document: the archive is damaged")
	l.say("broken.zip", "1 document: 1 failed", 0)
	l.summarize().want(t, 1)
}

// What another program has put into the folder stays, and is found before anything is
// paid for.
func TestSummarizeOverwritesNothingOfOthers(t *testing.T) {
	t.Parallel()
	l := newLibrary(t)
	l.employ(reads)
	path := l.put("a.md", "A document.")
	notes := writeText(t, filepath.Join(l.out, summarize.OutputName(path)), "my notes")
	got := l.summarize().want(t, 1)
	if !strings.Contains(got.stdout, "is not this program's; --overwrite replaces it") || readText(t, notes) != "my notes" || l.total() != 0 {
		t.Errorf("%d jobs, the notes are %q, and stdout is\n%s", l.total(), readText(t, notes), got.stdout)
	}
	index := writeText(t, filepath.Join(l.out, report.IndexName), "my index")
	l.summarize().want(t, 2).says(t, "index.md is not this program's")
	l.summarize("--overwrite").want(t, 0)
	if readText(t, notes) == "my notes" || readText(t, index) == "my index" {
		t.Error("--overwrite replaced nothing")
	}
	// From then on they are its own, also when the record of them is gone.
	remove(t, filepath.Join(l.out, summarize.ManifestName))
	l.summarize().want(t, 0)
}

// Copies of a document are one job, paid for once.
func TestSummarizePaysForCopiesOnce(t *testing.T) {
	t.Parallel()
	l := newLibrary(t)
	l.employ(reads)
	first := l.put("a.txt", "The same text.")
	second := l.put("b/other.txt", "The same text.")
	got := decode[summarizeReport](t, l.summarize("--json").want(t, 0).stdout)
	if got.Succeeded != 2 || got.InputTokens != 20 || l.total() != 2 {
		t.Errorf("%d jobs, and it reports %+v", l.total(), got)
	}
	if d := l.data(first); d.Entry.Note != "" || d.Entry.Requests != 1 {
		t.Errorf("of the first: %+v", d.Entry)
	}
	if d := l.data(second); !strings.Contains(d.Entry.Note, "the same content as "+first) || d.Entry.Cost == nil || *d.Entry.Cost != 0 || d.Summary == nil {
		t.Errorf("of the second: %+v", d.Entry)
	}
}

// A document that changes in one place has only that part asked for again.
func TestSummarizeAsksOnlyForChangedParts(t *testing.T) {
	t.Parallel()
	l := newLibrary(t)
	l.employ(reads)
	text := chapters(400)
	path := l.put("long.md", text)
	args := []string{"--chunk-tokens", "3000"}
	l.summarize(args...).want(t, 0)
	before := l.data(path)
	if before.Entry.Requests < 10 {
		t.Fatalf("%d requests, want many", before.Entry.Requests)
	}
	l.put("long.md", text+"# The end\n\nSomething new.\n")
	l.summarize(args...).want(t, 0)
	if after := l.data(path); after.Entry.Requests == 0 || after.Entry.Requests > before.Entry.Requests/3 || after.Summary.Coverage.Parts < before.Summary.Coverage.Parts {
		t.Errorf("%d requests after the change, %d before; read in %d parts and %d", after.Entry.Requests, before.Entry.Requests,
			after.Summary.Coverage.Parts, before.Summary.Coverage.Parts)
	}
}

func TestSummarizeSelects(t *testing.T) {
	t.Parallel()
	l := newLibrary(t)
	asked := make(chan string, 64)
	l.employ(func(request jobs.Request, attempt int) jobs.Event {
		asked <- inputOf(request)
		return reads(request, attempt)
	})
	count := func(args ...string) int {
		l.summarize(args...)
		n := len(asked)
		for range n {
			<-asked
		}
		return n
	}
	l.put("good.md", "Good.")
	l.put("bad.md", "Please refuse")
	if n := count(); n != 2 {
		t.Errorf("%d requests at first, want 2", n)
	}
	l.put("new.md", "New.")
	l.put("good.md", "Good, and changed.")
	for _, flag := range []string{"--only-new", "--retry-failed"} {
		text := strings.Join(strings.Fields(l.summarize(flag, "--dry-run").want(t, 0).stdout), " ")
		if !strings.Contains(text, "left alone 2") || strings.Contains(text, "unchanged") {
			t.Errorf("the dry run with %s says %q", flag, text)
		}
	}
	if n := count("--only-new"); n != 1 {
		t.Errorf("%d requests with --only-new, want that for new.md", n)
	}
	got := decode[summarizeReport](t, l.summarize("--only-new", "--json").want(t, 0).stdout)
	if got.LeftAlone != 3 || got.Skipped != 0 { // good.md has changed, and nobody has looked
		t.Errorf("with --only-new %d are left alone and %d unchanged, want 3 and none", got.LeftAlone, got.Skipped)
	}
	shows(t, l.summarize("--only-new").want(t, 0).stdout, "left alone  3\n")
	if n := count("--retry-failed"); n != 1 {
		t.Errorf("%d requests with --retry-failed, want that for bad.md", n)
	}
	if n := count(); n != 2 { // good.md has changed, and bad.md is tried again
		t.Errorf("%d requests without, want 2", n)
	}
	l.summarize("--only-new", "--retry-failed").want(t, 2).says(t, "exclude each other")
}

func TestSummarizeReadsItsOptionsFromFiles(t *testing.T) {
	t.Parallel()
	l := newLibrary(t)
	bodies := make(chan string, 8)
	l.employ(func(request jobs.Request, attempt int) jobs.Event {
		bodies <- string(request.Raw)
		return reads(request, attempt)
	})
	path := l.put("a.md", "A document.")
	prompt := putFile(t, "prompt.txt", "Mind the tides.")
	l.summarize("--prompt", prompt, "--ask", "When is high water?", "--style", "in verse", "--flex").want(t, 0)
	body := <-bodies
	for _, want := range []string{"Mind the tides.", "When is high water?", "in verse", `"service_tier":"flex"`} {
		if !strings.Contains(body, want) {
			t.Errorf("the request does not say %q:\n%s", want, body)
		}
	}
	l.summarize("--flex", "--batch").want(t, 2).says(t, "--flex and --batch exclude each other")
	schema := putFile(t, "schema.json", `{"type":"object","properties":{"parties":{"type":"array","items":{"type":"string"}}},"required":["parties"],"additionalProperties":false}`)
	l.summarize("--schema", schema).want(t, 0)
	if d := l.data(path); string(d.Summary.Custom) == "" || !strings.Contains(string(d.Summary.Custom), "parties") {
		t.Errorf("the answer is %s", d.Summary.Custom)
	}
	for _, test := range [][]string{
		{"--prompt", "Only the money", `--prompt: "Only the money": no such file or directory; it takes a file with what matters; the words themselves go into --instructions`},
		{"--schema", "no/such", `--schema: "no/such": no such file or directory; it takes a file with a JSON schema`},
		{"--schema", putFile(t, "bad.json", `{"type":"nothing"}`), "schema"},
		{"--budget", "much", "--budget"},
		{"--budget", "0", "--budget: 0 leaves nothing to spend; give the dollars that the run may cost, more than 0"},
		{"--budget", "-1", "--budget: -1 leaves nothing to spend; give the dollars"},
		{"--name=a", "--group=b", "--name and --group say the same"},
		{"--preset", "poem", "preset"},
		{"--length", "endless", "length"},
		{"--max-pages", "-1", "--max-pages: -1 is no number of pages; give 1 or more, or leave it out"},
		{"--max-pages", "0", "--max-pages: 0 is no number of pages; give 1 or more, or leave it out"},
		{"--ask", "", "--ask: there is no question; give one, or leave --ask out"},
		{"--ask", " ", "--ask: there is no question; give one, or leave --ask out"},
		{"--as-file", "[", "--as-file"},
		{"--as-file", "*.pdff", "--as-file *.pdff: no document matches; without a slash"},
		{"--preset=legal", "--ask=Who pays?", "--ask and --preset exclude each other"},
		{"--chunk-tokens", "5", "chunk tokens"},
		{"--model=gpt-4.1", "--effort=high", "--effort: gpt-4.1 does not reason and takes none; leave it out, or name a --model that reasons"},
		{"--fallback-tier", "default", "--fallback-tier is for --flex, which may have no capacity; add --flex"},
		{"--batch", "--deadline=1h", "--deadline: a batch may take 24 hours"},
		{"--batch", "--deadline=23h", "give --batch 24h or more, such as 5d, or leave --deadline out"},
	} {
		for _, dry := range []string{"--dry-run=false", "--dry-run"} {
			l.summarize(test[0], test[1], dry).want(t, 2).says(t, test[2])
		}
	}
}

// A budget that is set with a run holds from its first request on, also at a worker that
// has just looked which budgets there are.
func TestSummarizeBudgetHoldsAtOnce(t *testing.T) {
	t.Parallel()
	l := newLibrary(t)
	asked := l.employCounting(reads)
	l.put("a.md", "One.")
	l.summarize().want(t, 0)
	l.put("b.md", "Two.")
	before := asked.Load()
	got := l.summarize("--name", "poor", "--budget", "0.000001").want(t, 1)
	if n := asked.Load() - before; n != 0 || !strings.Contains(got.stdout+got.stderr, "which is too little for what comes next") {
		t.Errorf("%d requests were sent, and it says\n%s%s", n, got.stdout, got.stderr)
	}
}

// A reason is told as it comes, and not again at the end where both are read as one, such
// as on a terminal; what only the end goes to has all of them. A second phase of the run
// tells nothing of the first.
func TestSummarizeTellsAReasonOnce(t *testing.T) {
	t.Parallel()
	l := newLibrary(t)
	l.employ(reads)
	l.put("good.md", "Good.")
	l.put("bad.md", "Please refuse")
	l.put("empty.md", " ")
	reasons := []string{"the input is refused", "the document holds no text"}
	count := func(what, text string, want int) {
		t.Helper()
		for _, reason := range reasons {
			if n := strings.Count(text, reason); n != want {
				t.Errorf("%s tells %d times that %s, want %d:\n%s", what, n, reason, want, text)
			}
		}
	}
	got := l.summarize("--across").want(t, 1)
	count("stderr", got.stderr, 1)
	count("stdout", got.stdout, 1)

	both, err := os.Create(filepath.Join(t.TempDir(), "both"))
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = both.Close() }()
	code := run(t.Context(), []string{"summarize", l.dir, "--out", l.out}, system{
		stdin: strings.NewReader(""), stdout: both, stderr: both, environ: append([]string{"LONGHAUL_LOG_LEVEL=error"}, l.env...),
	})
	text := readText(t, both.Name())
	count("a terminal", text, 1)
	shows(t, text, "failed     2\n")
	if code != 1 {
		t.Errorf("exit code %d", code)
	}
}

// A run that has spent its budget says so and ends; a higher one goes on, and goes itself
// when the run is done. What earlier commands have spent counts all the same.
func TestSummarizeEndsOnASpentBudget(t *testing.T) {
	t.Parallel()
	l := newLibrary(t)
	l.employ(reads)
	path := l.put("a.md", "One.")
	budgets := func() string { t.Helper(); return l.call("", "budgets").want(t, 0).stdout }
	spent := func(got outcome) {
		t.Helper()
		if stdout := got.want(t, 1).stdout; !strings.Contains(stdout, "not finished  1\n") || !strings.Contains(stdout, "stopped: the budget of $0.0") ||
			!strings.Contains(stdout, "1 request waits for it. The same command with a higher --budget goes on\n") {
			t.Errorf("it says\n%s", stdout)
		}
		shows(t, budgets(), "run-poor*")
		shows(t, readText(t, filepath.Join(l.out, report.IndexName)), "not finished: 1 document is open; the same command goes on with it")
	}
	spent(l.summarize("--name", "poor", "--budget", "0.01"))
	spent(l.summarize("--name", "poor").says(t, "the run has a budget of $0.0100; enqueue budgets unset run-poor takes it back"))
	if row := decode[runRow](t, l.call("", "runs", "--json").want(t, 0).stdout); row.Documents != 1 || row.Open != 1 {
		t.Errorf("the run is listed as %+v", row)
	}
	watched, once := l.call("", "run", "poor").want(t, 1).stdout, l.call("", "run", "poor", "--once").want(t, 0).stdout
	for _, text := range []string{watched, once} {
		shows(t, text, "not finished  1\n")
		shows(t, text, "the command that writes them has not come to its end")
		shows(t, text, "stopped: the budget of $0.0100 is spent but for $0.0100, which is too little for what comes next; 1 request waits for it. "+
			"What began the run goes on with a higher --budget, and the workers with `enqueue budgets set run-poor --amount DOLLARS`\n")
	}
	if got := decode[runReport](t, l.call("", "run", "poor", "--json").want(t, 1).stdout); got.Open != 1 || !strings.HasPrefix(got.Stopped, "the budget of") {
		t.Errorf("the run says %+v", got)
	}

	l.summarize("--name", "poor", "--budget", "5").want(t, 0)
	if l.summary(path) == "" || strings.Contains(budgets(), "run-poor") {
		t.Errorf("with a higher one the summary is %q, and there are these budgets:\n%s", l.summary(path), budgets())
	}
	l.put("b.md", "Two.")
	spent(l.summarize("--name", "poor", "--budget", "0.0343"))
	l.summarize("--name", "poor", "--budget", "5").want(t, 0)
}
