package main

import (
	"fmt"
	"net/http"
	"net/http/httptest"
	"path/filepath"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/longhaul-jobs/longhaul/jobs"
	"github.com/longhaul-jobs/longhaul/jobs/summarize/report"
)

func TestRunsAreListedAndWatched(t *testing.T) {
	t.Parallel()
	l := newLibrary(t)
	l.employ(reads)
	l.put("good.md", "Good.")
	l.put("bad.md", "Please refuse")
	l.summarize("--name", "contracts").want(t, 1)
	l.summarize("--name", "contracts").want(t, 1) // the same document counts once
	row := decode[runRow](t, l.call("", "runs", "--json").want(t, 0).stdout)
	if row.Name != "contracts" || row.Documents != 2 || row.Succeeded != 1 || row.Failed != 1 || row.Open != 0 || row.Cost == nil || *row.Cost != jobs.Money(80_000) {
		t.Errorf("the list says %+v", row)
	}
	shows(t, l.call("", "runs").want(t, 0).stdout, "contracts  2          1           1       0     ")
	got := decode[runReport](t, l.call("", "run", "contracts", "--json").want(t, 1).stdout)
	if got.Run != "contracts" || got.Total != 2 || got.Succeeded != 1 || len(got.Failures) != 1 || !strings.HasSuffix(got.Failures[0].Name, "bad.md") || got.InputTokens != 20 {
		t.Errorf("the run says %+v", got)
	}
	l.call("", "run", "nothing").want(t, 2).says(t, "there is no run nothing, or nothing of it is kept any more; `enqueue runs` lists those that there are")
	l.call("", "run", "a b").want(t, 2).says(t, "is not a name of a run")
}

// A run knows all documents that it was begun with: copies, and those that cannot be read.
// Whoever looks at it later is told what the command that began it has told.
func TestRunsKnowAllOfTheirDocuments(t *testing.T) {
	t.Parallel()
	l := newLibrary(t)
	l.employ(reads)
	l.put("good.md", "Good.")
	l.put("copy.md", "Good.")
	l.put("bad.md", "Please refuse")
	l.put("empty.md", " ")
	missing := filepath.Join(l.dir, "missing.md")
	args := []string{"summarize", l.dir, missing, "--out", l.out, "--name", "contracts"}
	said := l.call("", args...).want(t, 1).stdout
	for range 2 {
		row := decode[runRow](t, l.call("", "runs", "--json").want(t, 0).stdout)
		if row.Documents != 5 || row.Succeeded != 2 || row.Failed != 3 || row.Open != 0 || row.Shared != 0 || row.Out != l.out || row.Cost == nil || *row.Cost != 80_000 {
			t.Errorf("the list says %+v", row)
		}
		got := decode[runReport](t, l.call("", "run", "contracts", "--json").want(t, 1).stdout)
		if got.Total != 5 || got.Succeeded != 2 || got.Failed != 3 || got.Open != 0 || got.Elapsed <= 0 || got.Out != l.out || got.Report != filepath.Join(l.out, report.HTMLName) {
			t.Errorf("the run says %+v", got)
		}
		l.call("", args...).want(t, 1) // and once more
	}
	shown := l.call("", "run", "contracts").want(t, 1).stdout
	tail := func(text string) []string { // all behind the numbers, which have the time in them
		text = text[strings.Index(text, "elapsed"):]
		all := lines(text)[1:]
		slices.Sort(all)
		return all
	}
	if diff := cmp.Diff(tail(said), tail(shown)); diff != "" {
		t.Errorf("the end (-summarize +run):\n%s", diff)
	}
	if !strings.Contains(shown, "summaries are in "+l.out) || !strings.Contains(shown, "empty.md: invalid: the document holds no text") {
		t.Errorf("the run shows\n%s", shown)
	}
}

