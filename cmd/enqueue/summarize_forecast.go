package main

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"
	"sync"
	"text/tabwriter"
	"time"

	"github.com/longhaul-jobs/longhaul/internal/app"
	"github.com/longhaul-jobs/longhaul/jobs"
	"github.com/longhaul-jobs/longhaul/jobs/summarize"
	"github.com/longhaul-jobs/longhaul/jobs/summarize/report"
	"github.com/longhaul-jobs/longhaul/results"
)

// moneyRange is what a cost will be: hardly less than Low, hardly more than High.
type moneyRange struct {
	Low      jobs.Money `json:"low"`
	Expected jobs.Money `json:"expected"`
	High     jobs.Money `json:"high"`
}

// dryRun is what summaries are likely to cost and to take.
type dryRun struct {
	// Documents need a summary, Unchanged ones have it, LeftAlone ones are not looked at
	// since the flags leave them out, Failed ones cannot be read.
	Documents int `json:"documents"`
	Unchanged int `json:"unchanged"`
	LeftAlone int `json:"left_alone"`
	Failed    int `json:"failed"`
	// Copies are those among the documents whose content another has; they cost nothing.
	Copies int `json:"copies"`
	// NotAskedAgain are those among the documents that have failed and stay so until a person
	// asks for them again; they cost nothing until then.
	NotAskedAgain int `json:"not_asked_again"`
	// WaitElsewhere are those among the documents that wait for the budget of another run,
	// which pays for them; they cost this one nothing.
	WaitElsewhere int `json:"wait_elsewhere"`
	// Known are those among them whose summary Redis has, and KnownRequests how many
	// requests there are for the others: neither is paid again, and all that follows
	// is what is left. Uncounted says why Redis was not asked, "" if it was.
	Known         int             `json:"known"`
	KnownRequests int             `json:"known_requests"`
	Uncounted     string          `json:"counted_as_new_why,omitempty"`
	Requests      summarize.Range `json:"requests"`
	// ReadTokens are those of the input that read the documents: a count, and no
	// estimate. The rest reads what was answered.
	ReadTokens   int             `json:"read_tokens"`
	InputTokens  summarize.Range `json:"input_tokens"`
	OutputTokens summarize.Range `json:"output_tokens"`
	// Files are documents that go to the model as files, whose tokens are guessed.
	Files int `json:"files"`
	// Cost is null where it is not known, and Unknown then says why.
	Cost    *moneyRange `json:"cost_usd"`
	Unknown string      `json:"cost_unknown_why,omitempty"`
	// Lane is where the requests go, and Limits what it may send, as far as that is known;
	// LimitsFrom says where from.
	Lane       string        `json:"lane"`
	Limits     results.Rates `json:"limits"`
	LimitsFrom string        `json:"limits_from"`
	// InBatches says that the requests go through the Batch API: each is answered within a
	// day, and what merges waits for what is merged.
	InBatches bool `json:"in_batches,omitempty"`
	// Seconds are how long the limits have it take at least, null if there are none.
	Seconds *float64 `json:"at_least_seconds"`
}

// forecast says what the documents that need a summary are likely to cost and to take. A
// document that cannot be summarized is named, and costs nothing. Nothing is sent and
// nothing written.
func (r *summarizeRun) forecast(ctx context.Context, args []string) (err error) {
	if err := r.prepareToRead(); err != nil {
		return err
	}
	defer func() { err = errors.Join(err, r.inputs.close()) }()
	found, err := r.inputs.gather(ctx, args)
	if err != nil {
		return err
	}
	if err := nothingSelected(found); err != nil {
		return err
	}
	if err := r.checkPatterns(found); err != nil {
		return err
	}
	if r.folder, err = summarize.ReadFolder(r.out); err != nil {
		return err
	}
	defer func() { err = errors.Join(err, r.folder.Close()) }()
	estimator, err := app.NewEstimator(r.config)
	if err != nil {
		return err
	}
	r.passedOver(found.skipped)
	for _, failed := range found.failed {
		r.console.say("%s", refusal(0, failed.Path, failed.Err).line())
	}
	f := &forecaster{run: r, estimator: estimator, now: time.Now(), seen: make(map[string]bool), waiting: make(map[string]*parked)}
	f.Failed = len(found.failed)
	f.stock, f.Uncounted = r.openStock(ctx)
	defer func() { err = errors.Join(err, f.stock.close()) }()
	err = r.eachRead(ctx, found.documents, func(ctx context.Context, i int) error {
		return f.document(ctx, i, found.documents[i])
	})
	if err != nil {
		return err
	}
	if r.across {
		if err := f.over(ctx, found.documents); err != nil {
			return err
		}
	}
	f.sayWaiting()
	f.time(ctx)
	if r.json {
		return r.print(f.dryRun)
	}
	return f.write()
}

