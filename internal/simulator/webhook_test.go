package simulator_test

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/openai/openai-go/v3/option"
	"github.com/openai/openai-go/v3/webhooks"

	"github.com/longhaul-jobs/longhaul/internal/simulator"
)

const (
	secretA = "whsec_AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8="
	secretB = "whsec_/////////////////////////////////////////w=="
)

// mail is a webhook that arrived.
type mail struct {
	at     time.Duration // since the inbox was made
	when   time.Time
	url    string
	header http.Header
	body   []byte
}

// inbox is where webhooks arrive, without a network.
type inbox struct {
	opened time.Time
	// answer returns the status of the nth answer, from 1; nil means 200, a status of 0 none.
	answer func(n int) int

	mu   sync.Mutex
	mail []mail
}

func newInbox() *inbox { return &inbox{opened: time.Now()} }

// RoundTrip implements http.RoundTripper.
func (b *inbox) RoundTrip(r *http.Request) (*http.Response, error) {
	body, err := io.ReadAll(r.Body)
	if err != nil {
		return nil, err
	}
	b.mu.Lock()
	defer b.mu.Unlock()
	b.mail = append(b.mail, mail{time.Since(b.opened), time.Now(), r.URL.String(), r.Header, body})
	status := http.StatusOK
	if b.answer != nil {
		status = b.answer(len(b.mail))
	}
	if status == 0 {
		return nil, errors.New("connection refused")
	}
	return &http.Response{StatusCode: status, Header: http.Header{"Location": {"http://elsewhere/"}}, Body: http.NoBody, Request: r}, nil
}

// received returns what arrived so far.
func (b *inbox) received() []mail {
	b.mu.Lock()
	defer b.mu.Unlock()
	return append([]mail(nil), b.mail...)
}

// open verifies a webhook as OpenAI's own client does, and returns its event.
func (m *mail) open(secret string) (*webhooks.UnwrapWebhookEventUnion, error) {
	service := webhooks.NewWebhookService(option.WithWebhookSecret(secret))
	return service.UnwrapWithToleranceAndTime(m.body, m.header, 5*time.Minute, m.when)
}

// told is what the inbox was told, a line each: when, and of which of the responses what. Forged
// webhooks are told apart.
func (b *inbox) told(ids ...string) []string {
	var lines []string
	for _, m := range b.received() {
		event, err := m.open(secretA)
		if err != nil {
			lines = append(lines, m.at.String()+" forged")
			continue
		}
		n := slices.Index(ids, event.AsResponseCompleted().Data.ID)
		lines = append(lines, fmt.Sprintf("%s %d %s", m.at, n, event.Type))
	}
	return lines
}

// telling returns a simulator that tells the inbox, and whose responses take ten seconds.
func telling(tb testing.TB, b *inbox) *simulator.Simulator {
	tb.Helper()
	return newSimulator(tb, simulator.Config{
		Running: 10 * time.Second, Transport: b,
		Webhooks: []simulator.Webhook{{URL: "http://worker/webhooks/openai", Secrets: []string{secretA}}},
	})
}

func TestWebhooksTellEachEndOfABackgroundResponse(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		box := newInbox()
		sim := telling(t, box)
		var ids []string
		for _, request := range []object{
			{"background": true},
			{"background": true, "metadata": object{"simulator_fault": "fail=server_error,running=11s"}},
			{"background": true, "max_output_tokens": 16, "metadata": object{"simulator_fault": "running=12s"}},
			{"background": true, "metadata": object{"simulator_fault": "never_ends"}},
			{"background": true, "metadata": object{"simulator_fault": "running=1s"}},
			{"background": true, "metadata": object{"simulator_fault": "running=14s"}},
		} {
			ids = append(ids, text(t, create(t, sim, request)["id"]))
		}
		call(t, sim, "DELETE", "/v1/responses/"+ids[4], nil)
		time.Sleep(5 * time.Second)
		for _, id := range []string{ids[3], ids[3], ids[5]} { // twice, which changes nothing
			call(t, sim, "POST", "/v1/responses/"+id+"/cancel", nil)
			synctest.Wait()
		}
		create(t, sim, object{}) // synchronous: blocks for ten seconds, and is nobody else's business
		time.Sleep(time.Hour)

		want := []string{
			"5s 3 response.cancelled", "5s 5 response.cancelled",
			"10s 0 response.completed", "11s 1 response.failed", "12s 2 response.incomplete",
		}
		if diff := cmp.Diff(want, box.told(ids...)); diff != "" {
			t.Errorf("told (-want +got):\n%s", diff)
		}
		totals := sim.Ledger().Totals
		if totals.WebhooksSent != 5 || totals.WebhooksDelivered != 5 {
			t.Errorf("totals = %+v", totals)
		}
		entry := sim.Ledger().Entries[1]
		if entry.Webhooks != 1 || !entry.WebhookTaken.Equal(entry.Ended) || entry.WebhookWithheld || entry.WebhookForged {
			t.Errorf("entry = %+v", entry)
		}
	})
}

