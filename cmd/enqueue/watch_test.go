package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/longhaul-jobs/longhaul/internal/testlog"
	"github.com/longhaul-jobs/longhaul/jobs"
	"github.com/longhaul-jobs/longhaul/results"
)

// runs brings a streamed job to where its response runs.
func (b *bench) runs(options jobs.Options) jobs.ID {
	b.t.Helper()
	options.Stream = true
	j := b.accept(options)
	b.attempt(j.ID, 1)
	return j.ID
}

// attempt begins an attempt of a job.
func (b *bench) attempt(id jobs.ID, number int) {
	b.t.Helper()
	if _, err := b.store.Admit(b.t.Context(), jobs.DefaultLane, 100); err != nil {
		b.t.Fatal(err)
	}
	b.happens(id, jobs.SubmitStarted{Attempt: number, Worker: "w", Endpoint: "default"})
	b.happens(id, created(number, fmt.Sprintf(`{"id":"resp_%d","status":"queued"}`, number)))
}

// says keeps pieces of text of an attempt, from a number on.
func (b *bench) says(id jobs.ID, attempt int, from int64, pieces ...string) {
	b.t.Helper()
	var events []jobs.Progress
	for i, piece := range pieces {
		p := jobs.Progress{Place: jobs.Place{Attempt: attempt, Sequence: from + int64(i)}, Type: jobs.TextDelta, Delta: piece}
		if thought, ok := strings.CutPrefix(piece, "(thinks) "); ok {
			p.Type, p.Delta = jobs.ReasoningDelta, thought
		}
		events = append(events, p)
	}
	if _, err := b.store.AddProgress(b.t.Context(), id, events); err != nil {
		b.t.Fatal(err)
	}
}

// ends ends the response of an attempt with a text.
func (b *bench) ends(id jobs.ID, attempt int, text string) {
	b.t.Helper()
	response, err := jobs.ParseResponse(fmt.Appendf(nil, `{"id":"resp_%d","status":"completed","output":[%s]}`, attempt, message(text)))
	if err != nil {
		b.t.Fatal(err)
	}
	b.happens(id, jobs.Looked{Reply: jobs.Reply{Response: response}})
}

// watching is a watch under way.
type watching struct {
	stdout, stderr testlog.Buffer
	done           chan int
	stop           context.CancelCauseFunc
}

func (b *bench) watch(id jobs.ID, args ...string) *watching {
	b.t.Helper()
	w := &watching{done: make(chan int, 1)}
	ctx, stop := context.WithCancelCause(b.t.Context())
	w.stop = stop
	var all sync.WaitGroup
	all.Go(func() {
		w.done <- run(ctx, append([]string{"watch", string(id)}, args...), system{
			stdin: strings.NewReader(""), stdout: &w.stdout, stderr: &w.stderr, environ: append([]string{"LONGHAUL_LOG_LEVEL=error"}, b.env...),
		})
	})
	b.t.Cleanup(func() { stop(nil); all.Wait() })
	return w
}

// shows waits until the watch has printed exactly this.
func (w *watching) shows(t *testing.T, text string) {
	t.Helper()
	until(t, fmt.Sprintf("%q", text), func() bool { return w.stdout.String() == text })
}

// outcome waits for the end of the watch.
func (w *watching) outcome(t *testing.T) outcome {
	t.Helper()
	select {
	case code := <-w.done:
		return outcome{code: code, stdout: w.stdout.String(), stderr: w.stderr.String()}
	case <-time.After(patienceOfTests):
		t.Fatalf("the watch does not end:\n%s\n%s", w.stdout.String(), w.stderr.String())
		return outcome{}
	}
}

