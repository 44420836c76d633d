package simulator

import (
	"slices"
	"strconv"
	"strings"
)

// mostStatements is how many statements of a kind an answer has at most, unless it is said how
// long it is.
const mostStatements = 8

// role is what a schema asks for that has to be true of the material, and not only of the form.
type role int

const (
	noRole     role = iota
	citing          // objects with a quote: passages with the section that they stand in
	stating         // objects with sources that cite
	referring       // objects with a list of codes
	codes           // codes of what is in the material
	mentioning      // objects with a value and its meaning
)

// roleOf tells the role of the elements of an array, which a schema so many levels below may show.
func (g *generator) roleOf(items *node, levels int) role {
	if ref := items.member("$ref"); ref != nil {
		items = g.root.resolve(ref.text)
	}
	if items == nil || items.kind != objectNode {
		return noRole
	}
	if items.member("pattern") != nil && g.material.kind == kindSummaries {
		return codes
	}
	properties := items.member("properties")
	switch {
	case properties == nil:
		return noRole
	case properties.member("quote") != nil:
		return citing
	case properties.member("value") != nil && properties.member("meaning") != nil:
		return mentioning
	case levels == 0:
		return noRole
	}
	for _, name := range properties.keys {
		property := properties.members[name]
		switch g.roleOf(property.member("items"), levels-1) {
		case citing:
			return stating
		case codes:
			return referring
		case noRole, stating, referring, mentioning:
		}
	}
	return noRole
}

// elements fills an array whose elements have to be true of the material. It reports false for
// other arrays, and where there is no material to be true of.
func (g *generator) elements(dst []byte, schema *node, at place) ([]byte, bool) {
	items := schema.member("items")
	r := g.roleOf(items, 1)
	if g.material.kind == "" || r == noRole || g.small(at) {
		return dst, false
	}
	list := strings.ToLower(at.name)
	var values []string
	add := func(known map[string]string) {
		values = append(values, g.element(items, at, len(values), known))
	}
	switch r {
	case stating:
		if g.material.answers() {
			for _, p := range g.material.statements(strings.Contains(list, "question"), g.material.most) {
				before := g.stated
				g.stated = &p
				add(map[string]string{"text": quote(finish(p.text))})
				g.stated = before
			}
		}
	case citing:
		if g.stated != nil {
			p := g.material.citation(*g.stated)
			known := map[string]string{"quote": quote(p.text), "section": strconv.Itoa(p.section)}
			if p.section == 0 {
				known["section"] = "null"
			}
			add(known)
		}
	case referring:
		values = g.references(items, at)
	case codes:
		ids := g.material.ids(items.member("pattern").text)
		for _, e := range ids[:min(len(ids), g.material.most)] {
			values = append(values, quote(e.id))
		}
	case mentioning:
		for _, m := range g.material.mentions(list) {
			add(map[string]string{"value": quote(m.value), "meaning": quote(m.meaning)})
		}
	case noRole:
	}
	most := schema.count("maxItems", len(values))
	least := schema.count("minItems", 0)
	if len(values) < least {
		return dst, false
	}
	values = values[:min(most, len(values))]
	return append(append(append(dst, '['), strings.Join(values, ",")...), ']'), true
}

// references are statements that refer to what is in the material: the more there is, the more
// each takes together.
func (g *generator) references(items *node, at place) []string {
	name, pattern := "", ""
	properties := items.member("properties")
	for _, key := range properties.keys {
		if p := properties.members[key].member("items").member("pattern"); p != nil {
			name, pattern = key, p.text
		}
	}
	ids := g.material.ids(pattern)
	if strings.Contains(strings.ToLower(at.name), "question") {
		// An open question is one of those that were open, where codes tell them apart.
		ids = slices.DeleteFunc(ids, func(e entryLine) bool { return e.id[0] != 'Q' })
	}
	n := min(len(ids), g.material.most)
	values := make([]string, 0, n)
	for i := range n {
		from := ids[i*len(ids)/n : (i+1)*len(ids)/n]
		list := make([]string, len(from))
		for j, e := range from {
			list[j] = quote(e.id)
		}
		values = append(values, g.element(items, at, i, map[string]string{"text": quote(from[0].text), name: "[" + strings.Join(list, ",") + "]"}))
	}
	return values
}

// element is an element of an array that has some of its members given.
func (g *generator) element(items *node, at place, index int, known map[string]string) string {
	before := g.known
	g.known = known
	value := g.value(nil, items, place{name: at.name, index: index, depth: at.depth + 1})
	g.known = before
	return string(value)
}

func quote(s string) string { return string(appendQuoted(nil, s)) }
