package jobs

import (
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
)

const (
	// cacheKeyPrefix begins the keys that Longhaul makes.
	cacheKeyPrefix = "longhaul-"
	// cacheKeyDigits is how many hexadecimal digits follow. OpenAI takes 64 characters
	// in all.
	cacheKeyDigits = 40
)

// PromptCacheKey is the prompt_cache_key of a request: the same for all whose prompts
// begin in the same way, so that OpenAI sends them to where that beginning is cached. It
// is made of the model, of what stands before the input (instructions, tools, the
// schema of the answer, a reusable prompt), and of the system and developer messages
// that the input begins with. It is "" for a request that has a key of its own, and for
// one of which nothing of that is there: it shares no beginning with others.
func (r Request) PromptCacheKey() string {
	o, err := parseObject(r.Raw)
	if err != nil || o.has("prompt_cache_key") {
		return ""
	}
	var prefix bytes.Buffer
	part := func(name string, value json.RawMessage) {
		prefix.WriteString(name + "\x00")
		_ = json.Compact(&prefix, value) // it is valid JSON, as part of what was parsed
		prefix.WriteByte(0)
	}
	for _, field := range []string{"instructions", "tools", "prompt"} {
		if o.has(field) && !isEmpty(o.values[field]) {
			part(field, o.values[field])
		}
	}
	var text struct {
		Format json.RawMessage `json:"format"`
	}
	if json.Unmarshal(o.values["text"], &text) == nil && schematic(text.Format) {
		part("text.format", text.Format)
	}
	for _, item := range leading(o.values["input"]) {
		part("input", item)
	}
	if prefix.Len() == 0 {
		return ""
	}
	part("model", quote(r.Model))
	sum := sha256.Sum256(prefix.Bytes())
	return cacheKeyPrefix + hex.EncodeToString(sum[:])[:cacheKeyDigits]
}

// leading are the system and developer messages that an input begins with.
func leading(input json.RawMessage) []json.RawMessage {
	var items []json.RawMessage
	if json.Unmarshal(input, &items) != nil {
		return nil // a text
	}
	for i, item := range items {
		var m struct {
			Role string `json:"role"`
		}
		if json.Unmarshal(item, &m) != nil || m.Role != "system" && m.Role != "developer" {
			return items[:i]
		}
	}
	return items
}

// schematic reports whether a text.format has a schema, which the model reads.
func schematic(format json.RawMessage) bool {
	var f struct {
		Schema json.RawMessage `json:"schema"`
	}
	return json.Unmarshal(format, &f) == nil && len(f.Schema) > 0 && !isNull(f.Schema)
}

// isEmpty reports whether a value is an empty text or list.
func isEmpty(raw json.RawMessage) bool {
	switch string(bytes.TrimSpace(raw)) {
	case `""`, "[]":
		return true
	}
	return false
}
