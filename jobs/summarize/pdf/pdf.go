// Package pdf reads the text of PDF documents, page by page. The reading is
// done by PDFium, compiled to WebAssembly, inside a sandbox: what a hostile
// document does to it ends with the document, cannot touch a file, takes no
// more memory than it was given, and is stopped when its time is over.
//
// Each document gets a sandbox of its own. Compiling PDFium for the machine is
// done once for each [Reader], when it meets its first document, and takes some
// seconds unless it is told where to keep the outcome.
package pdf

import (
	"context"
	"errors"
	"fmt"
	"runtime"
	"sync"
	"time"

	"github.com/klippa-app/go-pdfium"
)

// Conditions that a caller may want to tell apart.
var (
	// ErrEncrypted: the document can be read only with a password.
	ErrEncrypted = errors.New("encrypted")
	// ErrDamaged: the document is no PDF, or is damaged beyond what PDFium mends.
	ErrDamaged = errors.New("damaged")
	// ErrOversize: the document exceeds a limit.
	ErrOversize = errors.New("too large")
	// ErrSlow: the document takes longer to read than a document may.
	ErrSlow = errors.New("too slow to read")
	// ErrClosed: the reader is closed.
	ErrClosed = errors.New("the reader of PDFs is closed")
)

const (
	// DefaultParallel is how many documents are read at once, if there are as many
	// processors.
	DefaultParallel = 4
	// DefaultPageTime is how long a page may take. Usual ones take ten milliseconds.
	DefaultPageTime = 30 * time.Second
	// DefaultTime is how long a document may take; 10,000 pages take a minute or two.
	DefaultTime = 15 * time.Minute
	// DefaultMemory is how much a document may take in its sandbox, in bytes. Usual
	// ones take 20 MiB, large ones that much and twice their size.
	DefaultMemory = 256 << 20
)

// Config says how documents are read. The zero value is usable.
type Config struct {
	// CacheDir is a folder to keep the compiled PDFium in, some 22 MiB, which spares
	// each later process the seconds that compiling takes. What lies in it is run, so
	// it must belong to nobody but the user: it is created so, and not used if others
	// may write to it. Empty keeps nothing.
	CacheDir string
	// Parallel is how many documents are read at once; more wait. 0 stands for
	// [DefaultParallel].
	Parallel int
	// Memory is how much a document may take, in bytes, from 24 MiB to 4 GiB. 0 stands
	// for [DefaultMemory].
	Memory int64
	// PageTime and Time are how long a page and a document may take. 0 stands for
	// [DefaultPageTime] and [DefaultTime].
	PageTime, Time time.Duration
}

// Options bound what is read of one document.
type Options struct {
	// Pages is the most pages that are read; what lies behind them is left out, and
	// [Document.Total] tells how many there are. 0 is no bound.
	Pages int
	// MaxPages is the most pages that a document may have; more is [ErrOversize]. 0 is no
	// bound.
	MaxPages int
	// TextBytes is the most text that a document may have; more is [ErrOversize]. 0 is
	// no bound.
	TextBytes int
}

// Document is what was read.
type Document struct {
	// Title is that of the document's properties; may be empty.
	Title string
	// Pages are those that were read, from the first on.
	Pages []Page
	// Total is how many pages the document has.
	Total int
	// XFA reports that the document is a form of XFA, of which no more is read than what
	// else the file holds.
	XFA bool
}

// Page is a page of a document.
type Page struct {
	// Heading is the entry of the document's outline that begins on the page, the first
	// of several, or else the last one before it. Empty without an outline.
	Heading string
	// Text is the text of the page, a line of the page on each line, in the order in
	// which the document draws it. A word that was divided at the end of a line is
	// whole. Characters of which the document does not tell what they mean are U+FFFD.
	Text string
	// Drawn reports that a page without text shows something all the same, beside Fields.
	Drawn bool
	// Fields are those of a form that are filled in and to be seen, in the order of the page,
	// but for passwords.
	Fields []Field
}

// Field is a field of a form.
type Field struct {
	// Name is what a reader is shown as its name, or else what the form calls it; may be empty.
	Name string
	// Value is what is filled in: a text, the options that are chosen, or that a box is checked.
	Value string
}

// Reader reads documents. Its methods may be called from several goroutines. It
// must be closed.
type Reader struct {
	config Config

	// mu guards what follows.
	mu     sync.Mutex
	engine *engine
	closed bool
	// reading counts those that use the engine.
	reading sync.WaitGroup
}

