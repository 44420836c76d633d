package report

import (
	"regexp"
	"strings"
)

// Bounds of what is read as Markdown. That takes time with the square of how many quotes
// and lists begin on a line and of how many links are begun, and a table has as many cells
// in each row as in its head, whatever stands there: a model that was talked into it takes
// minutes, or all memory, with a few kilobytes.
const (
	mostBegun = 100     // quotes and lists on a line
	mostCells = 100_000 // of tables
	mostLinks = 2000
)

// beginsBlock is how a quote or an item of a list begins.
var beginsBlock = regexp.MustCompile(`^[ \t]*(?:>|(?:[-+*]|\d{1,9}[.)])(?:[ \t]|$))`)

// readable reports whether a text is within the bounds. What is not is shown as it is.
func readable(markdown string) bool {
	if strings.Count(markdown, "](") > mostLinks {
		return false
	}
	cells, rows, columns := 0, 0, 0 // of what is no table those that it would have at most
	for line := range strings.Lines(markdown) {
		if begun(line) > mostBegun {
			return false
		}
		if strings.TrimSpace(line) == "" {
			cells, rows, columns = cells+rows*columns, 0, 0
			continue
		}
		rows++
		if bars := strings.Count(line, "|"); bars > 0 {
			columns = max(columns, bars+1)
		}
	}
	return cells+rows*columns <= mostCells
}

// begun counts the quotes and lists that begin on a line, up to one more than there may be.
func begun(line string) (n int) {
	for n <= mostBegun {
		sign := beginsBlock.FindString(line)
		if sign == "" {
			break
		}
		line = line[len(sign):]
		n++
	}
	return n
}
