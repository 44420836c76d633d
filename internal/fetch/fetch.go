// Package fetch reads documents from the web for somebody who did not write their
// addresses. It bounds how much is read and how long that may take, and refuses to
// connect to addresses of its own network: the check is of the address that is really
// dialled, after names are resolved, so a name that changes its address between two
// look-ups, or a redirect, leads nowhere else.
//
// It refuses to know what a document says.
package fetch

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"mime"
	"net"
	"net/http"
	"net/url"
	"strings"
	"syscall"
	"time"
)

// Defaults of [Config].
const (
	DefaultMaxBytes = 64 << 20
	DefaultTimeout  = 2 * time.Minute
)

const (
	// maxRedirects is how many redirects are followed.
	maxRedirects = 5
	// dialTimeout bounds a connection, headTimeout how long a server may think.
	dialTimeout, headTimeout = 15 * time.Second, 60 * time.Second
)

// Errors that a caller may want to tell apart.
var (
	// ErrPrivate: the address belongs to a private network, to this machine or to a
	// service of its host.
	ErrPrivate = errors.New("leads to a private address")
	// ErrOversize: there is more than the limit.
	ErrOversize = errors.New("is larger than what is read")
)

// Config says what may be fetched. The zero value is usable.
type Config struct {
	// MaxBytes bounds a document, after decompression; default [DefaultMaxBytes].
	MaxBytes int64
	// Timeout bounds all of a fetch; default [DefaultTimeout].
	Timeout time.Duration
	// AllowPrivate allows addresses of private networks and of this machine. Those of
	// metadata services, and others that are no host, stay refused.
	AllowPrivate bool
	// Agent is what the User-Agent header says.
	Agent string
}

// Content is what a server answered.
type Content struct {
	// URL is where it was found, after redirects.
	URL string
	// Type is its media type without parameters, "" if the server did not say.
	Type string
	// Name is the file name that the server or the address gives it; may be empty.
	Name string
	Body []byte
}

// Client fetches. It is safe for concurrent use and must be closed.
type Client struct {
	config Config
	http   *http.Client
}

// New returns a client. It connects to nobody.
func New(config Config) *Client {
	config.MaxBytes = cmp.Or(config.MaxBytes, DefaultMaxBytes)
	config.Timeout = cmp.Or(config.Timeout, DefaultTimeout)
	config.Agent = cmp.Or(config.Agent, "longhaul")
	c := &Client{config: config}
	dialer := &net.Dialer{Timeout: dialTimeout, ControlContext: c.control}
	c.http = &http.Client{
		CheckRedirect: checkRedirect,
		Transport: &http.Transport{
			// No proxy: it would be dialled in the place of what is checked.
			DialContext: dialer.DialContext, ForceAttemptHTTP2: true,
			TLSHandshakeTimeout: dialTimeout, ResponseHeaderTimeout: headTimeout,
			MaxIdleConnsPerHost: 2, IdleConnTimeout: 30 * time.Second, MaxResponseHeaderBytes: 1 << 20,
		},
	}
	return c
}

// Close closes idle connections.
func (c *Client) Close() { c.http.CloseIdleConnections() }

// Check says what is wrong with an address, before anything is fetched.
func Check(address string) error {
	u, err := url.Parse(address)
	if err != nil {
		return errors.New("is no URL")
	}
	return check(u)
}

func check(u *url.URL) error {
	switch {
	case u.Scheme != "http" && u.Scheme != "https":
		return fmt.Errorf("has the scheme %.20q; there are http and https", u.Scheme)
	case u.Hostname() == "":
		return errors.New("names no host")
	case u.User != nil:
		return errors.New("carries a user name or password, which would be kept with the summary; leave them out")
	}
	return nil
}

// Get fetches a document. Its error follows the address as the rest of a sentence.
func (c *Client) Get(ctx context.Context, address string) (Content, error) {
	if err := Check(address); err != nil {
		return Content{}, err
	}
	ctx, cancel := context.WithTimeoutCause(ctx, c.config.Timeout, fmt.Errorf("was not there within %s", c.config.Timeout))
	defer cancel()
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, address, http.NoBody)
	if err != nil {
		return Content{}, errors.New("is no URL")
	}
	request.Header.Set("User-Agent", c.config.Agent)
	request.Header.Set("Accept", "*/*")
	response, err := c.http.Do(request) //nolint:bodyclose // read closes it
	if err != nil {
		return Content{}, failure(ctx, err)
	}
	return c.read(ctx, response)
}

// read reads an answer and closes it.
func (c *Client) read(ctx context.Context, response *http.Response) (content Content, err error) {
	defer func() { _ = response.Body.Close() }() // all of it was read, or the error says why not
	if response.StatusCode != http.StatusOK {
		return Content{}, fmt.Errorf("was answered with status %d", response.StatusCode)
	}
	if response.ContentLength > c.config.MaxBytes {
		return Content{}, c.oversize()
	}
	body, err := io.ReadAll(io.LimitReader(response.Body, c.config.MaxBytes+1))
	switch {
	case err != nil:
		return Content{}, failure(ctx, err)
	case int64(len(body)) > c.config.MaxBytes:
		return Content{}, c.oversize()
	}
	content = Content{URL: response.Request.URL.String(), Body: body, Name: nameIn(response)}
	content.Type, _, err = mime.ParseMediaType(response.Header.Get("Content-Type"))
	if err != nil {
		content.Type = "" // the name or the content tells
	}
	return content, nil
}

func (c *Client) oversize() error {
	return fmt.Errorf("%w: at most %d bytes", ErrOversize, c.config.MaxBytes)
}

// nameIn is the name that an answer gives its document.
func nameIn(response *http.Response) string {
	_, parameters, err := mime.ParseMediaType(response.Header.Get("Content-Disposition"))
	name := parameters["filename"]
	if err != nil || name == "" {
		name = response.Request.URL.Path
	}
	return name[strings.LastIndexAny(name, `/\`)+1:]
}

// checkRedirect follows a few redirects, and none that gives encryption up.
func checkRedirect(request *http.Request, via []*http.Request) error {
	switch err := check(request.URL); {
	case len(via) > maxRedirects:
		return fmt.Errorf("was redirected more than %d times", maxRedirects)
	case err != nil:
		return fmt.Errorf("was redirected to what %w", err)
	case via[len(via)-1].URL.Scheme == "https" && request.URL.Scheme != "https":
		return errors.New("was redirected from https to http")
	}
	return nil
}

// control refuses a connection by the address that it is about to be made to.
func (c *Client) control(_ context.Context, _, address string, _ syscall.RawConn) error {
	return allowed(address, c.config.AllowPrivate)
}

// failure says what went wrong, without the address, which the caller names.
func failure(ctx context.Context, err error) error {
	if ctx.Err() != nil {
		return context.Cause(ctx)
	}
	if wrapped, ok := errors.AsType[*url.Error](err); ok {
		err = wrapped.Err
	}
	if errors.Is(err, ErrPrivate) {
		return fmt.Errorf("%w; --allow-private is for an intranet", ErrPrivate)
	}
	return fmt.Errorf("could not be fetched: %w", err)
}
