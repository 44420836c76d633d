package simulator

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"strconv"
	"strings"
	"time"
)

// maxAdminBody bounds the bodies of /_sim requests.
const maxAdminBody = 4 << 20

// routeAdmin serves the routes below /_sim, which belong to the simulator and not to the API.
// They need no key: whoever reaches a stand-in may steer it.
func (e *exchange) routeAdmin(ctx context.Context, path string) {
	if id, ok := strings.CutPrefix(path, "responses/"); ok && e.r.Method == http.MethodDelete {
		e.forget(id)
		return
	}
	switch e.r.Method + " " + path {
	case "GET healthz":
		e.writeJSON(map[string]string{"status": "ok"})
	case "GET ledger":
		e.showLedger(ctx)
	case "DELETE ledger":
		e.sim.ResetLedger()
		e.w.WriteHeader(http.StatusNoContent)
	case "GET faults":
		e.showFaults()
	case "PUT faults":
		e.replaceFaults()
	case "DELETE faults":
		_ = e.sim.SetFaults(FaultPlan{}) // the empty plan is valid
		e.w.WriteHeader(http.StatusNoContent)
	case "GET config":
		e.writeJSON(e.settings.export())
	case "PUT config":
		e.changeConfig()
	default:
		e.refuse(e.errInvalidURL())
	}
}

// forget has a response expire, as all do at OpenAI after some time. The ledger keeps its entry.
func (e *exchange) forget(id string) {
	if !e.sim.store.forget(id) {
		e.refuse(errResponseNotFound(clip(id, 128)))
		return
	}
	e.w.WriteHeader(http.StatusNoContent)
}

func (e *exchange) writeJSON(value any) {
	body, err := json.Marshal(value)
	if err != nil {
		e.refuse(&apiError{status: http.StatusInternalServerError, kind: "server_error", message: err.Error()})
		return
	}
	e.reply(http.StatusOK, append(body, '\n'))
}

func (e *exchange) showFaults() {
	set := e.sim.faults.Load()
	hits := make([]uint64, len(set.rules))
	for i, rule := range set.rules {
		hits[i] = rule.hits.Load()
	}
	e.writeJSON(struct {
		FaultPlan
		Hits []uint64 `json:"hits"` // per rule
	}{set.plan, hits})
}

func (e *exchange) replaceFaults() {
	var plan FaultPlan
	err := decodeStrict(http.MaxBytesReader(e.w, e.r.Body, maxAdminBody), &plan)
	if err == nil {
		err = e.sim.SetFaults(plan)
	}
	if err != nil {
		e.refuse(invalid("", "invalid_fault_plan", "Invalid fault plan: %s", err))
		return
	}
	e.showFaults()
}

// configPatch is the body of PUT /_sim/config; fields that are absent stay as they are.
type configPatch struct {
	Queued            *Duration  `json:"queued"`
	Running           *Duration  `json:"running"`
	Batch             *Duration  `json:"batch"`
	EnqueuedTokens    *int       `json:"enqueued_tokens"`
	Jitter            *float64   `json:"jitter"`
	RequestsPerMinute *int       `json:"requests_per_minute"`
	TokensPerMinute   *int       `json:"tokens_per_minute"`
	LimitPolls        *bool      `json:"limit_polls"`
	ExactTokens       *bool      `json:"exact_tokens"`
	WrongCitations    *float64   `json:"wrong_citations"`
	PollAfter         *Duration  `json:"poll_after"`
	Models            *[]string  `json:"models"`
	APIKeys           *[]string  `json:"api_keys"`
	Projects          *[]Project `json:"projects"`
	Webhooks          *[]Webhook `json:"webhooks"`
	WebhookRetry      *Duration  `json:"webhook_retry"`
}

func (p configPatch) apply(c Config) Config {
	if p.Queued != nil {
		c.Queued = time.Duration(*p.Queued)
	}
	if p.Running != nil {
		c.Running = time.Duration(*p.Running)
	}
	if p.Batch != nil {
		c.Batch = time.Duration(*p.Batch)
	}
	if p.EnqueuedTokens != nil {
		c.EnqueuedTokens = *p.EnqueuedTokens
	}
	if p.Jitter != nil {
		c.Jitter = *p.Jitter
	}
	if p.RequestsPerMinute != nil {
		c.RequestsPerMinute = *p.RequestsPerMinute
	}
	if p.TokensPerMinute != nil {
		c.TokensPerMinute = *p.TokensPerMinute
	}
	if p.ExactTokens != nil {
		c.ExactTokens = *p.ExactTokens
	}
	if p.WrongCitations != nil {
		c.WrongCitations = *p.WrongCitations
	}
	if p.LimitPolls != nil {
		c.LimitPolls = *p.LimitPolls
	}
	if p.PollAfter != nil {
		c.PollAfter = time.Duration(*p.PollAfter)
	}
	if p.Models != nil {
		c.Models = *p.Models
	}
	if p.APIKeys != nil {
		c.APIKeys = *p.APIKeys
	}
	if p.Projects != nil {
		c.Projects = *p.Projects
	}
	if p.Webhooks != nil {
		c.Webhooks = *p.Webhooks
	}
	if p.WebhookRetry != nil {
		c.WebhookRetry = time.Duration(*p.WebhookRetry)
	}
	return c
}

