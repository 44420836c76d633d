package main

import (
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	"github.com/longhaul-jobs/longhaul/jobs"
)

// TestBatchDestroysNothing names outputs that would destroy the input, one
// another or something that is not a batch's: each is refused, or left as it is,
// before a request is submitted.
func TestBatchDestroysNothing(t *testing.T) {
	dir := t.TempDir()
	input, other := filepath.Join(dir, "in.jsonl"), filepath.Join(dir, "other.txt")
	for path, text := range map[string]string{input: "{}\n", other: "mine\n"} {
		if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	link := filepath.Join(dir, "link")
	if err := os.Symlink(input, link); err != nil {
		t.Fatal(err)
	}
	tests := []struct{ name, output, errors, flag, says string }{
		{"the input", input, "", "output", "the input itself"},
		{"a link to the input", link, "", "output", "the input itself"},
		{"errors over the input", "-", input, "errors", "the input itself"},
		{"both the same", filepath.Join(dir, "x"), filepath.Join(dir, ".", "x"), "errors", "same file"},
		{"a folder", dir, "", "output", "is a folder"},
		{"a folder that is not there", filepath.Join(dir, "none", "x"), "", "output", "does not exist"},
		{"below a file", filepath.Join(other, "x"), "", "output", "cannot be written"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			o := batchOutput{output: tt.output, errors: tt.errors}
			_, err := o.check(input)
			f := jobs.FailureOf(err)
			if err == nil || f.Class != jobs.ClassInvalid || f.Param != tt.flag || !strings.Contains(f.Message, tt.says) {
				t.Errorf("error %v, want one that names %s and says %q", err, tt.flag, tt.says)
			}
		})
	}
	if err := removeErrors(other); err != nil {
		t.Error(err)
	}
	ours := filepath.Join(dir, "errors.jsonl")
	if err := os.WriteFile(ours, []byte(`{"id":"job_1","custom_id":"a","response":null,"error":{"code":"x","message":"y"}}`+"\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	if err := removeErrors(ours); err != nil {
		t.Error(err)
	}
	if _, err := os.Stat(ours); err == nil {
		t.Error("the errors of an earlier run are still there")
	}
	if text, err := os.ReadFile(other); err != nil || string(text) != "mine\n" {
		t.Errorf("another file holds %q, %v; want it untouched", text, err)
	}
}

// TestBatchWritesADeviceInPlace writes to what is no regular file: it stays what
// it is. A named pipe stands in for /dev/null, which a mistake would ruin.
func TestBatchWritesADeviceInPlace(t *testing.T) {
	path := filepath.Join(t.TempDir(), "pipe")
	if err := syscall.Mkfifo(path, 0o600); err != nil {
		t.Fatal(err)
	}
	read := make(chan string)
	go func() {
		text, _ := os.ReadFile(path)
		read <- string(text)
	}()
	file, err := batchOutput{output: path}.create(path)
	if err != nil {
		t.Fatal(err)
	}
	if err := file.add(outputLine{CustomID: "a"}); err != nil {
		t.Fatal(err)
	}
	if err := file.commit(true); err != nil {
		t.Fatal(err)
	}
	if got := <-read; !strings.Contains(got, `"custom_id":"a"`) {
		t.Errorf("the pipe brought %q", got)
	}
	if info, err := os.Stat(path); err != nil || info.Mode().IsRegular() {
		t.Errorf("the pipe is now %v, %v", info.Mode(), err)
	}
}
