package responses_test

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/longhaul-jobs/longhaul/internal/responses"
	"github.com/longhaul-jobs/longhaul/jobs"
)

const htmlBody = "<!DOCTYPE html><html><head><title>502 Bad Gateway</title></head></html>"

// apiError is an error body as OpenAI writes it.
func apiError(message, kind, code string) string {
	return fmt.Sprintf(`{"error":{"message":%q,"type":%q,"param":null,"code":%q}}`, message, kind, code)
}

func TestClassOfAnAnswer(t *testing.T) {
	t.Parallel()
	const (
		ambiguous, conflict, internal, invalid = jobs.ClassAmbiguous, jobs.ClassConflict, jobs.ClassInternal, jobs.ClassInvalid
		lost, quota, rate, rejected            = jobs.ClassLost, jobs.ClassQuota, jobs.ClassRateLimited, jobs.ClassRejected
		unauthorized, unavailable              = jobs.ClassUnauthorized, jobs.ClassUnavailable
	)
	ours := apiError("Something is wrong.", "some_error", "")
	tests := []struct {
		name   string
		status int
		body   string
		// The classes for create, look and cancel. Input items are like look,
		// delete is like cancel.
		create, look, cancel jobs.Class
	}{
		{"empty object", 200, `{}`, ambiguous, unavailable, unavailable},
		{"array", 200, `[{"id":"resp_1"}]`, ambiguous, unavailable, unavailable},
		{"null", 200, `null`, ambiguous, unavailable, unavailable},
		{"empty", 200, ``, ambiguous, unavailable, unavailable},
		{"HTML", 200, htmlBody, ambiguous, unavailable, unavailable},
		{"cut", 200, `{"object":"resp`, ambiguous, unavailable, unavailable},
		{"error with success", 200, ours, ambiguous, unavailable, unavailable},
		{"accepted, empty", 202, ``, ambiguous, unavailable, unavailable},

		{"moved", 301, ``, internal, unavailable, unavailable},
		{"found, as a login page is", 302, htmlBody, internal, unavailable, unavailable},
		{"see other", 303, ``, ambiguous, unavailable, unavailable},
		{"temporary redirect", 307, ``, internal, unavailable, unavailable},

		{"invalid", 400, ours, invalid, unavailable, conflict},
		{"invalid, text", 400, `{"error":"text"}`, invalid, unavailable, conflict},
		{"invalid, detail", 400, `{"detail":"text"}`, invalid, unavailable, conflict},
		{"invalid, list of details", 400, `{"detail":[{"msg":"text"}]}`, invalid, unavailable, conflict},
		{"invalid, HTML", 400, htmlBody, invalid, unavailable, conflict},
		{"invalid, empty", 400, ``, invalid, unavailable, conflict},
		{"invalid, cut", 400, `{"error":{"mess`, invalid, unavailable, conflict},
		{"invalid, empty object", 400, `{}`, invalid, unavailable, conflict},
		{"locked conversation", 400, apiError("Another process is currently operating on this conversation.", "invalid_request_error", "conversation_locked"), conflict, unavailable, conflict},
		{"policy", 400, apiError("No.", "invalid_request_error", "content_policy_violation"), rejected, unavailable, conflict},
		{"bio policy", 400, apiError("No.", "invalid_request_error", "bio_policy"), rejected, unavailable, conflict},
		{"no credit, as 400", 400, apiError("Limit.", "billing", "billing_hard_limit_reached"), quota, unavailable, conflict},
		{"parent is not there", 400, apiError("No.", "invalid_request_error", "previous_response_not_found"), invalid, unavailable, conflict},
		{"image was not there", 400, apiError("No.", "invalid_request_error", "failed_to_download_image"), unavailable, unavailable, conflict},
		{"code that nobody knows", 400, apiError("No.", "x", "brand_new_code"), invalid, unavailable, conflict},
		{"code that is a number", 400, `{"error":{"message":"m","code":400}}`, invalid, unavailable, conflict},

		{"bad key", 401, apiError("Incorrect API key provided", "invalid_request_error", "invalid_api_key"), unauthorized, unauthorized, unauthorized},
		{"bad key, empty", 401, ``, unauthorized, unauthorized, unauthorized},
		{"not paid", 402, ``, quota, unavailable, unavailable},
		{"forbidden", 403, ours, unauthorized, unauthorized, unauthorized},
		{"forbidden, HTML", 403, htmlBody, unauthorized, unauthorized, unauthorized},
		{"proxy wants a password", 407, ``, unauthorized, unauthorized, unauthorized},

		{"not found", 404, apiError("Response with id 'resp_1' not found.", "invalid_request_error", ""), invalid, lost, lost},
		{"no such model", 404, apiError("The model does not exist", "invalid_request_error", "model_not_found"), invalid, lost, lost},
		{"not found, HTML", 404, htmlBody, unavailable, unavailable, unavailable},
		{"not found, empty", 404, ``, unavailable, unavailable, unavailable},
		{"not found, detail", 404, `{"detail":"Not Found"}`, unavailable, unavailable, unavailable},
		{"not found, text", 404, `{"error":"not found"}`, unavailable, unavailable, unavailable},
		{"not found, empty error", 404, `{"error":{}}`, unavailable, unavailable, unavailable},
		{"not found, no error", 404, `{"error":null,"detail":"Not Found"}`, unavailable, unavailable, unavailable},
		{"no such path", 404, apiError("Invalid URL (POST /responses)", "invalid_request_error", ""), internal, unavailable, unavailable},
		{"no such method", 405, ``, internal, unavailable, unavailable},
		{"timeout", 408, ``, ambiguous, unavailable, unavailable},
		{"conflict", 409, ours, conflict, unavailable, conflict},
		{"too large", 413, htmlBody, invalid, unavailable, unavailable},
		{"teapot", 418, ``, invalid, unavailable, unavailable},
		{"unprocessable", 422, `{"detail":[{"loc":["body"],"msg":"m"}]}`, invalid, unavailable, unavailable},

		{"too many", 429, apiError("Rate limit reached for gpt-4.1", "tokens", "rate_limit_exceeded"), rate, rate, rate},
		{"too many, empty", 429, ``, rate, rate, rate},
		{"too many, HTML", 429, htmlBody, rate, rate, rate},
		{"too many, flex", 429, apiError("Resource Unavailable", "x", "resource_unavailable"), jobs.ClassCapacity, rate, rate},
		{"no credit", 429, apiError("You exceeded your current quota, please check", "insufficient_quota", "insufficient_quota"), quota, rate, rate},
		{"no credit, by type", 429, apiError("m", "insufficient_quota", ""), quota, rate, rate},
		{"no credit, by message", 429, `{"error":"You exceeded your current quota, please check"}`, quota, rate, rate},
		{"account is not active", 429, apiError("m", "billing_not_active", "billing_not_active"), quota, rate, rate},
		{"can never fit", 429, apiError("Request too large for gpt-4.1 on tokens per min (TPM): Limit 1, Requested 2", "tokens", "rate_limit_exceeded"), invalid, rate, rate},

		{"server error", 500, apiError("The server had an error", "server_error", ""), ambiguous, unavailable, unavailable},
		{"server error, empty", 500, ``, ambiguous, unavailable, unavailable},
		{"bad gateway", 502, htmlBody, ambiguous, unavailable, unavailable},
		{"not available", 503, ours, ambiguous, unavailable, unavailable},
		{"not available, empty", 503, ``, ambiguous, unavailable, unavailable},
		{"slow down", 503, apiError("Slow down", "service_unavailable_error", ""), rate, unavailable, unavailable},
		{"slow down, by code", 503, apiError("m", "server_error", "slow_down"), rate, unavailable, unavailable},
		{"slow down, in HTML", 503, "<h1>Slow down</h1>", ambiguous, unavailable, unavailable},
		{"overloaded", 503, apiError("The engine is currently overloaded, please try again later", "overloaded_error", ""), rate, unavailable, unavailable},
		{"slow down with another status", 500, apiError("Slow down", "x", ""), ambiguous, unavailable, unavailable},
		{"gateway timeout", 504, ``, ambiguous, unavailable, unavailable},
		{"status of a proxy's own", 520, htmlBody, ambiguous, unavailable, unavailable},
		{"status that does not exist", 799, ``, ambiguous, unavailable, unavailable},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			c := serve(t, answer(tt.status, tt.body, "X-Request-Id", "req_1")).client(t)
			for op, want := range map[string]jobs.Class{
				"create": tt.create, "look": tt.look, "input_items": tt.look, "cancel": tt.cancel, "delete": tt.cancel,
			} {
				_, err := call(t.Context(), c, op)
				f := failure(t, err)
				if f.Class != want || f.HTTPStatus != tt.status || f.RequestID != "req_1" || f.Message == "" {
					t.Errorf("%s: %+v, want class %s, status %d, req_1 and a message", op, f, want, tt.status)
				}
				// What travels on wrapped or joined keeps its class.
				for _, err := range wrappings(err) {
					if got := jobs.ClassOf(err); got != want {
						t.Errorf("%s, wrapped: class %s, want %s", op, got, want)
					}
				}
			}
		})
	}
}

