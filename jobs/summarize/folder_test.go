package summarize_test

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"reflect"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"

	"github.com/longhaul-jobs/longhaul/jobs"
	"github.com/longhaul-jobs/longhaul/jobs/summarize"
)

func open(t *testing.T, dir string) *summarize.Folder {
	t.Helper()
	folder, err := summarize.OpenFolder(dir)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { shut(t, folder) })
	return folder
}

func shut(t *testing.T, folder *summarize.Folder) {
	t.Helper()
	if err := folder.Close(); err != nil {
		t.Error(err)
	}
}

func write(t *testing.T, file, content string) {
	t.Helper()
	if err := os.WriteFile(file, []byte(content), 0o600); err != nil {
		t.Fatal(err)
	}
}

func read(t *testing.T, file string) string {
	t.Helper()
	content, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	return string(content)
}

func succeeded(document, fingerprint string) summarize.Entry {
	return summarize.Entry{
		Document: document, Name: "A title", Fingerprint: fingerprint, SHA256: "ab", Model: "gpt-4.1",
		Status: summarize.StatusSucceeded, Output: summarize.OutputName(document), JobID: "job", ResponseID: "resp_1",
		InputTokens: 1200, OutputTokens: 340, FinishedAt: time.Date(2026, 11, 22, 10, 30, 0, 0, time.UTC),
	}
}

func compare(t *testing.T, want, got []summarize.Entry) {
	t.Helper()
	if diff := cmp.Diff(want, got, cmpopts.IgnoreUnexported(summarize.Entry{}), cmpopts.EquateEmpty()); diff != "" {
		t.Errorf("entries (-want +got):\n%s", diff)
	}
}

func TestFolderRemembers(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "deep", "out")
	folder := open(t, dir)
	first, second := succeeded("d/b.md", "f1"), succeeded("d/a.md", "f2")
	second.Status, second.Output = summarize.StatusFailed, ""
	second.Error = &summarize.EntryError{Class: "rejected", Message: "refused"}
	submitted := first
	submitted.Status = summarize.StatusSubmitted
	for _, e := range []summarize.Entry{submitted, second, first} {
		if err := folder.Record(e); err != nil {
			t.Fatal(err)
		}
	}
	want := []summarize.Entry{second, first}
	compare(t, want, folder.Entries())
	shut(t, folder)

	const lines = `{"document":"d/b.md","name":"A title","fingerprint":"f1","sha256":"ab","model":"gpt-4.1","status":"submitted","output":"d--b.md","job_id":"job","response_id":"resp_1","input_tokens":1200,"output_tokens":340,"finished_at":"2026-11-22T10:30:00Z"}
{"document":"d/a.md","name":"A title","fingerprint":"f2","sha256":"ab","model":"gpt-4.1","status":"failed","job_id":"job","response_id":"resp_1","input_tokens":1200,"output_tokens":340,"error":{"class":"rejected","message":"refused"},"finished_at":"2026-11-22T10:30:00Z"}
{"document":"d/b.md","name":"A title","fingerprint":"f1","sha256":"ab","model":"gpt-4.1","status":"succeeded","output":"d--b.md","job_id":"job","response_id":"resp_1","input_tokens":1200,"output_tokens":340,"finished_at":"2026-11-22T10:30:00Z"}
`
	if diff := cmp.Diff(lines, read(t, filepath.Join(dir, summarize.ManifestName))); diff != "" {
		t.Errorf("manifest (-want +got):\n%s", diff)
	}
	reader, err := summarize.ReadFolder(dir)
	if err != nil {
		t.Fatal(err)
	}
	defer shut(t, reader)
	compare(t, want, reader.Entries())
	if e, ok := reader.Entry("d/b.md"); !ok || e.Status != summarize.StatusSucceeded {
		t.Errorf("Entry = %+v, %t", e, ok)
	}
	if e, ok := reader.Entry("d/c.md"); ok {
		t.Errorf("Entry of an unknown document = %+v", e)
	}
}

