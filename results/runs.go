package results

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/redis/go-redis/v9"

	"github.com/longhaul-jobs/longhaul/jobs"
)

// A run of documents is put down by whoever starts it, since its jobs do not tell: one
// that shares all of its documents with another run has none of its own, and a document
// that cannot be read never has one. Nothing is decided by it. Under PREFIX:{runs}:
//
//	names      zset    the names of runs, by when they were written to last
//	run:NAME   hash    started, begun, ended, out: what [Run] says; behind "out:" the name
//	                   of each folder with when a command wrote to it last; and behind a
//	                   slash the name of each document with its [RunDocument] as JSON

// Run is a run of documents.
type Run struct {
	Name string
	// Started is when a command began it, Begun when the last one did, and Ended when
	// that one came to its end; the zero time while it has not.
	Started, Begun, Ended time.Time
	// Out is the folder that the summaries of the last command go to, where it runs.
	// Folders are those of all commands, the last one's first; [Store.BeginRun] adds Out to
	// what it finds, whatever is given here.
	Out     string
	Folders []string
	// Documents are those of the run, by their names.
	Documents map[string]RunDocument
}

// RunDocument is a document of a run: the job that summarizes it, whoever's, or why there
// is none.
type RunDocument struct {
	Job   jobs.ID    `json:"job,omitempty"`
	Class jobs.Class `json:"class,omitempty"`
	// Message is for people.
	Message string `json:"message,omitempty"`
}

// BeginRun puts down that a command has begun a run or goes on with it, with what is
// known of its documents so far. What was put down of others stays. The name is like that
// of a group, or the error is a [*jobs.Error] of class invalid; a run that does not say when
// it was begun has begun now.
func (s *Store) BeginRun(ctx context.Context, r Run, keep time.Duration) error {
	if r.Begun.IsZero() {
		r.Begun = s.Now()
	}
	fields := map[string]any{"begun": ms(r.Begun), "ended": "", "out": r.Out}
	if r.Out != "" {
		fields[folderField+r.Out] = ms(r.Begun)
	}
	if err := s.putRun(ctx, r.Name, keep, fields); err != nil {
		return err
	}
	if err := s.rdb.HSetNX(ctx, s.runKey(r.Name), "started", ms(r.Begun)).Err(); err != nil {
		return fmt.Errorf("put down run %s: %w", r.Name, err)
	}
	return s.AddToRun(ctx, r.Name, r.Documents, keep)
}

// AddToRun puts down documents of a run, in place of what was known of them.
func (s *Store) AddToRun(ctx context.Context, name string, documents map[string]RunDocument, keep time.Duration) error {
	fields := make(map[string]any, min(len(documents), partsPage))
	for document, d := range documents {
		raw, err := json.Marshal(d)
		if err != nil {
			return fmt.Errorf("put down %s: %w", document, err)
		}
		if fields["/"+document] = raw; len(fields) == partsPage {
			if err := s.putRun(ctx, name, keep, fields); err != nil {
				return err
			}
			clear(fields)
		}
	}
	if len(fields) == 0 {
		return nil
	}
	return s.putRun(ctx, name, keep, fields)
}

// RemoveFromRun takes documents off a run, such as an archive that could not be opened and
// whose documents are there in its place.
func (s *Store) RemoveFromRun(ctx context.Context, name string, documents ...string) error {
	for some := range slices.Chunk(documents, partsPage) {
		fields := make([]string, len(some))
		for i, document := range some {
			fields[i] = "/" + document
		}
		if err := s.rdb.HDel(ctx, s.runKey(name), fields...).Err(); err != nil {
			return fmt.Errorf("take documents off run %s: %w", name, err)
		}
	}
	return nil
}