func TestFailureHasWhatTheProviderSays(t *testing.T) {
	t.Parallel()
	tests := []struct {
		name, body string
		want       jobs.Failure
	}{
		{
			"OpenAI's", `{"error":{"message":"Invalid type for 'input'.","type":"invalid_request_error","param":"input","code":"invalid_type"}}`,
			jobs.Failure{Message: "Invalid type for 'input'.", Type: "invalid_request_error", Param: "input", Code: "invalid_type"},
		},
		{"text", `{"error":"that is wrong"}`, jobs.Failure{Message: "that is wrong"}},
		{"detail", `{"detail":"that is wrong"}`, jobs.Failure{Message: "that is wrong"}},
		{"detail beside no error", `{"error":null,"detail":"that is wrong"}`, jobs.Failure{Message: "that is wrong"}},
		{"message", `{"message":"that is wrong"}`, jobs.Failure{Message: "that is wrong"}},
		{"number as code", `{"error":{"message":"m","code":1234}}`, jobs.Failure{Message: "m", Code: "1234"}},
		{"members of strange types", `{"error":{"message":["m"],"code":{"a":1},"type":"t","param":true}}`, jobs.Failure{Type: "t", Message: "HTTP 400 with JSON that says nothing usable"}},
		{"list of details", `{"detail":[{"msg":"m","input":"the prompt"}]}`, jobs.Failure{Message: "HTTP 400 with JSON that says nothing usable"}},
		{"HTML", htmlBody, jobs.Failure{Message: "HTTP 400 with an HTML body"}},
		{"plain text", "no", jobs.Failure{Message: "HTTP 400 with a body that is not JSON"}},
		{"empty", " \n", jobs.Failure{Message: "HTTP 400 with an empty body"}},
		{"endless", `{"error":{"message":"` + strings.Repeat("x", 70_000) + `"}}`, jobs.Failure{Message: "HTTP 400 with a body that is over the cap"}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			_, err := call(t.Context(), serve(t, answer(400, tt.body, "X-Request-Id", "req_1")).client(t), "create")
			tt.want.Class, tt.want.HTTPStatus, tt.want.RequestID = jobs.ClassInvalid, 400, "req_1"
			if diff := cmp.Diff(tt.want, failure(t, err)); diff != "" {
				t.Errorf("failure (-want +got):\n%s", diff)
			}
			if !strings.HasPrefix(err.Error(), "create response: ") {
				t.Errorf("error = %q, want it to begin with what was being done", err)
			}
		})
	}
}

