package summarize

import (
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"path"
	"strings"
)

// MaxFileBytes is the largest document that goes to the model as a file: OpenAI
// takes 50 MB in all files of a request
// (https://developers.openai.com/api/docs/guides/file-inputs).
const MaxFileBytes = 50_000_000

// asFile has a document go to the model as the file that it is.
func asFile(doc *Document, content []byte, pages int) error {
	if len(content) == 0 {
		return ErrEmpty
	}
	if len(content) > MaxFileBytes {
		return fmt.Errorf("%w: it has %s bytes, the API takes %s; split it",
			ErrFileTooLarge, thousands(len(content)), thousands(MaxFileBytes))
	}
	mediaType := mediaTypeOf(doc.Path, doc.Kind)
	if mediaType == "" {
		return fmt.Errorf("%w: the API takes no %s as a file", ErrUnsupported, doc.Kind)
	}
	sum := sha256.Sum256(content)
	doc.Title, doc.Sections, doc.Text = oneLine(doc.Title, titleRunes), nil, ""
	doc.Hash = hex.EncodeToString(sum[:])
	doc.File = &File{MediaType: mediaType, Pages: pages, Data: content}
	return nil
}

// mediaTypeOf returns the media type of a document, "" for one that OpenAI does
// not list among those that it takes as files.
func mediaTypeOf(name string, kind Kind) string {
	switch kind {
	case KindPDF:
		return "application/pdf"
	case KindDOCX:
		return "application/vnd.openxmlformats-officedocument.wordprocessingml.document"
	case KindPPTX:
		return "application/vnd.openxmlformats-officedocument.presentationml.presentation"
	case KindXLSX:
		return "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet"
	case KindODT:
		return "application/vnd.oasis.opendocument.text"
	case KindRTF:
		return "application/rtf"
	case KindEML:
		return "message/rfc822"
	case KindHTML:
		return "text/html"
	case KindMarkdown:
		return "text/markdown"
	case KindCSV:
		if strings.EqualFold(path.Ext(name), ".tsv") {
			return "text/tsv"
		}
		return "text/csv"
	case KindJSON:
		return "application/json"
	case KindText, KindCode:
		return "text/plain"
	case KindEPUB:
	}
	return ""
}
