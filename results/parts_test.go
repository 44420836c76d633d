package results_test

import (
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/longhaul-jobs/longhaul/jobs"
	"github.com/longhaul-jobs/longhaul/results"
)

// parent is a new job that has parts.
func (h *harness) parent(options jobs.Options) jobs.Job {
	h.t.Helper()
	r, err := jobs.ParseParent(jobs.KindSummarize, []byte(`{"text":"a document"}`), jobs.DefaultModel)
	if err != nil {
		h.t.Fatal(err)
	}
	j, _, err := h.Accept(h.t.Context(), r, options)
	if err != nil {
		h.t.Fatalf("Accept: %v", err)
	}
	return j
}

// part accepts a part, and reports whether it is a new job.
func (h *harness) part(parent jobs.Job, text string) (jobs.Job, bool) {
	h.t.Helper()
	j, fresh, err := h.AcceptPart(h.t.Context(), parent, "part "+text, request(h.t, text), "")
	if err != nil {
		h.t.Fatalf("AcceptPart: %v", err)
	}
	return j, fresh
}

// plans claims all parents that are due.
func (h *harness) plans(limit int) []jobs.ID {
	h.t.Helper()
	claimed, err := h.ClaimPlans(h.t.Context(), jobs.ParentKinds(), limit, time.Minute)
	if err != nil {
		h.t.Fatalf("ClaimPlans: %v", err)
	}
	ids := make([]jobs.ID, len(claimed))
	for i, j := range claimed {
		ids[i] = j.ID
	}
	return ids
}

func (h *harness) attach(parent jobs.ID, ask time.Time, parts ...results.PlanPart) jobs.State {
	h.t.Helper()
	state, err := h.AttachParts(h.t.Context(), parent, parts, ask, 0)
	if err != nil {
		h.t.Fatalf("AttachParts: %v", err)
	}
	return state
}

func (h *harness) partsEnded(parent jobs.ID, ended ...jobs.ID) int {
	h.t.Helper()
	left, err := h.PartsEnded(h.t.Context(), parent, ended)
	if err != nil {
		h.t.Fatalf("PartsEnded: %v", err)
	}
	return left
}

// TestParentLivesBesideItsLane takes a parent from its acceptance to its removal and
// compares every key with the records on the way. It is never admitted, never due but
// for its planner until it has ended, and its result comes in one write.
//
// Guarantee: G30.
func TestParentLivesBesideItsLane(t *testing.T) {
	t.Parallel()
	onEach(t, results.Config{}, func(t *testing.T, h *harness) {
		j := h.parent(jobs.Options{Group: "run", Tenant: "acme", DedupeKey: "doc", Retention: time.Millisecond})
		h.check()
		if admitted := h.admit(); len(admitted) != 0 {
			t.Fatalf("admitted %v", admitted)
		}
		if due := h.claim(time.Minute); len(due) != 0 {
			t.Fatalf("due beside its planner: %v", due)
		}
		if n := h.audit(); n != 0 {
			t.Errorf("Audit repaired %d entries", n)
		}
		if due := h.plans(10); !slices.Equal(due, []jobs.ID{j.ID}) || len(h.plans(10)) != 0 {
			t.Fatalf("claimed %v", due)
		}
		one, _ := h.part(j, "one")
		two, fresh := h.part(j, "two")
		if again, twice := h.part(j, "two"); !fresh || twice || again.ID != two.ID || two.Parent != j.ID || two.Group != "run" || two.Part != "part two" {
			t.Fatalf("the same part twice: %t %t %+v", fresh, twice, two)
		}
		ask := h.Now().Add(time.Hour)
		state := h.attach(j.ID, ask,
			results.PlanPart{ID: one.ID, Phase: 1, Index: 0, Open: true}, results.PlanPart{ID: two.ID, Phase: 1, Index: 1, Open: true})
		if state != jobs.StateWaiting {
			t.Fatalf("state %q", state)
		}
		j = h.step(j.ID, jobs.Planned{Since: j.Plan.Since, Phase: 1, Parts: 2})
		h.attach(j.ID, ask)
		h.check()
		if open, all, err := h.PartCounts(t.Context(), j.ID); err != nil || open != 2 || all != 2 {
			t.Errorf("%d of %d open, %v", open, all, err)
		}
		if left := h.partsEnded(j.ID, one.ID); left != 1 || len(h.plans(10)) != 0 {
			t.Errorf("%d left, or due too early", left)
		}
		if left := h.partsEnded(j.ID, two.ID); left != 0 || !slices.Equal(h.plans(10), []jobs.ID{j.ID}) {
			t.Errorf("%d left, or not due", left)
		}
		if left := h.partsEnded(j.ID, two.ID); left != 0 || len(h.plans(10)) != 0 {
			t.Errorf("%d left, or due because it was told twice", left)
		}
		ended := h.step(j.ID, jobs.PlanEnded{Since: j.Plan.Since, Result: json.RawMessage(`{"summary":"s"}`)})
		h.check()
		if body, err := h.Body(t.Context(), j.ID); err != nil || string(body) != `{"summary":"s"}` || ended.Result.Bytes != len(body) {
			t.Errorf("result %s, %v", body, err)
		}
		for _, id := range []jobs.ID{one.ID, two.ID} {
			h.step(id, jobs.StopRequested{Reason: jobs.StopCancel})
			h.step(id, jobs.DeleteRequested{})
		}
		time.Sleep(3 * time.Millisecond) // its retention
		h.expire()
		h.gone(j.ID)
		h.empty()
	})
}

