package results_test

import (
	"fmt"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/longhaul-jobs/longhaul/jobs"
	"github.com/longhaul-jobs/longhaul/results"
)

// order admits as many jobs as the window allows and returns what label says of each,
// in the order of their admission.
func (h *harness) order(window int, label func(jobs.Job) string) []string {
	h.t.Helper()
	admitted, err := h.Admit(h.t.Context(), jobs.DefaultLane, window)
	if err != nil {
		h.t.Fatal(err)
	}
	labels := make([]string, 0, len(admitted))
	for _, a := range admitted {
		labels = append(labels, label(h.load(a.Job)))
	}
	return labels
}

func tenantOf(j jobs.Job) string   { return j.Tenant }
func priorityOf(j jobs.Job) string { return strconv.Itoa(j.Priority) }

func tally(labels []string) map[string]int {
	counts := make(map[string]int)
	for _, l := range labels {
		counts[l]++
	}
	return counts
}

// A tenant with ten thousand jobs waiting does not delay another's first: it is among
// the next three of its shard, and the tenants then share alike, whatever priorities
// they use.
//
// Guarantee: G21.
func TestTenantWithALongBacklogDelaysNoOther(t *testing.T) {
	t.Parallel()
	h := onRedis(t, results.Config{Shards: 1})
	var group sync.WaitGroup
	for range 10 {
		group.Go(func() {
			for range 1000 {
				if _, _, err := h.Accept(t.Context(), request(t, "hello"), jobs.Options{Tenant: "a", Priority: new(9)}); err != nil {
					t.Error(err)
				}
			}
		})
	}
	group.Wait()
	if got := tally(h.order(20, tenantOf)); got["a"] != 20 {
		t.Fatalf("admitted alone: %v", got)
	}
	h.accept(jobs.Options{Tenant: "b", Priority: new(0)})
	if got := h.order(28, tenantOf); !slices.Contains(got[:3], "b") {
		t.Errorf("b's first job is not among the next three: %v", got)
	}
	for range 40 {
		for _, p := range []int{1, 5, 9} {
			h.accept(jobs.Options{Tenant: "b", Priority: &p})
		}
		h.accept(jobs.Options{Priority: new(3)})
	}
	for tenant, n := range tally(h.order(118, tenantOf)) {
		if n < 29 || n > 31 {
			t.Errorf("%d of 90 went to tenant %q of three that have enough, want 30", n, tenant)
		}
	}
}

// In a lane that sends one at a time the shards take turns, so the first job of a
// tenant waits for a few rounds of them at most.
//
// Guarantee: G21.
func TestSlowLaneAsksItsShardsInTurn(t *testing.T) {
	t.Parallel()
	const shards = 4
	h := onRedis(t, results.Config{Shards: shards})
	for range 400 {
		h.accept(jobs.Options{Tenant: "a"})
	}
	for range 10 {
		h.accept(jobs.Options{Tenant: "b"})
		for before := 0; ; before++ {
			admitted, _, err := h.AdmitFew(t.Context(), jobs.DefaultLane, 1)
			if err != nil || len(admitted) != 1 {
				t.Fatalf("admitted %v, %v", admitted, err)
			}
			j := h.step(admitted[0].Job, jobs.SubmitStarted{Attempt: 1, Worker: "worker", Endpoint: "openai"})
			if j.Tenant == "b" {
				break
			}
			if before >= 3*shards {
				t.Fatalf("%d went before it, want at most three rounds of %d shards", before, shards)
			}
		}
	}
}

// Tenants that come and go never pass one that stays, however many they are.
//
// Guarantee: G21.
func TestNewTenantsPassNobodyWhoWaits(t *testing.T) {
	t.Parallel()
	onEach(t, results.Config{Shards: 1}, func(t *testing.T, h *harness) {
		for range 12 {
			h.accept(jobs.Options{Tenant: "zz"})
		}
		var got []string
		for i := range 24 {
			if i%2 == 0 { // as many as there are turns for, so that each finds the lane with one
				h.accept(jobs.Options{Tenant: fmt.Sprintf("new-%02d", i)})
			}
			got = append(got, h.order(1, tenantOf)...)
			h.check()
			for _, id := range h.admittedNow() {
				h.step(id, jobs.SubmitStarted{Attempt: 1, Worker: "worker", Endpoint: "openai"})
			}
		}
		if n := tally(got)["zz"]; n != 12 || len(got) != 24 {
			t.Errorf("of %d admissions %d went to the one that stayed, want half: %v", len(got), n, got)
		}
	})
}

// admittedNow returns the jobs of the default lane that are in its queue.
func (h *harness) admittedNow() []jobs.ID {
	h.t.Helper()
	var ids []jobs.ID
	for key, members := range h.read() {
		if strings.HasSuffix(key, ":admitted:"+jobs.DefaultLane) {
			for id := range members {
				ids = append(ids, jobs.ID(id))
			}
		}
	}
	return ids
}

