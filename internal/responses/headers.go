package responses

import (
	"math"
	"net/http"
	"strconv"
	"strings"
	"time"

	"github.com/longhaul-jobs/longhaul/jobs"
)

const (
	maxRequestID = 128
	// maxRetryAfter and maxPollAfter bound what a header may ask for.
	maxRetryAfter = 24 * time.Hour
	maxPollAfter  = time.Hour
)

// requestID returns the provider's id of the request, "" if it has none that
// can be shown.
func requestID(h http.Header) string {
	id := h.Get("X-Request-Id")
	if !validHeader(id, maxRequestID) {
		return ""
	}
	return id
}

// pollAfter returns the wait that the provider wishes before the next look.
func pollAfter(h http.Header) time.Duration {
	d, _ := number(h.Get("Openai-Poll-After-Ms"), time.Millisecond)
	return min(d, maxPollAfter)
}

// retryAfter returns how long the provider wants us to stay away, 0 if it does
// not say. A limit that was hit says it in the header of that limit if there is
// no Retry-After.
func retryAfter(status int, h http.Header, p problem) time.Duration {
	if d, ok := number(h.Get("Retry-After-Ms"), time.Millisecond); ok {
		return min(d, maxRetryAfter)
	}
	value := h.Get("Retry-After")
	if d, ok := number(value, time.Second); ok {
		return min(d, maxRetryAfter)
	}
	if at, err := http.ParseTime(value); err == nil {
		return min(max(at.Sub(serverTime(h)), 0), maxRetryAfter)
	}
	if status != http.StatusTooManyRequests {
		return 0
	}
	var d time.Duration
	if h.Get("X-Ratelimit-Remaining-Requests") == "0" || p.says("requests per") {
		d = max(d, reset(h.Get("X-Ratelimit-Reset-Requests")))
	}
	if h.Get("X-Ratelimit-Remaining-Tokens") == "0" || p.says("tokens per") {
		d = max(d, reset(h.Get("X-Ratelimit-Reset-Tokens")))
	}
	return min(d, maxRetryAfter)
}

// rateLimits returns what the headers say of the account's limits. A limit without
// what remains of it, or the other way round, says nothing.
func rateLimits(h http.Header) jobs.RateLimits {
	var l jobs.RateLimits
	read := func(of string, limit, remaining *int) {
		all, err := strconv.Atoi(strings.TrimSpace(h.Get("X-Ratelimit-Limit-" + of)))
		left, failed := strconv.Atoi(strings.TrimSpace(h.Get("X-Ratelimit-Remaining-" + of)))
		if err == nil && failed == nil && all > 0 {
			*limit, *remaining = all, min(max(left, 0), all)
		}
	}
	read("Requests", &l.LimitRequests, &l.RemainingRequests)
	read("Tokens", &l.LimitTokens, &l.RemainingTokens)
	return l
}

// serverTime is now by the provider's clock: a date that it sends is meant by
// that clock, and ours may be off.
func serverTime(h http.Header) time.Time {
	if t, err := http.ParseTime(h.Get("Date")); err == nil {
		return t
	}
	return time.Now()
}

// reset reads "1s", "6m0s" or "12ms".
func reset(value string) time.Duration {
	d, err := time.ParseDuration(strings.TrimSpace(value))
	if err != nil {
		return 0
	}
	return max(d, 0)
}

// number reads a count of units that is not negative.
func number(value string, unit time.Duration) (time.Duration, bool) {
	n, err := strconv.ParseFloat(strings.TrimSpace(value), 64)
	if err != nil || math.IsNaN(n) || n < 0 {
		return 0, false
	}
	if n *= float64(unit); n >= float64(maxRetryAfter) {
		return maxRetryAfter, true
	}
	return time.Duration(n), true
}
