package config

// Key is a row of the table of keys as the tests see it.
type Key struct {
	Name, Group, Default, Allowed, Doc, Env, Flag, Alias string
}

// Keys returns the table, with the settings of a lane called NAME after those
// that all lanes share.
func Keys() []Key {
	var rows []Key
	for _, k := range keys() {
		rows = append(rows, exported(k))
		if k.name == lanesKey {
			concurrency, window := laneKeys("NAME")
			rows = append(rows, exported(concurrency), exported(window))
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
