package main

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"io"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/spf13/pflag"

	"github.com/longhaul-jobs/longhaul/jobs"
)

// A PNG is told by its first bytes alone.
const pngMagic = "\x89PNG\r\n\x1a\n"

func TestBody(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	write := func(name, content string) string {
		path := filepath.Join(dir, name)
		if err := os.WriteFile(path, []byte(content), 0o600); err != nil {
			t.Fatal(err)
		}
		return path
	}
	picture := write("picture.bin", pngMagic)
	text := write("text.txt", "from a <file>\n")
	whole := write("body.json", `{"input": [ {"role":"user","content":"x"} ], "future": 1}`)
	tests := []struct {
		name  string
		args  []string
		stdin string
		want  string
	}{
		{"input", []string{"--input", "a & b"}, "", `{"input":"a & b"}`},
		{"stdin", []string{"--input", "-"}, "piped", `{"input":"piped"}`},
		{"file", []string{"--input-file", text}, "", `{"input":"from a <file>\n"}`},
		{
			"all",
			[]string{"--input", "a", "--model", "m", "--instructions", "i", "--max-output-tokens", "16"},
			"",
			`{"model":"m","instructions":"i","input":"a","max_output_tokens":16}`,
		},
		{
			"image",
			[]string{"--image", picture, "--input", "what is it?"},
			"",
			`{"input":[{"type":"message","role":"user","content":[{"type":"input_text","text":"what is it?"},` +
				`{"type":"input_image","image_url":"data:image/png;base64,iVBORw0KGgo=","detail":"auto"}]}]}`,
		},
		{
			"images alone",
			[]string{"--image", picture, "--image", picture},
			"",
			`{"input":[{"type":"message","role":"user","content":[` +
				`{"type":"input_image","image_url":"data:image/png;base64,iVBORw0KGgo=","detail":"auto"},` +
				`{"type":"input_image","image_url":"data:image/png;base64,iVBORw0KGgo=","detail":"auto"}]}]}`,
		},
		{"request", []string{"--request", whole}, "", `{"input": [ {"role":"user","content":"x"} ], "future": 1}`},
		{"request on stdin", []string{"--request", "-"}, `{"input":"x"}`, `{"input":"x"}`},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			got, err := bodyOf(t, 1<<20, strings.NewReader(test.stdin), test.args...)
			if err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(test.want, string(got)); diff != "" {
				t.Errorf("body (-want +got):\n%s", diff)
			}
			if _, err := jobs.ParseRequest(got, jobs.DefaultModel); err != nil {
				t.Errorf("the body is refused: %v", err)
			}
		})
	}
}

func TestBodyRefuses(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	write := func(name string, content []byte) string {
		path := filepath.Join(dir, name)
		if err := os.WriteFile(path, content, 0o600); err != nil {
			t.Fatal(err)
		}
		return path
	}
	large := append([]byte(pngMagic), make([]byte, maxImageBytes)...)
	tests := []struct {
		name string
		args []string
		says string
	}{
		{"no image", []string{"--image", write("a.png", []byte("text"))}, "a.png is no PNG"},
		{"large image", []string{"--image", write("large.png", large)}, "more than 20 MiB"},
		{"missing image", []string{"--image", "no/such.png"}, "no/such.png"},
		{"large text", []string{"--input-file", write("large.txt", bytes.Repeat([]byte("a"), 2000))}, "more than 1000 bytes"},
		{"large together", []string{"--input", strings.Repeat("a", 999)}, "at most 1000"},
		{"no text", []string{"--input-file", write("latin1.txt", []byte("caf\xe9"))}, "UTF-8"},
		{"empty file", []string{"--input-file", write("empty.txt", nil)}, "input-file: is empty"},
		{"no file name", []string{"--input-file", ""}, "name a file"},
		{"no request name", []string{"--request", ""}, "name a file"},
		{"empty model", []string{"--input", "a", "--model", " "}, "model: is empty"},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			_, err := bodyOf(t, 1000, strings.NewReader(""), test.args...)
			if err == nil || !strings.Contains(err.Error(), test.says) {
				t.Fatalf("error is %v, want one that says %q", err, test.says)
			}
			if code(err) != exitUsage {
				t.Errorf("exit code is %d, want %d", code(err), exitUsage)
			}
		})
	}
}

func TestBodyStopsReadingStdin(t *testing.T) {
	t.Parallel()
	endless, writer := io.Pipe()
	t.Cleanup(func() { _ = writer.Close() })
	var f requestFlags
	fs := pflag.NewFlagSet("submit", pflag.ContinueOnError)
	f.register(fs)
	if err := fs.Parse([]string{"--input", "-"}); err != nil {
		t.Fatal(err)
	}
	ctx, interrupt := context.WithCancelCause(t.Context())
	interrupt(errInterrupt)
	if _, err := f.body(ctx, fs, endless, 1000); !errors.Is(err, errInterrupt) {
		t.Errorf("error is %v, want %v", err, errInterrupt)
	}
}

func bodyOf(t *testing.T, limit int, stdin io.Reader, args ...string) (json.RawMessage, error) {
	t.Helper()
	var f requestFlags
	fs := pflag.NewFlagSet("submit", pflag.ContinueOnError)
	f.register(fs)
	if err := fs.Parse(args); err != nil {
		t.Fatal(err)
	}
	return f.body(t.Context(), fs, stdin, limit)
}
