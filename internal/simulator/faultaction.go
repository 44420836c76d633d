package simulator

import (
	"errors"
	"fmt"
	"net/http"
	"slices"
	"time"
)

// codeTooLarge is the name of a failure that is not a code of the API's.
const codeTooLarge = "request_too_large"

// bodyStale is the body of a retrieval that answers what was true before.
const bodyStale = "stale"

// maxWords bounds how long an answer is asked to be.
const maxWords = 20_000

// maxCopies bounds how often one webhook is sent at once.
const maxCopies = 100

// FaultAction is what goes wrong. The first group decides about the one answer; the second,
// which only creates take, about the life of the response that is created; the third about the
// webhook that tells its end.
type FaultAction struct {
	// Delay passes before the request is handled, or, with Accept, before it is answered. A webhook
	// is late by that much.
	Delay Duration `json:"delay,omitempty"`
	// Status answers with this HTTP status. Without Accept, a create is then not accepted.
	Status int `json:"status,omitempty"`
	// Body is what comes with Status: openai (the default), text ({"error":"text"}), html,
	// empty, object ({}) or cut (JSON that ends in the middle). Without Status it replaces the
	// body of an answer that is otherwise right, so that a create is accepted. In place of that,
	// stale has one retrieval show the response as queued, whatever it is.
	Body string `json:"body,omitempty"`
	// Code, Type, Param and Message fill OpenAI's error body; each has a default that fits Status.
	// With a Status of 429 the codes insufficient_quota and resource_unavailable, which flex
	// processing answers without capacity, have words of their own.
	Code    string `json:"code,omitempty"`
	Type    string `json:"type,omitempty"`
	Param   string `json:"param,omitempty"`
	Message string `json:"message,omitempty"`
	// Headers are set on the answer, such as Retry-After; an empty value removes one.
	Headers map[string]string `json:"headers,omitempty"`
	// Accept has a create accepted and run although its answer is a fault.
	Accept bool `json:"accept,omitempty"`
	// Reset breaks the connection: before the work is accepted, or after.
	Reset string `json:"reset,omitempty"`
	// Hang never answers; it ends when the client leaves or the simulator is closed.
	Hang bool `json:"hang,omitempty"`

	// NeverEnds keeps the response in progress until it is cancelled.
	NeverEnds bool `json:"never_ends,omitempty"`
	// Fail ends the response failed, after its usual time.
	Fail *FaultFailure `json:"fail,omitempty"`
	// Incomplete ends the response incomplete for the given reason, max_output_tokens or
	// content_filter, with half of its answer, after its usual time.
	Incomplete string `json:"incomplete,omitempty"`
	// Answer spoils what the response answers, which then completes all the same: cut breaks it off
	// in the middle, and misshapen takes the last member of a JSON object away.
	Answer string `json:"answer,omitempty"`
	// Words has the answer be about as long, as far as the request has text for it: a summary of so
	// many words, and a statement for every 25 of them.
	Words int `json:"words,omitempty"`
	// Queued and Running replace the configured durations, without jitter.
	Queued  *Duration `json:"queued,omitempty"`
	Running *Duration `json:"running,omitempty"`
	// Stale has retrievals report the response as queued, whatever it is.
	Stale *FaultWindow `json:"stale,omitempty"`
	// Missing has retrievals answer 404.
	Missing *FaultWindow `json:"missing,omitempty"`
	// IgnoreBackground answers a background create with the completed response.
	IgnoreBackground bool `json:"ignore_background,omitempty"`
	// StreamCut ends every stream of the response after that many events.
	StreamCut int `json:"stream_cut,omitempty"`
	// StreamStall has every stream of the response fall silent after that many events and
	// stay open.
	StreamStall int `json:"stream_stall,omitempty"`
	// StreamRefuse refuses to stream the response again, as if it were older than five minutes.
	StreamRefuse bool `json:"stream_refuse,omitempty"`

	// Expire leaves that share of a batch's lines undone, from 0 to 1: the batch expires.
	Expire float64 `json:"expire,omitempty"`

	// Withhold never sends the webhook.
	Withhold bool `json:"withhold,omitempty"`
	// Early sends the webhook so long before the end of the response that it tells, or when the
	// response is created if that is later.
	Early Duration `json:"early,omitempty"`
	// Copies sends the webhook that many times more, all at once and under the same webhook-id.
	Copies int `json:"copies,omitempty"`
	// Behind keeps the webhook back until so many of other responses were delivered, or for ten
	// seconds if there are not as many.
	Behind int `json:"behind,omitempty"`
	// Forge sends, once and in place of the genuine webhook, one that nobody must believe: with an
	// altered signature, signed with another secret, with a timestamp of an hour ago, with a body
	// that was altered after it was signed (signature, secret, timestamp, body), or unsigned.
	Forge string `json:"forge,omitempty"`
}

