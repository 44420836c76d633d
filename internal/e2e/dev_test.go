package e2e_test

import (
	"encoding/json"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/longhaul-jobs/longhaul/internal/installation"
	"github.com/longhaul-jobs/longhaul/jobs"
)

// enqueue runs the command line to its end and returns what it printed.
func enqueue(t *testing.T, dir string, args ...string) (code int, stdout, stderr string) {
	t.Helper()
	cmd := exec.CommandContext(t.Context(), installation.Binary(t, "enqueue"), args...)
	cmd.Dir = dir
	cmd.Env = []string{"PATH=" + os.Getenv("PATH"), "HOME=" + dir}
	var out, errs strings.Builder
	cmd.Stdout, cmd.Stderr = &out, &errs
	_ = cmd.Run() // the exit code says it
	return cmd.ProcessState.ExitCode(), out.String(), errs.String()
}

// TestDevInOneTerminalEnqueueInAnother is the README's second acquaintance: a
// worker that needs nothing, and a command that finds it.
//
// Guarantees: G1, G9.
func TestDevInOneTerminalEnqueueInAnother(t *testing.T) {
	t.Parallel()
	addr := installation.FreeAddr(t)
	url := "redis://" + addr + "/0"
	dev := installation.Start(t, nil, "worker", "dev", "--redis-url", url, "--simulator-addr", "127.0.0.1:0", "--http-addr", "127.0.0.1:0",
		"--simulator-queued", "100ms", "--simulator-running", "300ms", "--poll-floor", "100ms")
	dev.Find(dev.Stdout, `ready`)
	if said := dev.Stdout.String(); !strings.Contains(said, "stand-in") || !strings.Contains(said, "lost") {
		t.Errorf("dev does not say loudly what it is: %s", said)
	}
	code, stdout, stderr := enqueue(t, t.TempDir(), "submit", "--redis-url", url, "--input", "Why is the sky blue?", "--wait", "--json")
	if code != 0 {
		t.Fatalf("exit code %d: %s", code, stderr)
	}
	var got struct {
		Job      jobs.Job        `json:"job"`
		Response json.RawMessage `json:"response"`
	}
	if err := json.Unmarshal([]byte(stdout), &got); err != nil {
		t.Fatalf("%v in %s", err, stdout)
	}
	response, err := jobs.ParseResponse(got.Response)
	if err != nil || got.Job.State != jobs.StateSucceeded || response.Text() == "" {
		t.Errorf("job %s, response %s, %v", got.Job.State, got.Response, err)
	}
	if code := dev.Terminate(); code != 0 {
		t.Errorf("dev's exit code %d, want 0", code)
	}
}

// TestSummarizeTwice is the README's first command: it summarizes a folder in
// one process, and the second time there is nothing to do.
func TestSummarizeTwice(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	for name, text := range map[string]string{
		"notes/a.md":  "# Harbour\n\nThe harbour was rebuilt after the storm. Trade came back within a year. The old pier was kept.\n",
		"notes/b.txt": "The orchard bore fruit for the first time. Bees had returned in spring. The harvest was shared out.\n",
	} {
		path := filepath.Join(dir, name)
		if err := os.MkdirAll(filepath.Dir(path), 0o700); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	code, stdout, stderr := enqueue(t, dir, "summarize", "--dev", "notes")
	if code != 0 {
		t.Fatalf("exit code %d: %s%s", code, stdout, stderr)
	}
	for _, name := range []string{"notes--a.md", "notes--b.txt.md", "summaries.jsonl"} {
		if text, err := os.ReadFile(filepath.Join(dir, "summaries", name)); err != nil || len(text) == 0 {
			t.Errorf("summaries/%s: %v, %d bytes", name, err, len(text))
		}
	}
	code, stdout, stderr = enqueue(t, dir, "summarize", "--dev", "notes")
	if code != 0 || !strings.Contains(stdout, "nothing was submitted") {
		t.Errorf("the second run: exit code %d, %s%s", code, stdout, stderr)
	}
}
