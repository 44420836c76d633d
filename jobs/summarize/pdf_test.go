package summarize_test

import (
	"errors"
	"fmt"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/longhaul-jobs/longhaul/internal/pdftest"
	"github.com/longhaul-jobs/longhaul/jobs/summarize"
)

func newReader(tb testing.TB, change ...func(*summarize.ReaderOptions)) *summarize.Reader {
	tb.Helper()
	opts := summarize.ReaderOptions{CacheDir: pdftest.CacheDir()}
	for _, f := range change {
		f(&opts)
	}
	r := summarize.NewReader(opts)
	tb.Cleanup(func() {
		if err := r.Close(); err != nil {
			tb.Error(err)
		}
	})
	return r
}

func pages(texts ...string) []pdftest.Page {
	var all []pdftest.Page
	for _, text := range texts {
		p := pdftest.Page{Picture: text == "picture"}
		if !p.Picture {
			p.Lines = strings.Split(text, "\n")
		}
		all = append(all, p)
	}
	return all
}

func TestPDF(t *testing.T) {
	content := pdftest.Document{Title: "Microsoft Word - The Plan", Pages: pages("Where we stand\nToday", "picture", "Where we go")}
	content.Pages[2].Heading = "Outlook"
	doc, err := newReader(t).Parse(t.Context(), "d/a.pdf", summarize.KindPDF, content.Bytes())
	if err != nil {
		t.Fatal(err)
	}
	if want := "[Page 1]\nWhere we stand\nToday\n\n[Page 2]\n(no text, only a picture)\n\n[Page 3: Outlook]\nWhere we go"; doc.Text != want {
		t.Errorf("text (-want +got):\n%s", cmp.Diff(want, doc.Text))
	}
	if doc.Title != "The Plan" || doc.Kind != summarize.KindPDF || doc.Pictures != 1 || doc.Omitted != (summarize.Omitted{}) {
		t.Errorf("document = %+v", doc)
	}
}

// What is filled in of a form is below the text of its page.
func TestPDFForms(t *testing.T) {
	field := func(name, value string) pdftest.Field {
		return pdftest.Field{Entries: fmt.Sprintf("/FT /Tx /T (%s) /V (%s)", name, value)}
	}
	content := pdftest.Document{Pages: pages("Name and place", "", "picture", "The end")}
	content.Pages[0].Fields = []pdftest.Field{field("name", "Miller"), field("place", `Lower\rTown`)}
	content.Pages[1].Fields = []pdftest.Field{field("remarks", "None"), field(" ", "Nameless")}
	content.Pages[2].Fields = []pdftest.Field{field("caption", "A map")}
	doc, err := newReader(t).Parse(t.Context(), "a.pdf", summarize.KindPDF, content.Bytes())
	if err != nil {
		t.Fatal(err)
	}
	const want = "[Page 1]\nName and place\n\n[Field: name] Miller\n[Field: place] Lower\nTown\n\n[Page 2]\n[Field: remarks] None\n[Field] Nameless\n\n" +
		"[Page 3]\n(no text, only a picture)\n\n[Field: caption] A map\n\n[Page 4]\nThe end"
	if diff := cmp.Diff(want, doc.Text); diff != "" || doc.Pictures != 1 || doc.FormLost {
		t.Errorf("document %+v, text (-want +got):\n%s", doc, diff)
	}
	// Of a form of XFA fields are read where the file has them, and else it is said that they are not.
	for _, fields := range [][]pdftest.Field{nil, {field("name", "Miller")}} {
		form := pdftest.Document{Pages: pages("Please wait"), XFA: true}
		form.Pages[0].Fields = fields
		doc, err := newReader(t).Parse(t.Context(), "a.pdf", summarize.KindPDF, form.Bytes())
		if err != nil || doc.FormLost != (fields == nil) {
			t.Errorf("with %v: %+v, error %v", fields, doc, err)
		}
	}
}

