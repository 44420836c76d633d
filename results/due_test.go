package results_test

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/longhaul-jobs/longhaul/jobs"
	"github.com/longhaul-jobs/longhaul/results"
)

func TestClaimedJobBelongsToItsClaimantUntilTheLeaseRunsOut(t *testing.T) {
	t.Parallel()
	onEach(t, results.Config{}, func(t *testing.T, h *harness) {
		j := h.in(jobs.StateRunning, jobs.Options{})
		other := h.another()
		h.StopClock()
		other.StopClock()
		if len(h.claim(time.Minute)) != 1 {
			t.Fatal("a due job was not claimed")
		}
		for shift, want := range map[time.Duration]int{59 * time.Second: 0, 61 * time.Second: 1} {
			other.ShiftClock(shift)
			if got := len(other.claim(0)); got != want {
				t.Errorf("%d jobs claimed %v into a lease of a minute, want %d", got, shift, want)
			}
			other.ShiftClock(-shift)
			h.check()
		}

		j = h.load(j.ID)
		if h.settle(results.Settlement{Job: j, Due: h.Now()})[0] != 0 {
			t.Error("job was not put back")
		}
		if len(other.claim(time.Minute)) != 1 {
			t.Error("a job that was put back was not claimed")
		}
	})
}

func TestEachDueJobIsClaimedByOneWorker(t *testing.T) {
	t.Parallel()
	onEach(t, results.Config{Shards: 4}, func(t *testing.T, h *harness) {
		const running = 60
		for range running {
			h.in(jobs.StateRunning, jobs.Options{})
		}
		stores := []*harness{h, h.another(), h.another()}
		claims := make([][]jobs.ID, len(stores))
		together(len(stores), func(i int) bool {
			for range 20 {
				due, err := stores[i].ClaimLooks(t.Context(), map[string]int{"openai": 2}, time.Hour)
				if err != nil {
					t.Errorf("ClaimDue: %v", err)
				}
				if len(due) > 2*4 {
					t.Errorf("%d jobs claimed, want at most two from each of four shards", len(due))
				}
				for _, j := range due {
					claims[i] = append(claims[i], j.ID)
				}
			}
			return true
		})
		all := slices.Sorted(slices.Values(slices.Concat(claims...)))
		if len(all) != running || len(slices.Compact(all)) != running {
			t.Errorf("%d claims, %d different; want each of %d jobs once", len(all), len(slices.Compact(all)), running)
		}
		h.check()
	})
}

func TestClaimTakesTheLongestDueFirst(t *testing.T) {
	t.Parallel()
	onEach(t, results.Config{Shards: 1}, func(t *testing.T, h *harness) {
		var want []jobs.ID
		for range 6 {
			want = append(want, h.in(jobs.StateRunning, jobs.Options{}).ID)
			h.ShiftClock(time.Second)
		}
		var got []jobs.ID
		for range 3 {
			due, err := h.ClaimLooks(t.Context(), map[string]int{"openai": 2}, time.Hour)
			if err != nil || len(due) != 2 {
				t.Fatalf("%d jobs claimed, err %v; want two", len(due), err)
			}
			got = append(got, due[0].ID, due[1].ID)
		}
		if diff := cmp.Diff(want, got); diff != "" {
			t.Errorf("order of claims (-want +got):\n%s", diff)
		}
	})
}

func TestClaimForgetsEntriesWithoutAJob(t *testing.T) {
	t.Parallel()
	onEach(t, results.Config{Shards: 1}, func(t *testing.T, h *harness) {
		j := h.in(jobs.StateRunning, jobs.Options{})
		for i := range 7 {
			h.rdb.ZAdd(t.Context(), h.key(j.ID, "looks:openai"), z(1, fmt.Sprint("ghost ", i)))
		}
		due, err := h.ClaimLooks(t.Context(), map[string]int{"openai": 2}, time.Minute)
		if err != nil || len(due) != 1 || due[0].ID != j.ID {
			t.Errorf("claimed %v, err %v; want the one job behind the ghosts", due, err)
		}
		h.check()
	})
}

