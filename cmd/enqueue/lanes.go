package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"maps"
	"slices"
	"strconv"
	"strings"
	"text/tabwriter"

	"github.com/spf13/cobra"

	"github.com/longhaul-jobs/longhaul/client"
	"github.com/longhaul-jobs/longhaul/internal/config"
	"github.com/longhaul-jobs/longhaul/jobs"
	"github.com/longhaul-jobs/longhaul/results"
)

func (c *cli) lanesCommand() *cobra.Command {
	cmd := &cobra.Command{
		Use:   "lanes",
		Short: "Show how lanes stand, pause and resume them, and change their limits",
		Long: `lanes shows the lanes that workers serve, that are configured or that have jobs
which have not ended: how many of their jobs wait and run, the limits in force, and
whether they are paused. The jobs of one without WORKERS wait for a worker that
serves it. A limit that was set at run time is
marked with *, and one that only the provider has told of with ~.`,
		Args: noArguments,
		RunE: c.elsewhere(func(ctx context.Context, cfg config.Config, _ []string) error {
			return c.toRead(ctx, cfg, func(s *session) error {
				open, err := s.OpenLanes(ctx)
				if err != nil {
					return err
				}
				lanes, err := s.Lanes(ctx, slices.AppendSeq(slices.Collect(maps.Keys(cfg.Lanes)), maps.Keys(open))...)
				if err != nil {
					return err
				}
				if c.json {
					for _, l := range lanes {
						if err := c.print(l); err != nil {
							return err
						}
					}
					return nil
				}
				return writeLanes(c.stdout, lanes)
			})
		}),
	}
	cmd.AddCommand(c.pauseCommand(), c.resumeCommand(), c.setCommand())
	return cmd
}

func writeLanes(w io.Writer, lanes []client.Lane) error {
	columns := tabwriter.NewWriter(w, 0, 0, 2, ' ', 0)
	_, _ = io.WriteString(columns, "LANE\tWORKERS\tWAITING\tRUNNING\tREQUESTS/MIN\tTOKENS/MIN\tIN FLIGHT\tUSES\tPAUSED\n") // Flush reports what fails
	for _, l := range lanes {
		inFlight := limitOf(l.InForce.InFlight, 0, l.Set.InFlight)
		if l.InForce.InFlight > 0 {
			inFlight = formatCount(int64(l.InFlight)) + " of " + inFlight
		}
		paused := "-"
		if l.Paused != "" {
			paused = clip(l.Paused, 60)
		}
		_, _ = fmt.Fprintf(columns, "%s\t%d\t%s\t%s\t%s\t%s\t%s\t%.0f %%\t%s\n", l.Name, l.Workers, formatCount(l.Waiting),
			formatCount(l.Submitting+l.Running), limitOf(l.InForce.Requests, l.Learned.Requests, l.Set.Requests),
			limitOf(l.InForce.Tokens, l.Learned.Tokens, l.Set.Tokens), inFlight, 100*l.Share, paused)
	}
	if err := columns.Flush(); err != nil {
		return fmt.Errorf("write to stdout: %w", err)
	}
	return nil
}

// limitOf shows a limit, and where it comes from.
func limitOf(inForce, learned int, set *int) string {
	switch {
	case inForce > 0 && inForce == learned, inForce == 0 && learned > 0:
		return formatCount(int64(learned)) + "~"
	case set != nil && *set == 0:
		return "any*"
	case inForce == 0:
		return "-"
	case set != nil:
		return formatCount(int64(inForce)) + "*"
	}
	return formatCount(int64(inForce))
}

func (c *cli) pauseCommand() *cobra.Command {
	var reason string
	cmd := &cobra.Command{
		Use:   "pause LANE...",
		Short: "Have lanes send nothing until they are resumed",
		Long: `pause has lanes send nothing, at all workers, until they are resumed. Their jobs
wait and keep their attempts; what is in flight goes on to its end.`,
		Example: `  enqueue lanes pause nightly --reason "the budget of November"`,
		Args:    someLanes,
		RunE: c.elsewhere(func(ctx context.Context, cfg config.Config, lanes []string) error {
			return c.eachLane(ctx, cfg, lanes, func(s *session, lane client.Lane) (laneDone, error) {
				return laneDone{Is: "paused"}, s.PauseLane(ctx, lane.Name, reason)
			})
		}),
	}
	cmd.Flags().StringVar(&reason, "reason", "", "why, shown with the jobs that wait")
	return cmd
}

func (c *cli) resumeCommand() *cobra.Command {
	return &cobra.Command{
		Use:   "resume LANE...",
		Short: "Have lanes go on that were paused by hand",
		Long: `resume ends a pause by hand. A lane that is paused because its account is at fault
goes on by itself when the account works again; resume says when that is tried next.`,
		Example: `  enqueue lanes resume nightly`,
		Args:    someLanes,
		RunE: c.elsewhere(func(ctx context.Context, cfg config.Config, lanes []string) error {
			return c.eachLane(ctx, cfg, lanes, func(s *session, lane client.Lane) (laneDone, error) {
				return resume(ctx, s, lane)
			})
		}),
	}
}

// resume ends the pause of a lane by hand, and says so if its account pauses it all the
// same: that is nothing which a person can end here.
func resume(ctx context.Context, s *session, lane client.Lane) (laneDone, error) {
	if err := s.ResumeLane(ctx, lane.Name); err != nil {
		return laneDone{}, err
	}
	after, err := s.Lanes(ctx, lane.Name)
	if err != nil {
		return laneDone{}, err
	}
	done := laneDone{Is: "resumed"}
	if i := slices.IndexFunc(after, func(l client.Lane) bool { return l.Name == lane.Name }); i >= 0 && after[i].Account != "" {
		done.Is, done.Account = "still paused", after[i].Account
		switch {
		case lane.Set.Paused:
			done.Lifted = "by hand"
		case lane.Configured.Paused && !lane.Set.Resumed:
			done.Lifted = "by configuration"
		}
	}
	return done, nil
}

