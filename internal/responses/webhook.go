package responses

import (
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"strings"
	"time"

	"github.com/openai/openai-go/v3/option"
	"github.com/openai/openai-go/v3/webhooks"

	"github.com/longhaul-jobs/longhaul/jobs"
)

// webhookTolerance is how far the time of a webhook may be from ours, as Standard
// Webhooks recommends. One that is older may be a recording.
const webhookTolerance = 5 * time.Minute

// maxWebhookID bounds the ids of webhooks that are kept.
const maxWebhookID = 128

// WebhookSecret is a signing secret of an endpoint's webhooks, whsec_… or the
// bytes themselves. An endpoint has several while one replaces another.
type WebhookSecret struct {
	Endpoint string
	Secret   string
}

// Webhooks knows the webhooks of OpenAI by their signatures, which follow
// Standard Webhooks.
type Webhooks struct {
	secrets []WebhookSecret
	service webhooks.WebhookService
}

// NewWebhooks returns a verifier for the secrets. The error joins what is wrong
// with each, without showing it.
func NewWebhooks(secrets []WebhookSecret) (*Webhooks, error) {
	w := &Webhooks{secrets: secrets, service: webhooks.NewWebhookService()}
	var problems []error
	for _, s := range secrets {
		if err := w.verify(http.Header{}, nil, time.Time{}, s.Secret); err == nil || strings.Contains(err.Error(), "secret") {
			problems = append(problems, jobs.Invalid("webhook_secrets",
				"of endpoint %s: one is no signing secret; copy it whole, whsec_ and at least 24 bytes in base64", s.Endpoint))
		}
	}
	return w, errors.Join(problems...)
}

// Verify returns what a webhook says, if it is the provider's. Body is the raw
// body of the request: a signature is over its bytes. now is the time by which it
// must be fresh.
//
// The error is a [*jobs.Error] of class unauthorized for one that no secret has
// signed, or not lately, and of class invalid for one that was signed and makes no
// sense.
func (w *Webhooks) Verify(header http.Header, body []byte, now time.Time) (jobs.Notice, error) {
	signed := ""
	var refused error
	for _, s := range w.secrets {
		if refused = w.verify(header, body, now, s.Secret); refused == nil {
			signed = s.Endpoint
			break
		}
	}
	if signed == "" {
		why := "no signing secret is configured"
		if refused != nil {
			why = refused.Error() // the SDK's own words, which hold nothing of the request
		}
		return jobs.Notice{}, &jobs.Error{Op: "verify webhook", Failure: jobs.Failure{Class: jobs.ClassUnauthorized, Message: why}}
	}
	var event struct {
		Type string `json:"type"`
		Data struct {
			ID string `json:"id"`
		} `json:"data"`
	}
	if err := json.Unmarshal(body, &event); err != nil || event.Type == "" {
		return jobs.Notice{}, jobs.Invalid("webhook", "is signed and not an event object")
	}
	n := jobs.Notice{ID: header.Get("Webhook-Id"), Endpoint: signed, Type: event.Type}
	if !validHeader(n.ID, maxWebhookID) {
		return jobs.Notice{}, jobs.Invalid("webhook-id", "is not at most %d printable ASCII characters", maxWebhookID)
	}
	if !strings.HasPrefix(event.Type, "response.") {
		return n, nil // of something else that the project does
	}
	if !validID(event.Data.ID) {
		return jobs.Notice{}, jobs.Invalid("data.id", "is not the id of a response")
	}
	n.ResponseID = event.Data.ID
	return n, nil
}

// verify checks a signature by one secret.
func (w *Webhooks) verify(header http.Header, body []byte, now time.Time, secret string) error {
	err := w.service.VerifySignatureWithToleranceAndTime(body, header, webhookTolerance, now, option.WithWebhookSecret(secret))
	if err != nil {
		return fmt.Errorf("verify webhook: %w", err)
	}
	return nil
}
