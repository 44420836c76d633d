package responses

import (
	"net"
	"net/http"
	"time"
)

// Timings of the connections.
const (
	dialTimeout = 10 * time.Second
	// keepAlive notices a dead peer within two to three minutes even if a
	// create is held open for long.
	keepAlive = 15 * time.Second
	// createIdle is short: a connection that a server closes at the moment it
	// is used again makes a create ambiguous. Common servers keep an idle
	// connection for a minute and more.
	createIdle = 4 * time.Second
	manageIdle = 60 * time.Second
	// manageConns is how many looks can be under way without dialing anew.
	manageConns = 256
	createConns = 64

	maxHeaderBytes = 1 << 20
)

// newCreateTransport makes the connections that creates go over. They speak
// HTTP/1.1, because Go's HTTP/2 sends a POST again by itself, for one after the
// peer reset its stream with PROTOCOL_ERROR, and because one lost connection
// then loses the answers of all creates under way. Over HTTP/1.1 a POST is sent
// again only if not one byte of it was written.
func newCreateTransport() *http.Transport {
	t := newTransport(createConns, createIdle)
	t.Protocols = new(http.Protocols)
	t.Protocols.SetHTTP1(true)
	return t
}

// newManageTransport makes the connections of all other calls, which may be
// repeated without harm: HTTP/2 where the server speaks it.
func newManageTransport() *http.Transport {
	t := newTransport(manageConns, manageIdle)
	t.ForceAttemptHTTP2 = true
	t.HTTP2 = &http.HTTP2Config{SendPingTimeout: keepAlive, PingTimeout: keepAlive}
	return t
}

func newTransport(conns int, idle time.Duration) *http.Transport {
	return &http.Transport{
		Proxy:                  http.ProxyFromEnvironment,
		DialContext:            (&net.Dialer{Timeout: dialTimeout, KeepAlive: keepAlive}).DialContext,
		TLSHandshakeTimeout:    dialTimeout,
		MaxIdleConns:           conns,
		MaxIdleConnsPerHost:    conns,
		IdleConnTimeout:        idle,
		MaxResponseHeaderBytes: maxHeaderBytes,
		// No ResponseHeaderTimeout: a create may be held until the response has
		// ended. The deadline of each call covers both.
	}
}

func newHTTPClient(t *http.Transport) *http.Client {
	return &http.Client{Transport: t, CheckRedirect: refuseRedirect}
}

// refuseRedirect makes a redirect the answer: the API has none, and following
// one would send a create a second time, or turn it into a GET.
func refuseRedirect(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }
