package limits_test

import (
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/prometheus/client_golang/prometheus/testutil"

	"github.com/longhaul-jobs/longhaul/jobs"
	"github.com/longhaul-jobs/longhaul/results"
)

// A job whose lane goes on costs no call to Redis, whatever becomes of it.
func TestLaneThatGoesOnCostsNothing(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		store := &fakeStore{}
		w := newWorker(store)
		for range 1000 {
			j := try()
			if paused, due := w.Paused(lane); paused || due || !w.Pass(t.Context(), lane, j) || !w.Pass(t.Context(), "of no configuration", j) {
				t.Fatal("the lane does not go on")
			}
			w.Created(t.Context(), lane, j, time.Now(), nil)
			w.Created(t.Context(), lane, j, time.Now(), &jobs.Failure{Class: jobs.ClassInvalid})
			w.Ended(t.Context(), lane, j, time.Now(), ended(t, jobs.StatusCompleted, ""))
			w.Ended(t.Context(), lane, j, time.Now(), ended(t, jobs.StatusFailed, "server_error"))
			w.Unused(t.Context(), lane, j)
		}
		if n := store.asked(); n != 0 {
			t.Errorf("%d calls, want none", n)
		}
	})
}

// Two workers pause a lane once and let it resume once: one line tells of it, and
// one of its end.
//
// Guarantee: G19.
func TestOneLineForAnOutage(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		store := &fakeStore{}
		one, other := newWorker(store), newWorker(store)
		one.run(t)
		other.run(t)
		for range 100 {
			one.refused(t, jobs.ClassUnauthorized)
		}
		if paused, due := one.Paused(lane); !paused || due || one.Pass(t.Context(), lane, try()) {
			t.Error("who paused it goes on")
		}
		other.refused(t, jobs.ClassUnauthorized) // it was in flight
		if paused, _ := other.Paused(lane); !paused || one.metric(t, jobs.ClassUnauthorized) != 1 || one.metric(t, jobs.ClassQuota) != 0 {
			t.Error("the lane is not shown as paused")
		}
		time.Sleep(5 * time.Second)
		synctest.Wait()
		store.asked()
		if _, due := other.Paused(lane); !due {
			t.Fatal("no probe after five seconds")
		}
		probe := try()
		if !other.Pass(t.Context(), lane, probe) || other.Pass(t.Context(), lane, try()) || store.asked() != 1 {
			t.Error("want one probe, and no call for those who cannot be one")
		}
		if one.Pass(t.Context(), lane, try()) {
			t.Error("two probes")
		}
		other.Created(t.Context(), lane, probe, time.Now(), &jobs.Failure{Class: jobs.ClassQuota})
		time.Sleep(5 * time.Second)
		synctest.Wait()
		if one.metric(t, jobs.ClassUnauthorized) != 0 || one.metric(t, jobs.ClassQuota) != 1 {
			t.Error("the other reason is not shown")
		}
		probe = try()
		if !one.Pass(t.Context(), lane, probe) {
			t.Fatal("no second probe")
		}
		one.Created(t.Context(), lane, probe, time.Now(), nil)
		if paused, _ := one.Paused(lane); paused || one.metric(t, jobs.ClassQuota) != 0 {
			t.Error("who found out that it works does not go on")
		}
		time.Sleep(time.Second)
		synctest.Wait()
		if paused, _ := other.Paused(lane); paused {
			t.Error("the other does not go on a second later")
		}
		log := one.log.String() + other.log.String()
		for text, want := range map[string]int{
			"level=ERROR": 2, `level=ERROR msg="lane paused"`: 1, `msg="lane still paused, for another reason"`: 1,
			"class=unauthorized message=\"the provider's words\" advice=\"set a key": 1, `advice="add credit`: 1,
			`level=INFO msg="lane resumes" lane=bulk class=quota`: 1, "probes=2 elapsed=10s": 1,
		} {
			if n := strings.Count(log, text); n != want {
				t.Errorf("%d times %s, want %d:\n%s", n, text, want, log)
			}
		}
	})
}

