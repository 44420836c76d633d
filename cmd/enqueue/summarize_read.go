package main

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path"
	"runtime"
	"slices"
	"strings"
	"sync/atomic"
	"time"

	"github.com/longhaul-jobs/longhaul/jobs"
	"github.com/longhaul-jobs/longhaul/jobs/summarize"
	"github.com/longhaul-jobs/longhaul/jobs/summarize/report"
)

// keptRequests bounds the requests in memory, in bytes. Documents beyond are
// read again when their turn comes.
const keptRequests = 64 << 20

// document is a document that needs a summary.
type document struct {
	input

	order       int
	heading     string
	hash        string
	fingerprint string
	note        string             // for readers of its summary
	output      string             // the name of its summary's file
	scanned     bool               // it goes as a file though nobody has said so
	prepared    summarize.Prepared // without its request
	request     json.RawMessage    // nil if it was not kept
	// copyOf is the document with the same content that pays for the job of both, "" for
	// the first of them.
	copyOf string
}

// read reads all documents and returns those that need a summary. One that cannot
// be read fails alone.
func (r *summarizeRun) read(ctx context.Context, found inputs) ([]*document, error) {
	for i, failed := range found.failed {
		if err := r.refuse(len(found.documents)+i, failed.Path, failed); err != nil {
			return nil, err
		}
	}
	read := make([]*document, len(found.documents))
	err := r.eachRead(ctx, found.documents, func(ctx context.Context, i int) error {
		in := found.documents[i]
		if !r.wanted(in.Path) {
			r.account.leaveAlone()
			return nil
		}
		d, err := r.prepare(ctx, i, in)
		switch {
		case err != nil && ctx.Err() != nil:
			return context.Cause(ctx)
		case err != nil:
			return r.refuse(i, in.Path, err)
		case r.done(d):
			r.account.skip()
			return nil
		case d.scanned && r.scanned == scannedFail:
			return r.refuse(i, d.Path, errors.New(notSent))
		}
		if r.kept.Add(int64(len(d.request))) > keptRequests {
			r.kept.Add(-int64(len(d.request)))
			d.request = nil
		}
		read[i] = d
		return nil
	})
	var documents []*document
	first := make(map[string]string)
	for _, d := range read {
		if d == nil {
			continue
		}
		if d.copyOf = first[d.fingerprint]; d.copyOf == "" {
			first[d.fingerprint] = d.Path
		}
		documents = append(documents, d)
	}
	r.findPayers(documents)
	r.nameOutputs(documents)
	return documents, err
}

// nameOutputs names the files of the summaries of documents.
func (r *summarizeRun) nameOutputs(documents []*document) {
	paths := make([]string, len(documents))
	for i, d := range documents {
		paths[i] = d.Path
	}
	names := r.folder.Outputs(paths)
	for _, d := range documents {
		d.output = names[d.Path]
	}
}

// eachRead does something with each document, several at once, and shows how far it is:
// reading thousands of them takes minutes, before anything is handed over.
func (r *summarizeRun) eachRead(ctx context.Context, found []input, do func(ctx context.Context, i int) error) error {
	var done atomic.Int64
	stop := r.showSteps(ctx, "reading the documents", len(found), func() int { return int(done.Load()) })
	defer stop()
	return inParallel(ctx, runtime.GOMAXPROCS(0), len(found), func(ctx context.Context, i int) error {
		defer done.Add(1)
		return do(ctx, i)
	})
}

// findPayers finds which jobs other documents on record have paid for, such as one that a
// document is a copy of, or that had another name before.
func (r *summarizeRun) findPayers(documents []*document) {
	asked := make(map[string]bool, len(documents))
	for _, d := range documents {
		asked[d.Path] = true // what is on record of it is replaced
	}
	r.payers = make(map[string]string)
	for _, entry := range r.folder.Entries() {
		if entry.Status == summarize.StatusSucceeded && entry.Requests > 0 && !asked[entry.Document] {
			r.payers[entry.JobID] = entry.Document
		}
	}
}

// wanted reports whether a document is among those that the flags mean.
func (r *summarizeRun) wanted(document string) bool {
	entry, known := r.folder.Entry(document)
	switch {
	case r.onlyNew:
		return !known || unended(entry) || r.standsIn(entry)
	case r.retryFailed:
		if entry.Status.Open() {
			return entry.Error != nil // it failed before, and its next try has not ended
		}
		return known && entry.Status != summarize.StatusSucceeded && entry.Status != summarize.StatusHeld
	}
	return true
}

// done reports whether a document has its summary, and the files of it, whole.
func (r *summarizeRun) done(d *document) bool {
	if r.force || !r.folder.Done(d.fingerprint, d.Path) {
		return false
	}
	entry, _ := r.folder.Entry(d.Path)
	raw, err := r.folder.Read(report.DataName(entry.Output), maxPage)
	if err == nil {
		_, err = report.Read(raw, d.Path)
	}
	return err == nil
}

// prepare reads a document and makes its request.
func (r *summarizeRun) prepare(ctx context.Context, order int, in input) (*document, error) {
	doc, err := in.read(ctx)
	if err != nil {
		return nil, err
	}
	prepared, err := r.preparer.Document(doc)
	if err != nil {
		return nil, err
	}
	request := prepared.Request
	prepared.Request = nil
	return &document{
		input: in, order: order, scanned: doc.File != nil && !r.goesAsFile(doc.Path), heading: doc.Heading(), hash: doc.Hash, note: remarkOn(doc),
		request: request, prepared: prepared, fingerprint: r.fingerprint(request),
	}, nil
}

