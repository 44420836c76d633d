package main

import (
	"context"
	"slices"
	"strings"

	"github.com/longhaul-jobs/longhaul/client"
)

// doubtLane says that no living worker serves the lane that was named, where others
// are served: it may be a slip of the pen. What it was named for is done all the same,
// since a worker that serves it may come; then says what that means.
func (c *cli) doubtLane(ctx context.Context, s *session, lane, then string) {
	if lane == "" {
		return
	}
	lanes, err := s.Lanes(ctx, lane)
	if err != nil {
		return // the job is accepted, and this only a remark
	}
	var served []string
	for _, l := range lanes {
		if l.Workers > 0 {
			served = append(served, l.Name)
		}
	}
	if len(served) > 0 && slices.ContainsFunc(lanes, func(l client.Lane) bool { return l.Name == lane && l.Workers == 0 }) {
		c.console.say("No worker that lives now serves the lane %s; %s. Served are: %s.", lane, then, strings.Join(served, ", "))
	}
}
