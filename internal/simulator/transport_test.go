package simulator_test

import (
	"bytes"
	"fmt"
	"io"
	"net/http"
	"strings"
)

// checkingTransport is an http.RoundTripper that checks what passes through it. Streams are checked as
// far as the client reads them, one event at a time.
type checkingTransport struct {
	// spec is what exchanges are held against.
	spec *apiSpec
	// report receives each violation, possibly from several goroutines. An answer that violates
	// the description is still delivered.
	report func(error)
}

// RoundTrip implements http.RoundTripper.
func (t *checkingTransport) RoundTrip(r *http.Request) (*http.Response, error) {
	body, err := readBody(r.Body)
	if err != nil {
		return nil, fmt.Errorf("read request body: %w", err)
	}
	if err := t.spec.checkRequest(r, body); err != nil {
		t.report(err)
	}
	out := r.Clone(r.Context())
	out.Body = io.NopCloser(bytes.NewReader(body))
	response, err := http.DefaultTransport.RoundTrip(out)
	if err != nil {
		return nil, err
	}
	if strings.HasPrefix(response.Header.Get("Content-Type"), "text/event-stream") {
		response.Body = &eventChecker{ReadCloser: response.Body, transport: t}
		return response, nil
	}
	answer, err := readBody(response.Body)
	if err != nil {
		return nil, fmt.Errorf("read response body: %w", err)
	}
	if err := t.spec.checkResponse(r, response.StatusCode, answer); err != nil {
		t.report(err)
	}
	response.Body = io.NopCloser(bytes.NewReader(answer))
	return response, nil
}

func readBody(body io.ReadCloser) ([]byte, error) {
	if body == nil {
		return nil, nil
	}
	raw, err := io.ReadAll(body)
	if closeErr := body.Close(); err == nil {
		err = closeErr
	}
	return raw, err
}

// eventChecker checks the events of a stream while it is read.
type eventChecker struct {
	io.ReadCloser
	transport *checkingTransport
	pending   []byte
}

// Read implements io.Reader.
func (c *eventChecker) Read(p []byte) (int, error) {
	n, err := c.ReadCloser.Read(p)
	c.pending = append(c.pending, p[:n]...)
	for {
		line, rest, found := bytes.Cut(c.pending, []byte("\n"))
		if !found {
			break
		}
		if data, ok := bytes.CutPrefix(line, []byte("data: ")); ok {
			if err := c.transport.spec.checkEvent(data); err != nil {
				c.transport.report(err)
			}
		}
		c.pending = rest
	}
	return n, err
}
