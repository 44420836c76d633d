package report_test

import (
	"encoding/csv"
	"encoding/json"
	"errors"
	"io"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"

	"github.com/longhaul-jobs/longhaul/jobs"
	"github.com/longhaul-jobs/longhaul/jobs/summarize"
	"github.com/longhaul-jobs/longhaul/jobs/summarize/report"
)

func TestMarkdownHasAllOfASummary(t *testing.T) {
	t.Parallel()
	const want = `# Lease of Pier 9

The pier is let **for ten years**.

- Rent rises yearly.

## Key points

- It ends in 2031.
  - *Page 3, Terms \> End*: “ends on 1 May 2031”
  - *Page 9*: “in the year 2031” **(unverified: not found there)**

## Open questions

- Who dredges?

## Dates

- **1 May 2031**: end of the lease

## Names

- **Nordhafen AG**: lessor

## Numbers

- **4.2 %**: yearly rise

## Coverage

12 pages (40,000 bytes of text) read in 2 parts, merged on 1 level; 2 sources, 1 of them not found in the document.

---

Summary of ` + "`contracts/lease.pdf` · model `gpt-4.1` · job `j_1`" + ` · 12,345 tokens in, 678 out · cost \$0.030 · 2026-11-26 15:04 UTC
`
	if diff := cmp.Diff(want, string(report.Markdown(lease()))); diff != "" {
		t.Errorf("Markdown (-want +got):\n%s", diff)
	}
}

func TestMarkdownShowsTheQuestion(t *testing.T) {
	t.Parallel()
	d := lease()
	d.Question = "Who\npays <b>rent</b>?"
	if got := string(report.Markdown(d)); !strings.HasPrefix(got, "# Lease of Pier 9\n\n> **Question:** Who pays \\<b\\>rent\\</b\\>?\n\nThe pier is let") {
		t.Errorf("the file begins with\n%.300s", got)
	}
	raw, err := report.JSON(d)
	if err != nil {
		t.Fatal(err)
	}
	if read, err := report.Read(raw, d.Entry.Document); err != nil || read.Question != d.Question {
		t.Errorf("the question is read as %q, %v", read.Question, err)
	}
}

func TestMarkdownOfAPartialSummarySaysWhatIsMissing(t *testing.T) {
	t.Parallel()
	d := lease()
	d.Entry.Status, d.Entry.Note, d.Entry.Cost = summarize.StatusFailed, "2 of 9 parts are missing", nil
	d.Entry.Error = &summarize.EntryError{Class: "rejected", Message: "a part was refused"}
	got := string(report.Markdown(d))
	for _, want := range []string{
		"> **No complete summary:** a part was refused\n", "> **Note:** 2 of 9 parts are missing\n", "It ends in 2031.", "cost unknown",
	} {
		if !strings.Contains(got, want) {
			t.Errorf("the file does not say %q:\n%s", want, got)
		}
	}
}

func TestMarkdownOfAnOwnSchema(t *testing.T) {
	t.Parallel()
	d := lease()
	d.Summary = &summarize.Summary{Title: "Lease", Custom: json.RawMessage("{\"fence\":\"```\"}")}
	if got := string(report.Markdown(d)); !strings.Contains(got, "````json\n{\n  \"fence\": \"```\"\n}\n````") {
		t.Errorf("the answer is not fenced:\n%s", got)
	}
}

func TestJSONKeepsTheSummary(t *testing.T) {
	t.Parallel()
	for name, d := range map[string]report.Document{"summarized": lease(), "refused": refused()} {
		raw, err := report.JSON(d)
		if err != nil {
			t.Fatal(err)
		}
		got, err := report.Read(raw, d.Entry.Document)
		if err != nil {
			t.Fatal(err)
		}
		want := d
		want.Entry.Output = "" // where it lies, the file does not say
		if diff := cmp.Diff(want, got, cmpopts.IgnoreUnexported(summarize.Entry{})); diff != "" {
			t.Errorf("%s: document (-want +got):\n%s", name, diff)
		}
		if _, err := report.Read(raw, "another.pdf"); err == nil {
			t.Errorf("%s: the file of another document was taken for this one's", name)
		}
		var file map[string]any
		if err := json.Unmarshal(raw, &file); err != nil {
			t.Fatal(err)
		}
		if cost, known := file["cost_usd"]; !known || (cost == nil) != (d.Entry.Cost == nil) {
			t.Errorf("%s: the cost is %v", name, cost)
		}
	}
}