// An old worker must neither touch what a newer one wrote nor keep it from the
// newer ones by leasing it, and its own work must not wait behind it.
func TestRecordsOfANewerSchemaAreLeftToNewerWorkers(t *testing.T) {
	t.Parallel()
	onEach(t, results.Config{Shards: 1}, func(t *testing.T, h *harness) {
		ctx := t.Context()
		var newer []jobs.Job
		for range 5 {
			j := h.in(jobs.StateRunning, jobs.Options{})
			h.makeNewer(j)
			newer = append(newer, j)
			h.ShiftClock(time.Second)
		}
		own := h.in(jobs.StateRunning, jobs.Options{})
		before := h.read()

		due, err := h.ClaimLooks(ctx, map[string]int{"openai": 1}, time.Minute)
		if err != nil || len(due) != 1 || due[0].ID != own.ID {
			t.Fatalf("claimed %v, err %v; want only the job of our schema", due, err)
		}
		if got := h.metric("longhaul_results_newer_schema_total"); got != 5 {
			t.Errorf("newer_schema_total = %v, want 5", got)
		}
		j, err := h.Load(ctx, newer[0].ID)
		if !errors.Is(err, jobs.ErrNewerSchema) || j.ID != newer[0].ID {
			t.Errorf("Load: %s, err %v; want ErrNewerSchema with what can be read", j.ID, err)
		}
		for _, ev := range []jobs.Event{jobs.StopRequested{}, jobs.Looked{Reply: reply(t, "resp_"+string(j.ID), jobs.StatusCompleted)}} {
			if _, err := h.Step(ctx, j.ID, ev); !errors.Is(err, jobs.ErrNewerSchema) {
				t.Errorf("%s: err %v, want ErrNewerSchema", ev.Name(), err)
			}
			// A record that was read before a newer worker rewrote it.
			if _, err := h.Advance(ctx, newer[0], ev); err == nil {
				t.Errorf("%s: an old record overwrote a newer one", ev.Name())
			}
		}
		if page, err := h.List(ctx, results.Filter{}); err != nil || len(page.Jobs) != 1 {
			t.Errorf("List: %d jobs, err %v; want the one of our schema", len(page.Jobs), err)
		}
		if n := h.audit(); n != 0 {
			t.Errorf("Audit repaired %d entries", n)
		}
		if diff := cmp.Diff(before, h.read()); diff != "" {
			t.Errorf("keys that changed (-before +after):\n%s", diff)
		}
	})
}

// makeNewer rewrites a record as a newer build would.
func (h *harness) makeNewer(j jobs.Job) {
	h.t.Helper()
	ctx := h.t.Context()
	key := h.key(j.ID, "job:"+string(j.ID))
	record := h.rdb.HGet(ctx, key, "record").Val()
	newer := strings.Replace(record, `"schema":1`, `"schema":99`, 1)
	if newer == record {
		h.t.Fatalf("record %s has no schema", record)
	}
	h.rdb.HSet(ctx, key, "record", newer)
	h.setHead(j.ID, headSchema, 99)
	h.setHead(j.ID, headVersion, j.Version+1)
}

func TestSettleLeavesAJobThatHasMovedOnAlone(t *testing.T) {
	t.Parallel()
	onEach(t, results.Config{}, func(t *testing.T, h *harness) {
		moved, stays := h.in(jobs.StateRunning, jobs.Options{}), h.in(jobs.StateRunning, jobs.Options{})
		gone := h.in(jobs.StateFailed, jobs.Options{})
		ended := h.in(jobs.StateRunning, jobs.Options{})
		h.claim(time.Minute)
		h.step(moved.ID, jobs.StopRequested{Reason: jobs.StopCancel})
		h.step(ended.ID, jobs.Looked{Reply: reply(t, "resp_"+string(ended.ID), jobs.StatusCompleted)})
		h.step(gone.ID, jobs.DeleteRequested{})

		looks := &jobs.Looks{Count: 9}
		due := h.Now().Add(time.Hour)
		got := h.settle(
			results.Settlement{Job: moved, Due: due, Looks: looks, Nudge: true},
			results.Settlement{Job: gone, Due: due, Looks: looks, Nudge: true},
			results.Settlement{Job: stays, Due: due, Looks: looks, Nudge: true},
			results.Settlement{Job: ended, Due: due, Looks: looks, Nudge: true},
		)
		if diff := cmp.Diff([]int{-1, -1, 1, -1}, got); diff != "" {
			t.Errorf("Settle (-want +got):\n%s", diff)
		}
		if j := h.load(moved.ID); j.Looks.Count != 0 || j.Nudge != 0 {
			t.Errorf("a job that had moved on has looks %+v, nudge %d", j.Looks, j.Nudge)
		}
		if j := h.load(stays.ID); j.Looks.Count != 9 || j.Nudge != 1 {
			t.Errorf("a job that had not moved on has looks %+v, nudge %d", j.Looks, j.Nudge)
		}
		h.check()
		if got := h.settle(); len(got) != 0 {
			t.Errorf("Settle of nothing = %v", got)
		}
	})
}