// EndRun puts down when the command that began a run last came to its end. A run that
// nobody has begun, or that is gone, is [ErrNotFound].
func (s *Store) EndRun(ctx context.Context, name string, ended time.Time, keep time.Duration) error {
	err := s.rdb.HGet(ctx, s.runKey(name), "begun").Err()
	switch {
	case errors.Is(err, redis.Nil):
		return fmt.Errorf("end run %.128s: %w", name, ErrNotFound)
	case err != nil:
		return fmt.Errorf("end run %s: %w", name, err)
	}
	return s.putRun(ctx, name, keep, map[string]any{"ended": ms(ended)})
}

// putRun writes fields of a run, which is kept for some time from now.
func (s *Store) putRun(ctx context.Context, name string, keep time.Duration, fields map[string]any) error {
	if err := jobs.CheckName("name", name); err != nil {
		return fmt.Errorf("put down a run: %w", err)
	}
	key, now := s.runKey(name), s.Now()
	_, err := s.rdb.Pipelined(ctx, func(p redis.Pipeliner) error {
		p.HSet(ctx, key, fields)
		p.Expire(ctx, key, keep)
		p.ZAdd(ctx, s.runsKey(), redis.Z{Score: float64(ms(now)), Member: name})
		p.ZRemRangeByScore(ctx, s.runsKey(), "-inf", strconv.FormatInt(ms(now.Add(-s.config.LedgerRetention)), 10))
		return nil
	})
	if err != nil {
		return fmt.Errorf("put down run %s: %w", name, err)
	}
	return nil
}

// Run returns what was put down of a run, with [ErrNotFound] where nothing is known.
func (s *Store) Run(ctx context.Context, name string) (Run, error) {
	fields, err := s.rdb.HGetAll(ctx, s.runKey(name)).Result()
	if err != nil {
		return Run{}, fmt.Errorf("read run %s: %w", name, err)
	}
	if len(fields) == 0 {
		return Run{}, fmt.Errorf("run %s: %w", name, ErrNotFound)
	}
	r := Run{
		Name: name, Started: readAt(fields["started"]), Begun: readAt(fields["begun"]), Ended: readAt(fields["ended"]), Out: fields["out"],
		Folders: foldersOf(fields), Documents: make(map[string]RunDocument),
	}
	for field, value := range fields {
		document, ok := strings.CutPrefix(field, "/")
		if !ok {
			continue
		}
		var d RunDocument
		if err := json.Unmarshal([]byte(value), &d); err != nil {
			return Run{}, fmt.Errorf("read run %s: document %s: %w", name, document, err)
		}
		r.Documents[document] = d
	}
	return r, nil
}

// folderField is what the fields begin with that name folders.
const folderField = "out:"

// foldersOf are the folders that the fields of a run name, the last one first. A run that
// an earlier version has put down has but one.
func foldersOf(fields map[string]string) []string {
	var folders []string
	if out := fields["out"]; out != "" {
		folders = append(folders, out)
	}
	others := make(map[string]time.Time)
	for field, value := range fields {
		if folder, ok := strings.CutPrefix(field, folderField); ok && folder != fields["out"] {
			others[folder] = readAt(value)
		}
	}
	return append(folders, slices.SortedFunc(maps.Keys(others), func(a, b string) int {
		return cmp.Or(others[b].Compare(others[a]), cmp.Compare(a, b))
	})...)
}

// Runs returns the names of the runs that were written to since a time, in their order.
func (s *Store) Runs(ctx context.Context, since time.Time) ([]string, error) {
	names, err := s.rdb.ZRangeByScore(ctx, s.runsKey(), &redis.ZRangeBy{Min: strconv.FormatInt(ms(since), 10), Max: "+inf"}).Result()
	if err != nil {
		return nil, fmt.Errorf("list runs: %w", err)
	}
	slices.Sort(names)
	return names, nil
}

func (s *Store) runsKey() string { return s.config.Prefix + ":{runs}:names" }

func (s *Store) runKey(name string) string { return s.config.Prefix + ":{runs}:run:" + name }
