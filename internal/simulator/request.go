package simulator

import (
	"cmp"
	"encoding/json"
	"fmt"
	"maps"
	"math"
	"slices"
)

const minOutputTokens = 16

// request is a create that passed validation.
type request struct {
	model      model
	background bool
	stream     bool
	store      bool
	obfuscate  bool // pad stream deltas, as OpenAI does unless told not to
	truncate   bool // drop what does not fit instead of refusing it

	input     []inputItem
	rawInput  json.RawMessage
	previous  string
	metadata  metadata
	maxOutput int // tokens; 0 means no bound

	effort    string
	verbosity string
	format    outputFormat
	tools     []functionTool
	choice    toolChoice

	count       func(text string) int // of tokens
	inputTokens int                   // including those of the responses before this one
	carried     int                   // tokens of the responses before this one, which are billed again

	echo echo
}

// echo holds the parameters that a response repeats, as JSON; nil ones have their defaults.
type echo struct {
	instructions, temperature, topP, presencePenalty, frequencyPenalty json.RawMessage
	text, tools, toolChoice, cacheOptions                              json.RawMessage
	cacheKey, cacheRetention, safetyIdentifier, user, summary          string
	cacheMode, cacheTTL, serviceTier                                   string
	topLogprobs, maxToolCalls                                          int
	parallelToolCalls                                                  bool
}

// parseRequest validates the body of a create. The order of the checks is the API's: what is
// missing, what is unknown, types and bounds, then what the model cannot do. References to
// other responses are the caller's to check.
func parseRequest(b *body, set *settings) (*request, *apiError) {
	r := newReader(b.members)
	r.present()
	q := &request{rawInput: b.members["input"], metadata: b.metadata}
	name := r.text("model", maxInputText)
	q.readSchema(r, b.metadataFault)
	if err := r.err(); err != nil {
		return nil, err
	}
	m, ok := set.models.find(name)
	if !ok {
		return nil, errModelNotFound(name)
	}
	q.model = m
	if len(q.input) == 0 && q.previous == "" && isNull(b.members["prompt"]) && isNull(b.members["conversation"]) {
		return nil, invalid("", "missing_required_parameter",
			`One of "input" or "previous_response_id" or 'prompt' or 'conversation' must be provided.`)
	}
	if err := refuseReferences(r); err != nil {
		return nil, err
	}
	if err := q.checkModel(r); err != nil {
		return nil, err
	}
	q.count = tokensIn
	if set.ExactTokens {
		q.count = exactTokens
	}
	q.countInput()
	return q, nil
}

// present checks that the required parameters are there and that no unknown one is.
func (r *reader) present() {
	if raw, ok := r.members["model"]; !ok {
		r.fail(errMissingParameter("model"))
	} else if isNull(raw) { // null means absent everywhere but here, and is called an object
		r.fail(errInvalidType("model", "a string", []byte("{}")))
	}
	for _, name := range slices.Sorted(maps.Keys(r.members)) {
		if to := movedTo(name); to != "" {
			r.fail(errMoved(name, to))
		}
	}
	_, hasInput := r.members["input"]
	_, hasPrevious := r.members["previous_response_id"]
	_, hasPrompt := r.members["prompt"]
	_, hasConversation := r.members["conversation"]
	if !hasInput && !hasPrevious && !hasPrompt && !hasConversation {
		r.fail(errMissingParameter("input"))
	}
	r.only(parameters()...)
}

// readSchema reads every parameter but metadata, whose fault is known; faults stick to the reader.
func (q *request) readSchema(r *reader, metadataFault *apiError) {
	q.input = readInput(r)
	q.previous = r.text("previous_response_id", 256)
	r.object("prompt")
	r.object("moderation")
	readInclude(r)
	q.tools, q.echo.tools = readTools(r)
	q.choice, q.echo.toolChoice = readToolChoice(r)
	if metadataFault != nil {
		r.fail(metadataFault)
	}
	q.format, q.verbosity, q.echo.text = readText(r)
	q.echo.temperature = r.decimal("temperature", 0, 2)
	q.echo.topP = r.decimal("top_p", 0, 1)
	q.echo.presencePenalty = r.decimal("presence_penalty", -2, 2)
	q.echo.frequencyPenalty = r.decimal("frequency_penalty", -2, 2)
	q.echo.parallelToolCalls = r.boolean("parallel_tool_calls", true)
	q.stream = r.boolean("stream", false)
	q.obfuscate = true
	if options := r.object("stream_options"); options != nil {
		options.only("include_obfuscation")
		q.obfuscate = options.boolean("include_obfuscation", true)
		if !q.stream {
			r.fail(invalid("stream_options", "", "The 'stream_options' parameter is only allowed when 'stream' is enabled."))
		}
	}
	q.background = r.boolean("background", false)
	q.maxOutput = r.integer("max_output_tokens", minOutputTokens, math.MaxInt32)
	q.echo.maxToolCalls = r.integer("max_tool_calls", 1, math.MaxInt32)
	if reasoning := r.object("reasoning"); reasoning != nil {
		reasoning.only("effort", "summary", "context", "mode")
		q.effort = reasoning.enum("effort", "none", "minimal", "low", "medium", "high", "xhigh", "max")
		q.echo.summary = reasoning.enum("summary", "concise", "detailed", "auto")
		reasoning.enum("context", "auto", "current_turn", "all_turns")
		reasoning.text("mode", 64)
	}
	q.echo.user = r.text("user", 512)
	q.echo.safetyIdentifier = r.text("safety_identifier", 128)
	if options := r.object("prompt_cache_options"); options != nil {
		options.only("mode", "ttl", "prewarm", "comparison_response_id")
		q.echo.cacheMode = options.enum("mode", "implicit", "explicit")
		q.echo.cacheTTL = options.enum("ttl", "30m", "12h")
		q.echo.cacheOptions = fmt.Appendf(nil, `{"mode":%q,"ttl":%q}`, cmp.Or(q.echo.cacheMode, "implicit"), cmp.Or(q.echo.cacheTTL, "30m"))
	}
	q.echo.cacheKey = r.text("prompt_cache_key", 64)
	q.echo.cacheRetention = r.enum("prompt_cache_retention", "in_memory", "24h")
	q.truncate = r.enum("truncation", "auto", "disabled") == "auto"
	if r.text("instructions", maxInputText) != "" {
		q.echo.instructions = r.raw("instructions")
	}
	// Background responses may have store=false since 2026: the result is then kept for some ten
	// minutes only (OpenAI's guide to background mode, July 2026). Before, this was refused.
	q.store = r.boolean("store", true)
	q.echo.serviceTier = r.enum("service_tier", "auto", "default", "fast", "flex", "priority", "scale", "ultrafast")
	q.echo.topLogprobs = r.integer("top_logprobs", 0, 20)
	r.list("context_management", "an array of objects")
}

