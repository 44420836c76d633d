package pdf

import (
	"strings"

	"github.com/klippa-app/go-pdfium/references"
	"github.com/klippa-app/go-pdfium/requests"
)

const (
	// maxEntries and maxDepth bound how much of an outline is read; one that refers
	// to itself has no end.
	maxEntries = 20_000
	maxDepth   = 16
)

// headings holds the first entry of the outline on each page, by the page's index.
type headings map[int]string

// outline reads the outline as far as it leads to the pages that are read. An
// outline is a help and not content: what is wrong with it ends it and nothing else.
func (d *reading) outline(pages int) headings {
	found := make(headings)
	left := maxEntries
	d.entries(nil, 0, pages, &left, found)
	return found
}

// entries reads the entries below one, nil for those at the top.
func (d *reading) entries(parent *references.FPDF_BOOKMARK, depth, pages int, left *int, found headings) {
	first, err := d.sandbox.FPDFBookmark_GetFirstChild(&requests.FPDFBookmark_GetFirstChild{Document: d.document, Bookmark: parent})
	if err != nil || depth > maxDepth {
		return
	}
	for entry := first.Bookmark; entry != nil && *left > 0; {
		*left--
		d.entry(*entry, pages, found)
		d.entries(entry, depth+1, pages, left, found)
		next, err := d.sandbox.FPDFBookmark_GetNextSibling(&requests.FPDFBookmark_GetNextSibling{Document: d.document, Bookmark: *entry})
		if err != nil {
			return
		}
		entry = next.Bookmark
	}
}

// entry notes one entry, unless an earlier one leads to the same page.
func (d *reading) entry(entry references.FPDF_BOOKMARK, pages int, found headings) {
	dest, err := d.sandbox.FPDFBookmark_GetDest(&requests.FPDFBookmark_GetDest{Document: d.document, Bookmark: entry})
	if err != nil || dest.Dest == nil {
		return
	}
	page, err := d.sandbox.FPDFDest_GetDestPageIndex(&requests.FPDFDest_GetDestPageIndex{Document: d.document, Dest: *dest.Dest})
	if err != nil || page.Index < 0 || page.Index >= pages || found[page.Index] != "" {
		return
	}
	if title, err := d.sandbox.FPDFBookmark_GetTitle(&requests.FPDFBookmark_GetTitle{Bookmark: entry}); err == nil {
		found[page.Index] = strings.TrimSpace(strings.TrimRight(title.Title, "\x00"))
	}
}

// name gives each page its heading.
func (h headings) name(pages []Page) {
	current := ""
	for i := range pages {
		if own := h[i]; own != "" {
			current = own
		}
		pages[i].Heading = current
	}
}
