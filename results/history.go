package results

import (
	"bytes"
	"fmt"
	"strconv"

	"github.com/longhaul-jobs/longhaul/jobs"
)

// wrap is the request as it is stored: as it is, or, for a job that carries its
// history, behind its own length and before that history. The record says which.
func wrap(r jobs.Request) []byte {
	if len(r.History) == 0 {
		return r.Raw
	}
	value := strconv.AppendInt(nil, int64(len(r.Raw)), 10)
	value = append(value, '\n')
	value = append(value, r.Raw...)
	return append(value, r.History...)
}

// unwrap reads what wrap wrote for the job.
func unwrap(j jobs.Job, value []byte) (jobs.Request, error) {
	if !j.History {
		return jobs.Request{Raw: value, Model: j.Model, CacheKey: j.PromptCacheKey}, nil
	}
	length, rest, ok := bytes.Cut(value, []byte("\n"))
	n, err := strconv.Atoi(string(length))
	if !ok || err != nil || n < 0 || n > len(rest) {
		return jobs.Request{}, fmt.Errorf("request of %s, which its record says has a history with it, %w", j.ID, ErrUnreadable)
	}
	return jobs.Request{Raw: rest[:n], Model: j.Model, CacheKey: j.PromptCacheKey, History: rest[n:]}, nil
}
