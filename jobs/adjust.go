package jobs

import (
	"encoding/json"
	"strconv"
)

// apply sets in a request what the attempt asks for other than it does.
func (a *Adjustment) apply(o *object, history json.RawMessage) error {
	if a == nil {
		return nil
	}
	if a.ServiceTier != "" {
		o.set("service_tier", quote(a.ServiceTier))
	}
	if a.MaxOutputTokens > 0 {
		o.set("max_output_tokens", json.RawMessage(strconv.FormatInt(a.MaxOutputTokens, 10)))
	}
	if a.PreviousResponseID != "" {
		o.set("previous_response_id", quote(a.PreviousResponseID))
	}
	if a.History {
		return rebuild(o, history)
	}
	return nil
}

// rebuild replaces the reference to a previous response by the items that led to
// it. The items of the request itself come last, byte for byte.
func rebuild(o *object, history json.RawMessage) error {
	var items []json.RawMessage
	if err := json.Unmarshal(history, &items); err != nil || len(items) == 0 {
		return Invalid("history", "is not kept with the job; submit it again with its whole input")
	}
	own, err := inputItems(o.values["input"])
	if err != nil {
		return err
	}
	list := []byte{'['}
	for i, item := range append(items, own...) {
		if i > 0 {
			list = append(list, ',')
		}
		list = append(list, item...)
	}
	o.set("input", append(list, ']'))
	o.drop("previous_response_id")
	return nil
}

// inputItems is an input as a list of items: a text is a message of the user.
func inputItems(input json.RawMessage) ([]json.RawMessage, error) {
	if len(input) == 0 || isNull(input) {
		return nil, nil
	}
	var text string
	if json.Unmarshal(input, &text) == nil {
		return []json.RawMessage{json.RawMessage(`{"type":"message","role":"user","content":` + string(input) + `}`)}, nil
	}
	var items []json.RawMessage
	if err := json.Unmarshal(input, &items); err != nil {
		return nil, Invalid("input", "must be a string or a list of items")
	}
	return items, nil
}

// outputCap is the request's max_output_tokens, 0 if it has none.
func (r Request) outputCap() int64 {
	var fields struct {
		MaxOutputTokens int64 `json:"max_output_tokens"`
	}
	if json.Unmarshal(r.Raw, &fields) != nil {
		return 0 // a cap of another type is the provider's to refuse
	}
	return fields.MaxOutputTokens
}

// equal reports whether two attempts ask for the same.
func (a *Adjustment) equal(b *Adjustment) bool {
	return a == b || a != nil && b != nil && *a == *b
}

// adjusted returns what the next attempts ask for with a change made to it.
func (j Job) adjusted(change func(*Adjustment)) *Adjustment {
	var next Adjustment
	if j.Adjust != nil {
		next = *j.Adjust
	}
	change(&next)
	return &next
}

// outputCap is the cap of an attempt's output, 0 if none is known.
func (j Job) outputCap(a *Attempt) int64 {
	if a.Adjust != nil && a.Adjust.MaxOutputTokens > 0 {
		return a.Adjust.MaxOutputTokens
	}
	return j.OutputCap
}
