package client

import (
	"context"

	"github.com/longhaul-jobs/longhaul/jobs"
)

// Find returns for each of some dedupe keys the job that has it, one without an id where
// there is none. Keys that were given with a thread are not among those that it knows.
func (c *Client) Find(ctx context.Context, keys ...string) ([]jobs.Job, error) {
	return c.store.FindParts(ctx, keys)
}
