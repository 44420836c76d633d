package main

import (
	"strings"
	"testing"
	"time"

	"github.com/longhaul-jobs/longhaul/jobs"
)

// TestGetShowsWhatAJobWaitsFor names both sides, and what is continued.
func TestGetShowsWhatAJobWaitsFor(t *testing.T) {
	t.Parallel()
	b := newBench(t)
	first := b.submit("hello", "--not-before", "1h")
	other := b.submit("hello", "--not-before", "1h")
	second := b.submit("and then?", "--after", other, "--continue-from", first)
	shown := b.call("", "get", second).want(t, 0).stdout
	for _, want := range []string{
		"waits for  " + other + " (waiting), " + first + " (waiting)\n", "after      " + other + "\n", "continues  the response of " + first + "\n",
	} {
		if !strings.Contains(shown, want) {
			t.Errorf("get does not show %q:\n%s", want, shown)
		}
	}
	if _, err := b.store.Attend(t.Context(), jobs.ID(second), []jobs.ID{jobs.ID(first), jobs.ID(other)}); err != nil {
		t.Fatal(err)
	}
	if shown := b.call("", "get", first).want(t, 0).stdout; !strings.Contains(shown, "waited for by  "+second) {
		t.Errorf("get does not show who waits:\n%s", shown)
	}
	if view := decode[jobView](t, b.call("", "get", "--json", other).want(t, 0).stdout); len(view.Dependents) != 1 || string(view.Dependents[0]) != second {
		t.Errorf("dependents are %v", view.Dependents)
	}
	b.call("", "cancel", first).want(t, 0)
	if shown := b.call("", "get", first).want(t, 0).stdout; !strings.Contains(shown, "still to do: tell dependents\n") {
		t.Errorf("get does not show what is still to do:\n%s", shown)
	}
}

// TestOrderIsRefusedAtTheDoor names the flag.
func TestOrderIsRefusedAtTheDoor(t *testing.T) {
	t.Parallel()
	b := newBench(t)
	gone := string(jobs.NewID(time.Now(), 0))
	b.call("", "submit", "--input", "x", "--after", gone).want(t, 2).says(t, "after: names "+gone, "no such job")
	b.call("", "submit", "--input", "x", "--after", "job_1,job_2").want(t, 2).says(t, "after: job id \"job_1\"", "after: job id \"job_2\"")
	b.call(`{"input":"x","previous_response_id":"resp_1"}`, "submit", "--request", "-", "--continue-from", gone).want(t, 2).says(t, "continue_from", "previous_response_id of its own")
}

// TestSubmitPutsJobsIntoAThread: one waits for the other, and get says so.
func TestSubmitPutsJobsIntoAThread(t *testing.T) {
	t.Parallel()
	b := newBench(t)
	first := b.submit("hello", "--thread", "talk")
	second := b.submit("and then?", "--thread", "talk")
	alone := b.submit("hello", "--thread", "other")
	shown := b.call("", "get", second).want(t, 0).stdout
	for _, want := range []string{"thread     talk\n", first} {
		shows(t, shown, want)
	}
	if shown := b.call("", "get", alone).want(t, 0).stdout; strings.Contains(shown, first) || strings.Contains(shown, second) {
		t.Errorf("another thread waits as well:\n%s", shown)
	}
	b.call("", "submit", "--input", "x", "--thread", "a b").want(t, 2).says(t, `thread: "a b" is not a name`)
	b.call("", "submit", "--input", "x", "--thread", "talk", "--continue-from", first).want(t, 2).says(t, "continue_from: is given with thread")
}
