package results

import (
	"context"
	"crypto/rand"
	"encoding/json"
	"errors"
	"fmt"
	"strconv"
	"strings"
	"time"

	"github.com/redis/go-redis/v9"

	"github.com/longhaul-jobs/longhaul/jobs"
)

// keepBatch is how long the record of a batch that has ended is kept.
const keepBatch = 7 * 24 * time.Hour

// batches is where the keys about an endpoint's batches begin:
//
//	lines      hash    each line that waits for a batch or is in one: its bytes, the number of its batch
//	                   or 0, 1 if nobody wants its answer any more, and its model
//	models     set     the models for which lines wait
//	open:MODEL zset    the lines that wait, by since when, or from when on they may be sent again
//	seq        string  the number of the last batch
//	batches    zset    the numbers of the batches at work, by when they were made
//	batch:N    hash    record and version of one, how many lines and bytes it was made of, and how many of its
//	                   lines nobody wants; for a week after its end
//	members:N  zset    the lines that are in it
//	keeper     string  the worker that looks after the batches
func (s *Store) batches(endpoint string) base {
	return base(s.config.Prefix + ":{batches:" + endpoint + "}:")
}

// LineState is how the line of a batch stands.
type LineState string

// The states of a line.
const (
	LineGone   LineState = "gone"   // nobody knows it, or not any more
	LineOpen   LineState = "open"   // it waits for a batch
	LineUnsent LineState = "unsent" // it waited, and was dropped
	LineSent   LineState = "sent"   // it is in a batch
	LineLeft   LineState = "left"   // likewise, and nobody wants its answer any more
)

// AddLine has a request wait for a batch at an endpoint. Adding it again changes
// nothing.
func (s *Store) AddLine(ctx context.Context, endpoint, id, model string, bytes int) error {
	if err := s.run(ctx, s.scripts.lineAdd, s.batches(endpoint), id, model, bytes, even(s.Now())).Err(); err != nil {
		return fmt.Errorf("have %s wait for a batch: %w", id, err)
	}
	return nil
}

// DropLine says that nobody wants the answer to a line any more, and returns whether it
// was sent: [LineUnsent], [LineSent] or [LineGone].
func (s *Store) DropLine(ctx context.Context, endpoint, id string) (LineState, error) {
	state, err := s.run(ctx, s.scripts.lineDrop, s.batches(endpoint), id).Text()
	if err != nil {
		return "", fmt.Errorf("drop %s: %w", id, err)
	}
	return LineState(state), nil
}

// LineState returns how a line stands.
func (s *Store) LineState(ctx context.Context, endpoint, id string) (LineState, error) {
	text, err := s.rdb.HGet(ctx, string(s.batches(endpoint))+"lines", id).Result()
	switch {
	case errors.Is(err, redis.Nil):
		return LineGone, nil
	case err != nil:
		return "", fmt.Errorf("read %s: %w", id, err)
	}
	switch fields := strings.SplitN(text, " ", 4); {
	case len(fields) < 4 || fields[1] == "0":
		return LineOpen, nil
	case fields[2] == "1":
		return LineLeft, nil
	}
	return LineSent, nil
}

// OpenLines are the lines of a model that wait for a batch.
type OpenLines struct {
	Model string `json:"model"`
	Count int    `json:"count"`
	// Due are those of them that may be sent now.
	Due int `json:"due"`
	// Since is when the first of them came, or may be sent again.
	Since time.Time `json:"since"`
}

// OpenLines returns what waits for a batch at an endpoint.
func (s *Store) OpenLines(ctx context.Context, endpoint string) ([]OpenLines, error) {
	base := string(s.batches(endpoint))
	models, err := s.rdb.SMembers(ctx, base+"models").Result()
	if err != nil {
		return nil, fmt.Errorf("ask what waits for a batch: %w", err)
	}
	var waiting []OpenLines
	for _, model := range models {
		first, err := s.rdb.ZRangeWithScores(ctx, base+"open:"+model, 0, 0).Result()
		if err != nil {
			return nil, fmt.Errorf("ask what waits for a batch: %w", err)
		}
		count, err := s.rdb.ZCard(ctx, base+"open:"+model).Result()
		if err != nil {
			return nil, fmt.Errorf("ask what waits for a batch: %w", err)
		}
		due, err := s.rdb.ZCount(ctx, base+"open:"+model, "-inf", strconv.FormatInt(ms(s.Now()), 10)).Result()
		if err != nil {
			return nil, fmt.Errorf("ask what waits for a batch: %w", err)
		}
		if len(first) > 0 {
			waiting = append(waiting, OpenLines{Model: model, Count: int(count), Due: int(due), Since: time.UnixMilli(int64(first[0].Score))})
		}
	}
	return waiting, nil
}

