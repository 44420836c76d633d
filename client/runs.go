package client

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/longhaul-jobs/longhaul/jobs"
	"github.com/longhaul-jobs/longhaul/results"
)

// BeginRun puts down that a run of documents has begun or goes on, for who looks at it
// from elsewhere; see [results.Run]. It is kept for some time after it was written to
// last, as long as ended jobs are with 0. A name that no group could have is a
// [*jobs.Error] of class invalid.
func (c *Client) BeginRun(ctx context.Context, r results.Run, keep time.Duration) error {
	return c.store.BeginRun(ctx, r, kept(keep))
}

// AddToRun puts down documents of a run, in place of what was known of them.
func (c *Client) AddToRun(ctx context.Context, name string, documents map[string]results.RunDocument, keep time.Duration) error {
	return c.store.AddToRun(ctx, name, documents, kept(keep))
}

// RemoveFromRun takes documents off a run that are none any more.
func (c *Client) RemoveFromRun(ctx context.Context, name string, documents ...string) error {
	return c.store.RemoveFromRun(ctx, name, documents...)
}

// EndRun puts down that all is done that the run was begun for, or returns
// [results.ErrNotFound] for one that nobody has begun or that is gone.
func (c *Client) EndRun(ctx context.Context, name string, keep time.Duration) error {
	return c.store.EndRun(ctx, name, c.store.Now(), kept(keep))
}

func kept(keep time.Duration) time.Duration {
	if keep <= 0 {
		return jobs.DefaultRetention
	}
	return keep
}

// Run returns what was put down of a run, and nothing but its name where nothing was.
func (c *Client) Run(ctx context.Context, name string) (results.Run, error) {
	r, err := c.store.Run(ctx, name)
	if errors.Is(err, results.ErrNotFound) {
		return results.Run{Name: name}, nil
	}
	return r, err
}

// Runs returns the runs that were written to since a time, by their names.
func (c *Client) Runs(ctx context.Context, since time.Time) ([]results.Run, error) {
	names, err := c.store.Runs(ctx, since)
	if err != nil {
		return nil, err
	}
	var runs []results.Run
	for _, name := range names {
		r, err := c.store.Run(ctx, name)
		switch {
		case errors.Is(err, results.ErrNotFound): // it is gone, and its name goes later
		case err != nil:
			return nil, fmt.Errorf("list runs: %w", err)
		default:
			runs = append(runs, r)
		}
	}
	return runs, nil
}

// Jobs returns the records of some jobs in their order, without an id for one that is
// gone, cannot be read, or cannot be of this installation.
func (c *Client) Jobs(ctx context.Context, ids ...jobs.ID) ([]jobs.Job, error) {
	return c.store.Jobs(ctx, ids)
}
