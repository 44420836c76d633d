// Package summarize turns documents into jobs that summarize them, and keeps account of
// the summaries that come back. It owns five things: which files a caller's arguments mean
// ([Expand]), what a file says ([Reader]), what a job carries and is likely to take
// ([Preparer]), which requests it is made of and what comes of their answers ([Planner]),
// and the folder that holds the summaries with a line about each ([Folder]).
//
// A document of any length is read whole: a long one in parts, whose summaries are
// merged as a tree. Nothing is ever cut to make it fit.
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
	// ErrFileTooLarge: the document would have to go to the model as a file, and is
	// larger than the API takes.
	ErrFileTooLarge = errors.New("too large to go to the model as a file")
	// ErrOversize: the file is larger than the limit for reading.
	ErrOversize = errors.New("the file is too large to read")
	// ErrNotRegular: the path is a device, a pipe or a socket.
	ErrNotRegular = errors.New("not a regular file")
	// ErrSymlink: a symbolic link inside a folder; such links are not followed.
	ErrSymlink = errors.New("a symbolic link inside a folder is not followed; name it to include it")
	// ErrOutput: the path is, or lies in, a folder of finished summaries.
	ErrOutput = errors.New("a folder of summaries is not summarized")
	// ErrUnsafeName: a file in an archive has a name that would lead out of it.
	ErrUnsafeName = errors.New("unsafe name")
	// ErrNested: an archive inside of an archive.
	ErrNested = errors.New("an archive inside of an archive is not opened; unpack it")
	// ErrNoMatch: a pattern matches no file.
	ErrNoMatch = errors.New("no file matches this pattern")
)
