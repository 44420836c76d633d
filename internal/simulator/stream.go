package simulator

import (
	"context"
	"net/http"
	"strconv"
	"time"
)

// streamable is how long after its creation a response can be streamed again.
const streamable = 5 * time.Minute

// obfuscatedLength is the length to which deltas are padded.
const obfuscatedLength = 16

// The types of the events of a stream.
const (
	eventCreated    = "response.created"
	eventQueued     = "response.queued"
	eventInProgress = "response.in_progress"
	eventCompleted  = "response.completed"
	eventFailed     = "response.failed"
	eventIncomplete = "response.incomplete"
	eventItemAdded  = "response.output_item.added"
	eventItemDone   = "response.output_item.done"
	eventPartAdded  = "response.content_part.added"
	eventPartDone   = "response.content_part.done"
	eventTextDelta  = "response.output_text.delta"
	eventTextDone   = "response.output_text.done"
	eventCallDelta  = "response.function_call_arguments.delta"
	eventCallDone   = "response.function_call_arguments.done"
)

// reasoningItem stands in place of an event's output index for the item before the answer.
const reasoningItem = -1

// event is one event of a stream and the time at which it happens. A response's events follow
// from the response alone, so that a stream can be resumed without anything having been kept.
type event struct {
	kind  string
	at    int64
	index int    // of the output item
	delta string // the piece of text that a delta adds
}

// events lists the events of a response that is not cancelled.
func (r *record) events() []event {
	list := []event{{kind: eventCreated, at: r.created}}
	if r.background {
		list = append(list, event{kind: eventQueued, at: r.created})
	}
	list = append(list, event{kind: eventInProgress, at: r.runs})
	if r.ends == never {
		return list
	}
	if r.outcome == StatusFailed {
		return append(list, event{kind: eventFailed, at: r.ends})
	}
	index := 0
	if r.output.reasons {
		list = append(list, event{kind: eventItemAdded, at: r.runs, index: reasoningItem},
			event{kind: eventItemDone, at: r.runs, index: reasoningItem})
		index++
	}
	if r.output.hasMessage {
		list = r.appendAnswerEvents(list, index)
	}
	if r.outcome == StatusIncomplete {
		return append(list, event{kind: eventIncomplete, at: r.ends})
	}
	return append(list, event{kind: eventCompleted, at: r.ends})
}

// appendAnswerEvents spreads the pieces of the answer evenly over the time that it takes.
func (r *record) appendAnswerEvents(list []event, index int) []event {
	call := r.output.function != ""
	list = append(list, event{kind: eventItemAdded, at: r.runs, index: index})
	delta := eventCallDelta
	if !call {
		list = append(list, event{kind: eventPartAdded, at: r.runs, index: index})
		delta = eventTextDelta
	}
	pieces := splitPieces(r.output.text)
	for i, piece := range pieces {
		at := r.runs + (r.ends-r.runs)/int64(len(pieces)+1)*int64(i+1)
		list = append(list, event{kind: delta, at: at, index: index, delta: piece})
	}
	if call {
		list = append(list, event{kind: eventCallDone, at: r.ends, index: index})
	} else {
		list = append(list, event{kind: eventTextDone, at: r.ends, index: index}, event{kind: eventPartDone, at: r.ends, index: index})
	}
	return append(list, event{kind: eventItemDone, at: r.ends, index: index})
}

// splitPieces cuts a text into words with the space before them, which is about how tokens are.
func splitPieces(text string) []string {
	var pieces []string
	for start := 0; start < len(text); {
		end := start + 1
		for end < len(text) && text[end] != ' ' {
			end++
		}
		pieces = append(pieces, text[start:end])
		start = end
	}
	return pieces
}

// append appends the event with its sequence number as the lines of a server-sent event.
func (ev *event) append(dst []byte, v *view, sequence int, obfuscate bool) []byte {
	dst = append(append(dst, "event: "...), ev.kind...)
	dst = append(append(dst, "\ndata: {\"type\":\""...), ev.kind...)
	dst = appendInt(append(dst, `","sequence_number":`...), sequence)
	switch ev.kind {
	case eventCreated, eventQueued, eventInProgress, eventCompleted, eventFailed, eventIncomplete:
		dst = append(dst, `,"response":`...)
		dst = v.appendJSON(dst)
	default:
		dst = ev.appendItemMembers(dst, v, obfuscate)
	}
	return append(dst, "}\n\n"...)
}

