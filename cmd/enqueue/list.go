package main

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"text/tabwriter"
	"time"

	"github.com/spf13/cobra"

	"github.com/longhaul-jobs/longhaul/internal/config"
	"github.com/longhaul-jobs/longhaul/jobs"
	"github.com/longhaul-jobs/longhaul/results"
)

// wholePage is the size of the pages that are read when there is no limit.
const wholePage = 1000

// listFlags say what to list beside which jobs, and how.
type listFlags struct {
	failed, held     bool
	cursor           string
	limit            int
	all, csv, census bool
}

func (c *cli) listCommand() *cobra.Command {
	var (
		chosen selectFlags
		list   listFlags
	)
	cmd := &cobra.Command{
		Use:   "list",
		Short: "List, find, count and export jobs",
		Long: `list lists jobs, newest first: as a table, with --json as a record a line, with
--csv as the table described below. When there are more than --limit, it says on
stderr how to go on; --all lists all of them, however many, and says on stderr
how many those were. A listing that is stopped half way says so and ends with
exit code 1.

--failed lists the jobs that ended without success for a reason of their own:
those that are failed, expired (their deadline passed) or incomplete (their
answer was cut off). Cancelled ones are left out: somebody wished that.

--count looks through all jobs that the other flags select and prints for each
state and class of failure how many there are, when the first and the last one
ended and what the last one said.

State, lane, group and the time of creation are indexed. To compare anything
else records are read, some ten thousand in a second.

The columns of --csv are id, state, class, code, message, lane, group, tenant, model,
attempts, input_tokens, cached_tokens, cache_write_tokens, output_tokens,
reasoning_tokens, cost_usd, created, ended and response_ids; a cost that is not known
is empty, times are RFC 3339, and the ids of all responses are separated by
spaces.`,
		Example: `  enqueue list --failed --count
  enqueue list --failed --class unavailable --since 2h --all
  enqueue list --failed --all --csv > failures.csv
  enqueue list --response resp_0123456789abcdef
  enqueue list --group batch-requests --all --json`,
		Args: noArguments,
	}
	flags := cmd.Flags()
	flags.SortFlags = false
	flags.BoolVar(&list.failed, "failed", false, "only jobs that are "+stateList(failedStates()))
	flags.BoolVar(&list.held, "held", false, "only jobs that are held for a person")
	flags.StringSliceVar(&chosen.states, "state", nil, fmt.Sprintf("only jobs in these states, of %v", jobs.States()))
	chosen.register(flags)
	flags.StringVar(&chosen.responseID, "response", "", "only the job of this response id")
	flags.StringVar(&chosen.kind, "kind", "", "only jobs of this kind")
	flags.IntVar(&list.limit, "limit", 50, fmt.Sprintf("how many at most, up to %d", wholePage))
	flags.StringVar(&list.cursor, "cursor", "", "go on after this job")
	flags.BoolVar(&list.all, "all", false, "list all of them, however many")
	flags.BoolVar(&list.csv, "csv", false, "print comma-separated values")
	flags.BoolVar(&list.census, "count", false, "print how many there are of each state and class of failure")
	cmd.RunE = c.elsewhere(func(ctx context.Context, cfg config.Config, _ []string) error {
		err := errors.Join(exclusive(flags, "failed", "held", "state"), exclusive(flags, "all", "limit", "count"),
			exclusive(flags, "csv", "count"), exclusive(flags, "csv", "json"))
		if err != nil {
			return err
		}
		if list.limit < 1 || list.limit > wholePage {
			return jobs.Invalid("limit", "is %d; it goes from 1 to %d, and --all has no limit", list.limit, wholePage)
		}
		filter, err := chosen.filter(time.Now())
		if err != nil {
			return err
		}
		filter.Cursor, filter.Held = jobs.ID(list.cursor), list.held
		if err := filter.Validate(); err != nil {
			return err
		}
		if list.failed {
			filter.States = failedStates()
		}
		return c.toRead(ctx, cfg, func(s *session) error {
			look := &search{cli: c, session: s, title: "list", filter: filter}
			switch {
			case list.census:
				return look.count(ctx)
			case !list.all:
				look.most = list.limit
			}
			return look.list(ctx, list.csv)
		})
	})
	return cmd
}

// list prints what a search finds, a page at a time.
func (s *search) list(ctx context.Context, csv bool) error {
	printed := s.printer(csv)
	err := s.run(ctx, func(_ context.Context, page results.Page) error { return printed(page.Jobs) })
	if err != nil {
		return s.incomplete(ctx, err, "list")
	}
	switch {
	case s.filter.Cursor != "":
		if more := s.rest(ctx); more != "" {
			s.console.say("%s: --cursor %s", more, s.filter.Cursor)
		}
		s.warn()
	case s.most == 0:
		s.sum("listed")
	default:
		s.warn()
	}
	return nil
}

// rest says whether there is more behind what was listed, "" if not. It looks ahead for one
// page: where records have to be read, what is left may all be of other jobs.
func (s *search) rest(ctx context.Context) string {
	ahead := s.filter
	ahead.Limit = 1
	switch page, err := s.session.List(ctx, ahead); {
	case err == nil && len(page.Jobs) > 0:
		return "There are more"
	case err == nil && page.Next == "":
		return ""
	}
	return "There may be more" // an error is that of whoever goes on
}

// printer prints pages in the form that was asked for.
func (s *search) printer(csv bool) func([]jobs.Job) error {
	switch {
	case csv:
		return csvPrinter(s.stdout)
	case s.json:
		return s.printRecords
	}
	first := true
	return func(page []jobs.Job) error {
		if len(page) == 0 && !first {
			return nil
		}
		header := first
		first = false
		return writePage(s.stdout, page, header, time.Now())
	}
}

func (c *cli) printRecords(page []jobs.Job) error {
	for _, j := range page {
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

// modelColumns is how wide the name of a model is shown in tables: that of a fine-tuned one
// has some sixty characters.
const modelColumns = 80

// writePage shows jobs as a table.
func writePage(w io.Writer, page []jobs.Job, header bool, now time.Time) error {
	columns := tabwriter.NewWriter(w, 0, 0, 2, ' ', 0)
	if header {
		_, _ = io.WriteString(columns, "JOB\tSTATE\tAGE\tMODEL\tLANE\tGROUP\tTRIES\tTOKENS\tCOST\tFAILURE\n") // Flush reports what fails
	}
	for _, j := range page {
		tokens, why := "-", "-"
		if u := paid(j); u != (jobs.Usage{}) {
			tokens = formatCount(u.InputTokens + u.OutputTokens)
		}
		if j.Failure != nil {
			why = clip(j.Failure.String(), 60)
		}
		_, _ = fmt.Fprintf(columns, "%s\t%s\t%s\t%s\t%s\t%s\t%d\t%s\t%s\t%s\n", j.ID, j.State,
			formatElapsed(now.Sub(j.Created).Round(time.Second)), clip(j.Model, modelColumns), j.Lane, cmp.Or(j.Group, "-"),
			tries(j), tokens, spentOn(j).short(), why)
	}
	if err := columns.Flush(); err != nil {
		return fmt.Errorf("write to stdout: %w", err)
	}
	return nil
}

// tries is how many creates were made for a job, those that are told as one
// included.
func tries(j jobs.Job) int { return j.NextAttempt() - 1 }
