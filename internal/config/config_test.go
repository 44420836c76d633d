package config_test

import (
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"
	"github.com/spf13/pflag"

	"github.com/longhaul-jobs/longhaul/internal/config"
	"github.com/longhaul-jobs/longhaul/jobs"
)

// write makes a file with the name, whose ending says the format.
func write(t *testing.T, name, content string) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), name)
	if err := os.WriteFile(path, []byte(content), 0o600); err != nil {
		t.Fatal(err)
	}
	return path
}

// parse returns a flag set with all our flags, having read the arguments.
func parse(t *testing.T, args ...string) *pflag.FlagSet {
	t.Helper()
	fs := pflag.NewFlagSet("test", pflag.ContinueOnError)
	config.AddFlags(fs)
	if err := fs.Parse(args); err != nil {
		t.Fatalf("parse flags %q: %v", args, err)
	}
	return fs
}

// load fails the test if the configuration is refused. The environment of the
// test itself is never read.
func load(t *testing.T, s config.Sources) config.Config {
	t.Helper()
	c, err := config.Load(sealed(s))
	if err != nil {
		t.Fatalf("Load: %v", err)
	}
	return c
}

func sealed(s config.Sources) config.Sources {
	if s.Environ == nil {
		s.Environ = []string{}
	}
	return s
}

// setting returns the line of a key in the table.
func setting(t *testing.T, c config.Config, key string) config.Setting {
	t.Helper()
	for _, s := range c.Table() {
		if s.Key == key {
			return s
		}
	}
	t.Fatalf("no setting %s in the table", key)
	return config.Setting{}
}

// comparer compares configurations by what they hold, not where it came from.
func comparer() cmp.Option {
	return cmp.Options{
		cmpopts.IgnoreUnexported(config.Config{}),
		cmp.Comparer(func(a, b config.Secret) bool {
			return a.Reveal() == b.Reveal() && a.String() == b.String()
		}),
	}
}

func TestLoadWithoutSourcesReturnsTheDefaults(t *testing.T) {
	t.Parallel()
	want := config.Config{
		Redis: config.Redis{URL: config.NewSecretURL("redis://127.0.0.1:6379/0"), Prefix: "longhaul", WaitTimeout: time.Second},
		OpenAI: config.OpenAI{
			Endpoint: "default", BaseURL: "https://api.openai.com/v1", Model: jobs.DefaultModel,
			CreateTimeout: 10 * time.Minute, LookTimeout: 30 * time.Second,
		},
		Endpoints: map[string]config.Endpoint{},
		Lanes:     map[string]config.Lane{jobs.DefaultLane: {Concurrency: 32, Window: 128, Endpoint: "default"}},
		Prices:    map[string]config.Price{},
		Budgets:   map[string]config.Budget{},
		Ledger:    config.Ledger{Retention: 400 * 24 * time.Hour},
		Batch:     config.Batch{Wait: time.Minute, MaxLines: 10_000, MaxBytes: 64 << 20, LookEvery: time.Minute},
		Stream:    config.Stream{MaxOpen: 100, Stall: time.Minute, MaxEvents: 10_000, Keep: time.Hour},
		Poll: config.Poll{
			Floor: 2 * time.Second, Ceiling: 30 * time.Second, Learn: true, LookCost: time.Second, Concurrency: 256, Tick: 50 * time.Millisecond,
			Lease: 90 * time.Second, NotFoundGrace: 2 * time.Minute, StopGrace: 5 * time.Minute,
		},
		Jobs:  config.Jobs{MaxRequestBytes: 32 << 20, MaxResponseBytes: 64 << 20, CompressBytes: 64 << 10, MaxInlineBytes: 8 << 20},
		Blobs: config.Blobs{Over: 64 << 10, Timeout: 30 * time.Second},
		Watchdog: config.Watchdog{
			SubmitAfter: 15 * time.Second, CheckEvery: 3 * time.Second, Heartbeat: 2 * time.Second,
			DeadAfter: 8 * time.Second, AuditEvery: 10 * time.Second,
		},
		Effects:   config.Effects{Concurrency: 8},
		HTTP:      config.HTTP{Addr: "127.0.0.1:8080"},
		Webhooks:  config.Webhooks{SafetyNet: 5 * time.Minute},
		Uncertain: config.Uncertain{Wait: time.Hour},
		Log:       config.Log{Level: slog.LevelInfo, Format: config.LogAuto},
		Shutdown:  config.Shutdown{Grace: 25 * time.Second},
		Simulator: config.Simulator{
			Addr: "127.0.0.1:8081", Queued: time.Second, Running: 3 * time.Second, ExactTokens: true, WrongCitations: 5,
		},
	}
	got := load(t, config.Sources{})
	if diff := cmp.Diff(want, got, comparer()); diff != "" {
		t.Errorf("defaults (-want +got):\n%s", diff)
	}
	for _, s := range got.Table() {
		if s.Source != "default" {
			t.Errorf("%s comes from %q", s.Key, s.Source)
		}
	}
}

