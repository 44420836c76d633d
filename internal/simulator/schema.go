package simulator

import (
	"bytes"
	"encoding/json"
	"slices"
	"strconv"
	"strings"
)

// node is a parsed JSON value that remembers the order of its members: answers list their
// members in the order of the schema, as OpenAI's do.
type node struct {
	kind    nodeKind
	keys    []string
	members map[string]*node
	items   []*node
	text    string // a string's value or a number's digits
	truth   bool
}

type nodeKind int

const (
	nullNode nodeKind = iota
	boolNode
	numberNode
	stringNode
	arrayNode
	objectNode
)

// parseNode parses valid JSON.
func parseNode(raw json.RawMessage) *node {
	decoder := json.NewDecoder(bytes.NewReader(raw))
	decoder.UseNumber()
	return readNode(decoder)
}

func readNode(decoder *json.Decoder) *node {
	token, err := decoder.Token()
	if err != nil {
		return &node{}
	}
	switch value := token.(type) {
	case bool:
		return &node{kind: boolNode, truth: value}
	case json.Number:
		return &node{kind: numberNode, text: value.String()}
	case string:
		return &node{kind: stringNode, text: value}
	case json.Delim:
		if value == '[' {
			n := &node{kind: arrayNode}
			for decoder.More() {
				n.items = append(n.items, readNode(decoder))
			}
			_, _ = decoder.Token() // the closing bracket, which valid JSON has
			return n
		}
		n := &node{kind: objectNode, members: make(map[string]*node)}
		for decoder.More() {
			key, _ := decoder.Token()
			name, _ := key.(string)
			if _, ok := n.members[name]; !ok {
				n.keys = append(n.keys, name)
			}
			n.members[name] = readNode(decoder)
		}
		_, _ = decoder.Token()
		return n
	}
	return &node{}
}

// member returns a member of an object, or nil.
func (n *node) member(name string) *node {
	if n == nil {
		return nil
	}
	return n.members[name]
}

// number returns the value of a numeric member.
func (n *node) number(name string) (float64, bool) {
	m := n.member(name)
	if m == nil || m.kind != numberNode {
		return 0, false
	}
	f, err := strconv.ParseFloat(m.text, 64)
	return f, err == nil
}

// count returns the value of a member that is a size, or fallback.
func (n *node) count(name string, fallback int) int {
	f, ok := n.number(name)
	if !ok || f < 0 || f > 1<<30 {
		return fallback
	}
	return int(f)
}

// types returns the type names that a schema allows; none if it does not say.
func (n *node) types() []string {
	t := n.member("type")
	switch {
	case t == nil:
		return nil
	case t.kind == stringNode:
		return []string{t.text}
	}
	var names []string
	for _, item := range t.items {
		names = append(names, item.text)
	}
	return names
}

// resolve follows a local $ref such as #, #/$defs/step or #/properties/next, and returns nil if
// it leads nowhere.
func (n *node) resolve(ref string) *node {
	rest, ok := strings.CutPrefix(ref, "#")
	if !ok {
		return nil
	}
	at := n
	for step := range strings.SplitSeq(strings.TrimPrefix(rest, "/"), "/") {
		if step == "" {
			continue
		}
		step = strings.ReplaceAll(strings.ReplaceAll(step, "~1", "/"), "~0", "~")
		if at.kind == arrayNode {
			i, err := strconv.Atoi(step)
			if err != nil || i < 0 || i >= len(at.items) {
				return nil
			}
			at = at.items[i]
			continue
		}
		if at = at.member(step); at == nil {
			return nil
		}
	}
	return at
}

// appendJSON appends n as JSON.
func (n *node) appendJSON(dst []byte) []byte {
	switch n.kind {
	case boolNode:
		return strconv.AppendBool(dst, n.truth)
	case numberNode:
		return append(dst, n.text...)
	case stringNode:
		return appendQuoted(dst, n.text)
	case arrayNode:
		dst = append(dst, '[')
		for i, item := range n.items {
			if i > 0 {
				dst = append(dst, ',')
			}
			dst = item.appendJSON(dst)
		}
		return append(dst, ']')
	case objectNode:
		dst = append(dst, '{')
		for i, key := range n.keys {
			if i > 0 {
				dst = append(dst, ',')
			}
			dst = append(appendQuoted(dst, key), ':')
			dst = n.members[key].appendJSON(dst)
		}
		return append(dst, '}')
	case nullNode:
	}
	return append(dst, "null"...)
}

// subschema is a schema inside another, with the path that messages show.
type subschema struct {
	schema *node
	path   []string
}

