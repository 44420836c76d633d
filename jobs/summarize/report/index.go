package report

import (
	"bufio"
	"fmt"
	"io"
	"net/url"
	"strings"

	"github.com/longhaul-jobs/longhaul/jobs/summarize"
)

// indexMark ends each index, and so tells it from another file of that name.
const indexMark = "<!-- index of summaries -->"

// Index writes an index of a run in Markdown: what became of it, the documents without
// a complete summary, and all others with the beginning of theirs.
func Index(w io.Writer, run Run, documents Documents) error {
	totals, err := sum(documents)
	if err != nil {
		return err
	}
	out := bufio.NewWriter(w)
	put := func(format string, args ...any) { _, _ = fmt.Fprintf(out, format, args...) } // Flush reports what fails
	put("%s\n\n# %s\n\n", indexMark, summarize.EscapeMarkdown(line(heading(run), 200)))
	if run.Question != "" {
		put("> %s\n\n", summarize.EscapeMarkdown(line(run.Question, 2000)))
	}
	for _, text := range account(run, &totals) {
		put("- %s\n", summarize.EscapeMarkdown(text))
	}
	put("\nAll of it on one page: [%s](%s). For spreadsheets: [%s](%s).\n\n", HTMLName, HTMLName, CSVName, CSVName)
	if run.Across != nil {
		put("Across all documents: [%s](%s).\n\n", AcrossName, AcrossName)
	}
	for _, failed := range []bool{true, false} {
		if err := indexSection(put, documents, failed); err != nil {
			return err
		}
	}
	if err := out.Flush(); err != nil {
		return fmt.Errorf("write the index: %w", err)
	}
	return nil
}

// indexSection lists the documents that have no complete summary, or the others.
func indexSection(put func(string, ...any), documents Documents, failed bool) error {
	heading := "## Summaries\n\n| Document | Summary | Cost |\n| --- | --- | --- |\n"
	if failed {
		heading = "## Not summarized\n\n| Document | Status | Reason |\n| --- | --- | --- |\n"
	}
	begun := false
	for d, err := range documents {
		switch {
		case err != nil:
			return err
		case (d.Entry.Status != summarize.StatusSucceeded) != failed:
			continue
		case !begun:
			begun = true
			put("%s", heading)
		}
		if failed {
			put("| %s | %s | %s |\n", indexLink(d), summarize.EscapeMarkdown(word(d.Entry.Status)), summarize.EscapeMarkdown(reason(d.Entry)))
			continue
		}
		put("| %s | %s | %s |\n", indexLink(d), summarize.EscapeMarkdown(brief(d)), summarize.EscapeMarkdown(price(d.Entry)))
	}
	if begun {
		put("\n")
	}
	return nil
}

// indexLink names a document and leads to its file, if there is one.
func indexLink(d Document) string {
	name, path := summarize.EscapeMarkdown(title(d)), summarize.EscapeMarkdown(line(d.Entry.Document, 300))
	if d.Entry.Output != "" {
		name = "[" + name + "](" + strings.NewReplacer("(", "%28", ")", "%29").Replace(url.PathEscape(d.Entry.Output)) + ")"
	}
	if name == path {
		return name
	}
	return name + "<br>" + path
}

// brief is the beginning of what is known of a document.
func brief(d Document) string {
	if d.Summary == nil {
		return ""
	}
	if d.Summary.Text == "" && len(d.Summary.Custom) > 0 {
		return line(string(d.Summary.Custom), 240)
	}
	return gist(d.Summary.Text, 240)
}

// reason says why there is no complete summary.
func reason(e summarize.Entry) string {
	switch {
	case e.Error == nil:
		return ""
	case e.Status.Open():
		return "failed before: " + line(e.Error.Message, 500)
	}
	return line(e.Error.Message, 500)
}

// heading is the heading of a run's pages.
func heading(run Run) string {
	if run.Question != "" {
		return "Answers: " + run.Name
	}
	return "Summaries: " + run.Name
}

// account says what became of a run, in a few texts.
func account(run Run, t *Totals) []string {
	states := make([]string, 0, len(t.ByStatus))
	for _, s := range t.statuses() {
		states = append(states, digits(int64(t.ByStatus[s]))+" "+word(s))
	}
	texts := []string{count(int64(t.Documents), "document") + ": " + strings.Join(states, ", ")}
	if open := t.unfinished(); open != "" {
		texts = append(texts, open)
	}
	if len(run.Settings) > 0 {
		texts = append(texts, strings.Join(run.Settings, ", "))
	}
	texts = append(texts, fmt.Sprintf("%s, %s tokens in, %s out, cost %s",
		count(int64(t.Requests), "request"), digits(t.InputTokens), digits(t.OutputTokens), t.cost()))
	if t.Sources > 0 {
		texts = append(texts, fmt.Sprintf("%s checked against the documents, %s not found there", count(int64(t.Sources), "source"), digits(int64(t.Unverified))))
	}
	if !run.Made.IsZero() {
		texts = append(texts, "made "+run.Made.UTC().Format("2006-01-02 15:04 UTC"))
	}
	return texts
}

// word is a status for people.
func word(s summarize.Status) string {
	switch s {
	case summarize.StatusHeld:
		return "held"
	case summarize.StatusSubmitted:
		return "under way"
	case summarize.StatusPending:
		return "not begun"
	case summarize.StatusSucceeded, summarize.StatusIncomplete, summarize.StatusFailed, summarize.StatusCancelled, summarize.StatusExpired:
	}
	return string(s)
}