// samples has three values of each key, none of them its default, as they are
// shown. They keep to the rules between keys in every mixture.
func samples() map[string][3]string {
	return map[string][3]string{
		"redis.url":                     {"redis://a:1/1", "rediss://b:2/2", "unix:///c.sock?db=3"},
		"redis.prefix":                  {"a", "b", "c"},
		"redis.pool_size":               {"11", "12", "13"},
		"redis.wait_replicas":           {"1", "2", "3"},
		"redis.wait_disk":               {"true", "true", "true"},
		"redis.wait_timeout":            {"2s", "3s", "4s"},
		"openai.endpoint":               {"a", "b", "c"},
		"openai.base_url":               {"https://a/v1", "https://b/v1", "http://c:8081/v1"},
		"openai.api_key":                {"sk-a", "sk-b", "sk-c"},
		"openai.organization":           {"org-a", "org-b", "org-c"},
		"openai.project":                {"proj_a", "proj_b", "proj_c"},
		"openai.webhook_secrets":        {"whsec_YQ==", "whsec_Yg==", "plain,whsec_Yw=="},
		"openai.model":                  {"a", "b", "ft:gpt-4.1:c::d"},
		"openai.create_timeout":         {"1m", "2m", "3m"},
		"openai.look_timeout":           {"1s", "2s", "3s"},
		"ledger.retention":              {"24h", "48h", "72h"},
		"batch.wait":                    {"0s", "2s", "3s"},
		"batch.max_lines":               {"11", "12", "13"},
		"batch.max_bytes":               {"1kB", "2kB", "3kB"},
		"batch.look_every":              {"1s", "2s", "3s"},
		"stream.max_open":               {"11", "12", "13"},
		"stream.stall":                  {"2m", "3m", "4m"},
		"stream.max_events":             {"11", "12", "13"},
		"stream.keep":                   {"2h", "3h", "4h"},
		"poll.floor":                    {"3s", "4s", "5s"},
		"poll.ceiling":                  {"40s", "50s", "1m"},
		"poll.learn":                    {"false", "true", "false"},
		"poll.look_cost":                {"2s", "3s", "4s"},
		"poll.max_looks_per_second":     {"11", "12", "13"},
		"poll.concurrency":              {"11", "12", "13"},
		"poll.tick":                     {"10ms", "20ms", "30ms"},
		"poll.lease":                    {"2m", "3m", "1h30m"},
		"poll.not_found_grace":          {"3m", "4m", "5m"},
		"poll.stop_grace":               {"6m", "7m", "8m"},
		"jobs.max_request_bytes":        {"1MiB", "2MB", "3KiB"},
		"jobs.max_response_bytes":       {"1MiB", "2MB", "3KiB"},
		"jobs.compress_bytes":           {"1B", "2kB", "3KiB"},
		"jobs.max_inline_bytes":         {"1MiB", "2MB", "3KiB"},
		"blobs.url":                     {"file:///a", "s3://b/p?region=r", "file:///var/lib/longhaul/blobs"},
		"blobs.access_key":              {"AKIAA", "AKIAB", "AKIAC"},
		"blobs.secret_key":              {"sa", "sb", "sc"},
		"blobs.session_token":           {"ta", "tb", "tc"},
		"blobs.over":                    {"1B", "2kB", "3KiB"},
		"blobs.timeout":                 {"1s", "2s", "3s"},
		"watchdog.submit_after":         {"1s", "2s", "3s"},
		"watchdog.check_every":          {"1s", "2s", "4s"},
		"watchdog.heartbeat":            {"1s", "1.5s", "500ms"},
		"watchdog.dead_after":           {"9s", "10s", "11s"},
		"watchdog.audit_every":          {"1s", "2s", "3s"},
		"effects.concurrency":           {"11", "12", "13"},
		"http.addr":                     {"127.0.0.1:1", ":2", "[::1]:0"},
		"webhooks.addr":                 {"127.0.0.1:1", ":2", "[::1]:0"},
		"webhooks.safety_net":           {"6m", "7m", "8m"},
		"uncertain.wait":                {"0s", "2h", "3h"},
		"log.level":                     {"debug", "warn", "error"},
		"log.format":                    {"text", "json", "text"},
		"shutdown.grace":                {"1s", "2s", "3s"},
		"simulator.addr":                {"127.0.0.1:1", "127.0.0.1:2", ""},
		"simulator.queued":              {"2s", "3s", "0s"},
		"simulator.running":             {"1s", "2s", "0s"},
		"simulator.batch":               {"1s", "2s", "0s"},
		"simulator.enqueued_tokens":     {"1", "2", "0"},
		"simulator.exact_tokens":        {"false", "false", "false"},
		"simulator.wrong_citations":     {"1", "2", "3"},
		"simulator.requests_per_minute": {"11", "12", "13"},
		"simulator.tokens_per_minute":   {"11", "12", "13"},
		"simulator.api_keys":            {"a", "b@proj_b", "c"},
		"simulator.webhook_url":         {"http://a/", "http://b/", "http://c/"},
		"simulator.webhook_secret":      {"a", "b", "c"},
	}
}

