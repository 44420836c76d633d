package webhooks_test

import (
	"context"
	"errors"
	"net/http"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/longhaul-jobs/longhaul/jobs"
)

const (
	question = `{"input":"What is a long haul?"}`
	detailed = `{"input":"What is a long haul?","include":["web_search_call.results"]}`
)

func submitted(wait time.Duration) jobs.SubmitStarted {
	return jobs.SubmitStarted{Attempt: 1, Worker: "w_1", Endpoint: "default", UncertainWait: wait}
}

func running(t *testing.T) []jobs.Event {
	t.Helper()
	return []jobs.Event{submitted(0), jobs.Created{
		Attempt: 1, Reply: jobs.Reply{Response: jobs.Response{ID: "resp_1", Status: jobs.StatusQueued}}, FirstLook: time.Now().Add(time.Hour),
	}}
}

var lost = jobs.CreateFailed{Attempt: 1, Failure: jobs.Failure{Class: jobs.ClassAmbiguous}}

// What a webhook does to the job that its response was made for, at once.
//
// Guarantees: G2, G16, G17.
func TestFollow(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		name    string
		body    string
		options jobs.Options
		events  func(t *testing.T) []jobs.Event
		status  string // of the response
		state   jobs.State
		result  string // of the metric
		looks   int
	}{
		{"its end is found", question, jobs.Options{}, running, jobs.StatusCompleted, jobs.StateSucceeded, "ended", 1},
		{"its end is found, with what was asked for", detailed, jobs.Options{}, running, jobs.StatusCompleted, jobs.StateSucceeded, "ended", 2},
		{"it came before the id was on record", question, jobs.Options{}, func(*testing.T) []jobs.Event {
			return []jobs.Event{submitted(0)}
		}, jobs.StatusCompleted, jobs.StateSucceeded, "adopted", 1},
		{"the answer to its create was lost, and its job waits for this", question, jobs.Options{}, func(*testing.T) []jobs.Event {
			return []jobs.Event{submitted(time.Hour), lost}
		}, jobs.StatusCompleted, jobs.StateSucceeded, "adopted", 1},
		{"its job is held", question, jobs.Options{Uncertain: jobs.UncertainHold}, func(*testing.T) []jobs.Event {
			return []jobs.Event{submitted(0), lost}
		}, jobs.StatusCompleted, jobs.StateSucceeded, "adopted", 1},
		{"its job waits to ask again", question, jobs.Options{}, func(*testing.T) []jobs.Event {
			return []jobs.Event{submitted(0), lost}
		}, jobs.StatusInProgress, jobs.StateRunning, "adopted", 1},
		{"its job has ended", question, jobs.Options{}, func(t *testing.T) []jobs.Event {
			t.Helper()
			return append(running(t), jobs.Looked{Reply: jobs.Reply{Response: jobs.Response{ID: "resp_1", Status: jobs.StatusCompleted}}})
		}, jobs.StatusCompleted, jobs.StateSucceeded, "known", 1},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				var j jobs.Job
				r := newRig(func(int) (jobs.Reply, error) { return response(t, "resp_1", j.ID, 1, tt.status), nil })
				j = r.put(t, tt.options, tt.body, tt.events(t)...)
				r.run(t)
				synctest.Wait()
				came := time.Now()
				if err := r.post(t, "wh_1", "resp_1"); err != nil {
					t.Fatal(err)
				}
				synctest.Wait()
				if got := r.store.job(j.ID); got.State != tt.state || !time.Now().Equal(came) {
					t.Errorf("%s after %s, want %s at once", got.State, time.Since(came), tt.state)
				}
				if n := r.metric(t, "longhaul_webhooks_looks_total", "result", tt.result); n != 1 {
					t.Errorf("%v looks were %s", n, tt.result)
				}
				if r.store.left() != 0 || r.api.count() != tt.looks {
					t.Errorf("%d hints left after %d looks, want none after %d", r.store.left(), r.api.count(), tt.looks)
				}
				if last := r.api.looks[len(r.api.looks)-1]; tt.looks == 2 && !strings.Contains(last, "web_search_call.results") {
					t.Errorf("the last look asked for %s", last)
				}
				news := tt.status == jobs.StatusCompleted && tt.result != "known"
				if told := slices.Equal(r.ended, []string{"resp_1 of 1"}); told != news || !news && r.ended != nil {
					t.Errorf("told of the ends %q", r.ended)
				}
				lint(t, r)
			})
		})
	}
}

