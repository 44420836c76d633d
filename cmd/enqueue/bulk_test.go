package main

import (
	"context"
	"encoding/csv"
	"fmt"
	"log/slog"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/longhaul-jobs/longhaul/internal/redistest"
	"github.com/longhaul-jobs/longhaul/internal/testlog"
	"github.com/longhaul-jobs/longhaul/jobs"
	"github.com/longhaul-jobs/longhaul/results"
)

// counts are the numbers of jobs by state, those without any left out.
func (b *bench) counts() map[jobs.State]int {
	b.t.Helper()
	counts, err := b.store.Counts(b.t.Context(), "")
	if err != nil {
		b.t.Fatal(err)
	}
	some := map[jobs.State]int{}
	for state, n := range counts {
		if n > 0 {
			some[state] = int(n)
		}
	}
	return some
}

// wantCounts fails the test unless there are these jobs and no others.
func (b *bench) wantCounts(want map[jobs.State]int) {
	b.t.Helper()
	if diff := cmp.Diff(want, b.counts()); diff != "" {
		b.t.Fatalf("jobs (-want +got):\n%s", diff)
	}
}

// TestTwelveThousandFailures lists, exports and retries more failures than other
// tools keep, without a cap, and finds the twelve that are not like the others.
func TestTwelveThousandFailures(t *testing.T) {
	t.Parallel()
	b := newBench(t)
	const many, rare = 11_988, 12
	for i := range rare {
		b.failed(jobs.Failure{Class: jobs.ClassUnavailable, Message: fmt.Sprint("no. ", i)}, "", jobs.Options{})
		b.late(many/rare, jobs.Options{})
	}
	b.call("", "list", "--failed", "--class", "unavailable", "--all").want(t, 0).says(t, "12 jobs listed, 12,000 looked at")
	if out := b.call("", "list", "--failed", "--class", "unavailable").want(t, 0); len(ids(out.stdout)) != rare {
		t.Errorf("the twelve are\n%s\nstderr: %s", out.stdout, out.stderr)
	}
	if out := b.call("", "list", "--count").want(t, 0).stdout; !strings.Contains(out, "failed   unavailable  12 ") || !strings.Contains(out, "11,988") {
		t.Errorf("the counts are\n%s", out)
	}
	read, err := csv.NewReader(strings.NewReader(b.call("", "list", "--failed", "--all", "--csv").want(t, 0).stdout)).ReadAll()
	if err != nil {
		t.Fatal(err)
	}
	exported := map[string]bool{}
	for _, line := range read[1:] {
		exported[line[0]] = true
	}
	if len(exported) != many+rare || len(read) != many+rare+1 {
		t.Fatalf("%d lines with %d jobs are exported, want %d", len(read), len(exported), many+rare)
	}

	dry := b.call("", "retry", "--all-failed", "--class", "unavailable", "--dry-run").want(t, 0).stdout
	if !strings.HasSuffix(dry, "\nand 7 others\n12 jobs would be retried\n") || !strings.Contains(dry, "unavailable: no. 11") || strings.Contains(dry, "no. 6") {
		t.Errorf("the dry run says\n%s", dry)
	}
	b.wantCounts(map[jobs.State]int{jobs.StateFailed: rare, jobs.StateExpired: many})
	if out := b.call("", "retry", "--all-failed", "--class", "unavailable").want(t, 0).stdout; out != "12 jobs retried\n" {
		t.Errorf("retry says %q", out)
	}
	b.wantCounts(map[jobs.State]int{jobs.StateWaiting: rare, jobs.StateExpired: many})
	report := decode[bulkReport](t, b.call("", "retry", "--all-failed", "--json").want(t, 0).stdout)
	if diff := cmp.Diff(bulkReport{Action: "retry", Selected: many, Changed: many, Spared: []reason{}, Refused: []reason{}}, report); diff != "" {
		t.Errorf("report (-want +got):\n%s", diff)
	}
	b.wantCounts(map[jobs.State]int{jobs.StateWaiting: many + rare})
	if out := b.call("", "retry", "--all-failed").want(t, 0).stdout; out != "0 jobs retried\n" {
		t.Errorf("retry again says %q", out)
	}
}

