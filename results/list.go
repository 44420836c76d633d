package results

import (
	"cmp"
	"context"
	"fmt"
	"slices"
	"strings"

	"github.com/redis/go-redis/v9"

	"github.com/longhaul-jobs/longhaul/jobs"
)

// Filter selects jobs. Empty fields select all.
type Filter struct {
	State jobs.State
	Kind  jobs.Kind
	Lane  string
	Group string
	// Cursor continues a listing where the page before ended.
	Cursor jobs.ID
	// Limit bounds the page; default 50, at most 1000.
	Limit int
}

// Bounds of a listing.
const (
	defaultLimit = 50
	maxLimit     = 1000
	// minChunk is how many records are read together at least for a filter that
	// may pass few of them, and maxChunks how often for one page.
	minChunk  = 100
	maxChunks = 20
)

// Page is a part of a listing, newest first. It may hold fewer jobs than the
// limit, and even none, while Next says that there may be more.
type Page struct {
	Jobs []jobs.Job
	// Next is the cursor of the following page, "" when there is none.
	Next jobs.ID
}

// List returns a page of the jobs that a filter selects, newest first. Jobs
// that come or go between two pages do not disturb it: the cursor is a place in
// time. Records that this build cannot read are left out.
func (s *Store) List(ctx context.Context, f Filter) (Page, error) {
	if err := f.validate(); err != nil {
		return Page{}, err
	}
	limit := cmp.Or(f.Limit, defaultLimit)
	var page Page
	cursor := f.Cursor
	chunk := limit
	if !f.exact() {
		chunk = max(limit, minChunk)
	}
	for range maxChunks {
		ids, err := s.newest(ctx, f, cursor, chunk)
		if err != nil {
			return Page{}, fmt.Errorf("list jobs: %w", err)
		}
		if len(ids) == 0 {
			return page, nil
		}
		found, err := s.loadAll(ctx, ids)
		if err != nil {
			return Page{}, fmt.Errorf("list jobs: %w", err)
		}
		for i, id := range ids {
			cursor = id
			if j := found[i]; j.ID != "" && f.selects(j) {
				page.Jobs = append(page.Jobs, j)
			}
			if len(page.Jobs) == limit {
				page.Next = cursor
				return page, nil
			}
		}
	}
	page.Next = cursor
	return page, nil
}

// kinds are the kinds of jobs that there are.
func kinds() []jobs.Kind { return []jobs.Kind{jobs.KindResponse} }

func (f Filter) validate() error {
	switch {
	case f.State != "" && !f.State.Known():
		return jobs.Invalid("state", "%.40q is no state; one of %v", string(f.State), jobs.States())
	case f.Kind != "" && !slices.Contains(kinds(), f.Kind):
		return jobs.Invalid("kind", "%.40q is no kind; one of %v", string(f.Kind), kinds())
	case f.Lane != "" && !jobs.ValidName(f.Lane):
		return jobs.Invalid("lane", "is no name: letters, digits and . _ - : only")
	case f.Group != "" && !jobs.ValidName(f.Group):
		return jobs.Invalid("group", "is no name: letters, digits and . _ - : only")
	case f.Limit < 0 || f.Limit > maxLimit:
		return jobs.Invalid("limit", "is %d; it goes from 1 to %d", f.Limit, maxLimit)
	}
	if f.Cursor != "" {
		if _, err := jobs.ParseID(string(f.Cursor)); err != nil {
			return jobs.Invalid("cursor", "is no cursor of a listing; take the one that came with the page before")
		}
	}
	return nil
}

// exact reports whether the lists that are read hold nothing but what the filter
// selects: those of a group are not divided by kind and lane.
func (f Filter) exact() bool { return f.Group == "" || (f.Kind == "" && f.Lane == "") }

func (f Filter) selects(j jobs.Job) bool {
	return (f.State == "" || j.State == f.State) && (f.Kind == "" || j.Kind == f.Kind) &&
		(f.Lane == "" || j.Lane == f.Lane) && (f.Group == "" || j.Group == f.Group)
}

// newest returns up to limit ids before the cursor, newest first, merged from
// all shards. Ids sort by time, in the sets as in the merge.
func (s *Store) newest(ctx context.Context, f Filter, cursor jobs.ID, limit int) ([]jobs.ID, error) {
	before := "+"
	if cursor != "" {
		before = "(" + string(cursor)
	}
	var ids []jobs.ID
	args := []any{string(f.State), string(f.Kind), f.Lane, f.Group, before, limit}
	err := s.everywhere(ctx, s.scripts.list, args, func(answer *redis.Cmd) error {
		some, err := answer.StringSlice()
		for _, id := range some {
			ids = append(ids, jobs.ID(id))
		}
		return err
	})
	if err != nil {
		return nil, err
	}
	slices.SortFunc(ids, func(a, b jobs.ID) int { return strings.Compare(string(b), string(a)) })
	return ids[:min(len(ids), limit)], nil
}

// loadAll reads many records in one round trip; one that is gone meanwhile or
// cannot be read leaves a zero value.
func (s *Store) loadAll(ctx context.Context, ids []jobs.ID) ([]jobs.Job, error) {
	if len(ids) == 0 {
		return nil, nil
	}
	answers := make([]*redis.SliceCmd, len(ids))
	_, err := s.rdb.Pipelined(ctx, func(p redis.Pipeliner) error {
		for i, id := range ids {
			answers[i] = p.HMGet(ctx, s.base(id.Shard()).job(id), recordFields()...)
		}
		return nil
	})
	if err != nil {
		return nil, err
	}
	found := make([]jobs.Job, len(ids))
	for i, id := range ids {
		if j, err := s.decode(ctx, id, answers[i].Val()); err == nil {
			found[i] = j
		}
	}
	return found, nil
}
