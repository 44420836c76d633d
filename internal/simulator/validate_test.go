package simulator_test

import (
	"encoding/json"
	"fmt"
	"net/http"
	"strings"
	"testing"

	"github.com/longhaul-jobs/longhaul/internal/simulator"
)

// remove stands for a parameter that is not sent.
type remove struct{}

func TestInvalidCreatesAreRefusedAsOpenAIDoes(t *testing.T) {
	pairs := object{}
	for i := range 17 {
		pairs[fmt.Sprintf("k%d", i)] = "v"
	}
	long := strings.Repeat("x", 513)
	strictSchema := func(schema string) object {
		return object{"format": object{"type": "json_schema", "name": "answer", "strict": true, "schema": json.RawMessage(schema)}}
	}
	tests := []struct {
		name    string
		change  object
		param   any // nil for null
		code    any
		message string
	}{
		{"model missing", object{"model": remove{}}, "model", "missing_required_parameter", "Missing required parameter: 'model'."},
		{"model null", object{"model": nil}, "model", "invalid_type", "Invalid type for 'model': expected a string, but got an object instead."},
		{"model a number", object{"model": 7}, "model", "invalid_type", "Invalid type for 'model': expected a string, but got an integer instead."},
		{"input missing", object{"input": remove{}}, "input", "missing_required_parameter", "Missing required parameter: 'input'."},
		{"input empty", object{"input": ""}, nil, "missing_required_parameter", `One of "input" or "previous_response_id" or 'prompt' or 'conversation' must be provided.`},
		{"input an object", object{"input": object{"a": 1}}, "input", "invalid_type", "Invalid type for 'input': expected one of a string or array of input items, but got an object instead."},
		{"item a number", object{"input": []any{1}}, "input[0]", "invalid_type", "Invalid type for 'input[0]': expected an input item, but got an integer instead."},
		{"item of unknown type", object{"input": []object{{"type": "poem"}}}, "input[0]", "invalid_value", "Invalid value: 'poem'. Supported values are: 'additional_tools', "},
		{"item without role", object{"input": []object{{"content": "Hi."}}}, "input[0]", "invalid_value", "Invalid value: ''. Supported values are: 'assistant', 'system', 'developer', and 'user'."},
		{"item without content", object{"input": []object{{"role": "user"}}}, "input[0].content", "missing_required_parameter", "Missing required parameter: 'input[0].content'."},
		{"item with an unknown member", object{"input": []object{{"role": "user", "content": "Hi.", "bogus": 1}}}, "input[0].bogus", "unknown_parameter", "Unknown parameter: 'input[0].bogus'."},
		{"part of a type for another role", object{"input": []object{{"role": "assistant", "content": []object{{"type": "input_text", "text": "Hi."}}}}}, "input[0].content[0]", "invalid_value", "Invalid value: 'input_text'. Supported values are: 'output_text' and 'refusal'."},
		{"part without text", object{"input": []object{{"role": "user", "content": []object{{"type": "input_text"}}}}}, "input[0].content[0].text", "missing_required_parameter", "Missing required parameter: 'input[0].content[0].text'."},
		{"unknown reference", object{"input": []object{{"type": "item_reference", "id": "msg_x"}}}, "input", nil, "Item with id 'msg_x' not found."},
		{"unknown parameter", object{"foo": 1}, "foo", "unknown_parameter", "Unknown parameter: 'foo'."},
		{"messages", object{"messages": []any{}}, nil, "unsupported_parameter", "Unsupported parameter: 'messages'. In the Responses API, this parameter has moved to 'input'. "},
		{"response_format", object{"response_format": object{}}, nil, "unsupported_parameter", "Unsupported parameter: 'response_format'. In the Responses API, this parameter has moved to 'text.format'. "},
		{"temperature a string", object{"temperature": "hot"}, "temperature", "invalid_type", "Invalid type for 'temperature': expected a decimal, but got a string instead."},
		{"temperature too high", object{"temperature": 3}, "temperature", "decimal_above_max_value", "Invalid 'temperature': decimal above maximum value. Expected a value <= 2, but got 3 instead."},
		{"temperature negative", object{"temperature": -0.5}, "temperature", "decimal_below_min_value", "Invalid 'temperature': decimal below minimum value. Expected a value >= 0, but got -0.5 instead."},
		{"max_output_tokens too small", object{"max_output_tokens": 15}, "max_output_tokens", "integer_below_min_value", "Invalid 'max_output_tokens': integer below minimum value. Expected a value >= 16, but got 15 instead."},
		{"max_output_tokens a decimal", object{"max_output_tokens": 20.5}, "max_output_tokens", "invalid_type", "Invalid type for 'max_output_tokens': expected an integer, but got a decimal number instead."},
		{"top_logprobs too high", object{"top_logprobs": 21}, "top_logprobs", "integer_above_max_value", "Invalid 'top_logprobs': integer above maximum value. Expected a value <= 20, but got 21 instead."},
		{"background a string", object{"background": "yes"}, "background", "invalid_type", "Invalid type for 'background': expected a boolean, but got a string instead."},
		{"truncation unknown", object{"truncation": "bogus"}, "truncation", "invalid_value", "Invalid value: 'bogus'. Supported values are: 'auto' and 'disabled'."},
		{"truncation an object", object{"truncation": object{}}, "truncation", "invalid_type", "Invalid type for 'truncation': expected one of 'auto' or 'disabled', but got an object instead."},
		{"include unknown", object{"include": []string{"everything"}}, "include[0]", "invalid_value", "Invalid value: 'everything'. Supported values are: 'file_search_call.results', "},
		{"instructions an object", object{"instructions": object{}}, "instructions", "invalid_type", "Invalid type for 'instructions': expected a string, but got an object instead."},
		{"stream_options without stream", object{"stream_options": object{"include_obfuscation": true}}, "stream_options", nil, "The 'stream_options' parameter is only allowed when 'stream' is enabled."},
		{"safety_identifier too long", object{"safety_identifier": long}, "safety_identifier", "string_above_max_length", "Invalid 'safety_identifier': string too long. Expected a string with maximum length 128, but got a string with length 513 instead."},
		{"reasoning unknown member", object{"reasoning": object{"bogus": 1}}, "reasoning.bogus", "unknown_parameter", "Unknown parameter: 'reasoning.bogus'."},
		{"reasoning without a reasoning model", object{"reasoning": object{"effort": "low"}}, "reasoning.effort", nil, "Unsupported parameter: 'reasoning.effort' is not supported with this model."},
		{"reasoning effort of another model", object{"model": "o3", "reasoning": object{"effort": "xhigh"}}, "reasoning.effort", "unsupported_value", "Unsupported value: 'xhigh' is not supported with the 'o3-2025-04-16' model. Supported values are: 'low', 'medium', and 'high'."},
		{"temperature of a reasoning model", object{"model": "gpt-5", "temperature": 0.5}, "temperature", nil, "Unsupported parameter: 'temperature' is not supported with this model."},
		{"metadata a string", object{"metadata": "x"}, "metadata", "invalid_type", "Invalid type for 'metadata': expected a metadata object, but got a string instead."},
		{"metadata with 17 pairs", object{"metadata": pairs}, "metadata", "object_above_max_properties", "Invalid 'metadata': too many properties. Expected an object with at most 16 properties, but got an object with 17 properties instead."},
		{"metadata key too long", object{"metadata": object{long[:65]: "v"}}, "metadata." + long[:64] + "...", "property_name_above_max_length", "Invalid property name in 'metadata': "},
		{"metadata value too long", object{"metadata": object{"k": long}}, "metadata.k", "string_above_max_length", "Invalid 'metadata.k': string too long. Expected a string with maximum length 512, but got a string with length 513 instead."},
		{"metadata value a number", object{"metadata": object{"k": 1}}, "metadata.k", "invalid_type", "Invalid type for 'metadata.k': expected a string, but got an integer instead."},
		{"unknown previous response", object{"previous_response_id": "resp_x"}, "previous_response_id", "previous_response_not_found", "Previous response with id 'resp_x' not found."},
		{"unknown conversation", object{"conversation": "conv_x"}, nil, nil, "Conversation with id 'conv_x' not found."},
		{"unknown prompt", object{"prompt": object{"id": "pmpt_x"}}, nil, nil, "Prompt with id 'pmpt_x' not found."},
		{"unknown model", object{"model": "gpt-0"}, "model", "model_not_found", "The requested model 'gpt-0' does not exist."},
		{"input beyond the context", object{"model": "gpt-4o", "input": strings.Repeat("word ", 128_000)}, "input", "context_length_exceeded", "Your input exceeds the context window of this model. Please adjust your input and try again."},
		{"tool without type", object{"tools": []object{{"name": "f"}}}, "tools[0].type", "missing_required_parameter", "Missing required parameter: 'tools[0].type'."},
		{"tool of unknown type", object{"tools": []object{{"type": "hammer"}}}, "tools[0].type", "invalid_value", "Invalid value: 'hammer'. Supported values are: 'apply_patch', "},
		{"function without name", object{"tools": []object{{"type": "function"}}}, "tools[0].name", "missing_required_parameter", "Missing required parameter: 'tools[0].name'."},
		{"function with a bad name", object{"tools": []object{{"type": "function", "name": "a b"}}}, "tools[0].name", "invalid_value", "Invalid 'tools[0].name': string does not match pattern."},
		{"function with a loose schema said to be strict", object{"tools": []object{{"type": "function", "name": "f", "strict": true, "parameters": object{"type": "object", "properties": object{"a": object{"type": "string"}}}}}}, "tools[0].parameters", "invalid_function_parameters", "Invalid schema for function 'f': In context=(), 'additionalProperties' is required to be supplied and to be false."},
		{"choice of a tool that is not offered", object{"tool_choice": object{"type": "function", "name": "f"}}, "tool_choice", nil, "Tool choice 'f' not found in 'tools' parameter."},
		{"text unknown member", object{"text": object{"zzz": 1}}, "text.zzz", "unknown_parameter", "Unknown parameter: 'text.zzz'."},
		{"format unknown", object{"text": object{"format": object{"type": "yaml"}}}, "text.format.type", "invalid_value", "Invalid value: 'yaml'. Supported values are: 'json_object', 'text', and 'json_schema'."},
		{"format without name", object{"text": object{"format": object{"type": "json_schema", "schema": object{}}}}, "text.format.name", "missing_required_parameter", "Missing required parameter: 'text.format.name'."},
		{"format without schema", object{"text": object{"format": object{"type": "json_schema", "name": "a"}}}, "text.format.schema", "missing_required_parameter", "Missing required parameter: 'text.format.schema'."},
		{"schema not an object", object{"text": strictSchema(`{"type":"string"}`)}, "text.format.schema", "invalid_json_schema", `Invalid schema for response_format 'answer': schema must be a JSON Schema of 'type: "object"', got 'type: "string"'.`},
		{"schema without additionalProperties", object{"text": strictSchema(`{"type":"object","properties":{}}`)}, "text.format.schema", "invalid_json_schema", "Invalid schema for response_format 'answer': In context=(), 'additionalProperties' is required to be supplied and to be false."},
		{"inner schema without additionalProperties", object{"text": strictSchema(`{"type":"object","properties":{"a":{"type":"array","items":{"type":"object","properties":{}}}},"required":["a"],"additionalProperties":false}`)}, "text.format.schema", "invalid_json_schema", "Invalid schema for response_format 'answer': In context=('properties', 'a', 'items'), 'additionalProperties' is required to be supplied and to be false."},
		{"schema with an optional property", object{"text": strictSchema(`{"type":"object","properties":{"a":{"type":"string"}},"required":[],"additionalProperties":false}`)}, "text.format.schema", "invalid_json_schema", "Invalid schema for response_format 'answer': In context=(), 'required' is required to be supplied and to be an array including every key in properties. Missing 'a'."},
		{"schema with an untyped property", object{"text": strictSchema(`{"type":"object","properties":{"a":{}},"required":["a"],"additionalProperties":false}`)}, "text.format.schema", "invalid_json_schema", "Invalid schema for response_format 'answer': In context=('properties', 'a'), schema must have a 'type' key."},
		{"schema with an array of anything", object{"text": strictSchema(`{"type":"object","properties":{"a":{"type":"array"}},"required":["a"],"additionalProperties":false}`)}, "text.format.schema", "invalid_json_schema", "Invalid schema for response_format 'answer': In context=('properties', 'a'), array schema missing items."},
		{"schema with allOf", object{"text": strictSchema(`{"type":"object","properties":{},"additionalProperties":false,"allOf":[]}`)}, "text.format.schema", "invalid_json_schema", "Invalid schema for response_format 'answer': In context=(), 'allOf' is not permitted."},
		{"schema with a broken reference", object{"text": strictSchema(`{"type":"object","properties":{"a":{"$ref":"#/$defs/b"}},"required":["a"],"additionalProperties":false}`)}, "text.format.schema", "invalid_json_schema", "Invalid schema for response_format 'answer': In context=('properties', 'a'), reference to component '#/$defs/b' which was not found in the schema."},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			sim := newSimulator(t, simulator.Config{})
			request := object{"model": "gpt-4.1", "input": "Hi."}
			for key, value := range tt.change {
				request[key] = value
				if value == (remove{}) {
					delete(request, key)
				}
			}
			got := call(t, sim, "POST", "/v1/responses", request)
			want := http.StatusBadRequest
			if strings.HasSuffix(tt.message, "not found.") && tt.code == nil || tt.code == "model_not_found" {
				want = http.StatusNotFound
			}
			if got.status != want || at(got.body, "error", "type") != "invalid_request_error" {
				t.Fatalf("create = %d %s", got.status, got.raw)
			}
			if message := text(t, at(got.body, "error", "message")); !strings.HasPrefix(message, tt.message) {
				t.Errorf("message = %q, want %q", message, tt.message)
			}
			if param, code := at(got.body, "error", "param"), at(got.body, "error", "code"); param != tt.param || code != tt.code {
				t.Errorf("param = %v, code = %v, want %v, %v", param, code, tt.param, tt.code)
			}
			if got := sim.Ledger().Totals; got.CreatesAccepted != 0 || got.CreatesRefused != 1 {
				t.Errorf("totals = %+v", got)
			}
		})
	}
}

