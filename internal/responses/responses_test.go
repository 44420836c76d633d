package responses_test

import (
	"compress/gzip"
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/longhaul-jobs/longhaul/internal/responses"
	"github.com/longhaul-jobs/longhaul/jobs"
)

func TestCreateSendsTheBodyByteForByte(t *testing.T) {
	t.Parallel()
	const body = "{ \"input\" :\t\"a <b> & \\u00e9 é \\/ 🎈\",\n\"unknown\":{\"z\":1,\"a\":[ ]}," +
		`"max_output_tokens": 12345678901234567890123, "temperature":1.0e-0,"store":true , "model":"gpt-4.1"}  `
	s := serve(t, respond("queued"))
	c := s.client(t, func(c *responses.Config) {
		c.Organization, c.Project, c.UserAgent = "org-1", "proj_1", "longhaul/1.2.3"
	})
	if _, err := c.Create(t.Context(), []byte(body), "job_1.2"); err != nil {
		t.Fatal(err)
	}
	got := s.received()
	if len(got) != 1 {
		t.Fatalf("server received %d requests, want 1", len(got))
	}
	if got[0].Body != body {
		t.Errorf("body = %q, want %q", got[0].Body, body)
	}
	if got[0].Method != http.MethodPost || got[0].Path != "/v1/responses" || got[0].Query != "" {
		t.Errorf("request = %s %s?%s, want POST /v1/responses", got[0].Method, got[0].Path, got[0].Query)
	}
	wantHeaders(t, got[0].Header, map[string]string{
		"Authorization": "Bearer " + testKey, "Content-Type": "application/json", "Accept": "application/json",
		"Openai-Organization": "org-1", "Openai-Project": "proj_1", "User-Agent": "longhaul/1.2.3",
		"X-Client-Request-Id": "job_1.2", "Content-Length": strconv.Itoa(len(body)),
		// Go's transport takes it as leave to send a POST twice.
		"Idempotency-Key": "", "X-Idempotency-Key": "",
	})
}

func TestTheEnvironmentIsIgnored(t *testing.T) {
	for key, value := range map[string]string{
		"OPENAI_API_KEY": "sk-environment", "OPENAI_ADMIN_KEY": "sk-admin", "OPENAI_ORG_ID": "org-environment",
		"OPENAI_PROJECT_ID": "proj_environment", "OPENAI_BASE_URL": "http://elsewhere.test/v9",
		"OPENAI_CUSTOM_HEADERS": "X-Custom: 1", "OPENAI_WEBHOOK_SECRET": "whsec_x",
	} {
		t.Setenv(key, value)
	}
	s := serve(t, respond("queued"))
	c := s.client(t)
	if _, err := c.Create(t.Context(), []byte(`{}`), ""); err != nil {
		t.Fatal(err)
	}
	if _, err := c.Look(t.Context(), testID, nil); err != nil {
		t.Fatal(err)
	}
	for _, r := range s.received() {
		if !strings.HasPrefix(r.Path, "/v1/") {
			t.Errorf("path = %s, want it below the configured base URL", r.Path)
		}
		wantHeaders(t, r.Header, map[string]string{
			"Authorization": "Bearer " + testKey, "Openai-Organization": "", "Openai-Project": "", "X-Custom": "",
			"X-Client-Request-Id": "",
		})
	}
}

