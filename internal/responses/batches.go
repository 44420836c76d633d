package responses

import (
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"strconv"
	"time"

	"github.com/openai/openai-go/v3/option"
	oai "github.com/openai/openai-go/v3/responses"

	"github.com/longhaul-jobs/longhaul/jobs"
)

// batchPage is how many batches one request asks for, the most that OpenAI gives.
const batchPage = 100

// CreateBatch has the requests of an uploaded file carried out, with metadata by which
// [Client.FindBatch] finds the batch should the answer be lost.
//
// The error is a [*jobs.Error] of the classes that [Client.Create] has.
func (c *Client) CreateBatch(ctx context.Context, fileID string, metadata map[string]string) (jobs.Batch, error) {
	if !validID(fileID) {
		return jobs.Batch{}, misuse(opCreateBatch, "the file id is malformed")
	}
	body, err := json.Marshal(struct {
		InputFileID      string            `json:"input_file_id"`
		Endpoint         string            `json:"endpoint"`
		CompletionWindow string            `json:"completion_window"`
		Metadata         map[string]string `json:"metadata"`
	}{fileID, "/v1/responses", "24h", metadata})
	if err != nil {
		return jobs.Batch{}, misuse(opCreateBatch, "the request could not be encoded")
	}
	e := c.do(ctx, opCreateBatch, func(ctx context.Context, options ...option.RequestOption) error {
		options = append(options, option.WithRequestBody("application/json", body), option.WithMiddleware(c.to("batches")))
		_, err := c.creating.New(ctx, oai.ResponseNewParams{}, options...)
		return err
	})
	return c.batch(e, "")
}

// Batch returns the batch as it now stands. The error is a [*jobs.Error] of the classes
// that [Client.Look] has.
func (c *Client) Batch(ctx context.Context, id string) (jobs.Batch, error) {
	if !validID(id) {
		return jobs.Batch{}, misuse(opLookBatch, "the batch id is malformed")
	}
	e := c.do(ctx, opLookBatch, func(ctx context.Context, options ...option.RequestOption) error {
		options = append(options, option.WithMiddleware(c.to("batches", id)))
		_, err := c.managing.Get(ctx, id, oai.ResponseGetParams{}, options...)
		return err
	})
	return c.batch(e, id)
}

// CancelBatch asks the provider to end the batch. What was carried out by then is in its
// files; it may take minutes until they are there. The error is a [*jobs.Error] of the
// classes that [Client.Cancel] has, conflict for a batch that has ended.
func (c *Client) CancelBatch(ctx context.Context, id string) (jobs.Batch, error) {
	if !validID(id) {
		return jobs.Batch{}, misuse(opCancelBatch, "the batch id is malformed")
	}
	e := c.do(ctx, opCancelBatch, func(ctx context.Context, options ...option.RequestOption) error {
		options = append(options, option.WithMiddleware(c.to("batches", id, "cancel")))
		_, err := c.managing.Cancel(ctx, id, options...)
		return err
	})
	return c.batch(e, id)
}

// FindBatch returns the batch that was made since a time with all pairs of metadata, and
// false if there is none: what responses have not, a list, tells what became of a create
// whose answer was lost. The time is by the provider's clock, in whole seconds.
//
// The error is a [*jobs.Error] of the classes that [Client.Look] has.
func (c *Client) FindBatch(ctx context.Context, since time.Time, metadata map[string]string) (jobs.Batch, bool, error) {
	after := ""
	for {
		e := c.do(ctx, opFindBatch, func(ctx context.Context, options ...option.RequestOption) error {
			options = append(options, option.WithMiddleware(c.to("batches")), option.WithQuery("limit", strconv.Itoa(batchPage)))
			if after != "" {
				options = append(options, option.WithQuery("after", after))
			}
			_, err := c.managing.Get(ctx, "batches", oai.ResponseGetParams{}, options...)
			return err
		})
		page, ok := e.page(after)
		if !ok {
			return jobs.Batch{}, false, c.fail(e)
		}
		c.metrics.observe(opFindBatch, outcomeOK, e.elapsed)
		for _, raw := range page.Data {
			b, err := jobs.ParseBatch(raw)
			if err != nil || !validID(b.ID) {
				continue
			}
			if hasAll(b.Metadata, metadata) {
				return b, true, nil
			}
			if b.CreatedAt < since.Unix() {
				return jobs.Batch{}, false, nil // they come the newest first
			}
		}
		if !page.HasMore {
			return jobs.Batch{}, false, nil
		}
		after = page.LastID
	}
}

func hasAll(have, want map[string]string) bool {
	for key, value := range want {
		if have[key] != value {
			return false
		}
	}
	return true
}

// batch reads the batch object out of an answer. One of another id than the one that
// was asked for is not an answer.
func (c *Client) batch(e *exchange, wantID string) (jobs.Batch, error) {
	var b jobs.Batch
	ok := e.success()
	if ok {
		parsed, err := jobs.ParseBatch(e.body)
		b, ok = parsed, err == nil && validID(parsed.ID)
	}
	if !ok || wantID != "" && b.ID != wantID {
		e.stranger = ok
		return jobs.Batch{}, c.fail(e)
	}
	for i, fault := range b.Errors.Data {
		// What a file holds may be repeated in what is wrong with it.
		b.Errors.Data[i].Code, b.Errors.Data[i].Param = c.scrub.word(fault.Code), c.scrub.word(fault.Param)
		b.Errors.Data[i].Message = c.scrub.message(fault.Message, nil)
	}
	c.metrics.observe(e.op, outcomeOK, e.elapsed)
	return b, nil
}

// answer is a line of the files that a batch writes.
type answer struct {
	CustomID string `json:"custom_id"`
	Response *struct {
		StatusCode int             `json:"status_code"`
		RequestID  string          `json:"request_id"`
		Body       json.RawMessage `json:"body"`
	} `json:"response"`
	Error *struct {
		Code    string `json:"code"`
		Message string `json:"message"`
	} `json:"error"`
}

// readAnswer reads a line of the files that a batch writes, and says what it means as
// if the answer had come by itself. What the batch did not carry out, because it expired
// or was cancelled, is of class unavailable: certainly nothing was made.
func (c *Client) readAnswer(line []byte) (jobs.BatchAnswer, error) {
	var a answer
	if err := json.Unmarshal(line, &a); err != nil || a.CustomID == "" {
		return jobs.BatchAnswer{}, fmt.Errorf("a line of %d bytes is no answer of a batch", len(line))
	}
	out := jobs.BatchAnswer{CustomID: a.CustomID}
	switch {
	case a.Response != nil && a.Response.StatusCode/100 == 2:
		r, err := jobs.ParseResponse(a.Response.Body)
		if err != nil || !validID(r.ID) {
			return jobs.BatchAnswer{}, fmt.Errorf("the answer to %d bytes is no response", len(a.Response.Body))
		}
		out.Reply = &jobs.Reply{Response: r, RequestID: a.Response.RequestID}
	case a.Response != nil:
		e := &exchange{op: opCreate, status: a.Response.StatusCode, body: a.Response.Body, header: http.Header{}}
		f := c.scrubbed(classify(e), e)
		f.RequestID = a.Response.RequestID
		out.Failure = &f
	default:
		f := jobs.Failure{Class: jobs.ClassUnavailable, Code: "batch_error", Message: "the batch did not carry it out"}
		if a.Error != nil {
			f.Code = c.scrub.word(a.Error.Code)
			f.Message = c.scrub.message(a.Error.Message, nil)
		}
		out.Failure = &f
	}
	return out, nil
}
