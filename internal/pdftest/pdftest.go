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
	// XFA marks the document as one that is a form of XFA.
	XFA bool
}

// Page is a page of a document.
type Page struct {
	// Heading, if set, is an entry of the outline that leads to the page.
	Heading string
	// Lines are its text, in characters of Latin-1.
	Lines []string
	// Picture draws a picture.
	Picture bool
	// Fields are those of a form.
	Fields []Field
}

// Field is a field of a form.
type Field struct {
	// Entries are those of its dictionary, such as "/FT /Tx /T (name) /V (Miller)".
	Entries string
	// Boxes are the entries of where the page shows it, "" for one with nothing of its own.
	// Without any it is shown once.
	Boxes []string
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
	form := d.form(fixed + 3*len(d.Pages))
	w.object(catalog, fmt.Sprintf("<< /Type /Catalog /Pages %d 0 R /Outlines %d 0 R%s >>", tree, outline, form.entry))
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
			"<< /Type /Page /Parent %d 0 R /MediaBox [0 0 595 842] /Contents %d 0 R /Resources << /Font << /F %d 0 R >> /XObject << /I %d 0 R >> >>%s >>",
			tree, page(i)+1, font, image, form.shown[i]))
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
	for i, object := range form.objects {
		w.object(fixed+3*len(d.Pages)+1+i, object)
	}
	trailer := fmt.Sprintf("/Root %d 0 R /Info %d 0 R", catalog, properties)
	if d.Encrypted {
		trailer += fmt.Sprintf(" /Encrypt %d 0 R /ID [<00> <00>]", encrypt)
	}
	return w.finish(trailer)
}

// form is what a form adds to a document: objects behind the others, an entry of the
// catalog, and one of each page, by its index.
type form struct {
	objects []string
	entry   string
	shown   map[int]string
}

// form makes the form of a document whose objects so far end with the number last.
func (d Document) form(last int) form {
	f := form{shown: make(map[int]string)}
	add := func(object string) string {
		f.objects = append(f.objects, object)
		return fmt.Sprintf("%d 0 R ", last+len(f.objects))
	}
	const box = "/Type /Annot /Subtype /Widget /Rect [50 50 150 70]"
	all := ""
	for i, p := range d.Pages {
		shown := ""
		for _, field := range p.Fields {
			if len(field.Boxes) == 0 {
				ref := add("<< " + box + " " + field.Entries + " >>")
				all, shown = all+ref, shown+ref
				continue
			}
			own := len(f.objects)
			f.objects = append(f.objects, "")
			ref := fmt.Sprintf("%d 0 R ", last+own+1)
			kids := make([]string, len(field.Boxes))
			for k, entries := range field.Boxes {
				kids[k] = add("<< " + box + " /Parent " + ref + entries + " >>")
			}
			f.objects[own] = "<< " + field.Entries + " /Kids [" + strings.Join(kids, "") + "] >>"
			all, shown = all+ref, shown+strings.Join(kids, "")
		}
		if shown != "" {
			f.shown[i] = " /Annots [" + shown + "]"
		}
	}
	switch {
	case d.XFA:
		f.entry = " /NeedsRendering true /AcroForm << /XFA 4 0 R /Fields [" + all + "] >>"
	case all != "":
		f.entry = " /AcroForm << /Fields [" + all + "] >>"
	}
	return f
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
