package main

import (
	"bytes"
	"encoding/json"
	"os"
	"strings"
	"testing"
)

// play runs the command the way main does and returns what it said. The
// environment is that of a machine where nothing is set.
func play(t *testing.T, args ...string) (code int, stdout, stderr string) {
	t.Helper()
	var out, errs bytes.Buffer
	code = run(args, &out, &errs)
	return code, out.String(), errs.String()
}

// bare takes every setting out of the environment and the working folder.
func bare(t *testing.T) {
	t.Helper()
	for _, pair := range os.Environ() {
		name, _, _ := strings.Cut(pair, "=")
		if strings.HasPrefix(name, "LONGHAUL_") || strings.HasPrefix(name, "OPENAI_") {
			t.Setenv(name, "") // so that it is put back
			if err := os.Unsetenv(name); err != nil {
				t.Fatal(err)
			}
		}
	}
	t.Chdir(t.TempDir())
}

func TestBadUsageIsToldAndExitsWithTwo(t *testing.T) {
	bare(t)
	if err := os.WriteFile("bad.yaml", []byte("poll:\n  flor: 2s\nopenai:\n  model: ''\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	tests := []struct {
		name string
		args []string
		says []string
	}{
		{"unknown command", []string{"rnu"}, []string{"rnu"}},
		{"unknown flag", []string{"run", "--colour"}, []string{"--colour", "worker run --help"}},
		{"an argument too many", []string{"run", "fast"}, []string{"fast"}},
		{"no key", []string{"run"}, []string{"openai.api_key", "OPENAI_API_KEY"}},
		{"a value out of bounds", []string{"config", "--poll-floor", "-1s"}, []string{"poll.floor", "--poll-floor"}},
		{"everything wrong in a file, at once", []string{"config", "--config", "bad.yaml"}, []string{"flor", "poll.floor", "openai.model"}},
		{"a file that is not there", []string{"config", "--config", "none.yaml"}, []string{"none.yaml"}},
		{"health without an address", []string{"health", "--http-addr", ""}, []string{"http.addr"}},
		{"dev on a redis with a password", []string{"dev", "--redis-url", "redis://:hush@127.0.0.1:6379/0"}, []string{"redis.url", "password"}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			code, _, stderr := play(t, tt.args...)
			if code != exitUsage {
				t.Errorf("exit code %d, want %d; it says %s", code, exitUsage, stderr)
			}
			for _, want := range tt.says {
				if !strings.Contains(stderr, want) {
					t.Errorf("it does not say %q: %s", want, stderr)
				}
			}
			if strings.Contains(stderr, "hush") {
				t.Errorf("it tells a password: %s", stderr)
			}
		})
	}
}

func TestFailureExitsWithOne(t *testing.T) {
	bare(t)
	code, _, stderr := play(t, "health", "--http-addr", "127.0.0.1:1")
	if code != exitFailure || !strings.Contains(stderr, "ask worker") {
		t.Errorf("exit code %d, %s; want %d", code, stderr, exitFailure)
	}
}

// TestDoctorSaysWhatToDoAndExitsWithOne visits where nobody answers.
//
// Guarantee: G12.
func TestDoctorSaysWhatToDoAndExitsWithOne(t *testing.T) {
	bare(t)
	t.Setenv("OPENAI_API_KEY", "sk-canary")
	t.Setenv("OPENAI_BASE_URL", "http://127.0.0.1:1/v1")
	t.Setenv("LONGHAUL_REDIS_URL", "redis://me:canary@127.0.0.1:1/0?max_retries=-1")
	for _, args := range [][]string{{"doctor"}, {"doctor", "--json"}} {
		code, stdout, stderr := play(t, args...)
		if code != exitFailure || !strings.Contains(stdout, "start Redis") || !strings.Contains(stderr, "to be mended") {
			t.Errorf("%v: exit code %d, %s%s", args, code, stdout, stderr)
		}
		if strings.Contains(stdout+stderr, "canary") {
			t.Errorf("%v: it tells a secret: %s%s", args, stdout, stderr)
		}
		if err := json.Unmarshal([]byte(stdout), new(struct{})); (err == nil) != (len(args) == 2) {
			t.Errorf("%v: %v in %s", args, err, stdout)
		}
	}
}

// TestConfigTellsSourcesAndNoSecrets shows a configuration from three places.
//
// Guarantee: G12.
func TestConfigTellsSourcesAndNoSecrets(t *testing.T) {
	bare(t)
	if err := os.WriteFile("longhaul.yaml", []byte("poll:\n  ceiling: 20s\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	t.Setenv("OPENAI_API_KEY", "sk-canary")
	t.Setenv("LONGHAUL_REDIS_URL", "redis://me:canary@example.invalid/0")
	code, stdout, stderr := play(t, "config", "--json", "--poll-floor", "3s")
	if code != exitOK {
		t.Fatalf("exit code %d: %s", code, stderr)
	}
	var settings []struct {
		Key    string `json:"key"`
		Source string `json:"source"`
	}
	if err := json.Unmarshal([]byte(stdout), &settings); err != nil {
		t.Fatalf("%v in %s", err, stdout)
	}
	want := map[string]string{
		"poll.floor": "flag --poll-floor", "redis.url": "environment LONGHAUL_REDIS_URL",
		"openai.api_key": "environment OPENAI_API_KEY", "openai.model": "default",
	}
	for _, s := range settings {
		if source, ok := want[s.Key]; ok && s.Source != source {
			t.Errorf("%s comes from %q, want %q", s.Key, s.Source, source)
		}
		if s.Key == "poll.ceiling" && s.Source != "file longhaul.yaml" {
			t.Errorf("poll.ceiling comes from %q, want the file", s.Source)
		}
		delete(want, s.Key)
	}
	if len(want) > 0 {
		t.Errorf("it does not show %v", want)
	}
	if strings.Contains(stdout, "canary") {
		t.Errorf("it shows a secret: %s", stdout)
	}
}

func TestVersion(t *testing.T) {
	bare(t)
	code, stdout, _ := play(t, "version")
	if code != exitOK || !strings.HasPrefix(stdout, "worker ") {
		t.Errorf("exit code %d, %q", code, stdout)
	}
}