func TestReplyKeepsTheAnswer(t *testing.T) {
	t.Parallel()
	const body = "{\"id\":\"" + testID + "\",  \"object\":\"response\",\"new\":[1.50,{\"b\":1,\"a\":2}],\n" +
		"\"status\":\"completed\",\"output\":[{\"type\":\"unheard_of\"}],\"usage\":{\"total_tokens\":7}}\n"
	tests := []struct {
		name    string
		handler http.HandlerFunc
	}{
		{"plain", answer(200, body, "X-Request-Id", "req_1", "Openai-Poll-After-Ms", "1500")},
		{"compressed", func(w http.ResponseWriter, r *http.Request) {
			if r.Header.Get("Accept-Encoding") != "gzip" {
				http.Error(w, "no", http.StatusNotAcceptable)
				return
			}
			for key, value := range map[string]string{
				"Content-Encoding": "gzip", "X-Request-Id": "req_1", "Openai-Poll-After-Ms": "1500",
			} {
				w.Header().Set(key, value)
			}
			z := gzip.NewWriter(w)
			_, _ = io.WriteString(z, body)
			_ = z.Close()
		}},
		{"of another type and status", answer(202, body, "Content-Type", "text/plain", "X-Request-Id", "req_1", "Openai-Poll-After-Ms", "1500")},
	}
	for _, tt := range tests {
		for _, op := range []string{"create", "look", "cancel"} {
			t.Run(tt.name+" "+op, func(t *testing.T) {
				t.Parallel()
				reply, err := call(t.Context(), serve(t, tt.handler).client(t), op)
				if err != nil {
					t.Fatal(err)
				}
				if got := string(reply.Response.Raw); got != body {
					t.Errorf("raw = %q, want %q", got, body)
				}
				if r := reply.Response; r.ID != testID || !r.Terminal() || r.Usage().TotalTokens != 7 {
					t.Errorf("response = %+v, want the completed one with 7 tokens", r)
				}
				if reply.RequestID != "req_1" || reply.PollAfter != 1500*time.Millisecond {
					t.Errorf("request id %q, poll after %s, want req_1 and 1.5s", reply.RequestID, reply.PollAfter)
				}
			})
		}
	}
}

func TestLookCancelAndDeleteAskForTheResponse(t *testing.T) {
	t.Parallel()
	s := serve(t, func(w http.ResponseWriter, r *http.Request) {
		if r.Method == http.MethodDelete {
			answer(200, `{"id":"resp_x","object":"response","deleted":true}`)(w, r)
			return
		}
		respond("in_progress")(w, r)
	})
	c := s.client(t)
	if _, err := c.Look(t.Context(), testID, []string{"reasoning.encrypted_content", "web_search_call.results"}); err != nil {
		t.Errorf("look: %v", err)
	}
	if _, err := c.Cancel(t.Context(), testID); err != nil {
		t.Errorf("cancel: %v", err)
	}
	if err := c.Delete(t.Context(), testID); err != nil {
		t.Errorf("delete: %v", err)
	}
	var got []string
	for _, r := range s.received() {
		got = append(got, fmt.Sprintf("%s %s %s %q", r.Method, r.Path, r.Query, r.Body))
		wantHeaders(t, r.Header, map[string]string{"Authorization": "Bearer " + testKey})
	}
	want := []string{
		"GET /v1/responses/" + testID + " include%5B%5D=reasoning.encrypted_content&include%5B%5D=web_search_call.results " + `""`,
		"POST /v1/responses/" + testID + `/cancel  ""`,
		"DELETE /v1/responses/" + testID + `  ""`,
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("requests (-want +got):\n%s", diff)
	}
}

func TestNothingIsSentTwice(t *testing.T) {
	t.Parallel()
	tests := []struct {
		name    string
		handler http.HandlerFunc
	}{
		{"408", answer(408, "")},
		{"409", answer(409, "")},
		{"429", answer(429, "", "Retry-After", "0")},
		{"500", answer(500, "")},
		{"500 that asks for it", answer(500, "", "X-Should-Retry", "true")},
		{"503 slow down", answer(503, `{"error":{"message":"Slow down"}}`)},
		{"hang up", hangUp},
		{"redirect that keeps the method", answer(307, "", "Location", "/v1/elsewhere")},
		{"redirect that does not", answer(302, "", "Location", "/v1/elsewhere")},
		{"cut answer", answer(200, `{"id":`, "Content-Length", "500")},
	}
	for _, tt := range tests {
		for _, op := range []string{"create", "cancel"} {
			t.Run(tt.name+" "+op, func(t *testing.T) {
				t.Parallel()
				s := serve(t, tt.handler)
				if reply, err := call(t.Context(), s.client(t), op); err == nil {
					t.Errorf("reply = %+v, want an error", reply)
				}
				if n := len(s.received()); n != 1 {
					t.Errorf("server received %d requests, want 1", n)
				}
			})
		}
	}
}

func TestCreateThatIsHeldBringsTheEndedResponse(t *testing.T) {
	t.Parallel()
	reply, err := call(t.Context(), serve(t, respond("completed")).client(t), "create")
	if err != nil {
		t.Fatal(err)
	}
	if !reply.Response.Terminal() {
		t.Errorf("status = %s, want a terminal one", reply.Response.Status)
	}
}

