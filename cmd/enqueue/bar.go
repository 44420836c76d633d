package main

import (
	"context"
	"fmt"
	"io"
	"slices"
	"strings"
	"sync/atomic"

	"github.com/vbauerster/mpb/v8"
	"github.com/vbauerster/mpb/v8/decor"
)

// barDisplay is a bar on a terminal, with a line of counts below it, a few about what
// is in work, and another one when there is something to know.
type barDisplay struct {
	console *console
	bars    *mpb.Progress
	bar     *mpb.Bar
	last    atomic.Pointer[view]
	// forget stops minding the signal; see newBarDisplay.
	forget func() bool
}

// newBarDisplay returns a display on the console's terminal. When ctx ends the
// terminal has most likely just shown ^C: the cursor goes back to the beginning
// of its line, where the next frame counts on it to be.
func newBarDisplay(ctx context.Context, c *console, options ...mpb.ContainerOption) *barDisplay {
	d := &barDisplay{console: c, bars: mpb.New(append(options, mpb.WithOutput(c.out))...)}
	d.last.Store(&view{})
	d.forget = context.AfterFunc(ctx, func() {
		_, _ = io.WriteString(c.out, "\r") // there is nobody to tell if that fails
	})
	return d
}

func (d *barDisplay) show(v view) {
	d.last.Store(&v)
	if d.bar == nil {
		d.begin(v)
	}
	d.bar.SetTotal(int64(v.Total), false)
	d.bar.SetCurrent(int64(v.done()))
}

// begin draws the bar; a run with one job has a spinner instead.
func (d *barDisplay) begin(v view) {
	filler := mpb.BarStyle().Lbound("[").Filler("=").Tip(">").Padding("-").Rbound("]").Build()
	head := func(decor.Statistics) string {
		v := d.last.Load()
		return fmt.Sprintf("%s %s/%s", v.title, formatCount(int64(v.done())), formatCount(int64(v.Total)))
	}
	tail := func(decor.Statistics) string { return d.last.Load().pace() }
	options := []mpb.BarOption{
		mpb.PrependDecorators(decor.Any(head)), mpb.AppendDecorators(decor.Any(tail)),
		mpb.BarExtender(mpb.BarFillerFunc(d.below), false),
	}
	if v.only != nil {
		filler = mpb.SpinnerStyle("|", "/", "-", `\`).Build()
		alone := func(decor.Statistics) string {
			if v := d.last.Load(); v.only != nil {
				return v.alone()
			}
			return ""
		}
		options = []mpb.BarOption{
			mpb.BarWidth(1), mpb.AppendDecorators(decor.Any(alone)), mpb.BarExtender(mpb.BarFillerFunc(d.below), false),
		}
	}
	d.bar = d.bars.MustAdd(0, filler, options...)
	d.console.display(d.bars)
}

// below writes the lines under the bar.
func (d *barDisplay) below(w io.Writer, stat decor.Statistics) error {
	v := d.last.Load()
	lines := make([]string, 0, 2+shownWork+1)
	if v.work != nil {
		spent := v.work.tokens()
		if money := v.work.money(); money != "" {
			spent += ", " + money
		}
		counts := *v
		counts.work = &work{requests: v.work.requests, more: v.work.more}
		lines = append(lines, counts.breakdown(), strings.TrimPrefix(spent, ", "))
	} else if b := v.breakdown(); b != "" && v.only == nil {
		lines = append(lines, b)
	}
	if v.work != nil && !v.final {
		lines = append(lines, v.work.lines...)
	}
	if v.note != "" && !v.final {
		lines = append(lines, v.note)
	}
	lines = slices.DeleteFunc(lines, func(line string) bool { return line == "" })
	for _, line := range lines {
		if _, err := fmt.Fprintln(w, clip("  "+line, stat.AvailableWidth)); err != nil {
			return err
		}
	}
	return nil
}

// stop leaves the bar as it is at the end; a spinner leaves nothing.
func (d *barDisplay) stop(v view) {
	defer d.forget()
	if d.bar == nil {
		d.bars.Shutdown()
		return
	}
	spun := d.last.Load().only != nil
	if !spun {
		v.only = nil
		d.show(v)
	}
	d.bar.Abort(spun)
	d.bars.Wait()
	d.console.display(nil)
}
