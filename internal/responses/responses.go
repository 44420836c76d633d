// Package responses is Longhaul's adapter to the OpenAI Responses API, and the
// only speaker of OpenAI's SDK.
//
// It owns the wire: what is sent and under which deadline, which bytes of an
// answer are kept, and what an answer, or the lack of one, means. Every error
// leaves it as a [jobs.Error] whose class is decided by the one table in
// classify.go. Requests and responses pass through byte for byte.
//
// It refuses to know what a class does to a job, when to try again and how fast
// to send: a call makes one HTTP request, and nothing in here sends a second
// one. The environment is not read either, but for the usual proxy variables.
package responses

import (
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"time"

	"github.com/openai/openai-go/v3/option"
	oai "github.com/openai/openai-go/v3/responses"
	"github.com/prometheus/client_golang/prometheus"

	"github.com/longhaul-jobs/longhaul/jobs"
)

// Client speaks to one endpoint. It is safe for concurrent use.
type Client struct {
	config  Config
	scrub   scrubber
	metrics *metrics

	// A create goes over connections of its own; see newCreateTransport.
	creating oai.ResponseService
	managing oai.ResponseService
	clients  [2]*http.Client
	// traced says that the clients' transports report, through httptrace, all
	// that they do with a request.
	traced bool
}

// New returns a client of the endpoint that config names. It dials nothing. The
// error joins everything that is wrong with config, or says that the metrics of
// an endpoint of that name are registered already.
func New(config Config, registerer prometheus.Registerer) (*Client, error) {
	config = config.withDefaults()
	if err := config.Validate(); err != nil {
		return nil, err
	}
	m, err := newMetrics(registerer, config.Name)
	if err != nil {
		return nil, err
	}
	c := &Client{config: config, scrub: newScrubber(config.APIKey), metrics: m}
	if config.HTTPClient == nil {
		c.clients[0], c.clients[1] = newHTTPClient(newCreateTransport()), newHTTPClient(newManageTransport())
		c.traced = true
	} else {
		given := *config.HTTPClient
		given.CheckRedirect = refuseRedirect
		c.clients[0], c.clients[1] = &given, &given
		switch given.Transport.(type) {
		case nil, *http.Transport:
			c.traced = true
		}
	}
	options := config.options()
	c.creating = oai.NewResponseService(append(options, option.WithHTTPClient(c.clients[0]))...)
	c.managing = oai.NewResponseService(append(options, option.WithHTTPClient(c.clients[1]))...)
	return c, nil
}

// Endpoint returns the name of the endpoint, as the records of jobs keep it.
func (c *Client) Endpoint() string { return c.config.Name }

// Close closes the connections that are not in use. The client stays usable.
func (c *Client) Close() {
	for _, client := range c.clients {
		client.CloseIdleConnections()
	}
}

// Create sends body, byte for byte, as POST /responses, with clientRequestID as
// X-Client-Request-Id (at most 512 printable ASCII characters; "" sends none).
//
// A nil error means that the provider accepted the request and that its id is
// known; the response may have ended already, at a server that ignores
// "background". If the id could be read from an answer that was otherwise cut
// or over the cap, the reply has the id, a status that is not terminal and no
// Raw: a look brings the rest. Where body asks for a stream, the first event with the
// response is the answer; the rest of the stream is [Client.Follow]'s.
//
// The error is a [*jobs.Error]. Its class is ambiguous whenever the request may
// have been accepted without its id having become known, and oversized when
// that certainly happened; every other class means that nothing was accepted,
// and unreachable that not even the request was sent.
func (c *Client) Create(ctx context.Context, body json.RawMessage, clientRequestID string) (jobs.Reply, error) {
	if !validHeader(clientRequestID, maxClientRequestID) {
		return jobs.Reply{}, misuse(opCreate, "the client request id is not at most 512 printable ASCII characters")
	}
	e := c.do(ctx, opCreate, func(ctx context.Context, options ...option.RequestOption) error {
		options = append(options, option.WithRequestBody("application/json", []byte(body)))
		if clientRequestID != "" {
			options = append(options, option.WithHeader("X-Client-Request-Id", clientRequestID))
		}
		_, err := c.creating.New(ctx, oai.ResponseNewParams{}, options...)
		return err
	})
	e.request = body
	return c.reply(e, "")
}

// Look returns the response as it now stands. include is the include list of
// the request, without which the provider leaves out what was asked for.
//
// The error is a [*jobs.Error]: lost when the provider says that it does not
// know the response, unauthorized, rate_limited, oversized, and unavailable for
// everything that says nothing about the response.
func (c *Client) Look(ctx context.Context, responseID string, include []string) (jobs.Reply, error) {
	if !validID(responseID) {
		return jobs.Reply{}, misuse(opLook, "the response id is malformed")
	}
	query := oai.ResponseGetParams{}
	for _, name := range include {
		query.Include = append(query.Include, oai.ResponseIncludable(name))
	}
	e := c.do(ctx, opLook, func(ctx context.Context, options ...option.RequestOption) error {
		_, err := c.managing.Get(ctx, responseID, query, options...)
		return err
	})
	return c.reply(e, responseID)
}