// After responses failed, the create of a probe proves nothing: its response does.
func TestResponsesDecide(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		name         string
		status, code string
		resumes      bool
		class        jobs.Class
	}{
		{"completed", jobs.StatusCompleted, "", true, ""},
		{"incomplete", jobs.StatusIncomplete, "", true, ""},
		{"cancelled", jobs.StatusCancelled, "", false, jobs.ClassQuota},
		{"failed again", jobs.StatusFailed, "insufficient_quota", false, jobs.ClassQuota},
		{"failed by itself", jobs.StatusFailed, "server_error", false, jobs.ClassQuota},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				store := &fakeStore{}
				w := newWorker(store)
				w.Ended(t.Context(), lane, try(), time.Now(), ended(t, jobs.StatusFailed, "insufficient_quota"))
				if paused, _ := w.Paused(lane); !paused || store.pause.By != results.PausedByResponse {
					t.Fatalf("after a response failed: %+v", store.pause)
				}
				time.Sleep(5 * time.Second)
				probe := try()
				if !w.Pass(t.Context(), lane, probe) {
					t.Fatal("no probe")
				}
				w.Created(t.Context(), lane, probe, time.Now(), nil)
				if paused, _ := w.Paused(lane); !paused {
					t.Error("resumed when its create was accepted")
				}
				w.Ended(t.Context(), lane, probe, time.Now(), ended(t, tt.status, tt.code))
				if paused, _ := w.Paused(lane); paused == tt.resumes || store.pause.Class != tt.class || store.pause.Probe != "" {
					t.Errorf("afterwards: %+v", store.pause)
				}
			})
		})
	}
}

// While Redis is away the lane stays as it was known last, and one line says so.
func TestRedisAway(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		store := &fakeStore{}
		w := newWorker(store)
		w.run(t)
		store.setAway(true)
		w.refused(t, jobs.ClassQuota)
		if !w.Pass(t.Context(), lane, try()) {
			t.Error("a lane that is not known to be paused does not go on")
		}
		store.setAway(false)
		w.refused(t, jobs.ClassQuota)
		store.setAway(true)
		time.Sleep(time.Minute)
		synctest.Wait()
		if paused, due := w.Paused(lane); !paused || !due || w.Pass(t.Context(), lane, try()) {
			t.Error("a lane that was paused goes on without a word")
		}
		if n := strings.Count(w.log.String(), "not known which are paused"); n != 1 {
			t.Errorf("%d lines in a minute, want one:\n%s", n, w.log)
		}
	})
}

// An answer that was asked for before this worker learnt of a pause is older than
// that, and does not count.
func TestOldViewDoesNotCount(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		store := &fakeStore{}
		w := newWorker(store)
		store.during = func() { w.refused(t, jobs.ClassQuota) }
		if err := w.Refresh(t.Context()); err != nil {
			t.Fatal(err)
		}
		if paused, _ := w.Paused(lane); !paused {
			t.Error("the older view came after the newer one")
		}
	})
}

// A worker that starts while a lane is paused knows it from its first refresh on.
func TestPauseOfOthersIsKnown(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		store := &fakeStore{}
		newWorker(store).refused(t, jobs.ClassQuota)
		w := newWorker(store)
		if err := w.Refresh(t.Context()); err != nil {
			t.Fatal(err)
		}
		if paused, _ := w.Paused(lane); !paused || w.Pass(t.Context(), lane, try()) || w.log.String() != "" {
			t.Errorf("paused: %t, and it told %q", paused, w.log)
		}
	})
}

func TestMetricsAreThere(t *testing.T) {
	t.Parallel()
	w := newWorker(&fakeStore{})
	want := `# HELP longhaul_lane_paused Whether a lane is paused because its account is at fault, by lane and by the class of the failure.
# TYPE longhaul_lane_paused gauge
longhaul_lane_paused{class="quota",lane="bulk"} 0
longhaul_lane_paused{class="quota",lane="other"} 0
longhaul_lane_paused{class="unauthorized",lane="bulk"} 0
longhaul_lane_paused{class="unauthorized",lane="other"} 0
# HELP longhaul_limits_probes_total Jobs of paused lanes that were sent to find out whether the account works again, by lane.
# TYPE longhaul_limits_probes_total counter
longhaul_limits_probes_total{lane="bulk"} 0
longhaul_limits_probes_total{lane="other"} 0
`
	if err := testutil.GatherAndCompare(w.reg, strings.NewReader(want)); err != nil {
		t.Error(err)
	}
	if problems, err := testutil.GatherAndLint(w.reg); err != nil || len(problems) > 0 {
		t.Errorf("%v, %v", problems, err)
	}
}
