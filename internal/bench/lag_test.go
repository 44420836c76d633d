package bench_test

import (
	"container/heap"
	"fmt"
	"math"
	"math/rand/v2"
	"os"
	"testing"
	"time"

	"github.com/longhaul-jobs/longhaul/poller"
)

// A watched response, in fake time: everything in seconds since the beginning.
type watched struct {
	began, took, look float64
	looked            bool // its first look is planned
}

type agenda []watched

func (a *agenda) Len() int           { return len(*a) }
func (a *agenda) Less(i, j int) bool { return (*a)[i].look < (*a)[j].look }
func (a *agenda) Swap(i, j int)      { (*a)[i], (*a)[j] = (*a)[j], (*a)[i] }
func (a *agenda) Push(x any)         { *a = append(*a, x.(watched)) } //nolint:errcheck // the heap is ours
func (a *agenda) Pop() any {
	old := *a
	last := old[len(old)-1]
	*a = old[:len(old)-1]
	return last
}

// workload is how long responses take.
type workload struct {
	name string
	took func(r *rand.Rand) float64
}

func around(median, spread float64) func(r *rand.Rand) float64 {
	return func(r *rand.Rand) float64 { return median * math.Exp(spread*r.NormFloat64()) }
}

// workloads are seconds, minutes, and a mixture of both with a heavy tail of up to
// six hours.
func workloads() []workload {
	return []workload{
		{"seconds", around(12, 0.5)},
		{"minutes", around(180, 0.6)},
		{"mixture", func(r *rand.Rand) float64 {
			switch u := r.Float64(); {
			case u < 0.6:
				return around(8, 0.5)(r)
			case u < 0.9:
				return around(150, 0.6)(r)
			}
			return min(300/math.Pow(1-r.Float64(), 1/1.3), 6*3600)
		}},
	}
}

// planner says how long to wait before a look. It is told of the ends.
type planner interface {
	wait(now, age float64, random float64) float64
	ended(took float64)
}

// fixed looks at the same interval.
type fixed struct{ interval float64 }

func (f fixed) wait(_, _, _ float64) float64 { return f.interval }
func (fixed) ended(float64)                  {}

// exponential begins with an interval and makes each half as long again.
type exponential struct{ first float64 }

func (e exponential) wait(_, age, _ float64) float64 { return e.first + age/2 }
func (exponential) ended(float64)                    {}

// learned is the poller's own schedule, which begins with nothing known.
type learned struct {
	schedule poller.Schedule
	known    poller.Histogram
	plan     *poller.Plan
	made     float64
}

// relearn is how old a plan may become, in seconds: as in a worker.
const relearn = 5

func newLearned(cost float64) *learned {
	return &learned{schedule: poller.Schedule{
		Floor: time.Second, Ceiling: 30 * time.Second, SafetyNet: 4 * time.Minute, LookCost: seconds(cost),
	}}
}

func (l *learned) wait(now, age, random float64) float64 {
	if l.known.Enough() && (l.plan == nil || now-l.made > relearn) {
		l.plan, l.made = poller.NewPlan(l.known, l.schedule), now
	}
	if age == 0 {
		return l.schedule.First(l.plan, 0, false).Seconds()
	}
	return l.schedule.After(l.plan, seconds(age), random).Seconds()
}

func (l *learned) ended(took float64) { l.known.Observe(seconds(took)) }

func seconds(s float64) time.Duration { return time.Duration(s * float64(time.Second)) }

// watchedJobs is how many responses a run watches; one begins each second.
const watchedJobs = 3000

// outcome is what a run came to: looks for each response, and the mean lag in
// seconds between its end and the look that found it.
type outcome struct{ looks, lag float64 }

// lagOf watches a workload in fake time. The same workload is the same each time.
func lagOf(w workload, p planner) outcome {
	random := rand.New(rand.NewPCG(4, 2)) // the same each time
	due := make(agenda, watchedJobs)
	for i := range due {
		due[i] = watched{began: float64(i), took: w.took(random), look: float64(i)}
	}
	heap.Init(&due)
	var o outcome
	for due.Len() > 0 {
		r, _ := heap.Pop(&due).(watched)
		now, age := r.look, r.look-r.began
		if r.looked {
			o.looks++
			if age >= r.took {
				o.lag += age - r.took
				p.ended(r.took)
				continue
			}
		}
		r.looked = true
		r.look += p.wait(now, age, random.Float64())
		heap.Push(&due, r)
	}
	return outcome{looks: o.looks / watchedJobs, lag: o.lag / watchedJobs}
}

