package corpus_test

import (
	"archive/zip"
	"bytes"
	"compress/zlib"
	"encoding/binary"
	"errors"
	"fmt"
	"hash/crc32"
	"maps"
	"math/rand/v2"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"testing"
	"unicode/utf8"

	"github.com/google/go-cmp/cmp"

	"github.com/longhaul-jobs/longhaul/internal/corpus"
	"github.com/longhaul-jobs/longhaul/internal/pdftest"
	"github.com/longhaul-jobs/longhaul/jobs/summarize"
)

// mostMemory is what reading all that follows may take of the machine, in bytes.
const mostMemory = 1 << 30

// zipped returns an archive of files, given as names and contents in turn.
func zipped(tb testing.TB, files ...string) []byte {
	tb.Helper()
	var b bytes.Buffer
	w := zip.NewWriter(&b)
	for i := 0; i < len(files); i += 2 {
		f, err := w.Create(files[i])
		if err != nil {
			tb.Fatal(err)
		}
		if _, err := f.Write([]byte(files[i+1])); err != nil {
			tb.Fatal(err)
		}
	}
	if err := w.Close(); err != nil {
		tb.Fatal(err)
	}
	return b.Bytes()
}

func docx(tb testing.TB, prolog, body string) []byte {
	tb.Helper()
	return zipped(tb, "word/document.xml", prolog+`<w:document xmlns:w="w"><w:body><w:p><w:r><w:t>`+body+`</w:t></w:r></w:p></w:body></w:document>`)
}

func odt(tb testing.TB, prolog, body string) []byte {
	tb.Helper()
	return zipped(tb, "mimetype", "application/vnd.oasis.opendocument.text",
		"content.xml", prolog+`<o:document xmlns:o="o" xmlns:t="t"><o:body><o:text><t:p>`+body+`</t:p></o:text></o:body></o:document>`)
}

func xlsx(tb testing.TB, prolog, value string) []byte {
	tb.Helper()
	return zipped(tb,
		"xl/workbook.xml", `<workbook xmlns:r="http://x/relationships"><sheets><sheet name="S" r:id="r1"/></sheets></workbook>`,
		"xl/_rels/workbook.xml.rels", `<Relationships><Relationship Id="r1" Type="x/worksheet" Target="worksheets/sheet1.xml"/></Relationships>`,
		"xl/worksheets/sheet1.xml", prolog+`<worksheet><sheetData><row><c t="inlineStr"><is><t>`+value+`</t></is></c></row></sheetData></worksheet>`)
}

func pdfOf(lines ...string) []byte {
	return pdftest.Document{Title: "T", Pages: []pdftest.Page{{Heading: "H", Lines: lines}, {Lines: lines}}}.Bytes()
}

// sound returns a small document of each kind that all contain the same word.
func sound(tb testing.TB) map[summarize.Kind][]byte {
	tb.Helper()
	const text = "harbour"
	return map[summarize.Kind][]byte{
		summarize.KindText: []byte(text), summarize.KindMarkdown: []byte("# " + text), summarize.KindCSV: []byte("a," + text),
		summarize.KindJSON: []byte(`{"a":"` + text + `"}`), summarize.KindCode: []byte("x = '" + text + "'"),
		summarize.KindHTML: []byte("<html><body><p>" + text + "</p></body></html>"), summarize.KindRTF: []byte(`{\rtf1 ` + text + `}`),
		summarize.KindEML:  []byte("From: a@example.com\r\nSubject: x\r\n\r\n" + text),
		summarize.KindDOCX: docx(tb, "", text), summarize.KindODT: odt(tb, "", text), summarize.KindXLSX: xlsx(tb, "", text), summarize.KindPDF: pdfOf(text),
	}
}

// parse reads a document, and checks what has to hold of every one.
func parse(t *testing.T, r *summarize.Reader, kind summarize.Kind, content []byte) (summarize.Document, error) {
	t.Helper()
	doc, err := r.Parse(t.Context(), "in/name", kind, content)
	if err != nil {
		if named, ok := errors.AsType[*summarize.SourceError](err); !ok || named.Path != "in/name" {
			t.Errorf("the error does not name the document: %v", err)
		}
		return doc, err
	}
	if doc.File == nil && (doc.Text == "" || !utf8.ValidString(doc.Text) || len(doc.Sections) == 0) {
		t.Errorf("read without error, and yet: %.200q", doc.Text)
	}
	return doc, nil
}