func TestBodiesThatAreNotRequests(t *testing.T) {
	sim := newSimulator(t, simulator.Config{MaxBodyBytes: 1000})
	const notJSON = "Invalid body: failed to parse JSON value. "
	for _, tt := range []struct {
		name, body, contentType string
		status                  int
		message                 string
	}{
		{"nothing", " ", "application/json", 400, notJSON},
		{"cut JSON", `{"model":`, "application/json", 400, notJSON},
		{"two values", `{} {}`, "application/json", 400, notJSON},
		{"an array", `[]`, "application/json", 400, notJSON},
		{"null", `null`, "application/json", 400, notJSON},
		{"a form", `model=gpt-4.1`, "application/x-www-form-urlencoded", 400, "Unsupported content type: 'application/x-www-form-urlencoded'. "},
		{"too large", `{"model":"gpt-4.1","input":"` + strings.Repeat("x", 1000) + `"}`, "application/json", 413, "Maximum content size limit (1000) exceeded."},
		{"a charset", `{"model":"gpt-4.1","input":"Hi."}`, "application/json; charset=utf-8", 200, ""},
	} {
		t.Run(tt.name, func(t *testing.T) {
			got := call(t, sim, "POST", "/v1/responses", tt.body, "Content-Type: "+tt.contentType)
			message, _ := at(got.body, "error", "message").(string)
			if got.status != tt.status || !strings.HasPrefix(message, tt.message) {
				t.Errorf("create = %d %s", got.status, got.raw)
			}
		})
	}
}

