package app_test

import (
	"bytes"
	"context"
	"errors"
	"io"
	"io/fs"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/longhaul-jobs/longhaul/internal/app"
	"github.com/longhaul-jobs/longhaul/internal/config"
	"github.com/longhaul-jobs/longhaul/internal/redistest"
	"github.com/longhaul-jobs/longhaul/internal/simulator"
	"github.com/longhaul-jobs/longhaul/jobs"
)

// examine has everything looked over, with a provider that takes one key, and
// returns what is said of it as JSON.
func examine(t *testing.T, environ ...string) string {
	t.Helper()
	sim, err := simulator.New(simulator.Config{APIKeys: []string{"sk-good"}})
	if err != nil {
		t.Fatal(err)
	}
	server := httptest.NewServer(sim)
	t.Cleanup(func() { server.Close(); _ = sim.Close() })
	cfg, err := config.Load(config.Sources{Environ: append([]string{"OPENAI_BASE_URL=" + server.URL + "/v1"}, environ...)})
	if err != nil {
		t.Fatal(err)
	}
	report, err := app.Examine(t.Context(), cfg, "test", discard())
	if err != nil {
		t.Fatal(err)
	}
	var text strings.Builder
	if err := report.WriteJSON(&text); err != nil {
		t.Fatal(err)
	}
	return text.String()
}

func TestExamine(t *testing.T) {
	t.Parallel()
	good := redistest.StartWith(t, redistest.Config{AppendDir: t.TempDir()})
	goodKeys, forgetful := good.Client(t), redistest.Start(t)
	for name, tt := range map[string]struct {
		environ []string
		says    []string
	}{
		"all is well": {
			[]string{"OPENAI_API_KEY=sk-good", "LONGHAUL_REDIS_URL=" + good.URL()},
			[]string{`"ok": true`, "none yet under the prefix longhaul", "has the model gpt-4.1"},
		},
		"a key that is refused": {
			[]string{"OPENAI_API_KEY=sk-bad", "LONGHAUL_REDIS_URL=" + good.URL()},
			[]string{`"ok": false`, "set OPENAI_API_KEY to a key that is valid"},
		},
		"a model that there is not": {
			[]string{"OPENAI_API_KEY=sk-good", "LONGHAUL_OPENAI_MODEL=gpt-0", "LONGHAUL_REDIS_URL=" + good.URL()},
			[]string{`"ok": false`, "set openai.model to a model that this key may use"},
		},
		"no key at all, and a Redis that forgets": {
			[]string{"LONGHAUL_REDIS_URL=" + forgetful.URL()},
			[]string{`"ok": false`, "does not start", "appendonly yes"},
		},
		"a further endpoint": {
			[]string{
				"OPENAI_API_KEY=sk-good", "LONGHAUL_REDIS_URL=" + good.URL(),
				`LONGHAUL_ENDPOINTS={"eu":{"base_url":"http://127.0.0.1:1/v1","api_key_env":"EU_KEY"}}`, "EU_KEY=sk-eu-canary",
			},
			[]string{`"ok": false`, `"check": "endpoint eu"`, "this machine may reach it"},
		},
		"an endpoint whose key is not here": {
			[]string{
				"OPENAI_API_KEY=sk-good", "LONGHAUL_REDIS_URL=" + good.URL(),
				`LONGHAUL_ENDPOINTS={"eu":{"base_url":"http://127.0.0.1:1/v1","api_key_env":"EU_KEY"},"us":{"base_url":"http://127.0.0.1:1/v1"}}`,
			},
			[]string{"set EU_KEY, or leave", "set endpoints.us.api_key_env, or leave"},
		},
		"nobody answers": {
			[]string{"OPENAI_API_KEY=sk-good", "LONGHAUL_REDIS_URL=redis://me:canary@127.0.0.1:1/0?max_retries=-1"},
			[]string{`"ok": false`, "start Redis", "endpoint default"},
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			said := examine(t, tt.environ...)
			for _, want := range tt.says {
				if !strings.Contains(said, want) {
					t.Errorf("it does not say %q:\n%s", want, said)
				}
			}
			if strings.Contains(said, "canary") || strings.Contains(said, "sk-") {
				t.Errorf("it tells a secret:\n%s", said)
			}
		})
	}
	t.Cleanup(func() {
		if n := goodKeys.DBSize(context.WithoutCancel(t.Context())).Val(); n != 0 {
			t.Errorf("a doctor's visit left %d keys", n)
		}
	})
}

// TestExamineTellsOfTheInstallation looks at one that has a worker.
func TestExamineTellsOfTheInstallation(t *testing.T) {
	t.Parallel()
	server := redistest.StartWith(t, redistest.Config{AppendDir: t.TempDir()})
	w := newWorldOn(t, server.URL(), quick())
	w.work().started()
	said := examine(t, "OPENAI_API_KEY=sk-good", "LONGHAUL_REDIS_URL="+server.URL())
	if !strings.Contains(said, "1 under the prefix longhaul: 1 of test") || strings.Contains(said, "fail") {
		t.Errorf("it says:\n%s", said)
	}
}

