package simulator

// measure finds the heights of all schemas. It starts from the assumption that none ever ends,
// and corrects it until nothing changes, which handles schemas that refer to themselves.
func (g *generator) measure() {
	var all []*node
	var collect func(schema *node)
	collect = func(schema *node) {
		for _, sub := range schema.subschemas(nil) {
			collect(sub.schema)
		}
		all = append(all, schema) // after those inside it, which it depends on
	}
	collect(g.root)
	g.heights = make(map[*node]int, len(all))
	for _, schema := range all {
		g.heights[schema] = unreachable
	}
	for changed := true; changed; {
		changed = false
		for _, schema := range all {
			if height := g.relax(schema); height < g.heights[schema] {
				g.heights[schema], changed = height, true
			}
		}
	}
}

// height is how many levels a value of the schema needs at least; unreachable if it never ends.
func (g *generator) height(schema *node) int {
	if height, ok := g.heights[schema]; ok {
		return height
	}
	return g.relax(schema) // put together from parts that are known
}

// relax works out a height from those of the schemas inside.
func (g *generator) relax(schema *node) int {
	if schema == nil || schema.kind != objectNode {
		return 1
	}
	if ref := schema.member("$ref"); ref != nil {
		return g.height(g.root.resolve(ref.text))
	}
	if branches := schema.branches(); branches != nil {
		least := unreachable
		for _, branch := range branches {
			least = min(least, g.height(branch))
		}
		return least
	}
	most := 0
	if parts := schema.member("allOf"); parts != nil {
		for _, part := range parts.items {
			most = max(most, g.height(part))
		}
	}
	switch schema.kindOf() {
	case "null":
		return 0
	case "object":
		properties := schema.member("properties")
		for _, key := range schema.requiredKeys() {
			if property := properties.member(key); property != nil {
				most = max(most, g.height(property))
			}
		}
	case "array":
		if schema.count("minItems", 0) > 0 {
			most = max(most, g.height(schema.member("items")))
		}
	}
	return min(most+1, unreachable)
}
