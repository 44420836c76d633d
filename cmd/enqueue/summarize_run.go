package main

import (
	"context"
	"crypto/rand"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"path/filepath"
	"runtime"
	"strings"
	"sync/atomic"
	"time"

	"github.com/longhaul-jobs/longhaul/internal/config"
	"github.com/longhaul-jobs/longhaul/jobs"
	"github.com/longhaul-jobs/longhaul/jobs/summarize"
	"github.com/longhaul-jobs/longhaul/results"
)

// keptRequests bounds the requests in memory, in bytes. Documents beyond are
// read again when their turn comes.
const keptRequests = 64 << 20

// statusHeld is the status of a document whose job is left to a person.
const statusHeld = summarize.Status(jobs.StateUncertain)

// summarizeRun is a summary of documents on its way.
type summarizeRun struct {
	*cli
	config  config.Config
	options summarize.Options
	job     jobs.Options
	out     string
	force   bool
	account *account

	reader *summarize.Reader
	folder *summarize.Folder
	nonce  string // makes the jobs of --force new ones
	kept   atomic.Int64
}

// document is a source that needs a summary.
type document struct {
	order       int
	source      summarize.Source
	heading     string
	hash        string
	fingerprint string
	request     json.RawMessage // nil if it was not kept
}

func (r *summarizeRun) run(ctx context.Context, paths []string) (err error) {
	selection, err := summarize.Expand(ctx, paths, summarize.ExpandOptions{Exclude: []string{r.out}})
	if err != nil {
		return err
	}
	if len(selection.Sources) == 0 {
		return nothingSelected(selection)
	}
	if r.folder, err = summarize.OpenFolder(r.out); err != nil {
		return err
	}
	defer func() { err = errors.Join(err, r.folder.Close()) }()
	if r.job.Group == "" {
		if r.job.Group, err = groupOf(r.out); err != nil {
			return err
		}
	}
	r.nonce = rand.Text()
	r.passedOver(selection.Skipped)
	r.account.expect(len(selection.Sources) + len(selection.Failed))
	for i, failed := range selection.Failed {
		r.account.fail(failure{
			order: len(selection.Sources) + i, Name: failed.Path, Class: jobs.ClassInvalid, Message: failed.Err.Error(),
		})
	}
	documents, err := r.read(ctx, selection.Sources)
	if err != nil {
		return r.stopped(ctx, err, "the same command")
	}
	if len(documents) > 0 {
		err := r.withSession(ctx, r.config, func(s *session) error { return r.summarize(ctx, s, documents) })
		if err != nil {
			return r.stopped(ctx, err, "the same command")
		}
	}
	return r.report(len(documents) == 0)
}

// nothingSelected says why there is no document.
func nothingSelected(s summarize.Selection) error {
	if len(s.Failed) == 0 {
		return usage("there is no document among these paths; documents are source code and what ends in %s", strings.Join(summarize.Extensions(), " "))
	}
	wrong := make([]error, len(s.Failed))
	for i, f := range s.Failed {
		wrong[i] = f
	}
	return usageError{errors.Join(wrong...)}
}

