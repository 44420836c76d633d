package config_test

import (
	"fmt"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/longhaul-jobs/longhaul/internal/config"
)

// described returns what the endpoints are and where it came from, a line each.
func described(t *testing.T, c config.Config) []string {
	t.Helper()
	var lines []string
	for _, e := range c.AllEndpoints() {
		own := "openai."
		if e.Name != c.OpenAI.Endpoint {
			own = "endpoints." + e.Name + "."
		}
		source := func(leaf string) string {
			s := setting(t, c, own+leaf).Source
			if strings.HasPrefix(s, "file ") {
				return "file"
			}
			return s
		}
		lines = append(lines, fmt.Sprintf("%s: %s (%s) key %q (%s) project %q hooks %q (%s) %s %s (%s)",
			e.Name, e.BaseURL, source("base_url"), e.APIKey.Reveal(), source("api_key"), e.Project,
			revealed(e.WebhookSecrets), source("webhook_secrets"), e.CreateTimeout, e.LookTimeout, source("look_timeout")))
	}
	return lines
}

func TestEndpoints(t *testing.T) {
	t.Parallel()
	const first = `default: https://api.openai.com/v1 (default) key "" (default) project "" hooks "" (default) 10m0s 30s (default)`
	file := write(t, "c.yaml", `
openai: {base_url: https://gateway/v1, look_timeout: 7s}
endpoints:
  EU: {base_url: 'https://eu.api.openai.com/v1/', api_key_env: EU_KEY, webhook_secrets_env: EU_HOOK, look_timeout: 9s}
  b: {api_key: sk-b, project: proj_b, webhook_secrets: [one, whsec_dHdv]}
`)
	tests := []struct {
		name    string
		sources config.Sources
		want    []string
	}{
		{"none", config.Sources{}, []string{first}},
		{"an empty object", config.Sources{Environ: []string{"LONGHAUL_ENDPOINTS={}"}}, []string{first}},
		{
			"of a file, with keys from the environment",
			config.Sources{File: file, Environ: []string{"EU_KEY=sk-eu", "EU_HOOK=three, four", "OPENAI_API_KEY=sk-1"}},
			[]string{
				`default: https://gateway/v1 (file) key "sk-1" (environment OPENAI_API_KEY) project "" hooks "" (default) 10m0s 7s (file)`,
				`EU: https://eu.api.openai.com/v1 (file) key "sk-eu" (environment EU_KEY) project "" hooks "three,four" (environment EU_HOOK) 10m0s 9s (file)`,
				`b: https://gateway/v1 (openai.base_url) key "sk-b" (file) project "proj_b" hooks "one,whsec_dHdv" (file) 10m0s 7s (openai.look_timeout)`,
			},
		},
		{
			"of a file, without the keys",
			config.Sources{File: file},
			[]string{
				`default: https://gateway/v1 (file) key "" (default) project "" hooks "" (default) 10m0s 7s (file)`,
				`EU: https://eu.api.openai.com/v1 (file) key "" (environment EU_KEY) project "" hooks "" (environment EU_HOOK) 10m0s 9s (file)`,
				`b: https://gateway/v1 (openai.base_url) key "sk-b" (file) project "proj_b" hooks "one,whsec_dHdv" (file) 10m0s 7s (openai.look_timeout)`,
			},
		},
		{
			"of a variable, which hides those of the file",
			config.Sources{File: file, Environ: []string{`LONGHAUL_ENDPOINTS={"c": {"api_key": "sk-c"}}`}},
			[]string{
				`default: https://gateway/v1 (file) key "" (default) project "" hooks "" (default) 10m0s 7s (file)`,
				`c: https://gateway/v1 (openai.base_url) key "sk-c" (environment LONGHAUL_ENDPOINTS) project "" hooks "" (default) 10m0s 7s (openai.look_timeout)`,
			},
		},
		{
			"the same in everything but the name, as after a change of the name",
			config.Sources{Environ: []string{"LONGHAUL_OPENAI_ENDPOINT=new", "OPENAI_API_KEY=k", `LONGHAUL_ENDPOINTS={"default":{"api_key":"k"}}`}},
			[]string{
				`new: https://api.openai.com/v1 (default) key "k" (environment OPENAI_API_KEY) project "" hooks "" (default) 10m0s 30s (default)`,
				`default: https://api.openai.com/v1 (openai.base_url) key "k" (environment LONGHAUL_ENDPOINTS) project "" hooks "" (default) 10m0s 30s (openai.look_timeout)`,
			},
		},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			if diff := cmp.Diff(tt.want, described(t, load(t, tt.sources))); diff != "" {
				t.Errorf("endpoints (-want +got):\n%s", diff)
			}
		})
	}
}

