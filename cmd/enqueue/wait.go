package main

import (
	"context"
	"encoding/json"
	"fmt"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/longhaul-jobs/longhaul/internal/config"
	"github.com/longhaul-jobs/longhaul/jobs"
)

func (c *cli) waitCommand() *cobra.Command {
	return &cobra.Command{
		Use:   "wait ID...",
		Short: "Wait for jobs to end, and print their results",
		Long: `wait waits for jobs to end. For one job it prints the text of the answer, for
several a line each as they end; with --json an object for each job, with its
record and OpenAI's response object, and one with an error for an id of no job. A job that is held for a person (--uncertain
hold) is not waited for when it is all that is left: it is shown as it stands.`,
		Args: someIDs,
		RunE: c.elsewhere(func(ctx context.Context, cfg config.Config, args []string) error {
			ids, err := parseIDs(args)
			if err != nil {
				return err
			}
			return c.withSession(ctx, cfg, func(s *session) error { return c.waitFor(ctx, s, ids) })
		}),
	}
}

// waitFor follows jobs to their ends and prints what became of each.
func (c *cli) waitFor(ctx context.Context, s *session, ids []jobs.ID) error {
	a := newAccount(time.Now())
	a.expect(len(ids))
	var only jobs.Job
	f := &follower{jobs: s, account: a, patience: c.patience, leaveHeld: true, advise: func(j jobs.Job) string { return c.advise(j, "") }}
	f.onEnd = func(ctx context.Context, m *member, j jobs.Job) (*jobs.Failure, error) {
		switch {
		case c.json || len(ids) > 1:
		case !j.State.Terminal(): // held: its failure says so, and what to do
			return nil, nil
		default:
			only = j // printed when the display is gone
			return nil, nil
		}
		return nil, c.printEnded(ctx, s, f, m, j)
	}
	for i, id := range ids {
		f.add(&member{order: i, name: string(id), id: id})
	}
	f.close()
	p := c.showProgress(ctx, "wait", a, f, nil)
	err := f.run(ctx)
	p.stop()
	if err != nil {
		return c.stopped(ctx, err, c.call("wait", ids...))
	}
	if only.ID != "" {
		if err := c.printText(ctx, s, only); err != nil {
			return err
		}
	}
	t := a.totals(time.Now(), true)
	for _, f := range t.Failures {
		c.console.say("%s", f.line())
		if c.json && f.Code == codeNoJob {
			if err := c.print(unchanged{ID: f.JobID, Error: f.Message}); err != nil {
				return err
			}
		}
	}
	if !t.clean() {
		return errReported
	}
	return nil
}

// printEnded prints one of several ended jobs.
func (c *cli) printEnded(ctx context.Context, s *session, f *follower, m *member, j jobs.Job) error {
	if !c.json {
		return printLine(c.stdout, "%s %s %s, cost %s", j.ID, j.State, formatUsage(m.usage), m.spent.short())
	}
	var view jobView
	err := f.patiently(ctx, func() (err error) {
		view, err = c.view(ctx, s, j)
		return err
	})
	if err != nil {
		return err
	}
	return c.print(view)
}

// printText prints the answer of an ended job, and says on stderr what to know
// of it.
func (c *cli) printText(ctx context.Context, s *session, j jobs.Job) error {
	text, err := s.Text(ctx, j.ID)
	if err != nil {
		return err
	}
	if text != "" {
		if err := printLine(c.stdout, "%s", strings.TrimSuffix(text, "\n")); err != nil {
			return err
		}
	}
	switch note := remark(j); {
	case j.State != jobs.StateSucceeded:
	case note != "":
		c.console.say("%s: %s", j.ID, note)
	case text == "":
		c.console.say("%s: the response has no text; enqueue get %s --response shows it", j.ID, j.ID)
	}
	return nil
}

// jobView is a job as --json shows it.
type jobView struct {
	Job   json.RawMessage `json:"job"`
	Looks *jobs.Looks     `json:"looks,omitempty"`
	// Why is what the job waits for.
	Why string `json:"why,omitempty"`
	// Dependents are the jobs that wait for its end.
	Dependents []jobs.ID `json:"dependents,omitempty"`
	// Advice is what a person can do.
	Advice   string          `json:"advice,omitempty"`
	Waste    *wasteView      `json:"waste,omitempty"`
	Timeline []happening     `json:"timeline"`
	Response json.RawMessage `json:"response"`
	// Parts are those of a job that has some.
	Parts *partsView `json:"parts,omitempty"`
}

// view is a job with its response, null if there is none.
func (c *cli) view(ctx context.Context, s *session, j jobs.Job) (jobView, error) {
	raw, err := record(j)
	if err != nil {
		return jobView{}, err
	}
	v := jobView{Job: raw, Advice: c.advise(j, ""), Waste: wasteOf(j), Timeline: timeline(j)}
	if j.Looks.Count > 0 {
		v.Looks = &j.Looks
	}
	if v.Dependents, err = s.Dependents(ctx, j.ID, jobs.MaxAfter); err != nil {
		return jobView{}, err
	}
	if v.Why, err = s.Why(ctx, j); err != nil {
		return jobView{}, err
	}
	if v.Parts, err = s.parts(ctx, j); err != nil {
		return jobView{}, err
	}
	v.Response, err = s.Response(ctx, j.ID)
	return v, err
}

// record is a job's record as it is stored.
func record(j jobs.Job) (json.RawMessage, error) { return j.Encode() }

// stopped makes the error of a run that a signal ended, any other as it is. again
// is the command that goes on from there.
func (c *cli) stopped(ctx context.Context, err error, again string) error {
	if ctx.Err() == nil {
		return err
	}
	hint := fmt.Sprintf("What was submitted goes on in the workers; %s takes it up again.", again)
	switch {
	case c.dev:
		hint = "With --dev nothing goes on: the jobs ended with this command. The same command begins again."
	case c.live:
		hint = fmt.Sprintf("What was submitted is kept and goes on with the next --live command; %s takes it up again.", again)
	}
	return &stoppedError{cause: context.Cause(ctx), hint: hint}
}
