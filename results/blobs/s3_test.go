package blobs_test

import (
	"context"
	"encoding/pem"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/johannesboyne/gofakes3"
	"github.com/johannesboyne/gofakes3/backend/s3mem"

	"github.com/longhaul-jobs/longhaul/jobs"
	"github.com/longhaul-jobs/longhaul/results/blobs"
)

const (
	bucketName = "longhaul-test"
	accessKey  = "AKIATESTTESTTEST"
	secretKey  = "canary-secret-of-the-bucket"
)

// s3 is a server that speaks S3, with what tests want to know of its requests.
type s3 struct {
	*httptest.Server

	// refuse answers a request instead of the server, if it returns true.
	refuse   atomic.Pointer[func(w http.ResponseWriter, r *http.Request) bool]
	unsigned atomic.Int64 // requests that were not signed with the credentials, or whole
}

func newS3(tb testing.TB) *s3 {
	tb.Helper()
	return startS3(tb, (*httptest.Server).Start)
}

func startS3(tb testing.TB, start func(*httptest.Server)) *s3 {
	tb.Helper()
	backend := s3mem.New()
	if err := backend.CreateBucket(bucketName); err != nil {
		tb.Fatal(err)
	}
	inner := gofakes3.New(backend).Server()
	s := &s3{}
	s.Server = httptest.NewUnstartedServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		signed := strings.HasPrefix(r.Header.Get("Authorization"), "AWS4-HMAC-SHA256 Credential="+accessKey+"/")
		if !signed || r.Method == http.MethodPut && len(r.Header.Get("X-Amz-Content-Sha256")) != 64 {
			s.unsigned.Add(1)
		}
		if refuse := s.refuse.Load(); refuse != nil && (*refuse)(w, r) {
			_, _ = io.Copy(io.Discard, r.Body)
			return
		}
		inner.ServeHTTP(w, r)
	}))
	s.Config.ErrorLog = slog.NewLogLogger(slog.DiscardHandler, slog.LevelInfo)
	start(s.Server)
	tb.Cleanup(func() {
		s.Close()
		if n := s.unsigned.Load(); n != 0 {
			tb.Errorf("%d requests were not signed", n)
		}
	})
	return s
}

// config is how to reach the server.
func (s *s3) config(bucket string) blobs.Config {
	return blobs.Config{
		URL:       bucket + "?region=eu-central-1&endpoint=" + url.QueryEscape(s.URL),
		AccessKey: accessKey, SecretKey: secretKey,
	}
}

// answer has the server answer every request with an error.
func (s *s3) answer(status int, code string) {
	refuse := func(w http.ResponseWriter, _ *http.Request) bool {
		w.WriteHeader(status)
		if code != "" {
			_, _ = io.WriteString(w, `<?xml version="1.0"?><Error><Code>`+code+`</Code><Message>canary message `+secretKey+`</Message></Error>`)
		}
		return true
	}
	s.refuse.Store(&refuse)
}

