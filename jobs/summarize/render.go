package summarize

import (
	"bytes"
	"strings"
	"time"
)

// Page is what the file about one document says.
type Page struct {
	// Title is the heading, usually [Document.Heading].
	Title string
	// Text is what the model wrote, in Markdown.
	Text string
	// Note is a remark for the reader, such as why the summary is incomplete.
	Note string
	// Document is the path of the document.
	Document string
	// Model is the model that wrote the summary.
	Model string
	// JobID and ResponseID lead to the job and to OpenAI's response.
	JobID, ResponseID string
	// FinishedAt is when the summary was finished; the zero time is left out.
	FinishedAt time.Time
}

// Render returns the Markdown file of a summary: the title, the note if there
// is one, the text, and a line that says where all this comes from. The same
// summary gives the same bytes.
func Render(s Page) []byte {
	var b bytes.Buffer
	b.WriteString("# " + escapeMarkdown(oneLine(s.Title, titleRunes)) + "\n\n")
	if note := oneLine(s.Note, 1000); note != "" {
		b.WriteString("> **Note:** " + escapeMarkdown(note) + "\n\n")
	}
	if text := strings.TrimSpace(s.Text); text != "" {
		b.WriteString(text + "\n\n")
	}
	b.WriteString("---\n\nSummary of " + codeSpan(s.Document))
	for _, part := range []struct{ label, value string }{
		{"model", s.Model},
		{"job", s.JobID},
		{"response", s.ResponseID},
	} {
		if part.value != "" {
			b.WriteString(" · " + part.label + " " + codeSpan(part.value))
		}
	}
	if !s.FinishedAt.IsZero() {
		b.WriteString(" · " + s.FinishedAt.UTC().Format("2006-01-02 15:04 UTC"))
	}
	b.WriteByte('\n')
	return b.Bytes()
}

// escapeMarkdown has text read as text in the middle of Markdown.
func escapeMarkdown(s string) string {
	var b strings.Builder
	for _, r := range s {
		if strings.ContainsRune("\\`*_[]<>&#|~", r) {
			b.WriteByte('\\')
		}
		b.WriteRune(r)
	}
	return b.String()
}

// codeSpan quotes text as code. The fence is longer than any run of backticks
// inside, and blanks keep those at the ends apart from it.
func codeSpan(s string) string {
	s = oneLine(s, 1000)
	longest, run := 0, 0
	for _, r := range s {
		if r != '`' {
			run = 0
			continue
		}
		run++
		longest = max(longest, run)
	}
	if longest == 0 {
		return "`" + s + "`"
	}
	fence := strings.Repeat("`", longest+1)
	return fence + " " + s + " " + fence
}
