package main

import (
	"context"
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/longhaul-jobs/longhaul/jobs"
	"github.com/longhaul-jobs/longhaul/jobs/summarize"
	"github.com/longhaul-jobs/longhaul/jobs/summarize/report"
)

// library is a folder of documents with a folder for their summaries.
type library struct {
	*bench
	dir, out string
}

func newLibrary(t *testing.T) *library {
	t.Helper()
	dir := t.TempDir()
	return &library{bench: newBench(t), dir: filepath.Join(dir, "docs"), out: filepath.Join(dir, "out")}
}

// put writes a document and returns the path that it goes by.
func (l *library) put(name, text string) string {
	l.t.Helper()
	return writeText(l.t, filepath.Join(l.dir, name), text)
}

func (l *library) summarize(args ...string) outcome {
	l.t.Helper()
	return l.call("", append([]string{"summarize", l.dir, "--out", l.out}, args...)...)
}

// summary is the summary of a document, "" if there is none.
func (l *library) summary(path string) string {
	l.t.Helper()
	raw, err := os.ReadFile(filepath.Join(l.out, summarize.OutputName(path)))
	if err != nil && !os.IsNotExist(err) {
		l.t.Fatal(err)
	}
	return string(raw)
}

// data is what the JSON file of a document holds.
func (l *library) data(path string) report.Document {
	l.t.Helper()
	d, err := report.Read([]byte(readText(l.t, filepath.Join(l.out, report.DataName(summarize.OutputName(path))))), path)
	if err != nil {
		l.t.Fatal(err)
	}
	return d
}

// statuses is what the manifest says of each document, by its file name.
func (l *library) statuses() map[string]string {
	l.t.Helper()
	folder, err := summarize.ReadFolder(l.out)
	if err != nil {
		l.t.Fatal(err)
	}
	defer func() { _ = folder.Close() }()
	got := map[string]string{}
	for _, e := range folder.Entries() {
		status := string(e.Status)
		if e.Error != nil {
			status += ": " + e.Error.Class + ": " + e.Error.Message
		}
		got[filepath.Base(e.Document)] = status
	}
	return got
}

// reads answers with the line of the document that says what to do; see echo.
func reads(request jobs.Request, attempt int) jobs.Event {
	text := inputOf(request)
	for line := range strings.Lines(text) {
		if what, ok := strings.CutPrefix(line, "Please "); ok {
			if strings.HasPrefix(what, "repeat") {
				return summed(request, attempt, "echo: "+what)
			}
			input := fmt.Sprintf(`{"input":%q,"model":"gpt-4.1"}`, strings.TrimSpace(what))
			if once := strings.HasPrefix(what, "flaky") || strings.HasPrefix(what, "lose"); !once || attempt == 1 {
				return echo(jobs.Request{Raw: []byte(input)}, attempt)
			}
		}
	}
	return summed(request, attempt, "The gist.")
}

// numbered is a text of so many words that says nothing twice.
func numbered(words int) string {
	var b strings.Builder
	for i := range words {
		fmt.Fprintf(&b, "word %d\n", i)
	}
	return b.String()
}

// chapters is a text of so many chapters, each with something of its own.
func chapters(n int) string {
	var b strings.Builder
	for i := range n {
		fmt.Fprintf(&b, "# Chapter %d\n\n%s\n\n", i, strings.Repeat(fmt.Sprintf("It says something of its own in %d. ", i), 10))
	}
	return b.String()
}

// summed is an answer with a summary.
func summed(request jobs.Request, attempt int, text string) jobs.Event {
	return created(attempt, fmt.Sprintf(`{"id":"resp_%s","status":"completed","model":"gpt-4.1","output":[%s],"usage":{"input_tokens":20,"output_tokens":5}}`,
		request.Digest()[:12], message(formed(request, text))))
}

