package summarize

import (
	"bytes"
	"strings"
	"unicode"
	"unicode/utf8"

	"github.com/wlynxg/chardet"
	"golang.org/x/text/encoding"
	"golang.org/x/text/encoding/charmap"
	"golang.org/x/text/encoding/japanese"
)

// sureEnough is how confident the detection of an encoding has to be. Those of
// the Latin alphabet, which it takes for one another, stay below it.
const sureEnough = 0.75

// detect returns the encoding that undeclared text is in which is not UTF-8. What
// cannot be told is taken for Windows-1252 and, with that, for Latin-1.
func detect(content []byte) encoding.Encoding {
	sample := foreign(content)
	if found := chardet.Detect(sample); found.Confidence >= sureEnough && !isLatin(found.Encoding) {
		if enc := charsetByLabel(strings.ToLower(found.Encoding)); enc != nil && decodes(enc, sample) {
			return enc
		}
	}
	if hasKana(sample) {
		return japanese.ShiftJIS
	}
	return charmap.Windows1252
}

// foreign returns the part of content that tells the encoding: from the line of
// the first byte beyond ASCII on, and to the end of a line if there is one.
func foreign(content []byte) []byte {
	first := max(0, bytes.IndexFunc(content, func(r rune) bool { return r >= utf8.RuneSelf }))
	content = content[bytes.LastIndexByte(content[:first], '\n')+1:]
	if len(content) <= sampleBytes {
		return content
	}
	content = content[:sampleBytes]
	if end := bytes.LastIndexByte(content, '\n'); end > 0 {
		return content[:end+1]
	}
	return content
}

// isLatin reports whether an encoding is one for languages in Latin letters,
// which are too much alike to be told apart by what is in them.
func isLatin(label string) bool {
	switch strings.ToLower(label) {
	case "", "ascii", "iso-8859-1", "iso-8859-2", "iso-8859-3", "iso-8859-4", "iso-8859-9", "iso-8859-10", "iso-8859-13", "iso-8859-14",
		"iso-8859-15", "iso-8859-16", "windows-1250", "windows-1252", "windows-1254", "windows-1257", "windows-1258", "macroman":
		return true
	}
	return false
}

// decodes reports whether text decodes without damage but for its end, where a
// sample may cut a character.
func decodes(enc encoding.Encoding, sample []byte) bool {
	text, err := enc.NewDecoder().Bytes(sample)
	if err != nil {
		return false
	}
	damaged := bytes.IndexRune(text, utf8.RuneError)
	return damaged < 0 || damaged >= len(text)-2*utf8.UTFMax
}

// hasKana reports whether text makes sense as Shift_JIS: at least a fifth of the
// characters beyond ASCII are kana then, which Western text reads as pairs of a
// low quotation mark and a letter.
func hasKana(sample []byte) bool {
	if !decodes(japanese.ShiftJIS, sample) {
		return false
	}
	text, err := japanese.ShiftJIS.NewDecoder().Bytes(sample)
	if err != nil {
		return false
	}
	kana, wide := 0, 0
	for _, r := range string(text) {
		switch {
		case r < utf8.RuneSelf:
		case r >= 0xff61 && r <= 0xff9f:
			// Kana of half width are what letters with accents look like.
			return false
		case unicode.In(r, unicode.Hiragana, unicode.Katakana):
			kana++
			wide++
		default:
			wide++
		}
	}
	return kana > 1 && kana*5 >= wide
}

// isJapaneseMail reports whether text in ASCII is ISO-2022-JP, which switches
// between alphabets by escapes.
func isJapaneseMail(content []byte) bool {
	return bytes.Contains(content, []byte("\x1b$B")) && bytes.Contains(content, []byte("\x1b(")) && decodes(japanese.ISO2022JP, content)
}
