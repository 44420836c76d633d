package main

import (
	"cmp"
	"context"
	"crypto/rand"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/longhaul-jobs/longhaul/internal/config"
	"github.com/longhaul-jobs/longhaul/internal/fetch"
	"github.com/longhaul-jobs/longhaul/jobs"
	"github.com/longhaul-jobs/longhaul/jobs/summarize"
)

// summarizeRun is a summary of documents on its way.
type summarizeRun struct {
	*cli
	summarizeFlags

	config   config.Config
	options  summarize.Options
	job      jobs.Options
	preparer *summarize.Preparer
	inputs   *gatherer
	folder   *summarize.Folder
	nonce    string // makes the jobs of --force new ones
	// bounded says that the budget is set.
	bounded bool
	// session is nil until something has to be asked for.
	session *session

	// These are of one pass over the documents.
	account *account
	kept    atomic.Int64
	// changed says that something is on record that was not before.
	changed atomic.Bool
	// begun says that the run is put down; see beginRun.
	begun bool
	// stuck says why the rest cannot go on, "" if it can.
	stuck string
	// left are the lines about what was handed over and had not ended when the waiting did.
	left []summarize.Entry
	// payers are the documents that are not asked for and have paid for a job, by its id.
	payers map[string]string
	// paths are the documents by the jobs that summarize them.
	paths sync.Map
}

// prepareToRead makes what documents are found and read with. The caller closes it.
func (r *summarizeRun) prepareToRead() (err error) {
	if r.preparer, err = summarize.NewPreparer(r.options); err != nil {
		return usageError{err}
	}
	r.inputs = &gatherer{
		config: r.config, exclude: []string{r.out}, fetch: fetch.New(fetch.Config{AllowPrivate: r.allowPrivate, MaxBytes: summarize.DefaultFileBytes}),
		reader: summarize.NewReader(summarize.ReaderOptions{
			Limits: summarize.Limits{MaxPages: r.maxPages}, CacheDir: config.CacheDir(), ScannedAsFile: true,
			AsFile: r.goesAsFile,
		}),
		steps: r.showSteps,
	}
	return nil
}

func (r *summarizeRun) run(ctx context.Context, args []string) (err error) {
	if err := r.prepareToRead(); err != nil {
		return err
	}
	defer func() { err = errors.Join(err, r.inputs.close()) }()
	found, err := r.inputs.gather(ctx, args)
	switch {
	case err != nil:
		return err
	case r.watching && !slices.ContainsFunc(args, func(arg string) bool { return scheme(arg) == "" }):
		return usage("--watch: name a local file or folder; what lies elsewhere is not watched")
	}
	if err := nothingSelected(found); err != nil && !r.watching {
		return err
	}
	if err := r.checkPatterns(found); err != nil {
		if !r.watching {
			return err
		}
		r.console.say("%s", err) // there may be one that comes
	}
	if r.folder, err = summarize.OpenFolder(r.out); err != nil {
		return r.noRoom(fmt.Errorf("--out: %w", err))
	}
	defer func() { err = errors.Join(err, r.folder.Close()) }()
	if err := errors.Join(r.claimPages(), r.spare()); err != nil {
		return err
	}
	if r.job.Group == "" {
		if r.job.Group, err = groupOf(r.out); err != nil {
			return err
		}
	}
	r.nonce = rand.Text()
	r.passedOver(found.skipped)
	defer func() { err = errors.Join(err, r.disconnect()) }()
	seen := stamps(found) // before they are read: what changes from then on is news
	err = r.pass(ctx, found, found)
	if r.watching {
		err = r.keepWatching(ctx, args, found, seen, err)
		ending, cancel := context.WithTimeout(context.WithoutCancel(ctx), endingPatience)
		defer cancel()
		ctx = ending
	}
	if err == nil || errors.Is(err, errReported) {
		err = cmp.Or(r.dropBudget(ctx), err)
	}
	return err
}

// endingPatience is how long a command that was interrupted still talks to Redis.
const endingPatience = 5 * time.Second

// groupOf names the group of the jobs that write into a folder.
func groupOf(out string) (string, error) {
	path, err := filepath.Abs(out)
	if err != nil {
		return "", fmt.Errorf("name the group of %s: %w", out, err)
	}
	sum := sha256.Sum256([]byte(path))
	return "summarize-" + hex.EncodeToString(sum[:6]), nil
}

// connect opens the session, unless it is.
func (r *summarizeRun) connect(ctx context.Context) (err error) {
	if r.session == nil {
		r.session, err = r.open(ctx, r.config)
	}
	return err
}

func (r *summarizeRun) disconnect() error {
	if r.session == nil {
		return nil
	}
	return r.session.Close()
}