func TestFolderDone(t *testing.T) {
	dir := t.TempDir()
	folder := open(t, dir)
	if folder.Done("f", "a.md") {
		t.Error("done before anything was")
	}
	if err := folder.Save("a.md", []byte("# Summary\n")); err != nil {
		t.Fatal(err)
	}
	if err := folder.Record(succeeded("a.md", "f")); err != nil {
		t.Fatal(err)
	}
	if !folder.Done("f", "a.md") {
		t.Error("not done after success")
	}
	if folder.Done("g", "a.md") || folder.Done("f", "b.md") {
		t.Error("done with another fingerprint or document")
	}
	for name, change := range map[string]func(*summarize.Entry){
		"failed":          func(e *summarize.Entry) { e.Status = summarize.StatusFailed },
		"incomplete":      func(e *summarize.Entry) { e.Status = summarize.StatusIncomplete },
		"submitted":       func(e *summarize.Entry) { e.Status = summarize.StatusSubmitted },
		"without output":  func(e *summarize.Entry) { e.Output = "" },
		"missing output":  func(e *summarize.Entry) { e.Output = "gone.md" },
		"folder":          func(e *summarize.Entry) { e.Output = "." },
		"outside output":  func(e *summarize.Entry) { e.Output = "../outside.md" },
		"absolute output": func(e *summarize.Entry) { e.Output = filepath.Join(filepath.Dir(dir), "outside.md") },
		"empty output":    func(e *summarize.Entry) { e.Output = "empty.md" },
		"link to outside": func(e *summarize.Entry) { e.Output = "link.md" },
	} {
		write(t, filepath.Join(filepath.Dir(dir), "outside.md"), "outside")
		write(t, filepath.Join(dir, "empty.md"), "")
		if err := os.Symlink("../outside.md", filepath.Join(dir, "link.md")); err != nil && !errors.Is(err, os.ErrExist) {
			t.Fatal(err)
		}
		e := succeeded("a.md", "f")
		change(&e)
		if err := folder.Record(e); err != nil {
			t.Fatal(err)
		}
		if folder.Done("f", "a.md") {
			t.Errorf("%s: done", name)
		}
	}
}

func TestFolderSavesNothingElsewhere(t *testing.T) {
	parent := t.TempDir()
	folder := open(t, filepath.Join(parent, "out"))
	for _, name := range []string{"../x.md", "a/x.md", "/x.md", "", ".", "..", ".hidden.md", summarize.ManifestName} {
		if err := folder.Save(name, []byte("x")); err == nil {
			t.Errorf("Save(%q) wrote something", name)
		}
	}
	// A link that someone put in place of a summary is replaced, not followed.
	write(t, filepath.Join(parent, "victim.md"), "untouched")
	if err := os.Symlink("../victim.md", filepath.Join(parent, "out", "x.md")); err != nil {
		t.Fatal(err)
	}
	if err := folder.Save("x.md", []byte("summary")); err != nil {
		t.Fatal(err)
	}
	if got := read(t, filepath.Join(parent, "victim.md")); got != "untouched" {
		t.Errorf("a file outside of the folder says %q", got)
	}
	if got := read(t, filepath.Join(parent, "out", "x.md")); got != "summary" {
		t.Errorf("the summary says %q", got)
	}
	names, err := filepath.Glob(filepath.Join(parent, "*"))
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff([]string{filepath.Join(parent, "out"), filepath.Join(parent, "victim.md")}, names); diff != "" {
		t.Errorf("files (-want +got):\n%s", diff)
	}
}

func TestFolderSurvivesACrashWhileWriting(t *testing.T) {
	whole := `{"document":"a.md","fingerprint":"f","status":"succeeded","output":"a.md"}`
	for name, tail := range map[string]string{
		"nothing cut":        "",
		"cut within a name":  `{"docum`,
		"cut within a value": `{"document":"b.md","fingerprint":"f","status":"succeeded","input_tokens":12`,
		"zeros":              "\x00\x00\x00\x00",
		"cut after the line": `{"document":"b.md","fingerprint":"f","status":"succeeded"}`,
	} {
		t.Run(name, func(t *testing.T) {
			dir := t.TempDir()
			manifest := filepath.Join(dir, summarize.ManifestName)
			write(t, manifest, whole+"\n"+tail)
			// What a crash in the middle of Save leaves.
			write(t, filepath.Join(dir, ".summaries.tmp"), "half a summ")

			reader, err := summarize.ReadFolder(dir)
			if err != nil {
				t.Fatal(err)
			}
			shut(t, reader)
			if got := read(t, manifest); got != whole+"\n"+tail {
				t.Errorf("reading changed the manifest to %q", got)
			}

			folder := open(t, dir)
			if _, ok := folder.Entry("a.md"); !ok {
				t.Error("a line before the cut is lost")
			}
			if _, ok := folder.Entry("b.md"); ok != (name == "cut after the line") {
				t.Errorf("the last line is read: %t", ok)
			}
			if err := folder.Record(succeeded("c.md", "f")); err != nil {
				t.Fatal(err)
			}
			if err := folder.Save("c.md", []byte("summary")); err != nil {
				t.Fatal(err)
			}
			shut(t, folder)
			entries, cut, err := summarize.ReadManifest(strings.NewReader(read(t, manifest)))
			if err != nil || cut {
				t.Fatalf("manifest is cut: %t, error %v", cut, err)
			}
			if _, ok := entries["c.md"]; !ok {
				t.Error("the line after the crash is lost")
			}
			if _, err := os.Stat(filepath.Join(dir, ".summaries.tmp")); !errors.Is(err, os.ErrNotExist) {
				t.Errorf("a scratch file is left: %v", err)
			}
		})
	}
}

