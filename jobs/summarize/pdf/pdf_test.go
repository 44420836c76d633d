package pdf_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/longhaul-jobs/longhaul/internal/pdftest"
	"github.com/longhaul-jobs/longhaul/jobs/summarize/pdf"
)

func newReader(tb testing.TB, change ...func(*pdf.Config)) *pdf.Reader {
	tb.Helper()
	config := pdf.Config{CacheDir: pdftest.CacheDir()}
	for _, f := range change {
		f(&config)
	}
	r := pdf.New(config)
	tb.Cleanup(func() {
		if err := r.Close(); err != nil {
			tb.Error(err)
		}
	})
	return r
}

func TestRead(t *testing.T) {
	r := newReader(t)
	lines := func(lines ...string) pdftest.Page { return pdftest.Page{Lines: lines} }
	tests := []struct {
		name string
		doc  pdftest.Document
		opts pdf.Options
		want pdf.Document
	}{
		{
			"lines, pages and the title",
			pdftest.Document{Title: "Plan (B)", Pages: []pdftest.Page{lines("First line", "Über Café"), lines("(2) \\ two")}},
			pdf.Options{},
			pdf.Document{Title: "Plan (B)", Total: 2, Pages: []pdf.Page{{Text: "First line\nÜber Café"}, {Text: "(2) \\ two"}}},
		},
		{
			"the outline names pages until its next entry",
			pdftest.Document{Pages: []pdftest.Page{lines("a"), {Heading: "One", Lines: []string{"b"}}, lines("c"), {Heading: "Two", Lines: []string{"d"}}}},
			pdf.Options{},
			pdf.Document{Total: 4, Pages: []pdf.Page{{Text: "a"}, {Heading: "One", Text: "b"}, {Heading: "One", Text: "c"}, {Heading: "Two", Text: "d"}}},
		},
		{
			"pictures and blank pages",
			pdftest.Document{Pages: []pdftest.Page{{Picture: true}, {}, {Picture: true, Lines: []string{"caption"}}}},
			pdf.Options{},
			pdf.Document{Total: 3, Pages: []pdf.Page{{Drawn: true}, {}, {Text: "caption"}}},
		},
		{
			"the first pages only",
			pdftest.Document{Pages: []pdftest.Page{lines("a"), lines("b"), lines("c")}},
			pdf.Options{Pages: 2},
			pdf.Document{Total: 3, Pages: []pdf.Page{{Text: "a"}, {Text: "b"}}},
		},
		{
			"words divided at the end of a line",
			pdftest.Document{Pages: []pdftest.Page{lines("It was extra-", "ordinary, a well-", "known fact in 1914-", "1918 and a two-", "Part thing"), lines("a well-known one")}},
			pdf.Options{},
			pdf.Document{Total: 2, Pages: []pdf.Page{{Text: "It was extraordinary, a well-known fact in 1914-\n1918 and a two-Part thing"}, {Text: "a well-known one"}}},
		},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			got, err := r.Read(t.Context(), tt.doc.Bytes(), tt.opts)
			if err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(tt.want, got); diff != "" {
				t.Errorf("document (-want +got):\n%s", diff)
			}
		})
	}
}

