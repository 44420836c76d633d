package config_test

import (
	"errors"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/longhaul-jobs/longhaul/internal/config"
)

// refused returns the lines of the problems. A path is replaced by FILE.
func refused(t *testing.T, s config.Sources) []string {
	t.Helper()
	c, err := config.Load(sealed(s))
	e, ok := errors.AsType[*config.Error](err)
	if !ok {
		t.Fatalf("error is %v, want a *config.Error", err)
	}
	if c.Table()[0].Value != "" {
		t.Error("a configuration was returned beside the error")
	}
	lines := make([]string, 0, len(e.Problems))
	for _, p := range e.Problems {
		line := p.String()
		if s.File != "" {
			line = strings.ReplaceAll(line, s.File, "FILE")
		}
		lines = append(lines, line)
	}
	return lines
}

func TestProblemsNameKeySourceValueAndFix(t *testing.T) {
	t.Parallel()
	const (
		notDuration = `is not a duration; write a number with its unit, such as 250ms, 30s or 1h30m`
		notNumber   = `is not a whole number; write digits only, such as 32`
		notSize     = `is not a size; write a whole number of bytes, or one with a unit, such as 64KiB or 32MB`
		notAddress  = `is not an address; write host:port such as 127.0.0.1:8080, or "" for none`
		notName     = `is not a name; use 1 to 128 letters, digits and . _ - : and begin with a letter or a digit`
		unprintable = `contains white space or a character beyond ASCII; check for a line break or a quote that was copied along`
		notRedis    = `is not a URL; write redis://user:password@host:port/database, with %40 for @, %2F for / and %23 for # in a password`
		notList     = `is not a list; write one, or several with commas between them, each alone or followed by @ and its project, such as a,b@proj_1`
		notBlobs    = `is no store for blobs; write file:///a/folder or s3://bucket/prefix with its parameters`
		notBase     = `is not an http or https URL; write for example https://api.openai.com/v1`
	)
	tests := []struct {
		variable, value string
		want            string
	}{
		{"POLL_FLOOR", "soon", `poll.floor: "soon" (environment LONGHAUL_POLL_FLOOR) ` + notDuration},
		{"POLL_FLOOR", "2", `poll.floor: "2" (environment LONGHAUL_POLL_FLOOR) ` + notDuration},
		{"POLL_FLOOR", "", `poll.floor: "" (environment LONGHAUL_POLL_FLOOR) ` + notDuration},
		{"POLL_STOP_GRACE", "-1s", `poll.stop_grace: "-1s" (environment LONGHAUL_POLL_STOP_GRACE) is too low; give at least 1ms`},
		{"POLL_CEILING", "25h", `poll.ceiling: "25h" (environment LONGHAUL_POLL_CEILING) is too high; give at most 24h`},
		{"EFFECTS_CONCURRENCY", "8.5", `effects.concurrency: "8.5" (environment LONGHAUL_EFFECTS_CONCURRENCY) ` + notNumber},
		{"EFFECTS_CONCURRENCY", "0", `effects.concurrency: "0" (environment LONGHAUL_EFFECTS_CONCURRENCY) is too low; give at least 1`},
		{"REDIS_POOL_SIZE", "99999999999999999999", `redis.pool_size: "99999999999999999999" (environment LONGHAUL_REDIS_POOL_SIZE) ` + notNumber},
		{"REDIS_WAIT_DISK", "yes", `redis.wait_disk: "yes" (environment LONGHAUL_REDIS_WAIT_DISK) is neither true nor false; write one of the two`},
		{"JOBS_COMPRESS_BYTES", "64K", `jobs.compress_bytes: "64K" (environment LONGHAUL_JOBS_COMPRESS_BYTES) ` + notSize},
		{"JOBS_COMPRESS_BYTES", "0", `jobs.compress_bytes: "0" (environment LONGHAUL_JOBS_COMPRESS_BYTES) is too low; give at least 1B`},
		{"JOBS_MAX_REQUEST_BYTES", "1GiB", `jobs.max_request_bytes: "1GiB" (environment LONGHAUL_JOBS_MAX_REQUEST_BYTES) is too high; give at most 512MiB`},
		{"JOBS_MAX_REQUEST_BYTES", "9999999999999GiB", `jobs.max_request_bytes: "9999999999999GiB" (environment LONGHAUL_JOBS_MAX_REQUEST_BYTES) is larger than any size can be; give a smaller one`},
		{"HTTP_ADDR", "8080", `http.addr: "8080" (environment LONGHAUL_HTTP_ADDR) ` + notAddress},
		{"HTTP_ADDR", "localhost:http", `http.addr: "localhost:http" (environment LONGHAUL_HTTP_ADDR) ` + notAddress},
		{"SIMULATOR_ADDR", ":70000", `simulator.addr: ":70000" (environment LONGHAUL_SIMULATOR_ADDR) ` + notAddress},
		{"SIMULATOR_API_KEYS", "a,,b", `simulator.api_keys: [redacted] (environment LONGHAUL_SIMULATOR_API_KEYS) ` + notList},
		{"SIMULATOR_API_KEYS", "a@", `simulator.api_keys: [redacted] (environment LONGHAUL_SIMULATOR_API_KEYS) ` + notList},
		{"SIMULATOR_API_KEYS", "a@,b", `simulator.api_keys: [redacted] (environment LONGHAUL_SIMULATOR_API_KEYS) ` + notList},
		{"SIMULATOR_API_KEYS", "a@b c", `simulator.api_keys: [redacted] (environment LONGHAUL_SIMULATOR_API_KEYS) ` + notList},
		{"SIMULATOR_WEBHOOK_SECRET", "@proj_1", `simulator.webhook_secret: [redacted] (environment LONGHAUL_SIMULATOR_WEBHOOK_SECRET) ` + notList},
		{"SIMULATOR_WEBHOOK_URL", "here@proj_1", `simulator.webhook_url: "here@proj_1" (environment LONGHAUL_SIMULATOR_WEBHOOK_URL) has an address that is not an http or https URL; write for example http://127.0.0.1:8080/webhooks/openai`},
		{"LOG_LEVEL", "INFO", `log.level: "INFO" (environment LONGHAUL_LOG_LEVEL) is not one of debug, info, warn, error; did you mean info?`},
		{"LOG_LEVEL", "info+2", `log.level: "info+2" (environment LONGHAUL_LOG_LEVEL) is not one of debug, info, warn, error; did you mean info?`},
		{"LOG_FORMAT", "xml", `log.format: "xml" (environment LONGHAUL_LOG_FORMAT) is not one of auto, text, json`},
		{"REDIS_PREFIX", "a b", `redis.prefix: "a b" (environment LONGHAUL_REDIS_PREFIX) ` + notName},
		{"REDIS_PREFIX", "{a}", `redis.prefix: "{a}" (environment LONGHAUL_REDIS_PREFIX) ` + notName},
		{"OPENAI_ENDPOINT", "", `openai.endpoint: "" (environment LONGHAUL_OPENAI_ENDPOINT) ` + notName},
		{"OPENAI_MODEL", "", `openai.model: "" (environment LONGHAUL_OPENAI_MODEL) is empty; give the name of a model, such as gpt-4.1`},
		{"OPENAI_PROJECT", "proj a", `openai.project: "proj a" (environment LONGHAUL_OPENAI_PROJECT) ` + unprintable},
		{"OPENAI_API_KEY", "sk-a\n", `openai.api_key: [redacted] (environment LONGHAUL_OPENAI_API_KEY) ` + unprintable},
		{"OPENAI_BASE_URL", "api.openai.com/v1", `openai.base_url: "api.openai.com/v1" (environment LONGHAUL_OPENAI_BASE_URL) ` + notBase},
		{"OPENAI_BASE_URL", "https:///v1", `openai.base_url: "https:///v1" (environment LONGHAUL_OPENAI_BASE_URL) ` + notBase},
		{"OPENAI_BASE_URL", "https://me:pw@gateway/v1", `openai.base_url: "https://me:[redacted]@gateway/v1" (environment LONGHAUL_OPENAI_BASE_URL) contains credentials; set openai.api_key instead`},
		{"OPENAI_BASE_URL", "https://gateway/v1?key=a", `openai.base_url: "https://gateway/v1?..." (environment LONGHAUL_OPENAI_BASE_URL) has a query or a fragment; end it after the path, as in https://api.openai.com/v1`},
		{"OPENAI_BASE_URL", "https://gateway/v1/responses", `openai.base_url: "https://gateway/v1/responses" (environment LONGHAUL_OPENAI_BASE_URL) ends in /responses, which is appended to it; end it before that, as in https://api.openai.com/v1`},
		{"OPENAI_BASE_URL", "https://gateway/responses/", `openai.base_url: "https://gateway/responses/" (environment LONGHAUL_OPENAI_BASE_URL) ends in /responses, which is appended to it; end it before that, as in https://api.openai.com/v1`},
		{"BLOBS_URL", "/var/lib/blobs", `blobs.url: "/var/lib/blobs" (environment LONGHAUL_BLOBS_URL) ` + notBlobs},
		{"BLOBS_URL", "https://bucket/x", `blobs.url: "https://bucket/x" (environment LONGHAUL_BLOBS_URL) ` + notBlobs},
		{"BLOBS_URL", "s3://AKIA:pw@bucket", `blobs.url: "s3://AKIA:[redacted]@bucket" (environment LONGHAUL_BLOBS_URL) contains credentials; set blobs.access_key and blobs.secret_key instead`},
		{"BLOBS_URL", "s3://b?region=eu&secret_key=hidden", `blobs.url: "s3://b?region=eu&secret_key=[redacted]" (environment LONGHAUL_BLOBS_URL) has the parameter "secret_key", which does not exist; there are endpoint, region, style and credentials, and keys belong into blobs.access_key and blobs.secret_key`},
		{"BLOBS_URL", "s3://b?endpoint=https://me:hidden@minio", `blobs.url: "s3://b?endpoint=[redacted]" (environment LONGHAUL_BLOBS_URL) has an endpoint that is none, or one with credentials; write endpoint=https://host:port, and set blobs.access_key and blobs.secret_key`},
		{"BLOBS_URL", "s3://b?endpoint=https%3A%2F%2Fme%3Ahidden%40minio", `blobs.url: "s3://b?endpoint=[redacted]" (environment LONGHAUL_BLOBS_URL) has an endpoint that is none, or one with credentials; write endpoint=https://host:port, and set blobs.access_key and blobs.secret_key`},
		{"BLOBS_URL", "s3://b?endpoint=me:hidden@minio:9000", `blobs.url: "s3://b?endpoint=[redacted]" (environment LONGHAUL_BLOBS_URL) has an endpoint that is none, or one with credentials; write endpoint=https://host:port, and set blobs.access_key and blobs.secret_key`},
		{"BLOBS_URL", "s3://b?endpoint=https://minio/?secret_key=hidden", `blobs.url: "s3://b?endpoint=[redacted]" (environment LONGHAUL_BLOBS_URL) has an endpoint that is none, or one with credentials; write endpoint=https://host:port, and set blobs.access_key and blobs.secret_key`},
		{"BLOBS_URL", "s3://b?endpoint=https://minio&endpoint=https://me:hidden@minio", `blobs.url: "s3://b?endpoint=https://minio&endpoint=[redacted]" (environment LONGHAUL_BLOBS_URL) has the parameter endpoint twice; keep one`},
		{"BLOBS_URL", "file:///a?secret=hidden", `blobs.url: "file:///a?secret=[redacted]" (environment LONGHAUL_BLOBS_URL) has parameters, which a folder does not; leave out what follows the question mark`},
		{"BLOBS_URL", "s3:///bucket", `blobs.url: "s3:///bucket" (environment LONGHAUL_BLOBS_URL) names no bucket; write s3://bucket/prefix with its parameters`},
		{"BLOBS_URL", "file://var/blobs", `blobs.url: "file://var/blobs" (environment LONGHAUL_BLOBS_URL) names no folder of this machine; write three slashes and the whole path, as in file:///var/lib/longhaul/blobs`},
		{"BLOBS_SECRET_KEY", "a b", `blobs.secret_key: [redacted] (environment LONGHAUL_BLOBS_SECRET_KEY) ` + unprintable},
		{"REDIS_URL", "", `redis.url: "" (environment LONGHAUL_REDIS_URL) is empty; write redis://host:port/database`},
		{"REDIS_URL", "localhost:6379", `redis.url: "localhost:6379" (environment LONGHAUL_REDIS_URL) ` + notRedis},
		{"REDIS_URL", "127.0.0.1:6379", `redis.url: [redacted] (environment LONGHAUL_REDIS_URL) ` + notRedis},
		{"REDIS_URL", "http://h", `redis.url: "http://h" (environment LONGHAUL_REDIS_URL) has another scheme than redis (plain), rediss (TLS) or unix (socket), or one of the first two with +sentinel or +cluster; write redis://host:port/database`},
		{"REDIS_URL", "redis://h/zero", `redis.url: "redis://h/zero" (environment LONGHAUL_REDIS_URL) has no number after the host; write the database there, as in redis://host:port/0`},
		{"REDIS_URL", "redis://h:66666", `redis.url: "redis://h:66666" (environment LONGHAUL_REDIS_URL) has a port that is none; give a number up to 65535`},
		{"REDIS_URL", "unix://", `redis.url: "unix://" (environment LONGHAUL_REDIS_URL) names no socket; write unix:///path/of/redis.sock?db=0`},
		{"LANES", "bulk=4", `lanes: "bulk=4" (environment LONGHAUL_LANES) is not a JSON object of lanes; write for example {"bulk":{"concurrency":8}}`},
	}
	for _, tt := range tests {
		t.Run(tt.variable+"="+tt.value, func(t *testing.T) {
			t.Parallel()
			got := refused(t, config.Sources{Environ: []string{"LONGHAUL_" + tt.variable + "=" + tt.value}})
			if diff := cmp.Diff([]string{tt.want}, got); diff != "" {
				t.Errorf("problems (-want +got):\n%s", diff)
			}
		})
	}
}

