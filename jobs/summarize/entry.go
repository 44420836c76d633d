package summarize

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"

	"github.com/longhaul-jobs/longhaul/jobs"
)

// Status is how far a document has come, in the words for the states of a job.
type Status string

// The statuses that this package's callers record. Others are carried along.
const (
	// StatusPending: the document was found, and its request was not handed over yet.
	StatusPending Status = "pending"
	// StatusSubmitted: the request was handed over and has not ended.
	StatusSubmitted Status = "submitted"
	// StatusSucceeded: the summary is complete and its file is written.
	StatusSucceeded Status = "succeeded"
	// StatusIncomplete: the model stopped early; what it wrote may be kept.
	StatusIncomplete Status = "incomplete"
	// StatusFailed: there is no summary, and Error says why.
	StatusFailed Status = "failed"
	// StatusCancelled: the job was cancelled.
	StatusCancelled Status = "cancelled"
	// StatusExpired: the job's deadline passed.
	StatusExpired Status = "expired"
	// StatusHeld: the job is left to a person.
	StatusHeld Status = Status(jobs.StateUncertain)
)

// Open reports whether a document has yet to come to an end by itself.
func (s Status) Open() bool { return s == StatusPending || s == StatusSubmitted }

// Entry is a line of the manifest: how one document was summarized. Fields that
// this version does not know are kept, so an entry is best changed by taking
// [Folder.Entry], setting fields, and recording it.
type Entry struct {
	// Document is the path of the document; see [Source.Path].
	Document string `json:"document"`
	// Name is what people call the document: its title or file name.
	Name string `json:"name,omitempty"`
	// Fingerprint is that of the request; see [RequestFingerprint].
	Fingerprint string `json:"fingerprint"`
	// SHA256 is the [Document.Hash] of the text.
	SHA256 string `json:"sha256,omitempty"`
	// Model is the model that was asked.
	Model string `json:"model,omitempty"`
	// Status is how far the document has come.
	Status Status `json:"status"`
	// Output is the name of the summary's file in the folder.
	Output string `json:"output,omitempty"`
	// JobID leads to the job. ResponseID is of older runs, whose summaries were one response each.
	JobID      string `json:"job_id,omitempty"`
	ResponseID string `json:"response_id,omitempty"`
	// Requests is how many requests were made for it, those of earlier attempts and
	// runs included.
	Requests int `json:"requests,omitempty"`
	// InputTokens and OutputTokens are what the provider counted.
	InputTokens  int64 `json:"input_tokens,omitempty"`
	OutputTokens int64 `json:"output_tokens,omitempty"`
	// CachedTokens are those of the input that the prompt cache had, ReasoningTokens
	// those of the output that nobody reads.
	CachedTokens    int64 `json:"cached_tokens,omitempty"`
	ReasoningTokens int64 `json:"reasoning_tokens,omitempty"`
	// Cost is what the job has cost, nil if it is not known.
	Cost *jobs.Money `json:"cost_usd,omitempty"`
	// KnownCost is what is known of a cost that is not known as a whole, such as that of a
	// document whose first attempt the provider has said nothing of; else it is nil.
	KnownCost *jobs.Money `json:"known_cost_usd,omitempty"`
	// Note is a remark for readers of the summary.
	Note string `json:"note,omitempty"`
	// Gone says that the document was looked for where it was, and is not there.
	Gone bool `json:"gone,omitempty"`
	// Error is why there is no complete summary, of an open document why there was none
	// before.
	Error *EntryError `json:"error,omitempty"`
	// FinishedAt is when the job ended.
	FinishedAt time.Time `json:"finished_at,omitzero"`

	// extra holds the fields that this version does not know.
	extra map[string]json.RawMessage
}

// standInMark is what the fingerprints begin with of requests that a stand-in for a model
// has answered.
const standInMark = "stand-in:"

// StandInFingerprint is the [RequestFingerprint] of a request that a stand-in for a model
// answers: what it says must never count as what the model says.
func StandInFingerprint(request json.RawMessage) string {
	return standInMark + RequestFingerprint(request)
}

// StandIn reports whether a stand-in for a model has answered.
func (e Entry) StandIn() bool { return strings.HasPrefix(e.Fingerprint, standInMark) }

// EntryError is why a document has no complete summary.
type EntryError struct {
	// Class is the class of the failure.
	Class string `json:"class"`
	// Code tells failures of a class apart, "" for most; see [CodeInvalidAnswer].
	Code string `json:"code,omitempty"`
	// Message is for people.
	Message string `json:"message"`
}

// entryFields is Entry without its methods.
type entryFields Entry

// MarshalJSON writes the fields of the entry in their order and after them the
// unknown ones in alphabetical order, all on one line.
func (e Entry) MarshalJSON() ([]byte, error) {
	known, err := json.Marshal(entryFields(e))
	if err != nil || len(e.extra) == 0 {
		return known, err
	}
	var buf bytes.Buffer
	buf.Write(bytes.TrimSuffix(known, []byte("}")))
	for _, key := range slices.Sorted(maps.Keys(e.extra)) {
		name, err := json.Marshal(key)
		if err != nil {
			return nil, err
		}
		buf.WriteByte(',')
		buf.Write(name)
		buf.WriteByte(':')
		if err := json.Compact(&buf, e.extra[key]); err != nil {
			return nil, fmt.Errorf("field %s: %w", key, err)
		}
	}
	buf.WriteByte('}')
	return buf.Bytes(), nil
}

// UnmarshalJSON reads an entry and keeps the fields that it does not know.
func (e *Entry) UnmarshalJSON(data []byte) error {
	var fields entryFields
	if err := json.Unmarshal(data, &fields); err != nil {
		return err
	}
	if fields.Document == "" {
		return errors.New("a line of the manifest must name its document")
	}
	var extra map[string]json.RawMessage
	if err := json.Unmarshal(data, &extra); err != nil {
		return err
	}
	for _, key := range []string{
		"document", "name", "fingerprint", "sha256", "model", "status", "output", "job_id", "response_id", "requests", "note", "gone",
		"input_tokens", "output_tokens", "cached_tokens", "reasoning_tokens", "cost_usd", "known_cost_usd", "error", "finished_at",
	} {
		delete(extra, key)
	}
	if len(extra) > 0 {
		fields.extra = extra
	}
	*e = Entry(fields)
	return nil
}
