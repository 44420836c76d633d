package report

import (
	"bytes"
	"strings"
)

// acrossMark begins the Markdown file of the summary over all documents.
const acrossMark = "<!-- summary over documents -->\n"

// generator is what the HTML page says of who made it.
const generator = `<meta name="generator" content="longhaul summarize">`

// PageNames are the names of the files about a whole run.
func PageNames() []string {
	return []string{CSVName, IndexName, HTMLName, AcrossName, DataName(AcrossName)}
}

// IsPage reports whether what a file of that name begins with shows that this package
// has written it. Two kilobytes are enough.
func IsPage(name string, head []byte) bool {
	switch name {
	case CSVName:
		return bytes.HasPrefix(head, []byte(byteOrderMark+strings.Join(csvHeader()[:3], ",")))
	case IndexName:
		return bytes.HasPrefix(head, []byte(indexMark))
	case HTMLName:
		return bytes.Contains(head, []byte(generator))
	case AcrossName:
		return bytes.HasPrefix(head, []byte(acrossMark))
	case DataName(AcrossName):
		return bytes.HasPrefix(head, []byte("{\n  \"document\": \""+AcrossDocument+`"`))
	}
	return false
}

// RecordOf is the [Run.Record] of an HTML page by what the page begins with, "" if it has
// none. Two kilobytes are enough.
func RecordOf(head []byte) string {
	_, after, found := bytes.Cut(head, []byte(`<meta name="record" content="`))
	record, _, whole := bytes.Cut(after, []byte(`">`))
	if !found || !whole {
		return ""
	}
	return string(record)
}

// IsOf reports whether a file, in Markdown or JSON, is a summary of the document that
// this package has written.
func IsOf(content []byte, document string) bool {
	if _, err := Read(content, document); err == nil {
		return true
	}
	return bytes.Contains(content, []byte("\n---\n\nSummary of "+codeSpan(document)))
}
