package simulator

import (
	"fmt"
	"math"
	"net/http"
	"strconv"
	"sync"
	"time"
)

// Limits that the headers show where none is configured.
const (
	nominalRequests = 10_000_000
	nominalTokens   = 10_000_000_000
)

// unitTPM is what messages call the limit of tokens.
const unitTPM = "tokens per min (TPM)"

// limiter counts requests and tokens per project and model, as OpenAI does. What was used drains evenly
// over a minute, so that limits may change at any time.
type limiter struct {
	mu    sync.Mutex
	usage map[limited]*limitUsage
}

// limited is what has limits of its own.
type limited struct{ project, name string }

type limitUsage struct {
	requests, tokens float64
	at               time.Time // when both were last drained
}

func newLimiter() *limiter { return &limiter{usage: make(map[limited]*limitUsage)} }

// grant is the limiter's answer to one request.
type grant struct {
	requests, tokens allowance
}

// allowance is how one limit stands after a request.
type allowance struct {
	limit     int
	used      int // before the request
	requested int
	remaining int
	reset     time.Duration // until all of it is available again
	refused   bool
	wait      time.Duration // until the request would fit; 0 if it never does
}

// take counts a request against the limits of a project's model, unless one of them has no room for it.
func (l *limiter) take(now time.Time, project, name string, requestLimit, tokenLimit, tokens int) grant {
	l.mu.Lock()
	defer l.mu.Unlock()
	of := limited{project, name}
	u, ok := l.usage[of]
	if !ok {
		u = &limitUsage{at: now}
		l.usage[of] = u
	}
	minutes := now.Sub(u.at).Minutes()
	u.at = now
	requests := newAllowance(requestLimit, nominalRequests, 1, &u.requests, minutes)
	spent := newAllowance(tokenLimit, nominalTokens, tokens, &u.tokens, minutes)
	if !requests.refused && !spent.refused {
		requests.charge(&u.requests, requestLimit > 0)
		spent.charge(&u.tokens, tokenLimit > 0)
	}
	return grant{requests, spent}
}

// newAllowance drains what was used and sees whether the request fits.
func newAllowance(limit, nominal, requested int, used *float64, minutes float64) allowance {
	if limit <= 0 { // nothing is counted, but the headers look as if
		*used = 0
		return allowance{limit: nominal, requested: requested, remaining: nominal}
	}
	*used = max(0, *used-minutes*float64(limit))
	a := allowance{limit: limit, used: int(math.Round(*used)), requested: requested}
	a.remaining = max(0, int(float64(limit)-*used))
	a.reset = drainTime(*used, limit)
	if over := *used + float64(requested) - float64(limit); over > 1e-9 {
		a.refused = true
		if requested <= limit {
			a.wait = max(drainTime(over, limit), time.Millisecond)
		}
	}
	return a
}

// charge takes the request from the allowance.
func (a *allowance) charge(used *float64, counted bool) {
	a.remaining = max(0, a.remaining-a.requested)
	if counted {
		*used += float64(a.requested)
		a.reset = drainTime(*used, a.limit)
	} else {
		a.reset = drainTime(float64(a.requested), a.limit)
	}
}

// drainTime is how long it takes until the given use is forgotten.
func drainTime(used float64, limit int) time.Duration {
	return time.Duration(math.Ceil(used/float64(limit)*float64(time.Minute/time.Millisecond))) * time.Millisecond
}

// limit takes a create from the limits and sets the headers that tell about them.
func (e *exchange) limit(q *request) *apiError {
	// OpenAI counts what a request may use at most: the larger of its input and its output cap.
	tokens := max(q.inputTokens, q.maxOutput)
	g := e.sim.limiter.take(e.started, e.project, q.model.name, e.settings.RequestsPerMinute, e.settings.TokensPerMinute, tokens)
	e.describe(g)
	return g.refusal(q.model.name)
}

// limitPoll does the same for retrievals where they are limited, and reports whether the
// request may go on.
func (e *exchange) limitPoll() bool {
	if !e.settings.LimitPolls {
		return true
	}
	g := e.sim.limiter.take(e.started, e.project, "polls", e.settings.RequestsPerMinute, 0, 0)
	e.describe(g)
	if err := g.refusal("polls"); err != nil {
		e.refuse(err)
		return false
	}
	return true
}

// describe sets the x-ratelimit headers.
func (e *exchange) describe(g grant) {
	header := e.w.Header()
	header["X-Ratelimit-Limit-Requests"] = []string{strconv.Itoa(g.requests.limit)}
	header["X-Ratelimit-Remaining-Requests"] = []string{strconv.Itoa(g.requests.remaining)}
	header["X-Ratelimit-Reset-Requests"] = []string{g.requests.reset.String()}
	header["X-Ratelimit-Limit-Tokens"] = []string{strconv.Itoa(g.tokens.limit)}
	header["X-Ratelimit-Remaining-Tokens"] = []string{strconv.Itoa(g.tokens.remaining)}
	header["X-Ratelimit-Reset-Tokens"] = []string{g.tokens.reset.String()}
}

// refusal is the 429 for a request that did not fit, or nil.
func (g *grant) refusal(model string) *apiError {
	switch {
	case g.tokens.refused:
		return g.tokens.refusal(model, "tokens", unitTPM)
	case g.requests.refused:
		return g.requests.refusal(model, "requests", "requests per min (RPM)")
	}
	return nil
}

func (a *allowance) refusal(model, kind, unit string) *apiError {
	err := &apiError{status: http.StatusTooManyRequests, kind: kind, code: "rate_limit_exceeded"}
	if a.wait == 0 {
		err.message = fmt.Sprintf("Request too large for %s in organization %s on %s: Limit %d, Requested %d. "+
			"The input or output tokens must be reduced in order to run successfully. "+
			"Visit https://platform.openai.com/account/rate-limits to learn more.", model, organization, unit, a.limit, a.requested)
		return err
	}
	err.retryAfter = a.wait
	err.message = fmt.Sprintf("Rate limit reached for %s in organization %s on %s: Limit %d, Used %d, Requested %d. "+
		"Please try again in %s. Visit https://platform.openai.com/account/rate-limits to learn more.",
		model, organization, unit, a.limit, a.used, a.requested, a.wait)
	return err
}
