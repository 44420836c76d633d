package main

import (
	"context"
	"time"
)

// steps is how far something has come that this command does by itself, such as writing
// a report.
type steps struct {
	title string
	total int
	done  func() int
	began time.Time
	meter meter
}

// showSteps shows how far something has come until the returned function is called: on a
// terminal as a bar, else as lines. What takes but a moment is not mentioned. done is
// called by another goroutine.
func (c *cli) showSteps(ctx context.Context, title string, total int, done func() int) (stop func()) {
	s := &steps{title: title, total: total, done: done, began: time.Now()}
	quit, gone := make(chan struct{}), make(chan struct{})
	go func() {
		defer close(gone)
		if c.silence > 0 {
			quiet := time.NewTimer(c.silence)
			defer quiet.Stop()
			select {
			case <-quit:
				return
			case <-quiet.C:
			}
		}
		d, every := c.newDisplay(ctx)
		ticker := time.NewTicker(every)
		defer ticker.Stop()
		for {
			d.show(s.view(false))
			select {
			case <-quit:
				d.stop(s.view(true))
				return
			case <-ticker.C:
			}
		}
	}()
	return func() {
		close(quit)
		<-gone
	}
}

func (s *steps) view(final bool) view {
	now, done := time.Now(), s.done()
	return view{
		title: s.title, plain: true, totals: totals{Total: s.total, Succeeded: done},
		elapsed: now.Sub(s.began), rate: s.meter.rate(now, done), final: final,
	}
}
