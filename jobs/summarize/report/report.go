// Package report writes what people read of a run of summaries: a Markdown and a JSON
// file for each document, and for the run a table for spreadsheets, an index in
// Markdown and one HTML page that needs nothing but itself.
//
// What it is given comes from documents and from a model, so it trusts none of it: in
// each format all that is not the summary's own Markdown is escaped, and of that
// Markdown no page gets raw HTML, pictures or links that could run something. The same
// documents give the same bytes.
//
// It refuses to know where the files go, and how a document came by its summary.
package report

import (
	"encoding/json"
	"errors"
	"fmt"
	"iter"
	"path"
	"slices"
	"strings"
	"time"

	"github.com/longhaul-jobs/longhaul/jobs"
	"github.com/longhaul-jobs/longhaul/jobs/summarize"
)

// The names of the files about a whole run.
const (
	CSVName    = "summaries.csv"
	IndexName  = "index.md"
	HTMLName   = "report.html"
	AcrossName = "across.md"
)

// AcrossDocument is what the summary over all documents is a summary of.
const AcrossDocument = "all documents"

// Document is a document and what became of it.
type Document struct {
	// Entry is its line of the manifest.
	Entry summarize.Entry
	// Summary is nil if there is none. One that failed may have a partial one.
	Summary *summarize.Summary
	// Question is what was asked, "" for a summary.
	Question string
}

// Documents are those of a run, in the order in which they are shown. An error ends
// what is being written.
type Documents iter.Seq2[Document, error]

// Run is what the pages say of all documents together.
type Run struct {
	// Name is the name of the run.
	Name string
	// Question is what was asked of each document, "" for summaries.
	Question string
	// Settings say how the summaries were made, in a few words each, such as
	// "in German".
	Settings []string
	// LastEnd is when the last of the documents ended; the zero time is left out.
	LastEnd time.Time
	// Across is the summary of all documents together, nil without one. Its citations
	// name the paths of documents.
	Across *Document
	// Record identifies what the pages are made from; [RecordOf] reads it back.
	Record string
}

// documentFile is the JSON file of a document.
type documentFile struct {
	Document    string                `json:"document"`
	Name        string                `json:"name"`
	Fingerprint string                `json:"fingerprint"`
	Status      summarize.Status      `json:"status"`
	Note        string                `json:"note,omitempty"`
	Error       *summarize.EntryError `json:"error,omitempty"`
	Question    string                `json:"question,omitempty"`
	Summary     *summarize.Summary    `json:"summary"`
	Model       string                `json:"model"`
	JobID       string                `json:"job_id"`
	Usage       usage                 `json:"usage"`
	Cost        *jobs.Money           `json:"cost_usd"`
	KnownCost   *jobs.Money           `json:"known_cost_usd,omitempty"`
	FinishedAt  time.Time             `json:"finished_at,omitzero"`
}

// usage is what the requests for a document used.
type usage struct {
	Requests        int   `json:"requests"`
	InputTokens     int64 `json:"input_tokens"`
	CachedTokens    int64 `json:"cached_tokens"`
	OutputTokens    int64 `json:"output_tokens"`
	ReasoningTokens int64 `json:"reasoning_tokens"`
}

// JSON returns the JSON file of a document. Its cost is null if it is not known.
func JSON(d Document) ([]byte, error) {
	e := d.Entry
	raw, err := json.MarshalIndent(documentFile{
		Document: e.Document, Name: e.Name, Fingerprint: e.Fingerprint, Status: e.Status, Note: e.Note, Error: e.Error, Question: d.Question, Summary: d.Summary,
		Model: e.Model, JobID: e.JobID,
		Usage: usage{
			Requests: e.Requests, InputTokens: e.InputTokens, CachedTokens: e.CachedTokens,
			OutputTokens: e.OutputTokens, ReasoningTokens: e.ReasoningTokens,
		},
		Cost: e.Cost, KnownCost: e.KnownCost, FinishedAt: e.FinishedAt,
	}, "", "  ")
	if err != nil {
		return nil, fmt.Errorf("encode the summary of %s: %w", e.Document, err)
	}
	return append(raw, '\n'), nil
}