// The answer is printed as it comes, each piece once, and stdout has nothing else.
//
// Guarantee: G27.
func TestWatchShowsTextAsItArrives(t *testing.T) {
	t.Parallel()
	b := newBench(t)
	id := b.runs(jobs.Options{})
	w := b.watch(id, "--reasoning")
	b.says(id, 1, 0, "(thinks) Tides ", "(thinks) rise.", "The tide")
	w.shows(t, "The tide")
	b.says(id, 1, 2, "The tide", " is high.", "\nIt will")
	w.shows(t, "The tide is high.\nIt will")
	b.says(id, 1, 5, " fall.")
	b.ends(id, 1, "The tide is high.\nIt will fall.")
	got := w.outcome(t).want(t, 0)
	if got.stdout != "The tide is high.\nIt will fall.\n" || got.stderr != "Tides rise.\n" {
		t.Errorf("stdout %q, stderr %q", got.stdout, got.stderr)
	}
	// Who comes later sees the same.
	if again := b.call("", "watch", string(id)).want(t, 0); again.stdout != got.stdout || again.stderr != "" {
		t.Errorf("a later watch shows %q and says %q", again.stdout, again.stderr)
	}
}

// What the stream did not bring is printed at the end, so that stdout ends with the
// whole answer; when something else was shown, stderr says so.
//
// Guarantee: G27.
func TestWatchCompletesTheAnswer(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		name, stdout, stderr string
		play                 func(b *bench, id jobs.ID)
	}{
		{"the end is missing", "One two three.\n", "", func(b *bench, id jobs.ID) {
			b.says(id, 1, 0, "One", " two")
			b.ends(id, 1, "One two three.")
		}},
		{"all is missing", "One two three.\n", "", func(b *bench, id jobs.ID) { b.ends(id, 1, "One two three.") }},
		{"the beginning is missing", " three.\n", "is not kept any more; enqueue get", func(b *bench, id jobs.ID) {
			b.says(id, 1, 20, " three.")
			b.ends(id, 1, "One two three.")
		}},
		{"the middle is missing", "One three.\nOne two three.\n", "is not all of the answer", func(b *bench, id jobs.ID) {
			b.says(id, 1, 0, "One", " three.")
			b.ends(id, 1, "One two three.")
		}},
		{"another attempt", "One tw\nUne deux trois.\n", "attempt 2 begins", func(b *bench, id jobs.ID) {
			b.says(id, 1, 0, "One", " tw")
			failed, err := jobs.ParseResponse([]byte(`{"id":"resp_1","status":"failed","error":{"code":"server_error"}}`))
			if err != nil {
				b.t.Fatal(err)
			}
			b.happens(id, jobs.Looked{Reply: jobs.Reply{Response: failed}})
			b.attempt(id, 2)
			b.says(id, 2, 0, "Une", " deux")
			b.ends(id, 2, "Une deux trois.")
		}},
		{"no text", "", "", func(b *bench, id jobs.ID) { b.ends(id, 1, "") }},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			b := newBench(t)
			id := b.runs(jobs.Options{})
			tt.play(b, id)
			got := b.call("", "watch", string(id)).want(t, 0).says(t, tt.stderr)
			if got.stdout != tt.stdout || tt.stderr == "" && got.stderr != "" {
				t.Errorf("stdout %q, want %q; stderr %q", got.stdout, tt.stdout, got.stderr)
			}
		})
	}
}

func TestWatchOfWhatIsNotStreamed(t *testing.T) {
	t.Parallel()
	b := newBench(t)
	b.work(echo)
	id := b.submit("hang on")
	w := b.watch(jobs.ID(id))
	until(t, "the remark", func() bool { return strings.Contains(w.stderr.String(), "was not submitted with --stream") })
	w.stop(errInterrupt)
	w.outcome(t).want(t, 1).says(t, "stopped: interrupt signal received", "enqueue watch "+id)

	if got := b.call("", "watch", b.submit("hello")).want(t, 0); got.stdout != "echo: hello\n" {
		t.Errorf("shows %q", got.stdout)
	}
	b.call("", "watch", b.submit("fail now", "--stream")).want(t, 1).says(t, "not allowed")
	b.call("", "watch", b.submit("cut short", "--stream")).want(t, 1).says(t, "max_output_tokens")
	b.call("", "watch", string(jobs.NewID(time.Now(), 0))).want(t, 1).says(t, "no such job")
	b.call("", "watch").want(t, 2).says(t, "name one job id")
	b.call("", "watch", "x", "--dev").want(t, 2)
}

