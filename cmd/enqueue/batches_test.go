package main

import (
	"strings"
	"testing"

	"github.com/longhaul-jobs/longhaul/results"
)

func TestBatchesAreShown(t *testing.T) {
	t.Parallel()
	b := newBench(t)
	shows(t, b.call("", "batches").want(t, 0).stdout, "no request waits for a batch")
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
		got = append(got, strings.Join(fields[:6], " "))
	}
	for _, want := range []string{"default 1 gpt-4.1 2 1 running", "default - gpt-4.1 1 - waiting", "default - gpt-5 1 - waiting"} {
		if !strings.Contains(strings.Join(got, "\n"), want) {
			t.Errorf("no line %q in\n%s", want, out)
		}
	}
	shows(t, out, "unavailable (HTTP 502)")
	shows(t, b.call("", "batches", "--json").want(t, 0).stdout, `"endpoint":"default","waiting":[{"model":`)
	b.call("", "batches", "x").want(t, 2)
}
