package responses_test

import (
	"crypto/hmac"
	"crypto/sha256"
	"encoding/base64"
	"net/http"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/longhaul-jobs/longhaul/internal/responses"
	"github.com/longhaul-jobs/longhaul/jobs"
)

// secretOf is a signing secret of 24 bytes.
func secretOf(b byte) string {
	return "whsec_" + base64.StdEncoding.EncodeToString([]byte(strings.Repeat(string(b), 24)))
}

// sign makes the headers of a webhook, as Standard Webhooks describes them: HMAC
// with SHA-256 over id, time and body, with a dot between two.
func sign(t *testing.T, secret, id string, at time.Time, body string) http.Header {
	t.Helper()
	key, err := base64.StdEncoding.DecodeString(strings.TrimPrefix(secret, "whsec_"))
	if err != nil {
		t.Fatal(err)
	}
	stamp := strconv.FormatInt(at.Unix(), 10)
	mac := hmac.New(sha256.New, key)
	mac.Write([]byte(id + "." + stamp + "." + body))
	h := make(http.Header)
	h.Set("Webhook-Id", id)
	h.Set("Webhook-Timestamp", stamp)
	h.Set("Webhook-Signature", "v1,"+base64.StdEncoding.EncodeToString(mac.Sum(nil)))
	return h
}

const completed = `{"id":"evt_1","object":"event","type":"response.completed","created_at":1,"data":{"id":"resp_1"}}`

func TestVerifyWebhook(t *testing.T) {
	t.Parallel()
	now := time.Date(2026, time.November, 25, 12, 0, 0, 0, time.UTC)
	w, err := responses.NewWebhooks([]responses.WebhookSecret{
		{Endpoint: "default", Secret: secretOf('a')}, {Endpoint: "default", Secret: secretOf('b')}, {Endpoint: "eu", Secret: secretOf('c')},
	})
	if err != nil {
		t.Fatal(err)
	}
	good := jobs.Notice{ID: "wh_1", Endpoint: "default", Type: "response.completed", ResponseID: "resp_1"}
	for _, tt := range []struct {
		name   string
		header http.Header
		body   string
		want   jobs.Notice
		class  jobs.Class // "" for none
	}{
		{"signed", sign(t, secretOf('a'), "wh_1", now, completed), completed, good, ""},
		{"signed by the secret that replaces it", sign(t, secretOf('b'), "wh_1", now, completed), completed, good, ""},
		{
			"of another endpoint", sign(t, secretOf('c'), "wh_1", now, completed), completed,
			jobs.Notice{ID: "wh_1", Endpoint: "eu", Type: "response.completed", ResponseID: "resp_1"},
			"",
		},
		{"with several signatures", func() http.Header {
			h := sign(t, secretOf('a'), "wh_1", now, completed)
			h.Set("Webhook-Signature", "v1,bm9uc2Vuc2U= v2,x "+h.Get("Webhook-Signature"))
			return h
		}(), completed, good, ""},
		{"five minutes old", sign(t, secretOf('a'), "wh_1", now.Add(-5*time.Minute), completed), completed, good, ""},
		{
			"about a batch", sign(t, secretOf('a'), "wh_2", now, `{"type":"batch.completed","data":{"id":"batch_1"}}`),
			`{"type":"batch.completed","data":{"id":"batch_1"}}`,
			jobs.Notice{ID: "wh_2", Endpoint: "default", Type: "batch.completed"},
			"",
		},
		{"older", sign(t, secretOf('a'), "wh_1", now.Add(-5*time.Minute-time.Second), completed), completed, jobs.Notice{}, jobs.ClassUnauthorized},
		{"of the future", sign(t, secretOf('a'), "wh_1", now.Add(6*time.Minute), completed), completed, jobs.Notice{}, jobs.ClassUnauthorized},
		{"signed by nobody we know", sign(t, secretOf('z'), "wh_1", now, completed), completed, jobs.Notice{}, jobs.ClassUnauthorized},
		{"changed on the way", sign(t, secretOf('a'), "wh_1", now, completed), strings.Replace(completed, "resp_1", "resp_2", 1), jobs.Notice{}, jobs.ClassUnauthorized},
		{"with another id", func() http.Header {
			h := sign(t, secretOf('a'), "wh_1", now, completed)
			h.Set("Webhook-Id", "wh_2")
			return h
		}(), completed, jobs.Notice{}, jobs.ClassUnauthorized},
		{"not signed", http.Header{}, completed, jobs.Notice{}, jobs.ClassUnauthorized},
		{"signed nonsense", sign(t, secretOf('a'), "wh_1", now, "nonsense"), "nonsense", jobs.Notice{}, jobs.ClassInvalid},
		{
			"about no response", sign(t, secretOf('a'), "wh_1", now, `{"type":"response.completed","data":{"id":"a b"}}`),
			`{"type":"response.completed","data":{"id":"a b"}}`,
			jobs.Notice{},
			jobs.ClassInvalid,
		},
		{"with a long id", sign(t, secretOf('a'), strings.Repeat("w", 200), now, completed), completed, jobs.Notice{}, jobs.ClassInvalid},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			got, err := w.Verify(tt.header, []byte(tt.body), now)
			if (err == nil) != (tt.class == "") || err != nil && jobs.ClassOf(err) != tt.class {
				t.Fatalf("error %v, want class %q", err, tt.class)
			}
			if diff := cmp.Diff(tt.want, got); diff != "" {
				t.Errorf("notice (-want +got):\n%s", diff)
			}
		})
	}
}

func TestWebhookSecretsAreChecked(t *testing.T) {
	t.Parallel()
	for _, bad := range []string{"", "whsec_", "whsec_c2hvcnQ=", "whsec_not base64 at all, but long enough"} {
		_, err := responses.NewWebhooks([]responses.WebhookSecret{{Endpoint: "eu", Secret: bad}})
		if err == nil || !strings.Contains(err.Error(), "eu") || len(bad) > 6 && strings.Contains(err.Error(), bad[6:]) {
			t.Errorf("%q: error %v, want one that names the endpoint and not the secret", bad, err)
		}
	}
	w, err := responses.NewWebhooks(nil)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := w.Verify(sign(t, secretOf('a'), "wh_1", time.Now(), completed), []byte(completed), time.Now()); jobs.ClassOf(err) != jobs.ClassUnauthorized {
		t.Errorf("without a secret: %v", err)
	}
}
