package summarize

import (
	"fmt"
	"strconv"
	"strings"
	"unicode/utf16"

	"golang.org/x/text/encoding"
	"golang.org/x/text/encoding/charmap"
)

// rtf reads the text of a rich text document.
type rtf struct {
	blocks

	source []byte
	at     int

	// group is what holds until the group closes.
	group  rtfGroup
	groups []rtfGroup
	// page is the encoding that the document declares, fonts those of its fonts.
	page  int
	fonts map[int]int

	// fallback counts the characters to be passed over after a \u.
	fallback int
	// high is the first half of a character beyond the basic plane.
	high rune
	// rowEnd is where the last row of a table ended.
	rowEnd int
	// bytes are characters in the encoding of the font that wait for their end.
	bytes []byte

	title    strings.Builder
	pictures bool
	err      error
}

// rtfGroup is the state that braces save and restore.
type rtfGroup struct {
	// skip has the group left out; the others say what is in it.
	skip, fontTable, titled, note bool
	font                          int
	// unicode is how many characters stand after each \u for older programs.
	unicode int
}

// readRTF reads a rich text document.
func readRTF(content []byte) (extract, error) {
	if !strings.HasPrefix(string(content[:min(len(content), 5)]), `{\rtf`) {
		return extract{}, fmt.Errorf("%w: it does not begin as rich text does", ErrMalformed)
	}
	r := rtf{source: content, page: 1252, fonts: make(map[int]int), group: rtfGroup{unicode: 1}}
	for r.at < len(r.source) && r.err == nil {
		r.next()
		if r.size() > maxTextBytes {
			return extract{}, fmt.Errorf("%w: its text has more than %d bytes", ErrOversize, maxTextBytes)
		}
	}
	r.flush()
	if r.err == nil && len(r.groups) > 0 {
		r.err = fmt.Errorf("%w: a brace is never closed", ErrMalformed)
	}
	if r.err != nil {
		return extract{}, r.err
	}
	return extract{title: strings.TrimSpace(r.title.String()), sections: []Section{{Text: r.String()}}, pictures: r.pictures}, nil
}

// next reads a brace, a control or a character.
func (r *rtf) next() {
	c := r.source[r.at]
	r.at++
	switch c {
	case '{':
		r.flush()
		r.fallback = 0
		if len(r.groups) >= maxDepth {
			r.err = fmt.Errorf("%w: groups are nested more than %d deep", ErrMalformed, maxDepth)
			return
		}
		r.groups = append(r.groups, r.group)
	case '}':
		r.flush()
		r.fallback = 0
		if n := len(r.groups); n > 0 {
			if r.group.note && !r.groups[n-1].note {
				r.show("]")
			}
			r.group, r.groups = r.groups[n-1], r.groups[:n-1]
			if n == 1 {
				// What follows the document is none of it.
				r.at = len(r.source)
			}
		}
	case '\\':
		r.control()
	case '\r', '\n', 0:
	default:
		r.byte(c)
	}
}

// byte takes a character in the encoding of the font.
func (r *rtf) byte(c byte) {
	if r.fallback > 0 {
		r.fallback--
		return
	}
	if !r.group.skip || r.group.titled {
		r.bytes = append(r.bytes, c)
	}
}

// flush decodes the characters that wait.
func (r *rtf) flush() {
	if len(r.bytes) == 0 || r.err != nil {
		return
	}
	content := r.bytes
	r.bytes = nil
	page := r.page
	if p, ok := r.fonts[r.group.font]; ok {
		page = p
	}
	if isASCII(content) {
		r.show(string(content))
		return
	}
	enc := codePage(page)
	if enc == nil {
		r.err = fmt.Errorf("%w %s; convert the file to UTF-8", ErrCharset, quoteName("code page "+strconv.Itoa(page)))
		return
	}
	text, err := convert(content, enc)
	r.err = err
	r.show(text)
}

func isASCII(content []byte) bool {
	for _, c := range content {
		if c >= 0x80 {
			return false
		}
	}
	return true
}

// codePage returns an encoding by the number that Windows gives it.
func codePage(n int) encoding.Encoding {
	switch n {
	case 10000:
		return charmap.Macintosh
	case 437:
		return charmap.CodePage437
	case 850:
		return charmap.CodePage850
	case 852:
		return charmap.CodePage852
	}
	return charsetByLabel("cp" + strconv.Itoa(n))
}

// show appends text to where the group has it go.
func (r *rtf) show(text string) {
	switch {
	case r.group.titled:
		r.title.WriteString(text)
	case !r.group.skip:
		r.text([]byte(text))
	}
}

// control reads what begins with a backslash.
func (r *rtf) control() {
	if r.at >= len(r.source) {
		return
	}
	c := r.source[r.at]
	if c < 'A' || c > 'z' || c > 'Z' && c < 'a' {
		r.at++
		r.symbol(c)
		return
	}
	from := r.at
	for r.at < len(r.source) && (r.source[r.at]|0x20) >= 'a' && (r.source[r.at]|0x20) <= 'z' {
		r.at++
	}
	word := string(r.source[from:min(r.at, from+32)])
	from = r.at
	if r.at < len(r.source) && r.source[r.at] == '-' {
		r.at++
	}
	for r.at < len(r.source) && r.source[r.at] >= '0' && r.source[r.at] <= '9' {
		r.at++
	}
	n, err := strconv.ParseInt(string(r.source[from:min(r.at, from+12)]), 10, 32)
	if r.at < len(r.source) && r.source[r.at] == ' ' {
		r.at++
	}
	if word == "bin" {
		r.at = min(len(r.source), r.at+int(max(0, n)))
		return
	}
	if word != "u" {
		r.flush()
	}
	r.word(word, int(n), err == nil)
}

