package main

import (
	"context"
	"encoding/json"
	"errors"

	"github.com/spf13/cobra"

	"github.com/longhaul-jobs/longhaul/internal/config"
	"github.com/longhaul-jobs/longhaul/jobs"
	"github.com/longhaul-jobs/longhaul/results"
)

func (c *cli) cancelCommand() *cobra.Command {
	return &cobra.Command{
		Use:   "cancel ID...",
		Short: "Cancel jobs, at OpenAI too",
		Long: `cancel ends jobs. One that waits ends at once; a running one is cancelled at
OpenAI by a worker, and has succeeded if it completes all the same. Cancelling
an ended job does nothing.`,
		Args: someIDs,
		RunE: c.change(func(ctx context.Context, s *session, id jobs.ID) (jobs.Job, string, error) {
			j, err := s.Cancel(ctx, id)
			switch {
			case err != nil:
				return j, "", err
			case !j.State.Terminal():
				return j, "is being cancelled at OpenAI", nil
			}
			return j, "is " + string(j.State), nil
		}),
	}
}

func (c *cli) retryCommand() *cobra.Command {
	return &cobra.Command{
		Use:   "retry ID...",
		Short: "Try ended jobs again that have not succeeded",
		Long: `retry starts a fresh attempt of jobs that ended without success, or are held
because the answer to a create was lost. The history is kept, and the attempts
are counted anew.`,
		Args: someIDs,
		RunE: c.change(func(ctx context.Context, s *session, id jobs.ID) (jobs.Job, string, error) {
			j, err := s.Retry(ctx, id)
			return j, "is " + string(j.State) + " for a new attempt", err
		}),
	}
}

func (c *cli) deleteCommand() *cobra.Command {
	var remote bool
	cmd := &cobra.Command{
		Use:   "delete ID...",
		Short: "Forget ended jobs, and OpenAI's copies if asked",
		Args:  someIDs,
	}
	cmd.Flags().BoolVar(&remote, "remote", false, "have a worker delete OpenAI's copies of the responses first")
	cmd.RunE = c.change(func(ctx context.Context, s *session, id jobs.ID) (jobs.Job, string, error) {
		j, err := s.Get(ctx, id)
		if err != nil {
			return j, "", err
		}
		if err := s.Delete(ctx, id, remote); err != nil {
			return j, "", err
		}
		if _, err := s.Get(ctx, id); !errors.Is(err, results.ErrNotFound) {
			return j, "goes when OpenAI's copies are deleted", err
		}
		return j, "is deleted", nil
	})
	return cmd
}

// changed is what --json prints of a changed job.
type changed struct {
	ID     jobs.ID         `json:"id"`
	Result string          `json:"result"`
	Job    json.RawMessage `json:"job"`
}

// change does something with each of the jobs that are named. One that cannot
// be changed does not keep the others from it.
func (c *cli) change(do func(context.Context, *session, jobs.ID) (jobs.Job, string, error)) func(*cobra.Command, []string) error {
	return c.elsewhere(func(ctx context.Context, cfg config.Config, args []string) error {
		ids, err := parseIDs(args)
		if err != nil {
			return err
		}
		return c.withSession(ctx, cfg, func(s *session) error {
			var failed error
			for _, id := range ids {
				j, result, err := do(ctx, s, id)
				if _, refused := errors.AsType[*jobs.RefusedError](err); refused || errors.Is(err, results.ErrNotFound) {
					c.console.say("enqueue: %s", err)
					failed = errReported
					continue
				}
				if err != nil {
					return err
				}
				if err := c.printChanged(j, result); err != nil {
					return err
				}
			}
			return failed
		})
	})
}

func (c *cli) printChanged(j jobs.Job, result string) error {
	if !c.json {
		return printLine(c.stdout, "%s %s", j.ID, result)
	}
	raw, err := record(j)
	if err != nil {
		return err
	}
	return c.print(changed{ID: j.ID, Result: result, Job: raw})
}
