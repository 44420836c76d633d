package simulator_test

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"os"
	"strconv"
	"strings"
	"sync"

	"github.com/santhosh-tekuri/jsonschema/v6"
)

// specResource is the name under which schemas refer to the description.
const specResource = "https://api.openai.com/openapi.json"

// apiSpec checks HTTP exchanges against OpenAI's own OpenAPI description of the Responses API.
// It owns the few corrections without which the description refuses what the real API does; each
// has its reason beside it. It is safe for concurrent use.
//
// OpenAPI 3.1 describes bodies in JSON Schema 2020-12, so a validator for that is all it takes:
// each schema is compiled once, and a check costs well under a millisecond, where a library for
// OpenAPI that compiles for every check took 45.
type apiSpec struct {
	paths  map[string]map[string]any // path template to method to operation
	events map[string]string         // type of a stream event to the name of its schema

	// mu guards the compiler and what it has compiled.
	mu       sync.Mutex
	compiler *jsonschema.Compiler
	compiled map[string]*jsonschema.Schema
}

// loadAPISpec reads the description from a JSON file.
func loadAPISpec(path string) (*apiSpec, error) {
	raw, err := os.ReadFile(path)
	if err != nil {
		return nil, fmt.Errorf("read API description: %w", err)
	}
	document, err := jsonschema.UnmarshalJSON(bytes.NewReader(raw))
	if err != nil {
		return nil, fmt.Errorf("decode API description %s: %w", path, err)
	}
	if err := correct(document); err != nil {
		return nil, fmt.Errorf("correct API description %s: %w", path, err)
	}
	s := &apiSpec{
		paths: make(map[string]map[string]any), events: make(map[string]string),
		compiler: jsonschema.NewCompiler(), compiled: make(map[string]*jsonschema.Schema),
	}
	s.compiler.DefaultDraft(jsonschema.Draft2020)
	if err := s.compiler.AddResource(specResource, document); err != nil {
		return nil, fmt.Errorf("add API description %s: %w", path, err)
	}
	for template, operations := range members(document, "paths") {
		s.paths[template] = members(operations)
	}
	for name, schema := range members(document, "components", "schemas") {
		if kinds, ok := walk(schema, "properties", "type", "enum").([]any); ok && len(kinds) == 1 && strings.HasSuffix(name, "Event") {
			s.events[fmt.Sprint(kinds[0])] = name
		}
	}
	return s, nil
}

// correct removes from the description what contradicts the API, or the description's own
// examples.
func correct(document any) error {
	// Alternatives overlap: a message whose content is a list is an EasyInputMessage as well as an
	// InputMessage, so that "exactly one of" refuses what is plainly valid.
	loosen(document)
	// Examples of responses have "user": null and, until they have ended, "usage": null.
	for _, path := range [][]string{
		{"components", "schemas", "ModelResponseProperties", "properties", "user"},
		{"components", "schemas", "ResponseUsage"},
	} {
		schema := members(document, path...)
		if schema["type"] == nil {
			return fmt.Errorf("%s has no type", strings.Join(path, "."))
		}
		schema["type"] = []any{schema["type"], "null"}
	}
	// Codes are added all the time.
	codes := members(document, "components", "schemas", "ResponseErrorCode")
	if codes["enum"] == nil {
		return errors.New("components.schemas.ResponseErrorCode has no enum")
	}
	delete(codes, "enum")
	return nil
}

// loosen turns every oneOf into anyOf, and drops the recursion keywords of an older JSON Schema
// draft, which stand in one schema of filters and are not valid in OpenAPI 3.1.
func loosen(value any) {
	switch value := value.(type) {
	case map[string]any:
		if alternatives, ok := value["oneOf"].([]any); ok && value["anyOf"] == nil {
			value["anyOf"] = alternatives
			delete(value, "oneOf")
		}
		delete(value, "$recursiveAnchor")
		delete(value, "$recursiveRef")
		for _, member := range value {
			loosen(member)
		}
	case []any:
		for _, item := range value {
			loosen(item)
		}
	}
}

// walk follows member names into decoded JSON and returns nil if they lead nowhere.
func walk(value any, path ...string) any {
	for _, name := range path {
		object, ok := value.(map[string]any)
		if !ok {
			return nil
		}
		value = object[name]
	}
	return value
}

// members returns the object at a path, or an empty one.
func members(value any, path ...string) map[string]any {
	if object, ok := walk(value, path...).(map[string]any); ok {
		return object
	}
	return map[string]any{}
}

