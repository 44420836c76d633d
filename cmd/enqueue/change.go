package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"time"

	"github.com/spf13/cobra"

	"github.com/longhaul-jobs/longhaul/client"
	"github.com/longhaul-jobs/longhaul/internal/config"
	"github.com/longhaul-jobs/longhaul/jobs"
	"github.com/longhaul-jobs/longhaul/results"
)

// changeFunc does something with a job, and says what came of it.
type changeFunc func(ctx context.Context, s *session, id jobs.ID) (upshot, error)

// upshot is what came of a change of a job.
type upshot struct {
	job  jobs.Job
	said string
	// late says that the job had ended before, and not as was wanted.
	late bool
}

// change is a command that does something with jobs: those that are named, or
// all that are in question.
type change struct {
	name, done string // "retry", "retried"
	// would is what would be done, in a dry run, if that is not as it is told afterwards.
	would string
	do    changeFunc
	// all is the flag for all jobs in question, and meaning what those are.
	all, meaning string
	// filter selects the jobs in question, before any flag does.
	filter results.Filter
	// others are the states that --state may name instead, none for no such flag.
	others []jobs.State
	// spare, if not nil, says why one of many jobs is left as it is unless it is
	// asked for by name.
	spare func(j jobs.Job) string
}

func (c *cli) cancelCommand() *cobra.Command {
	cmd := &cobra.Command{
		Use:   "cancel ID... | --all",
		Short: "Cancel jobs, at OpenAI too",
		Long: `cancel ends jobs. One that waits ends at once; a running one is cancelled at
OpenAI by a worker, and has succeeded if it completes all the same. Cancelling
an ended job does nothing.`,
		Example: `  enqueue cancel job_019ab1c2d3e4f5061728394a5b6c7d0e
  enqueue cancel --all --group batch-requests --dry-run`,
	}
	c.changes(cmd, change{
		name: "cancel", done: "cancelled or being cancelled", would: "cancelled",
		all: "all", meaning: "cancel all jobs that have not ended and that the other flags select",
		filter: results.Filter{States: []jobs.State{jobs.StateWaiting, jobs.StateSubmitting, jobs.StateRunning, jobs.StateUncertain}},
		do:     cancelJob,
	})
	return cmd
}

func cancelJob(ctx context.Context, s *session, id jobs.ID) (upshot, error) {
	cancelled, err := s.Cancel(ctx, id)
	u := upshot{job: cancelled.Job, said: "is " + string(cancelled.Job.State)}
	switch {
	case cancelled.TooLate:
		u.late = u.job.State != jobs.StateCancelled
		u.said = "had already ended: " + string(u.job.State)
	case !u.job.State.Terminal():
		u.said = "is being cancelled at OpenAI"
	}
	return u, err
}

func (c *cli) retryCommand() *cobra.Command {
	cmd := &cobra.Command{
		Use:   "retry ID... | --all-failed",
		Short: "Try ended jobs again that have not succeeded",
		Long: `retry starts a fresh attempt of jobs that ended without success, or are held
because the answer to a create was lost. The history is kept, and the attempts
are counted anew.

--all-failed tries all jobs again that list --failed lists with the same flags
and that ended before this command began. It asks first on a terminal, can be
stopped, and goes on when it is called again. Left alone are jobs for which
something was paid, or may have been: those of class lost, oversized and
ambiguous unless --class names it, and incomplete ones, whose partial answer
would be dropped, unless --state names that. So are those of class poison, which
crashed a worker.`,
		Example: `  enqueue retry job_019ab1c2d3e4f5061728394a5b6c7d0e
  enqueue retry --all-failed --class unavailable --since 2h --dry-run
  enqueue retry --all-failed --state cancelled --group batch-requests --yes`,
	}
	c.changes(cmd, change{
		name: "retry", done: "retried",
		all: "all-failed", meaning: "try all jobs again that are " + stateList(failedStates()) + " and that the other flags select",
		filter: results.Filter{States: failedStates()}, others: endedStates(),
		spare: client.Caution,
		do: func(ctx context.Context, s *session, id jobs.ID) (upshot, error) {
			j, err := s.Retry(ctx, id)
			return upshot{job: j, said: "is " + string(j.State) + " for a new attempt"}, err
		},
	})
	return cmd
}

