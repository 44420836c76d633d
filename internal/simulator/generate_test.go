package simulator_test

import (
	"encoding/json"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/santhosh-tekuri/jsonschema/v6"

	"github.com/longhaul-jobs/longhaul/internal/simulator"
)

// validateJSON checks a JSON text against a schema with a validator that is not ours.
func validateJSON(tb testing.TB, schema, instance string) {
	tb.Helper()
	document, err := jsonschema.UnmarshalJSON(strings.NewReader(schema))
	if err != nil {
		tb.Fatalf("decode schema: %v", err)
	}
	compiler := jsonschema.NewCompiler()
	compiler.AssertFormat()
	if err := compiler.AddResource("schema.json", document); err != nil {
		tb.Fatalf("add schema: %v", err)
	}
	compiled, err := compiler.Compile("schema.json")
	if err != nil {
		tb.Fatalf("compile schema: %v", err)
	}
	value, err := jsonschema.UnmarshalJSON(strings.NewReader(instance))
	if err != nil {
		tb.Fatalf("answer is not JSON: %v\n%s", err, instance)
	}
	if err := compiled.Validate(value); err != nil {
		tb.Errorf("answer does not conform: %v\n%s", err, instance)
	}
}

// structured asks for an answer that conforms to schema.
func structured(tb testing.TB, schema, input string, strict bool) string {
	tb.Helper()
	sim := newSimulator(tb, simulator.Config{})
	return outputText(tb, create(tb, sim, object{"input": input, "text": object{"format": object{
		"type": "json_schema", "name": "answer", "strict": strict, "schema": json.RawMessage(schema),
	}}}))
}