// BatchStage is how far a batch has come here.
type BatchStage string

// The stages of a batch.
const (
	BatchFormed   BatchStage = "formed"   // its lines are chosen
	BatchUploaded BatchStage = "uploaded" // its file is at the provider
	BatchCreating BatchStage = "creating" // its create may have been sent
	BatchRunning  BatchStage = "running"  // the provider has it
	BatchDone     BatchStage = "done"     // every line of it has come to something
)

// Batch is the record of a batch at an endpoint.
type Batch struct {
	Number int64      `json:"number"`
	Stage  BatchStage `json:"stage"`
	Model  string     `json:"model"`
	Lines  int        `json:"lines"`
	Bytes  int        `json:"bytes"`
	Formed time.Time  `json:"formed"`
	// Mark is a name that no other batch has, of this installation or of another.
	Mark string `json:"mark"`
	// FileID is its file at the provider, BatchID and Status what the provider calls it.
	FileID  string           `json:"file_id,omitempty"`
	BatchID string           `json:"batch_id,omitempty"`
	Status  jobs.BatchStatus `json:"status,omitempty"`
	Counts  jobs.BatchCounts `json:"counts,omitzero"`
	// Creating is since when the create may have been sent.
	Creating time.Time `json:"creating,omitzero"`
	// Lost says that the answer to the create was lost, to whoever sent it; Stopped that
	// the provider was asked to cancel it.
	Lost    bool `json:"lost,omitempty"`
	Stopped bool `json:"stopped,omitempty"`
	// Due is when to see to it next, and Tries how often in a row that went wrong;
	// Problem is how, the last time.
	Due     time.Time `json:"due,omitzero"`
	Tries   int       `json:"tries,omitempty"`
	Problem string    `json:"problem,omitempty"`
	// NotFound is how many looks in a row did not find it at the provider, and Missing how
	// often answers were missing in its files.
	NotFound int `json:"not_found,omitempty"`
	Missing  int `json:"missing,omitempty"`
	// Answered, Again and Failed count its lines by what came of them: an answer, another
	// batch, or a failure.
	Answered int       `json:"answered,omitempty"`
	Again    int       `json:"again,omitempty"`
	Failed   int       `json:"failed,omitempty"`
	Ended    time.Time `json:"ended,omitzero"`
	// Unwanted is how many of its lines nobody wants any more: their jobs have ended, or
	// wait for another attempt. It is kept beside the record.
	Unwanted int `json:"unwanted,omitempty"`

	version int64
}

// formPage is how many lines come into a batch in one step: Redis does nothing else
// meanwhile.
const formPage = 1000

// FormBatch makes a batch of the lines of a model that wait for one, and returns false
// if none does. A crash in between leaves a smaller batch.
func (s *Store) FormBatch(ctx context.Context, endpoint, model string, maxLines, maxBytes int) (Batch, bool, error) {
	now := s.Now()
	b := Batch{Stage: BatchFormed, Model: model, Formed: now.UTC().Truncate(time.Millisecond), Mark: rand.Text()}
	record, err := json.Marshal(b)
	if err != nil {
		return Batch{}, false, fmt.Errorf("form a batch: %w", err)
	}
	for number := ""; ; number = strconv.FormatInt(b.Number, 10) {
		answer, err := s.run(ctx, s.scripts.batchForm, s.batches(endpoint), model, ms(now), maxLines, maxBytes, record, formPage, number, b.version).Int64Slice()
		switch {
		case err != nil && number != "":
			return b, true, nil // as it was before
		case err != nil:
			return Batch{}, false, fmt.Errorf("form a batch: %w", err)
		case answer[0] == 0:
			return b, number != "", nil
		}
		b.Number, b.Lines, b.Bytes, b.version = answer[0], int(answer[1]), int(answer[2]), answer[3]
		if answer[4] == 0 {
			return b, true, nil
		}
	}
}

// Batches returns the batches at work, the oldest first.
func (s *Store) Batches(ctx context.Context, endpoint string) ([]Batch, error) {
	numbers, err := s.rdb.ZRange(ctx, string(s.batches(endpoint))+"batches", 0, -1).Result()
	if err != nil {
		return nil, fmt.Errorf("list batches: %w", err)
	}
	all := make([]Batch, 0, len(numbers))
	for _, text := range numbers {
		n, err := strconv.ParseInt(text, 10, 64)
		if err != nil {
			continue
		}
		b, err := s.Batch(ctx, endpoint, n)
		if errors.Is(err, ErrNotFound) {
			continue
		}
		if err != nil {
			return nil, err
		}
		all = append(all, b)
	}
	return all, nil
}

