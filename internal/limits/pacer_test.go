package limits_test

import (
	"context"
	"encoding/json"
	"log/slog"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/longhaul-jobs/longhaul/internal/limits"
	"github.com/longhaul-jobs/longhaul/internal/testlog"
	"github.com/longhaul-jobs/longhaul/jobs"
	"github.com/longhaul-jobs/longhaul/results"
)

// fakeRates remembers what it was asked, and answers as it is told to.
type fakeRates struct {
	mu       sync.Mutex
	standing results.Standing
	turn     results.Turn
	away     bool

	needs    []results.Need
	told     []results.Told
	more     []int
	vacated  []jobs.Try
	doubtful []jobs.Try
	records  map[jobs.ID]jobs.Job
	rooms    int
}

func (f *fakeRates) lock() func() {
	f.mu.Lock()
	return f.mu.Unlock
}

func (f *fakeRates) err() error {
	if f.away {
		return errAway
	}
	return nil
}

func (f *fakeRates) Reserve(_ context.Context, _ string, _ results.Rates, _ results.Pace, n results.Need) (results.Turn, error) {
	defer f.lock()()
	f.needs = append(f.needs, n)
	return f.turn, f.err()
}

func (f *fakeRates) Observe(_ context.Context, _ string, _ results.Pace, t results.Told) error {
	defer f.lock()()
	f.told = append(f.told, t)
	return f.err()
}

func (f *fakeRates) CorrectTokens(_ context.Context, _ string, _ results.Rates, _ results.Pace, more int) error {
	defer f.lock()()
	f.more = append(f.more, more)
	return f.err()
}

func (f *fakeRates) Room(context.Context, string, results.Rates, results.Pace, time.Duration) (results.Standing, error) {
	defer f.lock()()
	f.rooms++
	return f.standing, f.err()
}

func (f *fakeRates) Vacate(_ context.Context, _ string, tries ...jobs.Try) error {
	defer f.lock()()
	f.vacated = append(f.vacated, tries...)
	return f.err()
}

func (f *fakeRates) Doubtful(context.Context, string, time.Duration, int) ([]jobs.Try, error) {
	defer f.lock()()
	tries := f.doubtful
	f.doubtful = nil
	return tries, f.err()
}

func (f *fakeRates) Load(_ context.Context, id jobs.ID) (jobs.Job, error) {
	defer f.lock()()
	if j, there := f.records[id]; there {
		return j, nil
	}
	return jobs.Job{}, results.ErrNotFound
}

func (f *fakeRates) Now() time.Time { return time.Now() }

func newPacer(store *fakeRates, rates results.Rates) (*limits.Pacer, *testlog.Buffer) {
	log := &testlog.Buffer{}
	p := limits.NewPacer(store, map[string]results.Rates{lane: rates}, prometheus.NewPedanticRegistry(), slog.New(slog.NewTextHandler(log, nil)))
	return p, log
}

var request = json.RawMessage(`{"input":"hello world","max_output_tokens":500}`)

// A lane that nothing limits costs a call a second, however many jobs it sends.
func TestLaneWithoutLimitsAsksNobody(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		store := &fakeRates{standing: results.Standing{Room: -1, Share: 1}}
		p, _ := newPacer(store, results.Rates{})
		for range 100 {
			turn, reserved, err := p.Turn(t.Context(), lane, try(), request)
			if err != nil || turn.Verdict != results.TurnGranted || reserved != nil || !turn.At.Equal(time.Now()) {
				t.Fatalf("%+v, %+v, %v", turn, reserved, err)
			}
			time.Sleep(50 * time.Millisecond)
		}
		if len(store.needs) != 0 || store.rooms > 6 {
			t.Errorf("%d turns and %d times the room were asked for in five seconds", len(store.needs), store.rooms)
		}
	})
}

// Tokens are estimated only where they are limited, and settled with what was used.
func TestTokensAreReservedAndSettled(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		store := &fakeRates{
			standing: results.Standing{Room: 7, Share: 1, Rates: results.Rates{Requests: 60}},
			turn:     results.Turn{Verdict: results.TurnGranted, At: time.Now()},
		}
		p, _ := newPacer(store, results.Rates{Requests: 60})
		if _, reserved, err := p.Turn(t.Context(), lane, try(), request); err != nil || reserved != nil {
			t.Fatalf("requests alone are limited: %+v, %v", reserved, err)
		}
		store.standing.Rates.Tokens = 1000
		time.Sleep(time.Second)
		_, reserved, err := p.Turn(t.Context(), lane, try(), request)
		if err != nil || reserved == nil || reserved.Output != 500 || reserved.Input < 2 || reserved.Input > 20 {
			t.Fatalf("%+v, %v", reserved, err)
		}
		if got := store.needs[1].Tokens; got != 500 {
			t.Errorf("%d tokens were asked for, want 500", got)
		}
		j := jobs.Job{ID: jobs.NewID(time.Now(), 0), Lane: lane}
		p.Ended(t.Context(), j, jobs.Attempt{Number: 1, Reserved: reserved}, &jobs.Usage{InputTokens: 300})
		p.Ended(t.Context(), j, jobs.Attempt{Number: 1, Reserved: reserved}, &jobs.Usage{InputTokens: 800})
		p.Ended(t.Context(), j, jobs.Attempt{Number: 1, Reserved: &jobs.Reserved{Input: 900}}, &jobs.Usage{InputTokens: 700})
		p.Ended(t.Context(), j, jobs.Attempt{Number: 1, Reserved: reserved}, nil)
		if want := []int{300, -200}; !slices.Equal(store.more, want) {
			t.Errorf("settled %v, want %v", store.more, want)
		}
	})
}

