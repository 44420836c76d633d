package summarize

import (
	"context"
	"errors"
	"fmt"
	"strings"

	"github.com/longhaul-jobs/longhaul/jobs/summarize/pdf"
)

// readPDF reads a PDF, page by page.
func (r *Reader) readPDF(ctx context.Context, content []byte) (extract, error) {
	opts := pdf.Options{Pages: r.opts.MaxPages, TextBytes: maxTextBytes}
	if opts.Pages <= 0 {
		opts.MaxPages = DefaultPages
	}
	doc, err := r.pdf.Read(ctx, content, opts)
	if err != nil {
		return extract{}, pdfError(err)
	}
	got := extract{title: pdfTitle(doc.Title), total: doc.Total, formLost: doc.XFA}
	for i, p := range doc.Pages {
		text := p.Text
		if p.Drawn {
			text = onlyPicture
			got.drawn++
		}
		text = withFields(text, p.Fields)
		got.formLost = got.formLost && len(p.Fields) == 0
		got.sections = append(got.sections, Section{Unit: "Page", Number: i + 1, Name: p.Heading, Text: text})
	}
	got.pictures = got.drawn > 0
	if got.omitted = doc.Total - len(doc.Pages); got.omitted > 0 {
		got.unit = "Page"
	}
	return got, nil
}

// withFields puts what is filled in of a form below the text of its page.
func withFields(text string, fields []pdf.Field) string {
	if len(fields) == 0 {
		return text
	}
	var b strings.Builder
	if text != "" {
		b.WriteString(text + "\n\n")
	}
	for i, f := range fields {
		if i > 0 {
			b.WriteByte('\n')
		}
		b.WriteString(strings.TrimSuffix("[Field: "+oneLine(f.Name, titleRunes), ": ") + "] " + f.Value)
	}
	return b.String()
}

// pdfError puts what is wrong with a PDF in the words of this package.
func pdfError(err error) error {
	reason := func(sentinel error) string { return strings.TrimPrefix(err.Error(), sentinel.Error()+": ") }
	switch {
	case errors.Is(err, pdf.ErrEncrypted):
		return ErrEncrypted
	case errors.Is(err, pdf.ErrDamaged):
		return fmt.Errorf("%w: %s", ErrMalformed, reason(pdf.ErrDamaged))
	case errors.Is(err, pdf.ErrOversize):
		return fmt.Errorf("%w: %s", ErrOversize, reason(pdf.ErrOversize))
	case errors.Is(err, pdf.ErrSlow):
		return fmt.Errorf("%w: %w", ErrOversize, err)
	}
	return err
}

// pdfTitle returns the title of a PDF without what word processors put before it.
func pdfTitle(title string) string {
	title = strings.TrimPrefix(title, "Microsoft Word - ")
	return strings.TrimPrefix(title, "Microsoft PowerPoint - ")
}

// scanned reports whether a document is one of pictures: it has no text, or most
// of its pages have none and show something.
func (e extract) scanned() bool {
	return e.drawn > 0 && e.drawn*2 > len(e.sections)
}