// TestLastPartThatEndedInBetweenMakesItsParentDue, although the parent is put back for
// later by who has not heard of it.
//
// Guarantee: G30.
func TestLastPartThatEndedInBetweenMakesItsParentDue(t *testing.T) {
	t.Parallel()
	h := onRedis(t, results.Config{})
	j := h.parent(jobs.Options{})
	h.plans(1)
	one, _ := h.part(j, "one")
	h.attach(j.ID, time.Time{}, results.PlanPart{ID: one.ID, Phase: 1, Open: true})
	h.partsEnded(j.ID, one.ID)
	h.plans(1) // who takes the step
	h.attach(j.ID, h.Now().Add(time.Hour))
	if due := h.plans(1); len(due) != 1 {
		t.Error("the parent waits for nothing, and is due in an hour")
	}
	h.step(j.ID, jobs.StopRequested{Reason: jobs.StopCancel})
	if state := h.attach(j.ID, h.Now(), results.PlanPart{ID: one.ID, Phase: 1, Open: true}); state != jobs.StateCancelled {
		t.Errorf("a cancelled parent takes parts: %q", state)
	}
	h.step(j.ID, jobs.EffectDone{ID: 1})
	h.check()
	if state := h.attach("job_0199f0c0a80070008000000000000001", h.Now()); state != "" {
		t.Errorf("a parent that is not there is %q", state)
	}
}

// TestRetriedParentPlansAnew, though a part that it waited for before still runs.
//
// Guarantee: G30.
func TestRetriedParentPlansAnew(t *testing.T) {
	t.Parallel()
	onEach(t, results.Config{}, func(t *testing.T, h *harness) {
		j := h.parent(jobs.Options{})
		one, _ := h.part(j, "one")
		h.attach(j.ID, h.Now().Add(time.Hour), results.PlanPart{ID: one.ID, Phase: 1, Open: true})
		h.step(j.ID, jobs.StopRequested{Reason: jobs.StopCancel})
		if open, err := h.OpenParts(t.Context(), j.ID); err != nil || len(open) != 1 {
			t.Errorf("open once it was cancelled: %v, %v", open, err)
		}
		h.step(j.ID, jobs.RetryRequested{})
		if open, err := h.OpenParts(t.Context(), j.ID); err != nil || len(open) != 0 {
			t.Errorf("open once it was tried again: %v, %v", open, err)
		}
		if due := h.plans(10); !slices.Equal(due, []jobs.ID{j.ID}) {
			t.Errorf("claimed %v", due)
		}
		h.check()
	})
}