func TestPDFByAnotherName(t *testing.T) {
	r := newReader(t)
	content := pdftest.Document{Pages: pages("text")}.Bytes()
	for _, tt := range []struct {
		kind    summarize.Kind
		content string
	}{
		{summarize.KindText, string(content)},
		{summarize.KindDOCX, string(content)},
		{summarize.KindPDF, "\r\n\r\nmailed by somebody\r\n" + string(content)},
	} {
		doc, err := r.Parse(t.Context(), "name", tt.kind, []byte(tt.content))
		if err != nil || doc.Kind != summarize.KindPDF || doc.Text != "[Page 1]\ntext" {
			t.Errorf("%s: %+v, error %v", tt.kind, doc, err)
		}
	}
	doc, err := r.Parse(t.Context(), "d/name", summarize.KindPDF, zipped(t, "a", "b"))
	if !errors.Is(err, summarize.ErrMalformed) || !strings.Contains(err.Error(), "its name says PDF, but it is an archive") {
		t.Errorf("document %+v, error %v", doc, err)
	}
	_, err = r.Parse(t.Context(), "notes.pdf", summarize.KindPDF, []byte("Plain words.\n"))
	if !errors.Is(err, summarize.ErrMalformed) || !strings.Contains(err.Error(), "rename it if it is another document, such as .txt for a text") {
		t.Errorf("of a text: %v", err)
	}
}

func TestPDFThatCannotBeRead(t *testing.T) {
	r := newReader(t)
	tests := []struct {
		name    string
		content []byte
		want    error
	}{
		{"encrypted", pdftest.Document{Pages: pages("text"), Encrypted: true}.Bytes(), summarize.ErrEncrypted},
		{"scanned", pdftest.Document{Pages: pages("picture", "picture")}.Bytes(), summarize.ErrPictures},
		{"a picture and a blank page", pdftest.Document{Pages: pages("picture", "")}.Bytes(), summarize.ErrPictures},
		{"blank", pdftest.Document{Pages: pages("", "")}.Bytes(), summarize.ErrEmpty},
		{"no page", pdftest.Document{}.Bytes(), summarize.ErrEmpty},
		{"nothing", nil, summarize.ErrEmpty},
		{"broken off", pdftest.Document{Pages: pages("text")}.Bytes()[:200], summarize.ErrMalformed},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			doc, err := r.Parse(t.Context(), "d/name", summarize.KindPDF, tt.content)
			if !errors.Is(err, tt.want) {
				t.Fatalf("document %+v, error %v, want %v", doc, err, tt.want)
			}
			checkNamed(t, err, "d/name")
		})
	}
}

func TestScannedDocumentsGoAsFiles(t *testing.T) {
	r := newReader(t, func(o *summarize.ReaderOptions) { o.ScannedAsFile = true })
	for name, tt := range map[string]struct {
		pages []string
		file  bool
	}{
		"only pictures":         {[]string{"picture", "picture"}, true},
		"stamped by a scanner":  {[]string{"Scanned with X", "picture", "picture"}, true},
		"text and an endpaper":  {[]string{"text", "text", "picture"}, false},
		"text on half of pages": {[]string{"text", "picture"}, false},
	} {
		content := pdftest.Document{Title: "A", Pages: pages(tt.pages...)}.Bytes()
		doc, err := r.Parse(t.Context(), "a.pdf", summarize.KindPDF, content)
		if err != nil {
			t.Fatal(err)
		}
		if !tt.file {
			if doc.File != nil || doc.Text == "" {
				t.Errorf("%s: %+v", name, doc)
			}
			continue
		}
		want := &summarize.File{MediaType: "application/pdf", Pages: len(tt.pages), Data: content}
		if diff := cmp.Diff(want, doc.File); diff != "" || doc.Text != "" || doc.Sections != nil || doc.Title != "A" || len(doc.Hash) != 64 {
			t.Errorf("%s: %+v, file (-want +got):\n%s", name, doc, diff)
		}
	}
	for name, content := range map[string][]byte{
		"encrypted": pdftest.Document{Pages: pages("picture"), Encrypted: true}.Bytes(),
		"blank":     pdftest.Document{Pages: pages("")}.Bytes(),
	} {
		if doc, err := r.Parse(t.Context(), "a.pdf", summarize.KindPDF, content); err == nil {
			t.Errorf("%s: %+v", name, doc)
		}
	}
}

