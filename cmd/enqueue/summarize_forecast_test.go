package main

import (
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/longhaul-jobs/longhaul/jobs"
)

// dryRun is what a dry run says of the library. It needs no Redis.
func (l *library) dryRun(args ...string) dryRun {
	l.t.Helper()
	args = append([]string{"summarize", l.dir, "--out", l.out, "--dry-run", "--json"}, args...)
	return decode[dryRun](l.t, call(l.t.Context(), estimating(), "", args...).want(l.t, 0).stdout)
}

// Documents that have their summary cost nothing, and nothing is sent or written.
func TestDryRunSaysWhatDocumentsAreLikelyToCost(t *testing.T) {
	t.Parallel()
	l := newLibrary(t)
	l.employ(reads)
	l.put("old.md", "An old document.")
	l.summarize("--model", "house").want(t, 0)
	l.put("new.md", "A new document.")
	l.put("copy.txt", "A new document.")
	l.put("copy2.txt", "A new document.")
	l.put("empty.md", " ")
	before, jobsBefore := folder(t, l.out), l.total()

	got := l.dryRun("--model", "house")
	if got.Documents != 3 || got.Unchanged != 1 || got.Failed != 1 || got.Copies != 1 || got.Requests.Expected != 2 {
		t.Errorf("it says %+v", got)
	}
	in, out := got.InputTokens, got.OutputTokens
	if in.Low > in.Expected || in.Expected > in.High || in.Expected < 100 || out.Low > out.Expected || out.Expected > out.High || out.Expected == 0 {
		t.Errorf("input %+v, output %+v", in, out)
	}
	// The house model costs $10 a million tokens of output, and its input nothing.
	if got.Cost == nil || got.Cost.Expected != jobs.Money(out.Expected)*10_000 || got.Cost.Low > got.Cost.Expected || got.Cost.High < got.Cost.Expected {
		t.Errorf("cost %+v of %d output tokens", got.Cost, out.Expected)
	}
	text := call(t.Context(), estimating(), "", "summarize", l.dir, "--out", l.out, "--model", "house", "--estimate").want(t, 0).stdout
	text = strings.Join(strings.Fields(text), " ")
	for _, want := range []string{"documents 3 copies of others 1 unchanged 1 cannot be read 1", "how long: not known", "nothing was sent"} {
		shows(t, text, want)
	}
	shows(t, text, "copies are among the documents, and cost nothing those that cannot be read are not among the documents nothing was sent")
	if after := folder(t, l.out); strings.Join(after, " ") != strings.Join(before, " ") {
		t.Errorf("the folder had %v and has %v", before, after)
	}
	if n := l.total(); n != jobsBefore {
		t.Errorf("%d jobs, want the %d of the first run", n, jobsBefore)
	}
	call(t.Context(), estimating(), "", "summarize", l.dir, "--out", filepath.Join(l.dir, "none"), "--dry-run").want(t, 0).says(t, "empty.md")
	if _, err := os.Stat(filepath.Join(l.dir, "none")); !os.IsNotExist(err) {
		t.Errorf("the folder was made: %v", err)
	}
}

// What keeps a document from being summarized is said by the dry run as by the run.
func TestDryRunGivesTheReasonsOfTheRun(t *testing.T) {
	t.Parallel()
	l := newLibrary(t)
	l.employ(reads)
	l.put("good.md", "Good.")
	empty, missing := l.put("empty.md", " "), filepath.Join(l.dir, "missing.md")
	args := []string{"summarize", l.dir, missing, "--out", l.out}
	dry := l.call("", append(args, "--dry-run")...).want(t, 0)
	ran := l.call("", args...).want(t, 1)
	for _, line := range []string{empty + ": invalid: the document holds no text\n", missing + ": invalid: no such file"} {
		shows(t, dry.stderr, line)
		shows(t, ran.stdout, line)
	}
}

// A price that nobody knows is unknown, and not zero.
func TestDryRunDoesNotGuessAPrice(t *testing.T) {
	t.Parallel()
	l := newLibrary(t)
	l.put("a.md", "A document.")
	if got := l.dryRun("--model", "dear"); got.Cost != nil || !strings.Contains(got.Unknown, "no price for model dear") || got.InputTokens.Expected == 0 {
		t.Errorf("it says %+v", got)
	}
	text := call(t.Context(), estimating(), "", "summarize", l.dir, "--out", l.out, "--model", "dear", "--dry-run").want(t, 0).stdout
	shows(t, text, "cost unknown: no price for model dear")
	if strings.Contains(text, "$0") {
		t.Errorf("it says\n%s", text)
	}
}

// How long it takes follows from the limits of the lane: those in the configuration, or,
// where there is an installation, those in force.
func TestDryRunSaysHowLongTheLimitsHaveItTake(t *testing.T) {
	t.Parallel()
	l := newLibrary(t)
	for _, name := range []string{"a.md", "b.md", "c.md"} {
		l.put(name, "The document "+name)
	}
	env := append(estimating(), `LONGHAUL_LANES={"default":{"requests_per_minute":2}}`)
	args := []string{"summarize", l.dir, "--out", l.out, "--model", "house", "--dry-run", "--json"}
	got := decode[dryRun](t, call(t.Context(), env, "", args...).want(t, 0).stdout)
	if got.Seconds == nil || *got.Seconds != 90 || got.LimitsFrom != "the configuration" || got.Lane != "default" {
		t.Errorf("by the configuration: %+v", got)
	}
	l.call("", "lanes", "set", "default", "requests_per_minute=1").want(t, 0)
	got = decode[dryRun](t, l.call("", append(slices.Clip(args), "--model", "gpt-4.1")...).want(t, 0).stdout)
	if got.Seconds == nil || *got.Seconds != 180 || got.LimitsFrom != "Redis" {
		t.Errorf("by what is in force: %+v", got)
	}
	if n := l.total(); n != 0 {
		t.Errorf("%d jobs, want none", n)
	}
}

// One summary over all is counted with the rest.
func TestDryRunAcross(t *testing.T) {
	t.Parallel()
	l := newLibrary(t)
	l.put("a.md", "A document.")
	l.put("b.md", "Another document.")
	plain, across := l.dryRun("--model", "house"), l.dryRun("--model", "house", "--across")
	if across.Requests.Expected != plain.Requests.Expected+1 || across.InputTokens.Expected <= plain.InputTokens.Expected {
		t.Errorf("without: %+v\nwith: %+v", plain, across)
	}
	l.employ(reads)
	l.summarize("--model", "house").want(t, 0)
	l.put("empty.md", " ")
	if got := l.dryRun("--model", "house", "--across"); got.Unchanged != 2 || got.Requests.Expected != 1 || got.InputTokens.High >= across.InputTokens.High {
		t.Errorf("once the documents have their summaries: %+v", got)
	}
	l.summarize("--model", "house", "--across").want(t, 1)
	if got := l.dryRun("--model", "house", "--across"); got.Unchanged != 2 || got.Requests.High != 0 || got.Cost.High != 0 {
		t.Errorf("once all is there: %+v", got)
	}
}