// Batch returns a batch, for a week after its end, or [ErrNotFound].
func (s *Store) Batch(ctx context.Context, endpoint string, number int64) (Batch, error) {
	fields, err := s.rdb.HMGet(ctx, string(s.batches(endpoint))+"batch:"+strconv.FormatInt(number, 10), "record", "version", "unwanted", "lines", "bytes").Result()
	if err != nil {
		return Batch{}, fmt.Errorf("read batch %d: %w", number, err)
	}
	text := func(i int) string { s, _ := fields[i].(string); return s }
	record := text(0)
	if record == "" {
		return Batch{}, fmt.Errorf("batch %d: %w", number, ErrNotFound)
	}
	var b Batch
	if err := json.Unmarshal([]byte(record), &b); err != nil {
		return Batch{}, fmt.Errorf("read batch %d: %w", number, err)
	}
	b.Number, b.version, b.Unwanted = number, parseInt(text(1)), int(parseInt(text(2)))
	if b.Stage == BatchFormed {
		b.Lines, b.Bytes = int(parseInt(text(3))), int(parseInt(text(4)))
	}
	return b, nil
}

// BatchLines returns the lines that are in a batch, in the order of their ids.
func (s *Store) BatchLines(ctx context.Context, endpoint string, number int64) ([]string, error) {
	ids, err := s.rdb.ZRange(ctx, string(s.batches(endpoint))+"members:"+strconv.FormatInt(number, 10), 0, -1).Result()
	if err != nil {
		return nil, fmt.Errorf("read the lines of batch %d: %w", number, err)
	}
	return ids, nil
}

// StepBatch writes what became of a batch, and reports whether it was still as it was
// read: of two workers that go on with it one is first, and the other reads it anew.
func (s *Store) StepBatch(ctx context.Context, endpoint string, b Batch) (Batch, bool, error) {
	stored := b
	stored.Unwanted = 0
	record, err := json.Marshal(stored)
	if err != nil {
		return b, false, fmt.Errorf("record batch %d: %w", b.Number, err)
	}
	keep := ""
	if b.Stage == BatchDone {
		keep = strconv.FormatInt(keepBatch.Milliseconds(), 10)
	}
	version, err := s.run(ctx, s.scripts.batchStep, s.batches(endpoint), b.Number, b.version, record, keep).Int64()
	if err != nil {
		return b, false, fmt.Errorf("record batch %d: %w", b.Number, err)
	}
	if version == 0 {
		return b, false, nil
	}
	b.version = version
	return b, true, nil
}

// ErrBatchMoved says that another step of a batch came first.
var ErrBatchMoved = errors.New("another worker has gone on with it")

// leavePage is how many lines leave a batch in one step.
const leavePage = 1000

// LeaveBatch takes lines out of a batch: for good, or, with a time, to be in another one
// from then on. It returns how many are left, and [ErrBatchMoved] if the batch is not as it
// was read: whoever fell behind would have a line that was sent meanwhile be sent again.
func (s *Store) LeaveBatch(ctx context.Context, endpoint string, b Batch, again time.Time, ids ...string) (left int, err error) {
	for {
		page := ids[:min(len(ids), leavePage)]
		args := make([]any, 0, len(page)+3)
		args = append(args, b.Number, b.version, dueScore(again))
		for _, id := range page {
			args = append(args, id)
		}
		if left, err = s.run(ctx, s.scripts.lineLeave, s.batches(endpoint), args...).Int(); err != nil {
			return 0, fmt.Errorf("take lines out of batch %d: %w", b.Number, err)
		}
		if left < 0 {
			return 0, fmt.Errorf("take lines out of batch %d: %w", b.Number, ErrBatchMoved)
		}
		if ids = ids[len(page):]; len(ids) == 0 {
			return left, nil
		}
	}
}

// KeepBatches makes a worker the one that looks after the batches of an endpoint, for a
// while, and reports whether it is.
func (s *Store) KeepBatches(ctx context.Context, endpoint, worker string, lease time.Duration) (bool, error) {
	n, err := s.run(ctx, s.scripts.batchKeep, s.batches(endpoint), worker, lease.Milliseconds()).Int()
	if err != nil {
		return false, fmt.Errorf("look after batches: %w", err)
	}
	return n == 1, nil
}
