package main

import (
	"strings"
	"testing"
	"time"

	"github.com/longhaul-jobs/longhaul/jobs"
	"github.com/longhaul-jobs/longhaul/results"
)

// A lane that nobody serves may be misspelt: it is said, and the job accepted.
func TestSubmitDoubtsALaneThatNobodyServes(t *testing.T) {
	t.Parallel()
	b := newBench(t)
	const remark = "No worker that lives now serves the lane night-ly"
	if got := b.call("", "submit", "--input", "a", "--lane", "night-ly").want(t, 0); strings.Contains(got.stderr, remark) {
		t.Errorf("without any worker it says\n%s", got.stderr)
	}
	if err := b.store.Beat(t.Context(), results.Worker{ID: "w_test", Lanes: []string{jobs.DefaultLane, "nightly"}}, time.Minute); err != nil {
		t.Fatal(err)
	}
	b.call("", "submit", "--input", "a", "--lane", "night-ly").want(t, 0).says(t, remark, "Served are: default, nightly.")
	if got := b.call("", "submit", "--input", "a", "--lane", "nightly").want(t, 0); strings.Contains(got.stderr, "No worker") {
		t.Errorf("of a lane that is served it says\n%s", got.stderr)
	}
	if n := b.total(); n != 3 {
		t.Errorf("%d jobs, want 3", n)
	}
}
