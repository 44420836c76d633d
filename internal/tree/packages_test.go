package tree_test

import (
	"fmt"
	"io/fs"
	"maps"
	"path"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// Hand-written files longer than this want to be two.
const (
	maxLines     = 600
	maxTestLines = 800
)

func TestEachPackageHasOneComment(t *testing.T) {
	t.Parallel()
	checkTree(t, packageComments)
}

func TestFilesAreShort(t *testing.T) {
	t.Parallel()
	checkTree(t, longFiles)
}

// packageComments finds packages without exactly one comment in the file where
// a reader looks for it.
func packageComments(fsys fs.FS) ([]string, error) {
	files, err := goFiles(fsys)
	if err != nil {
		return nil, err
	}
	commented := map[string][]string{} // directory -> files with a comment
	var findings []string
	for _, f := range files {
		dir := f.dir()
		commented[dir] = append(commented[dir], nil...)
		if isTest(f.path) || f.tree.Doc == nil {
			continue
		}
		commented[dir] = append(commented[dir], path.Base(f.path))
		opening, home := "Package "+f.tree.Name.Name+" ", f.tree.Name.Name+".go"
		if f.tree.Name.Name == "main" {
			opening, home = "Command "+path.Base(dir)+" ", "main.go"
		}
		if !strings.HasPrefix(f.tree.Doc.Text(), opening) {
			findings = append(findings, fmt.Sprintf("%s: package comment does not begin with %q", f.path, opening))
		}
		if path.Base(f.path) != home {
			findings = append(findings, fmt.Sprintf("%s: package comment belongs into %s", f.path, home))
		}
	}
	for _, dir := range slices.Sorted(maps.Keys(commented)) {
		if names := commented[dir]; len(names) != 1 {
			findings = append(findings, fmt.Sprintf("%s: %d package comments %v, want one", dir, len(names), names))
		}
	}
	return findings, nil
}

func longFiles(fsys fs.FS) ([]string, error) {
	paths, err := filesWith(fsys, ".go")
	if err != nil {
		return nil, err
	}
	var findings []string
	for _, p := range paths {
		source, err := fs.ReadFile(fsys, p)
		if err != nil {
			return nil, err
		}
		limit := maxLines
		if isTest(p) {
			limit = maxTestLines
		}
		if n := strings.Count(string(source), "\n"); n > limit {
			findings = append(findings, fmt.Sprintf("%s: %d lines, want at most %d", p, n, limit))
		}
	}
	return findings, nil
}

func TestPackageCommentsFindsWhatIsWrong(t *testing.T) {
	t.Parallel()
	got, err := packageComments(plant(map[string]string{
		"good/good.go":       "// Package good is.\npackage good\n",
		"good/other.go":      "package good\n",
		"cmd/tool/main.go":   "// Command tool is.\npackage main\n",
		"none/none.go":       "package none\n",
		"tests/x_test.go":    "// Package tests_test is.\npackage tests_test\n",
		"twice/twice.go":     "// Package twice is.\npackage twice\n",
		"twice/again.go":     "// Package twice is again.\npackage twice\n",
		"wording/wording.go": "// Wording is a package.\npackage wording\n",
	}))
	if err != nil {
		t.Fatal(err)
	}
	want := []string{
		"twice/again.go: package comment belongs into twice.go",
		`wording/wording.go: package comment does not begin with "Package wording "`,
		"none: 0 package comments [], want one",
		"tests: 0 package comments [], want one",
		"twice: 2 package comments [again.go twice.go], want one",
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("findings (-want +got):\n%s", diff)
	}
}

func TestLongFilesFindsWhatIsWrong(t *testing.T) {
	t.Parallel()
	got, err := longFiles(plant(map[string]string{
		"a/short.go":     strings.Repeat("\n", maxLines),
		"a/long.go":      strings.Repeat("\n", maxLines+1),
		"a/some_test.go": strings.Repeat("\n", maxTestLines),
		"a/long_test.go": strings.Repeat("\n", maxTestLines+1),
	}))
	if err != nil {
		t.Fatal(err)
	}
	want := []string{"a/long.go: 601 lines, want at most 600", "a/long_test.go: 801 lines, want at most 800"}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("findings (-want +got):\n%s", diff)
	}
}
