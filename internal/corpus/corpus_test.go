//go:build corpus

package corpus_test

import (
	"cmp"
	"errors"
	"fmt"
	"maps"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"sync"
	"testing"

	"github.com/longhaul-jobs/longhaul/internal/corpus"
	"github.com/longhaul-jobs/longhaul/internal/installation"
	"github.com/longhaul-jobs/longhaul/internal/pdftest"
	"github.com/longhaul-jobs/longhaul/jobs/summarize"
)

// least is how much of the words that another program finds has to be found here, by
// the kind of the document; what is left out of each is in docs/documents.md.
func least(kind summarize.Kind) float64 {
	shares := map[summarize.Kind]float64{
		// Formulas are words to nobody, and the narrow spaces of troff are lost.
		summarize.KindPDF: 0.94,
		// Navigation is left out here and read by pandoc.
		summarize.KindHTML: 0.90,
		// It is compared as printed, with long words divided.
		summarize.KindPPTX: 0.92,
	}
	return cmp.Or(shares[kind], 0.98)
}

// TestCorpus reads all documents of the corpus and compares what it finds with
// what pdftotext, pandoc and LibreOffice find. Then the real programs summarize
// them. LONGHAUL_CORPUS names a folder to
// assemble it in, or to take as it is if it is there.
func TestCorpus(t *testing.T) {
	installation.Binary(t, "enqueue") // which is built where the sources are
	dir := assembled(t)
	t.Chdir(filepath.Dir(dir))
	selection, err := summarize.Expand(t.Context(), []string{filepath.Base(dir)}, summarize.ExpandOptions{})
	if err != nil {
		t.Fatal(err)
	}
	for _, failed := range slices.Concat(selection.Failed, selection.Skipped) {
		t.Errorf("not selected: %v", failed)
	}
	if len(selection.Sources) < 300 {
		t.Errorf("there are only %d documents", len(selection.Sources))
	}
	var c comparison
	c.convert(t, selection.Sources)
	r := summarize.NewReader(summarize.ReaderOptions{CacheDir: pdftest.CacheDir()})
	t.Cleanup(func() {
		if err := r.Close(); err != nil {
			t.Error(err)
		}
	})
	var all sync.WaitGroup
	free := make(chan struct{}, 2)
	for _, src := range selection.Sources {
		all.Go(func() {
			free <- struct{}{}
			defer func() { <-free }()
			c.read(t, r, src)
		})
	}
	all.Wait()
	c.report(t)
	t.Run("summarized", func(t *testing.T) { c.summarized(t, dir, selection.Sources) })
}

func assembled(t *testing.T) string {
	t.Helper()
	dir := os.Getenv("LONGHAUL_CORPUS")
	if dir == "" {
		dir = filepath.Join(t.TempDir(), "corpus")
	}
	dir, err := filepath.Abs(dir)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := os.Stat(dir); err == nil {
		return dir
	}
	if _, err := corpus.Assemble(t.Context(), dir); err != nil {
		t.Fatal(err)
	}
	return dir
}

// comparison is what has been found of all documents.
type comparison struct {
	// printed holds what LibreOffice has made of documents that no other program
	// reads, or none better, by their paths.
	printed map[string]string

	mu sync.Mutex
	// documents are those that were read, by their paths.
	documents map[string]summarize.Document
	kinds     map[summarize.Kind]*tally
	failed    []string
	worst     []string
}

type tally struct {
	documents, words, found int
	lowest                  float64
}

