package simulator

import (
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"time"
)

// Bounds that are part of the simulator's contract but need no configuration.
const (
	defaultRetention    = 200_000
	defaultMaxBody      = 32 << 20
	defaultWebhookRetry = time.Second
	// maxConfiguredWait keeps timestamps far from overflow.
	maxConfiguredWait = 30 * 24 * time.Hour
)

// Config says how a simulator behaves. The zero value is usable: responses finish at once,
// nothing is limited and any key is accepted.
type Config struct {
	// Queued is how long a background response stays queued, Running how long it then stays in
	// progress. A synchronous or streamed create takes the sum of both. If both are 0, a
	// background create is answered with the completed response.
	Queued, Running time.Duration

	// Batch is how long a batch is in progress, once it was validated for as long as a response is
	// queued. 0 means as long as a response.
	Batch time.Duration

	// EnqueuedTokens bounds the input tokens of a model's open batches; 0 means no bound.
	EnqueuedTokens int

	// Jitter varies both durations by up to this fraction, from 0 (none) to 1. The variation
	// depends on the response's id alone.
	Jitter float64

	// RequestsPerMinute and TokensPerMinute limit creates for each model; 0 means no limit. The
	// x-ratelimit headers are sent in either case.
	RequestsPerMinute, TokensPerMinute int

	// LimitPolls makes retrievals count too, against a limit of their own of RequestsPerMinute.
	LimitPolls bool

	// PollAfter, if positive, is sent as the header openai-poll-after-ms with every response
	// that has not ended.
	PollAfter time.Duration

	// Models are the model names that exist, beside their dated snapshots. Empty means the
	// models that OpenAI offered in late 2026.
	Models []string

	// APIKeys are the keys that are accepted beside those of Projects. If there are none at all,
	// any key is accepted, but not none.
	APIKeys []string

	// Projects part the responses: each is seen with the keys of its project only. Those that are
	// made with a key of APIKeys, or with any key where there are none, belong together.
	Projects []Project

	// Webhooks are told of the background responses of no project that end. Projects have their own.
	Webhooks []Webhook

	// WebhookRetry is what passes before a webhook that was not taken is sent again; it doubles each
	// time, up to an hour. 0 means a second.
	WebhookRetry time.Duration

	// Transport carries the webhooks. Nil means one of the simulator's own.
	Transport http.RoundTripper

	// ExactTokens has tokens counted as OpenAI's models since gpt-4o do. Without it they are a
	// quarter of the bytes, which costs nothing.
	ExactTokens bool

	// WrongCitations is how many of the passages that answers quote are quoted wrongly, from 0 (none)
	// to 1: in other words than they stand there, or from another section. Which ones depends on
	// their words alone.
	WrongCitations float64

	// Retention is how many responses are kept. Beyond it the oldest ended ones are forgotten,
	// as OpenAI's expire; responses that have not ended are never forgotten. 0 means 200,000.
	Retention int

	// MaxBodyBytes is the largest request body that is read; larger ones get a 413. 0 means
	// 32 MiB.
	MaxBodyBytes int64

	// Logger receives one debug record per request, without any of its content. Nil discards.
	Logger *slog.Logger
}

func (c Config) withDefaults() Config {
	if len(c.Models) == 0 {
		c.Models = defaultModels()
	}
	if c.Retention == 0 {
		c.Retention = defaultRetention
	}
	if c.MaxBodyBytes == 0 {
		c.MaxBodyBytes = defaultMaxBody
	}
	if c.WebhookRetry == 0 {
		c.WebhookRetry = defaultWebhookRetry
	}
	if c.Logger == nil {
		c.Logger = slog.New(slog.DiscardHandler)
	}
	return c
}

// Validate returns all reasons why c cannot be used, joined, each naming its field.
func (c Config) Validate() error {
	var errs []error
	refuse := func(format string, args ...any) { errs = append(errs, fmt.Errorf(format, args...)) }
	for _, d := range []struct {
		name  string
		value time.Duration
	}{{"queued", c.Queued}, {"running", c.Running}, {"batch", c.Batch}, {"poll_after", c.PollAfter}, {"webhook_retry", c.WebhookRetry}} {
		if d.value < 0 || d.value > maxConfiguredWait {
			refuse("%s: %s is not between 0 and %s", d.name, d.value, maxConfiguredWait)
		}
	}
	if !(c.Jitter >= 0 && c.Jitter <= 1) {
		refuse("jitter: %v is not between 0 and 1", c.Jitter)
	}
	if !(c.WrongCitations >= 0 && c.WrongCitations <= 1) {
		refuse("wrong_citations: %v is not between 0 and 1", c.WrongCitations)
	}
	for _, n := range []struct {
		name  string
		value int64
	}{
		{"requests_per_minute", int64(c.RequestsPerMinute)},
		{"tokens_per_minute", int64(c.TokensPerMinute)},
		{"enqueued_tokens", int64(c.EnqueuedTokens)},
		{"retention", int64(c.Retention)},
		{"max_body_bytes", c.MaxBodyBytes},
	} {
		if n.value < 0 {
			refuse("%s: %d is negative", n.name, n.value)
		}
	}
	for i, name := range c.Models {
		if name == "" {
			refuse("models[%d]: is empty", i)
		}
	}
	return errors.Join(append(errs, c.projectProblems()...)...)
}

// settings is a validated Config in the form that requests read. It is never changed, only
// replaced, so that a request sees one state of it from start to end.
type settings struct {
	Config
	keys     map[string]string // the accepted keys, with the project of each or ""
	models   *catalogue
	webhooks map[string][]Webhook // by project
}

// tells reports whether there are webhooks at all.
func (s *settings) tells() bool { return len(s.webhooks) > 0 }

func newSettings(c Config) *settings {
	set := &settings{
		Config: c, keys: make(map[string]string, len(c.APIKeys)), models: newCatalogue(c.Models), webhooks: make(map[string][]Webhook),
	}
	if len(c.Webhooks) > 0 {
		set.webhooks[""] = c.Webhooks
	}
	for _, key := range c.APIKeys {
		set.keys[key] = ""
	}
	for i := range c.Projects {
		p := &c.Projects[i]
		for _, key := range p.APIKeys {
			set.keys[key] = p.ID
		}
		if len(p.Webhooks) > 0 {
			set.webhooks[p.ID] = p.Webhooks
		}
	}
	return set
}
