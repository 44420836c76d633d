package jobs_test

import (
	"errors"
	"math/rand/v2"
	"strings"
	"testing"
	"time"

	"github.com/longhaul-jobs/longhaul/jobs"
)

// threaded are the jobs of one thread, in the order in which they were accepted.
type threaded []jobs.Job

// newThread makes jobs of which each follows the one before, as the store accepts them.
func newThread(tb testing.TB, n int) threaded {
	tb.Helper()
	var all threaded
	for i := range n {
		j := newJob(tb, jobs.Options{Thread: "talk"})
		j.ID = jobs.NewID(testNow.Add(time.Duration(i)*time.Second), 0)
		if i > 0 {
			j.Follows, j.AskAt, j.Admitted = all[i-1].ID, testNow, time.Time{}
		}
		all = append(all, j)
	}
	return all
}

// step applies an event if it means something, and checks what must hold of the thread.
func (all threaded) step(tb testing.TB, i int, ev jobs.Event) {
	tb.Helper()
	now := testNow
	for _, j := range all {
		if j.Updated.After(now) {
			now = j.Updated
		}
	}
	c, err := jobs.Transition(all[i], ev, now.Add(time.Second))
	if _, refused := errors.AsType[*jobs.RefusedError](err); errors.Is(err, jobs.ErrUnchanged) || refused {
		return
	}
	if err != nil {
		tb.Fatalf("%s of number %d: %v", ev.Name(), i, err)
	}
	all[i] = c.Job
	if all[i].State == jobs.StateWaiting {
		all[i] = admitted(c.Job, now)
	}
	all.check(tb, i)
}

// check: a job has its turn when all before it have ended, and then goes on from the last
// of them that has succeeded.
func (all threaded) check(tb testing.TB, i int) {
	tb.Helper()
	j := all[i]
	if !j.Turn || j.Aside() {
		if i > 0 && (len(j.Attempts) > 0 || j.Continues != nil) {
			tb.Fatalf("number %d has %d attempts and continues %+v before its turn", i, len(j.Attempts), j.Continues)
		}
		return
	}
	var last jobs.ID
	for k, before := range all[:i] {
		if !before.State.Terminal() {
			tb.Fatalf("number %d has its turn while number %d is %s", i, k, before.State)
		}
		if before.State == jobs.StateSucceeded {
			last = before.ID
		}
	}
	switch {
	case last == "" && j.Continues == nil:
	case last == "" || j.Continues == nil || j.Continues.Job != last || j.Continues.ResponseID != "resp_of_"+string(last):
		tb.Fatalf("number %d continues %+v, want the response of %q", i, j.Continues, last)
	}
}

// tell brings a job the news of the one that it follows.
func (all threaded) tell(tb testing.TB, i int) {
	tb.Helper()
	for _, before := range all {
		if before.ID == all[i].Follows {
			all.step(tb, i, before.Ending())
		}
	}
}

// run makes an attempt, which the provider ends at once.
func (all threaded) run(tb testing.TB, i int, status string) {
	tb.Helper()
	if all[i].State != jobs.StateWaiting || all[i].Aside() {
		return
	}
	attempt := all[i].NextAttempt()
	all.step(tb, i, submit(attempt))
	all.step(tb, i, jobs.Created{Attempt: attempt, Endpoint: testEndpoint, Reply: reply("resp_of_"+string(all[i].ID), status), FirstLook: at(1000)})
}

// A thread goes on over whatever its jobs come to, in whatever order the news arrive.
func TestThreadGoesOn(t *testing.T) {
	t.Parallel()
	all := newThread(t, 5)
	all.step(t, 2, cancel)               // before its turn
	all.run(t, 0, jobs.StatusCompleted)  // succeeds
	all.tell(t, 3)                       // number 2 never had a turn: wait for number 1
	all.tell(t, 1)                       // continues number 0
	all.run(t, 1, failedInvalid)         // fails
	all.tell(t, 3)                       // goes on from number 0
	all.tell(t, 3)                       // again, which changes nothing
	all.run(t, 3, jobs.StatusIncomplete) // no response to go on from
	all.tell(t, 4)                       // from number 0, again
	all.run(t, 4, jobs.StatusCompleted)  // succeeds
	want := []jobs.State{jobs.StateSucceeded, jobs.StateFailed, jobs.StateCancelled, jobs.StateIncomplete, jobs.StateSucceeded}
	for i, j := range all {
		if j.State != want[i] {
			t.Errorf("number %d is %s, want %s", i, j.State, want[i])
		}
	}
	for _, i := range []int{1, 3, 4} {
		a, _ := all[i].CurrentAttempt()
		if p := all[i].Continues; p == nil || p.Job != all[0].ID || a.Adjust == nil || a.Adjust.PreviousResponseID != p.ResponseID {
			t.Errorf("number %d continues %+v and asked for %+v, want the response of the first", i, p, a.Adjust)
		}
	}
}

// One whose predecessor is gone cannot know where its thread stands.
func TestThreadThatHasLostAJob(t *testing.T) {
	t.Parallel()
	all := newThread(t, 2)
	all.step(t, 1, jobs.DependencyEnded{Job: all[0].ID})
	if f := all[1].Failure; all[1].State != jobs.StateFailed || f == nil || f.Code != "dependency_gone" || !strings.Contains(f.Message, string(all[0].ID)) {
		t.Errorf("%s: %+v", all[1].State, f)
	}
}

// FuzzThread lets the jobs of a thread run, fail, be cancelled and hear of one another in
// any order. Each byte is a job and what happens to it.
func FuzzThread(f *testing.F) {
	f.Add([]byte{0, 26, 1, 27, 2})                 // one after another
	f.Add([]byte{17, 28, 0, 26, 11, 28, 28, 3, 4}) // one is cancelled before its turn, one fails
	f.Fuzz(func(t *testing.T, data []byte) { walkThread(t, data) })
}

func walkThread(tb testing.TB, data []byte) threaded {
	tb.Helper()
	const n = 5
	all := newThread(tb, n)
	for _, b := range data[:min(len(data), 300)] {
		switch i := int(b) % n; int(b) / n % 10 {
		case 0, 1:
			all.run(tb, i, jobs.StatusCompleted)
		case 2:
			all.run(tb, i, failedInvalid)
		case 3:
			all.step(tb, i, cancel)
		case 4:
			all.step(tb, i, deadline)
		default:
			all.tell(tb, i)
		}
	}
	return all
}

// At random, threads do go on: that they never break a rule is worth something.
func TestThreadAtRandom(t *testing.T) {
	t.Parallel()
	random := rand.New(rand.NewPCG(3, 4))
	continued := 0
	for range 300 {
		data := make([]byte, 120)
		for i := range data {
			data[i] = byte(random.Uint32())
		}
		for _, j := range walkThread(t, data) {
			if j.Continues != nil && j.State == jobs.StateSucceeded {
				continued++
			}
		}
	}
	if continued < 20 {
		t.Errorf("%d jobs succeeded that continue another, of 300 threads", continued)
	}
}
