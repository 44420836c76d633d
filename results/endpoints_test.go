package results_test

import (
	"slices"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/longhaul-jobs/longhaul/jobs"
	"github.com/longhaul-jobs/longhaul/results"
)

// runningAt is a running job whose response belongs to the endpoint and is due.
func (h *harness) runningAt(endpoint string, options jobs.Options) jobs.Job {
	h.t.Helper()
	j := h.accept(options)
	h.admit()
	return h.created(j.ID, 1, endpoint)
}

// created makes an attempt of an admitted job at the endpoint.
func (h *harness) created(id jobs.ID, attempt int, endpoint string) jobs.Job {
	h.t.Helper()
	h.step(id, jobs.SubmitStarted{Attempt: attempt, Worker: "worker", Endpoint: endpoint})
	return h.step(id, jobs.Created{
		Attempt: attempt, FirstLook: h.Now(), Reply: reply(h.t, "resp_"+endpoint+"_"+string(id), jobs.StatusQueued),
	})
}

// looks claims looks and returns the ids, in order.
func (h *harness) looks(limits map[string]int) []jobs.ID {
	h.t.Helper()
	due, err := h.ClaimLooks(h.t.Context(), limits, time.Minute)
	if err != nil {
		h.t.Fatalf("ClaimLooks: %v", err)
	}
	return idsOf(due)
}

// unserved is ClaimUnserved that must succeed.
func (h *harness) unserved() []jobs.ID {
	h.t.Helper()
	late, err := h.ClaimUnserved(h.t.Context(), time.Minute)
	if err != nil {
		h.t.Fatalf("ClaimUnserved: %v", err)
	}
	return idsOf(late)
}

func idsOf(list []jobs.Job) []jobs.ID {
	ids := make([]jobs.ID, 0, len(list))
	for _, j := range list {
		ids = append(ids, j.ID)
	}
	slices.Sort(ids)
	return ids
}

func sorted(ids ...jobs.ID) []jobs.ID {
	slices.Sort(ids)
	return ids
}

func expectIDs(t *testing.T, what string, got []jobs.ID, want ...jobs.ID) {
	t.Helper()
	if diff := cmp.Diff(sorted(want...), got); diff != "" && len(want)+len(got) > 0 {
		t.Errorf("%s (-want +got):\n%s", what, diff)
	}
}

// TestLooksAreClaimedByEndpoint has looks due at three endpoints: a worker gets
// those of the endpoints that it names, of each as many as it names, and leases
// no other.
//
// Guarantee: G15.
func TestLooksAreClaimedByEndpoint(t *testing.T) {
	t.Parallel()
	onEach(t, results.Config{Shards: 1}, func(t *testing.T, h *harness) {
		var a, b []jobs.ID
		for range 3 {
			a = append(a, h.runningAt("a", jobs.Options{}).ID)
			b = append(b, h.runningAt("b:1", jobs.Options{}).ID)
			h.ShiftClock(time.Second)
		}
		c := h.runningAt("c", jobs.Options{}).ID
		h.check()
		expectIDs(t, "looks of nobody", h.looks(nil))
		expectIDs(t, "looks of a and b", h.looks(map[string]int{"a": 1, "b:1": 2}), a[0], b[0], b[1])
		expectIDs(t, "the next looks of a and b", h.looks(map[string]int{"a": 5, "b:1": 5}), a[1], a[2], b[2])
		expectIDs(t, "looks of c", h.looks(map[string]int{"c": 5}), c)
		h.check()
	})
}

// TestLookMovesWithItsJob follows one job from endpoint to endpoint: its look is
// where its current response is, and nowhere when there is none.
func TestLookMovesWithItsJob(t *testing.T) {
	t.Parallel()
	onEach(t, results.Config{}, func(t *testing.T, h *harness) {
		j := h.runningAt("a", jobs.Options{})
		j = h.step(j.ID, jobs.Looked{Reply: reply(t, j.Attempts[0].ResponseID, jobs.StatusFailed)})
		if j.State != jobs.StateWaiting {
			t.Fatalf("state %s, want waiting for the next attempt", j.State)
		}
		h.check()
		expectIDs(t, "looks of a job that waits", h.looks(map[string]int{"a": 5}))
		h.ShiftClock(time.Hour)
		h.admit()
		j = h.created(j.ID, 2, "b")
		h.check()
		expectIDs(t, "looks of the endpoint before", h.looks(map[string]int{"a": 5}))
		expectIDs(t, "looks of the endpoint now", h.looks(map[string]int{"b": 5}), j.ID)
		j = h.load(j.ID)
		if done, err := h.Remove(t.Context(), j); err != nil || !done {
			t.Fatalf("Remove: %t, %v", done, err)
		}
		h.empty()
	})
}

// TestAuditSortsLooksByEndpoint loses looks of two endpoints and has the audit put
// them back, each where the workers that serve its endpoint look.
//
// Guarantee: G11.
func TestAuditSortsLooksByEndpoint(t *testing.T) {
	t.Parallel()
	onEach(t, results.Config{}, func(t *testing.T, h *harness) {
		a, b := h.runningAt("a", jobs.Options{}), h.runningAt("b", jobs.Options{})
		for _, j := range []jobs.Job{a, b} {
			h.rdb.ZRem(t.Context(), h.key(j.ID, "looks:"+j.Attempts[0].Endpoint), string(j.ID))
		}
		if n := h.audit(); n != 2 {
			t.Fatalf("Audit repaired %d entries, want 2", n)
		}
		h.check()
		expectIDs(t, "looks of a", h.looks(map[string]int{"a": 5}), a.ID)
		expectIDs(t, "looks of b", h.looks(map[string]int{"b": 5}), b.ID)
	})
}

