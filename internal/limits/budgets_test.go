package limits_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/testutil"
	"github.com/redis/go-redis/v9"

	"github.com/longhaul-jobs/longhaul/internal/limits"
	"github.com/longhaul-jobs/longhaul/internal/redistest"
	"github.com/longhaul-jobs/longhaul/internal/testlog"
	"github.com/longhaul-jobs/longhaul/jobs"
	"github.com/longhaul-jobs/longhaul/results"
)

// till is a store with budgets that any number of workers keep.
type till struct {
	*results.Store

	t     *testing.T
	ahead atomic.Int64 // of the real time
	log   *testlog.Buffer
	cost  jobs.Money
	err   error // why an estimate is not known
}

func newTill(t *testing.T) *till {
	t.Helper()
	options, err := redis.ParseURL(redistest.URL(t))
	if err != nil {
		t.Fatal(err)
	}
	rdb := redis.NewClient(options)
	t.Cleanup(func() { _ = rdb.Close() })
	s := &till{t: t, log: &testlog.Buffer{}, cost: jobs.Dollar}
	clock := func() time.Time { return time.Now().Add(time.Duration(s.ahead.Load())) }
	if s.Store, err = results.Open(t.Context(), rdb, results.Config{Shards: 2, Clock: clock}, slog.New(slog.DiscardHandler), nil); err != nil {
		t.Fatal(err)
	}
	return s
}

// worker is the budgets of one worker.
func (s *till) worker(name string, configured map[string]results.Budget) *limits.Budgets {
	estimate := func(jobs.Job, json.RawMessage) (jobs.Money, error) { return s.cost, s.err }
	return limits.NewBudgets(s.Store, name, configured, estimate, prometheus.NewRegistry(), slog.New(slog.NewTextHandler(s.log, nil)))
}

// admitted accepts a job and admits it.
func (s *till) admitted(o jobs.Options) jobs.Job {
	s.t.Helper()
	request, err := jobs.ParseRequest(json.RawMessage(`{"input":"x"}`), "gpt-4.1")
	if err != nil {
		s.t.Fatal(err)
	}
	j, _, err := s.Accept(s.t.Context(), request, o)
	if err != nil {
		s.t.Fatal(err)
	}
	s.again(j)
	return s.load(j.ID)
}

func (s *till) again(j jobs.Job) {
	s.t.Helper()
	if _, err := s.Admit(s.t.Context(), j.Lane, 10_000); err != nil {
		s.t.Fatal(err)
	}
}

func (s *till) load(id jobs.ID) jobs.Job {
	s.t.Helper()
	j, err := s.Load(s.t.Context(), id)
	if err != nil {
		s.t.Fatal(err)
	}
	return j
}

// submit does what a submit does with the budgets, and reports whether the job went.
func (s *till) submit(b *limits.Budgets, j jobs.Job) bool {
	s.t.Helper()
	j = s.load(j.ID)
	held, back, err := b.Hold(s.t.Context(), j, jobs.Try{Job: j.ID, Attempt: j.NextAttempt()}, nil)
	if err != nil {
		s.t.Fatal(err)
	}
	if back != nil {
		back.Admitted = j.Admitted
		s.step(j, *back)
		if err := b.Release(s.t.Context(), jobs.Try{Job: j.ID, Attempt: j.NextAttempt()}, held); err != nil {
			s.t.Fatal(err)
		}
		return false
	}
	s.step(j, jobs.SubmitStarted{Attempt: j.NextAttempt(), Worker: "w", Endpoint: "openai", Budgets: held})
	return true
}

func (s *till) step(j jobs.Job, ev jobs.Event) {
	s.t.Helper()
	if _, err := s.Step(s.t.Context(), j.ID, ev); err != nil {
		s.t.Fatal(err)
	}
}

// end has the response of a job end; 500,000 tokens of output cost four dollars.
func (s *till) end(j jobs.Job, output int) {
	s.t.Helper()
	raw := fmt.Sprintf(`{"id":"resp_%s","status":"completed","model":"gpt-4.1","usage":{"input_tokens":0,"output_tokens":%d,"total_tokens":%d}}`, j.ID, output, output)
	r, err := jobs.ParseResponse([]byte(raw))
	if err != nil {
		s.t.Fatal(err)
	}
	s.step(j, jobs.Created{Attempt: j.NextAttempt(), Reply: jobs.Reply{Response: r}, Endpoint: "openai"})
}

