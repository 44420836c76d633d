package responses

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/http/httptrace"
	"slices"
	"strings"
	"sync/atomic"
	"time"

	"github.com/openai/openai-go/v3/option"

	"github.com/longhaul-jobs/longhaul/jobs"
)

const (
	// maxErrorBytes caps the body of an answer that is not a success.
	maxErrorBytes = 64 << 10
	// maxGrowBytes bounds what a Content-Length makes us allocate in advance.
	maxGrowBytes = 1 << 20
	maxIDBytes   = 256

	// statusUnread is the status of a response of which only the id could be
	// read. It is none of OpenAI's, so that nothing takes it for an end.
	statusUnread = "unread"
)

// exchange is one HTTP request and what came of it. The SDK makes and sends the
// request; the answer is read here, in a middleware, before the SDK sees it:
// the SDK reads without a cap, keeps no bytes, takes "{}" for a response, and
// loses the status of an answer whose error has another shape than OpenAI's.
type exchange struct {
	op      operation
	limit   int64  // the most bytes of a body that are kept
	traced  bool   // the transport reports what it does
	request []byte // the body that was sent, to recognise in an error

	// visit takes the events of a stream that is followed; streamed says that the
	// answer was a stream.
	visit    func(data []byte) bool
	streamed bool

	reached bool         // the request was given to the transport
	link    atomic.Int32 // how far the transport got; one of the link constants

	// The answer; status is 0 if none came.
	status   int
	header   http.Header
	body     []byte
	over     bool  // there is more body than limit
	cut      error // why the body ended early
	stranger bool  // the body is a response, but another one

	// err is why no answer came, stopped that the context was over by then.
	err     error
	stopped bool
	elapsed time.Duration
}

// How far a transport got with a request. It asks for a second connection only
// if nothing of the request was written to the first.
const (
	linkNone       int32 = iota // nothing was reported
	linkConnecting              // it resolves, dials or shakes hands
	linkConnected               // the request can be written from here on
)

// timeoutError is the cause of a context that ran into a timeout of ours.
type timeoutError struct{ after time.Duration }

func (e *timeoutError) Error() string { return fmt.Sprintf("no answer within %s", e.after) }

func (e *timeoutError) Unwrap() error { return context.DeadlineExceeded }

// do carries out one call of the SDK and returns what came of it.
func (c *Client) do(
	ctx context.Context, op operation, send func(context.Context, ...option.RequestOption) error,
) *exchange {
	timeout := c.timeout(op)
	ctx, cancel := context.WithTimeoutCause(ctx, timeout, &timeoutError{after: timeout})
	defer cancel()

	e := &exchange{op: op, limit: c.config.MaxResponseBytes, traced: c.traced}
	began := time.Now()
	err := ctx.Err()
	if err == nil {
		// The SDK hands over its response unread, and we need none of it.
		var unread *http.Response
		err = send(httptrace.WithClientTrace(ctx, e.trace()),
			option.WithMiddleware(e.record), option.WithResponseBodyInto(&unread))
	}
	e.elapsed = time.Since(began)
	if e.status == 0 {
		e.err = err
		if ctx.Err() != nil {
			e.err, e.stopped = context.Cause(ctx), true
		}
	}
	return e
}

// trace follows the request to the point from which on it may have been sent.
// The hooks that report writing are of no use: when a context ends, the
// transport returns while it may still be writing.
func (e *exchange) trace() *httptrace.ClientTrace {
	return &httptrace.ClientTrace{
		GetConn: func(string) { e.link.Store(linkConnecting) },
		GotConn: func(httptrace.GotConnInfo) { e.link.Store(linkConnected) },
	}
}

// sent reports whether the request may have reached the provider. It is false
// only if that is certain.
func (e *exchange) sent() bool {
	if e.status != 0 {
		return true
	}
	if !e.reached {
		return false
	}
	switch e.link.Load() {
	case linkConnecting:
		return false
	case linkNone:
		return !e.traced
	}
	return true
}