func TestRetryLeavesAloneWhatMayHaveBeenPaid(t *testing.T) {
	t.Parallel()
	b := newBench(t)
	paid := map[jobs.Class]jobs.ID{}
	for _, class := range []jobs.Class{jobs.ClassLost, jobs.ClassOversized, jobs.ClassPoison} {
		paid[class] = b.failed(jobs.Failure{Class: class, Message: "x"}, "resp_"+string(class), jobs.Options{})
	}
	paid[jobs.ClassAmbiguous] = b.failed(jobs.Failure{Class: jobs.ClassAmbiguous}, "", jobs.Options{})
	down := b.failed(jobs.Failure{Class: jobs.ClassUnavailable}, "", jobs.Options{})
	cut := b.begun(jobs.Options{})
	b.happens(cut, created(1, `{"id":"resp_cut","status":"incomplete"}`))
	cancelled := b.accept(jobs.Options{}).ID
	b.happens(cancelled, jobs.StopRequested{Reason: jobs.StopCancel})

	out := b.call("", "retry", "--all-failed").want(t, 0).stdout
	want := []string{
		"1 job retried",
		"1 left alone: a worker crashed that ran it alone (--class poison asks for it)",
		"1 left alone: an attempt whose answer was lost may have been paid for (--class ambiguous asks for it)",
		"1 left alone: its response, which cannot be had, was paid for (--class lost asks for it)",
		"1 left alone: its response, which cannot be had, was paid for (--class oversized asks for it)",
		"1 left alone: the part of an answer that it has, which was paid for, would be dropped (--state incomplete asks for it)",
	}
	if diff := cmp.Diff(want, lines(out)); diff != "" {
		t.Errorf("retry says (-want +got):\n%s", diff)
	}
	if n := b.creates(down); n != 1 || b.counts()[jobs.StateWaiting] != 1 {
		t.Errorf("%d creates of the one that was down; jobs are %v", n, b.counts())
	}
	// Named, each of them is tried again, and no other.
	for class, id := range paid {
		if out := b.call("", "retry", "--all-failed", "--class", string(class)).want(t, 0).stdout; !strings.HasPrefix(out, "1 job retried\n") {
			t.Errorf("--class %s says %q", class, out)
		}
		if j, err := b.store.Load(t.Context(), id); err != nil || j.State != jobs.StateWaiting {
			t.Errorf("--class %s: the job is %s, %v", class, j.State, err)
		}
	}
	for _, state := range []string{"incomplete", "cancelled", "failed,expired,incomplete"} {
		b.call("", "retry", "--all-failed", "--state", state).want(t, 0)
	}
	b.wantCounts(map[jobs.State]int{jobs.StateWaiting: 7})
}

func TestBulkRefusesWhatMakesNoSense(t *testing.T) {
	t.Parallel()
	b := newBench(t)
	id := string(b.accept(jobs.Options{}).ID)
	for args, want := range map[string]string{
		"retry":                                 "name at least one job id, as submit and list print it, or --all-failed",
		"retry --class lost":                    "--class selects among all jobs in question; add --all-failed",
		"retry " + id + " --dry-run":            "--dry-run selects among",
		"retry --all-failed " + id:              "--all-failed and job ids exclude each other",
		"retry --all-failed --state succeeded":  "state: \"succeeded\": --all-failed is about jobs that are failed, expired, incomplete, cancelled",
		"retry --all-failed --class unavailabl": "is no class of failures",
		"retry --all-failed --since tomorrow":   "since: \"tomorrow\" is neither",
		"release --all-held --state uncertain":  "unknown flag: --state",
		"delete --all-failed --until -1d":       "until: \"-1d\" is neither",
		"cancel --yes":                          "add --all",
		"adopt " + id:                           "name a job and the response that it is given",
		"adopt " + id + " resp_1 --attempt 0":   "attempt: is 0",
		"adopt " + id + " re/sp":                "is no response id",
	} {
		b.call("", strings.Fields(args)...).want(t, 2).says(t, want)
	}
	b.wantCounts(map[jobs.State]int{jobs.StateWaiting: 1})
}

