package main

import (
	"fmt"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/longhaul-jobs/longhaul/internal/testlog"
	"github.com/longhaul-jobs/longhaul/jobs"
	"github.com/longhaul-jobs/longhaul/jobs/summarize"
	"github.com/longhaul-jobs/longhaul/jobs/summarize/report"
)

// BenchmarkPages writes the pages about ten thousand short documents.
func BenchmarkPages(b *testing.B) {
	const documents = 10_000
	out := b.TempDir()
	folder, err := summarize.OpenFolder(out)
	if err != nil {
		b.Fatal(err)
	}
	defer func() { _ = folder.Close() }()
	var entries []summarize.Entry
	for i := range documents {
		path := fmt.Sprintf("docs/%05d.md", i)
		e := summarize.Entry{
			Document: path, Name: "A document", Fingerprint: "f", SHA256: "s", Model: "gpt-4.1", Status: summarize.StatusSucceeded, Output: summarize.OutputName(path),
			JobID: fmt.Sprintf("job_%032x", i), Requests: 1, InputTokens: 1200, OutputTokens: 300, Cost: new(jobs.Money(80_000)), FinishedAt: time.Unix(int64(i), 0).UTC(),
		}
		entries = append(entries, e)
		raw, err := report.JSON(report.Document{Entry: e, Summary: gist(i)})
		if err != nil {
			b.Fatal(err)
		}
		if err := os.WriteFile(filepath.Join(out, report.DataName(e.Output)), raw, 0o600); err != nil {
			b.Fatal(err)
		}
	}
	if err := folder.RecordAll(entries); err != nil {
		b.Fatal(err)
	}
	r := &summarizeRun{cli: &cli{console: newConsole(&testlog.Buffer{}), silence: time.Second}, folder: folder, summarizeFlags: summarizeFlags{out: out}}
	for b.Loop() {
		r.changed.Store(true)
		if err := r.writePages(b.Context()); err != nil {
			b.Fatal(err)
		}
	}
}

// gist is a short summary with something of everything.
func gist(i int) *summarize.Summary {
	s := &summarize.Summary{
		Title: fmt.Sprintf("Minutes of meeting %d", i), Language: "en",
		Text:     "The harbour board met **twice** and agreed on:\n\n- the new wall, which is *rebuilt* by 2027;\n- the fees for moorings, which rise by 4 % a year.\n\nNothing was said of the dredging.",
		Coverage: summarize.Coverage{Parts: 1, Bytes: 4000, Sections: 3, Unit: "Page", Sources: 6},
	}
	for n := range 6 {
		s.KeyPoints = append(s.KeyPoints, summarize.Statement{Text: fmt.Sprintf("Point %d of the agreement binds both sides.", n), Sources: []summarize.Citation{
			{Unit: "Page", Number: n%3 + 1, Heading: "Terms > Works", Quote: "shall rebuild the wall no later than 31 December 2027", Verified: true},
		}})
		s.Names = append(s.Names, summarize.Mention{Value: fmt.Sprintf("Nordhafen %d AG", n), Meaning: "lessor"})
	}
	return s
}
