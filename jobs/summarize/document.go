package summarize

// Document is what a file says.
type Document struct {
	// Path is the path of the document's [Source] and identifies the document.
	Path string
	// Kind is the format that the text was read from.
	Kind Kind
	// Title is the title that the document gives itself, on one line; empty if
	// it gives none.
	Title string
	// Sections are what the document is divided into, in their order: pages, slides,
	// sheets, parts, or a single one without a unit. All that the document says is in them.
	// What lies between headings is no section of its own: headings stand in the text, for
	// Markdown, HTML and what office programs write each as a line that begins with #.
	// Empty only if File is set.
	Sections []Section
	// Text is all sections in one, in valid UTF-8, each below a line such as [Slide 2: Title]
	// if it has a unit. A document in plain text has its whole content here, without a byte
	// order mark.
	Text string
	// File is set for a document that is given to the model as the file that it is, because no
	// text could be read from it, or because its reader wanted so. It has no sections then.
	File *File
	// Pictures counts the pages that show something and have no text, of a document that has
	// text on most others.
	Pictures int
	// FormLost reports that the document is a form of which nothing can be read that was
	// filled in.
	FormLost bool
	// Omitted is what was left out because the caller wanted the first pages only.
	Omitted Omitted
	// Bytes is the size of the file.
	Bytes int64
	// Hash is the SHA-256 of Text in lower-case hex, or that of the file if it goes as one. It is
	// taken of the text where there is one, so that a page whose scripts changed is still unchanged.
	Hash string
}

// Section is a part of a document that a summary can refer to.
type Section struct {
	// Unit is what the document is divided into, such as "Slide"; empty if it is not divided.
	Unit string `json:"unit,omitempty"`
	// Number counts the sections of a document, from 1; 0 without a unit.
	Number int `json:"number,omitempty"`
	// Name is what the author calls the section; may be empty.
	Name string `json:"name,omitempty"`
	// Text is what the section says; empty for one that shows no text.
	Text string `json:"text"`
}

// File is a document in the form in which it lies on disk.
type File struct {
	// MediaType is what the provider is told that it is, such as "application/pdf".
	MediaType string `json:"media_type"`
	// Pages is how many pages it has, 0 if that is not known.
	Pages int `json:"pages,omitempty"`
	// Data is its content.
	Data []byte `json:"data"`
}

// Omitted is what was not read of a document.
type Omitted struct {
	// Count is how many units were left out, all at the end; 0 if none were.
	Count int `json:"count"`
	// Unit is what they are, such as "Page".
	Unit string `json:"unit"`
}

// Name returns the document's file name without its folders.
func (d Document) Name() string { return base(d.Path) }

// Heading returns the title, or the file name if there is none.
func (d Document) Heading() string {
	if d.Title != "" {
		return d.Title
	}
	return d.Name()
}
