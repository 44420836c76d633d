package results_test

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/redis/go-redis/v9"

	"github.com/longhaul-jobs/longhaul/internal/redistest"
	"github.com/longhaul-jobs/longhaul/results"
)

const atMain = "main"

// waiting has some lines wait for a batch, and returns their ids.
func (h *harness) waiting(model string, n, bytes int) []string {
	h.t.Helper()
	ids := make([]string, n)
	for i := range ids {
		ids[i] = fmt.Sprintf("line_%s_%03d", model, i)
		if err := h.AddLine(context.Background(), atMain, ids[i], model, bytes); err != nil {
			h.t.Fatal(err)
		}
	}
	return ids
}

func (h *harness) lineStates(ids []string) map[results.LineState]int {
	h.t.Helper()
	got := map[results.LineState]int{}
	for _, id := range ids {
		state, err := h.LineState(context.Background(), atMain, id)
		if err != nil {
			h.t.Fatal(err)
		}
		got[state]++
	}
	return got
}

// Lines wait by model; a batch takes the first of them, within its bounds, and each is in
// one batch.
func TestFormBatch(t *testing.T) {
	t.Parallel()
	onEach(t, results.Config{}, func(t *testing.T, h *harness) {
		ctx := t.Context()
		ids := h.waiting("gpt-4.1", 10, 100)
		h.waiting("gpt-4.1", 10, 100) // once more changes nothing
		h.waiting("gpt-5", 1, 5000)
		waiting, err := h.OpenLines(ctx, atMain)
		if err != nil || len(waiting) != 2 {
			t.Fatalf("%+v, %v", waiting, err)
		}
		for _, w := range waiting {
			if want := map[string]int{"gpt-4.1": 10, "gpt-5": 1}[w.Model]; w.Count != want || h.Now().Sub(w.Since) > time.Minute {
				t.Errorf("%+v, want %d", w, want)
			}
		}
		var seen []string
		for i, test := range []struct{ maxLines, maxBytes, want int }{{4, 1 << 20, 4}, {100, 350, 3}, {100, 50, 1}, {100, 1 << 20, 2}} {
			b, formed, err := h.FormBatch(ctx, atMain, "gpt-4.1", test.maxLines, test.maxBytes)
			if err != nil || !formed || b.Lines != test.want || b.Bytes != 100*test.want || b.Number != int64(i+1) {
				t.Fatalf("batch %d: %+v, %v; want %d lines", i, b, err, test.want)
			}
			members, err := h.BatchLines(ctx, atMain, b.Number)
			if err != nil || len(members) != test.want {
				t.Errorf("batch %d has the lines %v, %v", i, members, err)
			}
			seen = append(seen, members...)
		}
		slices.Sort(seen)
		if diff := cmp.Diff(ids, seen); diff != "" {
			t.Errorf("lines in batches (-want +got):\n%s", diff)
		}
		if _, formed, err := h.FormBatch(ctx, atMain, "gpt-4.1", 100, 100); formed || err != nil {
			t.Errorf("a batch of nothing: %t, %v", formed, err)
		}
		if all, err := h.Batches(ctx, atMain); err != nil || len(all) != 4 || all[0].Number != 1 || all[3].Stage != results.BatchFormed {
			t.Errorf("batches: %+v, %v", all, err)
		}
		if other, err := h.Batches(ctx, "other"); err != nil || len(other) != 0 {
			t.Errorf("at another endpoint: %+v, %v", other, err)
		}
	})
}

// pages is a hook that counts the commands which form a batch of large, and does something
// before the second of them.
type pages struct {
	formed int
	second func()
}

func (p *pages) DialHook(next redis.DialHook) redis.DialHook { return next }

func (p *pages) ProcessPipelineHook(next redis.ProcessPipelineHook) redis.ProcessPipelineHook {
	return next
}

func (p *pages) ProcessHook(next redis.ProcessHook) redis.ProcessHook {
	return func(ctx context.Context, cmd redis.Cmder) error {
		if cmd.Name() == "evalsha" && len(cmd.Args()) > 10 && slices.Contains(cmd.Args(), any("large")) {
			if p.formed++; p.formed == 2 && p.second != nil {
				p.second()
			}
		}
		return next(ctx, cmd)
	}
}

// A large batch is formed a page at a time, so that Redis does not stand still meanwhile;
// another worker that goes on with it after the first page has it without the others.
//
// Guarantee: G31.
func TestFormLargeBatch(t *testing.T) {
	t.Parallel()
	hook := &pages{}
	h := hooked(t, redistest.URL(t), results.Config{}, hook)
	ids := h.waiting("large", 4500, 1)
	ctx := t.Context()
	b, formed, err := h.FormBatch(ctx, atMain, "large", 2200, 1<<20)
	if err != nil || !formed || b.Lines != 2200 || b.Bytes != 2200 || hook.formed != 3 {
		t.Errorf("%+v, %v, in %d steps", b, err, hook.formed)
	}
	hook.formed = 0
	var stale results.Batch
	hook.second = func() {
		if stale, err = h.Batch(ctx, atMain, 2); err != nil || stale.Lines != 1000 {
			t.Errorf("after the first page: %+v, %v", stale, err)
		}
		stale.Stage = results.BatchUploaded
		if _, first, err := h.StepBatch(ctx, atMain, stale); err != nil || !first {
			t.Errorf("the step of another worker: %t, %v", first, err)
		}
	}
	if b, formed, err = h.FormBatch(ctx, atMain, "large", 2200, 1<<20); err != nil || !formed || b.Lines != 1000 {
		t.Errorf("%+v, %v", b, err)
	}
	if got := h.lineStates(ids); got[results.LineSent] != 3200 || got[results.LineOpen] != 1300 {
		t.Errorf("lines are %v", got)
	}
	hook.formed, hook.second = 0, func() {
		if stale, err = h.Batch(ctx, atMain, 3); err != nil {
			t.Error(err)
		}
	}
	if b, formed, err = h.FormBatch(ctx, atMain, "large", 2200, 1<<20); err != nil || !formed || b.Lines != 1300 {
		t.Errorf("%+v, %v", b, err)
	}
	if _, first, err := h.StepBatch(ctx, atMain, stale); err != nil || first {
		t.Errorf("a step by who has read it after the first page: %t, %v", first, err)
	}
}

