package fetch_test

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/longhaul-jobs/longhaul/internal/fetch"
)

func serve(t *testing.T, handler http.HandlerFunc) string {
	t.Helper()
	server := httptest.NewServer(handler)
	t.Cleanup(server.Close)
	return server.URL
}

func get(t *testing.T, config fetch.Config, address string) (fetch.Content, error) {
	t.Helper()
	c := fetch.New(config)
	defer c.Close()
	return c.Get(t.Context(), address)
}

func TestGet(t *testing.T) {
	t.Parallel()
	at := serve(t, func(w http.ResponseWriter, r *http.Request) {
		switch r.URL.Path {
		case "/old":
			http.Redirect(w, r, "/reports/new.html?x=1", http.StatusFound)
		case "/named":
			w.Header().Set("Content-Disposition", `attachment; filename="../../etc/minutes.pdf"`)
			w.Header().Set("Content-Type", "application/octet-stream")
		default:
			w.Header().Set("Content-Type", "text/html; charset=utf-8")
		}
		_, _ = fmt.Fprint(w, "hello "+r.UserAgent())
	})
	got, err := get(t, fetch.Config{AllowPrivate: true}, at+"/old")
	if err != nil {
		t.Fatal(err)
	}
	if got.URL != at+"/reports/new.html?x=1" || got.Type != "text/html" || got.Name != "new.html" || string(got.Body) != "hello longhaul" {
		t.Errorf("got %+v", got)
	}
	if got, err = get(t, fetch.Config{AllowPrivate: true}, at+"/named"); err != nil || got.Name != "minutes.pdf" {
		t.Errorf("got %+v, %v; want the name without its folders", got, err)
	}
}

// Private addresses are refused when they are dialled, by whatever name: this server is
// asked for nothing.
func TestGetRefusesPrivateAddresses(t *testing.T) {
	t.Parallel()
	var asked atomic.Int64
	at := serve(t, func(http.ResponseWriter, *http.Request) { asked.Add(1) })
	_, port, err := net.SplitHostPort(strings.TrimPrefix(at, "http://"))
	if err != nil {
		t.Fatal(err)
	}
	for _, host := range []string{"127.0.0.1", "localhost", "[::ffff:127.0.0.1]", "127.1", "2130706433", "0.0.0.0", "[::]"} {
		if _, err := get(t, fetch.Config{}, "http://"+host+":"+port+"/"); err == nil {
			t.Errorf("%s was fetched", host)
		}
	}
	if _, err := get(t, fetch.Config{}, at); !errors.Is(err, fetch.ErrPrivate) || !strings.Contains(err.Error(), "--allow-private") {
		t.Errorf("err %v, want ErrPrivate and what helps", err)
	}
	if n := asked.Load(); n != 0 {
		t.Errorf("the server was asked %d times", n)
	}
}

func TestAllowed(t *testing.T) {
	t.Parallel()
	const public, intranet, never = "public", "intranet", "never"
	for address, want := range map[string]string{
		"93.184.216.34:443": public, "[2606:2800:220:1::1]:443": public, "8.8.8.8:80": public, "[64:ff9b::808:808]:80": public, "[2002:808:808::1]:80": public,
		"127.0.0.1:80": intranet, "127.8.9.1:80": intranet, "10.1.2.3:80": intranet, "172.16.0.1:80": intranet, "192.168.1.1:80": intranet,
		"100.64.0.1:80": intranet, "198.18.0.1:80": intranet, "192.0.2.1:80": intranet, "[::1]:80": intranet, "[fc00::1]:80": intranet, "[fd12::1]:80": intranet,
		"[fec0::1]:80": intranet, "[::ffff:10.0.0.1]:80": intranet, "[64:ff9b::a00:1]:80": intranet, "[2002:a00:1::1]:80": intranet, "[::10.0.0.1]:80": intranet,
		"[2001:db8::1]:80": intranet, "[2001:0:1::1]:80": intranet,
		"169.254.169.254:80": never, "[fe80::1%eth0]:80": never, "[::ffff:169.254.169.254]:80": never, "[64:ff9b::a9fe:a9fe]:80": never, "[fd00:ec2::254]:80": never,
		"168.63.129.16:80": never, "100.100.100.200:80": never, "0.0.0.0:80": never, "[::]:80": never, "224.0.0.1:80": never, "[ff02::1]:80": never, "255.255.255.255:80": never,
		"not an address": never, "": never,
	} {
		got := never
		switch {
		case fetch.Allowed(address, false) == nil:
			got = public
		case fetch.Allowed(address, true) == nil:
			got = intranet
		}
		if got != want {
			t.Errorf("%s is allowed to be %s, want %s", address, got, want)
		}
	}
}