// forecaster sums up what documents are likely to cost.
type forecaster struct {
	run       *summarizeRun
	estimator *app.Estimator
	now       time.Time
	stock     *stock // nil where Redis is not asked

	// mu guards what follows while documents are read.
	mu   sync.Mutex
	seen map[string]bool // fingerprints
	// waiting is what waits in the budgets of other runs, by these.
	waiting map[string]*parked
	cost    moneyRange
	dryRun
}

// document adds a document.
func (f *forecaster) document(ctx context.Context, order int, in input) error {
	r := f.run
	if !r.wanted(in.Path) {
		f.count(&f.LeftAlone)
		return nil
	}
	d, err := r.prepare(ctx, order, in)
	if ctx.Err() != nil {
		return context.Cause(ctx)
	}
	if err != nil {
		r.console.say("%s", refusal(order, in.Path, err).line())
		f.count(&f.Failed)
		return nil
	}
	if r.done(d) {
		f.count(&f.Unchanged)
		return nil
	}
	if d.scanned && r.scanned == scannedFail {
		r.console.say("%s", refusal(order, d.Path, errors.New(notSent)).line())
		f.count(&f.Failed)
		return nil
	}
	if f.copied(d) {
		return nil
	}
	left, err := f.stock.left(ctx, r, d)
	if err != nil {
		return err
	}
	if left.stays != nil {
		r.console.say("%s", left.stays.line())
		f.count(&f.NotAskedAgain)
		return nil
	}
	f.mu.Lock()
	defer f.mu.Unlock()
	switch {
	case len(left.waits) > 0:
		f.WaitElsewhere++
		f.wait(d.Path, left.waits)
		return nil
	case left.Requests().High == 0:
		f.Known++
		return nil
	}
	f.KnownRequests += left.known
	if left.Estimated {
		f.Files++
	}
	f.add(left.Forecast)
	return nil
}

// wait puts down that requests for a document wait in budgets of other runs.
func (f *forecaster) wait(document string, requests []jobs.Job) {
	for _, j := range requests {
		park(f.waiting, document, j)
	}
}

// sayWaiting says what waits in the budgets of other runs, as a run would at its end.
func (f *forecaster) sayWaiting() {
	for _, name := range slices.Sorted(maps.Keys(f.waiting)) {
		in := f.waiting[name]
		slices.Sort(in.documents)
		f.run.console.say("%s", in.text(f.stock.budgets[name], f.run.call))
	}
}

// copied counts a document, and reports whether another one has its content.
func (f *forecaster) copied(d *document) bool {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.Documents++
	if f.seen[d.fingerprint] {
		f.Copies++
		return true
	}
	f.seen[d.fingerprint] = true
	return false
}

func (f *forecaster) count(n *int) {
	f.mu.Lock()
	defer f.mu.Unlock()
	*n++
}

