package main

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"maps"

	"github.com/longhaul-jobs/longhaul/jobs"
	"github.com/longhaul-jobs/longhaul/jobs/summarize"
	"github.com/longhaul-jobs/longhaul/results"
)

// aboutDocument is the metadata of a job that says what it summarizes, for who looks at
// the run from elsewhere.
const aboutDocument = "document"

// documentName is the name of a document as a job has it. That of a long one, such as a
// signed URL, keeps its beginning, and a digest tells it from others.
func documentName(document string) string {
	const most, beginning = 512, 480 // characters that metadata may have, and some fewer
	runes := []rune(document)
	if len(runes) <= most {
		return document
	}
	sum := sha256.Sum256([]byte(document))
	return string(runes[:beginning]) + "…" + hex.EncodeToString(sum[:8])
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
	j, fresh, err := r.submitParent(ctx, s, d.Path, d.fingerprint, request)
	switch {
	case err != nil:
		return jobs.Job{}, err
	case r.force && !r.dev:
		// The job's key says nothing to a later run: this line leads it there.
		return j, r.folder.Record(r.handedOver(d, j.ID))
	case fresh:
		return j, nil
	}
	return r.again(ctx, s, j)
}

// summaryKey is the dedupe key of a summary by the fingerprint of its request.
func summaryKey(fingerprint string) string { return "summarize:" + fingerprint }

// submitParent hands a summary over. The same request is the same job, whoever asks.
func (r *summarizeRun) submitParent(ctx context.Context, s *session, name, fingerprint string, request json.RawMessage) (jobs.Job, bool, error) {
	options := r.job
	options.DedupeKey = summaryKey(fingerprint)
	if r.force {
		options.DedupeKey += ":" + r.nonce
		options.Nonce = r.nonce
	}
	options.Metadata = map[string]string{aboutDocument: documentName(name)}
	maps.Copy(options.Metadata, r.job.Metadata)
	submitted, err := s.SubmitParent(ctx, jobs.KindSummarize, request, r.options.Model, options)
	return submitted.Job, submitted.Fresh, err
}

// known returns the job that the manifest names for a document, "" if there is
// none or another is wanted: --force goes on with what has not ended.
func (r *summarizeRun) known(d *document) jobs.ID {
	entry, ok := r.folder.Entry(d.Path)
	open := entry.Status.Open() || entry.Status == summarize.StatusHeld
	if !ok || entry.Fingerprint != d.fingerprint || r.force && !open {
		return ""
	}
	return jobs.ID(entry.JobID)
}

// forPerson reports whether another attempt of a part is for a person to ask for.
func forPerson(part jobs.Job) bool { return retriable(part) && (undecided(part) || setAside(part)) }

// again returns a job of an earlier run, tried again if it failed and that is
// not for a person to decide.
func (r *summarizeRun) again(ctx context.Context, s *session, j jobs.Job) (jobs.Job, error) {
	if r.force || !retriable(j) || setAside(j) {
		return j, nil
	}
	for part, err := range s.Parts(ctx, j.ID) {
		if err != nil {
			return jobs.Job{}, err
		}
		if forPerson(part.Job) {
			return j, nil
		}
	}
	return s.Retry(ctx, j.ID)
}
