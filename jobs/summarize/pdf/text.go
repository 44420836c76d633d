package pdf

import (
	"strings"
	"unicode"
	"unicode/utf8"
)

// hyphen is what PDFium writes for the hyphen of a word that it has put together
// from the end of one line and the beginning of the next.
const hyphen = '\ufffe'

// clean returns the text of a page with plain line ends. A character that a
// font maps to a control is one of which nobody knows what it shows.
func clean(text string) string {
	var b strings.Builder
	b.Grow(len(text))
	for _, r := range text {
		switch {
		case r == '\r':
		case r == '\n', r == '\t', r == hyphen:
			b.WriteRune(r)
		case r == 0x02:
			// What older versions write for the hyphen.
			b.WriteRune(hyphen)
		case unicode.IsControl(r), r == '\uffff':
			b.WriteRune(utf8.RuneError)
		default:
			b.WriteRune(r)
		}
	}
	return strings.TrimRight(b.String(), " \n\t")
}

// mendHyphens decides for each word that was divided at the end of a line
// whether its hyphen belongs to it ("well-known") or to the line. The document
// itself is asked first, which has most words more than once; where it does not
// know, a hyphen between letters of which the second is small belongs to the line.
func mendHyphens(pages []Page) {
	known := make(map[string]bool)
	for _, p := range pages {
		if strings.ContainsRune(p.Text, hyphen) {
			collectDivided(p.Text, known)
		}
	}
	if len(known) == 0 {
		return
	}
	for _, p := range pages {
		for word := range strings.FieldsFuncSeq(p.Text, notInWord) {
			if _, asked := known[word]; asked {
				known[word] = true
			}
		}
	}
	for i := range pages {
		if strings.ContainsRune(pages[i].Text, hyphen) {
			pages[i].Text = mendPage(pages[i].Text, known)
		}
	}
}

// notInWord reports whether a character ends a word. The marker does not, so that
// a divided word is not taken for its halves.
func notInWord(r rune) bool {
	return !unicode.IsLetter(r) && !unicode.Is(unicode.M, r) && r != '-' && r != hyphen
}

// collectDivided notes both forms of each divided word, as not seen yet.
func collectDivided(text string, known map[string]bool) {
	for word := range strings.FieldsFuncSeq(text, notInWord) {
		if strings.ContainsRune(word, hyphen) {
			known[strings.ReplaceAll(word, string(hyphen), "")] = false
			known[strings.ReplaceAll(word, string(hyphen), "-")] = false
		}
	}
}

// mendPage replaces the markers in the text of a page.
func mendPage(text string, known map[string]bool) string {
	var b strings.Builder
	b.Grow(len(text))
	for len(text) > 0 {
		// A word with a marker, or all that stands before one.
		at := strings.IndexRune(text, hyphen)
		if at < 0 {
			b.WriteString(text)
			break
		}
		begin := strings.LastIndexFunc(text[:at], notInWord)
		if begin >= 0 {
			_, size := utf8.DecodeRuneInString(text[begin:])
			begin += size
		}
		begin = max(begin, 0)
		end := strings.IndexFunc(text[at:], notInWord)
		if end < 0 {
			end = len(text) - at
		}
		end += at
		b.WriteString(text[:begin])
		b.WriteString(mendWord(text[begin:end], known))
		text = text[end:]
	}
	return b.String()
}

func mendWord(word string, known map[string]bool) string {
	plain, hyphened := strings.ReplaceAll(word, string(hyphen), ""), strings.ReplaceAll(word, string(hyphen), "-")
	switch {
	case known[plain]:
		return plain
	case known[hyphened]:
		return hyphened
	}
	before, after, _ := strings.Cut(word, string(hyphen))
	last, _ := utf8.DecodeLastRuneInString(before)
	first, _ := utf8.DecodeRuneInString(after)
	if unicode.IsLetter(last) && unicode.IsLower(first) {
		return plain
	}
	return hyphened
}
