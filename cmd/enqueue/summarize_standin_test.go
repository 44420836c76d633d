package main

import (
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/longhaul-jobs/longhaul/jobs/summarize"
	"github.com/longhaul-jobs/longhaul/jobs/summarize/report"
)

// standIn is summarize with --dev.
func (l *library) standIn(args ...string) outcome {
	l.t.Helper()
	return call(l.t.Context(), quick(), "", append([]string{"summarize", l.dir, "--out", l.out, "--dev"}, args...)...)
}

// What the stand-in says is marked, and is no summary for a command without --dev, which
// asks the model.
func TestSummarizeAsksTheModelAfterTheStandIn(t *testing.T) {
	t.Parallel()
	l := newLibrary(t)
	path := l.put("a.md", "The harbour was rebuilt after the storm.")
	l.standIn("--across").want(t, 0)
	for _, name := range []string{report.IndexName, report.HTMLName} {
		if page := l.pages()[name]; !strings.Contains(page, "answered by the stand-in of") {
			t.Errorf("%s does not say who has answered", name)
		}
	}

	l.employ(reads)
	if forecast := l.dryRun("--across"); forecast.Documents != 1 {
		t.Errorf("the dry run says %+v, want one document", forecast)
	}
	l.summarize("--only-new").want(t, 0)
	l.summarize("--across").want(t, 0)
	if page := l.pages()[report.IndexName]; strings.Contains(page, "stand-in") {
		t.Error("the index still speaks of the stand-in")
	}
	across := readText(t, filepath.Join(l.out, report.DataName(report.AcrossName)))
	if entry := l.data(path).Entry; entry.Status != summarize.StatusSucceeded || entry.StandIn() || strings.Contains(across, "stand-in:") {
		t.Errorf("the record says %+v, and of all documents\n%s", entry, across)
	}
}

// What the stand-in says takes the place of no model's summary.
func TestSummarizeSparesTheModelsSummaries(t *testing.T) {
	t.Parallel()
	l := newLibrary(t)
	l.put("a.md", "The harbour was rebuilt.")
	l.employ(reads)
	l.summarize().want(t, 0)
	before := l.pages()
	l.put("a.md", "The harbour was rebuilt again.")
	l.standIn().want(t, 2).says(t, "--dev: ", "by a model", "--out")
	if diff := cmp.Diff(before, l.pages()); diff != "" {
		t.Errorf("the folder has changed (-before +after):\n%s", diff)
	}
	l.standIn("--force").want(t, 0)
}
