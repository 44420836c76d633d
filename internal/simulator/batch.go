package simulator

import (
	"bytes"
	"encoding/json"
	"fmt"
	"time"
)

// batchWindow is the time within which a batch is carried out, the only one there is.
const (
	batchWindow     = "24h"
	batchWindowTime = 24 * time.Hour
)

// batch is a file of requests on its way. As with a response, where it stands is computed from
// times whenever somebody looks.
//
//	created ── validating ──► started ── in_progress ──► finalizing ──► ended: completed, expired
//	                            └── failed                └── cancelling ──► cancelled
//
// The mutex of the batches guards what can change: the cancel, and the files that it has at its
// end. The lives of its lines are guarded by the store's, as those of all responses.
type batch struct {
	id, project, inputFile, model string
	metadata                      metadata
	keep                          time.Duration // the files that it writes
	lines                         []*batchLine
	faults                        []batchFault
	tokens                        int  // of all its lines
	expires                       bool // before all lines are done

	// In Unix nanoseconds.
	created, started, finalizing, ended int64
	cancelled, stopped                  int64 // when that was asked for, and when the last line at work then is done

	output, errors *file
}

// batchStatus is where a batch stands.
type batchStatus string

// The statuses of a batch.
const (
	batchValidating batchStatus = "validating"
	batchFailed     batchStatus = "failed"
	batchInProgress batchStatus = "in_progress"
	batchFinalizing batchStatus = "finalizing"
	batchCompleted  batchStatus = "completed"
	batchExpired    batchStatus = "expired"
	batchCancelling batchStatus = "cancelling"
	batchCancelled  batchStatus = "cancelled"
)

func (b *batch) status(now int64) batchStatus {
	switch {
	case b.cancelled != 0 && now >= b.stopped:
		return batchCancelled
	case b.cancelled != 0:
		return batchCancelling
	case now < b.started:
		return batchValidating
	case len(b.faults) > 0:
		return batchFailed
	case now < b.finalizing:
		return batchInProgress
	case now < b.ended:
		return batchFinalizing
	case b.expires:
		return batchExpired
	}
	return batchCompleted
}

// open reports whether the batch has not ended.
func (s batchStatus) open() bool {
	switch s {
	case batchValidating, batchInProgress, batchFinalizing, batchCancelling:
		return true
	case batchFailed, batchCompleted, batchExpired, batchCancelled:
	}
	return false
}

// stop cancels an open batch: lines that are at work are done, the others never are. The store's
// mutex must be held.
func (b *batch) stopLocked(now int64) {
	b.cancelled, b.stopped = now, now
	if now < b.started {
		b.started = now
	}
	for _, line := range b.lines {
		switch {
		case line.ends <= now:
		case line.record != nil && line.record.runs <= now && line.ends != never:
			b.stopped = max(b.stopped, line.ends)
		default:
			if line.record != nil {
				line.record.cancel(now)
			}
			line.ends = never
		}
	}
}

// write returns the two files of a batch that has ended: of what was answered well, and of the
// rest; nil where one would be empty. The store's mutex must be held.
func (b *batch) writeLocked(now int64) (output, errors []byte) {
	undone := batchError{"batch_expired", "This request could not be executed before the completion window expired."}
	if b.cancelled != 0 {
		undone = batchError{"batch_cancelled", "This request was not executed because the batch was cancelled."}
	}
	var files [2]bytes.Buffer
	for _, line := range b.lines {
		to := &files[1]
		if line.done(now) && line.refused == nil {
			to = &files[0]
		}
		raw, err := json.Marshal(line.answer(now, undone))
		if err != nil {
			panic(fmt.Sprintf("simulator: encode the answer to a line: %v", err))
		}
		to.Write(append(raw, '\n'))
	}
	return files[0].Bytes(), files[1].Bytes()
}