// pass goes once through the documents that are found. They are all that there are, or
// those of them that came or changed since the pass before.
func (r *summarizeRun) pass(ctx context.Context, found, all inputs) error {
	r.account, r.stuck, r.begun, r.left = newAccount(time.Now()), "", false, nil
	r.kept.Store(0)
	r.changed.Store(false)
	r.account.expect(found.count())
	asked, err := r.ask(ctx, found, all)
	if err == nil {
		return r.report(asked == 0)
	}
	err = r.stopped(ctx, err, "the same command")
	if r.begun || ctx.Err() != nil { // else nothing was done that pages could tell of
		err = errors.Join(err, r.leaveOff(ctx, found))
	}
	return r.noRoom(err)
}

// ask has summarized what needs it, and returns how much that was.
func (r *summarizeRun) ask(ctx context.Context, found, all inputs) (int, error) {
	documents, err := r.read(ctx, found)
	if err != nil {
		return 0, err
	}
	if err := r.markGone(all); err != nil {
		return 0, err
	}
	mended := r.mended(all)
	if len(documents)+len(mended) > 0 {
		if err := r.connect(ctx); err != nil {
			return 0, err
		}
		if err := r.beginRun(ctx, r.session, found); err != nil {
			return 0, err
		}
		if err := r.forget(ctx, mended); err != nil {
			return 0, err
		}
	}
	if len(documents) > 0 {
		if err := r.summarize(ctx, r.session, documents); err != nil {
			return 0, err
		}
	}
	if r.session != nil && r.changed.Load() { // what came cannot be read, and the run is to know
		if err := r.beginRun(ctx, r.session, found); err != nil {
			return 0, err
		}
	}
	asked := len(documents)
	if r.across && r.stuck == "" {
		more, err := r.summarizeAcross(ctx, all)
		if err != nil {
			return 0, err
		}
		asked += more
	}
	if err := r.settle(ctx, found, all); err != nil {
		return 0, err
	}
	return asked, r.endRun(ctx)
}

// summarize submits documents and writes each summary when its job ends.
func (r *summarizeRun) summarize(ctx context.Context, s *session, documents []*document) error {
	r.doubtLane(ctx, s, r.job.Lane, "what was submitted to it waits for one")
	pulse, err := r.newPulse(ctx, s)
	if err != nil {
		return err
	}
	byOrder := make(map[int]*document, len(documents))
	for _, d := range documents {
		byOrder[d.order] = d
	}
	f := &follower{jobs: s, account: r.account, patience: r.patience, leaveHeld: true}
	f.advise = r.adviseSummary
	f.onEnd = func(ctx context.Context, m *member, j jobs.Job) (*jobs.Failure, error) {
		return r.finish(ctx, s, f, byOrder[m.order], m, j)
	}
	err = r.following(ctx, "summarize", f, pulse, func(ctx context.Context) error {
		return inParallel(ctx, submitters, len(documents), func(ctx context.Context, i int) error {
			return r.submit(ctx, s, f, documents[i])
		})
	})
	r.left = r.unfinished(f, byOrder)
	return err
}

// following follows jobs to their ends while they are submitted, and stops where the
// budget leaves nothing to wait for.
func (r *summarizeRun) following(ctx context.Context, title string, f *follower, pulse *pulse, submit func(context.Context) error) (err error) {
	pulse.attend(f, r.session)
	r.stuck, err = r.follow(ctx, title, f, pulse, func(ctx context.Context) error {
		return alongside(ctx, f.run, func(ctx context.Context) error {
			defer f.close()
			return submit(ctx)
		})
	})
	return err
}

// submit hands over a document, or finds its job of an earlier run.
func (r *summarizeRun) submit(ctx context.Context, s *session, f *follower, d *document) error {
	request := d.request
	d.request = nil
	if request == nil {
		again, err := r.prepare(ctx, d.order, d.input)
		if err != nil && ctx.Err() != nil {
			return context.Cause(ctx)
		}
		if err != nil {
			return r.refuse(d.order, d.Path, err)
		}
		d.hash, d.fingerprint, d.heading, d.note, request = again.hash, again.fingerprint, again.heading, again.note, again.request
	}
	if err := r.claim(d); err != nil {
		return r.refuse(d.order, d.Path, err)
	}
	var j jobs.Job
	err := f.patiently(ctx, func() (err error) {
		if j, err = r.find(ctx, s, d, request); err != nil {
			return err
		}
		return r.addToRun(ctx, s, d.Path, j.ID)
	})
	if e, ok := errors.AsType[*jobs.Error](err); ok && e.Class == jobs.ClassInvalid {
		return r.refuse(d.order, d.Path, errors.New(strings.TrimPrefix(e.String(), string(jobs.ClassInvalid)+": "))) // the class is said anyway
	}
	if err != nil {
		return err
	}
	r.paths.LoadOrStore(j.ID, d.Path)
	m := &member{order: d.order, name: d.Path}
	m.observe(j)
	f.add(m)
	return nil
}
