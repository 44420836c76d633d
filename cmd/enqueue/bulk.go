package main

import (
	"bufio"
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/longhaul-jobs/longhaul/jobs"
	"github.com/longhaul-jobs/longhaul/results"
)

// samples is how many of the jobs that would be changed are shown.
const samples = 5

// bulkFlags say how to change many jobs.
type bulkFlags struct {
	all, dry, yes bool
}

// bulk changes all jobs that are in question. They are gone through once, newest
// first: one that fails again meanwhile is behind by then.
type bulk struct {
	change
	bulkFlags
	// filter selects the jobs, and named is what of that the caller asked for.
	filter, named results.Filter

	// mu guards what follows.
	mu                sync.Mutex
	selected, changed int
	spared, refused   reasons
	// What would be changed, in a dry run.
	census census
	shown  []jobs.Job
}

// reasons count jobs by why they were not changed.
type reasons map[string]int

// reason is why some jobs were not changed.
type reason struct {
	Why  string `json:"why"`
	Jobs int    `json:"jobs"`
}

func (r reasons) list() []reason {
	list := []reason{} // an empty list in JSON too
	for why, n := range r {
		list = append(list, reason{why, n})
	}
	slices.SortFunc(list, func(a, b reason) int { return cmp.Or(cmp.Compare(b.Jobs, a.Jobs), cmp.Compare(a.Why, b.Why)) })
	return list
}

// bulkReport is what --json prints of a change of many jobs.
type bulkReport struct {
	Action string `json:"action"`
	DryRun bool   `json:"dry_run"`
	// Selected is how many jobs were in question, Changed how many of those were
	// changed, or would be.
	Selected int      `json:"selected"`
	Changed  int      `json:"changed"`
	Spared   []reason `json:"spared"`
	Refused  []reason `json:"refused"`
}

// among narrows the jobs in question to those that flags select.
func (w change) among(f results.Filter) (results.Filter, error) {
	for _, state := range f.States {
		if !slices.Contains(w.others, state) {
			return f, jobs.Invalid("state", "%q: --%s is about jobs that are %s", string(state), w.all, stateList(w.others))
		}
	}
	f.Held = w.filter.Held
	if len(f.States) == 0 {
		f.States = w.filter.States
	}
	return f, nil
}

// run changes all jobs, after asking if there is somebody to ask.
func (b *bulk) run(ctx context.Context, c *cli, s *session) error {
	b.reset()
	// What ends from now on is not picked up. The clocks of workers, which say when
	// a job ended, may be off by some milliseconds.
	now := s.Now().Add(100 * time.Millisecond)
	if b.filter.Until.IsZero() || b.filter.Until.After(now) {
		b.filter.Until = now
	}
	if b.dry {
		return b.pass(ctx, c, s, c.stdout)
	}
	if !b.yes && c.watched() {
		b.dry = true
		if err := b.pass(ctx, c, s, c.console); err != nil || b.changed == 0 {
			return err
		}
		sure, err := c.ask(ctx, fmt.Sprintf("%s %s? [y/N] ", b.name, plural(b.changed, "job", "jobs")))
		if err != nil {
			return err
		}
		if !sure {
			c.console.say("Nothing was changed.")
			return errReported
		}
		b.dry = false
		b.reset()
	}
	return b.pass(ctx, c, s, c.stdout)
}

func (b *bulk) reset() {
	b.selected, b.changed, b.spared, b.refused, b.census, b.shown = 0, 0, reasons{}, reasons{}, census{}, nil
}

// pass goes through the jobs once, and reports.
func (b *bulk) pass(ctx context.Context, c *cli, s *session, out io.Writer) error {
	look := &search{cli: c, session: s, title: b.name, filter: b.filter}
	look.also = func() string { return fmt.Sprintf("%s %s", formatCount(int64(b.changed)), b.outcome()) }
	err := look.run(ctx, func(ctx context.Context, page results.Page) error { return b.page(ctx, look, page.Jobs) })
	look.warn()
	if err := errors.Join(err, b.report(c, out)); err != nil {
		if ctx.Err() == nil {
			return err
		}
		return &stoppedError{cause: context.Cause(ctx), hint: "This is not all; the same command goes on with the rest."}
	}
	if len(b.refused) > 0 {
		return errReported
	}
	return nil
}

