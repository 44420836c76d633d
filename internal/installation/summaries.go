package installation

import (
	"fmt"
	"maps"
	"math/rand/v2"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"time"

	"github.com/longhaul-jobs/longhaul/jobs"
)

// PutDocuments writes n documents into a folder, no two with a sentence in common: every
// tenth of several parts, every thirtieth empty.
func (in *Installation) PutDocuments(dir string, n int) {
	in.tb.Helper()
	if err := os.MkdirAll(dir, 0o700); err != nil {
		in.tb.Fatal(err)
	}
	for i := range n {
		var text strings.Builder
		fmt.Fprintf(&text, "# Report %d\n\n", i)
		sentences := 8 + i%7
		if i%10 == 0 {
			sentences = 400
		}
		for s := range sentences {
			fmt.Fprintf(&text, "In place %d of report %d the harbour was rebuilt in %d. ", s, i, 1800+(i+s)%200)
			if s%40 == 39 {
				fmt.Fprintf(&text, "\n\n## Chapter %d of %d\n\n", s/40, i)
			}
		}
		content := text.String()
		if i%30 == 29 {
			content = " \n"
		}
		if err := os.WriteFile(filepath.Join(dir, fmt.Sprintf("report-%04d.md", i)), []byte(content), 0o600); err != nil {
			in.tb.Fatal(err)
		}
	}
}

// Summarize starts `enqueue summarize` over a folder, in parts of 2,000 tokens.
func (in *Installation) Summarize(dir, out string, args ...string) *Process {
	in.tb.Helper()
	args = slices.Concat([]string{"summarize", dir, "--out", out, "--name", "run", "--chunk-tokens", "2000", "--prompt-cache=false", "--json"}, args)
	return Start(in.tb, []string{"LONGHAUL_REDIS_URL=" + in.RedisURL()}, "enqueue", args...)
}

// SummaryFiles are the files of a folder of summaries without what no two runs have in
// common; see [timeless].
func (in *Installation) SummaryFiles(out string) map[string]string {
	in.tb.Helper()
	entries, err := os.ReadDir(out)
	if err != nil {
		in.tb.Fatal(err)
	}
	files := make(map[string]string)
	for _, e := range entries {
		if strings.HasPrefix(e.Name(), ".") {
			continue
		}
		raw, err := os.ReadFile(filepath.Join(out, e.Name()))
		if err != nil {
			in.tb.Fatal(err)
		}
		files[e.Name()] = timeless(string(raw))
	}
	return files
}

// timeless takes out of a file what no two runs have in common: ids of jobs, times, what identifies both, and
// what it has cost, since that depends on what the provider's prompt cache had at the
// time, and on whether a create that was on its way has arrived.
func timeless(text string) string {
	for _, r := range []struct{ pattern, with string }{
		{`job_[0-9a-f]{32}`, "JOB"},
		{`<meta name="record" content="[0-9a-f]{32}">`, "RECORD"},
		{`\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d+)?Z`, "TIME"},
		{`\d{4}-\d\d-\d\d \d\d:\d\d UTC`, "TIME"},
		{`"cached_tokens": ?\d+,\s*`, ""},
		{`"(known_)?cost_usd": ?(null|[0-9.]+),\s*`, ""},
		{`"price":"[^"]*",("cost":[0-9.]+,)?`, ""},
		{`<b>[^<]*</b><span>cost of`, "<b>MONEY</b><span>cost of"},
		{`cost (of these summaries )?(unknown|\\\$[0-9.]+)( and an unknown part)?`, "cost MONEY"},
		{`\| (unknown|\\\$[0-9.]+)( and an unknown part)? \|`, "| MONEY |"},
		{`(\d+,\d+,\d+),[0-9.]*,[0-9.]*,[01],TIME`, "$1,MONEY,TIME"},
	} {
		text = regexp.MustCompile(r.pattern).ReplaceAllString(text, r.with)
	}
	return text
}

// SameFiles fails the test for each file that two folders of summaries do not have in
// common.
func (in *Installation) SameFiles(got, want map[string]string) {
	in.tb.Helper()
	names := make(map[string]bool)
	for _, files := range []map[string]string{got, want} {
		for name := range files {
			names[name] = true
		}
	}
	for _, name := range slices.Sorted(maps.Keys(names)) {
		if got[name] == want[name] {
			continue
		}
		at := 0
		for at < min(len(got[name]), len(want[name])) && got[name][at] == want[name][at] {
			at++
		}
		in.tb.Errorf("%s differs at byte %d of %d and %d:\n%.300q\nwant\n%.300q", name, at, len(got[name]), len(want[name]),
			got[name][max(0, min(at, len(got[name]))-40):], want[name][max(0, min(at, len(want[name]))-40):])
	}
}

// PaidOnce fails the test unless each request of the parts was paid for once. It returns
// how many there were.
func (in *Installation) PaidOnce(parts []jobs.Job) int {
	in.tb.Helper()
	ledger := in.Ledger()
	requests := make(map[string]jobs.ID)
	for _, part := range parts {
		if other, twice := requests[part.RequestDigest]; twice {
			in.tb.Errorf("%s and %s are the same request", part.ID, other)
		}
		requests[part.RequestDigest] = part.ID
		if n := len(ledger[part.ID]); n != 1 {
			in.tb.Errorf("%s (%s) was paid for %d times", part.ID, part.Part, n)
		}
	}
	return len(parts)
}

// SummariesThroughKills summarizes documents undisturbed and then, in a database of its
// own, with the command and the worker killed with -9 again and again, each time after a
// part of the given time. The test fails unless nothing was paid for twice and both end
// with the same files. It returns how many requests there were.
func (in *Installation) SummariesThroughKills(documents, kills int, within time.Duration, environ ...string) int {
	in.tb.Helper()
	const failed = 1 // the exit code: some documents are empty
	docs := filepath.Join(in.tb.TempDir(), "docs")
	in.PutDocuments(docs, documents)
	patience := time.Minute + time.Duration(documents)*200*time.Millisecond
	run := func(apart *Installation, out string) *Process {
		return apart.Summarize(docs, out, "--uncertain-wait", "15s")
	}

	calm, undisturbed := in.Apart(in.tb), filepath.Join(in.tb.TempDir(), "calm")
	steady := calm.Worker(environ...)
	if code := run(calm, undisturbed).WaitFor(patience); code != failed {
		in.tb.Fatalf("the undisturbed run: exit code %d, want %d", code, failed)
	}
	steady.Kill()

	rough, out := in.Apart(in.tb), filepath.Join(in.tb.TempDir(), "rough")
	// What a killed worker did not hear of, the next one is told; what it had claimed is
	// soon free.
	environ = slices.Concat(environ, rough.Webhooks(), []string{"LONGHAUL_OPENAI_LOOK_TIMEOUT=2s", "LONGHAUL_POLL_LEASE=5s"})
	for range kills {
		worker, command := rough.Worker(environ...), run(rough, out)
		time.Sleep(within/3 + time.Duration(rand.Int64N(int64(within))))
		worker.Kill()
		command.Kill()
	}
	rough.Worker(environ...)
	if code := run(rough, out).WaitFor(patience); code != failed {
		in.tb.Fatalf("the last run: exit code %d, want %d", code, failed)
	}
	requests := rough.PaidOnce(rough.Parts())
	rough.SameFiles(rough.SummaryFiles(out), calm.SummaryFiles(undisturbed))
	return requests
}
