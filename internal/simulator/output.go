package simulator

import "encoding/json"

// Reasons for which a response ends incomplete.
const (
	reasonMaxTokens = "max_output_tokens"
	reasonFilter    = "content_filter"
)

// output is what the stand-in answers, as it will be once the response has ended.
type output struct {
	text       string // the message's text, or the arguments of a function call
	function   string // the function that is called; empty if the answer is a message
	reasons    bool   // a reasoning item comes first
	cut        bool   // it is not whole: the response ends incomplete
	filtered   bool   // it was cut for what it says, and not by max_output_tokens
	tokens     int    // including those for reasoning
	reasoning  int
	hasMessage bool // false if reasoning used up all tokens
	count      func(text string) int
}

// newOutput bounds an answer by the request's max_output_tokens.
func newOutput(q *request, text, function string) output {
	out := output{text: text, function: function, hasMessage: true, reasoning: reasoningTokens(q.effort), count: q.count}
	out.reasons = out.reasoning > 0
	if limit := q.maxOutput; limit > 0 {
		if out.reasoning >= limit {
			out.reasoning, out.text, out.cut, out.hasMessage = limit, "", true, false
		} else if rest := limit - out.reasoning; tokensOf(len(text)) > rest {
			out.text, out.cut = cutToTokens(text, rest), true
		}
	}
	out.recount()
	return out
}

func (o *output) recount() { o.tokens = o.reasoning + o.count(o.text) }

// halve cuts an answer in the middle, for the given reason.
func (o *output) halve(reason string) {
	o.text = cutToTokens(o.text, tokensOf(len(o.text))/2)
	o.cut, o.filtered = true, reason == reasonFilter
	o.recount()
}

// The ways in which an answer is spoiled.
const (
	answerCut       = "cut"
	answerMisshapen = "misshapen"
)

// spoil has an answer be what it should not be, without saying so.
func (o *output) spoil(how string) {
	switch how {
	case answerCut:
		o.text = cutToTokens(o.text, tokensOf(len(o.text))/2)
	case answerMisshapen:
		n := &node{kind: objectNode}
		if json.Valid([]byte(o.text)) {
			n = parseNode(json.RawMessage(o.text))
		}
		if last := len(n.keys) - 1; last >= 0 {
			n.keys = n.keys[:last]
		}
		o.text = string(n.appendJSON(nil))
	}
	o.recount()
}

// reason is why an answer that is cut is.
func (o *output) reason() string {
	if o.filtered {
		return reasonFilter
	}
	return reasonMaxTokens
}

// outcome is the status the response ends in if nothing goes wrong.
func (o *output) outcome() Status {
	if o.cut {
		return StatusIncomplete
	}
	return StatusCompleted
}

// appendItems appends the elements of the response's output array.
func (o *output) appendItems(dst []byte, responseID string) []byte {
	if o.reasons {
		dst = o.appendReasoning(dst, responseID)
		if o.hasMessage {
			dst = append(dst, ',')
		}
	}
	if o.hasMessage {
		dst = o.appendAnswer(dst, responseID, o.itemStatus(), o.text)
	}
	return dst
}

func (o *output) itemStatus() string {
	if o.cut {
		return "incomplete"
	}
	return "completed"
}

func (o *output) appendReasoning(dst []byte, responseID string) []byte {
	dst = appendQuoted(append(dst, `{"id":`...), itemID("rs_", responseID))
	return append(dst, `,"type":"reasoning","summary":[]}`...)
}

// appendAnswer appends the message or function call with the given status and text, which
// streams need in its unfinished states too.
func (o *output) appendAnswer(dst []byte, responseID, status, text string) []byte {
	if o.function != "" {
		dst = appendQuoted(append(dst, `{"id":`...), itemID("fc_", responseID))
		dst = append(dst, `,"type":"function_call","status":"`...)
		dst = append(dst, status...)
		dst = appendQuoted(append(dst, `","arguments":`...), text)
		dst = appendQuoted(append(dst, `,"call_id":`...), callID(responseID))
		dst = appendQuoted(append(dst, `,"name":`...), o.function)
		return append(dst, '}')
	}
	dst = appendQuoted(append(dst, `{"id":`...), itemID("msg_", responseID))
	dst = append(dst, `,"type":"message","status":"`...)
	dst = append(dst, status...)
	dst = append(dst, `","role":"assistant","content":[`...)
	if status != "in_progress" {
		dst = appendTextPart(dst, text)
	}
	return append(dst, "]}"...)
}

// answerID is the id of the message or function call.
func (o *output) answerID(responseID string) string {
	if o.function != "" {
		return itemID("fc_", responseID)
	}
	return itemID("msg_", responseID)
}

