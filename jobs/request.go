package jobs

import (
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"
	"unicode/utf8"
)

// DefaultMaxRequestBytes is the largest request accepted unless configured
// otherwise: OpenAI refuses bodies far smaller than this one allows.
const DefaultMaxRequestBytes = 32 << 20

// Limits of OpenAI's metadata, of which Longhaul keeps two pairs for itself.
const (
	maxMetadataPairs = 14
	maxMetadataKey   = 64
	maxMetadataValue = 512
)

// Bounds of what a record keeps of a request, which is shown in tables and read with each
// look. The names of fine-tuned models have some hundred characters, and OpenAI's include
// is a list of some words.
const (
	maxModelName = 256
	maxInclude   = 4 << 10 // bytes
)

// Request is the body of POST /v1/responses that a job carries: the caller's
// own JSON, checked at the door, with fields we do not know left as they are.
type Request struct {
	// Raw is the body, with its model set. It is never rewritten.
	Raw json.RawMessage
	// Model is the request's model.
	Model string
	// History are the items to send instead of previous_response_id when that is
	// lost; nil for most requests.
	History json.RawMessage
	// CacheKey is the prompt_cache_key to send where the request has none, "" for none.
	CacheKey string
	// Kind is that of the job, "" for a response. The request of a parent is no body of
	// a create, but what its planner reads; see [ParseParent].
	Kind Kind
}

// ParseRequest checks raw and returns it as a request. Without a model the
// request gets defaultModel. The error is an [*Error] of class invalid whose
// Param names the field and whose Message says what to write instead.
func ParseRequest(raw []byte, defaultModel string) (Request, error) {
	if err := checkText(raw); err != nil {
		return Request{}, err
	}
	o, err := parseObject(raw)
	if err != nil {
		return Request{}, Invalid("request", "%s", err.Error())
	}
	if err := refuseChat(o); err != nil {
		return Request{}, err
	}
	if err := refuseOurs(o); err != nil {
		return Request{}, err
	}
	if err := checkInput(o); err != nil {
		return Request{}, err
	}
	if err := checkMetadata(o); err != nil {
		return Request{}, err
	}
	if n := len(o.values["include"]); n > maxInclude {
		return Request{}, Invalid("include", "has %d bytes; at most %d are accepted", n, maxInclude)
	}
	model, err := stringField(o, "model")
	if err != nil {
		return Request{}, err
	}
	if model == "" {
		if _, given := o.values["model"]; given {
			return Request{}, Invalid("model", "must be a non-empty string; leave it out for the default, %s", defaultModel)
		}
		model = defaultModel
		o.set("model", quote(model))
		raw = o.encode()
	}
	if err := checkModel(model); err != nil {
		return Request{}, err
	}
	return Request{Raw: raw, Model: model}, nil
}

// byteOrderMark is what some editors put before a text; JSON has none.
const byteOrderMark = "\ufeff"

// checkText refuses a request that is no UTF-8, and says where it is not.
func checkText(raw []byte) error {
	switch {
	case bytes.HasPrefix(raw, []byte(byteOrderMark)):
		return Invalid("request", "begins with a byte order mark; leave these three bytes out")
	case bytes.HasPrefix(raw, []byte("\xff\xfe")), bytes.HasPrefix(raw, []byte("\xfe\xff")):
		return Invalid("request", "is not valid UTF-8: it begins as UTF-16 does; write it in UTF-8")
	}
	if utf8.Valid(raw) { // many times faster than to look for the place
		return nil
	}
	for at := 0; at < len(raw); {
		r, size := utf8.DecodeRune(raw[at:])
		if r == utf8.RuneError && size == 1 {
			return Invalid("request", "is not valid UTF-8 at byte %d", at+1)
		}
		at += size
	}
	return nil
}

// checkModel refuses what is too long to name a model.
func checkModel(model string) error {
	if n := utf8.RuneCountInString(model); n > maxModelName {
		return Invalid("model", "has %d characters; the name of a model has at most %d", n, maxModelName)
	}
	return nil
}

