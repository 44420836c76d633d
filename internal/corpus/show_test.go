//go:build corpus

package corpus_test

import (
	"crypto/sha256"
	"encoding/csv"
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"
	"unicode"

	"github.com/longhaul-jobs/longhaul/internal/corpus"
	"github.com/longhaul-jobs/longhaul/internal/installation"
	"github.com/longhaul-jobs/longhaul/jobs"
	"github.com/longhaul-jobs/longhaul/jobs/summarize"
	"github.com/longhaul-jobs/longhaul/jobs/summarize/report"
)

// patience bounds how long a command may take; nothing depends on how long it does.
const patience = 20 * time.Minute

// show is a folder of documents that the real programs summarize, as a user would have
// them do it.
type show struct {
	t    *testing.T
	in   *installation.Installation
	wire *wire
	// docs is the folder of the documents, out that of the summaries, and home all else
	// that the command could write to.
	docs, out, home string
}

func newShow(t *testing.T, in *installation.Installation, docs string) *show {
	t.Helper()
	s := &show{t: t, in: in, wire: newWire(t, in.SimulatorURL), docs: docs, out: filepath.Join(t.TempDir(), "out"), home: t.TempDir()}
	return s
}

// worker starts a worker whose requests pass the wire.
func (s *show) worker() *installation.Process {
	s.t.Helper()
	return s.in.Worker("OPENAI_BASE_URL=" + s.wire.url)
}

// summarize runs `enqueue summarize` over the folder and returns its exit code, and the
// most memory that it and another process have had at once, each in MiB. Its answer goes
// into a value.
func (s *show) summarize(answer any, other *installation.Process, args ...string) (code, own, others int) {
	s.t.Helper()
	environ := []string{
		"LONGHAUL_REDIS_URL=" + s.in.RedisURL(), "HOME=" + s.home, "TMPDIR=" + s.home,
		// What PDFs are read with is compiled once and kept outside of what is looked at.
		"XDG_CACHE_HOME=" + filepath.Join(cacheHome(s.t), "longhaul-test-enqueue"),
	}
	p := installation.Start(s.t, environ, "enqueue", slices.Concat([]string{"summarize", s.docs, "--out", s.out, "--name", "corpus", "--json"}, args)...)
	for gone := false; !gone; {
		select {
		case <-p.Gone():
			gone = true
		case <-time.After(20 * time.Millisecond):
		}
		own = max(own, peak(p))
		if other != nil {
			others = max(others, peak(other))
		}
	}
	code = p.WaitFor(patience)
	if err := json.Unmarshal([]byte(p.Stdout.String()), answer); err != nil {
		s.t.Fatalf("summarize %v: %v\n%s\n%s", args, err, p.Stdout, p.Stderr)
	}
	for _, dir := range []string{p.Dir(), s.home} {
		written, err := corpus.List(dir)
		if err != nil || len(written) > 0 {
			s.t.Errorf("summarize %v has written %q into %s, which is not its output (%v)", args, written, dir, err)
		}
	}
	return code, own, others
}

func cacheHome(t *testing.T) string {
	t.Helper()
	dir, err := os.UserCacheDir()
	if err != nil {
		t.Fatal(err)
	}
	return dir
}

// peak is the most memory that a process has had, in MiB; 0 if it is gone.
func peak(p *installation.Process) int {
	status, err := os.ReadFile(fmt.Sprintf("/proc/%d/status", p.PID()))
	if err != nil {
		return 0
	}
	_, rest, _ := strings.Cut(string(status), "VmHWM:")
	kib := 0
	if _, err := fmt.Sscan(rest, &kib); err != nil {
		return 0 // it has ended, and nobody has waited for it yet
	}
	return kib >> 10
}

// span is how a dry run says a number.
type span struct {
	Low      int64 `json:"low"`
	Expected int64 `json:"expected"`
	High     int64 `json:"high"`
}

func (s span) has(n int64) bool { return s.Low <= n && n <= s.High }

