package results_test

import (
	"errors"
	"fmt"
	"maps"
	"slices"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/longhaul-jobs/longhaul/jobs"
	"github.com/longhaul-jobs/longhaul/results"
)

// pages follows a listing to its end and calls between after each page.
func (h *harness) pages(filter results.Filter, between func(page int)) []jobs.ID {
	h.t.Helper()
	ids := []jobs.ID{}
	for n := 0; ; n++ {
		page, err := h.List(h.t.Context(), filter)
		if err != nil {
			h.t.Fatalf("List: %v", err)
		}
		if filter.Limit > 0 && len(page.Jobs) > filter.Limit {
			h.t.Fatalf("a page has %d jobs, want at most %d", len(page.Jobs), filter.Limit)
		}
		for _, j := range page.Jobs {
			ids = append(ids, j.ID)
		}
		if page.Next == "" {
			return ids
		}
		filter.Cursor = page.Next
		if between != nil {
			between(n)
		}
	}
}

// some is that state alone, none for "".
func some(state jobs.State) []jobs.State {
	if state == "" {
		return nil
	}
	return []jobs.State{state}
}

// newestFirst sorts ids as a listing does.
func newestFirst(ids []jobs.ID) []jobs.ID {
	sorted := append([]jobs.ID{}, ids...)
	slices.Sort(sorted)
	slices.Reverse(sorted)
	return sorted
}

func TestListIsExactWithManyJobsInOneMillisecond(t *testing.T) {
	t.Parallel()
	onEach(t, results.Config{Shards: 2}, func(t *testing.T, h *harness) {
		const many = 1500
		moment := h.Now().Truncate(time.Second).Add(time.Second / 2)
		var ids []jobs.ID
		inMoment := 0
		for range many {
			h.ShiftClock(moment.Sub(h.Now()))
			id := h.accept(jobs.Options{}).ID
			ids = append(ids, id)
			if id.Time().Equal(moment) {
				inMoment++
			}
		}
		if inMoment < many/2 {
			t.Fatalf("only %d of %d jobs are of the same millisecond", inMoment, many)
		}
		want := newestFirst(ids)
		for _, limit := range []int{7, 50, 999, 1000} {
			if diff := cmp.Diff(want, h.pages(results.Filter{Limit: limit}, nil)); diff != "" {
				t.Fatalf("pages of %d (-want +got):\n%s", limit, diff)
			}
		}
	})
}

func TestListSelectsByEveryCombination(t *testing.T) {
	t.Parallel()
	onEach(t, results.Config{Shards: 3}, func(t *testing.T, h *harness) {
		states := []jobs.State{"", jobs.StateWaiting, jobs.StateRunning, jobs.StateSucceeded, jobs.StateExpired}
		lanes, groups := []string{"", "a", "b"}, []string{"", "g", "h"}
		var all []jobs.Job
		for i := range 90 {
			state, lane, group := states[1+i%3], lanes[1+i%2], groups[i/3%3]
			if i%7 == 0 {
				group = "g"
			}
			all = append(all, h.in(state, jobs.Options{Lane: lane, Group: group}))
		}
		matched := 0
		for _, state := range states {
			for _, lane := range lanes {
				for _, group := range groups {
					for _, kind := range []jobs.Kind{"", jobs.KindResponse} {
						filter := results.Filter{States: some(state), Lane: lane, Group: group, Kind: kind, Limit: 4}
						want := []jobs.ID{}
						for _, j := range all {
							if (state == "" || j.State == state) && (lane == "" || j.Lane == lane) && (group == "" || j.Group == group) {
								want = append(want, j.ID)
							}
						}
						matched += len(want)
						if diff := cmp.Diff(newestFirst(want), h.pages(filter, nil)); diff != "" {
							t.Errorf("%+v (-want +got):\n%s", filter, diff)
						}
					}
				}
			}
		}
		if matched < 500 {
			t.Errorf("the filters matched %d jobs in all: too few to tell anything", matched)
		}
	})
}

func TestListReturnsWholeRecords(t *testing.T) {
	t.Parallel()
	onEach(t, results.Config{}, func(t *testing.T, h *harness) {
		j := h.in(jobs.StateRunning, jobs.Options{})
		h.settle(results.Settlement{Job: j, Due: h.Now(), Looks: &jobs.Looks{Count: 4}, Nudge: true})
		h.in(jobs.StateWaiting, jobs.Options{})
		h.admit()
		page, err := h.List(t.Context(), results.Filter{})
		if err != nil || page.Next != "" {
			t.Fatalf("next %q, err %v", page.Next, err)
		}
		want := []jobs.Job{h.load(page.Jobs[0].ID), h.load(j.ID)}
		if diff := cmp.Diff(want, page.Jobs, cmp.AllowUnexported(jobs.Job{})); diff != "" {
			t.Errorf("records (-loaded +listed):\n%s", diff)
		}
	})
}