// Body is what is sent for one attempt: the request as it is, in the
// background, stored, marked with the job and the attempt, with the key of its
// prompt's beginning, and with what is adjusted for this attempt; nil adjusts nothing.
func (r Request) Body(job ID, attempt int, adjust *Adjustment) (json.RawMessage, error) {
	o, err := parseObject(r.Raw)
	if err != nil {
		return nil, Invalid("request", "%s", err.Error())
	}
	if err := adjust.apply(&o, r.History); err != nil {
		return nil, err
	}
	metadata := object{values: make(map[string]json.RawMessage)}
	if o.has("metadata") {
		if metadata, err = parseObject(o.values["metadata"]); err != nil {
			return nil, Invalid("metadata", "%s", err.Error())
		}
	}
	metadata.set(MetadataJob, quote(string(job)))
	metadata.set(MetadataAttempt, quote(strconv.Itoa(attempt)))
	o.set("metadata", metadata.encode())
	if r.CacheKey != "" && !o.has("prompt_cache_key") {
		o.set("prompt_cache_key", quote(r.CacheKey))
	}
	o.set("background", json.RawMessage("true"))
	o.set("store", json.RawMessage("true"))
	o.drop("stream")
	return o.encode(), nil
}

// Streamed is a body that asks for the response to be streamed as well.
func Streamed(body json.RawMessage) (json.RawMessage, error) {
	o, err := parseObject(body)
	if err != nil {
		return nil, Invalid("request", "%s", err.Error())
	}
	o.set("stream", json.RawMessage("true"))
	return o.encode(), nil
}

// deadline is that of a job with the request which names none.
func (r Request) deadline() time.Duration {
	if Batched(r.Raw) {
		return DefaultBatchDeadline
	}
	return DefaultDeadline
}

// Digest is the hash that tells whether two requests are the same, byte for
// byte: the hexadecimal SHA-256 of the body.
func (r Request) Digest() string {
	sum := sha256.Sum256(r.Raw)
	return hex.EncodeToString(sum[:])
}

// Includes returns the request's include list: it is also a parameter of GET,
// and without it the looked-at object lacks what was asked for.
func (r Request) Includes() []string {
	o, err := parseObject(r.Raw)
	if err != nil {
		return nil
	}
	var include []string
	if err := json.Unmarshal(o.values["include"], &include); err != nil {
		return nil // a malformed list is the provider's to refuse
	}
	return include
}

// effort is the request's reasoning.effort, "" for the model's own.
func (r Request) effort() string {
	var body struct {
		Reasoning struct {
			Effort string `json:"effort"`
		} `json:"reasoning"`
	}
	if json.Unmarshal(r.Raw, &body) != nil || !ValidName(body.Reasoning.Effort) {
		return "" // of another shape, which is the provider's to refuse
	}
	return body.Reasoning.Effort
}

// refuseChat names the field that replaces each one of Chat Completions.
func refuseChat(o object) error {
	for _, key := range o.keys {
		if instead := chatField(key); instead != "" {
			return Invalid(key, "is a field of Chat Completions; the Responses API %s", instead)
		}
	}
	var tools []map[string]json.RawMessage
	if err := json.Unmarshal(o.values["tools"], &tools); err != nil {
		return nil //nolint:nilerr // what tools may be is the provider's to say; only the old shape is ours to name
	}
	for i, tool := range tools {
		if _, old := tool["function"]; old {
			return Invalid(fmt.Sprintf("tools[%d].function", i),
				"is the shape of Chat Completions; the Responses API wants name, description and parameters beside type")
		}
	}
	return nil
}

// chatField returns what to write instead of a Chat Completions field, "" for
// any other field.
func chatField(key string) string {
	switch key {
	case "messages":
		return `calls it "input"`
	case "max_completion_tokens", "max_tokens":
		return `calls it "max_output_tokens"`
	case "response_format":
		return `calls it "text.format"`
	case "reasoning_effort":
		return `calls it "reasoning.effort"`
	case "verbosity":
		return `calls it "text.verbosity"`
	case "functions":
		return `calls it "tools"`
	case "function_call":
		return `calls it "tool_choice"`
	case "modalities", "audio", "prediction", "web_search_options":
		return `has no such field; remove it, or use "tools"`
	case "logprobs":
		return `has "top_logprobs", and "message.output_text.logprobs" in "include"`
	case "n":
		return "gives one answer for a request; submit one job for each"
	case "stop", "logit_bias", "frequency_penalty", "presence_penalty", "seed":
		return "has no such field; remove it"
	}
	return ""
}

