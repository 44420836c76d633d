package batches

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"time"

	"github.com/longhaul-jobs/longhaul/jobs"
	"github.com/longhaul-jobs/longhaul/results"
)

// soon is when a line is looked at again whose job is still being submitted.
const soon = 10 * time.Second

// upload builds the file of a batch and hands it to the provider. A crash after it, or
// a lost answer, leaves a file there that nobody asks for.
func (k *Keeper) upload(ctx context.Context, b results.Batch) error {
	content, lines, err := k.build(ctx, b)
	if _, away := errors.AsType[*jobs.Error](err); away {
		return k.fail(ctx, b, err) // the blob store; it is as much worth a pause as the provider
	}
	if err != nil {
		return err
	}
	if b.Lines = lines; lines == 0 {
		return k.done(ctx, b)
	}
	b.Bytes = len(content)
	id, failure := k.api.Upload(ctx, fmt.Sprintf("longhaul-%s-%d.jsonl", k.config.Endpoint, b.Number), content)
	if failure != nil {
		return k.fail(ctx, b, failure)
	}
	b.Stage, b.FileID, b.Tries, b.Problem = results.BatchUploaded, id, 0, ""
	b, first, err := k.step(ctx, b)
	if err != nil || !first {
		return err
	}
	return k.create(ctx, b)
}

// build writes the requests of a batch, one a line, in the order of the lines' ids. What
// nobody wants any more leaves the batch, and what is still being submitted goes into
// another one: only what the record of its job names is sent. So does what cannot be read,
// after patientTries if that is for the blob store: it keeps the others no longer.
func (k *Keeper) build(ctx context.Context, b results.Batch) (content []byte, lines int, err error) {
	ids, err := k.store.BatchLines(ctx, k.config.Endpoint, b.Number)
	if err != nil {
		return nil, 0, err
	}
	var file bytes.Buffer
	var unwanted, early []string
	var stop error
	failed := 0
	for _, id := range ids {
		raw, want, err := k.request(ctx, id)
		_, away := errors.AsType[*jobs.Error](err)
		switch {
		case err != nil && (away && b.Tries < patientTries || ctx.Err() != nil):
			return nil, 0, err
		case err != nil:
			k.log.WarnContext(ctx, "line cannot be read, and goes into another batch", slog.String("line", id), slog.Any("err", err))
			early = append(early, id)
			if failed++; failed == enoughFailed {
				stop = err
			}
		case want == later:
			early = append(early, id)
		case want == never:
			unwanted = append(unwanted, id)
		default:
			file.Write(append(raw, '\n'))
			lines++
		}
		if stop != nil {
			break
		}
	}
	for at, leaving := range map[time.Time][]string{{}: unwanted, k.store.Now().Add(soon): early} {
		if len(leaving) == 0 {
			continue
		}
		if _, err := k.store.LeaveBatch(ctx, k.config.Endpoint, b, at, leaving...); err != nil {
			return nil, 0, err
		}
	}
	return file.Bytes(), lines, stop
}

// patientTries is how often a batch waits as a whole for a blob store that is away.
const patientTries = 5

// want says whether a line is to be sent.
type want int

const (
	now want = iota
	later
	never
)

// request returns what a line carries, if it is to be sent.
func (k *Keeper) request(ctx context.Context, id string) (json.RawMessage, want, error) {
	t, ok := jobs.ParseLine(id)
	if !ok {
		return nil, never, nil
	}
	j, err := k.store.Load(ctx, t.Job)
	switch {
	case errors.Is(err, results.ErrNotFound):
		return nil, never, nil
	case errors.Is(err, jobs.ErrNewerSchema):
		return nil, later, nil // a newer worker will know
	case err != nil:
		return nil, never, err
	}
	a, _ := j.CurrentAttempt()
	switch {
	case j.State == jobs.StateSubmitting && a.Number == t.Attempt:
		return nil, later, nil
	case j.State != jobs.StateRunning || a.ResponseID != id || j.Stop != nil:
		return nil, never, k.unsent(ctx, id)
	}
	request, err := k.store.Request(ctx, j)
	if err != nil && !gone(err) {
		return nil, never, err
	}
	var raw json.RawMessage
	if err == nil {
		raw, err = encode(request, j, a, id)
	}
	if err != nil {
		f := jobs.FailureOf(err)
		k.log.WarnContext(ctx, "request of a line not read", slog.String("job_id", string(j.ID)), slog.String("class", string(f.Class)), slog.Any("err", err))
		return nil, never, k.deliver(ctx, id, jobs.Collected{Line: id, Endpoint: k.config.Endpoint, Failure: &f})
	}
	return raw, now, nil
}

// unsent ends a job that was stopped before its line was sent, if it has not ended: that
// has cost nothing.
func (k *Keeper) unsent(ctx context.Context, id string) error {
	r, err := line(id, jobs.StatusCancelled, true)
	if err != nil {
		return err
	}
	return k.deliver(ctx, id, jobs.Collected{Line: id, Endpoint: k.config.Endpoint, Reply: &r})
}

// gone reports whether a request is not to be had any more, rather than away with Redis or
// the blob store, or kept in one that this worker does not know.
func gone(err error) bool {
	return errors.Is(err, results.ErrBlobMissing) || errors.Is(err, results.ErrUnreadable) || errors.Is(err, results.ErrNotFound)
}

// encode writes one line of the file.
func encode(request jobs.Request, j jobs.Job, a jobs.Attempt, id string) (json.RawMessage, error) {
	body, err := request.Body(j.ID, a.Number, a.Adjust)
	if err != nil {
		return nil, err
	}
	if body, err = jobs.BatchBody(body); err != nil {
		return nil, err
	}
	var line bytes.Buffer
	err = json.Compact(&line, fmt.Appendf(nil, `{"custom_id":%q,"method":"POST","url":"/v1/responses","body":%s}`, id, body))
	return line.Bytes(), err
}
