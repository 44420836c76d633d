package jobs

import "time"

// Bounds of the delays before a next attempt.
const (
	firstDelay = 2 * time.Second
	maxDelay   = 5 * time.Minute
	// pausedDelay is short, because the lane is what waits.
	pausedDelay = time.Second
	// What a Retry-After may ask for.
	minServerDelay = time.Second
	maxServerDelay = time.Hour
)

// RetryDelay returns how long to wait before the next attempt after a failure,
// when failures attempts have failed in a row. The server's own delay is
// honoured and spread by a tenth so that many jobs do not return at once;
// without one the delay is drawn between zero and a bound that grows fourfold from
// 2 s to 5 min ("full jitter"), so that five attempts outlast a minute on average.
// A job whose lane is paused for its failure is ready soon: it goes when its lane
// does. random is a number in [0, 1).
func RetryDelay(f Failure, failures int, random float64) time.Duration {
	if f.RetryAfter > 0 {
		d := min(max(f.RetryAfter, minServerDelay), maxServerDelay)
		return d + time.Duration(random*float64(d)/10)
	}
	if f.Class.Verdict().Pause {
		return pausedDelay + time.Duration(random*float64(pausedDelay))
	}
	if f.Class == ClassConflict {
		return firstDelay + time.Duration(random*float64(firstDelay))
	}
	bound := maxDelay
	if n := max(failures, 1) - 1; n < 4 {
		bound = min(firstDelay<<(2*n), maxDelay)
	}
	return time.Duration(random * float64(bound))
}

// FailuresInRow is how many of the latest attempts failed, for [RetryDelay].
func (j Job) FailuresInRow() int {
	n := 0
	for i := len(j.Attempts) - 1; i >= 0 && j.Attempts[i].Number > j.BudgetFrom; i-- {
		outcome := j.Attempts[i].Outcome
		failing := outcome == "" && i == len(j.Attempts)-1 // now
		if outcome != OutcomeFailed && outcome != OutcomeUncertain && !failing {
			return n
		}
		n += 1 + j.Attempts[i].Repeats
	}
	return n
}