func TestSettleAnswersInTheOrderOfItsArguments(t *testing.T) {
	t.Parallel()
	onEach(t, results.Config{Shards: 3}, func(t *testing.T, h *harness) {
		var settlements []results.Settlement
		var want []int
		for i := range 40 {
			j := h.in(jobs.StateRunning, jobs.Options{})
			nudge := i%3 == 0
			for range i % 4 {
				h.settle(results.Settlement{Job: h.load(j.ID), Due: h.Now(), Nudge: true})
			}
			settlements = append(settlements, results.Settlement{Job: h.load(j.ID), Due: h.Now(), Nudge: nudge})
			number := 0
			if nudge {
				number = i%4 + 1
			}
			want = append(want, number)
		}
		if diff := cmp.Diff(want, h.settle(settlements...)); diff != "" {
			t.Errorf("numbers (-want +got):\n%s", diff)
		}
	})
}

// Two workers that nudge the same job, the first having lost its lease, raise
// the number to the same, and enqueue one task.
func TestTwoNudgesFromTheSameRecordAreOne(t *testing.T) {
	t.Parallel()
	onEach(t, results.Config{}, func(t *testing.T, h *harness) {
		j := h.accept(jobs.Options{})
		h.admit()
		j = h.load(j.ID)
		for range 2 {
			if got := h.settle(results.Settlement{Job: j, Due: h.Now(), Nudge: true}); got[0] != 1 {
				t.Errorf("nudge %d, want 1", got[0])
			}
		}
		j = h.step(j.ID, jobs.SubmitStarted{Attempt: 1})
		if j.Nudge != 0 || h.load(j.ID).Nudge != 0 {
			t.Errorf("nudge %d after the submit, want 0", j.Nudge)
		}
	})
}

func TestSettleWithoutATimeTakesTheEntryAway(t *testing.T) {
	t.Parallel()
	onEach(t, results.Config{}, func(t *testing.T, h *harness) {
		j := h.in(jobs.StateSucceeded, jobs.Options{})
		h.rdb.ZAdd(t.Context(), h.key(j.ID, "due"), z(1, string(j.ID)))
		due := h.claim(time.Minute)
		h.settle(results.Settlement{Job: due[j.ID]})
		h.check()
	})
}

func TestAuditPutsBackEveryKindOfEntry(t *testing.T) {
	t.Parallel()
	onEach(t, results.Config{Shards: 1}, func(t *testing.T, h *harness) {
		owing := func() jobs.Job {
			j := h.in(jobs.StateRunning, jobs.Options{})
			h.step(j.ID, jobs.StopRequested{Reason: jobs.StopCancel})
			return h.step(j.ID, jobs.StopGivenUp{ResponseID: "resp_" + string(j.ID)})
		}
		admitted := func() jobs.Job {
			j := h.accept(jobs.Options{})
			h.admit()
			return j
		}
		ready := func() jobs.Job {
			h.accept(jobs.Options{Lane: "full", Priority: new(9)})
			j := h.accept(jobs.Options{Lane: "full", Priority: new(0)})
			if _, err := h.Admit(t.Context(), "full", 1); err != nil {
				t.Fatal(err)
			}
			return j
		}
		planned := func() jobs.Job { return h.accept(jobs.Options{NotBefore: h.Now().Add(time.Hour)}) }
		tenant := func() jobs.Job {
			h.accept(jobs.Options{Lane: "tenants", Tenant: "acme", Priority: new(9)})
			j := h.accept(jobs.Options{Lane: "tenants", Tenant: "acme", Priority: new(0)})
			if _, err := h.Admit(t.Context(), "tenants", 1); err != nil {
				t.Fatal(err)
			}
			return j
		}
		in := func(state jobs.State) func() jobs.Job {
			return func() jobs.Job { return h.in(state, jobs.Options{}) }
		}
		for _, test := range []struct {
			name string
			job  func() jobs.Job
			sets []string
		}{
			{"waiting", planned, []string{"due", "later:default"}},
			{"ready", ready, []string{"due", "ready:full"}},
			{"ready of a tenant", tenant, []string{"due", "ready:tenants/acme"}},
			{"admitted", admitted, []string{"due", "admitted:default"}},
			{"submitting", in(jobs.StateSubmitting), []string{"due"}},
			{"running", in(jobs.StateRunning), []string{"looks:openai"}},
			{"uncertain", in(jobs.StateUncertain), []string{"due"}},
			{"owing", owing, []string{"due"}},
		} {
			j := test.job()
			h.check()
			removed := 0
			for _, set := range test.sets {
				removed += int(h.rdb.ZRem(t.Context(), h.key(j.ID, set), string(j.ID)).Val())
			}
			if removed != len(test.sets) {
				t.Fatalf("%s: removed from %d sets of %v", test.name, removed, test.sets)
			}
			if got := h.audit(); got != removed {
				t.Errorf("%s: Audit repaired %d entries, want %d", test.name, got, removed)
			}
			h.check()
			if got := h.audit(); got != 0 {
				t.Errorf("%s: the second Audit repaired %d entries", test.name, got)
			}
		}
	})
}