// Of a document that went as a file nobody here can check what is quoted, but a page that
// it does not have is one.
func TestSourcesOfAFileMayNameNoPageBeyondItsEnd(t *testing.T) {
	t.Parallel()
	d := lease()
	d.Summary.Coverage = summarize.Coverage{Parts: 1, Sections: 3, Unit: "Page", Sources: 2, Unverified: 2, File: true}
	d.Summary.KeyPoints[0].Sources[0].Verified = false // it is page 3 of 3, the other page 9
	markdown, html := string(report.Markdown(d)), page(t, report.Run{}, d)
	for _, want := range []string{
		"*Page 3, Terms \\> End*: “ends on 1 May 2031” (not checked)\n", "*Page 9*: “in the year 2031” **(unverified: the document has only 3 pages)**\n",
	} {
		if !strings.Contains(markdown, want) {
			t.Errorf("the file does not say %q:\n%s", want, markdown)
		}
	}
	for _, want := range []string{`"doubt":"not checked"}`, `"doubt":"the document has only 3 pages","bad":true}`, `"unverified":1`, ">not checkable: given as files<"} {
		if !strings.Contains(html, want) {
			t.Errorf("the page does not say %q:\n%s", want, html[strings.Index(html, `id="data"`):])
		}
	}
	if got := index(t, report.Run{}, d); !strings.Contains(got, "1 source checked against the documents, 1 not found there; 1 source not checkable: given as files\n") {
		t.Errorf("the index says\n%s", got)
	}
	if got := table(t, d); !strings.Contains(got, "[Page 3, Terms > End (not checked); Page 9 (unverified)]") {
		t.Errorf("the table says\n%s", got)
	}
	d.Summary.Coverage.Sections = 0 // how many pages it has is not known
	if got := string(report.Markdown(d)); strings.Contains(got, "unverified:") {
		t.Errorf("the file says\n%s", got)
	}
}

// column is a column of the table about documents, without its heading.
func column(t *testing.T, name string, all ...report.Document) []string {
	t.Helper()
	text, marked := strings.CutPrefix(table(t, all...), "\ufeff")
	if !marked {
		t.Error("without a byte order mark a spreadsheet guesses the encoding")
	}
	records, err := csv.NewReader(strings.NewReader(text)).ReadAll()
	if err != nil {
		t.Fatal(err)
	}
	if len(records) != len(all)+1 {
		t.Fatalf("%d lines, want a heading and %d", len(records), len(all))
	}
	at := slices.Index(records[0], name)
	if at < 0 {
		t.Fatalf("no column %s in %v", name, records[0])
	}
	var cells []string
	for _, record := range records[1:] {
		cells = append(cells, record[at])
	}
	return cells
}

func TestCSVHasALineForEachDocument(t *testing.T) {
	t.Parallel()
	for name, want := range map[string][2]string{
		"document":   {"contracts/lease.pdf", "contracts/secret.pdf"},
		"status":     {"succeeded", "failed"},
		"key_points": {"It ends in 2031. [Page 3, Terms > End; Page 9 (unverified)]", ""},
		"cost_usd":   {"0.0301", ""},
		"unverified": {"1", "0"},
		"error":      {"", "the document is encrypted; save it without a password"},
		"file":       {"contracts--lease.pdf.md", ""},
	} {
		if got := column(t, name, lease(), refused()); !slices.Equal(got, want[:]) {
			t.Errorf("%s is %q, want %q", name, got, want)
		}
	}
}

// A sum over the table is what is known of the cost of all, and of how many documents
// something is not: the same that the index says.
func TestCSVSaysWhatIsKnownOfACost(t *testing.T) {
	t.Parallel()
	whole, part, nothing, open, free := lease(), lease(), lease(), lease(), lease()
	part.Entry.Cost, part.Entry.KnownCost = nil, new(2_000_000*jobs.Money(1))
	nothing.Entry.Cost = nil
	open.Entry.Cost, open.Entry.Status = nil, summarize.StatusSubmitted
	free.Entry.Cost = new(jobs.Money)
	all := []report.Document{whole, part, nothing, open, free, refused()}
	for name, want := range map[string][]string{
		"cost_usd":       {"0.0301", "", "", "", "0.00", ""},
		"known_cost_usd": {"", "0.002", "", "", "", ""},
		"cost_unknown":   {"0", "1", "1", "0", "0", "0"},
	} {
		if got := column(t, name, all...); !slices.Equal(got, want) {
			t.Errorf("%s is %q, want %q", name, got, want)
		}
	}
	if got, want := index(t, report.Run{Name: "contracts"}, all...), "cost of these summaries \\$0.032 and an unknown part"; !strings.Contains(got, want) {
		t.Errorf("the index does not say %q:\n%s", want, got)
	}
}

