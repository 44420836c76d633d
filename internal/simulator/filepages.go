package simulator

import (
	"bytes"
	"encoding/base64"
	"encoding/json"
	"regexp"
	"strings"
)

// pagesIn counts the pages of a file as a request carries it: those of a PDF that says in the
// open which of its objects are pages, else one.
func pagesIn(data json.RawMessage) int {
	var url string
	if json.Unmarshal(data, &url) != nil {
		return 1
	}
	content, err := base64.StdEncoding.DecodeString(url[strings.IndexByte(url, ',')+1:])
	if err != nil || !bytes.HasPrefix(content, []byte("%PDF-")) {
		return 1
	}
	return max(1, len(regexp.MustCompile(`/Type\s*/Page\b`).FindAllIndex(content, -1)))
}
