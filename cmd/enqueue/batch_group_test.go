package main

import (
	"context"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/longhaul-jobs/longhaul/jobs"
)

func TestBatchAsksOnlyForTheLinesThatChanged(t *testing.T) {
	t.Parallel()
	b := newBench(t)
	b.work(echo)
	file := putFile(t, "in.jsonl", batchOf("one", "two", "three"))
	b.call("", "batch", file).want(t, 0)
	for _, step := range []struct {
		name     string
		content  string
		attempts int
		want     []string
	}{
		{"unchanged", batchOf("one", "two", "three"), 3, []string{"one", "two", "three"}},
		{"another order, one less", batchOf("three", "one"), 3, []string{"three", "one"}},
		{"one new", batchOf("one", "two", "three", "four"), 4, []string{"one", "two", "three", "four"}},
		{"one edited", strings.Replace(batchOf("one", "two"), `"input":"two"`, `"input":"2"`, 1), 5, []string{"one", "2"}},
		{"edited back", batchOf("one", "two"), 5, []string{"one", "two"}},
		{"another custom id", strings.Replace(batchOf("one"), `"custom_id":"one"`, `"custom_id":"uno"`, 1), 6, []string{"one"}},
	} {
		if err := os.WriteFile(file, []byte(step.content), 0o600); err != nil {
			t.Fatal(err)
		}
		b.call("", "batch", file).want(t, 0)
		if n := b.attempts(); n != step.attempts {
			t.Errorf("%s: %d attempts, want %d", step.name, n, step.attempts)
		}
		var got []string
		for _, line := range resultLines(t, readText(t, strings.TrimSuffix(file, ".jsonl")+".output.jsonl")) {
			_, answer, _ := strings.Cut(line, "echo: ")
			got = append(got, answer)
		}
		if diff := cmp.Diff(step.want, got); diff != "" {
			t.Errorf("%s: answers (-want +got):\n%s", step.name, diff)
		}
	}
}

func TestBatchesOfOneNameKeepApart(t *testing.T) {
	t.Parallel()
	b := newBench(t)
	b.work(echo)
	stuck := putFile(t, "in.jsonl", batchOf("same", "hang here"))
	ctx, interrupt := context.WithCancelCause(t.Context())
	stopped := make(chan outcome)
	go func() { stopped <- call(ctx, b.env, "", "batch", stuck) }()
	b.sole(jobs.StateRunning)
	until(t, "two jobs", func() bool { return b.total() == 2 })

	// The other file ends although its group does not, and tells of its lines only.
	other := putFile(t, "in.jsonl", batchOf("same", "refuse it"))
	report := decode[batchReport](t, b.call("", "batch", other, "--json").want(t, 1).stdout)
	if report.Group != "batch-in" || report.Total != 2 || report.Succeeded != 1 || report.Failed != 1 {
		t.Errorf("report is %+v", report)
	}
	stem := strings.TrimSuffix(other, ".jsonl")
	if diff := cmp.Diff([]string{"same: 200 completed: echo: same"}, resultLines(t, readText(t, stem+".output.jsonl"))); diff != "" {
		t.Errorf("output (-want +got):\n%s", diff)
	}
	if n := b.attempts(); n != 3 {
		t.Errorf("%d attempts, want 3: the equal line is one question", n)
	}
	interrupt(errInterrupt)
	(<-stopped).want(t, 1)
	if names := folder(t, filepath.Dir(stuck)); len(names) != 1 {
		t.Errorf("the folder of the stopped batch holds %v", names)
	}
}

func TestBatchGroup(t *testing.T) {
	t.Parallel()
	for input, want := range map[string]string{
		"-":                             "batch-stdin",
		"a/b/requests.jsonl":            "batch-requests",
		"mai 2026 (für Ärzte).v2.jsonl": "batch-mai-2026--f-r--rzte-.v2",
		".jsonl":                        "batch-",
		"no_ending":                     "batch-no_ending",
		strings.Repeat("x", 300):        "batch-" + strings.Repeat("x", 122),
		"\xff.jsonl":                    "batch--",
	} {
		if got := batchGroup(input); got != want || !jobs.ValidName(got) {
			t.Errorf("batchGroup(%q) = %q, want %q", input, got, want)
		}
	}
}

// The counts of a group add up by chance: one of ours is gone, and another's is
// in its place. What has ended is found all the same.
func TestFollowerIsNotLedAstrayByOthersInItsGroup(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		s := newShelf()
		f := newFollower(s)
		f.group = "g"
		ids := s.fill(f, 100)
		s.mu.Lock()
		s.others = 1
		delete(s.jobs, ids[99])
		s.mu.Unlock()
		for _, id := range ids[:99] {
			s.state(id, jobs.StateRunning)
		}
		done := make(chan error, 1)
		go func() { done <- f.run(t.Context()) }()
		time.Sleep(time.Minute)
		if got := f.account.totals(time.Now(), true); got.Failed != 1 || got.Failures[0].Name != "m99" {
			t.Errorf("after a minute the totals are %+v, want one that is gone", got)
		}
		for _, id := range ids[:99] {
			s.state(id, jobs.StateSucceeded)
		}
		if err := <-done; err != nil {
			t.Fatal(err)
		}
		if got := f.account.totals(time.Now(), true); got.Succeeded != 99 {
			t.Errorf("%d have succeeded, want 99", got.Succeeded)
		}
	})
}