func TestErrorsOfABucketAreClassifiedAndQuoteNothing(t *testing.T) {
	t.Parallel()
	for _, test := range []struct {
		status int
		code   string
		class  jobs.Class
		says   string
	}{
		{403, "AccessDenied", jobs.ClassUnauthorized, "list the bucket"},
		{403, "InvalidAccessKeyId", jobs.ClassUnauthorized, "blobs.access_key"},
		{403, "SignatureDoesNotMatch", jobs.ClassUnauthorized, "blobs.secret_key"},
		{400, "ExpiredToken", jobs.ClassUnauthorized, "credentials"},
		{401, "", jobs.ClassUnauthorized, "access"},
		{404, "NoSuchBucket", jobs.ClassInvalid, "does not exist"},
		{400, "AuthorizationHeaderMalformed", jobs.ClassInvalid, "region"},
		{503, "SlowDown", jobs.ClassUnavailable, "503"},
		{500, "InternalError", jobs.ClassUnavailable, "500"},
		{502, "", jobs.ClassUnavailable, "502"},
		{507, "InsufficientStorage", jobs.ClassUnavailable, "507"},
	} {
		t.Run(fmt.Sprint(test.status, test.code), func(t *testing.T) {
			t.Parallel()
			server := newS3(t)
			s := open(t, server.config("s3://"+bucketName))
			put(t, s, "p/a", []byte("x"))
			server.answer(test.status, test.code)
			ctx := t.Context()
			_, err := s.Get(ctx, "p/a")
			for op, err := range map[string]error{
				"Put": s.Put(ctx, "p/b", []byte("canary value")), "Get": err, "Delete": s.Delete(ctx, "p"), "Check": s.Check(ctx),
				"Walk": s.Walk(ctx, "p", "", func(string, time.Time) bool { return true }),
			} {
				if jobs.ClassOf(err) != test.class || !strings.Contains(err.Error(), test.says) || strings.Contains(err.Error(), "canary") {
					t.Errorf("%s: class %s, err %v; want %s, and %q said", op, jobs.ClassOf(err), err, test.class, test.says)
				}
				if f := jobs.FailureOf(err); test.class != jobs.ClassUnavailable && f.Param != "blobs.url" {
					t.Errorf("%s names %q, want blobs.url", op, f.Param)
				}
			}
			server.refuse.Store(nil)
			if _, err := s.Get(ctx, "p/a"); err != nil {
				t.Errorf("Get when all is well again: %v", err)
			}
		})
	}
}

func TestBucketThatDoesNotExistIsSaidNotTo(t *testing.T) {
	t.Parallel()
	server := newS3(t)
	err := open(t, server.config("s3://another-bucket")).Check(t.Context())
	if f := jobs.FailureOf(err); f.Class != jobs.ClassInvalid || f.Param != "blobs.url" || !strings.Contains(err.Error(), "bucket") {
		t.Errorf("Check: err %v, want the bucket said not to exist", err)
	}
}

func TestPassingFailureOfABucketIsTriedAgain(t *testing.T) {
	t.Parallel()
	server := newS3(t)
	s := open(t, server.config("s3://"+bucketName))
	var failures atomic.Int64
	refuse := func(w http.ResponseWriter, _ *http.Request) bool {
		if failures.Add(1) > 1 {
			return false
		}
		w.WriteHeader(http.StatusServiceUnavailable)
		return true
	}
	server.refuse.Store(&refuse)
	put(t, s, "p/a", []byte("x"))
	if n := failures.Load(); n != 2 {
		t.Errorf("%d requests, want the failed one and another", n)
	}
}

func TestBucketThatHangsIsGivenUp(t *testing.T) {
	t.Parallel()
	server := newS3(t)
	config := server.config("s3://" + bucketName)
	config.Timeout = 50 * time.Millisecond
	s := open(t, config)
	quit := make(chan struct{})
	refuse := func(http.ResponseWriter, *http.Request) bool { <-quit; return true }
	server.refuse.Store(&refuse)
	defer close(quit)
	ctx := t.Context()
	_, err := s.Get(ctx, "p/a")
	for op, err := range map[string]error{
		"Put": s.Put(ctx, "p/b", []byte("x")), "Get": err, "Delete": s.Delete(ctx, "p"),
		"Walk": s.Walk(ctx, "p", "", func(string, time.Time) bool { return true }),
	} {
		if jobs.ClassOf(err) != jobs.ClassUnavailable || !errors.Is(err, context.DeadlineExceeded) {
			t.Errorf("%s: err %v, want it given up", op, err)
		}
	}
}

func TestBucketThatIsNotThereIsUnavailable(t *testing.T) {
	t.Parallel()
	server := newS3(t)
	s := open(t, server.config("s3://"+bucketName))
	server.Close()
	if err := s.Put(t.Context(), "p/a", []byte("x")); jobs.ClassOf(err) != jobs.ClassUnavailable {
		t.Errorf("Put: err %v, want the store said to be unavailable", err)
	}
}

