package results_test

import (
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"

	"github.com/longhaul-jobs/longhaul/jobs"
	"github.com/longhaul-jobs/longhaul/results"
)

const pausedLane = "bulk:1"

var waits = results.ProbeWaits{First: 5 * time.Second, Most: time.Minute}

// lanes is what tests do to one lane. Each step returns its verdict.
type lanes struct {
	*harness

	made map[int]jobs.ID
}

func onLanes(t *testing.T, test func(t *testing.T, l *lanes)) {
	t.Helper()
	onEach(t, results.Config{}, func(t *testing.T, h *harness) {
		h.StopClock()
		test(t, &lanes{h, make(map[int]jobs.ID)})
	})
}

// try is the try of a number, the same each time.
func (l *lanes) try(n int) jobs.Try {
	if l.made[n] == "" {
		l.made[n] = jobs.NewID(l.Now(), n%16)
	}
	return jobs.Try{Job: l.made[n], Attempt: 1}
}

// trip says what came of a try that begins now; class "" tells nothing.
func (l *lanes) trip(n int, by results.PausedBy, class jobs.Class) results.LaneVerdict {
	l.t.Helper()
	return l.tripSince(n, by, class, l.Now())
}

func (l *lanes) tripSince(n int, by results.PausedBy, class jobs.Class, began time.Time) results.LaneVerdict {
	l.t.Helper()
	e := results.Evidence{Try: l.try(n), Began: began, By: by}
	if class != "" {
		e.Failure = &jobs.Failure{Class: class, Message: "no " + string(class)}
	}
	verdict, p, err := l.TripLane(l.t.Context(), pausedLane, e, waits)
	l.same(p, err)
	return verdict
}

func (l *lanes) probe(n int) results.LaneVerdict {
	l.t.Helper()
	verdict, p, err := l.ProbeLane(l.t.Context(), pausedLane, l.try(n), time.Minute)
	l.same(p, err)
	return verdict
}

func (l *lanes) mend(n int, by results.PausedBy) results.LaneVerdict {
	l.t.Helper()
	verdict, p, err := l.MendLane(l.t.Context(), pausedLane, results.Evidence{Try: l.try(n), By: by}, 2*time.Minute)
	if verdict == results.LaneResumed {
		if !p.On() || l.pause().On() {
			l.t.Errorf("the lane resumed from %+v and is %+v", p, l.pause())
		}
		return verdict
	}
	l.same(p, err)
	return verdict
}

// same wants a step to return what the next reader gets.
func (l *lanes) same(p results.Pause, err error) {
	l.t.Helper()
	if err != nil {
		l.t.Fatal(err)
	}
	if diff := cmp.Diff(l.pause(), p); diff != "" {
		l.t.Errorf("returned and there (-there +returned):\n%s", diff)
	}
}

func (l *lanes) pause() results.Pause {
	l.t.Helper()
	pauses, err := l.Pauses(l.t.Context(), "another", pausedLane)
	if err != nil {
		l.t.Fatal(err)
	}
	if pauses[0].On() {
		l.t.Errorf("another lane is paused too: %+v", pauses[0])
	}
	return pauses[1]
}

// steps wants each verdict in turn.
func steps(t *testing.T, want ...any) {
	t.Helper()
	for i := 0; i < len(want); i += 3 {
		if want[i+1] != want[i+2] {
			t.Errorf("%v: %v, want %v", want[i], want[i+1], want[i+2])
		}
	}
}

// One refusal of many pauses the lane, one job at a time finds out whether it works
// again, ever more rarely, and the first that is accepted lets it resume.
func TestLanePausesAndResumes(t *testing.T) {
	t.Parallel()
	onLanes(t, func(t *testing.T, l *lanes) {
		create := results.PausedByCreate
		steps(t,
			"a probe of a lane that goes on", l.probe(0), results.LaneClosed,
			"what tells nothing", l.trip(0, create, ""), results.LaneClosed,
			"the first refusal", l.trip(1, create, jobs.ClassUnauthorized), results.LaneOpened,
			"the second", l.trip(2, create, jobs.ClassQuota), results.LanePaused,
			"a probe before its time", l.probe(3), results.LanePaused,
		)
		began := l.pause()
		want := results.Pause{Class: jobs.ClassUnauthorized, Message: "no unauthorized", By: create, Since: began.Since, ProbeAt: began.ProbeAt}
		if diff := cmp.Diff(want, began); diff != "" {
			t.Errorf("pause (-want +got):\n%s", diff)
		}
		for i, seconds := range []int{5, 10, 20, 40, 60, 60} {
			wait := time.Duration(seconds) * time.Second
			p := l.pause()
			if left := p.ProbeAt.Sub(l.Now()); left < wait-time.Millisecond || left > wait*6/5 || !p.Next().Equal(p.ProbeAt) {
				t.Errorf("probe %d in %s, want %s and at most a fifth more", i, left, wait)
			}
			l.ShiftClock(wait * 6 / 5)
			n := 10 * (i + 1)
			steps(t,
				"its time has come", l.probe(n), results.LaneProbe,
				"it asks again", l.probe(n), results.LaneProbe,
				"another one", l.probe(n+1), results.LanePaused,
			)
			if p = l.pause(); p.Probes != i+1 || !p.IsProbe(l.try(n)) || p.IsProbe(l.try(n+1)) || p.Next().Sub(l.Now()) < 59*time.Second {
				t.Errorf("with a probe out: %+v", p)
			}
			steps(t,
				"one that was in flight", l.mend(2, create), results.LanePaused,
				"the probe is refused", l.trip(n, create, jobs.ClassUnauthorized), results.LanePaused,
			)
		}
		l.ShiftClock(72 * time.Second)
		steps(t,
			"a last probe", l.probe(100), results.LaneProbe,
			"it is accepted", l.mend(100, create), results.LaneResumed,
			"any other", l.probe(101), results.LaneClosed,
			"and well", l.mend(101, create), results.LaneClosed,
		)
	})
}

