package main

import (
	"cmp"
	"context"
	"encoding/csv"
	"fmt"
	"io"
	"maps"
	"slices"
	"strconv"
	"strings"
	"text/tabwriter"
	"time"

	"github.com/spf13/cobra"

	"github.com/longhaul-jobs/longhaul/internal/config"
	"github.com/longhaul-jobs/longhaul/jobs"
	"github.com/longhaul-jobs/longhaul/results"
)

// usageFlags say what of the ledger is shown.
type usageFlags struct {
	by, since, until, model string
	csv, lines              bool

	names
}

// usageKeys are what sums can be grouped by.
func usageKeys() []string { return []string{"day", "model", "lane", "tenant", "group", "kind"} }

func keyOf(by string, a results.Account) string {
	switch by {
	case "day":
		return a.Day
	case "model":
		return a.Model
	case "lane":
		return a.Lane
	case "tenant":
		return a.Tenant
	case "group":
		return a.Group
	}
	return string(a.Kind)
}

func (c *cli) usageCommand() *cobra.Command {
	f := &usageFlags{}
	cmd := &cobra.Command{
		Use:   "usage",
		Short: "Show what responses have cost, by day, model, lane, tenant, group or kind",
		Long: `usage shows what responses have cost that ended in a period, of whole days in
UTC: the last thirty unless said otherwise. Failed, cancelled and wasted ones
count as well. What has no known price, and what the provider did not count, is
unknown and told as that. The ledger outlives the jobs.`,
		Example: `  enqueue usage
  enqueue usage --by tenant --since 2026-11-01
  enqueue usage --by model --lane nightly --since 7d --csv
  enqueue usage --lines --since 1d --json > ledger.jsonl`,
		Args: noArguments,
	}
	fs := cmd.Flags()
	fs.StringVar(&f.by, "by", "day", "what is summed up together: "+strings.Join(usageKeys(), ", "))
	fs.StringVar(&f.since, "since", "30d", "first day: so long ago, or a day such as 2026-11-01")
	fs.StringVar(&f.until, "until", "0s", "last day")
	f.registerNames(fs, "responses")
	fs.StringVar(&f.model, "model", "", "only responses of this model, as it was asked for")
	fs.BoolVar(&f.csv, "csv", false, "print comma-separated values")
	fs.BoolVar(&f.lines, "lines", false, "print each line of the ledger instead of sums (with --json)")
	fs.SortFlags = false
	cmd.RunE = c.elsewhere(func(ctx context.Context, cfg config.Config, _ []string) error {
		period, err := f.period(time.Now())
		if err != nil {
			return err
		}
		switch {
		case !slices.Contains(usageKeys(), f.by):
			return jobs.Invalid("by", "%.40q is none of %s", f.by, strings.Join(usageKeys(), ", "))
		case f.csv && c.json:
			return usage("--csv and --json exclude each other")
		case f.lines && !c.json:
			return usage("--lines are objects for machines; add --json")
		}
		return c.toRead(ctx, cfg, func(s *session) error {
			if f.lines {
				return s.UsageLines(ctx, period, func(l results.Line) error {
					return c.print(struct {
						results.Line
						knownCosts
					}{l, knownOf(l.Sums)})
				})
			}
			found, err := s.Usage(ctx, period)
			if err != nil {
				return err
			}
			return c.printUsage(f, found)
		})
	})
	return cmd
}

func (f *usageFlags) period(now time.Time) (results.Period, error) {
	p := results.Period{Lane: f.lane, Tenant: f.tenant, Group: f.group, Model: f.model}
	var err error
	if p.Since, err = past("since", f.since, now); err != nil {
		return p, err
	}
	p.Until, err = past("until", f.until, now)
	return p, err
}

// usageRow is what is summed up together.
type usageRow struct {
	Key string `json:"key"`
	results.Sums
}

// knownCosts are shown instead of those of the sums: a cost of which nothing is known is
// null, and not 0.
type knownCosts struct {
	Cost   *jobs.Money `json:"cost_usd"`
	Wasted *jobs.Money `json:"wasted_usd"`
}

func knownOf(s results.Sums) knownCosts {
	var k knownCosts
	if s.Responses != s.Unknown {
		k.Cost = &s.Cost
	}
	if s.Wasted == 0 || s.Wasted != s.WastedUnknown {
		k.Wasted = &s.WastedCost
	}
	return k
}

