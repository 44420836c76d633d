package main

import (
	"cmp"
	"fmt"
	"io"
	"slices"
	"strings"
	"text/tabwriter"
	"time"

	"github.com/longhaul-jobs/longhaul/jobs"
)

// maxShownFailures bounds the failures in a summary for people; files and
// --json have them all.
const maxShownFailures = 20

// writeEnd writes the table at the end of a run whose failures were told as they came:
// who has read them there does not read them again.
func (c *cli) writeEnd(t totals, more string) error {
	if c.console.shows(c.stdout) {
		t.Failures = slices.DeleteFunc(slices.Clone(t.Failures), func(f failure) bool { return f.told })
	}
	return writeTotals(c.stdout, t, more)
}

// writeTotals writes the table at the end of a run. more says where the failures
// that are not shown can be found.
func writeTotals(w io.Writer, t totals, more string) error {
	var b strings.Builder
	columns := tabwriter.NewWriter(&b, 0, 0, 2, ' ', 0)
	row := func(name string, n int, always bool) {
		if n > 0 || always {
			_, _ = fmt.Fprintf(columns, "%s\t%s\n", name, formatCount(int64(n))) // a Builder takes everything
		}
	}
	row("succeeded", t.Succeeded, true)
	row("incomplete", t.Incomplete, false)
	row("failed", t.Failed, true)
	row("cancelled", t.Cancelled, false)
	row("expired", t.Expired, false)
	row("held", t.Held, false)
	row("unchanged", t.Skipped, false)
	row("left alone", t.LeftAlone, false)
	row("not finished", t.open(), false)
	if t.Shared > 0 {
		_, _ = fmt.Fprintf(columns, "shared\t%s of these, paid for by another run\n", formatCount(int64(t.Shared)))
	}
	if t.Across != "" {
		_, _ = fmt.Fprintf(columns, "across\t%s\n", t.acrossWord())
	}
	earlier := ""
	if t.EarlierInputTokens+t.EarlierOutputTokens > 0 {
		earlier = fmt.Sprintf("; %s in, %s out of that before this command", formatCount(t.EarlierInputTokens), formatCount(t.EarlierOutputTokens))
	}
	used := jobs.Usage{
		InputTokens: t.InputTokens, CachedTokens: t.CachedTokens, CacheWriteTokens: t.CacheWriteTokens,
		OutputTokens: t.OutputTokens, ReasoningTokens: t.ReasoningTokens,
	}
	_, _ = fmt.Fprintf(columns, "tokens\t%s%s\n", formatUsage(used), earlier)
	if t.Cost != nil || t.CostUnknown > 0 {
		_, _ = fmt.Fprintf(columns, "cost\t%s\n", t.text())
	}
	if saved := cacheSaved(t.Saved); saved != "" {
		_, _ = fmt.Fprintf(columns, "prompt cache\t%s\n", saved)
	}
	_, _ = fmt.Fprintf(columns, "elapsed\t%s\n", formatElapsed(time.Duration(t.Elapsed*float64(time.Second))))
	_ = columns.Flush()
	for i, f := range t.Failures {
		if i == maxShownFailures {
			fmt.Fprintf(&b, "and %s more%s\n", formatCount(int64(len(t.Failures)-i)), more)
			break
		}
		b.WriteString(f.line() + "\n")
	}
	if _, err := io.WriteString(w, b.String()); err != nil {
		return fmt.Errorf("write summary: %w", err)
	}
	return nil
}

// line is a failure on one line: who, what kind, and why.
func (f failure) line() string {
	line := printable(f.Name) + ": " + kindOf(f)
	if f.Message != "" {
		line += ": " + printable(f.Message)
	}
	if f.JobID != "" && string(f.JobID) != f.Name {
		line += " (" + string(f.JobID) + ")"
	}
	return line
}

// kindOf is the class of a failure, or the state that says it all.
func kindOf(f failure) string { return cmp.Or(string(f.Class), string(f.State)) }