func readInclude(r *reader) {
	values := []string{
		"file_search_call.results", "web_search_call.results", "web_search_call.action.sources",
		"message.input_image.image_url", "computer_call_output.output.image_url", "code_interpreter_call.outputs",
		"reasoning.encrypted_content", "message.output_text.logprobs",
	}
	for i, element := range r.list("include", "an array of strings") {
		path := "include[" + string(appendInt(nil, i)) + "]"
		var value string
		if json.Unmarshal(element, &value) != nil {
			r.fail(errInvalidType(path, "a string", element))
		} else if !slices.Contains(values, value) {
			r.fail(errInvalidValue(path, value, values))
		}
	}
}

// refuseReferences answers for the objects that only OpenAI's servers could know.
func refuseReferences(r *reader) *apiError {
	if raw := r.raw("conversation"); raw != nil {
		var id string
		if json.Unmarshal(raw, &id) != nil {
			conversation := r.object("conversation")
			if conversation != nil {
				id = conversation.required("id")
			}
			if err := r.err(); err != nil {
				return err
			}
		}
		if r.raw("previous_response_id") != nil {
			return invalid("", "mutually_exclusive_parameters",
				"Mutually exclusive parameters: ''. Ensure you are only providing one of: 'pre..._id' or 'conversation'.")
		}
		return notFound("Conversation with id '%s' not found.", clip(id, 128))
	}
	if prompt := r.object("prompt"); prompt != nil {
		id := prompt.required("id")
		if err := r.err(); err != nil {
			return err
		}
		return notFound("Prompt with id '%s' not found.", clip(id, 128))
	}
	return nil
}

// checkModel refuses what the model does not support.
func (q *request) checkModel(r *reader) *apiError {
	if !q.model.reasoning {
		if q.effort != "" && q.effort != "none" {
			return errUnsupportedByModel("reasoning.effort")
		}
		return nil
	}
	for _, name := range []string{"temperature", "top_p", "presence_penalty", "frequency_penalty"} {
		neutral := "1"
		if name == "presence_penalty" || name == "frequency_penalty" {
			neutral = "0"
		}
		if raw := r.raw(name); raw != nil && string(raw) != neutral && string(raw) != neutral+".0" {
			return errUnsupportedByModel(name)
		}
	}
	if q.echo.topLogprobs > 0 {
		return invalid("top_logprobs", "unsupported_parameter", "logprobs are not supported with reasoning models.")
	}
	if q.effort == "" {
		q.effort = q.model.defaultEffort()
	} else if !q.model.supportsEffort(q.effort) {
		return invalid("reasoning.effort", "unsupported_value",
			"Unsupported value: '%s' is not supported with the '%s' model. Supported values are: %s.",
			q.effort, q.model.snapshot, quotedList(q.model.efforts(), "and"))
	}
	return nil
}

// countInput counts the tokens of everything the model would read.
func (q *request) countInput() {
	n := q.count(plain(q.echo.instructions)) + q.count(string(q.echo.tools)) + q.count(string(q.format.raw))
	for _, item := range q.input {
		n += item.tokens - tokensIn(item.text) + q.count(item.text)
	}
	q.inputTokens = n
}

// parameters are the parameters of a create.
func parameters() []string {
	return []string{
		"access_programs", "background", "context_management", "conversation", "frequency_penalty", "include",
		"input", "instructions", "max_output_tokens", "max_tool_calls", "metadata", "model", "moderation",
		"parallel_tool_calls", "presence_penalty", "previous_response_id", "prompt", "prompt_cache_key",
		"prompt_cache_options", "prompt_cache_retention", "reasoning", "safety_identifier", "service_tier", "store",
		"stream", "stream_options", "temperature", "text", "tool_choice", "tools", "top_logprobs", "top_p",
		"truncation", "user",
	}
}

// movedTo names the successor of a parameter of Chat Completions, or "" for other names.
func movedTo(name string) string {
	switch name {
	case "messages":
		return "input"
	case "max_completion_tokens":
		return "max_output_tokens"
	case "response_format":
		return "text.format"
	case "reasoning_effort":
		return "reasoning.effort"
	}
	return ""
}