// forecast is what a dry run prints.
type forecast struct {
	Documents    int   `json:"documents"`
	Failed       int   `json:"failed"`
	Files        int   `json:"files"`
	Copies       int   `json:"copies"`
	ReadTokens   int64 `json:"read_tokens"`
	Requests     span  `json:"requests"`
	InputTokens  span  `json:"input_tokens"`
	OutputTokens span  `json:"output_tokens"`
	Cost         struct {
		Low      jobs.Money `json:"low"`
		Expected jobs.Money `json:"expected"`
		High     jobs.Money `json:"high"`
	} `json:"cost_usd"`
}

// outcome is what a run prints.
type outcome struct {
	Total        int        `json:"total"`
	Succeeded    int        `json:"succeeded"`
	Failed       int        `json:"failed"`
	Skipped      int        `json:"skipped"`
	InputTokens  int64      `json:"input_tokens"`
	OutputTokens int64      `json:"output_tokens"`
	Cost         jobs.Money `json:"cost_usd"`
	Elapsed      float64    `json:"elapsed_seconds"`
}

// entries are the documents on record.
func (s *show) entries() []summarize.Entry {
	s.t.Helper()
	folder, err := summarize.ReadFolder(s.out)
	if err != nil {
		s.t.Fatal(err)
	}
	entries := folder.Entries()
	if err := folder.Close(); err != nil {
		s.t.Fatal(err)
	}
	return entries
}

// summary reads the summary of a document from its JSON file.
func (s *show) summary(e summarize.Entry) summarize.Summary {
	s.t.Helper()
	raw, err := os.ReadFile(filepath.Join(s.out, report.DataName(e.Output)))
	if err != nil {
		s.t.Fatal(err)
	}
	d, err := report.Read(raw, e.Document)
	if err != nil || d.Summary == nil {
		s.t.Fatalf("%s: %v, summary %v", e.Document, err, d.Summary)
	}
	return *d.Summary
}

// whole fails the test unless every byte of a document was sent, in the order of its
// parts. It returns how many parts there were.
func (s *show) whole(e summarize.Entry, doc summarize.Document) int {
	s.t.Helper()
	var text strings.Builder
	for _, section := range doc.Sections {
		text.WriteString(section.Text)
	}
	var sent []string
	parts := 0
	for part, err := range s.in.Client.Parts(s.t.Context(), jobs.ID(e.JobID)) {
		if err != nil {
			s.t.Fatal(err)
		}
		if part.Phase != 1 {
			continue
		}
		request, ok := s.wire.of(part.Job.ID)
		if !ok {
			s.t.Errorf("%s: %s was never sent", e.Document, part.Job.Part)
		}
		own, err := pieces(request.message)
		if err != nil {
			s.t.Errorf("%s: %s: %v", e.Document, part.Job.Part, err)
		}
		sent = append(sent, own...)
		parts++
	}
	if got := covered(text.String(), sent); got != text.Len() {
		s.t.Errorf("%s: only %d bytes of %d were sent, in %d parts", e.Document, got, text.Len(), parts)
	}
	return parts
}

// cited holds each source of a summary against the document, by a rough look of its own:
// whether its letters and digits stand there, and on the page that it names. It returns
// how many there are, and how many of them are marked as unverified.
func (s *show) cited(e summarize.Entry, doc summarize.Document, summary summarize.Summary) (sources, unverified int) {
	s.t.Helper()
	var whole strings.Builder
	for _, section := range doc.Sections {
		whole.WriteString(bare(section.Text))
	}
	text := whole.String()
	for _, statement := range slices.Concat(summary.KeyPoints, summary.OpenQuestions) {
		for _, c := range statement.Sources {
			sources++
			quote := bare(c.Quote)
			if has := quote != "" && strings.Contains(text, quote); has != c.Verified {
				s.t.Errorf("%s: %q stands in it: %t, verified: %t", e.Document, c.Quote, has, c.Verified)
			}
			if !c.Verified {
				unverified++
				continue
			}
			if c.Unit == "" {
				continue
			}
			if c.Number < 1 || c.Number > len(doc.Sections) {
				s.t.Errorf("%s: it has no %s %d", e.Document, c.Unit, c.Number)
				continue
			}
			if !strings.Contains(s.near(doc, c.Number), quote) {
				s.t.Errorf("%s: %q does not stand on %s %d", e.Document, c.Quote, c.Unit, c.Number)
			}
		}
	}
	if got := summary.Coverage; got.Sources != sources || got.Unverified != unverified {
		s.t.Errorf("%s: %d sources, %d unverified, but it says %+v", e.Document, sources, unverified, got)
	}
	return sources, unverified
}

