package main

import (
	"cmp"
	"context"
	"fmt"
	"io"
	"text/tabwriter"
	"time"

	"github.com/spf13/cobra"

	"github.com/longhaul-jobs/longhaul/client"
	"github.com/longhaul-jobs/longhaul/internal/config"
)

func (c *cli) batchesCommand() *cobra.Command {
	return &cobra.Command{
		Use:   "batches",
		Short: "Show the batches of requests at the provider, and what waits for one",
		Long: `batches shows the batches that requests of the service tier batch are in, for each
endpoint of the configuration: how far each has come here, how it stands at the
provider, and what went wrong last. REQUESTS are all that a batch is made of, DONE
those of them that the provider has come to an end with, and UNWANTED those that no
job waits for any more, since it was cancelled or late; a job that was tried again
waits for another request, which is counted where that one is. (Not to be confused
with batch, which submits the requests of a file.)`,
		Example: `  enqueue submit --service-tier batch --input "Why are harbours dredged?"
  enqueue batches`,
		Args: noArguments,
		RunE: c.elsewhere(func(ctx context.Context, cfg config.Config, _ []string) error {
			return c.toRead(ctx, cfg, func(s *session) error { return c.showBatches(ctx, s, cfg.AllEndpoints()) })
		}),
	}
}

func (c *cli) showBatches(ctx context.Context, s *session, endpoints []config.Endpoint) error {
	var all []client.Batches
	for _, e := range endpoints {
		b, err := s.Batches(ctx, e.Name)
		if err != nil {
			return err
		}
		if c.json {
			if err := c.print(b); err != nil {
				return err
			}
			continue
		}
		if len(b.Waiting)+len(b.Batches) > 0 {
			all = append(all, b)
		}
	}
	if c.json {
		return nil
	}
	if len(all) == 0 {
		return printLine(c.stdout, "no request waits for a batch or is in one")
	}
	return writeBatches(c.stdout, all, time.Now())
}

func writeBatches(w io.Writer, all []client.Batches, now time.Time) error {
	columns := tabwriter.NewWriter(w, 0, 0, 2, ' ', 0)
	_, _ = io.WriteString(columns, "ENDPOINT\tBATCH\tMODEL\tREQUESTS\tDONE\tUNWANTED\tSTAGE\tAT THE PROVIDER\tAGE\tPROBLEM\n") // Flush reports what fails
	for _, at := range all {
		for _, b := range at.Batches {
			_, _ = fmt.Fprintf(columns, "%s\t%d\t%s\t%s\t%s\t%s\t%s\t%s\t%s\t%s\n", at.Endpoint, b.Number, clip(b.Model, modelColumns), formatCount(int64(b.Lines)),
				formatCount(int64(b.Counts.Completed+b.Counts.Failed)), formatCount(int64(b.Unwanted)), b.Stage, cmp.Or(printable(string(b.Status)), "-"),
				formatElapsed(now.Sub(b.Formed)), cmp.Or(clip(printable(b.Problem), 80), "-"))
		}
		for _, open := range at.Waiting {
			age := "-" // of what may be sent again only later
			if since := now.Sub(open.Since); since > 0 {
				age = formatElapsed(since)
			}
			_, _ = fmt.Fprintf(columns, "%s\t-\t%s\t%s\t-\t-\twaiting\t-\t%s\t-\n", at.Endpoint, clip(open.Model, modelColumns), formatCount(int64(open.Count)), age)
		}
	}
	if err := columns.Flush(); err != nil {
		return fmt.Errorf("write to stdout: %w", err)
	}
	return nil
}
