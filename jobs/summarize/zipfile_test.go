package summarize_test

import (
	"archive/zip"
	"bytes"
	"errors"
	"io/fs"
	"os"
	"strings"
	"sync"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/longhaul-jobs/longhaul/internal/pdftest"
	"github.com/longhaul-jobs/longhaul/jobs/summarize"
)

// put writes a file into the working folder.
func put(t *testing.T, name string, content []byte) {
	t.Helper()
	if err := os.WriteFile(name, content, 0o600); err != nil {
		t.Fatal(err)
	}
}

// packed returns an archive made by hand, header by header.
func packed(tb testing.TB, headers ...zip.FileHeader) []byte {
	tb.Helper()
	var b bytes.Buffer
	w := zip.NewWriter(&b)
	for _, h := range headers {
		f, err := w.CreateHeader(&h)
		if err != nil {
			tb.Fatal(err)
		}
		if strings.HasSuffix(h.Name, "/") {
			continue
		}
		if _, err := f.Write([]byte("text of " + h.Name)); err != nil {
			tb.Fatal(err)
		}
	}
	if err := w.Close(); err != nil {
		tb.Fatal(err)
	}
	return b.Bytes()
}

func named(name string) zip.FileHeader { return zip.FileHeader{Name: name, Method: zip.Deflate} }

func expand(t *testing.T, args ...string) summarize.Selection {
	t.Helper()
	s, err := summarize.Expand(t.Context(), args, summarize.ExpandOptions{})
	if err != nil {
		t.Fatal(err)
	}
	return s
}

func TestArchivesStandForTheirDocuments(t *testing.T) {
	tree(t, "docs/a.txt")
	doc := pdftest.Document{Pages: pages("a page")}.Bytes()
	put(t, "docs/b.zip", zipped(t, "2024/may.txt", "May.", "2024/plan.pdf", string(doc), "logo.png", "\x89PNG", ".hidden/x.txt", "x",
		"__MACOSX/._may.txt", "x", "old.zip", string(zipped(t, "a.txt", "x")), "README", "x"))
	selection := expand(t, "docs")
	want := []string{"docs/a.txt", "docs/b.zip/2024/may.txt", "docs/b.zip/2024/plan.pdf"}
	if diff := cmp.Diff(want, paths(selection.Sources)); diff != "" {
		t.Errorf("sources (-want +got):\n%s", diff)
	}
	skipped := []string{
		"docs/b.zip/README: unsupported type of file",
		"docs/b.zip/logo.png: unsupported type of file",
		"docs/b.zip/old.zip: an archive inside of an archive is not opened; unpack it",
	}
	if diff := cmp.Diff(skipped, messages(selection.Skipped)); diff != "" || len(selection.Failed) > 0 {
		t.Errorf("failed %v, skipped (-want +got):\n%s", selection.Failed, diff)
	}
	r := newReader(t)
	texts := map[string]string{"docs/a.txt": "text of docs/a.txt", "docs/b.zip/2024/may.txt": "May.", "docs/b.zip/2024/plan.pdf": "[Page 1]\na page"}
	// Several at once share the archive.
	var all sync.WaitGroup
	for range 4 {
		for _, src := range selection.Sources {
			all.Go(func() {
				doc, err := r.Read(t.Context(), src)
				if err != nil || doc.Text != texts[src.Path] || doc.Path != src.Path || doc.Bytes != src.Bytes {
					t.Errorf("%s: %+v, error %v", src.Path, doc, err)
				}
			})
		}
	}
	all.Wait()
	if name := summarize.OutputName("docs/b.zip/2024/may.txt"); name != "docs--b.zip--2024--may.txt.md" {
		t.Errorf("output = %s", name)
	}
	if diff := cmp.Diff(want[1:], paths(expand(t, "docs/b.zip", "docs/*.zip").Sources)); diff != "" {
		t.Errorf("named twice (-want +got):\n%s", diff)
	}
}

func TestNamesInArchivesLeadNowhere(t *testing.T) {
	tree(t, "victim.txt")
	link := named("link.txt")
	link.SetMode(fs.ModeSymlink | 0o777)
	pipe := named("pipe.txt")
	pipe.SetMode(fs.ModeNamedPipe | 0o666)
	secret := named("secret.txt")
	secret.Flags |= 1
	put(t, "a.zip", packed(t,
		named("good.txt"), named("../victim.txt"), named("/etc/passwd.txt"), named("a/../../victim.txt"), named("a//b.txt"), named("./c.txt"),
		named(`..\victim.txt`), named("C:/windows.txt"), named("nul\x00.txt"), named("bell\x07.txt"), named("twice.txt"), named("twice.txt"),
		link, pipe, secret, named("folder/"), named("gr\x81n.txt"), named("grün.txt")))
	selection := expand(t, "a.zip")
	if diff := cmp.Diff([]string{"a.zip/good.txt"}, paths(selection.Sources)); diff != "" {
		t.Errorf("sources (-want +got):\n%s", diff)
	}
	want := []string{
		`a.zip/../victim.txt: unsafe name: its name in the archive takes detours`,
		`a.zip//etc/passwd.txt: unsafe name: its name in the archive is an absolute path`,
		`a.zip/a/../../victim.txt: unsafe name: its name in the archive takes detours`,
		`a.zip/a//b.txt: unsafe name: its name in the archive takes detours`,
		`a.zip/./c.txt: unsafe name: its name in the archive takes detours`,
		`a.zip/..\victim.txt: unsafe name: its name in the archive contains a backslash`,
		`a.zip/C:/windows.txt: unsafe name: its name in the archive is an absolute path`,
		`"a.zip/nul\x00.txt": unsafe name: its name in the archive contains control characters`,
		`"a.zip/bell\a.txt": unsafe name: its name in the archive contains control characters`,
		`a.zip/twice.txt: malformed document: several files in the archive have this name`,
		`a.zip/link.txt: a symbolic link inside a folder is not followed; name it to include it`,
		`a.zip/pipe.txt: not a regular file`,
		`a.zip/secret.txt: the document is encrypted; save it without a password`,
		`a.zip/grün.txt: malformed document: several files in the archive have this name`,
	}
	if diff := cmp.Diff(want, messages(selection.Failed)); diff != "" {
		t.Errorf("failed (-want +got):\n%s", diff)
	}
}

