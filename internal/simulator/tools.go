package simulator

import (
	"encoding/json"
	"fmt"
	"slices"
	"strings"
)

// functionTool is a function that the caller offers.
type functionTool struct {
	name       string
	parameters *node // nil if it takes none
}

// toolChoice says whether the model has to call a function.
type toolChoice struct {
	mode     string   // auto, none or required
	function string   // the one function that has to be called
	allowed  []string // the functions it is confined to; empty means all
}

// readTools reads the offered tools. It returns the functions among them, and all tools as a
// response repeats them.
func readTools(r *reader) (functions []functionTool, echo json.RawMessage) {
	elements := r.list("tools", "an array of objects")
	if len(elements) == 0 {
		return nil, nil
	}
	out := []byte{'['}
	for i, element := range elements {
		path := fmt.Sprintf("tools[%d]", i)
		members, ok := decodeObject(element)
		if !ok {
			r.fail(errInvalidType(path, "an object", element))
			return nil, nil
		}
		sub := &reader{prefix: path + ".", members: members, fault: r.fault}
		kind := sub.required("type")
		if r.err() == nil && !slices.Contains(toolTypes(), kind) {
			r.fail(errInvalidValue(path+".type", kind, toolTypes()))
		}
		if i > 0 {
			out = append(out, ',')
		}
		if kind == "function" {
			var function functionTool
			function, out = readFunction(sub, i, out)
			functions = append(functions, function)
		} else {
			out = append(out, compact(element)...)
		}
		if r.err() != nil {
			return nil, nil
		}
	}
	return functions, append(out, ']')
}

func readFunction(r *reader, index int, dst []byte) (functionTool, []byte) {
	function := functionTool{name: r.required("name")}
	if r.err() == nil && (len(function.name) > 64 || strings.ContainsFunc(function.name, notIdentifier)) {
		r.fail(invalid(r.path("name"), "invalid_value",
			"Invalid '%s': string does not match pattern. Expected a string that matches the pattern '^[a-zA-Z0-9_-]+$'.", r.path("name")))
	}
	description := r.text("description", maxInputText)
	strict := r.boolean("strict", true)
	parameters := r.raw("parameters")
	if parameters != nil {
		r.object("parameters")
		if r.err() == nil {
			function.parameters = parseNode(parameters)
			if fault := checkStrict(function.parameters); fault != "" {
				// Functions are strict unless told otherwise, but only a caller who asked for it is
				// refused; for others the API falls back.
				if raw := r.raw("strict"); raw != nil && strict {
					r.fail(invalid(fmt.Sprintf("tools[%d].parameters", index), "invalid_function_parameters",
						"Invalid schema for function '%s': %s", function.name, fault))
				}
				strict = false
			}
		}
	}
	dst = append(dst, `{"type":"function"`...)
	if description != "" {
		dst = appendQuoted(appendMember(dst, "description"), description)
	}
	dst = appendQuoted(appendMember(dst, "name"), function.name)
	dst = appendMember(dst, "parameters")
	if parameters == nil {
		dst = append(dst, "null"...)
	} else {
		dst = append(dst, compact(parameters)...)
	}
	return function, fmt.Appendf(appendMember(dst, "strict"), "%t}", strict)
}

// readToolChoice reads what the model may or must call, and returns it also as a response
// repeats it.
func readToolChoice(r *reader) (choice toolChoice, echo json.RawMessage) {
	choice.mode = "auto"
	raw := r.raw("tool_choice")
	if raw == nil {
		return choice, nil
	}
	if raw[0] == '"' {
		choice.mode = r.enum("tool_choice", "none", "auto", "required")
		return choice, raw
	}
	object := r.object("tool_choice")
	if object == nil {
		return choice, nil
	}
	switch kind := object.required("type"); kind {
	case "function":
		choice.mode, choice.function = "required", object.required("name")
	case "allowed_tools":
		choice.mode = object.enum("mode", "auto", "required")
		for _, element := range object.list("tools", "an array of objects") {
			var tool struct {
				Name string `json:"name"`
			}
			if json.Unmarshal(element, &tool) == nil {
				choice.allowed = append(choice.allowed, tool.Name)
			}
		}
	}
	if r.err() == nil {
		choice.refuseUnknown(r)
	}
	return choice, compact(raw)
}

// refuseUnknown refuses a choice of a function that is not offered.
func (c toolChoice) refuseUnknown(r *reader) {
	if c.function == "" {
		return
	}
	for _, element := range r.list("tools", "an array of objects") {
		var tool struct {
			Type string `json:"type"`
			Name string `json:"name"`
		}
		if json.Unmarshal(element, &tool) == nil && tool.Type == "function" && tool.Name == c.function {
			return
		}
	}
	r.fail(invalid("tool_choice", "", "Tool choice '%s' not found in 'tools' parameter.", clip(c.function, 64)))
}

// notIdentifier reports whether c cannot stand in the name of a function or a format.
func notIdentifier(c rune) bool {
	switch {
	case c >= 'a' && c <= 'z', c >= 'A' && c <= 'Z', c >= '0' && c <= '9', c == '_', c == '-':
		return false
	}
	return true
}

func toolTypes() []string {
	return []string{
		"apply_patch", "code_interpreter", "computer", "computer_use_preview", "custom", "file_search", "function",
		"image_generation", "local_shell", "mcp", "namespace", "programmatic_tool_calling", "shell", "tool_search",
		"web_search", "web_search_2025_08_26", "web_search_preview", "web_search_preview_2025_03_11",
	}
}
