package summarize

import (
	"encoding/xml"
	"fmt"
	"net/url"
	"path"
	"strings"
)

// readEPUB reads a book, part by part in the order of its spine.
func readEPUB(content []byte) (extract, error) {
	a, err := openArchive(content)
	if err != nil {
		return extract{}, err
	}
	if err := checkUnprotected(a); err != nil {
		return extract{}, err
	}
	opf := ""
	if err := a.walk("META-INF/container.xml", xmlHandler{start: func(e xml.StartElement) bool {
		if e.Name.Local == "rootfile" && opf == "" {
			opf = attr(e, "full-path")
		}
		return true
	}}); err != nil {
		return extract{}, err
	}
	parts, pictures, err := readSpine(a, opf)
	if err != nil {
		return extract{}, err
	}
	doc := extract{pictures: pictures}
	total := 0
	for _, part := range parts {
		page, err := a.readAll(part)
		if err != nil {
			return extract{}, err
		}
		text, err := decode(page, KindHTML)
		if err != nil {
			return extract{}, fmt.Errorf("%s in it: %w", quoteName(part), err)
		}
		text, _, err = readHTML(text)
		if err != nil {
			return extract{}, fmt.Errorf("%w, in %s", err, quoteName(part))
		}
		if total += len(text); total > maxTextBytes {
			return extract{}, fmt.Errorf("%w: its text has more than %d bytes", ErrOversize, maxTextBytes)
		}
		// Covers and separators have no text and nothing refers to them.
		if !isBlank(text) {
			doc.sections = append(doc.sections, Section{Unit: "Part", Number: len(doc.sections) + 1, Text: text})
		}
	}
	doc.title, err = a.title(opf)
	return doc, err
}

// readSpine returns the parts of a book in their order.
func readSpine(a *archive, opf string) (parts []string, pictures bool, err error) {
	hrefs := make(map[string]string)
	seen := make(map[string]bool)
	err = a.walk(opf, xmlHandler{start: func(e xml.StartElement) bool {
		switch e.Name.Local {
		case "item":
			kind := attr(e, "media-type")
			pictures = pictures || strings.HasPrefix(kind, "image/")
			if kind != "application/xhtml+xml" && kind != "text/html" {
				return true
			}
			if href, err := url.PathUnescape(attr(e, "href")); err == nil {
				hrefs[attr(e, "id")] = path.Join(path.Dir(opf), href)
			}
		case "itemref":
			// Each part once, however often the spine names it.
			if part, ok := hrefs[attr(e, "idref")]; ok && !seen[part] {
				seen[part] = true
				parts = append(parts, part)
			}
		}
		return true
	}})
	return parts, pictures, err
}

// checkUnprotected refuses a book whose text is encrypted. Fonts often are, to
// keep them from being used elsewhere, which does not matter.
func checkUnprotected(a *archive) error {
	const list = "META-INF/encryption.xml"
	if !a.has(list) {
		return nil
	}
	encrypted := false
	algorithm := ""
	err := a.walk(list, xmlHandler{
		start: func(e xml.StartElement) bool {
			if e.Name.Local == "EncryptionMethod" {
				algorithm = attr(e, "Algorithm")
			}
			return true
		},
		end: func(name string) {
			if name == "EncryptedData" {
				encrypted = encrypted || algorithm != "http://www.idpf.org/2008/embedding" && algorithm != "http://ns.adobe.com/pdf/enc#RC"
			}
		},
	})
	if err == nil && encrypted {
		return ErrEncrypted
	}
	return err
}
