package summarize

import (
	"bytes"
	"fmt"
	"strings"
)

const (
	// pdfMagic is what a PDF begins with, after at most pdfLead bytes of something else.
	pdfMagic = "%PDF-"
	pdfLead  = 1024
)

// readerOf returns what reads a kind that is no plain text, nil for the others.
func readerOf(kind Kind) func(content []byte) (extract, error) {
	switch kind {
	case KindDOCX:
		return readDOCX
	case KindPPTX:
		return readPPTX
	case KindXLSX:
		return readXLSX
	case KindODT:
		return readODT
	case KindEPUB:
		return readEPUB
	case KindRTF:
		return readRTF
	case KindEML:
		return readEML
	case KindPDF:
		// Read by the [Reader], which holds what that takes.
	case KindText, KindMarkdown, KindHTML, KindCSV, KindJSON, KindCode:
	}
	return nil
}

// kindOfContent returns the kind that the content shows beyond doubt, or else
// the one that the file's name tells. Documents are renamed more often than
// their content is forged.
func kindOfContent(content []byte, named Kind) Kind {
	if bytes.HasPrefix(content, []byte(`{\rtf`)) {
		return KindRTF
	}
	if bytes.HasPrefix(content, []byte(pdfMagic)) {
		return KindPDF
	}
	if !bytes.HasPrefix(content, []byte("PK\x03\x04")) {
		return named
	}
	a, err := openArchive(content)
	if err != nil {
		return named
	}
	switch {
	case a.hasFolder("word/"):
		return KindDOCX
	case a.hasFolder("ppt/"):
		return KindPPTX
	case a.hasFolder("xl/"):
		return KindXLSX
	}
	mimetype, err := a.readAll("mimetype")
	if err != nil {
		return named
	}
	switch string(bytes.TrimSpace(mimetype)) {
	case "application/vnd.oasis.opendocument.text", "application/vnd.oasis.opendocument.text-template":
		return KindODT
	case "application/epub+zip":
		return KindEPUB
	}
	return named
}

// parsePacked reads a document of a kind that is no plain text. With [ErrPictures]
// and [ErrEmpty] it returns what little it found.
func parsePacked(kind Kind, content []byte, read func([]byte) (extract, error)) (extract, error) {
	if len(content) == 0 {
		return extract{}, ErrEmpty
	}
	if bytes.HasPrefix(content, []byte("\xd0\xcf\x11\xe0")) {
		if encryptedOffice(content) {
			return extract{}, ErrEncrypted
		}
		return extract{}, fmt.Errorf("%w: an office document in the format from before 2007; save it anew", ErrUnsupported)
	}
	wrong := isZipped(kind) && !bytes.HasPrefix(content, []byte("PK"))
	// Some mail programs and printers put lines before the first of a PDF.
	wrong = wrong || kind == KindPDF && !bytes.Contains(content[:min(len(content), pdfLead)], []byte(pdfMagic))
	if wrong {
		what := signature(content)
		if what == "" {
			what = "something else"
		}
		return extract{}, fmt.Errorf("%w: its name says %s, but it is %s; rename it if it is another document, such as .txt for a text", ErrMalformed, strings.ToUpper(string(kind)), what)
	}
	doc, err := read(content)
	if err != nil {
		return extract{}, err
	}
	if doc.isBlank() {
		if doc.pictures {
			return doc, ErrPictures
		}
		return doc, ErrEmpty
	}
	return doc, nil
}

// isZipped reports whether documents of a kind are zip archives.
func isZipped(kind Kind) bool {
	switch kind {
	case KindDOCX, KindPPTX, KindXLSX, KindODT, KindEPUB:
		return true
	case KindText, KindMarkdown, KindHTML, KindCSV, KindJSON, KindCode, KindRTF, KindEML, KindPDF:
	}
	return false
}
