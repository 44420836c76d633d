package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/longhaul-jobs/longhaul/internal/config"
	"github.com/longhaul-jobs/longhaul/jobs"
)

func (c *cli) watchCommand() *cobra.Command {
	var reasoning bool
	cmd := &cobra.Command{
		Use:   "watch ID",
		Short: "Show the answer to a job as it is written",
		Long: `watch prints the text of the answer as it comes, of a job that was submitted
with --stream, and ends with the job. It can be stopped and started again: it
shows what is kept of the beginning, and goes on. What the stream did not bring
is printed at the end, so that what is printed is the whole answer.

Of a job that has parts, such as the summary of a document, it says on stderr how
many of them have ended, and prints its text at the end.

When an attempt fails and another one begins, its text begins anew; stderr says
so. A job without --stream shows nothing until it has ended, and one that is held
for a person is not waited for, as with wait. With --json each
event is an object on a line, and the last line is the job as of wait --json.`,
		Args: func(cmd *cobra.Command, args []string) error {
			if len(args) != 1 {
				return errors.New("name one job id, as submit and list print it")
			}
			return someIDs(cmd, args)
		},
	}
	cmd.Flags().BoolVar(&reasoning, "reasoning", false, "show the summary of the reasoning as well, on stderr")
	cmd.RunE = c.elsewhere(func(ctx context.Context, cfg config.Config, args []string) error {
		return c.withSession(ctx, cfg, func(s *session) error { return c.watch(ctx, s, jobs.ID(args[0]), reasoning) })
	})
	return cmd
}

// watch shows the progress of a job, and then what became of it.
func (c *cli) watch(ctx context.Context, s *session, id jobs.ID, reasoning bool) error {
	v := &viewer{cli: c, id: id, reasoning: reasoning}
	j, err := c.patientGet(ctx, s, id)
	if err != nil {
		return err
	}
	follow := v.follow
	switch {
	case j.Kind.IsParent():
		follow = v.followParts
	case !j.Stream && !j.State.Terminal():
		c.console.say("%s was not submitted with --stream, so its answer comes all at once; waiting for its end.", id)
	case j.State == jobs.StateWaiting && len(j.Attempts) == 0:
		if why, err := s.Why(ctx, j); err == nil {
			c.console.say("%s waits for %s.", id, why)
		}
	}
	if err := follow(ctx, s); err != nil {
		v.endLine()
		return c.stopped(ctx, err, c.call("watch", id))
	}
	if j, err = c.patientGet(ctx, s, id); err != nil {
		return err
	}
	return c.printWatched(ctx, s, j, v)
}

// follow shows what comes until the job has ended.
func (v *viewer) follow(ctx context.Context, s *session) error {
	var failed error // to be shown, which no patience mends
	for over := false; !over; {
		err := patiently(ctx, v.patience, func(err error) { v.console.say("%s", outage(err)) }, func() error {
			began, some := time.Now(), false
			for p, err := range s.Watch(ctx, v.id, v.place) {
				if err != nil && !final(err) && ctx.Err() == nil && (some || time.Since(began) > v.patience) {
					return nil // it went well for a while: this outage has its own patience
				}
				if err != nil {
					return err
				}
				some = true
				if failed = v.show(p); failed != nil {
					break
				}
			}
			over = true
			return nil
		})
		if err != nil {
			return err
		}
	}
	return failed
}

// patientGet reads a job, though Redis be away for a moment.
func (c *cli) patientGet(ctx context.Context, s *session, id jobs.ID) (j jobs.Job, err error) {
	err = patiently(ctx, c.patience, func(err error) { c.console.say("%s", outage(err)) }, func() error {
		j, err = s.Get(ctx, id)
		return err
	})
	return j, err
}

// printWatched prints what is left to say when the job has ended.
func (c *cli) printWatched(ctx context.Context, s *session, j jobs.Job, v *viewer) error {
	if c.json {
		view, err := c.view(ctx, s, j)
		if err != nil {
			return err
		}
		if err := c.print(view); err != nil {
			return err
		}
	} else if err := v.complete(ctx, s, j); err != nil {
		return err
	}
	m := &member{name: string(j.ID), id: j.ID}
	m.observe(j)
	m.advice = c.advise(j, "")
	if j.State != jobs.StateSucceeded {
		c.console.say("%s", m.failed().line())
		return errReported
	}
	if m.remark != "" {
		c.console.say("%s: %s", j.ID, m.remark)
	}
	return nil
}

// viewer shows progress.
type viewer struct {
	*cli

	id        jobs.ID
	reasoning bool
	// place is that of the last event, and late that the first one of its attempt was
	// not there any more.
	place jobs.Place
	late  bool
	// shown is the text of the attempt so far, open that its last line has no end, and
	// musing that the summary of the reasoning has none.
	shown        strings.Builder
	open, musing bool
}

// show shows an event.
func (v *viewer) show(p jobs.Progress) error {
	if p.Attempt != v.place.Attempt {
		if v.place.Attempt > 0 {
			v.endLine()
			v.console.say("attempt %d begins: the answer begins anew", p.Attempt)
		}
		v.shown.Reset()
		if v.late = p.Sequence > 0; v.late {
			v.console.say("the first part of the answer is not kept any more; %s --text has all of it when the job has ended", v.call("get", v.id))
		}
	}
	v.place = p.Place
	if v.json {
		return v.print(p)
	}
	switch p.Type {
	case jobs.TextDelta:
		v.endMusing()
		v.shown.WriteString(p.Delta)
		v.open = !strings.HasSuffix(p.Delta, "\n")
		return v.write(p.Delta)
	case jobs.ReasoningDelta:
		if v.reasoning {
			v.musing = true
			_, _ = io.WriteString(v.console, p.Delta) // there is nobody to tell if that fails
		}
	}
	return nil
}

func (v *viewer) write(text string) error {
	if _, err := io.WriteString(v.stdout, text); err != nil {
		return fmt.Errorf("write to stdout: %w", err)
	}
	return nil
}

// endLine ends a line of text that is not at its end, for other lines to follow.
func (v *viewer) endLine() {
	v.endMusing()
	if v.open {
		_ = v.write("\n")
		v.open = false
	}
}

func (v *viewer) endMusing() {
	if v.musing {
		v.console.say("")
		v.musing = false
	}
}

// complete prints what the stream has not brought of the answer.
func (v *viewer) complete(ctx context.Context, s *session, j jobs.Job) error {
	var text string
	err := patiently(ctx, v.patience, func(err error) { v.console.say("%s", outage(err)) }, func() (err error) {
		text, err = s.Text(ctx, j.ID)
		return err
	})
	if err != nil {
		v.endLine()
		return err
	}
	shown := v.shown.String()
	v.endMusing()
	switch rest, begun := strings.CutPrefix(text, shown); {
	case text == "":
	case begun:
		if rest != "" {
			v.open = !strings.HasSuffix(rest, "\n")
		}
		err = v.write(rest)
	case v.late && strings.HasSuffix(text, shown):
	default:
		v.endLine()
		v.console.say("what was shown is not all of the answer, which follows")
		v.open = !strings.HasSuffix(text, "\n")
		err = v.write(text)
	}
	v.endLine()
	return err
}