// read reads a document and compares it. That one is refused is no fault if it is
// refused for what it is.
func (c *comparison) read(t *testing.T, r *summarize.Reader, src summarize.Source) {
	t.Helper()
	doc, err := r.Read(t.Context(), src)
	if err != nil {
		if _, ok := errors.AsType[*summarize.SourceError](err); !ok || !strings.HasPrefix(err.Error(), src.Path+": ") {
			t.Errorf("%s: the error does not name it: %v", src.Path, err)
		}
		c.mu.Lock()
		defer c.mu.Unlock()
		c.failed = append(c.failed, err.Error())
		return
	}
	words, found := 0, 0
	if src.Archive == "" {
		words, found = c.compare(t, doc)
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.kinds == nil {
		c.kinds, c.documents = make(map[summarize.Kind]*tally), make(map[string]summarize.Document)
	}
	c.documents[doc.Path] = doc
	k := c.kinds[doc.Kind]
	if k == nil {
		k = &tally{lowest: 1}
		c.kinds[doc.Kind] = k
	}
	k.documents++
	k.words += words
	k.found += found
	if words < 100 { // where a heading and its navigation are much of it
		return
	}
	share := float64(found) / float64(words)
	k.lowest = min(k.lowest, share)
	if share < least(doc.Kind) {
		c.worst = append(c.worst, fmt.Sprintf("%s: %.3f of %d words", doc.Path, share, words))
	}
}

func (c *comparison) report(t *testing.T) {
	t.Helper()
	slices.Sort(c.failed)
	for _, failed := range c.failed {
		t.Logf("failed by name: %s", failed)
	}
	total := 0
	for _, kind := range slices.Sorted(maps.Keys(c.kinds)) {
		k := c.kinds[kind]
		total += k.documents
		if k.words == 0 {
			t.Logf("%-9s %4d documents", kind, k.documents)
			continue
		}
		t.Logf("%-9s %4d documents, %8d words, found %.4f, lowest %.3f", kind, k.documents, k.words, float64(k.found)/float64(k.words), k.lowest)
	}
	t.Logf("%d documents read, %d failed by name", total, len(c.failed))
	if len(c.failed)*20 > total {
		t.Errorf("%d of %d documents cannot be read", len(c.failed), total)
	}
	slices.Sort(c.worst)
	for _, worst := range c.worst {
		t.Errorf("too little was found: %s", worst)
	}
}

// compare returns how many words another program finds, and how many of them
// were found here. Text that is read as it is has nothing to be compared with.
func (c *comparison) compare(t *testing.T, doc summarize.Document) (words, found int) {
	t.Helper()
	switch doc.Kind {
	case summarize.KindPDF:
		pages := strings.Split(output(t, "pdftotext", "-enc", "UTF-8", "-layout", doc.Path, "-"), "\f")
		if len(pages)-1 != len(doc.Sections) {
			t.Errorf("%s: pdftotext finds %d pages, %d were found", doc.Path, len(pages)-1, len(doc.Sections))
			return 0, 0
		}
		for i, s := range doc.Sections {
			n, m := recall(mended(pages[i]), s.Text)
			words, found = words+n, found+m
			if n >= 100 && float64(m) < 0.75*float64(n) {
				t.Errorf("%s: page %d: found %d of %d words", doc.Path, i+1, m, n)
			}
		}
		return words, found
	case summarize.KindDOCX, summarize.KindODT, summarize.KindEPUB, summarize.KindHTML:
		return recall(output(t, "pandoc", "-f", string(doc.Kind), "-t", "plain", "--wrap=none", doc.Path), doc.Text)
	case summarize.KindXLSX, summarize.KindRTF:
		content, err := os.ReadFile(c.printed[doc.Path])
		if err != nil {
			t.Error(err)
		}
		return recall(string(content), doc.Text)
	case summarize.KindPPTX:
		return recall(output(t, "pdftotext", c.printed[doc.Path], "-"), doc.Text)
	case summarize.KindText, summarize.KindMarkdown, summarize.KindCSV, summarize.KindJSON, summarize.KindCode, summarize.KindEML:
	}
	return 0, 0
}

// divided is a word that was divided at the end of a line.
var divided = regexp.MustCompile(`(\pL)[-‐]\n\s*(\p{Ll})`)

func mended(text string) string { return divided.ReplaceAllString(text, "$1$2") }

var word = regexp.MustCompile(`[\pL\pN]+`)

// recall counts the words of one text and those that are in the other as well,
// which may have more.
func recall(want, got string) (words, found int) {
	have := make(map[string]int)
	for _, w := range word.FindAllString(got, -1) {
		have[strings.ToLower(w)]++
	}
	for _, w := range word.FindAllString(want, -1) {
		words++
		if w = strings.ToLower(w); have[w] > 0 {
			have[w]--
			found++
		}
	}
	return words, found
}

func output(t *testing.T, name string, args ...string) string {
	t.Helper()
	var stderr strings.Builder
	cmd := exec.CommandContext(t.Context(), name, args...)
	cmd.Stderr = &stderr
	out, err := cmd.Output()
	if err != nil {
		t.Errorf("%s %s: %v: %s", name, strings.Join(args, " "), err, stderr.String())
	}
	return string(out)
}

// convert has LibreOffice write all documents that are compared with what it
// reads, a folder at a time.
func (c *comparison) convert(t *testing.T, sources []summarize.Source) {
	t.Helper()
	type group struct{ folder, to, ext string }
	groups := make(map[group][]string)
	for _, src := range sources {
		to := map[summarize.Kind][2]string{
			summarize.KindXLSX: {"csv", ".csv"}, summarize.KindRTF: {"txt:Text (encoded):UTF8", ".txt"}, summarize.KindPPTX: {"pdf", ".pdf"},
		}[src.Kind]
		if to[0] != "" && src.Archive == "" {
			g := group{filepath.Dir(src.Path), to[0], to[1]}
			groups[g] = append(groups[g], src.Path)
		}
	}
	c.printed = make(map[string]string)
	for g, files := range groups {
		out := t.TempDir()
		if err := corpus.Convert(t.Context(), g.to, out, nil, files); err != nil {
			t.Error(err)
		}
		for _, file := range files {
			c.printed[file] = filepath.Join(out, strings.TrimSuffix(filepath.Base(file), filepath.Ext(file))+g.ext)
		}
	}
}
