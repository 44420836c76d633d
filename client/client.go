// Package client is what another Go service imports to hand work to Longhaul:
// submit a request, look at the job, wait for its end, cancel it. It speaks to
// the Redis that the workers share; it needs no worker to be up at the moment,
// and a job that was accepted goes on when the caller is gone. It does not talk
// to OpenAI.
//
// A deadline of a context ends a call in time, while sentinels are asked for the master a
// second or two later. That a context was cancelled ends [Client.Wait] and [Client.Watch]
// at once, and any other call that waits for a Redis which hangs at the end of its read
// timeout: five seconds, or read_timeout in the address.
//
// What is wrong with an input is a [*jobs.Error] of class invalid. An error of Redis
// itself, such as that it does not answer, is none, and [jobs.ClassOf] calls it internal;
// the same call may succeed later.
//
// The library that speaks to Redis prints on stderr when it cannot connect, for the
// process as a whole: SetLogger of github.com/redis/go-redis/v9 is for the program to
// call, and this package does not.
package client

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"sync"
	"time"

	"github.com/longhaul-jobs/longhaul/jobs"
	"github.com/longhaul-jobs/longhaul/results"
)

// Config says which installation to speak to. The zero value is the default
// installation on a Redis of this machine.
type Config struct {
	// RedisURL is the address of a single Redis, a Sentinel set or a Cluster, in
	// the form that docs/configuration.md describes for redis.url; default
	// redis://127.0.0.1:6379/0.
	RedisURL string
	// Prefix begins the installation's keys; default "longhaul".
	Prefix string
	// Model is the model of requests that name none; default [jobs.DefaultModel].
	Model string
	// MaxRequestBytes is the largest request accepted; default 32 MiB.
	MaxRequestBytes int
	// Blobs is the installation's store for what is too large for Redis, which
	// package results/blobs opens; nil if it has none. Without it, requests over
	// 8 MiB are refused and large results cannot be read.
	Blobs results.Blobs
	// BlobsOver is the size over which requests go there, after compression;
	// default 64 KiB.
	BlobsOver int
	// Routes say to which lanes jobs go that name none, by their model, as
	// lanes.NAME.models do for the command line; default none.
	Routes []results.Route
}

// Client hands over jobs and reads them. It is safe for concurrent use.
type Client struct {
	store *results.Store
	model string
	close func() error
}

// Open connects to an installation. The caller closes the client. A configuration
// that cannot be is a [*jobs.Error] of class invalid that names the field. A Redis or a
// sentinel that cannot be reached is tried again, a dead sentinel for half a minute: give
// ctx a deadline.
func Open(ctx context.Context, config Config) (*Client, error) {
	rdb, err := results.Connect(cmp.Or(config.RedisURL, "redis://127.0.0.1:6379/0"), 0)
	if err != nil {
		return nil, fmt.Errorf("open client: %w", jobs.Invalid("redis url", "%v", err))
	}
	store, err := results.Open(ctx, rdb, results.Config{
		Prefix: config.Prefix, MaxRequestBytes: config.MaxRequestBytes, Blobs: config.Blobs, BlobsOver: config.BlobsOver,
		Routes: config.Routes,
	}, nil, nil)
	if err != nil {
		return nil, errors.Join(fmt.Errorf("open client: %w", err), rdb.Close())
	}
	return &Client{store: store, model: cmp.Or(config.Model, jobs.DefaultModel), close: sync.OnceValue(rdb.Close)}, nil
}

// New returns a client on a store that is open already; closing it leaves the
// store's connection open.
func New(store *results.Store, model string) *Client {
	return &Client{store: store, model: cmp.Or(model, jobs.DefaultModel), close: func() error { return nil }}
}

// Close gives the connection back. To close a client again does nothing more.
func (c *Client) Close() error { return c.close() }