// The completed response of an attempt that lost its answer wins over the one that
// runs, which is cancelled.
func TestRivalCompletes(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		var j jobs.Job
		r := newRig(func(int) (jobs.Reply, error) { return response(t, "resp_1", j.ID, 1, jobs.StatusCompleted), nil })
		second := submitted(0)
		second.Attempt = 2
		j = r.put(t, jobs.Options{}, question, submitted(0), lost, second, jobs.Created{
			Attempt: 2, Reply: jobs.Reply{Response: jobs.Response{ID: "resp_2", Status: jobs.StatusQueued}},
		})
		r.run(t)
		if err := r.post(t, "wh_1", "resp_1"); err != nil {
			t.Fatal(err)
		}
		synctest.Wait()
		if got := r.store.job(j.ID); got.State != jobs.StateSucceeded || got.Current != 1 || len(got.Outbox) != 1 || len(r.effects.enqueued) != 1 {
			t.Errorf("%s with attempt %d, owes %+v, enqueued %v", got.State, got.Current, got.Outbox, r.effects.enqueued)
		}
	})
}

// A webhook is looked at until its response can be had, and not for ever.
func TestLooksAgain(t *testing.T) {
	t.Parallel()
	refuse := func(class jobs.Class) (jobs.Reply, error) {
		return jobs.Reply{}, &jobs.Error{Failure: jobs.Failure{Class: class}}
	}
	for _, tt := range []struct {
		name   string
		answer func(t *testing.T, job jobs.ID, n int) (jobs.Reply, error)
		state  jobs.State
		looks  int
		within time.Duration
	}{
		{"it came too early", func(t *testing.T, job jobs.ID, n int) (jobs.Reply, error) {
			t.Helper()
			if n < 3 {
				return response(t, "resp_1", job, 1, jobs.StatusInProgress), nil
			}
			return response(t, "resp_1", job, 1, jobs.StatusCompleted), nil
		}, jobs.StateSucceeded, 3, 5 * time.Second},
		{"far too early: the ordinary looks remain", func(t *testing.T, job jobs.ID, _ int) (jobs.Reply, error) {
			t.Helper()
			return response(t, "resp_1", job, 1, jobs.StatusInProgress), nil
		}, jobs.StateRunning, 4, time.Minute},
		{"the provider is away for an hour", func(t *testing.T, job jobs.ID, n int) (jobs.Reply, error) {
			t.Helper()
			if n < 20 {
				return refuse(jobs.ClassUnavailable)
			}
			return response(t, "resp_1", job, 1, jobs.StatusCompleted), nil
		}, jobs.StateSucceeded, 20, 2 * time.Hour},
		{"the provider does not know it", func(*testing.T, jobs.ID, int) (jobs.Reply, error) {
			return refuse(jobs.ClassLost)
		}, jobs.StateRunning, 6, 10 * time.Minute},
		{"it is too large to read", func(*testing.T, jobs.ID, int) (jobs.Reply, error) {
			return refuse(jobs.ClassOversized)
		}, jobs.StateRunning, 1, time.Minute},
		{"it is none of ours", func(t *testing.T, _ jobs.ID, _ int) (jobs.Reply, error) {
			t.Helper()
			return jobs.Reply{Response: jobs.Response{ID: "resp_1", Status: jobs.StatusCompleted}}, nil
		}, jobs.StateRunning, 1, time.Minute},
		{"its job is unknown here", func(t *testing.T, _ jobs.ID, _ int) (jobs.Reply, error) {
			t.Helper()
			return response(t, "resp_1", jobs.NewID(time.Now(), 1), 1, jobs.StatusCompleted), nil
		}, jobs.StateRunning, 1, time.Minute},
		{"its job has forgotten the attempt: it wins all the same", func(t *testing.T, job jobs.ID, _ int) (jobs.Reply, error) {
			t.Helper()
			return response(t, "resp_9", job, 9, jobs.StatusCompleted), nil
		}, jobs.StateSucceeded, 1, time.Minute},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				var j jobs.Job
				r := newRig(func(n int) (jobs.Reply, error) { return tt.answer(t, j.ID, n) })
				j = r.put(t, jobs.Options{}, question, running(t)...)
				r.run(t)
				if err := r.post(t, "wh_1", "resp_1"); err != nil {
					t.Fatal(err)
				}
				time.Sleep(tt.within)
				synctest.Wait()
				if got := r.store.job(j.ID).State; got != tt.state || r.store.left() != 0 || r.api.count() != tt.looks {
					t.Errorf("%s after %d looks, %d hints left; want %s after %d", got, r.api.count(), r.store.left(), tt.state, tt.looks)
				}
			})
		})
	}
}