func dollarsOf(n jobs.Money) *jobs.Money { n *= jobs.Dollar; return &n }

func all(amount *jobs.Money) map[string]results.Budget {
	return map[string]results.Budget{"all": {Amount: amount, Per: results.PerMonth, Unknown: results.UnknownRefuse}}
}

// keepUntil lets a worker look after budgets until something is so.
func (s *till) keepUntil(b *limits.Budgets, what string, so func() bool) {
	s.t.Helper()
	ctx, cancel := context.WithCancel(s.t.Context())
	done := make(chan struct{})
	go func() { _ = b.Run(ctx); close(done) }()
	for deadline := time.Now().Add(30 * time.Second); !so(); time.Sleep(20 * time.Millisecond) {
		if time.Now().After(deadline) {
			s.t.Errorf("never: %s", what)
			break
		}
	}
	cancel()
	<-done
}

// TestBudgetSharedByWorkers: two workers hold parts of one budget; what is beyond it
// waits outside its lane, and goes when something has turned out cheaper, when the budget
// is raised at run time, and when it is taken back.
//
// Guarantee: G25.
func TestBudgetSharedByWorkers(t *testing.T) {
	t.Parallel()
	s := newTill(t)
	amount := 7 * jobs.Dollar / 2
	one, two := s.worker("one", all(&amount)), s.worker("two", all(&amount))
	var js []jobs.Job
	for range 6 {
		js = append(js, s.admitted(jobs.Options{}))
	}
	for i, j := range js {
		b := []*limits.Budgets{one, two}[i%2]
		if went := s.submit(b, j); went != (i < 3) {
			t.Fatalf("job %d went: %t", i, went)
		}
	}
	if parked := s.load(js[3].ID); !parked.Parked() || parked.Budget != "all" || parked.Needs != jobs.Dollar {
		t.Errorf("the fourth: %+v", parked)
	}
	waiting := func() int {
		parked, err := s.Parked(t.Context(), "all", nil, 1)
		if err != nil {
			t.Fatal(err)
		}
		return parked.All
	}
	s.end(js[0], 1000) // for less than a cent
	s.keepUntil(one, "one goes on in the room of what was cheaper", func() bool { return waiting() == 2 })
	// Of jobs of one millisecond any may be the first.
	sent := slices.IndexFunc(js[3:], func(j jobs.Job) bool { return !s.load(j.ID).Parked() })
	s.again(js[3+sent])
	if !s.submit(two, js[3+sent]) {
		t.Error("the one that was sent on did not go")
	}
	if err := s.SetBudget(t.Context(), "all", all(dollarsOf(5))["all"]); err != nil {
		t.Fatal(err)
	}
	s.keepUntil(two, "one more goes when the budget was raised", func() bool { return waiting() == 1 })
	if err := s.SetBudget(t.Context(), "all", results.Budget{Per: results.PerMonth, Unknown: results.UnknownRefuse}); err != nil {
		t.Fatal(err)
	}
	s.keepUntil(one, "the last goes when there is no bound", func() bool { return waiting() == 0 })
	if strings.Contains(s.log.String(), "used up") {
		t.Error("it was said to be used up when its room was only held")
	}
}

// counting counts the records that are read to find jobs that fit.
type counting struct {
	*results.Store

	loads, looks atomic.Int64
}

func (c *counting) Load(ctx context.Context, id jobs.ID) (jobs.Job, error) {
	c.loads.Add(1)
	return c.Store.Load(ctx, id)
}

func (c *counting) Parked(ctx context.Context, budget string, from []int, limit int) (results.ParkedPage, error) {
	c.looks.Add(1)
	return c.Store.Parked(ctx, budget, from, limit)
}

