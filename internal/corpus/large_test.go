package corpus_test

import (
	"context"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/longhaul-jobs/longhaul/internal/installation"
	"github.com/longhaul-jobs/longhaul/internal/pdftest"
	"github.com/longhaul-jobs/longhaul/jobs/summarize"
)

// readThis names a document that a process of its own is to read, to measure what
// that takes.
const readThis = "LONGHAUL_READ_THIS"

func TestMain(m *testing.M) {
	if file := os.Getenv(readThis); file != "" {
		if err := readAlone(file); err != nil {
			fmt.Fprintln(os.Stderr, err)
			os.Exit(1)
		}
		return
	}
	os.Exit(installation.Main(m))
}

// readAlone reads a document and prints what it has found, and the most memory
// that the process has had.
func readAlone(file string) error {
	kind, _ := summarize.KindOf(file)
	r := summarize.NewReader(summarize.ReaderOptions{CacheDir: pdftest.CacheDir()})
	doc, err := r.Read(context.Background(), summarize.Source{Path: file, Kind: kind})
	if err != nil {
		return err
	}
	if err := r.Close(); err != nil {
		return err
	}
	status, err := os.ReadFile("/proc/self/status")
	if err != nil {
		return err
	}
	_, peak, _ := strings.Cut(string(status), "VmHWM:")
	peak, _, _ = strings.Cut(peak, "kB")
	_, err = fmt.Printf("%d %d %s\n", len(doc.Sections), len(doc.Text), strings.TrimSpace(peak))
	return err
}

// line is the text of a line of the large documents: no other is like it.
func line(page, n int) string {
	return fmt.Sprintf("Page %d, line %d: the harbour was rebuilt after the storm of %d, and trade came back.", page, n, page*100+n)
}

// largePDF has 1,500 pages of 45 lines.
func largePDF() []byte {
	var doc pdftest.Document
	for p := 1; p <= 1500; p++ {
		page := pdftest.Page{}
		if p%50 == 1 {
			page.Heading = fmt.Sprintf("Chapter %d", p/50+1)
		}
		for n := range 45 {
			page.Lines = append(page.Lines, line(p, n))
		}
		doc.Pages = append(doc.Pages, page)
	}
	return doc.Bytes()
}

// largeText has 40 MB in lines.
func largeText() []byte {
	var b strings.Builder
	for n := 0; b.Len() < 40_000_000; n++ {
		b.WriteString(line(n/45+1, n%45) + "\n")
	}
	return []byte(b.String())
}

// mostLarge is what reading each of the large documents may take, in MiB. Without
// the race detector they take a third of it or less.
const mostLarge = 768

// TestLargeDocuments reads each in a process of its own, so that the memory is what
// that one takes, and then checks what was read, page by page and byte by byte.
func TestLargeDocuments(t *testing.T) {
	dir := t.TempDir()
	r := summarize.NewReader(summarize.ReaderOptions{CacheDir: pdftest.CacheDir()})
	t.Cleanup(func() {
		if err := r.Close(); err != nil {
			t.Error(err)
		}
	})
	t.Run("a PDF of 1,500 pages", func(t *testing.T) {
		file := filepath.Join(dir, "large.pdf")
		if err := os.WriteFile(file, largePDF(), 0o600); err != nil {
			t.Fatal(err)
		}
		doc, err := r.Read(t.Context(), summarize.Source{Path: file, Kind: summarize.KindPDF})
		if err != nil {
			t.Fatal(err)
		}
		if len(doc.Sections) != 1500 {
			t.Fatalf("%d pages", len(doc.Sections))
		}
		for i, s := range doc.Sections {
			lines := strings.Split(s.Text, "\n")
			if s.Unit != "Page" || s.Number != i+1 || s.Name != fmt.Sprintf("Chapter %d", i/50+1) || len(lines) != 45 {
				t.Fatalf("page %d: %+v", i+1, s)
			}
			for n, got := range lines {
				if got != line(i+1, n) {
					t.Fatalf("page %d, line %d: %q", i+1, n, got)
				}
			}
		}
		alone(t, file, 1500, len(doc.Text))
	})
	t.Run("a text of 40 MB", func(t *testing.T) {
		file, content := filepath.Join(dir, "large.txt"), largeText()
		if err := os.WriteFile(file, content, 0o600); err != nil {
			t.Fatal(err)
		}
		doc, err := r.Read(t.Context(), summarize.Source{Path: file, Kind: summarize.KindText})
		if err != nil {
			t.Fatal(err)
		}
		if doc.Text != string(content) {
			t.Errorf("%d bytes of %d, or others", len(doc.Text), len(content))
		}
		alone(t, file, 1, len(content))
	})
}

// alone reads a document in a process of its own and checks how much memory it has
// taken.
func alone(t *testing.T, file string, sections, bytes int) {
	t.Helper()
	cmd := exec.CommandContext(t.Context(), os.Args[0])
	cmd.Env = append(os.Environ(), readThis+"="+file)
	cmd.Stderr = t.Output()
	out, err := cmd.Output()
	if err != nil {
		t.Fatal(err)
	}
	var gotSections, gotBytes, peak int
	if _, err := fmt.Sscan(string(out), &gotSections, &gotBytes, &peak); err != nil {
		t.Fatalf("%v: %q", err, out)
	}
	info, err := os.Stat(file)
	if err != nil {
		t.Fatal(err)
	}
	if gotSections != sections || gotBytes != bytes {
		t.Errorf("the other process has read %d sections, %d bytes; want %d, %d", gotSections, gotBytes, sections, bytes)
	}
	t.Logf("file %.1f MB, text %.1f MB, at most %d MiB of memory", float64(info.Size())/1e6, float64(bytes)/1e6, peak>>10)
	if peak>>10 > mostLarge {
		t.Errorf("it took %d MiB, the limit is %d", peak>>10, mostLarge)
	}
}