// TestPartsAreFoundByWhatTheyAsk, of whatever parent, in the order in which they are
// asked for.
//
// Guarantee: G30.
func TestPartsAreFoundByWhatTheyAsk(t *testing.T) {
	t.Parallel()
	onEach(t, results.Config{}, func(t *testing.T, h *harness) {
		first, second := h.parent(jobs.Options{}), h.parent(jobs.Options{Group: "other"})
		var keys []string
		var want []jobs.ID
		for i := range 600 {
			r := request(t, fmt.Sprint("text ", i))
			keys = append(keys, second.PartKey(r))
			want = append(want, "")
			if i%3 == 0 {
				j, _ := h.part(first, fmt.Sprint("text ", i))
				want[i] = j.ID
			}
		}
		h.step(want[0], jobs.StopRequested{Reason: jobs.StopCancel})
		h.step(want[0], jobs.DeleteRequested{})
		want[0] = "" // it is gone, or going
		found, err := h.FindParts(t.Context(), keys)
		if err != nil || len(found) != len(keys) {
			t.Fatalf("found %d, %v", len(found), err)
		}
		for i, j := range found {
			if j.ID != want[i] {
				t.Errorf("part %d is %q, want %q", i, j.ID, want[i])
			}
		}
	})
}

// TestPartsGoInTheirParentsPlace: what was begun first ends first.
func TestPartsGoInTheirParentsPlace(t *testing.T) {
	t.Parallel()
	now := time.Now()
	h := onRedis(t, results.Config{Shards: 1, Clock: func() time.Time { return now }})
	j := h.parent(jobs.Options{})
	now = now.Add(time.Minute)
	between := h.accept(jobs.Options{})
	now = now.Add(time.Minute)
	part, _ := h.part(j, "one")
	h.check()
	admitted := h.admit()
	if len(admitted) != 2 || admitted[0].Job != part.ID || admitted[1].Job != between.ID {
		t.Errorf("admitted %v; want the part %s and then %s", admitted, part.ID, between.ID)
	}
}

// TestClaimsOfParentsAreBounded by how many may be begun, of all shards together; one
// that was not finished is counted, and one that was put back is not.
//
// Guarantee: G30.
func TestClaimsOfParentsAreBounded(t *testing.T) {
	t.Parallel()
	now := time.Now()
	h := onRedis(t, results.Config{Clock: func() time.Time { return now }})
	for range 10 {
		h.parent(jobs.Options{})
	}
	if n := len(h.plans(3)); n != 3 {
		t.Errorf("claimed %d, want 3", n)
	}
	if n := len(h.plans(100)); n != 7 {
		t.Errorf("claimed %d, want the other 7", n)
	}
	now = now.Add(2 * time.Minute) // all leases are over
	claimed, err := h.ClaimPlans(t.Context(), jobs.ParentKinds(), 100, time.Minute)
	if err != nil || len(claimed) != 10 {
		t.Fatalf("claimed %d, %v", len(claimed), err)
	}
	for _, j := range claimed {
		if j.Lapsed != 1 {
			t.Errorf("%s was not finished %d times, want once", j.ID, j.Lapsed)
		}
	}
	one := claimed[0]
	h.settle(results.Settlement{Job: one, Due: now, Nudge: true})
	if j := h.load(one.ID); j.Lapsed != 0 || j.Nudge != 1 {
		t.Errorf("put back: %d lapses, nudge %d", j.Lapsed, j.Nudge)
	}
	if held, err := h.TakeClaim().Renew(t.Context(), claimed[1], jobs.Looks{}, time.Hour, false); err != nil || !held {
		t.Fatalf("renewed: %t, %v", held, err)
	}
	now = now.Add(2 * time.Minute)
	if due := h.plans(100); len(due) != 9 || slices.Contains(due, claimed[1].ID) {
		t.Errorf("claimed %d, want all but the one that was renewed", len(due))
	}
	h.check()
}

