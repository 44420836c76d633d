package simulator_test

import (
	"math"
	"net/http"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/longhaul-jobs/longhaul/internal/simulator"
)

func TestInvalidConfigNamesEachField(t *testing.T) {
	_, err := simulator.New(simulator.Config{
		Queued: -1, Running: 1000 * time.Hour, Jitter: math.NaN(), RequestsPerMinute: -1, TokensPerMinute: -1, PollAfter: -1,
		Models: []string{"a", ""}, APIKeys: []string{""}, Retention: -1, MaxBodyBytes: -1,
	})
	if err == nil {
		t.Fatal("New accepted it")
	}
	for _, field := range []string{
		"queued", "running", "jitter", "requests_per_minute", "tokens_per_minute", "poll_after", "models[1]", "api_keys[0]",
		"retention", "max_body_bytes",
	} {
		if !strings.Contains(err.Error(), field+": ") {
			t.Errorf("error does not name %s:\n%v", field, err)
		}
	}
}

func TestConfigChangesWhileServing(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		sim := newSimulator(t, simulator.Config{APIKeys: []string{"test-key"}})
		request := object{"model": "gpt-4.1", "input": "Hi.", "background": true}
		put := func(body string) {
			t.Helper()
			if got := call(t, sim, "PUT", "/_sim/config", body); got.status != http.StatusOK {
				t.Fatalf("PUT %s = %d %s", body, got.status, got.raw)
			}
		}
		put(`{"queued":"1s","running":"2s"}`)
		id := text(t, create(t, sim, request)["id"])
		put(`{"queued":"0s","running":"0s"}`)
		if got := create(t, sim, request)["status"]; got != "completed" {
			t.Errorf("status after the durations were set to 0 = %v", got)
		}
		time.Sleep(3*time.Second - 1)
		if got := get(t, sim, id)["status"]; got != "in_progress" {
			t.Errorf("status of an earlier response = %v, want its life unchanged", got)
		}

		put(`{"api_keys":["another-key"]}`)
		if got := call(t, sim, "POST", "/v1/responses", request); got.status != http.StatusUnauthorized {
			t.Errorf("create with a revoked key = %d", got.status)
		}
		put(`{"api_keys":[]}`)
		if got := call(t, sim, "POST", "/v1/responses", request); got.status != http.StatusOK {
			t.Errorf("create when any key will do = %d", got.status)
		}

		put(`{"requests_per_minute":1}`)
		call(t, sim, "POST", "/v1/responses", request)
		if got := call(t, sim, "POST", "/v1/responses", request); got.status != http.StatusTooManyRequests {
			t.Errorf("second create in a minute = %d", got.status)
		}

		put(`{"models":["my-model"]}`)
		if got := call(t, sim, "POST", "/v1/responses", object{"model": "my-model", "input": "Hi."}); got.status != http.StatusOK || got.body["model"] != "my-model" {
			t.Errorf("create with a model of our own = %d %s", got.status, got.raw)
		}
		if got := call(t, sim, "POST", "/v1/responses", request); got.status != http.StatusNotFound {
			t.Errorf("create with a model that is gone = %d", got.status)
		}
	})
}

func TestInvalidConfigChangesNothing(t *testing.T) {
	sim := newSimulator(t, simulator.Config{Running: time.Minute, APIKeys: []string{"sk-secret-key-0001"}})
	before := call(t, sim, "GET", "/_sim/config", nil)
	if before.body["running"] != "1m0s" || strings.Contains(before.raw, "secret") {
		t.Errorf("config = %s", before.raw)
	}
	for _, body := range []string{`{"running":"-1s"}`, `{"running":"soon"}`, `{"velocity":"1s"}`, `{"running":"2s","jitter":7}`, `[`, ``} {
		got := call(t, sim, "PUT", "/_sim/config", body)
		if got.status != http.StatusBadRequest || at(got.body, "error", "code") != "invalid_config" {
			t.Errorf("PUT %s = %d %s", body, got.status, got.raw)
		}
	}
	if after := call(t, sim, "GET", "/_sim/config", nil); after.raw != before.raw {
		t.Errorf("config = %s, was %s", after.raw, before.raw)
	}
}