// A write that failed half-way, as on a full disk, costs neither the lines before
// it nor the line after it.
func TestFolderRecordsAfterABrokenWrite(t *testing.T) {
	dir := t.TempDir()
	manifest := filepath.Join(dir, summarize.ManifestName)
	folder := open(t, dir)
	want := []summarize.Entry{succeeded("a.md", "f"), succeeded("b.md", "f"), succeeded("c.md", "f")}
	if err := folder.Record(want[0]); err != nil {
		t.Fatal(err)
	}
	write(t, manifest, read(t, manifest)+`{"document":"x.md","fing`)
	for _, e := range want[1:] {
		if err := folder.Record(e); err != nil {
			t.Fatal(err)
		}
	}
	shut(t, folder)
	compare(t, want, open(t, dir).Entries())
	if got := read(t, manifest); strings.Count(got, "\n") != 3 || strings.Contains(got, "x.md") {
		t.Errorf("manifest = %q", got)
	}
}

func TestFolderRefusesADamagedManifest(t *testing.T) {
	good := `{"document":"a.md","fingerprint":"f","status":"succeeded"}` + "\n"
	for name, tt := range map[string]struct{ content, want string }{
		"not JSON":    {good + "oops\n" + good, "summaries.jsonl: line 2: invalid character 'o' looking for beginning of value; remove the line, which is damaged: "},
		"no document": {good + good + `{"fingerprint":"f"}` + "\n", "summaries.jsonl: line 3: a line of the manifest must name its document; remove the line"},
		"endless":     {good + strings.Repeat("x", 1<<20+1), "summaries.jsonl: line 2: longer than 1048576 bytes"},
		"not a line":  {"[]\n" + good, "summaries.jsonl: line 1: json: cannot unmarshal array"},
	} {
		dir := t.TempDir()
		write(t, filepath.Join(dir, summarize.ManifestName), tt.content)
		for _, openFunc := range []func(string) (*summarize.Folder, error){summarize.OpenFolder, summarize.ReadFolder} {
			if _, err := openFunc(dir); err == nil || !strings.Contains(err.Error(), filepath.Join(dir, tt.want)) {
				t.Errorf("%s: error %v, want %q in %s", name, err, tt.want, dir)
			}
		}
		if got := read(t, filepath.Join(dir, summarize.ManifestName)); got != tt.content {
			t.Errorf("%s: the manifest was changed", name)
		}
	}
}

// TestEntryKnowsItsFields: each is written once, also after it was read again.
func TestEntryKnowsItsFields(t *testing.T) {
	cost := jobs.Money(5)
	e := summarize.Entry{
		Document: "a.md", Name: "A", Fingerprint: "f", SHA256: "s", Model: "m", Status: summarize.StatusFailed, Output: "a.md", JobID: "job_1",
		ResponseID: "resp_1", InputTokens: 1, OutputTokens: 2, CachedTokens: 3, ReasoningTokens: 4, Cost: &cost, KnownCost: &cost, Requests: 5, Note: "n", Gone: true,
		Error: &summarize.EntryError{Class: "c", Code: "o", Message: "m"}, FinishedAt: time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC),
	}
	for v, i := reflect.ValueOf(e), 0; i < v.NumField(); i++ {
		if f := v.Type().Field(i); f.IsExported() && v.Field(i).IsZero() {
			t.Errorf("this test leaves out %s", f.Name)
		}
	}
	first, err := json.Marshal(e)
	if err != nil {
		t.Fatal(err)
	}
	var read summarize.Entry
	if err := json.Unmarshal(first, &read); err != nil {
		t.Fatal(err)
	}
	if again, err := json.Marshal(read); err != nil || string(again) != string(first) {
		t.Errorf("%v\n%s\n%s", err, first, again)
	}
}