// atLooks finds the setting of a planner at which it makes as many looks for each
// response as wanted, or as close under it as it gets.
func atLooks(w workload, looks float64, with func(setting float64) planner) outcome {
	low, high := math.Log(1e-3), math.Log(1e4)
	for range 18 {
		if middle := (low + high) / 2; lagOf(w, with(math.Exp(middle))).looks > looks {
			low = middle
		} else {
			high = middle
		}
	}
	return lagOf(w, with(math.Exp(high)))
}

// rivals compares the three at the looks that the fixed loop of ten seconds makes.
func rivals(w workload) (loop, growth, learnt outcome) {
	loop = lagOf(w, fixed{10})
	growth = atLooks(w, loop.looks, func(first float64) planner { return exponential{first} })
	learnt = atLooks(w, loop.looks, func(cost float64) planner { return newLearned(cost) })
	return loop, growth, learnt
}

// At the same number of looks the learned schedule finds ends sooner than a fixed
// loop and than exponential growth, on each workload, and what it costs to learn is
// in that: it begins with nothing known. All of it is in fake time, so it is the
// same on every machine.
//
// Guarantee: G26.
func TestLearnedLooksFindEndsSooner(t *testing.T) {
	t.Parallel()
	for _, w := range workloads() {
		t.Run(w.name, func(t *testing.T) {
			t.Parallel()
			loop, growth, learnt := rivals(w)
			t.Logf("loop %.2f, growth %.2f, learned %.2f", loop, growth, learnt)
			if learnt.looks > loop.looks {
				t.Errorf("looks: %.3f for the learned schedule, %.3f for the loop; they are to be compared at the same", learnt.looks, loop.looks)
			}
			if learnt.lag >= loop.lag || learnt.lag >= growth.lag {
				t.Errorf("lag: %.2f s; the loop has %.2f s and growth %.2f s", learnt.lag, loop.lag, growth.lag)
			}
		})
	}
}

// figurePath is the figure of the page on looks, relative to this package.
const figurePath = "../../docs/looks.svg"

// BenchmarkLag prints the table of the page on looks and draws its figure.
func BenchmarkLag(b *testing.B) {
	for b.Loop() {
		out := table()
		row(out, "lag in fake time, at equal looks", "looks", "fixed 10 s", "exponential", "learned", "less than fixed", "less than exp.")
		var panels []panel
		for _, w := range workloads() {
			loop, growth, learnt := rivals(w)
			row(out, "  "+w.name, fmt.Sprintf("%.2f", loop.looks), fmt.Sprintf("%.2f s", loop.lag), fmt.Sprintf("%.2f s", growth.lag),
				fmt.Sprintf("%.2f s", learnt.lag), fmt.Sprintf("%.0f %%", 100*(1-learnt.lag/loop.lag)), fmt.Sprintf("%.0f %%", 100*(1-learnt.lag/growth.lag)))
			summary.tell("lag at equal looks, "+w.name, fmt.Sprintf("%.2f s", learnt.lag), "less than beside",
				fmt.Sprintf("%.2f s fixed, %.2f s exponential", loop.lag, growth.lag))
			panels = append(panels, curves(w))
		}
		_ = out.Flush()
		if err := os.WriteFile(figurePath, []byte(figure(panels)), 0o600); err != nil {
			b.Fatal(err)
		}
	}
}

// curves sweeps the setting of each of the three.
func curves(w workload) panel {
	p := panel{title: w.name}
	for _, c := range []struct {
		name      string
		low, high float64
		make      func(setting float64) planner
	}{
		{"fixed", 2, 60, func(s float64) planner { return fixed{s} }},
		{"exponential", 0.3, 60, func(s float64) planner { return exponential{s} }},
		{"learned", 0.02, 40, func(s float64) planner { return newLearned(s) }},
	} {
		const points = 14
		line := curve{name: c.name}
		for i := range points {
			o := lagOf(w, c.make(c.low*math.Pow(c.high/c.low, float64(i)/(points-1))))
			line.points = append(line.points, o)
		}
		p.curves = append(p.curves, line)
	}
	return p
}
