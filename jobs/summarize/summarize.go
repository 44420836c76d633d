// Package summarize turns documents into requests of the Responses API and
// keeps account of the summaries that come back. It owns four things: which
// files a caller's arguments mean ([Expand]), what a file says ([Read]), what
// the model is asked about it ([Request]), and the folder that holds the
// summaries with a line about each ([Folder]).
//
// One document is one request. A document that does not fit into the model's
// context is refused by name with a [*TooLargeError]; nothing is ever cut to
// make it fit.
//
// It refuses to know how a request travels: nothing here talks to the network,
// to Redis or to a queue, and nothing here knows the state of a job beyond the
// status that its caller puts on record.
package summarize

import "errors"

// Conditions that a caller may want to tell apart. They arrive wrapped in a
// [*SourceError] that names the file.
var (
	// ErrUnsupported: the file's type is not one that can be read as a document.
	ErrUnsupported = errors.New("unsupported type of file")
	// ErrBinary: the file's name promises text and its content is not text.
	ErrBinary = errors.New("not a text document")
	// ErrCharset: the document declares an encoding that is not supported.
	ErrCharset = errors.New("unsupported character encoding")
	// ErrMalformed: the document breaks off inside its own markup, so that text
	// would be lost in reading it.
	ErrMalformed = errors.New("malformed document")
	// ErrEmpty: the document holds no text.
	ErrEmpty = errors.New("the document holds no text")
	// ErrEncrypted: the document can be read only with a password.
	ErrEncrypted = errors.New("the document is encrypted; save it without a password")
	// ErrPictures: all that the document shows are pictures.
	ErrPictures = errors.New("the document holds no text, only pictures")
	// ErrOversize: the file is larger than the limit for reading.
	ErrOversize = errors.New("the file is too large to read")
	// ErrNotRegular: the path is a device, a pipe or a socket.
	ErrNotRegular = errors.New("not a regular file")
	// ErrSymlink: a symbolic link inside a folder; such links are not followed.
	ErrSymlink = errors.New("a symbolic link inside a folder is not followed; name it to include it")
	// ErrOutput: the path is, or lies in, a folder of finished summaries.
	ErrOutput = errors.New("a folder of summaries is not summarized")
	// ErrNoMatch: a pattern matches no file.
	ErrNoMatch = errors.New("no file matches this pattern")
)

// Document is what a file says.
type Document struct {
	// Path is the path of the document's [Source] and identifies the document.
	Path string
	// Kind is the format that the text was read from.
	Kind Kind
	// Title is the title that the document gives itself, on one line; empty if
	// it gives none.
	Title string
	// Text is what the model gets to read, in valid UTF-8: for HTML and
	// what office programs write the readable text, in which headings are lines
	// that begin with # and slides and sheets begin with their number in brackets;
	// for the other kinds the whole content without a byte order mark.
	Text string
	// Bytes is the size of the file.
	Bytes int64
	// Hash is the SHA-256 of Text in lower-case hex. It is taken of the text and
	// not of the file, so that a page whose scripts changed is still unchanged.
	Hash string
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
