package main

import (
	"context"
	"errors"
	"fmt"
	"iter"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/vbauerster/mpb/v8"

	"github.com/longhaul-jobs/longhaul/client"
	"github.com/longhaul-jobs/longhaul/internal/testlog"
	"github.com/longhaul-jobs/longhaul/jobs"
	"github.com/longhaul-jobs/longhaul/results"
)

// A run of ten thousand documents takes a few lines of a terminal, and what fails is told
// above them, a few at a time.
func TestBarOfManyDocumentsIsBounded(t *testing.T) {
	t.Parallel()
	var out testlog.Buffer
	c := newConsole(&out)
	p := &progress{account: newAccount(time.Now()), pulse: &pulse{}, say: c.say}
	for i := range 100 {
		p.account.fail(failure{order: i, Name: fmt.Sprintf("doc-%d.pdf", i), Class: jobs.ClassInvalid, Message: "it is empty"})
	}
	p.tell()
	p.tell()
	if got := strings.Count(out.String(), "it is empty"); got != 5 || !strings.Contains(out.String(), "and 95 more failures, which the end tells of\n") {
		t.Errorf("of 100 failures it says\n%s", out.String())
	}
	d := newBarDisplay(t.Context(), c, mpb.WithAutoRefresh(), mpb.WithWidth(72), mpb.WithRefreshRate(time.Millisecond))
	budget := 60 * jobs.Dollar
	v := view{title: "summarize", totals: totals{Total: 10_000, Succeeded: 1_236, Failed: 4}, work: &work{budget: &budget, requests: 64, more: true}}
	v.work.spent.Responses, v.work.spent.Cost, v.work.spent.InputTokens = 9, 25*jobs.Dollar, 12_300_000
	for i := range shownWork {
		v.work.lines = append(v.work.lines, fmt.Sprintf("doc-%d.pdf: part 1 of 40, 3s", i))
	}
	d.show(v)
	until(t, "a frame", func() bool { return strings.Contains(out.String(), "doc-3.pdf: part 1 of 40, 3s") })
	v.final = true
	d.stop(v)
	for _, want := range []string{"summarize 1,240/10,000", "more than 64 requests under way", "spent $25.0000 of $60.0000"} {
		if !strings.Contains(out.String(), want) {
			t.Errorf("the bar does not show %q:\n%q", want, out.String())
		}
	}
}

// groupOfJobs are the jobs of a group, the newest first, and its budgets, for a pulse.
type groupOfJobs struct {
	jobs    []jobs.Job
	budgets []client.Budget
}

func (g *groupOfJobs) List(_ context.Context, f results.Filter) (results.Page, error) {
	var page results.Page
	for _, j := range g.jobs {
		switch {
		case !slices.Contains(f.States, j.State):
		case len(page.Jobs) == f.Limit:
			page.Next = page.Jobs[f.Limit-1].ID
			return page, nil
		default:
			page.Jobs = append(page.Jobs, j)
		}
	}
	return page, nil
}

func (*groupOfJobs) Usage(context.Context, results.Period) ([]results.Summed, error) { return nil, nil }

func (g *groupOfJobs) Budgets(context.Context, map[string]results.Budget) ([]client.Budget, error) {
	return g.budgets, nil
}

func (*groupOfJobs) Now() time.Time { return time.Now() }

// A request whose create's answer was lost is found behind any number that are under way,
// and that nothing is under way behind any number of those.
func TestPulseFindsLostAnswers(t *testing.T) {
	t.Parallel()
	for name, test := range map[string]struct {
		underWay, lost, requests int
		more                     bool
	}{
		"few":  {3, 2, 3, false},
		"none": {3, 0, 3, false},
		"many": {pulseJobs + 1, 1, pulseJobs, true},
		"only": {0, pulseJobs + 1, 0, false},
	} {
		g := &groupOfJobs{}
		for i := range test.underWay + test.lost {
			j := jobs.Job{ID: jobs.ID(fmt.Sprint("job_", i)), Parent: "job_p", State: jobs.StateRunning}
			if i >= test.underWay {
				j.State, j.DecideAt = jobs.StateUncertain, time.Now().Add(time.Hour)
			}
			g.jobs = append(g.jobs, j)
		}
		told, idle := "nothing", false
		p := &pulse{
			from: g, name: func(jobs.Job) string { return "a.md" }, advise: func(jobs.Job) string { return "" },
			onLost: func(note string) { told = note }, onIdle: func(context.Context) { idle = true },
		}
		p.look(t.Context())
		if w := p.work(); w.requests != test.requests || w.more != test.more || idle != (test.underWay == 0) {
			t.Errorf("%s: %d requests, more %v, idle %v", name, w.requests, w.more, idle)
		}
		if found := strings.HasPrefix(told, "a.md: the answer to a create was lost"); found != (test.lost > 0) || !found && told != "" {
			t.Errorf("%s: it tells %q", name, told)
		}
	}
}

// partsOf are the parts of any job.
type partsOf []jobs.Job

func (p partsOf) Parts(context.Context, jobs.ID) iter.Seq2[client.Part, error] {
	return func(yield func(client.Part, error) bool) {
		for _, j := range p {
			if !yield(client.Part{Job: j}, nil) {
				return
			}
		}
	}
}

