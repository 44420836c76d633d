package main

import (
	"fmt"
	"path/filepath"
	"strings"
	"testing"

	"github.com/longhaul-jobs/longhaul/jobs"
	"github.com/longhaul-jobs/longhaul/jobs/summarize/report"
)

// priced answers with a usage that costs $0.0011 and has saved $0.0015, and where the
// input says so, by a model without a price.
func priced(request jobs.Request, attempt int) jobs.Event {
	model := "gpt-4.1"
	if strings.HasPrefix(inputOf(request), "dear") {
		model = "dear"
	}
	return created(attempt, fmt.Sprintf(`{"id":"resp_%s","status":"completed","model":%q,"output":[%s],"usage":{"input_tokens":1100,`+
		`"input_tokens_details":{"cached_tokens":1000,"cache_write_tokens":0},"output_tokens":50,"output_tokens_details":{"reasoning_tokens":30},"total_tokens":1150}}`,
		request.Digest()[:12], model, message(formed(request, "answer"))))
}

// The table at the end says what a run has cost, with what was cached and what was only
// thought, and what the cache has saved; a cost that nobody knows is unknown.
func TestRunsSayWhatTheyCost(t *testing.T) {
	t.Parallel()
	b := newBench(t)
	b.work(priced)
	file := putFile(t, "in.jsonl", batchOf("one", "two"))
	got := b.call("", "batch", file).want(t, 0).stdout
	for _, want := range []string{
		"2,200 in (2,000 cached), 100 out (60 reasoning)\n", "cost          $0.0022\n", "prompt cache  saved $0.0030\n",
	} {
		shows(t, got, want)
	}
	more := putFile(t, "more.jsonl", batchOf("one", "dear", "dearer"))
	got = b.call("", "batch", more, "--group", "batch-in").want(t, 0).stdout
	shows(t, got, "cost          $0.0011, and what is unknown of 2 jobs: no price for model dear, set prices.dear; $0.0011 of that before this command\n")
	report := decode[batchReport](t, b.call("", "batch", more, "--group", "batch-in", "--json").want(t, 0).stdout)
	if report.Cost == nil || *report.Cost != 1_100_000 || report.EarlierCost != 1_100_000 || report.CostUnknown != 2 || report.CachedTokens != 3000 || report.ReasoningTokens != 90 || len(report.CostWhy) != 1 {
		t.Errorf("the report is %+v", report)
	}
	all := putFile(t, "all.jsonl", batchOf("dear"))
	shows(t, b.call("", "batch", all).want(t, 0).stdout, "cost       unknown: no price for model dear, set prices.dear\n")
	if out := b.call("", "batch", all, "--json").want(t, 0).stdout; !strings.Contains(out, `"cost_usd":null,"cost_unknown":1`) {
		t.Errorf("the report is %s", out)
	}
	shows(t, b.call("", "list", "--group", "batch-in").want(t, 0).stdout, "  ?  ")
}

// What a document that had failed has cost before, and what of that nobody knows, is said to
// be of before, whether it fails again without a request or is tried again with one.
func TestSummariesSayWhatWasSpentBefore(t *testing.T) {
	t.Parallel()
	l := newLibrary(t)
	l.employ(func(request jobs.Request, attempt int) jobs.Event {
		switch text := inputOf(request); {
		case strings.Contains(text, "Fails once.") && attempt == 1:
			return created(attempt, `{"id":"resp_failed","status":"failed","error":{"code":"content_filter","message":"not allowed"}}`)
		case strings.Contains(text, "Fails once."):
			return priced(request, attempt)
		}
		return priced(jobs.Request{Raw: []byte(`{"input":"no summary"}`)}, attempt)
	})
	l.put("misshapen.md", "A document.")
	first := decode[summarizeReport](t, l.summarize("--json").want(t, 1).stdout)
	second := decode[summarizeReport](t, l.summarize("--json").want(t, 1).stdout)
	if *first.Cost == 0 || first.EarlierCost != 0 || *second.Cost != *first.Cost || second.EarlierCost != *first.Cost || second.EarlierInputTokens != first.InputTokens {
		t.Errorf("the first reports %+v and the second %+v", first, second)
	}
	flaky := l.put("flaky.md", "Fails once.")
	l.call("", "summarize", filepath.Join(l.dir, "flaky.md"), "--out", l.out).want(t, 1)
	got := l.call("", "summarize", filepath.Join(l.dir, "flaky.md"), "--out", l.out).want(t, 0).stdout
	shows(t, got, "$0.0011; what is unknown of 1 job: ")
	shows(t, got, ", was before this command\n")
	if d := l.data(flaky).Entry; d.Cost != nil || d.KnownCost == nil || *d.KnownCost != 1_100_000 {
		t.Errorf("of a document of which one attempt has no known cost: %+v", d)
	}
	group, err := groupOf(l.out)
	if err != nil {
		t.Fatal(err)
	}
	shows(t, l.call("", "run", group).want(t, 1).stdout, "cost          $0.0033, and what is unknown of 1 response\n")
	shows(t, l.summary(flaky), `cost \$0.0011 and an unknown part`)
	shows(t, readText(t, filepath.Join(l.out, report.IndexName)), `cost of these summaries \$0.0033 and an unknown part`)
}

// The manifest has what each summary cost.
func TestSummariesSayWhatTheyCost(t *testing.T) {
	t.Parallel()
	l := newLibrary(t)
	l.employ(priced)
	path := l.put("a.md", "A document.")
	shows(t, l.summarize().want(t, 0).stdout, "prompt cache  saved $0.0015\n")
	manifest := readText(t, filepath.Join(l.out, "summaries.jsonl"))
	if !strings.Contains(manifest, `"input_tokens":1100,"output_tokens":50,"cached_tokens":1000,"reasoning_tokens":30,"cost_usd":0.0011`) {
		t.Errorf("the manifest says of %s:\n%s", path, manifest)
	}
}

func TestSpent(t *testing.T) {
	t.Parallel()
	bill := func(cost jobs.Money) *jobs.Bill { return &jobs.Bill{Cost: &cost, Saved: -5_000_000} }
	nobody := &jobs.Bill{Unknown: "the provider did not say what was used"}
	for _, test := range []struct {
		name               string
		attempts           []jobs.Attempt
		text, short, whole string
		saved              string
	}{
		{"nothing", []jobs.Attempt{{}}, "", "-", "$0.00", ""},
		{"one", []jobs.Attempt{{Bill: bill(1_000_000)}}, "$0.001", "$0.0010", "$0.001", "cost $0.0050 more than it has saved so far"},
		{"nobody knows", []jobs.Attempt{{Bill: nobody}}, "unknown: the provider did not say what was used", "?", "", ""},
		{"some is known", []jobs.Attempt{{Bill: bill(1_000_000)}, {Bill: nobody}}, "$0.001 and what is unknown: the provider did not say what was used", "$0.0010+?", "", "cost $0.0050 more than it has saved so far"},
	} {
		s, whole := spentOn(jobs.Job{Attempts: test.attempts}), ""
		if m := s.whole(); m != nil {
			whole = m.String()
		}
		if s.String() != test.text || s.short() != test.short || whole != test.whole || cacheSaved(s.saved) != test.saved {
			t.Errorf("%s: %q, %q, %q and %q", test.name, s, s.short(), whole, cacheSaved(s.saved))
		}
	}
}
