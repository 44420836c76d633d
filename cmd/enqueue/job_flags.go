package main

import (
	"cmp"
	"errors"
	"fmt"
	"math"
	"regexp"
	"strconv"
	"strings"
	"time"

	"github.com/spf13/pflag"

	"github.com/longhaul-jobs/longhaul/jobs"
)

// jobFlags are the options of a job as flags.
type jobFlags struct {
	lane, group, tenant, deadline, notBefore, retention, uncertain string
	uncertainWait, fallbackTier                                    string
	priority, maxAttempts                                          int
	growOutputTo                                                   int64
	metadata                                                       []string
	after                                                          []string
	continueFrom, thread                                           string
	promptCache                                                    bool
	stream                                                         bool
}

func (f *jobFlags) register(fs *pflag.FlagSet) {
	fs.StringVar(&f.lane, "lane", "", "stream of work that the job belongs to (default the lane whose models name its model, or \""+jobs.DefaultLane+"\")")
	fs.IntVar(&f.priority, "priority", jobs.DefaultPriority, fmt.Sprintf("%d (last) to %d (first) in its lane", jobs.MinPriority, jobs.MaxPriority))
	fs.StringVar(&f.group, "group", "", "name of the jobs that belong together")
	fs.StringVar(&f.tenant, "tenant", "", "name of whom the job is run for, such as a customer or a team")
	fs.StringVar(&f.deadline, "deadline", "", "when the job ends at the latest: from now (2h, 3d) or a time (RFC 3339) (default 24h, after --not-before if that is given; longer for batches)")
	fs.StringVar(&f.notBefore, "not-before", "", "when the job starts at the earliest: from now (30m) or a time (RFC 3339)")
	fs.IntVar(&f.maxAttempts, "max-attempts", jobs.DefaultMaxAttempts, "how often it is tried at most")
	fs.StringVar(&f.retention, "retention", "", "how long the ended job is kept, such as 12h or 7d (default 30d)")
	fs.StringVar(&f.uncertain, "uncertain", string(jobs.UncertainResubmit),
		"what to do when the answer to a create is lost: "+string(jobs.UncertainResubmit)+" (it may be paid for twice) or "+string(jobs.UncertainHold)+" it for a person")
	fs.StringVar(&f.uncertainWait, "uncertain-wait", "", "how long OpenAI's webhook is waited for before that, where there are any, such as 30m (default: the workers' setting)")
	fs.Int64Var(&f.growOutputTo, "grow-output-to", 0, "ask again with twice the max_output_tokens, up to this many, when an answer was cut off by it")
	fs.BoolVar(&f.promptCache, "prompt-cache", false, "send a prompt_cache_key that is the same for all requests which begin in the same way")
	fs.StringArrayVar(&f.metadata, "metadata", nil, "key=value kept with the job and not sent to OpenAI; may be repeated")
}

// registerTier adds the flag for requests that can name a service tier.
func (f *jobFlags) registerTier(fs *pflag.FlagSet) {
	fs.StringVar(&f.fallbackTier, "fallback-tier", "", "service tier to fall to when the one that is asked for has no capacity, such as default for flex (default: wait for capacity)")
}

// registerStream adds the flag for jobs whose progress somebody wants to see.
func (f *jobFlags) registerStream(fs *pflag.FlagSet) {
	fs.BoolVar(&f.stream, "stream", false, "have the answer streamed, so that enqueue watch shows it as it is written")
}

// registerOrder adds the flags of a job that has to do with others.
func (f *jobFlags) registerOrder(fs *pflag.FlagSet) {
	fs.StringSliceVar(&f.after, "after", nil, fmt.Sprintf("id of a job that must have succeeded before this one starts, or up to %d with a comma between two; it fails if one does not succeed", jobs.MaxAfter))
	fs.StringVar(&f.continueFrom, "continue-from", "", "id of a job whose response the request continues, as its previous_response_id; it is waited for as with --after")
	fs.StringVar(&f.thread, "thread", "", "name of jobs that run one after another, each continuing the last of them that has succeeded")
}

