package main

import (
	"cmp"
	"context"
	"fmt"
	"io"
	"text/tabwriter"
	"time"

	"github.com/spf13/cobra"

	"github.com/longhaul-jobs/longhaul/internal/config"
	"github.com/longhaul-jobs/longhaul/jobs"
	"github.com/longhaul-jobs/longhaul/results"
)

// wholePage is the size of the pages that --all reads.
const wholePage = 1000

func (c *cli) listCommand() *cobra.Command {
	var (
		state, kind, lane, group, cursor string
		limit                            int
		all                              bool
	)
	cmd := &cobra.Command{
		Use:   "list",
		Short: "List jobs, newest first",
		Long: `list lists jobs, newest first, with --json a record a line. When there are more
than --limit, it says on stderr how to go on.`,
		Example: `  enqueue list --state failed --limit 10
  enqueue list --group batch-requests --all --json`,
		Args: noArguments,
	}
	flags := cmd.Flags()
	flags.SortFlags = false
	flags.StringVar(&state, "state", "", fmt.Sprintf("only jobs in this state, one of %v", jobs.States()))
	flags.StringVar(&kind, "kind", "", "only jobs of this kind")
	flags.StringVar(&lane, "lane", "", "only jobs of this lane")
	flags.StringVar(&group, "group", "", "only jobs of this group")
	flags.IntVar(&limit, "limit", 50, fmt.Sprintf("how many at most, up to %d", wholePage))
	flags.StringVar(&cursor, "cursor", "", "go on after this job")
	flags.BoolVar(&all, "all", false, "list all of them, however many")
	cmd.RunE = c.elsewhere(func(ctx context.Context, cfg config.Config, _ []string) error {
		if limit < 1 {
			return jobs.Invalid("limit", "is %d; it goes from 1 to %d", limit, wholePage)
		}
		if all && flags.Changed("limit") {
			return usage("--all and --limit exclude each other")
		}
		filter := results.Filter{
			Kind: jobs.Kind(kind), Lane: lane, Group: group, Cursor: jobs.ID(cursor), Limit: limit,
		}
		if state != "" {
			filter.States = []jobs.State{jobs.State(state)}
		}
		if all {
			filter.Limit = wholePage
		}
		return c.withSession(ctx, cfg, func(s *session) error { return c.list(ctx, s, filter, all) })
	})
	return cmd
}

// list prints a page, or that and all that follow.
func (c *cli) list(ctx context.Context, s *session, filter results.Filter, all bool) error {
	for first := true; ; first = false {
		page, err := s.List(ctx, filter)
		if err != nil {
			return err
		}
		if err := c.printPage(page, first); err != nil {
			return err
		}
		switch {
		case page.Next == "":
			return nil
		case !all:
			c.console.say("There are more: --cursor %s", page.Next)
			return nil
		}
		filter.Cursor = page.Next
	}
}

func (c *cli) printPage(page results.Page, header bool) error {
	if !c.json {
		return writePage(c.stdout, page, header, time.Now())
	}
	for _, j := range page.Jobs {
		raw, err := record(j)
		if err != nil {
			return err
		}
		if err := c.print(raw); err != nil {
			return err
		}
	}
	return nil
}

// writePage shows jobs as a table.
func writePage(w io.Writer, page results.Page, header bool, now time.Time) error {
	columns := tabwriter.NewWriter(w, 0, 0, 2, ' ', 0)
	if header {
		_, _ = io.WriteString(columns, "JOB\tSTATE\tAGE\tMODEL\tLANE\tGROUP\tTRIES\tTOKENS\tFAILURE\n") // Flush reports what fails
	}
	for _, j := range page.Jobs {
		tokens, why := "-", "-"
		if u := paid(j); u != (jobs.Usage{}) {
			tokens = formatCount(u.InputTokens + u.OutputTokens)
		}
		if j.Failure != nil {
			why = clip(j.Failure.String(), 60)
		}
		_, _ = fmt.Fprintf(columns, "%s\t%s\t%s\t%s\t%s\t%s\t%d\t%s\t%s\n", j.ID, j.State,
			formatElapsed(now.Sub(j.Created).Round(time.Second)), printable(j.Model), j.Lane, cmp.Or(j.Group, "-"),
			len(j.Attempts), tokens, why)
	}
	if err := columns.Flush(); err != nil {
		return fmt.Errorf("write to stdout: %w", err)
	}
	return nil
}