func TestAnswerAboutAnotherResponseIsNone(t *testing.T) {
	t.Parallel()
	c := serve(t, answer(200, `{"id":"resp_other","object":"response","status":"completed"}`)).client(t)
	for _, op := range []string{"look", "cancel"} {
		_, err := call(t.Context(), c, op)
		if f := failure(t, err); f.Class != jobs.ClassUnavailable || !strings.Contains(f.Message, "another response") {
			t.Errorf("%s: %s, want unavailable, for being another response", op, f)
		}
	}
}

func TestDeleteWantsToBeTold(t *testing.T) {
	t.Parallel()
	tests := []struct {
		name    string
		handler http.HandlerFunc
		deleted bool
	}{
		{"OpenAI's answer", answer(200, `{"id":"resp_1","object":"response","deleted":true}`), true},
		{"no content", func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(http.StatusNoContent) }, true},
		{"not deleted", answer(200, `{"id":"resp_1","object":"response","deleted":false}`), false},
		{"empty page", answer(200, ""), false},
		{"login page", answer(200, htmlBody), false},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			err := serve(t, tt.handler).client(t).Delete(t.Context(), testID)
			if tt.deleted != (err == nil) {
				t.Fatalf("error = %v, want deleted: %t", err, tt.deleted)
			}
			if !tt.deleted && jobs.ClassOf(err) != jobs.ClassUnavailable {
				t.Errorf("class = %s, want unavailable", jobs.ClassOf(err))
			}
		})
	}
}

