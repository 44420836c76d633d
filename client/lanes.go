package client

import (
	"context"
	"maps"
	"slices"
	"time"

	"github.com/longhaul-jobs/longhaul/jobs"
	"github.com/longhaul-jobs/longhaul/results"
)

// Lane is how a lane stands.
type Lane struct {
	Name string `json:"name"`
	// Workers is how many living workers serve it.
	Workers int `json:"workers"`
	// Waiting, Submitting and Running are how many of its jobs are in these states.
	Waiting    int64 `json:"waiting"`
	Submitting int64 `json:"submitting"`
	Running    int64 `json:"running"`
	// Configured are the limits that its workers have in their configuration, Set what
	// was set at run time, Learned what the provider has told of, and InForce what
	// counts; 0 is no limit.
	Configured results.Rates        `json:"configured"`
	Set        results.LaneSettings `json:"set"`
	Learned    results.Rates        `json:"learned"`
	InForce    results.Rates        `json:"in_force"`
	// Share is the part of its rates that it uses: less than 1 for a while after the
	// provider wanted less.
	Share float64 `json:"share"`
	// HeldUntil is until when nothing is sent, zero for no such time.
	HeldUntil time.Time `json:"held_until,omitzero"`
	// InFlight is how many places are taken, where they are limited.
	InFlight int `json:"places_taken"`
	// Paused says why the lane stands still, "" for one that goes on.
	Paused string `json:"paused,omitempty"`
	// Account says, while the account is at fault, since when that pauses the lane, why,
	// and when it is found out whether it still is; it does so beside a pause by hand.
	Account string `json:"account,omitempty"`
}

// Lanes tells how lanes stand: those that are named, those that living workers serve,
// and no others.
func (c *Client) Lanes(ctx context.Context, also ...string) ([]Lane, error) {
	workers, err := c.store.Workers(ctx)
	if err != nil {
		return nil, err
	}
	lanes := make(map[string]*Lane)
	for _, name := range also {
		lanes[name] = &Lane{Name: name}
	}
	for _, w := range workers {
		for _, name := range w.Lanes {
			if lanes[name] == nil {
				lanes[name] = &Lane{Name: name}
			}
			lanes[name].Workers++
			if r, given := w.Rates[name]; given {
				lanes[name].Configured = r // workers of a lane have the same configuration
			}
		}
	}
	names := slices.Sorted(maps.Keys(lanes))
	pauses, err := c.store.Pauses(ctx, names...)
	if err != nil {
		return nil, err
	}
	all := make([]Lane, len(names))
	for i, name := range names {
		if err := c.describe(ctx, lanes[name], pauses[i]); err != nil {
			return nil, err
		}
		all[i] = *lanes[name]
	}
	return all, nil
}

func (c *Client) describe(ctx context.Context, l *Lane, p results.Pause) error {
	counts, err := c.store.LaneCounts(ctx, l.Name)
	if err != nil {
		return err
	}
	l.Waiting, l.Submitting, l.Running = counts[jobs.StateWaiting], counts[jobs.StateSubmitting], counts[jobs.StateRunning]
	if l.Set, err = c.store.LaneSettings(ctx, l.Name); err != nil {
		return err
	}
	st, err := c.store.Room(ctx, l.Name, l.Configured, results.Pace{Headroom: 1, Heal: 2 * time.Minute}, time.Second)
	if err != nil {
		return err
	}
	l.Learned, l.InForce, l.Share, l.HeldUntil, l.InFlight = st.Learned, st.Rates, st.Share, st.HeldUntil, st.InFlight
	if p.On() {
		l.Account = whyAccount(p, c.store.Now())
	}
	switch {
	case st.Paused && st.Reason != "":
		l.Paused = "by hand: " + st.Reason
	case st.Paused && l.byConfiguration():
		l.Paused = "by configuration"
	case st.Paused:
		l.Paused = "by hand"
	case p.On():
		l.Paused = string(p.Class) + ": " + p.Message
	}
	return nil
}

// OpenLanes returns the counts of each lane that has jobs which have not ended, also of one
// that no worker and no configuration knows.
func (c *Client) OpenLanes(ctx context.Context) (map[string]results.Counts, error) {
	return c.store.OpenLanes(ctx)
}

// PauseLane has a lane send nothing until [Client.ResumeLane]; what is in flight goes
// on. The reason is shown to whoever asks what a job waits for.
func (c *Client) PauseLane(ctx context.Context, lane, reason string) error {
	if err := jobs.CheckName("lane", lane); err != nil {
		return err
	}
	return c.store.PauseLane(ctx, lane, reason)
}

// byConfiguration reports whether it is the configuration that pauses the lane.
func (l Lane) byConfiguration() bool { return l.Configured.Paused && !l.Set.Paused && !l.Set.Resumed }

// ResumeLane ends a pause by hand, or one of the configuration of a living worker.
func (c *Client) ResumeLane(ctx context.Context, lane string) error {
	if err := jobs.CheckName("lane", lane); err != nil {
		return err
	}
	configured, err := c.pausedByConfiguration(ctx, lane)
	if err != nil {
		return err
	}
	return c.store.ResumeLane(ctx, lane, configured)
}

// pausedByConfiguration reports whether a living worker has a lane paused in its
// configuration.
func (c *Client) pausedByConfiguration(ctx context.Context, lane string) (bool, error) {
	workers, err := c.store.Workers(ctx)
	return slices.ContainsFunc(workers, func(w results.Worker) bool { return w.Rates[lane].Paused }), err
}

// SetLane changes limits of a lane for all workers, from the next request on: by the
// names that they have in the configuration, 0 for no limit, and nil for what is
// configured to count again.
func (c *Client) SetLane(ctx context.Context, lane string, changes map[string]*int) error {
	if err := jobs.CheckName("lane", lane); err != nil {
		return err
	}
	return c.store.SetLane(ctx, lane, changes)
}

// SetWeights sets what the priorities of a lane weigh against each other, the lowest
// first, for all workers within a second or two; nil has what is configured count again.
func (c *Client) SetWeights(ctx context.Context, lane string, weights []int) error {
	if err := jobs.CheckName("lane", lane); err != nil {
		return err
	}
	return c.store.SetWeights(ctx, lane, weights)
}
