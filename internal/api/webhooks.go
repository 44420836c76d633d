package api

import (
	"context"
	"encoding/json"
	"errors"
	"io"
	"net/http"

	"github.com/longhaul-jobs/longhaul/jobs"
)

// WebhookPath is where the provider's webhooks are posted to.
const WebhookPath = "/webhooks/openai"

// maxWebhookBytes bounds the body of a webhook: OpenAI's have a few hundred bytes.
const maxWebhookBytes = 256 << 10

// Webhooks takes the provider's webhooks.
type Webhooks interface {
	// Receive keeps a webhook, or returns a [*jobs.Error]: of class unauthorized for
	// one that is not the provider's, of class invalid for one that makes no sense,
	// and of any other for one that could not be kept and should be sent again. It
	// is given the raw body: a signature is over its bytes.
	Receive(ctx context.Context, header http.Header, body json.RawMessage) error
}

// WebhookHandler serves POST /webhooks/openai and nothing else. It answers 204 to
// what has been kept, or needs no keeping; 401 to what is forged; 400 and 413 to
// what makes no sense; and 503 to what should be sent again.
func WebhookHandler(hooks Webhooks) http.Handler {
	mux := http.NewServeMux()
	addWebhooks(mux, hooks)
	return mux
}

func addWebhooks(mux *http.ServeMux, hooks Webhooks) {
	mux.HandleFunc("POST "+WebhookPath, func(w http.ResponseWriter, r *http.Request) {
		body, err := io.ReadAll(http.MaxBytesReader(w, r.Body, maxWebhookBytes))
		if _, over := errors.AsType[*http.MaxBytesError](err); over {
			answer(w, http.StatusRequestEntityTooLarge, "refused", "a webhook has at most 256 KiB")
			return
		}
		if err != nil {
			answer(w, http.StatusBadRequest, "refused", "the body could not be read")
			return
		}
		if err := hooks.Receive(r.Context(), r.Header, body); err != nil {
			answer(w, webhookStatus(err), "refused", jobs.FailureOf(err).Message)
			return
		}
		w.WriteHeader(http.StatusNoContent)
	})
}

func webhookStatus(err error) int {
	switch jobs.ClassOf(err) { //nolint:exhaustive // every other class is ours to mend, and the sender's to repeat
	case jobs.ClassUnauthorized:
		return http.StatusUnauthorized
	case jobs.ClassInvalid:
		return http.StatusBadRequest
	}
	return http.StatusServiceUnavailable
}
