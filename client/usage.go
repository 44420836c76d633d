package client

import (
	"context"

	"github.com/longhaul-jobs/longhaul/results"
)

// Usage returns what responses have cost that ended in a period: the sums of each
// account, several of one account possible. They outlive their jobs.
func (c *Client) Usage(ctx context.Context, p results.Period) ([]results.Summed, error) {
	return c.store.Usage(ctx, p)
}

// UsageLines calls visit for each line of the ledger whose attempt ended in a period, a
// day after the other; the error of visit ends it.
func (c *Client) UsageLines(ctx context.Context, p results.Period, visit func(results.Line) error) error {
	return c.store.Lines(ctx, p, visit)
}
