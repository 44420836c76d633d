//go:build chaos

package chaos_test

import (
	"fmt"
	"net/http"
	"slices"
	"strings"
	"testing"

	"github.com/longhaul-jobs/longhaul/internal/installation"
	"github.com/longhaul-jobs/longhaul/jobs"
)

// TestLostAnswersAreTold accepts one create in ten and loses its answer, and the
// webhooks tell: no job is paid for twice.
//
// Guarantees: G1, G6, G17.
func TestLostAnswersAreTold(t *testing.T) {
	t.Parallel()
	const n = 2000
	r := tell(t, 43, "one create in ten accepted, its answer lost", fmt.Sprintf("%d jobs, webhooks on", n))
	in := installation.New(t, "--simulator-queued", "200ms", "--simulator-running", "800ms")
	told := in.Webhooks()
	in.Faults(lostAnswers())
	in.SubmitMany(n, question, jobs.Options{})
	in.Worker(append(told, "LONGHAUL_OPENAI_CREATE_TIMEOUT=2s")...)
	ended, a := settle(t, r, in, n)
	once(t, ended, a)
	lost := in.Totals().AnswersLost
	if lost < n/20 || a.PaidTwice > 0 || a.Unknown > 0 {
		t.Errorf("%d answers lost, %d jobs paid twice, %d responses unknown", lost, a.PaidTwice, a.Unknown)
	}
	r.note = fmt.Sprintf("%d answers lost, each response adopted; %d paid twice", lost, a.PaidTwice)
}

// TestBadWebhooks sends webhooks early, late, twice, out of order, forged in every
// way and never: nothing comes of it but looks.
//
// Guarantees: G6, G16.
func TestBadWebhooks(t *testing.T) {
	t.Parallel()
	const n = 1500
	r := tell(t, 70, "webhooks early, late, twice, out of order, forged, never", fmt.Sprintf("%d jobs, most of the webhooks", n))
	in := installation.New(t, "--simulator-queued", "500ms", "--simulator-running", "1500ms")
	told := in.Webhooks()
	actions := []string{
		`"early":"1s"`, `"early":"1h"`, `"delay":"3s"`, `"copies":3`, `"behind":20`, `"withhold":true`,
		`"forge":"signature"`, `"forge":"secret"`, `"forge":"timestamp"`, `"forge":"body"`, `"forge":"unsigned"`,
	}
	var rules []string
	for i, action := range actions { // each an equal share of nine tenths
		share := 1 / (float64(len(actions))/0.9 - float64(i))
		rules = append(rules, fmt.Sprintf(`{"match":{"op":"webhook","probability":%.5f},"action":{%s}}`, share, action))
	}
	in.Faults(fmt.Sprintf(`{"seed":%d,"rules":[%s]}`, seed, strings.Join(rules, ",")))
	in.SubmitMany(n, question, jobs.Options{})
	in.Worker(append(told, "LONGHAUL_WEBHOOKS_SAFETY_NET=5s")...)
	ended, a := settle(t, r, in, n)
	once(t, ended, a)
	totals := in.Totals()
	if totals.WebhooksForgedTaken > 0 || totals.WebhooksForged < n/20 || totals.WebhooksWithheld < n/50 {
		t.Errorf("of %d forged webhooks %d were taken, %d were withheld; want none taken, and many of each",
			totals.WebhooksForged, totals.WebhooksForgedTaken, totals.WebhooksWithheld)
	}
	addr := strings.TrimPrefix(told[0], "LONGHAUL_HTTP_ADDR=")
	for body, want := range map[string][]int{
		"":                              {http.StatusUnauthorized, http.StatusBadRequest},
		`{"type":"response.completed"}`: {http.StatusUnauthorized, http.StatusBadRequest},
		strings.Repeat("x", 1<<20):      {http.StatusRequestEntityTooLarge},
		`{"id":"evt_1","data":{"id":"../../_sim/x"}}`: {http.StatusUnauthorized, http.StatusBadRequest},
	} {
		if got := post(t, addr, body); !slices.Contains(want, got) {
			t.Errorf("a webhook of nothing is answered with %d, want %v", got, want)
		}
	}
	r.note = fmt.Sprintf("%d delivered, %d forged (none taken), %d withheld; %.1f looks a job",
		totals.WebhooksDelivered, totals.WebhooksForged, totals.WebhooksWithheld, float64(totals.Polls)/n)
}

// post sends a webhook that nobody signed and returns the status of its answer.
func post(t *testing.T, addr, body string) int {
	t.Helper()
	request, err := http.NewRequestWithContext(t.Context(), http.MethodPost, "http://"+addr+"/webhooks/openai", strings.NewReader(body))
	if err != nil {
		t.Fatal(err)
	}
	answer, err := http.DefaultClient.Do(request)
	if err != nil {
		t.Fatal(err)
	}
	_ = answer.Body.Close()
	return answer.StatusCode
}