// An answer that ends too early is no value.
func TestObjectThatIsCutIsAnError(t *testing.T) {
	t.Parallel()
	server := newS3(t)
	s := open(t, server.config("s3://"+bucketName))
	refuse := func(w http.ResponseWriter, r *http.Request) bool {
		if r.Method != http.MethodGet {
			return false
		}
		w.Header().Set("Content-Length", "1000")
		w.Header().Set("Last-Modified", time.Now().UTC().Format(http.TimeFormat))
		_, _ = io.WriteString(w, "only this")
		return true
	}
	server.refuse.Store(&refuse)
	if got, err := s.Get(t.Context(), "p/a"); got != nil || jobs.ClassOf(err) != jobs.ClassUnavailable {
		t.Errorf("Get = %q, err %v; want an error", got, err)
	}
}

// recorder keeps the requests that were to be sent, and sends none.
type recorder struct{ requests chan *http.Request }

func (r recorder) RoundTrip(request *http.Request) (*http.Response, error) {
	r.requests <- request
	return nil, errors.New("not sent")
}

func TestRequestsGoWhereTheURLSaysAndAreSigned(t *testing.T) {
	t.Parallel()
	endpoint := "&endpoint=" + url.QueryEscape("http://minio.internal:9000")
	for _, test := range []struct {
		url, target, region string
	}{
		{"s3://bucket/a/b?region=eu-central-1", "https://bucket.s3.dualstack.eu-central-1.amazonaws.com/a/b/k/v", "eu-central-1"},
		{"s3://bucket?region=eu-central-1&style=path", "https://s3.dualstack.eu-central-1.amazonaws.com/bucket/k/v", "eu-central-1"},
		{"s3://bucket?region=r" + endpoint, "http://minio.internal:9000/bucket/k/v", "r"},
		{"s3://bucket/p/?region=r&style=host" + endpoint, "http://bucket.minio.internal:9000/p/k/v", "r"},
		{"s3://bucket?region=r&endpoint=https%3A%2F%2Fs3.internal", "https://s3.internal/bucket/k/v", "r"},
	} {
		r := recorder{make(chan *http.Request, 10)}
		s := open(t, blobs.Config{URL: test.url, AccessKey: accessKey, SecretKey: secretKey, SessionToken: "token"}.Through(r))
		ctx, cancel := context.WithCancel(t.Context())
		go func() {
			request := <-r.requests
			cancel() // before it is tried again
			r.requests <- request
		}()
		_, _ = s.Get(ctx, "k/v")
		request := <-r.requests
		auth := request.Header.Get("Authorization")
		if request.URL.String() != test.target || !strings.Contains(auth, accessKey+"/") || !strings.Contains(auth, "/"+test.region+"/s3/") ||
			request.Header.Get("X-Amz-Security-Token") != "token" {
			t.Errorf("%s: request to %s, %s; want %s", test.url, request.URL, auth, test.target)
		}
	}
}

// A certificate that nobody vouches for is refused, and one that is trusted taken.
func TestBucketOverTLS(t *testing.T) {
	server := startS3(t, (*httptest.Server).StartTLS)
	config := server.config("s3://" + bucketName)
	config.Timeout = 5 * time.Second
	if err := open(t, config).Check(t.Context()); jobs.ClassOf(err) != jobs.ClassUnavailable {
		t.Errorf("Check of a server with an unknown certificate: err %v", err)
	}
	file := filepath.Join(t.TempDir(), "ca.pem")
	ca := pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: server.Certificate().Raw})
	if err := os.WriteFile(file, ca, 0o600); err != nil {
		t.Fatal(err)
	}
	t.Setenv("SSL_CERT_FILE", file)
	if err := open(t, config).Check(t.Context()); err != nil {
		t.Errorf("Check of a server with a known certificate: %v", err)
	}
}