func TestSummarizeWritesAFilePerDocument(t *testing.T) {
	t.Parallel()
	l := newLibrary(t)
	l.employ(reads)
	minutes := l.put("minutes.md", "# Minutes\n\nWe met.\n")
	page := l.put("deep/page.html", "<title>Page</title><p>Read me.</p>")
	l.put("logo.png", "no document")
	got := l.summarize().want(t, 0).says(t, "passed over", "logo.png")
	if want := "succeeded  2\nfailed     0\ntokens     40 in, 10 out\n"; !strings.HasPrefix(got.stdout, want) {
		t.Errorf("stdout is\n%s\nwant it to begin with\n%s", got.stdout, want)
	}
	for path, title := range map[string]string{minutes: "# Minutes\n\nThe gist.\n", page: "# Page\n\nThe gist.\n"} {
		if s := l.summary(path); !strings.HasPrefix(s, title) || !strings.Contains(s, "20 tokens in, 5 out") {
			t.Errorf("the summary of %s is\n%s", path, s)
		}
		if d := l.data(path); d.Summary == nil || d.Summary.Text != "The gist." || d.Entry.Requests != 1 || d.Entry.Cost == nil {
			t.Errorf("the JSON file of %s holds %+v", path, d)
		}
	}
	want := map[string]string{"minutes.md": "succeeded", "page.html": "succeeded"}
	if diff := cmp.Diff(want, l.statuses()); diff != "" {
		t.Errorf("manifest (-want +got):\n%s", diff)
	}
}

func TestSummarizeAgainAsksOnlyForWhatIsNew(t *testing.T) {
	t.Parallel()
	l := newLibrary(t)
	l.employ(reads)
	l.put("a.md", "One.")
	changed := l.put("b.md", "Two.")
	l.summarize().want(t, 0)

	// Nothing is new: Redis is not even needed.
	nowhere := []string{"LONGHAUL_REDIS_URL=redis://127.0.0.1:1/0"}
	got := call(t.Context(), nowhere, "", "summarize", l.dir, "--out", l.out).want(t, 0)
	if !strings.Contains(got.stdout, "unchanged  2\n") || !strings.Contains(got.stdout, "nothing was submitted") {
		t.Errorf("stdout is\n%s", got.stdout)
	}

	for _, step := range []struct {
		name string
		do   func()
		args []string
		jobs int64
	}{
		{"a changed document", func() { l.put("b.md", "Two and more.") }, nil, 6},
		{"a summary that is gone", func() { remove(t, filepath.Join(l.out, summarize.OutputName(changed))) }, nil, 6},
		{"other instructions", func() {}, []string{"--instructions", "In one word."}, 10},
		{"force", func() {}, []string{"--instructions", "In one word.", "--force"}, 14},
		{"the same once more", func() {}, []string{"--instructions", "In one word."}, 14},
	} {
		step.do()
		l.summarize(step.args...).want(t, 0)
		if n := l.total(); n != step.jobs {
			t.Errorf("%s: %d jobs, want %d", step.name, n, step.jobs)
		}
		if l.summary(changed) == "" {
			t.Errorf("%s: the summary is not there", step.name)
		}
	}
}

func TestSummarizeADocumentFailsAlone(t *testing.T) {
	t.Parallel()
	l := newLibrary(t)
	l.employ(reads)
	l.put("good.md", "Good.")
	l.put("empty.md", " \n")
	large := l.put("large.txt", numbered(10_000))
	l.put("flaky.md", "Please flaky")
	l.put("refused.md", "Please refuse")
	l.put("cut.md", "Please cut")

	// Some 10,000 tokens are no more refused than any others: they are read in parts.
	args := []string{"--chunk-tokens", "4000", filepath.Join(l.dir, "missing.md")}
	got := l.summarize(args...).want(t, 1)
	for _, want := range []string{
		"succeeded  2\n", "failed     5\n", "empty.md: invalid: the document holds no text",
		"refused.md: invalid: the document: the input is refused", "missing.md: invalid: no such file", "cut.md: invalid: the document: its answer was cut off",
	} {
		if !strings.Contains(got.stdout, want) {
			t.Errorf("stdout does not say %q:\n%s", want, got.stdout)
		}
	}
	statuses := l.statuses()
	for name, want := range map[string]string{
		"good.md": "succeeded", "large.txt": "succeeded", "empty.md": "failed: invalid: the document holds no text",
		"flaky.md": "failed: invalid: the document: the input is refused",
	} {
		if statuses[name] != want {
			t.Errorf("the manifest says of %s %q, want %q", name, statuses[name], want)
		}
	}
	if d := l.data(large); d.Summary.Coverage.Parts < 3 || d.Entry.Requests <= d.Summary.Coverage.Parts || d.Summary.Coverage.Bytes != len(numbered(10_000)) {
		t.Errorf("the large document was read as %+v, in %d requests", d.Summary.Coverage, d.Entry.Requests)
	}

	// Once more: what failed is tried again, and nothing else.
	before := l.attempts()
	l.summarize(args...).want(t, 1)
	if n := l.attempts() - before; n != 3 {
		t.Errorf("%d new attempts, want 3 (flaky, refused and cut)", n)
	}
	if got := l.statuses()["flaky.md"]; got != "succeeded" {
		t.Errorf("flaky.md is %q, want succeeded", got)
	}
}