// Read reads the JSON file of a document.
func Read(raw []byte, document string) (Document, error) {
	var f documentFile
	if err := json.Unmarshal(raw, &f); err != nil {
		return Document{}, fmt.Errorf("read the summary of %s: %w", document, err)
	}
	if f.Document != document {
		return Document{}, errors.New("this is the summary of another document, not of " + document)
	}
	return Document{Summary: f.Summary, Question: f.Question, Entry: summarize.Entry{
		Document: f.Document, Name: f.Name, Fingerprint: f.Fingerprint, Status: f.Status, Note: f.Note, Error: f.Error,
		Model: f.Model, JobID: f.JobID, Requests: f.Usage.Requests, InputTokens: f.Usage.InputTokens, CachedTokens: f.Usage.CachedTokens,
		OutputTokens: f.Usage.OutputTokens, ReasoningTokens: f.Usage.ReasoningTokens, Cost: f.Cost, KnownCost: f.KnownCost, FinishedAt: f.FinishedAt,
	}}, nil
}

// Totals are the sums over documents.
type Totals struct {
	Documents int
	// ByStatus counts the documents.
	ByStatus map[summarize.Status]int
	paid
	// StandIn counts the documents that a stand-in has answered for.
	StandIn int
	// Gone counts those that are no longer where they were.
	Gone int
	// Sources counts the citations that could be checked, Unverified those of them that are
	// wrong, and Uncheckable those of documents that were given as files.
	Sources, Unverified, Uncheckable int
}

// paid is what summaries were paid for, those that are shown: what earlier versions of a
// document have cost is not among it.
type paid struct {
	Requests                  int
	InputTokens, OutputTokens int64
	// Cost is what is known of the cost, of CostKnown documents; CostUnknown cost
	// something else, maybe beside that.
	Cost                   jobs.Money
	CostKnown, CostUnknown int
}

// pay counts what was paid for a summary. An open one has no cost yet.
func (p *paid) pay(e summarize.Entry) {
	p.Requests += e.Requests
	p.InputTokens += e.InputTokens
	p.OutputTokens += e.OutputTokens
	switch {
	case e.Cost != nil:
		p.Cost += *e.Cost
		p.CostKnown++
	case e.KnownCost != nil:
		p.Cost += *e.KnownCost
		p.CostKnown++
		p.CostUnknown++
	case e.JobID != "" && !e.Status.Open():
		p.CostUnknown++
	}
}

// with is what was paid for the documents and the summary over all of them, if there is one.
func (p *paid) with(across *Document) paid {
	all := *p
	if across != nil {
		all.pay(across.Entry)
	}
	return all
}

// add counts a document.
func (t *Totals) add(d Document) {
	if t.ByStatus == nil {
		t.ByStatus = make(map[summarize.Status]int)
	}
	e := d.Entry
	t.Documents++
	if e.StandIn() {
		t.StandIn++
	}
	if e.Gone {
		t.Gone++
	}
	t.ByStatus[e.Status]++
	t.pay(e)
	if d.Summary != nil {
		all, wrong, unknown := checked(d.Summary)
		t.Sources += all
		t.Unverified += wrong
		t.Uncheckable += unknown
	}
}

// statuses are those that documents have, in the order in which they are shown.
func (t *Totals) statuses() []summarize.Status {
	order := []summarize.Status{
		summarize.StatusSucceeded, summarize.StatusIncomplete, summarize.StatusFailed, summarize.StatusCancelled,
		summarize.StatusExpired, summarize.StatusHeld, summarize.StatusSubmitted, summarize.StatusPending,
	}
	var found []summarize.Status
	for _, s := range order {
		if t.ByStatus[s] > 0 {
			found = append(found, s)
		}
	}
	return found
}

// unfinished says that documents are open, "" if none is.
func (t *Totals) unfinished() string {
	switch open := t.ByStatus[summarize.StatusSubmitted] + t.ByStatus[summarize.StatusPending]; open {
	case 0:
		return ""
	case 1:
		return "not finished: 1 document is open; the same command goes on with it"
	default:
		return "not finished: " + count(int64(open), "document") + " are open; the same command goes on with them"
	}
}

