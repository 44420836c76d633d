package main

import (
	"cmp"
	"fmt"
	"slices"
	"strings"
	"text/tabwriter"
	"time"

	"github.com/longhaul-jobs/longhaul/jobs"
)

// happening is something that happened to a job, or that is going to.
type happening struct {
	At    time.Time     `json:"at"`
	Event happeningKind `json:"event"`
	// Attempt is the number of the attempt that it is about, 0 for the job.
	Attempt int    `json:"attempt,omitempty"`
	Text    string `json:"text"`
}

// happeningKind is what kind of thing happened.
type happeningKind string

const (
	eventAccepted happeningKind = "accepted"
	eventStarted  happeningKind = "attempt_started"
	eventAnswered happeningKind = "attempt_answered"
	eventAdopted  happeningKind = "response_adopted"
	eventOver     happeningKind = "attempt_ended"
	eventLooked   happeningKind = "looked"
	eventStop     happeningKind = "stop_requested"
	eventEnded    happeningKind = "ended"
	// What is going to happen.
	eventNextAttempt happeningKind = "next_attempt"
	eventNextLook    happeningKind = "next_look"
	eventDecision    happeningKind = "decision"
	eventDeadline    happeningKind = "deadline"
)

// timeline is the life of a job, as its record has it, in the order of time.
func timeline(j jobs.Job) []happening {
	line := []happening{{At: j.Created, Event: eventAccepted, Text: fmt.Sprintf("accepted for lane %s with priority %d", j.Lane, j.Priority)}}
	for _, a := range j.Attempts {
		line = append(line, attemptHappenings(a)...)
	}
	if l := j.Looks; l.Count > 0 && !l.Last.IsZero() {
		text := fmt.Sprintf("looked at %s, %s", plural(l.Count, "time", "times"), cmp.Or(l.Status, "without a status so far"))
		if l.Failed > 0 {
			text += fmt.Sprintf("; the last %d brought nothing", l.Failed)
		}
		line = append(line, happening{At: l.Last, Event: eventLooked, Attempt: j.Current, Text: text})
	}
	if j.Stop != nil {
		text := "a cancel was asked for"
		if j.Stop.Reason == jobs.StopDeadline {
			text = "the deadline passed"
		}
		line = append(line, happening{At: j.Stop.At, Event: eventStop, Text: text})
	}
	if j.State.Terminal() {
		line = append(line, happening{At: j.Ended, Event: eventEnded, Text: "the job is " + string(j.State)})
	} else {
		line = append(line, coming(j)...)
	}
	slices.SortStableFunc(line, func(a, b happening) int { return a.At.Compare(b.At) })
	return line
}

// coming is what is going to happen to a job that goes on.
func coming(j jobs.Job) []happening {
	var line []happening
	add := func(at time.Time, event happeningKind, text string) {
		if !at.IsZero() {
			line = append(line, happening{At: at, Event: event, Text: text})
		}
	}
	switch j.State {
	case jobs.StateWaiting:
		add(j.NotBefore, eventNextAttempt, fmt.Sprintf("not before this: attempt #%d%s", j.NextAttempt(), because(j.Reason)))
	case jobs.StateRunning:
		next := j.LookAt
		if j.Looks.Next.After(next) {
			next = j.Looks.Next
		}
		add(next, eventNextLook, "next look")
	case jobs.StateUncertain:
		then := "the job is asked again"
		if j.Uncertain == jobs.UncertainHold {
			then = "the job is held for a person"
		}
		add(j.DecideAt, eventDecision, "end of the wait for the provider's webhook: "+then)
	case jobs.StateSubmitting, jobs.StateSucceeded, jobs.StateIncomplete, jobs.StateFailed, jobs.StateCancelled, jobs.StateExpired:
	}
	add(j.Deadline, eventDeadline, "deadline")
	return line
}

// attemptHappenings are the beginning, the answer and the end of an attempt, or of
// several that are told as one.
func attemptHappenings(a jobs.Attempt) []happening {
	name := fmt.Sprintf("#%d", a.Number)
	line := []happening{{At: a.Started, Event: eventStarted, Attempt: a.Number, Text: name + begun(a)}}
	if a.Repeats > 0 {
		name = fmt.Sprintf("#%d to #%d", a.Number, a.Number+a.Repeats)
	}
	switch {
	case !a.Adopted.IsZero():
		line = append(line, happening{At: a.Adopted, Event: eventAdopted, Attempt: a.Number, Text: fmt.Sprintf(
			"%s was given response %s by hand", name, printable(a.ResponseID),
		)})
	case a.ResponseID != "" && !a.Answered.IsZero():
		line = append(line, happening{At: a.Answered, Event: eventAnswered, Attempt: a.Number, Text: fmt.Sprintf(
			"%s answered after %s: response %s%s", name, formatElapsed(a.Answered.Sub(a.Started)), printable(a.ResponseID), naming("request id", a.RequestID),
		)})
	}
	if !a.Ended.IsZero() {
		line = append(line, happening{At: a.Ended, Event: eventOver, Attempt: a.Number, Text: name + " " + over(a)})
	}
	return line
}

