package bench_test

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/longhaul-jobs/longhaul/internal/pdftest"
	"github.com/longhaul-jobs/longhaul/jobs/summarize"
)

// documentRounds is how often each document is read by each program; the fastest
// round counts, for the machine may have other things to do.
const documentRounds = 5

// prose returns so many bytes of text in paragraphs, no two of which are alike.
func prose(size int) string {
	subjects := []string{"The harbour", "A committee", "The old bridge", "Every ship", "The report", "Nobody", "The council", "A letter"}
	verbs := []string{"was rebuilt after", "decided against", "had been closed since", "paid for", "describes at length", "remembers", "voted on", "arrived before"}
	objects := []string{"the storm.", "the new tariff.", "the winter of that year.", "three of the warehouses.", "what the engineers had found.", "the treaty."}
	var b strings.Builder
	for n := 0; b.Len() < size; n++ {
		fmt.Fprintf(&b, "%s %s %s (%d) ", subjects[n%8], verbs[n/8%8], objects[n/64%6], n)
		if n%9 == 8 {
			b.WriteString("\n\n")
		}
		if n%180 == 179 {
			fmt.Fprintf(&b, "## Section %d\n\n", n/180+1)
		}
	}
	return b.String()
}

// BenchmarkDocuments reads the same documents here and with the programs that do the
// same work, side by side. Those are processes of their own, whose start is small
// beside documents of this size; PDFium is started beforehand, which takes seconds
// once.
func BenchmarkDocuments(b *testing.B) {
	dir := b.TempDir()
	text := prose(1_500_000)
	source := filepath.Join(dir, "source.md")
	write(b, source, []byte(text))
	r := summarize.NewReader(summarize.ReaderOptions{CacheDir: pdftest.CacheDir()})
	b.Cleanup(func() {
		if err := r.Close(); err != nil {
			b.Error(err)
		}
	})
	write(b, filepath.Join(dir, "a.pdf"), paged(text))
	manual := realPDF(b, dir)
	for _, d := range []struct {
		name, file string
		beside     []string
	}{
		{"PDF", "a.pdf", []string{"pdftotext", filepath.Join(dir, "a.pdf"), "-"}},
		{"PDF, a manual", manual, []string{"pdftotext", filepath.Join(dir, manual), "-"}},
		{"DOCX", "a.docx", nil},
		{"ODT", "a.odt", nil},
		{"EPUB", "a.epub", nil},
		{"RTF", "a.rtf", nil},
		{"HTML", "a.html", nil},
	} {
		b.Run(strings.ReplaceAll(d.name, " ", "-"), func(b *testing.B) {
			kind, _ := summarize.KindOf(d.file)
			file := filepath.Join(dir, d.file)
			if d.beside == nil {
				runProgram(b, "pandoc", "--standalone", "--metadata", "title=T", source, "-o", file)
				d.beside = []string{"pandoc", "-f", string(kind), "-t", "plain", "--wrap=none", file}
			}
			for b.Loop() {
				compareReading(b, r, d.name, summarize.Source{Path: file, Kind: kind}, d.beside)
			}
		})
	}
	b.Run("splitting", func(b *testing.B) {
		for b.Loop() {
			measureSplitting(b, text)
		}
	})
}

// compareReading reads a document here and with another program, in turn.
func compareReading(b *testing.B, r *summarize.Reader, name string, src summarize.Source, beside []string) {
	b.Helper()
	var ours, theirs []time.Duration
	var doc summarize.Document
	for range documentRounds + 1 {
		start := time.Now()
		var err error
		if doc, err = r.Read(b.Context(), src); err != nil {
			b.Fatal(err)
		}
		ours = append(ours, time.Since(start))
		start = time.Now()
		runProgram(b, beside[0], beside[1:]...)
		theirs = append(theirs, time.Since(start))
	}
	// The first round starts PDFium.
	best, other := slices.Min(ours[1:]), slices.Min(theirs[1:])
	what := "read " + name
	if n := len(doc.Sections); doc.Kind == summarize.KindPDF {
		summary.tell(what, fmt.Sprintf("%.0f pages/s", float64(n)/best.Seconds()), "",
			fmt.Sprintf("%s: %.0f pages/s, ratio %.2f", beside[0], float64(n)/other.Seconds(), other.Seconds()/best.Seconds()))
		return
	}
	rate := func(d time.Duration) float64 { return float64(len(doc.Text)) / 1e6 / d.Seconds() }
	summary.tell(what, fmt.Sprintf("%.1f MB/s of text", rate(best)), "",
		fmt.Sprintf("%s: %.1f MB/s, ratio %.2f", beside[0], rate(other), other.Seconds()/best.Seconds()))
}

// measureSplitting parts a text for a model.
func measureSplitting(b *testing.B, text string) {
	b.Helper()
	doc, err := summarize.Parse("a.md", summarize.KindMarkdown, []byte(text))
	if err != nil {
		b.Fatal(err)
	}
	var best time.Duration
	var parts []summarize.Chunk
	for range documentRounds {
		start := time.Now()
		if parts, err = summarize.Split(doc, summarize.Options{Model: "gpt-4.1"}); err != nil {
			b.Fatal(err)
		}
		if took := time.Since(start); best == 0 || took < best {
			best = took
		}
	}
	summary.tell("split, tokens counted", fmt.Sprintf("%.1f MB/s of text", float64(len(text))/1e6/best.Seconds()), "", fmt.Sprintf("%d parts", len(parts)))
}

// paged returns a text as a PDF, 50 lines to a page.
func paged(text string) []byte {
	var doc pdftest.Document
	var page pdftest.Page
	for paragraph := range strings.SplitSeq(text, "\n\n") {
		for len(paragraph) > 0 {
			end := len(paragraph)
			if end > 90 {
				end = max(1, strings.LastIndexByte(paragraph[:90], ' ')+1)
			}
			page.Lines = append(page.Lines, paragraph[:end])
			paragraph = paragraph[end:]
			if len(page.Lines) == 50 {
				doc.Pages, page = append(doc.Pages, page), pdftest.Page{}
			}
		}
	}
	return pdftest.Document{Pages: append(doc.Pages, page)}.Bytes()
}

// realPDF unpacks the policy of Debian, which make bench installs, and returns its
// name in the folder.
func realPDF(b *testing.B, dir string) string {
	b.Helper()
	packed, err := exec.CommandContext(b.Context(), "gzip", "-dc", "/usr/share/doc/debian-policy/policy.pdf.gz").Output()
	if err != nil {
		b.Fatalf("unpack the policy of Debian: %v; make bench installs it", err)
	}
	write(b, filepath.Join(dir, "policy.pdf"), packed)
	return "policy.pdf"
}

func write(b *testing.B, file string, content []byte) {
	b.Helper()
	if err := os.WriteFile(file, content, 0o600); err != nil {
		b.Fatal(err)
	}
}

// runProgram runs a program, whose output is read and dropped.
func runProgram(b *testing.B, name string, args ...string) {
	b.Helper()
	var problem strings.Builder
	cmd := exec.CommandContext(b.Context(), name, args...)
	cmd.Stderr = &problem
	if _, err := cmd.Output(); err != nil {
		b.Fatalf("%s: %v: %s", name, err, problem.String())
	}
}