// secrets are the settings that are never shown.
func secrets(c config.Config) map[string]string {
	return map[string]string{
		"openai.api_key":           c.OpenAI.APIKey.Reveal(),
		"openai.webhook_secrets":   revealed(c.OpenAI.WebhookSecrets),
		"blobs.access_key":         c.Blobs.AccessKey.Reveal(),
		"blobs.secret_key":         c.Blobs.SecretKey.Reveal(),
		"blobs.session_token":      c.Blobs.SessionToken.Reveal(),
		"simulator.api_keys":       c.Simulator.APIKeys.Reveal(),
		"simulator.webhook_secret": c.Simulator.WebhookSecret.Reveal(),
	}
}

// TestPrecedence sets every key in every source, one source above the other.
func TestPrecedence(t *testing.T) {
	t.Parallel()
	samples := samples()
	for _, k := range config.Keys() {
		if k.Group == "lanes" || k.Group == "endpoints" || k.Group == "prices" || k.Group == "budgets" {
			continue // see TestLanesPrecedence, TestEndpoints, TestPrices and TestBudgets
		}
		t.Run(k.Name, func(t *testing.T) {
			t.Parallel()
			sample, ok := samples[k.Name]
			if !ok {
				t.Fatal("no samples of this key")
			}
			group, leaf, _ := strings.Cut(k.Name, ".")
			path := write(t, "c.yaml", group+":\n  "+leaf+": '"+sample[0]+"'\n")
			type layer struct {
				sources       config.Sources
				value, source string
			}
			layers := []layer{
				{config.Sources{}, k.Default, "default"},
				{config.Sources{File: path}, sample[0], "file " + path},
				{config.Sources{File: path, Environ: []string{k.Env + "=" + sample[1]}}, sample[1], "environment " + k.Env},
				{config.Sources{Environ: []string{k.Env + "=" + sample[1]}}, sample[1], "environment " + k.Env},
			}
			if k.Flag != "" {
				flags := parse(t, "--"+k.Flag+"="+sample[2])
				layers = append(layers,
					layer{config.Sources{Flags: flags}, sample[2], "flag --" + k.Flag},
					layer{config.Sources{Flags: flags, File: path}, sample[2], "flag --" + k.Flag},
					layer{
						config.Sources{Flags: flags, File: path, Environ: []string{k.Env + "=" + sample[1]}},
						sample[2], "flag --" + k.Flag,
					},
					layer{config.Sources{Flags: parse(t), File: path}, sample[0], "file " + path})
			}
			if k.Alias != "" {
				alias := k.Alias + "=" + sample[2]
				layers = append(layers,
					layer{config.Sources{Environ: []string{alias}}, sample[2], "environment " + k.Alias},
					layer{config.Sources{Environ: []string{k.Alias + "="}}, k.Default, "default"},
					layer{config.Sources{Environ: []string{alias}, File: path}, sample[0], "file " + path},
					layer{config.Sources{Environ: []string{alias, k.Env + "=" + sample[1]}}, sample[1], "environment " + k.Env})
			}
			for _, l := range layers {
				c := load(t, l.sources)
				got := setting(t, c, k.Name)
				if got.Source != l.source {
					t.Errorf("source is %q, want %q", got.Source, l.source)
				}
				if secret, ok := secrets(c)[k.Name]; ok {
					got.Value = secret
				}
				if got.Value != l.value {
					t.Errorf("value from %s is %q, want %q", l.source, got.Value, l.value)
				}
			}
		})
	}
}