// What is filled in of a form comes with its page, in the order of the page: what a reader
// of the form is shown, and not what is hidden or a password.
func TestFieldsOfForms(t *testing.T) {
	r := newReader(t)
	doc := pdftest.Document{Pages: []pdftest.Page{
		{Lines: []string{"Application"}, Fields: []pdftest.Field{
			{Entries: `/FT /Tx /T (name) /TU (Your name) /V (M\374ller, \(Jo\))`},
			{Entries: `/FT /Tx /T (empty) /V ()`},
			{Entries: `/FT /Tx /T (address) /Ff 4096 /V (1 High Street\rTown)`},
			{Entries: `/FT /Tx /T (utf16) /V <FEFF6771D83DDE00>`},
			{Entries: `/FT /Tx /T (pin) /Ff 8192 /V (1234)`},
			{Entries: `/FT /Tx /T (sum) /F 2 /V (hidden)`},
			{Entries: `/FT /Ch /T (country) /Ff 131072 /Opt [[(de) (Germany)] [(fr) (France)]] /V (fr)`},
			{Entries: `/FT /Ch /T (typed) /Ff 393216 /Opt [(One)] /V (Another)`},
			{Entries: `/FT /Ch /T (languages) /Ff 2097152 /Opt [(English) (French) (German)] /V [(English) (German)]`},
			{Entries: `/FT /Btn /T (send) /Ff 65536 /V (x)`},
		}},
		{Picture: true, Fields: []pdftest.Field{
			{Entries: `/FT /Btn /T (agrees) /V /Yes /AS /Yes /AP << /N << /Yes 4 0 R /Off 4 0 R >> >>`},
			{Entries: `/FT /Btn /T (not) /V /Off /AS /Off /AP << /N << /Yes 4 0 R /Off 4 0 R >> >>`},
			{Entries: `/FT /Btn /T (colour) /Ff 32768 /V /Red`, Boxes: []string{
				`/AS /Off /AP << /N << /Blue 4 0 R /Off 4 0 R >> >>`, `/AS /Red /AP << /N << /Red 4 0 R /Off 4 0 R >> >>`,
			}},
			{Entries: `/FT /Tx /T (twice) /V (the same)`, Boxes: []string{"", ""}},
			{Entries: `/FT /Sig /T (signature) /V << /Type /Sig >>`},
			{Entries: `/T (nothing)`},
		}},
		{Lines: []string{"No field"}},
	}}.Bytes()
	want := pdf.Document{Total: 3, Pages: []pdf.Page{
		{Text: "Application", Fields: []pdf.Field{
			{Name: "Your name", Value: "Müller, (Jo)"},
			{Name: "address", Value: "1 High Street\nTown"},
			{Name: "utf16", Value: "東😀"},
			{Name: "country", Value: "France"},
			{Name: "typed", Value: "Another"},
			{Name: "languages", Value: "English, German"},
		}},
		{Drawn: true, Fields: []pdf.Field{{Name: "agrees", Value: "checked"}, {Name: "colour", Value: "checked: Red"}, {Name: "twice", Value: "the same"}}},
		{Text: "No field"},
	}}
	for range 3 {
		got, err := r.Read(t.Context(), doc, pdf.Options{})
		if err != nil {
			t.Fatal(err)
		}
		if diff := cmp.Diff(want, got); diff != "" {
			t.Fatalf("document (-want +got):\n%s", diff)
		}
	}
	if _, err := r.Read(t.Context(), doc, pdf.Options{TextBytes: 20}); !errors.Is(err, pdf.ErrOversize) {
		t.Errorf("more than may be: %v", err)
	}
}

// Many forms at once have nothing to do with one another.
func TestFormsAtOnce(t *testing.T) {
	r := newReader(t)
	var all sync.WaitGroup
	for i := range 12 {
		all.Go(func() {
			want := fmt.Sprintf("value %d", i)
			content := pdftest.Document{Pages: []pdftest.Page{{Fields: []pdftest.Field{{Entries: "/FT /Tx /T (a) /V (" + want + ")"}}}}}.Bytes()
			doc, err := r.Read(t.Context(), content, pdf.Options{})
			if err != nil || len(doc.Pages[0].Fields) != 1 || doc.Pages[0].Fields[0].Value != want {
				t.Errorf("%s: %v, error %v", want, doc, err)
			}
		})
	}
	all.Wait()
}

func TestReadRefuses(t *testing.T) {
	r := newReader(t)
	page := []pdftest.Page{{Lines: []string{"text"}}}
	sound := pdftest.Document{Pages: page}.Bytes()
	tests := []struct {
		name    string
		content []byte
		opts    pdf.Options
		want    error
	}{
		{"a password", pdftest.Document{Pages: page, Encrypted: true}.Bytes(), pdf.Options{}, pdf.ErrEncrypted},
		{"no PDF", []byte("Hello, this is no PDF at all."), pdf.Options{}, pdf.ErrDamaged},
		{"a header and nothing else", []byte("%PDF-1.7\n"), pdf.Options{}, pdf.ErrDamaged},
		{"an empty file", nil, pdf.Options{}, pdf.ErrDamaged},
		{"a page that is not there", bytes.Replace(sound, []byte("/Type /Page /Parent"), []byte("/Type /Nope /Parent"), 1), pdf.Options{}, pdf.ErrDamaged},
		{"more pages than may be", long(3), pdf.Options{MaxPages: 2}, pdf.ErrOversize},
		{"more text than may be", sound, pdf.Options{TextBytes: 3}, pdf.ErrOversize},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			doc, err := r.Read(t.Context(), tt.content, tt.opts)
			if !errors.Is(err, tt.want) {
				t.Errorf("document %v, error %v, want %v", doc, err, tt.want)
			}
		})
	}
	// What happened to others has happened to them alone.
	if _, err := r.Read(t.Context(), sound, pdf.Options{}); err != nil {
		t.Errorf("after all that: %v", err)
	}
}

// long returns a document that takes a while.
func long(pages int) []byte {
	var doc pdftest.Document
	for i := range pages {
		page := pdftest.Page{}
		for n := range 50 {
			page.Lines = append(page.Lines, fmt.Sprintf("Page %d line %d with some more words to it", i+1, n+1))
		}
		doc.Pages = append(doc.Pages, page)
	}
	return doc.Bytes()
}

