package main

import (
	"cmp"
	"encoding/json"

	"github.com/longhaul-jobs/longhaul/jobs/summarize"
)

// fingerprint is that of a request as this command has it answered.
func (r *summarizeRun) fingerprint(request json.RawMessage) string {
	if r.dev {
		return summarize.StandInFingerprint(request)
	}
	return summarize.RequestFingerprint(request)
}

// standsIn reports whether an entry is of --dev, and so nothing to a command without.
func (r *summarizeRun) standsIn(entry summarize.Entry) bool { return entry.StandIn() && !r.dev }

// spare refuses to put what the stand-in of --dev says in the place of a model's summaries.
func (r *summarizeRun) spare() error {
	if !r.dev || r.force {
		return nil
	}
	for _, entry := range r.folder.Entries() {
		if entry.Output != "" && !entry.StandIn() {
			return usage("--dev: %s has the summary of %s by a model, and what the stand-in says takes the place of none; name another folder with --out",
				cmp.Or(r.out, "."), printable(entry.Document))
		}
	}
	return nil
}