func TestProblemsOfFiles(t *testing.T) {
	t.Parallel()
	tests := []struct {
		name, file, content string
		want                []string
	}{
		{
			"unknown keys", "c.yaml", "redis:\n  ulr: a\n  Prefix: b\npol:\n  flor: 2s\nbanana:\nopenai_api_key: c\n",
			[]string{
				"banana (file FILE) is unknown; docs/configuration.md lists what there is",
				"openai_api_key (file FILE) is unknown; did you mean openai.api_key?",
				"pol.flor (file FILE) is unknown; did you mean poll.floor?",
				"redis.Prefix (file FILE) is unknown; did you mean redis.prefix?",
				"redis.ulr (file FILE) is unknown; did you mean redis.url?",
			},
		},
		{
			"values of the wrong shape", "c.yaml",
			"redis: here\nhttp: {addr: }\nlog: {level: [info]}\neffects: {concurrency: {a: 1}}\npoll: {floor: 2, tick: true}\nopenai: {project: 0123, api_key: 4567}\nlanes: []\n",
			[]string{
				"http.addr (file FILE) has no value; give one, or remove the line to have the default",
				"lanes (file FILE) is not a section; write the name of each lane below it",
				"redis (file FILE) is a section, not a value; write its keys below it, indented",
				`openai.api_key: [redacted] (file FILE) is not a string; put it in quotes`,
				`openai.project: "83" (file FILE) is not a string; put it in quotes`,
				`poll.floor: "2" (file FILE) is not a duration; write a number with its unit, such as 250ms, 30s or 1h30m`,
				`poll.tick: "true" (file FILE) is not a duration; write a number with its unit, such as 250ms, 30s or 1h30m`,
				"effects.concurrency (file FILE) is a list or a section; give a single value",
				"log.level (file FILE) is a list or a section; give a single value",
			},
		},
		{
			"a dotted key", "c.yaml", "redis.url: redis://a\n",
			[]string{"redis.url (file FILE) is written in one piece; write url in the section redis"},
		},
		{
			"a fraction", "c.json", `{"effects":{"concurrency":8.5}}`,
			[]string{`effects.concurrency: "8.5" (file FILE) is not a whole number; write digits only, such as 32`},
		},
		{
			"a date", "c.toml", "[redis]\nprefix = 2026-11-22\n",
			[]string{`redis.prefix: "2026-11-22" (file FILE) is not a string; put it in quotes`},
		},
		{
			"twice the same key", "c.yaml", "redis: {pool_size: 1}\nredis: {pool_size: 2}\n",
			[]string{`file FILE: is not valid YAML: yaml: unmarshal errors: line 2: mapping key ... already defined at line 1`},
		},
		{
			"no YAML", "c.yaml", "redis:\n\tpool_size: 1\n",
			[]string{`file FILE: is not valid YAML: yaml: line 2: found character that cannot start any token`},
		},
		{
			"no JSON", "c.json", "{\n  \"redis\": {},\n}\n",
			[]string{"file FILE: is not valid JSON in line 3: invalid character ... looking for beginning of object key string"},
		},
		{
			"half of JSON", "c.json", "{",
			[]string{"file FILE: is not valid JSON in line 1: unexpected end of JSON input"},
		},
		{
			"no TOML", "c.toml", "[redis]\npool_size = 1\nprefix = here\n",
			[]string{"file FILE: is not valid TOML in line 3: toml: unexpected character U+0068 ... at start of value"},
		},
		{
			"unknown format", "longhaul.conf", "",
			[]string{"file FILE: has a name that says no format; let it end in .yaml, .toml or .json"},
		},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			got := refused(t, config.Sources{File: write(t, tt.file, tt.content)})
			if diff := cmp.Diff(tt.want, got); diff != "" {
				t.Errorf("problems (-want +got):\n%s", diff)
			}
		})
	}
}

