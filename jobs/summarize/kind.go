package summarize

import (
	"fmt"
	"path/filepath"
	"strings"
)

// Kind is a format that documents are read from.
type Kind string

// The kinds of document.
const (
	// KindText is plain text and every light markup that reads well as it is.
	KindText Kind = "text"
	// KindMarkdown is Markdown, with or without front matter.
	KindMarkdown Kind = "markdown"
	// KindHTML is HTML or XHTML.
	KindHTML Kind = "html"
)

// KindOf returns the kind that the extension of path stands for, in any case of
// letters, and whether it stands for one.
func KindOf(path string) (Kind, bool) {
	switch strings.ToLower(filepath.Ext(path)) {
	case ".txt", ".text", ".log", ".rst", ".org", ".adoc", ".asciidoc":
		return KindText, true
	case ".md", ".markdown", ".mdown", ".mkd":
		return KindMarkdown, true
	case ".html", ".htm", ".xhtml":
		return KindHTML, true
	}
	return "", false
}

// Extensions returns the extensions that [KindOf] knows, with their dots, in
// the order in which they are shown to people.
func Extensions() []string {
	return []string{
		".txt", ".text", ".md", ".markdown", ".mdown", ".mkd", ".html", ".htm", ".xhtml",
		".rst", ".org", ".adoc", ".asciidoc", ".log",
	}
}

// kindOfNamed returns the kind of a file that the caller named. A file without
// an extension (README, LICENSE) is taken for text, since naming it says so.
func kindOfNamed(path string) (Kind, error) {
	if kind, ok := KindOf(path); ok {
		return kind, nil
	}
	ext := extension(path)
	if ext == "" {
		return KindText, nil
	}
	return "", fmt.Errorf("%w %s; supported: %s", ErrUnsupported, quoteName(ext), strings.Join(Extensions(), " "))
}

// extension returns the extension of path, not counting the dot that a hidden
// file's name begins with.
func extension(path string) string {
	return filepath.Ext(strings.TrimLeft(filepath.Base(path), "."))
}