func TestGetChecksRedirects(t *testing.T) {
	t.Parallel()
	at := serve(t, func(w http.ResponseWriter, r *http.Request) {
		to := map[string]string{
			"/loop": "/loop", "/file": "file:///etc/passwd", "/user": "http://me:secret@example.com/", "/metadata": "http://169.254.169.254/latest/",
		}[r.URL.Path]
		w.Header().Set("Location", to)
		w.WriteHeader(http.StatusFound)
	})
	for path, says := range map[string]string{
		"/loop": "more than 5 times", "/file": "file", "/user": "user name or password", "/metadata": "private address",
	} {
		if _, err := get(t, fetch.Config{AllowPrivate: true}, at+path); err == nil || !strings.Contains(err.Error(), says) {
			t.Errorf("%s: err %v, want %q said", path, err, says)
		}
	}
}

func TestGetGivesNoEncryptionUp(t *testing.T) {
	t.Parallel()
	request := func(scheme string) *http.Request {
		return httptest.NewRequest(http.MethodGet, scheme+"://example.com/", http.NoBody)
	}
	if err := fetch.CheckRedirect(request("http"), []*http.Request{request("https")}); err == nil {
		t.Error("a redirect from https to http was followed")
	}
	if err := fetch.CheckRedirect(request("https"), []*http.Request{request("http")}); err != nil {
		t.Errorf("a redirect from http to https: %v", err)
	}
}

func TestGetIsBounded(t *testing.T) {
	t.Parallel()
	release := make(chan struct{})
	defer close(release)
	at := serve(t, func(w http.ResponseWriter, r *http.Request) {
		switch r.URL.Path {
		case "/long":
			w.Header().Set("Content-Length", "2000")
			_, _ = w.Write(make([]byte, 2000))
		case "/endless":
			for r.Context().Err() == nil {
				if _, err := w.Write(make([]byte, 1000)); err != nil {
					return
				}
			}
		case "/slow":
			w.WriteHeader(http.StatusOK)
			w.(http.Flusher).Flush() //nolint:errcheck,forcetypeassert // the server's writers can
			select {
			case <-release:
			case <-r.Context().Done():
			}
		case "/missing":
			http.NotFound(w, r)
		}
	})
	config := fetch.Config{AllowPrivate: true, MaxBytes: 1500, Timeout: 300 * time.Millisecond}
	for path, says := range map[string]string{
		"/long": "larger than what is read: at most 1500 bytes", "/endless": "larger than", "/slow": "was not there within 300ms", "/missing": "status 404",
	} {
		_, err := get(t, config, at+path)
		if err == nil || !strings.Contains(err.Error(), says) {
			t.Errorf("%s: err %v, want %q said", path, err, says)
		}
	}
	ctx, cancel := context.WithCancelCause(t.Context())
	stop := errors.New("interrupt")
	cancel(stop)
	c := fetch.New(config)
	defer c.Close()
	if _, err := c.Get(ctx, at+"/slow"); !errors.Is(err, stop) {
		t.Errorf("err %v, want the cause of the end", err)
	}
}

func TestCheck(t *testing.T) {
	t.Parallel()
	for address, says := range map[string]string{
		"https://example.com/a.pdf": "", "ftp://example.com": `the scheme "ftp"`, "https://": "no host", "https://me@example.com": "user name",
		"http://[::1": "no URL", "file:///etc/passwd": "scheme", "javascript:alert(1)": "scheme",
	} {
		err := fetch.Check(address)
		if (err == nil) != (says == "") || err != nil && !strings.Contains(err.Error(), says) {
			t.Errorf("%s: err %v, want %q said", address, err, says)
		}
	}
}
