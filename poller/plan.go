package poller

import (
	"math"
	"time"
)

// Plan says when to look at responses whose durations are known as a distribution.
//
// The time between a response's end and the look that finds it is lag. With n looks
// a second at responses of an age, lag is 1/2n at the mean; what is left of the
// distribution ends at the rate h there, its hazard. The sum of lag and of looks,
// each look being worth some lag, is smallest where n is the square root of h over
// twice that worth. So a plan adds up n over the ages: a look is due whenever the
// sum has grown by one. Where nothing ends there is hardly a look, where much ends
// there are many, and a response that outlives the others is looked at as the few
// that did before end. See docs/adr/0008-look-as-the-root-of-the-hazard.md.
//
// That rule is one of many looks. Where responses end within less time than a look is
// worth, they have all ended before the sum has grown by one: so a look comes as soon
// as waiting on would cost what has ended more than it could save what has not.
//
// A plan is read only, and safe for concurrent use.
type Plan struct {
	schedule Schedule
	// For the beginning of each bucket, looks is how many looks come before, and alive
	// is the part of the responses that run longer.
	looks, alive [buckets + 1]float64
}

// priorEnds are spread over all buckets alike, beside what was observed: what has
// never been seen may happen all the same.
const priorEnds = 1.0

// NewPlan makes a plan of a distribution.
func NewPlan(h Histogram, s Schedule) *Plan {
	p := &Plan{schedule: s}
	p.alive[0] = 1
	for bucket := range buckets {
		from, to := bounds(bucket)
		end := (h.counts[bucket] + priorEnds/buckets) / (h.total + priorEnds)
		hazard := end / (p.alive[bucket] - end/2) / (to - from)
		p.looks[bucket+1] = p.looks[bucket] + (to-from)*math.Sqrt(hazard/(2*s.LookCost.Seconds()))
		p.alive[bucket+1] = max(p.alive[bucket]-end, 0)
	}
	return p
}

// First is the wait before the first look, until responses of the sort begin to
// end. It may be longer than those between two looks, and is never longer than the
// safety net, for the provider keeps what has ended for some minutes only.
func (p *Plan) First() time.Duration {
	return p.wait(0, max(p.schedule.Ceiling, p.schedule.SafetyNet))
}

// After is the wait before the next look at a response of an age that still runs.
func (p *Plan) After(age time.Duration) time.Duration {
	return p.wait(age.Seconds(), p.schedule.Ceiling)
}

// wait is the time in which a response of an age, in seconds, is due one look.
func (p *Plan) wait(age float64, most time.Duration) time.Duration {
	b := Bucket(time.Duration(age * float64(time.Second)))
	due, alive := within(&p.looks, b, age)+1, within(&p.alive, b, age)
	then := age
	for ; b < buckets && then == age; b++ {
		from, to := bounds(b)
		switch {
		case p.looks[b+1] >= due:
			then = from + (to-from)*(due-p.looks[b])/(p.looks[b+1]-p.looks[b])
		case p.over(b+1, alive):
			then = to
		}
	}
	if then == age {
		return most // older than anything that is known
	}
	wait := time.Duration(min((then-age)*float64(time.Second), float64(most)))
	return min(max(wait, p.schedule.Floor), most)
}

// over reports whether to look at the beginning of a bucket, not after it, at a
// response that ran when a part of all were alive. Waiting on delays what has ended by
// the bucket's width; it saves what ends in the bucket a look, and the wait for the next.
func (p *Plan) over(bucket int, alive float64) bool {
	if bucket >= buckets {
		return false
	}
	from, to := bounds(bucket)
	ended, ending := alive-p.alive[bucket], p.alive[bucket]-p.alive[bucket+1]
	next := (to - from) / (p.looks[bucket+1] - p.looks[bucket])
	return ended*(to-from) > ending*(p.schedule.LookCost.Seconds()+next)
}

// within is what a table of the bounds has for an age that lies in a bucket.
func within(table *[buckets + 1]float64, bucket int, age float64) float64 {
	from, to := bounds(bucket)
	return table[bucket] + (table[bucket+1]-table[bucket])*min((age-from)/(to-from), 1)
}
