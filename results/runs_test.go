package results_test

import (
	"errors"
	"fmt"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/longhaul-jobs/longhaul/jobs"
	"github.com/longhaul-jobs/longhaul/results"
)

// A run is what was put down of it, by as many commands as went on with it; each
// document is what was put down of it last.
func TestRunsArePutDown(t *testing.T) {
	t.Parallel()
	h := onRedis(t, results.Config{})
	ctx := t.Context()
	if _, err := h.Run(ctx, "spring"); !errors.Is(err, results.ErrNotFound) {
		t.Errorf("an unknown run: %v", err)
	}
	many := map[string]results.RunDocument{"empty.md": {Class: jobs.ClassInvalid, Message: "it is empty"}}
	for i := range 1200 {
		many[fmt.Sprintf("%d.md", i)] = results.RunDocument{Job: jobs.ID(fmt.Sprintf("job_%d", i))}
	}
	began := h.Now().Truncate(time.Millisecond) // as Redis keeps it
	for i, folder := range []string{"/old", "/out"} {
		run := results.Run{Name: "spring", Begun: began.Add(time.Duration(i) * time.Minute), Out: folder, Documents: many}
		if err := h.BeginRun(ctx, run, time.Hour); err != nil {
			t.Fatal(err)
		}
		many = map[string]results.RunDocument{"new.md": {Job: "job_new"}}
	}
	if err := h.AddToRun(ctx, "spring", map[string]results.RunDocument{"empty.md": {Job: "job_full"}}, time.Hour); err != nil {
		t.Fatal(err)
	}
	got, err := h.Run(ctx, "spring")
	if err != nil {
		t.Fatal(err)
	}
	if !got.Ended.IsZero() || !got.Begun.Equal(began.Add(time.Minute)) || !got.Started.Equal(began) || got.Out != "/out" || len(got.Documents) != 1202 {
		t.Errorf("started %v, begun %v, ended %v, out %q, %d documents", got.Started, got.Begun, got.Ended, got.Out, len(got.Documents))
	}
	want := map[string]results.RunDocument{"empty.md": {Job: "job_full"}, "1199.md": {Job: "job_1199"}, "new.md": {Job: "job_new"}}
	for name, d := range want {
		if diff := cmp.Diff(d, got.Documents[name]); diff != "" {
			t.Errorf("%s (-want +got):\n%s", name, diff)
		}
	}
	if diff := cmp.Diff([]string{"/out", "/old"}, got.Folders); diff != "" {
		t.Errorf("folders (-want +got):\n%s", diff)
	}
	removed := []string{"new.md", "no such.md"}
	for i := range 1199 {
		removed = append(removed, fmt.Sprintf("%d.md", i))
	}
	if err := errors.Join(h.RemoveFromRun(ctx, "spring"), h.RemoveFromRun(ctx, "spring", removed...)); err != nil {
		t.Fatal(err)
	}
	if got, err = h.Run(ctx, "spring"); err != nil {
		t.Fatal(err)
	}
	delete(want, "new.md")
	if diff := cmp.Diff(want, got.Documents); diff != "" {
		t.Errorf("what is left (-want +got):\n%s", diff)
	}
	if err := h.EndRun(ctx, "spring", began.Add(time.Hour), time.Hour); err != nil {
		t.Fatal(err)
	}
	if got, err = h.Run(ctx, "spring"); err != nil || !got.Ended.Equal(began.Add(time.Hour)) {
		t.Errorf("ended %v, %v", got.Ended, err)
	}
	for since, want := range map[time.Time][]string{began.Add(-time.Minute): {"spring"}, h.Now().Add(time.Hour): nil} {
		names, err := h.Runs(ctx, since)
		if err != nil {
			t.Fatal(err)
		}
		if diff := cmp.Diff(len(want), len(names)); diff != "" {
			t.Errorf("runs since %v: %v", since, names)
		}
	}
}

// A run has a name that can be told, a beginning, and an end only after that.
func TestRunsThatCannotBe(t *testing.T) {
	t.Parallel()
	h := onRedis(t, results.Config{})
	ctx := t.Context()
	for _, name := range []string{"", "a b\n", "{x}"} {
		f := jobs.FailureOf(h.BeginRun(ctx, results.Run{Name: name, Begun: h.Now()}, time.Hour))
		if f.Class != jobs.ClassInvalid || f.Param != "name" {
			t.Errorf("begun as %q: %v", name, f)
		}
	}
	if err := h.EndRun(ctx, "never-begun", h.Now(), time.Hour); !errors.Is(err, results.ErrNotFound) {
		t.Errorf("ended without a beginning: %v", err)
	}
	if names, err := h.Runs(ctx, time.Time{}); err != nil || len(names) != 0 {
		t.Errorf("runs %q, %v; want none", names, err)
	}
	began := h.Now().Truncate(time.Millisecond)
	if err := h.BeginRun(ctx, results.Run{Name: "now"}, time.Hour); err != nil {
		t.Fatal(err)
	}
	if r, err := h.Run(ctx, "now"); err != nil || r.Started.Before(began) || !r.Begun.Equal(r.Started) {
		t.Errorf("started %v, begun %v, %v; want now", r.Started, r.Begun, err)
	}
}
