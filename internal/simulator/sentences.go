package simulator

import (
	"strings"
	"unicode"
	"unicode/utf8"
)

const (
	// analysed is how much of a text is looked at, so that documents of many megabytes cost no
	// more than large ones.
	analysed     = 256 << 10
	sampleWindow = 32 << 10
	longestLine  = 400 // bytes after which text without punctuation is cut into a sentence
	longestLink  = 2048
)

// sentence is one sentence of a document, free of markup.
type sentence struct {
	text      string
	paragraph int
	opens     bool // first of its paragraph
}

// document is a text taken apart.
type document struct {
	headings  []string
	sentences []sentence
}

// readDocument takes a text apart: headings and short lines that end in a colon are set aside,
// code, tables and markup are dropped, and the rest is split into sentences.
func readDocument(text string) document {
	var d document
	var paragraph strings.Builder
	number := 0
	flush := func() {
		opens := true
		for _, s := range splitSentences(paragraph.String()) {
			d.sentences = append(d.sentences, sentence{text: s, paragraph: number, opens: opens})
			opens = false
		}
		if !opens {
			number++
		}
		paragraph.Reset()
	}
	fenced, hidden := false, ""
	for line := range strings.SplitSeq(text, "\n") {
		line = strings.TrimSpace(line)
		switch {
		case strings.HasPrefix(line, "```"), strings.HasPrefix(line, "~~~"):
			fenced = !fenced
			flush()
			continue
		case fenced:
			continue
		}
		line, hidden = stripTags(line, hidden)
		line = strings.TrimSpace(line)
		switch {
		case line == "", isRule(line), isTableRow(line):
			flush()
		case isHeading(line):
			flush()
			d.headings = append(d.headings, stripMarkup(strings.Trim(line, "#: ")))
		default:
			if item, ok := listItemText(line); ok {
				flush()
				line = item
			}
			if paragraph.Len() > 0 {
				paragraph.WriteByte(' ')
			}
			paragraph.WriteString(stripMarkup(strings.TrimLeft(line, "> ")))
		}
	}
	flush()
	return d
}

// sample shortens a large text to its beginning and evenly spaced windows, cut at line breaks
// where there are any.
func sample(text string) string {
	if len(text) <= analysed {
		return text
	}
	windows := analysed / sampleWindow
	stride := (len(text) - sampleWindow) / (windows - 1)
	var out strings.Builder
	for i := range windows {
		window := text[i*stride : i*stride+sampleWindow]
		if i > 0 {
			if at := strings.IndexByte(window, '\n'); at >= 0 && at < len(window)/2 {
				window = window[at+1:]
			} else if at := strings.IndexByte(window, ' '); at >= 0 {
				window = window[at+1:]
			}
		}
		out.WriteString(strings.ToValidUTF8(window, ""))
		out.WriteString("\n\n")
	}
	return out.String()
}

func isHeading(line string) bool {
	return strings.HasPrefix(line, "#") || strings.HasSuffix(line, ":") && len(line) < 160
}

// isRule reports whether a line consists of punctuation only, as rules and quotes do.
func isRule(line string) bool {
	return strings.Trim(line, "-=_*~\"'`.#+ ") == ""
}

func isTableRow(line string) bool {
	return strings.HasPrefix(line, "|") || strings.Count(line, "|") >= 3 || strings.Count(line, "\t") >= 3
}

// listItemText returns the text of a list item.
func listItemText(line string) (string, bool) {
	for _, marker := range []string{"- ", "* ", "+ ", "• "} {
		if rest, ok := strings.CutPrefix(line, marker); ok {
			return strings.TrimSpace(rest), true
		}
	}
	digits := 0
	for digits < len(line) && line[digits] >= '0' && line[digits] <= '9' {
		digits++
	}
	if digits > 0 && digits < 4 && digits+1 < len(line) && (line[digits] == '.' || line[digits] == ')') && line[digits+1] == ' ' {
		return strings.TrimSpace(line[digits+2:]), true
	}
	return line, false
}

// stripTags removes HTML from a line. hidden is the name of an element such as script whose
// content is not text; it stays set until the element is closed.
func stripTags(line, hidden string) (text, stillHidden string) {
	var out strings.Builder
	for {
		if hidden != "" {
			end := closingTag(line, hidden)
			if end < 0 {
				return out.String(), hidden
			}
			line, hidden = line[end:], ""
		}
		open := strings.IndexByte(line, '<')
		if open < 0 {
			out.WriteString(line)
			return out.String(), ""
		}
		if open+1 == len(line) || !isTagStart(line[open+1]) { // a mere less-than sign
			out.WriteString(line[:open+1])
			line = line[open+1:]
			continue
		}
		out.WriteString(line[:open])
		out.WriteByte(' ')
		end := strings.IndexByte(line[open:], '>')
		if end < 0 { // the tag goes on in the next line, whose text is little to lose
			return out.String(), ""
		}
		tag := strings.ToLower(line[open+1 : open+end])
		for _, name := range []string{"script", "style"} {
			if strings.HasPrefix(tag, name) {
				hidden = name
			}
		}
		line = line[open+end+1:]
	}
}