// add takes up what a summary will take.
func (f *forecaster) add(of summarize.Forecast) {
	requests, input := of.Requests(), of.InputTokens()
	f.ReadTokens += of.PartTokens
	f.Requests = f.Requests.Add(requests)
	f.InputTokens = f.InputTokens.Add(input)
	f.OutputTokens = f.OutputTokens.Add(of.OutputTokens)
	tier := f.run.options.ServiceTier
	f.price(&f.cost.Low, tier, requests.Low, input.Low, of.OutputTokens.Low)
	f.price(&f.cost.Expected, tier, requests.Expected, input.Expected, of.OutputTokens.Expected)
	f.price(&f.cost.High, cmp.Or(f.run.job.FallbackTier, tier), requests.High, input.High, of.OutputTokens.High)
}

// price adds what requests cost that use so much in all. Each is priced by its share: a
// price may depend on how long a request is.
func (f *forecaster) price(sum *jobs.Money, tier string, requests, input, output int) {
	if requests == 0 {
		return
	}
	use := jobs.Usage{InputTokens: int64(input / requests), OutputTokens: int64(output / requests)}
	each, err := f.estimator.Price(f.run.options.Model, tier, f.run.job.Lane, use, f.now)
	if err != nil {
		f.Unknown = err.Error()
		return
	}
	*sum += each * jobs.Money(requests)
}

// over adds the summary over all documents. Where none is left to summarize it is known
// what it reads, and whether it is there; else what the summaries will be like is guessed.
func (f *forecaster) over(ctx context.Context, found []input) error {
	r := f.run
	if f.Documents == 0 {
		return f.overKnown(ctx, found)
	}
	guess := func(words, points int) (summarize.Forecast, error) {
		s := summarize.Summary{Text: strings.Repeat("words ", words)}
		for range points {
			s.KeyPoints = append(s.KeyPoints, summarize.Statement{Text: strings.Repeat("words ", 20)})
		}
		named := make([]summarize.Named, len(found))
		for i, d := range found {
			named[i] = summarize.Named{Document: d.Path, Summary: s}
		}
		prepared, err := r.preparer.Across(named)
		return prepared.Forecast, err
	}
	low, err := guess(60, 2)
	if err != nil {
		return usageError{err}
	}
	middle, err := guess(200, 7)
	if err != nil {
		return usageError{err}
	}
	high, err := guess(600, 15)
	if err != nil {
		return usageError{err}
	}
	span := func(a, b, c summarize.Range) summarize.Range {
		return summarize.Range{Low: a.Low, Expected: b.Expected, High: c.High}
	}
	f.add(summarize.Forecast{
		Merges:       span(low.Merges, middle.Merges, high.Merges),
		MergeTokens:  span(low.MergeTokens, middle.MergeTokens, high.MergeTokens),
		OutputTokens: span(low.OutputTokens, middle.OutputTokens, high.OutputTokens),
	})
	return nil
}

// overKnown adds the summary over summaries that are there.
func (f *forecaster) overKnown(ctx context.Context, found []input) error {
	r := f.run
	named, _, err := r.summaries(found)
	if err != nil || len(named) == 0 {
		return err
	}
	prepared, err := r.preparer.Across(named)
	if err != nil {
		return usageError{err}
	}
	d := &document{
		input: input{Source: summarize.Source{Path: report.AcrossDocument}}, prepared: prepared, request: prepared.Request,
		fingerprint: r.fingerprint(prepared.Request),
	}
	before, err := r.acrossOnRecord()
	if err != nil || before != nil && before.Entry.Status == summarize.StatusSucceeded && before.Entry.Fingerprint == d.fingerprint {
		return err
	}
	left, err := f.stock.left(ctx, r, d)
	switch {
	case err != nil:
		return err
	case left.stays != nil:
		r.console.say("%s", left.stays.line())
	case len(left.waits) > 0:
		f.wait(d.Path, left.waits)
	case left.Requests().High > 0:
		f.KnownRequests += left.known
		f.add(left.Forecast)
	}
	return nil
}

