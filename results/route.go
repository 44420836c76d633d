package results

import "strings"

// Route says that jobs of some models go to a lane when they name none.
type Route struct {
	// Lane is the name of a lane; "" is the default one.
	Lane string
	// Models are names of models, in which * stands for any part, also none.
	Models []string
}

// LaneOf returns the lane of a job that names none, by the first route that has its
// model, "" for the default one.
func LaneOf(routes []Route, model string) string {
	for _, route := range routes {
		for _, pattern := range route.Models {
			if matches(pattern, model) {
				return route.Lane
			}
		}
	}
	return ""
}

// matches reports whether a name is as a pattern says. Each part but the last is taken
// where it comes first, which leaves the most for those that follow.
func matches(pattern, name string) bool {
	first, rest, wild := strings.Cut(pattern, "*")
	if !wild {
		return name == pattern
	}
	name, ok := strings.CutPrefix(name, first)
	for ok {
		var part string
		part, rest, wild = strings.Cut(rest, "*")
		if !wild {
			return strings.HasSuffix(name, part)
		}
		_, name, ok = strings.Cut(name, part)
	}
	return false
}