// appendItemMembers appends the members of an event about an output item.
func (ev *event) appendItemMembers(dst []byte, v *view, obfuscate bool) []byte {
	dst = appendInt(append(dst, `,"output_index":`...), max(ev.index, 0))
	out := &v.output
	switch ev.kind {
	case eventItemAdded, eventItemDone:
		dst = append(dst, `,"item":`...)
		switch {
		case ev.index == reasoningItem:
			return out.appendReasoning(dst, v.id)
		case ev.kind == eventItemAdded:
			return out.appendAnswer(dst, v.id, "in_progress", "")
		}
		return out.appendAnswer(dst, v.id, out.itemStatus(), out.text)
	}
	dst = appendQuoted(append(dst, `,"item_id":`...), out.answerID(v.id))
	if out.function == "" {
		dst = append(dst, `,"content_index":0`...)
	}
	switch ev.kind {
	case eventPartAdded:
		dst = appendTextPart(append(dst, `,"part":`...), "")
	case eventPartDone:
		dst = appendTextPart(append(dst, `,"part":`...), out.text)
	case eventTextDone:
		dst = appendQuoted(append(dst, `,"logprobs":[],"text":`...), out.text)
	case eventCallDone:
		dst = appendQuoted(append(dst, `,"name":`...), out.function)
		dst = appendQuoted(append(dst, `,"arguments":`...), out.text)
	case eventTextDelta:
		dst = append(dst, `,"logprobs":[]`...)
		fallthrough
	default: // a delta
		dst = appendQuoted(append(dst, `,"delta":`...), ev.delta)
		if obfuscate {
			dst = appendQuoted(append(dst, `,"obfuscation":`...), padding(v.id, ev.delta))
		}
	}
	return dst
}

// padding hides the length of a delta from whoever can see only how much is sent.
func padding(id, delta string) string {
	n := obfuscatedLength - len(delta)%obfuscatedLength
	return id[len(id)-n:]
}

// streamNew answers a create with a stream. For a synchronous response, a caller who leaves ends
// the response; a background response goes on.
func (e *exchange) streamNew(ctx context.Context, r *record) {
	if !e.stream(ctx, r, 0, r.obfuscate) && !r.background {
		e.sim.store.abandon(r, time.Now())
	}
}

// streamAgain streams the events behind the one with the number after.
func (e *exchange) streamAgain(ctx context.Context, v view, after, obfuscation string) {
	from := 0
	if after != "" {
		n, err := strconv.Atoi(after)
		if err != nil || n < 0 {
			e.refuse(invalid("starting_after", "invalid_type",
				"Invalid type for 'starting_after': expected a non-negative integer, but got '%s' instead.", clip(after, 32)))
			return
		}
		from = n + 1
	}
	switch {
	case !v.background:
		e.refuse(invalid("stream", "", "This response cannot be streamed because it was not created with background=true."))
	case !v.stream:
		e.refuse(invalid("stream", "", "This response cannot be streamed because it was not created with stream=true."))
	case e.started.UnixNano()-v.created > int64(streamable), v.quirks != nil && v.quirks.streamRefuse:
		e.refuse(invalid("stream", "", "This response can no longer be streamed because it is more than 5 minutes old"))
	default:
		e.stream(ctx, v.record, from, obfuscation != "false")
	}
}

// stream sends a response's events from the given number on, each when it happens. It reports
// whether it came to the end of the response.
func (e *exchange) stream(ctx context.Context, r *record, from int, obfuscate bool) bool {
	e.identify()
	header := e.w.Header()
	header.Set("Content-Type", "text/event-stream; charset=utf-8")
	header.Set("Cache-Control", "no-cache")
	e.override()
	e.w.WriteHeader(http.StatusOK)
	flusher := http.NewResponseController(e.w)

	list := r.events()
	left := len(list) + 1 // one more than can be sent
	stalls := false
	if r.quirks != nil && r.quirks.streamCut > 0 {
		left = r.quirks.streamCut
	}
	if r.quirks != nil && r.quirks.streamStall > 0 {
		left, stalls = r.quirks.streamStall, true
	}
	next := 0
	for {
		now := time.Now()
		v, changed := e.sim.store.watch(r, now)
		until := now.UnixNano()
		if v.cancelled {
			until = v.ended
		}
		var out []byte
		for ; next < len(list) && list[next].at <= until && left > 0; next++ {
			if next >= from {
				out = list[next].append(out, v.during(list[next].kind), next, obfuscate)
				left--
			}
		}
		over := next == len(list) && r.ends != never || left == 0
		if v.cancelled && !over { // there is no event for cancelled: the last one is a failure
			if next >= from {
				out = (&event{kind: eventFailed}).append(out, &v, next, obfuscate)
			}
			over = true
		}
		if len(out) > 0 {
			_, _ = e.w.Write(out) // a client that has left shows in the context
		}
		if stalls && left == 0 {
			_ = flusher.Flush()
			_ = e.wait(ctx, time.Duration(never), nil)
			return false
		}
		if err := flusher.Flush(); err != nil && !over && ctx.Err() != nil {
			return false
		}
		if over {
			return true
		}
		wait := time.Duration(never)
		if next < len(list) {
			wait = time.Duration(list[next].at - now.UnixNano())
		}
		if e.wait(ctx, wait, changed) != nil {
			return false
		}
	}
}

// during returns the response as an event of the given kind shows it: events that are sent again
// later tell how things were then.
func (v *view) during(kind string) *view {
	past := *v
	switch kind {
	case eventCreated, eventQueued:
		past.status = StatusInProgress
		if v.background {
			past.status = StatusQueued
		}
	case eventInProgress:
		past.status = StatusInProgress
	}
	return &past
}
