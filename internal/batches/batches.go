// Package batches carries requests of the service tier batch through OpenAI's Batch API.
// To everybody else such a request is created, looked at and cancelled as any other: a
// [Client] stands in front of an endpoint's API and has it wait as a line. One worker's
// [Keeper] makes batches of the lines, sees them through, and hands each answer to its
// job.
//
// It owns what is paid for through batches: a line is in one batch at a time, a batch
// whose create lost its answer is found in the provider's list before another is made,
// and what a batch did not carry out goes into the next.
package batches

import (
	"context"
	"encoding/json"
	"time"

	"github.com/longhaul-jobs/longhaul/jobs"
	"github.com/longhaul-jobs/longhaul/results"
)

// lookAgain is when a line is to be looked at again. Its answer is handed to its job, so
// that looks find out no more than whether it is still there.
const lookAgain = 10 * time.Minute

// lineFrame is what a file has around a request, in bytes.
const lineFrame = 128

// Responses is the API of an endpoint. Its errors are [*jobs.Error].
type Responses interface {
	Create(ctx context.Context, body json.RawMessage, clientRequestID string) (jobs.Reply, error)
	Look(ctx context.Context, responseID string, include []string) (jobs.Reply, error)
	Cancel(ctx context.Context, responseID string) (jobs.Reply, error)
	Delete(ctx context.Context, responseID string) error
}

// Lines are the requests that wait for a batch or are in one; see [results.Store].
type Lines interface {
	AddLine(ctx context.Context, endpoint, id, model string, bytes int) error
	DropLine(ctx context.Context, endpoint, id string) (results.LineState, error)
	LineState(ctx context.Context, endpoint, id string) (results.LineState, error)
}

// Client is the API of an endpoint, with batches. It is safe for concurrent use.
type Client struct {
	api      Responses
	lines    Lines
	endpoint string
}

// New returns a client in front of an endpoint's API.
func New(api Responses, lines Lines, endpoint string) *Client {
	return &Client{api: api, lines: lines, endpoint: endpoint}
}

// Create has a request of the service tier batch wait for a batch, and makes any other at
// once. A line that could not be written certainly is not sent: only those are that the
// record of their job names.
func (c *Client) Create(ctx context.Context, body json.RawMessage, clientRequestID string) (jobs.Reply, error) {
	if !jobs.Batched(body) {
		return c.api.Create(ctx, body, clientRequestID)
	}
	id, model, err := lineOf(body)
	if err != nil {
		return jobs.Reply{}, err
	}
	if err := c.lines.AddLine(ctx, c.endpoint, id, model, len(body)+lineFrame); err != nil {
		return jobs.Reply{}, storeError("create line", err)
	}
	return line(id, jobs.StatusQueued, false)
}

// lineOf names the line that a request is.
func lineOf(body json.RawMessage) (id, model string, err error) {
	var request struct {
		Model    string            `json:"model"`
		Metadata map[string]string `json:"metadata"`
	}
	if err := json.Unmarshal(body, &request); err != nil {
		return "", "", jobs.Invalid("request", "cannot be read as a request: %s", err.Error())
	}
	r := jobs.Response{Metadata: request.Metadata}
	job, attempt, ours := r.Origin()
	if !ours || request.Model == "" {
		return "", "", jobs.Invalid("service_tier", "batch needs a model, and the job's own metadata")
	}
	return jobs.LineID(jobs.Try{Job: job, Attempt: attempt}), request.Model, nil
}

// Look says how a line stands, and looks at any other response.
func (c *Client) Look(ctx context.Context, responseID string, include []string) (jobs.Reply, error) {
	if _, ok := jobs.ParseLine(responseID); !ok {
		return c.api.Look(ctx, responseID, include)
	}
	state, err := c.lines.LineState(ctx, c.endpoint, responseID)
	switch {
	case err != nil:
		return jobs.Reply{}, storeError("look at line", err)
	case state == results.LineOpen:
		return line(responseID, jobs.StatusQueued, false)
	case state == results.LineSent:
		return line(responseID, jobs.StatusInProgress, false)
	case state == results.LineLeft:
		return line(responseID, jobs.StatusCancelled, false)
	}
	return jobs.Reply{}, lost("look at line")
}

// Cancel drops a line. One that is in a batch is carried out all the same, unless nobody
// wants any of its batch; what it costs will be on record.
func (c *Client) Cancel(ctx context.Context, responseID string) (jobs.Reply, error) {
	if _, ok := jobs.ParseLine(responseID); !ok {
		return c.api.Cancel(ctx, responseID)
	}
	state, err := c.lines.DropLine(ctx, c.endpoint, responseID)
	switch {
	case err != nil:
		return jobs.Reply{}, storeError("cancel line", err)
	case state == results.LineGone:
		return jobs.Reply{}, lost("cancel line")
	}
	return line(responseID, jobs.StatusCancelled, state == results.LineUnsent)
}

// Delete deletes the provider's copy of a response. Of a line there is none.
func (c *Client) Delete(ctx context.Context, responseID string) error {
	if _, ok := jobs.ParseLine(responseID); ok {
		return lost("delete line")
	}
	return c.api.Delete(ctx, responseID)
}

func line(id, status string, unsent bool) (jobs.Reply, error) {
	r, err := jobs.Line(id, status, unsent)
	if err != nil {
		return jobs.Reply{}, &jobs.Error{Failure: jobs.Failure{Class: jobs.ClassInternal, Message: "the line has no form"}, Err: err}
	}
	return jobs.Reply{Response: r, PollAfter: lookAgain}, nil
}

// storeError is the error for what Redis did not take or tell.
func storeError(op string, err error) error {
	return &jobs.Error{
		Failure: jobs.Failure{Class: jobs.ClassUnreachable, Code: "batch_store", Message: "the lines of batches cannot be reached"}, Op: op, Err: err,
	}
}

func lost(op string) error {
	return &jobs.Error{Failure: jobs.Failure{Class: jobs.ClassLost, Code: "line_gone", Message: "the line is in no batch"}, Op: op}
}
