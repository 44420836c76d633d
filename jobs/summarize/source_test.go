package summarize_test

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/longhaul-jobs/longhaul/jobs/summarize"
)

// tree creates files in a new folder, makes it the working folder, and returns
// it. A name that ends with a slash is a folder; "a -> b" is a symbolic link.
func tree(t *testing.T, names ...string) string {
	t.Helper()
	dir, err := filepath.EvalSymlinks(t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	t.Chdir(dir)
	for _, name := range names {
		link, target, isLink := strings.Cut(name, " -> ")
		if err := os.MkdirAll(filepath.Dir(link), 0o755); err != nil {
			t.Fatal(err)
		}
		switch {
		case isLink:
			err = os.Symlink(target, link)
		case strings.HasSuffix(name, "/"):
			err = os.MkdirAll(name, 0o755)
		default:
			err = os.WriteFile(name, []byte("text of "+name), 0o600)
		}
		if err != nil {
			t.Fatal(err)
		}
	}
	return dir
}

func paths(sources []summarize.Source) []string {
	var all []string
	for _, s := range sources {
		all = append(all, s.Path)
	}
	return all
}

func messages(errs []*summarize.SourceError) []string {
	var all []string
	for _, err := range errs {
		all = append(all, err.Error())
	}
	return all
}

func TestExpand(t *testing.T) {
	const (
		unsupported = ": unsupported type of file"
		link        = ": a symbolic link inside a folder is not followed; name it to include it"
		output      = ": a folder of summaries is not summarized"
	)
	types := "; supported: " + strings.Join(summarize.Extensions(), " ") + " and source code"
	tests := []struct {
		name    string
		files   []string
		args    []string
		exclude []string
		sources []string
		skipped []string
		failed  []string
	}{
		{
			name:  "a folder is walked in order, hidden things passed over, other types skipped",
			files: []string{"d/b.md", "d/a.txt", "d/sub/c.HTML", "d/.hidden.md", "d/.git/x.md", "d/pic.png", "d/README", "other.md"},
			args:  []string{"d"}, sources: []string{"d/a.txt", "d/b.md", "d/sub/c.HTML"},
			skipped: []string{"d/README" + unsupported, "d/pic.png" + unsupported},
		},
		{
			name:  "a named file may be hidden and lack an extension",
			files: []string{".notes.md", "README", ".profile"}, args: []string{"README", ".notes.md", ".profile"},
			sources: []string{".notes.md", ".profile", "README"},
		},
		{
			name:  "a named file of an unknown type fails, and the others go on",
			files: []string{"a.exe", "b.md"}, args: []string{"a.exe", "b.md", "missing.md", ""},
			sources: []string{"b.md"},
			failed:  []string{"a.exe" + unsupported + " .exe" + types, "missing.md: no such file or directory", `"": an empty path`},
		},
		{
			name:  "one file reached in many ways is one source",
			files: []string{"d/a.md", "l.md -> d/a.md", "dl -> d"},
			args:  []string{"l.md", "d", "./d/../d/a.md", "dl", "d/*.md"}, sources: []string{"d/a.md"},
		},
		{
			name:  "links inside a folder are skipped, so loops are too",
			files: []string{"d/a.md", "d/loop -> ..", "d/self -> self", "d/l.md -> a.md"}, args: []string{"d"},
			sources: []string{"d/a.md"}, skipped: []string{"d/l.md" + link, "d/loop" + link, "d/self" + link},
		},
		{
			name:  "a named link is followed",
			files: []string{"real/a.md", "folder -> real", "real/b.md", "b.md -> real/b.md"}, args: []string{"folder", "b.md"},
			sources: []string{"b.md", "folder/a.md"},
		},
		{
			name:  "the output folder is left out",
			files: []string{"d/a.md", "d/out/a.md", "d/out/sub/b.md"}, args: []string{"d"}, exclude: []string{"./d/out/"},
			sources: []string{"d/a.md"},
		},
		{
			name:  "the output folder is left out also behind a link",
			files: []string{"d/a.md", "d/out/a.md", "way -> d"}, args: []string{"way"}, exclude: []string{"d/out"},
			sources: []string{"way/a.md"},
		},
		{
			name:  "naming the output folder fails",
			files: []string{"out/a.md"}, args: []string{"out", "out/a.md"}, exclude: []string{"out"},
			failed: []string{"out" + output, "out/a.md" + output},
		},
		{
			name:  "an earlier run's folder is skipped",
			files: []string{"d/a.md", "d/old/summaries.jsonl", "d/old/a.md"}, args: []string{"d", "d/**/*.md"},
			sources: []string{"d/a.md"}, skipped: []string{"d/old" + output},
		},
		{
			name:  "a pattern within a folder",
			files: []string{"a1.md", "a2.md", "b1.md", "a3.png", ".a4.md"}, args: []string{"a*"},
			sources: []string{"a1.md", "a2.md"}, skipped: []string{"a3.png" + unsupported},
		},
		{
			name:  "a pattern for hidden files says so",
			files: []string{".a.md", "a.md"}, args: []string{".*.md"}, sources: []string{".a.md"},
		},
		{
			name:  "two stars stand for any number of folders",
			files: []string{"d/a.md", "d/x/a.md", "d/x/y/a.md", "d/x/b.md", "d/.x/a.md", "e/a.md", "d/loop -> ."},
			args:  []string{"d/**/a.md"}, sources: []string{"d/a.md", "d/x/a.md", "d/x/y/a.md"},
		},
		{
			name:  "two stars at the end stand for everything below",
			files: []string{"d/a.md", "d/x/b.txt"}, args: []string{"d/**"}, sources: []string{"d/a.md", "d/x/b.txt"},
		},
		{
			name:  "stars for folders in the middle",
			files: []string{"d/x/1/a.md", "d/y/1/a.md", "d/y/2/a.md"}, args: []string{"d/[xy]/1/*.md"},
			sources: []string{"d/x/1/a.md", "d/y/1/a.md"},
		},
		{
			name:  "a pattern that matches a folder selects what is in it",
			files: []string{"d1/a.md", "d2/b.md"}, args: []string{"d?"}, sources: []string{"d1/a.md", "d2/b.md"},
		},
		{
			name:  "a file named like a pattern is that file",
			files: []string{"[a].md", "a.md"}, args: []string{"[a].md"}, sources: []string{"[a].md"},
		},
		{
			name: "patterns that match nothing or are none", files: []string{"a.md"}, args: []string{"*.txt", "[.md", "no/*/b.md"},
			failed: []string{"*.txt: no file matches this pattern", "[.md: syntax error in pattern", "no/*/b.md: no file matches this pattern"},
		},
		{
			name: "a name cannot steer a terminal", files: []string{"a\x1b[2J.exe"}, args: []string{"a\x1b[2J.exe"},
			failed: []string{`"a\x1b[2J.exe"` + unsupported + " .exe" + types},
		},
		{
			name: "a device is no document", args: []string{"/dev/null"}, failed: []string{"/dev/null: not a regular file"},
		},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			tree(t, tt.files...)
			got, err := summarize.Expand(t.Context(), tt.args, summarize.ExpandOptions{Exclude: tt.exclude})
			if err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(tt.sources, paths(got.Sources)); diff != "" {
				t.Errorf("sources (-want +got):\n%s", diff)
			}
			if diff := cmp.Diff(tt.skipped, messages(got.Skipped)); diff != "" {
				t.Errorf("skipped (-want +got):\n%s", diff)
			}
			if diff := cmp.Diff(tt.failed, messages(got.Failed)); diff != "" {
				t.Errorf("failed (-want +got):\n%s", diff)
			}
		})
	}
}

