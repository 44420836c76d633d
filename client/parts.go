package client

import (
	"context"
	"fmt"
	"iter"
	"slices"
	"time"

	"github.com/longhaul-jobs/longhaul/jobs"
	"github.com/longhaul-jobs/longhaul/results"
)

// partsPage is how many parts are read at once.
const partsPage = 500

// Part is a job that another has asked for.
type Part struct {
	Job jobs.Job
	// Phase and Index are its place in the plan of its parent, from 1 and from 0.
	Phase, Index int
}

// Parts returns the parts that a job has had, in the order of its plan; those of a plan
// before a retry are among them, and those that were there already for another job,
// whose [jobs.Job.Parent] is another one. Parts that are gone are left out. An error is
// the last thing that it returns.
func (c *Client) Parts(ctx context.Context, parent jobs.ID) iter.Seq2[Part, error] {
	return func(yield func(Part, error) bool) {
		for from := 0; ; from += partsPage {
			places, err := c.store.Parts(ctx, parent, from, partsPage)
			if err != nil || len(places) == 0 {
				if err != nil {
					yield(Part{}, err)
				}
				return
			}
			ids := make([]jobs.ID, len(places))
			for i, place := range places {
				ids[i] = place.ID
			}
			found, err := c.store.Jobs(ctx, ids)
			if err != nil {
				yield(Part{}, err)
				return
			}
			for i, place := range places {
				if found[i].ID == "" {
					continue
				}
				if !yield(Part{Job: found[i], Phase: place.Phase, Index: place.Index}, nil) {
					return
				}
			}
		}
	}
}

// PartsDone is how far the parts of a job have come.
type PartsDone struct {
	// Phase is the number of the phase that it is in, 0 before the first.
	Phase int
	// All is how many parts it has had in all phases so far, and Open how many of them
	// have not ended.
	All, Open int
}

// PartsDone returns how far the parts of a job have come.
func (c *Client) PartsDone(ctx context.Context, j jobs.Job) (PartsDone, error) {
	open, all, err := c.store.PartCounts(ctx, j.ID)
	if err != nil {
		return PartsDone{}, err
	}
	done := PartsDone{All: all, Open: open}
	if j.Plan != nil {
		done.Phase = j.Plan.Phase
	}
	return done, nil
}

// KindCounts returns the number of jobs in each state, of those of a kind in a group
// that have parts, without their parts.
func (c *Client) KindCounts(ctx context.Context, group string, kind jobs.Kind) (results.Counts, error) {
	return c.store.KindCounts(ctx, group, kind)
}

// whyPlanning says what a job waits for that has parts.
func (c *Client) whyPlanning(ctx context.Context, j jobs.Job, now time.Time) (string, error) {
	if j.NotBefore.After(now) {
		return "its time: not before " + j.NotBefore.Format(time.RFC3339), nil
	}
	done, err := c.PartsDone(ctx, j)
	if err != nil {
		return "", err
	}
	if done.Open > 0 {
		return c.whyParts(ctx, j, done)
	}
	workers, err := c.store.Workers(ctx)
	switch {
	case err != nil:
		return "", err
	case len(workers) == 0:
		return "a worker: none is alive", nil
	case !slices.ContainsFunc(workers, func(w results.Worker) bool { return slices.Contains(w.Kinds, j.Kind) }):
		return fmt.Sprintf("a worker that plans jobs of kind %s: none of the %d alive does", j.Kind, len(workers)), nil
	}
	return "its planner, which says what is needed next", nil
}

// whyParts says that a job waits for what it has asked; of what was asked and whose answer
// was lost, until when that is waited for; and where nothing is under way, what keeps the
// first of it.
func (c *Client) whyParts(ctx context.Context, j jobs.Job, done PartsDone) (string, error) {
	const most = 32 // that are looked at
	why := "the answer to its request"
	switch {
	case done.Open > 1:
		why = fmt.Sprintf("the answers to %d of its %d requests so far", done.Open, done.All)
	case done.All > 1:
		why = fmt.Sprintf("the answer to 1 of its %d requests so far", done.All)
	}
	open, err := c.store.OpenParts(ctx, j.ID)
	if err != nil {
		return "", err
	}
	found, err := c.store.Jobs(ctx, open[:min(most, len(open))])
	if err != nil {
		return "", err
	}
	if i := slices.IndexFunc(found, func(part jobs.Job) bool { return part.State == jobs.StateUncertain }); i >= 0 {
		return fmt.Sprintf("%s. Of %s, %s (`enqueue release %s` asks again now)", why, found[i].ID, WhyUncertain(found[i]), found[i].ID), nil
	}
	var first jobs.Job
	for _, part := range found {
		switch {
		case part.ID == "", part.State.Terminal():
		case part.State != jobs.StateWaiting:
			if batch := whyBatched(part); batch != "" {
				why += ": " + batch
			}
			return why, nil
		case first.ID == "":
			first = part
		}
	}
	if first.ID == "" {
		return why, nil
	}
	reason, err := c.Why(ctx, first)
	if err != nil {
		return "", err
	}
	if done.Open > 1 {
		return why + "; the first of them waits for " + reason, nil
	}
	return why + ", which waits for " + reason, nil
}
