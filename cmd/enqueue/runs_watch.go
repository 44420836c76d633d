package main

import (
	"cmp"
	"context"
	"fmt"
	"path/filepath"
	"time"

	"github.com/longhaul-jobs/longhaul/jobs"
	"github.com/longhaul-jobs/longhaul/jobs/summarize"
	"github.com/longhaul-jobs/longhaul/jobs/summarize/report"
	"github.com/longhaul-jobs/longhaul/results"
)

// runWatch watches a run that somebody else has begun.
type runWatch struct {
	*cli

	name    string
	session *session
	account *account
	// names are what the jobs summarize.
	names map[jobs.ID]string
	// run and documents are as they were read last.
	run       results.Run
	documents []runDocument
	// stuck says why the rest cannot go on, "" if it can.
	stuck string
}

// runReport is what --json prints of a run.
type runReport struct {
	Run string `json:"run"`
	// Open is how many documents have not ended.
	Open int `json:"open"`
	// Out is the folder with the summaries, and Report the page about them, where the
	// last command of the run ran; "" where that is not known. Folders are those of all
	// commands, the last one's first.
	Out     string   `json:"out,omitempty"`
	Report  string   `json:"report,omitempty"`
	Folders []string `json:"folders,omitempty"`
	// Stopped says why the rest waits, "" if nothing does.
	Stopped string `json:"stopped,omitempty"`
	totals
}

// watchRun shows a run until all of its documents have ended or its budget is used up, or
// with once as it is.
func (w *runWatch) watchRun(ctx context.Context, once bool) error {
	f := &follower{jobs: w.session, account: w.account, patience: w.patience, leaveHeld: true, advise: w.adviseSummary}
	open, err := w.read(ctx, f)
	switch {
	case err != nil:
		return err
	case len(w.documents) == 0:
		return usage("there is no run %s, or nothing of it is kept any more; `enqueue runs` lists those that there are", w.name)
	}
	p := &pulse{from: w.session, group: w.name, budget: runBudget(w.name), name: func(part jobs.Job) string {
		return cmp.Or(w.names[part.Parent], string(part.Parent))
	}}
	p.raise = fmt.Sprintf("What began the run goes on with a higher --budget, and the workers with `%s %s --amount DOLLARS`", w.call("budgets set"), p.budget)
	p.call = w.call
	p.attend(f, w.session)
	f.close()
	switch {
	case !open:
		p.look(ctx)
	case once:
		w.stuck = p.stands(ctx)
	default:
		w.account.untold(0) // the end tells of earlier ones
		if w.stuck, err = w.follow(ctx, w.name, f, p, f.run); err != nil {
			return w.stopped(ctx, err, w.call("run")+" "+w.name)
		}
	}
	if err := w.load(ctx); err != nil {
		return err
	}
	return w.tell(p.work(), once && open)
}

// load reads the run and its documents as they are now.
func (w *runWatch) load(ctx context.Context) (err error) {
	if w.run, err = w.session.Run(ctx, w.name); err != nil {
		return err
	}
	var group []jobs.Job
	known := make(map[jobs.ID]jobs.Job)
	for j, err := range w.session.All(ctx, results.Filter{Kind: jobs.KindSummarize, Group: w.name, Limit: 1000}) {
		if err != nil {
			return err
		}
		group = append(group, j)
		known[j.ID] = j
	}
	w.documents, err = runDocuments(ctx, w.session, w.run, group, known)
	return err
}

// read takes the documents of the run up, and reports whether something of it is open.
func (w *runWatch) read(ctx context.Context, f *follower) (open bool, err error) {
	if err := w.load(ctx); err != nil {
		return false, err
	}
	for i, d := range w.documents {
		if d.job.ID != "" {
			w.names[d.job.ID] = cmp.Or(w.names[d.job.ID], d.name)
		}
		if m := d.count(w.account, i, w.adviseSummary); m != nil {
			open = true
			f.add(m)
		}
	}
	return open, nil
}

// tell says how far the run is, which may go on. What it has cost, the ledger knows.
func (w *runWatch) tell(at *work, goesOn bool) error {
	t := w.account.totals(time.Now(), true)
	t.Elapsed = took(w.run, w.documents, w.session.Now()).Round(time.Millisecond).Seconds()
	t.InputTokens, t.OutputTokens = at.spent.InputTokens, at.spent.OutputTokens
	t.CachedTokens, t.CacheWriteTokens, t.ReasoningTokens = at.spent.CachedTokens, at.spent.CacheWriteTokens, at.spent.ReasoningTokens
	t.spending = spending{CostUnknown: int(at.spent.Unknown), Saved: at.spent.Saved, responses: true}
	t.EarlierInputTokens, t.EarlierOutputTokens = 0, 0
	if at.spent.Unknown < at.spent.Responses || at.spent.Responses == 0 {
		t.Cost = &at.spent.Cost
	}
	if err := w.show(t); err != nil {
		return err
	}
	if goesOn || t.clean() {
		return nil
	}
	return errReported
}

// show shows what is known of the run, as the command shows it that began it.
func (w *runWatch) show(t totals) error {
	out, page := w.run.Out, ""
	if out != "" {
		page = filepath.Join(out, report.HTMLName)
	}
	if w.json {
		return w.print(runReport{Run: w.name, Open: t.open(), Out: out, Report: page, Folders: w.run.Folders, Stopped: w.stuck, totals: t})
	}
	more := ""
	if out != "" {
		more = " in " + filepath.Join(out, summarize.ManifestName)
	}
	if err := w.writeEnd(t, more); err != nil {
		return err
	}
	if w.stuck != "" {
		if err := printLine(w.stdout, "stopped: %s", w.stuck); err != nil {
			return err
		}
	}
	if out == "" {
		return nil
	}
	said := fmt.Sprintf("summaries are in %s; %s shows them all", out, page)
	if w.run.Ended.Before(w.run.Begun) {
		said = fmt.Sprintf("summaries go to %s; the command that writes them has not come to its end", out)
	}
	if earlier := w.run.Folders[1:]; len(earlier) > 0 {
		said += "\nearlier commands of this run have written to " + someOf(earlier)
	}
	return printLine(w.stdout, "%s", said)
}
