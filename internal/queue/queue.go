// Package queue carries work through Asynq: one queue for each lane's submits and
// one for each endpoint's effects. It is the only speaker of Asynq and the only place that
// knows tasks. A task carries a job id and no payload worth keeping: the record
// holds the truth, and a lost task is made anew from it.
package queue

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"math/rand/v2"
	"slices"
	"time"

	"github.com/hibiken/asynq"
	"github.com/redis/go-redis/v9"

	"github.com/longhaul-jobs/longhaul/jobs"
)

// The types of tasks.
const (
	typeSubmit  = "longhaul:submit"
	typeEffects = "longhaul:effects"
)

// maxRetry keeps Asynq from ever archiving a task: the job's own attempt budget
// decides, and a handler that cannot reach Redis is tried until it can.
const maxRetry = 1 << 30

// Names are the names of an installation's queues.
type Names struct {
	// Prefix is the installation's, so that two can share a Redis.
	Prefix string
}

// Submit is the queue of a lane's submits.
func (n Names) Submit(lane string) string { return n.Prefix + ":submit:" + lane }

// Effects is the queue of the effects that are carried out at an endpoint.
func (n Names) Effects(endpoint string) string { return n.Prefix + ":effects:" + endpoint }

// payload is what a task carries: a job, and perhaps others that were admitted
// together with it.
type payload struct {
	jobs.Try

	More []jobs.Try `json:"more,omitempty"`
}

// Client puts tasks into the queues. It is safe for concurrent use.
type Client struct {
	asynq     *asynq.Client
	inspector *asynq.Inspector
	names     Names
	timeout   time.Duration
}

// NewClient returns a client. Timeout bounds the run of a submit: longer than a
// create may take, since Asynq ends the handler's context with it.
func NewClient(rdb redis.UniversalClient, names Names, timeout time.Duration) *Client {
	return &Client{
		asynq: asynq.NewClientFromRedisClient(rdb), inspector: asynq.NewInspectorFromRedisClient(rdb),
		names: names, timeout: timeout,
	}
}

// Submit enqueues the submit of a job's attempt. The task's id holds the
// attempt and the nudge, so the same call twice is one task, and a nudge passes
// by an orphan, which blocks its own id for ever.
func (c *Client) Submit(ctx context.Context, j jobs.ID, lane string, attempt, nudge int) error {
	id := fmt.Sprintf("submit:%s:%d:%d", j, attempt, nudge)
	return c.enqueue(ctx, typeSubmit, payload{Try: jobs.Try{Job: j, Attempt: attempt}}, c.names.Submit(lane), id, c.timeout)
}

// SubmitTogether enqueues the submits of some attempts as one task, which costs
// what the task of one costs. They are made side by side like any others; what they
// share is that they go to the same worker. Each call makes a task of its own: a job
// that went back to its lane may be admitted again while the task that it came with is
// still at others, and the same id would be taken for the same task.
func (c *Client) SubmitTogether(ctx context.Context, lane string, tries []jobs.Try) error {
	if len(tries) == 0 {
		return nil
	}
	first := tries[0]
	id := fmt.Sprintf("submit:%s:%d:0+%d:%x", first.Job, first.Attempt, len(tries)-1, rand.Uint64())
	// They may wait for one another's places.
	timeout := c.timeout * time.Duration(len(tries))
	return c.enqueue(ctx, typeSubmit, payload{Try: first, More: tries[1:]}, c.names.Submit(lane), id, timeout)
}

// Effects enqueues the carrying out of a job's outbox, at each endpoint that has a
// part of it; what concerns no endpoint is done by whoever finds it due. The task's id holds the number of the latest effect and the nudge.
func (c *Client) Effects(ctx context.Context, j jobs.Job) error {
	id := fmt.Sprintf("effects:%s:%d:%d", j.ID, j.Effects, j.Nudge)
	var failed error
	for i, e := range j.Outbox {
		if e.Endpoint == "" {
			continue
		}
		if slices.ContainsFunc(j.Outbox[:i], func(before jobs.Effect) bool { return before.Endpoint == e.Endpoint }) {
			continue
		}
		failed = errors.Join(failed, c.enqueue(ctx, typeEffects, payload{Try: jobs.Try{Job: j.ID}}, c.names.Effects(e.Endpoint), id, 2*time.Minute))
	}
	return failed
}

// Waiting returns how many tasks lie in the queue of an endpoint's effects. They
// wait there for a worker that serves it.
func (c *Client) Waiting(endpoint string) (int, error) {
	name := c.names.Effects(endpoint)
	known, err := c.inspector.Queues()
	if err != nil {
		return 0, fmt.Errorf("count effects of endpoint %s: %w", endpoint, err)
	}
	if !slices.Contains(known, name) {
		return 0, nil // nothing was ever put into it
	}
	info, err := c.inspector.GetQueueInfo(name)
	if err != nil {
		return 0, fmt.Errorf("count effects of endpoint %s: %w", endpoint, err)
	}
	return info.Size, nil
}

func (c *Client) enqueue(ctx context.Context, kind string, p payload, queue, id string, timeout time.Duration) error {
	raw, err := json.Marshal(p)
	if err != nil {
		return fmt.Errorf("enqueue %s: %w", id, err)
	}
	_, err = c.asynq.EnqueueContext(ctx, asynq.NewTask(kind, raw),
		asynq.Queue(queue), asynq.TaskID(id), asynq.MaxRetry(maxRetry), asynq.Timeout(timeout))
	if err != nil && !errors.Is(err, asynq.ErrTaskIDConflict) {
		return fmt.Errorf("enqueue %s: %w", id, err)
	}
	return nil
}
