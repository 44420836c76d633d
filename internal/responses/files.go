package responses

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"mime/multipart"
	"net/http"
	"net/url"
	"strings"
	"time"

	"github.com/openai/openai-go/v3/option"
	oai "github.com/openai/openai-go/v3/responses"

	"github.com/longhaul-jobs/longhaul/jobs"
)

// to is the middleware that sends a request to another path below the base URL. The SDK
// keeps all but responses in its root package, which would double the build; a request
// about responses has all else that these need.
func (c *Client) to(path ...string) option.Middleware {
	return func(req *http.Request, next option.MiddlewareNext) (*http.Response, error) {
		escaped := make([]string, len(path))
		for i, part := range path {
			escaped[i] = url.PathEscape(part)
		}
		target, err := url.Parse(strings.TrimRight(c.config.BaseURL, "/") + "/" + strings.Join(escaped, "/"))
		if err != nil {
			return nil, fmt.Errorf("make the path: %w", err)
		}
		target.RawQuery = req.URL.RawQuery
		req = req.Clone(req.Context())
		req.URL = target
		return next(req)
	}
}

// Upload keeps content at the provider as a file of requests for a batch and returns
// its id. An upload whose answer is lost leaves a file that nobody asks for; OpenAI
// deletes it after 30 days.
//
// The error is a [*jobs.Error] of the classes that [Client.Look] has, and invalid if the
// provider refuses the file.
func (c *Client) Upload(ctx context.Context, name string, content []byte) (fileID string, err error) {
	form := &bytes.Buffer{}
	w := multipart.NewWriter(form)
	err = w.WriteField("purpose", "batch")
	if err == nil {
		var part io.Writer
		if part, err = w.CreateFormFile("file", name); err == nil {
			_, err = part.Write(content)
		}
	}
	if err = errors.Join(err, w.Close()); err != nil {
		return "", misuse(opUpload, "the form could not be written")
	}
	e := c.do(ctx, opUpload, func(ctx context.Context, options ...option.RequestOption) error {
		options = append(options, option.WithRequestBody(w.FormDataContentType(), form.Bytes()), option.WithMiddleware(c.to("files")))
		_, err := c.creating.New(ctx, oai.ResponseNewParams{}, options...)
		return err
	})
	var file struct {
		ID string `json:"id"`
	}
	if !e.success() || json.Unmarshal(e.body, &file) != nil || !validID(file.ID) {
		return "", c.fail(e)
	}
	c.metrics.observe(opUpload, outcomeOK, e.elapsed)
	return file.ID, nil
}

// downloadMost is how long a file of answers may take, with what is done with each: other
// batches wait meanwhile.
const downloadMost = 2 * time.Hour

// Answers hands each answer in a file that a batch has written to visit, until that
// returns an error, which is then the error. A line that is no answer is left to the
// caller to miss: its job has none. The file may take two hours, each answer in it no longer
// than a create.
//
// All other errors are [*jobs.Error] of the classes that [Client.Look] has; visit may
// have had some of the answers by then, and gets them again when it is tried again.
func (c *Client) Answers(ctx context.Context, fileID string, visit func(jobs.BatchAnswer) error) error {
	if !validID(fileID) {
		return misuse(opDownload, "the file id is malformed")
	}
	var stopped error
	// What bounds it is the wait for the next answer: how long all of them take depends on the
	// caller too, and a file that is cut short begins anew.
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	patience := c.config.CreateTimeout
	idle := time.AfterFunc(patience, func() { cancel(&timeoutError{after: patience}) })
	defer idle.Stop()
	e := c.do(ctx, opDownload, func(ctx context.Context, options ...option.RequestOption) error {
		read := func(body io.Reader) error {
			return c.readAnswers(body, func(a jobs.BatchAnswer) bool {
				idle.Stop()
				stopped = visit(a)
				idle.Reset(patience)
				return stopped == nil
			})
		}
		options = append(options, option.WithMiddleware(c.to("files", fileID, "content"), stream(read)))
		_, err := c.managing.Get(ctx, fileID, oai.ResponseGetParams{}, options...)
		return err
	})
	switch {
	case stopped != nil:
		return stopped
	case !e.success():
		return c.fail(e)
	}
	c.metrics.observe(opDownload, outcomeOK, e.elapsed)
	return nil
}

// stream is the middleware that reads the body of a success with read, so that it never
// is in memory as a whole; what came of that is what the caller finds at its end.
func stream(read func(io.Reader) error) option.Middleware {
	return func(req *http.Request, next option.MiddlewareNext) (*http.Response, error) {
		res, err := next(req)
		if err != nil || res.StatusCode != http.StatusOK {
			return res, err
		}
		err = read(res.Body)
		_ = res.Body.Close()
		answer := *res
		answer.Body, answer.ContentLength = io.NopCloser(&failing{err}), -1
		return &answer, nil
	}
}

// failing is an empty body that ends with an error, or in peace if that is nil.
type failing struct{ err error }

// Read implements [io.Reader].
func (f *failing) Read([]byte) (int, error) {
	if f.err != nil {
		return 0, f.err
	}
	return 0, io.EOF
}

// readAnswers reads a file of answers, line by line. A last line without its end was
// cut: OpenAI ends each.
func (c *Client) readAnswers(body io.Reader, visit func(jobs.BatchAnswer) bool) error {
	in := bufio.NewReaderSize(body, 64<<10)
	var line []byte
	for {
		var err error
		line, err = readLine(in, line[:0], c.config.MaxResponseBytes)
		var a jobs.BatchAnswer
		switch {
		case errors.Is(err, errEventTooLarge):
			if err := skipLine(in); err != nil {
				return err
			}
			a = c.oversized(line)
		case errors.Is(err, io.EOF) && len(line) > 0:
			return io.ErrUnexpectedEOF
		case errors.Is(err, io.EOF):
			return nil
		case err != nil:
			return err
		default:
			a, _ = c.readAnswer(bytes.Clone(line)) // an answer keeps what it was read from
		}
		if a.CustomID != "" && !visit(a) {
			return nil
		}
	}
}

// skipLine reads up to the end of a line.
func skipLine(in *bufio.Reader) error {
	for {
		_, err := in.ReadSlice('\n')
		switch {
		case errors.Is(err, io.EOF):
			return io.ErrUnexpectedEOF
		case !errors.Is(err, bufio.ErrBufferFull):
			return err
		}
	}
}

// oversized is the answer on a line over the cap, of which only the beginning was read.
func (c *Client) oversized(begin []byte) jobs.BatchAnswer {
	return jobs.BatchAnswer{CustomID: readMembers(begin, "custom_id")["custom_id"], Failure: &jobs.Failure{
		Class: jobs.ClassOversized, Message: fmt.Sprintf("the answer is larger than the cap of %d bytes", c.config.MaxResponseBytes),
	}}
}
