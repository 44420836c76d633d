package app_test

import (
	"context"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/longhaul-jobs/longhaul/internal/app"
	"github.com/longhaul-jobs/longhaul/internal/config"
)

func TestSimulatorHasTheConfiguredProjectsAndWebhooks(t *testing.T) {
	t.Parallel()
	told := make(chan string, 3)
	worker := httptest.NewServer(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
		told <- r.URL.Path + " " + r.Header.Get("Webhook-Signature")
	}))
	defer worker.Close()
	cfg, err := config.Load(config.Sources{Environ: []string{
		"LONGHAUL_SIMULATOR_QUEUED=0s", "LONGHAUL_SIMULATOR_RUNNING=0s",
		"LONGHAUL_SIMULATOR_API_KEYS=sk-user,sk-a@proj_1,sk-b@proj_2",
		"LONGHAUL_SIMULATOR_WEBHOOK_URL=" + worker.URL + "/user," + worker.URL + "/one@proj_1",
		"LONGHAUL_SIMULATOR_WEBHOOK_SECRET=user,one@proj_1",
	}})
	if err != nil {
		t.Fatal(err)
	}
	sim, err := app.ListenSimulator(t.Context(), cfg, "127.0.0.1:0", slog.New(slog.DiscardHandler))
	if err != nil {
		t.Fatal(err)
	}
	ctx, stop := context.WithCancel(t.Context())
	ended := make(chan error, 1)
	go func() { ended <- sim.Run(ctx) }()
	defer func() {
		stop()
		if err := <-ended; err != nil {
			t.Errorf("Run: %v", err)
		}
	}()
	create := func(key string) int {
		body := strings.NewReader(`{"model":"gpt-4.1","input":"Hi.","background":true}`)
		r, err := http.NewRequestWithContext(t.Context(), http.MethodPost, sim.URL()+"/responses", body)
		if err != nil {
			t.Fatal(err)
		}
		r.Header.Set("Authorization", "Bearer "+key)
		r.Header.Set("Content-Type", "application/json")
		answer, err := http.DefaultClient.Do(r)
		if err != nil {
			t.Fatal(err)
		}
		if err := answer.Body.Close(); err != nil {
			t.Error(err)
		}
		return answer.StatusCode
	}
	for _, tt := range []struct {
		key, path string
		status    int
	}{{"sk-user", "/user", 200}, {"sk-a", "/one", 200}, {"sk-b", "", 200}, {"sk-other", "", 401}} {
		if got := create(tt.key); got != tt.status {
			t.Errorf("create with %s = %d, want %d", tt.key, got, tt.status)
		}
		if tt.path == "" {
			continue
		}
		if got := <-told; !strings.HasPrefix(got, tt.path+" v1,") {
			t.Errorf("webhook for %s went to %s", tt.key, got)
		}
	}
	cfg.Simulator.WebhookSecret = config.Secret{}
	_, err = app.ListenSimulator(t.Context(), cfg, "127.0.0.1:0", slog.New(slog.DiscardHandler))
	if err == nil || !strings.Contains(err.Error(), "secrets: are missing") {
		t.Errorf("webhooks without a secret: %v", err)
	}
}
