package report

import (
	"bufio"
	"bytes"
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
	var o overview
	for d, err := range documents {
		if err != nil {
			return err
		}
		o.add(d)
	}
	return o.write(w, run)
}

// overview is what the index says of documents, and what the other pages sum up.
type overview struct {
	totals Totals
	// failed and done are the rows about documents without and with a complete summary.
	failed, done bytes.Buffer
}

func (o *overview) add(d Document) {
	o.totals.add(d)
	row := func(to *bytes.Buffer, cells ...string) {
		_, _ = fmt.Fprintf(to, "| %s | %s | %s |\n", indexLink(d), summarize.EscapeMarkdown(cells[0]), summarize.EscapeMarkdown(cells[1])) // a buffer takes all
	}
	if d.Entry.Status != summarize.StatusSucceeded {
		row(&o.failed, word(d.Entry.Status), reason(d.Entry))
		return
	}
	row(&o.done, brief(d), price(d.Entry))
}

// write writes the index.
func (o *overview) write(w io.Writer, run Run) error {
	out := bufio.NewWriter(w)
	put := func(format string, args ...any) { _, _ = fmt.Fprintf(out, format, args...) } // Flush reports what fails
	put("%s\n\n# %s\n\n", indexMark, summarize.EscapeMarkdown(line(heading(run), 200)))
	if run.Question != "" {
		put("> %s\n\n", summarize.EscapeMarkdown(line(run.Question, 2000)))
	}
	for _, text := range account(run, &o.totals) {
		put("- %s\n", summarize.EscapeMarkdown(text))
	}
	put("\nAll of it on one page: [%s](%s). For spreadsheets: [%s](%s).\n\n", HTMLName, HTMLName, CSVName, CSVName)
	if run.Across != nil {
		put("Across all documents: [%s](%s).\n\n", AcrossName, AcrossName)
	}
	for _, section := range []struct {
		heading string
		rows    *bytes.Buffer
	}{
		{"## Not summarized\n\n| Document | Status | Reason |\n| --- | --- | --- |\n", &o.failed},
		{"## Summaries\n\n| Document | Summary | Cost |\n| --- | --- | --- |\n", &o.done},
	} {
		if section.rows.Len() > 0 {
			put("%s%s\n", section.heading, section.rows.Bytes())
		}
	}
	if err := out.Flush(); err != nil {
		return fmt.Errorf("write the index: %w", err)
	}
	return nil
}

// indexLink names a document and leads to its file, if there is one.
func indexLink(d Document) string {
	name, path := summarize.EscapeMarkdown(title(d)), summarize.EscapeMarkdown(line(d.Entry.Document, 300))
	if d.Entry.Output != "" {
		name = "[" + name + "](" + strings.NewReplacer("(", "%28", ")", "%29").Replace(url.PathEscape(d.Entry.Output)) + ")"
	}
	if name != path {
		name += "<br>" + path
	}
	if d.Entry.Gone {
		name += "<br>(" + noLongerThere + ")"
	}
	return name
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
	texts = append(texts, t.remarks()...)
	if len(run.Settings) > 0 {
		texts = append(texts, strings.Join(run.Settings, ", "))
	}
	all := t.with(run.Across)
	texts = append(texts, fmt.Sprintf("%s, %s tokens in, %s out, cost of these summaries %s",
		count(int64(all.Requests), "request"), digits(all.InputTokens), digits(all.OutputTokens), all.cost()))
	var sources []string
	if t.Sources > 0 {
		sources = append(sources, fmt.Sprintf("%s checked against the documents, %s not found there", count(int64(t.Sources), "source"), digits(int64(t.Unverified))))
	}
	if t.Uncheckable > 0 {
		sources = append(sources, count(int64(t.Uncheckable), "source")+" not checkable: given as files")
	}
	if len(sources) > 0 {
		texts = append(texts, strings.Join(sources, "; "))
	}
	if !run.LastEnd.IsZero() {
		texts = append(texts, "the last document ended "+run.LastEnd.UTC().Format("2006-01-02 15:04 UTC"))
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