// Many stars on deep folders lead to the same place in more ways than can be
// walked one by one.
func TestExpandTriesEachPlaceOnce(t *testing.T) {
	deep := strings.Repeat("a/", 40)
	tree(t, deep+"x.md")
	pattern := strings.Repeat("**/a/", 12) + "x.md"
	got, err := summarize.Expand(t.Context(), []string{pattern}, summarize.ExpandOptions{})
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff([]string{deep + "x.md"}, paths(got.Sources)); diff != "" {
		t.Errorf("sources (-want +got):\n%s", diff)
	}
}

func TestExpandDoesNotDependOnTheOrderOfArguments(t *testing.T) {
	tree(t, "d/a.md", "d/b.txt", "c.html", "l.md -> d/a.md", "e/x.md")
	args := []string{"d", "l.md", "c.html", "e/*", "d/b.txt"}
	want, err := summarize.Expand(t.Context(), args, summarize.ExpandOptions{})
	if err != nil {
		t.Fatal(err)
	}
	if len(want.Sources) != 4 {
		t.Fatalf("found %v, want 4 sources", paths(want.Sources))
	}
	slices.Reverse(args)
	got, err := summarize.Expand(t.Context(), args, summarize.ExpandOptions{})
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(want.Sources, got.Sources); diff != "" {
		t.Errorf("sources (-want +got):\n%s", diff)
	}
}

