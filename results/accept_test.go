package results_test

import (
	"errors"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/longhaul-jobs/longhaul/jobs"
	"github.com/longhaul-jobs/longhaul/results"
)

func TestAcceptNamesTheFieldAtFaultAndStoresNothing(t *testing.T) {
	t.Parallel()
	onEach(t, results.Config{MaxRequestBytes: 1000}, func(t *testing.T, h *harness) {
		good := request(t, "hello")
		now := h.Now()
		for _, test := range []struct {
			param   string
			request jobs.Request
			options jobs.Options
		}{
			{"request", jobs.Request{}, jobs.Options{}},
			{"request", request(t, strings.Repeat("x", 1000)), jobs.Options{}},
			{"lane", good, jobs.Options{Lane: "no lane"}},
			{"lane", good, jobs.Options{Lane: "a}:{b"}},
			{"group", good, jobs.Options{Group: "*"}},
			{"priority", good, jobs.Options{Priority: new(10)}},
			{"max_attempts", good, jobs.Options{MaxAttempts: -1}},
			{"deadline", good, jobs.Options{Deadline: now.Add(-time.Second)}},
			{"not_before", good, jobs.Options{Deadline: now.Add(time.Hour), NotBefore: now.Add(2 * time.Hour)}},
			{"retention", good, jobs.Options{Retention: -time.Second}},
			{"dedupe_key", good, jobs.Options{DedupeKey: strings.Repeat("k", 513)}},
			{"uncertain", good, jobs.Options{Uncertain: "perhaps"}},
		} {
			_, fresh, err := h.Accept(t.Context(), test.request, test.options)
			f := jobs.FailureOf(err)
			if fresh || f.Class != jobs.ClassInvalid || f.Param != test.param {
				t.Errorf("fresh %t, class %s, param %q, err %v; want %s named", fresh, f.Class, f.Param, err, test.param)
			}
		}
		h.empty()
	})
}

func TestSameDedupeKeyIsOneJob(t *testing.T) {
	t.Parallel()
	onEach(t, results.Config{}, func(t *testing.T, h *harness) {
		stores := []*harness{h, h.another(), h.another()}
		for _, key := range []string{"a", strings.Repeat("k", 512), "späße }:{ \x00\n", "b"} {
			var mu sync.Mutex
			ids := map[jobs.ID]bool{}
			r := request(t, "hello")
			fresh := together(15, func(i int) bool {
				j, fresh, err := stores[i%3].Accept(t.Context(), r, jobs.Options{DedupeKey: key})
				if err != nil {
					t.Errorf("Accept: %v", err)
				}
				mu.Lock()
				defer mu.Unlock()
				ids[j.ID] = true
				return fresh
			})
			if fresh != 1 || len(ids) != 1 {
				t.Errorf("key %.10q: %d new jobs, %d ids; want one job", key, fresh, len(ids))
			}
		}
		if n, err := h.Counts(t.Context(), ""); err != nil || n.Total() != 4 {
			t.Errorf("counts %v, err %v; want four jobs", n, err)
		}
		h.check()
	})
}

func TestDedupeKeyIsAnsweredInEveryState(t *testing.T) {
	t.Parallel()
	onEach(t, results.Config{}, func(t *testing.T, h *harness) {
		for _, state := range jobs.States() {
			key := jobs.Options{DedupeKey: string(state)}
			first := h.in(state, key)
			j, fresh, err := h.Accept(t.Context(), request(t, "hello"), key)
			if err != nil || fresh || j.ID != first.ID || j.State != state {
				t.Errorf("%s: second submission is %s (%s), fresh %t, err %v; want the first", state, j.ID, j.State, fresh, err)
			}
			_, _, err = h.Accept(t.Context(), request(t, "other"), key)
			conflict, ok := errors.AsType[*jobs.ConflictError](err)
			if !ok || conflict.Job != first.ID || conflict.DedupeKey != string(state) {
				t.Errorf("%s: another request: err %v, want a conflict with the first", state, err)
			}
		}
		h.check()
	})
}