// subschemas lists the schemas directly inside n.
func (n *node) subschemas(path []string) []subschema {
	var subs []subschema
	add := func(schema *node, steps ...string) {
		if schema != nil && schema.kind == objectNode {
			subs = append(subs, subschema{schema, append(slices.Clone(path), steps...)})
		}
	}
	for _, holder := range []string{"properties", "$defs", "definitions"} {
		if m := n.member(holder); m != nil {
			for _, key := range m.keys {
				add(m.members[key], holder, key)
			}
		}
	}
	for _, holder := range []string{"items", "additionalProperties"} {
		add(n.member(holder), holder)
	}
	for _, holder := range []string{"anyOf", "oneOf", "allOf", "prefixItems"} {
		if m := n.member(holder); m != nil {
			for i, item := range m.items {
				add(item, holder, strconv.Itoa(i))
			}
		}
	}
	return subs
}

// checkStrict returns what makes a schema unusable for strict mode, in OpenAI's words, or "".
func checkStrict(schema *node) string {
	if !slices.Equal(schema.types(), []string{"object"}) {
		return "schema must be a JSON Schema of 'type: \"object\"', got 'type: \"" + strings.Join(orNone(schema.types()), `", "`) + "\"'."
	}
	if fault := checkReferences(schema); fault != "" {
		return fault
	}
	return checkStrictAt(schema, nil)
}

func checkStrictAt(schema *node, path []string) string {
	fault := func(text string) string { return "In context=" + contextOfPath(path) + ", " + text }
	for _, keyword := range []string{"allOf", "not", "dependentRequired", "dependentSchemas", "if", "then", "else", "oneOf"} {
		if schema.member(keyword) != nil {
			return fault("'" + keyword + "' is not permitted.")
		}
	}
	properties := schema.member("properties")
	if slices.Contains(schema.types(), "object") || properties != nil {
		additional := schema.member("additionalProperties")
		if additional == nil || additional.kind != boolNode || additional.truth {
			return fault("'additionalProperties' is required to be supplied and to be false.")
		}
		if properties != nil {
			for _, key := range properties.keys {
				if !schema.requires(key) {
					return fault("'required' is required to be supplied and to be an array including every key in properties. Missing '" + key + "'.")
				}
			}
		}
		if required := schema.member("required"); required != nil {
			for _, item := range required.items {
				if properties.member(item.text) == nil {
					return fault("'required' is required to be supplied and to be an array including every key in properties. Extra required key '" + item.text + "' supplied.")
				}
			}
		}
	}
	if slices.Contains(schema.types(), "array") && schema.member("items") == nil {
		return fault("array schema missing items.")
	}
	for _, sub := range schema.subschemas(path) {
		if describes(sub.schema) {
			if text := checkStrictAt(sub.schema, sub.path); text != "" {
				return text
			}
			continue
		}
		return "In context=" + contextOfPath(sub.path) + ", schema must have a 'type' key."
	}
	return ""
}

// describes reports whether a schema says what its values are.
func describes(schema *node) bool {
	for _, keyword := range []string{"type", "anyOf", "$ref", "enum", "const", "allOf", "oneOf", "not", "properties"} {
		if schema.member(keyword) != nil {
			return true
		}
	}
	return false
}

// requires reports whether an object schema lists key as required.
func (n *node) requires(key string) bool {
	required := n.member("required")
	return required != nil && slices.ContainsFunc(required.items, func(item *node) bool { return item.text == key })
}

// checkReferences returns what is wrong with the $refs of a schema, or "".
func checkReferences(root *node) string {
	var visit func(n *node, path []string) string
	visit = func(n *node, path []string) string {
		if ref := n.member("$ref"); ref != nil && root.resolve(ref.text) == nil {
			return "In context=" + contextOfPath(path) + ", reference to component '" + clip(ref.text, 128) + "' which was not found in the schema."
		}
		for _, sub := range n.subschemas(path) {
			if fault := visit(sub.schema, sub.path); fault != "" {
				return fault
			}
		}
		return ""
	}
	return visit(root, nil)
}

// contextOfPath renders a path as OpenAI does, which is how Python prints a tuple.
func contextOfPath(path []string) string {
	if len(path) == 1 {
		return "('" + path[0] + "',)"
	}
	if len(path) == 0 {
		return "()"
	}
	return "('" + strings.Join(path, "', '") + "')"
}

func orNone(names []string) []string {
	if len(names) == 0 {
		return []string{"None"}
	}
	return names
}