// get says how to watch, as long as there is something to watch.
func TestGetSaysHowToWatch(t *testing.T) {
	t.Parallel()
	b := newBench(t)
	id := b.runs(jobs.Options{})
	wants := func(text string) {
		t.Helper()
		if got := b.call("", "get", string(id)).want(t, 0).stdout; !strings.Contains(got, text) {
			t.Errorf("get does not show %q:\n%s", text, got)
		}
	}
	wants("progress  ")
	wants("enqueue watch " + string(id) + " shows the answer as it is written")
	j, err := b.store.Load(t.Context(), id)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := b.store.Settle(t.Context(), results.Settlement{Job: j, Due: b.store.Now().Add(time.Hour), Looks: &jobs.Looks{Unstreamed: true}}); err != nil {
		t.Fatal(err)
	}
	wants("not streamed any more")
	b.ends(id, 1, "One.")
	if got := b.call("", "get", string(id)).want(t, 0).stdout; strings.Contains(got, "progress") {
		t.Errorf("get shows how to watch what has ended:\n%s", got)
	}
}

// A job that is held for a person is not waited for.
func TestWatchLeavesWhatIsHeld(t *testing.T) {
	t.Parallel()
	b := newBench(t)
	b.work(echo)
	id := b.submit("lose it", "--stream", "--uncertain", "hold")
	b.call("", "watch", id).want(t, 1).says(t, id, "held for a person", "enqueue release "+id)
}

func TestWatchJSON(t *testing.T) {
	t.Parallel()
	b := newBench(t)
	id := b.runs(jobs.Options{})
	b.says(id, 1, 4, "(thinks) hm", "One")
	b.ends(id, 1, "One.")
	got := lines(b.call("", "watch", string(id), "--json").want(t, 0).stdout)
	if len(got) != 3 || got[1] != `{"attempt":1,"sequence_number":5,"type":"response.output_text.delta","output_index":0,"delta":"One"}` {
		t.Fatalf("shows %q", got)
	}
	view := decode[jobView](t, got[2])
	if j := decode[jobs.Job](t, string(view.Job)); j.ID != id || j.State != jobs.StateSucceeded || !json.Valid(view.Response) {
		t.Errorf("the last line is %s", got[2])
	}
}

// A stdout that nobody reads any more ends the watch at once.
func TestWatchEndsWithItsReader(t *testing.T) {
	t.Parallel()
	b := newBench(t)
	id := b.runs(jobs.Options{})
	b.says(id, 1, 0, "One")
	reads, writes := io.Pipe()
	_ = reads.CloseWithError(errors.New("nobody reads"))
	var stderr testlog.Buffer
	ctx, cancel := context.WithTimeout(t.Context(), patienceOfTests)
	defer cancel()
	code := run(ctx, []string{"watch", string(id)}, system{stdin: strings.NewReader(""), stdout: writes, stderr: &stderr, environ: b.env})
	if code != 1 || ctx.Err() != nil || !strings.Contains(stderr.String(), "nobody reads") {
		t.Errorf("exit code %d, stderr:\n%s", code, stderr.String())
	}
}

// Everything in one process: submitted, followed, shown.
func TestDevStreamsWhatItIsAsked(t *testing.T) {
	t.Parallel()
	env := append(quick(), "LONGHAUL_SIMULATOR_RUNNING=300ms")
	got := call(t.Context(), env, "", "submit", "--dev", "--stream", "--wait", "--json", "--input", "The tide is high. It will fall.").want(t, 0)
	all := lines(got.stdout)
	var text strings.Builder
	for _, line := range all[:len(all)-1] {
		if p := decode[jobs.Progress](t, line); p.Type == jobs.TextDelta {
			text.WriteString(p.Delta)
		}
	}
	response, err := jobs.ParseResponse(decode[jobView](t, all[len(all)-1]).Response)
	if err != nil || text.String() != response.Text() || response.Text() == "" {
		t.Errorf("%d events with the text %q, the answer is %q, err %v", len(all)-1, text.String(), response.Text(), err)
	}
}
