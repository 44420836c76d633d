package main

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/vbauerster/mpb/v8"

	"github.com/longhaul-jobs/longhaul/internal/testlog"
	"github.com/longhaul-jobs/longhaul/jobs"
)

// A run of ten thousand documents takes a few lines of a terminal, and what fails is told
// above them, a few at a time.
func TestBarOfManyDocumentsIsBounded(t *testing.T) {
	t.Parallel()
	var out testlog.Buffer
	c := newConsole(&out)
	p := &progress{account: newAccount(time.Now()), pulse: &pulse{}, say: c.say}
	for i := range 100 {
		p.account.fail(failure{order: i, Name: fmt.Sprintf("doc-%d.pdf", i), Class: jobs.ClassInvalid, Message: "it is empty"})
	}
	p.tell()
	p.tell()
	if got := strings.Count(out.String(), "it is empty"); got != 5 || !strings.Contains(out.String(), "and 95 more failures, which the end tells of\n") {
		t.Errorf("of 100 failures it says\n%s", out.String())
	}
	d := newBarDisplay(t.Context(), c, mpb.WithAutoRefresh(), mpb.WithWidth(72), mpb.WithRefreshRate(time.Millisecond))
	budget := 60 * jobs.Dollar
	v := view{title: "summarize", totals: totals{Total: 10_000, Succeeded: 1_236, Failed: 4}, work: &work{budget: &budget, requests: 64, more: true}}
	v.work.spent.Responses, v.work.spent.Cost, v.work.spent.InputTokens = 9, 25*jobs.Dollar, 12_300_000
	for i := range shownWork {
		v.work.lines = append(v.work.lines, fmt.Sprintf("doc-%d.pdf: part 1 of 40, 3s", i))
	}
	d.show(v)
	until(t, "a frame", func() bool { return strings.Contains(out.String(), "doc-3.pdf: part 1 of 40, 3s") })
	v.final = true
	d.stop(v)
	for _, want := range []string{"summarize 1,240/10,000", "more than 64 requests under way", "spent $25.0000 of $60.0000"} {
		if !strings.Contains(out.String(), want) {
			t.Errorf("the bar does not show %q:\n%q", want, out.String())
		}
	}
}