// batchObject is a batch as the API shows it.
type batchObject struct {
	ID               string          `json:"id"`
	Object           string          `json:"object"`
	Endpoint         string          `json:"endpoint"`
	Model            *string         `json:"model"`
	Errors           *batchFaults    `json:"errors"`
	InputFileID      string          `json:"input_file_id"`
	CompletionWindow string          `json:"completion_window"`
	Status           batchStatus     `json:"status"`
	OutputFileID     *string         `json:"output_file_id"`
	ErrorFileID      *string         `json:"error_file_id"`
	CreatedAt        int64           `json:"created_at"`
	InProgressAt     *int64          `json:"in_progress_at"`
	ExpiresAt        int64           `json:"expires_at"`
	FinalizingAt     *int64          `json:"finalizing_at"`
	CompletedAt      *int64          `json:"completed_at"`
	FailedAt         *int64          `json:"failed_at"`
	ExpiredAt        *int64          `json:"expired_at"`
	CancellingAt     *int64          `json:"cancelling_at"`
	CancelledAt      *int64          `json:"cancelled_at"`
	RequestCounts    batchCounts     `json:"request_counts"`
	Usage            *batchUsage     `json:"usage"`
	Metadata         json.RawMessage `json:"metadata"`
}

type batchFaults struct {
	Object string       `json:"object"`
	Data   []batchFault `json:"data"`
}

type batchCounts struct {
	Total     int `json:"total"`
	Completed int `json:"completed"`
	Failed    int `json:"failed"`
}

type batchUsage struct {
	InputTokens        int            `json:"input_tokens"`
	InputTokensDetails map[string]int `json:"input_tokens_details"`
	OutputTokens       int            `json:"output_tokens"`
	OutputDetails      map[string]int `json:"output_tokens_details"`
	TotalTokens        int            `json:"total_tokens"`
}

// object is the batch as it looks at the given time. The store's mutex must be held.
func (b *batch) objectLocked(now int64) batchObject {
	status := b.status(now)
	o := batchObject{
		ID: b.id, Object: "batch", Endpoint: batchEndpoint, InputFileID: b.inputFile, CompletionWindow: batchWindow,
		Status: status, CreatedAt: seconds(b.created), ExpiresAt: seconds(b.created) + int64(batchWindowTime/time.Second), Metadata: b.metadata.appendJSON(nil),
	}
	if b.model != "" {
		o.Model = &b.model
	}
	since := func(at int64) *int64 {
		if at == 0 || at > now {
			return nil
		}
		return new(seconds(at))
	}
	if status == batchFailed {
		o.FailedAt, o.Errors = since(b.started), &batchFaults{"list", b.faults}
		return o
	}
	o.CancellingAt = since(b.cancelled)
	switch status {
	case batchCancelled:
		o.CancelledAt = since(b.stopped)
	case batchCompleted:
		o.FinalizingAt, o.CompletedAt = since(b.finalizing), since(b.ended)
	case batchExpired:
		o.FinalizingAt, o.ExpiredAt = since(b.finalizing), since(b.ended)
	case batchFinalizing:
		o.FinalizingAt = since(b.finalizing)
	case batchValidating, batchFailed, batchInProgress, batchCancelling:
	}
	if status != batchValidating {
		o.InProgressAt = since(b.started)
		o.RequestCounts, o.Usage = b.countLocked(now)
	}
	if b.output != nil {
		o.OutputFileID = &b.output.id
	}
	if b.errors != nil {
		o.ErrorFileID = &b.errors.id
	}
	return o
}

// count says how many lines were done by the given time, and what they have used.
func (b *batch) countLocked(now int64) (batchCounts, *batchUsage) {
	counts := batchCounts{Total: len(b.lines)}
	var cached, reasoning int
	u := &batchUsage{}
	for _, line := range b.lines {
		switch {
		case !line.done(now):
		case line.refused != nil:
			counts.Failed++
		default:
			counts.Completed++
			input, output := line.record.tokens(now)
			u.InputTokens, u.OutputTokens = u.InputTokens+input, u.OutputTokens+output
			if input > 0 {
				cached += int(line.record.cachedTokens)
				reasoning += line.record.output.reasoning
			}
		}
	}
	u.TotalTokens = u.InputTokens + u.OutputTokens
	u.InputTokensDetails = map[string]int{"cached_tokens": cached}
	u.OutputDetails = map[string]int{"reasoning_tokens": reasoning}
	return counts, u
}

func seconds(nanoseconds int64) int64 { return nanoseconds / int64(time.Second) }
