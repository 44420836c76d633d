package tree_test

import (
	"go/ast"
	"go/parser"
	"go/token"
	"io/fs"
	"os"
	"path"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"testing/fstest"
)

// module is this repository's import path.
const module = "github.com/longhaul-jobs/longhaul"

// root returns the directory with go.mod.
func root(t *testing.T) string {
	t.Helper()
	dir, err := os.Getwd()
	if err != nil {
		t.Fatal(err)
	}
	for {
		if _, err := os.Stat(filepath.Join(dir, "go.mod")); err == nil {
			return dir
		}
		parent := filepath.Dir(dir)
		if parent == dir {
			t.Fatal("no go.mod above the working directory")
		}
		dir = parent
	}
}

// checkTree fails the test with each of a check's findings about this
// repository.
func checkTree(t *testing.T, check func(fs.FS) ([]string, error)) {
	t.Helper()
	findings, err := check(os.DirFS(root(t)))
	if err != nil {
		t.Fatal(err)
	}
	for _, finding := range findings {
		t.Error(finding)
	}
}

// plant returns a file tree of file names and their contents.
func plant(files map[string]string) fs.FS {
	fsys := fstest.MapFS{}
	for name, content := range files {
		fsys[name] = &fstest.MapFile{Data: []byte(content)}
	}
	return fsys
}

// filesWith returns the paths of all files whose name ends so, in order. What
// builds leave behind is not looked at.
func filesWith(fsys fs.FS, ending string) ([]string, error) {
	var paths []string
	err := fs.WalkDir(fsys, ".", func(name string, d fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		if d.IsDir() && slices.Contains([]string{".git", "bin", "testdata"}, d.Name()) {
			return fs.SkipDir
		}
		if !d.IsDir() && strings.HasSuffix(name, ending) {
			paths = append(paths, name)
		}
		return nil
	})
	return paths, err
}

func isTest(name string) bool { return strings.HasSuffix(name, "_test.go") }

// goFile is a parsed Go file.
type goFile struct {
	path string
	set  *token.FileSet
	tree *ast.File
}

// goFiles parses all Go files.
func goFiles(fsys fs.FS) ([]goFile, error) {
	paths, err := filesWith(fsys, ".go")
	if err != nil {
		return nil, err
	}
	var files []goFile
	for _, p := range paths {
		source, err := fs.ReadFile(fsys, p)
		if err != nil {
			return nil, err
		}
		set := token.NewFileSet()
		tree, err := parser.ParseFile(set, p, source, parser.ParseComments|parser.SkipObjectResolution)
		if err != nil {
			return nil, err
		}
		files = append(files, goFile{path: p, set: set, tree: tree})
	}
	return files, nil
}

func (f goFile) dir() string { return path.Dir(f.path) }

// at returns a place in the file as "path:line".
func (f goFile) at(pos token.Pos) string {
	p := f.set.Position(pos)
	p.Column = 0
	return p.String()
}
