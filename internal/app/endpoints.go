package app

import (
	"context"
	"log/slog"
	"maps"
	"slices"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/longhaul-jobs/longhaul/internal/config"
	"github.com/longhaul-jobs/longhaul/internal/responses"
	"github.com/longhaul-jobs/longhaul/jobs"
)

// endpoint is one that this worker serves: it has the key.
type endpoint struct {
	config.Endpoint

	api *responses.Client
}

// openEndpoints returns the endpoints whose key is there, that of openai.* first.
// None of them is counted on to tell anything where nothing listens.
func openEndpoints(cfg config.Config, version string, reg prometheus.Registerer) ([]endpoint, error) {
	var served []endpoint
	for _, e := range cfg.AllEndpoints() {
		if e.APIKey.Reveal() == "" {
			continue
		}
		if !listens(cfg) {
			e.WebhookSecrets = nil // what is not heard must not be waited for
		}
		api, err := responses.New(responses.Config{
			Name: e.Name, BaseURL: e.BaseURL, APIKey: e.APIKey.Reveal(), Organization: e.Organization, Project: e.Project,
			CreateTimeout: e.CreateTimeout, LookTimeout: e.LookTimeout,
			MaxResponseBytes: int64(cfg.Jobs.MaxResponseBytes), UserAgent: "longhaul/" + version,
		}, reg)
		if err != nil {
			return nil, err
		}
		served = append(served, endpoint{Endpoint: e, api: api})
	}
	if len(served) == 0 {
		return nil, jobs.Invalid("openai.api_key", "is empty, and so is the key of every other endpoint; set OPENAI_API_KEY, or run `worker dev` against the simulator")
	}
	return served, nil
}

// byName are the clients of the endpoints that this worker serves. A is what their
// caller needs of one.
func byName[A any](endpoints []endpoint, as func(endpoint) A) map[string]A {
	clients := make(map[string]A, len(endpoints))
	for _, e := range endpoints {
		clients[e.Name] = as(e)
	}
	return clients
}

// names are the names of the endpoints.
func names(endpoints []endpoint) []string {
	list := make([]string, 0, len(endpoints))
	for _, e := range endpoints {
		list = append(list, e.Name)
	}
	return list
}

// servedLanes are the names of the lanes whose endpoint this worker serves.
func servedLanes(cfg config.Config, endpoints []endpoint) []string {
	served := names(endpoints)
	return slices.DeleteFunc(slices.Sorted(maps.Keys(cfg.Lanes)), func(lane string) bool {
		return !slices.Contains(served, cfg.Lanes[lane].Endpoint)
	})
}

// createTimeout is the longest that a create may take at any of the endpoints.
func createTimeout(endpoints []endpoint) time.Duration {
	var longest time.Duration
	for _, e := range endpoints {
		longest = max(longest, e.CreateTimeout)
	}
	return longest
}

// tellEndpoints says what is configured and not served here, and which endpoints
// are the same but for their names.
func (a *App) tellEndpoints(ctx context.Context) {
	cfg := a.options.Config
	served := names(a.endpoints)
	for _, e := range cfg.AllEndpoints() {
		if !slices.Contains(served, e.Name) {
			a.log.InfoContext(ctx, "endpoint not served here: its key is not set", slog.String("endpoint", e.Name))
		}
	}
	for _, name := range slices.Sorted(maps.Keys(cfg.Lanes)) {
		if e := cfg.Lanes[name].Endpoint; !slices.Contains(served, e) {
			a.log.InfoContext(ctx, "lane not served here: nor is its endpoint", slog.String("lane", name), slog.String("endpoint", e))
		}
	}
	if told := withSecrets(cfg, served); !listens(cfg) && len(told) > 0 {
		a.log.WarnContext(ctx, "webhooks not counted on: nothing listens for them here; set webhooks.addr or http.addr",
			slog.Any("endpoints", told))
	}
	for i, one := range a.endpoints {
		for _, other := range a.endpoints[i+1:] {
			if one.BaseURL == other.BaseURL && one.APIKey.Reveal() == other.APIKey.Reveal() &&
				one.Organization == other.Organization && one.Project == other.Project {
				a.log.WarnContext(ctx, "two endpoints are the same but for their names",
					slog.String("endpoint", one.Name), slog.String("other", other.Name))
			}
		}
	}
}

// withSecrets are those of the endpoints whose webhooks could be told from forged
// ones.
func withSecrets(cfg config.Config, served []string) []string {
	var told []string
	for _, e := range cfg.AllEndpoints() {
		if len(e.WebhookSecrets) > 0 && slices.Contains(served, e.Name) {
			told = append(told, e.Name)
		}
	}
	return told
}

// withoutWebhooks is the configuration of a worker that no provider can tell
// anything: it looks by itself, and waits for no word about a lost answer.
func withoutWebhooks(cfg config.Config) config.Config {
	cfg.OpenAI.WebhookSecrets = nil
	all := make(map[string]config.Endpoint, len(cfg.Endpoints))
	for name, e := range cfg.Endpoints {
		e.WebhookSecrets = nil
		all[name] = e
	}
	cfg.Endpoints = all
	return cfg
}