// Cancel asks the provider to end the response and returns it as it then
// stands, which may be completed: OpenAI answers a cancel of an ended response
// with that response.
//
// The error is a [*jobs.Error] of the classes that [Client.Look] has, and
// conflict when the provider refuses to cancel this response, for example
// because it does not run in the background: a look tells how it stands.
func (c *Client) Cancel(ctx context.Context, responseID string) (jobs.Reply, error) {
	if !validID(responseID) {
		return jobs.Reply{}, misuse(opCancel, "the response id is malformed")
	}
	e := c.do(ctx, opCancel, func(ctx context.Context, options ...option.RequestOption) error {
		_, err := c.managing.Cancel(ctx, responseID, options...)
		return err
	})
	return c.reply(e, responseID)
}

// Delete removes the provider's copy of the response.
//
// The error is a [*jobs.Error] of the classes that [Client.Cancel] has. A
// response that is not there any more is lost, not a success: the caller knows
// whether it had deleted it before.
func (c *Client) Delete(ctx context.Context, responseID string) error {
	if !validID(responseID) {
		return misuse(opDelete, "the response id is malformed")
	}
	e := c.do(ctx, opDelete, func(ctx context.Context, options ...option.RequestOption) error {
		return c.managing.Delete(ctx, responseID, options...)
	})
	if !e.deleted() {
		return c.fail(e)
	}
	c.metrics.observe(opDelete, outcomeOK, e.elapsed)
	return nil
}

// reply reads the response object out of an answer. A response of another id
// than the one that was asked for is not an answer.
func (c *Client) reply(e *exchange, wantID string) (jobs.Reply, error) {
	response, ok := e.response()
	if !ok || (wantID != "" && response.ID != wantID) {
		e.stranger = ok
		return jobs.Reply{}, c.fail(e)
	}
	c.metrics.observe(e.op, outcomeOK, e.elapsed)
	return jobs.Reply{
		Response:  response,
		RequestID: requestID(e.header),
		PollAfter: pollAfter(e.header),
		Limits:    rateLimits(e.header),
	}, nil
}

// fail turns an exchange that brought nothing usable into a classified error.
func (c *Client) fail(e *exchange) error {
	failure := c.scrubbed(classify(e), e)
	c.metrics.observe(e.op, string(failure.Class), e.elapsed)
	return &jobs.Error{Failure: failure, Op: e.op.verb(), Err: e.cause(), Limits: rateLimits(e.header)}
}

// scrubbed is a failure without anything that must not be shown.
func (c *Client) scrubbed(failure jobs.Failure, e *exchange) jobs.Failure {
	failure.Code = c.scrub.word(failure.Code)
	failure.Type = c.scrub.word(failure.Type)
	failure.Param = c.scrub.word(failure.Param)
	if failure.Message = c.scrub.message(failure.Message, e.request); failure.Message == "" {
		failure.Message = fmt.Sprintf("HTTP %d with %s", e.status, describeBody(e))
	}
	return failure
}

// timeout returns how long an operation may take.
func (c *Client) timeout(op operation) time.Duration {
	switch op {
	case opCreate, opCreateBatch, opUpload: // which is of up to 200 MB
		return c.config.CreateTimeout
	case opDownload: // its answers are bounded one by one
		return downloadMost
	case opLook, opCancel, opDelete, opInputItems, opModel, opFollow, opLookBatch, opCancelBatch, opFindBatch:
	}
	return c.config.LookTimeout
}

// misuse is the error of a call that could not be sent as it is.
func misuse(op operation, message string) error {
	return &jobs.Error{Failure: jobs.Failure{Class: jobs.ClassInternal, Message: message}, Op: op.verb()}
}

// operation names a call, in errors and metrics.
type operation string

const (
	opCreate     operation = "create"
	opLook       operation = "look"
	opCancel     operation = "cancel"
	opDelete     operation = "delete"
	opInputItems operation = "input_items"
	opModel      operation = "model"
	opFollow     operation = "follow"

	opUpload      operation = "upload"
	opDownload    operation = "download"
	opCreateBatch operation = "create_batch"
	opLookBatch   operation = "look_batch"
	opCancelBatch operation = "cancel_batch"
	opFindBatch   operation = "find_batch"
)

func operations() []operation {
	return []operation{
		opCreate, opLook, opCancel, opDelete, opInputItems, opModel, opFollow,
		opUpload, opDownload, opCreateBatch, opLookBatch, opCancelBatch, opFindBatch,
	}
}

// creates reports whether an operation is one that is paid for, so that it matters
// whether it may have been accepted.
func (op operation) creates() bool { return op == opCreate || op == opCreateBatch }

// verb says what the operation does, for people.
func (op operation) verb() string {
	switch op {
	case opLook:
		return "look at response"
	case opInputItems:
		return "list input items"
	case opModel:
		return "ask for model"
	case opFollow:
		return "follow response"
	case opUpload:
		return "upload requests"
	case opDownload:
		return "read the answers of a batch"
	case opCreateBatch:
		return "create batch"
	case opLookBatch:
		return "look at batch"
	case opCancelBatch:
		return "cancel batch"
	case opFindBatch:
		return "find batch"
	case opCreate, opCancel, opDelete:
	}
	return string(op) + " response"
}
