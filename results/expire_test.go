package results_test

import (
	"context"
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/longhaul-jobs/longhaul/jobs"
	"github.com/longhaul-jobs/longhaul/results"
)

func TestEndedJobIsForgottenWhenItsRetentionIsOver(t *testing.T) {
	t.Parallel()
	onEach(t, results.Config{}, func(t *testing.T, h *harness) {
		for _, state := range jobs.States() {
			h.in(state, jobs.Options{Retention: time.Hour, Group: "g", DedupeKey: string(state)})
		}
		for _, step := range []struct {
			shift time.Duration
			want  int
		}{{59 * time.Minute, 0}, {2 * time.Minute, 5}, {240 * time.Hour, 0}} {
			h.ShiftClock(step.shift)
			if got := h.expire(); got != step.want {
				t.Errorf("%d jobs forgotten after another %v, want %d", got, step.shift, step.want)
			}
			h.check()
		}
		counts, err := h.Counts(t.Context(), "g")
		if err != nil || counts.Total() != 4 || counts.Ended() != 0 {
			t.Errorf("counts %v, err %v; want the four that have not ended", counts, err)
		}
	})
}

func TestExpireForgetsABoundedNumber(t *testing.T) {
	t.Parallel()
	onEach(t, results.Config{Shards: 1}, func(t *testing.T, h *harness) {
		for range 5 {
			h.in(jobs.StateFailed, jobs.Options{Retention: time.Second})
		}
		h.ShiftClock(time.Minute)
		for _, want := range []int{2, 2, 1, 0} {
			if got, err := h.Expire(t.Context(), 2); err != nil || got != want {
				t.Errorf("Expire = %d, err %v; want %d", got, err, want)
			}
			h.check()
		}
		h.empty()
	})
}

func TestJobThatOwesAnEffectIsKeptUntilItHasPaid(t *testing.T) {
	t.Parallel()
	onEach(t, results.Config{}, func(t *testing.T, h *harness) {
		j := h.in(jobs.StateRunning, jobs.Options{Retention: time.Minute})
		h.step(j.ID, jobs.StopRequested{Reason: jobs.StopCancel})
		j = h.step(j.ID, jobs.StopGivenUp{ResponseID: "resp_" + string(j.ID)})
		if len(j.Outbox) != 1 {
			t.Fatalf("outbox %v, want the cancel", j.Outbox)
		}
		h.ShiftClock(2 * time.Minute)
		for range 3 {
			if got := h.expire(); got != 0 {
				t.Errorf("%d jobs forgotten that owe an effect", got)
			}
			h.check()
			h.ShiftClock(61 * time.Minute)
		}
		cancelled := reply(t, "resp_"+string(j.ID), jobs.StatusCancelled)
		h.step(j.ID, jobs.EffectDone{ID: 1, Reply: &cancelled})
		h.check()
		if got := h.expire(); got != 1 {
			t.Errorf("%d jobs forgotten when the effect was done, want 1", got)
		}
		h.empty()
	})
}

// What a job owes at an endpoint for which nobody comes any more is given up a week
// after its retention, and told; its deletion, which waited for that, is done.
//
// Guarantee: G14.
func TestDebtsEndAWeekAfterRetention(t *testing.T) {
	t.Parallel()
	for name, owe := range map[string]func(h *harness) jobs.Job{
		"a cancel": func(h *harness) jobs.Job {
			j := h.in(jobs.StateRunning, jobs.Options{Retention: time.Hour, Group: "g", DedupeKey: "k"})
			h.step(j.ID, jobs.StopRequested{Reason: jobs.StopCancel})
			return h.step(j.ID, jobs.StopGivenUp{ResponseID: "resp_" + string(j.ID)})
		},
		"a deletion": func(h *harness) jobs.Job {
			j := h.in(jobs.StateSucceeded, jobs.Options{Retention: time.Hour})
			return h.step(j.ID, jobs.DeleteRequested{Remote: true})
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			onEach(t, results.Config{}, func(t *testing.T, h *harness) {
				j := owe(h)
				h.ShiftClock(time.Hour + time.Minute)
				for range 6 * 24 {
					if got := h.expire(); got != 0 {
						t.Fatalf("%d jobs forgotten within a week that owe an effect", got)
					}
					h.ShiftClock(61 * time.Minute)
				}
				h.check()
				if n := h.audit(); n != 0 {
					t.Errorf("Audit repaired %d entries", n)
				}
				h.ShiftClock(24 * time.Hour)
				if got := h.expire(); got != 1 {
					t.Fatalf("%d jobs forgotten after a week, want it", got)
				}
				h.empty()
				log := h.log.String()
				for _, want := range []string{"debt given up", string(j.ID), j.Outbox[0].Endpoint, j.Outbox[0].ResponseID, string(j.Outbox[0].Kind)} {
					if !strings.Contains(log, want) {
						t.Errorf("the log does not tell of %s:\n%s", want, log)
					}
				}
			})
		})
	}
}

