package config_test

import (
	"bytes"
	"encoding/json"
	"fmt"
	"log/slog"
	"strings"
	"testing"

	"github.com/longhaul-jobs/longhaul/internal/config"
)

// canary is put where secrets are and must never come out again.
const canary = "sw0rdfish"

func TestSecretReveals(t *testing.T) {
	t.Parallel()
	tests := []struct {
		name          string
		secret        config.Secret
		reveal, shown string
	}{
		{"zero", config.Secret{}, "", ""},
		{"empty", config.NewSecret(""), "", ""},
		{"text", config.NewSecret(canary), canary, "[redacted]"},
		{"empty URL", config.NewSecretURL(""), "", ""},
		{"URL", config.NewSecretURL("redis://me:" + canary + "@h/1"), "redis://me:" + canary + "@h/1", "redis://me:[redacted]@h/1"},
		{"no URL", config.NewSecretURL(canary + "\n"), canary + "\n", "[redacted]"},
	}
	for _, tt := range tests {
		if got := tt.secret.Reveal(); got != tt.reveal {
			t.Errorf("%s: Reveal is %q, want %q", tt.name, got, tt.reveal)
		}
		asJSON, err := json.Marshal(map[string]config.Secret{"s": tt.secret})
		if err != nil {
			t.Errorf("%s: %v", tt.name, err)
		}
		for how, got := range map[string]string{
			"String":   tt.secret.String(),
			"%v":       fmt.Sprintf("%v", tt.secret),
			"%s":       fmt.Sprintf("%s", tt.secret),
			"LogValue": tt.secret.LogValue().String(),
			"JSON":     strings.TrimSuffix(strings.TrimPrefix(string(asJSON), `{"s":"`), `"}`),
		} {
			if got != tt.shown {
				t.Errorf("%s: %s is %q, want %q", tt.name, how, got, tt.shown)
			}
		}
	}
}

// keeper has a configuration where fmt can only get at it by reflection.
type keeper struct {
	config config.Config
	secret config.Secret
}

func TestSecretsAreNeverPrinted(t *testing.T) {
	t.Parallel()
	path := write(t, "c.yaml", "openai: {api_key: "+canary+"-1, webhook_secrets: ["+canary+"-6]}\nredis: {url: 'redis://me:"+canary+"@127.0.0.1/0'}\n"+
		"endpoints: {eu: {api_key: "+canary+"-7, webhook_secrets: "+canary+"-8}, us: {api_key_env: US_KEY}}\n"+
		"blobs: {access_key: "+canary+"-3, secret_key: "+canary+"-4, session_token: "+canary+"-5}\n")
	environ := []string{"LONGHAUL_OPENAI_API_KEY=" + canary + "-2", "LONGHAUL_REDIS_URL=redis://:" + canary + "@127.0.0.1/0"}
	for name, sources := range map[string]config.Sources{
		"file":        {File: path, Environ: []string{"US_KEY=" + canary}},
		"environment": {Environ: append(environ, `LONGHAUL_ENDPOINTS={"eu":{"api_key":"`+canary+`"}}`, "OPENAI_WEBHOOK_SECRET="+canary)},
		"alias":       {Environ: []string{"OPENAI_API_KEY=" + canary}, File: write(t, "c.json", `{"redis":{"url":"redis://`+canary+`@h"}}`)},
		"flag":        {Environ: environ[:1], Flags: parse(t, "--redis-url=redis://me:"+canary+"@h")},
	} {
		c := load(t, sources)
		if !strings.Contains(c.OpenAI.APIKey.Reveal(), canary) || !strings.Contains(c.Redis.URL.Reveal(), canary) {
			t.Fatalf("%s: the secrets did not arrive", name)
		}
		for how, output := range renderings(t, c) {
			if strings.Contains(output, canary) || strings.Contains(output, fmt.Sprintf("%x", canary)) {
				t.Errorf("%s: %s shows a secret: %s", name, how, output)
			}
		}
	}
}

// renderings returns c in every form that it may take on its way to a reader.
func renderings(t *testing.T, c config.Config) map[string]string {
	t.Helper()
	out := make(map[string]string)
	for _, verb := range []string{"%v", "%+v", "%#v", "%s", "%q", "%x", "%d", "%t", "%10.3s"} {
		out[verb+" of a Config"] = fmt.Sprintf(verb, c)
		out[verb+" of a *Config"] = fmt.Sprintf(verb, &c)
		out[verb+" of a field"] = fmt.Sprintf(verb, c.OpenAI)
		out[verb+" of the blobs"] = fmt.Sprintf(verb, c.Blobs)
		out[verb+" of a Secret"] = fmt.Sprintf(verb, c.OpenAI.APIKey)
		out[verb+" of an unexported field"] = fmt.Sprintf(verb, keeper{config: c, secret: c.OpenAI.APIKey})
		out[verb+" of an error"] = fmt.Errorf("with "+verb, c.Redis).Error()
	}
	var whole any = c
	asJSON, err := json.Marshal(whole)
	if err != nil {
		t.Fatal(err)
	}
	out["JSON"] = string(asJSON)
	for name, handler := range map[string]func(*bytes.Buffer) slog.Handler{
		"slog text": func(b *bytes.Buffer) slog.Handler { return slog.NewTextHandler(b, nil) },
		"slog JSON": func(b *bytes.Buffer) slog.Handler { return slog.NewJSONHandler(b, nil) },
	} {
		var b bytes.Buffer
		slog.New(handler(&b)).Info("started", slog.Any("config", c), slog.Any("key", c.OpenAI.APIKey), slog.Any("redis", c.Redis),
			slog.Any("keeper", keeper{config: c, secret: c.Redis.URL}))
		if b.Len() == 0 {
			t.Fatal("nothing was logged")
		}
		out[name] = b.String()
	}
	var table, list bytes.Buffer
	if err := config.WriteTable(&table, c.Table()); err != nil {
		t.Fatal(err)
	}
	if err := config.WriteJSON(&list, c.Table()); err != nil {
		t.Fatal(err)
	}
	if !strings.Contains(table.String(), "[redacted]") || !strings.Contains(list.String(), "[redacted]") {
		t.Errorf("the tables do not say that there is a secret:\n%s\n%s", table.String(), list.String())
	}
	out["table"], out["JSON table"] = table.String(), list.String()
	return out
}

