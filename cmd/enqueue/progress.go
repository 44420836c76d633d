package main

import (
	"cmp"
	"context"
	"fmt"
	"strings"
	"time"

	"github.com/longhaul-jobs/longhaul/jobs"
)

// view is what a progress display shows.
type view struct {
	title string
	totals
	standing
	elapsed time.Duration
	// rate is how many members end in a second, 0 while that is not known.
	rate float64
	// work is what a run of documents is at, nil for any other run.
	work *work
	// plain is set where there is nothing but a number of things done.
	plain bool
	// final is set for the last view.
	final bool
}

// display shows views as they come; one that is shown nothing shows nothing.
type display interface {
	show(v view)
	// stop shows the last view and leaves the terminal as it was.
	stop(v view)
}

// progress shows a run while it goes on.
type progress struct {
	title    string
	account  *account
	follower *follower
	display  display
	every    time.Duration

	// pulse, if not nil, knows what the run is at, and failures are then told as they
	// come.
	pulse *pulse
	say   func(format string, args ...any)

	quit, gone chan struct{}
	meter      meter
}

// showProgress shows a run until the progress is stopped: on a terminal as a
// bar, else and with --json as lines. A pulse, if there is one, has it show what the
// run is at.
func (c *cli) showProgress(ctx context.Context, title string, a *account, f *follower, of *pulse) *progress {
	p := &progress{title: title, account: a, follower: f, pulse: of, say: c.console.say, quit: make(chan struct{}), gone: make(chan struct{})}
	p.display, p.every = c.newDisplay(ctx)
	go p.run()
	return p
}

// newDisplay returns a display for this command, and how often it wants to be shown
// something.
func (c *cli) newDisplay(ctx context.Context) (display, time.Duration) {
	if c.console.terminal() && !c.json {
		return newBarDisplay(ctx, c.console), 200 * time.Millisecond
	}
	return &lineDisplay{console: c.console}, 250 * time.Millisecond
}

func (p *progress) run() {
	defer close(p.gone)
	ticker := time.NewTicker(p.every)
	defer ticker.Stop()
	for {
		select {
		case <-p.quit:
			return
		case now := <-ticker.C:
			p.tell()
			p.display.show(p.view(now))
		}
	}
}

// tell says what has failed since it was called last, a few lines of it each time.
func (p *progress) tell() {
	const most = 5
	if p.pulse == nil {
		return
	}
	fresh := p.account.untold(most)
	for i, f := range fresh {
		if i == most {
			p.say("and %s, which the end tells of", plural(len(fresh)-i, "more failure", "more failures"))
			return
		}
		p.say("%s", f.line())
	}
}

// stop ends the display with what is true at the end.
func (p *progress) stop() {
	close(p.quit)
	<-p.gone
	p.tell()
	v := p.view(time.Now())
	v.final = true
	p.display.stop(v)
}

func (p *progress) view(now time.Time) view {
	t := p.account.totals(now, false)
	v := view{
		title: p.title, totals: t, standing: p.follower.standing(),
		elapsed: now.Sub(p.account.started), rate: p.meter.rate(now, t.late),
	}
	if p.pulse != nil {
		v.work, v.only = p.pulse.work(), nil
	}
	return v
}

// meter measures how fast members end, over the last half minute.
type meter struct {
	samples []sample
}

type sample struct {
	at time.Time
	n  int
}

func (m *meter) rate(now time.Time, n int) float64 {
	const window = 30 * time.Second
	m.samples = append(m.samples, sample{now, n})
	old := 0
	for old < len(m.samples)-2 && now.Sub(m.samples[old].at) > window {
		old++
	}
	m.samples = m.samples[old:]
	first := m.samples[0]
	elapsed := now.Sub(first.at)
	if elapsed < time.Second {
		return 0
	}
	return float64(n-first.n) / elapsed.Seconds()
}

