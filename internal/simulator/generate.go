package simulator

import (
	"cmp"
	"math"
	"slices"
	"strconv"
)

const (
	shallow       = 5      // nesting up to which values are generous; below it, as small as allowed
	deepest       = 64     // nesting at which generation gives up on a schema that cannot end
	generousItems = 3      // elements of an array that may have any number
	maxValues     = 20_000 // values of one answer
	unreachable   = 1 << 20
)

// generate returns JSON that conforms to the schema, filled from the digest: strings whose name
// suggests a summary get one, and so on. The same schema and digest give the same JSON. A schema
// that no value satisfies gets one that satisfies part of it. Quotes, and references to what the
// material holds, are true of the material.
func generate(schema *node, d *digest, m *material) string {
	g := &generator{root: schema, digest: d, material: m}
	g.measure()
	return string(g.value(nil, schema, place{}))
}

type generator struct {
	root     *node
	digest   *digest
	material *material
	heights  map[*node]int // of the schemas below root: how many levels a value needs at least
	values   int           // written so far
	cited    int           // pages of a file among them

	// known are members of the object that is written next, as JSON, and stated is the passage that
	// its statement is about.
	known  map[string]string
	stated *passage
}

// place is where in the answer a value stands.
type place struct {
	name  string // of the member, or of the nearest one around it
	index int    // in the nearest array
	depth int
}

func (p place) inside(name string) place {
	return place{name: cmp.Or(name, p.name), index: p.index, depth: p.depth + 1}
}

// value appends a value that conforms to the schema.
func (g *generator) value(dst []byte, schema *node, at place) []byte {
	g.values++
	schema = g.settle(schema, at)
	if at.depth > deepest || schema == nil || g.values > 2*maxValues {
		return append(dst, "null"...)
	}
	if constant := schema.member("const"); constant != nil {
		return constant.appendJSON(dst)
	}
	if enum := schema.member("enum"); enum != nil && len(enum.items) > 0 {
		return g.pick(enum.items, at).appendJSON(dst)
	}
	switch schema.kindOf() {
	case "object":
		return g.object(dst, schema, at)
	case "array":
		return g.array(dst, schema, at)
	case "integer":
		if at.name == "section" && g.material.pages > 0 {
			g.cited++
			return strconv.AppendInt(dst, int64(g.material.page(g.cited)), 10)
		}
		return strconv.AppendInt(dst, int64(fitNumber(schema, float64(1+at.index), true)), 10)
	case "number":
		return strconv.AppendFloat(dst, fitNumber(schema, 0.5+float64(at.index), false), 'f', -1, 64)
	case "boolean":
		if at.name == "answered" {
			return appendBool(dst, g.material.answers())
		}
		return appendBool(dst, at.index%2 == 0)
	case "null":
		return append(dst, "null"...)
	}
	return appendQuoted(dst, g.text(schema, at))
}

// settle follows references and choices to a schema that says itself what the value is.
func (g *generator) settle(schema *node, at place) *node {
	for range deepest {
		switch {
		case schema == nil:
			return nil
		case schema.member("$ref") != nil:
			schema = g.root.resolve(schema.member("$ref").text)
		case schema.member("allOf") != nil:
			schema = g.merge(schema)
		case schema.branches() != nil:
			schema = g.choose(schema, at)
		default:
			return schema
		}
	}
	return nil
}

// branches returns the alternatives of a schema, or nil.
func (n *node) branches() []*node {
	for _, keyword := range []string{"anyOf", "oneOf"} {
		if m := n.member(keyword); m != nil && len(m.items) > 0 {
			return m.items
		}
	}
	return nil
}

// choose takes one of a schema's alternatives, together with what the schema says beside them:
// the first that is not null, or, deep inside, the one that ends soonest.
func (g *generator) choose(schema *node, at place) *node {
	branches := schema.branches()
	best, least := branches[0], unreachable+1
	for _, branch := range branches {
		height := g.height(branch)
		if g.small(at) && height < least || !g.small(at) && least > unreachable && height < unreachable && !isNullSchema(branch) {
			best, least = branch, height
		}
	}
	return overlay(schema, best, "anyOf", "oneOf")
}

func isNullSchema(schema *node) bool { return slices.Equal(schema.types(), []string{"null"}) }

// small reports whether values at a place have to be as small as the schema allows.
func (g *generator) small(at place) bool { return at.depth > shallow || g.values > maxValues/2 }

// overlay returns the schema without the given keywords, with those of over on top.
func overlay(schema, over *node, without ...string) *node {
	out := &node{kind: objectNode, members: make(map[string]*node)}
	for _, layer := range []*node{schema, over} {
		for _, key := range layer.keys {
			if layer == schema && slices.Contains(without, key) {
				continue
			}
			switch held := out.members[key]; {
			case held == nil:
				out.keys = append(out.keys, key)
				out.members[key] = layer.members[key]
			case key == "properties":
				out.members[key] = overlay(held, layer.members[key])
			case key == "required":
				out.members[key] = &node{kind: arrayNode, items: append(slices.Clone(held.items), layer.members[key].items...)}
			default:
				out.members[key] = layer.members[key]
			}
		}
	}
	return out
}

// merge combines the schemas of allOf into one.
func (g *generator) merge(schema *node) *node {
	out := overlay(schema, &node{kind: objectNode}, "allOf")
	for _, part := range schema.member("allOf").items {
		for range deepest {
			ref := part.member("$ref")
			if ref == nil {
				break
			}
			if part = g.root.resolve(ref.text); part == nil {
				return nil
			}
		}
		out = overlay(out, part)
	}
	return out
}

