package poller

import (
	"fmt"
	"slices"
	"testing"
	"time"

	"github.com/longhaul-jobs/longhaul/jobs"
)

var testSchedule = Schedule{
	Floor: 2 * time.Second, Ceiling: 30 * time.Second, NotFoundGrace: 2 * time.Minute, StopGrace: 5 * time.Minute,
	SafetyNet: 4 * time.Minute, LookCost: time.Second,
}

// half is the random number that adds nothing: jitter is spread around it.
const half = 0.5

func response(status string) answer {
	return answer{reply: jobs.Reply{Response: jobs.Response{ID: "resp_1", Status: status}}}
}

func failure(class jobs.Class) answer {
	return answer{failure: &jobs.Failure{Class: class}}
}

// running is a job whose response was created age ago.
func running(now time.Time, age time.Duration) jobs.Job {
	return jobs.Job{
		ID: jobs.NewID(now, 0), State: jobs.StateRunning, Current: 1, Created: now.Add(-age),
		Attempts: []jobs.Attempt{{Number: 1, ResponseID: "resp_1", Started: now.Add(-age), Answered: now.Add(-age)}},
	}
}

func TestNext(t *testing.T) {
	now := time.Date(2026, 11, 22, 12, 0, 0, 0, time.UTC)
	polled := response(jobs.StatusInProgress)
	polled.reply.PollAfter = 7 * time.Second
	throttled := failure(jobs.ClassRateLimited)
	throttled.failure.RetryAfter = 42 * time.Second

	tests := []struct {
		name  string
		age   time.Duration
		stop  time.Duration // how long ago a stop was asked for; 0 = not
		looks jobs.Looks
		got   answer
		event string        // "" = look again
		wait  time.Duration // before the next look
	}{
		{name: "young: the floor", age: time.Second, got: response("queued"), wait: 2 * time.Second},
		{name: "a tenth of the age", age: 100 * time.Second, got: response("in_progress"), wait: 10 * time.Second},
		{name: "old: the ceiling", age: time.Hour, got: response("in_progress"), wait: 30 * time.Second},
		{name: "an unknown status is not an end", age: time.Hour, got: response("paused"), wait: 30 * time.Second},
		{name: "the provider's wish", age: time.Second, got: polled, wait: 7 * time.Second},
		{name: "completed", got: response("completed"), event: "looked"},
		{name: "incomplete", got: response("incomplete"), event: "looked"},
		{name: "failed", got: response("failed"), event: "looked"},
		{name: "cancelled", got: response("cancelled"), event: "looked"},

		{name: "a failed look waits its interval", age: time.Second, got: failure(jobs.ClassUnavailable), wait: 2 * time.Second},
		{name: "the third in a row waits longer", age: time.Second, looks: jobs.Looks{Failed: 2}, got: failure(jobs.ClassUnavailable), wait: 8 * time.Second},
		{name: "never over the ceiling", age: time.Second, looks: jobs.Looks{Failed: 1000}, got: failure(jobs.ClassInternal), wait: 30 * time.Second},
		{name: "Retry-After", got: throttled, wait: 42 * time.Second},
		{name: "a bad key fails no job", age: time.Hour, looks: jobs.Looks{Failed: 50}, got: failure(jobs.ClassUnauthorized), wait: 30 * time.Second},

		{name: "larger than what is read", age: time.Second, got: failure(jobs.ClassOversized), event: "response_lost"},
		{name: "404 within grace", age: 119 * time.Second, looks: jobs.Looks{Failed: 9, NotFound: 9}, got: failure(jobs.ClassLost), wait: 11900 * time.Millisecond},
		{name: "404 after grace, too few", age: time.Hour, looks: jobs.Looks{Failed: 50, NotFound: 1}, got: failure(jobs.ClassLost), wait: 30 * time.Second},
		{name: "404 after grace, enough", age: 2 * time.Minute, looks: jobs.Looks{Failed: 2, NotFound: 2}, got: failure(jobs.ClassLost), event: "response_lost"},

		{name: "stopped and still running", age: time.Hour, stop: time.Minute, got: response("in_progress"), wait: 2 * time.Second},
		{name: "stopped, completed wins", age: time.Hour, stop: time.Minute, got: response("completed"), event: "looked"},
		{name: "stopped and never ends", age: time.Hour, stop: 5 * time.Minute, got: response("in_progress"), event: "stop_given_up"},
		{name: "stopped and unreachable", age: time.Hour, stop: 5 * time.Minute, got: failure(jobs.ClassUnavailable), event: "stop_given_up"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			j := running(now, tt.age)
			j.Looks = tt.looks
			if tt.stop > 0 {
				j.Stop = &jobs.Stop{At: now.Add(-tt.stop), Reason: jobs.StopCancel}
			}
			d := next(now, j, tt.got, testSchedule, nil, false, half)
			if name := eventName(d.event); name != tt.event {
				t.Fatalf("event %q, want %q", name, tt.event)
			}
			if d.looks.Count != tt.looks.Count+1 {
				t.Errorf("looks %d, want %d", d.looks.Count, tt.looks.Count+1)
			}
			if d.event == nil && d.due.Sub(now) != tt.wait {
				t.Errorf("next look in %v, want %v", d.due.Sub(now), tt.wait)
			}
		})
	}
}

func eventName(ev jobs.Event) string {
	if ev == nil {
		return ""
	}
	return ev.Name()
}

