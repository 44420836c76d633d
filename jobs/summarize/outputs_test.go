package summarize_test

import (
	"maps"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/longhaul-jobs/longhaul/jobs/summarize"
)

// digested returns the name that tells a document from others by a digest: it is called as
// one that cannot be called plainly.
func digested(t *testing.T, folder *summarize.Folder, document string) string {
	t.Helper()
	name := folder.Outputs([]string{document, strings.ToUpper(document)})[document]
	if !strings.Contains(name, "~") {
		t.Fatalf("%s is called %s", document, name)
	}
	return name
}

// Names that some file systems take for one are told apart, by nothing but the paths and
// what is on record.
func TestOutputsDifferInMoreThanCase(t *testing.T) {
	t.Parallel()
	folder := open(t, t.TempDir())
	for name, tt := range map[string]struct{ documents, plain []string }{
		"case":            {[]string{"b.txt", "a.txt", "A.txt", "A.TXT"}, []string{"b.txt", "A.TXT"}},
		"case of folders": {[]string{"docs/a.txt", "Docs/a.txt"}, []string{"Docs/a.txt"}},
		"accents":         {[]string{"caf\u00e9.txt", "cafe\u0301.txt"}, []string{"cafe\u0301.txt"}},
		"sharp s":         {[]string{"straße.txt", "STRASSE.txt"}, []string{"STRASSE.txt"}},
		"one alone":       {[]string{"README.md"}, []string{"README.md"}},
		"none":            {nil, nil},
	} {
		got := folder.Outputs(tt.documents)
		if len(got) != len(tt.documents) {
			t.Errorf("%s: %v", name, got)
		}
		seen := make(map[string]bool)
		for document, output := range got {
			if plain := slices.Contains(tt.plain, document); plain != (output == summarize.OutputName(document)) || plain == strings.Contains(output, "~") {
				t.Errorf("%s: %s is called %s", name, document, output)
			}
			if seen[strings.ToLower(output)] {
				t.Errorf("%s: two documents are called %s", name, output)
			}
			seen[strings.ToLower(output)] = true
		}
		slices.Reverse(tt.documents)
		if diff := cmp.Diff(got, folder.Outputs(tt.documents)); diff != "" {
			t.Errorf("%s: in another order (-want +got):\n%s", name, diff)
		}
	}
}

// What a document is called is on record, and stays whatever comes and goes.
func TestOutputsStay(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	folder := open(t, dir)
	record := func(document, output string) {
		t.Helper()
		e := succeeded(document, "f")
		e.Output = output
		if err := folder.Record(e); err != nil {
			t.Fatal(err)
		}
	}
	upper, lower := digested(t, folder, "x/A.txt"), digested(t, folder, "x/a.txt")
	record("x/a.txt", "x--a.txt.md")
	want := map[string]string{"x/a.txt": "x--a.txt.md", "x/A.txt": upper}
	if diff := cmp.Diff(want, folder.Outputs([]string{"x/A.txt", "x/a.txt"})); diff != "" {
		t.Errorf("both (-want +got):\n%s", diff)
	}
	if diff := cmp.Diff(map[string]string{"x/A.txt": upper}, folder.Outputs([]string{"x/A.txt"})); diff != "" {
		t.Errorf("only the one that came (-want +got):\n%s", diff)
	}
	record("x/A.txt", upper)
	if err := folder.Forget("x/a.txt"); err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(map[string]string{"x/A.txt": upper}, folder.Outputs([]string{"x/A.txt"})); diff != "" {
		t.Errorf("when the other one went (-want +got):\n%s", diff)
	}
	// Those that an earlier version has called the same are told apart, and other names are not kept.
	record("x/A.txt", "x--A.txt.md")
	record("x/a.txt", "x--a.txt.md")
	record("b.txt", "something.md")
	want = map[string]string{"x/A.txt": "x--A.txt.md", "x/a.txt": lower, "b.txt": "b.txt.md"}
	if diff := cmp.Diff(want, folder.Outputs(slices.Collect(maps.Keys(want)))); diff != "" {
		t.Errorf("two with one name (-want +got):\n%s", diff)
	}
	if diff := cmp.Diff(map[string]string{"x/A.txt": upper}, folder.Outputs([]string{"x/A.txt"})); diff != "" {
		t.Errorf("the first of them while the other has its summary (-want +got):\n%s", diff)
	}
}
