package jobs_test

import (
	"errors"
	"math/rand/v2"
	"testing"
	"time"

	"github.com/longhaul-jobs/longhaul/jobs"
)

// FuzzTransition lets anything happen to a job, in any order, as often as the
// input says, and checks after each event what must always hold. The first two
// bytes choose the job's options, every further two an event and its argument.
func FuzzTransition(f *testing.F) {
	f.Add([]byte{0, 0, 0, 0, 1, 0, 4, 1})                                  // one good attempt
	f.Add([]byte{1, 4, 0, 0, 2, 6, 0, 0, 1, 1, 1, 0, 9, 1})                // answer lost, resubmitted, comes late
	f.Add([]byte{2, 0, 0, 0, 2, 6, 7, 0, 0, 0, 1, 1})                      // held, retried by hand
	f.Add([]byte{0, 1, 0, 0, 1, 0, 5, 0, 6, 0, 7, 0, 9, 1, 0, 0, 1, 0})    // cancelled, given up, retried, won by the old one
	f.Add([]byte{0, 0, 0, 0x40, 2, 0x80, 11, 3, 0, 0, 1, 1})               // waits for the provider's word, in vain
	f.Add([]byte{0x80, 0, 0, 0, 2, 0x80, 15, 1, 4, 0x10})                  // held, adopted by hand
	f.Add([]byte{0, 3, 0, 0, 1, 0, 4, 0x20, 0, 0, 1, 0, 4, 0x10})          // cut off, asked again with more room
	f.Add([]byte{0, 2, 0, 0, 3, 0, 0, 0, 3, 0, 0, 0, 3, 0, 8, 1, 1, 0, 9}) // workers die, deleted
	f.Add([]byte{0x40, 8, 20, 4, 20, 0x84, 0, 0, 1, 0, 4, 0x10})           // waits for two, runs, and is waited for
	f.Add([]byte{0, 0, 18, 2, 21, 0, 0, 0, 1, 0, 4, 1})                    // waits for a budget, and runs
	f.Add([]byte{0, 0, 0, 0, 22, 0, 23, 0x20})                             // a line of a batch, answered
	f.Add([]byte{0, 0x10, 24, 1, 24, 2, 25, 0x20})                         // a parent of two phases
	f.Add([]byte{0x40, 0x18, 20, 4, 20, 0x84, 24, 1, 5, 0, 7, 0, 25, 0, 8, 1})
	f.Fuzz(func(t *testing.T, data []byte) {
		if len(data) < 2 || len(data) > 400 {
			return
		}
		walk(t, data, func(jobs.Job) {})
	})
}

// The fuzz test's walk is worth something: at random it gets everywhere.
func TestTransitionAtRandom(t *testing.T) {
	random := rand.New(rand.NewPCG(1, 2))
	states, outcomes, steps := make(map[jobs.State]int), make(map[jobs.Outcome]int), 0
	for range 400 {
		data := make([]byte, 120)
		for i := range data {
			data[i] = byte(random.Uint32())
		}
		walk(t, data, func(j jobs.Job) {
			steps++
			states[j.State]++
			for _, a := range j.Attempts {
				outcomes[a.Outcome]++
			}
		})
	}
	for _, s := range jobs.States() {
		if states[s] == 0 {
			t.Errorf("%d steps never led to state %s", steps, s)
		}
	}
	for _, o := range constants(t, "Outcome") {
		if outcomes[jobs.Outcome(o)] == 0 {
			t.Errorf("%d steps never led to an attempt with outcome %s", steps, o)
		}
	}
}

// walk makes a job and leads it through the events that the data stands for.
func walk(t *testing.T, data []byte, visit func(jobs.Job)) {
	t.Helper()
	o := jobs.Options{MaxAttempts: 1 + int(data[0])%4}
	if data[0]&0x80 != 0 {
		o.Uncertain = jobs.UncertainHold
	}
	if data[1]&1 != 0 {
		o.Deadline = at(1 + int(data[1]))
	}
	if data[0]&0x40 != 0 {
		o.After, o.ContinueFrom = []jobs.ID{testOther}, testParent
	}
	j, now := newJob(t, o), testNow
	if data[1]&0x10 != 0 {
		o.ContinueFrom = ""
		j = newParent(t, o)
	}
	if data[1]&8 != 0 {
		j.Links = jobs.LinkWaited
	}
	if data[1]&2 != 0 {
		j.OutputCap, j.GrowOutputTo = 100, 350
	}
	j.History = data[1]&4 != 0
	for i := 2; i+1 < len(data); i += 2 {
		now = now.Add(time.Duration(data[i+1]%16) * time.Second)
		if j.State == jobs.StateWaiting && j.Admitted.IsZero() && data[i]&0x80 == 0 {
			j = admitted(j, now)
		}
		j = step(t, j, fuzzedEvent(j, data[i], data[i+1]), now)
		visit(j)
	}
}

// step is one event, checked.
func step(t *testing.T, j jobs.Job, ev jobs.Event, now time.Time) jobs.Job {
	t.Helper()
	before := encode(t, j)
	c, err := jobs.Transition(j, ev, now)
	if after := encode(t, j); after != before {
		t.Fatalf("%s changed the given job\nbefore %s\nafter  %s", ev.Name(), before, after)
	}
	switch _, no := errors.AsType[*jobs.RefusedError](err); {
	case errors.Is(err, jobs.ErrUnchanged), no:
		return j
	case err != nil:
		t.Fatalf("%s in %s: %v", ev.Name(), j.State, err)
	}
	checkStep(t, j, ev, c)
	if _, err := jobs.Transition(c.Job, ev, now); !errors.Is(err, jobs.ErrUnchanged) {
		t.Errorf("%s in %s, again: %v, want ErrUnchanged", ev.Name(), j.State, err)
	}
	if t.Failed() {
		t.Fatalf("after %+v\nof  %s\nwas %s", ev, encode(t, c.Job), before)
	}
	return c.Job
}