// bare is the letters and digits of a text, in lower case.
func bare(text string) string {
	return strings.Map(func(r rune) rune {
		if unicode.IsLetter(r) || unicode.IsDigit(r) {
			return unicode.ToLower(r)
		}
		return -1
	}, text)
}

// files fails the test unless the output folder has what it is said to have, and nothing
// else: two files for each summary, and one entry for each document on each page.
func (s *show) files(entries []summarize.Entry) {
	s.t.Helper()
	want := []string{".summaries.lock", summarize.ManifestName, report.CSVName, report.IndexName, report.HTMLName}
	for _, e := range entries {
		if e.Output != "" {
			want = append(want, e.Output, report.DataName(e.Output))
		}
	}
	slices.Sort(want)
	got, err := corpus.List(s.out)
	if err != nil || !slices.Equal(got, want) {
		s.t.Errorf("the folder has %d files, want %d (%v): %q", len(got), len(want), err, odd(got, want))
	}
	beside, err := os.ReadDir(filepath.Dir(s.out))
	if err != nil || len(beside) != 1 {
		s.t.Errorf("there is something beside the folder: %v (%v)", beside, err)
	}
	table, err := csv.NewReader(strings.NewReader(s.page(report.CSVName))).ReadAll()
	if err != nil || len(table) != len(entries)+1 {
		s.t.Errorf("the table has %d lines, want a heading and %d (%v)", len(table), len(entries), err)
	}
	index := s.page(report.IndexName)
	rows := 0
	for line := range strings.Lines(index) {
		if strings.HasPrefix(line, "| ") && !strings.HasPrefix(line, "| Document |") && !strings.HasPrefix(line, "| ---") {
			rows++
		}
	}
	if rows != len(entries) {
		s.t.Errorf("the index has %d rows, want %d", rows, len(entries))
	}
	_, data, _ := strings.Cut(s.page(report.HTMLName), `<script type="application/json" id="data">`)
	data, _, _ = strings.Cut(data, "</script>")
	var records []struct {
		Path string `json:"path"`
	}
	if err := json.Unmarshal([]byte(data), &records); err != nil || len(records) != len(entries) {
		s.t.Errorf("the page has %d documents, want %d (%v)", len(records), len(entries), err)
	}
	for i, r := range records {
		if i < len(entries) && r.Path != entries[i].Document {
			s.t.Errorf("document %d of the page is %s, want %s", i, r.Path, entries[i].Document)
		}
	}
}

// page reads a file of the output folder.
func (s *show) page(name string) string {
	s.t.Helper()
	raw, err := os.ReadFile(filepath.Join(s.out, name))
	if err != nil {
		s.t.Error(err)
	}
	return string(raw)
}

// odd returns what only one of two lists has.
func odd(a, b []string) []string {
	var out []string
	for _, pair := range [][2][]string{{a, b}, {b, a}} {
		for _, name := range pair[0] {
			if !slices.Contains(pair[1], name) {
				out = append(out, name)
			}
		}
	}
	return out
}

// state is what the files below a folder hold.
func state(t *testing.T, dir string) map[string][sha256.Size]byte {
	t.Helper()
	names, err := corpus.List(dir)
	if err != nil {
		t.Fatal(err)
	}
	files := make(map[string][sha256.Size]byte, len(names))
	for _, name := range names {
		raw, err := os.ReadFile(filepath.Join(dir, filepath.FromSlash(name)))
		if err != nil {
			t.Fatal(err)
		}
		files[name] = sha256.Sum256(raw)
	}
	return files
}

// percent is by how much a number is off another, in percent of that.
func percent(got, want int64) float64 { return 100 * float64(got-want) / float64(want) }
