package main

import (
	"strings"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/vbauerster/mpb/v8"

	"github.com/longhaul-jobs/longhaul/internal/testlog"
	"github.com/longhaul-jobs/longhaul/jobs"
)

// viewAt is a view of a batch of ten at a second of its run.
func viewAt(second, succeeded, failed, running int) view {
	return view{
		title:    "batch",
		totals:   totals{Total: 10, Succeeded: succeeded, Failed: failed, InputTokens: int64(10_000 * succeeded), OutputTokens: int64(5 * succeeded)},
		standing: standing{states: map[jobs.State]int{jobs.StateRunning: running, jobs.StateWaiting: 10 - succeeded - failed - running}},
		elapsed:  time.Duration(second) * time.Second,
	}
}

func TestLineDisplay(t *testing.T) {
	t.Parallel()
	var out testlog.Buffer
	d := &lineDisplay{console: newConsole(&out)}
	for second := range 100 {
		v := viewAt(second, 0, 0, 2)
		switch {
		case second >= 12:
			v = viewAt(second, 3, 1, 2)
			v.rate = 0.5
		case second >= 3:
			v.note = "m0 waits for a worker: none is alive"
		}
		d.show(v)
	}
	last := viewAt(100, 9, 1, 0)
	last.final = true
	d.stop(last)
	d.stop(last)
	want := `batch: 0 of 10: 8 waiting, 2 running (0s)
batch: m0 waits for a worker: none is alive
batch: 4 of 10: 4 waiting, 2 running, 3 succeeded, 1 failed, tokens 30.0k in 15 out (12s, 0.5/s, 12s left)
batch: 4 of 10: 4 waiting, 2 running, 3 succeeded, 1 failed, tokens 30.0k in 15 out (1m12s, 0.5/s, 12s left)
batch: 10 of 10: 9 succeeded, 1 failed, tokens 90.0k in 45 out (1m40s)
`
	if diff := cmp.Diff(want, out.String()); diff != "" {
		t.Errorf("lines (-want +got):\n%s", diff)
	}
}

func TestLineDisplayOfOneJob(t *testing.T) {
	t.Parallel()
	var out testlog.Buffer
	d := &lineDisplay{console: newConsole(&out)}
	for second, state := range []jobs.State{"", jobs.StateWaiting, jobs.StateWaiting, jobs.StateRunning} {
		d.show(view{
			title: "wait", totals: totals{Total: 1}, elapsed: time.Duration(10*second) * time.Second,
			standing: standing{only: &member{id: "job_1", name: "job_1", state: state}},
		})
	}
	want := "job_1 waiting, 0s\njob_1 waiting, 10s\njob_1 running, 30s\n"
	if diff := cmp.Diff(want, out.String()); diff != "" {
		t.Errorf("lines (-want +got):\n%s", diff)
	}
}

// Names and reasons come from files and from the provider.
func TestLineDisplayIsSteeredByNothing(t *testing.T) {
	t.Parallel()
	var out testlog.Buffer
	d := &lineDisplay{console: newConsole(&out)}
	v := view{title: "batch", totals: totals{Total: 1}, standing: standing{note: "esc\x1b[31m waits for a\nworker"}}
	d.show(v)
	v.only = &member{id: "job_1", name: "bell\a"}
	d.stop(v)
	want := "batch: esc [31m waits for a worker\nbatch: 0 of 1 (0s)\nbell  waiting, 0s (job_1)\n"
	if diff := cmp.Diff(want, out.String()); diff != "" {
		t.Errorf("lines (-want +got):\n%s", diff)
	}
}

func TestBarDisplay(t *testing.T) {
	t.Parallel()
	var out testlog.Buffer
	c := newConsole(&out)
	d := newBarDisplay(t.Context(), c, mpb.WithAutoRefresh(), mpb.WithWidth(72), mpb.WithRefreshRate(time.Millisecond))
	for n := range 6 {
		v := viewAt(10*n, n, 0, 3)
		v.rate, v.note = 0.1, "a note that is far too long for a line of the terminal and must not be broken into two"
		d.show(v)
		c.say("remark %d", n)
		until(t, "a frame", func() bool { return strings.Contains(out.String(), "remark "+string(rune('0'+n))) })
	}
	until(t, "the last frame", func() bool { return strings.Contains(out.String(), "batch 5/10 [") })
	last := viewAt(61, 8, 2, 0)
	last.final = true
	d.stop(last)
	c.say("the end")

	text := out.String()
	for _, want := range []string{
		"batch 5/10 [", "] 50s, 0.1/s, 50s left\n", "  2 waiting, 3 running, 5 succeeded, tokens 50.0k in 25 out\n",
		"  a note that is far too long for a line of the terminal and must not b…\n",
	} {
		if !strings.Contains(text, want) {
			t.Errorf("the bar does not show %q:\n%q", want, text)
		}
	}
	for n := range 6 {
		if got := strings.Count(text, "remark "+string(rune('0'+n))+"\n"); got != 1 {
			t.Errorf("remark %d was printed %d times", n, got)
		}
	}
	for line := range strings.Lines(text) {
		if n := len([]rune(strings.TrimSuffix(line, "\n"))); n > 72+len("\x1b[3A\x1b[J") {
			t.Errorf("a line has %d characters: %q", n, line)
		}
	}
	if !strings.HasSuffix(text, "] 1m1s\n  8 succeeded, 2 failed, tokens 80.0k in 40 out\nthe end\n") {
		t.Errorf("the end is %q", text[max(0, len(text)-300):])
	}
}