func TestListIsNotDisturbedByJobsThatComeAndGo(t *testing.T) {
	t.Parallel()
	onEach(t, results.Config{Shards: 2}, func(t *testing.T, h *harness) {
		var stay, leave []jobs.ID
		for i := range 60 {
			j := h.in(jobs.StateFailed, jobs.Options{Group: "g"})
			if i%4 == 0 {
				leave = append(leave, j.ID)
			} else {
				stay = append(stay, j.ID)
			}
		}
		late := map[jobs.ID]bool{}
		got := h.pages(results.Filter{Group: "g", Limit: 5}, func(page int) {
			late[h.accept(jobs.Options{Group: "g"}).ID] = true
			if page < len(leave) {
				h.step(leave[page], jobs.DeleteRequested{})
			}
			// And some change their state, which a listing of a group must not mind.
			if _, err := h.Step(t.Context(), stay[page], jobs.RetryRequested{}); err != nil {
				t.Errorf("retry: %v", err)
			}
		})
		left := slices.DeleteFunc(slices.Clone(got), func(id jobs.ID) bool { return !slices.Contains(stay, id) })
		if diff := cmp.Diff(newestFirst(stay), left); diff != "" {
			t.Errorf("jobs that were there all the time (-want +got):\n%s", diff)
		}
		if slices.ContainsFunc(got, func(id jobs.ID) bool { return late[id] }) {
			t.Error("a job that came later is behind the cursor")
		}
		if len(slices.Compact(slices.Sorted(slices.Values(got)))) != len(got) {
			t.Error("a job is listed twice")
		}
	})
}

// A filter that passes almost nothing must not make one call read everything.
func TestListReadsABoundedPartForOnePage(t *testing.T) {
	t.Parallel()
	h := onRedis(t, results.Config{Shards: 2})
	wanted := h.accept(jobs.Options{Lane: "rare", Group: "g"})
	for range 2500 {
		h.accept(jobs.Options{Group: "g"})
	}
	filter := results.Filter{Lane: "rare", Group: "g", Limit: 10}
	first, err := h.List(t.Context(), filter)
	if err != nil || len(first.Jobs) != 0 || first.Next == "" {
		t.Errorf("first page: %d jobs, next %q, err %v; want none, and where to go on", len(first.Jobs), first.Next, err)
	}
	pages := 1
	if diff := cmp.Diff([]jobs.ID{wanted.ID}, h.pages(filter, func(int) { pages++ })); diff != "" {
		t.Errorf("all pages (-want +got):\n%s", diff)
	}
	if pages != 2 {
		t.Errorf("2501 jobs are looked through in %d pages, want 2", pages)
	}
}

func TestListHasADefaultLimit(t *testing.T) {
	t.Parallel()
	onEach(t, results.Config{}, func(t *testing.T, h *harness) {
		for range 51 {
			h.accept(jobs.Options{})
		}
		page, err := h.List(t.Context(), results.Filter{})
		if err != nil || len(page.Jobs) != 50 || page.Next != page.Jobs[49].ID {
			t.Errorf("%d jobs, next %q, err %v; want 50 and the last as cursor", len(page.Jobs), page.Next, err)
		}
		page, err = h.List(t.Context(), results.Filter{Cursor: page.Next})
		if err != nil || len(page.Jobs) != 1 || page.Next != "" {
			t.Errorf("second page: %d jobs, next %q, err %v; want the last one", len(page.Jobs), page.Next, err)
		}
	})
}

func TestListNamesTheFieldAtFault(t *testing.T) {
	t.Parallel()
	h := onRedis(t, results.Config{})
	for param, filter := range map[string]results.Filter{
		"state":         {States: some("done")},
		"kind":          {Kind: "question"},
		"lane":          {Lane: "a b"},
		"group":         {Group: "a}:{b"},
		"tenant":        {Tenant: "a}:{b"},
		"limit":         {Limit: 1001},
		"class":         {Classes: []jobs.Class{"bad"}},
		"until":         {Since: time.Unix(2, 0), Until: time.Unix(2, 0)},
		"created-until": {CreatedSince: time.Unix(2, 0), CreatedUntil: time.Unix(1, 0)},
		"cursor":        {Cursor: "job_1"},
	} {
		_, err := h.List(t.Context(), filter)
		if f := jobs.FailureOf(err); f.Class != jobs.ClassInvalid || f.Param != param {
			t.Errorf("%+v: err %v, want %s named", filter, err, param)
		}
	}
	if _, err := h.Counts(t.Context(), "a b"); jobs.FailureOf(err).Param != "group" {
		t.Errorf("Counts: err %v, want the group named", err)
	}
}