func (c *cli) deleteCommand() *cobra.Command {
	var remote bool
	cmd := &cobra.Command{
		Use:   "delete ID... | --all-failed",
		Short: "Forget ended jobs, and OpenAI's copies if asked",
		Long: `delete forgets ended jobs: their records, requests and results.

--all-failed forgets all jobs that list --failed lists with the same flags and
that ended before this command began. Incomplete ones, whose partial answer was
paid for, are left alone unless --state names them.`,
		Example: `  enqueue delete job_019ab1c2d3e4f5061728394a5b6c7d0e --remote
  enqueue delete --all-failed --class invalid --until 7d`,
	}
	cmd.Flags().BoolVar(&remote, "remote", false, "have a worker delete OpenAI's copies of the responses first")
	c.changes(cmd, change{
		name: "delete", done: "deleted or being deleted", would: "deleted",
		all: "all-failed", meaning: "delete all jobs that are " + stateList(failedStates()) + " and that the other flags select",
		filter: results.Filter{States: failedStates()}, others: endedStates(),
		spare: func(j jobs.Job) string {
			if j.State == jobs.StateIncomplete {
				return client.Caution(j)
			}
			return ""
		},
		do: func(ctx context.Context, s *session, id jobs.ID) (upshot, error) {
			deleted, err := s.Delete(ctx, id, remote)
			u := upshot{job: deleted.Job, said: "goes when a worker has done what it owes"}
			switch {
			case deleted.Gone:
				u.said = "is deleted"
			case deleted.Job.Kind.IsParent():
				u.said = "goes when its parts are deleted"
			case remote:
				u.said = "goes when OpenAI's copies are deleted"
			}
			return u, err
		},
	})
	return cmd
}

// endedStates are those that a job can be tried again or deleted from, beside
// success.
func endedStates() []jobs.State { return append(failedStates(), jobs.StateCancelled) }

// changes makes a command that changes the jobs that are named, or with a flag
// all that are in question.
func (c *cli) changes(cmd *cobra.Command, what change) {
	var (
		many   bulkFlags
		chosen selectFlags
	)
	flags := cmd.Flags()
	flags.SortFlags = false
	flags.BoolVar(&many.all, what.all, false, what.meaning)
	if len(what.others) > 0 {
		flags.StringSliceVar(&chosen.states, "state", nil, fmt.Sprintf("with --%s: only jobs in these states, of %s", what.all, stateList(what.others)))
	}
	chosen.register(flags)
	flags.BoolVar(&many.dry, "dry-run", false, "with --"+what.all+": change nothing, show what would be changed")
	flags.BoolVar(&many.yes, "yes", false, "with --"+what.all+": do not ask on a terminal")
	cmd.Args = func(cmd *cobra.Command, args []string) error {
		if !many.all {
			if given := chosen.given(flags, "state", "dry-run", "yes"); given != "" {
				return fmt.Errorf("--%s selects among all jobs in question; add --%s, or name job ids without it", given, what.all)
			}
			if len(args) == 0 {
				return fmt.Errorf("name at least one job id, as submit and list print it, or --%s", what.all)
			}
			return someIDs(cmd, args)
		}
		if len(args) > 0 {
			return fmt.Errorf("--%s and job ids exclude each other", what.all)
		}
		return nil
	}
	cmd.RunE = c.elsewhere(func(ctx context.Context, cfg config.Config, args []string) error {
		if !many.all {
			return c.changeEach(ctx, cfg, args, what.do)
		}
		filter, err := chosen.filter(time.Now())
		if err != nil {
			return err
		}
		b := &bulk{change: what, bulkFlags: many, named: filter}
		if b.filter, err = what.among(filter); err != nil {
			return err
		}
		return c.withSession(ctx, cfg, func(s *session) error { return b.run(ctx, c, s) })
	})
}

// changed is what --json prints of a changed job.
type changed struct {
	ID     jobs.ID         `json:"id"`
	Result string          `json:"result"`
	Job    json.RawMessage `json:"job"`
}

// unchanged is what --json prints of an id of which there is no job, or whose job cannot be
// changed so.
type unchanged struct {
	ID    jobs.ID         `json:"id"`
	Job   json.RawMessage `json:"job"` // null, where a job has its record
	Error string          `json:"error"`
}

// changeEach does something with each of the jobs that are named. One that cannot
// be changed does not keep the others from it.
func (c *cli) changeEach(ctx context.Context, cfg config.Config, args []string, do changeFunc) error {
	ids, err := parseIDs(args)
	if err != nil {
		return err
	}
	return c.withSession(ctx, cfg, func(s *session) error {
		var failed error
		for _, id := range ids {
			u, err := do(ctx, s, id)
			if _, refused := errors.AsType[*jobs.RefusedError](err); refused || errors.Is(err, results.ErrNotFound) {
				c.console.say("enqueue: %s", err)
				failed = errReported
				if c.json {
					if err := c.print(unchanged{ID: id, Error: err.Error()}); err != nil {
						return err
					}
				}
				continue
			}
			if err != nil {
				return err
			}
			if err := c.printChanged(u); err != nil {
				return err
			}
		}
		return failed
	})
}

func (c *cli) printChanged(u upshot) error {
	if !c.json {
		return printLine(c.stdout, "%s %s", u.job.ID, u.said)
	}
	raw, err := record(u.job)
	if err != nil {
		return err
	}
	return c.print(changed{ID: u.job.ID, Result: u.said, Job: raw})
}
