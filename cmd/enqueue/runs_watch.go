package main

import (
	"cmp"
	"context"
	"slices"
	"time"

	"github.com/longhaul-jobs/longhaul/jobs"
	"github.com/longhaul-jobs/longhaul/results"
)

// runWatch watches a run that somebody else has begun.
type runWatch struct {
	*cli

	name    string
	session *session
	account *account
	// documents are what the jobs summarize.
	documents map[jobs.ID]string
}

// runReport is what --json prints of a run.
type runReport struct {
	Run string `json:"run"`
	// Open is how many documents have not ended.
	Open int `json:"open"`
	totals
}

// watchRun shows a run until all of its documents have ended, or with once as it is.
func (w *runWatch) watchRun(ctx context.Context, once bool) error {
	f := &follower{jobs: w.session, account: w.account, patience: w.patience, leaveHeld: true, advise: func(j jobs.Job) string { return w.advise(j, "") }}
	open, err := w.read(ctx, f)
	switch {
	case err != nil:
		return err
	case len(w.documents) == 0:
		return usage("there is no run %s; `enqueue runs` lists them, and names those of which nothing is kept any more no longer", w.name)
	}
	p := &pulse{from: w.session, group: w.name, budget: runBudget(w.name), name: func(part jobs.Job) string {
		return cmp.Or(w.documents[part.Parent], string(part.Parent))
	}}
	p.onIdle = func(ctx context.Context) { f.findHeld(ctx, w.session) }
	p.look(ctx)
	f.close()
	if !once && open > 0 {
		if err := w.follow(ctx, f, p); err != nil {
			return w.stopped(ctx, err, w.call("run")+" "+w.name)
		}
		open = 0
	}
	p.look(ctx)
	return w.tell(p.work(), open, once)
}

// read takes the documents of the run up, and returns how many are open.
func (w *runWatch) read(ctx context.Context, f *follower) (open int, err error) {
	var found []jobs.Job
	seen := make(map[string]bool)
	for j, err := range w.session.All(ctx, results.Filter{Kind: jobs.KindSummarize, Group: w.name, Limit: 1000}) {
		if err != nil {
			return 0, err
		}
		document := cmp.Or(j.Metadata[aboutDocument], string(j.ID))
		w.documents[j.ID] = document
		if seen[document] {
			continue // it was summarized again since
		}
		seen[document] = true
		found = append(found, j)
	}
	slices.Reverse(found) // the oldest first, as they were handed over
	w.account.expect(len(found))
	for i, j := range found {
		m := &member{order: i, name: w.documents[j.ID]}
		m.observe(j)
		if j.State.Terminal() {
			w.account.end(m)
			continue
		}
		open++
		f.add(m)
	}
	return open, nil
}

func (w *runWatch) follow(ctx context.Context, f *follower, p *pulse) error {
	shown := w.showProgress(ctx, w.name, w.account, f, p)
	shown.told = len(w.account.failuresFrom(0)) // the end tells of earlier ones
	defer shown.stop()
	beating, cancel := context.WithCancel(ctx)
	beats := make(chan struct{})
	go func() {
		defer close(beats)
		for p.run(beating) != "" && sleep(beating, pulseEvery) == nil {
			p.idle = 0 // its budget may be raised
		}
	}()
	err := f.run(ctx)
	cancel()
	<-beats
	return err
}

// tell says how far the run is. What it has cost, the ledger knows.
func (w *runWatch) tell(at *work, open int, once bool) error {
	t := w.account.totals(time.Now(), true)
	t.InputTokens, t.OutputTokens = at.spent.InputTokens, at.spent.OutputTokens
	t.CachedTokens, t.CacheWriteTokens, t.ReasoningTokens = at.spent.CachedTokens, at.spent.CacheWriteTokens, at.spent.ReasoningTokens
	t.spending = spending{CostUnknown: int(at.spent.Unknown), Saved: at.spent.Saved}
	t.EarlierInputTokens, t.EarlierOutputTokens = 0, 0
	if at.spent.Unknown < at.spent.Responses || at.spent.Responses == 0 {
		t.Cost = &at.spent.Cost
	}
	if w.json {
		if err := w.print(runReport{Run: w.name, Open: open, totals: t}); err != nil {
			return err
		}
	} else if err := writeTotals(w.stdout, t, ""); err != nil {
		return err
	}
	if once && open > 0 || t.clean() {
		return nil
	}
	return errReported
}
