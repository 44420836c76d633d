package simulator

import (
	"encoding/json"
	"slices"
)

// mend returns an answer in the form of a schema: with what of the given text fits in, and
// nothing else that the schema does not demand. The text may break off.
func mend(schema *node, text string) string {
	given := &node{}
	if whole := closed(text); json.Valid([]byte(whole)) {
		given = parseNode(json.RawMessage(whole))
	}
	m := mender{root: schema}
	return string(m.value(nil, schema, given, 0))
}

// closed closes a JSON text that breaks off, after the last of its values that is whole.
func closed(text string) string {
	if json.Valid([]byte(text)) {
		return text
	}
	var open []byte // the brackets that would close what is open
	whole, closing := 0, []byte(nil)
	inString, escaped := false, false
	for i := range len(text) {
		c := text[i]
		switch {
		case escaped:
			escaped = false
			continue
		case inString:
			escaped, inString = c == '\\', c != '"'
			continue
		}
		switch c {
		case '"':
			inString = true
		case '{', '[':
			open = append(open, c+2) // } and ] are two further on
			whole, closing = i+1, slices.Clone(open)
		case '}', ']':
			if len(open) == 0 {
				return ""
			}
			open = open[:len(open)-1]
			whole, closing = i+1, slices.Clone(open)
		case ',':
			whole, closing = i, slices.Clone(open)
		}
	}
	slices.Reverse(closing)
	return text[:whole] + string(closing)
}

// mender writes a value in the form of a schema.
type mender struct{ root *node }

func (m mender) value(dst []byte, schema, given *node, depth int) []byte {
	for range deepest {
		if ref := schema.member("$ref"); ref != nil {
			schema = m.root.resolve(ref.text)
		} else if branches := schema.branches(); branches != nil {
			schema = branches[0]
		} else {
			break
		}
	}
	if schema == nil || depth > deepest {
		return append(dst, "null"...)
	}
	types := schema.types()
	fits := slices.Contains(types, given.typeName()) || given.typeName() == "integer" && slices.Contains(types, "number")
	if enum := schema.member("enum"); enum != nil && len(enum.items) > 0 {
		if i := slices.IndexFunc(enum.items, func(n *node) bool { return n.kind == given.kind && n.text == given.text }); i < 0 {
			return enum.items[0].appendJSON(dst)
		}
	}
	switch schema.kindOf() {
	case "object":
		dst = append(dst, '{')
		if properties := schema.member("properties"); properties != nil {
			for i, key := range properties.keys {
				if i > 0 {
					dst = append(dst, ',')
				}
				member := given.member(key)
				if member == nil {
					member = &node{}
				}
				dst = m.value(append(appendQuoted(dst, key), ':'), properties.members[key], member, depth+1)
			}
		}
		return append(dst, '}')
	case "array":
		dst = append(dst, '[')
		for i, item := range given.items {
			if i > 0 {
				dst = append(dst, ',')
			}
			dst = m.value(dst, schema.member("items"), item, depth+1)
		}
		return append(dst, ']')
	}
	switch {
	case fits:
		return given.appendJSON(dst)
	case slices.Contains(types, "null"):
		return append(dst, "null"...)
	}
	switch schema.kindOf() {
	case "integer", "number":
		return append(dst, '0')
	case "boolean":
		return append(dst, "false"...)
	}
	return append(dst, `""`...)
}

// typeName is the name of a value's type in schemas.
func (n *node) typeName() string {
	switch n.kind {
	case boolNode:
		return "boolean"
	case numberNode:
		if slices.ContainsFunc([]byte(n.text), func(c byte) bool { return c == '.' || c == 'e' || c == 'E' }) {
			return "number"
		}
		return "integer"
	case stringNode:
		return "string"
	case arrayNode:
		return "array"
	case objectNode:
		return "object"
	case nullNode:
	}
	return "null"
}
