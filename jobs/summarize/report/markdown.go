package report

import (
	"bytes"
	"strings"

	"github.com/longhaul-jobs/longhaul/jobs/summarize"
)

// Markdown returns the Markdown file of a document: its title, the question that was asked, a
// note if there is one, the summary, what it rests on, and a line that says where all this comes from.
func Markdown(d Document) []byte {
	var b bytes.Buffer
	if d.Entry.Output == AcrossName {
		b.WriteString(acrossMark + "\n")
	}
	b.WriteString("# " + summarize.EscapeMarkdown(title(d)) + "\n\n")
	if asked := line(d.Question, 20_000); asked != "" {
		b.WriteString("> **Question:** " + summarize.EscapeMarkdown(asked) + "\n\n")
	}
	if e := d.Entry.Error; e != nil {
		b.WriteString("> **No complete summary:** " + summarize.EscapeMarkdown(line(e.Message, 1000)) + "\n\n")
	}
	if note := line(d.Entry.Note, 1000); note != "" {
		b.WriteString("> **Note:** " + summarize.EscapeMarkdown(note) + "\n\n")
	}
	if d.Summary != nil {
		writeSummary(&b, d.Summary)
	}
	b.WriteString("---\n\n" + origin(d.Entry) + "\n")
	return b.Bytes()
}

// unanswered says that what was asked is not answered.
func unanswered(of summarize.Coverage) string {
	if of.Documents > 0 {
		return "the documents do not answer the question"
	}
	return "the document does not answer the question"
}

func writeSummary(b *bytes.Buffer, s *summarize.Summary) {
	if s.Answered != nil && !*s.Answered {
		b.WriteString("> **Note:** " + unanswered(s.Coverage) + "\n\n")
	}
	if text := strings.TrimSpace(s.Text); text != "" {
		b.WriteString(withoutHTML(text) + "\n\n")
	}
	if len(s.Custom) > 0 {
		b.WriteString(fenced("json", indented(s.Custom)) + "\n\n")
	}
	writeStatements(b, "Key points", s.KeyPoints, s.Coverage)
	writeStatements(b, "Open questions", s.OpenQuestions, s.Coverage)
	writeMentions(b, "Dates", s.Dates)
	writeMentions(b, "Names", s.Names)
	writeMentions(b, "Numbers", s.Numbers)
	if text := coverage(s.Coverage); text != "" {
		b.WriteString("## Coverage\n\n" + summarize.EscapeMarkdown(text) + ".\n\n")
	}
	if len(s.Coverage.Missing) > 0 {
		b.WriteString("Not read:\n\n")
		for _, missing := range s.Coverage.Missing {
			b.WriteString("- " + summarize.EscapeMarkdown(line(missing, 1000)) + "\n")
		}
		b.WriteByte('\n')
	}
	for _, raw := range s.Raw {
		b.WriteString("## Answer that could not be used\n\n" + fenced("", raw) + "\n\n")
	}
}

func writeStatements(b *bytes.Buffer, heading string, statements []summarize.Statement, of summarize.Coverage) {
	if len(statements) == 0 {
		return
	}
	b.WriteString("## " + heading + "\n\n")
	for _, s := range statements {
		b.WriteString("- " + summarize.EscapeMarkdown(line(s.Text, 4000)) + "\n")
		for _, c := range s.Sources {
			b.WriteString("  - " + source(c, of) + "\n")
		}
	}
	b.WriteByte('\n')
}

// source writes a citation; one that the document does not bear out says so, and so does
// one of a document that nobody here has read.
func source(c summarize.Citation, of summarize.Coverage) string {
	var parts []string
	if where := place(c); where != "" {
		parts = append(parts, "*"+summarize.EscapeMarkdown(where)+"*")
	}
	if quote := line(c.Quote, 1000); quote != "" {
		parts = append(parts, "“"+summarize.EscapeMarkdown(quote)+"”")
	}
	text := strings.Join(parts, ": ")
	switch why, bad := doubt(c, of); {
	case bad:
		text = strings.TrimLeft(text+" **(unverified: "+why+")**", " ")
	case why != "":
		text = strings.TrimLeft(text+" ("+why+")", " ")
	}
	return text
}

func writeMentions(b *bytes.Buffer, heading string, mentions []summarize.Mention) {
	if len(mentions) == 0 {
		return
	}
	b.WriteString("## " + heading + "\n\n")
	for _, m := range mentions {
		b.WriteString("- **" + summarize.EscapeMarkdown(line(m.Value, 300)) + "**")
		if meaning := line(m.Meaning, 1000); meaning != "" {
			b.WriteString(": " + summarize.EscapeMarkdown(meaning))
		}
		b.WriteByte('\n')
	}
	b.WriteByte('\n')
}

// origin says where a summary comes from and what it has cost.
func origin(e summarize.Entry) string {
	parts := []string{"Summary of " + codeSpan(e.Document)}
	for _, part := range []struct{ label, value string }{{"model", e.Model}, {"job", e.JobID}} {
		if part.value != "" {
			parts = append(parts, part.label+" "+codeSpan(part.value))
		}
	}
	if e.InputTokens+e.OutputTokens > 0 {
		parts = append(parts, digits(e.InputTokens)+" tokens in, "+digits(e.OutputTokens)+" out")
	}
	if paid := price(e); paid != "" {
		parts = append(parts, "cost "+summarize.EscapeMarkdown(paid))
	}
	if !e.FinishedAt.IsZero() {
		parts = append(parts, e.FinishedAt.UTC().Format("2006-01-02 15:04 UTC"))
	}
	return strings.Join(parts, " · ")
}

// codeSpan quotes text as code. The fence is longer than any run of backticks inside,
// and blanks keep those at the ends apart from it.
func codeSpan(s string) string {
	s = line(s, 1000)
	n := longestRun(s)
	if n == 0 {
		return "`" + s + "`"
	}
	fence := strings.Repeat("`", n+1)
	return fence + " " + s + " " + fence
}

// fenced quotes lines as code.
func fenced(language, text string) string {
	fence := strings.Repeat("`", max(3, longestRun(text)+1))
	return fence + language + "\n" + text + "\n" + fence
}

// longestRun is the length of the longest run of backticks.
func longestRun(s string) int {
	longest, run := 0, 0
	for _, r := range s {
		if r != '`' {
			run = 0
			continue
		}
		run++
		longest = max(longest, run)
	}
	return longest
}