// export is the configuration as GET /_sim/config shows it. Keys and secrets are masked.
func (s *settings) export() configPatch {
	keys := maskKeys(s.APIKeys)
	projects := make([]Project, len(s.Projects))
	for i, p := range s.Projects {
		p.APIKeys, p.Webhooks = maskKeys(p.APIKeys), maskWebhooks(p.Webhooks)
		projects[i] = p
	}
	webhooks := maskWebhooks(s.Webhooks)
	return configPatch{
		Queued: new(Duration(s.Queued)), Running: new(Duration(s.Running)),
		Batch: new(Duration(s.Batch)), EnqueuedTokens: &s.EnqueuedTokens, Jitter: &s.Jitter,
		RequestsPerMinute: &s.RequestsPerMinute, TokensPerMinute: &s.TokensPerMinute, LimitPolls: &s.LimitPolls,
		ExactTokens: &s.ExactTokens, WrongCitations: &s.WrongCitations,
		PollAfter: new(Duration(s.PollAfter)), Models: &s.Models, APIKeys: &keys,
		Projects: &projects, Webhooks: &webhooks, WebhookRetry: new(Duration(s.WebhookRetry)),
	}
}

// maskWebhooks returns a copy of list with the secrets masked.
func maskWebhooks(list []Webhook) []Webhook {
	masked := make([]Webhook, len(list))
	for i, w := range list {
		masked[i] = Webhook{URL: w.URL, Secrets: maskKeys(w.Secrets)}
	}
	return masked
}

// changeConfig handles PUT config.
func (e *exchange) changeConfig() {
	var patch configPatch
	if err := decodeStrict(http.MaxBytesReader(e.w, e.r.Body, maxAdminBody), &patch); err != nil {
		e.refuse(invalid("", "invalid_config", "Invalid configuration: %s", err))
		return
	}
	if err := e.sim.Reconfigure(func(c *Config) { *c = patch.apply(*c) }); err != nil {
		e.refuse(invalid("", "invalid_config", "Invalid configuration: %s", err))
		return
	}
	e.writeJSON(e.sim.live.Load().export())
}

// showLedger sends the ledger, as one JSON object or, with format=ndjson, one entry a line.
// Parameters named metadata.KEY keep only entries with that pair; after (an id) and limit page.
func (e *exchange) showLedger(ctx context.Context) {
	query := e.r.URL.Query()
	filter := make(map[string]string)
	for name := range query {
		if key, ok := strings.CutPrefix(name, "metadata."); ok {
			filter[key] = query.Get(name)
		}
	}
	ledger := e.sim.store.ledger(time.Now(), filter)
	entries, more, err := page(ledger.Entries, query.Get("after"), query.Get("limit"))
	if err != nil {
		e.refuse(invalid("", "invalid_value", "Invalid page: %s", err))
		return
	}
	e.identify()
	out := bufio.NewWriterSize(e.w, 64<<10)
	encoder := json.NewEncoder(out)
	if query.Get("format") == "ndjson" {
		e.w.Header().Set("Content-Type", "application/x-ndjson")
		for i := range entries {
			if err = encoder.Encode(&entries[i]); err != nil {
				break
			}
		}
	} else {
		e.w.Header().Set("Content-Type", "application/json")
		err = encoder.Encode(struct {
			Totals  Totals  `json:"totals"`
			Entries []Entry `json:"entries"`
			HasMore bool    `json:"has_more"`
		}{ledger.Totals, entries, more})
	}
	if err = errors.Join(err, out.Flush()); err != nil {
		e.sim.logger.LogAttrs(ctx, slog.LevelDebug, "ledger not read to its end", slog.Any("err", err))
	}
}

// page returns the entries behind the one with the id after, at most limit of them.
func page(entries []Entry, after, limit string) (rest []Entry, more bool, err error) {
	if after != "" {
		at := 0
		for at < len(entries) && entries[at].ID != after {
			at++
		}
		if at == len(entries) {
			return nil, false, fmt.Errorf("after: no entry %s", clip(after, 64))
		}
		entries = entries[at+1:]
	}
	if limit != "" {
		n, err := strconv.Atoi(limit)
		if err != nil || n < 1 {
			return nil, false, fmt.Errorf("limit: %s is not a positive number", clip(limit, 32))
		}
		if n < len(entries) {
			return entries[:n], true, nil
		}
	}
	return entries, false, nil
}