// remarkOn says what readers of a summary should know of what was read.
func remarkOn(doc summarize.Document) string {
	var remarks []string
	unit := strings.ToLower(doc.Omitted.Unit)
	switch n := doc.Omitted.Count; {
	case n == 1:
		remarks = append(remarks, "the last "+unit+" was not read (--max-pages)")
	case n > 1:
		remarks = append(remarks, fmt.Sprintf("the last %s %ss were not read (--max-pages)", formatCount(int64(n)), unit))
	}
	if doc.Pictures > 0 {
		remarks = append(remarks, plural(doc.Pictures, "page has only a picture, which was not read", "pages have only pictures, which were not read"))
	}
	if doc.FormLost {
		remarks = append(remarks, "it is a form of XFA; what is filled in was not read, and saved as a plain PDF it can be")
	}
	return strings.Join(remarks, "; ")
}

// matches reports whether a pattern is that of a document: of its name, or with a slash
// of its whole path.
func matches(pattern, document string) (bool, error) {
	if !strings.Contains(pattern, "/") {
		document = path.Base(document)
	}
	return path.Match(pattern, document)
}

// notSent is why a document is not sent that was scanned.
const notSent = "most of its pages are pictures, without a text to read; --scanned send, or --as-file, gives it to the model as the file that it is"

// goesAsFile reports whether --as-file means a document.
func (r *summarizeRun) goesAsFile(document string) bool {
	return slices.ContainsFunc(r.asFile, func(pattern string) bool {
		yes, err := matches(pattern, document)
		return err == nil && yes
	})
}

// checkPatterns says which --as-file means no document: it is a slip that nothing else
// would show.
func (r *summarizeRun) checkPatterns(found inputs) error {
	if len(found.documents) == 0 {
		return nil
	}
	for _, pattern := range r.asFile {
		used := slices.ContainsFunc(found.documents, func(in input) bool {
			yes, err := matches(pattern, in.Path)
			return err == nil && yes
		})
		if !used {
			return usage("--as-file %s: no document matches; without a slash a pattern is one for names, such as '*.pdf', with one for whole paths, such as '%s'",
				pattern, path.Join(path.Dir(found.documents[0].Path), "*.pdf"))
		}
	}
	return nil
}

// refusal is why a document cannot be summarized.
func refusal(order int, document string, err error) failure {
	message := err.Error()
	if e, ok := errors.AsType[*summarize.SourceError](err); ok {
		message = e.Err.Error() // the name stands before it anyway
	}
	return failure{order: order, Name: document, State: jobs.StateFailed, Class: jobs.ClassInvalid, Message: strings.TrimPrefix(message, document+": ")}
}

// refuse counts a document that cannot be summarized, and puts that on record
// unless it is there.
func (r *summarizeRun) refuse(order int, document string, err error) error {
	why := refusal(order, document, err)
	r.account.fail(why)
	entry, _ := r.folder.Entry(document)
	reason := summarize.EntryError{Class: string(why.Class), Message: why.Message}
	if entry.Status == summarize.StatusFailed && entry.Error != nil && *entry.Error == reason {
		return nil
	}
	r.changed.Store(true)
	entry.Document, entry.Status, entry.Error = document, summarize.StatusFailed, &reason
	entry.Fingerprint, entry.JobID, entry.Note = "", "", ""
	if entry.Output != "" {
		entry.Note = "the summary is of what the document was before"
	}
	entry.FinishedAt = time.Now().UTC()
	return r.folder.Record(entry)
}

// passedOver mentions files in folders that are no documents.
func (r *summarizeRun) passedOver(skipped []*summarize.SourceError) {
	const shown = 5
	for i, s := range skipped {
		if i == shown {
			r.console.say("and %s", plural(len(skipped)-i, "more that is no document", "more that are no documents"))
			return
		}
		r.console.say("passed over %s", s)
	}
}

// nothingSelected says why there is no document, nil if there is one, even if it cannot be
// opened: that one fails like any that cannot be read.
func nothingSelected(found inputs) error {
	switch {
	case len(found.documents) > 0 || slices.ContainsFunc(found.failed, isThere):
		return nil
	case len(found.failed) == 0:
		return usage("there is no document among these paths; documents are source code and what ends in %s", strings.Join(summarize.Extensions(), " "))
	}
	wrong := make([]error, len(found.failed))
	for i, f := range found.failed {
		wrong[i] = f
	}
	return usageError{errors.Join(wrong...)}
}

// isThere reports whether what is wrong is wrong with a document, such as a damaged
// archive, and not with what the caller has named.
func isThere(failed *summarize.SourceError) bool {
	for _, mistake := range []error{summarize.ErrUnsupported, summarize.ErrOutput, summarize.ErrNotRegular} {
		if errors.Is(failed, mistake) {
			return failed.Archive != ""
		}
	}
	if scheme(failed.Archive) != "" {
		return true // it was fetched
	}
	info, err := os.Stat(failed.OnDisk())
	return err == nil && info.Mode().IsRegular()
}

// claim makes sure that a document's files are its own to write, before anything is paid
// for: what another program has put there stays.
func (r *summarizeRun) claim(d *document) error {
	entry, known := r.folder.Entry(d.Path)
	if r.overwrite || known && entry.JobID != "" {
		return nil
	}
	for _, name := range []string{d.output, report.DataName(d.output)} {
		content, err := r.folder.Read(name, maxPage)
		switch {
		case errors.Is(err, fs.ErrNotExist):
		case err != nil:
			return err
		case !report.IsOf(content, d.Path):
			return fmt.Errorf("%s in %s is not this program's; --overwrite replaces it, --out names another folder", name, cmp.Or(r.out, "."))
		}
	}
	return nil
}