func TestFileThatCannotBeRead(t *testing.T) {
	t.Parallel()
	want := []string{"file FILE: cannot be read: no such file or directory"}
	if diff := cmp.Diff(want, refused(t, config.Sources{File: t.TempDir() + "/none.yaml"})); diff != "" {
		t.Errorf("problems (-want +got):\n%s", diff)
	}
	got := refused(t, config.Sources{Environ: []string{"LONGHAUL_CONFIG=/nowhere/c.toml"}})
	if diff := cmp.Diff([]string{"file /nowhere/c.toml: cannot be read: no such file or directory"}, got); diff != "" {
		t.Errorf("problems (-want +got):\n%s", diff)
	}
}

func TestUnknownVariables(t *testing.T) {
	t.Parallel()
	got := refused(t, config.Sources{Environ: []string{
		"LONGHAUL_REDIS_ULR=a", "LONGHAUL_BANANA=b", "LONGHAUL_LANES_BULK_CONCURRENCY=4", "LONGHAUL_CONFIGURATION=x",
		"LONGHAUL_OPENAPI=c", "OTHER_LONGHAUL_X=d", "PATH=/bin",
	}})
	want := []string{
		"LONGHAUL_BANANA (environment) is unknown; docs/configuration.md lists what there is",
		"LONGHAUL_CONFIGURATION (environment) is unknown; docs/configuration.md lists what there is",
		"LONGHAUL_LANES_BULK_CONCURRENCY (environment) is unknown; lanes are given together, as a JSON object in LONGHAUL_LANES",
		"LONGHAUL_REDIS_ULR (environment) is unknown; did you mean LONGHAUL_REDIS_URL?",
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("problems (-want +got):\n%s", diff)
	}
}

