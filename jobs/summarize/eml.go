package summarize

import (
	"bytes"
	"encoding/base64"
	"errors"
	"fmt"
	"io"
	"mime"
	"mime/multipart"
	"mime/quotedprintable"
	"net/mail"
	"strings"

	"golang.org/x/text/transform"
)

const (
	// maxMailDepth bounds how deep the parts of a message may be nested.
	maxMailDepth = 16
	// maxMailParts bounds how many there may be.
	maxMailParts = 1000
)

// readEML reads an e-mail: its headers, its text, and which files are attached.
func readEML(content []byte) (extract, error) {
	message, err := mail.ReadMessage(bytes.NewReader(bytes.TrimPrefix(content, []byte("\xef\xbb\xbf"))))
	if err != nil {
		return extract{}, fmt.Errorf("%w: %w", ErrMalformed, err)
	}
	words := mime.WordDecoder{CharsetReader: func(label string, r io.Reader) (io.Reader, error) {
		enc := charsetByLabel(strings.ToLower(label))
		if enc == nil {
			return nil, fmt.Errorf("%w %s", ErrCharset, quoteName(label))
		}
		return transform.NewReader(r, enc.NewDecoder()), nil
	}}
	header := func(name string) string {
		value := message.Header.Get(name)
		if decoded, err := words.DecodeHeader(value); err == nil {
			value = decoded
		}
		return oneLine(strings.ToValidUTF8(value, "\ufffd"), 2000)
	}
	var text strings.Builder
	for _, name := range []string{"From", "To", "Cc", "Date", "Subject"} {
		if value := header(name); value != "" {
			text.WriteString(name + ": " + value + "\n")
		}
	}
	m := mailReader{words: &words}
	body, err := m.part(mailHeader(message.Header.Get), message.Body, 0)
	if err != nil {
		return extract{}, err
	}
	if isBlank(text.String()) && isBlank(body) {
		return extract{}, fmt.Errorf("%w: it has neither headers nor text of an e-mail", ErrMalformed)
	}
	if body = strings.TrimSpace(body); body != "" {
		text.WriteString("\n" + body + "\n")
	}
	if len(m.attached) > 0 {
		text.WriteString("\nAttachments, which are not part of this text:\n" + strings.Join(m.attached, "\n"))
	}
	return extract{title: header("Subject"), sections: []Section{{Text: strings.TrimSpace(text.String())}}}, nil
}

// mailHeader returns a header of a message or of one of its parts.
type mailHeader func(name string) string

// mailReader reads the parts of a message.
type mailReader struct {
	words    *mime.WordDecoder
	attached []string
	parts    int
}

// part returns the text of a part and notes attachments.
func (m *mailReader) part(header mailHeader, body io.Reader, depth int) (string, error) {
	m.parts++
	if depth > maxMailDepth || m.parts > maxMailParts {
		return "", fmt.Errorf("%w: it has more than %d parts, or they are nested more than %d deep", ErrMalformed, maxMailParts, maxMailDepth)
	}
	kind, params, err := mime.ParseMediaType(header("Content-Type"))
	if err != nil && kind == "" {
		kind, params = "text/plain", map[string]string{}
	}
	if strings.HasPrefix(kind, "multipart/") && params["boundary"] != "" {
		return m.multipart(kind, multipart.NewReader(body, params["boundary"]), depth)
	}
	disposition, disposed, _ := mime.ParseMediaType(header("Content-Disposition"))
	content, err := io.ReadAll(decodeTransfer(header("Content-Transfer-Encoding"), body))
	if disposition == "attachment" || kind != "text/plain" && kind != "text/html" {
		m.attach(firstOf(disposed["filename"], params["name"], "without a name"), kind, len(content))
		return "", nil
	}
	if err != nil {
		return "", fmt.Errorf("%w: decode a part of type %s: %w", ErrMalformed, quoteName(kind), err)
	}
	text, err := decodeMail(content, params["charset"])
	if err != nil {
		return "", err
	}
	if kind == "text/html" {
		text, _, err = readHTML(text)
	}
	return text, err
}

// multipart returns the text of several parts, or of the best of alternatives:
// plain text rather than HTML.
func (m *mailReader) multipart(kind string, parts *multipart.Reader, depth int) (string, error) {
	var texts []string
	plain := ""
	for {
		// Raw, since NextPart takes off one of the encodings by itself.
		p, err := parts.NextRawPart()
		if errors.Is(err, io.EOF) {
			break
		}
		if err != nil {
			return "", fmt.Errorf("%w: a message of several parts breaks off: %w", ErrMalformed, err)
		}
		text, err := m.part(p.Header.Get, p, depth+1)
		if err != nil {
			return "", err
		}
		if isBlank(text) {
			continue
		}
		texts = append(texts, strings.TrimSpace(text))
		if t, _, _ := mime.ParseMediaType(p.Header.Get("Content-Type")); (t == "text/plain" || t == "") && plain == "" {
			plain = text
		}
	}
	if kind == "multipart/alternative" && len(texts) > 0 {
		return firstOf(plain, texts[len(texts)-1]), nil
	}
	return strings.Join(texts, "\n\n"), nil
}

func (m *mailReader) attach(name, kind string, size int) {
	if decoded, err := m.words.DecodeHeader(name); err == nil {
		name = decoded
	}
	name = oneLine(strings.ToValidUTF8(name, "\ufffd"), titleRunes)
	m.attached = append(m.attached, fmt.Sprintf("- %s (%s, %s bytes)", name, oneLine(kind, titleRunes), thousands(size)))
}

// decodeTransfer takes off what protected a part on its way.
func decodeTransfer(encoding string, body io.Reader) io.Reader {
	switch strings.ToLower(strings.TrimSpace(encoding)) {
	case "base64":
		return base64.NewDecoder(base64.StdEncoding, body)
	case "quoted-printable":
		return quotedprintable.NewReader(body)
	}
	return body
}

// decodeMail returns the text of a part. What it declares is believed unless it
// is UTF-8 all the same, as for HTML.
func decodeMail(content []byte, charset string) (string, error) {
	charset = strings.ToLower(charset)
	enc := charsetByLabel(charset)
	if enc != nil && (!isUTF8(content) || sevenBit(charset)) {
		return convert(content, enc)
	}
	if charset != "" && enc == nil && (!isUTF8(content) || sevenBit(charset)) {
		return "", fmt.Errorf("%w %s; convert the message to UTF-8", ErrCharset, quoteName(charset))
	}
	return decode(content, KindText)
}

func firstOf(texts ...string) string {
	for _, t := range texts {
		if t != "" {
			return t
		}
	}
	return ""
}
