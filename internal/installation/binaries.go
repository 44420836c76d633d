package installation

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"sync"
	"testing"
)

// built is where the commands of this test process are, "" before the first is
// wanted.
var built struct {
	once sync.Once
	dir  string
	err  error
}

// commands builds ours once in a test process.
func commands() (dir string, err error) {
	built.once.Do(func() {
		built.dir, built.err = os.MkdirTemp("", "longhaul-")
		if built.err == nil {
			built.err = Build(built.dir, "cmd/worker", "cmd/enqueue")
		}
	})
	return built.dir, built.err
}

// Main runs the tests of a package and removes the binaries that they had built;
// the package's TestMain exits with what it returns.
func Main(m *testing.M) int {
	code := m.Run()
	if built.dir != "" {
		_ = os.RemoveAll(built.dir)
	}
	return code
}

// Binary returns the path of one of our commands, "worker" or "enqueue". They
// are built once in a test process, when the first is wanted.
func Binary(tb testing.TB, name string) string {
	tb.Helper()
	dir, err := commands()
	if err != nil {
		tb.Fatal(err)
	}
	return filepath.Join(dir, name)
}

// Build compiles commands of this module, named by their folders, into a
// directory.
func Build(dir string, commands ...string) error {
	return BuildWith(dir, nil, commands...)
}

// BuildWith is [Build] with further arguments for the go command.
func BuildWith(dir string, arguments []string, commands ...string) error {
	args := append([]string{"build", "-buildvcs=false", "-o", dir + string(os.PathSeparator)}, arguments...)
	for _, folder := range commands {
		args = append(args, "github.com/longhaul-jobs/longhaul/"+folder)
	}
	out, err := exec.Command("go", args...).CombinedOutput()
	if err != nil {
		return fmt.Errorf("build %v: %w\n%s", commands, err, out)
	}
	return nil
}
