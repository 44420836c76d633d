package summarize_test

import (
	"errors"
	"os"
	"path/filepath"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/longhaul-jobs/longhaul/jobs/summarize"
)

// Names of files are bytes. Those that are not UTF-8 are written as what can be put down,
// each as itself, and read all the same: files, files in folders, and archives.
func TestNamesThatAreNotUTF8(t *testing.T) {
	dir := tree(t, "docs/a\xff.md", "docs/a\xfe.md", "docs/b\xc3\xa9\xff/c.md", "docs/plain.md", `docs/a\xfd.md`, "docs/a\xfd.md")
	for name, content := range map[string][]byte{
		"docs/z\xff.zip": zipped(t, "in.md", "In.", "../out.md", "Out."), "docs/broken\xff.zip": []byte("no archive"),
	} {
		if err := os.WriteFile(name, content, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	got, err := summarize.Expand(t.Context(), []string{"docs", "no\xffne.md"}, summarize.ExpandOptions{})
	if err != nil {
		t.Fatal(err)
	}
	want := []string{`docs/a\xfd.md`, `docs/a\xfe.md`, `docs/a\xff.md`, `docs/bé\xff/c.md`, "docs/plain.md", `docs/z\xff.zip/in.md`}
	if diff := cmp.Diff(want, paths(got.Sources)); diff != "" {
		t.Errorf("sources (-want +got):\n%s", diff)
	}
	for _, source := range got.Sources {
		if doc, err := summarize.Read(source, summarize.Limits{}); err != nil || doc.Path != source.Path {
			t.Errorf("%s is read as %q, %v", source.Path, doc.Path, err)
		}
	}
	there := make(map[string]bool)
	for _, failed := range got.Failed {
		_, err := os.Stat(failed.OnDisk())
		there[failed.Path] = err == nil
	}
	wrong := map[string]bool{`docs/broken\xff.zip`: true, `docs/z\xff.zip/../out.md`: true, `docs/a\xfd.md`: true, `no\xffne.md`: false}
	if diff := cmp.Diff(wrong, there); diff != "" {
		t.Errorf("failed, and whether it is there (-want +got):\n%s\n%v", diff, messages(got.Failed))
	}
	last := got.Failed[len(got.Failed)-1]
	if !errors.Is(last, summarize.ErrUnsafeName) || last.OnDisk() != "docs/a\xfd.md" {
		t.Errorf("of two names that are written in the same way: %v", last)
	}

	// So it is where the working folder has such a name.
	if err := os.Rename(filepath.Join(dir, "docs/b\xc3\xa9\xff"), filepath.Join(dir, "w\xff")); err != nil {
		t.Fatal(err)
	}
	t.Chdir(filepath.Join(dir, "w\xff"))
	if got, err = summarize.Expand(t.Context(), []string{"../w\xff/c.md", "../docs/plain.md"}, summarize.ExpandOptions{}); err != nil || len(got.Sources) != 2 {
		t.Fatalf("%+v, %v", got, err)
	}
	for _, source := range got.Sources {
		if _, err := summarize.Read(source, summarize.Limits{}); err != nil {
			t.Error(err)
		}
	}
}
