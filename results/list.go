package results

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/redis/go-redis/v9"

	"github.com/longhaul-jobs/longhaul/jobs"
)

// Bounds of a listing.
const (
	defaultLimit = 50
	maxLimit     = 1000
	// minChunk is how many records are read together at least for a filter that
	// may pass few of them, and maxChunks how often that is done for one page.
	minChunk  = 100
	maxChunks = 20
	// minShare is how many ids are read of each list at least.
	minShare = 16
)

// Page is a part of a listing, newest first. It may hold fewer jobs than the
// limit, and even none, while Next says that there may be more: a caller that
// wants all of them asks until Next is "".
type Page struct {
	Jobs []jobs.Job
	// Next is the cursor of the following page, "" when there is none.
	Next jobs.ID
	// Looked is how many jobs were looked at for the page, and Unreadable how many
	// of those have a record that this build cannot read.
	Looked, Unreadable int
}

// List returns a page of the jobs that a filter selects, newest first. Jobs
// that come or go between two pages do not disturb it: the cursor is a place in
// time. Records that this build cannot read are left out, and counted.
func (s *Store) List(ctx context.Context, f Filter) (Page, error) {
	if err := f.Validate(); err != nil {
		return Page{}, err
	}
	limit := cmp.Or(f.Limit, defaultLimit)
	chunk := limit
	if !f.exact() {
		chunk = max(limit, minChunk)
	}
	f.Text = strings.ToLower(f.Text)
	var page Page
	for page.Looked < chunk*maxChunks {
		ids, more, err := s.newest(ctx, f, chunk)
		if err != nil {
			return Page{}, fmt.Errorf("list jobs: %w", err)
		}
		found, err := s.loadAll(ctx, ids)
		if err != nil {
			return Page{}, fmt.Errorf("list jobs: %w", err)
		}
		for i, id := range ids {
			f.Cursor = id
			page.Looked++
			switch r := found[i]; {
			case r.err == nil && f.selects(r.job):
				page.Jobs = append(page.Jobs, r.job)
			case r.err != nil && !errors.Is(r.err, ErrNotFound):
				page.Unreadable++
			}
			if len(page.Jobs) == limit {
				more = more || i < len(ids)-1
				break
			}
		}
		if !more {
			return page, nil
		}
		if len(page.Jobs) == limit {
			break
		}
	}
	page.Next = f.Cursor
	return page, nil
}

// newest returns up to limit ids before the filter's cursor, newest first, and
// whether there are others behind them. They are merged from all shards; ids sort
// by time, in the shards as in the merge.
func (s *Store) newest(ctx context.Context, f Filter, limit int) (ids []jobs.ID, more bool, err error) {
	// Jobs are spread evenly over the shards, so of each of them twice its share
	// is enough for most pages, and much less than all of them could give.
	share := min(max(2*limit/s.shards, minShare), limit)
	from, to := f.bounds()
	args := []any{f.stateList(), string(f.Kind), f.Lane, f.groupList(), from, to, share}
	var answers [][]string
	err = s.everywhere(ctx, s.scripts.list, args, func(answer *redis.Cmd) error {
		some, err := answer.StringSlice()
		answers = append(answers, some)
		return err
	})
	if err != nil {
		return nil, false, err
	}
	// A shard that gave its whole share may hold more behind that: what is older
	// than the end of any such share must wait for the next chunk.
	end := ""
	for _, some := range answers {
		if len(some) == share {
			end, more = max(end, some[share-1]), true
		}
	}
	for _, some := range answers {
		for _, id := range some {
			if id >= end {
				ids = append(ids, jobs.ID(id))
			}
		}
	}
	slices.SortFunc(ids, func(a, b jobs.ID) int { return strings.Compare(string(b), string(a)) })
	if len(ids) > limit {
		return ids[:limit], true, nil
	}
	return ids, more, nil
}

// read is a record that was read, or why it was not.
type read struct {
	job jobs.Job
	err error
}

// loadAll reads many records in one round trip. One that is gone has [ErrNotFound],
// and so has an id that cannot be of this installation.
func (s *Store) loadAll(ctx context.Context, ids []jobs.ID) ([]read, error) {
	if len(ids) == 0 {
		return nil, nil
	}
	found := make([]read, len(ids))
	answers := make([]*redis.SliceCmd, len(ids))
	_, err := s.rdb.Pipelined(ctx, func(p redis.Pipeliner) error {
		for i, id := range ids {
			var base base
			if base, found[i].err = s.home(id); found[i].err == nil {
				answers[i] = p.HMGet(ctx, base.job(id), recordFields()...)
			}
		}
		return nil
	})
	if err != nil {
		return nil, err
	}
	for i, id := range ids {
		if found[i].err == nil {
			found[i].job, found[i].err = s.decode(ctx, id, answers[i].Val())
		}
	}
	return found, nil
}
