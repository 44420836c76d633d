package main

import (
	"context"
	"encoding/json"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/longhaul-jobs/longhaul/internal/testlog"
	"github.com/longhaul-jobs/longhaul/jobs"
	"github.com/longhaul-jobs/longhaul/jobs/summarize"
	"github.com/longhaul-jobs/longhaul/jobs/summarize/report"
)

// The tests in this file run everything there is: this command, a worker, the
// embedded Redis and the stand-in for OpenAI.

// quick makes the stand-in answer at once.
func quick() []string {
	return []string{
		"LONGHAUL_SIMULATOR_QUEUED=5ms", "LONGHAUL_SIMULATOR_RUNNING=20ms",
		"LONGHAUL_POLL_TICK=5ms", "LONGHAUL_POLL_FLOOR=10ms", "LONGHAUL_POLL_CEILING=50ms",
	}
}

func TestDevSubmitWaitJSON(t *testing.T) {
	t.Parallel()
	got := call(t.Context(), quick(), "", "submit", "--dev", "--wait", "--json", "--input", "The tide is high. It will fall.").want(t, 0)
	got.says(t, "stand-in", "lost")
	view := decode[jobView](t, got.stdout)
	j := decode[jobs.Job](t, string(view.Job))
	response, err := jobs.ParseResponse(view.Response)
	if err != nil {
		t.Fatal(err)
	}
	if j.State != jobs.StateSucceeded || response.Status != jobs.StatusCompleted || response.Text() == "" || response.ID != j.Result.ResponseID {
		t.Errorf("state %s, response %s with status %s and text %q", j.State, response.ID, response.Status, response.Text())
	}
	if len(j.Attempts) != 1 || j.Attempts[0].RequestID == "" {
		t.Errorf("attempts are %+v", j.Attempts)
	}
}

func TestDevBatchWithFailures(t *testing.T) {
	t.Parallel()
	file := putFile(t, "in.jsonl", batchOf("The first.", "The second.")+
		`{"custom_id":"odd","method":"POST","url":"/v1/responses","body":{"input":"x","no_such_parameter":1}}`+"\n")
	call(t.Context(), quick(), "", "batch", "--dev", file).want(t, 1)
	stem := strings.TrimSuffix(file, ".jsonl")
	if n := len(lines(readText(t, stem+".output.jsonl"))); n != 2 {
		t.Errorf("%d answers, want 2", n)
	}
	failed := resultLines(t, readText(t, stem+".errors.jsonl"))
	if len(failed) != 1 || !strings.HasPrefix(failed[0], "odd: error unknown_parameter: ") {
		t.Errorf("errors are %q", failed)
	}
}

func TestDevSummarizeTwice(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	docs, out := filepath.Join(dir, "docs"), filepath.Join(dir, "out")
	if err := os.Mkdir(docs, 0o700); err != nil {
		t.Fatal(err)
	}
	text := "Longhaul keeps jobs in Redis. A job is paid for once. Redis keeps what was paid for. The weather was fine."
	for _, name := range []string{"a.md", "b.txt", "c.html"} {
		if err := os.WriteFile(filepath.Join(docs, name), []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	args := []string{"summarize", "--dev", "--json", "--out", out, docs}
	first := decode[summarizeReport](t, call(t.Context(), quick(), "", args...).want(t, 0).stdout)
	if first.Succeeded != 3 || first.InputTokens == 0 || first.OutputTokens == 0 {
		t.Errorf("the first run reports %+v", first)
	}
	for _, name := range []string{"a.md", "b.txt", "c.html"} {
		summary := readText(t, filepath.Join(out, summarize.OutputName(filepath.ToSlash(filepath.Join(docs, name)))))
		if !strings.Contains(summary, "Redis") {
			t.Errorf("the summary of %s is\n%s", name, summary)
		}
	}
	manifest := readText(t, filepath.Join(out, summarize.ManifestName))

	again := call(t.Context(), quick(), "", args...).want(t, 0)
	report := decode[summarizeReport](t, again.stdout)
	if report.Skipped != 3 || report.Succeeded != 0 || strings.Contains(again.stderr, "stand-in") {
		t.Errorf("the second run reports %+v and says %q", report, again.stderr)
	}
	if diff := cmp.Diff(manifest, readText(t, filepath.Join(out, summarize.ManifestName))); diff != "" {
		t.Errorf("the second run changed the manifest (-before +after):\n%s", diff)
	}
}

func TestDevCanBeStopped(t *testing.T) {
	t.Parallel()
	for _, option := range []string{"--force=false", "--force"} {
		t.Run(option, func(t *testing.T) {
			t.Parallel()
			devIsStopped(t, option)
		})
	}
}

// devIsStopped interrupts a summary with an option, and has it begin again.
func devIsStopped(t *testing.T, option string) {
	t.Helper()
	dir := t.TempDir()
	path, other := filepath.Join(dir, "a.md"), filepath.Join(dir, "b.md")
	for _, path := range []string{path, other} {
		if err := os.WriteFile(path, []byte("The tide is high in "+path), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	out := filepath.Join(dir, "out")
	ctx, interrupt := context.WithCancelCause(t.Context())
	defer interrupt(nil)
	var stdout, stderr testlog.Buffer
	stopped := make(chan int)
	go func() {
		stopped <- run(ctx, []string{"summarize", "--dev", "--out", out, option, path, other}, system{
			stdin: strings.NewReader(""), stdout: &stdout, stderr: &stderr,
			environ: append(quick(), "LONGHAUL_SIMULATOR_RUNNING=1h"),
		})
	}()
	until(t, "a job with a request under way", func() bool { return strings.Contains(stderr.String(), "waits for the answer to its request") })
	interrupt(errInterrupt)
	outcome{<-stopped, stdout.String(), stderr.String()}.want(t, 1).says(t, "stopped: interrupt signal received", "nothing goes on")
	shows(t, readText(t, filepath.Join(out, report.IndexName)), "2 documents: 2 not begun")

	call(t.Context(), quick(), "", "summarize", "--dev", "--out", out, path).want(t, 0)
	shows(t, readText(t, filepath.Join(out, report.IndexName)), "1 document: 1 succeeded") // nobody asked for the other one
	if entries := strings.Count(readText(t, filepath.Join(out, summarize.ManifestName)), `"succeeded"`); entries != 1 {
		t.Errorf("%d documents are summarized, want 1", entries)
	}
}

// A canary: what is asked and answered appears nowhere but in the result.
func TestDevKeepsContentOutOfTheLog(t *testing.T) {
	t.Parallel()
	const canary = "xyzzy-canary"
	env := append(quick(), "LONGHAUL_LOG_LEVEL=debug")
	got := call(t.Context(), env, "", "submit", "--dev", "--wait", "--json", "--input", canary+" sings.", "--instructions", canary).want(t, 0)
	view := decode[map[string]json.RawMessage](t, got.stdout)
	if !strings.Contains(string(view["response"]), canary) {
		t.Errorf("the response does not hold the canary: %s", view["response"])
	}
	if strings.Contains(got.stderr, canary) || !strings.Contains(got.stderr, "level=DEBUG") {
		t.Errorf("stderr:\n%s", got.stderr)
	}
}