func TestEndpointsTellWhoIsServedAndWhatRuns(t *testing.T) {
	t.Parallel()
	onEach(t, results.Config{}, func(t *testing.T, h *harness) {
		ctx := t.Context()
		expect := func(when string, want ...results.EndpointUse) {
			t.Helper()
			uses, err := h.Endpoints(ctx)
			if err != nil {
				t.Fatalf("Endpoints: %v", err)
			}
			if diff := cmp.Diff(want, uses); diff != "" && len(want)+len(uses) > 0 {
				t.Errorf("%s (-want +got):\n%s", when, diff)
			}
			for _, use := range append(want, results.EndpointUse{Name: "never heard of"}) {
				if served, err := h.Served(ctx, use.Name); err != nil || served != use.Served {
					t.Errorf("%s, %s is served: %t, %v", when, use.Name, served, err)
				}
			}
		}
		beat := func(worker string, endpoints ...string) {
			t.Helper()
			if err := h.Beat(ctx, results.Worker{ID: worker, Endpoints: endpoints}, 10*time.Second); err != nil {
				t.Fatalf("Beat: %v", err)
			}
		}
		expect("at first")
		h.runningAt("nobody", jobs.Options{})
		beat("one", "a", "b")
		expect("with a response of an endpoint that no worker ever had", []results.EndpointUse{
			{Name: "a", Served: true}, {Name: "b", Served: true}, {Name: "nobody", Running: 1},
		}...)
		for range 20 {
			h.runningAt("b", jobs.Options{})
		}
		h.ShiftClock(9 * time.Second)
		beat("two", "a")
		h.ShiftClock(2 * time.Second)
		expect("when the first worker is silent", []results.EndpointUse{
			{Name: "a", Served: true}, {Name: "b", Running: 20}, {Name: "nobody", Running: 1},
		}...)
	})
}

// TestUnservedJobsThatHaveToEndAreClaimed has two jobs that have to end and one
// that only runs, at an endpoint without a worker: the first two can be claimed,
// once in a lease, and the third stays due for the worker that may come.
//
// Guarantee: G8.
func TestUnservedJobsThatHaveToEndAreClaimed(t *testing.T) {
	t.Parallel()
	onEach(t, results.Config{}, func(t *testing.T, h *harness) {
		ctx := t.Context()
		soon := h.Now().Add(time.Minute)
		late, stopped := h.runningAt("a", jobs.Options{Deadline: soon}), h.runningAt("a", jobs.Options{})
		running, newer := h.runningAt("a", jobs.Options{}), h.runningAt("a", jobs.Options{Deadline: soon})
		elsewhere := h.runningAt("b", jobs.Options{Deadline: soon})
		h.makeNewer(newer)
		h.step(stopped.ID, jobs.StopRequested{Reason: jobs.StopCancel})
		expectIDs(t, "before the deadline", h.unserved(), stopped.ID)
		h.ShiftClock(2 * time.Minute)
		if err := h.Beat(ctx, results.Worker{ID: "w", Endpoints: []string{"b"}}, time.Hour); err != nil {
			t.Fatal(err)
		}
		expectIDs(t, "after it", h.unserved(), late.ID, stopped.ID)
		expectIDs(t, "again within the lease", h.unserved())
		expectIDs(t, "looks that are left for a worker", h.looks(map[string]int{"a": 5, "b": 5}), running.ID, elsewhere.ID)

		// A worker with the endpoint comes.
		if err := h.Beat(ctx, results.Worker{ID: "v", Endpoints: []string{"a"}}, time.Hour); err != nil {
			t.Fatal(err)
		}
		h.ShiftClock(2 * time.Minute)
		expectIDs(t, "when it is served", h.unserved())
		expectIDs(t, "looks then", h.looks(map[string]int{"a": 5}), late.ID, stopped.ID, running.ID)
	})
}

// TestUnservedSweepGoesOnWhereItEnded has more looks in one shard than a sweep
// goes through: the one that has to end is the last.
func TestUnservedSweepGoesOnWhereItEnded(t *testing.T) {
	t.Parallel()
	h := onRedis(t, results.Config{Shards: 1})
	var last jobs.Job
	for range 2_050 {
		last = h.accept(jobs.Options{})
	}
	for range 3 { // a thousand at a time
		h.admit()
	}
	for _, id := range h.ids(jobs.StateWaiting) {
		h.created(id, 1, "a")
	}
	h.rdb.ZAdd(t.Context(), h.key(last.ID, "looks:a"), z(float64(h.Now().UnixMilli()), string(last.ID)))
	h.setHead(last.ID, 8, 1) // its deadline
	for sweep, want := range [][]jobs.ID{nil, {last.ID}, nil} {
		expectIDs(t, "sweep "+string(rune('1'+sweep)), h.unserved(), want...)
	}
}

// ids are the ids of all jobs in a state.
func (h *harness) ids(state jobs.State) []jobs.ID {
	h.t.Helper()
	var ids []jobs.ID
	for page := (results.Page{}); ; {
		next, err := h.List(h.t.Context(), results.Filter{States: []jobs.State{state}, Limit: 1000, Cursor: page.Next})
		if err != nil {
			h.t.Fatal(err)
		}
		ids = append(ids, idsOf(next.Jobs)...)
		if page = next; page.Next == "" {
			return ids
		}
	}
}