// New returns a reader. It starts nothing before the first document.
func New(config Config) *Reader {
	if config.Parallel <= 0 {
		config.Parallel = min(DefaultParallel, runtime.GOMAXPROCS(0))
	}
	if config.Memory <= 0 {
		config.Memory = DefaultMemory
	}
	if config.PageTime <= 0 {
		config.PageTime = DefaultPageTime
	}
	if config.Time <= 0 {
		config.Time = DefaultTime
	}
	return &Reader{config: config}
}

// Close waits for the documents that are being read and gives back what the
// reader holds. Closing it again does nothing.
func (r *Reader) Close() error {
	r.mu.Lock()
	if r.closed {
		r.mu.Unlock()
		return nil
	}
	r.closed = true
	r.mu.Unlock()
	r.reading.Wait()
	if r.engine == nil {
		return nil
	}
	return r.engine.close()
}

// Read reads a document. It fails with one of the errors above, or with the
// cause of ctx.
func (r *Reader) Read(ctx context.Context, content []byte, opts Options) (Document, error) {
	e, err := r.begin(ctx)
	if err != nil {
		return Document{}, err
	}
	defer r.reading.Done()
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	// Waiting for a sandbox is no time of the document's.
	sandbox, space, err := e.sandbox(ctx)
	if err != nil {
		if ctx.Err() != nil {
			return Document{}, context.Cause(ctx)
		}
		return Document{}, fmt.Errorf("start a sandbox for a PDF: %w", err)
	}
	timer := time.AfterFunc(r.config.Time, func() { cancel(fmt.Errorf("%w: it takes more than %v", ErrSlow, r.config.Time)) })
	defer timer.Stop()
	doc, err := r.readIn(ctx, cancel, sandbox, content, opts)
	if err != nil && ctx.Err() == nil && space.refused.Load() {
		doc, err = Document{}, fmt.Errorf("%w: reading it takes more than %d MiB of memory", ErrOversize, r.config.Memory>>20)
	}
	return doc, errors.Join(err, e.release(space))
}

// readIn reads a document inside a sandbox, which it ends.
func (r *Reader) readIn(ctx context.Context, cancel context.CancelCauseFunc, sandbox pdfium.Pdfium, content []byte, opts Options) (doc Document, err error) {
	killed := make(chan struct{})
	// Only killing stops what runs in the sandbox.
	stop := context.AfterFunc(ctx, func() {
		defer close(killed)
		_ = sandbox.Kill()
	})
	defer func() {
		if stop() {
			// What a document leaves behind in its sandbox goes with it, whatever this says.
			_ = sandbox.Close()
			return
		}
		<-killed
		doc, err = Document{}, context.Cause(ctx)
	}()
	d := reading{sandbox: sandbox, opts: opts, watch: newWatch(r.config.PageTime, cancel)}
	defer d.watch.stop()
	return d.read(ctx, content)
}

// begin returns the engine, which the first to ask has started, and counts the
// caller among those who use it.
func (r *Reader) begin(ctx context.Context) (*engine, error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.closed {
		return nil, ErrClosed
	}
	if ctx.Err() != nil {
		return nil, context.Cause(ctx)
	}
	if r.engine == nil {
		e, err := start(context.WithoutCancel(ctx), r.config)
		if err != nil {
			return nil, fmt.Errorf("start the reader of PDFs: %w", err)
		}
		r.engine = e
	}
	r.reading.Add(1)
	return r.engine, nil
}

// watch ends a document one page of which takes too long.
type watch struct {
	timer *time.Timer
	limit time.Duration

	mu   sync.Mutex
	page int
}

func newWatch(limit time.Duration, cancel context.CancelCauseFunc) *watch {
	w := &watch{limit: limit}
	w.timer = time.AfterFunc(limit, func() {
		w.mu.Lock()
		page := w.page
		w.mu.Unlock()
		what := "opening it"
		if page > 0 {
			what = fmt.Sprintf("page %d", page)
		}
		cancel(fmt.Errorf("%w: %s takes more than %v", ErrSlow, what, limit))
	})
	return w
}

// begin gives a page its time.
func (w *watch) begin(page int) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.page = page
	w.timer.Reset(w.limit)
}

func (w *watch) stop() { w.timer.Stop() }
