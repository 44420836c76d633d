package main

import (
	"context"
	"fmt"
	"io"
	"time"

	"github.com/spf13/cobra"

	"github.com/longhaul-jobs/longhaul/internal/config"
	"github.com/longhaul-jobs/longhaul/jobs"
)

func (c *cli) submitCommand() *cobra.Command {
	var (
		request requestFlags
		job     jobFlags
		dedupe  string
		history string
		wait    bool

		estimate bool
	)
	cmd := &cobra.Command{
		Use:   "submit",
		Short: "Submit one request, and wait for its result if asked",
		Long: `submit hands over one request and prints the id of its job. With --wait it waits
for the end and prints the text of the answer, or with --json the stored result:
the job's record and OpenAI's response object. With --stream as well it shows the
answer as it is written, as watch does. It does not wait for a job that is
held for a person (--uncertain hold), and says what to do about it. With --estimate it says what the
request is likely to cost, which needs neither Redis nor a key.`,
		Example: `  enqueue submit --input "Write a report on the tides." --wait
  enqueue submit --input-file paper.txt --instructions "Review this paper." --deadline 6h
  enqueue submit --request body.json --dedupe order-4711
  enqueue submit --input "Write a report on the tides." --stream --wait
  enqueue submit --input-file paper.txt --service-tier flex --fallback-tier default
  enqueue submit --input "Now in one sentence." --continue-from job_0198c0ffee0070008000000000000001
  enqueue submit --input-file paper.txt --max-output-tokens 2000 --grow-output-to 16000`,
		Args: func(cmd *cobra.Command, args []string) error {
			if len(args) > 0 {
				return fmt.Errorf("unexpected argument %q; a text to answer is given as --input", args[0])
			}
			return nil
		},
	}
	flags := cmd.Flags()
	flags.SortFlags = false
	request.register(flags)
	job.register(flags)
	job.registerTier(flags)
	job.registerOrder(flags)
	job.registerStream(flags)
	flags.StringVar(&history, "history", "", "file with the input items, as JSON, to send should the request's previous_response_id be lost, - for stdin")
	flags.StringVar(&dedupe, "dedupe", "", "key under which the same request is submitted only once, however often this is called")
	flags.BoolVar(&wait, "wait", false, "wait for the end and print the result")
	estimateFlag(flags, &estimate)
	cmd.RunE = c.do(func(ctx context.Context, cfg config.Config, _ []string) error {
		if estimate && wait {
			return usage("--estimate submits nothing that --wait could wait for; leave out one of them")
		}
		if c.dev && !wait && !estimate {
			return usage("--dev without --wait: the job would be lost when this command ends; add --wait")
		}
		options, err := job.options(flags, time.Now())
		if err != nil {
			return err
		}
		if dedupe == "" && flags.Changed("dedupe") {
			return jobs.Invalid("dedupe", "is empty; give a key, or leave it out to submit a new job each time")
		}
		options.DedupeKey = dedupe
		body, err := request.body(ctx, flags, c.stdin, cfg.Jobs.MaxRequestBytes)
		if err != nil {
			return err
		}
		if flags.Changed("history") {
			if history == "-" && request.stdin() {
				return usage("--history and the request cannot both be read from stdin")
			}
			if options.History, err = readInput(ctx, "history", history, c.stdin, cfg.Jobs.MaxRequestBytes); err != nil {
				return err
			}
		}
		// Checked before anything is connected or started.
		checked, err := jobs.ParseRequest(body, cfg.OpenAI.Model)
		if err != nil {
			return err
		}
		if err := options.ValidateFor(checked); err != nil {
			return err
		}
		if estimate {
			f, err := newForecast(cfg, options)
			if err != nil {
				return err
			}
			f.add(checked)
			return c.printForecast(f)
		}
		return c.withSession(ctx, cfg, func(s *session) error {
			submitted, err := s.Submit(ctx, body, options)
			if err != nil {
				return err
			}
			c.doubtLane(ctx, s, options.Lane, "what was submitted to it waits for one")
			if !submitted.Fresh {
				c.console.say("This request was submitted before, as %s.", submitted.Job.ID)
			}
			switch {
			case wait && submitted.Job.Stream:
				return c.watch(ctx, s, submitted.Job.ID, false)
			case wait:
				return c.waitFor(ctx, s, []jobs.ID{submitted.Job.ID})
			}
			if c.live {
				c.console.say("The job goes on while a worker runs: %s", c.call("wait", submitted.Job.ID))
			}
			return c.printSubmitted(submitted.Job)
		})
	})
	return cmd
}

func (c *cli) printSubmitted(j jobs.Job) error {
	if c.json {
		record, err := record(j)
		if err != nil {
			return err
		}
		return c.print(record)
	}
	return printLine(c.stdout, "%s", j.ID)
}

// printLine writes a line on stdout.
func printLine(w io.Writer, format string, args ...any) error {
	if _, err := fmt.Fprintf(w, format+"\n", args...); err != nil {
		return fmt.Errorf("write to stdout: %w", err)
	}
	return nil
}
