package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"maps"
	"slices"
	"strings"
	"text/tabwriter"
	"time"

	"github.com/spf13/cobra"

	"github.com/longhaul-jobs/longhaul/internal/config"
	"github.com/longhaul-jobs/longhaul/jobs"
)

func (c *cli) getCommand() *cobra.Command {
	var response, text bool
	cmd := &cobra.Command{
		Use:   "get ID",
		Short: "Show a job: its state, what it waits for, its attempts and its result",
		Long: `get shows a job: its state, what it waits for, what a person can do, what it cost
and what of that was wasted, and a timeline of all that has happened to it, with
the times, ids, errors and tokens of each attempt. With --json it prints the
record, the timeline and OpenAI's response object.

Of a job that has parts, such as the summary of a document, it shows how these
stand and what they cost together. Those that were there already, for another job
with the same part, are no part of that sum. Its response is the result that was
made of the answers to its parts.`,
		Args: func(cmd *cobra.Command, args []string) error {
			if len(args) != 1 {
				return errors.New("name one job id, as submit and list print it")
			}
			return someIDs(cmd, args)
		},
	}
	cmd.Flags().BoolVar(&response, "response", false, "print only OpenAI's response object, byte for byte as it came")
	cmd.Flags().BoolVar(&text, "text", false, "print only the text of the answer")
	cmd.MarkFlagsMutuallyExclusive("response", "text")
	cmd.RunE = c.elsewhere(func(ctx context.Context, cfg config.Config, args []string) error {
		return c.toRead(ctx, cfg, func(s *session) error {
			j, err := s.Get(ctx, jobs.ID(args[0]))
			switch {
			case err != nil:
				return err
			case response || text:
				return c.getResult(ctx, s, j, response)
			case c.json:
				view, err := c.view(ctx, s, j)
				if err != nil {
					return err
				}
				return c.print(view)
			}
			why, err := s.Why(ctx, j)
			if err != nil {
				return err
			}
			dependents, err := s.Dependents(ctx, j.ID, manyDependents)
			if err != nil {
				return err
			}
			parts, err := s.parts(ctx, j)
			if err != nil {
				return err
			}
			return writeJob(c.stdout, j, why, c.advise(j, ""), dependents, parts, s.Now())
		})
	})
	return cmd
}

// getResult prints the response object, or its text.
func (c *cli) getResult(ctx context.Context, s *session, j jobs.Job, whole bool) error {
	raw, err := s.Response(ctx, j.ID)
	switch {
	case err != nil:
		return err
	case raw == nil && j.Failure != nil:
		return fmt.Errorf("%s is %s and has no response: %s", j.ID, j.State, j.Failure)
	case raw == nil:
		return fmt.Errorf("%s is %s and has no response", j.ID, j.State)
	case whole:
		_, err := c.stdout.Write(raw)
		return err
	}
	return c.printText(ctx, s, j)
}

// watchable says how the answer to a job can be seen while it is written.
func watchable(j jobs.Job) string {
	switch {
	case !j.Stream || j.State.Terminal():
		return ""
	case j.Looks.Unstreamed:
		return "its response is not streamed any more; the rest of the answer comes at its end"
	}
	return "enqueue watch " + string(j.ID) + " shows the answer as it is written"
}

