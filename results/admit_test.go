package results_test

import (
	"fmt"
	"slices"
	"strconv"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/longhaul-jobs/longhaul/jobs"
	"github.com/longhaul-jobs/longhaul/results"
)

func admittedIDs(admitted []results.Admission) []jobs.ID {
	ids := make([]jobs.ID, 0, len(admitted))
	for _, a := range admitted {
		ids = append(ids, a.Job)
	}
	return ids
}

// A job whose attempt failed keeps its age: it does not go behind all that came
// while it was tried.
func TestRetriedJobKeepsItsAge(t *testing.T) {
	t.Parallel()
	onEach(t, results.Config{Shards: 1}, func(t *testing.T, h *harness) {
		old := h.in(jobs.StateSubmitting, jobs.Options{})
		h.ShiftClock(time.Second)
		young := h.accept(jobs.Options{})
		h.step(old.ID, jobs.CreateFailed{Attempt: 1, Failure: jobs.Failure{Class: jobs.ClassRateLimited}})
		want := []results.Admission{{Job: old.ID, Attempt: 2}, {Job: young.ID, Attempt: 1}}
		if diff := cmp.Diff(want, h.admit()); diff != "" {
			t.Errorf("admitted (-want +got):\n%s", diff)
		}
	})
}

func TestAdmitKeepsToTheWindow(t *testing.T) {
	t.Parallel()
	onEach(t, results.Config{Shards: 1}, func(t *testing.T, h *harness) {
		ctx := t.Context()
		var want []jobs.ID
		for range 5 {
			want = append(want, h.accept(jobs.Options{}).ID)
			h.ShiftClock(time.Millisecond)
		}
		admit := func(window int) []jobs.ID {
			admitted, err := h.Admit(ctx, jobs.DefaultLane, window)
			if err != nil {
				t.Fatal(err)
			}
			h.check()
			return admittedIDs(admitted)
		}
		var got []jobs.ID
		for _, test := range []struct{ window, admitted int }{{2, 2}, {2, 0}, {1, 0}, {3, 1}} {
			ids := admit(test.window)
			if len(ids) != test.admitted {
				t.Errorf("window %d admits %d jobs, want %d", test.window, len(ids), test.admitted)
			}
			got = append(got, ids...)
		}
		// Each way of leaving the queue makes room for one.
		h.step(got[0], jobs.SubmitStarted{Attempt: 1})
		got = append(got, admit(3)...)
		h.step(got[1], jobs.StopRequested{Reason: jobs.StopCancel})
		got = append(got, admit(3)...)
		if diff := cmp.Diff(want, got); diff != "" {
			t.Errorf("admitted (-want +got):\n%s", diff)
		}
		if j := h.load(got[2]); j.Admitted.IsZero() {
			t.Error("the record of an admitted job does not say so")
		}
	})
}

func TestAdmitGivesEachShardItsShare(t *testing.T) {
	t.Parallel()
	onEach(t, results.Config{Shards: 4}, func(t *testing.T, h *harness) {
		for range 80 {
			h.accept(jobs.Options{})
		}
		for _, test := range []struct{ window, each int }{{1, 1}, {8, 2}, {20, 5}} {
			admitted, err := h.Admit(t.Context(), jobs.DefaultLane, test.window)
			if err != nil {
				t.Fatal(err)
			}
			_ = admitted
			inQueue := map[int]int{}
			for key, members := range h.read() {
				for shard := range 4 {
					if key == fmt.Sprintf("longhaul:{s%02x}:admitted:default", shard) {
						inQueue[shard] = len(members)
					}
				}
			}
			want := map[int]int{0: test.each, 1: test.each, 2: test.each, 3: test.each}
			if diff := cmp.Diff(want, inQueue); diff != "" {
				t.Errorf("window %d, admitted in each shard (-want +got):\n%s", test.window, diff)
			}
		}
		h.check()
	})
}

