package main

import (
	"path/filepath"
	"time"

	"github.com/longhaul-jobs/longhaul/jobs/summarize"
	"github.com/longhaul-jobs/longhaul/jobs/summarize/report"
)

// summarizeReport is what --json prints at the end.
type summarizeReport struct {
	Out   string `json:"out"`
	Group string `json:"group"`
	// Report is the page about all of it.
	Report string `json:"report"`
	// Stopped says why the rest waits, "" if nothing does.
	Stopped string `json:"stopped,omitempty"`
	totals
}

// report says what became of the documents.
func (r *summarizeRun) report(idle bool) error {
	t := r.account.totals(time.Now(), true)
	page := filepath.Join(r.out, report.HTMLName)
	if r.json {
		if err := r.print(summarizeReport{Out: r.out, Group: r.job.Group, Report: page, Stopped: r.stuck, totals: t}); err != nil {
			return err
		}
	} else {
		if err := r.writeEnd(t, " in "+filepath.Join(r.out, summarize.ManifestName)); err != nil {
			return err
		}
		if r.stuck != "" {
			if err := printLine(r.stdout, "stopped: %s", r.stuck); err != nil {
				return err
			}
		}
		said := "summaries are in " + r.out + "; " + page + " shows them all"
		if idle {
			said = "nothing was submitted; " + said
		}
		if err := printLine(r.stdout, "%s", said); err != nil {
			return err
		}
	}
	if !t.clean() {
		return errReported
	}
	return nil
}