// A run whose documents another run has summarized is a run: it says what it shares, and
// that it has cost nothing.
func TestARunSharesWhatAnotherHasPaidFor(t *testing.T) {
	t.Parallel()
	l := newLibrary(t)
	l.employ(reads)
	l.put("a.md", "One.")
	l.put("b.md", "Two.")
	l.summarize("--name", "first").want(t, 0)
	l.out += "2"
	got := l.summarize("--name", "second").want(t, 0).stdout
	shows(t, got, "shared     2 of these, paid for by another run\n")
	shows(t, got, "cost       $0.00")
	if strings.Contains(got, "before this") {
		t.Errorf("it tells of the other run's cost:\n%s", got)
	}
	if d := l.data(filepath.Join(l.dir, "a.md")); d.Entry.Note != "summarized and paid for by run first" || d.Entry.Cost == nil || *d.Entry.Cost != 0 || d.Summary == nil {
		t.Errorf("the file says %+v", d.Entry)
	}
	l.put("c.md", "Three.")
	l.out += "3"
	l.summarize("--name", "third").want(t, 0)

	rows := make(map[string]runRow)
	for _, line := range lines(l.call("", "runs", "--json").want(t, 0).stdout) {
		row := decode[runRow](t, line)
		rows[row.Name] = row
	}
	for name, want := range map[string]struct {
		documents, shared int
		cost              jobs.Money
	}{"first": {2, 0, 160_000}, "second": {2, 2, 0}, "third": {3, 2, 80_000}} {
		row := rows[name]
		if row.Documents != want.documents || row.Succeeded != want.documents || row.Shared != want.shared || row.Cost == nil || *row.Cost != want.cost {
			t.Errorf("of run %s it says %+v", name, row)
		}
	}
	run := decode[runReport](t, l.call("", "run", "second", "--json").want(t, 0).stdout)
	if run.Total != 2 || run.Succeeded != 2 || run.Shared != 2 || run.Cost == nil || *run.Cost != 0 || run.InputTokens != 0 {
		t.Errorf("run second says %+v", run)
	}
}

// One name may be used with several folders: all of them are told.
func TestARunHasSeveralFolders(t *testing.T) {
	t.Parallel()
	l := newLibrary(t)
	l.employ(reads)
	l.put("a.md", "One.")
	var want []string
	out := l.out
	for i := range shownNames + 2 {
		l.out = fmt.Sprintf("%s-%d", out, i)
		l.summarize("--name", "spring").want(t, 0)
		want = slices.Insert(want, 0, l.out)
	}
	row := decode[runRow](t, l.call("", "runs", "--json").want(t, 0).stdout)
	run := decode[runReport](t, l.call("", "run", "spring", "--json").want(t, 0).stdout)
	for what, got := range map[string][]string{"runs": row.Folders, "run": run.Folders} {
		if diff := cmp.Diff(want, got); diff != "" {
			t.Errorf("the folders of enqueue %s (-want +got):\n%s", what, diff)
		}
	}
	if row.Out != l.out || run.Out != l.out {
		t.Errorf("the last folder is %s and %s, want %s", row.Out, run.Out, l.out)
	}
	shows(t, l.call("", "runs").want(t, 0).stdout, strings.Join(want[:shownNames], ", ")+" and 2 more\n")
	shows(t, l.call("", "run", "spring").want(t, 0).stdout, "summaries are in "+l.out+"; ")
	shows(t, l.call("", "run", "spring").want(t, 0).stdout, "earlier commands of this run have written to "+strings.Join(want[1:1+shownNames], ", ")+" and 1 more\n")
}

func TestSummarizeFetchesAddresses(t *testing.T) {
	t.Parallel()
	l := newLibrary(t)
	l.employ(reads)
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", "text/html")
		_, _ = fmt.Fprint(w, "<title>Tides</title><p>High water at noon.")
	}))
	t.Cleanup(server.Close)
	address := server.URL + "/tides"
	l.call("", "summarize", address, "--out", l.out).want(t, 1)
	if status := l.statuses()["tides"]; !strings.Contains(status, "private address") {
		t.Errorf("the manifest says %q", status)
	}
	l.call("", "summarize", address, "--out", l.out, "--allow-private").want(t, 0)
	if s := l.summary(address); !strings.HasPrefix(s, "# Tides\n") {
		t.Errorf("the summary is %q", s)
	}
}