// TestHostileInputs feeds the reader what nobody sends in good faith. It lives here
// since the tests of a package share one process, and what this one takes is measured.
func TestHostileInputs(t *testing.T) {
	work := t.TempDir()
	t.Chdir(work)
	r := summarize.NewReader(summarize.ReaderOptions{CacheDir: pdftest.CacheDir()})
	// Compiling PDFium takes memory once in the life of a machine, and belongs to no document.
	if _, err := parse(t, r, summarize.KindPDF, pdfOf("x")); err != nil {
		t.Fatal(err)
	}
	var before runtime.MemStats
	runtime.GC()
	runtime.ReadMemStats(&before)
	t.Run("damage", func(t *testing.T) { testDamage(t, r) })
	t.Run("wrong extensions", func(t *testing.T) { testWrongExtensions(t, r) })
	t.Run("bombs", func(t *testing.T) { testBombs(t, r) })
	t.Run("long lines", func(t *testing.T) { testLongLines(t, r) })
	t.Run("archives", func(t *testing.T) { testArchives(t, r) })
	if err := r.Close(); err != nil {
		t.Error(err)
	}
	var after runtime.MemStats
	runtime.ReadMemStats(&after)
	if grown := int64(after.Sys) - int64(before.Sys); grown > mostMemory {
		t.Errorf("all that took %d MiB more, the limit is %d", grown>>20, mostMemory>>20)
	} else {
		t.Logf("memory: %d MiB before, %d MiB more", before.Sys>>20, grown>>20)
	}
	left, err := corpus.List(work)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff([]string{"hostile.zip", "secret.txt"}, left); diff != "" {
		t.Errorf("files in the folder (-want +got):\n%s", diff)
	}
}

// testDamage changes bytes of sound documents, and cuts them.
func testDamage(t *testing.T, r *summarize.Reader) {
	documents := sound(t)
	for _, kind := range slices.Sorted(maps.Keys(documents)) {
		random := rand.New(rand.NewPCG(1, uint64(len(kind))))
		for range 40 {
			content := bytes.Clone(documents[kind])
			for range 1 + random.IntN(8) {
				content[random.IntN(len(content))] = byte(random.IntN(256))
			}
			if random.IntN(4) == 0 {
				content = content[:random.IntN(len(content))]
			}
			// Either outcome is right; parse checks that there is one.
			_, _ = parse(t, r, kind, content)
		}
	}
}

// testWrongExtensions reads every document under the name of every other kind.
func testWrongExtensions(t *testing.T, r *summarize.Reader) {
	documents := sound(t)
	for named := range documents {
		for kind, content := range documents {
			doc, err := parse(t, r, named, content)
			if err == nil && !strings.Contains(doc.Text, "harbour") {
				t.Errorf("%s named %s: %q", kind, named, doc.Text)
			}
			if err != nil && kind == named {
				t.Errorf("%s: %v", kind, err)
			}
		}
	}
}

// entities is a prolog whose entity stands for a billion others.
func entities() string {
	var b strings.Builder
	b.WriteString(`<?xml version="1.0"?><!DOCTYPE x [<!ENTITY e0 "harbour">`)
	for i := range 9 {
		fmt.Fprintf(&b, `<!ENTITY e%d "%s">`, i+1, strings.Repeat(fmt.Sprintf("&e%d;", i), 10))
	}
	return b.String() + `<!ENTITY file SYSTEM "file:///etc/passwd">]>`
}

// rawPDF returns a PDF of hand-written objects, of which the first is the catalog
// and the second the tree of pages.
func rawPDF(objects ...string) []byte {
	var b bytes.Buffer
	b.WriteString("%PDF-1.7\n")
	offsets := make([]int, len(objects))
	for i, object := range objects {
		offsets[i] = b.Len()
		fmt.Fprintf(&b, "%d 0 obj\n%s\nendobj\n", i+1, object)
	}
	at := b.Len()
	fmt.Fprintf(&b, "xref\n0 %d\n0000000000 65535 f \n", len(objects)+1)
	for _, offset := range offsets {
		fmt.Fprintf(&b, "%010d 00000 n \n", offset)
	}
	fmt.Fprintf(&b, "trailer\n<< /Size %d /Root 1 0 R >>\nstartxref\n%d\n%%%%EOF\n", len(objects)+1, at)
	return b.Bytes()
}

const onePage = "<< /Type /Pages /Count 1 /Kids [3 0 R] >>"

// pageTree returns objects for pages nested so deep.
func pageTree(depth int) []string {
	objects := []string{"<< /Type /Catalog /Pages 2 0 R >>"}
	for i := range depth {
		objects = append(objects, fmt.Sprintf("<< /Type /Pages /Count 1 /Kids [%d 0 R] >>", i+3))
	}
	return append(objects, "<< /Type /Page /MediaBox [0 0 9 9] >>")
}

