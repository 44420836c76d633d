package main

import (
	"context"
	"fmt"
	"time"

	"github.com/longhaul-jobs/longhaul/results"
)

// searchEvery is how often a long search says how far it is.
const searchEvery = 5 * time.Second

// search goes through all jobs that a filter selects, page by page.
type search struct {
	*cli
	session *session
	title   string
	filter  results.Filter
	// most, if not 0, is how many jobs are wanted.
	most int
	// also, if not nil, says more of how far it is.
	also func() string

	// What it has come to.
	found, looked, unreadable int
	said                      time.Time
	of                        int64 // how many jobs there are to look at, 0 if that is not known
}

// run hands each page to visit, in which there may be no jobs. While Redis is
// away it waits. Afterwards filter.Cursor is where to go on, "" at the end.
func (s *search) run(ctx context.Context, visit func(ctx context.Context, page results.Page) error) error {
	s.said = time.Now()
	if s.most == 0 {
		s.measure(ctx)
	}
	for {
		s.filter.Limit = wholePage
		if s.most > 0 {
			s.filter.Limit = min(wholePage, s.most-s.found)
		}
		var page results.Page
		err := s.patiently(ctx, func() (err error) {
			page, err = s.session.List(ctx, s.filter)
			return err
		})
		if err != nil {
			return err
		}
		s.found += len(page.Jobs)
		s.looked += page.Looked
		s.unreadable += page.Unreadable
		if err := visit(ctx, page); err != nil {
			return err
		}
		s.filter.Cursor = page.Next
		if page.Next == "" || s.most > 0 && s.found >= s.most {
			return nil
		}
		s.report()
	}
}

// measure asks how many jobs there are to look at: before they are changed.
func (s *search) measure(ctx context.Context) {
	if counts, err := s.session.Counts(ctx, s.filter.Group); err == nil { // it is a remark; the first page meets what is wrong
		s.of = scope(counts, s.filter)
	}
}

// patiently does something with Redis, and says so when it is away.
func (s *search) patiently(ctx context.Context, op func() error) error {
	return patiently(ctx, s.patience, func(err error) { s.console.say("%s: %s", s.title, outage(err)) }, op)
}

// report says from time to time how far the search is.
func (s *search) report() {
	if time.Since(s.said) < searchEvery {
		return
	}
	s.said = time.Now()
	text := found(s.found, s.looked, s.of)
	if s.also != nil {
		text += ", " + s.also()
	}
	s.console.say("%s: %s", s.title, text)
}

// sum says what the whole search came to.
func (s *search) sum(what string) {
	s.console.say("%s %s, %s looked at", plural(s.found, "job", "jobs"), what, formatCount(int64(s.looked)))
	s.warn()
}

// warn says what was left out.
func (s *search) warn() {
	if s.unreadable > 0 {
		s.console.say("left out: %s that this build cannot read", plural(s.unreadable, "record", "records"))
	}
}

// incomplete makes the error of a search that was stopped half way.
func (s *search) incomplete(ctx context.Context, err error, what string) error {
	if ctx.Err() == nil {
		return fmt.Errorf("%s after %s: %w", what, plural(s.found, "job", "jobs"), err)
	}
	hint := fmt.Sprintf("This is not all: %s.", found(s.found, s.looked, s.of))
	return &stoppedError{cause: context.Cause(ctx), hint: hint}
}