// left estimates how long the rest will take, 0 if that is not known.
func (v view) left() time.Duration {
	rest := v.open()
	if v.rate <= 0 || rest <= 0 {
		return 0
	}
	return time.Duration(float64(rest) / v.rate * float64(time.Second))
}

// pace is the rate and what it promises.
func (v view) pace() string {
	left := v.left()
	if left == 0 || v.final {
		return formatElapsed(v.elapsed)
	}
	unit := fmt.Sprintf("%.1f/s", v.rate)
	if v.rate < 0.1 {
		unit = fmt.Sprintf("%.1f/min", 60*v.rate)
	}
	return formatElapsed(v.elapsed) + ", " + unit + ", " + max(left.Round(time.Second), time.Second).String() + " left"
}

// breakdown counts the members by state, those without any left out.
func (v view) breakdown() string {
	if v.plain {
		return ""
	}
	var parts []string
	add := func(n int, what string) {
		if n > 0 {
			parts = append(parts, formatCount(int64(n))+" "+what)
		}
	}
	for _, state := range jobs.States() {
		if !state.Terminal() {
			add(v.states[state], string(state))
		}
	}
	add(v.Succeeded, "succeeded")
	add(v.Incomplete, "incomplete")
	add(v.Failed, "failed")
	add(v.Cancelled, "cancelled")
	add(v.Expired, "expired")
	add(v.Held, "held")
	add(v.Skipped, "unchanged")
	add(v.LeftAlone, "left alone")
	if v.Across != "" {
		parts = append(parts, "across "+v.acrossWord())
	}
	if v.work != nil {
		for i, text := range []string{v.work.underWay(), v.work.tokens(), v.work.money()} {
			if text != "" && (i > 0 || !v.final) {
				parts = append(parts, text)
			}
		}
		return strings.Join(parts, ", ")
	}
	if tokens := v.InputTokens + v.OutputTokens; tokens > 0 {
		parts = append(parts, fmt.Sprintf("tokens %s in %s out", formatTokens(v.InputTokens), formatTokens(v.OutputTokens)))
	}
	return strings.Join(parts, ", ")
}

// alone is the line about a run's only job.
func (v view) alone() string {
	m := v.only
	what := cmp.Or(string(m.state), string(jobs.StateWaiting))
	if m.name == string(m.id) {
		return fmt.Sprintf("%s %s, %s", m.id, what, formatElapsed(v.elapsed))
	}
	return fmt.Sprintf("%s %s, %s (%s)", printable(m.name), what, formatElapsed(v.elapsed), m.id)
}

// lineDisplay writes lines: one when something began, then one every few
// seconds while things change, else one in a while.
type lineDisplay struct {
	console *console
	said    time.Duration
	text    string
	note    string
}

func (d *lineDisplay) show(v view) {
	const often, seldom = 5 * time.Second, time.Minute
	if v.note != "" && v.note != d.note {
		d.console.say("%s: %s", v.title, printable(v.note))
	}
	d.note = v.note
	text := d.line(v)
	since := v.elapsed - d.said
	if d.text != "" && (since < often && v.only == nil || since < seldom && text == d.text) {
		return
	}
	d.say(v, text)
}

func (d *lineDisplay) stop(v view) {
	if text := d.line(v); text != d.text {
		d.say(v, text)
	}
}

func (d *lineDisplay) say(v view, text string) {
	d.said, d.text = v.elapsed, text
	if v.only != nil {
		d.console.say("%s", v.alone())
		return
	}
	d.console.say("%s: %s (%s)", v.title, text, v.pace())
}

// line is a view without what changes by itself.
func (d *lineDisplay) line(v view) string {
	if v.only != nil {
		return string(v.only.state)
	}
	text := fmt.Sprintf("%s of %s", formatCount(int64(v.done())), formatCount(int64(v.Total)))
	if b := v.breakdown(); b != "" {
		text += ": " + b
	}
	return text
}