func appendTextPart(dst []byte, text string) []byte {
	dst = append(dst, `{"type":"output_text","annotations":[],"logprobs":[],"text":`...)
	return append(appendQuoted(dst, text), '}')
}

// usage is what a response costs.
type usage struct {
	input, cached, written, output, reasoning int

	long bool // what was written is kept for twelve hours
}

func (u usage) appendJSON(dst []byte) []byte {
	dst = appendInt(append(dst, `{"input_tokens":`...), u.input)
	dst = appendInt(append(dst, `,"input_tokens_details":{"cached_tokens":`...), u.cached)
	dst = appendInt(append(dst, `,"cache_write_tokens":`...), u.written)
	if u.written > 0 {
		usual, long := u.written, 0
		if u.long {
			usual, long = 0, u.written
		}
		dst = appendInt(append(dst, `,"cache_write_tokens_details":{"ttl_30m_tokens":`...), usual)
		dst = append(appendInt(append(dst, `,"ttl_12h_tokens":`...), long), '}')
	}
	dst = appendInt(append(dst, `},"output_tokens":`...), u.output)
	dst = appendInt(append(dst, `,"output_tokens_details":{"reasoning_tokens":`...), u.reasoning)
	dst = appendInt(append(dst, `},"total_tokens":`...), u.input+u.output)
	return append(dst, '}')
}

// failure is the error of a response that ends failed.
type failure struct {
	Code    string `json:"code"`
	Message string `json:"message"`
}

func (f failure) appendJSON(dst []byte) []byte {
	dst = appendQuoted(append(dst, `{"code":`...), f.Code)
	dst = appendQuoted(append(dst, `,"message":`...), f.Message)
	return append(dst, '}')
}

// appendEcho appends the members of a response that only repeat the request, each with a comma
// before it.
func (q *request) appendEcho(dst []byte) []byte {
	e := &q.echo
	dst = appendRaw(appendMember(dst, "instructions"), e.instructions, "null")
	dst = appendCount(appendMember(dst, "max_output_tokens"), q.maxOutput)
	dst = appendCount(appendMember(dst, "max_tool_calls"), e.maxToolCalls)
	dst = appendQuoted(appendMember(dst, "model"), q.model.snapshot)
	dst = appendBool(appendMember(dst, "parallel_tool_calls"), e.parallelToolCalls)
	dst = appendRaw(appendMember(dst, "presence_penalty"), e.presencePenalty, "0")
	dst = appendRaw(appendMember(dst, "frequency_penalty"), e.frequencyPenalty, "0")
	dst = appendNullable(appendMember(dst, "previous_response_id"), q.previous)
	dst = appendNullable(appendMember(dst, "prompt_cache_key"), e.cacheKey)
	if len(e.cacheOptions) > 0 {
		dst = append(appendMember(dst, "prompt_cache_options"), e.cacheOptions...)
	}
	dst = appendNullable(appendMember(dst, "prompt_cache_retention"), e.cacheRetention)
	dst = appendNullable(append(appendMember(dst, "reasoning"), `{"effort":`...), q.effort)
	dst = append(appendNullable(append(dst, `,"summary":`...), e.summary), '}')
	dst = appendNullable(appendMember(dst, "safety_identifier"), e.safetyIdentifier)
	dst = appendQuoted(appendMember(dst, "service_tier"), servedTier(e.serviceTier))
	dst = appendBool(appendMember(dst, "store"), q.store)
	dst = appendRaw(appendMember(dst, "temperature"), e.temperature, "1")
	dst = appendRaw(appendMember(dst, "text"), e.text, `{"format":{"type":"text"},"verbosity":"medium"}`)
	dst = appendRaw(appendMember(dst, "tool_choice"), e.toolChoice, `"auto"`)
	dst = appendRaw(appendMember(dst, "tools"), e.tools, "[]")
	dst = appendInt(appendMember(dst, "top_logprobs"), e.topLogprobs)
	dst = appendRaw(appendMember(dst, "top_p"), e.topP, "1")
	if q.truncate {
		dst = append(dst, `,"truncation":"auto"`...)
	} else {
		dst = append(dst, `,"truncation":"disabled"`...)
	}
	return appendNullable(appendMember(dst, "user"), e.user)
}

// servedTier is the tier that a request is served with, which a response reports in place of the
// one that was asked for.
func servedTier(asked string) string {
	switch asked {
	case "", "auto":
		return "default"
	case "fast":
		return "priority"
	}
	return asked
}

// appendCount appends n, or null if it is 0.
func appendCount(dst []byte, n int) []byte {
	if n == 0 {
		return append(dst, "null"...)
	}
	return appendInt(dst, n)
}

func appendBool(dst []byte, b bool) []byte {
	if b {
		return append(dst, "true"...)
	}
	return append(dst, "false"...)
}
