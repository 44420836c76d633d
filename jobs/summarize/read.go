package summarize

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"
	"unicode"
	"unicode/utf8"
)

// DefaultFileBytes is the largest file that a [Reader] takes unless told otherwise:
// 64 MiB. It bounds memory, not the request; that is bounded by the context of
// the model, which a plain text of this size is far beyond. What exceeds it
// are pages with embedded pictures.
const DefaultFileBytes = 64 << 20

// titleRunes bounds a title, in characters.
const titleRunes = 200

// Parse reads a document of the given kind from content that the caller has
// read, and names it path. Content that shows another kind beyond doubt is read
// as what it is, whatever its name says. Of a plain text the character encoding is
// told, in this order, by a byte order mark, by being valid UTF-8, by the pattern of
// zeros that UTF-16 leaves, by the declaration in an HTML document, and by how often
// which characters come; all else is taken for Windows-1252 and, with that, for
// Latin-1. Every error is a [*SourceError].
func (r *Reader) Parse(ctx context.Context, path string, kind Kind, content []byte) (Document, error) {
	kind = kindOfContent(content, kind)
	doc := Document{Path: filepath.ToSlash(path), Kind: kind, Bytes: int64(len(content))}
	if err := r.parse(ctx, &doc, content); err != nil {
		return Document{}, sourceError(path, err)
	}
	return doc, nil
}

// parse fills in what a document says.
func (r *Reader) parse(ctx context.Context, doc *Document, content []byte) error {
	wanted := r.opts.AsFile != nil && r.opts.AsFile(doc.Path)
	read := readerOf(doc.Kind)
	if doc.Kind == KindPDF {
		read = func(content []byte) (extract, error) { return r.readPDF(ctx, content) }
	}
	switch {
	case wanted && doc.Kind != KindPDF:
		return asFile(doc, content, 0)
	case read == nil:
		return parseText(doc, content)
	}
	packed, err := parsePacked(doc.Kind, content, read)
	switch {
	case wanted && (err == nil || errors.Is(err, ErrPictures) || errors.Is(err, ErrEmpty)),
		r.opts.ScannedAsFile && doc.Kind == KindPDF && (errors.Is(err, ErrPictures) || err == nil && packed.scanned()):
		if packed.omitted > 0 {
			return fmt.Errorf("%w: it has %s pages and goes to the model as a file, which cannot be cut to %s; split it",
				ErrOversize, thousands(packed.total), thousands(r.opts.MaxPages))
		}
		doc.Title = packed.title
		return asFile(doc, content, packed.total)
	case err != nil:
		return err
	}
	r.cut(&packed)
	doc.Title, doc.Sections, doc.Pictures = packed.title, packed.sections, packed.drawn
	doc.FormLost = packed.formLost
	doc.Omitted = Omitted{Count: packed.omitted, Unit: packed.unit}
	finish(doc)
	return nil
}

// cut leaves out the slides of a presentation that the caller does not want.
// Pages were not read in the first place.
func (r *Reader) cut(e *extract) {
	limit := r.opts.MaxPages
	if limit <= 0 || len(e.sections) <= limit || e.sections[0].Unit != "Slide" {
		return
	}
	e.omitted, e.unit = len(e.sections)-limit, "Slide"
	e.sections = e.sections[:limit]
}

// parseText reads a document whose content is its text.
func parseText(doc *Document, content []byte) error {
	text, err := decode(content, doc.Kind)
	if err != nil {
		return err
	}
	empty := ErrEmpty
	switch doc.Kind {
	case KindHTML:
		if text, doc.Title, err = readHTML(text); err != nil {
			return err
		}
		empty = fmt.Errorf("%w outside of scripts and navigation", ErrEmpty)
	case KindMarkdown:
		var body string
		doc.Title, body = readMarkdown(text)
		if isBlank(body) && !isBlank(text) {
			return fmt.Errorf("%w below its front matter", ErrEmpty)
		}
	case KindText, KindCSV, KindJSON, KindCode:
	case KindDOCX, KindPPTX, KindXLSX, KindODT, KindEPUB, KindRTF, KindEML, KindPDF:
		// Read as what they are.
	default:
		return fmt.Errorf("%w %q", ErrUnsupported, doc.Kind)
	}
	if isBlank(text) {
		return empty
	}
	doc.Sections = []Section{{Text: text}}
	finish(doc)
	return nil
}

// finish fills in what follows from the title and the sections of a document.
func finish(doc *Document) {
	doc.Title = oneLine(doc.Title, titleRunes)
	for i := range doc.Sections {
		s := &doc.Sections[i]
		s.Name, s.Text = oneLine(s.Name, titleRunes), strings.ToValidUTF8(s.Text, "\ufffd")
	}
	doc.Text = joined(doc.Sections)
	sum := sha256.Sum256([]byte(doc.Text))
	doc.Hash = hex.EncodeToString(sum[:])
}

// readFile reads a regular file of no more than the limit.
func readFile(file string, limit int64) (content []byte, err error) {
	// Looked at before it is opened, since opening a pipe waits for a writer.
	info, err := os.Stat(file)
	if err != nil {
		return nil, err
	}
	if !info.Mode().IsRegular() {
		return nil, ErrNotRegular
	}
	if info.Size() > limit {
		return nil, fmt.Errorf("%w: %d bytes, the limit is %d", ErrOversize, info.Size(), limit)
	}
	f, err := os.Open(file) //nolint:gosec // reading the files that the caller names is the task
	if err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, f.Close()) }()
	// A file that grows while it is read must not get past the limit.
	content, err = io.ReadAll(io.LimitReader(f, limit+1))
	if err != nil {
		return nil, err
	}
	if int64(len(content)) > limit {
		return nil, fmt.Errorf("%w: it grew past the limit of %d bytes", ErrOversize, limit)
	}
	return content, nil
}

// isBlank reports whether text shows nothing: white space and characters that
// have neither width nor meaning on their own.
func isBlank(text string) bool {
	return !strings.ContainsFunc(text, func(r rune) bool {
		return !unicode.IsSpace(r) && !unicode.IsControl(r) && !unicode.Is(unicode.Cf, r)
	})
}

// oneLine returns s on one line, without control characters, of at most limit
// characters; an ellipsis marks what was left out.
func oneLine(s string, limit int) string {
	var b strings.Builder
	runes, space := 0, false
	for _, r := range s {
		if unicode.IsSpace(r) || unicode.IsControl(r) || r == utf8.RuneError {
			space = runes > 0
			continue
		}
		if space {
			b.WriteByte(' ')
			runes++
			space = false
		}
		if runes >= limit-1 {
			b.WriteRune('…')
			break
		}
		b.WriteRune(r)
		runes++
	}
	return b.String()
}