// symbol handles a control of one character.
func (r *rtf) symbol(c byte) {
	switch c {
	case '\'':
		if r.at+2 > len(r.source) {
			r.at = len(r.source)
			return
		}
		n, err := strconv.ParseUint(string(r.source[r.at:r.at+2]), 16, 8)
		r.at += 2
		if err == nil {
			r.byte(byte(n))
		}
	case '\\', '{', '}':
		r.byte(c)
	case '~':
		r.byte(' ')
	case '_':
		r.byte('-')
	case '*':
		// Whoever does not know the word that follows leaves the group out.
		r.group.skip = true
	case '\r', '\n':
		r.flush()
		r.paragraph()
	}
}

// word handles a control word with its number, if it has one.
func (r *rtf) word(word string, n int, numbered bool) {
	switch word {
	case "fonttbl":
		r.group.skip, r.group.fontTable = true, true
	case "colortbl", "stylesheet", "listtable", "listoverridetable", "revtbl", "rsidtbl", "generator", "info", "themedata",
		"datastore", "latentstyles", "fldinst", "object", "objdata", "header", "headerl", "headerr", "headerf",
		"footer", "footerl", "footerr", "footerf", "annotation", "atnid", "atnauthor", "bkmkstart", "bkmkend", "xe", "tc",
		"nonshppict", "xmlnstbl", "deleted", "ftnsep", "ftnsepc", "pntext", "listtext":
		r.group.skip = true
		if word == "listtext" || word == "pntext" {
			// The number or bullet of an item, as text.
			r.group.skip = len(r.groups) > 0 && r.groups[len(r.groups)-1].skip
		}
	case "pict":
		r.group.skip, r.pictures = true, true
	case "title":
		r.group.titled = true
	case "author", "operator", "subject", "keywords", "company", "comment", "doccomm":
		r.group.titled = false
	case "footnote":
		r.group.note = !r.group.skip
		r.show(" [note: ")
	case "ansicpg":
		r.page = n
	case "mac":
		r.page = 10000
	case "f":
		r.group.font = n
	case "fcharset":
		if page := fontPage(n); r.group.fontTable && page != 0 && len(r.fonts) < maxArchived {
			r.fonts[r.group.font] = page
		}
	case "uc":
		r.group.unicode = min(max(0, n), 16)
	case "u":
		if numbered {
			r.unicode(n)
		}
	default:
		r.layout(word, n, numbered)
	}
}

// layout handles the words for white space, boundaries and special characters.
func (r *rtf) layout(word string, n int, numbered bool) {
	if r.group.skip {
		return
	}
	switch word {
	case "par", "sect", "page":
		if r.group.note {
			r.space = true
			return
		}
		if len(r.cells) > 0 {
			r.newline()
		} else {
			r.paragraph()
		}
	case "intbl":
		r.openRow()
	case "line":
		r.newline()
	case "tab":
		r.space = true
	case "cell", "nestcell":
		r.openRow()
		r.cell()
	case "row", "nestrow":
		r.endRow()
	case "deleted":
		r.group.skip = !numbered || n != 0
	case "emdash":
		r.show("—")
	case "endash":
		r.show("–")
	case "bullet":
		r.show("•")
	case "lquote":
		r.show("‘")
	case "rquote":
		r.show("’")
	case "ldblquote":
		r.show("“")
	case "rdblquote":
		r.show("”")
	}
}

// openRow begins a row of a table unless one is open. The format knows rows, and
// a table only as rows that follow one another.
func (r *rtf) openRow() {
	if len(r.cells) > 0 {
		return
	}
	follows := len(r.out) > 0 && len(r.out) == r.rowEnd
	r.openTable()
	if follows {
		r.breaks = 1
	}
	r.cell()
}

// endRow ends a row of a table. Each cell is told at its end, so that a row
// leaves a bar behind it.
func (r *rtf) endRow() {
	if len(r.cells) == 0 {
		return
	}
	r.out = []byte(strings.TrimSuffix(strings.TrimRight(string(r.out), " "), " |"))
	r.closeTable()
	r.rowEnd = len(r.out)
}

// unicode takes a character by its number, which is negative above 32,767.
func (r *rtf) unicode(n int) {
	r.flush()
	c := rune(uint16(n)) //nolint:gosec // the format wraps numbers around at 16 bits
	r.fallback = r.group.unicode
	switch {
	case utf16.IsSurrogate(c) && r.high == 0:
		r.high = c
		return
	case r.high != 0:
		c = utf16.DecodeRune(r.high, c)
		r.high = 0
	}
	if c != 0 {
		r.show(string(c))
	}
}

// fontPage returns the encoding that a font's set of characters stands for, 0
// for that of the document.
func fontPage(charset int) int {
	switch charset {
	case 0:
		return 1252
	case 77:
		return 10000
	case 128:
		return 932
	case 129:
		return 949
	case 134:
		return 936
	case 136:
		return 950
	case 161:
		return 1253
	case 162:
		return 1254
	case 163:
		return 1258
	case 177:
		return 1255
	case 178:
		return 1256
	case 186:
		return 1257
	case 204:
		return 1251
	case 222:
		return 874
	case 238:
		return 1250
	}
	return 0
}