// What is put back is due at once, for whoever claims it sees what is owed and when;
// one that waits for its turn, at its deadline.
func TestAuditPutsEntriesBackAtTheirTime(t *testing.T) {
	t.Parallel()
	onEach(t, results.Config{}, func(t *testing.T, h *harness) {
		for state, soon := range map[jobs.State]bool{
			jobs.StateWaiting: false, jobs.StateSubmitting: true, jobs.StateRunning: true, jobs.StateUncertain: true,
		} {
			j := h.in(state, jobs.Options{})
			h.rdb.ZRem(t.Context(), h.key(j.ID, "due"), string(j.ID))
			h.audit()
			if _, due := h.claim(time.Minute)[j.ID]; due != soon {
				t.Errorf("%s: due at once %t, want %t", state, due, soon)
			}
			h.ShiftClock(jobs.DefaultDeadline + time.Second)
			if _, due := h.claim(time.Minute)[j.ID]; !due {
				t.Errorf("%s: not due at its deadline", state)
			}
		}
	})
}

func TestAuditReadsEveryPage(t *testing.T) {
	t.Parallel()
	h := onRedis(t, results.Config{Shards: 2})
	const backlog = 1300
	for range backlog {
		h.accept(jobs.Options{})
	}
	for shard := range 2 {
		h.rdb.Del(t.Context(), fmt.Sprintf("longhaul:{s%02x}:due", shard), fmt.Sprintf("longhaul:{s%02x}:ready:default", shard))
	}
	if got := h.audit(); got != 2*backlog {
		t.Errorf("Audit repaired %d entries, want %d", got, 2*backlog)
	}
	h.check()
}

func TestAuditForgetsListedJobsWithoutARecord(t *testing.T) {
	t.Parallel()
	onEach(t, results.Config{Shards: 1}, func(t *testing.T, h *harness) {
		h.rdb.SAdd(t.Context(), "longhaul:{s00}:streams", "response:default")
		h.rdb.ZAdd(t.Context(), "longhaul:{s00}:list:running:response:default", z(0, "ghost"))
		if got := h.audit(); got != 1 {
			t.Errorf("Audit repaired %d entries, want 1", got)
		}
		h.check()
	})
}

func TestBacklogSaysHowMuchIsDueAndForHowLong(t *testing.T) {
	t.Parallel()
	onEach(t, results.Config{}, func(t *testing.T, h *harness) {
		ctx := t.Context()
		if b, err := h.Backlog(ctx); err != nil || b != (results.Backlog{}) {
			t.Errorf("backlog of nothing = %+v, err %v", b, err)
		}
		first := h.accept(jobs.Options{})
		if b, err := h.Backlog(ctx); err != nil || b != (results.Backlog{Due: 1}) {
			t.Errorf("backlog of one that waits = %+v, err %v; want nothing overdue", b, err)
		}
		for range 3 {
			h.in(jobs.StateRunning, jobs.Options{})
		}
		h.ShiftClock(time.Hour)
		if err := h.Beat(ctx, results.Worker{ID: "w", Endpoints: []string{"openai"}}, time.Minute); err != nil {
			t.Fatal(err)
		}
		b, err := h.Backlog(ctx)
		age := time.Duration(b.OldestMilliseconds) * time.Millisecond
		if err != nil || b.Due != 4 || age < time.Hour || age > time.Hour+time.Minute {
			t.Errorf("backlog = %+v, err %v; want four, the oldest due for an hour", b, err)
		}
		h.rdb.ZRem(ctx, h.key(first.ID, "due"), string(first.ID))
		h.ShiftClock(time.Hour)
		if b, err := h.Backlog(ctx); err != nil || b != (results.Backlog{Due: 3}) {
			t.Errorf("backlog without a worker for the endpoint = %+v, err %v; want three and none to hurry for", b, err)
		}
	})
}
