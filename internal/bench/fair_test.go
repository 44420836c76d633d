package bench_test

import (
	"fmt"
	"log/slog"
	"slices"
	"strconv"
	"testing"

	"github.com/redis/go-redis/v9"

	"github.com/longhaul-jobs/longhaul/internal/redistest"
	"github.com/longhaul-jobs/longhaul/jobs"
	"github.com/longhaul-jobs/longhaul/results"
)

// What the fairness among tenants is measured with: the backlog of one, and how often
// another brings a job while it waits.
const (
	backlogOfOne = 10_000
	firstJobs    = 50
)

// lane is a store and what a dispatcher does with a lane of it.
type lane struct {
	b     *testing.B
	store *results.Store
}

func newLane(b *testing.B, prefix string) lane {
	b.Helper()
	rdb := redis.NewClient(mustParse(b, redistest.URL(b)))
	b.Cleanup(func() { _ = rdb.Close() })
	store, err := results.Open(b.Context(), rdb, results.Config{Prefix: prefix}, slog.New(slog.DiscardHandler), nil)
	if err != nil {
		b.Fatal(err)
	}
	return lane{b: b, store: store}
}

// accept accepts n jobs of a tenant, their priorities in turn.
func (l lane) accept(n int, tenant string, priorities ...int) {
	l.b.Helper()
	request, err := jobs.ParseRequest([]byte(`{"input":"hello"}`), jobs.DefaultModel)
	if err != nil {
		l.b.Fatal(err)
	}
	parallel(l.b, 8, n, func(i int) error {
		_, _, err := l.store.Accept(l.b.Context(), request, jobs.Options{Tenant: tenant, Priority: &priorities[i%len(priorities)]})
		return err
	})
}

// submit records that what was admitted is on its way, which makes room, and returns
// the jobs.
func (l lane) submit(admitted []results.Admission) []jobs.Job {
	l.b.Helper()
	all := make([]jobs.Job, len(admitted))
	for i, a := range admitted {
		j, err := l.store.Step(l.b.Context(), a.Job, jobs.SubmitStarted{Attempt: a.Attempt, Worker: "worker", Endpoint: "openai"})
		if err != nil {
			l.b.Fatal(err)
		}
		all[i] = j
	}
	return all
}

// first accepts a job of a tenant, again and again, and returns how many jobs of others
// were admitted before each: the middle and the most.
func (l lane) first(tenant string, admit func() ([]results.Admission, error)) (middle, most int) {
	l.b.Helper()
	before := make([]int, firstJobs)
	for i := range before {
		l.accept(1, tenant, 0)
		for came := false; !came; {
			admitted, err := admit()
			if err != nil {
				l.b.Fatal(err)
			}
			for _, j := range l.submit(admitted) {
				if came = came || j.Tenant == tenant; !came {
					before[i]++
				}
			}
		}
	}
	slices.Sort(before)
	return before[firstJobs/2], before[firstJobs-1]
}

// BenchmarkFairness brings jobs of one tenant behind ten thousand of another, and then
// sees how a lane is shared.
func BenchmarkFairness(b *testing.B) {
	for b.Loop() {
		w := table()
		row(w, fmt.Sprintf("a tenant's first job behind %d of another's", backlogOfOne), "in the middle", "at most")
		ways := newLane(b, "ways")
		ways.accept(backlogOfOne, "a", 9)
		slowMiddle, slowMost := ways.first("b", func() ([]results.Admission, error) {
			admitted, _, err := ways.store.AdmitFew(b.Context(), jobs.DefaultLane, 1)
			return admitted, err
		})
		row(w, "  a lane that sends one at a time", strconv.Itoa(slowMiddle), strconv.Itoa(slowMost))
		middle, most := ways.first("c", func() ([]results.Admission, error) {
			return ways.store.Admit(b.Context(), jobs.DefaultLane, 128)
		})
		row(w, "  a lane with a window of 128", strconv.Itoa(middle), strconv.Itoa(most))
		_ = w.Flush()

		shares := newLane(b, "shares")
		shares.accept(1500, "one", 5)
		shares.accept(1500, "three", 1, 5, 9)
		shares.accept(300, "few", 5)
		w = table()
		row(w, "who has jobs waiting", "of 600 admitted")
		count := shares.take(600, func(j jobs.Job) string { return j.Tenant })
		row(w, "  a tenant with one priority", strconv.Itoa(count["one"]))
		row(w, "  a tenant with three", strconv.Itoa(count["three"]))
		row(w, "  a tenant with a fifth of their backlog", strconv.Itoa(count["few"]))
		_ = w.Flush()

		weights := newLane(b, "weights")
		weights.accept(3000, "", 7, 6, 5)
		w = table()
		row(w, "priorities of one tenant", "of 672 admitted", "by weight")
		count = weights.take(672, func(j jobs.Job) string { return strconv.Itoa(j.Priority) })
		for i, p := range []string{"7", "6", "5"} {
			row(w, "  priority "+p, strconv.Itoa(count[p]), strconv.Itoa(672*(4>>i)/7))
		}
		_ = w.Flush()
		summary.tell("jobs before a tenant's first, behind 10,000", strconv.Itoa(middle), "one window, 128",
			fmt.Sprintf("%d in a lane that sends one at a time", slowMiddle))
	}
}

// take admits so many jobs at once and counts them by label.
func (l lane) take(window int, label func(jobs.Job) string) map[string]int {
	l.b.Helper()
	admitted, err := l.store.Admit(l.b.Context(), jobs.DefaultLane, window)
	if err != nil {
		l.b.Fatal(err)
	}
	count := make(map[string]int)
	for _, j := range l.submit(admitted) {
		count[label(j)]++
	}
	return count
}