// FaultFailure is the error of a response that fails. Message has a default for the codes
// server_error, rate_limit_exceeded and insufficient_quota. request_too_large stands for a
// rate_limit_exceeded whose message says that the request exceeds the limit by itself.
type FaultFailure struct {
	Code    string `json:"code"`
	Message string `json:"message,omitempty"`
}

// FaultWindow is the time during which a response misbehaves: its first retrievals, a time
// after its creation, or, if both are set, while either holds.
type FaultWindow struct {
	Gets int      `json:"gets,omitempty"`
	For  Duration `json:"for,omitempty"`
}

// open reports whether the window covers a response's nth retrieval at the given age.
func (w *FaultWindow) open(gets int, age time.Duration) bool {
	return w != nil && (gets <= w.Gets || age < time.Duration(w.For))
}

func (a *FaultAction) problems(op string) []error {
	var errs []error
	refuse := func(format string, args ...any) { errs = append(errs, fmt.Errorf("action."+format, args...)) }
	if a.Status != 0 && (a.Status < 200 || a.Status > 599) {
		refuse("status: %d is not between 200 and 599", a.Status)
	}
	if !slices.Contains([]string{"", "openai", "text", "html", "empty", "object", "cut", bodyStale}, a.Body) {
		refuse("body: %q is not openai, text, html, empty, object, cut or stale", a.Body)
	}
	if a.Body == bodyStale && (op != "get" || a.Status != 0) {
		refuse("body: stale needs match.op get and no status")
	}
	if !slices.Contains([]string{"", "before", "after"}, a.Reset) {
		refuse("reset: %q is not before or after", a.Reset)
	}
	if a.Reset == "before" && a.Accept {
		refuse("reset: before contradicts accept")
	}
	if a.Fail != nil && a.Fail.Code == "" {
		refuse("fail.code: is missing")
	}
	if !slices.Contains([]string{"", reasonMaxTokens, reasonFilter}, a.Incomplete) {
		refuse("incomplete: %q is not max_output_tokens or content_filter", a.Incomplete)
	}
	if a.Incomplete != "" && a.Fail != nil {
		refuse("incomplete: contradicts fail")
	}
	if !slices.Contains([]string{"", answerCut, answerMisshapen}, a.Answer) {
		refuse("answer: %q is not cut or misshapen", a.Answer)
	}
	if a.Words < 0 || a.Words > maxWords {
		refuse("words: %d is not between 0 and %d", a.Words, maxWords)
	}
	if a.NeverEnds && (a.Fail != nil || a.Incomplete != "" || a.IgnoreBackground) {
		refuse("never_ends: contradicts fail, incomplete and ignore_background")
	}
	for _, d := range []struct {
		name  string
		value *Duration
	}{{"delay", &a.Delay}, {"queued", a.Queued}, {"running", a.Running}} {
		if d.value != nil && (*d.value < 0 || time.Duration(*d.value) > maxConfiguredWait) {
			refuse("%s: %s is not between 0 and %s", d.name, time.Duration(*d.value), maxConfiguredWait)
		}
	}
	for _, w := range []struct {
		name  string
		value *FaultWindow
	}{{"stale", a.Stale}, {"missing", a.Missing}} {
		if w.value != nil && w.value.Gets <= 0 && w.value.For <= 0 {
			refuse("%s: needs gets or for", w.name)
		}
	}
	if a.StreamCut < 0 {
		refuse("stream_cut: %d is negative", a.StreamCut)
	}
	if a.StreamStall < 0 {
		refuse("stream_stall: %d is negative", a.StreamStall)
	}
	if !(a.Expire >= 0 && a.Expire <= 1) {
		refuse("expire: %v is not between 0 and 1", a.Expire)
	}
	if a.Expire > 0 && op != opBatch {
		refuse("expire: needs match.op batch")
	}
	errs = append(errs, a.webhookProblems(op)...)
	if a.shapesLife() && op != "create" && op != "" {
		errs = append(errs, errors.New("action: never_ends, fail, incomplete, answer, words, queued, running, stale, missing, ignore_background, "+
			"stream_cut, stream_stall and stream_refuse need match.op create"))
	}
	if !a.shapesLife() && !a.shapesAnswer() && !a.shapesWebhook() && a.Expire == 0 {
		errs = append(errs, errors.New("action: is empty"))
	}
	return errs
}

