package simulator

import (
	"encoding/json"
	"strings"
)

// outputFormat is what the answer's text has to be.
type outputFormat struct {
	kind   string // text, json_object or json_schema
	schema *node
	raw    json.RawMessage // the schema as sent; counts as input
}

// readText reads the parameter text, and returns it also as a response repeats it.
func readText(r *reader) (format outputFormat, verbosity string, echo json.RawMessage) {
	format.kind = "text"
	text := r.object("text")
	if text == nil {
		return format, "", nil
	}
	text.only("format", "verbosity")
	verbosity = text.enum("verbosity", "low", "medium", "high")
	out := []byte(`{"format":`)
	if object := text.object("format"); object != nil {
		if object.raw("type") == nil {
			r.fail(errMissingParameter(object.path("type")))
		}
		format.kind = object.enum("type", "json_object", "text", "json_schema")
		switch format.kind {
		case "json_schema":
			format, out = readSchemaFormat(object, out)
		case "json_object":
			object.only("type")
			out = append(out, `{"type":"json_object"}`...)
		default:
			object.only("type")
			out = append(out, `{"type":"text"}`...)
		}
	} else {
		out = append(out, `{"type":"text"}`...)
	}
	if r.err() != nil {
		return outputFormat{kind: "text"}, "", nil
	}
	out = appendMember(out, "verbosity")
	if verbosity == "" {
		out = append(out, `"medium"}`...)
	} else {
		out = append(appendQuoted(out, verbosity), '}')
	}
	return format, verbosity, out
}

func readSchemaFormat(r *reader, dst []byte) (outputFormat, []byte) {
	r.only("type", "name", "schema", "description", "strict")
	name := r.required("name")
	if r.err() == nil && (len(name) > 64 || strings.ContainsFunc(name, notIdentifier)) {
		r.fail(invalid(r.path("name"), "invalid_value",
			"Invalid '%s': string does not match pattern. Expected a string that matches the pattern '^[a-zA-Z0-9_-]+$'.", r.path("name")))
	}
	description := r.text("description", maxInputText)
	strict := r.boolean("strict", false)
	raw := r.raw("schema")
	if raw == nil {
		r.fail(errMissingParameter(r.path("schema")))
	}
	r.object("schema")
	if r.err() != nil {
		return outputFormat{}, dst
	}
	format := outputFormat{kind: "json_schema", schema: parseNode(raw), raw: compact(raw)}
	fault := checkReferences(format.schema)
	if fault == "" && strict {
		fault = checkStrict(format.schema)
	}
	if fault != "" {
		r.fail(invalid("text.format.schema", "invalid_json_schema", "Invalid schema for response_format '%s': %s", name, fault))
		return format, dst
	}
	dst = append(dst, `{"type":"json_schema"`...)
	if description != "" {
		dst = appendQuoted(appendMember(dst, "description"), description)
	}
	dst = appendQuoted(appendMember(dst, "name"), name)
	dst = append(appendMember(dst, "schema"), format.raw...)
	dst = appendMember(dst, "strict")
	if strict {
		return format, append(dst, "true}"...)
	}
	return format, append(dst, "false}"...)
}

// mentionsJSON reports whether the input names JSON, which the API demands for json_object.
func mentionsJSON(q *request) bool {
	if strings.Contains(strings.ToLower(string(q.echo.instructions)), "json") {
		return true
	}
	for _, item := range q.input {
		if strings.Contains(strings.ToLower(item.text), "json") {
			return true
		}
	}
	return false
}
