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
	// KindCSV is a table of values separated by commas, semicolons or tabs.
	KindCSV Kind = "csv"
	// KindJSON is JSON, or lines of it.
	KindJSON Kind = "json"
	// KindCode is source code, configuration and other text written for machines.
	KindCode Kind = "code"
	// KindDOCX is a document of Word, with or without macros.
	KindDOCX Kind = "docx"
	// KindPPTX is a presentation of PowerPoint.
	KindPPTX Kind = "pptx"
	// KindXLSX is a workbook of Excel.
	KindXLSX Kind = "xlsx"
	// KindODT is a text in the OpenDocument format, as LibreOffice writes it.
	KindODT Kind = "odt"
	// KindEPUB is an electronic book.
	KindEPUB Kind = "epub"
	// KindRTF is rich text.
	KindRTF Kind = "rtf"
	// KindEML is an e-mail as mail programs save it.
	KindEML Kind = "eml"
	// KindPDF is a PDF.
	KindPDF Kind = "pdf"
)

// KindOf returns the kind that the extension of path stands for, in any case of
// letters, and whether it stands for one.
func KindOf(path string) (Kind, bool) {
	ext := strings.ToLower(filepath.Ext(path))
	switch ext {
	case ".txt", ".text", ".log", ".rst", ".org", ".adoc", ".asciidoc", ".textile", ".tex", ".srt", ".vtt":
		return KindText, true
	case ".md", ".markdown", ".mdown", ".mkd":
		return KindMarkdown, true
	case ".html", ".htm", ".xhtml":
		return KindHTML, true
	case ".csv", ".tsv":
		return KindCSV, true
	case ".json", ".jsonl", ".ndjson":
		return KindJSON, true
	case ".docx", ".docm", ".dotx":
		return KindDOCX, true
	case ".pptx", ".pptm", ".ppsx":
		return KindPPTX, true
	case ".xlsx", ".xlsm":
		return KindXLSX, true
	case ".odt", ".ott":
		return KindODT, true
	case ".epub":
		return KindEPUB, true
	case ".rtf":
		return KindRTF, true
	case ".eml":
		return KindEML, true
	case ".pdf":
		return KindPDF, true
	}
	if isCode(ext) {
		return KindCode, true
	}
	return "", false
}

// isCode reports whether an extension in lower case is that of source code or
// configuration.
func isCode(ext string) bool {
	switch ext {
	case ".bash", ".bat", ".c", ".cc", ".cfg", ".clj", ".cmake", ".conf", ".cpp", ".cs", ".css", ".dart", ".diff", ".el",
		".erl", ".ex", ".exs", ".f90", ".fs", ".go", ".gradle", ".graphql", ".groovy", ".h", ".hpp", ".hs", ".ini", ".java",
		".jl", ".js", ".jsx", ".kt", ".lisp", ".lua", ".m", ".mjs", ".ml", ".nix", ".patch", ".php", ".pl", ".pm",
		".properties", ".proto", ".ps1", ".py", ".r", ".rb", ".rs", ".scala", ".scss", ".sh", ".sql", ".svelte", ".swift",
		".tf", ".toml", ".ts", ".tsx", ".vb", ".vue", ".xml", ".yaml", ".yml", ".zig", ".zsh":
		return true
	}
	return false
}

// Extensions returns the extensions that [KindOf] knows, with their dots, in
// the order in which they are shown to people. Those of source code and
// configuration are too many to show and are left out.
func Extensions() []string {
	return []string{
		".txt", ".text", ".md", ".markdown", ".mdown", ".mkd", ".html", ".htm", ".xhtml",
		".rst", ".org", ".adoc", ".asciidoc", ".textile", ".tex", ".srt", ".vtt", ".log",
		".docx", ".docm", ".dotx", ".pptx", ".pptm", ".ppsx", ".xlsx", ".xlsm", ".odt", ".ott",
		".pdf", ".epub", ".rtf", ".eml",
		".csv", ".tsv", ".json", ".jsonl", ".ndjson",
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
	return "", fmt.Errorf("%w %s; supported: %s and source code", ErrUnsupported, quoteName(ext), strings.Join(Extensions(), " "))
}

// extension returns the extension of path, not counting the dot that a hidden
// file's name begins with.
func extension(path string) string {
	return filepath.Ext(strings.TrimLeft(filepath.Base(path), "."))
}