// TestNoJobFitsAllTheTime: while a budget stands as it did when none of those that wait
// fitted, their records are not read again, be there one or a hundred thousand.
func TestNoJobFitsAllTheTime(t *testing.T) {
	t.Parallel()
	s := newTill(t)
	budgets := all(dollarsOf(1))
	first := s.worker("one", budgets)
	js := []jobs.Job{s.admitted(jobs.Options{}), s.admitted(jobs.Options{})}
	if !s.submit(first, js[0]) || s.submit(first, js[1]) {
		t.Fatal("not one of the two went")
	}
	store := &counting{Store: s.Store}
	estimate := func(jobs.Job, json.RawMessage) (jobs.Money, error) { return s.cost, nil }
	b := limits.NewBudgets(store, "two", budgets, estimate, prometheus.NewRegistry(), slog.New(slog.DiscardHandler))
	s.keepUntil(b, "some looks", func() bool { return store.looks.Load() > 3 })
	if n := store.loads.Load(); n != 1 {
		t.Errorf("the record was read %d times, want once", n)
	}
	s.end(js[0], 1000)
	s.step(js[1], jobs.StopRequested{Reason: jobs.StopCancel})
	third := s.admitted(jobs.Options{})
	s.cost *= 2
	if s.submit(first, third) {
		t.Fatal("a job of two dollars went")
	}
	s.keepUntil(b, "a look at the next", func() bool { return store.loads.Load() > 1 })
	if err := s.SetBudget(t.Context(), "all", all(dollarsOf(3))["all"]); err != nil {
		t.Fatal(err)
	}
	s.keepUntil(b, "it goes when there is room", func() bool { return !s.load(third.ID).Parked() })
}

// TestBudgetThatIsNoMore holds nobody.
//
// Guarantee: G25.
func TestBudgetThatIsNoMore(t *testing.T) {
	t.Parallel()
	s := newTill(t)
	if err := s.SetBudget(t.Context(), "all", all(dollarsOf(0))["all"]); err != nil {
		t.Fatal(err)
	}
	b, j := s.worker("one", nil), s.admitted(jobs.Options{})
	if s.submit(b, j) {
		t.Fatal("a job went although nothing may be spent")
	}
	other := results.Worker{ID: "other", Budgets: all(dollarsOf(0))}
	if err := s.Beat(t.Context(), other, time.Minute); err != nil {
		t.Fatal(err)
	}
	if was, err := s.UnsetBudget(t.Context(), "all"); err != nil || !was {
		t.Fatal(was, err)
	}
	looks := 0
	s.keepUntil(b, "some looks", func() bool { looks++; return looks > 25 })
	if !s.load(j.ID).Parked() {
		t.Error("it was sent on although another worker has the budget")
	}
	if err := s.Leave(t.Context(), other.ID); err != nil {
		t.Fatal(err)
	}
	s.keepUntil(b, "the job goes back to its lane", func() bool { return !s.load(j.ID).Parked() })
	for _, text := range []string{"budget is used up", "budget has room again"} {
		if n := strings.Count(s.log.String(), text); n != 1 {
			t.Errorf("%q was logged %d times", text, n)
		}
	}
	s.again(j)
	if !s.submit(b, j) {
		t.Error("it did not go")
	}
	s.keepUntil(b, "a look at nobody", func() bool { looks++; return looks > 100 })
	s.ahead.Store(int64(2 * time.Minute))
	s.keepUntil(b, "nothing is left of it", func() bool {
		names, err := s.ParkedFor(t.Context())
		return err == nil && len(names) == 0
	})
}

// TestBudgetsThatAreShown are those that there are.
func TestBudgetsThatAreShown(t *testing.T) {
	t.Parallel()
	s := newTill(t)
	reg := prometheus.NewPedanticRegistry()
	b := limits.NewBudgets(s.Store, "one", nil, nil, reg, slog.New(slog.DiscardHandler))
	shown := func() int {
		n, err := testutil.GatherAndCount(reg, "longhaul_budget_amount_dollars", "longhaul_budget_spent_dollars", "longhaul_budget_held_dollars")
		if err != nil {
			t.Fatal(err)
		}
		return n
	}
	if err := s.SetBudget(t.Context(), "all", all(dollarsOf(1))["all"]); err != nil {
		t.Fatal(err)
	}
	s.keepUntil(b, "it is shown", func() bool { return shown() == 3 })
	if _, err := s.UnsetBudget(t.Context(), "all"); err != nil {
		t.Fatal(err)
	}
	s.keepUntil(b, "it is shown no more", func() bool { return shown() == 0 })
}

