package summarize_test

import (
	"errors"
	"syscall"
	"testing"

	"github.com/longhaul-jobs/longhaul/jobs/summarize"
)

// A file whose size is not known before it is read cannot get past the limit:
// those below /proc say that they are empty.
func TestReadStopsAtTheLimit(t *testing.T) {
	source := summarize.Source{Path: "/proc/self/status", Kind: summarize.KindText}
	_, err := summarize.Read(source, summarize.Limits{FileBytes: 100})
	if !errors.Is(err, summarize.ErrOversize) {
		t.Errorf("error = %v, want %v", err, summarize.ErrOversize)
	}
	if _, err := summarize.Read(source, summarize.Limits{}); err != nil {
		t.Errorf("within the limit: %v", err)
	}
}

// Opening a pipe would wait for a writer that may never come.
func TestReadDoesNotWaitForAPipe(t *testing.T) {
	tree(t)
	if err := syscall.Mkfifo("pipe.md", 0o600); err != nil {
		t.Fatal(err)
	}
	_, err := summarize.Read(summarize.Source{Path: "pipe.md", Kind: summarize.KindMarkdown}, summarize.Limits{})
	if !errors.Is(err, summarize.ErrNotRegular) {
		t.Errorf("error = %v, want %v", err, summarize.ErrNotRegular)
	}
}
