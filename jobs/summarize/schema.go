package summarize

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"strings"

	"github.com/santhosh-tekuri/jsonschema/v6"
	"github.com/santhosh-tekuri/jsonschema/v6/kind"
)

// The schemas of the answers, for OpenAI's strict mode: every property is required and none
// but these are allowed (https://platform.openai.com/docs/guides/structured-outputs). The
// sources come after the statement that they bear out, since models write in this order.
const (
	statementsSchema = `{"type":"array","items":{"type":"object","properties":{"text":{"type":"string"},` +
		`"sources":{"type":"array","items":{"type":"object","properties":{"section":{"type":["integer","null"]},"quote":{"type":"string"}},` +
		`"required":["section","quote"],"additionalProperties":false}}},"required":["text","sources"],"additionalProperties":false}}`
	mentionsSchema = `{"type":"array","items":{"type":"object","properties":{"value":{"type":"string"},"meaning":{"type":"string"}},` +
		`"required":["value","meaning"],"additionalProperties":false}}`
)

// readSchema is the schema of an answer to a document or a part of one.
func readSchema(question bool) json.RawMessage {
	return objectSchema(question, statementsSchema, statementsSchema, mentionsSchema, mentionsSchema, mentionsSchema)
}

// mergeSchema is the schema of an answer to summaries: it names what it takes over instead of
// writing it anew, so that no quote goes through a model twice. Fine-tuned models take no
// patterns.
func mergeSchema(question, patterns bool) json.RawMessage {
	ids := func(letters string) string {
		if !patterns {
			return `{"type":"array","items":{"type":"string"}}`
		}
		return `{"type":"array","items":{"type":"string","pattern":"^[` + letters + `][0-9]+$"}}`
	}
	statements := func(letters string) string {
		return `{"type":"array","items":{"type":"object","properties":{"text":{"type":"string"},"from":` + ids(letters) +
			`},"required":["text","from"],"additionalProperties":false}}`
	}
	return objectSchema(question, statements("K"), statements("KQ"), ids("D"), ids("N"), ids("X"))
}

func objectSchema(question bool, points, open, dates, names, numbers string) json.RawMessage {
	keys := []string{"title", "language", "summary", "key_points", "open_questions", "dates", "names", "numbers"}
	values := []string{`{"type":"string"}`, `{"type":"string"}`, `{"type":"string"}`, points, open, dates, names, numbers}
	if question {
		keys, values = append([]string{"answered"}, keys...), append([]string{`{"type":"boolean"}`}, values...)
	}
	var b strings.Builder
	b.WriteString(`{"type":"object","properties":{`)
	for i, key := range keys {
		if i > 0 {
			b.WriteByte(',')
		}
		b.WriteString(`"` + key + `":` + values[i])
	}
	b.WriteString(`},"required":["` + strings.Join(keys, `","`) + `"],"additionalProperties":false}`)
	return json.RawMessage(b.String())
}

// validator checks answers against a schema.
type validator struct{ schema *jsonschema.Schema }

// schemaURL names the schema in hand. Nothing is ever loaded from there.
const schemaURL = "mem:///schema"

// newValidator compiles a schema. What it refers to outside of itself is refused.
func newValidator(schema json.RawMessage) (validator, error) {
	parsed, err := jsonschema.UnmarshalJSON(bytes.NewReader(schema))
	if err != nil {
		return validator{}, fmt.Errorf("not valid JSON: %w", err)
	}
	compiler := jsonschema.NewCompiler()
	compiler.UseLoader(noLoader{})
	if err := compiler.AddResource(schemaURL, parsed); err != nil {
		return validator{}, err
	}
	compiled, err := compiler.Compile(schemaURL)
	if broken, ok := errors.AsType[*jsonschema.SchemaValidationError](err); ok {
		err = broken.Err
	}
	if at, ok := errors.AsType[*jsonschema.ValidationError](err); ok {
		for len(at.Causes) > 0 {
			at = at.Causes[0]
		}
		return validator{}, fmt.Errorf("at %s: not a JSON schema, by its rule %s", quoteName("#/"+strings.Join(at.InstanceLocation, "/")), ruleOf(at.ErrorKind))
	}
	if err != nil {
		return validator{}, fmt.Errorf("not a JSON schema: %s", oneLine(err.Error(), 300))
	}
	return validator{compiled}, nil
}

type noLoader struct{}

func (noLoader) Load(string) (any, error) {
	return nil, errors.New("a schema may refer to nothing outside of itself")
}

// check returns what is wrong with an answer, "" if nothing is. It tells places and rules, and
// nothing of what the answer says.
func (v validator) check(answer string) string {
	value, err := jsonschema.UnmarshalJSON(strings.NewReader(answer))
	if err != nil {
		return "it is not valid JSON"
	}
	err = v.schema.Validate(value)
	if err == nil {
		return ""
	}
	invalid, ok := errors.AsType[*jsonschema.ValidationError](err)
	if !ok {
		return "it cannot be held against the schema"
	}
	for len(invalid.Causes) > 0 {
		invalid = invalid.Causes[0]
	}
	return "at /" + oneLine(strings.Join(invalid.InstanceLocation, "/"), 200) + " it breaks the schema's rule " + ruleOf(invalid.ErrorKind)
}

// ruleOf names the rule that was broken, with what the schema says of it.
func ruleOf(broken jsonschema.ErrorKind) string {
	rule := "/" + strings.Join(broken.KeywordPath(), "/")
	switch b := broken.(type) {
	case *kind.Required:
		return rule + ": " + strings.Join(b.Missing, ", ") + " missing"
	case *kind.Type:
		return rule + ": " + b.Got + " given, " + strings.Join(b.Want, " or ") + " wanted"
	}
	return rule
}