// TestServiceLinksAreLetBe has the variables that Kubernetes makes for Services
// called longhaul and longhaul-redis, which nobody can rename.
func TestServiceLinksAreLetBe(t *testing.T) {
	t.Parallel()
	links := []string{
		"LONGHAUL_SERVICE_HOST=10.0.0.1", "LONGHAUL_SERVICE_PORT=8080", "LONGHAUL_SERVICE_PORT_HTTP=8080",
		"LONGHAUL_PORT=tcp://10.0.0.1:8080", "LONGHAUL_PORT_8080_TCP=tcp://10.0.0.1:8080",
		"LONGHAUL_PORT_8080_TCP_PROTO=tcp", "LONGHAUL_PORT_8080_TCP_PORT=8080", "LONGHAUL_PORT_8080_TCP_ADDR=10.0.0.1",
		"LONGHAUL_REDIS_SERVICE_HOST=10.0.0.2", "LONGHAUL_REDIS_PORT=tcp://10.0.0.2:6379",
		"LONGHAUL_REDIS_PORT_6379_TCP_ADDR=10.0.0.2",
	}
	load(t, config.Sources{Environ: links})
	got := refused(t, config.Sources{Environ: append(links, "LONGHAUL_HTTP_PORT=8080")})
	want := []string{"LONGHAUL_HTTP_PORT (environment) is unknown; did you mean LONGHAUL_HTTP_ADDR?"}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("problems (-want +got):\n%s", diff)
	}
}

