package e2e_test

import (
	"context"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/longhaul-jobs/longhaul/internal/installation"
	"github.com/longhaul-jobs/longhaul/jobs"
)

// longQuestion has an answer of two hundred words: the stand-in picks a dozen sentences
// that have little in common.
func longQuestion() string {
	var b strings.Builder
	for i := range 120 {
		fmt.Fprintf(&b, "Harbour%d", i)
		for k := range 15 {
			fmt.Fprintf(&b, " stone%d", 16*i+k)
		}
		b.WriteString(". ")
	}
	return fmt.Sprintf(`{"input":%q}`, b.String())
}

// watched is a streamed job, and `enqueue watch` of it.
type watched struct {
	*installation.Installation

	id    jobs.ID
	watch *installation.Process
}

// watchOne submits a streamed job and watches it.
func watchOne(t *testing.T, in *installation.Installation) *watched {
	t.Helper()
	s, err := in.Client.Submit(t.Context(), []byte(longQuestion()), jobs.Options{Stream: true})
	if err != nil {
		t.Fatal(err)
	}
	return &watched{Installation: in, id: s.Job.ID, watch: installation.Start(t, in.Environ(), "enqueue", "watch", string(s.Job.ID))}
}

// wordsShown waits until the watch has shown so many words, and returns the text.
func (w *watched) wordsShown(t *testing.T, n int) string {
	t.Helper()
	for range 1200 {
		if text := w.watch.Stdout.String(); strings.Count(text, " ") >= n {
			return text
		}
		time.Sleep(25 * time.Millisecond)
	}
	t.Fatalf("%d words were never shown:\n%s\n%s", n, w.watch.Stdout, w.watch.Stderr)
	return ""
}

// whole waits for the end and wants the job succeeded, created once, and its whole text
// shown once and nothing else.
func (w *watched) whole(t *testing.T) jobs.Job {
	t.Helper()
	ended := w.WaitAll([]jobs.ID{w.id}, time.Minute)
	w.Succeeded(ended)
	if a := installation.Compare(ended, w.LedgerOf(w.id)); a.Creates != 1 || len(a.Problems) > 0 || len(ended[0].Attempts) != 1 {
		t.Errorf("%d creates, %d attempts; %v", a.Creates, len(ended[0].Attempts), a.Problems)
	}
	text, err := w.Client.Text(t.Context(), w.id)
	if err != nil {
		t.Fatal(err)
	}
	if code := w.watch.Wait(); code != 0 {
		t.Errorf("the watch ends with %d:\n%s", code, w.watch.Stderr)
	}
	if got := w.watch.Stdout.String(); got != text+"\n" || strings.Count(text, " ") < 80 {
		t.Errorf("shown:\n%s\nthe answer:\n%s", got, text)
	}
	if said := w.watch.Stderr.String(); strings.Contains(said, "which follows") || strings.Contains(said, "begins anew") {
		t.Errorf("the watch says:\n%s", said)
	}
	return ended[0]
}

// everyDelta wants each piece of the text kept once, without a gap, and all of them to
// be the answer.
func (w *watched) everyDelta(t *testing.T) {
	t.Helper()
	var text strings.Builder
	var last jobs.Place
	for p, err := range w.Client.Watch(t.Context(), w.id, jobs.Place{}) {
		if err != nil {
			t.Fatal(err)
		}
		if p.Type != jobs.TextDelta {
			continue
		}
		if last != (jobs.Place{}) && p.Place != (jobs.Place{Attempt: 1, Sequence: last.Sequence + 1}) {
			t.Errorf("%s follows %s", p.Place, last)
		}
		last = p.Place
		text.WriteString(p.Delta)
	}
	if answer, err := w.Client.Text(t.Context(), w.id); err != nil || text.String() != answer {
		t.Errorf("the pieces make\n%s\nand not the answer\n%s\n(%v)", &text, answer, err)
	}
}

