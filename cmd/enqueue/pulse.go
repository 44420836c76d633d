package main

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/longhaul-jobs/longhaul/client"
	"github.com/longhaul-jobs/longhaul/jobs"
	"github.com/longhaul-jobs/longhaul/results"
)

// Bounds of what is shown of a run while it goes on.
const (
	// pulseEvery is how often it is asked what a run is at.
	pulseEvery = 2 * time.Second
	// pulseJobs is how many requests under way are read each time, and shownWork how
	// many documents that are in work are named.
	pulseJobs, shownWork = 64, 4
)

// monitor is what a pulse needs of a client; its methods are those of [client.Client].
type monitor interface {
	List(ctx context.Context, filter results.Filter) (results.Page, error)
	Usage(ctx context.Context, p results.Period) ([]results.Summed, error)
	Budgets(ctx context.Context, also map[string]results.Budget) ([]client.Budget, error)
	Now() time.Time
}

// work is what a run of documents is at.
type work struct {
	// spent is what the run has cost by the ledger, also before this command began,
	// and budget what it may, nil without a bound.
	spent  results.Sums
	budget *jobs.Money
	// lines name some of the documents that are in work, and requests is how many
	// requests are under way, as far as they were read.
	lines    []string
	requests int
	more     bool // than were read
}

// certain is how many times in a row nothing goes on for want of money before that is said.
const certain = 3

// pulse asks now and then what a run is at. That it cannot be known is no failure:
// what was known last is shown.
type pulse struct {
	from  monitor
	group string
	// budget is the name of the run's budget, whether there is one or not.
	budget string
	// name is what people call the document that a job is a part of.
	name func(part jobs.Job) string

	// onIdle, if not nil, is called when no request is under way.
	onIdle func(ctx context.Context)
	// onLost, if not nil, is told each time of the requests whose creates' answers were
	// lost and that wait for the provider's word, "" if none does; advise says what a
	// person can do about one.
	onLost func(note string)
	advise func(j jobs.Job) string

	// parked, if not nil, returns what all that is open waits for; see [follower.parked].
	parked func(ctx context.Context) map[string]*parked
	// raise says what has the run go on when its own budget is used up, and call is how
	// people call a command.
	raise string
	call  caller

	// idle is how often in a row nothing could go on for want of money, and away how
	// often for want of that of other runs.
	idle, away int

	// mu guards what follows.
	mu   sync.Mutex
	last work
}

// sinceDays is how far back the ledger is read for what a run has cost.
const sinceDays = 30

// run asks until ctx ends, or until nothing can go on because the budget is spent, and
// then says so.
func (p *pulse) run(ctx context.Context) (stuck string) {
	for {
		if why := p.look(ctx); why != "" {
			return why
		}
		if sleep(ctx, pulseEvery) != nil {
			return ""
		}
	}
}

// stands asks why nothing goes on, if that is so, and asks again only while it may be.
func (p *pulse) stands(ctx context.Context) (stuck string) {
	for range certain {
		if stuck = p.look(ctx); stuck != "" || p.idle+p.away == 0 || sleep(ctx, pulseEvery) != nil {
			break
		}
	}
	return stuck
}

// follow does something that follows the members of a run, shows how far it is, and ends
// it where nothing can go on for want of money. It then says so, unless all have ended at
// the same moment.
func (c *cli) follow(ctx context.Context, title string, f *follower, p *pulse, do func(context.Context) error) (stuck string, err error) {
	shown := c.showProgress(ctx, title, f.account, f, p)
	defer shown.stop()
	watching, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	beats := make(chan struct{})
	go func() {
		defer close(beats)
		if stuck = p.run(watching); stuck != "" {
			cancel(errBudget)
		}
	}()
	err = do(watching)
	cancel(nil)
	<-beats
	p.look(ctx) // for the last view
	if !errors.Is(err, errBudget) {
		return "", err
	}
	return stuck, nil
}

// attend has a follower know what the pulse finds of its members' requests.
func (p *pulse) attend(f *follower, from partReader) {
	p.onIdle = func(ctx context.Context) { f.findHeld(ctx, from) }
	p.parked = func(ctx context.Context) map[string]*parked { return f.parked(ctx, from) }
	p.onLost, p.advise = f.lose, f.advise
}

