package summarize

import "strings"

// KindOfContent returns the kind of what a server sent: by its media type, or where
// that says nothing, by the name it has. An empty or a general type says nothing.
func KindOfContent(mediaType, name string) (Kind, bool) {
	if kind, ok := KindOf("x" + extensionOf(strings.ToLower(mediaType))); ok {
		return kind, true
	}
	if kind, ok := KindOf(name); ok {
		return kind, true
	}
	if strings.HasPrefix(strings.ToLower(mediaType), "text/") {
		return KindText, true
	}
	return "", false
}

// extensionOf is the extension that files of a media type have, "" for a type that says
// too little. text/plain is such a type: servers send source code and tables as it.
func extensionOf(mediaType string) string {
	switch mediaType {
	case "text/html", "application/xhtml+xml":
		return ".html"
	case "text/markdown", "text/x-markdown":
		return ".md"
	case "text/csv":
		return ".csv"
	case "text/tab-separated-values":
		return ".tsv"
	case "application/json", "application/ld+json", "application/x-ndjson":
		return ".json"
	case "application/pdf", "application/x-pdf":
		return ".pdf"
	case "application/zip", "application/x-zip-compressed":
		return ".zip"
	case "application/epub+zip":
		return ".epub"
	case "application/rtf", "text/rtf":
		return ".rtf"
	case "message/rfc822":
		return ".eml"
	case "application/vnd.openxmlformats-officedocument.wordprocessingml.document":
		return ".docx"
	case "application/vnd.openxmlformats-officedocument.presentationml.presentation":
		return ".pptx"
	case "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet":
		return ".xlsx"
	case "application/vnd.oasis.opendocument.text":
		return ".odt"
	case "application/xml", "text/xml":
		return ".xml"
	}
	return ""
}