// TestParentsAreTakenOver at once when their worker is silent.
//
// Guarantees: G3, G30.
func TestParentsAreTakenOver(t *testing.T) {
	t.Parallel()
	now := time.Now()
	h := onRedis(t, results.Config{Clock: func() time.Time { return now }})
	j := h.parent(jobs.Options{})
	h.ClaimAs("w_gone")
	if err := h.Beat(t.Context(), results.Worker{ID: "w_gone"}, time.Second); err != nil {
		t.Fatal(err)
	}
	h.plans(1)
	now = now.Add(5 * time.Second)
	other := h.another()
	other.ClaimAs("w_here")
	if due := other.plans(1); len(due) != 0 {
		t.Fatal("it was claimed twice")
	}
	taken, err := other.TakeOver(t.Context(), time.Minute)
	if err != nil || len(taken) != 1 {
		t.Fatalf("taken over from %v, %v", taken, err)
	}
	if due := other.plans(1); !slices.Equal(due, []jobs.ID{j.ID}) {
		t.Errorf("claimed %v", due)
	}
}

// TestAuditPutsBackAParent whose entry was lost.
//
// Guarantees: G11, G30.
func TestAuditPutsBackAParent(t *testing.T) {
	t.Parallel()
	h := onRedis(t, results.Config{})
	j := h.parent(jobs.Options{})
	if err := h.rdb.ZRem(t.Context(), h.key(j.ID, "plans:summarize"), string(j.ID)).Err(); err != nil {
		t.Fatal(err)
	}
	if n := h.audit(); n != 1 {
		t.Errorf("Audit repaired %d entries, want 1", n)
	}
	if due := h.plans(1); !slices.Equal(due, []jobs.ID{j.ID}) {
		t.Errorf("claimed %v", due)
	}
	h.check()
}

// TestParentsOfAGroupAreCountedAndListedWithoutTheirParts, from lists of their own.
func TestParentsOfAGroupAreCountedAndListedWithoutTheirParts(t *testing.T) {
	t.Parallel()
	onEach(t, results.Config{}, func(t *testing.T, h *harness) {
		var parents []jobs.ID
		for range 3 {
			j := h.parent(jobs.Options{Group: "run"})
			parents = append(parents, j.ID)
			for i := range 20 {
				h.part(j, fmt.Sprint(j.ID, i))
			}
		}
		h.step(parents[0], jobs.StopRequested{Reason: jobs.StopCancel})
		h.check()
		counts, err := h.KindCounts(t.Context(), "run", jobs.KindSummarize)
		if err != nil || counts[jobs.StateWaiting] != 2 || counts[jobs.StateCancelled] != 1 || counts.Total() != 3 {
			t.Errorf("parents %v, %v", counts, err)
		}
		if all, err := h.Counts(t.Context(), "run"); err != nil || all.Total() != 63 {
			t.Errorf("all of the group %v, %v", all, err)
		}
		if lane, err := h.LaneCounts(t.Context(), jobs.DefaultLane); err != nil || lane.Total() != 60 {
			t.Errorf("in the lane %v, %v", lane, err)
		}
		page, err := h.List(t.Context(), results.Filter{Group: "run", Kind: jobs.KindSummarize, Limit: 10})
		if err != nil || len(page.Jobs) != 3 || page.Looked != 3 {
			t.Errorf("listed %d, looked at %d, %v", len(page.Jobs), page.Looked, err)
		}
		if _, err := h.KindCounts(t.Context(), "run", jobs.KindResponse); jobs.ClassOf(err) != jobs.ClassInvalid {
			t.Errorf("responses counted apart: %v", err)
		}
		if _, err := h.KindCounts(t.Context(), "a/b", jobs.KindSummarize); jobs.ClassOf(err) != jobs.ClassInvalid {
			t.Errorf("a name that is none: %v", err)
		}
	})
}

