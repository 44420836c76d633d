package app

import (
	"cmp"
	"context"
	"encoding/json"
	"net/http"
	"sync/atomic"
	"time"

	"github.com/longhaul-jobs/longhaul/internal/api"
	"github.com/longhaul-jobs/longhaul/internal/config"
	"github.com/longhaul-jobs/longhaul/internal/responses"
	"github.com/longhaul-jobs/longhaul/internal/webhooks"
	"github.com/longhaul-jobs/longhaul/jobs"
	"github.com/longhaul-jobs/longhaul/poller"
)

// doorbell takes webhooks from the moment the address is bound; what they bring is
// kept once there is a store. Until then they are to be sent again.
type doorbell struct {
	receiver atomic.Pointer[webhooks.Receiver]
}

var _ api.Webhooks = (*doorbell)(nil)

// Receive implements [api.Webhooks].
func (d *doorbell) Receive(ctx context.Context, header http.Header, body json.RawMessage) error {
	if r := d.receiver.Load(); r != nil {
		return r.Receive(ctx, header, body)
	}
	return &jobs.Error{Failure: jobs.Failure{Class: jobs.ClassUnavailable, Message: "starting: redis has not answered yet"}}
}

// noSecrets is what webhooks meet where none can be told from a forged one.
type noSecrets struct{}

var _ api.Webhooks = noSecrets{}

// Receive implements [api.Webhooks].
func (noSecrets) Receive(context.Context, http.Header, json.RawMessage) error {
	return &jobs.Error{Failure: jobs.Failure{
		Class: jobs.ClassUnauthorized, Message: "no signing secret is configured: set openai.webhook_secrets or OPENAI_WEBHOOK_SECRET",
	}}
}

// listens reports whether anything can take webhooks.
func listens(cfg config.Config) bool { return cfg.Webhooks.Addr != "" || cfg.HTTP.Addr != "" }

// listen binds the addresses: webhooks share http.addr unless they have one of
// their own.
func (a *App) listen(ctx context.Context) error {
	cfg := a.options.Config
	var hooks api.Webhooks = noSecrets{}
	if a.verifier != nil {
		hooks = &a.doorbell
	}
	if cfg.Webhooks.Addr != "" {
		server, err := api.Listen(ctx, "webhooks.addr", cfg.Webhooks.Addr, api.WebhookHandler(hooks))
		if err != nil {
			return err
		}
		a.listeners, a.webhooksAddr, hooks = append(a.listeners, server), server.Addr(), nil
	}
	if cfg.HTTP.Addr == "" {
		return nil
	}
	server, err := api.Listen(ctx, "http.addr", cfg.HTTP.Addr, api.Handler(&a.health, a.registry, hooks))
	if err != nil {
		return err
	}
	a.listeners, a.httpAddr = append(a.listeners, server), server.Addr()
	return nil
}

// webhookURL is where webhooks can be sent to from this machine.
func (a *App) webhookURL() string {
	return "http://" + cmp.Or(a.webhooksAddr, a.httpAddr) + api.WebhookPath
}

// newVerifier returns what tells webhooks of the endpoints from forged ones, nil if
// no endpoint has a secret.
func newVerifier(endpoints []endpoint) (*responses.Webhooks, error) {
	var secrets []responses.WebhookSecret
	for _, e := range endpoints {
		for _, secret := range e.WebhookSecrets {
			secrets = append(secrets, responses.WebhookSecret{Endpoint: e.Name, Secret: secret.Reveal()})
		}
	}
	if len(secrets) == 0 {
		return nil, nil
	}
	return responses.NewWebhooks(secrets)
}

// announcements are those of the endpoints that have a webhook secret.
func announcements(endpoints []endpoint) map[string]*poller.Announcements {
	told := make(map[string]*poller.Announcements)
	for _, e := range endpoints {
		if len(e.WebhookSecrets) > 0 {
			told[e.Name] = new(poller.Announcements)
		}
	}
	return told
}

// hintTick is how often a worker asks for hints that another one has left.
const hintTick = time.Second

// newReceiver builds what takes webhooks, for the endpoints that tell the ends of
// their responses.
func (a *App) newReceiver(schedule poller.Schedule, told map[string]*poller.Announcements, ended ending) *webhooks.Receiver {
	cfg := a.options.Config
	taken := make(map[string]webhooks.Endpoint, len(told))
	for _, e := range a.endpoints {
		if announcements, ok := told[e.Name]; ok {
			taken[e.Name] = webhooks.Endpoint{
				API: e.api, Heard: announcements.Heard,
				FirstLook: func() time.Duration { return schedule.First(nil, 0, announcements.Expected()) },
			}
		}
	}
	return webhooks.New(a.verifier, a.store, taken, a.tasks, webhooks.Config{
		Concurrency: cfg.Poll.Concurrency, Tick: hintTick, Lease: cfg.Poll.Lease, Enter: a.gate.Enter, Ended: ended,
	}, a.registry, a.log)
}
