package summarize

import (
	"context"
	"errors"

	"github.com/longhaul-jobs/longhaul/jobs/summarize/pdf"
)

// DefaultPages is the most pages that a document may have unless told otherwise.
const DefaultPages = 10_000

// Limits bound what a [Reader] takes. The zero value means the defaults.
type Limits struct {
	// FileBytes is the largest file that is read; 0 stands for
	// [DefaultFileBytes].
	FileBytes int64
	// MaxPages has only the first so many pages or slides of a document read;
	// [Document.Omitted] tells how many were left out. With 0 all are read, and a
	// document of more than [DefaultPages] is refused by name.
	MaxPages int
}

// ReaderOptions say how documents are read. The zero value is usable.
type ReaderOptions struct {
	Limits

	// CacheDir is a folder to keep the compiled reader of PDFs in; see
	// [pdf.Config.CacheDir]. Empty keeps nothing.
	CacheDir string
	// Parallel is how many PDFs are read at once; more wait. 0 stands for
	// [pdf.DefaultParallel].
	Parallel int
	// ScannedAsFile has a PDF most of whose pages are only pictures returned as the
	// file that it is, for the model to look at, instead of failing with
	// [ErrPictures].
	ScannedAsFile bool
	// AsFile reports whether a document, by its [Source.Path], is to be returned as
	// the file that it is, whatever it holds. Nil wants none.
	AsFile func(path string) bool
}

// Reader reads documents. It holds what reading takes time to set up: the reader
// of PDFs, which it starts when it meets the first one, and the archive that was
// read from last. Its methods may be called from several goroutines. It must be
// closed.
type Reader struct {
	opts     ReaderOptions
	pdf      *pdf.Reader
	archives archives
}

// NewReader returns a reader.
func NewReader(opts ReaderOptions) *Reader {
	if opts.FileBytes <= 0 {
		opts.FileBytes = DefaultFileBytes
	}
	return &Reader{opts: opts, pdf: pdf.New(pdf.Config{CacheDir: opts.CacheDir, Parallel: opts.Parallel})}
}

// Close waits for documents that are being read and gives back what the reader
// holds.
func (r *Reader) Close() error { return errors.Join(r.archives.close(), r.pdf.Close()) }

// Read reads a document. Reading follows symbolic links, refuses what is not a
// regular file, and holds a small multiple of the file's size in memory. It ends
// early, with its cause, when ctx does. Every error is a [*SourceError] that
// names the file.
func (r *Reader) Read(ctx context.Context, src Source) (Document, error) {
	var content []byte
	var err error
	if src.Archive == "" {
		content, err = readFile(src.OnDisk(), r.opts.FileBytes)
	} else {
		content, err = r.archives.read(src, r.opts.FileBytes)
	}
	if err != nil {
		return Document{}, sourceError(src.Path, err)
	}
	return r.Parse(ctx, src.Path, src.Kind, content)
}

// Read reads one document, as [Reader.Read] does. To read many, use a [Reader]:
// this one sets up anew what a PDF or an archive needs.
func Read(src Source, limits Limits) (Document, error) {
	r := NewReader(ReaderOptions{Limits: limits})
	doc, err := r.Read(context.Background(), src)
	return doc, closed(r, src.Path, err)
}

// Parse reads one document from content that the caller has read, as
// [Reader.Parse] does.
func Parse(path string, kind Kind, content []byte) (Document, error) {
	r := NewReader(ReaderOptions{})
	doc, err := r.Parse(context.Background(), path, kind, content)
	return doc, closed(r, path, err)
}

// closed closes a reader that was used once.
func closed(r *Reader, path string, err error) error {
	if closeErr := r.Close(); err == nil && closeErr != nil {
		return sourceError(path, closeErr)
	}
	return err
}