// TestPartsArePaidForByTheKindOfTheirParent in the ledger.
//
// Guarantee: G24.
func TestPartsArePaidForByTheKindOfTheirParent(t *testing.T) {
	t.Parallel()
	h := onRedis(t, results.Config{})
	part, _ := h.part(h.parent(jobs.Options{Group: "run"}), "one")
	h.admit()
	h.step(part.ID, jobs.SubmitStarted{Attempt: 1, Worker: "w", Endpoint: "openai"})
	h.step(part.ID, jobs.Created{Attempt: 1, Reply: rawReply(t, fmt.Sprintf(priced, "resp_1", jobs.StatusCompleted))})
	h.check()
	lines := h.lines()
	if len(lines) != 1 || lines[0].Kind != jobs.KindSummarize || lines[0].Group != "run" || lines[0].Job != part.ID {
		t.Errorf("lines %+v", lines)
	}
}

// TestParentsWithoutAPlannerAreCounted, and left where they are.
//
// Guarantee: G15.
func TestParentsWithoutAPlannerAreCounted(t *testing.T) {
	t.Parallel()
	h := onRedis(t, results.Config{})
	for range 5 {
		h.parent(jobs.Options{})
	}
	h.accept(jobs.Options{})
	if n, err := h.Unplanned(t.Context(), nil); err != nil || n[jobs.KindSummarize] != 5 || len(n) != 1 {
		t.Errorf("unplanned %v, %v", n, err)
	}
	if n, err := h.Unplanned(t.Context(), jobs.ParentKinds()); err != nil || len(n) != 0 {
		t.Errorf("unplanned %v, %v", n, err)
	}
	if claimed, err := h.ClaimPlans(t.Context(), []jobs.Kind{"report"}, 10, time.Minute); err != nil || len(claimed) != 0 {
		t.Errorf("claimed %v, %v", claimed, err)
	}
	late := h.parent(jobs.Options{Deadline: h.Now().Add(time.Second)})
	h.ShiftClock(time.Minute)
	claimed, err := h.ClaimLatePlans(t.Context(), jobs.ParentKinds(), time.Minute)
	if err != nil || len(claimed) != 1 || claimed[0].ID != late.ID {
		t.Errorf("late: %v, %v", claimed, err)
	}
	if claimed, err := h.ClaimLatePlans(t.Context(), jobs.ParentKinds(), time.Minute); err != nil || len(claimed) != 0 {
		t.Errorf("late once more: %v, %v", claimed, err)
	}
}

// TestRepeatedCommandsOfParents do nothing twice.
//
// Guarantee: G30.
func TestRepeatedCommandsOfParents(t *testing.T) {
	t.Parallel()
	h := onRedis(t, results.Config{})
	j := h.parent(jobs.Options{})
	h.plans(1)
	one, _ := h.part(j, "one")
	two, _ := h.part(j, "two")
	place := results.PlanPart{ID: one.ID, Phase: 1, Open: true}
	h.attach(j.ID, h.Now().Add(time.Hour), place, results.PlanPart{ID: two.ID, Phase: 1, Index: 1, Open: true})
	h.loser.loseNext(nil)
	if left := h.partsEnded(j.ID, one.ID); left != 1 {
		t.Errorf("%d left", left)
	}
	h.loser.loseNext(nil)
	if left := h.partsEnded(j.ID, two.ID); left != 0 || len(h.plans(1)) != 1 {
		t.Errorf("%d left, or not due", left)
	}
	h.loser.loseNext(nil)
	h.attach(j.ID, time.Time{}, place)
	if open, err := h.OpenParts(t.Context(), j.ID); err != nil || len(open) != 1 {
		t.Errorf("open %v, %v", open, err)
	}
	if n := h.loser.count(); n != 3 {
		t.Errorf("%d answers were lost, want 3", n)
	}
}

// TestParentsHaveABoundOfTheirOwn, which is no smaller than that of responses.
func TestParentsHaveABoundOfTheirOwn(t *testing.T) {
	t.Parallel()
	h := onRedis(t, results.Config{MaxRequestBytes: 1000})
	body := fmt.Appendf(nil, `{"text":%q}`, strings.Repeat("a", 2000))
	r, err := jobs.ParseParent(jobs.KindSummarize, body, "m")
	if err != nil {
		t.Fatal(err)
	}
	if _, _, err := h.Accept(t.Context(), r, jobs.Options{}); err != nil {
		t.Errorf("larger than a response may be: %v", err)
	}
	r.Raw = append(r.Raw[:len(r.Raw)-1], make([]byte, jobs.MaxParentBytes)...)
	if _, _, err := h.Accept(t.Context(), r, jobs.Options{}); jobs.FailureOf(err).Param != "request" {
		t.Errorf("larger than a parent may be: %v", err)
	}
}

