package pdf

import (
	"slices"
	"strings"

	"github.com/klippa-app/go-pdfium/enums"
	"github.com/klippa-app/go-pdfium/references"
	"github.com/klippa-app/go-pdfium/requests"
	"github.com/klippa-app/go-pdfium/structs"
)

const (
	// maxFields bounds the annotations of a page that are looked at, and maxOptions those
	// of a field.
	maxFields  = 20_000
	maxOptions = 5_000
	// passwordField is the bit of a text field whose value is not shown.
	passwordField = 1 << 13
)

// form is that of a document with fields that can be filled in, nil for any other.
type form struct {
	*reading

	handle references.FPDF_FORMHANDLE
	// xfa says that the form proper is one of XFA, beside which there may be no fields.
	xfa bool
}

// form opens the form of a document. What PDFium wants to have called are what a viewer
// does when somebody fills a form in, which nobody does here.
func (d *reading) form() (*form, error) {
	kind, err := d.sandbox.FPDF_GetFormType(&requests.FPDF_GetFormType{Document: d.document})
	if err != nil {
		return nil, err
	}
	if kind.FormType == enums.FPDF_FORMTYPE_NONE {
		return nil, nil //nolint:nilnil // there is none
	}
	opened, err := d.sandbox.FPDFDOC_InitFormFillEnvironment(&requests.FPDFDOC_InitFormFillEnvironment{
		Document: d.document,
		FormFillInfo: structs.FPDF_FORMFILLINFO{
			FFI_Invalidate:         func(references.FPDF_PAGE, float64, float64, float64, float64) {},
			FFI_SetCursor:          func(enums.FXCT) {},
			FFI_SetTimer:           func(int, func(int)) int { return 0 },
			FFI_KillTimer:          func(int) {},
			FFI_GetLocalTime:       func() structs.FPDF_SYSTEMTIME { return structs.FPDF_SYSTEMTIME{} },
			FFI_GetPage:            func(references.FPDF_DOCUMENT, int) *references.FPDF_PAGE { return nil },
			FFI_GetRotation:        func(references.FPDF_PAGE) enums.FPDF_PAGE_ROTATION { return 0 },
			FFI_ExecuteNamedAction: func(string) {},
		},
	})
	if err != nil {
		return nil, err
	}
	return &form{reading: d, handle: opened.FormHandle, xfa: kind.FormType == enums.FPDF_FORMTYPE_XFA_FULL}, nil
}

// close gives the form back, before its document.
func (f *form) close() {
	if f != nil {
		// What it leaves behind in the sandbox goes with that, whatever this says.
		_, _ = f.sandbox.FPDFDOC_ExitFormFillEnvironment(&requests.FPDFDOC_ExitFormFillEnvironment{FormHandle: f.handle})
	}
}

// fields reads the fields of a page that are filled in, in the order in which the page has
// them. One that is wrong in itself is passed over.
func (f *form) fields(page requests.Page) ([]Field, error) {
	if f == nil {
		return nil, nil
	}
	count, err := f.sandbox.FPDFPage_GetAnnotCount(&requests.FPDFPage_GetAnnotCount{Page: page})
	if err != nil {
		return nil, err
	}
	var fields []Field
	for i := range min(count.Count, maxFields) {
		annotation, err := f.sandbox.FPDFPage_GetAnnot(&requests.FPDFPage_GetAnnot{Page: page, Index: i})
		if err != nil {
			continue
		}
		// A field may be on a page more than once.
		if field := f.field(annotation.Annotation); field.Value != "" && !slices.Contains(fields, field) {
			fields = append(fields, field)
		}
		if _, err := f.sandbox.FPDFPage_CloseAnnot(&requests.FPDFPage_CloseAnnot{Annotation: annotation.Annotation}); err != nil {
			return nil, err
		}
	}
	return fields, nil
}

