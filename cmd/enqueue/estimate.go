package main

import (
	"context"
	"fmt"
	"io"
	"runtime"
	"strings"
	"sync"
	"text/tabwriter"
	"time"

	"github.com/spf13/pflag"

	"github.com/longhaul-jobs/longhaul/internal/app"
	"github.com/longhaul-jobs/longhaul/internal/config"
	"github.com/longhaul-jobs/longhaul/jobs"
)

// estimateFlag adds --estimate.
func estimateFlag(fs *pflag.FlagSet, estimate *bool) {
	fs.BoolVar(estimate, "estimate", false, "say what it is likely to cost, and submit nothing")
}

// forecast is what requests are likely to cost that were not submitted. It may be used
// by several goroutines.
type forecast struct {
	estimator *app.Estimator
	options   jobs.Options
	now       time.Time

	// mu guards what follows.
	mu             sync.Mutex
	jobs, bounded  int
	input, output  int64
	expected, hold jobs.Money
	unknown, open  reasons
}

func newForecast(cfg config.Config, options jobs.Options) (*forecast, error) {
	estimator, err := app.NewEstimator(cfg)
	if err != nil {
		return nil, err
	}
	return &forecast{estimator: estimator, options: options, now: time.Now(), unknown: reasons{}, open: reasons{}}, nil
}

// add counts a request.
func (f *forecast) add(request jobs.Request) {
	e, err := f.estimator.Estimate(request, f.options, f.now)
	f.mu.Lock()
	defer f.mu.Unlock()
	f.jobs++
	if err != nil {
		f.unknown[err.Error()]++
		return
	}
	f.input += e.InputTokens
	f.output += e.OutputTokens
	f.expected += e.Expected
	if highest, bounded := e.Highest(); bounded {
		f.bounded++
		f.hold += highest
	} else {
		f.open[e.Open]++
	}
}

// addAll counts many requests, several at once; read returns them by their number.
func (f *forecast) addAll(ctx context.Context, n int, read func(i int) (jobs.Request, error)) error {
	return inParallel(ctx, runtime.GOMAXPROCS(0), n, func(_ context.Context, i int) error {
		request, err := read(i)
		if err != nil {
			return err
		}
		f.add(request)
		return nil
	})
}

// forecastReport is what --json prints of an estimate.
type forecastReport struct {
	Jobs int `json:"jobs"`
	// Tokens and amounts are of those jobs whose cost can be estimated. Unknown is how
	// many others there are.
	InputTokens  int64 `json:"input_tokens"`
	OutputTokens int64 `json:"output_tokens"` // guessed
	// Expected is null where no job has a price, and Highest where any job may cost more
	// than can be foreseen.
	Expected *jobs.Money `json:"expected_usd"`
	Highest  *jobs.Money `json:"highest_usd"`
	Unknown  int         `json:"unknown"`
	Why      []reason    `json:"unknown_why"`
	Open     []reason    `json:"highest_unknown_why"`
}

func (f *forecast) report() forecastReport {
	r := forecastReport{
		Jobs: f.jobs, InputTokens: f.input, OutputTokens: f.output, Why: f.unknown.list(), Open: f.open.list(),
	}
	for _, why := range r.Why {
		r.Unknown += why.Jobs
	}
	if r.Unknown < f.jobs || f.jobs == 0 {
		r.Expected = &f.expected
	}
	if f.bounded == f.jobs {
		r.Highest = &f.hold
	}
	return r
}

// printForecast says what was estimated.
func (c *cli) printForecast(f *forecast) error {
	r := f.report()
	if c.json {
		return c.print(r)
	}
	return writeForecast(c.stdout, r)
}

func writeForecast(w io.Writer, r forecastReport) error {
	var b strings.Builder
	columns := tabwriter.NewWriter(&b, 0, 0, 2, ' ', 0)
	row := func(name, text string) { _, _ = fmt.Fprintf(columns, "%s\t%s\n", name, text) } // a Builder takes everything
	row("jobs", formatCount(int64(r.Jobs)))
	if r.Expected != nil {
		row("input", formatCount(r.InputTokens)+" tokens")
		row("output", formatCount(r.OutputTokens)+" tokens, guessed")
	}
	expected := amount(r.Expected)
	if r.Expected != nil && r.Unknown > 0 {
		expected += "+?" // as in other tables
	}
	row("expected", expected)
	row("highest", amount(r.Highest))
	_ = columns.Flush()
	for _, why := range r.Why {
		fmt.Fprintf(&b, "cost unknown of %s: %s\n", plural(why.Jobs, "job", "jobs"), printable(why.Why))
	}
	for _, why := range r.Open {
		fmt.Fprintf(&b, "highest cost of %s not known: %s\n", plural(why.Jobs, "job", "jobs"), printable(why.Why))
	}
	b.WriteString("nothing was submitted\n")
	if _, err := io.WriteString(w, b.String()); err != nil {
		return fmt.Errorf("write to stdout: %w", err)
	}
	return nil
}

// amount is an amount of dollars, or that it is not known.
func amount(m *jobs.Money) string {
	if m == nil {
		return "unknown"
	}
	return dollars(*m)
}