func TestSummarizeCanBeStoppedAndTakenUpAgain(t *testing.T) {
	t.Parallel()
	for _, force := range []bool{false, true} {
		t.Run(fmt.Sprintf("force %v", force), func(t *testing.T) {
			t.Parallel()
			l := newLibrary(t)
			l.put("a.md", "One.")
			l.put("b.md", "Two.")
			args := []string{"summarize", l.dir, "--out", l.out}
			ctx, interrupt := context.WithCancelCause(t.Context())
			stopped := make(chan outcome)
			go func() {
				if force {
					stopped <- call(ctx, l.env, "", append(slices.Clone(args), "--force")...)
					return
				}
				stopped <- call(ctx, l.env, "", args...)
			}()
			until(t, "two jobs", func() bool { return l.total() >= 2 && (!force || len(l.statuses()) == 2) })
			interrupt(errInterrupt)
			(<-stopped).want(t, 1).says(t, "stopped", "the same command takes it up again")

			l.employ(reads)
			l.call("", args...).want(t, 0)
			if n := l.total(); n != 4 {
				t.Errorf("%d jobs after both runs, want 2 and their parts", n)
			}
		})
	}
}

func TestSummarizeWritesEachSummaryAsItsJobEnds(t *testing.T) {
	t.Parallel()
	l := newLibrary(t)
	l.employ(reads)
	quick := l.put("quick.md", "Quick.")
	l.put("slow.md", "Please hang")
	ctx, interrupt := context.WithCancelCause(t.Context())
	stopped := make(chan outcome)
	go func() { stopped <- call(ctx, l.env, "", "summarize", l.dir, "--out", l.out) }()
	until(t, "the quick summary", func() bool { return l.summary(quick) != "" })
	interrupt(errInterrupt)
	(<-stopped).want(t, 1)
	if diff := cmp.Diff(map[string]string{"quick.md": "succeeded", "slow.md": "submitted"}, l.statuses()); diff != "" {
		t.Errorf("manifest (-want +got):\n%s", diff)
	}
}

func TestSummarizeJSONReport(t *testing.T) {
	t.Parallel()
	l := newLibrary(t)
	l.employ(reads)
	l.put("a.md", "One.")
	bad := l.put("b.md", "Please refuse")
	got := l.summarize("--json").want(t, 1)
	report := decode[summarizeReport](t, got.stdout)
	if len(report.Failures) != 1 || report.Failures[0].JobID == "" {
		t.Fatalf("failures are %+v, want one with its job", report.Failures)
	}
	want := fmt.Sprintf(`{"out":%q,"group":%q,"report":%q,"total":2,"succeeded":1,"incomplete":0,"failed":1,"cancelled":0,"expired":0,"held":0,"skipped":0,`+
		`"input_tokens":20,"cached_tokens":0,"cache_write_tokens":0,"output_tokens":5,"reasoning_tokens":0,"cost_usd":0.00008,"cost_unknown":0,"saved_usd":0.00,"elapsed_seconds":%v,"failures":[{"name":%q,"job_id":%q,"state":"failed","class":"invalid",`+
		`"code":%q,"message":"the document: the input is refused"}]}`+"\n",
		l.out, report.Group, report.Report, report.Elapsed, bad, report.Failures[0].JobID, report.Failures[0].Code)
	if diff := cmp.Diff(want, got.stdout); diff != "" {
		t.Errorf("report (-want +got):\n%s", diff)
	}
	if n := len(lines(l.call("", "list", "--group", report.Group, "--json", "--kind", "summarize").want(t, 0).stdout)); n != 2 {
		t.Errorf("the run has %d jobs, want 2", n)
	}
}

