package summarize

import (
	"encoding/xml"
	"errors"
	"fmt"
	"io"
	"strings"

	"golang.org/x/text/encoding/unicode"
	"golang.org/x/text/transform"
)

// maxDepth bounds how deep elements may be nested. Documents that people write
// stay below a hundred.
const maxDepth = 1000

// xmlHandler is told of the elements and texts of an XML document, in order.
type xmlHandler struct {
	// start reports whether to go on inside the element; if not, end is not called
	// for it.
	start func(e xml.StartElement) bool
	end   func(name string)
	text  func(text []byte)
	// size, if set, returns how much text came of it; see [maxTextBytes].
	size func() int
}

// walkXML reads XML as a stream. The decoder resolves no entity but those of XML
// itself, so that neither bombs of entities nor external ones are possible.
func walkXML(r io.Reader, h xmlHandler) error {
	dec := xml.NewDecoder(transform.NewReader(r, unicode.BOMOverride(transform.Nop)))
	dec.CharsetReader = func(label string, r io.Reader) (io.Reader, error) {
		label = strings.ToLower(label)
		if strings.HasPrefix(label, "utf-16") {
			// Its byte order mark has had it decoded.
			return r, nil
		}
		enc := charsetByLabel(label)
		if enc == nil {
			return nil, fmt.Errorf("%w %s", ErrCharset, quoteName(label))
		}
		return transform.NewReader(r, enc.NewDecoder()), nil
	}
	depth, skipped := 0, 0
	for {
		token, err := dec.Token()
		switch {
		case errors.Is(err, io.EOF):
			return nil
		case errors.Is(err, ErrOversize), errors.Is(err, ErrCharset):
			return err
		case err != nil:
			return fmt.Errorf("%w: %w", ErrMalformed, err)
		}
		switch t := token.(type) {
		case xml.StartElement:
			if depth++; depth > maxDepth {
				return fmt.Errorf("%w: elements are nested more than %d deep", ErrMalformed, maxDepth)
			}
			if skipped > 0 || !h.start(t) {
				skipped++
			}
		case xml.EndElement:
			depth--
			if skipped > 0 {
				skipped--
			} else if h.end != nil {
				h.end(t.Name.Local)
			}
		case xml.CharData:
			if skipped == 0 && h.text != nil {
				h.text(t)
			}
		}
		if h.size != nil && h.size() > maxTextBytes {
			return fmt.Errorf("%w: its text has more than %d bytes", ErrOversize, maxTextBytes)
		}
	}
}

// walk reads a file of the archive as XML.
func (a *archive) walk(name string, h xmlHandler) error {
	r, err := a.open(name)
	if err != nil {
		return err
	}
	if err = errors.Join(walkXML(r, h), r.Close()); err != nil {
		return unpackError(name, err)
	}
	return nil
}

// attr returns an attribute by its name without namespace, or "".
func attr(e xml.StartElement, name string) string {
	for _, a := range e.Attr {
		if a.Name.Local == name {
			return a.Value
		}
	}
	return ""
}

// title returns the title that the properties of a document tell, or "".
func (a *archive) title(part string) (string, error) {
	if !a.has(part) {
		return "", nil
	}
	var text strings.Builder
	inside, done := false, false
	err := a.walk(part, xmlHandler{
		start: func(e xml.StartElement) bool {
			inside = inside || e.Name.Local == "title" && !done
			return true
		},
		end: func(end string) {
			if end == "title" && inside {
				inside, done = false, true
			}
		},
		text: func(t []byte) {
			if inside && text.Len() < titleScanBytes {
				text.Write(t)
			}
		},
	})
	return strings.TrimSpace(text.String()), err
}