func TestStructuredOutputConforms(t *testing.T) {
	article := readArticle(t)
	tests := []struct{ name, schema string }{
		{"object", `{"type":"object","properties":{"title":{"type":"string"},"n":{"type":"integer"},"ok":{"type":"boolean"}},"required":["title","n","ok"],"additionalProperties":false}`},
		{"array bounds", `{"type":"object","properties":{"a":{"type":"array","items":{"type":"string"},"minItems":5,"maxItems":7},"b":{"type":"array","items":{"type":"integer"},"maxItems":1},"c":{"type":"array","items":{"type":"string"},"minItems":2,"maxItems":2,"uniqueItems":true}},"required":["a","b","c"],"additionalProperties":false}`},
		{"enum and const", `{"type":"object","properties":{"kind":{"type":"string","const":"report"},"level":{"type":"string","enum":["low","high"]},"mixed":{"enum":[null,3,"x"]}},"required":["kind","level","mixed"],"additionalProperties":false}`},
		{"anyOf", `{"type":"object","properties":{"v":{"anyOf":[{"type":"object","properties":{"a":{"type":"number"}},"required":["a"],"additionalProperties":false},{"type":"string"}]}},"required":["v"],"additionalProperties":false}`},
		{"nullable", `{"type":"object","properties":{"s":{"type":["string","null"]},"n":{"type":"null"},"o":{"anyOf":[{"type":"null"},{"type":"integer","minimum":3}]}},"required":["s","n","o"],"additionalProperties":false}`},
		{"references", `{"type":"object","properties":{"steps":{"type":"array","items":{"$ref":"#/$defs/step"}},"first":{"$ref":"#/properties/steps/items"}},"$defs":{"step":{"type":"object","properties":{"text":{"type":"string"}},"required":["text"],"additionalProperties":false}},"required":["steps","first"],"additionalProperties":false}`},
		{"recursion through an array", `{"type":"object","properties":{"name":{"type":"string"},"children":{"type":"array","items":{"$ref":"#"}}},"required":["name","children"],"additionalProperties":false}`},
		{"recursion through anyOf", `{"type":"object","properties":{"list":{"$ref":"#/$defs/node"}},"$defs":{"node":{"type":"object","properties":{"value":{"type":"number"},"next":{"anyOf":[{"$ref":"#/$defs/node"},{"type":"null"}]}},"required":["value","next"],"additionalProperties":false}},"required":["list"],"additionalProperties":false}`},
		{"formats", `{"type":"object","properties":{"a":{"type":"string","format":"date-time"},"b":{"type":"string","format":"date"},"c":{"type":"string","format":"time"},"d":{"type":"string","format":"duration"},"e":{"type":"string","format":"email"},"f":{"type":"string","format":"hostname"},"g":{"type":"string","format":"ipv4"},"h":{"type":"string","format":"ipv6"},"i":{"type":"string","format":"uuid"},"j":{"type":"string","format":"uri"}},"required":["a","b","c","d","e","f","g","h","i","j"],"additionalProperties":false}`},
		{"patterns", `{"type":"object","properties":{"a":{"type":"string","pattern":"^[A-Z]{2}-\\d{3,5}$"},"b":{"type":"string","pattern":"^(foo|bar)+\\.(txt|md)$"},"c":{"type":"string","pattern":"^@[a-zA-Z0-9_]+$","minLength":12},"d":{"type":"string","pattern":"^[^aA0]$"}},"required":["a","b","c","d"],"additionalProperties":false}`},
		{"string lengths", `{"type":"object","properties":{"summary":{"type":"string","maxLength":40},"title":{"type":"string","minLength":200},"exact":{"type":"string","minLength":5,"maxLength":5}},"required":["summary","title","exact"],"additionalProperties":false}`},
		{"numbers", `{"type":"object","properties":{"a":{"type":"integer","minimum":10,"maximum":12},"b":{"type":"number","exclusiveMinimum":0,"exclusiveMaximum":0.1},"c":{"type":"integer","multipleOf":7,"minimum":8},"d":{"type":"number","maximum":-5},"e":{"type":"integer","exclusiveMaximum":0},"f":{"type":"number","multipleOf":0.25,"minimum":0.3},"g":{"type":"integer","exclusiveMinimum":5,"exclusiveMaximum":7}},"required":["a","b","c","d","e","f","g"],"additionalProperties":false}`},
		{"nested deeply", nestedSchema(20)},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			first := structured(t, tt.schema, article, false)
			validateJSON(t, tt.schema, first)
			if again := structured(t, tt.schema, article, false); again != first {
				t.Errorf("a second answer differs:\n%s\n%s", first, again)
			}
			validateJSON(t, tt.schema, structured(t, tt.schema, "Hi?", false))
		})
	}
}

// nestedSchema is a schema whose values are objects in objects.
func nestedSchema(depth int) string {
	schema := `{"type":"string"}`
	for range depth {
		schema = `{"type":"object","properties":{"inner":` + schema + `},"required":["inner"],"additionalProperties":false}`
	}
	return schema
}

func TestLooseSchemasConform(t *testing.T) {
	tests := []struct{ name, schema string }{
		{"no type", `{"properties":{"a":{"minimum":3},"b":{"items":{"type":"integer"}}},"required":["a","b"]}`},
		{"allOf", `{"type":"object","allOf":[{"properties":{"a":{"type":"string"}},"required":["a"]},{"$ref":"#/$defs/b"}],"$defs":{"b":{"properties":{"b":{"type":"integer"}},"required":["b"]}}}`},
		{"oneOf", `{"type":"object","properties":{"v":{"oneOf":[{"type":"integer","maximum":-1},{"type":"boolean"}]}},"required":["v"]}`},
		{"tuple", `{"type":"object","properties":{"p":{"type":"array","prefixItems":[{"type":"string"},{"type":"integer"}],"items":false}},"required":["p"]}`},
		{"properties that are only required", `{"type":"object","required":["x","y"],"additionalProperties":{"type":"integer"}}`},
		{"least properties", `{"type":"object","minProperties":3}`},
		{"optional recursion", `{"type":"object","properties":{"self":{"$ref":"#"},"v":{"type":"integer"}}}`},
		{"choices beside properties", `{"type":"object","properties":{"kind":{"type":"string"}},"required":["kind"],"anyOf":[{"required":["a"],"properties":{"a":{"type":"integer"}}},{"required":["b"]}]}`},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			validateJSON(t, tt.schema, structured(t, tt.schema, "Hello there.", false))
		})
	}
}

