package summarize

import (
	"strings"
)

// titleScanBytes is how far into a document its title is looked for.
const titleScanBytes = 64 << 10

// readMarkdown returns the title of a Markdown document and what stands below
// its front matter. The title is that of the front matter or else the first
// heading of level one outside of code.
func readMarkdown(text string) (title, body string) {
	title, body = frontMatter(text)
	if title == "" {
		title = firstHeading(body[:min(len(body), titleScanBytes)])
	}
	return title, body
}

// frontMatter splits YAML (between lines of ---) or TOML (between lines of +++)
// from the text below it and reads the title in it. Text without front matter
// is all body.
func frontMatter(text string) (title, body string) {
	fence, rest, ok := cutLine(text)
	if fence != "---" && fence != "+++" || !ok {
		return "", text
	}
	separator := ":"
	if fence == "+++" {
		separator = "="
	}
	for limit := len(rest) - titleScanBytes; ok && len(rest) > limit; {
		var line string
		line, rest, ok = cutLine(rest)
		if line == fence || fence == "---" && line == "..." {
			return title, rest
		}
		key, value, found := strings.Cut(line, separator)
		if found && title == "" && strings.TrimRight(key, " ") == "title" {
			title = unquote(strings.TrimSpace(value))
		}
	}
	// Never closed: a thematic break, not front matter.
	return "", text
}

// firstHeading returns the text of the first heading of level one, written
// either as "# Heading" or underlined with "===".
func firstHeading(text string) string {
	previous, fence := "", ""
	for ok := true; ok; {
		var line string
		line, text, ok = cutLine(text)
		trimmed := strings.TrimLeft(line, " ")
		if len(line)-len(trimmed) > 3 {
			// Indented code.
			previous = ""
			continue
		}
		marker := codeFence(trimmed)
		switch {
		case fence != "":
			if strings.HasPrefix(marker, fence) && strings.Trim(trimmed, fence[:1]) == "" {
				fence = ""
			}
			continue
		case marker != "":
			fence = marker
		case strings.HasPrefix(trimmed, "# "):
			if heading := closeHeading(trimmed[2:]); heading != "" {
				return heading
			}
		case previous != "" && trimmed != "" && strings.Trim(trimmed, "=") == "":
			return previous
		}
		previous = strings.TrimSpace(trimmed)
	}
	return ""
}

// closeHeading strips the run of # that may close a heading.
func closeHeading(s string) string {
	s = strings.TrimSpace(s)
	stripped := strings.TrimRight(s, "#")
	if stripped == "" || strings.HasSuffix(stripped, " ") {
		return strings.TrimSpace(stripped)
	}
	return s
}

// codeFence returns the run of three or more ` or ~ that a line begins with.
func codeFence(line string) string {
	for _, c := range "`~" {
		if n := len(line) - len(strings.TrimLeft(line, string(c))); n >= 3 {
			return line[:n]
		}
	}
	return ""
}

// cutLine returns the first line of text without what ends it, the rest, and
// whether a line end was found.
func cutLine(text string) (line, rest string, ok bool) {
	line, rest, ok = strings.Cut(text, "\n")
	return strings.TrimRight(line, " \t\r"), rest, ok
}

// unquote takes the quotes off a value of YAML or TOML.
func unquote(s string) string {
	if len(s) >= 2 && (s[0] == '"' || s[0] == '\'') && s[len(s)-1] == s[0] {
		return s[1 : len(s)-1]
	}
	return s
}
