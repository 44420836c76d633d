package report

import (
	"bufio"
	"cmp"
	"crypto/sha256"
	_ "embed" // of what the page is made of
	"encoding/base64"
	"encoding/json"
	"fmt"
	"html/template"
	"io"
	"strings"
	"time"

	"github.com/yuin/goldmark"

	"github.com/longhaul-jobs/longhaul/jobs"
	"github.com/longhaul-jobs/longhaul/jobs/summarize"
)

var (
	//go:embed page.css
	pageStyle string
	//go:embed page.js
	pageScript string
	//go:embed page.html.tmpl
	pageTemplate string
)

// page is what the head of the HTML page says.
type page struct {
	Title, Kind, Name, Settings, Question, Foot, Record string

	// Remarks are what a reader should know before all else.
	Remarks []string

	// Policy forbids the page everything but its own style and script.
	Policy    string
	Style     template.CSS
	Documents string
	Tiles     []tile
	Shares    []share
}

type tile struct{ Value, Label string }

// share is how many documents have a status.
type share struct {
	Status, Word string
	N            int
}

// HTML writes one page with all documents of a run. It asks nothing of the network, and
// holds the documents as data of which its script shows some at a time, so that it
// stays usable with ten thousand of them.
func HTML(w io.Writer, run Run, documents Documents) error {
	totals, err := sum(documents)
	if err != nil {
		return err
	}
	return writeHTML(w, run, &totals, documents)
}

// writeHTML is [HTML] where the sums over the documents are known.
func writeHTML(w io.Writer, run Run, totals *Totals, documents Documents) error {
	head, err := template.New("").Parse(pageTemplate)
	if err != nil {
		return fmt.Errorf("read the page's template: %w", err)
	}
	out := bufio.NewWriter(w)
	if err := head.ExecuteTemplate(out, "head", newPage(run, totals)); err != nil {
		return fmt.Errorf("write the report: %w", err)
	}
	if err := writeData(out, run, documents); err != nil {
		return err
	}
	_, _ = out.WriteString("<script>" + pageScript + "</script>\n</body>\n</html>\n")
	if err := out.Flush(); err != nil {
		return fmt.Errorf("write the report: %w", err)
	}
	return nil
}

func newPage(run Run, t *Totals) page {
	all := t.with(run.Across)
	p := page{
		Title: heading(run), Kind: "Summaries", Name: line(run.Name, 200), Settings: strings.Join(run.Settings, " · "), Question: line(run.Question, 2000),
		Policy: policy(), Style: template.CSS(pageStyle), //nolint:gosec // it is this package's own
		Documents: digits(int64(t.Documents)), Remarks: t.remarks(), Record: run.Record,
	}
	if run.Question != "" {
		p.Kind = "Answers"
	}
	p.Foot = "Written by Longhaul. Statements are a model's; a source with a tick was found in its document word for word."
	if !run.LastEnd.IsZero() {
		p.Foot += " The last document ended " + run.LastEnd.UTC().Format("2006-01-02 15:04 UTC") + "."
	}
	for _, s := range t.statuses() {
		p.Shares = append(p.Shares, share{Status: string(s), Word: word(s), N: t.ByStatus[s]})
	}
	p.Tiles = []tile{
		{digits(int64(t.Documents)), documentsLabel(t)},
		{digits(all.InputTokens), "tokens read"},
		{digits(all.OutputTokens), "tokens written"},
		{all.cost(), "cost of these summaries, " + count(int64(all.Requests), "request")},
	}
	if t.Sources > 0 {
		p.Tiles = append(p.Tiles, tile{digits(int64(t.Sources - t.Unverified)), "of " + count(int64(t.Sources), "source") + " verified"})
	}
	if t.Uncheckable > 0 {
		p.Tiles = append(p.Tiles, tile{digits(int64(t.Uncheckable)), "not checkable: given as files"})
	}
	return p
}

// documentsLabel says what became of the documents.
func documentsLabel(t *Totals) string {
	things := strings.TrimLeft(count(int64(t.Documents), "document"), "0123456789, ")
	done := t.ByStatus[summarize.StatusSucceeded]
	if done == t.Documents {
		return things + ", all summarized"
	}
	return things + ", " + digits(int64(t.Documents-done)) + " not fully summarized"
}

// policy allows the page its own style and script, by their content, and nothing else.
func policy() string {
	digest := func(text string) string {
		sum := sha256.Sum256([]byte(text))
		return "'sha256-" + base64.StdEncoding.EncodeToString(sum[:]) + "'"
	}
	return "default-src 'none'; style-src " + digest(pageStyle) + "; script-src " + digest(pageScript) +
		"; base-uri 'none'; form-action 'none'"
}

