// Package queue carries work through Asynq: one queue for each lane's submits
// and one for effects. It is the only speaker of Asynq and the only place that
// knows tasks. A task carries a job id and no payload worth keeping: the record
// holds the truth, and a lost task is made anew from it.
package queue

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
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

// Effects is the queue of effects.
func (n Names) Effects() string { return n.Prefix + ":effects" }

// payload is what a task carries.
type payload struct {
	Job     jobs.ID `json:"job"`
	Attempt int     `json:"attempt,omitempty"`
}

// Client puts tasks into the queues. It is safe for concurrent use.
type Client struct {
	asynq   *asynq.Client
	names   Names
	timeout time.Duration
}

// NewClient returns a client. Timeout bounds the run of a submit: longer than a
// create may take, since Asynq ends the handler's context with it.
func NewClient(rdb redis.UniversalClient, names Names, timeout time.Duration) *Client {
	return &Client{asynq: asynq.NewClientFromRedisClient(rdb), names: names, timeout: timeout}
}

// Submit enqueues the submit of a job's attempt. The task's id holds the
// attempt and the nudge, so the same call twice is one task, and a nudge passes
// by an orphan, which blocks its own id for ever.
func (c *Client) Submit(ctx context.Context, j jobs.ID, lane string, attempt, nudge int) error {
	id := fmt.Sprintf("submit:%s:%d:%d", j, attempt, nudge)
	return c.enqueue(ctx, typeSubmit, payload{Job: j, Attempt: attempt}, c.names.Submit(lane), id, c.timeout)
}

// Effects enqueues the carrying out of a job's outbox. The task's id holds the
// number of the latest effect and the nudge.
func (c *Client) Effects(ctx context.Context, j jobs.Job) error {
	id := fmt.Sprintf("effects:%s:%d:%d", j.ID, j.Effects, j.Nudge)
	return c.enqueue(ctx, typeEffects, payload{Job: j.ID}, c.names.Effects(), id, 2*time.Minute)
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