// field reads a field, one without a value if nothing is filled in that is to be seen.
func (f *form) field(at references.FPDF_ANNOTATION) Field {
	subtype, err := f.sandbox.FPDFAnnot_GetSubtype(&requests.FPDFAnnot_GetSubtype{Annotation: at})
	if err != nil || subtype.Subtype != enums.FPDF_ANNOT_SUBTYPE_WIDGET {
		return Field{}
	}
	flags, err := f.sandbox.FPDFAnnot_GetFlags(&requests.FPDFAnnot_GetFlags{Annotation: at})
	if err != nil || flags.Flags&enums.FPDF_ANNOT_FLAG_HIDDEN != 0 {
		return Field{}
	}
	kind, err := f.sandbox.FPDFAnnot_GetFormFieldType(&requests.FPDFAnnot_GetFormFieldType{FormHandle: f.handle, Annotation: at})
	if err != nil {
		return Field{}
	}
	var value string
	switch kind.FormFieldType { //nolint:exhaustive // all others have no value, or are those of XFA
	case enums.FPDF_FORMFIELD_TYPE_TEXTFIELD:
		flags, err := f.sandbox.FPDFAnnot_GetFormFieldFlags(&requests.FPDFAnnot_GetFormFieldFlags{FormHandle: f.handle, Annotation: at})
		if err != nil || flags.Flags&passwordField != 0 {
			return Field{}
		}
		value = f.value(at)
	case enums.FPDF_FORMFIELD_TYPE_COMBOBOX, enums.FPDF_FORMFIELD_TYPE_LISTBOX:
		if value = f.selected(at); value == "" {
			value = f.value(at) // what was typed in
		}
	case enums.FPDF_FORMFIELD_TYPE_CHECKBOX, enums.FPDF_FORMFIELD_TYPE_RADIOBUTTON:
		value = f.checked(at)
	}
	if value = tidy(value); value == "" {
		return Field{}
	}
	return Field{Name: strings.Join(strings.Fields(f.name(at)), " "), Value: value}
}

// name is what people are shown as the name of a field, or else what it is called.
func (f *form) name(at references.FPDF_ANNOTATION) string {
	shown, err := f.sandbox.FPDFAnnot_GetFormFieldAlternateName(&requests.FPDFAnnot_GetFormFieldAlternateName{FormHandle: f.handle, Annotation: at})
	if err == nil {
		if name := tidy(shown.FormFieldAlternateName); name != "" {
			return name
		}
	}
	called, err := f.sandbox.FPDFAnnot_GetFormFieldName(&requests.FPDFAnnot_GetFormFieldName{FormHandle: f.handle, Annotation: at})
	if err != nil {
		return ""
	}
	return tidy(called.FormFieldName)
}

func (f *form) value(at references.FPDF_ANNOTATION) string {
	got, err := f.sandbox.FPDFAnnot_GetFormFieldValue(&requests.FPDFAnnot_GetFormFieldValue{FormHandle: f.handle, Annotation: at})
	if err != nil {
		return ""
	}
	return got.FormFieldValue
}

// selected are the options of a list that are chosen, by what people are shown.
func (f *form) selected(at references.FPDF_ANNOTATION) string {
	count, err := f.sandbox.FPDFAnnot_GetOptionCount(&requests.FPDFAnnot_GetOptionCount{FormHandle: f.handle, Annotation: at})
	if err != nil {
		return ""
	}
	var chosen []string
	for i := range min(count.OptionCount, maxOptions) {
		is, err := f.sandbox.FPDFAnnot_IsOptionSelected(&requests.FPDFAnnot_IsOptionSelected{FormHandle: f.handle, Annotation: at, Index: i})
		if err != nil || !is.IsOptionSelected {
			continue
		}
		label, err := f.sandbox.FPDFAnnot_GetOptionLabel(&requests.FPDFAnnot_GetOptionLabel{FormHandle: f.handle, Annotation: at, Index: i})
		if err == nil {
			chosen = append(chosen, tidy(label.OptionLabel))
		}
	}
	return strings.Join(chosen, ", ")
}

// checked says that a box is checked, or one of several, and what that stands for if the form
// says it.
func (f *form) checked(at references.FPDF_ANNOTATION) string {
	const checked = "checked"
	switch value := tidy(f.value(at)); strings.ToLower(value) {
	case "", "off":
		return ""
	case "yes", "on", "true", "1":
		return checked
	default:
		return checked + ": " + value
	}
}

// tidy is a text of a form with plain line ends.
func tidy(s string) string {
	s = strings.TrimRight(s, "\x00")
	s = strings.ReplaceAll(strings.ReplaceAll(s, "\r\n", "\n"), "\r", "\n")
	return strings.TrimSpace(clean(s))
}