// revealed are the secrets themselves, with commas between them.
func revealed(secrets []config.Secret) string {
	texts := make([]string, len(secrets))
	for i, s := range secrets {
		texts[i] = s.Reveal()
	}
	return strings.Join(texts, ",")
}

// TestEveryFieldIsRead sets every key in the environment alone, where viper's
// own Unmarshal would not find one that has no default.
func TestEveryFieldIsRead(t *testing.T) {
	t.Parallel()
	environ := []string{
		`LONGHAUL_LANES={"bulk":{"concurrency":2,"window":3,"endpoint":"eu"},"default":{"concurrency":4}}`,
		`LONGHAUL_ENDPOINTS={"eu":{"base_url":"https://eu/v1/","api_key":"sk-eu","organization":"org-eu","project":"proj_eu",
			"webhook_secrets":["one","two"],"create_timeout":"3m","look_timeout":"4s"}}`,
	}
	samples := samples()
	for _, k := range config.Keys() {
		if sample, ok := samples[k.Name]; ok {
			environ = append(environ, k.Env+"="+sample[1])
		}
	}
	want := config.Config{
		Redis: config.Redis{URL: config.NewSecretURL("rediss://b:2/2"), Prefix: "b", PoolSize: 12, WaitReplicas: 2, WaitDisk: true, WaitTimeout: 3 * time.Second},
		OpenAI: config.OpenAI{
			Endpoint: "b", BaseURL: "https://b/v1", APIKey: config.NewSecret("sk-b"), Organization: "org-b", Project: "proj_b",
			WebhookSecrets: []config.Secret{config.NewSecret("whsec_Yg==")},
			Model:          "b", CreateTimeout: 2 * time.Minute, LookTimeout: 2 * time.Second,
		},
		Endpoints: map[string]config.Endpoint{"eu": {
			Name: "eu", BaseURL: "https://eu/v1", APIKey: config.NewSecret("sk-eu"), Organization: "org-eu", Project: "proj_eu",
			WebhookSecrets: []config.Secret{config.NewSecret("one"), config.NewSecret("two")},
			CreateTimeout:  3 * time.Minute, LookTimeout: 4 * time.Second,
		}},
		Lanes:  map[string]config.Lane{"bulk": {Concurrency: 2, Window: 3, Endpoint: "eu"}, "default": {Concurrency: 4, Window: 16, Endpoint: "b"}},
		Batch:  config.Batch{Wait: 2 * time.Second, MaxLines: 12, MaxBytes: 2000, LookEvery: 2 * time.Second},
		Stream: config.Stream{MaxOpen: 12, Stall: 3 * time.Minute, MaxEvents: 12, Keep: 3 * time.Hour},
		Poll: config.Poll{
			Floor: 4 * time.Second, Ceiling: 50 * time.Second, Learn: true, LookCost: 3 * time.Second, MaxLooksPerSecond: 12, Concurrency: 12, Tick: 20 * time.Millisecond,
			Lease: 3 * time.Minute, NotFoundGrace: 4 * time.Minute, StopGrace: 7 * time.Minute,
		},
		Prices:  map[string]config.Price{},
		Budgets: map[string]config.Budget{}, Ledger: config.Ledger{Retention: 48 * time.Hour},
		Jobs: config.Jobs{MaxRequestBytes: 2_000_000, MaxResponseBytes: 2_000_000, CompressBytes: 2000, MaxInlineBytes: 2_000_000},
		Blobs: config.Blobs{
			URL: "s3://b/p?region=r", AccessKey: config.NewSecret("AKIAB"), SecretKey: config.NewSecret("sb"),
			SessionToken: config.NewSecret("tb"), Over: 2000, Timeout: 2 * time.Second,
		},
		Watchdog: config.Watchdog{
			SubmitAfter: 2 * time.Second, CheckEvery: 2 * time.Second, Heartbeat: 1500 * time.Millisecond,
			DeadAfter: 10 * time.Second, AuditEvery: 2 * time.Second,
		},
		Effects:   config.Effects{Concurrency: 12},
		HTTP:      config.HTTP{Addr: ":2"},
		Webhooks:  config.Webhooks{Addr: ":2", SafetyNet: 7 * time.Minute},
		Uncertain: config.Uncertain{Wait: 2 * time.Hour},
		Log:       config.Log{Level: slog.LevelWarn, Format: config.LogJSON},
		Shutdown:  config.Shutdown{Grace: 2 * time.Second},
		Simulator: config.Simulator{
			Addr: "127.0.0.1:2", Queued: 3 * time.Second, Running: 2 * time.Second,
			Batch: 2 * time.Second, EnqueuedTokens: 2, WrongCitations: 2, RequestsPerMinute: 12, TokensPerMinute: 12,
			APIKeys: config.NewSecret("b@proj_b"), WebhookURL: "http://b/", WebhookSecret: config.NewSecret("b"),
		},
	}
	if diff := cmp.Diff(want, load(t, config.Sources{Environ: environ}), comparer()); diff != "" {
		t.Errorf("configuration (-want +got):\n%s", diff)
	}
}