// look asks once, and says why nothing can go on any more, "" if something can.
func (p *pulse) look(ctx context.Context) (stuck string) {
	page, err := p.from.List(ctx, results.Filter{
		Group: p.group, Kind: jobs.KindResponse, States: []jobs.State{jobs.StateRunning, jobs.StateSubmitting}, Limit: pulseJobs,
	})
	if err != nil {
		return ""
	}
	if err := p.findLost(ctx); err != nil {
		return ""
	}
	now := p.from.Now()
	sums, err := p.from.Usage(ctx, results.Period{Since: now.AddDate(0, 0, -sinceDays), Until: now, Group: p.group})
	if err != nil {
		return ""
	}
	budgets, err := p.from.Budgets(ctx, nil)
	if err != nil {
		return ""
	}
	w := work{lines: p.describe(page.Jobs), requests: len(page.Jobs), more: page.Next != ""}
	for _, s := range sums {
		w.spent.Add(s.Sums)
	}
	if w.requests == 0 && p.onIdle != nil {
		p.onIdle(ctx)
	}
	var own client.Budget // without an amount where there is none
	if i := slices.IndexFunc(budgets, func(b client.Budget) bool { return b.Name == p.budget }); i >= 0 {
		own = budgets[i]
	}
	w.budget = own.Amount
	if stuck = p.starved(ctx, own, w.requests); p.idle == 0 && w.requests == 0 {
		stuck = p.elsewhere(ctx, budgets)
	} else {
		p.away = 0
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	p.last = w
	return stuck
}

// findLost looks for requests whose creates' answers were lost. One that is held is not
// waited for, and is told of by the follower. They are asked for apart from what is under
// way, since in a bounded list of both either could hide the other.
func (p *pulse) findLost(ctx context.Context) error {
	if p.onLost == nil {
		return nil
	}
	page, err := p.from.List(ctx, results.Filter{Group: p.group, Kind: jobs.KindResponse, States: []jobs.State{jobs.StateUncertain}, Limit: pulseJobs})
	if err != nil {
		return err
	}
	awaited := slices.DeleteFunc(page.Jobs, jobs.Job.Held)
	if len(awaited) == 0 {
		p.onLost("")
		return nil
	}
	first := slices.MinFunc(awaited, func(a, b jobs.Job) int { return a.DecideAt.Compare(b.DecideAt) })
	note := awaits(strings.TrimSuffix(p.name(first)+", "+first.Part, ", "), client.WhyUncertain(first), p.advise(first))
	if more := len(awaited) - 1; more > 0 {
		note += "; so it is with " + plural(more, "more request", "more requests")
	}
	p.onLost(note)
	return nil
}

// starved reports whether a budget has left nothing under way three times in a row,
// while jobs wait for room in it.
func (p *pulse) starved(ctx context.Context, b client.Budget, requests int) string {
	if b.Amount == nil || b.Waiting == 0 || b.InFlight > 0 || requests > 0 {
		p.idle = 0
		return ""
	}
	if p.idle++; p.idle < certain {
		return ""
	}
	if why := p.unpriced(ctx, b); why != "" {
		return why
	}
	return fmt.Sprintf("the budget of %s is spent but for %s, which is too little for what comes next; %s for it. %s",
		dollars(*b.Amount), dollars(max(0, *b.Amount-b.Spent)), plural(b.Waiting, "request waits", "requests wait"), p.raise)
}

// describe names the documents that requests belong to, the longest in work first.
func (p *pulse) describe(parts []jobs.Job) []string {
	type document struct {
		name, part string
		since      time.Time
		requests   int
	}
	byParent := make(map[jobs.ID]*document)
	for _, j := range parts {
		d := byParent[j.Parent]
		if d == nil {
			d = &document{name: p.name(j), part: j.Part, since: j.Created}
			byParent[j.Parent] = d
		}
		d.requests++
		if j.Created.Before(d.since) {
			d.since, d.part = j.Created, j.Part
		}
	}
	all := make([]*document, 0, len(byParent))
	for _, d := range byParent {
		all = append(all, d)
	}
	slices.SortFunc(all, func(a, b *document) int { return cmp.Or(a.since.Compare(b.since), cmp.Compare(a.name, b.name)) })
	var lines []string
	for _, d := range all[:min(len(all), shownWork)] {
		line := d.name + ": " + d.part
		if d.requests > 1 {
			line += fmt.Sprintf(" and %d more", d.requests-1)
		}
		lines = append(lines, line+", "+formatElapsed(p.from.Now().Sub(d.since).Round(time.Second)))
	}
	if hidden := len(all) - len(lines); hidden > 0 {
		lines = append(lines, plural(hidden, "more document", "more documents")+" in work")
	}
	return lines
}

// work is what was known last.
func (p *pulse) work() *work {
	p.mu.Lock()
	defer p.mu.Unlock()
	w := p.last
	return &w
}

// money says what a run has cost, of its budget if it has one.
func (w *work) money() string {
	if w.spent.Responses == 0 && w.budget == nil {
		return ""
	}
	known := w.spent.Cost
	text := "spent " + dollars(known)
	switch {
	case w.spent.Unknown > 0 && w.spent.Unknown == w.spent.Responses:
		text = "spent an unknown amount"
	case w.spent.Unknown > 0:
		text += " and an unknown amount"
	}
	if w.budget != nil {
		text += " of " + dollars(*w.budget)
	}
	return text
}

// tokens says what was read and written.
func (w *work) tokens() string {
	if w.spent.InputTokens+w.spent.OutputTokens == 0 {
		return ""
	}
	return fmt.Sprintf("tokens %s in %s out", formatTokens(w.spent.InputTokens), formatTokens(w.spent.OutputTokens))
}

// underWay says how many requests there are.
func (w *work) underWay() string {
	switch {
	case w.requests == 0:
		return ""
	case w.more:
		return "more than " + plural(w.requests, "request", "requests") + " under way"
	}
	return plural(w.requests, "request", "requests") + " under way"
}