// deflated returns a stream that unpacks to much more.
func deflated(tb testing.TB, content []byte) string {
	tb.Helper()
	var b bytes.Buffer
	w, err := zlib.NewWriterLevel(&b, zlib.BestSpeed)
	if err != nil {
		tb.Fatal(err)
	}
	if _, err := w.Write(content); err != nil {
		tb.Fatal(err)
	}
	if err := w.Close(); err != nil {
		tb.Fatal(err)
	}
	return fmt.Sprintf("<< /Filter /FlateDecode /Length %d >>\nstream\n%s\nendstream", b.Len(), b.String())
}

func testBombs(t *testing.T, r *summarize.Reader) {
	catalog := "<< /Type /Catalog /Pages 2 0 R >>"
	text := "<< /Type /Page /Parent 2 0 R /MediaBox [0 0 600 800] /Contents 4 0 R /Resources << /Font << /F << /Type /Font /Subtype /Type1 /BaseFont /Helvetica >> >> >> >>"
	deep := strings.Repeat
	tests := []struct {
		name    string
		kind    summarize.Kind
		content []byte
		want    error // nil for what may be read or refused
	}{
		{"entities in Word", summarize.KindDOCX, docx(t, entities(), "&e9;"), summarize.ErrMalformed},
		{"entities in OpenDocument", summarize.KindODT, odt(t, entities(), "&e9;"), summarize.ErrMalformed},
		{"entities in Excel", summarize.KindXLSX, xlsx(t, entities(), "&e9;"), summarize.ErrMalformed},
		{"a file by an entity", summarize.KindDOCX, docx(t, entities(), "&file;"), summarize.ErrMalformed},
		{"ratio in Word", summarize.KindDOCX, docx(t, "", deep(" ", 16<<20)), summarize.ErrOversize},
		{"nested XML", summarize.KindDOCX, docx(t, "", deep("<w:p>", 100_000)), summarize.ErrMalformed},
		{"nested HTML", summarize.KindHTML, []byte(deep("<div>", 200_000) + "harbour"), nil},
		{"nested tables", summarize.KindHTML, []byte(deep("<table><tr><td>", 50_000) + "harbour"), nil},
		{"nested lists", summarize.KindHTML, []byte(deep("<ul><li>", 50_000) + "harbour"), nil},
		{"nested JSON", summarize.KindJSON, []byte(deep("[", 1_000_000)), nil},
		{"nested rich text", summarize.KindRTF, []byte(`{\rtf1 ` + deep("{", 500_000)), summarize.ErrMalformed},
		{"a PDF of nested arrays", summarize.KindPDF, rawPDF(catalog, onePage, "<< /Type /Page /MediaBox [0 0 9 9] /A "+deep("[", 200_000)+deep("]", 200_000)+" >>"), nil},
		{"a PDF of nested pages", summarize.KindPDF, rawPDF(pageTree(20_000)...), nil},
		{"a PDF whose pages hold themselves", summarize.KindPDF, rawPDF(catalog, "<< /Type /Pages /Count 1000000 /Kids [2 0 R 2 0 R] >>"), nil},
		{"a PDF that claims many pages", summarize.KindPDF, rawPDF(catalog, "<< /Type /Pages /Count 2000000000 /Kids [3 0 R] >>", "<< /Type /Page >>"), nil},
		{"a PDF that unpacks to much", summarize.KindPDF, rawPDF(catalog, onePage, text, deflated(t, bytes.Repeat([]byte(" "), 256<<20))), nil},
		{"a PDF of much text", summarize.KindPDF, rawPDF(catalog, onePage, text, deflated(t, []byte("BT /F 9 Tf "+deep("(harbour) Tj 0 1 Td ", 50_000)+"ET"))), nil},
		{"a PDF of nested states", summarize.KindPDF, rawPDF(catalog, onePage, text, deflated(t, []byte(deep("q ", 300_000)))), nil},
		{"a PDF whose outline has no end", summarize.KindPDF, rawPDF("<< /Type /Catalog /Pages 2 0 R /Outlines 5 0 R >>", onePage, text,
			deflated(t, []byte("BT /F 9 Tf (harbour) Tj ET")), "<< /First 6 0 R /Last 6 0 R >>", "<< /Title (a) /Next 6 0 R /First 6 0 R /Dest [3 0 R /Fit] >>"), nil},
		{"a PDF that is its own table", summarize.KindPDF, []byte("%PDF-1.7\ntrailer << /Root 1 0 R /Prev 9 >>\nstartxref\n9\n%%EOF"), summarize.ErrMalformed},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			doc, err := parse(t, r, tt.kind, tt.content)
			if tt.want != nil && !errors.Is(err, tt.want) {
				t.Errorf("error = %v, want %v, text %.100q", err, tt.want, doc.Text)
			}
			t.Logf("%d bytes of text, error %v", len(doc.Text), err)
		})
	}
	// It has not lost its head.
	if _, err := parse(t, r, summarize.KindPDF, pdfOf("x")); err != nil {
		t.Error(err)
	}
}