// checkRequest returns what is wrong with a request and its body, or nil. The host of the
// request does not matter, nor does a prefix /v1 of its path.
func (s *apiSpec) checkRequest(r *http.Request, body []byte) error {
	template, operation, err := s.operation(r)
	if err != nil {
		return err
	}
	described := make(map[string]bool)
	if parameters, ok := operation["parameters"].([]any); ok {
		for _, parameter := range parameters {
			if walk(parameter, "in") == "query" {
				described[fmt.Sprint(walk(parameter, "name"))] = true
			}
		}
	}
	for name := range r.URL.Query() {
		if !described[strings.TrimSuffix(name, "[]")] {
			return fmt.Errorf("request %s %s: query parameter %s is not described", r.Method, r.URL.Path, name)
		}
	}
	pointer := []string{"paths", template, strings.ToLower(r.Method), "requestBody", "content", "application/json", "schema"}
	if walk(operation, pointer[3:]...) == nil {
		// The body of a GET means nothing, and the official Go client sends one when it streams.
		if r.Method != http.MethodGet && len(bytes.TrimSpace(body)) > 0 && string(body) != "{}" {
			return fmt.Errorf("request %s %s: no body is described", r.Method, r.URL.Path)
		}
		return nil
	}
	if err := s.check(pointer, body); err != nil {
		return fmt.Errorf("request %s %s: %w", r.Method, r.URL.Path, err)
	}
	return nil
}

// checkResponse returns what is wrong with the JSON answer to a request, or nil. Errors of all
// kinds are held against the one shape that they share.
func (s *apiSpec) checkResponse(r *http.Request, status int, body []byte) error {
	if status >= http.StatusBadRequest {
		return s.checkSchema("ErrorResponse", body)
	}
	template, operation, err := s.operation(r)
	if err != nil {
		return err
	}
	code := strconv.Itoa(status)
	if walk(operation, "responses", code) == nil {
		return fmt.Errorf("response to %s %s: status %d is not described", r.Method, r.URL.Path, status)
	}
	pointer := []string{"paths", template, strings.ToLower(r.Method), "responses", code, "content", "application/json", "schema"}
	if walk(operation, pointer[3:]...) == nil {
		return nil // what a deletion answers is not described
	}
	if err := s.check(pointer, body); err != nil {
		return fmt.Errorf("response to %s %s: %w", r.Method, r.URL.Path, err)
	}
	return nil
}

// checkEvent returns what is wrong with the data of a stream's event, or nil.
func (s *apiSpec) checkEvent(data []byte) error {
	var event struct {
		Type string `json:"type"`
	}
	if err := json.Unmarshal(data, &event); err != nil {
		return fmt.Errorf("decode event: %w", err)
	}
	name, ok := s.events[event.Type]
	if !ok {
		return fmt.Errorf("event %q is not described", event.Type)
	}
	return s.checkSchema(name, data)
}

// checkSchema returns how a JSON value violates a named schema, or nil.
func (s *apiSpec) checkSchema(name string, value []byte) error {
	if err := s.check([]string{"components", "schemas", name}, value); err != nil {
		return fmt.Errorf("%s: %w", name, err)
	}
	return nil
}

// operation finds what the description says about a route.
func (s *apiSpec) operation(r *http.Request) (template string, operation map[string]any, err error) {
	path := strings.TrimPrefix(r.URL.Path, "/v1")
	steps := strings.Split(path, "/")
	best := -1
	for candidate, operations := range s.paths {
		if fixed := matches(strings.Split(candidate, "/"), steps); fixed > best && operations[strings.ToLower(r.Method)] != nil {
			template, best = candidate, fixed
		}
	}
	if best < 0 {
		return "", nil, fmt.Errorf("%s %s is not described", r.Method, r.URL.Path)
	}
	return template, members(s.paths[template][strings.ToLower(r.Method)]), nil
}

// matches returns how many steps of a template are equal to those of a path, or -1 if one
// differs that is not a parameter.
func matches(template, path []string) int {
	if len(template) != len(path) {
		return -1
	}
	fixed := 0
	for i, step := range template {
		switch {
		case step == path[i]:
			fixed++
		case !strings.HasPrefix(step, "{"):
			return -1
		}
	}
	return fixed
}

// check validates a JSON value against the schema at a place in the description.
func (s *apiSpec) check(pointer []string, value []byte) error {
	decoded, err := jsonschema.UnmarshalJSON(bytes.NewReader(value))
	if err != nil {
		return fmt.Errorf("decode body: %w", err)
	}
	schema, err := s.compile(pointer)
	if err != nil {
		return err
	}
	if err := schema.Validate(decoded); err != nil {
		return fmt.Errorf("validate: %w", err)
	}
	return nil
}

func (s *apiSpec) compile(pointer []string) (*jsonschema.Schema, error) {
	escape := strings.NewReplacer("~", "~0", "/", "~1", "{", "%7B", "}", "%7D")
	steps := make([]string, len(pointer))
	for i, step := range pointer {
		steps[i] = escape.Replace(step)
	}
	location := specResource + "#/" + strings.Join(steps, "/")
	s.mu.Lock()
	defer s.mu.Unlock()
	if schema := s.compiled[location]; schema != nil {
		return schema, nil
	}
	schema, err := s.compiler.Compile(location)
	if err != nil {
		return nil, fmt.Errorf("compile schema %s: %w", strings.Join(pointer, "."), err)
	}
	s.compiled[location] = schema
	return schema, nil
}
