package simulator

import (
	"bytes"
	"context"
	"io"
	"log/slog"
	"net/http"
	"strconv"
	"strings"
	"time"
)

// How a webhook is forged; the names are values of [FaultAction.Forge].
const (
	forgeSignature = "signature"
	forgeSecret    = "secret"
	forgeTimestamp = "timestamp"
	forgeBody      = "body"
	forgeUnsigned  = "unsigned"
)

// staleTimestamp is how old a webhook with a forged timestamp says to be.
const staleTimestamp = time.Hour

// delivery is a webhook on its way to one address.
type delivery struct {
	record     *record
	notice     notice
	address    int    // among the webhooks of the response's project
	forge      string // how it is forged; empty if it is genuine
	copied     bool   // it was sent before, or is at the same time
	overtakers int    // how many others have to be delivered first
	attempts   int    // that were made
}

// once reports whether it is sent only once, whatever becomes of it.
func (d *delivery) once() bool { return d.copied || d.forge != "" }

// deliver sends a webhook, and plans to send it again if it is not taken.
func (c *courier) deliver(ctx context.Context, d *delivery) {
	set := c.sim.live.Load()
	addresses := set.webhooks[d.record.project]
	if d.address >= len(addresses) {
		return // nobody wants to know any more
	}
	d.attempts++
	started := time.Now()
	taken := c.send(ctx, &addresses[d.address], d)
	if ctx.Err() != nil {
		return
	}
	c.sim.store.delivered(d, taken, time.Now())
	switch {
	case taken:
		c.overtaken(d.record)
	case !d.once():
		if again := time.Now().Add(webhookWait(set.WebhookRetry, d.attempts)); again.UnixNano() < d.notice.at+int64(webhookPeriod) {
			c.plan(appointment{at: again.UnixNano(), kind: toSend, delivery: d})
		}
	}
	if c.sim.logger.Enabled(ctx, slog.LevelDebug) {
		c.sim.logger.LogAttrs(ctx, slog.LevelDebug, "webhook sent", slog.Bool("taken", taken),
			slog.Int("attempt", d.attempts), slog.Duration("elapsed", time.Since(started)))
	}
}

// send posts the letter, and reports whether it was taken.
func (c *courier) send(ctx context.Context, to *Webhook, d *delivery) bool {
	l := d.letter(to, time.Now())
	r, err := http.NewRequestWithContext(ctx, http.MethodPost, to.URL, bytes.NewReader(l.body))
	if err != nil {
		return false // was refused when it was configured
	}
	r.Header = l.header
	response, err := c.client.Do(r)
	if err != nil {
		return false
	}
	_, _ = io.Copy(io.Discard, io.LimitReader(response.Body, 64<<10)) // so that the connection can be used again
	_ = response.Body.Close()
	return response.StatusCode >= http.StatusOK && response.StatusCode < http.StatusMultipleChoices
}

// letter is what is sent, forged or not.
func (d *delivery) letter(to *Webhook, now time.Time) *letter {
	switch d.forge {
	case forgeTimestamp:
		now = now.Add(-staleTimestamp)
	case forgeSecret:
		to = &Webhook{Secrets: []string{"not the secret of " + strconv.Itoa(d.address)}}
	}
	l := to.write(&d.notice, now)
	switch d.forge {
	case forgeSignature:
		l.header.Set("Webhook-Signature", alter(l.header.Get("Webhook-Signature")))
	case forgeBody:
		id := d.notice.responseID
		l.body = bytes.Replace(l.body, []byte(id), []byte(responsePrefix+strings.Repeat("0", len(id)-len(responsePrefix))), 1)
	case forgeUnsigned:
		l.header.Del("Webhook-Signature")
	}
	return l
}

// alter changes each signature of a header in one character.
func alter(header string) string {
	signatures := strings.Fields(header)
	for i, s := range signatures {
		at, other := len("v1,"), "A"
		if s[at:at+1] == other {
			other = "B"
		}
		signatures[i] = s[:at] + other + s[at+1:]
	}
	return strings.Join(signatures, " ")
}

// webhookWait is how long to wait after the given number of attempts: it doubles.
func webhookWait(first time.Duration, attempts int) time.Duration {
	wait := first
	for i := 1; i < attempts && wait < maxWebhookWait; i++ {
		wait *= 2
	}
	return min(wait, maxWebhookWait)
}
