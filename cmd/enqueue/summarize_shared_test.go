package main

import (
	"path/filepath"
	"strings"
	"sync/atomic"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/longhaul-jobs/longhaul/internal/testlog"
	"github.com/longhaul-jobs/longhaul/jobs"
	"github.com/longhaul-jobs/longhaul/results"
)

// newMoodyLibrary is a library whose provider refuses everything until it is told to read,
// and counts what it is asked.
func newMoodyLibrary(t *testing.T) (l *library, asked *atomic.Int64, read func()) {
	t.Helper()
	l = newLibrary(t)
	var willing atomic.Bool
	asked = l.employCounting(func(request jobs.Request, attempt int) jobs.Event {
		if !willing.Load() {
			return echo(jobs.Request{Raw: []byte(`{"input":"refuse"}`)}, attempt)
		}
		return reads(request, attempt)
	})
	return l, asked, func() { willing.Store(true) }
}

// into calls the command for a run of its own, with its own folder.
func (l *library) into(name string, args ...string) outcome {
	l.t.Helper()
	return l.call("", append([]string{"summarize", l.dir, "--out", filepath.Join(filepath.Dir(l.out), name), "--name", name}, args...)...)
}

// What failed for one run is asked for by another on its own account: its budget holds, and
// what it costs shows there. Neither pays for it again.
func TestSummarizePaysItselfForWhatFailedForAnotherRun(t *testing.T) {
	t.Parallel()
	l, asked, read := newMoodyLibrary(t)
	l.put("a.md", "One.")
	l.put("b.md", "Two.")
	l.into("x").want(t, 1)
	read()

	before := asked.Load()
	got := l.into("y", "--budget", "0.000001").want(t, 1)
	if n := asked.Load() - before; n != 0 || !strings.Contains(got.stdout, "which is too little for what comes next") {
		t.Errorf("%d requests were sent beyond the budget, and it says\n%s", n, got.stdout)
	}
	y := decode[summarizeReport](t, l.into("y", "--budget", "5", "--json").want(t, 0).stdout)
	if y.Shared != 0 || y.InputTokens != 40 || y.Cost == nil || *y.Cost == 0 {
		t.Errorf("the run that asked reports %+v", y)
	}
	for _, name := range []string{"x", "z"} {
		if got := decode[summarizeReport](t, l.into(name, "--json").want(t, 0).stdout); *got.Cost != 0 {
			t.Errorf("%s reports %+v", name, got)
		}
	}
	if n := asked.Load() - before; n != 2 {
		t.Errorf("%d requests for two documents", n)
	}
}

// A folder that another run has written to names jobs of that run, and so does its record
// after a crash before the line about the new one.
func TestSummarizeGoesOnWithAFolderOfAnotherRun(t *testing.T) {
	t.Parallel()
	l, asked, read := newMoodyLibrary(t)
	l.put("a.md", "One.")
	l.summarize("--name", "x").want(t, 1)
	record := readText(t, filepath.Join(l.out, "summaries.jsonl"))
	read()
	y := decode[summarizeReport](t, l.summarize("--name", "y", "--retry-failed", "--json").want(t, 0).stdout)
	if y.Shared != 0 || y.InputTokens != 20 {
		t.Errorf("it reports %+v", y)
	}
	n := asked.Load()
	writeText(t, filepath.Join(l.out, "summaries.jsonl"), record)
	l.summarize("--name", "y").want(t, 0)
	if more := asked.Load() - n; more != 0 {
		t.Errorf("%d more requests", more)
	}
}

// A run that shares what waits in the budget of another one ends as with a spent budget of
// its own, and says which documents wait, for which budget, and what has them go on.
func TestSummarizeEndsOnTheBudgetOfAnotherRun(t *testing.T) {
	t.Parallel()
	l := newLibrary(t)
	l.employ(reads)
	l.put("a.md", "One.")
	l.into("x", "--budget", "0.000001").want(t, 1)
	own := putFile(t, "own.md", "Own.")
	const want = "stopped: 1 document waits for the budget of run x, which the requests are shared with: "
	got := l.into("y", own).want(t, 1)
	shows(t, got.stdout, want)
	for _, part := range []string{"a.md. Of <$0.0001, <$0.0001 is left", "`enqueue budgets set run-x --amount DOLLARS` has them go on", "succeeded     1\n", "not finished  1\n"} {
		shows(t, got.stdout, part)
	}
	report := decode[summarizeReport](t, l.into("y", own, "--json").want(t, 1).stdout)
	if !strings.HasPrefix(report.Stopped, "1 document waits for the budget of run x") {
		t.Errorf("it reports %+v", report)
	}
	shows(t, l.call("", "run", "y").want(t, 1).stdout, want)
	l.call("", "budgets", "set", "run-x", "--amount", "5", "--group", "x", "--per", "total").want(t, 0)
	l.into("y", own).want(t, 0)
}

