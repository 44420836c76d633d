package main

import (
	"context"
	"errors"
	"strings"

	"github.com/spf13/cobra"

	"github.com/longhaul-jobs/longhaul/internal/config"
	"github.com/longhaul-jobs/longhaul/jobs"
	"github.com/longhaul-jobs/longhaul/results"
)

func (c *cli) releaseCommand() *cobra.Command {
	cmd := &cobra.Command{
		Use:   "release ID... | --all-held",
		Short: "Ask again for jobs whose create's answer was lost",
		Long: `release has jobs asked again that are uncertain: the answer to a create was lost,
and they are held for a person or wait for OpenAI's webhook. The lost create may
have been accepted and paid for; a release pays for another. If the response of
the lost one shows up, the first to complete wins and the other is cancelled.`,
		Example: `  enqueue release job_019ab1c2d3e4f5061728394a5b6c7d0e
  enqueue release --all-held --lane nightly --dry-run`,
	}
	c.changes(cmd, change{
		name: "release", done: "released",
		all: "all-held", meaning: "release all jobs that are held for a person and that the other flags select",
		filter: results.Filter{Held: true},
		do: func(ctx context.Context, s *session, id jobs.ID) (upshot, error) {
			j, err := s.Release(ctx, id)
			return upshot{job: j, said: "is " + string(j.State) + " for a new attempt"}, err
		},
	})
	return cmd
}

func (c *cli) failCommand() *cobra.Command {
	var message string
	cmd := &cobra.Command{
		Use:   "fail ID... | --all-held",
		Short: "Give up jobs whose create's answer was lost",
		Long: `fail ends jobs that are uncertain: the answer to a create was lost, and they are
held for a person or wait for OpenAI's webhook. The create may have been
accepted and paid for; the record says that nobody knows.`,
		Example: `  enqueue fail job_019ab1c2d3e4f5061728394a5b6c7d0e --message "not in the dashboard"
  enqueue fail --all-held --until 3d`,
	}
	cmd.Flags().StringVar(&message, "message", "", "why, kept as the failure of the job")
	c.changes(cmd, change{
		name: "fail", done: "failed",
		all: "all-held", meaning: "fail all jobs that are held for a person and that the other flags select",
		filter: results.Filter{Held: true},
		do: func(ctx context.Context, s *session, id jobs.ID) (upshot, error) {
			j, err := s.Fail(ctx, id, message)
			return upshot{job: j, said: "is " + string(j.State)}, err
		},
	})
	return cmd
}

func (c *cli) adoptCommand() *cobra.Command {
	var attempt int
	cmd := &cobra.Command{
		Use:   "adopt JOB RESPONSE",
		Short: "Give a job the response that one of its attempts made",
		Long: `adopt has a job go on with a response whose answer was lost: the id is in the log
of the worker that died, in OpenAI's dashboard, or in the metadata of a webhook.
A worker looks at it, and what it has become is the end of the job. So nothing
that was paid for is asked for again. An ended job can be given a response as
well, unless it has succeeded.

If the response turns out to be of another job, or the provider does not know it,
the job is held as before and says so; until then, adopt with another id corrects
it.`,
		Example: `  enqueue adopt job_019ab1c2d3e4f5061728394a5b6c7d0e resp_0123456789abcdef
  enqueue adopt job_019ab1c2d3e4f5061728394a5b6c7d0e resp_0123456789abcdef --attempt 2`,
		Args: func(_ *cobra.Command, args []string) error {
			if len(args) != 2 {
				return errors.New("name a job and the response that it is given")
			}
			_, err := parseIDs(args[:1])
			return err
		},
	}
	flags := cmd.Flags()
	flags.IntVar(&attempt, "attempt", 0, "attempt that made the response (default: the latest one whose answer was lost)")
	cmd.RunE = c.elsewhere(func(ctx context.Context, cfg config.Config, args []string) error {
		if flags.Changed("attempt") && attempt < 1 {
			return jobs.Invalid("attempt", "is %d; they are counted from 1", attempt)
		}
		if !validResponseID(args[1]) {
			return jobs.Invalid("response", "%q is no response id, such as resp_0123456789abcdef", clip(args[1], 40))
		}
		adopt := func(ctx context.Context, s *session, id jobs.ID) (upshot, error) {
			j, err := s.Adopt(ctx, id, attempt, args[1])
			said := "is " + string(j.State) + " with " + args[1]
			if !j.State.Terminal() {
				said += ", which a worker has not yet looked at; " + c.call("get", id) + " says what comes of it"
			}
			return upshot{job: j, said: said}, err
		}
		return c.changeEach(ctx, cfg, args[:1], adopt)
	})
	return cmd
}

// validResponseID reports whether a text can be a response's id: one word of
// characters that can be part of an address. Gateways have longer ones than
// OpenAI.
func validResponseID(id string) bool {
	const most = 256
	strange := func(r rune) bool { return r <= ' ' || r > '~' || r == '/' || r == '?' || r == '#' }
	return id != "" && len(id) <= most && !strings.ContainsFunc(id, strange)
}