// kindOf names the type of value that a settled schema asks for: the first one that is not null,
// or what its keywords suggest.
func (n *node) kindOf() string {
	types := n.types()
	for _, name := range types {
		if name != "null" {
			return name
		}
	}
	if len(types) > 0 {
		return "null"
	}
	for _, hint := range []struct{ keyword, kind string }{
		{"properties", "object"},
		{"required", "object"},
		{"additionalProperties", "object"},
		{"items", "array"},
		{"prefixItems", "array"},
		{"minItems", "array"},
		{"minimum", "number"},
		{"maximum", "number"},
		{"multipleOf", "number"},
	} {
		if n.member(hint.keyword) != nil {
			return hint.kind
		}
	}
	return "string"
}

func (n *node) requiredKeys() []string {
	required := n.member("required")
	if required == nil {
		return nil
	}
	keys := make([]string, len(required.items))
	for i, item := range required.items {
		keys[i] = item.text
	}
	return keys
}

// pick takes the enum's value that the text speaks of, or else one that is not null; in an array
// each element takes the next.
func (g *generator) pick(values []*node, at place) *node {
	for _, value := range values {
		if at.index == 0 && value.kind == stringNode && value.text != "" && g.digest.speaksOf(value.text) {
			return value
		}
	}
	if g.small(at) {
		return values[0]
	}
	for i := range values {
		if value := values[(i+at.index)%len(values)]; value.kind != nullNode {
			return value
		}
	}
	return values[0]
}

func (g *generator) object(dst []byte, schema *node, at place) []byte {
	dst = append(dst, '{')
	written := 0
	member := func(key string, property *node) {
		if written > 0 {
			dst = append(dst, ',')
		}
		dst = append(appendQuoted(dst, key), ':')
		dst = g.value(dst, property, at.inside(key))
		written++
	}
	known := g.known
	g.known = nil
	properties := schema.member("properties")
	if properties != nil {
		for _, key := range properties.keys {
			if value, ok := known[key]; ok {
				if written > 0 {
					dst = append(dst, ',')
				}
				dst = append(append(appendQuoted(dst, key), ':'), value...)
				written++
				continue
			}
			optional := !schema.requires(key)
			if optional && (g.small(at) || g.height(properties.members[key]) >= unreachable || written >= schema.count("maxProperties", maxValues)) {
				continue
			}
			member(key, properties.members[key])
		}
	}
	additional := schema.member("additionalProperties")
	if additional == nil || additional.kind != objectNode {
		additional = &node{kind: objectNode, members: map[string]*node{"type": {kind: stringNode, text: "string"}}}
	}
	for _, key := range schema.requiredKeys() {
		if properties.member(key) == nil {
			member(key, additional)
		}
	}
	for written < min(schema.count("minProperties", 0), maxValues) {
		member("key_"+strconv.Itoa(written+1), additional)
	}
	return append(dst, '}')
}

func (g *generator) array(dst []byte, schema *node, at place) []byte {
	if filled, ok := g.elements(dst, schema, at); ok {
		return filled
	}
	least := min(schema.count("minItems", 0), maxValues)
	n := max(least, generousItems)
	items := schema.member("items")
	if g.small(at) || items != nil && g.height(items) >= unreachable {
		n = least
	}
	fixed := schema.member("prefixItems")
	if fixed != nil {
		n = max(n, len(fixed.items))
		if items == nil || items.kind == boolNode && !items.truth {
			n = max(least, len(fixed.items))
		}
	}
	n = min(n, schema.count("maxItems", maxValues))
	seen := make(map[string]bool)
	unique := schema.member("uniqueItems") != nil && schema.member("uniqueItems").truth
	dst = append(dst, '[')
	written := 0
	for i := 0; written < n && i < n+2*generousItems; i++ {
		element := items
		if fixed != nil && i < len(fixed.items) {
			element = fixed.items[i]
		}
		if element == nil || element.kind != objectNode {
			element = &node{kind: objectNode}
		}
		value := string(g.value(nil, element, place{name: at.name, index: i, depth: at.depth + 1}))
		if unique && seen[value] {
			continue
		}
		seen[value] = true
		if written > 0 {
			dst = append(dst, ',')
		}
		dst = append(dst, value...)
		written++
	}
	return append(dst, ']')
}

// fitNumber moves a number into the bounds of a schema.
func fitNumber(schema *node, wish float64, whole bool) float64 {
	low, high := math.Inf(-1), math.Inf(1)
	step := 0.0
	if whole {
		step = 1
	}
	if f, ok := schema.number("minimum"); ok {
		low = f
	}
	if f, ok := schema.number("maximum"); ok {
		high = f
	}
	if f, ok := schema.number("exclusiveMinimum"); ok && f >= low {
		low = math.Nextafter(f, math.Inf(1))
	}
	if f, ok := schema.number("exclusiveMaximum"); ok && f <= high {
		high = math.Nextafter(f, math.Inf(-1))
	}
	if f, ok := schema.number("multipleOf"); ok && f > 0 {
		step = f
		if whole && f != math.Trunc(f) {
			step = math.Max(1, f*10) // a fraction such as 0.5 or 2.5: ten times it is whole
		}
	}
	value := wish
	if wish < low || wish > high {
		switch {
		case !math.IsInf(low, 0) && !math.IsInf(high, 0):
			value = low + (high-low)/2
		case !math.IsInf(low, 0):
			value = low
		default:
			value = high
		}
	}
	if step == 0 {
		return value
	}
	up, down := math.Ceil(value/step)*step, math.Floor(value/step)*step
	if up <= high {
		return up
	}
	return max(down, low)
}