// tell counts a job that would be changed, and shows the first ones.
func (b *bulk) tell(j jobs.Job) {
	b.note(func() {
		if why := b.spares(j); why != "" {
			b.spared[why]++
			return
		}
		b.changed++
		b.census.add(j)
		b.shown = append(b.shown, j)[:min(len(b.shown)+1, samples)]
	})
}

// page changes the jobs of one page, several at once; a dry run tells of them in
// their order.
func (b *bulk) page(ctx context.Context, look *search, page []jobs.Job) error {
	if b.dry {
		for _, j := range page {
			b.tell(j)
		}
		return nil
	}
	return inParallel(ctx, submitters, len(page), func(ctx context.Context, i int) error {
		j := page[i]
		if why := b.spares(j); why != "" {
			b.note(func() { b.spared[why]++ })
			return nil
		}
		var made upshot
		err := look.patiently(ctx, func() (err error) {
			made, err = b.do(ctx, look.session, j.ID)
			return err
		})
		refused, isRefused := errors.AsType[*jobs.RefusedError](err)
		switch {
		case isRefused:
			b.note(func() { b.refused[refused.Why]++ })
		case errors.Is(err, results.ErrNotFound):
			b.note(func() { b.spared["it is gone meanwhile"]++ })
		case err != nil:
			return err
		case made.late:
			b.note(func() { b.spared["it has ended meanwhile"]++ })
		default:
			b.note(func() { b.changed++ })
		}
		return nil
	})
}

// note counts a job that is dealt with.
func (b *bulk) note(count func()) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.selected++
	count()
}

// spares says why a job is left alone and what asks for it all the same, "" to
// change it.
func (b *bulk) spares(j jobs.Job) string {
	if b.spare == nil {
		return ""
	}
	why := b.spare(j)
	flag, value := "class", ""
	if j.Failure != nil {
		value = string(j.Failure.Class)
	}
	named := slices.Contains(b.named.Classes, jobs.Class(value))
	if j.State == jobs.StateIncomplete {
		flag, value = "state", string(j.State)
		named = slices.Contains(b.named.States, j.State)
	}
	if why == "" || named {
		return ""
	}
	return fmt.Sprintf("%s (--%s %s asks for it)", why, flag, value)
}

// outcome is what is done to the jobs, or in a dry run would be.
func (b *bulk) outcome() string {
	if b.dry {
		return "would be " + cmp.Or(b.would, b.done)
	}
	return b.done
}

// report says what was done, or in a dry run would be.
func (b *bulk) report(c *cli, out io.Writer) error {
	if c.json && out == c.stdout {
		return c.print(bulkReport{
			Action: b.name, DryRun: b.dry, Selected: b.selected, Changed: b.changed,
			Spared: b.spared.list(), Refused: b.refused.list(),
		})
	}
	if b.dry && b.changed > 0 {
		if err := errors.Join(writeCensus(out, b.census), writePage(out, b.shown, true, time.Now())); err != nil {
			return err
		}
		if others := b.changed - len(b.shown); others > 0 {
			if err := printLine(out, "and %s", plural(others, "other", "others")); err != nil {
				return err
			}
		}
	}
	said := []string{plural(b.changed, "job", "jobs") + " " + b.outcome()}
	for _, r := range b.spared.list() {
		said = append(said, fmt.Sprintf("%s left alone: %s", formatCount(int64(r.Jobs)), r.Why))
	}
	for _, r := range b.refused.list() {
		said = append(said, fmt.Sprintf("%s refused: %s", formatCount(int64(r.Jobs)), r.Why))
	}
	return printLine(out, "%s", strings.Join(said, "\n"))
}

// ask asks a question, and reports whether the answer is yes.
func (c *cli) ask(ctx context.Context, question string) (bool, error) {
	if _, err := io.WriteString(c.console, question); err != nil {
		return false, fmt.Errorf("ask: %w", err)
	}
	answer := make(chan string, 1)
	go func() { // ends with the process, should nobody answer
		line, _ := bufio.NewReader(c.stdin).ReadString('\n') // no answer is none
		answer <- strings.ToLower(strings.TrimSpace(line))
	}()
	select {
	case text := <-answer:
		return text == "y" || text == "yes", nil
	case <-ctx.Done():
		return false, context.Cause(ctx)
	}
}
