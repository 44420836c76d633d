package responses_test

import (
	"net/http"
	"strings"
	"testing"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/longhaul-jobs/longhaul/internal/responses"
)

func TestConfigThatCannotBeUsed(t *testing.T) {
	t.Parallel()
	good := responses.Config{Name: "test", BaseURL: testURL, APIKey: testKey}
	tests := []struct {
		name   string
		change func(*responses.Config)
		want   string
	}{
		{"no name", func(c *responses.Config) { c.Name = "" }, "name: "},
		{"bad name", func(c *responses.Config) { c.Name = "a b" }, "name: "},
		{"no base URL", func(c *responses.Config) { c.BaseURL = "" }, "base_url: is empty"},
		{"no scheme", func(c *responses.Config) { c.BaseURL = "api.openai.com/v1" }, "base_url: must begin with"},
		{"other scheme", func(c *responses.Config) { c.BaseURL = "ftp://api.test/" }, "base_url: must begin with"},
		{"no host", func(c *responses.Config) { c.BaseURL = "https:///v1" }, "base_url: must begin with"},
		{"not a URL", func(c *responses.Config) { c.BaseURL = "https://[" }, "base_url: is not a URL"},
		{"password", func(c *responses.Config) { c.BaseURL = "https://user:hunter2@api.test" }, "base_url: holds a user"},
		{"query", func(c *responses.Config) { c.BaseURL = testURL + "?x=1" }, "base_url: must end"},
		{"fragment", func(c *responses.Config) { c.BaseURL = testURL + "#x" }, "base_url: must end"},
		{"no key", func(c *responses.Config) { c.APIKey = "" }, "api_key: is empty"},
		{"key with a line end", func(c *responses.Config) { c.APIKey = testKey + "\n" }, "api_key: is not printable"},
		{"key with a space", func(c *responses.Config) { c.APIKey = " " + testKey }, "api_key: is not printable"},
		{"organization", func(c *responses.Config) { c.Organization = "a\r\nb" }, "organization: "},
		{"project", func(c *responses.Config) { c.Project = "é" }, "project: "},
		{"user agent", func(c *responses.Config) { c.UserAgent = strings.Repeat("x", 5000) }, "user_agent: "},
		{"create timeout", func(c *responses.Config) { c.CreateTimeout = -1 }, "create_timeout: "},
		{"look timeout", func(c *responses.Config) { c.LookTimeout = -1 }, "look_timeout: "},
		{"cap", func(c *responses.Config) { c.MaxResponseBytes = -1 }, "max_response_bytes: "},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			config := good
			tt.change(&config)
			_, err := responses.New(config, prometheus.NewRegistry())
			if err == nil {
				t.Fatal("New accepted it")
			}
			if !strings.HasPrefix(err.Error(), tt.want) || strings.Contains(err.Error(), "\n") {
				t.Errorf("error = %q, want one that begins with %q", err, tt.want)
			}
			for _, secret := range []string{testKey, "hunter2"} {
				if strings.Contains(err.Error(), secret) {
					t.Errorf("error = %q, which has a secret", err)
				}
			}
		})
	}
	_, err := responses.New(responses.Config{}, prometheus.NewRegistry())
	for _, field := range []string{"name: ", "base_url: ", "api_key: "} {
		if err == nil || !strings.Contains(err.Error(), field) {
			t.Errorf("error of the zero config = %v, want %q in it", err, field)
		}
	}
}

func TestBaseURLWithAndWithoutASlash(t *testing.T) {
	t.Parallel()
	for base, want := range map[string]string{
		"http://api.test":                     "/responses",
		"http://api.test/":                    "/responses",
		"http://api.test/v1":                  "/v1/responses",
		"http://api.test/gateway/openai/v1/":  "/gateway/openai/v1/responses",
		"http://127.0.0.1:4010/openai%2Fv1/x": "/openai%2Fv1/x/responses",
	} {
		s := serve(t, respond("queued"))
		c := s.client(t, func(c *responses.Config) { c.BaseURL = base })
		if _, err := call(t.Context(), c, "create"); err != nil {
			t.Errorf("%s: %v", base, err)
		}
		if got := s.received(); len(got) != 1 || got[0].Path != want || got[0].Method != http.MethodPost {
			t.Errorf("%s: requests %+v, want one of %s", base, got, want)
		}
	}
}
