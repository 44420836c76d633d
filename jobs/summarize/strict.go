package summarize

import (
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"
	"unicode/utf8"
)

// What OpenAI's strict mode takes of JSON Schema
// (https://platform.openai.com/docs/guides/structured-outputs#supported-schemas, of 2026).
const (
	strictProperties = 5_000
	strictDepth      = 10
	strictEnums      = 1_000
	strictRunes      = 120_000
	// schemaBytes is beyond what a schema within those limits needs.
	schemaBytes = 1 << 20
)

// checkSchema says why a schema cannot be used in strict mode, with the place in it and what
// to do about it; nil if it can.
func checkSchema(schema json.RawMessage) error {
	if len(schema) > schemaBytes {
		return fmt.Errorf("has %s bytes; the limit is %s", thousands(len(schema)), thousands(schemaBytes))
	}
	var root map[string]any
	if err := json.Unmarshal(schema, &root); err != nil {
		return errors.New("must be a JSON object, a JSON schema")
	}
	if root == nil || root["type"] != "object" {
		return errors.New(`must have "type": "object" at its root`)
	}
	if _, found := root["anyOf"]; found {
		return errors.New("may have no anyOf at its root; put it into a property")
	}
	s := strictness{}
	if err := s.visit(root, "", 0); err != nil {
		return err
	}
	switch {
	case s.properties > strictProperties:
		return fmt.Errorf("has %s properties; strict mode takes %s", thousands(s.properties), thousands(strictProperties))
	case s.enums > strictEnums:
		return fmt.Errorf("has %s enum values; strict mode takes %s", thousands(s.enums), thousands(strictEnums))
	case s.runes > strictRunes:
		return fmt.Errorf("names and enum values have %s characters; strict mode takes %s", thousands(s.runes), thousands(strictRunes))
	}
	_, err := newValidator(schema)
	return err
}

// strictness counts what strict mode limits.
type strictness struct{ properties, enums, runes int }

func (s *strictness) visit(schema map[string]any, at string, depth int) error {
	here := func(format string, args ...any) error {
		return fmt.Errorf("at %s: %s", quoteName("#"+at), fmt.Sprintf(format, args...))
	}
	if depth > strictDepth {
		return here("nests deeper than %d objects, which strict mode does not take", strictDepth)
	}
	for _, keyword := range []string{
		"allOf", "oneOf", "not", "dependentRequired", "dependentSchemas", "if", "then", "else", "patternProperties", "prefixItems",
		"unevaluatedProperties", "propertyNames", "contains", "$dynamicRef",
	} {
		if _, found := schema[keyword]; found {
			return here("strict mode does not take %s", keyword)
		}
	}
	if ref, found := schema["$ref"]; found {
		if text, ok := ref.(string); !ok || !strings.HasPrefix(text, "#") {
			return here("$ref must lead to a place within the schema, such as #/$defs/name")
		}
		return s.children(schema, at, depth)
	}
	if !describes(schema) {
		return here(`says not what its values are; give it a "type"`)
	}
	if err := knownTypes(schema["type"], at); err != nil {
		return err
	}
	for _, value := range anyList(schema["enum"]) {
		s.enums++
		if text, ok := value.(string); ok {
			s.runes += utf8.RuneCountInString(text)
		}
	}
	if isObject(schema) {
		if err := s.object(schema, here); err != nil {
			return err
		}
		depth++
	}
	if hasType(schema, "array") {
		if _, ok := schema["items"].(map[string]any); !ok {
			return here(`an array needs "items"`)
		}
	}
	return s.children(schema, at, depth)
}

// object checks what strict mode wants of an object.
func (s *strictness) object(schema map[string]any, here func(string, ...any) error) error {
	if additional, ok := schema["additionalProperties"].(bool); !ok || additional {
		return here(`an object needs "additionalProperties": false`)
	}
	properties, _ := schema["properties"].(map[string]any)
	required := anyList(schema["required"])
	for _, name := range slices.Sorted(maps.Keys(properties)) {
		s.properties++
		s.runes += utf8.RuneCountInString(name)
		if !slices.Contains(required, any(name)) {
			return here(`"required" must name all properties; %s is missing: let it be null where it may be absent`, quoteName(name))
		}
	}
	for _, name := range required {
		if text, ok := name.(string); !ok || properties[text] == nil {
			return here(`"required" names %q, which is no property`, name)
		}
	}
	return nil
}

// children checks the schemas inside of one.
func (s *strictness) children(schema map[string]any, at string, depth int) error {
	for _, holder := range []string{"properties", "$defs", "definitions"} {
		members, _ := schema[holder].(map[string]any)
		for _, name := range slices.Sorted(maps.Keys(members)) {
			if err := s.child(members[name], at+"/"+holder+"/"+name, depth); err != nil {
				return err
			}
		}
	}
	if items, found := schema["items"]; found {
		if err := s.child(items, at+"/items", depth); err != nil {
			return err
		}
	}
	for i, branch := range anyList(schema["anyOf"]) {
		if err := s.child(branch, fmt.Sprintf("%s/anyOf/%d", at, i), depth); err != nil {
			return err
		}
	}
	return nil
}

func (s *strictness) child(value any, at string, depth int) error {
	schema, ok := value.(map[string]any)
	if !ok {
		return fmt.Errorf("at %s: must be a schema, a JSON object", quoteName("#"+at))
	}
	return s.visit(schema, at, depth)
}

// knownTypes says which of the types of a schema there is none of, nil if all are known.
func knownTypes(given any, at string) error {
	known := []any{"string", "number", "integer", "boolean", "object", "array", "null"}
	list, many := given.([]any)
	if !many && given != nil {
		list = []any{given}
	}
	for _, name := range list {
		if !slices.Contains(known, name) {
			return fmt.Errorf("at %s: %s is no type; there are string, number, integer, boolean, object, array and null",
				quoteName("#"+at+"/type"), quoteName(fmt.Sprint(name)))
		}
	}
	return nil
}

func describes(schema map[string]any) bool {
	for _, keyword := range []string{"type", "anyOf", "enum", "const"} {
		if _, found := schema[keyword]; found {
			return true
		}
	}
	return false
}

func isObject(schema map[string]any) bool {
	_, properties := schema["properties"]
	return properties || hasType(schema, "object")
}

func hasType(schema map[string]any, name string) bool {
	return schema["type"] == name || slices.Contains(anyList(schema["type"]), any(name))
}

func anyList(value any) []any {
	list, _ := value.([]any)
	return list
}