func TestEndpointsRefused(t *testing.T) {
	t.Parallel()
	const (
		from      = "(environment LONGHAUL_ENDPOINTS) "
		notObject = `is not a JSON object of endpoints; write for example {"eu":{"api_key_env":"EU_API_KEY"}}`
		notName   = "is not a name of an endpoint; use 1 to 128 letters, digits and . _ - : and begin with a letter or a digit"
		elsewhere = "docs/configuration.md lists what there is"
	)
	tests := []struct {
		name, value string
		want        []string
	}{
		{"nothing", "", []string{`endpoints: [redacted] ` + from + notObject}},
		{"a list", "[1]", []string{`endpoints: [redacted] ` + from + notObject}},
		{"a brace too few", `{"eu":{"api_key":"s3cret"}`, []string{`endpoints: [redacted] ` + from + notObject}},
		{"a text for an endpoint", `{"eu":"sk"}`, []string{"endpoints.eu " + from + `is not a section; write "api_key_env" and what else differs from openai below the name of the endpoint`}},
		{"a bad name", `{"e u":{}}`, []string{`endpoints: "e u" ` + from + notName}},
		{"a name twice", `{"eu":{"api_key":"s3cret"},"us":{"x":[{}]},"eu":{}}`, []string{`endpoints: [redacted] ` + from + `has the name "eu" twice; the first would be lost`}},
		{"the name of the first", `{"default":{}}`, []string{"endpoints.default " + from + "has the name of the endpoint that openai.* describes; give it another one, or change openai.endpoint"}},
		{
			"unknown fields", `{"eu":{"apikey":"s3cret","model":"gpt-4.1"}}`,
			[]string{"endpoints.eu.apikey " + from + "is unknown; did you mean api_key?", "endpoints.eu.model " + from + "is unknown; " + elsewhere},
		},
		{"no URL", `{"eu":{"base_url":"eu.api.openai.com"}}`, []string{`endpoints.eu.base_url: "eu.api.openai.com" ` + from + "is not an http or https URL; write for example https://api.openai.com/v1"}},
		{"a bad key", `{"eu":{"api_key":"s3cret s3cret"}}`, []string{"endpoints.eu.api_key: [redacted] " + from + "contains white space or a character beyond ASCII; check for a line break or a quote that was copied along"}},
		{"a key and a variable", `{"eu":{"api_key":"s3cret","api_key_env":"EU"}}`, []string{"endpoints.eu.api_key " + from + "is given beside api_key_env; remove one of the two"}},
		{"a key for a variable", `{"eu":{"api_key_env":"sk-s3"}}`, []string{`endpoints.eu.api_key_env: "sk-s3" ` + from + "is not the name of a variable; write the name, such as EU_API_KEY, and put the secret into the variable"}},
		{"a variable like a setting", `{"eu":{"api_key_env":"LONGHAUL_EU"}}`, []string{`endpoints.eu.api_key_env: "LONGHAUL_EU" ` + from + "begins with LONGHAUL_, as only settings do; give the variable another name"}},
		{"a bad key in a variable", `{"eu":{"api_key_env":"BAD_KEY"}}`, []string{"endpoints.eu.api_key: [redacted] (environment BAD_KEY) contains white space or a character beyond ASCII; check for a line break or a quote that was copied along"}},
		{"a secret that is cut", `{"eu":{"webhook_secrets":["fine","whsec_s3cret"]}}`, []string{"endpoints.eu.webhook_secrets: [redacted] " + from + "is cut or misspelt: what follows whsec_ is no Base64; copy the whole secret"}},
		{"a list of numbers", `{"eu":{"webhook_secrets":[1]}}`, []string{"endpoints.eu.webhook_secrets " + from + "has something in its list that is not a string; put each into quotes"}},
		{"a list of keys", `{"eu":{"api_key":["a"]}}`, []string{"endpoints.eu.api_key " + from + "is a list or a section; give a single value"}},
		{"a timeout of half the lease", `{"eu":{"look_timeout":"45s"}}`, []string{`poll.lease: "1m30s" (default) is not above twice endpoints.eu.look_timeout "45s" (environment LONGHAUL_ENDPOINTS): a stop is a cancel and a look, and another worker would repeat what is still under way; raise the lease or lower the timeout`}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			got := refused(t, config.Sources{Environ: []string{"LONGHAUL_ENDPOINTS=" + tt.value, "BAD_KEY=s3cret\n"}})
			if diff := cmp.Diff(tt.want, got); diff != "" {
				t.Errorf("problems (-want +got):\n%s", diff)
			}
			if text := strings.Join(got, "\n"); strings.Contains(text, "s3cret") {
				t.Errorf("a secret is shown: %s", text)
			}
		})
	}
}

func TestLanesNameTheirEndpoints(t *testing.T) {
	t.Parallel()
	environ := []string{"LONGHAUL_OPENAI_ENDPOINT=main", `LONGHAUL_ENDPOINTS={"eu":{},"us":{}}`}
	c := load(t, config.Sources{Environ: append(environ, `LONGHAUL_LANES={"european":{"endpoint":"eu"},"other":{}}`)})
	for lane, want := range map[string]string{"default": "main", "european": "eu", "other": "main"} {
		if got := c.Lanes[lane].Endpoint; got != want {
			t.Errorf("lane %s is sent to %q, want %q", lane, got, want)
		}
	}
	got := refused(t, config.Sources{Environ: append(environ, `LONGHAUL_LANES={"a":{"endpoint":"default"},"b":{"endpoint":"e u"},"c":{"endpoint":7}}`)})
	const from = "(environment LONGHAUL_LANES) "
	want := []string{
		`lanes.b.endpoint: "e u" ` + from + "is not a name; use 1 to 128 letters, digits and . _ - : and begin with a letter or a digit",
		`lanes.c.endpoint: "7" ` + from + "is not a string; put it in quotes",
		`lanes.a.endpoint: "default" ` + from + "is no endpoint; describe it as endpoints.default, or name one that there is: main, eu, us",
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("problems (-want +got):\n%s", diff)
	}
}

func TestEndpointsAreGivenTogetherInTheEnvironment(t *testing.T) {
	t.Parallel()
	got := refused(t, config.Sources{Environ: []string{"LONGHAUL_ENDPOINTS_EU_API_KEY=sk"}})
	want := []string{"LONGHAUL_ENDPOINTS_EU_API_KEY (environment) is unknown; endpoints are given together, as a JSON object in LONGHAUL_ENDPOINTS"}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("problems (-want +got):\n%s", diff)
	}
}