func TestRulesBetweenKeys(t *testing.T) {
	t.Parallel()
	tests := []struct {
		name    string
		environ []string
		want    []string // nil: accepted
	}{
		{
			"floor above ceiling",
			[]string{"LONGHAUL_POLL_FLOOR=1m"},
			[]string{`poll.floor: "1m" (environment LONGHAUL_POLL_FLOOR) is above poll.ceiling "30s" (default): no wait could be both; lower the floor or raise the ceiling`},
		},
		{"floor at ceiling", []string{"LONGHAUL_POLL_FLOOR=30s"}, nil},
		{
			"tick above floor",
			[]string{"LONGHAUL_POLL_TICK=2001ms"},
			[]string{`poll.tick: "2.001s" (environment LONGHAUL_POLL_TICK) is above poll.floor "2s" (default): looks would come later than the floor asks for; lower the tick or raise the floor`},
		},
		{"tick at floor", []string{"LONGHAUL_POLL_TICK=2s"}, nil},
		{
			"lease at twice the look timeout",
			[]string{"LONGHAUL_OPENAI_LOOK_TIMEOUT=45s"},
			[]string{`poll.lease: "1m30s" (default) is not above twice openai.look_timeout "45s" (environment LONGHAUL_OPENAI_LOOK_TIMEOUT): a stop is a cancel and a look, and another worker would repeat what is still under way; raise the lease or lower the timeout`},
		},
		{"lease above twice the look timeout", []string{"LONGHAUL_OPENAI_LOOK_TIMEOUT=44999ms"}, nil},
		{
			"grace below floor",
			[]string{"LONGHAUL_POLL_NOT_FOUND_GRACE=1s", "LONGHAUL_POLL_STOP_GRACE=1999ms"},
			[]string{
				`poll.not_found_grace: "1s" (environment LONGHAUL_POLL_NOT_FOUND_GRACE) is below poll.floor "2s" (default): a response would be given up without a second look; raise the grace or lower the floor`,
				`poll.stop_grace: "1.999s" (environment LONGHAUL_POLL_STOP_GRACE) is below poll.floor "2s" (default): a stopped job would be given up without a last look; raise the grace or lower the floor`,
			},
		},
		{"grace at floor", []string{"LONGHAUL_POLL_NOT_FOUND_GRACE=2s", "LONGHAUL_POLL_STOP_GRACE=2s"}, nil},
		{
			"heartbeat at half of death",
			[]string{"LONGHAUL_WATCHDOG_HEARTBEAT=4s"},
			[]string{`watchdog.heartbeat: "4s" (environment LONGHAUL_WATCHDOG_HEARTBEAT) is not below half of watchdog.dead_after "8s" (default): one heartbeat that is late would have a living worker taken for dead; beat more often or wait longer`},
		},
		{"heartbeat below half of death", []string{"LONGHAUL_WATCHDOG_HEARTBEAT=3999ms"}, nil},
		{
			"not between values that are invalid themselves",
			[]string{"LONGHAUL_POLL_FLOOR=1m", "LONGHAUL_POLL_CEILING=x"},
			[]string{`poll.ceiling: "x" (environment LONGHAUL_POLL_CEILING) is not a duration; write a number with its unit, such as 250ms, 30s or 1h30m`},
		},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			if tt.want == nil {
				load(t, config.Sources{Environ: tt.environ})
				return
			}
			if diff := cmp.Diff(tt.want, refused(t, config.Sources{Environ: tt.environ})); diff != "" {
				t.Errorf("problems (-want +got):\n%s", diff)
			}
		})
	}
}