func TestExpandNamesAFileTheSameFromEveryArgument(t *testing.T) {
	dir := tree(t, "work/d/a.md", "outside.md")
	t.Chdir("work")
	for _, arg := range []string{"d/a.md", "./d//a.md", "../work/d/a.md", filepath.Join(dir, "work/d/a.md"), "d", "."} {
		got, err := summarize.Expand(t.Context(), []string{arg}, summarize.ExpandOptions{})
		if err != nil {
			t.Fatal(err)
		}
		want := []summarize.Source{{Path: "d/a.md", Kind: summarize.KindMarkdown, Bytes: int64(len("text of work/d/a.md"))}}
		if diff := cmp.Diff(want, got.Sources); diff != "" {
			t.Errorf("%s (-want +got):\n%s", arg, diff)
		}
	}
	got, err := summarize.Expand(t.Context(), []string{"../outside.md"}, summarize.ExpandOptions{})
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff([]string{filepath.ToSlash(dir) + "/outside.md"}, paths(got.Sources)); diff != "" {
		t.Errorf("outside of the working folder (-want +got):\n%s", diff)
	}
}

// What is wrong with a file is told under the path that it has as a document once it is
// well, however it was named.
func TestExpandNamesWhatFailsLikeADocument(t *testing.T) {
	dir := tree(t, "docs/a.md", "docs/logo.png", "docs/bad.zip")
	args := []string{"./docs/new.md", "docs/../docs/new.md", filepath.Join(dir, "docs/new.md"), "./docs//logo.png", "./docs/bad.zip", "./docs/*.txt", "docs"}
	got, err := summarize.Expand(t.Context(), args, summarize.ExpandOptions{})
	if err != nil {
		t.Fatal(err)
	}
	var failed []string
	for _, f := range got.Failed {
		failed = append(failed, f.Path)
	}
	if diff := cmp.Diff([]string{"docs/new.md", "docs/logo.png", "docs/bad.zip", "docs/*.txt"}, failed); diff != "" {
		t.Errorf("failed (-want +got):\n%s", diff)
	}
}

func TestExpandReportsAnUnreadableFolder(t *testing.T) {
	if os.Geteuid() == 0 {
		// Permissions do not stop root, so a folder that vanishes has to do: a
		// link to nowhere is the same to whoever names it.
		tree(t, "a.md", "gone -> nowhere")
		got, err := summarize.Expand(t.Context(), []string{"gone", "a.md"}, summarize.ExpandOptions{})
		if err != nil {
			t.Fatal(err)
		}
		checkReported(t, got, "gone", os.ErrNotExist)
		return
	}
	tree(t, "a.md", "locked/b.md")
	if err := os.Chmod("locked", 0); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = os.Chmod("locked", 0o700) })
	got, err := summarize.Expand(t.Context(), []string{"locked", "a.md"}, summarize.ExpandOptions{})
	if err != nil {
		t.Fatal(err)
	}
	checkReported(t, got, "locked", os.ErrPermission)
}

func checkReported(t *testing.T, got summarize.Selection, path string, want error) {
	t.Helper()
	if len(got.Failed) != 1 || got.Failed[0].Path != path || !errors.Is(got.Failed[0], want) {
		t.Errorf("failed = %v, want %s: %v", messages(got.Failed), path, want)
	}
	if diff := cmp.Diff([]string{"a.md"}, paths(got.Sources)); diff != "" {
		t.Errorf("sources (-want +got):\n%s", diff)
	}
}

func TestExpandStopsWithItsContext(t *testing.T) {
	tree(t, "d/a.md")
	stop := errors.New("enough")
	ctx, cancel := context.WithCancelCause(t.Context())
	cancel(stop)
	for _, arg := range []string{"d", "d/*.md", "**/*.md"} {
		if _, err := summarize.Expand(ctx, []string{arg}, summarize.ExpandOptions{}); !errors.Is(err, stop) {
			t.Errorf("Expand(%s) = %v, want %v", arg, err, stop)
		}
	}
}

func TestExtensionsAreThoseOfKindOf(t *testing.T) {
	for _, ext := range summarize.Extensions() {
		if _, ok := summarize.KindOf("name" + ext); !ok {
			t.Errorf("KindOf does not know %s", ext)
		}
	}
	for _, name := range []string{"a.exe", "a", "a.svg", ".md.png", "a.md~"} {
		if kind, ok := summarize.KindOf(name); ok {
			t.Errorf("KindOf(%s) = %s", name, kind)
		}
	}
}

// The page is where people look up what can be read.
func TestPageNamesEachExtension(t *testing.T) {
	page, err := os.ReadFile("../../docs/documents.md")
	if err != nil {
		t.Fatal(err)
	}
	for _, ext := range summarize.Extensions() {
		if !strings.Contains(string(page), "`"+ext+"`") {
			t.Errorf("docs/documents.md does not name %s", ext)
		}
	}
	for _, named := range regexp.MustCompile("`(\\.[a-z0-9]+)`").FindAllStringSubmatch(string(page), -1) {
		if _, ok := summarize.KindOf("a" + named[1]); !ok && named[1] != ".svg" && named[1] != ".zip" {
			t.Errorf("docs/documents.md names %s, which is not read", named[1])
		}
	}
}