func TestMarkedDocumentsGoAsFiles(t *testing.T) {
	r := newReader(t, func(o *summarize.ReaderOptions) {
		o.AsFile = func(path string) bool { return strings.HasPrefix(path, "marked/") }
	})
	content := pdftest.Document{Pages: pages("text")}.Bytes()
	doc, err := r.Parse(t.Context(), "marked/a.pdf", summarize.KindPDF, content)
	if err != nil || doc.File == nil || doc.File.Pages != 1 {
		t.Errorf("a PDF: %+v, error %v", doc, err)
	}
	doc, err = r.Parse(t.Context(), "marked/a.tsv", summarize.KindCSV, []byte("a\tb"))
	if err != nil || doc.File == nil || doc.File.MediaType != "text/tsv" || string(doc.File.Data) != "a\tb" {
		t.Errorf("a table: %+v, error %v", doc, err)
	}
	if doc, err = r.Parse(t.Context(), "a.pdf", summarize.KindPDF, content); err != nil || doc.File != nil {
		t.Errorf("one that is not marked: %+v, error %v", doc, err)
	}
	_, err = r.Parse(t.Context(), "marked/a.txt", summarize.KindText, make([]byte, summarize.MaxFileBytes+1))
	if !errors.Is(err, summarize.ErrFileTooLarge) || !strings.Contains(err.Error(), "50,000,000") {
		t.Errorf("one that is too large: %v", err)
	}
	_, err = r.Parse(t.Context(), "marked/a.epub", summarize.KindEPUB, epubOf(t, "<p>a", "<p>b"))
	if !errors.Is(err, summarize.ErrUnsupported) {
		t.Errorf("one that the API does not take: %v", err)
	}
}

func TestMaxPages(t *testing.T) {
	limited := func(n int, more ...func(*summarize.ReaderOptions)) *summarize.Reader {
		return newReader(t, append(more, func(o *summarize.ReaderOptions) { o.MaxPages = n })...)
	}
	content := pdftest.Document{Pages: pages("one", "two", "three")}.Bytes()
	doc, err := limited(2).Parse(t.Context(), "a.pdf", summarize.KindPDF, content)
	if err != nil || doc.Text != "[Page 1]\none\n\n[Page 2]\ntwo" || doc.Omitted != (summarize.Omitted{Count: 1, Unit: "Page"}) {
		t.Errorf("a PDF: %+v, error %v", doc, err)
	}
	title := `<a:p><a:r><a:t>Title</a:t></a:r></a:p>`
	deck := slides(t, shape(`<p:ph type="ctrTitle"/>`, title), "", "")
	doc, err = limited(1).Parse(t.Context(), "a.pptx", summarize.KindPPTX, deck)
	if err != nil || doc.Omitted != (summarize.Omitted{Count: 1, Unit: "Slide"}) || len(doc.Sections) != 1 {
		t.Errorf("a presentation: %+v, error %v", doc, err)
	}
	scanned := pdftest.Document{Pages: pages("picture", "picture")}.Bytes()
	doc, err = limited(1, func(o *summarize.ReaderOptions) { o.ScannedAsFile = true }).Parse(t.Context(), "a.pdf", summarize.KindPDF, scanned)
	if !errors.Is(err, summarize.ErrOversize) {
		t.Errorf("a file cannot be cut: %+v, error %v", doc, err)
	}
	many := pdftest.Document{Pages: make([]pdftest.Page, summarize.DefaultPages+1)}.Bytes()
	if doc, err = newReader(t).Parse(t.Context(), "a.pdf", summarize.KindPDF, many); !errors.Is(err, summarize.ErrOversize) || !strings.Contains(err.Error(), "10001 pages") {
		t.Errorf("too many pages: %d sections, error %v", len(doc.Sections), err)
	}
}