func TestRetriedJobDoesNotExpire(t *testing.T) {
	t.Parallel()
	onEach(t, results.Config{}, func(t *testing.T, h *harness) {
		j := h.in(jobs.StateFailed, jobs.Options{Retention: time.Second})
		h.step(j.ID, jobs.RetryRequested{})
		h.ShiftClock(time.Hour)
		if got := h.expire(); got != 0 {
			t.Error("a job that waits again was forgotten")
		}
		h.check()
		if admitted := h.admit(); len(admitted) != 1 || admitted[0].Attempt != 2 {
			t.Errorf("admitted %v, want the second attempt", admitted)
		}
		h.check()
	})
}

func TestRetryForgetsTheOldResult(t *testing.T) {
	t.Parallel()
	onEach(t, results.Config{}, func(t *testing.T, h *harness) {
		j := h.in(jobs.StateIncomplete, jobs.Options{})
		if body, err := h.Body(t.Context(), j.ID); err != nil || body == nil {
			t.Fatalf("incomplete job has body %q, err %v", body, err)
		}
		h.step(j.ID, jobs.RetryRequested{})
		if body, err := h.Body(t.Context(), j.ID); err != nil || body != nil {
			t.Errorf("retried job has body %q, err %v; want none", body, err)
		}
		h.check()
	})
}

func TestDeletedJobLeavesNothing(t *testing.T) {
	t.Parallel()
	onEach(t, results.Config{}, func(t *testing.T, h *harness) {
		ctx := t.Context()
		j := h.in(jobs.StateSucceeded, jobs.Options{Group: "g", Lane: "l", DedupeKey: "k"})
		j = h.step(j.ID, jobs.DeleteRequested{Remote: true})
		if len(j.Outbox) != 1 || h.load(j.ID).ID == "" {
			t.Fatalf("outbox %v, want the provider's copy first", j.Outbox)
		}
		h.check()
		h.step(j.ID, jobs.EffectDone{ID: 1})
		h.gone(j.ID)
		h.empty()
		if gone, err := h.Remove(ctx, j); !gone || err != nil {
			t.Errorf("Remove of a job that is gone = %t, err %v", gone, err)
		}
	})
}

func TestRemoveLeavesAJobThatHasMovedOnAlone(t *testing.T) {
	t.Parallel()
	onEach(t, results.Config{}, func(t *testing.T, h *harness) {
		ctx := t.Context()
		old := h.in(jobs.StateFailed, jobs.Options{})
		j := h.step(old.ID, jobs.RetryRequested{})
		if gone, err := h.Remove(ctx, old); gone || err != nil {
			t.Errorf("Remove with an old record = %t, err %v; want it left alone", gone, err)
		}
		h.check()
		if gone, err := h.Remove(ctx, j); !gone || err != nil {
			t.Errorf("Remove = %t, err %v; want it gone", gone, err)
		}
		h.empty()
	})
}

// A crash between the last effect and the removal leaves a record that only
// waits to go: it is due, so that the watchdog removes it.
func TestJobThatOnlyWaitsToGoIsDue(t *testing.T) {
	t.Parallel()
	onEach(t, results.Config{}, func(t *testing.T, h *harness) {
		j := h.in(jobs.StateSucceeded, jobs.Options{})
		h.step(j.ID, jobs.DeleteRequested{Remote: true})
		ctx, crash := context.WithCancel(t.Context())
		h.loser.loseNext(crash)
		if _, err := h.Step(ctx, j.ID, jobs.EffectDone{ID: 1}); !errors.Is(err, context.Canceled) {
			t.Fatalf("step of a process that dies: err %v", err)
		}
		h.check()
		due, ok := h.claim(time.Minute)[j.ID]
		if !ok || !due.Deleting || len(due.Outbox) != 0 {
			t.Fatalf("due %t, deleting %t, outbox %v; want it due for its removal", ok, due.Deleting, due.Outbox)
		}
		if gone, err := h.Remove(t.Context(), due); !gone || err != nil {
			t.Errorf("Remove = %t, err %v", gone, err)
		}
		h.empty()
	})
}
