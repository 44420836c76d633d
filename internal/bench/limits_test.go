package bench_test

import (
	"container/heap"
	"fmt"
	"log/slog"
	"math/rand/v2"
	"testing"
	"time"

	"github.com/redis/go-redis/v9"

	"github.com/longhaul-jobs/longhaul/internal/redistest"
	"github.com/longhaul-jobs/longhaul/jobs"
	"github.com/longhaul-jobs/longhaul/results"
)

// What is limited: requests a minute, sent by so many workers with so many slots each
// for so long, made-up time.
const (
	limitedRate    = 600
	limitedWorkers = 10
	limitedSlots   = 8
	limitedMinutes = 10
	answerTime     = 300 * time.Millisecond
)

// account counts requests as OpenAI does: what was used drains evenly over a minute.
// Refused ones do not count.
type account struct {
	used          float64
	at            time.Time
	sent, refused int
}

func (a *account) send(at time.Time) bool {
	a.used = max(0, a.used-at.Sub(a.at).Minutes()*limitedRate)
	a.at = at
	if a.used+1 > limitedRate {
		a.refused++
		return false
	}
	a.used++
	a.sent++
	return true
}

// event is when a slot of a worker does something.
type event struct {
	at    time.Time
	slot  *slot
	sends bool // it sends; else it asks whether it may
}

type slot struct {
	worker, failures int
	try              jobs.Try
}

type timetable []event //nolint:recvcheck // as heap.Interface wants it

func (a timetable) Len() int           { return len(a) }
func (a timetable) Less(i, k int) bool { return a[i].at.Before(a[k].at) }
func (a timetable) Swap(i, k int)      { a[i], a[k] = a[k], a[i] }
func (a *timetable) Push(x any) {
	m, _ := x.(event) // nothing else is pushed
	*a = append(*a, m)
}

func (a *timetable) Pop() any {
	old := *a
	last := old[len(old)-1]
	*a = old[:len(old)-1]
	return last
}

// limiter says when a slot may send: at once, at a later time, or that it asks again.
type limiter interface {
	ask(now time.Time, s *slot) (at time.Time, granted bool)
	refused(now time.Time, s *slot) (again time.Time)
}

// load lets workers send as fast as a limiter lets them.
func press(l limiter, busy int) *account {
	start := time.UnixMilli(1_800_000_000_000)
	provider := &account{at: start}
	var events timetable
	for i := range busy * limitedSlots {
		s := &slot{worker: i % busy}
		s.try = jobs.Try{Job: jobs.NewID(start.Add(time.Duration(i)), 0), Attempt: 1}
		heap.Push(&events, event{at: start.Add(time.Duration(i) * time.Millisecond), slot: s})
	}
	end := start.Add(limitedMinutes * time.Minute)
	for len(events) > 0 {
		e, _ := heap.Pop(&events).(event)
		switch {
		case e.at.After(end):
			return provider
		case !e.sends:
			at, granted := l.ask(e.at, e.slot)
			heap.Push(&events, event{at: at, slot: e.slot, sends: granted})
		case provider.send(e.at):
			e.slot.failures = 0
			heap.Push(&events, event{at: e.at.Add(answerTime), slot: e.slot})
		default:
			e.slot.failures++
			heap.Push(&events, event{at: l.refused(e.at, e.slot), slot: e.slot})
		}
	}
	return provider
}

// sharedLimiter is the one in Redis.
type sharedLimiter struct {
	b     *testing.B
	store *results.Store
	now   *time.Time
}

var sharedPace = results.Pace{Headroom: 0.975, Burst: 500 * time.Millisecond, Heal: 2 * time.Minute}

