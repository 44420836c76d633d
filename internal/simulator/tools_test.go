package simulator_test

import (
	"encoding/json"
	"net/http"
	"strings"
	"testing"

	"github.com/longhaul-jobs/longhaul/internal/simulator"
)

const weatherParameters = `{"type":"object","properties":{"city":{"type":"string"},"days":{"type":"integer","minimum":1,"maximum":7}},"required":["city","days"],"additionalProperties":false}`

func weatherTool() object {
	return object{"type": "function", "name": "get_weather", "strict": true, "parameters": json.RawMessage(weatherParameters)}
}

func TestFunctionCalls(t *testing.T) {
	other := object{"type": "function", "name": "other", "parameters": json.RawMessage(`{"type":"object","properties":{}}`)}
	tests := []struct {
		name    string
		request object
		want    string // the function that is called; empty if none is
	}{
		{"left the choice", object{"tools": []object{weatherTool()}}, ""},
		{"required", object{"tools": []object{other, weatherTool()}, "tool_choice": "required"}, "other"},
		{"named", object{"tools": []object{other, weatherTool()}, "tool_choice": object{"type": "function", "name": "get_weather"}}, "get_weather"},
		{"allowed", object{"tools": []object{other, weatherTool()}, "tool_choice": object{
			"type": "allowed_tools", "mode": "required", "tools": []object{{"type": "function", "name": "get_weather"}},
		}}, "get_weather"},
		{"mentioned", object{"tools": []object{other, weatherTool()}, "input": "Use get_weather for Oslo."}, "get_weather"},
		{"mentioned but forbidden", object{"tools": []object{weatherTool()}, "input": "Use get_weather.", "tool_choice": "none"}, ""},
		{"part of another word", object{"tools": []object{other}, "input": "Is there another one?"}, ""},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			sim := newSimulator(t, simulator.Config{})
			response := create(t, sim, tt.request)
			item := at(response, "output", 0)
			if tt.want == "" {
				if at(item, "type") != "message" {
					t.Errorf("output = %v, want a message", item)
				}
				return
			}
			if at(item, "type") != "function_call" || at(item, "name") != tt.want || at(item, "status") != "completed" {
				t.Fatalf("output = %v, want a call of %s", item, tt.want)
			}
			if tt.want == "get_weather" {
				validateJSON(t, weatherParameters, text(t, at(item, "arguments")))
			}
		})
	}
}

func TestFunctionOutputsHaveToMatchCalls(t *testing.T) {
	sim := newSimulator(t, simulator.Config{})
	first := create(t, sim, object{"tools": []object{weatherTool()}, "tool_choice": "required"})
	id, callID := text(t, first["id"]), text(t, at(first, "output", 0, "call_id"))
	output := object{"type": "function_call_output", "call_id": callID, "output": "Sunny, 21 degrees."}

	second := create(t, sim, object{"previous_response_id": id, "input": []object{output}})
	if got := outputText(t, second); !strings.Contains(got, "Sunny, 21 degrees.") {
		t.Errorf("answer to the output = %q", got)
	}
	echoed := object{"type": "function_call", "call_id": "call_1", "name": "get_weather", "arguments": "{}"}
	create(t, sim, object{"input": []object{echoed, {"type": "function_call_output", "call_id": "call_1", "output": "Rain."}}})

	for _, tt := range []struct {
		name    string
		request object
		want    string
	}{
		{"output without a call", object{"input": []object{output}}, "No tool call found for function call output with call_id " + callID + "."},
		{"call without an output", object{"previous_response_id": id, "input": "Go on."}, "No tool output found for function call " + callID + "."},
		{"echoed call without an output", object{"input": []object{echoed}}, "No tool output found for function call call_1."},
	} {
		t.Run(tt.name, func(t *testing.T) {
			tt.request["model"] = "gpt-4.1"
			got := call(t, sim, "POST", "/v1/responses", tt.request)
			if got.status != http.StatusBadRequest || at(got.body, "error", "message") != tt.want {
				t.Errorf("create = %d %s", got.status, got.raw)
			}
		})
	}
}
