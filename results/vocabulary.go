package results

import (
	"regexp"
	"strings"
	"unicode"
)

// definition is one of the names, or some, that scripts share, with its source.
type definition struct {
	names []string
	lines []string
	words map[string]bool
}

// luaLocal is how a definition begins.
var luaLocal = regexp.MustCompile(`^local (?:function (\w+)|([\w, ]+?)(?: =|$))`)

// needed is the part of the shared definitions that a script uses, by itself or through
// what it uses. A server makes every function anew with each call of a script: all of
// them would cost more than many a script does.
func needed(definitions []definition, script string) string {
	wanted := wordsOf(script)
	keep := make([]bool, len(definitions))
	// What a definition uses stands before it.
	for i := len(definitions) - 1; i >= 0; i-- {
		for _, name := range definitions[i].names {
			keep[i] = keep[i] || wanted[name]
		}
		if keep[i] {
			for word := range definitions[i].words {
				wanted[word] = true
			}
		}
	}
	var b strings.Builder
	for i, d := range definitions {
		if keep[i] {
			for _, line := range d.lines {
				b.WriteString(line + "\n")
			}
		}
	}
	return b.String()
}

// definitionsOf takes a source apart: a definition begins with "local" at the beginning of
// a line and ends before the next. Comments are left out.
func definitionsOf(source string) []definition {
	var all []definition
	for line := range strings.Lines(source) {
		line = strings.TrimRight(line, "\n")
		if trimmed := strings.TrimSpace(line); trimmed == "" || strings.HasPrefix(trimmed, "--") {
			continue
		}
		if strings.HasPrefix(line, "local ") {
			m := luaLocal.FindStringSubmatch(line)
			all = append(all, definition{names: words(m[1] + m[2]), words: make(map[string]bool)})
		}
		last := &all[len(all)-1]
		last.lines = append(last.lines, line)
		for _, word := range words(line) {
			last.words[word] = true
		}
	}
	return all
}

// wordsOf are the words of a source, without those of its comments.
func wordsOf(source string) map[string]bool {
	all := make(map[string]bool)
	for line := range strings.Lines(source) {
		if !strings.HasPrefix(strings.TrimSpace(line), "--") {
			for _, word := range words(line) {
				all[word] = true
			}
		}
	}
	return all
}

func words(line string) []string {
	return strings.FieldsFunc(line, func(r rune) bool { return r != '_' && !unicode.IsLetter(r) && !unicode.IsDigit(r) })
}