// TestBudgetsOfSomeJobs bound those alone, and a job that finds no room in one of them
// takes none in another.
//
// Guarantee: G25.
func TestBudgetsOfSomeJobs(t *testing.T) {
	t.Parallel()
	s := newTill(t)
	budgets := map[string]results.Budget{
		"a-wide": {Amount: dollarsOf(100), Per: results.PerTotal, Unknown: results.UnknownRefuse},
		"acme":   {Amount: dollarsOf(1), Per: results.PerDay, Tenant: "acme", Model: "gpt-4*", Unknown: results.UnknownRefuse},
		"other":  {Amount: dollarsOf(0), Per: results.PerDay, Group: "nightly", Unknown: results.UnknownRefuse},
		"none":   {Per: results.PerDay, Unknown: results.UnknownRefuse},
	}
	b := s.worker("one", budgets)
	acme := s.admitted(jobs.Options{Tenant: "acme"})
	if !s.submit(b, acme) || !slices.Equal(s.load(acme.ID).Attempts[0].Budgets, []string{"a-wide", "acme"}) {
		t.Errorf("the first of acme: %+v", s.load(acme.ID))
	}
	if second := s.admitted(jobs.Options{Tenant: "acme"}); s.submit(b, second) || s.load(second.ID).Budget != "acme" {
		t.Errorf("the second of acme: %+v", s.load(second.ID))
	}
	if free := s.admitted(jobs.Options{Tenant: "globex"}); !s.submit(b, free) {
		t.Errorf("of another tenant: %+v", s.load(free.ID))
	}
	st, err := s.Spending(t.Context(), "a-wide")
	if err != nil || st.Held != 2*jobs.Dollar || st.InFlight != 2 {
		t.Errorf("the wide one holds %s for %d, %v; want for the two that went", st.Held, st.InFlight, err)
	}
}

// TestUnknownPrice: a job whose price nobody knows waits, or goes, as the budget says.
//
// Guarantee: G25.
func TestUnknownPrice(t *testing.T) {
	t.Parallel()
	s := newTill(t)
	s.err = errors.New("no price for model house")
	budgets := all(dollarsOf(1))
	b := s.worker("one", budgets)
	j := s.admitted(jobs.Options{})
	if s.submit(b, j) {
		t.Fatal("it went")
	}
	if w := s.load(j.ID); !w.Parked() || w.Waits != jobs.WaitPrice || w.Budget != "all" || w.Needs != 0 {
		t.Errorf("it waits for %q of %q, which it needs %s of", w.Waits, w.Budget, w.Needs)
	}
	looks := 0
	s.keepUntil(b, "some looks", func() bool { looks++; return looks > 25 })
	if !s.load(j.ID).Parked() {
		t.Error("it was sent on although nothing has changed")
	}
	s.ahead.Store(int64(6 * time.Minute))
	s.keepUntil(b, "it tries again after five minutes", func() bool { return !s.load(j.ID).Parked() })
	s.again(j)
	if s.submit(b, j) {
		t.Fatal("it went then")
	}
	allow := budgets["all"]
	allow.Unknown = results.UnknownAllow
	if free := s.admitted(jobs.Options{}); !s.submit(s.worker("two", map[string]results.Budget{"all": allow}), free) || s.load(free.ID).Attempts[0].Budgets != nil {
		t.Errorf("where that is allowed: %+v", s.load(free.ID))
	}
	if err := s.SetBudget(t.Context(), "all", allow); err != nil {
		t.Fatal(err)
	}
	s.keepUntil(b, "it goes where that is allowed", func() bool { return !s.load(j.ID).Parked() })
}

// TestBudgetsWithoutRedis send nothing.
//
// Guarantee: G25.
func TestBudgetsWithoutRedis(t *testing.T) {
	t.Parallel()
	s := newTill(t)
	b, j := s.worker("one", all(dollarsOf(9))), s.admitted(jobs.Options{})
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	held, back, err := b.Hold(ctx, j, jobs.Try{Job: j.ID, Attempt: 1}, nil)
	if err == nil || held != nil || back != nil {
		t.Errorf("held %v, back %v, %v; want an error alone", held, back, err)
	}
	if strings.Contains(s.log.String(), "used up") {
		t.Error("it was said to be used up")
	}
}
