package simulator_test

import (
	"fmt"
	"net/http"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/longhaul-jobs/longhaul/internal/simulator"
)

func TestRequestLimit(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		sim := newSimulator(t, simulator.Config{RequestsPerMinute: 3})
		request := object{"model": "gpt-4.1", "input": "Hi."}
		for i := range 3 {
			got := call(t, sim, "POST", "/v1/responses", request)
			want := fmt.Sprintf("3 %d %s", 2-i, time.Duration(i+1)*20*time.Second)
			if header := limitHeaders(got, "Requests"); got.status != 200 || header != want {
				t.Errorf("create %d = %d, limits %s, want %s", i, got.status, header, want)
			}
		}
		got := call(t, sim, "POST", "/v1/responses", request)
		want := "Rate limit reached for gpt-4.1 in organization org-simulator on requests per min (RPM): Limit 3, Used 3, Requested 1. Please try again in 20s. "
		if got.status != http.StatusTooManyRequests || !strings.HasPrefix(text(t, at(got.body, "error", "message")), want) {
			t.Fatalf("create beyond the limit = %d %s", got.status, got.raw)
		}
		if at(got.body, "error", "code") != "rate_limit_exceeded" || at(got.body, "error", "type") != "requests" {
			t.Errorf("error = %s", got.raw)
		}
		if got.header.Get("Retry-After") != "20" || got.header.Get("Retry-After-Ms") != "20000" {
			t.Errorf("Retry-After = %s, retry-after-ms = %s", got.header.Get("Retry-After"), got.header.Get("Retry-After-Ms"))
		}
		if other := call(t, sim, "POST", "/v1/responses", object{"model": "gpt-4o", "input": "Hi."}); other.status != 200 {
			t.Errorf("create with another model = %d, want limits per model", other.status)
		}
		time.Sleep(20*time.Second - time.Millisecond)
		if got := call(t, sim, "POST", "/v1/responses", request); got.status != http.StatusTooManyRequests {
			t.Errorf("create just before it fits = %d", got.status)
		}
		time.Sleep(time.Millisecond)
		if got := call(t, sim, "POST", "/v1/responses", request); got.status != http.StatusOK {
			t.Errorf("create when it fits = %d", got.status)
		}
		if got := sim.Ledger().Totals; got.CreatesAccepted != 5 || got.CreatesRefused != 2 {
			t.Errorf("totals = %+v", got)
		}
	})
}

func TestTokenLimit(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		sim := newSimulator(t, simulator.Config{TokensPerMinute: 1000})
		request := object{"model": "gpt-4.1", "input": strings.Repeat("abcd", 597)} // and three for the message
		got := call(t, sim, "POST", "/v1/responses", request)
		if header := limitHeaders(got, "Tokens"); got.status != 200 || header != "1000 400 36s" {
			t.Errorf("create = %d, limits %s", got.status, header)
		}
		got = call(t, sim, "POST", "/v1/responses", request)
		want := "on tokens per min (TPM): Limit 1000, Used 600, Requested 600. Please try again in 12s."
		if got.status != http.StatusTooManyRequests || !strings.Contains(got.raw, want) || at(got.body, "error", "type") != "tokens" {
			t.Errorf("create beyond the limit = %d %s", got.status, got.raw)
		}
		got = call(t, sim, "POST", "/v1/responses", object{"model": "gpt-4.1", "input": "Hi.", "max_output_tokens": 1001})
		if !strings.Contains(got.raw, "Request too large for gpt-4.1 ") || got.header.Get("Retry-After") != "" {
			t.Errorf("create larger than the limit = %d %s, Retry-After %q", got.status, got.raw, got.header.Get("Retry-After"))
		}
		time.Sleep(12 * time.Second)
		if got := call(t, sim, "POST", "/v1/responses", request); got.status != http.StatusOK {
			t.Errorf("create when it fits = %d", got.status)
		}
	})
}

func TestLimitHeadersWithoutLimits(t *testing.T) {
	sim := newSimulator(t, simulator.Config{})
	got := call(t, sim, "POST", "/v1/responses", object{"model": "gpt-4.1", "input": "Hi."})
	for _, name := range []string{"Limit-Requests", "Remaining-Requests", "Reset-Requests", "Limit-Tokens", "Remaining-Tokens", "Reset-Tokens"} {
		if got.header.Get("X-Ratelimit-"+name) == "" {
			t.Errorf("no header x-ratelimit-%s", name)
		}
	}
	if _, err := time.ParseDuration(got.header.Get("X-Ratelimit-Reset-Tokens")); err != nil {
		t.Errorf("reset: %v", err)
	}
}

func TestPollsAreLimitedOnlyIfAsked(t *testing.T) {
	sim := newSimulator(t, simulator.Config{RequestsPerMinute: 2})
	id := text(t, create(t, sim, object{})["id"])
	for range 5 {
		get(t, sim, id)
	}
	call(t, sim, "PUT", "/_sim/config", `{"limit_polls":true}`)
	get(t, sim, id)
	get(t, sim, id)
	got := call(t, sim, "GET", "/v1/responses/"+id, nil)
	if got.status != http.StatusTooManyRequests || got.header.Get("Retry-After") == "" {
		t.Errorf("third limited poll = %d %s", got.status, got.raw)
	}
}

// limitHeaders joins limit, remaining and reset.
func limitHeaders(a answer, kind string) string {
	return a.header.Get("X-Ratelimit-Limit-"+kind) + " " + a.header.Get("X-Ratelimit-Remaining-"+kind) + " " + a.header.Get("X-Ratelimit-Reset-"+kind)
}