func TestStructuredOutputSpeaksOfTheInput(t *testing.T) {
	schema := `{"type":"object","properties":{"title":{"type":"string"},"summary":{"type":"string"},"key_points":{"type":"array","items":{"type":"string"},"minItems":2,"maxItems":4},"keywords":{"type":"array","items":{"type":"string"}}},"required":["title","summary","key_points","keywords"],"additionalProperties":false}`
	var got struct {
		Title     string   `json:"title"`
		Summary   string   `json:"summary"`
		KeyPoints []string `json:"key_points"`
		Keywords  []string `json:"keywords"`
	}
	article := readArticle(t)
	raw := structured(t, schema, article, true)
	if err := json.Unmarshal([]byte(raw), &got); err != nil {
		t.Fatalf("decode %s: %v", raw, err)
	}
	if want := "The lighthouse keepers of the northern coast"; got.Title != want {
		t.Errorf("title = %q, want the heading %q", got.Title, want)
	}
	for _, point := range append([]string{got.Summary[:60]}, got.KeyPoints...) {
		if !strings.Contains(strings.Join(strings.Fields(strings.ReplaceAll(article, "**", "")), " "), strings.TrimSuffix(point, ".")) {
			t.Errorf("%q is not from the input", point)
		}
	}
	if len(got.Keywords) == 0 || got.Keywords[0] == got.Keywords[1] {
		t.Errorf("keywords = %q", got.Keywords)
	}
	if strings.Index(raw, `"title"`) > strings.Index(raw, `"summary"`) {
		t.Errorf("members are not in the schema's order: %s", raw)
	}
}

func TestJSONObjectFormat(t *testing.T) {
	sim := newSimulator(t, simulator.Config{})
	format := object{"format": object{"type": "json_object"}}
	response := create(t, sim, object{"input": "Answer in JSON.", "text": format})
	var got map[string]any
	if err := json.Unmarshal([]byte(outputText(t, response)), &got); err != nil {
		t.Errorf("answer is not a JSON object: %v", err)
	}
	refused := call(t, sim, "POST", "/v1/responses", object{"model": "gpt-4.1", "input": "Answer.", "text": format})
	if refused.status != 400 || !strings.Contains(refused.raw, "must contain the word 'json'") {
		t.Errorf("without the word JSON = %d %s", refused.status, refused.raw)
	}
}

func readArticle(tb testing.TB) string {
	tb.Helper()
	raw, err := os.ReadFile(filepath.Join("testdata", "article.md"))
	if err != nil {
		tb.Fatal(err)
	}
	return string(raw)
}

func FuzzStructuredOutput(f *testing.F) {
	f.Add(`{"type":"object","properties":{"a":{"type":"string"}},"required":["a"]}`)
	f.Add(`{"anyOf":[{"$ref":"#"},{"type":"null"}]}`)
	f.Add(`{"type":"array","items":{"$ref":"#"},"minItems":2}`)
	f.Add(`{"allOf":[{"$ref":"#"}]}`)
	f.Add(`{"type":"string","pattern":"(a*)*b{3,}","minLength":70}`)
	f.Fuzz(func(t *testing.T, schema string) {
		var parsed map[string]any
		if json.Unmarshal([]byte(schema), &parsed) != nil {
			return
		}
		sim := newSimulator(t, simulator.Config{})
		got := call(t, sim, "POST", "/v1/responses", object{"model": "gpt-4.1", "input": "Hello.", "text": object{"format": object{
			"type": "json_schema", "name": "answer", "schema": json.RawMessage(schema),
		}}})
		if got.status == 400 {
			return
		}
		if answer := outputText(t, got.body); !json.Valid([]byte(answer)) {
			t.Errorf("answer is not JSON: %s", answer)
		}
	})
}