// stoodIn says that a stand-in was asked, "" if it was not.
func (t *Totals) stoodIn() string {
	switch t.StandIn {
	case 0:
		return ""
	case t.Documents:
		return "answered by the stand-in of --dev, not by a model; the same command without --dev asks the model"
	}
	return count(int64(t.StandIn), "document") + " answered by the stand-in of --dev, not by a model; the same command without --dev asks the model"
}

// gone says that documents are no longer where they were, "" if all are.
func (t *Totals) gone() string {
	switch t.Gone {
	case 0:
		return ""
	case 1:
		return "1 document is no longer where it was: it was removed or renamed"
	default:
		return count(int64(t.Gone), "document") + " are no longer where they were: they were removed or renamed"
	}
}

// remark is what a reader should know of a document, "" for most.
func remark(e summarize.Entry) string {
	switch {
	case !e.Gone:
		return e.Note
	case e.Note == "":
		return noLongerThere
	}
	return noLongerThere + "; " + e.Note
}

// noLongerThere is said of a document that was removed or renamed.
const noLongerThere = "the document is no longer there"

// remarks are what a reader should know before all else.
func (t *Totals) remarks() []string {
	return slices.DeleteFunc([]string{t.stoodIn(), t.unfinished(), t.gone()}, func(text string) bool { return text == "" })
}

// sum counts all documents.
func sum(documents Documents) (Totals, error) {
	var t Totals
	for d, err := range documents {
		if err != nil {
			return t, err
		}
		t.add(d)
	}
	return t, nil
}

// cost says what is known of the cost of all.
func (p *paid) cost() string {
	switch {
	case p.CostUnknown > 0 && p.CostKnown == 0:
		return "unknown"
	case p.CostUnknown > 0:
		return dollars(p.Cost) + " and an unknown part"
	}
	return dollars(p.Cost)
}

// price says what a document has cost, "" if it has cost nothing.
func price(e summarize.Entry) string {
	switch {
	case e.Cost != nil:
		return dollars(*e.Cost)
	case e.KnownCost != nil:
		return dollars(*e.KnownCost) + " and an unknown part"
	case e.JobID != "" && !e.Status.Open():
		return "unknown"
	}
	return ""
}

// title is what people call a document.
func title(d Document) string {
	if d.Summary != nil && strings.TrimSpace(d.Summary.Title) != "" {
		return line(d.Summary.Title, 200)
	}
	if d.Entry.Name != "" {
		return line(d.Entry.Name, 200)
	}
	return line(path.Base(d.Entry.Document), 200) // the whole of it stands below
}

// place says where in a document a citation is from, such as "Page 3, Terms > Payment".
func place(c summarize.Citation) string {
	var parts []string
	if c.Document != "" {
		parts = append(parts, line(c.Document, 300))
	}
	if c.Unit != "" && c.Number > 0 {
		parts = append(parts, fmt.Sprintf("%s %d", line(c.Unit, 40), c.Number))
	}
	if c.Heading != "" {
		parts = append(parts, line(c.Heading, 300))
	}
	return strings.Join(parts, ", ")
}

// coverage says how a document was read, such as "12 pages (30,211 bytes) read in 3
// parts, merged on 1 level".
func coverage(c summarize.Coverage) string {
	if c.Parts == 0 && c.Documents == 0 && !c.File {
		return ""
	}
	text := count(int64(c.Bytes), "byte") + " of text"
	switch {
	case c.File:
		text = "given to the model as a file, so its sources were not verified"
		if c.Sections > 0 {
			text = count(int64(c.Sections), strings.ToLower(line(c.Unit, 40))) + ", " + text
		}
		return text
	case c.Documents > 0:
		text = count(int64(c.Documents), "document")
	case c.Sections > 0:
		text = count(int64(c.Sections), strings.ToLower(line(c.Unit, 40))) + " (" + text + ")"
	}
	if c.Documents == 0 {
		text += " read in " + count(int64(c.Parts), "part")
	}
	if c.Levels > 0 {
		text += ", merged on " + count(int64(c.Levels), "level")
	}
	if c.Sources > 0 {
		text += "; " + count(int64(c.Sources), "source")
		if c.Unverified > 0 {
			text += ", " + count(int64(c.Unverified), "") + " of them not found in the document"
		}
	}
	return text
}