// TestProblemsShowNoSecrets makes each mistake that a secret can be part of.
func TestProblemsShowNoSecrets(t *testing.T) {
	t.Parallel()
	variable := func(name, value string) config.Sources {
		return config.Sources{Environ: []string{name + "=" + value}}
	}
	file := func(name, content string) config.Sources {
		return config.Sources{File: write(t, name, content)}
	}
	for name, sources := range map[string]config.Sources{
		"credentials of blobs":     variable("LONGHAUL_BLOBS_URL", "s3://me:"+canary+"@bucket"),
		"secret key with a space":  variable("LONGHAUL_BLOBS_SECRET_KEY", canary+" "),
		"key with a space":         variable("LONGHAUL_OPENAI_API_KEY", canary+" "),
		"OpenAI's own variable":    variable("OPENAI_API_KEY", canary+"\n"),
		"misspelt variable":        variable("LONGHAUL_OPENAI_APIKEY", canary),
		"URL that is none":         variable("LONGHAUL_REDIS_URL", "redis://me:%zz"+canary+"@h"),
		"URL without scheme":       variable("LONGHAUL_REDIS_URL", "me:"+canary+"@h:6379"),
		"slash in a password":      variable("LONGHAUL_REDIS_URL", "redis://me:a/"+canary+"@h"),
		"hash in a password":       variable("LONGHAUL_REDIS_URL", "redis://me#"+canary+"@h"),
		"question mark in it":      variable("LONGHAUL_REDIS_URL", "redis://me?"+canary+"@h"),
		"password as parameter":    variable("LONGHAUL_REDIS_URL", "redis://h?password="+canary),
		"bad database":             variable("LONGHAUL_REDIS_URL", "redis://:"+canary+"@h/x"),
		"password as host":         variable("LONGHAUL_REDIS_URL", "redis://:"+canary),
		"credentials in base URL":  variable("LONGHAUL_OPENAI_BASE_URL", "https://"+canary+"@gateway/v1"),
		"key in base URL":          variable("OPENAI_BASE_URL", "https://gateway/v1?key="+canary),
		"flag":                     {Flags: parse(t, "--redis-url=http://:"+canary+"@h")},
		"misspelt key":             file("c.yaml", "openai: {apikey: "+canary+"}\n"),
		"key as a section":         file("c.yaml", "openai: {api_key: {"+canary+": 1}}\n"),
		"key as a list":            file("c.yaml", "openai: {api_key: ["+canary+"]}\n"),
		"key as group":             file("c.yaml", "openai: "+canary+"\n"),
		"dotted key":               file("c.yaml", "openai.api_key: "+canary+"\n"),
		"only the key":             file("c.yaml", canary+"\n"),
		"YAML with a tab":          file("c.yaml", "openai:\n\tapi_key: "+canary+"\n"),
		"YAML without a quote":     file("c.yaml", "openai:\n  api_key: \""+canary+"\n"),
		"YAML that looks an alias": file("c.yaml", "openai:\n  api_key: *"+canary+"\n"),
		"YAML that looks a tag":    file("c.yaml", "openai:\n  api_key: !!int "+canary+"\n"),
		"YAML with two colons":     file("c.yaml", "openai:\n  api_key: "+canary+": x\n"),
		"TOML without quotes":      file("c.toml", "[openai]\napi_key = "+canary+"\n"),
		"TOML without an end":      file("c.toml", "[openai]\napi_key = \""+canary+"\n"),
		"TOML with the key alone":  file("c.toml", canary+"\n"),
		"JSON without quotes":      file("c.json", `{"openai":{"api_key":`+canary+`}}`),
		"JSON of a string":         file("c.json", `"`+canary+`"`),
		"file without a format":    {File: write(t, "env", "OPENAI_API_KEY="+canary)},
	} {
		c, err := config.Load(sealed(sources))
		if err == nil {
			t.Errorf("%s: accepted", name)
			continue
		}
		for how, output := range map[string]string{
			"error": err.Error(), "%+v": fmt.Sprintf("%+v", err), "%#v": fmt.Sprintf("%#v", err), "Config": fmt.Sprintf("%#v", c),
		} {
			if strings.Contains(output, canary[:4]) {
				t.Errorf("%s: %s shows a secret: %s", name, how, output)
			}
		}
	}
}
