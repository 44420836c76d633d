package main

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"slices"
	"text/tabwriter"
	"time"

	"github.com/spf13/cobra"

	"github.com/longhaul-jobs/longhaul/internal/config"
	"github.com/longhaul-jobs/longhaul/jobs"
	"github.com/longhaul-jobs/longhaul/results"
)

// runRow is a run as the list of runs shows it.
type runRow struct {
	Name string `json:"name"`
	// Documents are all that the run was begun with, copies and those that cannot be read
	// among them.
	Documents int `json:"documents"`
	Succeeded int `json:"succeeded"`
	Failed    int `json:"failed"` // and incomplete, cancelled or expired
	Open      int `json:"open"`
	// Shared are those among the documents that another run summarizes and pays for.
	Shared int `json:"shared"`
	// Across is the state of the summary over all documents, "" without one. It is not
	// counted with them.
	Across jobs.State `json:"across,omitempty"`
	// Out is the folder with the summaries, where the last command ran, and Folders are
	// those of all commands, the last one's first; none where that is not known.
	Out     string   `json:"out,omitempty"`
	Folders []string `json:"folders,omitempty"`
	// Sums are what the run itself has paid, from the ledger of the time that is listed. Cost is null where it is not
	// known of any response, and CostUnknown is of how many it is not.
	Cost         *jobs.Money `json:"cost_usd"`
	CostUnknown  int64       `json:"cost_unknown"`
	InputTokens  int64       `json:"input_tokens"`
	OutputTokens int64       `json:"output_tokens"`
	Started      time.Time   `json:"started"`
	// Active is when something happened last to one of its documents.
	Active time.Time `json:"last_activity"`
}

func (c *cli) runsCommand() *cobra.Command {
	var since string
	cmd := &cobra.Command{
		Use:   "runs",
		Short: "List the runs of enqueue summarize",
		Long: `runs lists the runs of enqueue summarize that were begun, or handed a document
over, in some time, the last active first: how many documents have their summary,
failed or are open, what the run itself has cost in that time, and which folders
its commands have written to. Of a document
that was summarized several times the last time counts. A document that another
run has summarized is shared: it cost this one nothing.`,
		Example: `  enqueue runs
  enqueue runs --since 1d --json`,
		Args: noArguments,
	}
	cmd.Flags().StringVar(&since, "since", "30d", "only documents handed over since then: 2h, 3d, or a time (RFC 3339)")
	cmd.RunE = c.elsewhere(func(ctx context.Context, cfg config.Config, _ []string) error {
		from, err := past("since", since, time.Now())
		if err != nil {
			return err
		}
		return c.toRead(ctx, cfg, func(s *session) error {
			rows, err := listRuns(ctx, s, from)
			if err != nil {
				return err
			}
			return c.printRuns(rows)
		})
	})
	return cmd
}

// listRuns reads the runs since a time, the last active first.
func listRuns(ctx context.Context, s *session, since time.Time) ([]*runRow, error) {
	groups, known := make(map[string][]jobs.Job), make(map[jobs.ID]jobs.Job)
	for j, err := range s.All(ctx, results.Filter{Kind: jobs.KindSummarize, CreatedSince: since, Limit: 1000}) {
		if err != nil {
			return nil, err
		}
		groups[j.PartGroup()] = append(groups[j.PartGroup()], j)
		known[j.ID] = j
	}
	put, err := s.Runs(ctx, since)
	if err != nil {
		return nil, err
	}
	for name := range groups {
		if !slices.ContainsFunc(put, func(r results.Run) bool { return r.Name == name }) {
			put = append(put, results.Run{Name: name})
		}
	}
	sums, err := s.Usage(ctx, results.Period{Since: since, Until: s.Now()})
	if err != nil {
		return nil, err
	}
	spent := make(map[string]results.Sums)
	for _, sum := range sums {
		total := spent[sum.Group]
		total.Add(sum.Sums)
		spent[sum.Group] = total
	}
	var rows []*runRow
	for _, r := range put {
		documents, err := runDocuments(ctx, s, r, groups[r.Name], known)
		if err != nil {
			return nil, err
		}
		if len(documents) == 0 {
			continue // nothing of it is kept any more
		}
		row := &runRow{Name: r.Name, Out: r.Out, Folders: r.Folders, Started: began(r, documents), Active: active(r, documents)}
		a := newAccount(time.Now())
		for i, d := range documents {
			d.count(a, i, nil)
		}
		row.tally(a.totals(time.Now(), false))
		row.charge(spent[r.Name])
		rows = append(rows, row)
	}
	slices.SortFunc(rows, func(a, b *runRow) int { return cmp.Or(b.Active.Compare(a.Active), cmp.Compare(a.Name, b.Name)) })
	return rows, nil
}

