package poller

import (
	"math"
	"math/rand/v2"
	"testing"
	"time"

	"github.com/longhaul-jobs/longhaul/jobs"
)

// knownDurations is a plan for responses that take some 100 seconds.
func knownDurations(tb testing.TB) *Plan {
	tb.Helper()
	return NewPlan(around(100*time.Second, 500), testSchedule)
}

// around is a histogram of ends whose durations lie around a median.
func around(median time.Duration, ends int) Histogram {
	var h Histogram
	random := rand.New(rand.NewPCG(1, 2)) // the same each time
	for range ends {
		h.Add(Bucket(time.Duration(float64(median)*math.Exp(0.3*random.NormFloat64()))), 1)
	}
	return h
}

func TestBuckets(t *testing.T) {
	t.Parallel()
	for _, d := range []time.Duration{
		-time.Hour, 0, time.Millisecond, shortest, shortest + 1, time.Second, 90 * time.Second, time.Hour, 24 * time.Hour, 1000 * time.Hour,
	} {
		b := Bucket(d)
		from, to := bounds(b)
		if s := d.Seconds(); b < 0 || b > longestBucket || s > to && b < longestBucket || s < from-1e-9 && b > 0 {
			t.Errorf("%v falls into bucket %d, from %v to %v s", d, b, from, to)
		}
	}
	if _, to := bounds(longestBucket); to < (48 * time.Hour).Seconds() {
		t.Errorf("the last bucket ends at %v s", to)
	}
}

// Looks begin when responses of the sort begin to end, are closest where most do,
// and go back to the ceiling for those that outlive all others.
func TestPlan(t *testing.T) {
	t.Parallel()
	p := knownDurations(t)
	if first := p.First(); first < 40*time.Second || first > 80*time.Second {
		t.Errorf("first look after %v; they take 100 s, hardly any less than 50", first)
	}
	for _, tt := range []struct {
		name     string
		age      time.Duration
		from, to time.Duration
	}{
		{"none has ended yet: the ceiling", time.Second, testSchedule.Ceiling, testSchedule.Ceiling},
		{"most end now", 100 * time.Second, 5 * time.Second, 12 * time.Second},
		{"all have ended", 20 * time.Minute, testSchedule.Ceiling, testSchedule.Ceiling},
		{"older than anything there is", 1000 * time.Hour, testSchedule.Ceiling, testSchedule.Ceiling},
	} {
		if got := p.After(tt.age); got < tt.from || got > tt.to {
			t.Errorf("%s: at %v the next look in %v, want %v to %v", tt.name, tt.age, got, tt.from, tt.to)
		}
	}
}

// Where responses all end within less than a look is worth, it comes when they have:
// not seconds later, when the rule of many looks would have it.
func TestPlanOfWhatEndsAtOnce(t *testing.T) {
	t.Parallel()
	s := testSchedule
	s.Floor = time.Millisecond
	for _, tt := range []struct{ took, from, to time.Duration }{
		{20 * time.Millisecond, 20 * time.Millisecond, 300 * time.Millisecond},
		{time.Second, 900 * time.Millisecond, 2 * time.Second},
		{3 * time.Second, 2500 * time.Millisecond, 5 * time.Second},
	} {
		var h Histogram
		h.Add(Bucket(tt.took), 500)
		p := NewPlan(h, s)
		if first := p.First(); first < tt.from || first > tt.to {
			t.Errorf("all take %v: first look after %v, want %v to %v", tt.took, first, tt.from, tt.to)
		}
	}
}

// Four times the worth of a look doubles the waits, within floor and ceiling.
func TestLookCost(t *testing.T) {
	t.Parallel()
	wait := func(cost time.Duration) time.Duration {
		s := testSchedule
		s.LookCost, s.Ceiling, s.Floor = cost, time.Hour, time.Millisecond
		// Some responses end at every age alike, so that the hazard is nearly even.
		var h Histogram
		for b := range buckets {
			from, to := bounds(b)
			h.Add(b, 1e6*(math.Exp(-from/1000)-math.Exp(-to/1000)))
		}
		return NewPlan(h, s).After(5 * time.Minute)
	}
	one, four := wait(time.Second), wait(4*time.Second)
	if want := math.Sqrt(2 * 1000); math.Abs(one.Seconds()-want) > want/10 {
		t.Errorf("of the hazard 1/1000 s and the worth of 1 s comes a wait of %v, want the root of 2000 s², %.1f s", one, want)
	}
	if ratio := float64(four) / float64(one); math.Abs(ratio-2) > 0.1 {
		t.Errorf("four times the worth makes %.2f times the wait, %v and %v", ratio, one, four)
	}
}

// FuzzPlan holds the waits of any distribution to their bounds.
func FuzzPlan(f *testing.F) {
	f.Add([]byte{1, 2, 3}, int64(1000), int64(1e9))
	f.Add([]byte{79, 79, 79, 0}, int64(1e9), int64(1))
	f.Fuzz(func(t *testing.T, ends []byte, ageMillis, cost int64) {
		if ageMillis < 0 || ageMillis > 1e12 || cost <= 0 || cost > int64(time.Hour) {
			return
		}
		var h Histogram
		for _, b := range ends {
			h.Add(int(b)-8, 1)
		}
		s := testSchedule
		s.LookCost = time.Duration(cost)
		p := NewPlan(h, s)
		if first := p.First(); first < s.Floor || first > s.SafetyNet {
			t.Errorf("first look after %v", first)
		}
		if wait := p.After(time.Duration(ageMillis) * time.Millisecond); wait < s.Floor || wait > s.Ceiling {
			t.Errorf("next look in %v", wait)
		}
	})
}

// Old ends are forgotten: after as many new ones as are remembered, nearly all
// weight is theirs.
func TestHistogramForgets(t *testing.T) {
	t.Parallel()
	var h Histogram
	for range 5 * Memory {
		h.Observe(time.Second)
	}
	for range 2 * Memory {
		h.Observe(time.Hour)
	}
	if h.total >= Memory || h.counts[Bucket(time.Second)] > h.total/4 {
		t.Errorf("%v ends are remembered, %v of them from before", h.total, h.counts[Bucket(time.Second)])
	}
}

// With a plan an interval follows it; what the provider wishes, what failed and what
// is to stop go by their own rules all the same.
func TestNextByPlan(t *testing.T) {
	t.Parallel()
	now := time.Date(2026, 11, 22, 12, 0, 0, 0, time.UTC)
	plan := knownDurations(t)
	wishes := response(jobs.StatusInProgress)
	wishes.reply.PollAfter = 7 * time.Second
	stopped := running(now, 100*time.Second)
	stopped.Stop = &jobs.Stop{At: now}
	for _, tt := range []struct {
		name string
		job  jobs.Job
		got  answer
		told bool
		wait time.Duration
	}{
		{"by the plan", running(now, 100*time.Second), response(jobs.StatusInProgress), false, plan.After(100 * time.Second)},
		{"the provider's wish", running(now, 100*time.Second), wishes, false, 7 * time.Second},
		{"a failed look", running(now, 100*time.Second), failure(jobs.ClassUnavailable), false, 10 * time.Second},
		{"to be stopped", stopped, response(jobs.StatusInProgress), false, 2 * time.Second},
		{"a safety net", running(now, 100*time.Second), response(jobs.StatusInProgress), true, 4 * time.Minute},
	} {
		if got := next(now, tt.job, tt.got, testSchedule, plan, tt.told, half).due.Sub(now); got != tt.wait {
			t.Errorf("%s: looked at again in %v, want %v", tt.name, got, tt.wait)
		}
	}
}