// options reads the flags, and reports all that is wrong with them.
func (f *jobFlags) options(fs *pflag.FlagSet, now time.Time) (jobs.Options, error) {
	var problems []error
	o := jobs.Options{
		Lane: f.lane, Group: f.group, Tenant: f.tenant, MaxAttempts: f.maxAttempts, Uncertain: jobs.Uncertainty(f.uncertain),
		FallbackTier: f.fallbackTier, GrowOutputTo: f.growOutputTo, ContinueFrom: jobs.ID(f.continueFrom), Thread: f.thread,
		PromptCache: f.promptCache, Stream: f.stream,
	}
	for _, id := range f.after {
		o.After = append(o.After, jobs.ID(id))
	}
	if fs.Changed("priority") {
		o.Priority = &f.priority
	}
	if o.MaxAttempts < 1 || o.MaxAttempts > jobs.MaxMaxAttempts {
		problems = append(problems, jobs.Invalid("max-attempts", "is %d; give 1 to %d", o.MaxAttempts, jobs.MaxMaxAttempts))
		o.MaxAttempts = 0
	}
	var err error
	if o.Deadline, err = moment("deadline", f.deadline, now); err != nil {
		problems = append(problems, err)
	}
	if o.NotBefore, err = moment("not-before", f.notBefore, now); err != nil {
		problems = append(problems, err)
	}
	if f.retention != "" {
		if o.Retention, err = span(f.retention); err != nil || o.Retention <= 0 {
			problems = append(problems, jobs.Invalid("retention", "%q is %s; write for example 12h or 7d", f.retention, notSpan(err)))
			o.Retention = 0
		}
	}
	if f.uncertainWait != "" {
		switch o.UncertainWait, err = span(f.uncertainWait); {
		case err != nil || o.UncertainWait < 0:
			problems = append(problems, jobs.Invalid("uncertain-wait", "%q is %s; write for example 30m or 12h, or 0s for not at all", f.uncertainWait, notSpan(err)))
			o.UncertainWait = 0
		case o.UncertainWait == 0:
			o.UncertainWait = time.Millisecond // 0 is the workers' setting
		}
	}
	for _, pair := range f.metadata {
		key, value, ok := strings.Cut(pair, "=")
		if _, twice := o.Metadata[key]; !ok || key == "" || twice {
			problems = append(problems, jobs.Invalid("metadata", "%q: write key=value, each key once", pair))
			continue
		}
		if o.Metadata == nil {
			o.Metadata = make(map[string]string)
		}
		o.Metadata[key] = value
	}
	if err := o.Validate(now); err != nil {
		problems = append(problems, err)
	}
	return o, errors.Join(problems...)
}

// moment reads a time, or a length of time from now; "" is the zero time.
func moment(flag, text string, now time.Time) (time.Time, error) {
	if text == "" {
		return time.Time{}, nil
	}
	switch d, err := span(text); {
	case err == nil:
		return now.Add(d), nil
	case errors.Is(err, errTooLong):
		return time.Time{}, jobs.Invalid(flag, "%q is too long a time; it goes to ten years, such as 90m, 2h or 3d", text)
	}
	t, err := time.Parse(time.RFC3339, text)
	if err != nil {
		return time.Time{}, jobs.Invalid(flag,
			"%q is neither a length of time such as 90m, 2h or 3d nor a time such as %s", text, now.UTC().Format(time.RFC3339))
	}
	return t, nil
}

// errTooLong is a length of time that is one, and more than can be counted.
var errTooLong = errors.New("is too long a time")

// span reads a length of time as [time.ParseDuration] does, and days beside.
func span(text string) (time.Duration, error) {
	d, err := parseSpan(text)
	if err == nil {
		return d, nil
	}
	// It is the numbers that are at fault if it can be read with small ones.
	if _, other := parseSpan(digits.ReplaceAllString(text, "1")); other == nil {
		err = errTooLong
	}
	return 0, fmt.Errorf("read %q: %w", text, err)
}

var digits = regexp.MustCompile(`[0-9]+`)

func parseSpan(text string) (time.Duration, error) {
	days, rest, ok := strings.Cut(text, "d")
	if !ok {
		return time.ParseDuration(text)
	}
	n, err := strconv.ParseUint(days, 10, 16)
	if err != nil {
		return 0, err
	}
	d, err := time.ParseDuration(cmp.Or(rest, "0s"))
	if err != nil {
		return 0, err
	}
	if whole := time.Duration(n) * 24 * time.Hour; d <= math.MaxInt64-whole {
		return whole + d, nil
	}
	return 0, errTooLong
}

// notSpan says what is wrong with a length of time.
func notSpan(err error) string {
	if errors.Is(err, errTooLong) {
		return "too long a time"
	}
	return "no length of time"
}