// What answers tell is written down now and then, and a refusal always.
func TestAnswersAreObserved(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		store := &fakeRates{standing: results.Standing{Room: -1, Share: 1}}
		p, _ := newPacer(store, results.Rates{InFlight: 5})
		reply := jobs.Reply{Limits: jobs.RateLimits{LimitRequests: 600, RemainingRequests: 5}}
		for range 40 {
			p.Answered(t.Context(), lane, try(), reply, nil)
			time.Sleep(50 * time.Millisecond)
		}
		if n := len(store.told); n < 7 || n > 9 {
			t.Errorf("%d of 40 answers in two seconds were written down", n)
		}
		store.told = nil
		p.Answered(t.Context(), lane, try(), jobs.Reply{}, nil)
		if len(store.told) != 0 {
			t.Error("an answer that tells nothing was written down")
		}
		refuse := func(f jobs.Failure) results.Told {
			store.told = nil
			p.Answered(t.Context(), lane, try(), jobs.Reply{}, &jobs.Error{Failure: f, Limits: reply.Limits})
			if len(store.told) != 1 {
				t.Fatalf("%+v: told %v", f, store.told)
			}
			return store.told[0]
		}
		if got := refuse(jobs.Failure{Class: jobs.ClassRateLimited, RetryAfter: time.Hour}); got.Cut != 0.7 || got.Wait != time.Minute || got.LimitRequests != 600 {
			t.Errorf("429: %+v", got)
		}
		if got := refuse(jobs.Failure{Class: jobs.ClassUnavailable, HTTPStatus: 503}); got.Cut != 0.5 || got.Lasts != 15*time.Minute {
			t.Errorf("503: %+v", got)
		}
		// A create that was refused has no place; one whose answer was lost may.
		before := len(store.vacated)
		p.Answered(t.Context(), lane, try(), jobs.Reply{}, &jobs.Error{Failure: jobs.Failure{Class: jobs.ClassInvalid}})
		p.Answered(t.Context(), lane, try(), jobs.Reply{}, &jobs.Error{Failure: jobs.Failure{Class: jobs.ClassAmbiguous}})
		if n := len(store.vacated) - before; n != 1 {
			t.Errorf("%d places were given back, want 1", n)
		}
	})
}

// Places come back that nobody has given back, and no others.
//
// Guarantee: G20.
func TestPlacesOfTheGoneComeBack(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		var ids [7]jobs.ID
		for i := range ids {
			ids[i] = jobs.NewID(time.Now(), 0)
		}
		id := func(i int) jobs.ID { return ids[i] }
		attempts := []jobs.Attempt{{Number: 1}, {Number: 2}}
		store := &fakeRates{
			standing: results.Standing{Room: 1, Rates: results.Rates{InFlight: 5}, InFlight: 5, Share: 1},
			records: map[jobs.ID]jobs.Job{
				id(1): {State: jobs.StateRunning, Current: 2, Attempts: attempts},
				id(2): {State: jobs.StateSucceeded, Current: 2, Attempts: attempts},
				id(3): {State: jobs.StateWaiting, Admitted: time.Now(), Attempts: attempts},
				id(4): {State: jobs.StateWaiting, Attempts: attempts},
				id(5): {State: jobs.StateUncertain, Current: 2, Attempts: attempts},
			},
			doubtful: []jobs.Try{
				{Job: id(1), Attempt: 2},
				{Job: id(1), Attempt: 1},
				{Job: id(2), Attempt: 2},
				{Job: id(3), Attempt: 3},
				{Job: id(4), Attempt: 3},
				{Job: id(5), Attempt: 2},
				{Job: id(6), Attempt: 1},
			},
		}
		p, _ := newPacer(store, results.Rates{InFlight: 5})
		ctx, cancel := context.WithCancel(t.Context())
		done := make(chan struct{})
		go func() { defer close(done); _ = p.Run(ctx) }()
		time.Sleep(16 * time.Second)
		cancel()
		<-done
		want := []jobs.Try{{Job: id(1), Attempt: 1}, {Job: id(2), Attempt: 2}, {Job: id(4), Attempt: 3}, {Job: id(6), Attempt: 1}}
		if !slices.Equal(store.vacated, want) {
			t.Errorf("given back: %v, want %v", store.vacated, want)
		}
	})
}

// While Redis is away the lane is as it was known last, and one line says so.
func TestPacerWithoutRedis(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		store := &fakeRates{standing: results.Standing{Room: 3, Share: 1, Rates: results.Rates{Requests: 60}}}
		p, log := newPacer(store, results.Rates{Requests: 60})
		if got := p.Room(t.Context(), lane); got != 3 {
			t.Fatalf("room for %d, want 3", got)
		}
		store.away = true
		for range 10 {
			time.Sleep(time.Second)
			if got := p.Room(t.Context(), lane); got != 3 {
				t.Fatalf("room for %d, want what was known", got)
			}
		}
		if _, _, err := p.Turn(t.Context(), lane, try(), request); err == nil {
			t.Error("a turn was given without Redis")
		}
		if n := strings.Count(log.String(), "limits of a lane not known"); n != 1 {
			t.Errorf("%d lines, want one", n)
		}
	})
}