func TestClassOfSilence(t *testing.T) {
	t.Parallel()
	c := newClient(t)
	dial := func(err error) error { return &net.OpError{Op: "dial", Net: "tcp", Err: err} }
	causes := []struct {
		name string
		err  error
		// message is part of what is said if the request was certainly not sent.
		message string
	}{
		{"name", dial(&net.DNSError{Err: "no such host", Name: "api.test", IsNotFound: true}), "name of the host"},
		{"refused", dial(syscall.ECONNREFUSED), "refused the connection"},
		{"unreachable", dial(syscall.ENETUNREACH), "no connection"},
		{"certificate", &tls.CertificateVerificationError{Err: errors.New("expired")}, "certificate"},
		{"no TLS", tls.RecordHeaderError{Msg: "not a TLS record"}, "does not speak TLS"},
		{"end", io.EOF, "no connection"},
		{"early end", io.ErrUnexpectedEOF, "no connection"},
		{"reset", &net.OpError{Op: "read", Err: syscall.ECONNRESET}, "no connection"},
		{"broken pipe", &net.OpError{Op: "write", Err: syscall.EPIPE}, "no connection"},
		{"i/o timeout", &net.OpError{Op: "dial", Err: context.DeadlineExceeded}, "no connection"},
		{"unknown", errors.New("something"), "no connection"},
	}
	for _, cause := range causes {
		for i, err := range wrappings(cause.err) {
			for _, op := range responses.Operations() {
				name := fmt.Sprintf("%s %d %s", cause.name, i, op)
				sent, unsent := jobs.ClassUnavailable, jobs.ClassUnavailable
				if op == "create" || op == "create_batch" {
					sent, unsent = jobs.ClassAmbiguous, jobs.ClassUnreachable
				}
				for how, want := range map[responses.Silence]jobs.Class{
					responses.Unreached: jobs.ClassInternal, responses.Connecting: unsent,
					responses.Connected: sent, responses.Unreported: sent,
				} {
					got := c.FailSilently(op, err, how)
					if got.Class != want || !errors.Is(got, err) {
						t.Errorf("%s, how %d: %s, want %s and the cause", name, how, got, want)
					}
					if how == responses.Connecting && !strings.Contains(got.Message, cause.message) {
						t.Errorf("%s: message %q, want %q in it", name, got.Message, cause.message)
					}
				}
			}
		}
	}
}

func TestCreateThatIsToSlowDownSaysForHowLong(t *testing.T) {
	t.Parallel()
	for _, body := range []string{
		apiError("Slow down", "service_unavailable_error", ""), apiError("m", "server_error", "slow_down"),
		apiError("The server is currently overloaded with other requests.", "server_error", ""),
	} {
		_, err := call(t.Context(), serve(t, answer(503, body, "Retry-After", "900")).client(t), "create")
		if f := failure(t, err); f.Class != jobs.ClassRateLimited || f.RetryAfter != 15*time.Minute {
			t.Errorf("%s: %s, to be tried again after %s; want rate_limited and 15m", body, f, f.RetryAfter)
		}
	}
}

