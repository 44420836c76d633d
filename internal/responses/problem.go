package responses

import (
	"bytes"
	"encoding/json"
	"strings"
)

// problem is what the body of an answer says about an error, as it was written:
// it is for deciding, and must be scrubbed before it is shown or stored.
type problem struct {
	code, kind, param, message string
	// ours says that the body has the shape of OpenAI's errors, so that the API
	// itself has spoken and not something in front of it.
	ours bool
}

// readProblem reads {"error":{"message","type","param","code"}}, and of other
// shapes that are about the message, if it is plain text. Nothing is taken from
// a body that is not JSON, or from lists of details: those repeat the request.
func readProblem(body []byte) problem {
	var envelope struct {
		Error   json.RawMessage `json:"error"`
		Detail  json.RawMessage `json:"detail"`
		Message json.RawMessage `json:"message"`
	}
	if json.Unmarshal(body, &envelope) != nil {
		return problem{}
	}
	var inner struct {
		Code    json.RawMessage `json:"code"`
		Type    json.RawMessage `json:"type"`
		Param   json.RawMessage `json:"param"`
		Message json.RawMessage `json:"message"`
	}
	if json.Unmarshal(envelope.Error, &inner) == nil {
		p := problem{
			code: scalar(inner.Code), kind: scalar(inner.Type),
			param: scalar(inner.Param), message: scalar(inner.Message),
		}
		if p.ours = p.message != "" || p.code != "" || p.kind != ""; p.ours {
			return p
		}
	}
	for _, raw := range []json.RawMessage{envelope.Error, envelope.Detail, envelope.Message} {
		if text := scalar(raw); text != "" {
			return problem{message: text}
		}
	}
	return problem{}
}

// says reports whether the message, the code or the type has one of the words.
func (p problem) says(words ...string) bool {
	text := strings.ToLower(p.message + "\n" + p.code + "\n" + p.kind)
	for _, word := range words {
		if strings.Contains(text, word) {
			return true
		}
	}
	return false
}

// wrongRoute reports whether the API does not know the path, which is the fault
// of the base URL and not of what was asked for.
func (p problem) wrongRoute() bool {
	return strings.HasPrefix(p.message, "Invalid URL")
}

// scalar is a JSON string, or a number as it stands, and "" for anything else:
// some servers write a code as a number.
func scalar(raw json.RawMessage) string {
	raw = bytes.TrimSpace(raw)
	if len(raw) == 0 {
		return ""
	}
	switch c := raw[0]; {
	case c == '"':
		var s string
		_ = json.Unmarshal(raw, &s) // raw has been checked as a part of the whole
		return s
	case c == '-' || (c >= '0' && c <= '9'):
		return string(raw)
	}
	return ""
}

// describeBody says what was in the place of something usable.
func describeBody(e *exchange) string {
	body := bytes.TrimSpace(e.body)
	switch {
	case e.over:
		return "a body that is over the cap"
	case e.cut != nil:
		return "a body that was cut"
	case len(body) == 0:
		return "an empty body"
	case body[0] == '<':
		return "an HTML body"
	case !json.Valid(body):
		return "a body that is not JSON"
	}
	return "JSON that says nothing usable"
}