func TestCreateSavesTheIDOfAnUnusableAnswer(t *testing.T) {
	t.Parallel()
	const begin = `{"id":"` + testID + `","object":"response","created_at":1,"status":"completed","output":[{"type":"mes`
	tests := []struct {
		name    string
		handler http.HandlerFunc
		want    string
	}{
		{"cut", answer(200, begin, "Content-Length", "9999"), testID},
		{"cut but well-ended", answer(200, begin), testID},
		{"over the cap", answer(200, begin+strings.Repeat("x", 2000)+`"}]}`), testID},
		{"without a status", answer(200, `{"object":"response","id":"`+testID+`"}`), testID},
		{"id of another form", answer(200, `{"object":"response","id":"abc-1","outp`), "abc-1"},
		{"cut within the id", answer(200, `{"object":"response","id":"resp_012`), ""},
		{"id of something else", answer(200, `{"id":"chatcmpl-1","object":"chat.completion"}`), ""},
		{"id further down", answer(200, `{"data":{"id":"`+testID+`","object":"response"}}`), ""},
		{"id that cannot be one", answer(200, `{"id":"resp_ 1","object":"response","status":"queued"}`), ""},
		{"not a success", answer(500, begin), ""},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			c := serve(t, tt.handler).client(t, func(c *responses.Config) { c.MaxResponseBytes = 1000 })
			reply, err := call(t.Context(), c, "create")
			if (err == nil) != (tt.want != "") {
				t.Fatalf("error = %v, want the id %q", err, tt.want)
			}
			r := reply.Response
			if r.ID != tt.want || r.Raw != nil || r.Terminal() {
				t.Errorf("response = %+v, want only the id %q and a status that is no end", r, tt.want)
			}
			// A look has the id already: only the whole object is of use.
			if _, err := call(t.Context(), c, "look"); err == nil {
				t.Error("look took the answer for a response")
			}
		})
	}
}

func TestAnswerOverTheCapIsOversized(t *testing.T) {
	t.Parallel()
	body := `{"pad":"` + strings.Repeat("x", 980) + `","id":"` + testID + `","status":"completed"}`
	s := serve(t, answer(200, body))
	for _, op := range []string{"create", "look", "cancel"} {
		for _, limit := range []int{500, len(body)} {
			c := s.client(t, func(c *responses.Config) { c.MaxResponseBytes = int64(limit) })
			_, err := call(t.Context(), c, op)
			if limit == len(body) {
				if err != nil {
					t.Errorf("%s of as many bytes as the cap: %v", op, err)
				}
				continue
			}
			if f := failure(t, err); f.Class != jobs.ClassOversized || !strings.Contains(f.Message, strconv.Itoa(limit)) {
				t.Errorf("%s over the cap: %s, want oversized and the cap", op, f)
			}
		}
	}
}

func TestCreateSpeaksHTTP1AndLooksSpeakHTTP2(t *testing.T) {
	t.Parallel()
	var mu sync.Mutex
	protocols := map[string]string{}
	ts := httptest.NewUnstartedServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		mu.Lock()
		protocols[r.Method] = r.Proto
		mu.Unlock()
		respond("queued")(w, r)
	}))
	ts.EnableHTTP2 = true
	ts.StartTLS()
	t.Cleanup(ts.Close)
	c := newClient(t, func(c *responses.Config) { c.BaseURL = ts.URL + "/v1/" })
	pool := x509.NewCertPool()
	pool.AddCert(ts.Certificate())
	c.Trust(&tls.Config{RootCAs: pool, MinVersion: tls.VersionTLS12})
	for _, op := range []string{"create", "look"} {
		if _, err := call(t.Context(), c, op); err != nil {
			t.Fatalf("%s: %v", op, err)
		}
	}
	mu.Lock()
	defer mu.Unlock()
	if diff := cmp.Diff(map[string]string{"POST": "HTTP/1.1", "GET": "HTTP/2.0"}, protocols); diff != "" {
		t.Errorf("protocols (-want +got):\n%s", diff)
	}
}