// closingTag returns where the closing tag of an element begins, or -1.
func closingTag(line, element string) int {
	for from := 0; ; {
		at := strings.Index(line[from:], "</")
		if at < 0 {
			return -1
		}
		from += at + len("</")
		if len(line)-from >= len(element) && strings.EqualFold(line[from:from+len(element)], element) {
			return from - len("</")
		}
	}
}

func isTagStart(c byte) bool {
	return c == '/' || c == '!' || c >= 'a' && c <= 'z' || c >= 'A' && c <= 'Z'
}

// stripMarkup removes Markdown's inline markup: emphasis, code marks, and the targets of links.
func stripMarkup(line string) string {
	if !strings.ContainsAny(line, "*_`[") {
		return line
	}
	var out strings.Builder
	for i := 0; i < len(line); i++ {
		switch c := line[i]; {
		case c == '`', c == '*':
		case c == '_' && (i == 0 || line[i-1] == ' ' || i+1 == len(line) || line[i+1] == ' '):
		case c == '!' && i+1 < len(line) && line[i+1] == '[': // an image: keep nothing
			if end := linkEnd(line[i+1:]); end > 0 {
				i += end
			}
		case c == '[':
			end := linkEnd(line[i:])
			if end == 0 {
				out.WriteByte(c)
				continue
			}
			label, _, _ := strings.Cut(line[i+1:], "](")
			out.WriteString(label)
			i += end - 1
		default:
			out.WriteByte(c)
		}
	}
	return out.String()
}

// linkEnd returns the length of a link of the form [label](target) at the start of s, or 0. It
// looks no further than longestLink, so that a line full of brackets costs little.
func linkEnd(s string) int {
	s = s[:min(len(s), longestLink)]
	label := strings.Index(s, "](")
	if label < 0 {
		return 0
	}
	end := strings.IndexByte(s[label:], ')')
	if end < 0 {
		return 0
	}
	return label + end + 1
}

// splitSentences splits a paragraph after full stops and their like in any script.
func splitSentences(paragraph string) []string {
	var out []string
	start := 0
	emit := func(end int) {
		if text := strings.Join(strings.Fields(paragraph[start:end]), " "); text != "" {
			out = append(out, text)
		}
		start = end
	}
	for i, r := range paragraph {
		if i < start {
			continue
		}
		end := i + utf8.RuneLen(r)
		switch {
		case r == '。', r == '！', r == '？', r == '।', r == '؟':
			emit(end)
		case r == '.' || r == '!' || r == '?' || r == '…':
			for end < len(paragraph) && strings.ContainsRune(".!?\"')]", rune(paragraph[end])) {
				end++
			}
			if strings.HasPrefix(paragraph[end:], "”") || strings.HasPrefix(paragraph[end:], "’") {
				end += len("”")
			}
			if endsSentence(paragraph[start:i], paragraph[end:], r) {
				emit(end)
			}
		case i-start >= longestLine && (r == ' ' || i-start >= 2*longestLine):
			emit(i)
		}
	}
	emit(len(paragraph))
	return out
}

// endsSentence decides whether a mark between before and after ends a sentence.
func endsSentence(before, after string, mark rune) bool {
	if after == "" {
		return true
	}
	if after[0] != ' ' {
		return false
	}
	next, _ := utf8.DecodeRuneInString(strings.TrimLeft(after, " \"'(“‘"))
	if unicode.IsLower(next) {
		return false
	}
	return mark != '.' || !isAbbreviation(before[strings.LastIndexByte(before, ' ')+1:])
}

// isAbbreviation reports whether a full stop after word rather belongs to it.
func isAbbreviation(word string) bool {
	word = strings.TrimLeft(word, "(\"'“")
	if utf8.RuneCountInString(word) == 1 {
		r, _ := utf8.DecodeRuneInString(word)
		return unicode.IsUpper(r) // an initial
	}
	switch word {
	case "Mr", "Mrs", "Ms", "Dr", "Prof", "St", "vs", "e.g", "i.e", "cf", "No", "Fig", "Nr", "approx", "Inc", "Jr", "Sr", "U.S", "z.B", "bzw", "ca":
		return true
	}
	return false
}
