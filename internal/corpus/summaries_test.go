//go:build corpus

package corpus_test

import (
	"bytes"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/longhaul-jobs/longhaul/internal/installation"
	"github.com/longhaul-jobs/longhaul/jobs"
	"github.com/longhaul-jobs/longhaul/jobs/summarize"
)

// lengths has answers be of lengths that no forecast has seen, from a fifteenth of what is
// asked for to twice as much.
const lengths = `{"seed":5,"rules":[
	{"match":{"op":"create","probability":0.25},"action":{"words":17}},
	{"match":{"op":"create","probability":0.3},"action":{"words":120}},
	{"match":{"op":"create","probability":0.4},"action":{"words":330}},
	{"match":{"op":"create","probability":0.3},"action":{"words":500}}]}`

// summarized has the real programs summarize all documents, with what was read of them:
// each succeeds or fails by name, nothing of any is lost between parts, the dry run was
// right, a second run asks for nothing, and the pages show them all.
func (c *comparison) summarized(t *testing.T, dir string, sources []summarize.Source) {
	in := installation.New(t, "--simulator-queued", "20ms", "--simulator-running", "200ms")
	in.Faults(lengths)
	s := newShow(t, in, dir)
	before := state(t, dir)

	var said forecast
	if code, _, _ := s.summarize(&said, nil, "--dry-run"); code != 0 {
		t.Fatalf("the dry run: exit code %d", code)
	}
	if n := in.Totals().CreatesAccepted; n != 0 {
		t.Errorf("the dry run sent %d requests", n)
	}
	if _, err := os.Stat(s.out); err == nil {
		t.Error("the dry run has written into the folder")
	}

	worker := s.worker()
	var was outcome
	code, own, others := s.summarize(&was, worker)
	if want := min(was.Failed, 1); code != want {
		t.Errorf("exit code %d, want %d: %d have failed", code, want, was.Failed)
	}
	t.Logf("%d documents in %.0f s, enqueue had at most %d MiB of memory, the worker %d MiB", was.Total, was.Elapsed, own, others)
	billed := in.Totals()
	c.foreseen(t, said, was, billed.CreatesAccepted, int64(billed.InputTokens), int64(billed.OutputTokens))

	entries := s.entries()
	if len(entries) != len(sources) || was.Total != len(sources) {
		t.Errorf("%d documents are on record, %d were counted, there are %d", len(entries), was.Total, len(sources))
	}
	c.each(s, entries, sources)
	s.files(entries)
	s.shown(entries)

	files, created := state(t, s.out), in.Totals().CreatesAccepted
	var again outcome
	if code, _, _ := s.summarize(&again, nil); code != min(was.Failed, 1) {
		t.Errorf("the second run: exit code %d", code)
	}
	if n := in.Totals().CreatesAccepted; n != created || again.Skipped != was.Succeeded || again.Failed != was.Failed {
		t.Errorf("the second run sent %d requests, passed over %d of %d and has %d failures", n-created, again.Skipped, was.Succeeded, again.Failed)
	}
	if !maps.Equal(state(t, s.out), files) {
		t.Error("the second run has changed files")
	}
	if !maps.Equal(state(t, dir), before) {
		t.Error("the documents have changed")
	}
}

// foreseen holds what the dry run has said against what was billed.
func (c *comparison) foreseen(t *testing.T, said forecast, was outcome, requests int, input, output int64) {
	t.Helper()
	t.Logf("requests: %d said (%d to %d), %d made", said.Requests.Expected, said.Requests.Low, said.Requests.High, requests)
	t.Logf("input tokens: %d said, %d of them documents, %d billed: %+.2f %%", said.InputTokens.Expected, said.ReadTokens, input, percent(said.InputTokens.Expected, input))
	t.Logf("output tokens: %d said (%d to %d), %d billed", said.OutputTokens.Expected, said.OutputTokens.Low, said.OutputTokens.High, output)
	t.Logf("cost: %s said (%s to %s), %s billed", said.Cost.Expected, said.Cost.Low, said.Cost.High, was.Cost)
	if was.InputTokens != input || was.OutputTokens != output {
		t.Errorf("the run counts %d tokens in and %d out, the provider %d and %d", was.InputTokens, was.OutputTokens, input, output)
	}
	if off := percent(said.InputTokens.Expected, input); off < -1 || off > 1 {
		t.Errorf("the input was said to be %d tokens, %d were billed: %+.2f %%", said.InputTokens.Expected, input, off)
	}
	if !said.Requests.has(int64(requests)) {
		t.Errorf("%d requests are not within %+v", requests, said.Requests)
	}
	if !said.OutputTokens.has(output) {
		t.Errorf("an output of %d tokens is not within %+v", output, said.OutputTokens)
	}
	if was.Cost < said.Cost.Low || was.Cost > said.Cost.High {
		t.Errorf("a cost of %s is not within %+v", was.Cost, said.Cost)
	}
}