// refuseOurs checks the fields that Longhaul sets itself.
func refuseOurs(o object) error {
	for _, key := range []string{"background", "store"} {
		if v, ok := o.values[key]; ok && string(v) != "true" {
			return Invalid(key, "is set by Longhaul, always to true; remove it")
		}
	}
	if v, ok := o.values["stream"]; ok && string(v) != "false" && !isNull(v) {
		return Invalid("stream", "is set by Longhaul; remove it, and ask for a streamed job with the option stream (enqueue submit --stream)")
	}
	return nil
}

// checkInput wants something to answer.
func checkInput(o object) error {
	if !o.has("input") {
		if slices.ContainsFunc([]string{"prompt", "previous_response_id", "conversation"}, o.has) {
			return nil
		}
		return Invalid("input", `is missing; give a string or a list of items (or "prompt", "previous_response_id" or "conversation")`)
	}
	var text string
	if json.Unmarshal(o.values["input"], &text) == nil {
		if strings.TrimSpace(text) == "" {
			return Invalid("input", "is an empty string; give the text to answer")
		}
		return nil
	}
	var items []json.RawMessage
	if json.Unmarshal(o.values["input"], &items) != nil {
		return Invalid("input", "must be a string or a list of items")
	}
	if len(items) == 0 {
		return Invalid("input", "is an empty list; give at least one item")
	}
	return nil
}

// checkMetadata holds the caller's metadata to OpenAI's limits less our pairs.
func checkMetadata(o object) error {
	if !o.has("metadata") {
		return nil
	}
	pairs, err := parseObject(o.values["metadata"])
	if err != nil {
		return Invalid("metadata", "%s", err.Error())
	}
	metadata := make(map[string]string, len(pairs.keys))
	for key, raw := range pairs.values {
		var value *string
		if err := json.Unmarshal(raw, &value); err != nil || value == nil {
			return Invalid("metadata", "must be an object whose values are strings")
		}
		metadata[key] = *value
	}
	return validateMetadata("metadata", metadata)
}

// validateMetadata checks pairs against OpenAI's limits.
func validateMetadata(field string, metadata map[string]string) error {
	if len(metadata) > maxMetadataPairs {
		return Invalid(field, "has %d pairs; at most %d are left for callers", len(metadata), maxMetadataPairs)
	}
	keys := make([]string, 0, len(metadata))
	for key := range metadata {
		keys = append(keys, key)
	}
	slices.Sort(keys)
	for _, key := range keys {
		switch {
		case key == "" || utf8.RuneCountInString(key) > maxMetadataKey:
			return Invalid(field, "has a key of %d characters; a key has 1 to %d", utf8.RuneCountInString(key), maxMetadataKey)
		case !utf8.ValidString(key) || !utf8.ValidString(metadata[key]):
			return Invalid(field, "is not valid UTF-8")
		case strings.HasPrefix(key, "longhaul_"):
			return Invalid(field+"."+key, "begins with longhaul_, which is kept for Longhaul; choose another name")
		case utf8.RuneCountInString(metadata[key]) > maxMetadataValue:
			return Invalid(field+"."+key, "has %d characters; at most %d are allowed",
				utf8.RuneCountInString(metadata[key]), maxMetadataValue)
		}
	}
	return nil
}

// stringField returns a field that must be a string if it is there.
func stringField(o object, key string) (string, error) {
	raw, ok := o.values[key]
	if !ok {
		return "", nil
	}
	var s string
	if err := json.Unmarshal(raw, &s); err != nil {
		return "", Invalid(key, "must be a string")
	}
	return s, nil
}