// Submit hands over a request: the body of POST /v1/responses, without
// background, store and stream, which are Longhaul's to set. When it returns
// without an error the job is stored and will end, whatever becomes of the
// caller. With a dedupe key that an equal request has used, the job of that
// request is returned and Fresh is false; with another request the error is a
// [*jobs.ConflictError]. A bad request or option is a [*jobs.Error] of class
// invalid that names the field.
//
// After any other error, such as one of Redis or of ctx, the job may be stored all the
// same: the answer may be what was lost. To submit again is then a second job, which is
// paid for as well, unless both have the same dedupe key.
func (c *Client) Submit(ctx context.Context, body json.RawMessage, options jobs.Options) (Submitted, error) {
	if err := c.store.CheckSize("", len(body)+len(options.History)); err != nil {
		return Submitted{}, err
	}
	request, err := jobs.ParseRequest(body, c.model)
	if err != nil {
		return Submitted{}, err
	}
	j, fresh, err := c.store.Accept(ctx, request, options)
	if err != nil {
		return Submitted{}, err
	}
	return Submitted{Job: j, Fresh: fresh}, nil
}

// SubmitParent hands over a job of a kind that has parts, such as the summary of a
// document: a JSON object that the kind's planner in the workers reads, and the model
// that most of its parts are for. Its parts become jobs of their own, with its options and
// in its group, or, if it has none, in one with its id as the name; its result is a JSON
// object of the planner's. What the request holds is for the caller to check: a planner
// that cannot read it fails the job. All else is as with [Client.Submit].
func (c *Client) SubmitParent(ctx context.Context, kind jobs.Kind, request json.RawMessage, model string, options jobs.Options) (Submitted, error) {
	return c.SubmitParentInstead(ctx, "", kind, request, model, options)
}

// SubmitParentInstead is [Client.SubmitParent] for a job that takes the place of another one
// with the same dedupe key and request that has ended without success, such as one of
// another group, which would pay for another attempt of it. If the key is another job's by
// now, or that one has been tried again, the job that has the key is returned, and Fresh is
// false.
func (c *Client) SubmitParentInstead(
	ctx context.Context, failed jobs.ID, kind jobs.Kind, request json.RawMessage, model string, options jobs.Options,
) (Submitted, error) {
	if err := c.store.CheckSize(kind, len(request)); err != nil {
		return Submitted{}, err
	}
	parsed, err := jobs.ParseParent(kind, request, cmp.Or(model, c.model))
	if err != nil {
		return Submitted{}, err
	}
	j, fresh, err := c.store.AcceptInstead(ctx, parsed, options, failed)
	if err != nil {
		return Submitted{}, err
	}
	return Submitted{Job: j, Fresh: fresh}, nil
}

// Submitted is an accepted job.
type Submitted struct {
	Job jobs.Job
	// Fresh is false when an earlier submission had the same dedupe key.
	Fresh bool
}

// Get returns a job's record, or [results.ErrNotFound].
func (c *Client) Get(ctx context.Context, id jobs.ID) (jobs.Job, error) {
	return c.store.Load(ctx, id)
}

// Response returns OpenAI's object that is kept as the job's result, byte for
// byte, and nil while there is none. Of a job that has parts it is the result that its
// planner made, a JSON object. Of a job that is not there the error is
// [results.ErrNotFound].
func (c *Client) Response(ctx context.Context, id jobs.ID) (json.RawMessage, error) {
	body, err := c.store.Body(ctx, id)
	if err != nil || body != nil {
		return body, err
	}
	_, err = c.store.Load(ctx, id)
	if errors.Is(err, jobs.ErrNewerSchema) {
		err = nil // it is there
	}
	return nil, err
}

// Text returns the text of the job's response, "" while there is none. Of a job that
// has parts it is the string under "summary" in its result, "" if there is none. Else it
// is as [Client.Response].
func (c *Client) Text(ctx context.Context, id jobs.ID) (string, error) {
	body, err := c.Response(ctx, id)
	if err != nil || body == nil {
		return "", err
	}
	response, err := jobs.ParseResponse(body)
	if err != nil {
		if j, failed := c.store.Load(ctx, id); failed == nil && j.Kind.IsParent() {
			return jobs.ResultText(body), nil
		}
		return "", fmt.Errorf("read response of %s: %w", id, err)
	}
	return response.Text(), nil
}

// Wait blocks until the job has ended, or ctx is done, whose cause it then
// returns. It asks often at first and every second later on.
//
// A job that is held for a person, [jobs.Job.Held], has not ended: it is waited for until
// somebody has decided. An error of Redis ends the wait and not the job: who goes on
// waiting calls Wait again.
func (c *Client) Wait(ctx context.Context, id jobs.ID) (jobs.Job, error) {
	const first, most = 20 * time.Millisecond, time.Second
	for pause := first; ; pause = min(pause*3/2, most) {
		j, err := heeding(ctx, func() (jobs.Job, error) { return c.store.Load(ctx, id) })
		if err != nil || j.State.Terminal() {
			return j, err
		}
		if err := sleep(ctx, pause); err != nil {
			return j, err
		}
	}
}

