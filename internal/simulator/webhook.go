package simulator

import (
	"crypto/hmac"
	"crypto/sha256"
	"encoding/base64"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"time"
)

// webhookAgent is how OpenAI's webhooks introduce themselves.
const webhookAgent = "OpenAI/1.0 (+https://platform.openai.com/docs/webhooks)"

// minWebhookKey is the size in bytes from which on OpenAI's clients take a secret.
const minWebhookKey = 24

// Webhook is an address that is told of each background response of a project that ends, with a
// POST signed as [Standard Webhooks] has it. It says no more than which response ended, and how:
//
//	{"object":"event","id":"evt_…","type":"response.completed","created_at":1795305600,"data":{"id":"resp_…"}}
//
// Any answer of the 200s within five seconds will do. After another one, or none, the same event
// is sent again under the same webhook-id, with a new timestamp and after a growing wait, for
// three days. Who is told decides the configuration at that time; the order is not that of
// the ends, and an event may come before the answer to the create.
//
// [Standard Webhooks]: https://www.standardwebhooks.com
type Webhook struct {
	// URL is where to send, http or https.
	URL string `json:"url"`
	// Secrets are what to sign with: one, or several while one gives way to another. One is
	// whsec_ and at least 24 bytes in base64, or any other text, which is taken as it is.
	Secrets []string `json:"secrets"`
}

// problems returns what is wrong with w.
func (w *Webhook) problems() []error {
	var errs []error
	u, err := url.Parse(w.URL)
	if err != nil || u.Scheme != "http" && u.Scheme != "https" || u.Host == "" {
		errs = append(errs, errors.New("url: is not the URL of an HTTP server, such as http://127.0.0.1:8080/webhooks/openai"))
	}
	if len(w.Secrets) == 0 {
		errs = append(errs, errors.New("secrets: are missing"))
	}
	for i, secret := range w.Secrets {
		if _, err := webhookKey(secret); err != nil {
			errs = append(errs, fmt.Errorf("secrets[%d]: %w", i, err))
		}
	}
	return errs
}

// webhookKey returns the key that a secret stands for.
func webhookKey(secret string) ([]byte, error) {
	encoded, prefixed := strings.CutPrefix(secret, "whsec_")
	if !prefixed {
		if secret == "" {
			return nil, errors.New("is empty")
		}
		return []byte(secret), nil
	}
	key, err := base64.StdEncoding.Strict().DecodeString(encoded)
	if err != nil {
		return nil, errors.New("is not whsec_ and base64")
	}
	if len(key) < minWebhookKey {
		return nil, fmt.Errorf("stands for %d bytes, and has to for %d", len(key), minWebhookKey)
	}
	return key, nil
}

// signature is one element of the header webhook-signature.
func signature(key []byte, id, timestamp string, body []byte) string {
	mac := hmac.New(sha256.New, key)
	_, _ = mac.Write([]byte(id + "." + timestamp + ".")) // never fails
	_, _ = mac.Write(body)
	return "v1," + base64.StdEncoding.EncodeToString(mac.Sum(nil))
}

// notice is what a webhook tells.
type notice struct {
	responseID string
	status     Status
	at         int64 // the end, in Unix nanoseconds
}

// id is the webhook-id, the same whenever the notice is sent again.
func (n *notice) id() string { return "wh_" + n.responseID[len(responsePrefix):][:32] }

// body is the event.
func (n *notice) body() []byte {
	dst := append(make([]byte, 0, 256), `{"object":"event","id":"evt_`...)
	dst = append(dst, n.responseID[len(responsePrefix):][:32]...)
	dst = append(append(dst, `","type":"response.`...), n.status...)
	dst = appendInt(append(dst, `","created_at":`...), int(n.at/int64(time.Second)))
	dst = appendQuoted(append(dst, `,"data":{"id":`...), n.responseID)
	return append(dst, "}}"...)
}

// letter is a webhook as it is sent: headers and body.
type letter struct {
	header http.Header
	body   []byte
}

// write makes the letter for a notice that is sent now.
func (w *Webhook) write(n *notice, now time.Time) *letter {
	l := &letter{header: make(http.Header), body: n.body()}
	timestamp := strconv.FormatInt(now.Unix(), 10)
	signatures := make([]string, len(w.Secrets))
	for i, secret := range w.Secrets {
		key, err := webhookKey(secret)
		if err != nil {
			continue // was refused when it was configured
		}
		signatures[i] = signature(key, n.id(), timestamp, l.body)
	}
	l.header.Set("Content-Type", "application/json")
	l.header.Set("User-Agent", webhookAgent)
	l.header.Set("Webhook-Id", n.id())
	l.header.Set("Webhook-Timestamp", timestamp)
	l.header.Set("Webhook-Signature", strings.Join(signatures, " "))
	return l
}
