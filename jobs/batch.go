package jobs

import (
	"encoding/json"
	"errors"
	"time"
)

// Bounds of OpenAI's Batch API (https://platform.openai.com/docs/guides/batch).
const (
	// MaxBatchLines is how many requests one batch may have.
	MaxBatchLines = 50_000
	// MaxBatchBytes is how large the file of them may be.
	MaxBatchBytes = 200 << 20
	// BatchWindow is the time within which a batch is carried out, or expires.
	BatchWindow = 24 * time.Hour
)

// BatchStatus is where a batch of the provider's stands. One that this build does not
// know is taken for "not ended yet", as with responses.
type BatchStatus string

// The statuses in which a batch has ended.
const (
	BatchFailed    BatchStatus = "failed" // its file cannot be carried out; no line was
	BatchCompleted BatchStatus = "completed"
	BatchExpired   BatchStatus = "expired" // some lines were not carried out in time
	BatchCancelled BatchStatus = "cancelled"
)

// Batch is a file of requests that the provider carries out within a day, at a lower
// price.
type Batch struct {
	ID           string            `json:"id"`
	Status       BatchStatus       `json:"status"`
	InputFileID  string            `json:"input_file_id"`
	OutputFileID string            `json:"output_file_id"` // "" while there is none
	ErrorFileID  string            `json:"error_file_id"`
	CreatedAt    int64             `json:"created_at"` // Unix seconds
	Counts       BatchCounts       `json:"request_counts"`
	Errors       BatchFaults       `json:"errors"`
	Metadata     map[string]string `json:"metadata"`

	Raw json.RawMessage `json:"-"`
}

// BatchCounts says how many lines of a batch have ended, and how.
type BatchCounts struct {
	Total     int `json:"total"`
	Completed int `json:"completed"`
	Failed    int `json:"failed"`
}

// BatchFaults is what is wrong with the file of a batch that failed.
type BatchFaults struct {
	Data []BatchFault `json:"data"`
}

// BatchFault is one thing that is wrong with the file of a batch.
type BatchFault struct {
	Code    string `json:"code"`
	Message string `json:"message"`
	Param   string `json:"param"`
	Line    int    `json:"line"` // from 1; 0 for the file as a whole
}

// ParseBatch reads a batch object. One without an id or a status is an error.
func ParseBatch(raw []byte) (Batch, error) {
	var b Batch
	err := json.Unmarshal(raw, &b)
	if _, shape := errors.AsType[*json.UnmarshalTypeError](err); err != nil && !shape {
		return Batch{}, syntaxError(err)
	}
	if b.ID == "" || b.Status == "" {
		return Batch{}, errors.New("has no id or no status: not a batch object")
	}
	b.Raw = raw
	return b, nil
}

// Terminal reports whether the batch has ended.
func (b Batch) Terminal() bool {
	switch b.Status {
	case BatchFailed, BatchCompleted, BatchExpired, BatchCancelled:
		return true
	}
	return false
}

// BatchAnswer is what came of one line of a batch: a reply or a failure.
type BatchAnswer struct {
	// CustomID is the line's own name.
	CustomID string
	// Reply is the response that the provider made, nil if it made none.
	Reply *Reply
	// Failure is why it made none.
	Failure *Failure
}
