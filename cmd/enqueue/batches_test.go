package main

import (
	"slices"
	"strings"
	"testing"

	"github.com/longhaul-jobs/longhaul/results"
)

func TestBatchesAreShown(t *testing.T) {
	t.Parallel()
	b := newBench(t)
	shows(t, b.call("", "batches").want(t, 0).stdout, "no request waits for a batch")
	shows(t, b.call("", "batches", "--json").want(t, 0).stdout, `{"endpoint":"default","waiting":[],"batches":[]}`)
	for _, id := range []string{"line_a", "line_b", "line_c"} {
		if err := b.store.AddLine(t.Context(), "default", id, "gpt-4.1", 1000); err != nil {
			t.Fatal(err)
		}
	}
	if err := b.store.AddLine(t.Context(), "default", "line_d", "gpt-5", 1000); err != nil {
		t.Fatal(err)
	}
	made, _, err := b.store.FormBatch(t.Context(), "default", "gpt-4.1", 2, 1<<20)
	if err != nil {
		t.Fatal(err)
	}
	made.Stage, made.Status, made.Problem = results.BatchRunning, "in_progress", "unavailable (HTTP 502)"
	made.Counts.Completed = 1
	if _, first, err := b.store.StepBatch(t.Context(), "default", made); !first || err != nil {
		t.Fatal(first, err)
	}
	out := b.call("", "batches").want(t, 0).stdout
	var got []string
	for _, line := range lines(out)[1:] {
		fields := strings.Fields(line)
		got = append(got, strings.Join(fields[:7], " "))
	}
	for _, want := range []string{"default 1 gpt-4.1 2 1 0 running", "default - gpt-4.1 1 - - waiting", "default - gpt-5 1 - - waiting"} {
		if !strings.Contains(strings.Join(got, "\n"), want) {
			t.Errorf("no line %q in\n%s", want, out)
		}
	}
	shows(t, out, "unavailable (HTTP 502)")
	shows(t, b.call("", "batches", "--json").want(t, 0).stdout, `"endpoint":"default","waiting":[{"model":`)
	b.call("", "batches", "x").want(t, 2)
}

// A request whose job was late and is tried again is in its batch still: there nobody waits
// for it, and the job counts where its present request is.
func TestBatchesTellWhatNobodyWaitsForAnyMore(t *testing.T) {
	t.Parallel()
	b := newBench(t)
	add := func(ids ...string) {
		t.Helper()
		for _, id := range ids {
			if err := b.store.AddLine(t.Context(), "default", id, "gpt-4.1", 1000); err != nil {
				t.Fatal(err)
			}
		}
	}
	add("line_a.1", "line_b.1")
	made, _, err := b.store.FormBatch(t.Context(), "default", "gpt-4.1", 10, 1<<20)
	if err != nil {
		t.Fatal(err)
	}
	if state, err := b.store.DropLine(t.Context(), "default", "line_a.1"); err != nil || state != results.LineSent {
		t.Fatal(state, err)
	}
	add("line_a.2")
	made.Stage = results.BatchRunning
	if _, first, err := b.store.StepBatch(t.Context(), "default", made); !first || err != nil {
		t.Fatal(first, err)
	}
	var got []string
	for _, line := range lines(b.call("", "batches").want(t, 0).stdout) {
		got = append(got, strings.Join(strings.Fields(line)[3:6], " "))
	}
	if want := []string{"REQUESTS DONE UNWANTED", "2 0 1", "1 - -"}; !slices.Equal(got, want) {
		t.Errorf("it says %q, want %q", got, want)
	}
	shows(t, b.call("", "batches", "--json").want(t, 0).stdout, `"unwanted":1`)
}