// webhookProblems returns what is wrong about webhooks.
func (a *FaultAction) webhookProblems(op string) []error {
	var errs []error
	refuse := func(format string, args ...any) { errs = append(errs, fmt.Errorf("action"+format, args...)) }
	others := *a
	others.Delay, others.Withhold, others.Early, others.Copies, others.Behind, others.Forge = 0, false, 0, 0, 0, ""
	switch {
	case op == opWebhook && (others.shapesAnswer() || others.shapesLife()):
		refuse(": webhooks take no more than delay, withhold, early, copies, behind and forge")
	case op != opWebhook && a.shapesWebhook():
		refuse(": withhold, early, copies, behind and forge need match.op webhook")
	}
	if a.Withhold && (a.Delay != 0 || a.Early != 0 || a.Copies != 0 || a.Behind != 0 || a.Forge != "") {
		refuse(".withhold: contradicts all else")
	}
	if a.Early < 0 || time.Duration(a.Early) > maxConfiguredWait {
		refuse(".early: %s is not between 0 and %s", time.Duration(a.Early), maxConfiguredWait)
	}
	if op == opWebhook && a.Delay != 0 && (a.Early != 0 || a.Behind != 0) {
		refuse(".delay: contradicts early and behind")
	}
	if a.Copies < 0 || a.Copies > maxCopies {
		refuse(".copies: %d is not between 0 and %d", a.Copies, maxCopies)
	}
	if a.Behind < 0 {
		refuse(".behind: %d is negative", a.Behind)
	}
	if kinds := []string{"", forgeSignature, forgeSecret, forgeTimestamp, forgeBody, forgeUnsigned}; !slices.Contains(kinds, a.Forge) {
		refuse(".forge: %q is not signature, secret, timestamp, body or unsigned", a.Forge)
	}
	return errs
}

// shapesWebhook reports whether the action changes how the end of a response is told, beyond a
// delay.
func (a *FaultAction) shapesWebhook() bool {
	return a.Withhold || a.Early != 0 || a.Copies != 0 || a.Behind != 0 || a.Forge != ""
}

// shapesLife reports whether the action changes the life of the response that is created.
func (a *FaultAction) shapesLife() bool {
	return a.NeverEnds || a.Fail != nil || a.Incomplete != "" || a.Answer != "" || a.Words != 0 || a.Queued != nil || a.Running != nil || a.Stale != nil || a.Missing != nil ||
		a.IgnoreBackground || a.StreamCut != 0 || a.StreamStall != 0 || a.StreamRefuse
}

// shapesAnswer reports whether the action changes the answer to the request.
func (a *FaultAction) shapesAnswer() bool {
	return a.Delay != 0 || a.Status != 0 || a.Body != "" || len(a.Headers) > 0 || a.Reset != "" || a.Hang || a.Accept
}

// replaces reports whether the action puts an answer of its own in place of the right one, or
// none at all.
func (a *FaultAction) replaces() bool {
	switch {
	case a.Hang, a.Reset != "", a.Status >= http.StatusMultipleChoices:
		return true
	case a.Status == 0:
		return false
	}
	return a.Body != "" && a.Body != "openai" && a.Body != "cut" && a.Body != bodyStale
}

// refuses reports whether what was asked for is not done.
func (a *FaultAction) refuses() bool {
	return a.replaces() && !a.Accept && a.Reset != "after"
}

// earlyDelay is what passes before a create is accepted.
func (a *FaultAction) earlyDelay() time.Duration {
	if a.Accept {
		return 0
	}
	return time.Duration(a.Delay)
}

// lateDelay is what passes between a create's acceptance and its answer.
func (a *FaultAction) lateDelay() time.Duration { return time.Duration(a.Delay) - a.earlyDelay() }

// apiError is the body that the action's status comes with.
func (a *FaultAction) apiError() *apiError {
	err := &apiError{status: a.Status, kind: "invalid_request_error", message: http.StatusText(a.Status)}
	switch {
	case a.Code == "insufficient_quota":
		err = errQuota()
	case a.Code == "resource_unavailable":
		// OpenAI's guide to flex processing has these words; the rest of the body is not documented.
		err.kind, err.message = "resource_unavailable", "Resource Unavailable"
	case a.Status == http.StatusTooManyRequests:
		err.kind, err.code = "requests", "rate_limit_exceeded"
		err.message = "Rate limit reached. Please slow down."
	case a.Status == http.StatusUnauthorized:
		err.code, err.message = "invalid_api_key", "Incorrect API key provided."
	case a.Status == http.StatusServiceUnavailable:
		err.kind, err.message = "server_error", "The server is currently overloaded with other requests. Sorry about that! You can retry your request."
	case a.Status >= http.StatusInternalServerError:
		err.kind, err.message = "server_error", serverErrorMessage
	}
	err.status, err.param = a.Status, a.Param
	if a.Code != "" {
		err.code = a.Code
	}
	if a.Type != "" {
		err.kind = a.Type
	}
	if a.Message != "" {
		err.message = a.Message
	}
	return err
}

// failure is the error of a response of the model that f has fail.
func (f *FaultFailure) failure(model string) failure {
	out := failure{Code: f.Code, Message: f.Message}
	if f.Code == codeTooLarge {
		out.Code = "rate_limit_exceeded"
	}
	if out.Message == "" {
		switch f.Code {
		case codeTooLarge:
			never := allowance{limit: 30_000, requested: 50_000}
			out.Message = never.refusal(model, "tokens", unitTPM).message
		case "insufficient_quota":
			out.Message = quotaMessage
		case "rate_limit_exceeded":
			out.Message = "Rate limit reached. Please try again in 1s."
		default:
			out.Message = "An error occurred while processing your request. You can retry your request, or contact us through our help center at help.openai.com if the error persists."
		}
	}
	return out
}
