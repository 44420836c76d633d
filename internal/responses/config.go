package responses

import (
	"cmp"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"time"

	"github.com/openai/openai-go/v3/option"

	"github.com/longhaul-jobs/longhaul/jobs"
)

// The defaults of [Config].
const (
	// DefaultCreateTimeout is long, because a server that does not know
	// background mode answers a create when the response has ended.
	DefaultCreateTimeout    = 10 * time.Minute
	DefaultLookTimeout      = 30 * time.Second
	DefaultMaxResponseBytes = 64 << 20
)

// Bounds of what goes into a header.
const (
	maxHeaderValue     = 4096
	maxClientRequestID = 512 // OpenAI's own limit
)

// Config says how to reach one endpoint.
type Config struct {
	// Name is the endpoint's name in records and metrics; it must be a valid
	// name in the sense of [jobs.ValidName].
	Name string
	// BaseURL is the address below which the API lies, for example
	// https://api.openai.com/v1. There is no default: a worker that was meant
	// for a stand-in must not reach the real API by an omission. Plain http is
	// accepted; whether the key may travel in the clear is the caller's choice.
	BaseURL string
	// APIKey is sent as the bearer token. It never appears in an error.
	APIKey string
	// Organization and Project select what the key is used for; "" sends none.
	Organization, Project string
	// CreateTimeout bounds a create up to the last byte of its answer; 0 means
	// [DefaultCreateTimeout]. A create that runs into it is ambiguous.
	CreateTimeout time.Duration
	// LookTimeout bounds each of the other calls; 0 means [DefaultLookTimeout].
	LookTimeout time.Duration
	// MaxResponseBytes caps the body of an answer, after decompression; 0 means
	// [DefaultMaxResponseBytes].
	MaxResponseBytes int64
	// HTTPClient replaces the two tuned clients that are used otherwise. It is
	// copied; redirects are refused whatever it says. Its transport must send a
	// request at most once: one that retries by itself pays twice.
	HTTPClient *http.Client
	// UserAgent is sent with each request; "" sends that of the SDK.
	UserAgent string
}

func (c Config) withDefaults() Config {
	c.CreateTimeout = cmp.Or(c.CreateTimeout, DefaultCreateTimeout)
	c.LookTimeout = cmp.Or(c.LookTimeout, DefaultLookTimeout)
	c.MaxResponseBytes = cmp.Or(c.MaxResponseBytes, DefaultMaxResponseBytes)
	return c
}

// Validate returns everything that is wrong with the configuration, joined,
// each naming its field. It never repeats a value that may be a secret.
func (c Config) Validate() error {
	var problems []error
	bad := func(format string, args ...any) { problems = append(problems, fmt.Errorf(format, args...)) }
	if !jobs.ValidName(c.Name) {
		bad("name: %q is not a name; %s", c.Name, jobs.NameRule)
	}
	if err := validateBaseURL(c.BaseURL); err != nil {
		bad("base_url: %w", err)
	}
	if c.APIKey == "" {
		bad("api_key: is empty")
	}
	for _, h := range []struct{ name, value string }{
		{"api_key", c.APIKey}, {"organization", c.Organization}, {"project", c.Project}, {"user_agent", c.UserAgent},
	} {
		if !validHeader(h.value, maxHeaderValue) {
			bad("%s: is not printable ASCII, begins or ends with a space, or is longer than %d bytes", h.name, maxHeaderValue)
		}
	}
	for _, d := range []struct {
		name  string
		value time.Duration
	}{{"create_timeout", c.CreateTimeout}, {"look_timeout", c.LookTimeout}} {
		if d.value < 0 {
			bad("%s: %s is negative", d.name, d.value)
		}
	}
	if c.MaxResponseBytes < 0 {
		bad("max_response_bytes: %d is negative", c.MaxResponseBytes)
	}
	return errors.Join(problems...)
}

// validateBaseURL does not quote what it refuses: people paste keys into URLs.
func validateBaseURL(base string) error {
	u, err := url.Parse(base)
	switch {
	case base == "":
		return errors.New("is empty; OpenAI's is https://api.openai.com/v1")
	case err != nil:
		return errors.New("is not a URL")
	case u.Scheme != "https" && u.Scheme != "http", u.Host == "":
		return errors.New("must begin with https:// or http:// and a host")
	case u.User != nil:
		return errors.New("holds a user name or password; the key belongs into api_key")
	case u.RawQuery != "" || u.ForceQuery || u.Fragment != "":
		return errors.New("must end with the path; remove what follows ? or #")
	}
	return nil
}

// options are what every request to the endpoint has in common. Nothing is left
// for the SDK to look up in the environment.
func (c Config) options() []option.RequestOption {
	options := []option.RequestOption{
		option.WithBaseURL(strings.TrimRight(c.BaseURL, "/") + "/"), // what follows a slash of its own stays as it is escaped
		option.WithAPIKey(c.APIKey),
		option.WithMaxRetries(0), // a create sent again is paid for again; looks are the poller's to repeat
	}
	if c.Organization != "" {
		options = append(options, option.WithOrganization(c.Organization))
	}
	if c.Project != "" {
		options = append(options, option.WithProject(c.Project))
	}
	if c.UserAgent != "" {
		options = append(options, option.WithHeader("User-Agent", c.UserAgent))
	}
	return slices.Clip(options) // two services append to it
}

// validHeader reports whether s can be sent as a header as it is.
func validHeader(s string, limit int) bool {
	for i := range len(s) {
		if s[i] < ' ' || s[i] > '~' || (s[i] == ' ' && (i == 0 || i == len(s)-1)) {
			return false
		}
	}
	return len(s) <= limit
}
