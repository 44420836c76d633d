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

// find returns the job that summarizes a document: that of an earlier command, tried
// again if it failed, or a new one.
func (r *summarizeRun) find(ctx context.Context, s *session, d *document, request json.RawMessage) (jobs.Job, error) {
	w := demand{name: d.Path, fingerprint: d.fingerprint, request: request}
	if id := r.known(d); id != "" {
		j, err := s.Get(ctx, id)
		switch {
		case err == nil:
			return r.again(ctx, s, j, w)
		case !errors.Is(err, results.ErrNotFound):
			return jobs.Job{}, err
		}
	}
	j, err := r.submitParent(ctx, s, w)
	if err == nil && r.force && !r.dev {
		// The job's key says nothing to a later run: this line leads it there.
		err = r.folder.Record(r.handedOver(d, j.ID))
	}
	return j, err
}

// demand is a summary that is asked for: what it is of, and its request.
type demand struct {
	name, fingerprint string
	request           json.RawMessage
}

// summaryKey is the dedupe key of a summary by the fingerprint of its request.
func summaryKey(fingerprint string) string { return "summarize:" + fingerprint }

// parentOptions are the options of the job that makes a summary. The same request is the
// same job, whoever asks, but for what --force asks for.
func (r *summarizeRun) parentOptions(w demand) jobs.Options {
	options := r.job
	options.DedupeKey = summaryKey(w.fingerprint)
	if r.force {
		options.DedupeKey += ":" + r.nonce
		options.Nonce = r.nonce
	}
	options.Metadata = map[string]string{aboutDocument: documentName(w.name)}
	maps.Copy(options.Metadata, r.job.Metadata)
	return options
}

// submitParent hands a summary over, or finds its job, tried again if it failed.
func (r *summarizeRun) submitParent(ctx context.Context, s *session, w demand) (jobs.Job, error) {
	submitted, err := s.SubmitParent(ctx, jobs.KindSummarize, w.request, r.options.Model, r.parentOptions(w))
	if err != nil || submitted.Fresh {
		return submitted.Job, err
	}
	return r.again(ctx, s, submitted.Job, w)
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

// again returns a job of an earlier command, tried again if it failed and that is not
// for a person to decide. What failed for another run is asked for anew, in its place: tried
// again, it would be paid for by that run, whatever the budget of this one. A crash behind
// that leaves a job that the next command finds by its key.
func (r *summarizeRun) again(ctx context.Context, s *session, j jobs.Job, w demand) (jobs.Job, error) {
	for {
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
		if j.PartGroup() == r.job.Group {
			return s.Retry(ctx, j.ID)
		}
		submitted, err := s.SubmitParentInstead(ctx, j.ID, jobs.KindSummarize, w.request, r.options.Model, r.parentOptions(w))
		if err != nil || submitted.Fresh {
			return submitted.Job, err
		}
		j = submitted.Job // others have taken its place, or tried it again
	}
}