func TestWebhookLooksLikeOpenAIs(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		box := newInbox()
		sim := telling(t, box)
		created := create(t, sim, object{"background": true})
		id := text(t, created["id"])
		time.Sleep(time.Minute)
		m := box.received()[0]
		header := make(map[string]string)
		for name := range m.header {
			header[name] = m.header.Get(name)
		}
		digits := strings.TrimPrefix(id, "resp_")[:32]
		ended := int64(number(t, created["created_at"])) + 10
		if diff := cmp.Diff(map[string]string{
			"Content-Type": "application/json", "User-Agent": "OpenAI/1.0 (+https://platform.openai.com/docs/webhooks)",
			"Webhook-Id": "wh_" + digits, "Webhook-Timestamp": strconv.FormatInt(ended, 10), "Webhook-Signature": header["Webhook-Signature"],
		}, header); diff != "" || m.url != "http://worker/webhooks/openai" {
			t.Errorf("sent to %s (-want +got):\n%s", m.url, diff)
		}
		var event map[string]any
		if err := json.Unmarshal(m.body, &event); err != nil {
			t.Fatal(err)
		}
		if diff := cmp.Diff(map[string]any{
			"object": "event", "id": "evt_" + digits, "type": "response.completed", "created_at": float64(ended), "data": map[string]any{"id": id},
		}, event); diff != "" {
			t.Errorf("event (-want +got):\n%s", diff)
		}
	})
}

func TestWebhooksThatAreNotTakenAreSentAgain(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		box := newInbox()
		box.answer = func(n int) int { return []int{500, 302, 0, 404, 204}[n-1] }
		sim := telling(t, box)
		id := text(t, create(t, sim, object{"background": true})["id"])
		time.Sleep(time.Hour)
		completed := " 0 response.completed"
		if diff := cmp.Diff([]string{"10s" + completed, "11s" + completed, "13s" + completed, "17s" + completed, "25s" + completed}, box.told(id)); diff != "" {
			t.Errorf("told (-want +got):\n%s", diff)
		}
		received := box.received()
		for _, m := range received {
			if m.header.Get("Webhook-Id") != received[0].header.Get("Webhook-Id") || !bytes.Equal(m.body, received[0].body) {
				t.Errorf("a repeat is another event: %v %s", m.header, m.body)
			}
			if at := strconv.FormatInt(m.when.Unix(), 10); m.header.Get("Webhook-Timestamp") != at {
				t.Errorf("timestamp = %s, want that of the repeat, %s", m.header.Get("Webhook-Timestamp"), at)
			}
		}
		totals, entry := sim.Ledger().Totals, sim.Ledger().Entries[0]
		if totals.WebhooksSent != 5 || totals.WebhooksRefused != 4 || totals.WebhooksDelivered != 1 {
			t.Errorf("totals = %+v", totals)
		}
		if entry.Webhooks != 5 || entry.WebhookTaken.Sub(entry.Ended) != 15*time.Second {
			t.Errorf("entry = %+v", entry)
		}
	})
}

func TestWebhooksAreGivenUpAfterThreeDays(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		box := newInbox()
		box.answer = func(int) int { return 503 }
		sim := telling(t, box)
		create(t, sim, object{"background": true})
		time.Sleep(100 * time.Hour)
		received := box.received()
		last := received[len(received)-1].at
		// Twelve waits from a second to 2048 seconds, and then one an hour.
		if len(received) < 72 || last < 71*time.Hour || last > 72*time.Hour+10*time.Second {
			t.Errorf("%d webhooks, the last one after %s", len(received), last)
		}
		if got := sim.Ledger().Entries[0]; !got.WebhookTaken.IsZero() || got.Webhooks != len(received) {
			t.Errorf("entry = %+v", got)
		}
	})
}

func TestWebhookCarriesASignatureForEachSecret(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		box := newInbox()
		sim := newSimulator(t, simulator.Config{Transport: box, Webhooks: []simulator.Webhook{
			{URL: "http://worker/", Secrets: []string{secretA, secretB}},
			{URL: "http://other/", Secrets: []string{"any text"}},
		}})
		create(t, sim, object{"background": true})
		synctest.Wait()
		for _, m := range box.received() {
			if m.url == "http://other/" {
				if _, err := m.open("any text"); err != nil {
					t.Error(err)
				}
				continue
			}
			for _, secret := range []string{secretA, secretB} {
				if _, err := m.open(secret); err != nil {
					t.Errorf("%s: %v", secret, err)
				}
			}
			if _, err := m.open("any text"); err == nil {
				t.Error("another secret verifies it too")
			}
		}
		if got := len(box.received()); got != 2 {
			t.Errorf("%d webhooks, want one to each address", got)
		}
	})
}