// TestAcceptInstead takes the place of what has ended without success, once, and of
// nothing else.
func TestAcceptInstead(t *testing.T) {
	t.Parallel()
	onEach(t, results.Config{}, func(t *testing.T, h *harness) {
		accept := func(text string, instead jobs.ID) (jobs.ID, bool) {
			t.Helper()
			j, fresh, err := h.AcceptInstead(t.Context(), request(t, text), jobs.Options{DedupeKey: "key"}, instead)
			if err != nil {
				t.Fatal(err)
			}
			return j.ID, fresh
		}
		first, _ := accept("a", "")
		if id, fresh := accept("a", first); id != first || fresh {
			t.Errorf("an open job gave its place to %s", id)
		}
		h.step(first, jobs.StopRequested{Reason: jobs.StopCancel})
		before := h.load(first)
		second, fresh := accept("a", first)
		if second == first || !fresh {
			t.Errorf("a cancelled job kept its place")
		}
		if id, fresh := accept("a", first); id != second || fresh {
			t.Errorf("its place was taken again, by %s", id)
		}
		// A parent that has read the first job before that does not have it tried again; a
		// person may.
		_, err := h.Advance(t.Context(), before, jobs.RetryRequested{InPlace: true})
		if _, refused := errors.AsType[*jobs.RefusedError](err); !refused || h.load(first).State != jobs.StateCancelled {
			t.Errorf("a job whose place is taken is tried again in place: %v", err)
		}
		h.step(first, jobs.RetryRequested{})
		h.step(first, jobs.StopRequested{Reason: jobs.StopCancel})
		h.step(second, jobs.StopRequested{Reason: jobs.StopCancel})
		h.step(second, jobs.RetryRequested{InPlace: true})
		h.step(second, jobs.StopRequested{Reason: jobs.StopCancel})
		h.check()
		h.step(first, jobs.DeleteRequested{})
		if id, fresh := accept("a", ""); id != second || fresh {
			t.Errorf("with the first job went the key of the second: %s", id)
		}
		if _, _, err := h.AcceptInstead(t.Context(), request(t, "b"), jobs.Options{DedupeKey: "key"}, second); err == nil {
			t.Error("another request took its place")
		}
	})
}

// TestAcceptInsteadOfWhatCannotStart says so, and does not return the job whose place was
// to be taken: who asks until it has another one would ask for ever.
func TestAcceptInsteadOfWhatCannotStart(t *testing.T) {
	t.Parallel()
	h := onRedis(t, results.Config{})
	before := h.in(jobs.StateSucceeded, jobs.Options{})
	options := jobs.Options{DedupeKey: "key", After: []jobs.ID{before.ID}}
	first := h.accept(options)
	h.step(before.ID, jobs.DeleteRequested{})
	h.gone(before.ID)
	instead := func() (jobs.ID, error) {
		j, _, err := h.AcceptInstead(t.Context(), request(t, "hello"), options, first.ID)
		return j.ID, err
	}
	if id, err := instead(); err != nil || id != first.ID {
		t.Errorf("while it is open: %s, %v", id, err)
	}
	h.step(first.ID, jobs.StopRequested{Reason: jobs.StopCancel})
	if id, err := instead(); jobs.ClassOf(err) != jobs.ClassInvalid || !strings.Contains(err.Error(), string(before.ID)) {
		t.Errorf("%s, %v; want what is missing named", id, err)
	}
	if j, fresh, err := h.Accept(t.Context(), request(t, "hello"), options); err != nil || fresh || j.ID != first.ID {
		t.Errorf("accepted as %s, %v; want the first", j.ID, err)
	}
}
