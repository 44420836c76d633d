package main

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/longhaul-jobs/longhaul/jobs"
	"github.com/longhaul-jobs/longhaul/results"
)

func TestLanesAreShownAndChanged(t *testing.T) {
	t.Parallel()
	b := newBench(t)
	j := b.accept(jobs.Options{})
	shows(t, b.call("", "lanes").want(t, 0).stdout, "default")
	shows(t, b.call("", "lanes", "set", "default", "requests_per_minute=120", "in_flight=0").want(t, 0).stdout, "default  set")
	out := b.call("", "lanes").want(t, 0).stdout
	if line := lines(out)[1]; strings.Join(strings.Fields(line), " ") != "default 0 1 0 120* - any* 100 % -" {
		t.Errorf("after set:\n%s", out)
	}
	b.call("", "lanes", "pause", "default", "--reason", "the bill").want(t, 0)
	shows(t, b.call("", "lanes").want(t, 0).stdout, "by hand: the bill")
	shows(t, b.call("", "get", string(j.ID)).want(t, 0).stdout, "its lane default, which is paused by hand: the bill; enqueue lanes resume default has it go on")
	b.call("", "lanes", "resume", "default").want(t, 0)
	b.call("", "lanes", "set", "default", "requests_per_minute=default", "in_flight=default").want(t, 0)
	if out := b.call("", "lanes").want(t, 0).stdout; strings.Contains(out, "*") || strings.Contains(out, "by hand") {
		t.Errorf("taken back:\n%s", out)
	}
	shows(t, b.call("", "lanes", "--json").want(t, 0).stdout, `"name":"default"`)
	b.call("", "lanes", "set", "default", "priority_weights=1,1,1,1,1,1,1,1,1,9").want(t, 0)
	shows(t, b.call("", "lanes", "--json").want(t, 0).stdout, `"priority_weights":[1,1,1,1,1,1,1,1,1,9]`)
	b.call("", "lanes", "set", "default", "priority_weights=default").want(t, 0)
	if out := b.call("", "lanes", "--json").want(t, 0).stdout; strings.Contains(out, "priority_weights") {
		t.Errorf("taken back:\n%s", out)
	}
}

// A lane that no configuration has any more is shown as long as jobs wait in it.
func TestLanesShowThoseThatOnlyJobsKnow(t *testing.T) {
	t.Parallel()
	b := newBench(t)
	b.accept(jobs.Options{Lane: "old:lane"})
	done := b.accept(jobs.Options{Lane: "done"})
	b.happens(done.ID, jobs.StopRequested{Reason: jobs.StopCancel})
	var names []string
	for _, line := range lines(b.call("", "lanes").want(t, 0).stdout)[1:] {
		names = append(names, strings.Join(strings.Fields(line)[:3], " "))
	}
	if diff := cmp.Diff([]string{"default 0 0", "old:lane 0 1"}, names); diff != "" {
		t.Errorf("lanes, workers and waiting jobs (-want +got):\n%s", diff)
	}
}

func TestLanePausedByConfiguration(t *testing.T) {
	t.Parallel()
	b := newBench(t)
	worker := results.Worker{ID: "w", Lanes: []string{"default"}, Rates: map[string]results.Rates{"default": {Paused: true}}}
	if err := b.store.Beat(t.Context(), worker, time.Minute); err != nil {
		t.Fatal(err)
	}
	j := b.accept(jobs.Options{})
	shows(t, b.call("", "lanes").want(t, 0).stdout, "by configuration")
	why := "its lane default, which is paused by configuration; enqueue lanes resume default has it go on"
	shows(t, b.call("", "get", string(j.ID)).want(t, 0).stdout, why)
	b.call("", "lanes", "resume", "default").want(t, 0)
	if out := b.call("", "lanes").want(t, 0).stdout; strings.Contains(out, "by configuration") {
		t.Errorf("resumed:\n%s", out)
	}
	if out := b.call("", "get", string(j.ID)).want(t, 0).stdout; strings.Contains(out, why) {
		t.Errorf("resumed:\n%s", out)
	}
	b.call("", "lanes", "pause", "default").want(t, 0)
	shows(t, b.call("", "lanes").want(t, 0).stdout, "by hand")
}

// A pause by hand may hide one that the account has brought about.
func TestResumeSaysThatTheAccountStillPausesALane(t *testing.T) {
	t.Parallel()
	b := newBench(t)
	refused := results.Evidence{
		Try: jobs.Try{Job: "job_1", Attempt: 1}, Began: b.store.Now(), By: results.PausedByCreate,
		Failure: &jobs.Failure{Class: jobs.ClassQuota, Message: "You exceeded your current quota"},
	}
	if _, _, err := b.store.TripLane(t.Context(), "default", refused, results.ProbeWaits{First: time.Hour, Most: time.Hour}); err != nil {
		t.Fatal(err)
	}
	pauses, err := b.store.Pauses(t.Context(), "default")
	if err != nil {
		t.Fatal(err)
	}
	still := fmt.Sprintf("default  still paused since %s: quota: You exceeded your current quota; the next job finds out at %s whether the account works again",
		pauses[0].Since.Format(time.RFC3339), pauses[0].ProbeAt.Format(time.RFC3339))

	b.call("", "lanes", "pause", "default", "--reason", "the bill").want(t, 0)
	shows(t, b.call("", "lanes", "resume", "default").want(t, 0).stdout, still+"; only the pause by hand is over\n")
	shows(t, b.call("", "lanes", "resume", "default").want(t, 0).stdout, still+"; it was not paused by hand\n")
	shows(t, b.call("", "lanes", "resume", "default", "--json").want(t, 0).stdout, `{"lane":"default","is":"still paused","account":"since `)

	worker := results.Worker{ID: "w", Lanes: []string{"default"}, Rates: map[string]results.Rates{"default": {Paused: true}}}
	if err := b.store.Beat(t.Context(), worker, time.Hour); err != nil {
		t.Fatal(err)
	}
	shows(t, b.call("", "lanes", "resume", "default").want(t, 0).stdout, still+"; only the pause by configuration is over\n")
}

func TestLanesRefuseWhatMakesNoSense(t *testing.T) {
	t.Parallel()
	b := newBench(t)
	for args, want := range map[string]string{
		"lanes x":                                           `unexpected argument "x"`,
		"lanes pause":                                       "name at least one lane",
		"lanes pause a{b":                                   "is not a name of a lane",
		"lanes pause nightly":                               "nightly is no lane of the configuration, and no living worker serves it; there are default",
		"lanes set default":                                 "at least one limit",
		"lanes set default rpm=5":                           "one of requests_per_minute, tokens_per_minute, in_flight",
		"lanes set default priority_weights=1,2":            "priority_weights: \"1,2\" has 2 numbers",
		"lanes set default in_flight=-1":                    "write a whole number",
		"lanes set default in_flight=many":                  "write a whole number",
		"lanes set default in_flight=1 in_flight=2":         "in_flight is given twice",
		"lanes set nightly requests_per_minute=1":           "nightly is no lane",
		"lanes resume default another":                      "another is no lane",
		"lanes set default requests_per_minute=99999999999": "write a whole number",
	} {
		b.call("", strings.Fields(args)...).want(t, 2).says(t, want)
	}
}

func shows(t *testing.T, stdout, text string) {
	t.Helper()
	if !strings.Contains(stdout, text) {
		t.Errorf("stdout does not show %q:\n%s", text, stdout)
	}
}