func TestCSVHoldsNoFormula(t *testing.T) {
	t.Parallel()
	for text, want := range map[string]string{
		`=HYPERLINK("https://evil.example","x")`: `'=HYPERLINK("https://evil.example","x")`,
		"+1":                                     "'+1", "-1": "'-1", "@SUM(A1)": "'@SUM(A1)", "\t=1": "'\t=1", "\ufeff=1": "'\ufeff=1", "＝1": "'＝1", "|cmd": "'|cmd",
		"\x1b[31mred\a": "\ufffd[31mred\ufffd", "\u009b2J": "\ufffd2J", "a\tb\nc": "a\tb\nc", "\x00=1": "\ufffd=1",
		"plain = text": "plain = text", "": "", "5 - 3": "5 - 3",
	} {
		d := lease()
		d.Summary.Text = text
		records, err := csv.NewReader(strings.NewReader(table(t, d))).ReadAll()
		if err != nil {
			t.Fatal(err)
		}
		if got := records[1][4]; got != want {
			t.Errorf("the cell of %q is %q, want %q", text, got, want)
		}
	}
	d := lease()
	d.Summary.Text = strings.Repeat("ä", 40_000)
	if got := table(t, d); !strings.Contains(got, "(cut; the JSON file has all of it)") || strings.Count(got, "ä") > 32_000 {
		t.Error("a text that no cell can hold is not cut, or does not say so")
	}
}

func TestIndexNamesWhatFailedFirst(t *testing.T) {
	t.Parallel()
	got := index(t, report.Run{Name: "contracts", Settings: []string{"gpt-4.1"}}, lease(), refused())
	for _, want := range []string{
		"# Summaries: contracts\n", "- 2 documents: 1 succeeded, 1 failed\n", "cost of these summaries \\$0.030\n",
		"| secret.pdf<br>contracts/secret.pdf | failed | the document is encrypted; save it without a password |\n",
		"| [Lease of Pier 9](contracts--lease.pdf.md)<br>contracts/lease.pdf | The pier is let for ten years. - Rent rises yearly. | \\$0.030 |\n",
	} {
		if !strings.Contains(got, want) {
			t.Errorf("the index does not say %q:\n%s", want, got)
		}
	}
	if strings.Index(got, "secret.pdf") > strings.Index(got, "lease.pdf") {
		t.Errorf("what failed does not come first:\n%s", got)
	}
}

func TestAnUnknownCostIsNotZero(t *testing.T) {
	t.Parallel()
	d := lease()
	d.Entry.Cost = nil
	for name, got := range map[string]string{"index": index(t, report.Run{}, d), "page": page(t, report.Run{}, d), "file": string(report.Markdown(d))} {
		if !strings.Contains(got, "unknown") || strings.Contains(got, "$0.00") {
			t.Errorf("the %s does not say that the cost is unknown:\n%s", name, got)
		}
	}
	if got := index(t, report.Run{}, d, lease()); !strings.Contains(got, `cost of these summaries \$0.030 and an unknown part`) {
		t.Errorf("of two documents the index says\n%s", got)
	}
}

// The pages sum up what the summaries on them have cost, with the one over all documents;
// an open document has no cost yet that could be unknown.
func TestTotalsAreOfWhatIsShown(t *testing.T) {
	t.Parallel()
	open, across := lease(), lease()
	open.Entry.Status, open.Entry.Cost, open.Entry.Requests, open.Entry.InputTokens, open.Entry.OutputTokens = summarize.StatusSubmitted, nil, 0, 0, 0
	across.Entry.Document, across.Entry.Output = report.AcrossDocument, report.AcrossName
	run := report.Run{Across: &across}
	if got, want := index(t, run, lease(), open), `6 requests, 24,690 tokens in, 1,356 out, cost of these summaries \$0.060`+"\n"; !strings.Contains(got, want) {
		t.Errorf("the index does not say %q:\n%s", want, got)
	}
	got := page(t, run, lease(), open)
	for _, want := range []string{"$0.060<", "cost of these summaries, 6 requests", "24,690"} {
		if !strings.Contains(got, want) {
			t.Errorf("the page does not say %q", want)
		}
	}
}

func TestAnErrorEndsWhatIsWritten(t *testing.T) {
	t.Parallel()
	broken := errors.New("the disk is gone")
	all := report.Documents(func(yield func(report.Document, error) bool) {
		_ = yield(lease(), nil) && yield(report.Document{}, broken)
	})
	for name, write := range map[string]func(io.Writer) error{
		"page":  func(w io.Writer) error { return report.HTML(w, report.Run{}, all) },
		"index": func(w io.Writer) error { return report.Index(w, report.Run{}, all) },
		"table": func(w io.Writer) error { return report.CSV(w, all) },
	} {
		if err := write(io.Discard); !errors.Is(err, broken) {
			t.Errorf("%s: %v, want %v", name, err, broken)
		}
	}
}