func TestDeleteAllFailed(t *testing.T) {
	t.Parallel()
	b := newBench(t)
	b.late(3, jobs.Options{Group: "g"})
	b.late(2, jobs.Options{Group: "h"})
	cut := b.begun(jobs.Options{Group: "g"})
	b.happens(cut, created(1, `{"id":"resp_cut","status":"incomplete"}`))
	b.accept(jobs.Options{Group: "g"})
	out := b.call("", "delete", "--all-failed", "--group", "g").want(t, 0).stdout
	if !strings.HasPrefix(out, "3 jobs deleted or being deleted\n1 left alone: the part of an answer") {
		t.Errorf("delete says %q", out)
	}
	b.wantCounts(map[jobs.State]int{jobs.StateExpired: 2, jobs.StateIncomplete: 1, jobs.StateWaiting: 1})
	b.call("", "delete", "--all-failed", "--state", "incomplete", "--remote").want(t, 0)
	got := b.call("", "retry", "--all-failed", "--state", "incomplete").want(t, 1).stdout
	if got != "0 jobs retried\n1 refused: it is being deleted\n" {
		t.Errorf("retry of a job that is being deleted says %q", got)
	}
}

func TestCancelAll(t *testing.T) {
	t.Parallel()
	b := newBench(t)
	b.late(1, jobs.Options{})
	for range 3 {
		b.accept(jobs.Options{Lane: "night"})
	}
	running := b.begun(jobs.Options{})
	b.happens(running, created(1, `{"id":"resp_1","status":"in_progress"}`))
	dry := lines(b.call("", "cancel", "--all", "--lane", "night", "--dry-run").want(t, 0).stdout)
	if last := dry[len(dry)-1]; last != "3 jobs would be cancelled" || strings.Contains(strings.Join(dry, "\n"), "other") {
		t.Errorf("the dry run says %q", dry)
	}
	if out := b.call("", "cancel", "--all", "--lane", "night").want(t, 0).stdout; out != "3 jobs cancelled or being cancelled\n" {
		t.Errorf("cancel says %q", out)
	}
	b.wantCounts(map[jobs.State]int{jobs.StateCancelled: 3, jobs.StateRunning: 1, jobs.StateExpired: 1})
	b.call("", "cancel", "--all").want(t, 0)
	if j, err := b.store.Load(t.Context(), running); err != nil || j.Stop == nil {
		t.Errorf("the running job is not being cancelled: %+v, %v", j.Stop, err)
	}
}

// On a terminal it shows what it would do, and asks.
func TestBulkAsksOnATerminal(t *testing.T) {
	t.Parallel()
	b := newBench(t)
	b.late(7, jobs.Options{})
	on := func(stdin string, args ...string) outcome {
		var stdout, stderr testlog.Buffer
		c := &cli{
			system: system{stdin: strings.NewReader(stdin), stdout: &stdout, stderr: &stderr, environ: b.env},
			args:   args, start: localStarters(), patience: time.Minute, watched: func() bool { return true },
		}
		c.console = newConsole(&stderr)
		code := c.run(t.Context())
		return outcome{code, stdout.String(), stderr.String()}
	}
	for _, answer := range []string{"", "n\n", "\n", "yesterday\n"} {
		out := on(answer, "retry", "--all-failed").want(t, 1).says(t, "7 jobs would be retried", "retry 7 jobs? [y/N] Nothing was changed.")
		if out.stdout != "" || strings.Count(out.stderr, "\njob_") != samples {
			t.Errorf("%q: stdout %q, stderr\n%s", answer, out.stdout, out.stderr)
		}
		b.wantCounts(map[jobs.State]int{jobs.StateExpired: 7})
	}
	if out := on("", "retry", "--all-failed", "--class", "lost").want(t, 0); strings.Contains(out.stderr, "[y/N]") {
		t.Errorf("it asks about nothing:\n%s", out.stderr)
	}
	if out := on("y\n", "retry", "--all-failed", "--json").want(t, 0); decode[bulkReport](t, out.stdout).Changed != 7 {
		t.Errorf("stdout is %q", out.stdout)
	}
	b.wantCounts(map[jobs.State]int{jobs.StateWaiting: 7})
	if out := on("", "cancel", "--all", "--yes").want(t, 0); strings.Contains(out.stderr, "[y/N]") {
		t.Errorf("--yes asks:\n%s", out.stderr)
	}
}

