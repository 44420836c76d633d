package client

import (
	"context"
	"iter"
	"time"

	"github.com/longhaul-jobs/longhaul/jobs"
	"github.com/longhaul-jobs/longhaul/results"
)

// List returns a page of jobs, newest first.
func (c *Client) List(ctx context.Context, filter results.Filter) (results.Page, error) {
	return c.store.List(ctx, filter)
}

// All returns every job that a filter selects, newest first and however many
// there are; the filter's limit is the size of the pages in which they are read.
// An error is the last thing that it returns. Jobs may be changed meanwhile, also
// by the caller: none is returned twice.
func (c *Client) All(ctx context.Context, filter results.Filter) iter.Seq2[jobs.Job, error] {
	return func(yield func(jobs.Job, error) bool) {
		for {
			page, err := c.store.List(ctx, filter)
			if err != nil {
				yield(jobs.Job{}, err)
				return
			}
			for _, j := range page.Jobs {
				if !yield(j, nil) {
					return
				}
			}
			if page.Next == "" {
				return
			}
			filter.Cursor = page.Next
		}
	}
}

// Counts returns the number of jobs in each state, of a group or, with "", of
// the installation.
func (c *Client) Counts(ctx context.Context, group string) (results.Counts, error) {
	return c.store.Counts(ctx, group)
}

// Now is the time of the installation's Redis, by which jobs are created and end.
func (c *Client) Now() time.Time { return c.store.Now() }

// Caution says why another attempt of a job is for a person to ask for: what it
// would throw away, or might pay for a second time, or put at risk. It is "" for
// all other jobs. Mind it before jobs are tried again in numbers.
func Caution(j jobs.Job) string {
	var class jobs.Class
	if j.Failure != nil {
		class = j.Failure.Class
	}
	switch {
	case j.State == jobs.StateIncomplete:
		return "the part of an answer that it has, which was paid for, would be dropped"
	case class == jobs.ClassLost, class == jobs.ClassOversized:
		return "its response, which cannot be had, was paid for"
	case class == jobs.ClassAmbiguous:
		return "an attempt whose answer was lost may have been paid for"
	case class == jobs.ClassPoison:
		return "a worker crashed that ran it alone"
	}
	return ""
}
