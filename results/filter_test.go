package results_test

import (
	"math/rand/v2"
	"slices"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/longhaul-jobs/longhaul/jobs"
	"github.com/longhaul-jobs/longhaul/results"
)

// fails brings a new job to its end with a failure, at an endpoint and with a
// response if there is one.
func (h *harness) fails(f jobs.Failure, endpoint, response string, options jobs.Options) jobs.Job {
	h.t.Helper()
	options.MaxAttempts = 1
	j := h.accept(options)
	if _, err := h.Admit(h.t.Context(), j.Lane, 10_000); err != nil {
		h.t.Fatal(err)
	}
	h.step(j.ID, jobs.SubmitStarted{Attempt: 1, Worker: "worker", Endpoint: endpoint})
	if response == "" {
		return h.step(j.ID, jobs.CreateFailed{Attempt: 1, Failure: f})
	}
	h.step(j.ID, jobs.Created{Attempt: 1, Reply: reply(h.t, response, jobs.StatusQueued), FirstLook: h.Now()})
	return h.step(j.ID, jobs.ResponseLost{ResponseID: response, Failure: f})
}

func TestListFindsFailures(t *testing.T) {
	t.Parallel()
	onEach(t, results.Config{Shards: 3}, func(t *testing.T, h *harness) {
		begin := h.Now()
		named := map[jobs.ID]string{}
		var now time.Duration // each is done a minute after the one before
		minute := func(name string, do func() jobs.Job) {
			h.ShiftClock(time.Minute)
			now += time.Minute
			named[do().ID] = name
		}
		// A job that is accepted first and ends last.
		slow := h.in(jobs.StateRunning, jobs.Options{Group: "slow"})
		minute("down", func() jobs.Job {
			return h.fails(jobs.Failure{Class: jobs.ClassUnavailable, Code: "server_error", Message: "The Server had an error"}, "eu", "", jobs.Options{Lane: "night", Tenant: "acme"})
		})
		minute("lost", func() jobs.Job {
			return h.fails(jobs.Failure{Class: jobs.ClassLost, Message: "the provider does not know it"}, "us", "resp_gone", jobs.Options{Group: "slow"})
		})
		minute("bad", func() jobs.Job {
			return h.fails(jobs.Failure{Class: jobs.ClassInvalid, Param: "Temperature", Type: "invalid_request_error"}, "us", "",
				jobs.Options{DedupeKey: "Order-17", Metadata: map[string]string{"who": "Zoë"}})
		})
		minute("held", func() jobs.Job { return h.in(jobs.StateUncertain, jobs.Options{}) })
		minute("late", func() jobs.Job {
			j := h.in(jobs.StateWaiting, jobs.Options{})
			return h.step(j.ID, jobs.StopRequested{Reason: jobs.StopDeadline})
		})
		minute("waits", func() jobs.Job {
			j := h.accept(jobs.Options{})
			h.admit()
			h.step(j.ID, jobs.SubmitStarted{Attempt: 1, Worker: "worker", Endpoint: "eu"})
			return h.step(j.ID, jobs.CreateFailed{Attempt: 1, Failure: jobs.Failure{Class: jobs.ClassQuota}, Delay: time.Hour})
		})
		minute("slow", func() jobs.Job {
			return h.step(slow.ID, jobs.ResponseLost{ResponseID: "resp_" + string(slow.ID), Failure: jobs.Failure{Class: jobs.ClassOversized}})
		})
		at := func(minutes float64) time.Time { return begin.Add(time.Duration(minutes * float64(time.Minute))) }
		failed := []jobs.State{jobs.StateFailed, jobs.StateExpired}
		for _, tt := range []struct {
			name   string
			filter results.Filter
			want   []string
		}{
			{"two states", results.Filter{States: failed}, []string{"late", "bad", "lost", "down", "slow"}},
			{"a state named twice", results.Filter{States: append(failed, failed...)}, []string{"late", "bad", "lost", "down", "slow"}},
			{"two states of a group", results.Filter{States: failed, Group: "slow"}, []string{"lost", "slow"}},
			{"two states of a lane", results.Filter{States: failed, Lane: "night"}, []string{"down"}},
			{"tenant", results.Filter{Tenant: "acme"}, []string{"down"}},
			{"text of a tenant", results.Filter{Text: "acme"}, []string{"down"}},
			{"held", results.Filter{Held: true}, []string{"held"}},
			{"class", results.Filter{Classes: []jobs.Class{jobs.ClassUnavailable}}, []string{"down"}},
			{"class of one that waits", results.Filter{Classes: []jobs.Class{jobs.ClassQuota}}, []string{"waits"}},
			{"classes", results.Filter{Classes: []jobs.Class{jobs.ClassLost, jobs.ClassAmbiguous, jobs.ClassExpired}}, []string{"late", "held", "lost"}},
			{"class that none has", results.Filter{Classes: []jobs.Class{jobs.ClassRejected}}, []string{}},
			{"text of a message", results.Filter{Text: "SERVER HAD"}, []string{"down"}},
			{"text of a code", results.Filter{Text: "server_err"}, []string{"down"}},
			{"text of a field", results.Filter{Text: "temperature"}, []string{"bad"}},
			{"text of a type", results.Filter{Text: "request_error"}, []string{"bad"}},
			{"text of a key", results.Filter{Text: "order-1"}, []string{"bad"}},
			{"text of metadata", results.Filter{Text: "ZOË"}, []string{"bad"}},
			{"text of a group", results.Filter{Text: "sLOw"}, []string{"lost", "slow"}},
			{"text of a lane", results.Filter{Text: "night"}, []string{"down"}},
			{"text of a model", results.Filter{Text: "GPT-", Limit: 2, States: failed}, []string{"late", "bad", "lost", "down", "slow"}},
			{"text of a request", results.Filter{Text: "hello"}, []string{}},
			{"endpoint", results.Filter{Endpoint: "eu"}, []string{"waits", "down"}},
			{"response", results.Filter{ResponseID: "resp_gone"}, []string{"lost"}},
			{"response elsewhere", results.Filter{ResponseID: "resp_gone", Endpoint: "eu"}, []string{}},
			{"since", results.Filter{Since: at(4.5)}, []string{"waits", "late", "slow"}},
			{"until", results.Filter{Until: at(3.5)}, []string{"bad", "lost", "down"}},
			{"in between", results.Filter{Since: at(1.5), Until: at(5.5), States: failed}, []string{"late", "bad", "lost"}},
			{"created since", results.Filter{CreatedSince: at(4.5)}, []string{"waits", "late"}},
			{"created until", results.Filter{CreatedUntil: at(2.5)}, []string{"lost", "down", "slow"}},
			{"created early, ended late", results.Filter{CreatedUntil: at(1), Since: at(1)}, []string{"slow"}},
			{"before all times", results.Filter{CreatedUntil: time.UnixMilli(-5)}, []string{}},
			{"after all times", results.Filter{CreatedSince: time.Date(9999, 1, 1, 0, 0, 0, 0, time.UTC)}, []string{}},
			{"all of it", results.Filter{
				States: failed, Classes: []jobs.Class{jobs.ClassLost}, Text: "provider", Group: "slow", Endpoint: "us", Since: at(0), Until: at(60),
			}, []string{"lost"}},
		} {
			got := []string{}
			for _, id := range h.pages(tt.filter, nil) {
				got = append(got, named[id])
			}
			if diff := cmp.Diff(tt.want, got); diff != "" {
				t.Errorf("%s (-want +got):\n%s", tt.name, diff)
			}
		}
	})
}