func TestReadingIsStopped(t *testing.T) {
	content := long(3000)
	t.Run("by its caller", func(t *testing.T) {
		r := newReader(t)
		gone := errors.New("gone")
		ctx, cancel := context.WithCancelCause(t.Context())
		time.AfterFunc(50*time.Millisecond, func() { cancel(gone) })
		if _, err := r.Read(ctx, content, pdf.Options{}); !errors.Is(err, gone) {
			t.Errorf("error = %v", err)
		}
		if _, err := r.Read(t.Context(), content, pdf.Options{Pages: 1}); err != nil {
			t.Errorf("the next one: %v", err)
		}
	})
	t.Run("when a document takes too long", func(t *testing.T) {
		r := newReader(t, func(c *pdf.Config) { c.Time = time.Millisecond })
		if _, err := r.Read(t.Context(), content, pdf.Options{}); !errors.Is(err, pdf.ErrSlow) {
			t.Errorf("error = %v", err)
		}
	})
	t.Run("when a page takes too long", func(t *testing.T) {
		r := newReader(t, func(c *pdf.Config) { c.PageTime = time.Nanosecond })
		if _, err := r.Read(t.Context(), content, pdf.Options{}); !errors.Is(err, pdf.ErrSlow) {
			t.Errorf("error = %v", err)
		}
	})
}

func TestMemoryIsBounded(t *testing.T) {
	r := newReader(t, func(c *pdf.Config) { c.Memory = 24 << 20 })
	content := pdftest.Document{Pages: []pdftest.Page{{Lines: []string{"text"}}}}.Bytes()
	if _, err := r.Read(t.Context(), content, pdf.Options{}); err != nil {
		t.Fatalf("a small document: %v", err)
	}
	// Comments are no content, but have to lie in memory.
	large := bytes.Replace(content, []byte("%%EOF"), []byte("%"+strings.Repeat("x", 32<<20)+"\n%%EOF"), 1)
	if doc, err := r.Read(t.Context(), large, pdf.Options{}); !errors.Is(err, pdf.ErrOversize) {
		t.Errorf("one larger than its memory: %v, error %v", doc, err)
	}
}

func TestManyAtOnce(t *testing.T) {
	r := newReader(t)
	var all sync.WaitGroup
	for i := range 12 {
		all.Go(func() {
			want := fmt.Sprintf("document %d", i)
			doc, err := r.Read(t.Context(), pdftest.Document{Pages: []pdftest.Page{{Lines: []string{want}}}}.Bytes(), pdf.Options{})
			if err != nil || doc.Pages[0].Text != want {
				t.Errorf("%s: %v, error %v", want, doc, err)
			}
		})
	}
	all.Wait()
}

func TestClose(t *testing.T) {
	r := pdf.New(pdf.Config{CacheDir: pdftest.CacheDir()})
	content := pdftest.Document{Pages: []pdftest.Page{{Lines: []string{"text"}}}}.Bytes()
	for range 5 {
		if _, err := r.Read(t.Context(), content, pdf.Options{}); err != nil {
			t.Fatal(err)
		}
	}
	for range 2 {
		if err := r.Close(); err != nil {
			t.Fatal(err)
		}
	}
	if _, err := r.Read(t.Context(), content, pdf.Options{}); !errors.Is(err, pdf.ErrClosed) {
		t.Errorf("error after closing = %v", err)
	}
	// Those that watch over single calls may be about to end.
	stacks := make([]byte, 1<<20)
	for range 1000 {
		n := runtime.Stack(stacks, true)
		if !bytes.Contains(stacks[:n], []byte("wazero")) && !bytes.Contains(stacks[:n], []byte("go-pdfium")) {
			return
		}
		runtime.Gosched()
	}
	t.Errorf("something still runs after closing:\n%s", stacks[:runtime.Stack(stacks, true)])
}

func TestCacheIsTheUsersAlone(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "a", "cache")
	if !pdf.Usable(dir) {
		t.Error("a folder that can be created is not used")
	}
	for _, mode := range []os.FileMode{0o777, 0o770, 0o702} {
		if err := os.Chmod(dir, mode); err != nil {
			t.Fatal(err)
		}
		if pdf.Usable(dir) {
			t.Errorf("a folder of mode %v is used", mode)
		}
	}
	link := filepath.Join(t.TempDir(), "link")
	if err := os.Symlink(dir, link); err != nil {
		t.Fatal(err)
	}
	for _, dir := range []string{"", link, os.DevNull} {
		if pdf.Usable(dir) {
			t.Errorf("%q is used", dir)
		}
	}
}