func (c *cli) printUsage(f *usageFlags, found []results.Summed) error {
	sums := make(map[string]*usageRow)
	total := usageRow{Key: "all"}
	for _, s := range found {
		key := keyOf(f.by, s.Account)
		if sums[key] == nil {
			sums[key] = &usageRow{Key: key}
		}
		sums[key].Add(s.Sums)
		total.Add(s.Sums)
	}
	var rows []usageRow
	for _, key := range slices.Sorted(maps.Keys(sums)) {
		rows = append(rows, *sums[key])
	}
	switch {
	case c.json:
		for _, r := range rows {
			view := struct {
				usageRow
				knownCosts
			}{r, knownOf(r.Sums)}
			if err := c.print(view); err != nil {
				return err
			}
		}
		return nil
	case f.csv:
		return writeUsageCSV(c.stdout, f.by, rows)
	}
	return writeUsage(c.stdout, f.by, append(rows, total))
}

func writeUsage(w io.Writer, by string, rows []usageRow) error {
	columns := tabwriter.NewWriter(w, 0, 0, 2, ' ', tabwriter.AlignRight)
	_, _ = fmt.Fprintf(columns, "%s\tRESPONSES\tINPUT\tCACHED\tWRITTEN\tOUTPUT\tREASONING\tCOST\tUNKNOWN\tWASTED\tSAVED\t\n", strings.ToUpper(by)) // Flush reports what fails
	for _, r := range rows {
		_, _ = fmt.Fprintf(columns, "%s\t%s\t%s\t%s\t%s\t%s\t%s\t%s\t%s\t%s\t%s\t\n", cmp.Or(printable(r.Key), "-"), formatCount(r.Responses),
			formatCount(r.InputTokens), formatCount(r.CachedTokens), formatCount(r.CacheWriteTokens), formatCount(r.OutputTokens),
			formatCount(r.ReasoningTokens), cost(r.Cost, r.Responses, r.Unknown), formatCount(r.Unknown), cost(r.WastedCost, r.Wasted, r.WastedUnknown), dollars(r.Saved))
	}
	if err := columns.Flush(); err != nil {
		return fmt.Errorf("write to stdout: %w", err)
	}
	return nil
}

// cost is what some responses have cost, and "?" if that is known of none of them: it
// is not nothing.
func cost(m jobs.Money, n, unknown int64) string {
	switch {
	case n > 0 && n == unknown:
		return "?"
	case unknown > 0:
		return dollars(m) + "+?"
	}
	return dollars(m)
}

// leastShown is the least amount that is shown in dollars with four digits.
const leastShown = jobs.Dollar / 10_000

// dollars is an amount in a few characters. One that is too small for them is not
// nothing.
func dollars(m jobs.Money) string {
	if m > 0 && m < leastShown {
		return "<$0.0001"
	}
	return "$" + strconv.FormatFloat(m.Dollars(), 'f', 4, 64)
}

// bare is an amount of dollars with all its digits and no sign before it.
func bare(m jobs.Money) string { return strings.Replace(m.String(), "$", "", 1) }

func writeUsageCSV(w io.Writer, by string, rows []usageRow) error {
	out := csv.NewWriter(w)
	_ = out.Write([]string{
		by, "responses", "input_tokens", "cached_tokens", "cache_write_tokens", "output_tokens", "reasoning_tokens",
		"web_searches", "file_searches", "code_interpreter_calls", "cost_usd", "unknown", "wasted", "wasted_usd", "wasted_unknown", "saved_usd",
	}) // Error tells of all writes at once
	n := func(i int64) string { return strconv.FormatInt(i, 10) }
	known := func(m *jobs.Money) string {
		if m == nil {
			return ""
		}
		return bare(*m)
	}
	for _, r := range rows {
		k := knownOf(r.Sums)
		_ = out.Write([]string{
			r.Key, n(r.Responses), n(r.InputTokens), n(r.CachedTokens), n(r.CacheWriteTokens), n(r.OutputTokens), n(r.ReasoningTokens),
			n(r.WebSearches), n(r.FileSearches), n(r.CodeCalls), known(k.Cost), n(r.Unknown), n(r.Wasted), known(k.Wasted), n(r.WastedUnknown), bare(r.Saved),
		})
	}
	out.Flush()
	if err := out.Error(); err != nil {
		return fmt.Errorf("write to stdout: %w", err)
	}
	return nil
}