func TestNamesOfDOS(t *testing.T) {
	tree(t)
	put(t, "a.zip", packed(t, named("M\x84rz.txt")))
	selection := expand(t, "a.zip")
	if diff := cmp.Diff([]string{"a.zip/März.txt"}, paths(selection.Sources)); diff != "" {
		t.Fatalf("sources (-want +got):\n%s, failed %v", diff, selection.Failed)
	}
	if doc, err := newReader(t).Read(t.Context(), selection.Sources[0]); err != nil || doc.Path != "a.zip/März.txt" {
		t.Errorf("%+v, error %v", doc, err)
	}
}

// overlapping returns an archive whose files share one body, as bombs do.
func overlapping(tb testing.TB) []byte {
	tb.Helper()
	one := packed(tb, named("a.txt"))
	at := bytes.Index(one, []byte("PK\x01\x02"))
	end := bytes.Index(one, []byte("PK\x05\x06"))
	entry := bytes.Clone(one[at:end])
	other := bytes.Replace(entry, []byte("a.txt"), []byte("b.txt"), 1)
	tail := bytes.Clone(one[end:])
	tail[8], tail[10], tail[12] = 2, 2, byte(2*len(entry))
	return bytes.Join([][]byte{one[:end], other, tail}, nil)
}

func TestHostileArchivesAreRefusedWhole(t *testing.T) {
	many := make([]string, 0, 2<<16)
	for range 1<<16 + 1 {
		many = append(many, "a", "")
	}
	tests := []struct {
		name    string
		content []byte
		want    error
		message string
	}{
		{"no archive", []byte("PK\x03\x04 and so on"), summarize.ErrMalformed, "damaged"},
		{"empty", nil, summarize.ErrMalformed, "damaged"},
		{"broken off", zipped(t, "a.txt", strings.Repeat("text", 1000))[:100], summarize.ErrMalformed, "damaged"},
		{"files that overlap", overlapping(t), summarize.ErrMalformed, "overlap"},
		{"a high ratio", zipped(t, "a.txt", strings.Repeat("x", 8<<20)), summarize.ErrOversize, "200 times"},
		{"too many files", zipped(t, many...), summarize.ErrOversize, "65537 files"},
		{"a huge directory", zipped(t, strings.Repeat("long name ", 6000), "", strings.Repeat("long name ", 6001), ""), nil, ""},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			tree(t)
			put(t, "a.zip", tt.content)
			selection := expand(t, "a.zip")
			if tt.want == nil {
				if len(selection.Failed) > 0 {
					t.Errorf("failed = %v", selection.Failed)
				}
				return
			}
			if len(selection.Failed) != 1 || !errors.Is(selection.Failed[0], tt.want) || !strings.Contains(selection.Failed[0].Error(), tt.message) {
				t.Fatalf("failed = %v, sources = %v", selection.Failed, paths(selection.Sources))
			}
			checkNamed(t, selection.Failed[0], "a.zip")
		})
	}
}

func TestArchiveThatChangesBetweenLookingAndReading(t *testing.T) {
	tree(t)
	put(t, "a.zip", zipped(t, "a.txt", "one", "b.txt", "two"))
	sources := expand(t, "a.zip").Sources
	r := newReader(t)
	if doc, err := r.Read(t.Context(), sources[0]); err != nil || doc.Text != "one" {
		t.Fatalf("%+v, error %v", doc, err)
	}
	put(t, "a.zip", zipped(t, "a.txt", "another"))
	if doc, err := r.Read(t.Context(), sources[0]); err != nil || doc.Text != "another" {
		t.Errorf("%+v, error %v", doc, err)
	}
	_, err := r.Read(t.Context(), sources[1])
	if !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("error = %v", err)
	}
	checkNamed(t, err, "a.zip/b.txt")
}

func TestFilesInArchivesAreBounded(t *testing.T) {
	tree(t)
	put(t, "a.zip", zipped(t, "a.txt", strings.Repeat("0123456789", 100), "b.txt", strings.Repeat("0123456789", 10)))
	r := newReader(t, func(o *summarize.ReaderOptions) { o.FileBytes = 100 })
	for _, src := range expand(t, "a.zip").Sources {
		_, err := r.Read(t.Context(), src)
		if want := src.Entry == "a.txt"; errors.Is(err, summarize.ErrOversize) != want {
			t.Errorf("%s: error %v", src.Path, err)
		}
	}
}

func TestOfficeDocumentNamedAsAnArchive(t *testing.T) {
	tree(t)
	put(t, "a.zip", zipped(t, "word/document.xml", `<w:document xmlns:w="w"><w:body><w:p><w:r><w:t>Hello</w:t></w:r></w:p></w:body></w:document>`))
	selection := expand(t, "a.zip")
	if diff := cmp.Diff([]string{"a.zip"}, paths(selection.Sources)); diff != "" {
		t.Fatalf("sources (-want +got):\n%s", diff)
	}
	if doc, err := newReader(t).Read(t.Context(), selection.Sources[0]); err != nil || doc.Text != "Hello" || doc.Kind != summarize.KindDOCX {
		t.Errorf("%+v, error %v", doc, err)
	}
}