func TestAdmitWaitsForTheTimeBeforeWhichAJobMayNotStart(t *testing.T) {
	t.Parallel()
	onEach(t, results.Config{Shards: 1}, func(t *testing.T, h *harness) {
		late := h.accept(jobs.Options{NotBefore: h.Now().Add(time.Hour), Priority: new(9)})
		soon := h.accept(jobs.Options{NotBefore: h.Now().Add(time.Minute), Priority: new(0)})
		now := h.accept(jobs.Options{Priority: new(0)})
		past := h.accept(jobs.Options{NotBefore: h.Now().Add(-time.Hour), Priority: new(1)})
		for _, step := range []struct {
			shift time.Duration
			want  []jobs.ID
		}{
			{0, []jobs.ID{past.ID, now.ID}},
			{30 * time.Second, []jobs.ID{}},
			{31 * time.Second, []jobs.ID{soon.ID}},
			{time.Hour, []jobs.ID{late.ID}},
		} {
			h.ShiftClock(step.shift)
			if diff := cmp.Diff(step.want, admittedIDs(h.admit())); diff != "" {
				t.Errorf("admitted after another %v (-want +got):\n%s", step.shift, diff)
			}
			h.check()
		}
	})
}

func TestAdmitTakesFromItsLaneOnly(t *testing.T) {
	t.Parallel()
	onEach(t, results.Config{}, func(t *testing.T, h *harness) {
		want := map[string][]jobs.ID{}
		for i := range 60 {
			lane := fmt.Sprintf("lane:%d", i%12)
			want[lane] = append(want[lane], h.accept(jobs.Options{Lane: lane}).ID)
		}
		if n := len(h.admit()); n != 0 {
			t.Errorf("%d jobs admitted to a lane that has none", n)
		}
		for lane, ids := range want {
			admitted, err := h.Admit(t.Context(), lane, 1000)
			if err != nil {
				t.Fatal(err)
			}
			got := admittedIDs(admitted)
			slices.Sort(got)
			slices.Sort(ids)
			if diff := cmp.Diff(ids, got); diff != "" {
				t.Errorf("lane %s (-want +got):\n%s", lane, diff)
			}
		}
		h.check()
	})
}

// More planned jobs than one call promotes become ready over several calls, and none is
// left behind.
func TestAdmitPromotesALongBacklogInPortions(t *testing.T) {
	t.Parallel()
	h := onRedis(t, results.Config{Shards: 1})
	const backlog = 1200
	for range backlog {
		h.accept(jobs.Options{NotBefore: h.Now().Add(time.Minute)})
	}
	h.ShiftClock(2 * time.Minute)
	seen := map[jobs.ID]bool{}
	for _, want := range []int{1000, 200, 0} {
		admitted := h.admit()
		if len(admitted) != want {
			t.Errorf("admitted %d jobs, want %d", len(admitted), want)
		}
		for _, a := range admitted {
			seen[a.Job] = true
		}
	}
	if len(seen) != backlog {
		t.Errorf("%d different jobs admitted, want %d", len(seen), backlog)
	}
	h.check()
}

func TestEachJobIsAdmittedByOneDispatcher(t *testing.T) {
	t.Parallel()
	onEach(t, results.Config{}, func(t *testing.T, h *harness) {
		const backlog = 100
		for range backlog {
			h.accept(jobs.Options{})
		}
		stores := []*harness{h, h.another(), h.another(), h.another()}
		taken := make([][]results.Admission, len(stores))
		together(len(stores), func(i int) bool {
			for range 30 {
				admitted, err := stores[i].Admit(t.Context(), jobs.DefaultLane, 10_000)
				if err != nil {
					t.Errorf("Admit: %v", err)
				}
				taken[i] = append(taken[i], admitted...)
			}
			return true
		})
		seen := map[jobs.ID]int{}
		for _, id := range admittedIDs(slices.Concat(taken...)) {
			seen[id]++
		}
		for id, n := range seen {
			if n != 1 {
				t.Errorf("%s was admitted %d times", id, n)
			}
		}
		if len(seen) != backlog {
			t.Errorf("%d jobs admitted, want %d", len(seen), backlog)
		}
		h.check()
	})
}

