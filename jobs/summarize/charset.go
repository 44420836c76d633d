package summarize

import (
	"bytes"
	"fmt"
	"strings"
	"unicode/utf8"

	"golang.org/x/net/html"
	"golang.org/x/text/encoding"
	"golang.org/x/text/encoding/charmap"
	"golang.org/x/text/encoding/htmlindex"
	"golang.org/x/text/encoding/japanese"
	"golang.org/x/text/encoding/korean"
	"golang.org/x/text/encoding/simplifiedchinese"
	"golang.org/x/text/encoding/traditionalchinese"
	"golang.org/x/text/encoding/unicode"
)

// sampleBytes is how much of a file is looked at for a declaration or a pattern.
const sampleBytes = 64 << 10

// decode returns content as valid UTF-8 without a byte order mark; see [Parse]
// for how the encoding is told.
func decode(content []byte, kind Kind) (string, error) {
	if what := signature(content); what != "" {
		return "", fmt.Errorf("%w but %s", ErrBinary, what)
	}
	text, err := decodeText(content, kind)
	if err != nil {
		return "", err
	}
	text = strings.TrimPrefix(text, "\ufeff")
	if strings.IndexByte(text, 0) >= 0 {
		return "", fmt.Errorf("%w: it contains NUL characters", ErrBinary)
	}
	if mostlyControls(text) {
		return "", fmt.Errorf("%w: too much of it is no text", ErrBinary)
	}
	return text, nil
}

func decodeText(content []byte, kind Kind) (string, error) {
	declared := ""
	if kind == KindHTML {
		declared = declaredCharset(content)
	}
	switch {
	case bytes.HasPrefix(content, []byte("\xff\xfe")):
		return convert(content, unicode.UTF16(unicode.LittleEndian, unicode.ExpectBOM))
	case bytes.HasPrefix(content, []byte("\xfe\xff")):
		return convert(content, unicode.UTF16(unicode.BigEndian, unicode.ExpectBOM))
	case declared == "" && isJapaneseMail(content):
		return convert(content, japanese.ISO2022JP)
	case isUTF8(content) && !sevenBit(declared):
		// Valid UTF-8 beyond ASCII does not come about by chance, so this is
		// believed rather than a declaration that says otherwise.
		return string(content), nil
	case bytes.IndexByte(content, 0) >= 0:
		return decodeZeros(content)
	case bytes.HasPrefix(content, []byte("\xef\xbb\xbf")), mostlyUTF8(content):
		return strings.ToValidUTF8(string(content), "\ufffd"), nil
	case declared != "":
		enc := charsetByLabel(declared)
		if enc == nil {
			return "", fmt.Errorf("%w %s; convert the file to UTF-8", ErrCharset, quoteName(declared))
		}
		return convert(content, enc)
	}
	return convert(content, detect(content))
}

func convert(content []byte, enc encoding.Encoding) (string, error) {
	text, err := enc.NewDecoder().Bytes(content)
	if err != nil {
		return "", fmt.Errorf("decode its characters: %w", err)
	}
	return string(text), nil
}

// decodeZeros reads content with zero bytes as UTF-16 without a byte order
// mark. The zeros are the upper halves of ASCII characters and so all stand at
// odd places (little endian) or all at even ones (big endian). Text in which
// that makes no clean UTF-16 keeps its zeros and is refused for them.
func decodeZeros(content []byte) (string, error) {
	sample := content[:min(len(content), sampleBytes)]
	var zeros [2]int
	for i, b := range sample {
		if b == 0 {
			zeros[i%2]++
		}
	}
	order := unicode.LittleEndian
	switch enough := max(2, len(sample)/20); {
	case len(content)%2 != 0:
		return string(content), nil
	case zeros[0] == 0 && zeros[1] >= enough:
	case zeros[1] == 0 && zeros[0] >= enough:
		order = unicode.BigEndian
	default:
		return string(content), nil
	}
	text, err := convert(content, unicode.UTF16(order, unicode.IgnoreBOM))
	if err != nil || strings.ContainsRune(text, utf8.RuneError) {
		return string(content), nil //nolint:nilerr // not UTF-16 after all
	}
	return text, nil
}

// mostlyUTF8 reports whether content is UTF-8 with some damage: broken bytes
// beside at least ten times as many sound characters beyond ASCII.
func mostlyUTF8(content []byte) bool {
	sound, broken := 0, 0
	for len(content) > 0 {
		r, size := utf8.DecodeRune(content)
		switch {
		case r == utf8.RuneError && size == 1:
			broken++
		case size > 1:
			sound++
		}
		content = content[size:]
	}
	return sound > 0 && sound >= 10*broken
}

// mostlyControls reports whether more than one character in fifty of text is a
// control that has no place in text. What a terminal's log holds (escape,
// backspace, bell) counts as text.
func mostlyControls(text string) bool {
	controls := 0
	for i := range len(text) {
		switch c := text[i]; {
		case c >= 0x20, c >= '\a' && c <= '\r', c == 0x1b:
		default:
			controls++
		}
	}
	// Windows-1252 maps its five unused bytes to the C1 controls they stand for
	// in Latin-1, where they begin with this byte in UTF-8.
	controls += strings.Count(text, "\u0081") + strings.Count(text, "\u008d") + strings.Count(text, "\u008f") +
		strings.Count(text, "\u0090") + strings.Count(text, "\u009d") + strings.Count(text, "\ufffd")
	return controls*50 > utf8.RuneCountInString(text)
}