func TestAllProblemsAtOnce(t *testing.T) {
	t.Parallel()
	path := write(t, "c.yaml", "redis: {ulr: x, prefix: 'a b'}\nlanes: {bulk: {concurency: 3, window: 1}}\nwatchdog: {dead_after: 4s}\n")
	_, err := config.Load(config.Sources{
		File:    path,
		Environ: []string{"LONGHAUL_POL_TICK=1s", "LONGHAUL_POLL_CEILING=1"},
		Flags:   parse(t, "--log-level=loud", "--effects-concurrency=0"),
	})
	want := `invalid configuration, 9 problems:
  redis.ulr (file FILE) is unknown; did you mean redis.url?
  LONGHAUL_POL_TICK (environment) is unknown; did you mean LONGHAUL_POLL_TICK?
  redis.prefix: "a b" (file FILE) is not a name; use 1 to 128 letters, digits and . _ - : and begin with a letter or a digit
  lanes.bulk.concurency (file FILE) is unknown; did you mean concurrency?
  lanes.bulk.window: "1" (file FILE) is below the concurrency of the lane, 32, which could then never be reached; raise the window or lower the concurrency
  poll.ceiling: "1" (environment LONGHAUL_POLL_CEILING) is not a duration; write a number with its unit, such as 250ms, 30s or 1h30m
  effects.concurrency: "0" (flag --effects-concurrency) is too low; give at least 1
  log.level: "loud" (flag --log-level) is not one of debug, info, warn, error
  watchdog.heartbeat: "2s" (default) is not below half of watchdog.dead_after "4s" (file FILE): one heartbeat that is late would have a living worker taken for dead; beat more often or wait longer`
	if err == nil {
		t.Fatal("accepted")
	}
	if diff := cmp.Diff(want, strings.ReplaceAll(err.Error(), path, "FILE")); diff != "" {
		t.Errorf("error (-want +got):\n%s", diff)
	}
	_, err = config.Load(config.Sources{Environ: []string{"LONGHAUL_LOG_FORMAT=a" + strings.Repeat("é", 60)}})
	want = "invalid configuration, 1 problem:\n  log.format: \"a" + strings.Repeat("é", 39) +
		"\"... (environment LONGHAUL_LOG_FORMAT) is not one of auto, text, json"
	if err == nil || err.Error() != want {
		t.Errorf("error is %v, want %s", err, want)
	}
}