func TestBarDisplayOfOneJobLeavesNothing(t *testing.T) {
	t.Parallel()
	var out testlog.Buffer
	c := newConsole(&out)
	d := newBarDisplay(t.Context(), c, mpb.WithAutoRefresh(), mpb.WithRefreshRate(time.Millisecond))
	v := view{title: "wait", totals: totals{Total: 1}, standing: standing{only: &member{id: "job_1", name: "job_1", state: jobs.StateRunning}}}
	d.show(v)
	until(t, "the spinner", func() bool { return strings.Contains(out.String(), "job_1 running, 0s") })
	v.only, v.Succeeded, v.final = nil, 1, true
	d.stop(v)
	c.say("the answer")
	if text := out.String(); !strings.HasSuffix(text, "\x1b[Jthe answer\n") {
		t.Errorf("the end is %q", text[max(0, len(text)-100):])
	}
}

func TestDisplayThatWasShownNothing(t *testing.T) {
	t.Parallel()
	var out testlog.Buffer
	newBarDisplay(t.Context(), newConsole(&out)).stop(view{})
	if out.String() != "" {
		t.Errorf("it printed %q", out.String())
	}
}

func TestMeter(t *testing.T) {
	t.Parallel()
	var m meter
	began := time.Now()
	at := func(second, n int) float64 { return m.rate(began.Add(time.Duration(second)*time.Second), n) }
	got := []float64{at(0, 0), at(10, 5), at(20, 10), at(40, 10), at(60, 10)}
	// The window of half a minute moves on: what ended long ago no longer counts.
	want := []float64{0, 0.5, 0.5, 0.125, 0}
	for i := range want {
		if i == 3 {
			if got[i] <= 0 || got[i] >= 0.5 {
				t.Errorf("rate %d is %v, want a falling one", i, got[i])
			}
			continue
		}
		if got[i] != want[i] {
			t.Errorf("rate %d is %v, want %v", i, got[i], want[i])
		}
	}
}

func TestPace(t *testing.T) {
	t.Parallel()
	for _, test := range []struct {
		rate float64
		done int
		want string
	}{
		{0, 0, "5s"}, {2, 4, "5s, 2.0/s, 3s left"}, {0.01, 4, "5s, 0.6/min, 10m0s left"}, {2, 10, "5s"}, {100, 9, "5s, 100.0/s, 1s left"},
	} {
		v := view{totals: totals{Total: 10, Succeeded: test.done}, rate: test.rate, elapsed: 5 * time.Second}
		if got := v.pace(); got != test.want {
			t.Errorf("pace at %v/s after %d is %q, want %q", test.rate, test.done, got, test.want)
		}
	}
}

func TestWriteTotals(t *testing.T) {
	t.Parallel()
	v := totals{
		Total: 2000, Succeeded: 1900, Failed: 25, Expired: 1, Skipped: 10, InputTokens: 1_234_567, OutputTokens: 89, Elapsed: 3725.5,
	}
	for i := range 26 {
		v.Failures = append(v.Failures, failure{Name: "n" + string(rune('a'+i)), JobID: "job_1", State: jobs.StateFailed, Class: jobs.ClassInvalid, Message: "bad\nthing"})
	}
	var b strings.Builder
	if err := writeTotals(&b, v, " in errors.jsonl"); err != nil {
		t.Fatal(err)
	}
	got := lines(b.String())
	want := []string{
		"succeeded     1,900", "failed        25", "expired       1", "unchanged     10", "not finished  64",
		"tokens        1,234,567 in, 89 out", "elapsed       1h2m6s", "na: invalid: bad thing (job_1)",
	}
	if diff := cmp.Diff(want, got[:8]); diff != "" {
		t.Errorf("table (-want +got):\n%s", diff)
	}
	if last := got[len(got)-1]; len(got) != 7+maxShownFailures+1 || last != "and 6 more in errors.jsonl" {
		t.Errorf("the table has %d lines, the last is %q", len(got), last)
	}
}

func TestConsoleFallsBackWhenADisplayHasEnded(t *testing.T) {
	t.Parallel()
	var out testlog.Buffer
	c := newConsole(&out)
	ended := mpb.New(mpb.WithOutput(nil))
	ended.Wait()
	c.display(ended)
	c.say("still here")
	if out.String() != "still here\n" {
		t.Errorf("printed %q", out.String())
	}
}

// What the command does by itself is shown once it takes longer than a moment.
func TestStepsAreShown(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		var out testlog.Buffer
		c := &cli{console: newConsole(&out), silence: time.Second}
		var done atomic.Int64
		count := func() int { return int(done.Load()) }
		c.showSteps(t.Context(), "writing the report", 10, count)()
		if got := out.String(); got != "" {
			t.Errorf("what takes no time is told:\n%s", got)
		}
		stop := c.showSteps(t.Context(), "writing the report", 10_000, count)
		for range 9 {
			time.Sleep(time.Second)
			synctest.Wait()
			done.Add(1000)
		}
		stop()
		const want = `writing the report: 0 of 10,000 (1s)
writing the report: 5,000 of 10,000 (6s, 1000.0/s, 5s left)
writing the report: 9,000 of 10,000 (9s)
`
		if diff := cmp.Diff(want, out.String()); diff != "" {
			t.Errorf("lines (-want +got):\n%s", diff)
		}
	})
}