func TestSummarizeRefusesWhatCannotWork(t *testing.T) {
	t.Parallel()
	l := newLibrary(t)
	l.put("a.md", "One.")
	for name, test := range map[string]struct {
		args []string
		code int
		says string
	}{
		"short answer": {[]string{"--max-output-tokens", "2"}, 2, "max output tokens: 2"},
		"no model":     {[]string{"--model", ""}, 2, "model: must be given"},
		"no folder":    {[]string{"--out", ""}, 2, "--out"},
		"lane":         {[]string{"--lane", "a b"}, 2, "lane"},
	} {
		t.Run(name, func(t *testing.T) {
			l.summarize(test.args...).want(t, test.code).says(t, test.says)
		})
	}
	if err := os.MkdirAll(filepath.Join(l.dir, "none"), 0o700); err != nil {
		t.Fatal(err)
	}
	l.call("", "summarize", filepath.Join(l.dir, "none"), "--out", l.out).want(t, 2).says(t, "no document")
	if _, err := os.Stat(l.out); !os.IsNotExist(err) {
		t.Errorf("the folder of summaries was made (%v)", err)
	}

	other, err := summarize.OpenFolder(l.out)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = other.Close() }()
	l.summarize().want(t, 1).says(t, "another run")
}

func TestSummarizeRefusalIsAFailure(t *testing.T) {
	t.Parallel()
	l := newLibrary(t)
	l.employ(func(request jobs.Request, attempt int) jobs.Event {
		return created(attempt, fmt.Sprintf(`{"id":"resp_%s_%d","status":"completed","output":[{"type":"message","content":[{"type":"refusal","refusal":"no"}]}]}`,
			request.Digest()[:12], attempt))
	})
	path := l.put("a.md", "One.")
	got := l.summarize().want(t, 1)
	if !strings.Contains(got.stdout, "refused") || strings.Contains(l.summary(path), "The gist") {
		t.Errorf("stdout is\n%s\nand the summary %q", got.stdout, l.summary(path))
	}
	if status := l.statuses()["a.md"]; !strings.HasPrefix(status, "failed: ") || !strings.Contains(status, "refused") {
		t.Errorf("the manifest says %q", status)
	}
}

// Long instructions are what the prompt cache is for: all requests of a run then carry
// one key. That changes nothing about which documents are asked for again.
func TestSummarizeUsesThePromptCache(t *testing.T) {
	t.Parallel()
	l := newLibrary(t)
	keys := make(chan string, 16)
	l.employ(func(request jobs.Request, attempt int) jobs.Event {
		var body struct {
			Key string `json:"prompt_cache_key"`
		}
		if err := json.Unmarshal(request.Raw, &body); err != nil {
			t.Error(err)
		}
		keys <- body.Key
		return reads(request, attempt)
	})
	l.put("a.md", "A document.")
	l.put("b.md", "Another document.")
	long := strings.Repeat("Mind what it says about tides, moorings and the price of coal. ", 100)
	l.summarize("--instructions", long).want(t, 0)
	l.summarize("--instructions", long, "--prompt-cache=false").want(t, 0)
	if a, b := <-keys, <-keys; a == "" || a != b || len(keys) > 0 {
		t.Errorf("two documents had the keys %q and %q, and %d more were asked for", a, b, len(keys))
	}
	l.summarize("--prompt-cache=false").want(t, 0)
	if a, b := <-keys, <-keys; a != "" || b != "" {
		t.Errorf("without the cache they had the keys %q and %q", a, b)
	}
	l.summarize("--prompt-cache", "--language", "German").want(t, 0)
	if a, b := <-keys, <-keys; a == "" || a != b {
		t.Errorf("asked for, two documents had the keys %q and %q", a, b)
	}
}