// each goes through the documents that were summarized, or were not.
func (c *comparison) each(s *show, entries []summarize.Entry, sources []summarize.Source) {
	t := s.t
	t.Helper()
	kinds := make(map[string]summarize.Kind, len(sources))
	for _, src := range sources {
		kinds[src.Path] = src.Kind
	}
	root := filepath.ToSlash(filepath.Dir(s.docs)) + "/"
	done := make(map[summarize.Kind]int)
	succeeded, files, parts, merged, cited, unverified := 0, 0, 0, 0, 0, 0
	for _, e := range entries {
		path := strings.TrimPrefix(e.Document, root)
		kind, known := kinds[path]
		delete(kinds, path)
		if !known {
			t.Errorf("%s is on record and is no document", e.Document)
			continue
		}
		if e.Status != summarize.StatusSucceeded {
			if e.Status != summarize.StatusFailed || e.Error == nil || e.Error.Message == "" || e.Output != "" {
				t.Errorf("%s: %s, %+v", e.Document, e.Status, e.Error)
				continue
			}
			t.Logf("failed by name: %s: %s", path, e.Error.Message)
			continue
		}
		succeeded++
		done[kind]++
		summary := s.summary(e)
		if summary.Coverage.File {
			s.sentAsFile(e)
			files++
			continue
		}
		doc, read := c.documents[path]
		if !read {
			t.Errorf("%s was summarized and cannot be read", e.Document)
			continue
		}
		n := s.whole(e, doc)
		if summary.Coverage.Parts != n || n == 0 {
			t.Errorf("%s: %d parts, but it says %+v", e.Document, n, summary.Coverage)
		}
		parts += n
		if n > 1 {
			merged++
		}
		all, wrong := s.cited(e, doc, summary)
		cited, unverified = cited+all, unverified+wrong
	}
	for path := range kinds {
		t.Errorf("%s is not on record", path)
	}
	t.Logf("%d documents summarized, %d failed by name, %d as files; %d parts, %d documents of several; %d sources, %d of them unverified",
		succeeded, len(entries)-succeeded, files, parts, merged, cited, unverified)
	for _, kind := range slices.Sorted(maps.Keys(done)) {
		t.Logf("%-9s %4d summarized", kind, done[kind])
	}
	if succeeded < 300 || merged == 0 || files == 0 || unverified == 0 || succeeded == len(entries) {
		t.Error("there must be at least 300, some of several parts, some as files, some with unverified sources, and some that fail")
	}
	for _, kind := range []summarize.Kind{
		summarize.KindText, summarize.KindMarkdown, summarize.KindHTML, summarize.KindPDF, summarize.KindDOCX, summarize.KindPPTX, summarize.KindXLSX,
		summarize.KindODT, summarize.KindEPUB, summarize.KindRTF, summarize.KindEML, summarize.KindCSV, summarize.KindJSON, summarize.KindCode,
	} {
		if done[kind] == 0 {
			t.Errorf("no document of kind %s was summarized", kind)
		}
	}
}

// sentAsFile fails the test unless a document was sent byte for byte.
func (s *show) sentAsFile(e summarize.Entry) {
	s.t.Helper()
	want, err := os.ReadFile(filepath.FromSlash(e.Document))
	if err != nil {
		s.t.Error(err)
	}
	for part, err := range s.in.Client.Parts(s.t.Context(), jobs.ID(e.JobID)) {
		if err != nil {
			s.t.Fatal(err)
		}
		if request, ok := s.wire.of(part.Job.ID); !ok || part.Phase == 1 && !bytes.Equal(request.file, want) {
			s.t.Errorf("%s: %d bytes were sent of %d", e.Document, len(request.file), len(want))
		}
	}
}
