package client

import (
	"context"

	"github.com/longhaul-jobs/longhaul/results"
)

// Batches is how the requests of the service tier batch stand at an endpoint.
type Batches struct {
	Endpoint string `json:"endpoint"`
	// Waiting are those that wait for a batch, by model, and Batches those at work, the
	// oldest first.
	Waiting []results.OpenLines `json:"waiting"`
	Batches []results.Batch     `json:"batches"`
}

// Batches tells how batches stand at an endpoint.
func (c *Client) Batches(ctx context.Context, endpoint string) (Batches, error) {
	waiting, err := c.store.OpenLines(ctx, endpoint)
	if err != nil {
		return Batches{}, err
	}
	all, err := c.store.Batches(ctx, endpoint)
	if err != nil {
		return Batches{}, err
	}
	return Batches{Endpoint: endpoint, Waiting: orEmpty(waiting), Batches: orEmpty(all)}, nil
}

// orEmpty is a list that is one in JSON too when nothing is in it.
func orEmpty[T any](list []T) []T {
	if list == nil {
		return []T{}
	}
	return list
}