func TestNearest(t *testing.T) {
	t.Parallel()
	known := []string{"redis.url", "redis.prefix", "poll.floor", "LONGHAUL_POLL_FLOOR", "twin1", "twin2"}
	tests := []struct{ name, want string }{
		{"redis.url", "redis.url"},
		{"REDIS_URL", "redis.url"},
		{"poll.flor", "poll.floor"},
		{"LONGHAUL_POL_FLOR", "LONGHAUL_POLL_FLOOR"},
		{"prefix", "redis.prefix"},
		{"twin", "twin1"},
		{"something.else", ""},
		{"", ""},
	}
	for _, tt := range tests {
		if got := config.Nearest(tt.name, known); got != tt.want {
			t.Errorf("Nearest(%q) = %q, want %q", tt.name, got, tt.want)
		}
	}
}

func TestDistance(t *testing.T) {
	t.Parallel()
	tests := []struct {
		a, b string
		want int
	}{
		{"", "", 0},
		{"", "abc", 3},
		{"abc", "", 3},
		{"abc", "abc", 0},
		{"kitten", "sitting", 3},
		{"flaw", "lawn", 2},
		{"ulr", "url", 2},
	}
	for _, tt := range tests {
		if got := config.Distance(tt.a, tt.b); got != tt.want {
			t.Errorf("Distance(%q, %q) = %d, want %d", tt.a, tt.b, got, tt.want)
		}
		if got := config.Distance(tt.b, tt.a); got != tt.want {
			t.Errorf("Distance(%q, %q) = %d, want %d", tt.b, tt.a, got, tt.want)
		}
	}
}
