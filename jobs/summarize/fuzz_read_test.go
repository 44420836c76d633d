package summarize_test

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"
	"unicode/utf8"

	"github.com/longhaul-jobs/longhaul/internal/pdftest"
	"github.com/longhaul-jobs/longhaul/jobs/summarize"
)

// checkRead checks what has to hold of every document, read or refused.
func checkRead(t *testing.T, doc summarize.Document, err error, path string) {
	t.Helper()
	if err != nil {
		if named, ok := errors.AsType[*summarize.SourceError](err); !ok || named.Path != path {
			t.Errorf("the error does not name the document: %v", err)
		}
		return
	}
	if doc.Path != path || strings.TrimSpace(doc.Text) == "" || !utf8.ValidString(doc.Text) || len(doc.Sections) == 0 {
		t.Errorf("read without error, and yet: %+v", doc)
	}
}

// FuzzPDF reads documents through the sandbox, which must outlive every one.
func FuzzPDF(f *testing.F) {
	f.Add(pdftest.Document{Title: "T", Pages: pages("text", "picture")}.Bytes())
	f.Add(pdftest.Document{Pages: pages("text"), Encrypted: true}.Bytes())
	f.Add([]byte("%PDF-1.7\ntrailer << /Root 1 0 R /Prev 9 >>\nstartxref\n9\n%%EOF"))
	r := newReader(f)
	f.Fuzz(func(t *testing.T, content []byte) {
		ctx, cancel := context.WithTimeoutCause(t.Context(), 20*time.Second, errors.New("stopped by the test"))
		defer cancel()
		doc, err := r.Parse(ctx, "a", summarize.KindPDF, content)
		checkRead(t, doc, err, "a")
	})
}

// FuzzZip looks into archives and reads what is in them. Whatever they say, every
// document is below the archive, and no path leads elsewhere.
func FuzzZip(f *testing.F) {
	f.Add(zipped(f, "a.txt", "text", "b/c.md", "# Text", "../d.txt", "x", "e.zip", "x"))
	f.Add(zipped(f, "word/document.xml", `<w:document xmlns:w="w"><w:p/></w:document>`))
	f.Add(packed(f, named("a.txt"), named("a.txt"), named(`b\c.txt`), named("M\x84rz.txt")))
	r := newReader(f)
	f.Fuzz(func(t *testing.T, content []byte) {
		dir := t.TempDir()
		archive := filepath.ToSlash(filepath.Join(dir, "a.zip"))
		if err := os.WriteFile(archive, content, 0o600); err != nil {
			t.Fatal(err)
		}
		selection, err := summarize.Expand(t.Context(), []string{archive}, summarize.ExpandOptions{})
		if err != nil {
			t.Fatal(err)
		}
		for _, src := range selection.Sources {
			inner, ok := strings.CutPrefix(src.Path, archive+"/")
			if src.Archive != "" && (!ok || !filepath.IsLocal(inner)) {
				t.Errorf("a source named %q", src.Path)
			}
			doc, err := r.Read(t.Context(), src)
			checkRead(t, doc, err, src.Path)
		}
		if entries, err := os.ReadDir(dir); err != nil || len(entries) != 1 {
			t.Errorf("the folder holds %v, error %v", entries, err)
		}
	})
}