func TestFailedLooksAreForgottenAfterAGoodOne(t *testing.T) {
	now := time.Now()
	j := running(now, time.Minute)
	j.Looks = jobs.Looks{Failed: 7, Status: jobs.StatusInProgress}
	d := next(now, j, response(jobs.StatusQueued), testSchedule, nil, false, half)
	if d.looks.Failed != 0 {
		t.Errorf("failed in a row %d, want 0", d.looks.Failed)
	}
	if d.looks.Status != jobs.StatusInProgress {
		t.Errorf("status went back to %q: an old snapshot must not be believed", d.looks.Status)
	}
}

// FuzzNext holds every decision to its bounds: a look is either the end of the
// response or followed by another one, neither at once nor never, and only a
// response that ended, is lost for good, or is stopped for long ends a job.
func FuzzNext(f *testing.F) {
	f.Add(int64(0), 0, uint8(0), uint8(0), int64(0), 0.0)
	f.Add(int64(3600), 5, uint8(1), uint8(3), int64(600), 0.99)
	statuses := []string{"queued", "in_progress", "completed", "incomplete", "failed", "cancelled", "new_status"}
	f.Fuzz(func(t *testing.T, ageSeconds int64, failed int, pick, class uint8, stopped int64, random float64) {
		if random < 0 || random >= 1 || ageSeconds < 0 || ageSeconds > 1e9 || failed < 0 {
			return
		}
		now := time.Date(2026, 11, 22, 12, 0, 0, 0, time.UTC)
		j := running(now, time.Duration(ageSeconds)*time.Second)
		j.Looks.Failed, j.Looks.NotFound = failed, failed
		if stopped > 0 && stopped < 1e9 {
			j.Stop = &jobs.Stop{At: now.Add(-time.Duration(stopped) * time.Second)}
		}
		got := response(statuses[int(pick)%len(statuses)])
		if pick%2 == 1 {
			got = failure(jobs.Classes()[int(class)%len(jobs.Classes())])
		}
		var plan *Plan
		if failed%2 == 1 {
			plan = knownDurations(t)
		}
		d := next(now, j, got, testSchedule, plan, false, random)
		if d.event == nil {
			if wait := d.due.Sub(now); wait < testSchedule.Floor*9/10 || wait > testSchedule.Ceiling*11/10 {
				t.Fatalf("next look in %v", wait)
			}
			return
		}
		switch ev := d.event.(type) {
		case jobs.Looked:
			if !ev.Reply.Response.Terminal() {
				t.Fatalf("a response that is %s ended a job", ev.Reply.Response.Status)
			}
		case jobs.ResponseLost:
			oversized := got.failure.Class == jobs.ClassOversized
			if !oversized && (got.failure.Class != jobs.ClassLost || now.Sub(j.Attempts[0].Answered) < testSchedule.NotFoundGrace) {
				t.Fatalf("%v counted as lost", got.failure)
			}
		case jobs.StopGivenUp:
			if j.Stop == nil || now.Sub(j.Stop.At) < testSchedule.StopGrace {
				t.Fatal("a stop was given up within its grace")
			}
		default:
			t.Fatalf("unexpected event %s", d.event.Name())
		}
	})
}

func ExampleSchedule_First() {
	s := Schedule{Floor: 2 * time.Second, Ceiling: 30 * time.Second, SafetyNet: 5 * time.Minute}
	fmt.Println(s.First(nil, 0, false), s.First(nil, 7*time.Second, false), s.First(nil, 7*time.Second, true))
	// Output: 2s 7s 5m0s
}

// A response that a person gave to a job is taken only if it is not another's. One that
// the provider does not know is given back at once: there is no create whose response
// might still show itself.
//
// Guarantee: G17.
func TestAdoptedResponsesAreChecked(t *testing.T) {
	now := time.Date(2026, 11, 22, 12, 0, 0, 0, time.UTC)
	j := running(now, time.Second)
	made := func(owner jobs.ID, status string) answer {
		got := response(status)
		got.reply.Response.Metadata = map[string]string{jobs.MetadataJob: string(owner), jobs.MetadataAttempt: "1"}
		return got
	}
	other := jobs.NewID(now, 3)
	refuted := jobs.AdoptionRefuted{ResponseID: "resp_1", Owner: other}
	for _, tt := range []struct {
		name    string
		adopted bool
		looks   jobs.Looks
		got     answer
		want    jobs.Event // nil: look again; looked: the end
	}{
		{"another's, completed", true, jobs.Looks{}, made(other, "completed"), refuted},
		{"another's, in progress", true, jobs.Looks{}, made(other, "in_progress"), refuted},
		{"its own", true, jobs.Looks{}, made(j.ID, "completed"), jobs.Looked{}},
		{"nobody says whose", true, jobs.Looks{}, response("completed"), jobs.Looked{}},
		{"unknown", true, jobs.Looks{Failed: 2, NotFound: 2}, failure(jobs.ClassLost), jobs.AdoptionRefuted{ResponseID: "resp_1"}},
		{"unknown so far", true, jobs.Looks{Failed: 1, NotFound: 1}, failure(jobs.ClassLost), nil},
		{"an answer brought it", false, jobs.Looks{}, made(other, "completed"), jobs.Looked{}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			j := j
			j.Attempts = slices.Clone(j.Attempts)
			if tt.adopted {
				j.Attempts[0].Adopted = now
			}
			j.Looks = tt.looks
			got := next(now, j, tt.got, testSchedule, nil, false, half).event
			if _, ended := tt.want.(jobs.Looked); ended {
				if _, ok := got.(jobs.Looked); !ok {
					t.Errorf("got %#v, want its end", got)
				}
				return
			}
			if got != tt.want {
				t.Errorf("got %#v, want %#v", got, tt.want)
			}
		})
	}
}
