package summarize

import (
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

// DefaultFileBytes is the largest file that [Read] takes unless told otherwise:
// 64 MiB. It bounds memory, not the request; that is bounded by the context of
// the model, which a plain text of this size is far beyond. What exceeds it
// are pages with embedded pictures.
const DefaultFileBytes = 64 << 20

// titleRunes bounds a title, in characters.
const titleRunes = 200

// Limits bound what [Read] takes. The zero value means the defaults.
type Limits struct {
	// FileBytes is the largest file that is read; 0 stands for
	// [DefaultFileBytes].
	FileBytes int64
}

// Read reads a document. Reading follows symbolic links, refuses what is not a
// regular file, and holds a small multiple of the file's size in memory. Every
// error is a [*SourceError] that names the file.
func Read(src Source, limits Limits) (Document, error) {
	content, err := readFile(filepath.FromSlash(src.Path), limits)
	if err != nil {
		return Document{}, sourceError(src.Path, err)
	}
	return Parse(src.Path, src.Kind, content)
}

// Parse reads a document of the given kind from content that the caller has
// read, and names it path. Content that shows another kind beyond doubt is read
// as what it is, whatever its name says. Of a plain text the character encoding is told, in this order, by a
// byte order mark, by being valid UTF-8, by the declaration in an HTML
// document, and by the pattern of zeros that UTF-16 leaves; all else is taken
// for Windows-1252 and, with that, for Latin-1. Every error is a [*SourceError].
func Parse(path string, kind Kind, content []byte) (Document, error) {
	kind = kindOfContent(content, kind)
	doc := Document{Path: filepath.ToSlash(path), Kind: kind, Bytes: int64(len(content))}
	if read := readerOf(kind); read != nil {
		packed, err := parsePacked(kind, content, read)
		if err != nil {
			return Document{}, sourceError(path, err)
		}
		doc.Title, doc.Sections = packed.title, packed.sections
		return finish(doc), nil
	}
	text, err := decode(content, kind)
	if err != nil {
		return Document{}, sourceError(path, err)
	}
	empty := ErrEmpty
	switch kind {
	case KindHTML:
		if text, doc.Title, err = readHTML(text); err != nil {
			return Document{}, sourceError(path, err)
		}
		empty = fmt.Errorf("%w outside of scripts and navigation", ErrEmpty)
	case KindMarkdown:
		var body string
		doc.Title, body = readMarkdown(text)
		if isBlank(body) && !isBlank(text) {
			return Document{}, sourceError(path, fmt.Errorf("%w below its front matter", ErrEmpty))
		}
	case KindText, KindCSV, KindJSON, KindCode:
	case KindDOCX, KindPPTX, KindXLSX, KindODT, KindEPUB, KindRTF, KindEML:
		// Read above.
	default:
		return Document{}, sourceError(path, fmt.Errorf("%w %q", ErrUnsupported, kind))
	}
	if isBlank(text) {
		return Document{}, sourceError(path, empty)
	}
	doc.Sections = []Section{{Text: text}}
	return finish(doc), nil
}

// finish fills in what follows from the title and the sections of a document.
func finish(doc Document) Document {
	doc.Title = oneLine(doc.Title, titleRunes)
	for i := range doc.Sections {
		s := &doc.Sections[i]
		s.Name, s.Text = oneLine(s.Name, titleRunes), strings.ToValidUTF8(s.Text, "\ufffd")
	}
	doc.Text = joined(doc.Sections)
	sum := sha256.Sum256([]byte(doc.Text))
	doc.Hash = hex.EncodeToString(sum[:])
	return doc
}

// readFile reads a regular file of no more than the limit.
func readFile(file string, limits Limits) (content []byte, err error) {
	limit := limits.FileBytes
	if limit <= 0 {
		limit = DefaultFileBytes
	}
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