// cause is the error behind an exchange that brought nothing usable, nil if the
// answer came whole.
func (e *exchange) cause() error {
	if e.err != nil {
		return e.err
	}
	return e.cut
}

// record is the SDK's middleware that reads the answer.
func (e *exchange) record(req *http.Request, next option.MiddlewareNext) (*http.Response, error) {
	e.reached = true
	if e.op.creates() && !e.traced {
		req.GetBody = nil // we do not know this transport: it must not be able to send the body twice
	}
	res, err := next(req)
	if err != nil {
		return res, err
	}
	defer func() { _ = res.Body.Close() }()
	if (e.op == opCreate || e.op == opFollow) && isStream(res) {
		e.status, e.header = res.StatusCode, res.Header
		e.readStream(res.Body)
		read := *res
		read.Body, read.ContentLength = http.NoBody, 0
		return &read, nil
	}
	limit := e.limit
	if res.StatusCode >= http.StatusMultipleChoices {
		limit = min(limit, maxErrorBytes)
	}
	var body bytes.Buffer
	body.Grow(int(min(max(res.ContentLength, 0), limit, maxGrowBytes)) + bytes.MinRead)
	_, e.cut = body.ReadFrom(io.LimitReader(res.Body, limit+1))
	e.body = body.Bytes()
	if int64(len(e.body)) > limit {
		e.body, e.over = e.body[:limit], true
	}
	e.status, e.header = res.StatusCode, res.Header
	read := *res
	read.Body, read.ContentLength = http.NoBody, 0
	return &read, nil
}

// success reports whether an answer of a 2xx status came whole.
func (e *exchange) success() bool {
	return e.status >= 200 && e.status <= 299 && e.cut == nil && !e.over
}

// response reads the response object of a successful answer. Of the answer to a
// create the id is enough: it was accepted, it is paid for, and with its id the
// rest can be looked at.
func (e *exchange) response() (jobs.Response, bool) {
	if e.success() {
		if r, err := jobs.ParseResponse(e.body); err == nil && validID(r.ID) {
			return r, true
		}
	}
	if e.op == opCreate && e.status >= 200 && e.status <= 299 {
		if id := readID(e.body); id != "" {
			return jobs.Response{ID: id, Status: statusUnread}, true
		}
	}
	return jobs.Response{}, false
}

// deleted reports whether the answer says that the response was deleted. An
// empty page of some proxy in between does not say so.
func (e *exchange) deleted() bool {
	if !e.success() {
		return false
	}
	var answer struct {
		Deleted bool `json:"deleted"`
	}
	return e.status == http.StatusNoContent || json.Unmarshal(e.body, &answer) == nil && answer.Deleted
}

// readID finds the id of a response object of which the end may be missing, ""
// if it is not certain.
func readID(body []byte) string {
	found := readMembers(body, "id", "object")
	id := found["id"]
	if !validID(id) || (found["object"] != "response" && !strings.HasPrefix(id, "resp_")) {
		return ""
	}
	return id
}

// readMembers finds members of an object of which the end may be missing: those that are
// there, "" for one that is neither text nor a number.
func readMembers(body []byte, names ...string) map[string]string {
	dec := json.NewDecoder(bytes.NewReader(body))
	if first, err := dec.Token(); err != nil || first != json.Delim('{') {
		return nil
	}
	found := make(map[string]string, len(names))
	for dec.More() {
		key, err := dec.Token()
		if err != nil {
			break
		}
		var value json.RawMessage
		if dec.Decode(&value) != nil {
			break
		}
		if name, ok := key.(string); ok && slices.Contains(names, name) {
			found[name] = scalar(value)
		}
	}
	return found
}

// validID reports whether s can be the id of a response.
func validID(s string) bool {
	return s != "" && validHeader(s, maxIDBytes) && !strings.Contains(s, " ")
}