// A probe that tells nothing makes room for the next, soon; one of which nothing is
// heard when its lease is over.
func TestProbeThatTellsNothing(t *testing.T) {
	t.Parallel()
	onLanes(t, func(t *testing.T, l *lanes) {
		create := results.PausedByCreate
		l.trip(1, create, jobs.ClassQuota)
		l.ShiftClock(6 * time.Second)
		steps(t,
			"probe", l.probe(2), results.LaneProbe,
			"it tells nothing", l.trip(2, create, ""), results.LanePaused,
			"the next, at once", l.probe(3), results.LanePaused,
		)
		l.ShiftClock(6 * time.Second)
		steps(t, "the next, after the shortest wait", l.probe(3), results.LaneProbe)
		l.ShiftClock(61 * time.Second)
		steps(t,
			"another, when nothing is heard", l.probe(4), results.LaneProbe,
			"the one before is refused", l.trip(3, create, jobs.ClassQuota), results.LanePaused,
		)
		if p := l.pause(); !p.IsProbe(l.try(4)) {
			t.Errorf("the probe that is out is no longer: %+v", p)
		}
		steps(t, "the later one is accepted", l.mend(4, create), results.LaneResumed)
	})
}

// When responses failed after their create was accepted, the end of a probe's
// response decides: of any probe, since responses take longer than leases.
func TestLanePausedByResponses(t *testing.T) {
	t.Parallel()
	onLanes(t, func(t *testing.T, l *lanes) {
		create, response := results.PausedByCreate, results.PausedByResponse
		steps(t, "a response fails", l.trip(1, response, jobs.ClassQuota), results.LaneOpened)
		l.ShiftClock(6 * time.Second)
		steps(t,
			"probe", l.probe(2), results.LaneProbe,
			"its create is accepted", l.mend(2, create), results.LanePaused,
		)
		if p := l.pause(); p.Lease.Sub(l.Now()) < 119*time.Second {
			t.Errorf("its response is waited for until %s only", p.Lease)
		}
		l.ShiftClock(90 * time.Second)
		steps(t, "another, meanwhile", l.probe(3), results.LanePaused)
		l.ShiftClock(time.Minute)
		steps(t,
			"another, when it takes long", l.probe(3), results.LaneProbe,
			"its create is accepted", l.mend(3, create), results.LanePaused,
			"the end of one that was none", l.mend(4, response), results.LanePaused,
			"the first probe ends well", l.mend(2, response), results.LaneResumed,
		)
	})
}

// The reason of a pause may change; who finds that out tells it, once.
func TestLaneIsPausedForAnotherReason(t *testing.T) {
	t.Parallel()
	onLanes(t, func(t *testing.T, l *lanes) {
		create := results.PausedByCreate
		l.trip(1, create, jobs.ClassUnauthorized)
		since := l.pause().Since
		l.ShiftClock(6 * time.Second)
		steps(t,
			"probe", l.probe(2), results.LaneProbe,
			"the same class", l.trip(2, create, jobs.ClassUnauthorized), results.LanePaused,
		)
		l.ShiftClock(12 * time.Second)
		steps(t,
			"probe", l.probe(3), results.LaneProbe,
			"another class", l.trip(3, create, jobs.ClassQuota), results.LaneChanged,
		)
		p := l.pause()
		want := results.Pause{Class: jobs.ClassQuota, Message: "no quota", Since: since, By: create, Probes: 2}
		if diff := cmp.Diff(want, p, cmpopts.IgnoreFields(results.Pause{}, "ProbeAt")); diff != "" {
			t.Errorf("pause (-want +got):\n%s", diff)
		}
		if left := p.ProbeAt.Sub(l.Now()); left < 4*time.Second || left > 6*time.Second {
			t.Errorf("the next probe in %s; want the shortest wait, for somebody is at it", left)
		}
	})
}