// tally takes over how the documents are counted.
func (r *runRow) tally(t totals) {
	r.Documents, r.Shared, r.Across = t.Total, t.Shared, t.Across
	r.Succeeded, r.Failed, r.Open = t.Succeeded, t.Incomplete+t.Failed+t.Cancelled+t.Expired, t.open()
}

func (r *runRow) charge(s results.Sums) {
	r.CostUnknown, r.InputTokens, r.OutputTokens = s.Unknown, s.InputTokens, s.OutputTokens
	if s.Unknown < s.Responses || s.Responses == 0 {
		r.Cost = &s.Cost
	}
}

func (c *cli) printRuns(rows []*runRow) error {
	if c.json {
		for _, row := range rows {
			if err := c.print(row); err != nil {
				return err
			}
		}
		return nil
	}
	if len(rows) == 0 {
		return printLine(c.stdout, "no runs; `enqueue summarize FOLDER` begins one")
	}
	return writeRuns(c.stdout, rows)
}

func writeRuns(w io.Writer, rows []*runRow) error {
	columns := tabwriter.NewWriter(w, 0, 0, 2, ' ', 0)
	_, _ = io.WriteString(columns, "RUN\tDOCUMENTS\tSUMMARIZED\tFAILED\tOPEN\tSHARED\tCOST\tSTARTED\tLAST ACTIVITY\tSUMMARIES IN\n") // Flush reports what fails
	for _, r := range rows {
		spent := "unknown"
		if r.Cost != nil {
			spent = dollars(*r.Cost)
			if r.CostUnknown > 0 {
				spent += "+?"
			}
		}
		documents := formatCount(int64(r.Documents))
		if r.Across != "" && r.Across != jobs.StateSucceeded {
			documents += ", across " + string(r.Across)
		}
		_, _ = fmt.Fprintf(columns, "%s\t%s\t%s\t%s\t%s\t%s\t%s\t%s\t%s\t%s\n", r.Name, documents, formatCount(int64(r.Succeeded)),
			formatCount(int64(r.Failed)), formatCount(int64(r.Open)), formatCount(int64(r.Shared)), spent, formatTime(r.Started), formatTime(r.Active), someOf(r.Folders))
	}
	if err := columns.Flush(); err != nil {
		return fmt.Errorf("write to stdout: %w", err)
	}
	return nil
}

func (c *cli) runCommand() *cobra.Command {
	var once bool
	cmd := &cobra.Command{
		Use:   "run NAME",
		Short: "Watch a run of enqueue summarize, from anywhere",
		Long: `run shows how far a run of enqueue summarize has come until its last document has
ended or its budget is used up: the documents in work, failures as they come, tokens and money, and at the
end what enqueue summarize says. It changes nothing, and may be stopped and called
again. The summaries are written by enqueue summarize: the same command that began
the run writes those that are not there.`,
		Example: `  enqueue run contracts
  enqueue run contracts --once --json`,
		Args: func(_ *cobra.Command, args []string) error {
			switch {
			case len(args) != 1:
				return errors.New("name one run; `enqueue runs` lists them")
			case !jobs.ValidName(args[0]):
				return fmt.Errorf("%q is not a name of a run; %s", args[0], jobs.NameRule)
			}
			return nil
		},
	}
	cmd.Flags().BoolVar(&once, "once", false, "say how far it is and leave")
	cmd.RunE = c.elsewhere(func(ctx context.Context, cfg config.Config, args []string) error {
		use := c.withSession
		if once {
			use = c.toRead
		}
		return use(ctx, cfg, func(s *session) error {
			w := &runWatch{cli: c, name: args[0], session: s, account: newAccount(time.Now()), names: make(map[jobs.ID]string)}
			return w.watchRun(ctx, once)
		})
	})
	return cmd
}