// groupOf names the group of the jobs that write into a folder.
func groupOf(out string) (string, error) {
	path, err := filepath.Abs(out)
	if err != nil {
		return "", fmt.Errorf("name the group of %s: %w", out, err)
	}
	sum := sha256.Sum256([]byte(path))
	return "summarize-" + hex.EncodeToString(sum[:6]), nil
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

// read reads all sources and returns those that need a summary. One that cannot
// be read fails alone.
func (r *summarizeRun) read(ctx context.Context, sources []summarize.Source) ([]document, error) {
	found := make([]*document, len(sources))
	err := inParallel(ctx, runtime.GOMAXPROCS(0), len(sources), func(ctx context.Context, i int) error {
		d, needed, err := r.prepare(ctx, i, sources[i])
		switch {
		case err != nil && ctx.Err() != nil:
			return context.Cause(ctx) // it was stopped, and nothing is wrong with it
		case err != nil:
			return r.refuse(i, sources[i], err)
		case !needed:
			r.account.skip()
			return nil
		case r.kept.Add(int64(len(d.request))) > keptRequests:
			r.kept.Add(-int64(len(d.request)))
			d.request = nil
		}
		found[i] = &d
		return nil
	})
	documents := make([]document, 0, len(found))
	for _, d := range found {
		if d != nil {
			documents = append(documents, *d)
		}
	}
	return documents, err
}

// prepare reads a document and makes its request, if it needs a summary.
func (r *summarizeRun) prepare(ctx context.Context, order int, source summarize.Source) (d document, needed bool, err error) {
	doc, err := r.reader.Read(ctx, source)
	if err != nil {
		return d, false, err
	}
	d = document{
		order: order, source: source, heading: doc.Heading(), hash: doc.Hash,
		fingerprint: summarize.Fingerprint(doc, r.options),
	}
	if !r.force && r.folder.Done(d.fingerprint, source.Path) {
		return d, false, nil
	}
	d.request, err = summarize.Request(doc, r.options)
	return d, true, err
}

// refuse counts a document that cannot be summarized, and puts that on record
// unless it is there.
func (r *summarizeRun) refuse(order int, source summarize.Source, err error) error {
	message := err.Error()
	if e, ok := errors.AsType[*summarize.SourceError](err); ok {
		message = e.Err.Error() // the name stands before it anyway
	}
	message = strings.TrimPrefix(message, source.Path+": ")
	r.account.fail(failure{order: order, Name: source.Path, Class: jobs.ClassInvalid, Message: message})
	entry, _ := r.folder.Entry(source.Path)
	reason := summarize.EntryError{Class: string(jobs.ClassInvalid), Message: message}
	if entry.Status == summarize.StatusFailed && entry.Error != nil && *entry.Error == reason {
		return nil
	}
	entry.Document, entry.Status, entry.Error = source.Path, summarize.StatusFailed, &reason
	entry.Fingerprint, entry.JobID, entry.ResponseID = "", "", ""
	entry.FinishedAt = time.Now().UTC()
	return r.folder.Record(entry)
}

// summarize submits documents and writes each summary when its job ends.
func (r *summarizeRun) summarize(ctx context.Context, s *session, documents []document) error {
	r.doubtLane(ctx, s, r.job.Lane, "what was submitted to it waits for one")
	byOrder := make(map[int]*document, len(documents))
	for i := range documents {
		byOrder[documents[i].order] = &documents[i]
	}
	f := &follower{jobs: s, account: r.account, patience: r.patience, leaveHeld: true}
	f.advise = func(j jobs.Job) string { return r.advise(j, "--force") }
	f.onEnd = func(ctx context.Context, m *member, j jobs.Job) (*jobs.Failure, error) {
		return r.finish(ctx, s, f, byOrder[m.order], *m, j)
	}
	p := r.showProgress(ctx, "summarize", r.account, f)
	defer p.stop()
	return alongside(ctx, f.run, func(ctx context.Context) error {
		defer f.close()
		return inParallel(ctx, submitters, len(documents), func(ctx context.Context, i int) error {
			return r.submit(ctx, s, f, &documents[i])
		})
	})
}

// submit hands over a document, or finds its job of an earlier run.
func (r *summarizeRun) submit(ctx context.Context, s *session, f *follower, d *document) error {
	request := d.request
	d.request = nil
	if request == nil {
		again, _, err := r.prepare(ctx, d.order, d.source)
		if err != nil && ctx.Err() != nil {
			return context.Cause(ctx)
		}
		if err != nil {
			return r.refuse(d.order, d.source, err)
		}
		d.hash, d.fingerprint, d.heading, request = again.hash, again.fingerprint, again.heading, again.request
	}
	var j jobs.Job
	err := f.patiently(ctx, func() (err error) {
		j, err = r.find(ctx, s, d, request)
		return err
	})
	if e, ok := errors.AsType[*jobs.Error](err); ok && e.Class == jobs.ClassInvalid {
		return r.refuse(d.order, d.source, errors.New(e.String()))
	}
	if err != nil {
		return err
	}
	m := &member{order: d.order, name: d.source.Path}
	m.observe(j)
	f.add(m)
	return nil
}

// find returns the job that summarizes a document: that of an earlier run, tried
// again if it failed, or a new one.
func (r *summarizeRun) find(ctx context.Context, s *session, d *document, request json.RawMessage) (jobs.Job, error) {
	if id := r.known(d); id != "" {
		j, err := s.Get(ctx, id)
		switch {
		case err == nil:
			return r.again(ctx, s, j)
		case !errors.Is(err, results.ErrNotFound):
			return jobs.Job{}, err
		}
	}
	options := r.job
	options.DedupeKey = "summarize:" + d.fingerprint
	if r.force {
		options.DedupeKey += ":" + r.nonce
	}
	submitted, err := s.Submit(ctx, request, options)
	if err != nil {
		return jobs.Job{}, err
	}
	j := submitted.Job
	if r.force {
		// The job's key says nothing to a later run: this line leads it there.
		return j, r.folder.Record(summarize.Entry{
			Document: d.source.Path, Name: d.heading, Fingerprint: d.fingerprint, SHA256: d.hash,
			Model: r.options.Model, Status: summarize.StatusSubmitted, JobID: string(j.ID),
		})
	}
	if submitted.Fresh {
		return j, nil
	}
	return r.again(ctx, s, j)
}

// known returns the job that the manifest names for a document, "" if there is
// none or another is wanted: --force goes on with what has not ended.
func (r *summarizeRun) known(d *document) jobs.ID {
	entry, ok := r.folder.Entry(d.source.Path)
	open := entry.Status == summarize.StatusSubmitted || entry.Status == statusHeld
	if !ok || entry.Fingerprint != d.fingerprint || r.force && !open {
		return ""
	}
	return jobs.ID(entry.JobID)
}

// again returns a job of an earlier run, tried again if it failed and that is
// not for a person to decide. An answer that was cut off is kept: the same
// request would be cut off again.
func (r *summarizeRun) again(ctx context.Context, s *session, j jobs.Job) (jobs.Job, error) {
	if r.force || !retriable(j) || j.State == jobs.StateIncomplete || undecided(j) || setAside(j) {
		return j, nil
	}
	return s.Retry(ctx, j.ID)
}

// finish writes the summary of an ended job, or puts on record why there is
// none; m is what the follower has of it. A crash between the two leaves a summary without its line, which the
// next run writes again from the same job.
func (r *summarizeRun) finish(ctx context.Context, s *session, f *follower, d *document, m member, j jobs.Job) (*jobs.Failure, error) {
	entry, _ := r.folder.Entry(d.source.Path)
	entry.Document, entry.Name, entry.Fingerprint, entry.SHA256 = d.source.Path, d.heading, d.fingerprint, d.hash
	entry.Model, entry.JobID, entry.FinishedAt = j.Model, string(j.ID), j.Ended
	entry.Status, entry.Error, entry.ResponseID = summarize.Status(j.State), nil, ""
	usage := paid(j)
	entry.InputTokens, entry.OutputTokens = usage.InputTokens, usage.OutputTokens
	entry.CachedTokens, entry.ReasoningTokens = usage.CachedTokens, usage.ReasoningTokens
	entry.Cost = spentOn(j).whole()
	if j.Result != nil {
		entry.ResponseID = j.Result.ResponseID
	}
	var failed *jobs.Failure
	if j.State == jobs.StateSucceeded || j.State == jobs.StateIncomplete {
		var text string
		err := f.patiently(ctx, func() (err error) {
			text, err = s.Text(ctx, j.ID)
			return err
		})
		switch {
		case errors.Is(err, results.ErrBlobMissing): // it must not cost the others
			failed = &jobs.Failure{Class: jobs.ClassLost, Code: codeGone, Message: err.Error() + "; --force asks again"}
		case err != nil:
			return nil, err
		default:
			failed = noSummary(j, text)
		}
		if failed == nil {
			if err := r.save(&entry, d, j, text); err != nil {
				return nil, err
			}
		}
	}
	if failed != nil {
		m.state, m.failure, entry.Status = jobs.StateFailed, failed, summarize.StatusFailed
	}
	if m.state != jobs.StateSucceeded {
		why := m.failed()
		entry.Error = &summarize.EntryError{Class: kindOf(why), Message: why.Message}
	}
	return failed, r.folder.Record(entry)
}

func (r *summarizeRun) save(entry *summarize.Entry, d *document, j jobs.Job, text string) error {
	entry.Output = summarize.OutputName(d.source.Path)
	return r.folder.Save(entry.Output, summarize.Render(summarize.Page{
		Title: d.heading, Text: text, Note: remark(j), Document: d.source.Path,
		Model: j.Model, JobID: string(j.ID), ResponseID: entry.ResponseID, FinishedAt: j.Ended,
	}))
}

// noSummary says why an answer is no summary, nil if it is one.
func noSummary(j jobs.Job, text string) *jobs.Failure {
	switch {
	case j.Result != nil && j.Result.Refusal:
		return &jobs.Failure{Class: jobs.ClassRejected, Code: "refusal", Message: "the model refused to summarize it"}
	case strings.TrimSpace(text) == "" && j.State == jobs.StateSucceeded:
		return &jobs.Failure{Class: jobs.ClassRejected, Code: "no_text", Message: "the answer has no text"}
	case strings.TrimSpace(text) == "":
		return &jobs.Failure{Class: jobs.ClassRejected, Code: "no_text", Message: remark(j)}
	}
	return nil
}

// summarizeReport is what --json prints at the end.
type summarizeReport struct {
	Out   string `json:"out"`
	Group string `json:"group"`
	totals
}

// report says what became of the documents.
func (r *summarizeRun) report(idle bool) error {
	t := r.account.totals(time.Now(), true)
	if r.json {
		if err := r.print(summarizeReport{Out: r.out, Group: r.job.Group, totals: t}); err != nil {
			return err
		}
	} else {
		if err := writeTotals(r.stdout, t, " in "+filepath.Join(r.out, summarize.ManifestName)); err != nil {
			return err
		}
		said := "summaries are in " + r.out
		if idle {
			said = "nothing was submitted; " + said
		}
		if err := printLine(r.stdout, "%s", said); err != nil {
			return err
		}
	}
	if !t.clean() {
		return errReported
	}
	return nil
}