// TestWatchSurvivesItsWorker takes the worker away in the middle of an answer that is
// being watched: by force, and in peace. Another goes on, and every delta is shown once.
//
// Guarantees: G1, G3, G4, G27.
func TestWatchSurvivesItsWorker(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		name string
		end  func(t *testing.T, worker *installation.Process)
	}{
		{"kill -9", func(_ *testing.T, worker *installation.Process) { worker.Kill() }},
		{"SIGTERM", func(t *testing.T, worker *installation.Process) {
			t.Helper()
			if code := worker.Terminate(); code != 0 {
				t.Errorf("exit code %d after SIGTERM, want 0", code)
			}
		}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			in := installation.New(t, "--simulator-queued", "200ms", "--simulator-running", "25s")
			environ := []string{"LONGHAUL_WATCHDOG_HEARTBEAT=500ms", "LONGHAUL_WATCHDOG_DEAD_AFTER=2s", "LONGHAUL_LOG_LEVEL=debug"}
			first := in.Worker(environ...)
			w := watchOne(t, in)
			w.wordsShown(t, 10)
			second := in.Worker(environ...)
			before := w.wordsShown(t, 20)
			tt.end(t, first)
			after := w.wordsShown(t, strings.Count(before, " ")+20)
			if j, err := in.Client.Get(t.Context(), w.id); err != nil || j.State != jobs.StateRunning {
				t.Errorf("the job is %s when more is shown, err %v", j.State, err)
			}
			if !strings.HasPrefix(after, before) {
				t.Errorf("what was shown has changed: %q, then %q", before, after)
			}
			w.whole(t)
			w.everyDelta(t)
			second.StaysUp()
		})
	}
}

// TestWatchSurvivesBadStreams has streams end too soon, fall silent, or be refused: the
// whole answer is shown all the same, and none of it is an end or a failure.
//
// Guarantee: G27.
func TestWatchSurvivesBadStreams(t *testing.T) {
	t.Parallel()
	in := installation.New(t, "--simulator-queued", "100ms", "--simulator-running", "4s")
	worker := in.Worker("LONGHAUL_STREAM_STALL=700ms", "LONGHAUL_LOG_LEVEL=debug")
	for _, tt := range []struct {
		name, action, log string
		streamed          bool // to the end
	}{
		{"good", `"running":"2s"`, `"end":"terminal"`, true},
		{"cut", `"stream_cut":40`, `stream ended before the response`, true},
		{"silent", `"stream_stall":12`, `stream stalled`, false},
		{"refused", `"stream_refuse":true`, `more than 5 minutes old`, false},
	} {
		in.Faults(`{"rules":[{"match":{"op":"create"},"action":{` + tt.action + `}}]}`)
		w := watchOne(t, in)
		if j := w.whole(t); j.Looks.Failed != 0 {
			t.Errorf("%s: looks %+v", tt.name, j.Looks)
		}
		if tt.streamed {
			w.everyDelta(t)
		}
		if !strings.Contains(worker.Stderr.String(), tt.log) {
			t.Errorf("%s: the log does not say %q", tt.name, tt.log)
		}
	}
	worker.StaysUp()
}

// TestCancelOfAStreamedJob ends the stream, the job and the watch.
//
// Guarantees: G8, G27.
func TestCancelOfAStreamedJob(t *testing.T) {
	t.Parallel()
	in := installation.New(t, "--simulator-queued", "100ms", "--simulator-running", "1m")
	in.Worker()
	w := watchOne(t, in)
	w.wordsShown(t, 3)
	if _, err := in.Client.Cancel(t.Context(), w.id); err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithTimeout(t.Context(), 20*time.Second)
	defer cancel()
	if j, err := in.Client.Wait(ctx, w.id); err != nil || j.State != jobs.StateCancelled {
		t.Errorf("%s, err %v; want cancelled", j.State, err)
	}
	if code := w.watch.Wait(); code != 1 || !strings.Contains(w.watch.Stderr.String(), "cancelled") {
		t.Errorf("the watch ends with %d:\n%s", code, w.watch.Stderr)
	}
}

// TestStreamOutlivesRedis takes Redis away in the middle of an answer, for a moment.
//
// Guarantees: G5, G27.
func TestStreamOutlivesRedis(t *testing.T) {
	t.Parallel()
	in := installation.New(t, "--simulator-queued", "100ms", "--simulator-running", "15s")
	worker := in.Worker()
	w := watchOne(t, in)
	w.wordsShown(t, 10)
	in.Redis.Stop()
	time.Sleep(2 * time.Second) // Redis is away; the provider goes on
	in.Redis.Restart()
	w.wordsShown(t, 60)
	w.whole(t)
	w.everyDelta(t)
	worker.StaysUp()
}