func TestFileFormats(t *testing.T) {
	t.Parallel()
	tests := []struct{ name, content string }{
		{"c.yaml", "# a comment\nredis:\n  pool_size: 7\n  wait_disk: true\npoll:\njobs:\n  max_request_bytes: 65536\nlanes:\n  Bulk.EU:\n    concurrency: 3\n  2026:\n  plain: {window: 100}\n"},
		{"c.yml", "redis: {pool_size: 7, wait_disk: \"true\"}\njobs: {max_request_bytes: 64KiB}\nlanes: {Bulk.EU: {concurrency: 3}, 2026: {}, plain: {window: 100}}\n"},
		{"c.toml", "[redis]\npool_size = 7\nwait_disk = true\n[jobs]\nmax_request_bytes = \"64KiB\"\n[lanes.\"Bulk.EU\"]\nconcurrency = 3\n[lanes.2026]\n[lanes.plain]\nwindow = 100\n"},
		{"dotted.toml", "redis.pool_size = 7\nredis.wait_disk = true\njobs.max_request_bytes = 65536\nlanes.\"Bulk.EU\".concurrency = 3\nlanes.2026 = {}\nlanes.plain.window = 100\n"},
		{"C.JSON", `{"redis":{"pool_size":7,"wait_disk":true},"jobs":{"max_request_bytes":65536},"lanes":{"Bulk.EU":{"concurrency":3},"2026":null,"plain":{"window":100}}}`},
	}
	want := map[string]config.Lane{
		"Bulk.EU": {Concurrency: 3, Window: 12, Endpoint: "default"}, "2026": {Concurrency: 32, Window: 128, Endpoint: "default"},
		"plain": {Concurrency: 32, Window: 100, Endpoint: "default"}, "default": {Concurrency: 32, Window: 128, Endpoint: "default"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			c := load(t, config.Sources{File: write(t, tt.name, tt.content)})
			if c.Redis.PoolSize != 7 || !c.Redis.WaitDisk || c.Jobs.MaxRequestBytes != 64<<10 {
				t.Errorf("pool_size is %d, wait_disk %t, max_request_bytes is %d", c.Redis.PoolSize, c.Redis.WaitDisk, c.Jobs.MaxRequestBytes)
			}
			if diff := cmp.Diff(want, c.Lanes); diff != "" {
				t.Errorf("lanes (-want +got):\n%s", diff)
			}
		})
	}
}