// The earlier of the overdue submit and the deadline is what an admitted job
// waits for.
func TestAdmittedJobIsDueWhenItsSubmitIsOverdueOrAtItsDeadline(t *testing.T) {
	t.Parallel()
	onEach(t, results.Config{Timing: jobs.Timing{Submit: time.Minute, Check: time.Second}}, func(t *testing.T, h *harness) {
		h.StopClock()
		overdue := h.accept(jobs.Options{})
		late := h.accept(jobs.Options{Deadline: h.Now().Add(30 * time.Second)})
		h.admit()
		for _, step := range []struct {
			shift time.Duration
			want  []jobs.ID
		}{
			{29 * time.Second, nil},
			{2 * time.Second, []jobs.ID{late.ID}},
			{30 * time.Second, []jobs.ID{overdue.ID}},
		} {
			h.ShiftClock(step.shift)
			var got []jobs.ID
			for id := range h.claim(time.Hour) {
				got = append(got, id)
			}
			if diff := cmp.Diff(step.want, got); diff != "" {
				t.Errorf("due after another %v (-want +got):\n%s", step.shift, diff)
			}
		}
	})
}

// A job that goes back to its lane keeps its place, and leaves nothing behind.
func TestPostponedKeepsItsPlace(t *testing.T) {
	t.Parallel()
	onEach(t, results.Config{Shards: 1}, func(t *testing.T, h *harness) {
		first := h.accept(jobs.Options{})
		h.ShiftClock(time.Millisecond)
		second := h.accept(jobs.Options{})
		h.admit()
		first = h.load(first.ID)
		back := h.step(first.ID, jobs.Postponed{Attempt: 1, Admitted: first.Admitted})
		if !back.Admitted.IsZero() || len(back.Attempts) != 0 || back.Version != first.Version+1 {
			t.Errorf("back in its lane: %+v", back)
		}
		h.check()
		h.step(second.ID, jobs.Postponed{Attempt: 1, Admitted: h.load(second.ID).Admitted})
		if diff := cmp.Diff([]jobs.ID{first.ID, second.ID}, admittedIDs(h.admit())); diff != "" {
			t.Errorf("admitted again (-want +got):\n%s", diff)
		}
		h.check()
		if _, err := h.Step(t.Context(), first.ID, jobs.Postponed{Attempt: 1, Admitted: first.Admitted.Add(-1)}); !results.Unchanged(err) {
			t.Errorf("a postponement of an admission that is over: %v", err)
		}
	})
}

// A job that was sent back until a time is not admitted before it, and then has the
// place that it had.
func TestPostponedUntilATime(t *testing.T) {
	t.Parallel()
	onEach(t, results.Config{Shards: 1}, func(t *testing.T, h *harness) {
		first := h.accept(jobs.Options{})
		h.admit()
		admission := h.load(first.ID).Admitted
		h.step(first.ID, jobs.Postponed{Attempt: 1, Admitted: admission, Until: h.Now().Add(time.Minute), Reason: jobs.WaitLimit})
		h.ShiftClock(time.Millisecond)
		second := h.accept(jobs.Options{NotBefore: h.Now().Add(time.Minute)})
		h.check()
		h.ShiftClock(50 * time.Second)
		if early := h.admit(); len(early) > 0 {
			t.Errorf("before its time, admitted: %v", early)
		}
		h.ShiftClock(11 * time.Second)
		if diff := cmp.Diff([]jobs.ID{first.ID, second.ID}, admittedIDs(h.admit())); diff != "" {
			t.Errorf("admitted afterwards (-want +got):\n%s", diff)
		}
		h.check()
	})
}

// One job of the lane is admitted, from any shard, until there is none.
func TestAdmitOne(t *testing.T) {
	t.Parallel()
	onEach(t, results.Config{}, func(t *testing.T, h *harness) {
		const n = 5
		for i := range n {
			h.accept(jobs.Options{DedupeKey: strconv.Itoa(i)})
		}
		seen := make(map[jobs.ID]bool)
		for range n * 2 {
			admitted, err := h.AdmitOne(t.Context(), jobs.DefaultLane)
			if err != nil || len(admitted) > 1 {
				t.Fatalf("admitted %v, %v", admitted, err)
			}
			for _, a := range admitted {
				seen[a.Job] = true
				h.step(a.Job, jobs.SubmitStarted{Attempt: a.Attempt})
			}
			h.check()
		}
		if len(seen) != n {
			t.Errorf("%d of %d jobs were admitted", len(seen), n)
		}
	})
}