// writeJob shows a job to people.
func writeJob(w io.Writer, j jobs.Job, why, advice string, dependents []jobs.ID, parts *partsView, now time.Time) error {
	var b strings.Builder
	fmt.Fprintf(&b, "%s  %s\n", j.ID, j.State)
	columns := tabwriter.NewWriter(&b, 0, 0, 2, ' ', 0)
	row := func(name, value string) {
		if value != "" {
			_, _ = fmt.Fprintf(columns, "  %s\t%s\n", name, value) // a Builder takes everything
		}
	}
	row("waits for", waits(j, why))
	if j.Failure != nil && j.State.Terminal() {
		row("failure", printable(j.Failure.String()))
	}
	row("what to do", advice)
	row("progress", watchable(j))
	if j.Kind != jobs.KindResponse {
		row("kind", printable(string(j.Kind)))
	}
	row("part of", partOf(j))
	row("note", note(j))
	row("model", printable(j.Model))
	row("lane", fmt.Sprintf("%s, priority %d", j.Lane, j.Priority))
	row("group", j.Group)
	row("tenant", j.Tenant)
	row("thread", j.Thread)
	row("after", joinIDs(j.After))
	row("continues", continues(j))
	row("waited for by", waitedFor(dependents))
	row("created", ago(j.Created, now))
	if j.State == jobs.StateWaiting {
		row("not before", maybeTime(j.NotBefore))
	}
	if !j.State.Terminal() {
		row("deadline", maybeTime(j.Deadline))
	}
	row("ended", ago(j.Ended, now))
	row("kept until", maybeTime(j.ExpiresAt()))
	row("dedupe key", printable(j.DedupeKey))
	row("cache key", printable(j.PromptCacheKey))
	for _, key := range slices.Sorted(maps.Keys(j.Metadata)) {
		row("metadata", printable(key+"="+j.Metadata[key]))
	}
	if r := j.Result; r != nil && r.ResponseID != "" {
		row("response", strings.TrimSpace(r.ResponseID+"  "+r.Status+"  "+printable(r.Model)))
	}
	used, bill := paid(j), spentOn(j)
	if parts != nil {
		used, bill = parts.Usage, parts.spent
	}
	if used != (jobs.Usage{}) {
		row("tokens", formatUsage(used))
	}
	row("cost", bill.String())
	row("prompt cache", cacheSaved(bill.saved))
	row("wasted", wasted(j))
	row("not known", unknown(j))
	_ = columns.Flush()
	if parts != nil {
		parts.write(&b)
	} else {
		fmt.Fprintf(&b, "attempts: %d made, %d of %d counted\n", tries(j), j.Counted(), j.MaxAttempts)
	}
	writeTimeline(&b, timeline(j), now)
	for _, e := range j.Outbox {
		fmt.Fprintf(&b, "still to do: %s\n", undone(e))
	}
	if _, err := io.WriteString(w, b.String()); err != nil {
		return fmt.Errorf("write to stdout: %w", err)
	}
	return nil
}

// manyDependents is how many of those that wait for a job are shown.
const manyDependents = 10

// waitedFor names the jobs that wait for one.
func waitedFor(dependents []jobs.ID) string {
	if len(dependents) == manyDependents {
		return joinIDs(dependents[:manyDependents-1]) + " and more"
	}
	return joinIDs(dependents)
}

func joinIDs(ids []jobs.ID) string {
	words := make([]string, len(ids))
	for i, id := range ids {
		words[i] = string(id)
	}
	return strings.Join(words, ", ")
}

// continues is what the request of a job continues, "" for most jobs.
func continues(j jobs.Job) string {
	switch {
	case j.Continues != nil:
		return printable(fmt.Sprintf("%s, the response of %s", j.Continues.ResponseID, j.Continues.Job))
	case j.ContinueFrom != "":
		return "the response of " + string(j.ContinueFrom)
	}
	return ""
}

// undone is what remains to be done for a job.
func undone(e jobs.Effect) string {
	text := strings.ReplaceAll(string(e.Kind), "_", " ")
	if e.ResponseID != "" {
		text += " of " + e.ResponseID
	}
	return text
}

// note is what to know of a job that its state does not say.
func note(j jobs.Job) string {
	if !j.State.Terminal() && j.Result != nil {
		return "an answer that was cut off is kept until there is more of it"
	}
	return remark(j)
}

// waits is what an open job waits for; a running one just runs.
func waits(j jobs.Job, why string) string {
	if j.Failure != nil && !j.State.Terminal() && why == "" {
		return printable(j.Failure.String())
	}
	return printable(why)
}

// ago is a moment and how long it is past, "" for the zero time.
func ago(t, now time.Time) string {
	if t.IsZero() {
		return ""
	}
	return fmt.Sprintf("%s (%s ago)", formatTime(t), formatElapsed(now.Sub(t)))
}

func maybeTime(t time.Time) string {
	if t.IsZero() {
		return ""
	}
	return formatTime(t)
}