func TestCountsAreTheNumbersOfJobsInEachState(t *testing.T) {
	t.Parallel()
	onEach(t, results.Config{Shards: 3}, func(t *testing.T, h *harness) {
		ctx := t.Context()
		want := map[string]results.Counts{"": {}, "g": {}, "h": {}}
		for i, state := range jobs.States() {
			for n := range i + 1 {
				group := []string{"g", "h"}[n%2]
				h.in(state, jobs.Options{Group: group})
				want[""][state]++
				want[group][state]++
			}
		}
		for group, counts := range want {
			for _, state := range jobs.States() {
				counts[state] += 0 // a state without jobs is there all the same
			}
			got, err := h.Counts(ctx, group)
			if diff := cmp.Diff(counts, got); diff != "" || err != nil {
				t.Errorf("group %q, err %v (-want +got):\n%s", group, err, diff)
			}
		}
		got, err := h.Counts(ctx, "")
		if err != nil || got.Total() != 45 || got.Ended() != 5+6+7+8+9 {
			t.Errorf("total %d, ended %d, err %v; want 45 and 35", got.Total(), got.Ended(), err)
		}
		if none, err := h.Counts(ctx, "nobody"); err != nil || none.Total() != 0 || len(none) != len(jobs.States()) {
			t.Errorf("counts of an unknown group = %v, err %v; want zeros", none, err)
		}
	})
}

func TestCountsFollowAJobThroughItsGroup(t *testing.T) {
	t.Parallel()
	onEach(t, results.Config{}, func(t *testing.T, h *harness) {
		expect := func(want results.Counts) {
			t.Helper()
			counts, err := h.Counts(t.Context(), "g")
			if err != nil {
				t.Fatal(err)
			}
			maps.DeleteFunc(counts, func(_ jobs.State, n int64) bool { return n == 0 })
			if diff := cmp.Diff(want, counts); diff != "" {
				t.Errorf("counts (-want +got):\n%s", diff)
			}
		}
		j := h.in(jobs.StateRunning, jobs.Options{Group: "g"})
		expect(results.Counts{jobs.StateRunning: 1})
		h.step(j.ID, jobs.StopRequested{Reason: jobs.StopCancel})
		expect(results.Counts{jobs.StateRunning: 1})
		h.step(j.ID, jobs.StopGivenUp{ResponseID: "resp_" + string(j.ID)})
		expect(results.Counts{jobs.StateCancelled: 1})
		h.step(j.ID, jobs.RetryRequested{})
		expect(results.Counts{jobs.StateWaiting: 1})
		h.step(j.ID, jobs.StopRequested{Reason: jobs.StopCancel})
		h.step(j.ID, jobs.DeleteRequested{})
		h.step(j.ID, jobs.EffectDone{ID: 1})
		expect(results.Counts{})
		h.empty()
	})
}

// Ids come from outside: what is no id, or one of another installation, is as little there
// as a job that was deleted.
func TestJobsReturnsNoneForWhatCannotBeThere(t *testing.T) {
	t.Parallel()
	onEach(t, results.Config{}, func(t *testing.T, h *harness) {
		j := h.accept(jobs.Options{})
		never := []jobs.ID{"", "abc", "job_zz", jobs.NewID(h.Now(), 255), jobs.NewID(h.Now(), 0)}
		for _, ids := range [][]jobs.ID{never, append([]jobs.ID{j.ID}, never...)} {
			found, err := h.Jobs(t.Context(), ids)
			if err != nil || len(found) != len(ids) {
				t.Fatalf("%d jobs of %d ids, %v", len(found), len(ids), err)
			}
			for i, id := range ids {
				if want := map[bool]jobs.ID{true: j.ID}[id == j.ID]; found[i].ID != want {
					t.Errorf("%q gave %q, want %q", id, found[i].ID, want)
				}
			}
		}
	})
}

// TestWhatIsNoIDIsQuoted where it is not found, so that it can be seen, also an empty one.
func TestWhatIsNoIDIsQuoted(t *testing.T) {
	t.Parallel()
	h := onRedis(t, results.Config{})
	for _, id := range []jobs.ID{"", "a b\n"} {
		if _, err := h.Load(t.Context(), id); !errors.Is(err, results.ErrNotFound) || err.Error() != fmt.Sprintf("%q: no such job", string(id)) {
			t.Errorf("%v; want %q quoted", err, id)
		}
	}
}
