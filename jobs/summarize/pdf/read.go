package pdf

import (
	"context"
	"errors"
	"fmt"
	"strings"

	"github.com/klippa-app/go-pdfium"
	pdfiumerrors "github.com/klippa-app/go-pdfium/errors"
	"github.com/klippa-app/go-pdfium/references"
	"github.com/klippa-app/go-pdfium/requests"
)

// reading is a document that is being read.
type reading struct {
	sandbox  pdfium.Pdfium
	opts     Options
	watch    *watch
	document references.FPDF_DOCUMENT
}

func (d *reading) read(ctx context.Context, content []byte) (Document, error) {
	opened, err := d.sandbox.OpenDocument(&requests.OpenDocument{File: &content})
	if err != nil {
		return Document{}, openError(err)
	}
	d.document = opened.Document
	count, err := d.sandbox.FPDF_GetPageCount(&requests.FPDF_GetPageCount{Document: d.document})
	if err != nil {
		return Document{}, fmt.Errorf("%w: count its pages: %s", ErrDamaged, said(err))
	}
	doc := Document{Total: count.PageCount}
	if limit := d.opts.MaxPages; limit > 0 && doc.Total > limit {
		return Document{}, fmt.Errorf("%w: it has %d pages, the limit is %d", ErrOversize, doc.Total, limit)
	}
	// A document need not have properties.
	if title, err := d.sandbox.FPDF_GetMetaText(&requests.FPDF_GetMetaText{Document: d.document, Tag: "Title"}); err == nil {
		doc.Title = strings.TrimSpace(strings.TrimRight(title.Value, "\x00"))
	}
	pages := doc.Total
	if d.opts.Pages > 0 {
		pages = min(pages, d.opts.Pages)
	}
	headings := d.outline(pages)
	f, err := d.form()
	if err != nil {
		return Document{}, fmt.Errorf("%w: open its form: %s", ErrDamaged, said(err))
	}
	defer f.close()
	doc.XFA = f != nil && f.xfa
	size := 0
	for i := range pages {
		if ctx.Err() != nil {
			return Document{}, context.Cause(ctx)
		}
		d.watch.begin(i + 1)
		page, err := d.page(i, f)
		if err != nil {
			return Document{}, fmt.Errorf("%w: page %d of %d: %s", ErrDamaged, i+1, doc.Total, said(err))
		}
		for _, field := range page.Fields {
			size += len(field.Name) + len(field.Value)
		}
		if size += len(page.Text); d.opts.TextBytes > 0 && size > d.opts.TextBytes {
			return Document{}, fmt.Errorf("%w: its text has more than %d bytes", ErrOversize, d.opts.TextBytes)
		}
		doc.Pages = append(doc.Pages, page)
	}
	headings.name(doc.Pages)
	mendHyphens(doc.Pages)
	return doc, nil
}

// openError says why a document cannot be opened.
func openError(err error) error {
	switch {
	case errors.Is(err, pdfiumerrors.ErrPassword), errors.Is(err, pdfiumerrors.ErrSecurity):
		return ErrEncrypted
	case errors.Is(err, pdfiumerrors.ErrFormat), errors.Is(err, pdfiumerrors.ErrFile):
		return fmt.Errorf("%w: it is no PDF, or its table of contents is lost", ErrDamaged)
	}
	return fmt.Errorf("%w: open it: %s", ErrDamaged, said(err))
}

// said returns what PDFium says is wrong, without the stack of its code.
func said(err error) string {
	line, _, _ := strings.Cut(err.Error(), "\n")
	return line
}

// page reads one page, with what is filled in of a form.
func (d *reading) page(index int, f *form) (Page, error) {
	loaded, err := d.sandbox.FPDF_LoadPage(&requests.FPDF_LoadPage{Document: d.document, Index: index})
	if err != nil {
		return Page{}, err
	}
	ref := requests.Page{ByReference: &loaded.Page}
	text, err := d.text(ref)
	if err != nil {
		return Page{}, err
	}
	page := Page{Text: clean(text)}
	if strings.TrimSpace(page.Text) == "" {
		page.Text = ""
		objects, err := d.sandbox.FPDFPage_CountObjects(&requests.FPDFPage_CountObjects{Page: ref})
		if err != nil {
			return Page{}, err
		}
		page.Drawn = objects.Count > 0
	}
	if page.Fields, err = f.fields(ref); err != nil {
		return Page{}, err
	}
	// Its memory is needed for the next.
	_, err = d.sandbox.FPDF_ClosePage(&requests.FPDF_ClosePage{Page: loaded.Page})
	return page, err
}

// text returns the text of a page as PDFium has it.
func (d *reading) text(page requests.Page) (string, error) {
	loaded, err := d.sandbox.FPDFText_LoadPage(&requests.FPDFText_LoadPage{Page: page})
	if err != nil {
		return "", err
	}
	chars, err := d.sandbox.FPDFText_CountChars(&requests.FPDFText_CountChars{TextPage: loaded.TextPage})
	if err != nil || chars.Count <= 0 {
		return "", err
	}
	// Characters are counted, and written as UTF-16, in which one may take two places:
	// the count that is asked for is how much room there is.
	got, err := d.sandbox.FPDFText_GetText(&requests.FPDFText_GetText{TextPage: loaded.TextPage, Count: 2 * chars.Count})
	if err != nil {
		return "", err
	}
	_, err = d.sandbox.FPDFText_ClosePage(&requests.FPDFText_ClosePage{TextPage: loaded.TextPage})
	return got.Text, err
}