func TestEmptyFileChangesNothing(t *testing.T) {
	t.Parallel()
	for _, name := range []string{"c.yaml", "c.toml"} {
		c := load(t, config.Sources{File: write(t, name, "\n# nothing\n")})
		if diff := cmp.Diff(load(t, config.Sources{}), c, comparer()); diff != "" {
			t.Errorf("%s (-defaults +got):\n%s", name, diff)
		}
	}
}

func TestWhichFileIsRead(t *testing.T) { // changes the working directory
	prefix := func(p string) string { return "redis: {prefix: " + p + "}\n" }
	argument, flag, variable := write(t, "a.yaml", prefix("argument")), write(t, "f.yaml", prefix("flag")), write(t, "v.yaml", prefix("variable"))
	t.Chdir(t.TempDir())
	check := func(want string, s config.Sources) {
		t.Helper()
		if got := load(t, s).Redis.Prefix; got != want {
			t.Errorf("redis.prefix is %q, want %q", got, want)
		}
	}
	check("longhaul", config.Sources{})
	if err := os.WriteFile("longhaul.yaml", []byte(prefix("found")), 0o600); err != nil {
		t.Fatal(err)
	}
	fromEnv, fromFlag := []string{"LONGHAUL_CONFIG=" + variable}, parse(t, "--config", flag)
	check("found", config.Sources{})
	check("found", config.Sources{Environ: []string{"LONGHAUL_CONFIG="}})
	check("variable", config.Sources{Environ: fromEnv})
	check("flag", config.Sources{Environ: fromEnv, Flags: fromFlag})
	check("argument", config.Sources{Environ: fromEnv, Flags: fromFlag, File: argument})
	if got, want := setting(t, load(t, config.Sources{}), "redis.prefix").Source, "file longhaul.yaml"; got != want {
		t.Errorf("source is %q, want %q", got, want)
	}
}

func TestNilEnvironIsThatOfTheProcess(t *testing.T) { // changes the environment
	t.Setenv("LONGHAUL_REDIS_PREFIX", "from-process")
	c, err := config.Load(config.Sources{})
	if err != nil {
		t.Fatal(err)
	}
	if c.Redis.Prefix != "from-process" {
		t.Errorf("redis.prefix is %q", c.Redis.Prefix)
	}
	if got := load(t, config.Sources{Environ: []string{}}).Redis.Prefix; got != "longhaul" {
		t.Errorf("with an empty environment, redis.prefix is %q", got)
	}
}

func TestEmptyVariableCounts(t *testing.T) {
	t.Parallel()
	path := write(t, "c.yaml", "http: {addr: '127.0.0.1:1'}\nopenai: {organization: org-a}\n")
	c := load(t, config.Sources{File: path, Environ: []string{"LONGHAUL_HTTP_ADDR=", "LONGHAUL_OPENAI_ORGANIZATION="}})
	if c.HTTP.Addr != "" || c.OpenAI.Organization != "" {
		t.Errorf("http.addr is %q, openai.organization is %q; both are set to nothing", c.HTTP.Addr, c.OpenAI.Organization)
	}
	if got := load(t, config.Sources{Flags: parse(t, "--http-addr=")}).HTTP.Addr; got != "" {
		t.Errorf("with an empty flag, http.addr is %q", got)
	}
}

func TestLastVariableOfANameCounts(t *testing.T) {
	t.Parallel()
	c := load(t, config.Sources{Environ: []string{"LONGHAUL_REDIS_PREFIX=a", "no pair", "LONGHAUL_REDIS_PREFIX=b"}})
	if c.Redis.Prefix != "b" {
		t.Errorf("redis.prefix is %q, want %q", c.Redis.Prefix, "b")
	}
}

func TestBaseURLLosesItsLastSlash(t *testing.T) {
	t.Parallel()
	c := load(t, config.Sources{Environ: []string{"OPENAI_BASE_URL=http://127.0.0.1:8081/v1/"}})
	if c.OpenAI.BaseURL != "http://127.0.0.1:8081/v1" {
		t.Errorf("openai.base_url is %q", c.OpenAI.BaseURL)
	}
}