// fuzzedEvent makes an event that may fit the job, or miss it by one.
func fuzzedEvent(j jobs.Job, kind, arg byte) jobs.Event {
	statuses := []string{
		jobs.StatusQueued, jobs.StatusCompleted, jobs.StatusIncomplete, jobs.StatusFailed, jobs.StatusCancelled, failedInvalid,
	}
	status := statuses[int(arg>>4)%len(statuses)]
	class := jobs.Classes()[int(arg>>4)%len(jobs.Classes())]
	attempt := j.Current
	if arg&3 != 0 { // any attempt there is, and one beyond
		attempt = 1 + int(arg>>2)%(len(j.Attempts)+1)
	}
	switch kind & 0x7f % 26 {
	case 0:
		ev := submit(j.NextAttempt())
		ev.UncertainWait = time.Duration(arg>>6) * 3 * time.Second
		return ev
	case 17:
		return jobs.RequestUnusable{Attempt: j.NextAttempt() - int(arg&1), Failure: failure(class)}
	case 20:
		return fuzzedEnd(jobs.States()[int(arg)%len(jobs.States())], arg)
	case 18:
		ev := jobs.Postponed{Attempt: j.NextAttempt() - int(arg&1), Admitted: j.Admitted}
		if arg&2 != 0 {
			ev.Reason, ev.Budget, ev.Needs = jobs.WaitBudget, "november", jobs.Dollar
		}
		return ev
	case 24, 25:
		return fuzzedPlan(j, kind, arg)
	case 21:
		return jobs.RoomFound{Budget: "november"}
	case 22: // its request is a line of a batch
		ev := created(attempt, status)
		ev.Reply = reply(jobs.LineID(jobs.Try{Job: testID, Attempt: attempt}), status)
		return ev
	case 23:
		return fuzzedAnswer(jobs.LineID(jobs.Try{Job: testID, Attempt: attempt}), status, class, arg)
	case 11:
		return jobs.WaitOver{Delay: time.Second}
	case 12:
		return jobs.CrashedAlone{Worker: testWorker}
	case 13:
		return jobs.ReleaseRequested{}
	case 14:
		return jobs.FailRequested{Message: "no"}
	case 16: // a gateway answers with the response of the first attempt
		ev := created(attempt, status)
		ev.Reply = created(1, status).Reply
		return ev
	case 19:
		return jobs.AdoptionRefuted{ResponseID: responseID(attempt), Owner: j.ID}
	case 15:
		return jobs.AdoptRequested{Attempt: attempt * int(arg&1), ResponseID: responseID(attempt)}
	case 1:
		return created(attempt, status)
	case 2:
		return createFailed(attempt, class)
	case 3:
		return jobs.WorkerLost{Attempt: attempt, Worker: testWorker, Delay: time.Second}
	case 4:
		return looked(attempt, status)
	case 5:
		return jobs.StopRequested{Reason: []jobs.StopReason{jobs.StopCancel, jobs.StopDeadline}[arg&1]}
	case 6:
		return jobs.StopGivenUp{ResponseID: responseID(attempt)}
	case 7:
		return jobs.RetryRequested{}
	case 8:
		return jobs.DeleteRequested{Remote: arg&1 == 1}
	case 9:
		return fuzzedEffect(j, status, arg)
	default:
		return jobs.ResponseLost{ResponseID: responseID(attempt), Failure: failure(jobs.ClassLost)}
	}
}

// fuzzedPlan is a step of a parent, or of a plan that it is not at any more.
func fuzzedPlan(j jobs.Job, kind, arg byte) jobs.Event {
	since := testNow
	if j.Plan != nil && arg&0x80 == 0 {
		since = j.Plan.Since
	}
	if kind&1 == 0 {
		return jobs.Planned{Since: since, Phase: int(arg % 4), Parts: int(arg)}
	}
	ev := jobs.PlanEnded{Since: since}
	if arg&0x20 != 0 {
		ev.Result = []byte(`{"summary":"s"}`)
	}
	if arg&0x40 != 0 {
		ev.Failure = new(failure(jobs.ClassDependency))
	}
	return ev
}

// fuzzedAnswer is what came of a line of a batch.
func fuzzedAnswer(line, status string, class jobs.Class, arg byte) jobs.Event {
	ev := jobs.Collected{Line: line, Endpoint: testEndpoint, Delay: time.Second}
	if arg&0x10 != 0 {
		ev.Failure = new(failure(class))
		return ev
	}
	r := reply(line+"_response", status)
	ev.Reply = &r
	return ev
}

// fuzzedEnd is the end of a job that another may wait for.
func fuzzedEnd(state jobs.State, arg byte) jobs.Event {
	if arg&0x80 == 0 {
		return jobs.DependencyEnded{Job: testOther, State: state}
	}
	return jobs.DependencyEnded{Job: testParent, State: state, Response: &jobs.Previous{Job: testParent, ResponseID: "resp_p", Endpoint: testEndpoint}}
}

// fuzzedEffect does what an effect of the job's outbox says, if there is one.
func fuzzedEffect(j jobs.Job, status string, arg byte) jobs.Event {
	if len(j.Outbox) == 0 || arg&0x80 != 0 {
		return jobs.EffectDone{ID: int(arg)}
	}
	e := j.Outbox[int(arg)%len(j.Outbox)]
	if arg&1 == 0 {
		return jobs.EffectDone{ID: e.ID}
	}
	return cancelled(e.ID, e.Attempt, status)
}