// What ends while a bulk retry runs is not its business, even if it failed again.
func TestRetryDoesNotPickUpWhatFailsMeanwhile(t *testing.T) {
	t.Parallel()
	b := newBench(t)
	old := b.begun(jobs.Options{MaxAttempts: 1}) // the last to be looked at, since it is the oldest
	b.late(wholePage+1, jobs.Options{})
	var first sync.Once
	what := change{name: "retry", done: "retried"}
	what.do = func(ctx context.Context, s *session, id jobs.ID) (upshot, error) {
		first.Do(func() {
			_ = sleep(ctx, 150*time.Millisecond) // beyond what clocks may differ
			b.happens(old, jobs.CreateFailed{Attempt: 1, Failure: jobs.Failure{Class: jobs.ClassInvalid}})
		})
		j, err := s.Retry(ctx, id)
		return upshot{job: j}, err
	}
	b.change(what, failedStates()...)
	b.wantCounts(map[jobs.State]int{jobs.StateWaiting: wholePage + 1, jobs.StateFailed: 1})
}

// change changes all jobs in some states.
func (b *bench) change(what change, states ...jobs.State) *bulk {
	b.t.Helper()
	c := &cli{system: system{stdout: &testlog.Buffer{}, environ: b.env}, console: newConsole(&testlog.Buffer{}), patience: time.Minute, watched: func() bool { return false }}
	k := &bulk{change: what}
	k.filter.States = states
	if err := k.run(b.t.Context(), c, b.session()); err != nil {
		b.t.Fatal(err)
	}
	return k
}

// What ends before it is its turn has not been cancelled, unless it was by others.
func TestCancelAllTellsWhatHasEndedMeanwhile(t *testing.T) {
	t.Parallel()
	b := newBench(t)
	ended, cancelled := b.begun(jobs.Options{}), b.accept(jobs.Options{}).ID
	b.accept(jobs.Options{})
	var first sync.Once
	what := change{name: "cancel", done: "cancelled or being cancelled"}
	what.do = func(ctx context.Context, s *session, id jobs.ID) (upshot, error) {
		first.Do(func() {
			b.happens(ended, created(1, `{"id":"resp_1","status":"completed"}`))
			b.happens(cancelled, jobs.StopRequested{Reason: jobs.StopCancel})
		})
		return cancelJob(ctx, s, id)
	}
	k := b.change(what, jobs.StateWaiting, jobs.StateSubmitting)
	if k.selected != 3 || k.changed != 2 || k.spared["it has ended meanwhile"] != 1 {
		t.Errorf("of %d jobs %d are changed and left alone are %v", k.selected, k.changed, k.spared)
	}
	b.wantCounts(map[jobs.State]int{jobs.StateSucceeded: 1, jobs.StateCancelled: 2})
}

// A bulk retry that is stopped half way is taken up by the same command.
func TestRetryCanBeStoppedAndTakenUp(t *testing.T) {
	t.Parallel()
	b := newBench(t)
	b.late(2*wholePage, jobs.Options{})
	ctx, cancel := context.WithCancelCause(t.Context())
	done := make(chan outcome)
	go func() { done <- b.callIn(ctx, "", "retry", "--all-failed") }()
	until(t, "the first retries", func() bool { return b.counts()[jobs.StateWaiting] > 0 })
	cancel(errInterrupt)
	(<-done).want(t, 1).says(t, "stopped: interrupt signal received", "This is not all; the same command goes on with the rest.")
	if b.counts()[jobs.StateExpired] == 0 {
		t.Fatal("it was not stopped half way")
	}
	b.call("", "retry", "--all-failed").want(t, 0)
	b.wantCounts(map[jobs.State]int{jobs.StateWaiting: 2 * wholePage})
}

// A bulk retry outlasts a Redis that is away for a while, and so does an export.
func TestBulkWaitsWhileRedisIsAway(t *testing.T) {
	t.Parallel()
	server := redistest.StartWith(t, redistest.Config{AppendDir: t.TempDir()})
	store, err := results.Open(t.Context(), server.Client(t), results.Config{}, slog.New(slog.DiscardHandler), nil)
	if err != nil {
		t.Fatal(err)
	}
	b := &bench{t: t, store: store, env: []string{"LONGHAUL_REDIS_URL=" + server.URL()}}
	b.late(2*wholePage, jobs.Options{})
	done := make(chan outcome)
	go func() { done <- b.callIn(t.Context(), "", "retry", "--all-failed") }()
	until(t, "the first retries", func() bool { return b.counts()[jobs.StateWaiting] > 0 })
	server.Restart()
	if got := (<-done).want(t, 0).stdout; got != "2,000 jobs retried\n" {
		t.Errorf("retry says %q", got)
	}
	b.wantCounts(map[jobs.State]int{jobs.StateWaiting: 2 * wholePage})

	var stdout, stderr testlog.Buffer
	w := &stopAfter{Writer: &stdout, stop: server.Restart}
	w.left.Store(1)
	code := run(t.Context(), []string{"list", "--all", "--csv"}, system{stdin: strings.NewReader(""), stdout: w, stderr: &stderr, environ: b.env})
	outcome{code, stdout.String(), stderr.String()}.want(t, 0).says(t, "2,000 jobs listed")
	if n := len(ids(stdout.String())); n != 2*wholePage {
		t.Errorf("%d jobs are exported", n)
	}
}