func TestTransportOfTheCallerCannotSendABodyTwice(t *testing.T) {
	t.Parallel()
	transport := roundTripper(func(r *http.Request) (*http.Response, error) {
		if r.GetBody != nil {
			t.Error("the transport was given the means to send the body again")
		}
		return nil, io.ErrUnexpectedEOF
	})
	c := newClient(t, func(c *responses.Config) { c.HTTPClient = &http.Client{Transport: transport} })
	_, err := call(t.Context(), c, "create")
	if f := failure(t, err); f.Class != jobs.ClassAmbiguous {
		t.Errorf("failure = %s, want ambiguous: the transport says nothing about what it sent", f)
	}
}

func TestTransportOfTheCallerIsNotCalledInVain(t *testing.T) {
	t.Parallel()
	transport := roundTripper(func(*http.Request) (*http.Response, error) {
		t.Error("the transport was called after the context had ended")
		return nil, io.ErrUnexpectedEOF
	})
	c := newClient(t, func(c *responses.Config) { c.HTTPClient = &http.Client{Transport: transport} })
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	_, err := call(ctx, c, "create")
	wantSilence(t, err, jobs.ClassUnreachable, "stopped")
}

func TestCreateThatFoundNoProxyIsUnreachable(t *testing.T) {
	t.Parallel()
	c := newClient(t, func(c *responses.Config) {
		c.HTTPClient = &http.Client{Transport: &http.Transport{
			Proxy: func(*http.Request) (*url.URL, error) { return nil, errors.New("invalid proxy address") },
		}}
	})
	_, err := call(t.Context(), c, "create")
	wantSilence(t, err, jobs.ClassUnreachable, "connect_failed")
}

func TestHTTPClientOfTheCallerIsUsedAndLeftAsItIs(t *testing.T) {
	t.Parallel()
	s := serve(t, answer(307, "", "Location", "/v1/elsewhere"))
	given := &http.Client{Transport: &http.Transport{DialContext: s.dial}}
	t.Cleanup(given.CloseIdleConnections)
	c := newClient(t, func(c *responses.Config) { c.HTTPClient = given })
	if _, err := call(t.Context(), c, "look"); err == nil {
		t.Error("a redirect was taken for a response")
	}
	if n := len(s.received()); n != 1 || given.CheckRedirect != nil {
		t.Errorf("%d requests, CheckRedirect set: %t; want 1 and false", n, given.CheckRedirect != nil)
	}
}

func TestCallsThatCannotBeSent(t *testing.T) {
	t.Parallel()
	s := serve(t, respond("queued"))
	c := s.client(t)
	for _, id := range []string{"", "resp 1", "resp_\n", strings.Repeat("x", 257)} {
		_, look := c.Look(t.Context(), id, nil)
		_, cancel := c.Cancel(t.Context(), id)
		_, items := c.InputItems(t.Context(), id)
		for _, err := range []error{look, cancel, items, c.Delete(t.Context(), id)} {
			if f := failure(t, err); f.Class != jobs.ClassInternal {
				t.Errorf("id %q: %s, want internal", id, f)
			}
		}
	}
	for _, id := range []string{"a\r\nX-Evil: 1", "é", strings.Repeat("x", 513)} {
		_, err := c.Create(t.Context(), []byte(`{}`), id)
		if f := failure(t, err); f.Class != jobs.ClassInternal {
			t.Errorf("client request id %q: %s, want internal", id, f)
		}
	}
	if n := len(s.received()); n != 0 {
		t.Errorf("server received %d requests, want none", n)
	}
}

func TestIDCannotLeaveItsPlaceInThePath(t *testing.T) {
	t.Parallel()
	s := serve(t, respond("queued"))
	_, _ = s.client(t).Look(t.Context(), "../files?x=1#y", nil)
	got := s.received()
	if len(got) != 1 || got[0].Path != "/v1/responses/..%2Ffiles%3Fx=1%23y" || got[0].Query != "" {
		t.Errorf("requests = %+v, want one for the escaped id", got)
	}
}

func TestEndpoint(t *testing.T) {
	t.Parallel()
	if got := newClient(t).Endpoint(); got != "test" {
		t.Errorf("Endpoint() = %q, want test", got)
	}
}

type roundTripper func(*http.Request) (*http.Response, error)

func (f roundTripper) RoundTrip(r *http.Request) (*http.Response, error) { return f(r) }

func wantHeaders(t *testing.T, got http.Header, want map[string]string) {
	t.Helper()
	for key, value := range want {
		if got.Get(key) != value {
			t.Errorf("header %s = %q, want %q", key, got.Get(key), value)
		}
	}
}