// What the members of a run wait for can be asked while they are looked at.
func TestParkedWhileMembersAreLookedAt(t *testing.T) {
	t.Parallel()
	s := newShelf()
	f := newFollower(s)
	s.fill(f, 3)
	var looking sync.WaitGroup
	defer looking.Wait()
	looking.Go(func() {
		for range 1000 {
			if _, _, err := f.pass(t.Context()); err != nil {
				t.Error(err)
			}
		}
	})
	for range 1000 {
		waiting := f.parked(t.Context(), partsOf{
			{State: jobs.StateSucceeded}, {State: jobs.StateWaiting, Waits: jobs.WaitPrice, Budget: "run-x", Model: "foo-1"},
		})
		want := map[string]*parked{"run-x": {documents: []string{"m0", "m1", "m2"}, models: []string{"foo-1"}}}
		if diff := cmp.Diff(want, waiting, cmp.AllowUnexported(parked{})); diff != "" {
			t.Fatalf("it waits for (-want +got):\n%s", diff)
		}
	}
}

// Following a run ends once its budget has left nothing under way, and says so, unless all
// has ended at the same moment or something else has gone wrong.
func TestFollowingEndsOnASpentBudget(t *testing.T) {
	t.Parallel()
	full := errors.New("no space left on device")
	for name, test := range map[string]struct {
		end   func(ctx context.Context) error
		stuck bool
		want  error
	}{
		"it waits":           {context.Cause, true, nil},
		"it has ended":       {func(context.Context) error { return nil }, false, nil},
		"it cannot go on":    {func(context.Context) error { return full }, false, full},
		"with a wrapped one": {func(ctx context.Context) error { return fmt.Errorf("look: %w", context.Cause(ctx)) }, true, nil},
	} {
		synctest.Test(t, func(t *testing.T) {
			g := &groupOfJobs{budgets: []client.Budget{{Name: "run-x", Budget: results.Budget{Amount: new(jobs.Dollar)}, Waiting: 1}}}
			p := &pulse{from: g, budget: "run-x", raise: "Raise it."}
			c := &cli{console: newConsole(&testlog.Buffer{})}
			began := time.Now()
			stuck, err := c.follow(t.Context(), "x", newFollower(newShelf()), p, func(ctx context.Context) error {
				<-ctx.Done()
				return test.end(ctx)
			})
			if strings.HasPrefix(stuck, "the budget of $1.0000 is spent but for $1.0000") != test.stuck || stuck == "" == test.stuck || !errors.Is(err, test.want) {
				t.Errorf("%s: it is stuck by %q, error %v", name, stuck, err)
			}
			if took := time.Since(began); took != (certain-1)*pulseEvery {
				t.Errorf("%s: it took %v", name, took)
			}
		})
	}
}

// Nothing goes on only if that is so three times in a row. While the budget of the run is
// waited for, what else is waited for is not looked up.
func TestPulseIsCertainBeforeItSaysSo(t *testing.T) {
	t.Parallel()
	own := client.Budget{Name: "run-x", Budget: results.Budget{Amount: new(jobs.Dollar)}, Waiting: 1}
	other := client.Budget{Name: "run-y", Budget: results.Budget{Amount: new(jobs.Dollar), Group: "y", Per: results.PerTotal}}
	underWay := []jobs.Job{{ID: "job_1", State: jobs.StateRunning}}
	asked := 0
	g := &groupOfJobs{}
	p := &pulse{
		from: g, budget: "run-x", raise: "Raise it.", name: func(jobs.Job) string { return "b.md" }, call: (&cli{}).call,
		parked: func(context.Context) map[string]*parked {
			asked++
			return map[string]*parked{"run-y": {documents: []string{"a.md"}}}
		},
	}
	for i, step := range []struct {
		budgets []client.Budget
		jobs    []jobs.Job
		stuck   string
		asked   int
	}{
		{[]client.Budget{other}, nil, "", 1},
		{[]client.Budget{other}, nil, "", 2},
		{[]client.Budget{other}, underWay, "", 2},
		{[]client.Budget{other}, nil, "", 3},
		{[]client.Budget{other, own}, nil, "", 3},
		{[]client.Budget{other, own}, nil, "", 3},
		{[]client.Budget{other}, nil, "", 4},
		{[]client.Budget{other, own}, nil, "", 4},
		{[]client.Budget{other, own}, nil, "", 4},
		{[]client.Budget{other, own}, nil, "the budget of $1.0000 is spent", 4},
		{[]client.Budget{other}, nil, "", 5},
		{[]client.Budget{other}, nil, "", 6},
		{[]client.Budget{other}, nil, "1 document waits for the budget of run y", 7},
	} {
		g.budgets, g.jobs = step.budgets, step.jobs
		if stuck := p.look(t.Context()); stuck == "" != (step.stuck == "") || !strings.HasPrefix(stuck, step.stuck) || asked != step.asked {
			t.Errorf("look %d: it is stuck by %q, and what is waited for was looked up %d times, want %q and %d", i, stuck, asked, step.stuck, step.asked)
		}
	}
}
