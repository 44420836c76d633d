package responses

import (
	"bytes"
	"context"
	"encoding/json"
	"io"
	"net/http"
	"net/http/httptrace"
	"strconv"
	"time"

	"github.com/openai/openai-go/v3/option"
	oai "github.com/openai/openai-go/v3/responses"

	"github.com/longhaul-jobs/longhaul/jobs"
)

// Follow streams a response's events to visit, which must not keep the data: those
// behind the one with the number after, or all of them if that is negative. It goes on
// until the stream ends, visit returns false, or ctx is done; there is no timeout, for
// a response may be silent for long. A nil error says nothing about the response: a
// stream may end before it does.
//
// The error is a [*jobs.Error]; of class invalid if the provider does not stream this
// response, now or for good, and otherwise of the classes that [Client.Look] has.
func (c *Client) Follow(ctx context.Context, responseID string, after int64, visit func(data []byte) bool) error {
	if !validID(responseID) {
		return misuse(opFollow, "the response id is malformed")
	}
	e := &exchange{op: opFollow, limit: c.config.MaxResponseBytes, traced: c.traced}
	e.visit = func(data []byte) bool { return ctx.Err() == nil && visit(data) }
	var unread *http.Response
	options := []option.RequestOption{
		// Responses.GetStreaming would put "stream" into the body of a GET, where nobody
		// looks for it. What pads deltas against eavesdroppers would be read for nothing.
		option.WithQuery("stream", "true"), option.WithQuery("include_obfuscation", "false"), option.WithHeader("Accept", "text/event-stream"),
		option.WithMiddleware(e.record), option.WithResponseBodyInto(&unread),
	}
	if after >= 0 {
		options = append(options, option.WithQuery("starting_after", strconv.FormatInt(after, 10)))
	}
	began := time.Now()
	_, err := c.managing.Get(httptrace.WithClientTrace(ctx, e.trace()), responseID, oai.ResponseGetParams{}, options...)
	e.elapsed = time.Since(began)
	switch {
	case ctx.Err() != nil:
		e.err, e.stopped = context.Cause(ctx), true
	case e.status == 0:
		e.err = err
	case e.streamed && e.cut == nil:
		c.metrics.observe(opFollow, outcomeOK, e.elapsed)
		return nil
	case e.status == http.StatusBadRequest, !e.streamed && e.success():
		// Refused, or answered with the response itself by a server that knows no streams.
		return c.notStreamed(e)
	}
	return c.fail(e)
}

// notStreamed is the error for a response that the provider does not stream.
func (c *Client) notStreamed(e *exchange) error {
	failure := jobs.Failure{Class: jobs.ClassInvalid, HTTPStatus: e.status, Message: "the answer is no stream"}
	if !e.success() {
		failure.Message = c.scrub.message(classify(e).Message, nil)
	}
	c.metrics.observe(opFollow, string(failure.Class), e.elapsed)
	return &jobs.Error{Failure: failure, Op: opFollow.verb()}
}

// readStream reads a stream of events. Of the answer to a create, only what tells the
// id of the response is read, and stands for the answer from then on; the response
// goes on in the background without anybody who reads, and is followed later.
func (e *exchange) readStream(body io.Reader) {
	e.streamed = true
	e.cut = readEvents(body, e.limit, func(data []byte) bool {
		if e.visit != nil {
			return e.visit(data)
		}
		var ev struct {
			Response json.RawMessage `json:"response"`
		}
		if json.Unmarshal(data, &ev) == nil && readID(ev.Response) != "" {
			e.body = ev.Response
			return false
		}
		e.body = bytes.Clone(data) // an error, if nothing else comes
		return true
	})
	if e.op == opCreate && e.cut == nil && len(e.body) == 0 {
		e.cut = io.ErrUnexpectedEOF
	}
}