// Lines leave a batch for good or for another one; what nobody wants does not come back.
func TestLeaveBatch(t *testing.T) {
	t.Parallel()
	onEach(t, results.Config{}, func(t *testing.T, h *harness) {
		ctx := t.Context()
		ids := h.waiting("gpt-4.1", 6, 100)
		if state, err := h.DropLine(ctx, atMain, ids[0]); state != results.LineUnsent || err != nil {
			t.Errorf("dropped before: %s, %v", state, err)
		}
		b, _, err := h.FormBatch(ctx, atMain, "gpt-4.1", 100, 1<<20)
		if err != nil || b.Lines != 5 {
			t.Fatalf("%+v, %v", b, err)
		}
		if state, err := h.DropLine(ctx, atMain, ids[1]); state != results.LineSent || err != nil {
			t.Errorf("dropped in a batch: %s, %v", state, err)
		}
		if _, err := h.DropLine(ctx, atMain, ids[1]); err != nil {
			t.Error(err)
		}
		if again, err := h.Batch(ctx, atMain, b.Number); err != nil || again.Unwanted != 1 {
			t.Errorf("%d of its lines are unwanted, %v", again.Unwanted, err)
		}
		want := map[results.LineState]int{results.LineGone: 1, results.LineLeft: 1, results.LineSent: 4}
		if diff := cmp.Diff(want, h.lineStates(ids)); diff != "" {
			t.Errorf("states (-want +got):\n%s", diff)
		}
		if left, err := h.LeaveBatch(ctx, atMain, b, h.Now().Add(-time.Second), ids[1], ids[2], ids[3]); left != 2 || err != nil {
			t.Errorf("%d left, %v", left, err)
		}
		// What has left counts no more: else a batch with lines that are wanted would be cancelled.
		if again, err := h.Batch(ctx, atMain, b.Number); err != nil || again.Unwanted != 0 {
			t.Errorf("%d of its lines are unwanted, %v", again.Unwanted, err)
		}
		if left, err := h.LeaveBatch(ctx, atMain, b, time.Time{}, ids[4]); left != 1 || err != nil {
			t.Errorf("%d left, %v", left, err)
		}
		want = map[results.LineState]int{results.LineGone: 3, results.LineOpen: 2, results.LineSent: 1}
		if diff := cmp.Diff(want, h.lineStates(ids)); diff != "" {
			t.Errorf("states (-want +got):\n%s", diff)
		}
		// Those that may be sent later only are in no batch yet.
		if _, err := h.LeaveBatch(ctx, atMain, b, h.Now().Add(time.Hour), ids[5]); err != nil {
			t.Fatal(err)
		}
		if again, formed, err := h.FormBatch(ctx, atMain, "gpt-4.1", 100, 1<<20); !formed || again.Lines != 2 || err != nil {
			t.Errorf("the next batch: %+v, %v", again, err)
		}
		if state, err := h.DropLine(ctx, atMain, "line_x"); state != results.LineGone || err != nil {
			t.Errorf("dropped although unknown: %s, %v", state, err)
		}
	})
}

// Of two that go on with a batch one is first; one that is done is still told of.
func TestStepBatch(t *testing.T) {
	t.Parallel()
	onEach(t, results.Config{}, func(t *testing.T, h *harness) {
		ctx := t.Context()
		h.waiting("gpt-4.1", 1, 100)
		b, _, err := h.FormBatch(ctx, atMain, "gpt-4.1", 1, 1000)
		if err != nil {
			t.Fatal(err)
		}
		b.Stage, b.FileID = results.BatchUploaded, "file-1"
		next, first, err := h.StepBatch(ctx, atMain, b)
		if !first || err != nil {
			t.Fatal(first, err)
		}
		if _, first, err := h.StepBatch(ctx, atMain, b); first || err != nil {
			t.Errorf("twice from one record: %t, %v", first, err)
		}
		// Who fell behind has no line of what was sent meanwhile wait for another batch.
		if _, err := h.LeaveBatch(ctx, atMain, b, h.Now(), "line_gpt-4.1_000"); !errors.Is(err, results.ErrBatchMoved) {
			t.Errorf("a line taken out from an old record: %v", err)
		}
		if open, err := h.OpenLines(ctx, atMain); err != nil || len(open) != 0 {
			t.Errorf("%+v waits for another batch, %v", open, err)
		}
		next.Stage, next.Answered = results.BatchDone, 1
		if next, first, err = h.StepBatch(ctx, atMain, next); !first || err != nil {
			t.Fatal(first, err)
		}
		if all, err := h.Batches(ctx, atMain); err != nil || len(all) != 0 {
			t.Errorf("at work: %+v, %v", all, err)
		}
		got, err := h.Batch(ctx, atMain, next.Number)
		if err != nil || got.Stage != results.BatchDone || got.FileID != "file-1" {
			t.Errorf("done: %+v, %v", got, err)
		}
		for _, step := range []struct {
			worker string
			want   bool
		}{{"w1", true}, {"w2", false}, {"w1", true}} {
			if is, err := h.KeepBatches(ctx, atMain, step.worker, time.Minute); is != step.want || err != nil {
				t.Errorf("%s looks after them: %t, %v", step.worker, is, err)
			}
		}
	})
}
