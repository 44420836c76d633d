package main

import (
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/spf13/pflag"

	"github.com/longhaul-jobs/longhaul/jobs"
	"github.com/longhaul-jobs/longhaul/results"
)

// failedStates are those of jobs that ended without success for a reason of
// their own. A cancelled one ended because somebody wished it.
func failedStates() []jobs.State {
	return []jobs.State{jobs.StateFailed, jobs.StateExpired, jobs.StateIncomplete}
}

// selectFlags select jobs.
type selectFlags struct {
	states, classes                          []string
	kind, text, endpoint, responseID         string
	since, until, createdSince, createdUntil string

	names
}

// names are the names of those that a job was run for, as flags.
type names struct{ lane, group, tenant string }

func (n *names) registerNames(fs *pflag.FlagSet, of string) {
	fs.StringVar(&n.lane, "lane", "", "only "+of+" of this lane")
	fs.StringVar(&n.group, "group", "", "only "+of+" of this group")
	fs.StringVar(&n.tenant, "tenant", "", "only "+of+" of this tenant")
}

// register adds the flags that say which of the jobs in question are meant.
func (f *selectFlags) register(fs *pflag.FlagSet) {
	fs.StringSliceVar(&f.classes, "class", nil, "only jobs with a failure of these classes, such as unavailable,quota")
	f.registerNames(fs, "jobs")
	fs.StringVar(&f.text, "text", "", "only jobs with this text in their failure, model, lane, group, tenant, dedupe key or metadata, in whatever case")
	fs.StringVar(&f.endpoint, "endpoint", "", "only jobs with an attempt at this endpoint")
	fs.StringVar(&f.since, "since", "", "only jobs that ended since then, or go on and were created since: 2h, 3d, or a time (RFC 3339)")
	fs.StringVar(&f.until, "until", "", "only jobs that ended before then, or go on and were created before")
	fs.StringVar(&f.createdSince, "created-since", "", "only jobs created since then")
	fs.StringVar(&f.createdUntil, "created-until", "", "only jobs created before then")
}

// given is the first of these flags, or of some others, that is set, "" if none
// is.
func (f *selectFlags) given(fs *pflag.FlagSet, others ...string) string {
	names := append([]string{
		"class", "lane", "group", "tenant", "text", "endpoint", "since", "until", "created-since", "created-until",
	}, others...)
	for _, name := range names {
		if fs.Changed(name) {
			return name
		}
	}
	return ""
}

// filter reads the flags, and reports all that is wrong with them.
func (f *selectFlags) filter(now time.Time) (results.Filter, error) {
	filter := results.Filter{
		Kind: jobs.Kind(f.kind), Lane: f.lane, Group: f.group, Tenant: f.tenant,
		Text: f.text, Endpoint: f.endpoint, ResponseID: f.responseID,
	}
	for _, state := range f.states {
		filter.States = append(filter.States, jobs.State(strings.TrimSpace(state)))
	}
	for _, class := range f.classes {
		filter.Classes = append(filter.Classes, jobs.Class(strings.TrimSpace(class)))
	}
	var problems []error
	for _, bound := range []struct {
		flag, text string
		to         *time.Time
	}{
		{"since", f.since, &filter.Since},
		{"until", f.until, &filter.Until},
		{"created-since", f.createdSince, &filter.CreatedSince},
		{"created-until", f.createdUntil, &filter.CreatedUntil},
	} {
		t, err := past(bound.flag, bound.text, now)
		if err != nil {
			problems = append(problems, err)
		}
		*bound.to = t
	}
	if err := filter.Validate(); err != nil {
		problems = append(problems, err)
	}
	return filter, errors.Join(problems...)
}

// past reads a time, a day, or a length of time before now; "" is the zero time.
func past(flag, text string, now time.Time) (time.Time, error) {
	if text == "" {
		return time.Time{}, nil
	}
	switch d, err := span(text); {
	case err == nil && d >= 0:
		return now.Add(-d), nil
	case errors.Is(err, errTooLong):
		return time.Time{}, jobs.Invalid(flag, "%q is too long a time ago; write for example 90m, 2h or 3d, or a time such as %s",
			text, now.UTC().Format(time.DateOnly))
	}
	for _, layout := range []string{time.RFC3339, time.DateOnly} {
		if t, err := time.Parse(layout, text); err == nil {
			return t, nil
		}
	}
	return time.Time{}, jobs.Invalid(flag, "%q is neither a length of time ago such as 90m, 2h or 3d nor a time such as %s or %s",
		text, now.UTC().Format(time.RFC3339), now.UTC().Format(time.DateOnly))
}

// exclusive reports that more than one of some flags is given.
func exclusive(fs *pflag.FlagSet, names ...string) error {
	var given []string
	for _, name := range names {
		if fs.Changed(name) {
			given = append(given, "--"+name)
		}
	}
	if len(given) < 2 {
		return nil
	}
	return usage("%s exclude each other", strings.Join(given, " and "))
}

// stateList are states as flags show them.
func stateList(states []jobs.State) string {
	words := make([]string, len(states))
	for i, state := range states {
		words[i] = string(state)
	}
	return strings.Join(words, ", ")
}

// scope is how many jobs there are that a filter has to look at, at most.
func scope(counts results.Counts, filter results.Filter) int64 {
	states := filter.States
	if filter.Held {
		states = []jobs.State{jobs.StateUncertain}
	}
	if len(states) == 0 {
		return counts.Total()
	}
	var n int64
	for _, state := range states {
		n += counts[state]
	}
	return n
}

// found is how far a search has come, for people.
func found(n, looked int, of int64) string {
	text := fmt.Sprintf("%s found, %s looked at", plural(n, "job", "jobs"), formatCount(int64(looked)))
	if of >= int64(looked) {
		text += " of about " + formatCount(of)
	}
	return text
}
