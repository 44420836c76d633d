package main

import (
	"strings"

	"github.com/longhaul-jobs/longhaul/jobs"
	"github.com/longhaul-jobs/longhaul/jobs/summarize"
)

// retriable reports whether a job has ended without success, so that it can be
// tried again.
func retriable(j jobs.Job) bool {
	return j.State.Terminal() && j.State != jobs.StateSucceeded
}

// undecided reports whether a job is held because the answer to a create was
// lost, or ended while it was: its attempt may have been paid for, and its policy
// leaves another one to a person.
func undecided(j jobs.Job) bool {
	if j.Held() {
		return true
	}
	a, ok := j.CurrentAttempt()
	return ok && retriable(j) && j.Uncertain == jobs.UncertainHold && a.Outcome == jobs.OutcomeUncertain
}

// setAside reports whether a job has failed so that another attempt is for a
// person to ask for: its response, which was paid for, cannot be had, or it has
// crashed a worker.
func setAside(j jobs.Job) bool {
	if j.State != jobs.StateFailed || j.Failure == nil {
		return false
	}
	class := j.Failure.Class
	return class == jobs.ClassLost || class == jobs.ClassOversized || class == jobs.ClassPoison
}

// advise says what a person can do about a job that is not tried again by
// itself. option, if not empty, is the command's option that does it, too, once
// the job has ended.
func (c *cli) advise(j jobs.Job, option string) string {
	switch {
	case c.dev:
		return "" // the job ends with this command
	case j.Held():
		return c.call("release", j.ID) + " asks again, fail gives it up, adopt takes the response over that was made"
	case j.State == jobs.StateUncertain:
		return c.call("release", j.ID) + " asks again now, fail gives it up"
	case !undecided(j) && !setAside(j):
		return ""
	}
	return c.notTriedAgain(j.ID, option)
}

// notTriedAgain says what asks for another attempt of a job that is for a person to ask for:
// enqueue retry and, if it is not empty, an option of the command.
func (c *cli) notTriedAgain(id jobs.ID, option string) string {
	if option != "" {
		option = " or " + option
	}
	return "it is not tried again unless " + c.call("retry", id) + option + " asks for it"
}

// summarizeAnew is what asks for summaries anew.
const summarizeAnew = "summarize --force"

// adviseSummary says what a person can do about a job that summarizes, to whoever looks at the
// run. One that has failed by an answer fails by it again when it is tried again.
func (c *cli) adviseSummary(j jobs.Job) string {
	if c.dev || j.State != jobs.StateFailed || !summarize.Answered(j.Failure) {
		return c.advise(j, summarizeAnew)
	}
	return "this answer stays unless summarize --retry-failed --force asks anew"
}

// call is the command line of a command about jobs.
func (c *cli) call(command string, ids ...jobs.ID) string {
	words := []string{"enqueue", command}
	if c.live {
		words = append(words, "--live")
	}
	for _, id := range ids {
		words = append(words, string(id))
	}
	return strings.Join(words, " ")
}
