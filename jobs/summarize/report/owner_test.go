package report_test

import (
	"testing"

	"github.com/longhaul-jobs/longhaul/jobs/summarize/report"
)

func TestOwnFilesAreKnown(t *testing.T) {
	t.Parallel()
	run := report.Run{Name: "contracts"}
	across := lease()
	across.Entry.Document, across.Entry.Output = report.AcrossDocument, report.AcrossName
	raw, err := report.JSON(across)
	if err != nil {
		t.Fatal(err)
	}
	pages := map[string]string{
		report.CSVName: table(t, lease()), report.IndexName: index(t, run, lease()), report.HTMLName: page(t, run, lease()),
		report.AcrossName: string(report.Markdown(across)), report.DataName(report.AcrossName): string(raw),
	}
	for _, name := range report.PageNames() {
		content := pages[name]
		if !report.IsPage(name, []byte(content[:min(len(content), 2048)])) {
			t.Errorf("%s is not known as this package's", name)
		}
		for _, other := range []string{"", "# Index\n", "document,name\n", "<!doctype html><title>Report</title>", `{"document": "x"}`} {
			if report.IsPage(name, []byte(other)) {
				t.Errorf("%s of another program, %q, is taken for this package's", name, other)
			}
		}
	}
}

func TestOwnSummariesAreKnown(t *testing.T) {
	t.Parallel()
	d := lease()
	raw, err := report.JSON(d)
	if err != nil {
		t.Fatal(err)
	}
	for _, content := range [][]byte{raw, report.Markdown(d)} {
		if !report.IsOf(content, d.Entry.Document) {
			t.Errorf("not known as this package's:\n%s", content)
		}
		if report.IsOf(content, "another.pdf") {
			t.Errorf("taken for the summary of another document:\n%s", content)
		}
	}
	if report.IsOf([]byte("# My notes\n\nSummary of `contracts/lease.pdf`: none yet.\n"), d.Entry.Document) {
		t.Error("somebody's notes are taken for this package's")
	}
}