func TestFolderKeepsUnknownFields(t *testing.T) {
	dir := t.TempDir()
	manifest := filepath.Join(dir, summarize.ManifestName)
	line := `{"document":"a.md","fingerprint":"f","status":"paused","later":{"b": [1.50, "x"], "a":null},"cost_eur":0.10}`
	// Without its line end, so that opening rewrites it.
	write(t, manifest, line)
	folder := open(t, dir)
	const kept = `{"document":"a.md","fingerprint":"f","status":"paused","cost_eur":0.10,"later":{"b":[1.50,"x"],"a":null}}` + "\n"
	if diff := cmp.Diff(kept, read(t, manifest)); diff != "" {
		t.Errorf("rewritten manifest (-want +got):\n%s", diff)
	}
	e, ok := folder.Entry("a.md")
	if !ok || e.Status != "paused" {
		t.Fatalf("Entry = %+v, %t", e, ok)
	}
	e.Status = summarize.StatusSucceeded
	if err := folder.Record(e); err != nil {
		t.Fatal(err)
	}
	want := kept + strings.Replace(kept, "paused", "succeeded", 1)
	if diff := cmp.Diff(want, read(t, manifest)); diff != "" {
		t.Errorf("manifest (-want +got):\n%s", diff)
	}
}

func TestFolderDropsStaleLines(t *testing.T) {
	dir := t.TempDir()
	manifest := filepath.Join(dir, summarize.ManifestName)
	folder := open(t, dir)
	for i := range 300 {
		e := succeeded("a.md", fmt.Sprintf("f%d", i))
		if err := folder.Record(e); err != nil {
			t.Fatal(err)
		}
	}
	shut(t, folder)
	if got := strings.Count(read(t, manifest), "\n"); got != 300 {
		t.Fatalf("%d lines, want 300: lines are only appended", got)
	}
	folder = open(t, dir)
	if got := read(t, manifest); strings.Count(got, "\n") != 1 || !strings.Contains(got, `"f299"`) {
		t.Errorf("after opening, the manifest is %q", got)
	}
	if e, _ := folder.Entry("a.md"); e.Fingerprint != "f299" {
		t.Errorf("fingerprint = %s, want the last", e.Fingerprint)
	}
}

func TestFolderHasOneWriter(t *testing.T) {
	dir := t.TempDir()
	folder := open(t, dir)
	if _, err := summarize.OpenFolder(dir); !errors.Is(err, summarize.ErrLocked) {
		t.Errorf("a second writer: %v, want %v", err, summarize.ErrLocked)
	}
	reader, err := summarize.ReadFolder(dir)
	if err != nil {
		t.Fatalf("a reader beside a writer: %v", err)
	}
	if err := reader.Record(succeeded("a.md", "f")); err == nil {
		t.Error("a reader records")
	}
	if err := reader.Save("a.md", []byte("x")); err == nil {
		t.Error("a reader saves")
	}
	shut(t, reader)
	shut(t, folder)
	if err := folder.Record(succeeded("a.md", "f")); err == nil {
		t.Error("a closed folder records")
	}
	if folder.Done("f", "a.md") {
		t.Error("a closed folder knows what is done")
	}
	open(t, dir)
}

func TestReadFolderOfNothing(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "none")
	folder, err := summarize.ReadFolder(dir)
	if err != nil {
		t.Fatal(err)
	}
	defer shut(t, folder)
	if folder.Done("f", "a.md") || len(folder.Entries()) != 0 {
		t.Error("a folder that does not exist holds something")
	}
	if _, err := os.Stat(dir); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("reading created the folder: %v", err)
	}
	write(t, dir, "a file")
	if _, err := summarize.ReadFolder(dir); err == nil {
		t.Error("a file passes for a folder")
	}
}

func TestFolderRefusesEntries(t *testing.T) {
	folder := open(t, t.TempDir())
	huge := succeeded("a.md", "f")
	huge.Error = &summarize.EntryError{Message: strings.Repeat("x", 1<<20)}
	for name, e := range map[string]summarize.Entry{"no document": {}, "too long": huge} {
		if err := folder.Record(e); err == nil {
			t.Errorf("%s: recorded", name)
		}
	}
	if got := folder.Entries(); len(got) != 0 {
		t.Errorf("entries = %v", got)
	}
}