// Bounds of acceptance are exact to the millisecond in which they lie.
func TestListBoundsAreHalfOpen(t *testing.T) {
	t.Parallel()
	h := onRedis(t, results.Config{})
	j := h.in(jobs.StateFailed, jobs.Options{})
	for _, tt := range []struct {
		filter results.Filter
		want   int
	}{
		{results.Filter{CreatedSince: j.Created}, 1},
		{results.Filter{CreatedSince: j.Created.Add(1)}, 0},
		{results.Filter{CreatedUntil: j.Created}, 0},
		{results.Filter{CreatedUntil: j.Created.Add(1)}, 1},
		{results.Filter{Since: j.Ended}, 1},
		{results.Filter{Since: j.Ended.Add(1)}, 0},
		{results.Filter{Until: j.Ended}, 0},
		{results.Filter{Until: j.Ended.Add(1)}, 1},
	} {
		if got := h.pages(tt.filter, nil); len(got) != tt.want {
			t.Errorf("%+v lists %d jobs, want %d", tt.filter, len(got), tt.want)
		}
	}
}

// TestListMergesUnevenLists lists what lies in many lists of very different
// lengths, in pages of many sizes: none may be lost where a list was cut.
func TestListMergesUnevenLists(t *testing.T) {
	t.Parallel()
	const number = 200
	h := onRedis(t, results.Config{Shards: 4})
	states := []jobs.State{jobs.StateWaiting, jobs.StateSubmitting, jobs.StateFailed, jobs.StateCancelled}
	random := rand.New(rand.NewPCG(1, 2))
	var all []jobs.Job
	for i := range number {
		state := states[0]
		if i > number/3 && random.IntN(10) == 0 {
			state = states[1+random.IntN(3)]
		}
		all = append(all, h.in(state, jobs.Options{}))
	}
	for _, of := range [][]jobs.State{states, states[1:], states[:2], {jobs.StateWaiting}, nil} {
		want := []jobs.ID{}
		for _, j := range all {
			if len(of) == 0 || slices.Contains(of, h.load(j.ID).State) {
				want = append(want, j.ID)
			}
		}
		for _, limit := range []int{1, 3, 16, 17, 100, number - 1, number, number + 1, 1000} {
			for _, text := range []string{"", "gpt"} {
				got := h.pages(results.Filter{States: of, Limit: limit, Text: text}, nil)
				if diff := cmp.Diff(newestFirst(want), got); diff != "" {
					t.Fatalf("%v in pages of %d, text %q (-want +got):\n%s", of, limit, text, diff)
				}
			}
		}
	}
}

// A record that cannot be read is no job to show, and not passed over in silence.
func TestListCountsWhatItCannotRead(t *testing.T) {
	t.Parallel()
	h := onRedis(t, results.Config{})
	h.in(jobs.StateFailed, jobs.Options{})
	broken := h.in(jobs.StateFailed, jobs.Options{})
	if err := h.rdb.HSet(t.Context(), h.key(broken.ID, "job:"+string(broken.ID)), "record", `{"schema":99}`).Err(); err != nil {
		t.Fatal(err)
	}
	page, err := h.List(t.Context(), results.Filter{States: some(jobs.StateFailed)})
	if err != nil || len(page.Jobs) != 1 || page.Unreadable != 1 || page.Looked != 2 {
		t.Errorf("%d jobs, %d unreadable, %d looked at, err %v; want 1, 1, 2", len(page.Jobs), page.Unreadable, page.Looked, err)
	}
}