// begun says who began an attempt, why, and what it asked for.
func begun(a jobs.Attempt) string {
	if a.Worker == "" {
		return " found: a response of this job that no attempt on record had made, at endpoint " + a.Endpoint
	}
	text := fmt.Sprintf(" started by %s at endpoint %s%s", a.Worker, a.Endpoint, because(a.Reason))
	if a.Alone {
		text += ", with nothing beside it"
	}
	if x := a.Adjust; x != nil {
		text += naming("in service tier", x.ServiceTier)
		if x.MaxOutputTokens > 0 {
			text += fmt.Sprintf(", with room for %s tokens", formatCount(x.MaxOutputTokens))
		}
		text += naming("continuing", x.PreviousResponseID)
		if x.History {
			text += ", with its history"
		}
	}
	return text + naming("sent as", a.ClientRequestID)
}

// because says why an attempt is made, "" for the first.
func because(reason string) string {
	switch reason {
	case "":
		return ""
	case "manual":
		return ", because a person asked for it"
	case "max_output_tokens":
		return ", because the answer was cut off"
	}
	return ", because of " + reason
}

// over says how an attempt ended.
func over(a jobs.Attempt) string {
	text := map[jobs.Outcome]string{
		"":                     "ended",
		jobs.OutcomeSucceeded:  "succeeded",
		jobs.OutcomeIncomplete: "was cut off",
		jobs.OutcomeFailed:     "failed",
		jobs.OutcomeUncertain:  "lost its answer",
		jobs.OutcomeCancelled:  "was cancelled",
		jobs.OutcomeLost:       "is not known to the provider any more",
		jobs.OutcomeWasted:     "lost against another attempt",
	}[a.Outcome]
	text = cmp.Or(text, string(a.Outcome))
	if a.Repeats > 0 {
		text += fmt.Sprintf(", %d times in all", a.Repeats+1)
	}
	text += " after " + formatElapsed(a.Ended.Sub(a.Started))
	if f := a.Failure; f != nil {
		text += ": " + printable(f.String())
		if f.Message != "" {
			text += naming("code", f.Code)
		}
		if f.RequestID != "" {
			text += naming("request id", f.RequestID)
		}
		if f.RetryAfter > 0 {
			text += ", the provider asked for a wait of " + formatElapsed(f.RetryAfter)
		}
	}
	if a.Usage != nil {
		text += ", tokens " + formatUsage(*a.Usage)
	}
	if a.Free {
		text += " (does not count)"
	}
	return text
}

// naming adds a named value, if there is one.
func naming(name, value string) string {
	if value == "" {
		return ""
	}
	return ", " + name + " " + printable(value)
}

// writeTimeline shows what happened with the time since the line before, and what
// is going to happen with the time until then.
func writeTimeline(b *strings.Builder, line []happening, now time.Time) {
	columns := tabwriter.NewWriter(b, 0, 0, 2, ' ', 0)
	var before time.Time
	for _, m := range line {
		gap := ""
		switch {
		case m.At.After(now):
			gap = "in " + formatElapsed(m.At.Sub(now))
		case !before.IsZero():
			gap = "+" + formatElapsed(m.At.Sub(before))
		}
		_, _ = fmt.Fprintf(columns, "  %s\t%s\t%s\n", formatTime(m.At), gap, m.Text) // a Builder takes everything
		before = m.At
	}
	_ = columns.Flush()
}

// wasteView is what was spent on a job beside its result, as --json shows it.
type wasteView struct {
	Usage jobs.Usage `json:"usage"`
	// Wasted and Unknown are the numbers of attempts: those whose responses lost
	// against another, and those of which nobody knows what they cost.
	Wasted  []int `json:"wasted,omitempty"`
	Unknown []int `json:"unknown,omitempty"`
}

// wasteOf is what was spent on a job beside its result, nil for nothing.
func wasteOf(j jobs.Job) *wasteView {
	w := j.Waste()
	if len(w.Wasted)+len(w.Unknown) == 0 && w.Usage == (jobs.Usage{}) {
		return nil
	}
	return &wasteView{Usage: w.Usage, Wasted: w.Wasted, Unknown: w.Unknown}
}

// wasted says what was spent beside the result, "" for nothing that was seen.
func wasted(j jobs.Job) string {
	w := j.Waste()
	if w.Usage == (jobs.Usage{}) {
		return ""
	}
	var of []string
	for _, a := range j.Attempts {
		if a.Usage != nil && (a.Outcome == jobs.OutcomeWasted || a.Outcome == jobs.OutcomeLost) {
			of = append(of, fmt.Sprintf("#%d, response %s", a.Number, printable(a.ResponseID)))
		}
	}
	return fmt.Sprintf("%s (%s)", formatUsage(w.Usage), strings.Join(of, "; "))
}

// unknown says of which attempts nobody knows what they cost, "" for none.
func unknown(j jobs.Job) string {
	var of []string
	for _, number := range j.Waste().Unknown {
		of = append(of, fmt.Sprintf("#%d", number))
	}
	if len(of) == 0 {
		return ""
	}
	return "what " + strings.Join(of, ", ") + " cost: nobody saw an answer"
}
