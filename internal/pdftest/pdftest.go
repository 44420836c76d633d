// Package pdftest writes small PDF documents whose content is known to the last
// word, for tests.
package pdftest

import (
	"bytes"
	"fmt"
	"os"
	"path/filepath"
	"strings"
)

// Document is a PDF to be written.
type Document struct {
	// Title goes into the properties.
	Title string
	// Pages are written in this order.
	Pages []Page
	// Encrypted marks the document as one that asks for a password. Nobody knows it.
	Encrypted bool
}

// Page is a page of a document.
type Page struct {
	// Heading, if set, is an entry of the outline that leads to the page.
	Heading string
	// Lines are its text, in characters of Latin-1.
	Lines []string
	// Picture draws a picture.
	Picture bool
}

// Bytes returns the document. The same document gives the same bytes.
func (d Document) Bytes() []byte {
	w := &writer{}
	w.out.WriteString("%PDF-1.4\n%\xe2\xe3\xcf\xd3\n")
	// Numbers of objects: what is fixed comes first, then three for each page.
	const catalog, tree, font, image, properties, outline, encrypt, fixed = 1, 2, 3, 4, 5, 6, 7, 7
	page := func(i int) int { return fixed + 1 + 3*i }
	var kids strings.Builder
	entries := 0
	for i, p := range d.Pages {
		fmt.Fprintf(&kids, "%d 0 R ", page(i))
		if p.Heading != "" {
			entries++
		}
	}
	w.object(catalog, fmt.Sprintf("<< /Type /Catalog /Pages %d 0 R /Outlines %d 0 R >>", tree, outline))
	w.object(tree, fmt.Sprintf("<< /Type /Pages /Count %d /Kids [%s] >>", len(d.Pages), kids.String()))
	w.object(font, "<< /Type /Font /Subtype /Type1 /BaseFont /Helvetica /Encoding /WinAnsiEncoding >>")
	w.stream(image, "/Type /XObject /Subtype /Image /Width 2 /Height 2 /ColorSpace /DeviceGray /BitsPerComponent 8", "\x00\xff\xff\x00")
	w.object(properties, fmt.Sprintf("<< /Title (%s) >>", escape(d.Title)))
	first, last := d.outlineEnds(page)
	w.object(outline, fmt.Sprintf("<< /Type /Outlines /Count %d%s >>", entries, ends(first, last)))
	w.object(encrypt, fmt.Sprintf("<< /Filter /Standard /V 1 /R 2 /P -44 /O <%s> /U <%s> >>", strings.Repeat("5a", 32), strings.Repeat("a5", 32)))
	previous := 0
	for i, p := range d.Pages {
		w.object(page(i), fmt.Sprintf(
			"<< /Type /Page /Parent %d 0 R /MediaBox [0 0 595 842] /Contents %d 0 R /Resources << /Font << /F %d 0 R >> /XObject << /I %d 0 R >> >> >>",
			tree, page(i)+1, font, image))
		w.stream(page(i)+1, "", p.content())
		if p.Heading == "" {
			w.object(page(i)+2, "null")
			continue
		}
		sides := ""
		if previous != 0 {
			sides += fmt.Sprintf(" /Prev %d 0 R", previous)
		}
		if next := d.nextEntry(i, page); next != 0 {
			sides += fmt.Sprintf(" /Next %d 0 R", next)
		}
		w.object(page(i)+2, fmt.Sprintf("<< /Title (%s) /Parent %d 0 R /Dest [%d 0 R /Fit]%s >>", escape(p.Heading), outline, page(i), sides))
		previous = page(i) + 2
	}
	trailer := fmt.Sprintf("/Root %d 0 R /Info %d 0 R", catalog, properties)
	if d.Encrypted {
		trailer += fmt.Sprintf(" /Encrypt %d 0 R /ID [<00> <00>]", encrypt)
	}
	return w.finish(trailer)
}

func (d Document) outlineEnds(page func(int) int) (first, last int) {
	for i, p := range d.Pages {
		if p.Heading == "" {
			continue
		}
		if first == 0 {
			first = page(i) + 2
		}
		last = page(i) + 2
	}
	return first, last
}

func (d Document) nextEntry(after int, page func(int) int) int {
	for i := after + 1; i < len(d.Pages); i++ {
		if d.Pages[i].Heading != "" {
			return page(i) + 2
		}
	}
	return 0
}

func ends(first, last int) string {
	if first == 0 {
		return ""
	}
	return fmt.Sprintf(" /First %d 0 R /Last %d 0 R", first, last)
}

// content draws a page.
func (p Page) content() string {
	var b strings.Builder
	if len(p.Lines) > 0 {
		b.WriteString("BT /F 11 Tf 14 TL 50 800 Td\n")
		for _, line := range p.Lines {
			b.WriteString("(" + escape(line) + ") Tj T*\n")
		}
		b.WriteString("ET\n")
	}
	if p.Picture {
		b.WriteString("q 400 0 0 400 50 200 cm /I Do Q\n")
	}
	return b.String()
}

// escape returns text as it stands in parentheses.
func escape(s string) string {
	var b strings.Builder
	for _, r := range s {
		if strings.ContainsRune(`\()`, r) {
			b.WriteByte('\\')
		}
		if r > 0xff {
			r = '?'
		}
		b.WriteByte(byte(r))
	}
	return b.String()
}

// writer puts objects one after the other and remembers where they are.
type writer struct {
	out     bytes.Buffer
	offsets []int
}

func (w *writer) object(number int, body string) {
	for len(w.offsets) < number {
		w.offsets = append(w.offsets, 0)
	}
	w.offsets[number-1] = w.out.Len()
	fmt.Fprintf(&w.out, "%d 0 obj\n%s\nendobj\n", number, body)
}

func (w *writer) stream(number int, entries, content string) {
	w.object(number, fmt.Sprintf("<< %s /Length %d >>\nstream\n%s\nendstream", entries, len(content), content))
}

// finish writes the table of where the objects are.
func (w *writer) finish(trailer string) []byte {
	at := w.out.Len()
	fmt.Fprintf(&w.out, "xref\n0 %d\n0000000000 65535 f \n", len(w.offsets)+1)
	for _, offset := range w.offsets {
		fmt.Fprintf(&w.out, "%010d 00000 n \n", offset)
	}
	fmt.Fprintf(&w.out, "trailer\n<< /Size %d %s >>\nstartxref\n%d\n%%%%EOF\n", len(w.offsets)+1, trailer, at)
	return w.out.Bytes()
}

// CacheDir returns a folder of the user's for the compiled reader of PDFs, which
// all tests of a machine share: with the race detector, compiling it takes half a
// minute.
func CacheDir() string {
	base, err := os.UserCacheDir()
	if err != nil {
		base = os.TempDir()
	}
	return filepath.Join(base, "longhaul-test-pdf")
}
