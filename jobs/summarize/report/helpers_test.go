package report_test

import (
	"bytes"
	"testing"
	"time"

	"github.com/longhaul-jobs/longhaul/jobs"
	"github.com/longhaul-jobs/longhaul/jobs/summarize"
	"github.com/longhaul-jobs/longhaul/jobs/summarize/report"
)

// lease is a document with a summary that has something of everything.
func lease() report.Document {
	return report.Document{
		Entry: summarize.Entry{
			Document: "contracts/lease.pdf", Name: "lease.pdf", Model: "gpt-4.1", Status: summarize.StatusSucceeded, Output: "contracts--lease.pdf.md",
			JobID: "j_1", Requests: 3, InputTokens: 12_345, OutputTokens: 678, Cost: new(30_100_000 * jobs.Money(1)),
			FinishedAt: time.Date(2026, 11, 26, 15, 4, 5, 0, time.UTC),
		},
		Summary: &summarize.Summary{
			Title: "Lease of Pier 9", Language: "en", Text: "The pier is let **for ten years**.\n\n- Rent rises yearly.",
			KeyPoints: []summarize.Statement{{Text: "It ends in 2031.", Sources: []summarize.Citation{
				{Unit: "Page", Number: 3, Heading: "Terms > End", Quote: "ends on 1 May 2031", Verified: true},
				{Unit: "Page", Number: 9, Quote: "in the year 2031"},
			}}},
			OpenQuestions: []summarize.Statement{{Text: "Who dredges?"}},
			Dates:         []summarize.Mention{{Value: "1 May 2031", Meaning: "end of the lease"}},
			Names:         []summarize.Mention{{Value: "Nordhafen AG", Meaning: "lessor"}},
			Numbers:       []summarize.Mention{{Value: "4.2 %", Meaning: "yearly rise"}},
			Coverage:      summarize.Coverage{Parts: 2, Levels: 1, Bytes: 40_000, Sections: 12, Unit: "Page", Sources: 2, Unverified: 1},
		},
	}
}

// refused is a document that was not summarized.
func refused() report.Document {
	return report.Document{Entry: summarize.Entry{
		Document: "contracts/secret.pdf", Status: summarize.StatusFailed,
		Error: &summarize.EntryError{Class: "invalid", Message: "the document is encrypted; save it without a password"},
	}}
}

func documents(all ...report.Document) report.Documents {
	return func(yield func(report.Document, error) bool) {
		for _, d := range all {
			if !yield(d, nil) {
				return
			}
		}
	}
}

func page(t *testing.T, run report.Run, all ...report.Document) string {
	t.Helper()
	var b bytes.Buffer
	if err := report.HTML(&b, run, documents(all...)); err != nil {
		t.Fatal(err)
	}
	return b.String()
}

func index(t *testing.T, run report.Run, all ...report.Document) string {
	t.Helper()
	var b bytes.Buffer
	if err := report.Index(&b, run, documents(all...)); err != nil {
		t.Fatal(err)
	}
	return b.String()
}

func table(t *testing.T, all ...report.Document) string {
	t.Helper()
	var b bytes.Buffer
	if err := report.CSV(&b, documents(all...)); err != nil {
		t.Fatal(err)
	}
	return b.String()
}