// time works out how long the limits of the lane have it take.
func (f *forecaster) time(ctx context.Context) {
	r := f.run
	if f.Unknown == "" {
		f.Cost = &f.cost
	}
	f.Lane, f.Limits = f.estimator.Limits(r.options.Model, r.job.Lane)
	if f.InBatches = r.batch; r.batch {
		return // which have limits of their own
	}
	f.LimitsFrom = "the configuration"
	if limits, ok := f.stock.limits(ctx, f.Lane); ok {
		f.Limits, f.LimitsFrom = limits, "Redis"
	}
	var minutes float64
	if n := f.Limits.Requests; n > 0 {
		minutes = max(minutes, float64(f.Requests.Expected)/float64(n))
	}
	if n := f.Limits.Tokens; n > 0 {
		minutes = max(minutes, float64(f.InputTokens.Expected+f.OutputTokens.Expected)/float64(n))
	}
	if minutes > 0 {
		f.Seconds = new(minutes * 60)
	}
}

// write shows it to people.
func (f *forecaster) write() error {
	var b strings.Builder
	columns := tabwriter.NewWriter(&b, 0, 0, 2, ' ', 0)
	row := func(cells ...string) { _, _ = fmt.Fprintln(columns, strings.Join(cells, "\t")) } // a Builder takes everything
	number := func(n int) string { return formatCount(int64(n)) }
	three := func(name string, r summarize.Range) {
		row(name, number(r.Low), number(r.Expected), number(r.High))
	}
	row("documents", number(f.Documents))
	for _, some := range []struct {
		name string
		n    int
	}{
		{"copies of others", f.Copies},
		{"in Redis", f.Known},
		{"not asked again", f.NotAskedAgain},
		{"wait for another run", f.WaitElsewhere},
		{"unchanged", f.Unchanged},
		{"left alone", f.LeftAlone},
		{"cannot be read", f.Failed},
		{"go as files", f.Files},
	} {
		if some.n > 0 {
			row(some.name, number(some.n))
		}
	}
	if f.KnownRequests > 0 {
		row("requests in Redis", number(f.KnownRequests))
	}
	row("left to pay", "low", "expected", "high")
	three("requests", f.Requests)
	three("input tokens", f.InputTokens)
	row("  of the documents", number(f.ReadTokens), number(f.ReadTokens), number(f.ReadTokens))
	three("output tokens", f.OutputTokens)
	if f.Cost != nil {
		row("cost", dollars(f.Cost.Low), dollars(f.Cost.Expected), dollars(f.Cost.High))
	} else {
		row("cost", "unknown", "unknown", "unknown")
	}
	_ = columns.Flush()
	if f.Unknown != "" {
		fmt.Fprintf(&b, "cost unknown: %s\n", printable(f.Unknown))
	}
	switch {
	case f.InBatches:
		b.WriteString("up to 24 hours in batches, and as long again for each level of merging\n")
	case f.Seconds != nil:
		fmt.Fprintf(&b, "at least %s by the limits of lane %s (%s)\n", formatElapsed(max(time.Second, time.Duration(*f.Seconds*float64(time.Second)))), f.Lane, f.LimitsFrom)
	case f.Requests.High > 0:
		fmt.Fprintf(&b, "how long: not known, since lane %s has no limits of ours (%s)\n", f.Lane, f.LimitsFrom)
	}
	switch {
	case f.Uncounted != "":
		fmt.Fprintf(&b, "all of it is counted as new, whatever was paid for before: %s\n", printable(f.Uncounted))
	case f.Known+f.KnownRequests > 0:
		b.WriteString("what Redis has is not paid again, and is not in these numbers\n")
	}
	if f.Copies > 0 {
		b.WriteString("copies are among the documents, and cost nothing\n")
	}
	if f.NotAskedAgain > 0 {
		b.WriteString("those that are not asked again have failed, are named above with what asks, and cost nothing until then\n")
	}
	if f.WaitElsewhere > 0 {
		b.WriteString("those that wait for another run, and what has them go on, are named above; it pays for them\n")
	}
	if f.Failed > 0 {
		b.WriteString("those that cannot be read are not among the documents\n")
	}
	b.WriteString("nothing was sent\n")
	return printLine(f.run.stdout, "%s", strings.TrimSuffix(b.String(), "\n"))
}