func TestDedupeKeyIsFreeWhenItsJobIsGone(t *testing.T) {
	t.Parallel()
	onEach(t, results.Config{}, func(t *testing.T, h *harness) {
		ctx := t.Context()
		options := jobs.Options{DedupeKey: "k", Retention: time.Minute}
		for name, forget := range map[string]func(j jobs.Job){
			"removed": func(j jobs.Job) { _, _ = h.Remove(ctx, j) },
			"deleted": func(j jobs.Job) { h.step(j.ID, jobs.DeleteRequested{}) },
			"expired": func(jobs.Job) {
				h.ShiftClock(time.Minute + time.Second)
				h.expire()
			},
			"lost by Redis": func(j jobs.Job) { h.rdb.FlushDB(ctx); _ = h.another() },
		} {
			first := h.in(jobs.StateFailed, options)
			forget(first)
			h.gone(first.ID)
			second, fresh, err := h.Accept(ctx, request(t, "other"), options)
			if err != nil || !fresh || second.ID == first.ID {
				t.Errorf("%s: fresh %t, err %v; want a new job", name, fresh, err)
			}
			h.check()
			_, _ = h.Remove(ctx, second)
		}
		h.empty()
	})
}

// A dedupe key outlives its job only when something outside has removed the
// job's hash; it must then not stand in the way for ever.
func TestDedupeKeyOfAVanishedJobIsTakenOver(t *testing.T) {
	t.Parallel()
	onEach(t, results.Config{}, func(t *testing.T, h *harness) {
		ctx := t.Context()
		first := h.accept(jobs.Options{DedupeKey: "k"})
		h.rdb.Del(ctx, h.key(first.ID, "job:"+string(first.ID)))
		second := h.accept(jobs.Options{DedupeKey: "k"})
		third, fresh, err := h.Accept(ctx, request(t, "hello"), jobs.Options{DedupeKey: "k"})
		if err != nil || fresh || third.ID != second.ID {
			t.Errorf("third submission is %s, fresh %t, err %v; want %s", third.ID, fresh, err, second.ID)
		}
	})
}

func TestJobsAreSpreadOverTheShards(t *testing.T) {
	t.Parallel()
	onEach(t, results.Config{Shards: 4}, func(t *testing.T, h *harness) {
		seen := map[int]int{}
		for range 200 {
			seen[h.accept(jobs.Options{}).ID.Shard()]++
		}
		for shard := range 4 {
			if seen[shard] < 20 {
				t.Errorf("shard %d has %d of 200 jobs", shard, seen[shard])
			}
		}
		if len(seen) != 4 {
			t.Errorf("jobs in shards %v, want four", seen)
		}
	})
}

func TestJobsOfOtherKeysDoNotShareGroupsOrLanes(t *testing.T) {
	t.Parallel()
	// Names may contain colons: none may reach another one's sets.
	names := []string{"a", "a:failed", "failed:a", "waiting:a", "a:b", "failed", "state:failed", "a:"}
	onEach(t, results.Config{Shards: 1}, func(t *testing.T, h *harness) {
		for _, name := range names {
			h.in(jobs.StateFailed, jobs.Options{Group: name, Lane: name})
			h.check()
		}
		for _, name := range names {
			counts, err := h.Counts(t.Context(), name)
			if err != nil || counts[jobs.StateFailed] != 1 || counts.Total() != 1 {
				t.Errorf("group %q: counts %v, err %v; want its one job", name, counts, err)
			}
			for _, filter := range []results.Filter{{Group: name}, {Lane: name}, {Group: name, States: some(jobs.StateFailed)}} {
				if page, err := h.List(t.Context(), filter); err != nil || len(page.Jobs) != 1 {
					t.Errorf("%+v: %d jobs, err %v; want one", filter, len(page.Jobs), err)
				}
			}
		}
	})
}