// A run with a budget whose model has no known price is not told to raise the budget.
func TestSummarizeWithABudgetNeedsAPrice(t *testing.T) {
	t.Parallel()
	l := newLibrary(t)
	l.employ(reads)
	l.put("a.md", "One.")
	got := decode[summarizeReport](t, l.into("x", "--model", "foo-1", "--budget", "1", "--json").want(t, 1).stdout)
	for _, part := range []string{"1 request waits for the budget of the run: nothing is sent whose price is not known, whatever the amount, and that of foo-1 is not. Set prices.foo-1 and start", "`enqueue budgets set run-x --unknown-price allow`"} {
		shows(t, got.Stopped, part)
	}
	if strings.Contains(got.Stopped, "higher") {
		t.Errorf("it says %s", got.Stopped)
	}
	shows(t, l.call("", "run", "x").want(t, 1).stdout, "and that of foo-1 is not.")
	shows(t, l.into("y", "--model", "foo-1").want(t, 1).stdout, "1 document waits for the budget of run x, which the requests are shared with: "+filepath.Join(l.dir, "a.md")+". There nothing is sent whose price is not known")
	l.call("", "budgets", "set", "run-x", "--unknown-price", "allow").want(t, 0)
	l.into("x", "--model", "foo-1", "--budget", "1").want(t, 0).says(t, "keeps what is set of it beside the amount: unknown price allow\n")
}

// Another amount leaves what else is set of a run's budget, and says so; a budget of that
// name that is another run's is none of this one.
func TestSummarizeSetsNothingButTheAmountOfABudget(t *testing.T) {
	t.Parallel()
	for name, test := range map[string]struct {
		set  []string // beside the amount
		want results.Budget
		says string
	}{
		"none":      {nil, results.Budget{Per: results.PerTotal, Group: "x", Unknown: results.UnknownRefuse}, ""},
		"as it is":  {[]string{"--group", "x", "--per", "total"}, results.Budget{Per: results.PerTotal, Group: "x", Unknown: results.UnknownRefuse}, ""},
		"allows":    {[]string{"--group", "x", "--per", "total", "--unknown-price", "allow"}, results.Budget{Per: results.PerTotal, Group: "x", Unknown: results.UnknownAllow}, ": unknown price allow\n"},
		"narrowed":  {[]string{"--group", "x", "--per", "day", "--model", "gpt-5*"}, results.Budget{Per: results.PerDay, Group: "x", Model: "gpt-5*", Unknown: results.UnknownRefuse}, ": per day, for model gpt-5*\n"},
		"another's": {[]string{"--group", "y", "--per", "day", "--unknown-price", "allow"}, results.Budget{Per: results.PerTotal, Group: "x", Unknown: results.UnknownRefuse}, ""},
	} {
		t.Run(name, func(t *testing.T) {
			b := newBench(t)
			if test.set != nil {
				b.call("", append([]string{"budgets", "set", "run-x", "--amount", "1"}, test.set...)...).want(t, 0)
			}
			var said testlog.Buffer
			r := &summarizeRun{cli: &cli{console: newConsole(&said)}, job: jobs.Options{Group: "x"}, summarizeFlags: summarizeFlags{budget: "2"}}
			if err := r.setBudget(t.Context(), b.session(), runBudget("x")); err != nil {
				t.Fatal(err)
			}
			test.want.Amount = new(2 * jobs.Dollar)
			set, err := b.store.SetBudgets(t.Context())
			if err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(map[string]results.Budget{"run-x": test.want}, set); diff != "" {
				t.Errorf("the budgets (-want +got):\n%s", diff)
			}
			if got := said.String(); (got == "") != (test.says == "") || !strings.HasSuffix(got, test.says) {
				t.Errorf("it says %q", got)
			}
		})
	}
}
