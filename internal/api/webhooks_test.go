package api_test

import (
	"context"
	"encoding/json"
	"errors"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/longhaul-jobs/longhaul/internal/api"
	"github.com/longhaul-jobs/longhaul/jobs"
)

// fakeHooks remembers the last webhook and answers with err.
type fakeHooks struct {
	body string
	id   string
	err  error
}

func (h *fakeHooks) Receive(_ context.Context, header http.Header, body json.RawMessage) error {
	h.body, h.id = string(body), header.Get("webhook-id")
	return h.err
}

// What a webhook is answered with decides whether the provider sends it again.
//
// Guarantee: G16.
func TestWebhooks(t *testing.T) {
	t.Parallel()
	refused := func(class jobs.Class) error {
		return &jobs.Error{Failure: jobs.Failure{Class: class, Message: "because"}}
	}
	raw := "{ \"type\":\t\"response.completed\" }\n"
	for _, tt := range []struct {
		name   string
		method string
		body   string
		err    error
		status int
	}{
		{"kept", http.MethodPost, raw, nil, http.StatusNoContent},
		{"forged", http.MethodPost, raw, refused(jobs.ClassUnauthorized), http.StatusUnauthorized},
		{"nonsense", http.MethodPost, raw, refused(jobs.ClassInvalid), http.StatusBadRequest},
		{"redis away", http.MethodPost, raw, refused(jobs.ClassUnavailable), http.StatusServiceUnavailable},
		{"an error of ours", http.MethodPost, raw, errors.New("oops"), http.StatusServiceUnavailable},
		{"too large", http.MethodPost, strings.Repeat("x", 300<<10), nil, http.StatusRequestEntityTooLarge},
		{"not posted", http.MethodGet, "", nil, http.StatusMethodNotAllowed},
	} {
		for name, handler := range map[string]func(api.Webhooks) http.Handler{
			"by itself":   api.WebhookHandler,
			"with health": func(h api.Webhooks) http.Handler { return api.Handler(&fakeHealth{}, registry(t), h) },
		} {
			t.Run(tt.name+", "+name, func(t *testing.T) {
				hooks := &fakeHooks{err: tt.err}
				r := httptest.NewRequestWithContext(t.Context(), tt.method, "/webhooks/openai", strings.NewReader(tt.body))
				r.Header.Set("Webhook-Id", "wh_1")
				w := httptest.NewRecorder()
				handler(hooks).ServeHTTP(w, r)
				if w.Code != tt.status {
					t.Errorf("status %d with %s, want %d", w.Code, w.Body, tt.status)
				}
				if tt.status == http.StatusNoContent && (hooks.body != raw || hooks.id != "wh_1") {
					t.Errorf("received %q of %s, want the bytes that were sent", hooks.body, hooks.id)
				}
			})
		}
	}
	if w := get(t, api.WebhookHandler(&fakeHooks{}), http.MethodGet, "/metrics"); w.Code != http.StatusNotFound {
		t.Errorf("the listener for webhooks serves /metrics: %d", w.Code)
	}
}