// The summary over all documents is none of them, whoever counts, and how it stands is told
// apart; what it cost and why it failed is told with theirs.
func TestNobodyCountsTheSummaryOverAll(t *testing.T) {
	t.Parallel()
	l := newLibrary(t)
	var broken atomic.Bool
	l.employ(func(request jobs.Request, attempt int) jobs.Event {
		if broken.Load() && !strings.Contains(inputOf(request), "Two.") {
			return echo(jobs.Request{Raw: []byte(`{"input":"refuse","model":"gpt-4.1"}`)}, attempt)
		}
		return reads(request, attempt)
	})
	counts := func(said summarizeReport, code int, documents int, across jobs.State) {
		t.Helper()
		row := decode[runRow](t, l.call("", "runs", "--json").want(t, 0).stdout)
		run := decode[runReport](t, l.call("", "run", "contracts", "--json").want(t, code).stdout)
		for name, got := range map[string]totals{
			"summarize": said.totals, "run": run.totals,
			"runs": {Total: row.Documents, Succeeded: row.Succeeded, Failed: row.Failed, Across: row.Across},
		} {
			if got.Total != documents || got.Succeeded+got.Skipped != documents || got.Failed != 0 || got.Across != across {
				t.Errorf("with the summary over all %s, %s says %+v", across, name, got)
			}
		}
		if run.Open != 0 || row.Open != 0 {
			t.Errorf("open are %d and %d", run.Open, row.Open)
		}
		shows(t, readText(t, filepath.Join(l.out, report.IndexName)), fmt.Sprintf("- %s: %d succeeded\n", plural(documents, "document", "documents"), documents))
	}
	l.put("a.md", "One.")
	for range 2 { // and once more, with nothing to do
		counts(decode[summarizeReport](t, l.summarize("--name", "contracts", "--across", "--json").want(t, 0).stdout), 0, 1, jobs.StateSucceeded)
	}
	broken.Store(true)
	l.put("b.md", "Two.")
	failed := decode[summarizeReport](t, l.summarize("--name", "contracts", "--across", "--json").want(t, 1).stdout)
	counts(failed, 1, 2, jobs.StateFailed)
	if len(failed.Failures) != 1 || failed.Failures[0].Name != report.AcrossDocument {
		t.Errorf("failures are %+v", failed.Failures)
	}
	shows(t, l.call("", "runs").want(t, 0).stdout, "contracts  2, across failed  2           0       0     ")
	got := l.call("", "run", "contracts").want(t, 1)
	shows(t, got.stdout, "across     failed\n")
	shows(t, got.stdout, report.AcrossDocument+": invalid: ")
}

// While the summary over all documents is made, they are all done.
func TestTheSummaryOverAllIsOpenApart(t *testing.T) {
	t.Parallel()
	a := newAccount(time.Now())
	a.expect(1)
	a.expectAcross()
	f := &follower{account: a}
	f.add(&member{order: 1, across: true, state: jobs.StateWaiting})
	a.end(&member{state: jobs.StateSucceeded})
	p := &progress{account: a, follower: f, pulse: &pulse{}}
	v := p.view(time.Now())
	if got := (&lineDisplay{}).line(v); got != "1 of 1: 1 succeeded, across waiting" || v.clean() {
		t.Errorf("it shows %q, and that all is well: %v", got, v.clean())
	}
	a.end(&member{order: 1, across: true, state: jobs.StateUncertain})
	if v := p.view(time.Now()); v.Held != 0 || v.Across != jobs.StateUncertain || v.clean() || !strings.HasSuffix(v.breakdown(), "across held") {
		t.Errorf("it shows %q of %+v", v.breakdown(), v.totals)
	}
}
