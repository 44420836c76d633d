//go:build corpus

package corpus_test

import (
	"encoding/json"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/longhaul-jobs/longhaul/internal/installation"
	"github.com/longhaul-jobs/longhaul/internal/pdftest"
	"github.com/longhaul-jobs/longhaul/jobs"
	"github.com/longhaul-jobs/longhaul/jobs/summarize"
)

// What each program may take for one of the large documents, in MiB; docs/summaries.md
// has what they took.
const (
	mostOfEnqueue = 1024
	mostOfWorker  = 1536
)

// TestLargeDocumentsAreSummarized has the real programs summarize each large document, and
// looks at how much memory they take, whether all of it was sent, and whether what is
// cited wrongly on purpose is told apart. A statement that is merged of many keeps eight of
// their sources, those first that were verified, so that a summary of so many parts seldom
// has one that was not.
func TestLargeDocumentsAreSummarized(t *testing.T) {
	in := installation.New(t, "--simulator-queued", "20ms", "--simulator-running", "200ms", "--simulator-wrong-citations", "20")
	r := summarize.NewReader(summarize.ReaderOptions{CacheDir: pdftest.CacheDir()})
	t.Cleanup(func() {
		if err := r.Close(); err != nil {
			t.Error(err)
		}
	})
	for name, tt := range map[string]struct {
		file     string
		kind     summarize.Kind
		content  func() []byte
		sections int
	}{
		"a PDF of 1,500 pages": {"large.pdf", summarize.KindPDF, largePDF, 1500},
		"a text of 40 MB":      {"large.txt", summarize.KindText, largeText, 0},
	} {
		t.Run(name, func(t *testing.T) {
			s := newShow(t, in.Apart(t), t.TempDir())
			file := filepath.Join(s.docs, tt.file)
			if err := os.WriteFile(file, tt.content(), 0o600); err != nil {
				t.Fatal(err)
			}
			doc, err := r.Read(t.Context(), summarize.Source{Path: file, Kind: tt.kind})
			if err != nil {
				t.Fatal(err)
			}
			worker := s.worker()
			var was outcome
			code, own, others := s.summarize(&was, worker)
			entries := s.entries()
			if code != 0 || len(entries) != 1 || was.Succeeded != 1 {
				t.Fatalf("exit code %d, %+v, on record %+v", code, was, entries)
			}
			summary := s.summary(entries[0])
			parts := s.whole(entries[0], doc)
			if got := summary.Coverage; got.Parts != parts || got.Sections != tt.sections || got.Levels == 0 || got.Bytes < len(doc.Text)*9/10 {
				t.Errorf("%d parts of %d bytes, but it says %+v", parts, len(doc.Text), got)
			}
			sources, unverified := s.cited(entries[0], doc, summary)
			quotes, nowhere, elsewhere := s.quoted(entries[0], doc)
			t.Logf("of %d quotes in what was said of parts, %d stand nowhere and %d on another page; of %d in the summary, %d are unverified",
				quotes, nowhere, elsewhere, sources, unverified)
			if nowhere == 0 || tt.sections > 0 && elsewhere == 0 || sources == 0 {
				t.Error("nothing was cited wrongly on purpose")
			}
			s.files(entries)
			t.Logf("%d requests, %d parts, %d levels of merging, %.0f s; enqueue had at most %d MiB of memory, the worker %d MiB",
				entries[0].Requests, parts, summary.Coverage.Levels, was.Elapsed, own, others)
			if own > mostOfEnqueue || others > mostOfWorker || own == 0 || others == 0 {
				t.Errorf("enqueue had %d MiB of memory, the worker %d MiB; the limits are %d and %d", own, others, mostOfEnqueue, mostOfWorker)
			}
		})
	}
}

// quoted counts the quotes in the answers to the parts of a document, those that do not
// stand in the part, and those that do not stand on the page that they name.
func (s *show) quoted(e summarize.Entry, doc summarize.Document) (quotes, nowhere, elsewhere int) {
	s.t.Helper()
	for part, err := range s.in.Client.Parts(s.t.Context(), jobs.ID(e.JobID)) {
		if err != nil {
			s.t.Fatal(err)
		}
		if part.Phase != 1 {
			continue
		}
		answer, err := s.in.Client.Text(s.t.Context(), part.Job.ID)
		if err != nil {
			s.t.Fatal(err)
		}
		var said struct {
			KeyPoints []struct {
				Sources []struct {
					Section *int   `json:"section"`
					Quote   string `json:"quote"`
				} `json:"sources"`
			} `json:"key_points"`
		}
		if err := json.Unmarshal([]byte(answer), &said); err != nil {
			s.t.Fatalf("%s: %v", part.Job.Part, err)
		}
		request, _ := s.wire.of(part.Job.ID)
		read := bare(request.message)
		for _, point := range said.KeyPoints {
			for _, source := range point.Sources {
				quotes++
				switch quote := bare(source.Quote); {
				case !strings.Contains(read, quote):
					nowhere++
				case source.Section != nil && doc.Sections[0].Unit != "" && !strings.Contains(s.near(doc, *source.Section), quote):
					elsewhere++
				}
			}
		}
	}
	return quotes, nowhere, elsewhere
}

// near is what stands on a page, and on the next one: a quote may go on there.
func (s *show) near(doc summarize.Document, page int) string {
	var text strings.Builder
	for _, section := range doc.Sections[max(0, min(page-1, len(doc.Sections))):max(0, min(page+1, len(doc.Sections)))] {
		text.WriteString(bare(section.Text))
	}
	return text.String()
}
