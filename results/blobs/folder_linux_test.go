package blobs_test

import (
	"errors"
	"io/fs"
	"strings"
	"testing"

	"github.com/longhaul-jobs/longhaul/jobs"
	"github.com/longhaul-jobs/longhaul/results/blobs"
)

// TestFolderThatCannotBeMade is in a place that has folders and takes none. It has not
// been lost, and does not come back.
func TestFolderThatCannotBeMade(t *testing.T) {
	t.Parallel()
	config := blobs.Config{URL: "file:///proc/nope/blobs"}
	_, err := blobs.Open(t.Context(), config)
	config.Existing = true
	looker, openErr := blobs.Open(t.Context(), config)
	if openErr != nil {
		t.Fatal(openErr)
	}
	for _, err := range []error{err, looker.Check(t.Context())} {
		if err == nil || jobs.ClassOf(err) != jobs.ClassInvalid || errors.Is(err, fs.ErrNotExist) ||
			!strings.Contains(err.Error(), "blobs.url") || !strings.Contains(err.Error(), "/proc takes none") {
			t.Errorf("%v", err)
		}
	}
}