// record is a document as the page's script reads it.
type record struct {
	Path   string `json:"path"`
	Title  string `json:"title"`
	Status string `json:"status"`
	Word   string `json:"word"`
	Reason string `json:"reason,omitempty"`
	Note   string `json:"note,omitempty"`
	// Unanswered is set where the document does not answer the question.
	Unanswered string `json:"unanswered,omitempty"`
	Gist       string `json:"gist,omitempty"`
	// HTML is the summary; see [converter].
	HTML       string              `json:"html,omitempty"`
	Custom     string              `json:"custom,omitempty"`
	Points     []point             `json:"points,omitempty"`
	Questions  []point             `json:"questions,omitempty"`
	Dates      []summarize.Mention `json:"dates,omitempty"`
	Names      []summarize.Mention `json:"names,omitempty"`
	Numbers    []summarize.Mention `json:"numbers,omitempty"`
	Coverage   string              `json:"coverage,omitempty"`
	Origin     string              `json:"origin,omitempty"`
	Size       string              `json:"size,omitempty"`
	Price      string              `json:"price,omitempty"`
	Cost       *jobs.Money         `json:"cost,omitempty"`
	Tokens     int64               `json:"tokens"`
	Unverified int                 `json:"unverified,omitempty"`
	At         string              `json:"at,omitempty"`
	File       string              `json:"file,omitempty"`
	Data       string              `json:"data,omitempty"`
	Missing    []string            `json:"missing,omitempty"`
	Raw        []string            `json:"raw,omitempty"`
}

// point is a statement as the page's script reads it.
type point struct {
	Text    string     `json:"text"`
	Sources []evidence `json:"sources"`
}

// evidence is a citation; Doubt and Bad are as [doubt] has them.
type evidence struct {
	summarize.Citation

	Doubt string `json:"doubt,omitempty"`
	Bad   bool   `json:"bad,omitempty"`
}

func pointsOf(statements []summarize.Statement, of summarize.Coverage) []point {
	points := make([]point, len(statements))
	for i, s := range statements {
		points[i] = point{Text: s.Text, Sources: make([]evidence, len(s.Sources))}
		for j, c := range s.Sources {
			why, bad := doubt(c, of)
			points[i].Sources[j] = evidence{c, why, bad}
		}
	}
	return points
}

// writeData writes the documents as JSON. Its encoder escapes all that could end a
// script or begin a comment in one.
func writeData(out *bufio.Writer, run Run, documents Documents) error {
	put := func(text string) { _, _ = out.WriteString(text) } // Flush reports what fails
	md := converter()
	across := []byte("null")
	if run.Across != nil {
		r, err := newRecord(md, *run.Across)
		if err != nil {
			return err
		}
		if across, err = json.Marshal(r); err != nil {
			return fmt.Errorf("encode the summary across documents: %w", err)
		}
	}
	put(`<script type="application/json" id="across-data">` + string(across) + "</script>\n")
	put(`<script type="application/json" id="data">[`)
	separator := "\n"
	for d, err := range documents {
		if err != nil {
			return err
		}
		r, err := newRecord(md, d)
		if err != nil {
			return err
		}
		raw, err := json.Marshal(r)
		if err != nil {
			return fmt.Errorf("encode %s: %w", d.Entry.Document, err)
		}
		put(separator)
		put(string(raw))
		separator = ",\n"
	}
	put("\n]</script>\n")
	return nil
}

func newRecord(md goldmark.Markdown, d Document) (record, error) {
	e := d.Entry
	r := record{
		Path: e.Document, Title: title(d), Status: string(e.Status), Word: word(e.Status), Reason: reason(e), Note: remark(e),
		Gist: brief(d), Price: price(e), Cost: cmp.Or(e.Cost, e.KnownCost), Tokens: e.InputTokens + e.OutputTokens, File: e.Output, Data: DataName(e.Output),
		Origin: facts(e),
	}
	if !e.FinishedAt.IsZero() {
		r.At = e.FinishedAt.UTC().Format(time.RFC3339)
	}
	s := d.Summary
	if s == nil {
		return r, nil
	}
	var err error
	if r.HTML, err = toHTML(md, s.Text); err != nil {
		return r, err
	}
	if len(s.Custom) > 0 {
		r.Custom = indented(s.Custom)
	}
	r.Points, r.Questions = pointsOf(s.KeyPoints, s.Coverage), pointsOf(s.OpenQuestions, s.Coverage)
	r.Dates, r.Names, r.Numbers = s.Dates, s.Names, s.Numbers
	r.Coverage, r.Missing, r.Raw = coverage(s.Coverage), s.Coverage.Missing, s.Raw
	_, r.Unverified, _ = checked(s)
	if s.Answered != nil && !*s.Answered {
		r.Unanswered = unanswered(s.Coverage)
	}
	if c := s.Coverage; c.Sections > 0 {
		r.Size = count(int64(c.Sections), strings.ToLower(line(c.Unit, 40)))
	}
	return r, nil
}

// facts say what a summary rests on, beside the document.
func facts(e summarize.Entry) string {
	var parts []string
	if e.Model != "" {
		parts = append(parts, e.Model)
	}
	if e.Requests > 0 {
		parts = append(parts, count(int64(e.Requests), "request"))
	}
	if e.InputTokens+e.OutputTokens > 0 {
		parts = append(parts, digits(e.InputTokens)+" tokens in, "+digits(e.OutputTokens)+" out")
	}
	if e.JobID != "" {
		parts = append(parts, "job "+e.JobID)
	}
	if !e.FinishedAt.IsZero() {
		parts = append(parts, e.FinishedAt.UTC().Format("2006-01-02 15:04 UTC"))
	}
	return strings.Join(parts, " · ")
}

// DataName is the name of the JSON file beside a Markdown file from
// [summarize.OutputName], "" for none.
func DataName(output string) string {
	if output == "" {
		return ""
	}
	return strings.TrimSuffix(output, ".md") + ".json"
}