func TestNullMeansAbsent(t *testing.T) {
	sim := newSimulator(t, simulator.Config{})
	plain := create(t, sim, object{})
	nulls := object{}
	for _, name := range []string{
		"background", "conversation", "include", "instructions", "max_output_tokens", "max_tool_calls", "metadata",
		"parallel_tool_calls", "previous_response_id", "prompt", "prompt_cache_key", "reasoning", "safety_identifier",
		"service_tier", "store", "stream", "stream_options", "temperature", "text", "tool_choice", "tools", "top_logprobs",
		"top_p", "truncation", "user",
	} {
		nulls[name] = nil
	}
	got := create(t, sim, nulls)
	for _, response := range []object{plain, got} {
		for _, name := range []string{"id", "created_at", "completed_at", "output"} {
			delete(response, name)
		}
	}
	if fmt.Sprint(plain) != fmt.Sprint(got) {
		t.Errorf("response with nulls = %v, want %v", got, plain)
	}
}

func TestInputMayTakeManyForms(t *testing.T) {
	sim := newSimulator(t, simulator.Config{})
	earlier := create(t, sim, object{})
	reference := text(t, at(earlier, "output", 0, "id"))
	for name, input := range map[string]any{
		"a string":              "Hi.",
		"a message":             []object{{"role": "user", "content": "Hi."}},
		"a typed message":       []object{{"type": "message", "role": "user", "content": "Hi."}},
		"parts":                 []object{{"role": "user", "content": []object{{"type": "input_text", "text": "Hi."}, {"type": "input_image", "image_url": "https://example.com/a.png"}, {"type": "input_file", "file_id": "file_1"}}}},
		"a conversation":        []object{{"role": "developer", "content": "Be brief."}, {"role": "user", "content": "Hi."}, {"role": "assistant", "content": []object{{"type": "output_text", "text": "Hello."}}}, {"role": "user", "content": "Hi."}},
		"a reference":           []object{{"type": "item_reference", "id": reference}, {"role": "user", "content": "Hi."}},
		"an implicit reference": []object{{"id": reference}, {"role": "user", "content": "Hi."}},
		"an answer fed back":    append([]object{{"role": "user", "content": "Hi."}}, asObjects(earlier["output"])...),
		"an empty text":         []object{{"role": "user", "content": ""}},
	} {
		t.Run(name, func(t *testing.T) {
			if got := outputText(t, create(t, sim, object{"input": input})); got == "" {
				t.Error("no answer")
			}
		})
	}
}

func asObjects(list any) []object {
	items, _ := list.([]any)
	out := make([]object, len(items))
	for i, item := range items {
		out[i], _ = item.(object)
	}
	return out
}