// What began before the lane resumed tells of an account as it was: a response that
// failed then is often found later.
func TestOldEvidencePausesNothing(t *testing.T) {
	t.Parallel()
	onLanes(t, func(t *testing.T, l *lanes) {
		response := results.PausedByResponse
		before := l.Now()
		l.trip(1, response, jobs.ClassQuota)
		l.ShiftClock(6 * time.Second)
		l.probe(2)
		l.mend(2, response)
		steps(t,
			"began before", l.tripSince(3, response, jobs.ClassQuota, before), results.LaneClosed,
			"began after", l.trip(4, response, jobs.ClassQuota), results.LaneOpened,
		)
		ttl, err := l.rdb.TTL(t.Context(), "longhaul:{breaker:"+pausedLane+"}").Result()
		if err != nil || ttl != -1 {
			t.Errorf("a lane that is paused is forgotten after %v, %v", ttl, err)
		}
	})
}

// One of any number of workers opens the lane, and one at a time is let in.
func TestManyWorkersPauseALaneOnce(t *testing.T) {
	t.Parallel()
	onLanes(t, func(t *testing.T, l *lanes) {
		const workers = 32
		for n := range workers {
			l.try(n)
		}
		count := func(do func(n int) (results.LaneVerdict, error)) map[results.LaneVerdict]int {
			var mu sync.Mutex
			var all sync.WaitGroup
			seen := make(map[results.LaneVerdict]int)
			for n := range workers {
				all.Go(func() {
					verdict, err := do(n)
					if err != nil {
						t.Error(err)
					}
					mu.Lock()
					defer mu.Unlock()
					seen[verdict]++
				})
			}
			all.Wait()
			return seen
		}
		now := l.Now()
		opened := count(func(n int) (results.LaneVerdict, error) {
			verdict, _, err := l.TripLane(t.Context(), pausedLane, results.Evidence{
				Try: l.try(n), Began: now, By: results.PausedByCreate, Failure: &jobs.Failure{Class: jobs.ClassQuota},
			}, waits)
			return verdict, err
		})
		l.ShiftClock(6 * time.Second)
		sent := count(func(n int) (results.LaneVerdict, error) {
			verdict, _, err := l.ProbeLane(t.Context(), pausedLane, l.try(n), time.Minute)
			return verdict, err
		})
		if opened[results.LaneOpened] != 1 || sent[results.LaneProbe] != 1 {
			t.Errorf("opened %v, sent %v; want one of each", opened, sent)
		}
	})
}

// The client repeats a script whose answer was lost: who opened the lane still
// learns of it, for nobody else tells, and no place for a probe is lost.
func TestLostAnswersAboutLanes(t *testing.T) {
	t.Parallel()
	onLanes(t, func(t *testing.T, l *lanes) {
		create := results.PausedByCreate
		lose := func() string {
			before := l.loser.count()
			l.loser.loseNext(nil)
			t.Cleanup(func() {
				if l.loser.count() == before {
					t.Error("no answer was lost")
				}
			})
			return "with its answer lost, "
		}
		steps(t, lose()+"opened", l.trip(1, create, jobs.ClassQuota), results.LaneOpened)
		l.ShiftClock(6 * time.Second)
		steps(t, lose()+"probe", l.probe(2), results.LaneProbe)
		if p := l.pause(); p.Probes != 1 {
			t.Errorf("%d probes, want one", p.Probes)
		}
		steps(t, lose()+"another reason", l.trip(2, create, jobs.ClassUnauthorized), results.LaneChanged)
	})
}

// A Redis that has forgotten a pause knows of none.
func TestForgottenPause(t *testing.T) {
	t.Parallel()
	onLanes(t, func(t *testing.T, l *lanes) {
		l.trip(1, results.PausedByCreate, jobs.ClassQuota)
		if err := l.rdb.FlushDB(t.Context()).Err(); err != nil {
			t.Fatal(err)
		}
		steps(t,
			"probe", l.probe(2), results.LaneClosed,
			"the next refusal", l.trip(2, results.PausedByCreate, jobs.ClassQuota), results.LaneOpened,
		)
	})
}

// What the provider said is kept as it is.
func TestPauseKeepsItsMessage(t *testing.T) {
	t.Parallel()
	onEach(t, results.Config{}, func(t *testing.T, h *harness) {
		message := strings.Repeat("You exceeded your current quota — \"plan\" and billing.\n", 5)
		_, p, err := h.TripLane(t.Context(), "l", results.Evidence{
			Try: jobs.Try{Job: jobs.NewID(h.Now(), 0), Attempt: 1}, Began: h.Now(), By: results.PausedByCreate,
			Failure: &jobs.Failure{Class: jobs.ClassQuota, Message: message},
		}, waits)
		if err != nil || p.Message != message {
			t.Errorf("message %q, %v", p.Message, err)
		}
	})
}
