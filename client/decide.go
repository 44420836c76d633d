package client

import (
	"context"

	"github.com/longhaul-jobs/longhaul/jobs"
)

// Release has an uncertain job asked again: one that is held because the answer
// to a create was lost, or that waits for the provider's word on it. The lost
// create may have been accepted, so the job may be paid for twice; if its
// response shows up, it is adopted or cancelled. A job that is not uncertain is
// a [*jobs.RefusedError].
func (c *Client) Release(ctx context.Context, id jobs.ID) (jobs.Job, error) {
	return c.step(ctx, id, jobs.ReleaseRequested{})
}

// Fail gives up an uncertain job, with a message that is kept as its failure; ""
// has a message of its own. A job that is not uncertain is a
// [*jobs.RefusedError].
func (c *Client) Fail(ctx context.Context, id jobs.ID, message string) (jobs.Job, error) {
	return c.step(ctx, id, jobs.FailRequested{Message: message})
}

// Adopt has a job go on with a response that one of its attempts made, whose id
// a person has found in a log or on OpenAI's pages. The attempt is the latest one
// whose answer was lost unless it is named; 0 names none. The response is looked
// at, and what it has become becomes the job's end. A job that has succeeded, or
// an attempt that has another response, is a [*jobs.RefusedError].
func (c *Client) Adopt(ctx context.Context, id jobs.ID, attempt int, responseID string) (jobs.Job, error) {
	return c.step(ctx, id, jobs.AdoptRequested{Attempt: attempt, ResponseID: responseID})
}
