package simulator

import (
	"fmt"
	"regexp/syntax"
	"strings"
	"unicode"
	"unicode/utf8"
)

// Bounds on strings whose schema asks for a length.
const (
	longestText  = 1 << 20
	longestMatch = 4096
)

// text is a string that conforms to the schema and fits its name.
func (g *generator) text(schema *node, at place) string {
	if format := schema.member("format"); format != nil {
		if text := ofFormat(format.text, at.index); text != "" {
			return text
		}
	}
	least, most := min(schema.count("minLength", 0), longestText), schema.count("maxLength", -1)
	if pattern := schema.member("pattern"); pattern != nil {
		if text, ok := ofPattern(pattern.text, min(least, longestMatch)); ok {
			return text
		}
	}
	text := g.named(at)
	if text == "" {
		text = "none"
	}
	for utf8.RuneCountInString(text) < least {
		text += " " + text
	}
	if most >= 0 && utf8.RuneCountInString(text) > most {
		text = string([]rune(text)[:most])
		if at := strings.LastIndexByte(text, ' '); at > len(text)/2 && utf8.RuneCountInString(text[:at]) >= least {
			text = text[:at]
		}
	}
	return text
}

// named is a string of the kind that the name of its place suggests.
func (g *generator) named(at place) string {
	d := g.digest
	name := strings.ToLower(at.name)
	has := func(hints ...string) bool {
		for _, hint := range hints {
			if strings.Contains(name, hint) {
				return true
			}
		}
		return false
	}
	switch {
	case has("title", "headline", "subject", "heading"):
		return d.title()
	case has("summar", "abstract", "overview", "synopsis", "answer", "result", "response", "conclusion", "description"):
		return d.reply(false, "")
	case has("keyword", "tag", "topic", "theme", "label", "categor", "term", "entit"):
		if word, ok := d.keyword(at.index); ok {
			return word
		}
	case has("language", "lang", "locale"):
		return "en"
	case has("url", "link", "uri"):
		return ofFormat("uri", at.index)
	case has("email"):
		return ofFormat("email", at.index)
	case has("date"):
		return ofFormat("date", at.index)
	case name == "id" || strings.HasSuffix(name, "_id"):
		return fmt.Sprintf("item-%d", at.index+1)
	case has("name", "author", "person", "location", "city", "country"):
		if word, ok := d.keyword(at.index); ok {
			first, size := utf8.DecodeRuneInString(word)
			return string(unicode.ToUpper(first)) + word[size:]
		}
	}
	return d.point(at.index)
}

// ofFormat returns a string of one of JSON Schema's formats, or "" if it does not know it.
func ofFormat(format string, index int) string {
	switch format {
	case "date-time":
		return fmt.Sprintf("2026-01-%02dT09:00:00Z", index%28+1)
	case "date":
		return fmt.Sprintf("2026-01-%02d", index%28+1)
	case "time":
		return fmt.Sprintf("09:%02d:00Z", index%60)
	case "duration":
		return fmt.Sprintf("PT%dM", index+1)
	case "email", "idn-email":
		return fmt.Sprintf("reader%d@example.com", index+1)
	case "hostname", "idn-hostname":
		return fmt.Sprintf("host%d.example.com", index+1)
	case "ipv4":
		return fmt.Sprintf("192.0.2.%d", index%254+1)
	case "ipv6":
		return fmt.Sprintf("2001:db8::%x", index+1)
	case "uuid":
		return fmt.Sprintf("00000000-0000-4000-8000-%012x", index+1)
	case "uri", "iri", "uri-reference", "iri-reference":
		return fmt.Sprintf("https://example.com/%d", index+1)
	case "json-pointer":
		return fmt.Sprintf("/items/%d", index)
	case "regex":
		return ".*"
	}
	return ""
}

// ofPattern returns a short string that matches a regular expression and has at least the given
// length where repetition allows it. It reports false for expressions that Go cannot read.
func ofPattern(pattern string, least int) (string, bool) {
	tree, err := syntax.Parse(pattern, syntax.Perl)
	if err != nil {
		return "", false
	}
	for repeat := 0; ; repeat = 2*repeat + 1 {
		var out strings.Builder
		writeMatch(&out, tree, repeat)
		if text := out.String(); utf8.RuneCountInString(text) >= least || repeat > least {
			return text, true
		}
	}
}

// writeMatch writes a match of a regular expression, with repeat rounds of what may be repeated.
func writeMatch(out *strings.Builder, re *syntax.Regexp, repeat int) {
	rounds := 0
	switch re.Op { //nolint:exhaustive // anchors and the like match the empty string
	case syntax.OpLiteral:
		out.WriteString(string(re.Rune))
	case syntax.OpCharClass:
		out.WriteRune(runeOf(re.Rune))
	case syntax.OpAnyChar, syntax.OpAnyCharNotNL:
		out.WriteByte('a')
	case syntax.OpConcat, syntax.OpCapture:
		for _, sub := range re.Sub {
			writeMatch(out, sub, repeat)
		}
	case syntax.OpAlternate:
		writeMatch(out, re.Sub[0], repeat)
	case syntax.OpStar, syntax.OpQuest:
		rounds = repeat
		if re.Op == syntax.OpQuest {
			rounds = min(repeat, 1)
		}
	case syntax.OpPlus:
		rounds = 1 + repeat
	case syntax.OpRepeat:
		rounds = re.Min + repeat
		if re.Max >= 0 {
			rounds = min(rounds, re.Max)
		}
	}
	for range rounds {
		writeMatch(out, re.Sub[0], repeat)
	}
}

// runeOf takes a readable character from the ranges of a class.
func runeOf(ranges []rune) rune {
	for _, wish := range "aA0 -" {
		for i := 0; i+1 < len(ranges); i += 2 {
			if ranges[i] <= wish && wish <= ranges[i+1] {
				return wish
			}
		}
	}
	return ranges[0]
}