// Priorities go as often as they weigh, the highest first; the lowest is never far from
// its turn, and within a priority age decides.
//
// Guarantee: G21.
func TestPrioritiesGoAsOftenAsTheyWeigh(t *testing.T) {
	t.Parallel()
	weights := map[string][]int{jobs.DefaultLane: {1, 1, 1, 1, 1, 2, 1, 1, 1, 4}}
	onEach(t, results.Config{Shards: 1, Weights: weights}, func(t *testing.T, h *harness) {
		byPriority := make(map[string][]jobs.ID)
		for range 50 {
			for _, p := range []int{0, 5, 9} {
				j := h.accept(jobs.Options{Priority: &p})
				byPriority[priorityOf(j)] = append(byPriority[priorityOf(j)], j.ID)
			}
			h.ShiftClock(time.Millisecond)
		}
		admitted, err := h.Admit(t.Context(), jobs.DefaultLane, 70)
		if err != nil {
			t.Fatal(err)
		}
		h.check()
		order := make([]string, 0, len(admitted))
		for _, a := range admitted {
			p := priorityOf(h.load(a.Job))
			if oldest := byPriority[p][0]; a.Job != oldest {
				t.Fatalf("of priority %s %s went before %s, which is older", p, a.Job, oldest)
			}
			byPriority[p] = byPriority[p][1:]
			order = append(order, p)
		}
		if diff := cmp.Diff(map[string]int{"9": 40, "5": 20, "0": 10}, tally(order)); diff != "" {
			t.Errorf("of each priority (-want +got):\n%s", diff)
		}
		if order[0] != "9" {
			t.Errorf("the first is of priority %s, want the highest", order[0])
		}
		for i := range len(order) - 7 {
			if !slices.Contains(order[i:i+8], "0") {
				t.Errorf("the lowest priority is not among admissions %d to %d: %v", i, i+8, order[i:i+8])
			}
		}
	})
}

// Weights that are set at run time count before those that are configured, from the next
// look at the lane's room on, until they are taken back.
//
// Guarantee: G21.
func TestWeightsThatAreSetAtRunTime(t *testing.T) {
	t.Parallel()
	weights := map[string][]int{jobs.DefaultLane: {1, 1, 1, 1, 1, 1, 1, 1, 1, 1}}
	onEach(t, results.Config{Shards: 1, Weights: weights}, func(t *testing.T, h *harness) {
		for range 20 {
			for _, p := range []int{0, 9} {
				h.accept(jobs.Options{Priority: &p})
			}
		}
		if err := h.SetWeights(t.Context(), jobs.DefaultLane, []int{1, 1, 1, 1, 1, 1, 1, 1, 1, 3}); err != nil {
			t.Fatal(err)
		}
		if _, err := h.Room(t.Context(), jobs.DefaultLane, results.Rates{}, results.Pace{Headroom: 1}, time.Second); err != nil {
			t.Fatal(err)
		}
		if diff := cmp.Diff(map[string]int{"9": 15, "0": 5}, tally(h.order(20, priorityOf))); diff != "" {
			t.Errorf("of each priority (-want +got):\n%s", diff)
		}
		settings, err := h.LaneSettings(t.Context(), jobs.DefaultLane)
		if err != nil || !slices.Equal(settings.Weights, []int{1, 1, 1, 1, 1, 1, 1, 1, 1, 3}) {
			t.Errorf("%+v, %v", settings, err)
		}
		if err := h.SetWeights(t.Context(), jobs.DefaultLane, []int{1, 2}); jobs.FailureOf(err).Param != results.SettingWeights {
			t.Errorf("two weights: %v", err)
		}
	})
}

// By default each step of priority doubles how often it goes, and what came late with
// a high priority does not have the low ones begin again.
//
// Guarantee: G21.
func TestLowPrioritiesDoNotStarve(t *testing.T) {
	t.Parallel()
	onEach(t, results.Config{Shards: 1}, func(t *testing.T, h *harness) {
		for range 5 {
			h.accept(jobs.Options{Priority: new(7)})
		}
		// One of priority 9 comes before each turn, so that it has always just come.
		var order []string
		for range 25 {
			h.accept(jobs.Options{Priority: new(9)})
			h.ShiftClock(time.Millisecond)
			order = append(order, h.order(1, priorityOf)...)
			for _, id := range h.admittedNow() {
				h.step(id, jobs.SubmitStarted{Attempt: 1, Worker: "worker", Endpoint: "openai"})
			}
			h.check()
		}
		if diff := cmp.Diff(map[string]int{"9": 20, "7": 5}, tally(order)); diff != "" {
			t.Errorf("of each priority, which weigh 4 to 1 (-want +got):\n%s", diff)
		}
	})
}

// What an earlier release left ready goes on, though it knew of no turns.
func TestReadyJobsOfAnEarlierReleaseGoOn(t *testing.T) {
	t.Parallel()
	onEach(t, results.Config{Shards: 1}, func(t *testing.T, h *harness) {
		first := h.accept(jobs.Options{})
		h.rdb.Del(t.Context(), h.key(first.ID, "turns:default"))
		if diff := cmp.Diff([]jobs.ID{first.ID}, admittedIDs(h.admit())); diff != "" {
			t.Errorf("admitted (-want +got):\n%s", diff)
		}
		h.check()
	})
}

// Whatever way the jobs of a tenant leave their lane, nothing is left of the tenant.
func TestNothingIsLeftOfATenant(t *testing.T) {
	t.Parallel()
	onEach(t, results.Config{Shards: 1}, func(t *testing.T, h *harness) {
		var waiting []jobs.ID
		for i := range 12 {
			p := i % 3
			j := h.accept(jobs.Options{Tenant: fmt.Sprintf("t%d", i%2), Priority: &p})
			waiting = append(waiting, j.ID)
		}
		for _, a := range h.order(4, func(j jobs.Job) string { return string(j.ID) }) {
			waiting = slices.DeleteFunc(waiting, func(id jobs.ID) bool { return string(id) == a })
		}
		h.check()
		for _, id := range waiting {
			h.step(id, jobs.StopRequested{Reason: jobs.StopCancel})
			h.check()
		}
		for key := range h.read() {
			if strings.Contains(key, ":ready:") || strings.Contains(key, ":turns:") || strings.Contains(key, ":bands:") {
				t.Errorf("%s is left", key)
			}
		}
	})
}