func testLongLines(t *testing.T, r *summarize.Reader) {
	line := strings.Repeat("harbour ", 10<<20/8)
	for kind, content := range map[summarize.Kind]string{
		summarize.KindText: line, summarize.KindMarkdown: line, summarize.KindJSON: `"` + line + `"`, summarize.KindCSV: strings.ReplaceAll(line, " ", ","),
		summarize.KindHTML: "<p>" + line, summarize.KindRTF: `{\rtf1 ` + line + "}", summarize.KindEML: "From: a\r\nSubject: b\r\n\r\n" + line,
	} {
		doc, err := parse(t, r, kind, []byte(content))
		if err != nil {
			t.Errorf("%s: %v", kind, err)
			continue
		}
		if got := strings.Count(doc.Text, "harbour"); got != 10<<20/8 {
			t.Errorf("%s: %d words of %d", kind, got, 10<<20/8)
		}
	}
}

// bomb returns an archive in which many files share one body that unpacks to much.
func bomb(tb testing.TB, files int) []byte {
	tb.Helper()
	one := zipped(tb, "0000.txt", strings.Repeat("0", 3<<20))
	at, end := bytes.Index(one, []byte("PK\x01\x02")), bytes.Index(one, []byte("PK\x05\x06"))
	entry, tail := one[at:end], bytes.Clone(one[end:])
	b := bytes.NewBuffer(bytes.Clone(one[:at]))
	for i := range files {
		b.Write(bytes.Replace(entry, []byte("0000"), fmt.Appendf(nil, "%04d", i), 1))
	}
	binary.LittleEndian.PutUint16(tail[8:], uint16(files))
	binary.LittleEndian.PutUint16(tail[10:], uint16(files))
	binary.LittleEndian.PutUint32(tail[12:], uint32(files*len(entry)))
	return append(b.Bytes(), tail...)
}

func testArchives(t *testing.T, r *summarize.Reader) {
	if err := os.WriteFile("secret.txt", []byte("secret"), 0o600); err != nil {
		t.Fatal(err)
	}
	inner := zipped(t, "zeros.txt", strings.Repeat("0", 8<<20))
	for range 6 {
		inner = zipped(t, "inner.zip", string(inner))
	}
	lying := zipped(t, "a.txt", strings.Repeat("harbour ", 1000))
	lying = bytes.ReplaceAll(lying, binary.LittleEndian.AppendUint32(nil, 8000), binary.LittleEndian.AppendUint32(nil, 80))
	tricks := zipped(t, "../secret.txt", "x", "/secret.txt", "x", `..\secret.txt`, "x", "a/../../secret.txt", "x", "secret.txt/", "", "ok.txt", "harbour")
	for name, tt := range map[string]struct {
		content []byte
		read    int
	}{
		"nested":       {inner, 0},
		"overlapping":  {bomb(t, 500), 0},
		"high ratio":   {zipped(t, "a.txt", strings.Repeat("0", 16<<20)), 0},
		"wrong sum":    {bytes.ReplaceAll(zipped(t, "a.txt", "x"), binary.LittleEndian.AppendUint32(nil, crc32.ChecksumIEEE([]byte("x"))), []byte{1, 2, 3, 4}), 0},
		"lying":        {lying, 0},
		"path tricks":  {tricks, 1},
		"not a zip":    {[]byte("PK\x03\x04" + strings.Repeat("x", 1000)), 0},
		"only its end": {[]byte("PK\x05\x06" + strings.Repeat("\xff", 18)), 0},
	} {
		if err := os.WriteFile("hostile.zip", tt.content, 0o600); err != nil {
			t.Fatal(err)
		}
		selection, err := summarize.Expand(t.Context(), []string{"hostile.zip"}, summarize.ExpandOptions{})
		if err != nil {
			t.Fatal(err)
		}
		read, named := 0, len(selection.Failed)+len(selection.Skipped)
		for _, src := range selection.Sources {
			if filepath.IsAbs(src.Path) || !strings.HasPrefix(src.Path, "hostile.zip/") {
				t.Errorf("%s: source %s", name, src.Path)
			}
			doc, err := r.Read(t.Context(), src)
			switch {
			case err != nil:
				named++
			case doc.Text != "harbour":
				t.Errorf("%s: read %.100q", name, doc.Text)
			default:
				read++
			}
		}
		if read != tt.read || tt.read == 0 && named == 0 {
			t.Errorf("%s: %d read, %d named: %v", name, read, named, selection.Failed)
		}
	}
}
