package responses

import (
	"context"
	"crypto/tls"
	"errors"
	"net"
	"net/http"

	"github.com/longhaul-jobs/longhaul/jobs"
)

// Operations are the values of the metrics' label op.
func Operations() []string {
	var names []string
	for _, op := range operations() {
		names = append(names, string(op))
	}
	return names
}

// DialWith makes the client's own transports dial with a function of the test.
func (c *Client) DialWith(dial func(context.Context, string, string) (net.Conn, error)) {
	for _, t := range c.transports() {
		t.DialContext = dial
	}
}

// Trust gives the client's own transports a configuration of the test.
func (c *Client) Trust(config *tls.Config) {
	for _, t := range c.transports() {
		t.TLSClientConfig = config.Clone()
	}
}

func (c *Client) transports() []*http.Transport {
	var transports []*http.Transport
	for _, client := range c.clients {
		if t, ok := client.Transport.(*http.Transport); ok {
			transports = append(transports, t)
		}
	}
	return transports
}

// Silence is how far a request got that was not answered.
type Silence int

// The ways of a request that was not answered.
const (
	Unreached  Silence = iota // the SDK did not give it to the transport
	Unreported                // a transport of the caller's reported nothing
	Connecting
	Connected
)

// FailSilently returns the error of an exchange that brought no answer.
func (c *Client) FailSilently(op string, err error, how Silence) *jobs.Error {
	e := &exchange{op: operation(op), err: err, reached: how != Unreached}
	switch how {
	case Connecting:
		e.link.Store(linkConnecting)
	case Connected:
		e.link.Store(linkConnected)
	case Unreached, Unreported:
	}
	return c.failed(e)
}

// FailWith returns the error of an exchange with an answer that is taken to be
// useless.
func (c *Client) FailWith(op string, status int, header http.Header, body, request []byte) *jobs.Error {
	return c.failed(&exchange{
		op: operation(op), limit: DefaultMaxResponseBytes, reached: true,
		status: status, header: header, body: body, request: request,
	})
}

func (c *Client) failed(e *exchange) *jobs.Error {
	err, ok := errors.AsType[*jobs.Error](c.fail(e))
	if !ok {
		panic("a failure without a class")
	}
	return err
}