func TestRetryAfter(t *testing.T) {
	t.Parallel()
	const (
		ms, after                 = "Retry-After-Ms", "Retry-After"
		requestsLeft, requestsNew = "X-Ratelimit-Remaining-Requests", "X-Ratelimit-Reset-Requests"
		tokensLeft, tokensNew     = "X-Ratelimit-Remaining-Tokens", "X-Ratelimit-Reset-Tokens"
	)
	plain := apiError("m", "", "")
	tests := []struct {
		name   string
		status int
		body   string
		header []string
		want   time.Duration
	}{
		{"none", 429, plain, nil, 0},
		{"seconds", 429, plain, []string{after, "7"}, 7 * time.Second},
		{"parts of a second", 503, plain, []string{after, "0.25"}, 250 * time.Millisecond},
		{"milliseconds first", 429, plain, []string{ms, "1500", after, "7"}, 1500 * time.Millisecond},
		{"bad milliseconds", 429, plain, []string{ms, "soon", after, "7"}, 7 * time.Second},
		{"with any failure", 500, plain, []string{after, "7"}, 7 * time.Second},
		{"date by the server's clock", 429, plain, []string{"Date", "Sun, 06 Nov 1994 08:49:37 GMT", after, "Sun, 06 Nov 1994 08:50:07 GMT"}, 30 * time.Second},
		{"date in the past", 429, plain, []string{"Date", "Sun, 06 Nov 1994 08:49:37 GMT", after, "Sun, 06 Nov 1994 08:49:07 GMT"}, 0},
		{"negative", 429, plain, []string{after, "-5"}, 0},
		{"not a number", 429, plain, []string{after, "NaN"}, 0},
		{"infinite", 429, plain, []string{after, "Inf"}, 24 * time.Hour},
		{"beyond all bounds", 429, plain, []string{after, "1e300"}, 24 * time.Hour},
		{"nonsense", 429, plain, []string{after, "soon"}, 0},

		{"no requests left", 429, plain, []string{requestsLeft, "0", requestsNew, "6m0s", tokensLeft, "9", tokensNew, "1h"}, 6 * time.Minute},
		{"no tokens left", 429, plain, []string{requestsLeft, "3", requestsNew, "6m0s", tokensLeft, "0", tokensNew, "12ms"}, 12 * time.Millisecond},
		{"neither left", 429, plain, []string{requestsLeft, "0", requestsNew, "2s", tokensLeft, "0", tokensNew, "1s"}, 2 * time.Second},
		{"tokens by message", 429, apiError("Rate limit reached on tokens per min (TPM)", "", ""), []string{requestsNew, "9s", tokensLeft, "5", tokensNew, "1.5s"}, 1500 * time.Millisecond},
		{"requests by message", 429, apiError("Rate limit reached on requests per min (RPM)", "", ""), []string{requestsNew, "9s", tokensNew, "1s"}, 9 * time.Second},
		{"it is not said which", 429, plain, []string{requestsNew, "9s", tokensNew, "1s"}, 0},
		{"Retry-After first", 429, plain, []string{after, "3", requestsLeft, "0", requestsNew, "9s"}, 3 * time.Second},
		{"resets mean nothing elsewhere", 500, plain, []string{requestsLeft, "0", requestsNew, "9s"}, 0},
		{"bad reset", 429, plain, []string{requestsLeft, "0", requestsNew, "later"}, 0},
		{"negative reset", 429, plain, []string{requestsLeft, "0", requestsNew, "-9s"}, 0},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			header := http.Header{}
			for i := 0; i < len(tt.header); i += 2 {
				header.Set(tt.header[i], tt.header[i+1])
			}
			for _, op := range responses.Operations() {
				if got := newClient(t).FailWith(op, tt.status, header, []byte(tt.body), nil).RetryAfter; got != tt.want {
					t.Errorf("%s: retry after %s, want %s", op, got, tt.want)
				}
			}
		})
	}
}

// wrappings are an error bare, wrapped once, joined, and as the HTTP client
// wraps it.
func wrappings(err error) []error {
	return []error{
		err, fmt.Errorf("while testing: %w", err), errors.Join(errors.New("another"), err),
		&url.Error{Op: "Post", URL: testURL, Err: err},
	}
}

func FuzzClassify(f *testing.F) {
	f.Add(0, 400, "", []byte(apiError("Incorrect API key provided: "+testKey, "t", "c")), []byte(`{"input":"a secret prompt"}`))
	f.Add(1, 429, "7", []byte(`{"error":"Rate limit reached on tokens per min"}`), []byte(nil))
	f.Add(2, 404, "Sun, 06 Nov 1994 08:49:37 GMT", []byte(`{"detail":[{}]}`), []byte(`{}`))
	f.Add(3, 200, "-1", []byte(`[]`), []byte(`{"input":[{"content":"x"}]}`))
	f.Add(4, 503, "1e99", []byte("<html>\x00\xff"), []byte(`{"metadata":{"a":"b"}}`))
	f.Add(0, 401, "", []byte(`{"error":{"message":"sk-***\u202eabc `+strings.Repeat("é", 400)+`"}}`), []byte(nil))
	c := newClient(f)
	ops, classes := responses.Operations(), jobs.Classes()
	f.Fuzz(func(t *testing.T, op, status int, after string, body, request []byte) {
		header := http.Header{"Retry-After": {after}, "X-Request-Id": {after}}
		header.Set("X-Ratelimit-Remaining-Tokens", "0")
		header.Set("X-Ratelimit-Reset-Tokens", after)
		err := c.FailWith(ops[uint(op)%uint(len(ops))], status, header, body, request)
		if !slices.Contains(classes, err.Class) {
			t.Errorf("class = %q, which is none", err.Class)
		}
		for name, text := range map[string]struct {
			value string
			limit int
		}{
			"message": {err.Message, 300}, "code": {err.Code, 128}, "type": {err.Type, 128},
			"param": {err.Param, 128}, "request id": {err.RequestID, 128},
		} {
			wantShowable(t, name, text.value, text.limit)
		}
		if err.Message == "" || strings.Contains(err.Error(), testKey) {
			t.Errorf("error = %q, want a message without the key", err)
		}
		if err.RetryAfter < 0 || err.RetryAfter > 24*time.Hour {
			t.Errorf("retry after %s, want 0 to a day", err.RetryAfter)
		}
	})
}