func (c *cli) setCommand() *cobra.Command {
	return &cobra.Command{
		Use:   "set LANE LIMIT=NUMBER...",
		Short: "Change limits and weights of a lane for all workers",
		Long: fmt.Sprintf(`set changes limits of a lane, for all workers and from the next request on: %s,
%s and %s; 0 is no limit. %s=WEIGHTS is what its ten priorities weigh,
the lowest first. "default" has what is configured count again. What was set outlives
workers and counts before their configuration.`,
			results.SettingRequests, results.SettingTokens, results.SettingInFlight, results.SettingWeights),
		Example: `  enqueue lanes set nightly requests_per_minute=120 in_flight=50
  enqueue lanes set nightly requests_per_minute=default
  enqueue lanes set nightly priority_weights=1,1,1,1,1,2,2,2,4,8`,
		Args: func(_ *cobra.Command, args []string) error {
			if len(args) < 2 {
				return errors.New("name a lane and at least one limit, such as requests_per_minute=120")
			}
			_, err := laneChanges(args[1:])
			return err
		},
		RunE: c.elsewhere(func(ctx context.Context, cfg config.Config, args []string) error {
			changes, err := laneChanges(args[1:])
			if err != nil {
				return err
			}
			return c.eachLane(ctx, cfg, args[:1], func(s *session, lane client.Lane) (laneDone, error) {
				if changes.reweigh {
					if err := s.SetWeights(ctx, lane.Name, changes.weights); err != nil {
						return laneDone{}, err
					}
				}
				return laneDone{Is: "set"}, s.SetLane(ctx, lane.Name, changes.limits)
			})
		}),
	}
}

// laneChange is what is to be set of a lane.
type laneChange struct {
	limits  map[string]*int
	reweigh bool
	weights []int // nil for those that are configured
}

// laneChanges reads LIMIT=NUMBER, and the weights.
func laneChanges(args []string) (laneChange, error) {
	limits := []string{results.SettingRequests, results.SettingTokens, results.SettingInFlight}
	known := append(slices.Clone(limits), results.SettingWeights)
	change := laneChange{limits: make(map[string]*int, len(args))}
	for _, arg := range args {
		name, text, ok := strings.Cut(arg, "=")
		_, twice := change.limits[name]
		switch {
		case !ok || !slices.Contains(known, name):
			return laneChange{}, fmt.Errorf("%q: write LIMIT=NUMBER, where the limit is one of %s, or %s=WEIGHTS", arg, strings.Join(limits, ", "), results.SettingWeights)
		case twice || name == results.SettingWeights && change.reweigh:
			return laneChange{}, fmt.Errorf("%s is given twice", name)
		case name == results.SettingWeights:
			change.reweigh = true
			if text == "default" {
				continue
			}
			var err error
			if change.weights, err = jobs.ParseWeights(text); err != nil {
				return laneChange{}, fmt.Errorf("%s: %q %w, or default for what is configured", name, text, err)
			}
			continue
		case text == "default":
			change.limits[name] = nil
			continue
		}
		n, err := strconv.Atoi(text)
		if err != nil || n < 0 || n > 1_000_000_000 {
			return laneChange{}, fmt.Errorf("%q: write a whole number from 0 (no limit) to 1000000000, or default for what is configured", arg)
		}
		change.limits[name] = &n
	}
	return change, nil
}

func someLanes(_ *cobra.Command, args []string) error {
	if len(args) == 0 {
		return errors.New("name at least one lane; `enqueue lanes` shows them")
	}
	for _, name := range args {
		if !jobs.ValidName(name) {
			return fmt.Errorf("%q is not a name of a lane; %s", name, jobs.NameRule)
		}
	}
	return nil
}

// laneDone is what was done with a lane.
type laneDone struct {
	Lane string `json:"lane"`
	// Is is how the lane is now.
	Is string `json:"is"`
	// Lifted is the pause that is over, and Account what pauses the lane all the same.
	Lifted  string `json:"lifted,omitempty"`
	Account string `json:"account,omitempty"`
}

func (d laneDone) String() string {
	text := d.Lane + "  " + d.Is
	if d.Account == "" {
		return text
	}
	text += " " + printable(d.Account)
	if d.Lifted != "" {
		return text + "; only the pause " + d.Lifted + " is over"
	}
	return text + "; it was not paused by hand"
}

// eachLane does something with some lanes. One that neither the configuration nor a
// living worker has is refused: it would be a misspelt one.
func (c *cli) eachLane(ctx context.Context, cfg config.Config, lanes []string, do func(s *session, lane client.Lane) (laneDone, error)) error {
	return c.withSession(ctx, cfg, func(s *session) error {
		all, err := s.Lanes(ctx, slices.Collect(maps.Keys(cfg.Lanes))...)
		if err != nil {
			return err
		}
		known := make(map[string]client.Lane, len(all))
		for _, l := range all {
			known[l.Name] = l
		}
		for _, lane := range lanes {
			if _, ok := known[lane]; !ok {
				return usage("%s is no lane of the configuration, and no living worker serves it; there are %s",
					lane, strings.Join(slices.Sorted(maps.Keys(known)), ", "))
			}
		}
		for _, lane := range lanes {
			done, err := do(s, known[lane])
			if err != nil {
				return err
			}
			done.Lane = lane
			if c.json {
				err = c.print(done)
			} else {
				err = printLine(c.stdout, "%s", done)
			}
			if err != nil {
				return err
			}
		}
		return nil
	})
}
