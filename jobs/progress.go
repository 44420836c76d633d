package jobs

import (
	"encoding/json"
	"errors"
	"fmt"
	"strconv"
	"strings"
)

// Progress is an event of a streamed response, as far as it is worth showing: a
// piece of the answer or of the summary of its reasoning, an item that begins or
// ends, or a change of the response's status.
type Progress struct {
	Place

	// Type is OpenAI's, such as response.output_text.delta.
	Type string `json:"type"`
	// OutputIndex is the number of the item that it is about.
	OutputIndex int `json:"output_index"`
	// Item is the type of an item that begins or ends.
	Item string `json:"item,omitempty"`
	// Delta is the piece that is added.
	Delta string `json:"delta,omitempty"`
}

// Place is where an event stands in the progress of a job: the attempt whose response
// tells it, and its number there. Places grow, so whoever knows the last one that it
// has can go on behind it. The zero place is before the first.
type Place struct {
	Attempt  int   `json:"attempt"`
	Sequence int64 `json:"sequence_number"`
}

// String writes a place as [ParsePlace] reads it, such as 1-42.
func (p Place) String() string { return fmt.Sprintf("%d-%d", p.Attempt, p.Sequence) }

// Before reports whether an event comes before another.
func (p Place) Before(q Place) bool {
	return p.Attempt < q.Attempt || p.Attempt == q.Attempt && p.Sequence < q.Sequence
}

// ParsePlace reads a place.
func ParsePlace(text string) (Place, error) {
	attempt, sequence, _ := strings.Cut(text, "-")
	n, err := strconv.Atoi(attempt)
	if err == nil {
		var p Place
		if p.Sequence, err = strconv.ParseInt(sequence, 10, 64); err == nil && n >= 0 && p.Sequence >= 0 {
			p.Attempt = n
			return p, nil
		}
	}
	return Place{}, fmt.Errorf("%.40q is no place in the progress of a job, such as 1-42", text)
}

// The types of events that most callers want.
const (
	// TextDelta adds to the answer, ReasoningDelta to the summary of the reasoning.
	TextDelta      = "response.output_text.delta"
	ReasoningDelta = "response.reasoning_summary_text.delta"
)

// maxDelta is the longest piece that is shown. Pieces of text have some bytes; what
// is longer is data.
const maxDelta = 64 << 10

// ReadProgress reads an event of a stream. Shown is false for one that repeats what
// others have told, or tells nothing that can be shown; its number counts all the
// same. Ended says that the response has ended: nothing comes after this event.
func ReadProgress(attempt int, data []byte) (p Progress, shown, ended bool, err error) {
	var ev struct {
		Type        string `json:"type"`
		Sequence    *int64 `json:"sequence_number"`
		OutputIndex int    `json:"output_index"`
		Delta       string `json:"delta"`
		Item        struct {
			Type string `json:"type"`
		} `json:"item"`
		Response *struct {
			Status string `json:"status"`
		} `json:"response"`
	}
	err = json.Unmarshal(data, &ev)
	shape, odd := errors.AsType[*json.UnmarshalTypeError](err) // an event that we do not know may have anything in a field
	if err != nil && !odd {
		return Progress{}, false, false, syntaxError(err)
	}
	if ev.Sequence == nil || *ev.Sequence < 0 || odd && shape.Field == "sequence_number" {
		return Progress{}, false, false, fmt.Errorf("the event %.40q has no sequence_number", ev.Type)
	}
	p = Progress{
		Place: Place{Attempt: attempt, Sequence: *ev.Sequence}, Type: ev.Type,
		OutputIndex: ev.OutputIndex, Item: ev.Item.Type,
	}
	switch {
	case ev.Response != nil:
		shown, ended = true, Response{Status: ev.Response.Status}.Terminal()
	case strings.HasSuffix(ev.Type, ".delta") && !strings.HasPrefix(ev.Type, "response.audio."):
		p.Delta, shown = ev.Delta, ev.Delta != "" && len(ev.Delta) <= maxDelta
	case ev.Type == "response.output_item.added", ev.Type == "response.output_item.done":
		shown = true
	}
	return p, shown, ended, nil
}