// decodeName returns a file name that is not in UTF-8, decoded as the alphabet of
// Asia that it makes sense in, or else as DOS would have written it.
func decodeName(name string) string {
	enc := detect([]byte(name))
	if enc == charmap.Windows1252 {
		enc = charmap.CodePage437
	}
	decoded, err := enc.NewDecoder().String(name)
	if err != nil {
		return strings.ToValidUTF8(name, "\ufffd")
	}
	return decoded
}

// isUTF8 reports whether content is UTF-8 and no text of zeros.
func isUTF8(content []byte) bool { return utf8.Valid(content) && bytes.IndexByte(content, 0) < 0 }

// signature names the format of a file that is no text, going by how it begins.
func signature(content []byte) string {
	for _, known := range []struct{ magic, what string }{
		{"%PDF-", "a PDF"},
		{"PK\x03\x04", "an archive or an office document"},
		{"\xd0\xcf\x11\xe0", "an office document"},
		{"{\\rtf", "a rich text document"},
		{"\x89PNG", "a picture"},
		{"GIF8", "a picture"},
		{"\xff\xd8\xff", "a picture"},
		{"\x1f\x8b", "a compressed file"},
		{"\x28\xb5\x2f\xfd", "a compressed file"},
		{"\x7fELF", "a program"},
	} {
		if bytes.HasPrefix(content, []byte(known.magic)) {
			return known.what
		}
	}
	return ""
}

// declaredCharset returns the encoding that an HTML document declares in its
// first elements or in its XML declaration, in lower case, or "".
func declaredCharset(content []byte) string {
	z := html.NewTokenizer(bytes.NewReader(content[:min(len(content), sampleBytes)]))
	for {
		switch z.Next() {
		case html.ErrorToken:
			return ""
		case html.CommentToken:
			if found := xmlEncoding(string(z.Text())); found != "" {
				return found
			}
		case html.StartTagToken, html.SelfClosingTagToken:
			name, more := z.TagName()
			if string(name) == "body" {
				return ""
			}
			if string(name) != "meta" || !more {
				continue
			}
			if found := metaCharset(z); found != "" {
				return found
			}
		case html.TextToken, html.EndTagToken, html.DoctypeToken:
		}
	}
}

// metaCharset reads <meta charset="…"> and
// <meta http-equiv="Content-Type" content="text/html; charset=…">.
func metaCharset(z *html.Tokenizer) string {
	var charset, content string
	isType := false
	for more := true; more; {
		var key, value []byte
		key, value, more = z.TagAttr()
		switch string(key) {
		case "charset":
			charset = string(value)
		case "http-equiv":
			isType = strings.EqualFold(strings.TrimSpace(string(value)), "content-type")
		case "content":
			content = string(value)
		}
	}
	if charset == "" && isType {
		_, charset, _ = strings.Cut(strings.ToLower(content), "charset=")
		charset, _, _ = strings.Cut(charset, ";")
	}
	return strings.ToLower(strings.Trim(charset, " \t\r\n\f\"'"))
}

// xmlEncoding reads <?xml version="1.0" encoding="…"?>, which HTML takes for a
// comment.
func xmlEncoding(comment string) string {
	if !strings.HasPrefix(comment, "?xml") {
		return ""
	}
	_, rest, ok := strings.Cut(comment, "encoding=")
	if !ok || len(rest) < 2 {
		return ""
	}
	value, _, _ := strings.Cut(rest[1:], rest[:1])
	return strings.ToLower(value)
}

// sevenBit reports whether text in this encoding is valid ASCII and yet
// something else, so that being valid UTF-8 proves nothing.
func sevenBit(label string) bool {
	return strings.HasPrefix(label, "iso-2022-") || label == "hz-gb-2312" || label == "utf-7"
}

// charsetByLabel returns the encoding that a label in lower case stands for, or
// nil. It knows what browsers know, and the names that Microsoft's code pages have
// beside.
func charsetByLabel(label string) encoding.Encoding {
	switch label {
	case "utf-8", "utf8", "us-ascii", "ascii", "windows-1252", "cp1252", "iso-8859-1", "latin1", "iso_8859-1":
		// What declares UTF-8 or ASCII and is neither, is what browsers take it
		// for; Latin-1 is a part of Windows-1252 as far as text goes.
		return charmap.Windows1252
	case "cp932":
		return japanese.ShiftJIS
	case "cp936":
		return simplifiedchinese.GB18030
	case "cp949":
		return korean.EUCKR
	case "cp950":
		return traditionalchinese.Big5
	case "tis-620":
		return charmap.Windows874
	case "latin9":
		return charmap.ISO8859_15
	case "utf-16", "utf-16le", "utf-16be", "x-user-defined":
		// Text in them is told before anything is asked, or is not in them.
		return nil
	}
	enc, err := htmlindex.Get(label)
	if err != nil || enc == encoding.Replacement {
		return nil
	}
	return enc
}