func TestFolderServesManyGoroutines(t *testing.T) {
	dir := t.TempDir()
	folder := open(t, dir)
	var wg sync.WaitGroup
	for worker := range 8 {
		wg.Go(func() {
			for i := range 10 {
				document := fmt.Sprintf("%d-%d.md", worker, i)
				if err := folder.Save(summarize.OutputName(document), []byte("summary of "+document)); err != nil {
					t.Error(err)
				}
				if err := folder.Record(succeeded(document, "f")); err != nil {
					t.Error(err)
				}
				if !folder.Done("f", document) {
					t.Errorf("%s is not done", document)
				}
			}
		})
	}
	wg.Wait()
	entries := folder.Entries()
	if len(entries) != 80 || !slices.IsSortedFunc(entries, func(a, b summarize.Entry) int { return strings.Compare(a.Document, b.Document) }) {
		t.Errorf("%d entries, want 80 in order", len(entries))
	}
	for _, e := range entries {
		if got := read(t, filepath.Join(dir, e.Output)); got != "summary of "+e.Document {
			t.Errorf("%s says %q", e.Output, got)
		}
	}
	shut(t, folder)
	again := open(t, dir)
	compare(t, entries, again.Entries())
}

func TestFolderWritesAllOrNothing(t *testing.T) {
	t.Parallel()
	f := open(t, t.TempDir())
	if has, err := f.Has("report.html"); has || err != nil {
		t.Fatalf("an empty folder has a report: %v, %v", has, err)
	}
	if err := f.Save("report.html", []byte("old")); err != nil {
		t.Fatal(err)
	}
	broken := errors.New("the source is gone")
	err := f.Write("report.html", func(w io.Writer) error {
		_, _ = io.WriteString(w, "half of the n")
		return broken
	})
	if !errors.Is(err, broken) {
		t.Fatalf("Write: %v, want %v", err, broken)
	}
	if got, err := f.Read("report.html", 100); err != nil || string(got) != "old" {
		t.Errorf("the file is %q, %v; want what it was", got, err)
	}
	if got, err := f.Read("report.html", 2); err != nil || string(got) != "ol" {
		t.Errorf("two bytes of it are %q, %v", got, err)
	}
	if has, err := f.Has("report.html"); !has || err != nil {
		t.Errorf("the folder has no report: %v, %v", has, err)
	}
	for _, name := range []string{"../report.html", "/etc/passwd", "", ".summaries.lock", "none.html"} {
		if _, err := f.Read(name, 100); !errors.Is(err, fs.ErrNotExist) {
			t.Errorf("Read(%q): %v, want that there is no such file", name, err)
		}
	}
}

func TestFolderSortsTheManifest(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	f := open(t, dir)
	for _, document := range []string{"b.md", "a.md", "b.md"} {
		if err := f.Record(summarize.Entry{Document: document, Status: summarize.StatusFailed}); err != nil {
			t.Fatal(err)
		}
	}
	if err := f.Sort(); err != nil {
		t.Fatal(err)
	}
	raw, err := os.ReadFile(filepath.Join(dir, summarize.ManifestName))
	if err != nil {
		t.Fatal(err)
	}
	want := `{"document":"a.md","fingerprint":"","status":"failed"}` + "\n" + `{"document":"b.md","fingerprint":"","status":"failed"}` + "\n"
	if string(raw) != want {
		t.Errorf("the manifest is\n%s\nwant\n%s", raw, want)
	}
}

// Many entries are put down at once, and what identifies the record follows what it says.
func TestFolderRecordsMany(t *testing.T) {
	dir := t.TempDir()
	folder := open(t, dir)
	digest := func() string {
		t.Helper()
		d, err := folder.Digest()
		if err != nil {
			t.Fatal(err)
		}
		return d
	}
	pending := summarize.Entry{Document: "c.md", Status: summarize.StatusPending}
	if err := folder.Record(pending); err != nil {
		t.Fatal(err)
	}
	want := []summarize.Entry{succeeded("a.md", "f"), succeeded("b.md", "f")}
	before := digest()
	if err := folder.RecordAll([]summarize.Entry{want[1], want[0]}); err != nil {
		t.Fatal(err)
	}
	many := digest()
	if err := folder.RecordAll([]summarize.Entry{{Status: summarize.StatusFailed}, succeeded("d.md", "f")}); err == nil {
		t.Error("an entry without a document is on record")
	}
	if digest() != many || many == before {
		t.Error("the digest does not follow the record")
	}
	if err := folder.Forget("c.md"); err != nil {
		t.Fatal(err)
	}
	one := digest()
	for range 2 { // the order in which lines came does not count
		slices.Reverse(want)
		if err := folder.RecordAll(want); err != nil {
			t.Fatal(err)
		}
		if digest() != one {
			t.Error("the digest has changed, though the record has not")
		}
	}
	shut(t, folder)
	slices.SortFunc(want, func(a, b summarize.Entry) int { return strings.Compare(a.Document, b.Document) })
	compare(t, want, open(t, dir).Entries())
}
