package config

import "strings"

// unknown returns the message about a name that stands for nothing: it names
// the known one that is nearest, or where to find them all.
func unknown(name string, known []string) string {
	if near := nearest(name, known); near != "" {
		return "is unknown; did you mean " + near + "?"
	}
	return "is unknown; docs/configuration.md lists what there is"
}

// nearest returns the known name with the fewest edits from name, or "" when
// even that one shares too little with it to be meant. Upper and lower case are
// the same here, and our prefix, which says nothing, counts for nothing. The
// first wins a tie.
func nearest(name string, known []string) string {
	plain := func(s string) string { return strings.ToLower(strings.TrimPrefix(s, envPrefix)) }
	best, least := "", -1
	for _, candidate := range known {
		d := distance(plain(name), plain(candidate))
		if 2*d <= len(plain(candidate))+1 && (least < 0 || d < least) {
			best, least = candidate, d
		}
	}
	return best
}

// distance is the number of bytes to insert, delete or replace that make b of a
// (Levenshtein's).
func distance(a, b string) int {
	row := make([]int, len(b)+1)
	for j := range row {
		row[j] = j
	}
	for i := range len(a) {
		diagonal := row[0]
		row[0] = i + 1
		for j := range len(b) {
			cost := diagonal
			if a[i] != b[j] {
				cost++
			}
			diagonal = row[j+1]
			row[j+1] = min(cost, row[j+1]+1, row[j]+1)
		}
	}
	return row[len(b)]
}
