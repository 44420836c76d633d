package main

import (
	"cmp"
	"context"
	"fmt"
	"io"
	"maps"
	"slices"
	"text/tabwriter"
	"time"

	"github.com/longhaul-jobs/longhaul/jobs"
	"github.com/longhaul-jobs/longhaul/results"
)

// heading is what jobs are counted under.
type heading struct {
	State jobs.State `json:"state"`
	// Class is that of the failure, "" for jobs without one.
	Class jobs.Class `json:"class,omitempty"`
}

// tally is how many jobs there are under a heading.
type tally struct {
	heading
	Jobs int `json:"jobs"`
	// Oldest and Newest are when the first and the last of them ended, or were
	// created if they go on.
	Oldest time.Time `json:"oldest"`
	Newest time.Time `json:"newest"`
	// LastMessage is what the newest one said.
	LastMessage string `json:"last_message,omitempty"`
}

// census counts jobs.
type census map[heading]*tally

func (c census) add(j jobs.Job) {
	key := heading{State: j.State}
	message := remark(j)
	if j.Failure != nil {
		key.Class, message = j.Failure.Class, cmp.Or(j.Failure.Message, j.Failure.Code)
	}
	t, at := c[key], results.Moment(j)
	if t == nil {
		t = &tally{heading: key, Oldest: at}
		c[key] = t
	}
	t.Jobs++
	if at.Before(t.Oldest) {
		t.Oldest = at
	}
	if at.After(t.Newest) { // of two at the same moment the first, which came last: listings are newest first
		t.Newest, t.LastMessage = at, message
	}
}

// tallies are the counts, the greatest first.
func (c census) tallies() []tally {
	all := make([]tally, 0, len(c))
	for t := range maps.Values(c) {
		all = append(all, *t)
	}
	slices.SortFunc(all, func(a, b tally) int {
		return cmp.Or(cmp.Compare(b.Jobs, a.Jobs), cmp.Compare(a.State, b.State), cmp.Compare(a.Class, b.Class))
	})
	return all
}

// count prints how many jobs a search finds under each heading.
func (s *search) count(ctx context.Context) error {
	c := census{}
	err := s.run(ctx, func(_ context.Context, page results.Page) error {
		for _, j := range page.Jobs {
			c.add(j)
		}
		return nil
	})
	if err != nil {
		return s.incomplete(ctx, err, "count")
	}
	if s.json {
		for _, t := range c.tallies() {
			if err := s.print(t); err != nil {
				return err
			}
		}
	} else if err := writeCensus(s.stdout, c); err != nil {
		return err
	}
	s.sum("counted")
	return nil
}

// writeCensus shows counts as a table.
func writeCensus(w io.Writer, c census) error {
	columns := tabwriter.NewWriter(w, 0, 0, 2, ' ', 0)
	_, _ = io.WriteString(columns, "STATE\tCLASS\tJOBS\tOLDEST\tNEWEST\tLAST MESSAGE\n") // Flush reports what fails
	for _, t := range c.tallies() {
		_, _ = fmt.Fprintf(columns, "%s\t%s\t%s\t%s\t%s\t%s\n", t.State, cmp.Or(string(t.Class), "-"), formatCount(int64(t.Jobs)),
			formatTime(t.Oldest), formatTime(t.Newest), cmp.Or(clip(t.LastMessage, 60), "-"))
	}
	if err := columns.Flush(); err != nil {
		return fmt.Errorf("write to stdout: %w", err)
	}
	return nil
}
