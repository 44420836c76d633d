package main

import (
	"path/filepath"
	"strings"
	"testing"

	"github.com/longhaul-jobs/longhaul/jobs"
)

// What Redis has is not paid again, whatever folder the summaries go to: a dry run counts
// what is left. It sends nothing, and without Redis it says that it knows of nothing.
func TestDryRunCountsWhatIsLeft(t *testing.T) {
	t.Parallel()
	l := newLibrary(t)
	asked := l.employCounting(reads)
	text := chapters(200)
	l.put("short.md", "A short document.")
	l.put("long.md", text)
	l.summarize("--chunk-tokens", "3000").want(t, 0)
	sent, total := asked.Load(), l.total()
	dry := func(args ...string) dryRun {
		t.Helper()
		args = append([]string{"summarize", l.dir, "--out", filepath.Join(l.dir, "..", "another"), "--chunk-tokens", "3000", "--dry-run", "--json"}, args...)
		return decode[dryRun](t, l.call("", args...).want(t, 0).stdout)
	}

	if got := dry(); got.Documents != 2 || got.Known != 2 || got.Requests.High != 0 || got.Cost == nil || got.Cost.High != 0 || got.Uncounted != "" {
		t.Errorf("of what is there: %+v", got)
	}
	whole := dry("--force")
	if whole.Known != 0 || whole.Requests.Low < 5 {
		t.Errorf("with --force: %+v", whole)
	}
	// Another length is another last request of each document.
	if got := dry("--length", "long"); got.Known != 0 || got.Requests.Low != 2 || got.Requests.Expected != 2 || got.KnownRequests != int(sent)-2 || got.Cost.Expected == 0 || got.Cost.High >= whole.Cost.High {
		t.Errorf("another length: %+v", got)
	}
	l.put("long.md", text+"# The end\n\nSomething new.\n")
	if got := dry(); got.Known != 1 || got.KnownRequests < 3 || got.Requests.Low != 2 || got.ReadTokens == 0 || got.ReadTokens > whole.ReadTokens/2 {
		t.Errorf("a changed document: %+v", got)
	}
	if now := asked.Load(); now != sent || l.total() != total {
		t.Errorf("%d requests were sent by dry runs, and there are %d jobs after %d", now-sent, l.total(), total)
	}
	shown := l.call("", "summarize", l.dir, "--out", l.out+"2", "--dry-run", "--chunk-tokens", "3000").want(t, 0).stdout
	shows(t, shown, "what Redis has is not paid again")
	shows(t, strings.Join(strings.Fields(shown), " "), "documents 2 in Redis 1 requests in Redis")

	nowhere := call(t.Context(), estimating(), "", "summarize", l.dir, "--out", l.out+"2", "--dry-run").want(t, 0).stdout
	shows(t, nowhere, "all of it is counted as new, whatever was paid for before: Redis at redis://127.0.0.1:1")
	empty := newBench(t)
	empty.env = append(empty.env, "LONGHAUL_REDIS_PREFIX=nobody")
	shows(t, empty.call("", "summarize", l.dir, "--out", l.out+"2", "--dry-run").want(t, 0).stdout, "counted as new, whatever was paid for before: no worker has ever used")
}

// What has failed and is not asked for again is told apart by a dry run, with what asks.
func TestDryRunNamesWhatIsNotAskedAgain(t *testing.T) {
	t.Parallel()
	l := newLibrary(t)
	l.employ(func(request jobs.Request, attempt int) jobs.Event {
		if text := inputOf(request); strings.Contains(text, "Good.") || strings.Contains(text, "Please lose") {
			return reads(request, attempt)
		}
		return echo(request, attempt) // no summary, and no mended one
	})
	l.put("good.md", "Good.")
	l.put("bad.md", "Bad.")
	l.put("held.md", "Please lose")
	l.summarize("--uncertain", "hold").want(t, 1)
	held := l.sole(jobs.StateUncertain).ID
	dry := func(args ...string) (string, string) {
		t.Helper()
		got := l.summarize(append(args, "--uncertain", "hold", "--dry-run")...).want(t, 0)
		return strings.Join(strings.Fields(got.stdout), " "), got.stderr
	}
	counts, named := dry()
	shows(t, counts, "documents 2 not asked again 2 unchanged 1 left to pay low expected high requests 0 0 0 ")
	shows(t, named, "bad.md: invalid: the document: its answer cannot be used: ")
	shows(t, named, "this answer stays unless summarize --retry-failed --force asks anew")
	shows(t, named, "held.md: uncertain: held for a person, since the answer to its create was lost: enqueue release "+string(held)+" asks again")
	if counts, _ := dry("--retry-failed", "--force"); !strings.HasPrefix(counts, "documents 1 left alone 2 left to pay low expected high requests 1 1 2 ") {
		t.Errorf("with --retry-failed --force it says %q", counts)
	}

	l.happens(held, jobs.StopRequested{Reason: jobs.StopCancel})
	l.summarize("--uncertain", "hold").want(t, 1)
	counts, named = dry()
	shows(t, counts, "documents 2 not asked again 2 unchanged 1 ")
	shows(t, named, "it is not tried again unless enqueue retry "+string(l.whole(held))+" or summarize --force asks for it")
}

// What waits in the spent budget of another run is told by a dry run as it is by the run: it
// is that one's to pay for.
func TestDryRunNamesWhatWaitsForAnotherRun(t *testing.T) {
	t.Parallel()
	l := newLibrary(t)
	l.employ(reads)
	waits := l.put("a.md", "One.")
	l.into("x", "--budget", "0.000001").want(t, 1)
	l.put("b.md", "Two.")

	dry := l.into("y", "--dry-run").want(t, 0)
	dry.says(t, "1 document waits for the budget of run x, which the requests are shared with: "+waits+". Of <$0.0001, <$0.0001 is left, which is too little",
		"`enqueue budgets set run-x --amount DOLLARS` has them go on, and so does the command of that run with a higher --budget\n")
	text := strings.Join(strings.Fields(dry.stdout), " ")
	shows(t, text, "documents 2 wait for another run 1 left to pay low expected high requests 1 1 2 ")
	shows(t, text, "those that wait for another run, and what has them go on, are named above; it pays for them nothing was sent")

	counts := func(name string) dryRun {
		t.Helper()
		return decode[dryRun](t, l.into(name, "--dry-run", "--json").want(t, 0).stdout)
	}
	if got := counts("y"); got.Documents != 2 || got.WaitElsewhere != 1 || got.Requests.Expected != 1 {
		t.Errorf("another run: %+v", got)
	}
	if got := counts("x"); got.Documents != 2 || got.WaitElsewhere != 0 || got.Requests.Expected != 2 {
		t.Errorf("the run whose budget it is: %+v", got)
	}
	l.into("x", "--budget", "5").want(t, 0)
	if got := counts("y"); got.Documents != 2 || got.WaitElsewhere != 0 || got.Known != 2 {
		t.Errorf("with a higher budget: %+v", got)
	}
}
