package simulator

import (
	"encoding/json"
	"fmt"
	"slices"
	"strings"
)

const maxInputText = 10_485_760

// partBreak stands between the texts of one item.
const partBreak = "\n\n"

// inputItem is one item of a request's input, as far as the stand-in cares.
type inputItem struct {
	kind   string // its type; "message" also where the request left it out
	role   string
	id     string // as given by the request, usually empty
	text   string // what can be read in it
	callID string
	name   string
	tokens int
	pages  int             // of the largest file in it, 0 without one
	marks  []int           // ends of the parts of text after which there is a breakpoint of the prompt cache
	raw    json.RawMessage // as sent; nil for the single message that a plain string stands for
}

// readInput reads the parameter input, which is a text or a list of items.
func readInput(r *reader) []inputItem {
	raw := r.raw("input")
	if raw == nil {
		return nil
	}
	switch raw[0] {
	case '"':
		text := r.text("input", maxInputText)
		if text == "" {
			return nil
		}
		return []inputItem{{
			kind: "message", role: "user", text: text, tokens: tokensOf(len(text)) + itemOverheadTokens,
		}}
	case '[':
		elements := r.list("input", "")
		items := make([]inputItem, 0, len(elements))
		for i, element := range elements {
			items = append(items, readItem(r, fmt.Sprintf("input[%d]", i), element))
			if r.err() != nil {
				return nil
			}
		}
		return items
	}
	r.fail(errInvalidType("input", "one of a string or array of input items", raw))
	return nil
}

func readItem(r *reader, path string, raw json.RawMessage) inputItem {
	members, ok := decodeObject(raw)
	if !ok {
		r.fail(errInvalidType(path, "an input item", raw))
		return inputItem{}
	}
	sub := &reader{prefix: path + ".", members: members, fault: r.fault}
	item := inputItem{raw: raw, kind: sub.text("type", 64), id: sub.text("id", 256), tokens: itemOverheadTokens}
	switch {
	case item.kind == "" && item.id != "" && sub.raw("role") == nil:
		item.kind = "item_reference"
	case item.kind == "":
		item.kind = "message"
	case !slices.Contains(itemTypes(), item.kind):
		r.fail(errInvalidValue(path, item.kind, itemTypes()))
		return item
	}
	switch item.kind {
	case "message":
		readMessage(sub, strings.TrimSuffix(sub.prefix, "."), &item)
	case "function_call", "custom_tool_call":
		item.callID, item.name = sub.required("call_id"), sub.required("name")
		if item.kind == "function_call" {
			item.text = sub.required("arguments")
		}
		item.tokens += tokensOf(len(item.text) + len(item.name))
	case "function_call_output", "custom_tool_call_output":
		item.callID = sub.required("call_id")
		readContent(sub, "output", []string{"input_text", "input_image", "input_file"}, &item)
	case "item_reference":
		sub.required("id")
	default:
		item.tokens += tokensOf(len(raw))
	}
	return item
}

func readMessage(r *reader, path string, item *inputItem) {
	roles := []string{"assistant", "system", "developer", "user"}
	if role := r.text("role", 64); !slices.Contains(roles, role) {
		r.fail(errInvalidValue(path, role, roles))
		return
	}
	item.role = r.text("role", 64)
	switch item.role {
	case "assistant":
		r.only("type", "role", "content", "id", "status", "phase")
		readContent(r, "content", []string{"output_text", "refusal"}, item)
	default:
		r.only("type", "role", "content", "id", "status")
		readContent(r, "content", []string{"input_text", "input_image", "input_file"}, item)
	}
}

// readContent reads a member that is a text or a list of content parts.
func readContent(r *reader, name string, allowed []string, item *inputItem) {
	raw := r.raw(name)
	switch {
	case r.err() != nil:
		return
	case raw == nil:
		r.fail(errMissingParameter(r.path(name)))
		return
	case raw[0] == '"':
		item.text = r.text(name, maxInputText)
		item.tokens += tokensOf(len(item.text))
		return
	case raw[0] != '[':
		r.fail(errInvalidType(r.path(name), "one of a string or array of objects", raw))
		return
	}
	var texts []string
	for i, element := range r.list(name, "") {
		path := fmt.Sprintf("%s[%d]", r.path(name), i)
		members, ok := decodeObject(element)
		if !ok {
			r.fail(errInvalidType(path, "an object", element))
			return
		}
		part := &reader{prefix: path + ".", members: members, fault: r.fault}
		switch kind := part.required("type"); {
		case r.err() != nil:
			return
		case !slices.Contains(allowed, kind):
			r.fail(errInvalidValue(path, kind, allowed))
			return
		case kind == "input_image":
			item.tokens += imageTokens
		case kind == "input_file":
			item.tokens += fileTokens
			item.pages = max(item.pages, pagesIn(part.raw("file_data")))
		case kind == "refusal":
			texts = append(texts, part.required("refusal"))
		default:
			text := part.text("text", maxInputText)
			if members["text"] == nil {
				part.required("text")
			}
			texts = append(texts, text)
			if part.object("prompt_cache_breakpoint") != nil {
				item.marks = append(item.marks, len(strings.Join(texts, partBreak)))
			}
		}
		if r.err() != nil {
			return
		}
	}
	item.text = strings.Join(texts, partBreak)
	item.tokens += tokensOf(len(item.text))
}

// required returns a string that has to be there.
func (r *reader) required(name string) string {
	if raw := r.raw(name); raw == nil {
		r.fail(errMissingParameter(r.path(name)))
		return ""
	}
	return r.text(name, maxInputText)
}

// itemTypes are the types of items that the API takes as input.
func itemTypes() []string {
	return []string{
		"additional_tools", "apply_patch_call", "apply_patch_call_output", "code_interpreter_call", "compaction",
		"compaction_trigger", "computer_call", "computer_call_output", "configuration_update", "custom_tool_call",
		"custom_tool_call_output", "file_search_call", "function_call", "function_call_output",
		"image_generation_call", "item_reference", "local_shell_call", "local_shell_call_output",
		"mcp_approval_request", "mcp_approval_response", "mcp_call", "mcp_list_tools", "message", "program",
		"program_output", "reasoning", "shell_call", "shell_call_output", "tool_search_call", "tool_search_output",
		"web_search_call",
	}
}