func (l sharedLimiter) ask(now time.Time, s *slot) (time.Time, bool) {
	*l.now = now
	turn, err := l.store.Reserve(l.b.Context(), "bulk", results.Rates{Requests: limitedRate}, sharedPace,
		results.Need{Try: s.try, Patience: 10 * time.Second, Lease: time.Minute})
	if err != nil {
		l.b.Fatal(err)
	}
	if turn.Verdict == results.TurnGranted {
		return turn.At, true
	}
	return turn.At.Add(-2 * time.Second), false
}

func (l sharedLimiter) refused(now time.Time, _ *slot) time.Time {
	*l.now = now
	if err := l.store.Observe(l.b.Context(), "bulk", sharedPace, results.Told{Cut: 0.7, Deepest: 0.05, Wait: time.Second}); err != nil {
		l.b.Fatal(err)
	}
	return now.Add(time.Second)
}

// ownLimiter is a token bucket in each process, for a part of the limit.
type ownLimiter struct {
	part float64
	due  [limitedWorkers]time.Time
}

func (l *ownLimiter) ask(now time.Time, s *slot) (time.Time, bool) {
	at := now
	if early := l.due[s.worker].Add(-time.Second); early.After(at) {
		at = early
	}
	from := l.due[s.worker]
	if at.After(from) {
		from = at
	}
	l.due[s.worker] = from.Add(time.Duration(float64(time.Minute) / (limitedRate * l.part)))
	return at, true
}

func (*ownLimiter) refused(now time.Time, s *slot) time.Time { return backoff(now, s) }

// noLimiter sends, and backs off when it is refused.
type noLimiter struct{}

func (noLimiter) ask(now time.Time, _ *slot) (time.Time, bool) { return now, true }

func (noLimiter) refused(now time.Time, s *slot) time.Time { return backoff(now, s) }

// backoff grows from a second to a minute, with full jitter.
func backoff(now time.Time, s *slot) time.Time {
	bound := min(time.Second<<min(s.failures-1, 6), time.Minute)
	return now.Add(time.Duration(rand.Float64() * float64(bound)))
}

// BenchmarkLimiter sends for ten made-up minutes against one limit.
func BenchmarkLimiter(b *testing.B) {
	for b.Loop() {
		now := time.UnixMilli(1_800_000_000_000)
		rdb := redis.NewClient(mustParse(b, redistest.URL(b)))
		store, err := results.Open(b.Context(), rdb, results.Config{Clock: func() time.Time { return now }}, slog.New(slog.DiscardHandler), nil)
		if err != nil {
			b.Fatal(err)
		}
		w := table()
		row(w, fmt.Sprintf("%d requests a minute, %d workers, %d minutes", limitedRate, limitedWorkers, limitedMinutes), "used", "refused (429)")
		line := func(name string, a *account) {
			used := float64(a.sent) / (limitedRate * limitedMinutes)
			refused := float64(a.refused) / float64(a.sent+a.refused)
			row(w, "  "+name, fmt.Sprintf("%.1f %%", 100*used), fmt.Sprintf("%.2f %%", 100*refused))
		}
		shared := press(sharedLimiter{b: b, store: store, now: &now}, limitedWorkers)
		line("shared, in Redis", shared)
		line("each its tenth, half of them with work", press(&ownLimiter{part: 1. / limitedWorkers}, limitedWorkers/2))
		line("each the whole limit", press(&ownLimiter{part: 1}, limitedWorkers))
		line("none: retry on 429 alone", press(noLimiter{}, limitedWorkers))
		_ = w.Flush()
		used := float64(shared.sent) / (limitedRate * limitedMinutes)
		summary.tell("one limit, ten workers: used of it", fmt.Sprintf("%.1f %%", 100*used), "at least 95 %",
			fmt.Sprintf("%.2f %% refused", 100*float64(shared.refused)/float64(shared.sent+shared.refused)))
		_ = rdb.Close()
	}
}

func mustParse(b *testing.B, url string) *redis.Options {
	b.Helper()
	options, err := redis.ParseURL(url)
	if err != nil {
		b.Fatal(err)
	}
	return options
}