func TestTheSameDocumentsGiveTheSameBytes(t *testing.T) {
	t.Parallel()
	run := report.Run{Name: "contracts"}
	first := page(t, run, lease(), refused())
	if again := page(t, run, lease(), refused()); first != again {
		t.Error("two pages about the same differ")
	}
	d := lease()
	d.Entry.Cost = new(jobs.Dollar)
	if other := page(t, run, d, refused()); first == other {
		t.Error("another cost gives the same page")
	}
}

// What is open says so on the pages, and what of it failed before.
func TestPagesTellWhatIsOpen(t *testing.T) {
	t.Parallel()
	again, found := refused(), lease()
	again.Entry.Status, again.Entry.JobID = summarize.StatusSubmitted, "j_2"
	found.Entry = summarize.Entry{Document: "contracts/new.pdf", Status: summarize.StatusPending}
	found.Summary = nil
	run := report.Run{Name: "contracts", Record: "abc123"}
	for name, text := range map[string]string{"the index": index(t, run, lease(), again, found), "the page": page(t, run, lease(), again, found)} {
		for _, want := range []string{"not finished: 2 documents are open; the same command goes on with them", "under way", "not begun", "failed before: the document is encrypted"} {
			if !strings.Contains(text, want) {
				t.Errorf("%s does not say %q:\n%s", name, want, text)
			}
		}
	}
	if got := report.RecordOf([]byte(page(t, run, lease())[:2048])); got != run.Record {
		t.Errorf("the page is made from %q, want %q", got, run.Record)
	}
	if got := report.RecordOf([]byte(page(t, report.Run{}, lease())[:2048])); got != "" {
		t.Errorf("a page that does not say so is made from %q", got)
	}
}

// All pages are made in a few passes over the documents, whose summaries lie in files, and
// are what each of them is by itself.
func TestPagesGoTwiceThroughTheDocuments(t *testing.T) {
	t.Parallel()
	run, all := report.Run{Name: "contracts"}, []report.Document{lease(), refused()}
	passes := 0
	counted := func(yield func(report.Document, error) bool) {
		passes++
		documents(all...)(yield)
	}
	got := make(map[string]string)
	err := report.Pages(run, counted, func(name string, write func(io.Writer) error) error {
		var b strings.Builder
		defer func() { got[name] = b.String() }()
		return write(&b)
	})
	if err != nil {
		t.Fatal(err)
	}
	want := map[string]string{report.CSVName: table(t, all...), report.IndexName: index(t, run, all...), report.HTMLName: page(t, run, all...)}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("pages (-want +got):\n%s", diff)
	}
	if passes != report.Passes {
		t.Errorf("%d passes, want %d", passes, report.Passes)
	}
	broken := errors.New("a summary cannot be read")
	failing := func(yield func(report.Document, error) bool) { yield(report.Document{}, broken) }
	if err := report.Pages(run, failing, func(_ string, write func(io.Writer) error) error { return write(io.Discard) }); !errors.Is(err, broken) {
		t.Errorf("the error is %v, want %v", err, broken)
	}
}

// When the pages were made nobody is told, for they are the same however often they are: they
// say when the last document ended.
func TestPagesSayWhenTheLastDocumentEnded(t *testing.T) {
	t.Parallel()
	run := report.Run{LastEnd: time.Date(2026, 3, 1, 10, 30, 0, 0, time.UTC)}
	if got := index(t, run, lease()); !strings.Contains(got, "the last document ended 2026-03-01 10:30 UTC\n") {
		t.Errorf("the index says\n%s", got)
	}
	if got := page(t, run, lease()); !strings.Contains(got, "The last document ended 2026-03-01 10:30 UTC.") {
		t.Errorf("the page says\n%s", got)
	}
}

// One document does not answer, or all of them do not.
func TestAnUnansweredQuestionIsThatOfAllDocuments(t *testing.T) {
	t.Parallel()
	d := lease()
	d.Summary.Answered = new(bool)
	for documents, want := range []string{"the document does not answer the question", "the documents do not answer the question"} {
		d.Summary.Coverage.Documents = 2 * documents
		if got := string(report.Markdown(d)); !strings.Contains(got, "> **Note:** "+want+"\n") {
			t.Errorf("the file does not say %q:\n%s", want, got)
		}
		if got := page(t, report.Run{Across: &d}); !strings.Contains(got, want) {
			t.Errorf("the page does not say %q", want)
		}
	}
}
