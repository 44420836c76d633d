package config

// Key is a row of the table of keys as the tests see it.
type Key struct {
	Name, Group, Default, Allowed, Doc, Env, Flag, Alias string
}

// Keys returns the table, with the settings of a lane and of an endpoint called
// NAME after the key of all of them.
func Keys() []Key {
	var rows []Key
	for _, k := range keys() {
		rows = append(rows, exported(k))
		switch k.name {
		case lanesKey:
			for _, k := range laneKeys("NAME") {
				rows = append(rows, exported(k))
			}
		case pricesKey:
			for _, k := range priceKeys("NAME") {
				rows = append(rows, exported(k))
			}
		case budgetsKey:
			for _, k := range budgetKeys("NAME") {
				rows = append(rows, exported(k))
			}
		case endpointsKey:
			for _, k := range endpointKeys("NAME") {
				rows = append(rows, exported(k))
			}
		}
	}
	return rows
}

func exported(k key) Key {
	return Key{
		Name: k.name, Group: k.group(), Default: k.fallback, Allowed: k.kind.allowed, Doc: k.doc,
		Env: k.env(), Flag: k.flag(), Alias: k.alias,
	}
}

// Seams to the functions whose input anybody can choose.
var (
	ParseSize  = parseSize
	FormatSize = formatSize
	Distance   = distance
	Nearest    = nearest
)