// held makes jobs that are held for a person.
func (b *bench) held(n int, options jobs.Options) []jobs.ID {
	b.t.Helper()
	options.Uncertain = jobs.UncertainHold
	list := make([]jobs.ID, n)
	for i := range list {
		list[i] = b.begun(options)
		b.happens(list[i], jobs.CreateFailed{Attempt: 1, Failure: jobs.Failure{Class: jobs.ClassAmbiguous, Message: "connection reset"}})
	}
	return list
}

func TestHeldJobsAreDecidedByHand(t *testing.T) {
	t.Parallel()
	b := newBench(t)
	list := b.held(5, jobs.Options{})
	night := b.held(2, jobs.Options{Lane: "night"})
	// One that waits for the provider's word is not held, and can be released.
	waits := b.accept(jobs.Options{}).ID
	if _, err := b.store.Admit(t.Context(), jobs.DefaultLane, 1000); err != nil {
		t.Fatal(err)
	}
	b.happens(waits, jobs.SubmitStarted{Attempt: 1, Worker: "w", Endpoint: "default", UncertainWait: time.Hour})
	b.happens(waits, jobs.CreateFailed{Attempt: 1, Failure: jobs.Failure{Class: jobs.ClassAmbiguous}})

	if got := ids(b.call("", "list", "--held", "--all").want(t, 0).stdout); len(got) != 7 || slices.Contains(got, string(waits)) {
		t.Errorf("held are %v", got)
	}
	call := func(want string, args ...string) {
		t.Helper()
		if got := b.call("", args...).want(t, 0).stdout; got != want+"\n" {
			t.Errorf("%v says %q, want %q", args, got, want)
		}
	}
	id := func(i int) string { return string(list[i]) }
	call(id(0)+" is waiting for a new attempt", "release", id(0))
	call(id(1)+" is failed", "fail", id(1), "--message", "not in the dashboard")
	call(id(1)+" had already ended: failed", "cancel", id(1))
	unseen := func(i int) string {
		return ", which a worker has not yet looked at; enqueue get " + id(i) + " says what comes of it"
	}
	call(id(2)+" is running with resp_found"+unseen(2), "adopt", id(2), "resp_found")
	call(id(3)+" is running with resp_other"+unseen(3), "adopt", id(3), "resp_other", "--attempt", "1")
	call(string(waits)+" is waiting for a new attempt", "release", string(waits))
	if j, err := b.store.Load(t.Context(), list[1]); err != nil || j.Failure.Message != "not in the dashboard" {
		t.Errorf("failure is %+v, %v", j.Failure, err)
	}
	if got := ids(b.call("", "list", "--response", "resp_found").want(t, 0).stdout); !slices.Equal(got, []string{id(2)}) {
		t.Errorf("the response belongs to %v, want %s", got, id(2))
	}
	b.call("", "release", id(1)).want(t, 1).says(t, "only a job whose create's answer was lost can be released")
	b.call("", "fail", id(2)).want(t, 1).says(t, "cancel it instead")
	b.call("", "adopt", id(4), "resp_x", "--attempt", "7").want(t, 1).says(t, "no attempt 7 on record; name the one")

	call("2 jobs released", "release", "--all-held", "--lane", "night")
	call("1 job failed", "fail", "--all-held")
	for i, want := range map[jobs.ID]jobs.State{night[0]: jobs.StateWaiting, night[1]: jobs.StateWaiting, list[4]: jobs.StateFailed} {
		if j, err := b.store.Load(t.Context(), i); err != nil || j.State != want {
			t.Errorf("%s is %s, %v; want %s", i, j.State, err, want)
		}
	}
	call("0 jobs failed", "fail", "--all-held")
}