func TestProjectsHaveWebhooksOfTheirOwn(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		box := newInbox()
		config := projects()
		config.Running, config.Transport = 0, box
		config.Webhooks = []simulator.Webhook{{URL: "http://none/", Secrets: []string{secretA}}}
		config.Projects[0].Webhooks = []simulator.Webhook{{URL: "http://a/", Secrets: []string{secretA}}}
		sim := newSimulator(t, config)
		for _, key := range []string{"key-b", "key-a", "user-key"} {
			create(t, sim, object{"background": true}, "Authorization: Bearer "+key)
			synctest.Wait()
		}
		var urls []string
		for _, m := range box.received() {
			urls = append(urls, m.url)
		}
		if diff := cmp.Diff([]string{"http://a/", "http://none/"}, urls); diff != "" {
			t.Errorf("told (-want +got):\n%s", diff)
		}
	})
}

func TestWebhooksAreConfiguredWhileServing(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		box := newInbox()
		box.answer = func(n int) int { return []int{200, 500, 200}[n-1] }
		sim := newSimulator(t, simulator.Config{Running: 10 * time.Second, Transport: box})
		first := text(t, create(t, sim, object{"background": true})["id"])
		time.Sleep(5 * time.Second)
		put := func(body string) answer { return call(t, sim, "PUT", "/_sim/config", body) }
		got := put(`{"webhooks":[{"url":"http://worker/","secrets":["` + secretA + `"]}],"webhook_retry":"3s"}`)
		if got.status != 200 || strings.Contains(got.raw, secretA) || !strings.Contains(got.raw, "http://worker/") {
			t.Errorf("PUT = %d %s", got.status, got.raw)
		}
		second := text(t, create(t, sim, object{"background": true})["id"])
		time.Sleep(11 * time.Second)
		put(`{"webhooks":[{"url":"http://moved/","secrets":["` + secretA + `"]}]}`)
		time.Sleep(time.Minute)
		if diff := cmp.Diff([]string{"10s 0 response.completed", "15s 1 response.completed", "18s 1 response.completed"}, box.told(first, second)); diff != "" {
			t.Errorf("told (-want +got):\n%s", diff)
		}
		if got := box.received()[2].url; got != "http://moved/" {
			t.Errorf("the repeat went to %s", got)
		}
		create(t, sim, object{"background": true})
		put(`{"webhooks":[]}`)
		time.Sleep(time.Minute)
		if got := len(box.received()); got != 3 {
			t.Errorf("%d webhooks, one of them to nobody", got)
		}
		for body, want := range map[string]string{
			`{"webhooks":[{"url":"worker","secrets":["s"]}]}`:                   "webhooks[0].url: ",
			`{"webhooks":[{"url":"http://worker/"}]}`:                           "webhooks[0].secrets: are missing",
			`{"webhooks":[{"url":"http://worker/","secrets":[""]}]}`:            "webhooks[0].secrets[0]: is empty",
			`{"webhooks":[{"url":"http://worker/","secrets":["whsec_%"]}]}`:     "webhooks[0].secrets[0]: is not",
			`{"webhooks":[{"url":"http://worker/","secrets":["whsec_AAAA"]}]}`:  "webhooks[0].secrets[0]: stands for 3 bytes",
			`{"projects":[{"id":"a","webhooks":[{"url":"","secrets":["s"]}]}]}`: "projects[0].webhooks[0].url: ",
			`{"webhook_retry":"-1s"}`:                                           "webhook_retry: ",
		} {
			if got := put(body); got.status != 400 || !strings.Contains(got.raw, want) {
				t.Errorf("PUT %s = %d %s, want one that says %q", body, got.status, got.raw, want)
			}
		}
	})
}

// TestWebhooksOverTCP shows what the inbox of other tests cannot: that redirects are not followed,
// and that Close ends a webhook that hangs.
func TestWebhooksOverTCP(t *testing.T) {
	elsewhere := httptest.NewServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) { t.Error("the redirect was followed") }))
	defer elsewhere.Close()
	arrived, ended := make(chan struct{}), make(chan struct{})
	var first sync.Once
	worker := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		body, err := io.ReadAll(r.Body)
		if err != nil {
			t.Errorf("read webhook: %v", err)
		}
		m := mail{when: time.Now(), header: r.Header, body: body}
		if _, err := m.open(secretA); err != nil {
			t.Errorf("webhook: %v", err)
		}
		redirect := false
		first.Do(func() { redirect = true })
		if redirect {
			http.Redirect(w, r, elsewhere.URL, http.StatusTemporaryRedirect)
			return
		}
		close(arrived)
		<-r.Context().Done()
		close(ended)
	}))
	defer worker.Close()
	sim := newSimulator(t, simulator.Config{WebhookRetry: time.Millisecond})
	if err := sim.Reconfigure(func(c *simulator.Config) {
		c.Webhooks = []simulator.Webhook{{URL: worker.URL, Secrets: []string{secretA}}}
	}); err != nil {
		t.Fatal(err)
	}
	create(t, sim, object{"background": true})
	<-arrived
	if got := sim.Ledger().Totals; got.WebhooksSent != 1 || got.WebhooksRefused != 1 {
		t.Errorf("totals after the redirect = %+v", got)
	}
	_ = sim.Close()
	<-ended
}