// Cancelled is what became of a cancel.
type Cancelled struct {
	// Job is the record as it is after the call: use [Client.Wait] for the end.
	Job jobs.Job
	// TooLate says that the job had ended before, and nothing was done.
	TooLate bool
}

// Cancel asks for a job to end. A job that waits ends at once; one whose
// response is running is cancelled at OpenAI, and if it completes all the same,
// it has succeeded. Cancelling an ended job does nothing.
func (c *Client) Cancel(ctx context.Context, id jobs.ID) (Cancelled, error) {
	j, changed, err := c.change(ctx, id, jobs.StopRequested{Reason: jobs.StopCancel})
	return Cancelled{Job: j, TooLate: err == nil && !changed && j.State.Terminal()}, err
}

// Dependents returns the jobs that wait for the end of a job, some of them if there
// are more than limit. One that has just been submitted is among them as soon as a
// worker has seen it.
func (c *Client) Dependents(ctx context.Context, id jobs.ID, limit int) ([]jobs.ID, error) {
	return c.store.Dependents(ctx, id, limit)
}

// Retry starts a fresh attempt of a job that has ended without success, or is
// held because a create's answer was lost. The history is kept and the attempt
// budget starts anew. It starts at once: what [jobs.Options.NotBefore] was is over. A job
// that has succeeded or not ended is a [*jobs.RefusedError].
func (c *Client) Retry(ctx context.Context, id jobs.ID) (jobs.Job, error) {
	return c.step(ctx, id, jobs.RetryRequested{})
}

// Deleted is what became of a delete.
type Deleted struct {
	// Job is the record as it was last.
	Job jobs.Job
	// Gone says that it is not there any more. Else a worker first does what is in its
	// Outbox, such as to delete OpenAI's copies, or the parts of the job.
	Gone bool
}

// Delete forgets an ended job; with remote also OpenAI's copies of its
// responses, which a worker deletes before the record goes. A job that has not
// ended is a [*jobs.RefusedError].
func (c *Client) Delete(ctx context.Context, id jobs.ID, remote bool) (Deleted, error) {
	j, changed, err := c.change(ctx, id, jobs.DeleteRequested{Remote: remote})
	return Deleted{Job: j, Gone: changed && len(j.Outbox) == 0}, err
}

func (c *Client) step(ctx context.Context, id jobs.ID, ev jobs.Event) (jobs.Job, error) {
	j, _, err := c.change(ctx, id, ev)
	return j, err
}

// change takes a step, and reports whether that has changed anything.
func (c *Client) change(ctx context.Context, id jobs.ID, ev jobs.Event) (j jobs.Job, changed bool, err error) {
	j, err = c.store.Step(ctx, id, ev)
	if results.Unchanged(err) {
		return j, false, nil
	}
	return j, err == nil, err
}

// sleep waits, or returns the cause of ctx's end.
func sleep(ctx context.Context, d time.Duration) error {
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-ctx.Done():
		return context.Cause(ctx)
	case <-t.C:
		return nil
	}
}

// heeding reads something, and when ctx ends returns its cause at once. The library that
// reads heeds a deadline, but notices that it was cancelled only when its own timeout is
// over; a read that nobody waits for any more ends then, and breaks nothing.
func heeding[T any](ctx context.Context, read func() (T, error)) (T, error) {
	type outcome struct {
		value T
		err   error
	}
	done := make(chan outcome, 1)
	go func() {
		value, err := read()
		done <- outcome{value, err}
	}()
	var none T
	select {
	case <-ctx.Done():
		return none, context.Cause(ctx)
	case o := <-done:
		if o.err == nil {
			return o.value, nil
		}
		// A connection may notice the deadline a moment before ctx does.
		if deadline, ok := ctx.Deadline(); ok && !time.Now().Before(deadline) {
			<-ctx.Done()
		}
		if ctx.Err() != nil {
			return none, context.Cause(ctx)
		}
		return o.value, o.err
	}
}