// TestExamineFixesNoBlobStore looks at an installation that has no blobs yet, and
// leaves it and the machine as they were: the first worker may have another store.
func TestExamineFixesNoBlobStore(t *testing.T) {
	t.Parallel()
	server := redistest.StartWith(t, redistest.Config{AppendDir: t.TempDir()})
	w := newWorldOn(t, server.URL(), quick())
	w.submit(question, jobs.Options{})
	there, missing := t.TempDir(), filepath.Join(t.TempDir(), "blobs")
	for dir, says := range map[string]string{there: "takes, gives back and deletes", missing: "not there yet"} {
		said := examine(t, "OPENAI_API_KEY=sk-good", "LONGHAUL_REDIS_URL="+server.URL(), "LONGHAUL_BLOBS_URL=file://"+dir)
		if !strings.Contains(said, says) || !strings.Contains(said, `"ok": true`) {
			t.Errorf("it says:\n%s", said)
		}
	}
	if left, err := os.ReadDir(there); err != nil || len(left) != 0 {
		t.Errorf("it left %v in the folder, %v", left, err)
	}
	if _, err := os.Stat(missing); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("it made the folder: %v", err)
	}
	if name := w.rdb.HGet(t.Context(), "longhaul:{meta}:installation", "blobs").Val(); name != "" {
		t.Errorf("it fixed the folder %s", name)
	}
	w.work("LONGHAUL_BLOBS_URL=file://" + there).started()
	if said := examine(t, "OPENAI_API_KEY=sk-good", "LONGHAUL_REDIS_URL="+server.URL(), "LONGHAUL_BLOBS_URL=file://"+missing); !strings.Contains(said, "has lost its folder") {
		t.Errorf("of the folder of blobs that are there it says:\n%s", said)
	}
}

// TestExamineLooksAtTheBlobStoreOfAFirstWorker, before there is an installation, and
// tells of one that the worker could not start with.
func TestExamineLooksAtTheBlobStoreOfAFirstWorker(t *testing.T) {
	t.Parallel()
	server := redistest.StartWith(t, redistest.Config{AppendDir: t.TempDir()})
	bucket := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", "application/xml")
		w.WriteHeader(http.StatusForbidden)
		_, _ = io.WriteString(w, `<Error><Code>InvalidAccessKeyId</Code></Error>`)
	}))
	t.Cleanup(bucket.Close)
	address := "LONGHAUL_BLOBS_URL=s3://bucket/p?region=eu-central-1&endpoint=" + bucket.URL
	keys := []string{"LONGHAUL_BLOBS_ACCESS_KEY=AKIA", "LONGHAUL_BLOBS_SECRET_KEY=canary"}
	missing, file := filepath.Join(t.TempDir(), "a", "blobs"), filepath.Join(t.TempDir(), "file")
	if err := os.WriteFile(file, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	for name, tt := range map[string]struct {
		environ []string
		says    []string
	}{
		"keys that are refused":         {append(keys, address), []string{`"ok": false`, "does not accept the credentials"}},
		"no keys":                       {[]string{address}, []string{`"ok": false`, "set blobs.access_key"}},
		"a folder that cannot be made":  {[]string{"LONGHAUL_BLOBS_URL=file://" + filepath.Join(file, "blobs")}, []string{`"ok": false`, "no folder"}},
		"a folder that is made one day": {[]string{"LONGHAUL_BLOBS_URL=file://" + missing}, []string{`"ok": true`, "not there yet"}},
		"none":                          {nil, []string{`"ok": true`, "Redis keeps everything"}},
	} {
		said := examine(t, append([]string{"OPENAI_API_KEY=sk-good", "LONGHAUL_REDIS_URL=" + server.URL()}, tt.environ...)...)
		for _, want := range append(tt.says, `"blob store"`) {
			if !strings.Contains(said, want) {
				t.Errorf("%s: it does not say %q:\n%s", name, want, said)
			}
		}
		if strings.Contains(said, "findings about Redis") || strings.Contains(said, "canary") {
			t.Errorf("%s: it says:\n%s", name, said)
		}
	}
	if left, err := os.ReadDir(filepath.Dir(filepath.Dir(missing))); err != nil || len(left) != 0 {
		t.Errorf("it left %v, %v", left, err)
	}
	if n := server.Client(t).DBSize(t.Context()).Val(); n != 0 {
		t.Errorf("it left %d keys", n)
	}
}

// TestStartWarnsOfARedisThatForgets reads the log of a worker.
func TestStartWarnsOfARedisThatForgets(t *testing.T) {
	t.Parallel()
	for name, tt := range map[string]struct {
		config redistest.Config
		says   []string
	}{
		"forgets and evicts": {
			redistest.Config{Args: []string{"--maxmemory-policy", "allkeys-lru", "--maxmemory", "100mb"}},
			[]string{"appendonly yes", "maxmemory-policy noeviction"},
		},
		"keeps": {redistest.Config{AppendDir: t.TempDir()}, nil},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			server := redistest.StartWith(t, tt.config)
			cfg, err := config.Load(config.Sources{Environ: []string{
				"OPENAI_API_KEY=sk-test", "LONGHAUL_REDIS_URL=" + server.URL(), "LONGHAUL_HTTP_ADDR=",
			}})
			if err != nil {
				t.Fatal(err)
			}
			var logged bytes.Buffer
			a, err := app.New(t.Context(), app.Options{Config: cfg, Log: slog.New(slog.NewTextHandler(&logged, nil)), Version: "test"})
			if err != nil {
				t.Fatal(err)
			}
			if err := a.Connect(t.Context()); err != nil {
				t.Fatal(err)
			}
			for _, want := range tt.says {
				if !strings.Contains(logged.String(), want) {
					t.Errorf("it does not warn with %q:\n%s", want, logged.String())
				}
			}
			if tt.says == nil && strings.Contains(logged.String(), "level=WARN") {
				t.Errorf("it warns:\n%s", logged.String())
			}
		})
	}
}