// What comes is kept, refused or passed over, and only the provider's own is
// heard.
func TestReceive(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		r := newRig(func(int) (jobs.Reply, error) { return jobs.Reply{}, errors.New("nobody looks") })
		if err := r.Receive(t.Context(), http.Header{}, []byte(`{"response":"resp_1"}`)); jobs.ClassOf(err) != jobs.ClassUnauthorized || r.heard != 0 {
			t.Errorf("forged: %v, heard %d", err, r.heard)
		}
		for range 2 {
			if err := r.post(t, "wh_1", "resp_1"); err != nil {
				t.Errorf("sent: %v", err)
			}
		}
		if err := r.Receive(t.Context(), http.Header{"X-From": {"openai"}}, []byte(`{"id":"wh_2","type":"batch.completed"}`)); err != nil {
			t.Errorf("about a batch: %v", err)
		}
		r.store.setAway(true)
		if err := r.post(t, "wh_3", "resp_3"); jobs.ClassOf(err) != jobs.ClassUnavailable {
			t.Errorf("redis away: %v, want one that has it sent again", err)
		}
		for outcome, want := range map[string]float64{"taken": 1, "repeated": 1, "ignored": 1, "forged": 1, "failed": 1} {
			if got := r.metric(t, "longhaul_webhooks_received_total", "outcome", outcome); got != want {
				t.Errorf("%v %s, want %v", got, outcome, want)
			}
		}
		if r.heard != 3 || r.store.left() != 1 {
			t.Errorf("heard %d, %d hints; want 3 and 1", r.heard, r.store.left())
		}
	})
}

// A Redis that is away for a while loses no hint.
func TestRedisAway(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		var j jobs.Job
		r := newRig(func(int) (jobs.Reply, error) { return response(t, "resp_1", j.ID, 1, jobs.StatusCompleted), nil })
		j = r.put(t, jobs.Options{}, question, running(t)...)
		if err := r.post(t, "wh_1", "resp_1"); err != nil {
			t.Fatal(err)
		}
		r.store.setAway(true)
		r.run(t)
		time.Sleep(time.Minute)
		r.store.setAway(false)
		time.Sleep(2 * time.Second)
		synctest.Wait()
		if got := r.store.job(j.ID).State; got != jobs.StateSucceeded {
			t.Errorf("%s", got)
		}
	})
}

// A look that a webhook asks for waits while another job is alone, and one that is
// not let in is tried again, however often: it has not failed.
//
// Guarantees: G16, G18.
func TestFollowsInTurn(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		var j jobs.Job
		inside, asked := 0, 0
		r := newRig(func(int) (jobs.Reply, error) {
			if inside != 1 {
				t.Errorf("looked with %d inside, want one", inside)
			}
			return response(t, "resp_1", j.ID, 1, jobs.StatusCompleted), nil
		})
		r.enter = func(_ context.Context, alone bool) (func(), error) {
			if asked++; alone {
				t.Error("asked to be alone with a response of which nobody knows whose it is")
			}
			if asked < 100 {
				time.Sleep(time.Minute - time.Second)
				return nil, errors.New("others are in the way")
			}
			inside++
			return func() { inside-- }, nil
		}
		j = r.put(t, jobs.Options{}, question, running(t)...)
		r.run(t)
		if err := r.post(t, "wh_1", "resp_1"); err != nil {
			t.Fatal(err)
		}
		time.Sleep(3 * time.Hour)
		synctest.Wait()
		if got := r.store.job(j.ID).State; got != jobs.StateSucceeded || r.store.left() != 0 || r.api.count() != 1 || inside != 0 {
			t.Errorf("%s after %d looks, %d hints left, %d inside; want it ended by one look in its turn", got, r.api.count(), r.store.left(), inside)
		}
		if n := r.metric(t, "longhaul_webhooks_looks_total", "result", "failed"); n != 0 {
			t.Errorf("%v looks failed", n)
		}
	})
}

// A hint over which two workers in a row died is followed by one that does nothing
// else: the third may be its doing, or may not.
//
// Guarantees: G16, G18.
func TestSuspectsAreFollowedAlone(t *testing.T) {
	t.Parallel()
	for lapses, want := range []bool{false, false, true, true} {
		synctest.Test(t, func(t *testing.T) {
			var j jobs.Job
			var asked []bool
			r := newRig(func(int) (jobs.Reply, error) { return response(t, "resp_1", j.ID, 1, jobs.StatusCompleted), nil })
			r.enter = func(_ context.Context, alone bool) (func(), error) {
				asked = append(asked, alone)
				return func() {}, nil
			}
			r.store.lapses = lapses
			j = r.put(t, jobs.Options{}, question, running(t)...)
			r.run(t)
			if err := r.post(t, "wh_1", "resp_1"); err != nil {
				t.Fatal(err)
			}
			time.Sleep(time.Second)
			synctest.Wait()
			if got := r.store.job(j.ID).State; got != jobs.StateSucceeded || !slices.Equal(asked, []bool{want}) {
				t.Errorf("after %d lapses: %s, asked to be alone %v", lapses, got, asked)
			}
		})
	}
}
